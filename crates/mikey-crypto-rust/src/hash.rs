//! SHA-1, SHA-256, SHA-384 and HMAC (RFC 2104) from RustCrypto, and the PRFs over them. HMAC-SHA-256, which key
//! schedules are made of, is in `hmac_sha256`.

use alloc::boxed::Box;
use core::marker::PhantomData;

use hmac::digest::block_api::BlockSizeUser;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use mikey_crypto::{Digest, Hash, HmacKey, Prf, SecretBytes};
use zeroize::Zeroize;

use crate::hmac_sha256::HmacSha256;

/// SHA-1, for MIKEY version 1.
pub static SHA1: &dyn Hash = &RustCrypto::<sha1::Sha1>::NEW;
/// SHA-256.
pub static SHA256: &dyn Hash = &Sha256;
/// SHA-384.
pub(crate) static SHA384: &dyn Hash = &RustCrypto::<sha2::Sha384>::NEW;

/// The PRFs of M-SP.
pub static PRFS: &[Prf] = &[Prf::hmac_sha_256(SHA256), Prf::hmac_sha_384(SHA384)];

struct Sha256;

impl Hash for Sha256 {
    fn output_len(&self) -> usize {
        32
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        digest::<sha2::Sha256>(parts)
    }

    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey> {
        Box::new(HmacSha256::new(key))
    }

    fn hmac(&self, key: &[u8], parts: &[&[u8]]) -> SecretBytes {
        let mut out = SecretBytes::zeroed(self.output_len());
        HmacSha256::new(key).mac(parts, out.expose_mut());
        out
    }
}

struct RustCrypto<D>(PhantomData<fn() -> D>);

impl<D> RustCrypto<D> {
    const NEW: Self = Self(PhantomData);
}

impl<D> Hash for RustCrypto<D>
where
    D: sha2::Digest + EagerHash + BlockSizeUser + Send + Sync + 'static,
    Hmac<D>: KeyInit<KeySize = <D as BlockSizeUser>::BlockSize> + Mac + Clone + Send + Sync,
{
    fn output_len(&self) -> usize {
        <D as sha2::Digest>::output_size()
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        digest::<D>(parts)
    }

    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey> {
        Box::new(Keyed(keyed::<D>(key)))
    }

    fn hmac(&self, key: &[u8], parts: &[&[u8]]) -> SecretBytes {
        let mut out = SecretBytes::zeroed(self.output_len());
        finish(keyed::<D>(key), parts, out.expose_mut());
        out
    }
}

fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Digest {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    Digest::new(&hash.finalize())
}

/// HMAC after its key block. RustCrypto wipes the state on drop.
struct Keyed<M>(M);

impl<M: Mac + Clone + Send + Sync> HmacKey for Keyed<M> {
    fn mac(&self, parts: &[&[u8]], out: &mut [u8]) {
        finish(self.0.clone(), parts, out);
    }
}

/// Pads or hashes the key to one block, as HMAC itself would, so that no length can be refused.
fn keyed<D>(key: &[u8]) -> Hmac<D>
where
    D: sha2::Digest + EagerHash + BlockSizeUser,
    Hmac<D>: KeyInit<KeySize = <D as BlockSizeUser>::BlockSize>,
{
    let mut block = hmac::digest::Key::<Hmac<D>>::default();
    if key.len() <= block.len() {
        fill(&mut block, key);
    } else {
        let mut digest = D::digest(key);
        fill(&mut block, &digest);
        digest.zeroize();
    }
    let mac = <Hmac<D> as KeyInit>::new(&block);
    block.zeroize();
    mac
}

fn finish(mut mac: impl Mac, parts: &[&[u8]], out: &mut [u8]) {
    for part in parts {
        mac.update(part);
    }
    let mut tag = mac.finalize().into_bytes();
    fill(out, &tag);
    tag.zeroize();
}

fn fill(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
