//! The eavesdropper of the demo: it repeats a packet, changes one, and forges a message.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use mikey::{Class, Time, classify};
use mikey_net::{Direction, Tap};

use crate::error::{Error, Result, io_reason};

/// What it sends to each end.
pub(super) const FORGERIES: u64 = 3;
/// The packet that it keeps.
const KEPT: u32 = 3;
/// The packet before which it attacks.
const ATTACK: u32 = 4;

/// A tap that keeps a packet of speech, and after the next one sends what must be refused.
pub(super) struct Eavesdropper {
    tap: Box<dyn Tap>,
    socket: UdpSocket,
    media: u32,
    kept: Vec<u8>,
}

impl Eavesdropper {
    /// Passes everything on to `tap`.
    ///
    /// # Errors
    /// If there is no socket for it.
    pub(super) fn new(tap: Box<dyn Tap>) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| Error::failed(format!("cannot open a socket: {}", io_reason(&error))))?;
        Ok(Self { tap, socket, media: 0, kept: Vec::new() })
    }

    /// The packet again, a changed one, a forged message.
    fn attack(&self, to: SocketAddr) {
        // The next sequence numbers are still free: it is the tag that must give the change away.
        let mut changed = self.kept.clone();
        if let Some([high, low]) = changed.get_mut(2..4).and_then(|octets| octets.first_chunk_mut::<2>()) {
            [*high, *low] = (u16::from_be_bytes([*high, *low]) | 0x10).wrapping_add(0x10).to_be_bytes();
        }
        let forged = [&[2, 43, 21, 1][..], &[0; 40]].concat();
        for octets in [&self.kept, &changed, &forged] {
            // On loopback nothing is lost; if it were, the count at the end would say so.
            let _ = self.socket.send_to(octets, to);
        }
    }
}

impl Tap for Eavesdropper {
    fn datagram(
        &mut self,
        direction: Direction,
        at: Time,
        local: SocketAddr,
        remote: SocketAddr,
        octets: &[u8],
    ) {
        self.tap.datagram(direction, at, local, remote, octets);
        if direction == Direction::Outbound && classify(octets) == Class::Rtp {
            self.media += 1;
            match self.media {
                KEPT => self.kept = octets.to_vec(),
                // The one that was kept has left before.
                ATTACK => self.attack(remote),
                _ => {}
            }
        }
    }
}
