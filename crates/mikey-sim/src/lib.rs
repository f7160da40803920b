//! Nodes, virtual time and a hostile link: where every protocol test runs.
//!
//! A [`World`] holds endpoints and the datagrams between them. Time jumps from one event to the next, so an hour costs
//! nothing. The [`Link`] loses, delays, duplicates, reorders and corrupts by a seed; an [`Adversary`] sees every datagram and
//! puts in what it likes. A failing test prints its seed and is repeated by it.

#![forbid(unsafe_code)]

mod link;
mod null;
mod pki;
mod random;
mod world;

pub use link::Link;
pub use null::null_provider;
pub use pki::{Ca, KeyKind};
pub use random::SeededRandom;
pub use world::{Adversary, Datagram, Node, World, address};

use std::sync::Arc;

use mikey_crypto::CryptoProvider;

/// The default provider with randomness from a seed.
#[must_use]
pub fn provider(seed: u64) -> CryptoProvider {
    mikey_crypto_aws_lc::provider().with_random(Arc::new(SeededRandom::new(seed)))
}
