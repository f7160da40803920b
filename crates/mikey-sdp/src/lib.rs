//! MIKEY in SDP and RTSP: `a=key-mgmt` and the `KeyMgmt` header (RFC 4567), `a=fingerprint` (RFC 8122) and `a=tls-id`
//! (RFC 8842).
//!
//! Text becomes octets and typed values, and back. What is in a MIKEY message is looked at for one thing alone: whether
//! its SDP IDs list the protocols that the description offers. The crate knows nothing of keys, sessions or sockets.
//!
//! Parsing is total: every text gives a value or a [`SdpError`] that says where it stands, what is wrong with it and at
//! which octet; nothing is read beyond [`limits`].
//!
//! ```
//! use mikey_sdp::{Fingerprint, KeyMgmt, Offered, parse};
//!
//! let sdp = parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=key-mgmt:mikey AQAF\r\n\
//!     m=audio 5004 RTP/SAVP 0\r\n")?;
//! let offered = Offered::of_media(&sdp, 0)?;
//! assert_eq!(offered.protocols(), "mikey");
//! assert_eq!(offered.mikey().map(|offer| offer.data.as_slice()), Some(&[1, 0, 5][..]));
//! assert_eq!(KeyMgmt::mikey(vec![1, 0, 5]).to_string(), "mikey AQAF");
//! assert!("sha-1 00:01".parse::<Fingerprint>().is_err());
//! # Ok::<(), mikey_sdp::SdpError>(())
//! ```
#![forbid(unsafe_code)]

mod description;
mod error;
mod fingerprint;
mod key_mgmt;
pub mod limits;
pub mod rtsp;
mod sdp_ids;
mod tls_id;

pub use description::{Offered, fingerprints, media_address, parse, tls_id};
pub use error::{Fault, Level, SdpError, TextError};
pub use fingerprint::{Fingerprint, FingerprintHash};
pub use key_mgmt::{KeyMgmt, MIKEY};
pub use sdp_ids::{BiddingDown, check_sdp_ids};
pub use tls_id::TlsId;

/// The model of a session description.
pub use sdp_types;
