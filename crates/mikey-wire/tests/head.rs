//! Version 2: HDR, SESSION and the CS map, broken on purpose and refused for the reason that was meant.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::spoil::*;
use common::*;
use mikey_wire::DecodeErrorKind::{Duplicate, Length, Value};
use mikey_wire::v2::peek;
use mikey_wire::*;

#[test]
fn v_flag_is_one_in_requests_alone() {
    for draft in v2_drafts() {
        let octets = patched(&draft, |octets| octets[3] ^= 0x80);
        refused(&octets, "V", Value(u32::from(!draft.header.v)));
    }
}

// R4.9
#[test]
fn prf_func_is_looked_at_where_there_is_a_choice() {
    for draft in v2_drafts() {
        let free = draft.header.data_type == DataType::INIT_REQ || draft.name == "ERROR";
        for prf in [0u8, 3, 0x7f] {
            let octets = patched(&draft, |octets| octets[3] = octets[3] & 0x80 | prf);
            if free {
                typed(&octets).unwrap();
            } else {
                refused(&octets, "PRF func", Value(u32::from(prf)));
            }
        }
    }
    // In INIT_RESP it must be what M-SPr says, not only a known one.
    let octets = patched(&init_resp(), |octets| octets[3] = 2);
    refused(&octets, "PRF func", Value(2));
}

#[test]
fn hash_and_v_are_as_long_as_the_prf_says() {
    for draft in [rekey_resp(), info_resp(), resume_resp()] {
        let octets = patched(&draft, |octets| octets[3] = 2);
        refused(&octets, "HASH", Length(32));
    }
    let octets = patched(&cce2_resp(), |octets| octets[3] = 2);
    refused(&octets, "Auth alg", Value(2));
    static SHA_384: [u8; 48] = [0; 48];
    let long = with(rekey_resp(), |draft| {
        draft.header.prf = 2;
        draft.inner.as_mut().unwrap()[1] = Payload::Ext(Extension::Hash(&SHA_384));
    });
    typed(&long.octets()).unwrap();
    let ver = with(cce2_resp(), |draft| {
        draft.header.prf = 2;
        draft.clear[3] = Payload::V(Ver { auth_alg: MacAlg::HMAC_SHA_384_384, data: &SHA_384 });
    });
    typed(&ver.octets()).unwrap();
}

#[test]
fn the_stun_cookie_is_no_csb_id() {
    for draft in v2_drafts() {
        let octets = patched(&draft, |octets| octets[4..8].copy_from_slice(&0x2112_A442u32.to_be_bytes()));
        refused(&octets, "CSB ID", Value(0x2112_A442));
        assert_eq!(peek(&octets).unwrap_err().field, "CSB ID");
    }
    // Version 1 knows no such rule.
    let octets =
        patched(&v1_drafts()[0], |octets| octets[4..8].copy_from_slice(&0x2112_A442u32.to_be_bytes()));
    typed(&octets).unwrap();
}

#[test]
fn spis_are_there_exactly_when_they_are_known() {
    for draft in v2_drafts() {
        let place =
            draft.clear.iter().position(|payload| matches!(payload, Payload::Ext(Extension::Session(_))));
        let half = draft
            .clear
            .iter()
            .any(|payload| matches!(payload, Payload::Ext(Extension::Session(s)) if s.spi_r == 0));
        let bad = with(draft.clone(), |draft| {
            draft.clear[place.unwrap()] = session(if half { SPIS } else { HALF })
        });
        if draft.name.starts_with("ERROR") {
            // SPIr is what tells the two forms apart: the payloads are then the wrong ones.
            assert!(typed(&bad.octets()).is_err(), "{}", draft.name);
        } else {
            refused_draft(&bad, "SPIr", Value(u32::from(half)));
        }
        let zero = patched(&draft, |octets| {
            let span = span(octets, place.unwrap());
            octets[span.start + 4..span.start + 12].fill(0);
        });
        refused(&zero, "SPIi", Value(0));
    }
}

#[test]
fn only_generic_id_maps() {
    for map in [0u8, 1, 3] {
        let octets = patched(&init_req(), |octets| octets[9] = map);
        refused(&octets, "CS ID map type", Value(u32::from(map)));
    }
    let srtp = with(cce_req(), |draft| {
        draft.header.cs_map = CsMap::SrtpId(vec![SrtpCs { policy_no: 0, ssrc: 1, roc: 0 }]);
    });
    refused_draft(&srtp, "CS ID map type", Value(0));
}

#[test]
fn messages_without_streams_have_none() {
    let one = || CsMap::Generic(vec![stream(1, &[0], None)]);
    for draft in
        [init_req(), init_resp(), info_req(), info_resp(), group_rekey(), error_sealed(), cce_req_group()]
    {
        let bad = with(draft, |draft| draft.header.cs_map = one());
        refused_draft(&bad, "#CS", Length(1));
    }
    refused_draft(
        &with(error_clear(ErrorNo::INVALID_TICKET, None), |d| d.header.cs_map = one()),
        "#CS",
        Length(1),
    );
    // Fragments after the first have none either.
    refused_draft(&with(fragment(2), |draft| draft.header.cs_map = one()), "#CS", Length(1));
}

// R4.14
#[test]
fn streams_keep_the_rules_of_the_map() {
    let map = |streams: Vec<GenericCs<'static>>| {
        with(cce_req(), |draft| draft.header.cs_map = CsMap::Generic(streams))
    };
    refused_draft(&map(vec![stream(0, &[0], None)]), "CS ID", Value(0));
    refused_draft(&map(vec![stream(255, &[0], None)]), "CS ID", Value(255));
    refused_draft(&map(vec![stream(3, &[0], None), stream(3, &[0], None)]), "CS ID", Duplicate(3));
    refused_draft(&map(vec![stream(1, &[], None)]), "#P", Length(0));
    refused_draft(&map(vec![stream(1, &[0, 0], None)]), "Policy_no", Duplicate(0));
    refused_draft(&map(vec![stream(1, &[7], None)]), "Policy_no", Value(7));
    refused_draft(&map(vec![stream(1, &[255], None)]), "Policy_no", Value(255));
    let tesla = GenericCs { prot: ProtType::TESLA, ..stream(1, &[0], None) };
    refused_draft(&map(vec![tesla]), "Prot type", Value(1));
    for len in [1, 3, 5, 8] {
        let spi = &[0u8; 8][..len];
        refused_draft(&map(vec![GenericCs { spi, ..stream(1, &[0], None) }]), "SPI", Length(len));
    }
    let other = GenericCs { spi: &[0, 0, 0, 2], ..stream(2, &[0], None) };
    refused_draft(&map(vec![stream(1, &[0], None), other]), "SPI", Value(2));
    let without = |id| GenericCs { spi: &[], ..stream(id, &[0], None) };
    typed(&map(vec![without(1), without(2)]).octets()).unwrap();
    // An answer chooses exactly one policy.
    for draft in [cce_resp(), cce2_resp(), rekey_resp(), resume_resp()] {
        let streams = vec![stream(1, &[0, 1], None)];
        let bad = with(draft, |draft| draft.header.cs_map = CsMap::Generic(streams));
        refused_draft(&bad, "#P", Length(2));
    }
}

// R4.13
#[test]
fn session_data_is_nothing_four_or_ten_octets() {
    // S, length, octets.
    let cases: &[(u8, u16, Option<usize>)] = &[
        (0, 0, None),
        (0, 4, None),
        (0x80, 10, None),
        (0, 10, Some(10)),
        (0x80, 4, Some(4)),
        (0x80, 0, Some(0)),
        (0, 3, Some(3)),
        (0x80, 11, Some(11)),
    ];
    for (s, len, refuse) in cases {
        let octets = patched(&cce_req_clear(), |octets| {
            let end = span(octets, 0).start;
            let block =
                [&[1, 0, s | 1, 0][..], &len.to_be_bytes(), &vec![0; usize::from(*len)], &[0]].concat();
            octets[8] = 1;
            octets.splice(10..end, block);
        });
        match refuse {
            None => drop(typed(&octets).unwrap()),
            Some(len) => {
                let error = Message::decode(&octets).unwrap_err();
                assert_eq!((error.field, error.kind), ("session data", Length(*len)));
            }
        }
    }
}
