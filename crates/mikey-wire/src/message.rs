//! Whole messages and payload chains, of both versions, before any rule of a message type is applied.
//!
//! Invariant: `items` cover the octets between HDR and the end without gap, each from its own `next
//! payload` octet (SIGN: its first octet) to its last, so that a transcript is cut from the octets received.

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::header::{Header, Version};
use crate::limits::{MAX_MESSAGE, MAX_PAYLOADS};
use crate::payload::{Cx, Extension, Payload, T};
use crate::quirk::{self, Quirks};
use crate::reader::{Reader, Result};
use crate::registry::{DataType, EncrAlg, PayloadType};

/// A payload and where it stands.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// The payload.
    pub payload: Payload<'a>,
    /// Offset of its first octet.
    pub start: usize,
    /// Offset of the first octet after it.
    pub end: usize,
}

/// A message: HDR and its payloads, in order.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// HDR.
    pub header: Header<'a>,
    /// The payloads and their octets in `raw`.
    pub items: Vec<Item<'a>>,
    /// The message as it came.
    pub raw: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message of either version, to its last octet.
    ///
    /// # Errors
    /// [`DecodeError`] says where and why. No rule of a single message type is checked here: that is
    /// [`crate::v2`]'s, and for version 1 the state machine's.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(raw);
        let message = Self::decode_head(raw, &mut r)?;
        r.finish("end of message")?;
        Ok(message)
    }

    /// Reads a message of version 1 and lives with what real peers do, saying what it was. A message of
    /// version 2 gets no leniency.
    ///
    /// # Errors
    /// As [`Message::decode`], for everything that is not a named [`crate::Quirk`].
    pub fn decode_lenient(raw: &'a [u8]) -> Result<(Self, Quirks)> {
        let mut r = Reader::new(raw);
        let message = Self::decode_head(raw, &mut r)?;
        if message.header.version == Version::V2 {
            r.finish("end of message")?;
            return Ok((message, Quirks::default()));
        }
        let quirks = quirk::trailing(&r)?.and(quirk::of(&message));
        Ok((message, quirks))
    }

    fn decode_head(raw: &'a [u8], r: &mut Reader<'a>) -> Result<Self> {
        if raw.len() > MAX_MESSAGE {
            return Err(r.fail("message", DecodeErrorKind::Limit(MAX_MESSAGE)));
        }
        let (header, first) = Header::decode(r)?;
        if first == PayloadType::LAST {
            return Err(r.fail("first payload", DecodeErrorKind::Missing));
        }
        let cx = Cx { version: header.version, data_type: header.data_type, inside: false };
        let items = chain(r, first, cx)?;
        Ok(Self { header, items, raw })
    }

    /// The octets of an item of this message.
    #[must_use]
    pub fn octets(&self, item: &Item<'_>) -> &'a [u8] {
        self.raw.get(item.start..item.end).unwrap_or_default()
    }
}

/// Reads payloads from `first` until one says that it is the last. Does not look at what follows.
pub(crate) fn chain<'a>(r: &mut Reader<'a>, first: PayloadType, cx: Cx) -> Result<Vec<Item<'a>>> {
    let mut items = Vec::new();
    let mut ty = first;
    while ty != PayloadType::LAST {
        if items.len() == MAX_PAYLOADS {
            return Err(r.fail("payloads", DecodeErrorKind::Limit(MAX_PAYLOADS)));
        }
        let start = r.at();
        let read = |r: &mut Reader<'a>| {
            // RFC 3830 6.5: SIGN has no next payload field.
            let next =
                if ty == PayloadType::SIGN { PayloadType::LAST } else { PayloadType(r.u8("next payload")?) };
            Ok((Payload::decode(ty, r, cx)?, next))
        };
        let (payload, next) = read(r).map_err(|error: DecodeError| error.within(ty))?;
        items.push(Item { payload, start, end: r.at() });
        ty = next;
    }
    Ok(items)
}

/// HDR and T of a message of version 1 that cannot be read as a whole: what an ERROR that answers it repeats. None if T is not
/// its first payload, as every first message has it (RFC 3830 section 3).
#[must_use]
pub fn decode_start(raw: &[u8]) -> Option<(Header<'_>, T)> {
    let mut r = Reader::new(raw);
    let (header, first) = Header::decode(&mut r).ok()?;
    if header.version != Version::V1 || first != PayloadType::T {
        return None;
    }
    r.u8("next payload").ok()?;
    let cx = Cx { version: header.version, data_type: header.data_type, inside: false };
    match Payload::decode(PayloadType::T, &mut r, cx).ok()? {
        Payload::T(t) => Some((header, t)),
        _ => None,
    }
}

/// Reads a chain of payloads that stands in the plaintext of KEMAC's Encr data and fills it. `first` is the
/// type of its first payload: version 2 sends it as the first octet of the plaintext (use [`crate::v2`]),
/// version 1 knows it from the method (Key data, or ID with a public key, RFC 3830 6.2).
///
/// # Errors
/// [`DecodeError`], with offsets into `octets`.
pub fn decode_chain(
    version: Version,
    data_type: DataType,
    first: PayloadType,
    octets: &[u8],
) -> Result<Vec<Item<'_>>> {
    let mut r = Reader::new(octets);
    let items = chain(&mut r, first, Cx { version, data_type, inside: true })?;
    r.finish("end of payloads")?;
    Ok(items)
}

/// Encodes a whole message; the last payload's `next payload` is 0.
///
/// # Errors
/// [`EncodeError`] if no receiver would accept it.
pub fn encode(header: &Header<'_>, payloads: &[Payload<'_>]) -> core::result::Result<Vec<u8>, EncodeError> {
    encode_open(header, payloads, PayloadType::LAST)
}

/// Encodes HDR and payloads after which the caller appends one of type `next`.
///
/// # Errors
/// [`EncodeError`] if no receiver would accept it.
pub fn encode_open(
    header: &Header<'_>,
    payloads: &[Payload<'_>],
    next: PayloadType,
) -> core::result::Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    header.encode(&mut out, first_type(payloads, next))?;
    // Version 1 gives these numbers no meaning; version 2 refuses what it does not understand.
    let understood = |payload: &Payload<'_>| !matches!(payload, Payload::Ext(Extension::Unknown { ty, .. }) if ty.must_be_understood());
    if header.version == Version::V2 && !payloads.iter().all(understood) {
        return Err(EncodeError::Value("Type"));
    }
    encode_chain(&mut out, payloads, next)?;
    if out.len() > MAX_MESSAGE {
        return Err(EncodeError::TooLong("message"));
    }
    Ok(out)
}

/// Appends payloads; the last one says that `next` follows.
///
/// # Errors
/// [`EncodeError`] if no receiver would accept them.
pub fn encode_chain(
    out: &mut Vec<u8>,
    payloads: &[Payload<'_>],
    next: PayloadType,
) -> core::result::Result<(), EncodeError> {
    if payloads.len() > MAX_PAYLOADS {
        return Err(EncodeError::TooLong("payloads"));
    }
    let mut rest = payloads;
    while let Some((payload, tail)) = rest.split_first() {
        let next = first_type(tail, next);
        if payload.ty() != PayloadType::SIGN {
            out.push(next.0);
        } else if next != PayloadType::LAST {
            return Err(EncodeError::Order("SIGN"));
        }
        payload.encode(out)?;
        rest = tail;
    }
    Ok(())
}

/// Appends the start of a KEMAC, up to its Encr data of `encr_len` octets: what an AEAD takes as the end of
/// its additional data. The caller appends Encr data, Mac alg and MAC.
///
/// # Errors
/// [`EncodeError::TooLong`] above 65535 octets.
pub fn encode_kemac_head(
    out: &mut Vec<u8>,
    next: PayloadType,
    encr_alg: EncrAlg,
    encr_len: usize,
) -> core::result::Result<(), EncodeError> {
    let len = u16::try_from(encr_len).map_err(|_| EncodeError::TooLong("Encr data"))?;
    out.extend_from_slice(&[next.0, encr_alg.0]);
    out.extend_from_slice(&len.to_be_bytes());
    Ok(())
}

/// The type of the first payload, or `otherwise` if there is none.
#[must_use]
pub fn first_type(payloads: &[Payload<'_>], otherwise: PayloadType) -> PayloadType {
    payloads.first().map_or(otherwise, Payload::ty)
}
