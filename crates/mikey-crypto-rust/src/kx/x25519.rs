//! X25519 (RFC 7748).

use alloc::boxed::Box;

use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, Secret, SecretBytes,
    SecureRandom,
};
use x25519_dalek::{PublicKey, StaticSecret};

/// Octets of a public value.
pub(super) const LEN: usize = 32;

/// Group 31.
pub(crate) struct X25519;

impl KxGroup for X25519 {
    fn id(&self) -> GroupId {
        GroupId::X25519
    }

    fn request_len(&self) -> usize {
        LEN
    }

    fn answer_len(&self) -> usize {
        LEN
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        Ok(Box::new(Private::draw(random)?))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let private = Private::draw(random)?;
        let dh = private.dh(peer)?;
        Ok(KxAnswer { value: private.value.to_vec(), secret: KxSecret { kem: SecretBytes::empty(), dh } })
    }
}

/// A private value with its public one. dalek wipes the former.
pub(super) struct Private {
    key: StaticSecret,
    pub(super) value: [u8; LEN],
}

impl Private {
    pub(super) fn draw(random: &dyn SecureRandom) -> Result<Self, RandomFailed> {
        let mut scalar = Secret::new([0; LEN]);
        random.fill(scalar.expose_mut())?;
        let key = StaticSecret::from(*scalar.expose());
        let value = PublicKey::from(&key).to_bytes();
        Ok(Self { key, value })
    }

    pub(super) fn dh(&self, peer: &[u8]) -> Result<SecretBytes, KxError> {
        let peer: [u8; LEN] = peer.try_into().map_err(|_| KxError::BadValue)?;
        let shared = self.key.diffie_hellman(&PublicKey::from(peer));
        // An all-zero result (RFC 7748 section 6.1).
        if !shared.was_contributory() {
            return Err(KxError::BadValue);
        }
        Ok(SecretBytes::copy_from(shared.as_bytes()))
    }
}

impl KxInitiator for Private {
    fn value(&self) -> &[u8] {
        &self.value
    }

    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        Ok(KxSecret { kem: SecretBytes::empty(), dh: self.dh(peer)? })
    }
}
