//! HMAC-SHA-1 from its two midstates (RFC 2104, RFC 3711 section 4.2.1): the key is hashed when it is installed, a
//! packet costs the blocks of its own octets and one more.

use mikey_crypto::ct_eq;
use mikey_crypto::srtp::Tag;
use sha1::block_api::compress;
use zeroize::Zeroize;

/// The MAC half of a composed transform.
pub(super) trait Mac: Send + Sync + 'static {
    /// Whether this is no MAC at all.
    const NONE: bool;

    /// The untruncated tag over `packet` and `trailer`.
    fn tag(&self, packet: &[u8], trailer: Option<[u8; 4]>) -> Tag;
}

/// No authentication.
pub(super) struct NoMac;

impl Mac for NoMac {
    const NONE: bool = true;

    #[inline]
    fn tag(&self, _: &[u8], _: Option<[u8; 4]>) -> Tag {
        [0; 20]
    }
}

/// Whether a received tag is the first octets of the computed one. Every octet is looked at, whatever the others are.
#[inline]
pub(super) fn is_tag(computed: &[u8], received: &[u8]) -> bool {
    fn difference<const N: usize>(a: &[u8], b: &[u8]) -> Option<u128> {
        let word = |octets: &[u8]| -> Option<u128> {
            let mut word = [0; 16];
            *word.first_chunk_mut::<N>()? = *<&[u8; N]>::try_from(octets).ok()?;
            Some(u128::from_le_bytes(word))
        };
        Some(word(a)? ^ word(b)?)
    }
    let Some(computed) = computed.get(..received.len()) else { return false };
    // The usual lengths are compared as one number each.
    let difference = match received.len() {
        10 => difference::<10>(computed, received),
        16 => difference::<16>(computed, received),
        4 => difference::<4>(computed, received),
        _ => return ct_eq(computed, received),
    };
    // The whole difference is there before it is looked at, and the compiler sees nothing of how it came about.
    difference.is_some_and(|difference| core::hint::black_box(difference) == 0)
}

/// The state of SHA-1 after the padded key, inner and outer.
pub(super) struct HmacSha1 {
    pub(super) inner: [u32; 5],
    pub(super) outer: [u32; 5],
}

impl HmacSha1 {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if key.len() > BLOCK {
            let mut state = H0;
            finish(&mut state, key, None, 0);
            for (to, word) in block.chunks_exact_mut(4).zip(state) {
                to.copy_from_slice(&word.to_be_bytes());
            }
            state.zeroize();
        } else {
            for (to, from) in block.iter_mut().zip(key) {
                *to = *from;
            }
        }
        let mut this = Self { inner: H0, outer: H0 };
        block.iter_mut().for_each(|octet| *octet ^= 0x36);
        compress(&mut this.inner, &[block]);
        block.iter_mut().for_each(|octet| *octet ^= 0x36 ^ 0x5c);
        compress(&mut this.outer, &[block]);
        block.zeroize();
        this
    }
}

impl Mac for HmacSha1 {
    const NONE: bool = false;

    #[inline]
    fn tag(&self, packet: &[u8], trailer: Option<[u8; 4]>) -> Tag {
        let mut inner = self.inner;
        finish(&mut inner, packet, trailer, BLOCK);
        // The inner hash is no key: without the outer midstate it tells nothing, so it is not worth wiping.
        let mut outer = self.outer;
        compress(&mut outer, &[outer_block(&inner)]);
        octets(&outer)
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// Hashes the rest of a message of which `before` octets are hashed already.
#[inline]
fn finish(state: &mut [u32; 5], message: &[u8], trailer: Option<[u8; 4]>, before: usize) {
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    // The end is written before it is needed: its small stores have settled when it is loaded in one piece.
    let mut last = [[0; BLOCK]; 2];
    let count = last_blocks(&mut last, rest, trailer, before + message.len());
    compress(state, blocks);
    compress(state, last.get(..count).unwrap_or(&last));
}

/// Writes the padded end of a message to `end`: its octets beyond whole blocks, the trailer, 0x80, zeros, the length in
/// bits. Returns how many blocks of it count.
#[inline]
pub(super) fn last_blocks(
    end: &mut [[u8; BLOCK]; 2],
    rest: &[u8],
    trailer: Option<[u8; 4]>,
    hashed: usize,
) -> usize {
    let flat = end.as_flattened_mut();
    let mut at = rest.len().min(BLOCK - 1);
    if let (Some(to), Some(from)) = (flat.get_mut(..at), rest.get(..at)) {
        to.copy_from_slice(from);
    }
    let mut length = hashed;
    if let Some(trailer) = trailer {
        if let Some(to) = flat.get_mut(at..at + 4) {
            to.copy_from_slice(&trailer);
        }
        at += 4;
        length += 4;
    }
    if let Some(to) = flat.get_mut(at) {
        *to = 0x80;
    }
    let count = if at + 9 > BLOCK { 2 } else { 1 };
    let bits = ((length as u64) << 3).to_be_bytes();
    if let Some(to) = flat.get_mut(count * BLOCK - 8..count * BLOCK) {
        to.copy_from_slice(&bits);
    }
    count
}

/// The only block of the outer hash behind the key.
#[inline]
pub(super) fn outer_block(inner: &[u32; 5]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let [.., high, low] = &mut block;
    // 84 octets are 672 bits.
    (*high, *low) = (2, 0xa0);
    for (to, word) in block.chunks_exact_mut(4).zip(inner) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    if let Some(to) = block.get_mut(20) {
        *to = 0x80;
    }
    block
}

#[inline]
pub(super) fn octets(state: &[u32; 5]) -> Tag {
    let mut tag = [0; 20];
    for (to, word) in tag.chunks_exact_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    tag
}

/// Octets of a block of SHA-1.
pub(super) const BLOCK: usize = 64;

const H0: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use std::vec::Vec;

    use hmac::{Hmac, KeyInit, Mac as _};

    use super::*;

    #[test]
    fn a_tag_differs_in_any_bit() {
        let computed: [u8; 20] = core::array::from_fn(|at| at as u8);
        for len in 0..=20 {
            assert!(is_tag(&computed, &computed[..len]));
            for bit in 0..len * 8 {
                let mut other = computed;
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_tag(&computed, &other[..len]), "{len} octets, bit {bit}");
            }
        }
        assert!(!is_tag(&computed[..16], &computed));
    }

    #[test]
    fn agrees_with_another_hmac_at_every_length() {
        for key_len in [0usize, 1, 20, 63, 64, 65, 94] {
            let key: Vec<u8> = (0..key_len).map(|i| (i * 7 + 1) as u8).collect();
            let mac = HmacSha1::new(&key);
            for len in 0..260usize {
                let message: Vec<u8> = (0..len).map(|i| (i * 31 + len) as u8).collect();
                for trailer in [None, Some([1, 2, 3, 4])] {
                    let mut other = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
                    other.update(&message);
                    other.update(trailer.as_ref().map_or(&[], |t| &t[..]));
                    let expected = other.finalize().into_bytes();
                    assert_eq!(mac.tag(&message, trailer)[..], expected[..], "key {key_len}, {len} octets");
                }
            }
        }
    }
}
