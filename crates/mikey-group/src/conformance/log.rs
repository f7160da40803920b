//! Appending and reading.

use super::{Names, Report, append, read};
use crate::{Append, MAX_RECORD, MAX_STORED, Store, StoreError};

pub(super) fn run(checks: &mut Report, names: &Names, one: &mut dyn Store, two: &mut dyn Store) {
    numbers(checks, names, one, two);
    pages(checks, names, one);
    batches(checks, names, one, two);
    sizes(checks, names, one);
    changes(checks, names, one, two);
}

fn numbers(checks: &mut Report, names: &Names, one: &mut dyn Store, two: &mut dyn Store) {
    let group = names.group("numbers");
    checks.equal("a group nobody knows has no records", &read(one, &group, 0, 9), &Ok(vec![]));
    checks.equal(
        "a group nobody knows has no snapshot",
        &one.snapshot(&group).map(|s| s.is_none()),
        &Ok(true),
    );
    let none = Err(StoreError::Conflict { head: 0 });
    checks.equal("number 0 is refused", &append(one, &group, 0, b"zero"), &none);
    checks.equal("a log begins with number 1", &append(one, &group, 2, b"two"), &none);
    checks.equal("what was refused is not there", &read(two, &group, 0, 9), &Ok(vec![]));
    checks.equal("number 1 is appended", &append(one, &group, 1, b"one"), &Ok(()));
    checks.equal("another handle reads it", &read(two, &group, 0, 9), &Ok(vec![(1, b"one".to_vec())]));
    let taken = Err(StoreError::Conflict { head: 1 });
    checks.equal("a number is given once", &append(two, &group, 1, b"eins"), &taken);
    checks.equal("also on the handle that took it", &append(one, &group, 1, b"eins"), &taken);
    checks.equal("the first to come stays", &read(one, &group, 0, 9), &Ok(vec![(1, b"one".to_vec())]));
    checks.equal("the same again is no conflict", &append(two, &group, 1, b"one"), &Ok(()));
    checks.equal("a prefix is not the same", &append(two, &group, 1, b"on"), &taken);
    checks.equal("a gap is refused", &append(two, &group, 3, b"three"), &taken);
    checks.equal("the highest number is refused", &append(two, &group, u64::MAX, b"max"), &taken);
    checks.equal("the next number is appended", &append(two, &group, 2, b"two"), &Ok(()));
    checks.equal("an older one again is no conflict", &append(one, &group, 1, b"one"), &Ok(()));
    checks.equal("and appends nothing", &read(one, &group, 2, 9), &Ok(vec![]));

    let other = names.group("numbers-of-another");
    checks.equal("groups do not share numbers", &append(one, &other, 1, b"other"), &Ok(()));
    checks.equal("nor records", &read(one, &group, 1, 9), &Ok(vec![(2, b"two".to_vec())]));
    checks.equal("the name is compared whole", &read(one, &names.group("number"), 0, 9), &Ok(vec![]));
}

fn pages(checks: &mut Report, names: &Names, store: &mut dyn Store) {
    let group = names.group("pages");
    // Past 9 and past 255, where numbers that are ordered as text or by their last octet go wrong.
    let records: Vec<_> = (1..=300u64).map(|seq| (seq, format!("record {seq}").into_bytes())).collect();
    let batch: Vec<_> =
        records.iter().map(|(seq, record)| Append { group: &group, seq: *seq, record }).collect();
    let results = store.append(&batch);
    checks.that(
        "300 records of a batch are appended",
        results.len() == 300 && results.iter().all(Result::is_ok),
    );
    checks.equal("all are read, in order", &read(store, &group, 0, 1000), &Ok(records.clone()));
    let part = |from: usize, to: usize| Ok(records.get(from..to).unwrap_or_default().to_vec());
    checks.equal("a limit is kept", &read(store, &group, 0, 7), &part(0, 7));
    checks.equal("the next page follows", &read(store, &group, 7, 7), &part(7, 14));
    checks.equal("a limit of none", &read(store, &group, 7, 0), &Ok(vec![]));
    checks.equal("the last one", &read(store, &group, 299, 7), &part(299, 300));
    checks.equal("after the last", &read(store, &group, 300, 7), &Ok(vec![]));
    checks.equal("after any", &read(store, &group, u64::MAX, 7), &Ok(vec![]));
}

fn batches(checks: &mut Report, names: &Names, one: &mut dyn Store, two: &mut dyn Store) {
    checks.that("an empty batch", one.append(&[]).is_empty());
    let (a, b) = (names.group("batch-a"), names.group("batch-b"));
    checks.equal("a first record", &append(two, &a, 1, b"theirs"), &Ok(()));
    let results = one.append(&[
        Append { group: &a, seq: 1, record: b"ours" },
        Append { group: &b, seq: 1, record: b"b1" },
        Append { group: &a, seq: 2, record: b"rests on ours" },
        Append { group: &b, seq: 2, record: b"b2" },
        Append { group: &b, seq: 4, record: b"b4" },
        Append { group: &b, seq: 3, record: b"b3" },
    ]);
    let refused = |head| Err(StoreError::Conflict { head });
    let outcome: Vec<_> = results.iter().map(Result::is_ok).collect();
    checks.equal("each entry has its result", &outcome, &vec![false, true, false, true, false, false]);
    checks.equal("the conflict says where the log is", &results.first().cloned(), &Some(refused(1)));
    checks.equal(
        "nothing rests on what was refused",
        &read(one, &a, 0, 9),
        &Ok(vec![(1, b"theirs".to_vec())]),
    );
    let stored = Ok(vec![(1, b"b1".to_vec()), (2, b"b2".to_vec())]);
    checks.equal("another group is not held up", &read(two, &b, 0, 9), &stored);
}

fn sizes(checks: &mut Report, names: &Names, store: &mut dyn Store) {
    let group = names.group("sizes");
    let long: Vec<u8> = (0..=u8::MAX).cycle().take(MAX_RECORD).collect();
    checks.equal("an empty record", &append(store, &group, 1, b""), &Ok(()));
    checks.equal("the longest record", &append(store, &group, 2, &long), &Ok(()));
    let longer = vec![7; MAX_STORED + 1];
    checks.equal("one too long", &append(store, &group, 3, &longer), &Err(StoreError::TooLong(longer.len())));
    checks.that("both are read as written", read(store, &group, 0, 9) == Ok(vec![(1, vec![]), (2, long)]));
    let odd = crate::GroupName::new(&[0, 0xFF, b'/', b' ', 0]).unwrap_or(group);
    let _ = append(store, &odd, 1, b"odd");
    checks.equal("a name may have any octets", &read(store, &odd, 0, 9), &Ok(vec![(1, b"odd".to_vec())]));
}

fn changes(checks: &mut Report, names: &Names, one: &mut dyn Store, two: &mut dyn Store) {
    let (a, b) = (names.group("changes-a"), names.group("changes-b"));
    let _ = append(one, &a, 1, b"a1");
    let _ = append(one, &b, 1, b"b1");
    let all = two.changes(0).unwrap_or_default();
    checks.that(
        "all groups are listed",
        all.heads.contains(&(a.clone(), 1)) && all.heads.contains(&(b.clone(), 1)),
    );
    let quiet = two.changes(all.mark).unwrap_or_default();
    checks
        .that("nothing has changed since", !quiet.heads.iter().any(|(group, _)| *group == a || *group == b));
    let _ = append(one, &b, 2, b"b2");
    let later = two.changes(quiet.mark).unwrap_or_default();
    checks.that("a change is told", later.heads.contains(&(b.clone(), 2)));
    checks.that("and only what has changed", !later.heads.iter().any(|(group, _)| *group == a));
    let again = two.changes(all.mark).unwrap_or_default();
    checks.that("an older mark tells it too", again.heads.contains(&(b, 2)));
}

/// What an earlier handle has written is there, on a handle opened later.
pub(super) fn survives(checks: &mut Report, names: &Names, store: &mut dyn Store) {
    let numbers = Ok(vec![(1, b"one".to_vec()), (2, b"two".to_vec())]);
    checks.equal("records are there after all", &read(store, &names.group("numbers"), 0, 9), &numbers);
    checks.equal(
        "numbers too",
        &append(store, &names.group("numbers"), 2, b"zwei"),
        &Err(StoreError::Conflict { head: 2 }),
    );
    let snapshot = store.snapshot(&names.group("snapshots"));
    checks.that("and the snapshot", snapshot.is_ok_and(|s| s.is_some_and(|s| s.through == 6)));
}
