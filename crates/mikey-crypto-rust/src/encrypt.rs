//! RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 section 7.1). PKCS #1 version 1.5 is not offered.
//!
//! RustCrypto blinds the private operation and checks the padding without a branch on where it is wrong, but leaves out
//! one step of it, whether the first octet is zero (section 7.1.2, step 3g). That is checked here on the raw result, and
//! always, so that it shows in no time of its own (Manger, CRYPTO 2001).

use alloc::boxed::Box;
use alloc::vec::Vec;

use mikey_crypto::{
    AuthFailed, Decryptor, EncryptFailed, EncryptionScheme, KeyRejected, MethodId, SecretBytes, SecureRandom,
};
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PublicKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::random::{Draw, OsRandom};
use crate::{der, sign};

/// Method 7.
pub(crate) struct RsaOaep;

impl EncryptionScheme for RsaOaep {
    fn method(&self) -> MethodId {
        MethodId::RSA_OAEP
    }

    fn encrypt(
        &self,
        random: &dyn SecureRandom,
        spki: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, EncryptFailed> {
        let key = der::rsa_public_key(spki).ok_or(EncryptFailed)?;
        let key = PublicKey::from_pkcs1_der(key).map_err(|_| EncryptFailed)?;
        key.oaep_encrypt_with_rng::<Sha256, _>(&mut Draw(random), secret).map_err(|_| EncryptFailed)
    }
}

/// Loads an RSA key for decryption.
pub(crate) fn load_decryptor(pkcs8: &[u8]) -> Result<Box<dyn Decryptor>, KeyRejected> {
    let (key, spki) = sign::load_rsa(pkcs8)?;
    Ok(Box::new(PrivateKey { key, spki }))
}

/// RustCrypto wipes the key.
struct PrivateKey {
    key: rsa::PrivateKey,
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
        if ciphertext.len() != self.key.size() {
            return Err(AuthFailed);
        }
        let opened = self.key.oaep_decrypt_with_rng::<Sha256, _>(&mut Draw(&OsRandom), ciphertext);
        let opened = opened.map(SecretBytes::from);
        let first = self.first_octet(ciphertext)?;
        match opened {
            Ok(secret) if first == 0 => Ok(secret),
            _ => Err(AuthFailed),
        }
    }
}

impl PrivateKey {
    /// What stands before the last `size - 1` octets of the raw result, all bits of it in one number.
    fn first_octet(&self, ciphertext: &[u8]) -> Result<u8, AuthFailed> {
        let ciphertext =
            BoxedUint::from_be_slice(ciphertext, self.key.n_bits_precision()).map_err(|_| AuthFailed)?;
        let raw = rsa_decrypt_and_check(&self.key, Some(&mut Draw(&OsRandom)), &ciphertext);
        let raw = Zeroizing::new(raw.map_err(|_| AuthFailed)?);
        let octets = Zeroizing::new(raw.to_be_bytes().into_vec());
        let rest = self.key.size() - 1;
        let first = octets.iter().rev().skip(rest).fold(0, |all, octet| all | octet);
        Ok(core::hint::black_box(first))
    }
}
