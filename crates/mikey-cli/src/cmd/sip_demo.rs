//! `mikey sip-demo`: a call over SIP that a proxy forks to three phones of one person, of which one is picked up.
//!
//! One INIT_REQ goes in the offer; each phone answers it with an INIT_RESP of its own, which is a branch; CCE runs on the
//! media path with the phone that was picked up. The network copies the caller's packets to the two others.

mod copier;
mod finale;
mod scene;
mod setup;
mod wires;

use mikey_net::Clock;
use serde_json::json;

use self::scene::Scene;
use crate::audio::speech::Side as SpeechSide;
use crate::call::describe;
use crate::cmd::options::{Algorithms, RecordOptions, VoiceOptions, boxed};
use crate::error::Result;
use crate::ui::Ui;

/// The phones of the person who is called, in the order in which the proxy has them.
const PHONES: [&str; 3] = ["home", "desk", "cell"];
/// The one that is picked up.
const PICKED_UP: usize = 1;

/// Arguments of `mikey sip-demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey sip-demo
  mikey sip-demo --fingerprint
  mikey sip-demo --early-media --pcap sip-demo.pcap")]
pub(crate) struct Args {
    /// Authenticate by the fingerprints and tls-ids that offer and answer carry, instead of by a CA
    #[arg(long)]
    fingerprint: bool,
    /// Agree on keys with every phone while it rings: the one that will be picked up speaks before it is
    #[arg(long)]
    early_media: bool,
    #[command(flatten)]
    algorithms: Algorithms,
    #[command(flatten)]
    voice: VoiceOptions,
    #[command(flatten)]
    recording: RecordOptions,
}

/// Runs `mikey sip-demo`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    let ui = *ui;
    let clock = Clock::start();
    let policies = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let (recorder, key_log) = args.recording.start(ui, clock)?;
    ui.text("MIKEYv2 SIP demo: alice calls bob, and a proxy forks the call to his three phones\n");
    let (alices, bobs) = (args.voice.voice(SpeechSide::Caller)?, args.voice.voice(SpeechSide::Callee)?);
    let cast = setup::cast(&args, clock, &recorder, (alices, bobs), || boxed(key_log.as_ref())).await?;
    for (name, about, sip, media) in cast.places() {
        let media = media.map_or_else(String::new, |media| format!(", media at {media}"));
        ui.text(format_args!("{name:<6}{about}, SIP at {sip}{media}"));
    }
    ui.json(&json!({"event": "cast", "phones": PHONES, "picked_up": PHONES[PICKED_UP]}));
    ui.text(if args.fingerprint {
        "\nOffer and answers carry fingerprints of certificates that nobody has issued, and tls-ids."
    } else {
        "\nEach has a certificate of a CA that was made for this run."
    });
    let copied = cast.copied();
    let mut scene = Scene::new(ui, recorder.clone(), cast, args.early_media);
    let done = scene.play(&policies).await;
    let done = match done {
        Ok(()) => finale::finale(ui, &scene, &copied),
        failed => failed,
    };
    recorder.finish()?;
    done
}
