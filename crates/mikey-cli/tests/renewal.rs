//! Keys that are renewed while speech flows, calls with a ticket, and the lists of algorithms.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::collections::BTreeSet;

use common::{Ended, Place};

const ALICE_PSK: &str = "--psk ab.psk --peer sip:bob@example.com";
const BOB_PSK: &str = "--identity sip:bob@example.com --psk ab.psk --peer sip:alice@example.com --once";

fn types(ended: &Ended) -> Vec<String> {
    let name = |message: &serde_json::Value| message["type"].as_str().unwrap().to_owned();
    ended.events("message").iter().map(name).collect()
}

#[track_caller]
fn complete(demo: &Ended, calls: usize) {
    assert_eq!(demo.code, 0, "{demo:?}");
    let speech = demo.events("speech");
    assert_eq!(speech.len(), 2 * calls);
    for speech in &speech {
        assert_eq!((&speech["identical"], &speech["lost"]), (&true.into(), &0.into()), "{speech}");
    }
}

#[test]
fn the_demo_renews_its_keys_while_speech_flows() {
    let place = Place::furnished();
    for arguments in ["--rekey", "--rekey 0.2 --psk", "--rekey --sas --policy pq-required"] {
        let demo = place.run(&format!("--json demo {arguments}"));
        complete(&demo, 1);
        let renewals = demo.events("renewals");
        assert_eq!(renewals.len(), 2);
        for renewal in &renewals {
            assert!(renewal["renewals"].as_u64().unwrap() >= 2, "{renewal}");
            assert_eq!((&renewal["lost"], &renewal["refused_for_key"]), (&0.into(), &0.into()));
        }
        let exchanges = types(&demo).iter().filter(|name| *name == "REKEY_RESP").count() as u64;
        assert!(exchanges >= renewals[0]["renewals"].as_u64().unwrap(), "{demo:?}");
    }
}

#[test]
fn a_time_longer_than_the_speech_is_no_success() {
    let place = Place::furnished();
    let demo = place.run("demo --audio alice.wav --rekey 60");
    demo.failed(1, "the speech was over before the keys were renewed");
    assert!(demo.err.contains("hint: give --rekey a shorter time"), "{demo:?}");
    place.run("demo --rekey 0.01").failed(2, "not between 0.1 and 86400 seconds");
    place.run("demo --rekey often").failed(2, "not a number of seconds");
}

#[test]
fn caller_and_callee_renew_their_keys() {
    let place = Place::furnished();
    place.wav("alice.wav", 440.0, 12_000);
    place.wav("bob.wav", 300.0, 12_000);
    for (of_alice, of_bob) in [("--rekey 0.3", ""), ("", "--rekey 0.2"), ("--rekey 0.3", "--rekey 0.3")] {
        let bob =
            format!("--json listen --bind 127.0.0.1:0 --audio bob.wav {BOB_PSK} {of_bob} --keylog bob.keys");
        let bob = place.listen_to(&bob);
        let to = &bob.address;
        let alice = place.run(&format!(
            "--json call {to} --identity sip:alice@example.com --audio alice.wav {ALICE_PSK} {of_alice}"
        ));
        let bob = bob.end();
        for ended in [&alice, &bob] {
            assert_eq!(ended.code, 0, "{ended:?}");
            assert_eq!(ended.event("speech")["identical"], true, "{ended:?}");
            let renewals = ended.event("renewals");
            assert!(renewals["renewals"].as_u64().unwrap() >= 2, "{ended:?}");
            assert_eq!((&renewals["lost"], &renewals["refused_for_key"]), (&0.into(), &0.into()));
        }
        // Every key is in the key log, each with an MKI of its own.
        let log = std::fs::read_to_string(place.path("bob.keys")).unwrap();
        let mkis: BTreeSet<&str> = log
            .lines()
            .filter(|line| line.starts_with("SRTP "))
            .map(|line| line.split(' ').nth(6).unwrap())
            .collect();
        let renewals = bob.event("renewals")["renewals"].as_u64().unwrap();
        assert!(mkis.len() as u64 > renewals, "{log}");
        std::fs::remove_file(place.path("bob.keys")).unwrap();
    }
}

/// The master keys and salts of a key log, each once.
fn logged(log: &str) -> Vec<Vec<u8>> {
    let lines = log.lines().filter(|line| line.starts_with("SRTP "));
    let words = lines.flat_map(|line| line.split(' ').skip(7));
    let mut secrets: Vec<_> =
        words.map(|word| data_encoding::HEXLOWER_PERMISSIVE.decode(word.as_bytes()).unwrap()).collect();
    secrets.sort();
    secrets.dedup();
    secrets
}

/// A secret as it may stand in a log: as it is, in hex of either case, in base64, as a list of numbers.
fn looks(secret: &[u8]) -> [Vec<u8>; 5] {
    let list = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let texts = [
        data_encoding::HEXLOWER.encode(secret),
        data_encoding::HEXUPPER.encode(secret),
        data_encoding::BASE64_NOPAD.encode(&secret[..secret.len() / 3 * 3]),
        list,
    ];
    let [lower, upper, base64, list] = texts.map(String::into_bytes);
    [secret.to_vec(), lower, upper, base64, list]
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_call_with_a_ticket_speaks_with_its_first_message() {
    let place = Place::furnished();
    for arguments in ["", "--psk --policy fips", "--sas", "--rekey --fast", "--policy pq-required --fast"] {
        let demo = place.run(&format!("--json demo --resume --keylog keys --pcap call.pcap {arguments}"));
        complete(&demo, 2);
        let resume: Vec<String> =
            types(&demo).into_iter().filter(|name| name.starts_with("RESUME")).collect();
        assert_eq!(resume, ["RESUME_REQ", "RESUME_RESP"]);
        assert_eq!(demo.events("keyed")[1]["messages"], 2, "one round trip");
        assert!(demo.event("early_media")["packets"].as_u64().unwrap() >= 1);
        let place_of = |what: &str| demo.out.find(what).unwrap();
        assert!(place_of("RESUME_REQ") < place_of("first_speech"), "{demo:?}");
        assert!(place_of("first_speech") < place_of("RESUME_RESP"), "{demo:?}");
        let level = match arguments {
            "--sas" => "sas-verified",
            "--psk --policy fips" => "psk",
            _ => "certificate",
        };
        let established = demo.events("established");
        assert_eq!(established.len(), 4);
        assert!(established[2..].iter().all(|end| end["level"] == level), "{demo:?}");
        // Both ends log the keys of early media and those that follow it.
        let log = std::fs::read_to_string(place.path("keys")).unwrap();
        let header: Vec<&str> = log.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(header[0].starts_with("# mikey key log 1: "), "{log}");
        let keys = log.lines().filter(|line| line.starts_with("SRTP ")).count();
        assert!(keys >= 4 + 2 + 4, "{log}");
        // And nowhere else: what was printed and what was captured hold none of them.
        let capture = std::fs::read(place.path("call.pcap")).unwrap();
        let decoded = place.ok("decode call.pcap");
        let printed = [&demo.out, &demo.err, &decoded.out, &decoded.err].map(|text| text.as_bytes());
        let secrets = logged(&log);
        assert!(secrets.len() >= 2 * (2 + 1 + 2), "{log}");
        for secret in &secrets {
            let found = |octets: &&[u8]| looks(secret).iter().any(|look| contains(octets, look));
            assert!(!printed.iter().any(found), "{arguments}: a key is printed");
            assert!(!found(&&capture[..]), "{arguments}: a key is in the capture");
            assert!(contains(log.as_bytes(), &looks(secret)[1]), "the look finds what is there");
        }
        std::fs::remove_file(place.path("call.pcap")).unwrap();
        std::fs::remove_file(place.path("keys")).unwrap();
    }
}

#[test]
fn the_demo_compares_a_sas() {
    let place = Place::furnished();
    let demo = place.run("--json demo --sas --fast");
    complete(&demo, 1);
    let shown = demo.events("sas");
    assert_eq!(shown.len(), 2);
    assert_eq!((&shown[0]["base32"], &shown[0]["words"]), (&shown[1]["base32"], &shown[1]["words"]));
    assert!(demo.events("established").iter().all(|end| end["level"] == "sas-unverified"));
    assert_eq!(demo.events("sas_compared").len(), 2);
    assert!(demo.events("sas_compared").iter().all(|end| end["level"] == "sas-verified"));
    let demo = place.ok("demo --sas --fast");
    let place_of = |what: &str| demo.out.find(what).expect(what);
    let before = place_of("short authentication string, not compared");
    let after = place_of("short authentication string, compared");
    assert!(before < place_of("they are the same") && place_of("they are the same") < after, "{}", demo.out);
    place.run("demo --sas --psk").failed(2, "cannot be used with");
}

#[test]
fn every_list_of_algorithms_works() {
    let place = Place::furnished();
    for (profile, group) in
        [("default", "X25519"), ("pq-required", "X25519+ML-KEM-768"), ("fips", "P-256"), ("legacy", "X25519")]
    {
        let demo = place.run(&format!("--json demo --fast --policy {profile}"));
        complete(&demo, 1);
        assert_eq!(demo.events("established")[0]["negotiated"]["group"], group, "{demo:?}");
        let bob = place.listen(&format!("{BOB_PSK} --profile {profile}"));
        let alice = place.call(&bob, &format!("{ALICE_PSK} --profile {profile}"));
        for ended in [alice, bob.end()] {
            assert_eq!(ended.code, 0, "{ended:?}");
            assert_eq!(ended.event("established")["negotiated"]["group"], group);
            assert_eq!(ended.event("speech")["identical"], true);
        }
    }
}
