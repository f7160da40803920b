//! Packets whose keys are not disclosed yet: bounded in number, octets and time.
//!
//! Invariant: `by_index` has exactly the packets of `packets`, and `octets` is their sum.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::FullMac;
use super::budget::TeslaLimits;
use crate::index::Extended;
use crate::key::Context;
use crate::packet::RtpLayout;
use crate::time::Time;

/// A packet that the group's key has let through.
pub(crate) struct Held {
    pub(super) index: MediaIndex,
    /// Under which key it came.
    pub(super) context: Arc<Context>,
    /// What the TESLA MAC covers, but for the ROC: still encrypted.
    pub(super) octets: Vec<u8>,
    pub(super) layout: Option<RtpLayout>,
    pub(super) chain: u32,
    pub(super) interval: u32,
    /// With zeros behind it, if it is truncated.
    pub(super) mac: FullMac,
    pub(super) arrived: Time,
}

/// Which packet of its stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MediaIndex {
    Rtp(Extended),
    Rtcp(u32),
}

pub(super) struct Buffer {
    limits: TeslaLimits,
    /// By order of arrival.
    packets: BTreeMap<u64, Held>,
    /// The same by index: copies of one packet, and packets that claim one index, stand beside each other.
    by_index: BTreeSet<(MediaIndex, u64)>,
    octets: usize,
    next: u64,
}

/// A copy of this packet is here already.
pub(super) struct Duplicate;

impl Buffer {
    pub(super) const fn new(limits: TeslaLimits) -> Self {
        Self { limits, packets: BTreeMap::new(), by_index: BTreeSet::new(), octets: 0, next: 0 }
    }

    pub(super) const fn limits(&self) -> &TeslaLimits {
        &self.limits
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Puts a packet in; returns how many went for it. Copies do not count twice: anybody can send those.
    pub(super) fn insert(&mut self, held: Held) -> Result<u64, Duplicate> {
        let same = (held.index, 0)..=(held.index, u64::MAX);
        let mut others = self.by_index.range(same).filter_map(|(_, number)| self.packets.get(number));
        if others.any(|other| {
            (&other.octets, other.mac, other.interval) == (&held.octets, held.mac, held.interval)
        }) {
            return Err(Duplicate);
        }
        let mut gone = 0;
        while self.packets.len() >= self.limits.packets
            || self.octets.saturating_add(held.octets.len()) > self.limits.octets
        {
            let Some((number, oldest)) = self.packets.pop_first() else { break };
            self.forget(number, &oldest);
            gone += 1;
        }
        self.by_index.insert((held.index, self.next));
        self.octets += held.octets.len();
        self.packets.insert(self.next, held);
        self.next += 1;
        Ok(gone)
    }

    /// Takes out what a condition holds for, in order of arrival.
    pub(super) fn extract(&mut self, mut condition: impl FnMut(&Held) -> bool) -> Vec<Held> {
        let numbers = self.packets.iter().filter(|(_, held)| condition(held)).map(|(number, _)| *number);
        let numbers: Vec<u64> = numbers.collect();
        let mut out = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(held) = self.packets.remove(&number) else { continue };
            self.forget(number, &held);
            out.push(held);
        }
        out
    }

    /// Drops what came too long ago; returns how many that were.
    pub(super) fn expire(&mut self, now: Time) -> u64 {
        let age = u64::try_from(self.limits.age.as_nanos()).unwrap_or(u64::MAX);
        let mut gone = 0;
        while let Some(oldest) = self.packets.first_entry() {
            if now.0.saturating_sub(oldest.get().arrived.0) <= age {
                break;
            }
            let (number, oldest) = oldest.remove_entry();
            self.forget(number, &oldest);
            gone += 1;
        }
        gone
    }

    /// Takes note that a packet is no longer in `packets`.
    fn forget(&mut self, number: u64, held: &Held) {
        self.by_index.remove(&(held.index, number));
        self.octets = self.octets.saturating_sub(held.octets.len());
    }
}
