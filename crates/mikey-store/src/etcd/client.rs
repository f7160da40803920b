//! Calls to a cluster: one endpoint after the other until one answers or time is up.
//!
//! Whatever is called here may be done twice: the store's transactions compare first, so a repeat changes nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mikey_group::StoreError;
use prost::Message;
use tokio::time::{Instant, sleep, timeout};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::rpc::{LEASE_KEEP_ALIVE, LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use super::{EtcdConfig, EtcdTls};

/// How long one endpoint may take before the next is asked.
const ATTEMPT: Duration = Duration::from_millis(1500);
const CONNECT: Duration = Duration::from_millis(500);
/// Between rounds through all endpoints.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest answer: a page of records.
const MAX_ANSWER: usize = 96 * 1024 * 1024;

pub(super) struct Client {
    channels: Vec<Channel>,
    /// The one that answered last.
    current: AtomicUsize,
    limit: Duration,
}

/// What an endpoint has answered instead of doing it.
enum Refused {
    /// Another endpoint may do it.
    Here(String),
    /// No endpoint will.
    Everywhere(StoreError),
}

impl Client {
    /// Connects when it is used first. To be called where there is a runtime.
    pub(super) fn new(config: &EtcdConfig) -> Result<Self, StoreError> {
        let channels = config.endpoints.iter().map(|endpoint| channel(endpoint, config.tls.as_ref()));
        let channels = channels.collect::<Result<Vec<_>, _>>()?;
        if channels.is_empty() {
            return Err(StoreError::Unavailable("no endpoint is configured".into()));
        }
        Ok(Self { channels, current: AtomicUsize::new(0), limit: config.timeout })
    }

    /// Calls until an endpoint answers.
    pub(super) async fn unary<Q, A>(&self, path: &'static str, request: Q) -> Result<A, StoreError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.each(|channel| {
            let request = Request::new(request.clone());
            async move {
                let mut grpc = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER);
                grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
                let path = PathAndQuery::from_static(path);
                let answer = grpc.unary(request, path, ProstCodec::<Q, A>::default()).await?;
                Ok(answer.into_inner())
            }
        })
        .await
    }

    /// Renews a lease once; how many seconds it lasts from now, 0 if it has run out.
    pub(super) async fn keep_alive(&self, id: i64) -> Result<i64, StoreError> {
        self.each(|channel| async move {
            let mut grpc = Grpc::new(channel);
            grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
            let path = PathAndQuery::from_static(LEASE_KEEP_ALIVE);
            let codec = ProstCodec::<LeaseKeepAliveRequest, LeaseKeepAliveResponse>::default();
            let once = tokio_stream::once(LeaseKeepAliveRequest { id });
            let answers = grpc.streaming(Request::new(once), path, codec).await?;
            let answer = answers.into_inner().message().await?;
            answer.map(|answer| answer.ttl).ok_or_else(|| Status::unavailable("the stream ended"))
        })
        .await
    }

    async fn each<A, F>(&self, call: impl Fn(Channel) -> F) -> Result<A, StoreError>
    where
        F: Future<Output = Result<A, Status>>,
    {
        let deadline = Instant::now() + self.limit;
        let mut last = String::from("no time was left to ask");
        let mut asked = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let current = self.current.load(Ordering::Relaxed);
            let Some(channel) = self.channels.get(current % self.channels.len()).filter(|_| !left.is_zero())
            else {
                return Err(StoreError::Unavailable(last));
            };
            let refused = match timeout(ATTEMPT.min(left), call(channel.clone())).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => classify(&status),
                Err(_) => Refused::Here("no answer in time".into()),
            };
            match refused {
                Refused::Everywhere(error) => return Err(error),
                Refused::Here(why) => last = why,
            }
            // Another call may have moved on already.
            let next = (current + 1) % self.channels.len();
            let _ = self.current.compare_exchange(current, next, Ordering::Relaxed, Ordering::Relaxed);
            asked += 1;
            if asked % self.channels.len() == 0 {
                sleep(PAUSE).await;
            }
        }
    }
}

fn channel(endpoint: &str, tls: Option<&EtcdTls>) -> Result<Channel, StoreError> {
    let wrong =
        |error: tonic::transport::Error| StoreError::Unavailable(format!("{endpoint}: {}", chain(&error)));
    let mut channel = Endpoint::from_shared(endpoint.to_owned())
        .map_err(wrong)?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(2));
    if let Some(tls) = tls {
        // Otherwise what is configured for TLS would go unencrypted, and nobody would notice.
        if channel.uri().scheme_str() != Some("https") {
            return Err(StoreError::Unavailable(format!(
                "{endpoint}: TLS is configured, but it is not https"
            )));
        }
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca));
        if let Some((certificate, key)) = &tls.identity {
            config = config.identity(Identity::from_pem(certificate, key.expose()));
        }
        if let Some(name) = &tls.server_name {
            config = config.domain_name(name);
        }
        channel = channel.tls_config(config).map_err(wrong)?;
    }
    Ok(channel.connect_lazy())
}

fn classify(status: &Status) -> Refused {
    let text = status.message().to_owned();
    match status.code() {
        // Also that there are too many requests, which passes.
        Code::ResourceExhausted if text.contains("space") => Refused::Everywhere(StoreError::Full(text)),
        Code::DataLoss => Refused::Everywhere(StoreError::Corrupt(text)),
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            Refused::Everywhere(StoreError::Unavailable(format!("refused: {text}")))
        }
        Code::InvalidArgument if text.contains("too large") => Refused::Everywhere(StoreError::Full(text)),
        _ => Refused::Here(chain(status)),
    }
}

/// An error with what is below it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text = format!("{text}: {cause}");
        below = cause.source();
    }
    text
}
