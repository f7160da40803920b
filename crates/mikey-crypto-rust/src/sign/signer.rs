//! Private keys from PKCS #8, and the signatures that they make.
//!
//! Ed25519 is deterministic. ECDSA is hedged: RFC 6979 with octets of the source mixed in, so that neither a broken source
//! nor a fault in hashing alone gives the key away. RustCrypto checks an RSA signature before it gives it out.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ed25519_dalek::Signer as _;
use mikey_crypto::{KeyRejected, MethodId, SecureRandom, SignFailed, Signer};
use p256::ecdsa::signature::RandomizedSigner;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use sha2::Sha256;

use crate::random::{Draw, OsRandom};
use crate::{der, ed25519};

/// Loads an Ed25519, P-256, P-384 or RSA key.
pub(crate) fn load_signer(pkcs8: &[u8]) -> Result<Box<dyn Signer>, KeyRejected> {
    let algorithm = der::private_key_algorithm(pkcs8).ok_or(KeyRejected("it is not PKCS #8 in DER"))?;
    let (method, key, spki) = if algorithm == der::ED25519 {
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(pkcs8).map_err(malformed)?;
        if ed25519::is_weak(key.verifying_key().as_bytes()) {
            return Err(KeyRejected("its public key is of small order"));
        }
        let spki = encoded(&key.verifying_key())?;
        (MethodId::ED25519, Key::Ed25519(key), spki)
    } else if algorithm == der::EC_P256 {
        let key = p256::ecdsa::SigningKey::from_pkcs8_der(pkcs8).map_err(malformed)?;
        let spki = encoded(key.verifying_key())?;
        (MethodId::ECDSA_P256_SHA256, Key::P256(key), spki)
    } else if algorithm == der::EC_P384 {
        let key = p384::ecdsa::SigningKey::from_pkcs8_der(pkcs8).map_err(malformed)?;
        let spki = encoded(key.verifying_key())?;
        (MethodId::ECDSA_P384_SHA384, Key::P384(Box::new(key)), spki)
    } else if algorithm == der::RSA_ENCRYPTION {
        let (key, spki) = load_rsa(pkcs8)?;
        (MethodId::RSA_PSS_SHA256, Key::Rsa(Box::new(key)), spki)
    } else {
        return Err(KeyRejected("it is none of Ed25519, P-256, P-384 and RSA"));
    };
    Ok(Box::new(PrivateKey { method, key, spki }))
}

/// Loads an RSA key of a size that is taken, with its SubjectPublicKeyInfo.
pub(crate) fn load_rsa(pkcs8: &[u8]) -> Result<(rsa::PrivateKey, Vec<u8>), KeyRejected> {
    let key = rsa::PrivateKey::from_pkcs8_der(pkcs8).map_err(|_| der::RSA_REJECTED)?;
    let spki = encoded(key.as_public_key())?;
    der::rsa_public_key(&spki).ok_or(der::RSA_REJECTED)?;
    Ok((key, spki))
}

fn encoded(key: &impl EncodePublicKey) -> Result<Vec<u8>, KeyRejected> {
    let der = key.to_public_key_der().map_err(|_| KeyRejected("its public key cannot be encoded"))?;
    Ok(der.into_vec())
}

fn malformed<E>(_: E) -> KeyRejected {
    KeyRejected("its content is malformed or inconsistent")
}

/// The libraries wipe the key.
struct PrivateKey {
    method: MethodId,
    key: Key,
    spki: Vec<u8>,
}

enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    P384(Box<p384::ecdsa::SigningKey>),
    Rsa(Box<rsa::PrivateKey>),
}

impl Signer for PrivateKey {
    fn method(&self) -> MethodId {
        self.method
    }

    fn public_key(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        let random = &mut Draw(random);
        match &self.key {
            Key::Ed25519(key) => {
                let signature = key.try_sign(message).map_err(|_| SignFailed)?;
                Ok(signature.to_bytes().to_vec())
            }
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    key.try_sign_with_rng(random, message).map_err(|_| SignFailed)?;
                Ok(signature.to_bytes().to_vec())
            }
            Key::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    key.try_sign_with_rng(random, message).map_err(|_| SignFailed)?;
                Ok(signature.to_bytes().to_vec())
            }
            Key::Rsa(key) => key.pss_sign_with_rng::<Sha256, _>(random, message).map_err(|_| SignFailed),
        }
    }

    fn sign_rsa_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        match &self.key {
            Key::Rsa(key) => {
                key.pkcs1v15_sign_with_rng::<Sha256, _>(&mut Draw(&OsRandom), message).map_err(|_| SignFailed)
            }
            _ => Err(SignFailed),
        }
    }
}
