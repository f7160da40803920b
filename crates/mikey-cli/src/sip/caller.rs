//! The caller: one INVITE, as many early dialogs as phones ring, one dialog (RFC 3261 sections 8.1, 12, 13.2).

use std::net::SocketAddr;

use super::Outgoing;
use super::ids::Ids;
use super::message::{Message, Start, via};
use crate::error::Result;

/// Hops that an INVITE may take.
const MAX_FORWARDS: &str = "70";

/// What the caller's user learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallerEvent {
    /// A phone rings, and has answered the offer.
    Rings {
        /// The tag of its dialog.
        tag: String,
        /// The answer.
        sdp: Vec<u8>,
    },
    /// Somebody picked up.
    PickedUp {
        /// The tag of the dialog.
        tag: String,
        /// The answer.
        sdp: Vec<u8>,
    },
    /// Nobody did.
    Failed {
        /// The status.
        code: u16,
    },
    /// BYE was answered.
    Over,
}

/// A caller with one call.
pub(crate) struct Caller {
    local: SocketAddr,
    proxy: SocketAddr,
    ids: Ids,
    from: String,
    to: String,
    call_id: String,
    invite: Option<Message>,
    dialog: Option<Dialog>,
}

struct Dialog {
    remote: SocketAddr,
    to: String,
    tag: String,
}

impl Caller {
    /// Calls `to` in the name of `from`, both sip: URIs.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn new(local: SocketAddr, proxy: SocketAddr, from: &str, to: &str, ids: Ids) -> Result<Self> {
        Ok(Self {
            from: format!("<{from}>;tag={}", ids.token()?),
            call_id: format!("{}@{}", ids.token()?, local.ip()),
            local,
            proxy,
            ids,
            to: to.to_owned(),
            invite: None,
            dialog: None,
        })
    }

    /// INVITE with an offer.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn invite(&mut self, sdp: &[u8]) -> Result<Outgoing> {
        let invite = Message::request("INVITE", &self.to)
            .with("Via", via(self.local, &self.ids.branch()?))
            .with("Max-Forwards", MAX_FORWARDS)
            .with("From", self.from.clone())
            .with("To", format!("<{}>", self.to))
            .with("Call-ID", self.call_id.clone())
            .with("CSeq", "1 INVITE")
            .with("Contact", format!("<sip:{}>", self.local))
            .with_sdp(sdp);
        self.invite = Some(invite.clone());
        Ok(Outgoing::new(self.proxy, invite))
    }

    /// Takes a message; what belongs to another call or transaction is passed over.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn handle(&mut self, message: &Message) -> Result<(Vec<Outgoing>, Option<CallerEvent>)> {
        let nothing = Ok((Vec::new(), None));
        let Start::Response { code, .. } = message.start else { return nothing };
        let Some(invite) = &self.invite else { return nothing };
        if message.field("Call-ID") != Some(&self.call_id) {
            return nothing;
        }
        match (message.method(), code) {
            ("BYE", 200..) => {
                // Not that of a second phone, which was hung up at once.
                let ours = self.dialog.take_if(|dialog| message.to_tag() == Some(&dialog.tag));
                Ok((Vec::new(), ours.map(|_| CallerEvent::Over)))
            }
            ("INVITE", _) if message.branch() != invite.branch() => nothing,
            ("INVITE", 101..=199) => {
                let tag = message.to_tag().filter(|_| !message.body.is_empty());
                let rings = |tag: &str| CallerEvent::Rings { tag: tag.to_owned(), sdp: message.body.clone() };
                Ok((Vec::new(), tag.map(rings)))
            }
            ("INVITE", 200..=299) => self.picked_up(message),
            ("INVITE", 300..) => {
                let ack = self.ack_refusal(message);
                self.invite = None;
                Ok((ack.into_iter().collect(), Some(CallerEvent::Failed { code })))
            }
            _ => nothing,
        }
    }

    /// ACK goes straight to the phone, in a transaction of its own (RFC 3261 section 13.2.2.4).
    fn picked_up(&mut self, message: &Message) -> Result<(Vec<Outgoing>, Option<CallerEvent>)> {
        let (Some(tag), Some(to), Some(remote)) = (message.to_tag(), message.field("To"), message.contact())
        else {
            return Ok((Vec::new(), None));
        };
        let first = self.dialog.is_none();
        // A second phone may have picked up in the same moment: it is acknowledged, and not taken.
        let dialog = Dialog { remote, to: to.to_owned(), tag: tag.to_owned() };
        let known = self.dialog.as_ref().is_none_or(|dialog| dialog.tag == tag);
        let mut out = vec![Outgoing::new(remote, self.in_dialog("ACK", "1 ACK", &dialog)?)];
        if !known {
            out.push(Outgoing::new(remote, self.in_dialog("BYE", "2 BYE", &dialog)?));
        }
        let event = CallerEvent::PickedUp { tag: dialog.tag.clone(), sdp: message.body.clone() };
        if first {
            self.dialog = Some(dialog);
        }
        Ok((out, first.then_some(event)))
    }

    /// Ends the call.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn bye(&mut self) -> Result<Option<Outgoing>> {
        let Some(dialog) = &self.dialog else { return Ok(None) };
        Ok(Some(Outgoing::new(dialog.remote, self.in_dialog("BYE", "2 BYE", dialog)?)))
    }

    fn in_dialog(&self, method: &str, cseq: &str, dialog: &Dialog) -> Result<Message> {
        Ok(Message::request(method, &format!("sip:{}", dialog.remote))
            .with("Via", via(self.local, &self.ids.branch()?))
            .with("Max-Forwards", MAX_FORWARDS)
            .with("From", self.from.clone())
            .with("To", dialog.to.clone())
            .with("Call-ID", self.call_id.clone())
            .with("CSeq", cseq))
    }

    /// A refusal is acknowledged in the transaction of the INVITE (RFC 3261 section 17.1.1.3).
    fn ack_refusal(&self, response: &Message) -> Option<Outgoing> {
        let branch = self.invite.as_ref()?.branch()?;
        let ack = Message::request("ACK", &self.to)
            .with("Via", via(self.local, branch))
            .with("Max-Forwards", MAX_FORWARDS)
            .with("From", self.from.clone())
            .with("To", response.field("To")?)
            .with("Call-ID", self.call_id.clone())
            .with("CSeq", "1 ACK");
        Some(Outgoing::new(self.proxy, ack))
    }
}
