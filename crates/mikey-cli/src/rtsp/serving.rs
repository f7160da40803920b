//! `mikey rtsp serve`: one client's connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mikey::srtp::ProtectError;
use mikey::{Name, SrtpPolicy};
use mikey_crypto::SecretBytes;
use mikey_net::Clock;
use mikey_rtsp::rtsp_types::{Request, Url};
use mikey_rtsp::{Action, Incoming, Lower, Presentation, Security, ServerSession};
use serde_json::json;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::error::{Error, Result};
use crate::rtsp::connection::{Broken, Connection};
use crate::rtsp::describe;
use crate::rtsp::ports::{Datagram, Pairs};
use crate::rtsp::source::Media;
use crate::ui::{Ui, printable};

/// How long a client that has set up nothing may think.
const IDLE: Duration = Duration::from_secs(30);

/// How long a client that plays may show no sign of life: what its SETUP was told, and a bit.
const SILENT: Duration = Duration::from_secs(90);

/// How often the client is told what time it is.
const REPORTS: Duration = Duration::from_secs(5);

/// Reports of the client that wait.
const QUEUE: usize = 64;

/// Frames that are made up for after a pause of the process; older ones are late, and sent late.
const BURST: usize = 64;

/// What is served, and how.
pub(crate) struct Offering {
    pub(crate) presentation: Arc<Presentation>,
    pub(crate) media: Vec<Media>,
    pub(crate) policy: SrtpPolicy,
    pub(crate) mki: bool,
    pub(crate) tls: bool,
    pub(crate) psk: Option<(Name, Name, SecretBytes)>,
    pub(crate) legacy: bool,
    pub(crate) again: bool,
    pub(crate) rekey: Option<Duration>,
    pub(crate) clock: Clock,
}

impl Offering {
    /// A session of a new client.
    ///
    /// # Errors
    /// If there is neither TLS nor a key, or the names will not do.
    pub(crate) fn session(&self) -> Result<ServerSession> {
        let psk = self.psk.as_ref();
        let security = Security {
            secure_transport: self.tls,
            psk: psk.map(|(us, peer, key)| (us.clone(), peer.clone(), SecretBytes::copy_from(key.expose()))),
            legacy: self.legacy,
            unix_time_at_zero: self.clock.unix_time_at_zero(),
        };
        let provider = mikey_crypto_aws_lc::provider();
        ServerSession::new(provider, security, self.policy, self.mki, Arc::clone(&self.presentation))
            .map_err(|error| Error::usage(error.to_string()))
    }
}

/// A client.
pub(crate) struct Client {
    ui: Ui,
    offering: Arc<Offering>,
    connection: Connection,
    session: ServerSession,
    pairs: Pairs,
    queue: Receiver<Datagram>,
    /// When the first frame of each media was due, while it plays.
    playing: Option<Instant>,
    /// What was played when it paused.
    played: Duration,
    /// The next frame of each media.
    next: Vec<usize>,
    ended: bool,
    packets: u64,
    /// Where SETUP was for, without the stream.
    base: Option<Url>,
    latest_sign: Instant,
}

impl Client {
    pub(crate) fn new(ui: Ui, offering: Arc<Offering>, connection: Connection) -> Result<Self> {
        let (sender, queue) = channel(QUEUE);
        let count = offering.media.len();
        Ok(Self {
            ui,
            session: offering.session()?,
            pairs: Pairs::new(connection.local.ip(), count, sender),
            queue,
            playing: None,
            played: Duration::ZERO,
            next: vec![0; count],
            ended: false,
            packets: 0,
            base: None,
            latest_sign: Instant::now(),
            connection,
            offering,
        })
    }

    /// Serves until the client goes.
    pub(crate) async fn run(mut self) {
        let peer = self.connection.peer;
        self.ui.json(&json!({"event": "client", "from": peer}));
        let why = self.serve().await;
        let stats = self.session.stats();
        let refused = stats.refused();
        let text = match &why {
            Broken::Closed => "gone".to_owned(),
            broken => printable(&broken.to_string()),
        };
        self.ui.note(format_args!("{peer}: {text}; {} packets sent", self.packets));
        self.ui.json(&json!({
            "event": "gone", "from": peer, "why": text, "packets": self.packets, "refused": refused,
        }));
        self.connection.close().await;
    }

    async fn serve(&mut self) -> Broken {
        let mut reports = ticks(REPORTS);
        let mut rekey = self.offering.rekey.map(ticks);
        loop {
            let patience = if self.session.streams().next().is_some() { SILENT } else { IDLE };
            let due = self.due();
            let done = tokio::select! {
                incoming = self.connection.pull() => match incoming {
                    Ok(Incoming::Request(request)) => self.request(&request).await,
                    Ok(Incoming::Frame { channel, octets }) => self.frame(channel, octets),
                    Ok(Incoming::Response(response)) => self.response(&response),
                    Err(broken) => Err(broken),
                },
                Some(datagram) = self.queue.recv() => self.report(datagram.media, datagram.octets),
                () = at(due) => self.send().await,
                _ = reports.tick(), if self.playing.is_some() && !self.ended => self.reports(false).await,
                () = tick(&mut rekey), if self.playing.is_some() && !self.ended => self.renew().await,
                () = sleep_until(self.latest_sign + patience) => Err(Broken::Stuck),
            };
            if let Err(broken) = done {
                return broken;
            }
        }
    }

    async fn request(&mut self, request: &Request<Vec<u8>>) -> std::result::Result<(), Broken> {
        self.latest_sign = Instant::now();
        let peer = self.connection.peer;
        let reply = self.session.handle(self.offering.clock.now(), request, &mut self.pairs);
        let method: &str = request.method().into();
        if let Some(why) = &reply.refused {
            let why = printable(why);
            let status = u16::from(reply.response.status());
            self.ui.note(format_args!("{peer}: {} refused with {status}: {why}", printable(method)));
            self.ui.json(&json!({
                "event": "refused", "from": peer, "method": method, "status": status, "why": why,
            }));
        }
        for (media, agreed) in &reply.agreed {
            self.told(*media, agreed);
        }
        self.connection.respond(&reply.response).await?;
        match reply.action {
            Some(Action::Play) if self.playing.is_none() => {
                self.playing = Instant::now().checked_sub(self.played);
                let url = request.request_uri().map(ToString::to_string).unwrap_or_default();
                let base = url.rsplit_once("/stream=").map_or(url.as_str(), |(base, _)| base);
                self.base = Url::parse(base).ok();
            }
            Some(Action::Pause) => {
                self.played = self.playing.take().map_or(self.played, |since| since.elapsed());
            }
            Some(Action::Close) => return Err(Broken::Closed),
            Some(Action::Play) | None => {}
        }
        Ok(())
    }

    fn told(&self, media: usize, agreed: &mikey_rtsp::Agreed) {
        let peer = self.connection.peer;
        let verb = if agreed.renewed { "new keys" } else { "keys" };
        self.ui.note(format_args!("{peer}: {verb} by {}", describe::agreed(agreed)));
        self.ui.json(&json!({
            "event": "keys", "from": peer, "media": media, "keys": describe::agreed_json(agreed),
        }));
    }

    /// When the next frame is due; none if nothing is to be sent.
    fn due(&self) -> Option<Instant> {
        let since = self.playing.filter(|_| !self.ended)?;
        let media = self.session.streams().filter_map(|(media, _)| {
            let (next, source) = (*self.next.get(media)?, self.offering.media.get(media)?);
            let over = next >= source.frames() && !self.offering.again;
            (!over || self.is_over()).then(|| source.due(next))
        });
        media.min().map(|due| since + due)
    }

    /// Whether every stream has been sent.
    fn is_over(&self) -> bool {
        !self.offering.again
            && self.session.streams().all(|(media, _)| {
                let frames = self.offering.media.get(media).map_or(0, Media::frames);
                self.next.get(media).is_none_or(|next| *next >= frames)
            })
    }

    /// Sends what is due.
    async fn send(&mut self) -> std::result::Result<(), Broken> {
        if self.is_over() {
            self.ended = true;
            return self.reports(true).await;
        }
        let Some(since) = self.playing else { return Ok(()) };
        let elapsed = since.elapsed();
        let set_up: Vec<(usize, Lower)> =
            self.session.streams().map(|(media, set_up)| (media, set_up.lower)).collect();
        let offering = Arc::clone(&self.offering);
        for (media, lower) in set_up {
            let Some(source) = offering.media.get(media) else { continue };
            for _ in 0..BURST {
                let Some(next) = self.next.get_mut(media) else { break };
                if source.due(*next) > elapsed || (*next >= source.frames() && !offering.again) {
                    break;
                }
                let Some(frame) = source.frame(*next) else { break };
                *next = next.saturating_add(1);
                for (payload, marker) in frame.packets {
                    let packet =
                        self.session.packet(offering.clock.now(), media, frame.ticks, marker, payload);
                    match packet {
                        Ok(packet) => self.out(media, lower, false, &packet).await?,
                        Err(error) => self.unsent(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn unsent(&mut self, error: ProtectError) {
        self.ui.warn(format_args!("{}: a packet was not sent: {error}", self.connection.peer));
    }

    async fn reports(&mut self, end: bool) -> std::result::Result<(), Broken> {
        let now = self.offering.clock.now();
        let micros = u64::try_from(self.offering.clock.unix_time(now).as_micros()).unwrap_or(u64::MAX);
        let set_up: Vec<(usize, Lower)> =
            self.session.streams().map(|(media, set_up)| (media, set_up.lower)).collect();
        for (media, lower) in set_up {
            match self.session.report(now, media, micros, end) {
                Ok(report) => self.out(media, lower, true, &report).await?,
                Err(error) => self.unsent(error),
            }
        }
        Ok(())
    }

    async fn out(
        &mut self,
        media: usize,
        lower: Lower,
        is_rtcp: bool,
        packet: &[u8],
    ) -> std::result::Result<(), Broken> {
        self.packets = self.packets.saturating_add(u64::from(!is_rtcp));
        match lower {
            Lower::Interleaved { rtp, rtcp } => {
                self.connection.frame(if is_rtcp { rtcp } else { rtp }, packet).await
            }
            Lower::Udp { rtp, rtcp } => {
                let to = SocketAddr::new(self.connection.peer.ip(), if is_rtcp { rtcp } else { rtp });
                if let Some(Some(pair)) = self.pairs.pairs.get(media) {
                    let socket = if is_rtcp { &pair.rtcp } else { &pair.rtp };
                    // What the network does not take is lost, as packets are.
                    let _ = timeout(Duration::from_secs(1), socket.send_to(packet, to)).await;
                }
                Ok(())
            }
        }
    }

    fn frame(&mut self, channel: u8, octets: Vec<u8>) -> std::result::Result<(), Broken> {
        let media = self.session.streams().find_map(|(media, set_up)| match set_up.lower {
            Lower::Interleaved { rtcp, .. } if rtcp == channel => Some(media),
            _ => None,
        });
        match media {
            Some(media) => self.report(media, octets),
            None => Ok(()),
        }
    }

    /// A report of the client: a sign of life if it is authentic.
    fn report(&mut self, media: usize, mut octets: Vec<u8>) -> std::result::Result<(), Broken> {
        if self.session.receive_report(self.offering.clock.now(), media, &mut octets).is_ok() {
            self.latest_sign = Instant::now();
        }
        Ok(())
    }

    async fn renew(&mut self) -> std::result::Result<(), Broken> {
        let Some(base) = self.base.clone() else { return Ok(()) };
        let media: Vec<usize> = self.session.streams().map(|(media, _)| media).collect();
        // One at a time: its response is awaited. The file has one stream.
        let Some(media) = media.first() else { return Ok(()) };
        match self.session.renewal(self.offering.clock.now(), *media, &base) {
            Ok(request) => self.connection.request(&request).await,
            Err(error) => {
                self.ui.warn(format_args!("{}: the keys were not renewed: {error}", self.connection.peer));
                Ok(())
            }
        }
    }

    fn response(
        &mut self,
        response: &mikey_rtsp::rtsp_types::Response<Vec<u8>>,
    ) -> std::result::Result<(), Broken> {
        match self.session.renewed(self.offering.clock.now(), response) {
            Some(Ok((media, agreed))) => self.told(media, &agreed),
            Some(Err(error)) => {
                self.ui.warn(format_args!("{}: {}", self.connection.peer, printable(&error.to_string())));
            }
            None => {}
        }
        Ok(())
    }
}

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
