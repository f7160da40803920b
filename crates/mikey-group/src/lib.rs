//! MIKEYv2 groups (docs/spec.md, chapter 14), without socket, clock, thread or file.
//!
//! A group's state is a log of records, replicated by put-if-absent. A change is proposed as the record with the next
//! number and appended to a [`Store`]; only when the store has it durably is it applied and sent. A record holds
//! everything in it that is random or signed, so all controllers that apply one log have one state and send the same
//! octets, and no epoch, T or SSRC can be issued twice. A controller that restarts takes the snapshot and the records
//! after it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod store;

pub use store::{
    Append, Changes, Fault, GroupName, Lease, MAX_RECORD, MemoryStore, Record, Snapshot, Store, StoreError,
};
