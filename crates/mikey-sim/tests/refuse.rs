//! Peers that are wrong in their key exchange, their pre-shared key, their name, their offer or their streams. Each is
//! refused, and an honest call to the same endpoint completes afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::craft::{kind, with_dh, with_group, with_msp};
use common::hand::{HandCallee, HandCaller, Shows, msp, stream};
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, MethodId, SecretBytes};
use mikey_proto::{
    ApiMisuse, Call, DropReason, Endpoint, EndpointConfig, Error, Identity, PskTable, Stage, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::{DataType, MspParam};

const CAROL: &str = "sip:carol@example.com";

/// Bob with the keys of Alice and of Carol.
fn bob_of_two(alices: [u8; 32], carols: [u8; 32]) -> EndpointConfig {
    let mut table = PskTable::new();
    for (peer, key) in [(ALICE, alices), (CAROL, carols)] {
        table.insert(name(peer), name(BOB), SecretBytes::copy_from(&key)).unwrap();
    }
    let mut bob = EndpointConfig::new(provider(2), Identity::new(name(BOB)));
    bob.psks = Arc::new(table);
    bob
}

#[test]
fn a_wrong_psk_ends_in_silence() {
    let mut pair =
        Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [1; 32], 1), bob_of_two([2; 32], [3; 32]));
    pair.start(BOB).run(Time::from_secs(40));
    assert_eq!(
        pair.failure(),
        Some(Error::Timeout { stage: Stage::UnverifiedPsk, hint: None }),
        "who has the wrong key learns that nobody answered"
    );
    assert!(!pair.is_established(0) && !pair.is_established(1));
    assert!(pair.metrics(1).drops(DropReason::Unauthenticated) > 0);
    let mut pair =
        Pair::new(Link::perfect(1), with_psk(CAROL, BOB, [3; 32], 4), bob_of_two([2; 32], [3; 32]));
    pair.call(BOB).established();
}

/// Who has the key can seal CCE, and still has to say who it is: AUTH is over both names and all messages.
#[test]
fn a_psk_does_not_replace_auth() {
    let call = |shows: &Shows| {
        let bob = Endpoint::new(bob_of_two([2; 32], [3; 32])).unwrap();
        let mut world = World::new(Link::perfect(1), [bob]);
        let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(5), &[2; 32]);
        world.inject(Datagram { from: address(77), to: address(0), bytes: caller.m1.clone() });
        let m2 = world.sent.pop().unwrap().bytes;
        let m3 = caller.cce_req(&m2, shows);
        world.inject(Datagram { from: address(77), to: address(0), bytes: m3 });
        (world.node(0).metrics().sessions, world.node(0).metrics().refused)
    };
    assert_eq!(call(&Shows::psk()), (1, 0), "all is right");
    let wrong = [
        Shows { auth_name: Some(CAROL), ..Shows::psk() },
        Shows { auth: Some(vec![]), ..Shows::psk() },
        Shows { auth: Some(vec![0; 32]), ..Shows::psk() },
        Shows { auth: Some(vec![0; 31]), ..Shows::psk() },
        Shows { id: Some(CAROL), ..Shows::psk() },
        Shows { method: 6, ..Shows::psk() },
        Shows { method: 4, ..Shows::psk() },
        // Encryption was negotiated.
        Shows { clear: true, ..Shows::psk() },
    ];
    for (n, shows) in wrong.iter().enumerate() {
        assert_eq!(call(shows), (0, 1), "case {n}");
    }
}

/// The same for who is called.
#[test]
fn a_psk_does_not_replace_auth_of_the_callee() {
    let call = |shows: &Shows| {
        let alice = Endpoint::new(with_psk(ALICE, BOB, [2; 32], 1)).unwrap();
        let mut world = World::new(Link::perfect(1), [alice]);
        let wanted = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        world.act(0, |now, alice| alice.connect(now, address(77), &wanted)).unwrap();
        let mut callee = HandCallee::new(6, BOB, &[2; 32]);
        let m2 = callee.init_resp(&world.sent.pop().unwrap().bytes, &msp(5));
        world.inject(Datagram { from: address(77), to: address(0), bytes: m2 });
        let m4 = callee.cce_resp(&world.sent.pop().unwrap().bytes, shows);
        world.inject(Datagram { from: address(77), to: address(0), bytes: m4 });
        (world.node(0).metrics().sessions, world.node(0).metrics().refused)
    };
    assert_eq!(call(&Shows::psk()), (1, 0), "all is right");
    for shows in [
        Shows { auth_name: Some(CAROL), ..Shows::psk() },
        Shows { auth: Some(vec![0; 32]), ..Shows::psk() },
        Shows { id: Some(CAROL), ..Shows::psk() },
        Shows { method: 6, ..Shows::psk() },
        Shows { clear: true, ..Shows::psk() },
    ] {
        assert_eq!(call(&shows), (0, 1));
    }
}

/// Nothing that is sent, no length, no count and no time tells whether a name is known.
// R9.5
#[test]
fn an_unknown_psk_identity_looks_like_a_wrong_key() {
    let trace = |known: bool| {
        let table = |key: [u8; 32]| {
            let mut table = PskTable::new();
            let other = if known { ALICE } else { CAROL };
            table.insert(name(other), name(BOB), SecretBytes::copy_from(&key)).unwrap();
            table
        };
        let mut bob = EndpointConfig::new(provider(2), Identity::new(name(BOB)));
        bob.psks = Arc::new(table([2; 32]));
        let mut pair = Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [1; 32], 1), bob);
        pair.start(BOB).run(Time::from_secs(40));
        assert!(!pair.is_established(1));
        let sent: Vec<_> = pair.world.sent.iter().map(|d| (d.from, kind(&d.bytes), d.bytes.len())).collect();
        (sent, pair.metrics(1))
    };
    let (wrong, unknown) = (trace(true), trace(false));
    assert!(wrong.0.len() > 4);
    assert_eq!(wrong, unknown);
}

// R9.4
#[test]
fn a_psk_of_fewer_than_sixteen_octets_is_refused() {
    for len in 0..16 {
        let key = SecretBytes::copy_from(&vec![7; len]);
        assert_eq!(PskTable::new().insert(name(ALICE), name(BOB), key), Err(ApiMisuse::ShortPsk), "{len}");
    }
    let key = SecretBytes::copy_from(&[7; 16]);
    assert_eq!(PskTable::new().insert(name(ALICE), name(BOB), key), Ok(()));
}

// R9.6
#[test]
fn requests_from_our_own_name_or_for_somebody_else_look_like_nobody_is_there() {
    let ca = Ca::new("ca");
    let cases = [(BOB, Some(BOB)), (BOB, None), (ALICE, Some(CAROL))];
    for (from, wanted) in cases {
        let mut world =
            World::new(Link::perfect(1), [Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 1)).unwrap()]);
        let caller = HandCaller::new(5, from, wanted, &msp(4), &[]);
        world.inject(Datagram { from: address(77), to: address(0), bytes: caller.m1.clone() });
        assert!(world.sent.is_empty(), "{from} to {wanted:?} was answered");
        let why = if from == BOB { DropReason::OwnName } else { DropReason::NotForUs };
        assert_eq!(world.node(0).metrics().drops(why), 1);
        assert_eq!(world.node(0).metrics().key_exchanges, 0);
    }
}

/// Values that no key exchange may take, in the order (group, value of a request or an answer).
fn bad_values() -> Vec<(u8, Vec<u8>)> {
    let little = |text: &str| -> Vec<u8> {
        (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let mut values = vec![(31, vec![0; 32]), (31, [&[1][..], &[0; 31]].concat())];
    // The other points of small order of RFC 7748's curve and its twist, and what is congruent to 0, 1 and p - 1.
    for text in [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        values.push((31, little(text)));
        let mut with_top_bit = little(text);
        with_top_bit[31] |= 0x80;
        values.push((31, with_top_bit));
    }
    for (group, len) in [(19, 64), (20, 96)] {
        values.push((group, vec![0; len]));
        values.push((group, vec![0xFF; len]));
        values.push((group, vec![1; len]));
    }
    for (group, len) in [(14, 256), (15, 384)] {
        let mut one = vec![0; len];
        one[len - 1] = 1;
        // p ends in 64 one bits: p - 1 is its complement's neighbour; everything above p is out of range too.
        values.push((group, vec![0; len]));
        values.push((group, one));
        values.push((group, vec![0xFF; len]));
    }
    values.push((236, vec![0xFF; 1216]));
    values.push((236, vec![0; 1216]));
    values
}

fn with_groups(own: &str, peer: &str, group: u8, seed: u64) -> EndpointConfig {
    let mut config = with_psk(own, peer, [7; 32], seed);
    config.policy.groups = vec![GroupId(group)];
    config
}

// R4.15
#[test]
fn requests_with_bad_dh_values_cost_nothing_and_draw_nothing() {
    for (group, value) in bad_values() {
        let nodes = (with_groups(ALICE, BOB, group, 1), with_groups(BOB, ALICE, group, 2));
        let mut pair = Pair::new(Link::perfect(1), nodes.0, nodes.1);
        pair.start(BOB);
        let m1 = pair.world.sent[0].bytes.clone();
        let sent = pair.world.sent.len();
        pair.inject(address(9), 1, &with_dh(&m1, &value));
        assert_eq!(pair.metrics(1).drops(DropReason::BadKeyExchange), 1, "group {group}: {value:02x?}");
        assert_eq!((pair.world.sent.len(), pair.metrics(1).half_open), (sent, 0));
        pair.run(Time::from_secs(40)).agreed();
    }
}

// R4.15
#[test]
fn answers_with_bad_dh_values_open_no_branch() {
    for (group, value) in bad_values() {
        // The hybrid's answer is shorter than its request, and any ciphertext decapsulates to something: its X25519 part
        // is what can be refused.
        let value = if group == 236 { vec![0; 1120] } else { value };
        let nodes = (with_groups(ALICE, BOB, group, 1), with_groups(BOB, ALICE, group, 2));
        let mut value = Some(value);
        let mut pair =
            Pair::new(Link::perfect(1), nodes.0, nodes.1).with_adversary(move |_: Time, d: Datagram| {
                if kind(&d.bytes) != DataType::INIT_RESP {
                    return vec![d];
                }
                let bad = value.take().map(|v| Datagram { bytes: with_dh(&d.bytes, &v), ..d.clone() });
                bad.into_iter().chain([d]).collect()
            });
        pair.start(BOB).run(Time::from_secs(40)).agreed();
        assert_eq!(pair.metrics(0).drops(DropReason::BadKeyExchange), 1, "group {group}");
        let requests = pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::CCE_REQ).count();
        assert_eq!(requests, 1, "group {group}");
    }
}

#[test]
fn dh_values_of_a_wrong_length_or_of_another_group_are_malformed() {
    let mut pair =
        Pair::new(Link::perfect(1), with_groups(ALICE, BOB, 31, 1), with_groups(BOB, ALICE, 31, 2));
    pair.start(BOB);
    let m1 = pair.world.sent[0].bytes.clone();
    // A group that the offer does not have, and RFC 3830's own, which version 2 does not have.
    for (group, len) in [(19, 64), (0, 192), (1, 96), (2, 128), (236, 1216), (255, 32)] {
        let Ok(bytes) = std::panic::catch_unwind(|| with_group(&m1, group, &vec![9; len])) else { continue };
        pair.inject(address(9), 1, &bytes);
    }
    let mut other = m1.clone();
    let at = common::craft::span(&m1, mikey_wire::PayloadType::DH).start;
    for group in (0..=255).filter(|g| *g != 31) {
        other[at + 1] = group;
        pair.inject(address(9), 1, &other);
    }
    assert_eq!(pair.metrics(1).half_open, 0);
    assert_eq!(pair.metrics(1).key_exchanges, 0);
    pair.run(Time::from_secs(40)).agreed();
}

/// What neither side has in common, and what an offer must have.
// R15.1
#[test]
fn offers_without_common_ground_are_told_so_and_nothing_is_kept() {
    let ca = Ca::new("ca");
    let mut world =
        World::new(Link::perfect(1), [Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 1)).unwrap()]);
    let m1 = HandCaller::new(5, ALICE, Some(BOB), &msp(4), &[]).m1;
    let only = |ty: MspParam, values: &'static [u8]| {
        with_msp(&m1, |params| params.iter_mut().filter(|p| p.ty == ty).for_each(|p| p.values = values))
    };
    let cases = [
        only(MspParam::EXCH, &[2]),
        only(MspParam::PRF, &[9]),
        only(MspParam::SUITE, &[0, 6, 200]),
        only(MspParam::MY_AUTH, &[6]),
        only(MspParam::PEER_AUTH, &[7]),
        only(MspParam::CREDENTIALS, &[9]),
        only(MspParam::CONFIDENTIALITY, &[0]),
    ];
    for (n, bytes) in cases.into_iter().enumerate() {
        let len = bytes.len();
        world.inject(Datagram { from: address(77), to: address(0), bytes });
        let answer = world.sent.pop().unwrap_or_else(|| panic!("case {n} was not answered"));
        assert_eq!(kind(&answer.bytes), DataType::ERROR, "case {n}");
        assert!(answer.bytes.len() <= len, "case {n}: an error is never longer than what it answers");
        assert_eq!(world.node(0).metrics().half_open, 0, "case {n}");
    }
}

/// A caller whose certificate is good, with streams that cannot be.
#[test]
fn impossible_streams_are_refused() {
    let good = |ca: &Ca| Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()));
    let ca = Ca::new("ca");
    let (streams, policies) = stream();
    let mut unknown_policy = policies.clone();
    unknown_policy[0].params = vec![mikey_wire::SpParam { ty: 0, value: &[99] }];
    let mut null = policies.clone();
    null[0].params =
        vec![mikey_wire::SpParam { ty: 0, value: &[0] }, mikey_wire::SpParam { ty: 2, value: &[0] }];
    for (streams, policies) in
        [(streams.clone(), unknown_policy), (streams.clone(), null), (Vec::new(), policies)]
    {
        let bob = Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 1)).unwrap();
        let mut world = World::new(Link::perfect(1), [bob]);
        let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(4), &[]);
        world.inject(Datagram { from: address(77), to: address(0), bytes: caller.m1.clone() });
        let m2 = world.sent.pop().unwrap().bytes;
        let m3 = caller.cce_req_with(&m2, &good(&ca), streams, policies);
        world.inject(Datagram { from: address(77), to: address(0), bytes: m3 });
        assert_eq!(world.node(0).metrics().sessions, 0);
        assert_eq!(world.node(0).metrics().refused, 1);
    }
}

/// The initiator that will not name its method keeps the same rule as the one that does.
#[test]
fn methods_that_policy_excludes_are_not_negotiated() {
    let ca = Ca::new("ca");
    let mut alice = certified(&ca, ALICE, KeyKind::Ed25519, 1);
    alice.policy.remote_methods = vec![MethodId::ECDSA_P256_SHA256];
    let mut pair = Pair::new(Link::perfect(1), alice, certified(&ca, BOB, KeyKind::Ed25519, 2));
    pair.start(BOB).run(Time::from_secs(40));
    assert!(matches!(pair.failure(), Some(Error::Timeout { hint: Some(_), .. })));
    assert!(!pair.is_established(0) && !pair.is_established(1));
}
