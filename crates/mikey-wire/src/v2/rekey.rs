//! REKEY_REQ and REKEY_RESP (section 4): new keys and the whole new set of streams.

use alloc::vec::Vec;

use crate::header::GenericCs;
use crate::payload::{Dh, Sp};
use crate::reader::Result;
use crate::rules::need;
use crate::v2::sealed::{Opened, Sealed};
use crate::v2::table::{REKEY_REQ, REKEY_RESP, check_policies, need_hash};

/// REKEY_REQ.
#[derive(Clone, Debug)]
pub struct RekeyReq<'a> {
    /// RAND, always new.
    pub rand: &'a [u8; 32],
    /// SRTP policies offered.
    pub policies: Vec<Sp<'a>>,
    /// A new DH value.
    pub dh: Option<Dh<'a>>,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
}

/// REKEY_RESP.
#[derive(Clone, Debug)]
pub struct RekeyResp<'a> {
    /// RAND, always new.
    pub rand: &'a [u8; 32],
    /// Hash of canon(REKEY_REQ), 32 or 48 octets.
    pub hash: &'a [u8],
    /// SRTP policies chosen.
    pub policies: Vec<Sp<'a>>,
    /// A new DH value.
    pub dh: Option<Dh<'a>>,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
}

impl<'a> RekeyReq<'a> {
    /// Parses an opened REKEY_REQ.
    ///
    /// # Errors
    /// [`crate::DecodeError`] for any rule of sections 2 and 4 that it breaks.
    pub fn parse(sealed: &Sealed<'a>, opened: &Opened<'a>) -> Result<Self> {
        let fields = sealed.fields(opened, &REKEY_REQ)?;
        let streams = sealed.streams().to_vec();
        check_policies(&fields.policies, &streams, false)?;
        Ok(Self { rand: need(fields.rand, "RAND")?, policies: fields.policies, dh: fields.dh, streams })
    }
}

impl<'a> RekeyResp<'a> {
    /// Parses an opened REKEY_RESP.
    ///
    /// # Errors
    /// [`crate::DecodeError`] for any rule of sections 2 and 4 that it breaks.
    pub fn parse(sealed: &Sealed<'a>, opened: &Opened<'a>) -> Result<Self> {
        let fields = sealed.fields(opened, &REKEY_RESP)?;
        let streams = sealed.streams().to_vec();
        check_policies(&fields.policies, &streams, false)?;
        Ok(Self {
            rand: need(fields.rand, "RAND")?,
            hash: need_hash(fields.hash, sealed.header.prf)?,
            policies: fields.policies,
            dh: fields.dh,
            streams,
        })
    }
}
