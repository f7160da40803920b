//! Source authentication: who has the group's key and is not the sender cannot speak as the sender, whatever it does with
//! packets and keys; and who is the sender is heard.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::tesla::{
    CM, Group, NULL, SSRC, chain, extension, forge_raw, null_group, params, plain_receiver, protect, rtp,
};
use common::{Pair, here};
use mikey_srtp::tesla::VerifiedIndex;
use mikey_srtp::{StartIndex, Time, UnprotectError as No};

#[test]
fn a_packet_comes_out_when_its_key_is_disclosed_and_not_before() {
    let mut group = Group::new(100);
    let first = group.send(150, 1);
    assert_eq!(group.receive(150, &first), No::Held);
    let second = group.send(250, 2);
    assert_eq!(group.receive(250, &second), No::Held);
    assert!(group.verified().is_empty());
    assert_eq!(group.pair.rx.stream(group.pair.receiver, SSRC).unwrap().index, None, "nothing counts yet");
    let third = group.send(300, 3);
    assert_eq!(group.receive(300, &third), No::Held);
    let verified = group.take();
    assert_eq!(verified.len(), 1);
    assert_eq!(verified[0].packet, rtp(1));
    assert_eq!((verified[0].ssrc, verified[0].sender), (SSRC, group.pair.receiver));
    assert_eq!(group.pair.rx.stream(group.pair.receiver, SSRC).unwrap().index.unwrap().seq(), 1);
    let (stats, all) = (group.stats(), group.pair.rx.stats());
    assert_eq!((stats.waiting, stats.verified, stats.forged), (2, 1, 0));
    assert_eq!((all.held, all.accepted, all.refused()), (3, 1, 0));
}

/// The point of it all.
#[test]
fn a_member_forges_a_packet_in_the_senders_name() {
    // Without TESLA it is accepted.
    let mut forger = Pair::with(CM, StartIndex::Roc(3), |install| install).tx;
    let mut forged = protect(&mut forger, 0, &rtp(9)).unwrap();
    assert!(plain_receiver(CM).unprotect_rtp(Time::ZERO, here(), &mut forged).is_ok());

    // With TESLA and a chain of its own, it is not of the sender's chain.
    let mut group = Group::new(100);
    group.set_forger(params(100), chain(66, 100));
    for at in [110, 250, 550] {
        let forged = group.forge(at, &rtp(9 + at as u16));
        assert_eq!(group.receive(at, &forged), No::BadKey, "{at}");
    }
    // The sender is heard all the same, in the very same indices.
    for (at, seq) in [(600, 119), (700, 259), (810, 560), (900, 561)] {
        let packet = group.send(at, seq);
        assert_eq!(group.receive(at, &packet), No::Held);
    }
    assert_eq!(group.verified(), [rtp(119), rtp(259)]);
    assert_eq!(group.stats().forged, 0);
}

#[test]
fn a_forger_that_copies_keys_is_found_out_when_the_next_is_disclosed() {
    let mut group = null_group();
    let genuine = group.send(250, 5);
    let (interval, disclosed, mac) = extension(&genuine, 10);
    // First the forgery, then the genuine packet: the forgery must not take its place in the replay list.
    let mut other = rtp(5);
    other[20] ^= 1;
    for (plain, mac) in [(&other, mac), (&rtp(5), [0; 10]), (&rtp(6), mac)] {
        assert_eq!(group.receive(250, &forge_raw(plain, interval, &disclosed, &mac)), No::Held);
    }
    assert_eq!(group.receive(260, &genuine), No::Held);
    let key = group.send(450, 7);
    assert_eq!(group.receive(450, &key), No::Held);
    assert_eq!(group.verified(), [rtp(5)]);
    assert_eq!((group.stats().forged, group.stats().verified), (3, 1));
    assert_eq!(group.receive(460, &genuine), No::Replayed);
}

#[test]
fn a_disclosed_key_forges_nothing() {
    let mut group = null_group();
    let packets: Vec<Vec<u8>> = (1..=5).map(|n| group.send(n * 100, n as u16)).collect();
    // The forger hears K_1 to K_3 at once, and makes right MACs with them.
    group.set_forger(params(1000), chain(1, 1000));
    let forged: Vec<Vec<u8>> = (1..=3).map(|n| group.forge(n * 100 + 50, &rtp(100 + n as u16))).collect();
    // The receiver has heard nothing yet, but it knows the time.
    assert_eq!(group.receive(500, &forged[0]), No::NotSafe);
    assert_eq!(group.receive(500, &forged[1]), No::NotSafe);
    assert_eq!(group.receive(500, &forged[2]), No::NotSafe);
    // Its clock may be slow within the bound: then the disclosed key itself says that it is too late.
    assert_eq!(group.receive(500, &packets[4]), No::Held);
    assert_eq!(group.receive(500, &forged[2]), No::NotSafe);
    assert!(group.verified().is_empty());
    assert_eq!(group.stats().unsafe_packets, 4);
}

// R14.8
#[test]
fn a_flipped_bit_is_refused_and_nothing_changes() {
    let mut group = Group::new(100);
    let packet = group.send(150, 1);
    let report = group.send_rtcp(150, b"report of twenty-four oc");
    for bit in 0..packet.len() * 8 {
        let mut forged = packet.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(group.receive(150, &forged), No::Held, "bit {bit}");
    }
    for bit in 0..report.len() * 8 {
        let mut forged = report.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(group.receive_rtcp(150, &forged), No::Held, "SRTCP bit {bit}");
    }
    for len in 0..packet.len() {
        assert_ne!(group.receive(150, &packet[..len]), No::Held, "{len} octets");
    }
    for len in 0..report.len() {
        assert_ne!(group.receive_rtcp(150, &report[..len]), No::Held, "SRTCP {len} octets");
    }
    assert_eq!(group.stats(), mikey_srtp::tesla::TeslaStats::default());
    assert_eq!(group.receive(150, &packet), No::Held);
    assert_eq!(group.receive_rtcp(150, &report), No::Held);
    let key = group.send(350, 2);
    assert_eq!(group.receive(350, &key), No::Held);
    let verified = group.take();
    assert_eq!(
        verified.iter().map(|v| v.packet.clone()).collect::<Vec<_>>(),
        [rtp(1), common::rtcp(SSRC, b"report of twenty-four oc")]
    );
    assert_eq!(verified[1].index, VerifiedIndex::Rtcp(0));
}

/// Behind the outer tag, where only members are.
#[test]
fn a_bit_that_a_member_flips_is_never_heard() {
    let mut group = null_group();
    let packet = group.send(250, 1);
    let (interval, disclosed, mac) = extension(&packet, 10);
    let mut tried = 0;
    for bit in 0..(rtp(1).len() + 34) * 8 {
        let mut octets = [&rtp(1)[..], &interval.to_be_bytes(), &disclosed, &mac].concat();
        octets[bit / 8] ^= 1 << (bit % 8);
        // Another SSRC is another stream's, and another number of CSRCs may be no packet at all.
        if !(8..12).contains(&(bit / 8)) && bit / 8 != 0 {
            let mut forger = Pair::with(NULL, StartIndex::Roc(3), |install| install).tx;
            let forged = protect(&mut forger, 0, &octets).unwrap();
            group.receive(250, &forged);
            tried += 1;
        }
    }
    assert!(tried > 500);
    let key = group.send(550, 2);
    group.receive(550, &key);
    assert!(group.verified().is_empty());
    assert_eq!(group.stats().verified, 0);
}

#[test]
fn packets_of_an_interval_come_out_in_the_order_of_their_indices() {
    let mut group = Group::new(1000);
    let packets: Vec<_> = (0..20).map(|n| group.send(100 + n * 9, n as u16)).collect();
    for at in [3usize, 0, 2, 1, 10, 4, 9, 8, 7, 6, 5, 19, 18, 17, 16, 15, 14, 13, 12, 11] {
        assert_eq!(group.receive(285, &packets[at]), No::Held);
    }
    let key = group.send(450, 100);
    group.receive(450, &key);
    assert_eq!(group.verified(), (0..20).map(rtp).collect::<Vec<_>>());
}
