//! GROUP_REKEY on its way: lost, late, twice, cut short, forged.

use mikey_proto::{GroupAsk, GroupSender};

use super::*;
use crate::limits::{GAP, MAX_SENDERS};
use crate::member::RekeyDrop;

/// A group of 64, and the messages of a change that takes several.
fn rekeyed(seed: u64) -> (Group, Vec<Vec<u8>>) {
    let mut group = Group::new(seed);
    group.heard(&Group::batch(&(0..64).map(nth).collect::<Vec<_>>(), &[]));
    group.agree();
    let leaves: Vec<Name> = (0..64).step_by(5).map(nth).collect();
    let applied = group.change(&Group::batch(&[], &leaves));
    assert!(applied.messages.len() > 3, "{} messages", applied.messages.len());
    (group, applied.messages)
}

fn pull(member: &mut Member) -> Option<GroupAsk> {
    let mut ask = None;
    while let Some(event) = member.poll_event() {
        if let MemberEvent::Pull(pull) = event {
            ask = Some(pull);
        }
    }
    ask
}

#[test]
fn in_any_order_and_twice() {
    let (mut group, messages) = rekeyed(10);
    let now = group.now;
    for (n, member) in group.members.values_mut().enumerate() {
        let mut order: Vec<usize> = (0..messages.len()).collect();
        order.rotate_left(n % messages.len());
        if n % 2 == 1 {
            order.reverse();
        }
        for at in order {
            assert_eq!(member.handle_rekey(now, &messages[at]), Ok(()));
            assert_eq!(member.handle_rekey(now, &messages[at]), Err(RekeyDrop::Stale));
        }
    }
    group.agree();
    assert!(group.members.values().all(|member| member.wake().is_none()));
}

#[test]
fn whoever_lacks_one_asks_for_it() {
    for lost in 0..4 {
        let (mut group, messages) = rekeyed(11);
        let now = group.now;
        for name in group.members.keys().cloned().collect::<Vec<_>>() {
            let member = group.members.get_mut(&name).unwrap();
            for (at, message) in messages.iter().enumerate() {
                if at != lost {
                    member.handle_rekey(now, message).unwrap();
                }
            }
            let before = member.epoch();
            // It comes in time after all.
            if name == nth(3) {
                member.handle_rekey(now + GAP / 2, &messages[lost]).unwrap();
                assert!(member.epoch() > before);
                assert_eq!(member.wake(), None);
                continue;
            }
            if lost == messages.len() - 1 {
                continue;
            }
            let mut asked = None;
            while let Some(at) = member.wake() {
                member.handle_timeout(at);
                if let Some(ask) = pull(member) {
                    asked = Some((at, ask));
                    break;
                }
            }
            let (at, ask) = asked.expect("it asks");
            assert!(matches!(ask, GroupAsk::Pull { .. }));
            assert!(at <= now + GAP + core::time::Duration::from_millis(1100));
            let grant = group.controller.pull(&MemberRef { name: name.clone(), since: None }).unwrap();
            member.handle_grant(at, grant).unwrap();
            assert_eq!(member.wake(), None, "one round trip is all");
        }
        if lost < messages.len() - 1 {
            group.agree();
        }
    }
}

#[test]
fn any_number_of_missed_rekeys_is_one_pull() {
    let mut group = Group::new(12);
    group.heard(&Group::batch(&[nth(0), nth(1)], &[]));
    group.agree();
    let mut away = group.members.remove(&nth(0)).unwrap();
    for n in 2..60 {
        group.heard(&Group::batch(&[nth(n)], &[]));
        if n % 3 == 0 {
            group.heard(&Group::batch(&[], &[nth(n - 1)]));
        }
    }
    // The next rekey that it hears tells it.
    let applied = group.heard(&Batch { rekey: true, ..Batch::default() });
    away.handle_rekey(group.now, applied.messages.last().unwrap()).unwrap();
    while pull(&mut away).is_none() {
        let at = away.wake().expect("it asks");
        away.handle_timeout(at);
    }
    away.handle_grant(group.now, group.controller.pull(&MemberRef { name: nth(0), since: None }).unwrap())
        .unwrap();
    group.members.insert(nth(0), away);
    for member in group.members.values_mut().skip(1) {
        drop(latest(member));
    }
    group.heard(&Batch { rekey: true, ..Batch::default() });
    group.agree();
}

// R14.1
#[test]
fn a_member_cannot_forge_a_rekey() {
    let mut group = Group::new(13);
    group.heard(&Group::batch(&(0..8).map(nth).collect::<Vec<_>>(), &[]));
    group.agree();
    // It has every key of the group, but the signing key: it makes a rekey of its own with another key.
    let mallory = signer(&group.provider, KeyKind::Ed25519);
    let forged = group.controller.forge(&*mallory);
    let mut state: Vec<u32> = Vec::new();
    for member in group.members.values_mut() {
        state.push(member.values().next_t);
        assert_eq!(member.handle_rekey(group.now, forged.last().unwrap()), Err(RekeyDrop::Forged));
        assert_eq!(member.wake(), None, "it moved no timer");
        assert!(member.poll_event().is_none());
    }
    group.heard(&Batch { rekey: true, ..Batch::default() });
    group.agree();
}

#[test]
fn an_old_epoch_is_not_taken_again() {
    let mut group = Group::new(14);
    group.heard(&Group::batch(&(0..4).map(nth).collect::<Vec<_>>(), &[]));
    let old = group.heard(&Batch { rekey: true, ..Batch::default() });
    group.heard(&Batch { rekey: true, ..Batch::default() });
    group.agree();
    for member in group.members.values_mut() {
        for message in &old.messages {
            assert_eq!(member.handle_rekey(group.now, message), Err(RekeyDrop::Stale));
        }
    }
}

#[test]
fn cut_short_or_changed_it_does_nothing() {
    let mut group = Group::new(15);
    group.heard(&Group::batch(&(0..4).map(nth).collect::<Vec<_>>(), &[]));
    group.agree();
    let applied = group.change(&Batch { rekey: true, ..Batch::default() });
    let message = &applied.messages[0];
    let member = group.members.values_mut().next().unwrap();
    let before = (member.values().clone(), member.wake());
    for len in 0..message.len() {
        assert!(member.handle_rekey(group.now, &message[..len]).is_err(), "{len} octets");
    }
    for at in 0..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 1;
        assert!(member.handle_rekey(group.now, &changed).is_err(), "octet {at}");
    }
    let mut longer = message.clone();
    longer.push(0);
    assert!(member.handle_rekey(group.now, &longer).is_err());
    assert_eq!((member.values().clone(), member.wake()), before);
    assert_eq!(member.handle_rekey(group.now, message), Ok(()));
}

// R14.6
#[test]
fn a_sender_who_is_expelled_knows_at_once() {
    let mut group = Group::new(16);
    group.heard(&Group::batch(&(0..4).map(nth).collect::<Vec<_>>(), &[]));
    group.heard(&Group::batch(&[], &[nth(2)]));
    let former = &mut group.former[0];
    let removed =
        std::iter::from_fn(|| former.poll_event()).any(|event| matches!(event, MemberEvent::Removed));
    assert!(removed);
    assert!(group.controller.pull(&MemberRef { name: nth(2), since: None }).is_err());
}

#[test]
fn a_grant_of_the_past_or_of_another_is_refused() {
    let mut group = Group::new(17);
    group.heard(&Group::batch(&(0..4).map(nth).collect::<Vec<_>>(), &[]));
    let of = |name: Name| MemberRef { name, since: None };
    let old = group.controller.pull(&of(nth(0))).unwrap();
    let others = group.controller.pull(&of(nth(1))).unwrap();
    group.heard(&Batch { rekey: true, ..Batch::default() });
    let now = group.now;
    let member = group.members.get_mut(&nth(0)).unwrap();
    assert!(member.handle_grant(now, old).is_err());
    assert!(member.handle_grant(now, others).is_err());
    let mut other = Group::new(18);
    other.heard(&Group::batch(&(0..4).map(nth).collect::<Vec<_>>(), &[]));
    let foreign = other.controller.pull(&of(nth(0))).unwrap();
    assert!(member.handle_grant(now, foreign).is_err());
    group.agree();
}

#[test]
fn a_controller_that_heeds_no_limit_does_not_fill_its_members() {
    let mut group = Group::new(14);
    group.heard(&Group::batch(&[nth(0)], &[]));
    let member = group.members.get_mut(&nth(0)).unwrap();
    for n in 0..3 {
        let sender = |ssrc: u32| GroupSender {
            cs_id: 1,
            ssrc: n * 10_000 + ssrc,
            yours: false,
            gone: false,
            shared: false,
            roc: 0,
            seq: 0,
            chains: [None; 2],
        };
        let crowd: Vec<_> = (1..=2500).map(sender).collect();
        let messages = group.controller.crowd(n, &crowd);
        // With a gap before each round, which is waited for in vain.
        let mut now = group.now;
        for message in &messages {
            member.handle_rekey(now, message).unwrap();
        }
        now = now + GAP;
        member.handle_timeout(now);
    }
    assert_eq!(member.epoch(), group.controller.epoch() + 3);
    assert_eq!(member.senders().count(), MAX_SENDERS);
}
