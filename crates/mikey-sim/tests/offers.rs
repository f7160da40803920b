//! Offers and answers that are written by hand: what is unknown in them is skipped or refused, what was changed is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::craft::{bend, kind, leak, session, with_msp};
use common::hand::{Bend, HandCallee, HandCaller, Shows, msp};
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, PrfId, SecretBytes, SuiteId};
use mikey_proto::{
    ApiMisuse, Call, DropReason, Endpoint, EndpointConfig, Error, Event, Identity, Name, PeerFault, Policy,
    PskTable, SessionId, Side, Stream, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::v2::{InitResp, MspEntry};
use mikey_wire::{DataType, GenericCs, Id, IdType, MspParam, Payload, SrtpSession};

/// What was not heard of stands among what was, in every list; the answer is as if it were not there.
// R6.4
#[test]
fn what_is_unknown_in_an_offer_is_skipped() {
    let answer = |change: fn(&mut Vec<MspEntry<'static>>)| {
        let mut pair =
            Pair::new(Link::perfect(1), with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
        pair.start(BOB);
        let m1 = with_msp(&pair.world.sent[0].bytes, change);
        let mut bob = Endpoint::new(with_psk(BOB, ALICE, [7; 32], 2)).unwrap();
        bob.handle_datagram(Time::ZERO, address(0), &m1);
        let mikey_proto::Output::Transmit { bytes, .. } = bob.poll_output() else { panic!("no answer") };
        assert_eq!(kind(&bytes), DataType::INIT_RESP);
        let choice = InitResp::decode(leak(&bytes)).unwrap().choice;
        choice.params.iter().map(|p| (p.ty, p.values.to_vec())).collect::<Vec<_>>()
    };
    let plain = answer(|_| ());
    let with_types = answer(|params| {
        for ty in [10, 77, 255] {
            params.push(MspEntry { ty: MspParam(ty), values: &[1, 2, 3] });
        }
    });
    let with_values = answer(|params| {
        for param in params.iter_mut().filter(|p| p.ty.0 != 8) {
            param.values = leak(&[&[200], param.values, &[201]].concat());
        }
    });
    assert_eq!(plain, with_types);
    assert_eq!(plain, with_values);
}

// R6.6
#[test]
fn what_version_2_left_behind_cannot_be_configured() {
    let refused = |change: &dyn Fn(&mut Policy)| {
        let mut config = with_psk(ALICE, BOB, [7; 32], 1);
        change(&mut config.policy);
        assert!(matches!(Endpoint::new(config).err(), Some(Error::Misuse(ApiMisuse::Policy(_)))));
    };
    // OAKLEY groups 0 to 2 of RFC 3830, under its numbers and under IKEv2's.
    for group in [0, 1, 2, 5] {
        refused(&|policy| policy.groups = vec![GroupId::X25519, GroupId(group)]);
    }
    for number in [0, 6, 255] {
        refused(&|policy| policy.suites = vec![SuiteId::AES_128_GCM, SuiteId(number)]);
    }
    // 0 is HMAC-SHA-1's PRF.
    for prf in [0, 3] {
        refused(&|policy| policy.prfs = vec![PrfId::HMAC_SHA_256, PrfId(prf)]);
    }
    refused(&|policy| policy.groups = Vec::new());
}

/// Alice calls somebody written by hand, whose answer is bent; what she says of it.
fn bent_answer(streams: &[Stream], change: Bend) -> Option<Error> {
    let ca = Ca::new("ca");
    let alice = Endpoint::new(certified(&ca, ALICE, KeyKind::Ed25519, 1)).unwrap();
    let mut world = World::new(Link::perfect(1), [alice]);
    let from = address(77);
    let call = Call::new(name(BOB), streams.to_vec());
    world.act(0, |now, alice| alice.connect(now, from, &call)).unwrap();
    let mut callee = HandCallee::new(6, BOB, &[]);
    let m2 = callee.init_resp(&world.sent[0].bytes.clone(), &msp(4));
    world.inject(Datagram { from, to: address(0), bytes: m2 });
    let m3 = world.sent.last().unwrap().bytes.clone();
    assert_eq!(kind(&m3), DataType::CCE_REQ);
    let shows = Shows { bend: Some(change), ..Shows::certificate(ca.issue(BOB, KeyKind::Ed25519, |_| ())) };
    let m4 = callee.cce_resp(&m3, &shows);
    world.inject(Datagram { from, to: address(0), bytes: m4 });
    world.run_until(Time::from_secs(40));
    let events = world.events(0);
    let established = events.iter().any(|e| matches!(e, Event::Established { .. }));
    let why = events.iter().find_map(|e| match e {
        Event::CallFailed { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert_eq!(established, why.is_none());
    why
}

// R4.10, R4.11, R4.12
#[test]
fn an_answer_changes_nothing_of_the_offer() {
    let two = |mut stream: Stream| {
        stream.policies = vec![SrtpPolicy::AES_CM_128_HMAC_SHA1_80, SrtpPolicy::AES_CM_128_HMAC_SHA1_32];
        stream
    };
    let mut ours = two(Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
    ours.ssrc = Some(0xA11CE);
    let streams = [ours, two(Stream::new(Side::Remote, SrtpPolicy::AES_CM_128_HMAC_SHA1_80))];
    assert_eq!(bent_answer(&streams, |_, _| ()), None);
    // The peer's own SSRC is the peer's to say.
    assert_eq!(
        bent_answer(&streams, |map, _| map[1].data = Some(SrtpSession { ssrc: 0xB0B, index: None })),
        None
    );
    let changes: [Bend; 9] = [
        // Another value, another parameter, none at all.
        |_, sps| sps[0].params[0].value = &[0],
        |_, sps| {
            let mut param = sps[0].params[0];
            (param.ty, param.value) = (11, &[4]);
            sps[0].params.retain(|p| p.ty != 11);
            sps[0].params.push(param);
        },
        |_, sps| sps[0].params.clear(),
        // One crypto session more or less, in another order, under another number.
        |map, _| drop(map.pop()),
        |map, _| map.swap(0, 1),
        |map, _| map[1].cs_id = 4,
        // Another SSRC for a stream of the initiator's, or one behind which an index stands that was not offered.
        |map, _| map[0].data = Some(SrtpSession { ssrc: 0xBAD, index: None }),
        |map, _| map[0].data = Some(SrtpSession { ssrc: 0xA11CE, index: Some((1, 1)) }),
        // An MKI that was not offered.
        |map, _| map.iter_mut().for_each(|cs| cs.spi = &[0, 0, 0, 1]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let why = bent_answer(&streams, change);
        assert!(
            matches!(why, Some(Error::Peer(PeerFault::Negotiation(_)) | Error::Decode(_))),
            "change {number}: {why:?}"
        );
    }
}

/// What the initiator says of the responder's own stream is not believed.
// R4.12
#[test]
fn an_offer_does_not_speak_for_the_other_side() {
    let ca = Ca::new("ca");
    let bob = Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 2)).unwrap();
    let mut world = World::new(Link::perfect(1), [bob]);
    let from = address(77);
    let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(4), &[]);
    world.inject(Datagram { from, to: address(0), bytes: caller.m1.clone() });
    let m2 = world.sent[0].bytes.clone();
    let (mut streams, sps) = common::hand::stream();
    let data = Some(SrtpSession { ssrc: 0xBAD, index: None });
    streams.push(GenericCs { cs_id: 2, data, ..streams[0].clone() });
    let shows = Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()));
    let m3 = caller.cce_req_with(&m2, &shows, streams, sps);
    world.inject(Datagram { from, to: address(0), bytes: m3 });
    let keys = world.events(0).into_iter().find_map(|e| match e {
        Event::SrtpKeysReady { keys, .. } => Some(keys),
        _ => None,
    });
    let own = keys.unwrap().streams.into_iter().find(|s| s.sender == Side::Local).unwrap();
    assert_eq!(own.ssrc, None);
}

/// Who holds the PSK of a pseudonym calls under the name of its holder or not at all.
// R9.16
#[test]
fn a_pseudonym_speaks_for_its_holder_alone() {
    let pseudonym = Name::pseudonym([9; 16]);
    let key = [7; 32];
    let attempt = |id: Option<&'static str>| {
        let mut table = PskTable::new();
        let psk = SecretBytes::copy_from(&key);
        table.insert_pseudonym(pseudonym.clone(), name(ALICE), name(BOB), psk).unwrap();
        let mut config = EndpointConfig::new(provider(2), Identity::new(name(BOB)));
        config.psks = Arc::new(table);
        let mut world = World::new(Link::perfect(1), [Endpoint::new(config).unwrap()]);
        let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(5), &key);
        caller.m1 = bend(&caller.m1, |_, payloads| {
            let first = payloads.iter_mut().find(|p| matches!(p, Payload::Id(_))).unwrap();
            *first = Payload::Id(Id { ty: IdType(2), data: &[9; 16] });
        });
        let from = address(77);
        world.inject(Datagram { from, to: address(0), bytes: caller.m1.clone() });
        let m2 = world.sent[0].bytes.clone();
        let m3 = caller.cce_req(&m2, &Shows { id, ..Shows::psk() });
        world.inject(Datagram { from, to: address(0), bytes: m3 });
        assert_eq!(world.node(0).metrics().sessions, 0);
        world.events(0).into_iter().find_map(|e| match e {
            Event::CallerRefused { why, .. } => Some(why),
            _ => None,
        })
    };
    // Its AUTH is over another credential than the pseudonym, so that it fails there, and no sooner, for the holder.
    for good in [None, Some(ALICE)] {
        assert_eq!(attempt(good), Some(Error::Peer(PeerFault::AuthFailed)), "{good:?}");
    }
    for bad in ["sip:mallory@example.com", BOB, "@example.com"] {
        let why = attempt(Some(bad));
        assert!(matches!(why, Some(Error::Peer(PeerFault::Name) | Error::Decode(_))), "{bad}: {why:?}");
    }
}

/// One answer is sealed for a request: after the refusal, a better CCE_REQ for the same half-open session draws nothing.
// R7.6, R10.14
#[test]
fn after_a_refusal_nothing_more_is_sealed() {
    let ca = Ca::new("ca");
    let bob = Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 2)).unwrap();
    let mut world = World::new(Link::perfect(1), [bob]);
    let from = address(77);
    let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(4), &[]);
    world.inject(Datagram { from, to: address(0), bytes: caller.m1.clone() });
    let m2 = world.sent[0].bytes.clone();
    let wrong = Shows::certificate(ca.issue("sip:mallory@example.com", KeyKind::Ed25519, |_| ()));
    let refused = caller.cce_req(&m2, &wrong);
    let right = caller.cce_req(&m2, &Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ())));
    world.inject(Datagram { from, to: address(0), bytes: refused.clone() });
    let error = world.sent.last().unwrap().bytes.clone();
    assert_eq!(kind(&error), DataType::ERROR);
    world.sent.clear();
    world.inject(Datagram { from, to: address(0), bytes: right });
    assert!(world.sent.is_empty());
    assert_eq!(world.node(0).metrics().sessions, 0);
    // A repeat draws the same octets.
    world.inject(Datagram { from, to: address(0), bytes: refused });
    assert!(!world.sent.is_empty() && world.sent.iter().all(|d| d.bytes == error));
}

/// INFO_RESP with the hash of another request is not its answer.
// R11.2
#[test]
fn an_answer_to_another_request_is_dropped() {
    let ca = Ca::new("ca");
    let alice = Endpoint::new(certified(&ca, ALICE, KeyKind::Ed25519, 1)).unwrap();
    let mut world = World::new(Link::perfect(1), [alice]);
    let from = address(77);
    let call = Call::new(name(BOB), vec![Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80)]);
    world.act(0, |now, alice| alice.connect(now, from, &call)).unwrap();
    let mut callee = HandCallee::new(6, BOB, &[]);
    let m2 = callee.init_resp(&world.sent[0].bytes.clone(), &msp(4));
    world.inject(Datagram { from, to: address(0), bytes: m2 });
    let m3 = world.sent.last().unwrap().bytes.clone();
    let m4 = callee.cce_resp(&m3, &Shows::certificate(ca.issue(BOB, KeyKind::Ed25519, |_| ())));
    world.inject(Datagram { from, to: address(0), bytes: m4 });
    let established =
        |e: &Event| if let Event::Established { session, .. } = e { Some(*session) } else { None };
    let id: SessionId = world.events(0).iter().find_map(established).unwrap();
    world.act(0, |now, alice| alice.probe(now, id)).unwrap();
    let request = world.sent.last().unwrap().bytes.clone();
    assert_eq!(kind(&request), DataType::INFO_REQ);
    assert_eq!(session(&request).spi_r, session(&m3).spi_r);
    let busy = |world: &mut World<Endpoint>| world.act(0, |now, alice| alice.probe(now, id)).is_err();
    for wrong in [[0; 32], [0xFF; 32]] {
        let answer = callee.info_resp(&request, Some(&wrong));
        world.inject(Datagram { from, to: address(0), bytes: answer });
        assert!(busy(&mut world), "the request is answered");
    }
    assert_eq!(world.node(0).metrics().drops(DropReason::BadAnswer), 2);
    let answer = callee.info_resp(&request, None);
    world.inject(Datagram { from, to: address(0), bytes: answer });
    assert!(!busy(&mut world), "the true answer is none");
}
