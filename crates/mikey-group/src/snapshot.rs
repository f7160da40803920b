//! A snapshot: the whole state of a group as octets. It holds every key; sealing it is the store's matter.

use mikey_crypto::CryptoProvider;
use mikey_crypto::SecretBytes;
use mikey_proto::GroupRoles;

use crate::error::GroupError;
use crate::limits::{MAX_CONTACT, MAX_MEMBERS, MAX_SENDERS, MAX_SSRCS};
use crate::octets::{Reader, Writer};
use crate::record::{Genesis, decode_chains, encode_chains};
use crate::state::{Seat, Standing, State};

/// Of this format.
const VERSION: u8 = 2;

pub(crate) fn encode(state: &State) -> SecretBytes {
    let tree = &state.tree;
    let nodes = (2 * tree.places()).saturating_sub(1);
    let key_len = state.cipher.key_len();
    let seats = state.seats.len() * 128;
    let mut w = Writer::with_capacity(4096 + usize::try_from(nodes).unwrap_or(0) * (4 + key_len) + seats);
    w.u8(VERSION);
    state.genesis.encode(&mut w);
    w.u64(state.seq);
    w.u32(state.epoch);
    w.u32(state.next_t);
    w.vec8(state.gtgk.expose());
    w.u32(tree.places());
    for node in 1..=nodes {
        w.u32(tree.version(node));
        w.bytes(tree.key(node));
    }
    // In the order of their leaves, so that one state has one snapshot.
    let mut leaves: Vec<u32> = state.seats.keys().copied().collect();
    leaves.sort_unstable();
    w.count(leaves.len());
    for (leaf, seat) in leaves.iter().filter_map(|leaf| Some((leaf, state.seats.get(leaf)?))) {
        w.u32(*leaf);
        w.name(&seat.name);
        w.u8(u8::from(seat.roles.sends) | u8::from(seat.roles.receives) << 1);
        w.vec8(&seat.contact);
        w.u64(seat.since);
        w.u64(seat.home);
        w.count(seat.ssrcs.len());
        for sender in &seat.ssrcs {
            let Standing { roc, seq, chains } = state.senders.get(sender).copied().unwrap_or_default();
            w.u8(sender.0);
            w.u32(sender.1);
            w.u32(roc);
            w.u16(seq);
            encode_chains(&mut w, &chains);
        }
    }
    w.finish()
}

pub(crate) fn decode(provider: &CryptoProvider, octets: &[u8]) -> Result<State, GroupError> {
    let mut r = Reader::new(octets);
    if r.u8()? != VERSION {
        return Ok(r.fail("a version of snapshots that is not known")?);
    }
    let mut state = State::new(provider, Genesis::decode(&mut r)?)?;
    let key_len = state.cipher.key_len();
    state.seq = r.u64()?;
    state.epoch = r.u32()?;
    state.next_t = r.u32()?;
    state.gtgk = SecretBytes::copy_from(r.vec8()?);
    if state.gtgk.len() != if state.epoch == 0 { 0 } else { key_len } {
        return Ok(r.fail("a group key of another length")?);
    }
    let places = r.u32()?;
    if places > MAX_MEMBERS {
        return Ok(r.fail("more places than there may be")?);
    }
    let nodes = usize::try_from((2 * places).saturating_sub(1)).unwrap_or(usize::MAX);
    let span = r.take(nodes.saturating_mul(4 + key_len))?;
    state.tree.restore(
        places,
        span.chunks_exact(4 + key_len).map(|node| {
            let (version, key) = node.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
            (u32::from_be_bytes(*version), SecretBytes::copy_from(key))
        }),
    );
    let count = r.u32()?;
    for _ in 0..count {
        let (leaf, seat) = seat(&mut r, &mut state)?;
        let taken = !state.tree.seat(leaf) || state.by_name.insert(seat.name.clone(), leaf).is_some();
        if taken || state.seats.insert(leaf, seat).is_some() {
            return Ok(r.fail("a leaf or a name twice, or a leaf that is none")?);
        }
    }
    r.finish()?;
    Ok(state)
}

fn seat(r: &mut Reader<'_>, state: &mut State) -> Result<(u32, Seat), GroupError> {
    let leaf = r.u32()?;
    let name = r.name()?;
    let roles = match r.u8()? {
        roles @ 1..=3 => GroupRoles { sends: roles & 1 != 0, receives: roles & 2 != 0 },
        _ => return Ok(r.fail("roles that are none")?),
    };
    let contact = r.vec8()?;
    if contact.len() > MAX_CONTACT {
        return Ok(r.fail("a contact that is too long")?);
    }
    let since = r.u64()?;
    let home = r.u64()?;
    *state.homes.entry(home).or_default() += 1;
    let entry = |r: &mut Reader<'_>| {
        let sender = (r.u8()?, r.u32()?);
        Ok((sender, Standing { roc: r.u32()?, seq: r.u16()?, chains: decode_chains(r)? }))
    };
    let senders = r.list(MAX_SSRCS, entry)?;
    for (sender, at) in &senders {
        let session = state.genesis.sessions.iter().any(|session| session.cs_id == sender.0);
        if !session || state.uses(sender.1) || state.senders.len() >= MAX_SENDERS {
            return Ok(r.fail("an ssrc twice, or of no rtp session")?);
        }
        state.senders.insert(*sender, *at);
    }
    let ssrcs = senders.into_iter().map(|(sender, _)| sender).collect();
    Ok((leaf, Seat { name, roles, contact: contact.into(), since, home, ssrcs }))
}
