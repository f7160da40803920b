//! What the fuzz targets share.

use mikey_wire::{
    DataType, Item, Message, Payload, PayloadType, Version, decode_chain, encode, encode_chain,
};

/// An input that is read as a list of orders: each read takes octets off its front.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// The next octet, if there is one.
    pub fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next two octets as a number; 0 at the end.
    pub fn number(&mut self) -> usize {
        let high = self.octet().unwrap_or(0);
        usize::from(high) << 8 | usize::from(self.octet().unwrap_or(0))
    }

    /// As many octets as are left, up to `len`.
    pub fn octets(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Replaces, removes or inserts octets as the script says.
    pub fn edit(&mut self, octets: &mut Vec<u8>) {
        let at = self.number() % (octets.len() + 1);
        let gone = usize::from(self.octet().unwrap_or(0)).min(octets.len() - at);
        let len = usize::from(self.octet().unwrap_or(0)) % 128;
        octets.splice(at..at + gone, self.octets(len).iter().copied());
    }
}

/// Whatever decodes encodes to the octets that it came from, and its items cover it without gap.
pub fn one_encoding(message: &Message<'_>) {
    let payloads = payloads(&message.items);
    let encoded = encode(&message.header, &payloads).expect("what decodes can be encoded");
    assert_eq!(encoded, message.raw, "another encoding");
    covered(&message.items, message.raw.len());
}

/// The same for a chain of payloads, as it stands inside KEMAC.
pub fn one_chain(version: Version, data_type: DataType, first: PayloadType, octets: &[u8]) {
    if let Ok(items) = decode_chain(version, data_type, first, octets) {
        let mut encoded = Vec::new();
        encode_chain(&mut encoded, &payloads(&items), PayloadType::LAST)
            .expect("what decodes can be encoded");
        assert_eq!(encoded, octets, "another encoding");
        covered(&items, octets.len());
    }
}

fn payloads<'a>(items: &[Item<'a>]) -> Vec<Payload<'a>> {
    items.iter().map(|item| item.payload.clone()).collect()
}

fn covered(items: &[Item<'_>], len: usize) {
    for pair in items.windows(2) {
        assert_eq!(pair[0].end, pair[1].start, "a gap between two payloads");
    }
    assert!(items.last().is_none_or(|last| last.end == len), "octets behind the last payload");
}
