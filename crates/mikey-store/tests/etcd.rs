//! The store in an etcd cluster: the contract, and nodes that die, freeze, fill up and come back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::time::{Duration, Instant};

use common::cluster::{Cluster, free_ports};
use common::{append, conforms, contend, group, keyring, read};
use mikey_group::conformance::{contended, propose};
use mikey_group::{Store, StoreError};
use mikey_proto::Time;
use mikey_store::{EtcdConfig, EtcdStore, EtcdTls, Sealed};

fn open(endpoints: Vec<String>, timeout: Duration) -> Sealed<EtcdStore> {
    let config = EtcdConfig { endpoints, prefix: "/mikey-test/".into(), timeout, tls: None };
    Sealed::new(EtcdStore::new(&config).unwrap(), keyring(1, &[]))
}

const PATIENT: Duration = Duration::from_secs(20);

#[test]
fn it_conforms_and_leases_run_out() {
    let cluster = Cluster::start(1, None);
    conforms("etcd", || Box::new(open(cluster.endpoints(), PATIENT)));
    let report = contend("contended", 50, || open(cluster.endpoints(), PATIENT));
    assert!(report.failures.is_empty(), "{report:#?}");

    let mut store = open(cluster.endpoints(), PATIENT);
    let first = store.lease(Time::ZERO, "short", "a", Duration::from_secs(1)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let second = loop {
        let lease = store.lease(Time::ZERO, "short", "b", Duration::from_secs(1)).unwrap();
        if lease.holder == "b" {
            break lease;
        }
        assert!(Instant::now() < deadline, "a lease of a second is held for ever");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(second.token > first.token);

    // A handle that knows of no other endpoint, and one that asks where nobody is first.
    let nobody = format!("http://127.0.0.1:{}", free_ports(1)[0]);
    let mut lost = open(vec![nobody.clone()], Duration::from_millis(400));
    assert!(matches!(append(&mut lost, &group("g"), 1, b"x"), Err(StoreError::Unavailable(_))));
    let mut second_try = open([vec![nobody], cluster.endpoints()].concat(), PATIENT);
    append(&mut second_try, &group("g"), 1, b"x").unwrap();
    assert!(
        EtcdStore::new(&EtcdConfig { endpoints: vec![], prefix: String::new(), timeout: PATIENT, tls: None })
            .is_err()
    );
}

#[test]
fn what_is_configured_for_tls_does_not_go_without() {
    let tls = EtcdTls { ca: Vec::new(), identity: None, server_name: None };
    let endpoints = vec!["http://127.0.0.1:2379".to_owned()];
    let config = EtcdConfig { endpoints, prefix: String::new(), timeout: PATIENT, tls: Some(tls) };
    let why = EtcdStore::new(&config).err().unwrap().to_string();
    assert!(why.contains("not https"), "{why}");
}

#[test]
fn nothing_acknowledged_is_lost_when_leaders_die_and_freeze() {
    let mut cluster = Cluster::start(3, None);
    let log = group("ha");
    let endpoints = cluster.endpoints();
    let granted: Vec<_> = std::thread::scope(|scope| {
        let proposers: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|who| {
                let (mut store, log) = (open(endpoints.clone(), Duration::from_secs(30)), &log);
                scope.spawn(move || propose(&mut store, log, who, 150).unwrap())
            })
            .collect();
        for round in 0..2 {
            std::thread::sleep(Duration::from_millis(400));
            let leader = cluster.leader().unwrap_or(round);
            if round == 0 {
                cluster.kill(leader);
                std::thread::sleep(Duration::from_secs(2));
                cluster.start_node(leader);
            } else {
                cluster.freeze(leader, true);
                std::thread::sleep(Duration::from_secs(4));
                cluster.freeze(leader, false);
            }
        }
        proposers.into_iter().flat_map(|proposer| proposer.join().unwrap()).collect()
    });
    let report = contended(&mut open(endpoints, PATIENT), &log, granted).unwrap();
    assert!(report.failures.is_empty(), "{report:#?}");

    // Without a majority nothing is granted, and it is said in time.
    cluster.kill(0);
    cluster.kill(1);
    let mut store = open(cluster.endpoints(), Duration::from_secs(2));
    let started = Instant::now();
    assert!(matches!(append(&mut store, &log, 451, b"alone"), Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    cluster.start_node(0);
    let mut store = open(cluster.endpoints(), PATIENT);
    append(&mut store, &log, 451, b"alone").unwrap();
    assert_eq!(read(&mut store, &log, 450).unwrap(), [b"alone"]);
}

#[test]
fn a_full_cluster_is_told_and_loses_nothing() {
    let cluster = Cluster::start(1, Some(6 << 20));
    let mut store = open(cluster.endpoints(), PATIENT);
    let log = group("full");
    let record: Vec<u8> = (0..300_000u32).map(|n| n.to_be_bytes()[2] ^ n.to_be_bytes()[3]).collect();
    let mut stored = 0;
    let error = loop {
        match append(&mut store, &log, stored + 1, &record) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100);
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    assert!(stored > 3, "{stored}");
    let read = read(&mut store, &log, 0).unwrap();
    assert_eq!(read.len() as u64, stored, "what was refused is not there, what was acknowledged is");
    assert!(read.iter().all(|octets| *octets == record));
}
