//! What is drawn at random: when, how often, and what happens without randomness or with octets that may not be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::craft::{kind, session};
use common::hostile::with_sas;
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, RandomFailed, SecureRandom};
use mikey_proto::{Call, Endpoint, EndpointConfig, Error, Time};
use mikey_sim::{Datagram, Link, SeededRandom, address};
use mikey_wire::DataType;
use mikey_wire::v2::{InitReq, InitResp, peek};

const STUN_MAGIC: u32 = 0x2112_A442;

/// A source that does what a test asks it to, and remembers what it gave out.
struct Source {
    real: SeededRandom,
    /// Whether each length's first draw is one that may not be used: an SPI of zero, STUN's magic cookie.
    forbidden: bool,
    drawn: AtomicUsize,
    fails: AtomicBool,
    log: Mutex<Vec<Vec<u8>>>,
}

impl Source {
    fn new(seed: u64, forbidden: bool) -> Arc<Self> {
        let (real, log) = (SeededRandom::new(seed), Mutex::default());
        let (drawn, fails) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { real, forbidden, drawn, fails, log })
    }

    fn give(self: &Arc<Self>, mut config: EndpointConfig) -> EndpointConfig {
        config.provider.random = Arc::<Self>::clone(self);
        config
    }

    fn draws(&self) -> usize {
        self.log.lock().unwrap().len()
    }
}

impl SecureRandom for Source {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(RandomFailed);
        }
        self.real.fill(out)?;
        if self.forbidden {
            match out.len() {
                8 if self.drawn.fetch_or(1, Ordering::Relaxed) & 1 == 0 => out.fill(0),
                4 if self.drawn.fetch_or(2, Ordering::Relaxed) & 2 == 0 => {
                    out.copy_from_slice(&STUN_MAGIC.to_be_bytes());
                }
                _ => (),
            }
        }
        self.log.lock().unwrap().push(out.to_vec());
        Ok(())
    }
}

fn call() -> Call {
    Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80)
}

// R4.7
#[test]
fn numbers_that_may_not_be_are_drawn_again() {
    let sources = [Source::new(1, true), Source::new(2, true)];
    let alice = sources[0].give(with_psk(ALICE, BOB, [7; 32], 1));
    let bob = sources[1].give(with_psk(BOB, ALICE, [7; 32], 2));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.call(BOB).agreed();
    assert_eq!(sources[0].drawn.load(Ordering::Relaxed), 3, "both were given out to the initiator");
    assert_eq!(sources[1].drawn.load(Ordering::Relaxed) & 1, 1, "and an SPI of zero to the responder");
    for datagram in &pair.world.sent {
        let peek = peek(&datagram.bytes).unwrap();
        assert_ne!(peek.csb_id, STUN_MAGIC);
        assert_ne!(peek.session.spi_i, 0);
        assert!(peek.session.spi_r != 0 || kind(&datagram.bytes) == DataType::INIT_REQ);
    }
}

/// Nothing is sent with less: the caller is told, and a responder is silent until there is randomness again.
// R8.5
#[test]
fn without_randomness_nothing_begins() {
    let sources = [Source::new(1, false), Source::new(2, false)];
    let alice = sources[0].give(with_psk(ALICE, BOB, [7; 32], 1));
    let bob = sources[1].give(with_psk(BOB, ALICE, [7; 32], 2));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    sources[0].fails.store(true, Ordering::Relaxed);
    let refused = pair.world.act(0, |now, alice: &mut Endpoint| alice.connect(now, address(1), &call()));
    assert_eq!(refused.err(), Some(Error::Random));
    assert!(pair.world.sent.is_empty());
    sources[0].fails.store(false, Ordering::Relaxed);
    sources[1].fails.store(true, Ordering::Relaxed);
    pair.start(BOB).run(Time::from_millis(500));
    assert!(pair.world.sent.iter().all(|d| kind(&d.bytes) == DataType::INIT_REQ), "the responder answered");
    assert_eq!(pair.world.node(1).metrics().half_open, 0);
    sources[1].fails.store(false, Ordering::Relaxed);
    pair.run(Time::from_secs(60)).agreed();
}

/// Nobody can have learnt RANDr before INIT_REQ came: it was not there.
// R8.5, R8.6
#[test]
fn the_responders_nonce_is_drawn_for_the_request_that_it_answers() {
    let sources = [Source::new(1, false), Source::new(2, false)];
    let alice = sources[0].give(with_psk(ALICE, BOB, [7; 32], 1));
    let bob = sources[1].give(with_psk(BOB, ALICE, [7; 32], 2));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let mut nonces = Vec::new();
    for _ in 0..3 {
        pair.world.sent.clear();
        let before = sources[1].draws();
        pair.start(BOB);
        assert_eq!(sources[1].draws(), before, "nothing is drawn ahead");
        let later = pair.world.now() + core::time::Duration::from_secs(30);
        pair.run(later);
        let answer = pair.world.sent.iter().find(|d| kind(&d.bytes) == DataType::INIT_RESP).unwrap();
        let nonce = InitResp::decode(&answer.bytes).unwrap().rand.to_vec();
        let drawn = sources[1].log.lock().unwrap()[before..].contains(&nonce);
        assert!(drawn, "RANDr is a draw of the responder's source, made after INIT_REQ");
        let request = pair.world.sent.iter().find(|d| kind(&d.bytes) == DataType::INIT_REQ).unwrap();
        let own = InitReq::decode(&request.bytes).unwrap().rand.to_vec();
        assert!(sources[0].log.lock().unwrap().contains(&own), "RANDi is a draw of the initiator's");
        nonces.extend([nonce, own]);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 6, "each is new");
}

/// With a SAS, and with a KEM, and otherwise too: one value is never in two answers.
// R8.7
#[test]
fn each_answer_has_a_dh_value_of_its_own() {
    for (group, sas) in [(31, true), (31, false), (19, false), (236, true)] {
        let config = |own, peer, seed| {
            let mut config = if sas { with_sas(own, seed) } else { with_psk(own, peer, [7; 32], seed) };
            config.policy.groups = vec![GroupId(group)];
            config
        };
        let mut bob = Endpoint::new(config(BOB, ALICE, 2)).unwrap();
        let mut values = Vec::new();
        let mut spis = Vec::new();
        for seed in 0..4 {
            let mut alice = Pair::new(Link::perfect(1), config(ALICE, BOB, 10 + seed), config(BOB, ALICE, 3));
            alice.start(BOB);
            let m1 = alice.world.sent[0].bytes.clone();
            bob.handle_datagram(Time::from_millis(seed), address(0), &m1);
            while let mikey_proto::Output::Transmit { bytes, .. } = bob.poll_output() {
                values.push(InitResp::decode(&bytes).unwrap().dh.value.to_vec());
                spis.push(session(&bytes).spi_r);
            }
        }
        assert_eq!(values.len(), 4, "group {group}");
        for list in [values, spis.iter().map(|spi| spi.to_be_bytes().to_vec()).collect()] {
            let mut once = list.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), list.len(), "group {group}");
        }
    }
}

/// A datagram that costs no draw leaves the next call as it was.
#[test]
fn what_is_dropped_costs_no_randomness() {
    let source = Source::new(2, false);
    let bob = source.give(with_psk(BOB, ALICE, [7; 32], 2));
    let mut pair = Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), bob);
    pair.call(BOB).agreed();
    let before = source.draws();
    let sent = pair.world.sent.clone();
    for Datagram { from, to, bytes } in sent {
        for len in 0..bytes.len().min(60) {
            pair.world.inject(Datagram { from, to, bytes: bytes[..len].to_vec() });
        }
    }
    assert_eq!(source.draws(), before);
}
