//! Whole handshakes with mutual authentication, both sides in one process, next to TLS and DTLS.
//!
//! The limit of a case is its bare public-key operations: what both sides together cannot do without.

use crate::Result;
use crate::measure::Case;

/// All cases of the bench.
pub(crate) fn cases() -> Result<Vec<Case<'static>>> {
    Ok(Vec::new())
}
