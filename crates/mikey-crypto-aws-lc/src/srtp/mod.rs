//! The transforms of SRTP: AES-CM and AES-f8 with HMAC-SHA-1 on RustCrypto, AES-GCM on AWS-LC.
//!
//! Each is the faster library at packet size (docs/performance.md). Key schedules and the two midstates of HMAC are
//! made once per key; a packet costs its blocks and nothing else.

mod batch;
mod gcm;
mod keystream;
mod mac;
mod packet;

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{
    BatchOpening, BatchSealing, Opening, Sealing, SrtpCipher, SrtpCrypto, SrtpTransform, Tag, TransformKeys,
    UnsupportedTransform,
};

use gcm::Gcm;
use keystream::{Ctr, F8, Keystream, NoCipher, PrefixedCtr};
use mac::{HmacSha1, Mac, NoMac};
use packet::Composed;

/// The provider's SRTP transforms.
pub(crate) struct Srtp;

impl SrtpCrypto for Srtp {
    fn aes_cm_prf(&self, key: &[u8], iv: &[u8; 16], out: &mut [u8]) -> Result<(), UnsupportedTransform> {
        match key.len() {
            16 => Ctr::<Aes128Enc>::with_key(key)?.apply(iv, out),
            24 => Ctr::<Aes192Enc>::with_key(key)?.apply(iv, out),
            32 => Ctr::<Aes256Enc>::with_key(key)?.apply(iv, out),
            _ => return Err(UnsupportedTransform),
        }
        Ok(())
    }

    fn transform(&self, keys: &TransformKeys<'_>) -> Result<Box<dyn SrtpTransform>, UnsupportedTransform> {
        dispatch(keys, Boxed)
    }

    fn seal_once(&self, keys: &TransformKeys<'_>, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        dispatch(keys, SealOnce(job)).map_err(|UnsupportedTransform| AuthFailed)?
    }

    fn open_once(&self, keys: &TransformKeys<'_>, job: Opening<'_>) -> Result<(), AuthFailed> {
        dispatch(keys, OpenOnce(job)).map_err(|UnsupportedTransform| AuthFailed)?
    }

    fn seal_batch(&self, batch: &mut [Option<BatchSealing<'_>>]) {
        batch::seal_batch(batch);
    }

    fn open_batch(&self, batch: &mut [Option<BatchOpening<'_>>]) {
        batch::open_batch(batch);
    }
}

/// What to do with a transform whose type the keys decide.
trait Visitor {
    type Output;
    fn visit<T: SrtpTransform + 'static>(self, transform: T) -> Self::Output;
}

struct Boxed;

impl Visitor for Boxed {
    type Output = Box<dyn SrtpTransform>;
    fn visit<T: SrtpTransform + 'static>(self, transform: T) -> Self::Output {
        Box::new(transform)
    }
}

struct SealOnce<'a>(Sealing<'a>);

impl Visitor for SealOnce<'_> {
    type Output = Result<Tag, AuthFailed>;
    fn visit<T: SrtpTransform + 'static>(self, transform: T) -> Self::Output {
        transform.seal(self.0)
    }
}

struct OpenOnce<'a>(Opening<'a>);

impl Visitor for OpenOnce<'_> {
    type Output = Result<(), AuthFailed>;
    fn visit<T: SrtpTransform + 'static>(self, transform: T) -> Self::Output {
        transform.open(self.0)
    }
}

fn dispatch<V: Visitor>(keys: &TransformKeys<'_>, visitor: V) -> Result<V::Output, UnsupportedTransform> {
    match (keys.cipher, keys.encryption.len()) {
        (SrtpCipher::AesGcm, _) => Ok(visitor.visit(Gcm::new(keys)?)),
        (SrtpCipher::Null, _) => with_mac::<NoCipher, HmacSha1, V>(keys, visitor),
        (SrtpCipher::AesCm, len) if keys.prefix_len != 0 => prefixed(keys, len, visitor),
        (SrtpCipher::AesCm, 16) => with_mac::<Ctr<Aes128Enc>, HmacSha1, V>(keys, visitor),
        (SrtpCipher::AesCm, 24) => with_mac::<Ctr<Aes192Enc>, HmacSha1, V>(keys, visitor),
        (SrtpCipher::AesCm, 32) => with_mac::<Ctr<Aes256Enc>, HmacSha1, V>(keys, visitor),
        (SrtpCipher::AesF8, 16) => with_mac::<F8<Aes128Enc>, HmacSha1, V>(keys, visitor),
        (SrtpCipher::AesF8, 24) => with_mac::<F8<Aes192Enc>, HmacSha1, V>(keys, visitor),
        (SrtpCipher::AesF8, 32) => with_mac::<F8<Aes256Enc>, HmacSha1, V>(keys, visitor),
        _ => Err(UnsupportedTransform),
    }
}

fn prefixed<V: Visitor>(
    keys: &TransformKeys<'_>,
    len: usize,
    visitor: V,
) -> Result<V::Output, UnsupportedTransform> {
    match len {
        16 => with_mac::<PrefixedCtr<Aes128Enc>, HmacSha1, V>(keys, visitor),
        24 => with_mac::<PrefixedCtr<Aes192Enc>, HmacSha1, V>(keys, visitor),
        32 => with_mac::<PrefixedCtr<Aes256Enc>, HmacSha1, V>(keys, visitor),
        _ => Err(UnsupportedTransform),
    }
}

fn with_mac<C: Keystream + FromKeys, M: Mac + FromKeys, V: Visitor>(
    keys: &TransformKeys<'_>,
    visitor: V,
) -> Result<V::Output, UnsupportedTransform> {
    Ok(match keys.authentication {
        Some(_) => visitor.visit(Composed::<C, M>::new(keys)?),
        None => visitor.visit(Composed::<C, NoMac>::new(keys)?),
    })
}

/// Both halves of a composed transform are made from the same borrowed keys.
trait FromKeys: Sized {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform>;
}

impl FromKeys for NoMac {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        if keys.authentication.is_none() { Ok(Self) } else { Err(UnsupportedTransform) }
    }
}

impl FromKeys for HmacSha1 {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        keys.authentication.map(Self::new).ok_or(UnsupportedTransform)
    }
}
