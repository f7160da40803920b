//! What a datagram on a shared port is, by its first octets (docs/spec.md, "One port for everything"; RFC 7983, RFC 5761).
//!
//! The order is that of the text: STUN has its magic cookie, so MIKEY, whose first octet is 1 or 2, is told apart from it;
//! a CSB ID is never that cookie.

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// MIKEY of version 1 or 2.
    Mikey {
        /// HDR's version.
        version: u8,
    },
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
    /// STUN.
    Stun,
    /// A TURN channel.
    Turn,
    /// DTLS.
    Dtls,
    /// Nothing that may be here.
    Unknown,
}

const STUN_MAGIC: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
const STUN_HEADER: usize = 20;
const MIKEY_HEADER: usize = 10;

/// Classifies a datagram. Nothing of it is believed by that.
// R17.1
#[must_use]
pub fn classify(datagram: &[u8]) -> Class {
    let Some(first) = datagram.first() else { return Class::Unknown };
    match first {
        0..=3 if datagram.len() >= STUN_HEADER && datagram.get(4..8) == Some(&STUN_MAGIC) => Class::Stun,
        1 | 2 if datagram.len() >= MIKEY_HEADER => Class::Mikey { version: *first },
        20..=63 => Class::Dtls,
        64..=79 => Class::Turn,
        128..=191 => match datagram.get(1) {
            Some(192..=223) => Class::Rtcp,
            Some(_) => Class::Rtp,
            None => Class::Unknown,
        },
        _ => Class::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(first: u8, second: u8, len: usize) -> Class {
        let mut datagram = vec![0; len];
        for (to, from) in datagram.iter_mut().zip([first, second]) {
            *to = from;
        }
        classify(&datagram)
    }

    // R17.1
    #[test]
    fn every_first_octet_has_its_place() {
        for first in 0..=255_u8 {
            let expected = match first {
                1 | 2 => Class::Mikey { version: first },
                20..=63 => Class::Dtls,
                64..=79 => Class::Turn,
                128..=191 => Class::Rtp,
                _ => Class::Unknown,
            };
            assert_eq!(class(first, 0, 100), expected, "first octet {first}");
        }
    }

    #[test]
    fn rtcp_is_told_by_its_packet_type() {
        for second in 0..=255_u8 {
            let expected = if (192..=223).contains(&second) { Class::Rtcp } else { Class::Rtp };
            assert_eq!(class(0x80, second, 20), expected, "second octet {second}");
        }
    }

    #[test]
    fn stun_is_told_from_mikey_by_its_cookie() {
        let mut stun = vec![0; 20];
        stun[0..2].copy_from_slice(&[1, 1]);
        stun[4..8].copy_from_slice(&STUN_MAGIC);
        assert_eq!(classify(&stun), Class::Stun);
        assert_eq!(classify(&stun[..19]), Class::Mikey { version: 1 }, "too short for STUN");
        stun[7] ^= 1;
        assert_eq!(classify(&stun), Class::Mikey { version: 1 });
        stun[0] = 0;
        assert_eq!(classify(&stun), Class::Unknown);
    }

    #[test]
    fn what_is_too_short_is_nothing() {
        assert_eq!(classify(&[]), Class::Unknown);
        assert_eq!(class(2, 0, 9), Class::Unknown);
        assert_eq!(class(2, 0, 10), Class::Mikey { version: 2 });
        assert_eq!(classify(&[0x80]), Class::Unknown);
    }
}
