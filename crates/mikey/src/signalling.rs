//! What an agent has for signalling: INIT in an offer and its answers (docs/spec.md, "Signalling"), and media in clear while
//! a call has no keys.

use std::net::SocketAddr;

use mikey_proto::{Call, CallId, Error, Signalled, SignallingError, Time};

use crate::agent::Agent;
use crate::clear::ClearFrom;

impl Agent {
    /// Starts a call whose INIT_REQ goes into an offer of signalling; the octets are for `a=key-mgmt:mikey`.
    /// [`Call::sdp_ids`] lists the protocols of that offer.
    ///
    /// # Errors
    /// As [`Self::call`]; [`mikey_proto::ApiMisuse::Signalled`] without SDP IDs.
    pub fn offer(&mut self, now: Time, call: &Call) -> Result<(CallId, Vec<u8>), Error> {
        self.endpoint.offer(now, call)
    }

    /// Takes an INIT_RESP out of an answer to [`Self::offer`]; CCE follows at `media`, the address of the media in that
    /// answer. `signalled` is what the same answer says for authentication by fingerprint.
    ///
    /// # Errors
    /// [`SignallingError`]; the call goes on, as another answer may be the true one.
    pub fn answered(
        &mut self,
        now: Time,
        call: CallId,
        media: SocketAddr,
        init_resp: &[u8],
        signalled: Option<&Signalled>,
    ) -> Result<(), SignallingError> {
        self.endpoint.answered(now, call, media, init_resp, signalled)
    }

    /// Answers an INIT_REQ that came in an offer: the returned INIT_RESP goes into the answer. `protocols` are those that the
    /// description offers, in its order and separated by semicolons. The same INIT_REQ again has the same answer.
    ///
    /// # Errors
    /// [`SignallingError`]; nothing is kept of the offer then.
    pub fn answer(
        &mut self,
        now: Time,
        init_req: &[u8],
        protocols: &[u8],
    ) -> Result<Vec<u8>, SignallingError> {
        self.endpoint.answer(now, init_req, protocols)
    }

    /// Signalling has taken back an offer that [`Self::answer`] answered. A session that has come of it already stays.
    pub fn withdrawn(&mut self, init_req: &[u8]) {
        self.endpoint.withdrawn(init_req);
    }

    /// Takes media that is neither encrypted nor authenticated, from now until a session with its sender has keys
    /// ([`crate::AgentEvent::ClearEnded`]) or [`Self::refuse_clear`]. It comes as [`crate::Received::Clear`] and belongs to
    /// no session.
    ///
    /// This is for a call that begins as plain RTP and is to be secured: whoever is on the path can hear it, speak in it, and
    /// keep it so. What the person is told is the application's duty. A packet that came encrypted before its key is given
    /// out too, as noise, since nothing tells it apart; when the key is there it comes once more.
    pub fn accept_clear(&mut self, from: ClearFrom) {
        self.clear.accept(from);
    }

    /// Takes no more media in clear.
    pub fn refuse_clear(&mut self) {
        self.clear.refuse();
    }

    /// From whom media in clear is taken at the moment.
    #[must_use]
    pub fn accepts_clear(&self) -> Option<ClearFrom> {
        self.clear.accepted()
    }

    /// Packets that were taken in clear.
    #[must_use]
    pub fn clear_packets(&self) -> u64 {
        self.clear.packets
    }
}
