//! One end of version 1: its configuration, what it has seen, and the bundles that it has set up.

use std::collections::HashMap;
use std::sync::Arc;

use core::time::Duration;

use mikey_crypto::{KxInitiator, SecretBytes};
use mikey_wire::{DataType, Quirk, Quirks, T};

use super::bundle::{Bundle, BundleId};
use super::error::Error;
use super::key_data::TrafficKey;
use super::keys::MessageKeys;
use super::offer::Mode;
use super::policy::Policy;
use super::replay::ReplayCache;
use super::streams::Sessions;
use super::time::{difference, ntp};
use crate::auth::Peer;
use crate::config::{EndpointConfig, Retarget};
use crate::credential::Identity;
use crate::error::ApiMisuse;
use crate::keys::Role;
use crate::name::Name;
use crate::streams::SrtpKeys;
use crate::time::Time;

/// STUN's magic cookie, which no CSB ID is.
const STUN_MAGIC: u32 = 0x2112_A442;

/// One end of version 1.
///
/// ```
/// # fn demo(provider: mikey_crypto::CryptoProvider) -> Result<(), Box<dyn std::error::Error>> {
/// use mikey_crypto::srtp::SrtpPolicy;
/// use mikey_proto::v1::{Known, Offer, Party, Policy};
/// use mikey_proto::{EndpointConfig, Identity, Name, Side, Stream, Time};
///
/// let party = |name: &str| -> Result<Party, Box<dyn std::error::Error>> {
///     let mut config = EndpointConfig::new(provider.clone(), Identity::new(Name::parse(name)?));
///     config.v1 = Some(Policy::over_secure_transport());
///     Ok(Party::new(config)?)
/// };
/// let (mut server, mut player) = (party("rtsp:server")?, party("rtsp:player")?);
/// let stream = Stream { ssrc: Some(7), ..Stream::new(Side::Local, SrtpPolicy::AES_CM_128_HMAC_SHA1_80) };
/// let offered = server.offer(Time::ZERO, &Offer::null(vec![stream]))?;
/// let answer = player.answer(Time::ZERO, &offered.message, &Known::default())?;
/// let keys = answer.agreement.ok_or("a repeat")?.keys;
/// assert_eq!(keys.streams.len(), 1);
/// assert!(answer.message.is_none(), "NULL mode has no response here");
/// # Ok(())
/// # }
/// ```
pub struct Party {
    pub(super) config: Arc<EndpointConfig>,
    pub(super) policy: Policy,
    pub(super) replay: ReplayCache,
    pub(super) bundles: HashMap<BundleId, Bundle>,
    /// The time in our last message: each has its own.
    last_t: Option<u64>,
    /// Whether version 2 is spoken beside it.
    pub(super) speaks_v2: bool,
    /// Agreements in which each was put up with.
    quirks: [u64; Quirk::ALL.len()],
}

/// What signalling, or whatever carries the messages, says of the two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The peer's name, for messages without it. A message with another name is refused.
    pub peer: Option<&'a Name>,
    /// Which of our names is meant, for messages without it; else the first one.
    pub us: Option<&'a Name>,
    /// The key management protocols that the SDP around the message offers: the message must hold the same list.
    pub sdp_ids: Option<&'a [u8]>,
}

/// A message to be sent.
pub struct Offered {
    /// The I_MESSAGE.
    pub message: Vec<u8>,
    /// What is agreed on already, if no response is awaited. The peer may have refused it: nobody will know.
    pub agreement: Option<Agreement>,
    /// What awaits the response, if there is to be one.
    pub pending: Option<Pending>,
}

/// What a responder makes of an I_MESSAGE.
pub struct Answer {
    /// The R_MESSAGE, if the initiator awaits one.
    pub message: Option<Vec<u8>>,
    /// What is agreed on; `None` for a repeat of a message that was answered before.
    pub agreement: Option<Agreement>,
}

/// What both agreed on. Keys leave once, here.
pub struct Agreement {
    /// The bundle, for its updates.
    pub bundle: BundleId,
    /// How.
    pub mode: Mode,
    /// Who of the two we are.
    pub role: Role,
    /// Who the peer is and how that is known. In NULL mode the name is what stands in the message, and proves nothing.
    pub peer: Peer,
    /// The keys.
    pub keys: SrtpKeys,
    /// Whether this updates a bundle.
    pub update: bool,
    /// The key management protocols that the peer says the signalling offers.
    pub sdp_ids: Option<Vec<u8>>,
    /// Whether the peer says that it speaks version 2.
    pub peer_speaks_v2: bool,
    /// Key IDs of the peer: type and identifier.
    pub key_ids: Vec<(u8, Vec<u8>)>,
    /// What the peer did against RFC 3830.
    pub quirks: Quirks,
}

/// An I_MESSAGE that awaits its response.
pub struct Pending {
    pub(super) mode: Mode,
    pub(super) prf: u8,
    pub(super) csb_id: u32,
    pub(super) t: T,
    /// What keys are derived from: that of the message, or of the bundle's first one.
    pub(super) rand: Vec<u8>,
    pub(super) sent_rand: bool,
    pub(super) us: Identity,
    pub(super) to: Option<Name>,
    pub(super) retarget: Retarget,
    /// The names as they were sent.
    pub(super) id_i: Option<Vec<u8>>,
    pub(super) id_r: Option<Vec<u8>>,
    pub(super) sessions: Sessions,
    pub(super) keys: Vec<TrafficKey>,
    pub(super) message_keys: Option<MessageKeys>,
    pub(super) inkey: Option<SecretBytes>,
    pub(super) dh: Option<Box<dyn KxInitiator>>,
    pub(super) valid: super::key_data::Valid,
    /// The generation of an update.
    pub(super) generation: u32,
    pub(super) done: bool,
}

impl Pending {
    /// The types of message that answer it.
    pub(super) fn answered_by(&self) -> DataType {
        match self.mode {
            Mode::Null | Mode::Psk => DataType::PSK_VERIFY,
            Mode::Pk => DataType::PK_VERIFY,
            Mode::Dh => DataType::DH_RESP,
            Mode::DhHmac => DataType::DHHMAC_RESP,
            Mode::RsaR => DataType::RSA_R_RESP,
        }
    }

    /// The CSB ID, by which the carrier of several exchanges tells responses apart.
    #[must_use]
    pub fn csb_id(&self) -> u32 {
        self.csb_id
    }
}

impl Party {
    /// An end with this configuration: its names, keys, trust and decisions are those of version 2. Messages from before
    /// [`Time::ZERO`] are refused: who was here then may have answered them.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the configuration contradicts itself or has no policy for version 1.
    pub fn new(config: impl Into<Arc<EndpointConfig>>) -> Result<Self, ApiMisuse> {
        let config = config.into();
        config.check()?;
        let policy = config.v1.clone().ok_or(ApiMisuse::Policy("version 1"))?;
        let start = config.unix_time_at_zero.map(ntp).unwrap_or_default();
        let replay = ReplayCache::new(start, policy.skew, policy.replay_capacity);
        Ok(Self {
            config,
            policy,
            replay,
            bundles: HashMap::new(),
            last_t: None,
            speaks_v2: false,
            quirks: [0; _],
        })
    }

    /// Says that we speak version 2 too, so that [`Policy::downgrade`] counts. An [`crate::Endpoint`] says so itself.
    #[must_use]
    pub fn beside_version_2(mut self) -> Self {
        self.speaks_v2 = true;
        self
    }

    /// Forgets a bundle, its keys and the chance to update it.
    pub fn forget(&mut self, bundle: &BundleId) {
        self.bundles.remove(bundle);
    }

    /// In how many agreements this was put up with.
    #[must_use]
    pub fn quirks(&self, quirk: Quirk) -> u64 {
        let at = Quirk::ALL.iter().position(|known| *known == quirk);
        at.and_then(|at| self.quirks.get(at)).copied().unwrap_or_default()
    }

    /// Counts what was put up with in an agreement.
    pub(super) fn count(&mut self, quirks: Quirks) {
        for (count, quirk) in self.quirks.iter_mut().zip(Quirk::ALL) {
            *count += u64::from(quirks.contains(quirk));
        }
    }

    /// How many bundles there are.
    #[must_use]
    pub fn bundles(&self) -> usize {
        self.bundles.len()
    }

    /// The Unix time at `now`, if there is a clock.
    pub(super) fn unix(&self, now: Time) -> Option<Duration> {
        self.config.unix_time_at_zero.map(|zero| zero + now.since(Time::ZERO))
    }

    pub(super) fn ntp(&self, now: Time) -> Result<u64, Error> {
        self.unix(now)
            .map(ntp)
            .ok_or(Error::Misuse(ApiMisuse::Bounds("the wall clock, which version 1 needs,")))
    }

    /// A time for a message of ours that none had before.
    pub(super) fn next_t(&mut self, now: Time) -> Result<T, Error> {
        let now = self.ntp(now)?;
        let t = match self.last_t {
            Some(last) if difference(now, last) <= 0 => last.wrapping_add(1),
            _ => now,
        };
        self.last_t = Some(t);
        Ok(T::NtpUtc(t))
    }

    pub(super) fn identity(&self, name: Option<&Name>) -> Result<Identity, Error> {
        let found = match name {
            Some(name) => self.config.identity(name),
            None => self.config.identities.first(),
        };
        found.cloned().ok_or(Error::Misuse(ApiMisuse::Name))
    }

    pub(super) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut octets = [0; N];
        self.config.provider.random.fill(&mut octets)?;
        Ok(octets)
    }

    /// A CSB ID that no bundle with this peer has.
    pub(super) fn fresh_csb_id(&self, peer: Option<&Name>) -> Result<u32, Error> {
        loop {
            let csb_id = u32::from_be_bytes(self.random()?);
            let id = peer.map(|peer| BundleId { csb_id, peer: peer.clone() });
            if csb_id != STUN_MAGIC && !id.is_some_and(|id| self.bundles.contains_key(&id)) {
                return Ok(csb_id);
            }
        }
    }

    /// The key of two names. For an unknown pair it is random, so that it fails just like a wrong one.
    pub(super) fn psk(&self, initiator: &Name, responder: &Name) -> Result<SecretBytes, Error> {
        let mut random = SecretBytes::zeroed(32);
        self.config.provider.random.fill(random.expose_mut())?;
        Ok(self.config.psks.psk(initiator, responder).unwrap_or(random))
    }

    /// Remembers a bundle. One more than there may be is not remembered: it works, and cannot be updated.
    pub(super) fn keep(&mut self, id: &BundleId, bundle: Bundle) {
        if self.bundles.len() < self.config.max_sessions || self.bundles.contains_key(id) {
            self.bundles.insert(id.clone(), bundle);
        }
    }
}
