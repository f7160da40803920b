//! Late binding: the first packet of an SSRC that no sender has named.
//!
//! Inbound, the keys of the wildcard senders at that destination are tried; the SSRC is bound to the one whose key
//! authenticates the packet, and to none otherwise. Outbound, there is one wildcard sender at most.

use super::{ContextDb, Direction};
use crate::destination::Destination;
use crate::error::UnprotectError;
use crate::index::{IndexTracker, Ssrc};
use crate::limits::{MAX_SSRCS_PER_WILDCARD, MAX_WILDCARD_TRIALS};
use crate::sender::SenderId;
use crate::stream::Stream;

impl ContextDb {
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
        let mut error = UnprotectError::UnknownStream;
        let candidates = self.candidates(Direction::Inbound, destination);
        let several = candidates.ids.iter().flatten().count() > 1;
        let copy = several.then(|| alloc::vec::Vec::from(&*packet));
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
            if let Some(copy) = &copy {
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
