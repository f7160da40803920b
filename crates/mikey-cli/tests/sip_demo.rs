//! A call over SIP that is forked to three phones: one INIT_REQ, three branches, one taken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Ended, Place};
use serde_json::Value;

/// The messages in which a MIKEY message of this type went over signalling, as sender and receiver saw them.
fn over_signalling(ended: &Ended, sip: &str, mikey: &str) -> Vec<Value> {
    let name = format!("{sip} + {mikey}");
    ended.events("message").into_iter().filter(|message| message["type"] == name.as_str()).collect()
}

fn on_the_media_path(ended: &Ended, mikey: &str) -> usize {
    ended.events("message").iter().filter(|message| message["type"] == mikey).count()
}

#[track_caller]
fn run(options: &str) -> Ended {
    let place = Place::new();
    place.wav("speech.wav", 440.0, 3000);
    place.ok(&format!("--json sip-demo --fast --audio speech.wav {options}"))
}

#[track_caller]
fn one_of_three(ended: &Ended, level: &str) {
    // One INVITE, forked to three; three answers, each forwarded once.
    assert_eq!(over_signalling(ended, "INVITE", "INIT_REQ").len(), 1 + 3);
    assert_eq!(over_signalling(ended, "183", "INIT_RESP").len(), 3 + 3);
    assert_eq!(over_signalling(ended, "200", "INIT_RESP").len(), 1 + 1);
    assert_eq!(on_the_media_path(ended, "INIT_REQ") + on_the_media_path(ended, "INIT_RESP"), 0);
    let branches = ended.event("branches");
    assert_eq!((&branches["answers"], &branches["taken"]), (&3.into(), &"desk".into()));
    let established = ended.events("established");
    assert_eq!(established.len(), 2, "alice and the phone that was picked up");
    assert!(established.iter().all(|known| known["level"] == level), "{ended:?}");
    let speech = ended.events("speech");
    assert_eq!(speech.len(), 2);
    assert!(speech.iter().all(|way| way["identical"] == true && way["lost"] == 0), "{ended:?}");
    let others = ended.events("not_taken");
    let names: Vec<_> = others.iter().map(|other| other["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["home", "cell"]);
    for other in others {
        assert_eq!((&other["heard"], &other["cancelled"]), (&0.into(), &true.into()));
        assert!(other["copied"].as_u64().unwrap() > 10, "the network gave it a copy of everything");
        assert!(other["refused"].as_u64() >= other["copied"].as_u64());
    }
}

#[test]
fn one_offer_three_branches_one_taken() {
    let ended = run("");
    one_of_three(&ended, "certificate");
    assert_eq!(on_the_media_path(&ended, "CCE_REQ"), 1, "with whoever was picked up, and nobody else");
    assert!(ended.events("not_taken").iter().all(|other| other["sessions"] == 0));
}

#[test]
fn by_the_fingerprints_in_offer_and_answer() {
    let ended = run("--fingerprint");
    one_of_three(&ended, "fingerprint");
    assert_eq!(on_the_media_path(&ended, "CCE_REQ"), 1);
}

#[test]
fn with_keys_for_each_phone_the_one_that_will_be_picked_up_is_heard_before() {
    let ended = run("--early-media");
    one_of_three(&ended, "certificate");
    assert_eq!(on_the_media_path(&ended, "CCE_REQ"), 3);
    assert!(ended.event("early_media")["packets"].as_u64().unwrap() > 0, "{ended:?}");
    assert!(ended.events("not_taken").iter().all(|other| other["sessions"] == 1));
}
