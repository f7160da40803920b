//! What any [`Store`] must do (feature `conformance`).
//!
//! [`run`] holds handles on one store to the contract of the trait. [`propose`] is what a controller does under
//! contention; a test lets several threads or processes do it at once and gives what each was granted to [`contended`].

use std::collections::BTreeMap;

use crate::{Append, GroupName, Store, StoreError};

mod leases;
mod log;
mod snapshots;

/// Runs every check that one thread can make. `open` gives handles on one store, each as another controller would have
/// it. Groups and leases are named after `run`, so that one store serves many runs.
pub fn run(run: &str, mut open: impl FnMut() -> Box<dyn Store>) -> Report {
    let mut checks = Report { checks: 0, failures: Vec::new() };
    let names = Names(run.into());
    log::run(&mut checks, &names, &mut *open(), &mut *open());
    snapshots::run(&mut checks, &names, &mut *open(), &mut *open());
    leases::run(&mut checks, &names, &mut *open(), &mut *open());
    log::survives(&mut checks, &names, &mut *open());
    checks
}

/// What [`run`] or [`contended`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many checks were made.
    pub checks: usize,
    /// The names of those that failed, with what was found instead.
    pub failures: Vec<String>,
}

impl Report {
    fn that(&mut self, name: &str, holds: bool) {
        self.checks += 1;
        if !holds {
            self.failures.push(name.into());
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, got: &T, wanted: &T) {
        self.checks += 1;
        if got != wanted {
            self.failures.push(format!("{name}: {got:?} instead of {wanted:?}"));
        }
    }
}

/// Names of groups and leases of one run.
struct Names(String);

impl Names {
    fn group(&self, name: &str) -> GroupName {
        let text = format!("{}-{name}", self.0);
        let octets = text.as_bytes();
        // The last 64 octets, should the name of the run be long.
        GroupName::new(octets.get(octets.len().saturating_sub(64)..).unwrap_or(octets))
            .unwrap_or_else(|| unreachable!("1 to 64 octets"))
    }

    fn lease(&self, name: &str) -> String {
        format!("{}-{name}", self.0)
    }
}

/// One record, appended alone.
fn append(store: &mut dyn Store, group: &GroupName, seq: u64, record: &[u8]) -> Result<(), StoreError> {
    let mut results = store.append(&[Append { group, seq, record }]);
    match (results.pop(), results.is_empty()) {
        (Some(result), true) => result,
        _ => Err(StoreError::Corrupt("not one result for one record".into())),
    }
}

/// The numbers and octets of the records after `after`.
fn read(
    store: &mut dyn Store,
    group: &GroupName,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    Ok(store.read(group, after, limit)?.into_iter().map(|r| (r.seq, r.octets.expose().to_vec())).collect())
}

/// Appends `count` records to `group` against others who do the same, as a controller does: on a conflict it reads
/// first, and what got no answer it proposes again. Gives each number that it was granted, with the octets.
///
/// # Errors
/// The first error that is neither a conflict nor lack of an answer.
pub fn propose(
    store: &mut dyn Store,
    group: &GroupName,
    who: &str,
    count: u32,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut granted = Vec::new();
    let mut head = 0;
    for n in 0..count {
        let record = format!("{who} {n}").into_bytes();
        loop {
            match append(store, group, head + 1, &record) {
                Ok(()) => {
                    head += 1;
                    granted.push((head, record));
                    break;
                }
                Err(StoreError::Conflict { .. }) => {
                    let others = read(store, group, head, 1000)?;
                    if let Some((_, octets)) = others.iter().find(|(_, octets)| *octets == record) {
                        return Err(StoreError::Corrupt(format!("{octets:?} was refused and stored")));
                    }
                    head = others.last().map_or(head, |(seq, _)| *seq);
                }
                Err(StoreError::Unavailable(_)) => (),
                Err(other) => return Err(other),
            }
        }
    }
    Ok(granted)
}

/// Checks what proposers were granted: no number twice, and all of it in the log, which has nothing else.
///
/// # Errors
/// [`StoreError`] if the log cannot be read.
pub fn contended(
    store: &mut dyn Store,
    group: &GroupName,
    granted: impl IntoIterator<Item = (u64, Vec<u8>)>,
) -> Result<Report, StoreError> {
    let mut checks = Report { checks: 0, failures: Vec::new() };
    let mut wanted = BTreeMap::new();
    for (seq, record) in granted {
        checks.that("no number is granted twice", wanted.insert(seq, record).is_none());
    }
    let log = read(store, group, 0, usize::MAX)?;
    checks.equal("the log is what was granted", &log, &wanted.into_iter().collect());
    checks.that("numbers have no gap", log.iter().map(|(seq, _)| *seq).eq(1..=log.len() as u64));
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, MemoryStore};

    #[test]
    fn memory_conforms() {
        let store = MemoryStore::new();
        let report = run("memory", || Box::new(store.clone()));
        assert!(report.failures.is_empty(), "{report:#?}");
        assert!(report.checks > 50, "{}", report.checks);
    }

    #[test]
    fn contention_grants_each_number_once() {
        let store = MemoryStore::new();
        let group = Names("memory".into()).group("contended");
        let granted: Vec<_> = std::thread::scope(|scope| {
            let proposers: Vec<_> = ["a", "b", "c", "d"]
                .into_iter()
                .map(|who| {
                    let (mut store, group) = (store.clone(), &group);
                    scope.spawn(move || propose(&mut store, group, who, 200).unwrap())
                })
                .collect();
            proposers.into_iter().flat_map(|proposer| proposer.join().unwrap()).collect()
        });
        assert_eq!(granted.len(), 800);
        let report = contended(&mut store.clone(), &group, granted.clone()).unwrap();
        assert!(report.failures.is_empty(), "{report:#?}");

        let mut forged = granted;
        forged[7].0 = forged[8].0;
        let report = contended(&mut store.clone(), &group, forged).unwrap();
        assert!(!report.failures.is_empty(), "a number granted twice is seen");
    }

    #[test]
    fn a_lost_answer_is_found_again() {
        let mut store = MemoryStore::new();
        let group = Names("memory".into()).group("lost");
        store.set_fault(Some(Fault::AnswersLost));
        assert!(matches!(append(&mut store, &group, 1, b"one"), Err(StoreError::Unavailable(_))));
        store.set_fault(None);
        assert_eq!(append(&mut store, &group, 1, b"one"), Ok(()));
        assert_eq!(read(&mut store, &group, 0, 9).unwrap(), [(1, b"one".to_vec())]);
    }

    #[test]
    fn faults_store_nothing() {
        let mut store = MemoryStore::new();
        let mut other = store.clone();
        let group = Names("memory".into()).group("faults");
        for fault in [Fault::Unreachable, Fault::Full] {
            store.set_fault(Some(fault));
            assert!(append(&mut store, &group, 1, b"one").is_err());
        }
        assert!(read(&mut other, &group, 0, 9).unwrap().is_empty());
    }
}
