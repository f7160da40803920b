//! `mikey rtsp play`: one RTSP session of a client, from OPTIONS to TEARDOWN.

mod ask;
mod media;
mod setup;

use std::path::PathBuf;
use std::time::Duration;

use mikey::keying::v1;
use mikey_net::Clock;
use mikey_rtsp::rtsp_types::{Method, Url};
use mikey_rtsp::{Authenticator, ClientKeys, Contexts, Incoming};
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::error::{Error, Result};
use crate::rtsp::connection::{Broken, Connection};
use crate::rtsp::ports::Datagram;
use crate::ui::{Ui, printable};

use media::Playing;

/// Packets that wait between the sockets and the contexts.
const QUEUE: usize = 1024;

/// How often the server is told what came.
const REPORTS: Duration = Duration::from_secs(5);

/// How long after a stream's goodbye packets of it may still come, on another socket.
const STRAGGLERS: Duration = Duration::from_millis(300);

/// What the user wants.
pub(crate) struct Wish {
    /// Without user and password.
    pub(crate) url: Url,
    pub(crate) out: PathBuf,
    pub(crate) dump: bool,
    pub(crate) udp: bool,
    pub(crate) timeout: Duration,
    pub(crate) duration: Option<Duration>,
    pub(crate) rekey: Option<Duration>,
}

/// A session.
pub(crate) struct Player {
    ui: Ui,
    clock: Clock,
    wish: Wish,
    connection: Connection,
    authenticator: Option<Authenticator>,
    keys: ClientKeys,
    contexts: Contexts,
    streams: Vec<Playing>,
    /// What PLAY and TEARDOWN are for.
    aggregate: Url,
    sequence: u32,
    session: Option<String>,
    /// After how long without a request the server ends the session.
    expiry: Duration,
    /// Whether the server knows GET_PARAMETER.
    has_get_parameter: bool,
    queue: (Sender<Datagram>, Receiver<Datagram>),
    first_packet: Option<Instant>,
    latest_packet: Instant,
}

impl Player {
    pub(crate) fn new(
        ui: Ui,
        clock: Clock,
        wish: Wish,
        connection: Connection,
        authenticator: Option<Authenticator>,
        keys: ClientKeys,
    ) -> Result<Self> {
        let provider = mikey_crypto_aws_lc::provider();
        let mut seed = [[0; 8]; 2];
        for word in &mut seed {
            provider.random.fill(word).map_err(|error| Error::failed(error.to_string()))?;
        }
        let contexts = Contexts::new(provider.srtp, seed.map(u64::from_le_bytes));
        let aggregate = wish.url.clone();
        Ok(Self {
            ui,
            clock,
            wish,
            connection,
            authenticator,
            keys,
            contexts,
            streams: Vec::new(),
            aggregate,
            sequence: 0,
            session: None,
            expiry: Duration::from_secs(60),
            has_get_parameter: false,
            queue: channel(QUEUE),
            first_packet: None,
            latest_packet: Instant::now(),
        })
    }

    /// Plays until the server's streams end, the time is over, or the user stops it.
    pub(crate) async fn run(mut self) -> Result {
        self.open().await?;
        let played = self.play().await;
        if played.is_ok() {
            // The server may be gone already: what came is what counts.
            let teardown = self.ask(Method::Teardown, self.aggregate.clone(), |builder| builder, Vec::new());
            let _ = tokio::time::timeout(Duration::from_secs(2), teardown).await;
        }
        let Self { ui, connection, streams, .. } = self;
        connection.close().await;
        let opened: u64 = streams.iter().map(Playing::received).sum();
        let refused = streams.iter().map(Playing::refusals).find(|refusals| !refusals.is_empty());
        for stream in streams {
            stream.finish(ui)?;
        }
        played?;
        if opened == 0 {
            let why = refused.map_or_else(|| "none came".to_owned(), |why| format!("refused: {why}"));
            return Err(Error::failed(format!("no packet could be opened: {why}")).hint(
                "over UDP a firewall may be between; '--transport tcp' sends packets in the connection",
            ));
        }
        Ok(())
    }

    async fn play(&mut self) -> Result {
        let reply = self.expect(Method::Play, self.aggregate.clone(), |builder| {
            builder.header(mikey_rtsp::rtsp_types::headers::RANGE, "npt=0-")
        });
        reply.await?;
        self.latest_packet = Instant::now();
        self.ui.note("playing; Ctrl-C stops");
        let started = Instant::now();
        let over = self.wish.duration.map(|duration| started + duration);
        let mut alive = ticks((self.expiry / 2).clamp(Duration::from_secs(1), Duration::from_secs(30)));
        let mut reports = ticks(REPORTS);
        let mut rekey = self.wish.rekey.map(ticks);
        loop {
            let silent = self.latest_packet + self.wish.timeout;
            let end = self.streams.iter().all(Playing::has_ended).then_some(Instant::now() + STRAGGLERS);
            tokio::select! {
                incoming = self.connection.pull() => match incoming {
                    Ok(incoming) => self.take(incoming).await?,
                    Err(Broken::Closed) if self.received() => return Ok(()),
                    Err(broken) => return Err(self.broken(&broken, "while playing")),
                },
                Some(datagram) = self.queue.1.recv() => self.datagram(datagram),
                _ = alive.tick() => self.sign_of_life().await?,
                _ = reports.tick() => self.report().await,
                () = tick(&mut rekey) => self.renew().await?,
                () = at(over) => return Ok(()),
                () = at(end) => return Ok(()),
                () = sleep_until(silent) => {
                    self.ui.warn(format_args!("nothing that could be opened came for {:?}", self.wish.timeout));
                    return Ok(());
                }
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    /// Takes whatever comes between requests.
    async fn take(&mut self, incoming: Incoming) -> Result {
        match incoming {
            Incoming::Frame { channel, octets } => self.frame(channel, octets),
            Incoming::Request(request) => self.answer(&request).await?,
            // The answer to a request that was given up.
            Incoming::Response(_) => {}
        }
        Ok(())
    }

    fn received(&self) -> bool {
        self.streams.iter().any(|stream| stream.received() > 0)
    }

    fn broken(&self, broken: &Broken, when: &str) -> Error {
        let text = printable(&broken.to_string());
        let error = Error::failed(format!("{}: {text} ({when})", self.connection.peer));
        match broken {
            Broken::Framing(_) => {
                error.hint("is it an RTSP server? rtsps is on port 322, rtsp on 554, if the URL has none")
            }
            _ => error,
        }
    }
}

/// Fires every `period`, and not at once for what was missed.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What a person can do about keys that do not come.
fn key_error(what: &str, error: &mikey_rtsp::KeyError) -> Error {
    let text = format!("{what}: {}", printable(&error.to_string()));
    match error {
        mikey_rtsp::KeyError::Message(v1::Error::Auth) => Error::peer_authentication(text)
            .hint("both sides need the same key, and each the other's --identity as --peer"),
        mikey_rtsp::KeyError::Message(v1::Error::DataType(_)) => Error::failed(text)
            .hint("keys in the clear are taken over rtsps alone, keys under a pre-shared key with --psk"),
        mikey_rtsp::KeyError::Message(v1::Error::Algorithm { .. }) => {
            Error::failed(text).hint("--legacy takes the algorithms over SHA-1 that RFC 3830 has")
        }
        _ => Error::failed(text),
    }
}

fn told(ui: Ui, media: usize, agreed: &mikey_rtsp::Agreed) {
    let verb = if agreed.renewed { "new keys" } else { "keys" };
    ui.note(format_args!("media {media}: {verb} by {}", crate::rtsp::describe::agreed(agreed)));
    ui.json(&json!({"event": "keys", "media": media, "keys": crate::rtsp::describe::agreed_json(agreed)}));
}
