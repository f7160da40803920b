//! ID and CERT (RFC 3830 6.7), and IDR, an identity with its role (RFC 6043 6.6).
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  | ID/Cert type  |          ID/Cert len          |
//!    |                      ID/Certificate data                      ~
//! ```

use alloc::vec::Vec;

use crate::reader::{Reader, Result};
use crate::registry::{CertType, IdRole, IdType};
use crate::writer;

/// ID: an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<'a> {
    /// What kind of name.
    pub ty: IdType,
    /// The name.
    pub data: &'a [u8],
}

/// CERT: one certificate of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cert<'a> {
    /// What `data` is.
    pub ty: CertType,
    /// DER, or an ASCII URL for [`CertType::X509_URL`].
    pub data: &'a [u8],
}

/// IDR: an identity with its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idr<'a> {
    /// Whose identity.
    pub role: IdRole,
    /// The identity.
    pub id: Id<'a>,
}

impl<'a> Id<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { ty: IdType(r.u8("ID type")?), data: r.vec16("ID data")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.ty.0);
        writer::vec16(out, self.data, "ID data")
    }
}

impl<'a> Cert<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { ty: CertType(r.u8("Cert type")?), data: r.vec16("Certificate data")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.ty.0);
        writer::vec16(out, self.data, "Certificate data")
    }
}

impl<'a> Idr<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { role: IdRole(r.u8("ID Role")?), id: Id::decode(r)? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.role.0);
        self.id.encode(out)
    }
}
