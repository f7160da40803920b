//! Chains of certificates that are longer than the path: CCE in fragments, each authenticated alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;
use std::sync::OnceLock;

use common::craft::{kind, session};
use common::hand::{HandCaller, msp};
use common::*;
use mikey_proto::{
    ApiMisuse, CertifiedKey, DropReason, Endpoint, EndpointConfig, Error, Event, Identity, Role, Time, Trust,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::{
    CsMap, DataType, Extension, Header, Message, Payload, PayloadType, T, Version, encode_open,
};
use rcgen::{CertificateParams, SanType};

/// RSA all the way: an anchor, intermediates, and end entities whose chains are `long` and a few hundred octets.
struct Fixture {
    ca: Ca,
    alice: Identity,
    bob: Identity,
    octets: usize,
}

const INTERMEDIATES: usize = 4;

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| chain_of(INTERMEDIATES, 16_384, KeyKind::Rsa2048))
}

fn chain_of(intermediates: usize, octets: usize, kind: KeyKind) -> Fixture {
    let ca = Ca::with_key("anchor", kind);
    // What a chain of plain certificates has not, further names in them add.
    let plain = if kind == KeyKind::Rsa2048 { 900 } else { 450 };
    let padding = (octets / (intermediates + 1)).saturating_sub(plain);
    let pad = |params: &mut CertificateParams| {
        for n in 0..padding / 100 {
            let uri = format!("https://example.com/{n:080}");
            params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().unwrap()));
        }
    };
    let mut issuers = Vec::new();
    for n in 0..intermediates {
        let above = issuers.last().unwrap_or(&ca);
        let next = above.intermediate_with(&format!("intermediate {n}"), kind, pad);
        issuers.push(next);
    }
    let identity = |own: &str| {
        let issuer = issuers.last().unwrap_or(&ca);
        let (leaf, key) = issuer.issue(own, kind, pad);
        let chain: Vec<_> =
            std::iter::once(leaf).chain(issuers.iter().rev().map(|ca| ca.der().to_vec())).collect();
        let octets = chain.iter().map(Vec::len).sum::<usize>();
        let certified = CertifiedKey::load(&provider(0), chain, &key).unwrap();
        (Identity::with_certificate(name(own), certified).unwrap(), octets)
    };
    let ((alice, octets), (bob, _)) = (identity(ALICE), identity(BOB));
    Fixture { ca, alice, bob, octets }
}

fn config(identity: &Identity, trust: Trust, path: usize, seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), identity.clone());
    config.trust = trust;
    config.unix_time_at_zero = Some(NOW);
    config.path = path;
    config
}

fn pair(fixture: &Fixture, path: usize, link: Link, seed: u64) -> Pair {
    let mut configs = [(&fixture.alice, 2 * seed), (&fixture.bob, 2 * seed + 1)]
        .map(|(identity, seed)| config(identity, fixture.ca.trust(), path, seed));
    for config in &mut configs {
        config.request_lifetime = Duration::from_secs(60);
    }
    let [alice, bob] = configs;
    Pair::new(link, alice, bob)
}

/// Number and total of a fragment.
fn fragment(bytes: &[u8]) -> Option<(u16, u16)> {
    Message::decode(bytes).unwrap().items.iter().find_map(|item| match item.payload {
        Payload::Ext(Extension::Fragment { number, total }) => Some((number, total)),
        _ => None,
    })
}

#[test]
fn chains_of_sixteen_kibibytes_cross_the_path_in_fragments() {
    let fixture = fixture();
    assert!((15_500..17_000).contains(&fixture.octets), "the chain has {} octets", fixture.octets);
    for path in [1200, 512] {
        let mut pair = pair(fixture, path, Link::perfect(1), 1);
        pair.start(BOB).run(Time::from_secs(10)).agreed();
        assert!(pair.world.sent.iter().all(|d| d.bytes.len() <= path), "a datagram is too long for the path");
        for message in [DataType::CCE_REQ, DataType::CCE_RESP] {
            let sent: Vec<_> = pair.world.sent.iter().filter(|d| kind(&d.bytes) == message).collect();
            let total = u16::try_from(sent.len()).unwrap();
            assert!(usize::from(total) >= fixture.octets / path, "{path}: {total} fragments");
            for (number, datagram) in (1..).zip(&sent) {
                assert_eq!(fragment(&datagram.bytes), Some((number, total)));
                // Every one is filled but the last.
                assert!(number == total || datagram.bytes.len() + 80 > path);
            }
        }
    }
}

// R7.7
#[test]
fn what_fits_is_not_cut() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut pair = parties.pair(Mode::Certificate, Link::perfect(1), 1);
    pair.start(BOB).run(Time::from_secs(10)).agreed();
    assert!(pair.world.sent.iter().all(|d| fragment(&d.bytes).is_none()));
}

// R7.7
#[test]
fn any_single_fragment_may_be_lost_or_come_twice() {
    let fixture = fixture();
    for lost in 2..34 {
        let mut pair = pair(fixture, 1200, Link::perfect(1).losing(lost), 1);
        pair.start(BOB).run(Time::from_secs(60)).agreed();
    }
    let mut pair = pair(fixture, 1200, Link::perfect(1), 1)
        .with_adversary(|_: Time, datagram: Datagram| vec![datagram.clone(), datagram]);
    pair.start(BOB).run(Time::from_secs(60)).agreed();
}

#[test]
fn fragments_in_any_order() {
    let fixture = fixture();
    for order in 0..4_usize {
        let mut held: Vec<Datagram> = Vec::new();
        let mut pair =
            pair(fixture, 1200, Link::perfect(1), 1).with_adversary(move |_: Time, datagram: Datagram| {
                let Some((number, total)) = fragment(&datagram.bytes) else { return vec![datagram] };
                held.push(datagram);
                if number < total {
                    return Vec::new();
                }
                let mut all = std::mem::take(&mut held);
                match order {
                    0 => all.reverse(),
                    1 => all.rotate_left(1),
                    2 => all.sort_by_key(|d| fragment(&d.bytes).map(|(number, _)| (number % 3, number))),
                    _ => fastrand::Rng::with_seed(3).shuffle(&mut all),
                }
                all
            });
        pair.start(BOB).run(Time::from_secs(60)).agreed();
        let requests = pair.world.sent.iter().filter(|d| fragment(&d.bytes).is_some_and(|(n, _)| n == 1));
        assert_eq!(requests.count(), 2, "order {order}: nothing had to be sent again");
    }
}

/// 30 % loss, 10 % duplication, reordering.
#[test]
fn long_chains_cross_a_bad_link() {
    let fixture = fixture();
    for path in [1200, 512] {
        for seed in 0..12 {
            let mut pair = pair(fixture, path, Link::bad(seed), seed);
            pair.start(BOB).run(Time::from_secs(130));
            assert!(pair.is_established(0) && pair.is_established(1), "path {path}, seed {seed}");
            pair.agreed();
        }
    }
}

/// Fragments of nobody: other numbers and totals, changed octets, those of another call, before and after the true ones.
#[test]
fn forged_fragments_change_nothing() {
    let fixture = fixture();
    let mut earlier = pair(fixture, 1200, Link::perfect(1), 77);
    earlier.start(BOB).run(Time::from_secs(10)).agreed();
    let earlier = earlier.world.sent.clone();
    for before in [true, false] {
        let earlier = earlier.clone();
        let mut pair =
            pair(fixture, 1200, Link::bad(3), 3).with_adversary(move |_: Time, datagram: Datagram| {
                let Some((number, total)) = fragment(&datagram.bytes) else { return vec![datagram] };
                let at = common::craft::span(&datagram.bytes, PayloadType::KEMAC).start - 4;
                let mut forged = Vec::new();
                for (number, total) in
                    [(number % total + 1, total), (number, total + 1), (1, 2), (0, 2), (3, 2)]
                {
                    let mut bytes = datagram.bytes.clone();
                    bytes[at..at + 2].copy_from_slice(&number.to_be_bytes());
                    bytes[at + 2..at + 4].copy_from_slice(&total.to_be_bytes());
                    forged.push(bytes);
                }
                for back in [1, 17, 100] {
                    let mut bytes = datagram.bytes.clone();
                    let len = bytes.len();
                    bytes[len - back] ^= 4;
                    forged.push(bytes);
                }
                let spis = session(&datagram.bytes);
                let other = earlier.iter().find(|d| d.bytes[1] == datagram.bytes[1]).unwrap();
                forged.push(common::craft::with_session(&other.bytes, |s| *s = spis));
                let mut out: Vec<_> =
                    forged.into_iter().map(|bytes| Datagram { bytes, ..datagram.clone() }).collect();
                let place = if before { out.len() } else { 0 };
                out.insert(place, datagram);
                out
            });
        pair.start(BOB).run(Time::from_secs(130)).agreed();
        for n in 0..2 {
            assert!(pair.metrics(n).drops(DropReason::Unauthenticated) > 10);
            assert_eq!(pair.metrics(n).refused, 0);
        }
    }
}

/// A message that the peer says it cannot put together is not sent: the caller is told.
#[test]
fn a_chain_that_is_longer_than_the_peer_takes_is_not_sent() {
    let fixture = fixture();
    let alice = config(&fixture.alice, fixture.ca.trust(), 1200, 1);
    let mut bob = config(&fixture.bob, fixture.ca.trust(), 1200, 2);
    bob.policy.max_message = 8192;
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(40));
    assert_eq!(pair.failure(), Some(Error::Misuse(ApiMisuse::TooLong)));
    assert!(pair.world.sent.iter().all(|d| kind(&d.bytes) != DataType::CCE_REQ));
}

/// Six issuers between the end entity and the anchor.
#[test]
fn chains_of_up_to_seven_certificates_are_followed() {
    for intermediates in [0, 1, 3, 5, 6] {
        let fixture = chain_of(intermediates, 0, KeyKind::Ed25519);
        let mut pair = pair(&fixture, 1200, Link::perfect(1), 1);
        pair.start(BOB).run(Time::from_secs(10));
        let why = pair.events.iter().flatten().find_map(|event| match event {
            Event::CallerRefused { why, .. } => Some(why.to_string()),
            _ => None,
        });
        assert_eq!(why, None, "{} certificates", intermediates + 1);
        pair.agreed();
    }
}

/// Somebody who holds the keys of a half-open session, but no credential, and cuts as no endpoint would.
// R7.9
#[test]
fn fragments_that_do_not_fit_are_refused_and_memory_is_bounded() {
    let ca = Ca::new("ca");
    let mut bob = certified(&ca, BOB, KeyKind::Ed25519, 1);
    bob.policy.max_message = 4096;
    let mut world = World::new(Link::perfect(1), [Endpoint::new(bob).unwrap()]);
    let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(4), &[]);
    let from = address(77);
    world.inject(Datagram { from, to: address(0), bytes: caller.m1.clone() });
    let m2 = world.sent.pop().unwrap().bytes;
    caller.cce_req(&m2, &common::hand::Shows { method: 4, auth: Some(vec![0; 64]), ..Default::default() });
    let mut leg = caller.leg.take().unwrap();
    let (spis, csb_id) = (session(&m2), u32::from_be_bytes(m2[4..8].try_into().unwrap()));
    let mut send = |world: &mut World<Endpoint>, number: u16, total: u16, len: usize| {
        let header = Header {
            version: Version::V2,
            data_type: DataType::CCE_REQ,
            v: true,
            prf: 1,
            csb_id,
            cs_map: CsMap::NONE,
        };
        let payloads = [
            Payload::Ext(Extension::Session(spis)),
            Payload::T(T::Counter(0)),
            Payload::Ext(Extension::Fragment { number, total }),
        ];
        let head = encode_open(&header, &payloads, PayloadType::KEMAC).unwrap();
        leg.fragment = u8::try_from(number).unwrap();
        let bytes = leg.seal(Role::Initiator, false, 0, &head, &vec![0x55; len]);
        world.inject(Datagram { from, to: address(0), bytes });
    };
    let bad = |world: &World<Endpoint>| world.node(0).metrics().drops(DropReason::BadFragment);
    send(&mut world, 1, 3, 1000);
    assert_eq!(bad(&world), 0);
    send(&mut world, 2, 3, 999);
    assert_eq!(bad(&world), 1, "all but the last are of one length");
    send(&mut world, 3, 3, 1001);
    assert_eq!(bad(&world), 2, "the last one is not longer");
    send(&mut world, 2, 3, 0);
    assert_eq!(bad(&world), 3, "an empty one");
    send(&mut world, 1, 64, 1000);
    assert_eq!(bad(&world), 4, "64 times 1000 octets are more than was declared");
    send(&mut world, 1, 2, 60_000);
    assert_eq!(bad(&world), 5);
    // A message that comes together and is none.
    send(&mut world, 2, 3, 1000);
    send(&mut world, 3, 3, 10);
    let metrics = world.node(0).metrics();
    assert_eq!((metrics.sessions, metrics.refused), (0, 1));
}

/// Thousands who hold the keys of a half-open session each, and send all fragments of a message but one: the oldest ones make
/// room, and a call with a long chain completes among them.
#[test]
fn fragments_of_all_half_open_sessions_together_are_bounded() {
    use mikey_proto::limits::MAX_HELD_FRAGMENTS;
    const CALLERS: u32 = 900;
    const CHUNK: usize = 1100;
    let fixture = fixture();
    let mut bob = config(&fixture.bob, fixture.ca.trust(), 1200, 1);
    bob.cookie_threshold = usize::MAX;
    let alice = config(&fixture.alice, fixture.ca.trust(), 1200, 2);
    let mut world = World::new(Link::perfect(1), [alice, bob].map(|config| Endpoint::new(config).unwrap()));
    // RSA both ways, as the endpoint has it; nobody gets as far as a signature.
    let offer = msp(1);
    let mut sent = 0;
    for n in 0..CALLERS {
        let mut caller = HandCaller::new(u64::from(100 + n), ALICE, Some(BOB), &offer, &[]);
        let from = std::net::SocketAddr::from((std::net::Ipv4Addr::from(0xC633_0000 | n), 5000));
        world.inject(Datagram { from, to: address(1), bytes: caller.m1.clone() });
        let m2 = world.sent.pop().unwrap().bytes;
        let shows = common::hand::Shows { method: 1, auth: Some(vec![0; 256]), ..Default::default() };
        caller.cce_req(&m2, &shows);
        let mut leg = caller.leg.take().unwrap();
        let csb_id = u32::from_be_bytes(m2[4..8].try_into().unwrap());
        for number in 1..=20_u16 {
            let header = Header {
                version: Version::V2,
                data_type: DataType::CCE_REQ,
                v: true,
                prf: 1,
                csb_id,
                cs_map: CsMap::NONE,
            };
            let payloads = [
                Payload::Ext(Extension::Session(session(&m2))),
                Payload::T(T::Counter(0)),
                Payload::Ext(Extension::Fragment { number, total: 21 }),
            ];
            let head = encode_open(&header, &payloads, PayloadType::KEMAC).unwrap();
            leg.fragment = u8::try_from(number).unwrap();
            let bytes = leg.seal(Role::Initiator, false, 0, &head, &[0x55; CHUNK]);
            sent += CHUNK;
            world.inject(Datagram { from, to: address(1), bytes });
        }
    }
    assert!(sent > MAX_HELD_FRAGMENTS, "{sent} octets");
    let evicted = world.node(1).metrics().fragments_evicted;
    // Each holds 20 chunks and the slots of 21.
    let most = u64::try_from(MAX_HELD_FRAGMENTS / (20 * CHUNK)).unwrap();
    let callers = u64::from(CALLERS);
    assert!(evicted >= callers - most && evicted < callers, "{evicted} of {callers}");
    assert_eq!(world.node(1).metrics().drops(DropReason::Unauthenticated), 0);
    let call =
        mikey_proto::Call::both_ways(name(BOB), mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    world.act(0, |now, alice: &mut Endpoint| alice.connect(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(5));
    assert_eq!(world.node(0).metrics().sessions, 1, "the honest call");
}
