//! What a member and its controller say in their session about a group: GROUP-PULL, GROUP-LEAVE, and SENDERS as a report
//! (docs/spec.md, chapter 14). The group is named by GROUP in the request.
//!
//! The controller answers when it has stored what the answer says. Until then a repeat of the request draws nothing.

use std::net::SocketAddr;

use mikey_crypto::Digest;
use mikey_wire::v2::Info;
use mikey_wire::{DataType, ErrorNo, Extension, NotifyCode, Payload};

use super::{Established, RequestKind};
use crate::error::{ApiMisuse, DropReason, Error};
use crate::event::Event;
use crate::group::{
    GroupAnswer, GroupAsk, GroupGrant, GroupSender, GroupValues, sender_keys, senders_payloads,
};
use crate::session::Cx;
use crate::session::message::Composed;

/// A request that waits for the application's answer.
pub(super) struct Deferred {
    t: u32,
    hash: Digest,
    /// Where it came from, and its answer goes.
    from: SocketAddr,
}

/// What an INFO_REQ asks of us as a controller, if it does.
pub(super) fn asked(cx: &Cx<'_>, info: &Info<'_>) -> Option<Result<(u64, GroupAsk), DropReason>> {
    let notify = info.notifies.iter().find_map(|notify| match notify.code {
        NotifyCode::GROUP_PULL => {
            let (epoch, t) = notify.data.split_first_chunk::<4>()?;
            let (epoch, t) = (u32::from_be_bytes(*epoch), u32::from_be_bytes(t.try_into().ok()?));
            Some(GroupAsk::Pull { epoch, t })
        }
        NotifyCode::GROUP_LEAVE => Some(GroupAsk::Leave),
        _ => None,
    });
    let report = || {
        let senders = info.senders.as_ref()?;
        Some(GroupAsk::Report(GroupSender::all_from_wire(senders, &info.tesla_keys)))
    };
    // Who serves no group has nothing to say to this but UNSUPPORTED.
    let ask = notify.or_else(report).filter(|_| cx.config.serves_groups)?;
    Some(info.group.as_ref().map(|group| (group.spi, ask)).ok_or(DropReason::Malformed))
}

impl Established {
    /// Asks the controller.
    pub(crate) fn ask_group(
        &mut self,
        cx: &mut Cx<'_>,
        group: &GroupValues,
        ask: &GroupAsk,
    ) -> Result<(), Error> {
        let data;
        let keys;
        let mut body = Vec::new();
        match ask {
            GroupAsk::Pull { epoch, t } => {
                data = (u64::from(*epoch) << 32 | u64::from(*t)).to_be_bytes();
                body.push(Payload::Ext(Extension::Notify { code: NotifyCode::GROUP_PULL, data: &data }));
            }
            GroupAsk::Leave => {
                body.push(Payload::Ext(Extension::Notify { code: NotifyCode::GROUP_LEAVE, data: &[] }));
            }
            GroupAsk::Report(senders) => {
                let has = senders.iter().any(|sender| sender.chains[0].is_some());
                keys = if has { sender_keys(senders) } else { Vec::new() };
                body.extend(senders_payloads(senders, &keys));
            }
        }
        body.push(Payload::Ext(Extension::Group(group.as_wire())));
        self.send_info(cx, self.remote, &body, RequestKind::Group(group.spi, ask.clone()))
    }

    /// The request that waits, if one does, came from there.
    pub(super) fn deferred_from(&mut self, from: SocketAddr) {
        if let Some(deferred) = &mut self.deferred {
            deferred.from = from;
        }
    }

    pub(super) fn defer(&mut self, cx: &mut Cx<'_>, t: u32, hash: Digest, group: u64, ask: GroupAsk) {
        self.deferred = Some(Deferred { t, hash, from: self.remote });
        cx.out.event(Event::GroupAsked { session: self.id, group, ask });
    }

    /// Answers what was asked; a pull with the group as it stands.
    pub(crate) fn answer_group(
        &mut self,
        cx: &mut Cx<'_>,
        current: Option<&GroupGrant>,
    ) -> Result<(), Error> {
        let Deferred { t, hash, .. } = self.deferred.as_ref().ok_or(ApiMisuse::State)?;
        let outline = self.outline(DataType::INFO_RESP, *t, Vec::new());
        let mut body = vec![Payload::Ext(Extension::Hash(hash.as_ref()))];
        let mut keys = Vec::new();
        let ids = current.map(GroupGrant::key_ids);
        let sender_keys = current.map(GroupGrant::sender_keys).unwrap_or_default();
        if let Some((grant, ids)) = current.zip(ids.as_ref()) {
            body.extend(grant.senders(&sender_keys));
            body.push(grant.group());
            keys = grant.key_data(ids);
        }
        let composed = outline.with_keys(&body, &keys)?;
        let response = self.seal(cx, &outline, &composed, true)?;
        self.respond(cx, response);
        Ok(())
    }

    /// Refuses what was asked.
    pub(crate) fn refuse_group(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        let Deferred { t, .. } = self.deferred.as_ref().ok_or(ApiMisuse::State)?;
        let outline = self.outline(DataType::ERROR, *t, Vec::new());
        let composed: Composed = outline.compose(&[Payload::Err(ErrorNo::AUTH_FAILURE)])?;
        let response = self.seal(cx, &outline, &composed, true)?;
        self.respond(cx, response);
        Ok(())
    }

    fn respond(&mut self, cx: &mut Cx<'_>, response: Vec<Vec<u8>>) {
        let to = self.deferred.take().map_or(self.remote, |deferred| deferred.from);
        cx.out.send(to, &response);
        self.inbound.set_response(response);
        self.forget_at = Some(cx.now + cx.config.answers_kept());
    }

    /// The controller's answer has come.
    pub(super) fn answered_group(
        &mut self,
        cx: &mut Cx<'_>,
        group: u64,
        ask: &GroupAsk,
        info: &Info<'_>,
    ) -> Result<(), DropReason> {
        let answer = match ask {
            GroupAsk::Pull { .. } => {
                let values = info.group.as_ref().filter(|values| values.spi == group);
                let (values, senders) = values.zip(info.senders.as_ref()).ok_or(DropReason::BadAnswer)?;
                let senders = GroupSender::all_from_wire(senders, &info.tesla_keys);
                let grant = GroupGrant::from_wire(values, senders, &info.key_data, Vec::new());
                GroupAnswer::Current(Box::new(grant.map_err(|_| DropReason::BadAnswer)?))
            }
            GroupAsk::Leave | GroupAsk::Report(_) => GroupAnswer::Done,
        };
        let ask = ask.clone();
        cx.out.event(Event::GroupAnswered { session: self.id, group, ask, answer });
        Ok(())
    }
}
