//! What members have asked for, and no record has yet.
//!
//! Invariant: a session has one leave and one report in it at most, so that it is bounded by the group, whatever its members
//! ask and however often.

use mikey_proto::{GroupRequest, GroupSender, Name, SessionId};

use crate::controller::{Batch, Join, MemberRef};

/// What waits for a record.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) joins: Vec<Waiting>,
    pub(crate) leaves: Vec<Leaving>,
    pub(crate) reports: Vec<Reporting>,
    pub(crate) rekey: bool,
}

/// Who waits to be let in.
pub(crate) struct Waiting {
    pub(crate) session: SessionId,
    pub(crate) name: Name,
    pub(crate) request: GroupRequest,
    pub(crate) contact: Vec<u8>,
}

/// Who is to be none any more.
pub(crate) struct Leaving {
    pub(crate) member: MemberRef,
    /// Where it has asked for that, and is told once it is stored.
    pub(crate) asked: Option<SessionId>,
}

/// Where a member's senders stand.
pub(crate) struct Reporting {
    pub(crate) member: MemberRef,
    pub(crate) senders: Vec<GroupSender>,
    pub(crate) asked: SessionId,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.leaves.is_empty() && self.reports.is_empty() && !self.rekey
    }

    /// How many changes of its most frequent kind.
    pub(crate) fn len(&self) -> usize {
        self.joins.len().max(self.leaves.len()).max(self.reports.len())
    }

    /// A member leaves; what it has asked for before is the same.
    pub(crate) fn leave(&mut self, member: MemberRef, asked: Option<SessionId>) {
        if asked.is_none() || self.leaves.iter().all(|other| other.asked != asked) {
            self.leaves.push(Leaving { member, asked });
        }
    }

    /// A member reports, in place of what it has reported before.
    pub(crate) fn report(&mut self, member: MemberRef, senders: Vec<GroupSender>, asked: SessionId) {
        match self.reports.iter_mut().find(|other| other.asked == asked) {
            Some(earlier) => earlier.senders = senders,
            None => self.reports.push(Reporting { member, senders, asked }),
        }
    }

    /// Takes out what came first: so many joins, leaves and reported senders at most.
    pub(crate) fn split(&mut self, most: usize) -> Self {
        let joins = self.joins.drain(..most.min(self.joins.len())).collect();
        let leaves = self.leaves.drain(..most.min(self.leaves.len())).collect();
        let mut senders = 0;
        let fits = |report: &&Reporting| {
            let first = senders == 0;
            senders += report.senders.len();
            first || senders <= most
        };
        let reports = self.reports.iter().take_while(fits).count();
        let reports = self.reports.drain(..reports).collect();
        Self { joins, leaves, reports, rekey: std::mem::take(&mut self.rekey) }
    }

    /// What did not make it goes before what has come since.
    pub(crate) fn put_back(&mut self, mut earlier: Self) {
        earlier.joins.append(&mut self.joins);
        earlier.leaves.append(&mut self.leaves);
        earlier.reports.append(&mut self.reports);
        earlier.rekey |= self.rekey;
        *self = earlier;
    }

    pub(crate) fn batch(&self) -> Batch {
        let join = |waiting: &Waiting| Join {
            name: waiting.name.clone(),
            roles: waiting.request.roles,
            ssrcs: waiting.request.ssrcs,
            contact: waiting.contact.clone(),
        };
        let report = |report: &Reporting| (report.member.clone(), report.senders.clone());
        Batch {
            joins: self.joins.iter().map(join).collect(),
            leaves: self.leaves.iter().map(|leaving| leaving.member.clone()).collect(),
            reports: self.reports.iter().map(report).collect(),
            rekey: self.rekey,
        }
    }

    /// Whoever is told that what it has asked for is stored.
    pub(crate) fn askers(&self) -> impl Iterator<Item = SessionId> {
        let leaves = self.leaves.iter().filter_map(|leaving| leaving.asked);
        leaves.chain(self.reports.iter().map(|report| report.asked))
    }
}
