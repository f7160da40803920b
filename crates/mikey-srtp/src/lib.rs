//! SRTP and SRTCP: crypto contexts, transforms and the context database.
//!
//! RFC 3711 with RFC 6188 (AES-192, AES-256), RFC 7714 (AES-GCM), RFC 6904 (encrypted header extensions) and RFC 4771
//! (the ROC in the tag). Packets are protected and unprotected in place, without allocation, lock or clock; algorithms
//! come from a provider ([`mikey_crypto::srtp::SrtpCrypto`]). This crate knows nothing of MIKEY, sockets or threads.
//!
//! In groups [`tesla`] tells which member has sent a packet.
//!
//! [`ContextDb`] is the way in: install a sender's keys under a destination, then protect or unprotect packets.
//!
//! ```text
//! ContextDb::unprotect_rtp -> find by (SSRC, destination) or try the wildcards -> estimate the index
//!     -> check the replay window -> open (authenticate, decrypt) -> commit
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod db;
mod destination;
mod error;
pub mod export;
mod extension;
mod index;
mod iv;
mod kdf;
mod key;
pub mod limits;
mod packet;
mod protect;
mod replay;
mod sender;
#[cfg(feature = "std")]
mod shared;
mod slab;
mod stats;
mod stream;
mod tag;
pub mod tesla;
mod time;
mod unprotect;

pub use db::{Accepted, AcceptedRtcp, ContextDb, DbConfig, InboundPacket, OutboundPacket};
pub use destination::Destination;
pub use error::{InstallError, ProtectError, UnprotectError};
pub use extension::ExtensionIds;
pub use index::{PacketIndex, Ssrc};
pub use key::{Lifetime, MasterKey, Mki, MkiTooLong, Validity};
pub use packet::{Malformed, RtpLayout, rtcp_ssrc};
pub use protect::{Protected, ProtectedRtcp};
pub use sender::{Direction, Install, Owner, SenderId, Ssrcs, StartIndex, StreamInfo};
#[cfg(feature = "std")]
pub use shared::{SharedDb, SharedSender};
pub use stats::{Stats, StreamStats};
pub use time::Time;
