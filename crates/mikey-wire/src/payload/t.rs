//! T, the timestamp (RFC 3830 6.6), and what RFC 6043 made of it and of RAND with a role in front: TR (6.4)
//! and RANDR (6.8).

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::reader::{Reader, Result};
use crate::registry::{RandRole, TsRole, TsType};
use crate::writer;

/// T: a timestamp or a counter. Version 2 has the counter only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum T {
    /// NTP-UTC: seconds since 1900 in the upper 32 bits, fraction below.
    NtpUtc(u64),
    /// NTP, the same format in the sender's time zone.
    Ntp(u64),
    /// COUNTER.
    Counter(u32),
    /// NTP-UTC-32: seconds since 1900 (RFC 6043 6.3).
    NtpUtc32(u32),
}

/// TR: a timestamp with its role (RFC 6043 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tr {
    /// What the time means.
    pub role: TsRole,
    /// The time.
    pub t: T,
}

/// RANDR: random octets with their maker (RFC 6043 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandR<'a> {
    /// Who made them.
    pub role: RandRole,
    /// The octets.
    pub rand: &'a [u8],
}

impl T {
    /// TS type.
    #[must_use]
    pub const fn ty(&self) -> TsType {
        match self {
            Self::NtpUtc(_) => TsType::NTP_UTC,
            Self::Ntp(_) => TsType::NTP,
            Self::Counter(_) => TsType::COUNTER,
            Self::NtpUtc32(_) => TsType::NTP_UTC_32,
        }
    }

    /// The 64-bit value that key derivation and IVs use (RFC 3830 6.6, RFC 6043 6.3): a counter is padded
    /// with zeros in front, a 32-bit time with zeros behind.
    #[must_use]
    pub const fn to_u64(&self) -> u64 {
        match self {
            Self::NtpUtc(time) | Self::Ntp(time) => *time,
            Self::Counter(count) => *count as u64,
            Self::NtpUtc32(seconds) => (*seconds as u64) << 32,
        }
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self> {
        let at = *r;
        match TsType(r.u8("TS type")?) {
            TsType::NTP_UTC => Ok(Self::NtpUtc(r.u64("TS value")?)),
            TsType::NTP => Ok(Self::Ntp(r.u64("TS value")?)),
            TsType::COUNTER => Ok(Self::Counter(r.u32("TS value")?)),
            TsType::NTP_UTC_32 => Ok(Self::NtpUtc32(r.u32("TS value")?)),
            other => Err(at.fail("TS type", DecodeErrorKind::Value(u32::from(other.0)))),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.ty().0);
        match self {
            Self::NtpUtc(time) | Self::Ntp(time) => out.extend_from_slice(&time.to_be_bytes()),
            Self::Counter(value) | Self::NtpUtc32(value) => out.extend_from_slice(&value.to_be_bytes()),
        }
    }
}

impl Tr {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { role: TsRole(r.u8("TS Role")?), t: T::decode(r)? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.role.0);
        self.t.encode(out);
    }
}

impl<'a> RandR<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        Ok(Self { role: RandRole(r.u8("RAND Role")?), rand: r.vec8("RAND")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        out.push(self.role.0);
        writer::vec8(out, self.rand, "RAND")
    }
}
