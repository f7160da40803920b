//! Key exchange groups: Diffie-Hellman, and the hybrid with a KEM.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::{RandomFailed, SecretBytes, SecureRandom};

/// Number of a group in M-SP and in DH payloads of version 2 (docs/spec.md, "Negotiation"; IKEv2's numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u8);

impl GroupId {
    /// MODP-1536 (RFC 3526), the OAKLEY 5 of MIKEY version 1. Never negotiated by version 2.
    pub const MODP_1536: Self = Self(5);
    /// MODP-2048 (RFC 3526).
    pub const MODP_2048: Self = Self(14);
    /// MODP-3072 (RFC 3526).
    pub const MODP_3072: Self = Self(15);
    /// NIST P-256, values x || y (RFC 5903).
    pub const P256: Self = Self(19);
    /// NIST P-384, values x || y (RFC 5903).
    pub const P384: Self = Self(20);
    /// X25519 (RFC 7748).
    pub const X25519: Self = Self(31);
    /// X25519 with ML-KEM-768 (FIPS 203).
    pub const X25519_MLKEM768: Self = Self(236);
}

/// One group.
///
/// Private values of Diffie-Hellman are the octets that the given source delivers, in one draw: 32 for X25519 and P-256
/// and for MODP-1536 and MODP-2048 (an exponent of 256 bits), 48 for P-384, 40 for MODP-3072 (320 bits); big endian where RFC 7748 does
/// not say otherwise. A value out of range is drawn again, a few times at most. So a seeded source makes exchanges
/// repeatable and known answers can be checked. A KEM may draw from a source of its own.
pub trait KxGroup: Send + Sync {
    /// Its number.
    fn id(&self) -> GroupId;

    /// Octets of an initiator's value.
    fn request_len(&self) -> usize;

    /// Octets of a responder's value.
    fn answer_len(&self) -> usize;

    /// Makes a private value and the public value for the first message.
    ///
    /// # Errors
    /// [`RandomFailed`] if `random` fails.
    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed>;

    /// Answers the initiator's value.
    ///
    /// # Errors
    /// [`KxError::BadValue`] if the peer's value has the wrong length, is not on the curve, is out of range, or leads
    /// to an all-zero secret; [`KxError::Random`] if `random` fails.
    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError>;
}

/// The initiator's side between its first message and the last answer that it takes up.
///
/// One value serves all branches of a forked first message. Wiped when dropped.
pub trait KxInitiator: Send + Sync {
    /// The public value that was sent.
    fn value(&self) -> &[u8];

    /// Agrees with the value of an answer.
    ///
    /// # Errors
    /// [`KxError::BadValue`] as in [`KxGroup::answer`].
    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError>;
}

/// What a responder sends and knows.
pub struct KxAnswer {
    /// The public value for the second message.
    pub value: Vec<u8>,
    /// The shared secret.
    pub secret: KxSecret,
}

/// The shared secret, its parts kept apart for the key schedule.
pub struct KxSecret {
    /// The KEM's secret; empty without a KEM.
    pub kem: SecretBytes,
    /// The Diffie-Hellman secret.
    pub dh: SecretBytes,
}

/// Why no secret came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KxError {
    /// The peer's value is refused.
    BadValue,
    /// No randomness.
    Random,
}

impl From<RandomFailed> for KxError {
    fn from(RandomFailed: RandomFailed) -> Self {
        Self::Random
    }
}
