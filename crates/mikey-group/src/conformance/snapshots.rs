//! Snapshots in the place of records.

use super::{Names, Report, append, read};
use crate::{GroupName, Store, StoreError};

pub(super) fn run(checks: &mut Report, names: &Names, one: &mut dyn Store, two: &mut dyn Store) {
    let group = names.group("snapshots");
    let conflict = |head| Err(StoreError::Conflict { head });
    checks.equal("no snapshot of nothing", &one.compact(&group, 1, b"early"), &conflict(0));
    for seq in 1..=5u64 {
        checks.equal("a record", &append(one, &group, seq, format!("{seq}").as_bytes()), &Ok(()));
    }
    checks.equal("no snapshot of what is to come", &one.compact(&group, 6, b"early"), &conflict(5));
    checks.equal("no snapshot yet", &snapshot(two, &group), &Ok(None));

    checks.equal("a snapshot", &one.compact(&group, 3, b"up to 3"), &Ok(()));
    checks.equal("another handle sees it", &snapshot(two, &group), &Ok(Some((3, b"up to 3".to_vec()))));
    let compacted = Err(StoreError::Compacted { through: 3 });
    checks.equal("what is in it is not read", &read(two, &group, 0, 9), &compacted);
    checks.equal("nor a part of it", &read(two, &group, 2, 9), &compacted);
    let rest = Ok(vec![(4, b"4".to_vec()), (5, b"5".to_vec())]);
    checks.equal("the rest is", &read(two, &group, 3, 9), &rest);

    checks.equal("a number in it stays taken", &append(two, &group, 2, b"new"), &conflict(5));
    checks.equal("even for its own octets", &append(two, &group, 2, b"2"), &conflict(5));
    checks.equal("an older snapshot changes nothing", &two.compact(&group, 2, b"up to 2"), &Ok(()));
    checks.equal("nor one as new", &two.compact(&group, 3, b"also 3"), &Ok(()));
    checks.equal("the first stays", &snapshot(one, &group), &Ok(Some((3, b"up to 3".to_vec()))));

    let long: Vec<u8> = (0..3_000_000u32).map(|n| n.to_be_bytes()[3] ^ n.to_be_bytes()[1]).collect();
    checks.equal("a longer one of all", &two.compact(&group, 5, &long), &Ok(()));
    checks.that("is read as written", snapshot(one, &group) == Ok(Some((5, long))));
    checks.equal("no record is left", &read(one, &group, 5, 9), &Ok(vec![]));
    checks.equal("numbers go on", &append(one, &group, 5, b"again"), &conflict(5));
    checks.equal("from where they were", &append(one, &group, 6, b"6"), &Ok(()));
    checks.equal("an empty one", &one.compact(&group, 6, b""), &Ok(()));
    checks.equal("is one", &snapshot(two, &group), &Ok(Some((6, vec![]))));
}

fn snapshot(store: &mut dyn Store, group: &GroupName) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    Ok(store.snapshot(group)?.map(|s| (s.through, s.state.expose().to_vec())))
}
