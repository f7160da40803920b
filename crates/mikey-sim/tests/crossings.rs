//! REKEYs that cross, come late or cannot be made: one transcript, and no timer in the past.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;

use common::craft::kind;
use common::hostile::*;
use common::*;
use mikey_proto::{Endpoint, Event, Time};
use mikey_sim::{Datagram, Link, address};
use mikey_wire::DataType;

/// The REKEY_REQ that lost a crossing is replayed once the winner is done.
#[test]
fn a_rekey_that_lost_a_crossing_is_not_answered_later() {
    for seed in 0..4 {
        let (mut pair, alice, bob) = session_pair(false);
        for _ in 0..seed {
            pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
            let later = pair.world.now() + Duration::from_secs(1);
            pair.run(later);
        }
        pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false)).unwrap();
        pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob, false)).unwrap();
        let later = pair.world.now() + Duration::from_secs(10);
        pair.run(later);
        assert_eq!((last_generation(&pair.events[0]), last_generation(&pair.events[1])), (1, 1));
        // Somebody on the path sends both requests again.
        let requests: Vec<_> =
            pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::REKEY_REQ).cloned().collect();
        for request in requests {
            pair.world.inject(request);
        }
        let later = pair.world.now() + Duration::from_secs(10);
        pair.run(later);
        let generations = (last_generation(&pair.events[0]), last_generation(&pair.events[1]));
        assert_eq!(generations, (1, 1), "a replay made one side renew its keys alone");
    }
}

/// The answerer rekeys two seconds after an answer that was lost.
#[test]
fn a_rekey_after_a_lost_answer_stands_on_the_same_transcript() {
    for seed in 0..8_u64 {
        let (mut pair, alice, bob) = session_pair(true);
        for _ in 0..seed {
            pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
            let later = pair.world.now() + Duration::from_secs(1);
            pair.run(later);
        }
        let start = pair.world.now();
        pair = pair.with_adversary(move |now: Time, d: Datagram| {
            // Bob's answers to Alice's REKEY are lost for two and a half seconds.
            let lost = kind(&d.bytes) == DataType::REKEY_RESP
                && d.from == address(1)
                && now < start + Duration::from_millis(2500);
            if lost { vec![] } else { vec![d] }
        });
        pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false)).unwrap();
        pair.run(start + Duration::from_millis(2100));
        let again = pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob, false));
        pair.run(start + Duration::from_secs(30));
        if again.is_err() {
            continue;
        }
        let last = last_generation(&pair.events[0]);
        let (a, b) = (
            generation(&pair.events[0], last),
            generation(&pair.events[1], last_generation(&pair.events[1])),
        );
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(
                a.master_key.expose(),
                b.master_key.expose(),
                "seed {seed}: both renewed, and differ for good"
            );
        }
    }
}

/// A REKEY by time that cannot be made yet leaves a timer in the past: the driver does nothing else any more.
#[test]
fn no_timer_stays_in_the_past() {
    let (mut alice, bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    alice.rekey_after = Some(Duration::from_millis(1500));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(1));
    let bobs = pair.events[1].iter().find_map(|e| match e {
        Event::Established { session, .. } => Some(*session),
        _ => None,
    });
    pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bobs.unwrap(), false)).unwrap();
    // `World` panics at a node that wants to be woken at a time that has passed.
    pair.run(Time::from_secs(10));
}

/// As F16, with a plausible interval.
#[test]
fn no_timer_stays_in_the_past_after_a_rekey_of_the_peer() {
    let (mut alice, bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    alice.rekey_after = Some(Duration::from_secs(10));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(1));
    let bobs = pair.events[1].iter().find_map(|e| match e {
        Event::Established { session, .. } => Some(*session),
        _ => None,
    });
    pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bobs.unwrap(), false)).unwrap();
    pair.run(Time::from_secs(40));
}
