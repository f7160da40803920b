//! The clock of a controller's groups, for TESLA (docs/spec.md, 14.5).

use mikey_crypto::tesla::GroupTime;
use mikey_proto::Time;

use super::Service;

/// The clock of the groups, for TESLA.
#[derive(Clone, Copy)]
pub(super) struct GroupClock {
    at: Time,
    shown: GroupTime,
}

impl GroupClock {
    pub(super) fn at(&self, now: Time) -> GroupTime {
        GroupTime(self.shown.0.saturating_add(now.as_nanos().saturating_sub(self.at.as_nanos())))
    }
}

impl Service {
    /// Sets the clock of groups that have TESLA: it shows `shown` at `now`, neither jumps nor goes back afterwards, and is within
    /// what members allow for ([`GroupConfig::tesla`](crate::GroupConfig::tesla)) of the clock of other controllers of one
    /// group. Before it is set, nobody gets into such a group.
    pub fn set_clock(&mut self, now: Time, shown: GroupTime) {
        self.clock = Some(GroupClock { at: now, shown });
    }
}
