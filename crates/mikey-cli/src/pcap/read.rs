//! Reads the UDP datagrams of a capture file, classic pcap or pcapng, in either byte order.
//!
//! A file that ends in the middle of a packet gives what came before: captures are cut off all the time.

use crate::error::{Error, Result};
use crate::pcap::Datagram;
use crate::pcap::block::Cursor;
use crate::pcap::packet::udp_datagram;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
const OPTION_TIME_RESOLUTION: u16 = 9;
const MICROS_PER_SECOND: u128 = 1_000_000;

/// What a capture file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Capture {
    /// The UDP datagrams in order.
    pub(crate) datagrams: Vec<Datagram>,
    /// Packets that are not whole UDP datagrams: another protocol, a fragment, cut off, or on an unknown link.
    pub(crate) skipped: usize,
    /// Whether the file ends in the middle of a packet or block.
    pub(crate) cut: bool,
}

/// Whether a file begins like a capture.
pub(crate) fn is_capture(contents: &[u8]) -> bool {
    classic_form(contents).is_some() || contents.starts_with(&SECTION_HEADER.to_be_bytes())
}

/// Reads a capture.
///
/// # Errors
/// If it is neither classic pcap nor pcapng.
pub(crate) fn read(contents: &[u8]) -> Result<Capture> {
    let mut capture = Capture::default();
    let done = match classic_form(contents) {
        Some(form) => classic(contents, form, &mut capture),
        None if contents.starts_with(&SECTION_HEADER.to_be_bytes()) => {
            next_generation(contents, &mut capture)
        }
        None => return Err(Error::failed("not a capture file").hint("classic pcap and pcapng are read")),
    };
    capture.cut = done.is_none();
    Ok(capture)
}

impl Capture {
    fn packet(&mut self, link_type: u32, frame: &[u8], micros: u64) {
        match udp_datagram(link_type, frame, micros) {
            Some(datagram) => self.datagrams.push(datagram),
            None => self.skipped += 1,
        }
    }
}

#[derive(Clone, Copy)]
struct ClassicForm {
    big_endian: bool,
    nanos: bool,
}

fn classic_form(contents: &[u8]) -> Option<ClassicForm> {
    let (big_endian, nanos) = match contents.first_chunk::<4>()? {
        [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
        [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
        [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
        [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
        _ => return None,
    };
    Some(ClassicForm { big_endian, nanos })
}

/// None if the file is cut off.
fn classic(contents: &[u8], form: ClassicForm, capture: &mut Capture) -> Option<()> {
    let mut cursor = Cursor::new(contents, form.big_endian);
    cursor.take(20)?;
    // The upper half may tell of frame check sequences.
    let link_type = cursor.u32()? & 0xffff;
    while !cursor.is_empty() {
        let seconds = u64::from(cursor.u32()?);
        let fraction = u64::from(cursor.u32()?);
        let length = cursor.length()?;
        cursor.u32()?;
        let frame = cursor.take(length)?;
        let micros = if form.nanos { fraction / 1000 } else { fraction };
        capture.packet(link_type, frame, seconds * 1_000_000 + micros);
    }
    Some(())
}

/// An interface of a pcapng section.
struct Interface {
    link_type: u32,
    ticks_per_second: u128,
}

/// None if the file is cut off or a block makes no sense.
fn next_generation(contents: &[u8], capture: &mut Capture) -> Option<()> {
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut big_endian = false;
    let mut rest = contents;
    while !rest.is_empty() {
        let is_section = rest.starts_with(&SECTION_HEADER.to_be_bytes());
        if is_section {
            big_endian = rest.get(8..12)? == BYTE_ORDER_MAGIC;
            interfaces.clear();
        }
        let mut cursor = Cursor::new(rest, big_endian);
        let block_type = cursor.u32()?;
        let length = cursor.length()?;
        let body = cursor.take(length.checked_sub(12)?)?;
        cursor.u32()?;
        rest = rest.get(length.next_multiple_of(4)..)?;
        let mut body = Cursor::new(body, big_endian);
        match block_type {
            INTERFACE_DESCRIPTION if !is_section => interfaces.push(interface(&mut body)?),
            ENHANCED_PACKET => {
                let interface = interfaces.get(body.length()?)?;
                let ticks = u128::from(body.u32()?) << 32 | u128::from(body.u32()?);
                let length = body.length()?;
                body.u32()?;
                let micros = ticks * MICROS_PER_SECOND / interface.ticks_per_second;
                capture.packet(interface.link_type, body.take(length)?, u64::try_from(micros).ok()?);
            }
            SIMPLE_PACKET => {
                let length = body.length()?;
                // Without a time of its own; a snap length may have cut it.
                match body.take(length) {
                    Some(frame) => capture.packet(interfaces.first()?.link_type, frame, 0),
                    None => capture.skipped += 1,
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn interface(body: &mut Cursor<'_>) -> Option<Interface> {
    let link_type = u32::from(body.u16()?);
    body.take(6)?;
    let mut ticks_per_second = MICROS_PER_SECOND;
    while !body.is_empty() {
        let (code, length) = (body.u16()?, body.u16()?);
        let value = body.take(usize::from(length))?;
        body.take(usize::from(length.next_multiple_of(4) - length))?;
        match (code, value) {
            (0, _) => break,
            (OPTION_TIME_RESOLUTION, [resolution]) => {
                let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
                ticks_per_second = base.checked_pow(u32::from(resolution & 0x7f))?;
            }
            _ => {}
        }
    }
    Some(Interface { link_type, ticks_per_second })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcap::write::Writer;

    fn datagram(micros: u64, from: &str, to: &str, payload: &[u8]) -> Datagram {
        Datagram { micros, from: from.parse().unwrap(), to: to.parse().unwrap(), payload: payload.to_vec() }
    }

    fn written(datagrams: &[Datagram]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut writer = Writer::create(&path).unwrap();
        for d in datagrams {
            writer.datagram(d.micros, d.from, d.to, &d.payload).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(&path).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let datagrams = [
            datagram(1_700_000_000_123_456, "127.0.0.1:2269", "127.0.0.1:40000", b"hello"),
            datagram(1_700_000_001_000_000, "[::1]:2269", "[2001:db8::1]:40000", b""),
        ];
        let file = written(&datagrams);
        assert!(is_capture(&file));
        let capture = read(&file).unwrap();
        assert_eq!(capture, Capture { datagrams: datagrams.to_vec(), skipped: 0, cut: false });
    }

    #[test]
    fn a_capture_that_ends_early_gives_what_came_before() {
        let one = datagram(1, "127.0.0.1:1", "127.0.0.1:2", b"one");
        let file = written(&[one.clone(), one.clone()]);
        for cut in 4..file.len() {
            let capture = read(&file[..cut]).unwrap();
            assert!(capture.datagrams.len() <= 1, "cut at {cut}");
            assert_eq!(capture.cut, cut != 24 && cut != 24 + 16 + 31, "cut at {cut}");
        }
    }

    /// An IPv4 packet with "hi" from 10.0.0.1:5 to 10.0.0.2:6.
    fn ip() -> Vec<u8> {
        let file = written(&[datagram(0, "10.0.0.1:5", "10.0.0.2:6", b"hi")]);
        file[40..].to_vec()
    }

    #[test]
    fn link_headers_are_taken_off() {
        let expected = datagram(9, "10.0.0.1:5", "10.0.0.2:6", b"hi");
        let frames = [
            (101, vec![]),
            (228, vec![]),
            (0, vec![2, 0, 0, 0]),
            (108, vec![0, 0, 0, 2]),
            (1, [&[0; 12][..], &[8, 0]].concat()),
            (1, [&[0; 12][..], &[0x81, 0, 0, 5, 8, 0]].concat()),
            (1, [&[0; 12][..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]].concat()),
            (113, [&[0; 14][..], &[8, 0]].concat()),
            (276, [&[8, 0][..], &[0; 18]].concat()),
        ];
        for (link_type, mut frame) in frames {
            frame.extend(ip());
            // Ethernet pads short frames.
            frame.extend([0; 6]);
            assert_eq!(udp_datagram(link_type, &frame, 9).as_ref(), Some(&expected), "link type {link_type}");
            for cut in 0..frame.len() - 6 {
                assert_eq!(
                    udp_datagram(link_type, &frame[..cut], 9),
                    None,
                    "link type {link_type} cut at {cut}"
                );
            }
        }
        assert_eq!(udp_datagram(147, &ip(), 9), None);
    }

    #[test]
    fn fragments_and_other_protocols_are_skipped() {
        let mut fragment = ip();
        fragment[6] = 0x20;
        assert_eq!(udp_datagram(101, &fragment, 0), None);
        let mut tcp = ip();
        tcp[9] = 6;
        assert_eq!(udp_datagram(101, &tcp, 0), None);
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 12).unwrap().to_be_bytes();
        [&kind.to_be_bytes()[..], &length, body, &length].concat()
    }

    #[test]
    fn pcapng_is_read_with_its_time_resolution() {
        let packet = ip();
        let length = u32::try_from(packet.len()).unwrap().to_be_bytes();
        let mut padded = packet.clone();
        padded.resize(packet.len().next_multiple_of(4), 0);
        let section =
            block(SECTION_HEADER, &[&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat());
        // Raw IP, nanoseconds.
        let interface = block(1, &[0, 101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
        let time = 5_000_007_000u64.to_be_bytes();
        let enhanced = block(6, &[&[0; 4][..], &time, &length, &length, &padded].concat());
        let simple = block(3, &[&length[..], &padded].concat());
        let unknown = block(0x0bad, &[1, 2, 3, 4]);
        let file = [section, interface, unknown, enhanced, simple].concat();
        let capture = read(&file).unwrap();
        let expected = [
            datagram(5_000_007, "10.0.0.1:5", "10.0.0.2:6", b"hi"),
            datagram(0, "10.0.0.1:5", "10.0.0.2:6", b"hi"),
        ];
        assert_eq!(capture, Capture { datagrams: expected.to_vec(), skipped: 0, cut: false });
        for cut in 12..file.len() {
            let _ = read(&file[..cut]).unwrap();
        }
    }

    #[test]
    fn no_octet_of_a_capture_can_do_harm() {
        let datagrams =
            [datagram(1, "10.0.0.1:5", "10.0.0.2:6", b"hi"), datagram(2, "[::1]:5", "[::1]:6", b"ho")];
        let file = written(&datagrams);
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] = value;
                if let Ok(capture) = read(&changed) {
                    // A packet takes sixteen octets at least.
                    let packets = capture.datagrams.len() + capture.skipped;
                    assert!(packets <= file.len() / 16, "octet {at} as {value:#x}: {packets} packets");
                }
            }
        }
    }

    #[test]
    fn other_files_are_refused() {
        for contents in [&b""[..], b"abc", b"#!/bin/sh\n", &[0; 64]] {
            assert!(!is_capture(contents));
            assert!(read(contents).is_err());
        }
    }
}
