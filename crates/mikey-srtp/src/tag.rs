//! What follows the payload: MKI and tag, and RFC 4771's ROC inside the tag.

use mikey_crypto::srtp::{SrtpAuth, SrtpCipher, SrtpPolicy};

use crate::index::{Extended, PacketIndex};

/// How one SRTP packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtpTail {
    /// Octets of MAC (or AEAD tag); 0 if the packet is not authenticated.
    pub(crate) mac: usize,
    /// Whether the ROC stands before the MAC.
    pub(crate) roc: bool,
}

impl RtpTail {
    /// What the policy says for a packet of this sequence number.
    #[inline]
    pub(crate) fn of(policy: &SrtpPolicy, seq: u16) -> Self {
        let tag = if policy.srtp_auth { usize::from(policy.tag_len) } else { 0 };
        if !policy.auth.carries_roc() {
            return Self { mac: tag, roc: false };
        }
        let roc = seq.checked_rem(policy.roc_rate) == Some(0);
        let mac = match (policy.auth, roc) {
            (SrtpAuth::RccM1 | SrtpAuth::RccM2, true) => tag.saturating_sub(ROC_LEN),
            (SrtpAuth::RccM2, false) => tag,
            _ => 0,
        };
        Self { mac, roc }
    }

    /// Octets behind the MKI.
    pub(crate) fn len(self) -> usize {
        self.mac + if self.roc { ROC_LEN } else { 0 }
    }
}

/// Whether the tag is the AEAD's, which stands before MKI and, in SRTCP, before the index.
#[inline]
pub(crate) fn is_aead(cipher: SrtpCipher) -> bool {
    cipher == SrtpCipher::AesGcm
}

/// What is authenticated behind an SRTP packet: the ROC, which an AEAD has in its nonce.
#[inline]
pub(crate) fn trailer(cipher: SrtpCipher, index: Extended) -> Option<[u8; 4]> {
    if is_aead(cipher) { None } else { Some(PacketIndex::from_u64(index).roc().to_be_bytes()) }
}

/// Octets of SRTCP's tag.
pub(crate) fn rtcp_tag_len(policy: &SrtpPolicy) -> usize {
    if policy.srtcp_auth { usize::from(policy.srtcp_tag_len) } else { 0 }
}

/// Octets of the ROC in a tag.
pub(crate) const ROC_LEN: usize = 4;

/// Octets of E flag and index.
pub(crate) const INDEX_LEN: usize = 4;

/// The E flag.
pub(crate) const ENCRYPTED: u32 = 1 << 31;
