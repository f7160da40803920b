//! H.264: a file of NAL units to payloads of RTP and back (RFC 6184: single NAL unit, STAP-A, FU-A), and Annex B of
//! ITU-T H.264.

use crate::limits::{MAX_ACCESS_UNIT, MAX_PAYLOAD};

const START: &[u8] = &[0, 0, 0, 1];

/// Types of NAL unit.
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const PREFIX: u8 = 14;
const RESERVED: u8 = 18;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// The NAL units of one picture.
pub type AccessUnit = Vec<Vec<u8>>;

fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |head| head & 0x1f)
}

/// The pictures of a byte stream (Annex B), without start codes and delimiters.
#[must_use]
pub fn access_units(stream: &[u8]) -> Vec<AccessUnit> {
    let mut units: Vec<AccessUnit> = Vec::new();
    let mut current = AccessUnit::new();
    let mut has_slice = false;
    for unit in nal_units(stream) {
        let ty = kind(unit);
        // ITU-T H.264 section 7.4.1.2.3: a new picture begins with one of these, or with the first macroblock.
        let first_slice = matches!(ty, SLICE..=IDR) && unit.get(1).is_some_and(|octet| octet & 0x80 != 0);
        let begins = matches!(ty, SEI | SPS | PPS | DELIMITER | PREFIX..=RESERVED) || first_slice;
        if has_slice && begins {
            units.push(std::mem::take(&mut current));
            has_slice = false;
        }
        if ty != DELIMITER {
            current.push(unit.to_vec());
        }
        has_slice |= matches!(ty, SLICE..=IDR);
    }
    if has_slice {
        units.push(current);
    }
    units
}

/// The first SPS and PPS of a byte stream.
#[must_use]
pub fn parameter_sets(stream: &[u8]) -> Vec<Vec<u8>> {
    let first = |ty| nal_units(stream).find(|unit| kind(unit) == ty).map(<[u8]>::to_vec);
    [first(SPS), first(PPS)].into_iter().flatten().collect()
}

/// The NAL units between start codes, without the zeros that may follow them.
fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    const CODE: &[u8] = &[0, 0, 1];
    let mut rest = find(stream, CODE).and_then(|at| stream.get(at.saturating_add(CODE.len())..));
    std::iter::from_fn(move || {
        let from = rest?;
        let end = find(from, CODE);
        rest = end.and_then(|at| from.get(at.saturating_add(CODE.len())..));
        let unit = end.and_then(|at| from.get(..at)).unwrap_or(from);
        let zeros = unit.iter().rev().take_while(|octet| **octet == 0).count();
        unit.get(..unit.len().saturating_sub(zeros))
    })
    .filter(|unit| !unit.is_empty())
}

fn find(stream: &[u8], code: &[u8]) -> Option<usize> {
    stream.windows(code.len()).position(|window| window == code)
}

/// The payloads of a NAL unit: itself, or its fragments.
#[must_use]
pub fn payloads(unit: &[u8]) -> Vec<Vec<u8>> {
    let Some((head, body)) = unit.split_first() else { return Vec::new() };
    if unit.len() <= MAX_PAYLOAD {
        return vec![unit.to_vec()];
    }
    let parts: Vec<&[u8]> = body.chunks(MAX_PAYLOAD.saturating_sub(2)).collect();
    let last = parts.len().saturating_sub(1);
    let fragment = |(at, part): (usize, &&[u8])| {
        let (start, end) = (u8::from(at == 0) << 7, u8::from(at == last) << 6);
        [&[(head & 0xe0) | FU_A, start | end | (head & 0x1f)][..], part].concat()
    };
    parts.iter().enumerate().map(fragment).collect()
}

/// Payloads back to a byte stream.
#[derive(Debug, Default)]
pub struct H264Payload {
    /// The fragments so far of a NAL unit, and the sequence number of the next one.
    fragments: Option<(Vec<u8>, u16)>,
    /// NAL units of which a part is missing, and payloads that cannot be read.
    pub dropped: u64,
}

impl H264Payload {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A NAL unit of its own: with its start code.
    #[must_use]
    pub fn annex_b(unit: &[u8]) -> Vec<u8> {
        [START, unit].concat()
    }

    /// Takes the payload of the packet with this number, in order; gives whole NAL units in Annex B.
    pub fn push(&mut self, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let ty = kind(payload);
        if ty != FU_A && self.fragments.take().is_some() {
            self.dropped = self.dropped.saturating_add(1);
        }
        let out = match ty {
            1..=23 => Some(Self::annex_b(payload)),
            STAP_A => aggregated(payload.get(1..).unwrap_or_default()),
            FU_A => self.fragment(sequence, payload),
            _ => None,
        };
        out.unwrap_or_else(|| {
            self.dropped = self.dropped.saturating_add(1);
            Vec::new()
        })
    }

    /// None for a fragment that fits nothing.
    fn fragment(&mut self, sequence: u16, payload: &[u8]) -> Option<Vec<u8>> {
        let ([indicator, head], body) = payload.split_first_chunk::<2>()?;
        let (starts, ends) = (head & 0x80 != 0, head & 0x40 != 0);
        let next = sequence.wrapping_add(1);
        let unit = if starts {
            if self.fragments.take().is_some() {
                self.dropped = self.dropped.saturating_add(1);
            }
            let mut unit = Self::annex_b(&[(indicator & 0xe0) | (head & 0x1f)]);
            unit.extend(body);
            unit
        } else {
            let (mut unit, expected) = self.fragments.take()?;
            if expected != sequence || unit.len().saturating_add(body.len()) > MAX_ACCESS_UNIT {
                return None;
            }
            unit.extend(body);
            unit
        };
        if ends {
            return Some(unit);
        }
        self.fragments = Some((unit, next));
        Some(Vec::new())
    }
}

/// The NAL units of a STAP-A; none if a length does not fit.
fn aggregated(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, body) = rest.split_first_chunk::<2>()?;
        let (unit, after) = body.split_at_checked(u16::from_be_bytes(*length).into())?;
        out.extend(H264Payload::annex_b(unit));
        rest = after;
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(ty: u8, length: usize) -> Vec<u8> {
        let mut unit = vec![0x60 | ty, 0x80];
        unit.extend((2..length).map(|n| 1 + (n % 251) as u8));
        unit
    }

    #[test]
    fn a_byte_stream_is_parted_into_pictures() {
        let mut second_slice = unit(SLICE, 30);
        second_slice[1] = 0x40;
        let units = [
            unit(DELIMITER, 2),
            unit(SPS, 10),
            unit(PPS, 5),
            unit(IDR, 40),
            unit(DELIMITER, 2),
            unit(SLICE, 20),
            second_slice.clone(),
            unit(SLICE, 9),
        ];
        let stream: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect();
        let found = access_units(&stream);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(found[1], [unit(SLICE, 20), second_slice]);
        assert_eq!(parameter_sets(&stream), [unit(SPS, 10), unit(PPS, 5)]);
        assert_eq!(access_units(b"no stream at all"), Vec::<AccessUnit>::new());
        assert_eq!(access_units(&[0, 0, 1]), Vec::<AccessUnit>::new());
    }

    #[test]
    fn what_was_fragmented_comes_back() {
        for length in [2, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD, 10_000] {
            let unit = unit(IDR, length);
            let parts = payloads(&unit);
            assert!(parts.iter().all(|part| part.len() <= MAX_PAYLOAD));
            let mut back = H264Payload::new();
            let mut out = Vec::new();
            for (n, part) in parts.iter().enumerate() {
                out.extend(back.push(65_534_u16.wrapping_add(n as u16), part));
            }
            assert_eq!(out, H264Payload::annex_b(&unit), "{length}");
            assert_eq!(back.dropped, 0);
        }
        let both = [&[0x78][..], &[0, 2], &unit(SPS, 2), &[0, 3], &unit(PPS, 3)].concat();
        let expected = [H264Payload::annex_b(&unit(SPS, 2)), H264Payload::annex_b(&unit(PPS, 3))].concat();
        assert_eq!(H264Payload::new().push(0, &both), expected);
    }

    #[test]
    fn half_a_unit_is_dropped_and_counted() {
        let parts = payloads(&unit(IDR, 5000));
        let mut back = H264Payload::new();
        for (n, part) in parts.iter().enumerate().filter(|(n, _)| *n != 2) {
            assert_eq!(back.push(n as u16, part), []);
        }
        assert!(back.dropped >= 1);
        assert_eq!(back.push(9, &unit(SLICE, 9)), H264Payload::annex_b(&unit(SLICE, 9)));
        for bad in [&[][..], &[0x78, 0], &[0x78, 0, 9, 1], &[0x7c], &[0x7c, 0x05, 1], &[0x7f, 1]] {
            let before = back.dropped;
            assert_eq!((back.push(10, bad), back.dropped), (Vec::new(), before + 1), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_payload_is_taken_or_dropped(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut back = H264Payload::new();
            for (n, payload) in payloads.iter().enumerate() {
                let _ = back.push(n as u16, payload);
            }
        }
    }
}
