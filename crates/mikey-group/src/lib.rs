//! MIKEYv2 groups (docs/spec.md, chapter 14), without socket, clock, thread or file.
//!
//! A group's state is a log of records, replicated by put-if-absent. A change is proposed as the record with the next
//! number and appended to a [`Store`]; only when the store has it durably is it applied and sent. A record holds
//! everything in it that is random or signed, so all controllers that apply one log have one state and send the same
//! octets, and no epoch, T or SSRC can be issued twice. A controller that restarts takes the snapshot and the records
//! after it.

#![forbid(unsafe_code)]

mod access;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod controller;
mod error;
pub mod limits;
mod member;
mod octets;
mod presence;
mod queue;
mod record;
mod rekey;
mod service;
mod snapshot;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod tree;

pub use access::{AccessTable, Authorize, Rule, Who};
pub use controller::{Applied, Batch, Controller, Draft, GroupConfig, Join, MemberInfo, MemberRef, Proposal};
pub use error::GroupError;
pub use member::{EpochKeys, Member, MemberError, MemberEvent, RekeyDrop, SenderKeys, Timing, group_of};
pub use octets::RecordError;
pub use presence::Presence;
pub use service::{Service, ServiceConfig, ServiceOutput};

pub use store::{
    Append, Changes, Fault, GroupName, Lease, MAX_RECORD, MAX_STORED, MemoryStore, Record, Snapshot, Store,
    StoreError,
};
