//! Packets exchanged with the crate webrtc-srtp, in both directions: the bench compares like with like.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Owner, Ssrc, Ssrcs, Time};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const SSRC: u32 = 0xcafe_babe;

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

#[test]
fn each_understands_the_other() {
    for (policy, profile) in [
        (SrtpPolicy::AES_CM_128_HMAC_SHA1_80, ProtectionProfile::Aes128CmHmacSha1_80),
        (SrtpPolicy::AES_CM_128_HMAC_SHA1_32, ProtectionProfile::Aes128CmHmacSha1_32),
        (SrtpPolicy::AEAD_AES_128_GCM, ProtectionProfile::AeadAes128Gcm),
        (SrtpPolicy::AEAD_AES_256_GCM, ProtectionProfile::AeadAes256Gcm),
    ] {
        let secret: Vec<u8> = (1..=policy.key_len + policy.salt_len).collect();
        let (key, salt) = secret.split_at(usize::from(policy.key_len));
        let context = || Context::new(key, salt, profile, None, None).unwrap();
        let (mut theirs_out, mut theirs_in) = (context(), context());
        let mut tx = ours(Direction::Outbound, policy, &secret);
        let mut rx = ours(Direction::Inbound, policy, &secret);
        for seq in [65_533u16, 65_534, 65_535, 0, 1, 200, 30_000, 62_000, 5] {
            let mut packet = vec![0x80, 96];
            packet.extend(seq.to_be_bytes());
            packet.extend([0, 0, 0, 1]);
            packet.extend(SSRC.to_be_bytes());
            packet.resize(12 + usize::from(seq) % 400, 0x5a);
            let mut buffer = [&packet[..], &[0; 64]].concat();
            let len = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len;
            assert_eq!(theirs_in.decrypt_rtp(&buffer[..len]).unwrap()[..], packet[..], "{policy:?} {seq}");
            let mut protected = theirs_out.encrypt_rtp(&packet).unwrap().to_vec();
            let len = rx.unprotect_rtp(Time::ZERO, here(), &mut protected).unwrap().len;
            assert_eq!(protected[..len], packet[..], "{policy:?} {seq}");

            let mut report = vec![0x80, 200, 0, 6];
            report.extend(SSRC.to_be_bytes());
            report.resize(28, seq as u8);
            let mut buffer = [&report[..], &[0; 64]].concat();
            let len = tx.protect_rtcp(Time::ZERO, here(), &mut buffer, report.len()).unwrap().len;
            assert_eq!(theirs_in.decrypt_rtcp(&buffer[..len]).unwrap()[..], report[..], "{policy:?} {seq}");
            let mut protected = theirs_out.encrypt_rtcp(&report).unwrap().to_vec();
            let len = rx.unprotect_rtcp(Time::ZERO, here(), &mut protected).unwrap().len;
            assert_eq!(protected[..len], report[..], "{policy:?} {seq}");
        }
    }
}
