//! The two ends of the demo while they talk.

use mikey::keying::Sas;
use mikey::{AuthLevel, MediaStream, SessionId, SrtpPolicy, Time};

use crate::call::describe;
use crate::call::event::{Known, LineEvent};
use crate::call::leg::Tally;
use crate::call::line::{Line, Voice};
use crate::call::outcome::failure;
use crate::call::record::Recorder;
use crate::call::report::{self, Ends};
use crate::call::sas;
use crate::error::{Error, Result};
use crate::ui::Ui;

/// One end of the call.
pub(super) struct End {
    pub(super) name: &'static str,
    pub(super) line: Line,
    pub(super) voice: Voice,
    started: Option<Started>,
    compare: Option<(SessionId, Sas)>,
    /// Both have compared, as this end knows.
    verified: Option<(SessionId, Known)>,
    pub(super) over: Option<Over>,
    /// Datagrams that were refused in earlier calls.
    refused_before: u64,
    /// How well the peer was known in the call whose ticket this one uses.
    pub(super) known_before: Option<AuthLevel>,
}

struct Started {
    session: SessionId,
    known: Known,
    streams: Vec<MediaStream>,
    at: Time,
}

/// What became of a call.
pub(super) struct Over {
    pub(super) tally: Tally,
    pub(super) renewals: u32,
    pub(super) early_packets: u32,
    /// Datagrams that were refused in this call.
    pub(super) refused: u64,
    /// Those of them whose key was not there.
    pub(super) keyless: u64,
}

impl End {
    pub(super) fn new(name: &'static str, line: Line, voice: Voice) -> Self {
        Self {
            name,
            line,
            voice,
            started: None,
            compare: None,
            verified: None,
            over: None,
            refused_before: 0,
            known_before: None,
        }
    }

    /// Forgets the call, for another one.
    pub(super) fn again(&mut self) {
        (self.started, self.compare, self.verified, self.over) = (None, None, None, None);
        self.refused_before = self.line.refused();
    }

    /// The SRTP policy of what this end sends.
    pub(super) fn policy(&self) -> Option<SrtpPolicy> {
        let stream = self.started.as_ref()?.streams.iter().find(|s| s.sender == mikey::Side::Local)?;
        Some(stream.policy)
    }

    /// How well the peer is known by now.
    pub(super) fn level(&self) -> Option<AuthLevel> {
        match &self.verified {
            Some((_, known)) => Some(known.peer.level),
            None => self.started.as_ref().map(|started| started.known.peer.level),
        }
    }
}

/// Runs both ends until the call is over.
pub(super) async fn converse(ui: Ui, recorder: &Recorder, alice: &mut End, bob: &mut End) -> Result {
    let (mut introduced, mut compared, mut verified) = (false, false, false);
    while alice.over.is_none() || bob.over.is_none() {
        tokio::select! {
            // In this order, so that what alice says with her first message leaves before bob reads it.
            biased;
            event = alice.line.next() => handle(ui, alice, event?)?,
            event = bob.line.next() => handle(ui, bob, event?)?,
        }
        if let (Some(a), Some(b), false) = (&alice.started, &bob.started, introduced) {
            introduced = true;
            let sightings = recorder.take_sightings();
            ui.text("\nhandshake");
            let names = [(alice.line.local_addr(), alice.name), (bob.line.local_addr(), bob.name)];
            report::timeline(ui, &sightings, &Ends::Named(&names));
            report::keyed(ui, &sightings, a.at.max(b.at), "both have the keys");
            introduce(ui, alice, bob);
        }
        if let (Some(a), Some(b), false) = (alice.compare, bob.compare, compared) {
            compared = true;
            compare(ui, (alice, a), (bob, b))?;
        }
        if let (Some(a), Some(b), false) = (&alice.verified, &bob.verified, verified) {
            verified = true;
            ui.text("\nauthenticated, as both have told each other that it is the same");
            for (name, (session, known)) in [(alice.name, a), (bob.name, b)] {
                ui.text(format_args!(
                    "  {name:<6}knows {}",
                    describe::peer(&known.peer, known.role, &known.negotiated)
                ));
                ui.json(&sas::compared(*session, known));
            }
            ui.text("\nspeech is on its way, in both directions");
        }
    }
    Ok(())
}

/// Says what was negotiated and who knows whom.
fn introduce(ui: Ui, alice: &End, bob: &End) {
    let mut speech = true;
    if let Some(Started { known, streams, .. }) = &alice.started {
        ui.text("\nnegotiated");
        report::negotiated(ui, known, streams);
        speech = known.resumed || known.peer.level != AuthLevel::SasUnverified;
        ui.text(if speech { "\nauthenticated" } else { "\nnot authenticated yet: no speech" });
    }
    for end in [alice, bob] {
        let Some(Started { session, known, streams, .. }) = &end.started else { continue };
        let mut known = known.clone();
        match end.known_before.filter(|_| known.resumed) {
            Some(level) => {
                known.peer.level = level;
                ui.text(format_args!(
                    "  {:<6}knows {}, by the ticket of the first call (there: {})",
                    end.name,
                    known.peer.name,
                    describe::level(level)
                ));
            }
            None => ui.text(format_args!(
                "  {:<6}{} {}",
                end.name,
                if speech { "knows" } else { "hears from" },
                describe::peer(&known.peer, known.role, &known.negotiated)
            )),
        }
        ui.json(&report::established(*session, &known, streams));
    }
    if speech {
        ui.text("\nspeech is on its way, in both directions");
    }
}

/// Does what two people do by voice: reads both and says at both ends whether they are the same.
fn compare(ui: Ui, a: (&mut End, (SessionId, Sas)), b: (&mut End, (SessionId, Sas))) -> Result {
    let same = a.1.1 == b.1.1;
    ui.text("\nshort authentication string: what two people read to each other, by voice");
    for (end, (session, sas)) in [a, b] {
        ui.text(format_args!("  {:<6}reads {sas}   or in words: {}", end.name, sas.words()));
        ui.json(&sas::shown(session, end.name, &sas));
        end.line.compared(session, same);
    }
    if !same {
        return Err(Error::peer_authentication(
            "the two ends do not read the same: somebody is between them",
        ));
    }
    ui.text("  the demo has compared them in place of two people: they are the same");
    Ok(())
}

fn handle(ui: Ui, end: &mut End, event: LineEvent) -> Result {
    match event {
        LineEvent::Started { session, known, streams, at } => {
            end.started = Some(Started { session, known, streams, at });
        }
        LineEvent::Compare { session, sas, .. } => end.compare = Some((session, sas)),
        LineEvent::Verified { session, known } => end.verified = Some((session, known)),
        LineEvent::Unverified { known, why, .. } => return Err(sas::failure(&known, why)),
        LineEvent::Over { tally, renewals, early_packets, .. } => {
            let refused = end.line.refused() - end.refused_before;
            let keyless = end.line.keyless();
            end.over = Some(Over { tally, renewals, early_packets, refused, keyless });
        }
        LineEvent::CallFailed(why) => return Err(failure(&why)),
        LineEvent::BranchFailed { why, .. } | LineEvent::CallerRefused { why, .. } => {
            ui.warn(format_args!("{} refused a message: {why}", end.name));
        }
    }
    Ok(())
}
