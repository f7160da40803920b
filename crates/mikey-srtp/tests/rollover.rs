//! Wrap-around at 2^16, 2^32 and 2^48, and the limits of a key.
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
    Install, Lifetime, MasterKey, PacketIndex, ProtectError, StartIndex, Time, UnprotectError, limits,
};

const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

#[test]
fn seq_wraps_and_the_roc_follows() {
    for (name, policy) in policies() {
        for roc in [0, 7, 0xffff, 0x7fff_ffff, u32::MAX - 1] {
            let mut pair = Pair::with(policy, StartIndex::Roc(roc), |install| install);
            for seq in [65_533u16, 65_534, 65_535, 0, 1, 2, 32_000, 64_000, 65_535, 0] {
                let packet = rtp(pair.ssrc, seq, b"wrap");
                let protected = pair.protect_packet(&packet);
                assert_eq!(pair.unprotect(&protected).as_deref(), Ok(&packet[..]), "{name}: {roc:x} {seq}");
                if roc == u32::MAX - 1
                    && seq == 65_535
                    && pair.tx.stream(pair.sender, pair.ssrc).unwrap().roc == u32::MAX
                {
                    break;
                }
            }
            assert_eq!(
                pair.rx.stream(pair.receiver, pair.ssrc).unwrap().roc,
                roc.saturating_add(2),
                "{name}"
            );
        }
    }
}

#[test]
fn reordering_across_the_wrap() {
    for (name, policy) in policies() {
        let mut pair = Pair::new(policy);
        let packets: Vec<_> = [65_530u16, 65_535, 0, 1].map(|seq| pair.protect(seq, b"x")).into();
        for at in [0, 2, 1, 3] {
            assert!(pair.unprotect(&packets[at]).is_ok(), "{name}: {at}");
        }
        assert_eq!(
            pair.rx.stream(pair.receiver, pair.ssrc).unwrap().index,
            Some(PacketIndex::new(1, 1)),
            "{name}"
        );
    }
}

#[test]
fn the_index_does_not_wrap_at_48_bits_without_a_new_key() {
    for (name, policy) in policies() {
        let start = StartIndex::At(PacketIndex::new(u32::MAX, 65_533));
        let mut pair = Pair::with(policy, start, |install| install);
        let last = pair.protect(65_535, b"last");
        assert!(pair.unprotect(&last).is_ok(), "{name}");
        let packet = rtp(pair.ssrc, 0, b"over");
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let over = pair.tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len());
        assert_eq!(over, Err(ProtectError::KeyExhausted), "{name}");

        pair.tx.rekey(pair.sender, master(&policy, 9), Time::ZERO).unwrap();
        pair.rx.rekey(pair.receiver, master(&policy, 9), Time::from_millis(5000)).unwrap();
        for seq in [0, 1] {
            let packet = rtp(pair.ssrc, seq, b"on");
            let protected = pair.protect_packet(&packet);
            assert_eq!(pair.unprotect(&protected).as_deref(), Ok(&packet[..]), "{name}");
        }
        assert_eq!(
            pair.rx.stream(pair.receiver, pair.ssrc).unwrap().index,
            Some(PacketIndex::new(0, 1)),
            "{name}"
        );
    }
}

#[test]
fn the_receiver_refuses_a_wrap_under_one_key() {
    // A sender that is not ours goes on; its packets are authentic, with an index that was used before.
    let policy = SrtpPolicy { kdr: 0, ..CM };
    let mut pair = Pair::with(policy, StartIndex::At(PacketIndex::MAX), |install| install);
    let mut other = Pair::new(policy);
    let last = pair.protect(65_534, b"x");
    assert!(pair.unprotect(&last).is_ok());
    let wrapped = other.protect(0, b"x");
    assert_eq!(pair.unprotect(&wrapped), Err(UnprotectError::KeyExhausted));
}

#[test]
fn srtcp_counts_to_31_bits() {
    for (name, policy) in policies() {
        let mut pair = Pair::new(policy);
        assert!(pair.tx.set_next_rtcp_index(pair.sender, pair.ssrc, 0x7fff_ffff));
        let packet = rtcp(pair.ssrc, b"last");
        let protected = pair.protect_rtcp(&packet);
        assert_eq!(pair.unprotect_rtcp(&protected).as_deref(), Ok(&packet[..]), "{name}");
        assert_eq!(pair.tx.stream(pair.sender, pair.ssrc).unwrap().next_rtcp_index, 0, "{name}");
        // A rekey does not reset the index (RFC 3711 section 3.2.1), and each key has its own replay list.
        pair.tx.rekey(pair.sender, master(&policy, 9), Time::ZERO).unwrap();
        pair.rx.rekey(pair.receiver, master(&policy, 9), Time::from_millis(5000)).unwrap();
        let protected = pair.protect_rtcp(&packet);
        assert_eq!(pair.unprotect_rtcp(&protected).as_deref(), Ok(&packet[..]), "{name}");
    }
}

fn with_lifetime(lifetime: Lifetime) -> Pair {
    let change = move |install: Install| Install { key: install.key.with_lifetime(lifetime), ..install };
    Pair::with(CM, StartIndex::BEGIN, change)
}

// R11.6
#[test]
fn a_key_stops_at_its_packets() {
    let mut pair = with_lifetime(Lifetime { srtp_packets: 32, srtcp_packets: 16, until: Time::NEVER });
    for seq in 0..32u16 {
        let packet = rtp(pair.ssrc, seq, b"x");
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let done = pair.tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap();
        assert_eq!(done.rekey_due, seq >= 29, "{seq}");
        let accepted = pair.rx.unprotect_rtp(Time::ZERO, here(), &mut buffer[..done.len]).unwrap();
        assert_eq!(accepted.rekey_due, seq >= 29, "{seq}");
    }
    let packet = rtp(pair.ssrc, 32, b"x");
    let mut buffer = [&packet[..], &[0; 64]].concat();
    let over = pair.tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len());
    assert_eq!(over, Err(ProtectError::KeyExhausted));
    // A receiver counts for itself.
    let from_elsewhere = Pair::new(CM).protect(33, b"x");
    assert_eq!(pair.unprotect(&from_elsewhere), Err(UnprotectError::KeyExhausted));

    for _ in 0..16 {
        let protected = pair.protect_rtcp(&rtcp(pair.ssrc, b"x"));
        assert!(pair.unprotect_rtcp(&protected).is_ok());
    }
    let packet = rtcp(pair.ssrc, b"x");
    let mut buffer = [&packet[..], &[0; 64]].concat();
    let over = pair.tx.protect_rtcp(Time::ZERO, here(), &mut buffer, packet.len());
    assert_eq!(over, Err(ProtectError::KeyExhausted));
    let mut elsewhere = Pair::new(CM);
    assert!(elsewhere.tx.set_next_rtcp_index(elsewhere.sender, elsewhere.ssrc, 50));
    let protected = elsewhere.protect_rtcp(&packet);
    assert_eq!(pair.unprotect_rtcp(&protected), Err(UnprotectError::KeyExhausted));
    assert_eq!(pair.rx.stats().exhausted, 2);
}

// R11.6
#[test]
fn a_key_stops_at_its_time() {
    let until = Time::from_millis(1000);
    let mut pair = with_lifetime(Lifetime { until, ..Lifetime::RFC3711 });
    let protected = pair.protect(1, b"x");
    let late = pair.rx.unprotect_rtp(until, here(), &mut protected.clone());
    assert_eq!(late.map(|a| a.len), Err(UnprotectError::KeyExpired));
    assert!(pair.unprotect(&protected).is_ok());
    let packet = rtp(pair.ssrc, 2, b"x");
    let mut buffer = [&packet[..], &[0; 64]].concat();
    let late = pair.tx.protect_rtp(until, here(), &mut buffer, packet.len());
    assert_eq!(late, Err(ProtectError::KeyExpired));
    let packet = rtcp(pair.ssrc, b"x");
    let mut buffer = [&packet[..], &[0; 64]].concat();
    assert_eq!(pair.tx.protect_rtcp(until, here(), &mut buffer, packet.len()), Err(ProtectError::KeyExpired));
    let protected = pair.protect_rtcp(&packet);
    let late = pair.rx.unprotect_rtcp(until, here(), &mut protected.clone());
    assert_eq!(late.map(|a| a.len), Err(UnprotectError::KeyExpired));
}

#[test]
fn lifetimes_beyond_the_rfc_are_refused() {
    for lifetime in [
        Lifetime { srtp_packets: 0, ..Lifetime::RFC3711 },
        Lifetime { srtp_packets: limits::MAX_SRTP_PACKETS + 1, ..Lifetime::RFC3711 },
        Lifetime { srtcp_packets: 0, ..Lifetime::RFC3711 },
        Lifetime { srtcp_packets: limits::MAX_SRTCP_PACKETS + 1, ..Lifetime::RFC3711 },
    ] {
        let key: MasterKey = master(&CM, 1).with_lifetime(lifetime);
        let ssrcs = mikey_srtp::Ssrcs::Any;
        let install = common::install(mikey_srtp::Direction::Outbound, ssrcs, CM, key);
        assert_eq!(common::db().install(install), Err(mikey_srtp::InstallError::Validity), "{lifetime:?}");
    }
}
