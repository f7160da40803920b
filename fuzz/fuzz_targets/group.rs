//! Octets from anywhere as a group's snapshot, as its next record, and as a GROUP_REKEY: no panic, a refusal changes nothing,
//! and what is taken as a snapshot is written back as one that is taken again.

#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use mikey::SrtpPolicy;
use mikey::group::{Batch, Controller, GroupConfig, Join, Member, Timing};
use mikey::keying::{GroupGrant, GroupRequest, GroupRoles, GroupStream, Name, Time};
use mikey_crypto::{CryptoProvider, SecretBytes, Signer, ct_eq};
use mikey_sim::{Ca, KeyKind, provider};

struct Setting {
    provider: CryptoProvider,
    signer: Arc<dyn Signer>,
    snapshot: Vec<u8>,
}

const ROLES: GroupRoles = GroupRoles { sends: true, receives: true };

/// A group of eight.
fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(|| {
        let provider = provider(1);
        let (_, pkcs8) = Ca::new("ca").issue("sip:gc@example.com", KeyKind::Ed25519, |_| ());
        let signer: Arc<dyn Signer> = (provider.load_signer)(&pkcs8).expect("a key").into();
        let sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AEAD_AES_128_GCM }];
        let first = Controller::create(&provider, &GroupConfig::new(b"g", sessions), &*signer).expect("a group");
        let records = [(1, first.record.expose())];
        let mut controller =
            Controller::open(provider.clone(), None, records, |_| Some(Arc::clone(&signer))).expect("a group");
        let join = |n| Join {
            name: Name::parse(&format!("sip:{n}@example.com")).expect("a name"),
            roles: ROLES,
            ssrcs: 1,
            contact: vec![1],
        };
        let batch = Batch { joins: (0..8).map(join).collect(), ..Batch::default() };
        let keys = (0..8).map(|_| SecretBytes::zeroed(32)).collect();
        let proposal = controller.draft(&batch).expect("a draft").finish(keys).expect("a record");
        controller.apply(proposal.seq, proposal.record.expose()).expect("a change");
        let snapshot = controller.snapshot().expose().to_vec();
        Setting { provider, signer, snapshot }
    })
}

fn open(snapshot: &[u8]) -> Option<Controller> {
    let Setting { provider, signer, .. } = setting();
    Controller::open(provider.clone(), Some(snapshot), [], |_| Some(Arc::clone(signer))).ok()
}

fn grant(controller: &Controller) -> GroupGrant {
    let name = controller.members().next().expect("a member").name.clone();
    controller.pull(&mikey::group::MemberRef { name, since: None }).expect("a grant")
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, input)) = input.split_first() else { return };
    match kind % 3 {
        0 => {
            if let Some(controller) = open(input) {
                let again = controller.snapshot();
                let once_more = open(again.expose()).expect("its own snapshot");
                assert!(ct_eq(once_more.snapshot().expose(), again.expose()));
            }
        }
        1 => {
            let mut controller = open(&setting().snapshot).expect("a group");
            let next = controller.seq() + 1;
            if controller.apply(next, input).is_err() {
                assert!(ct_eq(controller.snapshot().expose(), &setting().snapshot));
            }
        }
        _ => {
            let controller = open(&setting().snapshot).expect("a group");
            let request = GroupRequest { group: b"g".to_vec(), roles: ROLES, ssrcs: 1 };
            let key = SecretBytes::zeroed(32);
            let grant = grant(&controller);
            let timing = Timing::default();
            let joined = Member::join(&setting().provider, Time::ZERO, request, grant, key, timing);
            let mut member = joined.expect("a member");
            let before = (member.values().clone(), member.wake());
            // A valid one needs the signing key.
            assert!(member.handle_rekey(Time::ZERO, input).is_err());
            assert!((member.values().clone(), member.wake()) == before);
        }
    }
});
