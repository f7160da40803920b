//! Ed25519 verification, strict (RFC 8032 section 5.1.7).
//!
//! AWS-LC checks S < L and recomputes R without the cofactor. Public keys of small order, with which one signature fits
//! many messages, and keys that are not in canonical form are refused here.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use mikey_crypto::{AuthFailed, MethodId, SignatureScheme};
use mikey_crypto_rust::{der, ed25519};

/// Method 4.
pub(crate) struct Ed25519;

impl SignatureScheme for Ed25519 {
    fn method(&self) -> MethodId {
        MethodId::ED25519
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        let key = der::public_key(spki, der::ED25519).ok_or(AuthFailed)?;
        let key: &[u8; 32] = key.try_into().map_err(|_| AuthFailed)?;
        if ed25519::is_weak(key) {
            return Err(AuthFailed);
        }
        UnparsedPublicKey::new(&ED25519, key).verify(message, signature).map_err(|_| AuthFailed)
    }
}
