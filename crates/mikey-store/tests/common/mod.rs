//! What tests of the stores share.
#![allow(dead_code, unreachable_pub)]

pub mod cluster;

use std::sync::Arc;

use mikey_crypto::Secret;
use mikey_group::conformance::{self, Report, contended, propose};
use mikey_group::{Append, GroupName, Store, StoreError};
use mikey_store::Keyring;

/// A keyring that seals under one key and opens others too.
pub fn keyring(current: u8, previous: &[u8]) -> Arc<Keyring> {
    let kek = |seed: u8| Secret::new(core::array::from_fn(|n| seed ^ n as u8));
    let previous: Vec<_> = previous.iter().map(|seed| kek(*seed)).collect();
    Arc::new(Keyring::new(&mikey_crypto_aws_lc::provider(), &kek(current), &previous).unwrap())
}

pub fn group(name: &str) -> GroupName {
    GroupName::new(name.as_bytes()).unwrap()
}

pub fn append(store: &mut dyn Store, group: &GroupName, seq: u64, record: &[u8]) -> Result<(), StoreError> {
    store.append(&[Append { group, seq, record }]).pop().unwrap()
}

pub fn read(store: &mut dyn Store, group: &GroupName, after: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    Ok(store.read(group, after, usize::MAX)?.iter().map(|record| record.octets.expose().to_vec()).collect())
}

/// Holds a store to the contract.
pub fn conforms(run: &str, open: impl FnMut() -> Box<dyn Store>) {
    let report = conformance::run(run, open);
    assert!(report.failures.is_empty(), "{report:#?}");
    assert!(report.checks > 50, "{}", report.checks);
}

/// Lets four threads propose `count` records each for the same numbers.
pub fn contend<S: Store + 'static>(name: &str, count: u32, open: impl Fn() -> S) -> Report {
    let group = group(name);
    let granted: Vec<_> = std::thread::scope(|scope| {
        let proposers: Vec<_> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|who| {
                let (mut store, group) = (open(), &group);
                scope.spawn(move || propose(&mut store, group, who, count).unwrap())
            })
            .collect();
        proposers.into_iter().flat_map(|proposer| proposer.join().unwrap()).collect()
    });
    assert_eq!(granted.len(), 4 * count as usize);
    contended(&mut open(), &group, granted).unwrap()
}
