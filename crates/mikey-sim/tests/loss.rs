//! Datagrams that are lost, doubled, late or damaged: retransmission brings every handshake to its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;

use common::craft::kind;
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, Endpoint, Output, Time};
use mikey_sim::{Datagram, KeyKind, Link, address};
use mikey_wire::DataType;

#[test]
fn any_single_loss_is_recovered() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for lost in 0..6 {
            let mut pair = parties.pair(mode, Link::perfect(1).losing(lost), lost);
            pair.call(BOB);
            let (alice, bob) = pair.established();
            same_keys(&alice, &bob);
            let sent = pair.world.sent.len();
            assert!(lost > 3 || sent > 4, "{mode:?}: datagram {lost} was lost and {sent} were sent");
        }
    }
}

#[test]
fn any_two_losses_are_recovered() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for first in 0..8 {
            for second in first + 1..8 {
                let link = Link::perfect(1).losing(first).losing(second);
                let mut pair = parties.pair(mode, link, 8 * first + second);
                let (alice, bob) = pair.call(BOB).established();
                same_keys(&alice, &bob);
            }
        }
    }
}

/// The responder cannot know whether its CCE_RESP arrived: it asks once when its time is over, and then all is still.
#[test]
fn after_the_last_answer_the_responder_asks_once_and_nothing_else_is_sent() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
    pair.start(BOB).run(Time::from_secs(10)).established();
    assert_eq!(pair.world.sent.len(), 4);
    pair.run(Time::from_secs(60));
    let kinds: Vec<_> = pair.world.sent[4..].iter().map(|d| kind(&d.bytes)).collect();
    assert_eq!(kinds, [DataType::INFO_REQ, DataType::INFO_RESP]);
    pair.run(Time::from_secs(3000));
    assert_eq!(pair.world.sent.len(), 6);
    assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1));
}

/// Without that question a responder whose answers are all lost would stay established with nobody for ever.
#[test]
fn a_responder_whose_answers_are_all_lost_gives_up() {
    let parties = Parties::new(KeyKind::Ed25519);
    let pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
    let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
        if kind(&datagram.bytes) == DataType::CCE_RESP { Vec::new() } else { vec![datagram] }
    });
    pair.start(BOB).run(Time::from_secs(60));
    assert!(pair.failure().is_some() && pair.is_established(1));
    assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (0, 0));
}

#[test]
fn a_call_into_the_void_fails_in_time_and_leaves_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut link = Link::perfect(1);
    link.loss = 1.0;
    let mut pair = parties.pair(Mode::Psk, link, 1);
    pair.start(BOB).run(Time::from_millis(11_999));
    assert_eq!(pair.failure(), None);
    assert_eq!(pair.metrics(0).attempts, 1);
    pair.run(Time::from_secs(12));
    let why = pair.failure().expect("the call has failed").to_string();
    assert_eq!(why, "the peer did not answer in time");
    assert_eq!(pair.metrics(0).attempts, 0);
    assert!((8..=9).contains(&pair.world.sent.len()), "200 ms, doubling to 2 s, for 12 s");
}

/// A thousand clients lose their server at one moment, and call it at one moment. What they send again is spread.
#[test]
fn many_who_call_at_once_do_not_go_on_in_step() {
    let resent = |seed: u64| {
        let mut alice = Endpoint::new(with_psk(ALICE, BOB, [7; 32], seed)).unwrap();
        let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        alice.connect(Time::ZERO, address(1), &call).unwrap();
        let mut now = Time::ZERO;
        let mut sent = Vec::new();
        while now < Time::from_secs(8) {
            match alice.poll_output() {
                Output::Transmit { .. } => sent.push(now.as_nanos() / 1_000_000),
                Output::Timeout(at) => {
                    now = at.unwrap();
                    alice.handle_timeout(now);
                }
                _ => (),
            }
        }
        sent
    };
    let all: Vec<Vec<u64>> = (0..1000).map(resent).collect();
    assert_eq!(resent(7), all[7], "it depends on the seed alone");
    for n in 1..6 {
        let mut moments = std::collections::BTreeMap::<u64, usize>::new();
        for at in &all {
            *moments.entry(at[n] / 10).or_default() += 1;
        }
        // The first time, 50 ms are there to be spread over; each later one has more.
        let crowd = moments.values().max().unwrap();
        assert!(*crowd < if n == 1 { 300 } else { 150 }, "{crowd} of 1000 within 10 ms: {moments:?}");
    }
}

/// 30 % loss, 10 % duplication, reordering, and 2 % of what arrives is damaged.
#[test]
fn a_thousand_handshakes_of_a_thousand_complete_on_a_bad_link() {
    let parties = Parties::new(KeyKind::Ed25519);
    let run = |seed: u64| {
        let mode = Mode::EVERY[usize::try_from(seed % 4).unwrap()];
        let mut link = Link::bad(seed);
        link.corruption = 0.02;
        let (mut alice, mut bob) = (parties.alice(mode, 2 * seed), parties.bob(mode, 2 * seed + 1));
        for config in [&mut alice, &mut bob] {
            config.request_lifetime = Duration::from_secs(60);
        }
        let mut pair = Pair::new(link, alice, bob);
        pair.start(BOB).run(Time::from_secs(130)).agreed();
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1));
        assert_eq!((pair.metrics(0).attempts, pair.metrics(1).half_open), (0, 0));
    };
    let workers = 2;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let run = &run;
            scope.spawn(move || {
                for seed in (worker..1000).step_by(usize::try_from(workers).unwrap()) {
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
                    outcome.unwrap_or_else(|_| panic!("the handshake of seed {seed} failed"));
                }
            });
        }
    });
}
