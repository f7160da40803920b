//! AES-GCM for SRTP (RFC 7714) from ring, which is the fastest at packet size (docs/performance.md): its way to the cipher is
//! shorter than AWS-LC's, and it has AVX2 with VAES where AWS-LC wants AVX-512.

use core::any::Any;
use core::hint::black_box;

use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{Opening, Sealing, SrtpTransform, Tag, TransformKeys, UnsupportedTransform};
use mikey_crypto_rust::srtp::{AssociatedData, GcmTransform, associated, gcm};
use ring::aead::{self, AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

/// AES-GCM with its key schedule and hash table.
pub(crate) struct Gcm(LessSafeKey);

impl GcmTransform for Gcm {
    fn with_key(key: &[u8]) -> Result<Self, UnsupportedTransform> {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        expand(algorithm, key).map(Self).ok_or(UnsupportedTransform)
    }
}

fn expand(algorithm: &'static Algorithm, key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

/// ring does not wipe its keys, so one that is no secret is put in the place of this one.
impl Drop for Gcm {
    fn drop(&mut self) {
        let algorithm = self.0.algorithm();
        if let Some(zeros) = [0; 32].get(..algorithm.key_len()).and_then(|key| expand(algorithm, key)) {
            self.0 = zeros;
            // Or the compiler would see that nobody reads it any more.
            black_box(&self.0);
        }
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
        let tag = aead::Tag::try_from(job.tag).map_err(|_| AuthFailed)?;
        self.0
            .open_in_place_separate_tag(nonce(&job.iv), Aad::from(aad), tag, data, 0..)
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
