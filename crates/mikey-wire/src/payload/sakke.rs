//! SAKKE encapsulated data (RFC 6509 4.2), kept as octets: this project does not speak the SAKKE mode, but
//! reads its messages.

use alloc::vec::Vec;

use crate::reader::{Reader, Result};
use crate::writer;

/// SAKKE: encapsulated data and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sakke<'a> {
    /// Parameter set; 1 is that of RFC 6509 appendix A.
    pub params: u8,
    /// Identifier scheme; 1 is a tel URI with monthly keys.
    pub id_scheme: u8,
    /// Encapsulated data (RFC 6508 4).
    pub data: &'a [u8],
}

impl<'a> Sakke<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        Ok(Self {
            params: r.u8("SAKKE params")?,
            id_scheme: r.u8("ID scheme")?,
            data: r.vec16("SAKKE data")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.params);
        out.push(self.id_scheme);
        writer::vec16(out, self.data, "SAKKE data")
    }
}
