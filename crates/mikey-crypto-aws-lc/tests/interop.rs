//! What one provider makes the other takes, in both directions, and the other way round.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use mikey_crypto::srtp::{Opening, Sealing, SrtpCipher, TransformKeys};
use mikey_crypto::{CryptoProvider, SecretBytes, SuiteKind};

/// Each provider once as the one that makes and once as the one that takes.
fn pairs() -> [[CryptoProvider; 2]; 2] {
    let (c, rust) = (mikey_crypto_aws_lc::provider(), mikey_crypto_rust::provider());
    [[c.clone(), rust.clone()], [rust, c]]
}

fn data(name: &str) -> Vec<u8> {
    let path = format!("{}/../mikey-crypto/src/conformance/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

#[test]
fn every_group_agrees_on_its_secrets() {
    for [ours, theirs] in pairs() {
        assert_eq!(ours.groups.len(), theirs.groups.len());
        for group in ours.groups {
            let other = theirs.group(group.id()).unwrap();
            let initiator = group.start(&*ours.random).unwrap();
            let answer = other.answer(&*theirs.random, initiator.value()).unwrap();
            assert_eq!(
                (initiator.value().len(), answer.value.len()),
                (other.request_len(), group.answer_len())
            );
            let secret = initiator.agree(&answer.value).unwrap();
            assert_eq!(secret.dh.expose(), answer.secret.dh.expose(), "group {}", group.id().0);
            assert_eq!(secret.kem.expose(), answer.secret.kem.expose(), "group {}", group.id().0);
            assert!(!secret.dh.is_empty());
        }
    }
}

#[test]
fn every_signature_verifies_with_the_other() {
    for [ours, theirs] in pairs() {
        for name in ["p256.pkcs8", "p384.pkcs8", "rsa2048.pkcs8"] {
            let key = (ours.load_signer)(&data(name)).unwrap();
            let other = (theirs.load_signer)(&data(name)).unwrap();
            assert_eq!((key.method(), key.public_key()), (other.method(), other.public_key()), "{name}");
            let signature = key.sign(&*ours.random, b"message").unwrap();
            let scheme = theirs.signature(key.method()).unwrap();
            assert!(scheme.verify(key.public_key(), b"message", &signature).is_ok(), "{name}");
            assert!(scheme.verify(key.public_key(), b"Message", &signature).is_err(), "{name}");
            if name.starts_with("rsa") {
                let signature = key.sign_rsa_pkcs1(b"message").unwrap();
                assert!(
                    (theirs.v1.verify_rsa_pkcs1_sha256)(key.public_key(), b"message", &signature).is_ok()
                );
                assert!((theirs.v1.verify_rsa_pkcs1_sha256)(key.public_key(), b"other", &signature).is_err());
            } else {
                assert!(key.sign_rsa_pkcs1(b"message").is_err());
            }
        }
    }
}

#[test]
fn what_one_encrypts_the_other_decrypts() {
    let pkcs8 = data("rsa2048.pkcs8");
    for [ours, theirs] in pairs() {
        let key = (theirs.load_decryptor)(&pkcs8).unwrap();
        for len in [0, 16, 32, 190] {
            let secret = vec![7; len];
            let ciphertext = ours.rsa_oaep.encrypt(&*ours.random, key.public_key(), &secret).unwrap();
            assert_eq!(key.decrypt(&ciphertext).unwrap().expose(), secret);
            let substitute = SecretBytes::copy_from(&[1; 16]);
            let chosen = key.decrypt_or(&ciphertext, substitute);
            assert_eq!(chosen.expose(), [if len == 16 { 7 } else { 1 }; 16]);
        }
        assert!(ours.rsa_oaep.encrypt(&*ours.random, key.public_key(), &[7; 191]).is_err());
    }
}

#[test]
fn every_suite_opens_what_the_other_sealed() {
    for [ours, theirs] in pairs() {
        for suite in ours.suites {
            let other = theirs.suite(suite.id).unwrap();
            assert_eq!(
                (suite.encr_alg, suite.mac_alg, suite.key_len),
                (other.encr_alg, other.mac_alg, other.key_len)
            );
            let key = vec![5; suite.key_len];
            let mut text = *b"twenty octets of it.";
            match (suite.kind, other.kind) {
                (SuiteKind::Aead(seal), SuiteKind::Aead(open)) => {
                    let tag = seal.seal(&key, &[3; 12], b"aad", &mut text).unwrap();
                    assert_ne!(&text, b"twenty octets of it.");
                    open.open(&key, &[3; 12], b"aad", &mut text, &tag).unwrap();
                }
                (SuiteKind::CtrHmac { cipher, hash }, SuiteKind::CtrHmac { cipher: open, hash: other }) => {
                    cipher.apply(&key, &[3; 16], &mut text).unwrap();
                    assert_ne!(&text, b"twenty octets of it.");
                    let mac = hash.hmac(&key, &[&text]);
                    other.hmac_verify(&key, &[&text], mac.expose()).unwrap();
                    open.apply(&key, &[3; 16], &mut text).unwrap();
                }
                _ => panic!("suite {} is two things", suite.id.0),
            }
            assert_eq!(&text, b"twenty octets of it.");
        }
    }
}

#[test]
fn every_transform_of_srtp_opens_what_the_other_sealed() {
    let ciphers = [
        (SrtpCipher::Null, 0, true),
        (SrtpCipher::AesCm, 16, true),
        (SrtpCipher::AesCm, 24, true),
        (SrtpCipher::AesCm, 32, true),
        (SrtpCipher::AesF8, 16, true),
        (SrtpCipher::AesGcm, 16, false),
        (SrtpCipher::AesGcm, 32, false),
    ];
    for ([ours, theirs], (cipher, key_len, mac)) in
        pairs().iter().flat_map(|pair| ciphers.map(|cipher| (pair, cipher)))
    {
        let (encryption, authentication) = (vec![1; key_len], [2; 20]);
        let keys = TransformKeys {
            cipher,
            encryption: &encryption,
            salt: &[3; 14],
            authentication: mac.then_some(&authentication[..]),
            prefix_len: 0,
        };
        let (seal, open) = (ours.srtp.transform(&keys).unwrap(), theirs.srtp.transform(&keys).unwrap());
        for (clear, trailer) in [(12, None), (8, Some([0x80, 0, 0, 1]))] {
            let plain: Vec<u8> = (0..100).collect();
            let mut packet = plain.clone();
            let sealed = seal.seal(Sealing { iv: [4; 16], packet: &mut packet, clear, trailer }).unwrap();
            let tag = if mac { &sealed[..10] } else { &sealed[..16] };
            open.open(Opening { iv: [4; 16], packet: &mut packet, clear, trailer, tag }).unwrap();
            assert_eq!(packet, plain);
        }
    }
}

#[test]
fn the_certificates_of_the_default_provider_are_verified_by_both() {
    let [c, rust] = [mikey_crypto_aws_lc::provider(), mikey_crypto_rust::provider()];
    let ids = |provider: &CryptoProvider| -> Vec<_> {
        let algorithms = provider.certificate_algorithms.iter();
        algorithms.map(|a| (a.public_key_alg_id(), a.signature_alg_id())).collect()
    };
    let missing: Vec<_> = ids(&c).into_iter().filter(|id| !ids(&rust).contains(id)).collect();
    // P-521 with SHA-256: RustCrypto takes no hash below half of the order.
    assert_eq!(missing, [(rustls_pki_types::alg_id::ECDSA_P521, rustls_pki_types::alg_id::ECDSA_SHA256)]);
    assert!(ids(&rust).iter().all(|id| ids(&c).contains(id)));
}
