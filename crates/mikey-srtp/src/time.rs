//! Time as SRTP needs it: a number that the caller passes in. There is no clock in this crate.

/// Nanoseconds since an epoch of the caller's choice, the same for every call on one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The epoch: right for callers whose keys have no expiry.
    pub const ZERO: Self = Self(0);
    /// A time that never comes: no expiry.
    pub const NEVER: Self = Self(u64::MAX);

    /// From whole milliseconds, saturating.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// This time plus a duration, saturating.
    #[must_use]
    pub fn after(self, duration: core::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}
