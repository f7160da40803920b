//! The packets of RFC 7714 sections 16 and 17, whole, both ways. They give session keys, so key derivation is left out:
//! a provider that answers with them stands between the database and the real transforms.
//!
//! Sections 16.1.3, 16.1.4, 16.2.3 and 16.2.4 authenticate SRTP without encrypting it, which section 8.2 forbids and no
//! policy of ours allows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{crypto, here, hex};
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{SrtpCrypto, SrtpPolicy, SrtpTransform, TransformKeys, UnsupportedTransform};
use mikey_srtp::{
    ContextDb, DbConfig, Direction, Install, MasterKey, Owner, Ssrc, Ssrcs, Time, UnprotectError,
};

const VECTORS: &str = include_str!("../../../vectors/external/rfc7714_sections16_17.txt");
const SALT: &[u8; 12] = b"Quid pro quo";

/// Session keys as they are given.
struct Given;

impl SrtpCrypto for Given {
    fn aes_cm_prf(&self, _: &[u8], iv: &[u8; 16], out: &mut [u8]) -> Result<(), UnsupportedTransform> {
        // The master salt is 0, so the label stands alone.
        match iv[7] {
            2 | 5 => out.copy_from_slice(SALT),
            _ => out.iter_mut().zip(0..).for_each(|(to, octet)| *to = octet),
        }
        Ok(())
    }

    fn transform(&self, keys: &TransformKeys<'_>) -> Result<Box<dyn SrtpTransform>, UnsupportedTransform> {
        crypto().transform(keys)
    }
}

fn db(direction: Direction, policy: SrtpPolicy, ssrc: Ssrc, index: u32) -> ContextDb {
    let mut db = ContextDb::new(&Given, DbConfig::new([1, 2]));
    let key = MasterKey::new(SecretBytes::zeroed(policy.key_len.into()), SecretBytes::zeroed(12));
    let install = Install::new(direction, here(), Owner(1), Ssrcs::one(ssrc), policy, key);
    let id = db.install(install).unwrap();
    assert!(db.set_next_rtcp_index(id, ssrc, index));
    db
}

/// The packet under a line of a section.
fn packet(section: &str, line: &str) -> Vec<u8> {
    let start = VECTORS.find(&format!("\n{section}")).unwrap();
    let (_, rest) = VECTORS[start..].split_once(&format!("{line}\n")).unwrap();
    hex(rest.trim_start().split("\n\n").next().unwrap())
}

#[test]
fn srtp() {
    for (policy, section) in
        [(SrtpPolicy::AEAD_AES_128_GCM, "16.1.1."), (SrtpPolicy::AEAD_AES_256_GCM, "16.2.1.")]
    {
        let plain = packet(section, "Encrypting the following packet:");
        let sealed = packet(section, "Encrypted and tagged packet:");
        assert_eq!((plain.len(), sealed.len()), (50, 66), "{section}");
        let ssrc = Ssrc(0x5501_a0b2);
        let mut buffer = [&plain[..], &[0; 16]].concat();
        let len = db(Direction::Outbound, policy, ssrc, 0)
            .protect_rtp(Time::ZERO, here(), &mut buffer, plain.len())
            .unwrap()
            .len;
        assert_eq!(buffer[..len], sealed, "{section}");
        let mut rx = db(Direction::Inbound, policy, ssrc, 0);
        let mut forged = sealed.clone();
        forged[30] ^= 1;
        let refused = rx.unprotect_rtp(Time::ZERO, here(), &mut forged);
        assert_eq!(refused, Err(UnprotectError::Unauthenticated));
        let len = rx.unprotect_rtp(Time::ZERO, here(), &mut buffer).unwrap().len;
        assert_eq!(buffer[..len], plain, "{section}");
    }
}

#[test]
fn srtcp() {
    let clear = |policy| SrtpPolicy { srtcp_encryption: false, ..policy };
    let (short, long) = (SrtpPolicy::AEAD_AES_128_GCM, SrtpPolicy::AEAD_AES_256_GCM);
    for (policy, section, plain, sealed) in [
        (short, "17.1.", "Encrypting the following packet:", "Encrypted and tagged packet:"),
        (long, "17.2.", "Verified and decrypted packet:", "Decrypting the following packet:"),
        (clear(short), "17.3.", "Tagging the following packet:", "Tagged packet:"),
        (clear(long), "17.4.", "Verified packet:", "Verifying the following packet:"),
    ] {
        let (plain, sealed) = (packet(section, plain), packet(section, sealed));
        assert_eq!((plain.len(), sealed.len()), (52, 72), "{section}");
        let ssrc = Ssrc(0x4d61_7273);
        let mut buffer = [&plain[..], &[0; 20]].concat();
        let len = db(Direction::Outbound, policy, ssrc, 0x5d4)
            .protect_rtcp(Time::ZERO, here(), &mut buffer, plain.len())
            .unwrap()
            .len;
        assert_eq!(buffer[..len], sealed, "{section}");
        let mut rx = db(Direction::Inbound, policy, ssrc, 0);
        let mut forged = sealed.clone();
        forged[30] ^= 1;
        let refused = rx.unprotect_rtcp(Time::ZERO, here(), &mut forged);
        assert_eq!(refused, Err(UnprotectError::Unauthenticated));
        let accepted = rx.unprotect_rtcp(Time::ZERO, here(), &mut buffer).unwrap();
        assert_eq!((accepted.index, &buffer[..accepted.len]), (0x5d4, &plain[..]), "{section}");
    }
}
