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
    salt: Salt,
    encryption_len: u8,
    authentication_len: u8,
}

impl SessionKeys {
    /// Zeros, as long as the policy says.
    fn empty(policy: &SrtpPolicy) -> Self {
        Self {
            encryption: [0; 32],
            authentication: [0; 20],
            salt: [0; 14],
            encryption_len: policy.key_len.min(32),
            authentication_len: policy.auth_key_len.min(20),
        }
    }

    pub(crate) fn encryption(&self) -> &[u8] {
        self.encryption.get(..usize::from(self.encryption_len)).unwrap_or(&[])
    }

    /// The salt, with zeros behind it if it is shorter than the longest.
    pub(crate) const fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The salt as long as the policy says.
    pub(crate) fn salt_octets(&self, len: u8) -> &[u8] {
        self.salt.get(..usize::from(len)).unwrap_or(&self.salt)
    }

    pub(crate) fn authentication(&self) -> &[u8] {
        self.authentication.get(..usize::from(self.authentication_len)).unwrap_or(&[])
    }
}

impl SessionKeys {
    /// A copy for one packet, wiped like the original.
    pub(crate) fn copy(&self) -> Self {
        let Self { encryption, authentication, salt, encryption_len, authentication_len } = *self;
        Self { encryption, authentication, salt, encryption_len, authentication_len }
    }
}

/// Session keys with an encryption key of at most 128 bits: what SRTCP keeps between packets. Wiped when dropped.
pub(crate) struct ShortKeys {
    encryption: [u8; 16],
    authentication: [u8; 20],
    salt: Salt,
}

impl ShortKeys {
    /// What stands where longer keys are kept elsewhere.
    pub(crate) const NONE: Self = Self { encryption: [0; 16], authentication: [0; 20], salt: [0; 14] };

    /// `None` if the encryption key is longer.
    pub(crate) fn new(keys: &SessionKeys) -> Option<Self> {
        let mut this = Self { authentication: keys.authentication, salt: keys.salt, ..Self::NONE };
        let from = keys.encryption();
        this.encryption.get_mut(..from.len())?.copy_from_slice(from);
        Some(this)
    }

    /// The keys in their usual form.
    pub(crate) fn whole(&self, policy: &SrtpPolicy) -> SessionKeys {
        let mut keys = SessionKeys::empty(policy);
        for (to, from) in keys.encryption.iter_mut().zip(&self.encryption) {
            *to = *from;
        }
        (keys.authentication, keys.salt) = (self.authentication, self.salt);
        keys
    }
}

impl Drop for ShortKeys {
    fn drop(&mut self) {
        self.encryption.zeroize();
        self.authentication.zeroize();
        self.salt.zeroize();
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
        let mut keys = SessionKeys::empty(policy);
        if header {
            keys.authentication_len = 0;
        }
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

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const NIST: &str = include_str!("../../../vectors/external/srtp_kdf_nist_acvp.json");

    fn crypto() -> &'static dyn SrtpCrypto {
        mikey_crypto_aws_lc::provider().srtp
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|p| u8::from_str_radix(core::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    }

    fn master(key: &str, salt: &str) -> Master {
        Master { key: hex(key).into(), salt: hex(salt).into() }
    }

    /// SRTCP takes its index as 48 bits, and a rate of 0 is "no rate".
    #[test]
    fn nist_acvp() {
        let file: serde_json::Value = serde_json::from_str(NIST).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 7);
        for vector in vectors {
            let field = |name: &str| vector[name].as_str().unwrap();
            let master = master(field("masterKey"), field("masterSalt"));
            let policy = SrtpPolicy {
                key_len: u8::try_from(master.key.len()).unwrap(),
                ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80
            };
            let kdr = u64::from_str_radix(field("kdr"), 16).unwrap_or(0);
            for (purpose, name, index) in
                [(Purpose::Rtp, "srtp", "index"), (Purpose::Rtcp, "srtcp", "srtcpIndex")]
            {
                let index = u64::from_str_radix(field(index), 16).unwrap();
                let period = index.checked_div(kdr).unwrap_or(0);
                let keys = master.derive(crypto(), &policy, purpose, period).unwrap();
                let expected = |part: &str| hex(vector[std::format!("{name}{part}")].as_str().unwrap());
                assert_eq!(keys.encryption(), expected("Ke"), "tcId {} {name}", vector["tcId"]);
                assert_eq!(keys.authentication(), expected("Ka"), "tcId {} {name}", vector["tcId"]);
                assert_eq!(keys.salt[..], expected("Ks"), "tcId {} {name}", vector["tcId"]);
            }
        }
    }

    /// RFC 3711 appendix B.3, RFC 6188 sections 7.2 and 7.4, RFC 6904 appendix A.1.
    #[test]
    fn rfc_examples() {
        let cases = [
            (
                "E1F97A0D3E018BE0D64FA32C06DE4139",
                "0EC675AD498AFEEBB6960B3AABE6",
                ["C61E7A93744F39EE10734AFE3FF7A087", "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"],
                "30CBBC08863D8C85D49DB34A9AE1",
            ),
            (
                "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
                "3b04803de51ee7c96423ab5b78d2",
                [
                    "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
                    "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
                ],
                "fa31791685ca444a9e07c6c64e93",
            ),
            (
                "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
                "c8522f3acd4ce86d5add78edbb11",
                [
                    "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
                    "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
                ],
                "2372b82d639b6d8503a47adc0a6c",
            ),
        ];
        for (key, salt, [encryption, authentication], session_salt) in cases {
            let master = master(key, salt);
            let policy = SrtpPolicy {
                key_len: u8::try_from(master.key.len()).unwrap(),
                ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80
            };
            let keys = master.derive(crypto(), &policy, Purpose::Rtp, 0).unwrap();
            assert_eq!(keys.encryption(), hex(encryption));
            assert_eq!(keys.authentication(), hex(authentication));
            assert_eq!(keys.salt[..], hex(session_salt));
        }
        let (key, salt, ..) = cases[0];
        let header = master(key, salt)
            .derive(crypto(), &SrtpPolicy::AES_CM_128_HMAC_SHA1_80, Purpose::Header, 0)
            .unwrap();
        assert_eq!(header.encryption(), hex("549752054D6FB708622C4A2E596A1B93"));
        assert_eq!(header.salt[..], hex("AB01818174C40D39A3781F7C2D27"));
    }
}
