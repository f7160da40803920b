//! Errors by whose fault they are, and what the peer learns of each.

use std::fmt;

use mikey_crypto::{
    AuthFailed, EncryptFailed, IncompleteProvider, KeyRejected, KxError, RandomFailed, SignFailed,
};
use mikey_wire::{DecodeError, EncodeError, ErrorNo};

/// Why an attempt or a session ended, or a call of the API was refused.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// An authenticated peer sent octets that are not this protocol.
    Decode(DecodeError),
    /// The peer could not be authenticated, or did what it must not.
    Peer(PeerFault),
    /// Both sides behave, and have nothing in common.
    Mismatch(Mismatch),
    /// Nobody answered in time with something that verified.
    Timeout {
        /// How far it came.
        stage: Stage,
        /// What an unauthenticated ERROR said meanwhile. Anyone can send one: it is a hint for a person, not a fact.
        hint: Option<Hint>,
    },
    /// A message of version 1 was refused, by us or by the peer.
    V1(crate::v1::Error),
    /// The caller broke a rule that the documentation states.
    Misuse(ApiMisuse),
    /// The source of randomness failed.
    Random,
    /// A bug here. Please report it.
    Bug(&'static str),
}

/// What the peer did.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFault {
    /// AUTH did not verify: a wrong PSK, a wrong key, or a transcript that somebody changed.
    AuthFailed,
    /// The certificate was refused.
    Certificate(CertificateFault),
    /// The peer's name is not the one that was asked for, or is our own.
    Name,
    /// The peer says that it does not accept us. Until its own AUTH has verified, this is only its claim.
    RefusedUs,
    /// The peer answered with something that was not offered, or left out what it must send.
    Negotiation(&'static str),
    /// The SAS reveal is not what was committed to.
    SasCommitment,
    /// It is not accepted as a controller of the group.
    NotController,
}

/// Why a certificate was refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// No certificate came.
    Missing,
    /// It is not DER of an X.509 certificate, or uses what is not supported.
    Malformed,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// No chain leads to a trust anchor.
    UnknownIssuer,
    /// It was revoked.
    Revoked,
    /// There are revocation lists, and none of them is of its issuer.
    RevocationUnknown,
    /// The revocation list that would tell whether it was revoked has expired.
    CrlExpired,
    /// Its key usage or extended key usage does not allow this.
    Usage,
    /// It is for another name.
    Name,
    /// Its key is not of the negotiated kind.
    KeyKind,
    /// It is not the one that the SDP fingerprint names.
    Fingerprint,
    /// Another one is pinned to its name.
    NotPinned,
}

/// Where both sides found nothing in common.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// A parameter of M-SP, by its name in docs/spec.md.
    Parameter(&'static str),
    /// No SRTP policy of a crypto session.
    SrtpPolicy,
    /// The streams that the application wants.
    Streams,
}

/// How far an attempt came before its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No answer to the first message.
    NoAnswer,
    /// Somebody answered the first message, and nothing came back to the second one.
    Unverified,
    /// The same with a pre-shared key: this is what a wrong key, or a name that the peer does not know, looks like.
    UnverifiedPsk,
}

/// What an unauthenticated ERROR claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// "I accept none of the DH groups" or "another one".
    InvalidDh,
    /// "We have no parameters in common."
    InvalidSpPar,
    /// "I do not speak this version."
    VersionNotSupported,
}

/// The caller broke a documented rule.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiMisuse {
    /// The text is not a URI and not a NAI, or too long.
    Name,
    /// The provider lacks something.
    Provider(&'static str),
    /// The policy lists an algorithm that the provider does not have, or nothing at all.
    Policy(&'static str),
    /// A private key was refused.
    Key(&'static str),
    /// The certificate is not for the private key.
    KeyMismatch,
    /// The certificate does not hold the name that it is used for.
    CertificateName,
    /// A certificate for decryption that may not decrypt, or may also sign.
    CertificateUsage,
    /// The octets are not a certificate, or the chain is empty or too long.
    Certificate,
    /// A pre-shared key of fewer than 16 octets.
    ShortPsk,
    /// There is no credential for any method that the policy allows.
    NoCredential,
    /// No stream, too many, or two that exclude each other.
    Streams,
    /// Authentication by fingerprint needs the name of the peer, and no retargeting; an expected call needs the caller's tls-id.
    Signalled,
    /// The ticket has expired, a stream of the resumed call has more than one policy, or the call asks for more than the
    /// ticket's session had: a hidden name, or what signalling said.
    Ticket,
    /// An SRTP policy that contradicts itself.
    SrtpPolicy,
    /// There is no such session.
    UnknownSession,
    /// The session is in a state in which this cannot be done.
    State,
    /// The message would be longer than the protocol allows.
    TooLong,
    /// The request for a group has no role, a group id that is not of 1 to 64 octets, too many SSRCs, or streams beside it;
    /// or a grant has more than a message can hold.
    Group,
    /// A size or a time outside its documented bounds.
    Bounds(&'static str),
}

impl Error {
    /// What the peer learns, in a protected ERROR: one code for every failure of AUTH, certificate, name and policy.
    // R15.4
    #[must_use]
    pub fn error_no(&self) -> Option<ErrorNo> {
        match self {
            Self::Decode(_) | Self::Peer(_) | Self::Mismatch(_) => Some(ErrorNo::AUTH_FAILURE),
            Self::Timeout { .. } | Self::V1(_) | Self::Misuse(_) | Self::Random | Self::Bug(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(e) => write!(f, "the peer sent a malformed message: {e}"),
            Self::Peer(e) => e.fmt(f),
            Self::Mismatch(Mismatch::Parameter(name)) => write!(f, "no {name} in common with the peer"),
            Self::Mismatch(Mismatch::SrtpPolicy) => f.write_str("no srtp policy in common with the peer"),
            Self::Mismatch(Mismatch::Streams) => f.write_str("the application refused the peer's streams"),
            Self::Timeout { stage, hint } => {
                f.write_str(match stage {
                    Stage::NoAnswer => "the peer did not answer in time",
                    Stage::Unverified => "the peer answered at first, but not to our authentication",
                    Stage::UnverifiedPsk => {
                        "the peer does not share our pre-shared key for these two names, or stopped answering"
                    }
                })?;
                let claim = match hint {
                    None => return Ok(()),
                    Some(Hint::InvalidDh) => "it accepts none of the offered dh groups",
                    Some(Hint::InvalidSpPar) => "it has no parameters in common with this offer",
                    Some(Hint::VersionNotSupported) => "it does not speak version 2",
                };
                write!(f, "; an unauthenticated error said that {claim}")
            }
            Self::V1(e) => e.fmt(f),
            Self::Misuse(e) => e.fmt(f),
            Self::Random => f.write_str("the random number generator failed"),
            Self::Bug(what) => write!(f, "a bug in this library: {what}"),
        }
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthFailed => "the peer did not prove its identity",
            Self::Certificate(fault) => return write!(f, "the peer's certificate {fault}"),
            Self::Name => "the peer is not the one that was asked for",
            Self::RefusedUs => "the peer refused our authentication or our policy",
            Self::Negotiation(what) => return write!(f, "the peer broke the negotiation: {what}"),
            Self::NotController => "the peer is not accepted as a controller of this group",
            Self::SasCommitment => "the peer's sas reveal is not what it committed to",
        })
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "did not come",
            Self::Malformed => "is malformed or unsupported",
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::UnknownIssuer => "leads to no trust anchor",
            Self::Revoked => "was revoked",
            Self::RevocationUnknown => "is covered by none of the revocation lists",
            Self::CrlExpired => "cannot be checked: the revocation list of its issuer has expired",
            Self::Usage => "does not allow this use of its key",
            Self::Name => "is for another name",
            Self::KeyKind => "has a key of another kind than negotiated",
            Self::Fingerprint => "is not the one that the fingerprint names",
            Self::NotPinned => "is not the one that is pinned to its name",
        })
    }
}

impl fmt::Display for ApiMisuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => {
                "a name is a uri such as sip:alice@example.com, or user@realm, of at most 255 octets"
            }
            Self::Provider(list) => return write!(f, "the provider's list of {list} is empty or ambiguous"),
            Self::Policy(what) => return write!(f, "the policy and the provider share no {what}"),
            Self::Key(why) => return write!(f, "private key refused: {why}"),
            Self::KeyMismatch => "the certificate is not for this private key",
            Self::CertificateName => "the certificate does not hold this identity",
            Self::CertificateUsage => {
                "the key usage of a certificate for decryption is key encipherment, and nothing that signs"
            }
            Self::Certificate => "not a certificate chain of one to seven X.509 certificates",
            Self::ShortPsk => "a pre-shared key is random key material of at least 16 octets",
            Self::NoCredential => "no credential for any authentication method that the policy allows",
            Self::Streams => "between 1 and 64 streams are needed, each offering 1 to 16 policies",
            Self::Signalled => "authentication by fingerprint needs both names and the peer's tls-id",
            Self::Ticket => "the ticket has expired, or the call asks for what its session did not have",
            Self::SrtpPolicy => "an srtp policy contradicts itself",
            Self::UnknownSession => "there is no such session",
            Self::State => "the session is in a state in which this cannot be done",
            Self::TooLong => "the message would be longer than the protocol allows",
            Self::Group => {
                "a group id has 1 to 64 octets, its request a role, at most 16 ssrcs and no streams"
            }
            Self::Bounds(what) => return write!(f, "{what} is out of its bounds"),
        })
    }
}

impl std::error::Error for Error {}
impl std::error::Error for ApiMisuse {}

impl From<ApiMisuse> for Error {
    fn from(e: ApiMisuse) -> Self {
        Self::Misuse(e)
    }
}

impl From<PeerFault> for Error {
    fn from(e: PeerFault) -> Self {
        Self::Peer(e)
    }
}

impl From<CertificateFault> for Error {
    fn from(e: CertificateFault) -> Self {
        Self::Peer(PeerFault::Certificate(e))
    }
}

impl From<AuthFailed> for Error {
    fn from(AuthFailed: AuthFailed) -> Self {
        Self::Peer(PeerFault::AuthFailed)
    }
}

impl From<RandomFailed> for Error {
    fn from(RandomFailed: RandomFailed) -> Self {
        Self::Random
    }
}

impl From<SignFailed> for Error {
    fn from(SignFailed: SignFailed) -> Self {
        Self::Bug("a signature could not be made")
    }
}

impl From<EncryptFailed> for Error {
    fn from(EncryptFailed: EncryptFailed) -> Self {
        // The key is of the right kind, but of a size that is not taken.
        CertificateFault::KeyKind.into()
    }
}

impl From<EncodeError> for Error {
    fn from(_: EncodeError) -> Self {
        Self::Misuse(ApiMisuse::TooLong)
    }
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Self {
        Self::Decode(e)
    }
}

impl From<IncompleteProvider> for ApiMisuse {
    fn from(e: IncompleteProvider) -> Self {
        Self::Provider(e.0)
    }
}

impl From<KeyRejected> for ApiMisuse {
    fn from(e: KeyRejected) -> Self {
        Self::Key(e.0)
    }
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Why a datagram or message had no effect: counted, and that is all.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason { $($(#[$doc])* $name),+ }

        impl DropReason {
            /// Every reason, in the order of its counter.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// A short name for metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

drop_reasons! {
    /// Not a message of this protocol.
    Malformed = "malformed",
    /// Longer than any message may be.
    TooLong = "too_long",
    /// A version or a message that is not spoken here.
    Unsupported = "unsupported",
    /// No session or attempt has these SPIs.
    UnknownSession = "unknown_session",
    /// The message does not belong to the state of its session.
    WrongState = "wrong_state",
    /// HDR or SESSION contradict the session: CSB ID, PRF, V.
    WrongHeader = "wrong_header",
    /// KEMAC or V did not verify.
    Unauthenticated = "unauthenticated",
    /// SIGNi did not verify, or its certificate was refused.
    BadSignature = "bad_signature",
    /// A number T that was used before, with other octets.
    Replayed = "replayed",
    /// A repeat of a request that was answered; the stored answer was sent again.
    Repeat = "repeat",
    /// INIT_REQ names somebody else.
    NotForUs = "not_for_us",
    /// INIT_REQ comes from one of our own names.
    OwnName = "own_name",
    /// Nothing in common; an ERROR was sent.
    NoCommonGround = "no_common_ground",
    /// A DH value that is refused.
    BadKeyExchange = "bad_key_exchange",
    /// A cookie was asked for.
    CookieNeeded = "cookie_needed",
    /// A table is full.
    Full = "full",
    /// An INIT_RESP that does not fit the offer.
    BadAnswer = "bad_answer",
    /// An ERROR that fits no attempt, or says what it may not.
    BadError = "bad_error",
    /// A ticket that is unknown, used or too old; an ERROR was sent.
    BadTicket = "bad_ticket",
    /// A fragment that does not fit the others.
    BadFragment = "bad_fragment",
    /// A REKEY that crossed ours and lost.
    Crossing = "crossing",
    /// The attempt takes no further answers.
    Closed = "closed",
}

/// What goes wrong inside a handler: noise that is counted, or the end of the session.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing happened.
    Discard(DropReason),
    /// The branch, attempt or session ends.
    Fatal(Error),
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(e: E) -> Self {
        Self::Fatal(e.into())
    }
}

impl From<DropReason> for Fault {
    fn from(why: DropReason) -> Self {
        Self::Discard(why)
    }
}

impl From<KxError> for Fault {
    fn from(e: KxError) -> Self {
        match e {
            KxError::BadValue => Self::Discard(DropReason::BadKeyExchange),
            KxError::Random => Self::Fatal(Error::Random),
        }
    }
}
