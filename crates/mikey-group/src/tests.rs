//! A controller and its members, without sessions: who has which keys after any changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod changes;
mod damage;
mod ghosts;
mod rekeys;
mod service;
mod sizes;
mod tesla;
mod vectors;

use std::collections::BTreeMap;
use std::sync::Arc;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, SecretBytes, Signer};
use mikey_proto::{GroupRequest, GroupRoles, GroupStream, Name, Time};
use mikey_sim::{Ca, KeyKind, provider};
use mikey_wire::v2::GroupRekey;

use crate::controller::{Applied, Batch, Controller, GroupConfig, Join, MemberRef};
use crate::member::{EpochKeys, Member, MemberEvent, Timing};

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn nth(n: usize) -> Name {
    name(&format!("sip:{n}@example.com"))
}

pub(crate) fn signer(provider: &CryptoProvider, kind: KeyKind) -> Arc<dyn Signer> {
    let (_, pkcs8) = Ca::new("ca").issue("sip:gc@example.com", kind, |_| ());
    (provider.load_signer)(&pkcs8).unwrap().into()
}

pub(crate) fn config() -> GroupConfig {
    GroupConfig::new(b"news", vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AEAD_AES_128_GCM }])
}

/// A group whose members hear everything that is sent.
pub(crate) struct Group {
    pub(crate) provider: CryptoProvider,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) controller: Controller,
    pub(crate) members: BTreeMap<Name, Member>,
    /// Everybody who was a member once and is not any more, with everything that they know.
    pub(crate) former: Vec<Member>,
    pub(crate) log: Vec<(u64, SecretBytes)>,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) now: Time,
    random: u64,
}

impl Group {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, &config(), KeyKind::Ed25519)
    }

    pub(crate) fn with(seed: u64, config: &GroupConfig, kind: KeyKind) -> Self {
        let provider = provider(seed);
        let signer = signer(&provider, kind);
        let proposal = Controller::create(&provider, config, &*signer).unwrap();
        let log = vec![(proposal.seq, proposal.record)];
        let mut group = Self {
            controller: open(&provider, &signer, &log),
            provider,
            signer,
            members: BTreeMap::new(),
            former: Vec::new(),
            log,
            sent: Vec::new(),
            now: Time::ZERO,
            random: seed,
        };
        group.now = Time::from_secs(1);
        group
    }

    fn leaf_key(&mut self) -> SecretBytes {
        let mut key = SecretBytes::zeroed(32);
        self.provider.random.fill(key.expose_mut()).unwrap();
        self.random += 1;
        key
    }

    /// A batch: who joins, each as a sender, and who leaves.
    pub(crate) fn batch(joins: &[Name], leaves: &[Name]) -> Batch {
        let roles = GroupRoles { sends: true, receives: true };
        let join = |name: &Name| Join { name: name.clone(), roles, ssrcs: 1, contact: vec![7; 6] };
        let leave = |name: &Name| MemberRef { name: name.clone(), since: None };
        Batch {
            joins: joins.iter().map(join).collect(),
            leaves: leaves.iter().map(leave).collect(),
            ..Batch::default()
        }
    }

    /// Makes a change. Nobody has heard of it yet but who joins.
    pub(crate) fn change(&mut self, batch: &Batch) -> Applied {
        let leaf_keys: Vec<SecretBytes> = batch.joins.iter().map(|_| self.leaf_key()).collect();
        let draft = self.controller.draft(batch).unwrap();
        let roles = GroupRoles { sends: true, receives: true };
        let request = GroupRequest { group: b"news".to_vec(), roles, ssrcs: 1 };
        let mut new = Vec::new();
        for (at, join) in batch.joins.iter().enumerate() {
            let grant = draft.grant(at).unwrap();
            let key = SecretBytes::copy_from(leaf_keys[at].expose());
            let timing = Timing::default();
            let member = Member::join(&self.provider, self.now, request.clone(), grant, key, timing).unwrap();
            new.push((join.name.clone(), member));
        }
        let proposal = draft.finish(leaf_keys).unwrap();
        let applied = self.controller.apply(proposal.seq, proposal.record.expose()).unwrap();
        self.log.push((proposal.seq, proposal.record));
        for name in &applied.left {
            self.former.extend(self.members.remove(name));
        }
        for (name, member) in new {
            self.former.extend(self.members.insert(name, member));
        }
        self.sent.extend(applied.messages.iter().cloned());
        applied
    }

    /// Makes a change of which everybody hears, members or not.
    pub(crate) fn heard(&mut self, batch: &Batch) -> Applied {
        let applied = self.change(batch);
        for message in &applied.messages {
            for member in self.members.values_mut().chain(&mut self.former) {
                let _ = member.handle_rekey(self.now, message);
            }
        }
        applied
    }

    /// The keys of each member, as it has last been told, and that all have the same.
    pub(crate) fn agree(&mut self) {
        let epoch = self.controller.epoch();
        let mut first: Option<Vec<(u32, Vec<u8>)>> = None;
        for (name, member) in &mut self.members {
            let keys = latest(member).unwrap_or_else(|| panic!("{name} has no keys"));
            assert_eq!(keys.epoch, epoch, "{name}");
            let keys = keys.senders.iter().map(|s| (s.ssrc, s.master_key.expose().to_vec())).collect();
            match &first {
                None => first = Some(keys),
                Some(first) => assert!(*first == keys, "{name} has other keys"),
            }
        }
        for member in &self.former {
            assert!(member.epoch() < epoch, "who left has the new epoch");
        }
    }

    /// That nobody is behind, without taking what anybody was told.
    pub(crate) fn agree_silently(&self) {
        let epoch = self.controller.epoch();
        assert!(self.members.values().all(|member| member.epoch() == epoch));
    }

    /// Whether a member can open a KEMAC of these messages with anything that it knows.
    pub(crate) fn opens(member: &Member, messages: &[Vec<u8>]) -> bool {
        messages.iter().any(|raw| member.opens_any(&GroupRekey::decode(raw).unwrap()))
    }
}

/// The last keys that a member was told, if it was told any.
pub(crate) fn latest(member: &mut Member) -> Option<EpochKeys> {
    let mut keys = None;
    while let Some(event) = member.poll_event() {
        if let MemberEvent::Epoch(epoch) = event {
            keys = Some(epoch);
        }
    }
    keys
}

pub(crate) fn open(
    provider: &CryptoProvider,
    signer: &Arc<dyn Signer>,
    log: &[(u64, SecretBytes)],
) -> Controller {
    let records = log.iter().map(|(seq, record)| (*seq, record.expose()));
    Controller::open(provider.clone(), None, records, |_| Some(Arc::clone(signer))).unwrap()
}
