//! The default cryptographic provider of MIKEYv2, on AWS-LC and RustCrypto.
//!
//! [`provider`] is the whole interface. Which library does what was decided by measuring: AWS-LC for public keys and
//! AEADs, RustCrypto for hashes, HMAC and AES in counter mode (kept key states without allocation; SHA-NI, AES-NI and
//! VAES are found at run time), crypto-bigint for the MODP groups.
//!
//! Randomness: private values of Diffie-Hellman come from the [`SecureRandom`](mikey_crypto::SecureRandom) that is
//! passed in. AWS-LC's safe interface takes no outside randomness for ML-KEM, ECDSA and RSA: those draw from
//! AWS-LC's own generator, also when the configured one is seeded.

#![forbid(unsafe_code)]

use std::sync::Arc;

use mikey_crypto::{CryptoProvider, V1Algorithms};

mod der;
mod encrypt;
mod hash;
mod hmac_sha256;
mod kx;
mod random;
mod sign;
mod srtp;
mod suite;

/// Everything that docs/spec.md names, with the operating system's randomness.
#[must_use]
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        name: "aws-lc",
        prfs: hash::PRFS,
        groups: kx::GROUPS,
        suites: suite::SUITES,
        signatures: sign::SCHEMES,
        rsa_oaep: &encrypt::RsaOaep,
        certificate_algorithms: sign::CERTIFICATE_ALGORITHMS,
        sha256: hash::SHA256,
        sha1: hash::SHA1,
        v1: V1Algorithms {
            oakley5: kx::OAKLEY_5,
            verify_rsa_pkcs1_sha256: sign::verify_rsa_pkcs1_sha256,
            verify_rsa_pkcs1_sha1: sign::verify_rsa_pkcs1_sha1,
        },
        srtp: &srtp::Srtp,
        load_signer: sign::load_signer,
        load_decryptor: encrypt::load_decryptor,
        random: Arc::new(random::OsRandom),
    }
}
