//! RFC 7714 sections 16 and 17: whole SRTP and SRTCP packets under AES-GCM, given by their session keys, for both providers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use mikey_crypto::CryptoProvider;
use mikey_crypto::srtp::{Opening, Sealing, SrtpCipher, SrtpTransform, TransformKeys};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn transform(provider: &CryptoProvider, key_len: u8) -> Box<dyn SrtpTransform> {
    let key: Vec<u8> = (0..key_len).collect();
    let keys = TransformKeys {
        cipher: SrtpCipher::AesGcm,
        encryption: &key,
        salt: b"Quid pro quo",
        authentication: None,
        prefix_len: 0,
    };
    provider.srtp.transform(&keys).unwrap()
}

fn iv(nonce: &str) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..12].copy_from_slice(&hex(nonce));
    iv
}

fn both_ways(
    key_len: u8,
    nonce: &str,
    clear: usize,
    trailer: Option<[u8; 4]>,
    plain: &str,
    protected: &str,
    tag: &str,
) {
    for provider in [mikey_crypto_aws_lc::provider(), mikey_crypto_rust::provider()] {
        one_provider(&*transform(&provider, key_len), nonce, clear, trailer, plain, protected, tag);
    }
}

fn one_provider(
    transform: &dyn SrtpTransform,
    nonce: &str,
    clear: usize,
    trailer: Option<[u8; 4]>,
    plain: &str,
    protected: &str,
    tag: &str,
) {
    let (plain, protected, tag) = (hex(plain), hex(protected), hex(tag));
    let mut packet = plain.clone();
    let sealed = transform.seal(Sealing { iv: iv(nonce), packet: &mut packet, clear, trailer }).unwrap();
    assert_eq!((&packet, &sealed[..16]), (&protected, &tag[..]));
    transform.open(Opening { iv: iv(nonce), packet: &mut packet, clear, trailer, tag: &tag }).unwrap();
    assert_eq!(packet, plain);
    for at in 0..16 {
        let mut forged = tag.clone();
        forged[at] ^= 1;
        let mut packet = protected.clone();
        let opening = Opening { iv: iv(nonce), packet: &mut packet, clear, trailer, tag: &forged };
        assert!(transform.open(opening).is_err());
    }
    for len in 0..16 {
        let mut packet = protected.clone();
        let opening = Opening { iv: iv(nonce), packet: &mut packet, clear, trailer, tag: &tag[..len] };
        assert!(transform.open(opening).is_err(), "a tag of {len} octets");
    }
}

const RTP: &str =
    "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465
    73207472 6573";
const RTP_NONCE: &str = "51753c6580c2726f20718414";

#[test]
fn srtp_aes_128() {
    let protected =
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
        51c7d19b 36de3adf 8833";
    both_ways(16, RTP_NONCE, 12, None, RTP, protected, "899d7f27 beb16a91 52cf765e e4390cce");
}

#[test]
fn srtp_aes_128_tagging_only() {
    both_ways(16, RTP_NONCE, 50, None, RTP, RTP, "22493f82 d2bce397 e9d79e3b 19aa4216");
}

#[test]
fn srtp_aes_256() {
    let protected =
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02
        76ffae0f 1ba63799 b87b";
    both_ways(32, RTP_NONCE, 12, None, RTP, protected, "7aa3db36 dfffd6b0 f9bb7878 d7a76c13");
}

const RTCP: &str =
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
    deadbeef deadbeef";
const RTCP_NONCE: &str = "517524055203726f207170bb";
const E_AND_INDEX: [u8; 4] = [0x80, 0, 5, 0xd4];

#[test]
fn srtcp_aes_128() {
    let protected =
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
        4ce09b46 86303ded 0bb9275b";
    let tag = "c84aa458 96cf4d2f c5abf872 45d9eade";
    both_ways(16, RTCP_NONCE, 8, Some(E_AND_INDEX), RTCP, protected, tag);
}

#[test]
fn srtcp_aes_256() {
    let protected =
        "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be
        8415f658 c61de047 6f1b6fad";
    let tag = "1d1eb30c 4446839f 57ff6f6c b26ac3be";
    both_ways(32, RTCP_NONCE, 8, Some(E_AND_INDEX), RTCP, protected, tag);
}

/// The word of E flag and index stands at the end of the packet, all of which is associated data.
#[test]
fn srtcp_tagging_only() {
    let packet = format!("{RTCP} 000005d4");
    both_ways(16, RTCP_NONCE, 56, None, &packet, &packet, "841dd968 3dd78ec9 2ae58790 125f62b3");
    both_ways(32, RTCP_NONCE, 56, None, &packet, &packet, "91db4afb feee5a97 8fab4393 ed2615fe");
}
