//! A file that one process has open.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mikey_crypto::SecretBytes;
use mikey_group::{Append, Changes, GroupName, Lease, MAX_STORED, Record, Snapshot, Store, StoreError};
use mikey_proto::Time;
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use self::error::Failed;
mod error;

/// Group and number: the record.
const RECORDS: TableDefinition<(&[u8], u64), &[u8]> = TableDefinition::new("records");
/// Group: the number of its last record, and the count of changes when that was appended.
const HEADS: TableDefinition<&[u8], (u64, u64)> = TableDefinition::new("heads");
/// Group: the number of the last record in the snapshot, and the snapshot.
const SNAPSHOTS: TableDefinition<&[u8], (u64, &[u8])> = TableDefinition::new("snapshots");
/// Counters of the whole store.
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");

const CHANGES: &str = "changes";
const TOKENS: &str = "tokens";
const FORMAT: &str = "format";
/// The layout above.
const FORMAT_1: u64 = 1;

/// A store in one file, for one process at a time. A clone is another handle on the same file.
///
/// What `append` has acknowledged is on the disk. All records of one `append` are one transaction, with one flush.
#[derive(Clone)]
pub struct RedbStore {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    path: PathBuf,
    /// `None` after an error that redb wants the file opened anew for.
    database: Option<Database>,
    /// Nobody outside this process can hold one: the file is locked.
    leases: BTreeMap<String, (Lease, Time)>,
}

impl RedbStore {
    /// Opens the file, or makes it if there is none, for its owner alone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another process has it open, [`StoreError::Corrupt`] if it is damaged or no store.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut shared = Shared { path: path.to_owned(), database: None, leases: BTreeMap::new() };
        shared.run(|_| Ok(()))?;
        Ok(Self { shared: Arc::new(Mutex::new(shared)) })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic of redb is caught in `run`, and leaves the database closed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Runs `action` on the open database. A panic in redb, which it has for some damaged files, is damage.
    fn run<T>(&mut self, action: impl FnOnce(&Database) -> Result<T, Failed>) -> Result<T, StoreError> {
        let known = self.database.take();
        let path = &self.path;
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let database = match known {
                Some(database) => database,
                None => open(path).map_err(|failed| failed.error)?,
            };
            match action(&database) {
                Ok(done) => Ok((Some(database), Ok(done))),
                Err(failed) => Ok((Some(database).filter(|_| !failed.reopen), Err(failed.error))),
            }
        }));
        let (database, result) = attempt
            .unwrap_or_else(|_| Err(StoreError::Corrupt(format!("{} cannot be read", path.display()))))?;
        self.database = database;
        result
    }

    /// Which of the records are in the file.
    fn stored(&mut self, batch: &[Append<'_>]) -> Result<Vec<bool>, StoreError> {
        self.run(|database| {
            let records = database.begin_read()?.open_table(RECORDS)?;
            batch
                .iter()
                .map(|entry| {
                    let known = records.get((entry.group.as_bytes(), entry.seq))?;
                    Ok(known.is_some_and(|known| known.value() == entry.record))
                })
                .collect()
        })
    }
}

fn open(path: &Path) -> Result<Database, Failed> {
    // redb would make the file for everybody to read.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(Failed::io(&error)),
        _ => (),
    }
    let database = Database::create(path)?;
    let transaction = database.begin_write()?;
    {
        transaction.open_table(RECORDS)?;
        transaction.open_table(HEADS)?;
        transaction.open_table(SNAPSHOTS)?;
        let mut counters = transaction.open_table(COUNTERS)?;
        let format = counters.get(FORMAT)?.map(|format| format.value());
        match format {
            Some(FORMAT_1) => (),
            Some(other) => return Err(StoreError::Corrupt(format!("format {other} is not known")).into()),
            None => drop(counters.insert(FORMAT, FORMAT_1)?),
        }
    }
    transaction.commit()?;
    Ok(database)
}

/// The tables of an append, in its transaction.
struct Appending<'t> {
    records: Table<'t, (&'static [u8], u64), &'static [u8]>,
    heads: Table<'t, &'static [u8], (u64, u64)>,
    changes: u64,
    stored: bool,
}

impl Appending<'_> {
    fn one(&mut self, entry: &Append<'_>) -> Result<(), Failed> {
        if entry.record.len() > MAX_STORED {
            return Err(StoreError::TooLong(entry.record.len()).into());
        }
        let group = entry.group.as_bytes();
        let head = self.heads.get(group)?.map_or(0, |head| head.value().0);
        let known = self.records.get((group, entry.seq))?.map(|known| known.value() == entry.record);
        match known {
            Some(true) => Ok(()),
            None if head.checked_add(1) == Some(entry.seq) => {
                self.records.insert((group, entry.seq), entry.record)?;
                self.heads.insert(group, (entry.seq, self.changes))?;
                self.stored = true;
                Ok(())
            }
            _ => Err(StoreError::Conflict { head }.into()),
        }
    }
}

/// Adds one to a counter; its new value.
fn count(transaction: &WriteTransaction, name: &str) -> Result<u64, Failed> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let next = counters.get(name)?.map_or(0, |count| count.value()).saturating_add(1);
    counters.insert(name, next)?;
    Ok(next)
}

fn append(database: &Database, batch: &[Append<'_>]) -> Result<Vec<Result<(), StoreError>>, Failed> {
    let transaction = database.begin_write()?;
    let mut results = Vec::with_capacity(batch.len());
    let changes = count(&transaction, CHANGES)?;
    let mut appending = Appending {
        records: transaction.open_table(RECORDS)?,
        heads: transaction.open_table(HEADS)?,
        changes,
        stored: false,
    };
    let mut failed: BTreeMap<&GroupName, StoreError> = BTreeMap::new();
    for entry in batch {
        let result = match failed.get(entry.group) {
            Some(earlier) => Err(earlier.clone()),
            None => match appending.one(entry) {
                Err(broken) if broken.reopen => return Err(broken),
                result => result.map_err(|refused| refused.error),
            },
        };
        if let Err(error) = &result {
            failed.insert(entry.group, error.clone());
        }
        results.push(result);
    }
    let stored = appending.stored;
    drop(appending);
    if stored {
        transaction.commit()?
    } else {
        transaction.abort()?
    }
    Ok(results)
}

impl Store for RedbStore {
    fn append(&mut self, batch: &[Append<'_>]) -> Vec<Result<(), StoreError>> {
        let mut shared = self.lock();
        match shared.run(|database| append(database, batch)) {
            Ok(results) => results,
            // A commit that failed may yet be on the disk: the file, opened anew, says so.
            Err(error) => match shared.stored(batch) {
                Ok(stored) => {
                    stored.into_iter().map(|stored| stored.then_some(()).ok_or(error.clone())).collect()
                }
                Err(StoreError::Corrupt(what)) => vec![Err(StoreError::Corrupt(what)); batch.len()],
                Err(_) => vec![Err(StoreError::Unavailable(error.to_string())); batch.len()],
            },
        }
    }

    fn read(&mut self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.lock().run(|database| {
            let transaction = database.begin_read()?;
            let compacted =
                transaction.open_table(SNAPSHOTS)?.get(group.as_bytes())?.map_or(0, |s| s.value().0);
            if after < compacted {
                return Err(StoreError::Compacted { through: compacted }.into());
            }
            let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
            let records = transaction.open_table(RECORDS)?;
            let mut page = Vec::new();
            for entry in records.range((group.as_bytes(), first)..=(group.as_bytes(), u64::MAX))?.take(limit)
            {
                let (key, octets) = entry?;
                page.push(Record { seq: key.value().1, octets: SecretBytes::copy_from(octets.value()) });
            }
            if !page.iter().zip(first..).all(|(record, seq)| record.seq == seq) {
                return Err(StoreError::Corrupt(format!("records of {group} are missing")).into());
            }
            Ok(page)
        })
    }

    fn snapshot(&mut self, group: &GroupName) -> Result<Option<Snapshot>, StoreError> {
        self.lock().run(|database| {
            let snapshots = database.begin_read()?.open_table(SNAPSHOTS)?;
            let newest = snapshots.get(group.as_bytes())?;
            Ok(newest.map(|newest| {
                let (through, state) = newest.value();
                Snapshot { through, state: SecretBytes::copy_from(state) }
            }))
        })
    }

    fn compact(&mut self, group: &GroupName, through: u64, state: &[u8]) -> Result<(), StoreError> {
        let group = group.as_bytes();
        self.lock().run(|database| {
            let transaction = database.begin_write()?;
            {
                let head = transaction.open_table(HEADS)?.get(group)?.map_or(0, |head| head.value().0);
                if through > head {
                    return Err(StoreError::Conflict { head }.into());
                }
                let mut snapshots = transaction.open_table(SNAPSHOTS)?;
                if snapshots.get(group)?.is_some_and(|newest| newest.value().0 >= through) {
                    return Ok(());
                }
                snapshots.insert(group, (through, state))?;
                let mut records = transaction.open_table(RECORDS)?;
                records.retain_in((group, 0)..=(group, through), |_, _| false)?;
            }
            Ok(transaction.commit()?)
        })
    }

    fn changes(&mut self, mark: u64) -> Result<Changes, StoreError> {
        self.lock().run(|database| {
            let transaction = database.begin_read()?;
            let now = transaction.open_table(COUNTERS)?.get(CHANGES)?.map_or(0, |count| count.value());
            let mut changes = Changes { heads: Vec::new(), mark: now };
            if mark >= now {
                return Ok(changes);
            }
            for entry in transaction.open_table(HEADS)?.iter()? {
                let (group, head) = entry?;
                let (head, changed) = head.value();
                if changed > mark {
                    let name = GroupName::new(group.value())
                        .ok_or_else(|| StoreError::Corrupt("a group has no name".into()))?;
                    changes.heads.push((name, head));
                }
            }
            Ok(changes)
        })
    }

    fn lease(&mut self, now: Time, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError> {
        let mut shared = self.lock();
        let until = now + ttl.max(Duration::from_secs(1));
        if let Some((lease, end)) = shared.leases.get_mut(name).filter(|(_, end)| *end > now) {
            if lease.holder == holder {
                *end = until;
            }
            return Ok(lease.clone());
        }
        let token = shared.run(|database| {
            let transaction = database.begin_write()?;
            let token = count(&transaction, TOKENS)?;
            transaction.commit()?;
            Ok(token)
        })?;
        let lease = Lease { name: name.into(), holder: holder.into(), token };
        shared.leases.insert(name.into(), (lease.clone(), until));
        Ok(lease)
    }

    fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        let mut shared = self.lock();
        if shared.leases.get(name).is_some_and(|(lease, _)| lease.holder == holder) {
            shared.leases.remove(name);
        }
        Ok(())
    }

    fn leases(&mut self, now: Time, prefix: &str) -> Result<Vec<Lease>, StoreError> {
        let shared = self.lock();
        let named =
            shared.leases.values().filter(|(lease, end)| lease.name.starts_with(prefix) && *end > now);
        Ok(named.map(|(lease, _)| lease.clone()).collect())
    }
}
