//! Every message in every state of RESUME, at both ends (docs/spec.md, chapter 13), as the table in `resume.txt`.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, Endpoint};
use mikey_sim::address;
use mikey_wire::{
    CsMap, DataType, ErrorNo, Extension, Header, Message, Payload, PayloadType, Session, Version, encode,
};

use crate::common::craft::{bend, leak, session, with_session};
use crate::common::*;
use crate::matrix::{Arriving, Run, Table, check, spoiled, whole};

/// Refused: somebody said that the ticket is not taken, so that INIT runs beside RESUME.
const INITIATOR: [&str; 5] = ["Met", "ResumeSent", "Refused", "Established", "Closed"];
/// Spent: the ticket is used and the stored answer gone. Loaded: cookies are asked for.
const RESPONDER: [&str; 5] = ["Met", "Loaded", "Established", "Spent", "Closed"];

/// Two that have met, so that Alice has a ticket.
fn met(loaded: bool) -> Run {
    let mut ends = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)];
    if loaded {
        ends[1].cookie_threshold = 0;
    }
    let mut run = Run::new(ends);
    run.world.act(0, |now, alice: &mut Endpoint| alice.connect(now, address(1), &call())).unwrap();
    run.wait(1);
    run
}

fn call() -> Call {
    Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80)
}

fn resumes(run: &mut Run) {
    let ticket = run.ticket.take().expect("a ticket");
    run.world.act(0, |now, alice: &mut Endpoint| alice.resume(now, address(1), ticket, &call())).unwrap();
}

fn in_state(state: &str) -> Run {
    let mut run = met(state == "Loaded");
    if ["Met", "Loaded"].contains(&state) {
        return run;
    }
    resumes(&mut run);
    match state {
        "ResumeSent" => (),
        "Refused" => {
            let request = run.world.sent.last().unwrap().bytes.clone();
            run.inject(1, 0, &error(&request, ErrorNo::INVALID_TICKET.0, None));
        }
        "Established" => run.wait(1),
        "Spent" => run.wait(200),
        _ => {
            run.wait(1);
            run.act(0, |now, alice, session| alice.close(now, session).unwrap());
            run.wait(20);
        }
    }
    run
}

/// An unprotected ERROR about a RESUME_REQ.
fn error(request: &[u8], number: u8, cookie: Option<&[u8]>) -> Vec<u8> {
    let csb_id = Message::decode(request).unwrap().header.csb_id;
    let (version, data_type) = (Version::V2, DataType::ERROR);
    let header = Header { version, data_type, v: false, prf: 0, csb_id, cs_map: CsMap::NONE };
    let spi_i = session(request).spi_i;
    let mut payloads: Vec<_> =
        cookie.map(|octets| Payload::Ext(Extension::Cookie(octets))).into_iter().collect();
    payloads.push(Payload::Ext(Extension::Session(Session { spi_i, spi_r: 0 })));
    payloads.push(Payload::Err(ErrorNo(number)));
    encode(&header, &payloads).unwrap()
}

/// What recorded runs of the same two sent, and what somebody could make of it.
fn messages() -> Vec<(&'static str, usize, Vec<u8>)> {
    let mut run = met(false);
    let first: Vec<_> = run.world.sent.iter().map(|d| d.bytes.clone()).collect();
    resumes(&mut run);
    run.wait(1);
    let (request, response) = (run.world.sent[4].bytes.clone(), run.world.sent[5].bytes.clone());
    let unknown = bend(&request, |_, payloads| {
        for payload in payloads {
            if let Payload::Ext(Extension::ResumeTicket(ticket)) = payload {
                ticket.opaque = leak(&vec![0x5A; ticket.opaque.len()]);
            }
        }
    });
    let without_dh = bend(&response, |_, payloads| payloads.retain(|p| p.ty() != PayloadType::DH));
    let retyped = |raw: &[u8], ty: DataType| {
        let mut bytes = raw.to_vec();
        bytes[1] = ty.0;
        bytes
    };
    let mut all = vec![
        ("RESUME_REQ", 0, request.clone()),
        ("RESUME_REQ, another SPIi", 0, with_session(&request, |s| s.spi_i ^= 1)),
        ("RESUME_REQ, another KEMAC", 0, spoiled(&request)),
        ("RESUME_REQ, an unknown ticket", 0, unknown),
        ("RESUME_REQ, a wrong COOKIE", 0, craft::with_cookie(&request, &[1; 17])),
        ("RESUME_RESP", 1, response.clone()),
        ("RESUME_RESP, another SPIr", 1, with_session(&response, |s| s.spi_r ^= 1)),
        ("RESUME_RESP, another KEMAC", 1, spoiled(&response)),
        ("RESUME_RESP without DHr", 1, without_dh),
        ("ERROR 14", 1, error(&request, 14, None)),
        ("ERROR 64, COOKIE", 1, error(&request, 64, Some(&[1; 16]))),
        ("ERROR 64 without COOKIE", 1, error(&request, 64, None)),
        ("ERROR 6", 1, error(&request, 6, None)),
        ("ERROR 10", 1, error(&request, 10, None)),
        ("INIT_REQ of the first call", 0, first[0].clone()),
        ("INIT_RESP of the first call", 1, first[1].clone()),
        ("CCE_REQ of the first call", 0, first[2].clone()),
        ("CCE_RESP of the first call", 1, first[3].clone()),
        ("CCE_REQ, RESUME_REQ's octets", 0, retyped(&request, DataType::CCE_REQ)),
        ("CCE_RESP, RESUME_RESP's octets", 1, retyped(&response, DataType::CCE_RESP)),
        ("CCE2_RESP, RESUME_RESP's octets", 1, retyped(&response, DataType::CCE2_RESP)),
    ];
    for n in 0..2 {
        let (request, response) =
            exchange(|run| run.act(n, |now, end, session| end.probe(now, session).unwrap()));
        all.push(("INFO_REQ", n, request));
        all.push(("INFO_RESP", 1 - n, response));
        let rekey =
            |with_dh| move |run: &mut Run| run.act(n, |now, end, id| end.rekey(now, id, with_dh).unwrap());
        let (request, response) = exchange(rekey(true));
        all.push(("REKEY_REQ", n, request));
        all.push(("REKEY_RESP", 1 - n, response));
        let (request, _) = exchange(|run| run.act(n, |now, end, session| end.close(now, session).unwrap()));
        all.push(("INFO_REQ DELETE", n, request));
    }
    all
}

/// A request in the resumed session, and its response.
fn exchange(acts: impl FnOnce(&mut Run)) -> (Vec<u8>, Vec<u8>) {
    let mut run = in_state("Established");
    let sent = run.world.sent.len();
    acts(&mut run);
    run.wait(1);
    (run.world.sent[sent].bytes.clone(), run.world.sent[sent + 1].bytes.clone())
}

// R13.1, R13.4, R10.1
#[test]
fn every_message_in_every_state_of_resume_does_what_the_table_says() {
    let messages = messages();
    let mut out = String::new();
    for (node, title, states) in [(0, "Initiator", &INITIATOR), (1, "Responder", &RESPONDER)] {
        // Each end gets its own messages too, as if the peer had sent them: reflected.
        let arriving: Vec<_> = messages
            .iter()
            .map(|(what, by, bytes)| {
                let whose = if *by == node { ", reflected" } else { "" };
                let from = u8::try_from(1 - node).unwrap();
                Arriving { what: format!("{what}{whose}"), from, bytes: bytes.clone() }
            })
            .collect();
        let build = |state: &str| in_state(state);
        Table { title, node, states, messages: &arriving, build: &build, looks: whole }.write(&mut out);
    }
    check("states/resume.txt", include_str!("resume.txt"), &out);
}
