//! AES-GCM for SRTP (RFC 7714) from RustCrypto.

use alloc::boxed::Box;
use core::any::Any;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{Opening, Sealing, SrtpTransform, Tag, TransformKeys, UnsupportedTransform};

use super::{AssociatedData, GcmTransform, associated};

/// AES-GCM with its key schedule and hash key, which RustCrypto wipes.
pub(crate) enum Gcm {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
}

impl GcmTransform for Gcm {
    fn with_key(key: &[u8]) -> Result<Self, UnsupportedTransform> {
        match key.len() {
            16 => Aes128Gcm::new_from_slice(key).map(|gcm| Self::Aes128(Box::new(gcm))),
            _ => Aes256Gcm::new_from_slice(key).map(|gcm| Self::Aes256(Box::new(gcm))),
        }
        .map_err(|_| UnsupportedTransform)
    }
}

impl SrtpTransform for Gcm {
    fn seal(&self, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = AssociatedData::default();
        let aad = associated(clear, job.trailer, &mut joined)?;
        let nonce = job.iv.first_chunk::<12>().ok_or(AuthFailed)?.into();
        let tag = match self {
            Self::Aes128(gcm) => gcm.encrypt_inout_detached(nonce, aad, data.into()),
            Self::Aes256(gcm) => gcm.encrypt_inout_detached(nonce, aad, data.into()),
        };
        let tag = tag.map_err(|_| AuthFailed)?;
        let mut out = [0; 20];
        out.first_chunk_mut::<16>().ok_or(AuthFailed)?.copy_from_slice(&tag);
        Ok(out)
    }

    fn open(&self, job: Opening<'_>) -> Result<(), AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = AssociatedData::default();
        let aad = associated(clear, job.trailer, &mut joined)?;
        let nonce = job.iv.first_chunk::<12>().ok_or(AuthFailed)?.into();
        let tag = job.tag.try_into().map_err(|_| AuthFailed)?;
        match self {
            Self::Aes128(gcm) => gcm.decrypt_inout_detached(nonce, aad, data.into(), tag),
            Self::Aes256(gcm) => gcm.decrypt_inout_detached(nonce, aad, data.into(), tag),
        }
        .map_err(|_| AuthFailed)
    }

    fn rekey(&mut self, keys: &TransformKeys<'_>) -> Result<(), UnsupportedTransform> {
        *self = super::gcm(keys)?;
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
