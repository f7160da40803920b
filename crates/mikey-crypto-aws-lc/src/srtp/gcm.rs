//! AES-GCM as SRTP uses it (RFC 7714), on AWS-LC: the clear part is associated data, the tag comes separately.

use core::any::Any;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{Opening, Sealing, SrtpTransform, Tag, TransformKeys, UnsupportedTransform};

/// AES-GCM with its key schedule and hash tables, which AWS-LC wipes.
pub(super) struct Gcm(LessSafeKey);

impl Gcm {
    pub(super) fn new(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        let algorithm = match keys.encryption.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return Err(UnsupportedTransform),
        };
        if keys.authentication.is_some() || keys.prefix_len != 0 {
            return Err(UnsupportedTransform);
        }
        let key = UnboundKey::new(algorithm, keys.encryption).map_err(|_| UnsupportedTransform)?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl SrtpTransform for Gcm {
    fn seal(&self, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = [0; JOINED];
        let aad = match job.trailer {
            None => clear,
            Some(trailer) => associated(clear, trailer, &mut joined)?,
        };
        let tag = self.0.seal_in_place_separate_tag(nonce(&job.iv), Aad::from(aad), data);
        let tag = tag.map_err(|_| AuthFailed)?;
        let mut out = [0; 20];
        out.first_chunk_mut::<16>().ok_or(AuthFailed)?.copy_from_slice(tag.as_ref());
        Ok(out)
    }

    fn open(&self, job: Opening<'_>) -> Result<(), AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = [0; JOINED];
        let aad = match job.trailer {
            None => clear,
            Some(trailer) => associated(clear, trailer, &mut joined)?,
        };
        // AWS-LC would take a shorter tag from a shorter slice.
        if job.tag.len() != 16 {
            return Err(AuthFailed);
        }
        self.0
            .open_in_place_separate_tag(nonce(&job.iv), Aad::from(aad), job.tag, data)
            .map(|_| ())
            .map_err(|_| AuthFailed)
    }

    fn rekey(&mut self, keys: &TransformKeys<'_>) -> Result<(), UnsupportedTransform> {
        *self = Self::new(keys)?;
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[inline]
fn nonce(iv: &[u8; 16]) -> Nonce {
    let [nonce @ .., _, _, _, _] = *iv;
    Nonce::assume_unique_for_key(nonce)
}

/// The clear part with the trailer behind it: SRTCP.
#[cold]
pub(super) fn associated<'a>(
    clear: &[u8],
    trailer: [u8; 4],
    joined: &'a mut [u8; JOINED],
) -> Result<&'a [u8], AuthFailed> {
    let len = clear.len();
    joined.get_mut(..len).ok_or(AuthFailed)?.copy_from_slice(clear);
    joined.get_mut(len..len + 4).ok_or(AuthFailed)?.copy_from_slice(&trailer);
    joined.get(..len + 4).ok_or(AuthFailed)
}

/// RTCP's first header and SSRC, and the word of E flag and index (RFC 7714 section 9.2).
pub(super) const JOINED: usize = 12;
