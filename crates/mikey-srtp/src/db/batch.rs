//! Batches: several packets at a time, so that a provider can run their ciphers and MACs side by side.
//!
//! Packets go four at a time, or two. A group is taken apart again if a packet of it needs anything rare, so a batch
//! never does anything that its packets one by one would not.

use mikey_crypto::AuthFailed;
use mikey_crypto::srtp::{BatchOpening, BatchSealing, Tag};

use super::ContextDb;
use super::packets::accepted;
use crate::db::Accepted;
use crate::destination::Destination;
use crate::error::{ProtectError, UnprotectError};
use crate::index::epoch;
use crate::limits::MAX_SRTP_PACKETS;
use crate::packet::{Malformed, RtpLayout};
use crate::protect::{Protected, Ready};
use crate::sender::Direction;
use crate::tag::is_aead;
use crate::time::Time;
use crate::unprotect::Expected;

/// An RTP packet of a batch to be protected.
pub struct OutboundPacket<'a> {
    /// Where it goes.
    pub to: Destination,
    /// The packet, with room behind it.
    pub buffer: &'a mut [u8],
    /// Octets of the packet.
    pub len: usize,
    /// Receives what came of it.
    pub outcome: Result<Protected, ProtectError>,
}

impl<'a> OutboundPacket<'a> {
    /// A packet whose outcome is still [`ProtectError::UnknownStream`].
    #[must_use]
    pub fn new(to: Destination, buffer: &'a mut [u8], len: usize) -> Self {
        Self { to, buffer, len, outcome: Err(ProtectError::UnknownStream) }
    }
}

/// An SRTP packet of a batch to be unprotected.
pub struct InboundPacket<'a> {
    /// Our address to which it came.
    pub at: Destination,
    /// The packet.
    pub packet: &'a mut [u8],
    /// Receives what came of it.
    pub outcome: Result<Accepted, UnprotectError>,
}

impl<'a> InboundPacket<'a> {
    /// A packet whose outcome is still [`UnprotectError::UnknownStream`].
    #[must_use]
    pub fn new(at: Destination, packet: &'a mut [u8]) -> Self {
        Self { at, packet, outcome: Err(UnprotectError::UnknownStream) }
    }
}

impl ContextDb {
    /// Protects packets of any streams, in their order, as [`Self::protect_rtp`] does with each. It is faster than one
    /// by one, most of all if packets of about one length stand together.
    pub fn protect_rtp_batch(&mut self, now: Time, batch: &mut [OutboundPacket<'_>]) {
        let (fours, rest) = batch.as_chunks_mut::<4>();
        for four in fours {
            self.protect_group(now, four);
        }
        let (twos, one) = rest.as_chunks_mut::<2>();
        for two in twos {
            self.protect_group(now, two);
        }
        for item in one {
            item.outcome = self.protect_rtp(now, item.to, item.buffer, item.len);
        }
    }

    /// Copies one RTP packet into every buffer and protects it for every destination: one payload to many receivers,
    /// each under its own key. Buffers and destinations are those of `batch`; `len` is set.
    pub fn fan_out(&mut self, now: Time, packet: &[u8], batch: &mut [OutboundPacket<'_>]) {
        for item in batch.iter_mut() {
            item.len = packet.len();
            if let Some(to) = item.buffer.get_mut(..packet.len()) {
                to.copy_from_slice(packet);
            }
        }
        self.protect_rtp_batch(now, batch);
        for item in batch.iter_mut().filter(|item| item.buffer.len() < packet.len()) {
            item.outcome = Err(ProtectError::BufferTooSmall { needed: packet.len() });
        }
    }

    /// Unprotects packets of any streams, in their order, as [`Self::unprotect_rtp`] does with each; see
    /// [`Self::protect_rtp_batch`].
    pub fn unprotect_rtp_batch(&mut self, now: Time, batch: &mut [InboundPacket<'_>]) {
        let (fours, rest) = batch.as_chunks_mut::<4>();
        for four in fours {
            self.unprotect_group(now, four);
        }
        let (twos, one) = rest.as_chunks_mut::<2>();
        for two in twos {
            self.unprotect_group(now, two);
        }
        for item in one {
            item.outcome = self.unprotect_rtp(now, item.at, item.packet);
        }
    }

    fn protect_group<const N: usize>(&mut self, now: Time, items: &mut [OutboundPacket<'_>; N]) {
        let mut places = [const { None }; N];
        for (place, item) in places.iter_mut().zip(items.iter()) {
            *place = self.locate_outbound(item);
        }
        if places.iter().flatten().any(|place| place.alone) {
            // What the group gains is that its streams have been found ahead, all misses of the cache at a time.
            for (place, item) in places.iter().zip(items) {
                item.outcome = match place {
                    Some(place) if self.is_still(place, Direction::Outbound, item.to) => {
                        self.protect_at(now, item.buffer, item.len, place.layout, place.slot)
                    }
                    _ => self.try_protect_rtp(now, item.to, item.buffer, item.len),
                };
                self.stats.count_protect(&item.outcome);
            }
            return;
        }
        let mut plans = [const { None }; N];
        for ((plan, place), item) in plans.iter_mut().zip(&places).zip(items.iter()) {
            *plan = place.as_ref().and_then(|place| self.plan_protect(place, item));
        }
        if !may_go_together(&plans) {
            for item in items {
                item.outcome = self.protect_rtp(now, item.to, item.buffer, item.len);
            }
            return;
        }
        let mut tags = [Err(AuthFailed); N];
        {
            let mut jobs = [const { None }; N];
            for ((job, plan), item) in jobs.iter_mut().zip(plans.iter().flatten()).zip(items.iter_mut()) {
                let Some(entry) = self.streams.get(plan.slot) else { continue };
                let Some(body) = item.buffer.get_mut(..item.len) else { continue };
                let transform = entry.stream.key.context.rtp.transform.as_ref();
                let sealing = entry.stream.sealing_simple(&plan.ready, body, plan.clear);
                *job = Some(BatchSealing { transform, job: sealing, tag: Err(AuthFailed) });
            }
            self.crypto.seal_batch(&mut jobs);
            for (tag, job) in tags.iter_mut().zip(jobs.iter().flatten()) {
                *tag = job.tag;
            }
        }
        for ((plan, tag), item) in plans.iter().flatten().zip(&tags).zip(items) {
            self.finish_protect(plan, tag, item);
        }
    }

    /// Where a packet's stream is, if the stream is simple.
    #[inline]
    fn locate_outbound(&mut self, item: &OutboundPacket<'_>) -> Option<Place> {
        let layout = RtpLayout::parse(item.buffer.get(..item.len)?).ok()?;
        let slot = self.find_hot(Direction::Outbound, item.to, layout.ssrc)?;
        self.place(slot, layout)
    }

    #[inline]
    fn place(&self, slot: u32, layout: RtpLayout) -> Option<Place> {
        let stream = &self.streams.get(slot)?.stream;
        let alone = is_aead(stream.key.context.rtp.cipher);
        stream.is_simple().then_some(Place { slot, alone, layout })
    }

    /// A packet before this one may have bound an SSRC anew, or removed a stream.
    #[inline]
    fn is_still(&self, place: &Place, direction: Direction, destination: Destination) -> bool {
        self.is_at(place.slot, direction, destination, place.layout.ssrc)
    }

    /// What a packet will become, if its stream takes it.
    #[inline]
    fn plan_protect(&self, place: &Place, item: &OutboundPacket<'_>) -> Option<ProtectPlan> {
        let stream = &self.streams.get(place.slot)?.stream;
        if stream.key.rtp_used + GROUP > MAX_SRTP_PACKETS {
            return None;
        }
        let ready = stream.prepare_simple(item.buffer.len(), item.len, place.layout.seq).ok()?;
        Some(ProtectPlan { slot: place.slot, clear: place.layout.header_len, ready })
    }

    #[inline]
    fn finish_protect(
        &mut self,
        plan: &ProtectPlan,
        tag: &Result<Tag, AuthFailed>,
        item: &mut OutboundPacket<'_>,
    ) {
        item.outcome = self.try_finish_protect(plan, tag, item.buffer, item.len);
        self.stats.count_protect(&item.outcome);
    }

    #[inline]
    fn try_finish_protect(
        &mut self,
        plan: &ProtectPlan,
        tag: &Result<Tag, AuthFailed>,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<Protected, ProtectError> {
        let stream = &mut self.streams.get_mut(plan.slot).ok_or(ProtectError::UnknownStream)?.stream;
        let tag = tag.as_ref().map_err(|_| ProtectError::Transform)?;
        stream.append_simple(&plan.ready, buffer.get_mut(len..).ok_or(Malformed::Short)?, tag)?;
        stream.commit_simple(&plan.ready);
        Ok(plan.ready.done)
    }

    fn unprotect_group<const N: usize>(&mut self, now: Time, items: &mut [InboundPacket<'_>; N]) {
        let mut places = [const { None }; N];
        for (place, item) in places.iter_mut().zip(items.iter()) {
            *place = self.locate_inbound(item);
        }
        if places.iter().any(|place| place.as_ref().is_none_or(|place| place.alone)) {
            for (place, item) in places.into_iter().zip(items) {
                item.outcome = match place {
                    Some(place) if self.is_still(&place, Direction::Inbound, item.at) => {
                        self.unprotect_at(now, item.at, item.packet, place.layout, place.slot)
                    }
                    _ => self.try_unprotect_rtp(now, item.at, item.packet),
                };
                self.stats.count_unprotect(&item.outcome);
            }
            return;
        }
        let mut expectations = [const { Err(UnprotectError::UnknownStream) }; N];
        {
            let mut jobs = [const { None }; N];
            let rows =
                jobs.iter_mut().zip(&mut expectations).zip(places.iter().flatten()).zip(items.iter_mut());
            for (((job, expectation), place), item) in rows {
                let Some(entry) = self.streams.get(place.slot) else { continue };
                match entry.stream.opening_simple(item.packet, place.layout) {
                    Ok((expected, opening)) => {
                        *expectation = Ok(expected);
                        let transform = entry.stream.key.context.rtp.transform.as_ref();
                        *job = Some(BatchOpening { transform, job: opening, outcome: Err(AuthFailed) });
                    }
                    Err(error) => *expectation = Err(error),
                }
            }
            self.crypto.open_batch(&mut jobs);
            for (expectation, job) in expectations.iter_mut().zip(&jobs) {
                if let Some(BatchOpening { outcome: Err(AuthFailed), .. }) = job {
                    *expectation = Err(UnprotectError::Unauthenticated);
                }
            }
        }
        for ((expectation, place), item) in
            expectations.into_iter().zip(places.into_iter().flatten()).zip(items)
        {
            item.outcome = match self.finish_unprotect(place.slot, expectation) {
                Err(error) => {
                    Err(self.refuse_rtp(now, item.at, item.packet, place.layout, place.slot, error, false))
                }
                accepted => accepted,
            };
            self.stats.count_unprotect(&item.outcome);
        }
    }

    /// As [`Self::locate_outbound`].
    #[inline]
    fn locate_inbound(&mut self, item: &InboundPacket<'_>) -> Option<Place> {
        let layout = RtpLayout::parse(item.packet).ok()?;
        let slot = self.find_hot(Direction::Inbound, item.at, layout.ssrc)?;
        self.place(slot, layout)
    }

    /// The window is asked again: two packets of a group may be one packet twice.
    fn finish_unprotect(
        &mut self,
        slot: u32,
        expectation: Result<Expected, UnprotectError>,
    ) -> Result<Accepted, UnprotectError> {
        let expected = expectation?;
        let entry = self.streams.get_mut(slot).ok_or(UnprotectError::UnknownStream)?;
        entry.stream.check_simple(&expected)?;
        let opened = entry.stream.commit_opened(expected);
        Ok(accepted(opened, self.whose(slot), false, false))
    }
}

/// Where the stream of a packet is that needs nothing rare.
struct Place {
    slot: u32,
    /// An AEAD has nothing that could take turns.
    alone: bool,
    layout: RtpLayout,
}

/// A packet that can be protected in a group.
struct ProtectPlan {
    slot: u32,
    clear: usize,
    ready: Ready,
}

/// Whether all packets of a group have a plan, and no two want one index of one stream, or lie on both sides of a wrap.
fn may_go_together(plans: &[Option<ProtectPlan>]) -> bool {
    plans.iter().enumerate().all(|(at, plan)| {
        let Some(plan) = plan else { return false };
        plans.iter().take(at).flatten().all(|other| {
            let (index, before) = (plan.ready.index, other.ready.index);
            plan.slot != other.slot || (index != before && epoch(index) == epoch(before))
        })
    })
}

/// Packets of the largest group.
const GROUP: u64 = 4;
