//! Protection suites: NIST SP 800-38A appendix F.5, the GCM specification's test cases 4 and 16, RFC 8439 section 2.8.2.

use alloc::format;

use super::{Report, flipped, hex};
use crate::{Aead, CryptoProvider, CtrCipher, Suite, SuiteId, SuiteKind};

pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    for suite in provider.suites {
        let id = suite.id.0;
        checks.that(format!("suite {id} has the numbers of docs/spec.md"), numbers(suite));
        match suite.kind {
            SuiteKind::CtrHmac { cipher, hash } => {
                checks.that(format!("suite {id} authenticates with SHA-256"), hash.output_len() == 32);
                counter_mode(checks, suite, cipher);
            }
            SuiteKind::Aead(cipher) => {
                for answer in AEADS.iter().filter(|answer| answer.suite == suite.id) {
                    aead(checks, answer, cipher);
                }
            }
        }
    }
}

/// Encr alg, Mac alg, and lengths of key, salt, authentication key and MAC.
fn numbers(suite: &Suite) -> bool {
    let lengths = (suite.key_len, suite.salt_len, suite.auth_key_len, suite.mac_len);
    let wanted = match suite.id {
        SuiteId::AES_CM_128_HMAC_SHA_256 => (1, 2, (16, 14, 32, 32)),
        SuiteId::AES_CM_256_HMAC_SHA_256 => (3, 2, (32, 14, 32, 32)),
        SuiteId::AES_128_GCM => (64, 64, (16, 12, 0, 16)),
        SuiteId::AES_256_GCM => (65, 64, (32, 12, 0, 16)),
        SuiteId::CHACHA20_POLY1305 => (66, 64, (32, 12, 0, 16)),
        _ => return false,
    };
    (suite.encr_alg, suite.mac_alg, lengths) == wanted
}

fn counter_mode(checks: &mut Report, suite: &Suite, cipher: &dyn CtrCipher) {
    let id = suite.id.0;
    let (key, wanted) = if suite.key_len == 16 {
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff
             5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        )
    } else {
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5
             2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
        )
    };
    let iv = core::array::from_fn(|n| 0xf0 | n.to_be_bytes().last().copied().unwrap_or(0));
    let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
                     30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    let key = hex(key);
    for len in [plain.len(), 17, 1, 0] {
        let mut data = plain.get(..len).unwrap_or_default().to_vec();
        let done = cipher.apply(&key, &iv, &mut data).is_ok();
        let wanted = hex(wanted);
        checks.that(
            format!("suite {id} encrypts {len} octets in counter mode"),
            done && Some(&*data) == wanted.get(..len),
        );
    }
    for wrong in [0, 15, 16, 17, 24, 31, 32, 33] {
        if wrong != suite.key_len {
            let key = [7].repeat(wrong);
            let refused = cipher.apply(&key, &iv, &mut plain.clone()).is_err();
            checks.that(format!("suite {id} refuses a key of {wrong} octets"), refused);
        }
    }
}

fn aead(checks: &mut Report, answer: &AeadAnswer, cipher: &dyn Aead) {
    let id = answer.suite.0;
    let (key, aad, plain) = (hex(answer.key), hex(answer.aad), hex(answer.plain));
    let (sealed, tag) = (hex(answer.sealed), hex(answer.tag));
    let Ok(nonce) = <[u8; 12]>::try_from(hex(answer.nonce)) else { return };

    let mut data = plain.clone();
    let made = cipher.seal(&key, &nonce, &aad, &mut data);
    checks.that(
        format!("suite {id} seals to the known answer"),
        data == sealed && made.is_ok_and(|t| t == *tag),
    );
    let mut open =
        |name: &str, wanted: bool, key: &[u8], nonce: &[u8; 12], aad: &[u8], sealed: &[u8], tag: &[u8]| {
            let mut data = sealed.to_vec();
            let opened = cipher.open(key, nonce, aad, &mut data, tag).is_ok();
            checks.that(format!("suite {id} {name}"), if wanted { opened && data == plain } else { !opened });
        };
    open("opens the known answer", true, &key, &nonce, &aad, &sealed, &tag);
    for bit in [0, 77, 127] {
        open("refuses a tag with a bit flipped", false, &key, &nonce, &aad, &sealed, &flipped(&tag, bit));
        open("refuses data with a bit flipped", false, &key, &nonce, &aad, &flipped(&sealed, bit), &tag);
        open("refuses a key with a bit flipped", false, &flipped(&key, bit), &nonce, &aad, &sealed, &tag);
    }
    open("refuses additional data with a bit flipped", false, &key, &nonce, &flipped(&aad, 3), &sealed, &tag);
    let mut other = nonce;
    other.reverse();
    open("refuses another nonce", false, &key, &other, &aad, &sealed, &tag);
    for len in [0, 4, 12, 15] {
        let short = tag.get(..len).unwrap_or_default();
        open("refuses a truncated tag", false, &key, &nonce, &aad, &sealed, short);
    }
    open("refuses a longer tag", false, &key, &nonce, &aad, &sealed, &[&*tag, &[0]].concat());
    open("refuses a short key", false, key.get(1..).unwrap_or_default(), &nonce, &aad, &sealed, &tag);
    open("refuses a long key", false, &[&*key, &[0]].concat(), &nonce, &aad, &sealed, &tag);
    open("refuses truncated data", false, &key, &nonce, &aad, sealed.get(1..).unwrap_or_default(), &tag);
    let sealed = cipher.seal(&[&*key, &[0]].concat(), &nonce, &aad, &mut plain.clone());
    checks.that(format!("suite {id} refuses to seal with a long key"), sealed.is_err());
}

struct AeadAnswer {
    suite: SuiteId,
    key: &'static str,
    nonce: &'static str,
    aad: &'static str,
    plain: &'static str,
    sealed: &'static str,
    tag: &'static str,
}

const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";

const AEADS: &[AeadAnswer] = &[
    AeadAnswer {
        suite: SuiteId::AES_128_GCM,
        key: "feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plain: GCM_PLAIN,
        sealed: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
                 21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        tag: "5bc94fbc3221a5db94fae95ae7121a47",
    },
    AeadAnswer {
        suite: SuiteId::AES_256_GCM,
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plain: GCM_PLAIN,
        sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        tag: "76fc6ece0f4e1768cddf8853bb2d551b",
    },
    AeadAnswer {
        suite: SuiteId::CHACHA20_POLY1305,
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        nonce: "070000004041424344454647",
        aad: "50515253c0c1c2c3c4c5c6c7",
        plain: "4c616469657320616e642047656e746c656d656e206f662074686520636c6173
                73206f66202739393a204966204920636f756c64206f6666657220796f75206f
                6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73
                637265656e20776f756c642062652069742e",
        sealed: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
                 3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
                 92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
                 3ff4def08e4b7a9de576d26586cec64b6116",
        tag: "1ae10b594f09e26a7e902ecbd0600691",
    },
];
