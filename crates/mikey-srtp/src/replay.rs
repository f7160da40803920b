//! Replay window for one stream under one key (RFC 3711 section 3.3.2).
//!
//! Knows nothing of keys, time or headers.

use alloc::boxed::Box;
use alloc::vec;
use core::num::NonZeroU64;

use crate::limits::{MAX_WINDOW, MIN_WINDOW};

/// Which indices have been accepted.
pub(crate) struct ReplayWindow {
    /// One more than the highest index accepted; 0 if none was.
    top: u64,
    bits: Bits,
}

/// Windows of up to 128 packets, nearly all of them, need no memory of their own.
enum Bits {
    /// Bit `i` is set iff packet `top - 1 - i` was accepted. Bit 0 always is: before the first packet it means nothing.
    /// So the low word is never 0, and the other variant costs no room.
    Small {
        low: NonZeroU64,
        high: u64,
    },
    Large(Box<Ring>),
}

/// Of the last `size` indices below `top`, bit `i mod size` is set iff packet `i` was accepted.
struct Ring(Box<[u64]>);

/// Why an index is refused before anything is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// It was accepted before.
    Replayed,
    /// It lies before the window.
    Old,
}

impl ReplayWindow {
    /// A window of at least `size` packets: the next power of two from 128 to [`MAX_WINDOW`].
    pub(crate) fn new(size: u16) -> Self {
        let size = u32::from(size).clamp(MIN_WINDOW, MAX_WINDOW).next_power_of_two();
        let bits = if size <= SMALL {
            Bits::Small { low: NonZeroU64::MIN, high: 0 }
        } else {
            let words = vec![0; usize::try_from(size / 64).unwrap_or(2)];
            Bits::Large(Box::new(Ring(words.into_boxed_slice())))
        };
        Self { top: 0, bits }
    }

    /// A window of the same size in which nothing was accepted.
    pub(crate) fn renewed(&self) -> Self {
        let bits = match &self.bits {
            Bits::Small { .. } => Bits::Small { low: NonZeroU64::MIN, high: 0 },
            Bits::Large(ring) => Bits::Large(Box::new(Ring(vec![0; ring.0.len()].into_boxed_slice()))),
        };
        Self { top: 0, bits }
    }

    /// Whether `index` may be new. Changes nothing.
    #[inline]
    pub(crate) fn check(&self, index: u64) -> Result<(), Stale> {
        if index >= self.top {
            return Ok(());
        }
        let age = self.top - 1 - index;
        match &self.bits {
            Bits::Small { low, high } => {
                let word = if age < 64 { low.get() } else { *high };
                match 1u64.checked_shl(age_in_word(age)) {
                    _ if age >= u64::from(SMALL) => Err(Stale::Old),
                    Some(bit) if word & bit == 0 => Ok(()),
                    _ => Err(Stale::Replayed),
                }
            }
            Bits::Large(ring) => ring.check(index, age),
        }
    }

    /// One more than the highest index accepted; 0 if none was.
    #[inline]
    pub(crate) const fn top(&self) -> u64 {
        self.top
    }

    /// Takes note of an index that was accepted: it passed [`Self::check`] and its packet was authenticated, or the
    /// policy authenticates nothing. One before the window leaves no trace.
    #[inline]
    pub(crate) fn commit(&mut self, index: u64) {
        let top = self.top;
        self.top = top.max(index + 1);
        match &mut self.bits {
            // In order, as nearly all packets are.
            Bits::Small { low, high } if index == top => {
                *high = *high << 1 | low.get() >> 63;
                *low = NonZeroU64::MIN | low.get() << 1;
            }
            Bits::Small { low, high } if index > top => {
                let ahead = index + 1 - top;
                let bits = u128::from(*high) << 64 | u128::from(low.get());
                let bits = u32::try_from(ahead).ok().and_then(|ahead| bits.checked_shl(ahead)).unwrap_or(0);
                (*low, *high) = (NonZeroU64::MIN | low_word(bits), low_word(bits >> 64));
            }
            Bits::Small { low, high } => {
                let age = top - 1 - index;
                let bit = 1u64 << age_in_word(age);
                match age {
                    0..64 => *low |= bit,
                    64..128 => *high |= bit,
                    _ => {}
                }
            }
            Bits::Large(ring) => ring.commit(index, top),
        }
    }
}

impl Ring {
    fn check(&self, index: u64, age: u64) -> Result<(), Stale> {
        if age >= self.len() {
            return Err(Stale::Old);
        }
        let (word, bit) = self.place(index);
        match self.0.get(word) {
            Some(word) if word & bit == 0 => Ok(()),
            _ => Err(Stale::Replayed),
        }
    }

    fn commit(&mut self, index: u64, top: u64) {
        if index > top {
            self.clear(top, index);
        } else if top - index > self.len() {
            return;
        }
        let (at, bit) = self.place(index);
        if let Some(word) = self.0.get_mut(at) {
            *word |= bit;
        }
    }

    const fn len(&self) -> u64 {
        self.0.len() as u64 * 64
    }

    /// The word and the bit of an index; the number of words is a power of two.
    const fn place(&self, index: u64) -> (usize, u64) {
        (((index / 64) & (self.0.len() as u64 - 1)) as usize, 1 << (index % 64))
    }

    /// Forgets the indices from `from` up to `to`, which stood for packets a window ago.
    #[cold]
    fn clear(&mut self, from: u64, to: u64) {
        if to - from >= self.len() {
            self.0.fill(0);
            return;
        }
        let mut at = from;
        while at < to {
            let (word, _) = self.place(at);
            let first = at % 64;
            let count = (64 - first).min(to - at);
            let mask = if count == 64 { u64::MAX } else { ((1 << count) - 1) << first };
            if let Some(word) = self.0.get_mut(word) {
                *word &= !mask;
            }
            at += count;
        }
    }
}

/// A window of 64 for SRTCP, whose indices have 31 bits and come seldom.
///
/// Invariant: bit `i` is set iff packet `top - 1 - i` was authenticated.
#[derive(Default)]
pub(crate) struct RtcpWindow {
    bits: u64,
    top: u32,
    /// Packets protected or accepted; here because it costs no memory here.
    used: u32,
}

impl RtcpWindow {
    /// Packets protected or accepted so far.
    pub(crate) const fn used(&self) -> u32 {
        self.used
    }

    /// Counts a packet, and returns how many there are now.
    pub(crate) fn count(&mut self) -> u32 {
        self.used += 1;
        self.used
    }

    /// Whether `index` may be new. Changes nothing.
    pub(crate) fn check(&self, index: u32) -> Result<(), Stale> {
        let Some(age) = self.top.checked_sub(1).and_then(|highest| highest.checked_sub(index)) else {
            return Ok(());
        };
        match 1u64.checked_shl(age) {
            None => Err(Stale::Old),
            Some(bit) if self.bits & bit != 0 => Err(Stale::Replayed),
            Some(_) => Ok(()),
        }
    }

    /// Takes note of an index of 31 bits that passed [`Self::check`] and whose packet was authenticated.
    pub(crate) fn commit(&mut self, index: u32) {
        match (index + 1).checked_sub(self.top) {
            Some(ahead) if ahead > 0 => {
                self.bits = self.bits.checked_shl(ahead).unwrap_or(0) | 1;
                self.top = index + 1;
            }
            _ => self.bits |= 1u64.checked_shl(self.top - 1 - index).unwrap_or(0),
        }
    }
}

/// Packets of a window that needs no memory of its own.
const SMALL: u32 = 128;

/// Where the bit of an age is in its word.
const fn age_in_word(age: u64) -> u32 {
    (age % 64) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
const fn low_word(bits: u128) -> u64 {
    bits as u64
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn accepts_once_refuses_old() {
        let mut window = ReplayWindow::new(64);
        for index in [5, 3, 4, 100, 200, 73] {
            assert_eq!(window.check(index), Ok(()));
            window.commit(index);
            assert_eq!(window.check(index), Err(Stale::Replayed));
        }
        assert_eq!(window.check(72), Err(Stale::Old));
        assert_eq!(window.check(74), Ok(()));
        assert_eq!(window.check(3), Err(Stale::Old));
    }

    #[test]
    fn the_small_window_accepts_once() {
        let mut window = RtcpWindow::default();
        for index in [0u32, 1, 5, 3, 64, 200, 137, 0x7fff_ffff] {
            assert_eq!(window.check(index), Ok(()), "{index}");
            window.commit(index);
            assert_eq!(window.check(index), Err(Stale::Replayed), "{index}");
        }
        assert_eq!(window.check(0x7fff_ffff - 63), Ok(()));
        assert_eq!(window.check(0x7fff_ffff - 64), Err(Stale::Old));
        assert_eq!(window.check(200), Err(Stale::Old));
    }

    #[test]
    fn agrees_with_a_set_for_every_size() {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        for size in [64u16, 128, 256, 1024, 32_768] {
            let real = u64::from(size.max(128));
            let mut window = ReplayWindow::new(size);
            let mut seen = BTreeSet::new();
            let mut highest = 0u64;
            for _ in 0..20_000 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let step = random % (real * 2);
                let index =
                    if random & 1 << 40 == 0 { highest + step % 70 } else { highest.saturating_sub(step) };
                let expected = if seen.contains(&index) && highest - index < real {
                    Err(Stale::Replayed)
                } else if !seen.is_empty() && highest >= real && index <= highest - real {
                    Err(Stale::Old)
                } else {
                    Ok(())
                };
                assert_eq!(window.check(index), expected, "size {size}, index {index}, highest {highest}");
                if expected.is_ok() {
                    window.commit(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
            }
        }
    }
}
