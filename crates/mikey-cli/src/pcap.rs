//! Capture files: written for Wireshark, read for `mikey decode`.

pub(crate) mod block;
pub(crate) mod packet;
pub(crate) mod read;
pub(crate) mod write;

use std::net::SocketAddr;

/// One UDP datagram with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Microseconds since 1970.
    pub(crate) micros: u64,
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// To whom.
    pub(crate) to: SocketAddr,
    /// What UDP carried.
    pub(crate) payload: Vec<u8>,
}

/// Link types (the registry of `LINKTYPE_` values) that carry IP in a way that is read here.
pub(crate) mod link {
    /// BSD loopback, the protocol family in the writer's byte order.
    pub(crate) const NULL: u32 = 0;
    /// Ethernet.
    pub(crate) const ETHERNET: u32 = 1;
    /// IP without a link header. Two older numbers are in use too.
    pub(crate) const RAW: u32 = 101;
    /// RAW as some systems number it.
    pub(crate) const RAW_12: u32 = 12;
    /// RAW as OpenBSD numbers it.
    pub(crate) const RAW_14: u32 = 14;
    /// OpenBSD loopback, the protocol family in network order.
    pub(crate) const LOOP: u32 = 108;
    /// Linux cooked capture.
    pub(crate) const LINUX_SLL: u32 = 113;
    /// IPv4 without a link header.
    pub(crate) const IPV4: u32 = 228;
    /// IPv6 without a link header.
    pub(crate) const IPV6: u32 = 229;
    /// Linux cooked capture, version 2.
    pub(crate) const LINUX_SLL2: u32 = 276;
}
