//! The responder: from an I_MESSAGE to what is agreed on, and what goes back.
//!
//! The order of work is RFC 3830 section 5.3's: time and replay, then MAC or signature, then everything else. Before the
//! MAC or signature has verified nothing is remembered.

use mikey_crypto::SecretBytes;
use mikey_wire::{
    CertType, CsMap, DataType, DhGroup, EncrAlg, ErrorNo, Header, Kv, MacAlg, Payload, PayloadType, Pke,
    PkeCache, PrfFunc, Quirk, Quirks, T, decode_start, encode,
};

use super::bundle::{Bundle, BundleId};
use super::envelope::SealedKeys;
use super::error::{Error, Refused};
use super::fields::Fields;
use super::finish::{Heard, check_empty};
use super::initiator::{dh_payload, nobody};
use super::kemac;
use super::key_data::{TrafficKey, Valid};
use super::keys::{self, MessageKeys};
use super::message::{Parties, Signed, certs, header, ids, with_mac, with_signature, with_v};
use super::offer::{KeyKind, Mode};
use super::party::{Agreement, Answer, Known, Party};
use super::policy::Downgrade;
use super::replay::ReplayRefusal;
use super::sign::{self, Claimed};
use super::streams::Sessions;
use crate::auth::{AuthLevel, Peer};
use crate::credential::Identity;
use crate::error::{ApiMisuse, Mismatch};
use crate::keys::Role;
use crate::name::Name;
use crate::srtp_params::SpOctets;
use crate::time::Time;

/// An I_MESSAGE whose sender is known, with what its mode found on the way.
struct Heeded {
    peer: Peer,
    us: Identity,
    mode: Mode,
    /// Keys that came with the message; none where DH or the responder makes them.
    keys: Vec<TrafficKey>,
    /// What a V is made with.
    message_keys: Option<MessageKeys>,
    inkey: Option<SecretBytes>,
    /// Where the responder's keys go.
    encrypt_to: Option<Vec<u8>>,
}

/// What is decided about an authenticated message.
struct Decided {
    message: Option<Vec<u8>>,
    /// Keys that were made here; none if they came with the message.
    keys: Vec<TrafficKey>,
    sessions: Sessions,
    /// The envelope key, if it was made here.
    inkey: Option<SecretBytes>,
}

/// What the parts of answering have in common.
struct Cx<'a> {
    now: Time,
    fields: &'a Fields<'a>,
    quirks: Quirks,
    /// RAND of the message, or of the bundle that it updates.
    rand: Vec<u8>,
    us: Identity,
    /// Who it says it is, or who signalling says it is.
    claimed: Option<Name>,
    update: Option<BundleId>,
}

impl Party {
    /// Answers an I_MESSAGE. The same octets once more get the same answer, and nothing else happens.
    ///
    /// # Errors
    /// [`Refused`] says why, and what to send back if the peer is to know. Nothing has changed then, but that a message whose
    /// MAC or signature verified is not taken again.
    pub fn answer(&mut self, now: Time, message: &[u8], known: &Known<'_>) -> Result<Answer, Refused> {
        let unreadable = |why: Error| Refused { answer: self.unreadable(message, &why), why };
        let (decoded, quirks) = self.decode(message).map_err(unreadable)?;
        let mode = mode_of(&decoded).ok_or(Error::DataType(decoded.header.data_type));
        let fields = Fields::read(&decoded).map_err(unreadable)?;
        let mode = mode.and_then(|mode| match self.policy.modes.contains(&mode) {
            true => Ok(mode),
            false => Err(Error::DataType(fields.header.data_type)),
        });
        let refuse = |why: Error| Refused { answer: self.error(&fields, &why, None), why };
        let mode = mode.map_err(refuse)?;
        let digest = self.digest(message);
        if mode != Mode::Null {
            let claimed = fields.names().0.map(Name::from_wire).or_else(|| known.peer.cloned());
            let stored = self.check_time(now, fields.t, claimed.as_ref(), &digest);
            if let Some(stored) = stored.map_err(|why| self.refuse(&fields, why))? {
                return Ok(Answer { message: stored, agreement: None });
            }
        }
        let refuse = |why: Error| Refused { answer: self.error(&fields, &why, None), why };
        let cx = self.context(now, &fields, mode, quirks, known).map_err(refuse)?;
        let heeded = self.heed(&cx, mode).map_err(refuse)?;
        // From here on the peer is who it says it is, in every mode but NULL.
        let done = self.act(&cx, known, heeded);
        let (answer, result) = match done {
            Ok((answer, agreement)) => (answer, Ok(agreement)),
            Err(refused) => (refused.answer.clone(), Err(refused)),
        };
        if mode != Mode::Null {
            self.remember(&cx, digest, answer.clone());
        }
        result.map(|agreement| Answer { message: answer, agreement: Some(agreement) })
    }

    fn digest(&self, message: &[u8]) -> [u8; 32] {
        let digest = self.config.provider.sha256.digest(&[message]);
        digest.as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn refuse(&self, fields: &Fields<'_>, why: Error) -> Refused {
        Refused { answer: self.error(fields, &why, None), why }
    }

    /// The stored answer of a repeat; an error if the time will not do.
    #[allow(clippy::option_option)]
    fn check_time(
        &mut self,
        now: Time,
        t: T,
        claimed: Option<&Name>,
        digest: &[u8; 32],
    ) -> Result<Option<Option<Vec<u8>>>, Error> {
        match t {
            // A counter is judged when its owner is known.
            T::Counter(_) => Ok(claimed.and_then(|peer| self.replay.counted(peer, digest))),
            T::NtpUtc(_) | T::Ntp(_) | T::NtpUtc32(_) => {
                let now = self.ntp(now)?;
                Ok(self.replay.check(now, t.to_u64(), digest)?.cloned())
            }
        }
    }

    fn remember(&mut self, cx: &Cx<'_>, digest: [u8; 32], answer: Option<Vec<u8>>) {
        match cx.fields.t {
            T::Counter(count) => {
                if let Some(peer) = &cx.claimed {
                    self.replay.count(peer, count, digest, answer);
                }
            }
            t => self.replay.insert(t.to_u64(), digest, answer),
        }
    }

    /// Who is meant, who says to be calling, and which bundle is updated, if one is.
    fn context<'a>(
        &self,
        now: Time,
        fields: &'a Fields<'a>,
        mode: Mode,
        quirks: Quirks,
        known: &Known<'_>,
    ) -> Result<Cx<'a>, Error> {
        let (id_i, id_r) = fields.names();
        let said = id_i.map(Name::from_wire);
        let claimed = match (said, known.peer) {
            (Some(said), Some(known)) if said != *known => return Err(Error::Name),
            (Some(said), _) => Some(said),
            (None, known) => known.cloned(),
        };
        let meant = id_r.map(Name::from_wire);
        let us = self.identity(meant.as_ref().or(known.us)).map_err(|_| Error::Name)?;
        let csb_id = fields.header.csb_id;
        let bundle = claimed.as_ref().map(|peer| BundleId { csb_id, peer: peer.clone() });
        let bundle = bundle.filter(|id| self.bundles.contains_key(id));
        let (rand, update) = match (fields.rand, bundle) {
            (Some(rand), None) => (rand.to_vec(), None),
            // A first message for a bundle that is there is none, and an update has no RAND.
            (Some(_), Some(_)) => return Err(Error::UnknownBundle),
            (None, Some(id)) => {
                let known = self.bundles.get(&id).map(|bundle| bundle.rand.clone()).unwrap_or_default();
                (known, Some(id))
            }
            // A known peer sends keys in the clear without it, and needs it for nothing.
            (None, None) if mode == Mode::Null && quirks.contains(Quirk::NoRand) => (Vec::new(), None),
            (None, None) => return Err(Error::UnknownBundle),
        };
        let quirks = if update.is_some() { quirks.without(Quirk::NoRand) } else { quirks };
        Ok(Cx { now, fields, quirks, rand, us, claimed, update })
    }

    /// Finds out who sent the message.
    fn heed(&self, cx: &Cx<'_>, mode: Mode) -> Result<Heeded, Error> {
        if let (T::Counter(count), Some(peer)) = (cx.fields.t, &cx.claimed) {
            self.replay.check_counter(peer, count)?;
        }
        match mode {
            Mode::Null => self.heed_null(cx),
            Mode::Psk | Mode::DhHmac => self.heed_mac(cx, mode),
            Mode::Pk | Mode::Dh | Mode::RsaR => self.heed_signature(cx, mode),
        }
    }

    fn heed_null(&self, cx: &Cx<'_>) -> Result<Heeded, Error> {
        let (kemac, _) = cx.fields.need_kemac()?;
        let (_, keys) = kemac::read(cx.fields.header.data_type, false, kemac.encr_data, cx.quirks)?;
        let name = cx.claimed.clone().unwrap_or_else(nobody);
        let peer = Peer { name, level: AuthLevel::None, certificate: None };
        let (message_keys, inkey, encrypt_to) = (None, None, None);
        Ok(Heeded { peer, us: cx.us.clone(), mode: Mode::Null, keys, message_keys, inkey, encrypt_to })
    }

    fn heed_mac(&self, cx: &Cx<'_>, mode: Mode) -> Result<Heeded, Error> {
        let provider = &self.config.provider;
        let (kemac, _) = cx.fields.need_kemac()?;
        let peer = cx.claimed.clone().ok_or(Error::Name)?;
        let bundle = cx.update.as_ref().and_then(|id| self.bundles.get(id));
        if let Some(bundle) = bundle {
            let same_kind = match mode {
                Mode::DhHmac => bundle.mode == Mode::DhHmac,
                _ => matches!(bundle.mode, Mode::Psk | Mode::Pk | Mode::RsaR),
            };
            if bundle.role != Role::Responder || !same_kind || bundle.prf != cx.fields.header.prf {
                return Err(Error::UnknownBundle);
            }
        }
        let inkey = match bundle.and_then(|bundle| bundle.inkey.as_ref()) {
            Some(key) => SecretBytes::copy_from(key.expose()),
            None => self.psk(&peer, cx.us.name())?,
        };
        let prf = keys::prf(provider, &self.policy, cx.fields.header.prf)?;
        let refused = |field, value| Error::Algorithm { payload: PayloadType::KEMAC, field, value };
        if kemac.mac_alg == MacAlg::NULL || (mode == Mode::Psk) == (kemac.encr_alg == EncrAlg::NULL) {
            return Err(refused("Encr alg", kemac.encr_alg.0));
        }
        if mode == Mode::DhHmac {
            check_empty(&kemac)?;
        }
        let context = (cx.fields.header.csb_id, &cx.rand[..]);
        let algorithms = (kemac.encr_alg, kemac.mac_alg);
        let keys = MessageKeys::derive(provider, &self.policy, prf, algorithms, inkey.expose(), context)?;
        keys.verify(kemac.mac_alg, &[cx.fields.covered], kemac.mac)?;
        if bundle.is_some_and(|bundle| !bundle.is_after(cx.fields.t)) {
            return Err(ReplayRefusal::Seen.into());
        }
        let traffic = if mode == Mode::Psk {
            let plaintext = kemac::decrypt(provider, &keys, cx.fields.t, kemac.encr_data)?;
            kemac::read(cx.fields.header.data_type, false, &plaintext, cx.quirks)?.1
        } else {
            Vec::new()
        };
        let peer = Peer { name: peer, level: AuthLevel::Psk, certificate: None };
        Ok(Heeded {
            peer: bundle.map_or(peer, |bundle| bundle.peer.clone()),
            us: cx.us.clone(),
            mode,
            keys: traffic,
            message_keys: Some(keys),
            inkey: Some(inkey),
            encrypt_to: None,
        })
    }

    fn heed_signature(&self, cx: &Cx<'_>, mode: Mode) -> Result<Heeded, Error> {
        let fields = cx.fields;
        let bundle = cx.update.as_ref().and_then(|id| self.bundles.get(id));
        if bundle.is_some_and(|bundle| bundle.role != Role::Responder || bundle.mode != mode) {
            return Err(Error::UnknownBundle);
        }
        let claimed = Claimed { name: cx.claimed.clone().ok_or(Error::Name)?, chain: fields.signing_chain() };
        let sign = fields.need_sign()?;
        let unix = self.unix(cx.now);
        let peer = sign::verify(&self.config, &self.policy, unix, &claimed, &sign, &[fields.covered])?;
        if bundle.is_some_and(|bundle| !bundle.is_after(fields.t)) {
            return Err(ReplayRefusal::Seen.into());
        }
        let mut heeded = Heeded {
            peer,
            us: cx.us.clone(),
            mode,
            keys: Vec::new(),
            message_keys: None,
            inkey: None,
            encrypt_to: None,
        };
        if mode == Mode::Pk {
            self.check_chash(cx)?;
            let context = (fields.header.csb_id, &cx.rand[..]);
            let opened = self.open_envelope(&cx.us, fields, fields.header.prf, context, cx.quirks)?;
            // RFC 3830 section 3.2: or somebody else's keys could be passed on under another signature.
            if opened.name.is_none_or(|inside| inside != heeded.peer.name) {
                return Err(Error::Auth);
            }
            heeded.keys = opened.keys;
            (heeded.inkey, heeded.message_keys) = (Some(opened.inkey), Some(opened.message_keys));
        }
        if mode == Mode::RsaR {
            let chain = fields.encryption_chain();
            let spki = sign::encryption_key(&self.config, unix, &heeded.peer.name, &chain)?;
            heeded.encrypt_to = Some(spki.to_vec());
        }
        Ok(heeded)
    }

    /// CHASH says which of the responder's certificates was used.
    fn check_chash(&self, cx: &Cx<'_>) -> Result<(), Error> {
        let (Some(chash), Some(decryption)) = (cx.fields.chash, cx.us.decryption()) else { return Ok(()) };
        let provider = &self.config.provider;
        let hash = match chash.func {
            mikey_wire::HashFunc::SHA_256 => provider.sha256,
            // Nothing rests on it: it names a certificate.
            mikey_wire::HashFunc::SHA_1 => provider.sha1,
            other => {
                let (payload, field) = (PayloadType::CHASH, "Hash func");
                return Err(Error::Algorithm { payload, field, value: other.0 });
            }
        };
        let ours = hash.digest(&[decryption.end_entity()]);
        if mikey_crypto::ct_eq(ours.as_ref(), chash.hash) { Ok(()) } else { Err(Error::Auth) }
    }

    /// Does what an authenticated message asks for.
    fn act(
        &mut self,
        cx: &Cx<'_>,
        known: &Known<'_>,
        heeded: Heeded,
    ) -> Result<(Option<Vec<u8>>, Agreement), Refused> {
        match self.decide(cx, known, &heeded) {
            Ok(mut decided) => {
                let message = decided.message.take();
                Ok((message, self.settle_answer(cx, heeded, decided)?))
            }
            Err(why) => {
                let answer = self.error(cx.fields, &why, heeded.message_keys.as_ref());
                Err(Refused { why, answer })
            }
        }
    }

    fn decide(&self, cx: &Cx<'_>, known: &Known<'_>, heeded: &Heeded) -> Result<Decided, Error> {
        let fields = cx.fields;
        if known.sdp_ids.is_some_and(|list| fields.sdp_ids != Some(list)) {
            return Err(Error::BiddingDown);
        }
        // R18.4
        if fields.speaks_v2 && self.speaks_v2 && self.policy.downgrade == Downgrade::Refuse {
            return Err(Error::Downgrade);
        }
        let response = match heeded.mode {
            Mode::Null | Mode::Psk | Mode::Pk => fields.header.v,
            Mode::Dh | Mode::DhHmac | Mode::RsaR => true,
        };
        // NULL has nothing that V could be made with.
        let response = response && heeded.mode != Mode::Null;
        let offered = Sessions::read(&fields.header.cs_map, &fields.policies, response, cx.quirks)?;
        let answers = self.config.answer.answer(&heeded.peer, &offered.offered()).map_err(Error::Mismatch)?;
        let sessions = offered.answered(&answers)?;
        let prf = fields.header.prf;
        let (id_i, id_r) = fields.names();
        let parties = Parties { id_i: id_i.map(|id| id.data), id_r: id_r.map(|id| id.data), t: fields.t };
        let hdr = |ty| header(ty, false, prf, fields.header.csb_id, sessions.map());
        let t = Payload::T(fields.t);
        let our_id = cx.us.name().as_wire();
        let their_id = heeded.peer.name.as_wire();
        let provider = self.config.provider.clone();
        match heeded.mode {
            Mode::Null => Ok(Decided { message: None, keys: Vec::new(), sessions, inkey: None }),
            Mode::Psk | Mode::Pk => {
                let ty = if heeded.mode == Mode::Pk { DataType::PK_VERIFY } else { DataType::PSK_VERIFY };
                if !response {
                    return Ok(Decided { message: None, keys: Vec::new(), sessions, inkey: None });
                }
                let keys = heeded.message_keys.as_ref().ok_or(Error::Bug("a V without keys"))?;
                // Our name stands in it if names stood in what it answers.
                let named = Some(our_id).filter(|_| !fields.ids.is_empty());
                let mut payloads = vec![t];
                payloads.extend(ids(&[named]));
                let id_r = named.map(|id| id.data).or(parties.id_r);
                let message = with_v(&hdr(ty), payloads, keys, &Parties { id_r, ..parties })?;
                Ok(Decided { message: Some(message), keys: Vec::new(), sessions, inkey: None })
            }
            Mode::DhHmac | Mode::Dh => {
                let (dh, keys) = self.answer_dh(cx)?;
                let mut payloads = vec![t];
                let named = !fields.ids.is_empty() || heeded.mode == Mode::Dh;
                payloads.extend(ids(&[Some(our_id).filter(|_| named)]));
                let key = match heeded.mode {
                    Mode::Dh => Some(sign::signing_key(&cx.us)?),
                    _ => None,
                };
                payloads.extend(key.into_iter().flat_map(|key| certs(key.chain(), CertType::X509)));
                payloads.extend(ids(&[Some(their_id).filter(|_| named)]));
                if let (Some(ours), Some(theirs)) = (&dh, fields.dh.first()) {
                    payloads.push(dh_payload(ours, Kv::Null));
                    payloads.push(Payload::Dh(*theirs));
                }
                let message = match (key, &heeded.message_keys) {
                    (Some(key), _) => {
                        let signer = (key, sign::algorithm(&self.policy));
                        with_signature(
                            &provider,
                            &hdr(DataType::DH_RESP),
                            payloads,
                            signer,
                            &Signed::Message,
                        )?
                    }
                    (None, Some(keys)) => {
                        with_mac(&hdr(DataType::DHHMAC_RESP), payloads, keys, (EncrAlg::NULL, &[]))?
                    }
                    (None, None) => return Err(Error::Bug("a response without keys")),
                };
                Ok(Decided { message: Some(message), keys, sessions, inkey: None })
            }
            Mode::RsaR => {
                let key = sign::signing_key(&cx.us)?;
                let spki = heeded.encrypt_to.as_deref().ok_or(Error::Bug("no key to encrypt to"))?;
                let (_, policy) =
                    *sessions.list.iter().flat_map(|cs| &cs.policies).next().ok_or(ApiMisuse::Streams)?;
                let keys = vec![TrafficKey::fresh(&provider, KeyKind::Tgk, &policy, Valid::Always)?];
                let context = (fields.header.csb_id, &cx.rand[..]);
                let contents = (cx.us.name(), &keys[..]);
                let sealed =
                    SealedKeys::new(&provider, &self.policy, prf, context, fields.t, spki, contents)?;
                let stated = sessions.stated();
                let mut payloads = vec![t];
                payloads.extend(ids(&[Some(our_id)]));
                payloads.extend(certs(key.chain(), CertType::X509));
                payloads.extend(stated.policies().into_iter().map(Payload::Sp));
                payloads.push(sealed.kemac());
                payloads.push(Payload::Pke(Pke { cache: PkeCache::CACHE_FOR_CSB, data: &sealed.envelope }));
                let parties = Parties { id_r: Some(our_id.data), ..parties };
                let signer = (key, sign::algorithm(&self.policy));
                let signed = Signed::WithParties(&parties);
                let message =
                    with_signature(&provider, &hdr(DataType::RSA_R_RESP), payloads, signer, &signed)?;
                Ok(Decided { message: Some(message), keys, sessions, inkey: Some(sealed.inkey) })
            }
        }
    }

    fn answer_dh(&self, cx: &Cx<'_>) -> Result<(Option<Vec<u8>>, Vec<TrafficKey>), Error> {
        if cx.fields.dh.is_empty() && cx.update.is_some() {
            return Ok((None, Vec::new()));
        }
        let (theirs, second) = cx.fields.need_dh()?;
        if theirs.group != DhGroup::OAKLEY_5.0 || !self.policy.has_dh() {
            let (payload, field) = (PayloadType::DH, "DH-Group");
            return Err(Error::Algorithm { payload, field, value: theirs.group });
        }
        if second.is_some() {
            return Err(Error::KeyExchange);
        }
        let valid = Valid::read(&theirs.kv)?;
        let provider = &self.config.provider;
        let answer = provider.v1.oakley5.answer(&*provider.random, theirs.value)?;
        let tgk = TrafficKey { is_tgk: true, key: answer.secret.dh, salt: None, valid, joined: false };
        Ok((Some(answer.value), vec![tgk]))
    }

    fn settle_answer(&mut self, cx: &Cx<'_>, heeded: Heeded, decided: Decided) -> Result<Agreement, Error> {
        let csb_id = cx.fields.header.csb_id;
        let id = cx.update.clone().unwrap_or(BundleId { csb_id, peer: heeded.peer.name.clone() });
        let old = cx.update.as_ref().and_then(|id| self.bundles.remove(id));
        let bundle = Bundle {
            role: Role::Responder,
            mode: old.as_ref().map_or(heeded.mode, |old| old.mode),
            prf: cx.fields.header.prf,
            rand: cx.rand.clone(),
            us: heeded.us.name().clone(),
            peer: heeded.peer,
            sessions: decided.sessions,
            keys: if decided.keys.is_empty() { heeded.keys } else { decided.keys },
            inkey: decided.inkey.or(heeded.inkey),
            last_t: cx.fields.t,
            generation: old.as_ref().map_or(0, |old| old.generation.saturating_add(1)),
        };
        let heard = Heard {
            quirks: cx.quirks,
            sdp_ids: cx.fields.sdp_ids.map(<[u8]>::to_vec),
            key_ids: cx.fields.key_ids.clone(),
            speaks_v2: cx.fields.speaks_v2,
        };
        self.settle(id, bundle, old, heard)
    }

    /// An ERROR message for a first message that cannot be read, if at least its T can.
    fn unreadable(&self, message: &[u8], why: &Error) -> Option<Vec<u8>> {
        let (header, t) = decode_start(message)?;
        mode_of_type(header.data_type)?;
        error_message(&header, t, why.error_no()?)
    }

    /// An ERROR message: with the policies that would do, if none of the peer's does, and with V if its MAC verified.
    fn error(&self, fields: &Fields<'_>, why: &Error, keys: Option<&MessageKeys>) -> Option<Vec<u8>> {
        let number = why.error_no()?;
        let Some(keys) = keys else { return error_message(&fields.header, fields.t, number) };
        let csb_id = fields.header.csb_id;
        let header = header(DataType::ERROR, false, fields.header.prf, csb_id, CsMap::SrtpId(Vec::new()));
        let suggested: Vec<SpOctets> = match why {
            Error::Mismatch(Mismatch::SrtpPolicy) => self.policy.suggest.iter().map(SpOctets::new).collect(),
            _ => Vec::new(),
        };
        let mut payloads = vec![Payload::T(fields.t), Payload::Err(number)];
        payloads.extend(suggested.iter().zip(0_u8..).map(|(octets, number)| Payload::Sp(octets.sp(number))));
        let (id_i, id_r) = fields.names();
        let parties = Parties { id_i: id_i.map(|id| id.data), id_r: id_r.map(|id| id.data), t: fields.t };
        with_v(&header, payloads, keys, &parties).ok()
    }
}

/// An ERROR message that proves nothing.
fn error_message(to: &Header<'_>, t: T, number: ErrorNo) -> Option<Vec<u8>> {
    let header = header(DataType::ERROR, false, PrfFunc::MIKEY_1.0, to.csb_id, CsMap::SrtpId(Vec::new()));
    encode(&header, &[Payload::T(t), Payload::Err(number)]).ok()
}

/// The mode of an I_MESSAGE.
fn mode_of(message: &mikey_wire::Message<'_>) -> Option<Mode> {
    let null = || {
        message.items.iter().any(|item| {
            matches!(&item.payload, Payload::Kemac(kemac)
                if kemac.encr_alg == EncrAlg::NULL && kemac.mac_alg == MacAlg::NULL)
        })
    };
    match mode_of_type(message.header.data_type)? {
        Mode::Psk if null() => Some(Mode::Null),
        mode => Some(mode),
    }
}

/// The same without a look at what is in it: NULL looks like a pre-shared key.
fn mode_of_type(ty: DataType) -> Option<Mode> {
    Some(match ty {
        DataType::PSK_INIT => Mode::Psk,
        DataType::PK_INIT => Mode::Pk,
        DataType::DH_INIT => Mode::Dh,
        DataType::DHHMAC_INIT => Mode::DhHmac,
        DataType::RSA_R_INIT => Mode::RsaR,
        _ => return None,
    })
}
