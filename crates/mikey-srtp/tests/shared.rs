//! The database for many cores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]
#![cfg(feature = "std")]

mod common;

use std::thread;

use common::{crypto, here, install, master, octets, rtcp, rtp};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{
    DbConfig, Direction, Install, InstallError, Owner, SharedDb, Ssrc, Ssrcs, StartIndex, Time,
    UnprotectError,
};

const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

fn shared() -> SharedDb {
    SharedDb::new(crypto(), DbConfig::new([7, 8]), 8)
}

#[test]
fn cores_work_beside_each_other() {
    let (tx, rx) = (shared(), shared());
    let count = 64u32;
    let named = |direction, ssrc: u32| {
        let key = master(&CM, ssrc as u8);
        install(direction, Ssrcs::one(Ssrc(ssrc)), CM, key)
    };
    let senders: Vec<_> =
        (0..count).map(|ssrc| tx.install(named(Direction::Outbound, ssrc)).unwrap()).collect();
    for ssrc in 0..count {
        rx.install(named(Direction::Inbound, ssrc)).unwrap();
    }
    thread::scope(|scope| {
        for part in 0..4 {
            let (tx, rx) = (&tx, &rx);
            scope.spawn(move || {
                for seq in 0..200 {
                    for ssrc in (part..count).step_by(4) {
                        let packet = rtp(Ssrc(ssrc), seq, &octets(seq as u8, 100));
                        let mut buffer = [&packet[..], &[0; 32]].concat();
                        let len = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len;
                        let len = rx.unprotect_rtp(Time::ZERO, here(), &mut buffer[..len]).unwrap().len;
                        assert_eq!(buffer[..len], packet);
                    }
                }
            });
        }
    });
    assert_eq!((tx.stats().protected, rx.stats().accepted), (12_800, 12_800));
    assert_eq!((tx.len(), tx.streams(&senders[5]).len()), (64, 1));
    for sender in senders {
        tx.remove(sender);
    }
    assert!(tx.is_empty());
}

#[test]
fn wildcards_rekeys_and_many_ssrcs() {
    let (tx, rx) = (shared(), shared());
    let list = Ssrcs::These((0..20).map(|ssrc| (Ssrc(ssrc), StartIndex::BEGIN)).collect());
    let mut sender = tx.install(install(Direction::Outbound, list, CM, master(&CM, 1))).unwrap();
    let mut receiver = rx.install(install(Direction::Inbound, Ssrcs::Any, CM, master(&CM, 1))).unwrap();
    let exchange = |seq| {
        for ssrc in 0..20 {
            let packet = rtp(Ssrc(ssrc), seq, b"payload");
            let mut buffer = [&packet[..], &[0; 32]].concat();
            let len = tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len;
            let accepted = rx.unprotect_rtp(Time::ZERO, here(), &mut buffer[..len]).unwrap();
            assert_eq!((accepted.owner, buffer[..accepted.len].to_vec()), (Owner(2), packet));
            let report = rtcp(Ssrc(ssrc), b"report..");
            let mut buffer = [&report[..], &[0; 32]].concat();
            let len = tx.protect_rtcp(Time::ZERO, here(), &mut buffer, report.len()).unwrap().len;
            assert_eq!(rx.unprotect_rtcp(Time::ZERO, here(), &mut buffer[..len]).unwrap().len, report.len());
        }
    };
    exchange(1);
    rx.rekey(&mut receiver, master(&CM, 2), Time::from_millis(5000)).unwrap();
    tx.rekey(&mut sender, master(&CM, 2), Time::ZERO).unwrap();
    exchange(2);
    rx.drop_expired(Time::from_millis(5000));
    assert_eq!(rx.streams(&receiver).len(), 20);
    let mut stranger = rtp(Ssrc(99), 1, &[0; 40]);
    assert_eq!(rx.unprotect_rtp(Time::ZERO, here(), &mut stranger), Err(UnprotectError::Unauthenticated));
}

#[test]
fn one_key_never_serves_two_senders_in_any_shard() {
    let db = shared();
    let named = |owner, direction, ssrc, seed| Install {
        owner: Owner(owner),
        ..install(direction, Ssrcs::one(Ssrc(ssrc)), CM, master(&CM, seed))
    };
    let first = db.install(named(1, Direction::Outbound, 1, 1)).unwrap();
    for ssrc in 2..30 {
        let reflected = db.install(named(1, Direction::Inbound, ssrc, 1));
        assert_eq!(reflected.err(), Some(InstallError::KeyInUse));
        assert_eq!(db.install(named(2, Direction::Outbound, ssrc, 1)).err(), Some(InstallError::KeyInUse));
    }
    assert_eq!(db.install(named(1, Direction::Outbound, 1, 9)).err(), Some(InstallError::SsrcInUse));
    assert_eq!(db.len(), 1);
    db.remove(first);
    assert!(db.install(named(2, Direction::Inbound, 2, 1)).is_ok());
    assert!(
        db.install(named(2, Direction::Outbound, 1, 9)).is_ok(),
        "a failed installation has left no claim"
    );
}

#[test]
fn a_clash_is_seen_across_shards() {
    let db = shared();
    let ours: Vec<_> = (0..20u32)
        .map(|ssrc| {
            let install = install(Direction::Outbound, Ssrcs::one(Ssrc(ssrc)), CM, master(&CM, ssrc as u8));
            db.install(Install { owner: Owner(3), ..install }).unwrap()
        })
        .collect();
    let theirs = install(Direction::Inbound, Ssrcs::Any, CM, master(&CM, 99));
    let theirs = db.install(Install { owner: Owner(3), ..theirs }).unwrap();
    let peer = shared();
    peer.install(install(Direction::Outbound, Ssrcs::Any, CM, master(&CM, 99))).unwrap();
    for ssrc in 10..30u32 {
        let packet = rtp(Ssrc(ssrc), 1, b"x");
        let mut buffer = [&packet[..], &[0; 32]].concat();
        let len = peer.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len;
        let accepted = db.unprotect_rtp(Time::ZERO, here(), &mut buffer[..len]).unwrap();
        assert_eq!((accepted.bound, accepted.clash), (true, ssrc < 20), "{ssrc}");
    }
    assert!(db.streams(&theirs).iter().all(|info| info.clash == (info.ssrc.0 < 20)));
    assert!(db.streams(&ours[15])[0].clash && !db.streams(&ours[5])[0].clash);
}
