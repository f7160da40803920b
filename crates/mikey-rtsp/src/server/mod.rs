//! One connection of a client to a server: requests to responses, and packets of the streams that it set up.
//!
//! Invariants: a refused request changes nothing; a stream is sent only under keys that the client has; what is kept is
//! bounded by the presentation, not by the client.

mod describe;
mod parameters;
mod setup;

use std::sync::Arc;

use mikey::SrtpPolicy;
use mikey::Time;
use mikey::keying::ApiMisuse;
use mikey::srtp::{ProtectError, Stats, UnprotectError};
use mikey_crypto::{CryptoProvider, RandomFailed, SecureRandom};
use rtsp_types::{Method, Request, Response, ResponseBuilder, StatusCode, Url, Version, headers};

use crate::contexts::Contexts;
use crate::error::KeyError;
use crate::keying::{Agreed, Security, ServerKeys, ServerStream};
use crate::media::{Source, goodbye, sender_report};
use crate::request::AGENT;
use crate::transport::Lower;

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// Its path, without a slash.
    pub path: String,
    /// Its streams.
    pub streams: Vec<Published>,
}

/// A stream of a presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// `audio` or `video`.
    pub kind: &'static str,
    /// The payload type.
    pub payload_type: u8,
    /// Encoding name, clock rate and channels, as `a=rtpmap` has them.
    pub map: String,
    /// Format parameters, as `a=fmtp` has them.
    pub parameters: Option<String>,
}

/// Where UDP comes from: a pair of ports of ours for one stream of this connection.
pub trait Ports {
    /// Opens a pair for RTP and RTCP; the same one again for the same media. None if there is none left.
    fn open(&mut self, media: usize) -> Option<(u16, u16)>;
}

/// What the caller has to do after a response went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send packets.
    Play,
    /// Send none.
    Pause,
    /// Close the connection.
    Close,
}

/// A response, and what comes of the request.
pub struct Reply {
    /// What goes out.
    pub response: Response<Vec<u8>>,
    /// What is to be done.
    pub action: Option<Action>,
    /// Why it was refused, for people.
    pub refused: Option<String>,
    /// Keys that were agreed on: the media and how.
    pub agreed: Vec<(usize, Agreed)>,
}

/// A stream that the client set up.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// How its packets travel; for UDP, to these ports of the client.
    pub lower: Lower,
    source: Source,
}

/// A stream with keys that were offered.
struct Slot {
    keys: ServerStream,
    set_up: Option<SetUp>,
}

/// One connection of a client.
pub struct ServerSession {
    presentation: Arc<Presentation>,
    random: Arc<dyn SecureRandom>,
    keys: ServerKeys,
    contexts: Contexts,
    /// By media; what is there has keys.
    slots: Vec<Option<Slot>>,
    /// The session's identifier, after the first SETUP.
    id: Option<String>,
    next_sequence: u32,
    /// The request by which the keys of a stream are renewed, if one is awaited: its number and the media.
    renewing: Option<(u32, usize)>,
}

/// Seconds without a sign of life after which a session is closed.
pub(crate) const TIMEOUT: u64 = 60;

impl ServerSession {
    /// A connection that has just come.
    ///
    /// # Errors
    /// [`ApiMisuse`] as [`ServerKeys::new`] says.
    pub fn new(
        provider: CryptoProvider,
        security: Security,
        policy: SrtpPolicy,
        mki: bool,
        presentation: Arc<Presentation>,
    ) -> Result<Self, ApiMisuse> {
        let mut seed = [0; 16];
        let random = Arc::clone(&provider.random);
        random.fill(&mut seed).map_err(|RandomFailed| ApiMisuse::Bounds("randomness"))?;
        let (low, high) = seed.split_at(8);
        let word = |octets: &[u8]| octets.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets));
        let contexts = Contexts::new(provider.srtp, [word(low), word(high)]);
        let slots = presentation.streams.iter().map(|_| None).collect();
        let keys = ServerKeys::new(provider, security, policy, mki)?;
        Ok(Self { presentation, random, keys, contexts, slots, id: None, next_sequence: 1, renewing: None })
    }

    /// Answers a request.
    pub fn handle(&mut self, now: Time, request: &Request<Vec<u8>>, ports: &mut dyn Ports) -> Reply {
        let mut reply = self.answer(now, request, ports).unwrap_or_else(|refused| *refused);
        if let Some(sequence) = request.header(&headers::CSEQ) {
            reply.response.insert_header(headers::CSEQ, sequence.as_str());
        }
        if reply.response.status() == StatusCode::Ok {
            reply.response.set_reason_phrase("OK");
        }
        reply.response.insert_header(headers::SERVER, AGENT);
        if let Some(id) = &self.id {
            reply.response.insert_header(headers::SESSION, format!("{id};timeout={TIMEOUT}"));
        }
        reply
    }

    fn answer(
        &mut self,
        now: Time,
        request: &Request<Vec<u8>>,
        ports: &mut dyn Ports,
    ) -> Result<Reply, Box<Reply>> {
        if request.version() != Version::V1_0 {
            return Err(refuse(StatusCode::RTSPVersionNotSupported, "RTSP 1.0 is spoken here"));
        }
        if request.header(&headers::CSEQ).is_none() {
            return Err(refuse(StatusCode::BadRequest, "a request without CSeq"));
        }
        if let Some(required) = request.header(&headers::REQUIRE) {
            let mut reply = refuse(StatusCode::OptionNotSupported, "an option is required that is not there");
            reply.response.insert_header(headers::UNSUPPORTED, required.as_str());
            return Err(reply);
        }
        if let Some(named) = request.header(&headers::SESSION) {
            let named = named.as_str().split(';').next().unwrap_or_default().trim();
            if self.id.as_deref() != Some(named) {
                return Err(refuse(StatusCode::SessionNotFound, "a session that is not this connection's"));
            }
        }
        match request.method() {
            Method::Options => {
                let methods = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
                Ok(ok(builder(StatusCode::Ok).header(headers::PUBLIC, methods).build(Vec::new())))
            }
            Method::Describe => self.describe(now, request),
            Method::Setup => self.set_up(now, request, ports),
            Method::Play => self.play(request),
            Method::Pause => self.act(Action::Pause),
            Method::Teardown => self.act(Action::Close),
            Method::GetParameter => self.get_parameter(now, request),
            Method::SetParameter => self.set_parameter(now, request),
            _ => Err(refuse(StatusCode::NotImplemented, "a method that is not spoken here")),
        }
    }

    fn act(&mut self, action: Action) -> Result<Reply, Box<Reply>> {
        if self.id.is_none() {
            return Err(refuse(StatusCode::MethodNotValidInThisState, "nothing is set up"));
        }
        Ok(Reply { action: Some(action), ..ok(builder(StatusCode::Ok).build(Vec::new())) })
    }

    fn play(&mut self, request: &Request<Vec<u8>>) -> Result<Reply, Box<Reply>> {
        let mut reply = self.act(Action::Play)?;
        let base = request.request_uri().map(ToString::to_string).unwrap_or_default();
        let base = base.trim_end_matches('/');
        // What was played is one of the streams: then the base is the presentation's.
        let base = base.rsplit_once("/stream=").map_or(base, |(base, _)| base);
        let infos: Vec<String> = self
            .streams()
            .map(|(media, set_up)| {
                let Source { sequence, timestamp, .. } = set_up.source;
                format!("url={base}/stream={media};seq={sequence};rtptime={timestamp}")
            })
            .collect();
        reply.response.insert_header(headers::RTP_INFO, infos.join(","));
        reply.response.insert_header(headers::RANGE, "npt=0-");
        Ok(reply)
    }

    /// The streams that are set up, by media.
    pub fn streams(&self) -> impl Iterator<Item = (usize, &SetUp)> {
        let set_up = self.slots.iter().enumerate();
        set_up.filter_map(|(media, slot)| Some((media, slot.as_ref()?.set_up.as_ref()?)))
    }

    /// The next packet of a stream that is set up, as SRTP.
    ///
    /// # Errors
    /// [`ProtectError`]; the number of the packet is then left out.
    pub fn packet(
        &mut self,
        now: Time,
        media: usize,
        ticks: u32,
        marker: bool,
        payload: &[u8],
    ) -> Result<Vec<u8>, ProtectError> {
        let source = self.source(media).ok_or(ProtectError::UnknownStream)?;
        let mut packet = source.packet(ticks, marker, payload);
        self.contexts.protect_rtp(now, group(media), &mut packet)?;
        Ok(packet)
    }

    /// A report of a stream, as SRTCP; at the end of the stream its last one.
    ///
    /// # Errors
    /// [`ProtectError`].
    pub fn report(
        &mut self,
        now: Time,
        media: usize,
        unix_micros: u64,
        end: bool,
    ) -> Result<Vec<u8>, ProtectError> {
        let source = self.source(media).ok_or(ProtectError::UnknownStream)?;
        let mut report = if end { goodbye(source, unix_micros) } else { sender_report(source, unix_micros) };
        self.contexts.protect_rtcp(now, group(media), &mut report)?;
        Ok(report)
    }

    /// Opens a report of the client on a stream.
    ///
    /// # Errors
    /// [`UnprotectError`]; it is dropped then.
    pub fn receive_report(
        &mut self,
        now: Time,
        media: usize,
        packet: &mut Vec<u8>,
    ) -> Result<(), UnprotectError> {
        self.contexts.unprotect_rtcp(now, group(media), packet)
    }

    /// What came of all packets.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.contexts.stats()
    }

    fn source(&mut self, media: usize) -> Option<&mut Source> {
        self.slots.get_mut(media)?.as_mut()?.set_up.as_mut().map(|set_up| &mut set_up.source)
    }

    /// Whose path a URL has: the presentation's (none) or that of a stream.
    fn named(&self, uri: &Url) -> Option<Option<usize>> {
        let path = uri.path().trim_matches('/');
        let rest = path.strip_prefix(self.presentation.path.as_str())?;
        if rest.is_empty() {
            return Some(None);
        }
        let media = rest.strip_prefix("/stream=")?.parse().ok()?;
        (media < self.slots.len()).then_some(Some(media))
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], Box<Reply>> {
        let mut octets = [0; N];
        match self.random.fill(&mut octets) {
            Ok(()) => Ok(octets),
            Err(RandomFailed) => Err(refuse(StatusCode::InternalServerError, "no randomness")),
        }
    }
}

pub(crate) use crate::keying::group;

fn builder(status: StatusCode) -> ResponseBuilder {
    Response::builder(Version::V1_0, status)
}

fn ok(response: Response<Vec<u8>>) -> Reply {
    Reply { response, action: None, refused: None, agreed: Vec::new() }
}

/// A refusal that says why in its body, for whoever reads the client's log.
fn refuse(status: StatusCode, why: &str) -> Box<Reply> {
    let body = format!("{why}\r\n").into_bytes();
    let response = builder(status).header(headers::CONTENT_TYPE, "text/plain").build(body);
    Box::new(Reply { refused: Some(why.to_owned()), ..ok(response) })
}

/// RFC 4567 section 3.2: 463, with the ERROR message if there is one. (RTSP 2.0 gave that number to something else.)
fn key_failure(why: &KeyError, uri: &str, answer: Option<Vec<u8>>) -> Box<Reply> {
    let mut reply = refuse(StatusCode::from(mikey_sdp::rtsp::KEY_MANAGEMENT_FAILURE), &why.to_string());
    reply.response.set_reason_phrase("Key management failure");
    if let Some(spec) = answer.and_then(|answer| mikey_sdp::rtsp::Spec::mikey(uri, answer)) {
        reply.response.insert_header(crate::request::key_mgmt(), spec.to_string());
    }
    reply
}
