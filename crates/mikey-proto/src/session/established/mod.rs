//! A session whose two ends have authenticated each other: its requests and responses, and when it ends (docs/spec.md,
//! "Exchanges", "REKEY and INFO").
//!
//! ```text
//!   Established --REKEY_REQ/RESP--> new keys     --INFO_REQ/RESP--> notifications, liveness, addresses
//!        '--DELETE, or no answer to a request--> Closed
//! ```
//!
//! Everything here is under the session's own keys: a message that does not verify is counted, and that is all.

mod group;
mod info;
mod rekey;
mod ticket;

use std::net::SocketAddr;

use mikey_crypto::{Digest, SecretBytes};
use mikey_wire::v2::{Opened as OpenedChain, Peek, Sealed};
use mikey_wire::{CsMap, DataType, GenericCs, Header, Version};

use crate::auth::Peer;
use crate::config::EndpointConfig;
use crate::error::{ApiMisuse, DropReason, Error};
use crate::event::{CloseReason, Event, SessionId};
use crate::group::GroupAsk;
use crate::keys::{Role, SessionKeys};
use crate::limits::{AMPLIFICATION, MAX_T, PATH_CHECK_LIFETIME, REKEY_PUT_OFF};
use crate::name::Name;
use crate::negotiate::Choice;
use crate::session::exchange::{Due, Inbound, Outstanding, Seen};
use crate::session::message::{Composed, Opened, Opener, Outline, Path};
use crate::session::{Cx, SessionHeader, resend};
use crate::streams::Agreed;
use crate::ticket::TicketId;
use crate::time::Time;

use group::Deferred;
use info::{PathCheck, SasState};
use rekey::{PendingKeys, RekeySent};

/// Where a session comes from.
pub(crate) struct Origin {
    pub(crate) id: SessionId,
    pub(crate) role: Role,
    pub(crate) header: SessionHeader,
    pub(crate) choice: Choice,
    pub(crate) remote: SocketAddr,
    /// Our own name.
    pub(crate) local: Name,
    pub(crate) peer: Peer,
    pub(crate) retargeted_from: Option<Name>,
    pub(crate) agreed: Vec<Agreed>,
    /// The longest message that the peer reassembles.
    pub(crate) reassembly: u16,
    pub(crate) has_sas: bool,
    /// The ticket that we issued with it.
    pub(crate) ticket: Option<TicketId>,
}

/// An established session.
pub(crate) struct Established {
    id: SessionId,
    role: Role,
    header: SessionHeader,
    choice: Choice,
    remote: SocketAddr,
    local: Name,
    peer: Peer,
    reassembly: u16,
    keys: SessionKeys,
    agreed: Vec<Agreed>,
    generation: u32,
    used_mkis: Vec<Vec<u8>>,
    /// Keys that we send under once the peer has shown that it has them, at the latest at a given time.
    pending: Option<PendingKeys>,
    /// We answered a REKEY, and until then do not know whether the peer has the answer.
    unsettled_until: Option<Time>,
    rekey_at: Option<Time>,
    inbound: Inbound,
    /// A request about a group whose answer is the controller's.
    deferred: Option<Deferred>,
    forget_at: Option<Time>,
    next_t: u32,
    /// When the last authentic message came.
    heard: Time,
    request: Option<Request>,
    requests: Opener,
    responses: Opener,
    sas: SasState,
    /// Whether the peer has shown that it is established as well. An initiator knows by the answer; a responder does not.
    confirmed: bool,
    /// The application waits to be told when the peer has shown that.
    unrecorded: bool,
    ticket: Option<TicketId>,
}

/// A request of ours on its way.
struct Request {
    t: u32,
    to: SocketAddr,
    /// H(canon(request)), which the response must repeat.
    hash: Digest,
    outstanding: Outstanding,
    kind: RequestKind,
}

enum RequestKind {
    /// Nothing but an answer is expected.
    Info,
    /// Whether the peer is at another address.
    PathCheck(PathCheck),
    Rekey(Box<RekeySent>),
    /// A ticket is expected.
    Ticket,
    /// Something about a group, by its SPI.
    Group(u64, GroupAsk),
}

/// Octets that may still go to an address that is not verified, after an answer to what came from it.
fn allowance(received: usize, sent: usize) -> usize {
    received.saturating_mul(AMPLIFICATION).saturating_sub(sent)
}

/// What a request or response leads to.
#[derive(Default)]
struct Effect {
    end: Option<CloseReason>,
}

impl Established {
    pub(crate) fn new(
        config: &EndpointConfig,
        now: Time,
        origin: Origin,
        keys: SessionKeys,
        inbound: Inbound,
    ) -> Self {
        let Origin {
            id, role, header, choice, remote, local, peer, agreed, reassembly, has_sas, ticket, ..
        } = origin;
        let initiator = role == Role::Initiator;
        let mki = agreed.first().map(|a| a.mki.clone());
        // Without them it is a member's session with its controller, whose keys have their own ways.
        let has_streams = !agreed.is_empty();
        Self {
            id,
            role,
            header,
            choice,
            remote,
            local,
            // The certificate has been reported; nobody needs it any more.
            peer: Peer { certificate: None, ..peer },
            reassembly,
            keys,
            agreed,
            generation: 0,
            used_mkis: mki.into_iter().collect(),
            pending: None,
            unsettled_until: None,
            // One side rekeys by time, so that the two do not cross.
            rekey_at: config.rekey_after.filter(|_| initiator && has_streams).map(|after| now + after),
            inbound,
            deferred: None,
            forget_at: Some(now + config.answers_kept()),
            // CCE_REQ or CCE2_REQ was the initiator's request number 0.
            next_t: initiator.into(),
            heard: now,
            request: None,
            requests: Opener::default(),
            responses: Opener::default(),
            sas: if has_sas { SasState::Shown } else { SasState::None },
            confirmed: initiator,
            unrecorded: false,
            ticket,
        }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn keys(&self) -> &SessionKeys {
        &self.keys
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// When the last authentic message came.
    pub(crate) fn heard(&self) -> Time {
        self.heard
    }

    /// The ticket that we issued with it.
    pub(crate) fn ticket(&self) -> Option<TicketId> {
        self.ticket
    }

    /// Its request may be a repeat. The peer is asked for something that no repeat can answer.
    pub(crate) fn wait_for_proof(&mut self, cx: &mut Cx<'_>) {
        self.unrecorded = true;
        cx.out.event(Event::ResumedUnrecorded { session: self.id });
        // It cannot fail but for want of randomness; then the peer's own first request or packet is waited for.
        let _ = self.probe(cx);
    }

    fn confirm(&mut self, cx: &mut Cx<'_>) {
        self.heard = cx.now;
        self.confirmed = true;
        if std::mem::take(&mut self.unrecorded) {
            cx.out.event(Event::ResumedProven { session: self.id });
        }
    }

    /// The key of the next call, once the SAS was confirmed.
    pub(crate) fn continuity(&self) -> Result<(Name, SecretBytes), ApiMisuse> {
        if self.sas != SasState::Confirmed {
            return Err(ApiMisuse::State);
        }
        let (id, key) = self.keys.continuity();
        Ok((Name::pseudonym(id), key))
    }

    /// When something is due.
    pub(crate) fn wake(&self) -> Option<Time> {
        let request = self.request.as_ref().and_then(|r| r.outstanding.wake());
        let pending = self.pending.as_ref().map(|p| p.at);
        let rekey = self.rekey_at.filter(|_| self.request.is_none());
        [request, pending, rekey, self.forget_at].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Option<CloseReason> {
        if self.pending.as_ref().is_some_and(|p| p.at <= cx.now) {
            self.switch(cx);
        }
        if self.forget_at.is_some_and(|at| at <= cx.now) {
            self.forget_at = None;
            self.inbound.forget_response();
            if !self.confirmed && self.request.is_none() {
                // The initiator may have given up before our answer came: ask, or the session stays for ever.
                let _ = self.probe(cx);
            }
        }
        let due = self.request.is_none() && self.rekey_at.is_some_and(|at| at <= cx.now);
        if due && self.rekey(cx, cx.config.rekey_with_dh).is_err() {
            self.rekey_at = Some(cx.now + REKEY_PUT_OFF);
        }
        let request = self.request.as_mut()?;
        match request.outstanding.due(cx.now) {
            Due::Nothing => None,
            Due::Resend => {
                if let RequestKind::PathCheck(check) = &mut request.kind {
                    check.resend(cx, &request.outstanding.datagrams);
                    return None;
                }
                cx.out.metrics.retransmissions += 1;
                cx.out.send(request.to, &request.outstanding.datagrams);
                None
            }
            Due::GiveUp => {
                let silent = !matches!(request.kind, RequestKind::PathCheck(_));
                self.request = None;
                silent.then_some(CloseReason::PeerSilent)
            }
        }
    }

    /// Handles a message for this session. `Ok(Some(_))` ends it.
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Option<CloseReason>, DropReason> {
        self.header.check(peek)?;
        let sealed = || Sealed::decode(raw).map_err(|_| DropReason::Malformed);
        match peek.data_type {
            DataType::INFO_REQ | DataType::REKEY_REQ | DataType::CCE_REQ | DataType::CCE2_REQ => {
                self.handle_request(cx, from, &sealed()?)
            }
            DataType::INFO_RESP | DataType::REKEY_RESP | DataType::ERROR => {
                self.handle_response(cx, from, &sealed()?).map(|()| None)
            }
            _ => Err(DropReason::WrongState),
        }
    }

    // R10.5
    fn handle_request(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        sealed: &Sealed<'_>,
    ) -> Result<Option<CloseReason>, DropReason> {
        let sha256 = cx.config.provider.sha256;
        match self.inbound.classify(sealed.t, || sha256.digest(&[sealed.raw])) {
            Seen::New if matches!(sealed.header.data_type, DataType::CCE_REQ | DataType::CCE2_REQ) => {
                return Err(DropReason::WrongState);
            }
            Seen::New => (),
            Seen::Repeat => {
                resend(cx, from, self.remote, sealed.raw.len(), self.inbound.response());
                if from != self.remote {
                    // Whoever copied the request first may not be the peer. This one may be, and can prove it.
                    let sent = self.inbound.response().iter().map(Vec::len).sum();
                    self.check_path(cx, from, allowance(sealed.raw.len(), sent));
                }
                return Err(DropReason::Repeat);
            }
            Seen::Stale => return Err(DropReason::Replayed),
        }
        let limits = (sha256, cx.config.policy.max_message);
        let (opened, digests) =
            self.requests.open(self.keys.protection(), self.role.peer(), false, sealed, limits)?;
        let (raw, plaintext) = match opened {
            Opened::Pending => return Ok(None),
            Opened::Whole(plaintext) => (None, plaintext),
            Opened::Reassembled { raw, plaintext } => (Some(raw), plaintext),
        };
        let whole = raw.as_deref().map(Sealed::decode).transpose().map_err(|_| DropReason::BadFragment)?;
        let sealed = whole.as_ref().unwrap_or(sealed);
        let chain = OpenedChain::decode(sealed, &plaintext).map_err(|_| DropReason::Malformed)?;
        if !chain.fits(self.choice.confidential) {
            return Err(DropReason::Malformed);
        }
        let canon = [sealed.before_kemac, &plaintext];
        self.confirm(cx);
        // A new request is proof that the peer has our last answer.
        self.unsettled_until = None;
        self.deferred = None;
        self.switch(cx);
        let (response, effect) = if sealed.header.data_type == DataType::REKEY_REQ {
            match self.answer_rekey(cx, sealed, &chain, canon) {
                Ok(response) => (response, Effect::default()),
                Err(why) => {
                    // It was authentic: its number is used, though there is no answer to it, now or to a repeat.
                    self.inbound.answered(sealed.t, digests, Vec::new());
                    return Err(why);
                }
            }
        } else {
            self.answer_info(cx, sealed, &chain, canon)?
        };
        self.deferred_from(from);
        cx.out.send(from, &response);
        let left = allowance(sealed.raw.len(), response.iter().map(Vec::len).sum());
        self.inbound.answered(sealed.t, digests, response);
        self.forget_at = Some(cx.now + cx.config.answers_kept());
        if from != self.remote && effect.end.is_none() {
            self.check_path(cx, from, left);
        }
        Ok(effect.end)
    }

    fn handle_response(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        sealed: &Sealed<'_>,
    ) -> Result<(), DropReason> {
        if self.request.as_ref().is_none_or(|r| r.t != sealed.t) {
            return Err(DropReason::Replayed);
        }
        let limits = (cx.config.provider.sha256, cx.config.policy.max_message);
        let (opened, _) =
            self.responses.open(self.keys.protection(), self.role.peer(), true, sealed, limits)?;
        let (raw, plaintext) = match opened {
            Opened::Pending => return Ok(()),
            Opened::Whole(plaintext) => (None, plaintext),
            Opened::Reassembled { raw, plaintext } => (Some(raw), plaintext),
        };
        let whole = raw.as_deref().map(Sealed::decode).transpose().map_err(|_| DropReason::BadFragment)?;
        let sealed = whole.as_ref().unwrap_or(sealed);
        let chain = OpenedChain::decode(sealed, &plaintext).map_err(|_| DropReason::Malformed)?;
        self.confirm(cx);
        let Some(request) = self.request.take() else { return Err(DropReason::Replayed) };
        let done = match (sealed.header.data_type, &request.kind) {
            (DataType::ERROR, _) => {
                self.refused(cx, &request);
                Ok(())
            }
            (DataType::REKEY_RESP, RequestKind::Rekey(sent)) => {
                self.finish_rekey(cx, sent, request.hash, sealed, &chain, &plaintext)
            }
            (DataType::INFO_RESP, kind) if !matches!(kind, RequestKind::Rekey(_)) => {
                self.finish_info(cx, from, &request, sealed, &chain)
            }
            _ => Err(DropReason::WrongState),
        };
        if done.is_err() {
            // What does not answer the request leaves it waiting.
            self.request = Some(request);
        }
        done
    }

    /// Sends a sealed request and waits for its response.
    fn send_request(
        &mut self,
        cx: &mut Cx<'_>,
        to: SocketAddr,
        t: u32,
        datagrams: Vec<Vec<u8>>,
        hash: Digest,
        kind: RequestKind,
    ) {
        cx.out.send(to, &datagrams);
        self.wait_for(cx, to, t, datagrams, hash, kind);
    }

    fn wait_for(
        &mut self,
        cx: &Cx<'_>,
        to: SocketAddr,
        t: u32,
        datagrams: Vec<Vec<u8>>,
        hash: Digest,
        kind: RequestKind,
    ) {
        let lifetime = match kind {
            RequestKind::PathCheck(_) => PATH_CHECK_LIFETIME,
            _ => cx.config.request_lifetime,
        };
        let outstanding = Outstanding::new(cx.now, lifetime, datagrams);
        self.request = Some(Request { t, to, hash, outstanding, kind });
    }

    /// The number of our next request; only one is outstanding at a time.
    // R10.6
    fn take_t(&mut self) -> Result<u32, ApiMisuse> {
        // A path check yields to every other request: what a stranger's address brings about must not be in their way.
        let busy = self.request.as_ref().is_some_and(|r| !matches!(r.kind, RequestKind::PathCheck(_)));
        if busy || self.next_t > MAX_T {
            return Err(ApiMisuse::State);
        }
        self.request = None;
        let t = self.next_t;
        self.next_t += 1;
        Ok(t)
    }

    fn outline<'a>(&self, data_type: DataType, t: u32, streams: Vec<GenericCs<'a>>) -> Outline<'a> {
        let SessionHeader { session, csb_id, prf } = self.header;
        let v = matches!(data_type, DataType::INFO_REQ | DataType::REKEY_REQ);
        let cs_map = CsMap::Generic(streams);
        Outline {
            header: Header { version: Version::V2, data_type, v, prf, csb_id, cs_map },
            session,
            t,
            confidential: self.choice.confidential || data_type == DataType::ERROR,
        }
    }

    fn seal(
        &self,
        cx: &Cx<'_>,
        outline: &Outline<'_>,
        composed: &Composed,
        response: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let path = Path { datagram: cx.config.path, reassembly: self.reassembly };
        outline.seal(composed, self.keys.protection(), self.role, response, path)
    }
}
