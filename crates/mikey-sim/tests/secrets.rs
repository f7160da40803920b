//! No secret can be printed, copied or compared by accident, and none is found in what is printed or sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/recorder.rs"]
mod recorder;

use core::fmt::{Debug, Write};
use core::time::Duration;
use std::collections::BTreeSet;

use common::hostile::with_sas;
use common::*;
use mikey::srtp::MasterKey;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{KxAnswer, KxSecret, PrfId, PrfKey, Secret, SecretBytes, Signer};
use mikey_proto::v1::{self, Offer, Policy};
use mikey_proto::{
    Call, CertifiedKey, Endpoint, EndpointConfig, Event, Exchange, PskTable, Side, SrtpKeys, Stream,
    StreamKeys, Ticket, Time,
};
use mikey_sim::{KeyKind, Link, address};
use recorder::{Recorder, recorded};
use static_assertions::assert_not_impl_any;

assert_not_impl_any!(Secret<32>: Debug, core::fmt::Display, Clone, PartialEq, core::hash::Hash);
assert_not_impl_any!(SecretBytes: Debug, core::fmt::Display, Clone, PartialEq, core::hash::Hash);
assert_not_impl_any!(PrfKey: Debug, Clone, PartialEq);
assert_not_impl_any!(KxSecret: Debug, Clone, PartialEq);
assert_not_impl_any!(KxAnswer: Debug, Clone, PartialEq);
assert_not_impl_any!(dyn Signer: Debug, Clone, PartialEq);
assert_not_impl_any!(CertifiedKey: Debug, Clone, PartialEq);
assert_not_impl_any!(PskTable: Debug, Clone, PartialEq);
assert_not_impl_any!(StreamKeys: Debug, Clone, PartialEq);
assert_not_impl_any!(SrtpKeys: Debug, Clone, PartialEq);
assert_not_impl_any!(Ticket: Debug, Clone, PartialEq);
assert_not_impl_any!(MasterKey: Debug, Clone, PartialEq);
assert_not_impl_any!(Event: Debug, Clone, PartialEq);
assert_not_impl_any!(Endpoint: Debug, Clone, PartialEq);
assert_not_impl_any!(EndpointConfig: Debug, Clone, PartialEq);

/// What an end said and what it must not have said.
#[derive(Default)]
struct Transcript {
    printed: String,
    secrets: Vec<Vec<u8>>,
    ticket: Option<Ticket>,
}

impl Transcript {
    fn print(&mut self, what: &dyn Debug) {
        write!(self.printed, "{what:?}\n{what:#?}\n").unwrap();
    }

    /// Prints every part of an event that can be printed.
    fn hear(&mut self, event: Event) {
        match event {
            Event::Established { session, call, role, remote, peer, negotiated, .. } => {
                self.print(&(session, call, role, remote, peer, negotiated));
            }
            Event::SrtpKeysReady { session, keys } | Event::EarlyKeysReady { session, keys, .. } => {
                self.print(&(session, keys.generation));
                for stream in &keys.streams {
                    let StreamKeys { cs_id, sender, ssrc, index, policy, mki, .. } = stream;
                    self.print(&(cs_id, sender, ssrc, index, policy, mki));
                    self.secrets.push(stream.master_key.expose().to_vec());
                    self.secrets.push(stream.master_salt.expose().to_vec());
                }
            }
            Event::TicketReady { session, ticket } => {
                self.print(&(session, ticket.peer(), ticket.expires()));
                self.ticket = Some(ticket);
            }
            Event::SasReady { session, sas } => self.print(&(session, sas)),
            Event::SasComparedByPeer { session, verified } => self.print(&(session, verified)),
            Event::StreamsRemoved { session, cs_ids } => self.print(&(session, cs_ids)),
            Event::PeerMoved { session, remote } => self.print(&(session, remote)),
            Event::BranchFailed { call, remote, why } => self.print(&(call, remote, why.to_string(), why)),
            Event::CallFailed { call, why } => self.print(&(call, why.to_string(), why)),
            Event::CallerRefused { remote, why } => self.print(&(remote, why.to_string(), why)),
            Event::Closed { session, why } => self.print(&(session, why)),
            _ => (),
        }
    }
}

/// How octets look when they are printed: hexadecimal, in a list of numbers, one on a line, escaped; as base64, wherever
/// in a longer text they stand.
fn looks(octets: &[u8]) -> [String; 8] {
    let hex: String = octets.iter().map(|o| format!("{o:02x}")).collect();
    let list = octets.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let lines = octets.iter().map(|o| format!("{o},\n")).collect::<String>();
    let [first, second, third] = [0, 1, 2].map(|from| base64(&octets[from..]));
    [hex.to_uppercase(), hex, list, lines, octets.escape_ascii().to_string(), first, second, third]
}

/// Base64 of all groups of three octets that are whole.
fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = octets.chunks_exact(3).map(|group| u32::from_be_bytes([0, group[0], group[1], group[2]]));
    groups.flat_map(|bits| [18, 12, 6, 0].map(|at| char::from(DIGITS[(bits >> at) as usize % 64]))).collect()
}

fn drain(pair: &mut Pair, transcript: &mut Transcript) {
    for n in 0..2 {
        let events = std::mem::take(&mut pair.events[n]);
        events.into_iter().for_each(|event| transcript.hear(event));
    }
}

/// A call with all that it may lead to: renewals, exports, a resumed call, and one that fails.
fn whole_life(mut pair: Pair) -> (Pair, Transcript) {
    let mut transcript = Transcript { secrets: vec![vec![7; 32]], ..Transcript::default() };
    pair.start(BOB).run(Time::from_secs(5));
    let sessions: Vec<_> = [0, 1]
        .into_iter()
        .map(|n| {
            let established =
                |e: &Event| if let Event::Established { session, .. } = e { Some(*session) } else { None };
            pair.events[n].iter().find_map(established).expect("established")
        })
        .collect();
    drain(&mut pair, &mut transcript);
    for (n, session) in sessions.iter().enumerate() {
        let export = |_: Time, e: &mut Endpoint| e.export(*session, b"label", b"context", 64).unwrap();
        transcript.secrets.push(pair.world.act(n, export).expose().to_vec());
        let _ = pair.world.act(n, |now, e: &mut Endpoint| e.confirm_sas(now, *session, true));
        let until = pair.world.now() + Duration::from_secs(20);
        pair.run(until);
        pair.world.act(n, |now, e: &mut Endpoint| e.rekey(now, *session, true)).unwrap();
        let until = pair.world.now() + Duration::from_secs(20);
        pair.run(until);
        if let Ok((pseudonym, key)) = pair.world.node(n).continuity(*session) {
            transcript.print(&pseudonym);
            transcript.secrets.push(key.expose().to_vec());
        }
        drain(&mut pair, &mut transcript);
    }
    if let Some(ticket) = transcript.ticket.take() {
        let call = Call::both_ways(name(BOB), SrtpPolicy::AEAD_AES_128_GCM);
        pair.world.act(0, |now, e: &mut Endpoint| e.resume(now, address(1), ticket, &call)).unwrap();
    }
    let nobody = Call::both_ways(name("sip:nobody@example.com"), SrtpPolicy::AEAD_AES_128_GCM);
    let outcome = pair.world.act(0, |now, e: &mut Endpoint| e.connect(now, address(1), &nobody));
    transcript.print(&outcome);
    let until = pair.world.now() + Duration::from_secs(30);
    pair.run(until);
    drain(&mut pair, &mut transcript);
    for n in 0..2 {
        let metrics = pair.metrics(n);
        transcript.print(&metrics);
        transcript.print(&pair.world.node(n).config().policy);
    }
    (pair, transcript)
}

/// The pair with a provider that remembers every key of its hash: PRK, SK_d, TGKs, what AUTH is made with.
fn remembering(mut ends: [EndpointConfig; 2], long_request: bool) -> (Pair, [&'static Recorder; 2]) {
    let recorders = ends.each_mut().map(|end| {
        let (provider, recorder) = recorded(end.provider.clone(), PrfId::HMAC_SHA_256);
        (end.provider, end.policy.prfs) = (provider, vec![PrfId::HMAC_SHA_256]);
        recorder
    });
    let [alice, bob] = ends;
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.long_request = long_request;
    (pair, recorders)
}

// R8.4
#[test]
fn no_key_is_printed_and_none_is_sent() {
    let parties = Parties::new(KeyKind::Ed25519);
    let of_mode =
        |mode: &Mode| remembering([parties.alice(*mode, 2), parties.bob(*mode, 3)], *mode == Mode::Cce2Rsa);
    let mut pairs: Vec<_> = Mode::EVERY.iter().map(of_mode).collect();
    pairs.push(remembering([with_sas(ALICE, 1), with_sas(BOB, 2)], false));
    for (pair, recorders) in pairs {
        let (pair, mut transcript) = whole_life(pair);
        let known = transcript.secrets.len();
        for (key, _) in recorders.iter().flat_map(|recorder| recorder.take().macs) {
            // PRK's own key is the nonces, which everybody sees.
            let is_public = pair.world.sent.iter().any(|d| d.bytes.windows(32).any(|w| key.starts_with(w)));
            if !is_public {
                transcript.secrets.push(key);
            }
        }
        assert!(transcript.secrets.len() > known + 40, "no key of the schedule was seen");
        transcript.secrets.sort();
        transcript.secrets.dedup();
        assert!(transcript.secrets.len() > 16 && transcript.printed.len() > 2000, "nothing was tested");
        for secret in &transcript.secrets {
            for look in looks(secret) {
                assert!(!transcript.printed.contains(&look), "a secret was printed: {look}");
            }
            // A quarter of a key would be as bad.
            for part in secret.chunks_exact(8) {
                let on_the_wire = |bytes: &[u8]| bytes.windows(part.len()).any(|window| window == part);
                assert!(!pair.world.sent.iter().any(|d| on_the_wire(&d.bytes)), "a key went over the wire");
            }
        }
    }
}

/// What HMAC is given under this PSK in a call, by version 2 or by version 1.
fn uses_of_psk(exchange: Option<Exchange>, prf: PrfId) -> BTreeSet<Vec<u8>> {
    let psk = [7; 32];
    let ends = [with_psk(ALICE, BOB, psk, 1), with_psk(BOB, ALICE, psk, 2)].map(|mut end| {
        let recorder;
        (end.provider, recorder) = recorded(end.provider, prf);
        end.policy.prfs = vec![prf];
        end.policy.exchanges = vec![exchange.unwrap_or(Exchange::Cce)];
        end.v1 = Some(Policy::modern());
        end.unix_time_at_zero = Some(NOW);
        (end, recorder)
    });
    let [(alice, a), (bob, b)] = ends;
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    if exchange.is_some() {
        pair.start(BOB).run(Time::from_secs(5)).established();
    } else {
        let stream = Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        let streams = vec![Stream { ssrc: Some(7), ..stream }];
        let offer = Offer::new(v1::Mode::Psk, name(BOB), streams);
        pair.world.act(0, |now, alice: &mut Endpoint| alice.connect_v1(now, address(1), &offer)).unwrap();
        pair.run(Time::from_secs(5));
        assert_eq!(pair.metrics(1).sessions, 1);
    }
    let [of_alice, of_bob] = [a, b].map(|recorder| {
        let macs = recorder.take().macs;
        let inside = |data: &[u8]| data.windows(psk.len()).any(|window| window == psk);
        assert!(!macs.iter().any(|(_, data)| inside(data)), "the PSK was hashed as it is");
        macs.into_iter().filter(|(key, _)| *key == psk).map(|(_, data)| data).collect::<BTreeSet<_>>()
    });
    assert_eq!(of_alice, of_bob);
    of_alice
}

/// Version 1 and version 2, and each exchange of it, may have one secret: what version 2 makes of it is made of nothing else,
/// and under a label that version 1 does not have.
// R9.20
#[test]
fn one_secret_is_another_key_for_each_use() {
    let label = BTreeSet::from([b"mv2q".to_vec()]);
    for exchange in [Exchange::Cce, Exchange::Cce2Psk] {
        for prf in [PrfId::HMAC_SHA_256, PrfId::HMAC_SHA_384] {
            assert_eq!(uses_of_psk(Some(exchange), prf), label, "{exchange:?}, {prf:?}");
        }
    }
    let version1 = uses_of_psk(None, PrfId::HMAC_SHA_256);
    assert!(version1.len() >= 3, "encryption, authentication and salt: {version1:?}");
    assert!(version1.is_disjoint(&label));
}

/// The look for secrets finds one that is there.
#[test]
fn a_key_that_is_printed_is_found() {
    let key = [0x3A, 0x00, 0xFF, 0x10, 0x41, 0x42, 0x43, 0x07];
    let mut transcript = Transcript::default();
    transcript.print(&key);
    let found = |printed: &str| looks(&key).iter().any(|look| printed.contains(look));
    assert!(found(&transcript.printed));
    assert!(found("key=3a00ff1041424307") && !found("nothing here"));
    // Base64 of the key, of `x` and the key, of `xy` and the key.
    assert!(found("OgD/EEFCQwc=") && found("eDoA/xBBQkMH") && found("eHk6AP8QQUJDBw=="));
}
