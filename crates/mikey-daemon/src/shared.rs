//! What a controller does because others serve the same groups: it looks for their records, and one of them at a time, who
//! has a lease, serves members whose controller is gone and renews keys.
//!
//! The lease is a matter of who works, never of safety: that rests on the store's put-if-absent alone.

use std::time::Duration;

use mikey::Time;
use mikey_group::{Changes, Lease, StoreError};

use crate::config::Source;
use crate::storage::Job;

/// The name of the lease.
const LEASE: &str = "leader";

/// How often others' records are looked for.
const POLL: Duration = Duration::from_millis(200);

/// How long the lease lasts if nothing else is said.
const TTL: Duration = Duration::from_secs(3);

/// Controllers of the same groups on one etcd cluster.
pub(crate) struct Shared {
    /// This controller, and which start of it: one that was killed is another one.
    holder: String,
    ttl: Duration,
    mark: u64,
    poll_at: Time,
    polling: bool,
    lease_at: Time,
    leasing: bool,
    /// Until when we have the lease, as far as we know.
    until: Option<Time>,
    /// When the lease that is under way was asked for.
    asked: Time,
}

impl Shared {
    /// For a configuration with etcd.
    pub(crate) fn new(source: &Source) -> Option<Self> {
        let store = source.config.store.as_ref();
        let node = &store.node.as_ref()?.0;
        Some(Self {
            holder: format!("{node} {}", std::process::id()),
            ttl: store.lease.as_ref().map_or(TTL, |lease| lease.as_ref().0),
            mark: 0,
            poll_at: Time::ZERO,
            polling: false,
            lease_at: Time::ZERO,
            leasing: false,
            until: None,
            asked: Time::ZERO,
        })
    }

    /// Whether the lease is ours.
    pub(crate) fn leads(&self) -> bool {
        self.until.is_some()
    }

    /// What is due.
    pub(crate) fn tick(&mut self, now: Time) -> Vec<Job> {
        let mut jobs = Vec::new();
        if !self.polling && self.poll_at <= now {
            self.polling = true;
            self.poll_at = now + POLL;
            jobs.push(Job::Changes { mark: self.mark });
        }
        if !self.leasing && self.lease_at <= now {
            self.leasing = true;
            self.asked = now;
            self.lease_at = now + self.ttl / 3;
            jobs.push(Job::Lease { now, name: LEASE.into(), holder: self.holder.clone(), ttl: self.ttl });
        }
        jobs
    }

    /// Whether the lease has run out because the store did not answer.
    pub(crate) fn lost(&mut self, now: Time) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }

    /// What has grown is known.
    pub(crate) fn changed(&mut self, changes: &Changes) {
        self.polling = false;
        self.mark = changes.mark;
    }

    /// What has grown could not be read: all of it is looked at again.
    pub(crate) fn forget(&mut self) {
        self.mark = 0;
    }

    /// The store did not say what has grown.
    pub(crate) fn unanswered(&mut self) {
        self.polling = false;
    }

    /// What the store said of the lease; whether we lead now, if that is new.
    pub(crate) fn leased(&mut self, now: Time, result: Result<Lease, StoreError>) -> Option<bool> {
        self.leasing = false;
        let before = self.leads();
        // Without an answer it lasts as long as it lasts.
        let lease = result.ok()?;
        self.until =
            (lease.holder == self.holder).then_some(self.asked + self.ttl).filter(|until| *until > now);
        (before != self.leads()).then_some(self.leads())
    }

    /// Gives the lease to whoever wants it next.
    pub(crate) fn release(&self) -> Option<Job> {
        self.leads().then(|| Job::Release { name: LEASE.into(), holder: self.holder.clone() })
    }
}
