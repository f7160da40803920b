//! Version 1 over datagrams: on a bad link, at a silent peer, among strangers, and with media.

use core::time::Duration;

use mikey::{Agent, AgentEvent, AgentOutput, Received};
use mikey_proto::v1::{self, Mode, Policy};
use mikey_proto::{CloseReason, DropReason, Endpoint, Error, Event, SessionId, SrtpKeys, Stage, Time};
use mikey_sim::{Datagram, Link, World, address};

use crate::setup::*;

const WITH_RESPONSE: [Mode; 5] = [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR];

fn world(link: Link, policy: &Policy) -> World<Endpoint> {
    let endpoint = |at| {
        let mut config = config(at, policy, 7);
        config.request_lifetime = Duration::from_secs(60);
        Endpoint::new(config).unwrap()
    };
    World::new(link, [0, 1].map(endpoint))
}

/// The keys that a node got, one set for each session, and what failed.
fn outcome(world: &mut World<Endpoint>, n: usize) -> (Vec<(SessionId, SrtpKeys)>, Vec<Error>) {
    let (mut keys, mut failed) = (Vec::new(), Vec::new());
    for event in world.events(n) {
        match event {
            Event::SrtpKeysReady { session, keys: new } => keys.push((session, new)),
            Event::CallFailed { why, .. } | Event::CallerRefused { why, .. } => failed.push(why),
            _ => {}
        }
    }
    (keys, failed)
}

#[test]
fn every_mode_completes_both_ways_under_loss_duplication_and_reordering() {
    for mode in WITH_RESPONSE {
        for seed in 0..12 {
            // Bob calls as often as Alice.
            let caller = usize::from(seed % 2 == 1);
            let callee = 1 - caller;
            let mut world = world(Link::bad(seed), &everything());
            let to = address(u8::from(caller == 0));
            world.act(caller, |now, node| node.connect_v1(now, to, &offer_by(caller, mode))).unwrap();
            world.run_until(Time::from_secs(70));
            let ((ours, failed), (theirs, refused)) =
                (outcome(&mut world, caller), outcome(&mut world, callee));
            assert!(failed.is_empty() && refused.is_empty(), "{mode:?}, seed {seed}: {failed:?} {refused:?}");
            let ([(_, ours)], [(_, theirs)]) = (&ours[..], &theirs[..]) else {
                panic!("{mode:?}, seed {seed}: {} and {} sets of keys", ours.len(), theirs.len())
            };
            assert!(agree(ours, theirs), "{mode:?}, seed {seed}");
            assert_eq!((world.node(0).metrics().sessions, world.node(1).metrics().sessions), (1, 1));
        }
    }
}

#[test]
fn a_peer_that_answers_nothing_fails_the_call_in_time() {
    let mut world = world(Link::perfect(1), &everything());
    world.act(0, |now, node| node.connect_v1(now, address(9), &offer(Mode::Psk))).unwrap();
    world.run_until(Time::from_secs(59));
    assert!(outcome(&mut world, 0).1.is_empty());
    world.run_until(Time::from_secs(61));
    let silent = Error::Timeout { stage: Stage::NoAnswer, hint: None };
    assert_eq!(outcome(&mut world, 0).1, [silent]);
    assert!(world.sent.len() > 10, "it was sent {} times", world.sent.len());
    assert_eq!(world.node(0).metrics().sessions, 0);
}

#[test]
fn an_endpoint_without_a_policy_for_it_takes_none() {
    let mut silent = config(1, &everything(), 2);
    silent.v1 = None;
    let nodes = [Endpoint::new(config(0, &everything(), 1)).unwrap(), Endpoint::new(silent).unwrap()];
    let mut world = World::new(Link::perfect(1), nodes);
    world.act(0, |now, node| node.connect_v1(now, address(1), &offer(Mode::Psk))).unwrap();
    world.run_until(Time::from_secs(20));
    assert!(world.node(1).metrics().drops(DropReason::Unsupported) > 5);
    assert!(world.sent.iter().all(|datagram| datagram.from == address(0)));
    let refused = world.act(1, |now, node| node.connect_v1(now, address(0), &offer(Mode::Psk))).err();
    assert!(matches!(refused, Some(Error::Misuse(_))));
}

#[test]
fn what_an_authenticated_peer_says_ends_the_call_and_what_anybody_says_does_not() {
    let mut picky = config(1, &everything(), 2);
    picky.answer = std::sync::Arc::new(mikey_proto::AcceptStreams { policies: Vec::new() });
    let nodes = [Endpoint::new(config(0, &everything(), 1)).unwrap(), Endpoint::new(picky).unwrap()];
    let mut world = World::new(Link::perfect(1), nodes);
    world.act(0, |now, node| node.connect_v1(now, address(1), &offer(Mode::Psk))).unwrap();
    world.run_until(Time::from_secs(1));
    let failed = outcome(&mut world, 0).1;
    assert!(
        matches!(&failed[..], [Error::V1(v1::Error::Refused { authenticated: true, policies, .. })] if !policies.is_empty()),
        "{failed:?}"
    );
    assert_eq!(outcome(&mut world, 1).1.len(), 1, "the callee hears of it");
    assert_eq!(world.sent.len(), 2, "the first answer says it, although it is longer than what it answers");

    // A wrong clock is refused before anything is authenticated: the call goes on, and says what it heard in the end.
    let mut late = config(1, &everything(), 2);
    late.unix_time_at_zero = Some(NOW + Duration::from_secs(86_400));
    let nodes = [Endpoint::new(config(0, &everything(), 1)).unwrap(), Endpoint::new(late).unwrap()];
    let mut world = World::new(Link::perfect(1), nodes);
    world.act(0, |now, node| node.connect_v1(now, address(1), &offer(Mode::Psk))).unwrap();
    world.run_until(Time::from_secs(5));
    assert!(outcome(&mut world, 0).1.is_empty());
    world.run_until(Time::from_secs(20));
    let failed = outcome(&mut world, 0).1;
    assert_eq!(failed[0].to_string(), "an unauthenticated error says: Invalid TS");
}

#[test]
fn strangers_get_nothing_but_short_errors_and_leave_nothing() {
    let mut world = world(Link::perfect(1), &everything());
    world.act(0, |now, node| node.connect_v1(now, address(1), &offer(Mode::Psk))).unwrap();
    world.run_until(Time::from_secs(1));
    let first = world.sent[0].bytes.clone();
    for at in 0..first.len() {
        for bit in 0..8 {
            let mut bytes = first.clone();
            bytes[at] ^= 1 << bit;
            let before = world.sent.len();
            world.inject(Datagram { from: address(9), to: address(1), bytes });
            let answers = &world.sent[before..];
            assert!(answers.iter().all(|answer| answer.bytes.len() <= first.len()), "octet {at}");
        }
    }
    assert_eq!(world.node(1).metrics().sessions, 1);
    assert_eq!(outcome(&mut world, 1).0.len(), 1);
}

#[test]
fn a_session_is_renewed_and_closed() {
    let mut world = world(Link::perfect(1), &everything());
    let mki = with(offer(Mode::DhHmac), |o| o.mki = vec![0, 0, 0, 1]);
    world.act(0, |now, node| node.connect_v1(now, address(1), &mki)).unwrap();
    world.run_until(Time::from_secs(1));
    let (first, _) = outcome(&mut world, 0);
    let session = first[0].0;
    assert_eq!(world.node(0).remote(session), Some(address(1)));
    world.act(0, |now, node| node.rekey(now, session, true)).unwrap();
    assert!(world.act(0, |now, node| node.rekey(now, session, true)).is_err(), "one at a time");
    world.run_until(Time::from_secs(2));
    let ((ours, _), (theirs, _)) = (outcome(&mut world, 0), outcome(&mut world, 1));
    assert_eq!(ours[0].0, session, "the same session");
    assert!(agree(&ours[0].1, &theirs[1].1));
    assert_ne!(ours[0].1.streams[0].mki, first[0].1.streams[0].mki);
    world.act(0, |now, node| node.close(now, session)).unwrap();
    assert!(world.events(0).iter().any(|e| matches!(e, Event::Closed { why: CloseReason::Local, .. })));
    assert_eq!(world.node(0).remote(session), None);
    assert!(world.act(0, |now, node| node.rekey(now, session, true)).is_err());
}

/// Passes what agent `n` sends to the other one; returns its events.
fn pump(agents: &mut [Agent; 2], now: Time, n: usize) -> Vec<AgentEvent> {
    let mut events = Vec::new();
    loop {
        match agents[n].poll_output() {
            AgentOutput::Transmit { mut bytes, .. } => {
                let from = address(u8::try_from(n).unwrap());
                assert!(matches!(agents[1 - n].handle_datagram(now, from, &mut bytes), Received::Keying));
            }
            AgentOutput::Event(event) => events.push(event),
            AgentOutput::Timeout(_) => return events,
            _ => {}
        }
    }
}

#[test]
fn media_flows_and_goes_on_under_new_keys() {
    for mki in [vec![], vec![9, 9]] {
        let mut agents = [0, 1].map(|at| {
            let address = address(u8::try_from(at).unwrap());
            Agent::new(config(at, &everything(), 3), address).unwrap()
        });
        let now = Time::ZERO;
        let call = with(offer(Mode::Psk), |o| o.mki = mki.clone());
        agents[0].call_v1(now, address(1), &call).unwrap();
        let mut session = [None; 2];
        for n in [0, 1, 0] {
            for event in pump(&mut agents, now, n) {
                if let AgentEvent::MediaReady { session: ready, streams } = event {
                    assert_eq!(streams.len(), 2);
                    session[n] = Some(ready);
                }
            }
        }
        let session = session.map(Option::unwrap);
        for round in 0..6_u16 {
            if round == 3 {
                agents[0].rekey(now, session[0], false).unwrap();
                for n in [0, 1, 0] {
                    pump(&mut agents, now, n);
                }
            }
            for (n, cs_id, ssrc) in [(0, 1, 0x1111_u32), (1, 2, 0x2222)] {
                let mut packet =
                    [&[0x80, 0][..], &round.to_be_bytes(), &[0; 4], &ssrc.to_be_bytes(), b"speech"].concat();
                let (said, len) = (packet.clone(), packet.len());
                packet.resize(len + 64, 0);
                let (len, to) = agents[n].protect_rtp(now, session[n], cs_id, &mut packet, len).unwrap();
                assert_eq!(to, address(u8::try_from(1 - n).unwrap()));
                let from = address(u8::try_from(n).unwrap());
                match agents[1 - n].handle_datagram(now, from, &mut packet[..len]) {
                    Received::Media(media) => assert_eq!(media.packet, said, "round {round}"),
                    other => panic!("round {round}: {other:?}"),
                }
            }
        }
    }
}
