//! Octets to typed messages of MIKEY versions 1 and 2, and back.
//!
//! Version 1 is RFC 3830 with its extensions (RFC 4442, 4563, 4650, 4738, 6043, 6509, 7714); version 2 is
//! this project's `docs/spec.md`. The crate knows bytes, registries, message rules and limits. It knows
//! nothing of keys, time, sockets, roles or policy.
//!
//! Decoding is total: every octet is accounted for, reserved bits are zero, every count and length has a
//! named limit ([`limits`]), and nothing that comes from the network can panic or allocate before its
//! length was checked. Decoded values borrow from the buffer, so a transcript is hashed over the octets
//! that came. Encoding computes every `next payload` field and refuses lengths and values that a field
//! cannot have; whatever decodes encodes to the octets that it came from.
//!
//! ```
//! use mikey_wire::{encode, CsMap, DataType, Header, Message, Payload, SrtpCs, Version, T};
//!
//! let header = Header {
//!     version: Version::V1,
//!     data_type: DataType::PSK_INIT,
//!     v: true,
//!     prf: 0,
//!     csb_id: 0x0102_0304,
//!     cs_map: CsMap::SrtpId(vec![SrtpCs { policy_no: 0, ssrc: 7, roc: 0 }]),
//! };
//! let octets = encode(&header, &[Payload::T(T::Counter(1)), Payload::Rand(&[9; 16])])?;
//! let message = Message::decode(&octets)?;
//! assert_eq!(message.header, header);
//! assert_eq!(message.items.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod header;
pub mod limits;
mod message;
mod payload;
mod quirk;
mod reader;
mod registry;
mod rules;
pub mod v2;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use header::{CsMap, GenericCs, Header, SrtpCs, SrtpSession, Version};
pub use message::{
    Item, Message, decode_chain, decode_start, encode, encode_chain, encode_kemac_head, encode_open,
    first_type,
};
pub use payload::{
    Auth, Cert, CertReq, Chash, Dh, Extension, GccReq, Group, Id, Idr, Kemac, KeyData, KeyId, Kv, Payload,
    Pke, RandR, ResumeTicket, Sakke, Sender, Session, Sign, Sp, SpParam, T, TeslaIKey, TeslaPolicy,
    TeslaPolicyOctets, Tr, Ver,
};
pub use quirk::{Quirk, Quirks};
pub use registry::{
    AuthMethod, CertType, DataType, DhGroup, EncrAlg, ErrorNo, Exch, ExtType, HashFunc, IdRole, IdType,
    KeyIdType, KeyType, KvType, MacAlg, MapType, MspParam, NotifyCode, PayloadType, PkeCache, PrfFunc,
    ProtType, RandRole, SdpBindingType, SignAlg, SrtpAuth, SrtpEncr, SrtpParam, TeslaMac, TeslaParam,
    TeslaPrf, TsRole, TsType,
};
