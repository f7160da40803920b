//! Why a group's controller refuses, by whose fault it is.

use std::fmt;

use mikey_crypto::{RandomFailed, SignFailed};

use crate::octets::RecordError;

/// Why a controller did not do something. Nothing has changed then.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// A record or snapshot is no such thing, or was damaged.
    Record(RecordError),
    /// A record that does not follow from the state: another number than the next, an epoch or T that is not the next, a
    /// leaf that nobody has, a signature that is not the group's.
    Contradiction(&'static str),
    /// The store gave records of which one is missing, or none at all.
    Gap,
    /// The provider lacks an algorithm of the group.
    Algorithms,
    /// The signing key is not the group's.
    Signer,
    /// A configuration that contradicts itself.
    Config(&'static str),
    /// More members, SSRCs or changes than there may be.
    Full(&'static str),
    /// No such member, or one that has joined anew since.
    NotMember,
    /// The SSRC is not that member's.
    NotYours,
    /// A TESLA key that is no chain's first, that contradicts one that is known, or in a group without.
    Chain,
    /// One name twice in a change, or more SSRCs in a report than the member has.
    Twice,
    /// Epochs or Ts are used up: a new group takes its place.
    Exhausted,
    /// There is nothing in the change.
    Nothing,
    /// Randomness or the signing key failed.
    Crypto,
    /// The session layer refused a grant.
    Session(mikey_proto::Error),
}

/// What goes into more than one record, if it has to go.
pub(crate) const TOO_MANY_CHANGES: GroupError = GroupError::Full("changes at once");

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(e) => e.fmt(f),
            Self::Contradiction(what) => write!(f, "a record that contradicts the group's state: {what}"),
            Self::Gap => f.write_str("records of the group are missing"),
            Self::Algorithms => f.write_str("the provider lacks an algorithm of the group"),
            Self::Signer => f.write_str("the signing key is not that of the group"),
            Self::Config(what) => write!(f, "the group's configuration: {what}"),
            Self::Full(what) => write!(f, "the group has as many {what} as it may have"),
            Self::NotMember => f.write_str("no member of that name and time"),
            Self::NotYours => f.write_str("that ssrc belongs to another member, or to none"),
            Self::Chain => f.write_str("no tesla key that the sender can have"),
            Self::Twice => f.write_str("one name twice in one change"),
            Self::Exhausted => f.write_str("the group has used up its epochs"),
            Self::Nothing => f.write_str("a change without any"),
            Self::Crypto => f.write_str("randomness or the signing key failed"),
            Self::Session(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for GroupError {}

impl From<RecordError> for GroupError {
    fn from(e: RecordError) -> Self {
        Self::Record(e)
    }
}

impl From<RandomFailed> for GroupError {
    fn from(RandomFailed: RandomFailed) -> Self {
        Self::Crypto
    }
}

impl From<SignFailed> for GroupError {
    fn from(SignFailed: SignFailed) -> Self {
        Self::Crypto
    }
}

impl From<mikey_proto::Error> for GroupError {
    fn from(e: mikey_proto::Error) -> Self {
        Self::Session(e)
    }
}
