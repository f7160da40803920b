//! The end of the SIP demo: who heard what, and whether everything is as it must be.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::scene::Scene;
use super::{PHONES, PICKED_UP};
use crate::error::{Error, Result};
use crate::ui::Ui;

/// Says what became of it.
pub(super) fn finale(ui: Ui, scene: &Scene, copied: &AtomicU64) -> Result {
    let (Some(alice), Some(desk)) = (&scene.alice_over, &scene.phone_over) else { return Ok(()) };
    let copied = copied.load(Ordering::Relaxed);
    let (answers, sessions) = scene.counts();
    let taken = PHONES[PICKED_UP];
    if let Some(early) = scene.early {
        ui.text(format_args!(
            "\nearly media: alice had heard {early} packets of {taken} when it was picked up"
        ));
        ui.json(&json!({"event": "early_media", "from": taken, "packets": early}));
    }
    ui.text("\nspeech             sent  received  lost  refused");
    let phone = scene.handsets().get(PICKED_UP);
    let mut good = true;
    let both = [
        (
            ("alice", alice, &scene.alice().voice),
            (taken, desk, phone.map_or(0, |phone| phone.line.refused())),
        ),
        (
            (taken, desk, phone.map_or(&scene.alice().voice, |phone| &phone.voice)),
            ("alice", alice, scene.alice().line.refused()),
        ),
    ];
    for ((from, said, voice), (to, heard, refused)) in both {
        let identical = heard.tally.heard == *voice.speech && heard.tally.identical == Some(true);
        let (sent, received) = (said.tally.sent, heard.tally.received);
        let lost = sent.saturating_sub(received);
        good = good && identical && lost == 0;
        let verdict = if identical { "bit for bit" } else { "NOT bit for bit" };
        ui.text(format_args!(
            "  {from:>5} -> {to:<5}{sent:>7}{received:>10}{lost:>6}{refused:>9}   {verdict} ({} octets compared)",
            voice.speech.len()
        ));
        ui.json(&json!({"event": "speech", "from": from, "to": to, "sent": sent, "received": received,
            "lost": lost, "refused": refused, "identical": identical, "octets": voice.speech.len()}));
    }
    ui.text(format_args!("\nbranches: {answers} phones answered one INIT_REQ, one was taken"));
    ui.json(&json!({"event": "branches", "answers": answers, "taken": taken}));
    let mut deaf = true;
    for (number, phone) in scene.handsets().iter().enumerate() {
        let keyed = sessions.get(number).copied().unwrap_or_default();
        if number == PICKED_UP {
            ui.text(format_args!("  {taken:<6}taken"));
            continue;
        }
        let refused = phone.line.refused();
        let heard = phone.line.heard();
        let cancelled = scene.cancelled.contains(&phone.name);
        deaf = deaf && heard == 0 && cancelled && refused >= copied;
        let keys = if keyed == 0 { "had no keys" } else { "had keys of its own" };
        ui.text(format_args!(
            "  {:<6}told that it is too late; {keys}; got {copied} copied packets, refused {refused}, heard {heard}",
            phone.name
        ));
        ui.json(&json!({"event": "not_taken", "name": phone.name, "cancelled": cancelled, "sessions": keyed,
            "copied": copied, "refused": refused, "heard": heard}));
    }
    if !good {
        return Err(Error::failed("the speech did not arrive bit for bit"));
    }
    if !deaf {
        return Err(Error::failed("a phone that was not picked up heard something, or did not get its copy"));
    }
    if answers != PHONES.len() {
        return Err(Error::failed("not every phone answered"));
    }
    ui.text("\nOne offer, three branches, one taken: every octet of speech arrived there, and none anywhere else.");
    Ok(())
}
