//! What real peers of version 1 send although RFC 3830 says otherwise, by name. The encoder never does any
//! of it, and version 2 knows none of it.
//!
//! Invariant: a quirk is only noted, never repaired here: values stand as they came.

use core::fmt;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::header::Version;
use crate::message::{Message, decode_chain};
use crate::payload::{Payload, Sp, T};
use crate::reader::{Reader, Result};
use crate::registry::{DataType, EncrAlg, KeyType, PayloadType, ProtType, SrtpAuth, SrtpParam};

/// One deviation that a receiver must live with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// One zero octet follows the last payload (RTSP cameras' video management).
    TrailingZero,
    /// A message that carries keys has no RAND (RFC 3830 3.1 demands one).
    NoRand,
    /// T is typed NTP but holds a Windows FILETIME: 100 ns since 1601.
    FiletimeAsNtp,
    /// SRTP policy parameter 3, the authentication key length, holds what is meant as parameter 11, the tag
    /// length: 4 or 10 octets, where HMAC-SHA-1 has a key of 20.
    TagLengthAsAuthKeyLength,
    /// Master key and salt sent as one TEK of 30 (or 38, 46) octets. [`Quirk::split_tek`] parts them.
    SaltInTek,
    /// A DHHMAC response leaves out the DH value that it answers (RFC 4650 3.1 repeats it).
    NoDhEcho,
}

/// A set of quirks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks(u8);

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TrailingZero,
        Self::NoRand,
        Self::FiletimeAsNtp,
        Self::TagLengthAsAuthKeyLength,
        Self::SaltInTek,
        Self::NoDhEcho,
    ];

    /// What the peer did, in words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::TrailingZero => "one zero octet after the last payload",
            Self::NoRand => "no RAND payload",
            Self::FiletimeAsNtp => "a Windows FILETIME in a timestamp typed NTP",
            Self::TagLengthAsAuthKeyLength => "SRTP tag length in policy parameter 3",
            Self::SaltInTek => "master key and salt sent as one TEK",
            Self::NoDhEcho => "a DHHMAC response without the DH value that it answers",
        }
    }

    /// Parts a TEK that holds an AES master key and its 14-octet salt into the two.
    #[must_use]
    pub fn split_tek(key: &[u8]) -> Option<(&[u8], &[u8])> {
        match key.len() {
            30 | 38 | 46 => key.split_at_checked(key.len().saturating_sub(14)),
            _ => None,
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::TrailingZero => 1,
            Self::NoRand => 2,
            Self::FiletimeAsNtp => 4,
            Self::TagLengthAsAuthKeyLength => 8,
            Self::SaltInTek => 16,
            Self::NoDhEcho => 32,
        }
    }
}

impl Quirks {
    /// Whether `quirk` was seen.
    #[must_use]
    pub const fn contains(self, quirk: Quirk) -> bool {
        self.0 & quirk.bit() != 0
    }

    /// Whether none was seen.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The quirks seen.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.into_iter().filter(move |quirk| self.contains(*quirk))
    }

    /// The same set without `quirk`.
    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Self {
        Self(self.0 & !quirk.bit())
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn note(&mut self, quirk: Quirk, seen: bool) {
        if seen {
            self.0 |= quirk.bit();
        }
    }
}

impl fmt::Debug for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What stands behind the last payload: nothing, one zero octet, or a reason to refuse.
pub(crate) fn trailing(r: &Reader<'_>) -> Result<Quirks> {
    let mut rest = *r;
    match rest.rest() {
        [] => Ok(Quirks::default()),
        [0] => Ok(Quirks(Quirk::TrailingZero.bit())),
        octets => Err::<_, DecodeError>(
            r.fail("end of message", DecodeErrorKind::Trailing { octets: octets.len() }),
        ),
    }
}

/// The quirks inside a message of version 1.
pub(crate) fn of(message: &Message<'_>) -> Quirks {
    let mut quirks = Quirks::default();
    let has_rand = message.items.iter().any(|item| matches!(item.payload, Payload::Rand(_)));
    let carries_keys =
        message.items.iter().any(|item| matches!(item.payload, Payload::Kemac(_) | Payload::Dh(_)));
    let first = matches!(
        message.header.data_type,
        DataType::PSK_INIT | DataType::PK_INIT | DataType::DH_INIT | DataType::DHHMAC_INIT
    );
    quirks.note(Quirk::NoRand, first && carries_keys && !has_rand);
    let values = message.items.iter().filter(|item| matches!(item.payload, Payload::Dh(_))).count();
    quirks.note(Quirk::NoDhEcho, message.header.data_type == DataType::DHHMAC_RESP && values == 1);
    for item in &message.items {
        match &item.payload {
            Payload::T(t) => quirks.note(Quirk::FiletimeAsNtp, is_filetime(t)),
            Payload::Sp(sp) => quirks.note(Quirk::TagLengthAsAuthKeyLength, has_tag_length_as_key_length(sp)),
            Payload::Kemac(kemac) if kemac.encr_alg == EncrAlg::NULL => {
                quirks.note(Quirk::SaltInTek, has_salt_in_tek(message.header.data_type, kemac.encr_data));
            }
            _ => {}
        }
    }
    quirks
}

/// 2000-01-01 to 2100-01-01 as FILETIME. As NTP the same values are days in 2037, or before 1903.
const FILETIMES: core::ops::Range<u64> = 0x01bf_53eb_256d_4000..0x022f_7163_7764_0000;

fn is_filetime(t: &T) -> bool {
    matches!(t, T::NtpUtc(value) | T::Ntp(value) if FILETIMES.contains(value))
}

fn has_tag_length_as_key_length(sp: &Sp<'_>) -> bool {
    let hmac_sha1 = sp.param(SrtpParam::AUTH_ALG.0).is_none_or(|value| value == [SrtpAuth::HMAC_SHA_1.0]);
    sp.prot == ProtType::SRTP
        && hmac_sha1
        && sp.param(SrtpParam::AUTH_TAG_LEN.0).is_none()
        && matches!(sp.param(SrtpParam::AUTH_KEY_LEN.0), Some([4 | 10]))
}

fn has_salt_in_tek(data_type: DataType, plaintext: &[u8]) -> bool {
    decode_chain(Version::V1, data_type, PayloadType::KEY_DATA, plaintext).is_ok_and(|items| {
        items.iter().any(|item| {
            matches!(&item.payload, Payload::KeyData(data)
                if data.ty == KeyType::TEK && Quirk::split_tek(data.key).is_some())
        })
    })
}
