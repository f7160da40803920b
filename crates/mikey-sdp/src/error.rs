//! What is wrong with a text, and where.

use std::fmt;

/// Where in a session description an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Before the first `m=` line.
    Session,
    /// In the media description of this number, from 0.
    Media(usize),
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session => f.write_str("the session"),
            Self::Media(number) => write!(f, "media {}", number.saturating_add(1)),
        }
    }
}

/// Why a session description is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// It is longer than [`crate::limits::MAX_SDP`].
    #[error("the session description is longer than {limit} octets")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It is no session description: the parser names the line.
    #[error("not a session description: {0}")]
    Syntax(String),
    /// It has more of something than is read.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// There is no media description of that number, from 0.
    #[error("there is no media {}", .0.saturating_add(1))]
    NoMedia(usize),
    /// It says no IP address for its media.
    #[error("{0} has no IP address")]
    NoAddress(Level),
    /// An attribute that stands at most once stands twice.
    #[error("a={attribute} of {level} stands twice")]
    Twice {
        /// Its name.
        attribute: &'static str,
        /// Where.
        level: Level,
    },
    /// The value of an attribute cannot be read.
    #[error("a={attribute} of {level}: {why}")]
    Attribute {
        /// Its name.
        attribute: &'static str,
        /// Where.
        level: Level,
        /// What is wrong with its value.
        why: TextError,
    },
}

/// What is wrong with the value of an attribute or a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {at}")]
pub struct TextError {
    /// Offset of the first octet that does not fit, in the value.
    pub at: usize,
    /// Why it does not.
    pub fault: Fault,
}

impl TextError {
    pub(crate) const fn new(at: usize, fault: Fault) -> Self {
        Self { at, fault }
    }
}

/// Why a text does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The value or a part of it is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A character that the grammar does not have there.
    #[error("a character that {0} cannot have")]
    Character(&'static str),
    /// Not base64 (RFC 4648 section 4, with padding).
    #[error("data that is not base64")]
    Base64,
    /// A part is longer or shorter than it may be.
    #[error("{what} of {len} octets")]
    Length {
        /// Which part.
        what: &'static str,
        /// How long it is.
        len: usize,
    },
    /// A part stands twice.
    #[error("a second {0}")]
    Twice(&'static str),
    /// A quotation that does not end.
    #[error("a quotation without end")]
    Unquoted,
    /// A hash function below SHA-256, or MD5 and its kind (RFC 8122 section 5).
    #[error("a hash function that is too weak")]
    WeakHash,
    /// A hash function that is not known here.
    #[error("an unknown hash function")]
    UnknownHash,
    /// More specifications than are read.
    #[error("more than {0} specifications")]
    TooMany(usize),
}
