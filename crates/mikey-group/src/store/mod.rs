//! What a controller keeps: the log of each group, its snapshot, and leases.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mikey_crypto::SecretBytes;
use mikey_proto::Time;

mod error;
mod memory;

pub use error::StoreError;
pub use memory::{Fault, MemoryStore};

/// Longest record, in octets. A snapshot may be of any length.
pub const MAX_RECORD: usize = 1024 * 1024;
/// Longest record that a store takes: room for what wrapping adds.
pub const MAX_STORED: usize = MAX_RECORD + 64;

/// The ID of a group (GCC-REQ): 1 to 64 octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<[u8]>);

impl GroupName {
    /// Takes 1 to 64 octets; `None` for another length.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        (1..=64).contains(&octets.len()).then(|| Self(octets.into()))
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for GroupName {
    /// As text if it is printable ASCII, else in hexadecimal after `0x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(&self.0) {
            Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => f.write_str(text),
            _ => {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A record to be appended.
#[derive(Clone, Copy)]
pub struct Append<'a> {
    /// Whose log.
    pub group: &'a GroupName,
    /// Its number: 1 for the first record of a group, then one more than the last.
    pub seq: u64,
    /// Its octets, at most [`MAX_RECORD`], when wrapped [`MAX_STORED`]. They hold keys.
    pub record: &'a [u8],
}

/// A record as it was appended.
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Its octets.
    pub octets: SecretBytes,
}

/// What the records up to `through` amount to.
pub struct Snapshot {
    /// Number of the last record that is in it.
    pub through: u64,
    /// The state, as the controller has written it.
    pub state: SecretBytes,
}

/// Groups whose log has grown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each with the number of its last record.
    pub heads: Vec<(GroupName, u64)>,
    /// What to pass the next time.
    pub mark: u64,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Fencing token: higher for each new holder of one name, the same as long as one holder renews.
    pub token: u64,
}

/// Where controllers keep the logs of their groups. One handle serves one thread and may block; several handles, in one
/// process or many, may be on the same logs.
///
/// Safety rests on [`append`](Self::append) alone: of all that ever propose one number of one group, one at most
/// succeeds, and what has succeeded is read for ever after, across crashes, until it is in a snapshot. Everything else
/// is a matter of speed and liveness. `conformance::run` holds a store to all of it.
///
/// **A log never goes back.** From one that lacks its last records, such as a backup or a snapshot of a machine, a controller
/// gives epochs, Ts and SSRCs out a second time: other keys are then sealed under the same node keys and nonces, and whoever
/// listens learns how they differ. Members refuse what comes of it. A log that cannot be trusted to be whole is thrown away,
/// and its group made anew with [`Controller::create`](crate::Controller::create), with another SPI.
pub trait Store: Send {
    /// Appends records: durable once this returns `Ok` for them, and then seen by every `read` that starts later.
    ///
    /// Gives one result for each entry, in order. Entries of different groups do not affect each other. Within a group
    /// they stand in ascending order, and after the first that fails the others fail too. A store makes one batch cost
    /// little more than one record.
    ///
    /// Appending the very octets that already have this number succeeds: so whoever did not hear the answer
    /// ([`StoreError::Unavailable`]) proposes the same again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the number is taken by other octets, was compacted away, or is not the next.
    /// [`StoreError::Unavailable`] leaves it open whether the record was stored; every other error says that it was not.
    fn append(&mut self, batch: &[Append<'_>]) -> Vec<Result<(), StoreError>>;

    /// The records after number `after`, at most `limit` of them, in order and without a gap. Empty if there are none,
    /// or no such group.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if records after `after` are in the snapshot alone.
    fn read(&mut self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// The newest snapshot, if there is one.
    ///
    /// # Errors
    /// [`StoreError`]
    fn snapshot(&mut self, group: &GroupName) -> Result<Option<Snapshot>, StoreError>;

    /// Puts `state` in the place of the records up to `through`, all or nothing. Does nothing if there is a snapshot
    /// as new.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is no record `through` yet.
    fn compact(&mut self, group: &GroupName, through: u64, state: &[u8]) -> Result<(), StoreError>;

    /// The groups whose log has grown since `mark` was given out, with the numbers of their last records; all groups
    /// for mark 0. A group may come twice; none is left out.
    ///
    /// # Errors
    /// [`StoreError`]
    fn changes(&mut self, mark: u64) -> Result<Changes, StoreError>;

    /// Takes the lease `name` for `holder`, or renews it, if nobody else has it; says who has it now. It runs out `ttl`
    /// (whole seconds, 1 at least) after it was last taken or renewed. A store with a clock of its own ignores `now`.
    ///
    /// A lease is a hint about who does periodic work and which controllers live. Whoever holds one may have lost it
    /// a moment ago.
    ///
    /// # Errors
    /// [`StoreError`]
    fn lease(&mut self, now: Time, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError>;

    /// Gives a lease back, if `holder` has it.
    ///
    /// # Errors
    /// [`StoreError`]
    fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError>;

    /// The leases in force whose names begin with `prefix`, by name.
    ///
    /// # Errors
    /// [`StoreError`]
    fn leases(&mut self, now: Time, prefix: &str) -> Result<Vec<Lease>, StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn append(&mut self, batch: &[Append<'_>]) -> Vec<Result<(), StoreError>> {
        (**self).append(batch)
    }

    fn read(&mut self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        (**self).read(group, after, limit)
    }

    fn snapshot(&mut self, group: &GroupName) -> Result<Option<Snapshot>, StoreError> {
        (**self).snapshot(group)
    }

    fn compact(&mut self, group: &GroupName, through: u64, state: &[u8]) -> Result<(), StoreError> {
        (**self).compact(group, through, state)
    }

    fn changes(&mut self, mark: u64) -> Result<Changes, StoreError> {
        (**self).changes(mark)
    }

    fn lease(&mut self, now: Time, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError> {
        (**self).lease(now, name, holder, ttl)
    }

    fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        (**self).release(name, holder)
    }

    fn leases(&mut self, now: Time, prefix: &str) -> Result<Vec<Lease>, StoreError> {
        (**self).leases(now, prefix)
    }
}
