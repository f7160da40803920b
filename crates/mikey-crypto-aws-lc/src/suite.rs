//! Protection suites 1 to 5: AES-CM from RustCrypto, AEADs from AWS-LC.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use mikey_crypto::{Aead, AuthFailed, Suite, SuiteId};
use mikey_crypto_rust::{AES_CM_128, AES_CM_256};

/// The suites of M-SP.
pub(crate) static SUITES: &[Suite] = &[
    AES_CM_128,
    AES_CM_256,
    Suite::aead(SuiteId::AES_128_GCM, &AwsLcAead(&AES_128_GCM)),
    Suite::aead(SuiteId::AES_256_GCM, &AwsLcAead(&AES_256_GCM)),
    Suite::aead(SuiteId::CHACHA20_POLY1305, &AwsLcAead(&CHACHA20_POLY1305)),
];

struct AwsLcAead(&'static Algorithm);

impl AwsLcAead {
    /// A key lives for one message here, since each session has its own; AWS-LC wipes it when it is dropped.
    fn key(&self, key: &[u8]) -> Result<LessSafeKey, AuthFailed> {
        UnboundKey::new(self.0, key).map(LessSafeKey::new).map_err(|_| AuthFailed)
    }
}

impl Aead for AwsLcAead {
    fn seal(
        &self,
        key: &[u8],
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; 16], AuthFailed> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag =
            self.key(key)?.seal_in_place_separate_tag(nonce, Aad::from(aad), data).map_err(|_| AuthFailed)?;
        tag.as_ref().try_into().map_err(|_| AuthFailed)
    }

    fn open(
        &self,
        key: &[u8],
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AuthFailed> {
        if tag.len() != self.0.tag_len() {
            return Err(AuthFailed);
        }
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key(key)?
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, data)
            .map(|_| ())
            .map_err(|_| AuthFailed)
    }
}
