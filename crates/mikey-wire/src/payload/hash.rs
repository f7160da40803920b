//! CHASH, the hash of a certificate (RFC 3830 6.8), and V, the verification message (6.9). The length of
//! either follows from its algorithm.

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::payload::{Cx, kemac::is_v1_mac};
use crate::reader::{Reader, Result};
use crate::registry::{HashFunc, MacAlg, PrfFunc};
use crate::writer;

/// CHASH: the hash of the certificate that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chash<'a> {
    /// Hash function.
    pub func: HashFunc,
    /// The hash.
    pub hash: &'a [u8],
}

/// V: proof that the responder has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ver<'a> {
    /// Auth alg; numbers as in KEMAC.
    pub auth_alg: MacAlg,
    /// Ver data.
    pub data: &'a [u8],
}

impl HashFunc {
    /// Octets of its hash; `None` if the function is not known.
    #[must_use]
    pub const fn hash_len(self) -> Option<usize> {
        match self {
            Self::SHA_1 => Some(20),
            Self::MD5 => Some(16),
            Self::SHA_256 => Some(32),
            _ => None,
        }
    }
}

impl PrfFunc {
    /// Octets of its hash; `None` if the PRF is not known.
    #[must_use]
    pub const fn hash_len(self) -> Option<usize> {
        match self {
            Self::MIKEY_1 => Some(20),
            Self::HMAC_SHA_256 => Some(32),
            Self::HMAC_SHA_384 => Some(48),
            _ => None,
        }
    }
}

impl<'a> Chash<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let at = *r;
        let func = HashFunc(r.u8("Hash func")?);
        let len =
            func.hash_len().ok_or_else(|| at.fail("Hash func", DecodeErrorKind::Value(u32::from(func.0))))?;
        Ok(Self { func, hash: r.take(len, "Hash")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.func.hash_len() == Some(self.hash.len()), "Hash")?;
        out.push(self.func.0);
        out.extend_from_slice(self.hash);
        Ok(())
    }
}

impl<'a> Ver<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let at = *r;
        let auth_alg = MacAlg(r.u8("Auth alg")?);
        let known = if cx.v2() {
            matches!(auth_alg, MacAlg::HMAC_SHA_256_256 | MacAlg::HMAC_SHA_384_384)
        } else {
            is_v1_mac(auth_alg)
        };
        let len = auth_alg
            .mac_len()
            .filter(|_| known)
            .ok_or_else(|| at.fail("Auth alg", DecodeErrorKind::Value(u32::from(auth_alg.0))))?;
        Ok(Self { auth_alg, data: r.take(len, "Ver data")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.auth_alg.mac_len() == Some(self.data.len()), "Ver data")?;
        out.push(self.auth_alg.0);
        out.extend_from_slice(self.data);
        Ok(())
    }
}
