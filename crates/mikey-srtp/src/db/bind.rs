//! Late binding: the first packet of an SSRC that no sender has named.
//!
//! Inbound, the keys of the wildcard senders at that destination are tried; the SSRC is bound to the one whose key
//! authenticates the packet, and to none otherwise. Outbound, there is one wildcard sender at most.

use super::{ContextDb, Direction};
use crate::destination::Destination;
use crate::error::UnprotectError;
use crate::index::{IndexTracker, Ssrc};
use crate::limits::{MAX_SSRCS_PER_WILDCARD, MAX_WILDCARD_TRIALS};
use crate::packet::RtpLayout;
use crate::sender::SenderId;
use crate::stream::Stream;
use crate::tag::is_aead;
use crate::time::Time;

impl ContextDb {
    /// Counts a refusal of a known SSRC, and says what it means: if a wildcard sender's key is right, that sender has taken another's SSRC
    /// (RFC 3550 section 8.2). An AEAD that failed has left nothing to try, so it stays a forgery.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        now: Time,
        at: Destination,
        packet: &[u8],
        layout: RtpLayout,
        slot: u32,
        error: UnprotectError,
    ) -> UnprotectError {
        let Some(entry) = self.streams.get_mut(slot) else { return error };
        entry.stream.refused = entry.stream.refused.wrapping_add(1);
        if self.wildcards.is_empty() {
            return error;
        }
        let sender = entry.sender;
        let intact = match error {
            UnprotectError::UnknownMki => true,
            UnprotectError::Unauthenticated => !is_aead(&entry.stream.key.context.policy),
            _ => false,
        };
        let others =
            self.candidates(Direction::Inbound, at).ids.into_iter().flatten().filter(|id| *id != sender);
        let mut copy = core::mem::take(&mut self.trial);
        let mut verdict = error;
        for id in others.filter(|_| intact) {
            let Some(mut stream) = self.stream_of(id, layout.ssrc, IndexTracker::with_roc(0)) else {
                continue;
            };
            copy.clear();
            copy.extend_from_slice(packet);
            if stream.unprotect_rtp(self.crypto, now, &mut copy, layout, &mut self.spare).is_ok() {
                verdict = UnprotectError::SsrcCollision;
                break;
            }
        }
        self.trial = copy;
        verdict
    }

    /// The wildcard senders of a destination, at most as many as may be tried.
    pub(super) fn candidates(&self, direction: Direction, destination: Destination) -> Candidates {
        let mut candidates = Candidates { ids: [None; MAX_WILDCARD_TRIALS] };
        let Some(list) = self.wildcards.get(&(destination, direction == Direction::Inbound)) else {
            return candidates;
        };
        let ids = list.iter().filter_map(|slot| {
            self.senders.get(*slot).map(|sender| SenderId { slot: *slot, serial: sender.serial })
        });
        for (to, id) in candidates.ids.iter_mut().zip(ids) {
            *to = Some(id);
        }
        candidates
    }

    /// Whether a wildcard sender may have another SSRC.
    pub(super) fn has_room(&self, id: SenderId) -> bool {
        self.sender(id).is_some_and(|sender| sender.stream_count < MAX_SSRCS_PER_WILDCARD)
    }

    /// Tries `open` on a new stream of each wildcard sender, and keeps the stream on which it succeeds.
    pub(super) fn bind<T>(
        &mut self,
        destination: Destination,
        ssrc: Ssrc,
        packet: &mut [u8],
        mut open: impl FnMut(&mut Self, &mut Stream, &mut [u8]) -> Result<T, UnprotectError>,
    ) -> Result<(T, SenderId), UnprotectError> {
        let candidates = self.candidates(Direction::Inbound, destination);
        let several = candidates.ids.iter().flatten().count() > 1;
        let mut copy = core::mem::take(&mut self.trial);
        copy.clear();
        if several {
            copy.extend_from_slice(packet);
        }
        let outcome = self.bind_one_of(candidates, ssrc, packet, &copy, &mut open);
        self.trial = copy;
        outcome
    }

    fn bind_one_of<T>(
        &mut self,
        candidates: Candidates,
        ssrc: Ssrc,
        packet: &mut [u8],
        copy: &[u8],
        open: &mut impl FnMut(&mut Self, &mut Stream, &mut [u8]) -> Result<T, UnprotectError>,
    ) -> Result<(T, SenderId), UnprotectError> {
        let mut error = UnprotectError::UnknownStream;
        for id in candidates.ids.into_iter().flatten() {
            let Some(mut stream) = self.stream_of(id, ssrc, IndexTracker::with_roc(0)) else { continue };
            match open(self, &mut stream, packet) {
                Ok(opened) => {
                    if !self.has_room(id) || self.add_stream(id, stream).is_none() {
                        return Err(UnprotectError::TooManySsrcs);
                    }
                    return Ok((opened, id));
                }
                Err(reason)
                    if reason != UnprotectError::UnknownMki || error == UnprotectError::UnknownStream =>
                {
                    error = reason;
                }
                Err(_) => {}
            }
            if copy.len() == packet.len() {
                packet.copy_from_slice(copy);
            }
        }
        Err(error)
    }
}

/// Senders to try, without allocating.
pub(super) struct Candidates {
    pub(super) ids: [Option<SenderId>; MAX_WILDCARD_TRIALS],
}
