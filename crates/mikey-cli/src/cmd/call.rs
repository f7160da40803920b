//! `mikey call`: call somebody who runs `mikey listen`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use mikey::{Call, Side, Stream};
use mikey_net::Clock;
use serde_json::json;

use crate::audio::speech::{self, Side as SpeechSide};
use crate::call::console::Console;
use crate::call::credentials::{Credentials, stream_start};
use crate::call::describe;
use crate::call::event::LineEvent;
use crate::call::line::Line;
use crate::call::outcome::{advice, failure};
use crate::call::record::{Recorder, See};
use crate::call::report::{self, Ends};
use crate::call::sas;
use crate::call::version1::V1Mode;
use crate::cmd::options::{RecordOptions, VoiceOptions, boxed, seconds};
use crate::error::{Error, Result};
use crate::files::read_certificates;
use crate::ui::{Ui, printable};

/// MIKEY's registered port.
pub(crate) const MIKEY_PORT: u16 = 2269;

/// Arguments of `mikey call`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey call 192.0.2.7 --identity sip:alice@example.com --peer sip:bob@example.com \\
      --cert alice/alice.pem --key alice/alice.key --ca ca/ca.pem
  mikey call [::1]:2269 --identity sip:alice@example.com --peer sip:bob@example.com --psk alice-bob.psk
  mikey call 192.0.2.7 --identity sip:alice@example.com --peer sip:bob@example.com --sas
  mikey call 192.0.2.7 --identity sip:alice@example.com --peer sip:bob@example.com --psk alice-bob.psk --v1 psk")]
pub(crate) struct Args {
    /// Where the other side listens: address or name, with a port if it is not 2269
    #[arg(value_name = "ADDRESS")]
    to: String,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    voice: VoiceOptions,
    /// Write what was heard to a WAV file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Our own address and port
    #[arg(long, value_name = "ADDRESS:PORT")]
    bind: Option<SocketAddr>,
    /// Give up after so many seconds without an authenticated answer
    #[arg(long, value_name = "SECONDS", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Renew the keys after so many seconds, again and again, with a new key exchange each time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    rekey: Option<Duration>,
    /// Call by MIKEY version 1, in this mode; the other side must listen with --v1. It needs clocks that agree within five
    /// minutes, and negotiates nothing: the SRTP policy is the one of --srtp
    #[arg(long, value_name = "MODE", value_enum, conflicts_with_all = ["rekey", "sas"])]
    v1: Option<V1Mode>,
    /// The peer's certificate to encrypt keys to, in mode pk of version 1
    #[arg(long, value_name = "FILE", requires = "v1")]
    peer_decrypt_cert: Option<PathBuf>,
    #[command(flatten)]
    recording: RecordOptions,
}

/// Runs `mikey call`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    let ui = *ui;
    let clock = Clock::start();
    let to = resolve(&args.to)?;
    let srtp = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let lifetime = Duration::from_secs(args.timeout);
    if args.v1 == Some(V1Mode::Pk) && args.peer_decrypt_cert.is_none() {
        return Err(Error::usage("mode pk encrypts keys to the peer's certificate, and none was named")
            .hint("name it with --peer-decrypt-cert"));
    }
    let algorithms = args.v1.map(V1Mode::algorithms);
    let prepared = args.credentials.prepare(ui, clock, srtp.clone(), lifetime, args.rekey, algorithms)?;
    let peer = prepared.peer.clone().ok_or_else(|| {
        Error::usage("nobody was named to call")
            .hint("say with --peer who must answer, such as sip:bob@example.com")
    })?;
    let (voice, origin) = args.voice.voice(SpeechSide::Caller)?;
    let (recorder, key_log) = args.recording.start(ui, clock)?;
    let start = stream_start(&*prepared.config.provider.random)?;
    let streams = [Side::Local, Side::Remote].map(|sender| Stream {
        policies: srtp.clone(),
        ssrc: (sender == Side::Local).then_some(start.ssrc),
        ..Stream::new(sender, srtp.first().copied().unwrap_or(mikey::SrtpPolicy::AEAD_AES_128_GCM))
    });
    let identity = prepared.identity.to_string();
    let bind = args.bind.unwrap_or_else(|| local_address(to));
    let mut line = Line::open(bind, clock, prepared, voice, boxed(key_log.as_ref()))?;
    line.tap(recorder.tap(clock, See::Everything));
    ui.text(format_args!("{identity} at {} calls {peer} at {to}", line.local_addr()));
    ui.text(format_args!("speech: {origin}"));
    ui.json(&json!({"event": "calling", "local": line.local_addr(), "to": to, "peer": peer.to_string()}));
    match args.v1 {
        None => line.call(to, &Call::new(peer, streams.to_vec()))?,
        Some(mode) => {
            let chain = args.peer_decrypt_cert.as_deref().map(read_certificates).transpose()?;
            let chain = chain.unwrap_or_default().iter().map(|certificate| certificate.to_vec()).collect();
            line.call_v1(to, &mode.offer(peer, &streams, chain))?;
        }
    }
    let done = converse(ui, &mut line, &recorder, args.record.as_deref()).await;
    if done.is_err() {
        // Whoever still compares a SAS with us is told that we have gone.
        line.hang_up();
    }
    line.finish().await;
    recorder.finish()?;
    done
}

/// Runs the call to its end.
async fn converse(ui: Ui, line: &mut Line, recorder: &Recorder, record: Option<&std::path::Path>) -> Result {
    let (mut asked_to_stop, mut told_to_wait) = (false, false);
    let mut console = Console::new();
    loop {
        let event = tokio::select! {
            event = line.next() => event?,
            answer = console.answer() => {
                let (session, same) = answer?;
                line.compared(session, same);
                if same {
                    ui.note("the peer is told; speech starts when the other person says the same");
                }
                continue;
            }
            _ = tokio::signal::ctrl_c(), if !asked_to_stop => {
                if !line.is_busy() {
                    return Err(Error::failed("stopped before anybody answered"));
                }
                ui.note("hanging up");
                asked_to_stop = true;
                line.hang_up();
                continue;
            }
        };
        match event {
            LineEvent::Started { session, known, streams, at } => {
                report::started(ui, &recorder.take_sightings(), at, session, &known, &streams);
            }
            LineEvent::Compare { session, known, sas } => sas::ask(ui, &mut console, session, &known, &sas),
            LineEvent::Verified { session, known } => sas::verified(ui, session, &known),
            LineEvent::Unverified { known, why, .. } => return Err(sas::failure(&known, why)),
            LineEvent::Over { session, known, tally, heard_law, renewals, .. } => {
                report::over(ui, line, session, &known, &tally, renewals);
                if let Some(path) = record {
                    speech::write_wav(path, heard_law, &tally.heard)?;
                    ui.text(format_args!("what was heard: {}", path.display()));
                }
                return match tally.lost {
                    Some(_) => Ok(()),
                    None => Err(Error::failed("the peer left without a goodbye")),
                };
            }
            LineEvent::CallFailed(why) => {
                report::timeline(ui, &recorder.take_sightings(), &Ends::Own);
                return Err(failure(&why));
            }
            LineEvent::BranchFailed { remote, why } => {
                ui.warn(format_args!("an answer from {remote} was refused: {}", printable(&why.to_string())));
                if let Some(advice) = advice(&why) {
                    ui.note(format_args!("hint: {advice}"));
                }
                if !told_to_wait {
                    told_to_wait = true;
                    ui.note(
                        "still waiting until --timeout is over: anyone can send a wrong answer, and the right one may \
                         still come",
                    );
                }
                ui.json(&json!({"event": "answer_refused", "remote": remote, "why": why.to_string()}));
            }
            LineEvent::CallerRefused { remote, why } => {
                ui.warn(format_args!("a caller at {remote} was refused: {}", printable(&why.to_string())));
            }
        }
    }
}

/// The address that a host name, with or without port, stands for.
fn resolve(text: &str) -> Result<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, MIKEY_PORT));
    }
    let with_port = if text.contains(':') { text.to_owned() } else { format!("{text}:{MIKEY_PORT}") };
    let found = with_port.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| {
        Error::usage(format!("'{}' is no address", printable(text))).hint(
            "give an address or a host name, with a port if it is not 2269: 192.0.2.7, [2001:db8::7]:5000",
        )
    })
}

/// The address of ours from which the operating system reaches `to`; any port.
fn local_address(to: SocketAddr) -> SocketAddr {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let any = SocketAddr::new(any, 0);
    // Connecting a UDP socket sends nothing: it only asks for the route.
    let route = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    route.map_or(any, |local| SocketAddr::new(local.ip(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port() {
        for (text, expected) in [
            ("192.0.2.7", "192.0.2.7:2269"),
            ("192.0.2.7:5000", "192.0.2.7:5000"),
            ("2001:db8::7", "[2001:db8::7]:2269"),
            ("[2001:db8::7]", "[2001:db8::7]:2269"),
            ("[2001:db8::7]:5000", "[2001:db8::7]:5000"),
        ] {
            assert_eq!(resolve(text).unwrap(), expected.parse().unwrap(), "{text}");
        }
        assert!(resolve("not an address").is_err());
        assert!(resolve("").is_err());
    }

    #[test]
    fn the_route_to_loopback_is_loopback() {
        assert_eq!(local_address("127.0.0.1:9".parse().unwrap()), "127.0.0.1:0".parse().unwrap());
    }
}
