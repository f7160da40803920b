//! As much of SIP (RFC 3261) as a call needs that a proxy forks: a caller, phones, a forking proxy, and the text they speak.
//!
//! Each part takes messages and says what goes out, without socket and clock. It is there to carry offers and answers over
//! a loopback that loses nothing: nothing is sent again, there is no authentication and no registrar, and a proxy does not
//! stay in the path of a call.
//!
//! ```text
//!   Caller --INVITE--> Proxy --INVITE--> Phone, Phone, Phone
//!          <-183, 200--      <-183, 200--        CANCEL to those that did not pick up
//!          --------------ACK, BYE---------------> the one that did
//! ```

pub(crate) mod caller;
pub(crate) mod ids;
pub(crate) mod message;
pub(crate) mod phone;
pub(crate) mod proxy;
pub(crate) mod sdp;

use std::net::SocketAddr;

use self::message::Message;

/// A message and where it goes.
pub(crate) struct Outgoing {
    /// Where to.
    pub(crate) to: SocketAddr,
    /// The message.
    pub(crate) message: Message,
}

impl Outgoing {
    fn new(to: SocketAddr, message: Message) -> Self {
        Self { to, message }
    }

    /// A response goes where its topmost Via says.
    fn response(message: Message) -> Option<Self> {
        Some(Self { to: message.via_address()?, message })
    }
}
