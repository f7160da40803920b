//! The MIKEYv2 endpoint and its sessions, without input or output.
//!
//! Octets, the time and the application's wishes go in; octets to be sent, events and the time of the next wake-up come
//! out. There is no socket, no clock and no thread here, and no SRTP packet: keys leave as [`SrtpKeys`].
//!
//! ```text
//!   Endpoint::handle_datagram -> route by SPI -> exchange (new, repeat, stale) -> KEMAC -> typed message
//!     -> state -> key schedule -> Event::Established, Event::SrtpKeysReady
//! ```

#![forbid(unsafe_code)]

mod auth;
mod config;
mod credential;
mod endpoint;
mod error;
mod event;
mod group;
mod keys;
pub mod limits;
mod metrics;
mod name;
mod negotiate;
mod policy;
mod sas;
mod session;
mod srtp_params;
mod streams;
mod ticket;
mod time;
pub mod v1;

pub use auth::{AuthLevel, Peer};
pub use config::{
    AcceptStreams, AnswerStreams, Branches, Call, EndpointConfig, Expected, Retarget, Signalled,
};
pub use credential::{CertifiedKey, DecryptionKey, Identity, PskStore, PskTable, Trust};
pub use endpoint::{Endpoint, SignallingError};
pub use error::{ApiMisuse, CertificateFault, DropReason, Error, Hint, Mismatch, PeerFault, Stage};
pub use event::{CallId, CloseReason, Event, Negotiated, Output, SessionId};
pub use group::{
    ChainKeys, GroupAnswer, GroupAsk, GroupGrant, GroupRequest, GroupRoles, GroupSender, GroupStream,
    GroupTesla, GroupValues, NodeKey, knows_algorithms, policy_from_octets, policy_to_octets, sender_keys,
};
pub use keys::{DirectionKeys, GroupCipher, MessageKeys, Role};
pub use metrics::Metrics;
pub use name::Name;
pub use policy::{Confidentiality, Exchange, Policy};
pub use sas::Sas;
pub use streams::{OfferedStream, Side, SrtpKeys, Stream, StreamAnswer, StreamKeys};
pub use ticket::{IssuedTicket, Redemption, Ticket, TicketId, TicketStore, TicketTable};
pub use time::Time;
