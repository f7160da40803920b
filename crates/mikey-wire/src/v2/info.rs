//! INFO_REQ and INFO_RESP (section 4; NOTIFY in section 7, GROUP-PULL in section 6).

use alloc::vec::Vec;

use crate::payload::{Group, KeyData, ResumeTicket, Sender, TeslaIKey};
use crate::reader::Result;
use crate::registry::DataType;
use crate::rules::{Fields, Notify};
use crate::v2::group::check_group_keys;
use crate::v2::sealed::{Opened, Sealed};
use crate::v2::table::{INFO_REQ, INFO_RESP, need_hash};

/// INFO_REQ or INFO_RESP. An empty request is a liveness check.
#[derive(Clone, Debug)]
pub struct Info<'a> {
    /// Hash of canon(INFO_REQ), 32 or 48 octets; there if and only if this is the response.
    pub hash: Option<&'a [u8]>,
    /// Notifications.
    pub notifies: Vec<Notify<'a>>,
    /// A new ticket.
    pub ticket: Option<ResumeTicket<'a>>,
    /// Who sends in the group.
    pub senders: Option<Vec<Sender>>,
    /// Keys of each sender's TESLA chains, in the order of `senders`; empty in a group without.
    pub tesla_keys: Vec<Vec<TeslaIKey>>,
    /// The group's current values.
    pub group: Option<Group<'a>>,
    /// Node keys and the group key, in a response with `group` only.
    pub key_data: Vec<KeyData<'a>>,
}

impl<'a> Info<'a> {
    /// Parses an opened INFO_REQ or INFO_RESP.
    ///
    /// # Errors
    /// [`crate::DecodeError`] for any rule of sections 2, 4 and 6 that it breaks.
    pub fn parse(sealed: &Sealed<'a>, opened: &Opened<'a>) -> Result<Self> {
        let response = sealed.header.data_type == DataType::INFO_RESP;
        let fields = sealed.fields(opened, if response { &INFO_RESP } else { &INFO_REQ })?;
        check_group_keys(&fields.key_data, fields.group.as_ref())?;
        let hash = if response { Some(need_hash(fields.hash, sealed.header.prf)?) } else { None };
        let tesla_keys = sender_keys(&fields)?;
        Ok(Self {
            hash,
            notifies: fields.notifies,
            ticket: fields.ticket,
            senders: fields.senders,
            tesla_keys,
            group: fields.group,
            key_data: fields.key_data,
        })
    }
}

/// I-Keys behind SENDERS: none, or one for each. Without SENDERS they are passed over.
pub(super) fn sender_keys(fields: &Fields<'_>) -> Result<Vec<Vec<TeslaIKey>>> {
    match &fields.senders {
        Some(senders) if !fields.tesla_keys.is_empty() => {
            TeslaIKey::decode_for(senders.len(), &fields.tesla_keys)
        }
        _ => Ok(Vec::new()),
    }
}
