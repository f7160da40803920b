//! The first message, once for each DH group that is tried (docs/spec.md, "INIT").
//!
//! Invariant: all of them differ in DHi alone, and each differs from its copy with a cookie in COOKIE alone.

use mikey_crypto::{GroupId, KxInitiator};
use mikey_wire::{CsMap, DataType, Dh, Extension, Header, Id, Kv, Payload, Session, Version, encode};

use crate::config::Signalled;
use crate::error::{ApiMisuse, Error};
use crate::limits::MAX_INIT;
use crate::negotiate::Proposal;
use crate::session::exchange::Outstanding;
use crate::session::{Cx, binding};

/// What all first messages of an attempt have in common.
pub(crate) struct Opening<'a> {
    pub(crate) csb_id: u32,
    pub(crate) spi_i: u64,
    pub(crate) rand_i: &'a [u8; 32],
    pub(crate) proposal: &'a Proposal,
    pub(crate) id_i: Id<'a>,
    pub(crate) id_r: Option<Id<'a>>,
    pub(crate) sas_commit: Option<&'a [u8; 32]>,
    pub(crate) signalled: Option<&'a Signalled>,
    pub(crate) sdp_ids: Option<&'a [u8]>,
    /// Whether it goes out in signalling, which sends it again by its own means.
    pub(crate) in_signalling: bool,
}

/// One first message and the private value behind it.
pub(crate) struct First {
    pub(crate) group: GroupId,
    pub(crate) kx: Box<dyn KxInitiator>,
    /// M1: the octets without COOKIE.
    pub(crate) m1: Vec<u8>,
    pub(crate) outstanding: Outstanding,
}

impl First {
    pub(crate) fn new(cx: &Cx<'_>, group: GroupId, opening: &Opening<'_>) -> Result<Self, Error> {
        let provider = &cx.config.provider;
        let kx = provider.group(group).ok_or(ApiMisuse::Policy("group"))?.start(&*provider.random)?;
        let m1 = opening.encode(group, kx.value(), None)?;
        if m1.len() > MAX_INIT {
            return Err(ApiMisuse::TooLong.into());
        }
        let datagrams = if opening.in_signalling { Vec::new() } else { vec![m1.clone()] };
        let outstanding = Outstanding::new(cx.now, cx.config.request_lifetime, datagrams);
        Ok(Self { group, kx, m1, outstanding })
    }

    /// Puts a cookie into what is sent from now on. M1 stays as it was.
    pub(crate) fn set_cookie(&mut self, opening: &Opening<'_>, cookie: &[u8]) -> Result<(), Error> {
        let with_cookie = opening.encode(self.group, self.kx.value(), Some(cookie))?;
        self.outstanding.replace(vec![with_cookie]);
        Ok(())
    }
}

impl Opening<'_> {
    fn encode(&self, group: GroupId, value: &[u8], cookie: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        let header = Header {
            version: Version::V2,
            data_type: DataType::INIT_REQ,
            v: true,
            prf: 0,
            csb_id: self.csb_id,
            cs_map: CsMap::NONE,
        };
        let mut payloads = Vec::with_capacity(8);
        payloads.extend(cookie.map(|c| Payload::Ext(Extension::Cookie(c))));
        payloads.push(Payload::Ext(Extension::Session(Session { spi_i: self.spi_i, spi_r: 0 })));
        payloads.push(Payload::Rand(self.rand_i));
        payloads.push(Payload::Sp(self.proposal.to_wire()));
        payloads.push(Payload::Id(self.id_i));
        payloads.extend(self.id_r.map(Payload::Id));
        payloads.extend(self.sdp_ids.map(|ids| Payload::Ext(Extension::SdpIds(ids))));
        payloads.extend(self.sas_commit.map(|commit| Payload::Ext(Extension::SasCommit(commit))));
        payloads.extend(self.signalled.map(|s| Payload::Ext(Extension::SdpBinding(binding::items(s)))));
        payloads.push(Payload::Dh(Dh { group: group.0, value, kv: Kv::Null }));
        Ok(encode(&header, &payloads)?)
    }
}
