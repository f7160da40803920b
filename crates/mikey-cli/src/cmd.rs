//! One module a subcommand.

pub(crate) mod ca;
pub(crate) mod call;
pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod group;
pub(crate) mod group_demo;
pub(crate) mod listen;
pub(crate) mod options;
pub(crate) mod psk;
pub(crate) mod rtsp;
pub(crate) mod sip_demo;
