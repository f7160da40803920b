//! What a member does when its controller dies: it notices, and joins anew at another one of its list (docs/spec.md, 14.1).
//!
//! Media goes on meanwhile under the keys that are there. The new membership has another leaf and other SSRCs, and the old one
//! ends with the same record, so the group neither lists the member twice nor loses it.

use core::time::Duration;
use std::net::SocketAddr;

use mikey_proto::{Call, CallId, Endpoint, Error, GroupRequest, Name, PeerFault, SessionId, Time};

use super::{GroupHandle, Groups, Membership};
use crate::media::MediaTable;
use crate::output::AgentEvent;

/// Where a group has controllers, and when the one that a member is at counts as dead.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The controllers, in the order in which they are tried: address and name. Each is also one of
    /// [`mikey_proto::EndpointConfig::controllers`], or what it grants is refused.
    pub controllers: Vec<(SocketAddr, Name)>,
    /// A controller that was not heard of for so long is asked for a sign of life. Longer than the controller's own
    /// `probe_every`, and shorter than its `ghost_after`.
    pub silence: Duration,
}

impl Failover {
    /// Silence of a minute and a half: a controller that asks each minute is never asked.
    pub const SILENCE: Duration = Duration::from_secs(90);

    /// These controllers, and the default silence.
    #[must_use]
    pub fn new(controllers: Vec<(SocketAddr, Name)>) -> Self {
        Self { controllers, silence: Self::SILENCE }
    }
}

/// After all controllers were tried in vain, how long until the first is tried again.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// The way to another controller.
pub(super) struct Rejoin {
    /// Which of the list is tried, or is next.
    next: usize,
    /// How many were tried since the last pause, and how many of them have refused us.
    tried: usize,
    refused: usize,
    /// When it is tried; `None` while a call is under way.
    at: Option<Time>,
    call: Option<CallId>,
}

/// What an attempt that failed leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt.
    Again,
    /// Every controller has refused us: we are no member.
    Out,
}

impl Rejoin {
    /// From the controller at `from`, which is gone.
    pub(super) fn new(now: Time, failover: &Failover, from: Option<SocketAddr>) -> Self {
        let known = failover.controllers.iter().position(|(address, _)| Some(*address) == from);
        Self { next: known.map_or(0, |at| at + 1), tried: 0, refused: 0, at: Some(now), call: None }
    }

    pub(super) fn wake(&self) -> Option<Time> {
        self.at
    }

    pub(super) fn is(&self, call: CallId) -> bool {
        self.call == Some(call)
    }

    /// The call under way, if there is one: who stops rejoining settles it.
    pub(super) fn call(&self) -> Option<CallId> {
        self.call
    }

    /// Calls the next controller, if it is time.
    pub(super) fn act(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        failover: &Failover,
        request: &GroupRequest,
    ) -> Next {
        while self.at.is_some_and(|at| at <= now) {
            let at = self.next.checked_rem(failover.controllers.len());
            let Some((to, name)) = at.and_then(|at| failover.controllers.get(at)) else {
                self.at = Some(now + PAUSE);
                return Next::Again;
            };
            self.at = None;
            // R14.10: whoever is none of the group's controllers is not even asked.
            let accepted = |(group, known): &(Vec<u8>, Name)| *group == request.group && known == name;
            if !endpoint.config().controllers.iter().any(accepted) {
                let why = Error::Peer(PeerFault::NotController);
                self.failed(now, failover, &why);
                continue;
            }
            match endpoint.connect(now, *to, &Call::join(name.clone(), request.clone())) {
                Ok(call) => self.call = Some(call),
                Err(why) if self.failed(now, failover, &why) == Next::Out => return Next::Out,
                Err(_) => (),
            }
        }
        Next::Again
    }

    /// The call came to nothing.
    pub(super) fn failed(&mut self, now: Time, failover: &Failover, why: &Error) -> Next {
        self.call = None;
        self.next = self.next.wrapping_add(1);
        self.tried += 1;
        self.refused += usize::from(matches!(why, Error::Peer(PeerFault::RefusedUs)));
        self.at = Some(now);
        if self.tried >= failover.controllers.len() {
            if self.refused == self.tried {
                return Next::Out;
            }
            self.at = Some(now + PAUSE);
            (self.tried, self.refused) = (0, 0);
        }
        Next::Again
    }
}

/// Whether a controller is still heard of.
pub(super) struct Watch {
    at: Time,
}

impl Watch {
    pub(super) fn new(now: Time, silence: Duration) -> Self {
        Self { at: now + silence }
    }

    pub(super) fn wake(&self) -> Time {
        self.at
    }

    /// Asks for a sign of life, if there was none for long. Without an answer the session ends, and that is the sign.
    pub(super) fn act(&mut self, now: Time, endpoint: &mut Endpoint, session: SessionId, silence: Duration) {
        if now < self.at {
            return;
        }
        let due = endpoint.heard(session).map(|heard| heard + silence);
        self.at = due.filter(|due| *due > now).unwrap_or(now + silence);
        if due.is_some_and(|due| due <= now) {
            // While another request is under way its answer is the sign.
            let _ = endpoint.probe(now, session);
        }
    }
}

impl Groups {
    /// A call of ours failed: whether it was one by which we joined anew.
    pub(crate) fn call_failed(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        (call, why): (CallId, &Error),
    ) -> Option<Vec<AgentEvent>> {
        let of = |membership: &Membership| membership.rejoin.as_ref().is_some_and(|rejoin| rejoin.is(call));
        let (spi, membership) = self.members.iter_mut().find(|(_, membership)| of(membership))?;
        let (spi, mut events) = (*spi, Vec::new());
        let failover = self.failovers.get(&membership.member.request().group)?;
        let next = membership.rejoin.as_mut().map(|rejoin| rejoin.failed(now, failover, why));
        self.go_on(media, spi, next, &mut events);
        self.rejoin(now, endpoint, media, spi, &mut events);
        Some(events)
    }

    /// Where we wanted to join anew, the controller granted what cannot be.
    pub(super) fn useless(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        request: &GroupRequest,
    ) -> Vec<AgentEvent> {
        let of = |membership: &&mut Membership| {
            membership.rejoin.is_some() && membership.member.request() == request
        };
        let call =
            self.members.values_mut().find(of).and_then(|membership| membership.rejoin.as_ref()?.call());
        let why = Error::Peer(PeerFault::Negotiation("a group"));
        call.and_then(|call| self.call_failed(now, endpoint, media, (call, &why))).unwrap_or_default()
    }

    /// Calls another controller, if ours is lost and it is time.
    pub(super) fn rejoin(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        spi: u64,
        events: &mut Vec<AgentEvent>,
    ) {
        let Some(membership) = self.members.get_mut(&spi) else { return };
        let request = membership.member.request();
        let Some((rejoin, failover)) = membership.rejoin.as_mut().zip(self.failovers.get(&request.group))
        else {
            return;
        };
        let next = rejoin.act(now, endpoint, failover, request);
        self.go_on(media, spi, Some(next), events);
    }

    /// After an attempt to join anew.
    fn go_on(&mut self, media: &mut MediaTable, spi: u64, next: Option<Next>, events: &mut Vec<AgentEvent>) {
        if next == Some(Next::Out) {
            self.remove(media, spi);
            events.push(AgentEvent::GroupLeft { group: GroupHandle(spi), expelled: true });
        }
    }
}
