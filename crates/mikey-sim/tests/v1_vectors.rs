//! The known answers in `vectors/v1` are what this implementation does, octet for octet.
//!
//! Everything between inputs and results was computed by `vectors/v1/v1.py`, which shares no code with it; so were the
//! messages that are put in here to be refused or answered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../examples/v1_vectors/main.rs"]
#[allow(dead_code)]
mod generator;

use std::collections::BTreeSet;

use generator::cases::{CASES, Case};
use generator::stage::Stage;
use serde_json::Value;

fn folder() -> String {
    format!("{}/../../vectors/v1", env!("CARGO_MANIFEST_DIR"))
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
    vector[field].as_array().unwrap_or_else(|| panic!("{}: run v1.py", vector["name"]))
}

/// The exchange again, with what the provider drew from its own generator when the vector was made.
fn stage(case: &'static Case, vector: &Value) -> Stage {
    let draws = list(&vector["inputs"], "provider_draws").iter().map(|draw| octets(&draw["octets"]));
    Stage::new(case, Some(draws.collect()))
}

fn same(vector: &Value, got: &Value, about: &str) {
    for (field, value) in got.as_object().unwrap() {
        assert!(vector[field] == *value, "{} {about}: {field}", vector["name"]);
    }
}

#[test]
fn every_exchange_is_reproduced() {
    for case in CASES {
        let vector = recorded(case);
        let mut stage = stage(case, &vector);
        stage.run();
        same(&vector, &stage.record(), "");
    }
}

/// A message that was made to be refused or answered does what its maker says. What is refused before it is known whose it is
/// changes nothing: the exchange goes on to the same octets and keys.
#[test]
fn every_further_message_has_its_outcome() {
    let (mut outcomes, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in CASES {
        let vector = recorded(case);
        for given in list(&vector, "given") {
            let about = given["about"].as_str().unwrap();
            let before = usize::try_from(given["before"].as_u64().unwrap()).unwrap();
            let mut stage = stage(case, &vector).until(before);
            stage.run();
            let (outcome, answer) = stage.inject(given["to"].as_str().unwrap(), &octets(&given["octets"]));
            let expected = given["expect"].as_str().unwrap();
            if outcome != expected {
                wrong.push(format!("{}: {about}: {outcome}, not {expected}", case.name));
                continue;
            }
            if given["answer"].is_string() && answer != Some(octets(&given["answer"])) {
                wrong.push(format!("{}: {about}: another answer", case.name));
            }
            if outcome != "taken" {
                stage.go_on();
                let record = stage.record();
                // Where more randomness was drawn than in the record, what follows has other octets and comes to as much.
                let fields: &[&str] = match record["inputs"] == vector["inputs"] {
                    true => &["messages", "results"],
                    false => &[],
                };
                for field in fields.iter().filter(|field| vector[**field] != record[**field]) {
                    wrong.push(format!("{}: {about}: other {field} afterwards", case.name));
                }
                let sessions = |vector: &Value| {
                    list(vector, "results").iter().filter(|r| r["streams"].is_array()).count()
                };
                if sessions(&vector) != sessions(&record) {
                    wrong.push(format!("{}: {about}: it does not go on", case.name));
                }
            }
            outcomes.insert(outcome);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(outcomes.len() >= 10, "{outcomes:?}");
}

#[test]
fn every_exchange_was_followed_to_its_end() {
    let mut names = BTreeSet::new();
    let mut types = BTreeSet::new();
    for case in CASES {
        assert!(names.insert(format!("{}.json", case.name)), "{} twice", case.name);
        let vector = recorded(case);
        assert_eq!(list(&vector, "intermediate").len(), list(&vector, "messages").len(), "{}", case.name);
        types.extend(list(&vector, "messages").iter().map(|m| octets(&m["octets"])[1]));
    }
    // RFC 3830 table 6.1.a, RFC 4650 and RFC 4738, but for DHHMAC's own numbers 7 and 8: all that there are.
    assert_eq!(types, (0..=10).collect(), "a type of message is in no vector");
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name) || !name.ends_with(".json"), "{name} belongs to no exchange");
    }
}
