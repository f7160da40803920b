//! A group on real sockets: who is a member hears, and nobody else does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::Place;

#[test]
fn one_is_expelled_one_joins_late_and_the_others_hear_everything() {
    let place = Place::new();
    place.wav("speech.wav", 440.0, 3000);
    let ended = place.ok("--json group-demo --members 6 --fast --audio speech.wav");
    let said = ended.event("done")["packets"].as_u64().unwrap();
    assert_eq!(said, 19, "3000 samples in frames of 160");
    let members = ended.events("member");
    assert_eq!(members.len(), 5, "all but the speaker");
    let number = |member: &serde_json::Value, field: &str| member[field].as_u64().unwrap();
    for member in &members {
        assert_eq!((number(member, "wrong"), &member["identical"]), (0, &true.into()));
        assert_eq!(number(member, "decrypted") + number(member, "could_not"), said);
        let all = number(member, "decrypted") == said;
        assert_eq!(member["part"] == "stays", all, "{member}");
        assert_eq!(member["part"] == "expelled", member["told"] == true, "{member}");
    }
    let [joined, expelled, late] = ["joined", "expelled", "joined_late"].map(|event| ended.event(event));
    let epoch = |event: &serde_json::Value| event["epoch"].as_u64().unwrap();
    assert!(epoch(&joined) < epoch(&expelled) && epoch(&expelled) < epoch(&late));
    let heard =
        |part: &str| number(members.iter().find(|member| member["part"] == part).unwrap(), "decrypted");
    assert_eq!(heard("expelled"), expelled["from_packet"].as_u64().unwrap() - 1, "up to the last before");
    assert_eq!(heard("late"), said + 1 - late["from_packet"].as_u64().unwrap(), "from the very next");
}

#[test]
fn what_was_not_shown_is_a_failure() {
    let place = Place::new();
    place.wav("short.wav", 440.0, 100);
    let ended = place.run("group-demo --members 4 --fast --audio short.wav");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("the speech was over before"), "{ended:?}");
    let ended = place.run("group-demo --members 3");
    assert_eq!(ended.code, 2, "{ended:?}");
}
