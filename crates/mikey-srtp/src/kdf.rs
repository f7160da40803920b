//! Session keys from the master key (RFC 3711 section 4.3, RFC 6188, RFC 6904 section 3).
//!
//! The PRF is AES-CM under the master key, over `(label || index DIV kdr) XOR master salt`. SRTCP takes its index as 48
//! bits like SRTP (RFC 3711 erratum 3712), as NIST's vectors do.

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{SrtpCipher, SrtpCrypto, SrtpPolicy, UnsupportedTransform};
use zeroize::Zeroize;

use crate::iv::Salt;

/// Which packets the keys are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// SRTP payloads: labels 0, 1, 2.
    Rtp = 0,
    /// SRTCP: labels 3, 4, 5.
    Rtcp = 3,
    /// Header extensions: labels 6 and 7, no authentication key.
    Header = 6,
}

/// Session keys of one purpose, wiped when dropped.
pub(crate) struct SessionKeys {
    encryption: [u8; 32],
    authentication: [u8; 20],
    pub(crate) salt: Salt,
    encryption_len: u8,
    authentication_len: u8,
}

impl SessionKeys {
    pub(crate) fn encryption(&self) -> &[u8] {
        self.encryption.get(..usize::from(self.encryption_len)).unwrap_or(&[])
    }

    pub(crate) fn authentication(&self) -> &[u8] {
        self.authentication.get(..usize::from(self.authentication_len)).unwrap_or(&[])
    }
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.encryption.zeroize();
        self.authentication.zeroize();
        self.salt.zeroize();
    }
}

/// A master key and its salt, as they came.
pub(crate) struct Master {
    pub(crate) key: SecretBytes,
    pub(crate) salt: SecretBytes,
}

impl Master {
    /// Derives the keys of one purpose for `period`, which is `index DIV kdr`, or 0.
    pub(crate) fn derive(
        &self,
        crypto: &dyn SrtpCrypto,
        policy: &SrtpPolicy,
        purpose: Purpose,
        period: u64,
    ) -> Result<SessionKeys, UnsupportedTransform> {
        let header = purpose == Purpose::Header;
        let first = purpose as u8;
        let mut keys = SessionKeys {
            encryption: [0; 32],
            authentication: [0; 20],
            salt: [0; 16],
            encryption_len: policy.key_len.min(32),
            authentication_len: if header { 0 } else { policy.auth_key_len.min(20) },
        };
        let salt_len = usize::from(policy.salt_len.min(14));
        let (encryption_len, authentication_len) =
            (usize::from(keys.encryption_len), usize::from(keys.authentication_len));
        let encryption = keys.encryption.get_mut(..encryption_len).ok_or(UnsupportedTransform)?;
        let left = policy.cipher == SrtpCipher::AesGcm;
        self.prf(crypto, left, first, period, encryption)?;
        if authentication_len != 0 {
            let authentication = keys.authentication.get_mut(..authentication_len);
            self.prf(crypto, left, first + 1, period, authentication.ok_or(UnsupportedTransform)?)?;
        }
        if salt_len != 0 {
            let label = if header { first + 1 } else { first + 2 };
            self.prf(
                crypto,
                left,
                label,
                period,
                keys.salt.get_mut(..salt_len).ok_or(UnsupportedTransform)?,
            )?;
        }
        Ok(keys)
    }

    /// A name of the key that tells nothing about it: the PRF under a label that SRTP does not use.
    pub(crate) fn fingerprint(&self, crypto: &dyn SrtpCrypto) -> Result<u64, UnsupportedTransform> {
        let mut name = [0; 8];
        self.prf(crypto, false, 0xfe, 0, &mut name)?;
        Ok(u64::from_be_bytes(name))
    }

    fn prf(
        &self,
        crypto: &dyn SrtpCrypto,
        left: bool,
        label: u8,
        period: u64,
        out: &mut [u8],
    ) -> Result<(), UnsupportedTransform> {
        let salt = self.salt.expose();
        let mut iv = [0; 16];
        // RFC 3711 aligns key_id and salt on the right of 112 bits. An AEAD's 96-bit salt stands on the left: RFC 7714
        // is silent, every implementation pads it with two zero octets, and so do the vectors.
        let skip = if left { 0 } else { 14usize.saturating_sub(salt.len()) };
        for (to, from) in iv.iter_mut().skip(skip).take(14).zip(salt) {
            *to = *from;
        }
        let key_id = u64::from(label) << 48 | period & 0xffff_ffff_ffff;
        let (_, low) = iv.split_at_mut(6);
        for (to, from) in low.iter_mut().zip(key_id.to_be_bytes()) {
            *to ^= from;
        }
        let done = crypto.aes_cm_prf(self.key.expose(), &iv, out);
        iv.zeroize();
        done
    }
}
