//! MIKEY version 1 in `call` and `listen`: which modes, what they need, and how a call in one of them is described.

use clap::ValueEnum;
use mikey::keying::v1::{Mode, Offer, Policy};
use mikey::{Name, Stream};

/// A mode that can be called in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum V1Mode {
    /// The keys encrypted under a pre-shared key
    Psk,
    /// The keys encrypted to the peer's RSA key (--peer-decrypt-cert)
    Pk,
    /// Diffie-Hellman with RSA signatures; of the old algorithms
    Dh,
    /// Diffie-Hellman with a pre-shared key; of the old algorithms
    Dhhmac,
    /// The peer's keys, encrypted to our RSA key (--decrypt-cert)
    RsaR,
}

/// Algorithms of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum V1Algorithms {
    /// SHA-256 (RFC 6043): no Diffie-Hellman, as version 1 has no group that is strong enough
    Modern,
    /// RFC 3830 as it was, too: SHA-1 and OAKLEY 5
    Legacy,
}

impl V1Mode {
    fn mode(self) -> Mode {
        match self {
            Self::Psk => Mode::Psk,
            Self::Pk => Mode::Pk,
            Self::Dh => Mode::Dh,
            Self::Dhhmac => Mode::DhHmac,
            Self::RsaR => Mode::RsaR,
        }
    }

    /// What a caller in this mode speaks: nothing older than it needs.
    pub(crate) fn algorithms(self) -> V1Algorithms {
        match self {
            Self::Dh | Self::Dhhmac => V1Algorithms::Legacy,
            Self::Psk | Self::Pk | Self::RsaR => V1Algorithms::Modern,
        }
    }

    /// The first message of a call.
    pub(crate) fn offer(self, to: Name, streams: &[Stream], encrypt_to: Vec<Vec<u8>>) -> Offer {
        // Version 1 has one policy a stream.
        let first = |stream: &Stream| {
            let mut stream = stream.clone();
            stream.policies.truncate(1);
            stream
        };
        let mut offer = Offer::new(self.mode(), to, streams.iter().map(first).collect());
        offer.encrypt_to = encrypt_to;
        offer
    }
}

impl V1Algorithms {
    /// The policy.
    pub(crate) fn policy(self) -> Policy {
        match self {
            Self::Modern => Policy::modern(),
            Self::Legacy => Policy::legacy(),
        }
    }
}
