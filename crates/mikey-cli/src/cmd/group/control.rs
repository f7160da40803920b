//! What an operator asks of a `mikeyd`, as tables for people and objects for machines.

use std::path::Path;

use mikey_daemon::control::{Body, Client, ClientError, GroupInfo, Kind, Member, Request, Verb, prometheus};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::ui::{Ui, printable};

pub(super) fn list(ui: Ui, socket: &Path) -> Result {
    let Body::Groups(groups) = ask(socket, Verb::List, None, None)? else { return Err(garbled(socket)) };
    if groups.is_empty() {
        ui.note("this daemon serves no group");
    }
    let mut rows = vec![["GROUP", "EPOCH", "MEMBERS", "HERE", "STORE"].map(str::to_owned)];
    for group in &groups {
        let GroupInfo { epoch, members, here, store, .. } = group;
        rows.push([
            printable(&group.group),
            epoch.to_string(),
            members.to_string(),
            here.to_string(),
            printable(store),
        ]);
        ui.json(&event("group", group));
    }
    if !groups.is_empty() {
        table(ui, &rows);
    }
    Ok(())
}

pub(super) fn show(ui: Ui, socket: &Path, group: String) -> Result {
    let Body::Group(info) = ask(socket, Verb::Show, Some(group), None)? else { return Err(garbled(socket)) };
    ui.json(&event("group", &info));
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let sessions: Vec<String> =
        info.sessions.iter().map(|s| format!("{} ({})", s.id, printable(&s.srtp))).collect();
    let rekey = info.rekey_seconds.map_or("never".to_owned(), |seconds| format!("every {seconds} s"));
    let rows = [
        ["group".to_owned(), printable(&info.group)],
        ["spi".to_owned(), printable(&info.spi)],
        ["epoch".to_owned(), info.epoch.to_string()],
        ["next T".to_owned(), info.next_t.to_string()],
        ["last record".to_owned(), info.record.to_string()],
        ["members".to_owned(), format!("{}, {} of them here", info.members, info.here)],
        ["rtp sessions".to_owned(), sessions.join(", ")],
        ["one TEK for all".to_owned(), yes(info.shared_tek)],
        ["renewed".to_owned(), rekey],
        ["store".to_owned(), printable(&info.store)],
        ["leads".to_owned(), yes(info.leads)],
    ];
    table(ui, &rows);
    Ok(())
}

pub(super) fn members(ui: Ui, socket: &Path, group: String) -> Result {
    let Body::Members(members) = ask(socket, Verb::Members, Some(group), None)? else {
        return Err(garbled(socket));
    };
    if members.is_empty() {
        ui.note("the group has no members");
        return Ok(());
    }
    let mut rows = vec![["MEMBER", "MAY", "SSRCS", "CONTACT", "SINCE", "HERE"].map(str::to_owned)];
    for member in &members {
        let Member { sends, receives, ssrcs, contact, since, here, .. } = member;
        let may = match (sends, receives) {
            (true, true) => "send, receive",
            (true, false) => "send",
            (false, true) => "receive",
            (false, false) => "-",
        };
        let ssrcs: Vec<String> =
            ssrcs.iter().map(|own| format!("{}:{:08x}", own.session, own.ssrc)).collect();
        let ssrcs = if ssrcs.is_empty() { "-".to_owned() } else { ssrcs.join(" ") };
        let here = if *here { "yes" } else { "-" }.to_owned();
        rows.push([
            printable(&member.name),
            may.to_owned(),
            ssrcs,
            printable(contact),
            since.to_string(),
            here,
        ]);
        ui.json(&event("member", member));
    }
    table(ui, &rows);
    Ok(())
}

pub(super) fn expel(ui: Ui, socket: &Path, group: String, member: String) -> Result {
    let shown = printable(&member);
    let body = ask(socket, Verb::Expel, Some(group), Some(member))?;
    done(ui, socket, body, &format!("{shown} is expelled"), "expelled")
}

pub(super) fn rekey(ui: Ui, socket: &Path, group: String) -> Result {
    let body = ask(socket, Verb::Rekey, Some(group), None)?;
    done(ui, socket, body, "the group has new keys", "rekeyed")
}

fn done(ui: Ui, socket: &Path, body: Body, text: &str, what: &str) -> Result {
    let Body::Done { group, epoch, record } = body else { return Err(garbled(socket)) };
    ui.result(
        format_args!("{text}: '{}' is at epoch {epoch}", printable(&group)),
        &json!({"event": what, "group": group, "epoch": epoch, "record": record}),
    );
    Ok(())
}

pub(super) fn stats(ui: Ui, socket: &Path) -> Result {
    let Body::Stats(counters) = ask(socket, Verb::Stats, None, None)? else { return Err(garbled(socket)) };
    counters.iter().for_each(|counter| ui.json(&event("counter", counter)));
    ui.text(prometheus(&counters).trim_end());
    Ok(())
}

fn ask(socket: &Path, verb: Verb, group: Option<String>, member: Option<String>) -> Result<Body> {
    let request = Request { verb, group, member };
    Client::connect(socket).and_then(|mut client| client.ask(&request)).map_err(|error| {
        let text = printable(&error.to_string());
        let failed = Error::failed(text);
        match error {
            ClientError::Nobody(_) => failed
                .hint("is it running ('systemctl status mikeyd')? its configuration says where: name that with --socket"),
            ClientError::Permission(_) => failed.hint("run this as the user of the daemon, or as root"),
            ClientError::Garbled(_) => failed.hint("compare 'mikey --version' and 'mikeyd --version'"),
            ClientError::Refused(refusal) => {
                let hint = refusal.hint.as_deref().map(printable);
                let failed = match refusal.kind {
                    Kind::BadRequest => Error::usage(printable(&refusal.message)),
                    _ => failed,
                };
                match hint {
                    Some(hint) => failed.hint(hint),
                    None => failed,
                }
            }
            _ => failed,
        }
    })
}

fn garbled(socket: &Path) -> Error {
    Error::failed(ClientError::Garbled(socket.to_owned()).to_string())
}

/// An object of the daemon as an event of the tool.
fn event(name: &str, value: &impl serde::Serialize) -> Value {
    let mut all = json!({"event": name});
    if let (Some(all), Ok(Value::Object(value))) = (all.as_object_mut(), serde_json::to_value(value)) {
        all.extend(value);
    }
    all
}

/// Prints rows with columns of one width.
fn table<const N: usize>(ui: Ui, rows: &[[String; N]]) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        ui.text(cells.join("  ").trim_end());
    }
}
