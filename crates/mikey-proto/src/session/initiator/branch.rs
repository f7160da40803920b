//! One answer that was taken up: CCE or CCE2 under its keys, until it is the peer or ends.

mod cce2;

use mikey_crypto::{Digest, MethodId, SecretBytes};
use mikey_wire::v2::{CceResp, InitResp, Opened as OpenedChain, Peek, ProtectedError, Sealed};
use mikey_wire::{CsMap, DataType, Extension, Header, NotifyCode, Payload, Session, Version};
use std::net::SocketAddr;

use super::attempt::Shared;
use super::first::First;
use super::routes::Routes;
use crate::auth::{self, Covered, Peer};
use crate::config::{Retarget, Signalled};
use crate::error::{ApiMisuse, DropReason, Error, Fault, PeerFault};
use crate::group::{self, GroupGrant, GroupSender, GroupTesla};
use crate::keys::{InitKeys, InitSecrets, Prk, Role, SessionKeys, Transcript, import_psk, th2};
use crate::name::Name;
use crate::negotiate::{Choice, Proposal};
use crate::policy::Exchange;
use crate::sas::{self, Sas};
use crate::session::exchange::{Due, Outstanding};
use crate::session::message::{Opened, Opener, Outline, Path};
use crate::session::{Cx, SessionHeader, binding, own_certificates};
use crate::streams::Agreed;
use crate::time::Time;

/// An answer whose keys have been computed.
pub(crate) struct Branch {
    /// Its INIT_RESP, by hash.
    pub(crate) key: Digest,
    routes: Routes,
    pub(crate) header: SessionHeader,
    pub(crate) choice: Choice,
    peer_name: Name,
    keys: InitKeys,
    th3: Transcript,
    /// What CCE2_REQ carried, if that was sent.
    sent: Option<Box<cce2::Sent>>,
    opener: Opener,
    pub(crate) outstanding: Outstanding,
    /// When it was sent for the first time.
    asked: Time,
    /// The longest message that the peer reassembles.
    reassembly: u16,
    /// The responder's commitment to its share of the SAS.
    sas_commit: Option<[u8; 32]>,
    /// What signalling said of this peer, for authentication by fingerprint.
    signalled: Option<Signalled>,
}

/// What a branch that verified leaves behind.
pub(crate) struct Verified {
    pub(crate) peer: Peer,
    pub(crate) keys: SessionKeys,
    pub(crate) agreed: Vec<Agreed>,
    pub(crate) choice: Choice,
    pub(crate) header: SessionHeader,
    pub(crate) remote: SocketAddr,
    pub(crate) sas: Option<Sas>,
    pub(crate) reassembly: u16,
    /// Lifetime in seconds and opaque octets of a ticket.
    pub(crate) ticket: Option<(u32, Vec<u8>)>,
    /// The group that was joined.
    pub(crate) joined: Option<Box<GroupGrant>>,
    /// When our second request was first sent.
    pub(crate) asked: Time,
    /// Our own name in this session.
    pub(crate) local: Name,
    /// Whom we asked for, if somebody else answered.
    pub(crate) retargeted_from: Option<Name>,
}

/// What the second response showed, once all of it has verified.
pub(crate) struct Shown {
    peer: Peer,
    agreed: Vec<Agreed>,
    th4: Transcript,
    ticket: Option<(u32, Vec<u8>)>,
    joined: Option<Box<GroupGrant>>,
    sas: Option<Sas>,
}

/// CCE_REQ and CCE2_REQ are the initiator's request number 0, and what ends an unwanted session its second one.
const T_CCE: u32 = 0;
const T_DISMISSAL: u32 = 1;

impl Branch {
    /// Takes an answer up: DH, keys, CCE_REQ or CCE2_REQ.
    pub(crate) fn take_up(
        cx: &mut Cx<'_>,
        shared: &Shared,
        first: &First,
        (remote, signalled): (SocketAddr, Option<&Signalled>),
        answer: &InitResp<'_>,
        key: Digest,
    ) -> Result<Self, Fault> {
        let (choice, peer_name, peer_lists) =
            shared.check(answer, signalled).map_err(|_| DropReason::BadAnswer)?;
        let provider = &cx.config.provider;
        let prf = provider.prf(choice.prf).ok_or(DropReason::BadAnswer)?;
        let suite = provider.suite(choice.suite).ok_or(DropReason::BadAnswer)?;
        cx.out.metrics.key_exchanges += 1;
        let secret = first.kx.agree(answer.dh.value)?;
        let psk = match choice.uses_psk() {
            true => {
                let psk = cx.config.psks.psk(&shared.init_name, &peer_name).ok_or(ApiMisuse::NoCredential)?;
                import_psk(prf, &psk)
            }
            false => SecretBytes::empty(),
        };
        let secrets = InitSecrets {
            rand_i: &shared.rand_i,
            rand_r: answer.rand,
            shared: secret,
            psk: if choice.exchange == Exchange::Cce { psk.expose() } else { &[] },
        };
        let prk = Prk::extract(prf, shared.csb_id, th2(prf.hash, &first.m1, answer.raw), secrets);
        let header = SessionHeader { session: answer.session, csb_id: shared.csb_id, prf: choice.prf.0 };
        let path = Path { datagram: cx.config.path, reassembly: peer_lists.max_message() };
        let by_cce2 = match choice.exchange {
            Exchange::Cce => None,
            Exchange::Cce2Psk => {
                Some(cce2::by_psk(cx, shared, prk.mix(prf, &psk).keys(prf, suite), &header, &peer_name)?)
            }
            Exchange::Cce2Rsa => {
                let signalled = shared.said_of(signalled);
                let derive = |envelope_key: &SecretBytes| prk.mix(prf, envelope_key).keys(prf, suite);
                Some(cce2::by_rsa(cx, shared, derive, &header, &peer_name, answer, signalled)?)
            }
        };
        let (keys, datagrams, th3, sent) = match by_cce2 {
            Some(cce2::Request { datagram, keys, th3, sent }) => (keys, vec![datagram], th3, Some(sent)),
            None => {
                let keys = prk.keys(prf, suite);
                let (datagrams, th3) = cce_request(cx, shared, &keys, &choice, &header, &peer_name, path)?;
                (keys, datagrams, th3, None)
            }
        };
        cx.out.log_keys(header.session, keys.protection());
        let mut routes = Routes::new();
        routes.received(remote, shared.vouches_for(remote), answer.raw.len());
        let mut branch = Self {
            key,
            routes,
            header,
            choice,
            peer_name,
            keys,
            th3,
            sent,
            opener: Opener::default(),
            outstanding: Outstanding::new(cx.now, cx.config.request_lifetime, datagrams),
            asked: cx.now,
            reassembly: path.reassembly,
            sas_commit: answer.sas_commit.filter(|_| choice.uses_sas()).copied(),
            signalled: shared.said_of(signalled).cloned(),
        };
        branch.routes.open(cx, remote, &branch.outstanding.datagrams);
        Ok(branch)
    }

    /// Handles a protected message for these SPIs: CCE_RESP or CCE2_RESP, or an ERROR.
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &Shared,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Option<Shown>, Fault> {
        self.header.check(peek)?;
        match (peek.data_type, &self.sent) {
            (DataType::CCE2_RESP, Some(sent)) => return self.verify_cce2(shared, sent, raw).map(Some),
            (DataType::CCE_RESP, None) | (DataType::ERROR, _) => (),
            _ => return Err(DropReason::WrongState.into()),
        }
        let sealed = Sealed::decode(raw).map_err(|_| DropReason::Malformed)?;
        if sealed.t != T_CCE {
            return Err(DropReason::Replayed.into());
        }
        let limits = (cx.config.provider.sha256, cx.config.policy.max_message);
        let (opened, _) = self.opener.open(self.keys.protection(), Role::Responder, true, &sealed, limits)?;
        match opened {
            Opened::Pending => Ok(None),
            Opened::Whole(plaintext) => self.verify(cx, shared, &sealed, &plaintext).map(Some),
            Opened::Reassembled { raw, plaintext } => {
                let sealed = Sealed::decode(&raw).map_err(|_| Error::Bug("a reassembled message"))?;
                self.verify(cx, shared, &sealed, &plaintext).map(Some)
            }
        }
    }

    /// Everything from here on comes from whoever made this branch's DH value: a failure ends this branch.
    // R9.17
    fn verify(
        &self,
        cx: &mut Cx<'_>,
        shared: &Shared,
        sealed: &Sealed<'_>,
        plaintext: &[u8],
    ) -> Result<Shown, Fault> {
        let chain = OpenedChain::decode(sealed, plaintext)?;
        if sealed.header.data_type == DataType::ERROR {
            ProtectedError::parse(sealed, &chain)?;
            return Err(PeerFault::RefusedUs.into());
        }
        if !chain.fits(self.choice.confidential) {
            return Err(PeerFault::Negotiation("confidentiality of cce").into());
        }
        let response = CceResp::parse(sealed, &chain)?;
        if response.id_r.is_some_and(|id| Name::from_wire(&id) != self.peer_name) {
            return Err(PeerFault::Name.into());
        }
        let method = self.choice.responder;
        let certified =
            cx.check_certificates(&response.certs, &self.peer_name, method, self.signalled.as_ref())?;
        if MethodId(response.auth.method) != method {
            return Err(PeerFault::Negotiation("responder's method").into());
        }
        let credential =
            certified.as_ref().map_or_else(|| shared.psk_credential(method), |c| c.end_entity.to_vec());
        let canon = [sealed.before_kemac, plaintext];
        let (head, tail) = cut(canon, response.auth_start);
        let covered = Covered {
            keys: &self.keys,
            sender: Role::Responder,
            transcript: self.th3,
            message: &[head, tail],
            name: &self.peer_name,
            peer: shared.identity.name(),
            credential: &credential,
        };
        let proof =
            auth::verify(&cx.config.provider, method, certified.as_ref(), &covered, response.auth.data)?;
        let sas = self.sas(cx, shared, response.sas_reveal)?;
        let (agreed, joined) = match self.joined(cx, shared, &response)? {
            None => (shared.offer.check_answer(&response.streams, &response.policies)?, None),
            joined => (Vec::new(), joined),
        };
        let ticket = match (response.ticket, self.choice.resumption) {
            (None, _) => None,
            (Some(ticket), true) => ticket.lifetime.map(|lifetime| (lifetime, ticket.opaque.to_vec())),
            (Some(_), false) => return Err(PeerFault::Negotiation("a ticket that was not negotiated").into()),
        };
        Ok(Shown { peer: proof.peer, agreed, th4: self.th3.th4(&canon), ticket, joined, sas })
    }

    // R14.10
    /// The group that the answer lets us into, if we asked for one: of a controller that we accept for it.
    fn joined(
        &self,
        cx: &Cx<'_>,
        shared: &Shared,
        response: &CceResp<'_>,
    ) -> Result<Option<Box<GroupGrant>>, PeerFault> {
        let (request, values, senders) = match (&shared.group, &response.group, &response.senders) {
            (None, None, _) => return Ok(None),
            (Some(request), Some(values), Some(senders)) => (request, values, senders),
            _ => return Err(PeerFault::Negotiation("a group that was not asked for, or none")),
        };
        if !cx.config.controllers.iter().any(|(id, name)| *id == request.group && *name == self.peer_name) {
            return Err(PeerFault::NotController);
        }
        let sessions = group::sessions(&response.streams, &response.policies, values.epoch)?;
        let senders = GroupSender::all_from_wire(senders, &response.tesla_keys);
        let tesla = response.tesla.as_ref().map(GroupTesla::from_wire).transpose()?;
        let grant = GroupGrant::from_wire(values, senders, &response.key_data, sessions)?;
        Ok(Some(Box::new(GroupGrant { tesla, ..grant })))
    }

    /// The SAS, if one was chosen and the responder reveals what it committed to.
    fn sas(&self, cx: &Cx<'_>, shared: &Shared, reveal: Option<&[u8; 32]>) -> Result<Option<Sas>, PeerFault> {
        let (share, commit, nr) = match (&shared.sas, &self.sas_commit, reveal) {
            (_, None, None) => return Ok(None),
            (Some(share), Some(commit), Some(nr)) => (share, commit, nr),
            _ => return Err(PeerFault::SasCommitment),
        };
        sas::check_reveal(&cx.config.provider, Role::Responder, commit, nr)?;
        Ok(Some(Sas::new(self.keys.sas_value(share.octets.expose(), nr))))
    }

    /// What remains of a branch that verified.
    pub(crate) fn into_verified(self, shared: &Shared, from: SocketAddr, shown: Shown) -> Verified {
        let Shown { peer, agreed, th4, ticket, joined, sas } = shown;
        Verified {
            joined,
            asked: self.asked,
            reassembly: self.reassembly,
            ticket,
            local: shared.identity.name().clone(),
            retargeted_from: shared.asked.clone().filter(|asked| *asked != peer.name),
            sas,
            peer,
            keys: self.keys.authenticated(th4, self.sent.as_ref().map(|sent| &sent.tgk)),
            agreed,
            choice: self.choice,
            header: self.header,
            remote: self.routes.peer(from),
        }
    }

    /// Tells whoever holds the other end of these keys that there will be no session, once and without waiting for an
    /// answer: a responder is established as soon as it has answered, and would find out by its own question, much later.
    pub(crate) fn dismiss(&self, cx: &mut Cx<'_>, reason: u8) {
        let outline = Outline {
            header: Header {
                version: Version::V2,
                data_type: DataType::INFO_REQ,
                v: true,
                prf: self.header.prf,
                csb_id: self.header.csb_id,
                cs_map: CsMap::Generic(Vec::new()),
            },
            session: self.header.session,
            t: T_DISMISSAL,
            confidential: self.choice.confidential,
        };
        let notify = Payload::Ext(Extension::Notify { code: NotifyCode::DELETE, data: &[reason] });
        let path = Path { datagram: cx.config.path, reassembly: self.reassembly };
        let sealed = outline.compose(&[notify]).and_then(|composed| {
            outline.seal(&composed, self.keys.protection(), Role::Initiator, false, path)
        });
        if let Ok(datagrams) = sealed {
            self.routes.tell(cx, &datagrams);
        }
    }

    /// Where its first INIT_RESP came from.
    pub(crate) fn remote(&self, shared: &Shared) -> SocketAddr {
        self.routes.first().unwrap_or(shared.to)
    }

    /// The same INIT_RESP again. From another address, that one gets CCE_REQ as well.
    pub(crate) fn repeated(&mut self, cx: &mut Cx<'_>, shared: &Shared, from: SocketAddr, octets: usize) {
        if self.routes.received(from, shared.vouches_for(from), octets) {
            self.routes.open(cx, from, &self.outstanding.datagrams);
        }
    }

    /// Sends CCE_REQ again if it is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.outstanding.due(cx.now) == Due::Resend {
            self.routes.resend(cx, &self.outstanding.datagrams);
        }
    }

    pub(crate) fn session(&self) -> Session {
        self.header.session
    }
}

fn cce_request(
    cx: &Cx<'_>,
    shared: &Shared,
    keys: &InitKeys,
    choice: &Choice,
    header: &SessionHeader,
    peer_name: &Name,
    path: Path,
) -> Result<(Vec<Vec<u8>>, Transcript), Error> {
    let outline = Outline {
        header: Header {
            version: Version::V2,
            data_type: DataType::CCE_REQ,
            v: true,
            prf: header.prf,
            csb_id: header.csb_id,
            cs_map: CsMap::Generic(shared.offer.map()),
        },
        session: header.session,
        t: T_CCE,
        confidential: choice.confidential,
    };
    let rand: [u8; 32] = cx.random()?;
    let octets = shared.offer.policies();
    let (certs, credential) = own_certificates(&shared.identity, choice.initiator);
    let mut body = vec![Payload::Rand(&rand)];
    let hidden = shared.init_name != *shared.identity.name();
    body.extend(hidden.then(|| Payload::Id(shared.identity.name().as_wire())));
    body.extend(certs.into_iter().map(Payload::Cert));
    body.extend((0..).zip(&octets).map(|(number, sp)| Payload::Sp(sp.sp(number))));
    body.extend(shared.group.as_ref().map(|request| Payload::GccReq(request.as_wire())));
    let reveal = shared.sas.as_ref().filter(|_| choice.uses_sas());
    body.extend(reveal.map(|share| Payload::Ext(Extension::SasReveal(share.octets.expose()))));
    let psk_credential = shared.psk_credential(choice.initiator);
    let credential = if credential.is_empty() { &psk_credential } else { credential };
    let composed = outline.with_auth(body, choice.initiator.0, &[], |message| {
        let covered = Covered {
            keys,
            sender: Role::Initiator,
            transcript: keys.transcript(),
            message,
            name: shared.identity.name(),
            peer: peer_name,
            credential,
        };
        auth::prove(
            &cx.config.provider,
            choice.initiator,
            shared.identity.certified().map(|k| &**k),
            &covered,
        )
    })?;
    let th3 = keys.transcript().th3(&composed.canon());
    Ok((outline.seal(&composed, keys.protection(), Role::Initiator, false, path)?, th3))
}

/// Cuts `canon(M)` before its octet `at`.
// R8.1
pub(crate) fn cut(canon: [&[u8]; 2], at: usize) -> (&[u8], &[u8]) {
    let [head, tail] = canon;
    match head.get(..at) {
        Some(head) => (head, &[]),
        None => (head, tail.get(..at - head.len()).unwrap_or(tail)),
    }
}

impl Shared {
    /// Whether an address is the one that was called, or that signalling gave for an answer.
    fn vouches_for(&self, address: SocketAddr) -> bool {
        self.in_signalling || address == self.to
    }

    /// What signalling says of whoever answers, in a call by fingerprint: together with the answer, or else before it.
    fn said_of<'a>(&'a self, with_answer: Option<&'a Signalled>) -> Option<&'a Signalled> {
        self.signalled.as_ref().map(|before| with_answer.unwrap_or(before))
    }

    /// The choice of an answer, if it fits our offer and names somebody who may answer.
    // R4.9, R6.9, R9.7
    pub(crate) fn check(
        &self,
        answer: &InitResp<'_>,
        signalled: Option<&Signalled>,
    ) -> Result<(Choice, Name, Proposal), PeerFault> {
        let lists = Proposal::from_wire(&answer.choice);
        let choice = self.proposal.check_answer(&lists)?;
        if answer.prf != choice.prf.0 || answer.dh.group != choice.group.0 {
            return Err(PeerFault::Negotiation("prf or group of another choice"));
        }
        let name = Name::from_wire(&answer.id_r);
        let wanted = self.asked.as_ref().is_none_or(|asked| *asked == name);
        if !(wanted || self.retarget == Retarget::Report) || name == *self.identity.name() {
            return Err(PeerFault::Name);
        }
        if choice.uses_sas() != answer.sas_commit.is_some() {
            return Err(PeerFault::SasCommitment);
        }
        let bound = |s: &Signalled| binding::fits(s, answer.sdp_binding.as_ref(), false);
        if !self.said_of(signalled).is_none_or(bound) {
            return Err(PeerFault::Negotiation("sdp binding"));
        }
        Ok((choice, name, lists))
    }

    /// What stands for a credential in IDB when there is no certificate: for a PSK, IDi of INIT_REQ.
    fn psk_credential(&self, method: MethodId) -> Vec<u8> {
        if method == MethodId::PSK { auth::id_octets(&self.init_name) } else { Vec::new() }
    }
}
