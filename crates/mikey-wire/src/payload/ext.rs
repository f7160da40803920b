//! General Extension (RFC 3830 6.15): types 0 to 5 of the RFCs, 64 to 74 of version 2 (section 2).
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  |     Type      |            Length             |
//!    | Data                                                          ~
//! ```
//!
//! Invariant: a type that is not read here is kept octet for octet; version 2 refuses the unknown ones that
//! must be understood.

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::limits::{
    MAX_COOKIE, MAX_FRAGMENTS, MAX_KEY_IDS, MAX_SDP_BINDINGS, MAX_TICKET, MAX_TICKET_LIFETIME,
};
use crate::payload::{Cx, Group, Sender};
use crate::reader::{Reader, Result};
use crate::registry::{DataType, ExtType, KeyIdType, NotifyCode, SdpBindingType};
use crate::writer;

/// A General Extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension<'a> {
    /// Vendor specific octets (0).
    VendorId(&'a [u8]),
    /// Key management protocols that the SDP offers (1, RFC 4567).
    SdpIds(&'a [u8]),
    /// Initial key of a TESLA chain (2, RFC 4442).
    TeslaKey(&'a [u8]),
    /// Which keys are meant (3, RFC 4563).
    KeyId(Vec<KeyId<'a>>),
    /// The responder's CSB ID in group mode (4, RFC 4738). Version 1 only.
    CsbId(u32),
    /// Which session (64).
    Session(Session),
    /// What the responder wants to see again (65), 1 to 32 octets.
    Cookie(&'a [u8]),
    /// Part of a longer message (66).
    Fragment {
        /// Which part, from 1.
        number: u16,
        /// Of how many, 2 to 64.
        total: u16,
    },
    /// Commitment to the short authentication string (67).
    SasCommit(&'a [u8; 32]),
    /// What was committed to (68).
    SasReveal(&'a [u8; 32]),
    /// Resumption ticket (69).
    ResumeTicket(ResumeTicket<'a>),
    /// Notification (70).
    Notify {
        /// What about.
        code: NotifyCode,
        /// Its length follows from a known code.
        data: &'a [u8],
    },
    /// What ties the exchange to the SDP (71): type and value, each type once.
    SdpBinding(Vec<(u8, &'a [u8])>),
    /// A group's values (72).
    Group(Group<'a>),
    /// Hash of the request (73), 32 or 48 octets.
    Hash(&'a [u8]),
    /// Who sends in a group (74).
    Senders(Vec<Sender>),
    /// A type that is not read here.
    Unknown {
        /// Its number.
        ty: ExtType,
        /// Its data.
        body: &'a [u8],
    },
}

/// SPIs of a session, in the INIT or RESUME roles whoever sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session {
    /// The initiator's, never zero.
    pub spi_i: u64,
    /// The responder's; zero while it is not known.
    pub spi_r: u64,
}

/// RESUME-TICKET. RESUME_REQ shows it without its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeTicket<'a> {
    /// Seconds, at most 604800; `None` in RESUME_REQ alone.
    pub lifetime: Option<u32>,
    /// What only the issuer reads, 1 to 512 octets.
    pub opaque: &'a [u8],
}

/// One Key ID (RFC 4563 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId<'a> {
    /// What kind.
    pub ty: KeyIdType,
    /// The identifier, at most 255 octets.
    pub id: &'a [u8],
}

impl NotifyCode {
    /// Octets of its data; `None` if the code is not known.
    #[must_use]
    pub const fn data_len(self) -> Option<usize> {
        match self {
            Self::DELETE | Self::SAS_VERIFIED => Some(1),
            Self::PATH_CHECK | Self::PATH_OK | Self::GROUP_PULL => Some(8),
            Self::TICKET_REQUEST | Self::GROUP_LEAVE => Some(0),
            Self::UNSUPPORTED => Some(2),
            _ => None,
        }
    }
}

/// Refuses a length outside `allowed`, with the error at `at`.
fn bounded(
    at: &Reader<'_>,
    len: usize,
    allowed: core::ops::RangeInclusive<usize>,
    field: &'static str,
) -> Result<()> {
    if allowed.contains(&len) { Ok(()) } else { Err(at.fail(field, DecodeErrorKind::Length(len))) }
}

impl<'a> Extension<'a> {
    /// Its number in the Type field.
    #[must_use]
    pub const fn ty(&self) -> ExtType {
        match self {
            Self::VendorId(_) => ExtType::VENDOR_ID,
            Self::SdpIds(_) => ExtType::SDP_IDS,
            Self::TeslaKey(_) => ExtType::TESLA_KEY,
            Self::KeyId(_) => ExtType::KEY_ID,
            Self::CsbId(_) => ExtType::CSB_ID,
            Self::Session(_) => ExtType::SESSION,
            Self::Cookie(_) => ExtType::COOKIE,
            Self::Fragment { .. } => ExtType::FRAGMENT,
            Self::SasCommit(_) => ExtType::SAS_COMMIT,
            Self::SasReveal(_) => ExtType::SAS_REVEAL,
            Self::ResumeTicket(_) => ExtType::RESUME_TICKET,
            Self::Notify { .. } => ExtType::NOTIFY,
            Self::SdpBinding(_) => ExtType::SDP_BINDING,
            Self::Group(_) => ExtType::GROUP,
            Self::Hash(_) => ExtType::HASH,
            Self::Senders(_) => ExtType::SENDERS,
            Self::Unknown { ty, .. } => *ty,
        }
    }

    pub(crate) fn decode(r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let at = *r;
        let ty = ExtType(r.u8("Type")?);
        if cx.v2() && (ty == ExtType::CSB_ID || ty.must_be_understood() && ty.name().is_none()) {
            return Err(at.fail("Type", DecodeErrorKind::UnknownExtension(ty)));
        }
        let len = usize::from(r.u16("Length")?);
        r.nested(len, ty.name().unwrap_or("Data"), |r| match ty {
            ExtType::VENDOR_ID => Ok(Self::VendorId(r.rest())),
            ExtType::SDP_IDS => Ok(Self::SdpIds(r.rest())),
            ExtType::TESLA_KEY => Ok(Self::TeslaKey(r.rest())),
            ExtType::KEY_ID => decode_key_ids(r),
            ExtType::CSB_ID => Ok(Self::CsbId(r.u32("CSB_ID")?)),
            ty if cx.v2() => Self::decode_v2(ty, r, cx),
            ty => Ok(Self::Unknown { ty, body: r.rest() }),
        })
    }

    /// The extensions that only version 2 has.
    fn decode_v2(ty: ExtType, r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let at = *r;
        Ok(match ty {
            ExtType::SESSION => Self::Session(Session::decode(r)?),
            ExtType::COOKIE => {
                bounded(&at, r.left(), 1..=MAX_COOKIE, "COOKIE")?;
                Self::Cookie(r.rest())
            }
            ExtType::FRAGMENT => {
                let number = r.u16("fragment number")?;
                let total = r.u16("fragment total")?;
                if !(2..=MAX_FRAGMENTS).contains(&total) {
                    return Err(at.fail("fragment total", DecodeErrorKind::Value(u32::from(total))));
                }
                if number == 0 || number > total {
                    return Err(at.fail("fragment number", DecodeErrorKind::Value(u32::from(number))));
                }
                Self::Fragment { number, total }
            }
            ExtType::SAS_COMMIT => Self::SasCommit(r.array_ref("SAS-COMMIT")?),
            ExtType::SAS_REVEAL => Self::SasReveal(r.array_ref("SAS-REVEAL")?),
            ExtType::RESUME_TICKET => Self::ResumeTicket(ResumeTicket::decode(r, cx)?),
            ExtType::NOTIFY => {
                let code = NotifyCode(r.u16("NOTIFY code")?);
                let at = *r;
                let data = r.rest();
                if code.data_len().is_some_and(|len| len != data.len()) {
                    return Err(at.fail("NOTIFY data", DecodeErrorKind::Length(data.len())));
                }
                Self::Notify { code, data }
            }
            ExtType::SDP_BINDING => decode_sdp_binding(r)?,
            ExtType::GROUP => Self::Group(Group::decode(r)?),
            ExtType::HASH => {
                if !matches!(r.left(), 32 | 48) {
                    return Err(at.fail("HASH", DecodeErrorKind::Length(r.left())));
                }
                Self::Hash(r.rest())
            }
            ExtType::SENDERS => {
                let mut senders = Vec::new();
                while r.left() > 0 {
                    senders.push(Sender::decode(r)?);
                }
                Self::Senders(senders)
            }
            ty => Self::Unknown { ty, body: r.rest() },
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.ty().0);
        writer::len16(out, "Data", |out| self.encode_body(out))
    }

    fn encode_body(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        match self {
            Self::VendorId(octets) | Self::SdpIds(octets) | Self::TeslaKey(octets) => {
                out.extend_from_slice(octets)
            }
            Self::Unknown { body, .. } => out.extend_from_slice(body),
            Self::KeyId(ids) => {
                writer::bounded(ids.len(), 0..=MAX_KEY_IDS, "Key ID")?;
                for id in ids {
                    out.push(id.ty.0);
                    writer::vec8(out, id.id, "Key ID")?;
                }
            }
            Self::CsbId(id) => out.extend_from_slice(&id.to_be_bytes()),
            Self::Session(session) => session.encode(out)?,
            Self::Cookie(cookie) => {
                writer::bounded(cookie.len(), 1..=MAX_COOKIE, "COOKIE")?;
                out.extend_from_slice(cookie);
            }
            Self::Fragment { number, total } => {
                writer::require((2..=MAX_FRAGMENTS).contains(total), "fragment total")?;
                writer::require((1..=*total).contains(number), "fragment number")?;
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&total.to_be_bytes());
            }
            Self::SasCommit(octets) | Self::SasReveal(octets) => out.extend_from_slice(*octets),
            Self::ResumeTicket(ticket) => ticket.encode(out)?,
            Self::Notify { code, data } => {
                writer::require(code.data_len().is_none_or(|len| len == data.len()), "NOTIFY data")?;
                out.extend_from_slice(&code.0.to_be_bytes());
                out.extend_from_slice(data);
            }
            Self::SdpBinding(items) => encode_sdp_binding(items, out)?,
            Self::Group(group) => group.encode(out)?,
            Self::Hash(hash) => {
                writer::require(matches!(hash.len(), 32 | 48), "HASH")?;
                out.extend_from_slice(hash);
            }
            Self::Senders(senders) => {
                for sender in senders {
                    sender.encode(out)?;
                }
            }
        }
        Ok(())
    }
}

impl Session {
    // R7.8
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self> {
        let at = *r;
        let session = Self { spi_i: r.u64("SPIi")?, spi_r: r.u64("SPIr")? };
        if session.spi_i == 0 {
            return Err(at.fail("SPIi", DecodeErrorKind::Value(0)));
        }
        Ok(session)
    }

    fn encode(self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.spi_i != 0, "SPIi")?;
        out.extend_from_slice(&self.spi_i.to_be_bytes());
        out.extend_from_slice(&self.spi_r.to_be_bytes());
        Ok(())
    }
}

impl<'a> ResumeTicket<'a> {
    fn decode(r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let at = *r;
        let lifetime = match cx.data_type {
            DataType::RESUME_REQ => None,
            _ => Some(r.u32("ticket lifetime")?),
        };
        if lifetime.is_some_and(|seconds| seconds > MAX_TICKET_LIFETIME) {
            return Err(at.fail("ticket lifetime", DecodeErrorKind::Value(lifetime.unwrap_or_default())));
        }
        let at = *r;
        bounded(&at, r.left(), 1..=MAX_TICKET, "ticket")?;
        Ok(Self { lifetime, opaque: r.rest() })
    }

    fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::bounded(self.opaque.len(), 1..=MAX_TICKET, "ticket")?;
        if let Some(lifetime) = self.lifetime {
            writer::require(lifetime <= MAX_TICKET_LIFETIME, "ticket lifetime")?;
            out.extend_from_slice(&lifetime.to_be_bytes());
        }
        out.extend_from_slice(self.opaque);
        Ok(())
    }
}

fn decode_key_ids<'a>(r: &mut Reader<'a>) -> Result<Extension<'a>> {
    let mut ids = Vec::new();
    while r.left() > 0 {
        if ids.len() == MAX_KEY_IDS {
            return Err(r.fail("Key ID", DecodeErrorKind::Limit(MAX_KEY_IDS)));
        }
        ids.push(KeyId { ty: KeyIdType(r.u8("Key ID Type")?), id: r.vec8("Key ID")? });
    }
    Ok(Extension::KeyId(ids))
}

fn decode_sdp_binding<'a>(r: &mut Reader<'a>) -> Result<Extension<'a>> {
    let mut items: Vec<(u8, &'a [u8])> = Vec::new();
    while r.left() > 0 {
        let at = *r;
        let ty = r.u8("SDP-BINDING type")?;
        if items.iter().any(|(seen, _)| *seen == ty) {
            return Err(at.fail("SDP-BINDING type", DecodeErrorKind::Duplicate(u32::from(ty))));
        }
        if items.len() == MAX_SDP_BINDINGS {
            return Err(at.fail("SDP-BINDING", DecodeErrorKind::Limit(MAX_SDP_BINDINGS)));
        }
        let value = r.vec8("SDP-BINDING value")?;
        if ty == SdpBindingType::IDENTITY_HASH.0 && value.len() != 32 {
            return Err(at.fail("SDP-BINDING value", DecodeErrorKind::Length(value.len())));
        }
        items.push((ty, value));
    }
    Ok(Extension::SdpBinding(items))
}

fn encode_sdp_binding(items: &[(u8, &[u8])], out: &mut Vec<u8>) -> writer::Result<()> {
    writer::bounded(items.len(), 0..=MAX_SDP_BINDINGS, "SDP-BINDING")?;
    for (index, (ty, value)) in items.iter().enumerate() {
        let earlier = items.iter().take(index);
        writer::require(earlier.clone().all(|(seen, _)| seen != ty), "SDP-BINDING type")?;
        writer::require(*ty != SdpBindingType::IDENTITY_HASH.0 || value.len() == 32, "SDP-BINDING value")?;
        out.push(*ty);
        writer::vec8(out, value, "SDP-BINDING value")?;
    }
    Ok(())
}
