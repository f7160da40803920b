//! The responder, from INIT_REQ to an authenticated initiator.
//!
//! ```text
//!   --INIT_REQ--> HalfOpen --CCE_REQ or CCE2_REQ--> Established (answers with CCE_RESP or CCE2_RESP)
//!                  |   |
//!                  |   '--AUTH fails--> Refused (answers with a protected ERROR; dies with its time)
//!                  '--time is up, or others need the room--> gone
//! ```
//!
//! CCE and CCE2 are two ways to the same end: each opens its request, and leaves behind what was [`Shown`].
//!
//! A half-open session belongs to whoever made its DH value: only a message under its keys changes it, and one that fails
//! there ends this half-open session and nothing else.

mod cce;
mod cce2;
mod join;
mod keys;

use std::borrow::Cow;
use std::net::SocketAddr;

use mikey_crypto::{GroupId, MethodId, SecretBytes};
use mikey_wire::v2::{InitReq, Peek, Sealed};
use mikey_wire::{CsMap, DataType, Dh, ErrorNo, Extension, Header, Kv, Payload, Session, Version, encode};

use crate::auth::Peer;
use crate::config::{Expected, Signalled};
use crate::credential::Identity;
use crate::error::{ApiMisuse, DropReason, Error, Fault};
use crate::event::Event;
use crate::keys::{InitSecrets, Prk, Role, SessionKeys, Transcript, import_psk, th2};
use crate::name::Name;
use crate::negotiate::{Abilities, Choice, Proposal};
use crate::policy::Exchange;
use crate::sas::{Sas, SasShare};
use crate::session::exchange::{Inbound, Seen};
use crate::session::message::{Opened, Opener, Outline, Path};
use crate::session::{Cx, SessionHeader, binding, local_methods, own_certificates, remote_methods};
use crate::streams::Agreed;
use crate::ticket::OPAQUE_LEN;

use join::Joining;
use keys::Keys;

/// What an INIT_REQ leads to.
pub(crate) enum Reception {
    /// A half-open session; its INIT_RESP is ready.
    Opened(Box<HalfOpen>),
    /// Nothing is kept: an ERROR with this number and, if it has one, this M-SP.
    Refused(ErrorNo, Option<Box<Proposal>>),
}

/// A session whose initiator is not known yet. Anyone can make us keep one, so it is small: what is rare is boxed, and keys
/// wait for the second request.
pub(crate) struct HalfOpen {
    pub(crate) remote: SocketAddr,
    pub(crate) header: SessionHeader,
    pub(crate) init_resp: Box<[u8]>,
    identity: Identity,
    /// IDi of INIT_REQ.
    init_name: Name,
    /// Whom the initiator asked for, if it was not us.
    retargeted_from: Option<Box<Name>>,
    choice: Choice,
    /// The longest message that the initiator reassembles.
    reassembly: u16,
    keys: Keys,
    opener: Opener,
    inbound: Inbound,
    /// Our share of the SAS, and what the initiator committed to.
    sas: Option<Box<(SasShare, [u8; 32])>>,
    /// What signalling announced of this call, if it did.
    signalled: Option<Box<Signalled>>,
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

/// What the second request showed, once all of it has verified.
pub(crate) struct Shown {
    peer: Peer,
    agreed: Vec<Agreed>,
    th4: Transcript,
    sas: Option<Sas>,
    ticket: Option<[u8; OPAQUE_LEN]>,
    /// The TGK in CCE2_REQ.
    sent: Option<SecretBytes>,
}

/// CCE_REQ and CCE2_REQ are the initiator's request number 0.
const T_CCE: u32 = 0;

impl HalfOpen {
    /// Answers INIT_REQ. The order is from cheap to dear: names, policy, length, then DH. An INIT_RESP of more than `at_most`
    /// octets is not for an address that has shown no cookie: [`DropReason::CookieNeeded`].
    // R9.6
    pub(crate) fn open(
        cx: &mut Cx<'_>,
        from: SocketAddr,
        request: &InitReq<'_>,
        m1: &[u8],
        expected: Option<&Expected>,
        at_most: usize,
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
        let mut policy = Cow::Borrowed(&cx.config.policy);
        if init_name.is_anonymous() || init_name.is_pseudonym() {
            // The true name has its place in CCE alone.
            policy.to_mut().exchanges.retain(|exchange| *exchange == Exchange::Cce);
        }
        let can = Abilities { local: &local, remote: &remote, fingerprint };
        let Ok(lists) = Proposal::new(&policy, can, Role::Responder) else {
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
        match Self::agree(cx, from, request, m1, agreement, at_most) {
            Ok(half_open) => Ok(Reception::Opened(Box::new(half_open))),
            Err(Fault::Discard(why)) => Err(why),
            Err(Fault::Fatal(_)) => Err(DropReason::Full),
        }
    }

    // R8.6, R8.7
    fn agree(
        cx: &mut Cx<'_>,
        from: SocketAddr,
        request: &InitReq<'_>,
        m1: &[u8],
        agreement: Agreement,
        at_most: usize,
    ) -> Result<Self, Fault> {
        let choice = agreement.choice;
        let provider = &cx.config.provider;
        let bug = Error::Bug("a choice that the provider does not have");
        let prf = provider.prf(choice.prf).ok_or(bug.clone())?;
        let group = provider.group(choice.group).ok_or(bug)?;
        let zeros = vec![0; group.answer_len()];
        let commit = choice.uses_sas().then_some(&[0; 32]);
        if agreement.init_resp(request, u64::MAX, &[0; 32], commit, &zeros)?.len() > at_most {
            return Err(DropReason::CookieNeeded.into());
        }
        cx.out.metrics.key_exchanges += 1;
        let kx = group.answer(&*provider.random, request.dh.value)?;
        let rand_r: [u8; 32] = cx.random()?;
        let session = Session { spi_i: request.spi_i, spi_r: cx.random_spi()? };
        let share = match choice.uses_sas() {
            true => Some(SasShare::draw(provider, Role::Responder)?),
            false => None,
        };
        let commit = share.as_ref().map(|share| &share.commit);
        let init_resp = agreement.init_resp(request, session.spi_r, &rand_r, commit, &kx.value)?;
        let Agreement { identity, init_name, retargeted_from, offer, signalled, .. } = agreement;
        let psk = match choice.uses_psk() {
            true => import_psk(prf, &find_psk(cx, &init_name, identity.name())?),
            false => SecretBytes::empty(),
        };
        let secrets = InitSecrets {
            rand_i: request.rand,
            rand_r: &rand_r,
            shared: kx.secret,
            psk: if choice.exchange == Exchange::Cce { psk.expose() } else { &[] },
        };
        let prk = Prk::extract(prf, request.csb_id, th2(prf.hash, m1, &init_resp), secrets);
        let prk = if choice.exchange == Exchange::Cce2Psk { prk.mix(prf, &psk) } else { prk };
        Ok(Self {
            remote: from,
            header: SessionHeader { session, csb_id: request.csb_id, prf: choice.prf.0 },
            // A copy has no more room than it needs; shrinking would leave a hole beside it.
            init_resp: init_resp.as_slice().into(),
            identity,
            init_name,
            retargeted_from: retargeted_from.map(Box::new),
            choice,
            reassembly: offer.max_message(),
            keys: Keys::Later(prk),
            opener: Opener::default(),
            inbound: Inbound::default(),
            sas: share.zip(request.sas_commit.copied()).map(Box::new),
            signalled: signalled.map(Box::new),
            joining: None,
            refused: false,
        })
    }

    /// Octets of memory that fragments of CCE_REQ take.
    pub(crate) fn held(&self) -> usize {
        self.opener.held()
    }

    /// Forgets the fragments of CCE_REQ that came: the initiator sends them again.
    pub(crate) fn forget_fragments(&mut self) {
        self.opener.forget();
    }

    /// Handles CCE_REQ or CCE2_REQ. With `Ok(Some(_))` the session is established: [`Self::into_accepted`] follows.
    // R10.8, R10.14
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Option<Shown>, DropReason> {
        self.header.check(peek)?;
        if peek.data_type != cce2::request_type(&self.choice) {
            return Err(DropReason::WrongState);
        }
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
        let signer = self.derive_keys(cx, &sealed).map_err(|_| DropReason::BadSignature)?;
        let Keys::Ready(keys) = &self.keys else { return Err(DropReason::WrongState) };
        let limits = (cx.config.provider.sha256, cx.config.policy.max_message);
        let (opened, digests) =
            self.opener.open(keys.protection(), Role::Initiator, false, &sealed, limits)?;
        let verify = |cx: &mut Cx<'_>, sealed: &Sealed<'_>, plaintext: &[u8]| match self.choice.exchange {
            Exchange::Cce => self.answer_cce(cx, sealed, plaintext),
            Exchange::Cce2Psk | Exchange::Cce2Rsa => self.answer_cce2(cx, sealed, plaintext, signer.as_ref()),
        };
        let result = match opened {
            Opened::Pending => return Ok(None),
            Opened::Whole(plaintext) => verify(cx, &sealed, &plaintext),
            Opened::Reassembled { raw, plaintext } => match Sealed::decode(&raw) {
                Ok(sealed) => verify(cx, &sealed, &plaintext),
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

    /// A protected ERROR: one code for every failure.
    fn refusal(&self, cx: &Cx<'_>, why: &Error) -> Result<Vec<Vec<u8>>, Error> {
        let Some(number) = why.error_no() else { return Ok(Vec::new()) };
        let outline = Outline { confidential: true, ..self.outline(DataType::ERROR, Vec::new()) };
        let composed = outline.compose(&[Payload::Err(number)])?;
        outline.seal(&composed, self.keys.ready()?.protection(), Role::Responder, true, self.path(cx))
    }

    fn path(&self, cx: &Cx<'_>) -> Path {
        Path { datagram: cx.config.path, reassembly: self.reassembly }
    }

    /// What remains of a half-open session that verified.
    pub(crate) fn into_accepted(self, shown: Shown) -> Result<Accepted, DropReason> {
        let Shown { peer, agreed, th4, sas, ticket, sent } = shown;
        let Keys::Ready(keys) = self.keys else { return Err(DropReason::WrongState) };
        Ok(Accepted {
            sas,
            ticket,
            local: self.identity.name().clone(),
            retargeted_from: self.retargeted_from.map(|name| *name),
            signalled: self.signalled.map(|signalled| *signalled),
            reassembly: self.reassembly,
            remote: self.remote,
            header: self.header,
            choice: self.choice,
            peer,
            keys: keys.authenticated(th4, sent.as_ref()),
            agreed,
            inbound: self.inbound,
        })
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

impl Agreement {
    fn init_resp(
        &self,
        request: &InitReq<'_>,
        spi_r: u64,
        rand_r: &[u8; 32],
        sas_commit: Option<&[u8; 32]>,
        dh: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let header = Header {
            version: Version::V2,
            data_type: DataType::INIT_RESP,
            v: false,
            prf: self.choice.prf.0,
            csb_id: request.csb_id,
            cs_map: CsMap::NONE,
        };
        let mut payloads = vec![
            Payload::Ext(Extension::Session(Session { spi_i: request.spi_i, spi_r })),
            Payload::Rand(rand_r),
            Payload::Sp(self.answer.to_wire()),
            Payload::Id(self.identity.name().as_wire()),
        ];
        if self.choice.exchange == Exchange::Cce2Rsa {
            let (certs, _) = own_certificates(&self.identity, self.choice.responder);
            payloads.extend(certs.into_iter().map(Payload::Cert));
        }
        payloads.extend(sas_commit.map(|commit| Payload::Ext(Extension::SasCommit(commit))));
        payloads
            .extend(self.signalled.as_ref().map(|s| Payload::Ext(Extension::SdpBinding(binding::items(s)))));
        payloads.push(Payload::Dh(Dh { group: self.choice.group.0, value: dh, kv: Kv::Null }));
        Ok(encode(&header, &payloads)?)
    }
}

/// The key of two names. For an unknown pair it is random, so that it fails just like a wrong one.
// R9.5
fn find_psk(cx: &Cx<'_>, initiator: &Name, responder: &Name) -> Result<SecretBytes, Error> {
    let mut random = SecretBytes::zeroed(32);
    cx.config.provider.random.fill(random.expose_mut())?;
    Ok(cx.config.psks.psk(initiator, responder).unwrap_or(random))
}

/// An unprotected ERROR, never longer than what it answers.
// R15.1
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
