//! From a captured frame to a UDP datagram: link header, IPv4 or IPv6, UDP.
//!
//! What is not UDP, or is a fragment, or was cut by the capture, gives nothing; nothing here can fail.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::pcap::{Datagram, link};

const UDP: u8 = 17;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// VLAN tags, single and stacked; each is four octets before the next type.
const VLAN_TYPES: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// More tags or IPv6 extension headers than any real packet has.
const MAX_LAYERS: usize = 8;

/// The datagram in a frame of this link type.
pub(crate) fn udp_datagram(link_type: u32, frame: &[u8], micros: u64) -> Option<Datagram> {
    let packet = ip_of(link_type, frame)?;
    let (source, destination, udp) = match packet.first()? >> 4 {
        4 => ipv4(packet)?,
        6 => ipv6(packet)?,
        _ => return None,
    };
    let ([s1, s0, d1, d0, l1, l0, _, _], _) = udp.split_first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes([*l1, *l0]));
    Some(Datagram {
        micros,
        from: SocketAddr::new(source, u16::from_be_bytes([*s1, *s0])),
        to: SocketAddr::new(destination, u16::from_be_bytes([*d1, *d0])),
        payload: udp.get(8..length)?.to_vec(),
    })
}

/// The IP packet in a frame.
fn ip_of(link_type: u32, frame: &[u8]) -> Option<&[u8]> {
    match link_type {
        link::RAW | link::RAW_12 | link::RAW_14 | link::IPV4 | link::IPV6 => Some(frame),
        link::NULL | link::LOOP => frame.get(4..),
        link::ETHERNET => ethernet(frame),
        link::LINUX_SLL => by_type(u16_at(frame, 14)?, frame.get(16..)?),
        link::LINUX_SLL2 => by_type(u16_at(frame, 0)?, frame.get(20..)?),
        _ => None,
    }
}

fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    for _ in 0..MAX_LAYERS {
        let ethertype = u16_at(frame, at)?;
        if !VLAN_TYPES.contains(&ethertype) {
            return by_type(ethertype, frame.get(at + 2..)?);
        }
        at += 4;
    }
    None
}

fn by_type(ethertype: u16, packet: &[u8]) -> Option<&[u8]> {
    matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6).then_some(packet)
}

type Ip<'a> = (IpAddr, IpAddr, &'a [u8]);

fn ipv4(packet: &[u8]) -> Option<Ip<'_>> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let total = usize::from(u16_at(packet, 2)?);
    // More fragments follow, or this is not the first.
    let fragment = u16_at(packet, 6)? & 0x3fff != 0;
    if header < 20 || fragment || *packet.get(9)? != UDP {
        return None;
    }
    let source = Ipv4Addr::from(*packet.get(12..16)?.first_chunk::<4>()?);
    let destination = Ipv4Addr::from(*packet.get(16..20)?.first_chunk::<4>()?);
    Some((source.into(), destination.into(), packet.get(header..total)?))
}

fn ipv6(packet: &[u8]) -> Option<Ip<'_>> {
    let length = usize::from(u16_at(packet, 4)?);
    let mut next = *packet.get(6)?;
    let source = Ipv6Addr::from(*packet.get(8..24)?.first_chunk::<16>()?);
    let destination = Ipv6Addr::from(*packet.get(24..40)?.first_chunk::<16>()?);
    let mut rest = packet.get(40..40 + length)?;
    for _ in 0..MAX_LAYERS {
        match next {
            UDP => return Some((source.into(), destination.into(), rest)),
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => {
                next = *rest.first()?;
                rest = rest.get(8 * (usize::from(*rest.get(1)?) + 1)..)?;
            }
            _ => return None,
        }
    }
    None
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk::<2>().map(|word| u16::from_be_bytes(*word))
}
