//! Runs a call on the simulated network and writes down what was sent and what came of it.

use core::time::Duration;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    AcceptStreams, Call, Endpoint, Error, Event, Expected, Mismatch, Name, PeerFault, SessionId, Side,
    Signalled, SrtpKeys, Stream, Ticket, Time,
};
use mikey_sim::{Datagram, Link, World, address};
use serde_json::{Value, json};

use super::cases::Case;
use super::cast::{Credentials, INITIATOR, PSK, Party, RESPONDER, UNIX_TIME, hex};
use super::tape;

/// Who of the two does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Initiator,
    Responder,
}

/// What an application, or the network, does. Three seconds pass after each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// The initiator calls.
    Call,
    /// It calls with the last ticket.
    Resume,
    /// New keys, with a new DH or without.
    Rekey(Who, bool),
    /// A question whether the peer is alive.
    Probe(Who),
    /// The person says whether the SAS is the same.
    Compare(Who, bool),
    /// From here on the initiator is at another address.
    Move,
    /// The session ends.
    Close(Who),
    /// Nothing, for so long that everything open runs out.
    Wait,
}

const LABEL: &str = "EXPORTER-mikey-vector";
const CONTEXT: [u8; 5] = [1, 2, 3, 4, 5];
const EXPORTED: u16 = 48;
const PAUSE: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(15);

/// A run.
pub(crate) struct Stage {
    case: &'static Case,
    parties: [Party; 2],
    signalled: Option<[Signalled; 2]>,
    world: World<Endpoint>,
    sessions: [Option<SessionId>; 2],
    ticket: Option<Ticket>,
    moved: Rc<Cell<bool>>,
    results: [Vec<Value>; 2],
    /// Datagrams after which the run stops, before the last one arrives.
    stop_after: usize,
    acts_done: usize,
    /// When what is being done has had its time.
    end: Time,
}

impl Stage {
    /// A run of `case`: the first one, or a repetition with what the provider drew then.
    pub(crate) fn new(case: &'static Case, drawn: Option<Vec<Vec<u8>>>) -> Self {
        tape::rewind(drawn);
        let (initiator, mut alice) = Party::new(case.name, INITIATOR, case.credentials, 0xA1);
        let (responder, mut bob) = Party::new(case.name, RESPONDER, case.credentials, 0xB0);
        (case.set_up)(&mut alice, &mut bob);
        bob.answer = Arc::new(AcceptStreams { policies: SRTP_POLICIES.to_vec() });
        let parties = [initiator, responder];
        let signalled = (case.credentials == Credentials::Fingerprint).then(|| {
            let tls_ids: [&[u8]; 2] = [b"tls-id-of-alice-0000", b"tls-id-of-bob-000000"];
            [0, 1].map(|n: usize| Signalled {
                fingerprints: vec![parties[1 - n].fingerprint()],
                local_tls_id: tls_ids[n].to_vec(),
                remote_tls_id: Some(tls_ids[1 - n].to_vec()),
                assertion: Some([0x5A; 32]),
            })
        });
        let moved = Rc::new(Cell::new(false));
        let world = World::new(Link::perfect(0), [alice, bob].map(|config| Endpoint::new(config).unwrap()))
            .with_adversary(rebinding(&moved));
        let mut stage = Self {
            case,
            parties,
            signalled,
            world,
            sessions: [None, None],
            ticket: None,
            moved,
            results: [Vec::new(), Vec::new()],
            stop_after: usize::MAX,
            acts_done: 0,
            end: Time::ZERO,
        };
        if let Some([_, at_bob]) = &stage.signalled {
            let [initiator, responder] = [INITIATOR, RESPONDER].map(|name| Name::parse(name).unwrap());
            let expected = Expected { initiator, responder, signalled: at_bob.clone() };
            stage.world.act(1, |_, bob| bob.expect(expected)).unwrap();
        }
        stage
    }

    /// The same, to be stopped when datagram number `n` has been sent and has not arrived.
    pub(crate) fn until(mut self, n: usize) -> Self {
        self.stop_after = n + 1;
        self
    }

    /// Does everything, or what comes before the stop; called again, what comes after it.
    pub(crate) fn play(&mut self) {
        loop {
            let stop_after = self.stop_after;
            if self.world.run_while(self.end, |world| world.sent.len() < stop_after) {
                return;
            }
            self.world.run_until(self.end);
            self.note();
            let Some(act) = self.case.acts.get(self.acts_done) else { break };
            self.acts_done += 1;
            self.end = self.world.now() + if matches!(act, Act::Wait) { LONG } else { PAUSE };
            self.act(*act);
        }
        self.note_exports();
    }

    fn act(&mut self, act: Act) {
        let sessions = self.sessions;
        let of = |who: Who| (who as usize, sessions[who as usize].unwrap());
        match act {
            Act::Call => {
                let call = self.call();
                self.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
            }
            Act::Resume => {
                let call = self.resumed_call();
                let ticket = self.ticket.take().unwrap();
                self.world.act(0, |now, alice| alice.resume(now, address(1), ticket, &call)).unwrap();
            }
            Act::Rekey(who, with_dh) => {
                let (n, session) = of(who);
                self.world.act(n, |now, end| end.rekey(now, session, with_dh)).unwrap();
            }
            Act::Probe(who) => {
                let (n, session) = of(who);
                self.world.act(n, |now, end| end.probe(now, session)).unwrap();
            }
            Act::Compare(who, same) => {
                let (n, session) = of(who);
                self.world.act(n, |now, end| end.confirm_sas(now, session, same)).unwrap();
            }
            Act::Close(who) => {
                let (n, session) = of(who);
                self.world.act(n, |now, end| end.close(now, session)).unwrap();
            }
            Act::Move => self.moved.set(true),
            Act::Wait => (),
        }
    }

    /// One stream in each direction, the initiator's with known counters and a choice of policies.
    fn call(&self) -> Call {
        let mut audio = Stream::new(Side::Local, SrtpPolicy::AEAD_AES_128_GCM);
        audio.policies.push(SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        audio.ssrc = Some(0x1122_3344);
        audio.index = Some((1, 0xFFFE));
        let back = Stream::new(Side::Remote, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        let mut call = Call::new(Name::parse(RESPONDER).unwrap(), vec![audio, back]);
        call.signalled = self.signalled.as_ref().map(|[at_alice, _]| at_alice.clone());
        (self.case.call)(&mut call);
        call
    }

    /// Early media has one policy.
    fn resumed_call(&self) -> Call {
        Call::both_ways(Name::parse(RESPONDER).unwrap(), SrtpPolicy::AES_CM_128_HMAC_SHA1_80)
    }

    /// Takes the events of both.
    fn note(&mut self) {
        for (n, party) in ["initiator", "responder"].into_iter().enumerate() {
            for event in self.world.events(n) {
                let Some(mut result) = self.result(n, event) else { continue };
                result["party"] = json!(party);
                self.results[n].push(result);
            }
        }
    }

    fn result(&mut self, n: usize, event: Event) -> Option<Value> {
        let side = |sender| match (n, sender) {
            (0, Side::Local) | (1, Side::Remote) => "initiator",
            _ => "responder",
        };
        let keys = |kind: &str, keys: &SrtpKeys| {
            let stream = |s: &mikey_proto::StreamKeys| {
                json!({
                    "cs_id": s.cs_id,
                    "sender": side(s.sender),
                    "ssrc": s.ssrc,
                    "mki": hex(&s.mki),
                    "master_key": hex(s.master_key.expose()),
                    "master_salt": hex(s.master_salt.expose()),
                })
            };
            let streams: Vec<_> = keys.streams.iter().map(stream).collect();
            json!({ "event": kind, "generation": keys.generation, "streams": streams })
        };
        Some(match event {
            Event::Established { session, peer, .. } => {
                self.sessions[n] = Some(session);
                json!({ "event": "established", "peer": peer.name.to_string(), "level": format!("{:?}", peer.level) })
            }
            Event::SasReady { sas, .. } => {
                json!({ "event": "sas", "base32": sas.base32(), "words": sas.words() })
            }
            Event::SasComparedByPeer { verified, .. } => {
                json!({ "event": "the peer has compared", "verified": verified })
            }
            Event::SrtpKeysReady { keys: k, .. } => keys("keys", &k),
            Event::EarlyKeysReady { keys: k, .. } => keys("early keys", &k),
            Event::TicketReady { ticket, .. } => {
                self.ticket = Some(ticket);
                json!({ "event": "ticket" })
            }
            Event::PeerMoved { .. } => json!({ "event": "the peer has moved" }),
            Event::BranchFailed { why, .. } => json!({ "event": "branch failed", "why": class(&why) }),
            Event::CallFailed { why, .. } => json!({ "event": "call failed", "why": class(&why) }),
            Event::CallerRefused { why, .. } => json!({ "event": "caller refused", "why": class(&why) }),
            Event::Closed { why, .. } => json!({ "event": "closed", "why": format!("{why:?}") }),
            _ => return None,
        })
    }

    fn note_exports(&mut self) {
        for (n, party) in ["initiator", "responder"].into_iter().enumerate() {
            let Some(session) = self.sessions[n] else { continue };
            let end = self.world.node(n);
            if let Ok(value) = end.export(session, LABEL.as_bytes(), &CONTEXT, EXPORTED) {
                self.results[n].push(json!({
                    "party": party,
                    "event": "exporter",
                    "label": LABEL,
                    "context": hex(&CONTEXT),
                    "length": EXPORTED,
                    "value": hex(value.expose()),
                }));
            }
            if let Ok((pseudonym, key)) = end.continuity(session) {
                self.results[n].push(json!({
                    "party": party,
                    "event": "continuity",
                    "pseudonym": hex(pseudonym.data()),
                    "key": hex(key.expose()),
                }));
            }
        }
    }

    /// Everything that the run was and gave.
    pub(crate) fn record(&self) -> Value {
        let [initiator, responder] = &self.parties;
        let noted: Vec<_> = tape::noted()
            .iter()
            .map(|(kind, octets)| json!({ "kind": kind, "octets": hex(octets) }))
            .collect();
        let has_psk = matches!(self.case.credentials, Credentials::Psk | Credentials::Both);
        let established = self.sessions.iter().all(Option::is_some);
        json!({
            "name": self.case.name,
            "description": self.case.about,
            "specification": "docs/spec.md, chapters 4 to 15",
            "expect": if established { "success" } else { "failure" },
            "inputs": {
                "initiator": initiator.inputs(),
                "responder": responder.inputs(),
                "psk": has_psk.then(|| hex(&PSK)),
                "provider_draws": noted,
                "unix_time": UNIX_TIME,
            },
            "acts": self.case.acts.iter().map(|act| format!("{act:?}")).collect::<Vec<_>>(),
            "datagrams": self.world.sent.iter().map(datagram).collect::<Vec<_>>(),
            "results": self.results.concat(),
        })
    }

    /// What a datagram does that is put in at this point: the answer to it, and what it is counted or reported as.
    pub(crate) fn inject(&mut self, to: &str, bytes: Vec<u8>) -> (Vec<Vec<u8>>, String) {
        let n = usize::from(to == "responder");
        let drops = |world: &World<Endpoint>| {
            let metrics = world.node(n).metrics();
            mikey_proto::DropReason::ALL.iter().map(move |why| metrics.drops(*why)).collect::<Vec<_>>()
        };
        self.note();
        let (before, sent) = (drops(&self.world), self.world.sent.len());
        let from = match (n, self.moved.get()) {
            (0, _) => address(1),
            (_, moved) => address(if moved { 9 } else { 0 }),
        };
        self.world.inject(Datagram { from, to: address(u8::try_from(n).unwrap()), bytes });
        let events = self.world.events(n).into_iter().filter_map(|event| self.result(n, event));
        let events: Vec<_> = events.collect();
        let after = drops(&self.world);
        let dropped = mikey_proto::DropReason::ALL
            .iter()
            .zip(before.iter().zip(&after))
            .find(|(_, (before, after))| before != after)
            .map(|(why, _)| why.name());
        let refused = events.iter().find_map(|event| event["why"].as_str().map(str::to_owned));
        let closed = events.iter().any(|event| event["event"] == "closed");
        let outcome = match (dropped, refused) {
            _ if closed => "closed".into(),
            (Some(why), _) => format!("dropped: {why}"),
            (None, Some(why)) => format!("refused: {why}"),
            (None, None) => "taken".into(),
        };
        (self.world.sent[sent..].iter().map(|d| d.bytes.clone()).collect(), outcome)
    }

    /// Goes on after a stop, to the end.
    pub(crate) fn go_on(&mut self) {
        self.stop_after = usize::MAX;
        self.play();
    }
}

/// Most preferred first, so that a choice is made in the calls.
const SRTP_POLICIES: [SrtpPolicy; 5] = [
    SrtpPolicy::AEAD_AES_256_GCM,
    SrtpPolicy::AEAD_AES_128_GCM,
    SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
    SrtpPolicy::AES_CM_128_HMAC_SHA1_80,
    SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
];

/// From its move on the initiator is seen at address 9, and reached there.
fn rebinding(moved: &Rc<Cell<bool>>) -> impl FnMut(Time, Datagram) -> Vec<Datagram> + use<> {
    let moved = Rc::clone(moved);
    move |_, mut datagram| {
        if moved.get() && datagram.from == address(0) {
            datagram.from = address(9);
        } else if moved.get() && datagram.to == address(9) {
            datagram.to = address(0);
        }
        vec![datagram]
    }
}

fn datagram(d: &Datagram) -> Value {
    let from = if d.from == address(1) { "responder" } else { "initiator" };
    json!({ "from": from, "octets": hex(&d.bytes) })
}

/// The kinds of refusal that vectors name.
fn class(why: &Error) -> String {
    match why {
        Error::Decode(_) => "malformed".into(),
        Error::Peer(PeerFault::AuthFailed) => "auth".into(),
        Error::Peer(PeerFault::Certificate(_)) => "certificate".into(),
        Error::Peer(PeerFault::Name) => "name".into(),
        Error::Peer(PeerFault::RefusedUs) => "refused by the peer".into(),
        Error::Peer(PeerFault::Negotiation(_)) => "negotiation".into(),
        Error::Peer(PeerFault::SasCommitment) => "sas".into(),
        Error::Mismatch(Mismatch::SrtpPolicy) => "srtp policy".into(),
        Error::Timeout { hint, .. } => format!("timeout, hint {hint:?}"),
        other => format!("{other:?}"),
    }
}
