//! The payloads of a message of version 1 by what they are for, with what RFC 3830 section 3 asks of each message.
//!
//! RFC 3830 recommends an order and does not demand one. What is demanded here: each single payload once, none that the
//! message does not have, and nothing after the one that authenticates it.

use mikey_wire::{
    Cert, CertType, Chash, DataType, DecodeError, DecodeErrorKind, Dh, ErrorNo, Extension, Header, Id, Item,
    Kemac, Message, Payload, PayloadType, Pke, Sign, Sp, T, Ver,
};

use super::error::Error;
use super::message::SPEAKS_V2;

/// What a message has.
pub(super) struct Fields<'a> {
    pub(super) header: Header<'a>,
    pub(super) t: T,
    pub(super) rand: Option<&'a [u8]>,
    pub(super) ids: Vec<Id<'a>>,
    /// Whether the first name stands before any certificate, and so is that of the message's initiator.
    pub(super) name_leads: bool,
    pub(super) certs: Vec<Cert<'a>>,
    pub(super) policies: Vec<Sp<'a>>,
    pub(super) dh: Vec<Dh<'a>>,
    pub(super) kemac: Option<(Kemac<'a>, &'a [u8])>,
    pub(super) pke: Option<Pke<'a>>,
    pub(super) chash: Option<Chash<'a>>,
    pub(super) sign: Option<Sign<'a>>,
    pub(super) ver: Option<Ver<'a>>,
    pub(super) errors: Vec<ErrorNo>,
    pub(super) sdp_ids: Option<&'a [u8]>,
    pub(super) key_ids: Vec<(u8, Vec<u8>)>,
    /// Whether a Vendor ID says that its sender speaks version 2.
    pub(super) speaks_v2: bool,
    /// The octets that the MAC or signature at the end covers.
    pub(super) covered: &'a [u8],
    /// The same without the whole last payload.
    pub(super) before_last: &'a [u8],
}

/// Which payloads a message may have besides T, and the ones it must end with.
fn rules(ty: DataType) -> Option<(&'static [PayloadType], &'static [PayloadType])> {
    use PayloadType as P;
    let (allowed, last): (&[P], &[P]) = match ty {
        DataType::PSK_INIT => (&[P::RAND, P::ID, P::SP, P::EXT, P::KEMAC], &[P::KEMAC]),
        DataType::PSK_VERIFY | DataType::PK_VERIFY => (&[P::ID, P::EXT, P::V], &[P::V]),
        DataType::PK_INIT => {
            (&[P::RAND, P::ID, P::CERT, P::SP, P::EXT, P::KEMAC, P::CHASH, P::PKE, P::SIGN], &[P::SIGN])
        }
        DataType::DH_INIT => (&[P::RAND, P::ID, P::CERT, P::SP, P::EXT, P::DH, P::SIGN], &[P::SIGN]),
        DataType::DH_RESP => (&[P::ID, P::CERT, P::EXT, P::DH, P::SIGN], &[P::SIGN]),
        DataType::DHHMAC_INIT => (&[P::RAND, P::ID, P::SP, P::EXT, P::DH, P::KEMAC], &[P::KEMAC]),
        DataType::DHHMAC_RESP => (&[P::RAND, P::ID, P::EXT, P::DH, P::KEMAC], &[P::KEMAC]),
        DataType::RSA_R_INIT => (&[P::RAND, P::ID, P::CERT, P::SP, P::EXT, P::SIGN], &[P::SIGN]),
        DataType::RSA_R_RESP => {
            (&[P::RAND, P::ID, P::CERT, P::SP, P::EXT, P::KEMAC, P::PKE, P::SIGN], &[P::SIGN])
        }
        DataType::ERROR => (&[P::ID, P::ERR, P::SP, P::EXT, P::V, P::SIGN], &[P::ERR, P::SP, P::V, P::SIGN]),
        _ => return None,
    };
    Some((allowed, last))
}

impl<'a> Fields<'a> {
    /// Takes a message apart.
    pub(super) fn read(message: &Message<'a>) -> Result<Self, Error> {
        let ty = message.header.data_type;
        let (allowed, last) = rules(ty).ok_or(Error::DataType(ty))?;
        let final_item = message.items.last().ok_or(missing(None, "payloads"))?;
        if !last.contains(&final_item.payload.ty()) {
            return Err(at(final_item, "last payload", DecodeErrorKind::Unexpected));
        }
        let tag = match &final_item.payload {
            Payload::Kemac(kemac) => kemac.mac.len(),
            Payload::V(ver) => ver.data.len(),
            Payload::Sign(sign) => sign.signature.len(),
            _ => 0,
        };
        let covered = message.raw.get(..final_item.end.saturating_sub(tag)).unwrap_or_default();
        let before_last = message.raw.get(..final_item.start).unwrap_or_default();
        let mut t = None;
        let mut fields = Self {
            header: message.header.clone(),
            t: T::Counter(0),
            rand: None,
            ids: Vec::new(),
            name_leads: false,
            certs: Vec::new(),
            policies: Vec::new(),
            dh: Vec::new(),
            kemac: None,
            pke: None,
            chash: None,
            sign: None,
            ver: None,
            errors: Vec::new(),
            sdp_ids: None,
            key_ids: Vec::new(),
            speaks_v2: false,
            covered,
            before_last,
        };
        for item in &message.items {
            if let Payload::T(value) = item.payload {
                once(&mut t, value, item)?;
                continue;
            }
            if !allowed.contains(&item.payload.ty()) {
                return Err(at(item, "order of payloads", DecodeErrorKind::Unexpected));
            }
            fields.take(message, item)?;
        }
        fields.t = t.ok_or(missing(Some(PayloadType::T), "T"))?;
        if fields.dh.len() > 2 || fields.ids.len() > 2 {
            return Err(missing(None, "order of payloads"));
        }
        Ok(fields)
    }

    fn take(&mut self, message: &Message<'a>, item: &Item<'a>) -> Result<(), Error> {
        match &item.payload {
            Payload::Rand(rand) => once(&mut self.rand, rand, item)?,
            Payload::Id(id) => {
                self.name_leads |= self.ids.is_empty() && self.certs.is_empty();
                self.ids.push(*id);
            }
            Payload::Cert(cert) if cert.ty == CertType::X509_URL => {
                return Err(at(item, "Cert type", DecodeErrorKind::Value(u32::from(cert.ty.0))));
            }
            Payload::Cert(cert) => self.certs.push(*cert),
            Payload::Sp(sp) => {
                if self.policies.iter().any(|other| other.policy_no == sp.policy_no) {
                    return Err(at(item, "Policy no", DecodeErrorKind::Duplicate(u32::from(sp.policy_no))));
                }
                self.policies.push(sp.clone());
            }
            Payload::Dh(dh) => self.dh.push(*dh),
            Payload::Kemac(kemac) => {
                let end = item.end.saturating_sub(kemac.mac.len());
                let octets = message.raw.get(item.start..end).unwrap_or_default();
                once(&mut self.kemac, (*kemac, octets), item)?;
            }
            Payload::Pke(pke) => once(&mut self.pke, *pke, item)?,
            Payload::Chash(chash) => once(&mut self.chash, *chash, item)?,
            Payload::Sign(sign) => once(&mut self.sign, *sign, item)?,
            Payload::V(ver) => once(&mut self.ver, *ver, item)?,
            Payload::Err(no) => self.errors.push(*no),
            Payload::Ext(Extension::SdpIds(ids)) => once(&mut self.sdp_ids, ids, item)?,
            Payload::Ext(Extension::KeyId(ids)) => {
                self.key_ids.extend(ids.iter().map(|id| (id.ty.0, id.id.to_vec())));
            }
            Payload::Ext(Extension::VendorId(id)) => self.speaks_v2 |= *id == SPEAKS_V2,
            // A new CSB ID is for groups, which version 2 does better.
            Payload::Ext(Extension::CsbId(_)) => {
                return Err(at(item, "CSB_ID", DecodeErrorKind::Unexpected));
            }
            _ => {}
        }
        Ok(())
    }

    /// IDi and IDr of an I_MESSAGE: `[IDi|CERTi], [IDr]`.
    pub(super) fn names(&self) -> (Option<&Id<'a>>, Option<&Id<'a>>) {
        match self.ids.as_slice() {
            [] => (None, None),
            [one] if self.name_leads => (Some(one), None),
            [one] => (None, Some(one)),
            [first, second, ..] => (Some(first), Some(second)),
        }
    }

    /// KEMAC, which the message must have, and its octets up to the MAC.
    pub(super) fn need_kemac(&self) -> Result<(Kemac<'a>, &'a [u8]), Error> {
        self.kemac.ok_or(missing(Some(PayloadType::KEMAC), "KEMAC"))
    }

    /// SIGN, which the message must have.
    pub(super) fn need_sign(&self) -> Result<Sign<'a>, Error> {
        self.sign.ok_or(missing(Some(PayloadType::SIGN), "SIGN"))
    }

    /// V, which the message must have.
    pub(super) fn need_ver(&self) -> Result<Ver<'a>, Error> {
        self.ver.ok_or(missing(Some(PayloadType::V), "V"))
    }

    /// PKE, which the message must have.
    pub(super) fn need_pke(&self) -> Result<Pke<'a>, Error> {
        self.pke.ok_or(missing(Some(PayloadType::PKE), "PKE"))
    }

    /// The DH value of the message's sender, which it must have, and the other one if it is repeated.
    pub(super) fn need_dh(&self) -> Result<(Dh<'a>, Option<Dh<'a>>), Error> {
        let mut values = self.dh.iter().copied();
        Ok((values.next().ok_or(missing(Some(PayloadType::DH), "DH"))?, values.next()))
    }

    /// The certificates that verify signatures: end entity first.
    pub(super) fn signing_chain(&self) -> Vec<&'a [u8]> {
        self.certs.iter().filter(|cert| cert.ty != CertType::X509_ENCR).map(|cert| cert.data).collect()
    }

    /// The certificates that keys are encrypted to, if they are apart.
    pub(super) fn encryption_chain(&self) -> Vec<&'a [u8]> {
        self.certs.iter().filter(|cert| cert.ty == CertType::X509_ENCR).map(|cert| cert.data).collect()
    }
}

fn once<V>(field: &mut Option<V>, value: V, item: &Item<'_>) -> Result<(), Error> {
    if field.replace(value).is_some() {
        return Err(at(item, "order of payloads", DecodeErrorKind::Unexpected));
    }
    Ok(())
}

pub(super) fn at(item: &Item<'_>, field: &'static str, kind: DecodeErrorKind) -> Error {
    Error::Decode(DecodeError { offset: item.start, payload: Some(item.payload.ty()), field, kind })
}

pub(super) fn missing(payload: Option<PayloadType>, field: &'static str) -> Error {
    Error::Decode(DecodeError { offset: 0, payload, field, kind: DecodeErrorKind::Missing })
}
