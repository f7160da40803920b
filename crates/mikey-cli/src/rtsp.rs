//! RTSP with SRTP keyed by MIKEY: the sockets, TLS and files around `mikey-rtsp`.

pub(crate) mod connection;
pub(crate) mod describe;
pub(crate) mod player;
pub(crate) mod ports;
pub(crate) mod serving;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod tls;
