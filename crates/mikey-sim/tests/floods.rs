//! Floods of forged messages, and answers that come again: the true one has its place.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::craft::{self, kind, with_dh, with_rand};
use common::hostile::*;
use common::*;
use mikey_crypto::MethodId;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Branches, Call, Endpoint, EndpointConfig, Event, Time};
use mikey_sim::{Datagram, KeyKind, Link, World, address};
use mikey_wire::DataType;

/// INIT_REQs under a borrowed address lock its owner out.
#[test]
fn a_borrowed_address_does_not_lock_its_owner_out() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut sample = parties.pair(Mode::Psk, Link::perfect(1), 1);
    sample.call(BOB);
    let m1 = sample.world.sent[0].bytes.clone();
    let mut pair = parties.pair(Mode::Psk, Link::perfect(2), 2);
    for n in 0..256_u16 {
        let mut rand = [0; 32];
        rand[..2].copy_from_slice(&n.to_be_bytes());
        // Nobody at that address has shown that it wants this: a blind sender with 256 datagrams in 15 s.
        pair.inject(address(0), 1, &with_rand(&m1, rand));
    }
    pair.start(BOB).run(Time::from_secs(13));
    assert!(pair.failure().is_none(), "{:?}", pair.failure());
    assert!(pair.is_established(0));
}

/// Two answers with one SPIr, both from somebody who may answer, with `Branches::Keep`.
#[test]
fn a_second_branch_does_not_displace_an_established_session() {
    let parties = Parties::new(KeyKind::Ed25519);
    // The second device draws the same SPIr; how it comes by it does not matter, it is on the wire.
    let mut other = parties.bob(Mode::Certificate, 2);
    other.policy.max_message = 5000;
    let nodes = [
        Endpoint::new(parties.alice(Mode::Certificate, 1)).unwrap(),
        Endpoint::new(parties.bob(Mode::Certificate, 2)).unwrap(),
        Endpoint::new(other).unwrap(),
    ];
    let mut world = World::new(Link::perfect(1), nodes).with_adversary(|_: Time, d: Datagram| {
        let mut out = vec![d.clone()];
        if kind(&d.bytes) == DataType::INIT_REQ {
            out.push(Datagram { to: address(2), ..d });
        }
        out
    });
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.branches = Branches::Keep;
    world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(30));
    let established: Vec<_> = world
        .events(0)
        .into_iter()
        .filter_map(|e| match e {
            Event::Established { session, remote, .. } => Some((session, remote)),
            _ => None,
        })
        .collect();
    println!("{established:?}");
    for (session, remote) in &established {
        assert_eq!(world.node(0).remote(*session), Some(*remote), "a session is another one now");
    }
    assert_eq!(world.node(0).metrics().sessions, established.len());
}

/// Forged answers from many addresses with every copy of the request.
#[test]
fn a_flood_of_answers_does_not_displace_the_true_one() {
    let parties = Parties::new(KeyKind::Ed25519);
    let pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
    let mut n = 0_u32;
    let mut pair = pair.with_adversary(move |_: Time, d: Datagram| {
        if kind(&d.bytes) != DataType::INIT_RESP {
            return vec![d];
        }
        let mut out = Vec::new();
        for at in 0..48_u8 {
            n += 1;
            let mut rand = [0; 32];
            rand[..4].copy_from_slice(&n.to_be_bytes());
            out.push(Datagram { from: elsewhere(at), bytes: with_rand(&d.bytes, rand), ..d.clone() });
        }
        out.push(d);
        out
    });
    pair.start(BOB).run(Time::from_secs(30));
    assert!(pair.is_established(0), "48 datagrams a retransmission ended the call: {:?}", pair.failure());
}

/// The same from one address alone.
#[test]
fn one_address_does_not_delay_the_true_answer() {
    let parties = Parties::new(KeyKind::Ed25519);
    let pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
    let mut done = false;
    let mut pair = pair.with_adversary(move |_: Time, d: Datagram| {
        if kind(&d.bytes) != DataType::INIT_RESP || done {
            return vec![d];
        }
        done = true;
        let mut out: Vec<_> = (1..=20_u8)
            .map(|n| Datagram { from: elsewhere(7), bytes: with_rand(&d.bytes, [n; 32]), ..d.clone() })
            .collect();
        out.push(d);
        out
    });
    pair.start(BOB).run(Time::from_millis(1900));
    assert!(pair.is_established(0), "delayed for two seconds by one address");
}

/// Key exchanges for strangers without a cookie, as no half-open session is left of them.
#[test]
fn refused_key_exchanges_count_as_load() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut sample = parties.pair(Mode::Psk, Link::perfect(1), 1);
    sample.call(BOB);
    let m1 = sample.world.sent[0].bytes.clone();
    let mut pair = parties.pair(Mode::Psk, Link::perfect(2), 2);
    for n in 0..5000_u16 {
        let mut rand = [0; 32];
        rand[..2].copy_from_slice(&n.to_be_bytes());
        pair.inject(address(0), 1, &with_dh(&with_rand(&m1, rand), &[0; 32]));
    }
    let metrics = pair.metrics(1);
    assert!(metrics.cookies_sent > 0, "{} key exchanges, and no cookie was asked for", metrics.key_exchanges);
}

/// One burst of answers with a DH value that is refused, from one address.
// R6.3
#[test]
fn refused_answers_do_not_use_up_the_attempt() {
    let parties = Parties::new(KeyKind::Ed25519);
    let pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
    let mut done = false;
    let mut pair = pair.with_adversary(move |_: Time, d: Datagram| {
        if kind(&d.bytes) != DataType::INIT_RESP || done {
            return vec![d];
        }
        done = true;
        let forged = with_dh(&d.bytes, &[0; 32]);
        let mut out: Vec<_> = (0..1024_u16)
            .map(|n| {
                let mut rand = [0; 32];
                rand[..2].copy_from_slice(&n.to_be_bytes());
                Datagram { from: elsewhere(7), bytes: with_rand(&forged, rand), ..d.clone() }
            })
            .collect();
        out.push(d);
        out
    });
    pair.start(BOB).run(Time::from_secs(30));
    let metrics = pair.metrics(0);
    assert!(pair.is_established(0), "{:?} after {} key exchanges", pair.failure(), metrics.key_exchanges);
}

/// An answer that was taken up and then forgotten is taken up again: two CCE_REQs under one key and nonce.
#[test]
fn no_answer_is_taken_up_twice() {
    let parties = Parties::new(KeyKind::Ed25519);
    let both = |mut config: EndpointConfig| {
        config.policy.local_methods = vec![MethodId::ED25519, MethodId::SAS];
        config.policy.remote_methods = vec![MethodId::ED25519, MethodId::SAS];
        config
    };
    let (alice, bob) = (both(parties.alice(Mode::Certificate, 1)), both(parties.bob(Mode::Certificate, 2)));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.branches = Branches::Keep;
    pair.call = Some(pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap());
    let m1 = pair.world.sent[0].bytes.clone();
    pair.run(Time::from_secs(1));
    let of = |pair: &Pair, ty: DataType| -> Vec<Vec<u8>> {
        pair.world.sent.iter().filter(|d| kind(&d.bytes) == ty).map(|d| d.bytes.clone()).collect()
    };
    let m2 = of(&pair, DataType::INIT_RESP)[0].clone();
    assert!(pair.is_established(0));
    let mut impostor = Endpoint::new(with_sas(BOB, 3)).unwrap();
    impostor.handle_datagram(Time::ZERO, address(0), &m1);
    let mikey_proto::Output::Transmit { bytes: forged, .. } = impostor.poll_output() else {
        panic!("no answer")
    };
    for n in 0..1100_u16 {
        let mut rand = [0; 32];
        rand[..2].copy_from_slice(&n.to_be_bytes());
        pair.inject(elsewhere(7), 0, &with_rand(&forged, rand));
    }
    pair.run(Time::from_secs(4));
    pair.inject(address(1), 0, &m2);
    pair.run(Time::from_secs(5));
    let spi_r = craft::session(&m2).spi_r;
    let requests: std::collections::HashSet<_> =
        of(&pair, DataType::CCE_REQ).into_iter().filter(|m3| craft::session(m3).spi_r == spi_r).collect();
    assert_eq!(requests.len(), 1, "different CCE_REQs were sealed under one key and nonce");
}
