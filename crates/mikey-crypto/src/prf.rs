//! The MIKEY pseudo-random function (RFC 3830 section 4.1.2, RFC 6043 section 6.1 for SHA-256, docs/spec.md for SHA-384).
//!
//! `PRF(inkey, label) = P(s_1, label) XOR .. XOR P(s_n, label)`, where `s_1 .. s_n` are the blocks of the input key and
//! `P(s, label) = HMAC(s, A_1 || label) || HMAC(s, A_2 || label) || ..` with `A_0 = label`, `A_i = HMAC(s, A_(i-1))`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use zeroize::Zeroize;

use crate::{Hash, HmacKey, MAX_HASH_LEN, SecretBytes};

/// Number of a PRF in M-SP (docs/spec.md, "Negotiation").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrfId(pub u8);

impl PrfId {
    /// PRF-HMAC-SHA-256 (RFC 6043).
    pub const HMAC_SHA_256: Self = Self(1);
    /// PRF-HMAC-SHA-384.
    pub const HMAC_SHA_384: Self = Self(2);
}

/// A PRF and the hash of its transcripts.
#[derive(Clone, Copy)]
pub struct Prf {
    /// Its number in M-SP; RFC 3830's HMAC-SHA-1 PRF has none.
    pub id: PrfId,
    /// The hash of the HMAC and of the transcript.
    pub hash: &'static dyn Hash,
    /// Octets of input key for each block `s_i`.
    pub key_block: usize,
}

/// How many parts a label may have.
const MAX_LABEL_PARTS: usize = 7;

impl Prf {
    /// PRF-HMAC-SHA-256 over `sha256`: blocks of 256 bits.
    #[must_use]
    pub const fn hmac_sha_256(sha256: &'static dyn Hash) -> Self {
        Self { id: PrfId::HMAC_SHA_256, hash: sha256, key_block: 32 }
    }

    /// PRF-HMAC-SHA-384 over `sha384`: blocks of 512 bits.
    #[must_use]
    pub const fn hmac_sha_384(sha384: &'static dyn Hash) -> Self {
        Self { id: PrfId::HMAC_SHA_384, hash: sha384, key_block: 64 }
    }

    /// RFC 3830's PRF over `sha1`, for MIKEY version 1 alone: blocks of 256 bits. Its number, 0, is HDR's of version 1.
    #[must_use]
    pub const fn mikey1(sha1: &'static dyn Hash) -> Self {
        Self { id: PrfId(0), hash: sha1, key_block: 32 }
    }

    /// Octets of the hash, which is also the length of every derived key without a length of its own.
    #[must_use]
    pub fn hash_len(&self) -> usize {
        self.hash.output_len()
    }

    /// Derives `len` octets from `inkey`. The label is the concatenation of at most seven parts.
    #[must_use]
    pub fn derive(&self, inkey: &[u8], label: &[&[u8]], len: usize) -> SecretBytes {
        let mut out = SecretBytes::zeroed(len);
        for block in self.blocks(inkey) {
            self.xor_p(&*self.hash.hmac_key(block), label, out.expose_mut());
        }
        out
    }

    /// Prepares an input key from which more than one key is derived.
    #[must_use]
    pub fn key(&self, inkey: &[u8]) -> PrfKey {
        PrfKey { prf: *self, blocks: self.blocks(inkey).map(|block| self.hash.hmac_key(block)).collect() }
    }

    /// `s_1 .. s_n`. An empty input key is one empty block.
    fn blocks<'a>(&self, inkey: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let empty: Option<&[u8]> = inkey.is_empty().then_some(&[]);
        empty.into_iter().chain(inkey.chunks(self.key_block))
    }

    /// XORs `P(s, label)` onto `out`.
    fn xor_p(&self, s: &dyn HmacKey, label: &[&[u8]], out: &mut [u8]) {
        debug_assert!(label.len() <= MAX_LABEL_PARTS, "a label of {} parts", label.len());
        let mut chain = Scratch([0; MAX_HASH_LEN]);
        let mut block = Scratch([0; MAX_HASH_LEN]);
        let n = self.hash_len();
        s.mac(label, chain.head(n)); // A_1
        let mut parts: [&[u8]; MAX_LABEL_PARTS + 1] = [&[]; MAX_LABEL_PARTS + 1];
        for (to, from) in parts.iter_mut().skip(1).zip(label) {
            *to = from;
        }
        let mut chunks = out.chunks_mut(n).peekable();
        while let Some(chunk) = chunks.next() {
            let mut input = parts;
            if let Some(first) = input.first_mut() {
                *first = chain.head(n);
            }
            s.mac(&input, block.head(n));
            for (to, from) in chunk.iter_mut().zip(block.head(n)) {
                *to ^= *from;
            }
            if chunks.peek().is_some() {
                let mut next = Scratch([0; MAX_HASH_LEN]);
                s.mac(&[chain.head(n)], next.head(n));
                core::mem::swap(&mut chain, &mut next);
            }
        }
    }
}

/// An input key of a PRF with the key schedule of its HMACs done. Wiped when dropped.
pub struct PrfKey {
    prf: Prf,
    blocks: Vec<Box<dyn HmacKey>>,
}

impl PrfKey {
    /// Derives `len` octets, as [`Prf::derive`] does.
    #[must_use]
    pub fn derive(&self, label: &[&[u8]], len: usize) -> SecretBytes {
        let mut out = SecretBytes::zeroed(len);
        for block in &self.blocks {
            self.prf.xor_p(&**block, label, out.expose_mut());
        }
        out
    }
}

struct Scratch([u8; MAX_HASH_LEN]);

impl Scratch {
    fn head(&mut self, n: usize) -> &mut [u8] {
        let n = n.min(MAX_HASH_LEN);
        self.0.split_at_mut(n).0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
