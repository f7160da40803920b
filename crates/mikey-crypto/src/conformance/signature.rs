//! Signatures: Ed25519 (RFC 8032 section 7.1), ECDSA (RFC 6979 appendix A.2.5 and A.2.6), RSASSA-PSS (made by
//! pyca/cryptography, `data/make.py`), and keys and signatures that must be refused.

use alloc::format;
use alloc::vec::Vec;

use super::{Report, flipped, hex};
use crate::{CryptoProvider, MethodId, SignatureScheme};

/// What the files in `data` sign.
const MESSAGE: &[u8] = b"MIKEYv2 conformance";

// R9.8
pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    certificates(checks, provider);
    for scheme in provider.signatures {
        for answer in &answers() {
            if scheme.method() == answer.method {
                known(checks, *scheme, answer);
            } else {
                let refused = scheme.verify(&answer.spki, &answer.message, &answer.signature).is_err();
                checks.that(
                    format!("method {} refuses a key of method {}", scheme.method().0, answer.method.0),
                    refused,
                );
            }
        }
        match scheme.method() {
            MethodId::ED25519 => ed25519(checks, *scheme),
            MethodId::ECDSA_P256_SHA256 | MethodId::ECDSA_P384_SHA384 => ecdsa(checks, *scheme),
            MethodId::RSA_PSS_SHA256 => rsa(checks, *scheme),
            _ => {}
        }
    }
    signers(checks, provider);
    v1(checks, provider);
}

/// RSASSA-PKCS1-v1_5, which version 1 has.
fn v1(checks: &mut Report, provider: &CryptoProvider) {
    let spki = include_bytes!("data/rsa2048.spki");
    let sha256 = include_bytes!("data/rsa2048.pkcs1");
    let sha1 = include_bytes!("data/rsa2048.pkcs1-sha1");
    for (name, verify, good, others) in [
        (
            "SHA-256",
            provider.v1.verify_rsa_pkcs1_sha256,
            sha256,
            [&sha1[..], include_bytes!("data/rsa2048.pss")],
        ),
        ("SHA-1", provider.v1.verify_rsa_pkcs1_sha1, sha1, [&sha256[..], include_bytes!("data/rsa2048.pss")]),
    ] {
        checks.that(format!("RSA PKCS #1 with {name} verifies"), verify(spki, MESSAGE, good).is_ok());
        checks.that(
            format!("RSA PKCS #1 with {name} refuses another message"),
            verify(spki, b"another", good).is_err(),
        );
        for other in
            others.into_iter().chain([&flipped(good, 9)[..], good.split_last().map_or(&[], |(_, h)| h)])
        {
            checks.that(
                format!("RSA PKCS #1 with {name} refuses what is no signature of its kind"),
                verify(spki, MESSAGE, other).is_err(),
            );
        }
        let long = verify(include_bytes!("data/rsa4104.spki"), MESSAGE, good);
        checks.that(format!("RSA PKCS #1 with {name} refuses a key of 4104 bits"), long.is_err());
    }
    let rsa = (provider.load_signer)(include_bytes!("data/rsa2048.pkcs8"));
    let made = rsa.ok().and_then(|signer| signer.sign_rsa_pkcs1(MESSAGE).ok());
    checks.that(
        "RSA PKCS #1 makes the signature of another implementation",
        made.is_some_and(|made| made == sha256),
    );
    let p256 = (provider.load_signer)(include_bytes!("data/p256.pkcs8"));
    checks.that(
        "an EC key makes no RSA signature",
        p256.is_ok_and(|signer| signer.sign_rsa_pkcs1(MESSAGE).is_err()),
    );
}

fn certificates(checks: &mut Report, provider: &CryptoProvider) {
    let algorithms = provider.certificate_algorithms;
    checks.that("certificates can be verified", !algorithms.is_empty());
    // md5WithRSAEncryption, sha1WithRSAEncryption, dsa-with-sha1, ecdsa-with-SHA1 (RFC 3279 section 2.2).
    for weak in ["2a864886f70d010104", "2a864886f70d010105", "2a8648ce380403", "2a8648ce3d0401"] {
        let oid = hex(weak);
        let found =
            algorithms.iter().any(|a| a.signature_alg_id().windows(oid.len()).any(|part| part == oid));
        checks.that(format!("no certificate algorithm has the OID {weak}"), !found);
    }
}

struct Answer {
    method: MethodId,
    spki: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn answers() -> [Answer; 7] {
    let ed25519 = |key: &str, message: &str, signature: &str| Answer {
        method: MethodId::ED25519,
        spki: ed25519_spki(&hex(key)),
        message: hex(message),
        signature: hex(signature),
    };
    let file = |method, spki: &[u8], message: &[u8], signature: Vec<u8>| Answer {
        method,
        spki: spki.to_vec(),
        message: message.to_vec(),
        signature,
    };
    let rsa = MethodId::RSA_PSS_SHA256;
    [
        ed25519(ED25519_1.1, "", ED25519_1.2),
        ed25519(ED25519_2.1, "72", ED25519_2.2),
        ed25519(ED25519_3.1, "af82", ED25519_3.2),
        file(MethodId::ECDSA_P256_SHA256, &hex(P256_SPKI), b"sample", hex(P256_SAMPLE)),
        file(MethodId::ECDSA_P384_SHA384, &hex(P384_SPKI), b"sample", hex(P384_SAMPLE)),
        file(rsa, include_bytes!("data/rsa2048.spki"), MESSAGE, include_bytes!("data/rsa2048.pss").to_vec()),
        file(rsa, include_bytes!("data/rsa4096.spki"), MESSAGE, include_bytes!("data/rsa4096.pss").to_vec()),
    ]
}

fn known(checks: &mut Report, scheme: &dyn SignatureScheme, answer: &Answer) {
    let id = scheme.method().0;
    let Answer { spki, message, signature, .. } = answer;
    checks.that(
        format!("method {id} verifies a known signature"),
        scheme.verify(spki, message, signature).is_ok(),
    );
    let mut refuse = |what: &str, spki: &[u8], message: &[u8], signature: &[u8]| {
        checks.that(format!("method {id} refuses {what}"), scheme.verify(spki, message, signature).is_err());
    };
    let bits = 8 * signature.len();
    for bit in [0, 7, bits / 2 - 1, bits / 2, bits - 8, bits - 1] {
        refuse("a signature with a bit flipped", spki, message, &flipped(signature, bit));
    }
    refuse("a longer message", spki, &[&**message, &[0]].concat(), signature);
    if !message.is_empty() {
        refuse("a message with a bit flipped", spki, &flipped(message, 5), signature);
    }
    refuse(
        "a signature without its last octet",
        spki,
        message,
        signature.split_last().map_or(&[], |(_, head)| head),
    );
    refuse("a signature with an octet more", spki, message, &[&**signature, &[0]].concat());
    refuse("no signature", spki, message, &[]);
    refuse("a signature of zeros", spki, message, &Vec::from([0]).repeat(signature.len()));
    for bit in [2, 8 * 10, 8 * (spki.len() - 12)] {
        refuse("a key with a bit flipped", &flipped(spki, bit), message, signature);
    }
    refuse("a key with an octet after it", &[&**spki, &[0]].concat(), message, signature);
    refuse(
        "a key without its last octet",
        spki.split_last().map_or(&[], |(_, head)| head),
        message,
        signature,
    );
    refuse("no key", &[], message, signature);
}

fn ed25519(checks: &mut Report, scheme: &dyn SignatureScheme) {
    // S + L instead of S, of the first test: the equation holds, the range does not (RFC 8032 section 5.1.7).
    let r_and_s_plus_l = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
                          4c8c7872aa064e049dbb3013fbf29380d25bf5f0595bbe24655141438e7a101b";
    let refused = scheme.verify(&ed25519_spki(&hex(ED25519_1.1)), b"", &hex(r_and_s_plus_l)).is_err();
    checks.that("Ed25519 refuses S + L", refused);
    // With A of small order and S = 0, R = -kA for some k below 8: one of eight points fits any message.
    for key in SMALL_ORDER {
        for sign in [0, 255] {
            let key = if sign == 0 { hex(key) } else { flipped(&hex(key), sign) };
            let forged = SMALL_ORDER.iter().any(|r| {
                [hex(r), flipped(&hex(r), 255)].iter().any(|r| {
                    let signature = [&**r, &[0; 32]].concat();
                    (0u8..8).any(|message| scheme.verify(&ed25519_spki(&key), &[message], &signature).is_ok())
                })
            });
            checks.that(format!("Ed25519 refuses the small-order key {key:02x?}"), !forged);
        }
    }
}

fn ecdsa(checks: &mut Report, scheme: &dyn SignatureScheme) {
    let (spki, good, order, x_only) = if scheme.method() == MethodId::ECDSA_P256_SHA256 {
        (hex(P256_SPKI), hex(P256_SAMPLE), hex(P256_ORDER), hex(P256_COMPRESSED_SPKI))
    } else {
        (hex(P384_SPKI), hex(P384_SAMPLE), hex(P384_ORDER), hex(P384_COMPRESSED_SPKI))
    };
    let id = scheme.method().0;
    let (r, s) = good.split_at(good.len() / 2);
    let zero = Vec::from([0]).repeat(r.len());
    for (what, signature) in [
        ("r = 0", [&*zero, s].concat()),
        ("s = 0", [r, &*zero].concat()),
        ("r = n", [&*order, s].concat()),
        ("s = n", [r, &*order].concat()),
        ("s and r exchanged", [s, r].concat()),
        ("DER", der_signature(r, s)),
    ] {
        let refused = scheme.verify(&spki, b"sample", &signature).is_err();
        checks.that(format!("method {id} refuses {what}"), refused);
    }
    let off_curve = flipped(&spki, 8 * spki.len() - 8);
    checks.that(
        format!("method {id} refuses a key off the curve"),
        scheme.verify(&off_curve, b"sample", &good).is_err(),
    );
    checks.that(
        format!("method {id} refuses a compressed key"),
        scheme.verify(&x_only, b"sample", &good).is_err(),
    );
}

fn rsa(checks: &mut Report, scheme: &dyn SignatureScheme) {
    let spki = include_bytes!("data/rsa2048.spki");
    for (what, signature) in [
        ("PSS with a salt of 20 octets", &include_bytes!("data/rsa2048.pss-salt20")[..]),
        ("PSS with SHA-384", include_bytes!("data/rsa2048.pss-sha384")),
        ("PKCS #1 version 1.5", include_bytes!("data/rsa2048.pkcs1")),
    ] {
        checks.that(format!("RSA refuses {what}"), scheme.verify(spki, MESSAGE, signature).is_err());
    }
    let short =
        scheme.verify(include_bytes!("data/rsa1024.spki"), MESSAGE, include_bytes!("data/rsa1024.pss"));
    checks.that("RSA refuses a good signature of 1024 bits", short.is_err());
    let long =
        scheme.verify(include_bytes!("data/rsa4104.spki"), MESSAGE, include_bytes!("data/rsa4104.pss"));
    checks.that("RSA refuses a good signature of 4104 bits", long.is_err());
}

fn signers(checks: &mut Report, provider: &CryptoProvider) {
    for (secret, public, wanted, message) in
        [(ED25519_1, ""), (ED25519_2, "72"), (ED25519_3, "af82")].map(|((s, p, w), m)| (s, p, w, m))
    {
        let signer = (provider.load_signer)(&hex(&[ED25519_PKCS8, secret].concat()));
        let Ok(signer) = signer else {
            checks.that("an Ed25519 key is loaded", false);
            continue;
        };
        checks.that("the public key of an Ed25519 key", signer.public_key() == ed25519_spki(&hex(public)));
        let made = signer.sign(&*provider.random, &hex(message));
        checks.that("Ed25519 makes the signature of RFC 8032", made.is_ok_and(|made| made == hex(wanted)));
    }
    for (name, pkcs8, method, len, spki) in [
        ("P-256", &include_bytes!("data/p256.pkcs8")[..], MethodId::ECDSA_P256_SHA256, 64, hex(P256_SPKI)),
        ("P-384", include_bytes!("data/p384.pkcs8"), MethodId::ECDSA_P384_SHA384, 96, hex(P384_SPKI)),
        (
            "RSA",
            include_bytes!("data/rsa2048.pkcs8"),
            MethodId::RSA_PSS_SHA256,
            256,
            include_bytes!("data/rsa2048.spki").to_vec(),
        ),
    ] {
        let Ok(signer) = (provider.load_signer)(pkcs8) else {
            checks.that(format!("a key for {name} is loaded"), false);
            continue;
        };
        checks.that(format!("the method of a key for {name}"), signer.method() == method);
        checks.that(format!("the public key of a key for {name}"), signer.public_key() == spki);
        for message in [&b""[..], MESSAGE, &[7; 1000]] {
            let made = signer.sign(&*provider.random, message).unwrap_or_default();
            let verified =
                provider.signature(method).is_some_and(|s| s.verify(&spki, message, &made).is_ok());
            checks.that(format!("a signature by {name} verifies"), verified && made.len() == len);
        }
        // Octet 40 is of the scalar, octet 100 of the modulus; the public key behind it stays.
        let inside = if method == MethodId::RSA_PSS_SHA256 { 100 } else { 40 };
        let bad = [
            flipped(pkcs8, 8 * inside),
            flipped(pkcs8, 4),
            [pkcs8, &[0]].concat(),
            pkcs8.split_last().map_or(Vec::new(), |(_, h)| h.to_vec()),
        ];
        for bad in bad {
            checks
                .that(format!("a damaged key for {name} is refused"), (provider.load_signer)(&bad).is_err());
        }
    }
    let (secret, public, _) = ED25519_1;
    let with_public = |public| hex(&[ED25519_PKCS8_V2, secret, "812100", public].concat());
    checks.that(
        "an Ed25519 key with its public key is loaded",
        (provider.load_signer)(&with_public(public)).is_ok(),
    );
    for (what, pkcs8) in [
        ("nothing", Vec::new()),
        ("an Ed25519 key with another public key", with_public(ED25519_2.1)),
        ("an RSA key of 1024 bits", include_bytes!("data/rsa1024.pkcs8").to_vec()),
        ("an RSA key of 4104 bits", include_bytes!("data/rsa4104.pkcs8").to_vec()),
        ("a P-521 key", include_bytes!("data/p521.pkcs8").to_vec()),
        ("an X25519 key", hex(&["302e020100300506032b656e04220420", ED25519_1.0].concat())),
        ("a public key", hex(P256_SPKI)),
    ] {
        checks.that(format!("as a private key {what} is refused"), (provider.load_signer)(&pkcs8).is_err());
    }
}

/// RFC 8410 section 4.
fn ed25519_spki(key: &[u8]) -> Vec<u8> {
    [&*hex("302a300506032b6570032100"), key].concat()
}

/// An ECDSA-Sig-Value (RFC 3279 section 2.2.3) of two numbers with their top bits set.
fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let len = u8::try_from(number.len() + 1).unwrap_or(0);
        [&[2, len, 0], number].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap_or(0)], &*both].concat()
}

/// The start of a PKCS #8 Ed25519 key, up to the 32 octets of the secret.
const ED25519_PKCS8: &str = "302e020100300506032b657004220420";

/// The same with a public key behind it (RFC 5958).
const ED25519_PKCS8_V2: &str = "3051020101300506032b657004220420";

/// RFC 8032 section 7.1, tests 1, 2 and 3: secret key, public key, signature.
type Ed25519Test = (&'static str, &'static str, &'static str);
const ED25519_1: Ed25519Test = (
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
     5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
);
const ED25519_2: Ed25519Test = (
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
     085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);
const ED25519_3: Ed25519Test = (
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
     18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
);

/// y of the points of order 1, 2, 4 and 8, and the two of them that have a second, unreduced form.
const SMALL_ORDER: [&str; 7] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

const P256_SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004
    60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
    7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
const P256_COMPRESSED_SPKI: &str = "3039301306072a8648ce3d020106082a8648ce3d03010703220003
    60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
const P256_SAMPLE: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
    f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

const P384_SPKI: &str = "3076301006072a8648ce3d020106052b8104002203620004
    ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13
    8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720";
const P384_COMPRESSED_SPKI: &str = "3046301006072a8648ce3d020106052b8104002203320002
    ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13";
const P384_SAMPLE: &str =
    "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46
    99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8";
const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
