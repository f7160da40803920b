//! Octets from anywhere into an SRTP receiver: no panic, and nothing is accepted that no key has made.
//!
//! The first octet chooses the policy and whether the rest is taken as it is, or as changes to an authentic packet: the
//! way past the tag that random octets never find.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{SrtpAuth, SrtpPolicy};
use mikey_srtp::{
    ContextDb, DbConfig, Destination, Direction, ExtensionIds, Install, MasterKey, Mki, Owner, Ssrc, Ssrcs, Time,
};

const SSRC: u32 = 0xcafe_babe;

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let policy = POLICIES[usize::from(choice & 15)];
    let (mut tx, mut rx) = (db(Direction::Outbound, policy), db(Direction::Inbound, policy));
    let mut packet = input.to_vec();
    if choice & 16 != 0 {
        packet = vec![0x90, 8, 0, 1, 0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 0xbe, 0xde, 0, 1, 0x10, 1, 0x20, 2];
        packet.extend(input.iter().take(400));
        let len = packet.len();
        packet.resize(len + 64, 0);
        let done = tx.protect_rtp(Time::ZERO, here(), &mut packet, len).expect("a packet of ours");
        packet.truncate(done.len);
        let mut changed = false;
        for change in input.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % packet.len();
            packet[at] ^= change[2];
            changed |= change[2] != 0;
        }
        let accepted = rx.unprotect_rtp(Time::ZERO, here(), &mut packet.clone()).is_ok();
        assert!(accepted || changed, "an authentic packet was refused");
    }
    let _ = rx.unprotect_rtp(Time::ZERO, here(), &mut packet);
    let _ = rx.unprotect_rtcp(Time::ZERO, here(), &mut packet);
    if choice & 16 == 0 && input.len() >= 12 {
        let mut packet = input.to_vec();
        packet[0] = packet[0] & 0x3f | 0x80;
        packet[8..12].copy_from_slice(&SSRC.to_be_bytes());
        assert!(rx.unprotect_rtp(Time::ZERO, here(), &mut packet).is_err(), "a forgery was accepted");
        packet[4..8].copy_from_slice(&SSRC.to_be_bytes());
        assert!(rx.unprotect_rtcp(Time::ZERO, here(), &mut packet).is_err(), "a forgery was accepted");
    }
});

fn here() -> Destination {
    Destination::new([127, 0, 0, 1].into(), 5004)
}

fn db(direction: Direction, policy: SrtpPolicy) -> ContextDb {
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([1, 2]));
    let secret = |len: u8| SecretBytes::copy_from(&(1..=len).collect::<Vec<_>>());
    let key = MasterKey::new(secret(policy.key_len), secret(policy.salt_len));
    let key = key.with_mki(Mki::new(&[1, 2, 3][..usize::from(policy.key_len) / 16]).unwrap());
    let install = Install::new(direction, here(), Owner(1), Ssrcs::one(Ssrc(SSRC)), policy, key);
    db.install(Install { extensions: ExtensionIds::new(&[1]), ..install }).unwrap();
    db
}

const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
const F8: SrtpPolicy = SrtpPolicy::AES_F8_128_HMAC_SHA1_80;
const GCM: SrtpPolicy = SrtpPolicy::AEAD_AES_128_GCM;

const POLICIES: [SrtpPolicy; 16] = [
    CM,
    SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
    SrtpPolicy::AES_CM_192_HMAC_SHA1_80,
    SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
    F8,
    SrtpPolicy { kdr: 1, ..F8 },
    GCM,
    SrtpPolicy::AEAD_AES_256_GCM,
    SrtpPolicy { kdr: 2, ..GCM },
    SrtpPolicy { srtcp_encryption: false, ..GCM },
    SrtpPolicy::NULL_HMAC_SHA1_80,
    SrtpPolicy { kdr: 1, ..CM },
    SrtpPolicy { kdr: 1 << 24, ..CM },
    SrtpPolicy { auth: SrtpAuth::RccM2, tag_len: 14, roc_rate: 2, ..CM },
    SrtpPolicy { auth: SrtpAuth::RccM2, tag_len: 14, ..CM },
    SrtpPolicy { srtp_encryption: false, ..CM },
];
