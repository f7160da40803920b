//! TGKs and TEKs, for what they are valid, and the SRTP keys that come of them (RFC 3830 sections 4.1.3, 6.13, 6.14).

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, Prf, SecretBytes};
use mikey_wire::{KeyData, KeyType, Kv, Quirk, Quirks};

use super::error::Error;
use super::keys::traffic;
use super::offer::KeyKind;
use super::streams::Sessions;
use crate::error::ApiMisuse;
use crate::keys::Role;
use crate::streams::{Side, SrtpKeys, StreamKeys};

/// A key of a bundle.
pub(super) struct TrafficKey {
    pub(super) is_tgk: bool,
    pub(super) key: SecretBytes,
    pub(super) salt: Option<SecretBytes>,
    pub(super) valid: Valid,
    /// Whether key and salt are written as one.
    pub(super) joined: bool,
}

/// For what a key is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Valid {
    Always,
    Mki(Vec<u8>),
    Range(u64, u64),
}

/// The longest MKI.
const MAX_MKI: usize = 255;

impl Valid {
    pub(super) fn of(mki: &[u8], range: Option<(u64, u64)>) -> Result<Self, ApiMisuse> {
        match (mki, range) {
            ([], None) => Ok(Self::Always),
            (mki, None) if mki.len() <= MAX_MKI => Ok(Self::Mki(mki.to_vec())),
            ([], Some((from, to))) if from <= to && to >> 48 == 0 => Ok(Self::Range(from, to)),
            _ => Err(ApiMisuse::Streams),
        }
    }

    pub(super) fn read(kv: &Kv<'_>) -> Result<Self, Error> {
        let index = |octets: &[u8]| {
            let fits = (1..=6).contains(&octets.len());
            let value = octets.iter().fold(0_u64, |n, octet| (n << 8) | u64::from(*octet));
            fits.then_some(value).ok_or(Error::Keys("an interval that is not of packet indices"))
        };
        match kv {
            Kv::Null => Ok(Self::Always),
            Kv::Spi([]) => Ok(Self::Always),
            Kv::Spi(spi) => Ok(Self::Mki(spi.to_vec())),
            Kv::Interval { from, to } => {
                let (from, to) = (index(from)?, index(to)?);
                if from > to {
                    Err(Error::Keys("an interval that ends before it begins"))
                } else {
                    Ok(Self::Range(from, to))
                }
            }
        }
    }

    /// Its octets, for [`Self::kv`].
    pub(super) fn octets(&self) -> ([u8; 6], [u8; 6]) {
        let index = |n: u64| {
            let [_, _, octets @ ..] = n.to_be_bytes();
            octets
        };
        match self {
            Self::Range(from, to) => (index(*from), index(*to)),
            Self::Always | Self::Mki(_) => ([0; 6], [0; 6]),
        }
    }

    pub(super) fn kv<'a>(&'a self, octets: &'a ([u8; 6], [u8; 6])) -> Kv<'a> {
        match self {
            Self::Always => Kv::Null,
            Self::Mki(mki) => Kv::Spi(mki),
            Self::Range(..) => Kv::Interval { from: &octets.0, to: &octets.1 },
        }
    }
}

impl TrafficKey {
    /// Reads Key data.
    pub(super) fn read(data: &KeyData<'_>, quirks: Quirks) -> Result<Self, Error> {
        let valid = Valid::read(&data.kv)?;
        let (is_tgk, key, salt) = match data.ty {
            KeyType::TGK | KeyType::TGK_SALT => (true, data.key, data.salt),
            KeyType::TEK if quirks.contains(Quirk::SaltInTek) => match Quirk::split_tek(data.key) {
                Some((key, salt)) => (false, key, Some(salt)),
                None => (false, data.key, None),
            },
            KeyType::TEK | KeyType::TEK_SALT => (false, data.key, data.salt),
            _ => return Err(Error::Keys("keys of another kind than tgk and tek")),
        };
        if key.len() < 16 {
            return Err(Error::Keys("a key of fewer than 16 octets"));
        }
        let (key, salt) = (SecretBytes::copy_from(key), salt.map(SecretBytes::copy_from));
        Ok(Self { is_tgk, key, salt, valid, joined: false })
    }

    /// A new one of the kind that is asked for.
    pub(super) fn fresh(
        provider: &CryptoProvider,
        kind: KeyKind,
        policy: &SrtpPolicy,
        valid: Valid,
    ) -> Result<Self, Error> {
        let random = |len: usize| -> Result<SecretBytes, Error> {
            let mut key = SecretBytes::zeroed(len);
            provider.random.fill(key.expose_mut())?;
            Ok(key)
        };
        Ok(match kind {
            KeyKind::Tgk => Self { is_tgk: true, key: random(TGK_LEN)?, salt: None, valid, joined: false },
            KeyKind::JoinedTek if usize::from(policy.salt_len) != JOINED_SALT_LEN => {
                return Err(ApiMisuse::SrtpPolicy.into());
            }
            KeyKind::Tek | KeyKind::JoinedTek => Self {
                joined: kind == KeyKind::JoinedTek,
                is_tgk: false,
                key: random(usize::from(policy.key_len))?,
                salt: Some(random(usize::from(policy.salt_len))?),
                valid,
            },
        })
    }
}

/// Octets of a salt that can be told from the key before it.
const JOINED_SALT_LEN: usize = 14;

/// Octets of a TGK that we choose.
const TGK_LEN: usize = 32;

/// The SRTP keys of all crypto sessions. Of a stream of ours the first key is used; of the peer's, each may be.
pub(super) fn srtp_keys(
    sessions: &Sessions,
    keys: &[TrafficKey],
    prf: Result<Prf, Error>,
    context: (u32, &[u8]),
    local: Role,
    generation: u32,
) -> Result<SrtpKeys, Error> {
    if keys.is_empty() {
        return Err(Error::Keys("there is none"));
    }
    let mut streams = Vec::new();
    for cs in &sessions.list {
        let (_, policy) = *cs.policies.first().ok_or(Error::Bug("a crypto session without a policy"))?;
        let ours = cs.sender == local;
        let fits = |key: &&TrafficKey| match &key.valid {
            Valid::Mki(mki) => cs.spi.is_empty() || cs.spi == *mki,
            Valid::Always | Valid::Range(..) => true,
        };
        let before = streams.len();
        for key in keys.iter().filter(fits) {
            let (master_key, master_salt) = master(key, cs.id, &policy, &prf, context)?;
            let (mki, valid) = match &key.valid {
                Valid::Always => (Vec::new(), None),
                Valid::Mki(mki) => (mki.clone(), None),
                Valid::Range(from, to) => (Vec::new(), Some((*from, *to))),
            };
            streams.push(StreamKeys {
                cs_id: cs.id,
                sender: if ours { Side::Local } else { Side::Remote },
                ssrc: cs.ssrc,
                index: cs.index,
                policy,
                master_key,
                master_salt,
                mki,
                valid,
            });
            if ours && valid.is_none() {
                break;
            }
        }
        if streams.len() == before {
            return Err(Error::Keys("none has the spi of a crypto session"));
        }
    }
    Ok(SrtpKeys { generation, streams })
}

fn master(
    key: &TrafficKey,
    cs_id: u8,
    policy: &SrtpPolicy,
    prf: &Result<Prf, Error>,
    context: (u32, &[u8]),
) -> Result<(SecretBytes, SecretBytes), Error> {
    let (key_len, salt_len) = (usize::from(policy.key_len), usize::from(policy.salt_len));
    let sent = key.salt.as_ref().map(|salt| SecretBytes::copy_from(salt.expose()));
    let (master_key, salt) = if key.is_tgk {
        let prf = *prf.as_ref().map_err(Clone::clone)?;
        if context.1.is_empty() {
            return Err(Error::Keys("a tgk without a rand to derive from"));
        }
        let (tek, derived) = traffic(prf, key.key.expose(), cs_id, context, (key_len, salt_len));
        (tek, sent.unwrap_or(derived))
    } else {
        let salt = sent.ok_or(Error::Keys("a tek without a salt"))?;
        (SecretBytes::copy_from(key.key.expose()), salt)
    };
    if master_key.len() != key_len {
        return Err(Error::Keys("a tek that is not as long as its policy says"));
    }
    if salt.len() != salt_len {
        return Err(Error::Keys("a salt that is not as long as its policy says"));
    }
    Ok((master_key, salt))
}
