//! The transforms of SRTP: AES-CM and AES-f8 with HMAC-SHA-1 on RustCrypto, and AES-GCM as a provider has it.
//!
//! Key schedules and the two midstates of HMAC are made once per key; a packet costs its blocks and nothing else
//! (docs/performance.md).

mod batch;
#[cfg(feature = "provider")]
mod gcm;
mod keystream;
mod mac;
mod packet;

use alloc::boxed::Box;
use core::marker::PhantomData;

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{
    BatchOpening, BatchSealing, Opening, Sealing, SrtpCipher, SrtpCrypto, SrtpTransform, Tag, TransformKeys,
    UnsupportedTransform,
};

use keystream::{Ctr, F8, Keystream, NoCipher, PrefixedCtr};
use mac::{HmacSha1, Mac, NoMac};
use packet::Composed;

/// AES-GCM of a provider, keyed once.
pub trait GcmTransform: SrtpTransform + Sized + 'static {
    /// Takes a key of 16 or 32 octets.
    ///
    /// # Errors
    /// [`UnsupportedTransform`] if the key cannot be used.
    fn with_key(key: &[u8]) -> Result<Self, UnsupportedTransform>;
}

/// All transforms of SRTP, with `G` for AES-GCM.
pub struct Srtp<G>(PhantomData<fn() -> G>);

impl<G> Srtp<G> {
    /// There is nothing in it.
    pub const NEW: Self = Self(PhantomData);
}

/// The transforms of this crate's provider.
#[cfg(feature = "provider")]
pub(crate) static RUST_CRYPTO: Srtp<gcm::Gcm> = Srtp::NEW;

/// Makes AES-GCM of keys that fit it.
///
/// # Errors
/// [`UnsupportedTransform`] if the keys are another transform's.
pub fn gcm<G: GcmTransform>(keys: &TransformKeys<'_>) -> Result<G, UnsupportedTransform> {
    if !matches!(keys.encryption.len(), 16 | 32) || keys.authentication.is_some() || keys.prefix_len != 0 {
        return Err(UnsupportedTransform);
    }
    G::with_key(keys.encryption)
}

/// Room for what [`associated`] puts together: RTCP's first header and SSRC, and the word of E flag and index (RFC 7714
/// section 9.2).
pub type AssociatedData = [u8; 12];

/// AES-GCM's associated data: the clear part of a packet, of SRTCP with the trailer behind it.
///
/// # Errors
/// [`AuthFailed`] if clear part and trailer are longer than SRTCP's.
#[inline]
pub fn associated<'a>(
    clear: &'a [u8],
    trailer: Option<[u8; 4]>,
    joined: &'a mut AssociatedData,
) -> Result<&'a [u8], AuthFailed> {
    match trailer {
        None => Ok(clear),
        Some(trailer) => join(clear, trailer, joined),
    }
}

#[cold]
fn join<'a>(clear: &[u8], trailer: [u8; 4], joined: &'a mut AssociatedData) -> Result<&'a [u8], AuthFailed> {
    let len = clear.len();
    joined.get_mut(..len).ok_or(AuthFailed)?.copy_from_slice(clear);
    joined.get_mut(len..len + 4).ok_or(AuthFailed)?.copy_from_slice(&trailer);
    joined.get(..len + 4).ok_or(AuthFailed)
}

impl<G: GcmTransform> SrtpCrypto for Srtp<G> {
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
        dispatch::<G, _>(keys, Boxed)
    }

    fn seal_once(&self, keys: &TransformKeys<'_>, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        dispatch::<G, _>(keys, SealOnce(job)).map_err(|UnsupportedTransform| AuthFailed)?
    }

    fn open_once(&self, keys: &TransformKeys<'_>, job: Opening<'_>) -> Result<(), AuthFailed> {
        dispatch::<G, _>(keys, OpenOnce(job)).map_err(|UnsupportedTransform| AuthFailed)?
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

fn dispatch<G: GcmTransform, V: Visitor>(
    keys: &TransformKeys<'_>,
    visitor: V,
) -> Result<V::Output, UnsupportedTransform> {
    match (keys.cipher, keys.encryption.len()) {
        (SrtpCipher::AesGcm, _) => Ok(visitor.visit(gcm::<G>(keys)?)),
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
