//! GROUP_REKEY (section 6): new node keys and a new group key, pushed by the controller.

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::message::{Item, Message};
use crate::payload::{Auth, Extension, Group, Kemac, KeyData, Kv, Payload, Sender, TeslaIKey};
use crate::reader::Result;
use crate::registry::{DataType, KeyIdType, KeyType, PayloadType};
use crate::rules::{self, Fields, need};
use crate::v2::info::sender_keys;
use crate::v2::sealed::{KEMAC_HEAD, inner_items};
use crate::v2::table::{GROUP_NODE_INNER, GROUP_REKEY, check_version};

/// GROUP_REKEY. Its AUTH is checked before anything is decrypted.
#[derive(Clone, Debug)]
pub struct GroupRekey<'a> {
    /// The group's CSB ID.
    pub csb_id: u32,
    /// PRF func, the group's.
    pub prf: u8,
    /// The group's SPI.
    pub group_spi: u64,
    /// T of the group.
    pub t: u32,
    /// Who sends in the group from now on.
    pub senders: Option<Vec<Sender>>,
    /// Keys of each sender's TESLA chains, in the order of `senders`; empty in a group without.
    pub tesla_keys: Vec<Vec<TeslaIKey>>,
    /// One for each node whose key encrypts something, each node and version once.
    pub nodes: Vec<GroupNode<'a>>,
    /// AUTH by the controller.
    pub auth: Auth<'a>,
    /// First octet of AUTH: it covers what stands before.
    pub auth_start: usize,
    /// HDR up to and with T: the start of every node's additional data.
    pub head: &'a [u8],
    /// The message as it came.
    pub raw: &'a [u8],
}

/// A KEY-ID and the KEMAC under that node's key.
#[derive(Clone, Copy, Debug)]
pub struct GroupNode<'a> {
    /// Node of the key tree, from 1 (the root).
    pub node: u32,
    /// Version of the node's key.
    pub version: u32,
    /// The KEY-ID payload.
    pub key_id: &'a [u8],
    /// KEMAC.
    pub kemac: Kemac<'a>,
    /// The KEMAC payload.
    pub kemac_octets: &'a [u8],
}

impl<'a> GroupRekey<'a> {
    /// Reads a GROUP_REKEY without opening anything.
    ///
    /// # Errors
    /// [`DecodeError`] for any rule of sections 2, 4 and 6 that can be seen from outside.
    pub fn decode(raw: &'a [u8]) -> Result<Self> {
        let message = Message::decode(raw)?;
        check_version(&message.header)?;
        let fields = Fields::read(GROUP_REKEY.rows, &message.items)?;
        let session = need(fields.session, "SESSION")?;
        GROUP_REKEY.check_head(&message.header, session)?;
        let (auth, auth_start) = need(fields.auth, "AUTH")?;
        let t_end =
            message.items.iter().find(|item| item.payload.ty() == PayloadType::T).map(|item| item.end);
        Ok(Self {
            csb_id: message.header.csb_id,
            prf: message.header.prf,
            group_spi: session.spi_i,
            t: need(fields.t, "T")?,
            tesla_keys: sender_keys(&fields)?,
            senders: fields.senders,
            nodes: nodes(&message)?,
            auth,
            auth_start,
            head: raw.get(..need(t_end, "T")?).unwrap_or_default(),
            raw,
        })
    }
}

impl GroupNode<'_> {
    /// The additional data of an AEAD suite, behind the message's `head`: this KEY-ID, and this KEMAC up to
    /// Encr data.
    #[must_use]
    pub fn aad(&self, head: &[u8]) -> Vec<u8> {
        [head, self.key_id, self.kemac_octets.get(..KEMAC_HEAD).unwrap_or_default()].concat()
    }

    /// What the HMAC of a counter-mode suite covers, behind the message's `head`: this KEY-ID, and this
    /// KEMAC up to and with Mac alg.
    #[must_use]
    pub fn maced(&self, head: &[u8]) -> Vec<u8> {
        let end = self.kemac_octets.len().saturating_sub(self.kemac.mac.len());
        [head, self.key_id, self.kemac_octets.get(..end).unwrap_or_default()].concat()
    }
}

/// Reads the plaintext of one node's Encr data: node keys, then perhaps the group key.
///
/// # Errors
/// [`DecodeError`], with offsets into the plaintext: nothing but key data of types KEK and GTGK, each with
/// its SPI, the group key last.
pub fn decode_node_keys(plaintext: &[u8]) -> Result<Vec<KeyData<'_>>> {
    let items = inner_items(plaintext, DataType::GROUP_REKEY)?;
    let fields = Fields::read(GROUP_NODE_INNER, &items)?;
    check_key_types(&fields.key_data)?;
    Ok(fields.key_data)
}

/// Pairs of KEY-ID and KEMAC. The rows allow either where a node may stand; here they alternate.
fn nodes<'a>(message: &Message<'a>) -> Result<Vec<GroupNode<'a>>> {
    let mut nodes: Vec<GroupNode<'a>> = Vec::new();
    let mut key_id = None;
    for item in &message.items {
        let unexpected = || rules::at(Some(item), 0, "KEY-ID and KEMAC", DecodeErrorKind::Unexpected);
        match (&item.payload, key_id) {
            (Payload::Ext(Extension::KeyId(_)), None) => {
                let (node, version) = node_of(item)?;
                if nodes.iter().any(|other| (other.node, other.version) == (node, version)) {
                    return Err(rules::at(Some(item), 0, "Key ID", DecodeErrorKind::Duplicate(node)));
                }
                key_id = Some((node, version, message.octets(item)));
            }
            (Payload::Kemac(kemac), Some((node, version, octets))) => {
                let kemac_octets = message.octets(item);
                nodes.push(GroupNode { node, version, key_id: octets, kemac: *kemac, kemac_octets });
                key_id = None;
            }
            (Payload::Ext(Extension::KeyId(_)) | Payload::Kemac(_), _) => return Err(unexpected()),
            (_, Some(_)) => return Err(unexpected()),
            (_, None) => {}
        }
    }
    Ok(nodes)
}

/// The node and version that a KEY-ID names: one Key ID of type 64, node not 0.
fn node_of(item: &Item<'_>) -> Result<(u32, u32)> {
    let fail = |kind| Err(rules::at(Some(item), 0, "Key ID", kind));
    let Payload::Ext(Extension::KeyId(ids)) = &item.payload else {
        return fail(DecodeErrorKind::Unexpected);
    };
    let [id] = ids.as_slice() else {
        return fail(DecodeErrorKind::Length(ids.len()));
    };
    if id.ty != KeyIdType::TREE_NODE {
        return fail(DecodeErrorKind::Value(u32::from(id.ty.0)));
    }
    match id.id.as_chunks::<4>() {
        ([node, version], []) if *node != [0; 4] => {
            Ok((u32::from_be_bytes(*node), u32::from_be_bytes(*version)))
        }
        _ => fail(DecodeErrorKind::Length(id.id.len())),
    }
}

/// Keys come with the group they belong to, and are of its kinds.
pub(super) fn check_group_keys(keys: &[KeyData<'_>], group: Option<&Group<'_>>) -> Result<()> {
    if group.is_none() && !keys.is_empty() {
        let error = DecodeError::new(0, "key data without GROUP", DecodeErrorKind::Unexpected);
        return Err(error.within(PayloadType::KEY_DATA));
    }
    check_key_types(keys)
}

/// Section 6: KEK with SPI node || version, each once; GTGK with SPI epoch and last.
fn check_key_types(keys: &[KeyData<'_>]) -> Result<()> {
    let mut rest = keys;
    while let Some((key, tail)) = rest.split_first() {
        let fits = match (key.ty, key.kv) {
            (KeyType::KEK, Kv::Spi(spi)) => spi.len() == 8 && tail.iter().all(|other| other.kv != key.kv),
            (KeyType::GTGK, Kv::Spi(spi)) => spi.len() == 4 && tail.is_empty(),
            _ => false,
        };
        if !fits {
            let kind = DecodeErrorKind::Value(u32::from(key.ty.0));
            return Err(DecodeError::new(0, "Type and KV", kind).within(PayloadType::KEY_DATA));
        }
        rest = tail;
    }
    Ok(())
}
