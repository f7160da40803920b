//! Keys of messages and of SRTP (RFC 3830 sections 4.1.3, 4.1.4, 4.2.3, 4.2.4).

use mikey_crypto::{AuthFailed, CryptoProvider, Hash, Prf, PrfId, SecretBytes, SuiteId, SuiteKind};
use mikey_wire::{EncrAlg, MacAlg, PayloadType, PrfFunc, T};

use super::error::Error;
use super::policy::Policy;
use crate::keys::xor_into;

const ENCRYPTION: [u8; 4] = 0x1505_33E1_u32.to_be_bytes();
const AUTHENTICATION: [u8; 4] = 0x2D22_AC75_u32.to_be_bytes();
const SALT: [u8; 4] = 0x29B8_8916_u32.to_be_bytes();
const TEK: [u8; 4] = 0x2AD0_1C64_u32.to_be_bytes();
const TEK_SALT: [u8; 4] = 0x39A2_C14B_u32.to_be_bytes();

/// In the place of cs_id, in labels of keys that belong to no crypto session.
const NO_CS: u8 = 0xFF;

/// The salt of AES in counter mode.
const SALT_LEN: usize = 14;

/// The PRF of HDR, if the policy takes it.
pub(super) fn prf(provider: &CryptoProvider, policy: &Policy, number: u8) -> Result<Prf, Error> {
    let func = PrfFunc(number);
    let refused = Error::Algorithm { payload: PayloadType::LAST, field: "PRF func", value: number };
    if !policy.takes_prf(func) {
        return Err(refused);
    }
    match func {
        PrfFunc::MIKEY_1 => Ok(Prf::mikey1(provider.sha1)),
        _ => provider.prf(PrfId::HMAC_SHA_256).ok_or(refused),
    }
}

/// The keys that protect messages, from a pre-shared or envelope key.
pub(super) struct MessageKeys {
    mac_alg: MacAlg,
    hash: &'static dyn Hash,
    csb_id: u32,
    authentication: SecretBytes,
    encryption: SecretBytes,
    salt: SecretBytes,
}

/// Octets of the key of a cipher; `None` if it is none that we have.
fn cipher_key_len(encr: EncrAlg) -> Option<usize> {
    match encr {
        EncrAlg::AES_CM_128 => Some(16),
        EncrAlg::AES_CM_256 => Some(32),
        _ => None,
    }
}

impl MessageKeys {
    /// Derives them. With `encr` NULL nothing can be encrypted, which DHHMAC does not want.
    pub(super) fn derive(
        provider: &CryptoProvider,
        policy: &Policy,
        prf: Prf,
        algorithms: (EncrAlg, MacAlg),
        inkey: &[u8],
        context: (u32, &[u8]),
    ) -> Result<Self, Error> {
        let (encr, mac_alg) = algorithms;
        let (csb_id, rand) = context;
        let hash = match mac_alg {
            _ if !policy.takes_mac(mac_alg) => None,
            MacAlg::HMAC_SHA_1_160 => Some(provider.sha1),
            MacAlg::HMAC_SHA_256_256 => Some(provider.sha256),
            _ => None,
        };
        let refused = |field, value| Error::Algorithm { payload: PayloadType::KEMAC, field, value };
        let hash = hash.ok_or(refused("Mac alg", mac_alg.0))?;
        let key_len = match encr {
            EncrAlg::NULL => 0,
            encr => cipher_key_len(encr).ok_or(refused("Encr alg", encr.0))?,
        };
        let csb = csb_id.to_be_bytes();
        let derive = |constant: [u8; 4], len| prf.derive(inkey, &[&constant, &[NO_CS], &csb, rand], len);
        Ok(Self {
            mac_alg,
            hash,
            csb_id,
            authentication: derive(AUTHENTICATION, policy.mac_key_len.unwrap_or(hash.output_len())),
            encryption: derive(ENCRYPTION, key_len),
            salt: derive(SALT, SALT_LEN),
        })
    }

    pub(super) fn mac_alg(&self) -> MacAlg {
        self.mac_alg
    }

    pub(super) fn mac_len(&self) -> usize {
        self.hash.output_len()
    }

    pub(super) fn mac(&self, parts: &[&[u8]]) -> SecretBytes {
        self.hash.hmac(self.authentication.expose(), parts)
    }

    pub(super) fn verify(&self, alg: MacAlg, parts: &[&[u8]], mac: &[u8]) -> Result<(), Error> {
        if alg != self.mac_alg {
            return Err(Error::Algorithm { payload: PayloadType::KEMAC, field: "Mac alg", value: alg.0 });
        }
        self.hash.hmac_verify(self.authentication.expose(), parts, mac).map_err(|AuthFailed| Error::Auth)
    }

    /// Encrypts or decrypts Encr data: `IV = (S XOR (0x0000 || CSB ID || T)) || 0x0000`.
    pub(super) fn crypt(&self, provider: &CryptoProvider, t: T, data: &mut [u8]) -> Result<(), Error> {
        let suite = match self.encryption.len() {
            16 => SuiteId::AES_CM_128_HMAC_SHA_256,
            _ => SuiteId::AES_CM_256_HMAC_SHA_256,
        };
        let Some(SuiteKind::CtrHmac { cipher, .. }) = provider.suite(suite).map(|suite| suite.kind) else {
            return Err(Error::Bug("a provider without AES in counter mode"));
        };
        let mut iv = [0; 16];
        let context = [&[0; 2][..], &self.csb_id.to_be_bytes(), &t.to_u64().to_be_bytes()];
        xor_into(&mut iv, self.salt.expose(), &context);
        cipher.apply(self.encryption.expose(), &iv, data).map_err(|_| Error::Bug("a key of the wrong length"))
    }
}

/// The master key and salt of a crypto session, from a TGK.
pub(super) fn traffic(
    prf: Prf,
    tgk: &[u8],
    cs_id: u8,
    context: (u32, &[u8]),
    lens: (usize, usize),
) -> (SecretBytes, SecretBytes) {
    let (csb_id, rand) = context;
    let csb = csb_id.to_be_bytes();
    let derive = |constant: [u8; 4], len| prf.derive(tgk, &[&constant, &[cs_id], &csb, rand], len);
    (derive(TEK, lens.0), derive(TEK_SALT, lens.1))
}
