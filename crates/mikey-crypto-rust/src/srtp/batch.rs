//! Batches: packets of one or many streams whose MACs are made in turn.
//!
//! HMAC-SHA-1 is most of a packet's time, and bound by the latency of its rounds, not by how many the processor could do.

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{BatchOpening, BatchSealing, SrtpTransform, Tag};
use sha1::block_api::compress;

use super::keystream::{Ctr, Keystream, NoCipher};
use super::mac::{BLOCK, HmacSha1, Mac, is_tag, last_blocks, octets, outer_block};
use super::packet::Composed;

/// What one lane hashes.
#[derive(Clone, Copy)]
struct Input<'a> {
    key: &'a HmacSha1,
    packet: &'a [u8],
    trailer: Option<[u8; 4]>,
}

/// The MACs of `N` packets, block by block in turn: what one packet's block waits for, another's does not, so that the
/// processor works on several at a time.
#[inline]
fn tags<const N: usize>(inputs: &[Input<'_>; N]) -> [Tag; N] {
    let mut states = inputs.each_ref().map(|input| input.key.inner);
    let mut ends = [[[0; BLOCK]; 2]; N];
    let mut counts = [0; N];
    for ((end, count), input) in ends.iter_mut().zip(&mut counts).zip(inputs) {
        let (_, rest) = input.packet.as_chunks::<BLOCK>();
        *count = last_blocks(end, rest, input.trailer, BLOCK + input.packet.len());
    }
    let longest = inputs.iter().map(|input| input.packet.len() / BLOCK).max().unwrap_or(0) + 2;
    for at in 0..longest {
        for (((state, input), end), count) in states.iter_mut().zip(inputs).zip(&ends).zip(counts) {
            let (body, _) = input.packet.as_chunks::<BLOCK>();
            let behind = || end.get(..count)?.get(at.checked_sub(body.len())?);
            if let Some(block) = body.get(at).or_else(behind) {
                compress(state, core::slice::from_ref(block));
            }
        }
    }
    let blocks = states.each_ref().map(outer_block);
    let mut outer = inputs.each_ref().map(|input| input.key.outer);
    for (state, block) in outer.iter_mut().zip(&blocks) {
        compress(state, core::slice::from_ref(block));
    }
    outer.each_ref().map(octets)
}

/// The cipher and the MAC of a transform, if it is one of those in this file.
type Parts<'a> = (&'a dyn Keystream, &'a HmacSha1);

fn parts<'a>(transform: &'a dyn SrtpTransform) -> Option<Parts<'a>> {
    fn as_type<'a, C: Keystream>(transform: &'a dyn SrtpTransform) -> Option<Parts<'a>> {
        let composed = transform.as_any().downcast_ref::<Composed<C, HmacSha1>>()?;
        Some((&composed.cipher, &composed.mac))
    }
    as_type::<Ctr<Aes128Enc>>(transform)
        .or_else(|| as_type::<Ctr<Aes256Enc>>(transform))
        .or_else(|| as_type::<Ctr<Aes192Enc>>(transform))
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
    match inputs {
        [Some(a), Some(b), Some(c), Some(d)] => tags(&[a, b, c, d]).map(Some),
        [a, b, c, d] => {
            let pair = |left: Option<Input<'_>>, right: Option<Input<'_>>| match (left, right) {
                (Some(left), Some(right)) => tags(&[left, right]).map(Some),
                (left, right) => [left, right].map(|input| input.map(|i| i.key.tag(i.packet, i.trailer))),
            };
            let ([a, b], [c, d]) = (pair(a, b), pair(c, d));
            [a, b, c, d]
        }
    }
}

/// Packets that take turns.
const LANES: usize = 4;
