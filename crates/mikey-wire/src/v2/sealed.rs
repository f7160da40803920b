//! Protected messages of version 2 before and after they are opened (section 4).
//!
//! Invariant: [`Sealed`] shows nothing of the plaintext; [`Opened`] is made from a plaintext that the caller
//! has authenticated. Offsets in [`Opened`] count octets of canon(M): what stands before KEMAC as sent,
//! FRAGMENT left out, followed by the plaintext with its type octet.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::header::{GenericCs, Header};
use crate::message::{Item, Message, chain};
use crate::payload::{Cx, Extension, Kemac, Payload, Session, T};
use crate::reader::{Reader, Result};
use crate::registry::{DataType, PayloadType};
use crate::rules::{self, Fields};
use crate::v2::table::{self, MessageRule, check_version};

/// A protected message: CCE_*, REKEY_*, INFO_*, CCE2_REQ, or the protected ERROR.
#[derive(Clone, Debug)]
pub struct Sealed<'a> {
    /// HDR, checked against the message's rule.
    pub header: Header<'a>,
    /// Both SPIs.
    pub session: Session,
    /// T, never 2^32-1.
    pub t: u32,
    /// Number and total, if this is a fragment.
    pub fragment: Option<(u16, u16)>,
    /// KEMAC; Encr and Mac alg are a pair that some suite has.
    pub kemac: Kemac<'a>,
    /// The octets before the KEMAC payload.
    pub before_kemac: &'a [u8],
    /// What stands in clear between T and KEMAC.
    pub clear: Vec<Item<'a>>,
    /// What stands behind KEMAC: only in CCE2_REQ. Read it with [`crate::v2::Cce2Tail`].
    pub after: Vec<Item<'a>>,
    /// The message as it came.
    pub raw: &'a [u8],
    /// Where T ends: the length of what comes before FRAGMENT.
    t_span: (usize, usize),
    kemac_end: usize,
}

/// The contents of a protected message whose KEMAC has verified.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    /// Clear items, then those of the plaintext; `start` and `end` count octets of canon(M).
    pub items: Vec<Item<'a>>,
    /// Nothing stood in clear between T and KEMAC. See [`Opened::fits`].
    pub confidential: bool,
    /// Nothing but key data was in the plaintext, or nothing at all.
    keys_only: bool,
}

impl<'a> Sealed<'a> {
    /// Reads a protected message without opening it.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2 and 4 that can be seen from outside.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let data_type = message.header.data_type;
        let rule = table::sealed(data_type)
            .ok_or_else(|| DecodeError::new(1, "data type", DecodeErrorKind::DataType(data_type.0)))?;
        let mut items = message.items.into_iter().peekable();
        let missing =
            |item: Option<&Item<'_>>, name| rules::at(item, raw.len(), name, DecodeErrorKind::Missing);

        let item = items.next();
        let Some(Payload::Ext(Extension::Session(session))) = item.as_ref().map(|item| &item.payload) else {
            return Err(missing(item.as_ref(), "SESSION"));
        };
        let session = *session;
        let item = items.find(|item| !rules::is_skipped(&item.payload));
        let Some(Item { payload: Payload::T(T::Counter(t)), start, end }) = item else {
            return Err(missing(item.as_ref(), "T as COUNTER"));
        };
        if t == crate::limits::T_NEVER {
            return Err(rules::at(item.as_ref(), 0, "T", DecodeErrorKind::Value(t)));
        }
        let t_span = (start, end);
        let fragment = match items.peek().map(|item| &item.payload) {
            Some(Payload::Ext(Extension::Fragment { number, total })) => Some((*number, *total)),
            _ => None,
        };
        if fragment.is_some() {
            items.next();
        }
        let mut clear = Vec::new();
        let (kemac, kemac_start, kemac_end) = loop {
            match items.next() {
                Some(Item { payload: Payload::Kemac(kemac), start, end }) => break (kemac, start, end),
                Some(item) => clear.push(item),
                None => return Err(missing(None, "KEMAC")),
            }
        };
        let sealed = Self {
            session,
            t,
            fragment,
            kemac,
            before_kemac: raw.get(..kemac_start).unwrap_or_default(),
            clear,
            after: items.collect(),
            raw,
            header: message.header,
            t_span,
            kemac_end,
        };
        sealed.check(rule)?;
        Ok(sealed)
    }

    fn check(&self, rule: &MessageRule) -> Result<()> {
        rule.check_head(&self.header, self.session)?;
        let unexpected =
            |item: &Item<'_>| Err(rules::at(Some(item), 0, "order of payloads", DecodeErrorKind::Unexpected));
        if rule.data_type == DataType::CCE2_REQ {
            if !self.after.is_empty() {
                rules::check(table::CCE2_TAIL, &self.after)?;
            }
        } else if let Some(item) = self.after.first() {
            return unexpected(item);
        }
        if let Some((number, _)) = self.fragment {
            if let Some(item) = self.clear.first() {
                return unexpected(item);
            }
            if !is_fragmented(rule.data_type) {
                let kind = DecodeErrorKind::Unexpected;
                return Err(DecodeError::new(self.t_span.1, "FRAGMENT", kind).within(PayloadType::EXT));
            }
            let blocks = self.streams().len();
            if number > 1 && blocks != 0 {
                return Err(DecodeError::new(8, "#CS", DecodeErrorKind::Length(blocks)));
            }
        }
        Ok(())
    }

    /// The crypto sessions in HDR.
    #[must_use]
    pub fn streams(&self) -> &[GenericCs<'a>] {
        self.header.cs_map.generic()
    }

    /// The additional data of an AEAD suite: everything before Encr data.
    #[must_use]
    pub fn aad(&self) -> &'a [u8] {
        self.raw.get(..self.before_kemac.len().saturating_add(KEMAC_HEAD)).unwrap_or_default()
    }

    /// What the HMAC of a counter-mode suite covers: HDR up to and with Mac alg.
    #[must_use]
    pub fn maced(&self) -> &'a [u8] {
        self.raw.get(..self.kemac_end.saturating_sub(self.kemac.mac.len())).unwrap_or_default()
    }

    /// The first part of canon(M): the octets before KEMAC. Of a fragment, those of the message as if it
    /// had not been fragmented; use the first fragment.
    // R8.1
    #[must_use]
    pub fn canon_head(&self) -> Cow<'a, [u8]> {
        if self.fragment.is_none() {
            return Cow::Borrowed(self.before_kemac);
        }
        let (start, end) = self.t_span;
        let mut head = self.raw.get(..end).unwrap_or_default().to_vec();
        if let Some(next) = head.get_mut(start) {
            *next = PayloadType::KEMAC.0;
        }
        Cow::Owned(head)
    }

    fn canon_head_len(&self) -> usize {
        if self.fragment.is_none() { self.before_kemac.len() } else { self.t_span.1 }
    }

    /// Checks that this is the message of `rule`, and takes its contents apart.
    pub(super) fn fields(&self, opened: &Opened<'a>, rule: &MessageRule) -> Result<Fields<'a>> {
        if self.header.data_type != rule.data_type {
            let kind = DecodeErrorKind::DataType(self.header.data_type.0);
            return Err(DecodeError::new(1, "data type", kind));
        }
        Fields::read(rule.rows, &opened.items)
    }
}

/// Octets of KEMAC before Encr data.
pub(super) const KEMAC_HEAD: usize = 4;

/// Section 4: only protected messages of CCE, REKEY and INFO are fragmented.
fn is_fragmented(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::CCE_REQ
            | DataType::CCE_RESP
            | DataType::REKEY_REQ
            | DataType::REKEY_RESP
            | DataType::INFO_REQ
            | DataType::INFO_RESP
    )
}

impl<'a> Opened<'a> {
    /// Reads the plaintext of Encr data (of all fragments together: give the first one as `sealed`).
    ///
    /// # Errors
    /// [`DecodeError`], with offsets into canon(M): the chain does not fill the plaintext, or something but
    /// key data is inside although payloads stand in clear.
    pub fn decode(sealed: &Sealed<'a>, plaintext: &'a [u8]) -> Result<Self> {
        let base = sealed.canon_head_len();
        let inner = inner_items(plaintext, sealed.header.data_type)
            .map_err(|error| DecodeError { offset: error.offset.saturating_add(base), ..error })?;
        let mut items = sealed.clear.clone();
        let confidential = items.is_empty();
        let mut keys_only = true;
        for item in inner {
            let is_key = matches!(item.payload, Payload::KeyData(_));
            let item = Item {
                start: item.start.saturating_add(base),
                end: item.end.saturating_add(base),
                payload: item.payload,
            };
            if !confidential && !is_key {
                return Err(rules::at(Some(&item), 0, "confidentiality", DecodeErrorKind::Unexpected));
            }
            keys_only &= is_key;
            items.push(item);
        }
        Ok(Self { items, confidential, keys_only })
    }

    /// Whether the message is built as `confidential` (M-SP type 7) demands: with it nothing stands in
    /// clear between T and KEMAC, without it nothing but key data is inside. A message that has neither fits
    /// both. CCE2_REQ always has the form without, ERROR the form with.
    #[must_use]
    pub fn fits(&self, confidential: bool) -> bool {
        if confidential { self.confidential } else { self.keys_only }
    }
}

/// Reads a plaintext: the type of the first payload, then the chain.
pub(super) fn inner_items(plaintext: &[u8], data_type: DataType) -> Result<Vec<Item<'_>>> {
    let mut r = Reader::new(plaintext);
    let first = PayloadType(r.u8("type of the first payload")?);
    let cx = Cx { version: crate::header::Version::V2, data_type, inside: true };
    let items = chain(&mut r, first, cx)?;
    r.finish("end of Encr data")?;
    Ok(items)
}

/// Offset of HDR's `next payload`.
const HEADER_NEXT: usize = 2;

/// The message without its COOKIE payload, which stands right behind HDR; `next payload` of HDR becomes
/// what COOKIE said.
pub(super) fn without_cookie(raw: &[u8], cookie: Option<Range<usize>>) -> Vec<u8> {
    let mut out = raw.to_vec();
    if let Some(span) = cookie.filter(|span| span.start <= span.end && span.end <= raw.len()) {
        if let (Some(next), Some(field)) = (raw.get(span.start).copied(), out.get_mut(HEADER_NEXT)) {
            *field = next;
        }
        out.drain(span);
    }
    out
}
