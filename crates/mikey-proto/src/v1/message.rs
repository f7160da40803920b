//! Building messages and what authenticates them (RFC 3830 section 5.2).
//!
//! The last payload is encoded with its MAC or signature as zeros; what stands before those octets is covered.

use mikey_crypto::{CryptoProvider, SecretBytes};
use mikey_wire::{
    Cert, CertType, CsMap, DataType, EncrAlg, Extension, Header, Id, Kemac, KeyId, MacAlg, Payload, Sign,
    SignAlg, T, Ver, Version, encode,
};

use super::error::Error;
use super::keys::MessageKeys;
use super::offer::Offer;
use super::time;
use crate::credential::CertifiedKey;

/// HDR of a message of version 1.
pub(super) fn header(data_type: DataType, v: bool, prf: u8, csb_id: u32, cs_map: CsMap<'_>) -> Header<'_> {
    Header { version: Version::V1, data_type, v, prf, csb_id, cs_map }
}

/// What follows a message in the MAC of V and in the signature of RSA-R: the names and the time, as they were sent.
pub(super) struct Parties<'a> {
    pub(super) id_i: Option<&'a [u8]>,
    pub(super) id_r: Option<&'a [u8]>,
    pub(super) t: T,
}

impl Parties<'_> {
    /// `IDi || IDr || T`.
    pub(super) fn octets(&self) -> Vec<u8> {
        [self.id_i.unwrap_or_default(), self.id_r.unwrap_or_default(), &time::octets(self.t)].concat()
    }
}

/// Appends KEMAC, over which and over all before it the MAC is.
pub(super) fn with_mac(
    header: &Header<'_>,
    payloads: Vec<Payload<'_>>,
    keys: &MessageKeys,
    encr: (EncrAlg, &[u8]),
) -> Result<Vec<u8>, Error> {
    let zeros = vec![0; keys.mac_len()];
    let mut payloads = payloads;
    let (encr_alg, encr_data) = encr;
    payloads.push(Payload::Kemac(Kemac { encr_alg, encr_data, mac_alg: keys.mac_alg(), mac: &zeros }));
    complete(header, &payloads, zeros.len(), |covered| Ok(keys.mac(&[covered])))
}

/// A KEMAC with a MAC over itself alone, its next payload taken as zero (RFC 3830 section 6.2, public key).
pub(super) fn own_mac(keys: &MessageKeys, encr: (EncrAlg, &[u8])) -> Result<SecretBytes, Error> {
    let (encr_alg, encr_data) = encr;
    let mut octets = Vec::new();
    mikey_wire::encode_kemac_head(&mut octets, mikey_wire::PayloadType::LAST, encr_alg, encr_data.len())?;
    octets.extend_from_slice(encr_data);
    octets.push(keys.mac_alg().0);
    Ok(keys.mac(&[&octets]))
}

/// Checks the MAC of [`own_mac`], over the octets of KEMAC up to its MAC.
pub(super) fn verify_own_mac(keys: &MessageKeys, kemac: &Kemac<'_>, octets: &[u8]) -> Result<(), Error> {
    let rest = octets.get(1..).unwrap_or_default();
    keys.verify(kemac.mac_alg, &[&[0], rest], kemac.mac)
}

/// Appends KEMAC in NULL mode.
pub(super) fn without_mac(
    header: &Header<'_>,
    payloads: Vec<Payload<'_>>,
    encr_data: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut payloads = payloads;
    let kemac = Kemac { encr_alg: EncrAlg::NULL, encr_data, mac_alg: MacAlg::NULL, mac: &[] };
    payloads.push(Payload::Kemac(kemac));
    Ok(encode(header, &payloads)?)
}

/// Appends V.
pub(super) fn with_v(
    header: &Header<'_>,
    payloads: Vec<Payload<'_>>,
    keys: &MessageKeys,
    parties: &Parties<'_>,
) -> Result<Vec<u8>, Error> {
    let zeros = vec![0; keys.mac_len()];
    let mut payloads = payloads;
    payloads.push(Payload::V(Ver { auth_alg: keys.mac_alg(), data: &zeros }));
    let parties = parties.octets();
    complete(header, &payloads, zeros.len(), |covered| Ok(keys.mac(&[covered, &parties])))
}

/// What a signature covers.
pub(super) enum Signed<'a> {
    /// The message up to the signature (RFC 3830).
    Message,
    /// The message without SIGN, then the names and the time (RFC 4738 section 3.6).
    WithParties(&'a Parties<'a>),
}

/// Appends SIGN.
pub(super) fn with_signature(
    provider: &CryptoProvider,
    header: &Header<'_>,
    payloads: Vec<Payload<'_>>,
    signer: (&CertifiedKey, SignAlg),
    signed: &Signed<'_>,
) -> Result<Vec<u8>, Error> {
    let (key, alg) = signer;
    // As long as the modulus, whatever is signed: needed before the message is complete.
    let len = sign(provider, key, alg, &[])?.len();
    let zeros = vec![0; len];
    let mut payloads = payloads;
    payloads.push(Payload::Sign(Sign { alg, signature: &zeros }));
    const HEAD: usize = 2;
    complete(header, &payloads, len, |covered| {
        let signature = match signed {
            Signed::Message => sign(provider, key, alg, covered)?,
            Signed::WithParties(parties) => {
                let before = covered.len().checked_sub(HEAD).and_then(|at| covered.get(..at));
                sign(provider, key, alg, &[before.unwrap_or_default(), &parties.octets()].concat())?
            }
        };
        Ok(SecretBytes::from(signature))
    })
}

fn sign(
    provider: &CryptoProvider,
    key: &CertifiedKey,
    alg: SignAlg,
    octets: &[u8],
) -> Result<Vec<u8>, Error> {
    Ok(match alg {
        SignAlg::RSA_PKCS1 => key.signer().sign_rsa_pkcs1(octets)?,
        _ => key.signer().sign(&*provider.random, octets)?,
    })
}

fn complete(
    header: &Header<'_>,
    payloads: &[Payload<'_>],
    tag_len: usize,
    tag: impl FnOnce(&[u8]) -> Result<SecretBytes, Error>,
) -> Result<Vec<u8>, Error> {
    let mut message = encode(header, payloads)?;
    message.truncate(message.len().saturating_sub(tag_len));
    let tag = tag(&message)?;
    if tag.len() != tag_len {
        return Err(Error::Bug("a signature of another length"));
    }
    message.extend_from_slice(tag.expose());
    Ok(message)
}

/// ID payloads of names that are to be sent.
pub(super) fn ids<'a>(names: &[Option<Id<'a>>]) -> impl Iterator<Item = Payload<'a>> {
    names.iter().flatten().copied().map(Payload::Id).collect::<Vec<_>>().into_iter()
}

/// CERT payloads of a chain.
pub(super) fn certs(chain: &[Vec<u8>], ty: CertType) -> impl Iterator<Item = Payload<'_>> {
    chain.iter().map(move |der| Payload::Cert(Cert { ty, data: der }))
}

/// The Vendor ID of who speaks version 2 (docs/spec.md, "Signalling").
pub(super) const SPEAKS_V2: &[u8] = b"MIKEYv2";

/// General Extensions of an I_MESSAGE.
pub(super) fn extensions(offer: &Offer) -> impl Iterator<Item = Payload<'_>> {
    let vendor = offer.speaks_v2.then_some(Payload::Ext(Extension::VendorId(SPEAKS_V2)));
    let (sdp_ids, key_ids) = (offer.sdp_ids.as_ref(), &offer.key_ids);
    let ids: Vec<KeyId<'_>> =
        key_ids.iter().map(|(ty, id)| KeyId { ty: mikey_wire::KeyIdType(*ty), id }).collect();
    let ids = if ids.is_empty() { None } else { Some(Payload::Ext(Extension::KeyId(ids))) };
    vendor.into_iter().chain(sdp_ids.map(|octets| Payload::Ext(Extension::SdpIds(octets)))).chain(ids)
}
