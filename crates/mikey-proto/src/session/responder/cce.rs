//! The responder's part of CCE (docs/spec.md, "INIT and CCE: the responder"): AUTH of the initiator, then ours.

use mikey_crypto::MethodId;
use mikey_wire::v2::{CceReq, Opened as OpenedChain, Sealed};
use mikey_wire::{DataType, Extension, Payload, ResumeTicket};

use super::join::Joining;
use super::{HalfOpen, Shown, Verdict};
use crate::auth::{self, Covered};
use crate::error::{Error, Mismatch, PeerFault};
use crate::keys::{InitKeys, Role, Transcript};
use crate::limits::TICKET_LIFETIME;
use crate::name::Name;
use crate::sas::{self, Sas};
use crate::session::initiator::cut;
use crate::session::message::{Composed, Outline};
use crate::session::{Cx, own_certificates};
use crate::streams::{ReceivedOffer, answer_map};
use crate::ticket::OPAQUE_LEN;

impl HalfOpen {
    /// Reads a CCE_REQ whose KEMAC has verified, and answers it.
    // R9.3
    pub(super) fn answer_cce(
        &self,
        cx: &mut Cx<'_>,
        sealed: &Sealed<'_>,
        plaintext: &[u8],
    ) -> Result<Verdict, Error> {
        let keys = self.keys.ready()?;
        let chain = OpenedChain::decode(sealed, plaintext)?;
        if !chain.fits(self.choice.confidential) {
            return Err(PeerFault::Negotiation("confidentiality of cce").into());
        }
        let request = CceReq::parse(sealed, &chain)?;
        let name = self.true_name(cx, &request)?;
        let method = self.choice.initiator;
        let certified = cx.check_certificates(&request.certs, &name, method, self.signalled.as_deref())?;
        if MethodId(request.auth.method) != method {
            return Err(PeerFault::Negotiation("initiator's method").into());
        }
        let credential =
            certified.as_ref().map_or_else(|| self.psk_credential(method), |c| c.end_entity.to_vec());
        let canon = [sealed.before_kemac, plaintext];
        let (head, tail) = cut(canon, request.auth_start);
        let covered = Covered {
            keys,
            sender: Role::Initiator,
            transcript: keys.transcript(),
            message: &[head, tail],
            name: &name,
            peer: self.identity.name(),
            credential: &credential,
        };
        let proof =
            auth::verify(&cx.config.provider, method, certified.as_ref(), &covered, request.auth.data)?;
        let sas = self.open_commitment(cx, keys, &request)?;
        if let Some(gcc) = &request.gcc {
            if !cx.config.serves_groups {
                return Err(Error::Mismatch(Mismatch::Streams));
            }
            let th3 = keys.transcript().th3(&canon);
            return Ok(Verdict::Joining(Box::new(Joining::new(proof.peer, th3, sas, gcc))));
        }
        let offer = ReceivedOffer::new(Role::Responder, &request.streams, &request.policies)?;
        let answers = cx.config.answer.answer(&proof.peer, &offer.streams).map_err(Error::Mismatch)?;
        let (agreed, numbers) = offer.answer(&answers)?;
        let th3 = keys.transcript().th3(&canon);
        // What signalling vouched for, it vouched for in this call alone.
        let lasting = self.choice.resumption && self.signalled.is_none();
        let ticket = if lasting { Some(cx.random::<OPAQUE_LEN>()?) } else { None };
        let outline = self.outline(DataType::CCE_RESP, answer_map(&agreed, &numbers));
        // SRTP-SPr repeats what was chosen, octet for octet.
        let chosen = request.policies.iter().filter(|sp| numbers.contains(&sp.policy_no)).cloned();
        let lifetime = u32::try_from(TICKET_LIFETIME.as_secs()).ok();
        let ticket_payload = ticket.as_ref().map(|opaque| ResumeTicket { lifetime, opaque });
        let mut body: Vec<_> = chosen.map(Payload::Sp).collect();
        body.extend(ticket_payload.map(|ticket| Payload::Ext(Extension::ResumeTicket(ticket))));
        let composed = self.cce_response(cx, &outline, body, &[], &name, th3)?;
        let response = outline.seal(&composed, keys.protection(), Role::Responder, true, self.path(cx))?;
        let shown =
            Shown { peer: proof.peer, agreed, th4: th3.th4(&composed.canon()), sas, ticket, sent: None };
        Ok(Verdict::Answered(Box::new(shown), response))
    }

    /// The SAS, if one was chosen and the initiator reveals what it committed to.
    fn open_commitment(
        &self,
        cx: &Cx<'_>,
        keys: &InitKeys,
        request: &CceReq<'_>,
    ) -> Result<Option<Sas>, PeerFault> {
        let ((share, commit), ns) = match (self.sas.as_deref(), request.sas_reveal) {
            (None, None) => return Ok(None),
            (Some(sas), Some(ns)) => (sas, ns),
            _ => return Err(PeerFault::SasCommitment),
        };
        sas::check_reveal(&cx.config.provider, Role::Initiator, commit, ns)?;
        Ok(Some(Sas::new(keys.sas_value(ns, share.octets.expose()))))
    }

    /// The name that AUTH is over: the one in CCE_REQ if there is one, else that of INIT_REQ.
    // R9.15, R9.16
    fn true_name(&self, cx: &Cx<'_>, request: &CceReq<'_>) -> Result<Name, PeerFault> {
        let hidden = self.init_name.is_anonymous() || self.init_name.is_pseudonym();
        // The key of a pseudonym speaks for its holder and for nobody else.
        let by_pseudonym = self.init_name.is_pseudonym() && self.choice.initiator == MethodId::PSK;
        let holder = if by_pseudonym { cx.config.psks.holder(&self.init_name) } else { None };
        let name = match (&request.id_i, &holder) {
            (Some(id), _) => Name::from_wire(id),
            (None, Some(holder)) => holder.clone(),
            (None, None) => self.init_name.clone(),
        };
        let fits = match (by_pseudonym, &holder) {
            (true, Some(holder)) => name == *holder,
            (true, None) => name == self.init_name,
            (false, _) => hidden || name == self.init_name,
        };
        if !fits || name.is_anonymous() || cx.config.identity(&name).is_some() {
            return Err(PeerFault::Name);
        }
        Ok(name)
    }

    fn psk_credential(&self, method: MethodId) -> Vec<u8> {
        if method == MethodId::PSK { auth::id_octets(&self.init_name) } else { Vec::new() }
    }

    /// CCE_RESP with this content and key data, up to its seal.
    pub(super) fn cce_response(
        &self,
        cx: &Cx<'_>,
        outline: &Outline<'_>,
        content: Vec<Payload<'_>>,
        key_data: &[Payload<'_>],
        name: &Name,
        th3: Transcript,
    ) -> Result<Composed, Error> {
        let method = self.choice.responder;
        let (certs, credential) = own_certificates(&self.identity, method);
        let mut body: Vec<_> = certs.into_iter().map(Payload::Cert).collect();
        body.extend(content);
        let reveal = self.sas.as_deref().map(|(share, _)| share.octets.expose());
        body.extend(reveal.map(|share| Payload::Ext(Extension::SasReveal(share))));
        let psk_credential = self.psk_credential(method);
        let credential = if credential.is_empty() { &psk_credential } else { credential };
        let keys = self.keys.ready()?;
        outline.with_auth(body, method.0, key_data, |message| {
            let covered = Covered {
                keys,
                sender: Role::Responder,
                transcript: th3,
                message,
                name: self.identity.name(),
                peer: name,
                credential,
            };
            auth::prove(&cx.config.provider, method, self.identity.certified().map(|k| &**k), &covered)
        })
    }
}
