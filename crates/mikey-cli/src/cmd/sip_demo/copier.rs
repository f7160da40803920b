//! The network of the demo: whatever alice sends as speech, the phones that were not picked up get too.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mikey::{Class, Time, classify};
use mikey_net::{Direction, Tap};

use crate::error::{Error, Result, io_reason};

/// A tap that copies speech to others.
pub(super) struct Copier {
    tap: Box<dyn Tap>,
    socket: UdpSocket,
    others: Vec<SocketAddr>,
    copied: Arc<AtomicU64>,
}

impl Copier {
    /// Passes everything on to `tap`, and copies what is sent as speech to `others`. The count is of the packets.
    ///
    /// # Errors
    /// If there is no socket for it.
    pub(super) fn new(tap: Box<dyn Tap>, others: Vec<SocketAddr>) -> Result<(Self, Arc<AtomicU64>)> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| Error::failed(format!("cannot open a socket: {}", io_reason(&error))))?;
        let copied = Arc::new(AtomicU64::new(0));
        Ok((Self { tap, socket, others, copied: Arc::clone(&copied) }, copied))
    }
}

impl Tap for Copier {
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
            self.copied.fetch_add(1, Ordering::Relaxed);
            for other in &self.others {
                // On loopback nothing is lost; if it were, the count at the end would say so.
                let _ = self.socket.send_to(octets, other);
            }
        }
    }
}
