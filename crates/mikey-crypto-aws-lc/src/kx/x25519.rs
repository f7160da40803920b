//! X25519 (RFC 7748).

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, Secret, SecretBytes,
    SecureRandom,
};

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

/// A private value with its public one. AWS-LC wipes the former.
pub(super) struct Private {
    key: PrivateKey,
    pub(super) value: [u8; LEN],
}

impl Private {
    pub(super) fn draw(random: &dyn SecureRandom) -> Result<Self, RandomFailed> {
        let mut scalar = Secret::new([0; LEN]);
        random.fill(scalar.expose_mut())?;
        let key =
            PrivateKey::from_private_key(&agreement::X25519, scalar.expose()).map_err(|_| RandomFailed)?;
        let public = key.compute_public_key().map_err(|_| RandomFailed)?;
        let value = public.as_ref().try_into().map_err(|_| RandomFailed)?;
        Ok(Self { key, value })
    }

    /// AWS-LC refuses an all-zero result (RFC 7748 section 6.1), in constant time.
    // R4.15
    pub(super) fn dh(&self, peer: &[u8]) -> Result<SecretBytes, KxError> {
        // The length first: AWS-LC would take a SubjectPublicKeyInfo too.
        if peer.len() != LEN {
            return Err(KxError::BadValue);
        }
        let peer = UnparsedPublicKey::new(&agreement::X25519, peer);
        agreement::agree(&self.key, peer, KxError::BadValue, |dh| Ok(SecretBytes::copy_from(dh)))
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
