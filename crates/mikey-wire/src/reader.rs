//! The only way octets are read: a shrinking slice that knows where it stands.
//!
//! Invariant: `at` is the offset of `rest`'s first octet in the buffer that the outermost reader was made
//! for. A nested reader must be read to its end (style.md C2).

use crate::error::{DecodeError, DecodeErrorKind};

pub(crate) type Result<T> = core::result::Result<T, DecodeError>;

#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, at: 0 }
    }

    /// Offset of the next octet.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// An error at the next octet.
    pub(crate) fn fail(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.at, field, kind)
    }

    pub(crate) fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8]> {
        let Some((head, tail)) = self.rest.split_at_checked(len) else {
            return Err(self.fail(field, DecodeErrorKind::Short { wanted: len, left: self.rest.len() }));
        };
        self.advance(len, tail);
        Ok(head)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let all = self.rest;
        self.advance(all.len(), &[]);
        all
    }

    pub(crate) fn array_ref<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N]> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.fail(field, DecodeErrorKind::Short { wanted: N, left: self.rest.len() }));
        };
        self.advance(N, tail);
        Ok(head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8> {
        Ok(u8::from_be_bytes(*self.array_ref(field)?))
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16> {
        Ok(u16::from_be_bytes(*self.array_ref(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32> {
        Ok(u32::from_be_bytes(*self.array_ref(field)?))
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64> {
        Ok(u64::from_be_bytes(*self.array_ref(field)?))
    }

    /// Octets behind a one-octet length.
    pub(crate) fn vec8(&mut self, field: &'static str) -> Result<&'a [u8]> {
        let len = self.u8(field)?;
        self.take(usize::from(len), field)
    }

    /// Octets behind a two-octet length.
    pub(crate) fn vec16(&mut self, field: &'static str) -> Result<&'a [u8]> {
        let len = self.u16(field)?;
        self.take(usize::from(len), field)
    }

    /// Reads the next `len` octets with `read`, which must use them all.
    pub(crate) fn nested<T>(
        &mut self,
        len: usize,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
    ) -> Result<T> {
        let at = self.at;
        let mut inner = Reader { rest: self.take(len, field)?, at };
        let value = read(&mut inner)?;
        inner.finish(field)?;
        Ok(value)
    }

    /// Refuses octets that nobody read.
    // R4.2
    pub(crate) fn finish(&self, field: &'static str) -> Result<()> {
        match self.rest.len() {
            0 => Ok(()),
            octets => Err(self.fail(field, DecodeErrorKind::Trailing { octets })),
        }
    }

    /// Reserved bits are zero, or the message is not of this version.
    // R4.6
    pub(crate) fn reserved(&self, bits: u8, field: &'static str) -> Result<()> {
        if bits == 0 { Ok(()) } else { Err(self.fail(field, DecodeErrorKind::Reserved)) }
    }

    fn advance(&mut self, by: usize, tail: &'a [u8]) {
        self.at = self.at.saturating_add(by);
        self.rest = tail;
    }
}
