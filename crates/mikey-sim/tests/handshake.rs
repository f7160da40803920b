//! INIT and CCE between two honest endpoints, in every form that can be negotiated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};
use mikey_proto::{AuthLevel, Confidentiality, Policy, Role, Time};
use mikey_sim::{Ca, KeyKind, Link};

#[test]
fn certificates_authenticate_both() {
    for kind in KeyKind::ALL {
        let ca = Ca::new("ca");
        let mut pair =
            Pair::new(Link::perfect(1), certified(&ca, ALICE, kind, 1), certified(&ca, BOB, kind, 2));
        let (alice, bob) = pair.call(BOB).established();
        assert_eq!(alice.role, Role::Initiator);
        assert_eq!(bob.role, Role::Responder);
        assert_eq!(alice.peer.name.to_string(), BOB);
        assert_eq!(bob.peer.name.to_string(), ALICE);
        for end in [&alice, &bob] {
            assert_eq!(end.peer.level, AuthLevel::Certificate, "{kind:?}");
            assert!(end.peer.certificate.is_some());
        }
        same_keys(&alice, &bob);
    }
}

#[test]
fn a_psk_authenticates_both() {
    let mut pair =
        Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    let (alice, bob) = pair.call(BOB).established();
    assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Psk, AuthLevel::Psk));
    assert_eq!(alice.negotiated.initiator, MethodId::PSK);
    same_keys(&alice, &bob);
}

#[test]
fn a_handshake_takes_two_round_trips() {
    let mut pair =
        Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    pair.start(BOB).run(Time::from_secs(1)).established();
    assert_eq!(pair.world.sent.len(), 4);
}

#[test]
fn every_group_suite_and_prf_works() {
    for group in [14, 15, 19, 20, 31, 236].map(GroupId) {
        both_with(|p| p.groups = vec![group], |n| assert_eq!(n.group, group));
    }
    for suite in [1, 2, 3, 4, 5].map(SuiteId) {
        both_with(|p| p.suites = vec![suite], |n| assert_eq!(n.suite, suite));
    }
    for prf in [1, 2].map(PrfId) {
        both_with(|p| p.prfs = vec![prf], |n| assert_eq!(n.prf, prf));
    }
    for confidentiality in [Confidentiality::Clear, Confidentiality::Encrypted] {
        both_with(
            |p| p.confidentiality = vec![confidentiality],
            |n| assert_eq!(n.confidential, confidentiality == Confidentiality::Encrypted),
        );
    }
}

#[test]
fn every_profile_works_with_itself() {
    for name in ["default", "pq-required", "fips", "legacy"] {
        both_with(|p| *p = Policy::named(name).unwrap(), |_| ());
    }
}

// R6.1
#[test]
fn the_responders_group_is_found_by_a_second_init_req() {
    let (mut alice, mut bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    alice.policy.groups = vec![GroupId::X25519, GroupId::P384, GroupId::P256];
    bob.policy.groups = vec![GroupId::P256, GroupId::X25519];
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let (alice, _) = pair.start(BOB).run(Time::from_secs(1)).established();
    assert_eq!(alice.negotiated.group, GroupId::P256);
    assert_eq!(pair.world.sent.len(), 6, "INIT_REQ, ERROR, INIT_REQ, INIT_RESP, CCE_REQ, CCE_RESP");
}

#[test]
fn the_directions_authenticate_independently() {
    let ca = Ca::new("ca");
    let mut alice = certified(&ca, ALICE, KeyKind::Ed25519, 1);
    let mut bob = certified(&ca, BOB, KeyKind::P256, 2);
    alice.psks = psks(ALICE, BOB, [3; 32]);
    bob.psks = psks(ALICE, BOB, [3; 32]);
    alice.policy.local_methods = vec![MethodId::PSK];
    alice.policy.remote_methods = vec![MethodId::ECDSA_P256_SHA256];
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let (alice, bob) = pair.call(BOB).established();
    assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Certificate, AuthLevel::Psk));
    same_keys(&alice, &bob);
}

#[test]
fn the_exporter_agrees_and_depends_on_everything() {
    let mut pair =
        Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    let (alice, bob) = pair.call(BOB).established();
    let export = |n: usize, label: &[u8], context: &[u8]| {
        let session = if n == 0 { alice.session } else { bob.session };
        pair.world.node(n).export(session, label, context, 32).unwrap().expose().to_vec()
    };
    assert_eq!(export(0, b"l", b"c"), export(1, b"l", b"c"));
    assert_ne!(export(0, b"l", b"c"), export(0, b"lc", b""));
    assert_ne!(export(0, b"l", b"c"), export(0, b"l", b"d"));
}

fn both_with(change: impl Fn(&mut Policy), check: impl Fn(&mikey_proto::Negotiated)) {
    let ca = Ca::new("ca");
    let (mut alice, mut bob) =
        (certified(&ca, ALICE, KeyKind::P256, 1), certified(&ca, BOB, KeyKind::P256, 2));
    change(&mut alice.policy);
    change(&mut bob.policy);
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let (alice, bob) = pair.call(BOB).established();
    check(&alice.negotiated);
    assert_eq!(alice.negotiated, bob.negotiated);
    same_keys(&alice, &bob);
}
