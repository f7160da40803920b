//! Randomness of the operating system.

use mikey_crypto::{RandomFailed, SecureRandom};

/// `getrandom` or what the platform has for it. No state in the process, so nothing repeats after a fork.
pub(crate) struct OsRandom;

impl SecureRandom for OsRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        getrandom::fill(out).map_err(|_| RandomFailed)
    }
}
