//! Configuration of an endpoint and of a call.

use core::time::Duration;
use std::sync::Arc;

use mikey_crypto::CryptoProvider;
use mikey_crypto::srtp::SrtpPolicy;

use crate::auth::Peer;
use crate::credential::{Identity, PskStore, PskTable, Trust};
use crate::error::{ApiMisuse, Mismatch};
use crate::group::GroupRequest;
use crate::limits::{
    ANSWER_MARGIN, DEFAULT_PATH, MAX_KEY_PACKETS, MIN_KEY_PACKETS, MIN_PATH, REQUEST_LIFETIME,
};
use crate::name::Name;
use crate::policy::Policy;
use crate::streams::{OfferedStream, Side, Stream, StreamAnswer};
use crate::ticket::TicketStore;

/// Everything that an endpoint needs to know. Made by [`EndpointConfig::new`]; the fields are then set as needed.
#[non_exhaustive]
pub struct EndpointConfig {
    /// Algorithms and randomness.
    pub provider: CryptoProvider,
    /// What is negotiated.
    pub policy: Policy,
    /// Our names. The first one answers an INIT_REQ that asks for nobody, and calls unless another one is named.
    pub identities: Vec<Identity>,
    /// Names whose calls are diverted to us. An INIT_REQ that asks for one of them is answered under our first name, and
    /// the caller decides whether that will do ([`Call::retarget`]). Requests for anybody else are dropped.
    pub stands_in_for: Vec<Name>,
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// Pre-shared keys.
    pub psks: Arc<dyn PskStore>,
    /// Where tickets that this endpoint issues are kept; `None` for its own memory ([`crate::TicketTable`]).
    pub tickets: Option<Box<dyn TicketStore>>,
    /// Decides on the streams that an authenticated peer offers.
    pub answer: Arc<dyn AnswerStreams>,
    /// Unix time at [`crate::Time::ZERO`]. Without it no certificate can be verified.
    pub unix_time_at_zero: Option<Duration>,
    /// What is spoken of MIKEY version 1; `None` for nothing.
    pub v1: Option<crate::v1::Policy>,
    /// Whether we are a controller of groups: requests to join are told to the application, which decides.
    pub serves_groups: bool,
    /// Whom we accept as the controller of a group, by the group's id. Of any other name's grants nothing is taken.
    pub controllers: Vec<(Vec<u8>, Name)>,
    /// Octets of UDP payload above which protected messages are fragmented.
    pub path: usize,
    /// How long a request is sent again before it is given up.
    pub request_lifetime: Duration,
    /// After how long an initiator renews the SRTP keys of a session; `None` leaves it to the application.
    pub rekey_after: Option<Duration>,
    /// How many packets one SRTP key protects at most, if fewer than the 2^48 of RFC 3711: the agent renews the keys of a
    /// session when a sixteenth of that is left to one of its streams, and protects nothing beyond it.
    pub rekey_after_packets: Option<u64>,
    /// Whether renewals by time and by packets have a new DH.
    pub rekey_with_dh: bool,
    /// Whether RESUME has a new DH, which gives its final keys forward secrecy.
    pub resume_with_dh: bool,
    /// Sessions from which on no further caller is let in.
    pub max_sessions: usize,
    /// Half-open sessions that a responder keeps. Beyond it, the oldest one goes.
    pub max_half_open: usize,
    /// Half-open sessions from which on a cookie is asked for.
    pub cookie_threshold: usize,
    /// Half-open sessions of one source address (an IPv4 address or an IPv6 /64).
    pub max_half_open_per_address: usize,
}

impl EndpointConfig {
    /// An endpoint for `identity`, with default policy and limits, that trusts nobody yet.
    #[must_use]
    pub fn new(provider: CryptoProvider, identity: Identity) -> Self {
        Self {
            provider,
            policy: Policy::default(),
            identities: vec![identity],
            stands_in_for: Vec::new(),
            trust: Trust::none(),
            psks: Arc::new(PskTable::new()),
            tickets: None,
            answer: Arc::new(AcceptStreams::default()),
            unix_time_at_zero: None,
            v1: None,
            serves_groups: false,
            controllers: Vec::new(),
            path: DEFAULT_PATH,
            request_lifetime: REQUEST_LIFETIME,
            rekey_after: None,
            rekey_after_packets: None,
            rekey_with_dh: true,
            resume_with_dh: true,
            max_sessions: 1 << 20,
            max_half_open: 65_536,
            cookie_threshold: 1024,
            max_half_open_per_address: 256,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ApiMisuse> {
        self.provider.check()?;
        self.policy.check(&self.provider)?;
        if self.identities.is_empty() {
            return Err(ApiMisuse::NoCredential);
        }
        if !(MIN_PATH..=65_507).contains(&self.path) {
            return Err(ApiMisuse::Bounds("the path setting"));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&self.request_lifetime) {
            return Err(ApiMisuse::Bounds("the lifetime of requests"));
        }
        if self.rekey_after_packets.is_some_and(|count| !(MIN_KEY_PACKETS..=MAX_KEY_PACKETS).contains(&count))
        {
            return Err(ApiMisuse::Bounds("the packets of a key"));
        }
        if self.max_half_open == 0 || self.max_half_open_per_address == 0 {
            return Err(ApiMisuse::Bounds("the number of half-open sessions"));
        }
        Ok(())
    }

    /// How long the answer to a request is kept for a repeat: longer than the peer repeats it.
    pub(crate) fn answers_kept(&self) -> Duration {
        self.request_lifetime + ANSWER_MARGIN
    }

    /// Who of us answers an INIT_REQ that asks for this name, or for nobody.
    // R9.19
    pub(crate) fn answering(&self, asked: Option<&Name>) -> Option<&Identity> {
        let Some(asked) = asked else { return self.identities.first() };
        let diverted = || self.identities.first().filter(|_| self.stands_in_for.contains(asked));
        self.identity(asked).or_else(diverted)
    }

    pub(crate) fn identity(&self, name: &Name) -> Option<&Identity> {
        self.identities.iter().find(|i| i.name() == name)
    }
}

/// A call to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Which of our names calls; the endpoint's first one if `None`.
    pub from: Option<Name>,
    /// Whom we want. It SHOULD be named: without it whoever answers and can authenticate itself is the peer.
    pub to: Option<Name>,
    /// Whether another name than [`Self::to`] may answer. The true one is always reported, and that it is another.
    pub retarget: Retarget,
    /// What becomes of further answers once one peer has been authenticated.
    pub branches: Branches,
    /// The streams that need keys.
    pub streams: Vec<Stream>,
    /// A group to join instead: then there are no streams, and the peer is the group's controller.
    pub group: Option<GroupRequest>,
    /// Whether SRTP packets carry an MKI of four octets.
    pub mki: bool,
    /// A name for INIT_REQ that hides the true one, which then comes encrypted in CCE: an anonymous NAI (`@realm`) or a
    /// pseudonym that is used for this attempt alone.
    pub hidden_as: Option<Name>,
    /// What signalling said of the peer, for authentication by fingerprint.
    pub signalled: Option<Signalled>,
    /// The key management protocols that the signalling around INIT_REQ offers, in its order and separated by semicolons
    /// (RFC 4567 section 4.1.4), for [`crate::Endpoint::offer`].
    pub sdp_ids: Option<Vec<u8>>,
}

/// What trusted signalling said: authentication by it is as good as the signalling is (RFC 8122, RFC 8844).
///
/// All of it must match, beside both names: each part alone can be turned against the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// SHA-256 of the DER certificates that the peer may use (`a=fingerprint`).
    pub fingerprints: Vec<[u8; 32]>,
    /// Our own `a=tls-id`.
    pub local_tls_id: Vec<u8>,
    /// The peer's `a=tls-id`, if it is known yet.
    pub remote_tls_id: Option<Vec<u8>>,
    /// SHA-256 of the identity assertion, if there was one.
    pub assertion: Option<[u8; 32]>,
}

/// A call that signalling has announced: who will call whom, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The signalled name of the caller.
    pub initiator: Name,
    /// Ours, which it calls.
    pub responder: Name,
    /// What was signalled; the caller's tls-id is needed.
    pub signalled: Signalled,
}

impl Call {
    /// A call to `to` for the given streams, with an MKI.
    #[must_use]
    pub fn new(to: Name, streams: Vec<Stream>) -> Self {
        Self {
            from: None,
            to: Some(to),
            retarget: Retarget::Refuse,
            branches: Branches::First,
            streams,
            group: None,
            mki: true,
            hidden_as: None,
            signalled: None,
            sdp_ids: None,
        }
    }

    /// A call to a group's controller.
    #[must_use]
    pub fn join(controller: Name, request: GroupRequest) -> Self {
        Self { group: Some(request), ..Self::new(controller, Vec::new()) }
    }

    /// A call with one stream in each direction.
    #[must_use]
    pub fn both_ways(to: Name, policy: SrtpPolicy) -> Self {
        Self::new(to, vec![Stream::new(Side::Local, policy), Stream::new(Side::Remote, policy)])
    }
}

/// What to do when another name answers than the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retarget {
    /// It is no answer.
    Refuse,
    /// It may be authenticated; [`crate::Event::Established`] says who it is and who was asked for.
    Report,
}

/// What to do with further branches once one peer has been authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branches {
    /// The first one to be authenticated is the call; the others end.
    First,
    /// Every one becomes a session of its own until the application settles the call.
    Keep,
}

/// Decides, on the responder's side, on the streams that an authenticated peer offers.
pub trait AnswerStreams: Send + Sync {
    /// One answer for each offered stream, in their order.
    ///
    /// # Errors
    /// [`Mismatch`] refuses the call; the peer learns only that it was refused.
    fn answer(&self, peer: &Peer, offered: &[OfferedStream]) -> Result<Vec<StreamAnswer>, Mismatch>;
}

/// Accepts every stream, with the first offered policy that is in a list, and binds its own SSRCs late.
#[derive(Clone, Debug)]
pub struct AcceptStreams {
    /// The policies that would do, in our order.
    pub policies: Vec<SrtpPolicy>,
}

impl Default for AcceptStreams {
    fn default() -> Self {
        Self {
            policies: vec![
                SrtpPolicy::AEAD_AES_256_GCM,
                SrtpPolicy::AEAD_AES_128_GCM,
                SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
                SrtpPolicy::AES_CM_128_HMAC_SHA1_80,
                SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
            ],
        }
    }
}

impl AnswerStreams for AcceptStreams {
    fn answer(&self, _: &Peer, offered: &[OfferedStream]) -> Result<Vec<StreamAnswer>, Mismatch> {
        let choose = |stream: &OfferedStream| {
            let policy =
                self.policies.iter().find(|p| stream.policies.contains(p)).ok_or(Mismatch::SrtpPolicy)?;
            Ok(StreamAnswer { policy: *policy, ssrc: None, index: None })
        };
        offered.iter().map(choose).collect()
    }
}
