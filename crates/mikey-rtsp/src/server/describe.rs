//! DESCRIBE: the session description, with the keys of what will be sent.

use mikey::Time;
use rtsp_types::{Request, StatusCode, headers};

use super::{Published, Reply, ServerSession, Slot, builder, key_failure, ok, refuse};

impl ServerSession {
    pub(super) fn describe(&mut self, now: Time, request: &Request<Vec<u8>>) -> Result<Reply, Box<Reply>> {
        let uri =
            request.request_uri().ok_or_else(|| refuse(StatusCode::BadRequest, "DESCRIBE of nothing"))?;
        if self.named(uri) != Some(None) {
            return Err(refuse(StatusCode::NotFound, "no such presentation"));
        }
        if self.id.is_some() {
            return Err(refuse(StatusCode::MethodNotValidInThisState, "streams are set up already"));
        }
        let [a, b, c, d] = self.random::<4>()?;
        let number = u32::from_be_bytes([a, b, c, d]);
        let mut sdp = format!(
            "v=0\r\no=- {number} 1 IN IP4 127.0.0.1\r\ns={}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=0-\r\n",
            self.presentation.path
        );
        let presentation = std::sync::Arc::clone(&self.presentation);
        for (media, published) in presentation.streams.iter().enumerate() {
            let ssrc = u32::from_be_bytes(self.random()?).max(1);
            let keys = self.keys.offer(now, ssrc);
            let keys = keys.map_err(|why| key_failure(&why, uri.as_str(), None))?;
            sdp.push_str(&described(media, published));
            sdp.push_str(&format!("a=key-mgmt:{}\r\n", keys.message()));
            if let Some(slot) = self.slots.get_mut(media) {
                *slot = Some(Slot { keys, set_up: None });
            }
        }
        let base = format!("{}/", uri.as_str().trim_end_matches('/'));
        let response = builder(StatusCode::Ok)
            .header(headers::CONTENT_TYPE, "application/sdp")
            .header(headers::CONTENT_BASE, base)
            .build(sdp.into_bytes());
        Ok(ok(response))
    }
}

fn described(media: usize, published: &Published) -> String {
    let Published { kind, payload_type, map, parameters } = published;
    let mut lines = format!("m={kind} 0 RTP/SAVP {payload_type}\r\na=rtpmap:{payload_type} {map}\r\n");
    if let Some(parameters) = parameters {
        lines.push_str(&format!("a=fmtp:{payload_type} {parameters}\r\n"));
    }
    lines.push_str(&format!("a=control:stream={media}\r\n"));
    lines
}
