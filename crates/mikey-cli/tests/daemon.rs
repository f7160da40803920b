//! `mikeyd` as an operator runs it: its configuration, its socket, its members, and what a kill leaves of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;
#[path = "common/daemon.rs"]
mod daemon;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::Ended;
use daemon::{Site, signal};
use serde_json::Value;

#[test]
fn an_operator_lists_rekeys_and_expels() {
    let site = Site::new(2);
    let checked = Ended::of(&site.mikeyd("--check mikeyd.toml").output().unwrap());
    assert_eq!((checked.code, checked.out.as_str()), (0, "mikeyd.toml: ok, 1 groups\n"), "{checked:?}");
    let daemon = site.start();
    let mode = |name: &str| std::fs::metadata(site.place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("control.sock"), mode("groups.redb")), (0o600, 0o600));
    let empty = site.group_ok("list").event("group");
    assert_eq!((&empty["members"], &empty["epoch"], &empty["store"]), (&0.into(), &0.into(), &"ok".into()));

    // One listens, one speaks to it.
    let mut ear = site.joined(2, "");
    let mut mouth = site.joined(1, &format!("--send --to {}", ear.address));
    let ssrc = mouth.seen.last().unwrap()["ssrcs"][0].clone();
    ear.wait_for("heard", |heard| heard["ssrc"] == ssrc);
    assert_eq!(site.members(), ["sip:m1@example.com", "sip:m2@example.com"]);
    let members = site.group_ok("members news").events("member");
    let first = members.iter().find(|member| member["name"] == "sip:m1@example.com").unwrap();
    assert_eq!(
        (&first["sends"], &first["receives"], &first["here"]),
        (&true.into(), &true.into(), &true.into())
    );
    assert_eq!(first["ssrcs"][0]["ssrc"], ssrc);
    assert_eq!(first["contact"], mouth.address);
    assert_eq!(
        members.iter().find(|member| member["name"] == "sip:m2@example.com").unwrap()["ssrcs"],
        Value::Array(vec![])
    );

    // New keys, at everybody, and speech goes on under them.
    let rekeyed = site.group_ok("rekey news").event("rekeyed");
    let epoch = rekeyed["epoch"].as_u64().unwrap();
    for member in [&mut ear, &mut mouth] {
        member.wait_for("epoch", |event| event["epoch"] == epoch);
    }
    ear.wait_for("heard", |heard| heard["epoch"] == epoch);
    let shown = site.group_ok("show news").event("group");
    assert_eq!((&shown["epoch"], &shown["record"]), (&rekeyed["epoch"], &rekeyed["record"]));
    assert_eq!(shown["sessions"], serde_json::json!([{"id": 1, "srtp": "AEAD_AES_128_GCM"}]));

    // One is expelled, and told.
    let expelled = site.group_ok("expel news sip:m1@example.com").event("expelled");
    assert_eq!(expelled["epoch"], epoch + 1);
    let gone = mouth.end();
    gone.failed(1, "the controller has removed us from the group");
    assert_eq!(gone.event("left")["expelled"], true);
    assert_eq!(site.members(), ["sip:m2@example.com"]);

    // For people.
    let text = site.place.ok("group members news --socket control.sock").out;
    assert!(text.starts_with("MEMBER") && text.contains("sip:m2@example.com  receive"), "{text}");
    let text = site.place.ok("group stats --socket control.sock").out;
    assert!(text.contains("mikeyd_group_members{group=\"news\"} 1\n"), "{text}");
    assert!(text.contains("# TYPE mikeyd_group_stored_total counter"), "{text}");

    // What does not go.
    site.group("expel news sip:m1@example.com").failed(1, "'sip:m1@example.com' is no member of 'news'");
    site.group("rekey sports").failed(1, "there is no group 'sports' here");
    assert_eq!(ear.leave(), 0);

    let (code, log) = daemon.terminate();
    assert_eq!(code, 0, "{log}");
    assert!(!site.place.path("control.sock").exists());
    assert!(log.contains("joined") && log.contains("left"), "{log}");
    let gone = site.group("list");
    gone.failed(1, "no mikeyd answers at 'control.sock'");
    assert!(gone.err.contains("mikey: hint: is it running"), "{gone:?}");
}

/// Who may not join, or may not what it asks for, is refused, and the log says who that was.
#[test]
fn who_may_not_is_refused_until_the_rules_are_read_again() {
    let site = Site::new(2);
    let rules = std::fs::read_to_string(site.place.path("mikeyd.toml")).unwrap();
    let closed = rules.replace("who = \"*@example.com\"", "who = \"sip:m1@example.com\"");
    std::fs::write(site.place.path("mikeyd.toml"), closed).unwrap();
    let mut daemon = site.start();
    let refused = site.member(2, "--timeout 6").end();
    assert_ne!(refused.code, 0);
    assert!(!refused.events("refused").is_empty(), "{refused:?}");
    daemon.wait_for("member=sip:m2@example.com");
    assert_eq!(site.members(), Vec::<String>::new());
    // A rule that is wrong changes nothing.
    std::fs::write(site.place.path("mikeyd.toml"), rules.replace("who =", "whoever =")).unwrap();
    signal(daemon.id(), "HUP");
    daemon.wait_for("unknown field `whoever`");
    std::fs::write(site.place.path("mikeyd.toml"), rules).unwrap();
    signal(daemon.id(), "HUP");
    daemon.wait_for("who may join was read again");
    let member = site.joined(2, "");
    assert_eq!(site.members(), ["sip:m2@example.com"]);
    assert_eq!(member.leave(), 0);
}

/// What was acknowledged, to a member or to the operator.
#[derive(Default)]
struct Acknowledged {
    epoch: u64,
    record: u64,
    ssrcs: BTreeSet<u64>,
}

/// Kills the daemon at many instants while members come and go and keys are renewed, and starts it again.
#[test]
fn whatever_was_acknowledged_outlives_kill_9() {
    let site = Site::new(4);
    let mut known = Acknowledged::default();
    // One is in all the time, and never asks anything of the controller.
    let mut daemon = site.start();
    let mut constant = site.joined(1, "");
    let mut in_for_good = BTreeSet::from(["sip:m1@example.com".to_owned()]);
    for round in 0..10_u64 {
        let now = site.group_ok("rekey news").event("rekeyed");
        assert!(now["epoch"].as_u64().unwrap() > known.epoch);
        known.epoch = now["epoch"].as_u64().unwrap();
        known.record = now["record"].as_u64().unwrap();
        // Somebody joins and keys are renewed while it dies, a little later each time.
        let n = 2 + round as usize % 3;
        let newcomer = std::thread::scope(|scope| {
            let site = &site;
            let newcomer = scope.spawn(move || site.member(n, "--send --to 127.0.0.1:9 --timeout 40"));
            let rekeys = scope.spawn(move || {
                let all: Vec<Ended> = (0..20).map(|_| site.group("rekey news")).collect();
                let last = all.iter().rfind(|ended| ended.code == 0).map(|ended| ended.event("rekeyed"));
                last.map(|event| (event["epoch"].clone(), event["record"].clone()))
            });
            std::thread::sleep(Duration::from_millis(60 * round));
            daemon.kill();
            if let Some((epoch, record)) = rekeys.join().unwrap() {
                known.epoch = known.epoch.max(epoch.as_u64().unwrap());
                known.record = known.record.max(record.as_u64().unwrap());
            }
            newcomer.join().unwrap()
        });
        daemon = site.start();
        let after = site.group_ok("show news").event("group");
        assert!(after["epoch"].as_u64().unwrap() >= known.epoch, "round {round}: {after}");
        assert!(after["record"].as_u64().unwrap() >= known.record, "round {round}: {after}");
        let members: BTreeSet<String> = site.members().into_iter().collect();
        assert!(members.is_superset(&in_for_good), "round {round}: {members:?}");
        // It got in before, or gets in now.
        let mut newcomer = newcomer;
        let joined = match newcomer.news().iter().find(|event| event["event"] == "joined") {
            Some(joined) => {
                assert!(members.contains(&format!("sip:m{n}@example.com")), "round {round}: it was in");
                joined.clone()
            }
            None => newcomer.wait_for("joined", |_| true),
        };
        let ssrc = joined["ssrcs"][0].as_u64().unwrap();
        assert!(known.ssrcs.insert(ssrc), "round {round}: ssrc {ssrc:08x} was given twice");
        drop(newcomer);
        in_for_good.insert(format!("sip:m{n}@example.com"));
    }
    // Who was in all the time has the keys of now.
    let epoch = site.group_ok("rekey news").event("rekeyed")["epoch"].clone();
    constant.wait_for("epoch", |event| event["epoch"] == epoch);
    let epochs: Vec<u64> = constant
        .seen
        .iter()
        .filter(|event| event["event"] == "epoch")
        .map(|event| event["epoch"].as_u64().unwrap())
        .collect();
    assert!(epochs.is_sorted_by(|a, b| a < b), "an epoch came twice: {epochs:?}");
}

#[test]
fn a_wrong_configuration_is_shown_where_it_is_wrong() {
    let site = Site::new(1);
    let right = std::fs::read_to_string(site.place.path("mikeyd.toml")).unwrap();
    for (from, to) in [
        ("log = \"debug\"", "lgo = \"debug\""),
        ("rekey = \"never\"", "rekey = \"soon\""),
        ("certificate = \"gc.pem\"", "certificate = \"m1.pem\""),
        ("key = \"gc.key\"", "key = \"nobody.key\""),
        ("file = \"kek\"", "file = \"ca/ca.pem\""),
    ] {
        std::fs::write(site.place.path("mikeyd.toml"), right.replacen(from, to, 1)).unwrap();
        for how in ["--check", "--config"] {
            let ended = Ended::of(&site.mikeyd(&format!("{how} mikeyd.toml")).output().unwrap());
            assert_eq!(ended.code, 2, "{ended:?}");
            assert!(ended.err.starts_with("mikeyd: error: the configuration is wrong\n"), "{ended:?}");
            let place = ended.err.lines().find(|line| line.contains("mikeyd.toml:")).expect(&ended.err);
            assert!(place.contains("[mikeyd.toml:"), "{place}");
        }
    }
    let ended = Ended::of(&site.mikeyd("--check nothing.toml").output().unwrap());
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("cannot read 'nothing.toml'"), "{ended:?}");
}

#[test]
fn two_daemons_never_have_one_store() {
    let site = Site::new(1);
    let daemon = site.start();
    let (code, log) = site.spawn().end();
    assert_eq!(code, 1);
    assert!(log.contains("another process has it open"), "{log}");
    assert_eq!(site.group_ok("list").events("group").len(), 1, "the first serves on");
    daemon.kill();
    // Sealed under another key, and made with other sessions.
    std::fs::rename(site.place.path("kek"), site.place.path("old")).unwrap();
    site.place.ok("group new-kek kek");
    let (code, log) = site.spawn().end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("sealed under") && log.contains("mikeyd: hint: "), "{log}");
    let text = std::fs::read_to_string(site.place.path("mikeyd.toml")).unwrap();
    let both = text.replace("file = \"kek\"", "file = \"kek\"\nprevious = [\"old\"]");
    std::fs::write(site.place.path("mikeyd.toml"), &both).unwrap();
    site.start().kill();
    let other = both.replace("AEAD_AES_128_GCM", "AEAD_AES_256_GCM");
    std::fs::write(site.place.path("mikeyd.toml"), other).unwrap();
    let (code, log) = site.spawn().end();
    assert_eq!(code, 1);
    assert!(log.contains("was made with other RTP sessions"), "{log}");
}

/// As systemd starts it: the key is a credential, and readiness and the end are told on a socket.
#[test]
fn the_service_manager_gives_a_credential_and_is_told() {
    let site = Site::new(1);
    let text = std::fs::read_to_string(site.place.path("mikeyd.toml")).unwrap();
    let text = text.replace("file = \"kek\"", "credential = \"kek\"");
    std::fs::write(site.place.path("mikeyd.toml"), text).unwrap();
    std::fs::create_dir(site.place.path("credentials")).unwrap();
    std::fs::rename(site.place.path("kek"), site.place.path("credentials/kek")).unwrap();
    let (code, log) = site.spawn().end();
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("there is no $CREDENTIALS_DIRECTORY"), "{log}");
    let notify = site.place.path("notify");
    let told = std::os::unix::net::UnixDatagram::bind(&notify).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let next = || {
        let mut octets = [0; 256];
        let len = told.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..len]).into_owned()
    };
    let credentials = site.place.path("credentials");
    let daemon = site.spawn_with(&[
        ("NOTIFY_SOCKET", notify.to_str().unwrap()),
        ("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap()),
    ]);
    assert!(next().contains("READY=1"));
    // Whoever is told so finds the daemon there.
    assert_eq!(site.group_ok("list").events("group").len(), 1);
    let (code, _) = daemon.terminate();
    assert_eq!(code, 0);
    assert!(next().contains("STOPPING=1"));
}

/// A store that is full: nobody is let in, the operator is told why, and when there is room again all of it goes on.
#[test]
fn a_full_store_lets_nobody_in_and_recovers() {
    let site = Site::new(2);
    let mut daemon = site.start();
    let mut constant = site.joined(1, "");
    let before = site.group_ok("show news").event("group");
    // No octet more of any file.
    daemon.limit("0");
    let waits = site.group("rekey news");
    waits.failed(1, "the change of 'news' waits: the store does not answer: the store is full");
    daemon.wait_for("changes wait for the store, and nobody is let in");
    let refused = site.member(2, "--timeout 1").end();
    assert_ne!(refused.code, 0);
    daemon.wait_for("the store takes no records");
    let shown = site.group_ok("show news").event("group");
    assert_eq!((&shown["epoch"], &shown["record"]), (&before["epoch"], &before["record"]));
    assert!(shown["store"].as_str().unwrap().contains("full"), "{shown}");
    assert!(!constant.news().iter().any(|event| event["event"] == "epoch"), "no key has left");
    // There is room again: what waited is done, and who was kept out gets in.
    daemon.limit("unlimited");
    daemon.wait_for("the store takes records again");
    constant.wait_for("epoch", |_| true);
    let second = site.joined(2, "");
    assert_eq!(site.members(), ["sip:m1@example.com", "sip:m2@example.com"]);
    assert_eq!(site.group_ok("show news").event("group")["store"], "ok");
    drop(second);
    daemon.kill();
    // A damaged store serves nothing.
    let path = site.place.path("groups.redb");
    let mut octets = std::fs::read(&path).unwrap();
    let from = octets.len() / 8;
    octets[from..].fill(0xa5);
    std::fs::write(&path, octets).unwrap();
    let (code, log) = site.spawn().end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the store is damaged") && log.contains("mikeyd: hint: do not put back"), "{log}");
}
