//! RESUME: a call to a peer met before, in one round trip, with media at once (docs/spec.md, "RESUME").
//!
//! ```text
//!   initiator: Resuming --RESUME_RESP--> Established        responder: RESUME_REQ --ticket, KEMAC--> Established
//!                  '--time is up, ERROR 14--> INIT                                  '--used, unknown--> ERROR 14
//! ```
//!
//! RESUME_REQ can be repeated by anyone who has seen it. That its ticket works once, and that its identical copy draws the
//! stored response and nothing else, is what makes early media safe.

mod initiator;
mod responder;

pub(crate) use initiator::{Resumed, Resuming};
pub(crate) use responder::{Answered, answer};

/// RESUME_REQ is the initiator's request number 0.
const T_RESUME: u32 = 0;
