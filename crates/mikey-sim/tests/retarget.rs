//! Calls that somebody else answers than the one who was asked for: refused, or reported by policy, and never silent
//! (docs/spec.md, 9.2, 10.3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::craft::{bend, kind};
use common::*;
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    AuthLevel, Call, DropReason, Endpoint, EndpointConfig, Error, Event, Identity, PeerFault, PskTable,
    Retarget, Time,
};
use mikey_sim::{Adversary, Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::{DataType, Payload};

const CAROL: &str = "sip:carol@example.com";

/// Alice, and Carol at the address that Alice calls; both can authenticate themselves in this way.
fn alice_and_carol(mode: Mode) -> [EndpointConfig; 2] {
    match mode {
        Mode::Certificate => {
            let ca = Ca::new("ca");
            [certified(&ca, ALICE, KeyKind::Ed25519, 1), certified(&ca, CAROL, KeyKind::Ed25519, 2)]
        }
        _ => {
            let mut table = PskTable::new();
            table.insert(name(ALICE), name(BOB), SecretBytes::copy_from(&[7; 32])).unwrap();
            table.insert(name(ALICE), name(CAROL), SecretBytes::copy_from(&[8; 32])).unwrap();
            let mut alice = EndpointConfig::new(provider(1), Identity::new(name(ALICE)));
            alice.psks = Arc::new(table);
            [alice, with_psk(CAROL, ALICE, [8; 32], 2)]
        }
    }
}

/// What an end says about a session: the peer's name, how it is known, and who was asked for if that was another.
type Report = (String, AuthLevel, Option<String>);

struct Outcome {
    world: World<Endpoint>,
    reports: [Vec<Report>; 2],
    failure: Option<Error>,
}

/// Alice calls Bob, and her call comes to Carol.
fn call_bob(ends: [EndpointConfig; 2], retarget: Retarget, path: impl Adversary + 'static) -> Outcome {
    let nodes = ends.map(|config| Endpoint::new(config).unwrap());
    let mut world = World::new(Link::perfect(1), nodes).with_adversary(path);
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.retarget = retarget;
    world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(40));
    let events = [world.events(0), world.events(1)];
    let failure = events[0].iter().find_map(|event| match event {
        Event::CallFailed { why, .. } => Some(why.clone()),
        _ => None,
    });
    let report = |event: Event| match event {
        Event::Established { peer, retargeted_from, .. } => {
            Some((peer.name.to_string(), peer.level, retargeted_from.map(|name| name.to_string())))
        }
        _ => None,
    };
    let reports = events.map(|events| events.into_iter().filter_map(report).collect());
    Outcome { world, reports, failure }
}

fn honest(_: Time, datagram: Datagram) -> Vec<Datagram> {
    vec![datagram]
}

// R9.19
#[test]
fn by_policy_another_answers_and_both_are_told() {
    for (mode, level) in [(Mode::Certificate, AuthLevel::Certificate), (Mode::Psk, AuthLevel::Psk)] {
        let [alice, mut carol] = alice_and_carol(mode);
        carol.stands_in_for = vec![name(BOB)];
        let outcome = call_bob([alice, carol], Retarget::Report, honest);
        let asked = Some(BOB.to_owned());
        let [at_alice, at_carol] = outcome.reports;
        assert_eq!(at_alice, [(CAROL.into(), level, asked.clone())], "{mode:?}");
        assert_eq!(at_carol, [(ALICE.into(), level, asked)], "{mode:?}");
    }
}

#[test]
fn without_that_policy_the_answer_is_none() {
    for mode in Mode::ALL {
        let [alice, mut carol] = alice_and_carol(mode);
        carol.stands_in_for = vec![name(BOB)];
        let outcome = call_bob([alice, carol], Retarget::Refuse, honest);
        assert_eq!(outcome.reports, [vec![], vec![]], "{mode:?}");
        assert_eq!(outcome.failure, Some(Error::Peer(PeerFault::Name)), "{mode:?}");
        let sent = |ty| outcome.world.sent.iter().filter(|d| kind(&d.bytes) == ty).count();
        assert_eq!(sent(DataType::CCE_REQ), 0, "{mode:?}: nothing of her goes to who was not called");
    }
}

// R9.19
#[test]
fn who_stands_in_for_nobody_or_for_another_looks_like_nobody() {
    for stands_in_for in [vec![], vec![name("sip:dave@example.com")]] {
        let [alice, mut carol] = alice_and_carol(Mode::Certificate);
        carol.stands_in_for = stands_in_for;
        let outcome = call_bob([alice, carol], Retarget::Report, honest);
        assert_eq!(outcome.reports, [vec![], vec![]]);
        let metrics = outcome.world.node(1).metrics();
        assert!(metrics.drops(DropReason::NotForUs) > 0);
        assert_eq!((metrics.datagrams_sent, metrics.key_exchanges), (0, 0));
    }
}

#[test]
fn who_was_asked_for_is_no_report_when_that_one_answers() {
    for mode in Mode::ALL {
        let parties = Parties::new(KeyKind::Ed25519);
        let mut bob = parties.bob(mode, 2);
        bob.stands_in_for = vec![name(CAROL)];
        let outcome = call_bob([parties.alice(mode, 1), bob], Retarget::Report, honest);
        let whom =
            |reports: &[Report]| reports.iter().map(|r| (r.0.clone(), r.2.clone())).collect::<Vec<_>>();
        assert_eq!(whom(&outcome.reports[0]), [(BOB.to_owned(), None)]);
        assert_eq!(whom(&outcome.reports[1]), [(ALICE.to_owned(), None)]);
    }
}

/// The same message with another name in its ID payload number `n`.
fn renamed(raw: &[u8], n: usize, to: &'static str) -> Vec<u8> {
    bend(raw, |_, payloads| {
        let ids = payloads.iter_mut().filter_map(|payload| match payload {
            Payload::Id(id) => Some(id),
            _ => None,
        });
        ids.skip(n).take(1).for_each(|id| id.data = to.as_bytes());
    })
}

/// Whoever is on the path cannot turn a call to Bob into one to Carol, nor Carol's answer into Bob's.
#[test]
fn a_name_that_was_changed_on_the_way_gets_through_to_nobody() {
    for mode in Mode::ALL {
        for retarget in [Retarget::Refuse, Retarget::Report] {
            // Carol stands in for nobody, and is made to believe that she was called.
            let redirect = |_: Time, mut datagram: Datagram| {
                if kind(&datagram.bytes) == DataType::INIT_REQ {
                    datagram.bytes = renamed(&datagram.bytes, 1, CAROL);
                }
                vec![datagram]
            };
            let outcome = call_bob(alice_and_carol(mode), retarget, redirect);
            assert_eq!(outcome.reports, [vec![], vec![]], "{mode:?} {retarget:?}");

            // Carol's answer is made to look like Bob's.
            let disguise = |_: Time, mut datagram: Datagram| {
                if kind(&datagram.bytes) == DataType::INIT_RESP {
                    datagram.bytes = renamed(&datagram.bytes, 0, BOB);
                }
                vec![datagram]
            };
            let [alice, mut carol] = alice_and_carol(mode);
            carol.stands_in_for = vec![name(BOB)];
            let outcome = call_bob([alice, carol], retarget, disguise);
            assert_eq!(outcome.reports, [vec![], vec![]], "{mode:?} {retarget:?}");
        }
    }
}
