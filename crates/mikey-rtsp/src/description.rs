//! What a session description says of the streams that can be set up (RFC 2326 appendix C, RFC 3551, RFC 6184).

use data_encoding::BASE64;
use mikey_sdp::sdp_types::{Attribute, Media, Session};
use rtsp_types::Url;

use crate::error::StreamError;
use crate::limits::{MAX_CHANNELS, MAX_CLOCK_RATE, MAX_STREAMS};

/// What a payload holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Samples of 16 bits, big endian.
    L16,
    /// H.264, with the parameter sets of the description.
    H264(Vec<Vec<u8>>),
    /// Something else: its encoding name.
    Other(String),
}

impl Codec {
    /// Its encoding name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16 => "L16",
            Self::H264(_) => "H264",
            Self::Other(name) => name,
        }
    }
}

/// A stream of the presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The number of its media description, from 0.
    pub media: usize,
    /// `audio`, `video` and so on.
    pub kind: String,
    /// `SAVP` or another profile of RTP.
    pub profile: String,
    /// The payload type that is received.
    pub payload_type: u8,
    /// What its payload holds.
    pub codec: Codec,
    /// Timestamps a second.
    pub clock_rate: u32,
    /// Channels of audio.
    pub channels: u16,
    /// What is set up.
    pub control: Url,
}

impl StreamInfo {
    /// Whether it is SRTP.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        matches!(self.profile.as_str(), "SAVP" | "SAVPF")
    }
}

/// The streams of a description. `base` is the response's Content-Base, or what was described.
///
/// # Errors
/// [`StreamError`] for the first stream that cannot be set up.
pub fn streams(session: &Session, base: &Url) -> Result<Vec<StreamInfo>, StreamError> {
    let described = session.medias.iter().enumerate().filter(|(_, media)| media.proto.starts_with("RTP/"));
    let streams: Vec<StreamInfo> =
        described.map(|(number, media)| stream(number, media, base)).collect::<Result<_, _>>()?;
    if streams.len() > MAX_STREAMS { Err(StreamError::TooMany(MAX_STREAMS)) } else { Ok(streams) }
}

/// What PLAY and TEARDOWN are for: the presentation as a whole.
#[must_use]
pub fn aggregate(session: &Session, base: &Url) -> Url {
    let control = value(&session.attributes, "control").unwrap_or("*");
    resolve(base, control).unwrap_or_else(|| base.clone())
}

fn stream(number: usize, media: &Media, base: &Url) -> Result<StreamInfo, StreamError> {
    let format = media.fmt.split_whitespace().next().and_then(|format| format.parse::<u8>().ok());
    let payload_type = format.filter(|format| *format < 128).ok_or(StreamError::PayloadType(number))?;
    let map = numbered(&media.attributes, "rtpmap", payload_type).unwrap_or_else(|| well_known(payload_type));
    let mut parts = map.split('/');
    let encoding = parts.next().unwrap_or_default();
    let clock_rate = parts.next().and_then(|rate| rate.trim().parse().ok());
    let clock_rate = clock_rate.filter(|rate| (1..=MAX_CLOCK_RATE).contains(rate)).unwrap_or(90_000);
    let channels = parts.next().and_then(|count| count.trim().parse().ok());
    let channels = channels.filter(|count| (1..=MAX_CHANNELS).contains(count)).unwrap_or(1);
    let codec = match encoding.to_ascii_uppercase().as_str() {
        "PCMU" => Codec::Pcmu,
        "PCMA" => Codec::Pcma,
        "L16" => Codec::L16,
        "H264" => Codec::H264(parameter_sets(numbered(&media.attributes, "fmtp", payload_type))),
        other => Codec::Other(other.to_owned()),
    };
    let control = value(&media.attributes, "control").unwrap_or("*");
    Ok(StreamInfo {
        media: number,
        kind: media.media.clone(),
        profile: media.proto.trim_start_matches("RTP/").to_owned(),
        payload_type,
        codec,
        clock_rate,
        channels,
        control: resolve(base, control).ok_or(StreamError::Control(number))?,
    })
}

/// RFC 3551 section 6, as far as it is played here.
fn well_known(payload_type: u8) -> &'static str {
    match payload_type {
        0 => "PCMU/8000",
        8 => "PCMA/8000",
        10 => "L16/44100/2",
        11 => "L16/44100",
        _ => "unknown/90000",
    }
}

/// A control URL: absolute, `*` for the base itself, or appended to the base. Servers that mean it otherwise are not known.
fn resolve(base: &Url, control: &str) -> Option<Url> {
    if control == "*" {
        return Some(base.clone());
    }
    let lower = control.to_ascii_lowercase();
    if lower.starts_with("rtsp://") || lower.starts_with("rtsps://") {
        return Url::parse(control).ok();
    }
    let base = base.as_str();
    let between = if base.ends_with('/') || control.starts_with('/') { "" } else { "/" };
    Url::parse(&format!("{base}{between}{control}")).ok()
}

/// SPS and PPS in base64 (RFC 6184 section 8.1); what is not base64 is passed over: they may come in the stream.
fn parameter_sets(parameters: Option<&str>) -> Vec<Vec<u8>> {
    let parameters = parameters.unwrap_or_default().split(';').map(str::trim);
    let sets = parameters.filter_map(|parameter| parameter.strip_prefix("sprop-parameter-sets=")).next();
    let sets = sets.unwrap_or_default().split(',').map(|set| set.trim().trim_matches('"'));
    sets.filter_map(|set| BASE64.decode(set.as_bytes()).ok()).filter(|set| !set.is_empty()).collect()
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.attribute == name)?.value.as_deref().map(str::trim)
}

/// The value of `a=name:number value` for one payload type.
fn numbered<'a>(attributes: &'a [Attribute], name: &str, payload_type: u8) -> Option<&'a str> {
    let named = attributes.iter().filter(|attribute| attribute.attribute == name);
    named
        .filter_map(|attribute| attribute.value.as_deref()?.trim().split_once(' '))
        .find_map(|(number, value)| (number.parse() == Ok(payload_type)).then(|| value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn session(media: &str) -> Session {
        let text = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=control:*\r\n{media}");
        mikey_sdp::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_camera_is_described() {
        let sdp = session(
            "m=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; \
             sprop-parameter-sets=Z0IAKQ==,aM4=;profile-level-id=420029\r\na=control:trackID=1\r\n\
             m=audio 0 RTP/SAVP 0\r\na=control:rtsps://cam:322/audio\r\nm=application 0 RTP/AVP 107\r\n\
             a=rtpmap:107 vnd.onvif.metadata/90000\r\n",
        );
        let found = streams(&sdp, &base("rtsps://cam:322/live?profile=1/")).unwrap();
        assert_eq!(found[0].codec, Codec::H264(vec![vec![0x67, 0x42, 0, 0x29], vec![0x68, 0xce]]));
        assert_eq!(
            (found[0].clock_rate, found[0].control.as_str()),
            (90_000, "rtsps://cam:322/live?profile=1/trackID=1")
        );
        assert_eq!((found[1].codec.name(), found[1].clock_rate), ("PCMU", 8000));
        assert_eq!(found[1].control.as_str(), "rtsps://cam:322/audio");
        assert_eq!(found.iter().map(StreamInfo::is_protected).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(found[2].codec.name(), "VND.ONVIF.METADATA");
        assert_eq!(aggregate(&sdp, &base("rtsps://cam/live")).as_str(), "rtsps://cam/live");
    }

    #[test]
    fn what_cannot_be_set_up_is_named() {
        let at = base("rtsp://cam/live");
        let fault = |media: &str| streams(&session(media), &at).unwrap_err();
        assert_eq!(fault("m=audio 0 RTP/SAVP x\r\n"), StreamError::PayloadType(0));
        assert_eq!(fault("m=audio 0 RTP/SAVP 128\r\n"), StreamError::PayloadType(0));
        assert_eq!(fault("m=audio 0 RTP/SAVP 0\r\na=control:rtsp://[\r\n"), StreamError::Control(0));
        assert_eq!(fault(&"m=audio 0 RTP/SAVP 0\r\n".repeat(17)), StreamError::TooMany(16));
        for odd in ["L16/0/0", "L16/4294967295/65535", "L16/1000001/33"] {
            let odd = format!("m=audio 0 RTP/SAVP 97\r\na=rtpmap:97 {odd}\r\n");
            let found = streams(&session(&odd), &at).unwrap();
            assert_eq!((found[0].clock_rate, found[0].channels), (90_000, 1), "{odd}");
        }
        let found = streams(&session("m=audio 0 RTP/SAVP 97\r\n"), &at).unwrap();
        assert_eq!(found[0].control.as_str(), "rtsp://cam/live");
    }
}
