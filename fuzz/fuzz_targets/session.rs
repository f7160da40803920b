//! Two endpoints behind the null provider, where whatever is sent gets past seals and signatures: the input says what is
//! delivered, lost, changed, repeated or invented, when time passes and what the applications want.
//!
//! No panic, no endless output, no wake-up in the past; what an endpoint sends is a message; keys have the lengths of
//! their policy; and what is kept stays within its limits.

#![no_main]

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_fuzz::Script;
use mikey_proto::{
    Call, CertifiedKey, Confidentiality, DecryptionKey, Endpoint, EndpointConfig, Event, Exchange, Identity,
    Name, Output, PskTable, SessionId, SrtpKeys, Ticket, Time, Trust,
};
use mikey_sim::{Datagram, address, null_provider};
use mikey_wire::v2::Sealed;
use mikey_wire::{Message, PayloadType};

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let (Some(how), Some(exchange)) = (script.octet(), script.octet()) else { return };
    let mut pair = Pair::new(how, exchange);
    pair.call(0);
    for _ in 0..400 {
        let Some(order) = script.octet() else { break };
        pair.obey(order, &mut script);
    }
    // Whatever happened, both come to rest: nothing goes on for ever.
    pair.deliver_all();
    for _ in 0..20 {
        pair.pass(Duration::from_secs(5));
        pair.deliver_all();
    }
    for end in &pair.ends {
        let metrics = end.endpoint.metrics();
        assert_eq!((metrics.attempts, metrics.half_open), (0, 0), "something waits for ever");
    }
});

const NAMES: [&str; 2] = ["sip:alice@example.com", "sip:bob@example.com"];
const NOW: Duration = Duration::from_secs(1_780_272_000);
/// Inputs are short; what they make has to be too.
const MAX_OUTPUTS: usize = 5_000;
const MAX_UNDER_WAY: usize = 64;

struct Pair {
    ends: [End; 2],
    now: Time,
    under_way: VecDeque<Datagram>,
    sent: Vec<Datagram>,
}

struct End {
    endpoint: Endpoint,
    sessions: Vec<SessionId>,
    tickets: Vec<Ticket>,
    wake: Option<Time>,
    how: u8,
}

impl Pair {
    fn new(how: u8, exchange: u8) -> Self {
        let ends = [0, 1].map(|n| {
            let endpoint = Endpoint::new(config(n, how, exchange)).expect("a configuration");
            End { endpoint, sessions: Vec::new(), tickets: Vec::new(), wake: None, how }
        });
        Self { ends, now: Time::ZERO, under_way: VecDeque::new(), sent: Vec::new() }
    }

    fn obey(&mut self, order: u8, script: &mut Script<'_>) {
        let (n, argument) = (usize::from(order >> 4 & 1), order >> 5);
        match order & 15 {
            0 | 1 => self.deliver_next(),
            2 => self.deliver_all(),
            3 => drop(self.under_way.pop_front()),
            4 => self.pass(Duration::from_millis(50 << argument)),
            5 => self.call(n),
            6 => self.apply(n, argument),
            // An earlier datagram again, perhaps from elsewhere, perhaps back to where it came from.
            7 | 8 => {
                if let Some(mut datagram) = self.pick(script) {
                    if argument & 1 != 0 {
                        datagram.from.set_port(7);
                    }
                    if argument & 2 != 0 {
                        core::mem::swap(&mut datagram.from, &mut datagram.to);
                    }
                    self.deliver(datagram);
                }
            }
            9 | 10 => {
                if let Some(mut datagram) = self.pick(script) {
                    for _ in 0..=argument {
                        script.edit(&mut datagram.bytes);
                    }
                    self.deliver(datagram);
                }
            }
            // The same inside of the seal, whose lengths stay right.
            11..=13 => {
                if let Some(mut datagram) = self.pick(script) {
                    if let Some(bytes) = inside(&datagram.bytes, argument, script) {
                        datagram.bytes = bytes;
                    }
                    self.deliver(datagram);
                }
            }
            _ => {
                let (len, from) = (script.number() % 4096, peer_of(n));
                let datagram = Datagram { from, to: address(n as u8), bytes: script.octets(len).to_vec() };
                self.deliver(datagram);
            }
        }
    }

    fn call(&mut self, n: usize) {
        let end = &mut self.ends[n];
        let peer = Name::parse(NAMES[1 - n]).expect("a name");
        let mut call = Call::both_ways(peer, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        call.mki = end.how & 8 == 0;
        if end.how & 0x60 == 0x60 {
            call.hidden_as = Name::parse("@example.com").ok();
        }
        let to = address((1 - n) as u8);
        let _ = match end.tickets.pop() {
            Some(ticket) => end.endpoint.resume(self.now, to, ticket, &call),
            None => end.endpoint.connect(self.now, to, &call),
        };
        self.drain(n);
    }

    fn apply(&mut self, n: usize, what: u8) {
        let end = &mut self.ends[n];
        let Some(session) = end.sessions.last().copied() else { return };
        let _ = match what {
            0 => end.endpoint.rekey(self.now, session, false).is_ok(),
            1 => end.endpoint.rekey(self.now, session, true).is_ok(),
            2 => end.endpoint.probe(self.now, session).is_ok(),
            3 => end.endpoint.confirm_sas(self.now, session, true).is_ok(),
            4 => end.endpoint.confirm_sas(self.now, session, false).is_ok(),
            5 => end.endpoint.close(self.now, session).is_ok(),
            6 => end.endpoint.export(session, b"label", b"", 40).is_ok_and(|octets| octets.len() == 40),
            _ => end.endpoint.continuity(session).is_ok(),
        };
        self.drain(n);
    }

    fn pick(&self, script: &mut Script<'_>) -> Option<Datagram> {
        let back = usize::from(script.octet()?) % self.sent.len().max(1);
        self.sent.iter().rev().nth(back).cloned()
    }

    fn deliver_next(&mut self) {
        if let Some(datagram) = self.under_way.pop_front() {
            self.deliver(datagram);
        }
    }

    fn deliver_all(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            if self.under_way.is_empty() {
                break;
            }
            self.deliver_next();
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        let Some(n) = [0, 1].into_iter().find(|n| address(*n as u8) == datagram.to) else { return };
        self.ends[n].endpoint.handle_datagram(self.now, datagram.from, &datagram.bytes);
        self.drain(n);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for n in 0..2 {
            if self.ends[n].wake.is_some_and(|wake| wake <= self.now) {
                self.ends[n].endpoint.handle_timeout(self.now);
                self.drain(n);
                assert!(self.ends[n].wake.is_none_or(|wake| wake > self.now), "a wake-up in the past");
            }
        }
    }

    fn drain(&mut self, n: usize) {
        for _ in 0..MAX_OUTPUTS {
            match self.ends[n].endpoint.poll_output() {
                Output::Transmit { to, bytes } => {
                    assert!(bytes.len() <= 65_507, "too long for UDP");
                    Message::decode(&bytes).expect("an endpoint sends messages");
                    let datagram = Datagram { from: address(n as u8), to, bytes };
                    if self.under_way.len() < MAX_UNDER_WAY {
                        self.under_way.push_back(datagram.clone());
                    }
                    if self.sent.len() < 256 {
                        self.sent.push(datagram);
                    }
                }
                Output::Event(event) => self.ends[n].hear(event),
                Output::Timeout(wake) => return self.ends[n].wake = wake,
                _ => (),
            }
        }
        panic!("output without end");
    }
}

impl End {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Established { session, .. } => {
                assert!(!self.sessions.contains(&session), "established twice");
                self.sessions.push(session);
            }
            Event::SrtpKeysReady { keys, .. } | Event::EarlyKeysReady { keys, .. } => check(&keys),
            Event::TicketReady { ticket, .. } => self.tickets.push(ticket),
            Event::Closed { session, .. } => self.sessions.retain(|s| *s != session),
            _ => (),
        }
    }
}

fn check(keys: &SrtpKeys) {
    for stream in &keys.streams {
        assert_eq!(stream.master_key.len(), usize::from(stream.policy.key_len));
        assert_eq!(stream.master_salt.len(), usize::from(stream.policy.salt_len));
        assert!((1..=254).contains(&stream.cs_id));
    }
}

fn peer_of(n: usize) -> SocketAddr {
    address((1 - n) as u8)
}

/// A protected message whose plaintext is edited, sealed by zeros.
fn inside(raw: &[u8], edits: u8, script: &mut Script<'_>) -> Option<Vec<u8>> {
    let sealed = Sealed::decode(raw).ok()?;
    let mut plaintext = sealed.kemac.encr_data.to_vec();
    for _ in 0..=edits {
        script.edit(&mut plaintext);
    }
    let mut out = sealed.before_kemac.to_vec();
    // CCE2 with RSA goes on behind KEMAC.
    let next = sealed.after.first().map_or(PayloadType::LAST, |item| item.payload.ty());
    mikey_wire::encode_kemac_head(&mut out, next, sealed.kemac.encr_alg, plaintext.len()).ok()?;
    out.extend_from_slice(&plaintext);
    out.push(sealed.kemac.mac_alg.0);
    out.extend_from_slice(sealed.kemac.mac);
    out.extend_from_slice(raw.get(sealed.maced().len() + sealed.kemac.mac.len()..)?);
    Some(out)
}

/// Bits 0 and 1: how the two authenticate themselves. 2: in clear. 3: no MKI. 4: cookies. 5, 6: the path, or a hidden name.
/// 7: the suite and group that come second. `exchange` modulo 4: CCE; CCE2 with PSK; CCE2 with RSA; all of them.
fn config(n: usize, how: u8, exchange: u8) -> EndpointConfig {
    let provider = null_provider(n as u64);
    let name = Name::parse(NAMES[n]).expect("a name");
    let identity = match (exchange & 3, how & 3) {
        (2 | 3, _) => with_rsa(n, &provider, name.clone()),
        (_, 1 | 2) => certified(n, &provider, name.clone()),
        _ => Identity::new(name),
    };
    let mut config = EndpointConfig::new(provider, identity);
    config.unix_time_at_zero = Some(NOW);
    let policy = &mut config.policy;
    policy.groups = vec![mikey_crypto::GroupId::X25519, mikey_crypto::GroupId::P256];
    policy.suites = vec![mikey_crypto::SuiteId::AES_128_GCM, mikey_crypto::SuiteId::AES_CM_128_HMAC_SHA_256];
    let known = |m: &mikey_crypto::MethodId| !m.is_signature() || matches!(m.0, 1 | 4);
    policy.local_methods.retain(known);
    policy.remote_methods.retain(known);
    policy.exchanges = match exchange & 3 {
        1 => vec![Exchange::Cce2Psk, Exchange::Cce],
        2 => vec![Exchange::Cce2Rsa, Exchange::Cce],
        3 => vec![Exchange::Cce2Rsa, Exchange::Cce2Psk, Exchange::Cce],
        _ => vec![Exchange::Cce],
    };
    match how & 3 {
        0 | 2 => config.psks = Arc::clone(&PSKS) as _,
        3 => {
            policy.local_methods = vec![mikey_crypto::MethodId::SAS];
            policy.remote_methods = vec![mikey_crypto::MethodId::SAS];
        }
        _ => (),
    }
    if matches!(how & 3, 1 | 2) || exchange & 2 != 0 {
        config.trust = trust();
    }
    if how & 4 != 0 {
        config.policy.confidentiality = vec![Confidentiality::Clear];
    }
    if how & 0x10 != 0 {
        config.cookie_threshold = 0;
    }
    config.path = [1200, 256, 300, 1200][usize::from(how >> 5 & 3)];
    if how & 0x80 != 0 && n == 1 {
        config.policy.groups.reverse();
        config.policy.suites.reverse();
    }
    config.max_half_open = 64;
    config.max_half_open_per_address = 32;
    config.max_sessions = 64;
    config
}

static PSKS: LazyLock<Arc<PskTable>> = LazyLock::new(|| {
    let mut table = PskTable::new();
    let [alice, bob] = NAMES.map(|name| Name::parse(name).expect("a name"));
    table.insert(alice, bob, SecretBytes::copy_from(&[7; 32])).expect("a key");
    Arc::new(table)
});

/// The certificates of the known answers: the same in every run, so that a finding can be repeated.
const VECTOR: &str = include_str!("../../vectors/generated/init_cce_signature_gcm.json");
/// The same with RSA: the initiator's is for signatures, the responder's for decryption.
const RSA: &str = include_str!("../../vectors/generated/cce2_rsa_gcm.json");

/// The octets of the `n`th field of that name in a vector.
fn field(vector: &str, name: &str, n: usize) -> Vec<u8> {
    let (_, text) = vector
        .match_indices(&format!("\"{name}\": \""))
        .nth(n)
        .map(|(at, s)| (at, &vector[at + s.len()..]))
        .expect("a field");
    let hex = text.split('"').next().unwrap_or_default().as_bytes();
    hex.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn certified(n: usize, provider: &mikey_crypto::CryptoProvider, name: Name) -> Identity {
    let der = field(VECTOR, "certificate", n);
    // Ed25519's SubjectPublicKeyInfo has 44 octets and begins like this.
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let at = der.windows(head.len()).position(|w| w == head).expect("a key");
    let key = CertifiedKey::load(provider, vec![der.clone()], &der[at..at + 44]).expect("a certified key");
    Identity::with_certificate(name, key).expect("the certificate's name")
}

/// One who can sign, or decrypt, with an RSA key.
fn with_rsa(n: usize, provider: &mikey_crypto::CryptoProvider, name: Name) -> Identity {
    let (der, spki) = (field(RSA, "certificate", n), field(RSA, "public_key", n));
    if n == 0 {
        let key = CertifiedKey::load(provider, vec![der], &spki).expect("a certified key");
        return Identity::with_certificate(name, key).expect("the certificate's name");
    }
    let key = DecryptionKey::load(provider, vec![der], &spki).expect("a key that decrypts");
    Identity::new(name).with_decryption(key).expect("the certificate's name")
}

fn trust() -> Trust {
    let mut trust = Trust::none();
    trust.add_anchor(&field(VECTOR, "anchor", 0)).expect("an anchor");
    trust
}
