//! CCE_REQ and CCE_RESP (section 4): both sides prove who they are; keys of a group, if one is joined
//! (section 6).

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::header::GenericCs;
use crate::payload::{
    Auth, Cert, CertReq, GccReq, Group, Id, KeyData, ResumeTicket, Sender, Sp, TeslaIKey, TeslaPolicy,
};
use crate::reader::Result;
use crate::registry::{CertType, PayloadType, ProtType};
use crate::rules::{Fields, need};
use crate::v2::group::check_group_keys;
use crate::v2::sealed::{Opened, Sealed};
use crate::v2::table::{CCE_REQ, CCE_RESP, check_policies};

/// CCE_REQ, M3.
#[derive(Clone, Debug)]
pub struct CceReq<'a> {
    /// RAND, always new.
    pub rand: &'a [u8; 32],
    /// The true IDi, if INIT_REQ hid it.
    pub id_i: Option<Id<'a>>,
    /// CERTi, end entity first.
    pub certs: Vec<Cert<'a>>,
    /// Anchors that the initiator accepts.
    pub cert_req: Option<CertReq<'a>>,
    /// SRTP policies offered; none with `gcc`.
    pub policies: Vec<Sp<'a>>,
    /// Request to join a group; then there are neither policies nor streams.
    pub gcc: Option<GccReq<'a>>,
    /// What SAS-COMMIT of INIT_REQ committed to.
    pub sas_reveal: Option<&'a [u8; 32]>,
    /// AUTHi.
    pub auth: Auth<'a>,
    /// First octet of AUTH in canon(M3).
    pub auth_start: usize,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
}

/// CCE_RESP, M4.
#[derive(Clone, Debug)]
pub struct CceResp<'a> {
    /// The true IDr, if INIT_RESP's was another.
    pub id_r: Option<Id<'a>>,
    /// CERTr, end entity first.
    pub certs: Vec<Cert<'a>>,
    /// SRTP policies chosen, or the group's; TESLA policies may be among the group's.
    pub policies: Vec<Sp<'a>>,
    /// A ticket for the next call.
    pub ticket: Option<ResumeTicket<'a>>,
    /// The group that was joined.
    pub group: Option<Group<'a>>,
    /// Who sends in it; there if and only if `group` is.
    pub senders: Option<Vec<Sender>>,
    /// When the keys of the senders' chains are used and disclosed, if the group has TESLA.
    pub tesla: Option<TeslaPolicy>,
    /// Keys of each sender's chains, in the order of `senders`; none where they are not known yet. Empty without `tesla`.
    pub tesla_keys: Vec<Vec<TeslaIKey>>,
    /// What SAS-COMMIT of INIT_RESP committed to.
    pub sas_reveal: Option<&'a [u8; 32]>,
    /// AUTHr.
    pub auth: Auth<'a>,
    /// First octet of AUTH in canon(M4).
    pub auth_start: usize,
    /// Node keys from the leaf's parent to the root, then the group key. None without `group`.
    pub key_data: Vec<KeyData<'a>>,
    /// Streams from HDR.
    pub streams: Vec<GenericCs<'a>>,
}

impl<'a> CceReq<'a> {
    /// Parses an opened CCE_REQ.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2, 4 and 6 that it breaks.
    pub fn parse(sealed: &Sealed<'a>, opened: &Opened<'a>) -> Result<Self> {
        let fields = sealed.fields(opened, &CCE_REQ)?;
        check_signer_certs(&fields)?;
        let streams = sealed.streams().to_vec();
        match (fields.gcc, fields.policies.is_empty()) {
            (None, true) => return Err(DecodeError::new(0, "SRTP-SP or GCC-REQ", DecodeErrorKind::Missing)),
            (Some(_), false) => {
                let error = DecodeError::new(0, "SRTP-SP beside GCC-REQ", DecodeErrorKind::Unexpected);
                return Err(error.within(PayloadType::GCC_REQ));
            }
            (Some(_), true) if !streams.is_empty() => {
                return Err(DecodeError::new(8, "#CS", DecodeErrorKind::Length(streams.len())));
            }
            _ => check_policies(&fields.policies, &streams, false)?,
        }
        let (auth, auth_start) = need(fields.auth, "AUTH")?;
        Ok(Self {
            rand: need(fields.rand, "RAND")?,
            id_i: fields.ids.into_iter().next(),
            certs: fields.certs,
            cert_req: fields.cert_req,
            policies: fields.policies,
            gcc: fields.gcc,
            sas_reveal: fields.sas_reveal,
            auth,
            auth_start,
            streams,
        })
    }
}

impl<'a> CceResp<'a> {
    /// Parses an opened CCE_RESP. Whether its streams and policies were offered is the session's to check.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2, 4 and 6 that it breaks.
    pub fn parse(sealed: &Sealed<'a>, opened: &Opened<'a>) -> Result<Self> {
        let fields = sealed.fields(opened, &CCE_RESP)?;
        check_signer_certs(&fields)?;
        let streams = sealed.streams().to_vec();
        let in_group = fields.group.is_some();
        check_policies(&fields.policies, &streams, in_group)?;
        if fields.senders.is_some() != in_group {
            return Err(
                DecodeError::new(0, "SENDERS with GROUP", DecodeErrorKind::Missing).within(PayloadType::EXT)
            );
        }
        check_group_keys(&fields.key_data, fields.group.as_ref())?;
        let (tesla, tesla_keys) = tesla(&fields)?;
        let (auth, auth_start) = need(fields.auth, "AUTH")?;
        Ok(Self {
            id_r: fields.ids.into_iter().next(),
            certs: fields.certs,
            policies: fields.policies,
            ticket: fields.ticket,
            group: fields.group,
            senders: fields.senders,
            tesla,
            tesla_keys,
            sas_reveal: fields.sas_reveal,
            auth,
            auth_start,
            key_data: fields.key_data,
            streams,
        })
    }
}

/// Section 6: one TESLA policy at most, and with it a TESLA I-Key for each sender. Without it I-Keys are passed over.
fn tesla(fields: &Fields<'_>) -> Result<(Option<TeslaPolicy>, Vec<Vec<TeslaIKey>>)> {
    let mut policies = fields.policies.iter().filter(|policy| policy.prot == ProtType::TESLA);
    let Some(policy) = policies.next() else { return Ok((None, Vec::new())) };
    if let Some(another) = policies.next() {
        let kind = DecodeErrorKind::Duplicate(u32::from(another.policy_no));
        return Err(DecodeError::new(0, "TESLA policy", kind).within(PayloadType::SP));
    }
    let policy = TeslaPolicy::decode(policy)?;
    let keys = TeslaIKey::decode_for(fields.senders.as_ref().map_or(0, Vec::len), &fields.tesla_keys)?;
    Ok((Some(policy), keys))
}

/// Section 2: a certificate by URL is never fetched, and one for encryption cannot sign.
pub(super) fn check_signer_certs(fields: &Fields<'_>) -> Result<()> {
    let signs = |cert: &Cert<'_>| matches!(cert.ty, CertType::X509 | CertType::X509_SIGN);
    match fields.certs.iter().find(|cert| !signs(cert)) {
        Some(cert) => {
            let kind = DecodeErrorKind::Value(u32::from(cert.ty.0));
            Err(DecodeError::new(0, "Cert type", kind).within(PayloadType::CERT))
        }
        None => Ok(()),
    }
}
