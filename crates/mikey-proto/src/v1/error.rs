//! What can go wrong with a message of version 1, and which ERR a peer gets for it (RFC 3830 sections 5.1.2, 6.12).

use std::fmt;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_wire::{DataType, DecodeError, EncodeError, ErrorNo, PayloadType};

use super::replay::ReplayRefusal;
use crate::error::{ApiMisuse, CertificateFault, Mismatch};

/// Why a message was refused, or could not be made.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Octets that are not a message of version 1.
    Decode(DecodeError),
    /// A mode that the policy does not speak, or a message that does not belong here.
    DataType(DataType),
    /// An algorithm that the policy does not take: in which payload and field, and its number.
    Algorithm {
        /// The payload.
        payload: PayloadType,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u8,
    },
    /// The time of the message.
    Time(ReplayRefusal),
    /// The MAC or signature is not that of the peer: a wrong key, a wrong name, or somebody changed the message. It is not
    /// said which.
    Auth,
    /// The certificate was refused.
    Certificate(CertificateFault),
    /// A name that is not the one that was expected, or that nothing tells.
    Name,
    /// The keys in the message do not fit what it wants them for.
    Keys(&'static str),
    /// A crypto session or policy contradicts another part of the message.
    Streams(&'static str),
    /// No policy in common.
    Mismatch(Mismatch),
    /// A DH value that is refused, or another group than the one asked for.
    KeyExchange,
    /// An update of a bundle that is not there, or by a mode that cannot update it.
    UnknownBundle,
    /// The list of key management protocols inside the message is not that of the signalling: somebody took some out.
    BiddingDown,
    /// The peer speaks version 2, as we do, and offers version 1: somebody has taken its first offer away.
    Downgrade,
    /// The peer says that it refuses us. Unless `authenticated`, anyone may have said so.
    Refused {
        /// What it says.
        errors: Vec<ErrorNo>,
        /// The SRTP policies that would do, if it says so.
        policies: Vec<SrtpPolicy>,
        /// Whether it proved who it is.
        authenticated: bool,
    },
    /// The answer to another message, or none at all.
    NotOurs,
    /// The caller broke a rule that the documentation states.
    Misuse(ApiMisuse),
    /// The source of randomness failed.
    Random,
    /// A bug here. Please report it.
    Bug(&'static str),
}

/// A message that was refused, and what to send back, if anything.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub why: Error,
    /// An ERROR message for the peer.
    pub answer: Option<Vec<u8>>,
}

impl Error {
    /// The number in ERR; `None` if the peer learns nothing.
    #[must_use]
    pub fn error_no(&self) -> Option<ErrorNo> {
        Some(match self {
            Self::Decode(_) => ErrorNo::UNSUPPORTED_MESSAGE,
            Self::DataType(_) => ErrorNo::INVALID_DT,
            Self::Algorithm { payload, .. } => match *payload {
                PayloadType::KEMAC | PayloadType::V => ErrorNo::INVALID_MAC,
                PayloadType::DH => ErrorNo::INVALID_DH,
                PayloadType::CHASH => ErrorNo::INVALID_HA,
                PayloadType::PKE => ErrorNo::INVALID_EA,
                _ => ErrorNo::INVALID_PRF,
            },
            Self::Time(_) => ErrorNo::INVALID_TS,
            // One code whether the key, the name or the certificate was wrong.
            Self::Auth | Self::Certificate(_) | Self::Name => ErrorNo::AUTH_FAILURE,
            Self::KeyExchange => ErrorNo::INVALID_DH,
            Self::Streams(_) | Self::Mismatch(_) => ErrorNo::INVALID_SP_PAR,
            Self::Keys(_) | Self::UnknownBundle | Self::BiddingDown | Self::Downgrade => ErrorNo::UNSPECIFIED,
            Self::Refused { .. } | Self::NotOurs | Self::Misuse(_) | Self::Random | Self::Bug(_) => {
                return None;
            }
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "malformed message: {e}"),
            Self::DataType(ty) => write!(f, "a message of type {ty} is not taken here"),
            Self::Algorithm { payload, field, value } => {
                write!(f, "{payload}: {field}: {value} is not allowed by the policy")
            }
            Self::Time(ReplayRefusal::Skew(seconds)) => {
                let direction = if *seconds > 0 { "ahead of" } else { "behind" };
                write!(f, "the peer's clock is {} s {direction} ours; set both", seconds.unsigned_abs())
            }
            Self::Time(ReplayRefusal::Forgotten) => {
                f.write_str("the message is older than what is remembered here and may be a replay")
            }
            Self::Time(ReplayRefusal::Seen) => f.write_str("the message was seen before"),
            Self::Time(ReplayRefusal::Counter) => f.write_str("the peer's counter did not grow: a replay"),
            Self::Time(ReplayRefusal::Full) => f.write_str("no room for the counter of another peer"),
            Self::Auth => f.write_str("the peer did not prove its identity"),
            Self::Certificate(fault) => write!(f, "the peer's certificate {fault}"),
            Self::Name => f.write_str("the peer is not the one that was expected, or does not say who it is"),
            Self::Keys(what) => write!(f, "the keys in the message do not fit: {what}"),
            Self::Streams(what) => write!(f, "the crypto sessions contradict themselves: {what}"),
            Self::Mismatch(Mismatch::Parameter(name)) => write!(f, "no {name} in common with the peer"),
            Self::Mismatch(Mismatch::SrtpPolicy) => f.write_str("no srtp policy in common with the peer"),
            Self::Mismatch(Mismatch::Streams) => f.write_str("the application refused the peer's streams"),
            Self::KeyExchange => f.write_str("the peer's dh value is refused"),
            Self::UnknownBundle => f.write_str("there is no such bundle to update, or not in this way"),
            Self::BiddingDown => {
                f.write_str("the signalling does not offer the protocols that the peer says it offered")
            }
            Self::Downgrade => {
                f.write_str("the peer speaks version 2 and offers version 1: its first offer was taken away")
            }
            Self::Refused { errors, authenticated, .. } => {
                f.write_str(if *authenticated {
                    "the peer refuses: "
                } else {
                    "an unauthenticated error says: "
                })?;
                for (i, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::NotOurs => f.write_str("not an answer to this message"),
            Self::Misuse(e) => e.fmt(f),
            Self::Random => f.write_str("the random number generator failed"),
            Self::Bug(what) => write!(f, "a bug in this library: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl From<Error> for Refused {
    fn from(why: Error) -> Self {
        Self { why, answer: None }
    }
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl From<EncodeError> for Error {
    fn from(_: EncodeError) -> Self {
        Self::Misuse(ApiMisuse::TooLong)
    }
}

impl From<CertificateFault> for Error {
    fn from(e: CertificateFault) -> Self {
        Self::Certificate(e)
    }
}

impl From<ApiMisuse> for Error {
    fn from(e: ApiMisuse) -> Self {
        Self::Misuse(e)
    }
}

impl From<ReplayRefusal> for Error {
    fn from(e: ReplayRefusal) -> Self {
        Self::Time(e)
    }
}

impl From<mikey_crypto::RandomFailed> for Error {
    fn from(mikey_crypto::RandomFailed: mikey_crypto::RandomFailed) -> Self {
        Self::Random
    }
}

impl From<mikey_crypto::AuthFailed> for Error {
    fn from(mikey_crypto::AuthFailed: mikey_crypto::AuthFailed) -> Self {
        Self::Auth
    }
}

impl From<mikey_crypto::SignFailed> for Error {
    fn from(mikey_crypto::SignFailed: mikey_crypto::SignFailed) -> Self {
        Self::Bug("a signature could not be made")
    }
}

impl From<mikey_crypto::KxError> for Error {
    fn from(e: mikey_crypto::KxError) -> Self {
        match e {
            mikey_crypto::KxError::BadValue => Self::KeyExchange,
            mikey_crypto::KxError::Random => Self::Random,
        }
    }
}
