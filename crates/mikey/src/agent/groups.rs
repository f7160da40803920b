//! What an application does with groups: joining, leaving, sending, and asking how it stands (docs/spec.md, chapter 14).

use std::net::SocketAddr;

use mikey_group::{RekeyDrop, Timing};
use mikey_proto::{Call, CallId, Error, GroupRequest, Name, Time};
use mikey_srtp::tesla::{TeslaReceiver, TeslaSenderInfo};
use mikey_srtp::{ProtectError, RtpLayout, Ssrc, rtcp_ssrc};

use super::{Agent, MediaError};
use crate::groups::{Failover, GroupHandle, TeslaSettings};
use crate::output::Kind;

impl Agent {
    /// Joins a group: calls its controller at `to`. `timing` is how the members of the group change epochs.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no credential for it, or the request makes no sense.
    pub fn join(
        &mut self,
        now: Time,
        to: SocketAddr,
        controller: Name,
        request: GroupRequest,
        timing: Timing,
    ) -> Result<CallId, Error> {
        self.groups.set_timing(&request.group, timing);
        self.endpoint.connect(now, to, &Call::join(controller, request))
    }

    /// Says where a group has controllers: when the one that we are at dies, we join anew at another by ourselves.
    /// [`AgentEvent::ControllerLost`] says that it has died, [`AgentEvent::GroupJoined`] that another one has let us in. Called
    /// before [`Self::join`].
    ///
    /// [`AgentEvent::ControllerLost`]: crate::AgentEvent::ControllerLost
    /// [`AgentEvent::GroupJoined`]: crate::AgentEvent::GroupJoined
    pub fn set_failover(&mut self, group: &[u8], failover: Failover) {
        self.groups.set_failover(group, failover);
    }

    /// Leaves a group. [`AgentEvent::GroupLeft`] comes when the controller has said yes; it takes no longer than a request. While
    /// our controller is lost it comes at once.
    ///
    /// # Errors
    /// [`Error::Misuse`] if we are no member, or the session with the controller is over.
    ///
    /// [`AgentEvent::GroupLeft`]: crate::AgentEvent::GroupLeft
    pub fn leave(&mut self, now: Time, group: GroupHandle) -> Result<(), Error> {
        let events = self.groups.leave(now, &mut self.endpoint, &mut self.media, group)?;
        self.tell(now, events);
        Ok(())
    }

    /// Our membership of a group: its epoch, its senders, and which SSRCs are ours.
    #[must_use]
    pub fn member(&self, group: GroupHandle) -> Option<&mikey_group::Member> {
        self.groups.member(group)
    }

    /// Protects the RTP packet in the first `len` octets of `buffer` for an RTP session of a group, in place, and returns the
    /// length of the SRTP packet. Its SSRC is one that the controller gave us. Where it goes is the application's matter: a
    /// multicast address, or whoever distributes it.
    ///
    /// # Errors
    /// [`MediaError`].
    pub fn protect_group_rtp(
        &mut self,
        now: Time,
        group: GroupHandle,
        cs_id: u8,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, MediaError> {
        self.protect_group(now, group, cs_id, Kind::Rtp, buffer, len)
    }

    /// Protects the RTCP packet in the first `len` octets of `buffer`, as [`Self::protect_group_rtp`] does.
    ///
    /// # Errors
    /// [`MediaError`].
    pub fn protect_group_rtcp(
        &mut self,
        now: Time,
        group: GroupHandle,
        cs_id: u8,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, MediaError> {
        self.protect_group(now, group, cs_id, Kind::Rtcp, buffer, len)
    }

    fn protect_group(
        &mut self,
        now: Time,
        group: GroupHandle,
        cs_id: u8,
        kind: Kind,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, MediaError> {
        let plain = buffer.get(..len).ok_or(ProtectError::BufferTooSmall { needed: len })?;
        let ssrc = match kind {
            Kind::Rtp => RtpLayout::parse(plain).map_err(ProtectError::from)?.ssrc,
            Kind::Rtcp => rtcp_ssrc(plain).map_err(ProtectError::from)?,
        };
        let flow = self.groups.flow(group, cs_id, ssrc).ok_or(MediaError::NotYours)?;
        let at = mikey_srtp::Time(now.as_nanos());
        let protected = match kind {
            Kind::Rtp => self.media.db.protect_rtp(at, flow, buffer, len).map(|p| (p.len, p.chain_due)),
            Kind::Rtcp => self.media.db.protect_rtcp(at, flow, buffer, len).map(|p| (p.len, p.chain_due)),
        };
        let due = matches!(protected, Ok((_, true)) | Err(ProtectError::ChainExhausted));
        let due = due.then_some((cs_id, ssrc));
        self.groups.sent(now, &mut self.endpoint, &self.media, group, due);
        Ok(protected?.0)
    }

    /// Sets how we take part in groups with TESLA. Called before [`Self::join`].
    pub fn set_tesla(&mut self, settings: TeslaSettings) {
        self.groups.set_tesla(settings);
    }

    /// What came of the packets of a sender in a group with TESLA; `None` before its chain is known. If its keys come before
    /// our clock says that they can ([`TeslaReceiver::is_out_of_step`]), joining anew asks for the time.
    pub fn tesla_receiver(&mut self, group: GroupHandle, cs_id: u8, ssrc: Ssrc) -> Option<&TeslaReceiver> {
        let id = self.groups.context(group, cs_id, ssrc)?;
        self.media.db.tesla_receiver(id, ssrc).map(|receiver| &*receiver)
    }

    /// How far the chain of an SSRC of ours is in a group with TESLA; `None` before the controller has stored it, which is
    /// when packets can be sent. Who has no more to say sends empty packets until `closes`.
    pub fn tesla_sender(&mut self, group: GroupHandle, cs_id: u8, ssrc: Ssrc) -> Option<TeslaSenderInfo> {
        let id = self.groups.context(group, cs_id, ssrc)?;
        self.media.db.tesla_sender(id, ssrc).map(|sender| sender.info())
    }

    /// GROUP_REKEYs of our groups that had no effect, by reason.
    pub fn refused_rekeys(&self) -> impl Iterator<Item = (RekeyDrop, u64)> {
        self.groups.refused()
    }
}
