//! Keys in the forms of other stacks, before they are installed here or there: libsrtp's policy, GStreamer's caps,
//! ffmpeg's parameters, an SDES line (RFC 4568, RFC 6188, RFC 7714).
//!
//! What comes out holds the master key in clear: it is a [`SecretBytes`] and is wiped when dropped.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{SrtpAuth, SrtpCipher, SrtpPolicy};

use crate::index::Ssrc;
use crate::key::MasterKey;

/// The policy is not one that the other stack has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotExportable;

impl core::fmt::Display for NotExportable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the other stack has no such SRTP profile")
    }
}

impl core::error::Error for NotExportable {}

/// What libsrtp's `srtp_policy_t` wants: the names of the functions that set its two `srtp_crypto_policy_t`, and what
/// its key points to.
pub struct LibsrtpPolicy {
    /// Sets the policy of SRTP.
    pub rtp: &'static str,
    /// Sets the policy of SRTCP.
    pub rtcp: &'static str,
    /// Master key and master salt, one behind the other.
    pub key: SecretBytes,
    /// The MKI; empty for none.
    pub mki: Vec<u8>,
}

/// The policy in libsrtp's form.
///
/// # Errors
/// [`NotExportable`] if libsrtp has no such profile.
pub fn libsrtp(policy: &SrtpPolicy, key: &MasterKey) -> Result<LibsrtpPolicy, NotExportable> {
    let profile = Profile::of(policy)?;
    if profile.libsrtp.is_empty() {
        return Err(NotExportable);
    }
    Ok(LibsrtpPolicy {
        rtp: profile.libsrtp,
        rtcp: profile.libsrtp_rtcp,
        key: joined(key),
        mki: key.mki.as_ref().into(),
    })
}

/// The caps of an `application/x-srtp` stream for GStreamer's `srtpdec`, its rollover counter included.
///
/// # Errors
/// [`NotExportable`] if GStreamer has no such profile, or the key has an MKI, which its one key of a stream has not.
pub fn gstreamer_caps(
    policy: &SrtpPolicy,
    key: &MasterKey,
    ssrc: Ssrc,
    roc: u32,
) -> Result<SecretBytes, NotExportable> {
    let profile = Profile::of(policy)?;
    let (cipher, auth, rtcp_auth) = profile.gstreamer.ok_or(NotExportable)?;
    if !key.mki.as_ref().is_empty() {
        return Err(NotExportable);
    }
    let secret = joined(key);
    let mut caps = Secret::with_capacity(400);
    let Ssrc(ssrc) = ssrc;
    caps.push(format_args!("application/x-srtp,ssrc=(uint){ssrc},roc=(uint){roc},srtp-key=(buffer)"));
    for octet in secret.expose() {
        caps.push(format_args!("{octet:02x}"));
    }
    caps.push(format_args!(
        ",srtp-cipher=(string){cipher},srtp-auth=(string){auth},srtcp-cipher=(string){cipher},srtcp-auth=(string){rtcp_auth}"
    ));
    Ok(caps.finish())
}

/// Options for ffmpeg: `-srtp_out_suite SUITE -srtp_out_params KEY`.
///
/// # Errors
/// [`NotExportable`] if ffmpeg has no such suite; it has the two of AES-128 with HMAC-SHA-1, and no MKI.
pub fn ffmpeg(policy: &SrtpPolicy, key: &MasterKey) -> Result<SecretBytes, NotExportable> {
    let profile = Profile::of(policy)?;
    if profile.libsrtp.is_empty()
        || policy.cipher != SrtpCipher::AesCm
        || policy.key_len != 16
        || !key.mki.as_ref().is_empty()
    {
        return Err(NotExportable);
    }
    let mut options = Secret::with_capacity(200);
    options.push(format_args!("-srtp_out_suite {} -srtp_out_params ", profile.sdes));
    options.base64(joined(key).expose());
    Ok(options.finish())
}

/// An SDES attribute of SDP: `a=crypto:TAG SUITE inline:KEY||SALT|MKI:LENGTH` (RFC 4568 section 9.1).
///
/// # Errors
/// [`NotExportable`] if no suite of that name is registered, or the MKI has more than 16 octets.
pub fn sdes(policy: &SrtpPolicy, key: &MasterKey, tag: u32) -> Result<SecretBytes, NotExportable> {
    let profile = Profile::of(policy)?;
    let mki = key.mki.as_ref();
    // The MKI is a decimal number there; what does not fit one is not for SDES.
    if profile.sdes.is_empty() || mki.len() > 16 {
        return Err(NotExportable);
    }
    let mut line = Secret::with_capacity(300);
    line.push(format_args!("a=crypto:{tag} {} inline:", profile.sdes));
    line.base64(joined(key).expose());
    if !mki.is_empty() {
        let value = mki.iter().fold(0u128, |value, octet| value << 8 | u128::from(*octet));
        line.push(format_args!("|{value}:{}", mki.len()));
    }
    if policy.kdr != 0 {
        line.push(format_args!(" KDR={}", policy.kdr.trailing_zeros()));
    }
    if !policy.srtp_encryption {
        line.push(format_args!(" UNENCRYPTED_SRTP"));
    }
    if !policy.srtcp_encryption {
        line.push(format_args!(" UNENCRYPTED_SRTCP"));
    }
    if !policy.srtp_auth {
        line.push(format_args!(" UNAUTHENTICATED_SRTP"));
    }
    Ok(line.finish())
}

/// What the stacks call a profile. SRTCP's tag is of 80 bits in all with HMAC.
struct Profile {
    libsrtp: &'static str,
    libsrtp_rtcp: &'static str,
    /// Cipher, SRTP's and SRTCP's authentication.
    gstreamer: Option<(&'static str, &'static str, &'static str)>,
    sdes: &'static str,
}

impl Profile {
    fn of(policy: &SrtpPolicy) -> Result<Self, NotExportable> {
        let aead = policy.cipher == SrtpCipher::AesGcm;
        let auth = if aead { SrtpAuth::Null } else { SrtpAuth::HmacSha1 };
        let rtcp_tag = if aead { 16 } else { 10 };
        let key_of_auth = if aead { 0 } else { 20 };
        let plain = policy.auth == auth
            && policy.auth_key_len == key_of_auth
            && policy.srtcp_tag_len == rtcp_tag
            && policy.srtcp_auth
            && policy.prefix_len == 0;
        if !plain || policy.check().is_err() {
            return Err(NotExportable);
        }
        let (libsrtp, gstreamer, sdes) = match (policy.cipher, policy.key_len, policy.tag_len) {
            (SrtpCipher::AesCm, 16, 10) => (
                "srtp_crypto_policy_set_rtp_default",
                Some(("aes-128-icm", "hmac-sha1-80")),
                "AES_CM_128_HMAC_SHA1_80",
            ),
            (SrtpCipher::AesCm, 16, 4) => (
                "srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32",
                Some(("aes-128-icm", "hmac-sha1-32")),
                "AES_CM_128_HMAC_SHA1_32",
            ),
            (SrtpCipher::AesCm, 24, 10) => {
                ("srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80", None, "AES_192_CM_HMAC_SHA1_80")
            }
            (SrtpCipher::AesCm, 24, 4) => {
                ("srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32", None, "AES_192_CM_HMAC_SHA1_32")
            }
            (SrtpCipher::AesCm, 32, 10) => (
                "srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80",
                Some(("aes-256-icm", "hmac-sha1-80")),
                "AES_256_CM_HMAC_SHA1_80",
            ),
            (SrtpCipher::AesCm, 32, 4) => (
                "srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32",
                Some(("aes-256-icm", "hmac-sha1-32")),
                "AES_256_CM_HMAC_SHA1_32",
            ),
            (SrtpCipher::AesF8, 16, 10) => ("", None, "F8_128_HMAC_SHA1_80"),
            (SrtpCipher::AesGcm, 16, 16) => (
                "srtp_crypto_policy_set_aes_gcm_128_16_auth",
                Some(("aes-128-gcm", "null")),
                "AEAD_AES_128_GCM",
            ),
            (SrtpCipher::AesGcm, 32, 16) => (
                "srtp_crypto_policy_set_aes_gcm_256_16_auth",
                Some(("aes-256-gcm", "null")),
                "AEAD_AES_256_GCM",
            ),
            _ => return Err(NotExportable),
        };
        let on = policy.srtp_encryption && policy.srtcp_encryption && policy.srtp_auth && policy.kdr == 0;
        let rtcp = match (policy.cipher, policy.key_len) {
            (SrtpCipher::AesGcm, _) => libsrtp,
            (_, 16) => "srtp_crypto_policy_set_rtcp_default",
            (_, 24) => "srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80",
            _ => "srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80",
        };
        let gstreamer =
            gstreamer.map(|(cipher, auth)| (cipher, auth, if aead { "null" } else { "hmac-sha1-80" }));
        Ok(Self {
            libsrtp: if on { libsrtp } else { "" },
            libsrtp_rtcp: rtcp,
            gstreamer: gstreamer.filter(|_| on),
            sdes,
        })
    }
}

fn joined(key: &MasterKey) -> SecretBytes {
    let (key, salt) = (key.key.expose(), key.salt.expose());
    let mut joined = SecretBytes::zeroed(key.len() + salt.len());
    for (to, from) in joined.expose_mut().iter_mut().zip(key.iter().chain(salt)) {
        *to = *from;
    }
    joined
}

/// Text with a key in it. Its room is made at the start, so that growing leaves no copy behind.
struct Secret(String);

impl Secret {
    fn with_capacity(octets: usize) -> Self {
        Self(String::with_capacity(octets))
    }

    fn push(&mut self, text: core::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }

    fn base64(&mut self, octets: &[u8]) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for three in octets.chunks(3) {
            let mut value = 0u32;
            for at in 0..3 {
                value = value << 8 | three.get(at).copied().map_or(0, u32::from);
            }
            for at in 0..4usize {
                let digit = (value >> (18 - 6 * at)) & 63;
                let digit = usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit));
                self.0.push(if at <= three.len() { char::from(*digit.unwrap_or(&b'A')) } else { '=' });
            }
        }
    }

    fn finish(self) -> SecretBytes {
        SecretBytes::from(self.0.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Mki;

    fn key(key: &[u8], salt: &[u8]) -> MasterKey {
        MasterKey::new(SecretBytes::copy_from(key), SecretBytes::copy_from(salt))
    }

    fn text(secret: &SecretBytes) -> &str {
        core::str::from_utf8(secret.expose()).unwrap()
    }

    const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

    #[test]
    fn an_sdes_line_as_in_rfc_4568() {
        // Section 6.1's example: 30 octets of key and salt.
        let secret: Vec<u8> = (0..30).collect();
        let (head, tail) = secret.split_at(16);
        let line = sdes(&CM, &key(head, tail), 1).unwrap();
        let expected = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
        assert_eq!(text(&line), expected);
        let named = key(head, tail).with_mki(Mki::new(&[0, 0, 1, 2]).unwrap());
        let policy = SrtpPolicy { kdr: 1 << 20, srtcp_encryption: false, ..CM };
        let line = sdes(&policy, &named, 7).unwrap();
        assert!(text(&line).ends_with("Gxwd|258:4 KDR=20 UNENCRYPTED_SRTCP"));
        let gcm = sdes(&SrtpPolicy::AEAD_AES_128_GCM, &key(&[1; 16], &[2; 12]), 2).unwrap();
        assert_eq!(text(&gcm), "a=crypto:2 AEAD_AES_128_GCM inline:AQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAg==");
    }

    #[test]
    fn forms_of_other_stacks() {
        let exported = libsrtp(&SrtpPolicy::AES_CM_256_HMAC_SHA1_32, &key(&[1; 32], &[2; 14])).unwrap();
        assert_eq!(exported.rtp, "srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32");
        assert_eq!(exported.rtcp, "srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80");
        assert_eq!(exported.key.len(), 46);
        let caps =
            gstreamer_caps(&SrtpPolicy::AEAD_AES_128_GCM, &key(&[0xab; 16], &[1; 12]), Ssrc(5), 9).unwrap();
        assert!(text(&caps).starts_with("application/x-srtp,ssrc=(uint)5,roc=(uint)9,srtp-key=(buffer)abab"));
        assert!(text(&caps).ends_with("srtcp-cipher=(string)aes-128-gcm,srtcp-auth=(string)null"));
        let options = ffmpeg(&SrtpPolicy::AES_CM_128_HMAC_SHA1_32, &key(&[0; 16], &[0; 14])).unwrap();
        let expected = "-srtp_out_suite AES_CM_128_HMAC_SHA1_32 -srtp_out_params AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(text(&options), expected);
    }

    #[test]
    fn what_others_lack_is_refused() {
        let master = || key(&[0; 16], &[0; 14]);
        for policy in [
            SrtpPolicy { tag_len: 8, ..CM },
            SrtpPolicy { auth: SrtpAuth::RccM2, tag_len: 14, ..CM },
            SrtpPolicy { srtcp_tag_len: 4, ..CM },
            SrtpPolicy { cipher: SrtpCipher::Null, ..CM },
        ] {
            assert!(
                libsrtp(&policy, &master()).is_err() && sdes(&policy, &master(), 1).is_err(),
                "{policy:?}"
            );
            assert!(
                gstreamer_caps(&policy, &master(), Ssrc(1), 0).is_err()
                    && ffmpeg(&policy, &master()).is_err()
            );
        }
        assert!(ffmpeg(&SrtpPolicy::AES_CM_256_HMAC_SHA1_80, &key(&[0; 32], &[0; 14])).is_err());
        assert!(gstreamer_caps(&SrtpPolicy { kdr: 16, ..CM }, &master(), Ssrc(1), 0).is_err());
        let named = master().with_mki(Mki::new(&[1]).unwrap());
        assert!(ffmpeg(&CM, &named).is_err() && gstreamer_caps(&CM, &named, Ssrc(1), 0).is_err());
        assert!(sdes(&CM, &master().with_mki(Mki::new(&[1; 17]).unwrap()), 1).is_err());
    }
}
