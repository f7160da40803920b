//! Option 2 (docs/spec.md, chapter 12): calls that complete, and what their sessions can do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;
use std::sync::Arc;

use common::craft::kind;
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};
use mikey_proto::{
    AcceptStreams, ApiMisuse, AuthLevel, Call, CertifiedKey, Confidentiality, DecryptionKey, Endpoint, Event,
    Exchange, Identity, Side, Stream, Time,
};
use mikey_sim::{KeyKind, Link, address, provider};
use mikey_wire::DataType;

fn kinds(pair: &Pair) -> Vec<DataType> {
    pair.world.sent.iter().map(|d| kind(&d.bytes)).collect()
}

#[test]
fn both_modes_complete_and_say_how_the_two_know_each_other() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (mode, level, methods) in [
        (Mode::Cce2Psk, AuthLevel::Psk, (MethodId::PSK, MethodId::PSK)),
        (Mode::Cce2Rsa, AuthLevel::Certificate, (MethodId::RSA_PSS_SHA256, MethodId::RSA_OAEP)),
    ] {
        let mut pair = parties.pair(mode, Link::perfect(1), 1);
        pair.start(BOB).run(Time::from_secs(5));
        assert!(kinds(&pair).ends_with(&mode.messages()[1..]), "{:?}", kinds(&pair));
        let (alice, bob) = pair.agreed();
        assert_eq!((alice.peer.level, bob.peer.level), (level, level));
        assert_eq!(alice.negotiated.exchange, mode.exchange());
        assert_eq!((alice.negotiated.initiator, alice.negotiated.responder), methods);
        let rsa = mode == Mode::Cce2Rsa;
        assert_eq!(alice.peer.certificate, rsa.then(|| envelope::decrypting(&parties.ca, 1)));
        assert_eq!(bob.peer.certificate, rsa.then(|| envelope::signing(&parties.ca, 0)));
    }
}

#[test]
fn every_prf_suite_and_group_will_do() {
    let parties = Parties::new(KeyKind::Ed25519);
    let groups =
        [GroupId::X25519, GroupId::P256, GroupId::P384, GroupId::X25519_MLKEM768, GroupId::MODP_2048];
    for mode in Mode::OPTION_2 {
        for (n, group) in groups.into_iter().enumerate() {
            let suite = SuiteId(u8::try_from(n + 1).unwrap());
            for prf in [PrfId::HMAC_SHA_256, PrfId::HMAC_SHA_384] {
                let (mut alice, mut bob) = (parties.alice(mode, 1), parties.bob(mode, 2));
                for config in [&mut alice, &mut bob] {
                    config.policy.groups = vec![group];
                    config.policy.suites = vec![suite];
                    config.policy.prfs = vec![prf];
                }
                let (alice, _) = Pair::new(Link::perfect(1), alice, bob).call(BOB).agreed();
                let negotiated = (alice.negotiated.group, alice.negotiated.suite, alice.negotiated.prf);
                assert_eq!(negotiated, (group, suite, prf), "{mode:?}");
            }
        }
    }
}

/// INIT_RESP with certificates is longer than three INIT_REQs: it goes to nobody who has not shown its address.
#[test]
fn certificates_in_init_resp_are_preceded_by_a_cookie() {
    let parties = Parties::new(KeyKind::Ed25519);
    let (alice, bob) = (parties.alice(Mode::Cce2Rsa, 1), parties.bob(Mode::Cce2Rsa, 2));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(5)).agreed();
    use DataType as T;
    let sent = [T::INIT_REQ, T::ERROR, T::INIT_REQ, T::INIT_RESP, T::CCE2_REQ, T::CCE2_RESP];
    assert_eq!(kinds(&pair), sent);
    assert_eq!(
        (pair.metrics(1).cookies_sent, pair.metrics(1).key_exchanges),
        (1, 1),
        "no DH before the cookie"
    );
    let lens: Vec<_> = pair.world.sent.iter().map(|d| d.bytes.len()).collect();
    assert!(lens[3] > 3 * lens[0], "{lens:?}: this test shows nothing");
    // A request that is long enough needs none.
    let (mut alice, bob) = (parties.alice(Mode::Cce2Rsa, 1), parties.bob(Mode::Cce2Rsa, 2));
    alice.policy.groups = vec![GroupId::X25519_MLKEM768];
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(5)).agreed();
    assert_eq!(kinds(&pair), Mode::Cce2Rsa.messages());
}

/// CCE2_RESP has no SP: its CS map says which policy of each stream was chosen.
#[test]
fn srtp_policies_are_negotiated() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut bob = parties.bob(mode, 2);
        let wanted = [SrtpPolicy::AEAD_AES_256_GCM, SrtpPolicy::AES_CM_128_HMAC_SHA1_32];
        bob.answer = Arc::new(AcceptStreams { policies: wanted.to_vec() });
        let mut pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), bob);
        let stream = |sender, policies: &[SrtpPolicy]| Stream {
            policies: policies.to_vec(),
            ..Stream::new(sender, SrtpPolicy::AEAD_AES_128_GCM)
        };
        let all = [SrtpPolicy::AES_CM_128_HMAC_SHA1_80, wanted[1], wanted[0]];
        let streams = vec![
            Stream { ssrc: Some(0x1111), ..stream(Side::Local, &all) },
            stream(Side::Remote, &all[..2]),
            stream(Side::Remote, &all),
        ];
        let call = Call::new(name(BOB), streams);
        pair.call = Some(pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap());
        let (alice, _) = pair.run(Time::from_secs(20)).agreed();
        let got: Vec<_> = alice.keys.streams.iter().map(|s| (s.cs_id, s.policy, s.ssrc)).collect();
        let expected = [(1, wanted[0], Some(0x1111)), (2, wanted[1], None), (4, wanted[0], None)];
        assert_eq!(got, expected, "{mode:?}");
    }
}

/// What the draft calls a rekey in one round trip, in both directions, with a new DH and without; liveness, exports, the end.
#[test]
fn sessions_are_renewed_probed_exported_from_and_closed_like_others() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (mode, confidentiality) in Mode::OPTION_2
        .into_iter()
        .flat_map(|m| [Confidentiality::Encrypted, Confidentiality::Clear].map(|c| (m, c)))
    {
        let (mut alice, mut bob) = (parties.alice(mode, 1), parties.bob(mode, 2));
        for config in [&mut alice, &mut bob] {
            config.policy.confidentiality = vec![confidentiality];
        }
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        let (alice, bob) = pair.start(BOB).run(Time::from_secs(5)).agreed();
        let sessions = [alice.session, bob.session];
        let export = |pair: &Pair, n: usize| {
            let octets = pair.world.node(n).export(sessions[n], b"EXPORTER-test", b"context", 40).unwrap();
            octets.expose().to_vec()
        };
        let exported = export(&pair, 0);
        assert_eq!(exported, export(&pair, 1));
        let mut seen: Vec<Vec<u8>> = keys_of(&alice.keys.streams);
        for (generation, (node, with_dh)) in
            (1..).zip([(0, false), (1, false), (0, true), (1, true), (0, false)])
        {
            pair.world.act(node, |now, e| e.rekey(now, sessions[node], with_dh)).unwrap();
            let until = pair.world.now() + Duration::from_secs(20);
            pair.run(until);
            let [ours, theirs] = [0, 1].map(|n| keys_of(hostile::generation(&pair.events[n], generation)));
            assert_eq!(ours, theirs, "{mode:?}, {confidentiality:?}");
            assert_eq!(ours.len(), 2);
            assert!(ours.iter().all(|key| !seen.contains(key)), "a key of an earlier generation");
            seen.extend(ours);
        }
        assert_eq!((exported.clone(), exported), (export(&pair, 0), export(&pair, 1)));
        pair.world.act(1, |now, bob| bob.probe(now, sessions[1])).unwrap();
        let until = pair.world.now() + Duration::from_secs(20);
        pair.run(until);
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1));
        pair.world.act(0, |now, alice| alice.close(now, sessions[0])).unwrap();
        let until = pair.world.now() + Duration::from_secs(20);
        pair.run(until);
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (0, 0));
    }
}

fn keys_of<'a>(
    streams: impl IntoIterator<Item = impl std::borrow::Borrow<mikey_proto::StreamKeys> + 'a>,
) -> Vec<Vec<u8>> {
    streams.into_iter().map(|s| s.borrow().master_key.expose().to_vec()).collect()
}

/// No word of it by default, on either side.
#[test]
fn nobody_speaks_it_who_does_not_want_to() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        for (alice_wants, bob_wants) in [(true, false), (false, true)] {
            let (mut alice, mut bob) = (parties.alice(mode, 1), parties.bob(mode, 2));
            for (config, wants) in [(&mut alice, alice_wants), (&mut bob, bob_wants)] {
                let both = vec![mode.exchange(), Exchange::Cce];
                config.policy.exchanges = if wants { both } else { vec![Exchange::Cce] };
            }
            let mut pair = Pair::new(Link::perfect(1), alice, bob);
            let (alice, _) = pair.call(BOB).agreed();
            assert_eq!(alice.negotiated.exchange, Exchange::Cce, "{mode:?}");
        }
    }
    assert_eq!(mikey_proto::Policy::default().exchanges, [Exchange::Cce]);
    assert_eq!(mikey_proto::Policy::fips().exchanges, [Exchange::Cce]);
}

/// Without something in common nothing is agreed on.
#[test]
fn without_a_common_exchange_the_call_fails() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (ours, theirs) in [
        (Exchange::Cce2Psk, Exchange::Cce),
        (Exchange::Cce, Exchange::Cce2Psk),
        (Exchange::Cce2Rsa, Exchange::Cce2Psk),
    ] {
        let (mut alice, mut bob) = (parties.alice(Mode::Cce2Rsa, 1), parties.bob(Mode::Cce2Rsa, 2));
        (alice.psks, bob.psks) = (psks(ALICE, BOB, [7; 32]), psks(ALICE, BOB, [7; 32]));
        alice.policy.exchanges = vec![ours];
        bob.policy.exchanges = vec![theirs];
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        pair.start(BOB).run(Time::from_secs(20));
        let why = pair.failure().unwrap().to_string();
        assert!(why.contains("no parameters in common"), "{ours:?}, {theirs:?}: {why}");
    }
}

/// CCE2_REQ has no place for a true name: who hides calls by CCE, or not at all.
// R12.5
#[test]
fn who_hides_its_name_does_not_offer_it() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (hidden, exchanges, expected) in [
        ("@example.com", vec![Exchange::Cce2Rsa, Exchange::Cce], Some(Exchange::Cce)),
        ("@example.com", vec![Exchange::Cce2Rsa], None),
    ] {
        let (mut alice, mut bob) = (parties.alice(Mode::Cce2Rsa, 1), parties.bob(Mode::Cce2Rsa, 2));
        alice.policy.exchanges = exchanges.clone();
        bob.policy.exchanges = exchanges;
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        call.hidden_as = Some(name(hidden));
        let started = pair.world.act(0, |now, alice| alice.connect(now, address(1), &call));
        match expected {
            Some(exchange) => {
                let (alice, _) = pair.run(Time::from_secs(20)).agreed();
                assert_eq!(alice.negotiated.exchange, exchange);
            }
            None => assert_eq!(started, Err(ApiMisuse::NoCredential.into())),
        }
    }
}

/// A request that is repeated after its answer draws the stored answer, and another one with its number nothing.
#[test]
fn a_repeated_request_draws_the_same_answer() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut pair = parties.pair(mode, Link::perfect(1), 1);
        pair.start(BOB).run(Time::from_secs(2)).agreed();
        let find = |pair: &Pair, ty: DataType| {
            pair.world.sent.iter().find(|d| kind(&d.bytes) == ty).unwrap().bytes.clone()
        };
        let (m3, m4) = (find(&pair, DataType::CCE2_REQ), find(&pair, DataType::CCE2_RESP));
        for _ in 0..3 {
            pair.inject(address(0), 1, &m3);
            assert_eq!(pair.world.sent.last().unwrap().bytes, m4);
        }
        let sent = pair.world.sent.len();
        let mut other = m3;
        *other.last_mut().unwrap() ^= 1;
        pair.inject(address(0), 1, &other);
        assert_eq!(pair.world.sent.len(), sent);
        let drops = pair.metrics(1).drops(mikey_proto::DropReason::Replayed);
        assert_eq!((drops, pair.metrics(1).sessions), (1, 1));
    }
}

/// A forked call: two phones answer, each is a branch with keys of its own, and the first one that proves its name is taken.
#[test]
fn a_forked_call_has_a_branch_for_each_answer() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let nodes = [parties.alice(mode, 1), parties.bob(mode, 2), parties.bob(mode, 3)]
            .map(|config| Endpoint::new(config).unwrap());
        let mut world = mikey_sim::World::new(Link::perfect(1), nodes).with_adversary(
            |_: Time, d: mikey_sim::Datagram| match kind(&d.bytes) {
                DataType::INIT_REQ => {
                    let other = mikey_sim::Datagram { to: address(2), ..d.clone() };
                    vec![d, other]
                }
                _ => vec![d],
            },
        );
        let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        call.branches = mikey_proto::Branches::Keep;
        world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
        world.run_until(Time::from_secs(10));
        let mut keys = Vec::new();
        for event in world.events(0) {
            if let Event::SrtpKeysReady { keys: ready, .. } = event {
                keys.extend(keys_of(&ready.streams));
            }
        }
        assert_eq!(keys.len(), 4, "{mode:?}: two sessions of two streams");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4, "{mode:?}: no key twice");
    }
}

/// The provider of the fuzzer, behind which whatever is sent gets past seals and signatures, gets to sessions of Option 2 too.
#[test]
fn the_null_provider_leads_to_sessions() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut configs = [parties.alice(mode, 1), parties.bob(mode, 2)];
        for (n, config) in configs.iter_mut().enumerate() {
            let null = mikey_sim::null_provider(u64::try_from(n).unwrap());
            if mode == Mode::Cce2Rsa {
                let spki = |at: usize| {
                    (provider(1).load_decryptor)(envelope::KEYS[n][at]).unwrap().public_key().to_vec()
                };
                let signing = vec![envelope::signing(&parties.ca, n)];
                let signing = CertifiedKey::load(&null, signing, &spki(0)).unwrap();
                let decrypting = vec![envelope::decrypting(&parties.ca, n)];
                let decrypting = DecryptionKey::load(&null, decrypting, &spki(1)).unwrap();
                let identity = Identity::with_certificate(name([ALICE, BOB][n]), signing).unwrap();
                config.identities = vec![identity.with_decryption(decrypting).unwrap()];
            }
            config.provider = null;
            config.policy.groups = vec![GroupId::X25519];
            config.policy.suites = vec![SuiteId::AES_128_GCM];
            let known = |m: &MethodId| !m.is_signature() || matches!(m.0, 1 | 4);
            config.policy.local_methods.retain(known);
            config.policy.remote_methods.retain(known);
        }
        let [alice, bob] = configs;
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        pair.start(BOB).run(Time::from_secs(5));
        assert!(pair.is_established(0) && pair.is_established(1), "{mode:?}");
    }
}
