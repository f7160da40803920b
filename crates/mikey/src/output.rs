//! What an agent returns and tells.

use std::net::SocketAddr;

use mikey_proto::{
    CallId, CloseReason, Error, Event, Name, Negotiated, Peer, Role, Sas, SessionId, Ticket, Time, v1,
};
use mikey_srtp::{Ssrc, UnprotectError};

use crate::groups::GroupHandle;
use crate::media::MediaStream;

/// What a datagram was.
#[must_use]
#[non_exhaustive]
#[derive(Debug)]
pub enum Received<'p> {
    /// Key management: outputs may be waiting.
    Keying,
    /// Media or its control, decrypted.
    Media(Media<'p>),
    /// Media in clear, where [`crate::Agent::accept_clear`] allows it: it belongs to no session, and anybody may have sent it.
    Clear {
        /// RTP or RTCP.
        kind: Kind,
        /// The packet.
        packet: &'p [u8],
    },
    /// Media without a key yet, while a call is being set up: kept, and released when the key is there. Or media of a group with
    /// TESLA, whose sender has not disclosed yet that it is its own.
    Held,
    /// MIKEY of version 1, where the configuration does not speak it.
    MikeyV1(&'p [u8]),
    /// STUN, for whoever does ICE.
    Stun(&'p [u8]),
    /// A TURN channel.
    Turn(&'p [u8]),
    /// DTLS.
    Dtls(&'p [u8]),
    /// Nothing that is wanted. Counted.
    Refused(Refused),
}

/// Why a datagram was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// No protocol that shares this port.
    Unknown,
    /// SRTP or SRTCP that was not accepted.
    Media(UnprotectError),
}

/// An RTP or RTCP packet that was authenticated and decrypted.
#[derive(Debug, PartialEq, Eq)]
pub struct Media<'p> {
    /// Whose it is: the session, or for media of a group the one with its controller.
    pub session: SessionId,
    /// The group, if it is of one. That a member sent it is all that is known: any of them could (docs/groups.md), unless the
    /// group has TESLA, where packets come as [`AgentOutput::Media`] once it is known that the SSRC's owner has made them.
    pub group: Option<GroupHandle>,
    /// The crypto session; in a group, the RTP session.
    pub cs_id: u8,
    /// RTP or RTCP.
    pub kind: Kind,
    /// Its sender.
    pub ssrc: Ssrc,
    /// The packet.
    pub packet: &'p [u8],
}

/// What a packet of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
}

/// What to do next. After each input, outputs are drained until [`AgentOutput::Timeout`] comes.
#[must_use]
#[non_exhaustive]
pub enum AgentOutput {
    /// Send these octets as one datagram.
    Transmit {
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Something that the application must know.
    Event(AgentEvent),
    /// Media that came before its key and has now been decrypted.
    Media {
        /// Whose it is.
        session: SessionId,
        /// The group, if it is of one.
        group: Option<GroupHandle>,
        /// The crypto session.
        cs_id: u8,
        /// RTP or RTCP.
        kind: Kind,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Nothing more to do before this time, if there is one. Always the last item.
    Timeout(Option<Time>),
}

/// Something that the application must know.
#[non_exhaustive]
pub enum AgentEvent {
    /// A peer was authenticated. Look at its level.
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
        /// Whom the initiator asked for, if that is not who answered.
        retargeted_from: Option<Name>,
        /// What was negotiated.
        negotiated: Negotiated,
    },
    /// A peer of MIKEY version 1 agreed, or updated what was agreed. Look at its level.
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
        mode: v1::Mode,
        /// Whether a session that was there has new keys or streams.
        update: bool,
        /// Whether the peer says that it speaks version 2, which we do: somebody may have taken that offer away.
        peer_speaks_v2: bool,
        /// What the peer did against RFC 3830.
        quirks: v1::Quirks,
    },
    /// The contexts of these streams are installed: media may flow.
    MediaReady {
        /// The session.
        session: SessionId,
        /// Its streams.
        streams: Vec<MediaStream>,
    },
    /// Media in clear is taken no more from where this session's peer is: it has keys now.
    ClearEnded {
        /// The session.
        session: SessionId,
    },
    /// Keys came that could not be installed.
    MediaFailed {
        /// The session.
        session: SessionId,
        /// Why.
        why: mikey_srtp::InstallError,
    },
    /// Early media of a resumed call: for two seconds and 64 kB, what the initiator sends before the answer has come.
    EarlyMediaReady {
        /// The session that will be.
        session: SessionId,
        /// The streams of the initiator.
        streams: Vec<MediaStream>,
    },
    /// A peer resumed with a ticket whose use could not be recorded: everything of it may be a repeat. Until it is known to be
    /// there, its early media is not accepted and ours is bounded as early media is.
    ResumedUnrecorded {
        /// The session.
        session: SessionId,
    },
    /// The peer of a session that was resumed and not recorded has shown by a message that it is there.
    ResumedProven {
        /// The session.
        session: SessionId,
    },
    /// A ticket for the next call to this peer.
    TicketReady {
        /// The session that it belongs to.
        session: SessionId,
        /// The ticket.
        ticket: Ticket,
    },
    /// A short authentication string, to be shown to the person here and compared with the other's. Until
    /// [`crate::Agent::confirm_sas`] says that they are the same, anyone may be at the other end.
    SasReady {
        /// The session.
        session: SessionId,
        /// What to show.
        sas: Sas,
    },
    /// The peer's person has compared the SAS.
    SasComparedByPeer {
        /// The session.
        session: SessionId,
        /// What the peer says.
        verified: bool,
    },
    /// Streams are no longer part of the session; their contexts are removed.
    StreamsRemoved {
        /// The session.
        session: SessionId,
        /// Their crypto sessions; often none.
        cs_ids: Vec<u8>,
    },
    /// The peer has another address now, and has proven it. Media goes there.
    PeerMoved {
        /// The session.
        session: SessionId,
        /// Where it is.
        remote: SocketAddr,
    },
    /// An answer to a call could not be authenticated. The call goes on.
    BranchFailed {
        /// The call.
        call: CallId,
        /// Where the answer came from.
        remote: SocketAddr,
        /// Why.
        why: Error,
    },
    /// A call failed.
    CallFailed {
        /// The call.
        call: CallId,
        /// Why.
        why: Error,
    },
    /// Somebody called and was refused.
    CallerRefused {
        /// Where it is.
        remote: SocketAddr,
        /// Why.
        why: Error,
    },
    /// A controller has let us into a group. Its senders' contexts are installed: media may flow.
    GroupJoined {
        /// The session with the controller.
        session: SessionId,
        /// The group.
        group: GroupHandle,
    },
    /// A group has a new epoch, or other senders.
    GroupEpoch {
        /// The group.
        group: GroupHandle,
        /// The epoch.
        epoch: u32,
    },
    /// We are no member of a group any more; its contexts are removed.
    GroupLeft {
        /// The group.
        group: GroupHandle,
        /// Whether that was the controller's will, not ours.
        expelled: bool,
    },
    /// The controller of a group does not answer. Media goes on until the next rekey: join anew, there or at another one, or
    /// let [`crate::Agent::set_failover`] do that.
    ControllerLost {
        /// The group.
        group: GroupHandle,
    },
    /// The controller refused the TESLA chain of an SSRC of ours: nothing can be sent under it.
    GroupChainRefused {
        /// The group.
        group: GroupHandle,
    },
    /// A controller granted what cannot be; the session with it is closed.
    GroupFailed {
        /// The session with it.
        session: SessionId,
        /// Why.
        why: mikey_group::MemberError,
    },
    /// A sender of a group has no context: its SSRC is that of another stream on this port, or there is no room.
    GroupSenderFailed {
        /// The group.
        group: GroupHandle,
        /// The RTP session.
        cs_id: u8,
        /// The SSRC.
        ssrc: u32,
        /// Why.
        why: mikey_srtp::InstallError,
    },
    /// A session is over; its contexts are removed.
    Closed {
        /// The session.
        session: SessionId,
        /// Why.
        why: CloseReason,
    },
    /// An event of key management that this version of the agent passes on as it is.
    Other(Event),
}
