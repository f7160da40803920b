//! Every bound of the endpoint, with what happens when it is hit (docs/spec.md, "Timers and limits").

use core::time::Duration;

/// First retransmission of a request; doubles from there.
pub const RETRANSMIT_FIRST: Duration = Duration::from_millis(200);
/// Longest interval between two retransmissions.
pub const RETRANSMIT_MAX: Duration = Duration::from_secs(2);
/// Each interval is longer by up to this share of it, which differs from request to request.
pub const RETRANSMIT_JITTER: f64 = 0.25;
/// After this the request is given up and the attempt or session reports it.
pub const REQUEST_LIFETIME: Duration = Duration::from_secs(12);
/// Half-open sessions and answers outlive the requests of the peer by this.
pub const ANSWER_MARGIN: Duration = Duration::from_secs(3);

/// The answerer of a REKEY sends under the new keys at the latest after this.
pub const SWITCH_AT_LATEST: Duration = Duration::from_secs(2);

/// A renewal by time that is not possible now is tried again after this.
pub const REKEY_PUT_OFF: Duration = Duration::from_secs(1);

/// Fewest packets that a key may be limited to: the last sixteenth of them has to cover a renewal, which may take
/// [`SWITCH_AT_LATEST`] and what is sent again.
pub const MIN_KEY_PACKETS: u64 = 16_384;
/// Packets that one SRTP master key may protect (RFC 3711 section 9.2).
pub const MAX_KEY_PACKETS: u64 = 1 << 48;

/// Longest INIT_REQ that is taken (a longer one is dropped) or sent (a longer one is refused to the caller).
pub const MAX_INIT: usize = 2048;
/// Longest datagram that is looked at.
pub const MAX_DATAGRAM: usize = 65_535;
/// How long a new address of a peer may take to prove itself.
pub const PATH_CHECK_LIFETIME: Duration = Duration::from_secs(3);
/// Half-open sessions of an address that has shown no cookie; from there on a cookie is asked for.
pub const MAX_UNVERIFIED_PER_ADDRESS: usize = 64;
/// Octets sent to an address that is not verified, for each octet received from it.
pub const AMPLIFICATION: usize = 3;

/// Branches of one attempt whose DH is computed at a time; more answers wait as bytes.
pub const MAX_BRANCHES: usize = 8;
/// Answers of one attempt that are remembered, to know a repeat; the oldest one is forgotten.
pub const MAX_ANSWERS: usize = 1024;
/// Answers of one attempt that wait as bytes; a further one replaces one of them by chance.
pub const MAX_WAITING: usize = 32;
/// Answers of one attempt from one source address that wait, and as many that hold a slot; a further one replaces one.
pub const MAX_WAITING_PER_SOURCE: usize = 4;
/// Addresses of one branch that nobody vouched for; further ones are not answered.
pub const MAX_ROUTES: usize = 4;
/// A branch without answer yields its slot after this, and is still listened to.
pub const BRANCH_SLOT: Duration = Duration::from_secs(2);
/// Branches that are still listened to after they yielded their slot; the oldest is forgotten.
pub const MAX_YIELDED: usize = 32;
/// Cookies that an initiator follows at once in one attempt; a further one waits for the next time that it sends again.
pub const MAX_COOKIES: u8 = 3;
/// Cookies that take turns in what is sent again; the oldest one goes.
pub const MAX_COOKIES_KEPT: usize = 8;
/// Further DH groups that an initiator tries in one attempt.
pub const MAX_GROUP_RETRIES: usize = 2;

/// Octets of UDP payload that are never exceeded without fragmentation, unless the path setting says otherwise.
pub const DEFAULT_PATH: usize = 1200;
/// Smallest path setting.
pub const MIN_PATH: usize = 256;
/// Fragments of one message.
pub const MAX_FRAGMENTS: u16 = 64;
/// Octets of memory that fragments take in all half-open sessions together, so that callers who send all but one fragment of
/// a message cannot fill the memory. Beyond it the oldest ones are forgotten, and come again if their sender is there.
pub const MAX_HELD_FRAGMENTS: usize = 16 << 20;
/// Smallest "longest reassembled message" that M-SP may declare.
pub const MIN_REASSEMBLY: u16 = 4096;
/// What this implementation declares.
pub const DEFAULT_REASSEMBLY: u16 = 24_576;

/// Tickets that an endpoint remembers; the oldest one goes.
pub const MAX_TICKETS: usize = 65_536;
/// How long a ticket may be used.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(86_400);
/// How long early media may flow.
pub const EARLY_MEDIA: Duration = Duration::from_secs(2);

/// Crypto sessions of one session.
pub const MAX_STREAMS: usize = 64;
/// Policies offered for one crypto session.
pub const MAX_POLICIES: usize = 16;
/// Octets of the key in a CCE2 envelope.
pub const ENVELOPE_KEY: usize = 32;
/// Octets of a pre-shared key: fewer are refused, because a PSK is key material and not a password.
pub const MIN_PSK: usize = 16;
/// Octets of an identity.
pub const MAX_NAME: usize = 255;
/// Octets of a group's id.
pub const MAX_GROUP_NAME: usize = 64;
/// SSRCs that a member may ask for at once.
pub const MAX_GROUP_SSRCS: u8 = 16;
/// Certificates of a chain: the end entity and six issuers.
pub const MAX_CHAIN: usize = 7;

/// How long a request's T may run: 2^32 - 1 is never used.
// R10.6
pub const MAX_T: u32 = u32::MAX - 1;

/// How long an offer in signalling waits for answers, and the callee's half-open session for CCE: SIP's own limit for an
/// INVITE that rings (RFC 3261, timer C).
pub const SIGNALLED_LIFETIME: Duration = Duration::from_secs(180);

/// Half-open sessions from signalling. A further offer is refused until one of them is over.
pub const MAX_SIGNALLED: usize = 256;
