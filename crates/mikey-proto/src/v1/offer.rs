//! What an initiator asks for.

use crate::config::Retarget;
use crate::name::Name;
use crate::streams::Stream;

use super::bundle::BundleId;

/// How a message is protected and where the keys come from (RFC 3830 section 3, RFC 4650, RFC 4738).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Keys in the clear, under the protection of what carries the message.
    Null,
    /// Keys encrypted and MACed under a pre-shared key.
    Psk,
    /// Keys encrypted to the responder's RSA key, signed by the initiator.
    Pk,
    /// Diffie-Hellman, signed by both.
    Dh,
    /// Diffie-Hellman, MACed under a pre-shared key (RFC 4650).
    DhHmac,
    /// Keys that the responder chooses and encrypts to the initiator's RSA key, signed by both (RFC 4738).
    RsaR,
}

/// What the keys in KEMAC are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// One TGK, from which each crypto session gets a key and a salt of its own.
    Tgk,
    /// One TEK with its salt: the SRTP master key itself, for all crypto sessions. Only for streams of one sender whose
    /// SSRCs differ. Devices that speak MIKEY in RTSP want it.
    Tek,
    /// As [`Self::Tek`], with the salt run together with the key, as players and cameras of RTSP write it: of a salt that
    /// stands apart, as RFC 3830 has it, they know nothing. With salts of 14 octets alone, which a reader can tell.
    JoinedTek,
}

/// A first message to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The mode.
    pub mode: Mode,
    /// Which of our names sends it; the first one if `None`.
    pub from: Option<Name>,
    /// Whom it is for.
    pub to: Option<Name>,
    /// Whether another name may answer in a mode with certificates.
    pub retarget: Retarget,
    /// The streams, with one policy each. Where no response comes back, all of them are ours. Ours need their SSRC, unless
    /// no response comes back or the map is GENERIC-ID.
    pub streams: Vec<Stream>,
    /// The MKI of all keys; empty for packets without one.
    pub mki: Vec<u8>,
    /// First and last packet index of the keys, if they are not valid for all; not together with an MKI.
    pub valid: Option<(u64, u64)>,
    /// What the keys are, in the modes in which they are sent.
    pub key: KeyKind,
    /// Whether the responder has to confirm, in the modes in which that is left to us.
    pub confirm: bool,
    /// Whether names stand in the message. Without them both sides must know them otherwise.
    pub names: bool,
    /// Whether the crypto sessions are stated as GENERIC-ID (RFC 6043) and not as SRTP-ID.
    pub generic: bool,
    /// The key management protocols that the SDP around it offers, against bidding down (RFC 4567 section 6.1).
    pub sdp_ids: Option<Vec<u8>>,
    /// Whether the message says that we speak version 2, which the peer seems not to: then one that does sees that somebody
    /// has taken our offer of version 2 away (docs/spec.md, "Signalling").
    pub speaks_v2: bool,
    /// Key IDs: type and identifier (RFC 4563).
    pub key_ids: Vec<(u8, Vec<u8>)>,
    /// The chain that the responder's keys are encrypted to, end entity first; needed for [`Mode::Pk`].
    pub encrypt_to: Vec<Vec<u8>>,
}

impl Offer {
    /// An offer of streams to a peer, to be confirmed, with the names in it and a TGK.
    #[must_use]
    pub fn new(mode: Mode, to: Name, streams: Vec<Stream>) -> Self {
        Self {
            mode,
            from: None,
            to: Some(to),
            retarget: Retarget::Refuse,
            streams,
            mki: Vec::new(),
            valid: None,
            key: KeyKind::Tgk,
            confirm: true,
            names: true,
            generic: false,
            sdp_ids: None,
            speaks_v2: false,
            key_ids: Vec::new(),
            encrypt_to: Vec::new(),
        }
    }

    /// NULL mode as devices have it: streams of ours under one TEK, nothing to come back.
    #[must_use]
    pub fn null(streams: Vec<Stream>) -> Self {
        let anybody = Name::from_wire(&mikey_wire::Id { ty: mikey_wire::IdType::BYTES, data: &[] });
        Self {
            to: None,
            key: KeyKind::Tek,
            confirm: false,
            names: false,
            ..Self::new(Mode::Null, anybody, streams)
        }
    }

    /// Whether an R_MESSAGE comes back.
    pub(super) fn has_response(&self) -> bool {
        match self.mode {
            Mode::Null => false,
            Mode::Psk | Mode::Pk => self.confirm,
            Mode::Dh | Mode::DhHmac | Mode::RsaR => true,
        }
    }
}

/// An update of a bundle that we initiated (RFC 3830 section 4.5): new keys for its streams, and further streams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// The bundle.
    pub bundle: BundleId,
    /// Whether new keys are made; without them, [`Self::add`] says what changes.
    pub rekey: bool,
    /// The MKI of the new keys: none if packets have none, else one that was not used before.
    pub mki: Vec<u8>,
    /// Further streams, with one policy each.
    pub add: Vec<Stream>,
}

impl Update {
    /// New keys for all streams of a bundle.
    #[must_use]
    pub fn rekey(bundle: BundleId, mki: Vec<u8>) -> Self {
        Self { bundle, rekey: true, mki, add: Vec::new() }
    }
}
