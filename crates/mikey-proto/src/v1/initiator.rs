//! The initiator: I_MESSAGE, and what comes of the response.

use mikey_crypto::SecretBytes;
use mikey_wire::{
    CertType, DataType, Dh, DhGroup, EncrAlg, Id, Kv, Payload, Pke, PkeCache, PrfFunc, Quirks, T,
};

use super::envelope::SealedKeys;
use super::error::Error;
use super::kemac;
use super::key_data::{TrafficKey, Valid};
use super::keys::{self, MessageKeys};
use super::message::{Signed, certs, extensions, header, ids, with_mac, with_signature, without_mac};
use super::offer::{KeyKind, Mode, Offer, Update};
use super::party::{Offered, Party, Pending};
use super::policy::algorithms;
use super::sign::{self};
use super::streams::Sessions;
use crate::auth::{AuthLevel, Peer};
use crate::credential::Identity;
use crate::error::ApiMisuse;
use crate::keys::Role;
use crate::name::Name;
use crate::time::Time;

/// Octets of RAND.
const RAND_LEN: usize = 32;

/// What an I_MESSAGE is made of, whether it is a first one or an update.
struct Draft<'a> {
    offer: &'a Offer,
    us: Identity,
    sessions: Sessions,
    csb_id: u32,
    prf: u8,
    t: T,
    rand: Vec<u8>,
    /// The bundle's key for messages and its generation, in an update.
    update: Option<(Option<SecretBytes>, u32)>,
    /// Whether there are to be new keys.
    rekey: bool,
}

impl Party {
    /// Makes the first message to a peer.
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no credential for the mode, a name or certificate is missing, the policy does not have
    /// the mode's algorithms, or the streams contradict themselves.
    pub fn offer(&mut self, now: Time, offer: &Offer) -> Result<Offered, Error> {
        let sessions = Sessions::of(offer)?;
        let us = self.identity(offer.from.as_ref())?;
        let plain_tek = offer.mode == Mode::Null && offer.key != KeyKind::Tgk;
        // Where it is not used, the number that every peer knows.
        let prf = if plain_tek { PrfFunc::MIKEY_1 } else { self.policy.prf() };
        let t = match (offer.mode, self.next_t(now)) {
            // Nobody looks at the time of a message that proves nothing.
            (Mode::Null, Err(_)) => T::NtpUtc(0),
            (_, t) => t?,
        };
        let draft = Draft {
            offer,
            us,
            sessions,
            csb_id: self.fresh_csb_id(offer.to.as_ref())?,
            prf: prf.0,
            t,
            rand: self.random::<RAND_LEN>()?.to_vec(),
            update: None,
            rekey: true,
        };
        self.compose(now, draft)
    }

    /// Makes an update of a bundle that we initiated. Afterwards its old keys are still those of the media until the response
    /// is there.
    ///
    /// # Errors
    /// [`Error::UnknownBundle`] if there is no such bundle, the peer initiated it, or its mode has no update;
    /// [`Error::Misuse`] as in [`Self::offer`], or if nothing is to change.
    pub fn update(&mut self, now: Time, update: &Update) -> Result<Offered, Error> {
        let t = self.next_t(now)?;
        let bundle = self.bundles.get(&update.bundle).filter(|bundle| bundle.role == Role::Initiator);
        let bundle = bundle.ok_or(Error::UnknownBundle)?;
        let inkey = bundle.inkey.as_ref().map(|key| SecretBytes::copy_from(key.expose()));
        let mode = match bundle.mode {
            Mode::Null => return Err(Error::UnknownBundle),
            // The envelope key has become a pre-shared one.
            Mode::Psk | Mode::Pk | Mode::RsaR => Mode::Psk,
            mode => mode,
        };
        if !update.rekey && update.add.is_empty() {
            return Err(ApiMisuse::Streams.into());
        }
        let mut offer = Offer::new(mode, bundle.peer.name.clone(), Vec::new());
        offer.from = Some(bundle.us.clone());
        offer.mki.clone_from(&update.mki);
        let mut sessions = bundle.sessions.clone();
        if !update.add.is_empty() {
            sessions.add(&update.add, &update.mki, true)?;
        }
        if sessions.generic && update.rekey {
            sessions.list.iter_mut().for_each(|cs| cs.spi.clone_from(&update.mki));
        }
        let draft = Draft {
            offer: &offer,
            us: self.identity(Some(&bundle.us))?,
            sessions,
            csb_id: update.bundle.csb_id,
            prf: bundle.prf,
            t,
            rand: bundle.rand.clone(),
            update: Some((inkey, bundle.generation.saturating_add(1))),
            rekey: update.rekey,
        };
        self.compose(now, draft)
    }

    fn compose(&mut self, now: Time, draft: Draft<'_>) -> Result<Offered, Error> {
        let offer = draft.offer;
        let valid = Valid::of(&offer.mki, offer.valid)?;
        let first = draft.update.is_none();
        let id_i = Some(draft.us.name().as_wire()).filter(|_| offer.names);
        let id_r = offer.to.as_ref().map(Name::as_wire).filter(|_| offer.names);
        let stated = draft.sessions.stated();
        let mut head = vec![Payload::T(draft.t)];
        head.extend(first.then_some(Payload::Rand(&draft.rand)));
        let mut tail: Vec<Payload<'_>> = stated.policies().into_iter().map(Payload::Sp).collect();
        tail.extend(extensions(offer));
        let context = (draft.csb_id, &draft.rand[..]);
        let mut made = Made::default();
        if draft.rekey && matches!(offer.mode, Mode::Null | Mode::Psk | Mode::Pk) {
            let (_, policy) =
                draft.sessions.list.iter().flat_map(|cs| &cs.policies).next().ok_or(ApiMisuse::Streams)?;
            made.keys.push(TrafficKey::fresh(&self.config.provider, offer.key, policy, valid.clone())?);
        }
        let hdr = |ty, v| header(ty, v, draft.prf, draft.csb_id, draft.sessions.map());
        let provider = self.config.provider.clone();
        let message = match offer.mode {
            Mode::Null => {
                head.extend(ids(&[id_i, id_r]));
                head.append(&mut tail);
                without_mac(&hdr(DataType::PSK_INIT, false), head, &kemac::plaintext(None, &made.keys)?)?
            }
            Mode::Psk => {
                let inkey = self.message_inkey(&draft)?;
                let (encr_alg, _) = algorithms(draft.prf);
                let keys = self.message_keys(&draft, encr_alg, &inkey)?;
                let plaintext = kemac::plaintext(None, &made.keys)?;
                let encr_data = kemac::encrypt(&provider, &keys, draft.t, plaintext)?;
                head.extend(ids(&[id_i, id_r]));
                head.append(&mut tail);
                let encr = (encr_alg, &encr_data[..]);
                let message = with_mac(&hdr(DataType::PSK_INIT, offer.confirm), head, &keys, encr)?;
                (made.inkey, made.message_keys) = (Some(inkey), Some(keys));
                message
            }
            Mode::DhHmac => {
                let inkey = self.message_inkey(&draft)?;
                let keys = self.message_keys(&draft, EncrAlg::NULL, &inkey)?;
                let dh = self.start_dh(&draft)?;
                head.extend(ids(&[id_i, id_r]));
                head.append(&mut tail);
                let range = valid.octets();
                head.extend(dh.as_ref().map(|dh| dh_payload(dh.value(), valid.kv(&range))));
                let message = with_mac(&hdr(DataType::DHHMAC_INIT, true), head, &keys, (EncrAlg::NULL, &[]))?;
                (made.inkey, made.message_keys, made.dh) = (Some(inkey), Some(keys), dh);
                message
            }
            Mode::Dh => {
                let key = sign::signing_key(&draft.us)?;
                let dh = self.start_dh(&draft)?;
                head.extend(ids(&[id_i]));
                head.extend(certs(key.chain(), CertType::X509));
                head.extend(ids(&[id_r]));
                head.append(&mut tail);
                let range = valid.octets();
                head.extend(dh.as_ref().map(|dh| dh_payload(dh.value(), valid.kv(&range))));
                let signer = (key, sign::algorithm(&self.policy));
                let message =
                    with_signature(&provider, &hdr(DataType::DH_INIT, true), head, signer, &Signed::Message)?;
                made.dh = dh;
                message
            }
            Mode::Pk => {
                let key = sign::signing_key(&draft.us)?;
                let to = offer.to.as_ref().ok_or(ApiMisuse::Name)?;
                let chain: Vec<&[u8]> = offer.encrypt_to.iter().map(Vec::as_slice).collect();
                let spki = sign::encryption_key(&self.config, self.unix(now), to, &chain)?;
                let sealed = SealedKeys::new(
                    &provider,
                    &self.policy,
                    draft.prf,
                    context,
                    draft.t,
                    spki,
                    (draft.us.name(), &made.keys),
                )?;
                head.extend(ids(&[id_i]));
                head.extend(certs(key.chain(), CertType::X509));
                head.extend(ids(&[id_r]));
                head.append(&mut tail);
                head.push(sealed.kemac());
                head.push(Payload::Pke(Pke { cache: PkeCache::CACHE_FOR_CSB, data: &sealed.envelope }));
                let signer = (key, sign::algorithm(&self.policy));
                let hdr = hdr(DataType::PK_INIT, offer.confirm);
                let message = with_signature(&provider, &hdr, head, signer, &Signed::Message)?;
                (made.inkey, made.message_keys) = (Some(sealed.inkey), Some(sealed.keys));
                message
            }
            Mode::RsaR => {
                let key = sign::signing_key(&draft.us)?;
                let decryption = draft.us.decryption().ok_or(ApiMisuse::NoCredential)?;
                head.extend(ids(&[id_i]));
                head.extend(certs(key.chain(), CertType::X509));
                head.extend(certs(decryption.chain(), CertType::X509_ENCR));
                head.extend(ids(&[id_r]));
                head.append(&mut tail);
                let signer = (key, sign::algorithm(&self.policy));
                let hdr = hdr(DataType::RSA_R_INIT, true);
                with_signature(&provider, &hdr, head, signer, &Signed::Message)?
            }
        };
        let pending = Pending {
            mode: offer.mode,
            prf: draft.prf,
            csb_id: draft.csb_id,
            t: draft.t,
            sent_rand: first,
            id_i: id_i.map(|id| id.data.to_vec()),
            id_r: id_r.map(|id| id.data.to_vec()),
            to: offer.to.clone(),
            retarget: offer.retarget,
            sessions: draft.sessions.clone(),
            keys: made.keys,
            message_keys: made.message_keys,
            inkey: made.inkey,
            dh: made.dh,
            valid,
            generation: draft.update.as_ref().map_or(0, |(_, generation)| *generation),
            done: false,
            us: draft.us,
            rand: draft.rand,
        };
        if offer.has_response() {
            return Ok(Offered { message, agreement: None, pending: Some(pending) });
        }
        let level = AuthLevel::None;
        let name = pending.to.clone().unwrap_or_else(nobody);
        let peer = Peer { name, level, certificate: None };
        let sessions = pending.sessions.clone();
        let agreement = self.agree(pending, peer, sessions, Quirks::default())?;
        Ok(Offered { message, agreement: Some(agreement), pending: None })
    }

    /// The pre-shared key, or what an update has in its place.
    fn message_inkey(&self, draft: &Draft<'_>) -> Result<SecretBytes, Error> {
        if let Some((inkey, _)) = &draft.update {
            return inkey
                .as_ref()
                .map(|key| SecretBytes::copy_from(key.expose()))
                .ok_or(Error::UnknownBundle);
        }
        let to = draft.offer.to.as_ref().ok_or(ApiMisuse::Name)?;
        self.config.psks.psk(draft.us.name(), to).ok_or(Error::Misuse(ApiMisuse::NoCredential))
    }

    fn message_keys(
        &self,
        draft: &Draft<'_>,
        encr: EncrAlg,
        inkey: &SecretBytes,
    ) -> Result<MessageKeys, Error> {
        let provider = &self.config.provider;
        let prf = keys::prf(provider, &self.policy, draft.prf)?;
        let context = (draft.csb_id, &draft.rand[..]);
        let (_, mac) = algorithms(draft.prf);
        MessageKeys::derive(provider, &self.policy, prf, (encr, mac), inkey.expose(), context)
    }

    fn start_dh(&self, draft: &Draft<'_>) -> Result<Option<Box<dyn mikey_crypto::KxInitiator>>, Error> {
        if !self.policy.has_dh() {
            return Err(ApiMisuse::Policy("dh group of version 1").into());
        }
        if !draft.rekey {
            return Ok(None);
        }
        let provider = &self.config.provider;
        Ok(Some(provider.v1.oakley5.start(&*provider.random)?))
    }
}

#[derive(Default)]
struct Made {
    keys: Vec<TrafficKey>,
    inkey: Option<SecretBytes>,
    message_keys: Option<MessageKeys>,
    dh: Option<Box<dyn mikey_crypto::KxInitiator>>,
}

/// A DH payload of the one group that there is.
pub(super) fn dh_payload<'a>(value: &'a [u8], kv: Kv<'a>) -> Payload<'a> {
    Payload::Dh(Dh { group: DhGroup::OAKLEY_5.0, value, kv })
}

/// The name of a peer that has none.
pub(super) fn nobody() -> Name {
    Name::from_wire(&Id { ty: mikey_wire::IdType::BYTES, data: &[] })
}
