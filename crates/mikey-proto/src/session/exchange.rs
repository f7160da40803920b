//! Requests and responses: numbers, retransmission, repeats (docs/spec.md, "Exchanges").
//!
//! States never see a duplicate or a number. A repeat of a request is answered with the stored octets of its response, and
//! only if its own octets are those of the request. Only authenticated messages move a counter.

use core::time::Duration;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use mikey_crypto::Digest;

use crate::limits::{MAX_T, RETRANSMIT_FIRST, RETRANSMIT_JITTER, RETRANSMIT_MAX};
use crate::time::Time;

/// What a received number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A request that was not seen before, or a fragment of one.
    New,
    /// The last request again, octet for octet: the stored response is sent again.
    Repeat,
    /// An old number, or the last one with other octets.
    Stale,
}

/// The requests of the peer.
#[derive(Default)]
pub(crate) struct Inbound {
    last: Option<Box<Answered>>,
}

struct Answered {
    t: u32,
    /// The datagrams of the request, by their hash.
    request: Vec<Digest>,
    response: Vec<Vec<u8>>,
}

impl Inbound {
    /// Requests up to and with this number have been seen elsewhere.
    pub(crate) fn after(t: u32) -> Self {
        Self { last: Some(Box::new(Answered { t, request: Vec::new(), response: Vec::new() })) }
    }

    /// Classifies a request datagram by its number and its octets' hash.
    // R10.4
    pub(crate) fn classify(&self, t: u32, hash: impl FnOnce() -> Digest) -> Seen {
        match &self.last {
            _ if t > MAX_T => Seen::Stale,
            Some(last) if t < last.t => Seen::Stale,
            // Of a fragmented request the first fragment alone draws the response, so that a repeat draws it once.
            Some(last) if t == last.t && last.request.first() == Some(&hash()) => Seen::Repeat,
            Some(last) if t == last.t => Seen::Stale,
            _ => Seen::New,
        }
    }

    /// Keeps the response to an authenticated request.
    // R7.6
    pub(crate) fn answered(&mut self, t: u32, request: Vec<Digest>, response: Vec<Vec<u8>>) {
        self.last = Some(Box::new(Answered { t, request, response }));
    }

    /// Keeps the response to the last request, which had none until now.
    pub(crate) fn set_response(&mut self, response: Vec<Vec<u8>>) {
        if let Some(last) = &mut self.last {
            last.response = response;
        }
    }

    /// The stored response to the last request.
    pub(crate) fn response(&self) -> &[Vec<u8>] {
        self.last.as_ref().map_or(&[], |last| &last.response)
    }

    /// Forgets the stored octets, not the number.
    pub(crate) fn forget_response(&mut self) {
        if let Some(last) = &mut self.last {
            last.response = Vec::new();
        }
    }
}

/// A request of ours that waits for its response: what is sent again is the same octets.
// R7.4
pub(crate) struct Outstanding {
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// What spreads the waits: thousands who began at one moment do not go on in step.
    dice: u64,
    interval: Duration,
    next: Time,
    deadline: Time,
    alive: bool,
}

/// What is due for an outstanding request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Nothing,
    /// Send it again.
    Resend,
    /// Give it up.
    GiveUp,
}

impl Outstanding {
    /// A request that is sent at `now` for the first time.
    pub(crate) fn new(now: Time, lifetime: Duration, datagrams: Vec<Vec<u8>>) -> Self {
        let dice = dice(&datagrams);
        let next = now + wait(RETRANSMIT_FIRST, dice);
        Self { datagrams, dice, interval: RETRANSMIT_FIRST, next, deadline: now + lifetime, alive: true }
    }

    /// When something is due; `None` once it has been given up.
    pub(crate) fn wake(&self) -> Option<Time> {
        self.alive.then_some(self.next.min(self.deadline))
    }

    /// Whether a response is still waited for.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive
    }

    pub(crate) fn due(&mut self, now: Time) -> Due {
        if !self.alive {
            return Due::Nothing;
        }
        if now >= self.deadline {
            self.alive = false;
            return Due::GiveUp;
        }
        if now < self.next {
            return Due::Nothing;
        }
        self.interval = (self.interval * 2).min(RETRANSMIT_MAX);
        self.next = now + wait(self.interval, self.dice);
        Due::Resend
    }

    /// Other octets under the same timers: the request with a cookie.
    pub(crate) fn replace(&mut self, datagrams: Vec<Vec<u8>>) {
        self.datagrams = datagrams;
    }
}

/// A number of its own for each request: every one ends in a fresh public value or in a MAC.
fn dice(datagrams: &[Vec<u8>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    datagrams.last().and_then(|last| last.last_chunk::<40>()).hash(&mut hasher);
    hasher.finish()
}

/// An interval, made longer by a share of it that depends on the request and on the interval.
fn wait(interval: Duration, dice: u64) -> Duration {
    let mut hasher = DefaultHasher::new();
    (dice, interval).hash(&mut hasher);
    // 20 bits are finer than any timer.
    let share = u32::try_from(hasher.finish() >> 44).unwrap_or(0);
    interval + interval.mul_f64(RETRANSMIT_JITTER * f64::from(share) / f64::from(1_u32 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R7.6, R10.4
    #[test]
    fn only_the_same_octets_are_a_repeat() {
        let one = || Digest::new(b"one");
        let two = || Digest::new(b"two");
        let mut inbound = Inbound::default();
        assert_eq!(inbound.classify(0, one), Seen::New);
        inbound.answered(0, vec![one()], vec![vec![7]]);
        assert_eq!(inbound.classify(0, one), Seen::Repeat);
        assert_eq!(inbound.classify(0, two), Seen::Stale);
        assert_eq!(inbound.classify(5, two), Seen::New, "an abandoned request leaves a gap");
        inbound.answered(5, vec![two()], vec![]);
        assert_eq!(inbound.classify(4, one), Seen::Stale);
        assert_eq!(inbound.classify(u32::MAX, one), Seen::Stale, "2^32 - 1 is never used");
    }

    /// When, in milliseconds, a request is sent again.
    fn times(request: &[u8]) -> Vec<u64> {
        let datagrams = vec![[request, &[0; 40]].concat(), [&[0; 40], request].concat()];
        let mut request = Outstanding::new(Time::ZERO, Duration::from_secs(12), datagrams);
        let mut sent = vec![];
        while let Some(now) = request.wake() {
            match request.due(now) {
                Due::Resend => sent.push(now.as_nanos() / 1_000_000),
                Due::GiveUp => assert_eq!(now, Time::from_secs(12)),
                Due::Nothing => panic!("woken for nothing"),
            }
        }
        assert!(!request.is_alive());
        sent
    }

    #[test]
    fn the_interval_doubles_to_two_seconds_and_ends() {
        for n in 0..100_u8 {
            let at = times(&[n]);
            let waits: Vec<u64> =
                at.iter().scan(0, |last, at| Some(at - std::mem::replace(last, *at))).collect();
            for (wait, least) in waits.iter().zip([200, 400, 800, 1600, 2000, 2000, 2000, 2000]) {
                assert!((least..=least * 5 / 4 + 1).contains(wait), "{waits:?}");
            }
            assert!((7..=8).contains(&at.len()), "{at:?}");
        }
    }

    // R7.4
    #[test]
    fn two_requests_do_not_go_in_step_and_one_goes_as_it_went() {
        assert_eq!(times(b"one"), times(b"one"));
        let first: std::collections::BTreeSet<u64> = (0..100_u8).map(|n| times(&[n])[0]).collect();
        assert!(first.len() > 30, "100 requests are sent again at {} moments", first.len());
    }
}
