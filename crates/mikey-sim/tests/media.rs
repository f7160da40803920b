//! Whole calls with speech: agents, key management and SRTP behind one socket each, on a good link and on a bad one.
//!
//! What is heard was said, bit for bit, by whom the session is with, and once; or it is not heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod common_r;

use core::time::Duration;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use common::craft::kind;
use common::*;
use common_r::{CAROL, MALLORY, Phone, phones, rtp};
use mikey::{AgentEvent, Class, MAX_HELD_PER_SSRC, classify};
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::limits::MIN_KEY_PACKETS;
use mikey_proto::{
    Call, EndpointConfig, Identity, IssuedTicket, PskTable, Redemption, SessionId, TicketId, TicketStore,
    TicketTable, Time,
};
use mikey_sim::{Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::DataType;

const FRAME: Duration = Duration::from_millis(20);
const ALICES: u32 = 0xA11C_E000;
const BOBS: u32 = 0xB0B0_0000;

fn world_of(link: Link, configs: impl IntoIterator<Item = EndpointConfig>) -> World<Phone> {
    World::new(link, (0..).zip(configs).map(|(n, config)| Phone::new(config, n)))
}

fn dial(world: &mut World<Phone>, from: usize, at: u8, call: &Call) {
    world.act(from, |now, phone| phone.agent.call(now, address(at), call)).unwrap();
}

fn speak(world: &mut World<Phone>, n: usize, session: SessionId, cs_id: u8, packet: &[u8]) {
    world.act(n, |now, phone| phone.speak(now, session, cs_id, packet));
}

/// A frame of 20 ms that is like no other.
fn frame(ssrc: u32, number: u32, first: u16) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(u64::from(ssrc) << 32 | u64::from(number));
    let payload: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(160).collect();
    rtp(ssrc, first.wrapping_add(u16::try_from(number % 65_536).unwrap()), &payload)
}

fn run(world: &mut World<Phone>, time: Duration) {
    let end = world.now() + time;
    world.run_until(end);
}

/// Both speak for as many frames; returns what each said.
fn converse(world: &mut World<Phone>, frames: u32, first: u16) -> [Vec<Vec<u8>>; 2] {
    let sessions = [0, 1].map(|n| world.node(n).session());
    let mut said = [Vec::new(), Vec::new()];
    for number in 0..frames {
        for (n, (ssrc, cs_id)) in [(ALICES, 1), (BOBS, 2)].into_iter().enumerate() {
            let packet = frame(ssrc, number, first);
            speak(world, n, sessions[n], cs_id, &packet);
            said[n].push(packet);
        }
        run(world, FRAME);
    }
    run(world, Duration::from_secs(1));
    said
}

#[test]
fn speech_on_a_good_link_arrives_whole_and_in_order() {
    for policy in [SrtpPolicy::AES_CM_128_HMAC_SHA1_80, SrtpPolicy::AEAD_AES_128_GCM] {
        let parties = Parties::new(KeyKind::Ed25519);
        for mode in Mode::EVERY {
            let configs = [parties.alice(mode, 1), parties.bob(mode, 2)];
            let mut world = world_of(Link::perfect(1), configs);
            dial(&mut world, 0, 1, &Call::both_ways(name(BOB), policy));
            run(&mut world, Duration::from_secs(1));
            // The sequence number wraps on the way.
            let said = converse(&mut world, 200, 65_436);
            for n in 0..2 {
                let phone = world.node(n);
                assert_eq!(phone.heard_in(phone.session()), said[1 - n], "{mode:?}, node {n}");
            }
            let spoken: Vec<_> = world.sent.iter().filter(|d| classify(&d.bytes) == Class::Rtp).collect();
            assert_eq!(spoken.len(), 400);
            let in_clear =
                |d: &&Datagram| said.iter().flatten().any(|p| d.bytes.windows(16).any(|w| w == &p[12..28]));
            assert!(!spoken.iter().take(20).any(in_clear), "speech can be read on the way");
        }
    }
}

/// 30 % loss, 10 % duplication, reordering, and 5 % of what arrives is damaged.
#[test]
fn speech_on_a_bad_link_arrives_bit_for_bit_or_not_at_all() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (seed, mode) in (0..8).zip(Mode::EVERY.into_iter().cycle()) {
        let mut link = Link::bad(seed);
        link.corruption = 0.05;
        let mut configs = [parties.alice(mode, 2 * seed), parties.bob(mode, 2 * seed + 1)];
        configs.iter_mut().for_each(|config| config.request_lifetime = Duration::from_secs(60));
        let mut world = world_of(link, configs);
        dial(&mut world, 0, 1, &Call::both_ways(name(BOB), SrtpPolicy::AEAD_AES_128_GCM));
        let both = |world: &mut World<Phone>| !(world.node(0).is_ready() && world.node(1).is_ready());
        assert!(world.run_while(Time::from_secs(130), both), "seed {seed}: no call");
        let said = converse(&mut world, 400, 65_400);
        for n in 0..2 {
            let phone = world.node(n);
            let heard = phone.heard_in(phone.session());
            let said: HashSet<&[u8]> = said[1 - n].iter().map(Vec::as_slice).collect();
            assert!(heard.iter().all(|packet| said.contains(packet)), "seed {seed}: something nobody said");
            let once: HashSet<_> = heard.iter().collect();
            assert_eq!(once.len(), heard.len(), "seed {seed}: something was heard twice");
            // Seven in ten arrive, one in twenty of them damaged; some second copies make up for that.
            assert!((200..340).contains(&heard.len()), "seed {seed}: {} of 400 were heard", heard.len());
            assert_eq!(phone.heard.len(), heard.len(), "seed {seed}: another session");
        }
    }
}

/// Bob's first answers are lost while he speaks already: Alice keeps what she cannot open yet, and loses nothing.
// R13.2
#[test]
fn early_media_is_held_and_released() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let mut lost = 0;
        let mut world = world_of(Link::perfect(1), [parties.alice(mode, 1), parties.bob(mode, 2)])
            .with_adversary(move |_: Time, datagram: Datagram| {
                if kind(&datagram.bytes) == mode.second()[1] && classify(&datagram.bytes) != Class::Rtp {
                    lost += 1;
                    if lost <= 2 {
                        return Vec::new();
                    }
                }
                vec![datagram]
            });
        dial(&mut world, 0, 1, &Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
        assert!(world.run_while(Time::from_secs(5), |world| !world.node(1).is_ready()));
        assert!(!world.node(0).is_ready());
        let session = world.node(1).session();
        let said: Vec<_> = (0..25).map(|number| frame(BOBS, number, 7)).collect();
        for packet in &said {
            speak(&mut world, 1, session, 2, packet);
            run(&mut world, FRAME);
        }
        let alice = world.node(0);
        assert!(alice.held >= 20 && alice.heard.is_empty(), "{} packets were held", alice.held);
        run(&mut world, Duration::from_millis(1200));
        let alice = world.node(0);
        assert_eq!(alice.heard_in(alice.session()), said, "{mode:?}");
    }
}

/// Anyone can send packets that look early. Few are kept, not for long, and none of them is heard.
#[test]
fn what_is_held_is_bounded() {
    let mut world = phones([with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)]);
    // At rest nothing is expected, so nothing is kept.
    let junk = |number: u32| Datagram { from: address(9), to: address(0), bytes: frame(0xEEEE, number, 0) };
    world.inject(junk(0));
    assert_eq!(world.node(0).held, 0);
    dial(&mut world, 0, 1, &Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
    for number in 0..1000 {
        world.inject(junk(number));
    }
    assert_eq!(world.node(0).held, MAX_HELD_PER_SSRC);
    for ssrc in 0..3000 {
        world.inject(Datagram { from: address(9), to: address(0), bytes: frame(ssrc, 1, 0) });
    }
    assert!(world.node(0).held * 172 <= 256 * 1024, "{} packets are held", world.node(0).held);
    run(&mut world, Duration::from_secs(5));
    let said = converse(&mut world, 20, 0);
    for n in 0..2 {
        let phone = world.node(n);
        assert_eq!(phone.heard_in(phone.session()), said[1 - n]);
        assert_eq!(phone.heard.len(), 20);
    }
}

fn of_three(own: &str, peers: [&str; 2], seed: u64) -> EndpointConfig {
    let mut table = PskTable::new();
    for peer in peers {
        // A key for each pair, the same at both ends.
        let octet = own.len() + peer.len();
        let key = SecretBytes::copy_from(&[u8::try_from(octet).unwrap(); 32]);
        table.insert(name(own), name(peer), key).unwrap();
    }
    let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
    config.psks = Arc::new(table);
    config
}

/// Alice talks to Bob and to Carol at once, from one socket, and all three use the same SSRCs and sequence numbers.
#[test]
fn two_calls_do_not_mix() {
    let mut world = world_of(
        Link::perfect(1),
        [
            of_three(ALICE, [BOB, CAROL], 1),
            of_three(BOB, [ALICE, CAROL], 2),
            of_three(CAROL, [ALICE, BOB], 3),
        ],
    );
    let policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    dial(&mut world, 0, 1, &Call::both_ways(name(BOB), policy));
    run(&mut world, Duration::from_secs(1));
    dial(&mut world, 0, 2, &Call::both_ways(name(CAROL), policy));
    run(&mut world, Duration::from_secs(1));
    let alices = world.node(0).sessions();
    let [(with_bob, bob, _), (with_carol, carol, _)] = <[_; 2]>::try_from(alices).unwrap();
    assert_eq!((bob.name.to_string(), carol.name.to_string()), (BOB.into(), CAROL.into()));
    let (bobs, carols) = (world.node(1).session(), world.node(2).session());
    let mut said: [Vec<Vec<u8>>; 4] = Default::default();
    for number in 0..30 {
        let to_bob = frame(ALICES, number, 0);
        let to_carol = frame(ALICES + 1, number, 0);
        let from_bob = frame(BOBS, number, 0);
        let from_carol = frame(BOBS + 1, number, 0);
        speak(&mut world, 0, with_bob, 1, &to_bob);
        speak(&mut world, 0, with_carol, 1, &to_carol);
        speak(&mut world, 1, bobs, 2, &from_bob);
        speak(&mut world, 2, carols, 2, &from_carol);
        for (list, packet) in said.iter_mut().zip([to_bob, to_carol, from_bob, from_carol]) {
            list.push(packet);
        }
        run(&mut world, FRAME);
    }
    assert_eq!(world.node(0).heard_in(with_bob), said[2]);
    assert_eq!(world.node(0).heard_in(with_carol), said[3]);
    assert_eq!(world.node(1).heard_in(bobs), said[0]);
    assert_eq!(world.node(2).heard_in(carols), said[1]);
    // What was said to Bob, passed on to Carol, and the other way round; and everything once more.
    let heard = [0, 1, 2].map(|n| world.node(n).heard.len());
    let spoken: Vec<_> = world.sent.iter().filter(|d| classify(&d.bytes) == Class::Rtp).cloned().collect();
    for datagram in spoken {
        for to in 0..3 {
            world.inject(Datagram { to: address(to), ..datagram.clone() });
        }
    }
    assert_eq!([0, 1, 2].map(|n| world.node(n).heard.len()), heard, "something was heard that should not be");
}

/// Packets under the keys of another call, packets without protection, packets of a session that is over.
#[test]
fn wrong_keys_are_refused() {
    let mut world = phones([with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)]);
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    dial(&mut world, 0, 1, &call);
    run(&mut world, Duration::from_secs(1));
    converse(&mut world, 10, 0);
    // The same names and another key: a call of Mallory's with herself.
    let mut other = phones([with_psk(ALICE, BOB, [8; 32], 1), with_psk(BOB, ALICE, [8; 32], 2)]);
    dial(&mut other, 0, 1, &call);
    run(&mut other, Duration::from_secs(1));
    converse(&mut other, 40, 0);
    let heard = [0, 1].map(|n| world.node(n).heard.len());
    let theirs: Vec<_> = other.sent.iter().filter(|d| classify(&d.bytes) == Class::Rtp).cloned().collect();
    assert_eq!(theirs.len(), 80);
    for datagram in theirs {
        world.inject(datagram);
    }
    for number in 100..140 {
        world.inject(Datagram { from: address(0), to: address(1), bytes: frame(ALICES, number, 0) });
        world.inject(Datagram { from: address(1), to: address(0), bytes: frame(BOBS, number, 0) });
    }
    assert_eq!([0, 1].map(|n| world.node(n).heard.len()), heard);
    // What was refused has not moved anything: the conversation goes on where it was.
    let session = world.node(0).session();
    let packet = frame(ALICES, 10, 0);
    speak(&mut world, 0, session, 1, &packet);
    run(&mut world, FRAME);
    assert_eq!(world.node(1).heard.last().map(|(_, p)| p), Some(&packet));
    // After the end nothing is heard, and nothing can be said.
    world.act(0, |now, alice| alice.agent.close(now, session)).unwrap();
    let late = world.sent.iter().rev().find(|d| classify(&d.bytes) == Class::Rtp).unwrap().clone();
    run(&mut world, Duration::from_secs(30));
    let heard = world.node(1).heard.len();
    world.inject(late);
    assert_eq!(world.node(1).heard.len(), heard);
    let said = world.act(0, |now, alice| {
        let mut buffer = [packet.as_slice(), &[0; 64]].concat();
        alice.agent.protect_rtp(now, session, 1, &mut buffer, packet.len()).is_ok()
    });
    assert!(!said, "a session that is over can still be spoken in");
}

/// Somebody in the middle of the whole call: no media of either ever has a key that she knows, for none is handed out.
// R8.3
#[test]
fn no_media_flows_with_somebody_who_is_not_the_peer() {
    let said: Arc<Mutex<usize>> = Arc::default();
    let counted = Arc::clone(&said);
    let configs = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, MALLORY, [9; 32], 2)];
    let mut world = world_of(Link::perfect(1), configs).with_adversary(move |_: Time, datagram: Datagram| {
        *counted.lock().unwrap() += usize::from(classify(&datagram.bytes) == Class::Rtp);
        vec![datagram]
    });
    dial(&mut world, 0, 1, &Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
    run(&mut world, Duration::from_secs(40));
    assert!(!world.node(0).is_ready() && !world.node(1).is_ready());
    assert!(world.node(0).sessions().is_empty() && world.node(1).sessions().is_empty());
    assert_eq!(*said.lock().unwrap(), 0);
}

/// Everything that was said arrives, once and in order, in the sessions of both; returns how often the keys were renewed.
fn all_is_heard(world: &World<Phone>, said: &[Vec<Vec<u8>>; 2]) -> u64 {
    for n in 0..2 {
        assert_eq!(world.node(n).heard.len(), said[1 - n].len(), "heard by {n}");
        assert!(world.node(n).heard.iter().map(|(_, packet)| packet).eq(&said[1 - n]));
    }
    let [alice, bob] = [0, 1].map(|n| world.node(n).agent.metrics().rekeys);
    assert_eq!(alice, bob);
    alice
}

/// A call between two phones whose keys are renewed as `change` says.
fn renewing(change: impl Fn(&mut EndpointConfig)) -> World<Phone> {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut ends = [parties.alice(Mode::Psk, 1), parties.bob(Mode::Psk, 2)];
    ends.iter_mut().for_each(change);
    let mut world = phones(ends);
    dial(&mut world, 0, 1, &Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
    run(&mut world, Duration::from_secs(1));
    world
}

#[test]
fn renewals_on_demand_by_either_or_both_lose_nothing() {
    for (who, with_dh) in [(0..1, true), (1..2, true), (0..1, false), (1..2, false), (0..2, true)] {
        let mut world = renewing(|_| ());
        let mut said = converse(&mut world, 10, 100);
        for n in who {
            let session = world.node(n).session();
            world.act(n, |now, phone| phone.agent.rekey(now, session, with_dh)).unwrap();
        }
        let more = converse(&mut world, 300, 110);
        said.iter_mut().zip(more).for_each(|(said, more)| said.extend(more));
        assert_eq!(all_is_heard(&world, &said), 1);
    }
}

#[test]
fn renewals_by_time_lose_nothing() {
    let mut world = renewing(|config| config.rekey_after = Some(Duration::from_secs(5)));
    let said = converse(&mut world, 1200, 0xFF00);
    assert!(all_is_heard(&world, &said) >= 4);
}

/// Each key is good for 16,384 packets, and renewed in time.
#[test]
fn renewals_by_packets_lose_nothing() {
    let mut world = renewing(|config| config.rekey_after_packets = Some(MIN_KEY_PACKETS));
    let said = converse(&mut world, 20_000, 0);
    let renewals = all_is_heard(&world, &said);
    assert_eq!(renewals, 1, "for 20,000 packets each way");
}

/// When the peer does not answer, a key that has protected what it may protects nothing more.
#[test]
fn without_a_renewal_a_key_protects_no_packet_too_many() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut alice = parties.alice(Mode::Psk, 1);
    alice.rekey_after_packets = Some(MIN_KEY_PACKETS);
    let mut world = phones([alice, parties.bob(Mode::Psk, 2)]).with_adversary(
        |_: Time, datagram: Datagram| match classify(&datagram.bytes) {
            Class::Mikey { .. } if kind(&datagram.bytes) == DataType::REKEY_REQ => Vec::new(),
            _ => vec![datagram],
        },
    );
    dial(&mut world, 0, 1, &Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
    run(&mut world, Duration::from_secs(1));
    let session = world.node(0).session();
    let mut protected = 0;
    for number in 0..17_000_u32 {
        let mut buffer = frame(ALICES, number, 0);
        let len = buffer.len();
        buffer.resize(len + 64, 0);
        let result = world.act(0, |now, phone| phone.agent.protect_rtp(now, session, 1, &mut buffer, len));
        match result {
            Ok(_) => protected += 1,
            Err(why) => {
                let exhausted = mikey::MediaError::Srtp(mikey::srtp::ProtectError::KeyExhausted);
                assert_eq!(why, exhausted, "packet {number}");
            }
        }
    }
    assert_eq!(protected, MIN_KEY_PACKETS);
}

/// A phone resumes with a ticket whose use Bob cannot record: until it has shown that it is there, what he sends is bounded.
#[test]
fn media_to_a_peer_that_may_be_a_repeat_is_bounded() {
    struct Lost(TicketTable);
    impl TicketStore for Lost {
        fn insert(&mut self, now: Time, lifetime: Duration, id: TicketId, ticket: IssuedTicket) {
            self.0.insert(now, lifetime, id, ticket);
        }
        fn find(&self, now: Time, id: TicketId) -> Option<Arc<IssuedTicket>> {
            self.0.find(now, id)
        }
        fn redeem(&mut self, _: Time, _: TicketId) -> Redemption {
            Redemption::Unrecorded
        }
        fn revoke(&mut self, id: TicketId) {
            self.0.revoke(id);
        }
    }
    for alive in [false, true] {
        let parties = Parties::new(KeyKind::Ed25519);
        let mut bob = parties.bob(Mode::Certificate, 2);
        bob.tickets = Some(Box::new(Lost(TicketTable::default())));
        let answers = std::rc::Rc::new(std::cell::Cell::new(true));
        let pass = answers.clone();
        let mut world = phones([parties.alice(Mode::Certificate, 1), bob]).with_adversary(
            move |_: Time, datagram: Datagram| {
                if pass.get() || datagram.from == address(1) { vec![datagram] } else { Vec::new() }
            },
        );
        let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        dial(&mut world, 0, 1, &call);
        run(&mut world, Duration::from_secs(1));
        let told = &mut world.act(0, |_, phone| std::mem::take(&mut phone.told));
        let at = told.iter().position(|event| matches!(event, AgentEvent::TicketReady { .. })).unwrap();
        let AgentEvent::TicketReady { ticket, .. } = told.remove(at) else { panic!("no ticket") };
        world.act(0, |now, phone| phone.agent.resume(now, address(1), ticket, &call)).unwrap();
        // What comes after RESUME_REQ gets through, or does not.
        run(&mut world, Duration::from_millis(1));
        answers.set(alive);
        run(&mut world, Duration::from_secs(1));
        let session = world.node(1).sessions()[1].0;
        let mut sent = 0;
        for number in 0..1000_u32 {
            let mut buffer = frame(BOBS, number, 0);
            let len = buffer.len();
            buffer.resize(len + 64, 0);
            let result =
                world.act(1, |now, phone| phone.agent.protect_rtp(now, session, 2, &mut buffer, len));
            sent += if result.is_ok() { len } else { 0 };
        }
        if alive {
            assert_eq!(sent, 1000 * 172);
        } else {
            assert!((60_000..=64_000).contains(&sent), "{sent} octets to who knows whom");
        }
    }
}
