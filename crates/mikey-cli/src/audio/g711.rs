//! G.711 (ITU-T, 11/1988): A-law and mu-law, between 16-bit linear samples and octets as RTP carries them.
//!
//! Invariant: encoding what was decoded gives the same octet, but for mu-law's negative zero (0x7f), which becomes
//! the positive one (0xff).

/// One of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Law {
    /// mu-law, PCMU, RTP payload type 0 (RFC 3551)
    Pcmu,
    /// A-law, PCMA, RTP payload type 8 (RFC 3551)
    Pcma,
}

impl Law {
    /// The static RTP payload type (RFC 3551 section 6).
    pub(crate) const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The law of a static payload type.
    pub(crate) const fn from_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The octet for silence.
    pub(crate) const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => 0xff,
            Self::Pcma => 0xd5,
        }
    }

    /// One octet for a sample.
    pub(crate) const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_mu(sample),
            Self::Pcma => encode_a(sample),
        }
    }

    /// The sample of an octet.
    pub(crate) fn decode(self, octet: u8) -> i16 {
        let table = match self {
            Self::Pcmu => &DECODE_MU,
            Self::Pcma => &DECODE_A,
        };
        table.get(usize::from(octet)).copied().unwrap_or(0)
    }
}

/// mu-law's decision values, of 14 bits, are shifted by this much, so that segments begin at powers of two.
const BIAS: u16 = 33;
/// Larger magnitudes, of 14 bits, overload mu-law.
const MU_CLIP: u16 = 8158;

static DECODE_MU: [i16; 256] = table(Law::Pcmu);
static DECODE_A: [i16; 256] = table(Law::Pcma);

const fn encode_mu(sample: i16) -> u8 {
    let magnitude = (sample >> 2).unsigned_abs();
    let magnitude = if magnitude > MU_CLIP { MU_CLIP } else { magnitude } + BIAS;
    // BIAS makes bit 5 or a higher one the leading bit, so the segment is 0 to 7.
    let segment = 10 - magnitude.leading_zeros();
    let step = low_octet(magnitude >> (segment + 1)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (low_octet_u32(segment) << 4) | step)
}

const fn encode_a(sample: i16) -> u8 {
    // Thirteen bits; negative magnitudes count from -1, as the law has no zero level.
    let (mask, magnitude) =
        if sample >= 0 { (0xd5, sample.unsigned_abs() >> 3) } else { (0x55, (!sample).unsigned_abs() >> 3) };
    let segment = if magnitude < 0x20 { 0 } else { 11 - magnitude.leading_zeros() };
    let shift = if segment == 0 { 1 } else { segment };
    let step = low_octet(magnitude >> shift) & 0x0f;
    ((low_octet_u32(segment) << 4) | step) ^ mask
}

const fn decode_mu(octet: u8) -> i16 {
    let octet = !octet;
    let segment = (octet >> 4) & 0x07;
    let magnitude = ((((octet & 0x0f) as i16) << 3) + 132) << segment;
    if octet & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }
}

const fn decode_a(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let segment = (octet >> 4) & 0x07;
    let step = ((octet & 0x0f) as i16) << 4;
    let magnitude = if segment == 0 { step + 8 } else { (step + 0x108) << (segment - 1) };
    if octet & 0x80 == 0 { -magnitude } else { magnitude }
}

const fn table(law: Law) -> [i16; 256] {
    let mut values = [0; 256];
    let mut octet = 0;
    #[allow(clippy::indexing_slicing)] // a constant: a wrong index fails the build
    while octet < values.len() {
        values[octet] = match law {
            Law::Pcmu => decode_mu(octet.to_le_bytes()[0]),
            Law::Pcma => decode_a(octet.to_le_bytes()[0]),
        };
        octet += 1;
    }
    values
}

const fn low_octet(value: u16) -> u8 {
    value.to_le_bytes()[0]
}

const fn low_octet_u32(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positive mu-law outputs at the ends of the segments: table 2a of G.711 times four.
    const MU: [(u8, i16); 17] = [
        (0xff, 0),
        (0xfe, 8),
        (0xf0, 120),
        (0xef, 132),
        (0xe0, 372),
        (0xdf, 396),
        (0xd0, 876),
        (0xcf, 924),
        (0xc0, 1884),
        (0xbf, 1980),
        (0xb0, 3900),
        (0xaf, 4092),
        (0xa0, 7932),
        (0x9f, 8316),
        (0x90, 15_996),
        (0x8f, 16_764),
        (0x80, 32_124),
    ];

    /// Positive A-law outputs at the ends of the segments: table 1a of G.711 times eight.
    const A: [(u8, i16); 16] = [
        (0xd5, 8),
        (0xd4, 24),
        (0xda, 248),
        (0xc5, 264),
        (0xca, 504),
        (0xf5, 528),
        (0xfa, 1008),
        (0xe5, 1056),
        (0xea, 2016),
        (0x95, 2112),
        (0x9a, 4032),
        (0x85, 4224),
        (0x8a, 8064),
        (0xb5, 8448),
        (0xa5, 16_896),
        (0xaa, 32_256),
    ];

    #[test]
    fn outputs_are_those_of_the_recommendation() {
        for (law, values) in [(Law::Pcmu, &MU[..]), (Law::Pcma, &A[..])] {
            for &(octet, value) in values {
                assert_eq!(law.decode(octet), value, "{law:?} {octet:#x}");
                assert_eq!(law.decode(octet ^ 0x80), -value, "{law:?} {:#x}", octet ^ 0x80);
            }
        }
    }

    #[test]
    fn encoding_undoes_decoding() {
        for law in [Law::Pcmu, Law::Pcma] {
            for octet in 0..=255 {
                let expected = if law == Law::Pcmu && octet == 0x7f { 0xff } else { octet };
                assert_eq!(law.encode(law.decode(octet)), expected, "{law:?} {octet:#x}");
            }
        }
    }

    #[test]
    fn no_sample_is_off_by_more_than_half_a_step() {
        for law in [Law::Pcmu, Law::Pcma] {
            for sample in -32_256..=32_256 {
                let octet = law.encode(sample);
                let off = (i32::from(sample) - i32::from(law.decode(octet))).abs();
                let half_step = match law {
                    Law::Pcmu => 4 << (!octet >> 4 & 7),
                    Law::Pcma => 8 << ((octet ^ 0x55) >> 4 & 7).saturating_sub(1),
                };
                // The input has up to three bits more than the law looks at.
                assert!(off <= half_step + 8, "{law:?} {sample}: off by {off}, half a step is {half_step}");
            }
        }
    }

    /// CRC-32 over the octets of all samples from -32768 to 32767, as CPython 3.11's audioop encodes them.
    #[test]
    fn every_sample_encodes_as_in_another_implementation() {
        for (law, expected) in [(Law::Pcmu, 0x3b7c_3a3e), (Law::Pcma, 0x9133_796e)] {
            assert_eq!(crc32((i16::MIN..=i16::MAX).map(|sample| law.encode(sample))), expected, "{law:?}");
        }
    }

    fn crc32(octets: impl Iterator<Item = u8>) -> u32 {
        !octets.fold(!0u32, |crc, octet| {
            (0..8)
                .fold(crc ^ u32::from(octet), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn the_payload_types_are_those_of_rfc_3551() {
        assert_eq!((Law::Pcmu.payload_type(), Law::Pcma.payload_type()), (0, 8));
        assert_eq!(Law::from_payload_type(0), Some(Law::Pcmu));
        assert_eq!(Law::from_payload_type(8), Some(Law::Pcma));
        assert_eq!(Law::from_payload_type(9), None);
        assert_eq!(Law::Pcmu.encode(0), Law::Pcmu.silence());
        assert_eq!(Law::Pcma.encode(0), Law::Pcma.silence());
    }
}
