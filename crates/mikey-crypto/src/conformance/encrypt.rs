//! RSAES-OAEP: ciphertexts that another implementation made (pyca/cryptography, `data/make_oaep.py`), and everything
//! that must be refused alike.

use alloc::format;
use alloc::vec::Vec;

use super::{Report, flipped};
use crate::{CryptoProvider, Decryptor, MethodId, SecretBytes};

/// What the files in `data` encrypt.
const SECRET: &[u8] = b"MIKEYv2 conformance, 32 octets..";

const KEY: &[u8] = include_bytes!("data/rsa2048.pkcs8");
const SPKI: &[u8] = include_bytes!("data/rsa2048.spki");
const CIPHERTEXT: &[u8] = include_bytes!("data/rsa2048.oaep");

pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    checks.that("the encryption scheme is method 7", provider.rsa_oaep.method() == MethodId::RSA_OAEP);
    keys(checks, provider);
    encryption(checks, provider);
    match (provider.load_decryptor)(KEY) {
        Ok(key) => decryption(checks, provider, &*key),
        Err(_) => checks.that("an RSA key that decrypts is loaded", false),
    }
}

fn keys(checks: &mut Report, provider: &CryptoProvider) {
    let loaded = (provider.load_decryptor)(KEY);
    let right = loaded.is_ok_and(|key| key.method() == MethodId::RSA_OAEP && key.public_key() == SPKI);
    checks.that("a decryptor knows its method and its public key", right);
    for (what, pkcs8) in [
        ("nothing", Vec::new()),
        ("a damaged modulus", flipped(KEY, 800)),
        ("damaged DER", flipped(KEY, 4)),
        ("an octet after it", [KEY, &[0]].concat()),
        ("the last octet cut off", KEY.split_last().map_or(Vec::new(), |(_, head)| head.to_vec())),
        ("1024 bits", include_bytes!("data/rsa1024.pkcs8").to_vec()),
        ("4104 bits", include_bytes!("data/rsa4104.pkcs8").to_vec()),
        ("a key for P-256", include_bytes!("data/p256.pkcs8").to_vec()),
        ("a public key", SPKI.to_vec()),
    ] {
        let refused = (provider.load_decryptor)(&pkcs8).is_err();
        checks.that(format!("a key that decrypts is refused: {what}"), refused);
    }
}

fn encryption(checks: &mut Report, provider: &CryptoProvider) {
    let encrypt = |spki: &[u8], secret: &[u8]| provider.rsa_oaep.encrypt(&*provider.random, spki, secret);
    let both = (encrypt(SPKI, SECRET), encrypt(SPKI, SECRET));
    checks.that("no two encryptions are alike", both.0.is_ok() && both.0 != both.1);
    checks.that("190 octets fit 2048 bits", encrypt(SPKI, &[7; 190]).is_ok_and(|c| c.len() == 256));
    checks.that("191 octets do not", encrypt(SPKI, &[7; 191]).is_err());
    let long = include_bytes!("data/rsa4096.spki");
    checks.that("4096 bits are taken", encrypt(long, SECRET).is_ok_and(|c| c.len() == 512));
    for (what, spki) in [
        ("nothing", Vec::new()),
        ("1024 bits", include_bytes!("data/rsa1024.spki").to_vec()),
        ("4104 bits", include_bytes!("data/rsa4104.spki").to_vec()),
        ("another algorithm", flipped(SPKI, 8 * 10)),
        ("an octet after it", [SPKI, &[0]].concat()),
        ("the last octet cut off", SPKI.split_last().map_or(Vec::new(), |(_, head)| head.to_vec())),
        ("a private key", KEY.to_vec()),
    ] {
        checks.that(format!("a key to encrypt to is refused: {what}"), encrypt(&spki, SECRET).is_err());
    }
}

fn decryption(checks: &mut Report, provider: &CryptoProvider, key: &dyn Decryptor) {
    let opens =
        |ciphertext: &[u8], secret: &[u8]| key.decrypt(ciphertext).is_ok_and(|s| s.expose() == secret);
    checks.that("a known ciphertext decrypts", opens(CIPHERTEXT, SECRET));
    for secret in [&b""[..], SECRET, &[7; 190]] {
        let made = provider.rsa_oaep.encrypt(&*provider.random, SPKI, secret).unwrap_or_default();
        checks.that(format!("{} octets there and back", secret.len()), opens(&made, secret));
    }
    let mut refuse = |what: &str, ciphertext: &[u8]| {
        checks.that(format!("decryption refuses {what}"), key.decrypt(ciphertext).is_err());
        let substitute = SecretBytes::copy_from(&[9; 32]);
        let replaced = key.decrypt_or(ciphertext, substitute).expose() == [9; 32];
        checks.that(format!("the substitute stands for {what}"), replaced);
    };
    for bit in (0..8 * CIPHERTEXT.len()).step_by(97) {
        refuse("a ciphertext with a bit flipped", &flipped(CIPHERTEXT, bit));
    }
    refuse("nothing", &[]);
    refuse("zero", &[0; 256]);
    refuse("one", &[&[0; 255][..], &[1]].concat());
    refuse("a number above the modulus", &[0xff; 256]);
    refuse("an octet more", &[CIPHERTEXT, &[0]].concat());
    refuse("a zero before it", &[&[0], CIPHERTEXT].concat());
    refuse("an octet less", CIPHERTEXT.split_last().map_or(&[], |(_, head)| head));
    for (what, ciphertext) in [
        ("OAEP with SHA-1", &include_bytes!("data/rsa2048.oaep-sha1")[..]),
        ("OAEP with MGF1-SHA-1", include_bytes!("data/rsa2048.oaep-mgf1-sha1")),
        ("OAEP with SHA-384", include_bytes!("data/rsa2048.oaep-sha384")),
        ("OAEP with a label", include_bytes!("data/rsa2048.oaep-label")),
        ("OAEP under another key", include_bytes!("data/rsa2048.oaep-other-key")),
        ("PKCS #1 version 1.5", include_bytes!("data/rsa2048.pkcs1-encrypted")),
        ("a bare secret", include_bytes!("data/rsa2048.raw")),
        ("a padding whose first octet is one", include_bytes!("data/rsa2048.oaep-y1")),
        ("a padding without its one", include_bytes!("data/rsa2048.oaep-no-one")),
    ] {
        refuse(what, ciphertext);
    }
    let kept = key.decrypt_or(CIPHERTEXT, SecretBytes::zeroed(32));
    checks.that("a good secret is kept", kept.expose() == SECRET);
    let other_length = key.decrypt_or(CIPHERTEXT, SecretBytes::zeroed(48));
    checks.that("a secret of another length is replaced", other_length.expose() == [0; 48]);
}
