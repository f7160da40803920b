//! CCE2_REQ and CCE2_RESP (section 4; Option 2 of the draft): keys sent under a PSK or an RSA envelope.

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::header::GenericCs;
use crate::message::Message;
use crate::payload::{Cert, Chash, Id, KeyData, Kv, Pke, Session, Sign, Sp, Ver};
use crate::reader::Result;
use crate::registry::{HashFunc, KeyType, PayloadType, PkeCache, PrfFunc, SignAlg};
use crate::rules::{Fields, need};
use crate::v2::cce::check_signer_certs;
use crate::v2::sealed::{Opened, Sealed};
use crate::v2::table::{CCE2_REQ, CCE2_RESP, CCE2_TAIL, check_policies, check_version};

/// What stands behind CCE2_REQ's KEMAC in RSA mode; it can be read before KEMAC is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cce2Tail<'a> {
    /// SHA-256 of the certificate that the envelope is for.
    pub chash: Chash<'a>,
    /// The envelope, never cached.
    pub pke: Pke<'a>,
    /// SIGNi.
    pub sign: Sign<'a>,
    /// First octet of SIGN in the message.
    pub sign_start: usize,
}

/// CCE2_REQ.
#[derive(Clone, Debug)]
pub struct Cce2Req<'a> {
    /// RAND, always new.
    pub rand: &'a [u8; 32],
    /// CERTi; only in RSA mode.
    pub certs: Vec<Cert<'a>>,
    /// SRTP policies offered.
    pub policies: Vec<Sp<'a>>,
    /// The TGK that the initiator sends.
    pub tgk: KeyData<'a>,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
}

/// CCE2_RESP: clear, with V as its proof.
#[derive(Clone, Debug)]
pub struct Cce2Resp<'a> {
    /// CSB ID.
    pub csb_id: u32,
    /// PRF func.
    pub prf: u8,
    /// Both SPIs.
    pub session: Session,
    /// T of the request.
    pub t: u32,
    /// IDr.
    pub id_r: Id<'a>,
    /// V.
    pub ver: Ver<'a>,
    /// First octet of Ver data: V covers what stands before.
    pub ver_data_start: usize,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
    /// The message as it came.
    pub raw: &'a [u8],
}

impl<'a> Cce2Tail<'a> {
    /// Reads CHASH, PKE and SIGNi; `None` in PSK mode, which has none of them.
    ///
    /// # Errors
    /// [`DecodeError`]: another hash than SHA-256, a cached envelope, or another signature than PSS.
    pub fn parse(sealed: &Sealed<'a>) -> Result<Option<Self>> {
        if sealed.after.is_empty() {
            return Ok(None);
        }
        let fields = Fields::read(CCE2_TAIL, &sealed.after)?;
        let (sign, sign_start) = need(fields.sign, "SIGN")?;
        let tail =
            Self { chash: need(fields.chash, "CHASH")?, pke: need(fields.pke, "PKE")?, sign, sign_start };
        let fail = |ty, field, no: u8| {
            Err(DecodeError::new(sign_start, field, DecodeErrorKind::Value(u32::from(no))).within(ty))
        };
        if tail.chash.func != HashFunc::SHA_256 {
            return fail(PayloadType::CHASH, "Hash func", tail.chash.func.0);
        }
        if tail.pke.cache != PkeCache::NO_CACHE {
            return fail(PayloadType::PKE, "C", tail.pke.cache.0);
        }
        if tail.sign.alg != SignAlg::RSA_PSS {
            return fail(PayloadType::SIGN, "S type", tail.sign.alg.0);
        }
        Ok(Some(tail))
    }
}

impl<'a> Cce2Req<'a> {
    /// Parses an opened CCE2_REQ.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2, 4 and 5 that it breaks.
    // R12.6
    pub fn parse(sealed: &Sealed<'a>, opened: &Opened<'a>) -> Result<Self> {
        let fields = sealed.fields(opened, &CCE2_REQ)?;
        check_signer_certs(&fields)?;
        // CERTi is needed for SIGNi, which is verified before anything is decrypted.
        if !opened.fits(false) {
            let error = DecodeError::new(0, "confidentiality", DecodeErrorKind::Unexpected);
            return Err(error.within(PayloadType::KEMAC));
        }
        if sealed.after.is_empty() && !fields.certs.is_empty() {
            let error = DecodeError::new(0, "CERT without SIGN", DecodeErrorKind::Unexpected);
            return Err(error.within(PayloadType::CERT));
        }
        let streams = sealed.streams().to_vec();
        check_policies(&fields.policies, &streams, false)?;
        let tgk = need(fields.key_data.into_iter().next(), "key data")?;
        if tgk.ty != KeyType::TGK || tgk.kv != Kv::Null {
            let kind = DecodeErrorKind::Value(u32::from(tgk.ty.0));
            return Err(DecodeError::new(0, "Type and KV", kind).within(PayloadType::KEY_DATA));
        }
        Ok(Self {
            rand: need(fields.rand, "RAND")?,
            certs: fields.certs,
            policies: fields.policies,
            tgk,
            streams,
        })
    }
}

impl<'a> Cce2Resp<'a> {
    /// Reads a CCE2_RESP.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2 and 4 that it breaks.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(CCE2_RESP.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        CCE2_RESP.check_head(&message.header, session)?;
        let (ver, ver_start) = need(fields.ver, "V")?;
        if PrfFunc(message.header.prf).hash_len() != Some(ver.data.len()) {
            let kind = DecodeErrorKind::Value(u32::from(ver.auth_alg.0));
            return Err(DecodeError::new(ver_start, "Auth alg", kind).within(PayloadType::V));
        }
        Ok(Self {
            csb_id: message.header.csb_id,
            prf: message.header.prf,
            session,
            t: need(fields.t, "T")?,
            id_r: need(fields.ids.into_iter().next(), "ID")?,
            ver,
            ver_data_start: raw.len().saturating_sub(ver.data.len()),
            streams: message.header.cs_map.generic().to_vec(),
            raw,
        })
    }
}
