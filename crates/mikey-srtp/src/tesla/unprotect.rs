//! Receiving (RFC 4383 section 4.4.2): the outer tag lets a packet in, the TESLA MAC lets it out.

use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::{Opening, SrtpCrypto};

use super::buffer::{Held, MediaIndex};
use super::{Extension, FullMac, Tesla, TeslaReceiver};
use crate::error::UnprotectError;
use crate::extension;
use crate::index::{PacketIndex, Ssrc};
use crate::iv;
use crate::key::{is_due, rtcp_keys, without_cipher, without_mac};
use crate::packet::{Malformed, RTCP_CLEAR, RtpLayout};
use crate::sender::{Owner, SenderId};
use crate::stream::{KeyState, Stream};
use crate::tag::{ENCRYPTED, INDEX_LEN, rtcp_tag_len};
use crate::time::Time;
use crate::unprotect::{stale, worse};

/// A packet that came earlier and is now known to be of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The RTP or RTCP packet.
    pub packet: Vec<u8>,
    /// Its sender.
    pub ssrc: Ssrc,
    /// Which of the two it is, and its index.
    pub index: VerifiedIndex,
    /// Under whose keys it came.
    pub owner: Owner,
    /// Under whose keys it came.
    pub sender: SenderId,
    /// Less than a sixteenth of the key's packets is left.
    pub rekey_due: bool,
}

/// Which packet of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedIndex {
    /// An RTP packet.
    Rtp(PacketIndex),
    /// A compound RTCP packet, and its SRTCP index.
    Rtcp(u32),
}

/// Sequence numbers below this may be of the next ROC.
const HALF: u16 = 0x8000;

/// How far apart equal sequence numbers are.
const ROLLOVER: u64 = 0x1_0000;

/// A packet on its way out of the stream.
pub(crate) struct Ready {
    pub(crate) packet: Vec<u8>,
    pub(crate) index: VerifiedIndex,
    pub(crate) rekey_due: bool,
}

impl Stream {
    /// Takes an SRTP packet; what comes out stands in the receiver's queue. The answer says what came of this one.
    pub(crate) fn take_rtp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        layout: RtpLayout,
    ) -> UnprotectError {
        let found = if self.key.context.mki().is_empty() {
            self.try_keys(|stream, at| stream.check_rtp(now, packet, layout, at))
        } else {
            self.rtp_key_by_mki(packet, layout.seq).and_then(|at| self.check_rtp(now, packet, layout, at))
        };
        match found {
            Ok((covered, index, context)) => {
                let Some(covered) = packet.get(..covered) else { return Malformed::Short.into() };
                let header = layout.header_len;
                self.keep(crypto, now, covered, header, (index, context, Some(layout)))
            }
            Err(error) => error,
        }
    }

    /// The same for an SRTCP packet.
    pub(crate) fn take_rtcp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
    ) -> UnprotectError {
        let found = if self.key.context.mki().is_empty() {
            self.try_keys(|stream, at| stream.check_rtcp(crypto, now, packet, at))
        } else {
            self.rtcp_key_by_mki(packet).and_then(|at| self.check_rtcp(crypto, now, packet, at))
        };
        match found {
            Ok((covered, index, context)) => {
                let Some(covered) = packet.get(..covered) else { return Malformed::Short.into() };
                self.keep(crypto, now, covered, RTCP_CLEAR + INDEX_LEN, (index, context, None))
            }
            Err(error) => error,
        }
    }

    /// Tries the keys of a stream without MKI. A tag that is wrong leaves the packet as it is.
    fn try_keys<T>(
        &mut self,
        mut check: impl FnMut(&mut Self, usize) -> Result<T, UnprotectError>,
    ) -> Result<T, UnprotectError> {
        let mut error = None;
        for at in 0..self.key_count() {
            match check(self, at) {
                Ok(found) => return Ok(found),
                Err(reason) => error = Some(worse(error, reason)),
            }
        }
        Err(error.unwrap_or(UnprotectError::Unauthenticated))
    }

    /// Checks everything but the TESLA MAC of a packet under one key, and changes nothing. Returns how many octets the
    /// tag covers.
    fn check_rtp(
        &self,
        now: Time,
        packet: &mut [u8],
        layout: RtpLayout,
        at: usize,
    ) -> Result<(usize, MediaIndex, Arc<crate::key::Context>), UnprotectError> {
        let key = self.key(at).ok_or(UnprotectError::KeyExpired)?;
        let view = self.view(&key.context, packet, &layout)?;
        let split = key.context.rare_rtp().split.as_ref().ok_or(UnprotectError::NoChain)?;
        let (body, tail) = packet.split_at_mut_checked(view.len).ok_or(Malformed::Short)?;
        let tag = tail.get(tail.len() - view.tail.mac..).ok_or(Malformed::Short)?;
        // Until a first packet is verified nothing says where the stream is, and by then its ROC may have moved on.
        let moved_on = (!self.tracker.is_known() && layout.seq < HALF).then_some(view.index + ROLLOVER);
        let mut error = UnprotectError::KeyExpired;
        for index in core::iter::once(view.index).chain(moved_on) {
            let whole = PacketIndex::from_u64(index);
            if now >= key.until() || !key.context.validity().holds(whole) {
                continue;
            }
            key.may_accept_rtp(index)?;
            let trailer = Some(whole.roc().to_be_bytes());
            let opening = Opening { iv: [0; 16], clear: body.len(), packet: body, trailer, tag };
            if split.mac.open(opening).is_ok() {
                return Ok((view.len, MediaIndex::Rtp(index), Arc::clone(&key.context)));
            }
            error = UnprotectError::Unauthenticated;
        }
        Err(error)
    }

    fn check_rtcp(
        &self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        at: usize,
    ) -> Result<(usize, MediaIndex, Arc<crate::key::Context>), UnprotectError> {
        let key = self.key(at).ok_or(UnprotectError::KeyExpired)?;
        let (context, policy) = (&key.context, &*key.context.policy);
        let tag_len = rtcp_tag_len(policy);
        let behind = tag_len + context.mki().len();
        let covered = packet.len().checked_sub(behind).ok_or(Malformed::Short)?;
        let mac_len = self.tesla_receiver().ok_or(UnprotectError::NoChain)?.mac_len();
        let (word, _) = Extension::split(packet.get(..covered).ok_or(Malformed::Short)?, mac_len)
            .and_then(|(body, extension)| Some((*body.last_chunk::<INDEX_LEN>()?, extension.interval)))
            .ok_or(Malformed::Short)?;
        let index = u32::from_be_bytes(word) & !ENCRYPTED;
        if now >= key.until() {
            return Err(UnprotectError::KeyExpired);
        }
        key.may_accept_rtcp(index)?;
        let keys = context.rtcp_keys(crypto, index).map_err(|_| UnprotectError::Unauthenticated)?;
        let (body, tail) = packet.split_at_mut_checked(covered).ok_or(Malformed::Short)?;
        let tag = tail.get(tail.len() - tag_len..).ok_or(Malformed::Short)?;
        let opening = Opening { iv: [0; 16], clear: covered, packet: body, trailer: None, tag };
        let transform = without_cipher(rtcp_keys(policy, &keys, false));
        crypto.open_once(&transform, opening).map_err(|_| UnprotectError::Unauthenticated)?;
        Ok((covered, MediaIndex::Rtcp(index), Arc::clone(context)))
    }

    /// Gives a packet that a member of the group has made to the receiver, and opens what it releases.
    fn keep(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        covered: &[u8],
        shortest: usize,
        (index, context, layout): (MediaIndex, Arc<crate::key::Context>, Option<RtpLayout>),
    ) -> UnprotectError {
        // Out of the stream while it works, so that what it releases can be opened with the stream's keys.
        let Some(mut tesla) = self.rare.as_mut().and_then(|rare| rare.tesla.take()) else {
            return UnprotectError::NoChain;
        };
        let verdict = match &mut *tesla {
            Tesla::Receiver(receiver) => match Extension::split(covered, receiver.mac_len()) {
                Some((octets, extension)) if octets.len() >= shortest => {
                    let held = |chain, arrived| {
                        let mut mac: FullMac = [0; _];
                        for (to, from) in mac.iter_mut().zip(extension.mac) {
                            *to = *from;
                        }
                        let (octets, interval) = (octets.to_vec(), extension.interval);
                        Held { index, context, octets, layout, chain, interval, mac, arrived }
                    };
                    let (verdict, released) = receiver.take(now, &extension, held);
                    for held in released {
                        match self.open_held(crypto, held) {
                            Some(ready) => receiver.push(ready),
                            None => receiver.lost(),
                        }
                    }
                    verdict
                }
                _ => Malformed::Short.into(),
            },
            Tesla::Sender(_) => UnprotectError::NoChain,
        };
        if let Some(rare) = self.rare.as_mut() {
            rare.tesla = Some(tesla);
        }
        verdict
    }

    /// Decrypts a packet whose TESLA MAC is right, and takes note of it: only now does it count.
    fn open_held(&mut self, crypto: &dyn SrtpCrypto, held: Held) -> Option<Ready> {
        let ssrc = self.ssrc;
        let at = (0..self.key_count())
            .find(|at| self.key(*at).is_some_and(|key| Arc::ptr_eq(&key.context, &held.context)))?;
        let Held { index, context, mut octets, layout, .. } = held;
        let lifetime = context.lifetime();
        match (index, layout) {
            (MediaIndex::Rtp(index), Some(layout)) => {
                let key = self.key_mut(at)?;
                // Another packet of that index may have come out since.
                key.may_accept_rtp(index).ok()?;
                let rare = context.rare_rtp();
                let iv = iv::rtp(context.rtp.cipher, &context.rtp.salt, ssrc, index, &octets);
                let opening =
                    Opening { iv, packet: &mut octets, clear: layout.header_len, trailer: None, tag: &[] };
                rare.split.as_ref()?.cipher.open(opening).ok()?;
                if let Some((transform, salt)) = &rare.extension {
                    let (ids, cipher) = (context.extensions(), context.rtp.cipher);
                    extension::check(&ids, &octets, &layout, cipher).ok()?;
                    let iv = extension::iv(cipher, salt, ssrc, index, &octets);
                    extension::apply(&ids, transform.as_ref(), iv, &mut octets, &layout).ok()?;
                }
                key.rtp_window.commit(index);
                key.rtp_used += 1;
                let rekey_due = is_due(key.rtp_used, lifetime.srtp_packets);
                self.tracker.commit(index);
                let index = VerifiedIndex::Rtp(PacketIndex::from_u64(index));
                Some(Ready { packet: octets, index, rekey_due })
            }
            (MediaIndex::Rtcp(index), _) => {
                let key = self.key_mut(at)?;
                key.may_accept_rtcp(index).ok()?;
                let word = *octets.last_chunk::<INDEX_LEN>()?;
                octets.truncate(octets.len().checked_sub(INDEX_LEN)?);
                let encrypted = u32::from_be_bytes(word) & ENCRYPTED != 0;
                let policy = &*context.policy;
                let keys = context.rtcp_keys(crypto, index).ok()?;
                let header = *octets.first_chunk::<RTCP_CLEAR>()?;
                let iv = iv::rtcp(policy.cipher, keys.salt(), ssrc, word, &header);
                let clear = if encrypted { RTCP_CLEAR } else { octets.len() };
                let opening = Opening { iv, packet: &mut octets, clear, trailer: None, tag: &[] };
                crypto.open_once(&without_mac(rtcp_keys(policy, &keys, encrypted)), opening).ok()?;
                key.rtcp_window.commit(index);
                let rekey_due = is_due(key.rtcp_window.count().into(), lifetime.srtcp_packets);
                Some(Ready { packet: octets, index: VerifiedIndex::Rtcp(index), rekey_due })
            }
            (MediaIndex::Rtp(_), None) => None,
        }
    }

    pub(crate) fn tesla_receiver(&self) -> Option<&TeslaReceiver> {
        match self.rare.as_ref()?.tesla.as_deref()? {
            Tesla::Receiver(receiver) => Some(receiver),
            Tesla::Sender(_) => None,
        }
    }

    pub(crate) fn tesla_receiver_mut(&mut self) -> Option<&mut TeslaReceiver> {
        match self.rare.as_mut()?.tesla.as_deref_mut()? {
            Tesla::Receiver(receiver) => Some(receiver),
            Tesla::Sender(_) => None,
        }
    }
}

impl KeyState {
    /// Replay window and limits of an SRTP packet.
    fn may_accept_rtp(&self, index: u64) -> Result<(), UnprotectError> {
        self.rtp_window.check(index).map_err(stale)?;
        if self.rtp_used >= self.context.lifetime().srtp_packets || self.wraps(index) {
            return Err(UnprotectError::KeyExhausted);
        }
        Ok(())
    }

    /// The same of an SRTCP packet.
    fn may_accept_rtcp(&self, index: u32) -> Result<(), UnprotectError> {
        self.rtcp_window.check(index).map_err(stale)?;
        if u64::from(self.rtcp_window.used()) >= self.context.lifetime().srtcp_packets {
            return Err(UnprotectError::KeyExhausted);
        }
        Ok(())
    }
}
