//! The end of a stream in RTCP (RFC 3550 section 6): sender report, name, what was said in all, goodbye.
//!
//! The APP packet `MIKY` carries the SHA-256 of all octets that were sent as payload, so that the other side can tell
//! whether it heard them bit for bit. SRTCP authenticates it; receivers that do not know it skip it.

const SENDER_REPORT: u8 = 200;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const APPLICATION: u8 = 204;
const CNAME: u8 = 1;
const APP_NAME: [u8; 4] = *b"MIKY";
/// Subtype of our APP packet: SHA-256 of the payload octets.
const SPEECH_DIGEST: u8 = 1;
/// Octets of SHA-256.
const DIGEST: usize = 32;
/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// What a sender says at the end of its speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// The source.
    pub(crate) ssrc: u32,
    /// Packets that it sent.
    pub(crate) packets: u32,
    /// Payload octets that it sent.
    pub(crate) octets: u32,
    /// SHA-256 of them.
    pub(crate) digest: [u8; DIGEST],
}

impl Farewell {
    /// A compound packet: SR, SDES with an anonymous name, APP, BYE.
    ///
    /// `unix_micros` is the time of day, `timestamp` the RTP time at that moment.
    pub(crate) fn encode(&self, unix_micros: u64, timestamp: u32) -> Vec<u8> {
        let seconds = (unix_micros / 1_000_000).wrapping_add(NTP_TO_UNIX);
        let fraction = (unix_micros % 1_000_000) * (1 << 32) / 1_000_000;
        let mut report = self.ssrc.to_be_bytes().to_vec();
        report.extend((seconds << 32 | fraction).to_be_bytes());
        report.extend(timestamp.to_be_bytes());
        report.extend(self.packets.to_be_bytes());
        report.extend(self.octets.to_be_bytes());

        // A name of the source alone: no address and no user leaves in it (RFC 7022).
        let name = format!("{:08x}", self.ssrc);
        let mut description = self.ssrc.to_be_bytes().to_vec();
        description.extend([CNAME, 8]);
        description.extend(name.as_bytes());
        description.extend([0, 0]);

        let mut application = self.ssrc.to_be_bytes().to_vec();
        application.extend(APP_NAME);
        application.extend(self.digest);

        let mut compound = packet(SENDER_REPORT, 0, &report);
        compound.extend(packet(SOURCE_DESCRIPTION, 1, &description));
        compound.extend(packet(APPLICATION, SPEECH_DIGEST, &application));
        compound.extend(packet(GOODBYE, 1, &self.ssrc.to_be_bytes()));
        compound
    }

    /// Reads a compound packet; none if it is malformed or no farewell of one source.
    pub(crate) fn parse(mut compound: &[u8]) -> Option<Self> {
        let (mut counts, mut digest, mut gone) = (None, None, None);
        while !compound.is_empty() {
            let ([first, kind, high, low], rest) = compound.split_first_chunk::<4>()?;
            let words = usize::from(u16::from_be_bytes([*high, *low]));
            let (body, rest) = rest.split_at_checked(words * 4)?;
            if first >> 6 != 2 {
                return None;
            }
            let (ssrc, body) = body
                .split_first_chunk::<4>()
                .map_or((None, body), |(ssrc, body)| (Some(u32::from_be_bytes(*ssrc)), body));
            match (*kind, first & 0x1f) {
                (SENDER_REPORT, _) => {
                    let (packets, octets) = body.get(12..)?.split_first_chunk::<4>()?;
                    let octets = u32::from_be_bytes(*octets.first_chunk::<4>()?);
                    counts = Some((ssrc?, u32::from_be_bytes(*packets), octets));
                }
                (APPLICATION, SPEECH_DIGEST) if body.starts_with(&APP_NAME) => {
                    digest = Some(*body.get(4..)?.first_chunk::<DIGEST>()?);
                }
                (GOODBYE, 1..) => gone = Some(ssrc?),
                _ => {}
            }
            compound = rest;
        }
        let (ssrc, packets, octets) = counts?;
        (gone? == ssrc).then_some(Self { ssrc, packets, octets, digest: digest? })
    }
}

/// One RTCP packet; `body` is whole words.
fn packet(kind: u8, count: u8, body: &[u8]) -> Vec<u8> {
    let words = u16::try_from(body.len() / 4).unwrap_or(u16::MAX);
    let mut packet = vec![0x80 | count, kind];
    packet.extend(words.to_be_bytes());
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn farewell() -> Farewell {
        Farewell { ssrc: 0x0102_0304, packets: 72, octets: 11_520, digest: [9; DIGEST] }
    }

    #[test]
    fn a_farewell_comes_back_as_it_was_said() {
        let compound = farewell().encode(1_700_000_000_500_000, 7);
        assert_eq!(Farewell::parse(&compound), Some(farewell()));
        assert_eq!(compound[..8], [0x80, 200, 0, 6, 1, 2, 3, 4]);
        // 2023-11-14 22:13:20.5 in NTP.
        assert_eq!(compound[8..16], [0xe8, 0xfe, 0x6f, 0x80, 0x80, 0, 0, 0]);
    }

    #[test]
    fn what_is_cut_or_no_farewell_is_refused() {
        let compound = farewell().encode(0, 0);
        for cut in 0..compound.len() {
            assert_eq!(Farewell::parse(&compound[..cut]), None, "cut at {cut}");
        }
        let mut other = compound.clone();
        let last = other.len() - 1;
        other[last] ^= 1;
        assert_eq!(Farewell::parse(&other), None, "the goodbye of another source");
        let mut version = compound;
        version[0] = 0x40;
        assert_eq!(Farewell::parse(&version), None, "version 1");
        assert_eq!(Farewell::parse(&packet(SENDER_REPORT, 0, &[0; 24])), None, "a report without goodbye");
    }
}
