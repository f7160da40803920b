//! The context database: who may bind, who may not, what goes when.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{crypto, db, here, install, master, octets, rtcp, rtp};
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{PolicyError, SrtpPolicy};
use mikey_srtp::{
    ContextDb, DbConfig, Destination, Direction, InboundPacket, Install, InstallError, MasterKey, Mki, Owner,
    PacketIndex, ProtectError, Ssrc, Ssrcs, StartIndex, Time, UnprotectError, limits,
};

const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
const GCM: SrtpPolicy = SrtpPolicy::AEAD_AES_256_GCM;

/// A packet as some sender would send it.
fn sent(policy: SrtpPolicy, key: MasterKey, ssrc: u32, seq: u16) -> Vec<u8> {
    let mut tx = db();
    tx.install(install(Direction::Outbound, Ssrcs::Any, policy, key)).unwrap();
    let packet = rtp(Ssrc(ssrc), seq, b"payload");
    let mut buffer = [&packet[..], &[0; 64]].concat();
    let len = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len;
    buffer.truncate(len);
    buffer
}

fn inbound(owner: u64, policy: SrtpPolicy, seed: u8) -> Install {
    Install { owner: Owner(owner), ..install(Direction::Inbound, Ssrcs::Any, policy, master(&policy, seed)) }
}

fn receive(rx: &mut ContextDb, packet: &[u8]) -> Result<mikey_srtp::Accepted, UnprotectError> {
    rx.unprotect_rtp(Time::ZERO, here(), &mut packet.to_vec())
}

#[test]
fn a_late_ssrc_is_bound_by_its_first_authentic_packet_only() {
    for policy in [CM, GCM] {
        let mut rx = db();
        let id = rx.install(inbound(7, policy, 1)).unwrap();
        let packet = sent(policy, master(&policy, 1), 0x11, 5);
        let mut forged = packet.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(receive(&mut rx, &forged), Err(UnprotectError::Unauthenticated));
        assert!(rx.is_empty(), "a forgery binds nothing");
        let accepted = receive(&mut rx, &packet).unwrap();
        assert_eq!((accepted.owner, accepted.sender, accepted.bound), (Owner(7), id, true));
        assert_eq!((accepted.ssrc, accepted.index), (Ssrc(0x11), PacketIndex::new(0, 5)));
        let again = receive(&mut rx, &sent(policy, master(&policy, 1), 0x11, 6)).unwrap();
        assert!(!again.bound);
        assert_eq!(receive(&mut rx, &packet), Err(UnprotectError::Replayed));
        assert_eq!(rx.len(), 1);
    }
}

#[test]
fn a_late_ssrc_goes_to_the_sender_whose_key_is_right() {
    for policies in [[CM, CM, CM], [GCM, GCM, GCM], [CM, GCM, CM]] {
        let mut rx = db();
        for (at, policy) in policies.into_iter().enumerate() {
            rx.install(inbound(at as u64, policy, 10 + at as u8)).unwrap();
        }
        for (at, policy) in policies.into_iter().enumerate() {
            let packet = sent(policy, master(&policy, 10 + at as u8), at as u32, 1);
            assert_eq!(receive(&mut rx, &packet).unwrap().owner, Owner(at as u64), "{policies:?}");
        }
        let stranger = sent(CM, master(&CM, 99), 50, 1);
        assert_eq!(receive(&mut rx, &stranger), Err(UnprotectError::Unauthenticated));
    }
}

#[test]
fn an_ssrc_has_one_sender_at_a_destination() {
    let mut rx = db();
    rx.install(inbound(1, CM, 1)).unwrap();
    rx.install(inbound(2, CM, 2)).unwrap();
    assert!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x11, 1)).is_ok());
    // Another authenticated sender with the same SSRC: a collision, which is told apart from a forgery.
    assert_eq!(receive(&mut rx, &sent(CM, master(&CM, 2), 0x11, 2)), Err(UnprotectError::SsrcCollision));
    assert_eq!(receive(&mut rx, &sent(CM, master(&CM, 3), 0x11, 2)), Err(UnprotectError::Unauthenticated));
    assert!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x11, 2)).is_ok(), "the first sender goes on");
    assert_eq!(rx.stats().collisions, 1);
    let named = install(Direction::Inbound, Ssrcs::one(Ssrc(0x11)), CM, master(&CM, 4));
    assert_eq!(rx.install(named), Err(InstallError::SsrcInUse));
    let twice = Ssrcs::These(vec![(Ssrc(1), StartIndex::BEGIN), (Ssrc(1), StartIndex::BEGIN)]);
    assert_eq!(
        rx.install(install(Direction::Inbound, twice, CM, master(&CM, 5))),
        Err(InstallError::SsrcInUse)
    );
}

/// An AEAD spoils a packet that is not its own, so the first one only raises the suspicion.
#[test]
fn a_collision_under_an_aead_is_seen_at_its_second_packet() {
    for (first, second) in [(GCM, GCM), (GCM, CM)] {
        let mut rx = db();
        rx.install(inbound(1, first, 1)).unwrap();
        rx.install(inbound(2, second, 2)).unwrap();
        let own = |seq| sent(first, master(&first, 1), 0x11, seq);
        let other = |seq| sent(second, master(&second, 2), 0x11, seq);
        let stranger = |seq| sent(first, master(&first, 3), 0x11, seq);
        assert!(receive(&mut rx, &own(1)).is_ok());
        assert_eq!(receive(&mut rx, &other(2)), Err(UnprotectError::Unauthenticated));
        assert!(receive(&mut rx, &own(2)).is_ok(), "the stream goes on under suspicion");
        assert_eq!(receive(&mut rx, &own(2)), Err(UnprotectError::Replayed));
        assert_eq!(receive(&mut rx, &other(3)), Err(UnprotectError::SsrcCollision));
        // A forgery is none, however often it comes.
        for seq in 3..9 {
            assert_eq!(receive(&mut rx, &stranger(seq)), Err(UnprotectError::Unauthenticated), "{seq}");
        }
        assert!(receive(&mut rx, &own(3)).is_ok());
        let mut batch = [other(4), other(5)];
        let mut items = batch.each_mut().map(|packet| InboundPacket::new(here(), packet));
        rx.unprotect_rtp_batch(Time::ZERO, &mut items);
        assert!(items.iter().any(|item| item.outcome == Err(UnprotectError::SsrcCollision)));
        assert_eq!((rx.stats().collisions, rx.len()), (2, 1));
    }
}

#[test]
fn a_collision_of_srtcp_is_told_apart_from_a_forgery() {
    let report = |policy: SrtpPolicy, seed| {
        let mut tx = db();
        let ssrcs = Ssrcs::one(Ssrc(0x11));
        let id = tx.install(install(Direction::Outbound, ssrcs, policy, master(&policy, seed))).unwrap();
        // Else it would be refused as a replay before anything is computed.
        assert!(tx.set_next_rtcp_index(id, Ssrc(0x11), u32::from(seed)));
        let packet = rtcp(Ssrc(0x11), b"report");
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let len = tx.protect_rtcp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len;
        buffer.truncate(len);
        buffer
    };
    for policy in [CM, GCM] {
        let mut rx = db();
        rx.install(inbound(1, policy, 1)).unwrap();
        rx.install(inbound(2, policy, 2)).unwrap();
        let mut outcome = |seed| rx.unprotect_rtcp(Time::ZERO, here(), &mut report(policy, seed));
        assert!(outcome(1).is_ok());
        assert_eq!(outcome(2), Err(UnprotectError::SsrcCollision));
        assert_eq!(outcome(3), Err(UnprotectError::Unauthenticated));
    }
}

#[test]
fn an_ssrc_of_both_directions_of_one_session_is_reported() {
    let mut both = db();
    let ours = |owner, ssrc, seed| Install {
        owner: Owner(owner),
        destination: Destination::flow(owner as u32),
        ..install(Direction::Outbound, Ssrcs::one(Ssrc(ssrc)), CM, master(&CM, seed))
    };
    let us = both.install(ours(7, 0x11, 1)).unwrap();
    let them = both.install(inbound(7, CM, 2)).unwrap();
    // Another session's SSRCs are its own affair.
    both.install(ours(8, 0x12, 3)).unwrap();
    for (ssrc, clash) in [(0x10, false), (0x12, false), (0x11, true)] {
        assert!(!both.stream(us, Ssrc(0x11)).unwrap().clash);
        let accepted = receive(&mut both, &sent(CM, master(&CM, 2), ssrc, 1)).unwrap();
        assert_eq!((accepted.bound, accepted.clash), (true, clash), "{ssrc:x}");
        assert_eq!(both.stream(them, Ssrc(ssrc)).unwrap().clash, clash);
    }
    assert!(both.stream(us, Ssrc(0x11)).unwrap().clash);
    assert_eq!(both.stats().clashes, 1);
    // Told at an installation as well.
    both.add_ssrc(us, Ssrc(0x10), StartIndex::BEGIN).unwrap();
    assert!(both.stream(us, Ssrc(0x10)).unwrap().clash);
    assert_eq!(both.stats().clashes, 2);
    both.remove(us);
    assert!(!both.stream(them, Ssrc(0x11)).unwrap().clash, "we have chosen another");
}

#[test]
fn owners_and_keys_are_found_after_any_removal() {
    let mut many = db();
    let install = |many: &mut ContextDb, owner: u64, ssrc: u32| {
        let key = SecretBytes::copy_from(&[&ssrc.to_be_bytes()[..], &[0; 12]].concat());
        let key = MasterKey::new(key, SecretBytes::zeroed(14));
        let ssrcs = Ssrcs::one(Ssrc(ssrc));
        many.install(Install { owner: Owner(owner), ..install(Direction::Outbound, ssrcs, CM, key) })
    };
    let ids: Vec<_> = (0..300).map(|ssrc| install(&mut many, u64::from(ssrc % 3), ssrc).unwrap()).collect();
    for (ssrc, id) in (0..300u32).zip(&ids).filter(|(ssrc, _)| ssrc % 5 == 0) {
        assert_eq!(install(&mut many, 9, 1000 + ssrc).map(|_| ()), Ok(()));
        assert!(many.remove(*id));
    }
    for ssrc in 0..300u32 {
        let known = many.uses(Owner(u64::from(ssrc % 3)), Direction::Outbound, Ssrc(ssrc));
        assert_eq!(known, ssrc % 5 != 0, "{ssrc}");
        if ssrc % 5 != 0 {
            let again = install(&mut many, 50, ssrc + 5000).unwrap();
            assert!(many.remove(again));
        }
    }
    assert_eq!(many.remove_owner(Owner(1)), 80);
    assert_eq!(many.remove_owner(Owner(9)), 60);
    assert_eq!(many.remove_owner(Owner(0)) + many.remove_owner(Owner(2)), 160);
    assert!(many.is_empty());
    assert!(install(&mut many, 77, 1).is_ok(), "its key is nobody's");
}

#[test]
fn a_sender_has_a_bounded_number_of_late_ssrcs() {
    let mut rx = db();
    rx.install(inbound(1, CM, 1)).unwrap();
    let mut tx = db();
    tx.install(install(Direction::Outbound, Ssrcs::Any, CM, master(&CM, 1))).unwrap();
    let mut protect = |ssrc: u32| {
        let packet = rtp(Ssrc(ssrc), 1, b"x");
        let mut buffer = [&packet[..], &[0; 64]].concat();
        let len = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len())?.len;
        buffer.truncate(len);
        Ok::<_, ProtectError>(buffer)
    };
    for ssrc in 0..limits::MAX_SSRCS_PER_WILDCARD {
        assert!(receive(&mut rx, &protect(ssrc).unwrap()).is_ok());
    }
    assert_eq!(protect(1000), Err(ProtectError::UnknownStream));
    let more = sent(CM, master(&CM, 1), 1000, 1);
    assert_eq!(receive(&mut rx, &more), Err(UnprotectError::TooManySsrcs));
    assert_eq!(rx.len(), 64);
}

#[test]
fn one_key_never_serves_two_senders() {
    let mut both = db();
    let first = both.install(install(Direction::Outbound, Ssrcs::one(Ssrc(1)), CM, master(&CM, 1))).unwrap();
    // Our own key for what the peer sends: two senders under one key.
    let reflected = install(Direction::Inbound, Ssrcs::one(Ssrc(2)), CM, master(&CM, 1));
    assert_eq!(both.install(Install { owner: Owner(1), ..reflected }), Err(InstallError::KeyInUse));
    let other = install(Direction::Outbound, Ssrcs::one(Ssrc(3)), CM, master(&CM, 1));
    assert_eq!(both.install(Install { owner: Owner(9), ..other }), Err(InstallError::KeyInUse));
    let peer = both.install(install(Direction::Inbound, Ssrcs::one(Ssrc(2)), CM, master(&CM, 2))).unwrap();
    assert_eq!(both.rekey(peer, master(&CM, 1), Time::NEVER), Err(InstallError::KeyInUse));
    assert!(both.remove(first));
    assert_eq!(both.rekey(peer, master(&CM, 1), Time::NEVER), Ok(()), "a key that is gone is nobody's");
}

#[test]
fn destinations_are_told_apart() {
    let mut tx = db();
    let there = Destination::new([192, 0, 2, 9].into(), 5004);
    for (to, seed) in [(here(), 1), (there, 2)] {
        let install = install(Direction::Outbound, Ssrcs::one(Ssrc(7)), CM, master(&CM, seed));
        tx.install(Install { destination: to, ..install }).unwrap();
    }
    let packet = rtp(Ssrc(7), 1, b"x");
    let mut protect = |to| {
        let mut buffer = [&packet[..], &[0; 64]].concat();
        tx.protect_rtp(Time::ZERO, to, &mut buffer, packet.len()).map(|done| buffer[..done.len].to_vec())
    };
    assert_ne!(protect(here()).unwrap(), protect(there).unwrap());
    assert_eq!(protect(Destination::new([192, 0, 2, 9].into(), 5006)), Err(ProtectError::UnknownStream));
    let mapped: std::net::SocketAddr = "[::ffff:192.0.2.9]:5004".parse().unwrap();
    assert_eq!(Destination::from(mapped), there, "a dual-stack socket's addresses");
}

#[test]
fn what_is_removed_is_gone() {
    let mut rx = db();
    let id = rx.install(inbound(7, CM, 1)).unwrap();
    assert!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x11, 1)).is_ok());
    assert!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x12, 1)).is_ok());
    assert_eq!(rx.streams(id).count(), 2);
    assert!(rx.remove(id));
    assert!(!rx.remove(id));
    assert_eq!((rx.len(), rx.streams(id).count()), (0, 0));
    assert_eq!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x11, 2)), Err(UnprotectError::UnknownStream));
    let next = rx.install(inbound(8, CM, 1)).unwrap();
    assert_ne!(id, next, "an old name does not reach the new sender");
    assert!(!rx.remove(id));
    assert_eq!(rx.rekey(id, master(&CM, 2), Time::NEVER), Err(InstallError::UnknownSender));
    assert_eq!(rx.add_ssrc(id, Ssrc(1), StartIndex::BEGIN), Err(InstallError::UnknownSender));
    assert!(!rx.set_index(id, Ssrc(1), StartIndex::BEGIN));
    rx.install(Install { owner: Owner(8), ..install(Direction::Outbound, Ssrcs::Any, CM, master(&CM, 3)) })
        .unwrap();
    assert_eq!(rx.remove_owner(Owner(8)), 2);
    assert_eq!(rx.remove_owner(Owner(8)), 0);
}

#[test]
fn a_rekey_reaches_late_ssrcs_too() {
    let mut rx = db();
    let id = rx.install(inbound(7, CM, 1)).unwrap();
    assert!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x11, 1)).is_ok());
    rx.rekey(id, master(&CM, 2), Time::from_millis(5000)).unwrap();
    for (seed, ssrc, seq) in [(2, 0x11, 2), (2, 0x12, 1), (1, 0x11, 3), (1, 0x13, 1)] {
        let accepted = receive(&mut rx, &sent(CM, master(&CM, seed), ssrc, seq));
        assert_eq!(accepted.map(|a| a.sender), Ok(id), "key {seed}, SSRC {ssrc:x}");
    }
    rx.drop_expired(Time::from_millis(5000));
    assert_eq!(receive(&mut rx, &sent(CM, master(&CM, 1), 0x14, 1)), Err(UnprotectError::Unauthenticated));
    assert!(receive(&mut rx, &sent(CM, master(&CM, 2), 0x14, 1)).is_ok());
}

#[test]
fn listed_ssrcs_keep_others_out() {
    let mut rx = db();
    let id = rx.install(install(Direction::Inbound, Ssrcs::one(Ssrc(1)), CM, master(&CM, 1))).unwrap();
    let other = sent(CM, master(&CM, 1), 2, 1);
    assert_eq!(receive(&mut rx, &other), Err(UnprotectError::UnknownStream));
    rx.add_ssrc(id, Ssrc(2), StartIndex::BEGIN).unwrap();
    assert_eq!(rx.add_ssrc(id, Ssrc(2), StartIndex::BEGIN), Err(InstallError::SsrcInUse));
    assert!(receive(&mut rx, &other).is_ok());
}

#[test]
fn roc_and_seq_are_set_and_read() {
    let mut rx = db();
    let start = StartIndex::At(PacketIndex::new(77, 0xfff0));
    let ssrcs = Ssrcs::These(vec![(Ssrc(1), start)]);
    let id = rx.install(install(Direction::Inbound, ssrcs, CM, master(&CM, 1))).unwrap();
    let info = rx.stream(id, Ssrc(1)).unwrap();
    assert_eq!((info.index, info.roc), (Some(PacketIndex::new(77, 0xfff0)), 77));
    assert!(rx.set_index(id, Ssrc(1), StartIndex::Roc(5)));
    let info = rx.stream(id, Ssrc(1)).unwrap();
    assert_eq!((info.index, info.roc), (None, 5));
    assert_eq!(rx.stream(id, Ssrc(2)), None);
}

#[test]
fn srtcp_binds_too() {
    let mut tx = db();
    tx.install(install(Direction::Outbound, Ssrcs::Any, GCM, master(&GCM, 1))).unwrap();
    let report = rtcp(Ssrc(0x31), b"report");
    let mut buffer = [&report[..], &[0; 64]].concat();
    let done = tx.protect_rtcp(Time::ZERO, here(), &mut buffer, report.len()).unwrap();
    assert_eq!((done.index, done.ssrc), (0, Ssrc(0x31)));
    let mut rx = db();
    rx.install(inbound(1, CM, 8)).unwrap();
    rx.install(inbound(2, GCM, 1)).unwrap();
    let accepted = rx.unprotect_rtcp(Time::ZERO, here(), &mut buffer[..done.len]).unwrap();
    assert_eq!((accepted.owner, accepted.bound, accepted.len), (Owner(2), true, report.len()));
    assert_eq!(buffer[..accepted.len], report);
}

#[test]
fn misfits_are_refused_and_leave_nothing() {
    let mut tx = db();
    let secret = |len| SecretBytes::copy_from(&octets(1, len));
    let key = |key_len, salt_len| MasterKey::new(secret(key_len), secret(salt_len));
    let cases = [
        (CM, key(15, 14), InstallError::MasterKeyLen),
        (CM, key(0, 14), InstallError::MasterKeyLen),
        (SrtpPolicy::AES_CM_256_HMAC_SHA1_80, key(16, 14), InstallError::MasterKeyLen),
        (CM, key(16, 15), InstallError::MasterSaltLen),
        (GCM, key(32, 14), InstallError::MasterSaltLen),
        (SrtpPolicy { kdr: 3, ..CM }, key(16, 14), InstallError::Policy(PolicyError::Kdr)),
    ];
    for (policy, key, error) in cases {
        assert_eq!(tx.install(install(Direction::Outbound, Ssrcs::Any, policy, key)), Err(error));
    }
    for window in [0, 63, 32_769] {
        let install = Install { window, ..install(Direction::Outbound, Ssrcs::Any, CM, master(&CM, 1)) };
        assert_eq!(tx.install(install), Err(InstallError::Window));
    }
    let packet = rtp(Ssrc(7), 1, b"x");
    let mut buffer = [&packet[..], &[0; 64]].concat();
    let nobody = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len());
    assert_eq!(nobody, Err(ProtectError::UnknownStream));
    let mut small = ContextDb::new(crypto(), DbConfig { max_streams: 1, ..DbConfig::new([1, 2]) });
    small.install(install(Direction::Inbound, Ssrcs::one(Ssrc(1)), CM, master(&CM, 1))).unwrap();
    let second = install(Direction::Inbound, Ssrcs::one(Ssrc(2)), CM, master(&CM, 1));
    assert_eq!(small.install(second), Err(InstallError::Full));
}

#[test]
fn a_master_salt_may_be_shorter_than_the_session_salt() {
    let mut tx = db();
    let key = MasterKey::new(SecretBytes::copy_from(&octets(1, 16)), SecretBytes::copy_from(&[1, 2, 3]));
    assert!(tx.install(install(Direction::Outbound, Ssrcs::Any, CM, key.with_mki(Mki::none()))).is_ok());
}

#[test]
fn many_contexts() {
    let mut tx = db();
    let count = 20_000u32;
    let ids: Vec<_> = (0..count)
        .map(|ssrc| {
            let key = SecretBytes::copy_from(&[&ssrc.to_be_bytes()[..], &[0; 12]].concat());
            let key = MasterKey::new(key, SecretBytes::zeroed(14));
            tx.install(install(Direction::Outbound, Ssrcs::one(Ssrc(ssrc)), CM, key)).unwrap()
        })
        .collect();
    assert_eq!(tx.len(), count as usize);
    for id in ids.iter().step_by(2) {
        assert!(tx.remove(*id));
    }
    for ssrc in 0..count {
        let packet = rtp(Ssrc(ssrc), 1, b"x");
        let mut buffer = [&packet[..], &[0; 16]].concat();
        let outcome = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len());
        assert_eq!(outcome.is_ok(), ssrc % 2 == 1, "{ssrc}");
    }
}

#[test]
fn an_mki_finds_its_wildcard_sender_among_many() {
    for policy in [CM, GCM, SrtpPolicy::AES_CM_128_HMAC_SHA1_32] {
        let key = |n: u8| master(&policy, n).with_mki(Mki::new(&[9, 9, 0, n]).unwrap());
        let mut rx = db();
        for n in 1..=100 {
            let install = Install { owner: Owner(n.into()), ..inbound(n.into(), policy, n) };
            rx.install(Install { key: key(n), ..install }).unwrap();
        }
        for n in (1..=100).rev() {
            let accepted = receive(&mut rx, &sent(policy, key(n), 0x1000 + u32::from(n), 1)).unwrap();
            assert_eq!((accepted.owner, accepted.bound), (Owner(n.into()), true));
        }
        let stranger = master(&policy, 200).with_mki(Mki::new(&[1, 2, 3, 4]).unwrap());
        assert!(receive(&mut rx, &sent(policy, stranger, 7, 1)).is_err());
    }
}
