//! Floods: half-open sessions are bounded, cookies are asked for, nobody is sent more than three times what came from it, and
//! honest calls among a hundred thousand spoofed ones complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;
use std::collections::HashMap;
use std::net::SocketAddr;

use common::craft::{error, kind, leak, with_cookie, with_session};
use common::hand::{HandCaller, Shows, msp};
use common::*;
use mikey_crypto::MethodId;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::limits::MAX_UNVERIFIED_PER_ADDRESS;
use mikey_proto::{Call, DropReason, Endpoint, EndpointConfig, Side, Stream, Time};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address};
use mikey_wire::v2::{ErrorMsg, InitReq, MspEntry};
use mikey_wire::{DataType, ErrorNo, Extension, MspParam, Payload, PayloadType, Session};

fn bob(change: impl FnOnce(&mut EndpointConfig)) -> EndpointConfig {
    let mut config = with_psk(BOB, ALICE, [7; 32], 2);
    change(&mut config);
    config
}

/// Bob alone.
fn alone(change: impl FnOnce(&mut EndpointConfig)) -> World<Endpoint> {
    World::new(Link::perfect(1), [Endpoint::new(bob(change)).unwrap()])
}

/// An INIT_REQ of somebody, and what Bob sends to it.
fn knock(world: &mut World<Endpoint>, from: SocketAddr, m1: &[u8]) -> Option<Vec<u8>> {
    let before = world.sent.len();
    world.inject(Datagram { from, to: address(0), bytes: m1.to_vec() });
    let answer = world.sent.get(before).map(|d| {
        assert_eq!(d.to, from, "an answer goes where its request came from");
        d.bytes.clone()
    });
    assert!(world.sent.len() <= before + 1, "one answer at most");
    world.sent.truncate(before);
    answer
}

fn stranger(n: u64) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(n / 60_000).unwrap().to_be_bytes();
    SocketAddr::from(([10, a, b, c], u16::try_from(1024 + n % 60_000).unwrap()))
}

fn request(seed: u64) -> Vec<u8> {
    HandCaller::new(seed, "sip:stranger@example.com", Some(BOB), &msp(5), &[1; 32]).m1
}

/// The same request with another SPI: to a responder it is another call.
fn variant(m1: &[u8], n: u64) -> Vec<u8> {
    with_session(m1, |session| session.spi_i = 0x5555_0000_0000_0000 | n)
}

fn cookie(answer: &[u8]) -> Vec<u8> {
    let error = ErrorMsg::decode(answer).unwrap();
    assert_eq!(error.error, ErrorNo::COOKIE_REQUIRED);
    error.cookie.unwrap().to_vec()
}

#[test]
fn the_oldest_half_open_session_makes_room() {
    let mut world = alone(|config| {
        config.max_half_open = 10;
        config.max_half_open_per_address = 100;
    });
    let m1 = request(1);
    let answers: Vec<_> =
        (0..25).map(|n| knock(&mut world, stranger(n), &variant(&m1, n)).expect("an answer")).collect();
    let metrics = world.node(0).metrics();
    assert_eq!((metrics.half_open, metrics.half_open_evicted), (10, 15));
    // The youngest are still known: the same request draws the same answer. The oldest are not.
    for n in 15..25 {
        let index = usize::try_from(n).unwrap();
        assert_eq!(knock(&mut world, stranger(n), &variant(&m1, n)).as_ref(), Some(&answers[index]));
    }
    assert_ne!(knock(&mut world, stranger(0), &variant(&m1, 0)).as_ref(), Some(&answers[0]));
    world.run_until(Time::from_secs(16));
    assert_eq!(world.node(0).metrics().half_open, 0, "their time is over");
}

#[test]
fn an_evicted_caller_completes_by_calling_on() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut config = parties.bob(Mode::Certificate, 2);
    config.max_half_open = 1;
    let mut flood = 3;
    let mut pair = Pair::new(Link::perfect(1), parties.alice(Mode::Certificate, 1), config).with_adversary(
        move |_: Time, datagram: Datagram| {
            let mut out = vec![datagram.clone()];
            // Right behind Alice's request comes another one, which takes her place, three times.
            if kind(&datagram.bytes) == DataType::INIT_REQ && flood > 0 {
                flood -= 1;
                let bytes = variant(&datagram.bytes, flood);
                out.push(Datagram { from: stranger(flood), to: address(1), bytes });
            }
            out
        },
    );
    pair.start(BOB).run(Time::from_secs(30)).agreed();
    assert!(pair.metrics(1).half_open_evicted >= 3);
}

// R10.10
#[test]
fn above_the_threshold_no_state_is_kept_without_a_cookie() {
    let mut world = alone(|config| config.cookie_threshold = 3);
    let m1 = request(1);
    for n in 0..3 {
        let answer = knock(&mut world, stranger(n), &variant(&m1, n)).unwrap();
        assert_eq!(kind(&answer), DataType::INIT_RESP);
    }
    let exchanges = world.node(0).metrics().key_exchanges;
    for n in 3..100 {
        let bytes = variant(&m1, n);
        let answer = knock(&mut world, stranger(n), &bytes).unwrap();
        assert!(answer.len() <= bytes.len(), "an error is never longer than what it answers");
        assert!((1..=32).contains(&cookie(&answer).len()));
    }
    let metrics = world.node(0).metrics();
    assert_eq!((metrics.half_open, metrics.key_exchanges, metrics.cookies_sent), (3, exchanges, 97));
    // Who is known already needs none.
    assert_eq!(kind(&knock(&mut world, stranger(0), &variant(&m1, 0)).unwrap()), DataType::INIT_RESP);
}

#[test]
fn a_call_under_cookie_demand_completes() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::ALL {
        let mut config = parties.bob(mode, 2);
        config.cookie_threshold = 0;
        let mut pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), config);
        pair.start(BOB).run(Time::from_secs(10)).agreed();
        let kinds: Vec<_> = pair.world.sent.iter().map(|d| kind(&d.bytes).0).collect();
        assert_eq!(kinds, [40, 6, 40, 41, 42, 43], "one round trip more");
        // M1 is the same: the copy with the cookie differs in it alone.
        let [first, second] = [0, 2].map(|at| pair.world.sent[at].bytes.clone());
        assert_eq!(InitReq::decode(&second).unwrap().without_cookie(), first);
        assert_eq!(pair.metrics(1).cookies_sent, 1);
    }
}

#[test]
fn calls_under_cookie_demand_complete_on_a_bad_link() {
    let parties = Parties::new(KeyKind::Ed25519);
    for seed in 0..50 {
        let (mut alice, mut config) =
            (parties.alice(Mode::Psk, 2 * seed), parties.bob(Mode::Psk, 2 * seed + 1));
        alice.request_lifetime = Duration::from_secs(60);
        config.request_lifetime = Duration::from_secs(60);
        config.cookie_threshold = 0;
        let mut pair = Pair::new(Link::bad(seed), alice, config);
        pair.start(BOB).run(Time::from_secs(130));
        assert!(pair.is_established(0) && pair.is_established(1), "seed {seed}");
        pair.agreed();
    }
}

#[test]
fn a_cookie_is_good_for_its_address_and_its_message_alone() {
    let mut world = alone(|config| config.cookie_threshold = 0);
    let (m1, other) = (request(1), request(2));
    let (here, elsewhere) = (stranger(1), stranger(2));
    let good = cookie(&knock(&mut world, here, &m1).unwrap());
    let refused = |world: &mut World<Endpoint>, from: SocketAddr, bytes: &[u8], what: &str| {
        let answer = knock(world, from, bytes).unwrap();
        cookie(&answer);
        assert_eq!(world.node(0).metrics().half_open, 0, "{what} was taken");
    };
    refused(&mut world, elsewhere, &with_cookie(&m1, &good), "the cookie of another address");
    let other_port = SocketAddr::new(here.ip(), here.port() + 1);
    refused(&mut world, other_port, &with_cookie(&m1, &good), "the cookie of another port");
    refused(&mut world, here, &with_cookie(&other, &good), "the cookie of another message");
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut wrong = good.clone();
            wrong[at] ^= 1 << bit;
            refused(&mut world, here, &with_cookie(&m1, &wrong), "a cookie with a changed bit");
        }
    }
    for len in 1..good.len() {
        refused(&mut world, here, &with_cookie(&m1, &good[..len]), "a part of a cookie");
    }
    refused(&mut world, here, &with_cookie(&m1, &[&good[..], &[0]].concat()), "a cookie and an octet");
    refused(&mut world, here, &with_cookie(&m1, &[0; 32]), "a cookie of zeros");
    let taken = knock(&mut world, here, &with_cookie(&m1, &good)).unwrap();
    assert_eq!(kind(&taken), DataType::INIT_RESP, "the right one is taken");
}

#[test]
fn a_cookie_is_good_for_a_minute_at_most() {
    for age in [0, 10, 20, 29, 30, 59, 60, 61, 90, 120, 3600] {
        for start in [0_u64, 1, 15, 29, 30, 31, 1000] {
            let mut world = alone(|config| config.cookie_threshold = 0);
            world.run_until(Time::from_secs(start));
            let m1 = request(1);
            let good = cookie(&knock(&mut world, stranger(1), &m1).unwrap());
            world.run_until(Time::from_secs(start + age));
            let answer = knock(&mut world, stranger(1), &with_cookie(&m1, &good)).unwrap();
            match kind(&answer) {
                DataType::INIT_RESP => {
                    assert!(age <= 60, "a cookie of {age} s, made at {start} s, was taken")
                }
                _ => assert!(age >= 30, "a cookie of {age} s, made at {start} s, was refused"),
            }
        }
    }
}

#[test]
fn one_address_has_its_share_and_others_are_not_hurt() {
    let mut world = alone(|config| config.max_half_open_per_address = 5);
    let m1 = request(1);
    let port = |n: u16| SocketAddr::from(([203, 0, 113, 5], 1024 + n));
    // Without a cookie an address has a share of its own, as anyone may have borrowed it. With one it has the configured one.
    let mut shares = HashMap::new();
    let mut with_cookies = HashMap::new();
    for n in 0..100 {
        let bytes = variant(&m1, u64::from(n));
        let answer = knock(&mut world, port(n), &bytes).unwrap();
        *shares.entry(kind(&answer).0).or_insert(0) += 1;
        if kind(&answer) == DataType::ERROR {
            let second = knock(&mut world, port(n), &with_cookie(&bytes, &cookie(&answer)));
            *with_cookies.entry(second.map(|bytes| kind(&bytes).0)).or_insert(0) += 1;
        }
    }
    let share = MAX_UNVERIFIED_PER_ADDRESS;
    assert_eq!(shares, HashMap::from([(DataType::INIT_RESP.0, share), (DataType::ERROR.0, 100 - share)]));
    assert_eq!(with_cookies, HashMap::from([(Some(DataType::INIT_RESP.0), 5), (None, 100 - share - 5)]));
    assert_eq!(world.node(0).metrics().drops(DropReason::Full), u64::try_from(100 - share - 5).unwrap());
    let answer = knock(&mut world, stranger(1), &variant(&m1, 1000)).unwrap();
    assert_eq!(kind(&answer), DataType::INIT_RESP, "another address has a share of its own");
    // A network of IPv6 counts as one address, and an IPv4 address in IPv6's clothes as itself.
    let host = |n: u16| SocketAddr::from(([0x2001, 0xDB8, 0, 1, 0, 0, 0, n], 1024));
    let answers: Vec<_> = (0..100)
        .map(|n| kind(&knock(&mut world, host(n), &variant(&m1, 2000 + u64::from(n))).unwrap()))
        .collect();
    assert_eq!(answers.iter().filter(|ty| **ty == DataType::INIT_RESP).count(), share);
    let mapped = SocketAddr::from(([0, 0, 0, 0, 0, 0xFFFF, 0xCB00, 0x7105], 1024));
    assert_eq!(kind(&knock(&mut world, mapped, &variant(&m1, 5000)).unwrap()), DataType::ERROR);
}

/// Anyone can write somebody else's address on a request. A cookie shows who is really there.
#[test]
fn spoofed_requests_do_not_use_up_the_share_of_an_honest_address() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut config = parties.bob(Mode::Certificate, 2);
    config.max_half_open_per_address = 5;
    let mut pair = Pair::new(Link::perfect(1), parties.alice(Mode::Certificate, 1), config);
    let m1 = HandCaller::new(1, "sip:stranger@example.com", Some(BOB), &msp(4), &[]).m1;
    for n in 0..200 {
        pair.inject(address(0), 1, &variant(&m1, n));
    }
    pair.start(BOB).run(Time::from_secs(10));
    assert!(pair.is_established(0), "Alice is kept out");
    pair.agreed();
}

/// Octets to and from each address that has not shown that it is there.
#[derive(Default)]
struct Ledger(HashMap<SocketAddr, (usize, usize)>);

impl Ledger {
    fn check(&self) {
        for (address, (came, went)) in &self.0 {
            assert!(*went <= 3 * came, "{went} octets to {address}, from which {came} came");
        }
    }
}

// R10.9
#[test]
fn nobody_is_sent_more_than_three_times_what_came_from_it() {
    let ca = Ca::new("ca");
    // A long chain makes CCE_RESP long, and the hybrid makes INIT long.
    let mut config = certified(&ca, BOB, KeyKind::Rsa2048, 1);
    config.cookie_threshold = 20;
    let mut world = World::new(Link::perfect(1), [Endpoint::new(config).unwrap()]);
    let mut ledger = Ledger::default();
    let mut inject = |world: &mut World<Endpoint>, from: SocketAddr, bytes: Vec<u8>| {
        let before = world.sent.len();
        ledger.0.entry(from).or_default().0 += bytes.len();
        world.inject(Datagram { from, to: address(0), bytes });
        for datagram in &world.sent[before..] {
            ledger.0.entry(datagram.to).or_default().1 += datagram.bytes.len();
        }
        ledger.check();
    };
    let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(1), &[]);
    inject(&mut world, address(77), caller.m1.clone());
    let m2 = world.sent.last().unwrap().bytes.clone();
    // The same request from elsewhere, bare and with every kind of rubbish.
    for n in 0..100 {
        inject(&mut world, stranger(n), caller.m1.clone());
        inject(&mut world, stranger(200 + n), variant(&caller.m1, n));
        inject(&mut world, stranger(400 + n), with_cookie(&variant(&caller.m1, n), &[9; 16]));
    }
    // CCE_REQ of a stranger who holds keys but no credential, again and again from elsewhere.
    let m3 = caller.cce_req(&m2, &Shows::certificate(ca.issue("sip:m@x", KeyKind::Ed25519, |_| ())));
    inject(&mut world, address(77), m3.clone());
    for n in 0..100 {
        inject(&mut world, stranger(600 + n), m3.clone());
    }
    world.run_until(Time::from_secs(60));
    assert!(world.sent.iter().map(|d| d.to).all(|to| ledger.0.contains_key(&to)), "unasked for");
}

/// The stored answer of an established session goes elsewhere only in proportion to what came from there. Alice's request
/// is short, as she has a key; Bob's answer is long, as he has a certificate.
#[test]
fn a_replayed_cce_req_does_not_amplify() {
    let ca = Ca::new("ca");
    let (mut alice, mut bob) =
        (certified(&ca, ALICE, KeyKind::Ed25519, 1), certified(&ca, BOB, KeyKind::Rsa2048, 2));
    for config in [&mut alice, &mut bob] {
        config.psks = psks(ALICE, BOB, [3; 32]);
    }
    alice.policy.local_methods = vec![MethodId::PSK];
    alice.policy.remote_methods = vec![MethodId::RSA_PSS_SHA256];
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(1)).established();
    let [request, answer] = [2, 3].map(|at| pair.world.sent[at].bytes.len());
    assert!(answer > 3 * request, "{answer} octets answer {request}: this test shows nothing");
    for message in [0, 2] {
        let bytes = pair.world.sent[message].bytes.clone();
        let (mut came, mut went) = (0, 0);
        for _ in 0..50 {
            let before = pair.world.sent.len();
            pair.inject(stranger(1), 1, &bytes);
            came += bytes.len();
            let to_it = pair.world.sent[before..].iter().filter(|d| d.to == stranger(1));
            went += to_it.map(|d| d.bytes.len()).sum::<usize>();
            assert!(went <= 3 * came, "{went} octets for {came}");
        }
    }
}

/// An initiator, too, can be used against somebody: an answer that seems to come from a victim draws CCE_REQs to it.
#[test]
fn an_initiator_does_not_flood_who_seems_to_answer() {
    let parties = Parties::new(KeyKind::Rsa2048);
    // Bob is not there, so that the attempt lasts as long as it can.
    let pair = parties.pair(Mode::Certificate, Link::perfect(1), 1);
    let mut pair = pair.with_adversary(|_: Time, _: Datagram| Vec::new());
    pair.start(BOB);
    let m1 = pair.world.sent[0].bytes.clone();
    let victim = address(99);
    let mut endpoint = Endpoint::new(parties.bob(Mode::Certificate, 9)).unwrap();
    endpoint.handle_datagram(Time::ZERO, address(0), &m1);
    let mikey_proto::Output::Transmit { bytes, .. } = endpoint.poll_output() else { panic!("no answer") };
    pair.inject(victim, 0, &bytes);
    pair.run(Time::from_secs(30));
    assert!(pair.failure().is_some());
    let went: usize = pair.world.sent.iter().filter(|d| d.to == victim).map(|d| d.bytes.len()).sum();
    let longest = pair.world.sent.iter().map(|d| d.bytes.len()).max().unwrap();
    assert!(went <= longest + 3 * bytes.len(), "{went} octets to somebody who sent {}", bytes.len());
}

/// A hundred thousand requests from spoofed addresses in a second, and ten honest calls among them.
#[test]
fn honest_calls_among_a_hundred_thousand_spoofed_requests_complete() {
    const SPOOFED: u64 = 100_000;
    const CALLERS: usize = 10;
    let ca = Ca::new("ca");
    let mut bob = certified(&ca, BOB, KeyKind::Ed25519, 1);
    bob.max_half_open = 2000;
    bob.cookie_threshold = 500;
    let names: Vec<String> = (0..CALLERS).map(|n| format!("sip:caller{n}@example.com")).collect();
    let callers = names.iter().zip(10..).map(|(own, seed)| certified(&ca, own, KeyKind::Ed25519, seed));
    let nodes = std::iter::once(bob).chain(callers).map(|config| Endpoint::new(config).unwrap());
    let mut world = World::new(Link::perfect(1), nodes);
    let m1 = HandCaller::new(1, "sip:stranger@example.com", Some(BOB), &msp(4), &[]).m1;
    let at = common::craft::span(&m1, PayloadType::EXT).start + 4;
    let mut spoofed = m1.clone();
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let mut most = 0;
    for n in 0..SPOOFED {
        if n % 10_000 == 5_000 {
            let caller = 1 + usize::try_from(n / 10_000).unwrap();
            world.act(caller, |now, node| node.connect(now, address(0), &call)).unwrap();
        }
        if n % 100 == 0 {
            world.run_until(Time::from_millis(n / 100));
            world.sent.clear();
            most = most.max(world.node(0).metrics().half_open);
        }
        spoofed[at..at + 8].copy_from_slice(&(0x7777_0000_0000_0000 | n).to_be_bytes());
        world.inject(Datagram { from: stranger(7 * n), to: address(0), bytes: spoofed.clone() });
    }
    world.run_until(Time::from_secs(14));
    let metrics = world.node(0).metrics();
    assert_eq!(metrics.sessions, CALLERS, "honest calls that completed");
    for caller in 1..=CALLERS {
        assert_eq!(world.node(caller).metrics().sessions, 1, "caller {caller}");
    }
    assert!(most <= 500 + CALLERS, "{most} half-open sessions at a time");
    assert!(metrics.key_exchanges <= 600, "{} key exchanges for the flood", metrics.key_exchanges);
    assert!(metrics.cookies_sent >= SPOOFED - 600);
    world.run_until(Time::from_secs(20));
    assert_eq!(world.node(0).metrics().half_open, 0, "nothing is left of it");
}

// R5.1
#[test]
fn an_init_req_of_more_than_2048_octets_is_dropped() {
    let mut world = alone(|_| ());
    let m1 = request(1);
    let grow = |to: usize| {
        // A Vendor ID may stand anywhere and is skipped.
        let room = to - m1.len() - 4;
        common::craft::bend(&m1, |_, payloads| {
            payloads.insert(1, Payload::Ext(Extension::VendorId(leak(&vec![7; room]))));
        })
    };
    let (fits, too_long) = (grow(2048), grow(2049));
    assert_eq!((fits.len(), too_long.len()), (2048, 2049));
    assert!(knock(&mut world, stranger(1), &fits).is_some());
    assert_eq!(knock(&mut world, stranger(1), &too_long), None);
    assert_eq!(world.node(0).metrics().drops(DropReason::TooLong), 1);
    let mut endless = fits.clone();
    endless.resize(70_000, 0);
    assert_eq!(knock(&mut world, stranger(1), &endless), None);
}

/// More payloads, values and streams than any message may have.
#[test]
fn oversized_lists_are_malformed() {
    let mut world = alone(|_| ());
    let m1 = request(1);
    // 300 empty Vendor IDs behind SESSION, each of which would be skipped.
    let mut many_payloads = m1.clone();
    let session = common::craft::span(&m1, PayloadType::EXT);
    let next = std::mem::replace(&mut many_payloads[session.start], PayloadType::EXT.0);
    let ids = [[PayloadType::EXT.0, 0, 0, 0].repeat(299), vec![next, 0, 0, 0]].concat();
    many_payloads.splice(session.end..session.end, ids);
    let long_list: &'static [u8] = leak(&[9; 300]);
    let many_values = std::panic::catch_unwind(|| {
        common::craft::with_msp(&m1, |params| {
            params.push(MspEntry { ty: MspParam(200), values: long_list });
        })
    });
    assert!(many_values.is_err(), "more values than a length octet counts cannot even be encoded");
    let twice = common::craft::bend(&m1, |_, payloads| payloads.insert(3, payloads[2].clone()));
    let sessions = common::craft::bend(&m1, |_, payloads| {
        payloads.insert(1, Payload::Ext(Extension::Session(Session { spi_i: 1, spi_r: 0 })));
    });
    let certs = common::craft::bend(&m1, |_, payloads| {
        let cert = mikey_wire::Cert { ty: mikey_wire::CertType::X509, data: leak(&[0x30, 0]) };
        payloads.insert(4, Payload::Cert(cert));
    });
    let mut streams = m1.clone();
    streams[8] = 255;
    for (n, bytes) in [many_payloads, twice, sessions, certs, streams].into_iter().enumerate() {
        assert_eq!(knock(&mut world, stranger(1), &bytes), None, "case {n}");
    }
    assert_eq!(world.node(0).metrics().drops(DropReason::Malformed), 5);
    assert_eq!(world.node(0).metrics().half_open, 0);
}

/// What an application may ask for has limits of its own.
#[test]
fn calls_with_too_many_streams_are_refused_to_the_application() {
    let mut world = alone(|_| ());
    let stream = Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    for (count, fine) in [(0, false), (1, true), (64, true), (65, false)] {
        let call = Call::new(name(ALICE), vec![stream.clone(); count]);
        let outcome = world.act(0, |now, bob| bob.connect(now, address(9), &call).is_ok());
        assert_eq!(outcome, fine, "{count} streams");
    }
    let mut greedy = stream;
    greedy.policies = vec![SrtpPolicy::AES_CM_128_HMAC_SHA1_80; 17];
    let call = Call::new(name(ALICE), vec![greedy]);
    assert!(world.act(0, |now, bob| bob.connect(now, address(9), &call).is_err()), "17 policies");
}

/// A whole call with as many streams as there may be.
#[test]
fn a_call_of_sixty_four_streams_completes() {
    let mut pair =
        Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    let streams = (0..64)
        .map(|n| {
            let side = if n % 2 == 0 { Side::Local } else { Side::Remote };
            Stream::new(side, SrtpPolicy::AEAD_AES_128_GCM)
        })
        .collect();
    let call = Call::new(name(BOB), streams);
    pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    let (alice, _) = pair.run(Time::from_secs(10)).agreed();
    assert_eq!(alice.keys.streams.len(), 64);
}

/// An unprotected error is answered by nobody, so two endpoints cannot be set upon each other.
// R15.3
#[test]
fn an_error_draws_no_answer() {
    let mut world = alone(|_| ());
    let m1 = request(1);
    for number in 0..=255 {
        let cookie: &[u8] = &[1; 8];
        assert_eq!(knock(&mut world, stranger(1), &error(&m1, number, None, &[])), None);
        assert_eq!(knock(&mut world, stranger(1), &error(&m1, number, Some(cookie), &[])), None);
    }
}
