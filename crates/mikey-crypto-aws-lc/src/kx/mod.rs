//! Key exchange groups (docs/spec.md, "DH payload").

use mikey_crypto::KxGroup;
use mikey_crypto_rust::{MODP_2048, MODP_3072};

mod hybrid;
mod nist;
mod x25519;

/// The groups of M-SP.
pub(crate) static GROUPS: &[&dyn KxGroup] =
    &[&x25519::X25519, &hybrid::X25519MlKem768, &nist::P256, &nist::P384, MODP_2048, MODP_3072];
