//! GET_PARAMETER and SET_PARAMETER: signs of life, and new keys for streams that run.
//!
//! RFC 4567 leaves renewal over RTSP open. Here `KeyMgmt` is a parameter: the client asks for it, or the server sets it, and
//! what is an I_MESSAGE there gets its R_MESSAGE by the same way, if its mode has one.

use mikey::Time;
use mikey_sdp::rtsp::{KEY_MGMT, Spec, parameter, parse_parameters};
use rtsp_types::{Method, Request, Response, StatusCode, Url, headers};

use super::{Reply, ServerSession, builder, group, key_failure, ok, refuse};
use crate::error::KeyError;
use crate::keying::Refusal;
use crate::request::request as new_request;

/// The media type of parameters.
const PARAMETERS: &str = "text/parameters";

impl ServerSession {
    pub(super) fn get_parameter(
        &mut self,
        now: Time,
        request: &Request<Vec<u8>>,
    ) -> Result<Reply, Box<Reply>> {
        let body = text(request.body())?;
        let asked = |line: &str| line.trim().trim_end_matches(':').eq_ignore_ascii_case(KEY_MGMT);
        if body.trim().is_empty() {
            return Ok(ok(builder(StatusCode::Ok).build(Vec::new())));
        }
        if !body.lines().any(asked) {
            return Err(refuse(StatusCode::ParameterNotUnderstood, "no parameter but KeyMgmt is known here"));
        }
        let uri =
            request.request_uri().ok_or_else(|| refuse(StatusCode::BadRequest, "parameters of nothing"))?;
        let base = uri.as_str().trim_end_matches('/').to_owned();
        let base = base.rsplit_once("/stream=").map_or(base.clone(), |(base, _)| base.to_owned());
        let set_up: Vec<usize> = self.streams().map(|(media, _)| media).collect();
        if set_up.is_empty() {
            return Err(refuse(StatusCode::MethodNotValidInThisState, "nothing is set up"));
        }
        let mut parameters = String::new();
        for media in set_up {
            let fresh = self.renew(now, media, &format!("{base}/stream={media}"));
            parameters.push_str(&fresh.map_err(|why| key_failure(&why, uri.as_str(), None))?);
        }
        let response = builder(StatusCode::Ok).header(headers::CONTENT_TYPE, PARAMETERS);
        Ok(ok(response.build(parameters.into_bytes())))
    }

    /// New keys for a stream, as a parameter. Without an answer to come, they are used from now on.
    fn renew(&mut self, now: Time, media: usize, uri: &str) -> Result<String, KeyError> {
        let Self { keys, contexts, slots, .. } = self;
        let missing = KeyError::Missing("the stream is not set up");
        let slot = slots.get_mut(media).and_then(Option::as_mut).ok_or(missing)?;
        let roc = contexts.roc(group(media), slot.keys.ssrc());
        keys.renew(now, &mut slot.keys, roc)?;
        let message = slot.keys.message();
        if let Some(keys) = slot.keys.take_keys() {
            contexts.install(now, group(media), keys)?;
        }
        let spec = Spec::mikey(uri, message.data);
        Ok(parameter(&spec.ok_or(KeyError::Missing("the stream's URL cannot stand in KeyMgmt"))?))
    }

    pub(super) fn set_parameter(
        &mut self,
        now: Time,
        request: &Request<Vec<u8>>,
    ) -> Result<Reply, Box<Reply>> {
        let uri = request.request_uri().map(ToString::to_string).unwrap_or_default();
        let body = text(request.body())?;
        let specs = parse_parameters(body).map_err(|why| key_failure(&why.into(), &uri, None))?;
        if specs.is_empty() && !body.trim().is_empty() {
            return Err(refuse(StatusCode::ParameterNotUnderstood, "no parameter but KeyMgmt is known here"));
        }
        let mut reply = ok(builder(StatusCode::Ok).build(Vec::new()));
        for spec in specs {
            let failed = |refusal: Refusal| key_failure(&refusal.why, &uri, refusal.answer);
            reply.agreed.push(self.take(now, request.request_uri(), &spec).map_err(failed)?);
        }
        Ok(reply)
    }

    fn take(
        &mut self,
        now: Time,
        asked: Option<&Url>,
        spec: &Spec,
    ) -> Result<(usize, crate::keying::Agreed), Refusal> {
        if !spec.message.is_mikey() {
            return Err(KeyError::OtherProtocol(spec.message.protocol.clone()).into());
        }
        let meant = spec.uri.as_deref().and_then(|uri| Url::parse(uri).ok()).or_else(|| asked.cloned());
        let only = self.streams().next().map(|(media, _)| media).filter(|_| self.streams().count() == 1);
        let media = meant.and_then(|uri| self.named(&uri)).flatten().or(only);
        let media = media.ok_or(KeyError::Missing("KeyMgmt names no stream that is set up"))?;
        let Self { keys, contexts, slots, .. } = self;
        let slot = slots.get_mut(media).and_then(Option::as_mut).filter(|slot| slot.set_up.is_some());
        let slot = slot.ok_or(KeyError::Missing("KeyMgmt names no stream that is set up"))?;
        let (agreed_keys, agreed) = keys.take(now, &mut slot.keys, Some(spec))?;
        for keys in agreed_keys {
            contexts.install(now, group(media), keys)?;
        }
        Ok((media, agreed))
    }

    /// A SET_PARAMETER that gives the client new keys for one stream; in NULL mode they are used from now on.
    ///
    /// # Errors
    /// [`KeyError`]; the old keys stay.
    pub fn renewal(&mut self, now: Time, media: usize, base: &Url) -> Result<Request<Vec<u8>>, KeyError> {
        let uri = format!("{}/stream={media}", base.as_str().trim_end_matches('/'));
        let body = self.renew(now, media, &uri)?;
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.renewing = Some((sequence, media));
        let mut builder =
            new_request(Method::SetParameter, base, sequence).header(headers::CONTENT_TYPE, PARAMETERS);
        if let Some(id) = &self.id {
            builder = builder.header(headers::SESSION, id.as_str());
        }
        Ok(builder.build(body.into_bytes()))
    }

    /// Takes the client's response to [`Self::renewal`]; none if it is one to nothing.
    ///
    /// # Errors
    /// [`KeyError`] if the client did not take the keys; the old ones stay, where there is an answer to await.
    pub fn renewed(
        &mut self,
        now: Time,
        response: &Response<Vec<u8>>,
    ) -> Option<Result<(usize, crate::keying::Agreed), KeyError>> {
        let sequence =
            response.header(&headers::CSEQ).and_then(|value| value.as_str().trim().parse::<u32>().ok());
        let (_, media) = self.renewing.take_if(|(awaited, _)| Some(*awaited) == sequence)?;
        Some(self.take_renewed(now, media, response))
    }

    fn take_renewed(
        &mut self,
        now: Time,
        media: usize,
        response: &Response<Vec<u8>>,
    ) -> Result<(usize, crate::keying::Agreed), KeyError> {
        if !response.status().is_success() {
            return Err(KeyError::Missing("the client did not take the new keys"));
        }
        let body = std::str::from_utf8(response.body()).unwrap_or_default();
        let spec = parse_parameters(body)?.into_iter().next();
        let Self { keys, contexts, slots, .. } = self;
        let slot = slots.get_mut(media).and_then(Option::as_mut);
        let slot = slot.ok_or(KeyError::Missing("the stream is not set up"))?;
        let (agreed_keys, agreed) =
            keys.take(now, &mut slot.keys, spec.as_ref()).map_err(|refusal| refusal.why)?;
        for keys in agreed_keys {
            contexts.install(now, group(media), keys)?;
        }
        Ok((media, agreed))
    }
}

fn text(body: &[u8]) -> Result<&str, Box<Reply>> {
    std::str::from_utf8(body).map_err(|_| refuse(StatusCode::BadRequest, "parameters that are no text"))
}
