//! A line: a driver, and the speech of each of its calls.
//!
//! One task owns a line and waits in [`Line::next`], which may be given up at any time without loss.

mod signalled;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mikey::keying::v1::Offer;
use mikey::keying::{CloseReason, DropReason, Role, Sas, Ticket};
use mikey::{
    Agent, AgentEvent, AuthLevel, Call, KeyLog, MediaError, MediaStream, Refused, SessionId, Side, Time,
};
use mikey_crypto::{CryptoProvider, SecureRandom};
use mikey_net::{Clock, Driver, Happening, Socket, Tap};

use crate::audio::g711::Law;
use crate::audio::rtp::FRAME;
use crate::call::credentials::{Prepared, stream_start};
use crate::call::event::{How, Known, LineEvent, Unverified};
use crate::call::leg::{Leg, Pace, StreamStart};
use crate::call::ongoing::{Errand, Ongoing};
use crate::call::outcome::failure;
use crate::error::{Error, Result, io_reason};

/// A closed session's peer has this long to close it too.
const LINGER: Duration = Duration::from_millis(100);
/// DELETE says that a person read another SAS (docs/spec.md, "NOTIFY").
const SAS_MISMATCH: u8 = 2;

/// How a line speaks.
#[derive(Clone)]
pub(crate) struct Voice {
    /// The law.
    pub(crate) law: Law,
    /// How fast.
    pub(crate) pace: Pace,
    /// What is said in each call: whole frames.
    pub(crate) speech: Arc<[u8]>,
}

impl Voice {
    /// How long it takes to say it.
    pub(crate) fn duration(&self) -> Duration {
        let frames = u32::try_from(self.speech.len() / FRAME).unwrap_or(u32::MAX);
        self.pace.frame_time().saturating_mul(frames)
    }
}

/// A line.
pub(crate) struct Line {
    driver: Driver,
    provider: CryptoProvider,
    voice: Voice,
    calls: BTreeMap<SessionId, Ongoing>,
    known: BTreeMap<SessionId, Known>,
    /// Calls with a ticket, of which only the keys of early media are there.
    early: BTreeSet<SessionId>,
    ticket: Option<Ticket>,
    /// SAS of calls whose keys are just coming.
    sas: BTreeMap<SessionId, Sas>,
    renew_every: Option<Duration>,
    pending: VecDeque<LineEvent>,
    refused: u64,
    /// Whether new calls wait until somebody picks up.
    rings: bool,
}

impl Line {
    /// Opens a line on an address.
    ///
    /// # Errors
    /// If the address is in use, or the configuration is of no use.
    pub(crate) fn open(
        address: SocketAddr,
        clock: Clock,
        prepared: Prepared,
        voice: Voice,
        key_log: Option<Box<dyn KeyLog>>,
    ) -> Result<Self> {
        let socket = Socket::bind(address).map_err(|error| {
            let error = Error::failed(format!("cannot listen on {address}: {}", io_reason(&error)));
            error.hint("choose another address or port, 0 for any")
        })?;
        let provider = prepared.config.provider.clone();
        // The caller renews by its own time; the callee a little later, if the caller does not, so that the two do not cross.
        let renew_every = prepared.config.rekey_after.map(|after| after + after / 4 + LINGER);
        let mut agent = Agent::new(prepared.config, socket.local_addr())
            .map_err(|error| Error::failed(error.to_string()))?;
        if let Some(log) = key_log {
            agent.log_keys(log);
        }
        Ok(Self {
            driver: Driver::new(socket, clock, agent),
            provider,
            voice,
            calls: BTreeMap::new(),
            known: BTreeMap::new(),
            early: BTreeSet::new(),
            ticket: None,
            sas: BTreeMap::new(),
            renew_every,
            pending: VecDeque::new(),
            rings: false,
            refused: 0,
        })
    }

    /// Shows what is on the wire to `tap`.
    pub(crate) fn tap(&mut self, tap: Box<dyn Tap>) {
        self.driver.tap(tap);
    }

    /// Where the line is.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    /// Datagrams that were refused: media and key management.
    pub(crate) fn refused(&self) -> u64 {
        self.refused + self.driver.agent().metrics().all_drops()
    }

    /// Key management messages that did not verify.
    pub(crate) fn unverified(&self) -> u64 {
        self.driver.agent().metrics().drops(DropReason::Unauthenticated)
    }

    /// Packets of media that were refused because their key was not there, not there yet, or no longer.
    pub(crate) fn keyless(&self) -> u64 {
        let stats = self.driver.agent().media_stats();
        stats.unknown_mki + stats.expired + stats.exhausted
    }

    /// Whether a call is going on.
    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// If there is no credential for it.
    pub(crate) fn call(&mut self, to: SocketAddr, call: &Call) -> Result {
        self.driver.call(to, call).map(drop).map_err(|error| Error::failed(error.to_string()))
    }

    /// Calls somebody by MIKEY version 1.
    ///
    /// # Errors
    /// If there is no credential for it.
    pub(crate) fn call_v1(&mut self, to: SocketAddr, offer: &Offer) -> Result {
        let now = self.driver.clock().now();
        self.driver.agent_mut().call_v1(now, to, offer).map(drop).map_err(|error| failure(&error))
    }

    /// Calls somebody met before with a ticket of them. Speech starts at once.
    ///
    /// # Errors
    /// If the ticket is of no use any more.
    pub(crate) fn resume(&mut self, to: SocketAddr, ticket: Ticket, call: &Call) -> Result {
        self.driver.resume(to, ticket, call).map(drop).map_err(|error| Error::failed(error.to_string()))
    }

    /// The last ticket that a peer gave us. It works once.
    pub(crate) fn take_ticket(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }

    /// Says what the person here found when comparing the SAS of a call. If it differs, the call is over.
    pub(crate) fn compared(&mut self, session: SessionId, same: bool) {
        let now = self.driver.clock().now();
        match self.calls.get_mut(&session) {
            Some(ongoing) if same => ongoing.same_here(now),
            Some(_) => {
                self.end_unverified(session, Unverified::Differs);
                // The peer may have gone in the same moment.
                let _ = self.driver.confirm_sas(session, false);
            }
            None => {}
        }
    }

    /// Says farewell in every call.
    pub(crate) fn hang_up(&mut self) {
        let comparing =
            |(session, ongoing): (&SessionId, &Ongoing)| ongoing.is_comparing().then_some(*session);
        for session in self.calls.iter().filter_map(comparing).collect::<Vec<_>>() {
            self.end_unverified(session, Unverified::HungUp);
            // The peer may have closed it at the same moment.
            let _ = self.driver.close(session);
        }
        self.calls.values_mut().for_each(|ongoing| ongoing.leg.hang_up());
    }

    /// Waits for the next thing that happens.
    ///
    /// # Errors
    /// If the socket is of no more use.
    pub(crate) async fn next(&mut self) -> Result<LineEvent> {
        loop {
            self.run_errands();
            self.speak()?;
            self.end_calls();
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let now = self.driver.clock().now();
            let wake = self.calls.values().filter_map(|ongoing| ongoing.wake(now)).min();
            let (clock, driver) = (self.driver.clock(), &mut self.driver);
            tokio::select! {
                happening = driver.next() => {
                    let happening = happening
                        .map_err(|error| Error::failed(format!("the socket failed: {}", io_reason(&error))))?;
                    self.handle(happening)?;
                }
                () = sleep_until(clock, wake) => {}
            }
        }
    }

    /// Waits until everything has left, and a little for what the peers still send.
    pub(crate) async fn finish(&mut self) {
        self.driver.flush().await;
        let late = async { while self.driver.next().await.is_ok() {} };
        // Nothing that comes now changes anything but the counters.
        let _ = tokio::time::timeout(LINGER, late).await;
    }

    /// Sends what is due in every call.
    fn speak(&mut self) -> Result {
        let clock = self.driver.clock();
        for (session, ongoing) in &mut self.calls {
            let now = clock.now();
            let micros = u64::try_from(clock.unix_time(now).as_micros()).unwrap_or(u64::MAX);
            while let Some((kind, packet)) = ongoing.poll(now, micros) {
                match self.driver.send_media(*session, ongoing.cs_id, kind, &packet) {
                    // The peer has just closed it: the event that says so is on its way.
                    Ok(_) | Err(MediaError::UnknownSession) => {}
                    Err(error) => return Err(Error::failed(format!("cannot send speech: {error}"))),
                }
            }
        }
        Ok(())
    }

    /// Does what is due in every call besides speech.
    fn run_errands(&mut self) {
        let now = self.driver.clock().now();
        let mut verified = Vec::new();
        for (session, ongoing) in &mut self.calls {
            while let Some(errand) = ongoing.errand(now) {
                let done = match errand {
                    Errand::Confirm => self.driver.confirm_sas(*session, true),
                    Errand::Probe => self.driver.probe(*session),
                    Errand::Renew => self.driver.rekey(*session, true),
                };
                if done.is_err() {
                    // Another request is on its way, or the peer has just closed it and the event is on its way.
                    ongoing.failed(now, errand);
                }
            }
            if ongoing.settle_comparison(now) {
                verified.push(*session);
            }
        }
        for session in verified {
            if let Some(known) = self.known.get_mut(&session) {
                known.peer.level = AuthLevel::SasVerified;
                self.pending.push_back(LineEvent::Verified { session, known: known.clone() });
            }
        }
    }

    /// Closes the calls in which everything has been said.
    fn end_calls(&mut self) {
        let now = self.driver.clock().now();
        let over: Vec<SessionId> = self
            .calls
            .iter()
            .filter(|(_, ongoing)| ongoing.is_over(now))
            .map(|(session, _)| *session)
            .collect();
        for session in over {
            self.end_call(session);
            // The peer may have closed it at the same moment.
            let _ = self.driver.close(session);
        }
    }

    fn end_call(&mut self, session: SessionId) {
        if let (Some(ongoing), Some(known)) = (self.calls.remove(&session), self.known.remove(&session)) {
            let (tally, heard_law) = (ongoing.leg.tally(), ongoing.leg.heard_law());
            let (renewals, early_packets) = (ongoing.renewals(), ongoing.early_packets());
            let over = LineEvent::Over { session, known, tally, heard_law, renewals, early_packets };
            self.pending.push_back(over);
        }
    }

    fn end_unverified(&mut self, session: SessionId, why: Unverified) {
        self.calls.remove(&session);
        if let Some(known) = self.known.remove(&session) {
            self.pending.push_back(LineEvent::Unverified { session, known, why });
        }
    }

    fn compared_by_peer(&mut self, session: SessionId, same: bool) {
        if same {
            if let Some(ongoing) = self.calls.get_mut(&session) {
                ongoing.same_there();
            }
        } else if self.calls.contains_key(&session) {
            self.end_unverified(session, Unverified::PeerSaysDiffers);
            // The peer may have closed it at the same moment.
            let _ = self.driver.close(session);
        }
    }

    fn closed(&mut self, session: SessionId, why: CloseReason) {
        self.early.remove(&session);
        self.sas.remove(&session);
        match (self.calls.get(&session), why) {
            // One may find out late, and take its word back.
            (Some(_), CloseReason::Remote(SAS_MISMATCH)) => {
                self.end_unverified(session, Unverified::PeerSaysDiffers);
            }
            (Some(ongoing), why) if ongoing.is_comparing() => {
                let silent = why == CloseReason::PeerSilent;
                let why = if silent { Unverified::PeerSilent } else { Unverified::PeerLeft };
                self.end_unverified(session, why);
            }
            _ => self.end_call(session),
        }
    }

    fn handle(&mut self, happening: Happening) -> Result {
        match happening {
            Happening::Event(event) => return self.handle_event(event),
            Happening::Media(media) => {
                let now = self.driver.clock().now();
                if let Some(ongoing) = self.calls.get_mut(&media.session) {
                    ongoing.hear(now, media.kind, &media.packet);
                }
            }
            Happening::Refused { why: Refused::Media(_) | Refused::Unknown, .. } => self.refused += 1,
            // STUN, TURN and DTLS are not for this tool, nor version 1 if it was not asked for.
            _ => self.refused += 1,
        }
        Ok(())
    }

    fn handle_event(&mut self, event: AgentEvent) -> Result {
        match event {
            AgentEvent::Established { session, role, remote, peer, negotiated, .. } => {
                let resumed = self.early.remove(&session);
                let negotiated = How::V2(negotiated);
                self.known.insert(session, Known { role, remote, peer, negotiated, resumed });
            }
            // An update: the call is there, and its new keys come next.
            AgentEvent::V1Established { update: true, .. } => {}
            AgentEvent::V1Established {
                session, role, remote, peer, mode, peer_speaks_v2, quirks, ..
            } => {
                let negotiated = How::V1 { mode, quirks, peer_speaks_v2 };
                self.known.insert(session, Known { role, remote, peer, negotiated, resumed: false });
            }
            AgentEvent::MediaReady { session, streams } => return self.keyed(session, streams),
            AgentEvent::EarlyMediaReady { session, streams } => {
                self.early.insert(session);
                let now = self.driver.clock().now();
                if let Some(ongoing) = self.ongoing(now, &streams)? {
                    self.calls.insert(session, ongoing.early(now));
                }
            }
            AgentEvent::TicketReady { ticket, .. } => self.ticket = Some(ticket),
            AgentEvent::SasReady { session, sas } => {
                self.sas.insert(session, sas);
            }
            AgentEvent::SasComparedByPeer { session, verified } => self.compared_by_peer(session, verified),
            AgentEvent::MediaFailed { why, .. } => {
                return Err(Error::failed(format!("the keys of the call could not be installed: {why}")));
            }
            AgentEvent::BranchFailed { remote, why, .. } => {
                self.pending.push_back(LineEvent::BranchFailed { remote, why });
            }
            AgentEvent::CallFailed { why, .. } => self.pending.push_back(LineEvent::CallFailed(why)),
            AgentEvent::CallerRefused { remote, why } => {
                self.pending.push_back(LineEvent::CallerRefused { remote, why });
            }
            AgentEvent::Closed { session, why } => self.closed(session, why),
            _ => {}
        }
        Ok(())
    }

    /// The keys of a call came: its first ones, or new ones.
    fn keyed(&mut self, session: SessionId, streams: Vec<MediaStream>) -> Result {
        let Some(known) = self.known.get(&session).cloned() else { return Ok(()) };
        let now = self.driver.clock().now();
        if let Some(ongoing) = self.calls.get_mut(&session) {
            ongoing.renewed(now, &streams);
            if streams.iter().any(|stream| stream.generation > 0) {
                return Ok(());
            }
            ongoing.keyed();
            self.pending.push_back(LineEvent::Started { session, known, streams, at: now });
            return Ok(());
        }
        let Some(ongoing) = self.ongoing(now, &streams)? else { return Ok(()) };
        // In version 1 the caller alone can renew.
        let v2 = matches!(known.negotiated, How::V2(_));
        let renew_every = self.renew_every.filter(|_| known.role == Role::Responder && v2);
        let ongoing = ongoing.renewing(now, renew_every);
        let ongoing = if self.rings { ongoing.ringing() } else { ongoing };
        let sas = self.sas.remove(&session);
        self.calls.insert(session, if sas.is_some() { ongoing.comparing(now) } else { ongoing });
        self.pending.push_back(LineEvent::Started { session, known: known.clone(), streams, at: now });
        self.pending.extend(sas.map(|sas| LineEvent::Compare { session, known, sas }));
        Ok(())
    }

    /// Speech for the stream among these that is ours, if one is.
    fn ongoing(&self, now: Time, streams: &[MediaStream]) -> Result<Option<Ongoing>> {
        let Some(own) = streams.iter().find(|stream| stream.sender == Side::Local) else { return Ok(None) };
        let random: &dyn SecureRandom = &*self.provider.random;
        let start = stream_start(random)?;
        let start = StreamStart { ssrc: own.ssrc.unwrap_or(start.ssrc), ..start };
        let Voice { law, pace, speech } = &self.voice;
        let leg = Leg::new(now, *law, *pace, speech, start, self.provider.sha256);
        Ok(Some(Ongoing::new(leg, own.cs_id)))
    }
}

async fn sleep_until(clock: Clock, at: Option<Time>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock.now())).await,
        None => pending().await,
    }
}
