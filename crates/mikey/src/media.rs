//! The SRTP contexts of each session: where its keys go when they come, and by which crypto session packets are found.
//!
//! Outbound contexts are found by session, not by the peer's address, so that an address may change under them. Inbound
//! contexts are found by (SSRC, our address, our port).

use std::collections::HashMap;
use std::net::SocketAddr;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::limits::EARLY_MEDIA;
use mikey_proto::{SessionId, Side, SrtpKeys, StreamKeys, Time};
use mikey_srtp::{
    ContextDb, Destination, Direction, Install, InstallError, Lifetime, MasterKey, Mki, Owner, PacketIndex,
    ProtectError, SenderId, Ssrc, Ssrcs, StartIndex, Validity,
};

/// How long an old inbound key still opens packets after a rekey.
const OLD_KEY: core::time::Duration = core::time::Duration::from_secs(5);

/// A renewal that came to nothing is not asked for again before this.
const RENEWAL_PAUSE: core::time::Duration = core::time::Duration::from_secs(2);

/// Octets of early media.
const EARLY_OCTETS: usize = 64_000;

/// A stream whose context is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaStream {
    /// The crypto session.
    pub cs_id: u8,
    /// Who sends it.
    pub sender: Side,
    /// Its SSRC, if it was told; else the first authentic packet tells.
    pub ssrc: Option<u32>,
    /// How it is protected.
    pub policy: SrtpPolicy,
    /// 0 for the keys of the handshake; one more with every rekey.
    pub generation: u32,
}

/// All contexts.
pub(crate) struct MediaTable {
    pub(crate) db: ContextDb,
    inbound: Destination,
    sessions: HashMap<Owner, Contexts>,
    next_flow: u32,
    lifetime: Lifetime,
}

struct Contexts {
    session: SessionId,
    flow: Destination,
    streams: Vec<Installed>,
    /// While only the keys of early media are there: where it goes, and what bounds it.
    early: Option<(SocketAddr, Bound)>,
    /// While everything of the peer may be a repeat: what bounds ours.
    unproven: Option<Bound>,
    /// When new keys may be asked for, because the packets of one run out.
    renewal_at: Time,
}

/// What bounds media to a peer of whom no fresh message has come (docs/spec.md, "RESUME").
struct Bound {
    until: Time,
    octets: usize,
}

impl Bound {
    fn new(now: Time) -> Self {
        Self { until: now + EARLY_MEDIA, octets: EARLY_OCTETS }
    }

    fn take(&mut self, now: Time, octets: usize) -> Result<(), ProtectError> {
        self.octets = self.octets.checked_sub(octets).ok_or(ProtectError::KeyExhausted)?;
        if now > self.until { Err(ProtectError::KeyExpired) } else { Ok(()) }
    }
}

struct Installed {
    cs_id: u8,
    sender: Side,
    /// Whether its SSRC was left open.
    late: bool,
    id: SenderId,
}

impl MediaTable {
    /// Contexts in `db`, found inbound by `inbound`. A key protects at most `packets` SRTP packets.
    pub(crate) fn new(db: ContextDb, inbound: Destination, packets: Option<u64>) -> Self {
        let mut lifetime = Lifetime::RFC3711;
        lifetime.srtp_packets = packets.unwrap_or(lifetime.srtp_packets);
        Self { db, inbound, sessions: HashMap::new(), next_flow: 0, lifetime }
    }

    /// The packets of a key run out: whether to ask for new ones now.
    pub(crate) fn ask_for_renewal(&mut self, now: Time, session: SessionId) -> bool {
        let contexts = self.sessions.get_mut(&Owner(session.as_u64()));
        let Some(contexts) = contexts.filter(|contexts| contexts.renewal_at <= now) else { return false };
        contexts.renewal_at = now + RENEWAL_PAUSE;
        true
    }

    /// Installs the keys of early media; those of the handshake follow.
    pub(crate) fn install_early(
        &mut self,
        now: Time,
        session: SessionId,
        remote: SocketAddr,
        keys: SrtpKeys,
    ) -> Result<Vec<MediaStream>, InstallError> {
        let installed = self.install(now, session, keys)?;
        if let Some(contexts) = self.sessions.get_mut(&Owner(session.as_u64())) {
            contexts.early = Some((remote, Bound::new(now)));
        }
        Ok(installed)
    }

    /// Bounds what is sent in a session until its peer has shown that it is there.
    pub(crate) fn bound(&mut self, now: Time, session: SessionId) {
        if let Some(contexts) = self.sessions.get_mut(&Owner(session.as_u64())) {
            contexts.unproven = Some(Bound::new(now));
        }
    }

    /// The peer of a session has shown that it is there.
    pub(crate) fn unbound(&mut self, session: SessionId) {
        if let Some(contexts) = self.sessions.get_mut(&Owner(session.as_u64())) {
            contexts.unproven = None;
        }
    }

    /// Takes `octets` of what a session may send while it is bounded; says where early media goes, if only early keys are
    /// there.
    pub(crate) fn take_bounded(
        &mut self,
        now: Time,
        session: SessionId,
        octets: usize,
    ) -> Result<Option<SocketAddr>, ProtectError> {
        let Some(contexts) = self.sessions.get_mut(&Owner(session.as_u64())) else { return Ok(None) };
        if let Some(bound) = &mut contexts.unproven {
            bound.take(now, octets)?;
        }
        let Some((remote, bound)) = &mut contexts.early else { return Ok(None) };
        bound.take(now, octets)?;
        Ok(Some(*remote))
    }

    /// Installs the keys of a handshake, or gives the streams of a rekey their new ones.
    pub(crate) fn install(
        &mut self,
        now: Time,
        session: SessionId,
        keys: SrtpKeys,
    ) -> Result<Vec<MediaStream>, InstallError> {
        let generation = keys.generation;
        let mut installed = Vec::with_capacity(keys.streams.len());
        for stream in keys.streams {
            let about = MediaStream {
                cs_id: stream.cs_id,
                sender: stream.sender,
                ssrc: stream.ssrc,
                policy: stream.policy,
                generation,
            };
            self.install_stream(now, session, stream)?;
            installed.push(about);
        }
        if let Some(contexts) = self.sessions.get_mut(&Owner(session.as_u64())) {
            contexts.early = None;
        }
        Ok(installed)
    }

    fn install_stream(
        &mut self,
        now: Time,
        session: SessionId,
        keys: StreamKeys,
    ) -> Result<(), InstallError> {
        let mki = Mki::new(&keys.mki).map_err(|_| InstallError::MkiLen)?;
        let validity = keys.valid.map_or(Validity::Always, |(from, to)| Validity::Range {
            from: PacketIndex::from_u64(from),
            to: PacketIndex::from_u64(to),
        });
        let key = MasterKey::new(keys.master_key, keys.master_salt)
            .with_mki(mki)
            .with_validity(validity)
            .with_lifetime(self.lifetime);
        let next_flow = &mut self.next_flow;
        let owner = Owner(session.as_u64());
        let contexts = self.sessions.entry(owner).or_insert_with(|| {
            *next_flow = next_flow.wrapping_add(1);
            Contexts {
                session,
                flow: Destination::flow(*next_flow),
                streams: Vec::new(),
                early: None,
                unproven: None,
                renewal_at: now,
            }
        });
        if let Some(old) = contexts.streams.iter().find(|s| s.cs_id == keys.cs_id) {
            let keep = if contexts.early.is_some() { EARLY_MEDIA } else { OLD_KEY };
            let retire = mikey_srtp::Time(now.as_nanos()).after(keep);
            return self.db.rekey(old.id, key, retire);
        }
        let start =
            keys.index.map_or(StartIndex::BEGIN, |(roc, seq)| StartIndex::At(PacketIndex::new(roc, seq)));
        let ssrcs = match (keys.sender, keys.ssrc) {
            (_, Some(ssrc)) => Ssrcs::These(vec![(Ssrc(ssrc), start)]),
            // Ours are bound by the crypto session that the application names, so two of them never contend.
            (Side::Local, None) => Ssrcs::These(Vec::new()),
            (Side::Remote, None) => Ssrcs::Any,
        };
        let (direction, destination) = match keys.sender {
            Side::Local => (Direction::Outbound, contexts.flow),
            Side::Remote => (Direction::Inbound, self.inbound),
        };
        let install = Install::new(direction, destination, owner, ssrcs, keys.policy, key);
        let id = self.db.install(install)?;
        contexts.streams.push(Installed {
            cs_id: keys.cs_id,
            sender: keys.sender,
            late: keys.ssrc.is_none(),
            id,
        });
        Ok(())
    }

    /// A destination for packets that nobody else's go to.
    pub(crate) fn new_flow(&mut self) -> Destination {
        self.next_flow = self.next_flow.wrapping_add(1);
        Destination::flow(self.next_flow)
    }

    /// Removes everything of a session.
    pub(crate) fn remove(&mut self, session: SessionId) {
        let owner = Owner(session.as_u64());
        if self.sessions.remove(&owner).is_some() {
            self.db.remove_owner(owner);
        }
    }

    /// Removes the contexts of some streams.
    pub(crate) fn remove_streams(&mut self, session: SessionId, cs_ids: &[u8]) {
        let Some(contexts) = self.sessions.get_mut(&Owner(session.as_u64())) else { return };
        for stream in contexts.streams.extract_if(.., |s| cs_ids.contains(&s.cs_id)) {
            self.db.remove(stream.id);
        }
    }

    /// Where packets come in.
    pub(crate) fn inbound(&self) -> Destination {
        self.inbound
    }

    /// The flow of a session's outbound packets, with `ssrc` bound to the crypto session `cs_id` if it was not yet.
    pub(crate) fn outbound(
        &mut self,
        session: SessionId,
        cs_id: u8,
        ssrc: Ssrc,
    ) -> Result<Destination, ProtectError> {
        let contexts = self.sessions.get(&Owner(session.as_u64())).ok_or(ProtectError::UnknownStream)?;
        let stream = contexts.streams.iter().find(|s| s.cs_id == cs_id && s.sender == Side::Local);
        let stream = stream.ok_or(ProtectError::UnknownStream)?;
        if self.db.stream(stream.id, ssrc).is_none() {
            let bound = stream.late && self.db.add_ssrc(stream.id, ssrc, StartIndex::BEGIN).is_ok();
            return if bound { Ok(contexts.flow) } else { Err(ProtectError::UnknownStream) };
        }
        Ok(contexts.flow)
    }

    /// Whose a sender is, of whom an authentic packet came.
    pub(crate) fn heard(&mut self, owner: Owner, id: SenderId) -> Option<(SessionId, u8)> {
        let contexts = self.sessions.get_mut(&owner)?;
        contexts.unproven = None;
        contexts.streams.iter().find(|s| s.id == id).map(|s| (contexts.session, s.cs_id))
    }
}
