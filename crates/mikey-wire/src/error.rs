//! What can be wrong with octets, and with a message that the caller wants to encode.
//!
//! Invariant: an error says where (octet), in which payload, in which field, and why, and carries no octet
//! of the message itself.

use core::fmt;

use crate::registry::{ExtType, PayloadType};

/// Why octets were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The octet at which decoding stopped. For the plaintext of KEMAC it counts from its first octet. Zero
    /// with a payload: a rule that ties several payloads together is broken, at no single octet.
    pub offset: usize,
    /// The payload it was in; `None` for HDR and for the message as a whole.
    pub payload: Option<PayloadType>,
    /// The field or rule.
    pub field: &'static str,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// What is wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// Fewer octets are left than the field needs.
    Short {
        /// Octets wanted.
        wanted: usize,
        /// Octets left.
        left: usize,
    },
    /// Octets follow where nothing may follow.
    Trailing {
        /// How many.
        octets: usize,
    },
    /// A version that is neither 1 nor 2, or not the one this decoder reads.
    Version(u8),
    /// A payload type nobody has defined here: its length is unknown, so nothing after it can be read.
    UnknownPayload(PayloadType),
    /// An extension that must be understood and is not.
    UnknownExtension(ExtType),
    /// A reserved bit is set.
    Reserved,
    /// A length that the field cannot have.
    Length(usize),
    /// A value that this field may not have, or one that does not fit another field.
    Value(u32),
    /// More than a named limit allows.
    Limit(usize),
    /// A payload that may not stand here: another order, a second one of a single payload, or one that
    /// this message does not have.
    Unexpected,
    /// A payload or parameter that must be there is not.
    Missing,
    /// The same identifier twice.
    Duplicate(u32),
    /// A message of another data type than the one decoded.
    DataType(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload {
            Some(ty) if self.offset == 0 => write!(f, "{ty}: {}: ", self.field)?,
            Some(ty) => write!(f, "{ty} at octet {}: {}: ", self.offset, self.field)?,
            None => write!(f, "octet {}: {}: ", self.offset, self.field)?,
        }
        match self.kind {
            DecodeErrorKind::Short { wanted, left } => write!(f, "{wanted} octets wanted, {left} left"),
            DecodeErrorKind::Trailing { octets } => write!(f, "{octets} octets after the end"),
            DecodeErrorKind::Version(n) => write!(f, "version {n} is not read here"),
            DecodeErrorKind::UnknownPayload(ty) => write!(f, "payload type {} is not known", ty.0),
            DecodeErrorKind::UnknownExtension(ty) => write!(f, "extension {} must be understood", ty.0),
            DecodeErrorKind::Reserved => f.write_str("a reserved bit is set"),
            DecodeErrorKind::Length(n) => write!(f, "{n} octets is not a length it can have"),
            DecodeErrorKind::Value(n) => write!(f, "{n} is not a value it can have"),
            DecodeErrorKind::Limit(n) => write!(f, "more than the limit of {n}"),
            DecodeErrorKind::Unexpected => f.write_str("may not stand here"),
            DecodeErrorKind::Missing => f.write_str("is missing"),
            DecodeErrorKind::Duplicate(n) => write!(f, "{n} is there twice"),
            DecodeErrorKind::DataType(n) => write!(f, "data type {n} is another message"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl DecodeError {
    pub(crate) fn new(offset: usize, field: &'static str, kind: DecodeErrorKind) -> Self {
        Self { offset, payload: None, field, kind }
    }

    /// The same error, now known to be in this payload.
    pub(crate) fn within(self, ty: PayloadType) -> Self {
        Self { payload: self.payload.or(Some(ty)), ..self }
    }
}

/// Why a message cannot be encoded: the caller asked for something that no receiver would accept.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// Longer than its length field or its limit allows.
    TooLong(&'static str),
    /// A length that the field cannot have.
    Length(&'static str),
    /// A value that the field cannot have.
    Value(&'static str),
    /// A payload that cannot stand where it was put (SIGN before another payload).
    Order(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(field) => write!(f, "{field}: too long"),
            Self::Length(field) => write!(f, "{field}: not a length it can have"),
            Self::Value(field) => write!(f, "{field}: not a value it can have"),
            Self::Order(field) => write!(f, "{field}: cannot stand here"),
        }
    }
}

impl core::error::Error for EncodeError {}
