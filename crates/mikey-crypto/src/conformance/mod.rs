//! Known answers and refusals for any provider (feature `conformance`).
//!
//! [`run`] takes a provider and says what it got wrong. Known answers come from the RFCs and from other
//! implementations, each named where it stands; every algorithm is also held to what it must refuse. SRTP transforms
//! are checked where they are used.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::{CryptoProvider, Hash, RandomFailed, SecureRandom};

mod ecdh;
mod encrypt;
mod hash;
mod hybrid;
mod modp;
mod signature;
mod suite;

/// Runs every check. A provider conforms if there is no failure.
#[must_use]
pub fn run(provider: &CryptoProvider) -> Report {
    let mut checks = Report { checks: 0, failures: Vec::new() };
    checks.that("the lists of the provider are complete", provider.check().is_ok());
    random(&mut checks, &*provider.random);
    hash::run(&mut checks, provider);
    suite::run(&mut checks, provider);
    ecdh::run(&mut checks, provider);
    modp::run(&mut checks, provider);
    hybrid::run(&mut checks, provider);
    signature::run(&mut checks, provider);
    encrypt::run(&mut checks, provider);
    checks
}

/// What [`run`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many checks were made.
    pub checks: usize,
    /// The names of those that failed.
    pub failures: Vec<String>,
}

impl Report {
    fn that(&mut self, name: impl Into<String>, holds: bool) {
        self.checks += 1;
        if !holds {
            self.failures.push(name.into());
        }
    }

    fn equal(&mut self, name: impl Into<String>, got: &[u8], wanted: &str) {
        self.that(name, got == hex(wanted));
    }
}

fn random(checks: &mut Report, random: &dyn SecureRandom) {
    let mut draws = [[0u8; 32]; 8];
    let filled = draws.iter_mut().all(|draw| random.fill(draw).is_ok());
    checks.that("randomness is delivered", filled);
    let distinct = draws.iter().enumerate().all(|(n, draw)| !draws.iter().take(n).any(|other| other == draw));
    checks.that("no two draws of 32 octets are equal", distinct);
}

/// The octets of hexadecimal text; white space is skipped.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)?.try_into().ok()).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()
}

/// `octets` with one bit turned over.
fn flipped(octets: &[u8], bit: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    if let Some(octet) = octets.get_mut(bit / 8) {
        *octet ^= 1 << (bit % 8);
    }
    octets
}

/// A source that gives out prepared octets and then fails.
struct Scripted {
    octets: Vec<u8>,
    used: AtomicUsize,
}

impl Scripted {
    fn new(octets: &str) -> Self {
        Self { octets: hex(octets), used: AtomicUsize::new(0) }
    }

    /// A source that fails at once.
    fn broken() -> Self {
        Self::new("")
    }
}

impl SecureRandom for Scripted {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        let from = self.used.fetch_add(out.len(), Ordering::Relaxed);
        let octets = self.octets.get(from..from + out.len()).ok_or(RandomFailed)?;
        out.copy_from_slice(octets);
        Ok(())
    }
}

/// A source of one octet for ever.
struct Constant(u8);

impl SecureRandom for Constant {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        out.fill(self.0);
        Ok(())
    }
}

/// A repeatable source: the hash of a seed and a counter.
struct Seeded {
    hash: &'static dyn Hash,
    seed: u64,
    next: AtomicU64,
}

impl Seeded {
    fn boxed(hash: &'static dyn Hash, seed: u64) -> Box<Self> {
        Box::new(Self { hash, seed, next: AtomicU64::new(0) })
    }
}

impl SecureRandom for Seeded {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        for chunk in out.chunks_mut(self.hash.output_len()) {
            let counter = self.next.fetch_add(1, Ordering::Relaxed);
            let block = self.hash.digest(&[&self.seed.to_be_bytes(), &counter.to_be_bytes()]);
            for (to, from) in chunk.iter_mut().zip(block.as_ref()) {
                *to = *from;
            }
        }
        Ok(())
    }
}
