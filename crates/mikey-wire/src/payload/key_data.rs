//! Key data sub-payload (RFC 3830 6.13) and key validity (6.14), also at the end of DH.
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  | Type  |  KV   |         Key data len          |
//!    |                           Key data                            ~
//!    |     Salt len (optional)       |     Salt data (optional)      ~
//!    |                      KV data (optional)                       ~
//! ```
//!
//! Invariant: keys are borrowed from the plaintext that the caller owns and wipes; nothing here prints or
//! compares them.

use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeErrorKind;
use crate::payload::Cx;
use crate::reader::{Reader, Result};
use crate::registry::{KeyType, KvType};
use crate::writer;

/// Key data: a key, perhaps its salt, and when it is valid. Not comparable; `Debug` prints lengths only.
#[derive(Clone, Copy)]
pub struct KeyData<'a> {
    /// What key it is.
    pub ty: KeyType,
    /// The key.
    pub key: &'a [u8],
    /// The salt, for the types that have one.
    pub salt: Option<&'a [u8]>,
    /// When, or for which SPI, it is valid.
    pub kv: Kv<'a>,
}

/// Key validity data (RFC 3830 6.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kv<'a> {
    /// No rule.
    Null,
    /// The key belongs to this SPI (MKI).
    Spi(&'a [u8]),
    /// The key is valid in this interval.
    Interval {
        /// First value.
        from: &'a [u8],
        /// Value at which it expires.
        to: &'a [u8],
    },
}

impl fmt::Debug for KeyData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyData")
            .field("ty", &self.ty)
            .field("key", &format_args!("{} octets", self.key.len()))
            .field("salt", &format_args!("{} octets", self.salt.map_or(0, <[u8]>::len)))
            .field("kv", &self.kv)
            .finish()
    }
}

impl KeyType {
    /// Whether Key data of this type has a salt; `None` if the type is not known.
    #[must_use]
    pub const fn has_salt(self) -> Option<bool> {
        match self {
            Self::TGK | Self::TEK | Self::GTGK | Self::MPK | Self::KEK => Some(false),
            Self::TGK_SALT | Self::TEK_SALT | Self::GTGK_SALT => Some(true),
            _ => None,
        }
    }
}

impl<'a> KeyData<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let at = *r;
        let type_kv = r.u8("Type and KV")?;
        let ty = KeyType(type_kv >> 4);
        let has_salt = ty
            .has_salt()
            .filter(|_| cx.v2() || ty != KeyType::KEK)
            .ok_or_else(|| at.fail("Type", DecodeErrorKind::Value(u32::from(ty.0))))?;
        let key = r.vec16("Key data")?;
        let salt = if has_salt { Some(r.vec16("Salt data")?) } else { None };
        Ok(Self { ty, key, salt, kv: Kv::decode(r, KvType(type_kv & 0x0f))? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.ty.has_salt() == Some(self.salt.is_some()), "Salt data")?;
        out.push(self.ty.0 << 4 | self.kv.ty().0);
        writer::vec16(out, self.key, "Key data")?;
        if let Some(salt) = self.salt {
            writer::vec16(out, salt, "Salt data")?;
        }
        self.kv.encode(out)
    }
}

impl<'a> Kv<'a> {
    /// Its number in the KV field.
    #[must_use]
    pub const fn ty(&self) -> KvType {
        match self {
            Self::Null => KvType::NULL,
            Self::Spi(_) => KvType::SPI,
            Self::Interval { .. } => KvType::INTERVAL,
        }
    }

    pub(crate) fn decode(r: &mut Reader<'a>, ty: KvType) -> Result<Self> {
        match ty {
            KvType::NULL => Ok(Self::Null),
            KvType::SPI => Ok(Self::Spi(r.vec8("SPI")?)),
            KvType::INTERVAL => {
                let from = r.vec8("Valid From")?;
                Ok(Self::Interval { from, to: r.vec8("Valid To")? })
            }
            other => Err(r.fail("KV", DecodeErrorKind::Value(u32::from(other.0)))),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        match self {
            Self::Null => Ok(()),
            Self::Spi(spi) => writer::vec8(out, spi, "SPI"),
            Self::Interval { from, to } => {
                writer::vec8(out, from, "Valid From")?;
                writer::vec8(out, to, "Valid To")
            }
        }
    }
}
