//! Shared by the tests: the default provider, hex, packets, a database with one sender.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod tesla;

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{SrtpCrypto, SrtpPolicy};
use mikey_srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Owner, SenderId, Ssrc, Ssrcs, StartIndex,
};

pub fn crypto() -> &'static dyn SrtpCrypto {
    mikey_crypto_aws_lc::provider().srtp
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub fn here() -> Destination {
    Destination::new([127, 0, 0, 1].into(), 5004)
}

/// Pseudo-random octets that differ by seed.
pub fn octets(seed: u8, len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ u64::from(seed) << 32;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// The same master key each time it is called with the same seed.
pub fn master(policy: &SrtpPolicy, seed: u8) -> MasterKey {
    let key = SecretBytes::copy_from(&octets(seed, usize::from(policy.key_len)));
    MasterKey::new(key, SecretBytes::copy_from(&octets(seed ^ 0x80, usize::from(policy.salt_len))))
}

pub fn master_of(bytes: &[u8], key_len: usize) -> MasterKey {
    MasterKey::new(SecretBytes::copy_from(&bytes[..key_len]), SecretBytes::copy_from(&bytes[key_len..]))
}

pub fn db() -> ContextDb {
    ContextDb::new(crypto(), DbConfig::new([3, 4]))
}

pub fn install(direction: Direction, ssrcs: Ssrcs, policy: SrtpPolicy, key: MasterKey) -> Install {
    let owner = Owner(if direction == Direction::Outbound { 1 } else { 2 });
    Install::new(direction, here(), owner, ssrcs, policy, key)
}

/// Two databases: the first sends, the second receives, one SSRC.
pub struct Pair {
    pub tx: ContextDb,
    pub rx: ContextDb,
    pub sender: SenderId,
    pub receiver: SenderId,
    pub ssrc: Ssrc,
}

impl Pair {
    pub fn new(policy: SrtpPolicy) -> Self {
        Self::with(policy, StartIndex::BEGIN, |install| install)
    }

    pub fn with(policy: SrtpPolicy, start: StartIndex, change: impl Fn(Install) -> Install) -> Self {
        let ssrc = Ssrc(0xcafe_babe);
        let (mut tx, mut rx) = (db(), db());
        let ssrcs = || Ssrcs::These(vec![(ssrc, start)]);
        let outbound = install(Direction::Outbound, ssrcs(), policy, master(&policy, 1));
        let inbound = install(Direction::Inbound, ssrcs(), policy, master(&policy, 1));
        let sender = tx.install(change(outbound)).unwrap();
        let receiver = rx.install(change(inbound)).unwrap();
        Self { tx, rx, sender, receiver, ssrc }
    }

    pub fn protect(&mut self, seq: u16, payload: &[u8]) -> Vec<u8> {
        self.protect_packet(&rtp(self.ssrc, seq, payload))
    }

    pub fn protect_packet(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 300, 0);
        let done = self.tx.protect_rtp(mikey_srtp::Time::ZERO, here(), &mut buffer, packet.len()).unwrap();
        buffer.truncate(done.len);
        buffer
    }

    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 300, 0);
        let done = self.tx.protect_rtcp(mikey_srtp::Time::ZERO, here(), &mut buffer, packet.len()).unwrap();
        buffer.truncate(done.len);
        buffer
    }

    /// The RTP packet, or why not.
    pub fn unprotect(&mut self, packet: &[u8]) -> Result<Vec<u8>, mikey_srtp::UnprotectError> {
        let mut buffer = packet.to_vec();
        let done = self.rx.unprotect_rtp(mikey_srtp::Time::ZERO, here(), &mut buffer)?;
        buffer.truncate(done.len);
        Ok(buffer)
    }

    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, mikey_srtp::UnprotectError> {
        let mut buffer = packet.to_vec();
        let done = self.rx.unprotect_rtcp(mikey_srtp::Time::ZERO, here(), &mut buffer)?;
        buffer.truncate(done.len);
        Ok(buffer)
    }
}

pub fn rtp(ssrc: Ssrc, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0x0f];
    packet.extend(seq.to_be_bytes());
    packet.extend([0xde, 0xca, 0xfb, 0xad]);
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend(payload);
    packet
}

pub fn rtcp(ssrc: Ssrc, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x81, 0xc8, 0, 0x0b];
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend(rest);
    packet
}

/// Every profile with a name, and combinations beyond.
pub fn policies() -> Vec<(&'static str, SrtpPolicy)> {
    use mikey_crypto::srtp::SrtpAuth;
    let cm = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    vec![
        ("AES-CM-128/80", cm),
        ("AES-CM-128/32", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
        ("AES-CM-192/80", SrtpPolicy::AES_CM_192_HMAC_SHA1_80),
        ("AES-CM-256/80", SrtpPolicy::AES_CM_256_HMAC_SHA1_80),
        ("AES-CM-256/32", SrtpPolicy::AES_CM_256_HMAC_SHA1_32),
        ("f8-128/80", SrtpPolicy::AES_F8_128_HMAC_SHA1_80),
        ("f8-256/80", SrtpPolicy { key_len: 32, ..SrtpPolicy::AES_F8_128_HMAC_SHA1_80 }),
        ("NULL/80", SrtpPolicy::NULL_HMAC_SHA1_80),
        ("GCM-128", SrtpPolicy::AEAD_AES_128_GCM),
        ("GCM-256", SrtpPolicy::AEAD_AES_256_GCM),
        ("GCM-128, SRTCP clear", SrtpPolicy { srtcp_encryption: false, ..SrtpPolicy::AEAD_AES_128_GCM }),
        ("CM, SRTCP clear", SrtpPolicy { srtcp_encryption: false, ..cm }),
        ("CM, SRTP clear", SrtpPolicy { srtp_encryption: false, ..cm }),
        ("CM, tag of 160 bits", SrtpPolicy { tag_len: 20, srtcp_tag_len: 20, ..cm }),
        ("CM, tag of 8 bits", SrtpPolicy { tag_len: 1, srtcp_tag_len: 1, ..cm }),
        ("CM, KDR 1", SrtpPolicy { kdr: 1, ..cm }),
        ("CM, KDR 2^4", SrtpPolicy { kdr: 16, ..cm }),
        ("CM, KDR 2^24", SrtpPolicy { kdr: 1 << 24, ..cm }),
        ("GCM, KDR 2", SrtpPolicy { kdr: 2, ..SrtpPolicy::AEAD_AES_256_GCM }),
        ("f8, KDR 2", SrtpPolicy { kdr: 2, ..SrtpPolicy::AES_F8_128_HMAC_SHA1_80 }),
        ("RCC mode 2, R 1", SrtpPolicy { auth: SrtpAuth::RccM2, tag_len: 14, ..cm }),
        ("RCC mode 2, R 3", SrtpPolicy { auth: SrtpAuth::RccM2, tag_len: 14, roc_rate: 3, ..cm }),
    ]
}
