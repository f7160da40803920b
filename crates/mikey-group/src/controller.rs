//! A group's controller: it proposes changes as records, and applies what the store has taken.
//!
//! ```text
//!   draft(batch) -> grants -> Endpoint::admit -> leaf keys -> Draft::finish -> Proposal
//!     -> the store appends it, or has another record of that number: apply that, and draft anew
//!     -> apply -> GROUP_REKEYs to send; Endpoint::release
//! ```
//!
//! The controller knows every key of the group (docs/spec.md, "Security considerations"). Whoever can send under a group's
//! symmetric keys can speak as any of its senders; who must know which member spoke needs source authentication.

use std::collections::HashSet;
use std::sync::Arc;

use mikey_crypto::tesla::TeslaParams;
use mikey_crypto::{CryptoProvider, MethodId, PrfId, SecretBytes, Signer, SuiteId};
use mikey_proto::{GroupGrant, GroupRoles, GroupSender, GroupStream, Name};

use crate::error::{GroupError, TOO_MANY_CHANGES};
use crate::limits::{MAX_CONTACT, MAX_SENDERS, MAX_SSRCS};
use crate::record::{Change, Genesis, Joined, Record, Renewal, Reported, SEED};
use crate::snapshot;
use crate::state::{Outcome, Seat, State, merge_chains};
use crate::store::MAX_RECORD;

/// What a group is to be.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// Its id: 1 to 64 octets.
    pub id: Vec<u8>,
    /// Its RTP sessions: CS IDs from 1 to 254, each once.
    pub sessions: Vec<GroupStream>,
    /// Its PRF.
    pub prf: PrfId,
    /// Protection of GROUP_REKEY.
    pub suite: SuiteId,
    /// Octets of UDP payload of a GROUP_REKEY.
    pub path: u16,
    /// Whether all senders of an RTP session share one TEK, so that receivers which know no MIKEY can be given it.
    ///
    /// Then no key tells senders apart: SRTP itself cannot, and receivers without SENDERS take any SSRC. Each SSRC is still
    /// given once, since two senders of one would use key stream twice.
    pub shared_tek: bool,
    /// The schedule of TESLA, if receivers are to know which member has sent a packet. `start` is about now, by the clock that
    /// the service is given ([`crate::Service::set_clock`]); all RTP sessions have HMAC-SHA-1 tags. Senders make a chain of
    /// `chain_len` keys at once: 36,000 are an hour of 100 ms, and some ten milliseconds.
    pub tesla: Option<TeslaParams>,
}

impl GroupConfig {
    /// A group with these RTP sessions, AEAD-AES-128-GCM and PRF-HMAC-SHA-256.
    #[must_use]
    pub fn new(id: &[u8], sessions: Vec<GroupStream>) -> Self {
        Self {
            id: id.to_vec(),
            sessions,
            prf: PrfId::HMAC_SHA_256,
            suite: SuiteId::AES_128_GCM,
            path: 1200,
            shared_tek: false,
            tesla: None,
        }
    }
}

/// Who is to join.
#[derive(Clone, Debug)]
pub struct Join {
    /// Its name, under AUTH. One who is a member already leaves with the same record.
    pub name: Name,
    /// What it may do.
    pub roles: GroupRoles,
    /// How many SSRCs it gets in each RTP session, if it sends.
    pub ssrcs: u8,
    /// Where it is, in the application's own terms: at most 64 octets.
    pub contact: Vec<u8>,
}

/// A membership: a name, and the record with which it joined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberRef {
    /// The name.
    pub name: Name,
    /// The record; `None` for whatever membership the name has.
    pub since: Option<u64>,
}

/// Changes for one record and one epoch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Who joins.
    pub joins: Vec<Join>,
    /// Who leaves, is expelled, or has fallen silent.
    pub leaves: Vec<MemberRef>,
    /// Where senders stand, as their owners say.
    pub reports: Vec<(MemberRef, Vec<GroupSender>)>,
    /// New keys even if nobody joins or leaves.
    pub rekey: bool,
}

/// A record for the store.
pub struct Proposal {
    /// Its number.
    pub seq: u64,
    /// Its octets. They hold keys.
    pub record: SecretBytes,
}

/// A change whose keys are chosen, without the leaf keys of who joins.
pub struct Draft<'c> {
    state: &'c State,
    change: Change,
    outcome: Option<Outcome>,
}

/// What a record has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub seq: u64,
    /// The epoch from now on.
    pub epoch: u32,
    /// The GROUP_REKEY messages, in order, the group key in the last: to be sent to every member, and again.
    pub messages: Vec<Vec<u8>>,
    /// Who has joined.
    pub joined: Vec<Name>,
    /// Who is no member any more.
    pub left: Vec<Name>,
}

/// A member, as [`Controller::members`] lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberInfo<'a> {
    /// Its name.
    pub name: &'a Name,
    /// What it may do.
    pub roles: GroupRoles,
    /// Where it is.
    pub contact: &'a [u8],
    /// The record with which it joined.
    pub since: u64,
    /// The controller that let it in, by the number that it had then ([`Controller::set_home`]).
    pub home: u64,
    /// Its leaf.
    pub leaf: u32,
    /// Its SSRCs, each with its RTP session.
    pub ssrcs: &'a [(u8, u32)],
}

/// A group, and the key that signs for it. [`Service`](crate::Service) runs it; by hand it goes so:
///
/// ```text
///   draft(batch) -> Draft::grant, for each who joins -> Endpoint::admit -> leaf keys -> Draft::finish -> Proposal
///     -> the store appends it, or has another record of that number: apply that, and draft anew
///     -> apply -> GROUP_REKEYs to send; Endpoint::release, for each who joins
/// ```
pub struct Controller {
    provider: CryptoProvider,
    signer: Arc<dyn Signer>,
    home: u64,
    state: State,
}

impl Controller {
    /// The first record of a new group, number 1.
    ///
    /// # Errors
    /// [`GroupError::Config`], [`GroupError::Algorithms`], [`GroupError::Crypto`].
    pub fn create(
        provider: &CryptoProvider,
        config: &GroupConfig,
        signer: &dyn Signer,
    ) -> Result<Proposal, GroupError> {
        let mut octets = [0; 8];
        let mut spi = 0;
        while spi == 0 {
            provider.random.fill(&mut octets)?;
            spi = u64::from_be_bytes(octets);
        }
        let mut csb_id = mikey_wire::limits::STUN_COOKIE;
        while csb_id == mikey_wire::limits::STUN_COOKIE {
            let mut octets = [0; 4];
            provider.random.fill(&mut octets)?;
            csb_id = u32::from_be_bytes(octets);
        }
        let mut rand = [0; 32];
        provider.random.fill(&mut rand)?;
        let genesis = Genesis {
            id: config.id.clone(),
            spi,
            csb_id,
            rand,
            prf: config.prf,
            suite: config.suite,
            method: signer.method(),
            spki: signer.public_key().to_vec(),
            path: config.path,
            shared: config.shared_tek,
            sessions: config.sessions.clone(),
            tesla: config.tesla,
        };
        if !genesis.is_sound() || config.sessions.iter().any(|session| session.policy.check().is_err()) {
            return Err(GroupError::Config(
                "an id, rtp sessions, policies, path or tesla out of their bounds",
            ));
        }
        let record = Record::Create(genesis).encode();
        Self::open(provider.clone(), None, [(1, record.expose())], |_| Some(NoSigner::of(signer)))?;
        Ok(Proposal { seq: 1, record })
    }

    /// A controller of the group that a snapshot and the records after it make; with no snapshot, all records from 1 on.
    /// `signer` finds the key that signs for the group with this SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`GroupError`]: damaged or missing records, or no key.
    pub fn open<'r>(
        provider: CryptoProvider,
        snapshot: Option<&[u8]>,
        records: impl IntoIterator<Item = (u64, &'r [u8])>,
        signer: impl FnOnce(&[u8]) -> Option<Arc<dyn Signer>>,
    ) -> Result<Self, GroupError> {
        let mut records = records.into_iter();
        let state = match snapshot {
            Some(octets) => snapshot::decode(&provider, octets)?,
            None => match records.next() {
                Some((1, record)) => match Record::decode(record, 0)? {
                    Record::Create(genesis) => State::new(&provider, genesis)?,
                    Record::Change(_) => {
                        return Err(GroupError::Contradiction("a group that begins with a change"));
                    }
                },
                _ => return Err(GroupError::Gap),
            },
        };
        let found = signer(&state.genesis.spki).ok_or(GroupError::Signer)?;
        if found.public_key() != state.genesis.spki || found.method() != state.genesis.method {
            return Err(GroupError::Signer);
        }
        let mut controller = Self { provider, signer: found, home: 0, state };
        for (seq, record) in records {
            controller.apply(seq, record)?;
        }
        Ok(controller)
    }

    /// Sets what stands in the records of those who join from now on as the controller that they have their session with:
    /// a number of this process alone, drawn at random when it starts. 0 until this is called.
    pub fn set_home(&mut self, home: u64) {
        self.home = home;
    }

    /// The controllers that members joined at, each with how many of them there are.
    pub fn homes(&self) -> impl Iterator<Item = (u64, u32)> {
        self.state.homes.iter().map(|(home, members)| (*home, *members))
    }

    /// The state as a snapshot, through [`Self::seq`]. It holds every key.
    #[must_use]
    pub fn snapshot(&self) -> SecretBytes {
        snapshot::encode(&self.state)
    }

    /// Number of the last record.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.state.seq
    }

    /// The current epoch; 0 before anybody has joined.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.state.epoch
    }

    /// The T of the next GROUP_REKEY.
    #[must_use]
    pub fn next_t(&self) -> u32 {
        self.state.next_t
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.state.genesis.id
    }

    /// The group's SPI.
    #[must_use]
    pub fn spi(&self) -> u64 {
        self.state.genesis.spi
    }

    /// The schedule of the first chain, if the group has TESLA.
    #[must_use]
    pub fn tesla(&self) -> Option<&TeslaParams> {
        self.state.genesis.tesla.as_ref()
    }

    /// Whether a member's report can be taken: its own SSRCs, each once, with chains that fit what it has said before.
    ///
    /// # Errors
    /// [`GroupError`] says what not.
    pub fn check_report(&self, member: &MemberRef, senders: &[GroupSender]) -> Result<(), GroupError> {
        let (_, seat) = self.find(member)?;
        if senders.len() > seat.ssrcs.len() {
            return Err(GroupError::Twice);
        }
        self.reports(&[(member.clone(), senders.to_vec())]).map(|_| ())
    }

    /// The RTP sessions.
    #[must_use]
    pub fn sessions(&self) -> &[GroupStream] {
        &self.state.genesis.sessions
    }

    /// What the group was made with.
    #[must_use]
    pub fn config(&self) -> GroupConfig {
        let Genesis { id, sessions, prf, suite, path, shared, tesla, .. } = &self.state.genesis;
        let (id, sessions) = (id.clone(), sessions.clone());
        GroupConfig {
            id,
            sessions,
            prf: *prf,
            suite: *suite,
            path: *path,
            shared_tek: *shared,
            tesla: *tesla,
        }
    }

    /// How many SSRCs its members have.
    #[must_use]
    pub fn senders(&self) -> usize {
        self.state.senders.len()
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.seats.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.seats.is_empty()
    }

    /// The members, in no order.
    pub fn members(&self) -> impl Iterator<Item = MemberInfo<'_>> {
        self.state.seats.iter().map(|(leaf, seat)| info(*leaf, seat))
    }

    /// A member, if it is one.
    #[must_use]
    pub fn member(&self, name: &Name) -> Option<MemberInfo<'_>> {
        let leaf = self.state.by_name.get(name)?;
        self.state.seats.get(leaf).map(|seat| info(*leaf, seat))
    }

    /// A member's leaf and seat.
    pub(crate) fn find(&self, member: &MemberRef) -> Result<(u32, &Seat), GroupError> {
        let leaf = *self.state.by_name.get(&member.name).ok_or(GroupError::NotMember)?;
        let seat = self.state.seats.get(&leaf).ok_or(GroupError::NotMember)?;
        match member.since {
            Some(since) if since != seat.since => Err(GroupError::NotMember),
            _ => Ok((leaf, seat)),
        }
    }

    // R14.6
    /// The group as it stands, for a member that has missed something.
    ///
    /// # Errors
    /// [`GroupError::NotMember`]: nobody else is told.
    pub fn pull(&self, member: &MemberRef) -> Result<GroupGrant, GroupError> {
        let (leaf, _) = self.find(member)?;
        self.state.grant(leaf).ok_or(GroupError::NotMember)
    }

    /// Chooses the keys of a change. Nothing changes yet.
    ///
    /// # Errors
    /// [`GroupError`]: somebody in the batch is no member, or there twice, or there is no room.
    pub fn draft(&self, batch: &Batch) -> Result<Draft<'_>, GroupError> {
        let state = &self.state;
        let mut leaves: Vec<u32> = batch
            .leaves
            .iter()
            .map(|member| self.find(member).map(|(leaf, _)| leaf))
            .collect::<Result<_, _>>()?;
        // Who joins again leaves first; everything of it is new.
        leaves.extend(batch.joins.iter().filter_map(|join| state.by_name.get(&join.name)));
        leaves.sort_unstable();
        leaves.dedup();
        let mut taken = HashSet::new();
        let mut joins = Vec::with_capacity(batch.joins.len());
        for join in &batch.joins {
            if join.contact.len() > MAX_CONTACT
                || usize::from(join.ssrcs) > MAX_SSRCS / state.genesis.sessions.len()
            {
                return Err(GroupError::Full("ssrcs of one member"));
            }
            let mut ssrcs = Vec::new();
            for session in &state.genesis.sessions {
                for _ in 0..if join.roles.sends { join.ssrcs } else { 0 } {
                    if state.senders.len() + taken.len() >= MAX_SENDERS {
                        return Err(GroupError::Full("ssrcs"));
                    }
                    let ssrc = self.fresh_ssrc(&taken)?;
                    taken.insert(ssrc);
                    ssrcs.push((session.cs_id, ssrc));
                }
            }
            joins.push(Joined {
                name: join.name.clone(),
                roles: join.roles,
                contact: join.contact.clone(),
                home: self.home,
                leaf_key: SecretBytes::empty(),
                ssrcs,
            });
        }
        let reports = self.reports(&batch.reports)?;
        // Whose chain is new, all members are to hear of.
        let news = reports.iter().any(|report| {
            self.state
                .senders
                .get(&(report.cs_id, report.ssrc))
                .is_some_and(|known| known.chains != report.chains)
        });
        let renews = batch.rekey || news || !leaves.is_empty() || !joins.is_empty();
        if !renews && reports.is_empty() {
            return Err(GroupError::Nothing);
        }
        let mut change = Change { leaves, joins, reports, renewal: None };
        if renews {
            change.renewal = Some(self.renewal()?);
        }
        state.check(&change).map_err(|e| match e {
            GroupError::Contradiction("one name twice") => GroupError::Twice,
            e => e,
        })?;
        let Some(mut renewal) = change.renewal.take() else {
            return Ok(Draft { state, change, outcome: None });
        };
        let mut signatures = Vec::new();
        let outcome = state.renew(&change, &renewal, |covered| {
            let signature = self.signer.sign(&*self.provider.random, covered)?;
            signatures.push(signature.clone());
            Ok(signature)
        })?;
        renewal.signatures = signatures;
        change.renewal = Some(renewal);
        Ok(Draft { state, change, outcome: Some(outcome) })
    }

    fn renewal(&self) -> Result<Renewal, GroupError> {
        let mut renewal = Renewal {
            epoch: self.state.epoch.checked_add(1).ok_or(GroupError::Exhausted)?,
            t: self.state.next_t,
            seed: SecretBytes::zeroed(SEED),
            gtgk: SecretBytes::zeroed(self.state.cipher.key_len()),
            signatures: Vec::new(),
        };
        self.provider.random.fill(renewal.seed.expose_mut())?;
        self.provider.random.fill(renewal.gtgk.expose_mut())?;
        Ok(renewal)
    }

    // R14.4
    /// A random SSRC that is nobody's, not even of somebody who leaves now.
    fn fresh_ssrc(&self, taken: &HashSet<u32>) -> Result<u32, GroupError> {
        loop {
            let mut octets = [0; 4];
            self.provider.random.fill(&mut octets)?;
            let ssrc = u32::from_be_bytes(octets);
            if ssrc != 0 && !self.state.uses(ssrc) && !taken.contains(&ssrc) {
                return Ok(ssrc);
            }
        }
    }

    fn reports(&self, reports: &[(MemberRef, Vec<GroupSender>)]) -> Result<Vec<Reported>, GroupError> {
        let mut all = Vec::new();
        for (member, senders) in reports {
            let (_, seat) = self.find(member)?;
            for GroupSender { cs_id, ssrc, roc, seq, chains, .. } in senders {
                if !seat.ssrcs.contains(&(*cs_id, *ssrc)) {
                    return Err(GroupError::NotYours);
                }
                let known = self.state.senders.get(&(*cs_id, *ssrc)).copied().unwrap_or_default();
                let len = self.state.genesis.tesla.map(|tesla| tesla.chain_len);
                let chains = merge_chains(len, &known.chains, chains).ok_or(GroupError::Chain)?;
                // A report that was overtaken says nothing new.
                let at = (*roc, *seq).max((known.roc, known.seq));
                if at > (known.roc, known.seq) || chains != known.chains {
                    all.push(Reported { cs_id: *cs_id, ssrc: *ssrc, roc: at.0, seq: at.1, chains });
                }
            }
        }
        Ok(all)
    }

    /// A change without anybody who joins.
    ///
    /// # Errors
    /// As [`Self::draft`].
    pub fn propose(&self, batch: &Batch) -> Result<Proposal, GroupError> {
        self.draft(batch)?.finish(Vec::new())
    }

    /// Applies the record of that number, which the store has. All or nothing.
    ///
    /// # Errors
    /// [`GroupError::Gap`] for another number than the next, [`GroupError::Record`] or [`GroupError::Contradiction`] for a
    /// record that was damaged or is of another group.
    pub fn apply(&mut self, seq: u64, record: &[u8]) -> Result<Applied, GroupError> {
        if seq != self.state.seq + 1 {
            return Err(GroupError::Gap);
        }
        let bad = GroupError::Contradiction;
        let Record::Change(change) = Record::decode(record, self.state.cipher.key_len())? else {
            return Err(bad("a group that begins twice"));
        };
        self.state.check(&change)?;
        let mut applied = Applied { seq, ..Applied::default() };
        applied.joined = change.joins.iter().map(|join| join.name.clone()).collect();
        let left = change.leaves.iter().filter_map(|leaf| self.state.seats.get(leaf));
        let again: HashSet<&Name> = applied.joined.iter().collect();
        let left = left.map(|seat| &seat.name).filter(|name| !again.contains(name)).cloned().collect();
        applied.left = left;
        let outcome = match &change.renewal {
            None => None,
            Some(renewal) => {
                if self.state.epoch.checked_add(1) != Some(renewal.epoch) || renewal.t != self.state.next_t {
                    return Err(bad("an epoch or t that is not the next"));
                }
                let scheme =
                    self.provider.signature(self.state.genesis.method).ok_or(GroupError::Algorithms)?;
                let mut signatures = renewal.signatures.iter();
                let outcome = self.state.renew(&change, renewal, |covered| {
                    let signature = signatures.next().ok_or(bad("a signature is missing"))?;
                    scheme
                        .verify(&self.state.genesis.spki, covered, signature)
                        .map_err(|_| bad("a signature that is not the group's"))?;
                    Ok(signature.clone())
                })?;
                if signatures.next().is_some() {
                    return Err(bad("a signature too many"));
                }
                Some(outcome)
            }
        };
        applied.messages = self.state.commit(change, outcome);
        applied.epoch = self.state.epoch;
        Ok(applied)
    }
}

impl Draft<'_> {
    /// The record's number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.state.seq + 1
    }

    /// How many join.
    #[must_use]
    pub fn joins(&self) -> usize {
        self.change.joins.len()
    }

    /// What the joiner of that number gets, for [`mikey_proto::Endpoint::admit`].
    #[must_use]
    pub fn grant(&self, joiner: usize) -> Option<GroupGrant> {
        self.state.grant_after(&self.change, self.outcome.as_ref()?, joiner)
    }

    /// The record, with the leaf keys of those who join, in their order.
    ///
    /// # Errors
    /// [`GroupError::Config`] for another number of keys or a wrong length, [`GroupError::Full`] for a record that no store
    /// takes: then fewer changes go at once.
    pub fn finish(mut self, leaf_keys: Vec<SecretBytes>) -> Result<Proposal, GroupError> {
        let fits = leaf_keys.iter().all(|key| key.len() == self.state.cipher.key_len());
        if leaf_keys.len() != self.change.joins.len() || !fits {
            return Err(GroupError::Config("a leaf key is missing or has the length of another prf"));
        }
        for (join, key) in self.change.joins.iter_mut().zip(leaf_keys) {
            join.leaf_key = key;
        }
        let seq = self.seq();
        let record = Record::Change(self.change).encode();
        if record.len() > MAX_RECORD {
            return Err(TOO_MANY_CHANGES);
        }
        Ok(Proposal { seq, record })
    }
}

fn info(leaf: u32, seat: &Seat) -> MemberInfo<'_> {
    let Seat { name, roles, contact, since, home, ssrcs } = seat;
    MemberInfo { name, roles: *roles, contact, since: *since, home: *home, leaf, ssrcs }
}

/// Stands for a key that only says whose it is.
struct NoSigner(MethodId, Vec<u8>);

impl NoSigner {
    fn of(signer: &dyn Signer) -> Arc<dyn Signer> {
        Arc::new(Self(signer.method(), signer.public_key().to_vec()))
    }
}

impl Signer for NoSigner {
    fn method(&self) -> MethodId {
        self.0
    }

    fn public_key(&self) -> &[u8] {
        &self.1
    }

    fn sign(
        &self,
        _: &dyn mikey_crypto::SecureRandom,
        _: &[u8],
    ) -> Result<Vec<u8>, mikey_crypto::SignFailed> {
        Err(mikey_crypto::SignFailed)
    }
}

#[cfg(test)]
impl Controller {
    /// What a controller can make that heeds no limit: the `n`-th rekey from now on, with these senders in it.
    pub(crate) fn crowd(&self, n: u32, senders: &[GroupSender]) -> Vec<Vec<u8>> {
        let Ok(renewal) = self.renewal() else { return Vec::new() };
        let State { genesis, cipher, tree, .. } = &self.state;
        let (plan, keys) = (tree.plan(Vec::new(), 0), crate::rekey::NewKeys::new());
        let wraps = crate::rekey::wraps(tree, &plan, &keys, (renewal.epoch + n, &renewal.gtgk));
        let sign = |covered: &[u8]| Ok(self.signer.sign(&*self.provider.random, covered)?);
        crate::rekey::messages(genesis, cipher, renewal.t + 1000 * n, &wraps, senders, sign)
            .unwrap_or_default()
    }

    /// What a member with every key of the group, but another signing key, can make.
    pub(crate) fn forge(&self, signer: &dyn Signer) -> Vec<Vec<u8>> {
        let Ok(renewal) = self.renewal() else { return Vec::new() };
        let change = Change { leaves: Vec::new(), joins: Vec::new(), reports: Vec::new(), renewal: None };
        let sign = |covered: &[u8]| Ok(signer.sign(&*self.provider.random, covered)?);
        self.state.renew(&change, &renewal, sign).map(|outcome| outcome.messages).unwrap_or_default()
    }
}
