//! A line: a driver, and the speech of each of its calls.
//!
//! One task owns a line and waits in [`Line::next`], which may be given up at any time without loss.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mikey::keying::{DropReason, Error as CallError, Negotiated, Role};
use mikey::{Agent, AgentEvent, Call, KeyLog, MediaError, MediaStream, Peer, Refused, SessionId, Side, Time};
use mikey_crypto::{CryptoProvider, SecureRandom};
use mikey_net::{Clock, Driver, Happening, Socket, Tap};

use crate::audio::g711::Law;
use crate::call::credentials::{Prepared, stream_start};
use crate::call::leg::{Leg, Pace, StreamStart, Tally};
use crate::error::{Error, Result, io_reason};

/// A closed session's peer has this long to close it too.
const LINGER: Duration = Duration::from_millis(100);

/// How a line speaks.
#[derive(Clone)]
pub(crate) struct Voice {
    /// The law.
    pub(crate) law: Law,
    /// How fast.
    pub(crate) pace: Pace,
    /// What is said in each call: whole frames.
    pub(crate) speech: Arc<[u8]>,
}

/// A line.
pub(crate) struct Line {
    driver: Driver,
    provider: CryptoProvider,
    voice: Voice,
    calls: BTreeMap<SessionId, Ongoing>,
    known: BTreeMap<SessionId, Known>,
    pending: VecDeque<LineEvent>,
    refused: u64,
}

struct Ongoing {
    leg: Leg,
    /// The crypto session in which we send.
    cs_id: u8,
}

/// An authenticated call.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Who of the two we are.
    pub(crate) role: Role,
    /// Where the peer is.
    pub(crate) remote: SocketAddr,
    /// Who it is.
    pub(crate) peer: Peer,
    /// What was negotiated.
    pub(crate) negotiated: Negotiated,
}

/// What happened on a line.
pub(crate) enum LineEvent {
    /// A peer was authenticated and the keys are there: speech flows.
    Started {
        /// The call.
        session: SessionId,
        /// Whom it is with.
        known: Known,
        /// Its streams.
        streams: Vec<MediaStream>,
        /// When.
        at: Time,
    },
    /// A call has ended.
    Over {
        /// The call.
        session: SessionId,
        /// Whom it was with.
        known: Known,
        /// What became of the speech.
        tally: Tally,
        /// The law that the peer spoke.
        heard_law: Law,
    },
    /// A call of ours came to nothing.
    CallFailed(CallError),
    /// An answer to a call of ours was refused; the call goes on.
    BranchFailed {
        /// Where it came from.
        remote: SocketAddr,
        /// Why.
        why: CallError,
    },
    /// Somebody who called was refused.
    CallerRefused {
        /// Where it is.
        remote: SocketAddr,
        /// Why.
        why: CallError,
    },
}

impl Line {
    /// Opens a line on an address.
    ///
    /// # Errors
    /// If the address is in use, or the configuration is of no use.
    pub(crate) fn open(
        address: SocketAddr,
        clock: Clock,
        prepared: Prepared,
        voice: Voice,
        key_log: Option<Box<dyn KeyLog>>,
    ) -> Result<Self> {
        let socket = Socket::bind(address).map_err(|error| {
            let error = Error::failed(format!("cannot listen on {address}: {}", io_reason(&error)));
            error.hint("choose another address or port, 0 for any")
        })?;
        let provider = prepared.config.provider.clone();
        let mut agent = Agent::new(prepared.config, socket.local_addr())
            .map_err(|error| Error::failed(error.to_string()))?;
        if let Some(log) = key_log {
            agent.log_keys(log);
        }
        Ok(Self {
            driver: Driver::new(socket, clock, agent),
            provider,
            voice,
            calls: BTreeMap::new(),
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            refused: 0,
        })
    }

    /// Shows what is on the wire to `tap`.
    pub(crate) fn tap(&mut self, tap: Box<dyn Tap>) {
        self.driver.tap(tap);
    }

    /// Where the line is.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.driver.local_addr()
    }

    /// Datagrams that were refused: media and key management.
    pub(crate) fn refused(&self) -> u64 {
        self.refused + self.driver.agent().metrics().all_drops()
    }

    /// Key management messages that did not verify.
    pub(crate) fn unverified(&self) -> u64 {
        self.driver.agent().metrics().drops(DropReason::Unauthenticated)
    }

    /// Whether a call is going on.
    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// If there is no credential for it.
    pub(crate) fn call(&mut self, to: SocketAddr, call: &Call) -> Result {
        self.driver.call(to, call).map(drop).map_err(|error| Error::failed(error.to_string()))
    }

    /// Says farewell in every call.
    pub(crate) fn hang_up(&mut self) {
        self.calls.values_mut().for_each(|ongoing| ongoing.leg.hang_up());
    }

    /// Waits for the next thing that happens.
    ///
    /// # Errors
    /// If the socket is of no more use.
    pub(crate) async fn next(&mut self) -> Result<LineEvent> {
        loop {
            self.speak()?;
            self.end_calls();
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let wake = self.calls.values().map(|ongoing| ongoing.leg.wake()).min();
            let (clock, driver) = (self.driver.clock(), &mut self.driver);
            tokio::select! {
                happening = driver.next() => {
                    let happening = happening
                        .map_err(|error| Error::failed(format!("the socket failed: {}", io_reason(&error))))?;
                    self.handle(happening)?;
                }
                () = sleep_until(clock, wake) => {}
            }
        }
    }

    /// Waits until everything has left, and a little for what the peers still send.
    pub(crate) async fn finish(&mut self) {
        self.driver.flush().await;
        let late = async { while self.driver.next().await.is_ok() {} };
        // Nothing that comes now changes anything but the counters.
        let _ = tokio::time::timeout(LINGER, late).await;
    }

    /// Sends what is due in every call.
    fn speak(&mut self) -> Result {
        let clock = self.driver.clock();
        for (session, ongoing) in &mut self.calls {
            let now = clock.now();
            let micros = u64::try_from(clock.unix_time(now).as_micros()).unwrap_or(u64::MAX);
            while let Some((kind, packet)) = ongoing.leg.poll(now, micros) {
                match self.driver.send_media(*session, ongoing.cs_id, kind, &packet) {
                    // The peer has just closed it: the event that says so is on its way.
                    Ok(_) | Err(MediaError::UnknownSession) => {}
                    Err(error) => return Err(Error::failed(format!("cannot send speech: {error}"))),
                }
            }
        }
        Ok(())
    }

    /// Closes the calls in which everything has been said.
    fn end_calls(&mut self) {
        let now = self.driver.clock().now();
        let over: Vec<SessionId> = self
            .calls
            .iter()
            .filter(|(_, ongoing)| ongoing.leg.is_over(now))
            .map(|(session, _)| *session)
            .collect();
        for session in over {
            self.end_call(session);
            // The peer may have closed it at the same moment.
            let _ = self.driver.close(session);
        }
    }

    fn end_call(&mut self, session: SessionId) {
        if let (Some(ongoing), Some(known)) = (self.calls.remove(&session), self.known.remove(&session)) {
            let (tally, heard_law) = (ongoing.leg.tally(), ongoing.leg.heard_law());
            self.pending.push_back(LineEvent::Over { session, known, tally, heard_law });
        }
    }

    fn handle(&mut self, happening: Happening) -> Result {
        match happening {
            Happening::Event(event) => return self.handle_event(event),
            Happening::Media(media) => {
                let now = self.driver.clock().now();
                if let Some(ongoing) = self.calls.get_mut(&media.session) {
                    ongoing.leg.hear(now, media.kind, &media.packet);
                }
            }
            Happening::Refused { why: Refused::Media(_) | Refused::Unknown, .. } => self.refused += 1,
            // STUN, TURN, DTLS and version 1 are not for this tool.
            _ => self.refused += 1,
        }
        Ok(())
    }

    fn handle_event(&mut self, event: AgentEvent) -> Result {
        match event {
            AgentEvent::Established { session, role, remote, peer, negotiated, .. } => {
                self.known.insert(session, Known { role, remote, peer, negotiated });
            }
            AgentEvent::MediaReady { session, streams } => return self.start_call(session, streams),
            AgentEvent::MediaFailed { why, .. } => {
                return Err(Error::failed(format!("the keys of the call could not be installed: {why}")));
            }
            AgentEvent::BranchFailed { remote, why, .. } => {
                self.pending.push_back(LineEvent::BranchFailed { remote, why });
            }
            AgentEvent::CallFailed { why, .. } => self.pending.push_back(LineEvent::CallFailed(why)),
            AgentEvent::CallerRefused { remote, why } => {
                self.pending.push_back(LineEvent::CallerRefused { remote, why });
            }
            AgentEvent::Closed { session, .. } => self.end_call(session),
            _ => {}
        }
        Ok(())
    }

    fn start_call(&mut self, session: SessionId, streams: Vec<MediaStream>) -> Result {
        let Some(known) = self.known.get(&session).cloned() else { return Ok(()) };
        let Some(own) = streams.iter().find(|stream| stream.sender == Side::Local).copied() else {
            return Ok(());
        };
        if self.calls.contains_key(&session) {
            return Ok(());
        }
        let random: &dyn SecureRandom = &*self.provider.random;
        let start = stream_start(random)?;
        let start = StreamStart { ssrc: own.ssrc.unwrap_or(start.ssrc), ..start };
        let Voice { law, pace, speech } = &self.voice;
        let now = self.driver.clock().now();
        let leg = Leg::new(now, *law, *pace, speech, start, self.provider.sha256);
        self.calls.insert(session, Ongoing { leg, cs_id: own.cs_id });
        self.pending.push_back(LineEvent::Started { session, known, streams, at: now });
        Ok(())
    }
}

async fn sleep_until(clock: Clock, at: Option<Time>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock.now())).await,
        None => pending().await,
    }
}
