//! Appending to a `Vec`, with every length checked against the field that carries it (style.md C5).

use alloc::vec::Vec;

use crate::error::EncodeError;

pub(crate) type Result<T> = core::result::Result<T, EncodeError>;

/// Appends octets behind a one-octet length.
pub(crate) fn vec8(out: &mut Vec<u8>, octets: &[u8], field: &'static str) -> Result<()> {
    out.push(u8::try_from(octets.len()).map_err(|_| EncodeError::TooLong(field))?);
    out.extend_from_slice(octets);
    Ok(())
}

/// Appends octets behind a two-octet length.
pub(crate) fn vec16(out: &mut Vec<u8>, octets: &[u8], field: &'static str) -> Result<()> {
    let len = u16::try_from(octets.len()).map_err(|_| EncodeError::TooLong(field))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(octets);
    Ok(())
}

/// Appends what `body` writes behind a two-octet length.
pub(crate) fn len16(
    out: &mut Vec<u8>,
    field: &'static str,
    body: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    let start = out.len();
    body(out)?;
    let len = u16::try_from(out.len().saturating_sub(start)).map_err(|_| EncodeError::TooLong(field))?;
    if let Some(gap) = out.get_mut(at..start) {
        gap.copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}

/// Refuses a length outside `allowed`.
pub(crate) fn bounded(
    len: usize,
    allowed: core::ops::RangeInclusive<usize>,
    field: &'static str,
) -> Result<()> {
    if allowed.contains(&len) { Ok(()) } else { Err(EncodeError::Length(field)) }
}

/// Refuses a value that the field cannot have.
pub(crate) fn require(condition: bool, field: &'static str) -> Result<()> {
    if condition { Ok(()) } else { Err(EncodeError::Value(field)) }
}
