//! Key exchange groups (docs/spec.md, "DH payload").

use mikey_crypto::KxGroup;

mod hybrid;
mod modp;
mod nist;
mod x25519;

/// The groups of M-SP.
pub(crate) static GROUPS: &[&dyn KxGroup] =
    &[&x25519::X25519, &hybrid::X25519MlKem768, &nist::P256, &nist::P384, &modp::MODP_2048, &modp::MODP_3072];

/// OAKLEY 5 of version 1, never in M-SP.
pub(crate) static OAKLEY_5: &dyn KxGroup = &modp::MODP_1536;
