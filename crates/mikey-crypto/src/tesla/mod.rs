//! TESLA's key chains and their schedule (RFC 4082, RFC 4383): what key management, which commits to a chain, and SRTP,
//! which uses it, agree on.

mod chain;
mod error;
mod params;

pub use chain::KeyChain;
pub use error::TeslaError;
pub use params::{
    Commitment, GroupTime, INTERVAL_LEN, KEY_LEN, MAX_CHAIN_LEN, MAX_DISCLOSURE_DELAY, MAX_INTERVAL,
    MAX_MAC_LEN, TeslaParams,
};

use crate::{Hash, Secret};

/// F of RFC 4383 section 6: `K_(i-1) = HMAC-SHA-1(K_i, 0)`, the 0 as one octet. `sha1` is the provider's SHA-1.
pub fn step_down(sha1: &dyn Hash, key: &mut [u8; KEY_LEN]) {
    let below = sha1.hmac(key, &[&[0]]);
    key.copy_from_slice(below.expose().first_chunk::<KEY_LEN>().unwrap_or(&[0; KEY_LEN]));
}

/// F' of RFC 4383 section 6: `K'_i = HMAC-SHA-1(K_i, 1)`, the 1 as one octet. `sha1` is the provider's SHA-1.
#[must_use]
pub fn mac_key(sha1: &dyn Hash, key: &[u8; KEY_LEN]) -> Secret<KEY_LEN> {
    let derived = sha1.hmac(key, &[&[1]]);
    Secret::new(*derived.expose().first_chunk::<KEY_LEN>().unwrap_or(&[0; KEY_LEN]))
}
