//! Records: put if absent, in order. The head of a log is compared in every transaction, so that a number stays taken
//! when its record has gone into a snapshot.

use mikey_crypto::SecretBytes;
use mikey_group::{Changes, GroupName, MAX_STORED, Record, StoreError};

use super::Cluster;
use super::layout::{self, Pointer};
use super::rpc::{Compare, KeyValue, RangeRequest, TxnRequest, get, put};

/// Records of one transaction: etcd takes 128 operations and 1.5 MiB.
const RUN_RECORDS: usize = 100;
const RUN_OCTETS: usize = MAX_STORED;
/// Records of one answer.
const PAGE: usize = 64;

/// A record on its way.
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) record: Vec<u8>,
}

impl Cluster {
    /// Appends to one group; a result for each entry.
    pub(super) async fn append(&self, group: &GroupName, entries: &[Entry]) -> Vec<Result<(), StoreError>> {
        let mut results = Vec::with_capacity(entries.len());
        let mut rest = entries;
        while let Some((run, later)) = rest.split_at_checked(run_len(rest)).filter(|(run, _)| !run.is_empty())
        {
            let (done, error) = self.append_run(group, run).await;
            results.resize(results.len() + done, Ok(()));
            if let Some(error) = error {
                results.resize(entries.len(), Err(error));
                break;
            }
            rest = later;
        }
        results
    }

    /// Appends entries with numbers that follow each other; how many are in, and why no more.
    async fn append_run(&self, group: &GroupName, run: &[Entry]) -> (usize, Option<StoreError>) {
        let mut done = 0;
        while let Some(pending) = run.get(done..).filter(|pending| !pending.is_empty()) {
            match self.append_or_compare(group, pending).await {
                Ok((_, true)) => return (run.len(), None),
                Ok((same, false)) if same > 0 => done += same,
                Ok((_, false)) => return (done, Some(self.conflict(group).await)),
                Err(error) => return (done, Some(error)),
            }
        }
        (done, None)
    }

    /// Either appends all, or says how many of the first are in already.
    async fn append_or_compare(
        &self,
        group: &GroupName,
        pending: &[Entry],
    ) -> Result<(usize, bool), StoreError> {
        let (Some(first), Some(last)) = (pending.first(), pending.last()) else { return Ok((0, true)) };
        if first.record.len() > RUN_OCTETS {
            return Err(StoreError::TooLong(first.record.len()));
        }
        let head = self.layout.head(group);
        let is_next = match first.seq.checked_sub(1) {
            None => return Ok((0, false)),
            Some(0) => Compare::absent(&head),
            Some(before) => Compare::value(&head, &before.to_be_bytes()),
        };
        let mut success: Vec<_> = pending
            .iter()
            .map(|entry| put(self.layout.record(group, entry.seq), entry.record.clone()))
            .collect();
        success.push(put(head, last.seq.to_be_bytes().into()));
        let (from, end) = self.layout.records(group, first.seq);
        let limit = i64::try_from(pending.len()).unwrap_or(i64::MAX);
        let after_first = RangeRequest { limit, ..RangeRequest::between(from, end) };
        let failure = vec![get(after_first.clone())];
        let answer = match self.txn(TxnRequest { compare: vec![is_next], success, failure }).await {
            // etcd may have done what finds the space used up, and say so all the same.
            Err(StoreError::Full(why)) => {
                let stored = self.range(after_first).await?.kvs;
                let all = in_already(pending, &stored) == pending.len();
                return if all { Ok((0, true)) } else { Err(StoreError::Full(why)) };
            }
            answer => answer?,
        };
        if answer.succeeded {
            return Ok((0, true));
        }
        Ok((in_already(pending, &answer.found().next().unwrap_or_default()), false))
    }

    async fn conflict(&self, group: &GroupName) -> StoreError {
        match self.head(group).await {
            Ok(head) => StoreError::Conflict { head },
            Err(error) => error,
        }
    }

    /// Number of the last record of a group; 0 if it has none.
    pub(super) async fn head(&self, group: &GroupName) -> Result<u64, StoreError> {
        let answer = self.range(RangeRequest::one(self.layout.head(group))).await?;
        answer.kvs.first().map_or(Ok(0), |head| layout::head(&head.value))
    }

    /// Reads page by page.
    pub(super) async fn read(
        &self,
        group: &GroupName,
        mut after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        while records.len() < limit {
            let page = (limit - records.len()).min(PAGE);
            let found = self.page(group, after, page).await?;
            let last = found.len() < page;
            for kv in found {
                let next = after.checked_add(1);
                if next.is_none() || layout::number(&kv.key) != next {
                    return Err(StoreError::Corrupt(format!("records of {group} after {after} are missing")));
                }
                after = next.unwrap_or(after);
                records.push(Record { seq: after, octets: SecretBytes::from(kv.value) });
            }
            if last {
                break;
            }
        }
        Ok(records)
    }

    /// The records after `after` and where the snapshot is, both of one moment.
    async fn page(&self, group: &GroupName, after: u64, limit: usize) -> Result<Vec<KeyValue>, StoreError> {
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        let (from, end) = self.layout.records(group, first);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let success = vec![
            get(RangeRequest::one(self.layout.snapshot(group))),
            get(RangeRequest { limit, ..RangeRequest::between(from, end) }),
        ];
        let mut found = self.txn(TxnRequest { success, ..TxnRequest::default() }).await?.found();
        if let Some(pointer) = found.next().unwrap_or_default().first() {
            let through = Pointer::decode(&pointer.value)?.through;
            if after < through {
                return Err(StoreError::Compacted { through });
            }
        }
        Ok(found.next().unwrap_or_default())
    }

    pub(super) async fn changes(&self, mark: u64) -> Result<Changes, StoreError> {
        let (from, end) = self.layout.heads();
        let since = i64::try_from(mark).unwrap_or(i64::MAX).saturating_add(1);
        let request = RangeRequest { min_mod_revision: since, ..RangeRequest::between(from, end) };
        let answer = self.range(request).await?;
        let revision = answer.header.map_or(0, |header| header.revision);
        let heads = answer.kvs.iter().map(|kv| Ok((self.layout.group(&kv.key)?, layout::head(&kv.value)?)));
        Ok(Changes {
            heads: heads.collect::<Result<_, StoreError>>()?,
            mark: u64::try_from(revision).unwrap_or(0),
        })
    }
}

/// How many of the first entries are stored as they are.
fn in_already(pending: &[Entry], stored: &[KeyValue]) -> usize {
    let same = pending.iter().zip(stored).take_while(|(entry, stored)| {
        layout::number(&stored.key) == Some(entry.seq) && stored.value == entry.record
    });
    same.count()
}

/// How many of the first entries go into one transaction: numbers that follow each other, within its limits.
fn run_len(entries: &[Entry]) -> usize {
    let mut octets = 0;
    let mut len = 0;
    let mut next = entries.first().map(|entry| entry.seq);
    for entry in entries {
        octets += entry.record.len();
        let fits = len < RUN_RECORDS && (octets <= RUN_OCTETS || len == 0);
        if !fits || next != Some(entry.seq) {
            break;
        }
        len += 1;
        next = entry.seq.checked_add(1);
    }
    len
}
