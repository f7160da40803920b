//! Protection suites 1 to 5 from RustCrypto.

use core::marker::PhantomData;

use aes::cipher::{KeyIvInit, StreamCipher};
use mikey_crypto::{AuthFailed, CtrCipher, Suite, SuiteId};

use crate::hash::SHA256;

/// Suite 1.
pub static AES_CM_128: Suite = Suite::ctr_hmac(
    SuiteId::AES_CM_128_HMAC_SHA_256,
    &Ctr::<ctr::Ctr128BE<aes::Aes128>>(PhantomData),
    SHA256,
);

/// Suite 2.
pub static AES_CM_256: Suite = Suite::ctr_hmac(
    SuiteId::AES_CM_256_HMAC_SHA_256,
    &Ctr::<ctr::Ctr128BE<aes::Aes256>>(PhantomData),
    SHA256,
);

struct Ctr<C>(PhantomData<fn() -> C>);

impl<C: KeyIvInit + StreamCipher> CtrCipher for Ctr<C> {
    fn apply(&self, key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), AuthFailed> {
        let mut cipher = C::new_from_slices(key, iv).map_err(|_| AuthFailed)?;
        cipher.try_apply_keystream(data).map_err(|_| AuthFailed)
    }
}

#[cfg(feature = "provider")]
pub(crate) use aead::SUITES;

#[cfg(feature = "provider")]
mod aead {
    use aes_gcm::aead::consts::{U12, U16};
    use aes_gcm::aead::{AeadInOut, KeyInit, Tag};
    use aes_gcm::{Aes128Gcm, Aes256Gcm};
    use chacha20poly1305::ChaCha20Poly1305;
    use mikey_crypto::Aead;

    use super::{AES_CM_128, AES_CM_256, AuthFailed, PhantomData, Suite, SuiteId};

    /// The suites of M-SP.
    pub(crate) static SUITES: &[Suite] = &[
        AES_CM_128,
        AES_CM_256,
        Suite::aead(SuiteId::AES_128_GCM, &RustAead::<Aes128Gcm>(PhantomData)),
        Suite::aead(SuiteId::AES_256_GCM, &RustAead::<Aes256Gcm>(PhantomData)),
        Suite::aead(SuiteId::CHACHA20_POLY1305, &RustAead::<ChaCha20Poly1305>(PhantomData)),
    ];

    /// A key lives for one message here, since each session has its own; RustCrypto wipes it when it is dropped.
    struct RustAead<A>(PhantomData<fn() -> A>);

    impl<A: AeadInOut<NonceSize = U12, TagSize = U16> + KeyInit> Aead for RustAead<A> {
        fn seal(
            &self,
            key: &[u8],
            nonce: &[u8; 12],
            aad: &[u8],
            data: &mut [u8],
        ) -> Result<[u8; 16], AuthFailed> {
            let aead = A::new_from_slice(key).map_err(|_| AuthFailed)?;
            let tag = aead.encrypt_inout_detached(nonce.into(), aad, data.into()).map_err(|_| AuthFailed)?;
            Ok(tag.into())
        }

        fn open(
            &self,
            key: &[u8],
            nonce: &[u8; 12],
            aad: &[u8],
            data: &mut [u8],
            tag: &[u8],
        ) -> Result<(), AuthFailed> {
            let tag: &Tag<A> = tag.try_into().map_err(|_| AuthFailed)?;
            let aead = A::new_from_slice(key).map_err(|_| AuthFailed)?;
            aead.decrypt_inout_detached(nonce.into(), aad, data.into(), tag).map_err(|_| AuthFailed)
        }
    }
}
