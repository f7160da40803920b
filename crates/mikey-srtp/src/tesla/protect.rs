//! Sending: the TESLA MAC is made over the encrypted packet, and the outer tag over both (RFC 4383 section 4.4.1).

use mikey_crypto::srtp::{Sealing, SrtpCrypto};

use super::{Tesla, TeslaSender};
use crate::error::ProtectError;
use crate::index::PacketIndex;
use crate::iv;
use crate::key::{rtcp_keys, without_cipher, without_mac};
use crate::packet::{Malformed, RTCP_CLEAR, RtpLayout};
use crate::protect::{Protected, ProtectedRtcp};
use crate::stream::Stream;
use crate::tag::{INDEX_LEN, rtcp_tag_len};
use crate::time::Time;

impl Stream {
    pub(crate) fn protect_tesla_rtp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        len: usize,
        layout: RtpLayout,
    ) -> Result<Protected, ProtectError> {
        let empty = len == layout.header_len;
        let overhead = self.begin_tesla(now, empty)?;
        let covered = len + overhead;
        let pending = self.begin_rtp(crypto, now, packet, len, overhead, layout)?;
        let ssrc = self.ssrc;
        let key = self.key(pending.key).ok_or(ProtectError::NoKey)?;
        let (keys, rare) = key.rtp_keys(pending.index);
        let split = rare.split.as_ref().ok_or(ProtectError::Transform)?;
        let roc = PacketIndex::from_u64(pending.index).roc().to_be_bytes();

        let iv = iv::rtp(keys.cipher, &keys.salt, ssrc, pending.index, packet);
        let body = packet.get_mut(..len).ok_or(Malformed::Short)?;
        let sealing = Sealing { iv, packet: body, clear: layout.header_len, trailer: None };
        split.cipher.seal(sealing).map_err(|_| ProtectError::Transform)?;
        let (body, tail) = packet.split_at_mut_checked(len).ok_or(Malformed::Short)?;
        let sender = self.tesla_sender().ok_or(ProtectError::NoChain)?;
        sender.write(&[&roc, body], tail).ok_or(ProtectError::Transform)?;
        let all = packet.get_mut(..covered).ok_or(Malformed::Short)?;
        let sealing = Sealing { iv, packet: all, clear: covered, trailer: Some(roc) };
        let tag = split.mac.seal(sealing).map_err(|_| ProtectError::Transform)?;
        let done = self.finish_rtp(&pending, packet, covered, &tag)?;
        let chain_due = self.tesla_sender_mut().is_some_and(|sender| sender.sent(empty));
        Ok(Protected { chain_due, ..done })
    }

    pub(crate) fn protect_tesla_rtcp(
        &mut self,
        crypto: &dyn SrtpCrypto,
        now: Time,
        packet: &mut [u8],
        len: usize,
    ) -> Result<ProtectedRtcp, ProtectError> {
        let overhead = self.begin_tesla(now, true)?;
        let pending = self.begin_rtcp(now, packet, len, overhead)?;
        let ssrc = self.ssrc;
        let key = self.key(pending.key).ok_or(ProtectError::NoKey)?;
        let (context, policy) = (&key.context, &*key.context.policy);
        let keys = context.rtcp_keys(crypto, pending.index).map_err(|_| ProtectError::Transform)?;
        let all = rtcp_keys(policy, &keys, pending.encrypted);
        let header = *packet.first_chunk::<RTCP_CLEAR>().ok_or(Malformed::Short)?;
        let iv = iv::rtcp(policy.cipher, keys.salt(), ssrc, pending.word, &header);

        let (body, tail) = packet.split_at_mut_checked(len).ok_or(Malformed::Short)?;
        let clear = if pending.encrypted { RTCP_CLEAR } else { len };
        let sealing = Sealing { iv, packet: body, clear, trailer: None };
        crypto.seal_once(&without_mac(all), sealing).map_err(|_| ProtectError::Transform)?;
        let (word, tail) = tail.split_first_chunk_mut::<INDEX_LEN>().ok_or(Malformed::Short)?;
        *word = pending.word;
        let sender = self.tesla_sender().ok_or(ProtectError::NoChain)?;
        sender.write(&[body, word.as_slice()], tail).ok_or(ProtectError::Transform)?;
        let covered = len + INDEX_LEN + overhead;
        let (joined, tail) = packet.split_at_mut_checked(covered).ok_or(Malformed::Short)?;
        let sealing = Sealing { iv, packet: joined, clear: covered, trailer: None };
        let tag = crypto.seal_once(&without_cipher(all), sealing).map_err(|_| ProtectError::Transform)?;
        let mac = tag.get(..rtcp_tag_len(policy)).ok_or(ProtectError::Transform)?;
        let (mki, tail) = tail.split_at_mut_checked(context.mki().len()).ok_or(Malformed::Short)?;
        mki.copy_from_slice(context.mki());
        tail.get_mut(..mac.len()).ok_or(Malformed::Short)?.copy_from_slice(mac);
        let done = self.finish_rtcp(&pending)?;
        let chain_due = self.tesla_sender_mut().is_some_and(|sender| sender.sent(false));
        Ok(ProtectedRtcp { chain_due, ..done })
    }

    /// Prepares the interval's keys; returns the octets that they add.
    fn begin_tesla(&mut self, now: Time, empty: bool) -> Result<usize, ProtectError> {
        let sender = self.tesla_sender_mut().ok_or(ProtectError::NoChain)?;
        sender.begin(now, empty)?;
        Ok(sender.overhead())
    }

    fn tesla_sender(&self) -> Option<&TeslaSender> {
        match self.rare.as_ref()?.tesla.as_deref()? {
            Tesla::Sender(sender) => Some(sender),
            Tesla::Receiver(_) => None,
        }
    }

    pub(crate) fn tesla_sender_mut(&mut self) -> Option<&mut TeslaSender> {
        match self.rare.as_mut()?.tesla.as_deref_mut()? {
            Tesla::Sender(sender) => Some(sender),
            Tesla::Receiver(_) => None,
        }
    }
}
