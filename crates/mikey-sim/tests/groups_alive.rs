//! Members and controllers that die: who is gone leaves by a record, who lives moves to another controller and hears on, and
//! of several controllers one does what is to be done once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common_g;

use core::time::Duration;
use std::net::SocketAddr;

use common_g::*;
use mikey::group::{AccessTable, ServiceOutput};
use mikey::{AgentEvent, Failover, Name};
use mikey_proto::Time;
use mikey_sim::{Datagram, World, address};

const SEC: Duration = Duration::from_secs(1);

fn list(controllers: &[(usize, &str)]) -> Vec<(SocketAddr, Name)> {
    let entry = |(n, text): &(usize, &str)| (address(u8::try_from(*n).unwrap()), name(text));
    controllers.iter().map(entry).collect()
}

/// Members join their controllers, each with that list.
fn join_at(world: &mut World<Party>, members: &[(usize, usize)], controllers: &[(usize, &str)]) {
    for (n, at) in members {
        world.act(*n, |now, party| {
            party.ear().agent.set_failover(NEWS, Failover::new(list(controllers)));
            party.ear().join(now, *at, BOTH);
        });
    }
    pass(world, 4 * SEC);
}

/// Time goes by; controllers look at their store each second at least.
fn pass(world: &mut World<Party>, time: Duration) {
    let end = world.now() + time;
    while world.now() < end {
        let next = end.min(world.now() + SEC);
        world.run_until(next);
        for n in [0, 1] {
            world.act(n, |_, _| ());
        }
    }
}

fn len(world: &mut World<Party>, n: usize) -> usize {
    world.act(n, |_, party| party.desk().controller().len())
}

fn epoch(world: &mut World<Party>, n: usize) -> u32 {
    world.act(n, |_, party| party.desk().controller().epoch())
}

fn die(world: &mut World<Party>, n: usize) {
    world.act(n, |_, party| party.desk().dead = true);
}

fn joined(world: &mut World<Party>, n: usize) -> usize {
    let is = |event: &&AgentEvent| matches!(event, AgentEvent::GroupJoined { .. });
    world.act(n, |_, party| party.ear().events.iter().filter(is).count())
}

fn out(world: &mut World<Party>, n: usize) -> bool {
    world.act(n, |_, party| party.ear().has(|e| matches!(e, AgentEvent::GroupLeft { expelled: true, .. })))
}

/// Each of these says something to all others, and all hear it.
fn all_hear_all(world: &mut World<Party>, all: &[usize]) {
    all.iter().for_each(|n| drop(heard(world, *n)));
    for n in all {
        let to = addresses(all.iter().copied().filter(|other| other != n));
        world.act(*n, |now, party| party.ear().speak(now, &to)).unwrap();
    }
    run(world, SEC / 20);
    for n in all {
        assert_eq!(heard(world, *n).len(), all.len() - 1, "member {n}");
    }
}

fn two_controllers(seed: u64, members: usize) -> Settings {
    let mut settings = Settings::new(seed, members);
    settings.controllers = 2;
    settings
}

// R14.12
#[test]
fn who_died_while_its_controller_was_down_does_not_stay_for_ever() {
    let mut world = Settings::new(60, 4).world();
    // Node 1 is a member that never joins: `pass` looks at it.
    join_at(&mut world, &[(2, 0), (3, 0), (4, 0)], &[(0, GC)]);
    let mut world = world.with_adversary(|_: Time, datagram: Datagram| {
        let dead = address(4);
        if datagram.from == dead || datagram.to == dead { vec![] } else { vec![datagram] }
    });
    world.act(0, |now, party| party.desk().crash(now));
    assert_eq!(len(&mut world, 0), 3, "all are members by the log, and none has a session");
    pass(&mut world, 120 * SEC);
    assert_eq!((joined(&mut world, 2), joined(&mut world, 3)), (2, 2), "they noticed, and joined anew");
    assert_eq!(len(&mut world, 0), 3, "the dead one has its time too");
    pass(&mut world, 90 * SEC);
    assert_eq!(len(&mut world, 0), 2);
    assert!(world.act(0, |_, party| party.desk().controller().member(&member_name(4)).is_none()));
    let now = epoch(&mut world, 0);
    assert_eq!(world.act(2, |_, party| party.ear().epoch()), now);
    all_hear_all(&mut world, &[2, 3]);
}

#[test]
fn a_controller_that_is_alone_and_has_no_number_finds_ghosts_too() {
    let mut world = Settings::new(61, 3).world();
    world.act(0, |_, party| party.desk().service.set_home(0));
    join_at(&mut world, &[(2, 0)], &[]);
    world.act(0, |now, party| {
        let desk = party.desk();
        desk.crash(now);
        desk.service.set_home(0);
    });
    pass(&mut world, 170 * SEC);
    assert_eq!(len(&mut world, 0), 1);
    pass(&mut world, 20 * SEC);
    assert_eq!(len(&mut world, 0), 0);
}

// R14.12
#[test]
fn who_is_at_a_controller_that_lives_is_no_ghost_to_another() {
    let mut world = two_controllers(62, 4).world();
    join_at(&mut world, &[(2, 0), (3, 1), (4, 0), (5, 1)], &[(0, GC), (1, GC2)]);
    pass(&mut world, 600 * SEC);
    for n in [0, 1] {
        assert_eq!(len(&mut world, n), 4);
        let nobody_left = |told: &ServiceOutput| match told {
            ServiceOutput::Changed { left, .. } => left.is_empty(),
            _ => true,
        };
        assert!(world.act(n, |_, party| party.desk().told.iter().all(nobody_left)));
    }
    for n in 2..=5 {
        assert_eq!(joined(&mut world, n), 1, "nobody had to move");
    }
}

// R14.13
#[test]
fn one_of_several_controllers_renews_by_time_and_another_when_it_dies() {
    let mut settings = two_controllers(63, 2);
    settings.service.rekey_every = Some(10 * SEC);
    let mut world = settings.world();
    pass(&mut world, SEC);
    let leads = |world: &mut World<Party>, n| world.act(n, |_, party| party.desk().service.is_leading());
    let first = usize::from(leads(&mut world, 1));
    let second = 1 - first;
    assert_ne!(leads(&mut world, first), leads(&mut world, second), "one of them");
    join_at(&mut world, &[(2, second), (3, second)], &[(second, [GC, GC2][second])]);
    let before = epoch(&mut world, first);
    pass(&mut world, 60 * SEC);
    assert_eq!(epoch(&mut world, second), before + 6, "each epoch once");
    die(&mut world, first);
    pass(&mut world, 20 * SEC);
    assert!(leads(&mut world, second));
    let before = epoch(&mut world, second);
    pass(&mut world, 60 * SEC);
    assert_eq!(epoch(&mut world, second), before + 6);
    assert_eq!(world.act(2, |_, party| party.ear().epoch()), before + 6);
}

// R14.13
#[test]
fn a_leader_that_cannot_renew_its_lease_leads_no_more() {
    let mut world = two_controllers(64, 0).world();
    world.act(0, |_, _| ());
    pass(&mut world, 2 * SEC);
    assert!(world.act(0, |_, party| party.desk().service.is_leading()));
    world.act(0, |_, party| {
        let desk = party.desk();
        let mut gone = desk.store.clone();
        gone.set_fault(Some(mikey::group::Fault::Unreachable));
        let at = desk.presence.wake();
        assert!(desk.presence.keep(at, &mut gone, &mut desk.service).is_err());
        assert!(desk.service.is_leading(), "its lease is in force still");
        assert!(desk.presence.keep(at + LEASE, &mut gone, &mut desk.service).is_err());
        assert!(!desk.service.is_leading());
    });
}

#[test]
fn who_loses_its_controller_moves_to_another_and_hears_on() {
    let mut world = two_controllers(65, 4).world();
    join_at(&mut world, &[(2, 0), (3, 0), (4, 1), (5, 1)], &[(0, GC), (1, GC2)]);
    let all = [2, 3, 4, 5];
    all_hear_all(&mut world, &all);
    die(&mut world, 0);
    // Media needs no controller.
    for _ in 0..10 {
        pass(&mut world, 8 * SEC);
        all_hear_all(&mut world, &all);
    }
    pass(&mut world, 40 * SEC);
    assert_eq!((joined(&mut world, 2), joined(&mut world, 4)), (2, 1));
    assert_eq!(len(&mut world, 1), 4, "each once");
    all_hear_all(&mut world, &all);
    world.act(1, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
    pass(&mut world, SEC);
    let now = epoch(&mut world, 1);
    for n in all {
        assert_eq!(world.act(n, |_, party| party.ear().epoch()), now, "member {n}");
    }
    all_hear_all(&mut world, &all);
    // The one that died is back, and lets nobody go who has moved.
    world.act(0, |now, party| {
        party.desk().dead = false;
        party.desk().crash(now);
    });
    pass(&mut world, 300 * SEC);
    assert_eq!((len(&mut world, 0), len(&mut world, 1)), (4, 4));
    all_hear_all(&mut world, &all);
}

// R14.10
#[test]
fn nobody_moves_to_a_controller_that_is_none_of_its_group() {
    let mut world = two_controllers(66, 2).world();
    world.act(2, |_, party| party.ear().only_from(GC));
    join_at(&mut world, &[(2, 0)], &[(0, GC), (1, GC2)]);
    join_at(&mut world, &[(3, 1)], &[(1, GC2)]);
    die(&mut world, 0);
    pass(&mut world, 160 * SEC);
    assert_eq!(joined(&mut world, 2), 1);
    pass(&mut world, 60 * SEC);
    // Its time as a member of a dead controller is over, and nobody whom it trusts can tell it: it hears nothing any more.
    assert_eq!((len(&mut world, 1), out(&mut world, 2)), (1, false));
    heard(&mut world, 2);
    world.act(3, |now, party| party.ear().speak(now, &addresses([2]))).unwrap();
    pass(&mut world, SEC);
    assert_eq!(heard(&mut world, 2), []);
}

#[test]
fn who_is_refused_by_every_controller_is_out() {
    let mut world = two_controllers(67, 2).world();
    join_at(&mut world, &[(2, 0)], &[(1, GC2)]);
    world.act(1, |_, party| party.desk().service.set_authorize(std::sync::Arc::new(AccessTable::new())));
    die(&mut world, 0);
    pass(&mut world, 120 * SEC);
    assert!(out(&mut world, 2));
    assert_eq!(joined(&mut world, 2), 1);
}

#[test]
fn who_wants_to_leave_and_has_no_controller_is_out_at_once() {
    let mut world = two_controllers(68, 2).world();
    join_at(&mut world, &[(2, 0)], &[(0, GC)]);
    die(&mut world, 0);
    pass(&mut world, 110 * SEC);
    let lost = |event: &AgentEvent| matches!(event, AgentEvent::ControllerLost { .. });
    assert!(world.act(2, |_, party| party.ear().has(lost)));
    world.act(2, |now, party| {
        let group = party.ear().group.unwrap();
        party.ear().agent.leave(now, group).unwrap();
    });
    run(&mut world, SEC / 10);
    let left = |event: &AgentEvent| matches!(event, AgentEvent::GroupLeft { expelled: false, .. });
    assert!(world.act(2, |_, party| party.ear().has(left)));
    // No session and no controller to tell; its place ends with its controller's other members.
    pass(&mut world, 110 * SEC);
    assert_eq!(len(&mut world, 1), 0);
}
