//! What happens: all join but one, the speaker speaks, one is expelled, one joins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mikey::group::Timing;
use mikey::keying::GroupRequest;
use mikey::{AgentEvent, Kind, Refused, Time};
use mikey_net::{Clock, Happening};
use serde_json::json;

use super::cast::{CONTROLLER, Cast, Ear, GROUP, Part, failed};
use super::desk::{CS_ID, Desk};
use crate::audio::rtp::{FRAME, Packet, Packetizer};
use crate::call::credentials::parse_name;
use crate::call::leg::Pace;
use crate::call::line::Voice;
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Loopback and a lone process: what takes longer than this has failed, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(60);
/// A packet each 20 ms.
const PACE: Duration = Duration::from_millis(20);

pub(super) struct Scene {
    ui: Ui,
    clock: Clock,
    voice: Voice,
    pub(super) desk: Desk,
    pub(super) ears: Vec<Ear>,
    everybody: Vec<SocketAddr>,
    /// What was said, by sequence number: the epoch that it was under, and the octets.
    pub(super) said: BTreeMap<u16, (u32, Vec<u8>)>,
}

impl Scene {
    pub(super) fn new(ui: Ui, clock: Clock, cast: Cast, voice: Voice) -> Self {
        let Cast { desk, ears } = cast;
        let everybody = ears.iter().skip(1).map(|ear| ear.driver.local_addr()).collect();
        Self { ui, clock, voice, desk, ears, everybody, said: BTreeMap::new() }
    }

    /// Plays it all.
    pub(super) async fn play(&mut self) -> Result {
        let begun = self.clock.now();
        for ear in self.ears.iter_mut().filter(|ear| ear.part != Part::JoinsLate) {
            join(ear, self.desk.local_addr())?;
        }
        self.until("not everybody got into the group", |scene| {
            let (epoch, _) = scene.desk.state();
            scene
                .ears
                .iter()
                .filter(|ear| ear.part != Part::JoinsLate)
                .all(|ear| ear.epoch() == epoch && epoch > 0)
        })
        .await?;
        let (epoch, members) = self.desk.state();
        for ear in self.ears.iter_mut().filter(|ear| ear.part != Part::JoinsLate) {
            ear.from = Some(epoch);
        }
        self.note("joined", begun, &format!("{members} members have joined, all hear the speaker"), epoch);

        let frames: Vec<Vec<u8>> = self.voice.speech.chunks_exact(FRAME).map(<[u8]>::to_vec).collect();
        let ssrc =
            self.speaker().and_then(Ear::ssrc).ok_or_else(|| Error::failed("the speaker has no ssrc"))?;
        let mut packets = Packetizer::new(self.voice.law, ssrc, 1, 0);
        let third = frames.len() / 3;
        let mut next = self.clock.now();
        for (at, frame) in frames.iter().enumerate() {
            if at == third {
                self.expel().await?;
            }
            if at == 2 * third {
                self.join_late().await?;
            }
            self.speak(&packets.packet(frame), frame)?;
            next = next + PACE;
            self.pause(next).await?;
        }
        self.until("not every packet came", |scene| scene.ears.iter().all(|ear| ear.has_heard(&scene.said)))
            .await
    }

    async fn expel(&mut self) -> Result {
        let begun = self.clock.now();
        let Some(name) =
            self.ears.iter().find(|ear| ear.part == Part::IsExpelled).map(|ear| ear.name.clone())
        else {
            return Ok(());
        };
        let before = self.desk.state().0;
        self.desk.expel(&name)?;
        self.until("the expelled one was not expelled", |scene| {
            scene.speaker().is_some_and(|speaker| speaker.epoch() > before)
        })
        .await?;
        let epoch = self.desk.state().0;
        self.ears
            .iter_mut()
            .filter(|ear| ear.part == Part::IsExpelled)
            .for_each(|ear| ear.until = Some(epoch));
        self.note("expelled", begun, &format!("{name} was expelled, the speaker has the new key"), epoch);
        Ok(())
    }

    async fn join_late(&mut self) -> Result {
        let begun = self.clock.now();
        let to = self.desk.local_addr();
        for ear in self.ears.iter_mut().filter(|ear| ear.part == Part::JoinsLate) {
            join(ear, to)?;
        }
        let is_in = |ear: &Ear| ear.part != Part::JoinsLate || ear.group.is_some();
        self.until("the late one did not get into the group", |scene| {
            let epoch = scene.desk.state().0;
            scene.ears.iter().all(is_in) && scene.speaker().is_some_and(|speaker| speaker.epoch() == epoch)
        })
        .await?;
        let epoch = self.desk.state().0;
        let mut name = String::new();
        for ear in self.ears.iter_mut().filter(|ear| ear.part == Part::JoinsLate) {
            ear.from = Some(epoch);
            name = ear.name.to_string();
        }
        self.note("joined_late", begun, &format!("{name} has joined"), epoch);
        Ok(())
    }

    fn note(&self, event: &str, begun: Time, text: &str, epoch: u32) {
        let took = Duration::from_nanos(self.clock.now().as_nanos().saturating_sub(begun.as_nanos()));
        let millis = took.as_secs_f64() * 1000.0;
        let packet = self.said.len() + 1;
        self.ui.text(format_args!("{millis:>9.1} ms  {text}: epoch {epoch}, from packet {packet} on"));
        self.ui.json(&json!({"event": event, "epoch": epoch, "from_packet": packet, "milliseconds": millis}));
    }

    fn speaker(&self) -> Option<&Ear> {
        self.ears.first()
    }

    fn speak(&mut self, packet: &[u8], frame: &[u8]) -> Result {
        let Some(speaker) = self.ears.first_mut() else { return Ok(()) };
        let group = speaker.group.ok_or_else(|| Error::failed("the speaker is no member any more"))?;
        let sequence = Packet::parse(packet).map_or(0, |packet| packet.sequence);
        speaker.driver.send_group_media(group, CS_ID, Kind::Rtp, packet, &self.everybody).map_err(failed)?;
        self.said.insert(sequence, (speaker.epoch(), frame.to_vec()));
        Ok(())
    }

    /// Lets everybody work until then, and at least once.
    async fn pause(&mut self, until: Time) -> Result {
        loop {
            while self.turn().await? {}
            let left = until.as_nanos().saturating_sub(self.clock.now().as_nanos());
            if left == 0 || matches!(self.voice.pace, Pace::Fast) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_nanos(left).min(Duration::from_millis(2))).await;
        }
    }

    /// Lets everybody work until something is so.
    async fn until(&mut self, otherwise: &str, mut so: impl FnMut(&Self) -> bool) -> Result {
        let end = self.clock.now() + PATIENCE;
        while !so(self) {
            if self.clock.now() > end {
                return Err(Error::failed(otherwise));
            }
            if !self.turn().await? {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Ok(())
    }

    /// Everybody does what there is to be done now; whether there was anything.
    async fn turn(&mut self) -> Result<bool> {
        let mut any = self.desk.turn().await?;
        for ear in &mut self.ears {
            any |= ear.turn().await?;
        }
        Ok(any)
    }
}

impl Ear {
    pub(super) fn epoch(&self) -> u32 {
        self.group.and_then(|group| self.driver.agent().member(group)).map_or(0, |member| member.epoch())
    }

    fn ssrc(&self) -> Option<u32> {
        let member = self.driver.agent().member(self.group?)?;
        member.senders().find(|sender| sender.yours).map(|sender| sender.ssrc)
    }

    /// Whether it is to have the keys of an epoch.
    pub(super) fn is_to_hear(&self, epoch: u32) -> bool {
        self.part != Part::Speaks
            && self.from.is_some_and(|from| from <= epoch)
            && self.until.is_none_or(|until| epoch < until)
    }

    fn has_heard(&self, said: &BTreeMap<u16, (u32, Vec<u8>)>) -> bool {
        said.iter()
            .all(|(sequence, (epoch, _))| !self.is_to_hear(*epoch) || self.heard.contains_key(sequence))
    }

    async fn turn(&mut self) -> Result<bool> {
        let mut any = false;
        while let Ok(happened) = tokio::time::timeout(Duration::ZERO, self.driver.next()).await {
            any = true;
            match happened.map_err(failed)? {
                Happening::Event(AgentEvent::GroupJoined { group, .. }) => self.group = Some(group),
                Happening::Event(AgentEvent::GroupLeft { .. }) => {
                    self.group = None;
                    self.told_out = true;
                }
                Happening::Event(AgentEvent::CallFailed { why, .. }) => {
                    return Err(Error::failed(format!("{} did not get into the group: {why}", self.name)));
                }
                Happening::Media(media) => {
                    if let Some(packet) = Packet::parse(&media.packet) {
                        self.heard.insert(packet.sequence, packet.payload.to_vec());
                    }
                }
                Happening::Refused { why: Refused::Media(_), .. } => self.deaf += 1,
                _ => {}
            }
        }
        Ok(any)
    }
}

fn join(ear: &mut Ear, to: SocketAddr) -> Result {
    let roles = ear.part.roles();
    let request = GroupRequest { group: GROUP.to_vec(), roles, ssrcs: u8::from(roles.sends) };
    ear.driver.join(to, parse_name(CONTROLLER)?, request, Timing::default()).map_err(failed)?;
    Ok(())
}
