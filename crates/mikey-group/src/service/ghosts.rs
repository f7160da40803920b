//! Members whose controller is gone, and who of several controllers does what is to be done once (docs/spec.md, 14.1, 14.4).
//!
//! A member's session lives in the memory of one controller, its home, which asks it now and then whether it is there. When
//! that controller dies nobody asks any more. Whoever lives joins anew elsewhere; the rest would be members for ever. So each
//! record says where a member has joined, and the leading controller removes those whose home has been gone for long enough.

use std::collections::{BTreeMap, BTreeSet};

use mikey_proto::{Name, Time};

use super::{Served, Service};
use crate::controller::MemberRef;

impl Service {
    /// Sets the number of this process, which stands in records as the home of those who join here: drawn at random at each
    /// start, since sessions end with the process. Called before [`Self::add`]. A controller that is alone may leave it at 0.
    pub fn set_home(&mut self, home: u64) {
        self.home = home;
        self.groups.values_mut().for_each(|served| served.controller.set_home(home));
    }

    /// The number of this process.
    #[must_use]
    pub fn home(&self) -> u64 {
        self.home
    }

    /// Says which other controllers live, by their numbers: their members are theirs to ask. Members of all others leave after
    /// [`super::ServiceConfig::ghost_after`]. [`crate::Presence`] does this by leases.
    pub fn set_alive(&mut self, now: Time, homes: impl IntoIterator<Item = u64>) {
        self.alive = homes.into_iter().filter(|home| *home != self.home).collect();
        let own = Some(self.home);
        self.groups.values_mut().for_each(|served| served.note_homes(now, own, &self.alive));
    }

    /// Says whether it is for this controller to renew keys by time and to remove members whose controller is gone. Of several
    /// controllers of the same groups one does, by a lease ([`crate::Presence`]); one that is alone does from the beginning.
    pub fn set_leading(&mut self, leading: bool) {
        self.leading = leading;
    }

    /// Whether it is.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.leading
    }

    // R14.12, R14.13
    /// Lets members go whose controller has been gone for too long.
    pub(super) fn expire_ghosts(&mut self, now: Time) {
        if !self.leading {
            return;
        }
        let Self { groups, by_member, config, .. } = self;
        for (group, served) in groups.iter_mut() {
            let over = |(home, at): (&u64, &Time)| (*at + config.ghost_after <= now).then_some(*home);
            let homes: BTreeSet<u64> = served.lost.iter().filter_map(over).collect();
            if homes.is_empty() {
                continue;
            }
            let has_session = |name: &Name| by_member.contains_key(&(group.clone(), name.clone()));
            let members = served.controller.members();
            let ghosts = members.filter(|member| homes.contains(&member.home) && !has_session(member.name));
            let ghosts: Vec<MemberRef> = ghosts
                .map(|member| MemberRef { name: member.name.clone(), since: Some(member.since) })
                .collect();
            ghosts.into_iter().for_each(|ghost| served.queue.leave(ghost, None));
            // Should the record come to nothing, their home is found to be lost once more.
            served.lost.retain(|home, _| !homes.contains(home));
            if !served.queue.is_empty() {
                served.due.get_or_insert(now + config.gather);
            }
        }
    }

    /// When members are to go.
    pub(super) fn next_ghosts(&self) -> Option<Time> {
        let lost = self.groups.values().flat_map(|served| served.lost.values());
        lost.min().filter(|_| self.leading).map(|at| *at + self.config.ghost_after)
    }
}

impl Served {
    /// Takes note of homes whose controller does not live, neither as this one nor as another.
    pub(super) fn note_homes(&mut self, now: Time, own: Option<u64>, alive: &BTreeSet<u64>) {
        let lost = |home: &u64| Some(*home) != own && !alive.contains(home);
        let homes: BTreeMap<u64, u32> = self.controller.homes().collect();
        // Of an own number those are lost who were there before this process: found when it was added, and kept here.
        self.lost.retain(|home, _| homes.contains_key(home) && (Some(*home) == own || lost(home)));
        for home in homes.keys().filter(|home| lost(home)) {
            self.lost.entry(*home).or_insert(now);
        }
    }
}
