//! Errors by whose fault they are: the caller's packet, the peer's packet, the caller's installation.

use mikey_crypto::srtp::{PolicyError, UnsupportedTransform};

use crate::packet::Malformed;

/// Why a packet was not protected. Nothing has changed, except that its content may be half written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtectError {
    /// The buffer cannot hold what is appended: this many octets are needed in all.
    BufferTooSmall {
        /// Octets of the protected packet.
        needed: usize,
    },
    /// Not an RTP or RTCP packet.
    Malformed(Malformed),
    /// No outbound context for this SSRC and destination.
    UnknownStream,
    /// No key is valid for this index (`From`, `To`).
    NoKey,
    /// The key has protected as many packets as it may, or the index would wrap under it. Rekey.
    KeyExhausted,
    /// The key's time is over. Rekey.
    KeyExpired,
    /// A packet of this index was already sent: the same keystream twice.
    IndexReused,
    /// The index lies so far behind that whether it was used is no longer known.
    IndexTooOld,
    /// The provider could not seal the packet.
    Transform,
    /// Packets carry TESLA, and the SSRC has no key chain yet.
    NoChain,
    /// The first interval of the key chain has not begun.
    ChainNotStarted,
    /// The key chain is used up, or so nearly that the packet's key would not be disclosed any more.
    ChainExhausted,
}

/// Why a packet was not accepted. No state has changed, but for [`Self::Held`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnprotectError {
    /// Not an RTP or RTCP packet, or too short for MKI and tag.
    Malformed(Malformed),
    /// No inbound context for this SSRC and destination, and no wildcard either.
    UnknownStream,
    /// The MKI is none of the context's.
    UnknownMki,
    /// The key's time is over, or it is not valid for this index.
    KeyExpired,
    /// The key has accepted as many packets as it may, or the index would wrap under it.
    KeyExhausted,
    /// This packet was accepted before.
    Replayed,
    /// The index lies before the replay window.
    TooOld,
    /// The tag is not right under any key that may apply.
    Unauthenticated,
    /// The packet is authentic but its SSRC belongs to another sender at the same destination (RFC 3550 section 8.2).
    SsrcCollision,
    /// The wildcard sender has as many SSRCs as it may.
    TooManySsrcs,
    /// TESLA: some member of the group has made it. It is kept until its sender discloses the key that tells who; then
    /// [`ContextDb::take_verified`](crate::ContextDb::take_verified) has it.
    Held,
    /// Packets carry TESLA, and nobody has said to which key chain of the SSRC.
    NoChain,
    /// TESLA: when the packet came, its key may already have been disclosed, so that anybody may have made it.
    NotSafe,
    /// TESLA: the packet is of an interval that cannot have begun.
    TooEarly,
    /// TESLA: the disclosed key is not of the sender's chain.
    BadKey,
    /// TESLA: the disclosed key is so far ahead that it is not worth the steps to check it now.
    FarKey,
    /// TESLA: keys came before our clock says that they can. Synchronise again.
    OutOfStep,
}

/// Why a key or a context was not installed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallError {
    /// The policy does not fit together.
    Policy(PolicyError),
    /// The master key is not 16, 24 or 32 octets, or shorter than the session key.
    MasterKeyLen,
    /// The master salt has a length that the cipher cannot take: 12 for an AEAD, else at most 14.
    MasterSaltLen,
    /// All keys of a sender have MKIs of one length.
    MkiLen,
    /// Another key of the sender has this MKI.
    MkiInUse,
    /// `From` is behind `To`, or a lifetime is 0 or beyond RFC 3711's.
    Validity,
    /// The replay window is not within 64 and 32,768.
    Window,
    /// The SSRC is already installed at this destination.
    SsrcInUse,
    /// The key already serves another owner, or the other direction: one key never serves two senders.
    KeyInUse,
    /// No such sender.
    UnknownSender,
    /// The provider lacks the transform.
    Unsupported,
    /// The database cannot hold more.
    Full,
    /// TESLA needs HMAC-SHA-1 tags on SRTP and SRTCP, no key derivation rate, SSRCs that are named, and a
    /// [`ContextDb`](crate::ContextDb).
    Tesla,
}

macro_rules! texts {
    ($name:ident { $($pattern:pat => $text:literal),+ $(,)? }) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $($pattern => f.write_str($text),)+
                }
            }
        }

        impl core::error::Error for $name {}
    };
}

texts!(ProtectError {
    Self::BufferTooSmall { .. } => "the buffer is too small for the protected packet",
    Self::Malformed(_) => "not an RTP or RTCP packet",
    Self::UnknownStream => "no context for this SSRC and destination",
    Self::NoKey => "no key is valid for this packet index",
    Self::KeyExhausted => "the key has protected as many packets as it may",
    Self::KeyExpired => "the key has expired",
    Self::IndexReused => "a packet of this index was already sent",
    Self::IndexTooOld => "the packet's index is too far behind",
    Self::Transform => "the provider could not seal the packet",
    Self::NoChain => "the SSRC has no TESLA key chain yet",
    Self::ChainNotStarted => "the TESLA key chain has not begun",
    Self::ChainExhausted => "the TESLA key chain is used up",
});

texts!(UnprotectError {
    Self::Malformed(_) => "not an SRTP or SRTCP packet",
    Self::UnknownStream => "no context for this SSRC and destination",
    Self::UnknownMki => "no key has this MKI",
    Self::KeyExpired => "the key has expired",
    Self::KeyExhausted => "the key has accepted as many packets as it may",
    Self::Replayed => "replayed packet",
    Self::TooOld => "packet is older than the replay window",
    Self::Unauthenticated => "authentication failed",
    Self::SsrcCollision => "the SSRC belongs to another sender",
    Self::TooManySsrcs => "the sender has too many SSRCs",
    Self::Held => "the packet waits for its TESLA key",
    Self::NoChain => "the SSRC has no TESLA key chain yet",
    Self::NotSafe => "the packet's TESLA key may already have been disclosed",
    Self::TooEarly => "the packet is of a TESLA interval that cannot have begun",
    Self::BadKey => "the disclosed TESLA key is not of the sender's chain",
    Self::FarKey => "the disclosed TESLA key is too far ahead to be checked",
    Self::OutOfStep => "TESLA keys come earlier than our clock allows: synchronise again",
});

texts!(InstallError {
    Self::Policy(_) => "the SRTP policy does not fit together",
    Self::MasterKeyLen => "the master key has a wrong length",
    Self::MasterSaltLen => "the master salt has a wrong length",
    Self::MkiLen => "the MKI differs in length from the sender's others",
    Self::MkiInUse => "another key of the sender has this MKI",
    Self::Validity => "the key's validity or lifetime is out of range",
    Self::Window => "the replay window is not within 64 and 32,768",
    Self::SsrcInUse => "the SSRC is already installed at this destination",
    Self::KeyInUse => "the key already serves another sender",
    Self::UnknownSender => "no such sender",
    Self::Unsupported => "the provider lacks the transform",
    Self::Full => "the database is full",
    Self::Tesla => "the policy, the SSRCs or the database cannot have TESLA",
});

impl From<Malformed> for ProtectError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Malformed> for UnprotectError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<PolicyError> for InstallError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl From<UnsupportedTransform> for InstallError {
    fn from(UnsupportedTransform: UnsupportedTransform) -> Self {
        Self::Unsupported
    }
}
