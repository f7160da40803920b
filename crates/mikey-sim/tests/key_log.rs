//! The keys of messages, for whoever asks for them: both ends tell the same ones, they open every sealed message of a session,
//! and nobody who does not ask is told any.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::craft::kind;
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, Event, MessageKeys, Policy, Role, Time};
use mikey_sim::{KeyKind, Link, address, provider};
use mikey_wire::{DataType, Message, Payload, PayloadType};

/// Takes out what an end told of keys.
fn told(events: &mut Vec<Event>) -> Vec<MessageKeys> {
    let mut told = Vec::new();
    for event in std::mem::take(events) {
        match event {
            Event::MessageKeysReady { keys } => told.push(keys),
            event => events.push(event),
        }
    }
    told
}

fn octets(keys: &MessageKeys) -> (u64, u64, u32, Role, u8, [Vec<u8>; 3]) {
    let MessageKeys { spi_i, spi_r, csb_id, sender, suite, keys } = keys;
    let keys = [&keys.encryption, &keys.authentication, &keys.salt].map(|key| key.expose().to_vec());
    (*spi_i, *spi_r, *csb_id, *sender, suite.0, keys)
}

/// Every message with a KEMAC is opened by one of the keys and by no other. Returns what types they were of.
fn open_all(keys: &[MessageKeys], sent: &[mikey_sim::Datagram]) -> Vec<DataType> {
    let provider = provider(0);
    let mut types = Vec::new();
    for datagram in sent {
        let message = Message::decode(&datagram.bytes).unwrap();
        let kemac = message.items.iter().find_map(|item| match &item.payload {
            Payload::Kemac(kemac) => Some((kemac, item.end)),
            _ => None,
        });
        let opened: Vec<_> = keys.iter().filter_map(|k| k.open(&provider, &datagram.bytes).ok()).collect();
        let Some((kemac, end)) = kemac else {
            assert!(opened.is_empty());
            continue;
        };
        let [plaintext] = &opened[..] else {
            panic!("{} keys open {}", opened.len(), message.header.data_type.0)
        };
        assert_eq!(plaintext.len(), kemac.encr_data.len());
        let (first, chain) = plaintext.expose().split_first().unwrap();
        let (version, data_type) = (message.header.version, message.header.data_type);
        mikey_wire::decode_chain(version, data_type, PayloadType(*first), chain).unwrap();
        let mut damaged = datagram.bytes.clone();
        damaged[end - 1] ^= 1;
        assert!(keys.iter().all(|k| k.open(&provider, &damaged).is_err()), "a MAC is checked");
        types.push(data_type);
    }
    types
}

#[test]
fn both_ends_tell_the_keys_that_open_everything() {
    let parties = Parties::new(KeyKind::Ed25519);
    let default = Policy::default();
    for mode in Mode::EVERY {
        for (seed, suite) in (10..).zip(&default.suites) {
            let (mut alice, mut bob) = (parties.alice(mode, 2 * seed), parties.bob(mode, 2 * seed + 1));
            alice.policy.suites = vec![*suite];
            bob.policy.suites = vec![*suite];
            let mut pair = Pair::new(Link::perfect(seed), alice, bob);
            pair.long_request = mode == Mode::Cce2Rsa;
            for n in [0, 1] {
                pair.world.act(n, |_, end| end.log_message_keys());
            }
            pair.call(BOB);
            let [of_alice, of_bob] = [0, 1].map(|n| told(&mut pair.events[n]));
            let listed = |keys: &[MessageKeys]| keys.iter().map(octets).collect::<Vec<_>>();
            assert_eq!(listed(&of_alice), listed(&of_bob));
            assert_eq!(
                of_alice.iter().map(|k| k.sender).collect::<Vec<_>>(),
                [Role::Initiator, Role::Responder]
            );

            // The same keys protect what follows.
            pair.events
                .iter_mut()
                .for_each(|events| events.retain(|e| !matches!(e, Event::TicketReady { .. })));
            let (alice, _) = pair.established();
            pair.world.act(0, |now, end| end.rekey(now, alice.session, true)).unwrap();
            pair.run(Time::from_secs(70));
            pair.world.act(0, |now, end| end.close(now, alice.session)).unwrap();
            pair.run(Time::from_secs(80));
            assert!(
                pair.events.iter_mut().all(|events| told(events).is_empty()),
                "a REKEY changes none of them"
            );
            let types = open_all(&of_alice, &pair.world.sent);
            let second = if mode.exchange() == mikey_proto::Exchange::Cce {
                vec![DataType::CCE_REQ, DataType::CCE_RESP]
            } else {
                vec![DataType::CCE2_REQ]
            };
            let later = [DataType::REKEY_REQ, DataType::REKEY_RESP, DataType::INFO_REQ, DataType::INFO_RESP];
            assert!(
                [&second[..], &later].concat().iter().all(|ty| types.contains(ty)),
                "{mode:?}: {types:?}"
            );
        }
    }
}

#[test]
fn a_resumed_session_has_early_keys_and_final_ones() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut pair = parties.pair(Mode::Certificate, Link::perfect(3), 3);
    pair.call(BOB);
    let ticket = pair.events[0].iter().position(|event| matches!(event, Event::TicketReady { .. })).unwrap();
    let Event::TicketReady { ticket, .. } = pair.events[0].remove(ticket) else { unreachable!() };
    assert!(pair.events.iter_mut().all(|events| told(events).is_empty()), "nobody has asked for keys");

    for n in [0, 1] {
        pair.world.act(n, |_, end| end.log_message_keys());
    }
    pair.world.sent.clear();
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    pair.world.act(0, |now, alice| alice.resume(now, address(1), ticket, &call)).unwrap();
    pair.run(Time::from_secs(61));
    let [of_alice, of_bob] = [0, 1].map(|n| told(&mut pair.events[n]));
    assert_eq!(
        of_alice.iter().map(octets).collect::<Vec<_>>(),
        of_bob.iter().map(octets).collect::<Vec<_>>()
    );
    let early: Vec<_> = of_alice.iter().map(|keys| (keys.spi_r == 0, keys.sender)).collect();
    assert_eq!(early, [(true, Role::Initiator), (false, Role::Initiator), (false, Role::Responder)]);
    assert_eq!(open_all(&of_alice, &pair.world.sent), [DataType::RESUME_REQ, DataType::RESUME_RESP]);
}

/// Whoever sends first messages, and no more, writes nothing into the log of who answers.
#[test]
fn a_stranger_fills_no_log() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut pair = parties.pair(Mode::Certificate, Link::perfect(4), 4).with_adversary(
        |_: Time, datagram: mikey_sim::Datagram| match kind(&datagram.bytes) {
            DataType::CCE_REQ => Vec::new(),
            _ => vec![datagram],
        },
    );
    pair.world.act(1, |_, end| end.log_message_keys());
    pair.call(BOB);
    assert!(pair.world.sent.iter().any(|datagram| kind(&datagram.bytes) == DataType::INIT_RESP));
    assert!(told(&mut pair.events[1]).is_empty());
}
