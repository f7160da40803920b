//! Signatures: verification here, private keys in `signer`.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
    VerificationAlgorithm,
};
use mikey_crypto::{AuthFailed, MethodId, SignatureScheme};
use mikey_crypto_rust::der;
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::aws_lc_rs as algorithms;

mod ed25519;
mod signer;

pub(crate) use signer::load_signer;

/// The schemes of AUTH.
pub(crate) static SCHEMES: &[&dyn SignatureScheme] = &[&ed25519::Ed25519, &ECDSA_P256, &ECDSA_P384, &RsaPss];

/// Signature algorithms of certificates and CRLs. SHA-256 is the weakest hash.
// R9.9
pub(crate) static CERTIFICATE_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ED25519,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

static ECDSA_P256: Ecdsa = Ecdsa {
    method: MethodId::ECDSA_P256_SHA256,
    key: der::EC_P256,
    point_len: 65,
    algorithm: &ECDSA_P256_SHA256_FIXED,
};

static ECDSA_P384: Ecdsa = Ecdsa {
    method: MethodId::ECDSA_P384_SHA384,
    key: der::EC_P384,
    point_len: 97,
    algorithm: &ECDSA_P384_SHA384_FIXED,
};

/// ECDSA with the one hash of its curve, r || s of fixed length. Keys are uncompressed points.
struct Ecdsa {
    method: MethodId,
    key: &'static [u8],
    point_len: usize,
    algorithm: &'static dyn VerificationAlgorithm,
}

impl SignatureScheme for Ecdsa {
    fn method(&self) -> MethodId {
        self.method
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        let point = der::public_key(spki, self.key).ok_or(AuthFailed)?;
        if point.len() != self.point_len {
            return Err(AuthFailed);
        }
        UnparsedPublicKey::new(self.algorithm, point).verify(message, signature).map_err(|_| AuthFailed)
    }
}

/// RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 octets (RFC 8017 section 8.1).
struct RsaPss;

impl SignatureScheme for RsaPss {
    fn method(&self) -> MethodId {
        MethodId::RSA_PSS_SHA256
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        verify_rsa(&RSA_PSS_2048_8192_SHA256, spki, message, signature)
    }
}

/// RSASSA-PKCS1-v1_5 with SHA-256, for version 1.
pub(crate) fn verify_rsa_pkcs1_sha256(
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    verify_rsa(&RSA_PKCS1_2048_8192_SHA256, spki, message, signature)
}

/// RSASSA-PKCS1-v1_5 with SHA-1, for old devices that speak version 1.
pub(crate) fn verify_rsa_pkcs1_sha1(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
    verify_rsa(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, spki, message, signature)
}

fn verify_rsa(
    algorithm: &'static RsaParameters,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    let key = der::rsa_public_key(spki).ok_or(AuthFailed)?;
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| AuthFailed)
}
