//! SDP IDs against bidding down (RFC 4567 sections 4.1.4 and 7.1): the message lists, under its own authentication, the
//! protocols that the description offers.
//!
//! Without it, somebody between the two could remove the better one of two offered protocols from the description.

use mikey_wire::{Extension, Message, Payload};

use crate::description::Offered;

/// The list in the message is not that of the description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BiddingDown {
    /// The message has no SDP IDs. Version 1 peers in RTSP leave them out; version 2 in signalling never does.
    #[error("the MIKEY message does not say which protocols were offered (no SDP IDs)")]
    Absent,
    /// It has two.
    #[error("the MIKEY message has more than one SDP IDs extension")]
    Twice,
    /// The lists differ: somebody changed the description on the way, or the peer is wrong.
    #[error("offered are '{offered}', but the MIKEY message says that '{listed}' were")]
    Changed {
        /// What the description offers.
        offered: String,
        /// What the message lists, with what is not printable replaced.
        listed: String,
    },
}

/// Compares the SDP IDs of a message with what the description offers at its level.
///
/// The message has still to be authenticated: this alone proves nothing.
///
/// # Errors
/// [`BiddingDown`].
pub fn check_sdp_ids(message: &Message<'_>, offered: &Offered) -> Result<(), BiddingDown> {
    let mut lists = message.items.iter().filter_map(|item| match &item.payload {
        Payload::Ext(Extension::SdpIds(list)) => Some(*list),
        _ => None,
    });
    let listed = lists.next().ok_or(BiddingDown::Absent)?;
    if lists.next().is_some() {
        return Err(BiddingDown::Twice);
    }
    let offered = offered.protocols();
    if listed == offered.as_bytes() {
        return Ok(());
    }
    let printable = |octet: &u8| if octet.is_ascii_graphic() { char::from(*octet) } else { '?' };
    Err(BiddingDown::Changed { offered, listed: listed.iter().take(256).map(printable).collect() })
}
