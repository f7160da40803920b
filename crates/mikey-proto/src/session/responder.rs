//! The responder, from INIT_REQ to an authenticated initiator.
//!
//! ```text
//!   --INIT_REQ--> HalfOpen --CCE_REQ--> Established (answers with CCE_RESP)
//!                  |   |
//!                  |   '--AUTH fails--> Refused (answers with a protected ERROR; dies with its time)
//!                  '--time is up, or others need the room--> gone
//! ```
//!
//! A half-open session belongs to whoever made its DH value: only a message under its keys changes it, and one that fails
//! there ends this half-open session and nothing else.

mod join;

use std::net::SocketAddr;

use mikey_crypto::{GroupId, MethodId, SecretBytes};
use mikey_wire::v2::{CceReq, InitReq, Opened as OpenedChain, Peek, Sealed};
use mikey_wire::{
    CsMap, DataType, Dh, ErrorNo, Extension, Header, Kv, Payload, ResumeTicket, Session, Version, encode,
};

use crate::auth::{self, Covered, Peer};
use crate::config::{Expected, Signalled};
use crate::credential::Identity;
use crate::error::{ApiMisuse, DropReason, Error, Fault, Mismatch, PeerFault};
use crate::event::Event;
use crate::keys::{InitKeys, InitSecrets, Role, SessionKeys, Transcript, th2};
use crate::limits::TICKET_LIFETIME;
use crate::name::Name;
use crate::negotiate::{Abilities, Choice, Proposal};
use crate::sas::{self, Sas, SasShare};
use crate::session::exchange::{Inbound, Seen};
use crate::session::initiator::cut;
use crate::session::message::{Composed, Opened, Opener, Outline, Path};
use crate::session::{Cx, SessionHeader, binding, local_methods, own_certificates, remote_methods};
use crate::streams::{Agreed, ReceivedOffer, answer_map};
use crate::ticket::OPAQUE_LEN;

use join::Joining;

/// What an INIT_REQ leads to.
pub(crate) enum Reception {
    /// A half-open session; its INIT_RESP is ready.
    Opened(Box<HalfOpen>),
    /// Nothing is kept: an ERROR with this number and, if it has one, this M-SP.
    Refused(ErrorNo, Option<Box<Proposal>>),
}

/// A session whose initiator is not known yet.
pub(crate) struct HalfOpen {
    pub(crate) remote: SocketAddr,
    pub(crate) header: SessionHeader,
    pub(crate) init_resp: Vec<u8>,
    identity: Identity,
    /// IDi of INIT_REQ.
    init_name: Name,
    /// Whom the initiator asked for, if it was not us.
    retargeted_from: Option<Name>,
    choice: Choice,
    path: Path,
    keys: InitKeys,
    opener: Opener,
    inbound: Inbound,
    /// Our share of the SAS, and what the initiator committed to.
    sas: Option<(SasShare, [u8; 32])>,
    /// What signalling announced of this call, if it did.
    signalled: Option<Signalled>,
    /// Who waits to be let into a group.
    joining: Option<Box<Joining>>,
    refused: bool,
}

/// What a half-open session that verified leaves behind.
pub(crate) struct Accepted {
    pub(crate) remote: SocketAddr,
    pub(crate) header: SessionHeader,
    pub(crate) choice: Choice,
    pub(crate) peer: Peer,
    pub(crate) keys: SessionKeys,
    pub(crate) agreed: Vec<Agreed>,
    pub(crate) inbound: Inbound,
    pub(crate) sas: Option<Sas>,
    pub(crate) reassembly: u16,
    /// The opaque octets of the ticket that was given out.
    pub(crate) ticket: Option<[u8; OPAQUE_LEN]>,
    /// Our own name in this session.
    pub(crate) local: Name,
    /// Whom the initiator asked for, if it was not us.
    pub(crate) retargeted_from: Option<Name>,
    /// The announcement that this session fulfils.
    pub(crate) signalled: Option<Signalled>,
}

/// What CCE_REQ showed, once all of it has verified.
pub(crate) struct Shown {
    peer: Peer,
    agreed: Vec<Agreed>,
    th4: Transcript,
    sas: Option<Sas>,
    ticket: Option<[u8; OPAQUE_LEN]>,
}

/// CCE_REQ is the initiator's request number 0.
const T_CCE: u32 = 0;

impl HalfOpen {
    /// Answers INIT_REQ. The order is from cheap to dear: names, policy, then DH.
    pub(crate) fn open(
        cx: &mut Cx<'_>,
        from: SocketAddr,
        request: &InitReq<'_>,
        m1: &[u8],
        expected: Option<&Expected>,
    ) -> Result<Reception, DropReason> {
        let init_name = Name::from_wire(&request.id_i);
        if cx.config.identity(&init_name).is_some() {
            return Err(DropReason::OwnName);
        }
        let asked = request.id_r.as_ref().map(Name::from_wire);
        let identity = cx.config.answering(asked.as_ref()).ok_or(DropReason::NotForUs)?.clone();
        let retargeted_from = asked.filter(|name| name != identity.name());
        let offer = Proposal::from_wire(&request.offer);
        let mut local = local_methods(cx.config, &identity);
        let fingerprint = expected.is_some();
        let mut remote = remote_methods(cx.config, fingerprint);
        if request.sas_commit.is_none() {
            local.retain(|m| *m != MethodId::SAS);
            remote.retain(|m| *m != MethodId::SAS);
        }
        if init_name.is_anonymous() {
            // A PSK is found by both names of INIT.
            local.retain(|m| *m != MethodId::PSK);
            remote.retain(|m| *m != MethodId::PSK);
        }
        let can = Abilities { local: &local, remote: &remote, fingerprint };
        let Ok(lists) = Proposal::new(&cx.config.policy, can) else {
            return Ok(Reception::Refused(ErrorNo::INVALID_SP_PAR, None));
        };
        let choice = match lists.choose_from(&offer) {
            Ok(choice) => choice,
            Err(_) => return Ok(Reception::Refused(ErrorNo::INVALID_SP_PAR, Some(Box::new(lists)))),
        };
        let answer = lists.answer(&choice);
        if GroupId(request.dh.group) != choice.group {
            return Ok(Reception::Refused(ErrorNo::INVALID_DH, Some(Box::new(answer))));
        }
        let signalled = expected.map(|e| e.signalled.clone());
        let agreement = Agreement { identity, init_name, retargeted_from, choice, answer, offer, signalled };
        match Self::agree(cx, from, request, m1, agreement) {
            Ok(half_open) => Ok(Reception::Opened(Box::new(half_open))),
            Err(Fault::Discard(why)) => Err(why),
            Err(Fault::Fatal(_)) => Err(DropReason::Full),
        }
    }

    fn agree(
        cx: &mut Cx<'_>,
        from: SocketAddr,
        request: &InitReq<'_>,
        m1: &[u8],
        agreement: Agreement,
    ) -> Result<Self, Fault> {
        let Agreement { identity, init_name, retargeted_from, choice, answer, offer, signalled } = agreement;
        let provider = &cx.config.provider;
        let bug = Error::Bug("a choice that the provider does not have");
        let prf = provider.prf(choice.prf).ok_or(bug.clone())?;
        let suite = provider.suite(choice.suite).ok_or(bug.clone())?;
        let group = provider.group(choice.group).ok_or(bug)?;
        cx.out.metrics.key_exchanges += 1;
        let kx = group.answer(&*provider.random, request.dh.value)?;
        let rand_r: [u8; 32] = cx.random()?;
        let session = Session { spi_i: request.spi_i, spi_r: cx.random_spi()? };
        let header = Header {
            version: Version::V2,
            data_type: DataType::INIT_RESP,
            v: false,
            prf: choice.prf.0,
            csb_id: request.csb_id,
            cs_map: CsMap::NONE,
        };
        let mut payloads = vec![
            Payload::Ext(Extension::Session(session)),
            Payload::Rand(&rand_r),
            Payload::Sp(answer.to_wire()),
            Payload::Id(identity.name().as_wire()),
        ];
        let share = match choice.uses_sas() {
            true => Some(SasShare::draw(provider, Role::Responder)?),
            false => None,
        };
        payloads.extend(share.as_ref().map(|share| Payload::Ext(Extension::SasCommit(&share.commit))));
        payloads.extend(signalled.as_ref().map(|s| Payload::Ext(Extension::SdpBinding(binding::items(s)))));
        payloads.push(Payload::Dh(Dh { group: choice.group.0, value: &kx.value, kv: Kv::Null }));
        let init_resp = encode(&header, &payloads)?;
        let psk = choice.uses_psk().then(|| find_psk(cx, &init_name, identity.name())).transpose()?;
        let secrets = InitSecrets {
            rand_i: request.rand,
            rand_r: &rand_r,
            shared: kx.secret,
            psk: psk.as_ref().map_or(&[], |psk| psk.expose()),
        };
        let keys = InitKeys::derive(prf, suite, request.csb_id, th2(prf.hash, m1, &init_resp), secrets);
        Ok(Self {
            remote: from,
            header: SessionHeader { session, csb_id: request.csb_id, prf: choice.prf.0 },
            init_resp,
            identity,
            init_name,
            retargeted_from,
            choice,
            path: Path { datagram: cx.config.path, reassembly: offer.max_message() },
            keys,
            opener: Opener::default(),
            inbound: Inbound::default(),
            sas: share.zip(request.sas_commit.copied()),
            signalled,
            joining: None,
            refused: false,
        })
    }

    /// Handles CCE_REQ. With `Ok(Some(_))` the session is established: [`Self::into_accepted`] follows.
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Option<Shown>, DropReason> {
        self.header.check(peek)?;
        let sealed = Sealed::decode(raw).map_err(|_| DropReason::Malformed)?;
        if sealed.t != T_CCE {
            return Err(DropReason::Replayed);
        }
        match self.inbound.classify(sealed.t, || cx.config.provider.sha256.digest(&[raw])) {
            Seen::New => (),
            Seen::Repeat => {
                super::resend(cx, from, self.remote, raw.len(), self.inbound.response());
                return Err(DropReason::Repeat);
            }
            Seen::Stale => return Err(DropReason::Replayed),
        }
        if self.refused {
            return Err(DropReason::WrongState);
        }
        let limits = (cx.config.provider.sha256, cx.config.policy.max_message);
        let (opened, digests) =
            self.opener.open(self.keys.protection(), Role::Initiator, false, &sealed, limits)?;
        let result = match opened {
            Opened::Pending => return Ok(None),
            Opened::Whole(plaintext) => self.verify(cx, &sealed, &plaintext),
            Opened::Reassembled { raw, plaintext } => match Sealed::decode(&raw) {
                Ok(sealed) => self.verify(cx, &sealed, &plaintext),
                Err(_) => return Err(DropReason::BadFragment),
            },
        };
        // The request came from where its response goes.
        self.remote = from;
        match result {
            Ok(Verdict::Joining(joining)) => {
                cx.out.metrics.authenticated += 1;
                // A repeat draws nothing until there is an answer.
                self.inbound.answered(T_CCE, digests, Vec::new());
                self.joining = Some(joining);
                Ok(None)
            }
            Ok(Verdict::Answered(shown, response)) => {
                cx.out.metrics.authenticated += 1;
                cx.out.send(from, &response);
                self.inbound.answered(T_CCE, digests, response);
                Ok(Some(*shown))
            }
            Err(why) => {
                cx.out.metrics.refused += 1;
                self.refused = true;
                let response = self.refusal(cx, &why).unwrap_or_default();
                cx.out.send(from, &response);
                self.inbound.answered(T_CCE, digests, response);
                cx.out.event(Event::CallerRefused { remote: from, why });
                Ok(None)
            }
        }
    }

    fn verify(&self, cx: &mut Cx<'_>, sealed: &Sealed<'_>, plaintext: &[u8]) -> Result<Verdict, Error> {
        let chain = OpenedChain::decode(sealed, plaintext)?;
        if !chain.fits(self.choice.confidential) {
            return Err(PeerFault::Negotiation("confidentiality of cce").into());
        }
        let request = CceReq::parse(sealed, &chain)?;
        let name = self.true_name(cx, &request)?;
        let method = self.choice.initiator;
        let certified = cx.check_certificates(&request.certs, &name, method, self.signalled.as_ref())?;
        if MethodId(request.auth.method) != method {
            return Err(PeerFault::Negotiation("initiator's method").into());
        }
        let credential =
            certified.as_ref().map_or_else(|| self.psk_credential(method), |c| c.end_entity.to_vec());
        let canon = [sealed.before_kemac, plaintext];
        let (head, tail) = cut(canon, request.auth_start);
        let covered = Covered {
            keys: &self.keys,
            sender: Role::Initiator,
            transcript: self.keys.transcript(),
            message: &[head, tail],
            name: &name,
            peer: self.identity.name(),
            credential: &credential,
        };
        let proof =
            auth::verify(&cx.config.provider, method, certified.as_ref(), &covered, request.auth.data)?;
        let sas = self.open_commitment(cx, &request)?;
        if let Some(gcc) = &request.gcc {
            if !cx.config.serves_groups {
                return Err(Error::Mismatch(Mismatch::Streams));
            }
            let th3 = self.keys.transcript().th3(&canon);
            return Ok(Verdict::Joining(Box::new(Joining::new(proof.peer, th3, sas, gcc))));
        }
        let offer = ReceivedOffer::new(Role::Responder, &request.streams, &request.policies)?;
        let answers = cx.config.answer.answer(&proof.peer, &offer.streams).map_err(Error::Mismatch)?;
        let (agreed, numbers) = offer.answer(&answers)?;
        let th3 = self.keys.transcript().th3(&canon);
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
        let response = outline.seal(&composed, self.keys.protection(), Role::Responder, true, self.path)?;
        let shown = Shown { peer: proof.peer, agreed, th4: th3.th4(&composed.canon()), sas, ticket };
        Ok(Verdict::Answered(Box::new(shown), response))
    }

    /// The SAS, if one was chosen and the initiator reveals what it committed to.
    fn open_commitment(&self, cx: &Cx<'_>, request: &CceReq<'_>) -> Result<Option<Sas>, PeerFault> {
        let ((share, commit), ns) = match (&self.sas, request.sas_reveal) {
            (None, None) => return Ok(None),
            (Some(sas), Some(ns)) => (sas, ns),
            _ => return Err(PeerFault::SasCommitment),
        };
        sas::check_reveal(&cx.config.provider, Role::Initiator, commit, ns)?;
        Ok(Some(Sas::new(self.keys.sas_value(ns, share.octets.expose()))))
    }

    /// The name that AUTH is over: the one in CCE_REQ if there is one, else that of INIT_REQ.
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

    fn outline<'a>(&self, data_type: DataType, streams: Vec<mikey_wire::GenericCs<'a>>) -> Outline<'a> {
        Outline {
            header: Header {
                version: Version::V2,
                data_type,
                v: false,
                prf: self.header.prf,
                csb_id: self.header.csb_id,
                cs_map: CsMap::Generic(streams),
            },
            session: self.header.session,
            t: T_CCE,
            confidential: self.choice.confidential,
        }
    }

    fn cce_response(
        &self,
        cx: &Cx<'_>,
        outline: &Outline<'_>,
        content: Vec<Payload<'_>>,
        keys: &[Payload<'_>],
        name: &Name,
        th3: Transcript,
    ) -> Result<Composed, Error> {
        let method = self.choice.responder;
        let (certs, credential) = own_certificates(&self.identity, method);
        let mut body: Vec<_> = certs.into_iter().map(Payload::Cert).collect();
        body.extend(content);
        let reveal = self.sas.as_ref().map(|(share, _)| share.octets.expose());
        body.extend(reveal.map(|share| Payload::Ext(Extension::SasReveal(share))));
        let psk_credential = self.psk_credential(method);
        let credential = if credential.is_empty() { &psk_credential } else { credential };
        outline.with_auth(body, method.0, keys, |message| {
            let covered = Covered {
                keys: &self.keys,
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

    /// A protected ERROR: one code for every failure.
    fn refusal(&self, cx: &Cx<'_>, why: &Error) -> Result<Vec<Vec<u8>>, Error> {
        let Some(number) = why.error_no() else { return Ok(Vec::new()) };
        let outline = Outline { confidential: true, ..self.outline(DataType::ERROR, Vec::new()) };
        let composed = outline.compose(&[Payload::Err(number)])?;
        let path = Path { datagram: cx.config.path, ..self.path };
        outline.seal(&composed, self.keys.protection(), Role::Responder, true, path)
    }

    /// What remains of a half-open session that verified.
    pub(crate) fn into_accepted(self, shown: Shown) -> Accepted {
        let Shown { peer, agreed, th4, sas, ticket } = shown;
        Accepted {
            sas,
            ticket,
            local: self.identity.name().clone(),
            retargeted_from: self.retargeted_from,
            signalled: self.signalled,
            reassembly: self.path.reassembly,
            remote: self.remote,
            header: self.header,
            choice: self.choice,
            peer,
            keys: self.keys.authenticated(th4),
            agreed,
            inbound: self.inbound,
        }
    }
}

/// What CCE_REQ comes down to.
enum Verdict {
    /// The answer is ready.
    Answered(Box<Shown>, Vec<Vec<u8>>),
    /// Somebody wants to join a group: the answer is the controller's.
    Joining(Box<Joining>),
}

/// What INIT comes down to before DH is computed.
struct Agreement {
    identity: Identity,
    init_name: Name,
    retargeted_from: Option<Name>,
    choice: Choice,
    answer: Proposal,
    offer: Proposal,
    signalled: Option<Signalled>,
}

/// The key of two names. For an unknown pair it is random, so that it fails just like a wrong one.
fn find_psk(cx: &Cx<'_>, initiator: &Name, responder: &Name) -> Result<SecretBytes, Error> {
    let mut random = SecretBytes::zeroed(32);
    cx.config.provider.random.fill(random.expose_mut())?;
    Ok(cx.config.psks.psk(initiator, responder).unwrap_or(random))
}

/// An unprotected ERROR, never longer than what it answers.
pub(crate) fn unprotected_error(
    csb_id: u32,
    spi_i: u64,
    number: ErrorNo,
    cookie: Option<&[u8]>,
    lists: Option<&Proposal>,
    at_most: usize,
) -> Result<Vec<u8>, Error> {
    let header = Header {
        version: Version::V2,
        data_type: DataType::ERROR,
        v: false,
        prf: 0,
        csb_id,
        cs_map: CsMap::NONE,
    };
    let mut payloads = Vec::with_capacity(4);
    payloads.extend(cookie.map(|c| Payload::Ext(Extension::Cookie(c))));
    payloads.push(Payload::Ext(Extension::Session(Session { spi_i, spi_r: 0 })));
    payloads.push(Payload::Err(number));
    if let Some(lists) = lists {
        payloads.push(Payload::Sp(lists.to_wire()));
    }
    let message = encode(&header, &payloads)?;
    if message.len() > at_most { Err(ApiMisuse::TooLong.into()) } else { Ok(message) }
}
