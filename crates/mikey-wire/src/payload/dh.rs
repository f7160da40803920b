//! DH, the Diffie-Hellman value (RFC 3830 6.4; groups of version 2 in its section 2).
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  |   DH-Group    |           DH-value            ~
//!    | Reserv|  KV   |            KV data (version 1 only)           ~
//! ```

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::payload::{Cx, Kv};
use crate::reader::{Reader, Result};
use crate::registry::{DataType, DhGroup, KvType};
use crate::writer;

/// DH: a public value. Its length follows from the group; version 2's hybrid group has one length in
/// requests and another in responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dh<'a> {
    /// Number of the group ([`DhGroup`]).
    pub group: u8,
    /// Public value.
    pub value: &'a [u8],
    /// When the key is valid; always [`Kv::Null`] in version 2.
    pub kv: Kv<'a>,
}

/// ML-KEM-768 encapsulation key and X25519 value.
const HYBRID_REQUEST: usize = 1184 + 32;
/// ML-KEM-768 ciphertext and X25519 value.
const HYBRID_ANSWER: usize = 1088 + 32;

impl DhGroup {
    /// Octets of a public value in a request (`false`) or a response (`true`); `None` if the group is not
    /// known.
    #[must_use]
    pub const fn value_len(self, response: bool) -> Option<usize> {
        match self {
            Self::OAKLEY_5 => Some(192),
            Self::OAKLEY_1 | Self::P_384 => Some(96),
            Self::OAKLEY_2 => Some(128),
            Self::MODP_2048 => Some(256),
            Self::MODP_3072 => Some(384),
            Self::P_256 => Some(64),
            Self::X25519 => Some(32),
            Self::X25519_ML_KEM_768 if response => Some(HYBRID_ANSWER),
            Self::X25519_ML_KEM_768 => Some(HYBRID_REQUEST),
            _ => None,
        }
    }

    const fn is_v1(self) -> bool {
        matches!(self, Self::OAKLEY_5 | Self::OAKLEY_1 | Self::OAKLEY_2)
    }
}

impl<'a> Dh<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let at = *r;
        let group = DhGroup(r.u8("DH-Group")?);
        let response =
            matches!(cx.data_type, DataType::INIT_RESP | DataType::REKEY_RESP | DataType::RESUME_RESP);
        let len = group
            .value_len(response)
            .filter(|_| group.is_v1() != cx.v2())
            .ok_or_else(|| at.fail("DH-Group", DecodeErrorKind::Value(u32::from(group.0))))?;
        let value = r.take(len, "DH-value")?;
        let at = *r;
        let kv_type = r.u8("Reserv and KV")?;
        let allowed = if cx.v2() { 0 } else { 0x0f };
        at.reserved(kv_type & !allowed, "Reserv and KV")?;
        Ok(Self { group: group.0, value, kv: Kv::decode(r, KvType(kv_type))? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        let group = DhGroup(self.group);
        let len = Some(self.value.len());
        writer::require(group.value_len(false) == len || group.value_len(true) == len, "DH-value")?;
        writer::require(group.is_v1() || self.kv == Kv::Null, "KV")?;
        out.push(self.group);
        out.extend_from_slice(self.value);
        out.push(self.kv.ty().0);
        self.kv.encode(out)
    }
}
