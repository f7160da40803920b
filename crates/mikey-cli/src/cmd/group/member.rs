//! A member at work: it joins, listens, speaks, goes to the next controller when one falls silent, and leaves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mikey::group::Timing;
use mikey::keying::GroupRequest;
use mikey::{AgentEvent, CallId, GroupHandle, Kind, Name};
use mikey_net::{Driver, Happening, Media};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::audio::g711::Law;
use crate::audio::rtp::{FRAME, Packet, Packetizer, Playout};
use crate::call::credentials::stream_start;
use crate::call::outcome::failure;
use crate::error::{Error, Result, io_reason};
use crate::ui::Ui;

/// From one packet to the next.
const PACE: Duration = Duration::from_millis(20);
/// How often it is said what was heard since.
const REPORT: Duration = Duration::from_secs(1);
/// How long after one controller the next is asked.
const NEXT: Duration = Duration::from_millis(500);
/// How long leaving may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Speakers that are recorded.
const MAX_SPEAKERS: usize = 64;

/// A controller of the group.
#[derive(Clone, Debug)]
pub(super) struct Controller {
    pub(super) address: SocketAddr,
    pub(super) name: Name,
}

/// What is said, and to whom.
pub(super) struct Voice {
    pub(super) octets: Vec<u8>,
    pub(super) to: Vec<SocketAddr>,
    pub(super) session: u8,
}

/// What a member does.
pub(super) struct Plan {
    pub(super) request: GroupRequest,
    pub(super) controllers: Vec<Controller>,
    pub(super) voice: Option<Voice>,
    pub(super) stay: Option<Duration>,
    pub(super) timeout: Duration,
}

/// A member at work.
struct Member {
    ui: Ui,
    driver: Driver,
    plan: Plan,
    /// Which controller was asked last.
    current: usize,
    call: Option<CallId>,
    /// When the next controller is asked.
    ask_at: Option<Instant>,
    /// When it gives up.
    give_up: Option<Instant>,
    /// Why the last one did not let us in.
    why: Option<Error>,
    group: Option<GroupHandle>,
    epoch: u32,
    source: Option<Packetizer>,
    said: usize,
    heard: BTreeMap<u32, Heard>,
    leaving: bool,
}

/// One speaker.
struct Heard {
    packets: u64,
    told: u64,
    playout: Playout,
}

impl Plan {
    /// Joins, and does it until it is over. What was heard, a speaker each.
    pub(super) async fn run(self, ui: Ui, driver: Driver, identity: Name) -> Result<Vec<Playout>> {
        ui.text(format_args!("{identity} listens on {}", driver.local_addr()));
        ui.json(
            &json!({"event": "listening", "local": driver.local_addr(), "identity": identity.to_string()}),
        );
        let now = Instant::now();
        let mut member = Member {
            ui,
            driver,
            current: self.controllers.len() - 1,
            call: None,
            ask_at: Some(now),
            give_up: Some(now + self.timeout),
            why: None,
            group: None,
            epoch: 0,
            source: None,
            said: 0,
            heard: BTreeMap::new(),
            leaving: false,
            plan: self,
        };
        let done = member.work().await;
        member.report();
        member.driver.flush().await;
        done.map(|()| member.heard.into_values().map(|heard| heard.playout).collect())
    }
}

impl Member {
    async fn work(&mut self) -> Result {
        let failed = |error: std::io::Error| Error::failed(format!("signals: {}", io_reason(&error)));
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let (mut pace, mut report) = (interval(PACE), interval(REPORT));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = self.plan.stay.map(|stay| Instant::now() + stay);
        loop {
            tokio::select! {
                happening = self.driver.next() => {
                    let happening =
                        happening.map_err(|error| Error::failed(format!("the socket: {}", io_reason(&error))))?;
                    if self.happened(happening)? {
                        return Ok(());
                    }
                }
                () = until(self.ask_at), if !self.leaving => self.ask()?,
                () = until(self.give_up) => {
                    let silent = || Error::failed("no controller lets us in");
                    return Err(self.why.take().unwrap_or_else(silent));
                }
                () = until(end) => {
                    if self.leave() {
                        return Ok(());
                    }
                    end = Some(Instant::now() + FAREWELL);
                }
                _ = terminate.recv() => end = Some(Instant::now()),
                _ = interrupt.recv() => end = Some(Instant::now()),
                _ = pace.tick(), if self.source.is_some() => self.speak(),
                _ = report.tick() => self.report(),
            }
        }
    }

    /// Asks the next controller.
    fn ask(&mut self) -> Result {
        self.ask_at = None;
        self.current = (self.current + 1) % self.plan.controllers.len();
        let Some(Controller { address, name }) = self.plan.controllers.get(self.current) else {
            return Ok(());
        };
        let (request, timing) = (self.plan.request.clone(), Timing::default());
        let call =
            self.driver.join(*address, name.clone(), request, timing).map_err(|error| failure(&error))?;
        self.call = Some(call);
        Ok(())
    }

    /// Leaves; whether there is nothing to wait for.
    fn leave(&mut self) -> bool {
        let Some(group) = self.group.filter(|_| !self.leaving) else { return true };
        self.leaving = true;
        self.source = None;
        self.give_up = None;
        self.driver.leave(group).is_err()
    }

    /// Whether it is over.
    fn happened(&mut self, happening: Happening) -> Result<bool> {
        match happening {
            Happening::Media(media) => self.hear(&media),
            Happening::Event(event) => return self.event(event),
            _ => {}
        }
        Ok(false)
    }

    fn event(&mut self, event: AgentEvent) -> Result<bool> {
        let ui = self.ui;
        match event {
            AgentEvent::GroupJoined { group, .. } => self.joined(group)?,
            AgentEvent::GroupEpoch { group, epoch } if Some(group) == self.group => self.renewed(epoch),
            AgentEvent::GroupLeft { expelled, .. } => {
                ui.json(&json!({"event": "left", "expelled": expelled}));
                if expelled && !self.leaving {
                    return Err(Error::failed("the controller has removed us from the group"));
                }
                ui.text("left");
                return Ok(true);
            }
            AgentEvent::ControllerLost { .. } => {
                ui.note("the controller does not answer any more");
                ui.json(&json!({"event": "controller_lost"}));
                let now = Instant::now();
                (self.ask_at, self.give_up) = (Some(now), Some(now + self.plan.timeout));
            }
            AgentEvent::CallFailed { call, why } if Some(call) == self.call => {
                let error = failure(&why);
                ui.note(format_args!("not let in: {error}"));
                ui.json(&json!({"event": "refused", "why": error.message()}));
                self.why = Some(error);
                self.ask_at = Some(Instant::now() + NEXT);
            }
            AgentEvent::GroupFailed { why, .. } => {
                self.why = Some(Error::failed(why.to_string()));
                self.ask_at = Some(Instant::now() + NEXT);
            }
            _ => {}
        }
        Ok(false)
    }

    fn joined(&mut self, group: GroupHandle) -> Result {
        (self.group, self.give_up, self.ask_at, self.why) = (Some(group), None, None, None);
        let Some(member) = self.driver.agent().member(group) else { return Ok(()) };
        self.epoch = member.epoch();
        let ssrcs: Vec<u32> =
            member.senders().filter(|sender| sender.yours).map(|sender| sender.ssrc).collect();
        let name =
            self.plan.controllers.get(self.current).map_or("-".to_owned(), |known| known.name.to_string());
        self.ui.result(
            format_args!("joined at {name}, epoch {}", self.epoch),
            &json!({"event": "joined", "controller": name, "epoch": self.epoch, "ssrcs": ssrcs}),
        );
        if let Some(voice) = &self.plan.voice {
            let own = member.senders().find(|sender| sender.yours && sender.cs_id == voice.session);
            let Some(own) = own.map(|sender| sender.ssrc) else {
                return Err(Error::failed(format!("the group has no RTP session {}", voice.session)));
            };
            let start = stream_start(&*mikey_crypto_aws_lc::provider().random)?;
            self.source = Some(Packetizer::new(Law::Pcma, own, start.sequence, start.timestamp));
        }
        Ok(())
    }

    fn renewed(&mut self, epoch: u32) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.ui.result(format_args!("epoch {epoch}"), &json!({"event": "epoch", "epoch": epoch}));
        }
    }

    fn speak(&mut self) {
        let (Some(group), Some(source), Some(voice)) = (self.group, &mut self.source, &self.plan.voice)
        else {
            return;
        };
        let frame = voice.octets.get(self.said..self.said + FRAME);
        let Some(frame) = frame.or_else(|| voice.octets.get(..FRAME)) else { return };
        self.said = if self.said + 2 * FRAME > voice.octets.len() { 0 } else { self.said + FRAME };
        let packet = source.packet(frame);
        // While we are no member there is no key.
        let _ = self.driver.send_group_media(group, voice.session, Kind::Rtp, &packet, &voice.to);
    }

    fn hear(&mut self, media: &Media) {
        let Some(packet) = Packet::parse(&media.packet).filter(|_| media.kind == Kind::Rtp) else { return };
        if !self.heard.contains_key(&packet.ssrc) && self.heard.len() >= MAX_SPEAKERS {
            return;
        }
        let ui = self.ui;
        let heard = self.heard.entry(packet.ssrc).or_insert_with(|| {
            ui.result(
                format_args!("speaker {:08x}", packet.ssrc),
                &json!({"event": "speaker", "ssrc": packet.ssrc}),
            );
            Heard { packets: 0, told: 0, playout: Playout::new(Law::Pcma, packet.ssrc) }
        });
        heard.packets += 1;
        heard.playout.push(&packet);
    }

    /// What was heard since it was said last.
    fn report(&mut self) {
        for (ssrc, heard) in &mut self.heard {
            if heard.packets > heard.told {
                let new = heard.packets - heard.told;
                heard.told = heard.packets;
                self.ui.json(&json!({
                    "event": "heard", "ssrc": ssrc, "packets": new, "all": heard.packets, "epoch": self.epoch
                }));
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
