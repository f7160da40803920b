//! ERROR of version 2 (sections 4 and 7): unprotected it is a hint, protected it is an answer.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::message::Message;
use crate::payload::Session;
use crate::reader::Result;
use crate::registry::{ErrorNo, PayloadType};
use crate::rules::{Fields, need};
use crate::v2::msp::Msp;
use crate::v2::sealed::{Opened, Sealed};
use crate::v2::table::{ERROR_CLEAR, ERROR_SEALED, check_version};

/// The unprotected ERROR: anyone can have sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorMsg<'a> {
    /// CSB ID of the attempt.
    pub csb_id: u32,
    /// What to send again; with Cookie required alone, and always there.
    pub cookie: Option<&'a [u8]>,
    /// SPIi of the attempt; SPIr is zero.
    pub session: Session,
    /// One of Invalid DH, Invalid SPpar, Invalid TICKET, Cookie required, Version not supported.
    pub error: ErrorNo,
    /// With Invalid DH the answer as it would stand in INIT_RESP, with Invalid SPpar the full lists.
    pub msp: Option<Msp<'a>>,
    /// The message as it came.
    pub raw: &'a [u8],
}

/// What a protected ERROR says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectedError {
    /// Error no.
    pub error: ErrorNo,
}

impl<'a> ErrorMsg<'a> {
    /// Reads an unprotected ERROR. A protected one fails here; read it with [`Sealed`].
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2, 4 and 7 that it breaks.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(ERROR_CLEAR.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        ERROR_CLEAR.check_head(&message.header, session)?;
        let error = need(fields.error, "ERR")?;
        let fail =
            |field, kind| DecodeError { payload: Some(PayloadType::ERR), ..DecodeError::new(0, field, kind) };
        let msp = match (error, &fields.msp) {
            (ErrorNo::INVALID_DH, Some(sp)) => Some(Msp::answer(sp)?),
            (ErrorNo::INVALID_SP_PAR, Some(sp)) => Some(Msp::offer(sp)?),
            (_, Some(_)) => return Err(fail("M-SP", DecodeErrorKind::Unexpected)),
            (_, None) => None,
        };
        let unprotected = matches!(
            error,
            ErrorNo::INVALID_DH
                | ErrorNo::INVALID_SP_PAR
                | ErrorNo::INVALID_TICKET
                | ErrorNo::COOKIE_REQUIRED
                | ErrorNo::VERSION_NOT_SUPPORTED
        );
        if !unprotected {
            return Err(fail("Error no", DecodeErrorKind::Value(u32::from(error.0))));
        }
        if fields.cookie.is_some() != (error == ErrorNo::COOKIE_REQUIRED) {
            return Err(fail("COOKIE", DecodeErrorKind::Unexpected));
        }
        Ok(Self {
            csb_id: message.header.csb_id,
            cookie: fields.cookie.map(|(cookie, _)| cookie),
            session,
            error,
            msp,
            raw,
        })
    }
}

impl ProtectedError {
    /// Reads what a protected ERROR says.
    ///
    /// # Errors
    /// [`DecodeError`] if it holds anything but one ERR, which is always inside KEMAC.
    pub fn parse(sealed: &Sealed<'_>, opened: &Opened<'_>) -> Result<Self> {
        if !opened.confidential {
            let error = DecodeError::new(0, "confidentiality", DecodeErrorKind::Unexpected);
            return Err(error.within(PayloadType::ERR));
        }
        let fields = sealed.fields(opened, &ERROR_SEALED)?;
        Ok(Self { error: need(fields.error, "ERR")? })
    }
}
