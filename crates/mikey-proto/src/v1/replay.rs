//! The replay cache (RFC 3830 section 5.4): what has been authenticated is remembered for as long as its time would do.
//!
//! Invariant: no message is taken twice, whatever happens. When memory runs out, the oldest entries go and everything as
//! old as they were is refused from then on; after a start, what was sent before it.

use std::collections::{BTreeMap, HashMap};

use core::time::Duration;

use super::time::{difference, span};
use crate::name::Name;

/// Why the time of a message is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayRefusal {
    /// The clocks differ by more than allowed; by so many seconds, positive if the peer's is fast.
    Skew(i64),
    /// As old as what was forgotten, or as our start: it may have been seen.
    Forgotten,
    /// It has been seen, and its answer is no longer kept.
    Seen,
    /// A counter that is not above the last one of this peer.
    Counter,
    /// No room for the counter of another peer.
    Full,
}

/// What was sent back, for a repeat of the message.
type Stored = Option<Vec<u8>>;

/// Times here count from the start, so that the end of an NTP era is nothing special.
pub(super) struct ReplayCache {
    skew: u64,
    capacity: usize,
    start: u64,
    /// Below this, times are refused.
    floor: i64,
    /// By time, then by digest.
    seen: BTreeMap<(i64, [u8; 32]), Stored>,
    /// The last counter of each peer, with the digest of its message and the answer.
    counters: HashMap<Name, (u32, [u8; 32], Stored)>,
}

impl ReplayCache {
    /// A cache that begins at `start`: what was sent before may have been answered by who was here then.
    pub(super) fn new(start: u64, skew: Duration, capacity: usize) -> Self {
        Self {
            skew: span(skew),
            capacity: capacity.max(1),
            start,
            floor: 0,
            seen: BTreeMap::new(),
            counters: HashMap::new(),
        }
    }

    /// Whether a message of time `t` may be looked at, at `now`; for a repeat, what it was answered with.
    pub(super) fn check(
        &mut self,
        now: u64,
        t: u64,
        digest: &[u8; 32],
    ) -> Result<Option<&Stored>, ReplayRefusal> {
        self.expire(difference(now, self.start));
        let key = (difference(t, self.start), *digest);
        if self.seen.contains_key(&key) {
            return Ok(self.seen.get(&key));
        }
        let ahead = difference(t, now);
        if ahead.unsigned_abs() > self.skew {
            return Err(ReplayRefusal::Skew(ahead >> 32));
        }
        if key.0 < self.floor {
            return Err(ReplayRefusal::Forgotten);
        }
        Ok(None)
    }

    /// Remembers an authenticated message and its answer.
    pub(super) fn insert(&mut self, t: u64, digest: [u8; 32], answer: Stored) {
        self.seen.insert((difference(t, self.start), digest), answer);
        while self.seen.len() > self.capacity {
            let Some(((oldest, _), _)) = self.seen.pop_first() else { break };
            self.floor = self.floor.max(oldest.saturating_add(1));
        }
    }

    /// The answer to a message with a counter, if it is the last one of the peer that it says to be from.
    pub(super) fn counted(&self, peer: &Name, digest: &[u8; 32]) -> Option<Stored> {
        let (_, last, answer) = self.counters.get(peer)?;
        (last == digest).then(|| answer.clone())
    }

    /// Whether a counter of `peer` is above its last one.
    pub(super) fn check_counter(&self, peer: &Name, count: u32) -> Result<(), ReplayRefusal> {
        match self.counters.get(peer) {
            Some((last, ..)) if count <= *last => Err(ReplayRefusal::Counter),
            None if self.counters.len() >= self.capacity => Err(ReplayRefusal::Full),
            _ => Ok(()),
        }
    }

    /// Takes an authenticated counter.
    pub(super) fn count(&mut self, peer: &Name, count: u32, digest: [u8; 32], answer: Stored) {
        self.counters.insert(peer.clone(), (count, digest, answer));
    }

    /// What is older than any clock's error would be refused without us.
    fn expire(&mut self, now: i64) {
        let oldest = now.saturating_sub_unsigned(self.skew);
        while self.seen.first_key_value().is_some_and(|((t, _), _)| *t < oldest) {
            self.seen.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    fn cache(capacity: usize) -> ReplayCache {
        ReplayCache::new(1000 * SECOND, Duration::from_secs(60), capacity)
    }

    #[test]
    fn clocks_may_differ_by_the_skew_and_no_more() {
        let mut cache = cache(10);
        let start = 1000 * SECOND;
        assert_eq!(cache.check(start, start, &[0; 32]), Ok(None));
        let now = start + 200 * SECOND;
        assert_eq!(cache.check(now, now - 60 * SECOND, &[0; 32]), Ok(None));
        assert_eq!(cache.check(now, now - 61 * SECOND, &[0; 32]), Err(ReplayRefusal::Skew(-61)));
        assert_eq!(cache.check(now, now + 60 * SECOND, &[0; 32]), Ok(None));
        assert_eq!(cache.check(now, now + 61 * SECOND, &[0; 32]), Err(ReplayRefusal::Skew(61)));
    }

    #[test]
    fn what_was_sent_before_the_start_may_be_a_replay() {
        let mut cache = cache(10);
        let now = 1000 * SECOND;
        assert_eq!(cache.check(now, now - SECOND, &[0; 32]), Err(ReplayRefusal::Forgotten));
        assert_eq!(cache.check(now, now, &[0; 32]), Ok(None));
    }

    #[test]
    fn a_repeat_gets_its_answer_and_counts_as_seen() {
        let mut cache = cache(10);
        let now = 1000 * SECOND;
        assert_eq!(cache.check(now, now, &[7; 32]), Ok(None));
        cache.insert(now, [7; 32], Some(vec![1, 2]));
        assert_eq!(cache.check(now, now, &[7; 32]), Ok(Some(&Some(vec![1, 2]))));
        assert_eq!(cache.check(now, now, &[8; 32]), Ok(None), "another message of the same time");
    }

    #[test]
    fn a_full_cache_forgets_the_oldest_and_refuses_what_is_as_old() {
        let mut cache = cache(3);
        let start = 1000 * SECOND;
        for n in 0..5 {
            cache.insert(start + n, [1; 32], None);
        }
        for n in 0..2 {
            assert_eq!(cache.check(start, start + n, &[1; 32]), Err(ReplayRefusal::Forgotten), "message {n}");
        }
        assert_eq!(cache.check(start, start + 2, &[1; 32]), Ok(Some(&None)));
        assert_eq!(cache.check(start, start + 2, &[2; 32]), Ok(None));
    }

    #[test]
    fn entries_leave_when_their_time_would_be_refused_anyway() {
        let mut cache = cache(10);
        let start = 1000 * SECOND;
        cache.insert(start, [1; 32], None);
        let later = start + 61 * SECOND;
        assert_eq!(cache.check(later, start, &[1; 32]), Err(ReplayRefusal::Skew(-61)));
        assert!(cache.seen.is_empty());
    }

    #[test]
    fn counters_only_grow() {
        let mut cache = cache(1);
        let [a, b] = ["a@x", "b@x"].map(|name| Name::parse(name).unwrap());
        assert_eq!(cache.check_counter(&a, 0), Ok(()));
        cache.count(&a, 0, [9; 32], Some(vec![3]));
        assert_eq!(cache.counted(&a, &[9; 32]), Some(Some(vec![3])));
        assert_eq!(cache.counted(&a, &[8; 32]), None);
        assert_eq!(cache.counted(&b, &[9; 32]), None);
        assert_eq!(cache.check_counter(&a, 0), Err(ReplayRefusal::Counter));
        assert_eq!(cache.check_counter(&a, 1), Ok(()));
        assert_eq!(cache.check_counter(&b, 1), Err(ReplayRefusal::Full));
    }
}
