//! Typed messages of version 2 (sections 2 to 6): parse, don't validate.
//!
//! Each message type has its rows in `table.rs` and a struct with real fields. Clear messages decode from
//! octets; protected ones decode as [`Sealed`], and only the plaintext that the caller has authenticated
//! makes an [`Opened`], from which the typed message is parsed.
//!
//! Invariant: order, number and place of payloads, V flag, CSB ID, CS map and every rule that needs no key,
//! no session and no policy has been checked when one of these structs exists.

mod cce;
mod cce2;
mod error_msg;
mod group;
mod info;
mod init;
mod msp;
mod peek;
mod rekey;
mod resume;
mod sealed;
mod table;

pub use crate::rules::Notify;
pub use cce::{CceReq, CceResp};
pub use cce2::{Cce2Req, Cce2Resp, Cce2Tail};
pub use error_msg::{ErrorMsg, ProtectedError};
pub use group::{GroupNode, GroupRekey, decode_node_keys};
pub use info::Info;
pub use init::{InitReq, InitResp};
pub use msp::{Msp, MspEntry};
pub use peek::{Peek, peek};
pub use rekey::{RekeyReq, RekeyResp};
pub use resume::{ResumeReq, ResumeResp, ResumeRespInner};
pub use sealed::{Opened, Sealed};
