//! The UDP driver of MIKEYv2: the only socket and the only clock.
//!
//! It knows nothing of the protocol. It hands datagrams and the time to a sans-IO agent, sends what the agent wants
//! sent, and gives the application what the agent reports. Datagrams are received and sent in batches where the
//! operating system can.

#![forbid(unsafe_code)]

mod clock;
mod counters;
mod driver;
mod groups;
mod socket;

pub use clock::Clock;
pub use counters::Counters;
pub use driver::{Direction, Driver, Happening, Media, Protocol, Tap};
pub use groups::{Audience, GroupNews};
pub use socket::{Received, Socket};
