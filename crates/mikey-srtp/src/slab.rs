//! Slots that never move: memory grows by fixed chunks, so nothing is copied and little is spare.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Values under small numbers.
pub(crate) struct Slab<T> {
    chunks: Vec<Box<[Slot<T>]>>,
    free: u32,
    len: u32,
}

enum Slot<T> {
    Free { next: u32 },
    Full(T),
}

impl<T> Slab<T> {
    /// Octets that each value takes.
    #[cfg(test)]
    pub(crate) const SLOT: usize = size_of::<Slot<T>>();

    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Puts a value in; `None` if all numbers are taken.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if self.free == NONE {
            self.grow()?;
        }
        let at = self.free;
        let slot = self.slot_mut(at)?;
        let Slot::Free { next } = core::mem::replace(slot, Slot::Full(value)) else { return None };
        self.free = next;
        self.len += 1;
        Some(at)
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let free = self.free;
        let slot = self.slot_mut(at)?;
        if matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let Slot::Full(value) = core::mem::replace(slot, Slot::Free { next: free }) else { return None };
        self.free = at;
        self.len -= 1;
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        let chunk = self.chunks.get((at / CHUNK) as usize)?;
        match chunk.get((at % CHUNK) as usize)? {
            Slot::Full(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        match self.slot_mut(at)? {
            Slot::Full(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.chunks.iter().flat_map(|chunk| chunk.iter());
        (0..).zip(slots).filter_map(|(at, slot)| match slot {
            Slot::Full(value) => Some((at, value)),
            Slot::Free { .. } => None,
        })
    }

    #[inline]
    fn slot_mut(&mut self, at: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut((at / CHUNK) as usize)?.get_mut((at % CHUNK) as usize)
    }

    fn grow(&mut self) -> Option<()> {
        let first = u32::try_from(self.chunks.len()).ok()?.checked_mul(CHUNK)?;
        let after = first.checked_add(CHUNK).filter(|after| *after != NONE)?;
        let slots =
            (first + 1..=after).map(|next| Slot::Free { next: if next == after { NONE } else { next } });
        self.chunks.push(slots.collect());
        self.free = first;
        Some(())
    }
}

const CHUNK: u32 = 64;
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..200).map(|i| slab.insert(i).unwrap()).collect();
        assert_eq!(slab.len(), 200);
        assert_eq!(slab.remove(numbers[7]), Some(7));
        assert_eq!(slab.remove(numbers[7]), None);
        assert_eq!(slab.get(numbers[7]), None);
        assert_eq!(slab.insert(1000), Some(numbers[7]));
        assert_eq!(slab.iter().count(), 200);
        assert_eq!(slab.get(numbers[199]), Some(&199));
        *slab.get_mut(numbers[0]).unwrap() = 5;
        assert_eq!(slab.get(numbers[0]), Some(&5));
        assert_eq!(slab.get(5000), None);
    }
}
