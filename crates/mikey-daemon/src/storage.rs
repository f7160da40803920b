//! The store on a thread of its own: it may block, and the loop that serves members may not.
//!
//! Jobs are done in the order in which they were given; appends that wait together are one batch. So what a reply says of a
//! group is newer than what replies before it said.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mikey::Time;
use mikey_crypto::SecretBytes;
use mikey_group::{Append, Changes, GroupName, Lease, Proposal, Record, Snapshot, Store, StoreError};
use tokio::sync::mpsc as replies;

/// Records that are read at once.
pub(crate) const PAGE: usize = 1024;

/// What the thread is to do.
pub(crate) enum Job {
    /// Store a record.
    Append { group: GroupName, proposal: Proposal },
    /// Read what comes after this number.
    Tail { group: GroupName, after: u64 },
    /// Put a snapshot in the place of records.
    Compact { group: GroupName, snapshot: Snapshot },
    /// Say which groups have grown.
    Changes { mark: u64 },
    /// Take or renew a lease.
    Lease { now: Time, name: String, holder: String, ttl: Duration },
    /// Give it back.
    Release { name: String, holder: String },
}

/// What came of it.
pub(crate) enum Reply {
    /// Of [`Job::Append`], with the record to try again.
    Appended { group: GroupName, proposal: Proposal, result: Result<(), StoreError>, took: Duration },
    /// Of [`Job::Tail`].
    Tail { group: GroupName, result: Result<Vec<Record>, StoreError> },
    /// Of [`Job::Tail`], if the records are in a snapshot alone.
    Anew { group: GroupName, log: Log },
    /// Of [`Job::Compact`].
    Compacted { group: GroupName, result: Result<(), StoreError> },
    /// Of [`Job::Changes`].
    Changes(Result<Changes, StoreError>),
    /// Of [`Job::Lease`].
    Lease(Result<Lease, StoreError>),
}

/// A group as it is stored.
pub(crate) struct Log {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) records: Vec<Record>,
}

/// The thread. It ends when this is dropped and what was asked before is done.
pub(crate) struct Storage {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Storage {
    /// Starts the thread.
    ///
    /// # Errors
    /// Of the operating system.
    pub(crate) fn start(store: Box<dyn Store>) -> std::io::Result<(Self, replies::UnboundedReceiver<Reply>)> {
        let (jobs, todo) = mpsc::channel();
        let (done, replies) = replies::unbounded_channel();
        let thread =
            std::thread::Builder::new().name("store".into()).spawn(move || work(store, &todo, &done))?;
        Ok((Self { jobs: Some(jobs), thread: Some(thread) }, replies))
    }

    /// Gives it something to do. `false` if the thread is no more.
    pub(crate) fn ask(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the store is on standard error already.
            let _ = thread.join();
        }
    }
}

fn work(mut store: Box<dyn Store>, todo: &mpsc::Receiver<Job>, done: &replies::UnboundedSender<Reply>) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Ok(job) = todo.recv() else { return };
            waiting.push_back(job);
        }
        waiting.extend(todo.try_iter());
        let mut appends = Vec::new();
        while matches!(waiting.front(), Some(Job::Append { .. })) {
            if let Some(Job::Append { group, proposal }) = waiting.pop_front() {
                appends.push((group, proposal));
            }
        }
        if !appends.is_empty() {
            append(&mut *store, appends, done);
            continue;
        }
        let reply = match waiting.pop_front() {
            Some(Job::Tail { group, after }) => match store.read(&group, after, PAGE) {
                Err(StoreError::Compacted { .. }) => match load(&mut *store, &group) {
                    Ok(log) => Reply::Anew { group, log },
                    Err(error) => Reply::Tail { group, result: Err(error) },
                },
                result => Reply::Tail { group, result },
            },
            Some(Job::Compact { group, snapshot: Snapshot { through, state } }) => {
                let result = store.compact(&group, through, state.expose());
                Reply::Compacted { group, result }
            }
            Some(Job::Changes { mark }) => Reply::Changes(store.changes(mark)),
            Some(Job::Lease { now, name, holder, ttl }) => {
                Reply::Lease(store.lease(now, &name, &holder, ttl))
            }
            Some(Job::Release { name, holder }) => {
                // It runs out by itself.
                let _ = store.release(&name, &holder);
                continue;
            }
            Some(Job::Append { .. }) | None => continue,
        };
        // Nobody is left to read it when the daemon ends.
        let _ = done.send(reply);
    }
}

fn append(
    store: &mut dyn Store,
    appends: Vec<(GroupName, Proposal)>,
    done: &replies::UnboundedSender<Reply>,
) {
    let begun = Instant::now();
    let batch: Vec<Append<'_>> = appends
        .iter()
        .map(|(group, proposal)| Append { group, seq: proposal.seq, record: proposal.record.expose() })
        .collect();
    let results = store.append(&batch);
    drop(batch);
    let took = begun.elapsed();
    for ((group, proposal), result) in appends.into_iter().zip(results) {
        let _ = done.send(Reply::Appended { group, proposal, result, took });
    }
}

/// Reads all that is stored of a group.
///
/// # Errors
/// [`StoreError`]
pub(crate) fn load(store: &mut dyn Store, group: &GroupName) -> Result<Log, StoreError> {
    // Another controller may make a new snapshot meanwhile.
    for _ in 0..8 {
        let snapshot = store.snapshot(group)?;
        let mut last = snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        let mut records = Vec::new();
        loop {
            match store.read(group, last, PAGE) {
                Ok(page) if page.is_empty() => return Ok(Log { snapshot, records }),
                Ok(page) => {
                    last = page.last().map_or(last, |record| record.seq);
                    records.extend(page);
                }
                Err(StoreError::Compacted { .. }) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Err(StoreError::Unavailable("the log is made into snapshots faster than it is read".into()))
}

/// Stores the first record of a new group, unless somebody else is first.
///
/// # Errors
/// [`StoreError`]
pub(crate) fn begin(
    store: &mut dyn Store,
    group: &GroupName,
    record: &SecretBytes,
) -> Result<(), StoreError> {
    let append = Append { group, seq: 1, record: record.expose() };
    match store.append(&[append]).pop() {
        Some(Ok(()) | Err(StoreError::Conflict { .. })) => Ok(()),
        Some(Err(error)) => Err(error),
        None => Err(StoreError::Unavailable("it gave no answer".into())),
    }
}
