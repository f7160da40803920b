//! RFC 4771: the ROC in the tag, so that who joins late needs no signalling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Pair, octets, rtp};
use mikey_crypto::srtp::{SrtpAuth, SrtpPolicy};
use mikey_srtp::{PacketIndex, StartIndex, UnprotectError};

const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

fn policy(auth: SrtpAuth, roc_rate: u16, tag_len: u8) -> SrtpPolicy {
    SrtpPolicy { auth, roc_rate, tag_len, srtp_auth: auth != SrtpAuth::RccM3, ..CM }
}

/// A sender at ROC 0x1234, a receiver that knows nothing of it.
fn late_joiner(policy: SrtpPolicy) -> Pair {
    let mut pair = Pair::new(policy);
    assert!(pair.tx.set_index(pair.sender, pair.ssrc, StartIndex::Roc(0x1234)));
    pair
}

#[test]
fn mode_2_authenticates_everything_and_brings_the_roc_every_rth_packet() {
    let mut pair = late_joiner(policy(SrtpAuth::RccM2, 4, 14));
    let packets: Vec<_> = (5u16..=9).map(|seq| pair.protect(seq, &octets(1, 30))).collect();
    assert_eq!(packets[0].len(), 12 + 30 + 14);
    assert_eq!(packets[3].len(), 12 + 30 + 14, "the ROC is part of the tag's length");
    assert_eq!(packets[3][42..46], 0x1234u32.to_be_bytes());
    for early in &packets[..3] {
        assert_eq!(pair.unprotect(early), Err(UnprotectError::Unauthenticated));
    }
    assert_eq!(pair.unprotect(&packets[3]), Ok(rtp(pair.ssrc, 8, &octets(1, 30))));
    assert_eq!(pair.unprotect(&packets[3]), Err(UnprotectError::Replayed));
    assert_eq!(pair.unprotect(&packets[4]), Ok(rtp(pair.ssrc, 9, &octets(1, 30))));
    assert!(pair.unprotect(&packets[1]).is_ok(), "now the earlier ones can be told");
    assert_eq!(pair.rx.stream(pair.receiver, pair.ssrc).unwrap().index, Some(PacketIndex::new(0x1234, 9)));
    let mut forged = pair.protect(12, b"x");
    let roc_at = forged.len() - 14;
    forged[roc_at] ^= 1;
    assert_eq!(pair.unprotect(&forged), Err(UnprotectError::Unauthenticated), "the ROC is authenticated");
}

#[test]
fn mode_1_authenticates_only_the_packets_with_the_roc() {
    let mut pair = late_joiner(policy(SrtpAuth::RccM1, 3, 14));
    let packet = rtp(pair.ssrc, 6, &octets(2, 50));
    let with_roc = pair.protect_packet(&packet);
    assert_eq!(with_roc.len(), packet.len() + 14);
    let next = rtp(pair.ssrc, 7, &octets(3, 50));
    let without = pair.protect_packet(&next);
    assert_eq!(without.len(), next.len(), "no tag at all");
    let mut forged = with_roc.clone();
    forged[20] ^= 1;
    assert_eq!(pair.unprotect(&forged), Err(UnprotectError::Unauthenticated));
    assert_eq!(pair.unprotect(&with_roc), Ok(packet));
    assert_eq!(pair.unprotect(&without), Ok(next), "decrypted with the ROC that came");
}

#[test]
fn mode_3_carries_the_roc_without_protecting_it() {
    let mut pair = late_joiner(policy(SrtpAuth::RccM3, 2, 4));
    let packet = rtp(pair.ssrc, 4, &octets(2, 50));
    let with_roc = pair.protect_packet(&packet);
    assert_eq!(with_roc.len(), packet.len() + 4);
    assert_eq!(pair.unprotect(&with_roc).as_deref(), Ok(&packet[..]));
    let next = rtp(pair.ssrc, 5, &octets(3, 50));
    let without = pair.protect_packet(&next);
    assert_eq!(pair.unprotect(&without).as_deref(), Ok(&next[..]));
    // An application that knows its ROC to be right does not follow one that was changed on the way.
    assert!(pair.rx.ignore_received_roc(pair.receiver, pair.ssrc, true));
    let packet = rtp(pair.ssrc, 6, &octets(4, 50));
    let mut changed = pair.protect_packet(&packet);
    *changed.last_mut().unwrap() ^= 0xff;
    assert_eq!(pair.unprotect(&changed), Ok(packet));
    assert_eq!(pair.rx.stream(pair.receiver, pair.ssrc).unwrap().roc, 0x1234);
}

#[test]
fn srtcp_never_carries_a_roc() {
    for auth in [SrtpAuth::RccM1, SrtpAuth::RccM2] {
        let mut pair = Pair::new(policy(auth, 1, 14));
        let report = common::rtcp(pair.ssrc, b"report");
        let protected = pair.protect_rtcp(&report);
        assert_eq!(protected.len(), report.len() + 4 + 10);
        assert_eq!(pair.unprotect_rtcp(&protected), Ok(report));
    }
}
