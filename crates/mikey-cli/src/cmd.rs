//! One module a subcommand.

pub(crate) mod ca;
pub(crate) mod decode;
pub(crate) mod psk;
