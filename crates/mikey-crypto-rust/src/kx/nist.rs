//! ECDH on P-256 and P-384. Values are x || y, the secret is x (RFC 5903 sections 7 and 9).

use alloc::boxed::Box;
use alloc::vec::Vec;

use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, SecretBytes, SecureRandom,
};

/// Group 19.
pub(crate) static P256: Nist = Nist { id: GroupId::P256, scalar_len: 32, load: load_p256 };
/// Group 20.
pub(crate) static P384: Nist = Nist { id: GroupId::P384, scalar_len: 48, load: load_p384 };

/// SEC 1's mark of an uncompressed point, which RFC 5903 leaves out.
const UNCOMPRESSED: u8 = 4;

/// Draws of a scalar before the generator counts as broken. One in 2^32 draws is out of range on P-256, fewer on P-384.
const MAX_DRAWS: usize = 8;

pub(crate) struct Nist {
    id: GroupId,
    scalar_len: usize,
    load: fn(&[u8]) -> Option<Private>,
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
            // 0 and what is not below the order are refused: the rejection of rejection sampling.
            if let Some(private) = (self.load)(scalar.expose()) {
                return Ok(private);
            }
        }
        Err(RandomFailed)
    }
}

/// A private value, which RustCrypto wipes, with its public one.
struct Private {
    key: Key,
    value: Vec<u8>,
}

enum Key {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

fn load_p256(scalar: &[u8]) -> Option<Private> {
    let key = p256::SecretKey::from_slice(scalar).ok()?;
    let value = coordinates(&key.public_key().to_sec1_bytes())?;
    Some(Private { key: Key::P256(key), value })
}

fn load_p384(scalar: &[u8]) -> Option<Private> {
    let key = p384::SecretKey::from_slice(scalar).ok()?;
    let value = coordinates(&key.public_key().to_sec1_bytes())?;
    Some(Private { key: Key::P384(key), value })
}

fn coordinates(point: &[u8]) -> Option<Vec<u8>> {
    Some(point.strip_prefix(&[UNCOMPRESSED])?.to_vec())
}

impl KxInitiator for Private {
    fn value(&self) -> &[u8] {
        &self.value
    }

    /// The library checks that coordinates are below the prime and that the point is on the curve; the point at infinity
    /// has no uncompressed form.
    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        if peer.len() != self.value.len() {
            return Err(KxError::BadValue);
        }
        let point = [&[UNCOMPRESSED], peer].concat();
        let dh = match &self.key {
            Key::P256(key) => {
                let peer = p256::PublicKey::from_sec1_bytes(&point).map_err(|_| KxError::BadValue)?;
                SecretBytes::copy_from(key.diffie_hellman(&peer).raw_secret_bytes())
            }
            Key::P384(key) => {
                let peer = p384::PublicKey::from_sec1_bytes(&point).map_err(|_| KxError::BadValue)?;
                SecretBytes::copy_from(key.diffie_hellman(&peer).raw_secret_bytes())
            }
        };
        Ok(KxSecret { kem: SecretBytes::empty(), dh })
    }
}
