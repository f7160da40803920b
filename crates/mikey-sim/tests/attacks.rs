//! The attacks that the protocol was modelled against, on INIT and CCE, each against the real endpoints.
//!
//! | attack | tests |
//! |---|---|
//! | identity misbinding, unknown key share | `misbinding_*`, `a_certificate_for_somebody_elses_key_*` |
//! | responder accepts another suite or another name | `an_offer_that_was_lowered_*`, `a_call_to_one_*` |
//! | reflection, Selfie | `selfie_*`; `replay.rs`: `reflected_*` |
//! | man in the middle if DH is not signed | `forged.rs`: `a_middle_*` |
//! | key synchronisation, triple handshake | `two_sessions_*`; `refuse.rs`: `*_bad_dh_values_*` |
//! | KEM stripped or not mixed | `kem_*`; `hybrid.rs` |
//! | duplicate M2, two contexts with one key | `replay.rs`: `an_answer_that_comes_twice_is_one_branch` |
//! | SAS grinding, SAS with forking | `sas_*`; `levels.rs`: `after_the_reveal_*` |
//!
//! A PSK that is a password cannot be stopped by the order of messages: fewer than 16 octets are refused (`refuse.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use common::craft::{self, bend, kind, with_msp, with_session};
use common::hand::{HandCaller, Shows, msp};
use common::mallory::{Middle, split_auth, with_first_id};
use common::*;
use mikey_crypto::{GroupId, MethodId, SecretBytes};
use mikey_proto::{
    DropReason, Endpoint, EndpointConfig, Error, Event, Identity, PeerFault, Policy, PskTable, Role, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::{DataType, MspParam, Payload, PayloadType};

const EVE: &str = "sip:eve@example.com";

/// The datagram with other octets.
fn with(datagram: &Datagram, bytes: Vec<u8>) -> Vec<Datagram> {
    vec![Datagram { bytes, ..datagram.clone() }]
}

/// The same message with another name in its last ID payload: IDr.
fn with_responder(raw: &[u8], text: &str) -> Vec<u8> {
    let text = craft::leak(text.as_bytes());
    bend(raw, |_, payloads| {
        if let Some(Payload::Id(id)) = payloads.iter_mut().rev().find(|p| p.ty() == PayloadType::ID) {
            id.data = text;
        }
    })
}

fn nobody_is_established(pair: &mut Pair, what: &str) {
    for n in 0..2 {
        assert!(!pair.is_established(n), "{what}: node {n} is established");
        assert_eq!(pair.metrics(n).sessions, 0, "{what}");
    }
}

/// Eve puts her own name on Alice's request and passes everything else on: nobody is fooled about who called.
#[test]
fn misbinding_of_the_initiators_name() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let mut bob = parties.bob(mode, 2);
        if matches!(mode, Mode::Psk | Mode::Cce2Psk) {
            let mut table = PskTable::new();
            for peer in [ALICE, EVE] {
                table.insert(name(peer), name(BOB), SecretBytes::copy_from(&[7; 32])).unwrap();
            }
            bob.psks = Arc::new(table);
        }
        let pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), bob);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| match kind(&datagram.bytes) {
            DataType::INIT_REQ => with(&datagram, with_first_id(&datagram.bytes, EVE)),
            _ => vec![datagram],
        });
        pair.start(BOB).run(Time::from_secs(30));
        nobody_is_established(&mut pair, "Eve's name on Alice's call");
        let unproven = [DropReason::Unauthenticated, DropReason::BadSignature];
        assert!(unproven.iter().any(|why| pair.metrics(1).drops(*why) > 0));
    }
}

/// Alice calls Eve, who passes it on to Bob as a call to him: Bob must not think that Alice called him.
#[test]
fn a_call_to_one_is_not_accepted_by_another() {
    let parties = Parties::new(KeyKind::Ed25519);
    let alice = parties.alice(Mode::Certificate, 1);
    let pair = Pair::new(Link::perfect(1), alice, parties.bob(Mode::Certificate, 2));
    let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| match kind(&datagram.bytes) {
        DataType::INIT_REQ => with(&datagram, with_responder(&datagram.bytes, BOB)),
        DataType::INIT_RESP => with(&datagram, with_responder(&datagram.bytes, EVE)),
        _ => vec![datagram],
    });
    pair.start(EVE).run(Time::from_secs(30));
    nobody_is_established(&mut pair, "a call to Eve, passed on to Bob");
}

/// The same by an Eve who holds the keys on both sides: Alice wants to talk to her, and Eve shows Alice's AUTH to Bob.
#[test]
fn misbinding_by_a_peer_that_alice_called() {
    let parties = Parties::new(KeyKind::Ed25519);
    let alice = parties.alice(Mode::Certificate, 1);
    let pair = Pair::new(Link::perfect(1), alice, parties.bob(Mode::Certificate, 2));
    let mut middle: Option<Middle> = None;
    let mut answer: Option<Vec<u8>> = None;
    let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
        let raw = &datagram.bytes;
        match kind(raw) {
            DataType::INIT_REQ => {
                let middle = middle
                    .get_or_insert_with(|| Middle::named(provider(6), raw, |m1| with_responder(m1, BOB)));
                with(&datagram, middle.init_req())
            }
            DataType::INIT_RESP => {
                let middle = middle.as_mut().unwrap();
                let renamed = |m2: &[u8]| with_responder(m2, EVE);
                with(&datagram, answer.get_or_insert_with(|| middle.init_resp_as(raw, renamed)).clone())
            }
            DataType::CCE_REQ => with(&datagram, middle.as_ref().unwrap().cce_req(raw)),
            _ => with(&datagram, middle.as_ref().unwrap().cce_resp(raw)),
        }
    });
    pair.start(EVE).run(Time::from_secs(30));
    nobody_is_established(&mut pair, "Alice's proof for Eve, shown to Bob");
    let refused =
        |e: &Event| matches!(e, Event::CallerRefused { why: Error::Peer(PeerFault::AuthFailed), .. });
    assert!(pair.events[1].iter().any(refused), "Bob saw Alice's AUTH and refused it");
}

/// No CA checks that who asks for a certificate holds its key: Eve has one for Alice's key in her own name, and one of
/// Alice's signatures.
#[test]
fn a_certificate_for_somebody_elses_key_is_of_no_use() {
    let ca = Ca::new("ca");
    let (certificate, key) = ca.issue(ALICE, KeyKind::Ed25519, |_| ());
    let for_eve = ca.certify_key(EVE, &key);
    // What Alice signs in a call to Eve, who holds the keys of that call.
    let mut with_eve = HandCaller::new(1, ALICE, Some(EVE), &msp(4), &[]);
    let eve_endpoint = certified(&ca, EVE, KeyKind::Ed25519, 8);
    let mut world = World::new(Link::perfect(1), [Endpoint::new(eve_endpoint).unwrap()]);
    world.inject(Datagram { from: address(77), to: address(0), bytes: with_eve.m1.clone() });
    let m2 = world.sent.pop().unwrap().bytes;
    let m3 = with_eve.cce_req(&m2, &Shows::certificate((certificate, key)));
    let plaintext = with_eve.leg.as_ref().unwrap().open(Role::Initiator, false, &m3);
    let (_, _, signature) = split_auth(&m3, &plaintext);
    // Eve calls Bob with it.
    let bob = Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 2)).unwrap();
    let mut world = World::new(Link::perfect(1), [bob]);
    let mut eve = HandCaller::new(1, EVE, Some(BOB), &msp(4), &[]);
    world.inject(Datagram { from: address(77), to: address(0), bytes: eve.m1.clone() });
    let m2 = world.sent.pop().unwrap().bytes;
    let shows = Shows { method: 4, certs: vec![for_eve], auth: Some(signature), ..Shows::default() };
    let m3 = eve.cce_req(&m2, &shows);
    world.inject(Datagram { from: address(77), to: address(0), bytes: m3 });
    assert_eq!(world.node(0).metrics().sessions, 0);
    let refused =
        |e: &Event| matches!(e, Event::CallerRefused { why: Error::Peer(PeerFault::AuthFailed), .. });
    assert!(world.events(0).iter().any(refused));
}

/// Somebody on the path takes the better algorithms out of the offer. The offer is under both AUTHs.
#[test]
fn an_offer_that_was_lowered_on_the_way_is_not_accepted() {
    let parties = Parties::new(KeyKind::Ed25519);
    let lowered: [(MspParam, &[u8]); 6] = [
        (MspParam::PRF, &[1]),
        (MspParam::SUITE, &[1]),
        (MspParam::DH_GROUP, &[31]),
        (MspParam::MY_AUTH, &[5]),
        (MspParam::PEER_AUTH, &[5]),
        (MspParam::RESUMPTION, &[0]),
    ];
    for (ty, values) in lowered {
        let (mut alice, mut bob) = (parties.alice(Mode::Certificate, 1), parties.bob(Mode::Certificate, 2));
        alice.psks = psks(ALICE, BOB, [7; 32]);
        bob.psks = psks(ALICE, BOB, [7; 32]);
        let pair = Pair::new(Link::perfect(1), alice, bob);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_REQ {
                return vec![datagram];
            }
            let bytes = with_msp(&datagram.bytes, |params| {
                params.iter_mut().filter(|p| p.ty == ty).for_each(|p| p.values = values);
            });
            assert_ne!(bytes, datagram.bytes, "{ty:?} was not changed");
            with(&datagram, bytes)
        });
        pair.start(BOB).run(Time::from_secs(30));
        nobody_is_established(&mut pair, &format!("{ty:?} lowered to {values:?}"));
    }
}

/// Who has a key with somebody is called by itself: Alice's request comes back to her as a call by Bob.
#[test]
fn selfie_with_the_names_turned_around() {
    let pair =
        Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    let half_open = Arc::new(Mutex::new(false));
    let opened = Arc::clone(&half_open);
    let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
        if datagram.from != address(0) {
            return Vec::new();
        }
        let raw = &datagram.bytes;
        let back = |bytes| vec![Datagram { from: address(1), to: address(0), bytes }];
        match kind(raw) {
            // Bob calls Alice, with Alice's own nonce and DH value.
            DataType::INIT_REQ => back(with_responder(&with_first_id(raw, BOB), ALICE)),
            // She answers; the answer is turned into Bob's.
            DataType::INIT_RESP => {
                *opened.lock().unwrap() = true;
                back(with_first_id(raw, BOB))
            }
            // CCE_REQ and CCE_RESP as they are: both ends have the same SPIs.
            _ => back(raw.clone()),
        }
    });
    pair.start(BOB).run(Time::from_secs(30));
    assert!(*half_open.lock().unwrap(), "the attack went as far as a half-open session");
    assert!(!pair.is_established(0), "Alice is connected to herself");
    assert_eq!(pair.metrics(0).sessions, 0);
    assert!(pair.metrics(0).drops(DropReason::Unauthenticated) > 0);
}

/// Two sessions whose nonces, SPIs and pre-shared key an attacker has made equal still have keys of their own.
#[test]
fn two_sessions_have_no_key_in_common() {
    let mut seen = HashSet::new();
    for seed in 0..20 {
        // The same randomness for everybody, so that nothing but names, or nothing but the policy, differs.
        for (a, b) in [(ALICE, BOB), (EVE, BOB), (ALICE, EVE)] {
            for suite in [3, 4] {
                let (mut alice, mut bob) = (with_psk(a, b, [7; 32], seed), with_psk(b, a, [7; 32], seed));
                for config in [&mut alice, &mut bob] {
                    config.policy.suites = vec![mikey_crypto::SuiteId(suite)];
                }
                let mut pair = Pair::new(Link::perfect(1), alice, bob);
                let (alice, _) = pair.start(b).run(Time::from_secs(10)).established();
                for stream in &alice.keys.streams {
                    let key = stream.master_key.expose().to_vec();
                    assert!(seen.insert(key), "{a} and {b}, suite {suite}: a key of another session");
                }
            }
        }
    }
}

/// Each half of the hybrid's values is under AUTH: changing a bit of either ends in nothing.
#[test]
fn kem_and_dh_values_cannot_be_changed() {
    for (message, at) in [
        // The encapsulation key (its seed, at the end, so that the modulus check says nothing) and X25519 in a request.
        (DataType::INIT_REQ, 1183),
        (DataType::INIT_REQ, 1200),
        // The ciphertext and X25519 in an answer.
        (DataType::INIT_RESP, 0),
        (DataType::INIT_RESP, 1087),
        (DataType::INIT_RESP, 1100),
    ] {
        let (mut alice, mut bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
        for config in [&mut alice, &mut bob] {
            config.policy.groups = vec![GroupId::X25519_MLKEM768];
        }
        let pair = Pair::new(Link::perfect(1), alice, bob);
        let mut pair = pair.with_adversary(move |_: Time, mut datagram: Datagram| {
            if kind(&datagram.bytes) == message {
                let dh = craft::span(&datagram.bytes, PayloadType::DH).start;
                datagram.bytes[dh + 2 + at] ^= 1;
            }
            vec![datagram]
        });
        pair.start(BOB).run(Time::from_secs(30));
        nobody_is_established(&mut pair, &format!("{message:?}, octet {at} of the value"));
    }
}

/// The offer has the hybrid and X25519; somebody takes the hybrid out, or answers without it.
#[test]
fn kem_stripped_from_the_offer() {
    let (mut alice, mut bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    for config in [&mut alice, &mut bob] {
        config.policy.groups = vec![GroupId::X25519_MLKEM768, GroupId::X25519];
    }
    // Alice's guess is the hybrid, so the offer cannot simply lose it: an Invalid DH is forged first.
    let pair = Pair::new(Link::perfect(1), alice, bob);
    let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
        let raw = &datagram.bytes;
        if kind(raw) != DataType::INIT_REQ {
            return vec![datagram];
        }
        let request = mikey_wire::v2::InitReq::decode(raw).unwrap();
        if request.dh.group == GroupId::X25519_MLKEM768.0 {
            let values = |ty: MspParam| match ty {
                MspParam::DH_GROUP => craft::leak(&[31]),
                MspParam::LONGEST => request.offer.values(ty).unwrap(),
                ty => &request.offer.values(ty).unwrap()[..1],
            };
            let params =
                request.offer.params.iter().map(|p| mikey_wire::SpParam { ty: p.ty.0, value: values(p.ty) });
            let sp = mikey_wire::Sp { params: params.collect(), ..request.offer.to_sp() };
            let bytes = craft::error(raw, 6, None, &[Payload::Sp(sp)]);
            return vec![Datagram { from: address(1), to: address(0), bytes }];
        }
        let stripped = with_msp(raw, |params| {
            params.iter_mut().filter(|p| p.ty == MspParam::DH_GROUP).for_each(|p| p.values = &[31]);
        });
        with(&datagram, stripped)
    });
    pair.start(BOB).run(Time::from_secs(30));
    nobody_is_established(&mut pair, "an offer without its hybrid group");
}

/// With `pq-required` an answer without the hybrid is not even looked at, and the true one is waited for.
// R6.9
#[test]
fn kem_required_is_waited_for() {
    let (mut alice, mut bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    alice.policy = Policy::pq_required();
    bob.policy = Policy::pq_required();
    let pair = Pair::new(Link::perfect(1), alice, bob);
    let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
        if kind(&datagram.bytes) != DataType::INIT_RESP {
            return vec![datagram];
        }
        let group = provider(9).group(GroupId::X25519).unwrap().start(&*provider(9).random).unwrap();
        let choice = with_msp(&datagram.bytes, |params| {
            params.iter_mut().filter(|p| p.ty == MspParam::DH_GROUP).for_each(|p| p.values = &[31]);
        });
        let without = craft::with_group(&choice, 31, group.value());
        vec![Datagram { bytes: without, ..datagram.clone() }, datagram]
    });
    let (alice, _) = pair.start(BOB).run(Time::from_secs(30)).agreed();
    assert_eq!(alice.negotiated.group, GroupId::X25519_MLKEM768);
    assert_eq!(pair.metrics(0).drops(DropReason::BadAnswer), 1);
}

fn with_sas(own: &str, seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
    config.policy.local_methods = vec![MethodId::SAS];
    config.policy.remote_methods = vec![MethodId::SAS];
    config
}

/// Who could choose what it reveals after it has seen the other's share would try values until the strings are equal.
// R9.10
#[test]
fn sas_reveals_what_was_committed_to() {
    let sha256 = provider(0).sha256;
    for (reveal, fine) in [([9; 32], true), ([8; 32], false), ([0; 32], false)] {
        let digest = sha256.digest(&[b"MIKEYv2 SAS commit", &[9; 32]]);
        let commit: [u8; 32] = digest.as_ref().try_into().unwrap();
        let mut world = World::new(Link::perfect(1), [Endpoint::new(with_sas(BOB, 2)).unwrap()]);
        let mut caller = HandCaller::with_sas(1, ALICE, &commit, reveal);
        world.inject(Datagram { from: address(77), to: address(0), bytes: caller.m1.clone() });
        let m2 = world.sent.pop().unwrap().bytes;
        let m3 = caller.cce_req(&m2, &Shows { method: 6, ..Shows::default() });
        world.inject(Datagram { from: address(77), to: address(0), bytes: m3 });
        let events = world.events(0);
        let shown = events.iter().any(|e| matches!(e, Event::SasReady { .. }));
        let refused = events
            .iter()
            .any(|e| matches!(e, Event::CallerRefused { why: Error::Peer(PeerFault::SasCommitment), .. }));
        assert_eq!((shown, refused), (fine, !fine), "reveal {:02x}", reveal[0]);
    }
}

/// An offer of SAS without a commitment leads nowhere.
#[test]
fn sas_needs_a_commitment() {
    let mut world = World::new(Link::perfect(1), [Endpoint::new(with_sas(BOB, 2)).unwrap()]);
    let caller = HandCaller::new(1, ALICE, None, &msp(6), &[]);
    world.inject(Datagram { from: address(77), to: address(0), bytes: caller.m1.clone() });
    let answer = world.sent.pop().map(|d| kind(&d.bytes));
    assert_ne!(answer, Some(DataType::INIT_RESP));
    assert_eq!(world.node(0).metrics().half_open, 0);
}

/// Somebody in the middle gets two strings, one with each person, and they differ.
#[test]
fn sas_differs_with_somebody_in_the_middle() {
    for seed in 0..20 {
        let strings: Arc<Mutex<Vec<String>>> = Arc::default();
        let pair = Pair::new(Link::perfect(1), with_sas(ALICE, 2 * seed), with_sas(BOB, 2 * seed + 1));
        let mut middle: Option<Middle> = None;
        let mut answer: Option<Vec<u8>> = None;
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            let raw = &datagram.bytes;
            let middle = middle.get_or_insert_with(|| Middle::new(provider(1000 + seed), raw, &[]));
            match kind(raw) {
                DataType::INIT_REQ => with(&datagram, middle.init_req()),
                DataType::INIT_RESP => {
                    with(&datagram, answer.get_or_insert_with(|| middle.init_resp(raw)).clone())
                }
                // It knows both keys of AUTH by SAS, so it can make its own for each side.
                DataType::CCE_REQ => with(&datagram, middle.cce_req_by_mac(raw, [ALICE, BOB])),
                DataType::CCE_RESP => with(&datagram, middle.cce_resp_by_mac(raw, [ALICE, BOB])),
                _ => Vec::new(),
            }
        });
        pair.start(BOB).run(Time::from_secs(10));
        for n in 0..2 {
            for event in &pair.events[n] {
                if let Event::SasReady { sas, .. } = event {
                    strings.lock().unwrap().push(sas.base32());
                }
            }
        }
        let strings = strings.lock().unwrap();
        assert_eq!(strings.len(), 2, "seed {seed}: both see a string, for nobody is authenticated yet");
        assert_ne!(strings[0], strings[1], "seed {seed}");
    }
}

/// A session that somebody else's SPIs point to stays what it is.
// R10.13
#[test]
fn a_new_call_with_the_spis_of_a_session_does_not_replace_it() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let mut pair = parties.pair(mode, Link::perfect(1), 1);
        let (alice, bob) = pair.start(BOB).run(Time::from_secs(1)).established();
        let m1 = pair.world.sent[0].bytes.clone();
        let spis = craft::session(&pair.world.sent[3].bytes);
        let other =
            HandCaller::new(3, EVE, Some(BOB), &msp(if mode == Mode::Psk { 5 } else { 4 }), &[1; 32]).m1;
        let same_spi = with_session(&other, |s| s.spi_i = spis.spi_i);
        pair.inject(address(9), 1, &same_spi);
        pair.inject(address(9), 1, &m1);
        pair.run(Time::from_secs(5));
        let export = |n: usize, session| {
            pair.world.node(n).export(session, b"still", b"", 16).unwrap().expose().to_vec()
        };
        assert_eq!(export(0, alice.session), export(1, bob.session));
        assert_eq!(pair.world.node(1).remote(bob.session), Some(address(0)));
    }
}
