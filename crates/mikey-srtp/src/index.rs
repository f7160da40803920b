//! Packet indices: SSRC, sequence number, rollover counter, and the estimate of RFC 3711 section 3.3.1.
//!
//! Inside the crate an index is extended beyond 48 bits by the number of times it has wrapped, so that an order holds
//! across the wrap, which only a new master key can pass.

/// A synchronisation source (RFC 3550 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl core::fmt::Display for Ssrc {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// The 48-bit index of an SRTP packet: `ROC || SEQ` (RFC 3711 section 3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketIndex(u64);

impl PacketIndex {
    /// The highest index.
    pub const MAX: Self = Self(INDEX_MASK);

    /// From rollover counter and sequence number.
    #[must_use]
    pub const fn new(roc: u32, seq: u16) -> Self {
        Self((roc as u64) << 16 | seq as u64)
    }

    /// From the low 48 bits of `value`.
    #[must_use]
    pub const fn from_u64(value: u64) -> Self {
        Self(value & INDEX_MASK)
    }

    /// As a number below 2^48.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The rollover counter.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "48 bits less 16 are 32")]
    pub const fn roc(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The sequence number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
    pub const fn seq(self) -> u16 {
        self.0 as u16
    }
}

/// An index that counts on past 2^48.
pub(crate) type Extended = u64;

/// Which pass through the 48 bits an extended index is in.
pub(crate) const fn epoch(index: Extended) -> u64 {
    index >> INDEX_BITS
}

/// The highest index that a stream has seen authenticated, from which the next is estimated.
#[derive(Clone, Copy)]
pub(crate) struct IndexTracker {
    /// The index, and [`UNKNOWN_SEQ`] while its SEQ means nothing.
    highest: Extended,
}

impl IndexTracker {
    /// Before the first packet, with the ROC that key management gave, or 0.
    pub(crate) const fn with_roc(roc: u32) -> Self {
        Self { highest: (roc as u64) << 16 | UNKNOWN_SEQ }
    }

    /// With the ROC and SEQ of the latest packet.
    pub(crate) const fn at(index: PacketIndex) -> Self {
        Self { highest: index.value() }
    }

    pub(crate) const fn highest(&self) -> PacketIndex {
        PacketIndex::from_u64(self.highest)
    }

    #[inline]
    pub(crate) const fn is_known(&self) -> bool {
        self.highest & UNKNOWN_SEQ == 0
    }

    /// The index that a packet with this sequence number most likely has.
    #[inline]
    pub(crate) fn estimate(&self, seq: u16) -> Extended {
        let same_roc = self.highest & !(UNKNOWN_SEQ | 0xffff) | u64::from(seq);
        if !self.is_known() {
            return same_roc;
        }
        let last = self.highest & 0xffff;
        if last < HALF {
            // Before the first rollover there is no ROC to go back to.
            if u64::from(seq) > last + HALF && self.highest > 0xffff { same_roc - 0x1_0000 } else { same_roc }
        } else if u64::from(seq) < last - HALF {
            same_roc + 0x1_0000
        } else {
            same_roc
        }
    }

    /// The extended form of an index that came whole, in the pass that we are in.
    pub(crate) const fn extend(&self, index: PacketIndex) -> Extended {
        self.highest & !(UNKNOWN_SEQ | INDEX_MASK) | index.value()
    }

    /// Takes note of a packet that was authenticated, or that a policy without authentication lets through.
    #[inline]
    pub(crate) fn commit(&mut self, index: Extended) {
        if !self.is_known() || index > self.highest {
            self.highest = index;
        }
    }

    /// Goes to an index whichever way it lies: a ROC that came in the packet (RFC 4771).
    pub(crate) fn jump(&mut self, index: Extended) {
        self.highest = index;
    }
}

const UNKNOWN_SEQ: u64 = 1 << 63;
const INDEX_BITS: u32 = 48;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
const HALF: u64 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 section 3.3.1, written as the RFC writes it.
    fn rfc(roc: u64, s_l: u64, seq: u64) -> u64 {
        let v = if s_l < 32_768 {
            if seq as i64 - s_l as i64 > 32_768 { roc - 1 } else { roc }
        } else if s_l - 32_768 > seq {
            roc + 1
        } else {
            roc
        };
        v << 16 | seq
    }

    #[test]
    fn estimates_as_the_rfc_does() {
        let points = [0u16, 1, 2, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0x8002, 0xfffe, 0xffff];
        for roc in [1u32, 2, 0xffff, 0x7fff_ffff, u32::MAX] {
            for last in points {
                for seq in points {
                    let tracker = IndexTracker::at(PacketIndex::new(roc, last));
                    let expected = rfc(u64::from(roc), u64::from(last), u64::from(seq));
                    assert_eq!(tracker.estimate(seq), expected, "{roc:x} {last:x} {seq:x}");
                }
            }
        }
    }

    #[test]
    fn there_is_no_roc_before_zero() {
        let tracker = IndexTracker::at(PacketIndex::new(0, 3));
        assert_eq!(tracker.estimate(0xfff0), 0xfff0);
    }

    #[test]
    fn a_first_packet_takes_the_given_roc() {
        let mut tracker = IndexTracker::with_roc(9);
        assert_eq!(tracker.estimate(0xfffe), PacketIndex::new(9, 0xfffe).value());
        tracker.commit(PacketIndex::new(9, 0xfffe).value());
        assert_eq!(tracker.estimate(1), PacketIndex::new(10, 1).value());
    }

    #[test]
    fn order_holds_across_the_wrap_of_48_bits() {
        let tracker = IndexTracker::at(PacketIndex::MAX);
        let next = tracker.estimate(0);
        assert_eq!(next, 1 << 48);
        assert_eq!((epoch(next), PacketIndex::from_u64(next).value()), (1, 0));
    }
}
