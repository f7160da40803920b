//! Octets of records and snapshots: written with lengths, read to the last octet, every list bounded.

use std::fmt;

use mikey_crypto::SecretBytes;
use mikey_proto::Name;
use mikey_wire::{Id, IdType};
use zeroize::Zeroizing;

/// Octets that are no record or snapshot of this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Where.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.what, self.offset)
    }
}

impl std::error::Error for RecordError {}

pub(crate) type Result<T> = std::result::Result<T, RecordError>;

/// Reads from the front.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, at: 0 }
    }

    pub(crate) fn fail<T>(&self, what: &'static str) -> Result<T> {
        Err(RecordError { offset: self.at, what })
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else { return self.fail("too short") };
        self.rest = rest;
        self.at += len;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else { return self.fail("too short") };
        self.rest = rest;
        self.at += N;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fail("a flag that is neither set nor not"),
        }
    }

    pub(crate) fn vec8(&mut self) -> Result<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    pub(crate) fn vec16(&mut self) -> Result<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    pub(crate) fn secret(&mut self, len: usize) -> Result<SecretBytes> {
        self.take(len).map(SecretBytes::copy_from)
    }

    pub(crate) fn name(&mut self) -> Result<Name> {
        let ty = self.u8()?;
        let data = self.vec8()?;
        if data.is_empty() {
            return self.fail("an empty name");
        }
        Ok(Name::from_wire(&Id { ty: IdType(ty), data }))
    }

    /// A list with its count before it, at most `most` long.
    pub(crate) fn list<T>(
        &mut self,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        // Every item has an octet at least: nothing is allocated for what cannot be there.
        if count > most || count > self.rest.len() {
            return self.fail("a list that is too long");
        }
        (0..count).map(|_| item(self)).collect()
    }

    pub(crate) fn finish(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { self.fail("octets after the end") }
    }
}

/// Octets that hold keys: wiped when dropped, and wiped when they move to a larger place.
pub(crate) struct Writer {
    out: Zeroizing<Vec<u8>>,
}

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { out: Zeroizing::new(Vec::with_capacity(capacity)) }
    }

    pub(crate) fn bytes(&mut self, octets: &[u8]) {
        if self.out.capacity() - self.out.len() < octets.len() {
            let mut larger = Zeroizing::new(Vec::with_capacity((self.out.len() + octets.len()) * 2));
            larger.extend_from_slice(&self.out);
            self.out = larger;
        }
        self.out.extend_from_slice(octets);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Octets after their one-octet length; what is longer has been refused before.
    pub(crate) fn vec8(&mut self, octets: &[u8]) {
        let octets = octets.get(..octets.len().min(255)).unwrap_or_default();
        self.u8(u8::try_from(octets.len()).unwrap_or(u8::MAX));
        self.bytes(octets);
    }

    /// Octets after their two-octet length; what is longer has been refused before.
    pub(crate) fn vec16(&mut self, octets: &[u8]) {
        let octets = octets.get(..octets.len().min(65_535)).unwrap_or_default();
        self.u16(u16::try_from(octets.len()).unwrap_or(u16::MAX));
        self.bytes(octets);
    }

    pub(crate) fn name(&mut self, name: &Name) {
        self.u8(name.id_type());
        self.vec8(name.data());
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(crate) fn finish(self) -> SecretBytes {
        SecretBytes::copy_from(&self.out)
    }
}
