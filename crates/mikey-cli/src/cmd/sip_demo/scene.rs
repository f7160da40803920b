//! The SIP demo as it runs: messages of signalling between the five, and what each does with the MIKEY in them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use mikey::keying::{Branches, Expected, Signalled};
use mikey::{Call, CallId, MediaStream, SessionId, Side, SrtpPolicy, Stream, Time};
use mikey_wire::DataType;
use serde_json::json;

use super::setup::{Alice, BOB, Binding, Cast, Handset};
use super::{PHONES, PICKED_UP};
use crate::call::credentials::{parse_name, stream_start};
use crate::call::describe;
use crate::call::event::{Known, LineEvent};
use crate::call::leg::Tally;
use crate::call::line::Line;
use crate::call::outcome::failure;
use crate::call::record::{Recorder, Sighting};
use crate::call::report::{self, Ends};
use crate::error::{Error, Result};
use crate::sip::Outgoing;
use crate::sip::caller::CallerEvent;
use crate::sip::message::Message;
use crate::sip::phone::PhoneEvent;
use crate::sip::sdp::{self, Description, PROTOCOLS};
use crate::ui::Ui;

/// How long all phones ring before one is picked up.
const RINGING: Duration = Duration::from_millis(50);
/// Besides the speech, the whole demo takes at most so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The demo.
pub(super) struct Scene {
    ui: Ui,
    recorder: Recorder,
    cast: Cast,
    early_media: bool,
    call: Option<CallId>,
    /// What each phone answered, by the tag of its dialog.
    answers: BTreeMap<String, Description>,
    /// Where the media of the phone is that was picked up.
    taken: Option<SocketAddr>,
    all_ring: bool,
    pick_up_at: Option<tokio::time::Instant>,
    invited: Vec<Option<Invited>>,
    alices: Vec<Started>,
    phones: Vec<Vec<Started>>,
    introduced: bool,
    pub(super) alice_over: Option<Over>,
    pub(super) phone_over: Option<Over>,
    hanging_up: bool,
    hung_up: bool,
    /// Phones that were told that another one was picked up.
    pub(super) cancelled: Vec<&'static str>,
    /// Packets that alice had heard when the phone was picked up.
    pub(super) early: Option<usize>,
}

/// An offer as a phone has answered it.
struct Invited {
    init_req: Vec<u8>,
    answer: Vec<u8>,
}

/// A session that has keys.
struct Started {
    session: SessionId,
    known: Known,
    streams: Vec<MediaStream>,
    at: Time,
}

/// What became of the speech of one side.
pub(super) struct Over {
    pub(super) tally: Tally,
}

impl Scene {
    pub(super) fn new(ui: Ui, recorder: Recorder, cast: Cast, early_media: bool) -> Self {
        Self {
            ui,
            recorder,
            cast,
            early_media,
            call: None,
            answers: BTreeMap::new(),
            taken: None,
            all_ring: false,
            pick_up_at: None,
            invited: PHONES.iter().map(|_| None).collect(),
            alices: Vec::new(),
            phones: PHONES.iter().map(|_| Vec::new()).collect(),
            introduced: false,
            alice_over: None,
            phone_over: None,
            hanging_up: false,
            hung_up: false,
            cancelled: Vec::new(),
            early: None,
        }
    }

    pub(super) fn alice(&self) -> &Alice {
        &self.cast.alice
    }

    pub(super) fn handsets(&self) -> &[Handset] {
        &self.cast.phones
    }

    /// How many phones have answered the one offer, and how many sessions each has had.
    pub(super) fn counts(&self) -> (usize, Vec<usize>) {
        (self.answers.len(), self.phones.iter().map(Vec::len).collect())
    }

    /// Plays it to its end.
    pub(super) async fn play(&mut self, policies: &[SrtpPolicy]) -> Result {
        let speech = self
            .cast
            .alice
            .voice
            .duration()
            .max(self.handsets().first().map_or(Duration::ZERO, |phone| phone.voice.duration()));
        let played = tokio::time::timeout(speech * 2 + PATIENCE, self.act(policies)).await;
        played.map_err(|_| Error::failed("the demo did not come to its end in time"))??;
        self.cast.alice.line.finish().await;
        for phone in &mut self.cast.phones {
            phone.line.finish().await;
        }
        Ok(())
    }

    async fn act(&mut self, policies: &[SrtpPolicy]) -> Result {
        let invite = self.invite(policies)?;
        self.send(self.cast.alice.sip, vec![invite]).await?;
        while !self.hung_up {
            let [home, desk, cell] = self.cast.phones.as_mut_slice() else { return Ok(()) };
            let happened = tokio::select! {
                biased;
                datagram = self.cast.wires.next() => Happened::Datagram(datagram?),
                event = self.cast.alice.line.next() => Happened::Alice(event?),
                event = home.line.next() => Happened::Phone(0, event?),
                event = desk.line.next() => Happened::Phone(1, event?),
                event = cell.line.next() => Happened::Phone(2, event?),
                () = until(self.pick_up_at) => Happened::PickUp,
            };
            match happened {
                Happened::Datagram((at, octets)) => self.datagram(at, &octets).await?,
                Happened::Alice(event) => self.alice_event(event)?,
                Happened::Phone(number, event) => self.phone_event(number, event)?,
                Happened::PickUp => self.pick_up().await?,
            }
            self.wait_for_somebody();
            self.introduce();
            if self.alice_over.is_some() && self.phone_over.is_some() && !self.hanging_up {
                self.hanging_up = true;
                let bye = self.cast.alice.caller.bye()?;
                self.send(self.cast.alice.sip, bye).await?;
            }
        }
        self.ui.text("\nhanging up");
        self.timeline(&self.recorder.take_sightings());
        Ok(())
    }

    /// The one offer, with the one INIT_REQ.
    fn invite(&mut self, policies: &[SrtpPolicy]) -> Result<Outgoing> {
        let alice = &mut self.cast.alice;
        let start = stream_start(&*mikey_crypto_aws_lc::provider().random)?;
        let stream = |sender| Stream {
            policies: policies.to_vec(),
            ssrc: (sender == Side::Local).then_some(start.ssrc),
            ..Stream::new(sender, SrtpPolicy::AEAD_AES_128_GCM)
        };
        let mut call = Call::new(parse_name(BOB)?, vec![stream(Side::Local), stream(Side::Remote)]);
        call.sdp_ids = Some(PROTOCOLS.as_bytes().to_vec());
        // Of the phone that answers nothing is known yet.
        call.signalled = alice.binding.as_ref().map(|own| signalled(own, None));
        call.branches = if self.early_media { Branches::Keep } else { Branches::First };
        let (id, init_req) = alice.line.offer(&call)?;
        self.call = Some(id);
        let offer = sdp::write(alice.line.local_addr(), alice.voice.law, init_req, alice.binding.as_ref())?;
        alice.caller.invite(&offer)
    }

    /// A SIP message came to one of the five.
    async fn datagram(&mut self, at: SocketAddr, octets: &[u8]) -> Result {
        let message = match Message::parse(octets) {
            Ok(message) => message,
            Err(why) => {
                self.ui.warn(format_args!("a datagram that is no SIP message: {why}"));
                return Ok(());
            }
        };
        if at == self.cast.proxy_sip {
            let out = self.cast.proxy.handle(&message)?;
            return self.send(at, out).await;
        }
        if at == self.cast.alice.sip {
            let (out, event) = self.cast.alice.caller.handle(&message)?;
            self.send(at, out).await?;
            return event.map_or(Ok(()), |event| self.told_alice(event));
        }
        let Some(number) = self.cast.phones.iter().position(|phone| phone.sip == at) else { return Ok(()) };
        let Some(phone) = self.cast.phones.get_mut(number) else { return Ok(()) };
        let (mut out, event) = phone.phone.handle(&message)?;
        match event {
            Some(PhoneEvent::Called { from, sdp }) => out.extend(self.rings(number, &from, &sdp)?),
            Some(PhoneEvent::Cancelled) => {
                if let Some(invited) = self.invited.get(number).and_then(Option::as_ref) {
                    phone.line.withdrawn(&invited.init_req);
                }
                self.cancelled.push(phone.name);
            }
            Some(PhoneEvent::Over) | None => {}
        }
        self.send(at, out).await
    }

    /// A phone is called: it answers INIT_REQ, or refuses the call.
    fn rings(&mut self, number: usize, from: &str, sdp: &[u8]) -> Result<Option<Outgoing>> {
        let Some(phone) = self.cast.phones.get_mut(number) else { return Ok(None) };
        let offer = sdp::read(sdp)?;
        if let (Some(own), Some(theirs)) = (&phone.binding, &offer.binding) {
            phone.line.expect(Expected {
                initiator: parse_name(from)?,
                responder: parse_name(BOB)?,
                signalled: signalled(own, Some(theirs)),
            })?;
        }
        match phone.line.answer(&offer.mikey, &offer.protocols) {
            Ok(init_resp) => {
                let media = phone.line.local_addr();
                let answer = sdp::write(media, phone.voice.law, init_resp, phone.binding.as_ref())?;
                let ringing = phone.phone.ring(&answer);
                if let Some(slot) = self.invited.get_mut(number) {
                    *slot = Some(Invited { init_req: offer.mikey, answer });
                }
                Ok(ringing)
            }
            Err(why) => {
                self.ui.warn(format_args!("{} refuses the offer: {why}", phone.name));
                Ok(phone.phone.refuse(488, "Not Acceptable Here"))
            }
        }
    }

    fn told_alice(&mut self, event: CallerEvent) -> Result {
        match event {
            CallerEvent::Rings { tag, sdp } => {
                let answer = sdp::read(&sdp)?;
                if self.early_media {
                    self.take_up(&answer)?;
                }
                self.answers.insert(tag, answer);
            }
            CallerEvent::PickedUp { tag, sdp } => {
                let answer = sdp::read(&sdp)?;
                if self.answers.get(&tag) != Some(&answer) {
                    return Err(Error::failed("the phone says something else than when it rang"));
                }
                self.taken = Some(answer.media);
                if self.early_media {
                    self.early = Some(self.cast.alice.line.heard());
                    self.sort_out();
                } else {
                    self.take_up(&answer)?;
                }
            }
            CallerEvent::Failed { code } => {
                return Err(Error::failed(format!("nobody picked up: SIP status {code}")));
            }
            CallerEvent::Over => self.hung_up = true,
        }
        Ok(())
    }

    /// CCE with whoever gave this answer.
    fn take_up(&mut self, answer: &Description) -> Result {
        let alice = &mut self.cast.alice;
        let Some(call) = self.call else { return Ok(()) };
        let signalled = alice.binding.as_ref().map(|own| signalled(own, answer.binding.as_ref()));
        let taken = alice.line.answered(call, answer.media, &answer.mikey, signalled.as_ref());
        taken.map_err(|why| Error::failed(format!("an answer is of no use: {why}")))
    }

    /// When everybody rings, and with early media is heard, somebody will pick up.
    fn wait_for_somebody(&mut self) {
        let rings = self.answers.len() == PHONES.len();
        let early = self.alices.len() == PHONES.len() && self.cast.alice.line.heard() > 0;
        if rings && (early || !self.early_media) && !self.all_ring {
            self.all_ring = true;
            self.pick_up_at = Some(tokio::time::Instant::now() + RINGING);
        }
    }

    async fn pick_up(&mut self) -> Result {
        self.pick_up_at = None;
        let (Some(phone), Some(Some(invited))) =
            (self.cast.phones.get_mut(PICKED_UP), self.invited.get(PICKED_UP))
        else {
            return Ok(());
        };
        let out = phone.phone.pick_up(&invited.answer);
        let sip = phone.sip;
        self.send(sip, out).await
    }

    fn alice_event(&mut self, event: LineEvent) -> Result {
        match event {
            LineEvent::Started { session, known, streams, at } => {
                self.alices.push(Started { session, known, streams, at });
                self.sort_out();
            }
            LineEvent::Over { tally, .. } => self.alice_over = Some(Over { tally }),
            event => failed(self.ui, "alice", event)?,
        }
        Ok(())
    }

    fn phone_event(&mut self, number: usize, event: LineEvent) -> Result {
        let name = PHONES.get(number).copied().unwrap_or_default();
        match event {
            LineEvent::Started { session, known, streams, at } => {
                if let Some(started) = self.phones.get_mut(number) {
                    started.push(Started { session, known, streams, at });
                }
            }
            LineEvent::Over { tally, .. } if number == PICKED_UP => self.phone_over = Some(Over { tally }),
            // Alice has ended it, as another phone was picked up.
            LineEvent::Over { .. } => {}
            event => failed(self.ui, name, event)?,
        }
        Ok(())
    }

    /// With keys for every phone: alice speaks with the one that was picked up and ends the other sessions.
    fn sort_out(&mut self) {
        let (true, Some(taken)) = (self.early_media, self.taken) else { return };
        let line: &mut Line = &mut self.cast.alice.line;
        for started in &self.alices {
            if started.known.remote == taken {
                line.pick_up(started.session);
            } else {
                line.drop_call(started.session);
            }
        }
        if self.alices.len() == PHONES.len()
            && let Some(call) = self.call
        {
            line.settle(call);
        }
    }

    /// Says once what was agreed on, when both have their keys.
    fn introduce(&mut self) {
        let Some(taken) = self.taken.filter(|_| !self.introduced) else { return };
        let alice = self.alices.iter().find(|started| started.known.remote == taken);
        let phone = self.phones.get(PICKED_UP).and_then(|started| started.first());
        let (Some(alice), Some(phone)) = (alice, phone) else { return };
        self.introduced = true;
        let ui = self.ui;
        let sightings = self.recorder.take_sightings();
        ui.text("\nsignalling and handshake");
        self.timeline(&sightings);
        let keyed = if self.early_media { "both had the keys, while it rang" } else { "both have the keys" };
        report::keyed(ui, &sightings, alice.at.max(phone.at), keyed);
        ui.text("\nnegotiated");
        report::negotiated(ui, &alice.known, &alice.streams);
        ui.text("\nauthenticated");
        for (name, Started { session, known, streams, .. }) in [("alice", alice), (PHONES[PICKED_UP], phone)]
        {
            let peer = describe::peer(&known.peer, known.role, &known.negotiated);
            ui.text(format_args!("  {name:<6}knows {peer}"));
            ui.json(&report::established(*session, known, streams));
        }
        ui.text("\nspeech is on its way, in both directions");
    }

    fn timeline(&self, sightings: &[Sighting]) {
        let places = self.cast.places();
        let sip = places.iter().map(|(name, _, sip, _)| (*sip, *name));
        let media = places.iter().filter_map(|(name, _, _, media)| Some(((*media)?, *name)));
        let names: Vec<(SocketAddr, &str)> = sip.chain(media).collect();
        report::timeline(self.ui, sightings, &Ends::Named(&names));
    }

    async fn send(&self, from: SocketAddr, out: impl IntoIterator<Item = Outgoing>) -> Result {
        for Outgoing { to, message } in out {
            let octets = message.encode();
            self.recorder.signalling(from, to, name(&message), &octets);
            self.cast.wires.send(from, to, &octets).await?;
        }
        Ok(())
    }
}

enum Happened {
    Datagram((SocketAddr, Vec<u8>)),
    Alice(LineEvent),
    Phone(usize, LineEvent),
    PickUp,
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A SIP message as the timeline calls it, with what of MIKEY is in it.
fn name(message: &Message) -> String {
    let mikey = sdp::read(&message.body).ok().and_then(|described| described.mikey.get(1).copied());
    let mikey = mikey.and_then(|ty| DataType(ty).name());
    match mikey {
        Some(mikey) => format!("{} + {mikey}", message.name()),
        None => message.name(),
    }
}

/// What signalling says of a peer: its fingerprint and tls-id, once they are known, and our tls-id.
fn signalled(own: &Binding, peer: Option<&([u8; 32], String)>) -> Signalled {
    Signalled {
        fingerprints: peer.iter().map(|(fingerprint, _)| *fingerprint).collect(),
        local_tls_id: own.1.as_str().as_bytes().to_vec(),
        remote_tls_id: peer.map(|(_, id)| id.as_bytes().to_vec()),
        assertion: None,
    }
}

/// What must not happen to anybody, and what may.
fn failed(ui: Ui, name: &str, event: LineEvent) -> Result {
    match event {
        LineEvent::CallFailed(why) => Err(failure(&why)),
        LineEvent::BranchFailed { why, .. } | LineEvent::CallerRefused { why, .. } => {
            ui.warn(format_args!("{name} refused a message: {why}"));
            ui.json(&json!({"event": "refused", "name": name, "why": why.to_string()}));
            Ok(())
        }
        _ => Ok(()),
    }
}
