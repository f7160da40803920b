//! Counters for monitoring, in the order in which they are shown: all of one name together.

use crate::control::Counter;
use crate::daemon::Daemon;
use crate::groups::{Counts, Group};
use crate::shared::Shared;

/// All counters of a daemon.
pub(crate) fn counters(daemon: &Daemon) -> Vec<Counter> {
    let mut all = Vec::new();
    let mut one = |name: &str, help: &str, grows: bool, value: f64| {
        all.push(Counter { name: format!("mikeyd_{name}"), help: help.into(), grows, group: None, value });
    };
    let (metrics, socket) = (daemon.driver.agent().metrics(), daemon.driver.counters());
    let up = daemon.driver.clock().now().since(daemon.started).as_secs();
    let leads = daemon.shared.as_ref().is_none_or(Shared::leads);
    one("up_seconds", "Time since the daemon was started", false, real(up));
    one(
        "leads",
        "Whether this controller serves members of others and renews keys",
        false,
        f64::from(u8::from(leads)),
    );
    one("sessions", "Established sessions with members", false, real(metrics.sessions as u64));
    one("half_open", "Sessions that are not authenticated yet", false, real(metrics.half_open as u64));
    one("authenticated_total", "Callers that were authenticated", true, real(metrics.authenticated));
    one("refused_total", "Callers that were not", true, real(metrics.refused));
    one("drops_total", "Datagrams of key management that were dropped", true, real(metrics.all_drops()));
    one("cookies_total", "Cookies that were asked for", true, real(metrics.cookies_sent));
    one("retransmissions_total", "Requests that were sent again", true, real(metrics.retransmissions));
    one("datagrams_received_total", "Datagrams that came", true, real(socket.datagrams_received));
    one("datagrams_sent_total", "Datagrams that left", true, real(socket.datagrams_sent));
    one("send_failures_total", "Datagrams that could not be sent", true, real(socket.send_failures));
    for (name, help, grows, value) in GROUP {
        for (id, group) in &daemon.groups {
            let state = daemon.controller(id);
            all.push(Counter {
                name: format!("mikeyd_group_{name}"),
                help: (*help).into(),
                grows: *grows,
                group: Some(group.name.to_string()),
                value: value(group, state),
            });
        }
    }
    all
}

type OfGroup = fn(&Group, Option<&mikey_group::Controller>) -> f64;

/// Counters of a group: name, meaning, whether it only grows, value.
const GROUP: &[(&str, &str, bool, OfGroup)] = &[
    ("epoch", "Epoch of the group", false, |_, state| real(state.map_or(0, |group| group.epoch().into()))),
    ("members", "Members of the group", false, |_, state| real(state.map_or(0, |group| group.len() as u64))),
    ("senders", "SSRCs of the group", false, |_, state| {
        real(state.map_or(0, |group| group.senders() as u64))
    }),
    ("record", "Number of the last record", false, |_, state| {
        real(state.map_or(0, mikey_group::Controller::seq))
    }),
    ("store_ok", "Whether the store takes the group's records", false, |group, _| {
        f64::from(u8::from(group.trouble.is_none()))
    }),
    ("joined_total", "Members that joined", true, |group, _| real(counts(group).joined)),
    ("left_total", "Members that left, fell silent or were expelled", true, |group, _| {
        real(counts(group).left)
    }),
    ("refused_total", "Requests that were refused", true, |group, _| real(counts(group).refused)),
    ("changes_total", "Records that were applied, of this controller and others", true, |group, _| {
        real(counts(group).changes)
    }),
    ("stored_total", "Records of this controller that were stored", true, |group, _| {
        real(counts(group).stored)
    }),
    ("conflicts_total", "Records before which another controller's came", true, |group, _| {
        real(counts(group).conflicts)
    }),
    ("store_failures_total", "Records that the store did not take at once", true, |group, _| {
        real(counts(group).failures)
    }),
    ("store_seconds_total", "Time that records took in the store", true, |group, _| {
        counts(group).store_seconds
    }),
];

fn counts(group: &Group) -> Counts {
    group.counts
}

/// Prometheus has nothing but floating point; a count above 2^53 would be rounded, and is years away.
#[allow(clippy::cast_precision_loss)]
fn real(count: u64) -> f64 {
    count as f64
}
