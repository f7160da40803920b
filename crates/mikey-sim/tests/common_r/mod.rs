//! What the tests of RFC 5479's requirements share: phones (agents with media), a forking proxy, and somebody who holds a
//! whole endpoint towards each side.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod sdp;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use mikey::{Agent, AgentEvent, AgentOutput, Received};
use mikey_crypto::MethodId;
use mikey_proto::{
    Call, CertifiedKey, Endpoint, EndpointConfig, Event, Expected, Identity, Negotiated, Output, Peer,
    SessionId, Signalled, StreamKeys, Time,
};
use mikey_sim::{Adversary, Ca, Datagram, KeyKind, Link, Node, World, address, provider};
use mikey_wire::DataType;

use crate::common::craft::kind;
use crate::common::{ALICE, BOB, name};

pub const CAROL: &str = "sip:carol@example.com";
pub const MALLORY: &str = "sip:mallory@example.net";

/// An agent and what its application saw.
pub struct Phone {
    pub agent: Agent,
    pub told: Vec<AgentEvent>,
    /// Media as the application gets it: the session, and the RTP packet in clear.
    pub heard: Vec<(SessionId, Vec<u8>)>,
    /// Media that the application allowed in clear.
    pub clear: Vec<Vec<u8>>,
    /// Packets that came before their key.
    pub held: usize,
    speech: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Phone {
    pub fn new(config: EndpointConfig, n: u8) -> Self {
        let agent = Agent::new(config, address(n)).unwrap();
        Self {
            agent,
            told: Vec::new(),
            heard: Vec::new(),
            clear: Vec::new(),
            held: 0,
            speech: VecDeque::new(),
        }
    }

    /// Sends an RTP packet in a session.
    pub fn speak(&mut self, now: Time, session: SessionId, cs_id: u8, packet: &[u8]) {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 64, 0);
        let (len, to) = self.agent.protect_rtp(now, session, cs_id, &mut buffer, packet.len()).unwrap();
        buffer.truncate(len);
        self.speech.push_back((to, buffer));
    }

    /// Sends an RTP packet in clear, to somebody with whom there is no session.
    pub fn speak_in_clear(&mut self, to: SocketAddr, packet: &[u8]) {
        self.speech.push_back((to, packet.to_vec()));
    }

    /// The sessions that were established, with the peer and where it is.
    pub fn sessions(&self) -> Vec<(SessionId, Peer, SocketAddr)> {
        let established = |event: &AgentEvent| match event {
            AgentEvent::Established { session, peer, remote, .. } => Some((*session, peer.clone(), *remote)),
            _ => None,
        };
        self.told.iter().filter_map(established).collect()
    }

    /// The one session of this phone, whose media is ready.
    pub fn session(&self) -> SessionId {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "not one session");
        assert!(self.is_ready(), "no media");
        sessions[0].0
    }

    pub fn is_ready(&self) -> bool {
        self.told.iter().any(|event| matches!(event, AgentEvent::MediaReady { .. }))
    }

    /// What was heard in a session.
    pub fn heard_in(&self, session: SessionId) -> Vec<&[u8]> {
        self.heard.iter().filter(|(s, _)| *s == session).map(|(_, packet)| packet.as_slice()).collect()
    }
}

impl Node for Phone {
    fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let mut octets = datagram.to_vec();
        match self.agent.handle_datagram(now, from, &mut octets) {
            Received::Media(media) => self.heard.push((media.session, media.packet.to_vec())),
            Received::Clear { packet, .. } => self.clear.push(packet.to_vec()),
            Received::Held => self.held += 1,
            _ => (),
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.agent.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Output {
        if let Some((to, bytes)) = self.speech.pop_front() {
            return Output::Transmit { to, bytes };
        }
        loop {
            match self.agent.poll_output() {
                AgentOutput::Transmit { to, bytes } => return Output::Transmit { to, bytes },
                AgentOutput::Event(event) => self.told.push(event),
                AgentOutput::Media { session, packet, .. } => self.heard.push((session, packet)),
                AgentOutput::Timeout(at) => return Output::Timeout(at),
                _ => panic!("an output that this test does not know"),
            }
        }
    }
}

/// A world of phones.
pub fn phones(configs: impl IntoIterator<Item = EndpointConfig>) -> World<Phone> {
    let phones = (0..).zip(configs).map(|(n, config)| Phone::new(config, n));
    World::new(Link::perfect(1), phones)
}

/// An RTP packet.
pub fn rtp(ssrc: u32, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&(u32::from(seq) * 160).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// What the signalling does with a call: whatever INIT_REQ goes to node 1 goes to all of these instead.
pub fn forks(to: impl IntoIterator<Item = u8>) -> impl Adversary {
    let to: Vec<SocketAddr> = to.into_iter().map(address).collect();
    move |_: Time, datagram: Datagram| {
        if kind(&datagram.bytes) == DataType::INIT_REQ && datagram.to == address(1) {
            return to.iter().map(|to| Datagram { to: *to, ..datagram.clone() }).collect();
        }
        vec![datagram]
    }
}

/// A session of an endpoint.
pub struct Known {
    pub session: SessionId,
    pub peer: Peer,
    pub remote: SocketAddr,
    pub negotiated: Negotiated,
    pub streams: Vec<StreamKeys>,
}

/// The sessions that these events tell of, with all their keys.
pub fn sessions(events: impl IntoIterator<Item = Event>) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for event in events {
        match event {
            Event::Established { session, peer, remote, negotiated, .. } => {
                known.push(Known { session, peer, remote, negotiated, streams: Vec::new() });
            }
            Event::SrtpKeysReady { session, keys } => {
                let of = known.iter_mut().find(|k| k.session == session).unwrap();
                of.streams.extend(keys.streams);
            }
            _ => (),
        }
    }
    known
}

/// The master keys of a session.
pub fn master_keys(known: &Known) -> Vec<Vec<u8>> {
    known.streams.iter().map(|s| s.master_key.expose().to_vec()).collect()
}

/// A world of endpoints.
pub fn endpoints(configs: impl IntoIterator<Item = EndpointConfig>) -> World<Endpoint> {
    World::new(Link::perfect(1), configs.into_iter().map(|config| Endpoint::new(config).unwrap()))
}

/// An endpoint that has nothing but a SAS.
pub fn with_sas(own: &str, seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
    config.policy.local_methods = vec![MethodId::SAS];
    config.policy.remote_methods = vec![MethodId::SAS];
    config
}

/// An endpoint with a certificate that leads nowhere, and the fingerprint of that.
pub fn by_fingerprint(own: &str, seed: u64) -> (EndpointConfig, [u8; 32]) {
    let provider = provider(seed);
    let (der, key) = Ca::new("self").issue("sip:whoever@invalid", KeyKind::Ed25519, |_| ());
    let certified = CertifiedKey::load(&provider, vec![der], &key).unwrap();
    let fingerprint = certified.fingerprint(&provider);
    (EndpointConfig::new(provider, Identity::with_fingerprint(name(own), certified)), fingerprint)
}

pub const ALICES_TLS_ID: &[u8] = b"tls-id-of-alice-0000";
pub const BOBS_TLS_ID: &[u8] = b"tls-id-of-bob-000000";

/// What Alice's signalling told her of Bob.
pub fn told_alice(fingerprint: [u8; 32]) -> Signalled {
    Signalled {
        fingerprints: vec![fingerprint],
        local_tls_id: ALICES_TLS_ID.to_vec(),
        remote_tls_id: Some(BOBS_TLS_ID.to_vec()),
        assertion: None,
    }
}

/// What Bob's signalling told him of Alice.
pub fn told_bob(fingerprint: [u8; 32]) -> Expected {
    Expected {
        initiator: name(ALICE),
        responder: name(BOB),
        signalled: Signalled {
            fingerprints: vec![fingerprint],
            local_tls_id: BOBS_TLS_ID.to_vec(),
            remote_tls_id: Some(ALICES_TLS_ID.to_vec()),
            assertion: None,
        },
    }
}

/// What somebody in the middle got.
pub type Loot = Rc<RefCell<Vec<Event>>>;

/// Between nodes 0 and 1, with an endpoint of its own towards each: a whole call with Alice in Bob's name, and a whole call
/// with Bob in Alice's name. Nothing of either gets through.
pub struct InTheMiddle {
    as_bob: Endpoint,
    as_alice: Endpoint,
    call: Call,
    called: bool,
    loot: Loot,
}

impl InTheMiddle {
    pub fn new(as_bob: EndpointConfig, as_alice: EndpointConfig, call: Call) -> (Self, Loot) {
        Self::with(Endpoint::new(as_bob).unwrap(), Endpoint::new(as_alice).unwrap(), call)
    }

    pub fn with(as_bob: Endpoint, as_alice: Endpoint, call: Call) -> (Self, Loot) {
        let loot = Loot::default();
        (Self { as_bob, as_alice, call, called: false, loot: Rc::clone(&loot) }, loot)
    }

    fn drain(&mut self) -> Vec<Datagram> {
        let mut out = Vec::new();
        for (endpoint, from) in [(&mut self.as_bob, address(1)), (&mut self.as_alice, address(0))] {
            loop {
                match endpoint.poll_output() {
                    Output::Transmit { to, bytes } => out.push(Datagram { from, to, bytes }),
                    Output::Event(event) => self.loot.borrow_mut().push(event),
                    _ => break,
                }
            }
        }
        out
    }
}

impl Adversary for InTheMiddle {
    fn on_datagram(&mut self, now: Time, datagram: Datagram) -> Vec<Datagram> {
        if datagram.from == address(0) {
            self.as_bob.handle_datagram(now, datagram.from, &datagram.bytes);
            if !self.called {
                self.called = true;
                self.as_alice.connect(now, address(1), &self.call).unwrap();
            }
        } else {
            self.as_alice.handle_datagram(now, datagram.from, &datagram.bytes);
        }
        self.drain()
    }
}
