//! Puts packets of one source back in order: one that was overtaken is waited for while a few others come.
//!
//! Invariant: what comes out has rising sequence numbers, each once.

use std::collections::BTreeMap;

use super::rtp::{Packet, extend};
use crate::limits::MAX_REORDERED;

/// Packets that wait.
#[derive(Debug, Default)]
pub struct Reorder {
    waiting: BTreeMap<u64, Packet>,
    /// The index of the next packet.
    next: Option<u64>,
}

impl Reorder {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet; gives those whose turn it is.
    pub fn push(&mut self, packet: Packet) -> Vec<Packet> {
        let next = *self.next.get_or_insert(u64::from(packet.sequence) | (1 << 16));
        let index = extend(next, packet.sequence);
        if index < next {
            // Too late, or a second time.
            return Vec::new();
        }
        self.waiting.entry(index).or_insert(packet);
        let mut out = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            let index = *entry.key();
            if self.next != Some(index) && self.waiting.len() <= MAX_REORDERED {
                break;
            }
            if let Some((_, packet)) = self.waiting.pop_first() {
                out.push(packet);
            }
            self.next = Some(index.saturating_add(1));
        }
        out
    }

    /// What still waits, in order: there will be no more.
    pub fn finish(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> Packet {
        Packet { payload_type: 96, sequence, timestamp: 0, ssrc: 1, marker: false, payload: Vec::new() }
    }

    fn numbers(packets: Vec<Packet>) -> Vec<u16> {
        packets.iter().map(|packet| packet.sequence).collect()
    }

    #[test]
    fn order_comes_back_and_each_packet_once() {
        let mut reorder = Reorder::new();
        assert_eq!(numbers(reorder.push(packet(65_534))), [65_534]);
        assert_eq!(numbers(reorder.push(packet(0))), []);
        assert_eq!(numbers(reorder.push(packet(0))), []);
        assert_eq!(numbers(reorder.push(packet(65_535))), [65_535, 0]);
        assert_eq!(numbers(reorder.push(packet(65_535))), [], "once");
        assert_eq!(numbers(reorder.push(packet(2))), []);
        assert_eq!(numbers(reorder.finish()), [2]);
    }

    #[test]
    fn what_does_not_come_is_not_waited_for_without_end() {
        let mut reorder = Reorder::new();
        let _ = reorder.push(packet(0));
        let out: Vec<u16> = (2..200).flat_map(|n| numbers(reorder.push(packet(n)))).collect();
        assert_eq!(out, (2..200).collect::<Vec<_>>());
        assert_eq!(numbers(reorder.push(packet(1))), []);
    }
}
