//! The responder's table of half-open sessions: bounded, first in first out, counted for each address.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use mikey_crypto::Digest;
use mikey_wire::Session;

use crate::limits::MAX_HELD_FRAGMENTS;
use crate::session::responder::HalfOpen;
use crate::time::Time;

/// Half-open sessions by their SPIs and by their first message.
///
/// One that has become a session leaves its INIT_RESP here until its time is over, since the INIT_REQ may still be repeated.
#[derive(Default)]
pub(crate) struct HalfOpenTable {
    sessions: HashMap<Session, Entry>,
    by_first: HashMap<Digest, Session>,
    /// In the order of their expiry; entries that are gone are skipped.
    queue: VecDeque<(Time, Session)>,
    crowds: HashMap<IpAddr, Crowd>,
    /// Those that hold fragments, in the order of their first one; some are gone or hold none any more.
    holders: VecDeque<Session>,
    /// Octets of memory that fragments take.
    held: usize,
    open: usize,
    /// Key exchanges of the last seconds that led to nothing, and since when they are counted.
    wasted: (Time, usize),
}

/// How long a wasted key exchange counts as load.
const WASTED: Duration = Duration::from_secs(15);

struct Entry {
    first: Digest,
    address: IpAddr,
    cookie: Cookie,
    state: State,
}

/// Whether the sender has shown by a cookie that it has its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    Shown,
    NotShown,
}

/// Open half-open sessions of an address (an IPv6 /64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crowd {
    pub(crate) verified: usize,
    pub(crate) unverified: usize,
}

impl Crowd {
    fn count(&mut self, cookie: Cookie) -> &mut usize {
        match cookie {
            Cookie::Shown => &mut self.verified,
            Cookie::NotShown => &mut self.unverified,
        }
    }
}

enum State {
    Open(Box<HalfOpen>),
    /// It became a session.
    Taken {
        remote: SocketAddr,
        init_resp: Vec<u8>,
    },
}

impl HalfOpenTable {
    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    /// Key exchanges that led to nothing lately: they are load like a half-open session.
    pub(crate) fn wasted(&self, now: Time) -> usize {
        let (since, count) = self.wasted;
        if now < since + WASTED { count } else { 0 }
    }

    pub(crate) fn waste(&mut self, now: Time) {
        let count = self.wasted(now);
        self.wasted = if count == 0 { (now, 1) } else { (self.wasted.0, count.saturating_add(1)) };
    }

    /// How many are remembered, open or not.
    pub(crate) fn remembered(&self) -> usize {
        self.sessions.len()
    }

    /// How many open ones came from this address.
    pub(crate) fn crowd(&self, from: SocketAddr) -> Crowd {
        self.crowds.get(&network(from)).copied().unwrap_or_default()
    }

    /// The answer that this first message drew, and where it went.
    // R10.7
    pub(crate) fn answer(&self, first: &Digest) -> Option<(SocketAddr, &[u8])> {
        match &self.sessions.get(self.by_first.get(first)?)?.state {
            State::Open(half_open) => Some((half_open.remote, &half_open.init_resp)),
            State::Taken { remote, init_resp } => Some((*remote, init_resp)),
        }
    }

    pub(crate) fn get_mut(&mut self, session: &Session) -> Option<&mut HalfOpen> {
        match &mut self.sessions.get_mut(session)?.state {
            State::Open(half_open) => Some(half_open),
            State::Taken { .. } => None,
        }
    }

    /// Takes note that a half-open session holds fragments, after `before` octets of them. Returns how many others had to
    /// forget theirs for it.
    pub(crate) fn holds(&mut self, session: &Session, before: usize) -> u64 {
        let Some(held) = self.get_mut(session).map(|half_open| half_open.held()) else { return 0 };
        self.held = self.held.saturating_sub(before) + held;
        if before == 0 && held > 0 {
            let Self { holders, sessions, .. } = self;
            if holders.len() > 2 * sessions.len() {
                holders.retain(|holder| sessions.contains_key(holder));
            }
            holders.push_back(*session);
        }
        let mut forgotten = 0;
        while self.held > MAX_HELD_FRAGMENTS {
            let Some(oldest) = self.holders.pop_front() else { break };
            let Some(half_open) = self.get_mut(&oldest) else { continue };
            let held = half_open.held();
            half_open.forget_fragments();
            self.held = self.held.saturating_sub(held);
            forgotten += u64::from(held > 0);
        }
        forgotten
    }

    pub(crate) fn insert(&mut self, expires: Time, first: Digest, cookie: Cookie, half_open: Box<HalfOpen>) {
        let session = half_open.header.session;
        let address = network(half_open.remote);
        *self.crowds.entry(address).or_default().count(cookie) += 1;
        self.open += 1;
        self.by_first.insert(first, session);
        // Those from signalling live longer; the queue stays in the order of expiry.
        let at = self.queue.partition_point(|(other, _)| *other <= expires);
        self.queue.insert(at, (expires, session));
        self.sessions.insert(session, Entry { first, address, cookie, state: State::Open(half_open) });
    }

    /// Remembers the answer to a first message that became a session at once: RESUME.
    pub(crate) fn remember(
        &mut self,
        expires: Time,
        first: Digest,
        session: Session,
        remote: SocketAddr,
        answer: Vec<u8>,
    ) {
        let state = State::Taken { remote, init_resp: answer };
        self.by_first.insert(first, session);
        let at = self.queue.partition_point(|(other, _)| *other <= expires);
        self.queue.insert(at, (expires, session));
        self.sessions
            .insert(session, Entry { first, address: network(remote), cookie: Cookie::Shown, state });
    }

    /// Takes one out that has become a session; its INIT_RESP stays.
    pub(crate) fn take(&mut self, session: &Session) -> Option<Box<HalfOpen>> {
        let entry = self.sessions.get_mut(session)?;
        let State::Open(half_open) = &mut entry.state else { return None };
        let (remote, init_resp) = (half_open.remote, std::mem::take(&mut half_open.init_resp));
        let (address, cookie) = (entry.address, entry.cookie);
        let before = std::mem::replace(&mut entry.state, State::Taken { remote, init_resp });
        self.closed(address, cookie);
        if let State::Open(half_open) = &before {
            self.held = self.held.saturating_sub(half_open.held());
        }
        match before {
            State::Open(half_open) => Some(half_open),
            State::Taken { .. } => None,
        }
    }

    /// Removes the open one that this first message led to.
    pub(crate) fn forget(&mut self, first: &Digest) {
        let Some(session) = self.by_first.get(first).copied() else { return };
        if let Some(Entry { state: State::Open(_), address, cookie, .. }) = self.sessions.get(&session) {
            let (address, cookie) = (*address, *cookie);
            self.sessions.remove(&session);
            self.by_first.remove(first);
            self.closed(address, cookie);
        }
    }

    /// Makes room by removing the oldest one.
    pub(crate) fn evict_oldest(&mut self) -> bool {
        while let Some((_, session)) = self.queue.pop_front() {
            let Some(entry) = self.sessions.remove(&session) else { continue };
            self.by_first.remove(&entry.first);
            if let State::Open(half_open) = &entry.state {
                self.held = self.held.saturating_sub(half_open.held());
                self.closed(entry.address, entry.cookie);
            }
            return true;
        }
        false
    }

    fn closed(&mut self, address: IpAddr, cookie: Cookie) {
        self.open -= 1;
        if let Some(crowd) = self.crowds.get_mut(&address) {
            *crowd.count(cookie) -= 1;
            if *crowd == Crowd::default() {
                self.crowds.remove(&address);
            }
        }
    }

    /// When the oldest one expires.
    pub(crate) fn wake(&self) -> Option<Time> {
        self.queue.front().map(|(at, _)| *at)
    }

    pub(crate) fn expire(&mut self, now: Time) {
        while self.wake().is_some_and(|at| at <= now) {
            self.evict_oldest();
        }
    }
}

fn network(from: SocketAddr) -> IpAddr {
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
    }
}
