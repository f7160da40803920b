//! RESUME_REQ and RESUME_RESP (sections 4 and 5): a peer met before. Ticket, RAND and DH are clear; the
//! policies are inside KEMAC.
//!
//! Invariant: transcript, additional data and MAC of RESUME_REQ leave COOKIE out, so that the copy with a
//! cookie is the first message plus the cookie.

use alloc::vec::Vec;
use core::ops::Range;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::header::GenericCs;
use crate::message::Message;
use crate::payload::{Dh, Kemac, ResumeTicket, Session, Sp};
use crate::reader::Result;
use crate::rules::{Fields, need};
use crate::v2::sealed::{KEMAC_HEAD, inner_items, without_cookie};
use crate::v2::table::{
    RESUME_REQ, RESUME_REQ_INNER, RESUME_RESP, RESUME_RESP_INNER, check_policies, check_version, need_hash,
};

/// RESUME_REQ.
#[derive(Clone, Debug)]
pub struct ResumeReq<'a> {
    /// The new CSB ID.
    pub csb_id: u32,
    /// PRF func, that of the session that issued the ticket.
    pub prf: u8,
    /// COOKIE, if the responder asked for one.
    pub cookie: Option<&'a [u8]>,
    /// The initiator's new SPI.
    pub spi_i: u64,
    /// T, always 0.
    pub t: u32,
    /// RANDi.
    pub rand: &'a [u8; 32],
    /// The ticket, opaque to all but its issuer.
    pub ticket: &'a [u8],
    /// DHi.
    pub dh: Option<Dh<'a>>,
    /// KEMAC; open it with [`ResumeReq::aad`] or [`ResumeReq::maced`].
    pub kemac: Kemac<'a>,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
    /// The message as it came.
    pub raw: &'a [u8],
    cookie_span: Option<Range<usize>>,
    kemac_start: usize,
}

/// RESUME_RESP.
#[derive(Clone, Debug)]
pub struct ResumeResp<'a> {
    /// CSB ID.
    pub csb_id: u32,
    /// PRF func.
    pub prf: u8,
    /// Both SPIs.
    pub session: Session,
    /// T of the request.
    pub t: u32,
    /// RANDr.
    pub rand: &'a [u8; 32],
    /// DHr.
    pub dh: Option<Dh<'a>>,
    /// KEMAC.
    pub kemac: Kemac<'a>,
    /// The octets before the KEMAC payload.
    pub before_kemac: &'a [u8],
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
    /// The message as it came.
    pub raw: &'a [u8],
}

/// What is inside RESUME_RESP's KEMAC.
#[derive(Clone, Debug)]
pub struct ResumeRespInner<'a> {
    /// Hash of canon(RESUME_REQ), 32 or 48 octets.
    pub hash: &'a [u8],
    /// SRTP policies chosen.
    pub policies: Vec<Sp<'a>>,
    /// A ticket for the next call.
    pub ticket: Option<ResumeTicket<'a>>,
}

impl<'a> ResumeReq<'a> {
    /// Reads a RESUME_REQ without opening it.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2 to 5 that can be seen from outside.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(RESUME_REQ.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        RESUME_REQ.check_head(&message.header, session)?;
        let t = need(fields.t, "T")?;
        if t != 0 {
            return Err(DecodeError::new(0, "T of RESUME_REQ", DecodeErrorKind::Value(t)));
        }
        let (kemac, kemac_start) = need(fields.kemac, "KEMAC")?;
        Ok(Self {
            csb_id: message.header.csb_id,
            prf: message.header.prf,
            cookie: fields.cookie.as_ref().map(|(cookie, _)| *cookie),
            spi_i: session.spi_i,
            t,
            rand: need(fields.rand, "RAND")?,
            ticket: need(fields.ticket, "RESUME-TICKET")?.opaque,
            dh: fields.dh,
            kemac,
            streams: message.header.cs_map.generic().to_vec(),
            raw,
            cookie_span: fields.cookie.map(|(_, span)| span),
            kemac_start,
        })
    }

    /// The octets without the COOKIE payload: exactly the first RESUME_REQ.
    #[must_use]
    pub fn without_cookie(&self) -> Vec<u8> {
        without_cookie(self.raw, self.cookie_span.clone())
    }

    /// The octets before KEMAC, without COOKIE: what th1 hashes, and the first part of canon(M).
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        self.first(self.kemac_start)
    }

    /// The additional data of an AEAD suite: everything before Encr data, without COOKIE.
    #[must_use]
    pub fn aad(&self) -> Vec<u8> {
        self.first(self.kemac_start.saturating_add(KEMAC_HEAD))
    }

    /// What the HMAC of a counter-mode suite covers: HDR up to and with Mac alg, without COOKIE.
    #[must_use]
    pub fn maced(&self) -> Vec<u8> {
        self.first(self.raw.len().saturating_sub(self.kemac.mac.len()))
    }

    /// Reads the plaintext of Encr data: the policies offered.
    ///
    /// # Errors
    /// [`DecodeError`], with offsets into the plaintext.
    pub fn inner(&self, plaintext: &'a [u8]) -> Result<Vec<Sp<'a>>> {
        let items = inner_items(plaintext, RESUME_REQ.data_type)?;
        let fields = Fields::read(RESUME_REQ_INNER, &items)?;
        check_policies(&fields.policies, &self.streams, false)?;
        Ok(fields.policies)
    }

    fn first(&self, end: usize) -> Vec<u8> {
        without_cookie(self.raw.get(..end).unwrap_or_default(), self.cookie_span.clone())
    }
}

impl<'a> ResumeResp<'a> {
    /// Reads a RESUME_RESP without opening it.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2 to 5 that can be seen from outside.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(RESUME_RESP.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        RESUME_RESP.check_head(&message.header, session)?;
        let (kemac, kemac_start) = need(fields.kemac, "KEMAC")?;
        Ok(Self {
            csb_id: message.header.csb_id,
            prf: message.header.prf,
            session,
            t: need(fields.t, "T")?,
            rand: need(fields.rand, "RAND")?,
            dh: fields.dh,
            kemac,
            before_kemac: raw.get(..kemac_start).unwrap_or_default(),
            streams: message.header.cs_map.generic().to_vec(),
            raw,
        })
    }

    /// The additional data of an AEAD suite: everything before Encr data.
    #[must_use]
    pub fn aad(&self) -> &'a [u8] {
        self.raw.get(..self.before_kemac.len().saturating_add(KEMAC_HEAD)).unwrap_or_default()
    }

    /// What the HMAC of a counter-mode suite covers: HDR up to and with Mac alg.
    #[must_use]
    pub fn maced(&self) -> &'a [u8] {
        self.raw.get(..self.raw.len().saturating_sub(self.kemac.mac.len())).unwrap_or_default()
    }

    /// Reads the plaintext of Encr data.
    ///
    /// # Errors
    /// [`DecodeError`], with offsets into the plaintext.
    pub fn inner(&self, plaintext: &'a [u8]) -> Result<ResumeRespInner<'a>> {
        let items = inner_items(plaintext, RESUME_RESP.data_type)?;
        let fields = Fields::read(RESUME_RESP_INNER, &items)?;
        check_policies(&fields.policies, &self.streams, false)?;
        Ok(ResumeRespInner {
            hash: need_hash(fields.hash, self.prf)?,
            policies: fields.policies,
            ticket: fields.ticket,
        })
    }
}
