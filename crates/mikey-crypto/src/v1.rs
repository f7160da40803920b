//! What MIKEY version 1 has and version 2 has not. Both are behind a policy of its own.

use crate::{AuthFailed, KxGroup};

/// Verifies a signature over a message: the key as DER SubjectPublicKeyInfo, the message, the signature.
pub type VerifySignature = fn(&[u8], &[u8], &[u8]) -> Result<(), AuthFailed>;

/// Algorithms of RFC 3830 that version 2 left behind.
#[derive(Clone, Copy)]
pub struct V1Algorithms {
    /// OAKLEY 5: Diffie-Hellman modulo a prime of 1536 bits, values of 192 octets (RFC 3526 section 2). Its number as a
    /// [`KxGroup`] is IKEv2's, 5; version 1 calls it 0.
    pub oakley5: &'static dyn KxGroup,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 4096 bits (RFC 8017 section 8.2).
    pub verify_rsa_pkcs1_sha256: VerifySignature,
    /// RSASSA-PKCS1-v1_5 with SHA-1, which only old devices make.
    pub verify_rsa_pkcs1_sha1: VerifySignature,
}
