//! X25519 with ML-KEM-768 (FIPS 203): the KEM's part first, then X25519's; both secrets, apart.
//!
//! X25519's private value is drawn before the KEM's seed or randomness, all of it from the source that is passed in.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, SecretBytes, SecureRandom,
};
use ml_kem::ml_kem_768::{DecapsulationKey, EncapsulationKey};
use ml_kem::{B32, Decapsulate, KeyExport, Seed};
use zeroize::{Zeroize, Zeroizing};

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
        let mut seed = Zeroizing::new(Seed::default());
        random.fill(&mut seed)?;
        let kem = Box::new(DecapsulationKey::from_seed(*seed));
        let value = [kem.encapsulation_key().to_bytes().as_slice(), &x25519.value].concat();
        Ok(Box::new(Private { kem, x25519, value }))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let (key, x) = split(peer, ENCAPSULATION_KEY_LEN)?;
        let x25519 = x25519::Private::draw(random)?;
        let dh = x25519.dh(x)?;
        // The library checks the modulus here (FIPS 203 section 7.2).
        let key = key.try_into().map_err(|_| KxError::BadValue)?;
        let key = EncapsulationKey::new(key).map_err(|_| KxError::BadValue)?;
        let mut seed = Zeroizing::new(B32::default());
        random.fill(&mut seed)?;
        let (ciphertext, mut secret) = key.encapsulate_deterministic(&seed);
        let value = [ciphertext.as_slice(), &x25519.value].concat();
        let kem = SecretBytes::copy_from(&secret);
        secret.zeroize();
        Ok(KxAnswer { value, secret: KxSecret { kem, dh } })
    }
}

/// The library wipes the decapsulation key.
struct Private {
    kem: Box<DecapsulationKey>,
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
        let mut secret = self.kem.decapsulate(ciphertext.try_into().map_err(|_| KxError::BadValue)?);
        let kem = SecretBytes::copy_from(&secret);
        secret.zeroize();
        Ok(KxSecret { kem, dh })
    }
}

/// The KEM's part of a value and X25519's, both of the right length.
fn split(value: &[u8], kem_len: usize) -> Result<(&[u8], &[u8]), KxError> {
    match value.split_at_checked(kem_len) {
        Some((kem, x)) if x.len() == x25519::LEN => Ok((kem, x)),
        _ => Err(KxError::BadValue),
    }
}
