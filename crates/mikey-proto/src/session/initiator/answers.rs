//! Answers that were not taken up yet, and those that were seen (docs/spec.md, "Branches").
//!
//! Anyone on the path can send as many as it likes. What is kept is bounded, and no flood has a place for good: an answer that
//! comes when all places are taken replaces one of those that wait, by chance.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use mikey_crypto::Digest;

use crate::config::Signalled;
use crate::limits::{BRANCH_SLOT, MAX_ANSWERS, MAX_BRANCHES, MAX_WAITING, MAX_WAITING_PER_SOURCE};
use crate::time::Time;

/// An answer that waits for a slot.
pub(super) struct Waiting {
    pub(super) from: SocketAddr,
    /// What signalling said of it, together with the answer.
    pub(super) signalled: Option<Signalled>,
    pub(super) raw: Vec<u8>,
    pub(super) key: Digest,
}

/// Answers of one attempt.
#[derive(Default)]
pub(super) struct Answers {
    waiting: VecDeque<Waiting>,
    /// What was taken up. It is never forgotten: the same answer twice would be two requests under one key and nonce. The
    /// slots bound it.
    taken: HashSet<Digest>,
    seen: HashSet<Digest>,
    /// What was seen, oldest first.
    order: VecDeque<Digest>,
    /// Slots in use, by whom, and until when.
    slots: Vec<(IpAddr, Time)>,
}

impl Answers {
    pub(super) fn has_seen(&self, key: &Digest) -> bool {
        self.taken.contains(key) || self.seen.contains(key)
    }

    /// Remembers an answer. Of too many, the oldest is forgotten.
    pub(super) fn remember(&mut self, key: Digest) {
        if self.order.len() >= MAX_ANSWERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        if self.seen.insert(key) {
            self.order.push_back(key);
        }
    }

    /// Whether an answer from there may be taken up now.
    pub(super) fn has_slot(&self, now: Time, from: SocketAddr) -> bool {
        let in_use = || self.slots.iter().filter(|(_, until)| *until > now);
        let same = in_use().filter(|(ip, _)| *ip == from.ip()).count();
        in_use().count() < MAX_BRANCHES && same < MAX_WAITING_PER_SOURCE
    }

    /// Takes a slot, whatever becomes of the answer: one that fails has cost as much as another.
    pub(super) fn take_slot(&mut self, now: Time, from: SocketAddr, key: Digest) {
        self.taken.insert(key);
        self.slots.retain(|(_, until)| *until > now);
        self.slots.push((from.ip(), now + BRANCH_SLOT));
    }

    /// When the next slot is free for those who wait.
    pub(super) fn wake(&self, now: Time) -> Option<Time> {
        if self.waiting.is_empty() {
            return None;
        }
        self.slots.iter().map(|(_, until)| *until).filter(|until| *until > now).min()
    }

    /// Lets an answer wait. If all places are taken, `dice` says whose it gets: one of the same source if that has its share,
    /// else one of any but the address that was called.
    ///
    /// Returns whether an answer, this one or another, got no place.
    pub(super) fn wait(&mut self, called: SocketAddr, dice: u8, answer: Waiting) -> bool {
        let source = answer.from.ip();
        let same = self.waiting.iter().filter(|w| w.from.ip() == source).count();
        let crowded = same >= MAX_WAITING_PER_SOURCE;
        let full = crowded || self.waiting.len() >= MAX_WAITING;
        if full {
            let loses =
                |w: &Waiting| if crowded { w.from.ip() == source } else { w.from.ip() != called.ip() };
            let losers: Vec<usize> =
                self.waiting.iter().enumerate().filter(|(_, w)| loses(w)).map(|(at, _)| at).collect();
            let Some(at) = losers.get(usize::from(dice) % losers.len().max(1)) else { return true };
            if let Some(gone) = self.waiting.remove(*at) {
                self.forget(&gone.key);
            }
        }
        self.remember(answer.key);
        self.waiting.push_back(answer);
        full
    }

    /// The next answer whose source has a slot.
    pub(super) fn next(&mut self, now: Time) -> Option<Waiting> {
        let at = self.waiting.iter().position(|w| self.has_slot(now, w.from))?;
        self.waiting.remove(at)
    }

    /// Forgets an answer: when it comes again it is heard again.
    pub(super) fn forget(&mut self, key: &Digest) {
        self.seen.remove(key);
        self.order.retain(|other| other != key);
    }
}
