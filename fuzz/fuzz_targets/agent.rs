//! Datagrams from anywhere at the one port of an agent that asks everybody for a cookie: what each of them is, what it may
//! cost, and what it may draw. The cryptography is real, so a cookie cannot be guessed.
//!
//! Without a cookie that was given out nothing is kept, no key exchange is computed, and nobody is sent more than three
//! times the octets that came from there.

#![no_main]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mikey::{Agent, AgentOutput, Class, EndpointConfig, Identity, Name, Received, Time, classify};
use mikey_crypto::SecretBytes;
use mikey_fuzz::Script;
use mikey_proto::PskTable;
use mikey_sim::address;
use mikey_wire::v2::ErrorMsg;
use mikey_wire::{Extension, Message, Payload, encode};

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let mut port = Port::new();
    for _ in 0..64 {
        let Some(order) = script.octet() else { break };
        let from = SocketAddr::from(([198, 51, 100, order & 3], 5000 + u16::from(order >> 2 & 1)));
        match order >> 4 {
            // What was asked for: the last request again, with the cookie that it drew.
            0 | 1 => port.follow(from),
            2 => port.pass(script.octet().unwrap_or(0)),
            _ => {
                let len = script.number() % 4096;
                port.receive(from, script.octets(len).to_vec());
            }
        }
    }
});

struct Port {
    agent: Agent,
    now: Time,
    /// The last datagram from each address, and the last cookie that it was sent.
    seen: HashMap<SocketAddr, (Vec<u8>, Option<Vec<u8>>)>,
    octets: HashMap<SocketAddr, (usize, usize)>,
    followed: usize,
}

impl Port {
    fn new() -> Self {
        let (alice, bob) = (name("sip:alice@example.com"), name("sip:bob@example.com"));
        let mut config = EndpointConfig::new(mikey_sim::provider(7), Identity::new(bob.clone()));
        let mut psks = PskTable::new();
        psks.insert(alice, bob, SecretBytes::copy_from(&[7; 32])).expect("a key");
        config.psks = Arc::new(psks);
        config.cookie_threshold = 0;
        let agent = Agent::new(config, address(1)).expect("an agent");
        Self { agent, now: Time::ZERO, seen: HashMap::new(), octets: HashMap::new(), followed: 0 }
    }

    fn follow(&mut self, from: SocketAddr) {
        let Some((request, Some(cookie))) = self.seen.get(&from).cloned() else { return };
        let Ok(mut message) = Message::decode(&request).map(|m| (m.header, m.items)) else { return };
        message.1.retain(|item| !matches!(item.payload, Payload::Ext(Extension::Cookie(_))));
        let mut payloads = vec![Payload::Ext(Extension::Cookie(&cookie))];
        payloads.extend(message.1.into_iter().map(|item| item.payload));
        if let Ok(again) = encode(&message.0, &payloads) {
            self.followed += 1;
            self.receive(from, again);
        }
    }

    fn pass(&mut self, seconds: u8) {
        self.now = self.now + std::time::Duration::from_secs(u64::from(seconds));
        self.agent.handle_timeout(self.now);
        self.drain();
    }

    fn receive(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        let class = classify(&bytes);
        let mut datagram = bytes.clone();
        let received = self.agent.handle_datagram(self.now, from, &mut datagram);
        let fits = match (&class, &received) {
            (Class::Mikey { version: 1 }, Received::MikeyV1(_))
            | (Class::Mikey { version: 2 }, Received::Keying) => true,
            (Class::Stun, Received::Stun(_))
            | (Class::Turn, Received::Turn(_))
            | (Class::Dtls, Received::Dtls(_)) => true,
            // Nobody has a key: media is never accepted, and never kept unless keys are on their way.
            (Class::Rtp | Class::Rtcp | Class::Unknown, Received::Refused(_)) => true,
            (Class::Rtp | Class::Rtcp, Received::Held) => self.followed > 0,
            _ => false,
        };
        assert!(fits, "{class:?} was taken as {received:?}");
        self.octets.entry(from).or_default().0 += bytes.len();
        self.seen.insert(from, (bytes, None));
        self.drain();
        let metrics = self.agent.metrics();
        assert!(metrics.half_open <= self.followed, "kept without a cookie");
        assert!(metrics.key_exchanges <= self.followed as u64, "computed without a cookie");
        assert_eq!(metrics.sessions, 0, "nobody can authenticate itself");
    }

    fn drain(&mut self) {
        loop {
            match self.agent.poll_output() {
                AgentOutput::Transmit { to, bytes } => {
                    let (came, went) = self.octets.get_mut(&to).expect("only who asked is answered");
                    *went += bytes.len();
                    assert!(*went <= 3 * *came, "{went} octets for {came}");
                    let cookie = ErrorMsg::decode(&bytes).ok().and_then(|e| e.cookie.map(<[u8]>::to_vec));
                    if let (Some(cookie), Some(seen)) = (cookie, self.seen.get_mut(&to)) {
                        seen.1 = Some(cookie);
                    }
                }
                AgentOutput::Timeout(_) => return,
                _ => (),
            }
        }
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}
