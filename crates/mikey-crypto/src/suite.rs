//! Protection suites of CCE and all later messages (docs/spec.md, "Negotiation").

use crate::Hash;

/// Number of a suite in M-SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuiteId(pub u8);

impl SuiteId {
    /// AES-CM-128 and HMAC-SHA-256-256.
    pub const AES_CM_128_HMAC_SHA_256: Self = Self(1);
    /// AES-CM-256 and HMAC-SHA-256-256.
    pub const AES_CM_256_HMAC_SHA_256: Self = Self(2);
    /// AEAD-AES-128-GCM.
    pub const AES_128_GCM: Self = Self(3);
    /// AEAD-AES-256-GCM.
    pub const AES_256_GCM: Self = Self(4);
    /// AEAD-CHACHA20-POLY1305.
    pub const CHACHA20_POLY1305: Self = Self(5);
}

/// A suite: KEMAC's algorithm numbers, the lengths of its keys, and the algorithms.
#[derive(Clone, Copy)]
pub struct Suite {
    /// Its number in M-SP.
    pub id: SuiteId,
    /// KEMAC's Encr alg.
    pub encr_alg: u8,
    /// KEMAC's Mac alg.
    pub mac_alg: u8,
    /// Octets of the encryption key.
    pub key_len: usize,
    /// Octets of the salt: 14 in counter mode, 12 for an AEAD.
    pub salt_len: usize,
    /// Octets of the authentication key: 0 for an AEAD.
    pub auth_key_len: usize,
    /// Octets of KEMAC's MAC.
    pub mac_len: usize,
    /// The algorithms.
    pub kind: SuiteKind,
}

/// The algorithms of a suite.
#[derive(Clone, Copy)]
pub enum SuiteKind {
    /// Counter mode, then HMAC.
    CtrHmac {
        /// AES in counter mode with keys of the suite's length.
        cipher: &'static dyn CtrCipher,
        /// SHA-256.
        hash: &'static dyn Hash,
    },
    /// Authenticated encryption with associated data.
    Aead(&'static dyn Aead),
}

impl Suite {
    /// Suites 1 and 2 over the given algorithms.
    #[must_use]
    pub const fn ctr_hmac(id: SuiteId, cipher: &'static dyn CtrCipher, sha256: &'static dyn Hash) -> Self {
        let (encr_alg, key_len) = if id.0 == SuiteId::AES_CM_256_HMAC_SHA_256.0 { (3, 32) } else { (1, 16) };
        let kind = SuiteKind::CtrHmac { cipher, hash: sha256 };
        Self { id, encr_alg, mac_alg: 2, key_len, salt_len: 14, auth_key_len: 32, mac_len: 32, kind }
    }

    /// Suites 3, 4 and 5 over the given algorithm.
    #[must_use]
    pub const fn aead(id: SuiteId, aead: &'static dyn Aead) -> Self {
        let (encr_alg, key_len) = match id {
            SuiteId::AES_128_GCM => (64, 16),
            SuiteId::AES_256_GCM => (65, 32),
            _ => (66, 32),
        };
        let kind = SuiteKind::Aead(aead);
        Self { id, encr_alg, mac_alg: 64, key_len, salt_len: 12, auth_key_len: 0, mac_len: 16, kind }
    }
}

/// A block cipher in counter mode.
pub trait CtrCipher: Send + Sync {
    /// XORs the key stream that starts at `iv` onto `data`.
    ///
    /// # Errors
    /// [`AuthFailed`] if `key` has the wrong length.
    fn apply(&self, key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), AuthFailed>;
}

/// Authenticated encryption with a nonce of 12 octets and a tag of 16.
pub trait Aead: Send + Sync {
    /// Encrypts `data` in place and returns the tag. A nonce serves one message under one key.
    ///
    /// # Errors
    /// [`AuthFailed`] if `key` has the wrong length.
    fn seal(&self, key: &[u8], nonce: &[u8; 12], aad: &[u8], data: &mut [u8])
    -> Result<[u8; 16], AuthFailed>;

    /// Decrypts `data` in place. On an error its content is undefined and must not be used.
    ///
    /// # Errors
    /// [`AuthFailed`], one for every cause.
    fn open(
        &self,
        key: &[u8],
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AuthFailed>;
}

/// Something did not authenticate. There is no reason in it, so none can leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthFailed;

impl core::fmt::Display for AuthFailed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("authentication failed")
    }
}

impl core::error::Error for AuthFailed {}
