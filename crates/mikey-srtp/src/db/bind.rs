//! Late binding: the first packet of an SSRC that no sender has named.
//!
//! Inbound, the keys of the wildcard senders at that destination are tried; the SSRC is bound to the one whose key
//! authenticates the packet, and to none otherwise. Outbound, there is one wildcard sender at most.

use super::ContextDb;
use crate::destination::Destination;
use crate::error::UnprotectError;
use crate::index::{IndexTracker, Ssrc};
use crate::limits::{MAX_SSRCS_PER_WILDCARD, MAX_WILDCARD_TRIALS};
use crate::sender::{Sender, SenderId};
use crate::stream::Stream;
use crate::tag::{RtpTail, is_aead, rtcp_tag_len};

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
        let candidates = self.candidates(at, packet);
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

    /// The wildcard senders of a destination from which this packet may be, at most as many as may be tried. A packet with an
    /// MKI is tried under the keys of that MKI alone, so their number is no limit for the others.
    pub(super) fn candidates(&self, destination: Destination, packet: &[u8]) -> Candidates {
        let mut candidates = Candidates { ids: [None; MAX_WILDCARD_TRIALS] };
        let Some(list) = self.wildcards.get(&(destination, true)) else { return candidates };
        let ids = list.iter().filter_map(|slot| {
            let sender = self.senders.get(*slot).filter(|sender| may_be_from(sender, packet))?;
            Some(SenderId { slot: *slot, serial: sender.serial })
        });
        for (to, id) in candidates.ids.iter_mut().zip(ids) {
            *to = Some(id);
        }
        candidates
    }

    /// The wildcard sender of an outbound destination: there is one at most.
    pub(super) fn outbound_wildcard(&self, destination: Destination) -> Option<SenderId> {
        let slot = *self.wildcards.get(&(destination, false))?.first()?;
        self.senders.get(slot).map(|sender| SenderId { slot, serial: sender.serial })
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
        let candidates = self.candidates(destination, packet);
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

/// Whether one of a sender's keys has no MKI, or the one that stands in the packet as SRTP or as SRTCP.
fn may_be_from(sender: &Sender, packet: &[u8]) -> bool {
    let seq = match packet {
        [_, _, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => return false,
    };
    sender.keys().any(|key| {
        let (policy, mki) = (&*key.context.policy, key.context.mki());
        let behind = if is_aead(policy.cipher) {
            [0, 0]
        } else {
            [RtpTail::of(policy, seq).len(), rtcp_tag_len(policy)]
        };
        let stands = |behind: usize| packet.len().checked_sub(behind).and_then(|end| packet.get(..end));
        mki.is_empty() || behind.into_iter().filter_map(stands).any(|head| head.ends_with(mki))
    })
}

/// Senders to try, without allocating.
pub(super) struct Candidates {
    pub(super) ids: [Option<SenderId>; MAX_WILDCARD_TRIALS],
}
