//! A controller among several: by leases in the store that they share it says that it lives, learns who else does, and finds
//! out who leads (docs/spec.md, 14.1).
//!
//! Leases are hints. A controller that believes to lead and does not renews keys once too often or lets a ghost go twice;
//! the records that it proposes are checked as all are.

use core::time::Duration;

use mikey_proto::Time;

use crate::service::Service;
use crate::store::{Store, StoreError};

/// Keeps the leases of one controller.
#[derive(Clone, Debug)]
pub struct Presence {
    scope: String,
    holder: String,
    ttl: Duration,
    /// When they are renewed.
    next: Time,
    /// Until when the lead that we have is ours for certain.
    until: Time,
}

impl Presence {
    /// For the controller that is `service`, whose home was set. `scope` names the groups: all controllers of one scope serve
    /// the same ones. A lease runs out `ttl` (whole seconds, 3 at least) after it was renewed, which is done three times as
    /// often.
    #[must_use]
    pub fn new(service: &Service, scope: &str, ttl: Duration) -> Self {
        let holder = format!("{:016x}", service.home());
        let ttl = ttl.max(Duration::from_secs(3));
        Self { scope: scope.into(), holder, ttl, next: Time::ZERO, until: Time::ZERO }
    }

    /// When [`Self::keep`] is due.
    #[must_use]
    pub fn wake(&self) -> Time {
        self.next
    }

    /// Renews the leases, if it is time, and tells the service who lives and whether it leads.
    ///
    /// # Errors
    /// [`StoreError`]: what the service knows stays as it is, but for the lead, which ends when its lease may have.
    pub fn keep(
        &mut self,
        now: Time,
        store: &mut (impl Store + ?Sized),
        service: &mut Service,
    ) -> Result<(), StoreError> {
        if now < self.next {
            return Ok(());
        }
        self.next = now + self.ttl / 3;
        let kept = self.renew(now, store, service);
        if kept.is_err() && now >= self.until {
            service.set_leading(false);
        }
        kept
    }

    fn renew(
        &mut self,
        now: Time,
        store: &mut (impl Store + ?Sized),
        service: &mut Service,
    ) -> Result<(), StoreError> {
        let homes = format!("controller/{}/", self.scope);
        store.lease(now, &format!("{homes}{}", self.holder), &self.holder, self.ttl)?;
        let alive = store.leases(now, &homes)?;
        let alive = alive.iter().filter_map(|lease| u64::from_str_radix(&lease.holder, 16).ok());
        service.set_alive(now, alive);
        let lead = store.lease(now, &self.lead(), &self.holder, self.ttl)?;
        let leads = lead.holder == self.holder;
        if leads {
            self.until = now + self.ttl;
        }
        service.set_leading(leads);
        Ok(())
    }

    /// Gives the leases back, so that another leads at once. Members joined here are of no controller that lives from now on.
    ///
    /// # Errors
    /// [`StoreError`]: then they run out.
    pub fn give_up(
        &mut self,
        store: &mut (impl Store + ?Sized),
        service: &mut Service,
    ) -> Result<(), StoreError> {
        service.set_leading(false);
        store.release(&self.lead(), &self.holder)?;
        store.release(&format!("controller/{}/{}", self.scope, self.holder), &self.holder)
    }

    fn lead(&self) -> String {
        format!("lead/{}", self.scope)
    }
}
