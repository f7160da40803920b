//! Groups on a driver (docs/spec.md, chapter 14): membership, and the service of a controller.
//!
//! ```text
//!   member:      join -> GroupJoined, GroupEpoch .. -> send_group_media, Happening::Media -> leave -> GroupLeft
//!   controller:  serve -> Happening::Propose -> the application's store -> Service::stored or Service::foreign
//! ```
//!
//! A store may block, so it is the application's: the driver hands out each record and sends what rests on it when told
//! that it is stored. A member pulls what it has missed by itself.

use std::net::SocketAddr;

use mikey::group::{Proposal, Service, ServiceOutput, Timing};
use mikey::keying::{Endpoint, Error, Event, GroupRequest};
use mikey::{AgentEvent, AgentOutput, CallId, GroupHandle, Kind, MediaError, Name, Time};

use crate::driver::{Driver, Happening, MAX_OVERHEAD, Media, transmit};

/// Whom this controller sends GROUP_REKEYs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Every member of the group, wherever it joined: right for a controller that is alone, and for one of several.
    #[default]
    Everybody,
    /// Members that joined here. Another controller sends to everybody.
    Own,
}

/// What a driver has for a controller's service.
pub(crate) struct Serving {
    service: Service,
    audience: Audience,
}

/// What the service of a controller says.
#[non_exhaustive]
pub enum GroupNews {
    /// This record wants to be stored. [`Service::stored`] follows, or [`Service::foreign`] with each record that the store has
    /// instead. It comes once: while the store does not answer, the application appends the same octets again.
    Propose {
        /// The group's id.
        group: Vec<u8>,
        /// The record. It holds keys.
        proposal: Proposal,
    },
    /// A stored record has changed who is in a group.
    Changed {
        /// The group's id.
        group: Vec<u8>,
        /// Its epoch.
        epoch: u32,
        /// Who has joined.
        joined: Vec<Name>,
        /// Who is no member any more.
        left: Vec<Name>,
    },
    /// A request was refused.
    Refused {
        /// The group's id, as it was asked for.
        group: Vec<u8>,
        /// Whose request.
        name: Name,
    },
}

impl Driver {
    /// Joins a group: calls its controller at `to`. [`AgentEvent::GroupJoined`] follows, or [`AgentEvent::CallFailed`].
    ///
    /// # Errors
    /// The agent's, if there is no credential for the controller or the request makes no sense.
    pub fn join(
        &mut self,
        to: SocketAddr,
        controller: Name,
        request: GroupRequest,
        timing: Timing,
    ) -> Result<CallId, Error> {
        let id = self.agent.join(self.clock.now(), to, controller, request, timing)?;
        self.drain();
        Ok(id)
    }

    /// Leaves a group; [`AgentEvent::GroupLeft`] says when the controller has agreed.
    ///
    /// # Errors
    /// The agent's, if we are no member or the session with the controller is over.
    pub fn leave(&mut self, group: GroupHandle) -> Result<(), Error> {
        let left = self.agent.leave(self.clock.now(), group);
        self.drain();
        left
    }

    /// Protects an RTP or RTCP packet under the keys of a group and sends it to each of `to`: a multicast address, a
    /// distributor, or the other members. Returns the octets that went out to each.
    ///
    /// # Errors
    /// The agent's, if the packet's SSRC is none that the controller gave us, or the key is used up.
    pub fn send_group_media(
        &mut self,
        group: GroupHandle,
        cs_id: u8,
        kind: Kind,
        packet: &[u8],
        to: &[SocketAddr],
    ) -> Result<usize, MediaError> {
        self.scratch.clear();
        self.scratch.extend_from_slice(packet);
        self.scratch.resize(packet.len() + MAX_OVERHEAD, 0);
        let now = self.clock.now();
        let (agent, scratch, len) = (&mut self.agent, &mut self.scratch, packet.len());
        let len = match kind {
            Kind::Rtp => agent.protect_group_rtp(now, group, cs_id, scratch, len)?,
            Kind::Rtcp => agent.protect_group_rtcp(now, group, cs_id, scratch, len)?,
        };
        let octets = self.scratch.get(..len).unwrap_or_default();
        for to in to {
            transmit(&mut self.socket, self.tap.as_deref_mut(), now, *to, octets);
        }
        // A report to the controller may have become due.
        self.drain();
        Ok(len)
    }

    /// Serves the groups of `service` on this socket; the agent's configuration has `serves_groups`.
    pub fn serve(&mut self, service: Service, audience: Audience) {
        self.serving = Some(Serving { service, audience });
        self.drain();
    }

    /// Changes whom GROUP_REKEYs go to, from the next on.
    pub fn set_audience(&mut self, audience: Audience) {
        if let Some(serving) = &mut self.serving {
            serving.audience = audience;
        }
    }

    /// The service that [`Self::serve`] was given.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.serving.as_ref().map(|serving| &serving.service)
    }

    /// Lets `act` use the service, and sends what comes of it. `None` without a service.
    pub fn with_service<T>(&mut self, act: impl FnOnce(Time, &mut Service, &mut Endpoint) -> T) -> Option<T> {
        let now = self.clock.now();
        let done = self.serving.as_mut().map(|serving| act(now, &mut serving.service, self.agent.endpoint()));
        self.drain();
        done
    }

    /// Does what agent and service want done, until both are at rest.
    pub(crate) fn drain(&mut self) {
        let wake = loop {
            match self.agent.poll_output() {
                AgentOutput::Transmit { to, bytes } => {
                    transmit(&mut self.socket, self.tap.as_deref_mut(), self.clock.now(), to, &bytes);
                }
                AgentOutput::Event(event) => self.event(event),
                AgentOutput::Media { session, group, cs_id, kind, packet } => {
                    let media = Media { session, group, cs_id, kind, packet };
                    self.happened.push_back(Happening::Media(media));
                }
                AgentOutput::Timeout(at) => match self.service_turn() {
                    // What it did may have given the agent something to do.
                    true => {}
                    false => break at,
                },
                // An output of a later version of the agent: nothing that this driver could do.
                _ => {}
            }
        };
        let service = self.serving.as_ref().and_then(|serving| serving.service.wake());
        self.wake = [wake, service].into_iter().flatten().min();
    }

    /// Whether a timer of agent or service was due.
    pub(crate) fn handle_timeout(&mut self) -> bool {
        let now = self.clock.now();
        let due = self.wake.is_some_and(|at| at <= now);
        if due {
            self.agent.handle_timeout(now);
            if let Some(Serving { service, .. }) = &mut self.serving {
                service.handle_timeout(now, self.agent.endpoint());
            }
        }
        due
    }

    /// An event goes to the service first.
    fn event(&mut self, event: AgentEvent) {
        let Some(Serving { service, .. }) = &mut self.serving else {
            return self.happened.push_back(Happening::Event(event));
        };
        let (now, endpoint) = (self.clock.now(), self.agent.endpoint());
        let event = match event {
            AgentEvent::Other(event) => service.handle_event(now, endpoint, event).map(AgentEvent::Other),
            AgentEvent::Closed { session, why } => {
                let closed = Event::Closed { session, why: why.clone() };
                service.handle_event(now, endpoint, closed);
                Some(AgentEvent::Closed { session, why })
            }
            event => Some(event),
        };
        self.happened.extend(event.map(Happening::Event));
    }

    /// Takes proposals and outputs of the service; whether there was any.
    fn service_turn(&mut self) -> bool {
        let now = self.clock.now();
        let Some(Serving { service, audience }) = &mut self.serving else { return false };
        let mut any = false;
        while let Some((group, proposal)) = service.propose(now, self.agent.endpoint()) {
            any = true;
            self.happened.push_back(Happening::Group(GroupNews::Propose { group, proposal }));
        }
        while let Some(output) = service.poll_output() {
            any = true;
            let news = match output {
                ServiceOutput::Send { group, messages } => {
                    for to in contacts(service, &self.agent, &group, *audience) {
                        for message in messages.iter() {
                            transmit(&mut self.socket, self.tap.as_deref_mut(), now, to, message);
                        }
                    }
                    continue;
                }
                ServiceOutput::Changed { group, epoch, joined, left } => {
                    GroupNews::Changed { group, epoch, joined, left }
                }
                ServiceOutput::Refused { group, name } => GroupNews::Refused { group, name },
            };
            self.happened.push_back(Happening::Group(news));
        }
        any
    }
}

/// Where the members are: by the session that one has here, which knows when it moves, else as its record says.
fn contacts(service: &Service, agent: &mikey::Agent, group: &[u8], audience: Audience) -> Vec<SocketAddr> {
    let Some(controller) = service.controller(group) else { return Vec::new() };
    let contact = |member: mikey::group::MemberInfo<'_>| {
        let here = service.session_of(group, member.name).and_then(|session| agent.remote(session));
        match audience {
            Audience::Own => here,
            Audience::Everybody => {
                here.or_else(|| std::str::from_utf8(member.contact).ok().and_then(|text| text.parse().ok()))
            }
        }
    };
    controller.members().filter_map(contact).collect()
}
