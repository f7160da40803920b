//! What a receiver spends on packets whose keys are not disclosed yet.

use core::time::Duration;

use mikey_crypto::tesla::TeslaError;

use crate::limits::{MAX_HELD_OCTETS, MAX_HELD_PACKETS, MIN_HELD_OCTETS};

/// How much a receiver keeps of one sender's packets until their keys are disclosed. The oldest go when more come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeslaLimits {
    /// Packets, at most [`MAX_HELD_PACKETS`].
    pub packets: usize,
    /// Octets, [`MIN_HELD_OCTETS`] to
    /// [`MAX_HELD_OCTETS`].
    pub octets: usize,
    /// How long a packet is kept for.
    pub age: Duration,
}

impl TeslaLimits {
    /// A second of 16 Mbit/s in packets of a kilooctet, for at most ten seconds.
    pub const DEFAULT: Self = Self { packets: 2048, octets: 2 << 20, age: Duration::from_secs(10) };

    pub(super) fn check(&self) -> Result<(), TeslaError> {
        let fits = (1..=MAX_HELD_PACKETS).contains(&self.packets)
            && (MIN_HELD_OCTETS..=MAX_HELD_OCTETS).contains(&self.octets)
            && !self.age.is_zero();
        if fits { Ok(()) } else { Err(TeslaError::Limits) }
    }
}
