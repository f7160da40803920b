//! Calls on a line whose INIT goes over signalling, and which ring before somebody picks up.

use std::net::SocketAddr;

use mikey::keying::{Expected, Signalled, SignallingError};
use mikey::{Call, CallId, SessionId};

use super::Line;
use crate::error::{Error, Result};

impl Line {
    /// Starts a call; its INIT_REQ is for an offer.
    ///
    /// # Errors
    /// If there is no credential for it.
    pub(crate) fn offer(&mut self, call: &Call) -> Result<(CallId, Vec<u8>)> {
        let now = self.driver.clock().now();
        self.driver.agent_mut().offer(now, call).map_err(|error| Error::failed(error.to_string()))
    }

    /// Takes the INIT_RESP of an answer, with the address of the media in it.
    ///
    /// # Errors
    /// Why it is of no use; another one may be.
    pub(crate) fn answered(
        &mut self,
        call: CallId,
        media: SocketAddr,
        init_resp: &[u8],
        signalled: Option<&Signalled>,
    ) -> std::result::Result<(), SignallingError> {
        let now = self.driver.clock().now();
        self.driver.agent_mut().answered(now, call, media, init_resp, signalled)
    }

    /// Answers the INIT_REQ of an offer.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn answer(
        &mut self,
        init_req: &[u8],
        protocols: &str,
    ) -> std::result::Result<Vec<u8>, SignallingError> {
        let now = self.driver.clock().now();
        self.driver.agent_mut().answer(now, init_req, protocols.as_bytes())
    }

    /// Announces whom signalling says the next call is from, for authentication by fingerprint.
    ///
    /// # Errors
    /// If it does not say all that is needed.
    pub(crate) fn expect(&mut self, expected: Expected) -> Result {
        self.driver.agent_mut().expect(expected).map_err(|error| Error::failed(error.to_string()))
    }

    /// The offer was taken back.
    pub(crate) fn withdrawn(&mut self, init_req: &[u8]) {
        self.driver.agent_mut().withdrawn(init_req);
    }

    /// Takes no further answer to an offer.
    pub(crate) fn settle(&mut self, call: CallId) {
        // It may be over already.
        let _ = self.driver.agent_mut().settle(call);
    }

    /// Calls that get their keys from now on ring: what comes is heard, and nothing is said before [`Self::pick_up`].
    pub(crate) fn ring(&mut self) {
        self.rings = true;
    }

    /// Speech in a call starts.
    pub(crate) fn pick_up(&mut self, session: SessionId) {
        let now = self.driver.clock().now();
        if let Some(ongoing) = self.calls.get_mut(&session) {
            ongoing.picked_up(now);
        }
    }

    /// Packets of speech that were heard in the calls that go on.
    pub(crate) fn heard(&self) -> usize {
        self.calls.values().map(|ongoing| ongoing.leg.tally().received as usize).sum()
    }

    /// Ends a call in which nothing was said, and tells the peer.
    pub(crate) fn drop_call(&mut self, session: SessionId) {
        self.calls.remove(&session);
        self.known.remove(&session);
        // The peer may have closed it at the same moment.
        let _ = self.driver.close(session);
    }
}
