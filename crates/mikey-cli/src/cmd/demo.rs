//! `mikey demo`: two endpoints of one process call each other over real UDP sockets on loopback.
//!
//! An eavesdropper on the same loopback repeats a packet of the call, changes one, and forges a message: each must be
//! refused while the call goes on.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use mikey::keying::{CertifiedKey, Policy, PskTable, Trust};
use mikey::{
    Call, Class, EndpointConfig, Identity, MediaStream, Name, SessionId, Side, Stream, Time, classify,
};
use mikey_crypto::SecretBytes;
use mikey_net::{Clock, Direction, Tap};
use serde_json::json;
use zeroize::Zeroizing;

use crate::audio::speech::Side as SpeechSide;
use crate::call::credentials::{AcceptPeer, Prepared, parse_name, stream_start};
use crate::call::describe;
use crate::call::leg::Tally;
use crate::call::line::{Known, Line, LineEvent, Voice};
use crate::call::outcome::failure;
use crate::call::record::{Recorder, See};
use crate::call::report::{self, Ends};
use crate::cmd::ca::EphemeralCa;
use crate::cmd::options::{RecordOptions, VoiceOptions, boxed};
use crate::error::{Error, Result, io_reason};
use crate::ui::Ui;

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
/// Loopback answers at once: a call that takes longer than this has failed.
const LIFETIME: Duration = Duration::from_secs(5);
/// What the eavesdropper sends to each end.
const FORGERIES: u64 = 3;
/// The packet that it keeps.
const KEPT: u32 = 3;
/// The packet before which it attacks.
const ATTACK: u32 = 4;

/// Arguments of `mikey demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey demo
  mikey demo --psk --policy pq-required
  mikey demo --audio speech.wav --pcap demo.pcap")]
pub(crate) struct Args {
    /// Authenticate by a random pre-shared key instead of certificates
    #[arg(long)]
    psk: bool,
    /// Algorithms that are allowed: default, fips, legacy or pq-required
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    policy: String,
    #[command(flatten)]
    voice: VoiceOptions,
    #[command(flatten)]
    recording: RecordOptions,
}

/// One end of the call.
struct End {
    name: &'static str,
    line: Line,
    voice: Voice,
    started: Option<(SessionId, Known, Vec<MediaStream>, Time)>,
    over: Option<Tally>,
    /// Datagrams that were refused until then.
    refused: u64,
}

/// Runs `mikey demo`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    let ui = *ui;
    let clock = Clock::start();
    let (recorder, key_log) = args.recording.start(ui, clock)?;
    let mut configs = prepare(&args, clock)?.into_iter();
    let (Some(alice), Some(bob)) = (configs.next(), configs.next()) else { return Ok(()) };
    let call = offer(&args, &alice)?;

    let mut ends = Vec::new();
    let sides = [("alice", alice, SpeechSide::Caller), ("bob", bob, SpeechSide::Callee)];
    ui.text("MIKEYv2 demo: alice calls bob over UDP on loopback\n");
    for (name, prepared, side) in sides {
        let (voice, origin) = args.voice.voice(side)?;
        let identity = prepared.identity.to_string();
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let mut line = Line::open(any, clock, prepared, voice.clone(), boxed(key_log.as_ref()))?;
        let tap = recorder.tap(clock, See::Sent);
        line.tap(Box::new(Eavesdropper::new(tap)?));
        ui.text(format_args!("{name:<6}{identity} at {}\n      says {origin}", line.local_addr()));
        ui.json(&json!({"event": "endpoint", "name": name, "identity": identity, "local": line.local_addr(),
            "speech": origin}));
        ends.push(End { name, line, voice, started: None, over: None, refused: 0 });
    }
    ui.text(if args.psk {
        "\nEach has the same random pre-shared key, made for this run."
    } else {
        "\nEach has a certificate of a CA that was made for this run."
    });
    let mut ends = ends.into_iter();
    let (Some(mut alice), Some(mut bob)) = (ends.next(), ends.next()) else { return Ok(()) };
    let to = bob.line.local_addr();
    alice.line.call(to, &call)?;
    let done = converse(ui, &recorder, &mut alice, &mut bob).await;
    alice.line.finish().await;
    bob.line.finish().await;
    recorder.finish()?;
    done?;
    finale(ui, &alice, &bob)
}

/// Runs both ends until the call is over.
async fn converse(ui: Ui, recorder: &Recorder, alice: &mut End, bob: &mut End) -> Result {
    let mut introduced = false;
    while alice.over.is_none() || bob.over.is_none() {
        tokio::select! {
            event = alice.line.next() => handle(ui, alice, event?)?,
            event = bob.line.next() => handle(ui, bob, event?)?,
        }
        if let (Some(a), Some(b), false) = (&alice.started, &bob.started, introduced) {
            introduced = true;
            let sightings = recorder.take_sightings();
            ui.text("\nhandshake");
            let names = [(alice.line.local_addr(), alice.name), (bob.line.local_addr(), bob.name)];
            report::timeline(ui, &sightings, &Ends::Named(&names));
            report::keyed(ui, &sightings, a.3.max(b.3), "both have the keys");
            introduce(ui, (alice.name, a), (bob.name, b));
        }
    }
    Ok(())
}

type Started = (SessionId, Known, Vec<MediaStream>, Time);

/// Says what was negotiated and who knows whom.
fn introduce(ui: Ui, a: (&str, &Started), b: (&str, &Started)) {
    ui.text("\nnegotiated");
    report::negotiated(ui, &a.1.1, &a.1.2);
    ui.text("\nauthenticated");
    for (name, (session, known, streams, _)) in [a, b] {
        let peer = describe::peer(&known.peer, known.role, &known.negotiated);
        ui.text(format_args!("  {name:<6}knows {peer}"));
        ui.json(&report::established(*session, known, streams));
    }
    ui.text("\nspeech is on its way, in both directions");
}

fn handle(ui: Ui, end: &mut End, event: LineEvent) -> Result {
    match event {
        LineEvent::Started { session, known, streams, at } => {
            end.started = Some((session, known, streams, at))
        }
        LineEvent::Over { tally, .. } => {
            end.over = Some(tally);
            end.refused = end.line.refused();
        }
        LineEvent::CallFailed(why) => return Err(failure(&why)),
        LineEvent::BranchFailed { why, .. } | LineEvent::CallerRefused { why, .. } => {
            ui.warn(format_args!("{} refused a message: {why}", end.name));
        }
    }
    Ok(())
}

/// The table of the speech, and whether everything is as it must be.
fn finale(ui: Ui, alice: &End, bob: &End) -> Result {
    ui.text("\nspeech             sent  received  lost  refused");
    let mut good = true;
    for (from, to) in [(alice, bob), (bob, alice)] {
        let (Some(said), Some(heard)) = (&from.over, &to.over) else { continue };
        let identical = heard.heard == *from.voice.speech;
        let refused = to.refused;
        let lost = said.sent.saturating_sub(heard.received);
        good = good && identical && lost == 0 && heard.identical == Some(true);
        let verdict = if identical { "bit for bit" } else { "NOT bit for bit" };
        ui.text(format_args!(
            "  {:>5} -> {:<5}{:>7}{:>10}{lost:>6}{refused:>9}   {verdict} ({} octets compared)",
            from.name,
            to.name,
            said.sent,
            heard.received,
            from.voice.speech.len()
        ));
        ui.json(&json!({"event": "speech", "from": from.name, "to": to.name, "sent": said.sent,
            "received": heard.received, "lost": lost, "refused": refused, "identical": identical,
            "octets": from.voice.speech.len()}));
    }
    ui.text(format_args!(
        "\nThe refused ones are an eavesdropper's, made by this demo: it sent each end a repeated packet, a changed\n\
         one and a forged message, {FORGERIES} in all."
    ));
    if !good {
        return Err(Error::failed("the speech did not arrive bit for bit"));
    }
    if alice.refused.min(bob.refused) < FORGERIES {
        return Err(Error::failed("not everything that the eavesdropper sent was refused"));
    }
    ui.text("The call was keyed, both were authenticated, and every octet of speech arrived.");
    Ok(())
}

/// Credentials and configurations of both ends.
fn prepare(args: &Args, clock: Clock) -> Result<Vec<Prepared>> {
    let policy = Policy::named(&args.policy).ok_or_else(|| {
        Error::usage(format!("there is no policy '{}'", args.policy))
            .hint("choose default, fips, legacy or pq-required")
    })?;
    let srtp = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let ca = EphemeralCa::new("MIKEY demo CA", args.policy == "fips")?;
    let mut key = Zeroizing::new([0; 32]);
    let random = mikey_crypto_aws_lc::provider().random;
    random.fill(key.as_mut_slice()).map_err(|error| Error::failed(error.to_string()))?;
    let prepare_one = |own: &str, peer: &str| {
        let provider = mikey_crypto_aws_lc::provider();
        let (name, peer) = (parse_name(own)?, parse_name(peer)?);
        let identity = if args.psk { Identity::new(name.clone()) } else { certified(&ca, own, &name)? };
        let mut config = EndpointConfig::new(provider, identity);
        config.policy = policy.clone();
        config.unix_time_at_zero = Some(clock.unix_time_at_zero());
        config.request_lifetime = LIFETIME;
        config.answer =
            Arc::new(AcceptPeer::new(Some(peer.clone()), srtp.clone(), Arc::clone(&config.provider.random)));
        if args.psk {
            let mut psks = PskTable::new();
            let key = SecretBytes::copy_from(key.as_slice());
            psks.insert(name.clone(), peer.clone(), key).map_err(|error| Error::failed(error.to_string()))?;
            config.psks = Arc::new(psks);
        } else {
            let mut trust = Trust::none();
            trust.add_anchor(&ca.anchor()).map_err(|error| Error::failed(error.to_string()))?;
            config.trust = trust;
        }
        Ok(Prepared { config, identity: name, peer: Some(peer) })
    };
    [(ALICE, BOB), (BOB, ALICE)].into_iter().map(|(own, peer)| prepare_one(own, peer)).collect()
}

fn certified(ca: &EphemeralCa, text: &str, name: &Name) -> Result<Identity> {
    let (certificate, pkcs8) = ca.issue(text)?;
    let provider = mikey_crypto_aws_lc::provider();
    let key = CertifiedKey::load(&provider, vec![certificate.to_vec()], &pkcs8);
    let key = key.map_err(|error| Error::failed(error.to_string()))?;
    Identity::with_certificate(name.clone(), key).map_err(|error| Error::failed(error.to_string()))
}

fn offer(args: &Args, alice: &Prepared) -> Result<Call> {
    let policies = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let ssrc = stream_start(&*alice.config.provider.random)?.ssrc;
    let stream = |sender| Stream {
        policies: policies.clone(),
        ssrc: (sender == Side::Local).then_some(ssrc),
        ..Stream::new(sender, mikey::SrtpPolicy::AEAD_AES_128_GCM)
    };
    Ok(Call::new(parse_name(BOB)?, vec![stream(Side::Local), stream(Side::Remote)]))
}

/// A tap that keeps a packet of speech, and after the next one sends what must be refused.
struct Eavesdropper {
    tap: Box<dyn Tap>,
    socket: UdpSocket,
    media: u32,
    kept: Vec<u8>,
}

impl Eavesdropper {
    fn new(tap: Box<dyn Tap>) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| Error::failed(format!("cannot open a socket: {}", io_reason(&error))))?;
        Ok(Self { tap, socket, media: 0, kept: Vec::new() })
    }

    /// The packet again, a changed one, a forged message.
    fn attack(&self, to: SocketAddr) {
        // The next sequence numbers are still free: it is the tag that must give the change away.
        let mut changed = self.kept.clone();
        if let Some([high, low]) = changed.get_mut(2..4).and_then(|octets| octets.first_chunk_mut::<2>()) {
            [*high, *low] = (u16::from_be_bytes([*high, *low]) | 0x10).wrapping_add(0x10).to_be_bytes();
        }
        let forged = [&[2, 43, 21, 1][..], &[0; 40]].concat();
        for octets in [&self.kept, &changed, &forged] {
            // On loopback nothing is lost; if it were, the count at the end would say so.
            let _ = self.socket.send_to(octets, to);
        }
    }
}

impl Tap for Eavesdropper {
    fn datagram(
        &mut self,
        direction: Direction,
        at: Time,
        local: SocketAddr,
        remote: SocketAddr,
        octets: &[u8],
    ) {
        self.tap.datagram(direction, at, local, remote, octets);
        if direction == Direction::Outbound && classify(octets) == Class::Rtp {
            self.media += 1;
            match self.media {
                KEPT => self.kept = octets.to_vec(),
                // The one that was kept has left before.
                ATTACK => self.attack(remote),
                _ => {}
            }
        }
    }
}
