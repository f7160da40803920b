//! Where things are in RTP and RTCP packets (RFC 3550 sections 5.1, 5.3.1, 6.4). Offsets only; nothing is kept.

use crate::index::Ssrc;

/// What SRTP needs to know of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpLayout {
    /// Synchronisation source.
    pub ssrc: Ssrc,
    /// Sequence number.
    pub seq: u16,
    /// Octets of fixed header, CSRCs and header extension: where the payload begins.
    pub header_len: usize,
    /// Where the header extension's elements begin, behind its four octets of profile and length; `header_len` if the
    /// packet has no extension.
    pub extension: usize,
}

impl RtpLayout {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Malformed`] if the packet is shorter than its header says, or its version is not 2.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let (fixed, _) = packet.split_first_chunk::<12>().ok_or(Malformed::Short)?;
        let [first, _, seq0, seq1, _, _, _, _, s0, s1, s2, s3] = *fixed;
        if first >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let mut header_len = 12 + 4 * usize::from(first & 0x0f);
        let mut extension = header_len;
        if first & 0x10 != 0 {
            let word = packet.get(header_len..).and_then(|rest| rest.first_chunk::<4>());
            let [_, _, high, low] = *word.ok_or(Malformed::Short)?;
            extension = header_len + 4;
            header_len = extension + 4 * usize::from(u16::from_be_bytes([high, low]));
        }
        if packet.len() < header_len {
            return Err(Malformed::Short);
        }
        let ssrc = Ssrc(u32::from_be_bytes([s0, s1, s2, s3]));
        Ok(Self {
            ssrc,
            seq: u16::from_be_bytes([seq0, seq1]),
            header_len,
            extension: extension.min(header_len),
        })
    }
}

/// The sender's SSRC of a compound RTCP packet; the first eight octets stay clear.
///
/// # Errors
/// [`Malformed`] if there are not eight octets, or the version is not 2.
#[inline]
pub fn rtcp_ssrc(packet: &[u8]) -> Result<Ssrc, Malformed> {
    let [first, _, _, _, s0, s1, s2, s3] = *packet.first_chunk::<RTCP_CLEAR>().ok_or(Malformed::Short)?;
    if first >> 6 != 2 {
        return Err(Malformed::Version);
    }
    Ok(Ssrc(u32::from_be_bytes([s0, s1, s2, s3])))
}

/// Octets of an RTCP packet that are never encrypted (RFC 3711 section 3.4).
pub(crate) const RTCP_CLEAR: usize = 8;

/// Why octets are no RTP or RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer octets than the header, or what follows the payload, needs.
    Short,
    /// Not version 2.
    Version,
    /// A header extension that does not add up while its elements are encrypted (RFC 6904), or one too long for f8.
    Extension,
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Short => "packet is too short",
            Self::Version => "packet is not of version 2",
            Self::Extension => "header extension does not add up",
        })
    }
}

impl core::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn csrcs_and_extension_are_header() {
        let mut packet: Vec<u8> = [0x92, 0x60, 0x12, 0x34, 0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe].into();
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0xff]);
        let layout = RtpLayout::parse(&packet).unwrap();
        let expected = RtpLayout { ssrc: Ssrc(0xcafe_babe), seq: 0x1234, header_len: 32, extension: 24 };
        assert_eq!(layout, expected);
        for len in 0..32 {
            assert_eq!(RtpLayout::parse(&packet[..len]), Err(Malformed::Short), "{len} octets");
        }
        assert!(RtpLayout::parse(&packet[..32]).is_ok());
        packet[0] = 0x52;
        assert_eq!(RtpLayout::parse(&packet), Err(Malformed::Version));
    }

    #[test]
    fn rtcp_needs_eight_octets() {
        let packet = [0x81, 200, 0, 1, 0, 0, 0, 7];
        assert_eq!(rtcp_ssrc(&packet), Ok(Ssrc(7)));
        assert_eq!(rtcp_ssrc(&packet[..7]), Err(Malformed::Short));
        assert_eq!(rtcp_ssrc(&[0x41, 200, 0, 1, 0, 0, 0, 7]), Err(Malformed::Version));
    }
}
