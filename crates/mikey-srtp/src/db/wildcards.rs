//! Senders that take any SSRC, and which of them a packet of an unknown one may be from.
//!
//! Anybody can send such packets: what it takes to find the senders that have a packet's MKI does not grow with the number of
//! those that have not.
//!
//! Invariant: each key of a wildcard sender stands in `keys` of its place, and is counted in `ends`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::SrtpPolicy;

use crate::destination::{Destination, fold};
use crate::limits::MAX_WILDCARD_TRIALS;
use crate::sender::{Direction, Sender, SenderId};
use crate::slab::Slab;
use crate::tag::{RtpTail, is_aead, rtcp_tag_len};

/// The wildcard senders.
pub(super) struct Wildcards {
    seed: [u64; 2],
    /// By destination, and whether they are inbound.
    places: BTreeMap<(Destination, bool), Place>,
}

#[derive(Default)]
struct Place {
    /// The hash of an MKI, and the serial number and slot of a sender with a key of it.
    keys: BTreeSet<(u64, u32, u32)>,
    /// How packets end: under which policy, with how many octets of MKI, and of how many keys.
    ends: Vec<(Arc<SrtpPolicy>, usize, usize)>,
}

/// Senders to try, those that were installed first before the others, without allocating.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) ids: [Option<SenderId>; MAX_WILDCARD_TRIALS],
}

impl Wildcards {
    pub(super) const fn new(seed: [u64; 2]) -> Self {
        Self { seed, places: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes note of a sender with the keys that it has now.
    pub(super) fn add(&mut self, senders: &Slab<Sender>, slot: u32) {
        let Some(sender) = senders.get(slot) else { return };
        let seed = self.seed;
        let place = self.places.entry(place_of(sender)).or_default();
        for key in sender.keys() {
            let (policy, mki) = (&key.context.policy, key.context.mki());
            if !place.keys.insert((hash(seed, mki), sender.serial, slot)) {
                continue;
            }
            match place.ends.iter_mut().find(|(known, len, _)| known == policy && *len == mki.len()) {
                Some((.., count)) => *count += 1,
                None => place.ends.push((Arc::clone(policy), mki.len(), 1)),
            }
        }
    }

    /// Forgets a sender, before its keys change or it goes. Returns whether it was there.
    pub(super) fn remove(&mut self, senders: &Slab<Sender>, slot: u32) -> bool {
        let Some(sender) = senders.get(slot) else { return false };
        let Some(place) = self.places.get_mut(&place_of(sender)) else { return false };
        let mut was_there = false;
        for key in sender.keys() {
            let (policy, mki) = (&key.context.policy, key.context.mki());
            if !place.keys.remove(&(hash(self.seed, mki), sender.serial, slot)) {
                continue;
            }
            was_there = true;
            for (known, len, count) in &mut place.ends {
                if known == policy && *len == mki.len() {
                    *count = count.saturating_sub(1);
                }
            }
        }
        place.ends.retain(|(.., count)| *count > 0);
        if place.keys.is_empty() {
            self.places.remove(&place_of(sender));
        }
        was_there
    }

    /// The wildcard sender of an outbound destination; of several, the one that was installed first.
    pub(super) fn outbound(&self, destination: Destination) -> Option<SenderId> {
        let keys = &self.places.get(&(destination, false))?.keys;
        let (_, serial, slot) = *keys.iter().min_by_key(|(_, serial, slot)| (*serial, *slot))?;
        Some(SenderId { slot, serial })
    }

    /// The senders from which a packet that came to `destination` may be, at most as many as may be tried. A packet with an
    /// MKI is tried under the keys of that MKI alone, so their number is no limit for the others.
    pub(super) fn candidates(
        &self,
        senders: &Slab<Sender>,
        destination: Destination,
        packet: &[u8],
    ) -> Candidates {
        let mut candidates = Candidates::default();
        let Some(place) = self.places.get(&(destination, true)) else { return candidates };
        for (policy, len, _) in &place.ends {
            for behind in behind(policy, packet) {
                let end = packet.len().checked_sub(behind);
                let mki = end.and_then(|end| packet.get(end.checked_sub(*len)?..end));
                let Some(mki) = mki else { continue };
                let may_be = |id: &SenderId| senders.get(id.slot).is_some_and(|s| may_be_from(s, packet));
                let of_mki = place.with(hash(self.seed, mki)).filter(may_be);
                of_mki.take(MAX_WILDCARD_TRIALS).for_each(|id| candidates.insert(id));
            }
        }
        candidates
    }
}

impl Place {
    /// The senders with a key whose MKI has this hash, in the order of their installation.
    fn with(&self, hash: u64) -> impl Iterator<Item = SenderId> {
        let keys = self.keys.range((hash, 0, 0)..=(hash, u32::MAX, u32::MAX));
        keys.map(|(_, serial, slot)| SenderId { slot: *slot, serial: *serial })
    }
}

impl Candidates {
    /// Puts a sender in its place, if that is among the first.
    fn insert(&mut self, id: SenderId) {
        let order = |id: SenderId| (id.serial, id.slot);
        let at = self.ids.iter().position(|other| other.is_none_or(|other| order(other) >= order(id)));
        let Some(later) = at.and_then(|at| self.ids.get_mut(at..)) else { return };
        if later.first() != Some(&Some(id)) {
            later.rotate_right(1);
            if let Some(first) = later.first_mut() {
                *first = Some(id);
            }
        }
    }
}

fn place_of(sender: &Sender) -> (Destination, bool) {
    (sender.destination, sender.direction == Direction::Inbound)
}

/// Octets behind the MKI of a packet, if it is SRTP, and if it is SRTCP.
fn behind(policy: &SrtpPolicy, packet: &[u8]) -> [usize; 2] {
    let seq = match packet {
        [_, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    if is_aead(policy.cipher) { [0, 0] } else { [RtpTail::of(policy, seq).len(), rtcp_tag_len(policy)] }
}

/// Whether one of a sender's keys has no MKI, or the one that stands in the packet as SRTP or as SRTCP.
fn may_be_from(sender: &Sender, packet: &[u8]) -> bool {
    sender.keys().any(|key| {
        let (policy, mki) = (&*key.context.policy, key.context.mki());
        let stands = |behind: usize| packet.len().checked_sub(behind).and_then(|end| packet.get(..end));
        mki.is_empty()
            || behind(policy, packet).into_iter().filter_map(stands).any(|head| head.ends_with(mki))
    })
}

/// A hash that nobody can aim at without knowing the seed.
fn hash([a, b]: [u64; 2], mki: &[u8]) -> u64 {
    let start = fold(a ^ u64::try_from(mki.len()).unwrap_or(u64::MAX), b ^ 0x9e37_79b9_7f4a_7c15);
    mki.chunks(8).fold(start, |hash, chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        fold(hash ^ u64::from_le_bytes(word) ^ a, b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(serials: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut candidates = Candidates::default();
        serials.into_iter().for_each(|serial| candidates.insert(SenderId { slot: 9, serial }));
        candidates.ids.iter().flatten().map(|id| id.serial).collect()
    }

    #[test]
    fn the_first_to_be_installed_are_tried_and_each_once() {
        assert_eq!(candidates([3, 1, 2, 1, 3]), [1, 2, 3]);
        assert_eq!(candidates((0..20).rev()), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(candidates((0..20).chain(0..20)), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_is_looked_at_for_a_packet_does_not_grow_with_the_senders() {
        let mut place = Place::default();
        let seed = [7, 11];
        for n in 0..10_000_u32 {
            place.keys.insert((hash(seed, &n.to_be_bytes()), n, n));
        }
        for n in [0_u32, 77, 9_999] {
            let found: Vec<u32> = place.with(hash(seed, &n.to_be_bytes())).map(|id| id.slot).collect();
            assert_eq!(found, [n]);
        }
        assert_eq!(place.with(hash(seed, &10_000_u32.to_be_bytes())).count(), 0);
        assert_ne!(hash(seed, &[]), hash(seed, &[0]), "a shorter MKI is another");
    }
}
