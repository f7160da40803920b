//! RFC 5479 sections 5.1 and 5.3: media and whoever handles it (docs/requirements.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod common_r;

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use common::craft::kind;
use common::*;
use common_r::sdp::{At, answer, answered, dial_over_sdp, offer};
use common_r::*;
use mikey::srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Mki, Owner, Ssrcs, UnprotectError,
};
use mikey::{AgentEvent, Class, ClearFrom, KeyLog, classify};
use mikey_crypto::MethodId;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    AuthLevel, Call, Confidentiality, EndpointConfig, Event, Policy, Retarget, SessionId, Side, Stream,
    StreamKeys, Ticket, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::DataType;

const POLICY: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

fn pair_of_phones() -> World<Phone> {
    phones([with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)])
}

fn dial(world: &mut World<Phone>, from: usize, at: u8, call: &Call) {
    world.act(from, |now, phone| phone.agent.call(now, address(at), call)).unwrap();
}

/// Bob speaks at once, and what he says is there before his answer, of which a copy is lost. Nothing is clipped, and nothing
/// forged gets in with it. With a ticket Alice speaks with her first message.
#[test]
fn r_avoid_clipping() {
    let mut lost = false;
    let proxy = move |_: Time, datagram: Datagram| {
        if !lost && kind(&datagram.bytes) == DataType::CCE_RESP {
            lost = true;
            return Vec::new();
        }
        vec![datagram]
    };
    let mut world = pair_of_phones().with_adversary(proxy);
    dial(&mut world, 0, 1, &Call::both_ways(name(BOB), POLICY));
    assert!(world.run_while(Time::from_secs(5), |world| !world.node(1).is_ready()));
    let session = world.node(1).session();
    let said: Vec<_> = (0..5).map(|n| rtp(0xB, n, b"hello")).collect();
    for packet in &said {
        world.act(1, |now, bob| bob.speak(now, session, 2, packet));
    }
    let forged = Datagram { from: address(1), to: address(0), bytes: rtp(0xB, 9, &[0x55; 40]) };
    world.inject(forged);
    let soon = world.now() + Duration::from_millis(100);
    world.run_until(soon);
    assert!(!world.node(0).is_ready(), "the answer came in spite of its loss");
    assert_eq!((world.node(0).held, world.node(0).heard.len()), (6, 0));
    world.run_until(Time::from_secs(5));
    let session = world.node(0).session();
    assert_eq!(world.node(0).heard_in(session), said, "all of it, in order, and nothing else");

    // The next call: the first message and the first packet go out together.
    let ticket = take_ticket(world.node(0)).map(|_| ()).is_some();
    assert!(ticket, "no ticket came");
    let ticket = world.act(0, |_, alice| {
        let at = alice.told.iter().position(|e| matches!(e, AgentEvent::TicketReady { .. })).unwrap();
        let AgentEvent::TicketReady { ticket, .. } = alice.told.remove(at) else { panic!() };
        ticket
    });
    let (start, packet) = (world.now(), rtp(0xA, 1, b"at once"));
    let call = Call::both_ways(name(BOB), POLICY);
    world.act(0, |now, alice| alice.agent.resume(now, address(1), ticket, &call)).unwrap();
    let early = world.node(0).told.iter().find_map(|e| match e {
        AgentEvent::EarlyMediaReady { session, .. } => Some(*session),
        _ => None,
    });
    world.act(0, |now, alice| alice.speak(now, early.unwrap(), 1, &packet));
    assert!(world.run_while(Time::from_secs(9), |world| world.node(1).heard.is_empty()));
    assert_eq!(world.now(), start + Duration::from_millis(10), "after half a round trip");
    assert_eq!(world.node(1).heard[0].1, packet);
}

fn take_ticket(phone: &Phone) -> Option<&Ticket> {
    phone
        .told
        .iter()
        .find_map(|e| if let AgentEvent::TicketReady { ticket, .. } = e { Some(ticket) } else { None })
}

/// The validity check of RFC 3550 A.1 on a first packet, as far as it concerns what every packet must be.
fn passes_rtp_check(packet: &[u8]) -> bool {
    let Some(header) = packet.first_chunk::<12>() else { return false };
    let (version, padding, payload_type) = (header[0] >> 6, header[0] & 0x20 != 0, header[1] & 0x7F);
    let padded = !padding || packet.last().is_some_and(|n| usize::from(*n) < packet.len() - 12);
    version == 2 && !(72..=76).contains(&payload_type) && padded
}

/// Every message that there is, from runs of every kind: none passes for RTP, and no RTP or RTCP passes for a message.
#[test]
fn r_rtp_check() {
    assert!(passes_rtp_check(&rtp(1, 1, b"voice")), "the check lets RTP pass");
    let ca = Ca::new("ca");
    let kind_of = KeyKind::Ed25519;
    let psk = |change: fn(&mut Policy)| {
        let mut ends = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)];
        ends.iter_mut().for_each(|c| change(&mut c.policy));
        ends
    };
    let mut crowded = psk(|_| ());
    crowded[1].cookie_threshold = 0;
    let mut other_group = psk(|_| ());
    other_group[1].policy.groups.rotate_left(2);
    let mut fragments = [certified(&ca, ALICE, kind_of, 1), certified(&ca, BOB, kind_of, 2)];
    fragments.iter_mut().for_each(|c| c.path = 300);
    let runs = [
        psk(|_| ()),
        psk(|p| p.confidentiality = vec![Confidentiality::Clear]),
        psk(|p| *p = Policy::pq_required()),
        psk(|p| p.groups = Policy::legacy().groups.split_off(4)),
        [with_sas(ALICE, 1), with_sas(BOB, 2)],
        crowded,
        other_group,
        fragments,
    ];
    let mut sent = Vec::new();
    for [alice, bob] in runs {
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        pair.call(BOB);
        let ticket = pair.events[0].iter().position(|e| matches!(e, Event::TicketReady { .. }));
        let ticket = ticket.map(|at| pair.events[0].remove(at));
        let (alice, bob) = pair.established();
        pair.world.act(0, |now, e| e.rekey(now, alice.session, true)).unwrap();
        pair.run(Time::from_secs(70));
        pair.world.act(1, |now, e| e.probe(now, bob.session)).unwrap();
        pair.run(Time::from_secs(80));
        if let Some(Event::TicketReady { ticket, .. }) = ticket {
            let call = Call::both_ways(name(BOB), POLICY);
            pair.world.act(0, |now, e| e.resume(now, address(1), ticket, &call)).unwrap();
        }
        pair.run(Time::from_secs(90));
        sent.append(&mut pair.world.sent);
    }
    let mut kinds = BTreeSet::new();
    for Datagram { bytes, .. } in &sent {
        assert!(!passes_rtp_check(bytes), "a message passes for RTP: {:02x?}", &bytes[..12]);
        assert_eq!(classify(bytes), Class::Mikey { version: 2 });
        kinds.insert(kind(bytes).0);
    }
    let all = [6, 40, 41, 42, 43, 46, 47, 48, 49, 50, 51];
    assert_eq!(kinds, BTreeSet::from(all), "not every kind of message was seen");
    for first in 0x80..=0xBF {
        for second in 0..=255 {
            let packet = [&[first, second], &sent[0].bytes[2..]].concat();
            assert!(!matches!(classify(&packet), Class::Mikey { .. } | Class::Stun | Class::Dtls));
        }
    }
}

/// A second call to a peer met before costs no public-key operation and one round trip; its keys are new, and its SSRCs are
/// its own.
#[test]
fn r_reuse() {
    let ca = Ca::new("ca");
    let mut ends = [certified(&ca, ALICE, KeyKind::P256, 1), certified(&ca, BOB, KeyKind::P256, 2)];
    ends.iter_mut().for_each(|c| c.resume_with_dh = false);
    let [alice, bob] = ends;
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.call(BOB);
    let key_exchanges = |pair: &Pair| [0, 1].map(|n| pair.metrics(n).key_exchanges);
    let first = key_exchanges(&pair);
    assert_eq!(first, [2, 1]);
    let at = pair.events[0].iter().position(|e| matches!(e, Event::TicketReady { .. })).unwrap();
    let Event::TicketReady { ticket, .. } = pair.events[0].remove(at) else { panic!() };
    let (before, _) = pair.established();
    pair.events.iter_mut().for_each(Vec::clear);
    pair.world.sent.clear();

    let ours = Stream { ssrc: Some(0xABCD), ..Stream::new(Side::Local, POLICY) };
    let call = Call::new(name(BOB), vec![ours, Stream::new(Side::Remote, POLICY)]);
    pair.world.act(0, |now, alice| alice.resume(now, address(1), ticket, &call)).unwrap();
    pair.run(Time::from_secs(61));
    let kinds: Vec<_> = pair.world.sent.iter().map(|d| kind(&d.bytes)).collect();
    assert_eq!(kinds, [DataType::RESUME_REQ, DataType::RESUME_RESP], "one round trip, without AUTH");
    assert_eq!(key_exchanges(&pair), first);
    pair.events.iter_mut().for_each(|e| e.retain(|e| !matches!(e, Event::TicketReady { .. })));
    let (alice, bob) = pair.established();
    same_keys(&alice, &bob);
    assert_eq!(alice.peer.level, AuthLevel::Certificate, "as well known as before");
    assert_eq!(alice.keys.streams[0].ssrc, Some(0xABCD));
    for new in &alice.keys.streams {
        assert!(before.keys.streams.iter().all(|old| old.master_key.expose() != new.master_key.expose()));
    }
}

/// A gateway speaks for several numbers. Twelve calls end in it: it has the media of each in clear, for the telephone network,
/// and secures what comes from there.
#[test]
fn r_pstn() {
    let ca = Ca::new("ca");
    let numbers: Vec<String> = (0..12).map(|n| format!("tel:+1555000{n:04}")).collect();
    let provider = provider(1);
    let mut gateway =
        EndpointConfig::new(provider.clone(), ca.identity(&provider, &numbers[0], KeyKind::P256));
    let more = numbers[1..].iter().map(|number| ca.identity(&provider, number, KeyKind::P256));
    gateway.identities.extend(more);
    (gateway.trust, gateway.unix_time_at_zero) = (ca.trust(), Some(NOW));
    let caller = |n: u64| certified(&ca, &format!("sip:caller{n}@example.com"), KeyKind::Ed25519, 10 + n);
    let mut world = phones([gateway].into_iter().chain((0..12).map(caller)));
    for (n, number) in (1..).zip(&numbers) {
        let ours = Stream { ssrc: Some(0x100 + n), ..Stream::new(Side::Local, POLICY) };
        let call = Call::new(name(number), vec![ours, Stream::new(Side::Remote, POLICY)]);
        dial(&mut world, usize::try_from(n).unwrap(), 0, &call);
    }
    world.run_until(Time::from_secs(5));
    let legs = world.node(0).sessions();
    assert_eq!(legs.len(), 12);
    for n in 1..=12 {
        let session = world.node(n).session();
        let number = u32::try_from(n).unwrap();
        world.act(n, |now, caller| caller.speak(now, session, 1, &rtp(0x100 + number, 1, b"to the network")));
    }
    for (session, peer, _) in &legs {
        let text = peer.name.to_string();
        world.act(0, |now, gateway| gateway.speak(now, *session, 2, &rtp(0xE, 1, text.as_bytes())));
    }
    let on_the_wire = world.sent.iter().any(|d| d.bytes.ends_with(b"to the network"));
    assert!(!on_the_wire, "the leg to the gateway is in clear");
    world.run_until(Time::from_secs(6));
    for (session, peer, at) in &legs {
        let n = (1..=12).find(|n| address(*n) == *at).unwrap();
        assert_eq!(world.node(0).heard_in(*session), [&rtp(0x100 + u32::from(n), 1, b"to the network")[..]]);
        let text = peer.name.to_string();
        assert_eq!(world.node(usize::from(n)).heard[0].1, rtp(0xE, 1, text.as_bytes()));
    }
    // Each caller knows which number answered it, and by whose word.
    for (n, number) in (1..).zip(&numbers) {
        let (_, peer, _) = world.node(n).sessions().remove(0);
        assert_eq!((peer.name.to_string(), peer.level), (number.clone(), AuthLevel::Certificate));
    }
}

/// What an application that has to record does with the keys.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Option<ContextDb>>>);

impl KeyLog for Recorder {
    fn srtp_keys(&mut self, _: SessionId, keys: &StreamKeys) {
        let mut db = self.0.lock().unwrap();
        let db = db.get_or_insert_with(|| ContextDb::new(provider(0).srtp, DbConfig::new([1, 2])));
        let copy = |octets: &[u8]| mikey_crypto::SecretBytes::copy_from(octets);
        let key = MasterKey::new(copy(keys.master_key.expose()), copy(keys.master_salt.expose()))
            .with_mki(Mki::new(&keys.mki).unwrap());
        let at = Destination::flow(0);
        let owner = Owner(u64::from(keys.cs_id));
        db.install(Install::new(Direction::Inbound, at, owner, Ssrcs::Any, keys.policy, key)).unwrap();
    }
}

impl Recorder {
    fn hears(&self, packet: &[u8]) -> Result<Vec<u8>, Option<UnprotectError>> {
        let mut db = self.0.lock().unwrap();
        let db = db.as_mut().ok_or(None)?;
        let mut packet = packet.to_vec();
        let accepted =
            db.unprotect_rtp(mikey::srtp::Time(0), Destination::flow(0), &mut packet).map_err(Some)?;
        packet.truncate(accepted.len);
        Ok(packet)
    }
}

/// A recorder beside the wire hears a call if, and only if, an end gives it the keys; no end pretends to be another.
#[test]
fn r_recording() {
    for cooperates in [true, false] {
        let recorder = Recorder::default();
        let mut world = pair_of_phones();
        if cooperates {
            world.act(1, |_, bob| bob.agent.log_keys(Box::new(recorder.clone())));
        }
        dial(&mut world, 0, 1, &Call::both_ways(name(BOB), POLICY));
        world.run_until(Time::from_secs(2));
        let sent = world.sent.len();
        let sessions = [world.node(0).session(), world.node(1).session()];
        let said = [rtp(0xA, 1, b"from alice"), rtp(0xB, 1, b"from bob")];
        world.act(0, |now, alice| alice.speak(now, sessions[0], 1, &said[0]));
        world.act(1, |now, bob| bob.speak(now, sessions[1], 2, &said[1]));
        world.run_until(Time::from_secs(3));
        assert_eq!((world.node(1).heard.len(), world.node(0).heard.len()), (1, 1));
        let recorded: Vec<_> = world.sent[sent..].iter().map(|d| recorder.hears(&d.bytes)).collect();
        if cooperates {
            assert_eq!(recorded, said.map(Ok));
        } else {
            assert_eq!(recorded, [Err(None), Err(None)]);
        }
    }
}

/// A transcoder is an end of both legs under its own name. Alice lets it answer, and knows that it did; if she does not, there
/// is no call.
#[test]
fn r_transcoder() {
    const CODEC: &str = "sip:transcoder@example.com";
    let ca = Ca::new("ca");
    let kind = KeyKind::Ed25519;
    for accepted in [true, false] {
        let mut world = phones([
            certified(&ca, ALICE, kind, 1),
            certified(&ca, BOB, kind, 2),
            certified(&ca, CODEC, kind, 3),
        ]);
        let mut call = Call::both_ways(name(BOB), POLICY);
        if accepted {
            (call.to, call.retarget) = (None, Retarget::Report);
        }
        dial(&mut world, 0, 2, &call);
        dial(&mut world, 2, 1, &Call::both_ways(name(BOB), SrtpPolicy::AEAD_AES_128_GCM));
        world.run_until(Time::from_secs(40));
        let inner = world.node(2).sessions();
        if !accepted {
            assert!(world.node(0).sessions().is_empty(), "somebody else answered for Bob");
            continue;
        }
        let (session, peer, _) = world.node(0).sessions().remove(0);
        assert_eq!(peer.name, name(CODEC), "Alice sees who it is");
        world.act(0, |now, alice| alice.speak(now, session, 1, &rtp(0xA, 1, b"wide band")));
        world.run_until(Time::from_secs(41));
        let leg = |peer: &str| inner.iter().find(|(_, p, _)| p.name == name(peer)).unwrap().0;
        assert_eq!(world.node(2).heard_in(leg(ALICE)), [&rtp(0xA, 1, b"wide band")[..]]);
        world.act(2, |now, codec| codec.speak(now, leg(BOB), 1, &rtp(0xC, 1, b"narrow")));
        world.run_until(Time::from_secs(42));
        assert_eq!(world.node(1).heard_in(world.node(1).session()), [&rtp(0xC, 1, b"narrow")[..]]);
        let (_, peer, _) = world.node(1).sessions().remove(0);
        assert_eq!(peer.name, name(CODEC), "and so does Bob");
    }
}

/// Keys are negotiated for names of any signalling, and between two of them, without a word of SDP.
#[test]
fn r_other_signaling() {
    let names =
        ["sip:alice@example.com", "h323:bob@example.com", "xmpp:carol@example.com", "mgcp:dave@gw.example"];
    let ca = Ca::new("ca");
    for (n, a) in names.iter().enumerate() {
        let b = names[(n + 1) % names.len()];
        for mode in Mode::ALL {
            let (alice, bob) = match mode {
                Mode::Psk => (with_psk(a, b, [7; 32], 1), with_psk(b, a, [7; 32], 2)),
                _ => (certified(&ca, a, KeyKind::Ed25519, 1), certified(&ca, b, KeyKind::Ed25519, 2)),
            };
            let mut pair = Pair::new(Link::perfect(1), alice, bob);
            let (alice, bob) = pair.call(b).established();
            assert_eq!((alice.peer.name, bob.peer.name), (name(b), name(a)));
            let method = if mode == Mode::Psk { MethodId::PSK } else { MethodId::ED25519 };
            assert_eq!(alice.negotiated.initiator, method);
        }
        // Whatever carries octets there and back can carry INIT: here an offer and an answer, for the same names.
        let mut world = endpoints([with_psk(a, b, [7; 32], 1), with_psk(b, a, [7; 32], 2)]);
        dial_over_sdp(&mut world, 0, 1, &Call::both_ways(name(b), POLICY), At::Session);
        world.run_until(Time::from_secs(5));
        let (alice, bob) = (sessions(world.events(0)).remove(0), sessions(world.events(1)).remove(0));
        assert_eq!((&alice.peer.name, &bob.peer.name), (&name(b), &name(a)));
        assert_eq!(master_keys(&alice), master_keys(&bob));
    }
}

/// A call begins as plain RTP, because Alice's application says that it may. She hears Bob's phone before its answer and is
/// told that it is not secured; when the answer has been authenticated SRTP takes its place and nothing in clear is taken
/// any more. Without that word of the application nothing in clear is heard at all.
#[test]
fn r_allow_rtp() {
    for allowed in [true, false] {
        let mut world = pair_of_phones();
        let call = Call::both_ways(name(BOB), POLICY);
        let (id, text) = offer(&mut world, 0, &call, At::Session);
        if allowed {
            world.act(0, |_, alice| alice.agent.accept_clear(ClearFrom::Anyone));
        }
        // Bob's phone rings, with an announcement of a gateway on the way that has no keys.
        let announcements: Vec<_> = (0..5).map(|n| rtp(0xC, n, b"one moment please")).collect();
        for packet in &announcements {
            world.act(1, |_, bob| bob.speak_in_clear(address(0), packet));
        }
        world.run_until(Time::from_secs(1));
        let heard = |world: &World<Phone>| world.node(0).clear.clone();
        assert_eq!(heard(&world), if allowed { announcements } else { Vec::new() });
        assert!(world.node(0).heard.is_empty(), "nothing in clear belongs to a session");
        assert!(world.node(0).sessions().is_empty(), "and nobody is said to be known");
        let before = world.node(0).agent.accepts_clear();
        assert_eq!(before, allowed.then_some(ClearFrom::Anyone), "what the person must be told");

        // Bob picks up. What is said until his answer is authenticated may still be in clear.
        let text = answer(&mut world, 1, &text, At::Session);
        answered(&mut world, 0, id, &text, None);
        world.run_until(Time::from_secs(2));
        let ended = world.node(0).told.iter().filter(|e| matches!(e, AgentEvent::ClearEnded { .. })).count();
        assert_eq!(ended, usize::from(allowed), "told once that it is secured now");
        assert_eq!(world.node(0).agent.accepts_clear(), None);
        let sessions = [world.node(0).session(), world.node(1).session()];
        let packet = rtp(0xB, 1, b"secured");
        world.act(1, |now, bob| bob.speak(now, sessions[1], 2, &packet));
        let before = heard(&world).len();
        for forged in [rtp(0xC, 9, b"in clear again"), rtp(0xB, 2, b"in his name")] {
            world.inject(Datagram { from: address(1), to: address(0), bytes: forged });
        }
        world.run_until(Time::from_secs(3));
        assert_eq!(world.node(0).heard_in(sessions[0]), [&packet[..]]);
        assert_eq!(heard(&world).len(), before, "nothing in clear is taken after that");
        assert_eq!(world.node(0).agent.clear_packets(), if allowed { 5 } else { 0 });
    }
    // Somebody holds the keys back: it stays in clear, and stays known to be so. One address may speak and no other.
    let mut world =
        pair_of_phones().with_adversary(|_: Time, datagram: Datagram| match kind(&datagram.bytes) {
            DataType::CCE_REQ => Vec::new(),
            _ => vec![datagram],
        });
    world.act(0, |_, alice| alice.agent.accept_clear(ClearFrom::Address(address(1))));
    dial_over_sdp(&mut world, 0, 1, &Call::both_ways(name(BOB), POLICY), At::Session);
    for (from, text) in [(1, &b"from bob"[..]), (7, b"from another")] {
        world.inject(Datagram { from: address(from), to: address(0), bytes: rtp(0xB, from.into(), text) });
    }
    world.run_until(Time::from_secs(300));
    assert_eq!(world.node(0).clear, [rtp(0xB, 1, b"from bob")]);
    assert!(world.node(0).sessions().is_empty() && world.node(0).agent.accepts_clear().is_some());
    assert!(world.node(0).told.iter().any(|e| matches!(e, AgentEvent::CallFailed { .. })), "it is told");
    world.act(0, |_, alice| alice.agent.refuse_clear());
    world.inject(Datagram { from: address(1), to: address(0), bytes: rtp(0xB, 3, b"more") });
    assert_eq!(world.node(0).clear.len(), 1);
}
