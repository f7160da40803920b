//! MIKEY version 1 (RFC 3830, with RFC 4563, 4567, 4650, 4738, 6043, 7714), without input or output.
//!
//! One message from the initiator, perhaps one back. A [`Party`] makes and reads them; what carries them is the caller's:
//! an SDP attribute, an RTSP header, or a datagram.
//!
//! ```text
//!   initiator: Party::offer   -> I_MESSAGE ..> Party::answer  responder
//!              Party::finish <.. R_MESSAGE  <-
//! ```
//!
//! Version 1 has no handshake of nonces: a message is fresh because of its timestamp, so both sides need clocks that agree
//! within [`Policy::skew`], and the responder remembers what it has seen ([`Event`](crate::Event)s and keys are those of
//! version 2).
//!
//! Invariant: nothing of a message has an effect before its MAC or signature has verified, and none has one twice.

mod bundle;
mod envelope;
mod error;
mod fields;
mod finish;
mod initiator;
mod kemac;
mod key_data;
mod keys;
mod message;
mod offer;
mod party;
mod policy;
mod replay;
mod responder;
mod sign;
mod streams;
mod time;

pub use mikey_wire::{Quirk, Quirks};

pub use bundle::BundleId;
pub use error::{Error, Refused};
pub use offer::{KeyKind, Mode, Offer, Update};
pub use party::{Agreement, Answer, Known, Offered, Party, Pending};
pub use policy::{Downgrade, Policy, Profile};
pub use replay::ReplayRefusal;
