//! A record: everything in one change of a group that is random or signed, so that whoever applies it has the same state
//! and the same octets to send.
//!
//! Node keys are not in it one by one: they are derived from one seed. Nor are the messages, but for their signatures: what
//! is sealed follows from keys, numbers and T.

use core::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::tesla::{Commitment, GroupTime, TeslaParams};
use mikey_crypto::{MethodId, PrfId, SecretBytes, SuiteId};
use mikey_proto::{ChainKeys, GroupRoles, GroupStream, Name, policy_from_octets, policy_to_octets};

use crate::limits::{MAX_BATCH, MAX_CONTACT, MAX_MESSAGES, MAX_SESSIONS, MAX_SSRCS};
use crate::octets::{Reader, Result, Writer};

/// Of this format.
const VERSION: u8 = 2;
const CREATE: u8 = 1;
const CHANGE: u8 = 2;

/// Octets of the seed of node keys.
pub(crate) const SEED: usize = 32;

pub(crate) enum Record {
    Create(Genesis),
    Change(Change),
}

/// What never changes in a group.
pub(crate) struct Genesis {
    pub(crate) id: Vec<u8>,
    pub(crate) spi: u64,
    pub(crate) csb_id: u32,
    pub(crate) rand: [u8; 32],
    pub(crate) prf: PrfId,
    pub(crate) suite: SuiteId,
    pub(crate) method: MethodId,
    pub(crate) spki: Vec<u8>,
    /// Octets of a datagram.
    pub(crate) path: u16,
    /// Whether senders share one TEK in each RTP session.
    pub(crate) shared: bool,
    pub(crate) sessions: Vec<GroupStream>,
    pub(crate) tesla: Option<TeslaParams>,
}

/// A change of members, keys, or of what is known of senders.
pub(crate) struct Change {
    /// Leaves that are left.
    pub(crate) leaves: Vec<u32>,
    pub(crate) joins: Vec<Joined>,
    pub(crate) reports: Vec<Reported>,
    /// New keys; always if members come or go.
    pub(crate) renewal: Option<Renewal>,
}

pub(crate) struct Joined {
    pub(crate) name: Name,
    pub(crate) roles: GroupRoles,
    pub(crate) contact: Vec<u8>,
    /// Of the controller that let it in: see [`crate::Controller::set_home`].
    pub(crate) home: u64,
    pub(crate) leaf_key: SecretBytes,
    /// In each RTP session of the group, as many.
    pub(crate) ssrcs: Vec<(u8, u32)>,
}

/// Where a sender stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) cs_id: u8,
    pub(crate) ssrc: u32,
    pub(crate) roc: u32,
    pub(crate) seq: u16,
    /// All that is known of its chains from now on.
    pub(crate) chains: ChainKeys,
}

pub(crate) struct Renewal {
    pub(crate) epoch: u32,
    /// T of the first message.
    pub(crate) t: u32,
    pub(crate) seed: SecretBytes,
    pub(crate) gtgk: SecretBytes,
    /// AUTH of each message.
    pub(crate) signatures: Vec<Vec<u8>>,
}

impl Record {
    pub(crate) fn encode(&self) -> SecretBytes {
        let mut w = Writer::with_capacity(512);
        w.u8(VERSION);
        match self {
            Self::Create(genesis) => {
                w.u8(CREATE);
                genesis.encode(&mut w);
            }
            Self::Change(change) => {
                w.u8(CHANGE);
                change.encode(&mut w);
            }
        }
        w.finish()
    }

    /// Reads a record. `key_len` is the length of the group's keys; the first record needs none.
    pub(crate) fn decode(octets: &[u8], key_len: usize) -> Result<Self> {
        let mut r = Reader::new(octets);
        if r.u8()? != VERSION {
            return r.fail("a version of records that is not known");
        }
        let record = match r.u8()? {
            CREATE => Self::Create(Genesis::decode(&mut r)?),
            CHANGE => Self::Change(Change::decode(&mut r, key_len)?),
            _ => return r.fail("a kind of record that is not known"),
        };
        r.finish()?;
        Ok(record)
    }
}

impl Genesis {
    pub(crate) fn encode(&self, w: &mut Writer) {
        w.vec8(&self.id);
        w.u64(self.spi);
        w.u32(self.csb_id);
        w.bytes(&self.rand);
        w.bytes(&[self.prf.0, self.suite.0, self.method.0]);
        w.vec16(&self.spki);
        w.u16(self.path);
        w.u8(self.shared.into());
        w.count(self.sessions.len());
        for session in &self.sessions {
            w.u8(session.cs_id);
            w.vec16(&policy_to_octets(&session.policy));
        }
        w.u8(self.tesla.is_some().into());
        if let Some(TeslaParams { start, interval, delay, chain_len, mac_len }) = &self.tesla {
            w.u64(start.0);
            w.u32(u32::try_from(interval.as_millis()).unwrap_or(u32::MAX));
            w.u16(*delay);
            w.u32(*chain_len);
            w.u8(*mac_len);
        }
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self> {
        let genesis = Self {
            id: r.vec8()?.to_vec(),
            spi: r.u64()?,
            csb_id: r.u32()?,
            rand: r.array()?,
            prf: PrfId(r.u8()?),
            suite: SuiteId(r.u8()?),
            method: MethodId(r.u8()?),
            spki: r.vec16()?.to_vec(),
            path: r.u16()?,
            shared: r.flag()?,
            sessions: r.list(MAX_SESSIONS, |r| {
                let cs_id = r.u8()?;
                let policy: Option<SrtpPolicy> = policy_from_octets(r.vec16()?);
                match policy {
                    Some(policy) => Ok(GroupStream { cs_id, policy }),
                    None => r.fail("an srtp policy that is none"),
                }
            })?,
            tesla: if r.flag()? {
                Some(TeslaParams {
                    start: GroupTime(r.u64()?),
                    interval: Duration::from_millis(r.u32()?.into()),
                    delay: r.u16()?,
                    chain_len: r.u32()?,
                    mac_len: r.u8()?,
                })
            } else {
                None
            },
        };
        if !genesis.is_sound() { r.fail("a group that contradicts itself") } else { Ok(genesis) }
    }

    /// Whether the values can be those of a group.
    pub(crate) fn is_sound(&self) -> bool {
        let distinct = |at: usize, cs_id: u8| self.sessions.iter().take(at).all(|other| other.cs_id != cs_id);
        (1..=mikey_proto::limits::MAX_GROUP_NAME).contains(&self.id.len())
            && self.spi != 0
            && self.csb_id != mikey_wire::limits::STUN_COOKIE
            && (1..=MAX_SESSIONS).contains(&self.sessions.len())
            && self.sessions.iter().enumerate().all(|(at, session)| {
                (1..=mikey_wire::limits::MAX_CS_ID).contains(&session.cs_id) && distinct(at, session.cs_id)
            })
            && usize::from(self.path) >= mikey_proto::limits::MIN_PATH.max(512 + self.spki.len() / 2)
            && self.method.is_signature()
            && self.tesla.is_none_or(|tesla| {
                tesla.check().is_ok() && self.sessions.iter().all(|session| session.policy.may_carry_tesla())
            })
    }
}

impl Change {
    fn encode(&self, w: &mut Writer) {
        w.count(self.leaves.len());
        self.leaves.iter().for_each(|leaf| w.u32(*leaf));
        w.count(self.joins.len());
        for join in &self.joins {
            w.name(&join.name);
            let GroupRoles { sends, receives } = join.roles;
            w.u8(u8::from(sends) | u8::from(receives) << 1);
            w.vec8(&join.contact);
            w.u64(join.home);
            w.bytes(join.leaf_key.expose());
            w.count(join.ssrcs.len());
            for (cs_id, ssrc) in &join.ssrcs {
                w.u8(*cs_id);
                w.u32(*ssrc);
            }
        }
        w.count(self.reports.len());
        for Reported { cs_id, ssrc, roc, seq, chains } in &self.reports {
            w.u8(*cs_id);
            w.u32(*ssrc);
            w.u32(*roc);
            w.u16(*seq);
            encode_chains(w, chains);
        }
        w.u8(self.renewal.is_some().into());
        if let Some(renewal) = &self.renewal {
            w.u32(renewal.epoch);
            w.u32(renewal.t);
            w.bytes(renewal.seed.expose());
            w.bytes(renewal.gtgk.expose());
            w.count(renewal.signatures.len());
            renewal.signatures.iter().for_each(|signature| w.vec16(signature));
        }
    }

    fn decode(r: &mut Reader<'_>, key_len: usize) -> Result<Self> {
        Ok(Self {
            leaves: r.list(MAX_BATCH, Reader::u32)?,
            joins: r.list(MAX_BATCH, |r| Joined::decode(r, key_len))?,
            reports: r.list(MAX_BATCH, |r| {
                let (cs_id, ssrc, roc, seq) = (r.u8()?, r.u32()?, r.u32()?, r.u16()?);
                Ok(Reported { cs_id, ssrc, roc, seq, chains: decode_chains(r)? })
            })?,
            renewal: if r.flag()? { Some(Renewal::decode(r, key_len)?) } else { None },
        })
    }
}

pub(crate) fn encode_chains(w: &mut Writer, chains: &ChainKeys) {
    w.count(chains.iter().flatten().count());
    for Commitment { interval, key } in chains.iter().flatten() {
        w.u32(*interval);
        w.bytes(key);
    }
}

pub(crate) fn decode_chains(r: &mut Reader<'_>) -> Result<ChainKeys> {
    let mut keys = r.list(2, |r| Ok(Commitment { interval: r.u32()?, key: r.array()? }))?.into_iter();
    Ok([keys.next(), keys.next()])
}

impl Joined {
    fn decode(r: &mut Reader<'_>, key_len: usize) -> Result<Self> {
        let name = r.name()?;
        let roles = match r.u8()? {
            roles @ 1..=3 => GroupRoles { sends: roles & 1 != 0, receives: roles & 2 != 0 },
            _ => return r.fail("roles that are none"),
        };
        let contact = r.vec8()?;
        if contact.len() > MAX_CONTACT {
            return r.fail("a contact that is too long");
        }
        Ok(Self {
            name,
            roles,
            contact: contact.to_vec(),
            home: r.u64()?,
            leaf_key: r.secret(key_len)?,
            ssrcs: r.list(MAX_SSRCS, |r| Ok((r.u8()?, r.u32()?)))?,
        })
    }
}

impl Renewal {
    fn decode(r: &mut Reader<'_>, key_len: usize) -> Result<Self> {
        Ok(Self {
            epoch: r.u32()?,
            t: r.u32()?,
            seed: r.secret(SEED)?,
            gtgk: r.secret(key_len)?,
            signatures: r.list(MAX_MESSAGES, |r| r.vec16().map(<[u8]>::to_vec))?,
        })
    }
}
