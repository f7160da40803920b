//! `a=tls-id` (RFC 8842 section 4): which association an offer or answer is about.

use std::fmt;
use std::str::FromStr;

use sdp_types::Attribute;

use crate::error::{Fault, TextError};

/// 20 to 255 letters, digits and `+ / - _`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsId(String);

impl TlsId {
    /// The attribute's name.
    pub const ATTRIBUTE: &'static str = "tls-id";

    /// One made of random octets: 120 bits, as hexadecimal digits (RFC 8842 wants at least that many).
    #[must_use]
    pub fn from_random(octets: &[u8; 15]) -> Self {
        Self(data_encoding::HEXLOWER.encode(octets))
    }

    /// Its characters, as SDP-BINDING carries them (docs/spec.md, section 9.7).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The attribute, for a session or media description.
    #[must_use]
    pub fn attribute(&self) -> Attribute {
        Attribute { attribute: Self::ATTRIBUTE.to_owned(), value: Some(self.0.clone()) }
    }
}

impl FromStr for TlsId {
    type Err = TextError;

    fn from_str(value: &str) -> Result<Self, TextError> {
        if !(20..=255).contains(&value.len()) {
            return Err(TextError::new(0, Fault::Length { what: "a tls-id", len: value.len() }));
        }
        match value.bytes().position(|octet| !octet.is_ascii_alphanumeric() && !b"+/-_".contains(&octet)) {
            Some(at) => Err(TextError::new(at, Fault::Character("a tls-id"))),
            None => Ok(Self(value.to_owned())),
        }
    }
}

impl fmt::Display for TlsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_id_has_its_alphabet_and_length() {
        let id = TlsId::from_random(&[0xa5; 15]);
        assert_eq!(id.as_str(), "a5".repeat(15));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("abc3dl+/-_ABCDEFGHIJ".parse::<TlsId>().is_ok());
        assert_eq!("abc3dl".parse::<TlsId>().unwrap_err().fault, Fault::Length { what: "a tls-id", len: 6 });
        assert_eq!("x".repeat(256).parse::<TlsId>().unwrap_err().at, 0);
        assert_eq!("abc3dl abcdefghijklmnop".parse::<TlsId>().unwrap_err().at, 6);
    }
}
