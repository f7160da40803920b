//! The driver: one socket, one clock, one agent.
//!
//! ```text
//!   Socket::take -> Agent::handle_datagram -> Happening::Media
//!                -> Agent::poll_output     -> Socket::send, Happening::Event
//! ```
//!
//! One task owns a driver and waits in [`Driver::next`], which may be given up at any time (`select!`) without loss.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mikey::keying::Ticket;
use mikey::{
    Agent, AgentEvent, Call, CallId, GroupHandle, Kind, MediaError, Received, Refused, SessionId, Time,
    keying,
};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::groups::{GroupNews, Serving};
use crate::socket::Socket;

/// Octets that SRTP or SRTCP may add: index, the longest MKI, the longest tag (RFC 3711 sections 3.1 and 3.4).
pub(crate) const MAX_OVERHEAD: usize = 4 + 255 + 20;

/// Datagrams that are handled before the timers are looked at again, so that a flood does not stop them.
const TURN: usize = 64;

/// An agent on a socket.
pub struct Driver {
    pub(crate) socket: Socket,
    pub(crate) clock: Clock,
    pub(crate) agent: Agent,
    pub(crate) serving: Option<Serving>,
    pub(crate) happened: VecDeque<Happening>,
    pub(crate) wake: Option<Time>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) tap: Option<Box<dyn Tap>>,
}

/// Something that the application must know.
#[non_exhaustive]
pub enum Happening {
    /// An event of key management.
    Event(AgentEvent),
    /// Media, or its control, that was authenticated and decrypted.
    Media(Media),
    /// Media in clear, where [`Agent::accept_clear`] allows it: it belongs to no session, and anybody may have sent it.
    Clear {
        /// Who sent it, as its headers say.
        remote: SocketAddr,
        /// RTP or RTCP.
        kind: Kind,
        /// The packet.
        packet: Vec<u8>,
    },
    /// A datagram that was refused. It had no effect; it is also counted.
    Refused {
        /// Who sent it, as its headers say.
        remote: SocketAddr,
        /// Why.
        why: Refused,
    },
    /// What the service of a controller says ([`Driver::serve`]).
    Group(GroupNews),
    /// A datagram of another protocol on this port.
    Foreign {
        /// Who sent it.
        remote: SocketAddr,
        /// Which protocol.
        protocol: Protocol,
        /// The datagram.
        octets: Vec<u8>,
    },
}

/// An RTP or RTCP packet that was authenticated and decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Whose it is: the session, or for media of a group the one with its controller.
    pub session: SessionId,
    /// The group, if it is of one.
    pub group: Option<GroupHandle>,
    /// The crypto session; in a group, the RTP session.
    pub cs_id: u8,
    /// RTP or RTCP.
    pub kind: Kind,
    /// The packet.
    pub packet: Vec<u8>,
}

/// Another protocol on the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// MIKEY of version 1.
    MikeyV1,
    /// STUN.
    Stun,
    /// A TURN channel.
    Turn,
    /// DTLS.
    Dtls,
}

/// Sees every datagram as it is on the wire, in the order of the socket: for capture files.
pub trait Tap: Send {
    /// A datagram, `at` the time since the driver's clock was started.
    fn datagram(
        &mut self,
        direction: Direction,
        at: Time,
        local: SocketAddr,
        remote: SocketAddr,
        octets: &[u8],
    );
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Inbound,
    /// To the peer.
    Outbound,
}

impl Driver {
    /// Puts an agent on a socket. The agent's configuration has the time of day of the same clock.
    #[must_use]
    pub fn new(socket: Socket, clock: Clock, agent: Agent) -> Self {
        Self {
            socket,
            clock,
            agent,
            serving: None,
            happened: VecDeque::new(),
            wake: None,
            scratch: Vec::new(),
            tap: None,
        }
    }

    /// Shows every datagram to `tap` from now on.
    pub fn tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(tap);
    }

    /// The address of the socket.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// The agent, to ask it something.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The agent, to change something that has nothing to send. What it has to send leaves with [`Self::next`].
    pub fn agent_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What the socket saw.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.socket.counters()
    }

    /// Calls the agent at `to`.
    ///
    /// # Errors
    /// The agent's, if there is no credential for it or its streams contradict themselves.
    pub fn call(&mut self, to: SocketAddr, call: &Call) -> Result<CallId, keying::Error> {
        let id = self.agent.call(self.clock.now(), to, call)?;
        self.drain();
        Ok(id)
    }

    /// Closes a session and tells the peer, once.
    ///
    /// # Errors
    /// The agent's, if there is no such session.
    pub fn close(&mut self, session: SessionId) -> Result<(), keying::Error> {
        let closed = self.agent.close(self.clock.now(), session);
        self.drain();
        closed
    }

    /// Calls a peer met before with a ticket of it, as [`Agent::resume`] does.
    ///
    /// # Errors
    /// The agent's, if the ticket has expired or a stream of `call` has more than one policy.
    pub fn resume(&mut self, to: SocketAddr, ticket: Ticket, call: &Call) -> Result<CallId, keying::Error> {
        let id = self.agent.resume(self.clock.now(), to, ticket, call)?;
        self.drain();
        Ok(id)
    }

    /// Renews the SRTP keys of a session, with a new DH if `with_dh`. Media goes on meanwhile.
    ///
    /// # Errors
    /// The agent's, if there is no such session or it has another exchange under way.
    pub fn rekey(&mut self, session: SessionId, with_dh: bool) -> Result<(), keying::Error> {
        let begun = self.agent.rekey(self.clock.now(), session, with_dh);
        self.drain();
        begun
    }

    /// Says what the person here found when comparing the SAS. After `false` the session is over.
    ///
    /// # Errors
    /// The agent's, if the session has no SAS or another request is outstanding.
    pub fn confirm_sas(&mut self, session: SessionId, same: bool) -> Result<(), keying::Error> {
        let told = self.agent.confirm_sas(self.clock.now(), session, same);
        self.drain();
        told
    }

    /// Asks the peer of a session for a sign of life.
    ///
    /// # Errors
    /// The agent's, if there is no such session or another request is outstanding.
    pub fn probe(&mut self, session: SessionId) -> Result<(), keying::Error> {
        let asked = self.agent.probe(self.clock.now(), session);
        self.drain();
        asked
    }

    /// Protects an RTP or RTCP packet and sends it. Returns the octets that went out.
    ///
    /// # Errors
    /// The agent's, if there is no such session or stream, or the key is used up.
    pub fn send_media(
        &mut self,
        session: SessionId,
        cs_id: u8,
        kind: Kind,
        packet: &[u8],
    ) -> Result<usize, MediaError> {
        self.scratch.clear();
        self.scratch.extend_from_slice(packet);
        self.scratch.resize(packet.len() + MAX_OVERHEAD, 0);
        let now = self.clock.now();
        let (len, to) = match kind {
            Kind::Rtp => self.agent.protect_rtp(now, session, cs_id, &mut self.scratch, packet.len())?,
            Kind::Rtcp => self.agent.protect_rtcp(now, session, cs_id, &mut self.scratch, packet.len())?,
        };
        let octets = self.scratch.get(..len).unwrap_or_default();
        transmit(&mut self.socket, self.tap.as_deref_mut(), now, to, octets);
        Ok(len)
    }

    /// Sends a datagram of another protocol that shares the port.
    pub fn send_foreign(&mut self, to: SocketAddr, octets: &[u8]) {
        transmit(&mut self.socket, self.tap.as_deref_mut(), self.clock.now(), to, octets);
    }

    /// Waits for the next thing that the application must know, and does everything else meanwhile.
    ///
    /// # Errors
    /// Only if the socket is of no more use. What a network can do is counted instead.
    pub async fn next(&mut self) -> io::Result<Happening> {
        loop {
            self.drain();
            if let Some(happening) = self.happened.pop_front() {
                return Ok(happening);
            }
            if self.handle_timeout() || self.handle_waiting() {
                continue;
            }
            match self.wake {
                Some(at) => {
                    let at = tokio::time::Instant::from_std(self.clock.instant(at));
                    if let Ok(ready) = tokio::time::timeout_at(at, self.socket.ready()).await {
                        ready?;
                    }
                }
                None => self.socket.ready().await?,
            }
        }
    }

    /// Waits until what was sent has left, at most for a moment: for the end of a process.
    pub async fn flush(&mut self) {
        self.drain();
        self.socket.flushed().await;
    }

    /// Hands datagrams that came to the agent; whether there was any.
    fn handle_waiting(&mut self) -> bool {
        let mut any = false;
        for _ in 0..TURN {
            if !self.handle_one() {
                break;
            }
            any = true;
        }
        any
    }

    fn handle_one(&mut self) -> bool {
        let Some(datagram) = self.socket.take() else { return false };
        let (now, remote) = (self.clock.now(), datagram.remote);
        if let Some(tap) = &mut self.tap {
            tap.datagram(Direction::Inbound, now, datagram.local, remote, datagram.octets);
        }
        let foreign =
            |protocol, octets: &[u8]| Happening::Foreign { remote, protocol, octets: octets.to_vec() };
        let happening = match self.agent.handle_datagram(now, remote, datagram.octets) {
            Received::Media(mikey::Media { session, group, cs_id, kind, packet, .. }) => {
                Happening::Media(Media { session, group, cs_id, kind, packet: packet.to_vec() })
            }
            Received::Clear { kind, packet } => Happening::Clear { remote, kind, packet: packet.to_vec() },
            Received::Refused(why) => Happening::Refused { remote, why },
            Received::MikeyV1(octets) => foreign(Protocol::MikeyV1, octets),
            Received::Stun(octets) => foreign(Protocol::Stun, octets),
            Received::Turn(octets) => foreign(Protocol::Turn, octets),
            Received::Dtls(octets) => foreign(Protocol::Dtls, octets),
            _ => {
                self.drain();
                return true;
            }
        };
        self.happened.push_back(happening);
        true
    }
}

pub(crate) fn transmit(
    socket: &mut Socket,
    tap: Option<&mut (dyn Tap + 'static)>,
    at: Time,
    to: SocketAddr,
    octets: &[u8],
) {
    if let Some(tap) = tap {
        tap.datagram(Direction::Outbound, at, socket.local_addr(), to, octets);
    }
    socket.send(to, octets);
}
