//! Version 2: the rules that tie payloads to each other, broken on purpose, and what the typed messages give.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::spoil::*;
use common::*;
use mikey_wire::DecodeErrorKind::{Duplicate, Length, Limit, Missing, Short, Trailing, Unexpected, Value};
use mikey_wire::v2::*;
use mikey_wire::*;

fn params(change: impl FnOnce(&mut Vec<SpParam<'static>>), of: Payload<'static>) -> Payload<'static> {
    let Payload::Sp(mut sp) = of else { panic!("an SP") };
    change(&mut sp.params);
    Payload::Sp(sp)
}

#[track_caller]
fn offer_refused(change: impl FnOnce(&mut Vec<SpParam<'static>>), field: &str, kind: DecodeErrorKind) {
    let bad = params(change, offer());
    refused_draft(&with(init_req(), |draft| draft.clear[2] = bad), field, kind);
}

#[track_caller]
fn answer_refused(change: impl FnOnce(&mut Vec<SpParam<'static>>), field: &str, kind: DecodeErrorKind) {
    let bad = params(change, answer(&[1]));
    refused_draft(&with(init_resp(), |draft| draft.clear[2] = bad), field, kind);
}

#[test]
fn m_sp_parameters_rise_and_are_all_there() {
    offer_refused(|p| p.swap(0, 1), "order of M-SP parameters", Value(0));
    offer_refused(|p| p.swap(9, 10), "order of M-SP parameters", Value(9));
    for ty in [0u8, 1, 2, 3, 4, 5, 7] {
        let name = MspParam(ty).name().unwrap();
        offer_refused(|p| p.retain(|param| param.ty != ty), name, Missing);
        answer_refused(|p| p.retain(|param| param.ty != ty), name, Missing);
        offer_refused(|p| p[usize::from(ty)].value = &[], name, Length(0));
    }
    for ty in [6u8, 8, 9] {
        let fewer = params(|p| p.retain(|param| param.ty != ty), offer());
        typed(&with(init_req(), |draft| draft.clear[2] = fewer).octets()).unwrap();
    }
    // The same type twice cannot even be encoded.
    let twice = params(|p| p.insert(1, p[0]), offer());
    assert_eq!(encode(&init_req().header, &[twice]), Err(EncodeError::Value("Policy param type")));
    let octets = patched(&init_req(), |octets| {
        let span = span(octets, 2);
        octets[span.start + 5 + 3] = 0;
    });
    refused(&octets, "Policy param type", Duplicate(0));
}

#[test]
fn m_sp_has_its_own_policy_number_and_protocol() {
    let numbered = with(init_req(), |draft| {
        let Payload::Sp(sp) = &mut draft.clear[2] else { panic!("an SP") };
        sp.policy_no = 254;
    });
    refused_draft(&numbered, "Policy no", Value(254));
    let srtp = with(init_req(), |draft| draft.clear[2] = policy(0));
    refused_draft(&srtp, "M-SP", Missing);
    let msp = with(cce_req(), |draft| draft.inner.as_mut().unwrap()[5] = offer());
    refused_draft(&msp, "AUTH", Missing);
}

#[test]
fn longest_message_is_two_octets_and_at_least_4096() {
    offer_refused(|p| p[8].value = &[0x0f, 0xff], "longest message", Value(4095));
    offer_refused(|p| p[8].value = &[0x20], "longest message", Length(1));
    offer_refused(|p| p[8].value = &[0, 0x20, 0], "longest message", Length(3));
    let octets = init_req().octets();
    assert_eq!(InitReq::decode(&octets).unwrap().offer.longest(), Some(8192));
}

// R6.3
#[test]
fn an_answer_has_one_value_each_and_nothing_unknown() {
    for ty in [0u8, 2, 3, 4, 5, 7, 9] {
        let name = MspParam(ty).name().unwrap();
        answer_refused(|p| p[usize::from(ty)].value = &[1, 2], name, Length(2));
    }
    answer_refused(|p| p.push(SpParam { ty: 10, value: &[1] }), "M-SP parameter", Value(10));
    // An offer with unknown types and values is read; what is unknown stays.
    let octets = init_req().octets();
    let offer = InitReq::decode(&octets).unwrap().offer;
    assert_eq!(offer.values(MspParam(200)), Some(&[][..]));
    assert_eq!(offer.values(MspParam::DH_GROUP), Some(&[31, 19, 236][..]));
    let Payload::Sp(sp) = common::offer() else { panic!("an SP") };
    assert_eq!(Sp::from(&offer), sp);
}

#[test]
fn policies_have_distinct_numbers_and_known_protocols() {
    for draft in [cce_req(), cce_resp(), rekey_req(), resume_resp()] {
        let at = draft.inner.as_ref().unwrap().iter().position(|p| matches!(p, Payload::Sp(_))).unwrap();
        let put = |sp| with(draft.clone(), |draft| draft.inner.as_mut().unwrap()[at] = sp);
        refused_draft(&put(policy(1)), "Policy no", Duplicate(1));
        refused_draft(&put(policy(255)), "Policy no", Value(255));
        refused_draft(&put(tesla()), "Prot type", Value(1));
    }
}

// R4.10
#[test]
fn every_offer_and_answer_has_a_policy() {
    for draft in [cce_resp(), rekey_req(), rekey_resp(), resume_req(), resume_resp()] {
        let none = with(draft, |draft| {
            draft.header.cs_map = CsMap::NONE;
            draft.inner.as_mut().unwrap().retain(|payload| !matches!(payload, Payload::Sp(_)));
        });
        refused_draft(&none, "SRTP-SP", Missing);
    }
}

// R7.8
#[test]
fn fragments_are_numbered_from_one_to_their_total() {
    for (number, total, field, value) in [
        (0u16, 2u16, "fragment number", 0),
        (3, 2, "fragment number", 3),
        (1, 1, "fragment total", 1),
        (1, 0, "fragment total", 0),
        (1, 65, "fragment total", 65),
        (1, 0xffff, "fragment total", 0xffff),
    ] {
        let octets = patched(&fragment(1), |octets| {
            let span = span(octets, 2);
            octets[span.start + 4..span.end]
                .copy_from_slice(&[number.to_be_bytes(), total.to_be_bytes()].concat());
        });
        refused(&octets, field, Value(value));
        let payload = Payload::Ext(Extension::Fragment { number, total });
        assert!(encode(&fragment(1).header, &[payload]).is_err());
    }
    for (draft, number) in [(fragment(1), 64), (fragment(2), 64)] {
        let most = with(draft, |draft| {
            draft.header.cs_map = CsMap::NONE;
            draft.clear[2] = Payload::Ext(Extension::Fragment { number, total: 64 });
        });
        typed(&most.octets()).unwrap();
    }
}

#[test]
fn a_fragment_is_nothing_but_its_chunk() {
    let with_more = with(fragment(1), |draft| draft.clear.push(Payload::Rand(&RAND)));
    refused_draft(&with_more, "order of payloads", Unexpected);
    let twice = with(fragment(1), |draft| draft.clear.push(draft.clear[2].clone()));
    refused_draft(&twice, "order of payloads", Unexpected);
    let late = with(cce_req_clear(), |draft| draft.clear.insert(3, fragment(1).clear[2].clone()));
    assert!(typed(&late.octets()).is_err());
    // CCE2, ERROR, RESUME and GROUP_REKEY are never fragmented.
    for draft in [error_sealed(), resume_resp(), resume_req(), group_rekey()] {
        let bad = with(draft, |draft| draft.clear.insert(2, fragment(1).clear[2].clone()));
        assert!(typed(&bad.octets()).is_err(), "{}", bad.name);
    }
    let cce2 =
        with(cce2_req(), |draft| draft.clear.splice(2.., [fragment(1).clear[2].clone()]).for_each(drop));
    refused_draft(&cce2, "FRAGMENT", Unexpected);
}

#[test]
fn fragments_make_the_canon_of_the_whole_message() {
    let whole = cce_req();
    let octets = whole.octets();
    let sealed = Sealed::decode(&octets).unwrap();
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
    let first = with(whole.clone(), |draft| draft.clear.push(fragment(1).clear[2].clone()));
    let plaintext = plaintext(whole.inner.as_ref().unwrap());
    let (chunk, _) = plaintext.split_at(40);
    let octets = first.sealed(chunk);
    let part = Sealed::decode(&octets).unwrap();
    assert_eq!(part.fragment, Some((1, 2)));
    assert_eq!(part.canon_head(), sealed.canon_head());
    let joined = Opened::decode(&part, &plaintext).unwrap();
    let places =
        |opened: &Opened<'_>| opened.items.iter().map(|item| (item.start, item.end)).collect::<Vec<_>>();
    assert_eq!(places(&joined), places(&opened));
    let (req, again) = (CceReq::parse(&sealed, &opened).unwrap(), CceReq::parse(&part, &joined).unwrap());
    assert_eq!(req.auth_start, again.auth_start);
}

#[test]
fn offsets_count_octets_of_canon() {
    for draft in [cce_req(), cce_req_clear()] {
        let octets = draft.octets();
        let sealed = Sealed::decode(&octets).unwrap();
        let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
        let canon = [&sealed.canon_head()[..], sealed.kemac.encr_data].concat();
        let req = CceReq::parse(&sealed, &opened).unwrap();
        // AUTH: next payload 0 or 1, method 4, length 64.
        assert_eq!(canon[req.auth_start + 1..req.auth_start + 4], [4, 0, 64], "{}", draft.name);
        assert_eq!(canon[req.auth_start + 4..req.auth_start + 68], [0x41; 64], "{}", draft.name);
        // What is authenticated: up to Encr data, and up to Mac alg.
        assert_eq!(sealed.aad().len(), sealed.before_kemac.len() + 4);
        assert_eq!(sealed.maced(), &octets[..octets.len() - 16]);
        assert_eq!(sealed.maced().last(), Some(&64));
    }
}

#[test]
fn payloads_are_all_inside_or_all_clear() {
    let octets = cce_req().octets();
    let sealed = Sealed::decode(&octets).unwrap();
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
    assert!(opened.confidential && opened.fits(true) && !opened.fits(false));
    let octets = cce_req_clear().octets();
    let sealed = Sealed::decode(&octets).unwrap();
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
    assert!(!opened.confidential && opened.fits(false) && !opened.fits(true));
    let octets = info_empty().octets();
    let sealed = Sealed::decode(&octets).unwrap();
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
    assert!(opened.fits(true) && opened.fits(false));

    let mixed = with(cce_req(), |draft| draft.clear.push(draft.inner.as_mut().unwrap().remove(0)));
    refused_draft(&mixed, "confidentiality", Unexpected);
    let clear_error = with(error_sealed(), |draft| {
        draft.clear.push(Payload::Err(ErrorNo::AUTH_FAILURE));
        draft.inner = Some(Vec::new());
    });
    refused_draft(&clear_error, "confidentiality", Unexpected);
    let hidden = with(cce2_req(), |draft| {
        let moved: Vec<_> = draft.clear.drain(2..).collect();
        draft.inner.as_mut().unwrap().splice(0..0, moved);
    });
    refused_draft(&hidden, "confidentiality", Unexpected);
}

#[test]
fn a_groups_tesla_is_one_policy_and_a_key_for_each_sender() {
    let (policy, keys) = tesla_of(&cce_resp_group().octets());
    let policy = policy.unwrap();
    assert_eq!((policy.prf, policy.prf_bits), (TeslaPrf::HMAC_SHA_1, 160));
    assert_eq!((policy.mac, policy.mac_bits), (TeslaMac::HMAC_SHA_1, 80));
    assert_eq!((policy.interval, policy.delay, policy.chain_len), (100, 2, 36_000));
    assert_eq!(policy.answer_time.unwrap() - policy.start, 9 << 32);
    let key = TeslaIKey { interval: 1234, key: *b"twenty octets of key" };
    assert_eq!(keys, [vec![key], vec![]]);

    let inner = |change: fn(&mut Vec<Payload<'static>>)| {
        with(cce_resp_group(), |d| change(d.inner.as_mut().unwrap()))
    };
    refused_draft(&inner(|p| drop(p.remove(5))), "TESLA I-Keys for SENDERS", Length(1));
    refused_draft(&inner(|p| p.insert(6, p[5].clone())), "TESLA I-Keys for SENDERS", Length(3));
    let ikey = |data: &'static [u8]| {
        with(cce_resp_group(), |draft| {
            draft.inner.as_mut().unwrap()[5] = Payload::Ext(Extension::TeslaKey(data));
        })
    };
    refused_draft(&ikey(&[0; 3]), "interval", Short { wanted: 4, left: 3 });
    refused_draft(&ikey(&[0; 20]), "K_i", Short { wanted: 20, left: 16 });
    refused_draft(&ikey(&[0; 25]), "interval", Short { wanted: 4, left: 1 });
    refused_draft(&ikey(&[0; 49]), "TESLA I-Key", Trailing { octets: 1 });
    let (_, keys) = tesla_of(&ikey(&[1; 48]).octets());
    assert_eq!(keys.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0], "a chain and the one that follows");
    let twice = inner(|p| {
        let Payload::Sp(mut sp) = p[2].clone() else { panic!("SP") };
        sp.policy_no = 10;
        p.insert(3, Payload::Sp(sp));
    });
    refused_draft(&twice, "TESLA policy", Duplicate(10));
    // Without the policy I-Keys are passed over.
    let without = inner(|p| drop(p.remove(2))).octets();
    assert_eq!(tesla_of(&without), (None, Vec::new()));
}

fn tesla_of(octets: &[u8]) -> (Option<TeslaPolicy>, Vec<Vec<TeslaIKey>>) {
    let sealed = Sealed::decode(octets).unwrap();
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
    let response = CceResp::parse(&sealed, &opened).unwrap();
    (response.tesla, response.tesla_keys)
}

#[test]
fn tesla_parameters_have_their_lengths_and_come_back() {
    let all = TeslaPolicy {
        prf: TeslaPrf(7),
        prf_bits: 96,
        mac: TeslaMac(9),
        mac_bits: 160,
        start: 0xe500_0000_8000_0001,
        interval: 60_000,
        delay: 255,
        chain_len: 1 << 22,
        receiver_time: Some(5),
        answer_time: Some(u64::MAX),
    };
    for policy in [all, TeslaPolicy { receiver_time: None, ..all }, TeslaPolicy { answer_time: None, ..all }]
    {
        let octets = policy.octets();
        assert_eq!(TeslaPolicy::decode(&octets.sp(3)), Ok(policy));
        assert_eq!(octets.sp(3).policy_no, 3);
    }
    let octets = all.octets();
    for (at, param) in octets.sp(0).params.iter().enumerate() {
        let mut sp = octets.sp(0);
        sp.params[at].value = &param.value[1..];
        assert!(TeslaPolicy::decode(&sp).is_err(), "{param:?} cut");
        let longer = [param.value, &[0]].concat();
        sp.params[at].value = &longer;
        assert!(TeslaPolicy::decode(&sp).is_err(), "{param:?} with more");
        let mut sp = octets.sp(0);
        sp.params.push(*param);
        assert!(TeslaPolicy::decode(&sp).is_err(), "{param:?} twice");
        let mut sp = octets.sp(0);
        sp.params.remove(at);
        let may_be_left_out = ![5, 6, 7, 8].contains(&param.ty);
        assert_eq!(TeslaPolicy::decode(&sp).is_ok(), may_be_left_out, "without {param:?}");
    }
    let mut sp = octets.sp(0);
    sp.params[0].ty = 11;
    assert!(TeslaPolicy::decode(&sp).is_err());
    assert!(TeslaPolicy::decode(&Sp { prot: ProtType::SRTP, ..octets.sp(0) }).is_err());
    let key = TeslaIKey { interval: u32::MAX, key: [9; 20] };
    assert_eq!(TeslaIKey::decode_all(&key.encode()), Ok(vec![key]));
    assert_eq!(TeslaIKey::decode_all(&[]), Ok(vec![]));
}

#[test]
fn group_values_and_keys_come_together() {
    let inner = |change: fn(&mut Vec<Payload<'static>>)| {
        with(cce_resp_group(), |d| change(d.inner.as_mut().unwrap()))
    };
    refused_draft(&inner(|p| drop(p.remove(4))), "SENDERS with GROUP", Missing);
    refused_draft(&inner(|p| drop(p.splice(1..5, [policy(0)]))), "key data without GROUP", Unexpected);
    refused_draft(&inner(|p| p.swap(8, 9)), "Type and KV", Value(4));
    refused_draft(&inner(|p| p.push(gtgk())), "Type and KV", Value(4));
    refused_draft(&inner(|p| p.insert(8, tgk())), "Type and KV", Value(0));
    for kv in [Kv::Null, Kv::Spi(&[0; 4]), Kv::Spi(&[0; 7])] {
        let bad = with(cce_resp_group(), |draft| {
            let Payload::KeyData(key) = &mut draft.inner.as_mut().unwrap()[8] else { panic!("key data") };
            key.kv = kv;
        });
        refused_draft(&bad, "Type and KV", Value(7));
    }
    let info = with(info_resp(), |draft| drop(draft.inner.as_mut().unwrap().remove(4)));
    refused_draft(&info, "key data without GROUP", Unexpected);
    let request = with(info_req(), |draft| draft.inner.as_mut().unwrap().push(kek()));
    refused_draft(&request, "order of payloads", Unexpected);
    for draft in [cce_req(), rekey_req(), rekey_resp()] {
        let bad = with(draft, |draft| draft.inner.as_mut().unwrap().push(tgk()));
        refused_draft(&bad, "order of payloads", Unexpected);
    }
}

#[test]
fn group_rekey_pairs_key_ids_with_kemacs() {
    let octets = group_rekey().octets();
    let rekey = GroupRekey::decode(&octets).unwrap();
    assert_eq!(rekey.nodes.iter().map(|n| (n.node, n.version)).collect::<Vec<_>>(), [(12, 1), (1, 2)]);
    assert_eq!(rekey.head, &octets[..span(&octets, 1).end], "HDR up to and with T");
    let node = &rekey.nodes[1];
    assert_eq!(node.aad(rekey.head), [rekey.head, node.key_id, &node.kemac_octets[..4]].concat());
    assert_eq!(node.maced(rekey.head).last(), Some(&64));
    assert_eq!(rekey.raw[rekey.auth_start + 1], 4);
    let keys = decode_node_keys(rekey.nodes[0].kemac.encr_data).unwrap();
    assert_eq!((keys[0].ty, keys[0].kv), (KeyType::KEK, Kv::Spi(&[0, 0, 0, 6, 0, 0, 0, 2])));

    let pairs =
        |change: fn(&mut Vec<Payload<'static>>)| with(group_rekey(), |draft| change(&mut draft.clear));
    refused_draft(&pairs(|p| p.swap(3, 4)), "KEY-ID and KEMAC", Unexpected);
    refused_draft(&pairs(|p| drop(p.remove(4))), "KEY-ID and KEMAC", Unexpected);
    refused_draft(&pairs(|p| drop(p.remove(5))), "KEY-ID and KEMAC", Unexpected);
    refused_draft(&pairs(|p| drop(p.splice(3..7, []))), "KEY-ID and KEMAC", Missing);
    refused_draft(&pairs(|p| p[5] = p[3].clone()), "Key ID", Duplicate(12));
    refused_draft(&pairs(|p| p[5] = key_id(&[0, 0, 0, 0, 0, 0, 0, 1])), "Key ID", Length(8));
    refused_draft(&pairs(|p| p[5] = key_id(&[0, 0, 0, 1])), "Key ID", Length(4));
    refused_draft(&pairs(|p| p.swap(6, 7)), "order of payloads", Unexpected);
    assert!(decode_node_keys(&[0]).is_err(), "a KEMAC without a key");
    assert!(decode_node_keys(&[]).is_err());
}

#[test]
fn cce2_has_one_tgk_and_its_tail_whole_or_not_at_all() {
    let octets = cce2_req_rsa().octets();
    let sealed = Sealed::decode(&octets).unwrap();
    let tail = Cce2Tail::parse(&sealed).unwrap().unwrap();
    assert_eq!(octets[tail.sign_start..tail.sign_start + 2], [0x11, 0], "S type 1, 256 octets");
    let octets = cce2_req().octets();
    assert_eq!(Cce2Tail::parse(&Sealed::decode(&octets).unwrap()).unwrap(), None);

    refused_draft(&with(cce2_req(), |d| d.inner = Some(vec![gtgk()])), "Type and KV", Value(4));
    let bound = KeyData { ty: KeyType::TGK, key: &[2; 32], salt: None, kv: Kv::Spi(&[0; 4]) };
    refused_draft(
        &with(cce2_req(), |d| d.inner = Some(vec![Payload::KeyData(bound)])),
        "Type and KV",
        Value(0),
    );
    refused_draft(
        &with(cce2_req(), |d| d.inner.as_mut().unwrap().push(tgk())),
        "order of payloads",
        Unexpected,
    );
    refused_draft(&with(cce2_req_rsa(), |d| drop(d.after.remove(0))), "CHASH", Missing);
    refused_draft(&with(cce2_req_rsa(), |d| drop(d.after.remove(2))), "SIGN", Missing);
    refused_draft(&with(cce2_req_rsa(), |d| d.after.swap(0, 1)), "CHASH", Missing);
    // Without looking at it twice.
    let cut = with(cce2_req_rsa(), |d| drop(d.after.remove(0))).octets();
    assert_eq!(Sealed::decode(&cut).unwrap_err().field, "CHASH");
    refused_draft(&with(cce2_req_rsa(), |d| d.after.clear()), "CERT without SIGN", Unexpected);
    let sha1 = Payload::Chash(Chash { func: HashFunc::SHA_1, hash: &RAND[..20] });
    refused_draft(&with(cce2_req_rsa(), |d| d.after[0] = sha1), "Hash func", Value(0));
    let cached = Payload::Pke(Pke { cache: PkeCache::CACHE, data: &[1; 256] });
    refused_draft(&with(cce2_req_rsa(), |d| d.after[1] = cached), "C", Value(1));
    let pkcs1 = Payload::Sign(Sign { alg: SignAlg::RSA_PKCS1, signature: &[1; 256] });
    refused_draft(&with(cce2_req_rsa(), |d| d.after[2] = pkcs1), "S type", Value(0));
    // No other message has anything behind KEMAC.
    for draft in [cce_req(), rekey_resp(), info_req(), error_sealed()] {
        refused_draft(&with(draft, |d| d.after = vec![vendor()]), "order of payloads", Unexpected);
    }
    for draft in [resume_req(), resume_resp()] {
        refused_draft(&with(draft, |d| d.after = vec![vendor()]), "order of payloads", Unexpected);
    }
}

#[test]
fn unprotected_errors_are_five_and_carry_what_is_theirs() {
    for no in 0..=u8::MAX {
        let known = matches!(no, 6 | 10 | 14 | 65);
        let octets = error_clear(ErrorNo(no), None).octets();
        match no {
            64 => refused(&octets, "COOKIE", Unexpected),
            _ if known => drop(typed(&octets).unwrap()),
            _ => refused(&octets, "Error no", Value(u32::from(no))),
        }
    }
    for no in [ErrorNo::INVALID_TICKET, ErrorNo::COOKIE_REQUIRED, ErrorNo::VERSION_NOT_SUPPORTED] {
        refused_draft(&error_clear(no, Some(offer())), "M-SP", Unexpected);
    }
    for no in [ErrorNo::INVALID_DH, ErrorNo::INVALID_TICKET] {
        refused_draft(&error_clear(no, Some(cookie(b"x"))), "COOKIE", Unexpected);
    }
    let behind = with(error_clear(ErrorNo::INVALID_DH, Some(answer(&[1]))), |d| d.clear.push(vendor()));
    refused_draft(&behind, "order of payloads", Unexpected);
    let lists = error_clear(ErrorNo::INVALID_DH, Some(offer()));
    assert!(typed(&lists.octets()).is_err(), "Invalid DH carries an answer");
}

#[test]
fn notify_data_has_the_length_of_its_code() {
    let lengths = [(1u16, 1usize), (2, 8), (3, 8), (4, 1), (5, 0), (6, 8), (7, 0), (8, 2)];
    for (code, len) in lengths {
        for wrong in [0usize, 1, 2, 3, 8, 9].into_iter().filter(|wrong| *wrong != len) {
            let data = leak(&[0; 9][..wrong]);
            // Encoded as an unknown code, then renamed.
            let octets = patched(
                &with(info_req(), |d| d.inner.as_mut().unwrap()[0] = notify(NotifyCode(0x8888), data)),
                |octets| {
                    let at = octets.windows(2).position(|pair| pair == [0x88, 0x88]).unwrap();
                    octets[at..at + 2].copy_from_slice(&code.to_be_bytes());
                },
            );
            refused(&octets, "NOTIFY data", Length(wrong));
        }
    }
    let many = with(info_req(), |draft| {
        draft.inner = Some((0..17).map(|_| notify(NotifyCode::GROUP_LEAVE, b"")).collect());
    });
    refused_draft(&many, "order of payloads", Unexpected);
}

#[test]
fn tickets_show_their_lifetime_to_their_owner_alone() {
    use mikey_wire::v2::{ResumeReq, Sealed};
    let octets = resume_req().octets();
    assert_eq!(ResumeReq::decode(&octets).unwrap().ticket, b"ticket");
    let octets = cce_resp().octets();
    let sealed = Sealed::decode(&octets).unwrap();
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
    let resp = CceResp::parse(&sealed, &opened).unwrap();
    assert_eq!(resp.ticket, Some(ResumeTicket { lifetime: Some(3600), opaque: b"ticket" }));

    let ticket = |lifetime, opaque: &'static [u8]| {
        Payload::Ext(Extension::ResumeTicket(ResumeTicket { lifetime, opaque }))
    };
    let encoded = |payload| encode(&cce_resp().header, &[payload]).map(drop);
    assert_eq!(encoded(ticket(Some(604_801), b"x")), Err(EncodeError::Value("ticket lifetime")));
    assert_eq!(encoded(ticket(None, b"")), Err(EncodeError::Length("ticket")));
    assert_eq!(encoded(ticket(None, leak(&[0; 513]))), Err(EncodeError::Length("ticket")));
    assert_eq!(encoded(ticket(None, leak(&[0; 512]))), Ok(()));
    let bad = patched_inner(&cce_resp(), 4, 4, 0x80);
    refused(&bad, "ticket lifetime", Value(0x8000_0000 + 3600));
}

#[test]
fn sizes_have_their_limits() {
    let huge = vec![2u8; 65_536];
    assert_eq!(Message::decode(&huge).unwrap_err().kind, Limit(65_535));
    let mut long = init_req().octets();
    long.resize(2_049, 0);
    refused(&long, "INIT_REQ", Limit(2_048));
    let many = vec![vendor(); 257];
    assert_eq!(encode(&init_req().header, &many), Err(EncodeError::TooLong("payloads")));
    let mut octets = encode(&init_req().header, &many[..256]).unwrap();
    assert!(Message::decode(&octets).is_ok());
    let last = octets.len() - 10;
    octets[last] = 21;
    octets.extend_from_slice(&[0, 0, 0, 0]);
    assert_eq!(Message::decode(&octets).unwrap_err().kind, Limit(256));
}

#[test]
fn peek_finds_the_session_and_no_more() {
    for draft in v2_drafts() {
        let octets = draft.octets();
        let peek = peek(&octets).unwrap();
        assert_eq!((peek.data_type, peek.v, peek.csb_id), (draft.header.data_type, draft.header.v, CSB_ID));
        assert_eq!(
            peek.cookie,
            matches!(draft.clear[0], Payload::Ext(Extension::Cookie(_))),
            "{}",
            draft.name
        );
        assert_eq!(peek.session.spi_i, SPIS.spi_i);
        let place = usize::from(peek.cookie);
        let end = span(&octets, place).end;
        assert_eq!(v2::peek(&octets[..end]).unwrap(), peek, "nothing behind SESSION is needed");
        for cut in 0..end {
            assert!(v2::peek(&octets[..cut]).is_err(), "{} cut at {cut}", draft.name);
        }
    }
    let v1 = v1_drafts()[0].octets();
    assert_eq!(peek(&v1).unwrap_err().kind, DecodeErrorKind::Version(1));
    let v3 = patched(&init_req(), |octets| octets[0] = 3);
    assert_eq!(peek(&v3).unwrap_err().kind, DecodeErrorKind::Version(3));
    assert_eq!(Message::decode(&v3).unwrap_err().kind, DecodeErrorKind::Version(3));
}

/// A session is of one group (docs/spec.md, C32).
#[test]
fn gcc_req_stands_once() {
    let twice = with(cce_req_group(), |draft| {
        let inner = draft.inner.as_mut().unwrap();
        let at = inner.iter().position(|payload| matches!(payload, Payload::GccReq(_))).unwrap();
        let one = inner[at].clone();
        inner.insert(at, one);
    });
    // In the place of the second one AUTH is due.
    refused_draft(&twice, "AUTH", Missing);
}
