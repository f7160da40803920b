//! HMAC-SHA-256 from its two midstates (RFC 2104) over RustCrypto's compression function.
//!
//! Key schedules are made of MACs of one or two blocks, where a general hasher spends a third of its time on buffers.

use mikey_crypto::HmacKey;
use sha2::Digest;
use sha2::block_api::compress256;
use zeroize::Zeroize;

const BLOCK: usize = 64;
const OUTPUT: usize = 32;

/// The state of SHA-256 behind the padded key, inner and outer.
pub(crate) struct HmacSha256 {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl HmacSha256 {
    /// Takes a key of any length.
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if key.len() > BLOCK {
            let mut digest = sha2::Sha256::digest(key);
            fill(&mut block, &digest);
            digest.zeroize();
        } else {
            fill(&mut block, key);
        }
        let mut this = Self { inner: H0, outer: H0 };
        block.iter_mut().for_each(|octet| *octet ^= 0x36);
        compress256(&mut this.inner, &[block]);
        block.iter_mut().for_each(|octet| *octet ^= 0x36 ^ 0x5c);
        compress256(&mut this.outer, &[block]);
        block.zeroize();
        this
    }
}

impl HmacKey for HmacSha256 {
    fn mac(&self, parts: &[&[u8]], out: &mut [u8]) {
        let mut state = self.inner;
        let mut block = [0; BLOCK];
        hash_behind_a_block(&mut state, &mut block, parts);
        block = [0; BLOCK];
        write_words(&mut block, &state);
        // Behind the key's block come 32 octets of digest, the mark, and the length of both: 96 octets are 768 bits.
        let [.., high, _] = &mut block;
        *high = 3;
        if let Some(mark) = block.get_mut(OUTPUT) {
            *mark = 0x80;
        }
        state = self.outer;
        compress256(&mut state, &[block]);
        write_words(&mut block, &state);
        fill(out, block.get(..OUTPUT).unwrap_or(&block));
        state.zeroize();
        block.zeroize();
    }
}

impl Drop for HmacSha256 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// Hashes the parts and the padding (FIPS 180-4 section 5.1.1) into a state that has taken one block. `block` is scratch.
fn hash_behind_a_block(state: &mut [u32; 8], block: &mut [u8; BLOCK], parts: &[&[u8]]) {
    let mut used = 0;
    let mut hashed = BLOCK;
    for part in parts {
        let mut part = *part;
        hashed += part.len();
        if used > 0 {
            let free = block.get_mut(used..).unwrap_or_default();
            let (head, rest) = part.split_at(part.len().min(free.len()));
            fill(free, head);
            used += head.len();
            if used < BLOCK {
                continue;
            }
            compress256(state, core::slice::from_ref(block));
            part = rest;
        }
        let (blocks, rest) = part.as_chunks::<BLOCK>();
        compress256(state, blocks);
        fill(block, rest);
        used = rest.len();
    }
    let mut padding = block.iter_mut().skip(used);
    if let Some(mark) = padding.next() {
        *mark = 0x80;
    }
    padding.for_each(|octet| *octet = 0);
    if used + 1 + size_of::<u64>() > BLOCK {
        compress256(state, core::slice::from_ref(block));
        *block = [0; BLOCK];
    }
    if let Some(length) = block.last_chunk_mut() {
        *length = ((hashed as u64) << 3).to_be_bytes();
    }
    compress256(state, core::slice::from_ref(block));
}

fn write_words(to: &mut [u8; BLOCK], words: &[u32; 8]) {
    let (chunks, _) = to.as_chunks_mut();
    for (to, word) in chunks.iter_mut().zip(words) {
        *to = word.to_be_bytes();
    }
}

fn fill(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// FIPS 180-4 section 5.3.3.
const H0: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    #[test]
    fn agrees_with_another_hmac_at_every_length_however_it_is_cut() {
        let octets: Vec<u8> = (0..=255).cycle().take(400).collect();
        for key_len in [0, 1, 32, 63, 64, 65, 128, 200] {
            let key = &octets[7..7 + key_len];
            let ours = HmacSha256::new(key);
            let theirs = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
            for len in 0..200 {
                let message = &octets[..len];
                let mut wanted = theirs.clone();
                wanted.update(message);
                let wanted = wanted.finalize().into_bytes();
                for cut in [0, len / 3, len / 2, len] {
                    let (head, tail) = message.split_at(cut);
                    let (middle, end) = tail.split_at(tail.len().min(64));
                    let mut out = [0; OUTPUT];
                    ours.mac(&[head, &[], middle, end], &mut out);
                    assert_eq!(out[..], wanted[..], "{len} octets cut at {cut}, key of {key_len}");
                    let mut short = [0; 10];
                    ours.mac(&[message], &mut short);
                    assert_eq!(short, out[..10]);
                }
            }
        }
    }
}
