//! Octets from anywhere as a message of version 1: no panic, and one encoding for whatever decodes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mikey_fuzz::{one_chain, one_encoding};
use mikey_wire::{DataType, Message, Payload, PayloadType, Quirk, Version};

fuzz_target!(|input: &[u8]| {
    let mut raw = input.to_vec();
    if let Some(version) = raw.first_mut() {
        *version = 1;
    }
    if let Ok(message) = Message::decode(&raw) {
        one_encoding(&message);
        let lenient = Message::decode_lenient(&raw).expect("a message without faults is one with leniency");
        assert!(!lenient.1.contains(Quirk::TrailingZero));
        for item in &message.items {
            if let Payload::Kemac(kemac) = &item.payload {
                inside(message.header.data_type, kemac.encr_data);
            }
        }
    } else if let Ok((message, quirks)) = Message::decode_lenient(&raw) {
        assert!(quirks.contains(Quirk::TrailingZero), "accepted without a quirk that says why");
        assert_eq!(message.raw.last(), Some(&0));
    }
    inside(DataType(input.len() as u8 % 32), input);
});

/// What a method of version 1 finds in KEMAC: key data, or the initiator's ID before it.
fn inside(data_type: DataType, plaintext: &[u8]) {
    for first in [PayloadType::KEY_DATA, PayloadType::ID, PayloadType::EXT] {
        one_chain(Version::V1, data_type, first, plaintext);
    }
}
