//! The provider against the known answers and refusals for all providers.

#![allow(clippy::unwrap_used)] // helpers of tests stand outside of them

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use mikey_crypto::{
    AuthFailed, CryptoProvider, Decryptor, KeyRejected, MethodId, Prf, PrfId, SecretBytes, SignatureScheme,
    conformance,
};

#[test]
fn the_provider_conforms() {
    let report = conformance::run(&mikey_crypto_aws_lc::provider());
    assert_eq!(report.failures, [""; 0]);
    assert!(report.checks > 500, "only {} checks", report.checks);
}

#[test]
fn the_provider_has_everything_of_the_specification() {
    let provider = mikey_crypto_aws_lc::provider();
    let ids = |mut ids: Vec<u8>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(provider.prfs.iter().map(|p| p.id.0).collect()), [1, 2]);
    assert_eq!(ids(provider.groups.iter().map(|g| g.id().0).collect()), [14, 15, 19, 20, 31, 236]);
    assert_eq!(ids(provider.suites.iter().map(|s| s.id.0).collect()), [1, 2, 3, 4, 5]);
    assert_eq!(ids(provider.signatures.iter().map(|s| s.method().0).collect()), [1, 2, 3, 4]);
}

/// Ed25519 as the library has it: any encoding of the key, small order too.
struct LaxEd25519;

impl SignatureScheme for LaxEd25519 {
    fn method(&self) -> MethodId {
        MethodId::ED25519
    }

    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        UnparsedPublicKey::new(&ED25519, spki).verify(message, signature).map_err(|_| AuthFailed)
    }
}

/// RSA-OAEP that hides a failure behind a secret of its own, which everyone knows.
struct Pretending(Box<dyn Decryptor>);

impl Decryptor for Pretending {
    fn method(&self) -> MethodId {
        self.0.method()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, AuthFailed> {
        Ok(self.0.decrypt(ciphertext).unwrap_or_else(|_| SecretBytes::zeroed(32)))
    }
}

fn load_pretending(pkcs8: &[u8]) -> Result<Box<dyn Decryptor>, KeyRejected> {
    let key = (mikey_crypto_aws_lc::provider().load_decryptor)(pkcs8)?;
    Ok(Box::new(Pretending(key)))
}

#[test]
fn a_provider_with_wrong_algorithms_is_found_out() {
    let good = mikey_crypto_aws_lc::provider();
    let wide_blocks = Box::leak(Box::new([Prf { key_block: 64, ..good.prf(PrfId::HMAC_SHA_256).unwrap() }]));
    let cases = [
        ("HMAC-SHA-1", CryptoProvider { sha1: good.sha256, ..good.clone() }),
        ("PRF 1 from 33 to 103 octets", CryptoProvider { prfs: wide_blocks, ..good.clone() }),
        ("small-order key", CryptoProvider { signatures: &[&LaxEd25519], ..good.clone() }),
        ("the substitute stands for", CryptoProvider { load_decryptor: load_pretending, ..good.clone() }),
        ("the lists of the provider", CryptoProvider { groups: &[], ..good.clone() }),
    ];
    for (name, provider) in cases {
        let failures = conformance::run(&provider).failures;
        assert!(failures.iter().any(|failure| failure.contains(name)), "{name}: {failures:?}");
    }
}
