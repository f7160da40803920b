//! What happened on a line.

use std::net::SocketAddr;

use mikey::keying::v1::{Mode, Quirks};
use mikey::keying::{Error as CallError, Negotiated, Role, Sas};
use mikey::{MediaStream, Peer, SessionId, Time};

use crate::audio::g711::Law;
use crate::call::leg::Tally;

/// An authenticated call.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Who of the two we are.
    pub(crate) role: Role,
    /// Where the peer is.
    pub(crate) remote: SocketAddr,
    /// Who it is.
    pub(crate) peer: Peer,
    /// What was negotiated, or by which mode of version 1.
    pub(crate) negotiated: How,
    /// Whether the peer is known by a ticket of an earlier call.
    pub(crate) resumed: bool,
}

/// How two came to an agreement.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// By a handshake of version 2.
    V2(Negotiated),
    /// By a message of version 1.
    V1 {
        /// The mode.
        mode: Mode,
        /// What the peer did against its RFCs.
        quirks: Quirks,
        /// Whether the peer says that it speaks version 2.
        peer_speaks_v2: bool,
    },
}

/// Why a call ended before both people had compared the SAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// The person here read another one.
    Differs,
    /// The other person did.
    PeerSaysDiffers,
    /// The peer has hung up.
    PeerLeft,
    /// The peer does not answer any more.
    PeerSilent,
    /// We have hung up.
    HungUp,
}

/// What happened on a line.
pub(crate) enum LineEvent {
    /// The keys are there. Speech flows, unless the peer is only known by a SAS, which two people must compare first.
    Started {
        /// The call.
        session: SessionId,
        /// Whom it is with.
        known: Known,
        /// Its streams.
        streams: Vec<MediaStream>,
        /// When.
        at: Time,
    },
    /// A SAS is to be shown to the person here; [`crate::call::line::Line::compared`] takes what it found.
    Compare {
        /// The call.
        session: SessionId,
        /// Whom it seems to be with.
        known: Known,
        /// What to show.
        sas: Sas,
    },
    /// Both people have found the SAS to be the same: speech flows.
    Verified {
        /// The call.
        session: SessionId,
        /// Whom it is with.
        known: Known,
    },
    /// A call has ended before that.
    Unverified {
        /// The call.
        session: SessionId,
        /// Whom it seemed to be with.
        known: Known,
        /// Why.
        why: Unverified,
    },
    /// A call has ended.
    Over {
        /// The call.
        session: SessionId,
        /// Whom it was with.
        known: Known,
        /// What became of the speech.
        tally: Tally,
        /// The law that the peer spoke.
        heard_law: Law,
        /// How often the keys were renewed.
        renewals: u32,
        /// Packets that left before the answer came.
        early_packets: u32,
    },
    /// A call of ours came to nothing.
    CallFailed(CallError),
    /// An answer to a call of ours was refused; the call goes on.
    BranchFailed {
        /// Where it came from.
        remote: SocketAddr,
        /// Why.
        why: CallError,
    },
    /// Somebody who called was refused.
    CallerRefused {
        /// Where it is.
        remote: SocketAddr,
        /// Why.
        why: CallError,
    },
}
