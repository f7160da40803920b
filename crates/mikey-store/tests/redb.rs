//! The store in a file: the contract, restarts, kills, and files and disks that are not as they should be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{append, conforms, contend, group, keyring, read};
use mikey_group::{Append, Store, StoreError};
use mikey_store::{RedbStore, Sealed};

const CHILD: &str = "MIKEY_STORE_TEST_CHILD";

#[test]
fn it_conforms_plain_and_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&directory.path().join("plain")).unwrap();
    conforms("plain", || Box::new(store.clone()));
    let store = Sealed::new(RedbStore::open(&directory.path().join("sealed")).unwrap(), keyring(1, &[]));
    conforms("sealed", || Box::new(store.clone()));
    let report = contend("contended", 25, || store.clone());
    assert!(report.failures.is_empty(), "{report:#?}");
}

#[test]
fn the_file_is_for_its_owner_and_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut store = RedbStore::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let Err(StoreError::Unavailable(why)) = RedbStore::open(&path) else { panic!("opened twice") };
    assert!(why.contains("another"), "{why}");
    append(&mut store, &group("g"), 1, b"one").unwrap();
    let token = store
        .lease(mikey_proto::Time::ZERO, "leader", "a", core::time::Duration::from_secs(9))
        .unwrap()
        .token;
    drop(store);
    let mut store = RedbStore::open(&path).unwrap();
    assert_eq!(read(&mut store, &group("g"), 0).unwrap(), [b"one"]);
    let later =
        store.lease(mikey_proto::Time::ZERO, "leader", "b", core::time::Duration::from_secs(9)).unwrap();
    assert!(later.token > token, "fencing tokens outlive the process");
}

/// Fills a store until it is told to stop or dies, and says what was acknowledged.
fn fill(path: &Path) {
    let mut store = match RedbStore::open(path) {
        Ok(store) => Sealed::new(store, keyring(1, &[])),
        Err(error) => return println!("open: {error:?}"),
    };
    let (a, b) = (group("a"), group("b"));
    let head = |store: &mut Sealed<RedbStore>, group| match store.snapshot(group).unwrap() {
        Some(snapshot) => {
            snapshot.through + store.read(group, snapshot.through, 100_000).unwrap().len() as u64
        }
        None => store.read(group, 0, 100_000).unwrap().len() as u64,
    };
    let (mut next_a, mut next_b) = (head(&mut store, &a) + 1, head(&mut store, &b) + 1);
    let padding = vec![7; 2000];
    for round in 0..20_000u32 {
        let record = [&next_a.to_be_bytes()[..], &padding].concat();
        let batch = [
            Append { group: &a, seq: next_a, record: &record },
            Append { group: &b, seq: next_b, record: &record },
        ];
        match &store.append(&batch)[..] {
            [Ok(()), Ok(())] => println!("{next_a} {next_b}"),
            other => return println!("{other:?}"),
        }
        (next_a, next_b) = (next_a + 1, next_b + 1);
        if round % 64 == 63 {
            store.compact(&a, next_a - 9, b"snapshot").unwrap();
        }
    }
}

/// The test binary again, as a process that fills the store.
fn child(path: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -f ${BLOCKS:-unlimited}; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_acknowledged_survives_a_kill_at_any_instant", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_instant() {
    if let Some(path) = std::env::var_os(CHILD) {
        return fill(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut acknowledged = (0, 0);
    for round in 0..12u32 {
        let mut process = child(&path).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Some are killed while they open the file, the others after some more commits each.
        for _ in 0..(7 * round * round) % 100 {
            let line = lines.next().unwrap().unwrap();
            if let Some((a, b)) =
                line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))
            {
                acknowledged = (a, b);
            }
        }
        process.kill().unwrap();
        process.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some((a, b)) =
                line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))
            {
                acknowledged = (a, b);
            }
        }
        let mut store = Sealed::new(RedbStore::open(&path).unwrap(), keyring(1, &[]));
        let through = store.snapshot(&group("a")).unwrap().map_or(0, |snapshot| snapshot.through);
        let a = store.read(&group("a"), through, 100_000).unwrap();
        let b = store.read(&group("b"), 0, 100_000).unwrap();
        let (last_a, last_b) = (through + a.len() as u64, b.len() as u64);
        assert!(last_a >= acknowledged.0 && last_b >= acknowledged.1, "{acknowledged:?} {last_a} {last_b}");
        assert_eq!(last_a, last_b, "a batch is one transaction");
        assert!(last_a <= acknowledged.0 + 1, "at most the batch under way is more");
        assert!(a.iter().all(|record| record.octets.expose().starts_with(&record.seq.to_be_bytes())));
    }
    assert!(acknowledged.0 > 100, "{acknowledged:?}");
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    // A limit on the size of files stands for the disk: the same calls fail, with another number.
    let output = child(&path).env("BLOCKS", "4000").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let last =
        text.lines().filter_map(|line| line.split_once(' ')?.0.parse::<u64>().ok()).next_back().unwrap();
    assert!(last > 100, "{text}");
    assert!(text.contains("[Err(Full("), "{}", &text[text.len() - 500..]);
    let mut store = Sealed::new(RedbStore::open(&path).unwrap(), keyring(1, &[]));
    assert_eq!(store.read(&group("b"), 0, 100_000).unwrap().len() as u64, last);
    append(&mut store, &group("b"), last + 1, b"room again").unwrap();
}

#[test]
fn a_damaged_file_is_told_and_never_read_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut store = Sealed::new(RedbStore::open(&path).unwrap(), keyring(1, &[]));
    let records: Vec<_> = (1..=200u64).map(|n| [&n.to_be_bytes()[..], &[n as u8; 300]].concat()).collect();
    for (seq, record) in (1..).zip(&records) {
        append(&mut store, &group("g"), seq, record).unwrap();
    }
    drop(store);
    let good = std::fs::read(&path).unwrap();
    let damaged = directory.path().join("damaged");
    let (mut told, mut whole) = (0, 0);
    // Quiet, as redb panics in debug builds where it returns an error in others; the store makes one of both.
    std::panic::set_hook(Box::new(|_| ()));
    for n in 0..160usize {
        let mut octets = good.clone();
        let place = n * 2_654_435_761 % good.len();
        match n % 4 {
            0 => octets.truncate(place),
            1 => octets[place..(place + 4096).min(good.len())].fill(0),
            2 => octets[place] ^= 1 << (n / 4 % 8),
            _ => octets[(n / 4) % 512] ^= 0x41,
        }
        std::fs::write(&damaged, &octets).unwrap();
        let result = RedbStore::open(&damaged).and_then(|store| {
            let mut store = Sealed::new(store, keyring(1, &[]));
            read(&mut store, &group("g"), 0)
        });
        match result {
            // The damage was where nothing is, or redb went back to the commit before.
            Ok(read) if !read.is_empty() => {
                assert!(records.starts_with(&read), "damage {n} is read as something else");
                whole += 1;
            }
            Ok(_) => assert!(octets.is_empty() || n % 4 < 2, "damage {n} made an empty store"),
            Err(StoreError::Corrupt(_) | StoreError::Unavailable(_)) => told += 1,
            Err(other) => panic!("damage {n}: {other:?}"),
        }
    }
    let _ = std::panic::take_hook();
    assert!(told > 20 && whole > 20, "{told} {whole}");

    let mut text = std::fs::File::create(&damaged).unwrap();
    text.write_all(&b"this is no store at all\n".repeat(500)).unwrap();
    assert!(matches!(RedbStore::open(&damaged), Err(StoreError::Corrupt(_))));
    assert!(matches!(
        RedbStore::open(&directory.path().join("no/such/place")),
        Err(StoreError::Unavailable(_))
    ));
}
