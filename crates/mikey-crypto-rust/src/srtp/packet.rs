//! A cipher and a MAC put together as SRTP does it: encrypt then authenticate, check then decrypt (RFC 3711
//! section 3.3).

use core::any::Any;

use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{Opening, Sealing, SrtpTransform, Tag, TransformKeys, UnsupportedTransform};

use super::FromKeys;
use super::keystream::Keystream;
use super::mac::{Mac, is_tag};

/// Encrypt-then-MAC over one buffer.
pub(super) struct Composed<C, M> {
    pub(super) cipher: C,
    pub(super) mac: M,
}

impl<C: Keystream + FromKeys, M: Mac + FromKeys> Composed<C, M> {
    pub(super) fn new(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        Ok(Self { cipher: C::from_keys(keys)?, mac: M::from_keys(keys)? })
    }
}

impl<C: Keystream + FromKeys, M: Mac + FromKeys> SrtpTransform for Composed<C, M> {
    #[inline]
    fn seal(&self, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        let Sealing { iv, packet, clear, trailer } = job;
        self.cipher.apply(&iv, packet.get_mut(clear..).ok_or(AuthFailed)?);
        Ok(self.mac.tag(packet, trailer))
    }

    #[inline]
    fn open(&self, job: Opening<'_>) -> Result<(), AuthFailed> {
        let Opening { iv, packet, clear, trailer, tag } = job;
        if tag.is_empty() != M::NONE {
            return Err(AuthFailed);
        }
        let expected = self.mac.tag(packet, trailer);
        if !is_tag(&expected, tag) {
            return Err(AuthFailed);
        }
        self.cipher.apply(&iv, packet.get_mut(clear..).ok_or(AuthFailed)?);
        Ok(())
    }

    fn rekey(&mut self, keys: &TransformKeys<'_>) -> Result<(), UnsupportedTransform> {
        *self = Self::new(keys)?;
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
