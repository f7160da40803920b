//! Many contexts: how many octets each takes, and what it costs to touch them at random, one by one and in batches.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{
    ContextDb, DbConfig, Direction, Install, MasterKey, OutboundPacket, Owner, Ssrc, Ssrcs, Time,
};

use super::ours::here;
use super::pool::{HEADER, packet};
use super::profile::{PROFILES, Profile};
use crate::Result;
use crate::measure::{Case, Contestant, Role, resident};

/// How many contexts there are in each case, and with which profile.
pub(crate) fn contexts_cases() -> impl Iterator<Item = (u32, Profile)> {
    let profiles = PROFILES.into_iter().take(1).chain(PROFILES.into_iter().skip(4).take(1));
    profiles.flat_map(|profile| [1, 10_000, 1_000_000].map(|count| (count, profile)))
}

/// Octets of each packet's payload.
pub(crate) const CONTEXTS_SIZE: usize = 160;

/// Packets of a batch.
const BATCH: usize = 32;

/// What the case is called before it is measured.
pub(crate) fn contexts_name(count: u32, profile: Profile) -> String {
    format!("contexts: {count}, at random, {} protect", profile.name)
}

/// Makes the contexts, each with a key of its own, and the case that touches one after another at random.
pub(crate) fn contexts(count: u32, profile: Profile) -> Result<Case<'static>> {
    let before = resident()?;
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([5, 6]));
    for ssrc in 0..count {
        let mut key = profile.key();
        for (to, from) in key.iter_mut().zip(ssrc.to_be_bytes()) {
            *to = from;
        }
        let key = MasterKey::new(SecretBytes::from(key), SecretBytes::from(profile.salt()));
        let (owner, ssrcs) = (Owner(ssrc.into()), Ssrcs::one(Ssrc(ssrc)));
        db.install(Install::new(Direction::Outbound, here(), owner, ssrcs, profile.policy, key))?;
    }
    let each = resident()?.saturating_sub(before) / u64::from(count);
    // Later cases take the memory that the ones before have freed, and say nothing of it.
    let first = profile.policy == SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    let name = match count {
        2.. if first => format!("{}, {each} octets each", contexts_name(count, profile)),
        _ => contexts_name(count, profile),
    };
    // All contestants walk the same contexts: a sequence number is good for one of them.
    let walk = Rc::new(RefCell::new(Walk { db, order: shuffled(count), next: 0, seq: 0 }));
    let mut contestants = vec![one_by_one(Rc::clone(&walk))];
    if usize::try_from(count)? >= BATCH {
        contestants.push(batches(walk));
    }
    Ok(Case { name, size: CONTEXTS_SIZE, contestants })
}

/// The contexts and where the walk through them stands.
struct Walk {
    db: ContextDb,
    order: Vec<u32>,
    next: usize,
    seq: u16,
}

impl Walk {
    /// Makes a packet of the next context.
    fn step(&mut self, packet: &mut [u8]) -> Result<()> {
        if self.next == self.order.len() {
            self.next = 0;
            self.seq = self.seq.wrapping_add(1);
        }
        let ssrc = self.order.get(self.next).ok_or("no contexts")?;
        self.next += 1;
        if let Some(to) = packet.get_mut(2..4) {
            to.copy_from_slice(&self.seq.to_be_bytes());
        }
        if let Some(to) = packet.get_mut(8..12) {
            to.copy_from_slice(&ssrc.to_be_bytes());
        }
        Ok(())
    }
}

fn one_by_one(walk: Rc<RefCell<Walk>>) -> Contestant<'static> {
    let mut buffer = buffer();
    Contestant::new("mikey-srtp", Role::Ours, move || {
        let mut walk = walk.borrow_mut();
        walk.step(&mut buffer)?;
        black_box(walk.db.protect_rtp(Time::ZERO, here(), &mut buffer, CONTEXTS_SIZE + HEADER)?);
        Ok(())
    })
}

fn batches(walk: Rc<RefCell<Walk>>) -> Contestant<'static> {
    let mut buffers: Vec<Vec<u8>> = (0..BATCH).map(|_| buffer()).collect();
    Contestant::each_of("mikey-srtp, batches of 32", Role::Peer, BATCH as u64, move || {
        let mut walk = walk.borrow_mut();
        for buffer in &mut buffers {
            walk.step(buffer)?;
        }
        let mut left = buffers.iter_mut();
        let mut items: [_; BATCH] = core::array::from_fn(|_| {
            let buffer = left.next().map_or(&mut [][..], |buffer| buffer.as_mut_slice());
            OutboundPacket::new(here(), buffer, CONTEXTS_SIZE + HEADER)
        });
        walk.db.protect_rtp_batch(Time::ZERO, &mut items);
        for item in &items {
            black_box(item.outcome?);
        }
        Ok(())
    })
}

fn buffer() -> Vec<u8> {
    let mut buffer = packet(0, CONTEXTS_SIZE);
    buffer.resize(CONTEXTS_SIZE + 64, 0);
    buffer
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
