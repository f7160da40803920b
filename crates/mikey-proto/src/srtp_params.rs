//! SRTP policies as SP payloads (RFC 3830 section 6.10.1, RFC 4771 section 3, RFC 7714 section 14.3), and back.
//!
//! We write every parameter that has a meaning for the cipher, in rising order. A parameter that is absent has SRTP's
//! default. What we do not know or cannot do makes the policy unusable, never a guess.

use mikey_crypto::srtp::{SrtpAuth, SrtpCipher, SrtpPolicy};
use mikey_wire::{ProtType, Sp, SpParam};

/// Octets of the parameters of one policy, which the SP payload borrows.
pub(crate) struct SpOctets {
    params: Vec<(u8, Vec<u8>)>,
}

const ENCR_ALG: u8 = 0;
const ENCR_KEY_LEN: u8 = 1;
const AUTH_ALG: u8 = 2;
const AUTH_KEY_LEN: u8 = 3;
const SALT_LEN: u8 = 4;
const PRF: u8 = 5;
const KDR: u8 = 6;
const SRTP_ENCRYPTION: u8 = 7;
const SRTCP_ENCRYPTION: u8 = 8;
const FEC_ORDER: u8 = 9;
const SRTP_AUTH: u8 = 10;
const TAG_LEN: u8 = 11;
const PREFIX_LEN: u8 = 12;
const ROC_RATE: u8 = 13;
const AEAD_TAG_LEN: u8 = 20;

const AES_CM: u8 = 1;
const AES_F8: u8 = 2;
const AES_GCM: u8 = 6;

impl SpOctets {
    /// The parameters of a policy.
    pub(crate) fn new(policy: &SrtpPolicy) -> Self {
        let cipher = match policy.cipher {
            SrtpCipher::AesCm => AES_CM,
            SrtpCipher::AesF8 => AES_F8,
            SrtpCipher::AesGcm => AES_GCM,
            _ => 0,
        };
        let auth = match policy.auth {
            SrtpAuth::HmacSha1 => 1,
            SrtpAuth::RccM1 => 2,
            SrtpAuth::RccM2 => 3,
            SrtpAuth::RccM3 => 4,
            _ => 0,
        };
        let aead = policy.cipher == SrtpCipher::AesGcm;
        let rcc = auth >= 2;
        let mut params: Vec<(u8, Vec<u8>)> = vec![
            (ENCR_ALG, vec![cipher]),
            (ENCR_KEY_LEN, vec![policy.key_len]),
            (AUTH_ALG, vec![auth]),
            (AUTH_KEY_LEN, vec![policy.auth_key_len]),
            (SALT_LEN, vec![policy.salt_len]),
            (PRF, vec![0]),
            (KDR, shortest(policy.kdr)),
            (SRTP_ENCRYPTION, vec![policy.srtp_encryption.into()]),
            (SRTCP_ENCRYPTION, vec![policy.srtcp_encryption.into()]),
            (SRTP_AUTH, vec![policy.srtp_auth.into()]),
        ];
        if !aead {
            params.push((TAG_LEN, vec![policy.tag_len]));
        }
        params.push((PREFIX_LEN, vec![policy.prefix_len]));
        if rcc {
            params.push((ROC_RATE, policy.roc_rate.to_be_bytes().to_vec()));
        }
        if aead {
            params.push((AEAD_TAG_LEN, vec![policy.tag_len]));
        }
        Self { params }
    }

    /// The parameters, in rising order.
    pub(crate) fn params(&self) -> &[(u8, Vec<u8>)] {
        &self.params
    }

    /// The SP payload.
    pub(crate) fn sp(&self, policy_no: u8) -> Sp<'_> {
        let params = self.params.iter().map(|(ty, value)| SpParam { ty: *ty, value }).collect();
        Sp { policy_no, prot: ProtType::SRTP, params }
    }
}

/// The policy that an SP payload states, if it is one that we can act on.
pub(crate) fn policy(sp: &Sp<'_>) -> Option<SrtpPolicy> {
    if sp.prot != ProtType::SRTP {
        return None;
    }
    let cipher = sp.params.iter().find(|p| p.ty == ENCR_ALG).map_or(Some(AES_CM), |p| octet(p.value))?;
    let mut policy =
        if cipher == AES_GCM { SrtpPolicy::AEAD_AES_128_GCM } else { SrtpPolicy::AES_CM_128_HMAC_SHA1_80 };
    policy.cipher = match cipher {
        0 => SrtpCipher::Null,
        AES_CM => SrtpCipher::AesCm,
        AES_F8 => SrtpCipher::AesF8,
        AES_GCM => SrtpCipher::AesGcm,
        _ => return None,
    };
    let mut seen = [false; 256];
    for SpParam { ty, value } in &sp.params {
        let once = seen.get_mut(usize::from(*ty))?;
        if std::mem::replace(once, true) {
            return None;
        }
        match *ty {
            ENCR_ALG => (),
            ENCR_KEY_LEN => policy.key_len = octet(value)?,
            AUTH_ALG => policy.auth = auth(octet(value)?)?,
            AUTH_KEY_LEN => policy.auth_key_len = octet(value)?,
            SALT_LEN => policy.salt_len = octet(value)?,
            PRF | FEC_ORDER => (octet(value)? == 0).then_some(())?,
            KDR => policy.kdr = integer(value)?,
            SRTP_ENCRYPTION => policy.srtp_encryption = switch(value)?,
            SRTCP_ENCRYPTION => policy.srtcp_encryption = switch(value)?,
            SRTP_AUTH => policy.srtp_auth = switch(value)?,
            TAG_LEN if cipher != AES_GCM => policy.tag_len = octet(value)?,
            PREFIX_LEN => policy.prefix_len = octet(value)?,
            ROC_RATE => policy.roc_rate = <[u8; 2]>::try_from(*value).map(u16::from_be_bytes).ok()?,
            AEAD_TAG_LEN if cipher == AES_GCM => policy.tag_len = octet(value)?,
            _ => return None,
        }
    }
    policy.check().is_ok().then_some(policy)
}

fn auth(value: u8) -> Option<SrtpAuth> {
    Some(match value {
        0 => SrtpAuth::Null,
        1 => SrtpAuth::HmacSha1,
        2 => SrtpAuth::RccM1,
        3 => SrtpAuth::RccM2,
        4 => SrtpAuth::RccM3,
        _ => return None,
    })
}

fn octet(value: &[u8]) -> Option<u8> {
    match value {
        [octet] => Some(*octet),
        _ => None,
    }
}

fn switch(value: &[u8]) -> Option<bool> {
    match value {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// An unsigned integer of one to four octets.
fn integer(value: &[u8]) -> Option<u32> {
    (1..=4).contains(&value.len()).then(|| value.iter().fold(0, |n, octet| (n << 8) | u32::from(*octet)))
}

fn shortest(n: u32) -> Vec<u8> {
    let octets = n.to_be_bytes();
    let zeros = octets.iter().take(3).take_while(|o| **o == 0).count();
    octets.into_iter().skip(zeros).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [SrtpPolicy; 8] = [
        SrtpPolicy::AES_CM_128_HMAC_SHA1_80,
        SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
        SrtpPolicy::AES_CM_192_HMAC_SHA1_80,
        SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
        SrtpPolicy::AES_CM_256_HMAC_SHA1_32,
        SrtpPolicy::AES_F8_128_HMAC_SHA1_80,
        SrtpPolicy::AEAD_AES_128_GCM,
        SrtpPolicy::AEAD_AES_256_GCM,
    ];

    #[test]
    fn every_profile_comes_back() {
        for profile in PROFILES {
            assert_eq!(policy(&SpOctets::new(&profile).sp(1)), Some(profile));
        }
        for kdr in [0, 1, 2, 256, 1 << 16, 1 << 24] {
            let slow = SrtpPolicy { kdr, ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80 };
            assert_eq!(policy(&SpOctets::new(&slow).sp(1)), Some(slow), "kdr {kdr}");
        }
    }

    #[test]
    fn an_empty_payload_is_srtps_default() {
        let empty = Sp { policy_no: 0, prot: ProtType::SRTP, params: vec![] };
        assert_eq!(policy(&empty), Some(SrtpPolicy::AES_CM_128_HMAC_SHA1_80));
    }

    #[test]
    fn what_cannot_be_done_is_no_policy() {
        let with = |ty, value| Sp { policy_no: 0, prot: ProtType::SRTP, params: vec![SpParam { ty, value }] };
        assert_eq!(policy(&with(ENCR_ALG, &[9])), None);
        assert_eq!(policy(&with(ENCR_KEY_LEN, &[17])), None);
        assert_eq!(policy(&with(ENCR_KEY_LEN, &[])), None);
        assert_eq!(policy(&with(SRTP_AUTH, &[2])), None);
        assert_eq!(policy(&with(KDR, &[0, 0, 0, 3])), None, "not a power of two");
        assert_eq!(policy(&with(99, &[1])), None, "an unknown parameter");
        let twice = SpParam { ty: ENCR_KEY_LEN, value: &[16] };
        assert_eq!(policy(&Sp { policy_no: 0, prot: ProtType::SRTP, params: vec![twice, twice] }), None);
        assert_eq!(policy(&Sp { policy_no: 0, prot: ProtType(1), params: vec![] }), None);
    }
}
