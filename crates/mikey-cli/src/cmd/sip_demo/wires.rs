//! The SIP sockets of the demo: one for each part, and one place where all that comes is waited for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::{Error, Result, io_reason};

/// Datagrams that may wait.
const WAITING: usize = 256;
/// Octets of a datagram.
const MAX_DATAGRAM: usize = 64 * 1024;

/// Sockets on loopback.
pub(super) struct Wires {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    inbox: mpsc::Receiver<(SocketAddr, Vec<u8>)>,
    /// They end with it.
    _readers: JoinSet<()>,
}

impl Wires {
    /// Opens so many sockets.
    ///
    /// # Errors
    /// If the system has none.
    pub(super) async fn open(count: usize) -> Result<Self> {
        let failed =
            |error: std::io::Error| Error::failed(format!("cannot open a socket: {}", io_reason(&error)));
        let (sender, inbox) = mpsc::channel(WAITING);
        let mut readers = JoinSet::new();
        let mut sockets = Vec::new();
        for _ in 0..count {
            let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?);
            let local = socket.local_addr().map_err(failed)?;
            readers.spawn(read(Arc::clone(&socket), local, sender.clone()));
            sockets.push((local, socket));
        }
        Ok(Self { sockets, inbox, _readers: readers })
    }

    /// The address of a socket.
    pub(super) fn address(&self, number: usize) -> Result<SocketAddr> {
        let socket = self.sockets.get(number).ok_or_else(|| Error::failed("there is no such socket"))?;
        Ok(socket.0)
    }

    /// Sends a datagram from one of the sockets.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub(super) async fn send(&self, from: SocketAddr, to: SocketAddr, octets: &[u8]) -> Result {
        let Some((_, socket)) = self.sockets.iter().find(|(local, _)| *local == from) else { return Ok(()) };
        let sent = socket.send_to(octets, to).await;
        sent.map(drop)
            .map_err(|error| Error::failed(format!("a SIP message cannot be sent: {}", io_reason(&error))))
    }

    /// The next datagram, and the address that it came to. May be given up at any time.
    pub(super) async fn next(&mut self) -> Result<(SocketAddr, Vec<u8>)> {
        self.inbox.recv().await.ok_or_else(|| Error::failed("the SIP sockets are closed"))
    }
}

async fn read(socket: Arc<UdpSocket>, local: SocketAddr, inbox: mpsc::Sender<(SocketAddr, Vec<u8>)>) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    while let Ok((len, _)) = socket.recv_from(&mut buffer).await {
        let octets = buffer.get(..len).unwrap_or_default().to_vec();
        if inbox.send((local, octets)).await.is_err() {
            return;
        }
    }
}
