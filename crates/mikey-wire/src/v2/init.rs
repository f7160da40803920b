//! INIT_REQ and INIT_RESP (section 4): everything in clear, everything in the transcript.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::MAX_INIT_REQ;
use crate::message::Message;
use crate::payload::{Cert, CertReq, Dh, Id, Session};
use crate::reader::Result;
use crate::registry::{CertType, Exch, MspParam, PayloadType};
use crate::rules::{Fields, need};
use crate::v2::msp::Msp;
use crate::v2::sealed::without_cookie;
use crate::v2::table::{INIT_REQ, INIT_RESP, check_version};

/// INIT_REQ, M1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitReq<'a> {
    /// CSB ID that the initiator chose.
    pub csb_id: u32,
    /// COOKIE, if the responder asked for one.
    pub cookie: Option<&'a [u8]>,
    /// The initiator's SPI, not zero.
    pub spi_i: u64,
    /// RANDi.
    pub rand: &'a [u8; 32],
    /// M-SPi.
    pub offer: Msp<'a>,
    /// IDi, perhaps anonymous or a pseudonym.
    pub id_i: Id<'a>,
    /// IDr, whom the initiator wants.
    pub id_r: Option<Id<'a>>,
    /// Protocols that the SDP offers.
    pub sdp_ids: Option<&'a [u8]>,
    /// Commitment to the SAS.
    pub sas_commit: Option<&'a [u8; 32]>,
    /// tls-ids and the identity assertion's hash.
    pub sdp_binding: Option<Vec<(u8, &'a [u8])>>,
    /// DHi; its group is one that `offer` has.
    pub dh: Dh<'a>,
    /// The message as it came.
    pub raw: &'a [u8],
    cookie_span: Option<Range<usize>>,
}

/// INIT_RESP, M2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitResp<'a> {
    /// CSB ID.
    pub csb_id: u32,
    /// PRF func of HDR, equal to the one in `choice`.
    pub prf: u8,
    /// Both SPIs.
    pub session: Session,
    /// RANDr.
    pub rand: &'a [u8; 32],
    /// M-SPr.
    pub choice: Msp<'a>,
    /// IDr.
    pub id_r: Id<'a>,
    /// CERTr, only if `choice` has EXCH 3.
    pub certs: Vec<Cert<'a>>,
    /// Anchors that the responder accepts.
    pub cert_req: Option<CertReq<'a>>,
    /// Commitment of the responder to its share of the SAS.
    pub sas_commit: Option<&'a [u8; 32]>,
    /// tls-ids and the identity assertion's hash.
    pub sdp_binding: Option<Vec<(u8, &'a [u8])>>,
    /// DHr, of the group in `choice`.
    pub dh: Dh<'a>,
    /// The message as it came.
    pub raw: &'a [u8],
}

impl<'a> InitReq<'a> {
    /// Reads an INIT_REQ.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2 to 4 that it breaks.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        if raw.len() > MAX_INIT_REQ {
            return Err(DecodeError::new(0, "INIT_REQ", DecodeErrorKind::Limit(MAX_INIT_REQ)));
        }
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(INIT_REQ.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        INIT_REQ.check_head(&message.header, session)?;
        let offer = Msp::offer(&need(fields.msp, "M-SP")?)?;
        let dh = need(fields.dh, "DH")?;
        if !offer.values(MspParam::DH_GROUP).unwrap_or_default().contains(&dh.group) {
            return Err(group_error(dh));
        }
        let mut ids = fields.ids.into_iter();
        Ok(Self {
            csb_id: message.header.csb_id,
            cookie: fields.cookie.as_ref().map(|(cookie, _)| *cookie),
            spi_i: session.spi_i,
            rand: need(fields.rand, "RAND")?,
            offer,
            id_i: need(ids.next(), "ID")?,
            id_r: ids.next(),
            sdp_ids: fields.sdp_ids,
            sas_commit: fields.sas_commit,
            sdp_binding: fields.sdp_binding,
            dh,
            raw,
            cookie_span: fields.cookie.map(|(_, span)| span),
        })
    }

    /// The octets without the COOKIE payload: exactly the first INIT_REQ, which the transcript hashes.
    #[must_use]
    pub fn without_cookie(&self) -> Vec<u8> {
        without_cookie(self.raw, self.cookie_span.clone())
    }
}

impl<'a> InitResp<'a> {
    /// Reads an INIT_RESP. Whether its choice was offered is the session's to check.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2 to 4 that it breaks.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(INIT_RESP.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        INIT_RESP.check_head(&message.header, session)?;
        let choice = Msp::answer(&need(fields.msp, "M-SP")?)?;
        let prf = message.header.prf;
        if choice.first(MspParam::PRF) != Some(prf) {
            return Err(DecodeError::new(3, "PRF func", DecodeErrorKind::Value(u32::from(prf))));
        }
        let dh = need(fields.dh, "DH")?;
        if choice.first(MspParam::DH_GROUP) != Some(dh.group) {
            return Err(group_error(dh));
        }
        check_certs(&fields.certs, choice.first(MspParam::EXCH) == Some(Exch::CCE2_RSA.0))?;
        Ok(Self {
            csb_id: message.header.csb_id,
            prf,
            session,
            rand: need(fields.rand, "RAND")?,
            choice,
            id_r: need(fields.ids.into_iter().next(), "ID")?,
            certs: fields.certs,
            cert_req: fields.cert_req,
            sas_commit: fields.sas_commit,
            sdp_binding: fields.sdp_binding,
            dh,
            raw,
        })
    }
}

fn group_error(dh: Dh<'_>) -> DecodeError {
    let kind = DecodeErrorKind::Value(u32::from(dh.group));
    DecodeError { payload: Some(PayloadType::DH), ..DecodeError::new(0, "DH-Group", kind) }
}

/// CERTr carries the key that the envelope is for: only with EXCH 3, never as a URL.
fn check_certs(certs: &[Cert<'_>], allowed: bool) -> Result<()> {
    let fail =
        |field, kind| DecodeError { payload: Some(PayloadType::CERT), ..DecodeError::new(0, field, kind) };
    if !allowed && !certs.is_empty() {
        return Err(fail("EXCH", DecodeErrorKind::Unexpected));
    }
    let known = [CertType::X509, CertType::X509_SIGN, CertType::X509_ENCR];
    match certs.iter().find(|cert| !known.contains(&cert.ty)) {
        Some(cert) => Err(fail("Cert type", DecodeErrorKind::Value(u32::from(cert.ty.0)))),
        None => Ok(()),
    }
}
