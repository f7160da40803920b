//! Offers and answers of one G.711 stream each way, with MIKEY in them (RFC 3264, RFC 4567; docs/spec.md, "Signalling").

use std::net::SocketAddr;

use mikey_sdp::sdp_types::{Attribute, Connection, Media, MediaType, Origin, Session, Time, TransportProto};
use mikey_sdp::{
    Fingerprint, FingerprintHash, KeyMgmt, Offered, TlsId, fingerprints, media_address, parse, tls_id,
};

use crate::audio::g711::Law;
use crate::error::{Error, Result};

/// What an offer or answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Where its side wants media.
    pub(crate) media: SocketAddr,
    /// The MIKEY message.
    pub(crate) mikey: Vec<u8>,
    /// The protocols that it offers, for the SDP IDs of its message.
    pub(crate) protocols: String,
    /// SHA-256 of its side's certificate and its tls-id, for authentication by fingerprint.
    pub(crate) binding: Option<([u8; 32], String)>,
}

/// The only key management protocol that is offered.
pub(crate) const PROTOCOLS: &str = mikey_sdp::MIKEY;

/// Writes an offer or answer. MIKEY stands at session level: it keys all media.
///
/// # Errors
/// If the fingerprint or tls-id is none.
pub(crate) fn write(
    media: SocketAddr,
    law: Law,
    mikey: Vec<u8>,
    binding: Option<&([u8; 32], TlsId)>,
) -> Result<Vec<u8>> {
    let mut session = Session::new(Origin::with_ip_addr("1", 1, media.ip()), "-");
    session.connection = Some(Connection::from_ip_addr(media.ip()));
    session.times.push(Time::new(0, 0));
    session.attributes.push(KeyMgmt::mikey(mikey).attribute());
    if let Some((fingerprint, tls_id)) = binding {
        let fingerprint = Fingerprint::new(FingerprintHash::Sha256, fingerprint);
        let fingerprint = fingerprint.ok_or_else(|| Error::failed("a fingerprint of another length"))?;
        session.attributes.extend([fingerprint.attribute(), tls_id.attribute()]);
    }
    let payload_type = law.payload_type();
    let mut audio =
        Media::new(MediaType::Audio, media.port(), TransportProto::RtpSavp, payload_type.to_string());
    let name = match law {
        Law::Pcmu => "PCMU",
        Law::Pcma => "PCMA",
    };
    audio.attributes.push(Attribute::with_value("rtpmap", format!("{payload_type} {name}/8000")));
    session.medias.push(audio);
    let mut text = Vec::new();
    session.write(&mut text).map_err(|error| Error::failed(error.to_string()))?;
    Ok(text)
}

/// Reads an offer or answer.
///
/// # Errors
/// If it is none, or has no MIKEY for its first media.
pub(crate) fn read(octets: &[u8]) -> Result<Description> {
    let bad = |why: &dyn std::fmt::Display| Error::failed(format!("the session description: {why}"));
    let session = parse(octets).map_err(|error| bad(&error))?;
    let offered = Offered::of_media(&session, 0).map_err(|error| bad(&error))?;
    let mikey = offered.mikey().ok_or_else(|| bad(&"there is no a=key-mgmt:mikey"))?;
    let media = media_address(&session, 0).map_err(|error| bad(&error))?;
    let fingerprints = fingerprints(&session, 0).map_err(|error| bad(&error))?;
    let sha256 = fingerprints.iter().find_map(|fingerprint| <[u8; 32]>::try_from(fingerprint.value()).ok());
    let tls_id = tls_id(&session, 0).map_err(|error| bad(&error))?;
    Ok(Description {
        media: media.ok_or_else(|| bad(&"the media is refused"))?,
        mikey: mikey.data.clone(),
        protocols: offered.protocols(),
        binding: sha256.zip(tls_id.map(|id| id.as_str().to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let media: SocketAddr = "127.0.0.1:5004".parse().unwrap();
        let id = TlsId::from_random(&[7; 15]);
        for binding in [None, Some(([9; 32], id))] {
            let text = write(media, Law::Pcma, vec![1, 2, 3], binding.as_ref()).unwrap();
            let read = read(&text).unwrap();
            assert_eq!((read.media, read.mikey, read.protocols.as_str()), (media, vec![1, 2, 3], PROTOCOLS));
            assert_eq!(read.binding, binding.map(|(hash, id)| (hash, id.as_str().to_owned())));
        }
    }

    #[test]
    fn a_description_without_mikey_is_refused_by_name() {
        let media = "127.0.0.1:5004".parse().unwrap();
        let text = String::from_utf8(write(media, Law::Pcmu, vec![1], None).unwrap()).unwrap();
        let other = text.replace("key-mgmt:mikey", "key-mgmt:other");
        assert!(read(other.as_bytes()).unwrap_err().message().contains("no a=key-mgmt:mikey"));
        let refused = text.replace("m=audio 5004", "m=audio 0");
        assert!(read(refused.as_bytes()).unwrap_err().message().contains("refused"));
        assert!(read(b"no sdp").is_err());
    }
}
