//! M-SP, version 2's negotiation (section 3): an SP with Policy no 255 and Prot type 64.
//!
//! Invariant: parameters stand in rising type order; an answer has exactly one value where one is chosen.

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::{MIN_LONGEST, MSP_POLICY_NO};
use crate::payload::{Sp, SpParam};
use crate::reader::Result;
use crate::registry::{MspParam, PayloadType, ProtType};

/// The parameters of an M-SP, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msp<'a> {
    /// The parameters, in rising type order. In an offer some may be unknown: they are kept and not used.
    pub params: Vec<MspEntry<'a>>,
}

/// One parameter of an M-SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MspEntry<'a> {
    /// Which.
    pub ty: MspParam,
    /// One octet a value, most preferred first; type 8: two octets, one number.
    pub values: &'a [u8],
}

/// Types 0 to 5 and 7.
const REQUIRED: [MspParam; 7] = [
    MspParam::EXCH,
    MspParam::PRF,
    MspParam::DH_GROUP,
    MspParam::SUITE,
    MspParam::MY_AUTH,
    MspParam::PEER_AUTH,
    MspParam::CONFIDENTIALITY,
];

fn fail(field: &'static str, kind: DecodeErrorKind) -> DecodeError {
    DecodeError { payload: Some(PayloadType::SP), ..DecodeError::new(0, field, kind) }
}

fn name(ty: MspParam) -> &'static str {
    ty.name().unwrap_or("M-SP parameter")
}

impl<'a> Msp<'a> {
    /// Reads an offer: M-SPi, or the full lists in ERROR Invalid SPpar. Unknown types and values stay and
    /// are for the negotiation to skip.
    ///
    /// # Errors
    /// [`DecodeError`]: policy number, Prot type, order, a required type missing, an empty list, or a
    /// length or number that type 8 cannot have.
    // R6.4
    pub fn offer(sp: &Sp<'a>) -> Result<Self> {
        let msp = Self::any(sp)?;
        msp.require_all()?;
        Ok(msp)
    }

    /// Reads an answer: M-SPr, with exactly one value each (types 6 and 8 are declared, not chosen).
    ///
    /// # Errors
    /// As [`Msp::offer`], and for an unknown type or more than one value.
    pub fn answer(sp: &Sp<'a>) -> Result<Self> {
        let msp = Self::offer(sp)?;
        for entry in &msp.params {
            if entry.ty.name().is_none() {
                return Err(fail("M-SP parameter", DecodeErrorKind::Value(u32::from(entry.ty.0))));
            }
            let declared = matches!(entry.ty, MspParam::CREDENTIALS | MspParam::LONGEST);
            if !declared && entry.values.len() != 1 {
                return Err(fail(name(entry.ty), DecodeErrorKind::Length(entry.values.len())));
            }
        }
        Ok(msp)
    }

    /// The values of a parameter, most preferred first.
    #[must_use]
    pub fn values(&self, ty: MspParam) -> Option<&'a [u8]> {
        self.params.iter().find(|entry| entry.ty == ty).map(|entry| entry.values)
    }

    /// The first value of a parameter: in an answer, the chosen one.
    #[must_use]
    pub fn first(&self, ty: MspParam) -> Option<u8> {
        self.values(ty).and_then(|values| values.first().copied())
    }

    /// Type 8: the longest reassembled message that its sender takes, octets.
    #[must_use]
    pub fn longest(&self) -> Option<u16> {
        self.values(MspParam::LONGEST)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// As the SP payload that goes on the wire.
    #[must_use]
    pub fn to_sp(&self) -> Sp<'a> {
        Sp {
            policy_no: MSP_POLICY_NO,
            prot: ProtType::M_SP,
            params: self.params.iter().map(|entry| SpParam { ty: entry.ty.0, value: entry.values }).collect(),
        }
    }

    fn any(sp: &Sp<'a>) -> Result<Self> {
        if sp.prot != ProtType::M_SP {
            return Err(fail("Prot type", DecodeErrorKind::Value(u32::from(sp.prot.0))));
        }
        if sp.policy_no != MSP_POLICY_NO {
            return Err(fail("Policy no", DecodeErrorKind::Value(u32::from(sp.policy_no))));
        }
        let mut before = None;
        let mut params = Vec::new();
        for param in &sp.params {
            let ty = MspParam(param.ty);
            if before.is_some_and(|before| before >= ty) {
                return Err(fail("order of M-SP parameters", DecodeErrorKind::Value(u32::from(ty.0))));
            }
            before = Some(ty);
            check_values(ty, param.value)?;
            params.push(MspEntry { ty, values: param.value });
        }
        Ok(Self { params })
    }

    fn require_all(&self) -> Result<()> {
        match REQUIRED.into_iter().find(|ty| self.values(*ty).is_none()) {
            Some(ty) => Err(fail(name(ty), DecodeErrorKind::Missing)),
            None => Ok(()),
        }
    }
}

impl<'a> From<&Msp<'a>> for Sp<'a> {
    fn from(msp: &Msp<'a>) -> Self {
        msp.to_sp()
    }
}

fn check_values(ty: MspParam, values: &[u8]) -> Result<()> {
    if ty.name().is_some() && values.is_empty() {
        return Err(fail(name(ty), DecodeErrorKind::Length(0)));
    }
    if ty == MspParam::LONGEST {
        let longest = <[u8; 2]>::try_from(values).map(u16::from_be_bytes);
        let longest = longest.map_err(|_| fail(name(ty), DecodeErrorKind::Length(values.len())))?;
        if longest < MIN_LONGEST {
            return Err(fail(name(ty), DecodeErrorKind::Value(u32::from(longest))));
        }
    }
    Ok(())
}
