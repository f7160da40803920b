//! Two processes call each other: with certificates and with a pre-shared key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Ended, Place, distinct, samples};

const CERT: &str = "--cert alice.pem --key alice.key --ca ca/ca.pem --peer sip:bob@example.com";
const PSK: &str = "--psk ab.psk --peer sip:bob@example.com";
const BOB_CERT: &str = "--identity sip:bob@example.com --cert bob.pem --key bob.key --ca ca/ca.pem";
const BOB_PSK: &str = "--identity sip:bob@example.com --psk ab.psk --peer sip:alice@example.com";

#[track_caller]
fn good(ended: &Ended, peer: &str, level: &str) {
    assert_eq!(ended.code, 0, "{ended:?}");
    let established = ended.event("established");
    assert_eq!(established["peer"], peer);
    assert_eq!(established["level"], level);
    let speech = ended.event("speech");
    assert_eq!(speech["identical"], true, "{ended:?}");
    assert_eq!(speech["lost"], 0);
}

#[test]
fn certificates() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_CERT} --once --record heard-by-bob.wav"));
    let alice = place.call(&bob, &format!("{CERT} --record heard-by-alice.wav"));
    let bob = bob.end();
    good(&alice, "sip:bob@example.com", "certificate");
    good(&bob, "sip:alice@example.com", "certificate");
    let types = distinct(alice.events("message").iter().map(|m| m["type"].as_str().unwrap().to_owned()));
    assert_eq!(types, ["INIT_REQ", "INIT_RESP", "CCE_REQ", "CCE_RESP"]);
    assert_eq!(alice.event("established")["negotiated"]["responder_method"], "ECDSA-P256-SHA-256");
    assert_eq!(alice.event("established")["negotiated"]["initiator_method"], "Ed25519");

    // G.711 loses what it must lose and nothing else: the recording is the speech within half a step.
    let (said, heard) = (samples(&place.path("alice.wav")), samples(&place.path("heard-by-bob.wav")));
    assert_eq!(heard.len(), said.len().next_multiple_of(160));
    for (said, heard) in said.iter().zip(&heard) {
        assert!(said.abs_diff(*heard) <= 16 + said.unsigned_abs() / 16, "{said} became {heard}");
    }
    assert_eq!(samples(&place.path("heard-by-alice.wav")).len(), 2560);
}

#[test]
fn a_pre_shared_key() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_PSK} --once --srtp AES_CM_128_HMAC_SHA1_80"));
    let alice = place.call(&bob, &format!("{PSK} --codec pcmu"));
    let bob = bob.end();
    good(&alice, "sip:bob@example.com", "psk");
    good(&bob, "sip:alice@example.com", "psk");
    assert_eq!(bob.event("established")["streams"][0]["policy"], "AES_CM_128_HMAC_SHA1_80");
}

/// Option 2: two processes, with a pre-shared key and with RSA, and what each of them needs for it.
#[test]
fn option_2() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_PSK} --once --exchange cce2-psk"));
    let alice = place.call(&bob, &format!("{PSK} --exchange cce2-psk --exchange cce"));
    let bob = bob.end();
    good(&alice, "sip:bob@example.com", "psk");
    good(&bob, "sip:alice@example.com", "psk");
    assert_eq!(alice.event("established")["negotiated"]["exchange"], "CCE2-PSK");

    place.ok("ca issue --dir ca --name sip:alice@example.com --key rsa2048 --out . --force");
    place.ok("ca issue --dir ca --name sip:bob@example.com --usage decryption --key rsa2048 --out .");
    let decrypts =
        "--identity sip:bob@example.com --decrypt-cert bob-decryption.pem --decrypt-key bob-decryption.key";
    let bob = place.listen(&format!("{decrypts} --ca ca/ca.pem --once --exchange cce2-rsa"));
    let alice = place.call(&bob, &format!("{CERT} --exchange cce2-rsa"));
    let bob = bob.end();
    good(&alice, "sip:bob@example.com", "certificate");
    good(&bob, "sip:alice@example.com", "certificate");
    let types = distinct(alice.events("message").iter().map(|m| m["type"].as_str().unwrap().to_owned()));
    assert_eq!(types, ["INIT_REQ", "ERROR", "INIT_RESP", "CCE2_REQ", "CCE2_RESP"], "a cookie, then CCE2");
    assert_eq!(alice.event("established")["negotiated"]["responder_method"], "RSA-OAEP decryption");

    // One key, one use, on both sides of the tool.
    place
        .run("ca issue --dir ca --name sip:bob@example.com --usage decryption --key p256 --out .")
        .failed(2, "must be RSA");
    let wrong =
        "--identity sip:bob@example.com --decrypt-cert alice.pem --decrypt-key alice.key --ca ca/ca.pem";
    place.run(&format!("listen {wrong} --exchange cce2-rsa")).failed(1, "cannot use 'alice.pem'");
    place.run("listen --identity sip:bob@example.com --sas --exchange cce2-psk").failed(2, "--exchange cce");
}

#[test]
fn every_kind_of_key_and_policy() {
    let place = Place::furnished();
    for (kind, method, policy) in [
        ("ed25519", "Ed25519", "pq-required"),
        ("p384", "ECDSA-P384-SHA-384", "fips"),
        ("rsa2048", "RSASSA-PSS-SHA-256", "default"),
    ] {
        place.ok(&format!("ca issue --dir ca --name sip:bob@example.com --key {kind} --out . --force"));
        place.ok("ca issue --dir ca --name sip:alice@example.com --key p256 --out . --force");
        let bob = place.listen(&format!("{BOB_CERT} --once --policy {policy}"));
        let alice = place
            .call(&bob, &format!("{CERT} --policy {}", if policy == "fips" { "fips" } else { "default" }));
        let bob = bob.end();
        if policy == "fips" {
            // The CA's own Ed25519 signature is under a certificate, not under AUTH, and is verified all the same.
            assert_eq!(alice.event("established")["negotiated"]["group"], "P-256");
        }
        good(&alice, "sip:bob@example.com", "certificate");
        good(&bob, "sip:alice@example.com", "certificate");
        assert_eq!(alice.event("established")["negotiated"]["responder_method"], method);
    }
}

#[test]
fn a_listener_serves_several_callers_and_numbers_the_recordings() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_CERT} --wait 2 --record heard.wav"));
    let start = |place: &Place| {
        let to = &bob.address;
        let mut command = place.command(&format!(
            "--json call {to} --identity sip:alice@example.com --audio alice.wav --timeout 5 {CERT}"
        ));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let calls = [start(&place), start(&place)];
    for call in calls {
        let output = call.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let bob = bob.end();
    bob.failed(1, "nobody else called");
    assert_eq!(bob.events("speech").len(), 2);
    assert!(bob.events("speech").iter().all(|speech| speech["identical"] == true));
    assert_eq!(samples(&place.path("heard.wav")), samples(&place.path("heard-2.wav")));
}

#[test]
fn noise_at_the_port_changes_nothing() {
    let place = Place::furnished();
    let bob = place.listen(&format!("{BOB_CERT} --once"));
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 0..200usize {
        let octets: Vec<u8> = (0..length).map(|n| (n * 7 + length * 13) as u8).collect();
        noise.send_to(&octets, &bob.address).unwrap();
        let forged: Vec<u8> = [2, 40, 21, 0x80].into_iter().chain(octets).collect();
        noise.send_to(&forged, &bob.address).unwrap();
    }
    let alice = place.call(&bob, CERT);
    let bob = bob.end();
    good(&alice, "sip:bob@example.com", "certificate");
    good(&bob, "sip:alice@example.com", "certificate");
    assert!(bob.event("speech")["refused"].as_u64().unwrap() >= 200);
}

#[test]
fn an_interrupt_hangs_up_with_a_goodbye() {
    let place = Place::furnished();
    place.wav("long.wav", 440.0, 80_000);
    let bob = place.listen(&format!("{BOB_PSK} --once"));
    let to = &bob.address;
    let arguments = format!("--json call {to} --identity sip:alice@example.com --audio long.wav {PSK}");
    let mut alice = place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(alice.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("established") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut out, &mut line).unwrap(), 0, "alice ended early");
    }
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    let interrupted =
        std::process::Command::new("kill").args(["-INT", &alice.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(alice.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(3));
    let bob = bob.end();
    assert_eq!(bob.code, 0, "{bob:?}");
    let speech = bob.event("speech");
    assert_eq!(speech["identical"], true);
    assert!(speech["received"].as_u64().unwrap() < 400, "{speech}");
}

#[test]
fn the_demo_compares_what_was_heard() {
    let place = Place::furnished();
    for arguments in
        ["", "--psk --policy pq-required", "--policy fips", "--srtp AES_256_CM_HMAC_SHA1_80 --codec pcmu"]
    {
        let demo = place.run(&format!("demo --fast --json {arguments}"));
        assert_eq!(demo.code, 0, "{demo:?}");
        let speech = demo.events("speech");
        assert_eq!(speech.len(), 2);
        for speech in speech {
            assert_eq!(speech["identical"], true);
            assert_eq!(speech["lost"], 0);
            assert_eq!(speech["sent"], speech["received"]);
            assert!(speech["refused"].as_u64().unwrap() >= 3, "{speech}");
        }
        assert_eq!(demo.events("message").len(), 4);
        assert_eq!(demo.events("established").len(), 2);
    }
    let demo = place.ok("demo --fast --audio alice.wav");
    assert!(demo.out.contains("bit for bit (3040 octets compared)"), "{}", demo.out);
    assert!(demo.err.is_empty(), "{}", demo.err);
}
