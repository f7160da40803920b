//! `mikey rtsp serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mikey_net::Clock;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use crate::call::describe::srtp_policies;
use crate::cmd::options::seconds;
use crate::error::{Error, Result, io_reason};
use crate::rtsp::connection::Connection;
use crate::rtsp::serving::{Client, Offering};
use crate::rtsp::source::{self, AudioCodec};
use crate::rtsp::tls;
use crate::ui::{Ui, hex, printable};

/// How long a client may take for its part of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Arguments of `mikey rtsp serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mikey rtsp serve speech.wav
  mikey rtsp serve film.h264 --fps 30 --loop --cert server.pem --key server.key
  mikey rtsp serve speech.wav --no-tls --psk server-player.psk

Without --cert a certificate is made at the start, and its SHA-256 printed for 'mikey rtsp play --pin'. Keys go in the
clear within TLS (MIKEY's NULL mode), as cameras do it, or under a pre-shared key. docs/rtsp.md tells more.")]
pub(super) struct Args {
    /// A WAV file, or a byte stream of H.264 (Annex B)
    file: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8322")]
    bind: SocketAddr,
    /// The path of the URL
    #[arg(long, value_name = "NAME", default_value = "live", value_parser = path)]
    path: String,
    /// How a WAV file is sent
    #[arg(long, value_enum, default_value_t = AudioCodec::Pcmu)]
    codec: AudioCodec,
    /// Pictures a second of a byte stream
    #[arg(long, value_name = "NUMBER", default_value = "25", value_parser = source::frame_rate)]
    fps: f64,
    /// Begin again at the end of the file
    #[arg(long = "loop")]
    again: bool,
    /// How packets are protected
    #[arg(long, value_name = "NAME", default_value = "AES_CM_128_HMAC_SHA1_80")]
    srtp: String,
    /// Put a master key identifier into each packet
    #[arg(long)]
    mki: bool,
    /// Give the client new keys this often
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    rekey: Option<Duration>,
    /// Clients at the same time; more are turned away
    #[arg(long, value_name = "NUMBER", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_clients: u16,
    /// The certificate of this server, with those of its issuers
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<PathBuf>,
    /// The private key of the certificate
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<PathBuf>,
    /// Plain RTSP over TCP; keys are then under --psk
    #[arg(long, requires = "psk", conflicts_with_all = ["cert", "key"], help_heading = "TLS")]
    no_tls: bool,
    #[command(flatten)]
    shared: Shared,
}

/// Runs `mikey rtsp serve`.
pub(super) async fn run(ui: Ui, args: Args) -> Result {
    let (presentation, media) = source::open(&args.file, &args.path, args.codec, args.fps)?;
    let policy = srtp_policies(Some(&args.srtp))?;
    let psk = args.shared.read(ui, "rtsp:server", "rtsp:player")?;
    let acceptor = match args.no_tls {
        true => None,
        false => Some(tls::server(ui, args.cert.as_ref().zip(args.key.as_ref()))?),
    };
    let offering = Arc::new(Offering {
        presentation: Arc::new(presentation),
        media,
        policy: policy.first().copied().unwrap_or(mikey::SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
        mki: args.mki,
        tls: acceptor.is_some() && psk.is_none(),
        psk,
        legacy: args.shared.legacy,
        again: args.again,
        rekey: args.rekey,
        clock: Clock::start(),
    });
    // What is wrong with the names is said now, and not to each client.
    offering.session()?;
    let failed = |error: std::io::Error| {
        Error::failed(format!("cannot listen at {}: {}", args.bind, io_reason(&error)))
    };
    let listener = TcpListener::bind(args.bind).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let scheme = if acceptor.is_some() { "rtsps" } else { "rtsp" };
    let url = format!("{scheme}://{local}/{}", args.path);
    let pin = acceptor.as_ref().map(|(_, pin)| hex(pin));
    ui.text(format_args!("serving {url}"));
    if let Some(pin) = &pin {
        ui.text(format_args!("SHA-256 of the certificate: {pin}"));
    }
    ui.json(&json!({"event": "listening", "url": url, "local": local, "pin": pin}));
    let acceptor = acceptor.map(|(config, _)| TlsAcceptor::from(config));
    let room = Arc::new(Semaphore::new(args.max_clients.into()));
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Too many files are open, or the client is gone already: the next one may come.
                Err(error) => {
                    ui.warn(format_args!("a client was lost: {}", io_reason(&error)));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            ui.note(format_args!("{peer}: turned away, {} clients are there", args.max_clients));
            ui.json(&json!({"event": "turned_away", "from": peer}));
            continue;
        };
        let (acceptor, offering) = (acceptor.clone(), Arc::clone(&offering));
        tokio::spawn(async move {
            match greet(stream, peer, acceptor)
                .await
                .and_then(|connection| Client::new(ui, offering, connection))
            {
                Ok(client) => client.run().await,
                Err(error) => {
                    ui.note(format_args!("{peer}: {}", error.message()));
                    ui.json(&json!({"event": "gone", "from": peer, "why": error.message(), "packets": 0}));
                }
            }
            drop(permit);
        });
    }
}

async fn greet(stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>) -> Result<Connection> {
    let local = stream.local_addr().map_err(|error| Error::failed(io_reason(&error)))?;
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else { return Ok(Connection::new(Box::new(stream), peer, local)) };
    let accepted = timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let accepted = accepted.map_err(|_| Error::failed("TLS: no handshake in time"))?;
    let stream =
        accepted.map_err(|error| Error::failed(format!("TLS: {}", printable(&io_reason(&error)))))?;
    Ok(Connection::new(Box::new(stream), peer, local))
}

fn path(text: &str) -> std::result::Result<String, String> {
    let fits = !text.is_empty()
        && text.len() < 64
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    if fits { Ok(text.to_owned()) } else { Err("letters, digits, '-', '_' and '.' alone".to_owned()) }
}
