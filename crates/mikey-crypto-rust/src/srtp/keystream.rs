//! Keystreams: AES in counter mode (RFC 3711 section 4.1.1, RFC 6188), AES-f8 (RFC 3711 section 4.1.2), none.

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    Block, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCore,
    StreamCipherSeek,
};
use ctr::{Ctr128BE, CtrCore};
use mikey_crypto::srtp::{TransformKeys, UnsupportedTransform};
use zeroize::Zeroize;

use super::FromKeys;

/// The cipher half of a composed transform.
pub(super) trait Keystream: Send + Sync + 'static {
    /// XORs the keystream of `iv` onto `data`.
    fn apply(&self, iv: &[u8; 16], data: &mut [u8]);
}

/// AES with blocks of 128 bits, whatever its key.
pub(super) trait Aes:
    BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send + Sync + 'static
{
}

impl<A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send + Sync + 'static> Aes for A {}

/// The NULL cipher.
pub(super) struct NoCipher;

impl FromKeys for NoCipher {
    fn from_keys(_: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        Ok(Self)
    }
}

impl Keystream for NoCipher {
    #[inline]
    fn apply(&self, _: &[u8; 16], _: &mut [u8]) {}
}

/// Counter mode.
pub(super) struct Ctr<A>(A);

impl<A: Aes> Ctr<A> {
    pub(super) fn with_key(key: &[u8]) -> Result<Self, UnsupportedTransform> {
        Ok(Self(A::new_from_slice(key).map_err(|_| UnsupportedTransform)?))
    }
}

impl<A: Aes> FromKeys for Ctr<A> {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        if keys.prefix_len == 0 { Self::with_key(keys.encryption) } else { Err(UnsupportedTransform) }
    }
}

impl<A: Aes> Keystream for Ctr<A> {
    #[inline]
    fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        let core = CtrCore::<&A, ctr::flavors::Ctr128BE>::inner_iv_init(&self.0, iv.into());
        if data.len().is_multiple_of(16) || data.len() > SMALL {
            core.apply_keystream_partial(data.into());
        } else {
            apply_small(core, data);
        }
    }
}

/// Counter mode behind a keystream prefix (RFC 3711 section 4.1), which nobody uses with a MAC.
pub(super) struct PrefixedCtr<A> {
    aes: A,
    prefix: u8,
}

impl<A: Aes> FromKeys for PrefixedCtr<A> {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        let aes = A::new_from_slice(keys.encryption).map_err(|_| UnsupportedTransform)?;
        Ok(Self { aes, prefix: keys.prefix_len })
    }
}

impl<A: Aes> Keystream for PrefixedCtr<A> {
    fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        let core = CtrCore::<&A, ctr::flavors::Ctr128BE>::inner_iv_init(&self.aes, iv.into());
        let mut stream = Ctr128BE::<&A>::from_core(core);
        stream.seek(u32::from(self.prefix));
        stream.apply_keystream(data);
    }
}

/// A broken last block would be a second call into the cipher, which costs as much as the first: a copy that is whole
/// needs one.
fn apply_small<A: Aes>(mut core: CtrCore<&A, ctr::flavors::Ctr128BE>, data: &mut [u8]) {
    let mut whole = [0; SMALL];
    let Some(copy) = whole.get_mut(..data.len()) else { return };
    copy.copy_from_slice(data);
    let (blocks, _) = whole.as_chunks_mut::<16>();
    if let Some(blocks) = blocks.get_mut(..data.len().div_ceil(16)) {
        core.apply_keystream_blocks(Array::cast_slice_from_core_mut(blocks));
    }
    if let Some(copy) = whole.get(..data.len()) {
        data.copy_from_slice(copy);
    }
}

/// Up to this many octets a copy costs less than a second call.
const SMALL: usize = 256;

/// f8 mode: a keystream that feeds back, so no block can be made before the one ahead of it.
pub(super) struct F8<A> {
    aes: A,
    masked: A,
    prefix: u8,
}

impl<A: Aes> FromKeys for F8<A> {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        // m = k_s || 0x555..5 (RFC 3711 section 4.1.2.1)
        let mut masked = [0; 32];
        let masked = masked.get_mut(..keys.encryption.len()).ok_or(UnsupportedTransform)?;
        let mask = keys.salt.iter().copied().chain(core::iter::repeat(0x55));
        for ((to, key), mask) in masked.iter_mut().zip(keys.encryption).zip(mask) {
            *to = key ^ mask;
        }
        let pair = A::new_from_slice(keys.encryption)
            .and_then(|aes| Ok(Self { aes, masked: A::new_from_slice(masked)?, prefix: keys.prefix_len }));
        masked.zeroize();
        pair.map_err(|_| UnsupportedTransform)
    }
}

impl<A: Aes> Keystream for F8<A> {
    fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        let mut start = Block::<A>::from(*iv);
        self.masked.encrypt_block(&mut start);
        let mut stream = Block::<A>::default();
        let mut skip = usize::from(self.prefix);
        let mut at = 0;
        let mut counter = 0u32;
        while at < data.len() {
            for (to, from) in stream.iter_mut().zip(&start) {
                *to ^= from;
            }
            for (to, from) in stream.iter_mut().skip(12).zip(counter.to_be_bytes()) {
                *to ^= from;
            }
            self.aes.encrypt_block(&mut stream);
            counter = counter.wrapping_add(1);
            for octet in stream.iter().skip(skip) {
                let Some(to) = data.get_mut(at) else { break };
                *to ^= octet;
                at += 1;
            }
            skip = skip.saturating_sub(16);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
    use mikey_crypto::srtp::SrtpCipher;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    }

    fn f8_keys<'a>(encryption: &'a [u8], salt: &'a [u8], prefix_len: u8) -> TransformKeys<'a> {
        TransformKeys { cipher: SrtpCipher::AesF8, encryption, salt, authentication: None, prefix_len }
    }

    /// RFC 3711 appendix B.1.
    #[test]
    fn f8_known_answer() {
        let key = hex("234829008467be186c3de14aae72d62c");
        let salt = hex("32f2870d");
        let iv: [u8; 16] = hex("006e5cba50681de55c621599d462564a").try_into().unwrap();
        let mut data = *b"pseudorandomness is the next best thing";
        F8::<Aes128Enc>::from_keys(&f8_keys(&key, &salt, 0)).unwrap().apply(&iv, &mut data);
        let expected = hex("019ce7a26e7854014a6366aa95d4eefd1ad4172a14f9faf455b7f1d4b62bd08f562c0eef7c4802");
        assert_eq!(data[..], expected[..]);
    }

    /// RFC 3711 appendix B.2, RFC 6188 section 7.1 and 7.3: the first three blocks and the last three of 65,282.
    #[test]
    fn counter_mode_known_answers() {
        fn check<A: Aes>(key: &str, first: &str, last: &str) {
            let iv: [u8; 16] = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap();
            let mut data = vec![0; 0xff02 * 16];
            Ctr::<A>::with_key(&hex(key)).unwrap().apply(&iv, &mut data);
            assert_eq!(data[..48], hex(first)[..]);
            assert_eq!(data[data.len() - 48..], hex(last)[..]);
        }
        check::<Aes128Enc>(
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0",
            "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44",
        );
        check::<Aes192Enc>(
            "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
            "35096cba4610028dc1b57503804ce37c 5de986291dcce161d5165ec4568f5c9a 474a40c77894bc17180202272a4c264d",
            "d108d1a31a00bad6367ec23eb044b415 c8f57129fdeb970b59f917b257662d4c a5dab625811034e8cebdfeb6dc158dd3",
        );
        check::<Aes256Enc>(
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d 6eb246913062a16891433e97dd01a57f",
        );
    }

    #[test]
    fn a_prefix_shifts_the_keystream() {
        let (key, salt, iv) = ([7; 16], [9; 14], [3; 16]);
        let mut whole = [0; 400];
        let mut tail = [0; 100];
        Ctr::<Aes128Enc>::with_key(&key).unwrap().apply(&iv, &mut whole);
        for prefix in [1u8, 15, 16, 17, 255] {
            tail.fill(0);
            let keys = TransformKeys { cipher: SrtpCipher::AesCm, ..f8_keys(&key, &salt, prefix) };
            assert!(Ctr::<Aes128Enc>::from_keys(&keys).is_err());
            PrefixedCtr::<Aes128Enc>::from_keys(&keys).unwrap().apply(&iv, &mut tail);
            assert_eq!(tail[..], whole[usize::from(prefix)..][..100]);
        }
        whole.fill(0);
        F8::<Aes128Enc>::from_keys(&f8_keys(&key, &salt, 0)).unwrap().apply(&iv, &mut whole);
        for prefix in [1u8, 15, 16, 17, 255] {
            tail.fill(0);
            F8::<Aes128Enc>::from_keys(&f8_keys(&key, &salt, prefix)).unwrap().apply(&iv, &mut tail);
            assert_eq!(tail[..], whole[usize::from(prefix)..][..100]);
        }
    }
}
