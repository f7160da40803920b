//! The default cryptographic provider of MIKEYv2, on AWS-LC and RustCrypto.
//!
//! [`provider`] is the whole interface. Which library does what was decided by measuring: AWS-LC for public keys and
//! AEADs, ring for SRTP's AES-GCM; from `mikey-crypto-rust` hashes, HMAC, AES in counter mode (kept key states without allocation; SHA-NI, AES-NI
//! and VAES are found at run time) and the MODP groups.
//!
//! Randomness: private values of Diffie-Hellman come from the [`SecureRandom`](mikey_crypto::SecureRandom) that is
//! passed in. AWS-LC's safe interface takes no outside randomness for ML-KEM, ECDSA and RSA: those draw from
//! AWS-LC's own generator, also when the configured one is seeded.

#![forbid(unsafe_code)]

use std::sync::Arc;

use mikey_crypto::{CryptoProvider, V1Algorithms};
use mikey_crypto_rust::srtp::Srtp;
use mikey_crypto_rust::{MODP_1536, OsRandom, PRFS, SHA1, SHA256};

mod encrypt;
mod kx;
mod sign;
mod srtp;
mod suite;

/// Everything that docs/spec.md names, with the operating system's randomness.
#[must_use]
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        name: "aws-lc",
        prfs: PRFS,
        groups: kx::GROUPS,
        suites: suite::SUITES,
        signatures: sign::SCHEMES,
        rsa_oaep: &encrypt::RsaOaep,
        certificate_algorithms: sign::CERTIFICATE_ALGORITHMS,
        sha256: SHA256,
        sha1: SHA1,
        v1: V1Algorithms {
            oakley5: MODP_1536,
            verify_rsa_pkcs1_sha256: sign::verify_rsa_pkcs1_sha256,
            verify_rsa_pkcs1_sha1: sign::verify_rsa_pkcs1_sha1,
        },
        srtp: &Srtp::<srtp::Gcm>::NEW,
        load_signer: sign::load_signer,
        load_decryptor: encrypt::load_decryptor,
        random: Arc::new(OsRandom),
    }
}
