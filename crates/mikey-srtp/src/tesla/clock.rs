//! The group's clock, as far as a member knows it (RFC 4082 section 3.3.1, RFC 4442 section 4.3).
//!
//! Schedules are in the clock of the group's controller, which says what it shows in its answer to a member. The member
//! knows when it asked and when the answer came, and that the controller looked at its clock in between. So a receiver
//! reckons from when it asked, and is never behind the controller; a sender reckons from when the answer came, and is
//! never ahead of it. What a receiver takes for undisclosed, no sender has disclosed, however slow the network.

use mikey_crypto::tesla::GroupTime;

use crate::limits::MAX_DRIFT_PPM;
use crate::time::Time;

/// Parts per million by which two clocks of ordinary computers may drift apart: a hundred each.
const DRIFT_PPM: u32 = 200;

/// An upper bound on the group's clock: `D_t`.
///
/// Times are of a clock that neither is set nor stops while the computer sleeps. If it stops all the same,
/// [`TeslaReceiver`](super::TeslaReceiver) notices from keys that come too early, and takes nothing more.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverClock {
    asked: Time,
    shown: GroupTime,
    drift_ppm: u32,
}

impl ReceiverClock {
    /// `asked` is when the request was *first* sent, whichever copy of it the controller answered; `shown` is what the
    /// answer says of the group's clock.
    // R14.7
    #[must_use]
    pub const fn new(asked: Time, shown: GroupTime) -> Self {
        Self { asked, shown, drift_ppm: DRIFT_PPM }
    }

    /// The same with another bound on the drift, in parts per million, at most
    /// [`MAX_DRIFT_PPM`].
    #[must_use]
    pub fn with_drift(self, ppm: u32) -> Self {
        Self { drift_ppm: ppm.min(MAX_DRIFT_PPM), ..self }
    }

    /// The group's clock shows this at most.
    pub(super) fn latest(&self, now: Time) -> GroupTime {
        let passed = now.0.saturating_sub(self.asked.0);
        // Our clock may have counted too little: passed / (1 - drift).
        let drift = scale(passed, self.drift_ppm, MILLION - self.drift_ppm);
        GroupTime(self.shown.0.saturating_add(passed).saturating_add(drift))
    }
}

/// A lower bound on the group's clock. Times are of a clock that is never set: a jump ahead discloses keys too early.
#[derive(Clone, Copy, Debug)]
pub struct SenderClock {
    answered: Time,
    shown: GroupTime,
    drift_ppm: u32,
}

impl SenderClock {
    /// `answered` is when the answer came that says that the group's clock showed `shown`.
    #[must_use]
    pub const fn new(answered: Time, shown: GroupTime) -> Self {
        Self { answered, shown, drift_ppm: DRIFT_PPM }
    }

    /// The same with another bound on the drift, in parts per million, at most
    /// [`MAX_DRIFT_PPM`]; 0 for the controller itself, whose clock is the group's.
    #[must_use]
    pub fn with_drift(self, ppm: u32) -> Self {
        Self { drift_ppm: ppm.min(MAX_DRIFT_PPM), ..self }
    }

    /// The group's clock shows this at least.
    pub(super) fn earliest(&self, now: Time) -> GroupTime {
        let passed = now.0.saturating_sub(self.answered.0);
        // Our clock may have counted too much: passed / (1 + drift).
        let drift = scale(passed, self.drift_ppm, MILLION + self.drift_ppm);
        GroupTime(self.shown.0.saturating_add(passed.saturating_sub(drift)))
    }

    /// When [`Self::earliest`] will show `at`.
    pub(super) fn when(&self, at: GroupTime) -> Time {
        let ahead = at.0.saturating_sub(self.shown.0);
        let late = scale(ahead, self.drift_ppm, MILLION);
        Time(self.answered.0.saturating_add(ahead).saturating_add(late))
    }
}

const MILLION: u32 = 1_000_000;

/// `value * by / of`, rounded up.
fn scale(value: u64, by: u32, of: u32) -> u64 {
    let product = u128::from(value) * u128::from(by);
    u64::try_from(product.div_ceil(u128::from(of.max(1)))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANOS: u64 = 1_000_000_000;

    /// Whenever in between the controller looked, and however both drift within the bound, a sender is never ahead of a
    /// receiver.
    #[test]
    fn senders_are_behind_receivers() {
        let shown = GroupTime(1_000_000 * NANOS);
        for passed in [0, 1, 999, NANOS, 3600 * NANOS, 1_000_000 * NANOS] {
            let receiver = ReceiverClock::new(Time(500), shown);
            let sender = SenderClock::new(Time(700), shown);
            let true_time = shown.0 + passed;
            // The receiver asked 100 before the controller looked and its clock is slow; the sender heard 100 after and
            // its clock is fast.
            let slow = passed + 100 - (passed / 1_000_000) * 200;
            let fast = (passed.saturating_sub(100) / 1_000_000) * 1_000_200;
            assert!(receiver.latest(Time(500 + slow)).0 >= true_time, "{passed}");
            assert!(sender.earliest(Time(700 + fast)).0 <= true_time, "{passed}");
        }
    }

    #[test]
    fn a_clock_set_back_stands_still() {
        let receiver = ReceiverClock::new(Time(NANOS), GroupTime(7));
        assert_eq!(receiver.latest(Time::ZERO), GroupTime(7));
        assert_eq!(receiver.latest(Time::NEVER).0, u64::MAX);
        let sender = SenderClock::new(Time(NANOS), GroupTime(7));
        assert_eq!(sender.earliest(Time::ZERO), GroupTime(7));
    }

    #[test]
    fn a_time_is_found_again() {
        let sender = SenderClock::new(Time(5), GroupTime(100)).with_drift(1000);
        for ahead in [0, 1, 10, 1_000_003, 86_400 * NANOS] {
            let at = GroupTime(100 + ahead);
            let when = sender.when(at);
            assert!(sender.earliest(when) >= at, "{ahead}");
            assert!(sender.earliest(Time(when.0.saturating_sub(3))) <= at, "{ahead}");
        }
    }
}
