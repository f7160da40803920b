//! Two processes call each other by MIKEY version 1, in every mode.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Ended, Place};

const PEERS: [&str; 2] = ["--peer sip:bob@example.com", "--peer sip:alice@example.com"];
const BOB: &str = "--identity sip:bob@example.com";

#[track_caller]
fn good(ended: &Ended, peer: &str, mode: &str, level: &str) {
    assert_eq!(ended.code, 0, "{mode}: {ended:?}");
    let established = ended.event("established");
    assert_eq!((&established["peer"], &established["level"]), (&peer.into(), &level.into()), "{mode}");
    let negotiated = &established["negotiated"];
    assert_eq!((&negotiated["version"], &negotiated["mode"]), (&1.into(), &mode.into()));
    assert_eq!(negotiated["quirks"].as_array().unwrap().len(), 0);
    let speech = ended.event("speech");
    assert_eq!((&speech["identical"], &speech["lost"]), (&true.into(), &0.into()), "{mode}: {ended:?}");
}

fn types(ended: &Ended) -> Vec<String> {
    ended.events("message").iter().map(|m| m["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pre_shared_key() {
    let place = Place::furnished();
    for (mode, algorithms, messages) in [
        ("psk", "modern", ["PSK init", "PSK verification"]),
        ("psk", "legacy", ["PSK init", "PSK verification"]),
        ("dhhmac", "legacy", ["DHHMAC init", "DHHMAC resp"]),
    ] {
        let bob = place.listen(&format!("{BOB} --psk ab.psk {} --v1 {algorithms} --once", PEERS[1]));
        let alice = place.call(&bob, &format!("--psk ab.psk {} --v1 {mode}", PEERS[0]));
        let bob = bob.end();
        good(&alice, "sip:bob@example.com", mode, "psk");
        good(&bob, "sip:alice@example.com", mode, "psk");
        assert_eq!(types(&alice), messages);
    }
}

#[test]
fn certificates_for_signatures_and_for_decryption() {
    let place = Place::furnished();
    for name in ["alice", "bob"] {
        place.ok(&format!("ca issue --dir ca --name sip:{name}@example.com --key rsa2048 --out . --force"));
        place.ok(&format!(
            "ca issue --dir ca --name sip:{name}@example.com --key rsa2048 --usage decryption --out ."
        ));
    }
    let keys = |name: &str, decrypts: bool| {
        let more = format!("--decrypt-cert {name}-decryption.pem --decrypt-key {name}-decryption.key");
        format!(
            "--cert {name}.pem --key {name}.key --ca ca/ca.pem {}",
            if decrypts { more } else { String::new() }
        )
    };
    for (mode, more, alice_decrypts, bob_decrypts) in [
        ("pk", "--peer-decrypt-cert bob-decryption.pem", false, true),
        ("rsa-r", "", true, false),
        ("dh", "", false, false),
    ] {
        let bob = place.listen(&format!(
            "{BOB} {} {} --v1 legacy --once --srtp AES_CM_128_HMAC_SHA1_80",
            keys("bob", bob_decrypts),
            PEERS[1]
        ));
        let alice = place.call(
            &bob,
            &format!(
                "{} {} --v1 {mode} {more} --srtp AES_CM_128_HMAC_SHA1_80",
                keys("alice", alice_decrypts),
                PEERS[0]
            ),
        );
        let bob = bob.end();
        good(&alice, "sip:bob@example.com", mode, "certificate");
        good(&bob, "sip:alice@example.com", mode, "certificate");
        assert_eq!(bob.event("established")["streams"][0]["policy"], "AES_CM_128_HMAC_SHA1_80");
    }
    // What is missing is said before anything is sent.
    let to = "--json call 127.0.0.1:9 --identity sip:alice@example.com --peer sip:bob@example.com";
    let without = place.run(&format!("{to} {} --v1 pk", keys("alice", false)));
    without.failed(2, "mode pk encrypts keys to the peer's certificate");
    let without = place.run(&format!("{to} {} --v1 rsa-r", keys("alice", false)));
    without.failed(2, "");
    assert!(without.err.contains("--decrypt-cert"), "{without:?}");
    let wrong = place.run("ca issue --dir ca --name sip:x@example.com --usage decryption");
    wrong.failed(2, "a key for decryption must be RSA");
}

#[test]
fn a_wrong_key_and_a_peer_that_speaks_less_are_named() {
    let place = Place::furnished();
    place.ok("psk new --out other.psk");
    let psk = format!("--psk ab.psk {}", PEERS[0]);
    let bob = place.listen(&format!("{BOB} --psk other.psk {} --v1 modern --wait 4", PEERS[1]));
    place.call(&bob, &format!("{psk} --v1 psk")).failed(3, "Auth failure");
    bob.end().failed(3, "nobody who called could be authenticated");

    let bob = place.listen(&format!("{BOB} --psk ab.psk {} --v1 modern --wait 4", PEERS[1]));
    place.call(&bob, &format!("{psk} --v1 dhhmac")).failed(1, "Invalid DT");
    drop(bob);
    let bob = place.listen(&format!("{BOB} --psk ab.psk {} --wait 4", PEERS[1]));
    place.call(&bob, &format!("{psk} --v1 psk")).failed(1, "");
    // Without version 1 nothing of it is answered, and a call of version 2 is taken all the same.
    let alice = place.call(&bob, &psk);
    assert_eq!(alice.code, 0, "{alice:?}");
    assert_eq!(alice.event("established")["negotiated"]["version"], serde_json::Value::Null);
}
