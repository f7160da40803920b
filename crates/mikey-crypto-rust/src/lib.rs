//! A cryptographic provider of MIKEYv2 in Rust alone: RustCrypto, dalek and crypto-bigint, without C and without std.
//!
//! [`provider`] is for targets that C does not reach, and the second opinion that the default provider is tested
//! against. All its randomness is drawn from the [`SecureRandom`](mikey_crypto::SecureRandom) that is passed in, ML-KEM's,
//! ECDSA's and the salt of RSA-PSS too; only what has no such argument, RSA decryption and PKCS #1 signatures, blinds with
//! the operating system's.
//!
//! Without the feature `provider` there is what other providers build on: [`PRFS`], the MODP groups, suites in counter
//! mode, [`srtp`] but for AES-GCM, and [`der`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod der;
pub mod ed25519;
#[cfg(feature = "provider")]
mod encrypt;
mod hash;
mod hmac_sha256;
mod kx;
mod random;
#[cfg(feature = "provider")]
mod sign;
pub mod srtp;
mod suite;

pub use hash::{PRFS, SHA1, SHA256};
pub use kx::{MODP_1536, MODP_2048, MODP_3072};
pub use random::OsRandom;
pub use suite::{AES_CM_128, AES_CM_256};

/// Everything that docs/spec.md names, with the operating system's randomness.
#[cfg(feature = "provider")]
#[must_use]
pub fn provider() -> mikey_crypto::CryptoProvider {
    mikey_crypto::CryptoProvider {
        name: "rust",
        prfs: PRFS,
        groups: kx::GROUPS,
        suites: suite::SUITES,
        signatures: sign::SCHEMES,
        rsa_oaep: &encrypt::RsaOaep,
        certificate_algorithms: sign::CERTIFICATE_ALGORITHMS,
        sha256: SHA256,
        sha1: SHA1,
        v1: mikey_crypto::V1Algorithms {
            oakley5: MODP_1536,
            verify_rsa_pkcs1_sha256: sign::verify_rsa_pkcs1_sha256,
            verify_rsa_pkcs1_sha1: sign::verify_rsa_pkcs1_sha1,
        },
        srtp: &srtp::RUST_CRYPTO,
        load_signer: sign::load_signer,
        load_decryptor: encrypt::load_decryptor,
        random: alloc::sync::Arc::new(OsRandom),
    }
}
