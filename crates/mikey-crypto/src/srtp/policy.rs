//! An SRTP policy: the parameters of RFC 3830 section 6.10.1, as SRTP acts on them (RFC 3711, 6188, 7714, 4771).
//!
//! Plain data. [`SrtpPolicy::check`] says whether a combination means anything; nothing else here judges.

/// Encryption transform of SRTP and SRTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SrtpCipher {
    /// No encryption (RFC 3711 section 4.1.3).
    Null,
    /// AES in counter mode (RFC 3711 section 4.1.1, RFC 6188).
    AesCm,
    /// AES in f8 mode (RFC 3711 section 4.1.2).
    AesF8,
    /// AES-GCM (RFC 7714); it authenticates too.
    AesGcm,
}

/// Authentication transform of SRTP. SRTCP never carries a ROC: there the RCC transforms mean HMAC-SHA-1 (RFC 4771
/// section 2), in mode 3 too, since SRTCP's authentication has a switch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SrtpAuth {
    /// No MAC of its own: none at all, or the tag of an AEAD cipher.
    Null,
    /// HMAC-SHA-1 (RFC 3711 section 4.2.1).
    HmacSha1,
    /// The ROC in every R-th packet, these alone authenticated (RFC 4771 mode 1).
    RccM1,
    /// The ROC in every R-th packet, all authenticated (RFC 4771 mode 2).
    RccM2,
    /// The ROC in every R-th packet, none authenticated (RFC 4771 mode 3).
    RccM3,
}

impl SrtpAuth {
    /// Whether the ROC travels in the tag of every R-th packet.
    #[must_use]
    pub const fn carries_roc(self) -> bool {
        matches!(self, Self::RccM1 | Self::RccM2 | Self::RccM3)
    }
}

/// Everything that a crypto context needs to know except keys and counters.
///
/// Lengths are in octets. Start from a named profile and change what differs.
///
/// ```
/// use mikey_crypto::srtp::SrtpPolicy;
///
/// let policy = SrtpPolicy { kdr: 1 << 16, ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80 };
/// assert!(policy.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SrtpPolicy {
    /// Encryption transform.
    pub cipher: SrtpCipher,
    /// Length of the master key and of the session encryption key: 16, 24 or 32.
    pub key_len: u8,
    /// Length of the master salt and the session salt: 14, for an AEAD 12; f8 takes less.
    pub salt_len: u8,
    /// Authentication transform.
    pub auth: SrtpAuth,
    /// Length of the session authentication key: 20 for HMAC-SHA-1, 0 without.
    pub auth_key_len: u8,
    /// Length of SRTP's authentication tag: 10 or 4 for the named HMAC-SHA-1 profiles, 16 for GCM. With RCC it counts
    /// the four octets of the ROC.
    pub tag_len: u8,
    /// Length of SRTCP's authentication tag: 10 in every named HMAC-SHA-1 profile (RFC 5764), 16 for GCM.
    pub srtcp_tag_len: u8,
    /// Key derivation rate: 0, or a power of two up to 2^24.
    pub kdr: u32,
    /// Whether SRTP payloads are encrypted.
    pub srtp_encryption: bool,
    /// Whether SRTCP is encrypted.
    pub srtcp_encryption: bool,
    /// Whether SRTP packets are authenticated. Off only if the policy says so explicitly.
    pub srtp_auth: bool,
    /// Whether SRTCP packets are authenticated. RFC 3711 section 3.4 requires it; off is for tests and gateways.
    pub srtcp_auth: bool,
    /// Length of the keystream prefix of RFC 3711 section 4.1 (`SRTP_PREFIX_LENGTH`). It is 0 with HMAC-SHA-1.
    pub prefix_len: u8,
    /// RFC 4771's R: the ROC goes into every R-th packet. 1 if the transform is not RCC.
    pub roc_rate: u16,
}

impl SrtpPolicy {
    /// Whether packets under it can say by TESLA who has sent them (RFC 4383). TESLA stands before the tag of RFC 3711: where
    /// the tag is another one, or there is none, nothing says where. Keys of a derivation rate would have to be kept for as
    /// long as packets wait.
    #[must_use]
    pub const fn may_carry_tesla(&self) -> bool {
        matches!(self.auth, SrtpAuth::HmacSha1) && self.srtp_auth && self.srtcp_auth && self.kdr == 0
    }

    /// `AES_CM_128_HMAC_SHA1_80`: SRTP's default (RFC 3711 section 5).
    pub const AES_CM_128_HMAC_SHA1_80: Self = Self {
        cipher: SrtpCipher::AesCm,
        key_len: 16,
        salt_len: 14,
        auth: SrtpAuth::HmacSha1,
        auth_key_len: 20,
        tag_len: 10,
        srtcp_tag_len: 10,
        kdr: 0,
        srtp_encryption: true,
        srtcp_encryption: true,
        srtp_auth: true,
        srtcp_auth: true,
        prefix_len: 0,
        roc_rate: 1,
    };

    /// `AES_CM_128_HMAC_SHA1_32`; SRTCP's tag stays at 80 bits.
    pub const AES_CM_128_HMAC_SHA1_32: Self = Self { tag_len: 4, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AES_192_CM_HMAC_SHA1_80` (RFC 6188).
    pub const AES_CM_192_HMAC_SHA1_80: Self = Self { key_len: 24, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AES_192_CM_HMAC_SHA1_32` (RFC 6188).
    pub const AES_CM_192_HMAC_SHA1_32: Self = Self { tag_len: 4, ..Self::AES_CM_192_HMAC_SHA1_80 };

    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188).
    pub const AES_CM_256_HMAC_SHA1_80: Self = Self { key_len: 32, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188).
    pub const AES_CM_256_HMAC_SHA1_32: Self = Self { tag_len: 4, ..Self::AES_CM_256_HMAC_SHA1_80 };

    /// `F8_128_HMAC_SHA1_80`.
    pub const AES_F8_128_HMAC_SHA1_80: Self =
        Self { cipher: SrtpCipher::AesF8, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `NULL_HMAC_SHA1_80`: authenticated, not encrypted.
    pub const NULL_HMAC_SHA1_80: Self = Self {
        cipher: SrtpCipher::Null,
        srtp_encryption: false,
        srtcp_encryption: false,
        ..Self::AES_CM_128_HMAC_SHA1_80
    };

    /// `AEAD_AES_128_GCM` (RFC 7714).
    pub const AEAD_AES_128_GCM: Self = Self {
        cipher: SrtpCipher::AesGcm,
        key_len: 16,
        salt_len: 12,
        auth: SrtpAuth::Null,
        auth_key_len: 0,
        tag_len: 16,
        srtcp_tag_len: 16,
        ..Self::AES_CM_128_HMAC_SHA1_80
    };

    /// `AEAD_AES_256_GCM` (RFC 7714).
    pub const AEAD_AES_256_GCM: Self = Self { key_len: 32, ..Self::AEAD_AES_128_GCM };

    /// Whether the combination is one that SRTP defines.
    ///
    /// # Errors
    /// [`PolicyError`] names the first parameter that does not fit.
    pub const fn check(&self) -> Result<(), PolicyError> {
        if !matches!(self.key_len, 16 | 24 | 32) {
            return Err(PolicyError::KeyLen);
        }
        if self.kdr != 0 && (!self.kdr.is_power_of_two() || self.kdr > 1 << 24) {
            return Err(PolicyError::Kdr);
        }
        if self.roc_rate == 0 || (self.roc_rate != 1 && !self.auth.carries_roc()) {
            return Err(PolicyError::RocRate);
        }
        match self.cipher {
            SrtpCipher::AesGcm => self.check_aead(),
            SrtpCipher::Null if self.srtp_encryption || self.srtcp_encryption => Err(PolicyError::NullCipher),
            SrtpCipher::AesF8 if self.salt_len > 14 => Err(PolicyError::SaltLen),
            SrtpCipher::AesCm if self.salt_len != 14 => Err(PolicyError::SaltLen),
            SrtpCipher::Null if self.salt_len > 14 => Err(PolicyError::SaltLen),
            _ => self.check_auth(),
        }
    }

    const fn check_aead(&self) -> Result<(), PolicyError> {
        if self.key_len == 24 {
            return Err(PolicyError::KeyLen); // RFC 7714 has no AES-192
        }
        if self.salt_len != 12 {
            return Err(PolicyError::SaltLen);
        }
        if !matches!(self.auth, SrtpAuth::Null) || self.auth_key_len != 0 {
            return Err(PolicyError::AuthKeyLen);
        }
        if self.tag_len != 16 || self.srtcp_tag_len != 16 {
            return Err(PolicyError::TagLen);
        }
        if self.prefix_len != 0 {
            return Err(PolicyError::PrefixLen);
        }
        // RFC 7714 8.2 and 9: all packets MUST be authenticated, all SRTP packets encrypted.
        if !self.srtp_auth || !self.srtcp_auth || !self.srtp_encryption {
            return Err(PolicyError::AeadOff);
        }
        Ok(())
    }

    const fn check_auth(&self) -> Result<(), PolicyError> {
        let (min, max) = match self.auth {
            SrtpAuth::Null => (0, 0),
            SrtpAuth::HmacSha1 => (1, 20),
            SrtpAuth::RccM1 | SrtpAuth::RccM2 => (5, 24),
            SrtpAuth::RccM3 => (4, 4),
        };
        if matches!(self.auth, SrtpAuth::Null) {
            if self.srtp_auth || self.srtcp_auth {
                return Err(PolicyError::NullAuth);
            }
            if self.tag_len != 0 || self.srtcp_tag_len != 0 {
                return Err(PolicyError::TagLen);
            }
        } else {
            if self.auth_key_len == 0 || self.auth_key_len > 64 {
                return Err(PolicyError::AuthKeyLen);
            }
            if self.tag_len < min || self.tag_len > max {
                return Err(PolicyError::TagLen);
            }
            if self.srtcp_auth && (self.srtcp_tag_len == 0 || self.srtcp_tag_len > 20) {
                return Err(PolicyError::TagLen);
            }
            // Mode 2 with nothing authenticated is mode 3, and has to be called so.
            if self.auth.carries_roc() && self.srtp_auth == matches!(self.auth, SrtpAuth::RccM3) {
                return Err(PolicyError::NullAuth);
            }
        }
        // RFC 3711 4.2.1: with HMAC-SHA1, the SRTP_PREFIX_LENGTH SHALL be 0.
        if self.prefix_len != 0 && (self.srtp_auth || matches!(self.cipher, SrtpCipher::Null)) {
            return Err(PolicyError::PrefixLen);
        }
        Ok(())
    }
}

/// Which parameter of a policy does not fit the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// The key length is not one of the cipher's.
    KeyLen,
    /// The salt length is not one of the cipher's.
    SaltLen,
    /// The authentication key length does not fit the authentication transform.
    AuthKeyLen,
    /// A tag length does not fit the authentication transform.
    TagLen,
    /// The key derivation rate is neither 0 nor a power of two up to 2^24.
    Kdr,
    /// The ROC rate is 0, or other than 1 without an RCC transform.
    RocRate,
    /// The keystream prefix has a length with a transform that forbids it.
    PrefixLen,
    /// Encryption is on, the cipher is NULL.
    NullCipher,
    /// Authentication is on and the transform has none, or the other way about.
    NullAuth,
    /// An AEAD cannot be without authentication, nor SRTP under it without encryption.
    AeadOff,
}

impl core::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::KeyLen => "SRTP policy: key length does not fit the cipher",
            Self::SaltLen => "SRTP policy: salt length does not fit the cipher",
            Self::AuthKeyLen => "SRTP policy: authentication key length does not fit the transform",
            Self::TagLen => "SRTP policy: tag length does not fit the transform",
            Self::Kdr => "SRTP policy: key derivation rate is neither 0 nor a power of two up to 2^24",
            Self::RocRate => "SRTP policy: ROC rate without an RCC transform, or 0",
            Self::PrefixLen => "SRTP policy: keystream prefix with a transform that forbids it",
            Self::NullCipher => "SRTP policy: encryption is on but the cipher is NULL",
            Self::NullAuth => "SRTP policy: authentication switches do not fit the transform",
            Self::AeadOff => "SRTP policy: an AEAD cannot be switched off",
        })
    }
}

impl core::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    const GCM: SrtpPolicy = SrtpPolicy::AEAD_AES_128_GCM;

    #[test]
    fn named_profiles_fit() {
        for policy in [
            CM,
            GCM,
            SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
            SrtpPolicy::AES_CM_192_HMAC_SHA1_80,
            SrtpPolicy::AES_CM_192_HMAC_SHA1_32,
            SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
            SrtpPolicy::AES_CM_256_HMAC_SHA1_32,
            SrtpPolicy::AES_F8_128_HMAC_SHA1_80,
            SrtpPolicy::NULL_HMAC_SHA1_80,
            SrtpPolicy::AEAD_AES_256_GCM,
        ] {
            assert_eq!(policy.check(), Ok(()), "{policy:?}");
        }
    }

    #[test]
    fn misfits_are_named() {
        use PolicyError as E;
        let cases = [
            (SrtpPolicy { key_len: 17, ..CM }, E::KeyLen),
            (SrtpPolicy { key_len: 24, ..GCM }, E::KeyLen),
            (SrtpPolicy { salt_len: 12, ..CM }, E::SaltLen),
            (SrtpPolicy { salt_len: 14, ..GCM }, E::SaltLen),
            (SrtpPolicy { auth_key_len: 0, ..CM }, E::AuthKeyLen),
            (SrtpPolicy { auth: SrtpAuth::HmacSha1, ..GCM }, E::AuthKeyLen),
            (SrtpPolicy { tag_len: 21, ..CM }, E::TagLen),
            (SrtpPolicy { tag_len: 0, ..CM }, E::TagLen),
            (SrtpPolicy { srtcp_tag_len: 0, ..CM }, E::TagLen),
            (SrtpPolicy { tag_len: 8, ..GCM }, E::TagLen),
            (SrtpPolicy { auth: SrtpAuth::RccM2, tag_len: 4, ..CM }, E::TagLen),
            (SrtpPolicy { kdr: 3, ..CM }, E::Kdr),
            (SrtpPolicy { kdr: 1 << 25, ..CM }, E::Kdr),
            (SrtpPolicy { roc_rate: 0, ..CM }, E::RocRate),
            (SrtpPolicy { roc_rate: 2, ..CM }, E::RocRate),
            (SrtpPolicy { prefix_len: 4, ..CM }, E::PrefixLen),
            (SrtpPolicy { prefix_len: 4, ..GCM }, E::PrefixLen),
            (SrtpPolicy { cipher: SrtpCipher::Null, ..CM }, E::NullCipher),
            (SrtpPolicy { auth: SrtpAuth::Null, ..CM }, E::NullAuth),
            (SrtpPolicy { auth: SrtpAuth::RccM3, tag_len: 4, ..CM }, E::NullAuth),
            (SrtpPolicy { srtp_auth: false, ..GCM }, E::AeadOff),
            (SrtpPolicy { srtp_encryption: false, ..GCM }, E::AeadOff),
        ];
        for (policy, error) in cases {
            assert_eq!(policy.check(), Err(error), "{policy:?}");
        }
    }

    #[test]
    fn authentication_goes_off_only_when_the_policy_says_so() {
        let off = SrtpPolicy { srtp_auth: false, ..CM };
        assert_eq!(off.check(), Ok(()));
        let none = SrtpPolicy {
            auth: SrtpAuth::Null,
            auth_key_len: 0,
            tag_len: 0,
            srtcp_tag_len: 0,
            srtp_auth: false,
            srtcp_auth: false,
            ..CM
        };
        assert_eq!(none.check(), Ok(()));
        assert_eq!(SrtpPolicy { prefix_len: 20, ..none }.check(), Ok(()));
    }
}
