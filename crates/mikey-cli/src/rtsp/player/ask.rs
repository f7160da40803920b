//! Requests of the player, with authentication, and requests of the server.

use mikey_rtsp::rtsp_types::{Method, Request, RequestBuilder, Response, StatusCode, Url, headers};
use mikey_rtsp::{Incoming, request};
use mikey_sdp::rtsp::{KEY_MANAGEMENT_FAILURE, Spec, parameter, parse_parameters};
use tokio::time::timeout;

use super::{Player, key_error, told};
use crate::error::{Error, Result};
use crate::rtsp::connection::Broken;
use crate::ui::{printable, printable_bytes};

/// What RTSP 2.0 has in place of 463.
const KEY_MANAGEMENT_FAILURE_V2: u16 = 466;

/// Octets of a refusal's text that are shown.
const MAX_TEXT: usize = 300;

impl Player {
    /// Sends a request and waits for its response; packets and requests that come before it are taken.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        uri: Url,
        more: impl Fn(RequestBuilder) -> RequestBuilder,
        body: Vec<u8>,
    ) -> Result<Response<Vec<u8>>> {
        let name: &str = (&method).into();
        let name = name.to_owned();
        let mut challenged = false;
        loop {
            self.sequence = self.sequence.wrapping_add(1);
            let mut builder = more(request(method.clone(), &uri, self.sequence));
            if let Some(session) = &self.session {
                builder = builder.header(headers::SESSION, session.as_str());
            }
            let mut request = builder.build(body.clone());
            if let Some(authenticator) = &mut self.authenticator {
                authenticator.authorize(&mut request);
            }
            let answered = timeout(self.wish.timeout, self.exchange(&request)).await;
            let response = match answered {
                Ok(Ok(response)) => response,
                Ok(Err(broken)) => return Err(self.broken(&broken, &format!("after {name}"))),
                Err(_) => {
                    let after = self.wish.timeout;
                    return Err(Error::failed(format!(
                        "{}: no answer to {name} after {after:?}",
                        self.connection.peer
                    ))
                    .hint("--timeout waits longer"));
                }
            };
            let is_challenge = response.status() == StatusCode::Unauthorized && !challenged;
            if is_challenge && self.authenticator.as_mut().is_some_and(|ours| ours.challenged(&response)) {
                challenged = true;
                continue;
            }
            return Ok(response);
        }
    }

    async fn exchange(
        &mut self,
        request: &Request<Vec<u8>>,
    ) -> std::result::Result<Response<Vec<u8>>, Broken> {
        let sequence = self.sequence;
        self.connection.request(request).await?;
        loop {
            match self.connection.pull().await? {
                Incoming::Response(response) => {
                    let number =
                        response.header(&headers::CSEQ).and_then(|value| value.as_str().trim().parse().ok());
                    // Some servers leave the number out of refusals.
                    if number.is_none_or(|number: u32| number == sequence) {
                        return Ok(response);
                    }
                }
                Incoming::Frame { channel, octets } => self.frame(channel, octets),
                Incoming::Request(request) => {
                    let response = self.reply(&request);
                    self.connection.respond(&response).await?;
                }
            }
        }
    }

    /// As [`Self::ask`], for a request that has to succeed.
    pub(super) async fn expect(
        &mut self,
        method: Method,
        uri: Url,
        more: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response<Vec<u8>>> {
        let name: &str = (&method).into();
        let name = name.to_owned();
        let response = self.ask(method, uri, more, Vec::new()).await?;
        if response.status().is_success() { Ok(response) } else { Err(refused(&name, &response)) }
    }

    /// Answers a request of the server.
    pub(super) async fn answer(&mut self, request: &Request<Vec<u8>>) -> Result {
        let response = self.reply(request);
        let sent = self.connection.respond(&response).await;
        sent.map_err(|broken| self.broken(&broken, "answering the server"))
    }

    fn reply(&mut self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (status, body) = match request.method() {
            Method::SetParameter => self.set_parameter(request),
            Method::GetParameter | Method::Options => (StatusCode::Ok, Vec::new()),
            _ => (StatusCode::NotImplemented, Vec::new()),
        };
        let mut builder = Response::builder(request.version(), status);
        if let Some(sequence) = request.header(&headers::CSEQ) {
            builder = builder.header(headers::CSEQ, sequence.as_str());
        }
        if !body.is_empty() {
            builder = builder.header(headers::CONTENT_TYPE, "text/parameters");
        }
        builder.build(body)
    }

    /// New keys from the server; their answer goes back with the response.
    fn set_parameter(&mut self, request: &Request<Vec<u8>>) -> (StatusCode, Vec<u8>) {
        let refusal = |player: &Self, why: &str| {
            player.ui.warn(format_args!("new keys of the server were refused: {}", printable(why)));
            (StatusCode::from(KEY_MANAGEMENT_FAILURE), Vec::new())
        };
        let specs = match std::str::from_utf8(request.body()).map(parse_parameters) {
            Ok(Ok(specs)) => specs,
            Ok(Err(error)) => return refusal(self, &error.to_string()),
            Err(_) => return (StatusCode::BadRequest, Vec::new()),
        };
        if specs.is_empty() {
            let status =
                if request.body().is_empty() { StatusCode::Ok } else { StatusCode::ParameterNotUnderstood };
            return (status, Vec::new());
        }
        let mut body = String::new();
        for spec in specs {
            match self.take_new_keys(&spec) {
                Ok(Some(answer)) => body.push_str(&parameter(&answer)),
                Ok(None) => {}
                Err(error) => return refusal(self, error.message()),
            }
        }
        (StatusCode::Ok, body.into_bytes())
    }

    /// Takes an I_MESSAGE of a stream that runs; gives the answer, if there is one.
    fn take_new_keys(&mut self, spec: &Spec) -> Result<Option<Spec>> {
        let now = self.clock.now();
        let only = (self.streams.len() == 1).then_some(0);
        let named = spec.uri.as_deref().and_then(|uri| {
            self.streams.iter().position(|stream| {
                stream.info.control.as_str().trim_end_matches('/') == uri.trim_end_matches('/')
            })
        });
        let stream = named.or(only).and_then(|at| self.streams.get_mut(at));
        let stream = stream.ok_or_else(|| Error::failed("the keys name no stream that plays"))?;
        let what = "the new keys";
        let mut taken =
            self.keys.receive(now, stream.group, &spec.message).map_err(|error| key_error(what, &error))?;
        if let Some(keys) = taken.keys.take() {
            let installed = self.contexts.install(now, stream.group, keys);
            installed.map_err(|error| key_error(what, &error.into()))?;
        }
        if let Some(mut agreed) = taken.agreed.clone() {
            agreed.renewed = true;
            told(self.ui, stream.info.media, &agreed);
            stream.renewals = stream.renewals.saturating_add(1);
        }
        let uri = stream.info.control.to_string();
        Ok(taken.take_answer().and_then(|answer| Spec::mikey(&uri, answer)))
    }

    /// Asks for new keys of all streams.
    pub(super) async fn renew(&mut self) -> Result {
        let body = b"KeyMgmt\r\n".to_vec();
        let more = |builder: RequestBuilder| builder.header(headers::CONTENT_TYPE, "text/parameters");
        let response = self.ask(Method::GetParameter, self.aggregate.clone(), more, body).await?;
        if !response.status().is_success() {
            self.ui.warn(format_args!("{}", refused("GET_PARAMETER", &response).message()));
            return Ok(());
        }
        let body = String::from_utf8_lossy(response.body()).into_owned();
        let specs = match parse_parameters(&body) {
            Ok(specs) => specs,
            Err(error) => return Err(Error::failed(format!("the server's new keys: KeyMgmt: {error}"))),
        };
        if specs.is_empty() {
            self.ui.warn("the server gave no new keys");
        }
        let mut answers = String::new();
        for spec in specs {
            if let Some(answer) = self.take_new_keys(&spec)? {
                answers.push_str(&parameter(&answer));
            }
        }
        if answers.is_empty() {
            return Ok(());
        }
        let response =
            self.ask(Method::SetParameter, self.aggregate.clone(), more, answers.into_bytes()).await?;
        if response.status().is_success() { Ok(()) } else { Err(refused("SET_PARAMETER", &response)) }
    }

    /// Tells the server that we are there.
    pub(super) async fn sign_of_life(&mut self) -> Result {
        let method = if self.has_get_parameter { Method::GetParameter } else { Method::Options };
        self.ask(method, self.aggregate.clone(), |builder| builder, Vec::new()).await.map(drop)
    }
}

/// A refusal in words, with what the server says about it.
pub(super) fn refused(name: &str, response: &Response<Vec<u8>>) -> Error {
    let status = u16::from(response.status());
    let mut text = format!("the server refused {name}: {status} {}", printable(response.reason_phrase()));
    let body = response.body();
    let body = body.get(..body.len().min(MAX_TEXT)).unwrap_or_default().trim_ascii();
    if !body.is_empty() && std::str::from_utf8(body).is_ok() {
        text.push_str(&format!(" ({})", printable_bytes(body)));
    }
    let error = Error::failed(text);
    match status {
        401 => Error::peer_authentication(error.message()).hint(
            "user and password stand in the URL: rtsps://user:password@host/path; '%40' is an '@' in them",
        ),
        404 => error.hint("the path of the URL is not one of the server's"),
        461 => error.hint("try the other transport: --transport udp or tcp"),
        KEY_MANAGEMENT_FAILURE | KEY_MANAGEMENT_FAILURE_V2 => {
            error.hint("the server does not take our MIKEY message: see what it says, or its log")
        }
        _ => error,
    }
}
