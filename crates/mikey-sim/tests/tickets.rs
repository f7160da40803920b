//! TICKET-REQUEST: a ticket for a session whose handshake brought none, and who gets none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;

use common::craft::kind;
use common::hand::{HandCaller, Shows, msp};
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{ApiMisuse, AuthLevel, Call, Endpoint, Error, Event, Role, SessionId, Ticket, Time};
use mikey_sim::{Datagram, KeyKind, Link, World, address};
use mikey_wire::v2::{Info, InitResp, Opened, Sealed};
use mikey_wire::{
    CsMap, DataType, Extension, Header, NotifyCode, Payload, PayloadType, T, Version, encode_chain,
    encode_open,
};

fn tickets(events: &mut Vec<Event>) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    for event in std::mem::take(events) {
        match event {
            Event::TicketReady { ticket, .. } => tickets.push(ticket),
            event => events.push(event),
        }
    }
    tickets
}

fn run(pair: &mut Pair, seconds: u64) {
    let until = pair.world.now() + Duration::from_secs(seconds);
    pair.run(until);
}

fn request(pair: &mut Pair, n: usize, session: SessionId) -> Result<(), Error> {
    pair.world.act(n, |now, end: &mut Endpoint| end.request_ticket(now, session))
}

/// Calls with a ticket, and says whether it was taken.
fn resumes(pair: &mut Pair, ticket: Ticket) -> bool {
    let before = pair.metrics(1).resumed;
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    pair.world.act(0, |now, alice: &mut Endpoint| alice.resume(now, address(1), ticket, &call)).unwrap();
    run(pair, 1);
    pair.metrics(1).resumed > before
}

// R15.5
#[test]
fn a_session_of_option_2_asks_for_a_ticket_and_resumes_with_it() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut pair = parties.pair(mode, Link::perfect(1), 1);
        pair.call(BOB);
        assert_eq!(tickets(&mut pair.events[0]).len(), 0, "CCE2_RESP has no room for one");
        let (alice, bob) = pair.established();
        request(&mut pair, 0, alice.session).unwrap();
        run(&mut pair, 1);
        let ticket = tickets(&mut pair.events[0]).pop().expect("INFO_RESP brings it");
        assert_eq!(ticket.peer(), &name(BOB));

        // Another one takes its place.
        request(&mut pair, 0, alice.session).unwrap();
        run(&mut pair, 1);
        let second = tickets(&mut pair.events[0]).pop().unwrap();
        pair.events = [Vec::new(), Vec::new()];
        assert!(!resumes(&mut pair, ticket), "the first one is worthless since");
        pair.run(Time::from_secs(90));
        pair.events = [Vec::new(), Vec::new()];
        pair.world.sent.clear();
        assert!(resumes(&mut pair, second));
        let kinds: Vec<_> = pair.world.sent.iter().map(|d| kind(&d.bytes)).collect();
        assert_eq!(kinds, [DataType::RESUME_REQ, DataType::RESUME_RESP], "one round trip");
        tickets(&mut pair.events[0]);
        pair.events.iter_mut().for_each(|e| e.retain(|e| !matches!(e, Event::EarlyKeysReady { .. })));
        let (again, at_bob) = pair.established();
        same_keys(&again, &at_bob);
        let level = if mode == Mode::Cce2Psk { AuthLevel::Psk } else { AuthLevel::Certificate };
        assert_eq!((again.peer.level, at_bob.peer.level), (level, level), "as well known as before");
        assert_ne!(again.session, alice.session);
        assert_ne!(at_bob.session, bob.session);
    }
}

// R15.5
#[test]
fn a_lost_answer_draws_the_same_ticket() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut lost = false;
    let mut pair = parties.pair(Mode::Cce2Psk, Link::perfect(1), 1).with_adversary(
        move |_: Time, datagram: Datagram| {
            let drop = kind(&datagram.bytes) == DataType::INFO_RESP && !std::mem::replace(&mut lost, true);
            if drop { Vec::new() } else { vec![datagram] }
        },
    );
    pair.call(BOB);
    let (alice, _) = pair.established();
    pair.world.sent.clear();
    request(&mut pair, 0, alice.session).unwrap();
    run(&mut pair, 5);
    let answers: Vec<_> = pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INFO_RESP).collect();
    assert!(answers.iter().all(|d| d.bytes == answers[0].bytes), "sealed once");
    let mut tickets = tickets(&mut pair.events[0]);
    assert_eq!(tickets.len(), 1);
    assert!(resumes(&mut pair, tickets.remove(0)));
}

// R15.5
#[test]
fn who_may_have_none_is_not_heard() {
    let parties = Parties::new(KeyKind::Ed25519);
    for resumption in [true, false] {
        let (mut alice, bob) = (parties.alice(Mode::Psk, 2), parties.bob(Mode::Psk, 3));
        alice.policy.resumption = resumption;
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        pair.call(BOB);
        assert_eq!(tickets(&mut pair.events[0]).len(), usize::from(resumption));
        let (alice, bob) = pair.established();
        let refused = Err(Error::Misuse(ApiMisuse::State));
        assert_eq!(request(&mut pair, 1, bob.session), refused, "the responder has nobody to resume with");
        let asked = request(&mut pair, 0, alice.session);
        assert_eq!(asked, if resumption { Ok(()) } else { refused });
    }

    // An initiator that asks although resumption was not negotiated.
    let bob = Endpoint::new(parties.bob(Mode::Psk, 2)).unwrap();
    let mut world = World::new(Link::perfect(1), [bob]);
    let mut caller = HandCaller::new(1, ALICE, Some(BOB), &msp(5), &[7; 32]);
    let say = |world: &mut World<Endpoint>, bytes: Vec<u8>| {
        world.inject(Datagram { from: address(77), to: address(0), bytes });
        world.sent.pop().unwrap().bytes
    };
    let m2 = say(&mut world, caller.m1.clone());
    let m3 = caller.cce_req(&m2, &Shows::psk());
    assert_eq!(kind(&say(&mut world, m3)), DataType::CCE_RESP);
    let leg = caller.leg.as_ref().unwrap();
    let answer = InitResp::decode(&m2).unwrap();
    let header = Header {
        version: Version::V2,
        data_type: DataType::INFO_REQ,
        v: true,
        prf: answer.prf,
        csb_id: answer.csb_id,
        cs_map: CsMap::NONE,
    };
    let opening = [Payload::Ext(Extension::Session(answer.session)), Payload::T(T::Counter(1))];
    let head = encode_open(&header, &opening, PayloadType::KEMAC).unwrap();
    let mut plaintext = vec![PayloadType::EXT.0];
    let asks = [Payload::Ext(Extension::Notify { code: NotifyCode::TICKET_REQUEST, data: &[] })];
    encode_chain(&mut plaintext, &asks, PayloadType::LAST).unwrap();
    let response = say(&mut world, leg.seal(Role::Initiator, false, 1, &head, &plaintext));
    let opened = leg.open(Role::Responder, true, &response);
    let sealed = Sealed::decode(&response).unwrap();
    let chain = Opened::decode(&sealed, &opened).unwrap();
    let info = Info::parse(&sealed, &chain).unwrap();
    assert!(info.ticket.is_none());
    let [notify] = &info.notifies[..] else { panic!("{:?}", info.notifies) };
    assert_eq!((notify.code, notify.data), (NotifyCode::UNSUPPORTED, &[0, 5][..]));
}
