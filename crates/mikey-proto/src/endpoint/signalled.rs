//! INIT over signalling, CCE on the media path (docs/spec.md, "Signalling").
//!
//! ```text
//!   caller: offer -> INIT_REQ --offer/answer--> callee: answer -> INIT_RESP
//!           answered(media address, INIT_RESP) -> CCE_REQ on the media path -> the half-open session, wherever it came from
//! ```
//!
//! Signalling sends again by its own means and is no way to spoof UDP, so here there is no retransmission of INIT and no
//! cookie; the caps hold. Nothing is believed until CCE has verified: signalling may be in anybody's hands.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mikey_wire::v2::{InitReq, peek};
use mikey_wire::{DataType, DecodeError, ErrorNo};

use super::half_open::Cookie;
use super::{CallState, Endpoint, Key};
use crate::config::{Call, Signalled};
use crate::error::{ApiMisuse, DropReason, Error, Fault};
use crate::event::CallId;
use crate::limits::{MAX_INIT, MAX_SIGNALLED, SIGNALLED_LIFETIME};
use crate::session::Cx;
use crate::session::initiator::Taken;
use crate::session::responder::{HalfOpen, Reception};
use crate::time::Time;

/// The address of what did not come from one.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Why a message from signalling is of no use.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignallingError {
    /// Octets that are not the message that belongs here.
    Decode(DecodeError),
    /// Not an INIT_REQ in an offer, or not an INIT_RESP in an answer.
    DataType(DataType),
    /// The protocols that INIT_REQ lists are not those that the description offers: somebody took some out on the way, or
    /// put some in. It may be tried again with another offer.
    BiddingDown,
    /// Nothing in common with the offer, or another group is preferred: another offer is needed.
    NoCommonGround {
        /// The number of the error.
        error: ErrorNo,
    },
    /// An answer that does not fit the offer, or a message that is refused for a reason that is counted.
    Refused(DropReason),
    /// The share of the short authentication string is out: whoever answers only now needs an offer of its own.
    NeedsAnotherOffer,
    /// The call is over, or was not offered in signalling.
    UnknownCall,
}

impl fmt::Display for SignallingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(why) => write!(f, "{why}"),
            Self::DataType(ty) => write!(f, "a message of type {} does not belong here", ty.0),
            Self::BiddingDown => {
                f.write_str("the key management protocols that the message lists are not those offered")
            }
            Self::NoCommonGround { error } => {
                write!(f, "nothing in common with the offer (error {})", error.0)
            }
            Self::Refused(why) => write!(f, "refused: {why:?}"),
            Self::NeedsAnotherOffer => f.write_str("the answer came after the string was revealed"),
            Self::UnknownCall => f.write_str("there is no such offer"),
        }
    }
}

impl std::error::Error for SignallingError {}

impl Endpoint {
    /// Starts a call whose INIT_REQ goes into an offer of signalling: `a=key-mgmt:mikey` with the returned octets in base64.
    ///
    /// [`Call::sdp_ids`] lists the protocols of that offer. The call waits for answers until it is settled, or for
    /// [`SIGNALLED_LIFETIME`].
    ///
    /// # Errors
    /// As [`Self::connect`]; [`ApiMisuse::Signalled`] without SDP IDs.
    pub fn offer(&mut self, now: Time, call: &Call) -> Result<(CallId, Vec<u8>), Error> {
        self.now = now;
        if call.sdp_ids.is_none() {
            return Err(ApiMisuse::Signalled.into());
        }
        let id = CallId(self.fresh_id());
        let state = CallState {
            to: None,
            call: call.clone(),
            attempts: Vec::new(),
            resuming: None,
            made: 0,
            succeeded: false,
        };
        self.calls.insert(id, state);
        let started = self.start_attempt(id);
        if let Err(why) = started {
            self.calls.remove(&id);
            return Err(why);
        }
        let attempt = self.calls.get(&id).and_then(|state| self.attempts.get(state.attempts.first()?));
        let first =
            attempt.and_then(|attempt| attempt.first_message()).ok_or(Error::Bug("no first message"))?;
        Ok((id, first.to_vec()))
    }

    /// Takes an INIT_RESP out of an answer to [`Self::offer`]. CCE follows at `media`, the address of the media in that
    /// answer. A call that was forked has several answers, and each opens a branch: its DH is computed now, so who wants to
    /// talk only to whoever picks up takes the others' answers never.
    ///
    /// `signalled` is what the same answer says for authentication by fingerprint; without it, what [`Call::signalled`] said
    /// counts. Its own tls-id is that of the offer.
    ///
    /// # Errors
    /// [`SignallingError`]; the call goes on, as another answer may be the true one.
    pub fn answered(
        &mut self,
        now: Time,
        call: CallId,
        media: SocketAddr,
        octets: &[u8],
        signalled: Option<&Signalled>,
    ) -> Result<(), SignallingError> {
        self.now = now;
        let state = self.calls.get(&call).filter(|state| state.to.is_none());
        let state = state.ok_or(SignallingError::UnknownCall)?;
        let offered = state.call.signalled.as_ref().map(|said| &said.local_tls_id);
        if signalled.is_some_and(|said| offered != Some(&said.local_tls_id)) {
            return Err(SignallingError::Refused(DropReason::BadAnswer));
        }
        let attempts = state.attempts.clone();
        let peek = peek(octets).map_err(SignallingError::Decode)?;
        if peek.data_type != DataType::INIT_RESP {
            return Err(SignallingError::DataType(peek.data_type));
        }
        let spi_i = attempts.into_iter().find(|spi_i| *spi_i == peek.session.spi_i);
        let spi_i = spi_i.ok_or(SignallingError::Refused(DropReason::UnknownSession))?;
        let attempt = self.attempts.get_mut(&spi_i).ok_or(SignallingError::UnknownCall)?;
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        let taken = attempt.handle_answer(&mut cx, media, signalled, &peek, octets);
        self.reschedule(Key::Attempt(spi_i));
        match taken {
            Ok(Taken::Here) => Ok(()),
            Ok(Taken::NeedsAnotherAttempt) => Err(SignallingError::NeedsAnotherOffer),
            Err(Fault::Discard(why)) => Err(SignallingError::Refused(why)),
            Err(Fault::Fatal(_)) => Err(SignallingError::Refused(DropReason::BadAnswer)),
        }
    }

    /// Answers an INIT_REQ that came in an offer: the returned INIT_RESP goes into the answer. `protocols` are those that
    /// the description offers, in its order and separated by semicolons. The half-open session belongs to whatever address
    /// a CCE_REQ that verifies comes from.
    ///
    /// The same INIT_REQ again has the same answer, for an answer that is sent twice (183 and 200).
    ///
    /// # Errors
    /// [`SignallingError`]; there is no half-open session then.
    // R18.1, R18.3
    pub fn answer(&mut self, now: Time, octets: &[u8], protocols: &[u8]) -> Result<Vec<u8>, SignallingError> {
        self.now = now;
        self.half_open.expire(now);
        let refused = SignallingError::Refused;
        if octets.len() > MAX_INIT {
            return Err(refused(DropReason::TooLong));
        }
        let peek = peek(octets).map_err(SignallingError::Decode)?;
        if peek.data_type != DataType::INIT_REQ {
            return Err(SignallingError::DataType(peek.data_type));
        }
        let request = InitReq::decode(octets).map_err(SignallingError::Decode)?;
        if request.sdp_ids != Some(protocols) {
            return Err(SignallingError::BiddingDown);
        }
        let config = Arc::clone(&self.config);
        let m1 = request.without_cookie();
        let first = config.provider.sha256.digest(&[&m1]);
        if let Some((_, answer)) = self.half_open.answer(&first) {
            return Ok(answer.to_vec());
        }
        let full = self.half_open.crowd(NOWHERE).verified >= MAX_SIGNALLED;
        if full || self.sessions.len() >= config.max_sessions {
            return Err(refused(DropReason::Full));
        }
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        let expected = super::receive::expected(&self.expected, &request);
        match HalfOpen::open(&mut cx, NOWHERE, &request, &m1, expected, usize::MAX).map_err(refused)? {
            Reception::Opened(half_open) => {
                if self.half_open.remembered() >= config.max_half_open && self.half_open.evict_oldest() {
                    self.out.metrics.half_open_evicted += 1;
                }
                let answer = half_open.init_resp.to_vec();
                self.half_open.insert(now + SIGNALLED_LIFETIME, &first, Cookie::Shown, half_open);
                Ok(answer)
            }
            Reception::Refused(error, _) => Err(SignallingError::NoCommonGround { error }),
        }
    }

    /// Signalling has taken back an offer that [`Self::answer`] answered: somebody else picked up, or the caller hung up.
    /// Its half-open session is forgotten. A session that has come of it already stays.
    pub fn withdrawn(&mut self, octets: &[u8]) {
        let Ok(request) = InitReq::decode(octets) else { return };
        let first = self.config.provider.sha256.digest(&[&request.without_cookie()]);
        self.half_open.forget(&first);
    }
}
