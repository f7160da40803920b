//! Messages of version 2 that were bent by hand: found by payload, not by offset.

use mikey_wire::v2::{InitReq, InitResp, MspEntry};
use mikey_wire::{
    CsMap, DataType, Dh, ErrorNo, Extension, Header, Kv, Message, Payload, PayloadType, Session, Version,
    encode,
};

/// What a datagram says it is.
pub fn kind(bytes: &[u8]) -> DataType {
    DataType(bytes[1])
}

/// Octets that live as long as the test, so that any payload may hold them.
pub fn leak(octets: &[u8]) -> &'static [u8] {
    Box::leak(octets.to_vec().into_boxed_slice())
}

/// Decodes a message, lets `change` bend its payloads and its header, and encodes it again.
pub fn bend(raw: &[u8], change: impl FnOnce(&mut Header<'static>, &mut Vec<Payload<'static>>)) -> Vec<u8> {
    let message = Message::decode(leak(raw)).unwrap();
    let mut header = message.header;
    let mut payloads: Vec<_> = message.items.into_iter().map(|item| item.payload).collect();
    change(&mut header, &mut payloads);
    encode(&header, &payloads).unwrap()
}

/// The same message with another DH value.
pub fn with_dh(raw: &[u8], value: &[u8]) -> Vec<u8> {
    bend(raw, |_, payloads| {
        for payload in payloads {
            if let Payload::Dh(dh) = payload {
                dh.value = leak(value);
            }
        }
    })
}

/// The same message with another DH group and value.
pub fn with_group(raw: &[u8], group: u8, value: &[u8]) -> Vec<u8> {
    bend(raw, |_, payloads| {
        for payload in payloads {
            if let Payload::Dh(dh) = payload {
                *dh = Dh { group, value: leak(value), kv: Kv::Null };
            }
        }
    })
}

/// The same message with other SPIs.
pub fn with_session(raw: &[u8], change: impl Fn(&mut Session)) -> Vec<u8> {
    bend(raw, |_, payloads| {
        for payload in payloads {
            if let Payload::Ext(Extension::Session(session)) = payload {
                change(session);
            }
        }
    })
}

/// The same message with another RAND.
pub fn with_rand(raw: &[u8], rand: [u8; 32]) -> Vec<u8> {
    bend(raw, |_, payloads| {
        for payload in payloads {
            if let Payload::Rand(octets) = payload {
                *octets = Box::leak(Box::new(rand));
            }
        }
    })
}

/// The same message with another parameter of M-SP.
pub fn with_msp(raw: &[u8], change: impl FnOnce(&mut Vec<MspEntry<'static>>)) -> Vec<u8> {
    let raw = leak(raw);
    let (mut msp, at) = match kind(raw) {
        DataType::INIT_REQ => (InitReq::decode(raw).unwrap().offer, 2),
        _ => (InitResp::decode(raw).unwrap().choice, 2),
    };
    change(&mut msp.params);
    bend(raw, |_, payloads| payloads[at] = Payload::Sp(msp.to_sp()))
}

/// The same message with COOKIE before SESSION.
pub fn with_cookie(raw: &[u8], cookie: &[u8]) -> Vec<u8> {
    bend(raw, |_, payloads| payloads.insert(0, Payload::Ext(Extension::Cookie(leak(cookie)))))
}

/// An unprotected ERROR about this INIT_REQ, with any number and payloads: also one that nobody may send.
pub fn error(m1: &[u8], number: u8, cookie: Option<&[u8]>, rest: &[Payload<'_>]) -> Vec<u8> {
    let request = InitReq::decode(m1).unwrap();
    let header = Header {
        version: Version::V2,
        data_type: DataType::ERROR,
        v: false,
        prf: 0,
        csb_id: request.csb_id,
        cs_map: CsMap::NONE,
    };
    let mut payloads: Vec<_> = cookie.map(|c| Payload::Ext(Extension::Cookie(c))).into_iter().collect();
    payloads.push(Payload::Ext(Extension::Session(Session { spi_i: request.spi_i, spi_r: 0 })));
    payloads.push(Payload::Err(ErrorNo(number)));
    payloads.extend_from_slice(rest);
    encode(&header, &payloads).unwrap()
}

/// SPIs of a message.
pub fn session(raw: &[u8]) -> Session {
    mikey_wire::v2::peek(raw).unwrap().session
}

/// The octets of a message at which a payload of this type stands, from its first octet to its last.
pub fn span(raw: &[u8], ty: PayloadType) -> core::ops::Range<usize> {
    let message = Message::decode(raw).unwrap();
    let item = message.items.iter().find(|item| item.payload.ty() == ty).unwrap();
    item.start..item.end
}
