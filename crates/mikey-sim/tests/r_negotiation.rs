//! RFC 5479 sections 5.1 and 5.2: what is negotiated, at what cost, and against whom (docs/requirements.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod common_r;

use std::sync::Arc;

use common::craft::{self, kind, leak, with_msp};
use common::*;
use common_r::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};
use mikey_proto::{
    AcceptStreams, Call, Confidentiality, Endpoint, EndpointConfig, Negotiated, Policy, Side, Stream, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, World, address};
use mikey_wire::v2::{InitReq, InitResp, MspEntry};
use mikey_wire::{DataType, MspParam, Payload};

/// What the SRTP of this project has.
const POLICIES: [SrtpPolicy; 5] = [
    SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
    SrtpPolicy::AES_CM_128_HMAC_SHA1_80,
    SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
    SrtpPolicy::AEAD_AES_128_GCM,
    SrtpPolicy::AEAD_AES_256_GCM,
];

fn psk_pair(change: impl Fn(usize, &mut EndpointConfig)) -> World<Endpoint> {
    let mut ends = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)];
    ends.iter_mut().enumerate().for_each(|(n, config)| change(n, config));
    endpoints(ends)
}

fn call(world: &mut World<Endpoint>, streams: Vec<Stream>) {
    let call = Call::new(name(BOB), streams);
    world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    let until = world.now() + core::time::Duration::from_secs(40);
    world.run_until(until);
}

/// Every call between the same two, and every stream of it, gets the policy that was agreed on for it. The SSRCs of the calls
/// are the same, and so are those of both directions: no key serves twice, not after a rekey either.
#[test]
fn r_negotiate() {
    let mut world = psk_pair(|_, _| ());
    let stream = |sender, ssrc, policies: &[SrtpPolicy]| Stream {
        ssrc: (sender == Side::Local).then_some(ssrc),
        policies: policies.to_vec(),
        ..Stream::new(sender, POLICIES[0])
    };
    let mut keys = Vec::new();
    let mut known = Vec::new();
    for (audio, video) in [(POLICIES[0], POLICIES[4]), (POLICIES[3], POLICIES[1]), (POLICIES[0], POLICIES[4])]
    {
        let streams = [audio, video]
            .into_iter()
            .zip([0x111, 0x222])
            .flat_map(|(policy, ssrc)| [Side::Local, Side::Remote].map(|side| stream(side, ssrc, &[policy])));
        call(&mut world, streams.collect());
        let at_alice = sessions(world.events(0)).remove(0);
        let at_bob = sessions(world.events(1)).remove(0);
        let agreed: Vec<_> = at_alice.streams.iter().map(|s| s.policy).collect();
        for (side, policy) in [(Side::Local, audio), (Side::Local, video), (Side::Remote, audio)] {
            assert!(at_alice.streams.iter().any(|s| (s.sender, s.policy) == (side, policy)), "{agreed:?}");
        }
        assert_eq!(master_keys(&at_alice), master_keys(&at_bob));
        keys.extend(master_keys(&at_alice));
        known.push((at_alice.session, at_alice));
    }
    for (session, _) in &known {
        world.act(0, |now, alice| alice.rekey(now, *session, false)).unwrap();
        let until = world.now() + core::time::Duration::from_secs(5);
        world.run_until(until);
    }
    for event in world.events(0) {
        if let mikey_proto::Event::SrtpKeysReady { keys: new, .. } = event {
            keys.extend(new.streams.iter().map(|s| s.master_key.expose().to_vec()));
        }
    }
    assert_eq!(keys.len(), 3 * 4 * 2, "three calls of four streams, each rekeyed");
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 24, "two streams with the same SSRC and the same key: a two-time pad");
}

/// One policy or five for each stream, one group or six: the same number of key exchanges, AUTHs and messages.
#[test]
fn r_compute() {
    let cost = |policies: &[SrtpPolicy], groups: &[GroupId], suites: usize| {
        let mut world = psk_pair(|n, config| {
            config.policy = Policy::legacy();
            if n == 0 {
                config.policy.groups = groups.to_vec();
                config.policy.suites.truncate(suites);
            }
        });
        let streams = [Side::Local, Side::Remote]
            .map(|side| Stream { policies: policies.to_vec(), ..Stream::new(side, POLICIES[0]) });
        call(&mut world, streams.to_vec());
        assert_eq!(sessions(world.events(0)).len(), 1);
        let work = [0, 1].map(|n| {
            let metrics = world.node(n).metrics();
            (metrics.key_exchanges, metrics.authenticated, metrics.datagrams_sent)
        });
        let values = world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_REQ).count();
        (work, values)
    };
    let least = cost(&POLICIES[..1], &[GroupId::X25519], 1);
    assert_eq!(least, ([(2, 1, 3), (1, 1, 3)], 1));
    assert_eq!(cost(&POLICIES, &Policy::legacy().groups, 5), least);
}

fn negotiated(alice: Policy, bob: Policy, kind: KeyKind) -> Option<Negotiated> {
    let ca = Ca::new("ca");
    let mut ends = [certified(&ca, ALICE, kind, 1), certified(&ca, BOB, kind, 2)];
    (ends[0].policy, ends[1].policy) = (alice, bob);
    let mut world = endpoints(ends);
    let call = Call::both_ways(name(BOB), POLICIES[1]);
    // No credential that the policy allows: there is not even an offer.
    world.act(0, |now, alice| alice.connect(now, address(1), &call)).ok()?;
    world.run_until(Time::from_secs(40));
    let mut at_alice = sessions(world.events(0));
    assert_eq!(at_alice.len(), sessions(world.events(1)).len());
    at_alice.pop().map(|s| s.negotiated)
}

/// The profile `fips` offers and takes approved algorithms alone.
#[test]
fn r_fips() {
    let mut world = psk_pair(|_, config| config.policy = Policy::fips());
    call(&mut world, vec![Stream::new(Side::Local, POLICIES[4])]);
    let m1 = world.sent[0].bytes.clone();
    let offer = InitReq::decode(&m1).unwrap().offer;
    let approved: [(MspParam, &[u8]); 5] = [
        (MspParam::PRF, &[1, 2]),
        (MspParam::DH_GROUP, &[14, 15, 19, 20]),
        (MspParam::SUITE, &[1, 2, 3, 4]),
        (MspParam(4), &[1, 2, 3, 5]),
        (MspParam(5), &[1, 2, 3, 5]),
    ];
    for (ty, values) in approved {
        let offered = offer.params.iter().find(|entry| entry.ty == ty).unwrap().values;
        assert!(!offered.is_empty() && offered.iter().all(|v| values.contains(v)), "{ty:?}: {offered:?}");
    }
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        for (alice, bob) in [(Policy::fips(), Policy::default()), (Policy::default(), Policy::fips())] {
            let agreed = negotiated(alice, bob, kind).expect("two that have something in common");
            assert!([GroupId::P256, GroupId::P384].contains(&agreed.group));
            assert_ne!(agreed.suite, SuiteId::CHACHA20_POLY1305);
            assert_ne!(agreed.initiator, MethodId::ED25519);
        }
    }
    assert_eq!(negotiated(Policy::fips(), Policy::default(), KeyKind::Ed25519), None, "an Ed25519 key");
    let curve = Policy { groups: vec![GroupId::X25519, GroupId::X25519_MLKEM768], ..Policy::default() };
    assert_eq!(negotiated(Policy::fips(), curve, KeyKind::P256), None, "X25519 alone");
    let chacha = Policy { suites: vec![SuiteId::CHACHA20_POLY1305], ..Policy::default() };
    assert_eq!(negotiated(chacha, Policy::fips(), KeyKind::P256), None, "ChaCha20 alone");
}

type Upgrade = fn(&mut Policy);
type IsNew = fn(&Negotiated) -> bool;

/// Whatever is new can be added on one side at a time: the old goes on with the old, the new meets the new; values of the
/// future are passed over.
#[test]
fn r_agility() {
    let base = || Policy {
        prfs: vec![PrfId::HMAC_SHA_256],
        groups: vec![GroupId::P256],
        suites: vec![SuiteId::AES_CM_128_HMAC_SHA_256],
        ..Policy::default()
    };
    let upgrades: [(&str, Upgrade, IsNew); 3] = [
        ("prf", |p| p.prfs.insert(0, PrfId::HMAC_SHA_384), |n| n.prf == PrfId::HMAC_SHA_384),
        ("group", |p| p.groups.insert(0, GroupId::X25519_MLKEM768), |n| n.group == GroupId::X25519_MLKEM768),
        ("suite", |p| p.suites.insert(0, SuiteId::AES_256_GCM), |n| n.suite == SuiteId::AES_256_GCM),
    ];
    for (what, upgrade, is_new) in upgrades {
        let new = || {
            let mut policy = base();
            upgrade(&mut policy);
            policy
        };
        for (alice, bob, expected) in
            [(base(), base(), false), (new(), base(), false), (base(), new(), false), (new(), new(), true)]
        {
            let agreed = negotiated(alice, bob, KeyKind::Ed25519).expect(what);
            assert_eq!(is_new(&agreed), expected, "{what}");
        }
    }
    // SRTP's own transforms, per stream.
    for chosen in POLICIES {
        let mut world =
            psk_pair(|_, config| config.answer = Arc::new(AcceptStreams { policies: vec![chosen] }));
        let policies = POLICIES.to_vec();
        call(&mut world, vec![Stream { policies, ..Stream::new(Side::Local, POLICIES[0]) }]);
        assert_eq!(sessions(world.events(0))[0].streams[0].policy, chosen);
    }
    // An offer of a later day: values that nobody here knows come first in every list, and a parameter of its own.
    let mut world = psk_pair(|_, _| ());
    call(&mut world, vec![Stream::new(Side::Local, POLICIES[0])]);
    let later = with_msp(&world.sent[0].bytes, |params| {
        for entry in params.iter_mut().filter(|entry| entry.ty.0 <= 5) {
            entry.values = leak(&[&[0xEE], entry.values].concat());
        }
        params.push(MspEntry { ty: MspParam(200), values: &[1, 2, 3] });
    });
    let later = craft::with_rand(&later, [9; 32]);
    let sent = world.sent.len();
    world.inject(Datagram { from: address(5), to: address(1), bytes: later });
    assert_eq!(kind(&world.sent[sent].bytes), DataType::INIT_RESP, "it is not answered");
    let before = InitResp::decode(&world.sent[1].bytes).unwrap().choice;
    let answer = InitResp::decode(&world.sent[sent].bytes).unwrap().choice;
    assert_eq!(answer.params, before.params, "and answered like the offer of today");
}

/// Somebody on the path takes the best away from each list, in every copy; or claims that something weaker is wanted.
// R6.7
#[test]
fn r_downgrade() {
    let both = |n: usize, config: &mut EndpointConfig| {
        config.policy.prfs = vec![PrfId::HMAC_SHA_384, PrfId::HMAC_SHA_256];
        config.policy.groups = vec![GroupId::X25519_MLKEM768, GroupId::X25519, GroupId::P256];
        // The first message has a small value, so that the best is what the responder asks for.
        config.policy.groups[..2].rotate_left(1 - n);
        config.policy.suites = vec![SuiteId::AES_256_GCM, SuiteId::AES_CM_128_HMAC_SHA_256];
        config.policy.confidentiality = vec![Confidentiality::Encrypted, Confidentiality::Clear];
    };
    let streams = || vec![Stream::new(Side::Local, POLICIES[4])];
    let best = |n: &Negotiated| {
        (n.prf, n.group, n.suite, n.confidential)
            == (PrfId::HMAC_SHA_384, GroupId::X25519_MLKEM768, SuiteId::AES_256_GCM, true)
    };
    let mut world = psk_pair(both);
    call(&mut world, streams());
    assert!(best(&sessions(world.events(0))[0].negotiated), "unhindered they take the best");

    let values = [(MspParam::PRF, 2), (MspParam::DH_GROUP, 236), (MspParam::SUITE, 4), (MspParam(7), 1)];
    for (ty, strong) in values {
        let stripping = move |_: Time, mut datagram: Datagram| {
            if kind(&datagram.bytes) == DataType::INIT_REQ {
                datagram.bytes = with_msp(&datagram.bytes, |params| {
                    let entry = params.iter_mut().find(|entry| entry.ty == ty).unwrap();
                    let rest: Vec<u8> = entry.values.iter().copied().filter(|v| *v != strong).collect();
                    assert!(!rest.is_empty(), "nothing is left to fall back to");
                    entry.values = leak(&rest);
                });
            }
            vec![datagram]
        };
        let mut world = psk_pair(both).with_adversary(stripping);
        call(&mut world, streams());
        let answers = world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_RESP).count();
        assert!(answers > 0, "{ty:?}: the responder took what was left");
        for n in [0, 1] {
            assert!(sessions(world.events(n)).is_empty(), "{ty:?}: node {n} accepted less than was offered");
        }
    }

    // A forged "I want P-256": it is tried, and the responder's own choice is what counts.
    let hinting = |_: Time, datagram: Datagram| {
        let (to, from) = (datagram.from, datagram.to);
        if kind(&datagram.bytes) != DataType::INIT_REQ {
            return vec![datagram];
        }
        let mut msp = InitReq::decode(leak(&datagram.bytes)).unwrap().offer;
        for entry in &mut msp.params {
            entry.values = match entry.ty {
                MspParam::DH_GROUP => &[19],
                ty if ty.0 == 8 => entry.values,
                _ => &entry.values[..1],
            };
        }
        let bytes = craft::error(&datagram.bytes, 6, None, &[Payload::Sp(msp.to_sp())]);
        vec![Datagram { from, to, bytes }, datagram]
    };
    let mut world = psk_pair(both).with_adversary(hinting);
    call(&mut world, streams());
    for n in [0, 1] {
        let known = sessions(world.events(n));
        assert!(known.len() == 1 && best(&known[0].negotiated), "node {n}");
    }
    let firsts = world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_REQ);
    let groups: Vec<_> = firsts.map(|d| InitReq::decode(&d.bytes).unwrap().dh.group).collect();
    assert!(groups.contains(&19), "the hint was not even read: {groups:?}");
}
