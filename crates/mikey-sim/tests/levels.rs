//! Authentication beyond certificates and keys: SAS, key continuity, fingerprints from signalling, hidden names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{MethodId, SecretBytes};
use mikey_proto::{
    AuthLevel, Call, CertificateFault, CertifiedKey, CloseReason, EndpointConfig, Error, Event, Expected,
    Identity, Name, PeerFault, PskTable, Retarget, Sas, SessionId, Signalled, Time,
};
use mikey_sim::{Ca, KeyKind, Link, address, provider};
use mikey_wire::DataType;
use mikey_wire::v2::peek;

fn with_sas(own: &str, seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
    config.policy.local_methods = vec![MethodId::SAS];
    config.policy.remote_methods = vec![MethodId::SAS];
    config
}

fn sas(events: &[Event]) -> (SessionId, Sas) {
    let mut shown = events.iter().filter_map(|event| match event {
        Event::SasReady { session, sas } => Some((*session, *sas)),
        _ => None,
    });
    let found = shown.next().expect("no SAS was shown");
    assert!(shown.next().is_none(), "two of them");
    found
}

fn levels(events: &[Event]) -> Vec<AuthLevel> {
    events
        .iter()
        .filter_map(|e| if let Event::Established { peer, .. } = e { Some(peer.level) } else { None })
        .collect()
}

#[test]
fn both_people_see_the_same_sas() {
    let mut seen = Vec::new();
    for seed in 0..20 {
        let mut pair = Pair::new(Link::perfect(seed), with_sas(ALICE, seed), with_sas(BOB, 100 + seed));
        pair.call(BOB);
        let (alice, bob) = (sas(&pair.events[0]).1, sas(&pair.events[1]).1);
        assert_eq!(alice, bob);
        assert_eq!(alice.base32().len(), 4);
        assert_eq!(alice.words().split(' ').count(), 4);
        assert_eq!(levels(&pair.events[0]), [AuthLevel::SasUnverified]);
        assert_eq!(levels(&pair.events[1]), [AuthLevel::SasUnverified]);
        seen.push(alice.base32());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20, "each call has its own");
}

#[test]
fn a_confirmed_sas_is_told_and_gives_the_key_of_the_next_call() {
    let mut pair = Pair::new(Link::perfect(1), with_sas(ALICE, 1), with_sas(BOB, 2));
    pair.call(BOB);
    let (at_alice, at_bob) = (sas(&pair.events[0]).0, sas(&pair.events[1]).0);
    assert!(pair.world.node(0).continuity(at_alice).is_err(), "not before somebody has compared");
    pair.world.act(0, |now, alice| alice.confirm_sas(now, at_alice, true)).unwrap();
    pair.run(Time::from_secs(61));
    let told = |e: &Event| matches!(e, Event::SasComparedByPeer { verified: true, .. });
    assert!(pair.events[1].iter().any(told));
    pair.world.act(1, |now, bob| bob.confirm_sas(now, at_bob, true)).unwrap();
    pair.run(Time::from_secs(62));
    let (pseudonym, key) = pair.world.node(0).continuity(at_alice).unwrap();
    let (same, other) = pair.world.node(1).continuity(at_bob).unwrap();
    assert_eq!(pseudonym, same);
    assert_eq!(key.expose(), other.expose());

    // The next call: found by the pseudonym, authenticated by the key.
    let next = |own: &str, seed| {
        let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
        let mut table = PskTable::new();
        let key = SecretBytes::copy_from(key.expose());
        table.insert_pseudonym(pseudonym.clone(), name(ALICE), name(BOB), key).unwrap();
        config.psks = std::sync::Arc::new(table);
        config
    };
    let mut pair = Pair::new(Link::perfect(2), next(ALICE, 3), next(BOB, 4));
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.hidden_as = Some(pseudonym.clone());
    pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    let (_, bob) = pair.run(Time::from_secs(60)).established();
    assert_eq!((bob.peer.level, bob.peer.name), (AuthLevel::Psk, name(ALICE)));
}

// R9.12
#[test]
fn a_sas_that_differs_ends_the_session() {
    let mut pair = Pair::new(Link::perfect(1), with_sas(ALICE, 1), with_sas(BOB, 2));
    pair.call(BOB);
    let session = sas(&pair.events[0]).0;
    pair.world.act(0, |now, alice| alice.confirm_sas(now, session, false)).unwrap();
    pair.run(Time::from_secs(61));
    let closed = |e: &Event| matches!(e, Event::Closed { why: CloseReason::Remote(2), .. });
    assert!(pair.events[1].iter().any(closed), "the peer hears of the mismatch");
    assert_eq!(pair.world.node(0).metrics().sessions + pair.world.node(1).metrics().sessions, 0);
}

// R9.11
#[test]
fn after_the_reveal_a_late_answer_gets_an_attempt_of_its_own() {
    // Somebody answers first with an INIT_RESP of another endpoint; the true one comes later.
    let mut mallory = mikey_proto::Endpoint::new(with_sas("sip:bob@example.com", 9)).unwrap();
    let forged = Rc::new(RefCell::new(0));
    let count = Rc::clone(&forged);
    let adversary = move |now, datagram: mikey_sim::Datagram| {
        let init = peek(&datagram.bytes).is_ok_and(|p| p.data_type == DataType::INIT_REQ);
        let mut out = Vec::new();
        if init && *count.borrow() < 3 {
            *count.borrow_mut() += 1;
            mallory.handle_datagram(now, datagram.from, &datagram.bytes);
            while let mikey_proto::Output::Transmit { to, bytes } = mallory.poll_output() {
                out.push(mikey_sim::Datagram { from: datagram.to, to, bytes });
            }
        }
        out.push(datagram);
        out
    };
    let mut pair =
        Pair::new(Link::perfect(1), with_sas(ALICE, 1), with_sas(BOB, 2)).with_adversary(adversary);
    pair.call(BOB);
    assert_eq!(*forged.borrow(), 3);
    // Alice established something, perhaps with Mallory; the SAS tells. With Bob it is the same, else it is not.
    let alice: Vec<_> = pair.events[0]
        .iter()
        .filter_map(|e| if let Event::SasReady { sas, .. } = e { Some(*sas) } else { None })
        .collect();
    assert_eq!(alice.len(), 1);
}

#[test]
fn hidden_names_are_not_on_the_wire_and_are_authenticated() {
    let ca = Ca::new("ca");
    for hidden in [name("@example.com"), Name::pseudonym([9; 16])] {
        let kind = KeyKind::Ed25519;
        let mut pair =
            Pair::new(Link::perfect(1), certified(&ca, ALICE, kind, 1), certified(&ca, BOB, kind, 2));
        let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        call.hidden_as = Some(hidden);
        pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
        let (_, bob) = pair.run(Time::from_secs(60)).established();
        assert_eq!(bob.peer.name, name(ALICE));
        for datagram in &pair.world.sent {
            let found = datagram.bytes.windows(ALICE.len()).any(|w| w == ALICE.as_bytes());
            assert!(!found, "the name is on the wire");
        }
    }
}

fn by_fingerprint(own: &str, seed: u64) -> (EndpointConfig, [u8; 32]) {
    let provider = provider(seed);
    let (der, key) = Ca::new("self").issue("sip:whoever@invalid", KeyKind::P256, |_| ());
    let certified = CertifiedKey::load(&provider, vec![der], &key).unwrap();
    let fingerprint = certified.fingerprint(&provider);
    (EndpointConfig::new(provider, Identity::with_fingerprint(name(own), certified)), fingerprint)
}

fn signalled(fingerprint: [u8; 32], local: &[u8], remote: &[u8]) -> Signalled {
    Signalled {
        fingerprints: vec![fingerprint],
        local_tls_id: local.to_vec(),
        remote_tls_id: Some(remote.to_vec()),
        assertion: None,
    }
}

fn fingerprint_call(change: impl FnOnce(&mut Signalled, &mut Expected)) -> Pair {
    let ((alice, alice_print), (bob, bob_print)) = (by_fingerprint(ALICE, 1), by_fingerprint(BOB, 2));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let mut at_alice = signalled(bob_print, b"tls-id-of-alice-0000", b"tls-id-of-bob-000000");
    let mut at_bob = Expected {
        initiator: name(ALICE),
        responder: name(BOB),
        signalled: signalled(alice_print, b"tls-id-of-bob-000000", b"tls-id-of-alice-0000"),
    };
    change(&mut at_alice, &mut at_bob);
    pair.world.act(1, |_, bob| bob.expect(at_bob)).unwrap();
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.signalled = Some(at_alice);
    pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    pair.run(Time::from_secs(60));
    pair
}

// R6.8
#[test]
fn fingerprints_names_and_tls_ids_authenticate() {
    let (alice, bob) = fingerprint_call(|_, _| ()).established();
    assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Fingerprint, AuthLevel::Fingerprint));
    same_keys(&alice, &bob);
}

// R9.18
#[test]
fn each_part_of_what_was_signalled_must_match() {
    let nobody = |pair: Pair, what: &str| {
        assert!(!pair.is_established(0), "{what}");
        assert!(!pair.is_established(1), "{what}");
    };
    nobody(fingerprint_call(|_, bob| bob.signalled.fingerprints = vec![[0; 32]]), "the caller's fingerprint");
    nobody(
        fingerprint_call(|alice, _| alice.remote_tls_id = Some(b"another-tls-id-00000".to_vec())),
        "the callee's tls-id",
    );
    nobody(
        fingerprint_call(|alice, _| alice.local_tls_id = b"another-tls-id-00000".to_vec()),
        "the caller's tls-id",
    );
    nobody(fingerprint_call(|_, bob| bob.initiator = name("sip:carol@example.com")), "the caller's name");
    nobody(
        fingerprint_call(|alice, _| alice.assertion = Some([1; 32])),
        "an assertion that the callee does not know",
    );
    let mut wrong = fingerprint_call(|alice, _| alice.fingerprints = vec![[0; 32]]);
    assert!(!wrong.is_established(0));
    let why = Error::Peer(PeerFault::Certificate(CertificateFault::Fingerprint));
    assert_eq!(wrong.failure(), Some(why));
}

#[test]
fn fingerprints_need_a_name() {
    let (config, fingerprint) = by_fingerprint(ALICE, 1);
    let mut alice = mikey_proto::Endpoint::new(config).unwrap();
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.signalled = Some(signalled(fingerprint, b"a", b"b"));
    call.retarget = Retarget::Report;
    assert!(alice.connect(Time::ZERO, address(1), &call).is_err());
}
