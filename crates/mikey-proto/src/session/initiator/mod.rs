//! The initiator, from INIT_REQ to the first authenticated answer.
//!
//! ```text
//!   Attempt --INIT_RESP--> Branch --CCE_RESP--> Established
//!    | ^ ^                   |
//!    | | '--- listens on ----'--AUTH fails, protected ERROR--> the branch ends, the attempt goes on
//!    | '--ERROR: cookie, other group: the INIT_REQ again--
//!    '--time is up--> CallFailed
//! ```
//!
//! Every INIT_RESP is unauthenticated, so each one only opens one more branch, and none takes the attempt away from waiting
//! for the true one. At most [`MAX_BRANCHES`](crate::limits::MAX_BRANCHES) are computed at a time.

mod answers;
mod attempt;
mod branch;
mod first;
mod routes;

pub(crate) use attempt::{Attempt, Outcome, Taken};
pub(crate) use branch::cut;
