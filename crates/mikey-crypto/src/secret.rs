//! Secrets: wiped when dropped, not printable, not copyable, compared in constant time only.
//!
//! Neither type has `Debug`, `Clone` or `PartialEq`. `expose` is the only way in, so that each use can be found by name.
//!
//! ```compile_fail
//! let a = mikey_crypto::Secret::new([1u8; 32]);
//! println!("{a:?}");
//! ```
//!
//! ```compile_fail
//! let a = mikey_crypto::SecretBytes::copy_from(&[1u8; 32]);
//! let b = a.clone();
//! ```
//!
//! ```compile_fail
//! let a = mikey_crypto::Secret::new([1u8; 32]);
//! let _ = a == mikey_crypto::Secret::new([1u8; 32]);
//! ```

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret of `N` octets.
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes `bytes`. The caller wipes any copy that it still holds.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The octets.
    #[must_use]
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// The octets, to be filled in place.
    pub const fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Secret<N> {}

/// A secret whose length is known at run time only. It never reallocates, so no copy stays behind.
// R8.4
pub struct SecretBytes(Box<[u8]>);

impl SecretBytes {
    /// No octets at all: the "or empty" of the key schedule.
    #[must_use]
    pub fn empty() -> Self {
        Self(Box::default())
    }

    /// `len` zero octets, to be filled through [`Self::expose_mut`].
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self(vec![0; len].into_boxed_slice())
    }

    /// Copies `bytes`. The caller wipes the original if it holds a secret.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The octets.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The octets, to be filled in place.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Number of octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no octet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    /// Copies and wipes `bytes`, its spare capacity included.
    fn from(mut bytes: Vec<u8>) -> Self {
        let secret = Self::copy_from(&bytes);
        bytes.zeroize();
        secret
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for SecretBytes {}

/// Whether two octet strings are equal, in a time that depends on their lengths alone.
// R7.10
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // R7.10
    #[test]
    fn comparison_sees_every_octet_and_the_length() {
        assert!(ct_eq(b"mikey", b"mikey"));
        assert!(!ct_eq(b"mikey", b"mikez"));
        assert!(!ct_eq(b"mikey", b"nikey"));
        assert!(!ct_eq(b"mikey", b"mike"));
        assert!(ct_eq(b"", b""));
    }

    #[test]
    fn a_vector_moves_in_whole() {
        let secret = SecretBytes::from(vec![7; 48]);
        assert_eq!(secret.expose(), [7; 48]);
        assert_eq!(secret.len(), 48);
        assert!(!secret.is_empty());
        assert!(SecretBytes::empty().is_empty());
    }
}
