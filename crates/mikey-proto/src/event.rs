//! What an endpoint tells its application: facts, owned, in past tense. Keys leave exactly once, by move.

use std::collections::VecDeque;
use std::net::SocketAddr;

use mikey_crypto::{GroupId, MethodId, PrfId, SecretBytes, SuiteId};
use mikey_wire::Session;

use crate::auth::Peer;
use crate::error::{DropReason, Error};
use crate::group::{GroupAnswer, GroupAsk, GroupGrant, GroupRequest};
use crate::keys::{MessageKeys, Protection, Role};
use crate::metrics::Metrics;
use crate::name::Name;
use crate::negotiate::Choice;
use crate::policy::Exchange;
use crate::sas::Sas;
use crate::streams::SrtpKeys;
use crate::ticket::{Issued, Ticket};
use crate::time::Time;

/// A call that was started here, until it has succeeded or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u64);

/// An established session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

impl SessionId {
    /// A number that no other session of the endpoint has or had.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What to do next. After each input, outputs are drained until [`Output::Timeout`] comes: only then is the endpoint at rest.
#[must_use]
#[non_exhaustive]
pub enum Output {
    /// Send these octets as one datagram.
    Transmit {
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Something that the application must know.
    Event(Event),
    /// Nothing more to do before this time, if there is one. Always the last item.
    Timeout(Option<Time>),
}

/// Something that the application must know.
#[non_exhaustive]
pub enum Event {
    /// A peer was authenticated. Look at its [`Peer::level`].
    Established {
        /// The new session.
        session: SessionId,
        /// The call that led to it, if it was made here.
        call: Option<CallId>,
        /// Who of the two we are.
        role: Role,
        /// Where the peer is.
        remote: SocketAddr,
        /// Who the peer is and how that is known.
        peer: Peer,
        /// Whom the initiator asked for, if that is not who answered. The peer's true name is in `peer`.
        retargeted_from: Option<Name>,
        /// What was negotiated.
        negotiated: Negotiated,
    },
    /// A peer of version 1 agreed, or updated what was agreed. Look at its [`Peer::level`].
    V1Established {
        /// The session; of an update, the one that is updated.
        session: SessionId,
        /// The call that led to it, if it was made here.
        call: Option<CallId>,
        /// Who of the two we are.
        role: Role,
        /// Where the peer is.
        remote: SocketAddr,
        /// Who the peer is and how that is known.
        peer: Peer,
        /// How.
        mode: crate::v1::Mode,
        /// Whether a session that was there has new keys or streams.
        update: bool,
        /// Whether the peer says that it speaks version 2, which we do: somebody may have taken that offer away.
        peer_speaks_v2: bool,
        /// What the peer did against RFC 3830.
        quirks: mikey_wire::Quirks,
    },
    /// A short authentication string, to be shown to the person here and compared with the other's. Until
    /// [`crate::Endpoint::confirm_sas`] says that they are the same, anyone may be at the other end.
    SasReady {
        /// The session.
        session: SessionId,
        /// What to show.
        sas: Sas,
    },
    /// The peer's person has compared the SAS: `true` if it was the same, `false` if that was revoked.
    SasComparedByPeer {
        /// The session.
        session: SessionId,
        /// What the peer says.
        verified: bool,
    },
    /// Keys for SRTP. Install them before media is sent.
    SrtpKeysReady {
        /// The session.
        session: SessionId,
        /// The keys. They cannot be had again.
        keys: SrtpKeys,
    },
    /// Keys of MIKEY messages, for analysis: only after [`crate::Endpoint::log_message_keys`]. The session may come to
    /// nothing yet.
    MessageKeysReady {
        /// The keys of one of the two ends.
        keys: MessageKeys,
    },
    /// Streams are no longer part of the session.
    StreamsRemoved {
        /// The session.
        session: SessionId,
        /// Their crypto sessions; often none.
        cs_ids: Vec<u8>,
    },
    /// The peer refused a REKEY. The keys stay as they are.
    RekeyRefused {
        /// The session.
        session: SessionId,
    },
    /// The peer has another address now, and has proven it.
    PeerMoved {
        /// The session.
        session: SessionId,
        /// Where it is.
        remote: SocketAddr,
    },
    /// Keys of early media: in a resumed call, what the initiator sends before the answer has come, for two seconds and
    /// 64 kB. It may be a repeat of what was sent before if the peer's store of tickets failed. The other keys follow.
    EarlyKeysReady {
        /// The session that will be.
        session: SessionId,
        /// Where the peer is.
        remote: SocketAddr,
        /// The keys.
        keys: SrtpKeys,
    },
    /// A peer resumed with a ticket whose use could not be recorded: everything of it may be a repeat of what was sent before.
    /// Its early media is not accepted, and until [`Event::ResumedProven`], or media of the peer, says that it is there, no
    /// more than 64 kB may be sent to it, for two seconds.
    ResumedUnrecorded {
        /// The session.
        session: SessionId,
    },
    /// The peer of a session that was resumed and not recorded has shown that it is there.
    ResumedProven {
        /// The session.
        session: SessionId,
    },
    /// A ticket for the next call to this peer came. Keep it where nobody else can read it.
    TicketReady {
        /// The session that it belongs to.
        session: SessionId,
        /// The ticket.
        ticket: Ticket,
    },
    /// The peer has no ticket for us. The session stays as it is.
    TicketRefused {
        /// The session.
        session: SessionId,
    },
    /// An answer to a call could not be authenticated. The call goes on until its time is up.
    BranchFailed {
        /// The call.
        call: CallId,
        /// Where the answer came from.
        remote: SocketAddr,
        /// Why.
        why: Error,
    },
    /// A call failed: its time is up and no peer was authenticated.
    CallFailed {
        /// The call.
        call: CallId,
        /// The most telling reason.
        why: Error,
    },
    /// Somebody called, and could not be authenticated or had nothing to offer.
    CallerRefused {
        /// Where it is.
        remote: SocketAddr,
        /// Why.
        why: Error,
    },
    /// At a controller: somebody was authenticated and wants to join a group. It waits, for some seconds, for
    /// [`crate::Endpoint::admit`] or [`crate::Endpoint::refuse`].
    JoinRequested {
        /// The session that it will be.
        session: SessionId,
        /// Where it is.
        remote: SocketAddr,
        /// Who it is.
        peer: Peer,
        /// What it wants.
        request: GroupRequest,
    },
    /// At a member: the controller has let us in.
    GroupJoined {
        /// The session with the controller.
        session: SessionId,
        /// What was asked for.
        request: GroupRequest,
        /// The group and its keys. They cannot be had again.
        grant: Box<GroupGrant>,
        /// The key of our leaf in the key tree.
        leaf_key: SecretBytes,
        /// When CCE_REQ was first sent: since then the controller's clock has shown what `grant.tesla` says.
        asked: Time,
    },
    /// At a controller: a member asks something of a group. It waits for [`crate::Endpoint::answer_group`].
    GroupAsked {
        /// The member's session.
        session: SessionId,
        /// The group's SPI.
        group: u64,
        /// What it asks.
        ask: GroupAsk,
    },
    /// At a member: the controller has answered.
    GroupAnswered {
        /// The session with the controller.
        session: SessionId,
        /// The group's SPI.
        group: u64,
        /// What was asked.
        ask: GroupAsk,
        /// Its answer.
        answer: GroupAnswer,
    },
    /// A session is over. Its keys are to be removed.
    Closed {
        /// The session.
        session: SessionId,
        /// Why.
        why: CloseReason,
    },
}

/// Why a session is over.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The application closed it.
    Local,
    /// The peer closed it, with the reason code of DELETE.
    Remote(u8),
    /// The peer stopped answering.
    PeerSilent,
}

/// What INIT agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// What followed INIT; of a resumed session, what the session that issued its ticket came from.
    pub exchange: Exchange,
    /// PRF and transcript hash.
    pub prf: PrfId,
    /// Key exchange group.
    pub group: GroupId,
    /// Protection of CCE and later messages.
    pub suite: SuiteId,
    /// How the initiator authenticated itself.
    pub initiator: MethodId,
    /// How the responder authenticated itself.
    pub responder: MethodId,
    /// Whether CCE was encrypted.
    pub confidential: bool,
}

impl From<&Choice> for Negotiated {
    fn from(choice: &Choice) -> Self {
        Self {
            exchange: choice.exchange,
            prf: choice.prf,
            group: choice.group,
            suite: choice.suite,
            initiator: choice.initiator,
            responder: choice.responder,
            confidential: choice.confidential,
        }
    }
}

/// Outputs in order, and the counters.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Output>,
    /// The tickets of the session at hand are to be forgotten.
    revoked: bool,
    /// A ticket that goes out in the response at hand.
    issued: Option<Issued>,
    /// Whether the application wants to see the keys of messages.
    pub(crate) logs_keys: bool,
    pub(crate) metrics: Metrics,
}

impl Outbox {
    pub(crate) fn send(&mut self, to: SocketAddr, datagrams: &[impl AsRef<[u8]>]) {
        for bytes in datagrams {
            let bytes = bytes.as_ref().to_vec();
            self.metrics.sent(bytes.len());
            self.queue.push_back(Output::Transmit { to, bytes });
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.queue.push_back(Output::Event(event));
    }

    /// Shows the keys of messages, of both ends if the session has an SPI of the responder, to an application that asked for
    /// it.
    pub(crate) fn log_keys(&mut self, session: Session, protection: &Protection) {
        if self.logs_keys {
            let both = session.spi_r != 0;
            for sender in [Some(Role::Initiator), both.then_some(Role::Responder)].into_iter().flatten() {
                let keys = MessageKeys::new(session, protection, sender);
                self.event(Event::MessageKeysReady { keys });
            }
        }
    }

    pub(crate) fn dropped(&mut self, why: DropReason) {
        self.metrics.dropped(why);
    }

    pub(crate) fn revoke(&mut self) {
        self.revoked = true;
    }

    pub(crate) fn take_revoked(&mut self) -> bool {
        std::mem::take(&mut self.revoked)
    }

    pub(crate) fn issue(&mut self, issued: Issued) {
        self.issued = Some(issued);
    }

    pub(crate) fn take_issued(&mut self) -> Option<Issued> {
        self.issued.take()
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
