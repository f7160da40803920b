//! MIKEYv2 key management and SRTP as one agent, without socket and without clock.
//!
//! One [`Agent`] stands behind one UDP socket, over which everything may come: MIKEY, SRTP, SRTCP, STUN, TURN and DTLS
//! (draft section 7; RFC 7983). Octets and the time go in; octets, events and decrypted media come out.
//!
//! ```text
//!   Agent::handle_datagram -> demux -> keying: Endpoint -> SrtpKeysReady -> install -> ContextDb
//!                                   -> media:  ContextDb -> payload
//!   Agent::protect_rtp -> ContextDb -> octets for the peer
//! ```

#![forbid(unsafe_code)]

mod agent;
mod clear;
mod demux;
mod groups;
mod key_log;
mod media;
mod output;
mod pen;
mod signalling;

pub use agent::{Agent, MediaError};
pub use clear::ClearFrom;
pub use demux::{Class, classify};
pub use groups::{Failover, GroupHandle, TeslaSettings};
pub use key_log::KeyLog;
pub use media::MediaStream;
pub use output::{AgentEvent, AgentOutput, Kind, Media, Received, Refused};
pub use pen::{MAX_HELD, MAX_HELD_OCTETS, MAX_HELD_PACKETS, MAX_HELD_PER_SSRC};

/// Groups: controllers, members, records and the stores that keep them.
pub use mikey_group as group;
/// Identities, policies, credentials, calls and events of key management.
pub use mikey_proto as keying;
/// Contexts, policies and packets of SRTP.
pub use mikey_srtp as srtp;

pub use mikey_crypto::srtp::SrtpPolicy;
pub use mikey_proto::{
    AuthLevel, Call, CallId, EndpointConfig, Identity, Name, Peer, Role, SessionId, Side, Stream, Time,
};

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
