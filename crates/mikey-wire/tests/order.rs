//! Version 2: order, number and place of payloads, broken on purpose and refused for the reason that was
//! meant.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::spoil::*;
use common::*;
use mikey_wire::DecodeErrorKind::{Length, Missing, Unexpected, UnknownExtension, UnknownPayload};
use mikey_wire::v2::decode_node_keys;
use mikey_wire::*;

// R4.1
#[test]
fn any_two_neighbours_exchanged_are_refused() {
    for draft in v2_drafts().into_iter().filter(|draft| draft.name != "a fragment") {
        let count = list(&mut draft.clone()).len();
        for at in 0..count - 1 {
            let mut bad = draft.clone();
            let payloads = list(&mut bad);
            let (one, other) = (&payloads[at], &payloads[at + 1]);
            let same = one.ty() == other.ty() && one.ty() != PayloadType::EXT;
            let notifies = matches!(
                (one, other),
                (Payload::Ext(Extension::Notify { .. }), Payload::Ext(Extension::Notify { .. }))
            );
            let skipped = |payload: &Payload<'_>| {
                matches!(payload, Payload::Ext(Extension::Unknown { .. } | Extension::TeslaKey(_)))
            };
            if same || notifies || skipped(one) || skipped(other) {
                continue;
            }
            payloads.swap(at, at + 1);
            assert!(typed(&bad.octets()).is_err(), "{}: {at} and the next exchanged", draft.name);
        }
    }
}

// R4.3
#[test]
fn a_second_one_of_a_single_payload_is_refused() {
    for draft in v2_drafts().into_iter().filter(|draft| draft.name != "a fragment") {
        let count = list(&mut draft.clone()).len();
        for at in 0..count {
            let mut bad = draft.clone();
            let payloads = list(&mut bad);
            let payload = payloads[at].clone();
            let may_repeat = matches!(
                payload,
                Payload::Cert(_) | Payload::Ext(Extension::Notify { .. } | Extension::Unknown { .. })
            );
            if may_repeat {
                continue;
            }
            payloads.insert(at, payload);
            assert!(typed(&bad.octets()).is_err(), "{}: payload {at} twice", draft.name);
        }
    }
}

// R4.1
#[test]
fn what_must_be_there_is_missed() {
    let required: &[(Draft, usize, &str)] = &[
        (init_req(), 1, "RAND"),
        (init_req(), 2, "M-SP"),
        (init_req(), 8, "DH"),
        (init_resp(), 0, "SESSION"),
        (init_resp(), 3, "ID"),
        (cce2_resp(), 3, "V"),
        (resume_resp(), 1, "T"),
        (group_rekey(), 7, "AUTH"),
        (error_clear(ErrorNo::INVALID_TICKET, None), 1, "ERR"),
    ];
    for (draft, index, name) in required {
        let bad = with(draft.clone(), |draft| drop(draft.clear.remove(*index)));
        let error = typed(&bad.octets()).expect_err(name);
        // Without SESSION the look at the message does not even find it.
        assert_eq!((error.field, error.kind), (*name, Missing), "{}: {error}", draft.name);
    }
    let inside: &[(Draft, usize, &str)] = &[
        (cce_req(), 0, "RAND"),
        (cce_req(), 8, "AUTH"),
        (cce_resp(), 5, "AUTH"),
        (rekey_resp(), 1, "HASH"),
        (info_resp(), 0, "HASH"),
        (resume_resp(), 0, "HASH"),
        (cce2_req(), 0, "key data"),
        (error_sealed(), 0, "ERR"),
    ];
    for (draft, index, name) in inside {
        let bad = with(draft.clone(), |draft| drop(draft.inner.as_mut().unwrap().remove(*index)));
        refused_draft(&bad, name, Missing);
    }
    let bare = with(cce_req(), |draft| draft.inner = None);
    refused_draft(&bare, "KEMAC", Missing);
}

#[test]
fn session_stands_first_and_only_a_cookie_before_it() {
    let swapped = with(init_req(), |draft| draft.clear.swap(0, 1));
    refused_draft(&swapped, "SESSION", Missing);
    for first in [vendor(), unknown(200), Payload::Ext(Extension::SdpIds(b"mikey"))] {
        let bad = with(init_req(), |draft| draft.clear.insert(0, first));
        refused_draft(&bad, "SESSION", Missing);
    }
    let twice = with(init_req_cookie(), |draft| draft.clear.insert(0, cookie(b"again")));
    refused_draft(&twice, "SESSION", Missing);
    let behind = with(init_req(), |draft| draft.clear.insert(1, cookie(b"late")));
    refused_draft(&behind, "RAND", Missing);
    // Only INIT_REQ, RESUME_REQ and the unprotected ERROR have a COOKIE at all.
    for draft in
        [init_resp(), cce_req(), cce2_resp(), resume_resp(), group_rekey(), error_sealed(), info_req()]
    {
        let name = draft.name;
        let bad = with(draft, |draft| draft.clear.insert(0, cookie(b"cookie")));
        assert!(typed(&bad.octets()).is_err(), "{name} with COOKIE");
    }
}

#[test]
fn cookie_has_one_to_thirty_two_octets() {
    let draft = init_req_cookie();
    for (len, good) in [(0u8, false), (1, true), (32, true), (33, false)] {
        let octets = patched(&draft, |octets| {
            let span = span(octets, 0);
            let payload = [&[21, 65, 0, len][..], &vec![1; usize::from(len)]].concat();
            octets.splice(span, payload);
        });
        if good {
            typed(&octets).unwrap();
        } else {
            refused(&octets, "COOKIE", Length(usize::from(len)));
        }
    }
}

#[test]
fn the_cookie_is_cut_out_without_a_trace() {
    use mikey_wire::v2::{InitReq, ResumeReq};
    let octets = init_req_cookie().octets();
    let req = InitReq::decode(&octets).unwrap();
    assert_eq!(req.cookie, Some(&b"cookie"[..]));
    assert_eq!(req.without_cookie(), init_req().octets());
    let first = init_req().octets();
    assert_eq!(InitReq::decode(&first).unwrap().without_cookie(), first);

    let octets = resume_req_cookie().octets();
    let req = ResumeReq::decode(&octets).unwrap();
    let first = resume_req().octets();
    let plain = ResumeReq::decode(&first).unwrap();
    assert_eq!(req.without_cookie(), first);
    assert_eq!((req.head(), req.aad(), req.maced()), (plain.head(), plain.aad(), plain.maced()));
    assert_eq!(plain.maced(), first[..first.len() - 16]);
    assert_eq!(plain.aad().len(), plain.head().len() + 4);
}

// R4.4
#[test]
fn unknown_payload_types_end_the_parse() {
    for ty in 0..=u8::MAX {
        let known = matches!(ty, 0..=12 | 20 | 21 | 40..=42);
        let octets = patched(&init_req(), |octets| octets[2] = ty);
        let error = Message::decode(&octets).err();
        let unknown =
            matches!(error.map(|error| error.kind), Some(UnknownPayload(PayloadType(n))) if n == ty);
        assert_eq!(unknown, !known, "payload type {ty}: {error:?}");
    }
    // Version 1 has others, and none of version 2's.
    for (ty, known) in [(13, true), (14, true), (15, true), (26, true), (40, false), (41, false), (42, false)]
    {
        let octets = patched(&v1_drafts()[0], |octets| octets[2] = ty);
        let error = Message::decode(&octets).err();
        let unknown = matches!(error.map(|error| error.kind), Some(UnknownPayload(_)));
        assert_eq!(unknown, !known, "payload type {ty}");
    }
}

#[test]
fn key_data_is_never_in_clear_and_kemac_never_in_kemac() {
    let clear = with(init_req(), |draft| draft.clear.insert(1, tgk()));
    refused_draft(&clear, "place", Unexpected);
    let nested = with(cce_req(), |draft| {
        draft.inner.as_mut().unwrap().insert(0, Payload::Kemac(kemac(&[0])));
    });
    refused_draft(&nested, "place", Unexpected);
}

// R4.4
#[test]
fn unknown_extensions_are_refused_or_skipped_by_number() {
    for ty in 0..=u8::MAX {
        let known = matches!(ty, 0..=3 | 64..=74);
        if known {
            continue;
        }
        let octets = patched(&with(init_req(), |draft| draft.clear.insert(1, unknown(200))), |octets| {
            let span = span(octets, 1);
            octets[span.start + 1] = ty;
        });
        if ty == 4 || (64..=127).contains(&ty) {
            refused(&octets, "Type", UnknownExtension(ExtType(ty)));
        } else {
            typed(&octets).unwrap_or_else(|error| panic!("extension {ty} is skipped: {error}"));
        }
    }
    assert_eq!(
        encode(&init_req().header, &[session(HALF), unknown(100)]).unwrap_err(),
        EncodeError::Value("Type")
    );
}

// R4.5
#[test]
fn skipped_extensions_stand_anywhere_but_first_and_last() {
    for draft in
        v2_drafts().into_iter().filter(|draft| draft.name != "a fragment" && !draft.name.contains("clear"))
    {
        let mut good = draft.clone();
        let payloads = list(&mut good);
        let session = payloads.iter().position(|p| matches!(p, Payload::Ext(Extension::Session(_))));
        payloads.insert(session.map_or(0, |session| session + 1), unknown(200));
        typed(&good.octets()).unwrap_or_else(|error| panic!("{}: {error}", draft.name));
    }
    for draft in [init_req(), init_resp(), cce2_resp(), group_rekey()] {
        let bad = with(draft, |draft| draft.clear.push(unknown(200)));
        refused_draft(&bad, "order of payloads", Unexpected);
    }
    let behind_auth = with(cce_req(), |draft| draft.inner.as_mut().unwrap().push(unknown(200)));
    refused_draft(&behind_auth, "order of payloads", Unexpected);
    let between = with(cce_resp_group(), |draft| draft.inner.as_mut().unwrap().insert(8, vendor()));
    refused_draft(&between, "order of payloads", Unexpected);
    let behind_tgk = with(cce2_req(), |draft| draft.inner.as_mut().unwrap().push(vendor()));
    assert!(typed(&behind_tgk.octets()).is_err());
    let node = plaintext(&[kek(), vendor()]);
    assert_eq!(decode_node_keys(&node).unwrap_err().kind, Unexpected);
    let behind_keys = with(cce_resp_group(), |draft| draft.inner.as_mut().unwrap().push(vendor()));
    refused_draft(&behind_keys, "order of payloads", Unexpected);
}

#[test]
fn known_extensions_stand_only_where_their_message_has_them() {
    for ext in [
        Payload::Ext(Extension::SasReveal(&HASH)),
        hash(),
        senders(),
        group(),
        key_id(&[0; 8]),
        notify(NotifyCode::DELETE, &[0]),
        ticket(Some(1)),
        Payload::Ext(Extension::Fragment { number: 1, total: 2 }),
    ] {
        let bad = with(init_req(), |draft| draft.clear.insert(5, ext.clone()));
        refused_draft(&bad, "DH", Missing);
    }
}
