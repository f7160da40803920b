//! Writes the known answers of version 1: whole exchanges with fixed randomness, in every mode.
//!
//! `cargo run -p mikey-sim --example v1_vectors -- vectors/v1` writes inputs, messages and results as this implementation has
//! them; `vectors/v1/v1.py` then computes everything between them from the RFCs alone, makes messages that must be refused,
//! and puts both in (or fails). `tests/v1_vectors.rs` checks that the files are what this code does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod cases;
mod cast;
#[allow(dead_code, reason = "the tests put messages in as well")]
pub(crate) mod stage;
mod tape;

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "vectors/v1".into());
    for case in cases::CASES {
        let mut stage = stage::Stage::new(case, None);
        stage.run();
        let text = serde_json::to_string_pretty(&stage.record()).unwrap();
        let path = format!("{folder}/{}.json", case.name);
        std::fs::write(&path, text + "\n").unwrap_or_else(|e| panic!("{path}: {e}"));
        println!("{path}");
    }
}
