//! `mikey group-demo`: a controller and its members in one process, over real UDP sockets on loopback.
//!
//! One member speaks to all. In the middle of it one is expelled and hears nothing from the next packet on, and later one joins
//! and hears the next packet. Everybody gets every packet, before, during and after: what is heard is what can be decrypted.

mod cast;
mod desk;
mod finale;
mod scene;

use mikey::SrtpPolicy;
use mikey_net::Clock;
use serde_json::json;

use self::scene::Scene;
use crate::audio::speech::Side;
use crate::call::describe;
use crate::cmd::options::VoiceOptions;
use crate::error::Result;
use crate::ui::Ui;

/// Arguments of `mikey group-demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey group-demo
  mikey group-demo --members 200
  mikey group-demo --members 4 --fast --json
  mikey group-demo --audio speech.wav")]
pub(crate) struct Args {
    /// How many members there are: one speaks, one is expelled, one joins late, the others hear everything
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(4..=250))]
    members: u16,
    #[command(flatten)]
    voice: VoiceOptions,
}

/// Runs `mikey group-demo`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    let ui = *ui;
    let clock = Clock::start();
    let (voice, origin) = args.voice.voice(Side::Caller)?;
    // A group has one policy: the one that is named, else the first of all.
    let policies = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let policy = policies.first().copied().unwrap_or(SrtpPolicy::AEAD_AES_128_GCM);
    ui.text(format_args!(
        "MIKEYv2 group demo: a controller and {} members, over UDP on loopback\n",
        args.members
    ));
    let cast = cast::cast(clock, args.members.into(), policy)?;
    ui.text(format_args!("controller  {} at {}", cast::CONTROLLER, cast.desk.local_addr()));
    ui.text(format_args!("speaker     {} says {origin}", cast::SPEAKER));
    ui.text("\nEach has a certificate of a CA that was made for this run. Each gets every packet, member or not.\n");
    ui.json(&json!({"event": "cast", "members": args.members, "controller": cast.desk.local_addr(),
        "speech": origin}));
    let mut scene = Scene::new(ui, clock, cast, voice);
    scene.play().await?;
    finale::finale(ui, &scene)
}
