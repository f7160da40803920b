//! Packets through the database.

use super::ContextDb;
use crate::destination::Destination;
use crate::error::{ProtectError, UnprotectError};
use crate::index::{IndexTracker, PacketIndex, Ssrc};
use crate::packet::{Malformed, RtpLayout, rtcp_ssrc};
use crate::protect::{Protected, ProtectedRtcp};
use crate::sender::{Direction, Owner, SenderId};
use crate::time::Time;
use crate::unprotect::Opened;

/// An RTP packet that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Octets of the RTP packet, from the start of the buffer.
    pub len: usize,
    /// Its sender.
    pub ssrc: Ssrc,
    /// Its index.
    pub index: PacketIndex,
    /// Under whose keys it came.
    pub owner: Owner,
    /// Under whose keys it came.
    pub sender: SenderId,
    /// The SSRC was bound to a wildcard sender by this packet.
    pub bound: bool,
    /// The SSRC, just bound, is one of ours in the same session: choose another (RFC 3550 section 8.2).
    pub clash: bool,
    /// Less than a sixteenth of the key's packets is left.
    pub rekey_due: bool,
}

/// An RTCP packet that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptedRtcp {
    /// Octets of the RTCP packet, from the start of the buffer.
    pub len: usize,
    /// Its sender.
    pub ssrc: Ssrc,
    /// Its SRTCP index, 31 bits.
    pub index: u32,
    /// Under whose keys it came.
    pub owner: Owner,
    /// Under whose keys it came.
    pub sender: SenderId,
    /// The SSRC was bound to a wildcard sender by this packet.
    pub bound: bool,
    /// The SSRC, just bound, is one of ours in the same session: choose another (RFC 3550 section 8.2).
    pub clash: bool,
    /// Less than a sixteenth of the key's packets is left.
    pub rekey_due: bool,
}

impl ContextDb {
    /// Turns the RTP packet in the first `len` octets of `buffer` into an SRTP packet, in place.
    ///
    /// # Errors
    /// [`ProtectError`]; [`ProtectError::BufferTooSmall`] says how many octets are needed. No state has changed then.
    pub fn protect_rtp(
        &mut self,
        now: Time,
        to: Destination,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<Protected, ProtectError> {
        let outcome = self.try_protect_rtp(now, to, buffer, len);
        self.stats.count_protect(&outcome);
        outcome
    }

    #[inline(always)]
    pub(super) fn try_protect_rtp(
        &mut self,
        now: Time,
        to: Destination,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<Protected, ProtectError> {
        let layout = RtpLayout::parse(buffer.get(..len).ok_or(Malformed::Short)?)?;
        let slot = self.outbound(to, layout.ssrc)?;
        self.protect_at(now, buffer, len, layout, slot)
    }

    /// A packet whose stream is found.
    #[inline(always)]
    pub(super) fn protect_at(
        &mut self,
        now: Time,
        buffer: &mut [u8],
        len: usize,
        layout: RtpLayout,
        slot: u32,
    ) -> Result<Protected, ProtectError> {
        let entry = self.streams.get_mut(slot).ok_or(ProtectError::UnknownStream)?;
        let outcome = entry.stream.protect_rtp(self.crypto, now, buffer, len, layout);
        if outcome.is_err() {
            entry.stream.refused = entry.stream.refused.wrapping_add(1);
        }
        outcome
    }

    /// Turns the compound RTCP packet in the first `len` octets of `buffer` into an SRTCP packet, in place.
    ///
    /// # Errors
    /// [`ProtectError`]; [`ProtectError::BufferTooSmall`] says how many octets are needed. No state has changed then.
    pub fn protect_rtcp(
        &mut self,
        now: Time,
        to: Destination,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<ProtectedRtcp, ProtectError> {
        let outcome = self.try_protect_rtcp(now, to, buffer, len);
        self.stats.count_protect(&outcome);
        outcome
    }

    fn try_protect_rtcp(
        &mut self,
        now: Time,
        to: Destination,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<ProtectedRtcp, ProtectError> {
        let ssrc = rtcp_ssrc(buffer.get(..len).ok_or(Malformed::Short)?)?;
        let slot = self.outbound(to, ssrc)?;
        let entry = self.streams.get_mut(slot).ok_or(ProtectError::UnknownStream)?;
        let outcome = entry.stream.protect_rtcp(self.crypto, now, buffer, len);
        if outcome.is_err() {
            entry.stream.refused = entry.stream.refused.wrapping_add(1);
        }
        outcome
    }

    /// The outbound stream, bound to the wildcard sender of that destination if nobody named it.
    #[inline]
    fn outbound(&mut self, to: Destination, ssrc: Ssrc) -> Result<u32, ProtectError> {
        match self.find_hot(Direction::Outbound, to, ssrc) {
            Some(slot) => Ok(slot),
            None => self.bind_outbound(to, ssrc),
        }
    }

    #[cold]
    fn bind_outbound(&mut self, to: Destination, ssrc: Ssrc) -> Result<u32, ProtectError> {
        let id = self.wildcards.outbound(to).ok_or(ProtectError::UnknownStream)?;
        if !self.has_room(id) {
            return Err(ProtectError::UnknownStream);
        }
        let stream =
            self.stream_of(id, ssrc, IndexTracker::with_roc(0)).ok_or(ProtectError::UnknownStream)?;
        self.add_stream(stream).ok_or(ProtectError::UnknownStream)
    }

    /// Turns the SRTP packet in `packet`, which came to our address `at`, into an RTP packet, in place.
    ///
    /// # Errors
    /// [`UnprotectError`]; no state has changed then, except for counters. The content of `packet` is then undefined.
    pub fn unprotect_rtp(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
    ) -> Result<Accepted, UnprotectError> {
        let outcome = self.try_unprotect_rtp(now, at, packet);
        self.stats.count_unprotect(&outcome);
        outcome
    }

    #[inline(always)]
    pub(super) fn try_unprotect_rtp(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
    ) -> Result<Accepted, UnprotectError> {
        let layout = RtpLayout::parse(packet)?;
        let Some(slot) = self.find_hot(Direction::Inbound, at, layout.ssrc) else {
            return self.bind_rtp(now, at, packet, layout);
        };
        self.unprotect_at(now, at, packet, layout, slot)
    }

    /// A packet whose stream is found.
    #[inline(always)]
    pub(super) fn unprotect_at(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
        layout: RtpLayout,
        slot: u32,
    ) -> Result<Accepted, UnprotectError> {
        let entry = self.streams.get_mut(slot).ok_or(UnprotectError::UnknownStream)?;
        if entry.suspect {
            return self.unprotect_suspect(now, at, packet, layout, slot);
        }
        match entry.stream.unprotect_rtp(self.crypto, now, packet, layout, &mut self.spare) {
            Ok(opened) => Ok(accepted(opened, self.whose(slot), false, false)),
            Err(error) => Err(self.refuse_rtp(now, at, packet, layout, slot, error, false)),
        }
    }

    /// A packet that is kept, since the one before it failed.
    #[cold]
    fn unprotect_suspect(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
        layout: RtpLayout,
        slot: u32,
    ) -> Result<Accepted, UnprotectError> {
        self.keep(packet);
        let entry = self.streams.get_mut(slot).ok_or(UnprotectError::UnknownStream)?;
        match entry.stream.unprotect_rtp(self.crypto, now, packet, layout, &mut self.spare) {
            Ok(opened) => Ok(accepted(opened, self.whose(slot), false, false)),
            Err(error) => Err(self.refuse_rtp(now, at, packet, layout, slot, error, true)),
        }
    }

    #[cold]
    #[expect(clippy::too_many_arguments, reason = "what is known of a packet that was refused")]
    pub(super) fn refuse_rtp(
        &mut self,
        now: Time,
        at: Destination,
        packet: &[u8],
        layout: RtpLayout,
        slot: u32,
        error: UnprotectError,
        kept: bool,
    ) -> UnprotectError {
        self.refuse(at, packet, slot, error, kept, |db, stream, packet| {
            stream.unprotect_rtp(db.crypto, now, packet, layout, &mut db.spare)
        })
    }

    /// Whose a stream is.
    #[inline]
    pub(super) fn whose(&self, slot: u32) -> (Owner, SenderId) {
        let slot = self.streams.get(slot).map_or(u32::MAX, |entry| entry.stream.sender);
        let sender = self.senders.get(slot);
        let (owner, serial) = sender.map_or((Owner::default(), 0), |sender| (sender.owner, sender.serial));
        (owner, SenderId { slot, serial })
    }

    #[cold]
    fn bind_rtp(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
        layout: RtpLayout,
    ) -> Result<Accepted, UnprotectError> {
        let (opened, sender) = self.bind(at, layout.ssrc, packet, |db, stream, packet| {
            stream.unprotect_rtp(db.crypto, now, packet, layout, &mut db.spare)
        })?;
        let (owner, clash) = self.newly_bound(sender, layout.ssrc);
        Ok(accepted(opened, (owner, sender), true, clash))
    }

    /// The owner of a stream that was just bound, and whether it sends under that SSRC itself.
    fn newly_bound(&self, sender: SenderId, ssrc: Ssrc) -> (Owner, bool) {
        let owner = self.sender(sender).map_or(Owner::default(), |sender| sender.owner);
        (owner, self.uses(owner, Direction::Outbound, ssrc))
    }

    /// Turns the SRTCP packet in `packet`, which came to our address `at`, into an RTCP packet, in place.
    ///
    /// # Errors
    /// [`UnprotectError`]; no state has changed then, except for counters. The content of `packet` is then undefined.
    pub fn unprotect_rtcp(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
    ) -> Result<AcceptedRtcp, UnprotectError> {
        let outcome = self.try_unprotect_rtcp(now, at, packet);
        self.stats.count_unprotect(&outcome);
        outcome
    }

    fn try_unprotect_rtcp(
        &mut self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
    ) -> Result<AcceptedRtcp, UnprotectError> {
        let ssrc = rtcp_ssrc(packet)?;
        let Some(slot) = self.find_hot(Direction::Inbound, at, ssrc) else {
            let (opened, sender) = self.bind(at, ssrc, packet, |db, stream, packet| {
                stream.unprotect_rtcp(db.crypto, now, packet, &mut db.spare)
            })?;
            let (owner, clash) = self.newly_bound(sender, ssrc);
            return Ok(accepted_rtcp(opened, (owner, sender), true, clash));
        };
        // They are too rare for a first failure to be waited for.
        let kept = !self.wildcards.is_empty();
        if kept {
            self.keep(packet);
        }
        let entry = self.streams.get_mut(slot).ok_or(UnprotectError::UnknownStream)?;
        match entry.stream.unprotect_rtcp(self.crypto, now, packet, &mut self.spare) {
            Ok(opened) => Ok(accepted_rtcp(opened, self.whose(slot), false, false)),
            Err(error) => Err(self.refuse(at, packet, slot, error, kept, |db, stream, packet| {
                stream.unprotect_rtcp(db.crypto, now, packet, &mut db.spare)
            })),
        }
    }
}

pub(super) fn accepted(
    opened: Opened<PacketIndex>,
    (owner, sender): (Owner, SenderId),
    bound: bool,
    clash: bool,
) -> Accepted {
    let Opened { len, ssrc, index, rekey_due } = opened;
    Accepted { len, ssrc, index, owner, sender, bound, clash, rekey_due }
}

fn accepted_rtcp(
    opened: Opened<u32>,
    (owner, sender): (Owner, SenderId),
    bound: bool,
    clash: bool,
) -> AcceptedRtcp {
    let Opened { len, ssrc, index, rekey_due } = opened;
    AcceptedRtcp { len, ssrc, index, owner, sender, bound, clash, rekey_due }
}
