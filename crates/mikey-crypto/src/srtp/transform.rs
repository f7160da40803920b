//! The transforms that a provider offers to SRTP: keyed once, then one call per packet.
//!
//! A transform sees one buffer per packet and knows no header, no MKI, no index arithmetic: SRTP forms the IV, says
//! where the clear part ends and what the MAC covers beyond the buffer, and places the tag.

use alloc::boxed::Box;
use core::any::Any;

use super::SrtpCipher;
use crate::suite::AuthFailed;

/// Octets of the longest tag (HMAC-SHA-1).
pub const MAX_TAG_LEN: usize = 20;

/// The session keys of one transform, borrowed while it is made.
#[derive(Clone, Copy)]
pub struct TransformKeys<'a> {
    /// The cipher.
    pub cipher: SrtpCipher,
    /// Session encryption key: 16, 24 or 32 octets; ignored by the NULL cipher.
    pub encryption: &'a [u8],
    /// Session salt, for f8's key mask.
    pub salt: &'a [u8],
    /// HMAC-SHA-1 key; `None` for an AEAD and for no authentication.
    pub authentication: Option<&'a [u8]>,
    /// Octets of keystream that are thrown away before the first is used (`SRTP_PREFIX_LENGTH`).
    pub prefix_len: u8,
}

/// One packet for [`SrtpTransform::seal`].
pub struct Sealing<'a> {
    /// Counter block (AES-CM), IV (f8), or nonce in the first 12 octets (GCM).
    pub iv: [u8; 16],
    /// The packet without trailer, MKI and tag.
    pub packet: &'a mut [u8],
    /// Octets at the start of `packet` that stay clear.
    pub clear: usize,
    /// What is authenticated after the packet: the ROC, or SRTCP's E flag and index.
    pub trailer: Option<[u8; 4]>,
}

/// One packet for [`SrtpTransform::open`].
pub struct Opening<'a> {
    /// As in [`Sealing`].
    pub iv: [u8; 16],
    /// As in [`Sealing`], encrypted.
    pub packet: &'a mut [u8],
    /// As in [`Sealing`].
    pub clear: usize,
    /// As in [`Sealing`].
    pub trailer: Option<[u8; 4]>,
    /// The received tag: any length that the policy allows, empty without authentication.
    pub tag: &'a [u8],
}

/// A tag before it is truncated: GCM fills the first 16 octets, HMAC-SHA-1 all, no authentication none.
pub type Tag = [u8; MAX_TAG_LEN];

/// A keyed transform for SRTP or SRTCP. It wipes its keys when dropped.
pub trait SrtpTransform: Send + Sync {
    /// Encrypts `packet` behind its clear part in place and returns the tag.
    ///
    /// HMAC covers packet and trailer; GCM takes the clear part and the trailer as associated data. With GCM and a
    /// trailer the clear part is at most 8 octets (RFC 7714 section 9.2).
    ///
    /// # Errors
    /// [`AuthFailed`] if the transform cannot take a packet of that form; the packet's content is then undefined.
    fn seal(&self, job: Sealing<'_>) -> Result<Tag, AuthFailed>;

    /// Checks the tag in constant time, then decrypts in place.
    ///
    /// # Errors
    /// [`AuthFailed`] if the tag is not the packet's. An AEAD may then have changed the encrypted part.
    fn open(&self, job: Opening<'_>) -> Result<(), AuthFailed>;

    /// Puts new session keys of the same kind and lengths in place of the old ones, without allocating.
    ///
    /// # Errors
    /// [`UnsupportedTransform`] if kind or lengths differ.
    fn rekey(&mut self, keys: &TransformKeys<'_>) -> Result<(), UnsupportedTransform>;

    /// The transform itself, so that a provider recognises its own in a batch.
    fn as_any(&self) -> &dyn Any;
}

/// A packet of a batch.
pub struct BatchSealing<'a> {
    /// The transform of its stream.
    pub transform: &'a dyn SrtpTransform,
    /// The packet.
    pub job: Sealing<'a>,
    /// Receives the tag, or why there is none.
    pub tag: Result<Tag, AuthFailed>,
}

/// A packet of a batch.
pub struct BatchOpening<'a> {
    /// The transform of its stream.
    pub transform: &'a dyn SrtpTransform,
    /// The packet.
    pub job: Opening<'a>,
    /// Receives the outcome.
    pub outcome: Result<(), AuthFailed>,
}

impl BatchSealing<'_> {
    /// Seals this packet by itself.
    pub fn seal(&mut self) {
        let Sealing { iv, clear, trailer, .. } = self.job;
        self.tag = self.transform.seal(Sealing { iv, packet: self.job.packet, clear, trailer });
    }
}

impl BatchOpening<'_> {
    /// Opens this packet by itself.
    pub fn open(&mut self) {
        let Opening { iv, clear, trailer, tag, .. } = self.job;
        self.outcome = self.transform.open(Opening { iv, packet: self.job.packet, clear, trailer, tag });
    }
}

/// The SRTP transforms of a provider.
pub trait SrtpCrypto: Send + Sync {
    /// AES in counter mode from `iv` onto `out`, which holds zeros: the PRF of key derivation (RFC 3711 section 4.3.3,
    /// RFC 6188 section 3).
    ///
    /// # Errors
    /// [`UnsupportedTransform`] if `key` has not 16, 24 or 32 octets.
    fn aes_cm_prf(&self, key: &[u8], iv: &[u8; 16], out: &mut [u8]) -> Result<(), UnsupportedTransform>;

    /// Makes a keyed transform.
    ///
    /// # Errors
    /// [`UnsupportedTransform`] if the provider lacks it or a key has the wrong length.
    fn transform(&self, keys: &TransformKeys<'_>) -> Result<Box<dyn SrtpTransform>, UnsupportedTransform>;

    /// Keys a transform for one packet and seals it, without keeping or allocating anything: SRTCP, whose packets are
    /// too rare to be worth the memory of an expanded key.
    ///
    /// # Errors
    /// [`AuthFailed`] as in [`SrtpTransform::seal`], or if the keys are unsupported.
    fn seal_once(&self, keys: &TransformKeys<'_>, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        self.transform(keys).map_err(|UnsupportedTransform| AuthFailed)?.seal(job)
    }

    /// Keys a transform for one packet and opens it. See [`Self::seal_once`].
    ///
    /// # Errors
    /// [`AuthFailed`] as in [`SrtpTransform::open`], or if the keys are unsupported.
    fn open_once(&self, keys: &TransformKeys<'_>, job: Opening<'_>) -> Result<(), AuthFailed> {
        self.transform(keys).map_err(|UnsupportedTransform| AuthFailed)?.open(job)
    }

    /// Seals packets of one or many streams; a provider may interleave them. Empty places are passed over.
    fn seal_batch(&self, batch: &mut [Option<BatchSealing<'_>>]) {
        batch.iter_mut().flatten().for_each(BatchSealing::seal);
    }

    /// Opens packets of one or many streams; a provider may interleave them. Empty places are passed over.
    fn open_batch(&self, batch: &mut [Option<BatchOpening<'_>>]) {
        batch.iter_mut().flatten().for_each(BatchOpening::open);
    }
}

/// The provider lacks this transform, or a key has a length that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedTransform;

impl core::fmt::Display for UnsupportedTransform {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the provider has no such SRTP transform, or not with keys of that length")
    }
}

impl core::error::Error for UnsupportedTransform {}
