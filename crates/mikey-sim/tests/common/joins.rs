//! One joins a group, with everything that it hashes and derives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use mikey::group::{Batch, Controller, GroupConfig, Join};
use mikey_crypto::PrfId;
use mikey_proto::{Endpoint, Event, GroupGrant, GroupRequest, GroupRoles, GroupStream, Time};
use mikey_sim::{Ca, KeyKind, Link, address, provider};
use mikey_wire::{KeyData, KeyType, Kv, Payload, PayloadType, encode_chain};

use super::recorder::recorded;
use super::{
    ALICE, BOB, Kind, Mode, Pair, Parties, before_kemac, compare, config, handshake_with, message, name,
};

/// One joins a group: its session has a leaf key, at both ends the same, and no streams.
pub(crate) fn joins(prf: PrfId, parties: &Parties) -> BTreeSet<String> {
    let (mut alice, mut bob) =
        (config(Kind::Certificate, parties, true), config(Kind::Certificate, parties, false));
    let (a, b);
    (alice.provider, a) = recorded(alice.provider, prf);
    (bob.provider, b) = recorded(bob.provider, prf);
    alice.policy.prfs = vec![prf];
    bob.policy.prfs = vec![prf];
    alice.controllers = vec![(b"news".to_vec(), name(BOB))];
    bob.serves_groups = true;
    let real = provider(0).prf(prf).unwrap();
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let roles = GroupRoles { sends: false, receives: true };
    let request = GroupRequest { group: b"news".to_vec(), roles, ssrcs: 0 };
    let call = mikey_proto::Call::join(name(BOB), request);
    pair.world.act(0, |now, e: &mut Endpoint| e.connect(now, address(1), &call)).unwrap();
    pair.run(Time::from_secs(1));
    let asked = pair.events[1].iter().find_map(|event| match event {
        Event::JoinRequested { session, .. } => Some(*session),
        _ => None,
    });
    let grant = grant(prf);
    let leaf_key = pair.world.act(1, |now, e: &mut Endpoint| {
        let key = e.admit(now, asked.unwrap(), &grant).unwrap();
        e.release(now, asked.unwrap()).unwrap();
        key
    });
    pair.run(Time::from_secs(2));
    let joined = pair.events[0].iter().find_map(|event| match event {
        Event::GroupJoined { leaf_key, .. } => Some(leaf_key.expose().to_vec()),
        _ => None,
    });
    let logs = [a.take(), b.take()];
    let messages = Mode::Certificate.messages().map(|ty| message(&pair, ty, 0));
    let canon_m4 = [before_kemac(&messages[3]), key_data(&grant)].concat();
    let messages = messages.each_ref().map(|m| &m[..]);
    let (values, expected) = handshake_with(Kind::Certificate, messages, canon_m4, &logs[0], real);
    assert_eq!(values.of["leaf key"], leaf_key.expose());
    assert_eq!(joined.as_deref(), Some(leaf_key.expose()));
    let seen = compare("member", &logs[0], &[&expected]);
    assert_eq!(compare("controller", &logs[1], &[&expected]), seen);
    assert!(seen.contains("leaf key"));
    seen
}

/// The plaintext of the answer's KEMAC: the first member has no key above it but the group's.
fn key_data(grant: &GroupGrant) -> Vec<u8> {
    let epoch = grant.values.epoch.to_be_bytes();
    let (key, kv) = (grant.gtgk.expose(), Kv::Spi(&epoch));
    let payloads = [Payload::KeyData(KeyData { ty: KeyType::GTGK, key, salt: None, kv })];
    let mut plaintext = vec![PayloadType::KEY_DATA.0];
    encode_chain(&mut plaintext, &payloads, PayloadType::LAST).unwrap();
    plaintext
}

/// What a group with that PRF grants to its first member.
fn grant(prf: PrfId) -> GroupGrant {
    let provider = provider(3);
    let (_, pkcs8) = Ca::new("ca").issue(BOB, KeyKind::Ed25519, |_| ());
    let signer: std::sync::Arc<dyn mikey_crypto::Signer> = (provider.load_signer)(&pkcs8).unwrap().into();
    let policy = mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    let config = GroupConfig { prf, ..GroupConfig::new(b"news", vec![GroupStream { cs_id: 1, policy }]) };
    let first = Controller::create(&provider, &config, &*signer).unwrap();
    let records = [(1, first.record.expose())];
    let controller = Controller::open(provider, None, records, |_| Some(signer)).unwrap();
    let roles = GroupRoles { sends: false, receives: true };
    let join = Join { name: name(ALICE), roles, ssrcs: 0, contact: Vec::new() };
    let draft = controller.draft(&Batch { joins: vec![join], ..Batch::default() }).unwrap();
    draft.grant(0).unwrap()
}
