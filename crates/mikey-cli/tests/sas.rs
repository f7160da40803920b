//! Two processes authenticate by a short authentication string: nothing is said before both people have compared it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Ended, Listener, Place};

const BOB: &str = "--identity sip:bob@example.com --sas";

fn call(place: &Place, input: &str, to: &Listener, arguments: &str) -> Ended {
    let to = &to.address;
    place.run_with(
        input,
        &format!(
            "--json call {to} --identity sip:alice@example.com --peer sip:bob@example.com --sas --fast --audio \
             alice.wav --timeout 3 {arguments}"
        ),
    )
}

/// Starts a call whose person has not answered yet.
fn start(place: &Place, to: &Listener) -> Child {
    let to = &to.address;
    let mut command = place.command(&format!(
        "--json call {to} --identity sip:alice@example.com --peer sip:bob@example.com --sas --fast --audio alice.wav"
    ));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(id: u32) {
    assert!(Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap().success());
}

#[track_caller]
fn silent(ended: &Ended) {
    assert!(ended.events("speech").is_empty(), "{ended:?}");
    assert!(ended.events("sas_compared").is_empty(), "{ended:?}");
    assert_eq!(ended.event("established")["level"], "sas-unverified");
}

#[test]
fn both_read_the_same_and_talk() {
    let place = Place::furnished();
    let bob = place.listen_with(Some("y\n"), &format!("{BOB} --once"));
    // What is no answer is asked again.
    let alice = call(&place, "hm\n\nYes\n", &bob, "");
    let bob = bob.end();
    assert_eq!((alice.code, bob.code), (0, 0), "{alice:?} {bob:?}");
    let (a, b) = (alice.event("sas"), bob.event("sas"));
    assert_eq!((&a["base32"], &a["words"]), (&b["base32"], &b["words"]));
    assert_eq!(a["base32"].as_str().unwrap().len(), 4);
    assert_eq!(a["words"].as_str().unwrap().split(' ').count(), 4);
    for ended in [&alice, &bob] {
        assert_eq!(ended.event("established")["level"], "sas-unverified");
        assert_eq!(ended.event("sas_compared")["level"], "sas-verified");
        assert_eq!(ended.event("speech")["identical"], true, "{ended:?}");
        assert_eq!(ended.event("speech")["lost"], 0);
        assert!(ended.err.contains("does the other person read the same"), "{ended:?}");
        let order: Vec<usize> = ["\"event\":\"sas\"", "\"event\":\"sas_compared\"", "\"event\":\"speech\""]
            .iter()
            .map(|event| ended.out.find(event).unwrap())
            .collect();
        assert!(order.is_sorted(), "{ended:?}");
    }
    assert_eq!(alice.err.matches("answer y or n").count(), 2, "{alice:?}");
}

#[test]
fn the_caller_says_no() {
    let place = Place::furnished();
    let bob = place.listen_with(Some("y\n"), &format!("{BOB} --once"));
    let alice = call(&place, "n\n", &bob, "");
    alice.failed(3, "the other person reads another SAS");
    silent(&alice);
    let after = alice.out.split_once("\"sas\"").expect("a SAS was shown").1;
    assert!(!after.contains("INIT_REQ"), "no second call by itself: {alice:?}");
    let bob = bob.end();
    bob.failed(3, "reads another SAS than we have");
    silent(&bob);
}

#[test]
fn the_callee_says_no() {
    let place = Place::furnished();
    let bob = place.listen_with(Some("no\n"), BOB);
    let alice = call(&place, "y\n", &bob, "");
    alice.failed(3, "reads another SAS than we have");
    silent(&alice);
    let bob = bob.end();
    bob.failed(3, "the other person reads another SAS");
    silent(&bob);
}

#[test]
fn nobody_at_the_terminal() {
    let place = Place::furnished();
    let bob = place.listen_with(Some("y\n"), &format!("{BOB} --wait 1"));
    let alice = call(&place, "", &bob, "");
    alice.failed(1, "nobody could be asked to compare: standard input is at its end");
    assert!(alice.err.contains("hint: run it in a terminal, or pipe the answer"), "{alice:?}");
    silent(&alice);
    let bob = bob.end();
    assert_ne!(bob.code, 0);
    silent(&bob);
}

/// What the person here typed for a call that has ended verifies no other one.
#[test]
fn a_late_answer_verifies_nobody() {
    let place = Place::furnished();
    let mut bob = place.listen_with(Some(""), BOB);
    let mallory = call(&place, "n\n", &bob, "");
    mallory.failed(3, "the other person reads another SAS");
    bob.wait_for("sas");

    let mut alice = start(&place, &bob);
    bob.wait_for("sas");
    alice.stdin.as_mut().unwrap().write_all(b"y\n").unwrap();
    bob.type_in("y\n");
    std::thread::sleep(Duration::from_millis(300));
    assert!(alice.try_wait().unwrap().is_none(), "a late answer was taken for this call");
    bob.type_in("y\n");
    let alice = Ended::of(&alice.wait_with_output().unwrap());
    assert_eq!(alice.code, 0, "{alice:?}");
    bob.wait_for("speech");
    interrupt(bob.id());
    let bob = bob.end();
    assert_eq!(bob.events("sas_compared").len(), 1, "{bob:?}");
    assert!(bob.err.contains("that answer came too late, for a call that has ended"), "{bob:?}");
    assert!(bob.err.contains("warning: the person at 'sip:alice@example.com' reads another SAS"), "{bob:?}");
}

/// The caller takes time: it is quiet until then.
#[test]
fn speech_waits_for_both() {
    let place = Place::furnished();
    let bob = place.listen_with(Some("y\n"), &format!("{BOB} --once"));
    let mut alice = start(&place, &bob);
    std::thread::sleep(Duration::from_millis(600));
    assert!(alice.try_wait().unwrap().is_none(), "alice did not wait for her person");
    alice.stdin.take().unwrap().write_all(b"y\n").unwrap();
    let alice = Ended::of(&alice.wait_with_output().unwrap());
    let bob = bob.end();
    for ended in [alice, bob] {
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(ended.event("speech")["identical"], true, "{ended:?}");
    }
}

#[test]
fn an_interrupt_while_the_other_one_compares() {
    let place = Place::furnished();
    let bob = place.listen_with(Some(""), &format!("{BOB} --once"));
    let mut alice = start(&place, &bob);
    let _terminal = alice.stdin.take();
    std::thread::sleep(Duration::from_millis(600));
    interrupt(alice.id());
    let alice = Ended::of(&alice.wait_with_output().unwrap());
    alice.failed(1, "stopped before both had compared the SAS");
    let bob = bob.end();
    bob.failed(1, "the peer left before both had compared the SAS");
    silent(&bob);
}

/// Somebody in between has one call with each of them, under the other's name: the two strings tell.
#[test]
fn somebody_in_between_is_found_out() {
    let place = Place::furnished();
    let bob = place.listen_with(Some("n\n"), &format!("{BOB} --once"));
    let mallory = place.listen_with(Some("y\n"), &format!("{BOB} --once"));
    let to_bob = call(&place, "y\n", &bob, "");
    let alice = call(&place, "n\n", &mallory, "");
    let bob = bob.end();
    assert_ne!(alice.event("sas")["words"], bob.event("sas")["words"]);
    for ended in [&alice, &bob, &to_bob, &mallory.end()] {
        assert_eq!(ended.code, 3, "{ended:?}");
        silent(ended);
    }
}

#[test]
fn a_certificate_is_not_weakened() {
    let place = Place::furnished();
    let cert = "--identity sip:bob@example.com --cert bob.pem --key bob.key --ca ca/ca.pem";
    let bob = place.listen(&format!("{cert} --wait 3"));
    let alice = call(&place, "y\n", &bob, "");
    alice.failed(1, "no parameters in common");
    assert!(alice.events("sas").is_empty());
    bob.end();
    let both = place.run(&format!("listen {cert} --sas"));
    both.failed(2, "cannot be used with");
}
