//! RESUME: one round trip with a ticket, media at once, and what a ticket must not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use common::craft::{bend, kind};
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    AuthLevel, Call, DropReason, Endpoint, EndpointConfig, Event, IssuedTicket, Redemption, SessionId,
    SrtpKeys, Ticket, TicketId, TicketStore, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, address};
use mikey_wire::v2::peek;
use mikey_wire::{DataType, Payload};

const POLICY: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

/// A pair that has met, and the ticket that Alice got.
fn met(link: Link, change: impl Fn(&mut EndpointConfig)) -> (Pair, Ticket) {
    let ca = Ca::new("ca");
    let mut ends = [certified(&ca, ALICE, KeyKind::Ed25519, 1), certified(&ca, BOB, KeyKind::Ed25519, 2)];
    ends.iter_mut().for_each(change);
    let [alice, bob] = ends;
    let mut pair = Pair::new(link, alice, bob);
    pair.call(BOB);
    let ticket = take_ticket(&mut pair.events[0]).expect("no ticket came");
    pair.events.iter_mut().for_each(Vec::clear);
    pair.world.sent.clear();
    (pair, ticket)
}

fn take_ticket(events: &mut Vec<Event>) -> Option<Ticket> {
    let at = events.iter().position(|e| matches!(e, Event::TicketReady { .. }))?;
    match events.remove(at) {
        Event::TicketReady { ticket, .. } => Some(ticket),
        _ => None,
    }
}

fn resume(pair: &mut Pair, ticket: Ticket) {
    let call = Call::both_ways(name(BOB), POLICY);
    pair.world.act(0, |now, alice: &mut Endpoint| alice.resume(now, address(1), ticket, &call)).unwrap();
}

fn early(events: &[Event]) -> Vec<(SessionId, &SrtpKeys)> {
    let keys = |e: &'_ Event| matches!(e, Event::EarlyKeysReady { .. });
    events
        .iter()
        .filter(|e| keys(e))
        .filter_map(|e| {
            if let Event::EarlyKeysReady { session, keys, .. } = e { Some((*session, keys)) } else { None }
        })
        .collect()
}

#[test]
fn one_round_trip_with_and_without_dh() {
    for with_dh in [true, false] {
        let (mut pair, ticket) = met(Link::perfect(1), |c| c.resume_with_dh = with_dh);
        assert_eq!(ticket.peer(), &name(BOB));
        resume(&mut pair, ticket);
        let soon = pair.world.now() + Duration::from_secs(1);
        pair.run(soon);
        assert_eq!(pair.world.sent.len(), 2, "RESUME_REQ and RESUME_RESP");
        {
            let (alice, bob) = (early(&pair.events[0]), early(&pair.events[1]));
            assert_eq!((alice.len(), bob.len()), (1, 1));
            let (a, b) = (&alice[0].1.streams, &bob[0].1.streams);
            assert_eq!((a.len(), b.len()), (1, 1), "only what the initiator sends");
            assert_eq!(a[0].master_key.expose(), b[0].master_key.expose());
            assert_eq!(a[0].mki, b[0].mki);
        }
        let early_key = early(&pair.events[0])[0].1.streams[0].master_key.expose().to_vec();
        let early_mki = early(&pair.events[0])[0].1.streams[0].mki.clone();
        assert!(take_ticket(&mut pair.events[0]).is_some(), "a new ticket for the call after this one");
        let (alice, bob) = pair.established();
        assert_eq!((alice.peer.level, bob.peer.level), (AuthLevel::Certificate, AuthLevel::Certificate));
        assert_eq!((alice.peer.name.to_string(), bob.peer.name.to_string()), (BOB.into(), ALICE.into()));
        same_keys(&alice, &bob);
        for stream in &alice.keys.streams {
            assert_ne!(stream.master_key.expose(), early_key, "the final keys are others");
            assert_ne!(stream.mki, early_mki);
        }
    }
}

#[test]
fn a_resumed_session_lives_on() {
    let (mut pair, ticket) = met(Link::perfect(1), |_| ());
    resume(&mut pair, ticket);
    let soon = pair.world.now() + Duration::from_secs(1);
    pair.run(soon);
    let second = take_ticket(&mut pair.events[0]).unwrap();
    let (alice, bob) = pair.established();
    pair.world.act(0, |now, e: &mut Endpoint| e.rekey(now, alice.session, true)).unwrap();
    let soon = pair.world.now() + Duration::from_secs(5);
    pair.run(soon);
    assert_eq!(pair.world.node(1).metrics().rekeys, 1);
    let export = |n: usize, s| pair.world.node(n).export(s, b"l", b"", 16).unwrap().expose().to_vec();
    assert_eq!(export(0, alice.session), export(1, bob.session));
    pair.events.iter_mut().for_each(Vec::clear);
    resume(&mut pair, second);
    let soon = pair.world.now() + Duration::from_secs(1);
    pair.run(soon);
    assert_eq!(pair.world.node(0).metrics().resumed, 2);
}

// R13.1
#[test]
fn a_repeat_draws_the_same_answer_and_nothing_else() {
    let (mut pair, ticket) = met(Link::perfect(1), |_| ());
    resume(&mut pair, ticket);
    let soon = pair.world.now() + Duration::from_secs(1);
    pair.run(soon);
    let request = pair.world.sent[0].clone();
    let answer = pair.world.sent[1].bytes.clone();
    for from in [address(0), address(7)] {
        pair.world.sent.clear();
        pair.world.inject(Datagram { from, ..request.clone() });
        assert_eq!(pair.world.sent.len(), 1);
        assert_eq!(pair.world.sent[0].bytes, answer);
    }
    let soon = pair.world.now() + Duration::from_secs(1);
    pair.run(soon);
    assert_eq!(early(&pair.events[1]).len(), 1, "early media is delivered once");
    // When the stored answer is gone, the ticket is too.
    pair.run(Time::from_secs(200));
    pair.world.sent.clear();
    pair.world.inject(request);
    assert_eq!(peek(&pair.world.sent[0].bytes).unwrap().data_type, DataType::ERROR);
    assert_eq!(early(&pair.events[1]).len(), 1);
}

#[test]
fn what_the_peer_does_not_take_leads_to_a_full_handshake() {
    let (mut pair, ticket) = met(Link::perfect(1), |_| ());
    // Bob has forgotten everything.
    let ca = Ca::new("ca");
    let (alice, _) = (certified(&ca, ALICE, KeyKind::Ed25519, 1), ());
    let mut alice = alice;
    alice.request_lifetime = Duration::from_secs(12);
    let mut fresh = Pair::new(Link::perfect(2), alice, certified(&ca, BOB, KeyKind::Ed25519, 5));
    resume(&mut fresh, ticket);
    fresh.run(Time::from_secs(5));
    take_ticket(&mut fresh.events[0]);
    let (alice, bob) = fresh.established();
    same_keys(&alice, &bob);
    assert_eq!(fresh.world.node(0).metrics().resumed, 0);
    pair.run(Time::from_secs(70));
}

#[test]
fn a_forged_refusal_does_not_stop_it() {
    let (pair, ticket) = met(Link::perfect(1), |_| ());
    let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
        let mut out = Vec::new();
        let seen = peek(&datagram.bytes).ok().filter(|p| p.data_type == DataType::RESUME_REQ);
        out.extend(seen.map(|p| Datagram {
            from: datagram.to,
            to: datagram.from,
            bytes: refusal(p.csb_id, p.session.spi_i),
        }));
        out.push(datagram);
        out
    });
    resume(&mut pair, ticket);
    let soon = pair.world.now() + Duration::from_secs(30);
    pair.run(soon);
    assert_eq!(pair.world.node(0).metrics().resumed, 1);
}

fn refusal(csb_id: u32, spi_i: u64) -> Vec<u8> {
    use mikey_wire::{CsMap, ErrorNo, Extension, Header, Payload, Session, Version, encode};
    let header = Header {
        version: Version::V2,
        data_type: DataType::ERROR,
        v: false,
        prf: 0,
        csb_id,
        cs_map: CsMap::NONE,
    };
    let session = Payload::Ext(Extension::Session(Session { spi_i, spi_r: 0 }));
    encode(&header, &[session, Payload::Err(ErrorNo::INVALID_TICKET)]).unwrap()
}

#[test]
fn tampering_is_refused_and_uses_no_ticket_up() {
    let (mut pair, ticket) = met(Link::perfect(1).losing(1_000_000), |_| ());
    let call = Call::both_ways(name(BOB), POLICY);
    pair.world.act(0, |now, alice: &mut Endpoint| alice.resume(now, address(1), ticket, &call)).unwrap();
    let request = pair.world.sent[0].clone();
    for at in 0..request.bytes.len() {
        let mut bytes = request.bytes.clone();
        bytes[at] ^= 0x40;
        pair.world.inject(Datagram { bytes, ..request.clone() });
    }
    for len in 0..request.bytes.len() {
        pair.world.inject(Datagram { bytes: request.bytes[..len].to_vec(), ..request.clone() });
    }
    assert_eq!(pair.world.node(1).metrics().resumed, 0);
    let soon = pair.world.now() + Duration::from_secs(20);
    pair.run(soon);
    assert_eq!(pair.world.node(1).metrics().resumed, 1);
}

#[test]
fn a_session_that_was_refused_by_a_person_leaves_no_ticket() {
    let (mut pair, ticket) = met(Link::perfect(1), |_| ());
    // "Key compromised" is not sent by this API; the peer's table forgets with DELETE 2 and 1 alike. Here: expiry.
    let late = Time::from_secs(60 + 86_401);
    pair.run(late);
    let call = Call::both_ways(name(BOB), POLICY);
    let refused = pair.world.act(0, |now, alice: &mut Endpoint| alice.resume(now, address(1), ticket, &call));
    assert!(refused.is_err(), "an expired ticket is not even sent");
}

#[test]
fn a_bad_link_is_survived() {
    for seed in 0..50 {
        let (mut pair, ticket) = met(Link::bad(seed), |c| c.request_lifetime = Duration::from_secs(60));
        resume(&mut pair, ticket);
        let later = pair.world.now() + Duration::from_secs(120);
        pair.run(later);
        let metrics = pair.world.node(0).metrics();
        assert_eq!(metrics.resumed, 1, "seed {seed}");
    }
}

#[test]
fn without_resumption_there_is_no_ticket() {
    let ca = Ca::new("ca");
    let mut bob = certified(&ca, BOB, KeyKind::Ed25519, 2);
    bob.policy.resumption = false;
    let mut pair = Pair::new(Link::perfect(1), certified(&ca, ALICE, KeyKind::Ed25519, 1), bob);
    pair.call(BOB);
    assert!(take_ticket(&mut pair.events[0]).is_none());
    pair.established();
}

/// Somebody takes DHr out of the first answer: without it the final keys would have no forward secrecy.
// R13.3
#[test]
fn an_answer_without_dh_is_refused() {
    let (pair, ticket) = met(Link::perfect(1), |_| ());
    let mut stripped = false;
    let mut pair = pair.with_adversary(move |_: Time, mut d: Datagram| {
        if kind(&d.bytes) == DataType::RESUME_RESP && !stripped {
            stripped = true;
            d.bytes = bend(&d.bytes, |_, payloads| payloads.retain(|p| !matches!(p, Payload::Dh(_))));
        }
        vec![d]
    });
    resume(&mut pair, ticket);
    let soon = pair.world.now() + Duration::from_millis(100);
    pair.run(soon);
    assert_eq!(pair.metrics(0).drops(DropReason::BadAnswer), 1);
    assert!(!pair.is_established(0));
    let later = pair.world.now() + Duration::from_secs(10);
    let (alice, bob) = pair.run(later).established();
    same_keys(&alice, &bob);
    assert_eq!(pair.metrics(0).resumed, 1);
}

/// A store for several machines, that keeps octets as one outside of the process would.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Cluster>>);

#[derive(Default)]
struct Cluster {
    tickets: Vec<(TicketId, Vec<u8>)>,
    spent: Vec<TicketId>,
    cannot_record: bool,
}

impl TicketStore for Shared {
    fn insert(&mut self, _: Time, _: Duration, id: TicketId, ticket: IssuedTicket) {
        self.0.lock().unwrap().tickets.push((id, ticket.to_octets().expose().to_vec()));
    }

    fn find(&self, _: Time, id: TicketId) -> Option<Arc<IssuedTicket>> {
        let cluster = self.0.lock().unwrap();
        let (_, octets) = cluster.tickets.iter().find(|(known, _)| *known == id)?;
        IssuedTicket::from_octets(octets).map(Arc::new)
    }

    fn redeem(&mut self, _: Time, id: TicketId) -> Redemption {
        let mut cluster = self.0.lock().unwrap();
        if cluster.cannot_record {
            return Redemption::Unrecorded;
        }
        if cluster.spent.contains(&id) {
            return Redemption::Spent;
        }
        cluster.spent.push(id);
        Redemption::Granted
    }

    fn revoke(&mut self, id: TicketId) {
        self.0.lock().unwrap().tickets.retain(|(known, _)| *known != id);
    }
}

/// Alice met Bob at one machine and resumes at two others, which share the store with the first.
#[test]
fn a_ticket_is_taken_once_by_all_machines_that_share_a_store() {
    let ca = Ca::new("ca");
    let store = Shared::default();
    let bob = |seed| {
        let mut config = certified(&ca, BOB, KeyKind::Ed25519, seed);
        config.tickets = Some(Box::new(store.clone()));
        config
    };
    let mut pair = Pair::new(Link::perfect(1), certified(&ca, ALICE, KeyKind::Ed25519, 1), bob(2));
    pair.call(BOB);
    let ticket = take_ticket(&mut pair.events[0]).unwrap();
    pair.world.sent.clear();
    resume(&mut pair, ticket);
    let request = pair.world.sent[0].bytes.clone();
    // It never came to the machine that issued it.
    let machines = [3, 4].map(|seed| Endpoint::new(bob(seed)).unwrap());
    let mut outcomes = Vec::new();
    for mut machine in machines {
        machine.handle_datagram(pair.world.now(), address(0), &request);
        outcomes.push((machine.metrics().resumed, machine.metrics().sessions));
        let mut early = 0;
        let mut first = None;
        loop {
            match machine.poll_output() {
                mikey_proto::Output::Transmit { bytes, .. } => drop(first.get_or_insert(bytes)),
                mikey_proto::Output::Event(Event::EarlyKeysReady { .. }) => early += 1,
                mikey_proto::Output::Timeout(_) => break,
                _ => (),
            }
        }
        let answer = peek(&first.unwrap()).unwrap().data_type;
        let expected = if outcomes.len() == 1 { (1, DataType::RESUME_RESP) } else { (0, DataType::ERROR) };
        assert_eq!((early, answer), expected);
    }
    assert_eq!(outcomes, [(1, 1), (0, 0)]);
}

#[test]
fn what_cannot_be_recorded_brings_no_early_media_and_is_proven_by_a_message() {
    let store = Shared::default();
    let (mut pair, ticket) = met(Link::perfect(1), |c| c.tickets = Some(Box::new(store.clone())));
    store.0.lock().unwrap().cannot_record = true;
    resume(&mut pair, ticket);
    let request = pair.world.sent[0].clone();
    let soon = pair.world.now() + Duration::from_secs(1);
    pair.run(soon);
    let kinds: Vec<DataType> = pair.world.sent.iter().map(|d| peek(&d.bytes).unwrap().data_type).collect();
    let expected = [DataType::RESUME_REQ, DataType::RESUME_RESP, DataType::INFO_REQ, DataType::INFO_RESP];
    assert_eq!(kinds, expected, "bob asks whether alice is there");
    assert!(early(&pair.events[1]).is_empty(), "early media might be a repeat");
    let place = |wanted: fn(&Event) -> bool| pair.events[1].iter().position(wanted);
    let keys = place(|e| matches!(e, Event::SrtpKeysReady { .. }));
    let unrecorded = place(|e| matches!(e, Event::ResumedUnrecorded { .. }));
    let proven = place(|e| matches!(e, Event::ResumedProven { .. }));
    assert!(keys.is_some() && keys < unrecorded && unrecorded < proven, "{keys:?} {unrecorded:?} {proven:?}");
    // A repeat of all that, to a machine that does not know of it: nobody answers, so nothing is proven.
    let ca = Ca::new("another");
    let mut other = certified(&ca, BOB, KeyKind::Ed25519, 9);
    other.tickets = Some(Box::new(store));
    let mut other = Endpoint::new(other).unwrap();
    other.handle_datagram(pair.world.now(), request.from, &request.bytes);
    other.handle_timeout(pair.world.now() + Duration::from_secs(40));
    let mut events = Vec::new();
    loop {
        match other.poll_output() {
            mikey_proto::Output::Event(event) => events.push(event),
            mikey_proto::Output::Timeout(_) => break,
            _ => (),
        }
    }
    assert!(events.iter().any(|e| matches!(e, Event::ResumedUnrecorded { .. })));
    assert!(!events.iter().any(|e| matches!(e, Event::ResumedProven { .. } | Event::EarlyKeysReady { .. })));
}
