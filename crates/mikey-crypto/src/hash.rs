//! Hash functions and HMAC, as a provider offers them.

use alloc::boxed::Box;

use crate::{SecretBytes, suite::AuthFailed};

/// The longest output of any hash here (SHA-384).
pub const MAX_HASH_LEN: usize = 48;

/// The output of a hash over public octets: a transcript, a message, a certificate. Not for MACs or keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    len: u8,
    bytes: [u8; MAX_HASH_LEN],
}

impl Digest {
    /// Takes up to [`MAX_HASH_LEN`] octets; more are cut off.
    #[must_use]
    pub fn new(output: &[u8]) -> Self {
        let mut bytes = [0; MAX_HASH_LEN];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(output) {
            *to = *from;
            len += 1;
        }
        Self { len, bytes }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.bytes.split_at_checked(usize::from(self.len)).map_or(&self.bytes, |(head, _)| head)
    }
}

/// A hash function with its HMAC (RFC 2104).
pub trait Hash: Send + Sync {
    /// Octets of output, at most [`MAX_HASH_LEN`].
    fn output_len(&self) -> usize;

    /// The hash of the parts, as if they were one string.
    fn digest(&self, parts: &[&[u8]]) -> Digest;

    /// Prepares HMAC under `key`, which may have any length.
    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey>;

    /// HMAC of the parts under `key`.
    fn hmac(&self, key: &[u8], parts: &[&[u8]]) -> SecretBytes {
        let mut out = SecretBytes::zeroed(self.output_len());
        self.hmac_key(key).mac(parts, out.expose_mut());
        out
    }

    /// Checks a MAC of full length in constant time.
    ///
    /// # Errors
    /// [`AuthFailed`] if it is not the MAC of the parts under `key`.
    fn hmac_verify(&self, key: &[u8], parts: &[&[u8]], mac: &[u8]) -> Result<(), AuthFailed> {
        crate::ct_eq(self.hmac(key, parts).expose(), mac).then_some(()).ok_or(AuthFailed)
    }
}

/// HMAC with its key schedule done. Wiped when dropped.
pub trait HmacKey: Send + Sync {
    /// Writes the MAC of the parts to `out`, as many octets as `out` holds, at most the output length of the hash.
    fn mac(&self, parts: &[&[u8]], out: &mut [u8]);
}
