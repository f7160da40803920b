//! Records and snapshots that are damaged, old, of another group, or out of order; and what a batch may not hold.

use mikey_proto::GroupSender;

use super::*;
use crate::GroupError;

fn group() -> Group {
    let mut group = Group::new(20);
    group.heard(&Group::batch(&(0..9).map(nth).collect::<Vec<_>>(), &[]));
    group
}

#[test]
fn a_damaged_record_changes_nothing() {
    let mut group = group();
    let batch = Group::batch(&[nth(20)], &[nth(3)]);
    let key = group.leaf_key();
    let proposal = group.controller.draft(&batch).unwrap().finish(vec![key]).unwrap();
    let before = group.controller.snapshot();
    let record = proposal.record.expose();
    for len in 0..record.len() {
        assert!(group.controller.apply(proposal.seq, &record[..len]).is_err(), "{len} octets");
    }
    let mut taken = 0;
    for at in (0..record.len()).step_by(13) {
        let mut changed = record.to_vec();
        changed[at] ^= 1;
        // A name, a contact or a leaf key has no check of its own: the store seals them.
        let mut copy = open(&group.provider, &group.signer, &group.log);
        taken += usize::from(copy.apply(proposal.seq, &changed).is_ok());
    }
    assert!(taken < record.len() / 39, "{taken} of {} changes", record.len());
    assert!(group.controller.snapshot().expose() == before.expose());
    for seq in [0, 1, proposal.seq - 1, proposal.seq + 1, u64::MAX] {
        assert_eq!(group.controller.apply(seq, record), Err(GroupError::Gap));
    }
    group.controller.apply(proposal.seq, record).unwrap();
    assert_eq!(group.controller.apply(proposal.seq, record), Err(GroupError::Gap), "one record once");
}

#[test]
fn a_record_of_another_group_is_refused() {
    let mut group = group();
    let mut other = Group::new(21);
    other.heard(&Group::batch(&(0..9).map(nth).collect::<Vec<_>>(), &[]));
    let proposal = other.controller.propose(&Batch { rekey: true, ..Batch::default() }).unwrap();
    assert!(matches!(
        group.controller.apply(proposal.seq, proposal.record.expose()),
        Err(GroupError::Contradiction(_))
    ));
}

// R14.2
#[test]
fn two_proposals_of_one_number_cannot_both_be_applied() {
    let mut group = group();
    let a = group.controller.propose(&Batch { rekey: true, ..Batch::default() }).unwrap();
    let b = group.controller.propose(&Group::batch(&[], &[nth(1)])).unwrap();
    assert_eq!(a.seq, b.seq);
    group.controller.apply(a.seq, a.record.expose()).unwrap();
    // Even under the next number its epoch and T are those of the past.
    assert!(matches!(
        group.controller.apply(b.seq + 1, b.record.expose()),
        Err(GroupError::Contradiction(_))
    ));
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let group = group();
    let snapshot = group.controller.snapshot();
    let read = |octets: &[u8]| {
        Controller::open(group.provider.clone(), Some(octets), [], |_| Some(Arc::clone(&group.signer)))
    };
    for len in 0..snapshot.len() {
        assert!(read(&snapshot.expose()[..len]).is_err(), "{len} octets");
    }
    let mut longer = snapshot.expose().to_vec();
    longer.push(0);
    assert!(read(&longer).is_err());
    for at in 0..snapshot.len() {
        let mut changed = snapshot.expose().to_vec();
        changed[at] ^= 0x80;
        let _ = read(&changed);
    }
    assert!(read(snapshot.expose()).is_ok());
}

#[test]
fn the_signing_key_must_be_the_groups() {
    let group = group();
    let other = signer(&group.provider, KeyKind::Ed25519);
    let snapshot = group.controller.snapshot();
    let read = Controller::open(group.provider.clone(), Some(snapshot.expose()), [], |_| Some(other));
    assert_eq!(read.err(), Some(GroupError::Signer));
}

#[test]
fn what_a_batch_may_not_hold() {
    let group = group();
    let refused = |batch: &Batch| group.controller.draft(batch).err();
    assert_eq!(refused(&Batch::default()), Some(GroupError::Nothing));
    assert_eq!(refused(&Group::batch(&[], &[nth(99)])), Some(GroupError::NotMember));
    assert_eq!(refused(&Group::batch(&[nth(50), nth(50)], &[])), Some(GroupError::Twice));
    let mut many = Group::batch(&[nth(50)], &[]);
    many.joins[0].contact = vec![0; 65];
    assert!(refused(&many).is_some());
    let mut idle = Group::batch(&[nth(50)], &[]);
    idle.joins[0].roles = GroupRoles { sends: false, receives: false };
    assert!(refused(&idle).is_some(), "nobody could read that record");
    for data in [&[][..], &[b'a'; 256]] {
        let long = Name::from_wire(&mikey_wire::Id { ty: mikey_wire::IdType(1), data });
        assert!(refused(&Group::batch(&[long], &[])).is_some(), "a name of {} octets", data.len());
    }
    let draft = group.controller.draft(&Group::batch(&[nth(50)], &[])).unwrap();
    assert!(draft.finish(Vec::new()).is_err(), "a leaf key is missing");
}

#[test]
fn only_its_own_ssrcs_are_reported() {
    let mut group = group();
    let of = |n: usize| MemberRef { name: nth(n), since: None };
    let ssrc = |group: &Group, n: usize| group.controller.member(&nth(n)).unwrap().ssrcs[0].1;
    let at = |ssrc: u32, roc: u32, seq: u16| GroupSender {
        cs_id: 1,
        ssrc,
        yours: true,
        gone: false,
        shared: false,
        roc,
        seq,
        chains: [None; 2],
    };
    let (own, foreign) = (ssrc(&group, 1), ssrc(&group, 2));
    let report = |who: usize, sender: GroupSender| Batch {
        reports: vec![(of(who), vec![sender])],
        ..Batch::default()
    };
    assert_eq!(group.controller.draft(&report(1, at(foreign, 1, 1))).err(), Some(GroupError::NotYours));
    let epoch = group.controller.epoch();
    let applied = group.change(&report(1, at(own, 3, 700)));
    assert_eq!((applied.epoch, applied.messages.len()), (epoch, 0), "no new keys for that");
    // What is overtaken says nothing new.
    assert_eq!(group.controller.draft(&report(1, at(own, 2, 9))).err(), Some(GroupError::Nothing));
    // Who joins now is told.
    group.heard(&Group::batch(&[nth(30)], &[]));
    let told = group.members[&nth(30)].senders().find(|sender| sender.ssrc == own).copied().unwrap();
    assert_eq!((told.roc, told.seq, told.yours), (3, 700, false));
}
