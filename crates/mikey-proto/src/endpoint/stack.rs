//! What a session leaves on the stack.
//!
//! Secrets are wiped where they live, but a value that moves is copied, by us or by a library, and the place that it left
//! is dead stack: overwritten by chance alone. libgcrypt's `_gcry_burn_stack` is the model.

use zeroize::Zeroize;

/// Octets below the caller's frame that are overwritten: more than key derivation and installing reach, without
/// optimisation too (`tests/memory` of `mikey-sim`).
const DEPTH: usize = 32 * 1024;
/// Wiped in words: octet by octet it would cost as much as a signature.
const WORDS: usize = DEPTH / size_of::<u64>();

/// Overwrites the dead stack below the caller.
#[inline(never)]
pub(super) fn burn() {
    let mut dead = [0u64; WORDS];
    dead.zeroize();
    core::hint::black_box(&dead);
}
