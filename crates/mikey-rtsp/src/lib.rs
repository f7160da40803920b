//! RTSP 1.0 (RFC 2326) with SRTP whose keys come by MIKEY (RFC 4567), without input or output.
//!
//! Octets of a connection become messages ([`Splitter`]); a session description becomes media ([`StreamInfo`]); MIKEY in the
//! description and in `KeyMgmt` becomes SRTP contexts ([`ClientKeys`], [`ServerKeys`], [`Contexts`]); requests become
//! responses ([`ServerSession`]); RTP becomes G.711, L16 and H.264, and back ([`media`]). Sockets, TLS, clocks and files are
//! the caller's.
//!
//! How keys are exchanged, as cameras and GStreamer do it:
//!
//! ```text
//!   client                                         server
//!     DESCRIBE                        ->
//!                                     <-  200, SDP: a=key-mgmt:mikey I_MESSAGE    keys of what the server sends
//!     SETUP, KeyMgmt: I_MESSAGE       ->                                          NULL: keys of the client's RTCP
//!                  or R_MESSAGE                                                   else: the answer to the server's
//!                                     <-  200, or 463 with what is wrong
//! ```
//!
//! Invariants: nothing is read beyond [`limits`]; NULL mode, which has its keys in the clear, is neither sent nor taken but
//! over TLS ([`Security`]); what cannot be read changes nothing.
#![forbid(unsafe_code)]

mod auth;
mod contexts;
mod description;
mod error;
mod keying;
pub mod limits;
pub mod media;
mod request;
mod server;
mod splitter;
mod transport;

pub use auth::{Authenticator, Credentials};
pub use contexts::Contexts;
pub use description::{Codec, StreamInfo, aggregate, streams};
pub use error::{FramingError, KeyError, StreamError};
pub use keying::{Agreed, ClientKeys, Security, ServerKeys, ServerStream, Taken};
pub use request::{KEY_MGMT, key_mgmt, request};
pub use server::{Action, Ports, Presentation, Published, Reply, ServerSession, SetUp};
pub use splitter::{Incoming, Splitter};
pub use transport::{Lower, Transport, confirmed, offered};

/// Messages of RTSP.
pub use rtsp_types;
