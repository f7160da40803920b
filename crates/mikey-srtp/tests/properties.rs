//! What holds for every policy: accepted once, whatever the order; nothing that was touched; nothing changed by a
//! refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Pair, octets, policies, rtcp, rtp};
use mikey_crypto::srtp::{SrtpAuth, SrtpPolicy};
use mikey_srtp::{PacketIndex, ProtectError, Ssrc, StartIndex, Time, UnprotectError};
use proptest::prelude::*;

#[test]
fn every_length_goes_through() {
    for (name, policy) in policies() {
        let mut pair = Pair::new(policy);
        for (seq, len) in (0..200).chain([1200, 1460, 9000, 60_000]).enumerate() {
            let payload = octets(seq as u8, len);
            let packet = rtp(pair.ssrc, seq as u16, &payload);
            let protected = pair.protect_packet(&packet);
            if policy.srtp_encryption && len >= 16 {
                assert_ne!(protected[12..12 + len], payload[..], "{name}: {len} octets in clear");
            }
            assert_eq!(pair.unprotect(&protected).as_deref(), Ok(&packet[..]), "{name}: {len} octets");
            let report = rtcp(pair.ssrc, &payload);
            let protected = pair.protect_rtcp(&report);
            assert_eq!(
                pair.unprotect_rtcp(&protected).as_deref(),
                Ok(&report[..]),
                "{name}: SRTCP {len} octets"
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_and_nothing_changes() {
    for (name, policy) in policies().into_iter().filter(|(name, _)| *name != "CM, tag of 8 bits") {
        let mut pair = Pair::new(policy);
        // The first packet of an RCC stream need not carry the ROC; index 3 does in both.
        let first = pair.protect(2, b"before");
        assert!(pair.unprotect(&first).is_ok());
        let packet = rtp(pair.ssrc, 3, &octets(3, 40));
        let protected = pair.protect_packet(&packet);
        let before = pair.rx.stream(pair.receiver, pair.ssrc).unwrap();
        for bit in 0..protected.len() * 8 {
            let mut forged = protected.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(pair.unprotect(&forged).is_err(), "{name}: bit {bit}");
        }
        let after = pair.rx.stream(pair.receiver, pair.ssrc).unwrap();
        assert_eq!((before.index, before.stats.rtp), (after.index, after.stats.rtp), "{name}");
        assert_eq!(pair.unprotect(&protected), Ok(packet), "{name}");

        let report = rtcp(pair.ssrc, &octets(4, 40));
        let protected = pair.protect_rtcp(&report);
        for bit in 0..protected.len() * 8 {
            let mut forged = protected.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(pair.unprotect_rtcp(&forged).is_err(), "{name}: SRTCP bit {bit}");
        }
        assert_eq!(pair.unprotect_rtcp(&protected), Ok(report), "{name}");
    }
}

#[test]
fn a_packet_cut_short_or_with_more_is_refused() {
    for (name, policy) in policies().into_iter().filter(|(name, _)| *name != "CM, tag of 8 bits") {
        let mut pair = Pair::new(policy);
        let packet = rtp(pair.ssrc, 3, &octets(3, 40));
        let protected = pair.protect_packet(&packet);
        let report = rtcp(pair.ssrc, &octets(4, 40));
        let protected_report = pair.protect_rtcp(&report);
        for len in 0..protected.len() {
            assert!(pair.unprotect(&protected[..len]).is_err(), "{name}: {len} octets");
        }
        for len in 0..protected_report.len() {
            assert!(pair.unprotect_rtcp(&protected_report[..len]).is_err(), "{name}: SRTCP {len} octets");
        }
        let longer = [&protected[..], &[0]].concat();
        assert!(pair.unprotect(&longer).is_err(), "{name}");
        let longer = [&protected_report[..], &[0]].concat();
        assert!(pair.unprotect_rtcp(&longer).is_err(), "{name}");
        assert!(pair.unprotect(&protected).is_ok() && pair.unprotect_rtcp(&protected_report).is_ok());
    }
}

#[test]
fn the_same_index_is_never_sent_twice() {
    for (name, policy) in policies() {
        let mut pair = Pair::new(policy);
        pair.protect(9, b"one");
        let packet = rtp(pair.ssrc, 9, b"two");
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let again = pair.tx.protect_rtp(Time::ZERO, common::here(), &mut buffer, packet.len());
        assert_eq!(again, Err(ProtectError::IndexReused), "{name}");
    }
}

#[test]
fn a_buffer_too_small_says_what_is_needed() {
    for (name, policy) in policies() {
        let mut pair = Pair::new(policy);
        let packet = rtp(pair.ssrc, 1, b"payload");
        let report = rtcp(pair.ssrc, b"report..");
        let needed = pair.protect_packet(&packet).len();
        let needed_rtcp = pair.protect_rtcp(&report).len();
        for room in 0..needed - packet.len() {
            let mut pair = Pair::new(policy);
            let mut buffer = [&packet[..], &vec![0; room]].concat();
            let error = pair.tx.protect_rtp(Time::ZERO, common::here(), &mut buffer, packet.len());
            assert_eq!(error, Err(ProtectError::BufferTooSmall { needed }), "{name}");
            let retried = pair.protect_packet(&packet);
            assert_eq!(pair.unprotect(&retried).as_deref(), Ok(&packet[..]), "{name}");
        }
        for room in 0..needed_rtcp - report.len() {
            let mut buffer = [&report[..], &vec![0; room]].concat();
            let error = pair.tx.protect_rtcp(Time::ZERO, common::here(), &mut buffer, report.len());
            assert_eq!(error, Err(ProtectError::BufferTooSmall { needed: needed_rtcp }), "{name}");
        }
    }
}

#[test]
fn without_authentication_packets_pass_as_they_come() {
    let none = SrtpPolicy {
        auth: SrtpAuth::Null,
        auth_key_len: 0,
        tag_len: 0,
        srtcp_tag_len: 0,
        srtp_auth: false,
        srtcp_auth: false,
        prefix_len: 20,
        ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80
    };
    let mut pair = Pair::new(none);
    for seq in [65_535, 0, 1] {
        let packet = rtp(pair.ssrc, seq, &octets(1, 100));
        let protected = pair.protect_packet(&packet);
        assert_eq!(protected.len(), packet.len());
        assert_eq!(pair.unprotect(&protected).as_deref(), Ok(&packet[..]));
        // Replay protection needs integrity (RFC 3711 section 3.3.2).
        assert!(pair.unprotect(&protected).is_ok());
    }
    assert_eq!(pair.rx.stream(pair.receiver, pair.ssrc).unwrap().roc, 1);
}

/// What the link does to the packets of one run.
#[derive(Clone, Debug)]
enum Step {
    Send(u16),
    Deliver(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any loss, order and duplication: each packet within the window is accepted once, with its own content.
    #[test]
    fn accepted_once(
        which in 0..policies().len(),
        window in prop::sample::select(vec![64u32, 128, 256, 1024]),
        roc in prop::sample::select(vec![0u32, 1, 0xffff, u32::MAX - 2]),
        first in any::<u16>(),
        steps in prop::collection::vec(prop_oneof![
            (1u16..20).prop_map(Step::Send),
            any::<prop::sample::Index>().prop_map(|at| Step::Deliver(at.index(1 << 20))),
        ], 1..300),
    ) {
        let (name, policy) = policies()[which];
        let start = StartIndex::Roc(roc);
        let mut pair = Pair::with(policy, start, |install| mikey_srtp::Install { window, ..install });
        let window = u64::from(window.max(128));
        let mut sent: Vec<(u64, Vec<u8>, Vec<u8>)> = Vec::new();
        let mut accepted = std::collections::BTreeSet::new();
        let mut index = PacketIndex::new(roc, first).value();
        // The receiver learns ROC and SEQ from the first packet.
        let mut highest = None;
        for step in [Step::Send(0), Step::Deliver(0)].into_iter().chain(steps) {
            match step {
                Step::Send(skip) => {
                    index += u64::from(skip);
                    if index <= PacketIndex::MAX.value() {
                        let seq = PacketIndex::from_u64(index).seq();
                        let packet = rtp(pair.ssrc, seq, &octets(index as u8, (index % 90) as usize));
                        let protected = pair.protect_packet(&packet);
                        sent.push((index, packet, protected));
                    }
                }
                Step::Deliver(at) => {
                    let (index, packet, protected) = sent[at % sent.len()].clone();
                    let expected = match highest {
                        Some(highest) if index + window <= highest => Err(UnprotectError::TooOld),
                        _ if accepted.contains(&index) => Err(UnprotectError::Replayed),
                        _ => Ok(packet),
                    };
                    prop_assert_eq!(pair.unprotect(&protected), expected.clone(), "{}: {:x}", name, index);
                    if expected.is_ok() {
                        accepted.insert(index);
                        highest = Some(highest.unwrap_or(0).max(index));
                    }
                }
            }
        }
    }

    /// Octets from anywhere are refused or, if a policy lets them, passed; never a panic.
    #[test]
    fn any_octets(which in 0..policies().len(), octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut pair = Pair::new(policies()[which].1);
        let mut octets = octets;
        let _ = pair.unprotect(&octets);
        let _ = pair.unprotect_rtcp(&octets);
        if octets.len() >= 12 {
            octets[0] = octets[0] & 0x3f | 0x80;
            octets[8..12].copy_from_slice(&pair.ssrc.0.to_be_bytes());
            prop_assert!(pair.unprotect(&octets).is_err());
            octets[4..8].copy_from_slice(&pair.ssrc.0.to_be_bytes());
            prop_assert!(pair.unprotect_rtcp(&octets).is_err());
        }
    }
}

#[test]
fn unknown_ssrcs_are_told_apart_from_forgeries() {
    let mut pair = Pair::new(SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let mut stranger = pair.protect(1, b"x");
    stranger[8] ^= 1;
    assert_eq!(pair.unprotect(&stranger), Err(UnprotectError::UnknownStream));
    let mut forged = pair.protect(2, b"x");
    forged[12] ^= 1;
    assert_eq!(pair.unprotect(&forged), Err(UnprotectError::Unauthenticated));
    let stats = pair.rx.stats();
    assert_eq!((stats.unknown_stream, stats.unauthenticated, stats.accepted, stats.refused()), (1, 1, 0, 2));
    assert_eq!(pair.rx.stream(pair.receiver, Ssrc(0xcafe_babe)).unwrap().stats.refused, 1);
}
