//! The bare primitives with everything kept that can be kept: AES-CTR with its key schedule and HMAC-SHA-1 with its
//! midstates (RustCrypto, the fastest at packet size), AES-GCM with its context (ring, the faster one at packet size, and AWS-LC next to
//! it). No header, no index, no
//! replay window, no table: the least that a packet could cost with these primitives one at a time.

use std::hint::black_box;

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use aws_lc_rs::aead as aws;
use ctr::CtrCore;
use mikey_crypto::srtp::SrtpCipher;
use ring::aead as ring;
use sha1::block_api::compress;

use super::pool::{HEADER, advance, count, packet, renew};
use super::profile::Profile;
use crate::Result;
use crate::measure::{Contestant, Role};

/// The primitives of a profile, the limit first; none where there is no reason to look.
pub(super) fn protect(profile: Profile, size: usize) -> Result<Vec<Contestant<'static>>> {
    Bare::all(profile)?.into_iter().map(|bare| protect_with(bare, size)).collect()
}

/// As [`protect`]. HMAC has no other direction; GCM opens.
pub(super) fn unprotect(profile: Profile, size: usize) -> Result<Vec<Contestant<'static>>> {
    Bare::all(profile)?.into_iter().map(|bare| unprotect_with(bare, size)).collect()
}

fn protect_with((name, role, bare): Named, size: usize) -> Result<Contestant<'static>> {
    let mut buffer = packet(0, size);
    let mut seq = 0;
    Ok(Contestant::new(name, role, move || {
        advance(&mut buffer, &mut seq);
        black_box(bare.seal(seq, &mut buffer)?);
        Ok(())
    }))
}

fn unprotect_with((name, role, bare): Named, size: usize) -> Result<Contestant<'static>> {
    // The tags have to be right, so the packets are the primitives' own.
    let mut packets = Vec::new();
    let mut tags = Vec::new();
    for seq in (1u16..).take(count(size)) {
        let mut packet = packet(seq, size);
        tags.push(bare.seal(seq, &mut packet)?);
        packets.push(packet);
    }
    let prepare = move |copies: &mut Vec<Vec<u8>>| {
        renew(copies, &packets);
        Ok(())
    };
    let copies = tags.iter().map(|_| packet(0, size)).collect();
    let operation = move |copies: &mut Vec<Vec<u8>>, at: usize| {
        let copy = copies.get_mut(at).ok_or("no packet")?;
        bare.open(u16::try_from(at + 1)?, copy, tags.get(at).ok_or("no tag")?)?;
        black_box(copy);
        Ok(())
    };
    Ok(Contestant::rounds(name, role, (count(size), 1), copies, prepare, operation))
}

type Named = (&'static str, Role, Bare);

enum Bare {
    Cm128(Aes128Enc, [[u32; 5]; 2]),
    Cm192(Aes192Enc, [[u32; 5]; 2]),
    Cm256(Aes256Enc, [[u32; 5]; 2]),
    Gcm(Box<ring::LessSafeKey>),
    AwsLcGcm(aws::LessSafeKey),
}

type Tag = [u8; 20];

impl Bare {
    fn all(profile: Profile) -> Result<Vec<Named>> {
        let key = profile.key();
        let midstates = [[0x6745_2301, 1, 2, 3, 4], [0x6745_2301, 5, 6, 7, 8]];
        let aes = |_| "AES key";
        let bare = match (profile.policy.cipher, key.len()) {
            (SrtpCipher::AesCm, 16) => Self::Cm128(Aes128Enc::new_from_slice(&key).map_err(aes)?, midstates),
            (SrtpCipher::AesCm, 24) => Self::Cm192(Aes192Enc::new_from_slice(&key).map_err(aes)?, midstates),
            (SrtpCipher::AesCm, 32) => Self::Cm256(Aes256Enc::new_from_slice(&key).map_err(aes)?, midstates),
            (SrtpCipher::AesGcm, len) => {
                let (ring_gcm, aws_gcm) = match len {
                    16 => (&ring::AES_128_GCM, &aws::AES_128_GCM),
                    _ => (&ring::AES_256_GCM, &aws::AES_256_GCM),
                };
                let ring = ring::UnboundKey::new(ring_gcm, &key).map_err(|_| "GCM key")?;
                let aws = aws::UnboundKey::new(aws_gcm, &key).map_err(|_| "GCM key")?;
                return Ok(vec![
                    ("bare primitive", Role::Limit, Self::Gcm(Box::new(ring::LessSafeKey::new(ring)))),
                    ("bare primitive of AWS-LC", Role::Peer, Self::AwsLcGcm(aws::LessSafeKey::new(aws))),
                ]);
            }
            _ => return Ok(Vec::new()),
        };
        Ok(vec![("bare primitives", Role::Limit, bare)])
    }

    #[inline]
    fn seal(&self, seq: u16, packet: &mut [u8]) -> Result<Tag> {
        let (header, payload) = packet.split_at_mut(HEADER);
        match self {
            Self::Gcm(key) => {
                let nonce = ring::Nonce::assume_unique_for_key(nonce(seq));
                let tag = key.seal_in_place_separate_tag(nonce, ring::Aad::from(&*header), payload);
                Ok(whole(tag.map_err(|_| "seal")?.as_ref()))
            }
            Self::AwsLcGcm(key) => {
                let nonce = aws::Nonce::assume_unique_for_key(nonce(seq));
                let tag = key.seal_in_place_separate_tag(nonce, aws::Aad::from(&*header), payload);
                Ok(whole(tag.map_err(|_| "seal")?.as_ref()))
            }
            Self::Cm128(_, midstates) | Self::Cm192(_, midstates) | Self::Cm256(_, midstates) => {
                self.keystream(seq, payload);
                Ok(hmac(midstates, packet))
            }
        }
    }

    #[inline]
    fn open(&self, seq: u16, packet: &mut [u8], tag: &Tag) -> Result<()> {
        match self {
            Self::Gcm(key) => {
                let (header, payload) = packet.split_at_mut(HEADER);
                let nonce = ring::Nonce::assume_unique_for_key(nonce(seq));
                let tag = ring::Tag::try_from(tag.split_at(16).0).map_err(|_| "tag")?;
                key.open_in_place_separate_tag(nonce, ring::Aad::from(&*header), tag, payload, 0..)
                    .map_err(|_| "open")?;
                Ok(())
            }
            Self::AwsLcGcm(key) => {
                let (header, payload) = packet.split_at_mut(HEADER);
                let nonce = aws::Nonce::assume_unique_for_key(nonce(seq));
                let tag = tag.split_at(16).0;
                key.open_in_place_separate_tag(nonce, aws::Aad::from(&*header), tag, payload)
                    .map_err(|_| "open")?;
                Ok(())
            }
            Self::Cm128(_, midstates) | Self::Cm192(_, midstates) | Self::Cm256(_, midstates) => {
                let expected = hmac(midstates, packet);
                if !mikey_crypto::ct_eq(expected.split_at(10).0, tag.split_at(10).0) {
                    return Err("tag".into());
                }
                self.keystream(seq, packet.split_at_mut(HEADER).1);
                Ok(())
            }
        }
    }

    #[inline]
    fn keystream(&self, seq: u16, data: &mut [u8]) {
        let iv = (u128::from(seq) << 16).to_be_bytes().into();
        type Flavor = ctr::flavors::Ctr128BE;
        match self {
            Self::Cm128(key, _) => {
                CtrCore::<_, Flavor>::inner_iv_init(key, &iv).apply_keystream_partial(data.into());
            }
            Self::Cm192(key, _) => {
                CtrCore::<_, Flavor>::inner_iv_init(key, &iv).apply_keystream_partial(data.into());
            }
            Self::Cm256(key, _) => {
                CtrCore::<_, Flavor>::inner_iv_init(key, &iv).apply_keystream_partial(data.into());
            }
            Self::Gcm(_) | Self::AwsLcGcm(_) => {}
        }
    }
}

fn nonce(seq: u16) -> [u8; 12] {
    let [high, low] = seq.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low]
}

/// An AEAD's tag in the room of the longest one.
#[inline]
fn whole(tag: &[u8]) -> Tag {
    let mut out = [0; 20];
    for (to, from) in out.iter_mut().zip(tag) {
        *to = *from;
    }
    out
}

/// HMAC over the packet and four octets of ROC.
#[inline]
fn hmac([inner, outer]: &[[u32; 5]; 2], packet: &[u8]) -> Tag {
    let mut state = *inner;
    let (blocks, rest) = packet.as_chunks::<64>();
    compress(&mut state, blocks);
    let mut end = [0; 128];
    let (to, pad) = end.split_at_mut(rest.len());
    to.copy_from_slice(rest);
    if let Some(to) = pad.get_mut(4) {
        *to = 0x80;
    }
    let count = if rest.len() + 13 > 64 { 2 } else { 1 };
    let bits = ((64 + packet.len() as u64 + 4) * 8).to_be_bytes();
    end.split_at_mut(count * 64 - 8).1.split_at_mut(8).0.copy_from_slice(&bits);
    let (blocks, _) = end.as_chunks::<64>();
    compress(&mut state, blocks.split_at(count).0);
    let mut last = [0; 64];
    for (to, word) in last.chunks_exact_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    let [.., high, low] = &mut last;
    (*high, *low) = (2, 0xa0);
    let mut state = *outer;
    compress(&mut state, &[last]);
    let mut tag = [0; 20];
    for (to, word) in tag.chunks_exact_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    tag
}
