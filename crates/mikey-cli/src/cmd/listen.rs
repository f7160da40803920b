//! `mikey listen`: be called.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mikey_net::Clock;
use serde_json::json;

use crate::audio::speech::{self, Side as SpeechSide};
use crate::call::console::Console;
use crate::call::credentials::Credentials;
use crate::call::describe;
use crate::call::event::{LineEvent, Unverified as Uncompared};
use crate::call::line::Line;
use crate::call::outcome::advice;
use crate::call::record::{Recorder, See};
use crate::call::report;
use crate::call::sas;
use crate::call::version1::V1Algorithms;
use crate::cmd::call::MIKEY_PORT;
use crate::cmd::options::{RecordOptions, VoiceOptions, boxed, seconds};
use crate::error::{Error, Result};
use crate::ui::{Ui, printable};

/// How long a request of ours is sent again.
const REQUEST_LIFETIME: Duration = Duration::from_secs(12);

/// How often messages that did not verify are looked for.
const TICK: Duration = Duration::from_secs(1);

/// Arguments of `mikey listen`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey listen --identity sip:bob@example.com --cert bob/bob.pem --key bob/bob.key --ca ca/ca.pem
  mikey listen --identity sip:bob@example.com --peer sip:alice@example.com --psk alice-bob.psk --once
  mikey listen --identity sip:bob@example.com --sas --once")]
pub(crate) struct Args {
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    voice: VoiceOptions,
    /// Write what was heard to a WAV file; further calls get a number before the extension
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), MIKEY_PORT))]
    bind: SocketAddr,
    /// Answer MIKEY version 1 as well, with these algorithms. It needs clocks that agree within five minutes
    #[arg(long, value_name = "ALGORITHMS", value_enum)]
    v1: Option<V1Algorithms>,
    /// Stop after the first call with an authenticated peer
    #[arg(long)]
    once: bool,
    /// Stop if nobody authenticated has called for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    wait: Option<u64>,
    /// Renew the keys after so many seconds, again and again, with a new key exchange each time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    rekey: Option<Duration>,
    #[command(flatten)]
    recording: RecordOptions,
}

/// Runs `mikey listen`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    let ui = *ui;
    let clock = Clock::start();
    let srtp = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let prepared = args.credentials.prepare(ui, clock, srtp, REQUEST_LIFETIME, args.rekey, args.v1)?;
    let (voice, origin) = args.voice.voice(SpeechSide::Callee)?;
    let (recorder, key_log) = args.recording.start(ui, clock)?;
    let identity = prepared.identity.to_string();
    let mut line = Line::open(args.bind, clock, prepared, voice, boxed(key_log.as_ref()))?;
    line.tap(recorder.tap(clock, See::Everything));
    ui.text(format_args!("{identity} listens on {}", line.local_addr()));
    ui.text(format_args!("speech: {origin}"));
    ui.json(&json!({"event": "listening", "local": line.local_addr(), "identity": identity}));
    let done = serve(ui, &mut line, &recorder, &args).await;
    if done.is_err() {
        // Whoever still compares a SAS with us is told that we have gone.
        line.hang_up();
    }
    line.finish().await;
    recorder.finish()?;
    done
}

async fn serve(ui: Ui, line: &mut Line, recorder: &Recorder, args: &Args) -> Result {
    let wait = args.wait.map(Duration::from_secs);
    let mut deadline = wait.map(|wait| tokio::time::Instant::now() + wait);
    let (mut calls, mut refused, mut asked_to_stop) = (0u32, 0u32, false);
    let mut unverified = Unverified::default();
    let mut console = Console::new();
    let mut tick = tokio::time::interval(TICK);
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
            () = sleep_until(deadline), if !line.is_busy() => {
                unverified.check(ui, line);
                return Err(nobody(calls, refused, unverified.seen));
            }
            _ = tick.tick() => {
                unverified.check(ui, line);
                continue;
            }
            _ = tokio::signal::ctrl_c(), if !asked_to_stop => {
                if !line.is_busy() {
                    return Ok(());
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
            LineEvent::Unverified { session, known, why } => {
                console.forget(session);
                refused = refused.saturating_add(1);
                recorder.take_sightings();
                let error = sas::failure(&known, why);
                // What the person here says ends the tool. A caller must not be able to do that.
                if args.once || asked_to_stop || why == Uncompared::Differs {
                    return Err(error);
                }
                ui.warn(&error);
                if let Some(hint) = error.hint_text() {
                    ui.note(format_args!("hint: {hint}"));
                }
            }
            LineEvent::Over { session, known, tally, heard_law, renewals, .. } => {
                calls += 1;
                report::over(ui, line, session, &known, &tally, renewals);
                if let Some(path) = &args.record {
                    let path = numbered(path, calls);
                    speech::write_wav(&path, heard_law, &tally.heard)?;
                    ui.text(format_args!("what was heard: {}", path.display()));
                }
                recorder.take_sightings();
                if args.once || (asked_to_stop && !line.is_busy()) {
                    let left = Error::failed("the peer left without a goodbye");
                    return tally.lost.map(drop).ok_or(left);
                }
                deadline = wait.map(|wait| tokio::time::Instant::now() + wait);
            }
            LineEvent::CallerRefused { remote, why } => {
                refused = refused.saturating_add(1);
                recorder.take_sightings();
                ui.warn(format_args!("a caller at {remote} was refused: {}", printable(&why.to_string())));
                if let Some(advice) = advice(&why) {
                    ui.note(format_args!("hint: {advice}"));
                }
                ui.json(&json!({"event": "caller_refused", "remote": remote, "why": why.to_string()}));
            }
            LineEvent::CallFailed(_) | LineEvent::BranchFailed { .. } => {}
        }
    }
}

/// Messages that did not verify: what a caller with another pre-shared key looks like, and what anybody can send.
#[derive(Default)]
struct Unverified {
    seen: u64,
}

impl Unverified {
    fn check(&mut self, ui: Ui, line: &Line) {
        let now = line.unverified();
        if now > self.seen {
            let count = now - self.seen;
            ui.warn(format_args!("{count} messages did not verify and were dropped"));
            ui.note("hint: a caller with another pre-shared key, or noise: compare the keys and the names on both sides");
            ui.json(&json!({"event": "unverified", "messages": count}));
            self.seen = now;
        }
    }
}

/// Nobody authenticated called: whether somebody tried decides the exit code.
fn nobody(calls: u32, refused: u32, unverified: u64) -> Error {
    match (calls, refused, unverified) {
        (0, 0, 0) => Error::failed("nobody called"),
        (0, ..) => Error::peer_authentication("nobody who called could be authenticated"),
        _ => Error::failed("nobody else called"),
    }
}

/// `heard.wav`, `heard-2.wav`, ..
fn numbered(path: &Path, call: u32) -> PathBuf {
    if call <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    path.with_file_name(format!("{stem}-{call}{extension}"))
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_numbered() {
        assert_eq!(numbered(Path::new("a/heard.wav"), 1), Path::new("a/heard.wav"));
        assert_eq!(numbered(Path::new("a/heard.wav"), 3), Path::new("a/heard-3.wav"));
        assert_eq!(numbered(Path::new("heard"), 2), Path::new("heard-2"));
    }
}
