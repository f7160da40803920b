//! A store whose content is wrapped under the operator's KEK.

use std::sync::Arc;
use std::time::Duration;

use mikey_group::{
    Append, Changes, GroupName, Lease, MAX_RECORD, MAX_STORED, Record, Snapshot, Store, StoreError,
};
use mikey_proto::Time;

use crate::Keyring;

/// Wraps records and snapshots on their way into a store. Each is bound to its group and number, so that who can write
/// to the store cannot put one in the place of another; names, numbers and leases are in clear. Who can write to it can
/// still take the last records away, and a log that goes back has keys sealed twice under one nonce
/// ([`Store`]): nobody but its controllers may be able to write to it. Two deployments must not have one
/// KEK, or records of a group in one will do in the other.
#[derive(Clone)]
pub struct Sealed<S> {
    inner: S,
    keyring: Arc<Keyring>,
}

impl<S: Store> Sealed<S> {
    /// Wraps what `inner` keeps.
    pub const fn new(inner: S, keyring: Arc<Keyring>) -> Self {
        Self { inner, keyring }
    }

    /// The store with the sealed octets.
    pub const fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

/// What the octets are, and of which group and number.
fn context(kind: &str, group: &GroupName, seq: u64) -> Vec<u8> {
    [b"mikey store ", kind.as_bytes(), b" ", &seq.to_be_bytes(), b" ", group.as_bytes()].concat()
}

impl<S: Store> Store for Sealed<S> {
    fn append(&mut self, batch: &[Append<'_>]) -> Vec<Result<(), StoreError>> {
        // One that cannot be sealed is passed on too long, so that the store refuses it and what comes after it.
        let sealed: Vec<_> = batch
            .iter()
            .map(|entry| match entry.record.len() {
                len if len > MAX_RECORD => Err(StoreError::TooLong(len)),
                _ => self.keyring.seal(&context("record", entry.group, entry.seq), entry.record),
            })
            .collect();
        let too_long = vec![0; MAX_STORED + 1];
        let entries: Vec<_> = batch
            .iter()
            .zip(&sealed)
            .map(|(entry, sealed)| Append { record: sealed.as_deref().unwrap_or(&too_long), ..*entry })
            .collect();
        let results = self.inner.append(&entries);
        results.into_iter().zip(sealed).map(|(result, sealed)| sealed.and(result)).collect()
    }

    fn read(&mut self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let records = self.inner.read(group, after, limit)?;
        let open = |record: Record| {
            let context = context("record", group, record.seq);
            Ok(Record { seq: record.seq, octets: self.keyring.open(&context, record.octets.expose())? })
        };
        records.into_iter().map(open).collect()
    }

    fn snapshot(&mut self, group: &GroupName) -> Result<Option<Snapshot>, StoreError> {
        let Some(sealed) = self.inner.snapshot(group)? else { return Ok(None) };
        let context = context("snapshot", group, sealed.through);
        let state = self.keyring.open(&context, sealed.state.expose())?;
        Ok(Some(Snapshot { through: sealed.through, state }))
    }

    fn compact(&mut self, group: &GroupName, through: u64, state: &[u8]) -> Result<(), StoreError> {
        let sealed = self.keyring.seal(&context("snapshot", group, through), state)?;
        self.inner.compact(group, through, &sealed)
    }

    fn changes(&mut self, mark: u64) -> Result<Changes, StoreError> {
        self.inner.changes(mark)
    }

    fn lease(&mut self, now: Time, name: &str, holder: &str, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.lease(now, name, holder, ttl)
    }

    fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        self.inner.release(name, holder)
    }

    fn leases(&mut self, now: Time, prefix: &str) -> Result<Vec<Lease>, StoreError> {
        self.inner.leases(now, prefix)
    }
}
