//! Transcript hashes, the key schedule, and the protection of messages (docs/spec.md, "Transcript and keys").
//!
//! No key is derived anywhere else. The stages are types: [`InitKeys`] can protect CCE or CCE2 and compute AUTH, but only
//! [`InitKeys::authenticated`] leads to [`SessionKeys`], from which SRTP keys come.

mod group;
mod log;
mod protect;
mod schedule;
mod transcript;

pub use group::GroupCipher;
pub use log::MessageKeys;
pub use protect::DirectionKeys;
pub(crate) use protect::Parts;
pub(crate) use protect::{MessageNonce, Protection, xor_into};
pub(crate) use schedule::{EarlyKeys, InitKeys, InitSecrets, Prk, SessionKeys, Tgk, import_psk};
pub(crate) use transcript::{Transcript, l, th2};

/// Who of the two, for the life of a session, also when the responder starts an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sent INIT_REQ. Its crypto sessions have odd CS IDs.
    Initiator,
    /// Sent INIT_RESP. Its crypto sessions have even CS IDs.
    Responder,
}

impl Role {
    /// The octet in key derivation labels.
    pub(crate) const fn octet(self) -> u8 {
        match self {
            Self::Initiator => 0xFF,
            Self::Responder => 0xFE,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}
