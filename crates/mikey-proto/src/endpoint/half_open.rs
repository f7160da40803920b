//! The responder's table of half-open sessions: bounded, first in first out, counted for each address.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use mikey_crypto::Digest;
use mikey_wire::Session;

use crate::session::responder::HalfOpen;
use crate::time::Time;

/// Half-open sessions by their SPIs and by their first message.
#[derive(Default)]
pub(crate) struct HalfOpenTable {
    sessions: HashMap<Session, Entry>,
    by_first: HashMap<Digest, Session>,
    /// In the order of their expiry; entries that are gone are skipped.
    queue: VecDeque<(Time, Session)>,
    per_address: HashMap<IpAddr, usize>,
}

struct Entry {
    first: Digest,
    address: IpAddr,
    half_open: Box<HalfOpen>,
}

impl HalfOpenTable {
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// How many came from this address (an IPv6 /64).
    pub(crate) fn from_address(&self, from: SocketAddr) -> usize {
        self.per_address.get(&network(from)).copied().unwrap_or_default()
    }

    /// The half-open session that this first message opened.
    pub(crate) fn find_first(&mut self, first: &Digest) -> Option<&mut HalfOpen> {
        let session = self.by_first.get(first)?;
        self.sessions.get_mut(session).map(|e| &mut *e.half_open)
    }

    pub(crate) fn get_mut(&mut self, session: &Session) -> Option<&mut HalfOpen> {
        self.sessions.get_mut(session).map(|e| &mut *e.half_open)
    }

    pub(crate) fn insert(&mut self, expires: Time, first: Digest, half_open: Box<HalfOpen>) {
        let session = half_open.header.session;
        let address = network(half_open.remote);
        *self.per_address.entry(address).or_default() += 1;
        self.by_first.insert(first, session);
        self.queue.push_back((expires, session));
        self.sessions.insert(session, Entry { first, address, half_open });
    }

    pub(crate) fn remove(&mut self, session: &Session) -> Option<Box<HalfOpen>> {
        let entry = self.sessions.remove(session)?;
        self.by_first.remove(&entry.first);
        if let Some(count) = self.per_address.get_mut(&entry.address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&entry.address);
            }
        }
        Some(entry.half_open)
    }

    /// Makes room by removing the oldest one.
    pub(crate) fn evict_oldest(&mut self) -> bool {
        while let Some((_, session)) = self.queue.pop_front() {
            if self.remove(&session).is_some() {
                return true;
            }
        }
        false
    }

    /// When the oldest one expires.
    pub(crate) fn wake(&mut self) -> Option<Time> {
        while let Some((at, session)) = self.queue.front() {
            if self.sessions.contains_key(session) {
                return Some(*at);
            }
            self.queue.pop_front();
        }
        None
    }

    pub(crate) fn expire(&mut self, now: Time) {
        while self.wake().is_some_and(|at| at <= now) {
            self.evict_oldest();
        }
    }
}

fn network(from: SocketAddr) -> IpAddr {
    match from.ip() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & !u128::from(u64::MAX)).into()),
    }
}
