//! The profiles that are measured, and one master key for each.

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::MasterKey;

/// A profile with the name that it has in reports.
#[derive(Clone, Copy)]
pub(crate) struct Profile {
    pub(super) name: &'static str,
    pub(super) policy: SrtpPolicy,
}

pub(super) const PROFILES: [Profile; 8] = [
    Profile { name: "AES-CM-128/HMAC-SHA1-80", policy: SrtpPolicy::AES_CM_128_HMAC_SHA1_80 },
    Profile { name: "AES-CM-128/HMAC-SHA1-32", policy: SrtpPolicy::AES_CM_128_HMAC_SHA1_32 },
    Profile { name: "AES-CM-192/HMAC-SHA1-80", policy: SrtpPolicy::AES_CM_192_HMAC_SHA1_80 },
    Profile { name: "AES-CM-256/HMAC-SHA1-80", policy: SrtpPolicy::AES_CM_256_HMAC_SHA1_80 },
    Profile { name: "AES-128-GCM", policy: SrtpPolicy::AEAD_AES_128_GCM },
    Profile { name: "AES-256-GCM", policy: SrtpPolicy::AEAD_AES_256_GCM },
    Profile { name: "AES-f8-128/HMAC-SHA1-80", policy: SrtpPolicy::AES_F8_128_HMAC_SHA1_80 },
    Profile { name: "NULL/HMAC-SHA1-80", policy: SrtpPolicy::NULL_HMAC_SHA1_80 },
];

impl Profile {
    /// Octets that are no secret.
    pub(super) fn key(&self) -> Vec<u8> {
        (1..=self.policy.key_len).collect()
    }

    pub(super) fn salt(&self) -> Vec<u8> {
        (101..=100 + self.policy.salt_len).collect()
    }

    pub(super) fn master(&self) -> MasterKey {
        MasterKey::new(SecretBytes::from(self.key()), SecretBytes::from(self.salt()))
    }
}
