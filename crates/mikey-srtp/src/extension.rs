//! Encrypted header extensions (RFC 6904): the elements' contents, not their headers and not the padding.

use mikey_crypto::srtp::{Sealing, SrtpCipher, SrtpTransform};

use crate::index::{Extended, Ssrc};
use crate::iv::{self, Salt};
use crate::limits::MAX_F8_EXTENSION;
use crate::packet::{Malformed, RtpLayout};

/// The identifiers of header extension elements that are encrypted, as the signalling agreed (RFC 6904 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExtensionIds([u64; 4]);

impl ExtensionIds {
    /// No element is encrypted.
    pub const NONE: Self = Self([0; 4]);

    /// These elements are encrypted; 0, which is padding, is left out.
    #[must_use]
    pub fn new(ids: &[u8]) -> Self {
        let mut set = Self::NONE;
        for id in ids.iter().filter(|id| **id != 0) {
            if let Some(word) = set.0.get_mut(usize::from(id / 64)) {
                *word |= 1 << (id % 64);
            }
        }
        set
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether elements of this identifier are encrypted.
    #[must_use]
    pub fn contains(&self, id: u8) -> bool {
        self.0.get(usize::from(id / 64)).is_some_and(|word| word & 1 << (id % 64) != 0)
    }
}

/// IV of the keystream: the payload's, with the salt of header extensions; with an AEAD that of AES-CM.
pub(crate) fn iv(cipher: SrtpCipher, salt: &Salt, ssrc: Ssrc, index: Extended, header: &[u8]) -> [u8; 16] {
    let cipher = if cipher == SrtpCipher::AesGcm { SrtpCipher::AesCm } else { cipher };
    iv::rtp(cipher, salt, ssrc, index, header)
}

/// Whether the extension of a packet adds up, so that [`apply`] cannot fail half way.
pub(crate) fn check(
    ids: &ExtensionIds,
    packet: &[u8],
    layout: &RtpLayout,
    cipher: SrtpCipher,
) -> Result<(), Malformed> {
    let Some((form, body)) = body(packet, layout) else { return Ok(()) };
    if cipher == SrtpCipher::AesF8 && body.len() > MAX_F8_EXTENSION {
        return Err(Malformed::Extension);
    }
    let mut elements = Elements { rest: body, at: 0, form };
    while let Some((id, _, _)) = elements.next()? {
        let _ = ids.contains(id);
    }
    Ok(())
}

/// Encrypts or decrypts the elements of `ids` in place.
pub(crate) fn apply(
    ids: &ExtensionIds,
    transform: &dyn SrtpTransform,
    iv: [u8; 16],
    packet: &mut [u8],
    layout: &RtpLayout,
) -> Result<(), Malformed> {
    let Some((form, extension)) = body(packet, layout) else { return Ok(()) };
    let len = extension.len();
    let mut start = 0;
    let mut counter = u128::from_be_bytes(iv);
    while start < len {
        let mut stream = [0u8; CHUNK];
        let sealing = Sealing { iv: counter.to_be_bytes(), packet: &mut stream, clear: 0, trailer: None };
        transform.seal(sealing).map_err(|_| Malformed::Extension)?;
        let (_, extension) = packet.split_at_mut_checked(layout.extension).ok_or(Malformed::Extension)?;
        let extension = extension.get_mut(..len).ok_or(Malformed::Extension)?;
        mask(ids, form, extension, start, &stream)?;
        start += CHUNK;
        counter = counter.wrapping_add(CHUNK as u128 / 16);
    }
    Ok(())
}

/// XORs the part of the keystream that begins at `start` onto the encrypted elements.
fn mask(
    ids: &ExtensionIds,
    form: Form,
    extension: &mut [u8],
    start: usize,
    stream: &[u8; CHUNK],
) -> Result<(), Malformed> {
    let mut at = 0;
    loop {
        let mut elements = Elements { rest: extension.get(at..).unwrap_or(&[]), at, form };
        let Some((id, from, to)) = elements.next()? else { return Ok(()) };
        at = to;
        if !ids.contains(id) {
            continue;
        }
        for position in from.max(start)..to.min(start + CHUNK) {
            if let (Some(octet), Some(key)) = (extension.get_mut(position), stream.get(position - start)) {
                *octet ^= key;
            }
        }
    }
}

/// The two forms of RFC 5285; elements of another profile are nobody's to encrypt.
#[derive(Clone, Copy)]
enum Form {
    OneByte,
    TwoByte,
}

fn body<'a>(packet: &'a [u8], layout: &RtpLayout) -> Option<(Form, &'a [u8])> {
    let profile = packet.get(layout.extension.checked_sub(4)?..)?.first_chunk::<2>()?;
    let form = match u16::from_be_bytes(*profile) {
        0xbede => Form::OneByte,
        profile if profile >> 4 == 0x100 => Form::TwoByte,
        _ => return None,
    };
    let body = packet.get(layout.extension..layout.header_len)?;
    (!body.is_empty()).then_some((form, body))
}

/// Walks over elements: identifier, where the content begins and where it ends.
struct Elements<'a> {
    rest: &'a [u8],
    at: usize,
    form: Form,
}

impl Elements<'_> {
    fn next(&mut self) -> Result<Option<(u8, usize, usize)>, Malformed> {
        loop {
            let (id, header, len) = match (self.form, self.rest) {
                (_, []) => return Ok(None),
                (_, [0, rest @ ..]) => {
                    (self.rest, self.at) = (rest, self.at + 1);
                    continue;
                }
                // RFC 5285 section 4.2: identifier 15 ends the elements.
                (Form::OneByte, [first, ..]) if first >> 4 == 15 => return Ok(None),
                (Form::OneByte, [first, ..]) => (first >> 4, 1, usize::from(first & 0x0f) + 1),
                (Form::TwoByte, [id, len, ..]) => (*id, 2, usize::from(*len)),
                (Form::TwoByte, [_]) => return Err(Malformed::Extension),
            };
            self.rest = self.rest.get(header + len..).ok_or(Malformed::Extension)?;
            let from = self.at + header;
            self.at = from + len;
            return Ok(Some((id, from, self.at)));
        }
    }
}

/// Octets of keystream made at once: f8's whole extension, four kilobits of counter mode.
const CHUNK: usize = MAX_F8_EXTENSION;
