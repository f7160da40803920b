//! Version 1 in offers and answers (RFC 4567): every mode both ways, at both levels; what is bid down; and a second offer
//! after one of version 2 (docs/spec.md, "Signalling").

use std::net::SocketAddr;

use mikey_proto::v1::{Answer, Downgrade, Error, Known, Mode, Offer, Party, Policy, Refused};
use mikey_proto::{DropReason, Endpoint, Event, Time};
use mikey_sdp::{BiddingDown, KeyMgmt, Level, Offered, SdpError, check_sdp_ids, media_address, parse};
use mikey_sim::{Link, World, address};
use mikey_wire::Message;

use crate::setup::*;

/// Where the media of Alice and Bob is.
const MEDIA: [&str; 2] = ["192.0.2.1:5004", "192.0.2.2:5006"];

/// A description with lines of key management at session and media level.
fn describe(at: usize, session: &[KeyMgmt], media: &[KeyMgmt]) -> String {
    let address: SocketAddr = MEDIA[at].parse().unwrap();
    let lines = |offers: &[KeyMgmt]| -> String {
        offers.iter().map(|offer| format!("a={}:{offer}\r\n", KeyMgmt::ATTRIBUTE)).collect()
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{}m=audio {} RTP/SAVP 8\r\n{}",
        lines(session),
        address.port(),
        lines(media),
        ip = address.ip(),
    )
}

/// What a callee does with the text of an offer: finds MIKEY at the level that counts, and answers it there.
fn answer(callee: &mut Party, at: usize, text: &str) -> Result<(String, Answer), Refused> {
    let sdp = parse(text.as_bytes()).unwrap();
    let offered = Offered::of_media(&sdp, 0).unwrap();
    let protocols = offered.protocols();
    let known = Known { sdp_ids: Some(protocols.as_bytes()), ..Known::default() };
    let answer = callee.answer(Time::ZERO, &offered.mikey().unwrap().data, &known)?;
    let line: Vec<KeyMgmt> = answer.message.iter().cloned().map(KeyMgmt::mikey).collect();
    let text = match offered.level {
        Level::Session => describe(at, &line, &[]),
        Level::Media(_) => describe(at, &[], &line),
    };
    Ok((text, answer))
}

fn listing(offer: Offer, protocols: &str) -> Offer {
    with(offer, |offer| offer.sdp_ids = Some(protocols.as_bytes().to_vec()))
}

#[test]
fn every_mode_goes_both_ways_through_offer_and_answer() {
    for mode in ALL {
        for (caller_at, at_session) in [(0, true), (1, false)] {
            let callee_at = 1 - caller_at;
            let mut caller = Party::new(config(caller_at, &everything(), 1)).unwrap();
            let mut callee = Party::new(config(callee_at, &everything(), 2)).unwrap();
            let offered =
                caller.offer(Time::ZERO, &listing(offer_by(caller_at, mode), "mikey")).expect("an offer");
            let line = [KeyMgmt::mikey(offered.message)];
            let text =
                if at_session { describe(caller_at, &line, &[]) } else { describe(caller_at, &[], &line) };
            let (text, answer) =
                answer(&mut callee, callee_at, &text).unwrap_or_else(|why| panic!("{mode:?}: {why}"));
            let theirs = answer.agreement.unwrap();
            assert_eq!(theirs.sdp_ids.as_deref(), Some(&b"mikey"[..]));
            let sdp = parse(text.as_bytes()).unwrap();
            assert_eq!(media_address(&sdp, 0), Ok(Some(MEDIA[callee_at].parse().unwrap())));
            let ours = match offered.pending {
                None => offered.agreement.unwrap(),
                Some(mut pending) => {
                    let answered = Offered::of_media(&sdp, 0).unwrap();
                    assert_eq!(
                        answered.level == Level::Session,
                        at_session,
                        "the answer stands where the offer does"
                    );
                    let message = &answered.mikey().expect("a response").data;
                    caller.finish(Time::ZERO, &mut pending, message).unwrap()
                }
            };
            assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
        }
    }
}

#[test]
fn a_protocol_that_was_taken_out_or_put_in_is_missed_in_every_mode_that_authenticates() {
    let keyp1 = || KeyMgmt { protocol: "keyp1".into(), data: vec![1] };
    for mode in ALL {
        let mut alice = Party::new(config(0, &everything(), 1)).unwrap();
        let message = alice.offer(Time::ZERO, &listing(offer(mode), "mikey;keyp1")).unwrap().message;
        let mikey = KeyMgmt::mikey(message.clone());
        for changed in [vec![mikey.clone()], vec![keyp1(), mikey.clone()]] {
            let text = describe(0, &changed, &[]);
            let sdp = parse(text.as_bytes()).unwrap();
            let offered = Offered::of_media(&sdp, 0).unwrap();
            let seen = check_sdp_ids(&Message::decode(&message).unwrap(), &offered);
            assert!(matches!(seen, Err(BiddingDown::Changed { .. })));
            let mut bob = Party::new(config(1, &everything(), 2)).unwrap();
            let refused = answer(&mut bob, 1, &text).err().expect("refused");
            assert_eq!(refused.why, Error::BiddingDown, "{mode:?}");
            assert_eq!(bob.bundles(), 0);
        }
        let mut bob = Party::new(config(1, &everything(), 2)).unwrap();
        let text = describe(0, &[mikey.clone(), keyp1()], &[]);
        assert!(answer(&mut bob, 1, &text).is_ok(), "{mode:?}: as it was sent");
        // Whoever changes the list in the message as well changes what is authenticated.
        if mode != Mode::Null {
            let at = message.windows(11).position(|w| w == b"mikey;keyp1").unwrap();
            let mut forged = message.clone();
            forged[at..at + 11].copy_from_slice(b"mikey;keyp2");
            let forged = [KeyMgmt::mikey(forged), KeyMgmt { protocol: "keyp2".into(), data: vec![1] }];
            let mut bob = Party::new(config(1, &everything(), 2)).unwrap();
            let refused = answer(&mut bob, 1, &describe(0, &forged, &[])).err().expect("refused");
            assert_eq!(refused.why, Error::Auth, "{mode:?}");
        }
    }
}

// R18.5
#[test]
fn one_line_of_mikey_a_level_and_the_media_s_own_before_the_session_s() {
    let (mut alice, mut bob) = pair(&everything());
    let mut make =
        || KeyMgmt::mikey(alice.offer(Time::ZERO, &listing(offer(Mode::Psk), "mikey")).unwrap().message);
    let (one, other) = (make(), make());
    for (session, media, level) in [(2, 0, Level::Session), (1, 2, Level::Media(0))] {
        let lines = [one.clone(), other.clone()];
        let sdp = parse(describe(0, &lines[..session], &lines[..media]).as_bytes()).unwrap();
        let twice = SdpError::Twice { attribute: "key-mgmt:mikey", level };
        assert_eq!(Offered::of_media(&sdp, 0), Err(twice));
    }
    let text = describe(0, &[one], std::slice::from_ref(&other));
    let offered = Offered::of_media(&parse(text.as_bytes()).unwrap(), 0).unwrap();
    assert_eq!((offered.level, offered.mikey()), (Level::Media(0), Some(&other)));
    assert!(answer(&mut bob, 1, &text).is_ok());
}

/// Alice's offer of version 2 came to nothing, so that her application makes one of version 1, which says so.
// R18.4
#[test]
fn a_second_offer_of_version_1_shows_a_peer_of_version_2_that_the_first_one_was_taken_away() {
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
        let second = with(listing(offer(mode), "mikey"), |offer| offer.speaks_v2 = true);
        // A peer of version 1 alone takes it, and can report it.
        let (mut alice, mut bob) = pair(&everything());
        let (ours, theirs) = run(&mut alice, &mut bob, &second);
        assert!(agree(&ours.keys, &theirs.keys), "{mode:?}");
        assert!(theirs.peer_speaks_v2 && !ours.peer_speaks_v2);
        // One that speaks version 2 refuses it, and Alice learns that from Bob himself where a MAC can say so.
        let mut bob = Party::new(config(1, &everything(), 2)).unwrap().beside_version_2();
        let mut offered = alice.offer(Time::ZERO, &second).unwrap();
        let text = describe(0, &[KeyMgmt::mikey(offered.message.clone())], &[]);
        let refused = answer(&mut bob, 1, &text).err().expect("refused");
        assert_eq!(refused.why, Error::Downgrade, "{mode:?}");
        assert_eq!(bob.bundles(), 0);
        let error = refused.answer.expect("an ERROR");
        let why = alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &error).err();
        let by_mac = matches!(mode, Mode::Psk | Mode::Pk | Mode::DhHmac);
        assert!(
            matches!(why, Some(Error::Refused { authenticated, .. }) if authenticated == by_mac),
            "{mode:?}: {why:?}"
        );
        // Or takes it by policy, and is told.
        let policy = with(everything(), |policy| policy.downgrade = Downgrade::Report);
        let mut bob = Party::new(config(1, &policy, 2)).unwrap().beside_version_2();
        let (_, theirs) = run(&mut alice, &mut bob, &second);
        assert!(theirs.peer_speaks_v2, "{mode:?}");
        // A first offer of version 1 is what it seems to be.
        let mut bob = Party::new(config(1, &everything(), 2)).unwrap().beside_version_2();
        let (_, theirs) = run(&mut alice, &mut bob, &offer(mode));
        assert!(!theirs.peer_speaks_v2);
    }
}

#[test]
fn whoever_takes_the_vendor_id_out_changes_what_is_authenticated() {
    for mode in [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR] {
        let (mut alice, _) = pair(&everything());
        let second = with(offer(mode), |offer| offer.speaks_v2 = true);
        let message = alice.offer(Time::ZERO, &second).unwrap().message;
        let at = message.windows(7).position(|w| w == b"MIKEYv2").unwrap();
        let mut changed = message.clone();
        changed[at + 6] = b'1';
        let mut bob = Party::new(config(1, &everything(), 2)).unwrap().beside_version_2();
        let refused = bob.answer(Time::ZERO, &changed, &Known::default()).err().unwrap();
        assert_eq!(refused.why, Error::Auth, "{mode:?}");
    }
}

#[test]
fn an_endpoint_speaks_version_2_and_sees_the_same_over_datagrams() {
    let second = with(offer(Mode::Psk), |offer| offer.speaks_v2 = true);
    for (downgrade, taken) in [(Downgrade::Refuse, false), (Downgrade::Report, true)] {
        let policy: Policy = with(everything(), |policy| policy.downgrade = downgrade);
        let nodes = [0, 1].map(|at| Endpoint::new(config(at, &policy, 7)).unwrap());
        let mut world = World::new(Link::perfect(1), nodes);
        world.act(0, |now, node| node.connect_v1(now, address(1), &second)).unwrap();
        world.run_until(Time::from_secs(20));
        let events = world.events(1);
        let reported = events.iter().any(|e| matches!(e, Event::V1Established { peer_speaks_v2: true, .. }));
        let refused = events
            .iter()
            .any(|e| matches!(e, Event::CallerRefused { why: mikey_proto::Error::V1(Error::Downgrade), .. }));
        assert_eq!((reported, refused), (taken, !taken));
        let failed = world.events(0).iter().any(|e| matches!(e, Event::CallFailed { .. }));
        assert_eq!(failed, !taken, "Alice is told by Bob's own MAC");
        let dropped = world.node(1).metrics().drops(DropReason::NoCommonGround);
        assert_eq!(dropped > 0, !taken);
    }
}
