//! GROUP_REKEY as octets: which new keys go out under which old ones, and how they are packed (docs/spec.md, "GROUP_REKEY").
//!
//! Invariant: no new key goes out under a key that somebody who leaves has known; the group key goes out last.

use std::collections::BTreeMap;

use mikey_crypto::{MethodId, Prf, SecretBytes};
use mikey_proto::{GroupCipher, GroupSender, sender_keys};
use mikey_wire::{
    Auth, CsMap, DataType, Extension, Header, KeyData, KeyId, KeyIdType, KeyType, Kv, Payload, PayloadType,
    Session, T, Version, encode_chain, encode_open, first_type,
};
use zeroize::Zeroizing;

use crate::error::GroupError;
use crate::record::Genesis;
use crate::tree::{Plan, Rule, Tree};

/// Derives node keys from a record's seed; it never leaves the controllers.
const NODE: [u8; 4] = *b"mv2n";

/// The new keys of a change, by node: version and key.
pub(crate) type NewKeys = BTreeMap<u32, (u32, SecretBytes)>;

/// The new keys of a plan.
pub(crate) fn new_keys(prf: Prf, tree: &Tree, plan: &Plan, seed: &SecretBytes) -> NewKeys {
    let seed = prf.key(seed.expose());
    let key = |(node, rule): (&u32, &Rule)| {
        let version = match rule {
            Rule::Fresh(version) => *version,
            Rule::Leave | Rule::Join => tree.version(*node) + 1,
        };
        let label: [&[u8]; 3] = [&NODE, &node.to_be_bytes(), &version.to_be_bytes()];
        (*node, (version, seed.derive(&label, prf.hash_len())))
    };
    plan.dirty.iter().map(key).collect()
}

/// Keys that go out under one key.
pub(crate) struct Wrap<'a> {
    pub(crate) node: u32,
    pub(crate) version: u32,
    under: &'a [u8],
    nodes: Vec<(u32, u32, &'a [u8])>,
    gtgk: Option<(u32, &'a [u8])>,
}

/// Every wrap of a change, each after those that its key comes from, the group key's last. None if nobody stays.
pub(crate) fn wraps<'a>(
    tree: &'a Tree,
    plan: &Plan,
    keys: &'a NewKeys,
    gtgk: (u32, &'a SecretBytes),
) -> Vec<Wrap<'a>> {
    let mut wraps = Vec::new();
    if tree.stayers(plan, 1) == 0 {
        return wraps;
    }
    let new = |node: u32| keys.get(&node).map(|(version, key)| (node, *version, key.expose()));
    for moved in &plan.moved {
        let path = crate::tree::ancestors(moved.to).take_while(|node| *node >= moved.from);
        let nodes = path.filter_map(new).collect();
        let (node, version) = (moved.from, moved.version + 1);
        wraps.push(Wrap { node, version, under: tree.key(node), nodes, gtgk: None });
    }
    for (node, rule) in plan.dirty.iter().rev() {
        let Some(key) = new(*node) else { continue };
        let mut under = |node: u32, version: u32, under: &'a [u8]| {
            wraps.push(Wrap { node, version, under, nodes: vec![key], gtgk: None });
        };
        match rule {
            // Who was there has it by the wrap of its move.
            Rule::Fresh(_) => (),
            Rule::Join if tree.stayers(plan, *node) > 0 => under(*node, tree.version(*node), tree.key(*node)),
            Rule::Join => (),
            // R14.3
            Rule::Leave => {
                for child in [2 * node, 2 * node + 1] {
                    if tree.stayers(plan, child) == 0 {
                        continue;
                    }
                    let (_, version, key) =
                        new(child).unwrap_or((child, tree.version(child), tree.key(child)));
                    under(child, version, key);
                }
            }
        }
    }
    let (node, version, under) = new(1).unwrap_or((1, tree.version(1), tree.key(1)));
    let (epoch, gtgk) = gtgk;
    wraps.push(Wrap { node, version, under, nodes: Vec::new(), gtgk: Some((epoch, gtgk.expose())) });
    wraps
}

impl Wrap<'_> {
    /// What is sealed.
    fn plaintext(&self) -> Result<Zeroizing<Vec<u8>>, GroupError> {
        let ids: Vec<[u8; 8]> =
            self.nodes.iter().map(|(node, version, _)| node_id(*node, *version)).collect();
        let epoch = self.gtgk.map(|(epoch, _)| epoch.to_be_bytes());
        let mut payloads = Vec::with_capacity(ids.len() + 1);
        for ((_, _, key), id) in self.nodes.iter().zip(&ids) {
            let kv = Kv::Spi(id);
            payloads.push(Payload::KeyData(KeyData { ty: KeyType::KEK, key, salt: None, kv }));
        }
        if let Some(((_, key), epoch)) = self.gtgk.zip(epoch.as_ref()) {
            let kv = Kv::Spi(epoch);
            payloads.push(Payload::KeyData(KeyData { ty: KeyType::GTGK, key, salt: None, kv }));
        }
        let mut plaintext = Zeroizing::new(Vec::with_capacity(self.plaintext_len()));
        plaintext.push(first_type(&payloads, PayloadType::LAST).0);
        encode_chain(&mut plaintext, &payloads, PayloadType::LAST).map_err(|_| GroupError::Full("keys"))?;
        Ok(plaintext)
    }

    fn plaintext_len(&self) -> usize {
        let node = |(_, _, key): &(u32, u32, &[u8])| KEY_DATA + 8 + key.len();
        let gtgk = self.gtgk.map_or(0, |(_, key)| KEY_DATA + 4 + key.len());
        1 + self.nodes.iter().map(node).sum::<usize>() + gtgk
    }

    /// Octets in a message.
    fn len(&self, cipher: &GroupCipher) -> usize {
        KEY_ID + cipher.overhead() + self.plaintext_len()
    }
}

/// Octets of a key data payload beside key and SPI.
const KEY_DATA: usize = 5;
/// Octets of a KEY-ID payload.
const KEY_ID: usize = 14;
/// Octets of HDR, SESSION and T.
const HEAD: usize = 10 + 20 + 6;
/// Octets of AUTH beside the signature, and of SENDERS beside its entries.
const FRAME: usize = 4;
/// Octets of an entry of SENDERS; of an I-Key extension, and of each key in it.
const SENDER: usize = 12;
const IKEY: usize = 4;
const IKEY_EACH: usize = 24;

/// Octets of senders, with their I-Keys if the group has TESLA.
fn senders_len(genesis: &Genesis, senders: &[GroupSender]) -> usize {
    let keys = |sender: &GroupSender| IKEY + IKEY_EACH * sender.chains.iter().flatten().count();
    let tesla: usize = senders.iter().filter(|_| genesis.tesla.is_some()).map(keys).sum();
    SENDER * senders.len() + tesla
}
/// Wraps in one message at most.
const MAX_WRAPS: usize = mikey_wire::limits::MAX_GROUP_NODES;

fn node_id(node: u32, version: u32) -> [u8; 8] {
    (u64::from(node) << 32 | u64::from(version)).to_be_bytes()
}

/// Octets of a signature at most.
fn signature_len(method: MethodId) -> usize {
    match method {
        MethodId::ED25519 | MethodId::ECDSA_P256_SHA256 => 64,
        MethodId::ECDSA_P384_SHA384 => 96,
        _ => 512,
    }
}

/// What goes into one message.
struct Load<'w, 'a> {
    senders: Vec<GroupSender>,
    wraps: Vec<&'w Wrap<'a>>,
}

/// Distributes wraps, in order, and changes of senders over messages; each has a wrap at least.
fn pack<'w, 'a>(
    genesis: &Genesis,
    cipher: &GroupCipher,
    wraps: &'w [Wrap<'a>],
    senders: &[GroupSender],
) -> Vec<Load<'w, 'a>> {
    let room = usize::from(genesis.path).saturating_sub(HEAD + FRAME + signature_len(genesis.method));
    let mut loads: Vec<Load<'w, 'a>> = Vec::new();
    let mut senders = senders;
    let mut rest = wraps;
    // Senders that fill messages of their own have the first wrap with them, which is no secret to who has its key.
    while let Some(first) = wraps.first() {
        let mut left = room.saturating_sub(FRAME + first.len(cipher));
        let fits = senders.iter().take_while(|sender| {
            let next = left.checked_sub(senders_len(genesis, std::slice::from_ref(*sender)));
            left = next.unwrap_or(left);
            next.is_some()
        });
        let most = fits.count().max(1);
        if senders.len() <= most {
            break;
        }
        let (now, later) = senders.split_at(most);
        loads.push(Load { senders: now.to_vec(), wraps: vec![first] });
        senders = later;
    }
    let mut senders = senders.to_vec();
    while !rest.is_empty() {
        let mut left = room;
        if !senders.is_empty() {
            left = left.saturating_sub(FRAME + senders_len(genesis, &senders));
        }
        let mut count = 0;
        for wrap in rest.iter().take(MAX_WRAPS) {
            let len = wrap.len(cipher);
            if count > 0 && len > left {
                break;
            }
            left = left.saturating_sub(len);
            count += 1;
        }
        let (now, later) = rest.split_at(count);
        loads.push(Load { senders: std::mem::take(&mut senders), wraps: now.iter().collect() });
        rest = later;
    }
    loads
}

/// The messages of a change, from number `t` on. `sign` makes AUTH's data of what it covers, or has it.
pub(crate) fn messages(
    genesis: &Genesis,
    cipher: &GroupCipher,
    t: u32,
    wraps: &[Wrap<'_>],
    senders: &[GroupSender],
    mut sign: impl FnMut(&[u8]) -> Result<Vec<u8>, GroupError>,
) -> Result<Vec<Vec<u8>>, GroupError> {
    let loads = pack(genesis, cipher, wraps, senders);
    let mut messages = Vec::with_capacity(loads.len());
    for (at, load) in (0_u32..).zip(&loads) {
        let t =
            t.checked_add(at).filter(|t| *t < mikey_wire::limits::T_NEVER).ok_or(GroupError::Exhausted)?;
        messages.push(message(genesis, cipher, t, load, &mut sign)?);
    }
    Ok(messages)
}

fn message(
    genesis: &Genesis,
    cipher: &GroupCipher,
    t: u32,
    load: &Load<'_, '_>,
    sign: &mut impl FnMut(&[u8]) -> Result<Vec<u8>, GroupError>,
) -> Result<Vec<u8>, GroupError> {
    let header = Header {
        version: Version::V2,
        data_type: DataType::GROUP_REKEY,
        v: false,
        prf: genesis.prf.0,
        csb_id: genesis.csb_id,
        cs_map: CsMap::NONE,
    };
    let long = |_| GroupError::Full("octets of a message");
    let session = Session { spi_i: genesis.spi, spi_r: 0 };
    let opening = [Payload::Ext(Extension::Session(session)), Payload::T(T::Counter(t))];
    let mut out = encode_open(&header, &opening, PayloadType::EXT).map_err(long)?;
    let head = out.clone();
    if !load.senders.is_empty() {
        let keys = if genesis.tesla.is_some() { sender_keys(&load.senders) } else { Vec::new() };
        let entries = load.senders.iter().map(GroupSender::as_wire).collect();
        let mut senders = vec![Payload::Ext(Extension::Senders(entries))];
        senders.extend(keys.iter().map(|data| Payload::Ext(Extension::TeslaKey(data))));
        encode_chain(&mut out, &senders, PayloadType::EXT).map_err(long)?;
    }
    for (at, wrap) in load.wraps.iter().enumerate() {
        let id = node_id(wrap.node, wrap.version);
        let key_id = KeyId { ty: KeyIdType::TREE_NODE, id: &id };
        let mut octets = Vec::with_capacity(KEY_ID);
        encode_chain(&mut octets, &[Payload::Ext(Extension::KeyId(vec![key_id]))], PayloadType::KEMAC)
            .map_err(long)?;
        out.extend_from_slice(&octets);
        let next = if at + 1 == load.wraps.len() { PayloadType::AUTH } else { PayloadType::EXT };
        let under = (wrap.under, wrap.node, wrap.version);
        cipher.seal(under, t, &[&head, &octets], next, &wrap.plaintext()?, &mut out)?;
    }
    let data = sign(&cipher.covered(&out))?;
    let auth = Payload::Auth(Auth { method: genesis.method.0, data: &data });
    encode_chain(&mut out, &[auth], PayloadType::LAST).map_err(long)?;
    Ok(out)
}
