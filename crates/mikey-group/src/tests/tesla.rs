//! What a controller takes of senders' TESLA chains, and how members hear of them.

use core::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::tesla::{Commitment, GroupTime, TeslaParams};
use mikey_proto::{ChainKeys, GroupSender, GroupStream};
use mikey_sim::{KeyKind, provider};

use super::{Group, config, nth, signer};
use crate::controller::{Batch, Controller, GroupConfig, MemberRef};
use crate::error::GroupError;

const N: u32 = 600;

fn schedule() -> TeslaParams {
    let interval = Duration::from_millis(100);
    TeslaParams { start: GroupTime(1 << 60), interval, delay: 2, chain_len: N, mac_len: 10 }
}

fn with_tesla() -> GroupConfig {
    let sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AES_CM_128_HMAC_SHA1_80 }];
    GroupConfig { sessions, tesla: Some(schedule()), ..config() }
}

fn key(interval: u32, key: u8) -> Option<Commitment> {
    Some(Commitment { interval, key: [key; 20] })
}

fn ssrc(group: &Group, n: usize) -> u32 {
    group.controller.member(&nth(n)).unwrap().ssrcs[0].1
}

fn report(group: &Group, n: usize, of: usize, chains: ChainKeys) -> Batch {
    let ssrc = ssrc(group, of);
    let sender =
        GroupSender { cs_id: 1, ssrc, yours: true, gone: false, shared: false, roc: 0, seq: 0, chains };
    Batch { reports: vec![(MemberRef { name: nth(n), since: None }, vec![sender])], ..Batch::default() }
}

fn known(group: &Group, member: usize, of: usize) -> ChainKeys {
    let ssrc = ssrc(group, of);
    group.members[&nth(member)].senders().find(|sender| sender.ssrc == ssrc).unwrap().chains
}

#[test]
fn all_hear_of_a_chain_and_of_the_one_that_follows() {
    let mut group = Group::with(50, &with_tesla(), KeyKind::Ed25519);
    group.heard(&Group::batch(&[nth(1), nth(2)], &[]));
    assert_eq!(known(&group, 2, 1), [None, None]);
    let epoch = group.controller.epoch();
    group.heard(&report(&group, 1, 1, [key(0, 1), None]));
    assert_eq!(group.controller.epoch(), epoch + 1, "a rekey tells of it");
    assert_eq!(known(&group, 2, 1), [key(0, 1), None]);
    group.heard(&report(&group, 1, 1, [key(N, 2), None]));
    group.heard(&Group::batch(&[nth(3)], &[]));
    for member in [1, 2, 3] {
        assert_eq!(known(&group, member, 1), [key(0, 1), key(N, 2)], "member {member}");
    }
    group.heard(&report(&group, 1, 1, [key(2 * N, 3), None]));
    assert_eq!(known(&group, 3, 1), [key(N, 2), key(2 * N, 3)], "the oldest goes");
    // The same once more says nothing.
    let again = report(&group, 1, 1, [key(2 * N, 3), None]);
    assert_eq!(group.controller.draft(&again).err(), Some(GroupError::Nothing));
    // And it is in the snapshot.
    let snapshot = group.controller.snapshot();
    let signer = std::sync::Arc::clone(&group.signer);
    let copy = Controller::open(provider(51), Some(snapshot.expose()), [], |_| Some(signer)).unwrap();
    assert_eq!(copy.snapshot().expose(), snapshot.expose());
    assert_eq!(copy.tesla(), Some(&schedule()));
}

// R14.15
#[test]
fn a_key_that_cannot_be_is_refused() {
    let mut group = Group::with(52, &with_tesla(), KeyKind::Ed25519);
    group.heard(&Group::batch(&[nth(1), nth(2)], &[]));
    group.heard(&report(&group, 1, 1, [key(0, 1), None]));
    let refused = |group: &Group, n: usize, of: usize, chains: ChainKeys| {
        group.controller.draft(&report(group, n, of, chains)).err()
    };
    assert_eq!(refused(&group, 1, 1, [key(1, 1), None]), Some(GroupError::Chain), "no chain's first");
    assert_eq!(refused(&group, 1, 1, [key(0, 2), None]), Some(GroupError::Chain), "another than before");
    assert_eq!(refused(&group, 1, 1, [key(N, 2), key(N, 3)]), Some(GroupError::Chain), "two of one chain");
    assert_eq!(refused(&group, 2, 1, [key(N, 2), None]), Some(GroupError::NotYours));
    let mut plain = Group::new(53);
    plain.heard(&Group::batch(&[nth(1)], &[]));
    assert_eq!(refused(&plain, 1, 1, [key(0, 1), None]), Some(GroupError::Chain), "a group without");
}

#[test]
fn a_group_whose_policies_cannot_have_it_is_not_made() {
    let (provider, bad) = (provider(54), |config: &GroupConfig| {
        let provider = mikey_sim::provider(54);
        Controller::create(&provider, config, &*signer(&provider, KeyKind::Ed25519)).err()
    });
    assert!(Controller::create(&provider, &with_tesla(), &*signer(&provider, KeyKind::Ed25519)).is_ok());
    let gcm = GroupConfig { tesla: Some(schedule()), ..config() };
    assert!(matches!(bad(&gcm), Some(GroupError::Config(_))));
    for params in [
        TeslaParams { delay: 1, ..schedule() },
        TeslaParams { chain_len: 2, ..schedule() },
        TeslaParams { mac_len: 9, ..schedule() },
        TeslaParams { interval: Duration::ZERO, ..schedule() },
    ] {
        let config = GroupConfig { tesla: Some(params), ..with_tesla() };
        assert!(matches!(bad(&config), Some(GroupError::Config(_))), "{params:?}");
    }
}

/// More news than one datagram holds goes in several.
#[test]
fn many_chains_at_once_fit_their_datagrams() {
    let mut group = Group::with(55, &with_tesla(), KeyKind::Ed25519);
    let all: Vec<_> = (0..60).map(nth).collect();
    group.heard(&Group::batch(&all, &[]));
    let reports = (0..60).flat_map(|n| report(&group, n, n, [key(0, 7), key(N, 8)]).reports).collect();
    let applied = group.change(&Batch { reports, ..Batch::default() });
    assert!(applied.messages.len() > 3 && applied.messages.iter().all(|message| message.len() <= 1200));
    for message in &applied.messages {
        let now = group.now;
        group.members.get_mut(&nth(9)).unwrap().handle_rekey(now, message).unwrap();
    }
    assert_eq!(known(&group, 9, 59), [key(0, 7), key(N, 8)]);
}
