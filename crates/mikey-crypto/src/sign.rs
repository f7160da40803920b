//! Signatures and the keys that make them.

use alloc::vec::Vec;

use crate::{SecureRandom, suite::AuthFailed};

/// Number of an authentication method in M-SP and AUTH (docs/spec.md, "Negotiation").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId(pub u8);

impl MethodId {
    /// RSASSA-PSS with SHA-256, MGF1-SHA-256, salt of 32 octets, 2048 to 4096 bits.
    pub const RSA_PSS_SHA256: Self = Self(1);
    /// ECDSA on P-256 with SHA-256, r || s of 64 octets.
    pub const ECDSA_P256_SHA256: Self = Self(2);
    /// ECDSA on P-384 with SHA-384, r || s of 96 octets.
    pub const ECDSA_P384_SHA384: Self = Self(3);
    /// Ed25519 (RFC 8032), strict, without prehash.
    pub const ED25519: Self = Self(4);
    /// Pre-shared key.
    pub const PSK: Self = Self(5);
    /// Short authentication string.
    pub const SAS: Self = Self(6);
    /// RSA-OAEP decryption, in the RSA form of CCE2 only.
    pub const RSA_OAEP: Self = Self(7);

    /// Whether this is a signature by a certificate's key.
    #[must_use]
    pub const fn is_signature(self) -> bool {
        matches!(self.0, 1..=4)
    }

    /// Whether it is a certificate that shows whose key it is: signatures, and RSA-OAEP decryption.
    #[must_use]
    pub const fn is_certified(self) -> bool {
        self.is_signature() || self.0 == Self::RSA_OAEP.0
    }
}

/// A signature scheme, for verification.
pub trait SignatureScheme: Send + Sync {
    /// Its number.
    fn method(&self) -> MethodId;

    /// Verifies `signature` over `message` with the key in `spki`, a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`AuthFailed`] if the key is of another kind or size, or the signature is not its own.
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed>;
}

/// A private key that signs. Wiped when dropped.
pub trait Signer: Send + Sync {
    /// The scheme of its signatures.
    fn method(&self) -> MethodId;

    /// The DER SubjectPublicKeyInfo of its public key.
    fn public_key(&self) -> &[u8];

    /// Signs `message`.
    ///
    /// # Errors
    /// [`SignFailed`] if randomness failed or the key is unusable.
    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<Vec<u8>, SignFailed>;

    /// Signs `message` by RSASSA-PKCS1-v1_5 with SHA-256, for MIKEY version 1 alone.
    ///
    /// # Errors
    /// [`SignFailed`] if this is no RSA key.
    fn sign_rsa_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        let _ = message;
        Err(SignFailed)
    }
}

/// A signature could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignFailed;

/// A private key was refused when it was loaded. The text says why and holds nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRejected(pub &'static str);

impl core::fmt::Display for KeyRejected {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "private key refused: {}", self.0)
    }
}

impl core::error::Error for KeyRejected {}
