//! Version 2: fields of single payloads, broken on purpose and refused for the reason that was meant.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::spoil::*;
use common::*;
use mikey_wire::DecodeErrorKind::{Length, Limit, Missing, Reserved, Unexpected, Value};
use mikey_wire::*;

// R4.16
#[test]
fn rand_has_thirty_two_octets() {
    for len in [0usize, 16, 31, 33] {
        let rand = &[9u8; 40][..len];
        for (draft, index) in [(init_req(), 1), (init_resp(), 1), (resume_req(), 2), (resume_resp(), 2)] {
            let bad = with(draft, |draft| draft.clear[index] = Payload::Rand(leak(rand)));
            refused_draft(&bad, "RAND", Length(len));
        }
        for draft in [cce_req(), rekey_req(), rekey_resp()] {
            let bad = with(draft, |draft| draft.inner.as_mut().unwrap()[0] = Payload::Rand(leak(rand)));
            refused_draft(&bad, "RAND", Length(len));
        }
    }
}

// R4.16
#[test]
fn t_is_a_counter_and_never_the_last_value() {
    for t in [T::NtpUtc(1), T::Ntp(1), T::NtpUtc32(1)] {
        let bad = with(cce_req(), |draft| draft.clear[1] = Payload::T(t));
        refused_draft(&bad, "T as COUNTER", Missing);
        for draft in [cce2_resp(), resume_req(), resume_resp(), group_rekey()] {
            let bad = with(draft, |draft| draft.clear[1] = Payload::T(t));
            refused_draft(&bad, "TS type", Value(u32::from(t.ty().0)));
        }
    }
    for draft in
        [cce_req(), cce2_resp(), info_req(), resume_resp(), group_rekey(), error_sealed(), fragment(1)]
    {
        let bad = with(draft, |draft| draft.clear[1] = counter(u32::MAX));
        refused_draft(&bad, "T", Value(u32::MAX));
    }
    let late = with(resume_req(), |draft| draft.clear[1] = counter(1));
    refused_draft(&late, "T of RESUME_REQ", Value(1));
}

#[test]
fn dh_values_have_the_length_of_their_group() {
    let lengths = [
        (14u8, 256usize, 256usize),
        (15, 384, 384),
        (19, 64, 64),
        (20, 96, 96),
        (31, 32, 32),
        (236, 1216, 1120),
    ];
    for (group, request, answer_len) in lengths {
        for (draft, len) in [(init_req(), request), (init_resp(), answer_len)] {
            for (delta, good) in [(0i32, true), (-1, false), (1, false)] {
                let value = vec![5u8; usize::try_from(i32::try_from(len).unwrap() + delta).unwrap()];
                let octets = patched(&draft, |octets| {
                    let last = Message::decode(octets).unwrap().items.len() - 1;
                    let span = span(octets, last);
                    octets.splice(span, [&[0, group][..], &value, &[0]].concat());
                });
                assert_eq!(Message::decode(&octets).is_ok(), good, "group {group}, {} {delta}", draft.name);
            }
        }
    }
    for group in [0u8, 1, 2, 3, 16, 30, 235, 255] {
        let octets = patched(&init_req(), |octets| {
            let span = span(octets, 8);
            octets[span.start + 1] = group;
        });
        refused(&octets, "DH-Group", Value(u32::from(group)));
    }
    assert_eq!(
        encode(&init_req().header, &[dh(31, &[0; 31])]).unwrap_err(),
        EncodeError::Value("DH-value"),
        "nor is it encoded"
    );
}

#[test]
fn dh_fits_the_negotiation() {
    let value = leak(&[5; 96]);
    let not_offered = with(init_req(), |draft| draft.clear[8] = dh(20, value));
    refused_draft(&not_offered, "DH-Group", Value(20));
    let not_chosen = with(init_resp(), |draft| draft.clear[6] = dh(20, value));
    refused_draft(&not_chosen, "DH-Group", Value(20));
}

#[test]
fn dh_is_the_last_payload() {
    for draft in [init_req(), init_resp()] {
        let before = with(draft.clone(), |draft| {
            let last = draft.clear.len() - 1;
            draft.clear.swap(last, last - 1);
        });
        assert!(typed(&before.octets()).is_err(), "{}", draft.name);
        for extra in [vendor(), x25519(), Payload::Ext(Extension::SdpBinding(Vec::new()))] {
            let bad = with(draft.clone(), |draft| draft.clear.push(extra));
            refused_draft(&bad, "order of payloads", Unexpected);
        }
    }
}

// R4.6
#[test]
fn reserved_bits_are_zero() {
    // KV of DH.
    for bits in [1u8, 2, 0x10, 0x80] {
        let octets = patched(&init_req(), |octets| *octets.last_mut().unwrap() = bits);
        refused(&octets, "Reserv and KV", Reserved);
    }
    // Version 1 has KV there, and four reserved bits.
    let v1 = patched(&v1_drafts()[3], |octets| {
        let span = span(octets, 2);
        octets[span.end - 1] = 0x10;
    });
    refused(&v1, "Reserv and KV", Reserved);
    // ERR.
    for at in [2, 3] {
        let octets = patched(&error_clear(ErrorNo::INVALID_TICKET, None), |octets| {
            let span = span(octets, 1);
            octets[span.start + at] = 1;
        });
        refused(&octets, "Reserved", Reserved);
    }
    // GCC-REQ: role bits 4 and up, and the octet behind SSRCs. RAND is 34 octets, CERT 9, the type octet 1.
    for (at, value, field) in [(1, 7, "role bits"), (1, 0x81, "role bits"), (3, 1, "reserved")] {
        let octets = patched_inner(&cce_req_group(), 2, at, value);
        refused(&octets, field, Reserved);
    }
    // GROUP's octet behind AUTH method, SENDERS' flags.
    refused(&patched_inner(&info_req(), 5, 4 + 27, 1), "reserved", Reserved);
    refused(&patched_inner(&info_req(), 4, 4 + 1, 8), "flags", Reserved);
}

#[test]
fn gcc_req_asks_for_something() {
    refused(&patched_inner(&cce_req_group(), 2, 1, 0), "role bits", Value(0));
    refused(&patched_inner(&cce_req_group(), 2, 2, 17), "SSRCs wanted", Limit(16));
    let gcc = |roles, ssrcs, group_id| {
        let payload = Payload::GccReq(GccReq { roles, ssrcs, group_id });
        encode(&cce_req().header, &[payload]).map(drop)
    };
    assert_eq!(gcc(0, 1, b"x"), Err(EncodeError::Value("role bits")));
    assert_eq!(gcc(4, 1, b"x"), Err(EncodeError::Value("role bits")));
    assert_eq!(gcc(1, 17, b"x"), Err(EncodeError::Value("SSRCs wanted")));
    assert_eq!(gcc(1, 1, b""), Err(EncodeError::Length("group ID")));
    assert_eq!(gcc(1, 1, &[0; 65]), Err(EncodeError::Length("group ID")));
    assert_eq!(gcc(1, 16, &[0; 64]), Ok(()));

    let both = with(cce_req_group(), |draft| draft.inner.as_mut().unwrap().insert(2, policy(0)));
    refused_draft(&both, "SRTP-SP beside GCC-REQ", Unexpected);
    let neither = with(cce_req_group(), |draft| drop(draft.inner.as_mut().unwrap().remove(2)));
    refused_draft(&neither, "SRTP-SP or GCC-REQ", Missing);
}

#[test]
fn certificates_are_of_the_kinds_that_a_message_takes() {
    for ty in [CertType::X509_URL, CertType::X509_ENCR, CertType(9)] {
        for (draft, index) in [(cce_req(), 2), (cce_resp(), 1), (cce_resp_group(), 0)] {
            let bad = with(draft, |draft| draft.inner.as_mut().unwrap()[index] = cert(ty));
            refused_draft(&bad, "Cert type", Value(u32::from(ty.0)));
        }
        let bad = with(cce2_req_rsa(), |draft| draft.clear[3] = cert(ty));
        refused_draft(&bad, "Cert type", Value(u32::from(ty.0)));
    }
    // INIT_RESP's certificate is for encryption, but never a URL, and only with EXCH 3.
    let url = with(init_resp_rsa(), |draft| draft.clear[4] = cert(CertType::X509_URL));
    refused_draft(&url, "Cert type", Value(1));
    let plain = with(init_resp(), |draft| draft.clear.insert(4, cert(CertType::X509)));
    refused_draft(&plain, "EXCH", Unexpected);
    let many = with(cce_req(), |draft| {
        draft.inner.as_mut().unwrap().splice(2..2, (0..9).map(|_| cert(CertType::X509)));
    });
    // The eleventh is left over where AUTH must stand.
    refused_draft(&many, "AUTH", Missing);
}

#[test]
fn certreq_is_whole_hashes_of_x509_anchors() {
    let hashes = |count: usize| {
        let octets = leak(&vec![7; count * 32]);
        Payload::CertReq(CertReq { cert_type: CertType::X509, hashes: octets.as_chunks().0.iter().collect() })
    };
    let with_hashes = |count| with(init_resp(), |draft| draft.clear[4] = hashes(count));
    typed(&with_hashes(256).octets()).unwrap();
    assert_eq!(encode(&init_resp().header, &[hashes(257)]), Err(EncodeError::Length("hashes")));
    let longer = |len: u16| {
        patched(&init_resp(), |octets| {
            let span = span(octets, 4);
            let payload = [&[21, 0][..], &len.to_be_bytes(), &vec![7; usize::from(len)]].concat();
            octets.splice(span, payload);
        })
    };
    for len in [1u16, 31, 33, 63] {
        refused(&longer(len), "hashes", Length(usize::from(len)));
    }
    refused(&longer(257 * 32), "hashes", Limit(256));
    let other = patched(&init_resp(), |octets| {
        let span = span(octets, 4);
        octets[span.start + 1] = 2;
    });
    refused(&other, "cert type", Value(2));
}

#[test]
fn a_group_id_is_not_empty_and_senders_have_cs_ids() {
    let id_len = |len: u8| {
        let mut inner = plaintext(cce_req_group().inner.as_ref().unwrap());
        let at = inner.windows(10).position(|octets| octets == b"conference").unwrap();
        inner.splice(at - 2..at + 10, [&[0, len][..], &vec![b'x'; usize::from(len)]].concat());
        cce_req_group().sealed(&inner)
    };
    refused(&id_len(0), "group ID", Length(0));
    refused(&id_len(65), "group ID", Length(65));
    typed(&id_len(1)).unwrap();
    typed(&id_len(64)).unwrap();
    for cs_id in [0u8, 255] {
        refused(&patched_inner(&info_req(), 4, 4, cs_id), "CS ID", Value(u32::from(cs_id)));
        let sender = Sender { cs_id, yours: false, gone: false, shared: false, ssrc: 1, roc: 0, seq: 0 };
        let senders = Payload::Ext(Extension::Senders(vec![sender]));
        assert_eq!(encode(&info_req().header, &[senders]), Err(EncodeError::Value("CS ID")));
    }
    // Group SPI, epoch and leaf node are never zero.
    for (at, len, field) in [(4, 8, "group SPI"), (16, 4, "epoch"), (24, 4, "leaf node")] {
        let mut octets = patched_inner(&info_req(), 5, at, 0);
        for more in 0..len {
            let next = patched_inner(&info_req(), 5, at + more, 0);
            octets.iter_mut().zip(next).for_each(|(octet, next)| *octet &= next);
        }
        refused(&octets, field, Value(0));
    }
}
