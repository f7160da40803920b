//! The clock: monotonic time for timers, and what time of day it was at its zero for certificates.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mikey::Time;

/// A monotonic clock whose zero is the moment at which it was started.
///
/// The time of day is read once. It is needed for the validity of certificates, in minutes and days, and a step of the
/// system's clock must not move timers.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
    unix_time_at_zero: Duration,
}

impl Clock {
    /// Starts a clock now.
    #[must_use]
    pub fn start() -> Self {
        // A system clock before 1970 is not set at all: every certificate is then "not yet valid", which is true.
        let unix_time_at_zero = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { zero: Instant::now(), unix_time_at_zero }
    }

    /// The time since the clock was started.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Unix time at [`Time::ZERO`].
    #[must_use]
    pub fn unix_time_at_zero(&self) -> Duration {
        self.unix_time_at_zero
    }

    /// Unix time at `time`.
    #[must_use]
    pub fn unix_time(&self, time: Time) -> Duration {
        self.unix_time_at_zero.saturating_add(Duration::from_nanos(time.as_nanos()))
    }

    /// The moment of `time`, to sleep until.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        // Further than the platform can count is as good as never: a year is.
        let year = Duration::from_secs(31_536_000);
        self.zero.checked_add(Duration::from_nanos(time.as_nanos())).unwrap_or_else(|| Instant::now() + year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_the_day_is_known() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(first.as_secs() < 5);
        let day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(day.abs_diff(clock.unix_time(clock.now())) < Duration::from_secs(5));
        let later = clock.instant(Time::from_millis(10_000));
        assert!(later > Instant::now());
        assert!(clock.instant(Time::from_nanos(u64::MAX)) > later);
    }
}
