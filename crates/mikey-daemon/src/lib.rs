//! `mikeyd`: controllers of MIKEYv2 groups as a service (docs/spec.md, chapter 14; docs/operator.md).
//!
//! A TOML file says who the controller is, which groups it serves and who may join them ([`config`]). Members join over UDP;
//! what changes is a record in a store that is sealed under the operator's key, and is promised to nobody before it is
//! stored. The operator speaks to the daemon over a Unix socket ([`control`]), with `mikey group` or anything that writes
//! JSON.

#![forbid(unsafe_code)]

pub mod config;
pub mod control;
mod credentials;
mod daemon;
mod groups;
mod orders;
mod run;
mod shared;
mod stats;
mod storage;

pub use daemon::Stop;
pub use groups::GroupsError;
pub use run::main;
