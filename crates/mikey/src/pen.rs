//! Packets that came before their key: kept as ciphertext, bounded, for two seconds (docs/spec.md, "Early media").
//!
//! Anyone can put packets in here, so the bounds are all that it rests on; nothing is done with them but to try them
//! again when a key is installed.

use core::time::Duration;
use std::collections::VecDeque;

use mikey_proto::Time;

use crate::output::Kind;

/// Packets of one SSRC.
pub const MAX_HELD_PER_SSRC: usize = 100;
/// Packets in all.
pub const MAX_HELD_PACKETS: usize = 2048;
/// Octets in all.
pub const MAX_HELD_OCTETS: usize = 256 * 1024;
/// How long.
pub const MAX_HELD: Duration = Duration::from_secs(2);

/// The packets, oldest first.
#[derive(Default)]
pub(crate) struct Pen {
    packets: VecDeque<Held>,
    octets: usize,
}

pub(crate) struct Held {
    until: Time,
    ssrc: u32,
    pub(crate) kind: Kind,
    pub(crate) packet: Vec<u8>,
}

impl Pen {
    /// Keeps a packet, if there is room for it.
    pub(crate) fn hold(&mut self, now: Time, kind: Kind, ssrc: u32, packet: &[u8]) -> bool {
        self.expire(now);
        let same = self.packets.iter().filter(|held| held.ssrc == ssrc).count();
        if same >= MAX_HELD_PER_SSRC
            || self.packets.len() >= MAX_HELD_PACKETS
            || self.octets + packet.len() > MAX_HELD_OCTETS
        {
            return false;
        }
        self.octets += packet.len();
        self.packets.push_back(Held { until: now + MAX_HELD, ssrc, kind, packet: packet.to_vec() });
        true
    }

    /// Takes all packets out, to be tried; those that still find no key are put back with [`Self::put_back`].
    pub(crate) fn take(&mut self, now: Time) -> VecDeque<Held> {
        self.expire(now);
        self.octets = 0;
        std::mem::take(&mut self.packets)
    }

    pub(crate) fn put_back(&mut self, held: Held) {
        self.octets += held.packet.len();
        self.packets.push_back(held);
    }

    pub(crate) fn wake(&self) -> Option<Time> {
        self.packets.front().map(|held| held.until)
    }

    pub(crate) fn expire(&mut self, now: Time) {
        while self.packets.front().is_some_and(|held| held.until <= now) {
            if let Some(held) = self.packets.pop_front() {
                self.octets -= held.packet.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_hold() {
        let mut pen = Pen::default();
        for n in 0..MAX_HELD_PER_SSRC {
            assert!(pen.hold(Time::ZERO, Kind::Rtp, 1, &[0; 100]), "packet {n}");
        }
        assert!(!pen.hold(Time::ZERO, Kind::Rtp, 1, &[0; 100]), "one more of that SSRC");
        assert!(pen.hold(Time::ZERO, Kind::Rtp, 2, &[0; 100]));
        assert!(!pen.hold(Time::ZERO, Kind::Rtp, 3, &vec![0; MAX_HELD_OCTETS]));
        assert_eq!(pen.wake(), Some(Time::from_secs(2)));
        pen.expire(Time::from_secs(2));
        assert_eq!((pen.octets, pen.wake()), (0, None));
    }

    #[test]
    fn they_come_out_in_order_and_go_back() {
        let mut pen = Pen::default();
        for n in 0..3_u8 {
            assert!(pen.hold(Time::ZERO, Kind::Rtp, 1, &[n]));
        }
        let taken = pen.take(Time::from_millis(1));
        assert_eq!(taken.iter().map(|h| h.packet[0]).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(pen.octets, 0);
        taken.into_iter().for_each(|held| pen.put_back(held));
        assert_eq!(pen.octets, 3);
    }
}
