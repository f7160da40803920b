//! `a=fingerprint` (RFC 8122 section 5): the hash of a certificate, by SHA-256 or stronger.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXUPPER_PERMISSIVE;
use sdp_types::Attribute;

use crate::error::{Fault, TextError};

/// The hash functions that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FingerprintHash {
    /// 32 octets.
    Sha256,
    /// 48 octets.
    Sha384,
    /// 64 octets.
    Sha512,
}

impl FingerprintHash {
    /// Octets of its value.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

/// The hash of a certificate's DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    hash: FingerprintHash,
    value: Vec<u8>,
}

impl Fingerprint {
    /// The attribute's name.
    pub const ATTRIBUTE: &'static str = "fingerprint";

    /// A fingerprint; none if the value does not have the length of the hash function.
    #[must_use]
    pub fn new(hash: FingerprintHash, value: &[u8]) -> Option<Self> {
        (value.len() == hash.octets()).then(|| Self { hash, value: value.to_vec() })
    }

    /// By which hash function it is.
    #[must_use]
    pub const fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// The hash.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The attribute, for a session or media description.
    #[must_use]
    pub fn attribute(&self) -> Attribute {
        Attribute { attribute: Self::ATTRIBUTE.to_owned(), value: Some(self.to_string()) }
    }

    /// Whether an error means a well-formed line whose hash function is not taken.
    pub(crate) const fn is_other_hash(error: &TextError) -> bool {
        matches!(error.fault, Fault::WeakHash | Fault::UnknownHash)
    }
}

impl FromStr for Fingerprint {
    type Err = TextError;

    /// Reads `hash SP hex:hex:..`. The name of the hash function is in any case (RFC 8122), and so is the hex: peers
    /// write lower case, too.
    fn from_str(value: &str) -> Result<Self, TextError> {
        let (name, digits) = value.split_once(' ').unwrap_or((value, ""));
        if name.is_empty() {
            return Err(TextError::new(0, Fault::Missing("the hash function")));
        }
        let hash = match name.to_ascii_lowercase().as_str() {
            "sha-256" => FingerprintHash::Sha256,
            "sha-384" => FingerprintHash::Sha384,
            "sha-512" => FingerprintHash::Sha512,
            "md2" | "md5" | "sha-1" | "sha-224" => return Err(TextError::new(0, Fault::WeakHash)),
            _ => return Err(TextError::new(0, Fault::UnknownHash)),
        };
        let start = name.len().saturating_add(1);
        if digits.is_empty() {
            return Err(TextError::new(start, Fault::Missing("the fingerprint")));
        }
        if digits.len() != hash.octets().saturating_mul(3).saturating_sub(1) {
            return Err(TextError::new(start, Fault::Length { what: "a fingerprint", len: digits.len() }));
        }
        let mut octets = Vec::with_capacity(hash.octets());
        for (number, pair) in digits.split(':').enumerate() {
            match HEXUPPER_PERMISSIVE.decode(pair.as_bytes()).as_deref() {
                Ok([octet]) => octets.push(*octet),
                _ => {
                    let at = start.saturating_add(number.saturating_mul(3));
                    return Err(TextError::new(at, Fault::Character("a fingerprint")));
                }
            }
        }
        Self::new(hash, &octets)
            .ok_or(TextError::new(start, Fault::Length { what: "a fingerprint", len: octets.len() }))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        for (number, octet) in self.value.iter().enumerate() {
            write!(f, "{}{octet:02X}", if number == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8122 section 3.4, made from its first line.
    const TEXT: &str = "SHA-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:\
        4A:AD";

    #[test]
    fn a_fingerprint_is_read_and_written() {
        let read: Fingerprint = TEXT.parse().unwrap();
        assert_eq!((read.hash(), read.value().len()), (FingerprintHash::Sha256, 32));
        assert_eq!(read.value()[..3], [0x12, 0xdf, 0x3e]);
        assert_eq!(read.to_string(), TEXT.replace("SHA", "sha"));
        assert_eq!(TEXT.to_lowercase().parse(), Ok(read));
        let long = Fingerprint::new(FingerprintHash::Sha512, &[9; 64]).unwrap();
        assert_eq!(long.to_string().parse(), Ok(long));
        assert_eq!(Fingerprint::new(FingerprintHash::Sha384, &[9; 47]), None);
    }

    #[test]
    fn weak_short_and_broken_ones_are_refused() {
        let fault = |text: &str| text.parse::<Fingerprint>().unwrap_err();
        assert_eq!(fault("sha-1 4A:AD").fault, Fault::WeakHash);
        assert_eq!(fault("MD5 4A:AD").fault, Fault::WeakHash);
        assert_eq!(fault("sha3-256 4A:AD").fault, Fault::UnknownHash);
        assert_eq!(fault("").fault, Fault::Missing("the hash function"));
        assert_eq!(fault("sha-256").fault, Fault::Missing("the fingerprint"));
        assert_eq!(
            fault("sha-256 4A:AD"),
            TextError::new(8, Fault::Length { what: "a fingerprint", len: 5 })
        );
        let swapped = TEXT.replacen("49:6B", "4:96B", 1);
        assert_eq!(fault(&swapped), TextError::new(20, Fault::Character("a fingerprint")));
        assert_eq!(fault(&TEXT.replacen("49", "4G", 1)).at, 20);
    }
}
