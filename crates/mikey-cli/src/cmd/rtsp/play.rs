//! `mikey rtsp play`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use mikey_net::Clock;
use mikey_rtsp::rtsp_types::Url;
use mikey_rtsp::{Authenticator, ClientKeys, Credentials, Security};
use percent_encoding::percent_decode_str;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Shared;
use crate::cmd::options::seconds;
use crate::error::{Error, Result, io_reason};
use crate::rtsp::connection::Connection;
use crate::rtsp::player::{Player, Wish};
use crate::rtsp::tls::{self, Trusted};
use crate::ui::{Ui, hex, printable};

/// How packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// In the connection itself: passes every firewall that RTSP passes
    Tcp,
    /// To a pair of ports of ours
    Udp,
}

/// Arguments of `mikey rtsp play`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mikey rtsp play rtsps://admin:secret@192.0.2.7/live --pin 4f..9a --out camera
  mikey rtsp play rtsps://cam.example.com:8322/live --transport udp --duration 60
  mikey rtsp play rtsp://127.0.0.1:8554/live --psk server-player.psk

Each stream has a file: camera-0.h264, camera-1.wav. G.711 and L16 become WAV, H.264 a byte stream (Annex B), and
everything else rtpdump, which Wireshark reads. docs/rtsp.md tells more.")]
pub(super) struct Args {
    #[arg(help = "What to play: rtsps://[USER:PASSWORD@]HOST[:PORT]/PATH, or rtsp:// with --psk")]
    url: String,
    /// Beginning of the files' names
    #[arg(long, value_name = "NAME", default_value = "rtsp")]
    out: PathBuf,
    /// Write every stream as rtpdump, whatever it holds
    #[arg(long)]
    rtpdump: bool,
    /// How packets come
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    transport: Transport,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// How long to wait for an answer, and for packets
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// Ask for new keys this often
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    rekey: Option<Duration>,
    /// A CA whose certificates are accepted, or the server's own certificate; may be given more than once
    /// [default: the operating system's list]
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    ca: Vec<PathBuf>,
    /// SHA-256 of the server's certificate, in hex: it alone is accepted, whatever name it has
    #[arg(long, value_name = "SHA256", value_parser = tls::pin, conflicts_with = "ca", help_heading = "TLS")]
    pin: Option<[u8; 32]>,
    /// Accept any certificate: whoever is in between then has the keys of the media; no password goes out by Basic
    #[arg(long, conflicts_with_all = ["ca", "pin"], help_heading = "TLS")]
    insecure: bool,
    #[command(flatten)]
    shared: Shared,
}

/// Runs `mikey rtsp play`.
pub(super) async fn run(ui: Ui, args: Args) -> Result {
    let address = Address::parse(&args.url)?;
    let psk = args.shared.read(ui, "rtsp:player", "rtsp:server")?;
    if !address.tls && psk.is_none() {
        return Err(Error::usage("over rtsp:// the keys would be readable for everybody")
            .hint("use rtsps://, or share a key with the server: --psk"));
    }
    let clock = Clock::start();
    let connection = connect(ui, &address, &args).await?;
    let security = Security {
        // With a key, keys in the clear would be a step down.
        secure_transport: address.tls && psk.is_none(),
        psk,
        legacy: args.shared.legacy,
        unix_time_at_zero: clock.unix_time_at_zero(),
    };
    let keys = ClientKeys::new(mikey_crypto_aws_lc::provider(), security)
        .map_err(|error| Error::usage(error.to_string()))?;
    // Basic hands the password over: only to whom the certificate is checked of.
    let checked = address.tls && !args.insecure;
    let authenticator = address.credentials.map(|credentials| Authenticator::new(credentials, checked));
    let wish = Wish {
        url: address.url,
        out: args.out,
        dump: args.rtpdump,
        udp: args.transport == Transport::Udp,
        timeout: args.timeout,
        duration: args.duration,
        rekey: args.rekey,
    };
    Player::new(ui, clock, wish, connection, authenticator, keys)?.run().await
}

/// What a URL has.
struct Address {
    /// Without user and password.
    url: Url,
    host: String,
    port: u16,
    tls: bool,
    credentials: Option<Credentials>,
}

impl Address {
    fn parse(text: &str) -> Result<Self> {
        // The text may hold a password: it is not repeated.
        let unreadable =
            || Error::usage("that is no URL of RTSP").hint("rtsps://HOST/PATH, with a port if it is not 322");
        let mut url = Url::parse(text).map_err(|_| unreadable())?;
        let tls = match url.scheme() {
            "rtsps" => true,
            "rtsp" => false,
            _ => return Err(unreadable()),
        };
        let host =
            url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()).ok_or_else(unreadable)?;
        let port = url.port().unwrap_or(if tls { 322 } else { 554 });
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let credentials = match (decoded(url.username()), decoded(url.password().unwrap_or_default())) {
            (Ok(user), Ok(_)) if user.is_empty() => None,
            (Ok(user), Ok(password)) => Some(Credentials::new(user, password)),
            _ => return Err(unreadable()),
        };
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| unreadable())?;
        Ok(Self { url, host, port, tls, credentials })
    }
}

async fn connect(ui: Ui, address: &Address, args: &Args) -> Result<Connection> {
    let to = format!("{}:{}", printable(&address.host), address.port);
    let late = |_| Error::failed(format!("{to}: no answer after {:?}", args.timeout));
    let stream = timeout(args.timeout, TcpStream::connect((address.host.as_str(), address.port)))
        .await
        .map_err(late)?;
    let stream = stream.map_err(|error| Error::failed(format!("{to}: {}", io_reason(&error))))?;
    let addresses = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?)));
    let (peer, local) = addresses.map_err(|error| Error::failed(format!("{to}: {}", io_reason(&error))))?;
    // Requests are small and awaited.
    let _ = stream.set_nodelay(true);
    if !address.tls {
        return Ok(Connection::new(Box::new(stream), peer, local));
    }
    let trusted = match (args.pin, args.insecure) {
        (Some(pin), _) => Trusted::Pinned(pin),
        (None, true) => {
            ui.warn("any certificate is accepted: whoever is in between has the keys of the media");
            Trusted::Anybody
        }
        (None, false) if args.ca.is_empty() => Trusted::System,
        (None, false) => Trusted::Ca(args.ca.clone()),
    };
    let config = tls::client(&trusted)?;
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| Error::usage(format!("'{}' is no name of a host", printable(&address.host))))?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    let stream = timeout(args.timeout, handshake).await.map_err(late)?.map_err(|error| {
        let text = format!("{to}: TLS: {}", printable(&io_reason(&error)));
        Error::peer_authentication(text).hint(
            "cameras sign their certificates themselves: name it with --pin or --ca, or accept any with --insecure",
        )
    })?;
    if args.insecure
        && let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first)
    {
        ui.note(format_args!("SHA-256 of the certificate, for --pin: {}", hex(&tls::digest(certificate))));
    }
    Ok(Connection::new(Box::new(stream), peer, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_parted_and_its_password_kept_out_of_requests() {
        let address = Address::parse("rtsps://ad%40min:p%3Aw@cam.example:8322/live?x=1").unwrap();
        assert_eq!(address.url.as_str(), "rtsps://cam.example:8322/live?x=1");
        assert_eq!((address.host.as_str(), address.port, address.tls), ("cam.example", 8322, true));
        assert!(address.credentials.is_some());
        let address = Address::parse("rtsp://[::1]/live").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.tls), ("::1", 554, false));
        assert!(address.credentials.is_none());
        assert_eq!(Address::parse("rtsps://cam/").unwrap().port, 322);
        for text in ["http://cam/", "cam", "rtsps:///x", "rtsps://u:%ff@cam/"] {
            let error = Address::parse(text).err().unwrap();
            assert!(!error.message().contains(text), "{text}");
        }
    }
}
