//! The attributes of a whole session description, with the rules of which level counts.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Session};

use crate::error::{Level, SdpError, TextError};
use crate::fingerprint::Fingerprint;
use crate::key_mgmt::KeyMgmt;
use crate::limits::{MAX_FINGERPRINTS, MAX_MEDIA, MAX_OFFERS, MAX_SDP};
use crate::tls_id::TlsId;

/// Reads a session description.
///
/// # Errors
/// [`SdpError::TooLong`], [`SdpError::Syntax`], [`SdpError::TooMany`].
pub fn parse(sdp: &[u8]) -> Result<Session, SdpError> {
    if sdp.len() > MAX_SDP {
        return Err(SdpError::TooLong { limit: MAX_SDP });
    }
    let session = Session::parse(sdp).map_err(|error| SdpError::Syntax(error.to_string()))?;
    if session.medias.len() > MAX_MEDIA {
        return Err(SdpError::TooMany { what: "media descriptions", limit: MAX_MEDIA });
    }
    Ok(session)
}

/// The key management that a description offers at one level, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Where it stands.
    pub level: Level,
    /// The offers, most preferred first.
    pub offers: Vec<KeyMgmt>,
}

impl Offered {
    /// What stands at session level.
    ///
    /// # Errors
    /// If a line cannot be read, or there are too many.
    pub fn of_session(session: &Session) -> Result<Self, SdpError> {
        Self::at(&session.attributes, Level::Session)
    }

    /// What counts for one media description, from 0: its own lines, or if it has none those of the session (RFC 4567
    /// section 3.1).
    ///
    /// # Errors
    /// If there is no such media description, a line that counts cannot be read, or there are too many.
    pub fn of_media(session: &Session, media: usize) -> Result<Self, SdpError> {
        let described = session.medias.get(media).ok_or(SdpError::NoMedia(media))?;
        let own = Self::at(&described.attributes, Level::Media(media))?;
        if own.offers.is_empty() { Self::of_session(session) } else { Ok(own) }
    }

    /// The first offer of MIKEY.
    #[must_use]
    pub fn mikey(&self) -> Option<&KeyMgmt> {
        self.offers.iter().find(|offer| offer.is_mikey())
    }

    /// The protocol identifiers as SDP IDs list them: in order, separated by semicolons (RFC 4567 section 4.1.4).
    #[must_use]
    pub fn protocols(&self) -> String {
        self.offers.iter().map(|offer| offer.protocol.as_str()).collect::<Vec<_>>().join(";")
    }

    // R18.5
    fn at(attributes: &[Attribute], level: Level) -> Result<Self, SdpError> {
        let offers: Vec<KeyMgmt> = read(attributes, KeyMgmt::ATTRIBUTE, level, MAX_OFFERS)?;
        // Which of two would be meant, nothing says (docs/spec.md, "Signalling").
        if offers.iter().filter(|offer| offer.is_mikey()).count() > 1 {
            return Err(SdpError::Twice { attribute: "key-mgmt:mikey", level });
        }
        Ok(Self { level, offers })
    }
}

/// The certificate fingerprints that count for a media description, from 0: its own, or those of the session (RFC 8122
/// section 5). Fingerprints by a hash function that is weak or unknown are passed over; there may be others.
///
/// # Errors
/// If there is no such media description, or a line is no fingerprint at all.
pub fn fingerprints(session: &Session, media: usize) -> Result<Vec<Fingerprint>, SdpError> {
    let described = session.medias.get(media).ok_or(SdpError::NoMedia(media))?;
    let own = usable(&described.attributes, Level::Media(media))?;
    match own {
        Some(own) => Ok(own),
        None => Ok(usable(&session.attributes, Level::Session)?.unwrap_or_default()),
    }
}

/// The tls-id that counts for a media description, from 0: its own, or that of the session (RFC 8842 section 5).
///
/// # Errors
/// If there is no such media description, the value is no tls-id, or there are two at one level.
pub fn tls_id(session: &Session, media: usize) -> Result<Option<TlsId>, SdpError> {
    let described = session.medias.get(media).ok_or(SdpError::NoMedia(media))?;
    match single_tls_id(&described.attributes, Level::Media(media))? {
        Some(id) => Ok(Some(id)),
        None => single_tls_id(&session.attributes, Level::Session),
    }
}

/// Where a media description, from 0, wants its media: the port of its `m=`, at its own `c=` or that of the session. None if
/// it is refused (port 0).
///
/// # Errors
/// If there is no such media description, or its address is missing or is not an IP address.
pub fn media_address(session: &Session, media: usize) -> Result<Option<SocketAddr>, SdpError> {
    let described = session.medias.get(media).ok_or(SdpError::NoMedia(media))?;
    if described.port == 0 {
        return Ok(None);
    }
    let connection = described.connections.first().or(session.connection.as_ref());
    let ip = connection.and_then(|connection| connection.connection_address.parse::<IpAddr>().ok());
    Ok(Some(SocketAddr::new(ip.ok_or(SdpError::NoAddress(Level::Media(media)))?, described.port)))
}

/// The fingerprints at one level that can be used; none if there is no line.
fn usable(attributes: &[Attribute], level: Level) -> Result<Option<Vec<Fingerprint>>, SdpError> {
    let name = Fingerprint::ATTRIBUTE;
    let mut found = None;
    for (number, value) in values(attributes, name).enumerate() {
        if number == MAX_FINGERPRINTS {
            return Err(SdpError::TooMany { what: "a=fingerprint lines", limit: MAX_FINGERPRINTS });
        }
        let usable = found.get_or_insert_with(Vec::new);
        match value.parse::<Fingerprint>() {
            Ok(fingerprint) => usable.push(fingerprint),
            Err(error) if Fingerprint::is_other_hash(&error) => {}
            Err(why) => return Err(SdpError::Attribute { attribute: name, level, why }),
        }
    }
    Ok(found)
}

fn single_tls_id(attributes: &[Attribute], level: Level) -> Result<Option<TlsId>, SdpError> {
    let attribute = TlsId::ATTRIBUTE;
    let mut values = values(attributes, attribute);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(SdpError::Twice { attribute, level });
    }
    value.parse().map(Some).map_err(|why| SdpError::Attribute { attribute, level, why })
}

fn read<T: std::str::FromStr<Err = TextError>>(
    attributes: &[Attribute],
    name: &'static str,
    level: Level,
    limit: usize,
) -> Result<Vec<T>, SdpError> {
    let mut found = Vec::new();
    for value in values(attributes, name) {
        if found.len() == limit {
            return Err(SdpError::TooMany { what: "a=key-mgmt lines", limit });
        }
        found.push(value.parse().map_err(|why| SdpError::Attribute { attribute: name, level, why })?);
    }
    Ok(found)
}

fn values<'a>(attributes: &'a [Attribute], name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = attributes.iter().filter(move |attribute| attribute.attribute == name);
    named.map(|attribute| attribute.value.as_deref().unwrap_or_default())
}
