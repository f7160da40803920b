//! TESLA in a group, from the controller's schedule to packets: who has the group's keys and is not the sender is not heard in
//! its name, and who is the sender is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common_g;

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use common_g::*;
use mikey::keying::GroupStream;
use mikey::srtp::tesla::TeslaStats;
use mikey::srtp::{ProtectError, Ssrc};
use mikey::{AgentEvent, MediaError, SrtpPolicy};
use mikey_crypto::tesla::TeslaParams;
use mikey_proto::Time;
use mikey_sim::{Datagram, World, address};

const MS: Duration = Duration::from_millis(1);

/// Intervals of 100 ms, a key is disclosed four of them later, and a chain lasts for a minute. A controller lets members in
/// 100 ms after they ask, and that is part of the round trip.
fn schedule() -> TeslaParams {
    TeslaParams { start: CLOCK, interval: 100 * MS, delay: 4, chain_len: 600, mac_len: 10 }
}

fn settings(seed: u64, members: usize, tesla: Option<TeslaParams>) -> Settings {
    let mut settings = Settings::new(seed, members);
    settings.group.sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AES_CM_128_HMAC_SHA1_80 }];
    settings.group.tesla = tesla;
    settings
}

fn world(seed: u64, members: usize) -> World<Party> {
    settings(seed, members, Some(schedule())).world()
}

/// A member says so many things, one each 20 ms, and then nothing but what discloses its keys.
fn talk(world: &mut World<Party>, n: usize, to: &[usize], packets: usize) -> Vec<(u32, u16)> {
    let to = addresses(to.iter().copied());
    let before = world.act(n, |_, party| party.ear().sent.len());
    for _ in 0..packets {
        world.act(n, |now, party| party.ear().speak(now, &to)).unwrap();
        run(world, 20 * MS);
    }
    let said = world.act(n, |_, party| party.ear().sent[before..].to_vec());
    close(world, n, &to);
    said
}

/// RFC 4383 section 5: who has no more to say sends packets without content until its keys are out.
fn close(world: &mut World<Party>, n: usize, to: &[std::net::SocketAddr]) {
    for _ in 0..8 {
        world.act(n, |now, party| {
            let ear = party.ear();
            let sender = (ear.group.unwrap(), ear.ssrc().unwrap());
            ear.speak_octets(now, sender, &[], to).unwrap();
        });
        run(world, 100 * MS);
    }
}

/// Of what was said, what a member has heard since.
fn heard_of(world: &mut World<Party>, n: usize, said: &[(u32, u16)]) -> Vec<(u32, u16)> {
    let heard: BTreeSet<_> = heard(world, n).into_iter().collect();
    said.iter().copied().filter(|packet| heard.contains(packet)).collect()
}

fn stats(world: &mut World<Party>, n: usize, of: usize) -> TeslaStats {
    let ssrc = ssrc(world, of);
    world.act(n, |_, party| {
        let ear = party.ear();
        ear.agent.tesla_receiver(ear.group.unwrap(), 1, Ssrc(ssrc)).unwrap().stats()
    })
}

fn ssrc(world: &mut World<Party>, n: usize) -> u32 {
    world.act(n, |_, party| party.ear().ssrc().unwrap())
}

fn is_media(datagram: &Datagram, from: usize) -> bool {
    let from = datagram.from == address(u8::try_from(from).unwrap());
    from && datagram.bytes.first().is_some_and(|first| first >> 6 == 2)
}

#[test]
fn a_packet_is_heard_when_its_key_is_out_and_not_before() {
    let mut world = world(80, 3);
    join_all(&mut world, [1, 2, 3], BOTH);
    world.act(1, |now, party| party.ear().speak(now, &addresses([2, 3]))).unwrap();
    run(&mut world, 150 * MS);
    assert_eq!((heard(&mut world, 2).len(), heard(&mut world, 3).len()), (0, 0));
    let said = talk(&mut world, 1, &[2, 3], 30);
    for n in [2, 3] {
        assert_eq!(heard_of(&mut world, n, &said), said, "member {n}");
        let stats = stats(&mut world, n, 1);
        assert_eq!((stats.forged, stats.bad_keys, stats.unsafe_packets), (0, 0, 0));
    }
    // Both ways, at once.
    let (a, b) = (talk(&mut world, 2, &[1, 3], 5), talk(&mut world, 3, &[1, 2], 5));
    assert_eq!((heard_of(&mut world, 1, &a), heard_of(&mut world, 1, &[]).len()), (a, 0));
    assert_eq!(heard_of(&mut world, 2, &b), b);
}

// R14.14
#[test]
fn nobody_speaks_before_the_group_knows_its_chain() {
    let mut world = world(81, 2);
    join_all(&mut world, [2], BOTH);
    world.act(1, |now, party| party.ear().join(now, 0, BOTH));
    while world.act(1, |_, party| party.ear().ssrc().is_none()) {
        run(&mut world, MS);
    }
    let refused = world.act(1, |now, party| party.ear().speak(now, &addresses([2])));
    assert_eq!(refused, Err(MediaError::Srtp(ProtectError::NoChain)));
    run(&mut world, Duration::from_secs(1));
    // One record let it in, and another one says its chain: both are epochs, so that all hear of them.
    let said = talk(&mut world, 1, &[2], 3);
    assert_eq!(heard_of(&mut world, 2, &said), said);
}

/// The point of it all: whoever is in the group has every sender's key.
#[test]
fn a_member_that_forges_anothers_packet_is_not_heard() {
    for tesla in [None, Some(schedule())] {
        let mut settings = settings(82, 2, tesla);
        settings.spy = true;
        let mut world = settings.world();
        join_all(&mut world, [1, 2], BOTH);
        world.act(3, |now, party| party.spy().join(now));
        run(&mut world, Duration::from_secs(2));
        let victim = ssrc(&mut world, 1);
        let to = addresses([2]);
        let mut said = Vec::new();
        for packet in 0..30_u16 {
            let seq = 1000 + packet;
            let forged = world.act(3, |now, party| party.spy().forge(now, (victim, seq), &[0xBB; 80], tesla));
            world.inject(Datagram { from: address(3), to: address(2), bytes: forged });
            if tesla.is_some() {
                // One that does not even try, and one that comes late in its interval.
                let forged =
                    world.act(3, |now, party| party.spy().forge(now, (victim, seq), &[0xBB; 80], None));
                world.inject(Datagram { from: address(1), to: address(2), bytes: forged });
            }
            world.act(1, |now, party| party.ear().speak(now, &to)).unwrap();
            said.push((victim, world.act(1, |_, party| party.ear().seq - 1)));
            run(&mut world, 20 * MS);
        }
        if tesla.is_some() {
            close(&mut world, 1, &to);
        }
        let heard: Vec<_> = heard(&mut world, 2);
        let forged = heard.iter().filter(|(_, seq)| (1000..1030).contains(seq)).count();
        match tesla {
            // So much for symmetric keys: the forger's key is the right one.
            None => assert_eq!(forged, 30),
            Some(_) => {
                assert_eq!(forged, 0);
                assert!(said.iter().all(|packet| heard.contains(packet)), "the sender is heard all the same");
                assert!(stats(&mut world, 2, 1).bad_keys >= 28);
            }
        }
    }
}

#[test]
fn a_late_joiner_hears_the_next_packet() {
    let mut world = world(83, 3);
    join_all(&mut world, [1, 2], BOTH);
    talk(&mut world, 1, &[2], 1000);
    join_all(&mut world, [3], LISTEN);
    heard(&mut world, 3);
    let said = talk(&mut world, 1, &[2, 3], 10);
    assert_eq!(heard_of(&mut world, 3, &said), said);
}

#[test]
fn what_is_lost_takes_nothing_else_with_it() {
    let count = Arc::new(Mutex::new(0_u32));
    let mut world = world(84, 2).with_adversary(move |_: Time, datagram: Datagram| {
        let mut count = count.lock().unwrap();
        *count += u32::from(is_media(&datagram, 1));
        // Two of three, and for half a second all of them.
        let lost = is_media(&datagram, 1)
            && (!count.is_multiple_of(3) || (60..85).contains(&*count))
            && *count < 150;
        if lost { vec![] } else { vec![datagram] }
    });
    join_all(&mut world, [1, 2], BOTH);
    let said = talk(&mut world, 1, &[2], 200);
    let heard = heard_of(&mut world, 2, &said);
    let arrived = (1..=200).filter(|n| n % 3 == 0 && !(60..85).contains(n) || *n >= 150).count();
    assert_eq!(heard.len(), arrived);
    assert_eq!(stats(&mut world, 2, 1).bad_keys, 0);
}

// R14.7
#[test]
fn what_comes_when_its_key_may_be_out_is_not_heard() {
    let late = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&late);
    let mut world = world(85, 2).with_adversary(move |_: Time, datagram: Datagram| {
        let mut kept = kept.lock().unwrap();
        if is_media(&datagram, 1) && kept.len() < 10 {
            kept.push(datagram);
            return vec![];
        }
        vec![datagram]
    });
    join_all(&mut world, [1, 2], BOTH);
    let to = addresses([2]);
    for _ in 0..10 {
        world.act(1, |now, party| party.ear().speak(now, &to)).unwrap();
    }
    let said = world.act(1, |_, party| party.ear().sent.clone());
    run(&mut world, 510 * MS);
    for datagram in late.lock().unwrap().drain(..).collect::<Vec<_>>() {
        world.inject(datagram);
    }
    run(&mut world, 10 * MS);
    close(&mut world, 1, &to);
    assert_eq!(heard_of(&mut world, 2, &said), []);
    assert_eq!(stats(&mut world, 2, 1).unsafe_packets, 10);
}

// R14.9
#[test]
fn a_sender_whose_clock_jumps_ahead_is_not_heard_until_both_ask_for_the_time() {
    let mut world = world(86, 2);
    join_all(&mut world, [1, 2], BOTH);
    let said = talk(&mut world, 1, &[2], 5);
    assert_eq!(heard_of(&mut world, 2, &said), said);
    for _ in 0..20 {
        world.act(1, |now, party| {
            let ahead = now + Duration::from_secs(10);
            party.ear().speak(ahead, &addresses([2])).unwrap();
        });
        run(&mut world, 50 * MS);
    }
    assert_eq!(heard(&mut world, 2), [], "keys that are out too early prove nothing");
    let of = ssrc(&mut world, 1);
    let lost = world.act(2, |_, party| {
        let ear = party.ear();
        ear.agent.tesla_receiver(ear.group.unwrap(), 1, Ssrc(of)).unwrap().is_out_of_step()
    });
    assert!(lost);
    join_all(&mut world, [1, 2], BOTH);
    let said = talk(&mut world, 1, &[2], 5);
    assert_eq!(heard_of(&mut world, 2, &said), said);
}

#[test]
fn a_chain_follows_before_the_last_is_used_up() {
    let short = TeslaParams { chain_len: 64, ..schedule() };
    let mut world = settings(87, 3, Some(short)).world();
    join_all(&mut world, [1, 2], BOTH);
    let to = addresses([2, 3]);
    let mut said = Vec::new();
    for packet in 0..500 {
        if packet == 250 {
            // In the middle of some chain.
            world.act(3, |now, party| party.ear().join(now, 0, LISTEN));
        }
        world.act(1, |now, party| party.ear().speak(now, &to)).unwrap();
        said.push(world.act(1, |_, party| *party.ear().sent.last().unwrap()));
        run(&mut world, 40 * MS);
    }
    close(&mut world, 1, &to);
    // Twenty seconds are three chains.
    assert_eq!(heard_of(&mut world, 2, &said), said);
    let late = heard_of(&mut world, 3, &said);
    assert!(late.len() > 220, "{}", late.len());
    assert_eq!(late, said[said.len() - late.len()..], "from the first that it heard on without a gap");
    let stats = stats(&mut world, 2, 1);
    assert_eq!((stats.bad_keys, stats.unsafe_packets, stats.undisclosed), (0, 0, 0));
}

#[test]
fn who_was_silent_for_longer_than_a_chain_is_heard_again() {
    let short = TeslaParams { chain_len: 64, ..schedule() };
    let mut world = settings(88, 2, Some(short)).world();
    join_all(&mut world, [1, 2], BOTH);
    let said = talk(&mut world, 1, &[2], 5);
    assert_eq!(heard_of(&mut world, 2, &said), said);
    run(&mut world, Duration::from_secs(60));
    let refused = world.act(1, |now, party| party.ear().speak(now, &addresses([2])));
    assert_eq!(refused, Err(MediaError::Srtp(ProtectError::ChainExhausted)));
    run(&mut world, Duration::from_secs(1));
    let said = talk(&mut world, 1, &[2], 5);
    assert_eq!(heard_of(&mut world, 2, &said), said);
}

#[test]
fn a_rekey_changes_keys_and_no_chains() {
    let mut world = world(89, 3);
    join_all(&mut world, [1, 2], BOTH);
    let to = addresses([2]);
    let mut said = Vec::new();
    for packet in 0..100 {
        match packet {
            30 => world.act(0, |now, party| party.desk().service.rekey(now, NEWS).unwrap()),
            60 => world.act(3, |now, party| party.ear().join(now, 0, BOTH)),
            _ => (),
        }
        world.act(1, |now, party| party.ear().speak(now, &to)).unwrap();
        said.push(world.act(1, |_, party| *party.ear().sent.last().unwrap()));
        run(&mut world, 20 * MS);
    }
    close(&mut world, 1, &to);
    assert_eq!(heard_of(&mut world, 2, &said), said);
}

#[test]
fn who_missed_the_news_of_a_chain_pulls_it() {
    let deaf = Arc::new(Mutex::new(false));
    let is_deaf = Arc::clone(&deaf);
    let mut world = world(90, 3).with_adversary(move |_: Time, datagram: Datagram| {
        let lost = *is_deaf.lock().unwrap()
            && datagram.to == address(2)
            && mikey::group::group_of(&datagram.bytes).is_some();
        if lost { vec![] } else { vec![datagram] }
    });
    join_all(&mut world, [2], BOTH);
    *deaf.lock().unwrap() = true;
    join_all(&mut world, [1], BOTH);
    *deaf.lock().unwrap() = false;
    run(&mut world, Duration::from_secs(12));
    let said = talk(&mut world, 1, &[2], 5);
    assert_eq!(heard_of(&mut world, 2, &said), said);
}

#[test]
fn nobody_gets_in_where_the_controller_has_no_clock() {
    let mut world = world(91, 1);
    world.act(0, |_, party| party.desk().stop_clock());
    world.act(1, |now, party| party.ear().join(now, 0, BOTH));
    run(&mut world, Duration::from_secs(15));
    assert!(world.act(1, |_, party| party.ear().has(|e| matches!(e, AgentEvent::CallFailed { .. }))));
    assert!(world.act(1, |_, party| party.ear().group.is_none()));
}
