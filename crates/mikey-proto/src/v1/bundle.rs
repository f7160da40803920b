//! Crypto session bundles that are set up, for their updates (RFC 3830 section 4.5).

use mikey_crypto::SecretBytes;
use mikey_wire::T;

use super::key_data::TrafficKey;
use super::offer::Mode;
use super::streams::Sessions;
use crate::auth::Peer;
use crate::keys::Role;
use crate::name::Name;

/// A bundle: its CSB ID, which is unique between two parties only, and the peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BundleId {
    /// CSB ID.
    pub csb_id: u32,
    /// The peer's name.
    pub peer: Name,
}

/// What an update builds on.
pub(super) struct Bundle {
    /// Who of the two we are: the initiator alone may update.
    pub(super) role: Role,
    pub(super) mode: Mode,
    /// The PRF of HDR.
    pub(super) prf: u8,
    /// RAND of the first exchange, which no update has.
    pub(super) rand: Vec<u8>,
    /// Our own name.
    pub(super) us: Name,
    pub(super) peer: Peer,
    pub(super) sessions: Sessions,
    pub(super) keys: Vec<TrafficKey>,
    /// What updates are MACed with: the pre-shared key, or the envelope key of the first exchange.
    pub(super) inkey: Option<SecretBytes>,
    /// The time of the last message, which the next one must be after.
    pub(super) last_t: T,
    pub(super) generation: u32,
}

impl Bundle {
    /// Whether a time is after that of the last message.
    pub(super) fn is_after(&self, t: T) -> bool {
        match (self.last_t, t) {
            (T::Counter(last), T::Counter(t)) => t > last,
            (last, t) => super::time::difference(t.to_u64(), last.to_u64()) > 0,
        }
    }
}
