//! One UDP socket that receives and sends in batches and survives every error that a network can cause.
//!
//! Invariant: what the network does (ICMP errors, unreachable hosts, full buffers) is counted and never ends the
//! socket: a stranger can cause it. Only errors that stay do.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Duration;

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::counters::Counters;

/// Datagrams, or trains of them, of one system call.
const BATCH: usize = 8;
/// Room for one of them: the longest that UDP carries, a train included.
const BUFFER: usize = 65_536;
/// Datagrams that wait while the operating system has no room. More are lost, as on any full link.
const MAX_BACKLOG: usize = 1024;
/// Receive errors in a row after which the socket itself must be broken.
const MAX_ERRORS: u32 = 1000;
/// Room that is asked of the operating system for datagrams that came while we were busy, in octets.
const RECEIVE_BUFFER: usize = 1 << 20;
/// How long the end of a process waits for what it still has to send.
const FLUSH: Duration = Duration::from_millis(500);

/// A UDP socket.
pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    buffers: Vec<Vec<u8>>,
    waiting: VecDeque<Waiting>,
    backlog: VecDeque<(SocketAddr, Vec<u8>)>,
    errors: u32,
    counters: Counters,
}

/// A datagram that lies in a buffer.
struct Waiting {
    buffer: usize,
    start: usize,
    end: usize,
    from: SocketAddr,
    to: SocketAddr,
}

/// A datagram that came.
pub struct Received<'a> {
    /// Which of our addresses it was sent to. The port is that of the socket; the address is unspecified only if the
    /// operating system does not tell.
    pub local: SocketAddr,
    /// Who sent it, as its headers say.
    pub remote: SocketAddr,
    /// The datagram. It may be decrypted in place.
    pub octets: &'a mut [u8],
}

impl Socket {
    /// Opens a socket on an address. Port 0 lets the operating system choose. An unspecified IPv6 address takes IPv4 too.
    ///
    /// # Errors
    /// The operating system's, such as "address in use". It must be called within a tokio runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        // A smaller buffer than asked for is no reason to stop.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.bind(&address.into())?;
        Self::new(socket.into())
    }

    /// Takes a socket that is bound already.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn new(socket: StdUdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        allow_fragments(&socket);
        let local = socket.local_addr()?;
        Ok(Self {
            io: UdpSocket::from_std(socket)?,
            state,
            local,
            buffers: vec![vec![0; BUFFER]; BATCH],
            waiting: VecDeque::new(),
            backlog: VecDeque::new(),
            errors: 0,
            counters: Counters::default(),
        })
    }

    /// The address that it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What it saw so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sends a datagram, or keeps it for a moment if the operating system has no room.
    pub fn send(&mut self, to: SocketAddr, octets: &[u8]) {
        if self.backlog.is_empty() {
            // Straight to the operating system: whether there is room is not known before it has been asked once.
            match self.state.try_send((&self.io).into(), &self.transmit(to, octets)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return self.count_sent(done, octets.len()),
            }
        }
        if self.backlog.len() < MAX_BACKLOG {
            self.backlog.push_back((to, octets.to_vec()));
        } else {
            self.counters.send_failures += 1;
        }
    }

    /// Waits until datagrams came; sends meanwhile what could not be sent at once. Nothing is lost if the wait is
    /// given up.
    ///
    /// # Errors
    /// Only errors that stay: the socket is of no more use.
    pub async fn ready(&mut self) -> io::Result<()> {
        while self.waiting.is_empty() {
            let interest = if self.backlog.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            let ready = self.io.ready(interest).await?;
            if ready.is_writable() {
                self.flush();
            }
            if ready.is_readable() {
                self.fill()?;
            }
        }
        Ok(())
    }

    /// Waits until the operating system has taken everything, at most half a second.
    pub async fn flushed(&mut self) {
        let flush = async {
            while !self.backlog.is_empty() && self.io.writable().await.is_ok() {
                self.flush();
            }
        };
        // What has not left by then is lost, as on any full link.
        let _ = tokio::time::timeout(FLUSH, flush).await;
    }

    /// The next datagram that came, if there is one.
    pub fn take(&mut self) -> Option<Received<'_>> {
        let Waiting { buffer, start, end, from, to } = self.waiting.pop_front()?;
        let octets = self.buffers.get_mut(buffer)?.get_mut(start..end)?;
        Some(Received { local: to, remote: from, octets })
    }

    /// Receives one batch.
    fn fill(&mut self) -> io::Result<()> {
        let mut metas = [RecvMeta::default(); BATCH];
        let mut slices: Vec<IoSliceMut<'_>> =
            self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let received = self
            .io
            .try_io(Interest::READABLE, || self.state.recv((&self.io).into(), &mut slices, &mut metas));
        let count = match received {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => {
                self.counters.receive_failures += 1;
                self.errors += 1;
                return if self.errors < MAX_ERRORS { Ok(()) } else { Err(error) };
            }
        };
        self.errors = 0;
        for (buffer, meta) in metas.iter().enumerate().take(count) {
            self.take_in(buffer, meta);
        }
        Ok(())
    }

    /// Notes where the datagrams of one buffer are: one, or a train of equal ones.
    fn take_in(&mut self, buffer: usize, meta: &RecvMeta) {
        let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
        let ip = meta.dst_ip.map_or_else(|| self.local.ip(), |ip| ip.to_canonical());
        let to = SocketAddr::new(ip, self.local.port());
        let mut start = 0;
        loop {
            let end = meta.len.min(start + meta.stride.max(1));
            self.counters.datagrams_received += 1;
            self.counters.octets_received += (end - start) as u64;
            self.waiting.push_back(Waiting { buffer, start, end, from, to });
            start = end;
            if start >= meta.len {
                break;
            }
        }
    }

    fn flush(&mut self) {
        while let Some((to, octets)) = self.backlog.pop_front() {
            let transmit = self.transmit(to, &octets);
            let sent =
                self.io.try_io(Interest::WRITABLE, || self.state.try_send((&self.io).into(), &transmit));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.backlog.push_front((to, octets));
                    return;
                }
                done => self.count_sent(done, octets.len()),
            }
        }
    }

    fn count_sent(&mut self, done: io::Result<()>, octets: usize) {
        match done {
            Ok(()) => {
                self.counters.datagrams_sent += 1;
                self.counters.octets_sent += octets as u64;
            }
            Err(_) => self.counters.send_failures += 1,
        }
    }

    fn transmit<'a>(&self, to: SocketAddr, contents: &'a [u8]) -> Transmit<'a> {
        Transmit { destination: self.mapped(to), ecn: None, contents, segment_size: None, src_ip: None }
    }

    /// An IPv4 destination as a socket of both families wants it.
    fn mapped(&self, to: SocketAddr) -> SocketAddr {
        match (self.local.ip(), to.ip()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        }
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket({}, {} waiting, {} to send)", self.local, self.waiting.len(), self.backlog.len())
    }
}

/// INIT may be longer than the path carries (docs/spec.md), and is then sent in fragments rather than never: batched
/// sockets are set for path MTU probing, which forbids that.
fn allow_fragments(socket: &StdUdpSocket) {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::sockopt;
        // An IPv4 socket refuses the option of the other family, which is fine.
        let _ = sockopt::set_ip_mtu_discover(socket, sockopt::Ipv4PathMtuDiscovery::DONT);
        let _ = sockopt::set_ipv6_mtu_discover(socket, sockopt::Ipv6PathMtuDiscovery::DONT);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn datagrams_arrive_whole_and_in_order() {
        let mut a = Socket::bind(loopback()).unwrap();
        let mut b = Socket::bind(loopback()).unwrap();
        let lengths = [1, 1200, 0, 1200, 9000, 65_507];
        for (n, length) in lengths.iter().enumerate() {
            a.send(b.local_addr(), &vec![u8::try_from(n).unwrap(); *length]);
        }
        for (n, length) in lengths.iter().enumerate() {
            b.ready().await.unwrap();
            let local = b.local_addr();
            let received = b.take().unwrap();
            assert_eq!((received.local, received.remote), (local, a.local_addr()));
            assert_eq!(received.octets, vec![u8::try_from(n).unwrap(); *length]);
        }
        assert!(b.take().is_none());
        assert_eq!(b.counters().datagrams_received, 6);
        assert_eq!(a.counters().datagrams_sent, 6);
        assert_eq!(a.counters().octets_sent, b.counters().octets_received);
    }

    #[tokio::test]
    async fn a_closed_port_and_an_impossible_datagram_end_nothing() {
        let closed = StdUdpSocket::bind(loopback()).unwrap().local_addr().unwrap();
        let mut a = Socket::bind(loopback()).unwrap();
        let mut b = Socket::bind(loopback()).unwrap();
        for _ in 0..5 {
            a.send(closed, b"is anybody there?");
        }
        a.send(b.local_addr(), &vec![0; 65_508]);
        assert_eq!(a.counters().send_failures, 1);
        a.send(b.local_addr(), b"still here");
        b.ready().await.unwrap();
        assert_eq!(b.take().unwrap().octets, b"still here");
        b.send(a.local_addr(), b"me too");
        a.ready().await.unwrap();
        assert_eq!(a.take().unwrap().octets, b"me too");
    }

    #[tokio::test]
    async fn a_connected_socket_survives_refusals() {
        let closed = StdUdpSocket::bind(loopback()).unwrap().local_addr().unwrap();
        let std = StdUdpSocket::bind(loopback()).unwrap();
        std.connect(closed).unwrap();
        let mut a = Socket::new(std).unwrap();
        for _ in 0..10 {
            a.send(closed, b"is anybody there?");
            let wait = tokio::time::timeout(std::time::Duration::from_millis(20), a.ready());
            assert!(wait.await.is_err(), "a refusal is neither a datagram nor an end");
        }
        assert!(a.counters().send_failures + a.counters().receive_failures > 0, "{:?}", a.counters());
    }

    #[tokio::test]
    async fn both_families_share_an_unspecified_address() {
        let Ok(mut both) = Socket::bind("[::]:0".parse().unwrap()) else {
            println!("skipped: this machine has no IPv6");
            return;
        };
        let mut v4 = Socket::bind(loopback()).unwrap();
        v4.send(SocketAddr::from(([127, 0, 0, 1], both.local_addr().port())), b"four");
        both.ready().await.unwrap();
        let received = both.take().unwrap();
        let (local, remote) = (received.local, received.remote);
        assert_eq!(remote, v4.local_addr());
        assert_eq!(local.ip(), IpAddr::from([127, 0, 0, 1]));
        both.send(remote, b"back");
        v4.ready().await.unwrap();
        assert_eq!(v4.take().unwrap().octets, b"back");
    }

    #[tokio::test]
    async fn many_datagrams_at_once_are_not_lost_here() {
        let mut a = Socket::bind(loopback()).unwrap();
        let mut b = Socket::bind(loopback()).unwrap();
        let to = b.local_addr();
        let mut got = 0u32;
        for n in 0..2000u32 {
            a.send(to, &n.to_be_bytes());
            if n % 50 == 49 {
                while got <= n {
                    b.ready().await.unwrap();
                    while let Some(received) = b.take() {
                        assert_eq!(received.octets, got.to_be_bytes());
                        got += 1;
                    }
                }
            }
        }
        assert_eq!(got, 2000);
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_and_leaves_in_order() {
        let mut a = Socket::bind(loopback()).unwrap();
        let mut b = Socket::bind(loopback()).unwrap();
        // Loopback always has room, so a first datagram is made to wait by hand.
        a.backlog.push_back((b.local_addr(), vec![0; 1200]));
        for n in 1..60u8 {
            a.send(b.local_addr(), &[n; 1200]);
        }
        assert_eq!(a.backlog.len(), 60);
        let mut expected = 0u8;
        while expected < 60 {
            tokio::select! {
                ready = b.ready() => ready.unwrap(),
                ready = a.ready() => ready.unwrap(),
            }
            while let Some(received) = b.take() {
                assert_eq!(received.octets, [expected; 1200]);
                expected += 1;
            }
        }
        assert_eq!(a.counters().datagrams_sent, 60);
        assert_eq!(a.counters().send_failures, 0);
    }

    #[tokio::test]
    async fn the_backlog_is_bounded_and_leaves_at_the_end() {
        let mut a = Socket::bind(loopback()).unwrap();
        let b = Socket::bind(loopback()).unwrap();
        a.backlog.push_back((b.local_addr(), vec![0]));
        for _ in 0..2 * MAX_BACKLOG {
            a.send(b.local_addr(), &[0]);
        }
        assert_eq!(a.backlog.len(), MAX_BACKLOG);
        assert_eq!(a.counters().send_failures, MAX_BACKLOG as u64 + 1);
        a.flushed().await;
        assert!(a.backlog.is_empty());
        assert_eq!(a.counters().datagrams_sent, MAX_BACKLOG as u64);
    }
}
