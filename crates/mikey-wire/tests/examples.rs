//! One list of example messages (style.md C9): each survives the round trip, and no abuse of it is accepted
//! or panics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{drafts, plaintext, typed, v1_drafts, v2_drafts};
use mikey_wire::{
    DataType, Message, Payload, PayloadType, Quirk, Version, decode_chain, encode, encode_chain,
};

/// Encodes what was decoded.
fn again(raw: &[u8]) -> Option<Vec<u8>> {
    let message = Message::decode(raw).ok()?;
    let payloads: Vec<Payload<'_>> = message.items.into_iter().map(|item| item.payload).collect();
    Some(encode(&message.header, &payloads).expect("what decodes can be encoded"))
}

#[test]
fn examples_decode_and_encode_to_the_same_octets() {
    for draft in drafts() {
        let octets = draft.octets();
        typed(&octets).unwrap_or_else(|error| panic!("{}: {error}", draft.name));
        assert_eq!(again(&octets).as_ref(), Some(&octets), "{}", draft.name);
    }
}

#[test]
fn what_is_inside_kemac_survives_too() {
    for draft in v2_drafts() {
        let Some(inner) = &draft.inner else { continue };
        let octets = plaintext(inner);
        let first = PayloadType(octets[0]);
        let items = decode_chain(Version::V2, draft.header.data_type, first, &octets[1..]).expect(draft.name);
        let payloads: Vec<Payload<'_>> = items.into_iter().map(|item| item.payload).collect();
        let mut out = vec![first.0];
        encode_chain(&mut out, &payloads, PayloadType::LAST).expect(draft.name);
        assert_eq!(out, octets, "{}", draft.name);
    }
}

#[test]
fn items_cover_every_octet_behind_the_header() {
    for draft in drafts() {
        let octets = draft.octets();
        let message = Message::decode(&octets).expect(draft.name);
        for pair in message.items.windows(2) {
            assert_eq!(pair[0].end, pair[1].start, "{}", draft.name);
        }
        assert_eq!(message.items.last().map(|item| item.end), Some(octets.len()), "{}", draft.name);
    }
}

#[test]
fn no_cut_message_is_accepted() {
    for draft in drafts() {
        let octets = draft.octets();
        for cut in 0..octets.len() {
            assert!(typed(&octets[..cut]).is_err(), "{} cut at {cut}", draft.name);
            assert!(Message::decode_lenient(&octets[..cut]).is_err(), "{} cut at {cut}, lenient", draft.name);
        }
    }
}

#[test]
fn no_cut_plaintext_is_accepted() {
    for draft in v2_drafts() {
        let Some(inner) = &draft.inner else { continue };
        if draft.name == "a fragment" {
            continue; // A chunk is no chain.
        }
        let octets = plaintext(inner);
        for cut in 0..octets.len() {
            assert!(typed(&draft.sealed(&octets[..cut])).is_err(), "{} cut at {cut}", draft.name);
        }
        let longer = [&octets[..], &[0]].concat();
        assert!(typed(&draft.sealed(&longer)).is_err(), "{} plus one octet inside", draft.name);
    }
}

// R4.2
#[test]
fn no_octet_may_follow_the_last() {
    for draft in drafts() {
        for octet in [0, 1, 0xff] {
            let longer = [&draft.octets()[..], &[octet]].concat();
            assert!(typed(&longer).is_err(), "{} plus {octet}", draft.name);
        }
    }
    for draft in v2_drafts() {
        let longer = [&draft.octets()[..], &[0]].concat();
        assert!(Message::decode_lenient(&longer).is_err(), "{}: version 2 is never lenient", draft.name);
    }
    for draft in v1_drafts() {
        let longer = [&draft.octets()[..], &[0]].concat();
        let (_, quirks) = Message::decode_lenient(&longer).expect(draft.name);
        assert!(quirks.contains(Quirk::TrailingZero), "{}", draft.name);
        for more in [&[1][..], &[0, 0]] {
            let longer = [&draft.octets()[..], more].concat();
            assert!(Message::decode_lenient(&longer).is_err(), "{} plus {more:?}", draft.name);
        }
    }
}

/// Whatever is accepted after a flip has one encoding: the octets that came.
#[test]
fn a_flipped_octet_never_panics_and_never_makes_a_second_encoding() {
    for draft in drafts() {
        let octets = draft.octets();
        for at in 0..octets.len() {
            for flip in [0x01, 0x02, 0x10, 0x80, 0xff] {
                let mut bad = octets.clone();
                bad[at] ^= flip;
                let _ = typed(&bad);
                let _ = Message::decode_lenient(&bad);
                if let Some(encoded) = again(&bad) {
                    assert_eq!(encoded, bad, "{} octet {at} ^ {flip:#x}", draft.name);
                }
            }
        }
    }
}

#[test]
fn no_message_is_taken_for_another() {
    // What a fragment is part of is only known when all are there.
    for draft in v2_drafts().into_iter().filter(|draft| draft.name != "a fragment") {
        for ty in 0..=u8::MAX {
            let mut octets = draft.octets();
            octets[1] = ty;
            if DataType(ty) != draft.header.data_type {
                assert!(typed(&octets).is_err(), "{} as {:?}", draft.name, DataType(ty));
            }
        }
    }
}

#[test]
fn debug_output_shows_no_key() {
    let shown = typed(&common::cce2_req().octets()).unwrap();
    assert!(shown.contains("key: 32 octets"), "{shown}");
    assert!(!shown.contains("2, 2, 2, 2, 2, 2, 2"), "{shown}");
}
