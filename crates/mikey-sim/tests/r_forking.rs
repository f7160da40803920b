//! RFC 5479 section 5.1: forked and retargeted calls. The signalling is played by an adversary that copies INIT_REQ to
//! several endpoints (docs/requirements.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod common_r;

use std::sync::Arc;

use common::craft::{self, kind};
use common::*;
use common_r::sdp::{At, answer, answered, offer, read};
use common_r::*;
use mikey::ClearFrom;
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    AuthLevel, Branches, Call, Endpoint, EndpointConfig, Error, Event, Identity, PskTable, Side, Signalled,
    Stream, Time,
};
use mikey_sim::{Adversary, Ca, Datagram, KeyKind, World, address, provider};
use mikey_wire::DataType;

const POLICY: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

/// Alice, who shares one key with Bob and one with Carol.
fn alice() -> EndpointConfig {
    let mut table = PskTable::new();
    table.insert(name(ALICE), name(BOB), SecretBytes::copy_from(&[7; 32])).unwrap();
    table.insert(name(ALICE), name(CAROL), SecretBytes::copy_from(&[8; 32])).unwrap();
    let mut config = EndpointConfig::new(provider(1), Identity::new(name(ALICE)));
    config.psks = Arc::new(table);
    config
}

/// One of Bob's devices: all of them have the same name and the same key.
fn a_device_of_bob(n: u8) -> EndpointConfig {
    with_psk(BOB, ALICE, [7; 32], 100 + u64::from(n))
}

fn calls(world: &mut World<Endpoint>, call: &Call) {
    world.act(0, |now, alice| alice.connect(now, address(1), call)).unwrap();
}

/// Two devices of Bob and, by retargeting, Carol answer one call. Alice talks to the second device. The others, with their
/// own sessions and all credentials of their owner, neither hear the two nor can speak to Alice in that session.
// R10.2
#[test]
fn r_fork_retarget() {
    let carol = with_psk(CAROL, ALICE, [8; 32], 200);
    let mut world = phones([alice(), a_device_of_bob(1), a_device_of_bob(2), carol]);
    world = world.with_adversary(forks([1, 2, 3]));
    let mut call = Call::both_ways(name(BOB), POLICY);
    call.to = None;
    call.branches = Branches::Keep;
    // Without an MKI nothing but the keys tells the sessions apart.
    call.mki = false;
    let id = world.act(0, |now, alice: &mut Phone| alice.agent.call(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(2));
    let at_alice = world.node(0).sessions();
    let who: Vec<_> = at_alice.iter().map(|(_, peer, at)| (peer.name.to_string(), *at)).collect();
    for (peer, n) in [(BOB, 1), (BOB, 2), (CAROL, 3)] {
        assert!(who.contains(&(peer.to_string(), address(n))), "{peer} at {n} is not reported: {who:?}");
    }
    world.act(0, |_, alice| alice.agent.settle(id)).unwrap();
    let answered = at_alice.iter().find(|(_, _, at)| *at == address(2)).unwrap().0;
    let answerer = world.node(2).session();

    let (to_bob, to_alice) = (rtp(0xA, 1, b"from alice"), rtp(0xB, 1, b"from the second device"));
    let sent = world.sent.len();
    world.act(0, |now, alice| alice.speak(now, answered, 1, &to_bob));
    world.act(2, |now, bob| bob.speak(now, answerer, 2, &to_alice));
    let packets: Vec<_> = world.sent[sent..].iter().map(|d| d.bytes.clone()).collect();
    assert_eq!(packets.len(), 2);
    for n in [1, 3] {
        for bytes in &packets {
            world.inject(Datagram { from: address(0), to: address(n), bytes: bytes.clone() });
        }
    }
    world.run_until(Time::from_secs(3));
    assert_eq!(world.node(2).heard_in(answerer), [&to_bob[..]]);
    assert_eq!(world.node(0).heard_in(answered), [&to_alice[..]]);
    for n in [1, 3] {
        assert!(world.node(n).heard.is_empty(), "node {n} heard what was not for it");
    }

    // What the others say is never taken for the answerer's, and for nothing at all once Alice has let go of them.
    for (n, ssrc) in [(1, 0xC), (3, 0xD)] {
        let session = world.node(n).session();
        world.act(n, |now, other| other.speak(now, session, 2, &rtp(ssrc, 1, b"from another")));
    }
    world.run_until(Time::from_secs(4));
    assert_eq!(world.node(0).heard_in(answered), [&to_alice[..]]);
    assert_eq!(world.node(0).heard.len(), 3);
    for (session, _, at) in at_alice {
        if at != address(2) {
            world.act(0, |now, alice| alice.agent.close(now, session)).unwrap();
        }
    }
    // The word of it has not come to the others yet.
    let session = world.node(1).session();
    world.act(1, |now, other| other.speak(now, session, 2, &rtp(0xC, 2, b"from another")));
    world.run_until(Time::from_secs(5));
    assert_eq!(world.node(0).heard.len(), 3);
}

/// Eight devices with the same name and the same credential, and Alice names the same SSRC to each of them.
#[test]
fn r_distinct() {
    let devices = (1..=8).map(a_device_of_bob);
    let mut world = endpoints([alice()].into_iter().chain(devices)).with_adversary(forks(1..=8));
    let ours = Stream { ssrc: Some(0x1234_5678), ..Stream::new(Side::Local, POLICY) };
    let mut call = Call::new(name(BOB), vec![ours, Stream::new(Side::Remote, POLICY)]);
    call.branches = Branches::Keep;
    calls(&mut world, &call);
    world.run_until(Time::from_secs(3));
    let at_alice = sessions(world.events(0));
    assert_eq!(at_alice.len(), 8);
    let mut all: Vec<Vec<u8>> = Vec::new();
    for known in &at_alice {
        let n = (1..=8).find(|n| address(*n) == known.remote).unwrap();
        let theirs = sessions(world.events(usize::from(n)));
        assert_eq!(theirs.len(), 1);
        assert_eq!(master_keys(known), master_keys(&theirs[0]), "device {n} and Alice agree");
        let export = |n: usize, s| world.node(n).export(s, b"test", b"", 32).unwrap().expose().to_vec();
        assert_eq!(export(0, known.session), export(usize::from(n), theirs[0].session));
        all.push(export(0, known.session));
        all.extend(master_keys(known));
        all.extend(known.streams.iter().map(|s| s.master_salt.expose().to_vec()));
    }
    let count = all.len();
    assert_eq!(count, 8 * 5, "an exporter value, two keys and two salts of each");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "two contexts share something");
}

/// One fork refuses what it is offered, and its refusal never reaches Alice.
#[test]
fn r_herfp() {
    let ca = Ca::new("ca");
    let certified = |own, seed| certified(&ca, own, KeyKind::Ed25519, seed);
    // The first device does not accept Alice's CA: it refuses her after her AUTH.
    let refusing = || {
        let mut config = certified(BOB, 2);
        config.trust = Ca::new("another").trust();
        config
    };
    let losing_refusals = |mut next: Box<dyn Adversary>| {
        move |now: Time, datagram: Datagram| {
            let refusal = kind(&datagram.bytes) == DataType::ERROR && datagram.from == address(1);
            if refusal { Vec::new() } else { next.on_datagram(now, datagram) }
        }
    };
    let mut world = endpoints([certified(ALICE, 1), refusing(), certified(BOB, 3)])
        .with_adversary(losing_refusals(Box::new(forks([1, 2]))));
    calls(&mut world, &Call::both_ways(name(BOB), POLICY));
    world.run_until(Time::from_secs(40));
    assert!(world.events(1).iter().any(|e| matches!(e, Event::CallerRefused { .. })), "nobody refused");
    let at_alice = sessions(world.events(0));
    assert_eq!(at_alice.len(), 1);
    assert_eq!(at_alice[0].remote, address(2));
    assert_eq!(master_keys(&at_alice[0]), master_keys(&sessions(world.events(2))[0]));

    // Nobody else answers: the call fails in its time, and nothing weaker takes its place.
    let mut world =
        endpoints([certified(ALICE, 1), refusing()]).with_adversary(losing_refusals(Box::new(forks([1]))));
    calls(&mut world, &Call::both_ways(name(BOB), POLICY));
    world.run_until(Time::from_secs(40));
    let events = world.events(0);
    assert!(events.iter().any(|e| matches!(e, Event::CallFailed { why: Error::Timeout { .. }, .. })));
    assert!(sessions(events).is_empty() && sessions(world.events(1)).is_empty());
}

/// Twenty answers: only some cost a key exchange, and none of those that do not show what was signalled.
#[test]
fn r_assoc() {
    let devices = (1..=20).map(a_device_of_bob);
    let mut world = endpoints([alice()].into_iter().chain(devices)).with_adversary(forks(1..=20));
    calls(&mut world, &Call::both_ways(name(BOB), POLICY));
    world.run_until(Time::from_secs(40));
    assert_eq!(sessions(world.events(0)).len(), 1);
    let answers = world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_RESP).count();
    assert!(answers >= 20);
    assert_eq!(world.node(0).metrics().key_exchanges, 1 + 8, "her own value, and eight branches at most");

    // With signalling: nineteen others answer before Bob. What they say is what he says, but for RANDr and, at first, the
    // tls-id, which only the signalling told.
    for (saw_signalling, cost) in [(false, 2), (true, 1 + 8)] {
        let (alice, alices) = by_fingerprint(ALICE, 1);
        let (bob, bobs) = by_fingerprint(BOB, 2);
        let strangers = move |_: Time, datagram: Datagram| {
            let mut out = Vec::new();
            if kind(&datagram.bytes) == DataType::INIT_RESP {
                for n in 10..29 {
                    let mut bytes = craft::with_rand(&datagram.bytes, [n; 32]);
                    if !saw_signalling {
                        let at = bytes.windows(BOBS_TLS_ID.len()).position(|w| w == BOBS_TLS_ID).unwrap();
                        bytes[at] ^= n;
                    }
                    out.push(Datagram { from: address(n), to: datagram.to, bytes });
                }
            }
            out.push(datagram);
            out
        };
        let mut world = endpoints([alice, bob]).with_adversary(strangers);
        world.act(1, |_, bob| bob.expect(told_bob(alices))).unwrap();
        let mut call = Call::both_ways(name(BOB), POLICY);
        call.signalled = Some(told_alice(bobs));
        calls(&mut world, &call);
        world.run_until(Time::from_secs(1));
        assert_eq!(world.node(0).metrics().key_exchanges, cost, "saw the signalling: {saw_signalling}");
        world.run_until(Time::from_secs(40));
        let at_alice = sessions(world.events(0));
        assert_eq!(at_alice.len(), 1);
        assert_eq!((at_alice[0].remote, at_alice[0].peer.level), (address(1), AuthLevel::Fingerprint));
    }

    // With INIT in offer and answer, the dialog of whoever picked up says which of twenty answers is meant: one key exchange,
    // and media belongs to the address in that answer. What others send to the media path is not taken for an answer.
    let mut world = endpoints([alice()].into_iter().chain((1..=20).map(a_device_of_bob)));
    let (id, text) = offer(&mut world, 0, &Call::both_ways(name(BOB), POLICY), At::Session);
    let answers: Vec<String> = (1..=20).map(|n| answer(&mut world, n, &text, At::Session)).collect();
    for (n, text) in (1..).zip(&answers) {
        let bytes = read(text).0.unwrap();
        world.inject(Datagram { from: address(n), to: address(0), bytes });
    }
    assert_eq!(world.node(0).metrics().key_exchanges, 1, "her own value");
    answered(&mut world, 0, id, &answers[6], None);
    world.run_until(Time::from_secs(5));
    let at_alice = sessions(world.events(0));
    assert_eq!(at_alice.len(), 1);
    assert_eq!((at_alice[0].remote, at_alice[0].peer.level), (address(7), AuthLevel::Psk));
    assert_eq!(world.node(0).metrics().key_exchanges, 1 + 1);
    assert!((1..=20).all(|n| sessions(world.events(n)).len() == usize::from(n == 7)));

    // Each answer brings what it says of its own phone: fingerprint and tls-id of the one that picks up are those that count.
    for (meant, said) in [(0, 0), (1, 1), (0, 1)] {
        let (alice, alices) = by_fingerprint(ALICE, 1);
        let (bobs, prints): (Vec<_>, Vec<_>) = (2..4).map(|seed| by_fingerprint(BOB, seed)).unzip();
        let mut world = endpoints([alice].into_iter().chain(bobs));
        let mut call = Call::both_ways(name(BOB), POLICY);
        call.signalled =
            Some(Signalled { fingerprints: Vec::new(), remote_tls_id: None, ..told_alice(prints[0]) });
        let (id, text) = offer(&mut world, 0, &call, At::Session);
        let answers = [1, 2].map(|n| {
            world.act(n, |_, bob| bob.expect(told_bob(alices))).unwrap();
            answer(&mut world, n, &text, At::Session)
        });
        answered(&mut world, 0, id, &answers[meant], Some(&told_alice(prints[said])));
        world.run_until(Time::from_secs(5));
        let known = sessions(world.events(0));
        assert_eq!(known.len(), usize::from(meant == said), "{meant} {said}");
        if let [known] = &known[..] {
            assert_eq!(known.peer.level, AuthLevel::Fingerprint);
        }
    }
}

/// Of four targets one does not know key management at all, one knows another version, one sends plain RTP, and one is able:
/// SRTP is set up with that one, and what the others do is no reason to do without.
// R6.8, R18.6
#[test]
fn r_best_secure() {
    let mut fork = forks([1, 7, 8, 9]);
    let proxy = move |now: Time, datagram: Datagram| {
        let init = kind(&datagram.bytes) == DataType::INIT_REQ;
        let (to, m1) = (datagram.from, datagram.bytes.clone());
        let mut out = fork.on_datagram(now, datagram);
        if init {
            let version = craft::error(&m1, 65, None, &[]);
            out.push(Datagram { from: address(8), to, bytes: version });
            out.push(Datagram { from: address(9), to, bytes: rtp(0x99, 1, b"in clear") });
        }
        out
    };
    let mut world = phones([alice(), a_device_of_bob(1)]).with_adversary(proxy);
    let call = Call::both_ways(name(BOB), POLICY);
    world.act(0, |now, alice: &mut Phone| alice.agent.call(now, address(1), &call)).unwrap();
    world.run_until(Time::from_secs(40));
    let (session, peer, at) = world.node(0).sessions().remove(0);
    assert_eq!((peer.level, at), (AuthLevel::Psk, address(1)));
    let packet = rtp(0xA, 1, b"secured");
    world.act(0, |now, alice| alice.speak(now, session, 1, &packet));
    world.run_until(Time::from_secs(41));
    assert_eq!(world.node(1).heard_in(world.node(1).session()), [&packet[..]]);
    assert!(world.node(0).heard.is_empty(), "plain RTP was taken for media of the session");

    // With an offer for both: the proxy forks it to Bob, who is able, and to Carol's phone, whose answer is plain RTP. With
    // Bob it is SRTP. With Carol it is RTP if Alice's application says so for her address, and else nothing.
    for allowed in [false, true] {
        let mut world = phones([alice(), a_device_of_bob(1), with_psk(CAROL, ALICE, [8; 32], 200)]);
        let (id, text) = offer(&mut world, 0, &Call::both_ways(name(BOB), POLICY), At::Media);
        let from_bob = answer(&mut world, 1, &text, At::Media);
        let (none, _, carol) = read(&sdp::describe(2, &[], At::Nowhere));
        assert!(none.is_none(), "Carol's phone does not know key management");
        answered(&mut world, 0, id, &from_bob, None);
        if allowed {
            world.act(0, |_, alice| alice.agent.accept_clear(ClearFrom::Address(carol)));
        }
        world.run_until(Time::from_secs(5));
        let session = world.node(0).session();
        let [to_bob, plain] = [rtp(0xA, 1, b"secured"), rtp(0xC, 1, b"in clear")];
        world.act(0, |now, alice| alice.speak(now, session, 1, &to_bob));
        world.act(2, |_, carol| carol.speak_in_clear(address(0), &plain));
        world.act(1, |_, bob| bob.speak_in_clear(address(0), &rtp(0xB, 1, b"bob has keys")));
        world.run_until(Time::from_secs(6));
        assert_eq!(world.node(1).heard_in(world.node(1).session()), [&to_bob[..]]);
        assert_eq!(world.node(0).clear, if allowed { vec![plain] } else { Vec::new() });
        assert!(world.node(0).heard.is_empty());
        let clear = world.node(0).agent.accepts_clear();
        assert_eq!(clear.is_some(), allowed, "Bob's keys say nothing of Carol");
    }
}
