//! A sender's key chain (RFC 4082 section 3.2).
//!
//! The chain is made from its end and used from its beginning. Keeping all of it costs 20 octets a key; making each key
//! from the end costs the whole chain each time. Here about every sqrt(N)-th key is kept, and the keys between two of
//! them are made together when the first of them is needed: 80 kB and 2,048 steps at once for the longest chain.

use super::error::TeslaError;
use super::params::{Commitment, KEY_LEN, MAX_CHAIN_LEN};
use super::step_down;
use crate::{Hash, Secret, SecretBytes};

/// The keys `K_0` to `K_N` of one sender. Wiped when dropped.
pub struct KeyChain {
    hash: &'static dyn Hash,
    len: u32,
    first: [u8; KEY_LEN],
    /// Keys of a segment: segment `c` has the keys behind `c * stride`, up to the next or to the end.
    stride: u32,
    /// The last key of each segment.
    ends: SecretBytes,
    /// The keys of one segment.
    segment: SecretBytes,
    /// Which one.
    current: Option<u32>,
}

impl KeyChain {
    /// Makes a chain of `len` keys behind `K_0` from its last key, which is random, or derived from what only the sender
    /// and the group's controller know. This takes `len` times HMAC-SHA-1.
    ///
    /// `sha1` is the provider's SHA-1.
    ///
    /// # Errors
    /// [`TeslaError::ChainLen`].
    pub fn generate(sha1: &'static dyn Hash, last: Secret<KEY_LEN>, len: u32) -> Result<Self, TeslaError> {
        if len == 0 || len > MAX_CHAIN_LEN {
            return Err(TeslaError::ChainLen);
        }
        let stride = len.isqrt().max(1);
        let segments = len.div_ceil(stride);
        let mut ends = SecretBytes::zeroed(octets(segments));
        let mut key = last;
        for (segment, end) in (0..segments).rev().zip(ends.expose_mut().rchunks_exact_mut(KEY_LEN)) {
            end.copy_from_slice(key.expose());
            for _ in 0..segment_len(segment, stride, len) {
                step_down(sha1, key.expose_mut());
            }
        }
        let segment = SecretBytes::zeroed(octets(stride));
        Ok(Self { hash: sha1, len, first: *key.expose(), stride, ends, segment, current: None })
    }

    /// `N`: how many keys there are behind `K_0`.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a chain is never empty")]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// The commitment to the whole chain: `K_0`.
    #[must_use]
    pub const fn commitment(&self) -> Commitment {
        Commitment { interval: 0, key: self.first }
    }

    /// The SHA-1 that it was made with.
    #[must_use]
    pub fn hash(&self) -> &'static dyn Hash {
        self.hash
    }

    /// `K_i`; `None` behind the end. A secret until `d` intervals after its own, and with it all before it.
    pub fn key(&mut self, interval: u32) -> Option<Secret<KEY_LEN>> {
        if interval > self.len {
            return None;
        }
        let Some(before) = interval.checked_sub(1) else { return Some(Secret::new(self.first)) };
        let (segment, at) = (before / self.stride, before % self.stride);
        if self.current != Some(segment) {
            self.fill(segment)?;
        }
        let key = self.segment.expose().chunks_exact(KEY_LEN).nth(usize::try_from(at).ok()?)?;
        Some(Secret::new(*key.first_chunk::<KEY_LEN>()?))
    }

    fn fill(&mut self, segment: u32) -> Option<()> {
        self.current = None;
        let end = self.ends.expose().chunks_exact(KEY_LEN).nth(usize::try_from(segment).ok()?)?;
        let mut key = Secret::new(*end.first_chunk::<KEY_LEN>()?);
        let keys = octets(segment_len(segment, self.stride, self.len));
        for to in self.segment.expose_mut().get_mut(..keys)?.rchunks_exact_mut(KEY_LEN) {
            to.copy_from_slice(key.expose());
            step_down(self.hash, key.expose_mut());
        }
        self.current = Some(segment);
        Some(())
    }
}

fn octets(keys: u32) -> usize {
    usize::try_from(keys).unwrap_or(usize::MAX).saturating_mul(KEY_LEN)
}

/// Keys of a segment: all have `stride`, the last what is left.
fn segment_len(segment: u32, stride: u32, len: u32) -> u32 {
    len.saturating_sub(segment.saturating_mul(stride)).min(stride)
}
