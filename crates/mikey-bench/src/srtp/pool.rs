//! Packets for unprotecting: each is taken once, then the receiver starts anew with the same packets.

use mikey_srtp::{ContextDb, Time};

use super::ours;
use super::profile::Profile;
use crate::Result;

/// Octets of all packets of a pool: they stay in the second cache, and making a new receiver for each round of them
/// costs less than a thousandth.
const OCTETS: usize = 512 << 10;

/// SRTP packets of one stream.
pub(super) struct Pool {
    packets: Vec<Vec<u8>>,
    next: usize,
    buffer: Vec<u8>,
}

impl Pool {
    pub(super) fn new(profile: Profile, size: usize) -> Result<Self> {
        let mut sender: ContextDb = ours::sender(profile)?;
        let count = (OCTETS / (size + 48)).min(8192);
        let mut packets = Vec::with_capacity(count);
        for seq in (1u16..).take(count) {
            let mut packet = packet(seq, size);
            packet.resize(size + 64, 0);
            let len = sender.protect_rtp(Time::ZERO, ours::here(), &mut packet, size + HEADER)?.len;
            packet.truncate(len);
            packets.push(packet);
        }
        Ok(Self { packets, next: 0, buffer: Vec::with_capacity(size + 64) })
    }

    /// All packets of a round.
    pub(super) fn round(&mut self) -> &[Vec<u8>] {
        &self.packets
    }

    /// A copy of the next packet, and whether it is the first of a new round.
    #[inline]
    pub(super) fn take(&mut self) -> (&mut [u8], bool) {
        let first = self.next == 0;
        self.buffer.clear();
        if let Some(packet) = self.packets.get(self.next) {
            self.buffer.extend_from_slice(packet);
        }
        self.next += 1;
        if self.next == self.packets.len() {
            self.next = 0;
        }
        (&mut self.buffer, first)
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
