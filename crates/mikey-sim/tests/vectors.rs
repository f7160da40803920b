//! The known answers in `vectors/generated` are what this implementation does, octet for octet.
//!
//! Everything between inputs and results was computed by `vectors/generated/init_cce.py`, which shares no code with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../examples/vectors.rs"]
#[allow(dead_code)]
mod generator;

use generator::CASES;
use serde_json::Value;

fn checked_in(name: &str) -> Value {
    let path = format!("{}/../../vectors/generated/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_handshake_is_reproduced() {
    for case in &CASES {
        let (expected, got) = (checked_in(case.name), case.run());
        for (field, value) in got.as_object().unwrap() {
            assert_eq!(&expected[field], value, "{}: {field}", case.name);
        }
    }
}

#[test]
fn every_handshake_was_computed_twice() {
    for case in &CASES {
        let vector = checked_in(case.name);
        let keys = vector["srtp"].as_array().unwrap();
        let computed = vector["intermediate"]["teks"].as_array().expect("run init_cce.py");
        assert_eq!(keys.len(), computed.len());
        for (ours, theirs) in keys.iter().zip(computed) {
            assert_eq!(ours["master_key"], theirs["tek"], "{}", case.name);
            assert_eq!(ours["master_salt"], theirs["salt"], "{}", case.name);
        }
        assert_eq!(vector["exporter"]["value"], vector["intermediate"]["export"], "{}", case.name);
    }
}

#[test]
fn no_two_handshakes_share_anything_secret() {
    let mut seen = std::collections::HashSet::new();
    for case in &CASES {
        let vector = checked_in(case.name);
        for stream in vector["srtp"].as_array().unwrap() {
            assert!(seen.insert(stream["master_key"].as_str().unwrap().to_owned()), "{}", case.name);
        }
        assert!(seen.insert(vector["exporter"]["value"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 3 * CASES.len());
}
