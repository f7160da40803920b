//! TESLA and time: bounds, clocks that jump or stand still, keys that are lost, chains that end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::time::Duration;

use common::here;
use common::tesla::{
    Group, NULL, SSRC, chain, extension, ms, null_group, params, protect, receiver, receiver_clock, rtp, sha1,
};
use mikey_crypto::Secret;
use mikey_crypto::tesla::step_down;
use mikey_srtp::tesla::{Commitment, KeyChain, TeslaError, TeslaLimits, TeslaParams};
use mikey_srtp::{ProtectError, UnprotectError as No};

// R14.7
#[test]
fn safe_means_not_yet_disclosed_by_the_latest_that_the_time_may_be() {
    // Interval 1 is from 100 to 200; its key comes out at 300.
    for (asked_before, last_safe) in [(0, 299), (50, 249), (149, 150)] {
        let mut group = Group::new(100);
        let commitment = chain(1, 100).commitment();
        // The receiver's clock shows 10 s at the group's 0; it asked that much earlier.
        let clock = receiver_clock(10_000 - asked_before, 0);
        group.set_receiver(receiver(clock, params(100), commitment));
        let packet = group.send(150, 1);
        assert_eq!(group.receive(10_000 + last_safe, &packet), No::Held, "{asked_before}");
        let another = group.send(160, 2);
        assert_eq!(group.receive(10_000 + last_safe + 1, &another), No::NotSafe, "{asked_before}");
        assert_eq!(group.stats().unsafe_packets, 1);
    }
    // Who asked for longer than a key is secret for hears nothing, and believes nothing.
    let mut group = Group::new(100);
    let clock = receiver_clock(0, 0);
    group.set_receiver(receiver(clock, params(100), chain(1, 100).commitment()));
    let packet = group.send(150, 1);
    assert_eq!(group.receive(150 + 250, &packet), No::NotSafe);
}

#[test]
fn lost_disclosures_are_bridged() {
    let mut group = Group::new(1000);
    for n in 1..=10 {
        let packet = group.send(n * 100, n as u16);
        assert_eq!(group.receive(n * 100, &packet), No::Held);
        // The receiver hears every packet of the first three intervals, and none of the next ones.
        if n == 3 {
            break;
        }
    }
    assert_eq!(group.verified(), [rtp(1)]);
    let lost: Vec<_> = (4..=18).map(|n| group.send(n * 100, n as u16)).collect();
    drop(lost);
    let packet = group.send(1900, 19);
    assert_eq!(group.receive(1900, &packet), No::Held);
    assert_eq!(group.verified(), [rtp(2), rtp(3)]);
}

#[test]
fn a_packet_that_is_too_late_still_discloses() {
    let mut group = Group::new(1000);
    let first = group.send(150, 1);
    let late = group.send(350, 2);
    assert_eq!(group.receive(160, &first), No::Held);
    assert_eq!(group.receive(700, &late), No::NotSafe);
    assert_eq!(group.verified(), [rtp(1)]);
}

#[test]
fn a_receivers_clock_that_jumps_ahead_refuses_until_time_has_caught_up() {
    let mut group = Group::new(1000);
    let first = group.send(150, 1);
    assert_eq!(group.receive(150, &first), No::Held);
    let second = group.send(250, 2);
    assert_eq!(group.receive(2000, &second), No::NotSafe);
    // Set back again: it stands still where it was, since packets that were unsafe must not become safe.
    let third = group.send(350, 3);
    assert_eq!(group.receive(350, &third), No::NotSafe);
    assert_eq!(group.verified(), [rtp(1)], "keys are keys, whatever the time");
    let later = group.send(2050, 4);
    assert_eq!(group.receive(2050, &later), No::Held);
}

#[test]
fn a_receivers_clock_that_is_set_back_makes_nothing_safe() {
    let mut group = null_group();
    let packet = group.send(250, 1);
    assert_eq!(group.receive(450, &packet), No::NotSafe);
    group.set_forger(params(1000), chain(1, 1000));
    let forged = group.forge(250, &rtp(7));
    assert_eq!(group.receive(250, &forged), No::NotSafe);
    assert_eq!(group.receive(0, &forged), No::NotSafe);
}

/// A computer that slept, whose clock stood still: the bound on the sender's clock is one no longer.
#[test]
fn a_receivers_clock_that_stood_still_is_noticed_from_the_keys() {
    let mut group = null_group();
    let first = group.send(150, 1);
    assert_eq!(group.receive(150, &first), No::Held);
    // Meanwhile everybody knows K_10; the receiver believes that it is still interval 2.
    group.set_forger(params(1000), chain(1, 1000));
    let forged = group.forge(250, &rtp(66));
    assert_eq!(group.receive(250, &forged), No::Held, "nothing shows yet that time has passed");
    let genuine = group.send(1250, 3);
    assert_eq!(group.receive(260, &genuine), No::OutOfStep);
    assert!(group.verified().is_empty());
    assert!(group.receiver().is_out_of_step());
    let next = group.send(1450, 4);
    for at in [270, 1450, 2000] {
        assert_eq!(group.receive(at, &next), No::OutOfStep);
    }
    assert!(group.verified().is_empty());
    // After asking for the time again it goes on.
    let commitment = group.sender().commitment(ms(1500)).unwrap();
    group.set_receiver(receiver(receiver_clock(300, 1500), params(1000), commitment));
    for (at, seq) in [(1550, 5), (1650, 6), (1750, 7)] {
        let packet = group.send(at, seq);
        assert_eq!(group.receive(at - 1200, &packet), No::Held);
    }
    assert_eq!(group.verified(), [rtp(5)]);
}

// R14.9
#[test]
fn a_senders_clock_that_jumps_ahead_is_not_believed() {
    let mut group = Group::new(1000);
    let first = group.send(150, 1);
    assert_eq!(group.receive(150, &first), No::Held);
    let ahead = group.send(1250, 2);
    assert_eq!(group.receive(160, &ahead), No::OutOfStep, "its keys are out before their time");
    // And set back it stands still: no key is used again once it was disclosed.
    let interval = group.sender().info().interval;
    group.send(300, 3);
    assert_eq!(group.sender().info().interval, interval);
    assert!(group.verified().is_empty());
}

#[test]
fn a_senders_clock_that_is_set_back_makes_packets_early_or_late_and_never_wrong() {
    let mut group = Group::new(1000);
    let first = group.send(950, 1);
    let second = group.send(150, 2);
    assert_eq!(group.sender().info().interval, 9);
    assert_eq!(group.receive(960, &first), No::Held);
    assert_eq!(group.receive(970, &second), No::Held);
    let third = group.send(1150, 3);
    assert_eq!(group.receive(1150, &third), No::Held);
    assert_eq!(group.verified(), [rtp(1), rtp(2)]);
}

#[test]
fn a_late_joiner_begins_with_a_key_of_its_time() {
    let mut group = Group::new(5_000);
    group.send(300_050, 1);
    let commitment = group.sender().commitment(ms(300_060)).unwrap();
    assert_eq!(commitment.interval, 2998);
    let clock = receiver_clock(300_040, 300_060);
    group.set_receiver(receiver(clock, params(5_000), commitment));
    for (at, seq) in [(300_080, 2), (300_150, 3), (300_250, 4)] {
        let packet = group.send(at, seq);
        assert_eq!(group.receive(at, &packet), No::Held);
    }
    assert_eq!(group.verified(), [rtp(2)]);
    assert!(group.stats().steps < 10);
}

#[test]
fn a_chain_that_ends_says_so_long_before_and_is_not_used_up() {
    let mut group = Group::new(100);
    let mut due_from = None;
    for n in 1..=98u64 {
        let plain = rtp(n as u16);
        let mut buffer = [&plain[..], &[0; 100]].concat();
        let done = group.pair.tx.protect_rtp(ms(n * 100), here(), &mut buffer, plain.len()).unwrap();
        if done.chain_due && due_from.is_none() {
            due_from = Some(n);
        }
        assert_eq!(group.receive(n * 100, &buffer[..done.len]), No::Held);
    }
    assert_eq!(due_from, Some(91), "8 of 98 are left: four times the delay");
    assert!(group.sender().info().chain_due);
    // What nobody could verify any more is not sent; what discloses is.
    assert_eq!(group.try_send(9900, 99), Err(ProtectError::ChainExhausted));
    let closes = group.sender().info().closes;
    assert_eq!(closes, ms(10_100));
    let mut seq = 99;
    for at in [9900, 10_000] {
        let null = common::rtp(SSRC, seq, b"");
        let packet = protect(&mut group.pair.tx, at, &null).unwrap();
        assert_eq!(group.receive(at, &packet), No::Held);
        seq += 1;
    }
    assert_eq!(group.verified().len(), 98);
    assert_eq!(
        protect(&mut group.pair.tx, 10_100, &common::rtp(SSRC, seq, b"")),
        Err(ProtectError::ChainExhausted)
    );
    assert_eq!(group.try_send(u64::MAX / 2_000_000, seq), Err(ProtectError::ChainExhausted));
}

#[test]
fn empty_packets_close_a_stream() {
    let mut group = Group::new(1000);
    for (at, seq) in [(150, 1), (250, 2), (290, 3)] {
        let packet = group.send(at, seq);
        group.receive(at, &packet);
    }
    let closes = group.sender().info().closes;
    assert_eq!(closes, ms(500));
    let mut at = 350;
    let mut seq = 4;
    while ms(at) < closes {
        let null = common::rtp(SSRC, seq, b"");
        let packet = protect(&mut group.pair.tx, at, &null).unwrap();
        group.receive(at, &packet);
        (at, seq) = (at + 100, seq + 1);
    }
    assert_eq!(group.verified(), [rtp(1), rtp(2), rtp(3)]);
    assert_eq!(group.sender().info().closes, closes, "empty packets need no closing");
}

#[test]
fn a_chain_follows_another_without_a_gap() {
    let mut group = Group::new(40);
    let second = TeslaParams { start: common::tesla::group(2000), ..params(60) };
    let keys = chain(2, 60);
    let commitment = keys.commitment();
    // Not before it fits.
    let wrong = [
        TeslaParams { start: common::tesla::group(2050), ..second },
        TeslaParams { start: common::tesla::group(4100), ..second },
        TeslaParams { start: common::tesla::group(200), ..second },
        TeslaParams { start: common::tesla::group(0), ..second },
        TeslaParams { delay: 3, ..second },
        TeslaParams { interval: Duration::from_millis(50), ..second },
        TeslaParams { mac_len: 20, ..second },
    ];
    for wrong in wrong {
        assert_eq!(group.sender().follow(wrong, chain(2, 60)), Err(TeslaError::Successor), "{wrong:?}");
        assert_eq!(group.receiver().follow(wrong, commitment), Err(TeslaError::Successor), "{wrong:?}");
    }
    group.sender().follow(second, keys).unwrap();
    group.receiver().follow(second, commitment).unwrap();
    let mut expected = Vec::new();
    for n in 1..=50u16 {
        let at = u64::from(n) * 100 + 30;
        let packet = group.send(at, n);
        assert_eq!(group.receive(at + 60, &packet), No::Held, "{n}");
        expected.push(rtp(n));
    }
    assert_eq!(group.verified(), expected[..48]);
    assert_eq!(group.sender().info().interval, 30);
    assert_eq!(group.stats().forged + group.stats().bad_keys + group.stats().undisclosed, 0);
    // A successor that would begin in the past is refused.
    let third = TeslaParams { start: common::tesla::group(4000), ..params(60) };
    assert_eq!(group.sender().follow(third, chain(3, 60)), Err(TeslaError::Successor));
    assert_eq!(group.receiver().follow(third, commitment), Err(TeslaError::Successor));
}

/// A forger cannot use keys of the chain before under the numbers of the next, or the other way about.
#[test]
fn the_last_intervals_of_a_chain_are_safe_for_no_longer() {
    let mut group = Group::with(NULL, params(40), TeslaLimits::DEFAULT);
    let second = TeslaParams { start: common::tesla::group(2000), ..params(60) };
    let keys = chain(2, 60);
    group.receiver().follow(second, keys.commitment()).unwrap();
    group.sender().follow(second, keys).unwrap();
    let last = group.send(2050, 1);
    assert_eq!(extension(&last, 10).0, 20);
    let first = group.send(2150, 2);
    assert_eq!(extension(&first, 10).0, 1);
    assert_eq!(group.receive(2199, &last), No::Held);
    let late = group.send(2160, 3);
    assert_eq!(group.receive(2299, &late), No::Held);
    // At 2200 the group is in interval 2 of the second chain, and K_20 of the first is out.
    group.set_forger(params(40), chain(1, 40));
    let forged = group.forge(2050, &rtp(9));
    assert_eq!(group.receive(2299, &forged), No::NotSafe);
    let forged = group.forge(2350, &rtp(10));
    assert_eq!(extension(&forged, 10).0, 23, "the number of nobody's interval");
    assert_ne!(group.receive(2350, &forged), No::Held);
}

#[test]
fn every_key_is_where_it_would_be_without_checkpoints() {
    for len in [1, 2, 3, 4, 5, 8, 9, 10, 15, 16, 17, 99, 100, 101] {
        let mut plain = vec![[7; 20]];
        for _ in 0..len {
            let mut key = *plain.last().unwrap();
            step_down(sha1(), &mut key);
            plain.push(key);
        }
        plain.reverse();
        let mut keys = chain(7, len);
        assert_eq!(keys.commitment(), Commitment { interval: 0, key: plain[0] });
        let forwards = 0..=len;
        for i in forwards.clone().chain(forwards.rev()) {
            assert_eq!(keys.key(i).unwrap().expose(), &plain[i as usize], "K_{i} of {len}");
        }
        assert!(keys.key(len + 1).is_none());
    }
    for len in [0, (1 << 22) + 1, u32::MAX] {
        let keys = KeyChain::generate(sha1(), Secret::new([7; 20]), len);
        assert_eq!(keys.err(), Some(TeslaError::ChainLen));
    }
}
