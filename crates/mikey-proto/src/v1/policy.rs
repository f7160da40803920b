//! What an endpoint speaks of version 1.

use core::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_wire::{EncrAlg, MacAlg, PrfFunc};

use super::offer::Mode;
use crate::config::AcceptStreams;

/// Algorithms of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// PRF-HMAC-SHA-256, HMAC-SHA-256-256 and AES-CM-256 (RFC 6043), RSA with SHA-256. No mode with Diffie-Hellman, as version 1 has
    /// no group that is strong enough.
    Modern,
    /// RFC 3830 as it was: the PRF and the MAC over SHA-1, OAKLEY 5, signatures over SHA-1. Those of [`Self::Modern`] are
    /// taken too.
    Legacy,
}

/// What becomes of a message of version 1 from a peer that says in it that it speaks version 2, as we do: somebody has taken
/// its first offer away, or it could not be agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downgrade {
    /// It is refused, once it is known whose it is.
    Refuse,
    /// It is taken, and reported.
    Report,
}

/// What is spoken of version 1, and how much clocks may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Algorithms.
    pub profile: Profile,
    /// Modes that are answered.
    pub modes: Vec<Mode>,
    /// How much a peer's clock may differ from ours.
    pub skew: Duration,
    /// Messages that are remembered. When more come, what is older than the oldest one that had to go is refused.
    pub replay_capacity: usize,
    /// The SRTP policies that an ERROR says would do, when none of a peer's does.
    pub suggest: Vec<SrtpPolicy>,
    /// Whether what known peers do against RFC 3830 is put up with ([`mikey_wire::Quirk`]); it is reported.
    pub lenient: bool,
    /// What becomes of a peer that speaks version 2 and offers version 1, where we speak version 2 too.
    pub downgrade: Downgrade,
    /// Octets of the MAC's key, if not as many as the MAC has: a known peer takes 32 for HMAC-SHA-1. For tests against it.
    #[doc(hidden)]
    pub mac_key_len: Option<usize>,
}

/// What encrypts and MACs keys under a PRF: who chose that speaks these too. RFC 6043 section 12.1: algorithms of 256 bits are
/// not mixed with shorter ones.
pub(super) fn algorithms(prf: u8) -> (EncrAlg, MacAlg) {
    match PrfFunc(prf) {
        PrfFunc::MIKEY_1 => (EncrAlg::AES_CM_128, MacAlg::HMAC_SHA_1_160),
        _ => (EncrAlg::AES_CM_256, MacAlg::HMAC_SHA_256_256),
    }
}

impl Policy {
    /// Modes with certificates or a pre-shared key, under [`Profile::Modern`]; clocks within five minutes.
    #[must_use]
    pub fn modern() -> Self {
        Self {
            profile: Profile::Modern,
            modes: vec![Mode::Psk, Mode::Pk, Mode::RsaR],
            skew: Duration::from_secs(300),
            replay_capacity: 65_536,
            suggest: AcceptStreams::default().policies,
            lenient: true,
            downgrade: Downgrade::Refuse,
            mac_key_len: None,
        }
    }

    /// As [`Self::modern`], under [`Profile::Legacy`] and with the modes that need OAKLEY 5.
    #[must_use]
    pub fn legacy() -> Self {
        let modes = vec![Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR];
        Self { profile: Profile::Legacy, modes, ..Self::modern() }
    }

    /// NULL mode and nothing else: keys in the clear, with what carries them alone to protect them. Only where that is
    /// secure end to end, such as RTSP over TLS to the server itself.
    #[must_use]
    pub fn over_secure_transport() -> Self {
        Self { modes: vec![Mode::Null], ..Self::modern() }
    }

    pub(super) fn prf(&self) -> PrfFunc {
        match self.profile {
            Profile::Modern => PrfFunc::HMAC_SHA_256,
            Profile::Legacy => PrfFunc::MIKEY_1,
        }
    }

    /// Whether a MAC of the peer's choice will do.
    pub(super) fn takes_mac(&self, mac: MacAlg) -> bool {
        mac == MacAlg::HMAC_SHA_256_256 || (self.profile == Profile::Legacy && mac == MacAlg::HMAC_SHA_1_160)
    }

    /// Whether there is a group for DH.
    pub(super) fn has_dh(&self) -> bool {
        self.profile == Profile::Legacy
    }

    pub(super) fn takes_prf(&self, prf: PrfFunc) -> bool {
        prf == PrfFunc::HMAC_SHA_256 || (self.profile == Profile::Legacy && prf == PrfFunc::MIKEY_1)
    }
}
