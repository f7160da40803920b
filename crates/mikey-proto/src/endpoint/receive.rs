//! What comes from the network, routed from cheap to dear (docs/spec.md, "Receiving").
//!
//! For INIT_REQ: size, form, repeat, cookie, names, policy, then DH. For everything else: SPIs, header, number, KEMAC, and
//! only then what is inside.

use std::net::SocketAddr;
use std::sync::Arc;

use mikey_crypto::Digest;
use mikey_wire::v2::{InitReq, Peek, peek};
use mikey_wire::{DataType, ErrorNo, Session, Version};

use super::half_open::Cookie;
use super::{Endpoint, Key};
use crate::config::Expected;
use crate::error::{DropReason, Fault};
use crate::event::{CallId, Event, SessionId};
use crate::keys::Role;
use crate::limits::{AMPLIFICATION, MAX_BRANCHES, MAX_DATAGRAM, MAX_INIT, MAX_UNVERIFIED_PER_ADDRESS};
use crate::name::Name;
use crate::sas::Sas;
use crate::session::established::{Established, Origin};
use crate::session::exchange::Inbound;
use crate::session::initiator::{Outcome, Taken};
use crate::session::responder::{HalfOpen, Reception, Shown, unprotected_error};
use crate::session::{Cx, binding, resend};
use crate::streams::{self, SrtpKeys};
use crate::ticket::{Terms, TicketId};
use crate::time::Time;

impl Endpoint {
    /// Takes a datagram that came from `from`. It has an effect, or it is counted in [`Self::metrics`].
    // R6.7
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        self.now = now;
        self.out.metrics.received(datagram.len());
        if let Err(why) = self.route(from, datagram) {
            self.out.dropped(why);
        }
    }

    // R4.8, R10.1
    fn route(&mut self, from: SocketAddr, raw: &[u8]) -> Result<(), DropReason> {
        if raw.len() > MAX_DATAGRAM {
            return Err(DropReason::TooLong);
        }
        if raw.first() == Some(&Version::V1.octet()) {
            return self.route_v1(from, raw);
        }
        let peek = peek(raw).map_err(|_| DropReason::Malformed)?;
        match peek.data_type {
            DataType::INIT_REQ => self.init_req(from, raw),
            DataType::RESUME_REQ => self.resume_req(from, raw),
            DataType::RESUME_RESP => self.resume_resp(from, &peek, raw),
            DataType::INIT_RESP => self.init_resp(from, &peek, raw),
            DataType::ERROR if peek.session.spi_r == 0 => self.unprotected(&peek, raw),
            DataType::CCE_REQ | DataType::CCE2_REQ => self.cce_req(from, &peek, raw),
            DataType::CCE_RESP | DataType::CCE2_RESP | DataType::ERROR
                if !self.sessions.contains_key(&peek.session) =>
            {
                self.cce_resp(from, &peek, raw)
            }
            // A second branch with the SPIs of a session would stand in its place: it is none.
            DataType::CCE_RESP
            | DataType::CCE2_RESP
            | DataType::INFO_REQ
            | DataType::INFO_RESP
            | DataType::REKEY_REQ
            | DataType::REKEY_RESP
            | DataType::ERROR => self.established(from, &peek, raw),
            _ => Err(DropReason::Unsupported),
        }
    }

    // R5.1
    fn init_req(&mut self, from: SocketAddr, raw: &[u8]) -> Result<(), DropReason> {
        if raw.len() > MAX_INIT {
            return Err(DropReason::TooLong);
        }
        let request = InitReq::decode(raw).map_err(|_| DropReason::Malformed)?;
        let config = Arc::clone(&self.config);
        let m1 = request.without_cookie();
        let first = config.provider.sha256.digest(&[&m1]);
        if self.sessions.len() >= config.max_sessions {
            return Err(DropReason::Full);
        }
        let opener = (request.csb_id, request.spi_i);
        let verified = self.let_in(from, &first, request.cookie, opener, raw.len())?;
        let mut cx = Cx { now: self.now, config: &config, out: &mut self.out };
        let expected = expected(&self.expected, &request);
        let at_most = match verified {
            Cookie::Shown => usize::MAX,
            Cookie::NotShown => raw.len().saturating_mul(AMPLIFICATION),
        };
        let opened = match HalfOpen::open(&mut cx, from, &request, &m1, expected, at_most) {
            Err(DropReason::CookieNeeded) => {
                return Err(self.ask_for_cookie(from, &first, opener, raw.len()));
            }
            Err(DropReason::BadKeyExchange) => {
                self.half_open.waste(self.now);
                return Err(DropReason::BadKeyExchange);
            }
            opened => opened?,
        };
        match opened {
            Reception::Opened(half_open) => {
                if self.half_open.remembered() >= config.max_half_open && self.half_open.evict_oldest() {
                    self.out.metrics.half_open_evicted += 1;
                }
                self.out.send(from, std::slice::from_ref(&half_open.init_resp));
                let expires = self.now + config.answers_kept();
                self.half_open.insert(expires, &first, verified, half_open);
                Ok(())
            }
            Reception::Refused(number, lists) => {
                let lists = lists.as_deref();
                if let Ok(error) =
                    unprotected_error(request.csb_id, request.spi_i, number, None, lists, raw.len())
                {
                    self.out.send(from, &[error]);
                }
                Err(DropReason::NoCommonGround)
            }
        }
    }

    /// Lets a first message in: one that was answered draws its answer again, and when there are too many half-open
    /// sessions, only an address that has shown a cookie of ours gets further.
    // R10.10
    pub(super) fn let_in(
        &mut self,
        from: SocketAddr,
        first: &Digest,
        cookie: Option<&[u8]>,
        (csb_id, spi_i): (u32, u64),
        octets: usize,
    ) -> Result<Cookie, DropReason> {
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now: self.now, config: &config, out: &mut self.out };
        if let Some((known, answer)) = self.half_open.answer(first) {
            resend(&mut cx, from, known, octets, &[answer]);
            return Err(DropReason::Repeat);
        }
        let crowd = self.half_open.crowd(from);
        let provider = &config.provider;
        let shown = cookie.map(|cookie| self.cookies.check(provider, self.now, from, first, cookie));
        if matches!(shown, Some(Ok(true))) {
            // Those who only borrow an address do not count against its owner.
            let full = crowd.verified >= config.max_half_open_per_address;
            return if full { Err(DropReason::Full) } else { Ok(Cookie::Shown) };
        }
        let load = self.half_open.len() + self.half_open.wasted(self.now);
        if load < config.cookie_threshold && crowd.unverified < MAX_UNVERIFIED_PER_ADDRESS {
            return Ok(Cookie::NotShown);
        }
        Err(self.ask_for_cookie(from, first, (csb_id, spi_i), octets))
    }

    /// Keeps nothing, and asks the sender of a first message to show that it has its address.
    fn ask_for_cookie(
        &mut self,
        from: SocketAddr,
        first: &Digest,
        (csb_id, spi_i): (u32, u64),
        octets: usize,
    ) -> DropReason {
        let provider = &self.config.provider;
        let Ok(cookie) = self.cookies.make(provider, self.now, from, first) else { return DropReason::Full };
        let number = ErrorNo::COOKIE_REQUIRED;
        if let Ok(error) = unprotected_error(csb_id, spi_i, number, Some(&cookie), None, octets) {
            self.out.metrics.cookies_sent += 1;
            self.out.send(from, &[error]);
        }
        DropReason::CookieNeeded
    }

    fn init_resp(&mut self, from: SocketAddr, peek: &Peek, raw: &[u8]) -> Result<(), DropReason> {
        let spi_i = peek.session.spi_i;
        let attempt = self.attempts.get_mut(&spi_i).ok_or(DropReason::UnknownSession)?;
        if attempt.is_in_signalling() {
            // Its answers come from where its offer went. Nobody on the media path can add one.
            return Err(DropReason::BadAnswer);
        }
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let call = attempt.id;
        let result = attempt.handle_answer(&mut cx, from, None, peek, raw);
        self.reschedule(Key::Attempt(spi_i));
        match result {
            Ok(Taken::NeedsAnotherAttempt) => self.again(call),
            Err(Fault::Discard(why)) => Err(why),
            _ => Ok(()),
        }
    }

    /// A further attempt for a SAS, while the call may have one more.
    fn again(&mut self, call: CallId) -> Result<(), DropReason> {
        let state = self.calls.get(&call).ok_or(DropReason::Closed)?;
        if state.made >= MAX_BRANCHES || state.succeeded {
            return Err(DropReason::Full);
        }
        self.start_attempt(call).map_err(|_| DropReason::Full)
    }

    // R15.3
    fn unprotected(&mut self, peek: &Peek, raw: &[u8]) -> Result<(), DropReason> {
        let spi_i = peek.session.spi_i;
        if self.resuming.contains_key(&spi_i) {
            return self.resume_error(spi_i, raw);
        }
        let attempt = self.attempts.get_mut(&spi_i).ok_or(DropReason::UnknownSession)?;
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let result = attempt.handle_error(&mut cx, raw);
        self.reschedule(Key::Attempt(spi_i));
        result
    }

    // R10.13
    fn cce_req(&mut self, from: SocketAddr, peek: &Peek, raw: &[u8]) -> Result<(), DropReason> {
        if self.sessions.contains_key(&peek.session) {
            return self.established(from, peek, raw);
        }
        let half_open = self.half_open.get_mut(&peek.session).ok_or(DropReason::UnknownSession)?;
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let before = half_open.held();
        let shown = half_open.handle(&mut cx, from, peek, raw);
        let join = half_open.take_join_request();
        self.out.metrics.fragments_evicted += self.half_open.holds(&peek.session, before);
        let Some(shown) = shown? else {
            if let Some((peer, request)) = join {
                self.join_requested(peek.session, from, peer, request);
            }
            return Ok(());
        };
        let id = SessionId(self.fresh_id());
        self.accept(peek.session, id, shown)
    }

    /// A half-open session has become a session.
    pub(super) fn accept(&mut self, session: Session, id: SessionId, shown: Shown) -> Result<(), DropReason> {
        let half_open = self.half_open.take(&session).ok_or(DropReason::UnknownSession)?;
        let accepted = half_open.into_accepted(shown)?;
        if let Some(signalled) = &accepted.signalled {
            self.expected.retain(|e| e.signalled != *signalled);
        }
        let keys = streams::keys(Role::Responder, 0, &accepted.agreed, &accepted.keys.tgk());
        let ticket = accepted.ticket.map(TicketId);
        if let Some(ticket) = ticket {
            let terms = Terms {
                local: accepted.local.clone(),
                remote: accepted.peer.name.clone(),
                level: accepted.peer.level,
                choice: accepted.choice,
            };
            self.issue(ticket, &accepted.keys, terms);
        }
        let origin = Origin {
            id,
            role: Role::Responder,
            header: accepted.header,
            choice: accepted.choice,
            remote: accepted.remote,
            local: accepted.local,
            peer: accepted.peer,
            retargeted_from: accepted.retargeted_from,
            agreed: accepted.agreed,
            reassembly: accepted.reassembly,
            has_sas: accepted.sas.is_some(),
            ticket,
        };
        self.announce(&origin, None, accepted.sas, keys);
        let established = Established::new(&self.config, self.now, origin, accepted.keys, accepted.inbound);
        self.add_session(session, established);
        Ok(())
    }

    fn cce_resp(&mut self, from: SocketAddr, peek: &Peek, raw: &[u8]) -> Result<(), DropReason> {
        let spi_i = peek.session.spi_i;
        let attempt = self.attempts.get_mut(&spi_i).ok_or(DropReason::UnknownSession)?;
        let call = attempt.id;
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let outcome = attempt.handle_protected(&mut cx, from, peek, raw);
        self.reschedule(Key::Attempt(spi_i));
        let Outcome::Established { verified, last } = outcome? else { return Ok(()) };
        let keys = streams::keys(Role::Initiator, 0, &verified.agreed, &verified.keys.tgk());
        let id = SessionId(self.fresh_id());
        let terms = Terms {
            local: verified.local.clone(),
            remote: verified.peer.name.clone(),
            level: verified.peer.level,
            choice: verified.choice,
        };
        let ticket = verified.ticket;
        let origin = Origin {
            id,
            role: Role::Initiator,
            header: verified.header,
            choice: verified.choice,
            remote: verified.remote,
            local: verified.local,
            peer: verified.peer,
            retargeted_from: verified.retargeted_from,
            agreed: verified.agreed,
            reassembly: verified.reassembly,
            has_sas: verified.sas.is_some(),
            ticket: None,
        };
        self.announce(&origin, Some(call), verified.sas, keys);
        self.joined(id, call, (verified.joined, verified.asked), &verified.keys);
        self.receive_ticket(id, ticket, &verified.keys, terms);
        let established = Established::new(&self.config, self.now, origin, verified.keys, Inbound::default());
        self.add_session(peek.session, established);
        if let Some(state) = self.calls.get_mut(&call) {
            state.succeeded = true;
        }
        if last {
            // The call may be over already: then there is nothing to settle.
            let _ = self.settle(call);
        }
        Ok(())
    }

    // R9.2
    pub(super) fn announce(
        &mut self,
        origin: &Origin,
        call: Option<CallId>,
        sas: Option<Sas>,
        keys: SrtpKeys,
    ) {
        let session = origin.id;
        self.out.event(Event::Established {
            session,
            call,
            role: origin.role,
            remote: origin.remote,
            peer: origin.peer.clone(),
            retargeted_from: origin.retargeted_from.clone(),
            negotiated: (&origin.choice).into(),
        });
        if let Some(sas) = sas {
            self.out.event(Event::SasReady { session, sas });
        }
        if !keys.streams.is_empty() {
            self.out.event(Event::SrtpKeysReady { session, keys });
        }
    }

    fn established(&mut self, from: SocketAddr, peek: &Peek, raw: &[u8]) -> Result<(), DropReason> {
        let established = self.sessions.get_mut(&peek.session).ok_or(DropReason::UnknownSession)?;
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let result = established.handle(&mut cx, from, peek, raw);
        self.reschedule(Key::Session(peek.session));
        if self.out.take_revoked() {
            self.revoke_tickets(peek.session);
        }
        if let Some(issued) = self.out.take_issued() {
            self.replace_ticket(issued);
        }
        if let Some(why) = result? {
            self.end_session(peek.session, why);
        }
        Ok(())
    }
}

/// The announced call that an INIT_REQ belongs to: both names and both tls-ids are those that were signalled.
pub(super) fn expected<'a>(announced: &'a [Expected], request: &InitReq<'_>) -> Option<&'a Expected> {
    let items = request.sdp_binding.as_ref()?;
    let caller = Name::from_wire(&request.id_i);
    let called = request.id_r.as_ref().map(Name::from_wire)?;
    announced.iter().find(|e| {
        e.initiator == caller && e.responder == called && binding::fits(&e.signalled, Some(items), true)
    })
}
