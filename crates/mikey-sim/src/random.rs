//! Randomness from a seed, so that a run can be repeated.

use std::sync::{Mutex, PoisonError};

use mikey_crypto::{RandomFailed, SecureRandom};

/// A source of octets that a seed determines. Only for tests.
pub struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    /// The source of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
        Ok(())
    }
}
