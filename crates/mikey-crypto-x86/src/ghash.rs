//! AES-GCM (SP 800-38D) with a nonce of 12 octets: counter mode of this crate, and GHASH by carry-less multiplication.
//!
//! GHASH is computed as POLYVAL (RFC 8452 appendix A): octets reversed, the key multiplied by x once. Eight blocks are
//! multiplied by eight powers of the key and reduced together; with VPCLMULQDQ sixteen, four in each instruction.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_clmulepi64_si128, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_si128, _mm_srli_si128, _mm_storeu_si128, _mm_xor_si128,
    _mm512_broadcast_i32x4, _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32, _mm512_loadu_si512,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use zeroize::Zeroize;

use crate::{AesKey, Extensions};

type Powers = [[u8; 16]; 16];

/// An AES-GCM key: round keys and powers of the hash key. Wiped when dropped.
pub struct GcmKey<const ROUND_KEYS: usize> {
    aes: AesKey<ROUND_KEYS>,
    /// H^16, H^15, .. H, in POLYVAL's form.
    powers: Powers,
}

impl<const ROUND_KEYS: usize> GcmKey<ROUND_KEYS> {
    /// Prepares a key; `None` if its length does not go with the number of round keys.
    #[must_use]
    pub fn new(proof: Extensions, key: &[u8]) -> Option<Self> {
        let aes = AesKey::new(proof, key)?;
        let mut hash_key = [0; 16];
        aes.ctr(proof, &[0; 16], &mut hash_key);
        // SAFETY: `Extensions` is made by `detect` alone, which has found every feature that `powers` enables.
        let powers = unsafe { powers(&hash_key) };
        hash_key.zeroize();
        Some(Self { aes, powers })
    }

    /// Encrypts `data` in place and returns the tag.
    #[must_use]
    #[inline]
    pub fn seal(&self, proof: Extensions, nonce: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; 16] {
        self.aes.ctr(proof, &block(nonce, 2), data);
        self.tag(proof, nonce, aad, data)
    }

    /// The tag that `data`, encrypted, should have. Compare it in constant time before [`Self::decrypt`].
    #[must_use]
    #[inline]
    pub fn tag(&self, proof: Extensions, nonce: &[u8; 12], aad: &[u8], data: &[u8]) -> [u8; 16] {
        // SAFETY: `Extensions` is made by `detect` alone, which has found every feature that `ghash` enables.
        let mut tag = unsafe { ghash(&self.powers, aad, data) };
        self.aes.ctr(proof, &block(nonce, 1), &mut tag);
        tag
    }

    /// Decrypts `data` in place, whose tag was right.
    #[inline]
    pub fn decrypt(&self, proof: Extensions, nonce: &[u8; 12], data: &mut [u8]) {
        self.aes.ctr(proof, &block(nonce, 2), data);
    }
}

impl<const ROUND_KEYS: usize> Drop for GcmKey<ROUND_KEYS> {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

/// The counter block of a nonce. A packet is too short for the 32 bits of the counter to overflow.
#[inline]
fn block(nonce: &[u8; 12], counter: u8) -> [u8; 16] {
    let mut block = [0; 16];
    if let Some(head) = block.first_chunk_mut::<12>() {
        *head = *nonce;
    }
    let [.., last] = &mut block;
    *last = counter;
    block
}

#[target_feature(enable = "pclmulqdq,sse2,ssse3")]
fn powers(hash_key: &[u8; 16]) -> Powers {
    // mulX of RFC 8452 appendix A, without a branch on the key.
    let value = u128::from_be_bytes(*hash_key);
    let carry = 0u128.wrapping_sub(value >> 127);
    let first = load(&((value << 1) ^ (carry & 0xc200_0000_0000_0000_0000_0000_0000_0001)).to_le_bytes());
    let mut powers = [[0; 16]; 16];
    let mut power = first;
    for to in powers.iter_mut().rev() {
        store(to, power);
        let mut sum = Sum::zero();
        sum.add(power, first);
        power = sum.reduce();
    }
    powers
}

/// GHASH over associated data, data and their lengths.
#[target_feature(enable = "pclmulqdq,sse2,ssse3")]
fn ghash(powers: &Powers, aad: &[u8], data: &[u8]) -> [u8; 16] {
    let mut hash = _mm_setzero_si128();
    let mut pending = Pending { blocks: [_mm_setzero_si128(); 8], count: 0 };
    hash = pending.push_all(powers, hash, aad);
    let (groups, mut rest) = data.as_chunks::<256>();
    if !groups.is_empty() && wide() {
        hash = pending.flush(powers, hash);
        // SAFETY: `wide` has found every feature that `ghash_wide` enables.
        hash = unsafe { ghash_wide(powers, hash, groups) };
    } else {
        rest = data;
    }
    hash = pending.push_all(powers, hash, rest);
    let lengths = _mm_set_epi64x((aad.len() as i64) << 3, (data.len() as i64) << 3);
    hash = pending.push(powers, hash, lengths);
    hash = pending.flush(powers, hash);
    let mut tag = [0; 16];
    store(&mut tag, hash);
    tag.reverse();
    tag
}

/// Up to eight blocks that wait for one reduction.
struct Pending {
    blocks: [__m128i; 8],
    count: usize,
}

impl Pending {
    /// Blocks of `octets`, the last of them padded.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2,ssse3")]
    fn push_all(&mut self, powers: &Powers, hash: __m128i, octets: &[u8]) -> __m128i {
        let mut hash = hash;
        let (blocks, rest) = octets.as_chunks::<16>();
        for block in blocks {
            hash = self.push(powers, hash, reversed(block));
        }
        if rest.is_empty() { hash } else { self.push(powers, hash, padded(rest)) }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    fn push(&mut self, powers: &Powers, hash: __m128i, block: __m128i) -> __m128i {
        if let Some(to) = self.blocks.get_mut(self.count) {
            *to = block;
        }
        self.count += 1;
        if self.count == self.blocks.len() { self.flush(powers, hash) } else { hash }
    }

    /// `(hash + b_1) H^n + b_2 H^(n-1) + .. + b_n H`
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    fn flush(&mut self, powers: &Powers, hash: __m128i) -> __m128i {
        let (Some(blocks), Some(powers)) = (self.blocks.get(..self.count), powers.get(16 - self.count..))
        else {
            return hash;
        };
        if blocks.is_empty() {
            return hash;
        }
        let mut sum = Sum::zero();
        let mut carried = hash;
        for (block, power) in blocks.iter().zip(powers) {
            sum.add(_mm_xor_si128(*block, carried), load(power));
            carried = _mm_setzero_si128();
        }
        self.count = 0;
        sum.reduce()
    }
}

/// A sum of products before it is reduced.
struct Sum {
    low: __m128i,
    middle: __m128i,
    high: __m128i,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn zero() -> Self {
        Self { low: _mm_setzero_si128(), middle: _mm_setzero_si128(), high: _mm_setzero_si128() }
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    fn add(&mut self, a: __m128i, b: __m128i) {
        self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128::<0x00>(a, b));
        let cross = _mm_xor_si128(_mm_clmulepi64_si128::<0x01>(a, b), _mm_clmulepi64_si128::<0x10>(a, b));
        self.middle = _mm_xor_si128(self.middle, cross);
        self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128::<0x11>(a, b));
    }

    /// Montgomery's reduction by x^128 + x^127 + x^126 + x^121 + 1.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse2")]
    fn reduce(self) -> __m128i {
        let polynomial = _mm_set_epi64x(0, (0xc2u64 << 56).cast_signed());
        let mut low = _mm_xor_si128(self.low, _mm_slli_si128::<8>(self.middle));
        let high = _mm_xor_si128(self.high, _mm_srli_si128::<8>(self.middle));
        for _ in 0..2 {
            let folded = _mm_clmulepi64_si128::<0x00>(low, polynomial);
            low = _mm_xor_si128(_mm_shuffle_epi32::<0x4e>(low), folded);
        }
        _mm_xor_si128(high, low)
    }
}

/// Groups of sixteen blocks, four in a register.
#[target_feature(enable = "vpclmulqdq,avx512f,avx512bw,pclmulqdq")]
fn ghash_wide(powers: &Powers, hash: __m128i, groups: &[[u8; 256]]) -> __m128i {
    let order = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f));
    let (factors, _) = powers.as_flattened().as_chunks::<64>();
    let mut hash = hash;
    for group in groups {
        let (blocks, _) = group.as_chunks::<64>();
        let mut carried = _mm512_zextsi128_si512(hash);
        let mut low = _mm512_setzero_si512();
        let mut middle = _mm512_setzero_si512();
        let mut high = _mm512_setzero_si512();
        for (four, factor) in blocks.iter().zip(factors) {
            let four = _mm512_xor_si512(_mm512_shuffle_epi8(load_wide(four), order), carried);
            let factor = load_wide(factor);
            carried = _mm512_setzero_si512();
            low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128::<0x00>(four, factor));
            high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128::<0x11>(four, factor));
            let cross = _mm512_xor_si512(
                _mm512_clmulepi64_epi128::<0x01>(four, factor),
                _mm512_clmulepi64_epi128::<0x10>(four, factor),
            );
            middle = _mm512_xor_si512(middle, cross);
        }
        hash = Sum { low: fold(low), middle: fold(middle), high: fold(high) }.reduce();
    }
    hash
}

/// The sum of the four blocks of a register.
#[inline]
#[target_feature(enable = "avx512f")]
fn fold(vector: __m512i) -> __m128i {
    let pair = |a, b| _mm_xor_si128(a, b);
    pair(
        pair(_mm512_extracti32x4_epi32::<0>(vector), _mm512_extracti32x4_epi32::<1>(vector)),
        pair(_mm512_extracti32x4_epi32::<2>(vector), _mm512_extracti32x4_epi32::<3>(vector)),
    )
}

/// Whether there is carry-less multiplication on 512 bits.
#[inline]
fn wide() -> bool {
    std::arch::is_x86_feature_detected!("vpclmulqdq")
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
}

/// A block of fewer than 16 octets, zeros behind it, reversed.
#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn padded(octets: &[u8]) -> __m128i {
    let mut block = 0u128;
    if let (Some(first), Some(last)) = (octets.first_chunk::<8>(), octets.last_chunk::<8>()) {
        // Two loads that overlap, as an RTP header of 12 octets wants them.
        let beyond = 8 * (16 - octets.len());
        let last = u64::from_le_bytes(*last).checked_shr(u32::try_from(beyond).unwrap_or(64)).unwrap_or(0);
        block = u128::from(last) << 64 | u128::from(u64::from_le_bytes(*first));
    } else {
        for octet in octets.iter().rev() {
            block = block << 8 | u128::from(*octet);
        }
    }
    reversed(&block.to_le_bytes())
}

#[inline]
#[target_feature(enable = "sse2,ssse3")]
fn reversed(block: &[u8; 16]) -> __m128i {
    _mm_shuffle_epi8(load(block), _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f))
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(octets: &[u8; 16]) -> __m128i {
    // SAFETY: `octets` has 16 octets; the load needs no alignment.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn store(octets: &mut [u8; 16], value: __m128i) {
    // SAFETY: `octets` has 16 octets; the store needs no alignment.
    unsafe { _mm_storeu_si128(octets.as_mut_ptr().cast(), value) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_wide(octets: &[u8; 64]) -> __m512i {
    // SAFETY: `octets` has 64 octets; the load needs no alignment.
    unsafe { _mm512_loadu_si512(octets.as_ptr().cast()) }
}
