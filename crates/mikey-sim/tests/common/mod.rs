//! What the protocol tests share: two endpoints, and what they end with.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod craft;
pub mod envelope;
pub mod hand;
pub mod hostile;
pub mod mallory;

use core::time::Duration;
use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    Call, CallId, Endpoint, EndpointConfig, Error, Event, Exchange, Identity, Name, Negotiated, Peer,
    PskStore, PskTable, Role, SessionId, SrtpKeys, Time,
};
use mikey_sim::{Adversary, Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::DataType;

pub const ALICE: &str = "sip:alice@example.com";
pub const BOB: &str = "sip:bob@example.com";
/// 2026-06-01, when the certificates of the tests are valid.
pub const NOW: Duration = Duration::from_secs(1_780_272_000);

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn psks(a: &str, b: &str, key: [u8; 32]) -> Arc<dyn PskStore> {
    let mut table = PskTable::new();
    table.insert(name(a), name(b), SecretBytes::copy_from(&key)).unwrap();
    Arc::new(table)
}

/// An endpoint that knows the key it shares with `peer`.
pub fn with_psk(own: &str, peer: &str, key: [u8; 32], seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::new(name(own)));
    config.psks = psks(own, peer, key);
    config
}

/// An endpoint with a certificate, that trusts the CA which issued it.
pub fn certified(ca: &Ca, own: &str, kind: KeyKind, seed: u64) -> EndpointConfig {
    let provider = provider(seed);
    let mut config = EndpointConfig::new(provider.clone(), ca.identity(&provider, own, kind));
    config.trust = ca.trust();
    config.unix_time_at_zero = Some(NOW);
    config
}

/// How both ends authenticate themselves in a test that runs in both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Psk,
    Certificate,
    /// Option 2 with a pre-shared key.
    Cce2Psk,
    /// Option 2 with RSA: Alice signs, Bob decrypts.
    Cce2Rsa,
}

impl Mode {
    /// Those of Option 1.
    pub const ALL: [Self; 2] = [Self::Psk, Self::Certificate];
    /// Those of Option 2.
    pub const OPTION_2: [Self; 2] = [Self::Cce2Psk, Self::Cce2Rsa];
    pub const EVERY: [Self; 4] = [Self::Psk, Self::Certificate, Self::Cce2Psk, Self::Cce2Rsa];

    pub fn exchange(self) -> Exchange {
        match self {
            Self::Psk | Self::Certificate => Exchange::Cce,
            Self::Cce2Psk => Exchange::Cce2Psk,
            Self::Cce2Rsa => Exchange::Cce2Rsa,
        }
    }

    /// The second request and the second response.
    pub fn second(self) -> [DataType; 2] {
        match self.exchange() {
            Exchange::Cce => [DataType::CCE_REQ, DataType::CCE_RESP],
            _ => [DataType::CCE2_REQ, DataType::CCE2_RESP],
        }
    }

    /// The four messages of a call.
    pub fn messages(self) -> [DataType; 4] {
        let [request, response] = self.second();
        [DataType::INIT_REQ, DataType::INIT_RESP, request, response]
    }
}

/// A CA and what it issued to Alice and Bob, made once for many runs.
pub struct Parties {
    pub ca: Ca,
    alice: Identity,
    bob: Identity,
    /// The two with RSA certificates, for signatures and for decryption.
    rsa: [Identity; 2],
}

impl Parties {
    pub fn new(kind: KeyKind) -> Self {
        let ca = Ca::new("ca");
        let provider = provider(0);
        let (alice, bob) = (ca.identity(&provider, ALICE, kind), ca.identity(&provider, BOB, kind));
        let rsa = [0, 1].map(|n| envelope::identity(&ca, n));
        Self { ca, alice, bob, rsa }
    }

    pub fn alice(&self, mode: Mode, seed: u64) -> EndpointConfig {
        let own = if mode == Mode::Cce2Rsa { &self.rsa[0] } else { &self.alice };
        self.config(mode, own, (ALICE, BOB), seed)
    }

    pub fn bob(&self, mode: Mode, seed: u64) -> EndpointConfig {
        let own = if mode == Mode::Cce2Rsa { &self.rsa[1] } else { &self.bob };
        self.config(mode, own, (BOB, ALICE), seed)
    }

    pub fn pair(&self, mode: Mode, link: Link, seed: u64) -> Pair {
        let mut pair = Pair::new(link, self.alice(mode, 2 * seed), self.bob(mode, 2 * seed + 1));
        pair.long_request = mode == Mode::Cce2Rsa;
        pair
    }

    fn config(&self, mode: Mode, own: &Identity, names: (&str, &str), seed: u64) -> EndpointConfig {
        let mut config = match mode {
            Mode::Psk | Mode::Cce2Psk => with_psk(names.0, names.1, [7; 32], seed),
            Mode::Certificate | Mode::Cce2Rsa => {
                let mut config = EndpointConfig::new(provider(seed), own.clone());
                config.trust = self.ca.trust();
                config.unix_time_at_zero = Some(NOW);
                config
            }
        };
        config.policy.exchanges = vec![mode.exchange()];
        config
    }
}

/// What an end knows once it is established.
pub struct End {
    pub session: SessionId,
    pub role: Role,
    pub peer: Peer,
    pub negotiated: Negotiated,
    pub keys: SrtpKeys,
}

/// Alice is node 0 and calls, Bob is node 1.
pub struct Pair {
    pub world: World<Endpoint>,
    pub call: Option<CallId>,
    pub events: [Vec<Event>; 2],
    /// INIT_REQ is long enough for any INIT_RESP, so that no cookie is asked for.
    pub long_request: bool,
}

impl Pair {
    pub fn new(link: Link, alice: EndpointConfig, bob: EndpointConfig) -> Self {
        let nodes = [Endpoint::new(alice).unwrap(), Endpoint::new(bob).unwrap()];
        let events = [Vec::new(), Vec::new()];
        Self { world: World::new(link, nodes), call: None, events, long_request: false }
    }

    pub fn with_adversary(mut self, adversary: impl Adversary + 'static) -> Self {
        self.world = self.world.with_adversary(adversary);
        self
    }

    /// Starts a call for one stream each way and runs for a minute.
    pub fn call(&mut self, to: &str) -> &mut Self {
        self.start(to);
        self.run(Time::from_secs(60))
    }

    pub fn start(&mut self, to: &str) -> &mut Self {
        let mut call = Call::both_ways(name(to), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        call.sdp_ids = self.long_request.then(|| vec![b'x'; 120]);
        self.call = Some(self.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap());
        self
    }

    pub fn run(&mut self, until: Time) -> &mut Self {
        self.world.run_until(until);
        for n in [0, 1] {
            self.events[n].extend(self.world.events(n));
        }
        self
    }

    /// What both ends know; fails the test if either is not established, or twice.
    pub fn established(&mut self) -> (End, End) {
        let [alice, bob] = &mut self.events;
        (end(alice).expect("alice is not established"), end(bob).expect("bob is not established"))
    }

    /// What each end knows, established or not, whatever else was reported.
    pub fn outcome(&mut self) -> (Option<End>, Option<End>) {
        let noise = |event: &Event| {
            !matches!(
                event,
                Event::CallFailed { .. } | Event::BranchFailed { .. } | Event::CallerRefused { .. }
            )
        };
        self.events.iter_mut().for_each(|events| events.retain(noise));
        let [alice, bob] = &mut self.events;
        (end(alice), end(bob))
    }

    /// The outcome of a run in which the two must agree, whoever else was heard.
    pub fn agreed(&mut self) -> (End, End) {
        let (alice, bob) = self.outcome();
        let (alice, bob) = (alice.expect("alice is not established"), bob.expect("bob is not established"));
        assert_eq!((alice.peer.name.to_string(), bob.peer.name.to_string()), (BOB.into(), ALICE.into()));
        assert_eq!(alice.negotiated, bob.negotiated);
        same_keys(&alice, &bob);
        (alice, bob)
    }

    /// A further call between the same two endpoints, which succeeds like the first one.
    pub fn call_again(&mut self) -> (End, End) {
        self.events = [Vec::new(), Vec::new()];
        let until = self.world.now() + Duration::from_secs(60);
        self.start(BOB).run(until).agreed()
    }

    /// Metrics of node `n`.
    pub fn metrics(&self, n: usize) -> mikey_proto::Metrics {
        self.world.node(n).metrics()
    }

    /// Hands a datagram to node `to` as if it came from `from`.
    pub fn inject(&mut self, from: std::net::SocketAddr, to: usize, bytes: &[u8]) {
        let to = address(u8::try_from(to).unwrap());
        self.world.inject(Datagram { from, to, bytes: bytes.to_vec() });
    }

    /// Why the call failed.
    pub fn failure(&mut self) -> Option<Error> {
        self.events[0].iter().find_map(|event| match event {
            Event::CallFailed { why, .. } => Some(why.clone()),
            _ => None,
        })
    }

    /// Whether an end was established.
    pub fn is_established(&self, n: usize) -> bool {
        self.events[n].iter().any(|event| matches!(event, Event::Established { .. }))
    }
}

fn end(events: &mut Vec<Event>) -> Option<End> {
    let mut found = None;
    let mut keys = None;
    for event in events.drain(..) {
        match event {
            Event::Established { session, role, peer, negotiated, .. } => {
                assert!(found.is_none(), "established twice");
                found = Some((session, role, peer, negotiated));
            }
            Event::SrtpKeysReady { keys: ready, .. } => {
                assert!(keys.is_none(), "keys twice");
                keys = Some(ready);
            }
            Event::CallFailed { why, .. } | Event::BranchFailed { why, .. } => {
                panic!("the call failed: {why}")
            }
            _ => (),
        }
    }
    let (session, role, peer, negotiated) = found?;
    Some(End { session, role, peer, negotiated, keys: keys? })
}

/// Both ends have the same keys for the same streams, seen from their own side; and no two streams share one.
pub fn same_keys(alice: &End, bob: &End) {
    assert_eq!(alice.keys.streams.len(), bob.keys.streams.len());
    let mut seen = Vec::new();
    for (a, b) in alice.keys.streams.iter().zip(&bob.keys.streams) {
        assert_eq!((a.cs_id, a.ssrc, a.policy, &a.mki), (b.cs_id, b.ssrc, b.policy, &b.mki));
        assert_ne!(a.sender, b.sender);
        assert_eq!(a.master_key.expose(), b.master_key.expose());
        assert_eq!(a.master_salt.expose(), b.master_salt.expose());
        assert_eq!(a.master_key.len(), usize::from(a.policy.key_len));
        assert!(!seen.contains(&a.master_key.expose().to_vec()), "one key for two streams");
        seen.push(a.master_key.expose().to_vec());
    }
}
