//! What a group must not do, whoever asks: members and strangers that lie, repeat, flood, or keep what they had.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common_g;

use core::time::Duration;

use common_g::*;
use mikey::group::{
    AccessTable, Append, Authorize, Controller, GroupConfig, GroupName, MemberError, RekeyDrop, Rule,
    ServiceOutput, Store, Timing, Who,
};
use mikey::keying::{GroupAsk, GroupRequest, GroupSender, GroupStream, PeerFault};
use mikey::{Agent, AgentEvent, EndpointConfig, Identity, MediaError, Peer, SrtpPolicy};
use mikey_crypto::MethodId;
use mikey_proto::Error;
use mikey_sim::{Datagram, World, address, provider};
use std::sync::Arc;

const MS: Duration = Duration::from_millis(1);

fn joined(n: usize, seed: u64) -> World<Party> {
    let mut world = Settings::new(seed, n).world();
    join_all(&mut world, 1..=n, BOTH);
    world
}

fn len(world: &mut World<Party>) -> usize {
    world.act(0, |_, party| party.desk().controller().len())
}

fn refusals(world: &mut World<Party>) -> usize {
    world.act(0, |_, party| {
        party.desk().told.iter().filter(|told| matches!(told, ServiceOutput::Refused { .. })).count()
    })
}

/// The GROUP_REKEYs that the controller has sent.
fn rekeys(world: &World<Party>) -> Vec<Vec<u8>> {
    let is = |d: &&Datagram| d.from == address(0) && mikey::group::group_of(&d.bytes).is_some();
    world.sent.iter().filter(is).map(|d| d.bytes.clone()).collect()
}

fn counted(world: &mut World<Party>, n: usize, why: RekeyDrop) -> u64 {
    world.act(n, |_, party| party.ear().agent.refused_rekeys().find(|(w, _)| *w == why).map_or(0, |(_, n)| n))
}

#[test]
fn a_rekey_that_a_member_changes_or_repeats_does_nothing() {
    let mut world = joined(3, 30);
    world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
    run(&mut world, Duration::from_secs(3));
    let genuine = rekeys(&world).pop().unwrap();
    let before: Vec<_> = (1..=3)
        .map(|n| {
            world.act(n, |_, party| {
                let ear = party.ear();
                ear.agent.member(ear.group.unwrap()).unwrap().values().clone()
            })
        })
        .collect();
    // An old one, and one whose T was raised by somebody without the signing key.
    let t_at = 10 + 20 + 2;
    let mut raised = genuine.clone();
    raised[t_at + 3] += 5;
    for n in 1..=3 {
        for bytes in [&genuine, &raised] {
            world.inject(Datagram {
                from: address(2),
                to: address(u8::try_from(n).unwrap()),
                bytes: bytes.clone(),
            });
            world.inject(Datagram {
                from: address(77),
                to: address(u8::try_from(n).unwrap()),
                bytes: bytes.clone(),
            });
        }
        for len in (0..genuine.len()).step_by(7) {
            let mut cut = raised.clone();
            cut.truncate(len);
            world.inject(Datagram { from: address(0), to: address(u8::try_from(n).unwrap()), bytes: cut });
        }
    }
    run(&mut world, Duration::from_secs(3));
    for n in 1..=3 {
        let now = world.act(n, |_, party| {
            let ear = party.ear();
            ear.agent.member(ear.group.unwrap()).unwrap().values().clone()
        });
        assert_eq!(now, before[n - 1]);
        assert_eq!(counted(&mut world, n, RekeyDrop::Forged), 2);
        assert!(counted(&mut world, n, RekeyDrop::Stale) >= 2);
    }
}

// R14.5
#[test]
fn nobody_sends_with_an_ssrc_that_is_not_its_own() {
    let mut world = joined(3, 31);
    let foreign = world.act(2, |_, party| party.ear().ssrc().unwrap());
    let refused = world.act(1, |now, party| {
        let group = party.ear().group.unwrap();
        party.ear().speak_as(now, group, foreign, &addresses([2, 3]))
    });
    assert_eq!(refused, Err(MediaError::NotYours));
    let refused = world.act(1, |now, party| {
        let group = party.ear().group.unwrap();
        party.ear().speak_as(now, group, 0x1234_5678, &addresses([2, 3]))
    });
    assert_eq!(refused, Err(MediaError::NotYours));
    // Somebody whose software does it nevertheless: a packet of its own with another's SSRC in it.
    world.act(1, |now, party| party.ear().speak(now, &[])).unwrap();
    let mut packet = world.act(1, |_, party| party.ear().packets.pop().unwrap());
    packet[8..12].copy_from_slice(&foreign.to_be_bytes());
    world.inject(Datagram { from: address(1), to: address(3), bytes: packet.clone() });
    packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
    world.inject(Datagram { from: address(1), to: address(3), bytes: packet });
    run(&mut world, Duration::from_secs(3));
    assert_eq!(heard(&mut world, 3), []);
}

#[test]
fn who_listens_may_not_speak() {
    let mut settings = Settings::new(32, 100);
    settings.service.rekey_every = None;
    let mut world = settings.world();
    world.act(99, |now, party| party.ear().join(now, 0, BOTH));
    run(&mut world, Duration::from_secs(20));
    assert_eq!((len(&mut world), refusals(&mut world)), (0, 1));
    let failed = |event: &AgentEvent| {
        matches!(event, AgentEvent::CallFailed { why: Error::Peer(PeerFault::RefusedUs), .. })
    };
    assert!(world.act(99, |_, party| party.ear().has(failed)));
    world.act(99, |now, party| party.ear().join(now, 0, LISTEN));
    run(&mut world, Duration::from_secs(2));
    assert_eq!(len(&mut world), 1);
    assert_eq!(world.act(99, |_, party| party.ear().ssrc()), None);
}

#[test]
fn another_group_or_more_ssrcs_than_allowed_is_refused() {
    let mut world = Settings::new(33, 2).world();
    for (n, group, ssrcs) in [(1, &b"sports"[..], 1), (2, NEWS, 16)] {
        let request = GroupRequest { group: group.to_vec(), roles: BOTH, ssrcs };
        world.act(n, |now, party| {
            let agent = &mut party.ear().agent;
            agent.join(now, address(0), name(GC), request, mikey::group::Timing::default()).unwrap();
        });
    }
    run(&mut world, Duration::from_secs(20));
    assert_eq!((len(&mut world), refusals(&mut world)), (0, 2));
    for n in [1, 2] {
        assert!(world.act(n, |_, party| party.ear().has(|e| matches!(e, AgentEvent::CallFailed { .. }))));
    }
}

#[test]
fn a_request_that_makes_no_sense_is_not_even_sent() {
    let mut world = Settings::new(34, 1).world();
    for (group, ssrcs) in [(vec![], 1), (vec![0; 65], 1), (NEWS.to_vec(), 17)] {
        let request = GroupRequest { group, roles: BOTH, ssrcs };
        let refused = world.act(1, |now, party| {
            let timing = mikey::group::Timing::default();
            party.ear().agent.join(now, address(0), name(GC), request, timing)
        });
        assert!(refused.is_err());
    }
    assert!(world.sent.is_empty());
}

struct LetsAnybodyIn;

impl Authorize for LetsAnybodyIn {
    fn authorize(&self, _: &Peer, _: &GroupRequest) -> bool {
        true
    }
}

// R14.10
#[test]
fn whoever_has_nothing_but_a_sas_to_show_is_no_controller() {
    let mut world = Settings::new(43, 1).world();
    let with_sas = |config: &mut EndpointConfig| {
        config.policy.local_methods.push(MethodId::SAS);
        config.policy.remote_methods.push(MethodId::SAS);
    };
    // It says to be the controller, and has no key for that.
    world.act(0, |_, party| {
        let mut config = EndpointConfig::new(provider(4300), Identity::new(name(GC)));
        config.serves_groups = true;
        with_sas(&mut config);
        let desk = party.desk();
        desk.agent = Agent::new(config, address(0)).unwrap();
        desk.service.set_authorize(Arc::new(LetsAnybodyIn));
    });
    // A phone, whose calls may be known by a SAS.
    world.act(1, |now, party| {
        let ear = party.ear();
        ear.change(with_sas);
        ear.join(now, 0, BOTH);
    });
    run(&mut world, Duration::from_secs(20));
    assert!(world.act(1, |_, party| party.ear().has(|e| matches!(e, AgentEvent::CallFailed { .. }))));
    assert!(world.act(1, |_, party| party.ear().group.is_none()));
}

// R14.10
#[test]
fn whoever_is_no_controller_of_the_group_grants_nothing() {
    let mut settings = Settings::new(35, 2);
    settings.controllers = 2;
    let mut world = settings.world();
    // The second controller is genuine and authentic. Whoever joins does not accept it for this group.
    world.act(2, |now, party| {
        let ear = party.ear();
        ear.only_from(GC);
        ear.join(now, 1, BOTH);
    });
    run(&mut world, Duration::from_secs(20));
    let refused = |event: &AgentEvent| {
        matches!(event, AgentEvent::CallFailed { why: Error::Peer(PeerFault::NotController), .. })
    };
    assert!(world.act(2, |_, party| party.ear().has(refused)));
    assert!(world.act(2, |_, party| party.ear().group.is_none()));
    // It has told the controller, which has let it in and out again.
    assert_eq!(world.act(1, |_, party| party.desk().controller().len()), 0);
}

#[test]
fn a_plain_endpoint_lets_nobody_into_a_group() {
    let mut world = Settings::new(36, 2).world();
    // Member 2 serves no groups; member 1 takes it for a controller.
    world.act(1, |now, party| party.ear().join_at(now, 2));
    run(&mut world, Duration::from_secs(20));
    assert!(world.act(1, |_, party| party.ear().has(|e| matches!(e, AgentEvent::CallFailed { .. }))));
    assert!(world.act(1, |_, party| party.ear().group.is_none()));
}

#[test]
fn who_joins_twice_at_once_is_in_once() {
    let mut world = Settings::new(37, 2).world();
    for _ in 0..3 {
        world.act(1, |now, party| party.ear().join(now, 0, BOTH));
    }
    run(&mut world, Duration::from_secs(5));
    assert_eq!(len(&mut world), 1);
    world.act(2, |now, party| party.ear().join(now, 0, BOTH));
    run(&mut world, Duration::from_secs(2));
    world.act(1, |now, party| party.ear().speak(now, &addresses([2]))).unwrap();
    run(&mut world, 100 * MS);
    assert_eq!(heard(&mut world, 2).len(), 1);
}

#[test]
fn a_flood_of_joins_of_one_member_is_one_epoch_a_second() {
    let mut world = joined(2, 38);
    let before = world.act(0, |_, party| party.desk().controller().epoch());
    for _ in 0..100 {
        world.act(1, |now, party| party.ear().join(now, 0, BOTH));
        run(&mut world, 20 * MS);
    }
    run(&mut world, Duration::from_secs(1));
    let epochs = world.act(0, |_, party| party.desk().controller().epoch()) - before;
    assert!(epochs <= 5, "{epochs} epochs in three seconds");
    assert!(refusals(&mut world) > 50);
    assert_eq!(len(&mut world), 2);
    // The other one has lost nothing.
    run(&mut world, Duration::from_secs(20));
    let epoch = world.act(0, |_, party| party.desk().controller().epoch());
    assert_eq!(world.act(2, |_, party| party.ear().epoch()), epoch);
}

// R14.2
#[test]
fn nobody_is_in_before_it_is_stored() {
    let mut world = joined(1, 39);
    world.act(0, |_, party| party.desk().store_is_up = false);
    world.act(1, |now, party| party.ear().speak(now, &[])).unwrap();
    world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
    let sent = rekeys(&world).len();
    run(&mut world, Duration::from_secs(5));
    let fresh: Vec<_> = rekeys(&world).split_off(sent);
    assert!(fresh.iter().all(|octets| rekeys(&world)[..sent].contains(octets)), "only what was sent before");
    assert_eq!(world.act(1, |_, party| party.ear().epoch()), 1);
    world.act(0, |_, party| party.desk().store_is_up = true);
    run(&mut world, Duration::from_secs(1));
    assert_eq!(world.act(1, |_, party| party.ear().epoch()), 2);
}

#[test]
fn a_controller_that_dies_before_it_has_stored_has_promised_nothing() {
    let mut world = Settings::new(40, 1).world();
    world.act(0, |_, party| party.desk().store_is_up = false);
    world.act(1, |now, party| party.ear().join(now, 0, BOTH));
    run(&mut world, Duration::from_secs(1));
    assert!(world.act(1, |_, party| party.ear().group.is_none()));
    world.act(0, |now, party| party.desk().crash(now));
    assert_eq!(len(&mut world), 0);
    // Its INIT_REQ comes again, and what comes of that is stored before it is answered.
    world.act(0, |_, party| party.desk().store_is_up = true);
    run(&mut world, Duration::from_secs(10));
    assert_eq!(len(&mut world), 1);
    assert_eq!(world.act(1, |_, party| party.ear().epoch()), 1);
}

const SPORTS: &[u8] = b"sports";

/// Lets the second controller serve another group, whose SPI and random values are those of the first one's: they are no
/// secret.
fn serve_sports(world: &mut World<Party>, seed: u64) {
    world.act(1, |now, party| {
        let desk = party.desk();
        let sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AEAD_AES_128_GCM }];
        let config = GroupConfig::new(SPORTS, sessions);
        let proposal = Controller::create(&provider(seed), &config, &*desk.signer).unwrap();
        let group = GroupName::new(SPORTS).unwrap();
        let append = Append { group: &group, seq: proposal.seq, record: proposal.record.expose() };
        desk.store.append(&[append]).pop().unwrap().unwrap();
        let signer = Arc::clone(&desk.signer);
        let records = [(proposal.seq, proposal.record.expose())];
        let controller = Controller::open(provider(seed), None, records, |_| Some(signer)).unwrap();
        assert_eq!(controller.spi(), desk.controller().spi());
        let mut table = AccessTable::new();
        table.allow(SPORTS, Rule { who: Who::Anybody, roles: BOTH, ssrcs: 2 });
        desk.service.set_authorize(Arc::new(table));
        desk.service.add(now, controller);
    });
}

// R14.10
#[test]
fn the_controller_of_another_group_does_not_take_a_membership_over() {
    let mut settings = Settings::new(41, 2);
    settings.controllers = 2;
    let mut world = settings.world();
    serve_sports(&mut world, 41);
    let both = vec![(NEWS.to_vec(), name(GC)), (SPORTS.to_vec(), name(GC2))];
    world.act(2, |_, party| party.ear().change(|config| config.controllers = both));
    join_all(&mut world, [2, 3], BOTH);
    let keys = |world: &mut World<Party>| {
        world.act(2, |_, party| {
            let ear = party.ear();
            let member = ear.agent.member(ear.group.unwrap()).unwrap();
            (member.request().group.clone(), member.values().clone())
        })
    };
    let before = keys(&mut world);
    world.act(2, |now, party| {
        let request = GroupRequest { group: SPORTS.to_vec(), roles: BOTH, ssrcs: 1 };
        party.ear().agent.join(now, address(1), name(GC2), request, Timing::default()).unwrap();
    });
    run(&mut world, Duration::from_secs(5));
    let refused =
        |event: &AgentEvent| matches!(event, AgentEvent::GroupFailed { why: MemberError::Grant(_), .. });
    assert!(world.act(2, |_, party| party.ear().has(refused)));
    assert_eq!(keys(&mut world), before);
    world.act(2, |now, party| party.ear().speak(now, &addresses([3]))).unwrap();
    run(&mut world, 100 * MS);
    assert_eq!(heard(&mut world, 3).len(), 1, "what it says is still said to its own group");
    // The other controller was told that nobody is there.
    run(&mut world, Duration::from_secs(2));
    assert_eq!(world.act(1, |_, party| party.desk().service.controller(SPORTS).unwrap().len()), 0);
}

#[test]
fn members_that_report_without_end_keep_nobody_in() {
    let mut world = joined(4, 42);
    for n in 1..=3 {
        world.act(n, |now, party| {
            let ear = party.ear();
            let (group, ssrc) = (ear.group.unwrap(), ear.ssrc().unwrap());
            let session = ear.session.unwrap();
            let values = ear.agent.member(group).unwrap().values().clone();
            let at = |n: u32| {
                let seq = u16::try_from(n).unwrap();
                GroupSender {
                    cs_id: 1,
                    ssrc,
                    yours: true,
                    gone: false,
                    shared: false,
                    roc: 1,
                    seq,
                    chains: [None; 2],
                }
            };
            let report = GroupAsk::Report((1..=1500).map(at).collect());
            ear.agent.endpoint().ask_group(now, session, &values, &report).unwrap();
        });
    }
    run(&mut world, 20 * MS);
    world.act(0, |now, party| party.desk().service.expel(now, NEWS, &member_name(4)).unwrap());
    run(&mut world, Duration::from_secs(1));
    assert_eq!(len(&mut world), 3);
    assert!(world.act(4, |_, party| {
        party.ear().has(|event| matches!(event, AgentEvent::GroupLeft { expelled: true, .. }))
    }));
}

#[test]
fn a_session_is_of_one_group() {
    let mut settings = Settings::new(41, 1);
    settings.spy = true;
    let mut world = settings.world();
    join_all(&mut world, [1], BOTH);
    world.act(2, |now, party| party.spy().join(now));
    run(&mut world, Duration::from_secs(2));
    assert_eq!(len(&mut world), 2);
    for (asks, spi, refused) in [(1, 0, 0), (2, 1, 1)] {
        world.act(2, |now, party| {
            let spy = party.spy();
            let mut values = spy.member.as_ref().unwrap().values().clone();
            values.spi ^= spi;
            let ask = GroupAsk::Pull { epoch: 1, t: 0 };
            spy.endpoint.ask_group(now, spy.session.unwrap(), &values, &ask).unwrap();
        });
        run(&mut world, Duration::from_secs(1));
        assert_eq!(world.act(2, |_, party| party.spy().refused), refused, "question {asks}");
    }
}
