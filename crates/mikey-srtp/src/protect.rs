//! Sending: RTP to SRTP, RTCP to SRTCP (RFC 3711 sections 3.3 and 3.4).
//!
//! ```text
//! SRTP   header | payload* | [MKI] | [ROC] [MAC]          AEAD: header | payload* tag | [MKI]
//! SRTCP  header | rest* | E index | [MKI] | [MAC]         AEAD: header | rest* tag | E index | [MKI]
//! ```

use mikey_crypto::srtp::{Sealing, SrtpCrypto, Tag};

use crate::error::ProtectError;
use crate::extension;
use crate::index::{Extended, PacketIndex, Ssrc};
use crate::iv;
use crate::key::{RtpKeys, is_due, rtcp_keys};
use crate::limits::MAX_SRTP_PACKETS;
use crate::packet::{Malformed, RTCP_CLEAR, RtpLayout};
use crate::replay::Stale;
use crate::stream::Stream;
use crate::tag::{ENCRYPTED, INDEX_LEN, RtpTail, is_aead, rtcp_tag_len, trailer};
use crate::time::Time;

/// A protected RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protected {
    /// Octets of the SRTP packet, from the start of the buffer.
    pub len: usize,
    /// Its sender.
    pub ssrc: Ssrc,
    /// Its index.
    pub index: PacketIndex,
    /// Less than a sixteenth of the key's packets is left.
    pub rekey_due: bool,
    /// TESLA: less than a sixteenth of the key chain is left, and none follows.
    pub chain_due: bool,
}

/// A protected RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtectedRtcp {
    /// Octets of the SRTCP packet, from the start of the buffer.
    pub len: usize,
    /// Its sender.
    pub ssrc: Ssrc,
    /// Its SRTCP index, 31 bits.
    pub index: u32,
    /// Less than a sixteenth of the key's packets is left.
    pub rekey_due: bool,
    /// TESLA: less than a sixteenth of the key chain is left, and none follows.
    pub chain_due: bool,
}

/// An RTP packet between the checks and the cipher: what [`Stream::begin_rtp`] decided.
pub(crate) struct Pending {
    pub(crate) index: Extended,
    pub(crate) key: usize,
    pub(crate) tail: RtpTail,
    pub(crate) needed: usize,
    pub(crate) rekey_due: bool,
}

/// An RTCP packet between the checks and the cipher: what [`Stream::begin_rtcp`] decided.
pub(crate) struct PendingRtcp {
    pub(crate) index: u32,
    /// E flag and index.
    pub(crate) word: [u8; INDEX_LEN],
    pub(crate) encrypted: bool,
    pub(crate) key: usize,
    needed: usize,
    limit: u64,
}

/// A packet of a simple stream between the checks and the cipher.
pub(crate) struct Ready {
    pub(crate) index: Extended,
    mac_len: usize,
    pub(crate) done: Protected,
}

impl Stream {
    #[inline]
    pub(crate) fn protect_rtp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        len: usize,
        layout: RtpLayout,
    ) -> Result<Protected, ProtectError> {
        if self.is_simple() {
            return self.protect_simple(packet, len, layout);
        }
        self.protect_general(crypto, now, packet, len, layout)
    }

    fn protect_general(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        len: usize,
        layout: RtpLayout,
    ) -> Result<Protected, ProtectError> {
        if self.key.context.is_tesla() {
            return self.protect_tesla_rtp(crypto, now, packet, len, layout);
        }
        let pending = self.begin_rtp(crypto, now, packet, len, 0, layout)?;
        let key = self.key(pending.key).ok_or(ProtectError::NoKey)?;
        let (keys, rare) = key.rtp_keys(pending.index);
        let transform = match &rare.untagged {
            Some(untagged) if pending.tail.mac == 0 => untagged,
            _ => &keys.transform,
        };
        let body = packet.get_mut(..len).ok_or(Malformed::Short)?;
        let tag = transform
            .seal(sealing(keys, self.ssrc, pending.index, body, layout.header_len))
            .map_err(|_| ProtectError::Transform)?;
        self.finish_rtp(&pending, packet, len, &tag)
    }

    /// The short way of nearly all packets: everything that [`Stream::is_simple`] excludes is left out.
    #[inline(always)]
    fn protect_simple(
        &mut self,
        packet: &mut [u8],
        len: usize,
        layout: RtpLayout,
    ) -> Result<Protected, ProtectError> {
        let ready = self.prepare_simple(packet.len(), len, layout.seq)?;
        let (body, tail) = packet.split_at_mut_checked(len).ok_or(Malformed::Short)?;
        let sealing = self.sealing_simple(&ready, body, layout.header_len);
        let tag = self.key.context.rtp.transform.seal(sealing).map_err(|_| ProtectError::Transform)?;
        self.append_simple(&ready, tail, &tag)?;
        self.commit_simple(&ready);
        Ok(ready.done)
    }

    /// Everything that can refuse a packet of a simple stream. Changes nothing.
    #[inline(always)]
    pub(crate) fn prepare_simple(&self, room: usize, len: usize, seq: u16) -> Result<Ready, ProtectError> {
        let index = self.tracker.estimate(seq);
        let key = &self.key;
        key.rtp_window.check(index).map_err(reused)?;
        if key.rtp_used >= MAX_SRTP_PACKETS || key.wraps(index) {
            return Err(ProtectError::KeyExhausted);
        }
        let mac_len = usize::from(key.context.rtp.mac_len);
        let needed = len + key.context.mki().len() + mac_len;
        if room < needed {
            return Err(ProtectError::BufferTooSmall { needed });
        }
        let rekey_due = is_due(key.rtp_used + 1, MAX_SRTP_PACKETS);
        let (ssrc, chain_due) = (self.ssrc, false);
        let done = Protected { len: needed, ssrc, index: PacketIndex::from_u64(index), rekey_due, chain_due };
        Ok(Ready { index, mac_len, done })
    }

    /// The provider's view of the packet.
    #[inline(always)]
    pub(crate) fn sealing_simple<'p>(&self, ready: &Ready, body: &'p mut [u8], clear: usize) -> Sealing<'p> {
        sealing(&self.key.context.rtp, self.ssrc, ready.index, body, clear)
    }

    /// Writes MKI and tag.
    #[inline(always)]
    pub(crate) fn append_simple(
        &self,
        ready: &Ready,
        tail: &mut [u8],
        tag: &Tag,
    ) -> Result<(), ProtectError> {
        let mac = tag.get(..ready.mac_len).ok_or(ProtectError::Transform)?;
        let context = &*self.key.context;
        let mki = context.mki();
        if mki.is_empty() {
            copy(tail.get_mut(..ready.mac_len).ok_or(Malformed::Short)?, mac);
        } else if is_aead(context.rtp.cipher) {
            write(tail, [mac, mki, &[]]);
        } else {
            write(tail, [mki, mac, &[]]);
        }
        Ok(())
    }

    /// Takes note of a packet of a simple stream.
    #[inline(always)]
    pub(crate) fn commit_simple(&mut self, ready: &Ready) {
        self.key.rtp_window.commit(ready.index);
        self.key.rtp_used += 1;
        self.tracker.commit(ready.index);
    }

    /// Everything that can refuse the packet, and the encryption of its header extension. Changes no state. `overhead`
    /// octets come between the packet and what SRTP appends.
    pub(crate) fn begin_rtp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        len: usize,
        overhead: usize,
        layout: RtpLayout,
    ) -> Result<Pending, ProtectError> {
        let index = self.tracker.estimate(layout.seq);
        let at = self.sending_key(now, PacketIndex::from_u64(index))?;
        let limit = self.key(at).map_or(0, |key| key.context.lifetime().srtp_packets);
        let ssrc = self.ssrc;
        let key = self.key_mut(at).ok_or(ProtectError::NoKey)?;
        key.rtp_window.check(index).map_err(reused)?;
        if key.rtp_used >= limit || key.wraps(index) {
            return Err(ProtectError::KeyExhausted);
        }
        let tail = RtpTail::of(&key.context.policy, layout.seq);
        let needed = len + overhead + key.context.mki().len() + tail.len();
        if packet.len() < needed {
            return Err(ProtectError::BufferTooSmall { needed });
        }
        let rekey_due = is_due(key.rtp_used + 1, limit);
        key.prepare(crypto, index).map_err(|_| ProtectError::Transform)?;
        let (_, rare) = key.rtp_keys(index);
        if let Some((transform, salt)) = &rare.extension {
            let packet = packet.get_mut(..len).ok_or(Malformed::Short)?;
            let ids = key.context.extensions();
            let cipher = key.context.policy.cipher;
            extension::check(&ids, packet, &layout, cipher)?;
            let iv = extension::iv(cipher, salt, ssrc, index, packet);
            extension::apply(&ids, transform.as_ref(), iv, packet, &layout)?;
        }
        Ok(Pending { index, key: at, tail, needed, rekey_due })
    }

    /// Writes MKI and tag, and takes note of the packet.
    pub(crate) fn finish_rtp(
        &mut self,
        pending: &Pending,
        packet: &mut [u8],
        len: usize,
        tag: &Tag,
    ) -> Result<Protected, ProtectError> {
        let index = PacketIndex::from_u64(pending.index);
        let ssrc = self.ssrc;
        let key = self.key_mut(pending.key).ok_or(ProtectError::NoKey)?;
        let mac = tag.get(..pending.tail.mac).ok_or(ProtectError::Transform)?;
        let roc = index.roc().to_be_bytes();
        let roc = if pending.tail.roc { &roc[..] } else { &[] };
        let mki = key.context.mki();
        let tail = packet.get_mut(len..pending.needed).ok_or(Malformed::Short)?;
        if is_aead(key.context.rtp.cipher) {
            write(tail, [mac, mki, &[]]);
        } else {
            write(tail, [mki, roc, mac]);
        }
        key.rtp_window.commit(pending.index);
        key.rtp_used += 1;
        key.confirm(pending.index);
        self.tracker.commit(pending.index);
        Ok(Protected { len: pending.needed, ssrc, index, rekey_due: pending.rekey_due, chain_due: false })
    }

    pub(crate) fn protect_rtcp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        len: usize,
    ) -> Result<ProtectedRtcp, ProtectError> {
        if self.key.context.is_tesla() {
            return self.protect_tesla_rtcp(crypto, now, packet, len);
        }
        let pending = self.begin_rtcp(now, packet, len, 0)?;
        let PendingRtcp { index, word, encrypted, needed, .. } = pending;
        let ssrc = self.ssrc;
        let key = self.key(pending.key).ok_or(ProtectError::NoKey)?;
        let context = &key.context;
        let policy = &*context.policy;
        let aead = is_aead(policy.cipher);
        let (mki, tag_len) = (context.mki(), rtcp_tag_len(policy));
        let keys = context.rtcp_keys(crypto, index).map_err(|_| ProtectError::Transform)?;
        let clear_header = *packet.first_chunk::<RTCP_CLEAR>().ok_or(Malformed::Short)?;
        let iv = iv::rtcp(policy.cipher, keys.salt(), ssrc, word, &clear_header);
        let (body, tail) = packet.split_at_mut_checked(len).ok_or(Malformed::Short)?;
        let transform = rtcp_keys(policy, &keys, encrypted);
        if aead && !encrypted {
            // All of it is associated data, E flag and index included (RFC 7714 section 9.3): they stand behind the
            // packet while the tag is made, and behind the tag afterwards.
            write(tail, [&word, &[], &[]]);
            let joined = packet.get_mut(..len + INDEX_LEN).ok_or(Malformed::Short)?;
            let sealing = Sealing { iv, clear: joined.len(), packet: joined, trailer: None };
            let tag = crypto.seal_once(&transform, sealing).map_err(|_| ProtectError::Transform)?;
            let tail = packet.get_mut(len..needed).ok_or(Malformed::Short)?;
            write(tail, [tag.get(..tag_len).ok_or(ProtectError::Transform)?, &word, mki]);
        } else {
            let clear = if encrypted { RTCP_CLEAR } else { len };
            let sealing = Sealing { iv, packet: body, clear, trailer: Some(word) };
            let tag = crypto.seal_once(&transform, sealing).map_err(|_| ProtectError::Transform)?;
            let mac = tag.get(..tag_len).ok_or(ProtectError::Transform)?;
            write(tail, if aead { [mac, &word, mki] } else { [&word, mki, mac] });
        }
        self.finish_rtcp(&pending)
    }

    /// Everything that can refuse the packet. Changes nothing. `overhead` as in [`Self::begin_rtp`].
    pub(crate) fn begin_rtcp(
        &self,
        now: Time,
        packet: &[u8],
        len: usize,
        overhead: usize,
    ) -> Result<PendingRtcp, ProtectError> {
        let at = self.sending_key(now, self.tracker.highest())?;
        let key = self.key(at).ok_or(ProtectError::NoKey)?;
        let (context, policy) = (&key.context, &*key.context.policy);
        let limit = context.lifetime().srtcp_packets;
        if u64::from(key.rtcp_window.used()) >= limit {
            return Err(ProtectError::KeyExhausted);
        }
        let needed = len + INDEX_LEN + overhead + context.mki().len() + rtcp_tag_len(policy);
        if packet.len() < needed {
            return Err(ProtectError::BufferTooSmall { needed });
        }
        let encrypted = policy.srtcp_encryption;
        let index = self.rtcp_next & !ENCRYPTED;
        let word = (index | if encrypted { ENCRYPTED } else { 0 }).to_be_bytes();
        Ok(PendingRtcp { index, word, encrypted, key: at, needed, limit })
    }

    /// Takes note of the packet.
    pub(crate) fn finish_rtcp(&mut self, pending: &PendingRtcp) -> Result<ProtectedRtcp, ProtectError> {
        let PendingRtcp { index, needed, limit, .. } = *pending;
        let key = self.key_mut(pending.key).ok_or(ProtectError::NoKey)?;
        let rekey_due = is_due(key.rtcp_window.count().into(), limit);
        self.rtcp_next = (index + 1) & !ENCRYPTED;
        Ok(ProtectedRtcp { len: needed, ssrc: self.ssrc, index, rekey_due, chain_due: false })
    }

    /// The first key that is valid for the index.
    #[inline]
    fn sending_key(&self, now: Time, index: PacketIndex) -> Result<usize, ProtectError> {
        if now < self.key.until() && self.key.context.validity().holds(index) {
            return Ok(0);
        }
        let mut error = ProtectError::NoKey;
        for at in 0..self.key_count() {
            let Some(key) = self.key(at) else { break };
            if key.context.validity().holds(index) {
                if now < key.until() {
                    return Ok(at);
                }
                error = ProtectError::KeyExpired;
            }
        }
        Err(error)
    }
}

/// The provider's view of a packet.
#[inline(always)]
fn sealing<'p>(
    keys: &RtpKeys,
    ssrc: Ssrc,
    index: Extended,
    packet: &'p mut [u8],
    clear: usize,
) -> Sealing<'p> {
    let iv = iv::rtp(keys.cipher, &keys.salt, ssrc, index, packet);
    Sealing { iv, packet, clear, trailer: trailer(keys.cipher, index) }
}

fn reused(stale: Stale) -> ProtectError {
    match stale {
        Stale::Replayed => ProtectError::IndexReused,
        Stale::Old => ProtectError::IndexTooOld,
    }
}

/// Writes parts one behind the other; the caller has checked the sum.
#[inline]
fn write(to: &mut [u8], parts: [&[u8]; 3]) {
    let mut rest = to;
    for part in parts {
        let Some((head, tail)) = rest.split_at_mut_checked(part.len()) else { return };
        copy(head, part);
        rest = tail;
    }
}

/// Copies few octets. The usual lengths of tags get an instruction or two each instead of a call.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    fn fixed<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
        match (<&mut [u8; N]>::try_from(to), <&[u8; N]>::try_from(from)) {
            (Ok(to), Ok(from)) => {
                *to = *from;
                true
            }
            _ => false,
        }
    }
    if from.is_empty() || fixed::<10>(to, from) || fixed::<16>(to, from) || fixed::<4>(to, from) {
        return;
    }
    to.copy_from_slice(from);
}
