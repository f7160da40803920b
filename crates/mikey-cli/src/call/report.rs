//! What people and machines read of a call: the timeline, who and how, what became of the speech.

use std::net::SocketAddr;
use std::time::Duration;

use mikey::{AuthLevel, MediaStream, SessionId, Time};
use mikey_net::Direction;
use serde_json::{Value, json};

use crate::call::describe;
use crate::call::event::Known;
use crate::call::leg::Tally;
use crate::call::line::Line;
use crate::call::record::Sighting;
use crate::ui::Ui;

/// How the two ends of a message are called.
pub(crate) enum Ends<'a> {
    /// This process and the peer.
    Own,
    /// Two lines of this process, by address.
    Named(&'a [(SocketAddr, &'a str)]),
}

/// Columns of the name of a message.
const MIN_NAME: usize = 12;

/// The messages of a handshake, with octets and milliseconds since the first of them.
pub(crate) fn timeline(ui: Ui, sightings: &[Sighting], ends: &Ends<'_>) {
    let zero = sightings.first().map_or(Duration::ZERO, |first| first.at);
    let width = sightings.iter().map(|sighting| sighting.name.len()).fold(MIN_NAME, usize::max);
    for sighting in sightings {
        let Sighting { at, direction, from, to, name, octets, speech } = sighting;
        let way = match (ends, direction) {
            (Ends::Own, Direction::Outbound) => "sent    ".to_owned(),
            (Ends::Own, Direction::Inbound) => "received".to_owned(),
            (Ends::Named(names), _) => format!("{:>5} -> {:<5}", named(names, from), named(names, to)),
        };
        let millis = at.saturating_sub(zero).as_secs_f64() * 1000.0;
        ui.result(
            format_args!("  {millis:>9.2} ms  {way}  {name:<width$} {octets:>5} octets"),
            &json!({
                "event": if *speech { "first_speech" } else { "message" }, "ms": millis, "from": from, "to": to, "type": name, "octets": octets,
                "direction": match direction { Direction::Outbound => "sent", Direction::Inbound => "received" },
            }),
        );
    }
}

/// The line after a timeline: when the keys were there, and what it took.
pub(crate) fn keyed(ui: Ui, sightings: &[Sighting], at: Time, what: &str) {
    let zero = sightings.first().map_or(Duration::ZERO, |first| first.at);
    let at = Duration::from_nanos(at.as_nanos());
    let after = at.saturating_sub(zero);
    let messages = || sightings.iter().filter(|sighting| !sighting.speech && sighting.at <= at);
    let octets: usize = messages().map(|sighting| sighting.octets).sum();
    let (millis, messages) = (after.as_secs_f64() * 1000.0, messages().count());
    ui.text(format_args!("  {millis:>9.2} ms  {what}, after {messages} messages with {octets} octets"));
    ui.json(&json!({"event": "keyed", "ms": millis, "messages": messages, "octets": octets}));
}

/// All that is told when a call of this process has its keys.
pub(crate) fn started(
    ui: Ui,
    sightings: &[Sighting],
    at: Time,
    session: SessionId,
    known: &Known,
    streams: &[MediaStream],
) {
    timeline(ui, sightings, &Ends::Own);
    keyed(ui, sightings, at, "keys are installed");
    negotiated(ui, known, streams);
    // Who has yet to compare a SAS is not said to talk with anybody.
    if known.peer.level != AuthLevel::SasUnverified {
        let peer = describe::peer(&known.peer, known.role, &known.negotiated);
        ui.text(format_args!("talking with {peer}, at {}", known.remote));
    }
    ui.json(&established(session, known, streams));
}

/// What was negotiated, for handshake and media.
pub(crate) fn negotiated(ui: Ui, known: &Known, streams: &[MediaStream]) {
    for (name, value) in describe::negotiated(&known.negotiated) {
        ui.text(format_args!("  {name:<20}{value}"));
    }
    let mut policies: Vec<String> =
        streams.iter().map(|stream| describe::srtp_policy(&stream.policy)).collect();
    policies.dedup();
    ui.text(format_args!("  {:<20}{}", "media", policies.join(", ")));
}

/// The call for machines.
pub(crate) fn established(session: SessionId, known: &Known, streams: &[MediaStream]) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|stream| {
            json!({
                "cs_id": stream.cs_id, "sender": format!("{:?}", stream.sender).to_lowercase(),
                "ssrc": stream.ssrc, "policy": describe::srtp_policy(&stream.policy),
            })
        })
        .collect();
    json!({
        "event": "established", "session": session.as_u64(), "role": format!("{:?}", known.role).to_lowercase(),
        "remote": known.remote, "peer": known.peer.name.to_string(), "level": describe::level_id(known.peer.level),
        "negotiated": describe::negotiated_json(&known.negotiated), "streams": streams,
    })
}

/// All that is told when a call of this process is over; `line` has carried it.
pub(crate) fn over(ui: Ui, line: &Line, session: SessionId, known: &Known, tally: &Tally, renewed: u32) {
    let refused = line.refused();
    let name = known.peer.name.to_string();
    ui.text(format_args!(
        "call with {name} is over: sent {} packets, received {}, lost {}, refused {refused}; {}",
        tally.sent,
        tally.received,
        count(tally.lost),
        verdict(tally)
    ));
    ui.json(&speech(session, &name, tally, refused));
    renewals(ui, session, renewed, tally, line.keyless());
}

/// What became of the speech of one side of a call.
pub(crate) fn speech(session: SessionId, peer: &str, tally: &Tally, refused: u64) -> Value {
    json!({
        "event": "speech", "session": session.as_u64(), "peer": peer, "sent": tally.sent,
        "received": tally.received, "lost": tally.lost, "refused": refused, "identical": tally.identical,
        "octets_received": tally.heard.len(),
    })
}

/// How often the keys of a call were renewed, and whether speech suffered. Nothing if nobody asked for it and none were.
pub(crate) fn renewals(ui: Ui, session: SessionId, renewals: u32, tally: &Tally, keyless: u64) {
    if renewals == 0 {
        return;
    }
    let harm = match (tally.lost, keyless) {
        (Some(0), 0) => "no packet was lost, and none was refused for its key".to_owned(),
        (lost, keyless) => format!("{} packets were lost, {keyless} refused for their key", count(lost)),
    };
    ui.text(format_args!("the keys were renewed {renewals} times: {harm}"));
    ui.json(&json!({"event": "renewals", "session": session.as_u64(), "renewals": renewals,
        "lost": tally.lost, "refused_for_key": keyless}));
}

/// Whether what was heard is what was said, in words.
pub(crate) fn verdict(tally: &Tally) -> String {
    match tally.identical {
        Some(true) => format!("what was heard is bit for bit what was said ({} octets)", tally.heard.len()),
        Some(false) => "what was heard is not all that was said".to_owned(),
        None => "the peer left without saying how much it said".to_owned(),
    }
}

/// A count that may be unknown.
pub(crate) fn count(count: Option<u32>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

fn named<'a>(names: &[(SocketAddr, &'a str)], address: &SocketAddr) -> &'a str {
    names.iter().find(|(known, _)| known == address).map_or("other", |(_, name)| name)
}
