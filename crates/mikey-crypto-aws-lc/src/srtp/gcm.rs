//! AES-GCM as SRTP uses it (RFC 7714), on AWS-LC: the clear part is associated data, the tag comes separately.
//!
//! For processors that the kernels of `mikey-crypto-x86` do not know; tests hold the two against each other.

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

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use mikey_crypto::srtp::SrtpCipher;

    use super::*;
    use crate::srtp::x86;

    #[test]
    fn agrees_with_the_kernels_at_every_length() {
        if mikey_crypto_x86::Extensions::detect().is_none() {
            return;
        }
        for key_len in [16u8, 32] {
            let key: Vec<u8> = (0..key_len).map(|i| i.wrapping_mul(29) ^ 0xa5).collect();
            let keys = TransformKeys {
                cipher: SrtpCipher::AesGcm,
                encryption: &key,
                salt: &[],
                authentication: None,
                prefix_len: 0,
            };
            let theirs = Gcm::new(&keys).unwrap();
            let ours: Box<dyn SrtpTransform> = match key_len {
                16 => Box::new(x86::Gcm::<11>::new(&keys).unwrap()),
                _ => Box::new(x86::Gcm::<15>::new(&keys).unwrap()),
            };
            for len in (0usize..700).chain([1212, 4096, 65_000]) {
                for clear in [0, 12, 28, len / 2, len].into_iter().filter(|clear| *clear <= len) {
                    let plain: Vec<u8> =
                        (0..len).map(|i| u8::try_from((i * 7 + len) % 251).unwrap()).collect();
                    let iv = [u8::try_from(len % 256).unwrap(); 16];
                    let trailer = (clear == 0).then_some([1, 2, 3, 4]);
                    let (mut a, mut b) = (plain.clone(), plain.clone());
                    let tag = theirs.seal(Sealing { iv, packet: &mut a, clear, trailer }).unwrap();
                    let same = ours.seal(Sealing { iv, packet: &mut b, clear, trailer }).unwrap();
                    assert_eq!((&a, tag), (&b, same), "{len} octets, {clear} clear");
                    let tag = tag.get(..16).unwrap();
                    let opening = Opening { iv, packet: &mut b, clear, trailer, tag };
                    assert_eq!(ours.open(opening), Ok(()));
                    assert_eq!(b, plain);
                    if let Some(first) = a.first_mut() {
                        *first ^= 1;
                        let before = a.clone();
                        let opening = Opening { iv, packet: &mut a, clear, trailer, tag };
                        assert_eq!(ours.open(opening).is_err(), clear + len > 0);
                        assert_eq!(a, before, "a refused packet is left as it came");
                    }
                }
            }
        }
    }
}
