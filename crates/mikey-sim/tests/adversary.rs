//! Somebody who owns the network, against calls, renewals and resumptions of honest endpoints, by chance.
//!
//! Each schedule is a seed. The adversary loses, delays, repeats, reflects and redirects datagrams, puts fields of one message
//! into another, forges errors, has an endpoint of its own with a good certificate, and two that pretend to be Alice and
//! Bob. Whatever it does, these hold for what honest ends report:
//!
//! - who calls and completes has a partner: one session, at the endpoint that owns the name, with the same keys, names and
//!   choice, in the other role;
//! - a key is held by one sender and one receiver, once each, or by one of the two;
//! - an endpoint is called no more often than it was;
//! - what an impostor holds, nobody else does.
//!
//! A thousand schedules run by default. `MIKEY_SCHEDULES=1000000 cargo test --release -p mikey-sim --test adversary` runs a
//! million; `MIKEY_SEED=n` with `MIKEY_SCHEDULES=1` repeats the one that failed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::craft::{error, kind};
use common::*;
use fastrand::Rng;
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    Call, Endpoint, EndpointConfig, Event, Identity, Name, Negotiated, PskTable, Role, SessionId, Side,
    SrtpKeys, Ticket, Time,
};
use mikey_sim::{Adversary, Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::v2::InitReq;
use mikey_wire::{DataType, Message, encode};

const EVE: &str = "sip:eve@example.com";
/// Nodes: Alice and Bob, who are honest; Eve, who has a name and keys of her own; two who pretend to be Alice and Bob.
const NAMES: [&str; 5] = [ALICE, BOB, EVE, ALICE, BOB];
const HONEST: usize = 2;
/// Nodes that own their name.
const OWNERS: usize = 3;

fn place(node: usize) -> std::net::SocketAddr {
    address(u8::try_from(node).unwrap())
}

struct Cast {
    identities: Vec<Identity>,
    /// The same with RSA keys, for signatures and for decryption. There are two pairs: the impostors know the keys of those
    /// that they pretend to be, and have no certificate for them that an honest end trusts.
    rsa: Vec<Identity>,
    cas: [Ca; 2],
}

impl Cast {
    fn new() -> Self {
        let cas = [Ca::new("ca"), Ca::new("ca")];
        let identity =
            |n: usize| cas[usize::from(n >= OWNERS)].identity(&provider(0), NAMES[n], KeyKind::Ed25519);
        let rsa = |n: usize| envelope::identity_as(&cas[usize::from(n >= OWNERS)], NAMES[n], n % 2);
        let all = 0..NAMES.len();
        Self { identities: all.clone().map(identity).collect(), rsa: all.map(rsa).collect(), cas }
    }

    fn config(&self, n: usize, mode: Mode, seed: u64) -> EndpointConfig {
        let provider = provider(seed.wrapping_mul(8) + n as u64);
        let mut config = match mode {
            Mode::Certificate | Mode::Cce2Rsa => {
                let identities = if mode == Mode::Certificate { &self.identities } else { &self.rsa };
                let mut config = EndpointConfig::new(provider, identities[n].clone());
                config.trust = self.cas[0].trust();
                config
            }
            Mode::Psk | Mode::Cce2Psk => {
                let mut config = EndpointConfig::new(provider, Identity::new(name(NAMES[n])));
                let mut table = PskTable::new();
                for peer in [ALICE, BOB, EVE] {
                    // One key a pair of names; the impostors guess.
                    let mut key = [u8::try_from(NAMES[n].len() ^ peer.len()).unwrap(); 32];
                    key[0] = u8::from(n >= OWNERS);
                    if peer != NAMES[n] {
                        table.insert(name(NAMES[n]), name(peer), SecretBytes::copy_from(&key)).unwrap();
                    }
                }
                config.psks = Arc::new(table);
                config
            }
        };
        config.policy.exchanges = vec![mode.exchange()];
        config.unix_time_at_zero = Some(NOW);
        if n >= OWNERS {
            config.trust.add_anchor(self.cas[1].der()).unwrap();
        }
        config
    }
}

/// The adversary: what it has seen, and how wild it is.
struct Network {
    rng: Rng,
    seen: Vec<Datagram>,
    wild: f64,
}

impl Adversary for Network {
    fn on_datagram(&mut self, _: Time, datagram: Datagram) -> Vec<Datagram> {
        if self.seen.len() < 500 {
            self.seen.push(datagram.clone());
        }
        let mut out = vec![datagram];
        while self.rng.f64() < self.wild && out.len() < 6 {
            self.meddle(&mut out);
        }
        out
    }
}

impl Network {
    fn anywhere(&mut self) -> std::net::SocketAddr {
        place(self.rng.usize(..NAMES.len()))
    }

    fn meddle(&mut self, out: &mut Vec<Datagram>) {
        let old = self.rng.choice(&self.seen).cloned().unwrap();
        let Some(datagram) = out.pop() else { return out.push(old) };
        let Datagram { from, to, bytes } = datagram.clone();
        match self.rng.u8(..12) {
            0 => (),
            1 | 2 => out.push(Datagram { to: self.anywhere(), ..datagram }),
            3 => out.push(Datagram { from: self.anywhere(), ..datagram }),
            4 => out.extend([old, datagram]),
            5 => out.extend([Datagram { to: self.anywhere(), from: self.anywhere(), ..old }, datagram]),
            6 => out.extend([Datagram { from: to, to: from, bytes }, datagram]),
            7 | 8 => out.push(Datagram { from, to, bytes: self.splice(&bytes, &old.bytes) }),
            9 => out.extend([Datagram { from, to, bytes: self.splice(&bytes, &old.bytes) }, datagram]),
            10 => {
                let at = self.rng.usize(..bytes.len());
                let mut flipped = datagram;
                flipped.bytes[at] ^= 1 << self.rng.u8(..8);
                out.push(flipped);
            }
            _ => {
                if InitReq::decode(&bytes).is_ok() {
                    let number = *self.rng.choice(&[0, 6, 10, 14, 64, 65]).unwrap();
                    let cookie = (number == 64).then_some(&[9; 17][..]);
                    out.push(Datagram { from: to, to: from, bytes: error(&bytes, number, cookie, &[]) });
                }
                out.push(datagram);
            }
        }
    }

    /// A message with fields of another one: payloads of the same type, or HDR.
    fn splice(&mut self, into: &[u8], from: &[u8]) -> Vec<u8> {
        let (Ok(mut message), Ok(other)) = (Message::decode(into), Message::decode(from)) else {
            return into.to_vec();
        };
        if self.rng.u8(..6) == 0 {
            match self.rng.u8(..3) {
                0 => message.header.csb_id = other.header.csb_id,
                1 => message.header.data_type = other.header.data_type,
                _ => message.header.cs_map = other.header.cs_map.clone(),
            }
        }
        for item in &mut message.items {
            let mut fitting = other.items.iter().filter(|o| o.payload.ty() == item.payload.ty());
            if let Some(theirs) = fitting.next_back().filter(|_| self.rng.u8(..3) == 0) {
                item.payload = theirs.payload.clone();
            }
        }
        let payloads: Vec<_> = message.items.iter().map(|item| item.payload.clone()).collect();
        encode(&message.header, &payloads).unwrap_or_else(|_| into.to_vec())
    }
}

/// What an end reported of a session.
struct Held {
    node: usize,
    role: Role,
    peer: Name,
    negotiated: Negotiated,
    keys: Vec<Key>,
}

struct Key {
    octets: Vec<u8>,
    cs_id: u8,
    sender: Side,
    generation: Option<u32>,
}

#[derive(Default)]
struct Reported {
    sessions: BTreeMap<(usize, SessionId), Held>,
    /// Keys of early media, of sessions that may come to nothing.
    early: Vec<(usize, Key)>,
    tickets: Vec<(usize, Ticket)>,
}

impl Reported {
    fn take(&mut self, world: &mut World<Endpoint>) {
        for node in 0..NAMES.len() {
            for event in world.events(node) {
                self.hear(node, event);
            }
        }
    }

    fn hear(&mut self, node: usize, event: Event) {
        let keys = |keys: SrtpKeys, early: bool| {
            keys.streams.into_iter().map(move |stream| Key {
                octets: stream.master_key.expose().to_vec(),
                cs_id: stream.cs_id,
                sender: stream.sender,
                generation: (!early).then_some(keys.generation),
            })
        };
        match event {
            Event::Established { session, role, peer, negotiated, .. } => {
                let held = Held { node, role, peer: peer.name, negotiated, keys: Vec::new() };
                assert!(self.sessions.insert((node, session), held).is_none(), "established twice");
            }
            Event::SrtpKeysReady { session, keys: ready } => {
                let held = self.sessions.get_mut(&(node, session)).expect("keys of no session");
                held.keys.extend(keys(ready, false));
            }
            Event::EarlyKeysReady { keys: ready, .. } => {
                self.early.extend(keys(ready, true).map(|key| (node, key)));
            }
            Event::TicketReady { ticket, .. } => self.tickets.push((node, ticket)),
            _ => (),
        }
    }

    fn check(&self, world: &World<Endpoint>) {
        let mut holders: HashMap<&[u8], Vec<(&Held, &Key)>> = HashMap::new();
        for held in self.sessions.values() {
            for key in &held.keys {
                holders.entry(&key.octets).or_default().push((held, key));
            }
        }
        for held in holders.values() {
            match held[..] {
                [_] => (),
                [(a, ka), (b, kb)] => {
                    assert_ne!(a.node, b.node, "one end holds a key twice");
                    assert_eq!((ka.cs_id, ka.generation), (kb.cs_id, kb.generation), "one key, two streams");
                    assert_ne!(ka.sender, kb.sender, "one key, two senders");
                    assert_ne!(a.role, b.role, "one key, one role");
                    assert_eq!(a.negotiated, b.negotiated, "one key, two choices");
                    for (held, other) in [(a, b), (b, a)] {
                        assert_eq!(held.peer, name(NAMES[other.node]), "one key, other names");
                        assert!(held.node >= HONEST || other.node < OWNERS, "an impostor got through");
                    }
                }
                _ => panic!("{} hold one key", held.len()),
            }
        }
        for held in self.sessions.values().filter(|h| h.node < HONEST && h.role == Role::Initiator) {
            for key in held.keys.iter().filter(|key| key.generation == Some(0)) {
                assert_eq!(holders[&key.octets[..]].len(), 2, "{} completed with nobody", NAMES[held.node]);
            }
        }
        let mut early: HashMap<&[u8], Vec<(usize, &Key)>> = HashMap::new();
        for (node, key) in &self.early {
            assert!(!holders.contains_key(&key.octets[..]), "an early key is a final one");
            early.entry(&key.octets).or_default().push((*node, key));
        }
        for held in early.values() {
            let nodes: BTreeSet<_> = held.iter().map(|(node, _)| node).collect();
            assert!(held.len() <= 2 && nodes.len() == held.len(), "early media was taken twice");
        }
        self.no_more_than_called(world);
    }

    /// Injective: a responder counts no more sessions with a name than its owner has gone through with.
    fn no_more_than_called(&self, world: &World<Endpoint>) {
        for responder in 0..HONEST {
            for (owner, text) in NAMES.iter().enumerate().take(OWNERS) {
                let of = |h: &&Held| h.node == responder && h.role == Role::Responder && h.peer == name(text);
                let sessions = self.sessions.values().filter(of).count();
                let calls: BTreeSet<_> = world
                    .sent
                    .iter()
                    .filter(|d| d.from == place(owner))
                    .filter(|d| {
                        [DataType::CCE_REQ, DataType::CCE2_REQ, DataType::RESUME_REQ]
                            .contains(&kind(&d.bytes))
                    })
                    .map(|d| mikey_wire::v2::peek(&d.bytes).unwrap().session)
                    .map(|session| (session.spi_i, session.spi_r))
                    .collect();
                assert!(
                    sessions <= calls.len(),
                    "{sessions} sessions with {} of {}",
                    NAMES[owner],
                    calls.len()
                );
            }
        }
    }
}

/// How many sessions a schedule led to, and how many of them between honest ends.
fn schedule(cast: &Cast, seed: u64) -> (u64, u64) {
    let mut rng = Rng::with_seed(seed);
    let mode = Mode::EVERY[rng.usize(..4)];
    let wild = *rng.choice(&[0.05, 0.2, 0.4, 0.6]).unwrap();
    let adversary = Network { rng: rng.fork(), seen: Vec::new(), wild };
    let mut link = Link::perfect(seed);
    link.jitter = Duration::from_millis(*rng.choice(&[0, 50, 400]).unwrap());
    let cookies = rng.u8(..4) == 0;
    let nodes: Vec<_> = (0..NAMES.len())
        .map(|n| {
            let mut config = cast.config(n, mode, seed);
            if cookies {
                config.cookie_threshold = 0;
            }
            Endpoint::new(config).unwrap()
        })
        .collect();
    let mut world = World::new(link, nodes).with_adversary(adversary);
    let mut reported = Reported::default();
    for _ in 0..rng.usize(3..10) {
        act(&mut world, &mut reported, &mut rng);
        let until = world.now() + Duration::from_millis(rng.u64(..1200));
        world.run_until(until);
        reported.take(&mut world);
    }
    let until = world.now() + Duration::from_secs(20);
    world.run_until(until);
    reported.take(&mut world);
    reported.check(&world);
    let honest = |h: &&Held| h.node < HONEST && [name(ALICE), name(BOB)].contains(&h.peer);
    (reported.sessions.len() as u64, reported.sessions.values().filter(honest).count() as u64)
}

fn act(world: &mut World<Endpoint>, reported: &mut Reported, rng: &mut Rng) {
    let node = rng.usize(..NAMES.len());
    let to = rng.usize(..OWNERS);
    let call = Call::both_ways(name(NAMES[to]), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    // A call goes to where its callee is; the network may take it elsewhere.
    let there = place(to);
    let ids: Vec<_> = reported.sessions.keys().filter(|(n, _)| *n == node).collect();
    let session = rng.choice(&ids).map(|(_, session)| *session);
    world.act(node, |now, endpoint| match (rng.u8(..6), session) {
        (0, Some(session)) => drop(endpoint.rekey(now, session, rng.bool())),
        (1, Some(session)) => drop(endpoint.close(now, session)),
        _ => {
            let own = |(n, ticket): &(usize, Ticket)| *n == node && *ticket.peer() == name(NAMES[to]);
            match reported.tickets.iter().position(own).filter(|_| rng.bool()) {
                Some(at) => drop(endpoint.resume(now, there, reported.tickets.remove(at).1, &call)),
                None => drop(endpoint.connect(now, there, &call)),
            }
        }
    });
}

#[test]
fn random_schedules_of_an_adversary_who_owns_the_network() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |v| v.parse().expect(name));
    let (first, count) = (number("MIKEY_SEED", 0), number("MIKEY_SCHEDULES", 1000));
    let cast = Cast::new();
    let next = AtomicU64::new(first);
    let (sessions, honest) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let run =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| schedule(&cast, seed)));
                    let Ok((all, good)) = run else {
                        panic!("schedule {seed} failed: MIKEY_SEED={seed} MIKEY_SCHEDULES=1 repeats it");
                    };
                    sessions.fetch_add(all, Ordering::Relaxed);
                    honest.fetch_add(good, Ordering::Relaxed);
                }
            });
        }
    });
    let (sessions, honest) = (sessions.into_inner(), honest.into_inner());
    println!("{count} schedules, {sessions} sessions, {honest} of them between honest ends");
    assert!(count < 1000 || honest > count, "the adversary was so wild that nothing was tested");
}
