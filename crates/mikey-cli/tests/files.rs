//! Files that the tool writes and reads: certificates, keys, captures, key logs. No secret leaves anywhere else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::{Ended, Place, distinct};

fn mode(place: &Place, name: &str) -> u32 {
    std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_ca_and_its_certificates() {
    let place = Place::new();
    place.ok("ca init --dir ca");
    assert_eq!((mode(&place, "ca/ca.key"), mode(&place, "ca/ca.pem")), (0o600, 0o644));
    let kept = std::fs::read(place.path("ca/ca.key")).unwrap();
    place.run("ca init --dir ca").failed(1, "exists already");
    assert_eq!(std::fs::read(place.path("ca/ca.key")).unwrap(), kept, "a CA was overwritten");

    for (name, stem, san) in [
        ("sip:alice@example.com", "alice", "sip:alice@example.com"),
        ("bob@example.com", "bob", "bob@example.com"),
        ("gw.example.com", "gw.example.com", "gw.example.com"),
    ] {
        for kind in ["ed25519", "p256", "p384", "rsa2048"] {
            place.ok(&format!("ca issue --dir ca --name {name} --key {kind} --days 7 --out out --force"));
            assert_eq!(mode(&place, &format!("out/{stem}.key")), 0o600);
            let shown = place.ok(&format!("--json ca show out/{stem}.pem")).event("certificate");
            assert_eq!(shown["names"], serde_json::json!([san]));
            assert_eq!(shown["state"], "valid");
            assert_eq!(shown["authority"], false);
            assert_eq!(shown["issuer"], "CN=MIKEY development CA");
        }
    }
    place.run("ca issue --dir ca --name sip:alice@example.com --out out").failed(1, "exists already");
    assert_eq!(place.ok("--json ca show ca").event("certificate")["authority"], true);
}

#[test]
fn certificates_verify_elsewhere() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: openssl is not installed");
        return;
    }
    let place = Place::furnished();
    for certificate in ["alice.pem", "bob.pem"] {
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-CAfile", "ca/ca.pem", certificate])
            .current_dir(place.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_readable_key_is_warned_of() {
    let place = Place::furnished();
    std::fs::set_permissions(place.path("ca/ca.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let issued = place.ok("ca issue --dir ca --name sip:carol@example.com");
    assert!(
        issued.err.contains("warning: 'ca/ca.key' holds a secret and other users may read it"),
        "{issued:?}"
    );
}

#[test]
fn a_password_is_no_pre_shared_key() {
    let place = Place::furnished();
    for (contents, what) in [
        ("correct horse battery staple", "neither hex nor base64"),
        ("00112233", "too short: 4 octets"),
        ("", "too short: 0 octets"),
    ] {
        std::fs::write(place.path("bad.psk"), contents).unwrap();
        let listen = place.run("listen --identity sip:b@example.com --psk bad.psk --peer sip:a@example.com");
        listen.failed(1, what);
        assert!(listen.err.contains("make one with 'mikey psk new'"), "{listen:?}");
        assert!(!listen.err.contains("horse"), "{listen:?}");
    }
    std::fs::write(place.path("bad.pem"), "no certificate").unwrap();
    place
        .run("listen --identity sip:b@example.com --cert bad.pem --key bad.pem --ca ca/ca.pem")
        .failed(1, "no certificate in 'bad.pem'");
    place
        .run("listen --identity sip:alice@example.com --cert alice.pem --key alice.pem --ca ca/ca.pem")
        .failed(1, "no private key in 'alice.pem'");
}

/// A call with a pre-shared key, a capture and a key log on both sides.
fn recorded_call(place: &Place) -> (Ended, Ended) {
    let bob = place.listen(
        "--identity sip:bob@example.com --psk ab.psk --peer sip:alice@example.com --once --pcap bob.pcap \
         --keylog bob.keys",
    );
    let alice =
        place.call(&bob, "--psk ab.psk --peer sip:bob@example.com --pcap alice.pcap --keylog alice.keys");
    let bob = bob.end();
    assert_eq!((alice.code, bob.code), (0, 0), "{alice:?} {bob:?}");
    (alice, bob)
}

#[test]
fn secrets_stay_in_their_files() {
    let place = Place::furnished();
    let (alice, bob) = recorded_call(&place);
    assert_eq!(mode(&place, "alice.keys"), 0o600);
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    let keys = |text: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter(|line| line.starts_with("SRTP "));
        lines
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                assert_eq!(words.len(), 9, "{line}");
                (format!("{} {}", words[2], words[7]), words[8].to_owned())
            })
            .collect()
    };
    let (of_alice, of_bob) = (keys(&read("alice.keys")), keys(&read("bob.keys")));
    assert_eq!(of_alice.len(), 2);
    assert_eq!(of_alice, of_bob, "both sides have the same keys for the same crypto sessions");

    let psk = read("ab.psk").lines().last().unwrap().to_owned();
    assert_eq!(psk.len(), 64);
    let mut secrets = vec![psk];
    for (key, salt) in of_alice {
        secrets.extend([key.split(' ').next_back().unwrap().to_owned(), salt]);
    }
    for text in [&alice.out, &alice.err, &bob.out, &bob.err] {
        for secret in &secrets {
            assert!(!text.to_lowercase().contains(secret), "a secret is in the output");
        }
    }
    assert!(alice.err.contains("warning: 'alice.keys' will hold the keys of the call"));
}

#[test]
fn a_capture_is_decoded_again_and_holds_no_plaintext() {
    let place = Place::furnished();
    recorded_call(&place);
    for name in ["alice.pcap", "bob.pcap"] {
        let decoded = place.ok(&format!("--json decode {name}"));
        let messages = decoded.events("message");
        let titles = distinct(messages.iter().map(|m| m["title"].as_str().unwrap().to_owned()));
        let handshake = ["INIT_REQ", "INIT_RESP", "CCE_REQ", "CCE_RESP"];
        for (title, expected) in titles.iter().zip(handshake) {
            assert!(title.starts_with(&format!("{expected}, version 2")), "{titles:?}");
        }
        assert!(titles.len() >= 4);
        assert!(decoded.events("not_decoded").is_empty(), "{decoded:?}");
    }
    // The speech as it is before SRTP: a run of it in the capture would be plaintext.
    let capture = std::fs::read(place.path("alice.pcap")).unwrap();
    let silence = [0xd5; 12];
    assert!(!capture.windows(12).any(|window| window == silence));
}

#[test]
fn tshark_opens_the_capture() {
    let tshark = |arguments: &[&str], place: &Place| {
        Command::new("tshark").args(arguments).current_dir(place.path(".")).stderr(Stdio::null()).output()
    };
    let place = Place::furnished();
    if tshark(&["--version"], &place).is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    recorded_call(&place);
    let fields =
        ["-T", "fields", "-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "udp.length"];
    let checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-r", "alice.pcap"];
    let output = tshark(&[&checks[..], &fields[..]].concat(), &place).unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    // 19 packets of alice, 16 of bob, 4 of the handshake, and the farewells.
    assert!(text.lines().count() >= 19 + 16 + 4 + 2, "{text}");
    for line in text.lines() {
        // 1 is Wireshark's "good". What it makes of encrypted octets on any port is its own guess.
        assert!(line.starts_with("1\t1\t"), "{line}");
    }
}

#[test]
fn captured_messages_of_others_are_decoded() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/external/");
    let mut decoded = 0;
    for file in ["gortsplib", "mcptt", "rfc4567"] {
        let text = std::fs::read_to_string(format!("{vectors}mikey_v1_messages_{file}.json")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let place = Place::new();
        for vector in value["vectors"].as_array().unwrap() {
            let base64 = vector["base64"].as_str().unwrap();
            std::fs::write(place.path("message"), base64).unwrap();
            let ended = place.ok("--json decode message");
            let message = ended.event("message");
            let payloads = message["payloads"].as_array().unwrap();
            assert!(payloads.len() > 1, "{}", vector["name"]);
            let end = |payload: &serde_json::Value| {
                payload["offset"].as_u64().unwrap() + payload["length"].as_u64().unwrap()
            };
            for pair in payloads.windows(2) {
                assert_eq!(end(&pair[0]), pair[1]["offset"].as_u64().unwrap(), "a gap between payloads");
            }
            decoded += 1;
        }
    }
    assert!(decoded >= 10, "{decoded}");
}

#[test]
fn a_message_cut_anywhere_is_refused_with_its_place() {
    let place = Place::furnished();
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../vectors/external/mikey_v1_messages_rfc4567.json"
    ))
    .unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hex = value["vectors"][0]["hex"].as_str().unwrap();
    for octets in (1..hex.len() / 2).step_by(13) {
        let ended = place.run(&format!("decode {}", &hex[..octets * 2]));
        ended.failed(1, "not a MIKEY message: ");
        assert!(ended.err.contains(&format!("the input has {octets} octets")), "{ended:?}");
    }
}
