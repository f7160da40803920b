//! The agent: everything behind one socket, without the socket.

use std::net::SocketAddr;

use mikey_crypto::SecretBytes;
use mikey_group::group_of;
use mikey_proto::{
    ApiMisuse, Call, CallId, CloseReason, Endpoint, EndpointConfig, Error, Event, Expected, Metrics, Name,
    Output, SessionId, Ticket, Time, v1,
};
use mikey_srtp::tesla::VerifiedIndex;
use mikey_srtp::{
    ContextDb, DbConfig, Destination, ProtectError, RtpLayout, Ssrc, Stats, UnprotectError, rtcp_ssrc,
};

use crate::clear::Clear;
use crate::demux::{Class, classify};
use crate::groups::{GroupHandle, Groups};
use crate::key_log::{KeyLog, Logged};
use crate::media::MediaTable;
use crate::output::{AgentEvent, AgentOutput, Kind, Media, Received, Refused};
use crate::pen::{Held, Pen};

mod groups;

/// Key management and media behind one socket.
///
/// Inputs are [`Self::handle_datagram`], [`Self::handle_timeout`] and the calls of the application. After each of them,
/// [`Self::poll_output`] is called until it returns [`AgentOutput::Timeout`].
///
/// ```
/// use mikey::{Agent, AgentOutput, EndpointConfig, Identity, Name, Time};
/// use mikey_crypto::CryptoProvider;
///
/// fn agent(provider: CryptoProvider) -> Result<Agent, Box<dyn std::error::Error>> {
///     let name = Name::parse("sip:alice@example.com")?;
///     let config = EndpointConfig::new(provider, Identity::new(name));
///     let mut agent = Agent::new(config, "192.0.2.1:2269".parse()?)?;
///     agent.handle_timeout(Time::ZERO);
///     while !matches!(agent.poll_output(), AgentOutput::Timeout(_)) {}
///     Ok(agent)
/// }
/// ```
pub struct Agent {
    pub(crate) endpoint: Endpoint,
    media: MediaTable,
    groups: Groups,
    pen: Pen,
    released: std::collections::VecDeque<AgentOutput>,
    unknown: u64,
    speaks_v1: bool,
    key_log: Logged,
    pub(crate) clear: Clear,
}

/// Why a packet was not protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaError {
    /// There is no such session.
    UnknownSession,
    /// The SSRC is none that the group's controller gave us, or we are no member.
    NotYours,
    /// SRTP refused it.
    Srtp(ProtectError),
}

impl std::fmt::Display for MediaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownSession => f.write_str("there is no such session"),
            Self::NotYours => f.write_str("the ssrc is not ours in this group"),
            Self::Srtp(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for MediaError {}

impl From<ProtectError> for MediaError {
    fn from(e: ProtectError) -> Self {
        Self::Srtp(e)
    }
}

impl Agent {
    /// An agent whose socket has the address `local`, by which inbound contexts are found.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the configuration contradicts itself, [`Error::Random`] if there is no randomness.
    pub fn new(config: EndpointConfig, local: SocketAddr) -> Result<Self, Error> {
        let mut seed = [[0; 8]; 2];
        for half in &mut seed {
            config.provider.random.fill(half)?;
        }
        let speaks_v1 = config.v1.is_some();
        let packets = config.rekey_after_packets;
        let db = ContextDb::new(config.provider.srtp, DbConfig::new(seed.map(u64::from_le_bytes)));
        Ok(Self {
            endpoint: Endpoint::new(config)?,
            media: MediaTable::new(db, Destination::from(local), packets),
            groups: Groups::default(),
            pen: Pen::default(),
            released: std::collections::VecDeque::new(),
            unknown: 0,
            speaks_v1,
            key_log: Logged::default(),
            clear: Clear::default(),
        })
    }

    /// Shows the SRTP master keys of all later sessions, and the keys of their MIKEY messages, to `log`. Nobody sees them
    /// unless this is called.
    pub fn log_keys(&mut self, log: Box<dyn KeyLog>) {
        self.endpoint.log_message_keys();
        self.key_log.to(log);
    }

    /// Starts a call to the agent at `to`.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no credential for it or its streams contradict themselves.
    pub fn call(&mut self, now: Time, to: SocketAddr, call: &Call) -> Result<CallId, Error> {
        self.endpoint.connect(now, to, call)
    }

    /// Starts a call of MIKEY version 1 to the agent at `to`.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the configuration has no policy for version 1, [`Error::V1`] if the offer cannot be made.
    pub fn call_v1(&mut self, now: Time, to: SocketAddr, offer: &v1::Offer) -> Result<CallId, Error> {
        self.endpoint.connect_v1(now, to, offer)
    }

    /// Calls a peer met before with a ticket of it: one round trip, and media may flow at once. If the peer does not take the
    /// ticket, a full handshake follows by itself.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the ticket has expired or a stream of `call` has more than one policy.
    pub fn resume(
        &mut self,
        now: Time,
        to: SocketAddr,
        ticket: Ticket,
        call: &Call,
    ) -> Result<CallId, Error> {
        self.endpoint.resume(now, to, ticket, call)
    }

    /// Ends a call: no further answer is taken. Sessions that came of it stay.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if it is over already.
    pub fn settle(&mut self, call: CallId) -> Result<(), ApiMisuse> {
        self.endpoint.settle(call)
    }

    /// Closes a session and removes its contexts. The peer is told.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no such session.
    pub fn close(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.endpoint.close(now, session)
    }

    /// Asks the peer for a sign of life.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no such session, or another request is outstanding.
    pub fn probe(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.endpoint.probe(now, session)
    }

    /// Asks the responder of a session that we initiated for a ticket, as [`Endpoint::request_ticket`] does.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no such session, it can have none, or it has another exchange under way.
    pub fn request_ticket(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.endpoint.request_ticket(now, session)
    }

    /// Renews the SRTP keys of all streams of a session, with a new DH if `with_dh`. Media goes on meanwhile.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no such session, or it has another exchange under way.
    pub fn rekey(&mut self, now: Time, session: SessionId, with_dh: bool) -> Result<(), Error> {
        self.endpoint.rekey(now, session, with_dh)
    }

    /// Announces a call that signalling has told of, to be authenticated by fingerprint.
    ///
    /// # Errors
    /// [`ApiMisuse::Signalled`] if the caller's tls-id is missing, [`ApiMisuse::Name`] if the callee is none of our names.
    pub fn expect(&mut self, expected: Expected) -> Result<(), ApiMisuse> {
        self.endpoint.expect(expected)
    }

    /// Says what the person here found when comparing the SAS.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the session has no SAS, or another request is outstanding.
    pub fn confirm_sas(&mut self, now: Time, session: SessionId, same: bool) -> Result<(), Error> {
        self.endpoint.confirm_sas(now, session, same)
    }

    /// Key continuity after a confirmed SAS: the key of the next call and the pseudonym that it is found by.
    ///
    /// # Errors
    /// [`ApiMisuse::State`] before the SAS was confirmed here.
    pub fn continuity(&self, session: SessionId) -> Result<(Name, SecretBytes), ApiMisuse> {
        self.endpoint.continuity(session)
    }

    /// Derives octets for an application's own use, bound to the session.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if there is no such session.
    pub fn export(
        &self,
        session: SessionId,
        label: &[u8],
        context: &[u8],
        len: u16,
    ) -> Result<SecretBytes, ApiMisuse> {
        self.endpoint.export(session, label, context, len)
    }

    /// Takes a datagram that came from `from`. Media is decrypted in place.
    pub fn handle_datagram<'p>(
        &mut self,
        now: Time,
        from: SocketAddr,
        datagram: &'p mut [u8],
    ) -> Received<'p> {
        match classify(datagram) {
            Class::Mikey { version: 1 } if !self.speaks_v1 => Received::MikeyV1(datagram),
            Class::Mikey { .. } => {
                if let Some(spi) = group_of(datagram).filter(|spi| self.groups.has(*spi)) {
                    let Self { groups, endpoint, media, .. } = self;
                    let events = groups.handle_rekey(now, endpoint, media, spi, datagram);
                    self.tell(now, events);
                    return Received::Keying;
                }
                self.endpoint.handle_datagram(now, from, datagram);
                Received::Keying
            }
            Class::Rtp => self.unprotect(now, from, Kind::Rtp, datagram),
            Class::Rtcp => self.unprotect(now, from, Kind::Rtcp, datagram),
            Class::Stun => Received::Stun(datagram),
            Class::Turn => Received::Turn(datagram),
            Class::Dtls => Received::Dtls(datagram),
            Class::Unknown => {
                self.unknown += 1;
                Received::Refused(Refused::Unknown)
            }
        }
    }

    fn unprotect<'p>(
        &mut self,
        now: Time,
        from: SocketAddr,
        kind: Kind,
        datagram: &'p mut [u8],
    ) -> Received<'p> {
        let opened = self.open(now, kind, datagram);
        self.take_verified();
        let opened = match opened {
            Ok(opened) => opened,
            // It is delivered when its sender discloses the key that it is under.
            Err(UnprotectError::Held) => return Received::Held,
            Err(why) if awaits_key(why) => {
                // Only while keys may be on their way: the peer's answer and its media overtake each other.
                let ssrc = ssrc_of(kind, datagram);
                let held = (self.endpoint.expects_keys() || !self.groups.is_empty())
                    && ssrc.is_some_and(|ssrc| self.pen.hold(now, kind, ssrc.0, datagram));
                if ssrc.is_some() && self.clear.take(from) {
                    return Received::Clear { kind, packet: datagram };
                }
                return if held { Received::Held } else { Received::Refused(Refused::Media(why)) };
            }
            Err(why) => return Received::Refused(Refused::Media(why)),
        };
        let Opened { session, group, cs_id, ssrc, len } = opened;
        let packet = datagram.get(..len).unwrap_or_default();
        Received::Media(Media { session, group, cs_id, kind, ssrc, packet })
    }

    fn open(&mut self, now: Time, kind: Kind, packet: &mut [u8]) -> Result<Opened, UnprotectError> {
        let at = self.media.inbound();
        let now = mikey_srtp::Time(now.as_nanos());
        let (owner, id, ssrc, len) = match kind {
            Kind::Rtp => {
                let accepted = self.media.db.unprotect_rtp(now, at, packet)?;
                (accepted.owner, accepted.sender, accepted.ssrc, accepted.len)
            }
            Kind::Rtcp => {
                let accepted = self.media.db.unprotect_rtcp(now, at, packet)?;
                (accepted.owner, accepted.sender, accepted.ssrc, accepted.len)
            }
        };
        if let Some((session, group, cs_id)) = self.groups.whose(owner, id) {
            return Ok(Opened { session, group: Some(group), cs_id, ssrc, len });
        }
        let (session, cs_id) = self.media.heard(owner, id).ok_or(UnprotectError::UnknownStream)?;
        Ok(Opened { session, group: None, cs_id, ssrc, len })
    }

    /// Protects the RTP packet in the first `len` octets of `buffer` for a crypto session of ours, in place.
    ///
    /// Returns the length of the SRTP packet and where it goes.
    ///
    /// # Errors
    /// [`MediaError`]; [`ProtectError::BufferTooSmall`] says how many octets the buffer needs.
    pub fn protect_rtp(
        &mut self,
        now: Time,
        session: SessionId,
        cs_id: u8,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<(usize, SocketAddr), MediaError> {
        self.protect(now, session, cs_id, Kind::Rtp, buffer, len)
    }

    /// Protects the RTCP packet in the first `len` octets of `buffer`, as [`Self::protect_rtp`] does.
    ///
    /// # Errors
    /// [`MediaError`].
    pub fn protect_rtcp(
        &mut self,
        now: Time,
        session: SessionId,
        cs_id: u8,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<(usize, SocketAddr), MediaError> {
        self.protect(now, session, cs_id, Kind::Rtcp, buffer, len)
    }

    fn protect(
        &mut self,
        now: Time,
        session: SessionId,
        cs_id: u8,
        kind: Kind,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<(usize, SocketAddr), MediaError> {
        let early = self.media.take_bounded(now, session, len)?;
        let to = early.or_else(|| self.endpoint.remote(session)).ok_or(MediaError::UnknownSession)?;
        let plain = buffer.get(..len).ok_or(ProtectError::BufferTooSmall { needed: len })?;
        let ssrc = match kind {
            Kind::Rtp => RtpLayout::parse(plain).map_err(ProtectError::from)?.ssrc,
            Kind::Rtcp => rtcp_ssrc(plain).map_err(ProtectError::from)?,
        };
        let flow = self.media.outbound(session, cs_id, ssrc)?;
        let at = mikey_srtp::Time(now.as_nanos());
        let (len, rekey_due) = match kind {
            Kind::Rtp => {
                let protected = self.media.db.protect_rtp(at, flow, buffer, len)?;
                (protected.len, protected.rekey_due)
            }
            Kind::Rtcp => {
                let protected = self.media.db.protect_rtcp(at, flow, buffer, len)?;
                (protected.len, protected.rekey_due)
            }
        };
        if rekey_due && self.media.ask_for_renewal(now, session) {
            let with_dh = self.endpoint.config().rekey_with_dh;
            // While another request is outstanding it is asked for again later: there are packets left for that.
            let _ = self.endpoint.rekey(now, session, with_dh);
        }
        Ok((len, to))
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.pen.expire(now);
        self.media.db.drop_expired(mikey_srtp::Time(now.as_nanos()));
        self.endpoint.handle_timeout(now);
        let Self { groups, endpoint, media, .. } = self;
        let events = groups.handle_timeout(now, endpoint, media);
        self.tell(now, events);
    }

    /// The next output; [`AgentOutput::Timeout`] when there is nothing more.
    pub fn poll_output(&mut self) -> AgentOutput {
        if let Some(output) = self.released.pop_front() {
            return output;
        }
        match self.endpoint.poll_output() {
            Output::Transmit { to, bytes } => AgentOutput::Transmit { to, bytes },
            Output::Event(event) => {
                self.handle_event(event).map_or_else(|| self.poll_output(), AgentOutput::Event)
            }
            Output::Timeout(at) => {
                let wakes = [at, self.pen.wake(), self.groups.wake()];
                AgentOutput::Timeout(wakes.into_iter().flatten().min())
            }
            _ => AgentOutput::Timeout(None),
        }
    }

    fn handle_event(&mut self, event: Event) -> Option<AgentEvent> {
        let now = self.endpoint.now();
        let Self { groups, endpoint, media, .. } = self;
        match event {
            Event::GroupJoined { session, request, grant, leaf_key, asked } => {
                let granted = (request, *grant, asked);
                let events = groups.joined(now, endpoint, media, session, granted, leaf_key);
                self.tell(now, events);
                None
            }
            Event::GroupAnswered { session, group, ask, answer } => {
                let events = groups.answered(now, endpoint, media, (session, group), (&ask, answer));
                self.tell(now, events);
                None
            }
            Event::MessageKeysReady { keys } => {
                self.key_log.message(&keys);
                None
            }
            Event::Closed { session, why } => {
                media.remove(session);
                let silent = why == CloseReason::PeerSilent;
                let events = groups.closed(now, endpoint, media, (session, silent));
                self.tell(now, events);
                Some(AgentEvent::Closed { session, why })
            }
            Event::CallFailed { call, why } => match groups.call_failed(now, endpoint, media, (call, &why)) {
                Some(events) => {
                    self.tell(now, events);
                    None
                }
                None => Some(AgentEvent::CallFailed { call, why }),
            },
            event => Some(self.media_event(event)),
        }
    }

    /// Events of groups, and what may be heard since.
    fn tell(&mut self, now: Time, events: Vec<AgentEvent>) {
        let new = events.iter().any(|event| matches!(event, AgentEvent::GroupEpoch { .. }));
        self.released.extend(events.into_iter().map(AgentOutput::Event));
        if new {
            self.release(now);
        }
    }

    fn media_event(&mut self, event: Event) -> AgentEvent {
        match event {
            Event::SrtpKeysReady { session, keys } => {
                let now = self.endpoint.now();
                self.key_log.srtp(session, &keys);
                match self.media.install(now, session, keys) {
                    Ok(streams) => {
                        if self.clear.end(self.endpoint.remote(session)) {
                            self.released.push_back(AgentOutput::Event(AgentEvent::ClearEnded { session }));
                        }
                        self.release(now);
                        AgentEvent::MediaReady { session, streams }
                    }
                    Err(why) => AgentEvent::MediaFailed { session, why },
                }
            }
            Event::Established { session, call, role, remote, peer, retargeted_from, negotiated } => {
                AgentEvent::Established { session, call, role, remote, peer, retargeted_from, negotiated }
            }
            Event::EarlyKeysReady { session, remote, keys } => {
                let now = self.endpoint.now();
                self.key_log.srtp(session, &keys);
                match self.media.install_early(now, session, remote, keys) {
                    Ok(streams) => AgentEvent::EarlyMediaReady { session, streams },
                    Err(why) => AgentEvent::MediaFailed { session, why },
                }
            }
            Event::V1Established {
                session,
                call,
                role,
                remote,
                peer,
                mode,
                update,
                peer_speaks_v2,
                quirks,
            } => AgentEvent::V1Established {
                session,
                call,
                role,
                remote,
                peer,
                mode,
                update,
                peer_speaks_v2,
                quirks,
            },
            Event::ResumedUnrecorded { session } => {
                self.media.bound(self.endpoint.now(), session);
                AgentEvent::ResumedUnrecorded { session }
            }
            Event::ResumedProven { session } => {
                self.media.unbound(session);
                AgentEvent::ResumedProven { session }
            }
            Event::TicketReady { session, ticket } => AgentEvent::TicketReady { session, ticket },
            Event::SasReady { session, sas } => AgentEvent::SasReady { session, sas },
            Event::SasComparedByPeer { session, verified } => {
                AgentEvent::SasComparedByPeer { session, verified }
            }
            Event::StreamsRemoved { session, cs_ids } => {
                self.media.remove_streams(session, &cs_ids);
                AgentEvent::StreamsRemoved { session, cs_ids }
            }
            Event::PeerMoved { session, remote } => AgentEvent::PeerMoved { session, remote },
            Event::BranchFailed { call, remote, why } => AgentEvent::BranchFailed { call, remote, why },
            Event::CallerRefused { remote, why } => AgentEvent::CallerRefused { remote, why },
            event => AgentEvent::Other(event),
        }
    }

    /// Tries what came before its key.
    fn release(&mut self, now: Time) {
        for mut held in self.pen.take(now) {
            match self.open(now, held.kind, &mut held.packet) {
                Ok(Opened { session, group, cs_id, len, .. }) => {
                    let Held { kind, mut packet, .. } = held;
                    packet.truncate(len);
                    self.released.push_back(AgentOutput::Media { session, group, cs_id, kind, packet });
                }
                Err(why) if awaits_key(why) => self.pen.put_back(held),
                Err(_) => (),
            }
        }
        self.take_verified();
    }

    /// Takes packets whose senders are known by now.
    fn take_verified(&mut self) {
        while let Some(verified) = self.media.db.take_verified() {
            let whose = self.groups.whose(verified.owner, verified.sender);
            let Some((session, group, cs_id)) = whose else { continue };
            let kind = match verified.index {
                VerifiedIndex::Rtp(_) => Kind::Rtp,
                VerifiedIndex::Rtcp(_) => Kind::Rtcp,
            };
            let (group, packet) = (Some(group), verified.packet);
            self.released.push_back(AgentOutput::Media { session, group, cs_id, kind, packet });
        }
    }

    /// The key management behind this agent, for a controller of groups ([`mikey_group::Service`]) on the same socket. After
    /// each use outputs are polled as after any input.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Counters of key management.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.endpoint.metrics()
    }

    /// Counters of media.
    #[must_use]
    pub fn media_stats(&self) -> Stats {
        self.media.db.stats()
    }

    /// Datagrams of no protocol that shares this port.
    #[must_use]
    pub fn unknown_datagrams(&self) -> u64 {
        self.unknown
    }

    /// Where the peer of a session is.
    #[must_use]
    pub fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        self.endpoint.remote(session)
    }
}

struct Opened {
    session: SessionId,
    group: Option<GroupHandle>,
    cs_id: u8,
    ssrc: Ssrc,
    len: usize,
}

/// Whether a key that is not there yet may be all that a packet lacks. It is as it came then: nothing has been tried on it.
fn awaits_key(why: UnprotectError) -> bool {
    matches!(why, UnprotectError::UnknownStream | UnprotectError::UnknownMki | UnprotectError::NoChain)
}

fn ssrc_of(kind: Kind, packet: &[u8]) -> Option<Ssrc> {
    match kind {
        Kind::Rtp => RtpLayout::parse(packet).ok().map(|layout| layout.ssrc),
        Kind::Rtcp => rtcp_ssrc(packet).ok(),
    }
}
