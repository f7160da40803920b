//! Which payload may stand where, as rows (style.md C6), and the fields that come out of it.
//!
//! Invariant: rows are matched in order and every item must match one. Only what section 2 lets a receiver
//! skip is passed over: Vendor IDs, TESLA keys and unknown General Extensions that need not be understood,
//! after SESSION and never behind a payload that must be the last.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::message::Item;
use crate::payload::{
    Auth, Cert, CertReq, Chash, Dh, Extension, GccReq, Group, Id, Kemac, KeyData, Payload, Pke, ResumeTicket,
    Sender, Session, Sign, Sp, T, Ver,
};
use crate::reader::Result;
use crate::registry::{ErrorNo, ExtType, NotifyCode, PayloadType, ProtType};

/// What a row matches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Payload(PayloadType),
    Ext(ExtType),
    /// SP with Prot type 64.
    Msp,
    /// SP with any other Prot type.
    Policy,
    /// The pair of KEY-ID and KEMAC, whose alternation GROUP_REKEY checks itself.
    Node,
}

/// One row: what, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    what: What,
    name: &'static str,
    min: usize,
    max: usize,
    last: bool,
}

impl Rule {
    /// Exactly once.
    pub(crate) const fn one(what: What, name: &'static str) -> Self {
        Self { what, name, min: 1, max: 1, last: false }
    }

    /// At most once.
    pub(crate) const fn opt(what: What, name: &'static str) -> Self {
        Self { what, name, min: 0, max: 1, last: false }
    }

    /// `min` to `max` times in a row.
    pub(crate) const fn times(what: What, min: usize, max: usize, name: &'static str) -> Self {
        Self { what, name, min, max, last: false }
    }

    /// Nothing but its own kind may follow, not even what is skipped.
    pub(crate) const fn last(self) -> Self {
        Self { last: true, ..self }
    }

    fn matches(&self, payload: &Payload<'_>) -> bool {
        match (self.what, payload) {
            (What::Msp, Payload::Sp(sp)) => sp.prot == ProtType::M_SP,
            (What::Policy, Payload::Sp(sp)) => sp.prot != ProtType::M_SP,
            (What::Node, Payload::Kemac(_) | Payload::Ext(Extension::KeyId(_))) => true,
            (What::Ext(ty), Payload::Ext(ext)) => ext.ty() == ty,
            (What::Payload(ty), payload) => payload.ty() == ty,
            _ => false,
        }
    }
}

/// An error about an item, or about the end if there is none.
pub(crate) fn at(
    item: Option<&Item<'_>>,
    end: usize,
    field: &'static str,
    kind: DecodeErrorKind,
) -> DecodeError {
    DecodeError {
        offset: item.map_or(end, |item| item.start),
        payload: item.map(|item| item.payload.ty()),
        field,
        kind,
    }
}

/// What a receiver of version 2 passes over (section 2).
// R4.5
pub(crate) fn is_skipped(payload: &Payload<'_>) -> bool {
    matches!(
        payload,
        Payload::Ext(Extension::VendorId(_) | Extension::TeslaKey(_) | Extension::Unknown { .. })
    )
}

/// Checks order, place and number of every item.
// R4.1, R4.3
pub(crate) fn check(rows: &[Rule], items: &[Item<'_>]) -> Result<()> {
    let session = What::Ext(ExtType::SESSION);
    let end = items.last().map_or(0, |item| item.end);
    let mut may_skip = rows.iter().all(|row| row.what != session);
    let mut rest = items;
    for row in rows {
        let mut count = 0usize;
        while let Some((item, tail)) = rest.split_first() {
            if row.matches(&item.payload) {
                if count == row.max {
                    break;
                }
                count = count.saturating_add(1);
                may_skip = (may_skip || row.what == session) && !row.last;
            } else if !(may_skip && is_skipped(&item.payload)) {
                break;
            }
            rest = tail;
        }
        if count < row.min {
            // Whatever stands here instead is out of place only because this is not here.
            return Err(at(rest.first(), end, row.name, DecodeErrorKind::Missing));
        }
    }
    match rest.first() {
        None => Ok(()),
        item => Err(at(item, end, "order of payloads", DecodeErrorKind::Unexpected)),
    }
}

/// A NOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify<'a> {
    /// What about.
    pub code: NotifyCode,
    /// Its data.
    pub data: &'a [u8],
}

/// A payload that is cut at, with the offset of its first octet.
pub(crate) type Placed<T> = Option<(T, usize)>;

/// Everything that a checked list of items can hold; a typed message takes what it has.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) cookie: Option<(&'a [u8], Range<usize>)>,
    pub(crate) session: Option<Session>,
    pub(crate) t: Option<u32>,
    pub(crate) rand: Option<&'a [u8; 32]>,
    pub(crate) msp: Option<Sp<'a>>,
    pub(crate) ids: Vec<Id<'a>>,
    pub(crate) certs: Vec<Cert<'a>>,
    pub(crate) cert_req: Option<CertReq<'a>>,
    pub(crate) policies: Vec<Sp<'a>>,
    pub(crate) gcc: Option<GccReq<'a>>,
    pub(crate) sdp_ids: Option<&'a [u8]>,
    pub(crate) sas_commit: Option<&'a [u8; 32]>,
    pub(crate) sas_reveal: Option<&'a [u8; 32]>,
    pub(crate) sdp_binding: Option<Vec<(u8, &'a [u8])>>,
    pub(crate) dh: Option<Dh<'a>>,
    pub(crate) ticket: Option<ResumeTicket<'a>>,
    pub(crate) notifies: Vec<Notify<'a>>,
    pub(crate) group: Option<Group<'a>>,
    pub(crate) senders: Option<Vec<Sender>>,
    pub(crate) hash: Option<&'a [u8]>,
    /// Data of every TESLA I-Key; no row counts them, as they may stand anywhere.
    pub(crate) tesla_keys: Vec<&'a [u8]>,
    pub(crate) error: Option<ErrorNo>,
    pub(crate) chash: Option<Chash<'a>>,
    pub(crate) pke: Option<Pke<'a>>,
    pub(crate) key_data: Vec<KeyData<'a>>,
    pub(crate) kemac: Placed<Kemac<'a>>,
    pub(crate) auth: Placed<Auth<'a>>,
    pub(crate) ver: Placed<Ver<'a>>,
    pub(crate) sign: Placed<Sign<'a>>,
}

impl<'a> Fields<'a> {
    /// Checks the items against the rows and takes them apart.
    pub(crate) fn read(rows: &[Rule], items: &[Item<'a>]) -> Result<Self> {
        check(rows, items)?;
        let mut fields = Self::default();
        for item in items {
            fields.take(item)?;
        }
        Ok(fields)
    }

    fn take(&mut self, item: &Item<'a>) -> Result<()> {
        match &item.payload {
            Payload::Kemac(p) => self.kemac = Some((*p, item.start)),
            Payload::Pke(p) => self.pke = Some(*p),
            Payload::Dh(p) => self.dh = Some(*p),
            Payload::Sign(p) => self.sign = Some((*p, item.start)),
            Payload::T(t) => self.t = Some(counter(*t, item)?),
            Payload::Id(p) => self.ids.push(*p),
            Payload::Cert(p) => self.certs.push(*p),
            Payload::Chash(p) => self.chash = Some(*p),
            Payload::V(p) => self.ver = Some((*p, item.start)),
            Payload::Sp(p) if p.prot == ProtType::M_SP => self.msp = Some(p.clone()),
            Payload::Sp(p) => self.policies.push(p.clone()),
            Payload::Rand(octets) => self.rand = Some(rand32(octets, item)?),
            Payload::Err(no) => self.error = Some(*no),
            Payload::KeyData(p) => self.key_data.push(*p),
            Payload::Ext(ext) => self.take_ext(ext, item)?,
            Payload::Auth(p) => self.auth = Some((*p, item.start)),
            Payload::CertReq(p) => self.cert_req = Some(p.clone()),
            Payload::GccReq(p) => self.gcc = Some(*p),
            // Version 2 never decodes these.
            Payload::Tr(_) | Payload::Idr(_) | Payload::RandR(_) | Payload::Sakke(_) => {}
        }
        Ok(())
    }

    fn take_ext(&mut self, ext: &Extension<'a>, item: &Item<'a>) -> Result<()> {
        match ext {
            Extension::SdpIds(octets) => self.sdp_ids = Some(octets),
            Extension::TeslaKey(octets) => self.tesla_keys.push(octets),
            Extension::Session(session) => self.session = Some(*session),
            Extension::Cookie(cookie) => self.cookie = Some((cookie, item.start..item.end)),
            Extension::SasCommit(octets) => self.sas_commit = Some(octets),
            Extension::SasReveal(octets) => self.sas_reveal = Some(octets),
            Extension::ResumeTicket(ticket) => self.ticket = Some(*ticket),
            Extension::Notify { code, data } => self.notifies.push(Notify { code: *code, data }),
            Extension::SdpBinding(items) => self.sdp_binding = Some(items.clone()),
            Extension::Group(group) => self.group = Some(*group),
            Extension::Hash(hash) => self.hash = Some(hash),
            Extension::Senders(senders) => self.senders = Some(senders.clone()),
            // KEY-ID and FRAGMENT are read where they stand; the others are skipped by their rule.
            Extension::KeyId(_)
            | Extension::Fragment { .. }
            | Extension::VendorId(_)
            | Extension::CsbId(_)
            | Extension::Unknown { .. } => {}
        }
        Ok(())
    }
}

/// T of version 2: a counter, and not the value that is never used.
// R4.16
fn counter(t: T, item: &Item<'_>) -> Result<u32> {
    match t {
        T::Counter(value) if value != crate::limits::T_NEVER => Ok(value),
        T::Counter(value) => Err(at(Some(item), 0, "T", DecodeErrorKind::Value(value))),
        other => Err(at(Some(item), 0, "TS type", DecodeErrorKind::Value(u32::from(other.ty().0)))),
    }
}

// R4.16
fn rand32<'a>(octets: &'a [u8], item: &Item<'_>) -> Result<&'a [u8; 32]> {
    octets.try_into().map_err(|_| at(Some(item), 0, "RAND", DecodeErrorKind::Length(octets.len())))
}

/// A field that the rows have already made sure of.
pub(crate) fn need<T>(field: Option<T>, name: &'static str) -> Result<T> {
    field.ok_or_else(|| DecodeError::new(0, name, DecodeErrorKind::Missing))
}
