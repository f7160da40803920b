//! Timestamps: NTP's seconds since 1900 in the upper 32 bits, fractions below (RFC 3830 sections 4.2.8, 6.6).

use core::time::Duration;

use mikey_wire::T;

/// Seconds from 1900 to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// A Unix time as NTP has it, in the era that it falls into.
pub(super) fn ntp(unix: Duration) -> u64 {
    let seconds = unix.as_secs().wrapping_add(NTP_TO_UNIX) & 0xFFFF_FFFF;
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

/// A length of time in NTP's units.
pub(super) fn span(length: Duration) -> u64 {
    (length.as_secs().min(0x7FFF_FFFF) << 32) | ((u64::from(length.subsec_nanos()) << 32) / 1_000_000_000)
}

/// How far `a` is after `b`, over the end of an era too.
pub(super) fn difference(a: u64, b: u64) -> i64 {
    a.wrapping_sub(b).cast_signed()
}

/// The value of T as it is MACed: 64 bits for times, 32 for a counter.
pub(super) fn octets(t: T) -> Vec<u8> {
    match t {
        T::NtpUtc(value) | T::Ntp(value) => value.to_be_bytes().to_vec(),
        T::Counter(value) | T::NtpUtc32(value) => value.to_be_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_time() {
        // 2004-08-01T00:00:00Z, the month of RFC 3830.
        assert_eq!(ntp(Duration::from_secs(1_091_318_400)) >> 32, 3_300_307_200);
        assert_eq!(ntp(Duration::from_millis(500)) & 0xFFFF_FFFF, 1 << 31);
    }

    #[test]
    fn the_era_ends_without_a_jump() {
        // 2036-02-07T06:28:15Z is the last second of the first era.
        let last = Duration::from_secs(4_294_967_295 - NTP_TO_UNIX);
        let first = last + Duration::from_secs(1);
        assert_eq!(ntp(first) >> 32, 0);
        assert_eq!(difference(ntp(first), ntp(last)), 1 << 32);
        assert_eq!(difference(ntp(last), ntp(first)), -(1 << 32));
        assert_eq!(span(Duration::from_secs(1)), 1 << 32);
    }
}
