//! RTP payloads: what a file has to packets, and packets back to what a file has.

mod h264;
mod reorder;
mod rtcp;
mod rtp;

pub use h264::{AccessUnit, H264Payload, access_units, parameter_sets, payloads};
pub use reorder::Reorder;
pub use rtcp::{goodbye, is_goodbye, receiver_report, sender_report};
pub use rtp::{Counters, Packet, Source};
