//! Counter blocks, IVs and nonces (RFC 3711 sections 4.1.1 and 4.1.2, RFC 7714 sections 8.1 and 9.1).

use mikey_crypto::srtp::SrtpCipher;

use crate::index::{Extended, Ssrc};

/// A session salt, in the first octets, zeros behind it.
pub(crate) type Salt = [u8; 14];

/// IV of an RTP packet. `header` is its first 12 octets.
#[inline(always)]
pub(crate) fn rtp(cipher: SrtpCipher, salt: &Salt, ssrc: Ssrc, index: Extended, header: &[u8]) -> [u8; 16] {
    match cipher {
        SrtpCipher::AesGcm => gcm(salt, ssrc, index),
        SrtpCipher::AesF8 => f8(index, header),
        _ => counter(salt, ssrc, index),
    }
}

/// `0x00 || M || PT || SEQ || TS || SSRC || ROC`
#[cold]
fn f8(index: Extended, header: &[u8]) -> [u8; 16] {
    let mut iv = [0; 16];
    for (to, from) in iv.iter_mut().take(12).zip(header).skip(1) {
        *to = *from;
    }
    let [_, _, roc @ .., _, _] = index.to_be_bytes();
    if let Some(to) = iv.last_chunk_mut::<4>() {
        *to = roc;
    }
    iv
}

/// IV of an RTCP packet. `word` is the E flag and the index, `header` the packet's first 8 octets.
#[inline]
pub(crate) fn rtcp(cipher: SrtpCipher, salt: &Salt, ssrc: Ssrc, word: [u8; 4], header: &[u8]) -> [u8; 16] {
    let index = u64::from(u32::from_be_bytes(word) & 0x7fff_ffff);
    match cipher {
        SrtpCipher::AesGcm => gcm(salt, ssrc, index),
        SrtpCipher::AesF8 => {
            // 0..0 || E || SRTCP index || V || P || RC || PT || length || SSRC
            let mut iv = [0; 16];
            for (to, from) in iv.iter_mut().skip(4).zip(word.iter().chain(header.iter().take(8))) {
                *to = *from;
            }
            iv
        }
        _ => counter(salt, ssrc, index),
    }
}

/// `(k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)`
#[inline(always)]
fn counter(salt: &Salt, ssrc: Ssrc, index: u64) -> [u8; 16] {
    let mask = u128::from(ssrc.0) << 64 | u128::from(index & 0xffff_ffff_ffff) << 16;
    (number(salt) ^ mask).to_be_bytes()
}

/// `(00 00 || SSRC || ROC || SEQ) XOR salt`, in the first 12 octets.
#[inline(always)]
fn gcm(salt: &Salt, ssrc: Ssrc, index: u64) -> [u8; 16] {
    let mask = u128::from(ssrc.0) << 80 | u128::from(index & 0xffff_ffff_ffff) << 32;
    (number(salt) ^ mask).to_be_bytes()
}

/// The salt as the first octets of a block.
#[inline]
const fn number(salt: &Salt) -> u128 {
    let ([high @ .., _, _, _, _, _, _], [_, _, _, _, _, _, low @ ..]) = (salt, salt);
    // The two halves overlap: what both have falls out at the top of the lower one.
    let low = u64::from_be_bytes(*low) << 16;
    (u64::from_be_bytes(*high) as u128) << 64 | low as u128
}
