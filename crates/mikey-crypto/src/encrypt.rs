//! Public-key encryption of short secrets, and the keys that decrypt them: RSAES-OAEP (RFC 8017 section 7.1).
//!
//! A receiver that acts on whether a ciphertext was well formed is an oracle for everything that was ever encrypted to
//! its key (Bleichenbacher, CRYPTO 1998; Manger, CRYPTO 2001). [`Decryptor::decrypt_or`] is the way out: it goes on with
//! a substitute, and what fails is a MAC under a key that nobody knows.

use alloc::vec::Vec;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::{AuthFailed, MethodId, SecretBytes, SecureRandom};

/// A public-key encryption scheme, for encryption.
pub trait EncryptionScheme: Send + Sync {
    /// Its number.
    fn method(&self) -> MethodId;

    /// Encrypts `secret` to the key in `spki`, a DER SubjectPublicKeyInfo. The ciphertext is as long as the modulus.
    ///
    /// # Errors
    /// [`EncryptFailed`] if the key is of another kind or size, the secret too long for it (OAEP with SHA-256 takes 66
    /// octets less than the modulus has), or randomness failed.
    fn encrypt(
        &self,
        random: &dyn SecureRandom,
        spki: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, EncryptFailed>;
}

/// A private key that decrypts. Wiped when dropped.
pub trait Decryptor: Send + Sync {
    /// The scheme that encrypts to it.
    fn method(&self) -> MethodId;

    /// The DER SubjectPublicKeyInfo of its public key.
    fn public_key(&self) -> &[u8];

    /// Decrypts `ciphertext`. How it failed is not said, and does not show in the time but for what its maker knows
    /// anyway: a ciphertext that is not as long as the modulus, or no smaller number.
    ///
    /// # Errors
    /// [`AuthFailed`] if it is not an encryption to this key by this scheme.
    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, AuthFailed>;

    /// Decrypts `ciphertext` to a secret of the length of `substitute`, which is returned in its place if that is not
    /// what came out. Which of the two it is shows neither in the result nor in a branch taken here.
    #[must_use]
    fn decrypt_or(&self, ciphertext: &[u8], substitute: SecretBytes) -> SecretBytes {
        let opened = self.decrypt(ciphertext);
        let opened = opened.as_ref().map_or(&[][..], SecretBytes::expose);
        let fits: Choice = opened.len().ct_eq(&substitute.len());
        let mut chosen = substitute;
        for (at, octet) in chosen.expose_mut().iter_mut().enumerate() {
            let found = opened.get(at).copied().unwrap_or_default();
            *octet = u8::conditional_select(octet, &found, fits);
        }
        chosen
    }
}

/// A secret could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptFailed;

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes the ciphertext for the secret, if it begins with a one.
    struct Identity;

    impl Decryptor for Identity {
        fn method(&self) -> MethodId {
            MethodId::RSA_OAEP
        }

        fn public_key(&self) -> &[u8] {
            &[]
        }

        fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, AuthFailed> {
            match ciphertext.split_first() {
                Some((1, secret)) => Ok(SecretBytes::copy_from(secret)),
                _ => Err(AuthFailed),
            }
        }
    }

    #[test]
    fn what_does_not_decrypt_to_the_wanted_length_is_replaced() {
        let cases: [(&[u8], &[u8]); 6] = [
            (&[1, 5, 6, 7], &[5, 6, 7]),
            (&[0, 5, 6, 7], &[9, 9, 9]),
            (&[1, 5, 6], &[9, 9, 9]),
            (&[1, 5, 6, 7, 8], &[9, 9, 9]),
            (&[1], &[9, 9, 9]),
            (&[], &[9, 9, 9]),
        ];
        for (ciphertext, wanted) in cases {
            let got = Identity.decrypt_or(ciphertext, SecretBytes::copy_from(&[9; 3]));
            assert_eq!(got.expose(), wanted, "{ciphertext:?}");
        }
    }
}
