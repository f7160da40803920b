//! Writes datagrams as a classic capture file: microseconds, link type RAW, so an IP and a UDP header are made for each.
//!
//! Invariant: every length and checksum is right, so that Wireshark has nothing to complain of.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pcap::link;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const SNAP_LENGTH: u32 = 65_535;
const UDP: u8 = 17;
const HOP_LIMIT: u8 = 64;
const UDP_HEADER: usize = 8;

/// A capture file that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Writer {
    /// Makes the file, replacing an old one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::file("write", path, &error))?;
        let mut writer = Self { path: path.to_owned(), file: BufWriter::new(file) };
        let mut header = Vec::with_capacity(24);
        header.extend(MAGIC_MICROS.to_le_bytes());
        header.extend(2u16.to_le_bytes());
        header.extend(4u16.to_le_bytes());
        header.extend([0; 8]);
        header.extend(SNAP_LENGTH.to_le_bytes());
        header.extend(link::RAW.to_le_bytes());
        writer.put(&header)?;
        Ok(writer)
    }

    /// Adds a datagram. `micros` is since 1970.
    ///
    /// # Errors
    /// If the file cannot be written. A payload that UDP cannot carry is left out.
    pub(crate) fn datagram(
        &mut self,
        micros: u64,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result {
        let Some(packet) = ip_packet(from, to, payload) else { return Ok(()) };
        let length = u32::try_from(packet.len()).unwrap_or(SNAP_LENGTH);
        let mut header = Vec::with_capacity(16);
        header.extend(u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX).to_le_bytes());
        header.extend(u32::try_from(micros % 1_000_000).unwrap_or(0).to_le_bytes());
        header.extend(length.to_le_bytes());
        header.extend(length.to_le_bytes());
        self.put(&header)?;
        self.put(&packet)
    }

    /// Makes sure that everything is in the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn finish(mut self) -> Result {
        self.file.flush().map_err(|error| Error::file("write", &self.path, &error))
    }

    fn put(&mut self, octets: &[u8]) -> Result {
        self.file.write_all(octets).map_err(|error| Error::file("write", &self.path, &error))
    }
}

/// The IP packet around a UDP payload; none if it is too long, or the addresses are of two families.
fn ip_packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let (source, destination) = (from.ip().to_canonical(), to.ip().to_canonical());
    let length = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let mut udp = Vec::with_capacity(usize::from(length));
    udp.extend(from.port().to_be_bytes());
    udp.extend(to.port().to_be_bytes());
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let checksum = match udp_checksum(source, destination, &udp) {
        // Zero means "none" (RFC 768).
        0 => 0xffff,
        sum => sum,
    };
    udp.get_mut(6..8)?.copy_from_slice(&checksum.to_be_bytes());
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4_header(source, destination, length)?,
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6_header(source, destination, length),
        _ => return None,
    };
    packet.extend(udp);
    Some(packet)
}

fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr, length: u16) -> Option<Vec<u8>> {
    let total = length.checked_add(20)?;
    let mut header = vec![0x45, 0];
    header.extend(total.to_be_bytes());
    // Identification 0 with DF, as senders of datagrams that are never fragmented use it (RFC 6864).
    header.extend([0, 0, 0x40, 0, HOP_LIMIT, UDP, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let checksum = !ones_sum(0, &header);
    header.get_mut(10..12)?.copy_from_slice(&checksum.to_be_bytes());
    Some(header)
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr, length: u16) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([UDP, HOP_LIMIT]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header
}

/// The checksum over the pseudo header and the datagram (RFC 768, RFC 8200 section 8.1).
fn udp_checksum(source: IpAddr, destination: IpAddr, udp: &[u8]) -> u16 {
    let mut pseudo = Vec::with_capacity(40);
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => pseudo.extend(address.octets()),
            IpAddr::V6(address) => pseudo.extend(address.octets()),
        }
    }
    let length = u32::try_from(udp.len()).unwrap_or(u32::MAX);
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, UDP]);
    !ones_sum(ones_sum(0, &pseudo), udp)
}

/// The one's complement sum of 16-bit words (RFC 1071).
fn ones_sum(start: u16, octets: &[u8]) -> u16 {
    octets.chunks(2).fold(start, |sum, word| {
        let word = match word {
            [high, low] => u16::from_be_bytes([*high, *low]),
            [high] => u16::from_be_bytes([*high, 0]),
            _ => 0,
        };
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_a_known_packet() {
        // The IPv4 header that RFC 1071's method is usually shown with.
        let header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert_eq!(!ones_sum(0, &header), 0xb861);
        let from: SocketAddr = "192.168.0.1:2269".parse().unwrap();
        let to: SocketAddr = "192.168.0.199:2269".parse().unwrap();
        let packet = ip_packet(from, to, b"odd").unwrap();
        assert_eq!(ones_sum(0, &packet[..20]), 0xffff);
        let pseudo = ones_sum(ones_sum(0, &packet[12..20]), &[0, 17, 0, 11]);
        assert_eq!(ones_sum(pseudo, &packet[20..]), 0xffff);
    }

    #[test]
    fn what_udp_cannot_carry_is_left_out() {
        let v4: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let v6: SocketAddr = "[::1]:1".parse().unwrap();
        assert!(ip_packet(v4, v4, &vec![0; 65_507]).is_some());
        assert!(ip_packet(v4, v4, &vec![0; 65_508]).is_none());
        assert!(ip_packet(v6, v6, &vec![0; 65_527]).is_some());
        assert!(ip_packet(v6, v6, &vec![0; 65_528]).is_none());
        assert!(ip_packet(v4, v6, b"").is_none());
    }
}
