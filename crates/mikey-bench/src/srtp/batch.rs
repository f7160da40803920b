//! Batches of 32 packets of 32 streams, next to the same packets one by one.

use std::hint::black_box;

use mikey_crypto::SecretBytes;
use mikey_srtp::{
    ContextDb, DbConfig, Direction, InboundPacket, Install, MasterKey, OutboundPacket, Owner, Ssrc, Ssrcs,
    Time,
};

use super::ours::here;
use super::pool::{HEADER, SSRC, count, packet, renew};
use super::profile::Profile;
use crate::Result;
use crate::measure::{Case, Contestant, Role};

const STREAMS: usize = 32;
/// The same number of streams, one for each octet that tells them apart.
const NUMBERS: std::ops::Range<u8> = 0..32;

/// Times are of one packet.
pub(super) fn cases(profile: Profile, size: usize) -> Result<Vec<Case<'static>>> {
    let protect = Case {
        name: format!("{} protect, batches of {STREAMS}", profile.name),
        size,
        contestants: vec![
            protect(profile, size, "mikey-srtp, a batch", Role::Ours, true)?,
            protect(profile, size, "mikey-srtp, one by one", Role::Peer, false)?,
        ],
    };
    let unprotect = Case {
        name: format!("{} unprotect, batches of {STREAMS}", profile.name),
        size,
        contestants: vec![
            unprotect(profile, size, "mikey-srtp, a batch", Role::Ours, true)?,
            unprotect(profile, size, "mikey-srtp, one by one", Role::Peer, false)?,
        ],
    };
    Ok(vec![protect, unprotect])
}

fn protect(
    profile: Profile,
    size: usize,
    name: &'static str,
    role: Role,
    batched: bool,
) -> Result<Contestant<'static>> {
    let mut db = streams(profile, Direction::Outbound)?;
    let mut buffers = packets(size);
    let mut seq = 0u16;
    Ok(Contestant::each_of(name, role, STREAMS as u64, move || {
        seq = seq.wrapping_add(1);
        set_seq(&mut buffers, seq);
        if batched {
            let mut left = buffers.iter_mut();
            let mut items: [_; STREAMS] = core::array::from_fn(|_| {
                let buffer = left.next().map_or(&mut [][..], |buffer| buffer.as_mut_slice());
                OutboundPacket::new(here(), buffer, size + HEADER)
            });
            db.protect_rtp_batch(Time::ZERO, &mut items);
            for item in &items {
                black_box(item.outcome?);
            }
        } else {
            for buffer in &mut buffers {
                black_box(db.protect_rtp(Time::ZERO, here(), buffer, size + HEADER)?);
            }
        }
        Ok(())
    }))
}

fn unprotect(
    profile: Profile,
    size: usize,
    name: &'static str,
    role: Role,
    batched: bool,
) -> Result<Contestant<'static>> {
    let rounds = u16::try_from(count(size) / STREAMS)?;
    let mut tx = streams(profile, Direction::Outbound)?;
    let mut pool = Vec::new();
    for seq in 1..=rounds {
        let mut buffers = packets(size);
        set_seq(&mut buffers, seq);
        for buffer in &mut buffers {
            let len = tx.protect_rtp(Time::ZERO, here(), buffer, size + HEADER)?.len;
            buffer.truncate(len);
        }
        pool.push(buffers);
    }
    let state = (pool.clone(), streams(profile, Direction::Inbound)?);
    let prepare = move |(copies, db): &mut (Vec<Vec<Vec<u8>>>, ContextDb)| {
        for (to, from) in copies.iter_mut().zip(&pool) {
            renew(to, from);
        }
        *db = streams(profile, Direction::Inbound)?;
        Ok(())
    };
    let operation = move |(copies, db): &mut (Vec<Vec<Vec<u8>>>, ContextDb), at: usize| {
        let buffers = copies.get_mut(at).ok_or("no packets")?;
        if batched {
            let mut left = buffers.iter_mut();
            let mut items: [_; STREAMS] = core::array::from_fn(|_| {
                let buffer = left.next().map_or(&mut [][..], |buffer| buffer.as_mut_slice());
                InboundPacket::new(here(), buffer)
            });
            db.unprotect_rtp_batch(Time::ZERO, &mut items);
            for item in &items {
                black_box(item.outcome?);
            }
        } else {
            for buffer in buffers {
                black_box(db.unprotect_rtp(Time::ZERO, here(), buffer)?);
            }
        }
        Ok(())
    };
    Ok(Contestant::rounds(name, role, (rounds.into(), STREAMS as u64), state, prepare, operation))
}

fn packets(size: usize) -> Vec<Vec<u8>> {
    NUMBERS
        .map(|stream| {
            let mut packet = packet(0, size);
            if let Some(ssrc) = packet.get_mut(8..12) {
                ssrc.copy_from_slice(&(SSRC + u32::from(stream)).to_be_bytes());
            }
            packet.resize(size + 64, 0);
            packet
        })
        .collect()
}

fn set_seq(buffers: &mut [Vec<u8>], seq: u16) {
    for buffer in buffers {
        if let Some(to) = buffer.get_mut(2..4) {
            to.copy_from_slice(&seq.to_be_bytes());
        }
    }
}

fn streams(profile: Profile, direction: Direction) -> Result<ContextDb> {
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([5, 6]));
    for stream in NUMBERS {
        let mut key = profile.key();
        if let Some(first) = key.first_mut() {
            *first = stream;
        }
        let key = MasterKey::new(SecretBytes::from(key), SecretBytes::from(profile.salt()));
        let ssrcs = Ssrcs::one(Ssrc(SSRC + u32::from(stream)));
        db.install(Install::new(direction, here(), Owner(1), ssrcs, profile.policy, key))?;
    }
    Ok(db)
}
