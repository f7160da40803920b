//! The cryptographic interface of MIKEYv2.
//!
//! This crate holds what every other crate agrees on and no algorithm of its own: the [`CryptoProvider`] and its
//! traits, [`Secret`] and [`SecretBytes`], the MIKEY PRF of RFC 3830 section 4.1.2 over a provider's HMAC, the
//! protection suites, the SRTP policies that a key management protocol hands to SRTP, and the key chains of [`tesla`]. It knows no message format,
//! no session, no clock and no socket.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "conformance")]
pub mod conformance;
mod encrypt;
mod hash;
mod kx;
mod prf;
mod provider;
mod random;
mod secret;
mod sign;
pub mod srtp;
mod suite;
pub mod tesla;
mod v1;

pub use encrypt::{Decryptor, EncryptFailed, EncryptionScheme};
pub use hash::{Digest, Hash, HmacKey, MAX_HASH_LEN};
pub use kx::{GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret};
pub use prf::{Prf, PrfId, PrfKey};
pub use provider::{CryptoProvider, IncompleteProvider, LoadDecryptor, LoadSigner};
pub use random::{RandomFailed, SecureRandom};
pub use secret::{Secret, SecretBytes, ct_eq};
pub use sign::{KeyRejected, MethodId, SignFailed, SignatureScheme, Signer};
pub use suite::{Aead, AuthFailed, CtrCipher, Suite, SuiteId, SuiteKind};
pub use v1::{V1Algorithms, VerifySignature};
