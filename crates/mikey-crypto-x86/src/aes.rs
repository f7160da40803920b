//! AES in counter mode.
//!
//! Blocks are independent, so eight of them run side by side; with VAES, sixteen in four registers. The last blocks of
//! a packet go in groups of their number, without a detour through memory.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aeskeygenassist_si128, _mm_cvtsi128_si32,
    _mm_loadu_si128, _mm_set_epi64x, _mm_set1_epi32, _mm_setzero_si128, _mm_storeu_si128, _mm_xor_si128,
    _mm512_add_epi64, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_broadcast_i32x4,
    _mm512_loadu_si512, _mm512_set_epi64, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use zeroize::Zeroize;

use crate::Extensions;

/// An AES encryption key, expanded: 11 round keys for AES-128, 13 for AES-192, 15 for AES-256. Wiped when dropped.
pub struct AesKey<const ROUND_KEYS: usize> {
    keys: [[u8; 16]; ROUND_KEYS],
}

impl<const ROUND_KEYS: usize> AesKey<ROUND_KEYS> {
    /// Expands a key (FIPS 197 section 5.2); `None` if its length does not go with the number of round keys.
    #[must_use]
    pub fn new(_proof: Extensions, key: &[u8]) -> Option<Self> {
        if !matches!((ROUND_KEYS, key.len()), (11, 16) | (13, 24) | (15, 32)) {
            return None;
        }
        let mut keys = [[0; 16]; ROUND_KEYS];
        // SAFETY: `Extensions` is made by `detect` alone, which has found every feature that `expand` enables.
        unsafe { expand(key, &mut keys) };
        Some(Self { keys })
    }

    /// XORs the keystream from counter block `iv` onto `data`. The counter is all 128 bits, as in SP 800-38A.
    #[inline]
    pub fn ctr(&self, _proof: Extensions, iv: &[u8; 16], data: &mut [u8]) {
        let mut counter = u128::from_be_bytes(*iv);
        let mut data = data;
        // Vectors of counters are added in 64 bits; whether that overflows shows in the first of them.
        let carries = counter & LOW > LOW - (data.len() as u128 / 16);
        if data.len() >= 256 && !carries && wide() {
            let whole = data.len() & !255;
            let Some((head, tail)) = data.split_at_mut_checked(whole) else { return };
            // SAFETY: `wide` has found every feature that `ctr_wide` enables.
            unsafe { ctr_wide(&self.keys, counter, head) };
            counter = counter.wrapping_add(whole as u128 / 16);
            data = tail;
        }
        // SAFETY: `Extensions` is made by `detect` alone, which has found every feature that `ctr_narrow` enables.
        unsafe { ctr_narrow(&self.keys, counter, data) };
    }
}

impl<const ROUND_KEYS: usize> Drop for AesKey<ROUND_KEYS> {
    fn drop(&mut self) {
        self.keys.zeroize();
    }
}

const LOW: u128 = u64::MAX as u128;

/// Whether there is AES on 512 bits.
#[inline]
fn wide() -> bool {
    std::arch::is_x86_feature_detected!("vaes")
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
}

#[inline]
#[target_feature(enable = "aes,sse2,ssse3")]
fn ctr_narrow<const ROUND_KEYS: usize>(keys: &[[u8; 16]; ROUND_KEYS], counter: u128, data: &mut [u8]) {
    let mut counter = counter;
    let (eights, rest) = data.as_chunks_mut::<128>();
    for eight in eights {
        let stream = keystream::<8, ROUND_KEYS>(keys, counter);
        let (blocks, _) = eight.as_chunks_mut::<16>();
        for (block, stream) in blocks.iter_mut().zip(stream) {
            xor(block, stream);
        }
        counter = counter.wrapping_add(8);
    }
    match rest.len().div_ceil(16) {
        0 => {}
        1 => finish(rest, keystream::<1, ROUND_KEYS>(keys, counter)),
        2 => finish(rest, keystream::<2, ROUND_KEYS>(keys, counter)),
        3 | 4 => finish(rest, keystream::<4, ROUND_KEYS>(keys, counter)),
        5 | 6 => finish(rest, keystream::<6, ROUND_KEYS>(keys, counter)),
        _ => finish(rest, keystream::<8, ROUND_KEYS>(keys, counter)),
    }
}

/// The last blocks, the very last of which may be short.
#[inline]
#[target_feature(enable = "sse2")]
fn finish<const N: usize>(data: &mut [u8], stream: [__m128i; N]) {
    let (blocks, rest) = data.as_chunks_mut::<16>();
    let count = blocks.len();
    for (block, stream) in blocks.iter_mut().zip(stream) {
        xor(block, stream);
    }
    if let (false, Some(stream)) = (rest.is_empty(), stream.get(count)) {
        let mut octets = [0; 16];
        xor(&mut octets, *stream);
        for (to, from) in rest.iter_mut().zip(octets) {
            *to ^= from;
        }
    }
}

/// `N` blocks of keystream.
#[inline]
#[target_feature(enable = "aes,sse2")]
fn keystream<const N: usize, const ROUND_KEYS: usize>(
    keys: &[[u8; 16]; ROUND_KEYS],
    counter: u128,
) -> [__m128i; N] {
    let (first, middle, last) = split(keys);
    let mut blocks = [_mm_setzero_si128(); N];
    let whitening = load(first);
    for (at, block) in (0u128..).zip(&mut blocks) {
        *block = _mm_xor_si128(vector(counter.wrapping_add(at)), whitening);
    }
    for key in middle {
        let key = load(key);
        for block in &mut blocks {
            *block = _mm_aesenc_si128(*block, key);
        }
    }
    let key = load(last);
    for block in &mut blocks {
        *block = _mm_aesenclast_si128(*block, key);
    }
    blocks
}

/// Whole groups of sixteen blocks; the low 64 bits of the counter do not overflow.
#[target_feature(enable = "aes,vaes,avx512f,avx512bw")]
fn ctr_wide<const ROUND_KEYS: usize>(keys: &[[u8; 16]; ROUND_KEYS], counter: u128, data: &mut [u8]) {
    let (first, middle, last) = split(keys);
    let order = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f));
    let whitening = _mm512_broadcast_i32x4(load(first));
    let low = _mm512_broadcast_i32x4(_mm_set_epi64x(half(counter >> 64), half(counter)));
    let four = _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    let mut next = _mm512_add_epi64(low, _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
    let (groups, _) = data.as_chunks_mut::<256>();
    for group in groups {
        let mut vectors = [_mm512_setzero_si512(); 4];
        for vector in &mut vectors {
            *vector = _mm512_xor_si512(_mm512_shuffle_epi8(next, order), whitening);
            next = _mm512_add_epi64(next, four);
        }
        for key in middle {
            let key = _mm512_broadcast_i32x4(load(key));
            for vector in &mut vectors {
                *vector = _mm512_aesenc_epi128(*vector, key);
            }
        }
        let key = _mm512_broadcast_i32x4(load(last));
        let (parts, _) = group.as_chunks_mut::<64>();
        for (part, vector) in parts.iter_mut().zip(vectors) {
            xor_wide(part, _mm512_aesenclast_epi128(vector, key));
        }
    }
}

/// The first round key, those between, the last.
#[inline]
fn split<const ROUND_KEYS: usize>(keys: &[[u8; 16]; ROUND_KEYS]) -> (&[u8; 16], &[[u8; 16]], &[u8; 16]) {
    match &keys[..] {
        [first, middle @ .., last] => (first, middle, last),
        // `AesKey::new` admits 11, 13 and 15 round keys only.
        _ => (&[0; 16], &[], &[0; 16]),
    }
}

/// FIPS 197 section 5.2, with SubWord and RotWord by `aeskeygenassist`: no table that a cache could tell of.
#[target_feature(enable = "aes,sse2")]
fn expand<const ROUND_KEYS: usize>(key: &[u8], keys: &mut [[u8; 16]; ROUND_KEYS]) {
    let words = key.len() / 4;
    let (schedule, _) = keys.as_flattened_mut().as_chunks_mut::<4>();
    for (to, from) in schedule.iter_mut().zip(key.as_chunks::<4>().0) {
        *to = *from;
    }
    let mut constant = 1u8;
    for at in words..schedule.len() {
        let (done, rest) = schedule.split_at_mut(at);
        let (Some(last), Some(before), Some(to)) = (done.last(), done.get(at - words), rest.first_mut())
        else {
            return;
        };
        let mut word = i32::from_le_bytes(*last);
        if at % words == 0 {
            // The second word of the result is RotWord(SubWord(x)).
            let assisted = _mm_aeskeygenassist_si128::<0>(_mm_set1_epi32(word));
            word = _mm_cvtsi128_si32(core::arch::x86_64::_mm_srli_si128::<4>(assisted)) ^ i32::from(constant);
            constant = (constant << 1) ^ if constant & 0x80 != 0 { 0x1b } else { 0 };
        } else if words > 6 && at % words == 4 {
            word = _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(_mm_set1_epi32(word)));
        }
        *to = (word ^ i32::from_le_bytes(*before)).to_le_bytes();
    }
}

/// A counter block.
#[inline]
#[target_feature(enable = "sse2")]
fn vector(counter: u128) -> __m128i {
    let swapped = counter.swap_bytes();
    _mm_set_epi64x(half(swapped >> 64), half(swapped))
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
const fn half(value: u128) -> i64 {
    value as i64
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(octets: &[u8; 16]) -> __m128i {
    // SAFETY: `octets` has 16 octets; the load needs no alignment.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn xor(block: &mut [u8; 16], stream: __m128i) {
    let mixed = _mm_xor_si128(load(block), stream);
    // SAFETY: `block` has 16 octets; the store needs no alignment.
    unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), mixed) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor_wide(blocks: &mut [u8; 64], stream: __m512i) {
    // SAFETY: `blocks` has 64 octets; the load needs no alignment.
    let octets = unsafe { _mm512_loadu_si512(blocks.as_ptr().cast()) };
    // SAFETY: as above, for the store.
    unsafe { _mm512_storeu_si512(blocks.as_mut_ptr().cast(), _mm512_xor_si512(octets, stream)) };
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use std::vec::Vec;

    use ::aes::cipher::{KeyIvInit, StreamCipher};

    use super::*;

    fn check<const ROUND_KEYS: usize, C: KeyIvInit + StreamCipher>(key_len: usize) {
        let Some(proof) = Extensions::detect() else { return };
        let key: Vec<u8> = (0..key_len).map(|i| (i * 37 + 11) as u8).collect();
        let ours = AesKey::<ROUND_KEYS>::new(proof, &key).unwrap();
        let far = [0xff; 16];
        let mut near = [0xff; 16];
        near[..8].fill(0x5a);
        let mut usual = [0x11; 16];
        usual[14..].fill(0);
        for iv in [usual, near, far] {
            for len in (0..600).chain([1199, 1200, 4096, 10_000]) {
                let mut data: Vec<u8> = (0..len).map(|i: usize| (i * 3) as u8).collect();
                let mut expected = data.clone();
                ours.ctr(proof, &iv, &mut data);
                C::new_from_slices(&key, &iv).unwrap().apply_keystream(&mut expected);
                assert_eq!(data, expected, "key {key_len}, {len} octets, iv {iv:x?}");
            }
        }
    }

    #[test]
    fn agrees_with_another_counter_mode_at_every_length() {
        check::<11, ctr::Ctr128BE<::aes::Aes128>>(16);
        check::<13, ctr::Ctr128BE<::aes::Aes192>>(24);
        check::<15, ctr::Ctr128BE<::aes::Aes256>>(32);
    }

    #[test]
    fn key_lengths_that_do_not_go_together_are_refused() {
        let Some(proof) = Extensions::detect() else { return };
        assert!(AesKey::<11>::new(proof, &[0; 24]).is_none());
        assert!(AesKey::<15>::new(proof, &[0; 16]).is_none());
        assert!(AesKey::<12>::new(proof, &[0; 16]).is_none());
    }
}
