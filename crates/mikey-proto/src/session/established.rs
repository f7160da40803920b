//! A session whose two ends have authenticated each other: INFO, and what later exchanges share (docs/spec.md, "INFO").

use std::net::SocketAddr;

use mikey_crypto::SecretBytes;
use mikey_wire::v2::{Info, Opened as OpenedChain, Peek, Sealed};
use mikey_wire::{CsMap, DataType, Extension, Header, NotifyCode, Payload, Version};

use crate::config::EndpointConfig;
use crate::error::{ApiMisuse, DropReason, Error};
use crate::event::{CloseReason, Event, SessionId};
use crate::keys::{Role, SessionKeys};
use crate::limits::{MAX_T, MIN_REASSEMBLY};
use crate::name::Name;
use crate::negotiate::Choice;
use crate::session::exchange::{Due, Inbound, Outstanding, Seen};
use crate::session::message::{Composed, Opened, Opener, Outline, Path};
use crate::session::{Cx, SessionHeader, resend};
use crate::time::Time;

/// Where a session comes from.
pub(crate) struct Origin {
    pub(crate) id: SessionId,
    pub(crate) role: Role,
    pub(crate) header: SessionHeader,
    pub(crate) choice: Choice,
    pub(crate) remote: SocketAddr,
}

/// An established session.
pub(crate) struct Established {
    origin: Origin,
    keys: SessionKeys,
    inbound: Inbound,
    forget_at: Option<Time>,
    next_t: u32,
    request: Option<Request>,
    requests: Opener,
    responses: Opener,
    sas: SasState,
    /// Whether the peer has shown that it is established as well. An initiator knows by the answer; a responder does not.
    confirmed: bool,
}

/// How far two people are with comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SasState {
    /// There is none.
    None,
    /// It was shown.
    Shown,
    /// The person here has found it to be the same.
    Confirmed,
}

/// A request of ours on its way.
struct Request {
    t: u32,
    /// H(canon(request)), which the response must repeat.
    hash: mikey_crypto::Digest,
    outstanding: Outstanding,
}

impl Established {
    pub(crate) fn new(
        config: &EndpointConfig,
        now: Time,
        origin: Origin,
        keys: SessionKeys,
        inbound: Inbound,
        has_sas: bool,
    ) -> Self {
        // CCE_REQ was the initiator's request number 0.
        let next_t = if origin.role == Role::Initiator { 1 } else { 0 };
        Self {
            keys,
            inbound,
            forget_at: Some(now + config.answers_kept()),
            next_t,
            request: None,
            requests: Opener::default(),
            responses: Opener::default(),
            confirmed: origin.role == Role::Initiator,
            sas: if has_sas { SasState::Shown } else { SasState::None },
            origin,
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.origin.id
    }

    pub(crate) fn keys(&self) -> &SessionKeys {
        &self.keys
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.origin.remote
    }

    /// When something is due.
    pub(crate) fn wake(&self) -> Option<Time> {
        let request = self.request.as_ref().and_then(|r| r.outstanding.wake());
        [request, self.forget_at].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Option<CloseReason> {
        if self.forget_at.is_some_and(|at| at <= cx.now) {
            self.forget_at = None;
            self.inbound.forget_response();
            if !self.confirmed && self.request.is_none() {
                // The initiator may have given up before our answer came: ask, or the session stays for ever.
                let _ = self.probe(cx);
            }
        }
        let request = self.request.as_mut()?;
        match request.outstanding.due(cx.now) {
            Due::Nothing => None,
            Due::Resend => {
                cx.out.metrics.retransmissions += 1;
                cx.out.send(self.origin.remote, &request.outstanding.datagrams);
                None
            }
            Due::GiveUp => Some(CloseReason::PeerSilent),
        }
    }

    /// Asks for a sign of life: an empty INFO.
    pub(crate) fn probe(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        self.send_request(cx, &[])
    }

    /// Tells the peer whether the person here has found the SAS to be the same. If not, that is the end.
    pub(crate) fn confirm_sas(&mut self, cx: &mut Cx<'_>, same: bool) -> Result<(), Error> {
        if self.sas == SasState::None {
            return Err(ApiMisuse::State.into());
        }
        if same {
            self.send_request(cx, &[notify(NotifyCode::SAS_VERIFIED, &[1])])?;
            self.sas = SasState::Confirmed;
            return Ok(());
        }
        self.request = None;
        self.send_request(cx, &[notify(NotifyCode::DELETE, &[DELETE_SAS_MISMATCH])])
    }

    /// The key of the next call, once the SAS was confirmed.
    pub(crate) fn continuity(&self) -> Result<(Name, SecretBytes), ApiMisuse> {
        if self.sas != SasState::Confirmed {
            return Err(ApiMisuse::State);
        }
        let (id, key) = self.keys.continuity();
        Ok((Name::pseudonym(id), key))
    }

    /// Tells the peer that the session is over.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        self.request = None;
        self.send_request(cx, &[notify(NotifyCode::DELETE, &[DELETE_NORMAL])])
    }

    fn send_request(&mut self, cx: &mut Cx<'_>, body: &[Payload<'_>]) -> Result<(), Error> {
        if self.request.is_some() || self.next_t > MAX_T {
            return Err(ApiMisuse::State.into());
        }
        let t = self.next_t;
        self.next_t += 1;
        let outline = self.outline(DataType::INFO_REQ, t);
        let composed = outline.compose(body)?;
        let hash = self.hash(&composed);
        let datagrams = self.seal(cx, &outline, &composed, false)?;
        cx.out.send(self.origin.remote, &datagrams);
        let outstanding = Outstanding::new(cx.now, cx.config.request_lifetime, datagrams);
        self.request = Some(Request { t, hash, outstanding });
        Ok(())
    }

    /// Handles a message for this session. `Ok(Some(_))` ends it.
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Option<CloseReason>, DropReason> {
        self.origin.header.check(peek)?;
        let sealed = Sealed::decode(raw).map_err(|_| DropReason::Malformed)?;
        match peek.data_type {
            DataType::INFO_REQ | DataType::CCE_REQ => self.handle_request(cx, from, &sealed),
            _ => self.handle_response(cx, &sealed).map(|()| None),
        }
    }

    fn handle_request(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        sealed: &Sealed<'_>,
    ) -> Result<Option<CloseReason>, DropReason> {
        let sha256 = cx.config.provider.sha256;
        match self.inbound.classify(sealed.t, || sha256.digest(&[sealed.raw])) {
            Seen::New if sealed.header.data_type == DataType::INFO_REQ => (),
            Seen::New => return Err(DropReason::WrongState),
            Seen::Repeat => {
                resend(cx, from, self.origin.remote, sealed.raw.len(), self.inbound.response());
                return Err(DropReason::Repeat);
            }
            Seen::Stale => return Err(DropReason::Replayed),
        }
        let limits = (sha256, cx.config.policy.max_message);
        let peer = self.origin.role.peer();
        let (opened, digests) = self.requests.open(self.keys.protection(), peer, false, sealed, limits)?;
        let (raw, plaintext) = match opened {
            Opened::Pending => return Ok(None),
            Opened::Whole(plaintext) => (None, plaintext),
            Opened::Reassembled { raw, plaintext } => (Some(raw), plaintext),
        };
        let whole = raw.as_deref().map(Sealed::decode).transpose().map_err(|_| DropReason::BadFragment)?;
        let sealed = whole.as_ref().unwrap_or(sealed);
        let chain = OpenedChain::decode(sealed, &plaintext).map_err(|_| DropReason::Malformed)?;
        let info = Info::parse(sealed, &chain).map_err(|_| DropReason::Malformed)?;
        let hash = self.keys.prf().hash.digest(&[sealed.before_kemac, &plaintext]);
        self.confirmed = true;
        let (answers, end) = self.answer_notifications(cx, &info);
        let response = self.respond(cx, sealed.t, hash.as_ref(), &answers).map_err(|_| DropReason::Full)?;
        cx.out.send(from, &response);
        self.inbound.answered(sealed.t, digests, response);
        self.forget_at = Some(cx.now + cx.config.answers_kept());
        Ok(end)
    }

    /// What notifications of a request lead to: the codes that are not known here, and whether the session ends.
    fn answer_notifications(
        &mut self,
        cx: &mut Cx<'_>,
        info: &Info<'_>,
    ) -> (Vec<[u8; 2]>, Option<CloseReason>) {
        let mut unsupported = Vec::new();
        let mut end = None;
        for notify in &info.notifies {
            match (notify.code, notify.data) {
                (NotifyCode::DELETE, [reason]) => end = Some(CloseReason::Remote(*reason)),
                (NotifyCode::SAS_VERIFIED, [value]) if self.sas != SasState::None => {
                    cx.out.event(Event::SasComparedByPeer { session: self.origin.id, verified: *value == 1 });
                }
                (NotifyCode::UNSUPPORTED, _) => (),
                (NotifyCode(code), _) if code < MUST_BE_ANSWERED => unsupported.push(code.to_be_bytes()),
                _ => (),
            }
        }
        (unsupported, end)
    }

    fn respond(
        &self,
        cx: &Cx<'_>,
        t: u32,
        hash: &[u8],
        unsupported: &[[u8; 2]],
    ) -> Result<Vec<Vec<u8>>, Error> {
        let outline = self.outline(DataType::INFO_RESP, t);
        let mut body = vec![Payload::Ext(Extension::Hash(hash))];
        body.extend(unsupported.iter().map(|code| notify(NotifyCode::UNSUPPORTED, code)));
        let composed = outline.compose(&body)?;
        self.seal(cx, &outline, &composed, true)
    }

    fn handle_response(&mut self, cx: &mut Cx<'_>, sealed: &Sealed<'_>) -> Result<(), DropReason> {
        let request = self.request.as_ref().filter(|r| r.t == sealed.t).ok_or(DropReason::Replayed)?;
        let limits = (cx.config.provider.sha256, cx.config.policy.max_message);
        let peer = self.origin.role.peer();
        let (opened, _) = self.responses.open(self.keys.protection(), peer, true, sealed, limits)?;
        let (raw, plaintext) = match opened {
            Opened::Pending => return Ok(()),
            Opened::Whole(plaintext) => (None, plaintext),
            Opened::Reassembled { raw, plaintext } => (Some(raw), plaintext),
        };
        let whole = raw.as_deref().map(Sealed::decode).transpose().map_err(|_| DropReason::BadFragment)?;
        let sealed = whole.as_ref().unwrap_or(sealed);
        let chain = OpenedChain::decode(sealed, &plaintext).map_err(|_| DropReason::Malformed)?;
        if sealed.header.data_type == DataType::INFO_RESP {
            let info = Info::parse(sealed, &chain).map_err(|_| DropReason::Malformed)?;
            if info.hash != Some(request.hash.as_ref()) {
                return Err(DropReason::BadAnswer);
            }
        }
        self.confirmed = true;
        self.request = None;
        Ok(())
    }

    fn outline(&self, data_type: DataType, t: u32) -> Outline<'static> {
        let SessionHeader { session, csb_id, prf } = self.origin.header;
        let v = data_type == DataType::INFO_REQ;
        Outline {
            header: Header { version: Version::V2, data_type, v, prf, csb_id, cs_map: CsMap::NONE },
            session,
            t,
            confidential: self.origin.choice.confidential,
        }
    }

    fn seal(
        &self,
        cx: &Cx<'_>,
        outline: &Outline<'_>,
        composed: &Composed,
        response: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let path = Path { datagram: cx.config.path, reassembly: MIN_REASSEMBLY };
        outline.seal(composed, self.keys.protection(), self.origin.role, response, path)
    }

    fn hash(&self, composed: &Composed) -> mikey_crypto::Digest {
        self.keys.prf().hash.digest(&composed.canon())
    }
}

/// Reasons of DELETE.
const DELETE_NORMAL: u8 = 0;
const DELETE_SAS_MISMATCH: u8 = 2;

/// Codes below this are answered by UNSUPPORTED if they are unknown.
const MUST_BE_ANSWERED: u16 = 0x8000;

fn notify<'a>(code: NotifyCode, data: &'a [u8]) -> Payload<'a> {
    Payload::Ext(Extension::Notify { code, data })
}
