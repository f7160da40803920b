//! Random and mutated octets: no panic, and whatever is accepted has one encoding.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{drafts, plaintext, typed, v2_drafts};
use mikey_wire::v2::{Opened, Sealed, decode_node_keys, peek};
use mikey_wire::*;
use proptest::prelude::*;

/// Puts octets through everything that the network reaches.
fn swallow(raw: &[u8]) -> Result<(), TestCaseError> {
    let _ = peek(raw);
    let _ = typed(raw);
    let _ = decode_node_keys(raw);
    let _ = Message::decode_lenient(raw);
    for ty in [PayloadType::KEY_DATA, PayloadType::ID, PayloadType::EXT] {
        for version in [Version::V1, Version::V2] {
            let _ = decode_chain(version, DataType::CCE_RESP, ty, raw);
        }
    }
    if let Ok(message) = Message::decode(raw) {
        let payloads: Vec<Payload<'_>> = message.items.iter().map(|item| item.payload.clone()).collect();
        let encoded =
            encode(&message.header, &payloads).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(encoded, raw);
        // What the rules of a message type accept, the look at it accepts too.
        if message.header.version == Version::V2 && typed(raw).is_ok() {
            prop_assert!(peek(raw).is_ok());
        }
    }
    Ok(())
}

/// What an attacker does to a message that it has seen.
#[derive(Clone, Debug)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Copy(prop::sample::Index, prop::sample::Index, usize),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<prop::sample::Index>;
    // Lengths and types live in small numbers.
    let octet = prop_oneof![any::<u8>(), 0u8..80, Just(0), Just(0xff)];
    let mutation = prop_oneof![
        4 => (index(), octet).prop_map(|(at, value)| Mutation::Set(at, value)),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, more)| Mutation::Insert(at, more)),
        1 => (index(), 1usize..40).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => (index(), index(), 1usize..80).prop_map(|(from, to, len)| Mutation::Copy(from, to, len)),
    ];
    prop::collection::vec(mutation, 1..6)
}

fn mutate(octets: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        if octets.is_empty() {
            return;
        }
        let len = octets.len();
        match mutation {
            Mutation::Set(at, value) => octets[at.index(len)] = *value,
            Mutation::Insert(at, more) => {
                let at = at.index(len);
                octets.splice(at..at, more.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = at.index(len);
                octets.drain(at..len.min(at + count));
            }
            Mutation::Copy(from, to, count) => {
                let (from, to) = (from.index(len), to.index(len));
                let part = octets[from..len.min(from + count)].to_vec();
                octets.splice(to..to, part);
            }
        }
    }
}

/// At least 2000 cases; more by `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2000), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_octets_never_panic(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        swallow(&raw)?;
    }

    #[test]
    fn random_octets_behind_a_good_header_never_panic(
        version in 1u8..3,
        data_type in prop_oneof![0u8..20, 40u8..53],
        next in prop_oneof![0u8..22, 40u8..43],
        tail in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..70, Just(0)], 0..300),
    ) {
        let head = [version, data_type, next, 0x81, 1, 2, 3, 4, 0, 2];
        swallow(&[&head[..], &tail].concat())?;
    }

    #[test]
    fn mutated_messages_never_panic(which in any::<prop::sample::Index>(), changes in mutations()) {
        let drafts = drafts();
        let mut octets = drafts[which.index(drafts.len())].octets();
        mutate(&mut octets, &changes);
        swallow(&octets)?;
    }

    #[test]
    fn mutated_plaintexts_never_panic(which in any::<prop::sample::Index>(), changes in mutations()) {
        let drafts = v2_drafts();
        let draft = &drafts[which.index(drafts.len())];
        if let Some(inner) = &draft.inner {
            let mut inside = plaintext(inner);
            mutate(&mut inside, &changes);
            let octets = draft.sealed(&inside);
            let _ = typed(&octets);
            // Offsets stay inside canon(M) whatever the plaintext is.
            if let Ok(sealed) = Sealed::decode(&octets)
                && let Ok(opened) = Opened::decode(&sealed, sealed.kemac.encr_data)
            {
                let canon = sealed.canon_head().len() + sealed.kemac.encr_data.len();
                for item in &opened.items {
                    prop_assert!(item.start < item.end && item.end <= canon);
                }
            }
        }
    }
}
