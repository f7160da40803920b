//! What the tests of copies, floods and crossings share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::SocketAddr;

use super::*;
use mikey_crypto::MethodId;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, EndpointConfig, Event, Identity, SessionId, StreamKeys, Time};
use mikey_sim::{Link, address, provider};

pub fn elsewhere(n: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, n], 2269))
}

pub fn session_pair(mki: bool) -> (Pair, SessionId, SessionId) {
    let (alice, bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.mki = mki;
    pair.call = Some(pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap());
    let (alice, bob) = pair.run(Time::from_secs(60)).established();
    (pair, alice.session, bob.session)
}

pub fn generation(events: &[Event], n: u32) -> Vec<&StreamKeys> {
    let mut keys: Vec<&StreamKeys> = Vec::new();
    for event in events {
        match event {
            Event::SrtpKeysReady { keys: ready, .. } if ready.generation == n => keys.extend(&ready.streams),
            _ => (),
        }
    }
    keys.sort_by_key(|k| k.cs_id);
    keys
}

pub fn last_generation(events: &[Event]) -> u32 {
    let ready = events.iter().filter_map(|e| match e {
        Event::SrtpKeysReady { keys, .. } => Some(keys.generation),
        _ => None,
    });
    ready.max().unwrap()
}

pub fn with_sas(own: &str, seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
    config.policy.local_methods = vec![MethodId::SAS];
    config.policy.remote_methods = vec![MethodId::SAS];
    config
}
