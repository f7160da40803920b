//! Groups as the key management sees them: what a member asks for, and what a controller grants (docs/spec.md, chapter 14).
//!
//! Who may join, which keys there are and when they change is decided elsewhere (`mikey-group`). Here the request and the
//! grant travel in a session: CCE with GCC-REQ, and INFO with GROUP-PULL, GROUP-LEAVE or SENDERS.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, MethodId, PrfId, SecretBytes, SuiteId};
use mikey_wire::{
    AuthMethod, Extension, GccReq, GenericCs, Group, KeyData, KeyType, Kv, Payload, ProtType, Sender, Sp,
    TeslaIKey, TeslaPolicyOctets,
};

use crate::error::{ApiMisuse, PeerFault};
use crate::limits::{MAX_GROUP_NAME, MAX_GROUP_SSRCS};
use crate::srtp_params::{self, SpOctets};

mod tesla;

pub use tesla::{ChainKeys, GroupTesla};

/// What a member asks a controller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRequest {
    /// Which group: 1 to 64 octets.
    pub group: Vec<u8>,
    /// What the member wants to do in it.
    pub roles: GroupRoles,
    /// How many SSRCs a sender wants, at most 16. The controller chooses them.
    pub ssrcs: u8,
}

/// What a member does in a group; at least one of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupRoles {
    /// It sends.
    pub sends: bool,
    /// It receives.
    pub receives: bool,
}

/// The values of a group that its members share. They come from its controller, never from a member's own session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupValues {
    /// SPIi of the group's GROUP_REKEY messages.
    pub spi: u64,
    /// The group's CSB ID.
    pub csb_id: u32,
    /// The number of the current group key, from 1; its MKI.
    pub epoch: u32,
    /// The T of the next GROUP_REKEY.
    pub next_t: u32,
    /// The member's leaf in the key tree.
    pub leaf: u32,
    /// PRF of the group.
    pub prf: PrfId,
    /// Protection suite of the group.
    pub suite: SuiteId,
    /// Signature method of GROUP_REKEY.
    pub method: MethodId,
    /// RANDg.
    pub rand: [u8; 32],
    /// SubjectPublicKeyInfo of the controller's group signing key, DER.
    pub spki: Vec<u8>,
}

/// An RTP session of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupStream {
    /// Its CS ID, 1 to 254.
    pub cs_id: u8,
    /// How its packets are protected.
    pub policy: SrtpPolicy,
}

/// A sender of a group, and where its packet index stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSender {
    /// RTP session.
    pub cs_id: u8,
    /// SSRC.
    pub ssrc: u32,
    /// Whether the SSRC is that of the member who is told.
    pub yours: bool,
    /// In a GROUP_REKEY: it sends no longer.
    pub gone: bool,
    /// Its key is the one that all senders of the RTP session share. Any of them, and any receiver, can then speak as it.
    pub shared: bool,
    /// Rollover counter.
    pub roc: u32,
    /// Sequence number of its latest packet. With a ROC of zero, zero says that it has not sent yet.
    pub seq: u16,
    /// Keys of its TESLA chains, if the group has them. Intervals count from the group's `T_0`.
    pub chains: ChainKeys,
}

/// A key of the key tree.
pub struct NodeKey {
    /// Its node, from 1 (the root).
    pub node: u32,
    /// Which of the node's keys it is.
    pub version: u32,
    /// The key, as long as the hash of the group's PRF.
    pub key: SecretBytes,
}

/// What a member gets: the group as it stands.
pub struct GroupGrant {
    /// The group's values.
    pub values: GroupValues,
    /// Its RTP sessions. None in the answer to a pull: they do not change.
    pub sessions: Vec<GroupStream>,
    /// All of its senders.
    pub senders: Vec<GroupSender>,
    /// The keys from the leaf's parent to the root.
    pub keys: Vec<NodeKey>,
    /// The group's TGK of this epoch.
    pub gtgk: SecretBytes,
    /// When the keys of the senders' chains are used and disclosed, if the group has TESLA. Not in the answer to a pull.
    pub tesla: Option<GroupTesla>,
}

/// What a member asks in its session with the controller after it has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAsk {
    /// The current epoch and keys. It has this epoch, and the T of the last rekey that it took.
    Pull {
        /// Its epoch.
        epoch: u32,
        /// The T of the last GROUP_REKEY.
        t: u32,
    },
    /// It leaves.
    Leave,
    /// Where its own SSRCs stand.
    Report(Vec<GroupSender>),
}

/// What the controller answered.
pub enum GroupAnswer {
    /// The group as it stands, for a pull.
    Current(Box<GroupGrant>),
    /// Done.
    Done,
    /// Refused: it is no member, or asked for what is not its own.
    Refused,
}

impl GroupRequest {
    /// Checks lengths and numbers.
    pub(crate) fn check(&self) -> Result<(), ApiMisuse> {
        let GroupRoles { sends, receives } = self.roles;
        let fits = (1..=MAX_GROUP_NAME).contains(&self.group.len())
            && (sends || receives)
            && self.ssrcs <= MAX_GROUP_SSRCS
            && (sends || self.ssrcs == 0);
        fits.then_some(()).ok_or(ApiMisuse::Group)
    }

    pub(crate) fn as_wire(&self) -> GccReq<'_> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let GroupRoles { sends, receives } = self.roles;
        GccReq {
            roles: flag(sends, GccReq::SENDER) | flag(receives, GccReq::RECEIVER),
            ssrcs: self.ssrcs,
            group_id: &self.group,
        }
    }

    pub(crate) fn from_wire(gcc: &GccReq<'_>) -> Self {
        let roles = GroupRoles {
            sends: gcc.roles & GccReq::SENDER != 0,
            receives: gcc.roles & GccReq::RECEIVER != 0,
        };
        Self { group: gcc.group_id.to_vec(), roles, ssrcs: gcc.ssrcs }
    }
}

impl GroupValues {
    /// As a GROUP extension.
    #[must_use]
    pub fn as_wire(&self) -> Group<'_> {
        Group {
            spi: self.spi,
            csb_id: self.csb_id,
            epoch: self.epoch,
            next_t: self.next_t,
            leaf: self.leaf,
            prf: self.prf.0,
            suite: self.suite.0,
            auth_method: self.method.0,
            rand: &self.rand,
            spki: &self.spki,
        }
    }

    /// Of a GROUP extension.
    #[must_use]
    pub fn from_wire(group: &Group<'_>) -> Self {
        Self {
            spi: group.spi,
            csb_id: group.csb_id,
            epoch: group.epoch,
            next_t: group.next_t,
            leaf: group.leaf,
            prf: PrfId(group.prf),
            suite: SuiteId(group.suite),
            method: MethodId(AuthMethod(group.auth_method).0),
            rand: *group.rand,
            spki: group.spki.to_vec(),
        }
    }
}

impl GroupSender {
    /// As an entry of SENDERS.
    #[must_use]
    pub const fn as_wire(&self) -> Sender {
        let Self { cs_id, ssrc, yours, gone, shared, roc, seq, .. } = *self;
        Sender { cs_id, yours, gone, shared, ssrc, roc, seq }
    }

    /// Of an entry of SENDERS, without what an I-Key behind it says.
    #[must_use]
    pub const fn from_wire(sender: &Sender) -> Self {
        let Sender { cs_id, yours, gone, shared, ssrc, roc, seq } = *sender;
        Self { cs_id, ssrc, yours, gone, shared, roc, seq, chains: [None; 2] }
    }

    /// Of SENDERS, with the I-Keys behind it: one for each entry, or none at all.
    #[must_use]
    pub fn all_from_wire(senders: &[Sender], keys: &[Vec<TeslaIKey>]) -> Vec<Self> {
        let mut keys = keys.iter();
        let with_keys = |sender| {
            let chains = keys.next().map(|keys| tesla::from_wire(keys)).unwrap_or_default();
            Self { chains, ..Self::from_wire(sender) }
        };
        senders.iter().map(with_keys).collect()
    }
}

/// SENDERS and the I-Keys behind it.
pub(crate) fn senders_payloads<'a>(senders: &[GroupSender], keys: &'a [Vec<u8>]) -> Vec<Payload<'a>> {
    let entries = senders.iter().map(GroupSender::as_wire).collect();
    let keys = keys.iter().map(|data| Payload::Ext(Extension::TeslaKey(data)));
    core::iter::once(Payload::Ext(Extension::Senders(entries))).chain(keys).collect()
}

/// The data of an I-Key extension for each sender.
#[must_use]
pub fn sender_keys(senders: &[GroupSender]) -> Vec<Vec<u8>> {
    senders.iter().map(|sender| tesla::to_wire(&sender.chains)).collect()
}

/// The SP payloads of a group, each policy once, and its RTP sessions with their policies' numbers.
pub(crate) struct GroupPolicies {
    octets: Vec<SpOctets>,
    tesla: Option<TeslaPolicyOctets>,
    numbers: Vec<(u8, u8)>,
    spi: [u8; 4],
}

impl GroupPolicies {
    pub(crate) fn new(grant: &GroupGrant) -> Result<Self, ApiMisuse> {
        let mut policies: Vec<SrtpPolicy> = Vec::new();
        let mut numbers = Vec::with_capacity(grant.sessions.len());
        for session in &grant.sessions {
            session.policy.check().map_err(|_| ApiMisuse::SrtpPolicy)?;
            let at = policies.iter().position(|p| *p == session.policy).unwrap_or_else(|| {
                policies.push(session.policy);
                policies.len() - 1
            });
            numbers.push((session.cs_id, u8::try_from(at).map_err(|_| ApiMisuse::Group)?));
        }
        let octets = policies.iter().map(SpOctets::new).collect();
        let tesla = grant.tesla.as_ref().map(GroupTesla::octets);
        Ok(Self { octets, tesla, numbers, spi: grant.values.epoch.to_be_bytes() })
    }

    /// The SP payloads.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = Payload<'_>> {
        let last = u8::try_from(self.octets.len()).unwrap_or(u8::MAX);
        let tesla = self.tesla.iter().map(move |sp| Payload::Sp(sp.sp(last)));
        (0..).zip(&self.octets).map(|(number, sp)| Payload::Sp(sp.sp(number))).chain(tesla)
    }

    /// The CS map: one wildcard block for each RTP session, the epoch as its SPI.
    pub(crate) fn map(&self) -> Vec<GenericCs<'_>> {
        let block = |(cs_id, number): &(u8, u8)| GenericCs {
            cs_id: *cs_id,
            prot: ProtType::SRTP,
            policies: vec![*number],
            data: None,
            spi: &self.spi,
        };
        self.numbers.iter().map(block).collect()
    }
}

impl GroupGrant {
    /// SENDERS and, if there are any, the I-Keys of `keys` behind it.
    pub(crate) fn senders<'a>(&self, keys: &'a [Vec<u8>]) -> Vec<Payload<'a>> {
        senders_payloads(&self.senders, keys)
    }

    /// The data of an I-Key extension for each sender, which the payloads borrow; none in a group without TESLA.
    pub(crate) fn sender_keys(&self) -> Vec<Vec<u8>> {
        let has = self.tesla.is_some() || self.senders.iter().any(|sender| sender.chains[0].is_some());
        if has { sender_keys(&self.senders) } else { Vec::new() }
    }

    /// GROUP.
    pub(crate) fn group(&self) -> Payload<'_> {
        Payload::Ext(Extension::Group(self.values.as_wire()))
    }

    /// The SPIs of the keys, which the payloads borrow.
    pub(crate) fn key_ids(&self) -> GrantIds {
        let id = |key: &NodeKey| (u64::from(key.node) << 32 | u64::from(key.version)).to_be_bytes();
        GrantIds { nodes: self.keys.iter().map(id).collect(), epoch: self.values.epoch.to_be_bytes() }
    }

    /// The key data: node keys, then the group key.
    pub(crate) fn key_data<'a>(&'a self, ids: &'a GrantIds) -> Vec<Payload<'a>> {
        let node = |(key, id): (&'a NodeKey, &'a [u8; 8])| {
            let kv = Kv::Spi(id);
            Payload::KeyData(KeyData { ty: KeyType::KEK, key: key.key.expose(), salt: None, kv })
        };
        let mut payloads: Vec<_> = self.keys.iter().zip(&ids.nodes).map(node).collect();
        let kv = Kv::Spi(&ids.epoch);
        let gtgk = KeyData { ty: KeyType::GTGK, key: self.gtgk.expose(), salt: None, kv };
        payloads.push(Payload::KeyData(gtgk));
        payloads
    }

    /// Of the parts of CCE_RESP or INFO_RESP. Lengths and numbers are checked here, whether they make sense by the member.
    pub(crate) fn from_wire(
        group: &Group<'_>,
        senders: Vec<GroupSender>,
        key_data: &[KeyData<'_>],
        sessions: Vec<GroupStream>,
    ) -> Result<Self, PeerFault> {
        let bad = PeerFault::Negotiation("the keys of a group");
        let (gtgk, nodes) = key_data.split_last().ok_or(bad)?;
        let epoch = group.epoch.to_be_bytes();
        if gtgk.ty != KeyType::GTGK || gtgk.kv != Kv::Spi(&epoch) {
            return Err(bad);
        }
        let node = |key: &KeyData<'_>| {
            let Kv::Spi(spi) = key.kv else { return Err(bad) };
            let ([node, version], []) = spi.as_chunks::<4>() else { return Err(bad) };
            let (node, version) = (u32::from_be_bytes(*node), u32::from_be_bytes(*version));
            Ok(NodeKey { node, version, key: SecretBytes::copy_from(key.key) })
        };
        Ok(Self {
            values: GroupValues::from_wire(group),
            sessions,
            senders,
            keys: nodes.iter().map(node).collect::<Result<_, _>>()?,
            gtgk: SecretBytes::copy_from(gtgk.key),
            tesla: None,
        })
    }
}

/// See [`GroupGrant::key_ids`].
pub(crate) struct GrantIds {
    nodes: Vec<[u8; 8]>,
    epoch: [u8; 4],
}

/// The RTP sessions that CCE_RESP of a group names.
pub(crate) fn sessions(
    map: &[GenericCs<'_>],
    sps: &[Sp<'_>],
    epoch: u32,
) -> Result<Vec<GroupStream>, PeerFault> {
    let bad = PeerFault::Negotiation;
    if map.is_empty() {
        return Err(bad("a group without rtp sessions"));
    }
    let session = |cs: &GenericCs<'_>| {
        let [number] = *cs.policies else {
            return Err(bad("more or less than one policy for an rtp session"));
        };
        if cs.data.is_some() || cs.spi != epoch.to_be_bytes() {
            return Err(bad("an rtp session of a group with session data, or of another epoch"));
        }
        let sp = sps.iter().find(|sp| sp.policy_no == number);
        let policy = sp.and_then(srtp_params::policy).ok_or(bad("a policy of a group that is not usable"))?;
        Ok(GroupStream { cs_id: cs.cs_id, policy })
    };
    map.iter().map(session).collect()
}

/// The parameters of a policy as an SP payload holds them: for who stores policies.
#[must_use]
pub fn policy_to_octets(policy: &SrtpPolicy) -> Vec<u8> {
    let mut out = Vec::new();
    for (ty, value) in SpOctets::new(policy).params() {
        out.push(*ty);
        out.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(value);
    }
    out
}

/// The policy of such parameters, if it is one that we can act on.
#[must_use]
pub fn policy_from_octets(mut octets: &[u8]) -> Option<SrtpPolicy> {
    let mut params = Vec::new();
    while let [ty, len, rest @ ..] = octets {
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        params.push(mikey_wire::SpParam { ty: *ty, value });
        octets = rest;
    }
    octets
        .is_empty()
        .then_some(Sp { policy_no: 0, prot: ProtType::SRTP, params })
        .as_ref()
        .and_then(srtp_params::policy)
}

/// Whether the provider has everything that the group's values name.
#[must_use]
pub fn knows_algorithms(provider: &CryptoProvider, values: &GroupValues) -> bool {
    provider.prf(values.prf).is_some()
        && provider.suite(values.suite).is_some()
        && provider.signature(values.method).is_some()
}
