//! Replay window for one stream under one key (RFC 3711 section 3.3.2).
//!
//! Invariant: of the last `size` indices below `top`, bit `i mod size` is set iff packet `i` was authenticated.
//! Knows nothing of keys, time or headers.

use alloc::boxed::Box;
use alloc::vec;

use crate::limits::{MAX_WINDOW, MIN_WINDOW};

/// Which indices have been accepted.
pub(crate) struct ReplayWindow {
    /// One more than the highest index accepted; 0 if none was.
    top: u64,
    bits: Bits,
}

/// Windows of up to 128 packets, nearly all of them, need no memory of their own.
enum Bits {
    Small([u64; 2]),
    Large(Box<[u64]>),
}

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
        let bits = if size <= 128 {
            Bits::Small([0; 2])
        } else {
            Bits::Large(vec![0; usize::try_from(size / 64).unwrap_or(2)].into_boxed_slice())
        };
        Self { top: 0, bits }
    }

    /// Whether `index` may be new. Changes nothing.
    #[inline]
    pub(crate) fn check(&self, index: u64) -> Result<(), Stale> {
        if index >= self.top {
            return Ok(());
        }
        let words = self.words();
        if self.top - index > (words.len() as u64) * 64 {
            return Err(Stale::Old);
        }
        let (word, bit) = place(index, words.len());
        match words.get(word) {
            Some(word) if word & bit == 0 => Ok(()),
            _ => Err(Stale::Replayed),
        }
    }

    /// One more than the highest index accepted; 0 if none was.
    #[inline]
    pub(crate) const fn top(&self) -> u64 {
        self.top
    }

    /// Takes note of an index that was not checked, because the packet is not authenticated: only that it came.
    pub(crate) fn note(&mut self, index: u64) {
        self.top = self.top.max(index + 1);
    }

    /// Takes note of an index that passed [`Self::check`] and whose packet was authenticated.
    #[inline]
    pub(crate) fn commit(&mut self, index: u64) {
        let top = self.top;
        let words = self.words_mut();
        let len = words.len();
        if index > top {
            clear(words, top, index);
        }
        let (word, bit) = place(index, len);
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
        self.top = top.max(index + 1);
    }

    #[inline]
    fn words(&self) -> &[u64] {
        match &self.bits {
            Bits::Small(words) => words,
            Bits::Large(words) => words,
        }
    }

    #[inline]
    fn words_mut(&mut self) -> &mut [u64] {
        match &mut self.bits {
            Bits::Small(words) => words,
            Bits::Large(words) => words,
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

/// Forgets the indices from `from` up to `to`, which stood for packets a window ago.
#[cold]
fn clear(words: &mut [u64], from: u64, to: u64) {
    if to - from >= (words.len() as u64) * 64 {
        words.fill(0);
        return;
    }
    let len = words.len();
    let mut at = from;
    while at < to {
        let (word, _) = place(at, len);
        let first = at % 64;
        let count = (64 - first).min(to - at);
        let mask = if count == 64 { u64::MAX } else { ((1 << count) - 1) << first };
        if let Some(word) = words.get_mut(word) {
            *word &= !mask;
        }
        at += count;
    }
}

/// The word and the bit of an index; `words` is a power of two.
#[inline]
const fn place(index: u64, words: usize) -> (usize, u64) {
    (((index / 64) & (words as u64 - 1)) as usize, 1 << (index % 64))
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
