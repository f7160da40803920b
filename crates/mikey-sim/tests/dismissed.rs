//! A responder is established once it has answered CCE_REQ. If the initiator does not want it, it is told at once by DELETE
//! under the keys of that session (docs/spec.md, 10.2), and learns nothing but that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::craft::kind;
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    Call, CertificateFault, CertifiedKey, CloseReason, DropReason, Endpoint, EndpointConfig, Error, Event,
    Identity, Time,
};
use mikey_sim::{Adversary, Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::DataType;
use rcgen::{CertificateParams, date_time_ymd};

/// Everything that an initiator found wrong.
const REFUSED: CloseReason = CloseReason::Remote(3);

/// Bob, whose certificate is good but for what `change` does to it or for its issuer.
fn bob(ca: &Ca, issuer: &Ca, change: impl FnOnce(&mut CertificateParams)) -> EndpointConfig {
    let provider = provider(2);
    let (der, key) = issuer.issue(BOB, KeyKind::Ed25519, change);
    let certified = CertifiedKey::load(&provider, vec![der], &key).unwrap();
    let mut config = EndpointConfig::new(provider, Identity::with_fingerprint(name(BOB), certified));
    config.trust = ca.trust();
    config.unix_time_at_zero = Some(NOW);
    config
}

/// Alice calls Bob, whom she must refuse.
fn refused(change: impl FnOnce(&mut CertificateParams), known: bool) -> Pair {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let bob = bob(&ca, if known { &ca } else { &other }, change);
    Pair::new(Link::perfect(1), certified(&ca, ALICE, KeyKind::Ed25519, 1), bob)
}

fn closed(events: &[Event]) -> Vec<CloseReason> {
    let closed = events.iter().filter_map(|event| match event {
        Event::Closed { why, .. } => Some(why.clone()),
        _ => None,
    });
    closed.collect()
}

#[test]
fn a_responder_that_is_refused_ends_its_session_at_once_and_is_not_told_why() {
    let expired = |p: &mut CertificateParams| p.not_after = date_time_ymd(2026, 5, 31);
    let nameless = |p: &mut CertificateParams| p.subject_alt_names.clear();
    let nothing = |_: &mut CertificateParams| ();
    let cases = [
        (refused(nothing, false), CertificateFault::UnknownIssuer),
        (refused(expired, true), CertificateFault::Expired),
        (refused(nameless, true), CertificateFault::Name),
    ];
    let mut words = Vec::new();
    for (mut pair, fault) in cases {
        pair.start(BOB).run(Time::from_millis(100));
        let failed = |e: &Event| matches!(e, Event::BranchFailed { why, .. } if *why == Error::from(fault));
        assert!(pair.events[0].iter().any(failed), "{fault:?}");
        assert!(pair.is_established(1) && !pair.is_established(0), "{fault:?}");
        assert_eq!(closed(&pair.events[1]), [REFUSED], "{fault:?}");
        assert_eq!(pair.metrics(1).sessions, 0);
        let word: Vec<_> = pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INFO_REQ).collect();
        assert_eq!(word.len(), 1, "{fault:?}");
        assert_eq!((word[0].from, word[0].to), (address(0), address(1)));
        words.push(word[0].bytes.len());
        // And that is all: neither says anything more of it.
        let sent = pair.world.sent.len();
        pair.run(Time::from_secs(60));
        let later = &pair.world.sent[sent..];
        assert!(
            later.iter().all(|d| d.from == address(0) || kind(&d.bytes) == DataType::INIT_RESP),
            "{fault:?}"
        );
    }
    assert!(words.iter().all(|len| *len == words[0]), "{words:?}");
}

/// Changes one bit of the word, or says it in another session.
fn forging(at: usize) -> impl Adversary {
    move |_: Time, mut datagram: Datagram| {
        if kind(&datagram.bytes) == DataType::INFO_REQ && datagram.from == address(0) {
            let Some(octet) = datagram.bytes.get_mut(at) else { return vec![] };
            *octet ^= 0x10;
        }
        vec![datagram]
    }
}

#[test]
fn a_forged_word_does_nothing() {
    for at in 0..90 {
        let mut pair = refused(|p| p.subject_alt_names.clear(), true).with_adversary(forging(at));
        pair.start(BOB).run(Time::from_secs(10));
        assert!(pair.is_established(1));
        assert_eq!(closed(&pair.events[1]), [], "octet {at}");
        assert_eq!(pair.metrics(1).sessions, 1, "octet {at}");
        // What is lost or spoilt is made up for by the responder's own question.
        pair.run(Time::from_secs(60));
        assert_eq!(closed(&pair.events[1]), [CloseReason::PeerSilent], "octet {at}");
    }
}

#[test]
fn the_word_of_one_session_does_not_end_another() {
    let mut refused = refused(|p| p.subject_alt_names.clear(), true);
    refused.start(BOB).run(Time::from_millis(100));
    let word =
        refused.world.sent.iter().find(|d| kind(&d.bytes) == DataType::INFO_REQ).unwrap().bytes.clone();
    let parties = Parties::new(KeyKind::Ed25519);
    let mut pair = parties.pair(Mode::Certificate, Link::perfect(1), 1);
    pair.start(BOB).run(Time::from_secs(1)).established();
    // As it is, and with the SPIs and the CSB ID of the other session.
    let of = pair.world.sent.iter().find(|d| kind(&d.bytes) == DataType::CCE_REQ).unwrap().bytes.clone();
    let mut disguised = word.clone();
    disguised[4..8].copy_from_slice(&of[4..8]);
    let session = |bytes: &[u8]| bytes.windows(16).position(|w| *w == spis(bytes)).unwrap();
    let (to, from) = (session(&word), session(&of));
    disguised[to..to + 16].copy_from_slice(&of[from..from + 16]);
    for bytes in [word, disguised] {
        pair.inject(address(0), 1, &bytes);
    }
    pair.run(Time::from_secs(2));
    assert_eq!(closed(&pair.events[1]), []);
    let metrics = pair.metrics(1);
    assert_eq!(metrics.drops(DropReason::UnknownSession), 1);
    assert_eq!(metrics.drops(DropReason::Unauthenticated), 1);
    assert_eq!(metrics.sessions, 1);
}

fn spis(bytes: &[u8]) -> [u8; 16] {
    let session = mikey_wire::v2::peek(bytes).unwrap().session;
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&session.spi_i.to_be_bytes());
    octets[8..].copy_from_slice(&session.spi_r.to_be_bytes());
    octets
}

/// Three devices answer; the first one is taken. The others do not ring on for a quarter of a minute.
#[test]
fn the_branches_that_lose_are_told_at_once() {
    let parties = Parties::new(KeyKind::Ed25519);
    let configs = [parties.alice(Mode::Certificate, 1)].into_iter();
    let configs = configs.chain((2..5).map(|seed| parties.bob(Mode::Certificate, seed)));
    let nodes: Vec<_> = configs.map(|config| Endpoint::new(config).unwrap()).collect();
    let forks = |_: Time, datagram: Datagram| match kind(&datagram.bytes) {
        DataType::INIT_REQ => (1..4).map(|n| Datagram { to: address(n), ..datagram.clone() }).collect(),
        _ => vec![datagram],
    };
    let mut world = World::new(Link::perfect(1), nodes).with_adversary(forks);
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(1));
    let sessions: usize = (1..4).map(|n| world.node(n).metrics().sessions).sum();
    assert_eq!((world.node(0).metrics().sessions, sessions), (1, 1));
    let ends: Vec<_> = (1..4).flat_map(|n| closed(&world.events(n))).collect();
    assert_eq!(ends, [CloseReason::Remote(0), CloseReason::Remote(0)]);
}

/// Who refuses the initiator has no session that could be ended.
#[test]
fn who_has_refused_is_told_nothing() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let mut alice = certified(&other, ALICE, KeyKind::Ed25519, 1);
    alice.trust = ca.trust();
    let mut pair = Pair::new(Link::perfect(1), alice, certified(&ca, BOB, KeyKind::Ed25519, 2));
    let said = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&said);
    pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
        log.borrow_mut().push(kind(&datagram.bytes));
        vec![datagram]
    });
    pair.call(BOB);
    assert!(pair.failure().is_some() && !pair.is_established(1));
    assert!(said.borrow().contains(&DataType::ERROR));
    assert!(!said.borrow().contains(&DataType::INFO_REQ));
}
