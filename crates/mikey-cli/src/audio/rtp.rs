//! RTP as this tool sends and reads it (RFC 3550 section 5.1): one 20 ms frame of G.711 a packet.

use crate::audio::g711::Law;

/// Octets, and samples, of a frame: 20 ms.
pub(crate) const FRAME: usize = 160;
/// Octets of a header without contributing sources and extension.
pub(crate) const HEADER: usize = 12;

/// Makes the packets of one source, in order.
#[derive(Debug)]
pub(crate) struct Packetizer {
    law: Law,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    first: bool,
}

impl Packetizer {
    /// A source that starts at these values, which RFC 3550 wants random.
    pub(crate) fn new(law: Law, ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { law, ssrc, sequence, timestamp, first: true }
    }

    /// The next packet, with `payload` as its frame. The marker bit is on the first (RFC 3551 section 4.1).
    pub(crate) fn packet(&mut self, payload: &[u8]) -> Vec<u8> {
        let marker = if self.first { 0x80 } else { 0 };
        let mut packet = Vec::with_capacity(HEADER + payload.len());
        packet.extend([0x80, marker | self.law.payload_type()]);
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.first = false;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        packet
    }
}

/// What a receiver reads of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// The payload type, seven bits.
    pub(crate) payload_type: u8,
    /// The sequence number.
    pub(crate) sequence: u16,
    /// The timestamp, in samples.
    pub(crate) timestamp: u32,
    /// The source.
    pub(crate) ssrc: u32,
    /// The payload without padding.
    pub(crate) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; none if it is not RTP version 2 or its lengths do not fit.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        let (head, rest) = packet.split_first_chunk::<HEADER>()?;
        let [first, second, s1, s0, t3, t2, t1, t0, x3, x2, x1, x0] = *head;
        if first >> 6 != 2 {
            return None;
        }
        let sources = usize::from(first & 0x0f) * 4;
        let (_, mut payload) = rest.split_at_checked(sources)?;
        if first & 0x10 != 0 {
            let ([_, _, high, low], rest) = payload.split_first_chunk::<4>()?;
            let words = usize::from(u16::from_be_bytes([*high, *low]));
            (_, payload) = rest.split_at_checked(words * 4)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            let length = payload.len().checked_sub(padding).filter(|_| padding != 0)?;
            (payload, _) = payload.split_at_checked(length)?;
        }
        Some(Self {
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s1, s0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            ssrc: u32::from_be_bytes([x3, x2, x1, x0]),
            payload,
        })
    }
}

/// Puts the frames of one source back in order; what did not come is silence.
#[derive(Debug)]
pub(crate) struct Playout {
    law: Law,
    ssrc: u32,
    /// Timestamp of the earliest frame.
    origin: Option<u32>,
    octets: Vec<u8>,
    /// Which frames came.
    came: Vec<bool>,
}

/// How far before the first frame that came another one may belong, in frames: packets overtake each other.
const MAX_EARLIER: u32 = 50;

/// Longest playout, in frames: an hour. A timestamp further ahead is not followed.
const MAX_FRAMES: usize = 180_000;

impl Playout {
    /// For packets of `ssrc`.
    pub(crate) fn new(law: Law, ssrc: u32) -> Self {
        Self { law, ssrc, origin: None, octets: Vec::new(), came: Vec::new() }
    }

    /// Takes one packet; whether it was of use.
    pub(crate) fn push(&mut self, packet: &Packet<'_>) -> bool {
        if packet.ssrc != self.ssrc
            || packet.payload_type != self.law.payload_type()
            || packet.payload.len() != FRAME
        {
            return false;
        }
        let origin = self.earliest(packet.timestamp);
        let Ok(at) = usize::try_from(packet.timestamp.wrapping_sub(origin)) else { return false };
        let frame = at / FRAME;
        if !at.is_multiple_of(FRAME) || frame >= MAX_FRAMES {
            return false;
        }
        if frame >= self.came.len() {
            self.came.resize(frame + 1, false);
            self.octets.resize((frame + 1) * FRAME, self.law.silence());
        }
        match (self.octets.get_mut(at..at + FRAME), self.came.get_mut(frame)) {
            (Some(slot), Some(came)) if !*came => {
                slot.copy_from_slice(packet.payload);
                *came = true;
                true
            }
            _ => false,
        }
    }

    /// The timestamp that the playout begins with, moved if this frame is a little earlier.
    fn earliest(&mut self, timestamp: u32) -> u32 {
        let origin = *self.origin.get_or_insert(timestamp);
        let frame = u32::try_from(FRAME).unwrap_or(u32::MAX);
        let earlier = origin.wrapping_sub(timestamp);
        if earlier == 0 || !earlier.is_multiple_of(frame) || earlier / frame > MAX_EARLIER {
            return origin;
        }
        let Ok(octets) = usize::try_from(earlier) else { return origin };
        self.octets.splice(..0, std::iter::repeat_n(self.law.silence(), octets));
        self.came.splice(..0, std::iter::repeat_n(false, octets / FRAME));
        self.origin = Some(timestamp);
        timestamp
    }

    /// The law of its packets.
    pub(crate) fn law(&self) -> Law {
        self.law
    }

    /// All octets so far, silence in the gaps.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Frames that came.
    pub(crate) fn frames(&self) -> usize {
        self.came.iter().filter(|came| **came).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_as_it_was_made() {
        let mut source = Packetizer::new(Law::Pcma, 0x0102_0304, 0xffff, 0xffff_ff60);
        let one = source.packet(&[1; FRAME]);
        let two = source.packet(&[2; FRAME]);
        assert_eq!(one[..HEADER], [0x80, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0x60, 1, 2, 3, 4]);
        let expected =
            Packet { payload_type: 8, sequence: 0, timestamp: 0, ssrc: 0x0102_0304, payload: &[2; FRAME] };
        assert_eq!(Packet::parse(&two), Some(expected));
    }

    #[test]
    fn sources_extension_and_padding_are_left_out() {
        let packet = [0xb1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0, 0, 0, 1, 8, 8, 8, 8, 5, 6, 0, 2];
        assert_eq!(Packet::parse(&packet).unwrap().payload, [5, 6]);
        for cut in 0..24 {
            assert_eq!(Packet::parse(&packet[..cut]), None, "cut at {cut}");
        }
        let mut wrong = packet;
        wrong[27] = 5;
        assert_eq!(Packet::parse(&wrong), None, "more padding than payload");
        wrong[27] = 0;
        assert_eq!(Packet::parse(&wrong), None, "padding of nothing");
        wrong[0] = 0x31;
        assert_eq!(Packet::parse(&wrong), None, "version 0");
    }

    #[test]
    fn order_is_restored_and_gaps_are_silent() {
        let mut source = Packetizer::new(Law::Pcma, 7, 65_535, u32::MAX - 100);
        let packets: Vec<Vec<u8>> = (0..4).map(|n| source.packet(&[n; FRAME])).collect();
        let mut playout = Playout::new(Law::Pcma, 7);
        for index in [1, 3, 0, 1] {
            playout.push(&Packet::parse(&packets[index]).unwrap());
        }
        assert_eq!(playout.frames(), 3);
        let frames: Vec<u8> = playout.octets().chunks(FRAME).map(|frame| frame[0]).collect();
        assert_eq!(frames, [0, 1, Law::Pcma.silence(), 3]);
    }

    #[test]
    fn a_stranger_and_a_leap_are_not_followed() {
        let mut playout = Playout::new(Law::Pcma, 7);
        let good = Packet { payload_type: 8, sequence: 0, timestamp: 0, ssrc: 7, payload: &[0; FRAME] };
        assert!(playout.push(&good));
        assert!(!playout.push(&Packet { ssrc: 8, timestamp: 160, ..good }));
        assert!(!playout.push(&Packet { payload_type: 0, timestamp: 160, ..good }));
        assert!(!playout.push(&Packet { timestamp: 0u32.wrapping_sub(51 * 160), ..good }));
        assert!(!playout.push(&Packet { timestamp: 161, ..good }));
        assert!(!playout.push(&Packet { payload: &[0; 80], timestamp: 160, ..good }));
        assert_eq!(playout.octets().len(), FRAME);
    }
}
