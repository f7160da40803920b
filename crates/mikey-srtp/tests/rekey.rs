//! New keys: make before break, by MKI, by trial, by range of indices; ROC and index go on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Pair, here, master, policies, rtcp, rtp};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{
    Direction, Install, InstallError, MasterKey, Mki, PacketIndex, ProtectError, Ssrcs, StartIndex, Time,
    UnprotectError, Validity, limits,
};

const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
const GCM: SrtpPolicy = SrtpPolicy::AEAD_AES_128_GCM;
const RETIRE: Time = Time::from_millis(5000);

fn mki(number: u8) -> Mki {
    Mki::new(&[0, 0, 0, number]).unwrap()
}

fn with_mki(policy: SrtpPolicy, first: Mki) -> Pair {
    let change = move |install: Install| Install { key: install.key.with_mki(first.clone()), ..install };
    Pair::with(policy, StartIndex::BEGIN, change)
}

fn at(pair: &mut Pair, now: Time, packet: &[u8]) -> Result<usize, UnprotectError> {
    pair.rx.unprotect_rtp(now, here(), &mut packet.to_vec()).map(|accepted| accepted.len)
}

// R11.5
#[test]
fn old_and_new_packets_are_accepted_until_the_old_key_retires() {
    for (name, policy) in policies() {
        for mkis in [None, Some((mki(1), mki(2)))] {
            let (first, second) = mkis.clone().unwrap_or_default();
            let mut pair = with_mki(policy, first);
            let old: Vec<_> = (65_533..=65_535).map(|seq| pair.protect(seq, b"old")).collect();
            let old_report = pair.protect_rtcp(&rtcp(pair.ssrc, b"old"));
            assert!(pair.unprotect(&old[0]).is_ok());
            // The receiver is ready before the sender switches.
            pair.rx.rekey(pair.receiver, master(&policy, 9).with_mki(second.clone()), RETIRE).unwrap();
            pair.tx.rekey(pair.sender, master(&policy, 9).with_mki(second), Time::ZERO).unwrap();
            let new: Vec<_> = (0..=2).map(|seq| pair.protect(seq, b"new")).collect();
            let new_report = pair.protect_rtcp(&rtcp(pair.ssrc, b"new"));
            for packet in [&new[0], &old[2], &new[1]] {
                assert!(at(&mut pair, Time::ZERO, packet).is_ok(), "{name} {mkis:?}");
                assert_eq!(
                    at(&mut pair, Time::ZERO, packet),
                    Err(UnprotectError::Replayed),
                    "{name} {mkis:?}"
                );
            }
            assert!(pair.unprotect_rtcp(&new_report).is_ok(), "{name}");
            assert!(pair.unprotect_rtcp(&old_report).is_ok(), "{name}");
            // The old key's last hour has come, with or without being forgotten.
            let late = at(&mut pair, RETIRE, &old[1]).unwrap_err();
            let refusal = [UnprotectError::KeyExpired, UnprotectError::Unauthenticated];
            assert!(refusal.contains(&late), "{name} {mkis:?} {late:?}");
            pair.rx.drop_expired(RETIRE);
            let late = at(&mut pair, RETIRE, &old[1]).unwrap_err();
            assert!(
                [UnprotectError::UnknownMki, UnprotectError::Unauthenticated].contains(&late),
                "{name} {late:?}"
            );
            assert!(at(&mut pair, RETIRE, &new[2]).is_ok(), "{name}");
            let info = pair.rx.stream(pair.receiver, pair.ssrc).unwrap();
            assert_eq!(info.index, Some(PacketIndex::new(1, 2)), "{name}: the ROC goes on");
            assert_eq!((info.stats.rtp, info.stats.rtcp), (5, 2), "{name}: counters outlive keys");
        }
    }
}

#[test]
fn a_forgery_during_a_rekey_changes_nothing() {
    for policy in [CM, GCM] {
        let mut pair = Pair::new(policy);
        pair.rx.rekey(pair.receiver, master(&policy, 9), RETIRE).unwrap();
        let packet = rtp(pair.ssrc, 7, b"payload of the old key");
        let protected = pair.protect_packet(&packet);
        let mut forged = protected.clone();
        forged[15] ^= 1;
        assert_eq!(pair.unprotect(&forged), Err(UnprotectError::Unauthenticated));
        // Each key's trial sees the packet as it came, also after an AEAD that failed.
        assert_eq!(pair.unprotect(&protected), Ok(packet));
    }
}

#[test]
fn outbound_keys_do_not_linger() {
    let mut pair = with_mki(CM, mki(1));
    pair.tx.rekey(pair.sender, master(&CM, 9).with_mki(mki(2)), Time::NEVER).unwrap();
    let protected = pair.protect(1, b"x");
    assert_eq!(protected[protected.len() - 14..][..4], [0, 0, 0, 2]);
    // The old key is gone, so its name is free again.
    assert!(pair.tx.rekey(pair.sender, master(&CM, 1).with_mki(mki(1)), Time::ZERO).is_ok());
}

#[test]
fn mkis_of_any_length() {
    for len in [1, 3, 7, 8, 128, 255] {
        for policy in [CM, GCM] {
            let name = Mki::new(&vec![0x5a; len]).unwrap();
            let mut pair = with_mki(policy, name);
            let packet = rtp(pair.ssrc, 1, b"x");
            let protected = pair.protect_packet(&packet);
            assert_eq!(protected.len(), packet.len() + len + usize::from(policy.tag_len));
            let mut other = protected.clone();
            let place = if policy == GCM { protected.len() - 1 } else { protected.len() - 11 };
            other[place] ^= 1;
            assert_eq!(pair.unprotect(&other), Err(UnprotectError::UnknownMki));
            assert_eq!(pair.unprotect(&protected), Ok(packet), "MKI of {len}");
            let report = rtcp(pair.ssrc, b"x");
            let protected = pair.protect_rtcp(&report);
            assert_eq!(pair.unprotect_rtcp(&protected), Ok(report), "MKI of {len}");
        }
    }
    assert!(Mki::new(&[0; 256]).is_err());
}

#[test]
fn mkis_are_of_one_length_and_each_is_used_once() {
    let mut pair = with_mki(CM, mki(1));
    let rekey = |pair: &mut Pair, key: MasterKey| pair.rx.rekey(pair.receiver, key, RETIRE);
    assert_eq!(rekey(&mut pair, master(&CM, 9)), Err(InstallError::MkiLen));
    let long = Mki::new(&[1; 5]).unwrap();
    assert_eq!(rekey(&mut pair, master(&CM, 9).with_mki(long)), Err(InstallError::MkiLen));
    assert_eq!(rekey(&mut pair, master(&CM, 9).with_mki(mki(1))), Err(InstallError::MkiInUse));
    assert_eq!(rekey(&mut pair, master(&CM, 9).with_mki(mki(2))), Ok(()));
}

#[test]
fn from_and_to_choose_the_key() {
    for policy in [CM, GCM, SrtpPolicy { kdr: 16, ..CM }] {
        let range =
            |from, to| Validity::Range { from: PacketIndex::from_u64(from), to: PacketIndex::from_u64(to) };
        let change = |install: Install| Install { key: install.key.with_validity(range(0, 99)), ..install };
        let mut pair = Pair::with(policy, StartIndex::BEGIN, change);
        for (number, from) in [(1u8, 100), (2, 200)] {
            let key = || master(&policy, 20 + number).with_validity(range(from, from + 99));
            pair.tx.rekey(pair.sender, key(), Time::NEVER).unwrap();
            pair.rx.rekey(pair.receiver, key(), Time::NEVER).unwrap();
        }
        let packets: Vec<_> =
            [98u16, 99, 100, 101, 199, 200, 299].map(|seq| (seq, pair.protect(seq, b"x"))).into();
        // Late ones come under their own key.
        for at in [0, 2, 1, 5, 4, 3, 6] {
            assert!(pair.unprotect(&packets[at].1).is_ok(), "{}", packets[at].0);
        }
        let packet = rtp(pair.ssrc, 300, b"x");
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let beyond = pair.tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len());
        assert_eq!(beyond, Err(ProtectError::NoKey));
        let wrong_key = Pair::new(policy).protect(301, b"x");
        assert_eq!(pair.unprotect(&wrong_key), Err(UnprotectError::KeyExpired));
    }
    let backwards = Validity::Range { from: PacketIndex::from_u64(2), to: PacketIndex::from_u64(1) };
    let key = master(&CM, 1).with_validity(backwards);
    let install = common::install(Direction::Inbound, Ssrcs::Any, CM, key);
    assert_eq!(common::db().install(install), Err(InstallError::Validity));
}

#[test]
fn the_number_of_keys_is_bounded() {
    let mut pair = Pair::new(CM);
    for seed in 10..10 + limits::MAX_KEYS as u8 {
        pair.rx.rekey(pair.receiver, master(&CM, seed), Time::NEVER).unwrap();
    }
    let first = pair.protect(1, b"x");
    assert_eq!(pair.unprotect(&first), Err(UnprotectError::Unauthenticated), "the oldest key went");
    pair.tx.rekey(pair.sender, master(&CM, 11), Time::ZERO).unwrap();
    let kept = pair.protect(2, b"x");
    assert!(pair.unprotect(&kept).is_ok());
}
