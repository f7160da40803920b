//! Tickets for RESUME: what a peer keeps for its next call, and what their issuer keeps (docs/spec.md, "RESUME").
//!
//! Invariant: the issuer gives a ticket's key out once. What has been used, has expired, or belongs to a session that was
//! found to be compromised, is gone.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use mikey_crypto::SecretBytes;

use crate::auth::AuthLevel;
use crate::event::SessionId;
use crate::limits::MAX_TICKETS;
use crate::name::Name;
use crate::negotiate::Choice;
use crate::time::Time;

/// What a resumed session takes over from the one that issued the ticket.
#[derive(Clone)]
pub(crate) struct Terms {
    /// Our own name.
    pub(crate) local: Name,
    /// The peer's.
    pub(crate) remote: Name,
    /// How well the peer was known.
    pub(crate) level: AuthLevel,
    pub(crate) choice: Choice,
}

/// A ticket of a peer, good for one call to it. It cannot be copied, as it works once.
pub struct Ticket {
    pub(crate) opaque: Vec<u8>,
    pub(crate) psk: SecretBytes,
    pub(crate) terms: Terms,
    pub(crate) expires: Time,
}

impl Ticket {
    /// The peer that takes it.
    #[must_use]
    pub fn peer(&self) -> &Name {
        &self.terms.remote
    }

    /// From when on the peer refuses it.
    #[must_use]
    pub fn expires(&self) -> Time {
        self.expires
    }
}

/// Octets of our own tickets: a random number, since what it stands for is kept here.
pub(crate) const OPAQUE_LEN: usize = 16;

/// Tickets that this endpoint has issued.
#[derive(Default)]
pub(crate) struct TicketTable {
    tickets: HashMap<[u8; OPAQUE_LEN], Issued>,
    /// In the order of their issue.
    order: VecDeque<[u8; OPAQUE_LEN]>,
}

/// A ticket as its issuer keeps it.
pub(crate) struct Issued {
    pub(crate) session: SessionId,
    pub(crate) psk: SecretBytes,
    pub(crate) terms: Terms,
    expires: Time,
}

impl TicketTable {
    pub(crate) fn insert(
        &mut self,
        now: Time,
        lifetime: Duration,
        opaque: [u8; OPAQUE_LEN],
        issued: NewTicket,
    ) {
        while self.tickets.len() >= MAX_TICKETS || self.order.len() >= 2 * MAX_TICKETS {
            let Some(oldest) = self.order.pop_front() else { break };
            self.tickets.remove(&oldest);
        }
        let NewTicket { session, psk, terms } = issued;
        self.order.push_back(opaque);
        self.tickets.insert(opaque, Issued { session, psk, terms, expires: now + lifetime });
    }

    /// The ticket, if it may still be used. That does not use it.
    pub(crate) fn find(&self, now: Time, opaque: &[u8]) -> Option<&Issued> {
        let opaque: &[u8; OPAQUE_LEN] = opaque.try_into().ok()?;
        self.tickets.get(opaque).filter(|issued| issued.expires > now)
    }

    /// Uses a ticket up.
    // R13.4
    pub(crate) fn take(&mut self, now: Time, opaque: &[u8]) -> Option<Issued> {
        let opaque: &[u8; OPAQUE_LEN] = opaque.try_into().ok()?;
        self.tickets.remove(opaque).filter(|issued| issued.expires > now)
    }

    /// Forgets the tickets of a session whose keys or whose peer are in doubt.
    pub(crate) fn revoke(&mut self, session: SessionId) {
        self.tickets.retain(|_, issued| issued.session != session);
    }
}

/// What is stored of a new ticket.
pub(crate) struct NewTicket {
    pub(crate) session: SessionId,
    pub(crate) psk: SecretBytes,
    pub(crate) terms: Terms,
}

#[cfg(test)]
mod tests {
    use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};

    use super::*;
    use crate::policy::Exchange;

    fn new(session: u64) -> NewTicket {
        let name = Name::pseudonym([1; 16]);
        let choice = Choice {
            exchange: Exchange::Cce,
            prf: PrfId(1),
            group: GroupId(31),
            suite: SuiteId(3),
            initiator: MethodId::PSK,
            responder: MethodId::PSK,
            confidential: true,
            resumption: true,
        };
        let terms = Terms { local: name.clone(), remote: name, level: AuthLevel::Psk, choice };
        NewTicket { session: SessionId(session), psk: SecretBytes::zeroed(32), terms }
    }

    // R13.4
    #[test]
    fn a_ticket_works_once_and_in_its_time() {
        let mut table = TicketTable::default();
        table.insert(Time::ZERO, Duration::from_secs(10), [1; 16], new(1));
        assert!(table.find(Time::from_secs(9), &[1; 16]).is_some());
        assert!(table.find(Time::from_secs(10), &[1; 16]).is_none());
        assert!(table.find(Time::ZERO, &[1; 15]).is_none());
        assert!(table.take(Time::from_secs(9), &[1; 16]).is_some());
        assert!(table.take(Time::from_secs(9), &[1; 16]).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_can_forget_a_session() {
        let mut table = TicketTable::default();
        for n in 0..(MAX_TICKETS as u64 + 10) {
            let mut opaque = [0; 16];
            opaque[..8].copy_from_slice(&n.to_be_bytes());
            table.insert(Time::ZERO, Duration::from_secs(10), opaque, new(n % 2));
        }
        assert_eq!(table.tickets.len(), MAX_TICKETS);
        table.revoke(SessionId(0));
        assert_eq!(table.tickets.len(), MAX_TICKETS / 2);
    }
}
