//! An SRTP policy: the parameters of RFC 3830 section 6.10.1, as SRTP acts on them (RFC 3711, 6188, 7714, 6904, 4771).

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

/// Authentication transform of SRTP and SRTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SrtpAuth {
    /// No MAC of its own: none at all, or the tag of an AEAD cipher.
    Null,
    /// HMAC-SHA-1 (RFC 3711 section 4.2.1).
    HmacSha1,
    /// HMAC-SHA-1 with the ROC in every R-th packet (RFC 4771), mode 1.
    RccM1,
    /// RFC 4771 mode 2.
    RccM2,
    /// RFC 4771 mode 3.
    RccM3,
}

/// Everything that a crypto context needs to know except keys and counters.
///
/// Lengths are in octets. Start from a named profile and change what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SrtpPolicy {
    /// Encryption transform.
    pub cipher: SrtpCipher,
    /// Length of the master key and of the session encryption key: 16, 24 or 32.
    pub key_len: u8,
    /// Length of the master salt and the session salt: 14, for an AEAD 12.
    pub salt_len: u8,
    /// Authentication transform.
    pub auth: SrtpAuth,
    /// Length of the session authentication key: 20 for HMAC-SHA-1, 0 without.
    pub auth_key_len: u8,
    /// Length of the authentication tag: 10 or 4 for the named HMAC-SHA-1 profiles, 16 for GCM.
    pub tag_len: u8,
    /// Key derivation rate: 0, or a power of two up to 2^24.
    pub kdr: u32,
    /// Whether SRTP payloads are encrypted.
    pub srtp_encryption: bool,
    /// Whether SRTCP is encrypted.
    pub srtcp_encryption: bool,
    /// Whether SRTP packets are authenticated. Off only if the policy says so explicitly.
    pub srtp_auth: bool,
    /// Length of the keystream prefix of RFC 3711 section 4.1 (`SRTP_PREFIX_LENGTH`).
    pub prefix_len: u8,
    /// RFC 4771's R: the ROC goes into every R-th packet. 1 if the transform is not RCC.
    pub roc_rate: u16,
}

impl SrtpPolicy {
    /// `AES_CM_128_HMAC_SHA1_80`: SRTP's default (RFC 3711 section 5).
    pub const AES_CM_128_HMAC_SHA1_80: Self = Self {
        cipher: SrtpCipher::AesCm,
        key_len: 16,
        salt_len: 14,
        auth: SrtpAuth::HmacSha1,
        auth_key_len: 20,
        tag_len: 10,
        kdr: 0,
        srtp_encryption: true,
        srtcp_encryption: true,
        srtp_auth: true,
        prefix_len: 0,
        roc_rate: 1,
    };

    /// `AES_CM_128_HMAC_SHA1_32`.
    pub const AES_CM_128_HMAC_SHA1_32: Self = Self { tag_len: 4, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AES_192_CM_HMAC_SHA1_80` (RFC 6188).
    pub const AES_CM_192_HMAC_SHA1_80: Self = Self { key_len: 24, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188).
    pub const AES_CM_256_HMAC_SHA1_80: Self = Self { key_len: 32, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188).
    pub const AES_CM_256_HMAC_SHA1_32: Self = Self { tag_len: 4, ..Self::AES_CM_256_HMAC_SHA1_80 };

    /// `F8_128_HMAC_SHA1_80`.
    pub const AES_F8_128_HMAC_SHA1_80: Self =
        Self { cipher: SrtpCipher::AesF8, ..Self::AES_CM_128_HMAC_SHA1_80 };

    /// `AEAD_AES_128_GCM` (RFC 7714).
    pub const AEAD_AES_128_GCM: Self = Self {
        cipher: SrtpCipher::AesGcm,
        key_len: 16,
        salt_len: 12,
        auth: SrtpAuth::Null,
        auth_key_len: 0,
        tag_len: 16,
        ..Self::AES_CM_128_HMAC_SHA1_80
    };

    /// `AEAD_AES_256_GCM` (RFC 7714).
    pub const AEAD_AES_256_GCM: Self = Self { key_len: 32, ..Self::AEAD_AES_128_GCM };
}
