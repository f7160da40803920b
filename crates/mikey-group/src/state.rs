//! The state of a group: what all records up to one amount to. It changes by records alone, all or nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use mikey_crypto::tesla::GroupTime;
use mikey_crypto::{CryptoProvider, SecretBytes};
use mikey_proto::limits::MAX_NAME;
use mikey_proto::{
    ChainKeys, GroupCipher, GroupGrant, GroupRoles, GroupSender, GroupTesla, GroupValues, Name, NodeKey,
};

use crate::error::{GroupError, TOO_MANY_CHANGES};
use crate::limits::{MAX_BATCH, MAX_CONTACT, MAX_MEMBERS, MAX_SENDERS, MAX_SSRCS};
use crate::record::{Change, Genesis, Renewal, Reported};
use crate::rekey::{self, NewKeys};
use crate::tree::{Plan, Tree};

pub(crate) struct State {
    pub(crate) genesis: Genesis,
    pub(crate) cipher: GroupCipher,
    prf: mikey_crypto::Prf,
    /// Number of the last record.
    pub(crate) seq: u64,
    pub(crate) epoch: u32,
    /// T of the next message.
    pub(crate) next_t: u32,
    pub(crate) gtgk: SecretBytes,
    pub(crate) tree: Tree,
    /// By leaf.
    pub(crate) seats: HashMap<u32, Seat>,
    pub(crate) by_name: HashMap<Name, u32>,
    /// How many members each home has.
    pub(crate) homes: BTreeMap<u64, u32>,
    /// Where each sender stands.
    pub(crate) senders: BTreeMap<(u8, u32), Standing>,
}

/// Where a sender stands, as its owner has said.
#[derive(Clone, Copy, Default)]
pub(crate) struct Standing {
    pub(crate) roc: u32,
    pub(crate) seq: u16,
    pub(crate) chains: ChainKeys,
}

/// A member as the controller knows it.
pub(crate) struct Seat {
    pub(crate) name: Name,
    pub(crate) roles: GroupRoles,
    pub(crate) contact: Box<[u8]>,
    /// The record with which it joined.
    pub(crate) since: u64,
    /// Of the controller that let it in.
    pub(crate) home: u64,
    pub(crate) ssrcs: Box<[(u8, u32)]>,
}

/// A change with everything that follows from it.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) keys: NewKeys,
    pub(crate) messages: Vec<Vec<u8>>,
}

impl State {
    pub(crate) fn new(provider: &CryptoProvider, genesis: Genesis) -> Result<Self, GroupError> {
        let prf = provider.prf(genesis.prf).ok_or(GroupError::Algorithms)?;
        let cipher = GroupCipher::new(provider, genesis.prf, genesis.suite, genesis.csb_id);
        let cipher = cipher.ok_or(GroupError::Algorithms)?;
        provider.signature(genesis.method).ok_or(GroupError::Algorithms)?;
        Ok(Self {
            tree: Tree::new(prf.hash_len()),
            genesis,
            cipher,
            prf,
            seq: 1,
            epoch: 0,
            next_t: 0,
            gtgk: SecretBytes::empty(),
            seats: HashMap::new(),
            by_name: HashMap::new(),
            homes: BTreeMap::new(),
            senders: BTreeMap::new(),
        })
    }

    /// Checks a change against the state, as far as it can be checked before its keys are made.
    pub(crate) fn check(&self, change: &Change) -> Result<(), GroupError> {
        let bad = GroupError::Contradiction;
        let mut left = HashSet::new();
        for leaf in &change.leaves {
            if !self.seats.contains_key(leaf) {
                return Err(bad("a leaf that nobody has"));
            }
            if !left.insert(*leaf) {
                return Err(bad("one leaf twice"));
            }
        }
        let stays = |name: &Name| self.by_name.get(name).is_some_and(|leaf| !left.contains(leaf));
        let mut names = HashSet::new();
        let mut ssrcs = HashSet::new();
        for join in &change.joins {
            if stays(&join.name) || !names.insert(&join.name) {
                return Err(bad("one name twice"));
            }
            // What could be stored and not be read again would be the end of the group.
            let writable = (1..=MAX_NAME).contains(&join.name.data().len());
            if !writable || !(join.roles.sends || join.roles.receives) {
                return Err(bad("a member without a name or without roles"));
            }
            let most = join.ssrcs.len() <= MAX_SSRCS && join.contact.len() <= MAX_CONTACT;
            if !most || (!join.roles.sends && !join.ssrcs.is_empty()) {
                return Err(bad("more ssrcs than a member may have"));
            }
            for (cs_id, ssrc) in &join.ssrcs {
                let session = self.genesis.sessions.iter().any(|session| session.cs_id == *cs_id);
                // Whoever leaves with this change keeps others from its SSRC too: it is nobody's twice in a row.
                if !session || *ssrc == 0 || self.uses(*ssrc) || !ssrcs.insert(*ssrc) {
                    return Err(bad("an ssrc that is another's, or of no rtp session"));
                }
            }
        }
        for report in &change.reports {
            let known = self.senders.get(&(report.cs_id, report.ssrc));
            let Some(known) = known.filter(|known| report.roc >= known.roc) else {
                return Err(bad("a report of no sender, or of the past"));
            };
            let len = self.genesis.tesla.map(|tesla| tesla.chain_len);
            if merge_chains(len, &known.chains, &report.chains) != Some(report.chains) {
                return Err(bad("a chain that contradicts another"));
            }
            // Members learn of a chain by the rekey that says it.
            if report.chains != known.chains && change.renewal.is_none() {
                return Err(bad("a chain without new keys"));
            }
        }
        if self.senders.len() + ssrcs.len() > MAX_SENDERS {
            return Err(GroupError::Full("ssrcs"));
        }
        if change.leaves.len().max(change.joins.len()).max(change.reports.len()) > MAX_BATCH {
            return Err(TOO_MANY_CHANGES);
        }
        if u64::from(self.tree.members()) + change.joins.len() as u64 > u64::from(MAX_MEMBERS) {
            return Err(GroupError::Full("members"));
        }
        if change.renewal.is_none() && !(change.leaves.is_empty() && change.joins.is_empty()) {
            return Err(bad("members without new keys"));
        }
        Ok(())
    }

    /// Whether somebody sends under an SSRC, in any RTP session.
    pub(crate) fn uses(&self, ssrc: u32) -> bool {
        self.genesis.sessions.iter().any(|session| self.senders.contains_key(&(session.cs_id, ssrc)))
    }

    /// What a renewal makes of a change: new keys and the messages that carry them. `sign` gives AUTH's data.
    pub(crate) fn renew(
        &self,
        change: &Change,
        renewal: &Renewal,
        sign: impl FnMut(&[u8]) -> Result<Vec<u8>, GroupError>,
    ) -> Result<Outcome, GroupError> {
        let plan = self.tree.plan(change.leaves.clone(), change.joins.len());
        let keys = rekey::new_keys(self.prf, &self.tree, &plan, &renewal.seed);
        let wraps = rekey::wraps(&self.tree, &plan, &keys, (renewal.epoch, &renewal.gtgk));
        let senders = self.changed_senders(change);
        let messages = rekey::messages(&self.genesis, &self.cipher, renewal.t, &wraps, &senders, sign)?;
        drop(wraps);
        Ok(Outcome { plan, keys, messages })
    }

    /// SENDERS of a rekey: who sends no longer, and who is new.
    fn changed_senders(&self, change: &Change) -> Vec<GroupSender> {
        let sender = |cs_id: u8, ssrc: u32, gone: bool| GroupSender {
            cs_id,
            ssrc,
            yours: false,
            gone,
            shared: self.genesis.shared,
            roc: 0,
            seq: 0,
            chains: [None; 2],
        };
        let seats = change.leaves.iter().filter_map(|leaf| self.seats.get(leaf));
        let gone = seats.flat_map(|seat| seat.ssrcs.iter()).map(|(cs_id, ssrc)| sender(*cs_id, *ssrc, true));
        let new = change.joins.iter().flat_map(|join| &join.ssrcs);
        let leaves =
            |report: &&Reported| seats_of(self, change).any(|key| key == (report.cs_id, report.ssrc));
        let news = change.reports.iter().filter(|report| !leaves(report)).filter_map(|report| {
            let known = self.senders.get(&(report.cs_id, report.ssrc))?;
            let Reported { cs_id, ssrc, roc, seq, chains } = *report;
            (chains != known.chains).then(|| GroupSender { roc, seq, chains, ..sender(cs_id, ssrc, false) })
        });
        gone.chain(new.map(|(cs_id, ssrc)| sender(*cs_id, *ssrc, false))).chain(news).collect()
    }

    /// Makes a change that was checked true.
    pub(crate) fn commit(&mut self, change: Change, outcome: Option<Outcome>) -> Vec<Vec<u8>> {
        self.seq += 1;
        for Reported { cs_id, ssrc, roc, seq, chains } in &change.reports {
            let standing = Standing { roc: *roc, seq: *seq, chains: *chains };
            self.senders.insert((*cs_id, *ssrc), standing);
        }
        let Change { joins, renewal: Some(renewal), .. } = change else { return Vec::new() };
        let Some(Outcome { plan, mut keys, messages }) = outcome else { return Vec::new() };
        for leaf in &plan.removed {
            let Some(seat) = self.seats.remove(leaf) else { continue };
            self.by_name.remove(&seat.name);
            if let Some(members) = self.homes.get_mut(&seat.home) {
                *members -= 1;
                if *members == 0 {
                    self.homes.remove(&seat.home);
                }
            }
            for sender in &seat.ssrcs {
                self.senders.remove(sender);
            }
        }
        for moved in plan.moved.iter().rev() {
            let Some(seat) = self.seats.remove(&moved.from) else { continue };
            self.by_name.insert(seat.name.clone(), moved.to);
            self.seats.insert(moved.to, seat);
        }
        let leaf_keys: Vec<SecretBytes> =
            joins.iter().map(|join| SecretBytes::copy_from(join.leaf_key.expose())).collect();
        let key = |node: u32| keys.remove(&node).map_or_else(SecretBytes::empty, |(_, key)| key);
        self.tree.apply(&plan, &leaf_keys, key);
        for (leaf, join) in plan.placed.iter().zip(joins) {
            self.senders.extend(join.ssrcs.iter().map(|sender| (*sender, Standing::default())));
            self.by_name.insert(join.name.clone(), *leaf);
            *self.homes.entry(join.home).or_default() += 1;
            let seat = Seat {
                name: join.name,
                roles: join.roles,
                contact: join.contact.into(),
                since: self.seq,
                home: join.home,
                ssrcs: join.ssrcs.into(),
            };
            self.seats.insert(*leaf, seat);
        }
        self.epoch = renewal.epoch;
        self.next_t = renewal.t.saturating_add(u32::try_from(messages.len()).unwrap_or(u32::MAX));
        self.gtgk = renewal.gtgk;
        messages
    }

    fn values(&self, leaf: u32, epoch: u32, next_t: u32) -> GroupValues {
        let Genesis { spi, csb_id, rand, prf, suite, method, spki, .. } = &self.genesis;
        GroupValues {
            spi: *spi,
            csb_id: *csb_id,
            epoch,
            next_t,
            leaf,
            prf: *prf,
            suite: *suite,
            method: *method,
            rand: *rand,
            spki: spki.clone(),
        }
    }

    /// The group as it stands, for a member.
    pub(crate) fn grant(&self, leaf: u32) -> Option<GroupGrant> {
        let seat = self.seats.get(&leaf)?;
        let node = |node: u32| NodeKey {
            node,
            version: self.tree.version(node),
            key: SecretBytes::copy_from(self.tree.key(node)),
        };
        let sender = |((cs_id, ssrc), Standing { roc, seq, chains }): (&(u8, u32), &Standing)| GroupSender {
            cs_id: *cs_id,
            ssrc: *ssrc,
            yours: seat.ssrcs.contains(&(*cs_id, *ssrc)),
            gone: false,
            shared: self.genesis.shared,
            roc: *roc,
            seq: *seq,
            chains: *chains,
        };
        Some(GroupGrant {
            tesla: None,
            values: self.values(leaf, self.epoch, self.next_t),
            sessions: self.genesis.sessions.clone(),
            senders: self.senders.iter().map(sender).collect(),
            keys: crate::tree::ancestors(leaf).map(node).collect(),
            gtgk: SecretBytes::copy_from(self.gtgk.expose()),
        })
    }

    /// The group as it will stand after a change, for one who joins with it.
    pub(crate) fn grant_after(
        &self,
        change: &Change,
        outcome: &Outcome,
        joiner: usize,
    ) -> Option<GroupGrant> {
        let leaf = *outcome.plan.placed.get(joiner)?;
        let renewal = change.renewal.as_ref()?;
        let node = |node: u32| match outcome.keys.get(&node) {
            Some((version, key)) => {
                NodeKey { node, version: *version, key: SecretBytes::copy_from(key.expose()) }
            }
            None => NodeKey {
                node,
                version: self.tree.version(node),
                key: SecretBytes::copy_from(self.tree.key(node)),
            },
        };
        let gone: HashSet<(u8, u32)> = change
            .leaves
            .iter()
            .filter_map(|leaf| self.seats.get(leaf))
            .flat_map(|seat| seat.ssrcs.iter().copied())
            .collect();
        let sender = |cs_id: u8, ssrc: u32, yours: bool, Standing { roc, seq, chains }: Standing| {
            let shared = self.genesis.shared;
            GroupSender { cs_id, ssrc, yours, gone: false, shared, roc, seq, chains }
        };
        let reported = |key: &(u8, u32), at: Standing| {
            let report = change.reports.iter().rev().find(|report| (report.cs_id, report.ssrc) == *key);
            report.map_or(at, |report| Standing { roc: report.roc, seq: report.seq, chains: report.chains })
        };
        let old = self.senders.iter().filter(|(key, _)| !gone.contains(key));
        let old = old.map(|(key, at)| sender(key.0, key.1, false, reported(key, *at)));
        let new = (0..).zip(&change.joins).flat_map(|(at, other): (usize, _)| {
            other
                .ssrcs
                .iter()
                .map(move |(cs_id, ssrc)| sender(*cs_id, *ssrc, at == joiner, Standing::default()))
        });
        let next_t = renewal.t.saturating_add(u32::try_from(outcome.messages.len()).ok()?);
        Some(GroupGrant {
            values: self.values(leaf, renewal.epoch, next_t),
            sessions: self.genesis.sessions.clone(),
            senders: old.chain(new).collect(),
            keys: crate::tree::ancestors(leaf).map(node).collect(),
            gtgk: SecretBytes::copy_from(renewal.gtgk.expose()),
            // What the clock shows is filled in when it is looked at.
            tesla: self.genesis.tesla.map(|params| GroupTesla { params, shown: GroupTime(0) }),
        })
    }
}

/// The SSRCs of who leaves.
fn seats_of(state: &State, change: &Change) -> impl Iterator<Item = (u8, u32)> {
    change.leaves.iter().filter_map(|leaf| state.seats.get(leaf)).flat_map(|seat| seat.ssrcs.iter().copied())
}

// R14.15
/// What is known of a sender's chains once it has said more: the newest two. `None` if that cannot be: no first key of a chain,
/// another key for one that is known, or a group without TESLA. `len` is `N`.
pub(crate) fn merge_chains(len: Option<u32>, known: &ChainKeys, said: &ChainKeys) -> Option<ChainKeys> {
    let mut all: BTreeMap<u32, mikey_crypto::tesla::Commitment> = BTreeMap::new();
    for key in known.iter().chain(said).flatten() {
        if len.is_none_or(|len| !key.interval.is_multiple_of(len)) {
            return None;
        }
        if all.insert(key.interval, *key).is_some_and(|other| other != *key) {
            return None;
        }
    }
    let newest = all.len().saturating_sub(2);
    let mut newest = all.into_values().skip(newest);
    Some([newest.next(), newest.next()])
}
