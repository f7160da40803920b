//! Many contexts: how many octets each takes, and what it costs to touch them at random.

use std::hint::black_box;

use mikey_crypto::SecretBytes;
use mikey_srtp::{ContextDb, DbConfig, Direction, Install, MasterKey, Owner, Ssrc, Ssrcs, Time};

use super::ours::here;
use super::pool::{HEADER, packet};
use super::profile::PROFILES;
use crate::Result;
use crate::measure::{Case, Contestant, Role, resident};

/// How many contexts there are in each case.
pub(crate) const CONTEXTS: [u32; 3] = [1, 10_000, 1_000_000];

/// Octets of each packet's payload.
pub(crate) const CONTEXTS_SIZE: usize = 160;

/// What the case is called before it is measured.
pub(crate) fn contexts_name(count: u32) -> String {
    format!("contexts: {count}, at random, AES-CM-128/HMAC-SHA1-80 protect")
}

/// Makes the contexts, each with a key of its own, and the case that touches one after another at random.
pub(crate) fn contexts(count: u32) -> Result<Case<'static>> {
    let [profile, ..] = PROFILES;
    let before = resident()?;
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([5, 6]));
    for ssrc in 0..count {
        let mut key = profile.key();
        for (to, from) in key.iter_mut().zip(ssrc.to_be_bytes()) {
            *to = from;
        }
        let key = MasterKey::new(SecretBytes::from(key), SecretBytes::from(profile.salt()));
        let ssrcs = Ssrcs::one(Ssrc(ssrc));
        db.install(Install::new(
            Direction::Outbound,
            here(),
            Owner(ssrc.into()),
            ssrcs,
            profile.policy,
            key,
        ))?;
    }
    let each = resident()?.saturating_sub(before) / u64::from(count);
    let name = match count {
        1 => contexts_name(count),
        _ => format!("{}, {each} octets each", contexts_name(count)),
    };
    let order = shuffled(count);
    let mut next = 0;
    let mut seq = 0u16;
    let mut buffer = packet(0, CONTEXTS_SIZE);
    buffer.resize(CONTEXTS_SIZE + 64, 0);
    let contestant = Contestant::new("mikey-srtp", Role::Ours, move || {
        if next == order.len() {
            next = 0;
            seq = seq.wrapping_add(1);
        }
        let ssrc = order.get(next).ok_or("no contexts")?;
        next += 1;
        if let Some(to) = buffer.get_mut(2..4) {
            to.copy_from_slice(&seq.to_be_bytes());
        }
        if let Some(to) = buffer.get_mut(8..12) {
            to.copy_from_slice(&ssrc.to_be_bytes());
        }
        black_box(db.protect_rtp(Time::ZERO, here(), &mut buffer, CONTEXTS_SIZE + HEADER)?);
        Ok(())
    });
    Ok(Case { name, size: CONTEXTS_SIZE, contestants: vec![contestant] })
}

/// Every number below `count` once, in an order that no prefetcher guesses.
fn shuffled(count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for at in (1..order.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let other = usize::try_from(random % (at as u64 + 1)).unwrap_or(0);
        order.swap(at, other);
    }
    order
}
