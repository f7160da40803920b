//! Random joins and leaves, one at a time and in batches.

use proptest::prelude::*;

use super::*;

#[test]
fn one_member_alone_then_two_then_one() {
    let mut group = Group::new(1);
    group.heard(&Group::batch(&[nth(1)], &[]));
    group.agree();
    group.heard(&Group::batch(&[nth(2)], &[]));
    group.agree();
    group.heard(&Group::batch(&[], &[nth(1)]));
    group.agree();
    group.heard(&Group::batch(&[], &[nth(2)]));
    assert!(group.controller.is_empty());
    group.heard(&Group::batch(&[nth(3), nth(1)], &[]));
    group.agree();
}

#[test]
fn a_batch_that_splits_a_leaf_over_and_over() {
    let mut group = Group::new(2);
    group.heard(&Group::batch(&[nth(0)], &[]));
    let many: Vec<Name> = (1..=40).map(nth).collect();
    group.heard(&Group::batch(&many, &[]));
    group.agree();
    assert_eq!(group.members[&nth(0)].values().leaf, 64, "it went left at each split");
    let leaves: Vec<Name> = (0..20).map(nth).collect();
    let joins: Vec<Name> = (100..190).map(nth).collect();
    group.heard(&Group::batch(&joins, &leaves));
    group.agree();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    // R14.3
    /// All members agree after each change; who left knows nothing of what came after, who joined nothing of what was before.
    #[test]
    fn any_changes(steps in prop::collection::vec((0_usize..9, 0_usize..7, any::<u64>()), 1..10), seed in 0_u64..1000) {
        let mut group = Group::new(seed);
        let mut other = open(&group.provider, &group.signer, &group.log);
        let mut next = 0;
        for (joins, leaves, dice) in steps {
            let joins: Vec<Name> = (next..next + joins).map(nth).collect();
            next += joins.len();
            let mut there: Vec<Name> = group.members.keys().cloned().collect();
            let mut gone = Vec::new();
            for n in 0..leaves.min(there.len()) {
                let at = usize::try_from(dice.rotate_left(7 * u32::try_from(n).unwrap()) % 1009).unwrap() % there.len();
                gone.push(there.swap_remove(at));
            }
            let mut batch = Group::batch(&joins, &gone);
            batch.rekey = true;
            let before = group.sent.clone();
            let applied = group.heard(&batch);
            group.agree();
            for name in &joins {
                prop_assert!(!Group::opens(&group.members[name], &before), "{name} reads what was before it");
            }
            for member in &group.former {
                prop_assert!(!Group::opens(member, &applied.messages), "who left reads on");
            }
            // Whoever applies the same records has the same state and sends the same octets.
            let (seq, record) = group.log.last().unwrap();
            prop_assert_eq!(other.apply(*seq, record.expose()).unwrap().messages, applied.messages);
            prop_assert!(other.snapshot().expose() == group.controller.snapshot().expose());
        }
        let snapshot = group.controller.snapshot();
        let signer = Arc::clone(&group.signer);
        let mut again =
            Controller::open(group.provider.clone(), Some(snapshot.expose()), [], |_| Some(signer)).unwrap();
        prop_assert!(again.snapshot().expose() == snapshot.expose());
        // It goes on where it stopped.
        let proposal = again.propose(&Batch { rekey: true, ..Batch::default() }).unwrap();
        let applied = again.apply(proposal.seq, proposal.record.expose()).unwrap();
        for message in &applied.messages {
            for member in group.members.values_mut() {
                prop_assert_eq!(member.handle_rekey(group.now, message), Ok(()));
            }
        }
        group.controller = again;
        group.agree();
    }
}

// R14.4
#[test]
fn who_joins_again_has_left_and_gets_another_ssrc() {
    let mut group = Group::new(3);
    group.heard(&Group::batch(&[nth(1), nth(2)], &[]));
    let before = group.controller.member(&nth(1)).unwrap().ssrcs.to_vec();
    let since = group.controller.member(&nth(1)).unwrap().since;
    group.heard(&Group::batch(&[nth(1)], &[]));
    group.agree();
    assert_eq!(group.controller.len(), 2);
    assert_ne!(group.controller.member(&nth(1)).unwrap().ssrcs, before);
    // What was said of the membership before says nothing of this one.
    let stale = MemberRef { name: nth(1), since: Some(since) };
    let batch = Batch { leaves: vec![stale.clone()], ..Batch::default() };
    assert_eq!(group.controller.propose(&batch).err(), Some(crate::GroupError::NotMember));
    assert!(group.controller.pull(&stale).is_err());
}

#[test]
fn every_signature_method_and_the_longer_hash() {
    for kind in KeyKind::ALL {
        let mut config = config();
        if kind == KeyKind::P384 {
            config.prf = mikey_crypto::PrfId::HMAC_SHA_384;
            config.suite = mikey_crypto::SuiteId::AES_CM_256_HMAC_SHA_256;
        }
        let mut group = Group::with(4, &config, kind);
        if kind == KeyKind::P384 {
            // Its keys have 48 octets, those of these tests 32.
            assert!(
                group
                    .controller
                    .draft(&Group::batch(&[nth(1)], &[]))
                    .unwrap()
                    .finish(vec![SecretBytes::zeroed(32)])
                    .is_err()
            );
            continue;
        }
        group.heard(&Group::batch(&(0..9).map(nth).collect::<Vec<_>>(), &[]));
        group.heard(&Group::batch(&[], &[nth(3), nth(4)]));
        group.agree();
    }
}

#[test]
fn counter_mode_suites_too() {
    let mut config = config();
    config.suite = mikey_crypto::SuiteId::AES_CM_128_HMAC_SHA_256;
    let mut group = Group::with(5, &config, KeyKind::Ed25519);
    group.heard(&Group::batch(&(0..9).map(nth).collect::<Vec<_>>(), &[]));
    group.heard(&Group::batch(&[nth(10)], &[nth(3), nth(4)]));
    group.agree();
}

/// Few SSRCs to draw, so that the same ones come again and again.
struct FewSsrcs(mikey_sim::SeededRandom);

impl mikey_crypto::SecureRandom for FewSsrcs {
    fn fill(&self, out: &mut [u8]) -> Result<(), mikey_crypto::RandomFailed> {
        self.0.fill(out)?;
        if let [a, b, c, d] = out {
            (*a, *b, *c, *d) = (0, 0, 0, *d % 16);
        }
        Ok(())
    }
}

#[test]
fn an_ssrc_that_is_somebodys_is_drawn_again() {
    let mut group = Group::new(6);
    group.provider = group.provider.with_random(Arc::new(FewSsrcs(mikey_sim::SeededRandom::new(6))));
    group.controller = open(&group.provider, &group.signer, &group.log);
    let ssrc = |group: &Group, name: &Name| group.controller.member(name).unwrap().ssrcs[0].1;
    group.heard(&Group::batch(&(0..5).map(nth).collect::<Vec<_>>(), &[]));
    for n in 5..60 {
        // One leaves and one joins in one record, and another joins anew.
        let (leaves, again) = (nth(n - 5), nth(n - 1));
        let before: Vec<u32> = group.members.keys().map(|name| ssrc(&group, name)).collect();
        group.heard(&Group::batch(&[nth(n), again.clone()], &[leaves]));
        let mut all: Vec<u32> = group.members.keys().map(|name| ssrc(&group, name)).collect();
        assert!(!before.contains(&ssrc(&group, &nth(n))) && !before.contains(&ssrc(&group, &again)));
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), all.contains(&0)), (5, false));
        group.agree();
    }
}
