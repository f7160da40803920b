//! Signatures: verification here, by curve in `ecdsa`, of certificates in `certificate`; private keys in `signer`.

use mikey_crypto::{AuthFailed, MethodId, SignatureScheme, VerifySignature};
use rsa::PublicKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use crate::{der, ed25519};

mod certificate;
mod ecdsa;
mod signer;

pub(crate) use certificate::CERTIFICATE_ALGORITHMS;
pub(crate) use signer::{load_rsa, load_signer};

/// The schemes of AUTH.
pub(crate) static SCHEMES: &[&dyn SignatureScheme] = &[&Ed25519, &ECDSA_P256, &ECDSA_P384, &RsaPss];

/// Ed25519, strict (RFC 8032 section 5.1.7): S below the order, R recomputed without the cofactor, neither point of small
/// order, keys in canonical form.
struct Ed25519;

impl SignatureScheme for Ed25519 {
    fn method(&self) -> MethodId {
        MethodId::ED25519
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        verify_ed25519(der::public_key(spki, der::ED25519).ok_or(AuthFailed)?, message, signature)
    }
}

fn verify_ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
    let key: &[u8; 32] = key.try_into().map_err(|_| AuthFailed)?;
    if ed25519::is_weak(key) {
        return Err(AuthFailed);
    }
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| AuthFailed)?;
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| AuthFailed)?;
    key.verify_strict(message, &signature).map_err(|_| AuthFailed)
}

static ECDSA_P256: Ecdsa = Ecdsa {
    method: MethodId::ECDSA_P256_SHA256,
    key: der::EC_P256,
    verify: ecdsa::verify_fixed::<ecdsa::P256, Sha256>,
};

static ECDSA_P384: Ecdsa = Ecdsa {
    method: MethodId::ECDSA_P384_SHA384,
    key: der::EC_P384,
    verify: ecdsa::verify_fixed::<ecdsa::P384, Sha384>,
};

/// ECDSA with the one hash of its curve, r || s of fixed length. Keys are uncompressed points.
struct Ecdsa {
    method: MethodId,
    key: &'static [u8],
    verify: VerifySignature,
}

impl SignatureScheme for Ecdsa {
    fn method(&self) -> MethodId {
        self.method
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        (self.verify)(der::public_key(spki, self.key).ok_or(AuthFailed)?, message, signature)
    }
}

/// RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 octets (RFC 8017 section 8.1).
struct RsaPss;

impl SignatureScheme for RsaPss {
    fn method(&self) -> MethodId {
        MethodId::RSA_PSS_SHA256
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        rsa_key(spki)?.pss_verify::<Sha256>(message, signature).map_err(|_| AuthFailed)
    }
}

/// RSASSA-PKCS1-v1_5 with SHA-256, for version 1.
pub(crate) fn verify_rsa_pkcs1_sha256(
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    rsa_key(spki)?.pkcs1v15_verify::<Sha256>(message, signature).map_err(|_| AuthFailed)
}

/// RSASSA-PKCS1-v1_5 with SHA-1, for old devices that speak version 1.
pub(crate) fn verify_rsa_pkcs1_sha1(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
    rsa_key(spki)?.pkcs1v15_verify::<Sha1>(message, signature).map_err(|_| AuthFailed)
}

fn rsa_key(spki: &[u8]) -> Result<PublicKey, AuthFailed> {
    let key = der::rsa_public_key(spki).ok_or(AuthFailed)?;
    PublicKey::from_pkcs1_der(key).map_err(|_| AuthFailed)
}
