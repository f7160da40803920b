//! What the operator asks over the control socket, and what is answered. A change is answered when it is stored.

use std::time::Duration;

use mikey::{Name, Time};
use mikey_group::{Controller, MemberInfo};
use tokio::sync::oneshot;
use tracing::info;

use crate::config::srtp_name;
use crate::control::{
    Answer, Asked, Body, GroupInfo, Kind, Member, OwnSsrc, Refusal, Request, Session, Verb,
};
use crate::daemon::Daemon;
use crate::shared::Shared;
use crate::stats;

/// How long an order waits for the store before it is answered that it waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most orders that wait for the store.
const MAX_ORDERS: usize = 64;

/// An order that waits for the store.
pub(crate) struct Order {
    group: Vec<u8>,
    wants: Wants,
    answer: oneshot::Sender<Answer>,
    until: Time,
}

enum Wants {
    /// That this member of that record is none any more.
    Gone(Name, u64),
    /// An epoch after this one.
    After(u32),
}

impl Daemon {
    /// Answers, or puts off the answer until the store has the change.
    pub(crate) fn asked(&mut self, asked: Asked) {
        let Asked { request, answer } = asked;
        match self.answer(&request) {
            Ok(Done::Now(body)) => drop(answer.send(Answer::Ok(body))),
            Ok(Done::Later(group, wants)) => {
                let until = self.driver.clock().now() + PATIENCE;
                self.orders.push(Order { group, wants, answer, until });
            }
            // Who asked may be gone.
            Err(refusal) => drop(answer.send(Answer::Error(refusal))),
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Done, Refusal> {
        let Request { verb, group, member } = request;
        let wanted =
            (matches!(verb, Verb::Show | Verb::Members | Verb::Expel | Verb::Rekey), *verb == Verb::Expel);
        if wanted != (group.is_some(), member.is_some()) {
            let message = "list and stats are of all groups; show, members and rekey name one; expel names a member too";
            return Err(Refusal::new(Kind::BadRequest, message));
        }
        let id = group.as_deref().unwrap_or_default().as_bytes();
        match verb {
            Verb::List => {
                let groups = self.groups.keys().filter_map(|id| self.group_info(id)).collect();
                Ok(Done::Now(Body::Groups(groups)))
            }
            Verb::Stats => Ok(Done::Now(Body::Stats(stats::counters(self)))),
            Verb::Show => {
                let info = self.group_info(id).ok_or_else(|| self.unknown_group(id))?;
                Ok(Done::Now(Body::Group(Box::new(info))))
            }
            Verb::Members => {
                let controller = self.controller(id).ok_or_else(|| self.unknown_group(id))?;
                let mut members: Vec<Member> =
                    controller.members().map(|member| self.member_info(id, &member)).collect();
                members.sort_by_key(|member| (member.since, member.leaf));
                Ok(Done::Now(Body::Members(members)))
            }
            Verb::Rekey => {
                let epoch = self.controller(id).ok_or_else(|| self.unknown_group(id))?.epoch();
                self.room()?;
                info!(group = %String::from_utf8_lossy(id), "the operator wants new keys");
                let asked = self.driver.with_service(|now, service, _| service.rekey(now, id));
                match asked {
                    Some(Ok(())) => Ok(Done::Later(id.to_vec(), Wants::After(epoch))),
                    _ => Err(self.unknown_group(id)),
                }
            }
            Verb::Expel => {
                let controller = self.controller(id).ok_or_else(|| self.unknown_group(id))?;
                let text = member.as_deref().unwrap_or_default();
                let unknown = || {
                    let group = String::from_utf8_lossy(id);
                    Refusal::new(
                        Kind::UnknownMember,
                        format!("'{}' is no member of '{group}'", text.escape_debug()),
                    )
                    .hint(format!("'mikey group members {group}' lists them"))
                };
                let name = Name::parse(text).map_err(|_| unknown())?;
                let since = controller.member(&name).ok_or_else(unknown)?.since;
                self.room()?;
                info!(group = %String::from_utf8_lossy(id), member = %name, "the operator expels a member");
                let asked = self.driver.with_service(|now, service, _| service.expel(now, id, &name));
                match asked {
                    Some(Ok(())) => Ok(Done::Later(id.to_vec(), Wants::Gone(name, since))),
                    _ => Err(unknown()),
                }
            }
        }
    }

    /// Answers what is done, and what has waited too long.
    pub(crate) fn settle(&mut self) {
        let now = self.driver.clock().now();
        for order in std::mem::take(&mut self.orders) {
            let Some(controller) = self.controller(&order.group) else { continue };
            let group = String::from_utf8_lossy(&order.group).into_owned();
            if order.wants.is_met(controller) {
                let (epoch, record) = (controller.epoch(), controller.seq());
                let body = Body::Done { group, epoch, record };
                // Who asked may be gone.
                drop(order.answer.send(Answer::Ok(body)));
            } else if order.until <= now {
                let trouble = self.groups.get(&order.group).and_then(|group| group.trouble.as_ref());
                let why = trouble.map_or("the store has not answered yet".to_owned(), ToString::to_string);
                let refusal = Refusal::new(Kind::Store, format!("the change of '{group}' waits: {why}"))
                    .hint("it is made as soon as the store takes it; 'mikey group show' tells when it has");
                drop(order.answer.send(Answer::Error(refusal)));
            } else {
                self.orders.push(order);
            }
        }
    }

    fn room(&self) -> Result<(), Refusal> {
        match self.orders.len() {
            0..MAX_ORDERS => Ok(()),
            _ => Err(Refusal::new(Kind::Busy, "too many changes wait for the store")),
        }
    }

    fn unknown_group(&self, id: &[u8]) -> Refusal {
        let known: Vec<_> = self.groups.values().take(10).map(|group| group.name.to_string()).collect();
        let message = format!("there is no group '{}' here", String::from_utf8_lossy(id).escape_debug());
        Refusal::new(Kind::UnknownGroup, message).hint(match known.is_empty() {
            true => "the configuration has no [[group]]".to_owned(),
            false => format!("this daemon serves {}", known.join(", ")),
        })
    }

    pub(crate) fn group_info(&self, id: &[u8]) -> Option<GroupInfo> {
        let (group, controller) = (self.groups.get(id)?, self.controller(id)?);
        let service = self.driver.service()?;
        let here = |member: &MemberInfo<'_>| service.session_of(id, member.name).is_some();
        let session = |stream: &mikey::keying::GroupStream| Session {
            id: stream.cs_id,
            srtp: srtp_name(&stream.policy).to_owned(),
        };
        Some(GroupInfo {
            group: group.name.to_string(),
            epoch: controller.epoch(),
            next_t: controller.next_t(),
            record: controller.seq(),
            members: controller.len(),
            here: controller.members().filter(here).count(),
            spi: format!("{:016x}", controller.spi()),
            sessions: controller.sessions().iter().map(session).collect(),
            shared_tek: controller.config().shared_tek,
            rekey_seconds: group.rekey_every.map(|every| every.as_secs()),
            store: group.trouble.as_ref().map_or("ok".to_owned(), ToString::to_string),
            leads: self.shared.as_ref().is_none_or(Shared::leads),
        })
    }

    fn member_info(&self, id: &[u8], member: &MemberInfo<'_>) -> Member {
        let service = self.driver.service();
        Member {
            name: member.name.to_string(),
            sends: member.roles.sends,
            receives: member.roles.receives,
            ssrcs: member
                .ssrcs
                .iter()
                .map(|(session, ssrc)| OwnSsrc { session: *session, ssrc: *ssrc })
                .collect(),
            contact: String::from_utf8_lossy(member.contact).into_owned(),
            leaf: member.leaf,
            since: member.since,
            here: service.is_some_and(|service| service.session_of(id, member.name).is_some()),
        }
    }
}

enum Done {
    Now(Body),
    Later(Vec<u8>, Wants),
}

impl Wants {
    fn is_met(&self, controller: &Controller) -> bool {
        match self {
            Self::Gone(name, since) => controller.member(name).is_none_or(|member| member.since != *since),
            Self::After(epoch) => controller.epoch() > *epoch,
        }
    }
}
