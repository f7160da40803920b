//! The short authentication string that two people compare (docs/spec.md, "Short authentication string"; RFC 6189 section 5.1.6).

use std::fmt;

use mikey_crypto::Hash;

/// What both people read to each other. It is not secret, and means nothing until both have said that it is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sas([u8; 4]);

/// RFC 6189's alphabet: no letter is easily taken for another one.
const BASE32: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

impl Sas {
    pub(crate) fn new(value: [u8; 4]) -> Self {
        Self(value)
    }

    /// The form that is always shown: the leftmost 20 bits as four characters.
    #[must_use]
    pub fn base32(&self) -> String {
        let bits = u32::from_be_bytes(self.0);
        let digit =
            |n: u32| BASE32.iter().cycle().nth(usize::try_from((bits >> (27 - 5 * n)) & 31).unwrap_or(0));
        (0..4).filter_map(digit).map(|c| char::from(*c)).collect()
    }

    /// All 32 bits as four words of the PGP word list, which may be shown in addition.
    #[must_use]
    pub fn words(&self) -> String {
        pgp_words::to_words(&self.0).join(" ")
    }
}

impl fmt::Display for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base32())
    }
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sas({self})")
    }
}

/// SAS-COMMIT: what the initiator sends before it knows the responder's share.
pub(crate) fn commitment(sha256: &dyn Hash, ns: &[u8; 32]) -> mikey_crypto::Digest {
    sha256.digest(&[b"MIKEYv2 SAS commit", ns])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leftmost_bits_come_first() {
        assert_eq!(Sas([0, 0, 0, 0]).base32(), "yyyy");
        assert_eq!(Sas([0xFF, 0xFF, 0xFF, 0xFF]).base32(), "9999");
        assert_eq!(Sas([0x08, 0x42, 0x10, 0x84]).base32(), "bbbb", "00001 00001 00001 00001");
        assert_eq!(Sas([0x08, 0x42, 0x1F, 0xFF]).base32(), "bbbb", "only 20 bits count");
        assert_eq!(Sas([0x80, 0, 0, 0]).base32(), "oyyy");
    }

    #[test]
    fn words_alternate_between_the_lists() {
        assert_eq!(Sas([0x00, 0x01, 0xFE, 0xFF]).words().to_lowercase(), "aardvark adviser woodlark yucatan");
    }
}
