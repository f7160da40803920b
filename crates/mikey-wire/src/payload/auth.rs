//! Version 2's own payloads: AUTH (40), CERTREQ (41) and GCC-REQ (42), section 2.
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  |    method     |            length             |  AUTH, then data
//!    | Next payload  | cert type = 0 |            length             |  CERTREQ, then 32-octet hashes
//!    | Next payload  |   role bits   | SSRCs wanted  |  reserved = 0 |  GCC-REQ
//!    |        group ID length        |           group ID            ~
//! ```

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::limits::{MAX_ANCHORS, MAX_GROUP_ID, MAX_GROUP_SSRCS};
use crate::reader::{Reader, Result};
use crate::registry::CertType;
use crate::writer;

/// AUTH: the sender's proof over the transcript. What its length may be depends on key and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Method ([`crate::AuthMethod`]).
    pub method: u8,
    /// Signature or MAC.
    pub data: &'a [u8],
}

/// CERTREQ: which trust anchors the sender accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertReq<'a> {
    /// Always [`CertType::X509`].
    pub cert_type: CertType,
    /// SHA-256 of the anchors' SubjectPublicKeyInfo; none means any.
    pub hashes: Vec<&'a [u8; 32]>,
}

/// GCC-REQ: the wish to join a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GccReq<'a> {
    /// [`GccReq::SENDER`], [`GccReq::RECEIVER`] or both.
    pub roles: u8,
    /// How many SSRCs it wants, at most 16.
    pub ssrcs: u8,
    /// Which group, 1 to 64 octets.
    pub group_id: &'a [u8],
}

impl<'a> Auth<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { method: r.u8("method")?, data: r.vec16("data")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.method);
        writer::vec16(out, self.data, "data")
    }
}

impl<'a> CertReq<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let at = *r;
        let cert_type = CertType(r.u8("cert type")?);
        if cert_type != CertType::X509 {
            return Err(at.fail("cert type", DecodeErrorKind::Value(u32::from(cert_type.0))));
        }
        let at = *r;
        let octets = r.vec16("hashes")?;
        let (hashes, left) = octets.as_chunks::<32>();
        if !left.is_empty() {
            return Err(at.fail("hashes", DecodeErrorKind::Length(octets.len())));
        }
        if hashes.len() > MAX_ANCHORS {
            return Err(at.fail("hashes", DecodeErrorKind::Limit(MAX_ANCHORS)));
        }
        Ok(Self { cert_type, hashes: hashes.iter().collect() })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.cert_type == CertType::X509, "cert type")?;
        writer::bounded(self.hashes.len(), 0..=MAX_ANCHORS, "hashes")?;
        out.push(self.cert_type.0);
        writer::len16(out, "hashes", |out| {
            for hash in &self.hashes {
                out.extend_from_slice(*hash);
            }
            Ok(())
        })
    }
}

impl<'a> GccReq<'a> {
    /// Role bit: wants to send.
    pub const SENDER: u8 = 1;
    /// Role bit: wants to receive.
    pub const RECEIVER: u8 = 2;

    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let at = *r;
        let roles = r.u8("role bits")?;
        at.reserved(roles & !(Self::SENDER | Self::RECEIVER), "role bits")?;
        if roles == 0 {
            return Err(at.fail("role bits", DecodeErrorKind::Value(0)));
        }
        let at = *r;
        let ssrcs = r.u8("SSRCs wanted")?;
        if ssrcs > MAX_GROUP_SSRCS {
            return Err(at.fail("SSRCs wanted", DecodeErrorKind::Limit(usize::from(MAX_GROUP_SSRCS))));
        }
        let at = *r;
        let reserved = r.u8("reserved")?;
        at.reserved(reserved, "reserved")?;
        let at = *r;
        let group_id = r.vec16("group ID")?;
        if !(1..=MAX_GROUP_ID).contains(&group_id.len()) {
            return Err(at.fail("group ID", DecodeErrorKind::Length(group_id.len())));
        }
        Ok(Self { roles, ssrcs, group_id })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(matches!(self.roles, 1..=3), "role bits")?;
        writer::require(self.ssrcs <= MAX_GROUP_SSRCS, "SSRCs wanted")?;
        writer::bounded(self.group_id.len(), 1..=MAX_GROUP_ID, "group ID")?;
        out.extend_from_slice(&[self.roles, self.ssrcs, 0]);
        writer::vec16(out, self.group_id, "group ID")
    }
}
