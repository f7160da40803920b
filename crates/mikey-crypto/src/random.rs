//! Randomness: the operating system's in production, a seeded one in the simulator.

/// A source of octets that nobody can predict.
pub trait SecureRandom: Send + Sync {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`RandomFailed`] if the source cannot deliver. It is fatal for the operation: nothing is retried with less.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed>;
}

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomFailed;

impl core::fmt::Display for RandomFailed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the random number generator failed")
    }
}

impl core::error::Error for RandomFailed {}
