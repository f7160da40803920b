//! The Common Header, HDR (RFC 3830 6.1), with its CS ID maps: SRTP-ID (6.1.1), Empty (RFC 4563 5) and
//! GENERIC-ID (RFC 6043 6.1.1).
//!
//! Invariant: `next payload` is not part of [`Header`]; the encoder computes it.

use alloc::vec::Vec;

use crate::error::{DecodeErrorKind, EncodeError};
use crate::reader::{Reader, Result};
use crate::registry::{DataType, MapType, PayloadType, ProtType};
use crate::writer;

/// Protocol version, the first octet of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// 0x01: RFC 3830 and its extensions.
    V1,
    /// 0x02: this project's specification.
    V2,
}

impl Version {
    /// The version that a first octet names.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// The first octet of a message of this version.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// HDR without its `next payload` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Protocol version.
    pub version: Version,
    /// What message this is.
    pub data_type: DataType,
    /// V: a response is expected.
    pub v: bool,
    /// PRF func, 7 bits ([`crate::PrfFunc`]).
    pub prf: u8,
    /// Identifies the crypto session bundle.
    pub csb_id: u32,
    /// The crypto sessions and what they are mapped to.
    pub cs_map: CsMap<'a>,
}

/// CS ID map, with #CS as its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsMap<'a> {
    /// SRTP-ID: crypto session i is the i-th entry, from 1. Version 1 only.
    SrtpId(Vec<SrtpCs>),
    /// Empty map: #CS, the rest is known otherwise (RFC 4563 5). Version 1 only.
    Empty(u8),
    /// GENERIC-ID. The only map of version 2.
    Generic(Vec<GenericCs<'a>>),
}

/// One crypto session in an SRTP-ID map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrtpCs {
    /// Number of the SP that applies.
    pub policy_no: u8,
    /// SSRC of the stream, 0 if its sender is to fill it in.
    pub ssrc: u32,
    /// Rollover counter.
    pub roc: u32,
}

/// One crypto session in a GENERIC-ID map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenericCs<'a> {
    /// CS ID.
    pub cs_id: u8,
    /// Security protocol.
    pub prot: ProtType,
    /// Numbers of the SPs offered, or of the one chosen; at most 127.
    pub policies: Vec<u8>,
    /// Session data of SRTP; `None` is the empty field. No other protocol has session data.
    pub data: Option<SrtpSession>,
    /// SPI (MKI), at most 255 octets; in version 2 none or four.
    pub spi: &'a [u8],
}

/// Session data of SRTP: 4 octets, or 10 with S = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrtpSession {
    /// SSRC of the stream.
    pub ssrc: u32,
    /// Rollover counter and sequence number, with S = 1.
    pub index: Option<(u32, u16)>,
}

impl<'a> CsMap<'a> {
    /// No crypto session in the map of version 2: #CS = 0, map type 2.
    pub const NONE: CsMap<'static> = CsMap::Generic(Vec::new());

    /// Its number in HDR.
    #[must_use]
    pub fn ty(&self) -> MapType {
        match self {
            Self::SrtpId(_) => MapType::SRTP_ID,
            Self::Empty(_) => MapType::EMPTY,
            Self::Generic(_) => MapType::GENERIC_ID,
        }
    }

    /// The blocks of a GENERIC-ID map; none for the other maps.
    #[must_use]
    pub fn generic(&self) -> &[GenericCs<'a>] {
        match self {
            Self::Generic(blocks) => blocks,
            Self::SrtpId(_) | Self::Empty(_) => &[],
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::SrtpId(entries) => entries.len(),
            Self::Empty(count) => usize::from(*count),
            Self::Generic(blocks) => blocks.len(),
        }
    }
}

/// The fields of HDR that stand before the map, and the map's own numbers.
pub(crate) struct Fixed {
    pub(crate) version: Version,
    pub(crate) data_type: DataType,
    pub(crate) next: PayloadType,
    pub(crate) v: bool,
    pub(crate) prf: u8,
    pub(crate) csb_id: u32,
    pub(crate) cs_count: u8,
    pub(crate) map_type: MapType,
}

impl Fixed {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self> {
        let at = *r;
        let octet = r.u8("version")?;
        let version =
            Version::from_octet(octet).ok_or_else(|| at.fail("version", DecodeErrorKind::Version(octet)))?;
        let data_type = DataType(r.u8("data type")?);
        let next = PayloadType(r.u8("next payload")?);
        let v_prf = r.u8("V and PRF func")?;
        Ok(Self {
            version,
            data_type,
            next,
            v: v_prf & 0x80 != 0,
            prf: v_prf & 0x7f,
            csb_id: r.u32("CSB ID")?,
            cs_count: r.u8("#CS")?,
            map_type: MapType(r.u8("CS ID map type")?),
        })
    }
}

impl<'a> Header<'a> {
    /// Reads HDR; returns it with its `next payload`.
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<(Self, PayloadType)> {
        let fixed = Fixed::decode(r)?;
        let header = Self {
            version: fixed.version,
            data_type: fixed.data_type,
            v: fixed.v,
            prf: fixed.prf,
            csb_id: fixed.csb_id,
            cs_map: decode_map(r, fixed.map_type, fixed.cs_count)?,
        };
        Ok((header, fixed.next))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>, next: PayloadType) -> writer::Result<()> {
        writer::require(self.prf <= 0x7f, "PRF func")?;
        out.push(self.version.octet());
        out.push(self.data_type.0);
        out.push(next.0);
        out.push(u8::from(self.v) << 7 | self.prf);
        out.extend_from_slice(&self.csb_id.to_be_bytes());
        out.push(u8::try_from(self.cs_map.count()).map_err(|_| EncodeError::TooLong("#CS"))?);
        out.push(self.cs_map.ty().0);
        match &self.cs_map {
            CsMap::SrtpId(entries) => {
                for entry in entries {
                    out.push(entry.policy_no);
                    out.extend_from_slice(&entry.ssrc.to_be_bytes());
                    out.extend_from_slice(&entry.roc.to_be_bytes());
                }
            }
            CsMap::Empty(_) => {}
            CsMap::Generic(blocks) => {
                for block in blocks {
                    block.encode(out)?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> GenericCs<'a> {
    // R4.13
    fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let cs_id = r.u8("CS ID")?;
        let prot = ProtType(r.u8("Prot type")?);
        let s_p = r.u8("S and #P")?;
        let policies = r.take(usize::from(s_p & 0x7f), "Ps")?.to_vec();
        let len = r.u16("session data length")?;
        let at = *r;
        let has_index = s_p & 0x80 != 0;
        let data = match (prot, len, has_index) {
            (_, 0, false) => None,
            (ProtType::SRTP, 4, false) => Some(SrtpSession { ssrc: r.u32("SSRC")?, index: None }),
            (ProtType::SRTP, 10, true) => {
                let ssrc = r.u32("SSRC")?;
                Some(SrtpSession { ssrc, index: Some((r.u32("ROC")?, r.u16("SEQ")?)) })
            }
            _ => return Err(at.fail("session data", DecodeErrorKind::Length(usize::from(len)))),
        };
        Ok(Self { cs_id, prot, policies, data, spi: r.vec8("SPI")? })
    }

    /// Steps over one block without keeping it.
    pub(crate) fn skip(r: &mut Reader<'_>) -> Result<()> {
        r.take(2, "CS ID")?;
        let s_p = r.u8("S and #P")?;
        r.take(usize::from(s_p & 0x7f), "Ps")?;
        r.vec16("session data")?;
        r.vec8("SPI")?;
        Ok(())
    }

    fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.data.is_none() || self.prot == ProtType::SRTP, "session data")?;
        let count = u8::try_from(self.policies.len()).unwrap_or(u8::MAX);
        if count > 0x7f {
            return Err(EncodeError::TooLong("#P"));
        }
        let index = self.data.and_then(|data| data.index);
        out.push(self.cs_id);
        out.push(self.prot.0);
        out.push(u8::from(index.is_some()) << 7 | count);
        out.extend_from_slice(&self.policies);
        writer::len16(out, "session data", |out| {
            if let Some(data) = self.data {
                out.extend_from_slice(&data.ssrc.to_be_bytes());
            }
            if let Some((roc, seq)) = index {
                out.extend_from_slice(&roc.to_be_bytes());
                out.extend_from_slice(&seq.to_be_bytes());
            }
            Ok(())
        })?;
        writer::vec8(out, self.spi, "SPI")
    }
}

fn decode_map<'a>(r: &mut Reader<'a>, ty: MapType, count: u8) -> Result<CsMap<'a>> {
    match ty {
        MapType::SRTP_ID => {
            let mut entries = Vec::new();
            r.nested(usize::from(count) * 9, "SRTP-ID map", |r| {
                for _ in 0..count {
                    entries.push(SrtpCs {
                        policy_no: r.u8("Policy_no")?,
                        ssrc: r.u32("SSRC")?,
                        roc: r.u32("ROC")?,
                    });
                }
                Ok(())
            })?;
            Ok(CsMap::SrtpId(entries))
        }
        MapType::EMPTY => Ok(CsMap::Empty(count)),
        MapType::GENERIC_ID => {
            let mut blocks = Vec::new();
            for _ in 0..count {
                blocks.push(GenericCs::decode(r)?);
            }
            Ok(CsMap::Generic(blocks))
        }
        other => Err(r.fail("CS ID map type", DecodeErrorKind::Value(u32::from(other.0)))),
    }
}
