//! Packets for unprotecting: each is taken once, then the receiver starts anew with the same packets.

use mikey_srtp::{ContextDb, Time};

use super::ours;
use super::profile::Profile;
use crate::Result;

/// Octets of all packets of a pool: with their copies they stay in the second cache.
const OCTETS: usize = 256 << 10;

/// SRTP packets of one stream, and copies to work on.
pub(super) struct Pool {
    packets: Vec<Vec<u8>>,
    copies: Vec<Vec<u8>>,
}

impl Pool {
    pub(super) fn new(profile: Profile, size: usize) -> Result<Self> {
        let mut sender: ContextDb = ours::sender(profile)?;
        let mut packets = Vec::with_capacity(count(size));
        for seq in (1u16..).take(count(size)) {
            let mut packet = packet(seq, size);
            packet.resize(size + 64, 0);
            let len = sender.protect_rtp(Time::ZERO, ours::here(), &mut packet, size + HEADER)?.len;
            packet.truncate(len);
            packets.push(packet);
        }
        Ok(Self { copies: packets.clone(), packets })
    }

    /// All packets of a round.
    pub(super) fn round(&self) -> &[Vec<u8>] {
        &self.packets
    }

    /// Makes the copies anew.
    pub(super) fn renew(&mut self) {
        renew(&mut self.copies, &self.packets);
    }

    /// The copy of one packet.
    #[inline]
    pub(super) fn copy(&mut self, at: usize) -> &mut [u8] {
        self.copies.get_mut(at).map_or(&mut [], |copy| copy)
    }
}

/// Packets of a round.
pub(super) fn count(size: usize) -> usize {
    (OCTETS / (size + 48)).min(4096)
}

pub(super) fn renew(copies: &mut [Vec<u8>], packets: &[Vec<u8>]) {
    for (to, from) in copies.iter_mut().zip(packets) {
        to.copy_from_slice(from);
    }
}

/// Octets of an RTP header.
pub(super) const HEADER: usize = 12;

/// The SSRC of every bench packet.
pub(super) const SSRC: u32 = 0x6d69_6b65;

/// An RTP packet.
pub(super) fn packet(seq: u16, size: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend(160u32.wrapping_mul(seq.into()).to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    packet.resize(HEADER + size, 0x55);
    packet
}

/// Puts the next sequence number into a packet.
#[inline]
pub(super) fn advance(packet: &mut [u8], seq: &mut u16) {
    *seq = seq.wrapping_add(1);
    if let Some(to) = packet.get_mut(2..4) {
        to.copy_from_slice(&seq.to_be_bytes());
    }
}
