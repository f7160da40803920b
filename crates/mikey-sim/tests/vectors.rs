//! The known answers in `vectors/generated` are what this implementation does, octet for octet.
//!
//! Everything between inputs and results was computed by `vectors/generated/calls.py`, which shares no code with it; so were
//! the datagrams that are put in here to be refused or answered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../examples/vectors/main.rs"]
#[allow(dead_code)]
mod generator;

use std::collections::HashSet;

use generator::cases::{CASES, Case};
use generator::play::Stage;
use serde_json::Value;

fn folder() -> String {
    format!("{}/../../vectors/generated", env!("CARGO_MANIFEST_DIR"))
}

fn recorded(case: &Case) -> Value {
    let path = format!("{}/{}.json", folder(), case.name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn octets(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn list<'a>(vector: &'a Value, field: &str) -> &'a Vec<Value> {
    vector[field].as_array().unwrap_or_else(|| panic!("{}: run calls.py", vector["name"]))
}

/// What the provider drew from its own generator when the vector was made.
fn drawn(vector: &Value) -> Vec<Vec<u8>> {
    list(&vector["inputs"], "provider_draws").iter().map(|draw| octets(&draw["octets"])).collect()
}

fn same(vector: &Value, got: &Value, about: &str) {
    for (field, value) in got.as_object().unwrap() {
        assert!(vector[field] == *value, "{} {about}: {field}", vector["name"]);
    }
}

// R7.5
#[test]
fn every_call_is_reproduced() {
    for case in CASES {
        let vector = recorded(case);
        let mut stage = Stage::new(case, Some(drawn(&vector)));
        stage.play();
        same(&vector, &stage.record(), "");
    }
}

/// A datagram that was made to be refused or answered does what its maker says, and what is dropped changes nothing: the call
/// goes on to the same octets and keys.
#[test]
fn every_further_datagram_has_its_outcome() {
    let (mut outcomes, mut wrong) = (HashSet::new(), Vec::new());
    for case in CASES {
        let vector = recorded(case);
        for given in list(&vector, "given") {
            let about = given["about"].as_str().unwrap();
            let before = usize::try_from(given["before"].as_u64().unwrap()).unwrap();
            let mut stage = Stage::new(case, Some(drawn(&vector))).until(before);
            stage.play();
            let (answers, outcome) = stage.inject(given["to"].as_str().unwrap(), octets(&given["octets"]));
            let expected = given["expect"].as_str().unwrap();
            if outcome != expected {
                wrong.push(format!("{}: {about}: {outcome}, not {expected}", case.name));
                continue;
            }
            if let Some(expected) = given["answers"].as_array() {
                let expected: Vec<_> = expected.iter().map(octets).collect();
                if answers != expected {
                    wrong.push(format!("{}: {about}: another answer", case.name));
                }
            }
            let nothing_went_out = answers.is_empty();
            // A signed request is the only one of its session: what is wrong with its envelope cannot be made good.
            let last = given["last"].as_bool().unwrap_or(false);
            if outcome.starts_with("dropped") && nothing_went_out && !last {
                stage.go_on();
                let record = stage.record();
                assert_eq!(record["expect"], vector["expect"], "{}: {about}", case.name);
                // A DH value is drawn before the peer's is found to be bad; the rest of the call then has other octets.
                if record["inputs"] == vector["inputs"] {
                    same(&vector, &record, about);
                }
            }
            outcomes.insert(outcome);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(outcomes.len() >= 12, "{outcomes:?}");
}

#[test]
fn every_call_was_followed_to_its_end() {
    let mut names = HashSet::new();
    for case in CASES {
        assert!(names.insert(format!("{}.json", case.name)), "{} twice", case.name);
        let vector = recorded(case);
        assert_eq!(list(&vector, "intermediate").len(), list(&vector, "datagrams").len(), "{}", case.name);
    }
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let of_a_case =
            names.contains(&name) || ["prf.json", "tesla.json"].contains(&&*name) || !name.ends_with(".json");
        assert!(of_a_case, "{name} belongs to no call");
    }
}

#[test]
fn no_two_calls_share_anything_secret() {
    let mut seen = HashSet::new();
    for case in CASES {
        for result in list(&recorded(case), "results").iter().filter(|r| r["party"] == "initiator") {
            for stream in result["streams"].as_array().into_iter().flatten() {
                let key = stream["master_key"].as_str().unwrap().to_owned();
                assert!(seen.insert(key), "{}: a master key twice", case.name);
            }
        }
    }
    assert!(seen.len() > CASES.len());
}
