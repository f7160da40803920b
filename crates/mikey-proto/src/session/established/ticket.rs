//! TICKET-REQUEST: a ticket for a session whose handshake brought none, as CCE2 does, or one that knows its peer better by now
//! (docs/spec.md, "NOTIFY").
//!
//! Invariant: a session has one ticket at most that can be used.

use core::time::Duration;

use mikey_wire::NotifyCode;
use mikey_wire::v2::Info;

use super::info::notify;
use super::{Established, RequestKind};
use crate::auth::AuthLevel;
use crate::error::{ApiMisuse, Error};
use crate::event::Event;
use crate::keys::Role;
use crate::session::Cx;
use crate::ticket::{Issued, IssuedTicket, OPAQUE_LEN, Terms, Ticket, TicketId};

impl Established {
    /// Asks the responder for a ticket.
    pub(crate) fn request_ticket(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        if self.role != Role::Initiator || !self.may_resume() {
            return Err(ApiMisuse::State.into());
        }
        self.send_info(cx, self.remote, &[notify(NotifyCode::TICKET_REQUEST, &[])], RequestKind::Ticket)
    }

    /// A new ticket in place of the one that the session had, if the peer may have one. It is kept as soon as this request
    /// has been handled.
    // R15.5
    pub(super) fn give_ticket(&mut self, cx: &mut Cx<'_>) -> Option<[u8; OPAQUE_LEN]> {
        if self.role != Role::Responder || !self.may_resume() {
            return None;
        }
        let opaque: [u8; OPAQUE_LEN] = cx.random().ok()?;
        let psk = self.keys.resumption_psk(Role::Responder, &opaque);
        let ticket = IssuedTicket { psk, terms: self.terms() };
        let id = TicketId(opaque);
        cx.out.issue(Issued { id, ticket, replaced: self.ticket.replace(id) });
        Some(opaque)
    }

    /// The responder has answered.
    pub(super) fn received_ticket(&mut self, cx: &mut Cx<'_>, info: &Info<'_>) {
        let given = info.ticket.as_ref().and_then(|ticket| Some((ticket.lifetime?, ticket.opaque)));
        let Some((lifetime, opaque)) = given else {
            cx.out.event(Event::TicketRefused { session: self.id });
            return;
        };
        let psk = self.keys.resumption_psk(Role::Responder, opaque);
        let expires = cx.now + Duration::from_secs(lifetime.into());
        let ticket = Ticket { opaque: opaque.to_vec(), psk, terms: self.terms(), expires };
        cx.out.event(Event::TicketReady { session: self.id, ticket });
    }

    /// What signalling vouched for, it vouched for in this call alone.
    fn may_resume(&self) -> bool {
        self.choice.resumption && self.peer.level != AuthLevel::Fingerprint
    }

    fn terms(&self) -> Terms {
        let Self { local, peer, choice, .. } = self;
        Terms { local: local.clone(), remote: peer.name.clone(), level: peer.level, choice: *choice }
    }
}
