//! SETUP: where the packets of one stream go, and the client's part of the keys.

use mikey::Time;
use rtsp_types::{Request, StatusCode};

use super::{Ports, Reply, ServerSession, SetUp, builder, group, key_failure, ok, refuse};
use crate::keying::Refusal;
use crate::media::Source;
use crate::request::key_mgmt;
use crate::transport::{Lower, acceptable, answered};

impl ServerSession {
    pub(super) fn set_up(
        &mut self,
        now: Time,
        request: &Request<Vec<u8>>,
        ports: &mut dyn Ports,
    ) -> Result<Reply, Box<Reply>> {
        let uri = request.request_uri().ok_or_else(|| refuse(StatusCode::BadRequest, "SETUP of nothing"))?;
        let media = match self.named(uri) {
            Some(Some(media)) => media,
            // A presentation of one stream is meant as a whole.
            Some(None) if self.slots.len() == 1 => 0,
            Some(None) => {
                return Err(refuse(
                    StatusCode::AggregateOperationNotAllowed,
                    "each stream is set up by its own URL",
                ));
            }
            None => return Err(refuse(StatusCode::NotFound, "no such stream")),
        };
        let channel = u8::try_from(media.saturating_mul(2)).unwrap_or(u8::MAX);
        let (profile, lower) = acceptable(request, channel).ok_or_else(|| {
            refuse(
                StatusCode::UnsupportedTransport,
                "no transport that will do: RTP/SAVP over UDP or interleaved, unicast",
            )
        })?;
        if self.is_taken(media, lower) {
            return Err(refuse(StatusCode::UnsupportedTransport, "a channel that another stream has"));
        }
        // Everything but the keys is good: what fails from here on is key management, and the client may try again.
        let [q, r, s, t, u, v] = self.random::<6>()?;
        let Self { keys, contexts, slots, presentation, .. } = self;
        let Some((slot, published)) = slots.get_mut(media).zip(presentation.streams.get(media)) else {
            return Err(refuse(StatusCode::NotFound, "no such stream"));
        };
        let Some(slot) = slot else {
            return Err(refuse(
                StatusCode::MethodNotValidInThisState,
                "DESCRIBE comes before SETUP: it has the keys",
            ));
        };
        if slot.set_up.is_some() {
            return Err(refuse(StatusCode::MethodNotValidInThisState, "the stream is set up already"));
        }
        let ours = match lower {
            Lower::Interleaved { .. } => None,
            Lower::Udp { .. } => {
                let none = || refuse(StatusCode::ServiceUnavailable, "no ports are left");
                Some(ports.open(media).ok_or_else(none)?)
            }
        };
        let value = request.header(&key_mgmt()).map(|value| value.as_str());
        let failed = |refusal: Refusal| key_failure(&refusal.why, uri.as_str(), refusal.answer);
        let (agreed_keys, agreed) = keys.accept(now, &mut slot.keys, value).map_err(failed)?;
        for keys in agreed_keys {
            contexts.install(now, group(media), keys).map_err(|why| failed(why.into()))?;
        }
        let ssrc = slot.keys.ssrc();
        let (sequence, origin) = (u16::from_be_bytes([q, r]), u32::from_be_bytes([s, t, u, v]));
        // RFC 3711 section 3.3.1: far from its end, so that the first packets may be lost.
        let source = Source::new(ssrc, published.payload_type, sequence >> 1, origin);
        slot.set_up = Some(SetUp { lower, source });
        if self.id.is_none() {
            self.id = Some(data_encoding::HEXLOWER.encode(&self.random::<16>()?));
        }
        let transport = answered(&profile, lower, ours, ssrc);
        let mut reply = ok(builder(StatusCode::Ok).typed_header(&transport).build(Vec::new()));
        reply.agreed.push((media, agreed));
        Ok(reply)
    }

    /// Whether another stream has one of these channels.
    fn is_taken(&self, media: usize, lower: Lower) -> bool {
        let Lower::Interleaved { rtp, rtcp } = lower else { return false };
        self.streams().any(|(other, set_up)| match set_up.lower {
            Lower::Interleaved { rtp: a, rtcp: b } => {
                other != media && [rtp, rtcp].iter().any(|c| *c == a || *c == b)
            }
            Lower::Udp { .. } => false,
        })
    }
}
