//! Signature algorithms of certificates and CRLs, as chain validation takes them.

use mikey_crypto::{AuthFailed, VerifySignature};
use rsa::PublicKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::digest::FixedOutputReset;
use sha2::digest::const_oid::AssociatedOid;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::ecdsa::{P256, P384, P521, verify_der};
use super::verify_ed25519;

/// SHA-256 is the weakest hash. P-521 goes with SHA-384 and SHA-512: RustCrypto takes no hash below half its order.
pub(crate) static CERTIFICATE_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Algorithm(alg_id::ED25519, alg_id::ED25519, verify_ed25519),
    &Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA256, verify_der::<P256, Sha256>),
    &Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA384, verify_der::<P256, Sha384>),
    &Algorithm(alg_id::ECDSA_P256, alg_id::ECDSA_SHA512, verify_der::<P256, Sha512>),
    &Algorithm(alg_id::ECDSA_P384, alg_id::ECDSA_SHA256, verify_der::<P384, Sha256>),
    &Algorithm(alg_id::ECDSA_P384, alg_id::ECDSA_SHA384, verify_der::<P384, Sha384>),
    &Algorithm(alg_id::ECDSA_P384, alg_id::ECDSA_SHA512, verify_der::<P384, Sha512>),
    &Algorithm(alg_id::ECDSA_P521, alg_id::ECDSA_SHA384, verify_der::<P521, Sha384>),
    &Algorithm(alg_id::ECDSA_P521, alg_id::ECDSA_SHA512, verify_der::<P521, Sha512>),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA256, verify_pss::<Sha256>),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384, verify_pss::<Sha384>),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512, verify_pss::<Sha512>),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256, verify_pkcs1::<Sha256>),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384, verify_pkcs1::<Sha384>),
    &Algorithm(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512, verify_pkcs1::<Sha512>),
];

/// The key's algorithm, the signature's, and what verifies key, message and signature as the certificate holds them.
#[derive(Debug)]
struct Algorithm(AlgorithmIdentifier, AlgorithmIdentifier, VerifySignature);

impl SignatureVerificationAlgorithm for Algorithm {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.1
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        (self.2)(public_key, message, signature).map_err(|AuthFailed| InvalidSignature)
    }
}

fn verify_pss<D: Digest + FixedOutputReset>(
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    rsa_key(key)?.pss_verify::<D>(message, signature).map_err(|_| AuthFailed)
}

fn verify_pkcs1<D: Digest + AssociatedOid>(
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    rsa_key(key)?.pkcs1v15_verify::<D>(message, signature).map_err(|_| AuthFailed)
}

/// An RSAPublicKey of 2048 to 8192 bits. RustCrypto takes no longer one.
fn rsa_key(key: &[u8]) -> Result<PublicKey, AuthFailed> {
    let key = PublicKey::from_pkcs1_der(key).map_err(|_| AuthFailed)?;
    if key.n().bit_width() < 2048 { Err(AuthFailed) } else { Ok(key) }
}
