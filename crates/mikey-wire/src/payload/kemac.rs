//! KEMAC, the key data transport payload (RFC 3830 6.2), and PKE, the envelope (6.3).
//!
//! ```text
//!     0                   1                   2                   3
//!     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!    | Next payload  |   Encr alg    |         Encr data len         |
//!    |                           Encr data                           ~
//!    |    Mac alg    |                      MAC                      ~
//! ```

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::payload::Cx;
use crate::reader::{Reader, Result};
use crate::registry::{EncrAlg, MacAlg, PkeCache};
use crate::writer;

/// KEMAC: encrypted sub-payloads and the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kemac<'a> {
    /// How `encr_data` is encrypted.
    pub encr_alg: EncrAlg,
    /// Ciphertext of the sub-payloads.
    pub encr_data: &'a [u8],
    /// How the MAC is made; its length follows from it.
    pub mac_alg: MacAlg,
    /// MAC, or the tag of an AEAD.
    pub mac: &'a [u8],
}

/// PKE: the encrypted envelope key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pke<'a> {
    /// Whether the envelope key is cached.
    pub cache: PkeCache,
    /// The encrypted envelope key, at most 16383 octets.
    pub data: &'a [u8],
}

impl MacAlg {
    /// Octets of its MAC; `None` if the algorithm is not known.
    #[must_use]
    pub const fn mac_len(self) -> Option<usize> {
        match self {
            Self::NULL => Some(0),
            Self::HMAC_SHA_1_160 => Some(20),
            Self::HMAC_SHA_256_256 => Some(32),
            Self::AEAD_TAG => Some(16),
            Self::HMAC_SHA_384_384 => Some(48),
            _ => None,
        }
    }
}

/// Whether version 2's suites pair these two (section 3).
fn is_suite(encr: EncrAlg, mac: MacAlg) -> bool {
    match mac {
        MacAlg::HMAC_SHA_256_256 => matches!(encr, EncrAlg::AES_CM_128 | EncrAlg::AES_CM_256),
        MacAlg::AEAD_TAG => matches!(
            encr,
            EncrAlg::AEAD_AES_128_GCM | EncrAlg::AEAD_AES_256_GCM | EncrAlg::AEAD_CHACHA20_POLY1305
        ),
        _ => false,
    }
}

/// Whether version 1 has the MAC (RFC 3830, RFC 6043).
pub(super) fn is_v1_mac(mac: MacAlg) -> bool {
    matches!(mac, MacAlg::NULL | MacAlg::HMAC_SHA_1_160 | MacAlg::HMAC_SHA_256_256)
}

impl<'a> Kemac<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        let encr_alg = EncrAlg(r.u8("Encr alg")?);
        let encr_data = r.vec16("Encr data")?;
        let at = *r;
        let mac_alg = MacAlg(r.u8("Mac alg")?);
        let known = if cx.v2() { is_suite(encr_alg, mac_alg) } else { is_v1_mac(mac_alg) };
        let len = mac_alg
            .mac_len()
            .filter(|_| known)
            .ok_or_else(|| at.fail("Mac alg", DecodeErrorKind::Value(u32::from(mac_alg.0))))?;
        Ok(Self { encr_alg, encr_data, mac_alg, mac: r.take(len, "MAC")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.mac_alg.mac_len() == Some(self.mac.len()), "MAC")?;
        out.push(self.encr_alg.0);
        writer::vec16(out, self.encr_data, "Encr data")?;
        out.push(self.mac_alg.0);
        out.extend_from_slice(self.mac);
        Ok(())
    }
}

impl<'a> Pke<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let c_len = r.u16("C and Data len")?;
        let [high, _] = c_len.to_be_bytes();
        Ok(Self { cache: PkeCache(high >> 6), data: r.take(usize::from(c_len & 0x3fff), "Data")? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.cache.0 < 4, "C")?;
        writer::bounded(self.data.len(), 0..=0x3fff, "Data")?;
        let len = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&(u16::from(self.cache.0) << 14 | len).to_be_bytes());
        out.extend_from_slice(self.data);
        Ok(())
    }
}
