//! Key exchange groups (docs/spec.md, "DH payload").

use mikey_crypto::KxGroup;

#[cfg(feature = "provider")]
mod hybrid;
mod modp;
#[cfg(feature = "provider")]
mod nist;
#[cfg(feature = "provider")]
mod x25519;

/// MODP-1536, OAKLEY 5 of version 1, never in M-SP.
pub static MODP_1536: &dyn KxGroup = &modp::MODP_1536;
/// Group 14.
pub static MODP_2048: &dyn KxGroup = &modp::MODP_2048;
/// Group 15.
pub static MODP_3072: &dyn KxGroup = &modp::MODP_3072;

/// The groups of M-SP.
#[cfg(feature = "provider")]
pub(crate) static GROUPS: &[&dyn KxGroup] =
    &[&x25519::X25519, &hybrid::X25519MlKem768, &nist::P256, &nist::P384, MODP_2048, MODP_3072];
