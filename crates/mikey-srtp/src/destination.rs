//! The other two thirds of a context identifier: destination address and port (RFC 3711 section 3.2.3).

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::index::Ssrc;

/// A destination transport address as packets carry it: for inbound streams our own, for outbound ones the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// IPv4 addresses in their IPv6 form, so that a dual-stack socket's addresses compare equal.
    address: [u8; 16],
    port: u16,
}

impl Destination {
    /// From address and port.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        let address = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { address: address.octets(), port }
    }

    /// A destination that is not an address: `number` names a transport flow of the caller's.
    #[must_use]
    pub fn flow(number: u32) -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::from_bits(number)), 0)
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A hash that nobody can aim at without knowing the seed.
    #[inline]
    pub(crate) fn hash(&self, ssrc: Ssrc, direction: u8, seed: [u64; 2]) -> u64 {
        let [high @ .., _, _, _, _, _, _, _, _] = self.address;
        let [_, _, _, _, _, _, _, _, low @ ..] = self.address;
        let rest = u64::from(ssrc.0) << 32 | u64::from(self.port) << 8 | u64::from(direction);
        let [a, b] = seed;
        let x = fold(u64::from_le_bytes(high) ^ a, u64::from_le_bytes(low) ^ b);
        fold(x ^ rest ^ b, a ^ 0x9e37_79b9_7f4a_7c15)
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip(), address.port())
    }
}

/// A 128-bit product folded: every bit of the result depends on every bit of both.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
pub(crate) const fn fold(x: u64, y: u64) -> u64 {
    let product = (x as u128).wrapping_mul((y | 1) as u128);
    (product >> 64) as u64 ^ product as u64
}
