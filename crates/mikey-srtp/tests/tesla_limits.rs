//! TESLA's bounds on memory and work, keys and streams that change while packets wait, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::time::Duration;

use common::tesla::{
    CM, Group, NULL, SSRC, chain, extension, forge_raw, group, ms, params, plain_receiver, protect, receiver,
    receiver_clock, rtp, sender_clock, sha1,
};
use common::{Pair, db, here, install, master};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::tesla::{
    Commitment, TeslaError, TeslaLimits, TeslaParams, TeslaReceiver, TeslaSender, VerifiedIndex,
};
use mikey_srtp::{
    Direction, ExtensionIds, Install, InstallError, Mki, ProtectError, Ssrcs, StartIndex, Time,
    UnprotectError as No,
};

#[test]
fn an_absurd_interval_costs_a_few_steps_at_most() {
    let mut group = Group::with(NULL, params(40_000), TeslaLimits::DEFAULT);
    let genuine = group.send(150, 1);
    let (_, disclosed, _) = extension(&genuine, 10);
    for interval in [u32::MAX, u32::MAX - 1, 40_003, 40_002, 40_000, 10_000, 1000, 100] {
        let forged = forge_raw(&rtp(9), interval, &disclosed, &[0; 10]);
        let outcome = group.receive(150, &forged);
        assert!(matches!(outcome, No::BadKey | No::FarKey), "{interval}: {outcome:?}");
    }
    assert!(group.stats().steps <= 16, "{}", group.stats().steps);
    for interval in [0, 2, 3] {
        let forged = forge_raw(&rtp(9), interval, &disclosed, &[0; 10]);
        assert_ne!(group.receive(150, &forged), No::Held, "{interval}");
    }
    assert_eq!(group.receive(150, &genuine), No::Held);
}

#[test]
fn a_flood_of_false_keys_after_a_silence_costs_what_the_silence_has_paid() {
    let mut group = Group::with(NULL, params(12_000), TeslaLimits::DEFAULT);
    let first = group.send(150, 1);
    assert_eq!(group.receive(150, &first), No::Held);
    // Six minutes later somebody floods with false keys that would each take 3,600 steps.
    let later = 360_000;
    for n in 0..50u8 {
        let forged = forge_raw(&rtp(9), 3600, &[n; 20], &[0; 10]);
        let outcome = group.receive(later, &forged);
        assert!(matches!(outcome, No::BadKey | No::FarKey), "{outcome:?}");
    }
    let steps = group.stats().steps;
    assert!(steps <= 4 * 3600, "{steps}");
    assert_eq!(group.stats().bad_keys + group.stats().far_keys, 50);
    // The sender is not heard at once, since nobody pays for its key, but when a second silence has paid.
    let silence = 2 * 360_000 + later;
    let packet = group.send(silence, 2);
    assert_eq!(group.receive(silence, &packet), No::Held);
    for (at, seq) in [(silence + 100, 3), (silence + 200, 4)] {
        let packet = group.send(at, seq);
        assert_eq!(group.receive(at, &packet), No::Held);
    }
    assert_eq!(group.verified(), [rtp(2)], "the packet of the first interval waited too long");
    assert_eq!(group.stats().undisclosed, 1);
}

#[test]
fn a_buffer_is_bounded_in_packets_and_octets_and_time() {
    let limits = TeslaLimits { packets: 100, octets: 1 << 16, age: Duration::from_secs(1) };
    let mut group = Group::with(CM, params(1000), limits);
    for seq in 0..150 {
        let packet = group.send(150, seq);
        assert_eq!(group.receive(150, &packet), No::Held);
    }
    assert_eq!((group.stats().waiting, group.stats().displaced), (100, 50));
    let key = group.send(350, 500);
    group.receive(350, &key);
    assert_eq!(group.verified(), (50..150).map(rtp).collect::<Vec<_>>(), "the oldest went");

    let mut group = Group::with(CM, params(1000), TeslaLimits { packets: 10_000, ..limits });
    for seq in 0..20 {
        let plain = common::rtp(SSRC, seq, &[7; 9000]);
        let packet = protect(&mut group.pair.tx, 150, &plain).unwrap();
        assert_eq!(group.receive(150, &packet), No::Held);
    }
    assert_eq!((group.stats().waiting, group.stats().displaced), (7, 13));

    // Nobody discloses: after a second they go.
    group.pair.rx.drop_expired(ms(1150));
    assert_eq!(group.stats().waiting, 7);
    group.pair.rx.drop_expired(ms(1151));
    assert_eq!((group.stats().waiting, group.stats().undisclosed), (0, 7));
}

/// Who has no key can still repeat what it has seen.
#[test]
fn copies_displace_nothing() {
    let limits = TeslaLimits { packets: 10, ..TeslaLimits::DEFAULT };
    let mut group = Group::with(CM, params(1000), limits);
    let packets: Vec<_> = (0..10).map(|seq| group.send(150, seq)).collect();
    for packet in &packets {
        assert_eq!(group.receive(150, packet), No::Held);
    }
    for packet in packets.iter().cycle().take(1000) {
        assert_eq!(group.receive(160, packet), No::Replayed);
    }
    assert_eq!((group.stats().displaced, group.stats().copies), (0, 1000));
    let key = group.send(350, 20);
    group.receive(350, &key);
    assert_eq!(group.verified().len(), 10);
}

#[test]
fn what_nobody_takes_is_bounded_too() {
    let limits = TeslaLimits { packets: 50, ..TeslaLimits::DEFAULT };
    let mut group = Group::with(CM, params(1000), limits);
    for n in 1..=200u16 {
        let at = u64::from(n) * 100;
        let packet = group.send(at, n);
        group.receive(at, &packet);
    }
    assert_eq!(group.verified(), (149..=198).map(rtp).collect::<Vec<_>>());
}

#[test]
fn keys_change_while_packets_wait() {
    let mki = |n: u8| Mki::new(&[n]).unwrap();
    let mut group = Group::installed(CM, |install| Install { key: install.key.with_mki(mki(1)), ..install });
    let keys = chain(1, 100);
    let commitment = keys.commitment();
    group.set_sender(TeslaSender::new(sender_clock(0), params(100), keys).unwrap());
    group.set_receiver(receiver(receiver_clock(0, 0), params(100), commitment));
    let first = group.send(150, 1);
    let pair = &mut group.pair;
    pair.rx.rekey(pair.receiver, master(&CM, 9).with_mki(mki(2)), ms(400)).unwrap();
    pair.tx.rekey(pair.sender, master(&CM, 9).with_mki(mki(2)), Time::ZERO).unwrap();
    let second = group.send(160, 2);
    assert_eq!(group.receive(160, &first), No::Held);
    assert_eq!(group.receive(160, &second), No::Held);
    let third = group.send(350, 3);
    assert_eq!(group.receive(350, &third), No::Held);
    assert_eq!(group.verified(), [rtp(1), rtp(2)]);
    assert_eq!(group.receive(401, &first), No::KeyExpired);

    // Under a key that is forgotten while the packet waits nothing comes out.
    let pair = &mut group.pair;
    pair.rx.rekey(pair.receiver, master(&CM, 10).with_mki(mki(3)), ms(500)).unwrap();
    pair.tx.rekey(pair.sender, master(&CM, 10).with_mki(mki(3)), Time::ZERO).unwrap();
    pair.rx.drop_expired(ms(510));
    let fourth = group.send(550, 4);
    assert_eq!(group.receive(550, &fourth), No::Held);
    assert!(group.verified().is_empty());
    assert_eq!(group.stats().lost, 1);
}

#[test]
fn without_mki_the_key_is_found_by_the_outer_tag() {
    let mut group = Group::new(100);
    let old = group.send(150, 1);
    let pair = &mut group.pair;
    pair.rx.rekey(pair.receiver, master(&CM, 9), ms(1000)).unwrap();
    pair.tx.rekey(pair.sender, master(&CM, 9), Time::ZERO).unwrap();
    let new = group.send(160, 2);
    let report = group.send_rtcp(170, b"report..");
    assert_eq!(group.receive(170, &new), No::Held);
    assert_eq!(group.receive(180, &old), No::Held);
    assert_eq!(group.receive_rtcp(180, &report), No::Held);
    let key = group.send_rtcp(350, b"and more");
    assert_eq!(group.receive_rtcp(350, &key), No::Held);
    assert_eq!(group.verified(), [rtp(1), rtp(2), common::rtcp(SSRC, b"report..")]);
}

#[test]
fn header_extensions_are_encrypted_under_tesla_too() {
    let ids = ExtensionIds::new(&[1]);
    let mut group = Group::installed(CM, |install| Install { extensions: ids, ..install });
    let keys = chain(1, 100);
    let commitment = keys.commitment();
    group.set_sender(TeslaSender::new(sender_clock(0), params(100), keys).unwrap());
    group.set_receiver(receiver(receiver_clock(0, 0), params(100), commitment));
    let mut plain = common::rtp(SSRC, 1, b"");
    plain[0] |= 0x10;
    plain.extend([0xbe, 0xde, 0, 1, 0x12, 0xaa, 0xbb, 0xcc]);
    plain.extend(b"payload");
    let packet = protect(&mut group.pair.tx, 150, &plain).unwrap();
    assert_ne!(packet[17..20], plain[17..20]);
    assert_eq!(group.receive(150, &packet), No::Held);
    let key = group.send(350, 2);
    group.receive(350, &key);
    assert_eq!(group.verified(), [plain]);
}

#[test]
fn a_stream_that_rolls_over_before_its_first_key_comes_out_whole() {
    let mut group = Group::new(100);
    for (n, seq) in (0u64..).zip([65_533u16, 65_534, 65_535, 0, 1, 2]) {
        let packet = group.send(110 + n, seq);
        assert_eq!(group.receive(150, &packet), No::Held, "{seq}");
    }
    let key = group.send(350, 3);
    group.receive(350, &key);
    let indices: Vec<_> = group.take().into_iter().map(|verified| verified.index).collect();
    let index = |roc, seq| VerifiedIndex::Rtp(mikey_srtp::PacketIndex::new(roc, seq));
    let expected = [(3, 65_533), (3, 65_534), (3, 65_535), (4, 0), (4, 1), (4, 2)];
    assert_eq!(indices, expected.map(|(roc, seq)| index(roc, seq)));
}

#[test]
fn before_there_is_a_chain_nothing_goes_either_way() {
    let mut group = Group::unkeyed(CM);
    assert_eq!(group.try_send(150, 1), Err(ProtectError::NoChain));
    group.set_sender(TeslaSender::new(sender_clock(0), params(100), chain(1, 100)).unwrap());
    assert_eq!(group.try_send(99, 1), Err(ProtectError::ChainNotStarted));
    let packet = group.send(150, 1);
    assert_eq!(group.receive(150, &packet), No::NoChain);
    let report = group.send_rtcp(150, b"report..");
    assert_eq!(group.receive_rtcp(150, &report), No::NoChain);
    // Whether a sender has TESLA is agreed on, not seen: to a plain receiver the extension is payload.
    let mut buffer = packet.clone();
    let done = plain_receiver(CM).unprotect_rtp(Time::ZERO, here(), &mut buffer).unwrap();
    assert_eq!((done.len, &buffer[..rtp(1).len()]), (rtp(1).len() + 34, &rtp(1)[..]));
}

#[test]
fn what_cannot_have_tesla_is_refused() {
    let list = || Ssrcs::These(vec![(SSRC, StartIndex::BEGIN)]);
    let tesla = |ssrcs, policy| Install {
        tesla: true,
        ..install(Direction::Inbound, ssrcs, policy, master(&policy, 1))
    };
    for policy in [
        SrtpPolicy::AEAD_AES_128_GCM,
        SrtpPolicy { kdr: 16, ..CM },
        SrtpPolicy { srtp_auth: false, ..CM },
        SrtpPolicy { srtcp_auth: false, ..CM },
        SrtpPolicy { auth: mikey_crypto::srtp::SrtpAuth::RccM2, tag_len: 14, ..CM },
    ] {
        assert_eq!(db().install(tesla(list(), policy)), Err(InstallError::Tesla), "{policy:?}");
    }
    assert_eq!(db().install(tesla(Ssrcs::Any, CM)), Err(InstallError::Tesla));
    let shared = mikey_srtp::SharedDb::new(common::crypto(), mikey_srtp::DbConfig::new([1, 2]), 2);
    assert_eq!(shared.install(tesla(list(), CM)).err(), Some(InstallError::Tesla));

    let mut pair = Pair::new(CM);
    let sender = || TeslaSender::new(sender_clock(0), params(100), chain(1, 100)).unwrap();
    let inbound = || receiver(receiver_clock(0, 0), params(100), chain(1, 100).commitment());
    assert_eq!(pair.tx.set_tesla_sender(pair.sender, SSRC, sender()), Err(TeslaError::NotTesla));
    assert_eq!(pair.rx.set_tesla_sender(pair.receiver, SSRC, sender()), Err(TeslaError::UnknownStream));
    assert_eq!(pair.tx.set_tesla_receiver(pair.sender, SSRC, inbound()), Err(TeslaError::UnknownStream));
    let other = mikey_srtp::Ssrc(1);
    let mut group = Group::new(100);
    let sent = group.pair.tx.set_tesla_sender(group.pair.sender, other, sender());
    assert_eq!(sent, Err(TeslaError::UnknownStream));
}

#[test]
fn parameters_and_limits_have_bounds() {
    let good = params(100);
    let checks = [
        (TeslaParams { interval: Duration::ZERO, ..good }, TeslaError::Interval),
        (TeslaParams { interval: Duration::from_micros(1500), ..good }, TeslaError::Interval),
        (TeslaParams { interval: Duration::from_secs(61), ..good }, TeslaError::Interval),
        (TeslaParams { delay: 1, ..good }, TeslaError::Delay),
        (TeslaParams { delay: 256, ..good }, TeslaError::Delay),
        (TeslaParams { chain_len: 2, ..good }, TeslaError::ChainLen),
        (TeslaParams { chain_len: u32::MAX, ..good }, TeslaError::ChainLen),
        (TeslaParams { mac_len: 9, ..good }, TeslaError::MacLen),
        (TeslaParams { mac_len: 21, ..good }, TeslaError::MacLen),
    ];
    for (params, error) in checks {
        assert_eq!(params.check(), Err(error), "{params:?}");
    }
    assert_eq!(good.check(), Ok(()));
    assert_eq!(good.overhead(), 34);
    assert_eq!(
        TeslaSender::new(sender_clock(0), good, chain(1, 99)).err(),
        Some(TeslaError::ChainLen),
        "another chain"
    );
    let make =
        |commitment, limits| TeslaReceiver::new(sha1(), receiver_clock(0, 0), good, commitment, limits).err();
    let behind = Commitment { interval: 101, key: [0; 20] };
    assert_eq!(make(behind, TeslaLimits::DEFAULT), Some(TeslaError::Commitment));
    let known = chain(1, 100).commitment();
    for limits in [
        TeslaLimits { packets: 0, ..TeslaLimits::DEFAULT },
        TeslaLimits { packets: 20_000, ..TeslaLimits::DEFAULT },
        TeslaLimits { octets: 1000, ..TeslaLimits::DEFAULT },
        TeslaLimits { octets: 1 << 30, ..TeslaLimits::DEFAULT },
        TeslaLimits { age: Duration::ZERO, ..TeslaLimits::DEFAULT },
    ] {
        assert_eq!(make(known, limits), Some(TeslaError::Limits), "{limits:?}");
    }
    assert_eq!(group(0).0 % 1_000_000, 0);
}
