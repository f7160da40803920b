//! The short authentication string that two people compare (docs/spec.md, "Short authentication string"; RFC 6189 section 5.1.6).

use std::fmt;

use mikey_crypto::{CryptoProvider, Secret};

use crate::error::{Error, PeerFault};
use crate::keys::Role;

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

/// One side's share of the SAS, committed to in INIT and revealed in CCE.
pub(crate) struct SasShare {
    pub(crate) octets: Secret<32>,
    pub(crate) commit: [u8; 32],
}

impl SasShare {
    pub(crate) fn draw(provider: &CryptoProvider, role: Role) -> Result<Self, Error> {
        let mut octets = Secret::new([0; 32]);
        provider.random.fill(octets.expose_mut())?;
        let commit = commitment(provider, role, octets.expose());
        let commit = commit.as_ref().first_chunk().copied().ok_or(Error::Bug("a hash of another length"))?;
        Ok(Self { octets, commit })
    }
}

/// Checks what a side reveals against what it committed to.
// R9.10
pub(crate) fn check_reveal(
    provider: &CryptoProvider,
    role: Role,
    commit: &[u8; 32],
    revealed: &[u8; 32],
) -> Result<(), PeerFault> {
    let same = mikey_crypto::ct_eq(commitment(provider, role, revealed).as_ref(), commit);
    same.then_some(()).ok_or(PeerFault::SasCommitment)
}

/// SAS-COMMIT: what each side sends before it knows the other's share. Without the responder's, whoever calls it would know the
/// SAS of each half-open session, and could go on with the one that suits it without anybody seeing the others.
fn commitment(provider: &CryptoProvider, role: Role, share: &[u8; 32]) -> mikey_crypto::Digest {
    let label: &[u8] = match role {
        Role::Initiator => b"MIKEYv2 SAS commit",
        Role::Responder => b"MIKEYv2 SAS responder commit",
    };
    provider.sha256.digest(&[label, share])
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
