//! What somebody on the path makes up: first answers, errors, cookies, requests, protected messages without keys.
//!
//! None of it completes with a peer that was not authenticated, and none of it prevents the honest call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;

use common::craft::{self, kind, with_dh, with_rand, with_session};
use common::*;
use mikey_crypto::GroupId;
use mikey_proto::{DropReason, Endpoint, Output, Time};
use mikey_sim::{Datagram, KeyKind, Link, address, provider};
use mikey_wire::v2::MspEntry;
use mikey_wire::{DataType, MspParam, Payload, Session, SpParam};

/// An impostor of Bob with keys of its own: what it answers to this INIT_REQ.
fn impostor(mode: Mode, m1: &[u8]) -> Vec<u8> {
    let parties = Parties::new(KeyKind::Ed25519);
    let config = match mode {
        Mode::Psk => with_psk(BOB, ALICE, [0x66; 32], 666),
        _ => parties.bob(mode, 666),
    };
    let mut endpoint = Endpoint::new(config).unwrap();
    endpoint.handle_datagram(Time::ZERO, address(0), m1);
    match endpoint.poll_output() {
        Output::Transmit { bytes, .. } => bytes,
        _ => panic!("the impostor does not answer"),
    }
}

/// Forged answers that differ in everything that an answer can differ in, also from those of another round.
fn forgeries(m2: &[u8], count: u8, round: u64) -> Vec<Vec<u8>> {
    let group = provider(7).group(GroupId::X25519).unwrap();
    let forge = |n: u8| {
        let value = group.start(&*provider(u64::from(n)).random).unwrap();
        let forged = with_rand(&with_dh(m2, value.value()), [n; 32]);
        with_session(&forged, |session| session.spi_r = round << 16 | u64::from(n) << 8 | 1)
    };
    (0..count).map(forge).collect()
}

/// Runs a call in which forged answers come with every copy of INIT_REQ or before the first one's answer.
fn with_forged_answers(
    mode: Mode,
    count: u8,
    every_copy: bool,
    from: impl Fn(usize) -> SocketAddr + 'static,
) -> Pair {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut forged: Option<Vec<Vec<u8>>> = None;
    let pair = parties.pair(mode, Link::perfect(1), 1);
    let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
        if kind(&datagram.bytes) != DataType::INIT_REQ || (forged.is_some() && !every_copy) {
            return vec![datagram];
        }
        let forged = forged.get_or_insert_with(|| forgeries(&impostor(mode, &datagram.bytes), count, 0));
        let copies = forged.iter().enumerate();
        let mut out: Vec<_> = copies
            .map(|(n, bytes)| Datagram { from: from(n), to: address(0), bytes: bytes.clone() })
            .collect();
        out.push(datagram);
        out
    });
    pair.start(BOB).run(Time::from_secs(30));
    pair
}

#[test]
fn a_hundred_forged_answers_before_the_true_one_from_the_peers_address() {
    for mode in Mode::EVERY {
        let mut pair = with_forged_answers(mode, 100, false, |_| address(1));
        pair.agreed();
        let metrics = pair.metrics(0);
        assert!(metrics.drops(DropReason::Full) > 0, "{mode:?}: the flood was not bounded");
    }
}

#[test]
fn a_hundred_forged_answers_before_the_true_one_from_a_hundred_addresses() {
    let elsewhere = |n: usize| SocketAddr::from(([198, 51, 100, u8::try_from(n).unwrap()], 2269));
    for mode in Mode::EVERY {
        with_forged_answers(mode, 100, false, elsewhere).agreed();
    }
}

#[test]
fn eight_forged_answers_to_every_copy_of_the_request() {
    for mode in Mode::EVERY {
        with_forged_answers(mode, 8, true, |_| address(1)).agreed();
    }
}

/// Somebody on the path who answers every copy of the request before the peer does, with something new each time, as much as
/// it likes. The true answer finds a place all the same, by chance: it comes nine times.
#[test]
fn fresh_forged_answers_to_every_copy_of_the_request() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut lost = Vec::new();
    for (seed, count) in (0..60).zip([12_u8, 20, 40].into_iter().cycle()) {
        for spread in [false, true] {
            let mut round = 0;
            let pair = parties.pair(Mode::Psk, Link::perfect(seed), seed);
            let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
                if kind(&datagram.bytes) != DataType::INIT_REQ {
                    return vec![datagram];
                }
                round += 1;
                let forged = forgeries(&impostor(Mode::Psk, &datagram.bytes), count, round);
                let from = |n: u8| if spread { SocketAddr::from(([198, 51, 100, n], 9)) } else { address(1) };
                let mut out: Vec<_> = (0..)
                    .zip(forged)
                    .map(|(n, bytes)| Datagram { from: from(n), to: address(0), bytes })
                    .collect();
                out.push(datagram);
                out
            });
            pair.start(BOB).run(Time::from_secs(30));
            if !pair.is_established(0) {
                lost.push((seed, count, spread));
            }
        }
    }
    assert!(lost.is_empty(), "(seed, forged answers a copy, from other addresses): {lost:?}");
}

#[test]
fn key_exchanges_for_forged_answers_are_bounded() {
    let mut pair = with_forged_answers(Mode::Certificate, 100, true, |_| address(1));
    let metrics = pair.metrics(0);
    // One of its own, eight at a time, every two seconds, for twelve seconds at most.
    assert!(metrics.key_exchanges <= 1 + 8 * 7, "{} key exchanges", metrics.key_exchanges);
    pair.outcome();
}

#[test]
fn forged_answers_after_the_true_one() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
            let mut out = vec![datagram.clone()];
            if kind(&datagram.bytes) == DataType::INIT_RESP {
                for bytes in forgeries(&datagram.bytes, 100, 0) {
                    out.push(Datagram { bytes, ..datagram.clone() });
                }
            }
            out
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
    }
}

/// The SPIs of the true answer do not tell the branches apart: the keys do.
#[test]
fn forged_answers_with_the_spis_of_the_true_one() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (mode, before) in Mode::EVERY.into_iter().flat_map(|mode| [(mode, true), (mode, false)]) {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_RESP {
                return vec![datagram];
            }
            let spi_r = craft::session(&datagram.bytes).spi_r;
            let mut out: Vec<_> = forgeries(&datagram.bytes, 3, 0)
                .into_iter()
                .map(|forged| with_session(&forged, |session| session.spi_r = spi_r))
                .map(|bytes| Datagram { bytes, ..datagram.clone() })
                .collect();
            let place = if before { out.len() } else { 0 };
            out.insert(place, datagram);
            out
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
    }
}

/// An impostor that goes all the way: it holds the keys of its branch, and has no credential.
// R9.2, R10.12
#[test]
fn an_impostor_of_the_responder_is_not_established() {
    let parties = Parties::new(KeyKind::Ed25519);
    let other = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let impostor = match mode {
            Mode::Psk => with_psk(BOB, ALICE, [0x66; 32], 2),
            Mode::Cce2Psk => {
                let mut config = parties.bob(mode, 2);
                config.psks = psks(BOB, ALICE, [0x66; 32]);
                config
            }
            // Its certificate is for Bob's name, from a CA that Alice does not trust; it trusts hers.
            Mode::Certificate | Mode::Cce2Rsa => {
                let mut config = other.bob(mode, 2);
                config.trust = parties.ca.trust();
                config
            }
        };
        let mut pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), impostor);
        pair.start(BOB).run(Time::from_secs(30));
        assert!(!pair.is_established(0), "{mode:?}");
        assert!(pair.failure().is_some(), "{mode:?}");
        assert_eq!(pair.metrics(0).sessions, 0);
    }
}

/// Every number, alone and with an M-SP, with a cookie, from the peer's address and from elsewhere, before and after the
/// true answer.
// R15.2
#[test]
fn forged_errors_of_every_number_prevent_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for number in 0..=255 {
            let pair = parties.pair(mode, Link::perfect(1), u64::from(number));
            let mut first: Option<Vec<u8>> = None;
            let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
                let first = first.get_or_insert_with(|| datagram.bytes.clone());
                let msp = mikey_wire::v2::InitReq::decode(first).unwrap().offer.to_sp();
                let mut answer = msp.clone();
                answer.params.iter_mut().filter(|p| p.ty != 8).for_each(|p| p.value = &p.value[..1]);
                let mut errors = vec![craft::error(first, number, None, &[])];
                errors.push(craft::error(first, number, None, &[Payload::Sp(msp.clone())]));
                errors.push(craft::error(first, number, None, &[Payload::Sp(answer)]));
                errors.push(craft::error(first, number, Some(&[number; 32]), &[]));
                let mut out = Vec::new();
                for bytes in errors {
                    for from in [address(1), SocketAddr::from(([198, 51, 100, 7], 4))] {
                        out.push(Datagram { from, to: address(0), bytes: bytes.clone() });
                    }
                    // An ERROR is never answered, by a responder neither.
                    out.push(Datagram { from: address(0), to: address(1), bytes });
                }
                out.push(datagram);
                out
            });
            pair.start(BOB).run(Time::from_secs(30));
            pair.agreed();
        }
    }
}

// R10.1
#[test]
fn forged_errors_alone_end_nothing_before_its_time() {
    let parties = Parties::new(KeyKind::Ed25519);
    for number in [6, 10, 14, 64, 65] {
        let mut first: Option<Vec<u8>> = None;
        let pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if datagram.from != address(0) {
                return Vec::new();
            }
            let first = first.get_or_insert_with(|| datagram.bytes.clone());
            let cookie = (number == 64).then_some(&[1_u8; 8][..]);
            let bytes = craft::error(first, number, cookie, &[]);
            vec![Datagram { from: address(1), to: address(0), bytes }]
        });
        pair.start(BOB).run(Time::from_millis(11_999));
        assert!(pair.failure().is_none(), "error {number} ended the call");
        pair.run(Time::from_secs(20));
        assert!(pair.failure().is_some());
        let requests = pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_REQ).count();
        assert!(requests >= 8, "error {number} stopped retransmission: {requests} were sent");
    }
}

/// Invalid DH names a group of the offer: it is tried, at most two of them, and no group that was not offered.
// R6.5
#[test]
fn a_forged_invalid_dh_leads_to_offered_groups_alone() {
    for wanted in [20_u8, 19, 236, 14, 15, 1, 0, 255] {
        let (mut alice, bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
        alice.policy.groups = vec![GroupId::X25519, GroupId::P256, GroupId::P384, GroupId::X25519_MLKEM768];
        let mut pair =
            Pair::new(Link::perfect(1), alice, bob).with_adversary(move |_: Time, datagram: Datagram| {
                if kind(&datagram.bytes) != DataType::INIT_REQ {
                    return vec![datagram];
                }
                let request = mikey_wire::v2::InitReq::decode(&datagram.bytes).unwrap();
                let group = [wanted];
                let choice: Vec<_> = request
                    .offer
                    .params
                    .iter()
                    .map(|entry| match entry.ty {
                        MspParam::DH_GROUP => SpParam { ty: entry.ty.0, value: &group },
                        MspParam::LONGEST => SpParam { ty: entry.ty.0, value: entry.values },
                        ty => SpParam { ty: ty.0, value: &entry.values[..1] },
                    })
                    .collect();
                let msp = mikey_wire::Sp { params: choice, ..request.offer.to_sp() };
                let bytes = craft::error(&datagram.bytes, 6, None, &[Payload::Sp(msp)]);
                vec![Datagram { from: address(1), to: address(0), bytes }, datagram]
            });
        pair.start(BOB).run(Time::from_secs(30));
        let mut groups: Vec<u8> = Vec::new();
        for sent in pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_REQ) {
            groups.push(mikey_wire::v2::InitReq::decode(&sent.bytes).unwrap().dh.group);
        }
        groups.dedup();
        let offered = [19, 20, 236].contains(&wanted);
        assert_eq!(groups.contains(&wanted), offered, "group {wanted}: {groups:?}");
        // The responder's choice does not move: the true answer has its own preference.
        let (alice, _) = pair.agreed();
        assert_eq!(
            alice.negotiated.group,
            GroupId::X25519,
            "a forged error about group {wanted} lowered the choice"
        );
    }
}

// R10.11
#[test]
fn three_forged_cookies_are_followed_at_most() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let mut n = 0_u8;
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_REQ {
                return vec![datagram];
            }
            n += 1;
            let bytes = craft::error(&datagram.bytes, 64, Some(&[n; 16]), &[]);
            vec![Datagram { from: address(1), to: address(0), bytes }, datagram]
        });
        pair.start(BOB).run(Time::from_secs(30));
        let mut cookies: Vec<Vec<u8>> = Vec::new();
        for sent in pair.world.sent.iter().filter(|d| kind(&d.bytes) == DataType::INIT_REQ) {
            let request = mikey_wire::v2::InitReq::decode(&sent.bytes).unwrap();
            cookies.extend(request.cookie.map(<[u8]>::to_vec));
        }
        cookies.sort();
        cookies.dedup();
        assert!(cookies.len() <= 3, "{} cookies were followed", cookies.len());
        pair.agreed();
    }
}

/// The responder demands a cookie, and somebody on the path is always first with others: the true one gets its turn.
#[test]
fn forged_cookies_do_not_stand_in_the_way_of_the_true_one() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (mode, (forged, every_copy)) in
        Mode::EVERY.into_iter().flat_map(|mode| [(1, true), (3, false), (20, false)].map(|c| (mode, c)))
    {
        let mut bob = parties.bob(mode, 2);
        bob.cookie_threshold = 0;
        let mut n = 0_u8;
        let pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), bob);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_REQ || (n > 0 && !every_copy) {
                return vec![datagram];
            }
            let mut out = Vec::new();
            for _ in 0..forged {
                n = n.wrapping_add(1).max(1);
                let bytes = craft::error(&datagram.bytes, 64, Some(&[n; 16]), &[]);
                out.push(Datagram { from: address(1), to: address(0), bytes });
            }
            out.push(datagram);
            out
        });
        pair.start(BOB).run(Time::from_secs(30));
        assert!(pair.is_established(0), "{mode:?}: {forged} forged cookies, every copy {every_copy}");
        pair.agreed();
    }
}

/// Requests with the SPI and the CSB ID of the true one, and a key exchange of somebody else.
#[test]
fn forged_requests_do_not_take_the_true_ones_place() {
    let parties = Parties::new(KeyKind::Ed25519);
    for (mode, before) in Mode::EVERY.into_iter().flat_map(|mode| [(mode, true), (mode, false)]) {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_REQ {
                return vec![datagram];
            }
            let group = provider(9).group(GroupId::X25519).unwrap();
            let forge = |n: u8| {
                let value = group.start(&*provider(u64::from(n)).random).unwrap();
                let bytes = with_rand(&with_dh(&datagram.bytes, value.value()), [n; 32]);
                Datagram { bytes, ..datagram.clone() }
            };
            let mut out: Vec<_> = (0..20).map(forge).collect();
            let place = if before { out.len() } else { 0 };
            out.insert(place, datagram);
            out
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
        assert_eq!(pair.metrics(1).sessions, 1, "{mode:?}");
    }
}

/// Protected messages with the right HDR and SESSION and a KEMAC that nobody made with keys.
// R7.2, R10.8
#[test]
fn forged_protected_messages_are_dropped() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            let message = kind(&datagram.bytes);
            if !mode.second().contains(&message) {
                return vec![datagram];
            }
            let len = datagram.bytes.len();
            let mut out = Vec::new();
            for n in 1..=100_u8 {
                let mut forged = datagram.clone();
                forged.bytes[len - 1 - usize::from(n % 16)] ^= n;
                // Also as the refusal that would end the branch, and as the other message.
                if n % 3 == 0 && message == mode.second()[1] {
                    forged.bytes[1] = DataType::ERROR.0;
                }
                if n % 7 == 0 {
                    (forged.from, forged.to) = (forged.to, forged.from);
                }
                out.push(forged);
            }
            out.push(datagram);
            out
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
        // With RSA the last octets of the request are a signature.
        let unproven = [DropReason::Unauthenticated, DropReason::BadSignature];
        for n in 0..2 {
            let metrics = pair.metrics(n);
            assert!(unproven.iter().map(|why| metrics.drops(*why)).sum::<u64>() > 50, "{mode:?}, node {n}");
            assert_eq!(metrics.refused, 0);
        }
    }
}

/// Somebody runs INIT with both and passes CCE on as it is: KEMAC does not verify.
#[test]
fn a_middle_that_relays_cce_completes_with_nobody() {
    for_both_with_middle(false);
}

/// The same, and CCE is opened and sealed again: AUTH does not verify.
#[test]
fn a_middle_that_seals_cce_again_completes_with_nobody() {
    for_both_with_middle(true);
}

fn for_both_with_middle(reseals: bool) {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        // With a pre-shared key the one in the middle guesses a key, as it does not have it.
        let psk: &[u8] = if mode == Mode::Psk { &[0x66; 32] } else { &[] };
        let reseals = reseals && mode == Mode::Certificate;
        let mut middle: Option<mallory::Middle> = None;
        let mut relayed: Option<Vec<u8>> = None;
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, mut datagram: Datagram| {
            let raw = &datagram.bytes;
            let middle = middle.get_or_insert_with(|| mallory::Middle::new(provider(666), raw, psk));
            datagram.bytes = match kind(raw) {
                DataType::INIT_REQ => middle.init_req(),
                DataType::INIT_RESP => relayed.get_or_insert_with(|| middle.init_resp(raw)).clone(),
                DataType::CCE_REQ if reseals => middle.cce_req(raw),
                _ if reseals => middle.cce_resp(raw),
                _ => return vec![datagram],
            };
            vec![datagram]
        });
        pair.start(BOB).run(Time::from_secs(30));
        assert!(!pair.is_established(0) && !pair.is_established(1), "{mode:?}");
        let refused = u64::from(reseals);
        assert_eq!((pair.metrics(0).refused, pair.metrics(1).refused), (refused, refused), "{mode:?}");
        assert!(pair.failure().is_some(), "{mode:?}");
    }
}

/// A choice that is weaker than the responder's, put into its answer.
#[test]
fn a_choice_changed_on_the_way_is_not_accepted() {
    let parties = Parties::new(KeyKind::Ed25519);
    let weaker: [(MspParam, u8); 3] = [(MspParam::PRF, 2), (MspParam::SUITE, 1), (MspParam::SUITE, 5)];
    for mode in Mode::EVERY {
        for (ty, value) in weaker {
            let pair = parties.pair(mode, Link::perfect(1), 1);
            let mut pair = pair.with_adversary(move |_: Time, mut datagram: Datagram| {
                if kind(&datagram.bytes) == DataType::INIT_RESP {
                    let values: &'static [u8] = craft::leak(&[value]);
                    let change = |params: &mut Vec<MspEntry<'static>>| {
                        params.iter_mut().filter(|p| p.ty == ty).for_each(|p| p.values = values);
                    };
                    datagram.bytes = craft::with_msp(&datagram.bytes, change);
                    if ty == MspParam::PRF {
                        datagram.bytes[3] = value;
                    }
                }
                vec![datagram]
            });
            pair.start(BOB).run(Time::from_secs(30));
            assert!(!pair.is_established(0) && !pair.is_established(1), "{mode:?}, {ty:?} {value}");
        }
    }
}

#[test]
fn answers_with_spis_of_zero_or_of_nobody_open_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut pair = parties.pair(Mode::Psk, Link::perfect(1), 1);
    pair.start(BOB);
    let m1 = pair.world.sent[0].bytes.clone();
    let m2 = impostor(Mode::Psk, &m1);
    let zero = |session: &mut Session| session.spi_r = 0;
    let other = |session: &mut Session| session.spi_i ^= 1;
    let exchanges = pair.metrics(0).key_exchanges;
    pair.inject(address(1), 0, &with_session(&m2, zero));
    assert_eq!(pair.metrics(0).drops(DropReason::Malformed), 1);
    pair.inject(address(1), 0, &with_session(&m2, other));
    assert_eq!(pair.metrics(0).drops(DropReason::UnknownSession), 1);
    assert_eq!(pair.metrics(0).key_exchanges, exchanges);
    pair.run(Time::from_secs(30)).agreed();
}
