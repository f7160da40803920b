//! RFC 5479 section 5.2: identities and credentials (docs/requirements.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod common_r;

use common::craft::kind;
use common::mallory::with_first_id;
use common::*;
use common_r::sdp::{At, dial_over_sdp};
use common_r::*;
use mikey_crypto::MethodId;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{AuthLevel, Call, Endpoint, EndpointConfig, Time, Trust};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address};
use mikey_wire::DataType;

const POLICY: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

/// The keys of a call between these two names whose randomness and pre-shared key are always the same.
fn keys_of(alice: &str, bob: &str) -> Vec<Vec<u8>> {
    let ends = [with_psk(alice, bob, [7; 32], 1), with_psk(bob, alice, [7; 32], 2)];
    let mut world = endpoints(ends);
    let call = Call::both_ways(name(bob), POLICY);
    world.act(0, |now, e: &mut Endpoint| e.connect(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(5));
    let (at_alice, at_bob) = (sessions(world.events(0)).remove(0), sessions(world.events(1)).remove(0));
    assert_eq!(master_keys(&at_alice), master_keys(&at_bob));
    assert_eq!((&at_alice.peer.name, &at_bob.peer.name), (&name(bob), &name(alice)));
    master_keys(&at_alice)
}

/// With everything else equal, randomness too, other names are other keys; and a name that is changed on the way is no call.
#[test]
fn r_id_binding() {
    let keys = keys_of(ALICE, BOB);
    assert_eq!(keys, keys_of(ALICE, BOB), "the run is not determined by its seeds: this test shows nothing");
    for (alice, bob) in [("sip:alicf@example.com", BOB), (ALICE, "sip:boc@example.com")] {
        for other in keys_of(alice, bob) {
            assert!(!keys.contains(&other), "{alice} and {bob} have a key of Alice and Bob");
        }
    }
    let ca = Ca::new("ca");
    let bob = certified(&ca, BOB, KeyKind::Ed25519, 2);
    let renaming = |_: Time, mut datagram: Datagram| {
        if kind(&datagram.bytes) == DataType::INIT_REQ {
            datagram.bytes = with_first_id(&datagram.bytes, CAROL);
        }
        vec![datagram]
    };
    let mut pair = Pair::new(Link::perfect(1), certified(&ca, ALICE, KeyKind::Ed25519, 1), bob);
    pair = pair.with_adversary(renaming);
    pair.call(BOB);
    assert!(!pair.is_established(0) && !pair.is_established(1));
    // The key of a session is known together with the certificate that it is bound to.
    let parties = Parties::new(KeyKind::Ed25519);
    let (alice, bob) = parties.pair(Mode::Certificate, Link::perfect(1), 1).call(BOB).established();
    assert!(alice.peer.certificate.is_some() && alice.peer.certificate != bob.peer.certificate);
}

fn meets(mut world: World<Endpoint>, call: &Call) -> Vec<AuthLevel> {
    world.act(0, |now, alice| alice.connect(now, address(1), call)).unwrap();
    world.run_until(Time::from_secs(40));
    [0, 1].into_iter().flat_map(|n| sessions(world.events(n))).map(|s| s.peer.level).collect()
}

/// Two people without a third party: by comparing a SAS, by certificates that they made themselves, by a key that they share.
/// Nobody has a trust anchor. Without what stands in for it a home-made certificate is worth nothing.
#[test]
fn r_certs() {
    let call = Call::both_ways(name(BOB), POLICY);
    let nobody_trusts = |ends: &[EndpointConfig]| assert!(ends.iter().all(|c| c.trust.is_empty()));

    let ends = [with_sas(ALICE, 1), with_sas(BOB, 2)];
    nobody_trusts(&ends);
    let mut world = endpoints(ends);
    world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(5));
    let at_alice = sessions(world.events(0)).remove(0);
    assert_eq!(at_alice.peer.level, AuthLevel::SasUnverified, "nobody has compared it yet");
    world.act(0, |now, alice| alice.confirm_sas(now, at_alice.session, true)).unwrap();
    assert!(world.node(0).continuity(at_alice.session).is_ok(), "and the next call needs no comparing");

    let ends = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)];
    nobody_trusts(&ends);
    assert_eq!(meets(endpoints(ends), &call), [AuthLevel::Psk; 2]);

    for knows_fingerprints in [true, false] {
        let ((alice, alices), (bob, bobs)) = (by_fingerprint(ALICE, 1), by_fingerprint(BOB, 2));
        let (mut call, ends) = (call.clone(), [alice, bob]);
        nobody_trusts(&ends);
        let mut world = endpoints(ends);
        if knows_fingerprints {
            world.act(1, |_, bob| bob.expect(told_bob(alices))).unwrap();
            call.signalled = Some(told_alice(bobs));
            assert_eq!(meets(world, &call), [AuthLevel::Fingerprint; 2]);
        } else {
            // Not even an offer can be made, unless there is an anchor; and none leads to this certificate.
            assert!(world.act(0, |now, alice| alice.connect(now, address(1), &call)).is_err());
            let mut ends = [by_fingerprint(ALICE, 1).0, by_fingerprint(BOB, 2).0];
            let anchor = Ca::new("somebody");
            for end in &mut ends {
                end.trust = Trust::none();
                end.trust.add_anchor(anchor.der()).unwrap();
                end.unix_time_at_zero = Some(NOW);
            }
            assert_eq!(meets(endpoints(ends), &call), []);
        }
    }
}

/// Keys that people have already: X.509 certificates with the four usual kinds of keys, another one on each side, and
/// pre-shared keys.
#[test]
fn r_existing() {
    let ca = Ca::new("ca");
    let methods = |kind: KeyKind| match kind {
        KeyKind::Ed25519 => MethodId::ED25519,
        KeyKind::P256 => MethodId::ECDSA_P256_SHA256,
        KeyKind::P384 => MethodId::ECDSA_P384_SHA384,
        KeyKind::Rsa2048 => MethodId::RSA_PSS_SHA256,
    };
    let kinds = KeyKind::ALL;
    for (n, kind) in kinds.into_iter().enumerate() {
        let theirs = kinds[(n + 1) % kinds.len()];
        let ends = (certified(&ca, ALICE, kind, 1), certified(&ca, BOB, theirs, 2));
        let (alice, bob) = Pair::new(Link::perfect(1), ends.0, ends.1).call(BOB).established();
        assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Certificate, AuthLevel::Certificate));
        assert_eq!(alice.negotiated.initiator, methods(kind));
        assert_eq!(alice.negotiated.responder, methods(theirs));
    }
    let ends = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    let (alice, bob) = Pair::new(Link::perfect(1), ends.0, ends.1).call(BOB).established();
    assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Psk, AuthLevel::Psk));
    assert_eq!(alice.negotiated.initiator, MethodId::PSK);

    // The same over an offer and an answer, where each side has what it has: a certificate here, another kind there, or a key.
    for at in [At::Session, At::Media] {
        let certificates =
            [certified(&ca, ALICE, KeyKind::Rsa2048, 1), certified(&ca, BOB, KeyKind::P384, 2)];
        let keys = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)];
        for (ends, level) in [(certificates, AuthLevel::Certificate), (keys, AuthLevel::Psk)] {
            let mut world = endpoints(ends);
            dial_over_sdp(&mut world, 0, 1, &Call::both_ways(name(BOB), POLICY), at);
            world.run_until(Time::from_secs(5));
            for (n, peer) in [(0, BOB), (1, ALICE)] {
                let known = sessions(world.events(n)).remove(0);
                assert_eq!((known.peer.name, known.peer.level), (name(peer), level), "{at:?}");
            }
        }
    }
}
