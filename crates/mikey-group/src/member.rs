//! A member of a group: it takes the controller's GROUP_REKEYs and knows when it has missed one (docs/spec.md, "GROUP_REKEY").
//!
//! ```text
//!   Event::GroupJoined -> Member::join -> Epoch        GROUP_REKEY -> AUTH -> T -> keys on our path -> Epoch
//!                                                       one is missing, or the root's key -> Pull -> handle_grant -> Epoch
//! ```
//!
//! Invariant: nothing is decrypted, kept or counted as seen before AUTH of the controller has verified; T only rises.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, SecretBytes, SignatureScheme};
use mikey_proto::{
    ChainKeys, GroupAsk, GroupCipher, GroupGrant, GroupRequest, GroupSender, GroupStream, GroupTesla,
    GroupValues, NodeKey, Time,
};
use mikey_wire::v2::{GroupNode, GroupRekey, decode_node_keys, peek};
use mikey_wire::{DataType, KeyType, Kv};

use crate::limits::{DEACTIVATION, GAP, MAX_CHANGES, MAX_HELD, MAX_SENDERS, PULL_INTERVAL};
use crate::tree::{ancestors, depth};

/// How a member goes from one epoch to the next. The same at all members of a group, by configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a sender waits with a new key, so that receivers have it first. Whoever is expelled hears on for as long.
    pub activation: Duration,
    /// How long receivers accept the epoch before.
    pub deactivation: Duration,
}

impl Default for Timing {
    /// New keys at once: receivers keep what comes before its key for two seconds.
    fn default() -> Self {
        Self { activation: Duration::ZERO, deactivation: DEACTIVATION }
    }
}

/// What a member's application must know or do.
pub enum MemberEvent {
    /// There are new keys, or other senders.
    Epoch(EpochKeys),
    /// Something was missed: ask the controller for the group as it stands ([`GroupAsk::Pull`]).
    Pull(GroupAsk),
    /// The controller has removed us.
    Removed,
}

/// The keys of an epoch.
pub struct EpochKeys {
    /// The epoch: the MKI of its packets.
    pub epoch: u32,
    /// When our own senders switch to it.
    pub activate: Time,
    /// Until when packets of the epoch before are accepted.
    pub retire: Time,
    /// All senders. Packets of any other SSRC are to be dropped.
    pub senders: Vec<SenderKeys>,
    /// Senders that were there and are not any more.
    pub gone: Vec<(u8, u32)>,
}

/// The keys of one sender in one RTP session.
pub struct SenderKeys {
    /// The RTP session.
    pub cs_id: u8,
    /// The SSRC.
    pub ssrc: u32,
    /// Whether it is ours.
    pub yours: bool,
    /// Whether its key is that of all senders of the RTP session.
    pub shared: bool,
    /// ROC and sequence number of its latest packet that the controller knows of; `None` for one that begins.
    pub index: Option<(u32, u16)>,
    /// How its packets are protected.
    pub policy: SrtpPolicy,
    /// Keys of its TESLA chains, if the group has TESLA and they are known.
    pub chains: ChainKeys,
    /// SRTP master key.
    pub master_key: SecretBytes,
    /// SRTP master salt.
    pub master_salt: SecretBytes,
}

/// Why a grant was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberError {
    /// An algorithm that we do not have.
    Algorithms,
    /// A leaf, path, key or sender that cannot be, or values of another group.
    Grant(&'static str),
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithms => f.write_str("the group has an algorithm that we do not have"),
            Self::Grant(what) => write!(f, "the controller granted what cannot be: {what}"),
        }
    }
}

impl std::error::Error for MemberError {}

/// Why a GROUP_REKEY had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RekeyDrop {
    /// No GROUP_REKEY.
    Malformed,
    /// Of another group.
    OtherGroup,
    /// A T that was taken or is held already.
    Stale,
    /// AUTH is not the controller's.
    Forged,
    /// Too many are held already.
    Full,
    /// We are no member any more.
    Removed,
}

/// A membership.
pub struct Member {
    request: GroupRequest,
    scheme: &'static dyn SignatureScheme,
    cipher: GroupCipher,
    values: GroupValues,
    sessions: Vec<GroupStream>,
    tesla: Option<GroupTesla>,
    timing: Timing,
    first_leaf: u32,
    leaf_key: SecretBytes,
    /// Version and key of the nodes on our path.
    path: BTreeMap<u32, (u32, SecretBytes)>,
    gtgk: SecretBytes,
    senders: BTreeMap<(u8, u32), GroupSender>,
    /// Changes of senders that come with the next group key.
    changes: Vec<GroupSender>,
    /// Verified messages behind one that is missing.
    held: BTreeMap<u32, Vec<u8>>,
    gap_until: Option<Time>,
    pull_at: Option<Time>,
    pulled: Option<Time>,
    removed: bool,
    events: VecDeque<MemberEvent>,
}

/// The SPI of the group that a datagram says it is a GROUP_REKEY of.
#[must_use]
pub fn group_of(datagram: &[u8]) -> Option<u64> {
    let peek = peek(datagram).ok()?;
    (peek.data_type == DataType::GROUP_REKEY).then_some(peek.session.spi_i)
}

impl Member {
    /// A membership that a controller has granted. Its first keys are the first event.
    ///
    /// # Errors
    /// [`MemberError`] if the grant makes no sense.
    pub fn join(
        provider: &CryptoProvider,
        now: Time,
        request: GroupRequest,
        grant: GroupGrant,
        leaf_key: SecretBytes,
        timing: Timing,
    ) -> Result<Self, MemberError> {
        let values = grant.values.clone();
        let cipher = GroupCipher::new(provider, values.prf, values.suite, values.csb_id);
        let scheme = provider.signature(values.method);
        let (cipher, scheme) = cipher.zip(scheme).ok_or(MemberError::Algorithms)?;
        if leaf_key.len() != cipher.key_len() {
            return Err(MemberError::Grant("the length of its keys"));
        }
        if grant.tesla.is_some() && !grant.sessions.iter().all(|session| session.policy.may_carry_tesla()) {
            return Err(MemberError::Grant("tesla under a policy that cannot have it"));
        }
        let mut member = Self {
            request,
            scheme,
            cipher,
            first_leaf: values.leaf,
            sessions: grant.sessions.clone(),
            tesla: grant.tesla,
            values: GroupValues { epoch: 0, ..values },
            timing,
            leaf_key,
            path: BTreeMap::new(),
            gtgk: SecretBytes::empty(),
            senders: BTreeMap::new(),
            changes: Vec::new(),
            held: BTreeMap::new(),
            gap_until: None,
            pull_at: None,
            pulled: None,
            removed: false,
            events: VecDeque::new(),
        };
        member.handle_grant(now, grant)?;
        Ok(member)
    }

    /// The group's SPI: it names the group in GROUP_REKEY and in what is asked of the controller.
    #[must_use]
    pub fn spi(&self) -> u64 {
        self.values.spi
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.values.epoch
    }

    /// The values of the group, for [`mikey_proto::Endpoint::ask_group`].
    #[must_use]
    pub fn values(&self) -> &GroupValues {
        &self.values
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &GroupRequest {
        &self.request
    }

    /// The RTP sessions.
    #[must_use]
    pub fn sessions(&self) -> &[GroupStream] {
        &self.sessions
    }

    /// TESLA, if the group has it: its schedule, and what the controller's clock showed when it let us in.
    #[must_use]
    pub fn tesla(&self) -> Option<&GroupTesla> {
        self.tesla.as_ref()
    }

    /// Who sends.
    pub fn senders(&self) -> impl Iterator<Item = &GroupSender> {
        self.senders.values()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<MemberEvent> {
        self.events.pop_front()
    }

    /// When something is due.
    #[must_use]
    pub fn wake(&self) -> Option<Time> {
        [self.gap_until, self.pull_at].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.gap_until.is_some_and(|at| at <= now) {
            self.gap_until = None;
            // The missing ones are given up. What they changed is asked for, all at once.
            while let Some((t, raw)) = self.held.pop_first() {
                self.take(now, t, &raw);
            }
            self.want_pull(now + self.spread());
        }
        if self.pull_at.is_some_and(|at| at <= now) && !self.removed {
            self.pull_at = None;
            self.pulled = Some(now);
            let t = self.values.next_t.saturating_sub(1);
            self.events.push_back(MemberEvent::Pull(GroupAsk::Pull { epoch: self.values.epoch, t }));
        }
    }

    /// A pull could not be sent, or had no answer: it is tried again.
    pub fn pull_failed(&mut self, now: Time) {
        self.pull_at = Some(now + PULL_INTERVAL);
    }

    /// The controller refused: we are no member.
    pub fn handle_refused(&mut self) {
        if !self.removed {
            self.removed = true;
            self.events.push_back(MemberEvent::Removed);
        }
    }

    /// Asks the controller, at this time if it was not asked a moment before.
    fn want_pull(&mut self, at: Time) {
        let at = self.pulled.map_or(at, |last| at.max(last + PULL_INTERVAL));
        self.pull_at = Some(self.pull_at.map_or(at, |other| other.min(at)));
    }

    /// Members who miss the same message do not all ask at one moment.
    fn spread(&self) -> Duration {
        Duration::from_millis(u64::from(self.values.leaf.wrapping_mul(0x9E37_79B9) >> 22))
    }

    /// Takes a datagram that [`group_of`] says is this group's.
    ///
    /// # Errors
    /// [`RekeyDrop`]; nothing has changed then.
    pub fn handle_rekey(&mut self, now: Time, raw: &[u8]) -> Result<(), RekeyDrop> {
        if self.removed {
            return Err(RekeyDrop::Removed);
        }
        let message = GroupRekey::decode(raw).map_err(|_| RekeyDrop::Malformed)?;
        let own = (self.values.spi, self.values.csb_id, self.values.prf.0);
        if (message.group_spi, message.csb_id, message.prf) != own {
            return Err(RekeyDrop::OtherGroup);
        }
        if message.t < self.values.next_t || self.held.contains_key(&message.t) {
            return Err(RekeyDrop::Stale);
        }
        // R14.1
        self.verify(&message)?;
        if message.t > self.values.next_t {
            if self.held.len() >= MAX_HELD {
                return Err(RekeyDrop::Full);
            }
            self.held.insert(message.t, raw.to_vec());
            self.gap_until.get_or_insert(now + GAP);
            return Ok(());
        }
        self.take(now, message.t, raw);
        while let Some(raw) = self.held.remove(&self.values.next_t) {
            self.take(now, self.values.next_t, &raw);
        }
        if self.held.is_empty() {
            self.gap_until = None;
        }
        Ok(())
    }

    /// AUTH: by the controller's key, over the message as it came.
    fn verify(&self, message: &GroupRekey<'_>) -> Result<(), RekeyDrop> {
        let upto = message.raw.get(..message.auth_start).ok_or(RekeyDrop::Malformed)?;
        if message.auth.method != self.values.method.0 {
            return Err(RekeyDrop::Forged);
        }
        let covered = self.cipher.covered(upto);
        self.scheme.verify(&self.values.spki, &covered, message.auth.data).map_err(|_| RekeyDrop::Forged)
    }

    /// Takes a message whose AUTH has verified and whose turn it is.
    fn take(&mut self, now: Time, t: u32, raw: &[u8]) {
        let Ok(message) = GroupRekey::decode(raw) else { return };
        self.values.next_t = t.saturating_add(1);
        let senders = message.senders.as_deref().unwrap_or_default();
        self.changes.extend(GroupSender::all_from_wire(senders, &message.tesla_keys));
        let is_gone = |change: &GroupSender| {
            change.gone && self.senders.get(&(change.cs_id, change.ssrc)).is_some_and(|known| known.yours)
        };
        if self.changes.iter().any(is_gone) {
            self.handle_refused();
            return;
        }
        if self.changes.len() > MAX_CHANGES {
            // No group has so many senders: who they are is asked for.
            self.changes.clear();
            self.want_pull(now + GAP);
        }
        for node in &message.nodes {
            match self.open(t, &message, node) {
                Some(keys) => self.learn(now, node, &keys),
                // Each rekey ends with the group key under the root's: without that one it is not for us to read.
                None if node.node == 1 => self.want_pull(now + GAP),
                None => (),
            }
        }
    }

    /// The plaintext of a node's KEMAC, if we have its key.
    fn open(
        &self,
        t: u32,
        message: &GroupRekey<'_>,
        node: &GroupNode<'_>,
    ) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        let version = self.leaf_version();
        let key = if node.node == self.values.leaf && [version, version + 1].contains(&node.version) {
            &self.leaf_key
        } else {
            let (version, key) = self.path.get(&node.node)?;
            (*version == node.version).then_some(key)?
        };
        self.cipher.open(key, t, message.head, node).ok()
    }

    /// Our leaf's version: one for each level that it has moved down.
    fn leaf_version(&self) -> u32 {
        depth(self.values.leaf) - depth(self.first_leaf)
    }

    fn learn(&mut self, now: Time, from: &GroupNode<'_>, plaintext: &[u8]) {
        let Ok(keys) = decode_node_keys(plaintext) else { return };
        let split = from.node == self.values.leaf && from.version == self.leaf_version() + 1;
        let len = self.cipher.key_len();
        for key in keys.iter().filter(|key| key.key.len() == len) {
            let secret = SecretBytes::copy_from(key.key);
            match (key.ty, key.kv) {
                (KeyType::KEK, Kv::Spi(spi)) => {
                    let Some((node, version)) = node_id(spi) else { continue };
                    if split && depth(node) >= depth(from.node) && ancestor_at(node, from.node) {
                        // Our leaf was split: this is a node between its old place and the new one, which is leftmost.
                        self.values.leaf = self.values.leaf.max(node.saturating_mul(2));
                    } else if !ancestors(self.values.leaf).any(|above| above == node) {
                        continue;
                    }
                    let newer = self.path.get(&node).is_none_or(|(known, _)| *known < version);
                    if newer {
                        self.path.insert(node, (version, secret));
                    }
                }
                (KeyType::GTGK, Kv::Spi(spi)) => {
                    let epoch = spi.try_into().map_or(0, u32::from_be_bytes);
                    // A rekey that renews nothing but the group key has it in each message, for the senders beside it.
                    let again = epoch == self.values.epoch && !self.changes.is_empty();
                    if epoch > self.values.epoch || again {
                        self.values.epoch = epoch;
                        self.gtgk = secret;
                        let changes = std::mem::take(&mut self.changes);
                        let gone = self.change_senders(changes);
                        self.announce(now, gone);
                    }
                }
                _ => (),
            }
        }
    }

    /// Makes changes of senders; returns who is gone.
    fn change_senders(&mut self, changes: Vec<GroupSender>) -> Vec<(u8, u32)> {
        let mut gone = Vec::new();
        for change in changes {
            let key = (change.cs_id, change.ssrc);
            if change.gone {
                gone.extend(self.senders.remove(&key).map(|_| key));
            } else if self.senders.len() < MAX_SENDERS
                && self.sessions.iter().any(|session| session.cs_id == change.cs_id)
            {
                // A rekey goes to all: nothing in it is ours.
                let known = self.senders.entry(key).or_insert(GroupSender { yours: false, ..change });
                if change.chains[0].is_some() {
                    known.chains = change.chains;
                }
            }
        }
        gone
    }

    /// Takes the group as it stands, from the controller in our own session: at joining, and in answer to a pull.
    ///
    /// # Errors
    /// [`MemberError::Grant`] if it makes no sense or is older than what we have; nothing has changed then.
    pub fn handle_grant(&mut self, now: Time, grant: GroupGrant) -> Result<(), MemberError> {
        let bad = MemberError::Grant;
        let GroupGrant { values, senders, keys, gtgk, .. } = grant;
        let fixed = |v: &GroupValues| (v.spi, v.csb_id, v.prf, v.suite, v.method, v.rand, v.spki.clone());
        if fixed(&values) != fixed(&self.values) {
            return Err(bad("values of another group"));
        }
        if values.epoch < self.values.epoch || values.next_t < self.values.next_t && self.values.epoch != 0 {
            return Err(bad("an epoch of the past"));
        }
        let moved = depth(values.leaf).checked_sub(depth(self.first_leaf));
        if moved.is_none_or(|levels| self.first_leaf.checked_shl(levels) != Some(values.leaf)) {
            return Err(bad("a leaf that is not ours"));
        }
        let on_path = ancestors(values.leaf).eq(keys.iter().map(|key| key.node));
        let len = self.cipher.key_len();
        if !on_path || gtgk.len() != len || keys.iter().any(|key| key.key.len() != len) {
            return Err(bad("keys that are not those of the path"));
        }
        let known = |sender: &GroupSender| self.sessions.iter().any(|session| session.cs_id == sender.cs_id);
        if !senders.iter().all(known) || senders.len() > MAX_SENDERS {
            return Err(bad("more senders than a group may have, or one in no rtp session"));
        }
        let node = |NodeKey { node, version, key }| (node, (version, key));
        self.path = keys.into_iter().map(node).collect();
        self.gtgk = gtgk;
        self.values = values;
        self.held = self.held.split_off(&self.values.next_t);
        self.changes.clear();
        self.pull_at = None;
        let new: BTreeMap<_, _> = senders.into_iter().map(|s| ((s.cs_id, s.ssrc), s)).collect();
        let old = std::mem::replace(&mut self.senders, new);
        let gone = old.into_keys().filter(|key| !self.senders.contains_key(key)).collect();
        self.announce(now, gone);
        while let Some(raw) = self.held.remove(&self.values.next_t) {
            self.take(now, self.values.next_t, &raw);
        }
        self.gap_until = self.gap_until.filter(|_| !self.held.is_empty());
        Ok(())
    }

    /// Tells of the keys as they are now.
    fn announce(&mut self, now: Time, gone: Vec<(u8, u32)>) {
        let keys = |sender: &GroupSender| {
            let session = self.sessions.iter().find(|session| session.cs_id == sender.cs_id)?;
            let GroupSender { cs_id, ssrc, yours, shared, roc, seq, chains, .. } = *sender;
            let of = if shared { 0 } else { ssrc };
            let (key, salt) = (session.policy.key_len.into(), session.policy.salt_len.into());
            let rand = &self.values.rand;
            Some(SenderKeys {
                cs_id,
                ssrc,
                yours,
                shared,
                index: (roc != 0 || seq != 0).then_some((roc, seq)),
                policy: session.policy,
                chains,
                master_key: self.cipher.tek(&self.gtgk, rand, cs_id, of, key),
                master_salt: self.cipher.salt(&self.gtgk, rand, cs_id, of, salt),
            })
        };
        let senders = self.senders.values().filter_map(keys).collect();
        let (activate, retire) = (now + self.timing.activation, now + self.timing.deactivation);
        let epoch = self.values.epoch;
        self.events.push_back(MemberEvent::Epoch(EpochKeys { epoch, activate, retire, senders, gone }));
    }
}

fn node_id(spi: &[u8]) -> Option<(u32, u32)> {
    match spi.as_chunks::<4>() {
        ([node, version], []) => Some((u32::from_be_bytes(*node), u32::from_be_bytes(*version))),
        _ => None,
    }
}

/// Whether `node` is `above` or leads down from it by left children alone.
fn ancestor_at(node: u32, above: u32) -> bool {
    above.checked_shl(depth(node) - depth(above)) == Some(node)
}

#[cfg(test)]
impl Member {
    /// The key of its leaf.
    pub(crate) fn leaf_key(&self) -> &[u8] {
        self.leaf_key.expose()
    }

    /// Whether any key that it knows opens a KEMAC of this message.
    pub(crate) fn opens_any(&self, message: &GroupRekey<'_>) -> bool {
        let keys = || self.path.values().map(|(_, key)| key).chain([&self.leaf_key, &self.gtgk]);
        message
            .nodes
            .iter()
            .any(|node| keys().any(|key| self.cipher.open(key, message.t, message.head, node).is_ok()))
    }
}
