//! The endpoint: one socket's worth of calls, half-open sessions and sessions, without the socket.
//!
//! Sessions are found by SPI, never by address. Nothing here returns an error for what a stranger sent: it has an effect or
//! is counted.

mod cookie;
mod half_open;
mod receive;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_wire::Session;

use crate::config::{Call, EndpointConfig};
use crate::error::{ApiMisuse, Error};
use crate::event::{CallId, CloseReason, Event, Outbox, Output, SessionId};
use crate::metrics::Metrics;
use crate::session::Cx;
use crate::session::established::Established;
use crate::session::initiator::{Attempt, Outcome};
use crate::time::Time;

use cookie::Cookies;
use half_open::HalfOpenTable;

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
    calls: HashMap<CallId, u64>,
    half_open: HalfOpenTable,
    sessions: HashMap<Session, Established>,
    ids: HashMap<SessionId, Session>,
    timers: BTreeSet<(Time, Key)>,
    wakes: HashMap<Key, Time>,
}

/// What a timer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Attempt(u64),
    Session(Session),
}

impl Endpoint {
    /// An endpoint with this configuration.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the configuration contradicts itself, [`Error::Random`] if there is no randomness.
    pub fn new(config: EndpointConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            cookies: Cookies::new(&config.provider)?,
            config: Arc::new(config),
            out: Outbox::default(),
            now: Time::ZERO,
            next_id: 0,
            attempts: HashMap::new(),
            calls: HashMap::new(),
            half_open: HalfOpenTable::default(),
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

    /// Starts a call to the endpoint at `to`.
    ///
    /// # Errors
    /// [`ApiMisuse`] if there is no credential for it or its streams contradict themselves.
    pub fn connect(&mut self, now: Time, to: SocketAddr, call: &Call) -> Result<CallId, Error> {
        self.now = now;
        let id = CallId(self.fresh_id());
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        let attempt = Attempt::start(&mut cx, id, to, call)?;
        let spi_i = attempt.spi_i();
        self.calls.insert(id, spi_i);
        self.attempts.insert(spi_i, attempt);
        self.reschedule(Key::Attempt(spi_i));
        Ok(id)
    }

    /// Ends a call: no further answer is taken. Sessions that came of it stay.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if it is over already.
    pub fn settle(&mut self, call: CallId) -> Result<(), ApiMisuse> {
        let spi_i = self.calls.get(&call).copied().ok_or(ApiMisuse::UnknownSession)?;
        self.end_attempt(spi_i);
        Ok(())
    }

    /// Closes a session. The peer is told, once and without waiting for its answer.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if there is no such session.
    pub fn close(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.now = now;
        let key = self.ids.get(&session).copied().ok_or(ApiMisuse::UnknownSession)?;
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
        let key = self.ids.get(&session).copied().ok_or(ApiMisuse::UnknownSession)?;
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

    /// Where the peer of a session is.
    #[must_use]
    pub fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        self.sessions.get(self.ids.get(&session)?).map(Established::remote)
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = now;
        self.half_open.expire(now);
        let config = Arc::clone(&self.config);
        while let Some((_, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
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
        let timer = self.timers.first().map(|(at, _)| *at);
        Output::Timeout([timer, self.half_open.wake()].into_iter().flatten().min())
    }

    /// The counters, and how many calls and sessions there are now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.out.metrics.clone();
        metrics.attempts = self.attempts.len();
        metrics.half_open = self.half_open.len();
        metrics.sessions = self.sessions.len();
        metrics
    }

    /// Whether a handshake is under way, so that keys may come.
    #[must_use]
    pub fn expects_keys(&self) -> bool {
        !self.attempts.is_empty() || self.half_open.len() > 0
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

    fn end_attempt(&mut self, spi_i: u64) {
        if let Some(attempt) = self.attempts.remove(&spi_i) {
            self.calls.remove(&attempt.id);
        }
        self.unschedule(Key::Attempt(spi_i));
    }

    fn end_session(&mut self, session: Session, why: CloseReason) {
        if let Some(established) = self.sessions.remove(&session) {
            self.ids.remove(&established.id());
            self.out.event(Event::Closed { session: established.id(), why });
        }
        self.unschedule(Key::Session(session));
    }

    fn reschedule(&mut self, key: Key) {
        self.unschedule(key);
        let wake = match key {
            Key::Attempt(spi_i) => self.attempts.get(&spi_i).map(Attempt::wake),
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
