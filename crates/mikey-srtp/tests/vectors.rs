//! Known answers made by others: the RFCs, NIST, libsrtp.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{db, here, hex, install, master_of};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{Direction, ExtensionIds, Install, Mki, Ssrc, Ssrcs, Time, UnprotectError};

const LIBSRTP: &str = include_str!("../../../vectors/external/srtp_libsrtp_reference.json");

fn libsrtp() -> serde_json::Value {
    serde_json::from_str(LIBSRTP).unwrap()
}

fn text(value: &serde_json::Value, at: &str) -> Vec<u8> {
    hex(value.pointer(at).and_then(|v| v.as_str()).unwrap_or_else(|| panic!("no {at}")))
}

/// One packet both ways.
fn rtp_both_ways(make: impl Fn(Direction) -> Install, plain: &[u8], protected: &[u8]) {
    let mut tx = db();
    tx.install(make(Direction::Outbound)).unwrap();
    let mut buffer = plain.to_vec();
    buffer.resize(protected.len(), 0);
    let done = tx.protect_rtp(Time::ZERO, here(), &mut buffer, plain.len()).unwrap();
    assert_eq!(&buffer[..done.len], protected);

    let mut rx = db();
    rx.install(make(Direction::Inbound)).unwrap();
    let mut buffer = protected.to_vec();
    let done = rx.unprotect_rtp(Time::ZERO, here(), &mut buffer).unwrap();
    assert_eq!(&buffer[..done.len], plain);
    let mut again = protected.to_vec();
    assert_eq!(rx.unprotect_rtp(Time::ZERO, here(), &mut again), Err(UnprotectError::Replayed));
}

/// libsrtp numbers its first SRTCP packet 1.
fn rtcp_both_ways(make: impl Fn(Direction) -> Install, index: u32, plain: &[u8], protected: &[u8]) {
    let mut tx = db();
    let id = tx.install(make(Direction::Outbound)).unwrap();
    let ssrc = mikey_srtp::rtcp_ssrc(plain).unwrap();
    assert!(tx.set_next_rtcp_index(id, ssrc, index));
    let mut buffer = plain.to_vec();
    buffer.resize(protected.len(), 0);
    let done = tx.protect_rtcp(Time::ZERO, here(), &mut buffer, plain.len()).unwrap();
    assert_eq!(&buffer[..done.len], protected);
    assert_eq!(done.index, index);

    let mut rx = db();
    rx.install(make(Direction::Inbound)).unwrap();
    let mut buffer = protected.to_vec();
    let done = rx.unprotect_rtcp(Time::ZERO, here(), &mut buffer).unwrap();
    assert_eq!(&buffer[..done.len], plain);
    assert_eq!(done.index, index);
    let mut again = protected.to_vec();
    assert_eq!(rx.unprotect_rtcp(Time::ZERO, here(), &mut again), Err(UnprotectError::Replayed));
}

fn maker(policy: SrtpPolicy, ssrc: u32, key: Vec<u8>, mki: Vec<u8>) -> impl Fn(Direction) -> Install {
    move |direction| {
        let key = master_of(&key, usize::from(policy.key_len)).with_mki(Mki::new(&mki).unwrap());
        install(direction, Ssrcs::one(Ssrc(ssrc)), policy, key)
    }
}

#[test]
fn libsrtp_packets() {
    let v = libsrtp();
    let test_key = text(&v, "/global_keys/test_key")[..30].to_vec();
    let null = SrtpPolicy::NULL_HMAC_SHA1_80;
    let cases: [(&str, SrtpPolicy, Vec<u8>, Vec<u8>); 6] = [
        ("srtp_validate", SrtpPolicy::AES_CM_128_HMAC_SHA1_80, test_key.clone(), vec![]),
        (
            "srtp_validate_mki",
            SrtpPolicy::AES_CM_128_HMAC_SHA1_80,
            test_key.clone(),
            text(&v, "/global_keys/test_mki_id"),
        ),
        ("srtp_validate_null_sha1_80", null, test_key, vec![]),
        ("srtp_validate_gcm", SrtpPolicy::AEAD_AES_128_GCM, text(&v, "/global_keys/test_key_gcm"), vec![]),
        (
            "srtp_validate_aes_256",
            SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
            text(&v, "/global_keys/test_256_key"),
            vec![],
        ),
        (
            "srtp_validate_aes_192",
            SrtpPolicy::AES_CM_192_HMAC_SHA1_80,
            text(&v, "/tests/srtp_validate_aes_192/aes_192_test_key"),
            vec![],
        ),
    ];
    for (name, policy, key, mki) in cases {
        let test = v.pointer(&format!("/tests/{name}")).unwrap();
        let rtp_name = if test.get("rtp_plaintext_ref").is_some() {
            "/rtp_plaintext_ref"
        } else {
            "/srtp_plaintext_ref"
        };
        let plain = text(test, rtp_name);
        let ssrc = u32::from_be_bytes(plain[8..12].try_into().unwrap());
        let make = maker(policy, ssrc, key, mki);
        rtp_both_ways(&make, &plain, &text(test, "/srtp_ciphertext"));
        if test.get("srtcp_ciphertext").is_some() {
            rtcp_both_ways(&make, 1, &text(test, "/rtcp_plaintext_ref"), &text(test, "/srtcp_ciphertext"));
        }
    }
}

#[test]
fn libsrtp_encrypted_header_extensions() {
    let v = libsrtp();
    let key = text(&v, "/tests/srtp_validate_encrypted_extensions_headers/test_key_ext_headers");
    let ids = ExtensionIds::new(&text(&v, "/tests/srtp_validate_encrypted_extensions_headers/headers"));
    for (name, policy, key) in [
        ("srtp_validate_encrypted_extensions_headers", SrtpPolicy::AES_CM_128_HMAC_SHA1_80, &key[..]),
        ("srtp_validate_encrypted_extensions_headers_gcm", SrtpPolicy::AEAD_AES_128_GCM, &key[..28]),
    ] {
        let test = v.pointer(&format!("/tests/{name}")).unwrap();
        let make = |direction| {
            let key = master_of(key, 16);
            Install { extensions: ids, ..install(direction, Ssrcs::one(Ssrc(0xcafe_babe)), policy, key) }
        };
        rtp_both_ways(make, &text(test, "/srtp_plaintext_ref"), &text(test, "/srtp_ciphertext"));
    }
}
