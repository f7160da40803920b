//! Tables of states and messages: every message in every state of an end, as a text that is checked in.
//!
//! A cell says what the message draws, what the application is told, and why it was dropped. What was dropped has changed
//! nothing: from there on the run is, datagram by datagram and event by event, the one to which nothing came.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use core::time::Duration;
use std::fmt::Write as _;

use mikey_proto::{DropReason, Endpoint, EndpointConfig, Event, Metrics, SessionId, Ticket, Time};
use mikey_sim::{Datagram, Link, World, address};
use mikey_wire::DataType;

/// Two ends, what they have been told, and what a state is made of.
pub struct Run {
    pub world: World<Endpoint>,
    pub sessions: [Option<SessionId>; 2],
    pub ticket: Option<Ticket>,
    told: Vec<(usize, &'static str)>,
}

impl Run {
    pub fn new(nodes: [EndpointConfig; 2]) -> Self {
        let nodes = nodes.map(|config| Endpoint::new(config).unwrap());
        let world = World::new(Link::perfect(1), nodes);
        Self { world, sessions: [None; 2], ticket: None, told: Vec::new() }
    }

    pub fn wait(&mut self, seconds: u64) {
        let end = self.world.now() + Duration::from_secs(seconds);
        self.world.run_until(end);
        self.hear();
    }

    /// Goes on until so many datagrams more were sent.
    pub fn until_sent(&mut self, more: usize) {
        let (count, end) = (self.world.sent.len() + more, self.world.now() + Duration::from_secs(1));
        assert!(self.world.run_while(end, |world| world.sent.len() < count), "{more} datagrams");
        self.hear();
    }

    /// Lets an end act on its newest session.
    pub fn act<T>(&mut self, n: usize, action: impl FnOnce(Time, &mut Endpoint, SessionId) -> T) -> T {
        let session = self.sessions[n].expect("a session");
        self.world.act(n, |now, endpoint| action(now, endpoint, session))
    }

    pub fn inject(&mut self, from: u8, to: usize, bytes: &[u8]) {
        let to = address(u8::try_from(to).unwrap());
        self.world.inject(Datagram { from: address(from), to, bytes: bytes.to_vec() });
    }

    /// Takes what both ends have been told.
    fn hear(&mut self) {
        for n in 0..2 {
            for event in self.world.events(n) {
                self.told.push((n, event_name(&event)));
                match event {
                    Event::Established { session, .. } | Event::V1Established { session, .. } => {
                        self.sessions[n] = Some(session);
                    }
                    Event::TicketReady { ticket, .. } => self.ticket = Some(ticket),
                    _ => (),
                }
            }
        }
    }
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Established { .. } => "Established",
        Event::V1Established { update: false, .. } => "established",
        Event::V1Established { update: true, .. } => "updated",
        Event::SrtpKeysReady { .. } => "keys",
        Event::EarlyKeysReady { .. } => "early keys",
        Event::BranchFailed { .. } => "branch ends",
        Event::CallFailed { .. } => "call failed",
        Event::CallerRefused { .. } => "caller refused",
        Event::StreamsRemoved { .. } => "streams",
        Event::RekeyRefused { .. } => "renewal refused",
        Event::PeerMoved { .. } => "peer moved",
        Event::Closed { .. } => "Closed",
        Event::TicketReady { .. } => "ticket",
        _ => "other",
    }
}

/// A message that arrives: its name, the node that it seems to come from, its octets.
pub struct Arriving {
    pub what: String,
    pub from: u8,
    pub bytes: Vec<u8>,
}

/// Every message in every state of one end.
pub struct Table<'a> {
    pub title: &'a str,
    pub node: usize,
    pub states: &'a [&'a str],
    pub messages: &'a [Arriving],
    pub build: &'a dyn Fn(&str) -> Run,
    /// What two runs of the same events have in common of a datagram.
    pub looks: fn(&Datagram) -> Vec<u8>,
}

impl Table<'_> {
    pub fn write(&self, out: &mut String) {
        writeln!(out, "{}", self.title).unwrap();
        let untouched: Vec<_> = self.states.iter().map(|state| self.rest((self.build)(state))).collect();
        for Arriving { what, from, bytes } in self.messages {
            writeln!(out, "    {what}").unwrap();
            for (state, untouched) in self.states.iter().zip(&untouched) {
                let mut run = (self.build)(state);
                let (effect, dropped) = self.arrive(&mut run, *from, bytes);
                writeln!(out, "        {state:<12} {effect}").unwrap();
                if dropped {
                    let rest = self.rest(run);
                    assert!(rest == *untouched, "{}: {what} changed something in {state}", self.title);
                }
            }
        }
    }

    /// What the message does, in a few words, and whether it was dropped.
    fn arrive(&self, run: &mut Run, from: u8, bytes: &[u8]) -> (String, bool) {
        run.hear();
        let before = (run.world.sent.len(), run.told.len(), run.world.node(self.node).metrics());
        run.inject(from, self.node, bytes);
        run.hear();
        let sent: Vec<_> = run.world.sent[before.0..].iter().map(|d| DataType(d.bytes[1])).collect();
        let mut words: Vec<String> = sent.iter().map(|ty| format!("{ty:?}")).collect();
        words.extend(run.told[before.1..].iter().map(|(_, name)| (*name).into()));
        let why = dropped(&before.2, &run.world.node(self.node).metrics());
        // A repeat from another address may be the peer's: it is asked, and that is a request like others.
        let is_dropped = why.is_some() && !sent.contains(&DataType::INFO_REQ);
        words.extend(why);
        (if words.is_empty() { "-".into() } else { words.join(", ") }, is_dropped)
    }

    fn rest(&self, mut run: Run) -> Rest {
        run.hear();
        let (sent, told) = (run.world.sent.len(), run.told.len());
        run.wait(60);
        let sent = run.world.sent[sent..].iter().map(self.looks).collect();
        let sessions = [0, 1].map(|n| run.world.node(n).metrics().sessions);
        Rest { sent, told: run.told.split_off(told), sessions }
    }
}

/// What follows in the next minute: what is sent, what both ends are told, how many sessions they have then.
#[derive(PartialEq)]
struct Rest {
    sent: Vec<Vec<u8>>,
    told: Vec<(usize, &'static str)>,
    sessions: [usize; 2],
}

fn dropped(before: &Metrics, after: &Metrics) -> Option<String> {
    let grown = |why: &&DropReason| after.drops(**why) > before.drops(**why);
    DropReason::ALL.iter().find(grown).map(|why| format!("({})", why.name()))
}

/// All of a datagram, with who sent it to whom.
pub fn whole(datagram: &Datagram) -> Vec<u8> {
    [format!("{} {} ", datagram.from, datagram.to).as_bytes(), &datagram.bytes].concat()
}

/// The same message with one bit of its last octet changed.
pub fn spoiled(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

/// Compares with what is checked in; `MIKEY_WRITE_TABLE=1` writes it.
pub fn check(file: &str, expected: &str, got: &str) {
    if std::env::var_os("MIKEY_WRITE_TABLE").is_some() {
        std::fs::write(format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR")), got).unwrap();
    }
    let heading = |at: usize| got.lines().take(at + 1).filter(|line| !line.starts_with("        ")).last();
    for (at, (expected, got)) in expected.lines().zip(got.lines()).enumerate() {
        assert_eq!(expected, got, "{file}, line {}, {:?}", at + 1, heading(at));
    }
    assert_eq!(expected.lines().count(), got.lines().count(), "{file}");
}
