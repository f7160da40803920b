//! The value of `a=key-mgmt` (RFC 4567 section 3.1): a protocol identifier and a message in base64.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use sdp_types::Attribute;

use crate::error::{Fault, TextError};
use crate::limits::{MAX_DATA, MAX_PROTOCOL};

/// The identifier of MIKEY. Identifiers are compared as they stand: upper and lower case differ.
pub const MIKEY: &str = "mikey";

/// One key management message and the protocol that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMgmt {
    /// The protocol identifier: letters and digits.
    pub protocol: String,
    /// The message, decoded.
    pub data: Vec<u8>,
}

impl KeyMgmt {
    /// The attribute's name.
    pub const ATTRIBUTE: &'static str = "key-mgmt";

    /// A message of MIKEY, of either version.
    #[must_use]
    pub fn mikey(data: Vec<u8>) -> Self {
        Self { protocol: MIKEY.to_owned(), data }
    }

    /// Whether it is MIKEY's.
    #[must_use]
    pub fn is_mikey(&self) -> bool {
        self.protocol == MIKEY
    }

    /// The attribute, for a session or media description.
    #[must_use]
    pub fn attribute(&self) -> Attribute {
        Attribute { attribute: Self::ATTRIBUTE.to_owned(), value: Some(self.to_string()) }
    }
}

impl FromStr for KeyMgmt {
    type Err = TextError;

    /// Reads `[SP] protocol SP base64`. More spaces between the two are accepted: GStreamer skips them too.
    fn from_str(value: &str) -> Result<Self, TextError> {
        let protocol_at = usize::from(value.starts_with(' '));
        let rest = value.get(protocol_at..).unwrap_or_default();
        let (protocol, data) = rest.split_once(' ').unwrap_or((rest, ""));
        check_protocol(protocol, protocol_at)?;
        let text = data.trim_start_matches(' ');
        let at = value.len().saturating_sub(text.len());
        Ok(Self { protocol: protocol.to_owned(), data: decode_data(text, at)? })
    }
}

impl fmt::Display for KeyMgmt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, BASE64.encode(&self.data))
    }
}

/// KMPID = 1*(ALPHA / DIGIT), RFC 4567 section 3.
pub(crate) fn check_protocol(protocol: &str, at: usize) -> Result<(), TextError> {
    if protocol.is_empty() {
        return Err(TextError::new(at, Fault::Missing("the protocol")));
    }
    if protocol.len() > MAX_PROTOCOL {
        return Err(TextError::new(at, Fault::Length { what: "a protocol", len: protocol.len() }));
    }
    match protocol.bytes().position(|octet| !octet.is_ascii_alphanumeric()) {
        Some(offset) => Err(TextError::new(at.saturating_add(offset), Fault::Character("a protocol"))),
        None => Ok(()),
    }
}

/// A message in base64 that begins at octet `at` of its value.
pub(crate) fn decode_data(text: &str, at: usize) -> Result<Vec<u8>, TextError> {
    if text.is_empty() {
        return Err(TextError::new(at, Fault::Missing("the data")));
    }
    if text.len().div_ceil(4).saturating_mul(3) > MAX_DATA.next_multiple_of(3) {
        return Err(TextError::new(at, Fault::Length { what: "data", len: text.len() }));
    }
    BASE64
        .decode(text.as_bytes())
        .map_err(|error| TextError::new(at.saturating_add(error.position), Fault::Base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(value: &str) -> (usize, Fault) {
        let error = value.parse::<KeyMgmt>().unwrap_err();
        (error.at, error.fault)
    }

    #[test]
    fn a_value_is_read_and_written() {
        let value: KeyMgmt = "mikey AQAFgA==".parse().unwrap();
        assert_eq!(value, KeyMgmt::mikey(vec![1, 0, 5, 0x80]));
        assert_eq!(value.to_string(), "mikey AQAFgA==");
        assert_eq!(" mikey  AQAFgA==".parse(), Ok(value), "GStreamer skips spaces");
        let other: KeyMgmt = "keyp1 AAAA".parse().unwrap();
        assert!(!other.is_mikey());
        assert!(!"MIKEY AAAA".parse::<KeyMgmt>().unwrap().is_mikey(), "identifiers are case sensitive");
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        assert_eq!(fault(""), (0, Fault::Missing("the protocol")));
        assert_eq!(fault("mikey"), (5, Fault::Missing("the data")));
        assert_eq!(fault("mikey "), (6, Fault::Missing("the data")));
        assert_eq!(fault("mi-key AAAA"), (2, Fault::Character("a protocol")));
        assert_eq!(fault("mikey AAA?"), (9, Fault::Base64));
        assert_eq!(fault("mikey AAAA AAAA").1, Fault::Base64);
        assert_eq!(fault("mikey AAA").1, Fault::Base64);
        let long = format!("mikey {}", "A".repeat(MAX_DATA * 2));
        assert_eq!(fault(&long).1, Fault::Length { what: "data", len: MAX_DATA * 2 });
        assert!(matches!(fault(&format!("{} AAAA", "a".repeat(33))).1, Fault::Length { .. }));
        let most = BASE64.encode(&vec![7; MAX_DATA]);
        assert_eq!(format!("mikey {most}").parse::<KeyMgmt>().unwrap().data.len(), MAX_DATA);
    }
}
