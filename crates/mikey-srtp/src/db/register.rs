//! Whose each master key is, and which senders each owner has.
//!
//! Senders stand in here as their slots, four octets each, since a million contexts have a million of them.
//!
//! Invariant: every sender in the slab is in `newest` once and in its owner's chain once; every other key of it is in
//! `older`.

use alloc::collections::BTreeSet;

use hashbrown::HashTable;

use crate::destination::fold;
use crate::limits::MAX_SENDERS_COMPARED;
use crate::sender::{Direction, Owner, Sender};
use crate::slab::Slab;

pub(super) struct Register {
    seed: [u64; 2],
    /// Senders by the fingerprint of their newest key.
    newest: HashTable<u32>,
    /// Other keys: fingerprint and sender.
    older: BTreeSet<(u64, u32)>,
    /// The latest sender of each owner and direction; it names the one before it.
    owners: HashTable<u32>,
}

/// No sender has this slot.
pub(super) const NO_SENDER: u32 = u32::MAX;

impl Register {
    pub(super) const fn new(seed: [u64; 2]) -> Self {
        Self { seed, newest: HashTable::new(), older: BTreeSet::new(), owners: HashTable::new() }
    }

    /// Whose a key is.
    pub(super) fn key(&self, senders: &Slab<Sender>, fingerprint: u64) -> Option<(Owner, Direction)> {
        let newest = self.newest.find(self.key_hash(fingerprint), |slot| has(senders, *slot, fingerprint));
        let older =
            || self.older.range((fingerprint, 0)..=(fingerprint, NO_SENDER)).next().map(|(_, slot)| slot);
        let sender = senders.get(*newest.or_else(older)?)?;
        Some((sender.owner, sender.direction))
    }

    /// Takes note of a sender that has just been put into the slab.
    pub(super) fn add(&mut self, senders: &mut Slab<Sender>, slot: u32) {
        let Some(sender) = senders.get(slot) else { return };
        let (owner, direction, fingerprint) = (sender.owner, sender.direction, sender.key.fingerprint);
        self.insert_newest(senders, slot, fingerprint);
        let seed = self.seed;
        let hash = owner_hash(seed, owner, direction);
        let previous = match self.owners.find_mut(hash, |slot| owned(senders, *slot, owner, direction)) {
            Some(latest) => core::mem::replace(latest, slot),
            None => {
                self.owners.insert_unique(hash, slot, |slot| hash_of(senders, *slot, seed));
                NO_SENDER
            }
        };
        if let Some(sender) = senders.get_mut(slot) {
            sender.previous = previous;
        }
    }

    /// Forgets a sender that is still in the slab.
    pub(super) fn remove(&mut self, senders: &mut Slab<Sender>, slot: u32) {
        let Some(sender) = senders.get(slot) else { return };
        let (owner, direction, previous) = (sender.owner, sender.direction, sender.previous);
        for other in sender.others() {
            self.older.remove(&(other.key.fingerprint, slot));
        }
        self.remove_newest(slot, sender.key.fingerprint);
        let hash = owner_hash(self.seed, owner, direction);
        let Ok(mut entry) = self.owners.find_entry(hash, |slot| owned(senders, *slot, owner, direction))
        else {
            return;
        };
        if *entry.get() == slot {
            if previous == NO_SENDER {
                entry.remove();
            } else {
                *entry.get_mut() = previous;
            }
            return;
        }
        let later =
            chain(senders, *entry.get()).find(|(_, sender)| sender.previous == slot).map(|(slot, _)| slot);
        if let Some(later) = later.and_then(|later| senders.get_mut(later)) {
            later.previous = previous;
        }
    }

    /// A sender's newest key is another now.
    pub(super) fn replace(&mut self, senders: &Slab<Sender>, slot: u32, old: u64, new: u64) {
        self.remove_newest(slot, old);
        self.insert_newest(senders, slot, new);
    }

    /// Takes note of a key that is not its sender's newest.
    pub(super) fn add_older(&mut self, slot: u32, fingerprint: u64) {
        self.older.insert((fingerprint, slot));
    }

    pub(super) fn remove_older(&mut self, slot: u32, fingerprint: u64) {
        self.older.remove(&(fingerprint, slot));
    }

    /// The senders of an owner in one direction, latest first.
    pub(super) fn owned<'a>(
        &self,
        senders: &'a Slab<Sender>,
        owner: Owner,
        direction: Direction,
    ) -> impl Iterator<Item = (u32, &'a Sender)> + use<'a> {
        let hash = owner_hash(self.seed, owner, direction);
        let latest = self.owners.find(hash, |slot| owned(senders, *slot, owner, direction));
        chain(senders, latest.copied().unwrap_or(NO_SENDER))
    }

    /// As many of them as are asked whether they have an SSRC.
    pub(super) fn compared<'a>(
        &self,
        senders: &'a Slab<Sender>,
        owner: Owner,
        direction: Direction,
    ) -> impl Iterator<Item = &'a Sender> + use<'a> {
        self.owned(senders, owner, direction).take(MAX_SENDERS_COMPARED).map(|(_, sender)| sender)
    }

    fn insert_newest(&mut self, senders: &Slab<Sender>, slot: u32, fingerprint: u64) {
        let seed = self.seed;
        let rehash = |slot: &u32| senders.get(*slot).map_or(0, |sender| hash(seed, sender.key.fingerprint));
        self.newest.insert_unique(hash(seed, fingerprint), slot, rehash);
    }

    fn remove_newest(&mut self, slot: u32, fingerprint: u64) {
        if let Ok(entry) = self.newest.find_entry(self.key_hash(fingerprint), |other| *other == slot) {
            entry.remove();
        }
    }

    const fn key_hash(&self, fingerprint: u64) -> u64 {
        hash(self.seed, fingerprint)
    }
}

/// From a sender to the first of its owner and direction.
fn chain(senders: &Slab<Sender>, latest: u32) -> impl Iterator<Item = (u32, &Sender)> {
    let at = |slot: u32| senders.get(slot).map(|sender| (slot, sender));
    core::iter::successors(at(latest), move |(_, sender)| at(sender.previous))
}

fn has(senders: &Slab<Sender>, slot: u32, fingerprint: u64) -> bool {
    senders.get(slot).is_some_and(|sender| sender.key.fingerprint == fingerprint)
}

fn owned(senders: &Slab<Sender>, slot: u32, owner: Owner, direction: Direction) -> bool {
    senders.get(slot).is_some_and(|sender| sender.owner == owner && sender.direction == direction)
}

fn hash_of(senders: &Slab<Sender>, slot: u32, seed: [u64; 2]) -> u64 {
    senders.get(slot).map_or(0, |sender| owner_hash(seed, sender.owner, sender.direction))
}

fn owner_hash(seed: [u64; 2], owner: Owner, direction: Direction) -> u64 {
    let [a, b] = seed;
    hash([a ^ direction as u64, b], owner.0)
}

const fn hash([a, b]: [u64; 2], number: u64) -> u64 {
    fold(number ^ a, b ^ 0x9e37_79b9_7f4a_7c15)
}
