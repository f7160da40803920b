//! A phone that is called: it rings, is picked up, or is told that somebody else was (RFC 3261 sections 8.2, 9.2, 13.3).

use std::net::SocketAddr;

use super::Outgoing;
use super::ids::Ids;
use super::message::{Message, Start};
use crate::error::Result;

/// What a phone's user learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PhoneEvent {
    /// Somebody calls.
    Called {
        /// The URI that From says.
        from: String,
        /// The offer.
        sdp: Vec<u8>,
    },
    /// The call was taken back.
    Cancelled,
    /// The caller has hung up.
    Over,
}

/// A phone with one call at most.
pub(crate) struct Phone {
    local: SocketAddr,
    ids: Ids,
    call: Option<Call>,
}

struct Call {
    invite: Message,
    tag: String,
    /// What the INVITE drew last, for the same INVITE again.
    last: Option<Message>,
    picked_up: bool,
}

impl Phone {
    pub(crate) fn new(local: SocketAddr, ids: Ids) -> Self {
        Self { local, ids, call: None }
    }

    /// Takes a message.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn handle(&mut self, message: &Message) -> Result<(Vec<Outgoing>, Option<PhoneEvent>)> {
        let Start::Request { method, .. } = &message.start else { return Ok((Vec::new(), None)) };
        let same_call = |call: &&mut Call| call.invite.field("Call-ID") == message.field("Call-ID");
        let answer = |code, reason| {
            Outgoing::response(Message::response(message, code, reason, None)).into_iter().collect::<Vec<_>>()
        };
        let idle = self.call.is_none();
        let call = self.call.as_mut().filter(same_call);
        Ok(match (method.as_str(), call) {
            ("INVITE", Some(call)) if call.invite.branch() == message.branch() => {
                (call.last.clone().and_then(Outgoing::response).into_iter().collect(), None)
            }
            ("INVITE", None) if idle => {
                let from = message.caller().unwrap_or_default().to_owned();
                let sdp = message.body.clone();
                let tag = self.ids.token()?;
                self.call = Some(Call { invite: message.clone(), tag, last: None, picked_up: false });
                (Vec::new(), Some(PhoneEvent::Called { from, sdp }))
            }
            ("INVITE", _) => (answer(486, "Busy Here"), None),
            ("CANCEL", Some(call)) if call.invite.branch() == message.branch() && !call.picked_up => {
                let mut out = answer(200, "OK");
                let over = Message::response(&call.invite, 487, "Request Terminated", Some(&call.tag));
                out.extend(Outgoing::response(over));
                self.call = None;
                (out, Some(PhoneEvent::Cancelled))
            }
            ("BYE", Some(call)) if call.picked_up => {
                self.call = None;
                (answer(200, "OK"), Some(PhoneEvent::Over))
            }
            ("ACK", _) => (Vec::new(), None),
            ("CANCEL" | "BYE", _) => (answer(481, "Call/Transaction Does Not Exist"), None),
            _ => (answer(501, "Not Implemented"), None),
        })
    }

    /// Rings, with an answer to the offer: 183.
    pub(crate) fn ring(&mut self, sdp: &[u8]) -> Option<Outgoing> {
        self.answer(183, "Session Progress", sdp)
    }

    /// Is picked up, with the same answer: 200.
    pub(crate) fn pick_up(&mut self, sdp: &[u8]) -> Option<Outgoing> {
        self.call.as_mut()?.picked_up = true;
        self.answer(200, "OK", sdp)
    }

    /// Refuses the call.
    pub(crate) fn refuse(&mut self, code: u16, reason: &str) -> Option<Outgoing> {
        let call = self.call.take()?;
        Outgoing::response(Message::response(&call.invite, code, reason, Some(&call.tag)))
    }

    fn answer(&mut self, code: u16, reason: &str, sdp: &[u8]) -> Option<Outgoing> {
        let call = self.call.as_mut()?;
        let response = Message::response(&call.invite, code, reason, Some(&call.tag))
            .with("Contact", format!("<sip:{}>", self.local))
            .with_sdp(sdp);
        call.last = Some(response.clone());
        Outgoing::response(response)
    }
}
