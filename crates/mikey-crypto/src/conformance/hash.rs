//! Hashes (FIPS 180-4), HMAC (RFC 4231; SHA-1 with the same inputs) and the MIKEY PRF.

use alloc::format;

use super::{Report, flipped, hex};
use crate::{CryptoProvider, Hash, Prf, PrfId};

pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    one(checks, "SHA-1", provider.sha1, &SHA1);
    one(checks, "SHA-256", provider.sha256, &SHA256);
    for (id, name, answers) in
        [(PrfId::HMAC_SHA_256, "SHA-256", &SHA256), (PrfId::HMAC_SHA_384, "SHA-384", &SHA384)]
    {
        if let Some(prf) = provider.prf(id) {
            one(checks, name, prf.hash, answers);
            prf_of(checks, &prf);
        }
    }
    mikey1(checks, &Prf::mikey1(provider.sha1));
}

/// Digests and MACs of one hash, hexadecimal.
struct Answers {
    /// Of nothing, of "abc", of the octets 0 to 199.
    digests: [&'static str; 3],
    /// RFC 4231 test cases 1, 2 and 6, and nothing under no key.
    macs: [&'static str; 4],
}

fn one(checks: &mut Report, name: &str, hash: &dyn Hash, answers: &Answers) {
    let octets: [u8; 200] = core::array::from_fn(|n| n.to_le_bytes().first().copied().unwrap_or(0));
    let (head, tail) = octets.split_at(77);
    let inputs: [&[&[u8]]; 3] = [&[], &[b"abc"], &[head, &[], tail]];
    for (input, wanted) in inputs.iter().zip(answers.digests) {
        checks.equal(format!("{name} of {input:02x?}"), hash.digest(input).as_ref(), wanted);
    }
    let output_len = hash.digest(&[]).as_ref().len();
    checks.that(format!("{name} says how long its output is"), output_len == hash.output_len());

    let long_key = [0xaa; 131];
    let inputs: [(&[u8], &[&[u8]]); 4] = [
        (&[0x0b; 20], &[b"Hi", b" There"]),
        (b"Jefe", &[b"what do ya want for nothing?"]),
        (&long_key, &[b"Test Using Larger Than Block-Size Key", b" - Hash Key First"]),
        (&[], &[]),
    ];
    for ((key, parts), wanted) in inputs.iter().zip(answers.macs) {
        let case = format!("HMAC-{name} under a key of {} octets", key.len());
        checks.equal(&*case, hash.hmac(key, parts).expose(), wanted);
        let kept = hash.hmac_key(key);
        for _ in 0..2 {
            let mut short = [0; 10];
            kept.mac(parts, &mut short);
            checks.that(format!("{case}, kept and truncated"), hex(wanted).starts_with(&short));
        }
        let mac = hex(wanted);
        checks.that(format!("{case} verifies"), hash.hmac_verify(key, parts, &mac).is_ok());
        let refused = |mac: &[u8]| hash.hmac_verify(key, parts, mac).is_err();
        checks.that(format!("{case}, first bit flipped"), refused(&flipped(&mac, 0)));
        checks.that(format!("{case}, last bit flipped"), refused(&flipped(&mac, 8 * mac.len() - 1)));
        checks.that(format!("{case}, one octet missing"), refused(mac.get(1..).unwrap_or_default()));
        checks.that(format!("{case}, one octet more"), refused(&[&*mac, &[0]].concat()));
        checks.that(format!("{case}, no MAC"), refused(&[]));
    }
}

fn prf_of(checks: &mut Report, prf: &Prf) {
    for answer in PRFS.iter().filter(|answer| answer.id == prf.id.0) {
        let (inkey, label, out) = (hex(answer.inkey), hex(answer.label), hex(answer.out));
        let (a, b) = label.split_at(label.len() / 3);
        let case = format!("PRF {} from {} to {} octets", answer.id, inkey.len(), out.len());
        checks.equal(&*case, prf.derive(&inkey, &[a, &[], b], out.len()).expose(), answer.out);
        let kept = prf.key(&inkey);
        for _ in 0..2 {
            let case = format!("{case}, key kept");
            checks.equal(case, kept.derive(&[a, &[], b], out.len()).expose(), answer.out);
        }
    }
}

/// An answer of libmikey (`vectors/external/mikey1_prf_sha1.json`).
fn mikey1(checks: &mut Report, prf: &Prf) {
    let inkey: [u8; 16] = core::array::from_fn(|n| (n * 7 + 1).to_le_bytes().first().copied().unwrap_or(0));
    let label = hex("2ad01c64 00 12345678 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
    let wanted = "0fcd76773dc64e23b17fe67580fe35f227b9eae5747fba3c8c356733ba46cc18";
    checks.equal("RFC 3830's PRF", prf.derive(&inkey, &[&label], 32).expose(), wanted);
}

const SHA1: Answers = Answers {
    digests: [
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "54d11e99127d159799dbce10f51a75e697780478",
    ],
    macs: [
        "b617318655057264e28bc0b6fb378c8ef146be00",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        "90d0dace1c1bdc957339307803160335bde6df2b",
        "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d",
    ],
};

const SHA256: Answers = Answers {
    digests: [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "1901da1c9f699b48f6b2636e65cbf73abf99d0441ef67f5c540a42f7051dec6f",
    ],
    macs: [
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
    ],
};

const SHA384: Answers = Answers {
    digests: [
        "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        "7ea4bb2534c67036f49de7beb5fe8a2478df04ff3fef40a9cd4923999a590e9912df1297217ce1a021aa2fb1013498b8",
    ],
    macs: [
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        "6c1f2ee938fad2e24bd91298474382ca218c75db3d83e114b3d4367776d14d3551289e75e8209cd4b792302840234adc",
    ],
};

struct PrfAnswer {
    id: u8,
    inkey: &'static str,
    label: &'static str,
    out: &'static str,
}

/// Computed independently: `vectors/generated/prf.py`, which has more.
const PRFS: &[PrfAnswer] = &[
    PrfAnswer {
        id: 1,
        inkey: "10171e252c333a41484f565d646b7279",
        label: "20272e353c434a51585f666d747b828990979ea5acb3bac1c8",
        out: "987be7b3b74704bb7c2f07d1129a22a071baea5438dec5bbed14b3bb13dd3912",
    },
    PrfAnswer {
        id: 1,
        inkey: "21282f363d444b525960676e757c838a91989fa6adb4bbc2c9d0d7dee5ecf3fa
                01",
        label: "676e757c838a91989fa6adb4bbc2c9d0d7dee5ecf3fa01080f",
        out: "7b61d6f01e4daed7d9c981e6a375cec671493a7103954b9f7bdcc4b2c0c18e2f
              06e1cac2e1b0de882878fe31dcdab16772b22003e6f4fa4d53736db4e3cbe05c
              7a4e60a937d42afee3b57c60ff02641a9875311fea32006ec08a6e796722aabd
              b6f169b38b438f",
    },
    PrfAnswer {
        id: 2,
        inkey: "10171e252c333a41484f565d646b7279",
        label: "30373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8",
        out: "ccfc248d787ffd41b785142a371db9fe5f35022cf990182303e9c053e5b0c371
              4d5ce789d7559414583dfc974aaa4fd1",
    },
    PrfAnswer {
        id: 2,
        inkey: "40474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6fd040b1219
                20272e353c434a51585f666d747b828990979ea5acb3bac1c8cfd6dde4ebf2f9",
        label: "31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9",
        out: "fefc7067a7793188d8a949a3310055dbb7c0385b111b6d8ebb1ba1b99fc70d89
              734efe11a1c63e454ea559c07fd3e327f0",
    },
    PrfAnswer {
        id: 2,
        inkey: "41484f565d646b727980878e959ca3aab1b8bfc6cdd4dbe2e9f0f7fe050c131a
                21282f363d444b525960676e757c838a91989fa6adb4bbc2c9d0d7dee5ecf3fa
                01",
        label: "30373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8",
        out: "32312ae03b4312a2c19d39a758534a81a036904d75fed5d6dde97c16d3d83bc4
              8700f0fccbd003be5dedd5cdfe8ee94f",
    },
    PrfAnswer {
        id: 2,
        inkey: "bbc2c9d0d7dee5ecf3fa01080f161d242b323940474e555c636a71787f868d94
                9ba2a9b0b7bec5ccd3dae1e8eff6fd040b121920272e353c434a51585f666d74
                7b828990979ea5acb3bac1c8cfd6dde4ebf2f900070e151c232a31383f464d54
                5b626970777e858c939aa1a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d34
                3b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d14
                1b222930373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1",
        label: "979ea5acb3bac1c8cfd6dde4ebf2f900070e151c232a31383f",
        out: "27426577f90884e07edc9cbd17360b0903781f6d1cb86a668ec6c338d6b0d70d
              133ce8f205ab6b2d34b558e7f4ba51fbb8ab53b079189ddac0faa5d19b1c5102
              8d5e89fbcd11c797a19953c43752b9e4b340da6218e431be6878d76dd07e4636
              d81c8b30563393a44030d103658f1036c9caa0b75580bc9997e0ec2667672540
              2211c80e467776a1b03c0939fd3538c64d47a8d858cf5d",
    },
];
