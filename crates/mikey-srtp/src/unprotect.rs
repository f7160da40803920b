//! Receiving: SRTP to RTP, SRTCP to RTCP (RFC 3711 sections 3.3 and 3.4).
//!
//! Estimate the index, check the replay window, authenticate, decrypt, and only then commit.

use alloc::vec::Vec;

use mikey_crypto::srtp::{Opening, SrtpCrypto};

use crate::error::UnprotectError;
use crate::extension;
use crate::index::{Extended, PacketIndex, Ssrc};
use crate::iv;
use crate::key::{Context, RareRtpKeys, RtpKeys, is_due, rtcp_keys};
use crate::limits::MAX_SRTP_PACKETS;
use crate::packet::{Malformed, RTCP_CLEAR, RtpLayout};
use crate::replay::Stale;
use crate::stream::Stream;
use crate::tag::{ENCRYPTED, INDEX_LEN, ROC_LEN, RtpTail, is_aead, rtcp_tag_len, trailer};
use crate::time::Time;

/// What a stream says of a packet that it accepted.
#[derive(Clone, Copy)]
pub(crate) struct Opened<I> {
    pub(crate) len: usize,
    pub(crate) ssrc: Ssrc,
    pub(crate) index: I,
    pub(crate) rekey_due: bool,
}

/// What a packet of a simple stream will be if its tag is right.
pub(crate) struct Expected {
    len: usize,
    index: Extended,
    authenticated: bool,
}

/// Where the parts of an SRTP packet are, and what its index is under one key.
pub(crate) struct View {
    pub(crate) tail: RtpTail,
    /// Octets before MKI and tag.
    pub(crate) len: usize,
    pub(crate) index: Extended,
}

impl Stream {
    #[inline]
    pub(crate) fn unprotect_rtp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        layout: RtpLayout,
        spare: &mut Vec<u8>,
    ) -> Result<Opened<PacketIndex>, UnprotectError> {
        if self.is_simple() {
            return self.unprotect_simple(packet, layout);
        }
        self.unprotect_general(crypto, now, packet, layout, spare)
    }

    fn unprotect_general(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        layout: RtpLayout,
        spare: &mut Vec<u8>,
    ) -> Result<Opened<PacketIndex>, UnprotectError> {
        if self.key.context.is_tesla() {
            return Err(self.take_rtp(crypto, now, packet, layout));
        }
        let by_mki = !self.key.context.mki().is_empty();
        if by_mki {
            let at = self.rtp_key_by_mki(packet, layout.seq)?;
            return self.open_rtp(crypto, now, packet, layout, at);
        }
        if self.others().is_empty() {
            return self.open_rtp(crypto, now, packet, layout, 0);
        }
        // Without MKI, and with more than one key, the trial is bounded by the number of keys.
        let mut error = None;
        keep(spare, packet);
        for at in 0..self.key_count() {
            match self.open_rtp(crypto, now, packet, layout, at) {
                Ok(opened) => {
                    self.promote(at);
                    return Ok(opened);
                }
                Err(reason) => error = Some(worse(error, reason)),
            }
            packet.copy_from_slice(spare.get(..packet.len()).ok_or(Malformed::Short)?);
        }
        Err(error.unwrap_or(UnprotectError::Unauthenticated))
    }

    /// The short way of nearly all packets: everything that [`Stream::is_simple`] excludes is left out.
    #[inline(always)]
    fn unprotect_simple(
        &mut self,
        packet: &mut [u8],
        layout: RtpLayout,
    ) -> Result<Opened<PacketIndex>, UnprotectError> {
        let (expected, opening) = self.opening_simple(packet, layout)?;
        let transform = &self.key.context.rtp.transform;
        transform.open(opening).map_err(|_| UnprotectError::Unauthenticated)?;
        Ok(self.commit_opened(expected))
    }

    /// Everything that can refuse a packet of a simple stream, except its tag. Changes nothing.
    #[inline(always)]
    pub(crate) fn opening_simple<'p>(
        &self,
        packet: &'p mut [u8],
        layout: RtpLayout,
    ) -> Result<(Expected, Opening<'p>), UnprotectError> {
        let key = &self.key;
        let context = &*key.context;
        let cipher = context.rtp.cipher;
        let mki = context.mki();
        let mac_len = usize::from(context.rtp.mac_len);
        let len = packet.len().checked_sub(mki.len() + mac_len).filter(|len| *len >= layout.header_len);
        let len = len.ok_or(Malformed::Short)?;
        let aead = is_aead(cipher);
        let (body, tail) = packet.split_at_mut_checked(len).ok_or(Malformed::Short)?;
        let (front, back) =
            tail.split_at_checked(if aead { mac_len } else { mki.len() }).ok_or(Malformed::Short)?;
        let (tag, theirs) = if aead { (front, back) } else { (back, front) };
        if !mki.is_empty() && theirs != mki {
            return Err(UnprotectError::UnknownMki);
        }
        let index = self.tracker.estimate(layout.seq);
        let expected = Expected { len, index, authenticated: mac_len != 0 };
        self.check_simple(&expected)?;
        let iv = iv::rtp(cipher, &context.rtp.salt, self.ssrc, index, body);
        let trailer = trailer(cipher, index);
        Ok((expected, Opening { iv, packet: body, clear: layout.header_len, trailer, tag }))
    }

    /// Replay window and limits. A batch asks again before it commits: two of its packets may be one.
    #[inline(always)]
    pub(crate) fn check_simple(&self, expected: &Expected) -> Result<(), UnprotectError> {
        let key = &self.key;
        if expected.authenticated {
            key.rtp_window.check(expected.index).map_err(stale)?;
        }
        if key.rtp_used >= MAX_SRTP_PACKETS || key.wraps(expected.index) {
            return Err(UnprotectError::KeyExhausted);
        }
        Ok(())
    }

    /// Takes note of a packet whose tag was right.
    #[inline(always)]
    pub(crate) fn commit_opened(&mut self, expected: Expected) -> Opened<PacketIndex> {
        let Expected { len, index, .. } = expected;
        let key = &mut self.key;
        key.rtp_window.commit(index);
        key.rtp_used += 1;
        let rekey_due = is_due(key.rtp_used, MAX_SRTP_PACKETS);
        self.tracker.commit(index);
        Opened { len, ssrc: self.ssrc, index: PacketIndex::from_u64(index), rekey_due }
    }

    pub(crate) fn unprotect_rtcp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        spare: &mut Vec<u8>,
    ) -> Result<Opened<u32>, UnprotectError> {
        if self.key.context.is_tesla() {
            return Err(self.take_rtcp(crypto, now, packet));
        }
        let by_mki = !self.key.context.mki().is_empty();
        if by_mki {
            let at = self.rtcp_key_by_mki(packet)?;
            return self.open_rtcp(crypto, now, packet, at);
        }
        if self.others().is_empty() {
            return self.open_rtcp(crypto, now, packet, 0);
        }
        let mut error = None;
        keep(spare, packet);
        for at in 0..self.key_count() {
            match self.open_rtcp(crypto, now, packet, at) {
                Ok(opened) => return Ok(opened),
                Err(reason) => error = Some(worse(error, reason)),
            }
            packet.copy_from_slice(spare.get(..packet.len()).ok_or(Malformed::Short)?);
        }
        Err(error.unwrap_or(UnprotectError::Unauthenticated))
    }

    /// The key that was right is tried first next time. Keys that are told apart by MKI or by index need no order.
    fn promote(&mut self, at: usize) {
        let Self { key, rare: Some(rare), .. } = self else { return };
        if let Some(other) = at.checked_sub(1).and_then(|at| rare.others.get_mut(at)) {
            core::mem::swap(key, other);
        }
    }

    pub(crate) fn rtp_key_by_mki(&self, packet: &[u8], seq: u16) -> Result<usize, UnprotectError> {
        let context = &self.key.context;
        let tail = RtpTail::of(&context.policy, seq);
        let behind = if is_aead(context.rtp.cipher) { 0 } else { tail.len() };
        self.key_by_mki(packet, behind)
    }

    pub(crate) fn rtcp_key_by_mki(&self, packet: &[u8]) -> Result<usize, UnprotectError> {
        let policy = &self.key.context.policy;
        self.key_by_mki(packet, if is_aead(policy.cipher) { 0 } else { rtcp_tag_len(policy) })
    }

    /// Finds the key whose MKI stands `behind` octets before the end.
    fn key_by_mki(&self, packet: &[u8], behind: usize) -> Result<usize, UnprotectError> {
        let len = self.key.context.mki().len();
        let end = packet.len().checked_sub(behind).ok_or(Malformed::Short)?;
        let start = end.checked_sub(len).ok_or(Malformed::Short)?;
        let mki = packet.get(start..end).ok_or(Malformed::Short)?;
        (0..self.key_count())
            .find(|at| self.key(*at).is_some_and(|key| key.context.mki() == mki))
            .ok_or(UnprotectError::UnknownMki)
    }

    pub(crate) fn view(
        &self,
        context: &Context,
        packet: &[u8],
        layout: &RtpLayout,
    ) -> Result<View, UnprotectError> {
        let tail = RtpTail::of(&context.policy, layout.seq);
        let behind = tail.len() + context.mki().len();
        let len = packet.len().checked_sub(behind).ok_or(Malformed::Short)?;
        if len < layout.header_len {
            return Err(Malformed::Short.into());
        }
        let index = if tail.roc && !self.ignores_received_roc() {
            let start = packet.len() - tail.len();
            let roc = packet.get(start..).and_then(|rest| rest.first_chunk::<ROC_LEN>());
            let roc = u32::from_be_bytes(*roc.ok_or(Malformed::Short)?);
            self.tracker.extend(PacketIndex::new(roc, layout.seq))
        } else {
            self.tracker.estimate(layout.seq)
        };
        Ok(View { tail, len, index })
    }

    /// Tries one key. The order of the checks is the order of their cost.
    #[inline]
    fn open_rtp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        layout: RtpLayout,
        at: usize,
    ) -> Result<Opened<PacketIndex>, UnprotectError> {
        let key = self.key(at).ok_or(UnprotectError::KeyExpired)?;
        let limit = key.context.lifetime().srtp_packets;
        let view = self.view(&key.context, packet, &layout)?;
        let index = PacketIndex::from_u64(view.index);
        if now >= key.until() || !key.context.validity().holds(index) {
            return Err(UnprotectError::KeyExpired);
        }
        // Replay protection is possible only where integrity is protected (RFC 3711 section 3.3.2).
        let authenticated = view.tail.mac != 0;
        if authenticated {
            key.rtp_window.check(view.index).map_err(stale)?;
        }
        if key.rtp_used >= limit || key.wraps(view.index) {
            return Err(UnprotectError::KeyExhausted);
        }
        let ssrc = self.ssrc;
        let key = self.key_mut(at).ok_or(UnprotectError::KeyExpired)?;
        key.prepare(crypto, view.index).map_err(|_| UnprotectError::Unauthenticated)?;
        open_with(key.rtp_keys(view.index), &key.context, packet, &layout, &view, ssrc)?;

        key.rtp_window.commit(view.index);
        key.rtp_used += 1;
        key.confirm(view.index);
        let rekey_due = is_due(key.rtp_used, limit);
        if view.tail.roc && !self.ignores_received_roc() {
            self.tracker.jump(view.index);
        } else {
            self.tracker.commit(view.index);
        }
        Ok(Opened { len: view.len, ssrc, index, rekey_due })
    }

    fn open_rtcp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        at: usize,
    ) -> Result<Opened<u32>, UnprotectError> {
        let ssrc = self.ssrc;
        let key = self.key(at).ok_or(UnprotectError::KeyExpired)?;
        let limit = key.context.lifetime().srtcp_packets;
        let context = &key.context;
        let policy = &*context.policy;
        let aead = is_aead(policy.cipher);
        let tag_len = rtcp_tag_len(policy);
        let behind = INDEX_LEN + tag_len + context.mki().len();
        let len =
            packet.len().checked_sub(behind).filter(|len| *len >= RTCP_CLEAR).ok_or(Malformed::Short)?;
        let (word_at, tag_at) = if aead { (len + tag_len, len) } else { (len, packet.len() - tag_len) };
        let word = *packet
            .get(word_at..)
            .and_then(|rest| rest.first_chunk::<INDEX_LEN>())
            .ok_or(Malformed::Short)?;
        let number = u32::from_be_bytes(word);
        let (encrypted, index) = (number & ENCRYPTED != 0, number & !ENCRYPTED);
        if now >= key.until() {
            return Err(UnprotectError::KeyExpired);
        }
        if policy.srtcp_auth {
            key.rtcp_window.check(index).map_err(stale)?;
        }
        if u64::from(key.rtcp_window.used()) >= limit {
            return Err(UnprotectError::KeyExhausted);
        }
        let keys = context.rtcp_keys(crypto, index).map_err(|_| UnprotectError::Unauthenticated)?;
        let header = *packet.first_chunk::<RTCP_CLEAR>().ok_or(Malformed::Short)?;
        let iv = iv::rtcp(policy.cipher, keys.salt(), ssrc, word, &header);
        let transform = rtcp_keys(policy, &keys, encrypted);
        let mut tag = [0; mikey_crypto::srtp::MAX_TAG_LEN];
        let tag = tag.get_mut(..tag_len).ok_or(Malformed::Short)?;
        tag.copy_from_slice(packet.get(tag_at..tag_at + tag_len).ok_or(Malformed::Short)?);
        let opening = if aead && !encrypted {
            // The associated data ends in E flag and index, which stand behind the tag: they change places.
            let joined = packet.get_mut(..len + INDEX_LEN).ok_or(Malformed::Short)?;
            if let Some(to) = joined.last_chunk_mut::<INDEX_LEN>() {
                *to = word;
            }
            Opening { iv, clear: joined.len(), packet: joined, trailer: None, tag }
        } else {
            let packet = packet.get_mut(..len).ok_or(Malformed::Short)?;
            let clear = if encrypted { RTCP_CLEAR } else { len };
            Opening { iv, packet, clear, trailer: Some(word), tag }
        };
        crypto.open_once(&transform, opening).map_err(|_| UnprotectError::Unauthenticated)?;

        let authenticated = policy.srtcp_auth;
        let key = self.key_mut(at).ok_or(UnprotectError::KeyExpired)?;
        if authenticated {
            key.rtcp_window.commit(index);
        }
        let rekey_due = is_due(key.rtcp_window.count().into(), limit);
        Ok(Opened { len, ssrc, index, rekey_due })
    }
}

/// Authenticates and decrypts; the packet's octets are all that changes.
#[inline]
fn open_with(
    (keys, rare): (&RtpKeys, &RareRtpKeys),
    context: &Context,
    packet: &mut [u8],
    layout: &RtpLayout,
    view: &View,
    ssrc: Ssrc,
) -> Result<(), UnprotectError> {
    let cipher = keys.cipher;
    let ids = context.extensions();
    if rare.extension.is_some() {
        extension::check(&ids, packet, layout, cipher)?;
    }
    let iv = iv::rtp(cipher, &keys.salt, ssrc, view.index, packet);
    let (body, tail) = packet.split_at_mut_checked(view.len).ok_or(Malformed::Short)?;
    let tag_at = if is_aead(cipher) { 0 } else { tail.len() - view.tail.mac };
    let tag = tail.get(tag_at..tag_at + view.tail.mac).ok_or(Malformed::Short)?;
    let transform = match &rare.untagged {
        Some(untagged) if view.tail.mac == 0 => untagged,
        _ => &keys.transform,
    };
    let trailer = trailer(cipher, view.index);
    let opening = Opening { iv, packet: body, clear: layout.header_len, trailer, tag };
    transform.open(opening).map_err(|_| UnprotectError::Unauthenticated)?;
    if let Some((transform, salt)) = &rare.extension {
        let iv = extension::iv(cipher, salt, ssrc, view.index, body);
        extension::apply(&ids, transform.as_ref(), iv, body, layout)?;
    }
    Ok(())
}

pub(crate) fn stale(stale: Stale) -> UnprotectError {
    match stale {
        Stale::Replayed => UnprotectError::Replayed,
        Stale::Old => UnprotectError::TooOld,
    }
}

/// Of two keys' refusals, the one that says more: that a packet is a replay, rather than that another key's tag is
/// wrong.
pub(crate) fn worse(first: Option<UnprotectError>, second: UnprotectError) -> UnprotectError {
    match first {
        None | Some(UnprotectError::KeyExpired | UnprotectError::Unauthenticated)
            if second != UnprotectError::KeyExpired =>
        {
            second
        }
        None => second,
        Some(first) => first,
    }
}

/// Keeps a packet while keys are tried: an AEAD that fails leaves nothing behind.
fn keep(spare: &mut Vec<u8>, packet: &[u8]) {
    spare.clear();
    spare.extend_from_slice(packet);
}
