//! Times, replays and repeats.

use std::time::Duration;

use mikey_proto::Time;
use mikey_proto::v1::{Error, Known, Mode, Party, ReplayRefusal};

use crate::setup::*;

#[test]
fn a_repeat_gets_the_same_answer_and_no_second_key() {
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
        let (mut alice, mut bob) = pair(&everything());
        let offered = alice.offer(Time::ZERO, &offer(mode)).unwrap();
        let first = bob.answer(Time::ZERO, &offered.message, &Known::default()).unwrap();
        let again = bob.answer(Time::from_secs(1), &offered.message, &Known::default()).unwrap();
        assert!(first.agreement.is_some() && again.agreement.is_none(), "{mode:?}");
        assert_eq!(first.message, again.message, "{mode:?}");
        assert_eq!(bob.bundles(), 1);
    }
}

#[test]
fn clocks_that_differ_by_a_day_are_named() {
    let (mut alice, _) = pair(&everything());
    for (off, seconds) in [(Duration::from_secs(86_400), -86_400_i64)] {
        let mut bobs = config(1, &everything(), 2);
        bobs.unix_time_at_zero = Some(NOW + off);
        let mut bob = Party::new(bobs).unwrap();
        for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
            let mut offered = alice.offer(Time::ZERO, &offer(mode)).unwrap();
            let refused = bob.answer(Time::ZERO, &offered.message, &Known::default()).err().unwrap();
            assert_eq!(refused.why, Error::Time(ReplayRefusal::Skew(seconds)), "{mode:?}");
            assert!(refused.to_string().contains("86400 s behind ours"), "{refused}");
            let error = refused.answer.unwrap();
            let why = alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &error).err().unwrap();
            assert!(why.to_string().contains("Invalid TS"), "{why}");
        }
    }
}

#[test]
fn nothing_from_before_the_start_is_taken() {
    let (mut alice, mut bob) = pair(&everything());
    let offered = alice.offer(Time::ZERO, &offer(Mode::Psk)).unwrap();
    assert!(bob.answer(Time::from_secs(2), &offered.message, &Known::default()).is_ok());
    let mut later = config(1, &everything(), 2);
    later.unix_time_at_zero = Some(NOW + Duration::from_secs(2));
    let refused =
        Party::new(later).unwrap().answer(Time::ZERO, &offered.message, &Known::default()).err().unwrap();
    assert_eq!(refused.why, Error::Time(ReplayRefusal::Forgotten));
}

#[test]
fn a_full_cache_takes_no_message_twice() {
    let policy = with(everything(), |o| o.replay_capacity = 4);
    let (mut alice, mut bob) = pair(&policy);
    let messages: Vec<_> =
        (0..8).map(|s| alice.offer(Time::from_secs(s), &offer(Mode::Psk)).unwrap().message).collect();
    let now = Time::from_secs(8);
    // Bob's time begins with Alice's first message.
    let mut taken = 0;
    for (second, message) in (0..).zip(&messages) {
        taken += usize::from(bob.answer(Time::from_secs(second), message, &Known::default()).is_ok());
    }
    assert_eq!(taken, 8);
    for message in &messages {
        match bob.answer(now, message, &Known::default()) {
            Ok(repeat) => assert!(repeat.agreement.is_none()),
            Err(refused) => assert_eq!(refused.why, Error::Time(ReplayRefusal::Forgotten)),
        }
    }
    let fresh = alice.offer(now, &offer(Mode::Psk)).unwrap().message;
    assert!(bob.answer(now, &fresh, &Known::default()).unwrap().agreement.is_some());
}

#[test]
fn no_two_messages_have_one_time() {
    let (mut alice, mut bob) = pair(&everything());
    for _ in 0..5 {
        let message = alice.offer(Time::ZERO, &offer(Mode::Psk)).unwrap().message;
        assert!(bob.answer(Time::ZERO, &message, &Known::default()).unwrap().agreement.is_some());
    }
    assert_eq!(bob.bundles(), 5);
}
