//! `mikey demo`: two endpoints of one process call each other over real UDP sockets on loopback.
//!
//! An eavesdropper on the same loopback repeats a packet of the call, changes one, and forges a message: each must be
//! refused while the call goes on.

mod eavesdropper;
mod finale;
mod setup;
mod talk;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mikey::Call;
use mikey_crypto::SecureRandom;
use mikey_net::Clock;
use serde_json::json;

use self::eavesdropper::Eavesdropper;
use self::talk::End;
use crate::audio::speech::Side as SpeechSide;
use crate::call::describe;
use crate::call::line::Line;
use crate::call::record::{Recorder, See};
use crate::cmd::options::{Algorithms, RecordOptions, VoiceOptions, boxed, seconds};
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Without a time, keys are renewed when this part of the speech is over, again and again.
const RENEWALS: u32 = 4;

/// Arguments of `mikey demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey demo
  mikey demo --psk --policy pq-required
  mikey demo --sas
  mikey demo --rekey --resume
  mikey demo --audio speech.wav --pcap demo.pcap")]
pub(crate) struct Args {
    /// Authenticate by a random pre-shared key instead of certificates
    #[arg(long, conflicts_with = "sas")]
    psk: bool,
    /// Authenticate by a short authentication string alone, which the demo compares in place of two people
    #[arg(long)]
    sas: bool,
    #[command(flatten)]
    algorithms: Algorithms,
    /// Renew the keys while speech flows, after so many seconds, again and again; without a number, after a quarter of
    /// the speech
    #[arg(long, value_name = "SECONDS", value_parser = seconds, num_args = 0..=1)]
    #[allow(clippy::option_option)] // the option may stand alone
    rekey: Option<Option<Duration>>,
    /// Call once more, with the ticket of the first call: one round trip, and speech leaves with the first message
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    voice: VoiceOptions,
    #[command(flatten)]
    recording: RecordOptions,
}

/// Runs `mikey demo`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    let ui = *ui;
    let clock = Clock::start();
    let policies = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let (recorder, key_log) = args.recording.start(ui, clock)?;
    ui.text("MIKEYv2 demo: alice calls bob over UDP on loopback\n");
    let (voice, origin) = args.voice.voice(SpeechSide::Caller)?;
    let rekey = args.rekey.map(|every| every.unwrap_or(voice.duration() / RENEWALS));
    let mut configs = setup::prepare(&args, clock, rekey)?.into_iter();
    let (Some(alice), Some(bob)) = (configs.next(), configs.next()) else { return Ok(()) };
    let random = std::sync::Arc::clone(&alice.config.provider.random);
    let bobs = args.voice.voice(SpeechSide::Callee)?;

    let mut ends = Vec::new();
    for (name, prepared, (voice, origin)) in [("alice", alice, (voice, origin)), ("bob", bob, bobs)] {
        let identity = prepared.identity.to_string();
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let mut line = Line::open(any, clock, prepared, voice.clone(), boxed(key_log.as_ref()))?;
        line.tap(Box::new(Eavesdropper::new(recorder.tap(clock, See::Sent))?));
        ui.text(format_args!("{name:<6}{identity} at {}\n      says {origin}", line.local_addr()));
        ui.json(&json!({"event": "endpoint", "name": name, "identity": identity, "local": line.local_addr(),
            "speech": origin}));
        ends.push(End::new(name, line, voice));
    }
    ui.text(match (args.psk, args.sas) {
        (true, _) => "\nEach has the same random pre-shared key, made for this run.",
        (_, true) => {
            "\nNeither knows anything of the other: they will compare a short authentication string."
        }
        _ => "\nEach has a certificate of a CA that was made for this run.",
    });
    let mut ends = ends.into_iter();
    let (Some(mut alice), Some(mut bob)) = (ends.next(), ends.next()) else { return Ok(()) };
    let call = setup::offer(&policies, &*random)?;
    let done = calls(ui, &args, (&call, &*random), &recorder, &mut alice, &mut bob).await;
    recorder.finish()?;
    done
}

/// The call, and with `--resume` another one.
async fn calls(
    ui: Ui,
    args: &Args,
    (call, random): (&Call, &dyn SecureRandom),
    recorder: &Recorder,
    alice: &mut End,
    bob: &mut End,
) -> Result {
    let to = bob.line.local_addr();
    alice.line.call(to, call)?;
    talk::converse(ui, recorder, alice, bob).await?;
    alice.line.finish().await;
    bob.line.finish().await;
    finale::first(ui, recorder, args.rekey.is_some(), alice, bob)?;
    if !args.resume {
        return Ok(());
    }
    let no_ticket = || Error::failed("bob gave alice no ticket for another call");
    let ticket = alice.line.take_ticket().ok_or_else(no_ticket)?;
    let policy = alice.policy().ok_or_else(no_ticket)?;
    let before = alice.level();
    alice.again();
    bob.again();
    recorder.take_sightings();
    recorder.look_for_speech();
    ui.text("\nalice calls bob again, with the ticket that he gave her in the first call");
    alice.line.resume(to, ticket, &setup::offer(&[policy], random)?)?;
    alice.known_before = before;
    bob.known_before = before;
    talk::converse(ui, recorder, alice, bob).await?;
    alice.line.finish().await;
    bob.line.finish().await;
    finale::second(ui, alice, bob)
}
