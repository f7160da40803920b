//! Envelope keys: encrypted to an RSA key, they protect KEMAC (RFC 3830 sections 3.2, 4.2.5, RFC 4738).
//!
//! Invariant: whatever is wrong with an envelope, a key that nobody knows takes its place and the MAC of KEMAC fails, in the
//! same time and with the same answer.

use mikey_crypto::{CryptoProvider, SecretBytes};
use mikey_wire::{EncrAlg, Kemac, Payload, PayloadType, Quirks, T};

use super::error::Error;
use super::fields::Fields;
use super::kemac;
use super::key_data::TrafficKey;
use super::keys::{self, MessageKeys};
use super::message::{own_mac, verify_own_mac};
use super::party::Party;
use super::policy::{Policy, algorithms};
use crate::credential::Identity;
use crate::error::ApiMisuse;
use crate::name::Name;

/// Octets of an envelope key.
const ENVELOPE_KEY_LEN: usize = 32;

/// What an envelope held.
pub(super) struct Opened {
    pub(super) name: Option<Name>,
    pub(super) keys: Vec<TrafficKey>,
    pub(super) inkey: SecretBytes,
    pub(super) message_keys: MessageKeys,
}

impl Party {
    /// Decrypts the envelope key and what is under it. Whatever is wrong with it, KEMAC does not verify.
    pub(super) fn open_envelope(
        &self,
        us: &Identity,
        fields: &Fields<'_>,
        prf: u8,
        context: (u32, &[u8]),
        quirks: Quirks,
    ) -> Result<Opened, Error> {
        let provider = &self.config.provider;
        let decryption = us.decryption().ok_or(Error::Misuse(ApiMisuse::NoCredential))?;
        let (kemac, octets) = fields.need_kemac()?;
        let pke = fields.need_pke()?;
        let prf = keys::prf(provider, &self.policy, prf)?;
        let substitute = SecretBytes::from(self.random::<ENVELOPE_KEY_LEN>()?.to_vec());
        let inkey = decryption.decryptor().decrypt_or(pke.data, substitute);
        let algorithms = (kemac.encr_alg, kemac.mac_alg);
        if kemac.encr_alg == EncrAlg::NULL {
            return Err(Error::Algorithm { payload: PayloadType::KEMAC, field: "Encr alg", value: 0 });
        }
        let keys = MessageKeys::derive(provider, &self.policy, prf, algorithms, inkey.expose(), context)?;
        verify_own_mac(&keys, &kemac, octets)?;
        let plaintext = kemac::decrypt(provider, &keys, fields.t, kemac.encr_data)?;
        let (name, traffic) = kemac::read(fields.header.data_type, true, &plaintext, quirks)?;
        Ok(Opened { name, keys: traffic, inkey, message_keys: keys })
    }
}

/// Keys under an envelope key that is encrypted to a certificate.
pub(super) struct SealedKeys {
    encr_alg: EncrAlg,
    encr_data: Vec<u8>,
    mac: SecretBytes,
    pub(super) envelope: Vec<u8>,
    pub(super) inkey: SecretBytes,
    pub(super) keys: MessageKeys,
}

impl SealedKeys {
    /// Encrypts `name` and `keys`.
    pub(super) fn new(
        provider: &CryptoProvider,
        policy: &Policy,
        prf: u8,
        context: (u32, &[u8]),
        t: T,
        spki: &[u8],
        contents: (&Name, &[TrafficKey]),
    ) -> Result<Self, Error> {
        let mut inkey = SecretBytes::zeroed(ENVELOPE_KEY_LEN);
        provider.random.fill(inkey.expose_mut())?;
        let envelope = provider.rsa_oaep.encrypt(&*provider.random, spki, inkey.expose());
        let envelope = envelope.map_err(|_| Error::Certificate(crate::error::CertificateFault::KeyKind))?;
        let (encr_alg, mac_alg) = algorithms(prf);
        let prf = keys::prf(provider, policy, prf)?;
        let algorithms = (encr_alg, mac_alg);
        let keys = MessageKeys::derive(provider, policy, prf, algorithms, inkey.expose(), context)?;
        let (name, traffic) = contents;
        let encr_data = kemac::encrypt(provider, &keys, t, kemac::plaintext(Some(name), traffic)?)?;
        let mac = own_mac(&keys, (encr_alg, &encr_data))?;
        Ok(Self { encr_alg, encr_data, mac, envelope, inkey, keys })
    }

    pub(super) fn kemac(&self) -> Payload<'_> {
        Payload::Kemac(Kemac {
            encr_alg: self.encr_alg,
            encr_data: &self.encr_data,
            mac_alg: self.keys.mac_alg(),
            mac: self.mac.expose(),
        })
    }
}
