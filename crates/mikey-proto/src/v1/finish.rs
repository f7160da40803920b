//! The initiator: the response, and what both agree on.
//!
//! Anybody can send a response. One that is not ours, or does not verify, changes nothing, so that the true one may still
//! come.

use mikey_wire::{DataType, Dh, DhGroup, Id, Kemac, MacAlg, Message, Quirks};

use super::bundle::{Bundle, BundleId};
use super::error::Error;
use super::fields::Fields;
use super::key_data::{TrafficKey, srtp_keys};
use super::keys;
use super::message::Parties;
use super::offer::Mode;
use super::party::{Agreement, Party, Pending};
use super::sign::{self, Claimed};
use super::streams::{Sessions, read_policies};
use crate::auth::{AuthLevel, Peer};
use crate::config::Retarget;
use crate::keys::Role;
use crate::name::Name;
use crate::time::Time;

impl Party {
    /// Takes the response to a message of ours. What is not it, or does not verify, changes nothing: the true one may still
    /// come.
    ///
    /// # Errors
    /// [`Error::NotOurs`] for a response to another message; else why it was refused. [`Error::Refused`] is what the peer says.
    pub fn finish(&mut self, now: Time, pending: &mut Pending, message: &[u8]) -> Result<Agreement, Error> {
        if pending.done {
            return Err(Error::NotOurs);
        }
        let (message, quirks) = self.decode(message)?;
        let fields = Fields::read(&message)?;
        let ty = fields.header.data_type;
        let ours = fields.header.csb_id == pending.csb_id && fields.t == pending.t;
        if !ours || (ty != DataType::ERROR && ty != pending.answered_by()) {
            return Err(Error::NotOurs);
        }
        if ty == DataType::ERROR {
            return Err(refusal(pending, &fields));
        }
        if fields.header.prf != pending.prf {
            return Err(Error::NotOurs);
        }
        let sessions = pending.sessions.filled_in(&fields.header.cs_map)?;
        let (peer, keys) = match pending.mode {
            Mode::Null => return Err(Error::NotOurs),
            Mode::Psk | Mode::Pk => self.finish_v(pending, &fields)?,
            Mode::DhHmac => self.finish_dhhmac(pending, &fields)?,
            Mode::Dh => self.finish_dh(now, pending, &fields)?,
            Mode::RsaR => self.finish_rsa_r(now, pending, &fields, quirks)?,
        };
        pending.done = true;
        let keys = if keys.is_empty() { std::mem::take(&mut pending.keys) } else { keys };
        let taken = Pending {
            us: pending.us.clone(),
            to: pending.to.clone(),
            rand: pending.rand.clone(),
            id_i: None,
            id_r: None,
            sessions: sessions.clone(),
            keys,
            message_keys: None,
            inkey: pending.inkey.take(),
            dh: None,
            valid: pending.valid.clone(),
            ..*pending
        };
        self.agree(taken, peer, sessions, quirks)
    }

    /// The names that stand in a response: IDr in the first place, IDi after it.
    fn answerer(&self, pending: &Pending, id: Option<&Id<'_>>) -> Result<Name, Error> {
        let said = id.map(|id| Name::from_wire(id));
        match (&pending.to, said) {
            (Some(to), Some(said)) if *to != said && pending.retarget == Retarget::Refuse => Err(Error::Name),
            (_, Some(said)) => Ok(said),
            (Some(to), None) => Ok(to.clone()),
            (None, None) => Err(Error::Name),
        }
    }

    fn finish_v(&self, pending: &Pending, fields: &Fields<'_>) -> Result<(Peer, Vec<TrafficKey>), Error> {
        let ver = fields.need_ver()?;
        let keys = pending.message_keys.as_ref().ok_or(Error::Bug("a response without keys for it"))?;
        let said = fields.ids.first();
        let id_r = said.map(|id| id.data).or(pending.id_r.as_deref());
        let parties = Parties { id_i: pending.id_i.as_deref(), id_r, t: pending.t };
        keys.verify(ver.auth_alg, &[fields.covered, &parties.octets()], ver.data)?;
        let name = match (&pending.to, said.map(|id| Name::from_wire(id))) {
            (Some(to), Some(said)) if *to != said => return Err(Error::Name),
            (Some(to), _) => to.clone(),
            (None, said) => said.ok_or(Error::Name)?,
        };
        let level = if pending.mode == Mode::Pk { AuthLevel::Certificate } else { AuthLevel::Psk };
        Ok((Peer { name, level, certificate: None }, Vec::new()))
    }

    fn finish_dhhmac(
        &self,
        pending: &Pending,
        fields: &Fields<'_>,
    ) -> Result<(Peer, Vec<TrafficKey>), Error> {
        let (kemac, _) = fields.need_kemac()?;
        let keys = pending.message_keys.as_ref().ok_or(Error::Bug("a response without keys for it"))?;
        check_empty(&kemac)?;
        keys.verify(kemac.mac_alg, &[fields.covered], kemac.mac)?;
        // IDr is optional, IDi is not: of two the first, of one none (RFC 4650 section 3).
        let said = if fields.ids.len() == 2 { fields.ids.first() } else { None };
        let name = match (&pending.to, said.map(|id| Name::from_wire(id))) {
            (Some(to), None) => to.clone(),
            (Some(to), Some(said)) if *to == said => said,
            _ => return Err(Error::Name),
        };
        check_own_id(pending, fields)?;
        let keys = agree_dh(pending, fields, self.policy.lenient)?;
        Ok((Peer { name, level: AuthLevel::Psk, certificate: None }, keys))
    }

    fn finish_dh(
        &self,
        now: Time,
        pending: &Pending,
        fields: &Fields<'_>,
    ) -> Result<(Peer, Vec<TrafficKey>), Error> {
        let said = if fields.ids.len() == 2 { fields.ids.first() } else { None };
        let name = self.answerer(pending, said)?;
        let claimed = Claimed { name, chain: fields.signing_chain() };
        let sign = fields.need_sign()?;
        let unix = self.unix(now);
        let peer = sign::verify(&self.config, &self.policy, unix, &claimed, &sign, &[fields.covered])?;
        check_own_id(pending, fields)?;
        Ok((peer, agree_dh(pending, fields, false)?))
    }

    fn finish_rsa_r(
        &self,
        now: Time,
        pending: &mut Pending,
        fields: &Fields<'_>,
        quirks: Quirks,
    ) -> Result<(Peer, Vec<TrafficKey>), Error> {
        // RFC 4738 section 3.7: RAND comes from one side.
        if fields.rand.is_some() {
            return Err(Error::NotOurs);
        }
        let name = self.answerer(pending, fields.ids.first())?;
        let claimed = Claimed { name, chain: fields.signing_chain() };
        let id_r = fields.ids.first().map(|id| id.data).or(pending.id_r.as_deref());
        let parties = Parties { id_i: pending.id_i.as_deref(), id_r, t: pending.t }.octets();
        let sign = fields.need_sign()?;
        let octets = [fields.before_last, &parties];
        let peer = sign::verify(&self.config, &self.policy, self.unix(now), &claimed, &sign, &octets)?;
        let context = (pending.csb_id, &pending.rand[..]);
        let opened = self.open_envelope(&pending.us, fields, pending.prf, context, quirks)?;
        if opened.name.is_some_and(|inside| inside != peer.name) {
            return Err(Error::Auth);
        }
        pending.inkey = Some(opened.inkey);
        Ok((peer, opened.keys))
    }

    /// Both agree: the keys, and the bundle that they belong to.
    pub(super) fn agree(
        &mut self,
        made: Pending,
        peer: Peer,
        sessions: Sessions,
        quirks: Quirks,
    ) -> Result<Agreement, Error> {
        let id = BundleId { csb_id: made.csb_id, peer: peer.name.clone() };
        let update = !made.sent_rand;
        let old = self.bundles.remove(&id).filter(|_| update);
        let bundle = Bundle {
            role: Role::Initiator,
            mode: old.as_ref().map_or(made.mode, |old| old.mode),
            prf: made.prf,
            rand: made.rand,
            us: made.us.name().clone(),
            peer: old.as_ref().map_or(peer, |old| old.peer.clone()),
            sessions,
            keys: made.keys,
            inkey: made.inkey,
            last_t: made.t,
            generation: made.generation,
        };
        self.settle(id, bundle, old, Heard { quirks, sdp_ids: None, key_ids: Vec::new(), speaks_v2: false })
    }

    /// Derives the keys of a bundle and remembers it. In an update without new keys, those of the new streams.
    pub(super) fn settle(
        &mut self,
        id: BundleId,
        mut bundle: Bundle,
        old: Option<Bundle>,
        heard: Heard,
    ) -> Result<Agreement, Error> {
        let mut changed = bundle.sessions.clone();
        if let Some(old) = old.filter(|_| bundle.keys.is_empty()) {
            changed.list.retain(|cs| old.sessions.list.iter().all(|known| known.id != cs.id));
            bundle.keys = old.keys;
        }
        let prf = keys::prf(&self.config.provider, &self.policy, bundle.prf);
        let context = (id.csb_id, &bundle.rand[..]);
        let keys = srtp_keys(&changed, &bundle.keys, prf, context, bundle.role, bundle.generation)?;
        let agreement = Agreement {
            bundle: id.clone(),
            mode: bundle.mode,
            role: bundle.role,
            peer: bundle.peer.clone(),
            keys,
            update: bundle.generation > 0,
            sdp_ids: heard.sdp_ids,
            key_ids: heard.key_ids,
            peer_speaks_v2: heard.speaks_v2,
            quirks: heard.quirks,
        };
        self.count(agreement.quirks);
        if bundle.mode != Mode::Null {
            self.keep(&id, bundle);
        }
        Ok(agreement)
    }

    /// Reads a message, with the leniency that the policy allows.
    pub(super) fn decode<'m>(&self, message: &'m [u8]) -> Result<(Message<'m>, Quirks), Error> {
        if self.policy.lenient {
            return Ok(Message::decode_lenient(message)?);
        }
        Ok((Message::decode(message)?, Quirks::default()))
    }
}

/// What the peer said besides.
pub(super) struct Heard {
    pub(super) quirks: Quirks,
    pub(super) sdp_ids: Option<Vec<u8>>,
    pub(super) key_ids: Vec<(u8, Vec<u8>)>,
    pub(super) speaks_v2: bool,
}

/// Nothing is encrypted where DH makes the keys.
pub(super) fn check_empty(kemac: &Kemac<'_>) -> Result<(), Error> {
    if kemac.encr_data.is_empty() { Ok(()) } else { Err(Error::Keys("key data where dh makes the keys")) }
}

/// IDi in a response must be what we sent, or our name.
fn check_own_id(pending: &Pending, fields: &Fields<'_>) -> Result<(), Error> {
    match fields.ids.last() {
        Some(id) if Name::from_wire(id) != *pending.us.name() => Err(Error::Name),
        _ => Ok(()),
    }
}

/// The TGK of a DH response: its value, and ours as it came back.
fn agree_dh(pending: &Pending, fields: &Fields<'_>, lenient: bool) -> Result<Vec<TrafficKey>, Error> {
    let Some(dh) = &pending.dh else {
        return if fields.dh.is_empty() { Ok(Vec::new()) } else { Err(Error::KeyExchange) };
    };
    let (theirs, ours) = fields.need_dh()?;
    let group = |dh: &Dh<'_>| dh.group == DhGroup::OAKLEY_5.0;
    let echoed = match ours {
        Some(ours) => group(&ours) && ours.value == dh.value(),
        // A known peer leaves it out; its MAC is under a key of our RAND.
        None => lenient,
    };
    if !group(&theirs) || !echoed {
        return Err(Error::KeyExchange);
    }
    let secret = dh.agree(theirs.value)?;
    Ok(vec![TrafficKey {
        is_tgk: true,
        key: secret.dh,
        salt: None,
        valid: pending.valid.clone(),
        joined: false,
    }])
}

/// What an ERROR says.
fn refusal(pending: &Pending, fields: &Fields<'_>) -> Error {
    let parties = Parties { id_i: pending.id_i.as_deref(), id_r: pending.id_r.as_deref(), t: pending.t };
    let authenticated = match (&fields.ver, &pending.message_keys) {
        (Some(ver), Some(keys)) if ver.auth_alg != MacAlg::NULL => {
            keys.verify(ver.auth_alg, &[fields.covered, &parties.octets()], ver.data).is_ok()
        }
        _ => false,
    };
    Error::Refused { errors: fields.errors.clone(), policies: read_policies(&fields.policies), authenticated }
}
