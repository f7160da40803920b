//! REKEY and INFO: new keys on demand, by time, at once from both sides; addresses that change; the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;

use common::*;
use mikey_proto::{
    ApiMisuse, CloseReason, Endpoint, EndpointConfig, Error, Event, SessionId, StreamKeys, Time,
};
use mikey_sim::{Datagram, Link, address};
use mikey_wire::DataType;
use mikey_wire::v2::peek;

fn pair(link: Link, change: impl Fn(&mut EndpointConfig)) -> (Pair, SessionId, SessionId) {
    let (mut alice, mut bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    change(&mut alice);
    change(&mut bob);
    let mut pair = Pair::new(link, alice, bob);
    let (alice, bob) = pair.call(BOB).established();
    (pair, alice.session, bob.session)
}

/// All keys of a generation that an end was given, ours and the peer's, by crypto session.
fn generation(events: &[Event], n: u32) -> Vec<&StreamKeys> {
    let mut keys: Vec<&StreamKeys> = Vec::new();
    for event in events {
        match event {
            Event::SrtpKeysReady { keys: ready, .. } if ready.generation == n => keys.extend(&ready.streams),
            _ => (),
        }
    }
    keys.sort_by_key(|k| k.cs_id);
    keys
}

fn same_generation(pair: &Pair, n: u32) {
    let (alice, bob) = (generation(&pair.events[0], n), generation(&pair.events[1], n));
    assert_eq!((alice.len(), bob.len()), (2, 2), "generation {n}");
    for (a, b) in alice.iter().zip(&bob) {
        assert_eq!((a.cs_id, &a.mki), (b.cs_id, &b.mki));
        assert_eq!(a.master_key.expose(), b.master_key.expose());
        assert_eq!(a.master_salt.expose(), b.master_salt.expose());
    }
    assert_ne!(alice[0].master_key.expose(), alice[1].master_key.expose());
}

// R4.14
#[test]
fn either_side_renews_the_keys_with_and_without_dh() {
    for (n, with_dh) in [(0, false), (0, true), (1, false), (1, true)] {
        let (mut pair, alice, bob) = pair(Link::perfect(1), |_| ());
        let mut mkis = Vec::new();
        for round in 1..=3 {
            let session = if n == 0 { alice } else { bob };
            pair.world.act(n, |now, e: &mut Endpoint| e.rekey(now, session, with_dh)).unwrap();
            pair.run(Time::from_secs(60 + 10 * u64::from(round)));
            same_generation(&pair, round);
            mkis.push(generation(&pair.events[0], round)[0].mki.clone());
        }
        mkis.dedup();
        assert_eq!(mkis.len(), 3, "an mki is never used again");
    }
}

#[test]
fn the_exporter_stays_as_it_was() {
    let (mut pair, alice, bob) = pair(Link::perfect(1), |_| ());
    let export =
        |pair: &Pair, n: usize, s| pair.world.node(n).export(s, b"l", b"c", 32).unwrap().expose().to_vec();
    let before = export(&pair, 0, alice);
    for with_dh in [true, false, true] {
        pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, with_dh)).unwrap();
        let later = pair.world.now() + Duration::from_secs(5);
        pair.run(later);
    }
    assert_eq!(export(&pair, 0, alice), before);
    assert_eq!(export(&pair, 1, bob), before);
}

// R11.4
#[test]
fn the_answerer_installs_what_it_receives_first() {
    let (mut pair, alice, _) = pair(Link::perfect(1), |_| ());
    pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false)).unwrap();
    pair.run(Time::from_secs(61));
    assert_eq!(generation(&pair.events[1], 1).len(), 1, "the keys of what alice sends");
    assert_eq!(generation(&pair.events[0], 1).len(), 2, "the requester has both");
    pair.run(Time::from_secs(63));
    assert_eq!(
        generation(&pair.events[1], 1).len(),
        2,
        "two seconds later the answerer sends under the new ones"
    );
}

// R11.3
#[test]
fn two_rekeys_at_once_end_with_one() {
    for seed in 0..50 {
        let (mut pair, alice, bob) = pair(Link::perfect(seed), |_| ());
        pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, seed % 2 == 0)).unwrap();
        pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob, seed % 3 == 0)).unwrap();
        pair.run(Time::from_secs(100));
        same_generation(&pair, 1);
        assert!(generation(&pair.events[0], 2).is_empty(), "seed {seed}");
        // And the transcripts of both are the same, or the next one would differ.
        pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob, false)).unwrap();
        pair.run(Time::from_secs(120));
        same_generation(&pair, 2);
    }
}

#[test]
fn keys_are_renewed_by_time_on_a_bad_link() {
    for seed in 0..20 {
        let (mut pair, _, _) = pair(Link::bad(seed), |config| {
            config.rekey_after = Some(Duration::from_secs(90));
            config.request_lifetime = Duration::from_secs(60);
        });
        pair.run(Time::from_secs(1800));
        let rekeys = pair.world.node(0).metrics().rekeys;
        assert!(rekeys >= 8, "seed {seed}: {rekeys} renewals in half an hour");
        for n in 1..u32::try_from(rekeys).unwrap() {
            same_generation(&pair, n);
        }
        let closed = |e: &Event| matches!(e, Event::Closed { .. });
        assert!(!pair.events.iter().flatten().any(closed), "seed {seed}");
    }
}

#[test]
fn a_rekey_that_is_tampered_with_changes_nothing() {
    let (mut pair, alice, _) = pair(Link::perfect(1), |_| ());
    let mut octets = 0;
    pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, true)).unwrap();
    let request = pair
        .world
        .sent
        .iter()
        .rev()
        .find(|d| peek(&d.bytes).is_ok_and(|p| p.data_type == DataType::REKEY_REQ));
    let request = request.unwrap().clone();
    for at in 0..request.bytes.len() {
        let mut bytes = request.bytes.clone();
        bytes[at] ^= 1;
        pair.world.inject(Datagram { bytes, ..request.clone() });
        octets += 1;
    }
    assert!(octets > 100);
    assert_eq!(pair.world.node(1).metrics().rekeys, 0);
    pair.run(Time::from_secs(70));
    same_generation(&pair, 1);
}

#[test]
fn a_silent_peer_ends_the_session() {
    let (mut pair, alice, bob) = pair(Link::perfect(1), |_| ());
    pair.world.act(1, |_, e: &mut Endpoint| e.abandon(bob)).unwrap();
    pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
    pair.run(Time::from_secs(90));
    let silent = |e: &Event| matches!(e, Event::Closed { why: CloseReason::PeerSilent, .. });
    assert!(pair.events[0].iter().any(silent));
}

#[test]
fn closing_is_told_and_leaves_nothing() {
    let (mut pair, alice, _) = pair(Link::perfect(1), |_| ());
    pair.world.act(0, |now, e: &mut Endpoint| e.close(now, alice)).unwrap();
    pair.run(Time::from_secs(61));
    let closed = |e: &Event| matches!(e, Event::Closed { why: CloseReason::Remote(0), .. });
    assert!(pair.events[1].iter().any(closed));
    for n in [0, 1] {
        assert_eq!(pair.world.node(n).metrics().sessions, 0);
    }
}

// R11.7
#[test]
fn a_new_address_must_prove_itself() {
    let (mut pair, alice, bob) = pair(Link::perfect(1), |_| ());
    // What alice sends from now on seems to come from node 9, and what goes there reaches her: a new NAT binding.
    let moved = |_: Time, mut d: Datagram| {
        if d.from == address(0) {
            d.from = address(9);
        }
        if d.to == address(9) {
            d.to = address(0);
        }
        vec![d]
    };
    pair = pair.with_adversary(moved);
    pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
    pair.run(Time::from_secs(61));
    let at = |e: &Event| matches!(e, Event::PeerMoved { remote, .. } if *remote == address(9));
    assert!(pair.events[1].iter().any(at));
    assert_eq!(pair.world.node(1).remote(bob), Some(address(9)));
}

// R11.7
#[test]
fn a_borrowed_address_does_not_move_the_peer() {
    let (mut pair, alice, bob) = pair(Link::perfect(1), |_| ());
    // A request comes from node 9, who cannot answer the check.
    let borrowed = |_: Time, mut d: Datagram| {
        if d.from == address(0) {
            d.from = address(9);
        }
        vec![d]
    };
    pair = pair.with_adversary(borrowed);
    pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
    pair.run(Time::from_secs(64));
    assert_eq!(pair.world.node(1).remote(bob), Some(address(0)));
}

#[test]
fn a_rekey_that_lost_a_crossing_is_not_answered_later() {
    for seed in 0..20 {
        let (mut pair, alice, bob) = pair(Link::perfect(seed), |_| ());
        pair.world.sent.clear();
        pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false)).unwrap();
        pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob, false)).unwrap();
        pair.run(Time::from_secs(70));
        let requests = pair.world.sent.clone();
        for datagram in requests {
            pair.world.inject(datagram);
        }
        pair.run(Time::from_secs(80));
        for n in [0, 1] {
            assert_eq!(pair.world.node(n).metrics().rekeys, 1, "seed {seed}, end {n}");
        }
        pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false)).unwrap();
        pair.run(Time::from_secs(90));
        same_generation(&pair, 2);
    }
}

// R10.6
#[test]
fn a_second_request_waits_for_the_first() {
    let (mut pair, alice, _) = pair(Link::perfect(1), |_| ());
    pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false)).unwrap();
    let again = pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice, false));
    assert!(matches!(again, Err(Error::Misuse(ApiMisuse::State))), "{again:?}");
    assert!(pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).is_err());
    pair.run(Time::from_secs(70));
    same_generation(&pair, 1);
    pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
}
