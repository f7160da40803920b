//! How many keys and octets a change costs.

use super::*;
use crate::tree::depth;

fn wraps(messages: &[Vec<u8>]) -> usize {
    messages.iter().map(|raw| GroupRekey::decode(raw).unwrap().nodes.len()).sum()
}

/// A group of `n`, of whom only the controller knows.
fn crowd(n: usize) -> Group {
    let mut group = Group::new(6);
    for chunk in (0..n).collect::<Vec<_>>().chunks(2048) {
        let roles = GroupRoles { sends: false, receives: true };
        let join = |n: &usize| Join { name: nth(*n), roles, ssrcs: 0, contact: Vec::new() };
        let batch = Batch { joins: chunk.iter().map(join).collect(), ..Batch::default() };
        let keys = chunk.iter().map(|_| group.leaf_key()).collect();
        let proposal = group.controller.draft(&batch).unwrap().finish(keys).unwrap();
        group.controller.apply(proposal.seq, proposal.record.expose()).unwrap();
    }
    assert_eq!(group.controller.len(), n);
    group
}

#[test]
fn one_leave_costs_twice_the_depth() {
    let n = 4096;
    let mut group = crowd(n);
    for at in [0, 77, n - 1] {
        let applied = group.change(&Group::batch(&[], &[nth(at)]));
        assert!(wraps(&applied.messages) <= 2 * 12, "{} wraps", wraps(&applied.messages));
        assert!(applied.messages.iter().map(Vec::len).sum::<usize>() < 4096);
        assert!(applied.messages.iter().all(|message| message.len() <= 1200));
    }
    // The places are used again before the tree grows.
    group.change(&Group::batch(&(5000..5003).map(nth).collect::<Vec<_>>(), &[]));
    assert_eq!(group.controller.members().map(|member| depth(member.leaf)).max(), Some(12));
}

#[test]
fn a_join_costs_the_depth() {
    let mut group = crowd(1000);
    let applied = group.change(&Group::batch(&[nth(2000)], &[]));
    assert!(wraps(&applied.messages) <= 10 + 2, "{} wraps", wraps(&applied.messages));
}

#[test]
fn a_batch_of_leaves_costs_less_than_single_ones() {
    let mut group = crowd(4096);
    let leaves: Vec<Name> = (0..128).map(|n| nth(n * 31)).collect();
    let batch = group.controller.draft(&Group::batch(&[], &leaves)).unwrap().finish(Vec::new()).unwrap();
    let together = wraps(&group.controller.apply(batch.seq, batch.record.expose()).unwrap().messages);
    assert!(together < 128 * 24 / 2, "{together} wraps");
}

#[test]
fn a_rekey_of_nobody_is_one_key() {
    let mut group = crowd(100);
    let applied = group.change(&Batch { rekey: true, ..Batch::default() });
    assert_eq!(wraps(&applied.messages), 1);
}

#[test]
fn many_senders_go_over_several_messages() {
    let mut group = Group::new(7);
    group.heard(&Group::batch(&[nth(0)], &[]));
    let many: Vec<Name> = (1..=300).map(nth).collect();
    let applied = group.heard(&Group::batch(&many, &[]));
    assert!(applied.messages.iter().all(|message| message.len() <= 1200));
    group.agree();
    assert_eq!(group.members.get_mut(&nth(0)).unwrap().senders().count(), 301);
}
