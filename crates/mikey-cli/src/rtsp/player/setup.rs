//! OPTIONS, DESCRIBE and SETUP: what streams there are, and their keys.

use std::time::Duration;

use mikey_rtsp::rtsp_types::{Method, Response, Url, headers};
use mikey_rtsp::{KeyError, Lower, StreamInfo, Taken, aggregate, confirmed, key_mgmt, offered, streams};
use mikey_sdp::rtsp;
use mikey_sdp::sdp_types::Session;
use serde_json::json;

use super::media::{Playing, Way};
use super::{Player, key_error, told};
use crate::error::{Error, Result};
use crate::rtsp::ports::PortPair;
use crate::rtsp::sink::Sink;
use crate::ui::printable;

impl Player {
    /// Everything before PLAY.
    pub(super) async fn open(&mut self) -> Result {
        let url = self.wish.url.clone();
        let response = self.expect(Method::Options, url.clone(), |builder| builder).await?;
        let methods = response.header(&headers::PUBLIC).map(|value| value.as_str()).unwrap_or_default();
        self.has_get_parameter = methods.split(',').any(|method| method.trim() == "GET_PARAMETER");
        let described = self.expect(Method::Describe, url.clone(), |builder| {
            builder.header(headers::ACCEPT, "application/sdp")
        });
        let response = described.await?;
        let base = base(&response, &url);
        let session = mikey_sdp::parse(response.body()).map_err(|error| {
            Error::failed(format!("the server's description: {}", printable(&error.to_string())))
        })?;
        let infos = streams(&session, &base)
            .map_err(|error| Error::failed(format!("the server's description: {error}")))?;
        self.aggregate = aggregate(&session, &base);
        for info in infos {
            if info.is_protected() {
                self.set_up(&session, info).await?;
            } else {
                let (kind, profile) = (printable(&info.kind), printable(&info.profile));
                self.ui.warn(format_args!(
                    "media {} ({kind}) is not SRTP but RTP/{profile}: left out",
                    info.media
                ));
            }
        }
        if self.streams.is_empty() {
            return Err(Error::failed("the server describes no stream that is SRTP")
                .hint("the camera's SRTP may have to be turned on, or has a URL of its own"));
        }
        self.ui
            .json(&json!({"event": "set_up", "url": self.wish.url.as_str(), "streams": self.streams.len()}));
        Ok(())
    }

    async fn set_up(&mut self, session: &Session, info: StreamInfo) -> Result {
        let media = info.media;
        let what = format!("media {media} ({} {})", printable(&info.kind), printable(info.codec.name()));
        let now = self.clock.now();
        let mut taken = self.keys.describe(now, session, media).map_err(|error| key_error(&what, &error))?;
        let own_group = u32::try_from(media).unwrap_or(u32::MAX - 1).saturating_add(1);
        let mut group = own_group;
        if let Some(taken) = &mut taken {
            group = taken.group;
            self.install(&what, media, taken)?;
        }
        let mut ssrc = [0; 4];
        let random = mikey_crypto_aws_lc::provider().random;
        random.fill(&mut ssrc).map_err(|error| Error::failed(error.to_string()))?;
        let ssrc = u32::from_be_bytes(ssrc).max(1);
        let uri = info.control.to_string();
        let header =
            self.keys.header(now, taken.as_mut(), &uri, ssrc).map_err(|error| key_error(&what, &error))?;
        let (value, own) = header;
        let has_own = own.is_some();
        if let Some(own) = own {
            let installed = self.contexts.install(now, own_group, own);
            installed.map_err(|error| key_error(&what, &error.into()))?;
        }
        let (way, asked) = self.way(media)?;
        let response = self
            .expect(Method::Setup, info.control.clone(), |builder| {
                let builder = builder.typed_header(&offered(&info.profile, asked));
                match &value {
                    Some(value) => builder.header(key_mgmt(), value.as_str()),
                    None => builder,
                }
            })
            .await?;
        self.note_session(&response);
        let transport = confirmed(&response, asked).ok_or_else(|| {
            Error::failed(format!("{what}: the server answered with another transport than was asked for"))
        })?;
        if taken.is_none() {
            let mut late = self.late_keys(own_group, &response).map_err(|error| key_error(&what, &error))?;
            self.install(&what, media, &mut late)?;
            taken = Some(late);
        }
        let sink = Sink::create(&self.wish.out, &info, self.wish.dump)?;
        let agreed = taken.and_then(|taken| taken.agreed);
        // Our reports are under our own keys, or under those that came with the server's.
        let report_group = if has_own { own_group } else { group };
        let way = way.confirmed(transport, self.connection.peer.ip());
        self.streams.push(Playing::new(info, group, report_group, ssrc, way, sink, agreed));
        Ok(())
    }

    fn install(&mut self, what: &str, media: usize, taken: &mut Taken) -> Result {
        if let Some(agreed) = &taken.agreed {
            told(self.ui, media, agreed);
        }
        let Some(keys) = taken.keys.take() else { return Ok(()) };
        let installed = self.contexts.install(self.clock.now(), taken.group, keys);
        installed.map_err(|error| key_error(what, &error.into()))
    }

    /// Keys that come with the response to SETUP.
    fn late_keys(
        &mut self,
        group: u32,
        response: &Response<Vec<u8>>,
    ) -> std::result::Result<Taken, KeyError> {
        let missing = KeyError::Missing(
            "the server sent no keys, neither in its description nor in its answer to SETUP",
        );
        let value = response.header(&key_mgmt()).ok_or(missing.clone())?;
        let spec = rtsp::parse(value.as_str())?.into_iter().find(|spec| spec.message.is_mikey());
        self.keys.receive(self.clock.now(), group, &spec.ok_or(missing)?.message)
    }

    /// Where packets are to come, and how it is asked for.
    fn way(&self, media: usize) -> Result<(Way, Lower)> {
        if !self.wish.udp {
            let number = u8::try_from(self.streams.len().saturating_mul(2)).unwrap_or(u8::MAX - 1);
            let lower = Lower::Interleaved { rtp: number, rtcp: number.saturating_add(1) };
            return Ok((Way::Interleaved { rtp: number, rtcp: number.saturating_add(1) }, lower));
        }
        let ip = self.connection.local.ip();
        let pair = PortPair::open(ip, media, &self.queue.0).map_err(|error| {
            Error::failed(format!("no pair of UDP ports at {ip}: {}", crate::error::io_reason(&error)))
        })?;
        let (rtp, rtcp) = pair.ports();
        Ok((Way::Udp { pair, rtcp_to: None }, Lower::Udp { rtp, rtcp }))
    }

    fn note_session(&mut self, response: &Response<Vec<u8>>) {
        let Some(value) = response.header(&headers::SESSION) else { return };
        let mut parts = value.as_str().split(';').map(str::trim);
        self.session = parts.next().filter(|id| !id.is_empty()).map(ToOwned::to_owned);
        let seconds =
            parts.filter_map(|part| part.strip_prefix("timeout=")).find_map(|text| text.trim().parse().ok());
        if let Some(seconds) = seconds.filter(|seconds| *seconds > 0) {
            self.expiry = Duration::from_secs(seconds);
        }
    }
}

/// What relative URLs of a description stand for (RFC 2326 appendix C.1.1).
fn base(response: &Response<Vec<u8>>, url: &Url) -> Url {
    let stated = [headers::CONTENT_BASE, headers::CONTENT_LOCATION];
    let stated = stated.iter().find_map(|name| Url::parse(response.header(name)?.as_str()).ok());
    stated.unwrap_or_else(|| url.clone())
}
