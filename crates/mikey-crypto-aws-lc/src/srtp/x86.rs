//! The same cipher and MAC on the kernels of `mikey-crypto-x86`, which know several packets at once.

use core::any::Any;

use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{
    BatchOpening, BatchSealing, Opening, Sealing, SrtpTransform, Tag, TransformKeys, UnsupportedTransform,
};
use mikey_crypto_x86::{AesKey, BLOCK, Extensions, GcmKey, Message, Midstates, hmac};

use super::FromKeys;
use super::gcm::{JOINED, associated};
use super::keystream::{Keystream, NoCipher};
use super::mac::{HmacSha1, Mac, is_tag, last_blocks};
use super::packet::Composed;

/// AES in counter mode.
pub(super) struct Ctr<const ROUND_KEYS: usize> {
    key: AesKey<ROUND_KEYS>,
    extensions: Extensions,
}

impl<const ROUND_KEYS: usize> FromKeys for Ctr<ROUND_KEYS> {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        let extensions = Extensions::detect().filter(|_| keys.prefix_len == 0).ok_or(UnsupportedTransform)?;
        let key = AesKey::new(extensions, keys.encryption).ok_or(UnsupportedTransform)?;
        Ok(Self { key, extensions })
    }
}

impl<const ROUND_KEYS: usize> Keystream for Ctr<ROUND_KEYS> {
    #[inline]
    fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        self.key.ctr(self.extensions, iv, data);
    }
}

/// AES-GCM. The tag is checked before anything is decrypted, so a packet that is refused is left as it came.
pub(super) struct Gcm<const ROUND_KEYS: usize> {
    key: GcmKey<ROUND_KEYS>,
    extensions: Extensions,
}

impl<const ROUND_KEYS: usize> Gcm<ROUND_KEYS> {
    pub(super) fn new(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        let plain = keys.authentication.is_none() && keys.prefix_len == 0;
        let extensions = Extensions::detect().filter(|_| plain).ok_or(UnsupportedTransform)?;
        let key = GcmKey::new(extensions, keys.encryption).ok_or(UnsupportedTransform)?;
        Ok(Self { key, extensions })
    }
}

impl<const ROUND_KEYS: usize> SrtpTransform for Gcm<ROUND_KEYS> {
    fn seal(&self, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = [0; JOINED];
        let aad = match job.trailer {
            None => clear,
            Some(trailer) => associated(clear, trailer, &mut joined)?,
        };
        let [nonce @ .., _, _, _, _] = job.iv;
        let mut tag = [0; 20];
        if let Some(to) = tag.first_chunk_mut::<16>() {
            *to = self.key.seal(self.extensions, &nonce, aad, data);
        }
        Ok(tag)
    }

    fn open(&self, job: Opening<'_>) -> Result<(), AuthFailed> {
        let (clear, data) = job.packet.split_at_mut_checked(job.clear).ok_or(AuthFailed)?;
        let mut joined = [0; JOINED];
        let aad = match job.trailer {
            None => clear,
            Some(trailer) => associated(clear, trailer, &mut joined)?,
        };
        let [nonce @ .., _, _, _, _] = job.iv;
        let expected = self.key.tag(self.extensions, &nonce, aad, data);
        if job.tag.len() != expected.len() || !is_tag(&expected, job.tag) {
            return Err(AuthFailed);
        }
        self.key.decrypt(self.extensions, &nonce, data);
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

/// The PRF of key derivation.
pub(super) fn prf(
    extensions: Extensions,
    key: &[u8],
    iv: &[u8; 16],
    out: &mut [u8],
) -> Result<(), UnsupportedTransform> {
    if let Some(key) = AesKey::<11>::new(extensions, key) {
        key.ctr(extensions, iv, out);
    } else if let Some(key) = AesKey::<13>::new(extensions, key) {
        key.ctr(extensions, iv, out);
    } else {
        AesKey::<15>::new(extensions, key).ok_or(UnsupportedTransform)?.ctr(extensions, iv, out);
    }
    Ok(())
}

/// HMAC-SHA-1.
pub(super) struct Hmac {
    key: HmacSha1,
    extensions: Extensions,
}

impl FromKeys for Hmac {
    fn from_keys(keys: &TransformKeys<'_>) -> Result<Self, UnsupportedTransform> {
        let extensions = Extensions::detect().ok_or(UnsupportedTransform)?;
        Ok(Self { key: HmacSha1::from_keys(keys)?, extensions })
    }
}

impl Hmac {
    fn midstates(&self) -> Midstates<'_> {
        Midstates { inner: &self.key.inner, outer: &self.key.outer }
    }
}

impl Mac for Hmac {
    const NONE: bool = false;

    #[inline]
    fn tag(&self, packet: &[u8], trailer: Option<[u8; 4]>) -> Tag {
        let [tag] = tags(self.extensions, &[Input { key: self, packet, trailer }]);
        tag
    }
}

/// What one lane hashes.
#[derive(Clone, Copy)]
struct Input<'a> {
    key: &'a Hmac,
    packet: &'a [u8],
    trailer: Option<[u8; 4]>,
}

/// The MACs of `N` packets, side by side.
#[inline]
fn tags<const N: usize>(extensions: Extensions, inputs: &[Input<'_>; N]) -> [Tag; N] {
    let mut ends = [[[0; BLOCK]; 2]; N];
    let mut counts = [0; N];
    for ((end, count), input) in ends.iter_mut().zip(&mut counts).zip(inputs) {
        let (_, rest) = input.packet.as_chunks::<BLOCK>();
        *count = last_blocks(end, rest, input.trailer, BLOCK + input.packet.len());
    }
    let mut ends = ends.iter().zip(counts);
    hmac(
        extensions,
        inputs.each_ref().map(|input| {
            let (body, _) = input.packet.as_chunks::<BLOCK>();
            let last = ends.next().and_then(|(blocks, count)| blocks.get(..count)).unwrap_or(&[]);
            Message { key: input.key.midstates(), body, last }
        }),
    )
}

/// The cipher and the MAC of a transform, if it is one of those in this file.
type Parts<'a> = (&'a dyn Keystream, &'a Hmac);

fn parts<'a>(transform: &'a dyn SrtpTransform) -> Option<Parts<'a>> {
    fn as_type<'a, C: Keystream>(transform: &'a dyn SrtpTransform) -> Option<Parts<'a>> {
        let composed = transform.as_any().downcast_ref::<Composed<C, Hmac>>()?;
        Some((&composed.cipher, &composed.mac))
    }
    as_type::<Ctr<11>>(transform)
        .or_else(|| as_type::<Ctr<15>>(transform))
        .or_else(|| as_type::<Ctr<13>>(transform))
        .or_else(|| as_type::<NoCipher>(transform))
}

/// Seals a batch. The packets' ciphers come first, then their MACs, four at a time.
pub(super) fn seal_batch(batch: &mut [Option<BatchSealing<'_>>]) {
    for group in batch.chunks_mut(LANES) {
        let mut lanes = [None; LANES];
        for (lane, item) in lanes.iter_mut().zip(group.iter_mut()) {
            let Some(item) = item else { continue };
            *lane = parts(item.transform);
            match (&lane, item.job.packet.get_mut(item.job.clear..)) {
                (Some((cipher, _)), Some(data)) => cipher.apply(&item.job.iv, data),
                (Some(_), None) => *lane = None,
                (None, _) => item.seal(),
            }
        }
        let mut inputs = [None; LANES];
        for ((input, lane), item) in inputs.iter_mut().zip(&lanes).zip(group.iter()) {
            if let (Some((_, key)), Some(item)) = (lane, item) {
                *input = Some(Input { key, packet: item.job.packet, trailer: item.job.trailer });
            }
        }
        let macs = together(inputs);
        for (mac, item) in macs.into_iter().zip(group) {
            if let (Some(mac), Some(item)) = (mac, item) {
                item.tag = Ok(mac);
            }
        }
    }
}

/// Opens a batch: the packets' MACs, four at a time, then the ciphers of those whose MAC is right.
pub(super) fn open_batch(batch: &mut [Option<BatchOpening<'_>>]) {
    for group in batch.chunks_mut(LANES) {
        let mut lanes = [None; LANES];
        for (lane, item) in lanes.iter_mut().zip(group.iter_mut()) {
            let Some(item) = item else { continue };
            *lane = parts(item.transform).filter(|_| !item.job.tag.is_empty());
            if lane.is_none() {
                item.open();
            }
        }
        let mut inputs = [None; LANES];
        for ((input, lane), item) in inputs.iter_mut().zip(&lanes).zip(group.iter()) {
            if let (Some((_, key)), Some(item)) = (lane, item) {
                *input = Some(Input { key, packet: item.job.packet, trailer: item.job.trailer });
            }
        }
        let macs = together(inputs);
        for ((lane, mac), item) in lanes.into_iter().zip(macs).zip(group) {
            let (Some((cipher, _)), Some(mac), Some(item)) = (lane, mac, item) else { continue };
            let job = &mut item.job;
            let right = is_tag(&mac, job.tag);
            item.outcome = match job.packet.get_mut(job.clear..) {
                Some(data) if right => {
                    cipher.apply(&job.iv, data);
                    Ok(())
                }
                _ => Err(AuthFailed),
            };
        }
    }
}

/// The MACs of up to four packets: side by side if there are four, or two.
fn together(inputs: [Option<Input<'_>>; LANES]) -> [Option<Tag>; LANES] {
    let Some(first) = inputs.iter().flatten().next() else { return [None; LANES] };
    let extensions = first.key.extensions;
    match inputs {
        [Some(a), Some(b), Some(c), Some(d)] => tags(extensions, &[a, b, c, d]).map(Some),
        [a, b, c, d] => {
            let pair = |left: Option<Input<'_>>, right: Option<Input<'_>>| match (left, right) {
                (Some(left), Some(right)) => tags(extensions, &[left, right]).map(Some),
                (left, right) => [left, right].map(|input| input.map(|i| i.key.tag(i.packet, i.trailer))),
            };
            let ([a, b], [c, d]) = (pair(a, b), pair(c, d));
            [a, b, c, d]
        }
    }
}

/// Chains that interleave: with more, the registers no longer hold their states (docs/performance.md).
const LANES: usize = 4;
