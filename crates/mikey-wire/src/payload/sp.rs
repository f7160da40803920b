//! SP, a security policy (RFC 3830 6.10): SRTP (6.10.1), TESLA (RFC 4442 4.2) or version 2's M-SP.
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  |   Policy no   |   Prot type   | Policy param  ~
//!    ~ length (cont) |  Type, Length, Value ..                       ~
//! ```

use alloc::vec::Vec;

use crate::error::{DecodeErrorKind, EncodeError};
use crate::limits::MAX_SP_PARAMS;
use crate::reader::{Reader, Result};
use crate::registry::ProtType;
use crate::writer;

/// SP: numbered parameters for one security protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sp<'a> {
    /// Policy number, by which the CS map names it.
    pub policy_no: u8,
    /// Security protocol; it says what the parameter types mean.
    pub prot: ProtType,
    /// Parameters as they stand, each type at most once.
    pub params: Vec<SpParam<'a>>,
}

/// One parameter of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpParam<'a> {
    /// Type: [`crate::SrtpParam`], [`crate::TeslaParam`] or [`crate::MspParam`], by Prot type.
    pub ty: u8,
    /// Value, at most 255 octets.
    pub value: &'a [u8],
}

/// Which parameter types have been seen.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    /// Marks `ty`; `false` if it was marked before.
    fn mark(&mut self, ty: u8) -> bool {
        let bit = 1u64 << (ty & 63);
        match self.0.get_mut(usize::from(ty >> 6)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}

impl<'a> Sp<'a> {
    /// The value of a parameter.
    #[must_use]
    pub fn param(&self, ty: u8) -> Option<&'a [u8]> {
        self.params.iter().find(|param| param.ty == ty).map(|param| param.value)
    }

    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let policy_no = r.u8("Policy no")?;
        let prot = ProtType(r.u8("Prot type")?);
        let len = r.u16("Policy param length")?;
        let params = r.nested(usize::from(len), "Policy param", |r| {
            let mut params = Vec::new();
            let mut seen = Seen::default();
            while r.left() > 0 {
                let at = *r;
                let ty = r.u8("Policy param type")?;
                if !seen.mark(ty) {
                    return Err(at.fail("Policy param type", DecodeErrorKind::Duplicate(u32::from(ty))));
                }
                params.push(SpParam { ty, value: r.vec8("Policy param value")? });
            }
            Ok(params)
        })?;
        Ok(Self { policy_no, prot, params })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        if self.params.len() > MAX_SP_PARAMS {
            return Err(EncodeError::TooLong("Policy param"));
        }
        out.push(self.policy_no);
        out.push(self.prot.0);
        let mut seen = Seen::default();
        writer::len16(out, "Policy param", |out| {
            for param in &self.params {
                writer::require(seen.mark(param.ty), "Policy param type")?;
                out.push(param.ty);
                writer::vec8(out, param.value, "Policy param value")?;
            }
            Ok(())
        })
    }
}
