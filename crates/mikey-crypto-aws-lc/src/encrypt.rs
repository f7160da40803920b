//! RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 section 7.1). PKCS #1 version 1.5 is not offered.
//!
//! AWS-LC draws the seed from its own generator, blinds the private operation, and checks the padding without a branch
//! on where it is wrong.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use mikey_crypto::{
    AuthFailed, Decryptor, EncryptFailed, EncryptionScheme, KeyRejected, MethodId, SecretBytes, SecureRandom,
};
use mikey_crypto_rust::der;
use zeroize::Zeroizing;

/// Method 7.
pub(crate) struct RsaOaep;

impl EncryptionScheme for RsaOaep {
    fn method(&self) -> MethodId {
        MethodId::RSA_OAEP
    }

    fn encrypt(&self, _: &dyn SecureRandom, spki: &[u8], secret: &[u8]) -> Result<Vec<u8>, EncryptFailed> {
        der::rsa_public_key(spki).ok_or(EncryptFailed)?;
        let key = PublicEncryptingKey::from_der(spki).map_err(|_| EncryptFailed)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| EncryptFailed)?;
        let mut ciphertext = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut ciphertext, None).map_err(|_| EncryptFailed)?;
        Ok(ciphertext)
    }
}

/// Loads an RSA key for decryption.
pub(crate) fn load_decryptor(pkcs8: &[u8]) -> Result<Box<dyn Decryptor>, KeyRejected> {
    let algorithm = der::private_key_algorithm(pkcs8).ok_or(KeyRejected("it is not PKCS #8 in DER"))?;
    if algorithm != der::RSA_ENCRYPTION {
        return Err(der::RSA_REJECTED);
    }
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| der::RSA_REJECTED)?;
    if !der::RSA_BITS.contains(&key.key_size_bits()) {
        return Err(der::RSA_REJECTED);
    }
    let spki: PublicKeyX509Der<'_> =
        key.public_key().as_der().map_err(|_| KeyRejected("its public key cannot be encoded"))?;
    let spki = spki.as_ref().to_vec();
    let key = OaepPrivateDecryptingKey::new(key).map_err(|_| der::RSA_REJECTED)?;
    Ok(Box::new(PrivateKey { key, spki }))
}

/// AWS-LC wipes the key.
struct PrivateKey {
    key: OaepPrivateDecryptingKey,
    spki: Vec<u8>,
}

impl Decryptor for PrivateKey {
    fn method(&self) -> MethodId {
        MethodId::RSA_OAEP
    }

    fn public_key(&self) -> &[u8] {
        &self.spki
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, AuthFailed> {
        let mut plaintext = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let secret = self
            .key
            .decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut plaintext, None)
            .map_err(|_| AuthFailed)?;
        Ok(SecretBytes::copy_from(secret))
    }
}
