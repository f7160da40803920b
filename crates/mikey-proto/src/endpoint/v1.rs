//! Version 1 over datagrams: what is sent again, what belongs to which call, and the sessions that come of it.
//!
//! Invariant: a datagram of version 1 touches nothing of version 2, and an answer is never longer than three times what it
//! answers.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use mikey_wire::{DataType, Quirk};

use super::Endpoint;
use crate::auth::Peer;
use crate::config::EndpointConfig;
use crate::error::{ApiMisuse, DropReason, Error, Stage};
use crate::event::{CallId, CloseReason, Event, SessionId};
use crate::limits::AMPLIFICATION;
use crate::session::exchange::{Due, Outstanding};
use crate::time::Time;
use crate::v1::{self, Agreement, BundleId, Known, Offer, Offered, Party, Pending, ReplayRefusal, Update};

/// The calls and sessions of version 1.
pub(super) struct Version1 {
    party: Party,
    /// By CSB ID.
    calls: HashMap<u32, Calling>,
    timers: BTreeSet<(Time, u32)>,
    sessions: HashMap<SessionId, Session>,
    by_bundle: HashMap<BundleId, SessionId>,
}

/// An I_MESSAGE that awaits its response.
struct Calling {
    id: Option<CallId>,
    to: SocketAddr,
    request: Outstanding,
    /// Where its timer stands.
    wake: Option<Time>,
    pending: Pending,
    /// What an unauthenticated ERROR said: for the person who waits, and nothing else.
    hint: Option<v1::Error>,
}

struct Session {
    bundle: BundleId,
    remote: SocketAddr,
    peer: Peer,
    mki: Vec<u8>,
}

impl Version1 {
    pub(super) fn new(config: &Arc<EndpointConfig>) -> Result<Option<Box<Self>>, ApiMisuse> {
        if config.v1.is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Self {
            party: Party::new(Arc::clone(config))?.beside_version_2(),
            calls: HashMap::new(),
            timers: BTreeSet::new(),
            sessions: HashMap::new(),
            by_bundle: HashMap::new(),
        })))
    }

    pub(super) fn wake(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn is_calling(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(super) fn quirks(&self) -> [u64; Quirk::ALL.len()] {
        Quirk::ALL.map(|quirk| self.party.quirks(quirk))
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn remote(&self, session: SessionId) -> Option<SocketAddr> {
        self.sessions.get(&session).map(|session| session.remote)
    }

    pub(super) fn peer(&self, session: SessionId) -> Option<&Peer> {
        self.sessions.get(&session).map(|session| &session.peer)
    }

    fn insert(&mut self, csb_id: u32, mut calling: Calling) {
        self.remove(csb_id);
        calling.wake = calling.request.wake();
        self.timers.extend(calling.wake.map(|at| (at, csb_id)));
        self.calls.insert(csb_id, calling);
    }

    fn remove(&mut self, csb_id: u32) -> Option<Calling> {
        let calling = self.calls.remove(&csb_id)?;
        if let Some(at) = calling.wake {
            self.timers.remove(&(at, csb_id));
        }
        Some(calling)
    }
}

impl Endpoint {
    /// Starts a call of version 1 to the endpoint at `to`. It is over when [`Event::V1Established`] or [`Event::CallFailed`]
    /// comes. Without a response to wait for the message goes out once, and whether it arrives is not known.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the configuration has no policy for version 1; [`Error::V1`] as [`Party::offer`] has it.
    pub fn connect_v1(&mut self, now: Time, to: SocketAddr, offer: &Offer) -> Result<CallId, Error> {
        self.now = now;
        let id = CallId(self.fresh_id());
        let version1 = self.v1.as_mut().ok_or(ApiMisuse::Policy("version 1"))?;
        let offered = version1.party.offer(now, offer).map_err(Error::V1)?;
        self.send_v1(now, Some(id), to, offered);
        Ok(id)
    }

    fn send_v1(&mut self, now: Time, id: Option<CallId>, to: SocketAddr, offered: Offered) {
        let Offered { message, agreement, pending } = offered;
        self.out.send(to, std::slice::from_ref(&message));
        if let (Some(pending), Some(version1)) = (pending, &mut self.v1) {
            let request = Outstanding::new(now, self.config.request_lifetime, vec![message]);
            version1.insert(pending.csb_id(), Calling { id, to, request, wake: None, pending, hint: None });
        }
        if let Some(agreement) = agreement {
            self.agreed_v1(id, to, agreement);
        }
    }

    /// New keys for a session of version 1 that we initiated.
    pub(super) fn rekey_v1(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        let version1 = self.v1.as_mut().ok_or(ApiMisuse::UnknownSession)?;
        let known = version1.sessions.get(&session).ok_or(ApiMisuse::UnknownSession)?;
        if version1.calls.contains_key(&known.bundle.csb_id) {
            return Err(ApiMisuse::State.into());
        }
        let mut mki = known.mki.clone();
        while !mki.is_empty() && mki == known.mki {
            self.config.provider.random.fill(&mut mki)?;
        }
        let (update, remote) = (Update::rekey(known.bundle.clone(), mki), known.remote);
        let offered = version1.party.update(now, &update).map_err(Error::V1)?;
        self.send_v1(now, None, remote, offered);
        Ok(())
    }

    /// Forgets a session of version 1, which has no message to tell the peer.
    pub(super) fn close_v1(&mut self, session: SessionId) -> Result<(), ApiMisuse> {
        let version1 = self.v1.as_mut().ok_or(ApiMisuse::UnknownSession)?;
        let known = version1.sessions.remove(&session).ok_or(ApiMisuse::UnknownSession)?;
        version1.by_bundle.remove(&known.bundle);
        version1.remove(known.bundle.csb_id);
        version1.party.forget(&known.bundle);
        self.out.event(Event::Closed { session, why: CloseReason::Local });
        Ok(())
    }

    pub(super) fn route_v1(&mut self, from: SocketAddr, raw: &[u8]) -> Result<(), DropReason> {
        let (Some(&ty), Some(csb_id)) = (raw.get(1), raw.get(4..8).and_then(|octets| octets.try_into().ok()))
        else {
            return Err(DropReason::Malformed);
        };
        let csb_id = u32::from_be_bytes(csb_id);
        match DataType(ty) {
            DataType::PSK_VERIFY
            | DataType::PK_VERIFY
            | DataType::DH_RESP
            | DataType::DHHMAC_RESP
            | DataType::RSA_R_RESP
            | DataType::ERROR => self.v1_response(from, csb_id, raw),
            _ => self.v1_request(from, raw),
        }
    }

    fn v1_request(&mut self, from: SocketAddr, raw: &[u8]) -> Result<(), DropReason> {
        let now = self.now;
        let version1 = self.v1.as_mut().ok_or(DropReason::Unsupported)?;
        if version1.sessions.len() >= self.config.max_sessions {
            return Err(DropReason::Full);
        }
        let at_most = raw.len().saturating_mul(AMPLIFICATION);
        match version1.party.answer(now, raw, &Known::default()) {
            Ok(answer) => {
                let message = answer.message.filter(|message| message.len() <= at_most);
                self.out.send(from, message.as_slice());
                match answer.agreement {
                    Some(agreement) => self.agreed_v1(None, from, agreement),
                    None => return Err(DropReason::Repeat),
                }
                Ok(())
            }
            Err(refused) => {
                let why = drop_reason(&refused.why);
                // Who is known, and refused, is told what would do; a stranger gets no more than it sent.
                let at_most = if why == DropReason::NoCommonGround { at_most } else { raw.len() };
                let message = refused.answer.filter(|message| message.len() <= at_most);
                self.out.send(from, message.as_slice());
                // What an authenticated peer wants and does not get is news; what a stranger sends is noise.
                if why == DropReason::NoCommonGround {
                    self.out.metrics.refused += 1;
                    self.out.event(Event::CallerRefused { remote: from, why: Error::V1(refused.why) });
                }
                Err(why)
            }
        }
    }

    fn v1_response(&mut self, from: SocketAddr, csb_id: u32, raw: &[u8]) -> Result<(), DropReason> {
        let now = self.now;
        let version1 = self.v1.as_mut().ok_or(DropReason::Unsupported)?;
        let calling = version1.calls.get_mut(&csb_id).ok_or(DropReason::UnknownSession)?;
        let id = calling.id;
        match version1.party.finish(now, &mut calling.pending, raw) {
            Ok(agreement) => {
                version1.remove(csb_id);
                // Where it came from is where media goes: the MAC or signature vouches for who sent it.
                self.agreed_v1(id, from, agreement);
                Ok(())
            }
            Err(why @ v1::Error::Refused { authenticated: true, .. }) => {
                version1.remove(csb_id);
                self.failed_v1(id, Error::V1(why));
                Ok(())
            }
            Err(why) => {
                let reason = drop_reason(&why);
                if why != v1::Error::NotOurs {
                    calling.hint = Some(why);
                }
                Err(reason)
            }
        }
    }

    fn failed_v1(&mut self, id: Option<CallId>, why: Error) {
        if let Some(call) = id {
            self.out.event(Event::CallFailed { call, why });
        }
    }

    fn agreed_v1(&mut self, call: Option<CallId>, remote: SocketAddr, agreement: Agreement) {
        let fresh = SessionId(self.fresh_id());
        let Some(version1) = &mut self.v1 else { return };
        let Agreement { bundle, mode, role, peer, keys, update, quirks, peer_speaks_v2, .. } = agreement;
        let session = *version1.by_bundle.entry(bundle.clone()).or_insert(fresh);
        let mki = keys.streams.first().map(|stream| stream.mki.clone()).unwrap_or_default();
        version1.sessions.insert(session, Session { bundle, remote, peer: peer.clone(), mki });
        self.out.metrics.authenticated += 1;
        self.out.event(Event::V1Established {
            session,
            call,
            role,
            remote,
            peer,
            mode,
            update,
            peer_speaks_v2,
            quirks,
        });
        self.out.event(Event::SrtpKeysReady { session, keys });
    }

    pub(super) fn v1_timeout(&mut self, now: Time) {
        let Some(version1) = &mut self.v1 else { return };
        let due: Vec<u32> =
            version1.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, csb_id)| *csb_id).collect();
        for csb_id in due {
            let Some(version1) = &mut self.v1 else { return };
            let Some(mut calling) = version1.remove(csb_id) else { continue };
            match calling.request.due(now) {
                Due::GiveUp => {
                    let silent = Error::Timeout { stage: Stage::NoAnswer, hint: None };
                    let why = calling.hint.map_or(silent, Error::V1);
                    self.failed_v1(calling.id, why);
                }
                due => {
                    if due == Due::Resend {
                        self.out.metrics.retransmissions += 1;
                        self.out.send(calling.to, &calling.request.datagrams);
                    }
                    version1.insert(csb_id, calling);
                }
            }
        }
    }
}

/// Under what a refused message is counted.
fn drop_reason(why: &v1::Error) -> DropReason {
    match why {
        v1::Error::Decode(_) => DropReason::Malformed,
        v1::Error::DataType(_) | v1::Error::Algorithm { .. } | v1::Error::Misuse(_) => {
            DropReason::Unsupported
        }
        v1::Error::Time(ReplayRefusal::Full) => DropReason::Full,
        v1::Error::Time(_) => DropReason::Replayed,
        v1::Error::Auth | v1::Error::Certificate(_) => DropReason::Unauthenticated,
        v1::Error::Name => DropReason::NotForUs,
        v1::Error::KeyExchange => DropReason::BadKeyExchange,
        v1::Error::NotOurs | v1::Error::UnknownBundle => DropReason::UnknownSession,
        v1::Error::Refused { .. } => DropReason::BadError,
        v1::Error::Keys(_)
        | v1::Error::Streams(_)
        | v1::Error::Mismatch(_)
        | v1::Error::BiddingDown
        | v1::Error::Downgrade => DropReason::NoCommonGround,
        v1::Error::Random | v1::Error::Bug(_) => DropReason::WrongState,
    }
}
