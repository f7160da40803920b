//! A batch does what its packets would do one by one, octet for octet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Pair, db, here, install, master, octets, policies, rtp};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{
    ContextDb, Destination, Direction, InboundPacket, Install, OutboundPacket, ProtectError, Ssrc, Ssrcs,
    Time, UnprotectError,
};

/// A database with one sender for each policy, SSRC by SSRC.
fn all(direction: Direction) -> ContextDb {
    let mut db = db();
    for (at, (_, policy)) in policies().into_iter().enumerate() {
        let ssrcs = Ssrcs::one(Ssrc(at as u32));
        db.install(install(direction, ssrcs, policy, master(&policy, at as u8))).unwrap();
    }
    db
}

/// Packets of all streams, mixed, some for nobody, some malformed, some twice.
fn mixed() -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for seq in 0..40u16 {
        for ssrc in [0u32, 1, 2, 3, 7, 8, 9, 10, 15, 20, 0, 99] {
            packets.push(rtp(
                Ssrc(ssrc),
                seq * 2 + (packets.len() % 2) as u16,
                &octets(seq as u8, usize::from(seq) * 9),
            ));
        }
        packets.push(vec![0x80; 11]);
        packets.push(rtp(Ssrc(0), seq * 2, b"again"));
    }
    packets
}

#[test]
fn batches_equal_single_packets() {
    for size in [1, 2, 3, 4, 5, 6, 7, 8, 13, 64] {
        let (mut alone, mut together) = (all(Direction::Outbound), all(Direction::Outbound));
        let (mut rx_alone, mut rx_together) = (all(Direction::Inbound), all(Direction::Inbound));
        for group in mixed().chunks(size) {
            let padded: Vec<Vec<u8>> = group.iter().map(|p| [&p[..], &[0; 40]].concat()).collect();
            let mut singles = padded.clone();
            let expected: Vec<_> = singles
                .iter_mut()
                .zip(group)
                .map(|(buffer, packet)| alone.protect_rtp(Time::ZERO, here(), buffer, packet.len()))
                .collect();
            let mut buffers = padded.clone();
            let mut batch: Vec<_> = buffers
                .iter_mut()
                .zip(group)
                .map(|(buffer, packet)| OutboundPacket::new(here(), buffer, packet.len()))
                .collect();
            together.protect_rtp_batch(Time::ZERO, &mut batch);
            let outcomes: Vec<_> = batch.iter().map(|item| item.outcome).collect();
            assert_eq!(outcomes, expected, "batches of {size}");
            assert_eq!(buffers, singles, "batches of {size}");

            let mut wire: Vec<Vec<u8>> =
                singles.iter().zip(&expected).map(|(b, e)| b[..e.map_or(11, |e| e.len)].to_vec()).collect();
            if let Some(third) = wire.get_mut(2) {
                third[5] ^= 1;
            }
            let mut one_by_one = wire.clone();
            let expected: Vec<_> = one_by_one
                .iter_mut()
                .map(|packet| rx_alone.unprotect_rtp(Time::ZERO, here(), packet))
                .collect();
            let mut batch: Vec<_> =
                wire.iter_mut().map(|packet| InboundPacket::new(here(), packet)).collect();
            rx_together.unprotect_rtp_batch(Time::ZERO, &mut batch);
            let outcomes: Vec<_> = batch.iter().map(|item| item.outcome).collect();
            assert_eq!(outcomes, expected, "batches of {size}");
            for ((outcome, ours), theirs) in expected.iter().zip(&wire).zip(&one_by_one) {
                if let Ok(accepted) = outcome {
                    assert_eq!(ours[..accepted.len], theirs[..accepted.len], "batches of {size}");
                }
            }
        }
        assert_eq!(alone.stats(), together.stats());
        assert_eq!(rx_alone.stats(), rx_together.stats());
        assert!(alone.stats().protected > 300 && alone.stats().not_protected > 50);
    }
}

#[test]
fn one_packet_twice_in_a_batch_is_accepted_once() {
    let mut pair = Pair::new(SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let packet = pair.protect(1, b"x");
    let mut copies = vec![packet; 4];
    let mut batch: Vec<_> = copies.iter_mut().map(|packet| InboundPacket::new(here(), packet)).collect();
    pair.rx.unprotect_rtp_batch(Time::ZERO, &mut batch);
    assert!(batch[0].outcome.is_ok());
    assert!(batch[1..].iter().all(|item| item.outcome == Err(UnprotectError::Replayed)));
}

#[test]
fn one_index_twice_in_a_batch_is_sent_once() {
    let mut pair = Pair::new(SrtpPolicy::AEAD_AES_128_GCM);
    let packet = rtp(pair.ssrc, 1, b"x");
    let mut buffers = vec![[&packet[..], &[0; 40]].concat(); 4];
    let mut batch: Vec<_> =
        buffers.iter_mut().map(|buffer| OutboundPacket::new(here(), buffer, packet.len())).collect();
    pair.tx.protect_rtp_batch(Time::ZERO, &mut batch);
    assert!(batch[0].outcome.is_ok());
    assert!(batch[1..].iter().all(|item| item.outcome == Err(ProtectError::IndexReused)));
}

#[test]
fn one_payload_for_many_receivers() {
    let policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    let mut tx = db();
    let destination = |number: u8| Destination::new([192, 0, 2, number].into(), 5004);
    for number in 0..10 {
        let install = install(Direction::Outbound, Ssrcs::one(Ssrc(7)), policy, master(&policy, number));
        tx.install(Install { destination: destination(number), ..install }).unwrap();
    }
    let packet = rtp(Ssrc(7), 1, &octets(1, 160));
    let mut buffers = vec![vec![0; 200]; 10];
    buffers[9].truncate(100);
    let mut batch: Vec<_> = (0..)
        .zip(&mut buffers)
        .map(|(number, buffer)| OutboundPacket::new(destination(number), buffer, 0))
        .collect();
    tx.fan_out(Time::ZERO, &packet, &mut batch);
    let outcomes: Vec<_> = batch.iter().map(|item| item.outcome).collect();
    assert_eq!(outcomes[9], Err(ProtectError::BufferTooSmall { needed: packet.len() }));
    for number in 0..9u8 {
        let mut rx = db();
        let key = master(&policy, number);
        rx.install(install(Direction::Inbound, Ssrcs::one(Ssrc(7)), policy, key)).unwrap();
        let len = outcomes[usize::from(number)].unwrap().len;
        let buffer = &mut buffers[usize::from(number)];
        let accepted = rx.unprotect_rtp(Time::ZERO, here(), &mut buffer[..len]).unwrap();
        assert_eq!(buffer[..accepted.len], packet);
    }
}
