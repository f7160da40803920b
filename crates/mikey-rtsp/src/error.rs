//! What can go wrong, as data.

use mikey::keying::v1;
use mikey::srtp::InstallError;
use mikey_sdp::{BiddingDown, SdpError, TextError};

/// Why a connection cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The lines of a message do not end.
    #[error("a message whose headers are longer than {limit} octets")]
    HeadTooLong {
        /// The limit.
        limit: usize,
    },
    /// The body is longer than any that is read.
    #[error("a message with a body of {length} octets; {limit} are read")]
    BodyTooLong {
        /// What Content-Length says.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Content-Length is no number, or there are two.
    #[error("a message whose Content-Length is not a length")]
    ContentLength,
    /// It is no RTSP.
    #[error("not an RTSP message: \"{line}\"")]
    Malformed {
        /// Its first line, printable.
        line: String,
    },
}

/// Why there are no keys for a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The session description, or its `a=key-mgmt`.
    #[error("{0}")]
    Description(#[from] SdpError),
    /// The text of `KeyMgmt`.
    #[error("KeyMgmt: {0}")]
    Header(#[from] TextError),
    /// Nothing there is MIKEY's.
    #[error("KeyMgmt: no message of MIKEY, but of {0}")]
    OtherProtocol(String),
    /// The peer sent no message where one has to come.
    #[error("{0}")]
    Missing(&'static str),
    /// The message.
    #[error("MIKEY: {0}")]
    Message(v1::Error),
    /// The list of protocols inside the message is not that of the description.
    #[error("MIKEY: {0}")]
    BiddingDown(BiddingDown),
    /// Keys that SRTP cannot take.
    #[error("the keys cannot be used: {0}")]
    Install(#[from] InstallError),
}

impl From<v1::Error> for KeyError {
    fn from(error: v1::Error) -> Self {
        Self::Message(error)
    }
}

/// Why a stream of the presentation cannot be received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// No payload type, or none that is a number.
    #[error("media {0} has no payload type")]
    PayloadType(usize),
    /// More streams than are set up.
    #[error("more than {0} streams")]
    TooMany(usize),
    /// Its control URL cannot be read.
    #[error("media {0}: its control URL cannot be read")]
    Control(usize),
}
