//! SIGN, the signature (RFC 3830 6.5): the only payload without `next payload`, so always the last.
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | S type|     Signature len     |           Signature           ~
//! ```

use alloc::vec::Vec;

use crate::reader::{Reader, Result};
use crate::registry::SignAlg;
use crate::writer;

/// SIGN: a signature over the octets before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign<'a> {
    /// S type, 4 bits.
    pub alg: SignAlg,
    /// The signature, at most 4095 octets.
    pub signature: &'a [u8],
}

impl<'a> Sign<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let type_len = r.u16("S type and Signature len")?;
        let [high, _] = type_len.to_be_bytes();
        Ok(Self { alg: SignAlg(high >> 4), signature: r.take(usize::from(type_len & 0x0fff), "Signature")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.alg.0 < 16, "S type")?;
        writer::bounded(self.signature.len(), 0..=0x0fff, "Signature")?;
        let len = u16::try_from(self.signature.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&(u16::from(self.alg.0) << 12 | len).to_be_bytes());
        out.extend_from_slice(self.signature);
        Ok(())
    }
}
