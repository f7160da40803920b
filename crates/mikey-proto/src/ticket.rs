//! Tickets for RESUME: what a peer keeps for its next call, and what their issuer keeps (docs/spec.md, "RESUME").
//!
//! Invariant: the issuer gives a ticket's key out once. What has been used, has expired, or belongs to a session that was
//! found to be compromised, is gone.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mikey_crypto::{GroupId, MethodId, PrfId, SecretBytes, SuiteId};
use mikey_wire::{Id, IdType};

use crate::auth::AuthLevel;
use crate::limits::MAX_TICKETS;
use crate::name::Name;
use crate::negotiate::Choice;
use crate::policy::Exchange;
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

/// The octets of a ticket as they stand in RESUME_REQ: a random number, since what it stands for is kept by its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub [u8; OPAQUE_LEN]);

/// Octets of our own tickets.
pub(crate) const OPAQUE_LEN: usize = 16;

impl TicketId {
    /// The ticket in a message, if it can be one of ours.
    pub(crate) fn of(opaque: &[u8]) -> Option<Self> {
        opaque.try_into().ok().map(Self)
    }
}

/// Where an issuer keeps its tickets. The default is the memory of one endpoint; endpoints that answer for one name and share
/// a store take each other's tickets.
///
/// It is asked in the middle of a handshake and answers at once: a store that would have to wait says that it has no ticket,
/// or that it could not record. Times are those of the endpoint; a store that is shared goes by the lifetime and a clock of
/// its own.
pub trait TicketStore: Send + Sync {
    /// Keeps a ticket for `lifetime`. One that is not kept costs its holder a full handshake.
    fn insert(&mut self, now: Time, lifetime: Duration, id: TicketId, ticket: IssuedTicket);

    /// The ticket, if it may still be used. That does not use it: anyone may have asked.
    fn find(&self, now: Time, id: TicketId) -> Option<Arc<IssuedTicket>>;

    /// Records that a ticket is used, atomically and for all who take it: of any number of calls with one `id`, everywhere
    /// and for ever, at most one returns [`Redemption::Granted`]. The request was authentic.
    fn redeem(&mut self, now: Time, id: TicketId) -> Redemption;

    /// Forgets a ticket: the session that it came from has keys or a peer that are in doubt.
    fn revoke(&mut self, id: TicketId);
}

/// What came of recording that a ticket is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// It is recorded, and was not before.
    Granted,
    /// It was used, revoked or expired before. The peer is told, and a full handshake follows.
    Spent,
    /// It cannot be recorded now. The call goes on without early media, which might be a repeat
    /// ([`crate::Event::ResumedUnrecorded`]).
    Unrecorded,
}

/// A ticket as its issuer keeps it: the key that it stands for, both names, and what was negotiated.
pub struct IssuedTicket {
    pub(crate) psk: SecretBytes,
    pub(crate) terms: Terms,
}

/// A ticket that goes out in answer to TICKET-REQUEST.
pub(crate) struct Issued {
    pub(crate) id: TicketId,
    pub(crate) ticket: IssuedTicket,
    /// The ticket of the same session that it takes the place of.
    pub(crate) replaced: Option<TicketId>,
}

impl IssuedTicket {
    /// Who may use it.
    #[must_use]
    pub fn peer(&self) -> &Name {
        &self.terms.remote
    }

    /// The whole of it, for a store outside of this process, which keeps it as secret as a key.
    #[must_use]
    pub fn to_octets(&self) -> SecretBytes {
        let Terms { local, remote, level, choice } = &self.terms;
        let mut head = vec![FORM];
        for name in [local, remote] {
            // A name has at most 255 octets.
            head.extend([name.id_type(), u8::try_from(name.data().len()).unwrap_or(u8::MAX)]);
            head.extend_from_slice(name.data());
        }
        head.push(LEVELS.iter().position(|l| l == level).and_then(|at| u8::try_from(at).ok()).unwrap_or(0));
        let Choice { exchange, prf, group, suite, initiator, responder, confidential, resumption } = choice;
        head.extend([exchange.value(), prf.0, group.0, suite.0, initiator.0, responder.0]);
        head.extend([u8::from(*confidential), u8::from(*resumption)]);
        let mut octets = SecretBytes::zeroed(head.len() + self.psk.len());
        let parts = head.iter().chain(self.psk.expose());
        octets.expose_mut().iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        octets
    }

    /// Reads what [`Self::to_octets`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (&FORM, octets) = octets.split_first()? else { return None };
        let (local, octets) = split_name(octets)?;
        let (remote, octets) = split_name(octets)?;
        let ([level, exchange, prf, group, suite, initiator, responder, confidential, resumption], psk) =
            octets.split_first_chunk()?;
        let flag = |octet: u8| (octet <= 1).then_some(octet == 1);
        let choice = Choice {
            exchange: Exchange::from_value(*exchange)?,
            prf: PrfId(*prf),
            group: GroupId(*group),
            suite: SuiteId(*suite),
            initiator: MethodId(*initiator),
            responder: MethodId(*responder),
            confidential: flag(*confidential)?,
            resumption: flag(*resumption)?,
        };
        let level = *LEVELS.get(usize::from(*level))?;
        let terms = Terms { local, remote, level, choice };
        (psk.len() >= MIN_KEY).then(|| Self { psk: SecretBytes::copy_from(psk), terms })
    }
}

fn split_name(octets: &[u8]) -> Option<(Name, &[u8])> {
    let ([ty, len], octets) = octets.split_first_chunk()?;
    let (data, rest) = octets.split_at_checked(usize::from(*len))?;
    Some((Name::from_wire(&Id { ty: IdType(*ty), data }), rest))
}

/// The form of [`IssuedTicket::to_octets`].
const FORM: u8 = 1;
/// Levels by their number there. What signalling vouched for has no ticket.
const LEVELS: [AuthLevel; 5] = [
    AuthLevel::None,
    AuthLevel::SasUnverified,
    AuthLevel::SasVerified,
    AuthLevel::Psk,
    AuthLevel::Certificate,
];
/// Octets of the shortest hash, which is as long as RPSK.
const MIN_KEY: usize = 32;

/// Tickets in memory. At most [`MAX_TICKETS`]: the oldest one goes.
#[derive(Default)]
pub struct TicketTable {
    tickets: HashMap<TicketId, (Time, Arc<IssuedTicket>)>,
    /// In the order of their issue.
    order: VecDeque<TicketId>,
}

impl TicketStore for TicketTable {
    fn insert(&mut self, now: Time, lifetime: Duration, id: TicketId, ticket: IssuedTicket) {
        while self.tickets.len() >= MAX_TICKETS || self.order.len() >= 2 * MAX_TICKETS {
            let Some(oldest) = self.order.pop_front() else { break };
            self.tickets.remove(&oldest);
        }
        self.order.push_back(id);
        self.tickets.insert(id, (now + lifetime, Arc::new(ticket)));
    }

    fn find(&self, now: Time, id: TicketId) -> Option<Arc<IssuedTicket>> {
        self.tickets.get(&id).filter(|(expires, _)| *expires > now).map(|(_, ticket)| Arc::clone(ticket))
    }

    // R13.4
    fn redeem(&mut self, now: Time, id: TicketId) -> Redemption {
        match self.tickets.remove(&id) {
            Some((expires, _)) if expires > now => Redemption::Granted,
            _ => Redemption::Spent,
        }
    }

    fn revoke(&mut self, id: TicketId) {
        self.tickets.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> IssuedTicket {
        let choice = Choice {
            exchange: Exchange::Cce,
            prf: PrfId(1),
            group: GroupId(31),
            suite: SuiteId(3),
            initiator: MethodId::PSK,
            responder: MethodId::SAS,
            confidential: true,
            resumption: true,
        };
        let local = Name::parse("sip:bob@example.com").unwrap();
        let terms = Terms { local, remote: Name::pseudonym([1; 16]), level: AuthLevel::Psk, choice };
        IssuedTicket { psk: SecretBytes::copy_from(&[7; 32]), terms }
    }

    // R13.4
    #[test]
    fn a_ticket_works_once_and_in_its_time() {
        let (mut table, id) = (TicketTable::default(), TicketId([1; 16]));
        let lifetime = Duration::from_secs(10);
        table.insert(Time::ZERO, lifetime, id, new());
        assert!(table.find(Time::from_secs(9), id).is_some());
        assert!(table.find(Time::from_secs(10), id).is_none());
        assert_eq!(TicketId::of(&[1; 15]), None);
        assert_eq!(table.redeem(Time::from_secs(9), id), Redemption::Granted);
        assert_eq!(table.redeem(Time::from_secs(9), id), Redemption::Spent);
        table.insert(Time::ZERO, lifetime, id, new());
        assert_eq!(table.redeem(Time::from_secs(10), id), Redemption::Spent);
        table.insert(Time::ZERO, lifetime, id, new());
        table.revoke(id);
        assert_eq!(table.redeem(Time::ZERO, id), Redemption::Spent);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = TicketTable::default();
        for n in 0..(MAX_TICKETS as u64 + 10) {
            let mut octets = [0; 16];
            octets[..8].copy_from_slice(&n.to_be_bytes());
            table.insert(Time::ZERO, Duration::from_secs(10), TicketId(octets), new());
        }
        assert_eq!(table.tickets.len(), MAX_TICKETS);
    }

    #[test]
    fn octets_hold_all_of_a_ticket_and_others_are_refused() {
        let ticket = new();
        let octets = ticket.to_octets();
        let read = IssuedTicket::from_octets(octets.expose()).unwrap();
        assert_eq!(read.psk.expose(), ticket.psk.expose());
        assert_eq!((&read.terms.local, read.peer()), (&ticket.terms.local, ticket.peer()));
        assert_eq!((read.terms.level, read.terms.choice), (ticket.terms.level, ticket.terms.choice));
        for len in 0..octets.len() {
            assert!(IssuedTicket::from_octets(&octets.expose()[..len]).is_none(), "{len} octets");
        }
        let mut other = octets.expose().to_vec();
        other[0] = 2;
        assert!(IssuedTicket::from_octets(&other).is_none(), "another form");
    }
}
