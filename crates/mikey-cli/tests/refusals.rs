//! Who is not the one expected is refused, with a clear message and exit code 3, and honest peers still get through.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Ended, Place};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, DnType, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

const CERT: &str = "--cert alice.pem --key alice.key --ca ca/ca.pem --peer sip:bob@example.com";
const PSK: &str = "--psk ab.psk --peer sip:bob@example.com";
const BOB_CERT: &str = "--identity sip:bob@example.com --cert bob.pem --key bob.key --ca ca/ca.pem";

#[track_caller]
fn nobody_talked(ended: &Ended) {
    assert!(ended.events("established").is_empty(), "{ended:?}");
    assert!(ended.events("speech").is_empty(), "{ended:?}");
}

#[test]
fn a_wrong_pre_shared_key() {
    let place = Place::furnished();
    place.ok("psk new --out other.psk");
    let bob =
        place.listen("--identity sip:bob@example.com --psk other.psk --peer sip:alice@example.com --wait 3");
    let alice = place.call(&bob, PSK);
    alice.failed(3, "does not share our pre-shared key");
    assert!(alice.err.contains("hint: compare the pre-shared keys"));
    nobody_talked(&alice);
    let bob = bob.end();
    bob.failed(3, "nobody who called could be authenticated");
    assert!(bob.err.contains("did not verify"), "{bob:?}");
    nobody_talked(&bob);
}

#[test]
fn a_key_for_other_names() {
    let place = Place::furnished();
    let bob =
        place.listen("--identity sip:bob@example.com --psk ab.psk --peer sip:carol@example.com --wait 3");
    let alice = place.call(&bob, PSK);
    alice.failed(3, "does not share our pre-shared key for these two names");
    nobody_talked(&alice);
    let bob = bob.end();
    assert_eq!(bob.code, 3, "{bob:?}");
    nobody_talked(&bob);
}

#[test]
fn a_callee_of_another_ca() {
    let place = Place::furnished();
    place.ok("ca init --dir other");
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let alice =
        place.call(&bob, "--cert alice.pem --key alice.key --ca other/ca.pem --peer sip:bob@example.com");
    alice.failed(3, "the peer's certificate leads to no trust anchor");
    nobody_talked(&alice);
}

#[test]
fn a_person_learns_why_a_refused_answer_does_not_end_the_call() {
    let place = Place::furnished();
    place.ok("ca init --dir other");
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let alice = place.run(&format!(
        "call {} --identity sip:alice@example.com --audio alice.wav --timeout 1 --cert alice.pem --key alice.key \
         --ca other/ca.pem --peer sip:bob@example.com",
        bob.address
    ));
    alice.failed(3, "the peer's certificate leads to no trust anchor");
    let why = "mikey: still waiting until --timeout is over: anyone can send a wrong answer";
    assert_eq!(alice.err.matches(why).count(), 1, "{alice:?}");
}

#[test]
fn a_caller_of_another_ca_and_then_an_honest_one() {
    let place = Place::furnished();
    place.ok("ca init --dir other");
    place.ok("ca issue --dir other --name sip:alice@example.com --out mallory");
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let mallory = place.call(
        &bob,
        "--cert mallory/alice.pem --key mallory/alice.key --ca ca/ca.pem --peer sip:bob@example.com",
    );
    mallory.failed(3, "the peer refused our authentication");
    nobody_talked(&mallory);
    let alice = place.call(&bob, CERT);
    assert_eq!(alice.code, 0, "{alice:?}");
    let bob = bob.end();
    assert_eq!(bob.code, 0, "{bob:?}");
    assert_eq!(bob.event("established")["peer"], "sip:alice@example.com");
    assert_eq!(bob.event("caller_refused")["why"], "the peer's certificate leads to no trust anchor");
}

/// Writes a certificate for bob with this validity, counted in days from now, and this name.
fn issue(place: &Place, from: i64, until: i64, name: &str) {
    let read = |file: &str| std::fs::read_to_string(place.path(file)).unwrap();
    let issuer =
        Issuer::from_ca_cert_pem(&read("ca/ca.pem"), KeyPair::from_pem(&read("ca/ca.key")).unwrap()).unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "bob");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
    params.not_before = OffsetDateTime::now_utc() + Duration::days(from);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(until);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(place.path("bob.pem"), certificate.pem()).unwrap();
    std::fs::write(place.path("bob.key"), key.serialize_pem()).unwrap();
}

#[test]
fn a_certificate_that_is_not_valid_now() {
    for (from, until, what) in [
        (-20, -10, "the peer's certificate has expired"),
        (10, 20, "the peer's certificate is not valid yet"),
    ] {
        let place = Place::furnished();
        issue(&place, from, until, "sip:bob@example.com");
        let bob = place.listen(&format!("{BOB_CERT} --once"));
        let alice = place.call(&bob, CERT);
        alice.failed(3, what);
        assert!(alice.err.contains("needs a new certificate"), "{alice:?}");
        nobody_talked(&alice);
    }
}

#[test]
fn a_revoked_certificate_and_then_a_new_one() {
    let place = Place::furnished();
    place.ok("ca revoke --dir ca bob.pem");
    let with_crl = format!("{CERT} --crl ca/ca.crl");
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let alice = place.call(&bob, &with_crl);
    alice.failed(3, "the peer's certificate was revoked");
    assert!(alice.err.contains("hint: the peer needs a new certificate"), "{alice:?}");
    nobody_talked(&alice);
    drop(bob);

    place.ok("ca issue --dir ca --name sip:bob@example.com --out . --force");
    let bob = place.listen(&format!("{BOB_CERT} --crl ca/ca.crl --once"));
    let alice = place.call(&bob, &with_crl);
    assert_eq!(alice.code, 0, "{alice:?}");
    let bob = bob.end();
    assert_eq!(bob.code, 0, "{bob:?}");
    assert_eq!(bob.event("established")["peer"], "sip:alice@example.com");
}

#[test]
fn a_revoked_caller() {
    let place = Place::furnished();
    place.ok("ca crl --dir ca");
    place.ok("ca revoke --dir ca alice.pem bob.pem");
    place.ok("ca crl --dir ca --days 2");
    let bob = place.listen(&format!("{BOB_CERT} --crl ca/ca.crl --wait 3"));
    let alice = place.call(&bob, CERT);
    alice.failed(3, "the peer refused our authentication");
    nobody_talked(&alice);
    let bob = bob.end();
    assert_eq!(bob.event("caller_refused")["why"], "the peer's certificate was revoked");
}

/// A revocation list of the CA in `dir` in DER, with this validity in days from now.
fn crl(place: &Place, dir: &str, until: i64) {
    let read = |file: &str| std::fs::read_to_string(place.path(file)).unwrap();
    let key = KeyPair::from_pem(&read(&format!("{dir}/ca.key"))).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read(&format!("{dir}/ca.pem")), key).unwrap();
    let params = CertificateRevocationListParams {
        this_update: OffsetDateTime::now_utc() - Duration::days(20),
        next_update: OffsetDateTime::now_utc() + Duration::days(until),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    std::fs::write(place.path("list.der"), params.signed_by(&issuer).unwrap().der()).unwrap();
}

#[test]
fn a_revocation_list_that_says_nothing_now() {
    let place = Place::furnished();
    place.ok("ca init --dir other --name other");
    place.ok("ca init --dir twin");
    for (dir, until, what, advice) in [
        ("ca", -10, "the revocation list of its issuer has expired", "get a new revocation list"),
        ("other", 10, "is covered by none of the revocation lists", "each --ca needs one"),
        ("twin", 10, "is covered by none of the revocation lists", "each --ca needs one"),
    ] {
        crl(&place, dir, until);
        let bob = place.listen(&format!("{BOB_CERT} --once"));
        let alice = place.call(&bob, &format!("{CERT} --crl list.der"));
        alice.failed(3, what);
        assert!(alice.err.contains(advice), "{alice:?}");
        nobody_talked(&alice);
    }
    crl(&place, "ca", 10);
    place.ok("ca crl --dir other");
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let alice = place.call(&bob, &format!("{CERT} --crl list.der --crl other/ca.crl"));
    assert_eq!(alice.code, 0, "two lists, one in DER and one in PEM: {alice:?}");
}

#[test]
fn what_is_no_revocation_list_is_not_used() {
    let place = Place::furnished();
    let bob = place.run(&format!("listen {BOB_CERT} --crl bob.pem --bind 127.0.0.1:0"));
    bob.failed(1, "no revocation list in 'bob.pem'");
    std::fs::write(place.path("broken.der"), [0x30, 0x82, 0, 1, 0]).unwrap();
    let bob = place.run(&format!("listen {BOB_CERT} --crl broken.der --bind 127.0.0.1:0"));
    bob.failed(1, "the revocation list in 'broken.der' is broken");
    place.ok("ca init --dir other");
    let other = place.run("ca revoke --dir other bob.pem");
    other.failed(1, "'bob.pem' is not a certificate of this CA");
    assert!(!place.path("other/ca.crl").exists());
}

#[test]
fn a_certificate_for_another_name_is_not_even_used() {
    let place = Place::furnished();
    let bob = place.run(
        "listen --identity sip:bob@example.com --cert alice.pem --key alice.key --ca ca/ca.pem --bind 127.0.0.1:0",
    );
    bob.failed(1, "is not for 'sip:bob@example.com'");
    assert!(bob.err.contains("mikey ca show"));
    let bob = place
        .run("listen --identity sip:bob@example.com --cert bob.pem --key alice.key --ca ca/ca.pem --bind 127.0.0.1:0");
    bob.failed(1, "the certificate is not for this private key");
}

#[test]
fn an_unwanted_caller() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_CERT} --peer sip:carol@example.com --wait 3"));
    let alice = place.call(&bob, CERT);
    alice.failed(3, "the peer refused our authentication or our policy");
    nobody_talked(&alice);
    let bob = bob.end();
    bob.failed(3, "nobody who called could be authenticated");
    nobody_talked(&bob);
}

#[test]
fn a_callee_with_another_name_does_not_answer() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let alice =
        place.call(&bob, "--cert alice.pem --key alice.key --ca ca/ca.pem --peer sip:carol@example.com");
    alice.failed(1, "the peer did not answer in time");
    assert!(alice.err.contains("for the name that --peer says"), "{alice:?}");
    nobody_talked(&alice);
}

#[test]
fn nobody_at_the_port() {
    let place = Place::furnished();
    let address = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alice = place.run(&format!(
        "call {address} --identity sip:alice@example.com --audio alice.wav --timeout 1 {CERT}"
    ));
    alice.failed(1, "the peer did not answer in time");
    assert!(alice.err.contains("hint: is 'mikey listen' running there"), "{alice:?}");
}

#[test]
fn nothing_in_common() {
    let place = Place::furnished();
    let bob = place.listen("--identity sip:bob@example.com --psk ab.psk --peer sip:alice@example.com --once");
    let alice = place.call(&bob, CERT);
    alice.failed(1, "no parameters in common");
    nobody_talked(&alice);

    let bob = place.listen(&format!("{BOB_CERT} --srtp AEAD_AES_256_GCM --wait 3"));
    let alice = place.call(&bob, &format!("{CERT} --srtp AES_CM_128_HMAC_SHA1_80"));
    assert_eq!(alice.code, 3, "{alice:?}");
    let bob = bob.end();
    assert_eq!(bob.event("caller_refused")["why"], "no srtp policy in common with the peer");
}

#[test]
fn an_address_in_use() {
    let place = Place::furnished();
    let bob = place.listen(BOB_CERT);
    let second = place.run(&format!("listen {BOB_CERT} --audio bob.wav --bind {}", bob.address));
    second.failed(1, "address already in use");
}
