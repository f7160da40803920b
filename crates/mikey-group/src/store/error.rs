//! What a store can fail with, and what to do then.

use core::fmt;

/// Why a store did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The number is taken, or is not the next. Read the records up to `head`, apply them, and propose anew.
    Conflict {
        /// Number of the group's last record; 0 if it has none.
        head: u64,
    },
    /// The records asked for are in the snapshot alone. Take the snapshot, then read after `through`.
    Compacted {
        /// Number of the last record that is in the snapshot.
        through: u64,
    },
    /// No answer, or none in time. Whether an append was stored is open: propose the same octets again. Send nothing
    /// that rests on it meanwhile; members keep the keys that they have.
    Unavailable(String),
    /// There is no room. Nothing was stored; members keep the keys that they have, joins are put off. The operator
    /// makes room.
    Full(String),
    /// What is stored is not what was written. Serve nothing from it; the operator starts the group anew. A copy will do
    /// only if it has every record that was ever acknowledged ([`Store`](crate::Store)).
    Corrupt(String),
    /// The key that wraps what is stored is another one. Nothing was changed; the operator supplies the right key.
    WrongKey,
    /// A record of more than [`MAX_STORED`](crate::MAX_STORED) octets: a mistake of the caller. Split it.
    TooLong(usize),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { head } => {
                write!(f, "another controller was first: the last record is number {head}")
            }
            Self::Compacted { through } => {
                write!(f, "records up to number {through} are in the snapshot alone")
            }
            Self::Unavailable(why) => write!(f, "the store does not answer: {why}"),
            Self::Full(why) => write!(f, "the store is full: {why}"),
            Self::Corrupt(what) => write!(f, "the store is damaged: {what}"),
            Self::WrongKey => f.write_str("the store is wrapped under another key"),
            Self::TooLong(octets) => write!(f, "a record of {octets} octets is too long"),
        }
    }
}

impl std::error::Error for StoreError {}
