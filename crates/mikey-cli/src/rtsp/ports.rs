//! Pairs of UDP ports for RTP and RTCP, an even one and the next (RFC 3550 section 11).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mikey_rtsp::Ports;
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Sender;

/// How often a free port is taken that is not even, or has no free neighbour.
const ATTEMPTS: usize = 64;

/// Octets of datagrams that wait in the system for a socket: a key frame may come at once.
const BUFFER: usize = 1 << 20;

/// Longest datagram.
const DATAGRAM: usize = 65_536;

/// A packet from a socket, and which.
pub(crate) struct Datagram {
    pub(crate) media: usize,
    pub(crate) is_rtcp: bool,
    pub(crate) octets: Vec<u8>,
}

/// A pair of sockets whose packets go into a queue.
pub(crate) struct PortPair {
    pub(crate) rtp: Arc<UdpSocket>,
    pub(crate) rtcp: Arc<UdpSocket>,
    ports: (u16, u16),
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl PortPair {
    /// Opens a pair at an address.
    ///
    /// # Errors
    /// If no pair is free.
    pub(crate) fn open(ip: IpAddr, media: usize, queue: &Sender<Datagram>) -> std::io::Result<Self> {
        let mut last = std::io::ErrorKind::AddrInUse.into();
        for _ in 0..ATTEMPTS {
            let rtp = bind(SocketAddr::new(ip, 0))?;
            let port = rtp.local_addr()?.port();
            if !port.is_multiple_of(2) {
                continue;
            }
            match bind(SocketAddr::new(ip, port.saturating_add(1))) {
                Ok(rtcp) => {
                    let (rtp, rtcp) = (Arc::new(rtp), Arc::new(rtcp));
                    let tasks = [(&rtp, false), (&rtcp, true)].map(|(socket, is_rtcp)| {
                        tokio::spawn(listen(Arc::clone(socket), queue.clone(), media, is_rtcp))
                    });
                    return Ok(Self { rtp, rtcp, ports: (port, port.saturating_add(1)), tasks });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) fn ports(&self) -> (u16, u16) {
        self.ports
    }
}

impl Drop for PortPair {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    // Best effort: the system has a limit of its own.
    let _ = socket.set_recv_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// A full queue waits: the system then drops what it has no room for.
async fn listen(socket: Arc<UdpSocket>, queue: Sender<Datagram>, media: usize, is_rtcp: bool) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        // An error is that of a packet of ours which nobody wanted: the next one may be wanted.
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let octets = buffer.get(..length).unwrap_or_default().to_vec();
        if queue.send(Datagram { media, is_rtcp, octets }).await.is_err() {
            return;
        }
    }
}

/// The pairs of one connection, by media.
pub(crate) struct Pairs {
    ip: IpAddr,
    queue: Sender<Datagram>,
    pub(crate) pairs: Vec<Option<PortPair>>,
}

impl Pairs {
    pub(crate) fn new(ip: IpAddr, media: usize, queue: Sender<Datagram>) -> Self {
        Self { ip, queue, pairs: (0..media).map(|_| None).collect() }
    }
}

impl Ports for Pairs {
    fn open(&mut self, media: usize) -> Option<(u16, u16)> {
        let slot = self.pairs.get_mut(media)?;
        if slot.is_none() {
            *slot = PortPair::open(self.ip, media, &self.queue).ok();
        }
        slot.as_ref().map(PortPair::ports)
    }
}
