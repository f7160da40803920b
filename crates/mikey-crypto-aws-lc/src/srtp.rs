//! AES-GCM for SRTP (RFC 7714) from AWS-LC, which is the fastest at packet size (docs/performance.md).

use core::any::Any;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{Opening, Sealing, SrtpTransform, Tag, TransformKeys, UnsupportedTransform};
use mikey_crypto_rust::srtp::{AssociatedData, GcmTransform, associated, gcm};

/// AES-GCM with its key schedule and hash tables, which AWS-LC wipes.
pub(crate) struct Gcm(LessSafeKey);

impl GcmTransform for Gcm {
    fn with_key(key: &[u8]) -> Result<Self, UnsupportedTransform> {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| UnsupportedTransform)?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl SrtpTransform for Gcm {
    fn seal(&self, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = AssociatedData::default();
        let aad = associated(clear, job.trailer, &mut joined)?;
        let tag = self.0.seal_in_place_separate_tag(nonce(&job.iv), Aad::from(aad), data);
        let tag = tag.map_err(|_| AuthFailed)?;
        let mut out = [0; 20];
        out.first_chunk_mut::<16>().ok_or(AuthFailed)?.copy_from_slice(tag.as_ref());
        Ok(out)
    }

    fn open(&self, job: Opening<'_>) -> Result<(), AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = AssociatedData::default();
        let aad = associated(clear, job.trailer, &mut joined)?;
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
        *self = gcm(keys)?;
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
