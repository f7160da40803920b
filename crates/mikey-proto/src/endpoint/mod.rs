//! The endpoint: one socket's worth of calls, half-open sessions and sessions, without the socket.
//!
//! Sessions are found by SPI, never by address. Nothing here returns an error for what a stranger sent: it has an effect or
//! is counted.

mod cookie;
mod groups;
mod half_open;
mod receive;
mod resume;
mod signalled;
mod stack;
mod v1;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_wire::Session;

use crate::auth::Peer;
use crate::config::{Call, EndpointConfig, Expected};
use crate::error::{ApiMisuse, Error};
use crate::event::{CallId, CloseReason, Event, Outbox, Output, SessionId};
use crate::metrics::Metrics;
use crate::name::Name;
use crate::session::Cx;
use crate::session::established::Established;
use crate::session::initiator::{Attempt, Outcome};
use crate::session::resume::Resuming;
use crate::ticket::{TicketStore, TicketTable};
use crate::time::Time;

use cookie::Cookies;
use half_open::HalfOpenTable;
pub(crate) use signalled::NOWHERE;
pub use signalled::SignallingError;

/// All calls and sessions of one socket.
///
/// Three kinds of input ([`Self::handle_datagram`], [`Self::handle_timeout`], and the calls of the application) and one
/// output: after each input, [`Self::poll_output`] is called until it returns [`Output::Timeout`].
///
/// Nothing in here reads a clock: `now` comes with every call and must not go backwards.
pub struct Endpoint {
    config: Arc<EndpointConfig>,
    out: Outbox,
    now: Time,
    cookies: Cookies,
    next_id: u64,
    attempts: HashMap<u64, Attempt>,
    calls: HashMap<CallId, CallState>,
    expected: Vec<Expected>,
    resuming: HashMap<u64, Resuming>,
    tickets: Box<dyn TicketStore>,
    half_open: HalfOpenTable,
    /// Who waits to be let into a group.
    joining: HashMap<SessionId, Session>,
    sessions: HashMap<Session, Established>,
    ids: HashMap<SessionId, Session>,
    timers: BTreeSet<(Time, Key)>,
    wakes: HashMap<Key, Time>,
    v1: Option<Box<v1::Version1>>,
    /// A session has ended since the stack was wiped.
    burn: bool,
}

/// A call and its attempts: one, unless a SAS makes further ones necessary.
struct CallState {
    /// Where it is called; `None` over signalling.
    to: Option<SocketAddr>,
    call: Call,
    attempts: Vec<u64>,
    /// A RESUME_REQ that may still be answered.
    resuming: Option<u64>,
    /// Attempts so far; each has one chance to guess a SAS.
    made: usize,
    succeeded: bool,
}

/// What a timer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Attempt(u64),
    Resuming(u64),
    Session(Session),
}

impl Endpoint {
    /// An endpoint with this configuration.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the configuration contradicts itself, [`Error::Random`] if there is no randomness.
    pub fn new(mut config: EndpointConfig) -> Result<Self, Error> {
        config.check()?;
        let tickets = config.tickets.take().unwrap_or_else(|| Box::new(TicketTable::default()));
        let config = Arc::new(config);
        Ok(Self {
            cookies: Cookies::new(&config.provider)?,
            v1: v1::Version1::new(&config)?,
            burn: false,
            config,
            out: Outbox::default(),
            now: Time::ZERO,
            next_id: 0,
            attempts: HashMap::new(),
            calls: HashMap::new(),
            expected: Vec::new(),
            resuming: HashMap::new(),
            tickets,
            half_open: HalfOpenTable::default(),
            joining: HashMap::new(),
            sessions: HashMap::new(),
            ids: HashMap::new(),
            timers: BTreeSet::new(),
            wakes: HashMap::new(),
        })
    }

    /// The time of the last input.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// From now on tells the keys of MIKEY messages by [`Event::MessageKeysReady`], for analysis. Nobody sees them unless this
    /// is called.
    pub fn log_message_keys(&mut self) {
        self.out.logs_keys = true;
    }

    /// Starts a call to the endpoint at `to`.
    ///
    /// # Errors
    /// [`ApiMisuse`] if there is no credential for it or its streams contradict themselves.
    pub fn connect(&mut self, now: Time, to: SocketAddr, call: &Call) -> Result<CallId, Error> {
        self.now = now;
        let id = CallId(self.fresh_id());
        let state = CallState {
            to: Some(to),
            call: call.clone(),
            attempts: Vec::new(),
            resuming: None,
            made: 0,
            succeeded: false,
        };
        self.calls.insert(id, state);
        let started = self.start_attempt(id);
        if started.is_err() {
            self.calls.remove(&id);
        }
        started.map(|()| id)
    }

    /// Starts an attempt of a call: the first one, or a further one that a SAS needs.
    fn start_attempt(&mut self, id: CallId) -> Result<(), Error> {
        let config = Arc::clone(&self.config);
        let state = self.calls.get_mut(&id).ok_or(ApiMisuse::UnknownSession)?;
        let mut cx = Cx { now: self.now, config: &config, out: &mut self.out };
        if state.made > 0 && state.call.hidden_as.as_ref().is_some_and(Name::is_pseudonym) {
            // R9.13: a pseudonym that is seen twice links the two.
            state.call.hidden_as = Some(Name::pseudonym(cx.random()?));
        }
        let attempt = Attempt::start(&mut cx, id, state.to, &state.call)?;
        let spi_i = attempt.spi_i();
        state.attempts.push(spi_i);
        state.made += 1;
        self.attempts.insert(spi_i, attempt);
        self.reschedule(Key::Attempt(spi_i));
        Ok(())
    }

    /// Announces a call that signalling has told of, to be authenticated by fingerprint. It is good for one session.
    ///
    /// # Errors
    /// [`ApiMisuse::Signalled`] if the caller's tls-id is missing, [`ApiMisuse::Name`] if the callee is none of our names.
    pub fn expect(&mut self, expected: Expected) -> Result<(), ApiMisuse> {
        if expected.signalled.remote_tls_id.is_none() {
            return Err(ApiMisuse::Signalled);
        }
        self.config.identity(&expected.responder).ok_or(ApiMisuse::Name)?;
        self.expected.push(expected);
        Ok(())
    }

    /// Forgets an announced call.
    pub fn forget_expected(&mut self, expected: &Expected) {
        self.expected.retain(|e| e != expected);
    }

    /// Says what the person here found when comparing the SAS. The peer is told. After `false` the session is over, and
    /// the call is not to be repeated by itself: each try is a guess for whoever is in between.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`]; [`ApiMisuse::State`] if the session has no SAS or another request is outstanding.
    pub fn confirm_sas(&mut self, now: Time, session: SessionId, same: bool) -> Result<(), Error> {
        self.now = now;
        let key = self.ids.get(&session).copied().ok_or(ApiMisuse::UnknownSession)?;
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        self.sessions.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?.confirm_sas(&mut cx, same)?;
        match same {
            true => self.reschedule(Key::Session(key)),
            false => {
                self.revoke_tickets(key);
                self.end_session(key, CloseReason::Local);
            }
        }
        Ok(())
    }

    /// Key continuity: the pre-shared key of the next call with this peer, and the pseudonym that it is found by. Only after
    /// the SAS was confirmed here. A later call in which it fails is a reason for alarm and for comparing again.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`]; [`ApiMisuse::State`] before the SAS was confirmed.
    pub fn continuity(&self, session: SessionId) -> Result<(Name, SecretBytes), ApiMisuse> {
        let key = self.ids.get(&session).ok_or(ApiMisuse::UnknownSession)?;
        self.sessions.get(key).ok_or(ApiMisuse::UnknownSession)?.continuity()
    }

    /// Ends a call: no further answer is taken. Sessions that came of it stay.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if it is over already.
    pub fn settle(&mut self, call: CallId) -> Result<(), ApiMisuse> {
        let state = self.calls.remove(&call).ok_or(ApiMisuse::UnknownSession)?;
        for spi_i in state.attempts {
            self.remove_attempt(spi_i);
        }
        if let Some(spi_i) = state.resuming {
            self.remove_resuming(spi_i);
        }
        Ok(())
    }

    /// Closes a session. The peer is told, once and without waiting for its answer.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if there is no such session.
    pub fn close(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.now = now;
        let Some(key) = self.ids.get(&session).copied() else { return Ok(self.close_v1(session)?) };
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        if let Some(established) = self.sessions.get_mut(&key) {
            established.close(&mut cx)?;
        }
        self.end_session(key, CloseReason::Local);
        Ok(())
    }

    /// Drops a session without telling the peer, who finds out by its own means.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if there is no such session.
    pub fn abandon(&mut self, session: SessionId) -> Result<(), ApiMisuse> {
        let Some(key) = self.ids.get(&session).copied() else { return self.close_v1(session) };
        self.end_session(key, CloseReason::Local);
        Ok(())
    }

    /// Asks the peer for a sign of life; [`Event::Closed`] comes if it stays silent.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`], or [`ApiMisuse::State`] while another request waits for its response.
    pub fn probe(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.now = now;
        let key = self.ids.get(&session).copied().ok_or(ApiMisuse::UnknownSession)?;
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        self.sessions.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?.probe(&mut cx)?;
        self.reschedule(Key::Session(key));
        Ok(())
    }

    /// Renews the SRTP keys of all streams of a session, with a new DH if `with_dh`. Media goes on meanwhile.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`], or [`ApiMisuse::State`] while another request waits for its response or the last
    /// REKEY is not settled.
    pub fn rekey(&mut self, now: Time, session: SessionId, with_dh: bool) -> Result<(), Error> {
        self.now = now;
        let Some(key) = self.ids.get(&session).copied() else { return self.rekey_v1(now, session) };
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        self.sessions.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?.rekey(&mut cx, with_dh)?;
        self.reschedule(Key::Session(key));
        Ok(())
    }

    /// Derives `len` octets for an application's own use, bound to this session (docs/spec.md, "Exporter").
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if there is no such session.
    pub fn export(
        &self,
        session: SessionId,
        label: &[u8],
        context: &[u8],
        len: u16,
    ) -> Result<SecretBytes, ApiMisuse> {
        let key = self.ids.get(&session).ok_or(ApiMisuse::UnknownSession)?;
        let established = self.sessions.get(key).ok_or(ApiMisuse::UnknownSession)?;
        Ok(established.keys().export(label, context, len))
    }

    /// Who the peer of a session is, and how well that is known by now: after [`Self::confirm_sas`] it is better known.
    #[must_use]
    pub fn peer(&self, session: SessionId) -> Option<&Peer> {
        match self.ids.get(&session) {
            Some(key) => self.sessions.get(key).map(Established::peer),
            None => self.v1.as_ref()?.peer(session),
        }
    }

    /// When the last authentic message of a session's peer came. Repeats do not count.
    #[must_use]
    pub fn heard(&self, session: SessionId) -> Option<Time> {
        self.sessions.get(self.ids.get(&session)?).map(Established::heard)
    }

    /// Where the peer of a session is.
    #[must_use]
    pub fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        match self.ids.get(&session) {
            Some(key) => self.sessions.get(key).map(Established::remote),
            None => self.v1.as_ref()?.remote(session),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        self.half_open.expire(now);
        self.v1_timeout(now);
        let config = Arc::clone(&self.config);
        // Each one once, whatever it asks for next: nothing that comes from outside may keep us here.
        let due: Vec<Key> =
            self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect();
        for key in due {
            self.unschedule(key);
            let mut cx = Cx { now, config: &config, out: &mut self.out };
            match key {
                Key::Attempt(spi_i) => {
                    let Some(attempt) = self.attempts.get_mut(&spi_i) else { continue };
                    match attempt.handle_timeout(&mut cx) {
                        Outcome::Over => self.end_attempt(spi_i),
                        _ => self.reschedule(key),
                    }
                }
                Key::Resuming(spi_i) => self.resuming_timeout(spi_i),
                Key::Session(session) => {
                    let Some(established) = self.sessions.get_mut(&session) else { continue };
                    match established.handle_timeout(&mut cx) {
                        Some(why) => self.end_session(session, why),
                        None => self.reschedule(key),
                    }
                }
            }
        }
    }

    /// The next output; [`Output::Timeout`] when there is nothing more.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.out.pop() {
            return output;
        }
        // After the last event, so that what the application dropped because of it is gone too.
        if core::mem::take(&mut self.burn) {
            stack::burn();
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        let v1 = self.v1.as_ref().and_then(|v1| v1.wake());
        Output::Timeout([timer, self.half_open.wake(), v1].into_iter().flatten().min())
    }

    /// The counters, and how many calls and sessions there are now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.out.metrics.clone();
        metrics.attempts = self.attempts.len();
        metrics.half_open = self.half_open.len();
        metrics.quirks = self.v1.as_ref().map(|v1| v1.quirks()).unwrap_or_default();
        metrics.sessions = self.sessions.len() + self.v1.as_ref().map_or(0, |v1| v1.sessions());
        metrics
    }

    /// Whether a handshake is under way, so that keys may come.
    #[must_use]
    pub fn expects_keys(&self) -> bool {
        let v1 = self.v1.as_ref().is_some_and(|v1| v1.is_calling());
        v1 || !self.attempts.is_empty() || !self.resuming.is_empty() || self.half_open.len() > 0
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn add_session(&mut self, session: Session, established: Established) {
        self.ids.insert(established.id(), session);
        self.sessions.insert(session, established);
        self.reschedule(Key::Session(session));
    }

    /// An attempt's time is up. The call fails with its last one.
    fn end_attempt(&mut self, spi_i: u64) {
        let Some(mut attempt) = self.remove_attempt(spi_i) else { return };
        let Some(state) = self.calls.get_mut(&attempt.id) else { return };
        state.attempts.retain(|other| *other != spi_i);
        if state.attempts.is_empty() && state.resuming.is_none() {
            let succeeded = state.succeeded;
            self.calls.remove(&attempt.id);
            if let Some(why) = attempt.failure().filter(|_| !succeeded) {
                self.out.event(Event::CallFailed { call: attempt.id, why });
            }
        }
    }

    fn remove_attempt(&mut self, spi_i: u64) -> Option<Attempt> {
        self.unschedule(Key::Attempt(spi_i));
        let attempt = self.attempts.remove(&spi_i)?;
        attempt.dismiss(&mut Cx { now: self.now, config: &self.config, out: &mut self.out });
        Some(attempt)
    }

    fn end_session(&mut self, session: Session, why: CloseReason) {
        if let Some(established) = self.sessions.remove(&session) {
            self.ids.remove(&established.id());
            self.burn = true;
            self.out.event(Event::Closed { session: established.id(), why });
        }
        self.unschedule(Key::Session(session));
    }

    fn reschedule(&mut self, key: Key) {
        self.unschedule(key);
        let wake = match key {
            Key::Attempt(spi_i) => self.attempts.get(&spi_i).map(Attempt::wake),
            Key::Resuming(spi_i) => self.resuming.get(&spi_i).and_then(Resuming::wake),
            Key::Session(session) => self.sessions.get(&session).and_then(Established::wake),
        };
        if let Some(at) = wake {
            self.timers.insert((at, key));
            self.wakes.insert(key, at);
        }
    }

    fn unschedule(&mut self, key: Key) {
        if let Some(at) = self.wakes.remove(&key) {
            self.timers.remove(&(at, key));
        }
    }
}
