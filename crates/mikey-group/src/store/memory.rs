//! A store in memory: for groups that need not outlive the process, and for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mikey_crypto::{SecretBytes, ct_eq};
use mikey_proto::Time;

use super::{Append, Changes, GroupName, Lease, MAX_STORED, Record, Snapshot, Store, StoreError};

/// A store in memory. A clone is another handle on the same logs, as another controller would have it.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    fault: Option<Fault>,
}

/// What is wrong with a handle of a [`MemoryStore`], until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing reaches the store: every call fails as [`StoreError::Unavailable`].
    Unreachable,
    /// What changes the store is done, and its answer lost: it fails as [`StoreError::Unavailable`].
    AnswersLost,
    /// Nothing can be added: [`StoreError::Full`].
    Full,
}

#[derive(Default)]
struct Shared {
    logs: BTreeMap<GroupName, Log>,
    leases: BTreeMap<String, (Lease, Time)>,
    /// Counts appends; a log keeps the count of its last.
    clock: u64,
    tokens: u64,
}

#[derive(Default)]
struct Log {
    snapshot: Option<Snapshot>,
    records: BTreeMap<u64, SecretBytes>,
    changed: u64,
}

impl Log {
    fn compacted(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.through)
    }

    fn head(&self) -> u64 {
        self.records.last_key_value().map_or(self.compacted(), |(seq, _)| *seq)
    }

    fn append(&mut self, seq: u64, octets: &[u8]) -> Result<(), StoreError> {
        if octets.len() > MAX_STORED {
            return Err(StoreError::TooLong(octets.len()));
        }
        let head = self.head();
        match self.records.get(&seq) {
            Some(known) if ct_eq(known.expose(), octets) => Ok(()),
            None if head.checked_add(1) == Some(seq) => {
                self.records.insert(seq, SecretBytes::copy_from(octets));
                Ok(())
            }
            _ => Err(StoreError::Conflict { head }),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes this handle fail, or work again. Other handles are as they were.
    pub const fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    /// The content, for a call that reads.
    fn reading(&self) -> Result<MutexGuard<'_, Shared>, StoreError> {
        if self.fault == Some(Fault::Unreachable) {
            return Err(StoreError::Unavailable("not reachable".into()));
        }
        // No call leaves the content half changed, so a panic of another thread's caller does no harm.
        Ok(self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The content, for a call that adds to it.
    fn adding(&self) -> Result<MutexGuard<'_, Shared>, StoreError> {
        match self.fault {
            Some(Fault::Full) => Err(StoreError::Full("no room".into())),
            _ => self.reading(),
        }
    }

    /// What becomes of the answer to a change.
    fn answer<T>(&self, answer: T) -> Result<T, StoreError> {
        match self.fault {
            Some(Fault::AnswersLost) => Err(StoreError::Unavailable("the answer was lost".into())),
            _ => Ok(answer),
        }
    }

    fn append_one(&self, entry: &Append<'_>) -> Result<(), StoreError> {
        let mut shared = self.adding()?;
        shared.clock += 1;
        let clock = shared.clock;
        let appended = match shared.logs.get_mut(entry.group) {
            Some(log) => log.append(entry.seq, entry.record).map(|()| log.changed = clock),
            None => {
                let mut log = Log { changed: clock, ..Log::default() };
                let first = log.append(entry.seq, entry.record);
                if first.is_ok() {
                    shared.logs.insert(entry.group.clone(), log);
                }
                first
            }
        };
        self.answer(())?;
        appended
    }
}

impl Store for MemoryStore {
    fn append(&mut self, batch: &[Append<'_>]) -> Vec<Result<(), StoreError>> {
        let mut failed: BTreeMap<&GroupName, StoreError> = BTreeMap::new();
        let mut results = Vec::with_capacity(batch.len());
        for entry in batch {
            let result = match failed.get(entry.group) {
                Some(earlier) => Err(earlier.clone()),
                None => self.append_one(entry),
            };
            if let Err(error) = &result {
                failed.insert(entry.group, error.clone());
            }
            results.push(result);
        }
        results
    }

    fn read(&mut self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let shared = self.reading()?;
        let Some(log) = shared.logs.get(group) else { return Ok(Vec::new()) };
        if after < log.compacted() {
            return Err(StoreError::Compacted { through: log.compacted() });
        }
        let later = log.records.range(after.saturating_add(1)..).take(limit);
        Ok(later
            .map(|(seq, octets)| Record { seq: *seq, octets: SecretBytes::copy_from(octets.expose()) })
            .collect())
    }

    fn snapshot(&mut self, group: &GroupName) -> Result<Option<Snapshot>, StoreError> {
        let shared = self.reading()?;
        let newest = shared.logs.get(group).and_then(|log| log.snapshot.as_ref());
        Ok(newest.map(|s| Snapshot { through: s.through, state: SecretBytes::copy_from(s.state.expose()) }))
    }

    fn compact(&mut self, group: &GroupName, through: u64, state: &[u8]) -> Result<(), StoreError> {
        let mut shared = self.adding()?;
        let Some(log) = shared.logs.get_mut(group) else { return Err(StoreError::Conflict { head: 0 }) };
        if through > log.head() {
            return Err(StoreError::Conflict { head: log.head() });
        }
        if through > log.compacted() {
            log.records = log.records.split_off(&(through.saturating_add(1)));
            log.snapshot = Some(Snapshot { through, state: SecretBytes::copy_from(state) });
        }
        self.answer(())
    }

    fn changes(&mut self, mark: u64) -> Result<Changes, StoreError> {
        let shared = self.reading()?;
        let grown = shared.logs.iter().filter(|(_, log)| log.changed > mark);
        Ok(Changes {
            heads: grown.map(|(group, log)| (group.clone(), log.head())).collect(),
            mark: shared.clock,
        })
    }

    fn lease(&mut self, now: Time, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError> {
        let mut shared = self.adding()?;
        let until = now + ttl.max(Duration::from_secs(1));
        let held = match shared.leases.get_mut(name) {
            Some((lease, end)) if *end > now => {
                if lease.holder == holder {
                    *end = until;
                }
                lease.clone()
            }
            _ => {
                shared.tokens += 1;
                let lease = Lease { name: name.into(), holder: holder.into(), token: shared.tokens };
                shared.leases.insert(name.into(), (lease.clone(), until));
                lease
            }
        };
        self.answer(held)
    }

    fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        let mut shared = self.reading()?;
        if shared.leases.get(name).is_some_and(|(lease, _)| lease.holder == holder) {
            shared.leases.remove(name);
        }
        self.answer(())
    }

    fn leases(&mut self, now: Time, prefix: &str) -> Result<Vec<Lease>, StoreError> {
        let shared = self.reading()?;
        let named =
            shared.leases.values().filter(|(lease, end)| lease.name.starts_with(prefix) && *end > now);
        Ok(named.map(|(lease, _)| lease.clone()).collect())
    }
}
