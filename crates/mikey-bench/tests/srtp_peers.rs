//! Packets exchanged with the crates webrtc-srtp and rtc-srtp, in both directions: SRTP and SRTCP, every profile that
//! each has, SEQ wraps and ROCs above 0. Neither has MKI, nor a way to set the ROC.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Owner, PacketIndex, Ssrc, Ssrcs, Time,
    UnprotectError,
};

const SSRC: u32 = 0xcafe_babe;

/// What a peer does with a packet; `None` if it refuses.
trait Peer {
    fn seal(&mut self, rtcp: bool, packet: &[u8]) -> Option<Vec<u8>>;
    fn open(&mut self, rtcp: bool, packet: &[u8]) -> Option<Vec<u8>>;
}

macro_rules! peer {
    ($context:ty) => {
        impl Peer for $context {
            fn seal(&mut self, rtcp: bool, packet: &[u8]) -> Option<Vec<u8>> {
                let sealed = if rtcp { self.encrypt_rtcp(packet) } else { self.encrypt_rtp(packet) };
                sealed.ok().map(|packet| packet.to_vec())
            }

            fn open(&mut self, rtcp: bool, packet: &[u8]) -> Option<Vec<u8>> {
                let opened = if rtcp { self.decrypt_rtcp(packet) } else { self.decrypt_rtp(packet) };
                opened.ok().map(|packet| packet.to_vec())
            }
        }
    };
}

peer!(webrtc_srtp::context::Context);
peer!(rtc_srtp::context::Context);

#[test]
fn webrtc_srtp_and_we_understand_each_other() {
    use webrtc_srtp::context::Context;
    use webrtc_srtp::protection_profile::ProtectionProfile as Theirs;
    for (policy, profile) in [
        (SrtpPolicy::AES_CM_128_HMAC_SHA1_80, Theirs::Aes128CmHmacSha1_80),
        (SrtpPolicy::AES_CM_128_HMAC_SHA1_32, Theirs::Aes128CmHmacSha1_32),
        (SrtpPolicy::AEAD_AES_128_GCM, Theirs::AeadAes128Gcm),
        (SrtpPolicy::AEAD_AES_256_GCM, Theirs::AeadAes256Gcm),
    ] {
        exchange(policy, |key, salt| Context::new(key, salt, profile, None, None).unwrap());
    }
}

#[test]
fn rtc_srtp_and_we_understand_each_other() {
    use rtc_srtp::context::Context;
    use rtc_srtp::protection_profile::ProtectionProfile as Theirs;
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    for (policy, profile) in [
        (SrtpPolicy::AES_CM_128_HMAC_SHA1_80, Theirs::Aes128CmHmacSha1_80),
        (SrtpPolicy::AES_CM_128_HMAC_SHA1_32, Theirs::Aes128CmHmacSha1_32),
        (SrtpPolicy::AES_CM_256_HMAC_SHA1_80, Theirs::Aes256CmHmacSha1_80),
        (SrtpPolicy::AES_CM_256_HMAC_SHA1_32, Theirs::Aes256CmHmacSha1_32),
        (SrtpPolicy::AEAD_AES_128_GCM, Theirs::AeadAes128Gcm),
        (SrtpPolicy::AEAD_AES_256_GCM, Theirs::AeadAes256Gcm),
    ] {
        let crypto = || provider.crypto();
        exchange(policy, |key, salt| Context::new(key, salt, profile, None, None, crypto()).unwrap());
    }
}

/// Packets over two wraps of SEQ, each way, and a forgery each way.
fn exchange<P: Peer>(policy: SrtpPolicy, peer: impl Fn(&[u8], &[u8]) -> P) {
    let secret: Vec<u8> = (1..=policy.key_len + policy.salt_len).collect();
    let (key, salt) = secret.split_at(usize::from(policy.key_len));
    let (mut theirs_out, mut theirs_in) = (peer(key, salt), peer(key, salt));
    let mut tx = ours(Direction::Outbound, policy, &secret);
    let mut rx = ours(Direction::Inbound, policy, &secret);
    let mut last = None;
    for seq in [65_533u16, 65_534, 65_535, 0, 1, 200, 30_000, 62_000, 5] {
        let packet = rtp(seq);
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let done = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap();
        let mut forged = buffer[..done.len].to_vec();
        forged[20] ^= 1;
        assert_eq!(theirs_in.open(false, &forged), None, "{policy:?} {seq}");
        assert_eq!(theirs_in.open(false, &buffer[..done.len]).unwrap(), packet, "{policy:?} {seq}");

        let mut protected = theirs_out.seal(false, &packet).unwrap();
        let mut forged = protected.clone();
        forged[20] ^= 1;
        let refused = rx.unprotect_rtp(Time::ZERO, here(), &mut forged);
        assert_eq!(refused, Err(UnprotectError::Unauthenticated), "{policy:?} {seq}");
        let done = rx.unprotect_rtp(Time::ZERO, here(), &mut protected).unwrap();
        assert_eq!(protected[..done.len], packet[..], "{policy:?} {seq}");
        last = Some(done.index);

        let mut report = vec![0x80, 200, 0, 6];
        report.extend(SSRC.to_be_bytes());
        report.resize(28, seq as u8);
        let mut buffer = [&report[..], &[0; 64]].concat();
        let len = tx.protect_rtcp(Time::ZERO, here(), &mut buffer, report.len()).unwrap().len;
        assert_eq!(theirs_in.open(true, &buffer[..len]).unwrap(), report, "{policy:?} {seq}");
        let mut protected = theirs_out.seal(true, &report).unwrap();
        let len = rx.unprotect_rtcp(Time::ZERO, here(), &mut protected).unwrap().len;
        assert_eq!(protected[..len], report[..], "{policy:?} {seq}");
    }
    assert_eq!(last, Some(PacketIndex::new(2, 5)), "{policy:?}");
}

fn here() -> Destination {
    Destination::new([127, 0, 0, 1].into(), 5004)
}

fn ours(direction: Direction, policy: SrtpPolicy, secret: &[u8]) -> ContextDb {
    let (key, salt) = secret.split_at(usize::from(policy.key_len));
    let key = MasterKey::new(SecretBytes::copy_from(key), SecretBytes::copy_from(salt));
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([1, 2]));
    db.install(Install::new(direction, here(), Owner(1), Ssrcs::one(Ssrc(SSRC)), policy, key)).unwrap();
    db
}

fn rtp(seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(seq.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(SSRC.to_be_bytes());
    packet.resize(30 + usize::from(seq) % 400, 0x5a);
    packet
}
