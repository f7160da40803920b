//! RTP packets of one source (RFC 3550 section 5.1), and what a receiver counts of another (appendix A).

use rtp_types::{RtpPacket, RtpPacketBuilder};

/// A source of ours.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its SSRC.
    pub ssrc: u32,
    /// Its payload type.
    pub payload_type: u8,
    /// The sequence number of its next packet.
    pub sequence: u16,
    /// The timestamp of its beginning, which RFC 3550 wants random.
    pub origin: u32,
    /// Packets so far.
    pub packets: u32,
    /// Octets of payload so far.
    pub octets: u32,
    /// The timestamp of the latest packet.
    pub timestamp: u32,
}

impl Source {
    /// A source that has sent nothing.
    #[must_use]
    pub fn new(ssrc: u32, payload_type: u8, sequence: u16, origin: u32) -> Self {
        Self { ssrc, payload_type, sequence, origin, packets: 0, octets: 0, timestamp: origin }
    }

    /// The next packet; `ticks` is its time since the beginning, in the clock of its payload type.
    #[must_use]
    pub fn packet(&mut self, ticks: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        self.timestamp = self.origin.wrapping_add(ticks);
        let builder = RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(self.payload_type)
            .marker_bit(marker)
            .sequence_number(self.sequence)
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .payload(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        // Fails for a payload type above 127 alone.
        builder.write_vec().unwrap_or_default()
    }
}

/// A packet that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The payload type.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload without padding.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Reads a packet; none if it is no RTP.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let packet = RtpPacket::parse(octets).ok()?;
        Some(Self {
            payload_type: packet.payload_type(),
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
            marker: packet.marker_bit(),
            payload: packet.payload().to_vec(),
        })
    }
}

/// What came of one source, and what did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came, each once.
    pub received: u64,
    first: Option<u64>,
    highest: u64,
}

impl Counters {
    /// Counts an authentic packet.
    pub fn count(&mut self, sequence: u16) {
        let index = match self.first {
            None => u64::from(sequence) | (1 << 16),
            Some(_) => extend(self.highest, sequence),
        };
        self.received = self.received.saturating_add(1);
        self.first = Some(self.first.map_or(index, |first| first.min(index)));
        self.highest = self.highest.max(index);
    }

    /// Packets between the first and the last that did not come.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let Some(first) = self.first else { return 0 };
        self.highest.saturating_sub(first).saturating_add(1).saturating_sub(self.received)
    }

    /// The extended highest sequence number of a receiver report.
    #[must_use]
    pub fn extended_highest(&self) -> u32 {
        u32::try_from(self.highest.saturating_sub(1 << 16) & 0xFFFF_FFFF).unwrap_or(0)
    }
}

/// The index nearest to `near` whose low 16 bits are `sequence`.
pub(crate) fn extend(near: u64, sequence: u16) -> u64 {
    let [.., high, low] = near.to_be_bytes();
    let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
    if ahead < 0x8000 {
        near.saturating_add(ahead.into())
    } else {
        near.saturating_sub(u64::from(ahead.wrapping_neg()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_as_it_was_made() {
        let mut source = Source::new(7, 96, u16::MAX, u32::MAX);
        let _ = source.packet(0, false, b"one");
        let packet = Packet::parse(&source.packet(160, true, b"two")).unwrap();
        let expected = Packet {
            payload_type: 96,
            sequence: 0,
            timestamp: 159,
            ssrc: 7,
            marker: true,
            payload: b"two".to_vec(),
        };
        assert_eq!(packet, expected);
        assert_eq!((source.packets, source.octets), (2, 6));
        assert_eq!(Packet::parse(b"\x80\x60"), None);
    }

    #[test]
    fn what_did_not_come_is_counted_over_the_end_of_numbers() {
        let mut counters = Counters::default();
        assert_eq!(counters.lost(), 0);
        for sequence in [65_534, 65_535, 1, 3, 2] {
            counters.count(sequence);
        }
        assert_eq!((counters.received, counters.lost()), (5, 1));
        assert_eq!(counters.extended_highest(), (1 << 16) | 3);
        counters.count(65_530);
        assert_eq!(counters.lost(), 4, "one that was before the first");
    }
}
