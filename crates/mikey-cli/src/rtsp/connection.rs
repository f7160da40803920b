//! A connection that carries RTSP: TCP, or TLS over it.

use std::net::SocketAddr;
use std::time::Duration;

use mikey_rtsp::rtsp_types::{Request, Response};
use mikey_rtsp::{FramingError, Incoming, Splitter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::error::io_reason;

/// How long a peer may take to read what is sent to it.
const SLOWEST: Duration = Duration::from_secs(10);

/// Both directions of a connection.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Messages and frames over a connection.
pub(crate) struct Connection {
    stream: Box<dyn Duplex>,
    splitter: Splitter,
    chunk: Vec<u8>,
    /// The other end.
    pub(crate) peer: SocketAddr,
    /// Ours.
    pub(crate) local: SocketAddr,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The other side closed it, between two messages.
    Closed,
    /// The other side closed it within a message or frame.
    Truncated,
    /// What came is no RTSP.
    Framing(FramingError),
    /// The network.
    Network(std::io::Error),
    /// The other side does not read.
    Stuck,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::Truncated => f.write_str("the connection was closed within a message"),
            Self::Framing(error) => write!(f, "{error}"),
            Self::Network(error) => f.write_str(&io_reason(error)),
            Self::Stuck => f.write_str("the other side does not read what is sent to it"),
        }
    }
}

impl Connection {
    pub(crate) fn new(stream: Box<dyn Duplex>, peer: SocketAddr, local: SocketAddr) -> Self {
        Self { stream, splitter: Splitter::new(), chunk: vec![0; 16_384], peer, local }
    }

    /// The next message or frame. It may be given up at any time without loss.
    pub(crate) async fn pull(&mut self) -> Result<Incoming, Broken> {
        loop {
            if let Some(incoming) = self.splitter.pull().map_err(Broken::Framing)? {
                return Ok(incoming);
            }
            let read = self.stream.read(&mut self.chunk).await;
            let length = match read {
                // Without a close of TLS itself: many servers just go.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
                read => read.map_err(Broken::Network)?,
            };
            if length == 0 {
                return Err(if self.splitter.is_empty() { Broken::Closed } else { Broken::Truncated });
            }
            self.splitter.push(self.chunk.get(..length).unwrap_or_default());
        }
    }

    pub(crate) async fn request(&mut self, request: &Request<Vec<u8>>) -> Result<(), Broken> {
        let mut octets = Vec::new();
        request.write(&mut octets).map_err(|_| Broken::Network(std::io::ErrorKind::InvalidData.into()))?;
        self.send(&octets).await
    }

    pub(crate) async fn respond(&mut self, response: &Response<Vec<u8>>) -> Result<(), Broken> {
        let mut octets = Vec::new();
        response.write(&mut octets).map_err(|_| Broken::Network(std::io::ErrorKind::InvalidData.into()))?;
        self.send(&octets).await
    }

    /// A packet in the connection itself; one that is too long for a frame is left out.
    pub(crate) async fn frame(&mut self, channel: u8, packet: &[u8]) -> Result<(), Broken> {
        let Ok(length) = u16::try_from(packet.len()) else { return Ok(()) };
        let [high, low] = length.to_be_bytes();
        self.send(&[&[b'$', channel, high, low], packet].concat()).await
    }

    async fn send(&mut self, octets: &[u8]) -> Result<(), Broken> {
        let written = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        timeout(SLOWEST, written).await.map_err(|_| Broken::Stuck)?.map_err(Broken::Network)
    }

    /// Says goodbye to the layer below; whether it arrives is no matter.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.stream.shutdown()).await;
    }
}
