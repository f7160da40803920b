//! Octets that nobody meant: at random, and real messages with something changed, into both ends in every state of a call.
//!
//! Nothing panics, nothing is answered by more than three times what came, and the call that is under way completes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;

use common::craft::kind;
use common::*;
use fastrand::Rng;
use mikey_proto::{Endpoint, Event, Time};
use mikey_sim::{Datagram, KeyKind, Link, World, address};
use mikey_wire::DataType;

/// Inputs for each state, mode and end.
const INPUTS: usize = 3000;

/// A call has five states: after each of its messages is sent, and when all have arrived.
const STATES: usize = 5;

fn stranger(rng: &mut Rng) -> SocketAddr {
    SocketAddr::from(([198, 51, rng.u8(..), rng.u8(..)], rng.u16(1..)))
}

fn random_octets(rng: &mut Rng) -> Vec<u8> {
    let len = if rng.u8(..8) == 0 { rng.usize(..3000) } else { rng.usize(..120) };
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
    // Mostly with a head that comes past the first look: version, a known type, GENERIC-ID without blocks, SESSION.
    let head = [2, rng.u8(38..55), 21, rng.u8(..), 1, 2, 3, 4, 0, 2, rng.u8(..44), 64, 0, 16];
    if rng.bool() {
        for (to, from) in bytes.iter_mut().zip(head) {
            *to = from;
        }
    }
    bytes
}

fn mutated(rng: &mut Rng, real: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = rng.choice(real).unwrap().clone();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..bytes.len().max(1));
        if bytes.is_empty() {
            break;
        }
        match rng.u8(..8) {
            0 => bytes[at] = rng.u8(..),
            1 => bytes[at] ^= 1 << rng.u8(..8),
            2 => bytes[at] = *rng.choice(&[0, 1, 0x7F, 0x80, 0xFF]).unwrap(),
            3 => bytes.truncate(at),
            4 => bytes.insert(at, rng.u8(..)),
            5 => drop(bytes.remove(at)),
            6 => {
                // The tail of another message, or of the same one.
                let other = rng.choice(real).unwrap();
                let from = rng.usize(..other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = rng.usize(at..bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Hands `count` inputs to node `to`; answers are looked at and taken off the wire.
fn pelt(world: &mut World<Endpoint>, to: usize, count: usize, rng: &mut Rng, real: &[Vec<u8>]) {
    let peer = address(u8::try_from(1 - to).unwrap());
    let to = address(u8::try_from(to).unwrap());
    for _ in 0..count {
        let bytes = if rng.u8(..4) == 0 { random_octets(rng) } else { mutated(rng, real) };
        // A request in the peer's name would use up the peer's share of half-open sessions: `limits.rs`.
        let request = bytes.get(1) == Some(&DataType::INIT_REQ.0);
        let from = if !request && rng.bool() { peer } else { stranger(rng) };
        let (before, len) = (world.sent.len(), bytes.len());
        world.inject(Datagram { from, to, bytes });
        let answers = world.sent.split_off(before);
        // The CCE_REQ of an initiator goes to whoever seems to have answered, once: `limits.rs`.
        let counted = |d: &&Datagram| {
            d.to != peer && ![DataType::CCE_REQ, DataType::CCE2_REQ].contains(&kind(&d.bytes))
        };
        let octets: usize = answers.iter().filter(counted).map(|d| d.bytes.len()).sum();
        assert!(octets <= 3 * len, "{octets} octets were sent for {len}");
    }
}

fn run(parties: &Parties, mode: Mode, state: usize, seed: u64) {
    let mut recorded = parties.pair(mode, Link::perfect(1), 1000);
    recorded.start(BOB).run(Time::from_secs(1)).established();
    let earlier: Vec<_> = recorded.world.sent.iter().map(|d| d.bytes.clone()).collect();

    let mut pair = parties.pair(mode, Link::perfect(1), seed);
    pair.start(BOB);
    let mut real = earlier;
    for _ in 0..state {
        let already = pair.world.sent.len();
        pair.world.run_while(Time::from_secs(1), |world| world.sent.len() <= already);
    }
    real.extend(pair.world.sent.iter().map(|d| d.bytes.clone()));
    let mut rng = Rng::with_seed(seed);
    for node in 0..2 {
        pelt(&mut pair.world, node, INPUTS, &mut rng, &real);
    }
    pair.run(Time::from_secs(30)).agreed();
    assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1));
    for n in 0..2 {
        assert!(pair.metrics(n).all_drops() > u64::try_from(INPUTS / 2).unwrap(), "what was it doing?");
        let strange = |e: &Event| !matches!(e, Event::Established { .. } | Event::SrtpKeysReady { .. });
        assert!(!pair.events[n].iter().any(strange), "something was reported to the application of node {n}");
    }
}

#[test]
fn random_and_mutated_messages_in_every_state() {
    let parties = Parties::new(KeyKind::Ed25519);
    let cases: Vec<_> = Mode::EVERY.iter().flat_map(|mode| (0..STATES).map(|state| (*mode, state))).collect();
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (parties, cases) = (&parties, &cases);
            scope.spawn(move || {
                for (seed, (mode, state)) in (0..).zip(cases).skip(worker).step_by(2) {
                    let run = std::panic::AssertUnwindSafe(|| run(parties, *mode, *state, seed));
                    std::panic::catch_unwind(run)
                        .unwrap_or_else(|_| panic!("{mode:?}, state {state}, seed {seed}"));
                }
            });
        }
    });
}

/// The same against endpoints that are at rest, or that demand cookies.
#[test]
fn random_and_mutated_messages_at_rest() {
    let parties = Parties::new(KeyKind::Ed25519);
    for threshold in [0, 1024] {
        for mode in Mode::EVERY {
            let mut recorded = parties.pair(mode, Link::perfect(1), 1000);
            recorded.start(BOB).run(Time::from_secs(1)).established();
            let real: Vec<_> = recorded.world.sent.iter().map(|d| d.bytes.clone()).collect();
            let mut bob = parties.bob(mode, 3);
            bob.cookie_threshold = threshold;
            let mut pair = Pair::new(Link::perfect(1), parties.alice(mode, 2), bob);
            let mut rng = Rng::with_seed(9);
            pelt(&mut pair.world, 0, INPUTS, &mut rng, &real);
            pelt(&mut pair.world, 1, INPUTS, &mut rng, &real);
            assert!(pair.metrics(1).half_open <= pair.world.node(1).config().max_half_open);
            pair.start(BOB).run(Time::from_secs(30)).agreed();
        }
    }
}
