//! Every order of events, up to a bound: bounded model checking of the real endpoints.
//!
//! In each of the first steps any datagram under way is delivered, lost, or delivered with a copy left behind, or time jumps
//! to the next timer; every sequence of such choices is run from the start. Then the network is fair, and what both ends
//! have must be the same. What a search by chance (`adversary.rs`) misses by chance is not missed here; what lies beyond the
//! bound is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;

use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, Endpoint, EndpointConfig, Event, Output, Role, SessionId, Time};
use mikey_sim::{Datagram, address};

/// Datagrams under way of which any may come next. The others wait their turn.
const REORDERED: usize = 3;

struct Net {
    ends: Vec<Endpoint>,
    wakes: Vec<Option<Time>>,
    events: Vec<Vec<Event>>,
    /// Which nodes a datagram to an address reaches: a fork has several.
    reach: Vec<Vec<usize>>,
    under_way: Vec<(usize, Datagram)>,
    now: Time,
}

impl Net {
    fn new(configs: impl IntoIterator<Item = EndpointConfig>) -> Self {
        let ends: Vec<_> = configs.into_iter().map(|config| Endpoint::new(config).unwrap()).collect();
        let n = ends.len();
        let events = (0..n).map(|_| Vec::new()).collect();
        let reach = (0..n).map(|n| vec![n]).collect();
        Self { ends, wakes: vec![None; n], events, reach, under_way: Vec::new(), now: Time::ZERO }
    }

    fn act<T>(&mut self, n: usize, action: impl FnOnce(Time, &mut Endpoint) -> T) -> T {
        let result = action(self.now, &mut self.ends[n]);
        self.drain(n);
        result
    }

    fn drain(&mut self, n: usize) {
        loop {
            match self.ends[n].poll_output() {
                Output::Transmit { to, bytes } => {
                    let from = address(u8::try_from(n).unwrap());
                    let at = (0..self.ends.len()).find(|m| address(u8::try_from(*m).unwrap()) == to);
                    for m in at.map(|at| self.reach[at].clone()).unwrap_or_default() {
                        self.under_way.push((m, Datagram { from, to, bytes: bytes.clone() }));
                    }
                }
                Output::Event(event) => self.events[n].push(event),
                Output::Timeout(at) => {
                    self.wakes[n] = at;
                    return;
                }
                _ => (),
            }
        }
    }

    fn deliver(&mut self, to: usize, datagram: &Datagram) {
        self.ends[to].handle_datagram(self.now, datagram.from, &datagram.bytes);
        self.drain(to);
    }

    fn next_wake(&self) -> Option<Time> {
        self.wakes.iter().flatten().min().map(|at| (*at).max(self.now))
    }

    fn let_time_pass(&mut self, at: Time) {
        self.now = at;
        for n in 0..self.ends.len() {
            if self.wakes[n].is_some_and(|wake| wake <= at) {
                self.ends[n].handle_timeout(at);
                self.drain(n);
            }
        }
    }

    /// How many things may happen next.
    fn choices(&self) -> usize {
        3 * self.under_way.len().min(REORDERED) + usize::from(self.next_wake().is_some())
    }

    fn step(&mut self, choice: usize) {
        let (at, what) = (choice / 3, choice % 3);
        if at >= self.under_way.len().min(REORDERED) {
            let at = self.next_wake().unwrap();
            return self.let_time_pass(at);
        }
        let (to, datagram) = self.under_way.remove(at);
        match what {
            0 => self.deliver(to, &datagram),
            1 => (),
            _ => {
                self.deliver(to, &datagram);
                self.under_way.push((to, datagram));
            }
        }
    }

    /// From here on everything arrives, in order and at once.
    fn be_fair(&mut self, seconds: u64) {
        let end = self.now + core::time::Duration::from_secs(seconds);
        loop {
            while !self.under_way.is_empty() {
                let (to, datagram) = self.under_way.remove(0);
                self.deliver(to, &datagram);
            }
            match self.next_wake().filter(|at| *at <= end) {
                Some(at) => self.let_time_pass(at),
                None => break,
            }
        }
        self.now = end;
    }

    fn sessions(&self, n: usize) -> Vec<(SessionId, Role)> {
        let established = |event: &Event| match event {
            Event::Established { session, role, .. } => Some((*session, *role)),
            _ => None,
        };
        self.events[n].iter().filter_map(established).collect()
    }

    /// The keys of a session at an end: by generation and crypto session.
    fn keys(&self, n: usize, session: SessionId) -> BTreeMap<(u32, u8), Vec<u8>> {
        let mut keys = BTreeMap::new();
        for event in &self.events[n] {
            let Event::SrtpKeysReady { session: of, keys: ready, .. } = event else { continue };
            for stream in ready.streams.iter().filter(|_| *of == session) {
                let key = (ready.generation, stream.cs_id);
                let twice = keys.insert(key, stream.master_key.expose().to_vec());
                assert!(twice.is_none(), "the keys of {key:?} came twice");
            }
        }
        keys
    }
}

/// Runs every sequence of `depth` choices after `begin`, and tells how many there were.
fn every_order(depth: usize, begin: impl Fn() -> Net, check: impl Fn(&mut Net)) -> usize {
    let mut path: Vec<usize> = Vec::new();
    let mut count = 0;
    loop {
        let mut net = begin();
        let mut widths = Vec::new();
        for at in 0..depth {
            let width = net.choices();
            if width == 0 {
                break;
            }
            widths.push(width);
            if path.len() == at {
                path.push(0);
            }
            net.step(path[at]);
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut net)));
        assert!(result.is_ok(), "after the choices {path:?}");
        count += 1;
        loop {
            let Some(last) = path.pop() else { return count };
            if last + 1 < widths[path.len()] {
                path.push(last + 1);
                break;
            }
        }
    }
}

/// How many steps are free: this many, or $MIKEY_ORDERS more.
fn depth(steps: usize) -> usize {
    steps + std::env::var("MIKEY_ORDERS").map_or(0, |more| more.parse::<usize>().expect("a number"))
}

fn call() -> Call {
    Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80)
}

fn two() -> Net {
    Net::new([with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)])
}

fn established() -> (Net, SessionId, SessionId) {
    let mut net = two();
    net.act(0, |now, alice| alice.connect(now, address(1), &call())).unwrap();
    net.be_fair(60);
    let (alice, bob) = (net.sessions(0)[0].0, net.sessions(1)[0].0);
    (net, alice, bob)
}

// R10.1, R10.4
#[test]
fn a_handshake_in_every_order() {
    let begin = || {
        let mut net = two();
        net.act(0, |now, alice| alice.connect(now, address(1), &call())).unwrap();
        net
    };
    let depth = depth(4);
    let count = every_order(depth, begin, |net| {
        net.be_fair(60);
        let [alice, bob] = [0, 1].map(|n| net.sessions(n));
        assert_eq!((alice.len(), bob.len()), (1, 1), "one call is one session");
        let keys = net.keys(0, alice[0].0);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys, net.keys(1, bob[0].0));
        for n in 0..2 {
            assert_eq!(net.ends[n].metrics().sessions, 1);
            assert_eq!(net.ends[n].metrics().half_open, 0);
        }
    });
    println!("a handshake: {count} orders of {depth} events");
    assert!(count > 200);
}

/// INIT_REQ reaches two phones of the callee, and both answer.
// R10.2, R10.3
#[test]
fn a_forked_call_in_every_order() {
    let begin = || {
        let bobs = [2, 3].map(|seed| with_psk(BOB, ALICE, [7; 32], seed));
        let mut net = Net::new(std::iter::once(with_psk(ALICE, BOB, [7; 32], 1)).chain(bobs));
        net.reach[1] = vec![1, 2];
        net.act(0, |now, alice| alice.connect(now, address(1), &call())).unwrap();
        // A message of a session goes to the phone that it is for.
        net.reach[1] = vec![1];
        net
    };
    let depth = depth(3);
    let count = every_order(depth, begin, |net| {
        net.be_fair(60);
        let alice = net.sessions(0);
        assert_eq!(alice.len(), 1, "the first phone that authenticates itself has the call");
        let keys = net.keys(0, alice[0].0);
        let partners = [1, 2].map(|n| {
            let sessions = net.sessions(n);
            assert!(sessions.len() <= 1);
            sessions.first().is_some_and(|(session, _)| net.keys(n, *session) == keys)
        });
        assert!(partners[0] != partners[1], "one phone has the same keys: {partners:?}");
    });
    println!("a forked call: {count} orders of {depth} events");
    assert!(count > 200);
}

/// Both ends renew the keys at once, with Diffie-Hellman or without.
// R11.3, R10.6
#[test]
fn a_crossing_of_renewals_in_every_order() {
    for with_dh in [[false, false], [true, false]] {
        let begin = || {
            let (mut net, alice, bob) = established();
            net.act(0, |now, end| end.rekey(now, alice, with_dh[0])).unwrap();
            net.act(1, |now, end| end.rekey(now, bob, with_dh[1])).unwrap();
            net
        };
        let depth = depth(3);
        let count = every_order(depth, begin, |net| {
            net.be_fair(60);
            let [alice, bob] = [0, 1].map(|n| net.sessions(n)[0].0);
            let newest = |net: &Net| net.keys(0, alice).keys().map(|(generation, _)| *generation).max();
            let before = newest(net).unwrap();
            assert!(before >= 1, "nothing was renewed");
            assert_eq!(net.keys(0, alice), net.keys(1, bob));
            // Both stand on the same transcript, or the next renewal would part them.
            net.act(0, |now, end| end.rekey(now, alice, false)).unwrap();
            net.be_fair(30);
            assert_eq!(newest(net), Some(before + 1));
            assert_eq!(net.keys(0, alice), net.keys(1, bob));
        });
        println!("a crossing of renewals, DH {with_dh:?}: {count} orders of {depth} events");
        assert!(count > 100);
    }
}

/// One end hangs up while the other renews the keys.
#[test]
fn a_renewal_that_meets_the_end_in_every_order() {
    let begin = || {
        let (mut net, alice, bob) = established();
        net.act(0, |now, end| end.close(now, alice)).unwrap();
        net.act(1, |now, end| end.rekey(now, bob, false)).unwrap();
        net
    };
    let depth = depth(3);
    let count = every_order(depth, begin, |net| {
        net.be_fair(120);
        for n in 0..2 {
            assert_eq!(net.ends[n].metrics().sessions, 0, "end {n}");
        }
    });
    println!("a renewal that meets the end: {count} orders of {depth} events");
    assert!(count > 100);
}
