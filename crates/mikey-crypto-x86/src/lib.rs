//! What SRTP needs of x86-64 and no library offers: AES in counter mode that is fast for a packet of 20 octets as well
//! as for one of 1200, AES-GCM without the cost of a general interface, and HMAC-SHA-1 of several packets at once.
//!
//! All `unsafe` of the project's Rust is in this crate: calls that need processor features, which [`Extensions`]
//! proves, and loads and stores of 16 or 64 octets at arrays that have them. Nothing here branches or indexes on
//! secrets. docs/performance.md has the figures that justify it; the portable code stays beside it, and tests hold the
//! two against each other.

#![no_std]
#![cfg(target_arch = "x86_64")]

extern crate std;

mod aes;
mod ghash;
mod sha1;

pub use aes::AesKey;
pub use ghash::GcmKey;
pub use sha1::{BLOCK, Message, Midstates, hmac};

/// Proof that the processor has AES-NI, PCLMULQDQ, the SHA extensions, SSSE3 and SSE4.1.
#[derive(Clone, Copy)]
pub struct Extensions(());

impl Extensions {
    /// Looks for them. The standard library keeps the answer: asking again is a load or two.
    #[must_use]
    #[inline]
    pub fn detect() -> Option<Self> {
        let all = std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
            && std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1");
        all.then_some(Self(()))
    }
}
