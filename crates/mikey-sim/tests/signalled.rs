//! INIT over signalling, CCE on the media path (docs/spec.md, "Signalling"): forked and forged answers, answers on the
//! other path, bidding down, repeats, loss.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;

use common::{ALICE, BOB, certified, name};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    ApiMisuse, Branches, Call, DropReason, Endpoint, Error, Event, SessionId, SignallingError, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address};

/// What the description around the offer offers.
const PROTOCOLS: &[u8] = b"mikey";

/// Alice, and devices of Bob.
fn world(link: Link, devices: u8) -> World<Endpoint> {
    let ca = Ca::new("ca");
    let alice = Endpoint::new(certified(&ca, ALICE, KeyKind::Ed25519, 1)).unwrap();
    let devices =
        (0..devices).map(|n| Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 2 + u64::from(n))).unwrap());
    World::new(link, std::iter::once(alice).chain(devices))
}

fn call() -> Call {
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AEAD_AES_128_GCM);
    call.sdp_ids = Some(PROTOCOLS.to_vec());
    call
}

fn sessions(events: &[Event]) -> Vec<(SessionId, SocketAddr)> {
    let found = |event: &Event| match event {
        Event::Established { session, remote, .. } => Some((*session, *remote)),
        _ => None,
    };
    events.iter().filter_map(found).collect()
}

#[test]
fn one_offer_three_answers_three_branches() {
    for seed in 0..10 {
        let mut link = Link::perfect(seed);
        link.loss = 0.3;
        let mut world = world(link, 3);
        let mut call = call();
        call.branches = Branches::Keep;
        let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call)).unwrap();
        assert!(world.sent.is_empty(), "INIT_REQ goes over signalling alone");
        for (n, host) in [(1, 1), (2, 2), (3, 3)] {
            let answer = world.act(n, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
            let again = world.act(n, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
            assert_eq!(answer, again, "183 and 200 carry the same answer");
            world.act(0, |now, alice| alice.answered(now, id, address(host), &answer, None)).unwrap();
            let again = world.act(0, |now, alice| alice.answered(now, id, address(host), &answer, None));
            assert_eq!(again, Err(SignallingError::Refused(DropReason::Repeat)));
        }
        world.run_until(Time::from_secs(20));
        let mut at: Vec<_> = sessions(&world.events(0)).into_iter().map(|(_, remote)| remote).collect();
        at.sort();
        assert_eq!(at, [address(1), address(2), address(3)], "seed {seed}");
        for n in 1..=3 {
            assert_eq!(sessions(&world.events(n)).len(), 1, "device {n}, seed {seed}");
        }
        assert_eq!(world.act(0, |_, alice| alice.settle(id)), Ok(()));
    }
}

// R18.2
#[test]
fn answers_do_not_come_over_the_media_path() {
    let mut world = world(Link::perfect(1), 2);
    let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call())).unwrap();
    let stranger = world.act(2, |now, other| other.answer(now, &offer, PROTOCOLS)).unwrap();
    let answer = world.act(1, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
    for bytes in [stranger, answer.clone()] {
        world.inject(Datagram { from: address(9), to: address(0), bytes });
    }
    assert_eq!(world.node(0).metrics().key_exchanges, 1, "her own value: no branch was opened");
    assert!(world.sent.is_empty(), "and nobody was written to");
    world.act(0, |now, alice| alice.answered(now, id, address(1), &answer, None)).unwrap();
    world.inject(Datagram { from: address(9), to: address(0), bytes: answer });
    world.run_until(Time::from_secs(5));
    assert!(world.sent.iter().all(|datagram| datagram.to != address(9)));
    assert_eq!(sessions(&world.events(0))[0].1, address(1));
}

#[test]
fn a_forged_answer_costs_one_branch() {
    let mut world = world(Link::perfect(1), 1);
    let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call())).unwrap();
    let answer = world.act(1, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
    let mut forged = answer.clone();
    let rand = 10 + 20 + 2 + 5;
    forged[rand] ^= 1;
    world.act(0, |now, alice| alice.answered(now, id, address(1), &forged, None)).unwrap();
    assert_eq!(
        world.act(0, |now, alice| alice.answered(now, id, address(1), &answer[..40], None)).map_err(
            |why| matches!(why, SignallingError::Decode(_) | SignallingError::Refused(DropReason::Malformed))
        ),
        Err(true)
    );
    world.act(0, |now, alice| alice.answered(now, id, address(1), &answer, None)).unwrap();
    world.run_until(Time::from_secs(5));
    assert_eq!(sessions(&world.events(0)).len(), 1);
    assert_eq!(sessions(&world.events(1)).len(), 1);
}

// R18.1
#[test]
fn bidding_down_is_refused() {
    let mut world = world(Link::perfect(1), 1);
    let mut both = call();
    both.sdp_ids = Some(b"mikey;keyp1".to_vec());
    let (id, offer) = world.act(0, |now, alice| alice.offer(now, &both)).unwrap();
    for offered in [&b"mikey"[..], b"keyp1;mikey", b""] {
        let answer = world.act(1, |now, bob| bob.answer(now, &offer, offered));
        assert_eq!(answer, Err(SignallingError::BiddingDown));
    }
    assert_eq!(world.node(1).metrics().half_open, 0, "nothing is kept of it");
    // Who changes the list in the message, too, changes what both sign.
    let at = offer.windows(11).position(|w| w == b"mikey;keyp1").unwrap();
    let mut changed = offer.clone();
    changed[at..at + 11].copy_from_slice(b"mikey;keyp2");
    let answer = world.act(1, |now, bob| bob.answer(now, &changed, b"mikey;keyp2")).unwrap();
    world.act(0, |now, alice| alice.answered(now, id, address(1), &answer, None)).unwrap();
    world.run_until(Time::from_secs(250));
    assert!(sessions(&world.events(0)).is_empty() && sessions(&world.events(1)).is_empty());
    // Without a list at all there is no offer, and an INIT_REQ of the media path is none.
    let none = Call::both_ways(name(BOB), SrtpPolicy::AEAD_AES_128_GCM);
    let refused = world.act(0, |now, alice| alice.offer(now, &none));
    assert_eq!(refused.unwrap_err(), Error::Misuse(ApiMisuse::Signalled));
}

#[test]
fn what_does_not_belong_in_signalling_is_refused() {
    let mut world = world(Link::perfect(1), 1);
    let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call())).unwrap();
    let answer = world.act(1, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
    let swapped = world.act(1, |now, bob| bob.answer(now, &answer, PROTOCOLS)).unwrap_err();
    assert!(matches!(swapped, SignallingError::DataType(_)), "{swapped}");
    let swapped = world.act(0, |now, alice| alice.answered(now, id, address(1), &offer, None)).unwrap_err();
    assert!(matches!(swapped, SignallingError::DataType(_)), "{swapped}");
    let long = world.act(1, |now, bob| bob.answer(now, &[2; 3000], PROTOCOLS));
    assert_eq!(long, Err(SignallingError::Refused(DropReason::TooLong)));
    for cut in 0..offer.len() {
        assert!(world.act(1, |now, bob| bob.answer(now, &offer[..cut], PROTOCOLS)).is_err(), "{cut}");
    }
    world.act(0, |_, alice| alice.settle(id)).unwrap();
    let late = world.act(0, |now, alice| alice.answered(now, id, address(1), &answer, None));
    assert_eq!(late, Err(SignallingError::UnknownCall));
}

#[test]
fn an_offer_waits_as_long_as_a_phone_rings() {
    let mut world = world(Link::perfect(1), 1);
    let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call())).unwrap();
    world.run_until(Time::from_secs(100));
    let answer = world.act(1, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
    world.run_until(Time::from_secs(170));
    world.act(0, |now, alice| alice.answered(now, id, address(1), &answer, None)).unwrap();
    world.run_until(Time::from_secs(175));
    assert_eq!((sessions(&world.events(0)).len(), sessions(&world.events(1)).len()), (1, 1));
}

#[test]
fn an_offer_that_is_taken_back_leaves_nothing() {
    let mut world = world(Link::perfect(1), 2);
    let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call())).unwrap();
    let [gone, taken] = [1, 2].map(|n| world.act(n, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap());
    for cut in 0..offer.len() {
        world.act(1, |_, bob| bob.withdrawn(&offer[..cut]));
    }
    assert_eq!(world.node(1).metrics().half_open, 1, "what is no offer takes nothing back");
    for _ in 0..2 {
        world.act(1, |_, bob| bob.withdrawn(&offer));
        assert_eq!(world.node(1).metrics().half_open, 0);
    }
    for (n, answer) in [(1, &gone), (2, &taken)] {
        world.act(0, |now, alice| alice.answered(now, id, address(n), answer, None)).unwrap();
    }
    world.run_until(Time::from_secs(5));
    assert_eq!((sessions(&world.events(1)).len(), sessions(&world.events(2)).len()), (0, 1));
    // What has become a session already stays one.
    world.act(2, |_, bob| bob.withdrawn(&offer));
    assert_eq!(world.node(2).metrics().sessions, 1);
    let again = world.act(2, |now, bob| bob.answer(now, &offer, PROTOCOLS)).unwrap();
    assert_eq!(again, taken, "and the same answer");
}

// R18.3
#[test]
fn offers_do_not_fill_the_memory() {
    // One offer less than there may be stays open with each; a further one is refused until one is over.
    let mut world = world(Link::perfect(1), 1);
    let mut offers = Vec::new();
    let refused = loop {
        let (id, offer) = world.act(0, |now, alice| alice.offer(now, &call())).unwrap();
        world.act(0, |_, alice| alice.settle(id)).unwrap();
        match world.act(1, |now, bob| bob.answer(now, &offer, PROTOCOLS)) {
            Ok(answer) => offers.push((offer, answer)),
            Err(why) => break (offer, why),
        }
        assert!(offers.len() < 10_000, "no bound");
    };
    assert_eq!(refused.1, SignallingError::Refused(DropReason::Full));
    assert_eq!(world.node(1).metrics().half_open, offers.len());
    let key_exchanges = world.node(1).metrics().key_exchanges;
    assert_eq!(key_exchanges, u64::try_from(offers.len()).unwrap(), "what is refused costs none");
    let (first, answer) = &offers[0];
    let again = world.act(1, |now, bob| bob.answer(now, first, PROTOCOLS)).unwrap();
    assert_eq!(again, *answer, "those that are there are answered as before");
    world.act(1, |_, bob| bob.withdrawn(first));
    assert!(world.act(1, |now, bob| bob.answer(now, &refused.0, PROTOCOLS)).is_ok(), "one is over");
    // All of them end by themselves.
    world.run_until(Time::from_secs(200));
    assert_eq!(world.node(1).metrics().half_open, 0);
}
