//! Every message in every state of an established session, at both ends (docs/spec.md, chapters 10 and 11), as the table in
//! `states/session.txt`.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, KxAnswer, KxError, KxGroup, KxInitiator, RandomFailed, SecureRandom};
use mikey_proto::{Call, Endpoint, EndpointConfig};
use mikey_sim::{Datagram, address};
use mikey_wire::DataType;

use crate::common::craft::with_session;
use crate::common::*;
use crate::matrix::{Arriving, Run, Table, check, spoiled, whole};

/// What an end may be about: nothing; its INFO_REQ, its REKEY_REQ awaits an answer; it has answered a REKEY_REQ and seen no
/// proof that the answer came; it asks a new address for a proof; it has hung up.
const STATES: [&str; 6] = ["Quiet", "Asked", "Renewing", "Answered", "Checking", "Closed"];
/// Where nobody is.
const ELSEWHERE: u8 = 9;

/// X25519 that takes the first values of a peer, so many of them, and no more.
struct Failing {
    real: &'static dyn KxGroup,
    left: AtomicUsize,
}

impl KxGroup for Failing {
    fn id(&self) -> GroupId {
        self.real.id()
    }

    fn request_len(&self) -> usize {
        self.real.request_len()
    }

    fn answer_len(&self) -> usize {
        self.real.answer_len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        self.real.start(random)
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        if self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err() {
            return Err(KxError::BadValue);
        }
        self.real.answer(random, peer)
    }
}

fn ends() -> [EndpointConfig; 2] {
    let mut ends = [with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2)];
    for end in &mut ends {
        end.policy.groups = vec![GroupId::X25519];
    }
    ends
}

fn established(ends: [EndpointConfig; 2]) -> Run {
    let mut run = Run::new(ends);
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    run.world.act(0, |now, alice: &mut Endpoint| alice.connect(now, address(1), &call)).unwrap();
    run.wait(1);
    run
}

/// The same; the DH value of the first renewal that node `n` asks for will not do.
fn refusing(n: usize) -> Run {
    let mut ends = ends();
    let provider = &mut ends[1 - n].provider;
    // Bob has answered one in INIT, Alice none.
    let (real, left) = (provider.group(GroupId::X25519).unwrap(), AtomicUsize::new(1 - n));
    let failing: &'static Failing = Box::leak(Box::new(Failing { real, left }));
    provider.groups = Box::leak(Box::new([failing as &dyn KxGroup]));
    established(ends)
}

fn probe(run: &mut Run, n: usize) {
    run.act(n, |now, end, session| end.probe(now, session).unwrap());
}

fn rekey(run: &mut Run, n: usize, with_dh: bool) {
    run.act(n, |now, end, session| end.rekey(now, session, with_dh).unwrap());
}

fn close(run: &mut Run, n: usize) {
    run.act(n, |now, end, session| end.close(now, session).unwrap());
}

/// A run in which node `n` is in this state.
fn in_state(n: usize, state: &str) -> Run {
    let mut run = established(ends());
    match state {
        "Quiet" => (),
        "Asked" => probe(&mut run, n),
        "Renewing" => rekey(&mut run, n, true),
        "Answered" => {
            rekey(&mut run, 1 - n, false);
            run.until_sent(1);
        }
        "Checking" => {
            // The peer's request is on the way, and comes from somewhere else first.
            probe(&mut run, 1 - n);
            let request = run.world.sent.last().unwrap().bytes.clone();
            run.inject(ELSEWHERE, n, &request);
        }
        _ => {
            close(&mut run, n);
            run.wait(20);
        }
    }
    run
}

/// What goes over the wire from `begin` on.
fn sent(mut run: Run, begin: impl FnOnce(&mut Run)) -> Vec<Vec<u8>> {
    let before = run.world.sent.len();
    begin(&mut run);
    run.wait(1);
    run.world.sent[before..].iter().map(|d| d.bytes.clone()).collect()
}

/// What node `n` may get: of its peer, of recorded runs in which the peer was the same until then; and what somebody could
/// make of it.
fn messages(n: usize) -> Vec<Arriving> {
    let (peer, them) = (1 - n, u8::try_from(1 - n).unwrap());
    let quiet = || established(ends());
    let call: Vec<_> = quiet().world.sent.iter().map(|d| d.bytes.clone()).collect();
    let info = sent(quiet(), |run| probe(run, peer));
    let renewal = sent(quiet(), |run| rekey(run, peer, false));
    let with_dh = sent(quiet(), |run| rekey(run, peer, true));
    let end = sent(quiet(), |run| close(run, peer));
    let later = sent(quiet(), |run| {
        probe(run, peer);
        run.wait(1);
        probe(run, peer);
    });
    let own_info = sent(quiet(), |run| probe(run, n));
    let own_renewal = sent(quiet(), |run| rekey(run, n, true));
    let own_plain_renewal = sent(quiet(), |run| rekey(run, n, false));
    let own_end = sent(quiet(), |run| close(run, n));
    let refused = sent(refusing(n), |run| rekey(run, n, true));
    assert_eq!(DataType(refused[1][1]), DataType::ERROR);
    // The check that went elsewhere reaches the peer, who answers it.
    let mut checking = in_state(n, "Checking");
    let asked = |d: &&Datagram| d.to == address(ELSEWHERE) && DataType(d.bytes[1]) == DataType::INFO_REQ;
    let check = checking.world.sent.iter().find(asked).unwrap().bytes.clone();
    checking.inject(u8::try_from(n).unwrap(), peer, &check);
    let path_ok = &checking.world.sent.last().unwrap().bytes;
    assert_eq!(DataType(path_ok[1]), DataType::INFO_RESP);
    let retyped = |ty: DataType| {
        let mut bytes = info[0].clone();
        bytes[1] = ty.0;
        bytes
    };
    let of_peer = [
        ("INFO_REQ", info[0].clone()),
        ("INFO_REQ, another KEMAC", spoiled(&info[0])),
        ("INFO_REQ, another SPIr", with_session(&info[0], |s| s.spi_r ^= 1)),
        ("INFO_REQ, a later T", later[2].clone()),
        ("INFO_REQ DELETE", end[0].clone()),
        ("REKEY_REQ", renewal[0].clone()),
        ("REKEY_REQ with DH", with_dh[0].clone()),
        ("REKEY_REQ, another KEMAC", spoiled(&renewal[0])),
        ("INFO_RESP to INFO_REQ", own_info[1].clone()),
        ("INFO_RESP to INFO_REQ, another KEMAC", spoiled(&own_info[1])),
        ("INFO_RESP to DELETE", own_end[1].clone()),
        ("INFO_RESP PATH-OK", path_ok.clone()),
        ("REKEY_RESP to REKEY_REQ with DH", own_renewal[1].clone()),
        ("REKEY_RESP to REKEY_REQ with DH, another KEMAC", spoiled(&own_renewal[1])),
        ("REKEY_RESP to REKEY_REQ", own_plain_renewal[1].clone()),
        ("ERROR 0 to REKEY_REQ with DH", refused[1].clone()),
        ("ERROR 0 to REKEY_REQ with DH, another KEMAC", spoiled(&refused[1])),
        ("INFO_REQ, reflected", own_info[0].clone()),
        ("INFO_RESP, reflected", info[1].clone()),
        ("REKEY_REQ with DH, reflected", own_renewal[0].clone()),
        ("REKEY_RESP, reflected", renewal[1].clone()),
        ("INIT_REQ of the call", call[0].clone()),
        ("INIT_RESP of the call", call[1].clone()),
        ("CCE_REQ of the call", call[2].clone()),
        ("CCE_RESP of the call", call[3].clone()),
        ("CCE2_REQ, INFO_REQ's octets", retyped(DataType::CCE2_REQ)),
        ("RESUME_RESP, INFO_REQ's octets", retyped(DataType::RESUME_RESP)),
        ("GROUP_REKEY, INFO_REQ's octets", retyped(DataType::GROUP_REKEY)),
        ("PSK of version 1, INFO_REQ's octets", [&[1, 0], &info[0][2..]].concat()),
    ];
    let from = |from| move |(what, bytes): (&str, Vec<u8>)| Arriving { what: what.into(), from, bytes };
    let elsewhere = [
        ("INFO_REQ from elsewhere", info[0].clone()),
        ("REKEY_REQ from elsewhere", renewal[0].clone()),
        ("INFO_RESP PATH-OK from elsewhere", path_ok.clone()),
        ("INFO_RESP to INFO_REQ from elsewhere", own_info[1].clone()),
    ];
    of_peer.into_iter().map(from(them)).chain(elsewhere.into_iter().map(from(ELSEWHERE))).collect()
}

// R10.1, R10.4, R10.12, R11.2, R11.7
#[test]
fn every_message_in_every_state_of_a_session_does_what_the_table_says() {
    let mut out = String::new();
    for (node, title) in [(0, "Initiator"), (1, "Responder")] {
        let (messages, build) = (messages(node), |state: &str| in_state(node, state));
        Table { title, node, states: &STATES, messages: &messages, build: &build, looks: whole }
            .write(&mut out);
    }
    check("states/session.txt", include_str!("session.txt"), &out);
}
