//! ECDH on P-256 and P-384. Values are x || y, the secret is x (RFC 5903 sections 7 and 9).

use aws_lc_rs::agreement::{self, Algorithm, ECDH_P256, ECDH_P384, PrivateKey, UnparsedPublicKey};
use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, SecretBytes, SecureRandom,
};

/// Group 19.
pub(crate) static P256: Nist = Nist { id: GroupId::P256, algorithm: &ECDH_P256, scalar_len: 32 };
/// Group 20.
pub(crate) static P384: Nist = Nist { id: GroupId::P384, algorithm: &ECDH_P384, scalar_len: 48 };

/// SEC 1's mark of an uncompressed point, which RFC 5903 leaves out.
const UNCOMPRESSED: u8 = 4;

/// Draws of a scalar before the generator counts as broken. One in 2^32 draws is out of range on P-256, fewer on P-384.
const MAX_DRAWS: usize = 8;

pub(crate) struct Nist {
    id: GroupId,
    algorithm: &'static Algorithm,
    scalar_len: usize,
}

impl KxGroup for Nist {
    fn id(&self) -> GroupId {
        self.id
    }

    fn request_len(&self) -> usize {
        2 * self.scalar_len
    }

    fn answer_len(&self) -> usize {
        2 * self.scalar_len
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        Ok(Box::new(self.draw(random)?))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let private = self.draw(random)?;
        let secret = private.agree(peer)?;
        Ok(KxAnswer { value: private.value, secret })
    }
}

impl Nist {
    fn draw(&self, random: &dyn SecureRandom) -> Result<Private, RandomFailed> {
        for _ in 0..MAX_DRAWS {
            let mut scalar = SecretBytes::zeroed(self.scalar_len);
            random.fill(scalar.expose_mut())?;
            // AWS-LC refuses 0 and what is not below the order: the rejection of rejection sampling.
            let Ok(key) = PrivateKey::from_private_key(self.algorithm, scalar.expose()) else { continue };
            let public = key.compute_public_key().map_err(|_| RandomFailed)?;
            let value = public.as_ref().strip_prefix(&[UNCOMPRESSED]).ok_or(RandomFailed)?.to_vec();
            return Ok(Private { key, algorithm: self.algorithm, value });
        }
        Err(RandomFailed)
    }
}

struct Private {
    key: PrivateKey,
    algorithm: &'static Algorithm,
    value: Vec<u8>,
}

impl KxInitiator for Private {
    fn value(&self) -> &[u8] {
        &self.value
    }

    /// AWS-LC checks that coordinates are below the prime and that the point is on the curve; the point at infinity has
    /// no uncompressed form.
    // R4.15
    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        if peer.len() != self.value.len() {
            return Err(KxError::BadValue);
        }
        let mut point = Vec::with_capacity(1 + peer.len());
        point.push(UNCOMPRESSED);
        point.extend_from_slice(peer);
        let peer = UnparsedPublicKey::new(self.algorithm, point);
        let dh = agreement::agree(&self.key, peer, KxError::BadValue, |dh| Ok(SecretBytes::copy_from(dh)))?;
        Ok(KxSecret { kem: SecretBytes::empty(), dh })
    }
}
