//! A half-open session whose initiator is known and waits to be let into a group (docs/spec.md, "Joining").
//!
//! The answer is composed when the controller has chosen the keys, as often as it has to choose anew, and sealed once: when
//! the member is in the group for good.

use mikey_crypto::SecretBytes;
use mikey_wire::{DataType, GccReq};

use super::{HalfOpen, Shown};
use crate::auth::Peer;
use crate::error::{ApiMisuse, Error, Mismatch};
use crate::group::{GroupGrant, GroupPolicies, GroupRequest};
use crate::keys::{Role, Transcript};
use crate::sas::Sas;
use crate::session::Cx;
use crate::session::message::Composed;

/// Who waits.
pub(super) struct Joining {
    peer: Peer,
    th3: Transcript,
    sas: Option<Sas>,
    request: GroupRequest,
    told: bool,
    answer: Option<Answer>,
}

/// CCE_RESP before it is sealed.
struct Answer {
    composed: Composed,
    policies: GroupPolicies,
    th4: Transcript,
}

impl Joining {
    pub(super) fn new(peer: Peer, th3: Transcript, sas: Option<Sas>, gcc: &GccReq<'_>) -> Self {
        let request = GroupRequest::from_wire(gcc);
        Self { peer, th3, sas, request, told: false, answer: None }
    }
}

impl HalfOpen {
    /// Who has begun to wait since this was last asked.
    pub(crate) fn take_join_request(&mut self) -> Option<(Peer, GroupRequest)> {
        let joining = self.joining.as_mut().filter(|joining| !joining.told)?;
        joining.told = true;
        Some((joining.peer.clone(), joining.request.clone()))
    }

    /// Composes the answer that lets it in, in place of one composed before. Returns the key of its leaf.
    pub(crate) fn admit(&mut self, cx: &mut Cx<'_>, grant: &GroupGrant) -> Result<SecretBytes, Error> {
        let joining = self.joining.as_ref().ok_or(ApiMisuse::State)?;
        let prf = cx.config.provider.prf(grant.values.prf).ok_or(ApiMisuse::Group)?;
        let policies = GroupPolicies::new(grant)?;
        let ids = grant.key_ids();
        let sender_keys = grant.sender_keys();
        let content = policies.payloads().chain([grant.group()]).chain(grant.senders(&sender_keys)).collect();
        let outline = self.outline(DataType::CCE_RESP, policies.map());
        let (name, th3) = (&joining.peer.name, joining.th3);
        let composed = self.cce_response(cx, &outline, content, &grant.key_data(&ids), name, th3)?;
        drop(outline);
        if composed.plaintext.len() > usize::from(self.reassembly) {
            return Err(ApiMisuse::TooLong.into());
        }
        let th4 = th3.th4(&composed.canon());
        let leaf_key = self.keys.ready()?.leaf_key(&th4, prf.hash_len());
        if let Some(joining) = &mut self.joining {
            joining.answer = Some(Answer { composed, policies, th4 });
        }
        Ok(leaf_key)
    }

    /// Seals and sends the answer. The session is established: [`Self::into_accepted`] follows.
    pub(crate) fn release(&mut self, cx: &mut Cx<'_>) -> Result<Shown, Error> {
        let Some(Joining { answer: Some(answer), .. }) = self.joining.as_deref() else {
            return Err(ApiMisuse::State.into());
        };
        let outline = self.outline(DataType::CCE_RESP, answer.policies.map());
        let protection = self.keys.ready()?.protection();
        let response = outline.seal(&answer.composed, protection, Role::Responder, true, self.path(cx))?;
        drop(outline);
        let Some(Joining { peer, sas, answer: Some(answer), .. }) = self.joining.take().map(|j| *j) else {
            return Err(ApiMisuse::State.into());
        };
        cx.out.send(self.remote, &response);
        self.inbound.set_response(response);
        Ok(Shown { peer, agreed: Vec::new(), th4: answer.th4, sas, ticket: None, sent: None })
    }

    /// Refuses whoever waits, with the one code for every refusal.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        self.joining.take().ok_or(ApiMisuse::State)?;
        self.refused = true;
        cx.out.metrics.refused += 1;
        let response = self.refusal(cx, &Error::Mismatch(Mismatch::Streams))?;
        cx.out.send(self.remote, &response);
        self.inbound.set_response(response);
        Ok(())
    }
}
