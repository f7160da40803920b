//! One file for each payload or pair of alike ones; here the enum over them and the dispatch.
//!
//! Invariant: a payload's decoder reads exactly its own fields after `next payload`, which the chain reads
//! and the encoder computes. SIGN has no `next payload` field and so ends every chain.

mod auth;
mod dh;
mod ext;
mod group;
mod hash;
mod id;
mod kemac;
mod key_data;
mod sakke;
mod sign;
mod sp;
mod t;
mod tesla;

use alloc::vec::Vec;

pub use auth::{Auth, CertReq, GccReq};
pub use dh::Dh;
pub use ext::{Extension, KeyId, ResumeTicket, Session};
pub use group::{Group, Sender};
pub use hash::{Chash, Ver};
pub use id::{Cert, Id, Idr};
pub use kemac::{Kemac, Pke};
pub use key_data::{KeyData, Kv};
pub use sakke::Sakke;
pub use sign::Sign;
pub use sp::{Sp, SpParam};
pub use t::{RandR, T, Tr};
pub use tesla::{TeslaIKey, TeslaPolicy, TeslaPolicyOctets};

use crate::error::DecodeErrorKind;
use crate::header::Version;
use crate::reader::{Reader, Result};
use crate::registry::{DataType, ErrorNo, PayloadType};
use crate::writer;

/// What a payload's decoder must know of the message around it.
#[derive(Clone, Copy)]
pub(crate) struct Cx {
    pub(crate) version: Version,
    pub(crate) data_type: DataType,
    /// In the plaintext of KEMAC's Encr data, where key data may stand and KEMAC may not.
    pub(crate) inside: bool,
}

impl Cx {
    pub(crate) fn v2(self) -> bool {
        self.version == Version::V2
    }
}

/// A payload (RFC 3830 section 6 and its extensions, version 2 section 2).
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Key data transport (RFC 3830 6.2).
    Kemac(Kemac<'a>),
    /// Envelope key (RFC 3830 6.3).
    Pke(Pke<'a>),
    /// DH value (RFC 3830 6.4).
    Dh(Dh<'a>),
    /// Signature (RFC 3830 6.5).
    Sign(Sign<'a>),
    /// Timestamp (RFC 3830 6.6).
    T(T),
    /// Identity (RFC 3830 6.7).
    Id(Id<'a>),
    /// Certificate (RFC 3830 6.7).
    Cert(Cert<'a>),
    /// Certificate hash (RFC 3830 6.8).
    Chash(Chash<'a>),
    /// Verification message (RFC 3830 6.9).
    V(Ver<'a>),
    /// Security policy (RFC 3830 6.10).
    Sp(Sp<'a>),
    /// Random octets (RFC 3830 6.11); 32 in version 2.
    Rand(&'a [u8]),
    /// Error (RFC 3830 6.12).
    Err(ErrorNo),
    /// Timestamp with its role (RFC 6043 6.4), version 1 only.
    Tr(Tr),
    /// Identity with its role (RFC 6043 6.6), version 1 only.
    Idr(Idr<'a>),
    /// Random octets with their role (RFC 6043 6.8), version 1 only.
    RandR(RandR<'a>),
    /// Key data, in the plaintext of KEMAC only (RFC 3830 6.13).
    KeyData(KeyData<'a>),
    /// General Extension (RFC 3830 6.15).
    Ext(Extension<'a>),
    /// SAKKE encapsulated data (RFC 6509 4.2), version 1 only.
    Sakke(Sakke<'a>),
    /// Authentication, version 2 only.
    Auth(Auth<'a>),
    /// Anchors that are accepted, version 2 only.
    CertReq(CertReq<'a>),
    /// Request to join a group, version 2 only.
    GccReq(GccReq<'a>),
}

impl<'a> Payload<'a> {
    /// Its number in the `next payload` field before it.
    #[must_use]
    pub fn ty(&self) -> PayloadType {
        match self {
            Self::Kemac(_) => PayloadType::KEMAC,
            Self::Pke(_) => PayloadType::PKE,
            Self::Dh(_) => PayloadType::DH,
            Self::Sign(_) => PayloadType::SIGN,
            Self::T(_) => PayloadType::T,
            Self::Id(_) => PayloadType::ID,
            Self::Cert(_) => PayloadType::CERT,
            Self::Chash(_) => PayloadType::CHASH,
            Self::V(_) => PayloadType::V,
            Self::Sp(_) => PayloadType::SP,
            Self::Rand(_) => PayloadType::RAND,
            Self::Err(_) => PayloadType::ERR,
            Self::Tr(_) => PayloadType::TR,
            Self::Idr(_) => PayloadType::IDR,
            Self::RandR(_) => PayloadType::RANDR,
            Self::KeyData(_) => PayloadType::KEY_DATA,
            Self::Ext(_) => PayloadType::EXT,
            Self::Sakke(_) => PayloadType::SAKKE,
            Self::Auth(_) => PayloadType::AUTH,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::GccReq(_) => PayloadType::GCC_REQ,
        }
    }

    /// Reads the body of a payload of type `ty`.
    pub(crate) fn decode(ty: PayloadType, r: &mut Reader<'a>, cx: Cx) -> Result<Self> {
        Ok(match ty {
            PayloadType::KEMAC if !cx.inside => Self::Kemac(Kemac::decode(r, cx)?),
            PayloadType::PKE => Self::Pke(Pke::decode(r)?),
            PayloadType::DH => Self::Dh(Dh::decode(r, cx)?),
            PayloadType::SIGN => Self::Sign(Sign::decode(r)?),
            PayloadType::T => Self::T(T::decode(r)?),
            PayloadType::ID => Self::Id(Id::decode(r)?),
            PayloadType::CERT => Self::Cert(Cert::decode(r)?),
            PayloadType::CHASH => Self::Chash(Chash::decode(r)?),
            PayloadType::V => Self::V(Ver::decode(r, cx)?),
            PayloadType::SP => Self::Sp(Sp::decode(r)?),
            PayloadType::RAND => Self::Rand(r.vec8("RAND")?),
            PayloadType::ERR => {
                let no = ErrorNo(r.u8("Error no")?);
                for octet in r.array_ref::<2>("Reserved")? {
                    r.reserved(*octet, "Reserved")?;
                }
                Self::Err(no)
            }
            PayloadType::KEY_DATA if cx.inside => Self::KeyData(KeyData::decode(r, cx)?),
            PayloadType::KEMAC | PayloadType::KEY_DATA => {
                return Err(r.fail("place", DecodeErrorKind::Unexpected));
            }
            PayloadType::EXT => Self::Ext(Extension::decode(r, cx)?),
            PayloadType::TR if !cx.v2() => Self::Tr(Tr::decode(r)?),
            PayloadType::IDR if !cx.v2() => Self::Idr(Idr::decode(r)?),
            PayloadType::RANDR if !cx.v2() => Self::RandR(RandR::decode(r)?),
            PayloadType::SAKKE if !cx.v2() => Self::Sakke(Sakke::decode(r)?),
            PayloadType::AUTH if cx.v2() => Self::Auth(Auth::decode(r)?),
            PayloadType::CERTREQ if cx.v2() => Self::CertReq(CertReq::decode(r)?),
            PayloadType::GCC_REQ if cx.v2() => Self::GccReq(GccReq::decode(r)?),
            other => return Err(r.fail("next payload", DecodeErrorKind::UnknownPayload(other))),
        })
    }

    /// Appends the body: everything after `next payload`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        match self {
            Self::Kemac(p) => p.encode(out),
            Self::Pke(p) => p.encode(out),
            Self::Dh(p) => p.encode(out),
            Self::Sign(p) => p.encode(out),
            Self::T(p) => {
                p.encode(out);
                Ok(())
            }
            Self::Id(p) => p.encode(out),
            Self::Cert(p) => p.encode(out),
            Self::Chash(p) => p.encode(out),
            Self::V(p) => p.encode(out),
            Self::Sp(p) => p.encode(out),
            Self::Rand(octets) => writer::vec8(out, octets, "RAND"),
            Self::Err(no) => {
                out.extend_from_slice(&[no.0, 0, 0]);
                Ok(())
            }
            Self::Tr(p) => {
                p.encode(out);
                Ok(())
            }
            Self::Idr(p) => p.encode(out),
            Self::RandR(p) => p.encode(out),
            Self::KeyData(p) => p.encode(out),
            Self::Ext(p) => p.encode(out),
            Self::Sakke(p) => p.encode(out),
            Self::Auth(p) => p.encode(out),
            Self::CertReq(p) => p.encode(out),
            Self::GccReq(p) => p.encode(out),
        }
    }
}
