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
/// Anyone can fill this table, so its keys are short: of the SPIs it is ours, of the first message a part of its hash.
#[derive(Default)]
pub(crate) struct HalfOpenTable {
    sessions: HashMap<SpiR, Entry>,
    by_first: HashMap<First, SpiR>,
    /// In the order of their expiry; entries that are gone are skipped.
    queue: VecDeque<(Time, SpiR)>,
    crowds: HashMap<Network, Crowd>,
    /// Those that hold fragments, in the order of their first one; some are gone or hold none any more.
    holders: VecDeque<SpiR>,
    /// Octets of memory that fragments take.
    held: usize,
    open: usize,
    /// Key exchanges of the last seconds that led to nothing, and since when they are counted.
    wasted: (Time, usize),
}

/// How long a wasted key exchange counts as load.
const WASTED: Duration = Duration::from_secs(15);

/// The responder's SPI, which we drew.
type SpiR = u64;

/// As much of a first message's hash as nobody finds twice for a message of somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct First([u8; 16]);

impl From<&Digest> for First {
    fn from(digest: &Digest) -> Self {
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

struct Entry {
    first: First,
    network: Network,
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
    Taken(Box<Taken>),
}

/// What is left of one that became a session.
struct Taken {
    remote: SocketAddr,
    init_resp: Box<[u8]>,
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
        match &self.sessions.get(self.by_first.get(&first.into())?)?.state {
            State::Open(half_open) => Some((half_open.remote, &half_open.init_resp)),
            State::Taken(taken) => Some((taken.remote, &taken.init_resp)),
        }
    }

    pub(crate) fn get_mut(&mut self, session: &Session) -> Option<&mut HalfOpen> {
        self.find(session.spi_r).filter(|half_open| half_open.header.session == *session)
    }

    fn find(&mut self, spi_r: SpiR) -> Option<&mut HalfOpen> {
        match &mut self.sessions.get_mut(&spi_r)?.state {
            State::Open(half_open) => Some(half_open),
            State::Taken(_) => None,
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
            holders.push_back(session.spi_r);
        }
        let mut forgotten = 0;
        while self.held > MAX_HELD_FRAGMENTS {
            let Some(oldest) = self.holders.pop_front() else { break };
            let Some(half_open) = self.find(oldest) else { continue };
            let held = half_open.held();
            half_open.forget_fragments();
            self.held = self.held.saturating_sub(held);
            forgotten += u64::from(held > 0);
        }
        forgotten
    }

    pub(crate) fn insert(&mut self, expires: Time, first: &Digest, cookie: Cookie, half_open: Box<HalfOpen>) {
        let first = First::from(first);
        let spi_r = half_open.header.session.spi_r;
        let network = network(half_open.remote);
        *self.crowds.entry(network).or_default().count(cookie) += 1;
        self.open += 1;
        self.add(expires, spi_r, Entry { first, network, cookie, state: State::Open(half_open) });
    }

    fn add(&mut self, expires: Time, spi_r: SpiR, entry: Entry) {
        let first = entry.first;
        if let Some(other) = self.sessions.insert(spi_r, entry) {
            // Chance gave an SPI twice.
            self.gone(&other);
        }
        self.by_first.insert(first, spi_r);
        // Those from signalling live longer; the queue stays in the order of expiry.
        let at = self.queue.partition_point(|(other, _)| *other <= expires);
        self.queue.insert(at, (expires, spi_r));
    }

    /// Remembers the answer to a first message that became a session at once: RESUME.
    pub(crate) fn remember(
        &mut self,
        expires: Time,
        first: &Digest,
        session: Session,
        remote: SocketAddr,
        answer: Vec<u8>,
    ) {
        let first = First::from(first);
        let state = State::Taken(Box::new(Taken { remote, init_resp: answer.into_boxed_slice() }));
        let entry = Entry { first, network: network(remote), cookie: Cookie::Shown, state };
        self.add(expires, session.spi_r, entry);
    }

    /// Takes one out that has become a session; its INIT_RESP stays.
    pub(crate) fn take(&mut self, session: &Session) -> Option<Box<HalfOpen>> {
        self.get_mut(session)?;
        let entry = self.sessions.get_mut(&session.spi_r)?;
        let State::Open(half_open) = &mut entry.state else { return None };
        let (remote, init_resp) = (half_open.remote, std::mem::take(&mut half_open.init_resp));
        let (network, cookie) = (entry.network, entry.cookie);
        let taken = State::Taken(Box::new(Taken { remote, init_resp }));
        let State::Open(half_open) = std::mem::replace(&mut entry.state, taken) else { return None };
        self.closed(network, cookie);
        self.held = self.held.saturating_sub(half_open.held());
        Some(half_open)
    }

    /// Removes the open one that this first message led to.
    pub(crate) fn forget(&mut self, first: &Digest) {
        let first = First::from(first);
        let Some(spi_r) = self.by_first.get(&first).copied() else { return };
        let open = |entry: &Entry| matches!(entry.state, State::Open(_));
        if self.sessions.get(&spi_r).is_some_and(open) {
            self.remove(spi_r);
        }
    }

    /// Makes room by removing the oldest one.
    pub(crate) fn evict_oldest(&mut self) -> bool {
        while let Some((_, spi_r)) = self.queue.pop_front() {
            if self.remove(spi_r) {
                return true;
            }
        }
        false
    }

    fn remove(&mut self, spi_r: SpiR) -> bool {
        self.sessions.remove(&spi_r).inspect(|entry| self.gone(entry)).is_some()
    }

    fn gone(&mut self, entry: &Entry) {
        self.by_first.remove(&entry.first);
        if let State::Open(half_open) = &entry.state {
            self.held = self.held.saturating_sub(half_open.held());
            self.closed(entry.network, entry.cookie);
        }
    }

    fn closed(&mut self, network: Network, cookie: Cookie) {
        self.open -= 1;
        if let Some(crowd) = self.crowds.get_mut(&network) {
            *crowd.count(cookie) -= 1;
            if *crowd == Crowd::default() {
                self.crowds.remove(&network);
            }
        }
    }

    /// When the oldest one expires.
    pub(crate) fn wake(&self) -> Option<Time> {
        self.queue.front().map(|(at, _)| *at)
    }

    pub(crate) fn expire(&mut self, now: Time) {
        while self.wake().is_some_and(|at| at <= now) {
            if let Some((_, spi_r)) = self.queue.pop_front() {
                self.remove(spi_r);
            }
        }
    }
}

/// The first half of an IPv6 address, or an IPv4 address behind a prefix that no IPv6 address has: ::/8 is reserved.
type Network = u64;

fn network(from: SocketAddr) -> Network {
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => 0xFFFF_0000_0000 | Network::from(u32::from(ip)),
        IpAddr::V6(ip) => ip.octets().first_chunk().copied().map_or(0, Network::from_be_bytes),
    }
}
