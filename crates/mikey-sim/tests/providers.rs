//! An endpoint on AWS-LC and one on Rust alone: calls in every form, in both directions, with new keys afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;
use std::sync::Arc;

use common::*;
use mikey_crypto::{CryptoProvider, GroupId, SuiteId};
use mikey_proto::{AuthLevel, Endpoint, EndpointConfig, Event, Identity, Policy};
use mikey_sim::{Ca, KeyKind, Link, SeededRandom, provider};

fn rust(seed: u64) -> CryptoProvider {
    mikey_crypto_rust::provider().with_random(Arc::new(SeededRandom::new(seed)))
}

/// Alice's provider and Bob's, both ways round.
fn pairs() -> [[CryptoProvider; 2]; 2] {
    [[provider(1), rust(2)], [rust(1), provider(2)]]
}

/// A call, a renewal of its keys with Diffie-Hellman, and an export that both agree on.
fn whole_life(alice: EndpointConfig, bob: EndpointConfig) -> (End, End) {
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let (alice, bob) = pair.call(BOB).agreed();
    pair.events = Default::default();
    pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob.session, true)).unwrap();
    let later = pair.world.now() + Duration::from_secs(10);
    pair.run(later);
    let renewed = pair.events.each_ref().map(|events| {
        let streams = events.iter().filter_map(|event| match event {
            Event::SrtpKeysReady { keys, .. } if keys.generation == 1 => Some(&keys.streams),
            _ => None,
        });
        let mut keys: Vec<_> = streams.flatten().map(|s| (s.cs_id, s.master_key.expose().to_vec())).collect();
        keys.sort();
        keys
    });
    assert_eq!(renewed[0].len(), 2);
    assert_eq!(renewed[0], renewed[1]);
    let exported = [(0, alice.session), (1, bob.session)]
        .map(|(n, session)| pair.world.node(n).export(session, b"l", b"c", 32).unwrap().expose().to_vec());
    assert_eq!(exported[0], exported[1]);
    (alice, bob)
}

fn with_keys(provider: CryptoProvider, own: &str, policy: &Policy) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider, Identity::new(name(own)));
    config.psks = psks(ALICE, BOB, [7; 32]);
    config.policy = policy.clone();
    config
}

#[test]
fn every_group_and_suite_between_the_two() {
    let groups = [14, 15, 19, 20, 31, 236].map(|n| Policy { groups: vec![GroupId(n)], ..Policy::default() });
    let suites = [1, 2, 3, 4, 5].map(|n| Policy { suites: vec![SuiteId(n)], ..Policy::default() });
    for policy in groups.iter().chain(&suites) {
        for [a, b] in pairs() {
            let (alice, bob) = whole_life(with_keys(a, ALICE, policy), with_keys(b, BOB, policy));
            assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Psk, AuthLevel::Psk));
        }
    }
}

/// Each loads its own key and verifies the other's certificate, chain and signature.
#[test]
fn every_kind_of_certificate_between_the_two() {
    for kind in KeyKind::ALL {
        let ca = Ca::with_key("ca", kind);
        for providers in pairs() {
            let [alice, bob] = [(0, ALICE), (1, BOB)].map(|(n, own)| {
                let provider = &providers[n];
                let mut config = EndpointConfig::new(provider.clone(), ca.identity(provider, own, kind));
                config.trust = ca.trust();
                config.unix_time_at_zero = Some(NOW);
                config
            });
            let (alice, bob) = whole_life(alice, bob);
            for end in [alice, bob] {
                assert_eq!(end.peer.level, AuthLevel::Certificate, "{kind:?}");
            }
        }
    }
}
