//! KEMAC's plaintext: the keys, after the sender's name in the modes with a public key (RFC 3830 sections 3.2, 6.2).

use mikey_crypto::CryptoProvider;
use mikey_wire::{
    DataType, Id, KeyData, KeyType, Payload, PayloadType, Quirks, T, Version, decode_chain, encode_chain,
};
use zeroize::Zeroizing;

use super::error::Error;
use super::key_data::TrafficKey;
use super::keys::MessageKeys;
use crate::name::Name;

/// The octets of the name, if there is one, and the keys.
pub(super) fn plaintext(name: Option<&Name>, keys: &[TrafficKey]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let ranges: Vec<_> = keys.iter().map(|key| key.valid.octets()).collect();
    let mut payloads: Vec<Payload<'_>> = name.map(|name| Payload::Id(name.as_wire())).into_iter().collect();
    let joined: Vec<Option<Zeroizing<Vec<u8>>>> = keys.iter().map(joined).collect();
    for ((key, range), joined) in keys.iter().zip(&ranges).zip(&joined) {
        let salt = key.salt.as_ref().map(|salt| salt.expose()).filter(|_| joined.is_none());
        let ty = match (key.is_tgk, salt.is_some()) {
            (true, false) => KeyType::TGK,
            (true, true) => KeyType::TGK_SALT,
            (false, false) => KeyType::TEK,
            (false, true) => KeyType::TEK_SALT,
        };
        let octets = joined.as_ref().map_or_else(|| key.key.expose(), |joined| joined.as_slice());
        payloads.push(Payload::KeyData(KeyData { ty, key: octets, salt, kv: key.valid.kv(range) }));
    }
    // As long as all keys can be, so that it never moves and leaves a copy.
    let mut octets = Zeroizing::new(Vec::with_capacity(payloads.len() * 700 + 300));
    encode_chain(&mut octets, &payloads, PayloadType::LAST)?;
    Ok(octets)
}

/// Key and salt as one, if they are written so.
fn joined(key: &TrafficKey) -> Option<Zeroizing<Vec<u8>>> {
    let salt = key.salt.as_ref().filter(|_| key.joined)?;
    Some(Zeroizing::new([key.key.expose(), salt.expose()].concat()))
}

/// The name and the keys of decrypted octets.
pub(super) fn read(
    data_type: DataType,
    named: bool,
    octets: &[u8],
    quirks: Quirks,
) -> Result<(Option<Name>, Vec<TrafficKey>), Error> {
    if octets.is_empty() && !named {
        return Ok((None, Vec::new()));
    }
    let first = if named { PayloadType::ID } else { PayloadType::KEY_DATA };
    // Wrong padding, a wrong length and an unknown type look alike to a peer; here it is said where.
    let items = decode_chain(Version::V1, data_type, first, octets)?;
    let mut name = None;
    let mut keys = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match &item.payload {
            Payload::Id(id) if named && at == 0 => name = Some(name_of(id)),
            Payload::KeyData(data) => keys.push(TrafficKey::read(data, quirks)?),
            _ => {
                return Err(super::fields::at(
                    item,
                    "order of payloads",
                    mikey_wire::DecodeErrorKind::Unexpected,
                ));
            }
        }
    }
    Ok((name, keys))
}

fn name_of(id: &Id<'_>) -> Name {
    Name::from_wire(id)
}

/// Encrypts the keys in place of their plaintext.
pub(super) fn encrypt(
    provider: &CryptoProvider,
    keys: &MessageKeys,
    t: T,
    mut plaintext: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, Error> {
    keys.crypt(provider, t, &mut plaintext)?;
    Ok(std::mem::take(&mut *plaintext))
}

/// Decrypts Encr data, whose MAC has verified.
pub(super) fn decrypt(
    provider: &CryptoProvider,
    keys: &MessageKeys,
    t: T,
    encr_data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut plaintext = Zeroizing::new(encr_data.to_vec());
    keys.crypt(provider, t, &mut plaintext)?;
    Ok(plaintext)
}
