//! Late binding: the first packet of an SSRC that no sender has named.
//!
//! Inbound, the keys of the wildcard senders at that destination are tried; the SSRC is bound to the one whose key
//! authenticates the packet, and to none otherwise. Outbound, there is one wildcard sender at most.

use super::ContextDb;
use super::wildcards::Candidates;
use crate::destination::Destination;
use crate::error::UnprotectError;
use crate::index::{IndexTracker, Ssrc};
use crate::limits::MAX_SSRCS_PER_WILDCARD;
use crate::sender::SenderId;
use crate::stream::Stream;
use crate::tag::is_aead;

impl ContextDb {
    /// Counts a refusal of a known SSRC, and says what it means: if a wildcard sender's key is right, that sender has
    /// taken another's SSRC (RFC 3550 section 8.2).
    ///
    /// An AEAD that fails leaves nothing of the packet to try. So the stream is suspected, the next packet is kept while
    /// it is opened, and with `kept` the two senders are told apart: a collision is never of one packet alone.
    #[cold]
    pub(super) fn refuse<T>(
        &mut self,
        at: Destination,
        packet: &[u8],
        slot: u32,
        error: UnprotectError,
        kept: bool,
        mut open: impl FnMut(&mut Self, &mut Stream, &mut [u8]) -> Result<T, UnprotectError>,
    ) -> UnprotectError {
        self.note_verified(slot);
        if error == UnprotectError::Held {
            return error;
        }
        let Some(entry) = self.streams.get_mut(slot) else { return error };
        entry.stream.refused = entry.stream.refused.wrapping_add(1);
        let spoilt = match error {
            UnprotectError::UnknownMki => false,
            UnprotectError::Unauthenticated => is_aead(entry.stream.key.context.rtp.cipher),
            _ => return error,
        };
        entry.suspect = false;
        let (own, ssrc) = (entry.stream.sender, entry.stream.ssrc);
        if self.wildcards.is_empty() {
            return error;
        }
        let intact = core::mem::take(&mut self.intact);
        let mut copy = core::mem::take(&mut self.trial);
        let packet = if kept { &intact } else { packet };
        let candidates = self.wildcards.candidates(&self.senders, at, packet);
        let mut verdict = error;
        for id in candidates.ids.into_iter().flatten().filter(|id| id.slot != own) {
            if spoilt && !kept {
                if let Some(entry) = self.streams.get_mut(slot) {
                    entry.suspect = true;
                }
                break;
            }
            let Some(mut stream) = self.stream_of(id, ssrc, IndexTracker::with_roc(0)) else { continue };
            copy.clear();
            copy.extend_from_slice(packet);
            if open(self, &mut stream, &mut copy).is_ok() {
                verdict = UnprotectError::SsrcCollision;
                break;
            }
        }
        self.trial = copy;
        self.intact = intact;
        verdict
    }

    /// Keeps a packet as it came.
    #[cold]
    pub(super) fn keep(&mut self, packet: &[u8]) {
        self.intact.clear();
        self.intact.extend_from_slice(packet);
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
        let candidates = self.wildcards.candidates(&self.senders, destination, packet);
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
                    if !self.has_room(id) || self.add_stream(stream).is_none() {
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
