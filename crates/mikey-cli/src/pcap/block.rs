//! Numbers of capture files, which come in either byte order.

/// A shrinking slice with a byte order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl<'a> Cursor<'a> {
    /// Reads `octets` from the start.
    pub(crate) fn new(octets: &'a [u8], big_endian: bool) -> Self {
        Self { rest: octets, big_endian }
    }

    /// The next `length` octets.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(head)
    }

    /// The next two octets.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        let word = *self.take(2)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) })
    }

    /// The next four octets.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        let word = *self.take(4)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    /// The next four octets as a length.
    pub(crate) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
