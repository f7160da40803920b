//! Keys at rest: nothing in clear, nothing in the place of another, one KEK alone, and where the KEK comes from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{append, conforms, group, keyring, read};
use mikey_crypto::Secret;
use mikey_group::{MAX_RECORD, MemoryStore, Store, StoreError};
use mikey_store::{KekError, Keyring, Sealed, read_credential, read_kek};

const SECRET: &[u8] = b"a node key that nobody may read";

fn sealed(store: &MemoryStore, current: u8, previous: &[u8]) -> Sealed<MemoryStore> {
    Sealed::new(store.clone(), keyring(current, previous))
}

#[test]
fn a_sealed_store_conforms() {
    let memory = MemoryStore::new();
    conforms("sealed", || Box::new(Sealed::new(memory.clone(), keyring(1, &[]))));
    let mut store = sealed(&MemoryStore::new(), 1, &[]);
    let long = vec![1; MAX_RECORD + 1];
    assert_eq!(append(&mut store, &group("g"), 1, &long), Err(StoreError::TooLong(long.len())));
}

#[test]
fn nothing_is_in_clear_and_the_same_is_sealed_the_same() {
    let memory = MemoryStore::new();
    let mut store = sealed(&memory, 1, &[]);
    append(&mut store, &group("g"), 1, SECRET).unwrap();
    append(&mut store, &group("g"), 2, SECRET).unwrap();
    store.compact(&group("g"), 1, SECRET).unwrap();
    let raw = store.inner_mut().snapshot(&group("g")).unwrap().unwrap().state;
    let records = read(&mut memory.clone(), &group("g"), 1).unwrap();
    for octets in [raw.expose(), &records[0]] {
        assert!(!octets.windows(8).any(|window| SECRET.windows(8).any(|part| part == window)));
        assert_eq!(octets.len(), SECRET.len() + 57);
    }
    assert_ne!(raw.expose()[9..], records[0][9..], "what it is and its number are bound in");
    assert_eq!(append(&mut store, &group("g"), 2, SECRET), Ok(()), "so that a repeat is known as one");
    assert_eq!(store.snapshot(&group("g")).unwrap().unwrap().state.expose(), SECRET);
}

#[test]
fn a_record_in_the_place_of_another_is_refused() {
    let memory = MemoryStore::new();
    let mut store = sealed(&memory, 1, &[]);
    append(&mut store, &group("g"), 1, SECRET).unwrap();
    let record = read(&mut memory.clone(), &group("g"), 0).unwrap().remove(0);
    let refused = |name: &str, record: &[u8]| {
        let mut raw = memory.clone();
        append(&mut raw, &group(name), 1, record).unwrap();
        matches!(read(&mut sealed(&memory, 1, &[]), &group(name), 0), Err(StoreError::Corrupt(_)))
    };
    assert!(refused("h", &record), "of another group");
    append(&mut memory.clone(), &group("g"), 2, &record).unwrap();
    assert!(matches!(read(&mut store, &group("g"), 1), Err(StoreError::Corrupt(_))), "with another number");
    let mut raw = memory.clone();
    append(&mut raw, &group("s"), 1, &record).unwrap();
    raw.compact(&group("s"), 1, &record).unwrap();
    assert!(matches!(store.snapshot(&group("s")), Err(StoreError::Corrupt(_))), "as a snapshot");
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let memory = MemoryStore::new();
    append(&mut sealed(&memory, 1, &[]), &group("g"), 1, b"short").unwrap();
    let record = read(&mut memory.clone(), &group("g"), 0).unwrap().remove(0);
    let mut n = 0u32;
    let mut open = |octets: &[u8]| {
        n += 1;
        // The name has its part in the seal, so each try has a store of its own.
        let memory = MemoryStore::new();
        append(&mut memory.clone(), &group("g"), 1, octets).unwrap();
        read(&mut sealed(&memory, 1, &[]), &group("g"), 0)
    };
    assert_eq!(open(&record).unwrap(), [b"short"]);
    for bit in 0..record.len() * 8 {
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let wanted = if (8..72).contains(&bit) { "WrongKey" } else { "Corrupt" };
        let error = open(&changed).unwrap_err();
        assert!(format!("{error:?}").starts_with(wanted), "bit {bit}: {error:?}");
    }
    for len in 0..record.len() {
        assert!(matches!(open(&record[..len]), Err(StoreError::Corrupt(_))), "{len}");
    }
    assert!(open(&[record, vec![0]].concat()).is_err());
}

#[test]
fn another_key_is_named_as_such_and_an_older_one_still_opens() {
    let memory = MemoryStore::new();
    append(&mut sealed(&memory, 1, &[]), &group("g"), 1, SECRET).unwrap();
    assert_eq!(read(&mut sealed(&memory, 2, &[]), &group("g"), 0), Err(StoreError::WrongKey));
    let mut both = sealed(&memory, 2, &[1]);
    assert_eq!(read(&mut both, &group("g"), 0).unwrap(), [SECRET]);
    append(&mut both, &group("g"), 2, SECRET).unwrap();
    both.compact(&group("g"), 2, SECRET).unwrap();
    let mut newer = sealed(&memory, 2, &[]);
    assert_eq!(
        newer.snapshot(&group("g")).unwrap().unwrap().state.expose(),
        SECRET,
        "the snapshot is under the new one"
    );
    assert_ne!(keyring(1, &[]).id(), keyring(2, &[]).id());
}

#[test]
fn a_key_file_is_read_only_if_it_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8], mode: u32| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let octets: [u8; 32] = core::array::from_fn(|n| n as u8);
    let hex = b"000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";
    assert_eq!(read_kek(&file("raw", &octets, 0o600)).ok().unwrap().expose(), &octets);
    assert_eq!(read_kek(&file("hex", hex, 0o400)).ok().unwrap().expose(), &octets);
    for mode in [0o640, 0o604, 0o660, 0o777, 0o610] {
        assert!(
            matches!(read_kek(&file("open", &octets, mode)), Err(KekError::Permissions(_, _))),
            "{mode:o}"
        );
    }
    for content in [&octets[..31], &[&octets[..], &[1]].concat(), b"", &hex[..62], &[b'g'; 64]] {
        assert!(matches!(read_kek(&file("short", content, 0o600)), Err(KekError::Format(_))));
    }
    assert!(matches!(read_kek(&directory.path().join("none")), Err(KekError::Unreadable(_, _))));
    assert!(matches!(
        read_kek(directory.path()),
        Err(KekError::Permissions(_, _) | KekError::Unreadable(_, _))
    ));
    assert!(matches!(read_credential("kek"), Err(KekError::NoCredentials)));
    let weak = Keyring::new(&mikey_crypto_aws_lc::provider(), &Secret::new([0; 32]), &[]);
    assert!(matches!(weak.err(), Some(KekError::Weak)));
}
