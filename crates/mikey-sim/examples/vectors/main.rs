//! Writes the known answers: whole calls with fixed randomness, in every mode of the protocol.
//!
//! `cargo run -p mikey-sim --example vectors -- vectors/generated` writes inputs, datagrams and results as this implementation
//! has them; `vectors/generated/calls.py` then computes every value between them on its own, makes datagrams that must be
//! refused or answered, and puts both in (or fails). `tests/vectors.rs` checks that the files are what this code does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod cases;
mod cast;
#[allow(dead_code, reason = "the tests put datagrams in as well")]
pub(crate) mod play;
mod tape;

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "vectors/generated".into());
    for case in cases::CASES {
        let mut stage = play::Stage::new(case, None);
        stage.play();
        let text = serde_json::to_string_pretty(&stage.record()).unwrap();
        let path = format!("{folder}/{}.json", case.name);
        std::fs::write(&path, text + "\n").unwrap_or_else(|e| panic!("{path}: {e}"));
        println!("{path}");
    }
}
