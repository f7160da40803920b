//! Private keys from PKCS #8, and the signatures that they make.
//!
//! Ed25519 is deterministic. ECDSA's and RSA-PSS's randomness is AWS-LC's own: its interface takes none from outside.
//! AWS-LC checks an RSA signature before it gives it out, so a fault cannot leak a factor.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use mikey_crypto::{KeyRejected, MethodId, SecureRandom, SignFailed, Signer};
use mikey_crypto_rust::{der, ed25519};

/// Loads an Ed25519, P-256, P-384 or RSA key.
pub(crate) fn load_signer(pkcs8: &[u8]) -> Result<Box<dyn Signer>, KeyRejected> {
    let algorithm = der::private_key_algorithm(pkcs8).ok_or(KeyRejected("it is not PKCS #8 in DER"))?;
    let (method, key) = if algorithm == der::ED25519 {
        let key = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(malformed)?;
        if key.public_key().as_ref().try_into().is_ok_and(ed25519::is_weak) {
            return Err(KeyRejected("its public key is of small order"));
        }
        (MethodId::ED25519, Key::Ed25519(key))
    } else if algorithm == der::EC_P256 {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(malformed)?;
        (MethodId::ECDSA_P256_SHA256, Key::Ecdsa(key))
    } else if algorithm == der::EC_P384 {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8).map_err(malformed)?;
        (MethodId::ECDSA_P384_SHA384, Key::Ecdsa(key))
    } else if algorithm == der::RSA_ENCRYPTION {
        let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| der::RSA_REJECTED)?;
        if !der::RSA_BITS.contains(&(8 * key.public_modulus_len())) {
            return Err(der::RSA_REJECTED);
        }
        (MethodId::RSA_PSS_SHA256, Key::Rsa(key))
    } else {
        return Err(KeyRejected("it is none of Ed25519, P-256, P-384 and RSA"));
    };
    let spki = key.spki().ok_or(KeyRejected("its public key cannot be encoded"))?;
    Ok(Box::new(PrivateKey { method, key, spki }))
}

fn malformed(_: aws_lc_rs::error::KeyRejected) -> KeyRejected {
    KeyRejected("its content is malformed or inconsistent")
}

/// AWS-LC wipes the key.
struct PrivateKey {
    method: MethodId,
    key: Key,
    spki: Vec<u8>,
}

enum Key {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    fn spki(&self) -> Option<Vec<u8>> {
        let der: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Ed25519(key) => key.public_key().as_der(),
            Self::Ecdsa(key) => key.public_key().as_der(),
            Self::Rsa(key) => key.public_key().as_der(),
        };
        der.ok().map(|der| der.as_ref().to_vec())
    }
}

impl Signer for PrivateKey {
    fn method(&self) -> MethodId {
        self.method
    }

    fn public_key(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, _random: &dyn SecureRandom, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        match &self.key {
            Key::Ed25519(key) => key.try_sign(message).map(|s| s.as_ref().to_vec()),
            Key::Ecdsa(key) => key.sign(&SystemRandom::new(), message).map(|s| s.as_ref().to_vec()),
            Key::Rsa(key) => return sign_rsa(key, &RSA_PSS_SHA256, message),
        }
        .map_err(|_| SignFailed)
    }

    fn sign_rsa_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        match &self.key {
            Key::Rsa(key) => sign_rsa(key, &RSA_PKCS1_SHA256, message),
            Key::Ed25519(_) | Key::Ecdsa(_) => Err(SignFailed),
        }
    }
}

fn sign_rsa(
    key: &RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, SignFailed> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| SignFailed)?;
    Ok(signature)
}
