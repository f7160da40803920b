//! X25519 with ML-KEM-768 (FIPS 203): the KEM's part first, then X25519's; both secrets, apart.
//!
//! The X25519 part is drawn from the `SecureRandom` that is passed in. ML-KEM's key generation and encapsulation draw
//! from AWS-LC's own generator: its safe interface takes no outside randomness for them.

use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, SecretBytes, SecureRandom,
};

use super::x25519;

/// Octets of an ML-KEM-768 encapsulation key.
const ENCAPSULATION_KEY_LEN: usize = 1184;
/// Octets of an ML-KEM-768 ciphertext.
const CIPHERTEXT_LEN: usize = 1088;

/// Group 236.
pub(crate) struct X25519MlKem768;

impl KxGroup for X25519MlKem768 {
    fn id(&self) -> GroupId {
        GroupId::X25519_MLKEM768
    }

    fn request_len(&self) -> usize {
        ENCAPSULATION_KEY_LEN + x25519::LEN
    }

    fn answer_len(&self) -> usize {
        CIPHERTEXT_LEN + x25519::LEN
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        let x25519 = x25519::Private::draw(random)?;
        let kem = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| RandomFailed)?;
        let key = kem.encapsulation_key().and_then(|key| key.key_bytes()).map_err(|_| RandomFailed)?;
        let value = [key.as_ref(), &x25519.value].concat();
        Ok(Box::new(Private { kem, x25519, value }))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let (key, x) = split(peer, ENCAPSULATION_KEY_LEN)?;
        let x25519 = x25519::Private::draw(random)?;
        let dh = x25519.dh(x)?;
        // Encapsulation checks the modulus (FIPS 203 section 7.2).
        let key = EncapsulationKey::new(&ML_KEM_768, key).map_err(|_| KxError::BadValue)?;
        let (ciphertext, secret) = key.encapsulate().map_err(|_| KxError::BadValue)?;
        let value = [ciphertext.as_ref(), &x25519.value].concat();
        Ok(KxAnswer { value, secret: KxSecret { kem: SecretBytes::copy_from(secret.as_ref()), dh } })
    }
}

struct Private {
    kem: DecapsulationKey,
    x25519: x25519::Private,
    value: Vec<u8>,
}

impl KxInitiator for Private {
    fn value(&self) -> &[u8] {
        &self.value
    }

    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        let (ciphertext, x) = split(peer, CIPHERTEXT_LEN)?;
        let dh = self.x25519.dh(x)?;
        let kem = self.kem.decapsulate(Ciphertext::from(ciphertext)).map_err(|_| KxError::BadValue)?;
        Ok(KxSecret { kem: SecretBytes::copy_from(kem.as_ref()), dh })
    }
}

/// The KEM's part of a value and X25519's, both of the right length.
fn split(value: &[u8], kem_len: usize) -> Result<(&[u8], &[u8]), KxError> {
    match value.split_at_checked(kem_len) {
        Some((kem, x)) if x.len() == x25519::LEN => Ok((kem, x)),
        _ => Err(KxError::BadValue),
    }
}
