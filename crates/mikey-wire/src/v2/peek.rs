//! A look at a message without allocating: enough to count it, ask for a cookie or find its session.

use crate::error::DecodeErrorKind;
use crate::header::{Fixed, GenericCs, Version};
use crate::limits::STUN_COOKIE;
use crate::payload::Session;
use crate::reader::{Reader, Result};
use crate::registry::{DataType, ExtType, MapType, PayloadType};

/// What routes a message of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// What message it says it is.
    pub data_type: DataType,
    /// V flag.
    pub v: bool,
    /// PRF func.
    pub prf: u8,
    /// CSB ID, never STUN's magic cookie.
    pub csb_id: u32,
    /// SESSION; SPIr may be zero.
    pub session: Session,
    /// COOKIE stands before SESSION.
    pub cookie: bool,
}

/// Reads HDR up to SESSION. Nothing behind it is looked at, and no rule of a message type is checked.
///
/// # Errors
/// [`crate::DecodeError`]: not version 2, another map type than GENERIC-ID, CSB ID 0x2112A442, or SESSION is
/// not where it must be.
pub fn peek(raw: &[u8]) -> Result<Peek> {
    let mut r = Reader::new(raw);
    let at = r;
    let fixed = Fixed::decode(&mut r)?;
    if fixed.version != Version::V2 {
        return Err(at.fail("version", DecodeErrorKind::Version(fixed.version.octet())));
    }
    if fixed.csb_id == STUN_COOKIE {
        return Err(at.fail("CSB ID", DecodeErrorKind::Value(STUN_COOKIE)));
    }
    if fixed.map_type != MapType::GENERIC_ID {
        return Err(r.fail("CS ID map type", DecodeErrorKind::Value(u32::from(fixed.map_type.0))));
    }
    for _ in 0..fixed.cs_count {
        GenericCs::skip(&mut r)?;
    }
    let mut next = fixed.next;
    let mut cookie = false;
    loop {
        if next != PayloadType::EXT {
            return Err(r.fail("SESSION", DecodeErrorKind::Missing));
        }
        next = PayloadType(r.u8("next payload")?);
        let ty = ExtType(r.u8("Type")?);
        let len = usize::from(r.u16("Length")?);
        match ty {
            ExtType::COOKIE if !cookie => {
                r.take(len, "COOKIE")?;
                cookie = true;
            }
            ExtType::SESSION => {
                let session = r.nested(len, "SESSION", Session::decode)?;
                let Fixed { data_type, v, prf, csb_id, .. } = fixed;
                return Ok(Peek { data_type, v, prf, csb_id, session, cookie });
            }
            _ => return Err(r.fail("SESSION", DecodeErrorKind::Missing)),
        }
    }
}
