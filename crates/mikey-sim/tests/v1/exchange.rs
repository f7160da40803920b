//! Every mode from end to end.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::v1::{Error, KeyKind, Known, Mode, Offer, Party, Policy, Profile};
use mikey_proto::{ApiMisuse, AuthLevel, Name, Retarget, Side, Stream, Time};

use crate::setup::*;

#[test]
fn every_mode_gives_both_the_same_keys() {
    for mode in ALL {
        let (mut alice, mut bob) = pair(&everything());
        let (ours, theirs) = run(&mut alice, &mut bob, &offer(mode));
        assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
        assert_eq!(ours.bundle.csb_id, theirs.bundle.csb_id);
        let level = match mode {
            Mode::Null => AuthLevel::None,
            Mode::Psk | Mode::DhHmac => AuthLevel::Psk,
            _ => AuthLevel::Certificate,
        };
        assert_eq!((ours.peer.level, theirs.peer.level), (level, level), "{mode:?}");
        if mode != Mode::Null {
            assert_eq!(theirs.peer.name, Name::parse(ALICE).unwrap(), "{mode:?}");
            assert_eq!(ours.peer.name, Name::parse(BOB).unwrap(), "{mode:?}");
        }
        assert!(ours.quirks.is_empty() && theirs.quirks.is_empty());
        let keys: Vec<_> = ours.keys.streams.iter().map(|s| s.master_key.expose().to_vec()).collect();
        assert!(keys.len() == 1 || keys[0] != keys[1], "each stream has its own key");
    }
}

#[test]
fn modern_algorithms_do_for_the_modes_without_dh() {
    for mode in [Mode::Psk, Mode::Pk, Mode::RsaR] {
        let (mut alice, mut bob) = pair(&Policy::modern());
        let (ours, theirs) = run(&mut alice, &mut bob, &offer(mode));
        assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
    }
    let (mut alice, _) = pair(&Policy::modern());
    let no_group = Error::Misuse(ApiMisuse::Policy("dh group of version 1"));
    for mode in [Mode::Dh, Mode::DhHmac] {
        assert_eq!(alice.offer(Time::ZERO, &offer(mode)).err(), Some(no_group.clone()), "{mode:?}");
    }
}

#[test]
fn a_legacy_peer_takes_modern_messages_and_a_modern_one_says_no_to_sha_1() {
    for mode in [Mode::Psk, Mode::Pk, Mode::RsaR] {
        let mut modern = Party::new(config(0, &Policy::modern(), 1)).unwrap();
        let mut legacy = Party::new(config(1, &Policy::legacy(), 2)).unwrap();
        let (ours, theirs) = run(&mut modern, &mut legacy, &offer(mode));
        assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
    }

    let mut legacy = Party::new(config(0, &Policy::legacy(), 1)).unwrap();
    let mut modern = Party::new(config(1, &Policy::modern(), 2)).unwrap();
    let mut offered = legacy.offer(Time::ZERO, &offer(Mode::Psk)).unwrap();
    let refused = modern.answer(Time::ZERO, &offered.message, &Known::default()).err().unwrap();
    assert!(matches!(refused.why, Error::Algorithm { field: "PRF func", value: 0, .. }), "{}", refused.why);
    let why = legacy.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &refused.answer.unwrap()).err();
    let Some(Error::Refused { errors, authenticated: false, .. }) = why else { panic!("{why:?}") };
    assert_eq!(errors[0].to_string(), "Invalid PRF");
}

#[test]
fn the_responder_fills_in_its_ssrcs_and_the_initiator_learns_them() {
    struct Fill;
    impl mikey_proto::AnswerStreams for Fill {
        fn answer(
            &self,
            _: &mikey_proto::Peer,
            offered: &[mikey_proto::OfferedStream],
        ) -> Result<Vec<mikey_proto::StreamAnswer>, mikey_proto::Mismatch> {
            let answer = |s: &mikey_proto::OfferedStream| mikey_proto::StreamAnswer {
                policy: s.policies[0],
                ssrc: Some(0x2222).filter(|_| s.sender == Side::Local),
                index: Some((9, 0)).filter(|_| s.sender == Side::Local),
            };
            Ok(offered.iter().map(answer).collect())
        }
    }
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
        for generic in [false, true] {
            let mut alice = Party::new(config(0, &everything(), 1)).unwrap();
            let mut bobs = config(1, &everything(), 2);
            bobs.answer = std::sync::Arc::new(Fill);
            let mut bob = Party::new(bobs).unwrap();
            let (ours, theirs) = run(&mut alice, &mut bob, &with(offer(mode), |o| o.generic = generic));
            assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
            let [sent, received] = &ours.keys.streams[..] else { panic!() };
            assert_eq!((sent.sender, sent.ssrc), (Side::Local, Some(0x1111)));
            assert_eq!((received.ssrc, received.index), (Some(0x2222), Some((9, 0))), "{mode:?}");
        }
    }
}

#[test]
fn mki_interval_salt_and_every_policy_come_across() {
    let (mut alice, mut bob) = pair(&everything());
    for policy in [
        SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
        SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
        SrtpPolicy::AEAD_AES_128_GCM,
        SrtpPolicy::AEAD_AES_256_GCM,
    ] {
        let stream = Stream { ssrc: Some(7), ..Stream::new(Side::Local, policy) };
        for (mki, valid, key, generic) in [
            (vec![1, 2, 3, 4], None, KeyKind::Tgk, false),
            (vec![0xAB; 255], None, KeyKind::Tek, true),
            (vec![], Some((5, (1 << 48) - 1)), KeyKind::Tek, false),
            (vec![], Some((0, 99)), KeyKind::Tgk, false),
        ] {
            let mut offer = offer(Mode::Psk);
            offer.streams = vec![stream.clone()];
            (offer.mki, offer.valid, offer.key, offer.generic) = (mki.clone(), valid, key, generic);
            let (ours, theirs) = run(&mut alice, &mut bob, &offer);
            assert!(agree(&ours.keys, &theirs.keys));
            let [stream] = &theirs.keys.streams[..] else { panic!() };
            assert_eq!((&stream.mki, stream.valid, stream.policy), (&mki, valid, policy));
            assert_eq!(stream.master_key.len(), usize::from(policy.key_len));
            assert_eq!(stream.master_salt.len(), usize::from(policy.salt_len));
        }
    }
}

#[test]
fn names_may_be_left_to_signalling() {
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac] {
        let (mut alice, mut bob) = pair(&everything());
        let mut offered = alice.offer(Time::ZERO, &with(offer(mode), |o| o.names = false)).unwrap();
        let unnamed = bob.answer(Time::ZERO, &offered.message, &Known::default()).err().unwrap();
        assert_eq!(unnamed.why, Error::Name, "{mode:?}");
        let caller = Name::parse(ALICE).unwrap();
        let known = Known { peer: Some(&caller), ..Known::default() };
        let answer =
            bob.answer(Time::ZERO, &offered.message, &known).unwrap_or_else(|e| panic!("{mode:?}: {e}"));
        let pending = offered.pending.as_mut().unwrap();
        let ours = alice.finish(Time::ZERO, pending, &answer.message.unwrap()).unwrap();
        assert!(agree(&ours.keys, &answer.agreement.unwrap().keys), "{mode:?}");
    }
}

#[test]
fn key_ids_and_the_protocols_of_the_sdp_come_across_and_a_shorter_list_is_refused() {
    let (mut alice, mut bob) = pair(&everything());
    let mut offer = offer(Mode::Psk);
    offer.sdp_ids = Some(b"mikey sdes".to_vec());
    offer.key_ids = vec![(0, vec![1, 2]), (2, vec![3])];
    let offered = alice.offer(Time::ZERO, &offer).unwrap();
    let known = Known { sdp_ids: Some(b"sdes"), ..Known::default() };
    let refused = bob.answer(Time::ZERO, &offered.message, &known).err().unwrap();
    assert_eq!(refused.why, Error::BiddingDown);
    let offered = alice.offer(Time::ZERO, &offer).unwrap();
    let known = Known { sdp_ids: Some(b"mikey sdes"), ..Known::default() };
    let agreement = bob.answer(Time::ZERO, &offered.message, &known).unwrap().agreement.unwrap();
    assert_eq!(agreement.sdp_ids.as_deref(), Some(&b"mikey sdes"[..]));
    assert_eq!(agreement.key_ids, offer.key_ids);
}

#[test]
fn a_caller_who_names_nobody_learns_who_answered() {
    for mode in [Mode::Dh, Mode::RsaR] {
        let (mut alice, mut bob) = pair(&everything());
        let named = with(offer(mode), |o| o.to = Some(Name::parse("sip:office@example.net").unwrap()));
        let message = alice.offer(Time::ZERO, &named).unwrap().message;
        let refused = bob.answer(Time::ZERO, &message, &Known::default()).err().unwrap();
        assert_eq!(refused.why, Error::Name, "{mode:?}: it is for somebody else");
        let (ours, _) = run(&mut alice, &mut bob, &with(offer(mode), |o| o.to = None));
        assert_eq!(ours.peer.name, Name::parse(BOB).unwrap(), "{mode:?}");
    }
}

#[test]
fn another_name_may_answer_only_if_that_is_allowed() {
    // The message names nobody; whom the caller wants is known to the caller alone.
    for (retarget, taken) in [(Retarget::Refuse, false), (Retarget::Report, true)] {
        let (mut alice, mut bob) = pair(&everything());
        let wanted = with(offer(Mode::Dh), |o| {
            o.to = Some(Name::parse("sip:office@example.net").unwrap());
            (o.retarget, o.names) = (retarget, false);
        });
        let mut offered = alice.offer(Time::ZERO, &wanted).unwrap();
        let caller = Name::parse(ALICE).unwrap();
        let known = Known { peer: Some(&caller), ..Known::default() };
        let answer = bob.answer(Time::ZERO, &offered.message, &known).unwrap().message.unwrap();
        let done = alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &answer);
        match taken {
            true => assert_eq!(done.unwrap().peer.name, Name::parse(BOB).unwrap()),
            false => assert_eq!(done.err(), Some(Error::Name)),
        }
    }
}

#[test]
fn an_offer_that_cannot_work_is_refused_to_its_maker() {
    let (mut alice, _) = pair(&everything());
    let base = || offer(Mode::Psk);
    let refused = |offer: Offer| match alice.offer(Time::ZERO, &offer).err() {
        Some(Error::Misuse(why)) => why,
        other => panic!("{other:?}"),
    };
    let mut refused = refused;
    let unknown = Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    assert_eq!(refused(with(base(), |o| o.streams = vec![])), ApiMisuse::Streams);
    assert_eq!(refused(with(base(), |o| o.streams = vec![unknown])), ApiMisuse::Streams);
    assert_eq!(
        refused(with(base(), |o| o.key = KeyKind::Tek)),
        ApiMisuse::Streams,
        "one key for two senders"
    );
    assert_eq!(refused(with(base(), |o| o.confirm = false)), ApiMisuse::Streams, "nobody to fill in an ssrc");
    assert_eq!(refused(with(base(), |o| o.valid = Some((2, 1)))), ApiMisuse::Streams);
    assert_eq!(refused(with(base(), |o| o.to = None)), ApiMisuse::Name);
    let stranger = Name::parse("sip:mallory@example.org").unwrap();
    assert_eq!(refused(with(base(), |o| o.to = Some(stranger.clone()))), ApiMisuse::NoCredential);
    assert_eq!(refused(with(base(), |o| o.from = Some(stranger))), ApiMisuse::Name);
}

#[test]
fn no_common_policy_is_said_together_with_those_that_would_do() {
    let policy = with(everything(), |o| o.profile = Profile::Legacy);
    let (mut alice, mut bob) = pair(&policy);
    let mut offer = offer(Mode::Psk);
    let odd = SrtpPolicy { kdr: 1 << 10, ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80 };
    offer.streams = vec![Stream { ssrc: Some(7), ..Stream::new(Side::Local, odd) }];
    let mut offered = alice.offer(Time::ZERO, &offer).unwrap();
    let refused = bob.answer(Time::ZERO, &offered.message, &Known::default()).err().unwrap();
    let error = refused.answer.expect("an ERROR");
    let why = alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &error).err();
    let Some(Error::Refused { errors, policies, authenticated: true }) = why else { panic!("{why:?}") };
    assert_eq!(errors[0].to_string(), "Invalid SPpar");
    assert_eq!(policies, policy.suggest);
    // The initiator tries again with one of them.
    offer.streams[0].policies = vec![policies[0]];
    let (ours, theirs) = run(&mut alice, &mut bob, &offer);
    assert!(agree(&ours.keys, &theirs.keys));
}
