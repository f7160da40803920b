//! HMAC-SHA-1 of up to four packets at once.
//!
//! SHA-1 is one long chain: each `sha1rnds4` waits for the one before it, and the processor idles two thirds of the
//! time. Packets are independent of each other, so their chains run side by side here. No library offers that.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32,
    _mm_shuffle_epi8, _mm_slli_si128, _mm_storeu_si128, _mm_xor_si128,
};

use crate::Extensions;

/// Octets of a block of SHA-1.
pub const BLOCK: usize = 64;

/// An HMAC-SHA-1 key: the state of SHA-1 after the padded key, inner and outer.
pub struct Midstates<'a> {
    /// After the key with ipad.
    pub inner: &'a [u32; 5],
    /// After the key with opad.
    pub outer: &'a [u32; 5],
}

/// One packet: what is hashed behind the key, in whole blocks.
pub struct Message<'a> {
    /// Its key.
    pub key: Midstates<'a>,
    /// The packet's whole blocks.
    pub body: &'a [[u8; BLOCK]],
    /// The rest of it with SHA-1's padding: one or two blocks.
    pub last: &'a [[u8; BLOCK]],
}

/// The MACs of `N` packets, computed side by side as long as they last. Packets of about one length cost least.
#[must_use]
#[inline]
pub fn hmac<const N: usize>(_proof: Extensions, messages: [Message<'_>; N]) -> [[u8; 20]; N] {
    // SAFETY: `Extensions` is made by `detect` alone, which has found every feature that `lanes` enables.
    unsafe { lanes(messages) }
}

/// State of one lane: a, b, c, d in one vector, e in the top of another.
#[derive(Clone, Copy)]
struct State {
    abcd: __m128i,
    e: __m128i,
}

#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn lanes<const N: usize>(messages: [Message<'_>; N]) -> [[u8; 20]; N] {
    let mut states = messages.each_ref().map(|message| load_state(message.key.inner));
    run(&mut states, messages.each_ref().map(|message| message.body));
    run(&mut states, messages.each_ref().map(|message| message.last));
    // The outer hash: 20 octets of inner hash, padded to a block whose length is 84 octets.
    let blocks = states.map(|state| {
        let abcd = state.abcd;
        let second = _mm_xor_si128(state.e, _mm_set_epi32(0, i32::MIN, 0, 0));
        [abcd, second, _mm_setzero_si128(), _mm_set_epi32(0, 0, 0, 84 * 8)]
    });
    let mut outer = messages.each_ref().map(|message| load_state(message.key.outer));
    compress(&mut outer, blocks);
    outer.map(|state| store(&state))
}

/// Hashes blocks: all lanes together as far as every lane has blocks, then each what it has left.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn run<const N: usize>(states: &mut [State; N], blocks: [&[[u8; BLOCK]]; N]) {
    let common = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let mut rests = blocks;
    for _ in 0..common {
        let mut words = [[_mm_setzero_si128(); 4]; N];
        for (words, rest) in words.iter_mut().zip(&mut rests) {
            if let [block, tail @ ..] = rest {
                *words = load_block(block);
                *rest = tail;
            }
        }
        compress(states, words);
    }
    for (state, rest) in states.iter_mut().zip(rests) {
        for block in rest {
            let mut lane = [*state];
            compress(&mut lane, [load_block(block)]);
            [*state] = lane;
        }
    }
}

/// One block of each lane. Every step is done for all lanes before the next, so that their chains interleave.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn compress<const N: usize>(states: &mut [State; N], mut words: [[__m128i; 4]; N]) {
    let before = *states;
    let mut last = [_mm_setzero_si128(); N];
    macro_rules! step {
        ($round:literal, $function:literal) => {
            for ((state, last), words) in states.iter_mut().zip(&mut last).zip(&mut words) {
                let [w0, w1, w2, w3] = *words;
                let e = if $round == 0 { _mm_add_epi32(state.e, w0) } else { _mm_sha1nexte_epu32(*last, w0) };
                *last = state.abcd;
                state.abcd = _mm_sha1rnds4_epu32::<$function>(state.abcd, e);
                let next = if $round < 16 {
                    _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w0, w1), w2), w3)
                } else {
                    w0
                };
                *words = [w1, w2, w3, next];
            }
        };
    }
    step!(0, 0);
    step!(1, 0);
    step!(2, 0);
    step!(3, 0);
    step!(4, 0);
    step!(5, 1);
    step!(6, 1);
    step!(7, 1);
    step!(8, 1);
    step!(9, 1);
    step!(10, 2);
    step!(11, 2);
    step!(12, 2);
    step!(13, 2);
    step!(14, 2);
    step!(15, 3);
    step!(16, 3);
    step!(17, 3);
    step!(18, 3);
    step!(19, 3);
    for ((state, last), before) in states.iter_mut().zip(last).zip(before) {
        state.e = _mm_sha1nexte_epu32(last, before.e);
        state.abcd = _mm_add_epi32(state.abcd, before.abcd);
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_state(state: &[u32; 5]) -> State {
    let [a, b, c, d, e] = state.map(u32::cast_signed);
    State { abcd: _mm_set_epi32(a, b, c, d), e: _mm_slli_si128::<12>(_mm_cvtsi32_si128(e)) }
}

/// The 16 words of a block, first word on top.
#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn load_block(block: &[u8; BLOCK]) -> [__m128i; 4] {
    let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let (parts, _) = block.as_chunks::<16>();
    let mut words = [_mm_setzero_si128(); 4];
    for (word, part) in words.iter_mut().zip(parts) {
        // SAFETY: `part` is an array of 16 octets; the load needs no alignment.
        let octets = unsafe { _mm_loadu_si128(part.as_ptr().cast()) };
        *word = _mm_shuffle_epi8(octets, order);
    }
    words
}

#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn store(state: &State) -> [u8; 20] {
    let order = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let mut octets = [0u8; 32];
    let (parts, _) = octets.as_chunks_mut::<16>();
    let vectors = [_mm_shuffle_epi8(state.abcd, order), _mm_shuffle_epi8(state.e, order)];
    for (part, vector) in parts.iter_mut().zip(vectors) {
        // SAFETY: `part` is an array of 16 octets; the store needs no alignment.
        unsafe { _mm_storeu_si128(part.as_mut_ptr().cast(), vector) };
    }
    let [tag @ .., _, _, _, _, _, _, _, _, _, _, _, _] = octets;
    tag
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use std::vec::Vec;

    use hmac::{Hmac, KeyInit, Mac};
    use sha1::Sha1;
    use sha1::block_api::compress;

    use super::*;

    const H0: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    struct Case {
        key: Vec<u8>,
        message: Vec<u8>,
        inner: [u32; 5],
        outer: [u32; 5],
        blocks: Vec<[u8; 64]>,
        body: usize,
    }

    impl Case {
        fn new(seed: usize, len: usize) -> Self {
            let key: Vec<u8> = (0..20).map(|i| (i * 7 + seed) as u8).collect();
            let message: Vec<u8> = (0..len).map(|i| (i * 31 + seed) as u8).collect();
            let (mut inner, mut outer) = (H0, H0);
            let padded = |x: u8| {
                let mut block = [x; 64];
                block.iter_mut().zip(&key).for_each(|(to, from)| *to ^= from);
                block
            };
            compress(&mut inner, &[padded(0x36)]);
            compress(&mut outer, &[padded(0x5c)]);
            let mut all = message.clone();
            all.push(0x80);
            while all.len() % 64 != 56 {
                all.push(0);
            }
            all.extend(((64 + len as u64) * 8).to_be_bytes());
            let blocks: Vec<[u8; 64]> = all.chunks(64).map(|c| c.try_into().unwrap()).collect();
            Self { key, body: len / 64, message, inner, outer, blocks }
        }

        fn message(&self) -> Message<'_> {
            let (body, last) = self.blocks.split_at(self.body);
            Message { key: Midstates { inner: &self.inner, outer: &self.outer }, body, last }
        }

        fn expected(&self) -> Vec<u8> {
            let mut mac = Hmac::<Sha1>::new_from_slice(&self.key).unwrap();
            mac.update(&self.message);
            mac.finalize().into_bytes().to_vec()
        }
    }

    #[test]
    fn every_length_in_one_lane() {
        let Some(proof) = Extensions::detect() else { return };
        for len in 0..300 {
            let case = Case::new(len, len);
            assert_eq!(hmac(proof, [case.message()])[0][..], case.expected()[..], "{len} octets");
        }
    }

    #[test]
    fn lanes_do_not_mix() {
        let Some(proof) = Extensions::detect() else { return };
        for lens in
            [[0, 0, 0, 0], [172, 172, 172, 172], [1212, 32, 172, 55], [56, 64, 63, 119], [9, 700, 8, 7]]
        {
            let cases: Vec<Case> =
                lens.iter().enumerate().map(|(at, len)| Case::new(at * 50, *len)).collect();
            let tags = hmac(proof, [0, 1, 2, 3].map(|at: usize| cases[at].message()));
            for (tag, case) in tags.iter().zip(&cases) {
                assert_eq!(tag[..], case.expected()[..], "{lens:?}");
            }
            let tags = hmac(proof, [2, 3].map(|at: usize| cases[at].message()));
            assert_eq!(tags[1][..], cases[3].expected()[..]);
        }
    }
}
