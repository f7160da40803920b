//! Each octet of each of the four messages, changed on the way.
//!
//! If one copy is changed, the call completes by retransmission and both agree. If every copy is changed the same way, the
//! initiator never completes: all octets of all four messages are covered, by the transcript, KEMAC or the routing of the
//! message. Only COOKIE is left out, and a cookie that is changed counts as none (`limits.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::craft::kind;
use common::*;
use mikey_proto::{DropReason, Time};
use mikey_sim::{Adversary, Datagram, KeyKind, Link};
use mikey_wire::DataType;

/// Who receives a message.
fn receiver(message: DataType) -> usize {
    usize::from(matches!(message, DataType::INIT_REQ | DataType::CCE_REQ | DataType::CCE2_REQ))
}

/// Which copies of a message are changed.
#[derive(Clone, Copy, PartialEq)]
enum Copies {
    First,
    All,
}

fn spoiling(message: DataType, copies: Copies, change: impl Fn(&mut Vec<u8>) + 'static) -> impl Adversary {
    let mut done = false;
    move |_: Time, mut datagram: Datagram| {
        if kind(&datagram.bytes) == message && !(done && copies == Copies::First) {
            done = true;
            change(&mut datagram.bytes);
        }
        vec![datagram]
    }
}

fn run(
    parties: &Parties,
    mode: Mode,
    message: DataType,
    copies: Copies,
    change: impl Fn(&mut Vec<u8>) + 'static,
) -> Pair {
    let pair = parties.pair(mode, Link::perfect(1), 1);
    let mut pair = pair.with_adversary(spoiling(message, copies, change));
    pair.start(BOB).run(Time::from_secs(20));
    pair
}

/// How long each message is in a run of these parties.
fn lengths(parties: &Parties, mode: Mode) -> [usize; 4] {
    let mut pair = parties.pair(mode, Link::perfect(1), 1);
    pair.call(BOB).established();
    let sent: Vec<_> = pair.world.sent.iter().map(|d| (kind(&d.bytes), d.bytes.len())).collect();
    mode.messages().map(|message| sent.iter().find(|(ty, _)| *ty == message).unwrap().1)
}

/// Runs `check` for each octet of each message of every mode, on two threads; with RSA, whose messages are long and dear, for
/// each of so many.
fn for_each_octet(of_rsa: usize, check: impl Fn(&Parties, Mode, DataType, usize) + Sync) {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut cases = Vec::new();
    for mode in Mode::EVERY {
        for (message, len) in mode.messages().into_iter().zip(lengths(&parties, mode)) {
            let step = if mode == Mode::Cce2Rsa { of_rsa } else { 1 };
            cases.extend((0..len).step_by(step).map(|at| (mode, message, at)));
        }
    }
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (cases, parties, check) = (&cases, &parties, &check);
            scope.spawn(move || {
                for (mode, message, at) in cases.iter().skip(worker).step_by(2) {
                    let case = || check(parties, *mode, *message, *at);
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case));
                    outcome.unwrap_or_else(|_| panic!("{mode:?}, {message:?}, octet {at}"));
                }
            });
        }
    });
}

fn flip(at: usize) -> impl Fn(&mut Vec<u8>) + 'static {
    move |bytes| bytes[at] ^= 1 << (at % 8)
}

#[test]
fn one_copy_with_any_octet_changed_delays_the_call_at_most() {
    for_each_octet(7, |parties, mode, message, at| {
        let mut pair = run(parties, mode, message, Copies::First, flip(at));
        pair.agreed();
    });
}

// R8.1
#[test]
fn with_any_octet_of_every_copy_changed_the_initiator_never_completes() {
    for_each_octet(1, |parties, mode, message, at| {
        let mut pair = run(parties, mode, message, Copies::All, flip(at));
        assert!(pair.failure().is_some(), "the call has not failed");
        assert!(!pair.is_established(0), "the octet is not covered");
        // The responder is done before its answer arrives; without it there is no session there either.
        assert_eq!(pair.is_established(1), message == mode.second()[1]);
    });
}

#[test]
fn a_message_cut_at_any_length_is_dropped_and_the_call_completes() {
    for_each_octet(7, |parties, mode, message, len| {
        let mut pair = run(parties, mode, message, Copies::First, move |bytes| bytes.truncate(len));
        assert_eq!(pair.metrics(receiver(message)).drops(DropReason::Malformed), 1);
        pair.agreed();
    });
}

// R7.3
#[test]
fn a_message_with_an_octet_appended_is_refused_and_the_call_completes() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for message in mode.messages() {
            for octet in [0, 1, 0x15, 0xFF] {
                let mut pair = run(&parties, mode, message, Copies::First, move |bytes| bytes.push(octet));
                // Behind KEMAC's fixed part stands the MAC: one octet too many makes it another one, of a length that no
                // suite has. Behind DH there is nothing that it could belong to.
                let drops = pair.metrics(receiver(message)).all_drops();
                assert!(drops >= 1, "{mode:?}, {message:?}: the octet {octet} was taken");
                pair.agreed();
            }
        }
    }
}

#[test]
fn with_an_octet_appended_to_every_copy_nobody_is_fooled() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for message in mode.messages() {
            let mut pair = run(&parties, mode, message, Copies::All, |bytes| bytes.push(0));
            assert!(pair.failure().is_some(), "{mode:?}, {message:?}");
            assert!(!pair.is_established(0), "{mode:?}, {message:?}");
        }
    }
}

/// Every octet of CCE is covered in every form of protection: counter mode with HMAC, each AEAD, and in the clear.
// R7.1
#[test]
fn every_suite_covers_cce_whole() {
    use mikey_crypto::SuiteId;
    use mikey_proto::Confidentiality::{Clear, Encrypted};
    let parties = Parties::new(KeyKind::Ed25519);
    for (suite, confidentiality) in
        [(1, Encrypted), (1, Clear), (2, Encrypted), (3, Clear), (4, Encrypted), (5, Encrypted), (5, Clear)]
    {
        let pair_with = |adversary: Option<(DataType, usize)>| {
            let (mut alice, mut bob) = (parties.alice(Mode::Psk, 1), parties.bob(Mode::Psk, 2));
            for config in [&mut alice, &mut bob] {
                config.policy.suites = vec![SuiteId(suite)];
                config.policy.confidentiality = vec![confidentiality];
            }
            let pair = Pair::new(Link::perfect(1), alice, bob);
            match adversary {
                Some((message, at)) => pair.with_adversary(spoiling(message, Copies::All, flip(at))),
                None => pair,
            }
        };
        let mut honest = pair_with(None);
        honest.call(BOB).established();
        for (message, sent) in Mode::Psk.messages().into_iter().zip(honest.world.sent.clone()).skip(2) {
            assert_eq!(kind(&sent.bytes), message);
            for at in 0..sent.bytes.len() {
                let what = format!("suite {suite}, {confidentiality:?}, {message:?}, octet {at}");
                let mut pair = pair_with(Some((message, at)));
                pair.start(BOB).run(Time::from_secs(13));
                assert!(!pair.is_established(0), "{what} is not covered");
                assert_eq!(pair.is_established(1), message == DataType::CCE_RESP, "{what}");
            }
        }
    }
}
