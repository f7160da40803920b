//! The parameters of RFC 4383 section 4.3 that key management agrees on.

use core::time::Duration;

use super::error::TeslaError;

/// The longest chain, in intervals: some five days of 100 ms. A longer one cannot be made or taken.
pub const MAX_CHAIN_LEN: u32 = 1 << 22;

/// The longest interval.
pub const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// Intervals until a key is disclosed, at most. Packets wait as long.
pub const MAX_DISCLOSURE_DELAY: u16 = 255;

/// Octets of a key of the chain and of a MAC key: `n_p` and `n_f`, the output of HMAC-SHA-1.
pub const KEY_LEN: usize = 20;

/// Octets of the interval's number in a packet.
pub const INTERVAL_LEN: usize = 4;

/// Octets of the longest TESLA MAC.
pub const MAX_MAC_LEN: usize = 20;

/// Octets of the shortest TESLA MAC: RFC 2104 asks for half of the hash.
const MIN_MAC_LEN: u8 = 10;

/// What the group's clock shows: nanoseconds since an epoch that all members share, 1900 for NTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupTime(pub u64);

impl GroupTime {
    /// From a 64-bit NTP timestamp.
    #[must_use]
    pub const fn from_ntp(ntp: u64) -> Self {
        Self((ntp >> 32) * NANOS + (((ntp & 0xffff_ffff) * NANOS) >> 32))
    }

    /// As a 64-bit NTP timestamp, rounded up: [`Self::from_ntp`] gives back what it was.
    #[must_use]
    pub const fn to_ntp(self) -> u64 {
        let (seconds, nanos) = (self.0 / NANOS, self.0 % NANOS);
        // NTP's seconds begin again in 2036.
        (seconds & 0xffff_ffff) << 32 | (nanos << 32).div_ceil(NANOS)
    }
}

const NANOS: u64 = 1_000_000_000;

/// A chain's schedule and MAC. PRF and MAC are HMAC-SHA-1, the one of RFC 4383.
///
/// Time is cut into intervals from `start` on. Packets of interval `i` have their MAC under `K_i` and disclose
/// `K_(i-d)`. `K_0` is public from the beginning, so the first packet is in interval 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeslaParams {
    /// `T_0`: when interval 0 begins.
    pub start: GroupTime,
    /// `T_int`, at most [`MAX_INTERVAL`].
    pub interval: Duration,
    /// `d`: intervals until a key is disclosed, 2 to
    /// [`MAX_DISCLOSURE_DELAY`].
    pub delay: u16,
    /// `N`: the chain is `K_0` to `K_N`. More than `delay`, at most [`MAX_CHAIN_LEN`].
    pub chain_len: u32,
    /// `n_m` in octets, 10 to 20.
    pub mac_len: u8,
}

impl TeslaParams {
    /// Octets of RFC 4383's default MAC.
    pub const DEFAULT_MAC_LEN: u8 = 10;

    /// Whether everything is within its limits.
    ///
    /// # Errors
    /// [`TeslaError`] names the first that is not.
    pub fn check(&self) -> Result<(), TeslaError> {
        let whole = self.interval.subsec_nanos().is_multiple_of(1_000_000);
        if self.interval.is_zero() || self.interval > MAX_INTERVAL || !whole {
            return Err(TeslaError::Interval);
        }
        // With 1 a packet from the end of an interval is never safe (RFC 4082 section 3.6).
        if !(2..=MAX_DISCLOSURE_DELAY).contains(&self.delay) {
            return Err(TeslaError::Delay);
        }
        if self.chain_len <= u32::from(self.delay) || self.chain_len > MAX_CHAIN_LEN {
            return Err(TeslaError::ChainLen);
        }
        if self.mac_len < MIN_MAC_LEN || usize::from(self.mac_len) > MAX_MAC_LEN {
            return Err(TeslaError::MacLen);
        }
        Ok(())
    }

    /// Octets that TESLA adds to a packet.
    #[must_use]
    pub fn overhead(&self) -> usize {
        INTERVAL_LEN + KEY_LEN + usize::from(self.mac_len)
    }

    /// Which interval it is; `None` before interval 0.
    #[must_use]
    pub fn interval_at(&self, now: GroupTime) -> Option<u64> {
        now.0.checked_sub(self.start.0)?.checked_div(self.interval_nanos())
    }

    /// When an interval begins.
    #[must_use]
    pub fn begin_of(&self, interval: u64) -> GroupTime {
        GroupTime(self.start.0.saturating_add(self.interval_nanos().saturating_mul(interval)))
    }

    fn interval_nanos(&self) -> u64 {
        u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The schedule of the chain of that number, if this is the one of chain 0 and each begins when the one before ends.
    #[must_use]
    pub fn chain(&self, number: u32) -> Self {
        Self { start: self.begin_of(u64::from(number).saturating_mul(self.chain_len.into())), ..*self }
    }

    /// Which interval of this chain is interval 0 of the one that follows it.
    ///
    /// It is a whole number, so that a packet's interval is in one of the two; it comes after so many intervals that no
    /// number can mean one of either; and this chain still has a key for it.
    ///
    /// # Errors
    /// [`TeslaError::Successor`].
    pub fn followed_at(&self, next: &Self) -> Result<u32, TeslaError> {
        let same = self.interval == next.interval && self.delay == next.delay && self.mac_len == next.mac_len;
        let passed = next.start.0.checked_sub(self.start.0).ok_or(TeslaError::Successor)?;
        let nanos = self.interval_nanos();
        let whole = passed.checked_rem(nanos) == Some(0);
        let at = passed.checked_div(nanos).and_then(|at| u32::try_from(at).ok());
        let at = at.filter(|at| same && whole && *at > u32::from(self.delay) && *at <= self.chain_len);
        at.ok_or(TeslaError::Successor)
    }
}

/// A key of a sender's chain that key management has authenticated: what all later ones are checked against. It is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Its number in the chain.
    pub interval: u32,
    /// The key.
    pub key: [u8; KEY_LEN],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_is_read_whole() {
        assert_eq!(GroupTime::from_ntp(1 << 32), GroupTime(1_000_000_000));
        assert_eq!(GroupTime::from_ntp(3 << 32 | 1 << 31), GroupTime(3_500_000_000));
        assert_eq!(GroupTime::from_ntp(u64::MAX).0, 4_294_967_295_999_999_999);
        for nanos in [0, 1, 2, 499_999_999, 500_000_000, 999_999_998, 999_999_999, 3_999_000_000_123_456_789]
        {
            assert_eq!(GroupTime::from_ntp(GroupTime(nanos).to_ntp()), GroupTime(nanos));
        }
    }
}
