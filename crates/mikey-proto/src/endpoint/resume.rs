//! RESUME in the endpoint: tickets given out and taken, calls with a ticket (docs/spec.md, "RESUME").

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use mikey_crypto::Digest;
use mikey_wire::v2::{Peek, ResumeReq};
use mikey_wire::{ErrorNo, Session};

use super::{CallState, Endpoint, Key};
use crate::auth::AuthLevel;
use crate::config::Call;
use crate::error::{DropReason, Error, Stage};
use crate::event::{CallId, CloseReason, Event, SessionId};
use crate::keys::{Role, SessionKeys};
use crate::limits::{MAX_INIT, MIN_REASSEMBLY, TICKET_LIFETIME};
use crate::session::established::{Established, Origin};
use crate::session::exchange::Inbound;
use crate::session::resume::{self, Answered, Resumed, Resuming};
use crate::session::{Cx, responder::unprotected_error};
use crate::streams;
use crate::ticket::{Issued, IssuedTicket, Redemption, Terms, Ticket, TicketId};
use crate::time::Time;

impl Endpoint {
    /// Calls a peer met before with a ticket of it: one round trip, and our media may flow at once
    /// ([`Event::EarlyKeysReady`]). If the peer does not take the ticket, INIT follows by itself.
    ///
    /// # Errors
    /// [`crate::ApiMisuse::Ticket`] if the ticket has expired or a stream of `call` has more than one policy.
    pub fn resume(
        &mut self,
        now: Time,
        to: SocketAddr,
        ticket: Ticket,
        call: &Call,
    ) -> Result<CallId, Error> {
        self.now = now;
        if call.signalled.is_some() || call.hidden_as.is_some() {
            // A resumed session is known by what its first one was known by, and by nothing new.
            return Err(crate::error::ApiMisuse::Ticket.into());
        }
        let id = CallId(self.fresh_id());
        let session = SessionId(self.fresh_id());
        let mut call = call.clone();
        call.to = Some(ticket.peer().clone());
        call.from = Some(ticket.terms.local.clone());
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        let (resuming, keys) = Resuming::start(&mut cx, id, session, to, &call, ticket)?;
        let spi_i = resuming.spi_i();
        self.resuming.insert(spi_i, resuming);
        let resuming = Some(spi_i);
        self.calls.insert(
            id,
            CallState { to: Some(to), call, attempts: Vec::new(), resuming, made: 0, succeeded: false },
        );
        self.out.event(Event::EarlyKeysReady { session, remote: to, keys });
        self.reschedule(Key::Resuming(spi_i));
        Ok(id)
    }

    pub(super) fn resume_req(&mut self, from: SocketAddr, raw: &[u8]) -> Result<(), DropReason> {
        if raw.len() > MAX_INIT {
            return Err(DropReason::TooLong);
        }
        let request = ResumeReq::decode(raw).map_err(|_| DropReason::Malformed)?;
        let first = self.config.provider.sha256.digest(&[&request.without_cookie()]);
        self.let_in(from, &first, request.cookie, (request.csb_id, request.spi_i), raw.len())?;
        let found = TicketId::of(request.ticket)
            .and_then(|ticket| Some((ticket, self.tickets.find(self.now, ticket)?)));
        let Some((ticket, issued)) = found else { return self.refuse_ticket(from, &request, raw.len()) };
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now: self.now, config: &config, out: &mut self.out };
        let answered = resume::answer(&mut cx, from, &request, &issued);
        if matches!(answered, Err(DropReason::NoCommonGround)) {
            // It was authentic and is used up: a repeat of it must not cost as much again.
            self.tickets.redeem(self.now, ticket);
        }
        let answered = answered?;
        // Recorded as used before anything that it brought is delivered.
        let recorded = match self.tickets.redeem(self.now, ticket) {
            Redemption::Granted => true,
            Redemption::Unrecorded => false,
            Redemption::Spent => return self.refuse_ticket(from, &request, raw.len()),
        };
        self.accept_resumed(from, first, answered, issued.terms.clone(), recorded);
        Ok(())
    }

    fn refuse_ticket(
        &mut self,
        from: SocketAddr,
        request: &ResumeReq<'_>,
        octets: usize,
    ) -> Result<(), DropReason> {
        let number = ErrorNo::INVALID_TICKET;
        if let Ok(error) = unprotected_error(request.csb_id, request.spi_i, number, None, None, octets) {
            self.out.send(from, &[error]);
        }
        Err(DropReason::BadTicket)
    }

    // R13.1
    fn accept_resumed(
        &mut self,
        from: SocketAddr,
        first: Digest,
        answered: Answered,
        terms: Terms,
        recorded: bool,
    ) {
        let Answered { peer, header, keys, agreed, early, response, ticket } = answered;
        let (id, ticket) = (SessionId(self.fresh_id()), TicketId(ticket));
        self.out.metrics.resumed += 1;
        if recorded {
            self.out.event(Event::EarlyKeysReady { session: id, remote: from, keys: early });
        }
        let srtp = streams::keys(Role::Responder, 0, &agreed, &keys.tgk());
        let (choice, local) = (terms.choice, terms.local.clone());
        self.issue(ticket, &keys, terms);
        let reassembly = MIN_REASSEMBLY;
        let role = Role::Responder;
        let origin = Origin {
            id,
            role,
            header,
            choice,
            remote: from,
            local,
            peer,
            retargeted_from: None,
            agreed,
            reassembly,
            has_sas: false,
            ticket: Some(ticket),
        };
        self.announce(&origin, None, None, srtp);
        self.out.send(from, std::slice::from_ref(&response));
        let expires = self.now + self.config.answers_kept();
        if self.half_open.remembered() >= self.config.max_half_open && self.half_open.evict_oldest() {
            self.out.metrics.half_open_evicted += 1;
        }
        self.half_open.remember(expires, &first, header.session, from, response);
        let mut established = Established::new(&self.config, self.now, origin, keys, Inbound::after(0));
        if !recorded {
            let config = Arc::clone(&self.config);
            established.wait_for_proof(&mut Cx { now: self.now, config: &config, out: &mut self.out });
        }
        self.add_session(header.session, established);
    }

    /// Remembers a ticket that was given out.
    pub(super) fn issue(&mut self, ticket: TicketId, keys: &SessionKeys, terms: Terms) {
        let psk = keys.resumption_psk(Role::Responder, &ticket.0);
        self.tickets.insert(self.now, TICKET_LIFETIME, ticket, IssuedTicket { psk, terms });
    }

    /// Asks the responder of a session that we initiated for a ticket: [`Event::TicketReady`] or [`Event::TicketRefused`]
    /// follows. CCE2 brings none by itself, and one that came before a SAS was compared stands for less than it does now.
    /// The new one takes the place of any other of the session.
    ///
    /// # Errors
    /// [`crate::ApiMisuse::UnknownSession`]; [`crate::ApiMisuse::State`] if resumption was not negotiated, the peer initiated
    /// the session or is known by its fingerprint alone, or another request is outstanding.
    pub fn request_ticket(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.in_session(now, session, |established, cx| established.request_ticket(cx))
    }

    /// Keeps a ticket that goes out, and forgets the one that the session had.
    pub(super) fn replace_ticket(&mut self, issued: Issued) {
        let Issued { id, ticket, replaced } = issued;
        if let Some(replaced) = replaced {
            self.tickets.revoke(replaced);
        }
        self.tickets.insert(self.now, TICKET_LIFETIME, id, ticket);
    }

    /// Forgets the ticket of a session whose keys or whose peer are in doubt.
    pub(super) fn revoke_tickets(&mut self, session: Session) {
        if let Some(ticket) = self.sessions.get(&session).and_then(Established::ticket) {
            self.tickets.revoke(ticket);
        }
    }

    /// Hands a ticket of the peer to the application.
    pub(super) fn receive_ticket(
        &mut self,
        session: SessionId,
        ticket: Option<(u32, Vec<u8>)>,
        keys: &SessionKeys,
        terms: Terms,
    ) {
        // What signalling vouched for, it vouched for in that call alone.
        let Some((lifetime, opaque)) = ticket.filter(|_| terms.level != AuthLevel::Fingerprint) else {
            return;
        };
        let psk = keys.resumption_psk(Role::Responder, &opaque);
        let expires = self.now + Duration::from_secs(lifetime.into());
        self.out.event(Event::TicketReady { session, ticket: Ticket { opaque, psk, terms, expires } });
    }

    pub(super) fn resume_resp(
        &mut self,
        from: SocketAddr,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<(), DropReason> {
        let spi_i = peek.session.spi_i;
        let resuming = self.resuming.get_mut(&spi_i).ok_or(DropReason::UnknownSession)?;
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let Resumed { peer, header, keys, agreed, ticket } = resuming.handle_response(&mut cx, peek, raw)?;
        let (call, id, terms) = (resuming.id, resuming.session, resuming.terms().clone());
        self.out.metrics.authenticated += 1;
        self.out.metrics.resumed += 1;
        self.unschedule(Key::Resuming(spi_i));
        self.resuming.remove(&spi_i);
        let srtp = streams::keys(Role::Initiator, 0, &agreed, &keys.tgk());
        let (choice, role, reassembly) = (terms.choice, Role::Initiator, MIN_REASSEMBLY);
        let local = terms.local.clone();
        let origin = Origin {
            id,
            role,
            header,
            choice,
            remote: from,
            local,
            peer,
            retargeted_from: None,
            agreed,
            reassembly,
            has_sas: false,
            ticket: None,
        };
        self.announce(&origin, Some(call), None, srtp);
        self.receive_ticket(id, ticket, &keys, terms);
        let established = Established::new(&self.config, self.now, origin, keys, Inbound::default());
        self.add_session(header.session, established);
        if let Some(state) = self.calls.get_mut(&call) {
            state.succeeded = true;
            state.resuming = None;
        }
        // The call may be over already: then there is nothing to settle.
        let _ = self.settle(call);
        Ok(())
    }

    /// Handles an unprotected ERROR for a RESUME_REQ. A ticket that is said to be refused is a reason to try INIT as well, and
    /// not to stop waiting: anyone may have said it.
    pub(super) fn resume_error(&mut self, spi_i: u64, raw: &[u8]) -> Result<(), DropReason> {
        let resuming = self.resuming.get_mut(&spi_i).ok_or(DropReason::UnknownSession)?;
        let mut cx = Cx { now: self.now, config: &self.config, out: &mut self.out };
        let before = resuming.refused;
        let result = resuming.handle_error(&mut cx, raw);
        let (call, refused) = (resuming.id, resuming.refused && !before);
        self.reschedule(Key::Resuming(spi_i));
        result?;
        if refused { self.start_attempt(call).map_err(|_| DropReason::Full) } else { Ok(()) }
    }

    pub(super) fn resuming_timeout(&mut self, spi_i: u64) {
        let config = Arc::clone(&self.config);
        let Some(resuming) = self.resuming.get_mut(&spi_i) else { return };
        let mut cx = Cx { now: self.now, config: &config, out: &mut self.out };
        if resuming.handle_timeout(&mut cx) {
            self.reschedule(Key::Resuming(spi_i));
            return;
        }
        let call = resuming.id;
        self.remove_resuming(spi_i);
        let Some(state) = self.calls.get_mut(&call) else { return };
        state.resuming = None;
        if state.attempts.is_empty() {
            self.calls.remove(&call);
            let why = Error::Timeout { stage: Stage::NoAnswer, hint: None };
            self.out.event(Event::CallFailed { call, why });
        }
    }

    /// Ends a RESUME that came to nothing, and with it the session of its early media.
    pub(super) fn remove_resuming(&mut self, spi_i: u64) {
        self.unschedule(Key::Resuming(spi_i));
        if let Some(resuming) = self.resuming.remove(&spi_i) {
            self.out.event(Event::Closed { session: resuming.session, why: CloseReason::Local });
        }
    }
}
