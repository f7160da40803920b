//! Counters by reason, for operators.

use crate::error::{ProtectError, UnprotectError};

/// What one stream has done. Counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// SRTP packets protected or accepted.
    pub rtp: u64,
    /// SRTCP packets protected or accepted.
    pub rtcp: u32,
    /// Packets refused, for whatever reason.
    pub refused: u32,
}

/// What a database has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets protected, SRTP and SRTCP.
    pub protected: u64,
    /// Packets that could not be protected.
    pub not_protected: u64,
    /// Packets accepted, SRTP and SRTCP.
    pub accepted: u64,
    /// Refused: not a packet.
    pub malformed: u64,
    /// Refused: no context for the SSRC at that destination.
    pub unknown_stream: u64,
    /// Refused: no key of that MKI.
    pub unknown_mki: u64,
    /// Refused: authentication failed.
    pub unauthenticated: u64,
    /// Refused: accepted before.
    pub replayed: u64,
    /// Refused: before the replay window.
    pub old: u64,
    /// Refused: the key has expired or is not valid for that index.
    pub expired: u64,
    /// Refused: the key is used up.
    pub exhausted: u64,
    /// Refused: the SSRC belongs to another sender.
    pub collisions: u64,
    /// Refused: a wildcard sender with too many SSRCs.
    pub too_many_ssrcs: u64,
    /// TESLA: kept until their key is disclosed. Those that turn out right are counted as accepted then.
    pub held: u64,
    /// TESLA, refused: no key chain, no longer or not yet safe, or a disclosed key that is not right.
    pub tesla: u64,
    /// New streams whose SSRC a stream of the same owner in the other direction has.
    pub clashes: u64,
}

impl Stats {
    pub(crate) fn count_protect<T>(&mut self, outcome: &Result<T, ProtectError>) {
        match outcome {
            Ok(_) => self.protected += 1,
            Err(_) => self.not_protected += 1,
        }
    }

    pub(crate) fn count_unprotect<T>(&mut self, outcome: &Result<T, UnprotectError>) {
        let Err(error) = outcome else {
            self.accepted += 1;
            return;
        };
        *match error {
            UnprotectError::Malformed(_) => &mut self.malformed,
            UnprotectError::UnknownStream => &mut self.unknown_stream,
            UnprotectError::UnknownMki => &mut self.unknown_mki,
            UnprotectError::KeyExpired => &mut self.expired,
            UnprotectError::KeyExhausted => &mut self.exhausted,
            UnprotectError::Replayed => &mut self.replayed,
            UnprotectError::TooOld => &mut self.old,
            UnprotectError::Unauthenticated => &mut self.unauthenticated,
            UnprotectError::SsrcCollision => &mut self.collisions,
            UnprotectError::TooManySsrcs => &mut self.too_many_ssrcs,
            UnprotectError::Held => &mut self.held,
            UnprotectError::NoChain
            | UnprotectError::NotSafe
            | UnprotectError::TooEarly
            | UnprotectError::BadKey
            | UnprotectError::FarKey
            | UnprotectError::OutOfStep => &mut self.tesla,
        } += 1;
    }

    /// All packets refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.malformed
            + self.unknown_stream
            + self.unknown_mki
            + self.unauthenticated
            + self.replayed
            + self.old
            + self.expired
            + self.exhausted
            + self.collisions
            + self.too_many_ssrcs
            + self.tesla
    }
}

impl core::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.protected += other.protected;
        self.not_protected += other.not_protected;
        self.accepted += other.accepted;
        self.malformed += other.malformed;
        self.unknown_stream += other.unknown_stream;
        self.unknown_mki += other.unknown_mki;
        self.unauthenticated += other.unauthenticated;
        self.replayed += other.replayed;
        self.old += other.old;
        self.expired += other.expired;
        self.exhausted += other.exhausted;
        self.collisions += other.collisions;
        self.too_many_ssrcs += other.too_many_ssrcs;
        self.held += other.held;
        self.tesla += other.tesla;
        self.clashes += other.clashes;
    }
}
