//! What a SAS rests on: shares that nobody knows too early, and few guesses.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::cell::RefCell;

use common::craft::{self, kind, with_dh, with_rand, with_session};
use common::hostile::*;
use common::*;
use mikey_crypto::{GroupId, MethodId};
use mikey_proto::{Endpoint, EndpointConfig, Time};
use mikey_sim::{Datagram, KeyKind, Link, address, provider};
use mikey_wire::DataType;
use mikey_wire::v2::InitResp;

/// One in the middle, as an initiator, must not know the SAS of a half-open session before the responder shows it: the
/// responder commits to a share that it reveals in CCE_RESP only.
#[test]
fn the_responders_share_is_hidden_until_it_shows_the_sas() {
    let mut pair = Pair::new(Link::perfect(1), with_sas(ALICE, 1), with_sas(BOB, 2));
    pair = pair.with_adversary(
        |_: Time, d: Datagram| {
            if kind(&d.bytes) == DataType::CCE_REQ { vec![] } else { vec![d] }
        },
    );
    for _ in 0..20 {
        pair.start(BOB);
    }
    pair.run(Time::from_secs(5));
    assert!(pair.events[1].is_empty(), "nobody at bob's sees anything");
    let answers: Vec<_> = pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_RESP).collect();
    let commitments: std::collections::HashSet<_> = answers
        .iter()
        .map(|d| *InitResp::decode(&d.bytes).unwrap().sas_commit.expect("no commitment"))
        .collect();
    assert!(commitments.len() >= 20, "each half-open session has a share of its own");
}

/// Answers that wait are taken up after the reveal: more than eight guesses at one call.
#[test]
fn no_more_than_eight_branches_with_a_sas() {
    let parties = Parties::new(KeyKind::Ed25519);
    let both = |mode_seed: u64, alice: bool| {
        let mut config = if alice {
            parties.alice(Mode::Certificate, mode_seed)
        } else {
            parties.bob(Mode::Certificate, mode_seed)
        };
        config.policy.local_methods = vec![MethodId::ED25519, MethodId::SAS];
        config.policy.remote_methods = vec![MethodId::ED25519, MethodId::SAS];
        config
    };
    // The impostor answers once with certificates, and once with SAS.
    let answer = |config: EndpointConfig, m1: &[u8]| {
        let mut endpoint = Endpoint::new(config).unwrap();
        endpoint.handle_datagram(Time::ZERO, address(0), m1);
        match endpoint.poll_output() {
            mikey_proto::Output::Transmit { bytes, .. } => bytes,
            _ => panic!("no answer"),
        }
    };
    let mut pair = Pair::new(Link::perfect(1), both(1, true), both(2, false));
    let mut sas_only = both(3, false);
    sas_only.policy.local_methods = vec![MethodId::SAS];
    sas_only.policy.remote_methods = vec![MethodId::SAS];
    let sas_only = RefCell::new(Some(sas_only));
    let certificates = RefCell::new(Some(both(4, false)));
    let many = |m2: &[u8], from: u8, count: u8| -> Vec<Vec<u8>> {
        let group = provider(7).group(GroupId::X25519).unwrap();
        (from..from + count)
            .map(|n| {
                let value = group.start(&*provider(u64::from(n)).random).unwrap();
                let forged = with_rand(&with_dh(m2, value.value()), [n; 32]);
                with_session(&forged, |session| session.spi_r = u64::from(n) << 8 | 1)
            })
            .collect()
    };
    pair.start(BOB);
    let m1 = pair.world.sent[0].bytes.clone();
    let certs = many(&answer(certificates.take().unwrap(), &m1), 1, 8);
    let sases = many(&answer(sas_only.take().unwrap(), &m1), 100, 32);
    for (n, bytes) in certs.iter().enumerate() {
        pair.inject(elsewhere(u8::try_from(n).unwrap()), 0, bytes);
    }
    for (n, bytes) in sases.iter().enumerate() {
        pair.inject(elsewhere(100 + u8::try_from(n).unwrap()), 0, bytes);
    }
    pair = pair.with_adversary(|_: Time, d: Datagram| if d.to == address(1) { vec![] } else { vec![d] });
    pair.run(Time::from_secs(11));
    let mut revealed: Vec<_> = pair
        .world
        .sent
        .iter()
        .filter(|d| kind(&d.bytes) == DataType::CCE_REQ)
        .map(|d| craft::session(&d.bytes).spi_r)
        .filter(|spi_r| sases.iter().any(|m2| craft::session(m2).spi_r == *spi_r))
        .collect();
    revealed.sort_unstable();
    revealed.dedup();
    assert!(revealed.len() <= 8, "Ns went to {} branches of one attempt", revealed.len());
}

/// A forged answer with SAS makes an honest one with certificates unwelcome.
#[test]
fn an_answer_without_sas_is_taken_up_after_a_reveal() {
    let parties = Parties::new(KeyKind::Ed25519);
    let both = |mut config: EndpointConfig| {
        config.policy.local_methods = vec![MethodId::ED25519, MethodId::SAS];
        config.policy.remote_methods = vec![MethodId::ED25519, MethodId::SAS];
        config
    };
    let mut pair = Pair::new(
        Link::perfect(1),
        both(parties.alice(Mode::Certificate, 1)),
        both(parties.bob(Mode::Certificate, 2)),
    );
    pair = pair.with_adversary(move |_: Time, d: Datagram| {
        if kind(&d.bytes) != DataType::INIT_REQ {
            return vec![d];
        }
        let mut config = with_sas(BOB, 3);
        config.policy.max_message = 5000;
        let mut endpoint = Endpoint::new(config).unwrap();
        endpoint.handle_datagram(Time::ZERO, address(0), &d.bytes);
        let mikey_proto::Output::Transmit { bytes, .. } = endpoint.poll_output() else { panic!("no answer") };
        vec![Datagram { from: address(1), to: address(0), bytes }, d]
    });
    pair.start(BOB).run(Time::from_secs(30));
    assert!(pair.is_established(0), "{:?}", pair.failure());
}
