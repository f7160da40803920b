//! What key management and SRTP agree on: policies, and the transforms that a provider offers for them.

mod policy;

pub use policy::{SrtpAuth, SrtpCipher, SrtpPolicy};

/// The SRTP transforms of a provider.
pub trait SrtpCrypto: Send + Sync {}
