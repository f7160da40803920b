//! Groups, from the first who joins to the last who leaves, with media, on a link that loses and reorders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common_g;

use core::time::Duration;
use std::sync::{Arc, Mutex};

use common_g::*;
use mikey::AgentEvent;
use mikey::group::Timing;
use mikey_proto::Time;
use mikey_sim::{Datagram, Link, World};

const MS: Duration = Duration::from_millis(1);

/// Whether a datagram is a GROUP_REKEY.
fn is_rekey(datagram: &[u8]) -> bool {
    mikey::group::group_of(datagram).is_some()
}

/// Everybody in `speakers` says something to everybody in `all`; returns what each of `all` has heard.
fn round(world: &mut World<Party>, speakers: &[usize], all: &[usize]) -> Vec<Vec<(u32, u16)>> {
    for n in all {
        heard(world, *n);
    }
    for n in speakers {
        let to = addresses(all.iter().copied().filter(|other| other != n));
        world.act(*n, |now, party| party.ear().speak(now, &to)).unwrap();
    }
    run(world, 50 * MS);
    all.iter().map(|n| heard(world, *n)).collect()
}

/// Asserts that everybody hears everybody.
fn all_hear_all(world: &mut World<Party>, all: &[usize]) {
    let ears = round(world, all, all);
    for (n, heard) in all.iter().zip(ears) {
        assert_eq!(heard.len(), all.len() - 1, "member {n}");
    }
}

#[test]
fn many_to_many() {
    let mut world = Settings::new(1, 6).world();
    let all = [1, 2, 3, 4, 5, 6];
    join_all(&mut world, all, BOTH);
    all_hear_all(&mut world, &all);
    // Six who joined within a moment are one record and one epoch.
    assert_eq!(world.act(0, |_, party| party.desk().controller().epoch()), 1);
    world.act(3, |now, party| {
        let group = party.ear().group.unwrap();
        party.ear().agent.leave(now, group).unwrap();
    });
    run(&mut world, 1000 * MS);
    let left = |event: &AgentEvent| matches!(event, AgentEvent::GroupLeft { expelled: false, .. });
    assert!(world.act(3, |_, party| party.ear().has(left)));
    assert_eq!(world.act(0, |_, party| party.desk().controller().len()), 5);
    all_hear_all(&mut world, &[1, 2, 4, 5, 6]);
}

#[test]
fn a_bad_link_is_no_more_than_slow() {
    for seed in 0..4 {
        let mut settings = Settings::new(seed, 5);
        settings.link = Link::bad(seed);
        settings.link.loss = 0.2;
        let mut world = settings.world();
        for n in 1..=5 {
            world.act(n, |now, party| party.ear().join(now, 0, BOTH));
            run(&mut world, 300 * MS);
        }
        // Whoever missed a rekey and its repeats is told by the next heartbeat, and asks.
        run(&mut world, Duration::from_secs(60));
        let epoch = world.act(0, |_, party| party.desk().controller().epoch());
        for n in 1..=5 {
            assert_eq!(world.act(n, |_, party| party.ear().epoch()), epoch, "member {n}, seed {seed}");
        }
    }
}

// R14.11
#[test]
fn a_late_joiner_hears_the_very_next_packet() {
    let mut world = Settings::new(2, 4).world();
    join_all(&mut world, [1, 2], BOTH);
    // The sender's sequence numbers wrap: its ROC is 1 when the third joins.
    world.act(1, |_, party| party.ear().seq = 65_000);
    for _ in 0..900 {
        world.act(1, |now, party| party.ear().speak(now, &addresses([2]))).unwrap();
        run(&mut world, 5 * MS);
    }
    run(&mut world, Duration::from_secs(1));
    assert_eq!(heard(&mut world, 2).len(), 900);
    join_all(&mut world, [3], LISTEN);
    let ears = round(&mut world, &[1], &[1, 2, 3]);
    assert_eq!(ears[1].len(), 1);
    assert_eq!(ears[2].len(), 1, "the first packet after joining");
    // And long before that: an hour of packets later another one.
    world.act(1, |_, party| party.ear().seq = party.ear().seq.wrapping_add(20_000));
    world.act(1, |now, party| party.ear().speak(now, &addresses([2]))).unwrap();
    run(&mut world, Duration::from_secs(1));
    world.act(1, |_, party| party.ear().seq = party.ear().seq.wrapping_add(30_000));
    world.act(1, |now, party| party.ear().speak(now, &addresses([2]))).unwrap();
    run(&mut world, Duration::from_secs(1));
    join_all(&mut world, [4], LISTEN);
    let ears = round(&mut world, &[1], &[1, 2, 3, 4]);
    assert_eq!((ears[1].len(), ears[3].len()), (1, 1));
}

#[test]
fn who_is_expelled_hears_nothing_from_the_next_packet_on() {
    let mut world = Settings::new(3, 4).world();
    let all = [1, 2, 3, 4];
    join_all(&mut world, all, BOTH);
    all_hear_all(&mut world, &all);
    // It keeps its agent as it is: nothing of the controller reaches it, and it goes on as if nothing had been.
    let mut world = world.with_adversary(|_: Time, datagram: Datagram| {
        let cut = datagram.to == mikey_sim::address(4) && datagram.from == mikey_sim::address(0);
        if cut { vec![] } else { vec![datagram] }
    });
    world.act(0, |now, party| party.desk().service.expel(now, NEWS, &member_name(4))).unwrap();
    run(&mut world, 100 * MS);
    let ears = round(&mut world, &[1, 2, 3], &all);
    assert_eq!(ears.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 0]);
    // It still has its old keys, and speaks: nobody hears it.
    assert_eq!(world.act(4, |_, party| party.ear().epoch()), 1);
    let ears = round(&mut world, &[4], &all);
    assert_eq!(ears.iter().map(Vec::len).sum::<usize>(), 0);
    // What it asks of the controller is answered by nobody.
    run(&mut world, Duration::from_secs(30));
    let lost = |event: &AgentEvent| matches!(event, AgentEvent::ControllerLost { .. });
    assert!(world.act(4, |_, party| party.ear().has(lost)));
}

#[test]
fn who_is_expelled_is_told() {
    let mut world = Settings::new(12, 3).world();
    join_all(&mut world, [1, 2, 3], LISTEN);
    world.act(0, |now, party| party.desk().service.expel(now, NEWS, &member_name(3))).unwrap();
    run(&mut world, 300 * MS);
    let out = |event: &AgentEvent| matches!(event, AgentEvent::GroupLeft { expelled: true, .. });
    assert!(world.act(3, |_, party| party.ear().has(out)));
    assert!(world.act(0, |now, party| party.desk().service.expel(now, NEWS, &member_name(3))).is_err());
}

#[test]
fn a_rekey_loses_no_packet() {
    let speakers: Vec<usize> = (1..=20).collect();
    let mut settings = Settings::new(4, 22);
    settings.link.jitter = 40 * MS;
    let mut world = settings.world();
    join_all(&mut world, speakers.iter().copied(), BOTH);
    run(&mut world, Duration::from_secs(2));
    let before = world.act(0, |_, party| party.desk().controller().epoch());
    // Two listeners of the twenty are looked at; all of them get every packet.
    let ears = [20, 19];
    for packet in 0..100 {
        match packet {
            20 => world.act(21, |now, party| party.ear().join(now, 0, LISTEN)),
            45 => world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap()),
            70 => world.act(22, |now, party| party.ear().join(now, 0, LISTEN)),
            _ => (),
        }
        for n in &speakers {
            let to = addresses(ears.into_iter().filter(|ear| ear != n));
            world.act(*n, |now, party| party.ear().speak(now, &to)).unwrap();
        }
        run(&mut world, 20 * MS);
    }
    run(&mut world, Duration::from_secs(1));
    assert_eq!(world.act(0, |_, party| party.desk().controller().epoch()), before + 3);
    for ear in ears {
        let mut heard = heard(&mut world, ear);
        heard.sort_unstable();
        heard.dedup();
        assert_eq!(heard.len(), 100 * 19, "member {ear}");
    }
}

#[test]
fn with_an_activation_delay_nothing_even_waits() {
    let timing = Timing { activation: 300 * MS, deactivation: Duration::from_secs(5) };
    let mut settings = Settings::new(5, 3);
    settings.link.jitter = 30 * MS;
    let mut world = settings.world();
    for n in 1..=3 {
        world.act(n, |now, party| party.ear().join_with(now, 0, BOTH, timing));
    }
    run(&mut world, Duration::from_secs(4));
    for packet in 0..100 {
        if packet == 30 {
            world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
        }
        for n in 1..=3 {
            let to = addresses((1..=3).filter(|other| *other != n));
            world.act(n, |now, party| party.ear().speak(now, &to)).unwrap();
        }
        run(&mut world, 20 * MS);
    }
    run(&mut world, Duration::from_secs(1));
    for n in 1..=3 {
        assert_eq!(heard(&mut world, n).len(), 200, "member {n}");
        assert_eq!(world.act(n, |_, party| (party.ear().held, party.ear().refused)), (0, 0), "member {n}");
        assert_eq!(world.act(n, |_, party| party.ear().epoch()), 2);
    }
}

#[test]
fn who_missed_any_number_of_rekeys_catches_up_in_one_round_trip() {
    let asked = Arc::new(Mutex::new(0));
    let deaf = Arc::new(Mutex::new(false));
    let (counter, is_deaf) = (Arc::clone(&asked), Arc::clone(&deaf));
    let mut world = Settings::new(6, 4).world().with_adversary(move |_: Time, datagram: Datagram| {
        let deaf = *is_deaf.lock().unwrap();
        if deaf && datagram.to == mikey_sim::address(2) && is_rekey(&datagram.bytes) {
            return vec![];
        }
        if datagram.from == mikey_sim::address(2) && datagram.bytes.get(1) == Some(&48) {
            *counter.lock().unwrap() += 1;
        }
        vec![datagram]
    });
    join_all(&mut world, [1, 2, 3], BOTH);
    *deaf.lock().unwrap() = true;
    for _ in 0..5 {
        world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
        run(&mut world, Duration::from_secs(3));
    }
    world.act(4, |now, party| party.ear().join(now, 0, BOTH));
    run(&mut world, Duration::from_secs(600));
    let epoch = world.act(0, |_, party| party.desk().controller().epoch());
    assert!(world.act(2, |_, party| party.ear().epoch()) + 5 < epoch + 1);
    *deaf.lock().unwrap() = false;
    let before = *asked.lock().unwrap();
    run(&mut world, Duration::from_secs(12));
    assert_eq!(world.act(2, |_, party| party.ear().epoch()), epoch);
    assert_eq!(*asked.lock().unwrap(), before + 1, "one question");
    all_hear_all(&mut world, &[1, 2, 3, 4]);
}

#[test]
fn who_rejoins_has_another_ssrc() {
    let mut world = Settings::new(7, 3).world();
    join_all(&mut world, [1, 2, 3], BOTH);
    let before = world.act(2, |_, party| party.ear().ssrc());
    world.act(2, |now, party| party.ear().join(now, 0, BOTH));
    run(&mut world, Duration::from_secs(3));
    let after = world.act(2, |_, party| party.ear().ssrc());
    assert!(after.is_some() && after != before);
    assert_eq!(world.act(0, |_, party| party.desk().controller().len()), 3);
    all_hear_all(&mut world, &[1, 2, 3]);
    // Its first session is over, and that takes nothing from its second one.
    run(&mut world, Duration::from_secs(200));
    assert_eq!(world.act(0, |_, party| party.desk().controller().len()), 3);
    all_hear_all(&mut world, &[1, 2, 3]);
}

#[test]
fn who_falls_silent_leaves() {
    let mut world = Settings::new(8, 3).world();
    join_all(&mut world, [1, 2, 3], BOTH);
    let mut world = world.with_adversary(|_: Time, datagram: Datagram| {
        let dead = mikey_sim::address(3);
        if datagram.from == dead || datagram.to == dead { vec![] } else { vec![datagram] }
    });
    run(&mut world, Duration::from_secs(90));
    assert_eq!(world.act(0, |_, party| party.desk().controller().len()), 2);
    assert!(world.act(1, |_, party| party.ear().epoch()) >= 2);
    all_hear_all(&mut world, &[1, 2]);
}

#[test]
fn a_controller_that_crashed_goes_on_where_it_was() {
    let mut world = Settings::new(9, 4).world();
    join_all(&mut world, [1, 2, 3], BOTH);
    world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
    run(&mut world, 300 * MS);
    let before =
        world.act(0, |_, party| (party.desk().controller().epoch(), party.desk().controller().next_t()));
    world.act(0, |now, party| party.desk().crash(now));
    let after =
        world.act(0, |_, party| (party.desk().controller().epoch(), party.desk().controller().next_t()));
    assert_eq!(before, after);
    // Media needs no controller, and its rekeys reach everybody as before.
    all_hear_all(&mut world, &[1, 2, 3]);
    world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
    run(&mut world, 300 * MS);
    for n in 1..=3 {
        assert_eq!(world.act(n, |_, party| party.ear().epoch()), before.0 + 1);
    }
    all_hear_all(&mut world, &[1, 2, 3]);
    join_all(&mut world, [4], BOTH);
    all_hear_all(&mut world, &[1, 2, 3, 4]);
}

#[test]
fn two_controllers_of_one_group() {
    let mut settings = Settings::new(10, 4);
    settings.controllers = 2;
    let mut world = settings.world();
    for n in 2..=5 {
        world.act(n, |now, party| party.ear().join(now, n % 2, BOTH));
    }
    // Both propose the same numbers; one of them has to apply the other's record first.
    for _ in 0..100 {
        run(&mut world, 100 * MS);
        for n in 0..2 {
            world.act(n, |_, _| ());
        }
    }
    let members = |world: &mut World<Party>, n: usize| {
        world.act(n, |_, party| (party.desk().controller().len(), party.desk().controller().epoch()))
    };
    assert_eq!(members(&mut world, 0), members(&mut world, 1));
    assert_eq!(members(&mut world, 0).0, 4);
    let all = [2, 3, 4, 5];
    for n in all {
        assert_eq!(world.act(n, |_, party| party.ear().epoch()), members(&mut world, 0).1, "member {n}");
    }
    all_hear_all(&mut world, &all);
    // A member of the one moves to the other.
    world.act(2, |now, party| party.ear().join(now, 1, BOTH));
    for _ in 0..30 {
        run(&mut world, 100 * MS);
        world.act(0, |_, _| ());
    }
    assert_eq!(members(&mut world, 0), members(&mut world, 1));
    assert_eq!(members(&mut world, 1).0, 4);
    all_hear_all(&mut world, &all);
}

#[test]
fn one_tek_for_all() {
    let mut settings = Settings::new(11, 3);
    settings.group.shared_tek = true;
    let mut world = settings.world();
    join_all(&mut world, [1, 2, 3], BOTH);
    all_hear_all(&mut world, &[1, 2, 3]);
    world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap());
    run(&mut world, 300 * MS);
    all_hear_all(&mut world, &[1, 2, 3]);
}
