//! Updates of a bundle: new keys, new streams (RFC 3830 section 4.5).

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::v1::{Agreement, Error, Known, Mode, Party, Update};
use mikey_proto::{Name, Side, Stream, Time};

use crate::setup::*;

fn update(alice: &mut Party, bob: &mut Party, update: &Update) -> (Agreement, Agreement) {
    let mut offered = alice.update(Time::from_secs(1), update).expect("an update");
    let answer = bob.answer(Time::from_secs(1), &offered.message, &Known::default()).expect("an answer");
    let pending = offered.pending.as_mut().unwrap();
    let ours = alice.finish(Time::from_secs(1), pending, &answer.message.unwrap()).expect("verified");
    (ours, answer.agreement.expect("not a repeat"))
}

#[test]
fn every_mode_but_null_gets_new_keys() {
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
        let (mut alice, mut bob) = pair(&everything());
        let (first, _) = run(&mut alice, &mut bob, &offer(mode));
        let mut last = first;
        for generation in 1..4 {
            let rekey = Update::rekey(last.bundle.clone(), Vec::new());
            let (ours, theirs) = update(&mut alice, &mut bob, &rekey);
            assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
            assert_eq!((ours.keys.generation, theirs.keys.generation), (generation, generation));
            assert_eq!((ours.peer.level, &ours.peer.name), (last.peer.level, &last.peer.name));
            assert!(ours.update && theirs.update);
            for (new, old) in ours.keys.streams.iter().zip(&last.keys.streams) {
                assert_eq!((new.cs_id, new.ssrc), (old.cs_id, old.ssrc));
                assert_ne!(new.master_key.expose(), old.master_key.expose(), "{mode:?}");
            }
            last = ours;
        }
        assert_eq!((alice.bundles(), bob.bundles()), (1, 1));
    }
}

#[test]
fn a_stream_is_added_under_the_keys_that_are_there() {
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
        let (mut alice, mut bob) = pair(&everything());
        let (first, _) = run(&mut alice, &mut bob, &offer(mode));
        let video =
            Stream { ssrc: Some(0x3333), ..Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80) };
        let mut add = Update::rekey(first.bundle.clone(), Vec::new());
        (add.rekey, add.add) = (false, vec![video]);
        let (ours, theirs) = update(&mut alice, &mut bob, &add);
        assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
        let [added] = &ours.keys.streams[..] else { panic!("{mode:?}: {}", ours.keys.streams.len()) };
        assert_eq!((added.cs_id, added.ssrc), (3, Some(0x3333)));
        let known = first.keys.streams.iter().all(|s| s.master_key.expose() != added.master_key.expose());
        assert!(known, "{mode:?}: a key of its own");
    }
}

#[test]
fn only_who_began_may_update_and_only_what_is_there() {
    let (mut alice, mut bob) = pair(&everything());
    let (ours, theirs) = run(&mut alice, &mut bob, &offer(Mode::Psk));
    let refused = bob.update(Time::from_secs(1), &Update::rekey(theirs.bundle, Vec::new())).err();
    assert_eq!(refused, Some(Error::UnknownBundle));
    let message =
        alice.update(Time::from_secs(1), &Update::rekey(ours.bundle.clone(), Vec::new())).unwrap().message;
    let mut stranger = Party::new(config(1, &everything(), 3)).unwrap();
    let refused = stranger.answer(Time::from_secs(1), &message, &Known::default()).err().unwrap();
    assert_eq!(refused.why, Error::UnknownBundle);
    alice.forget(&ours.bundle);
    assert_eq!(
        alice.update(Time::from_secs(2), &Update::rekey(ours.bundle, Vec::new())).err(),
        Some(Error::UnknownBundle)
    );
}

#[test]
fn updates_only_go_forward() {
    let (mut alice, mut bob) = pair(&everything());
    let (first, _) = run(&mut alice, &mut bob, &offer(Mode::Psk));
    let rekey = Update::rekey(first.bundle.clone(), Vec::new());
    let older = alice.update(Time::from_secs(1), &rekey).unwrap().message;
    let newer = alice.update(Time::from_secs(2), &rekey).unwrap().message;
    assert!(bob.answer(Time::from_secs(2), &newer, &Known::default()).is_ok());
    let refused = bob.answer(Time::from_secs(2), &older, &Known::default()).err().unwrap();
    assert!(matches!(refused.why, Error::Time(_)), "{}", refused.why);
}

#[test]
fn null_has_no_bundle() {
    let (mut alice, mut bob) = pair(&everything());
    let (ours, _) = run(&mut alice, &mut bob, &offer(Mode::Null));
    assert_eq!((alice.bundles(), bob.bundles()), (0, 0));
    assert_eq!(ours.peer.name, Name::from_wire(&mikey_wire::Id { ty: mikey_wire::IdType::BYTES, data: &[] }));
    let rekey = Update::rekey(ours.bundle, Vec::new());
    assert_eq!(alice.update(Time::from_secs(1), &rekey).err(), Some(Error::UnknownBundle));
}
