//! The end of the demo: the table of the speech, and whether everything is as it must be.

use serde_json::json;

use super::eavesdropper::FORGERIES;
use super::talk::{End, Over};
use crate::call::record::Recorder;
use crate::call::report::{self, Ends};
use crate::error::{Error, Result};
use crate::ui::Ui;

/// After the first call.
pub(super) fn first(ui: Ui, recorder: &Recorder, rekey: bool, alice: &End, bob: &End) -> Result {
    let (Some(a), Some(b)) = (&alice.over, &bob.over) else { return Ok(()) };
    if rekey {
        renewals(ui, recorder, (alice, a), (bob, b))?;
    }
    let good = table(ui, (alice, a), (bob, b));
    ui.text(format_args!(
        "\nThe refused ones are an eavesdropper's, made by this demo: it sent each end a repeated packet, a changed\n\
         one and a forged message, {FORGERIES} in all."
    ));
    if !good {
        return Err(Error::failed("the speech did not arrive bit for bit"));
    }
    if a.refused.min(b.refused) < FORGERIES {
        return Err(Error::failed("not everything that the eavesdropper sent was refused"));
    }
    ui.text("The call was keyed, both were authenticated, and every octet of speech arrived.");
    Ok(())
}

/// After the call with a ticket.
pub(super) fn second(ui: Ui, alice: &End, bob: &End) -> Result {
    let (Some(a), Some(b)) = (&alice.over, &bob.over) else { return Ok(()) };
    let early = a.early_packets;
    ui.text(format_args!(
        "\nearly media: {early} of alice's {} packets left with her first message, before bob's answer came",
        a.tally.sent
    ));
    ui.json(&json!({"event": "early_media", "from": alice.name, "packets": early, "sent": a.tally.sent}));
    if !table(ui, (alice, a), (bob, b)) {
        return Err(Error::failed("the speech of the second call did not arrive bit for bit"));
    }
    if early == 0 {
        return Err(Error::failed("no speech left before the answer to the second call"));
    }
    ui.text("The second call took one round trip, and every octet of speech arrived, the early ones too.");
    Ok(())
}

/// The table of the speech; whether it arrived.
fn table(ui: Ui, alice: (&End, &Over), bob: (&End, &Over)) -> bool {
    ui.text("\nspeech             sent  received  lost  refused");
    let mut good = true;
    for ((from, said), (to, heard)) in [(alice, bob), (bob, alice)] {
        let identical = heard.tally.heard == *from.voice.speech;
        let (sent, received, refused) = (said.tally.sent, heard.tally.received, heard.refused);
        let lost = sent.saturating_sub(received);
        good = good && identical && lost == 0 && heard.tally.identical == Some(true);
        let verdict = if identical { "bit for bit" } else { "NOT bit for bit" };
        ui.text(format_args!(
            "  {:>5} -> {:<5}{sent:>7}{received:>10}{lost:>6}{refused:>9}   {verdict} ({} octets compared)",
            from.name,
            to.name,
            from.voice.speech.len()
        ));
        ui.json(&json!({"event": "speech", "from": from.name, "to": to.name, "sent": sent,
            "received": received, "lost": lost, "refused": refused, "identical": identical,
            "octets": from.voice.speech.len()}));
    }
    good
}

/// How often the keys were renewed, by which messages, and that speech did not suffer.
fn renewals(ui: Ui, recorder: &Recorder, alice: (&End, &Over), bob: (&End, &Over)) -> Result {
    let mut sightings = recorder.take_sightings();
    sightings.retain(|sighting| sighting.name.starts_with("REKEY"));
    ui.text("\nkeys renewed while speech flowed");
    let names = [alice.0, bob.0].map(|end| (end.line.local_addr(), end.name));
    report::timeline(ui, &sightings, &Ends::Named(&names));
    for ((end, over), (_, peer)) in [(alice, bob), (bob, alice)] {
        let Over { renewals, keyless, .. } = over;
        let lost = peer.tally.sent.saturating_sub(over.tally.received);
        ui.text(format_args!(
            "  {:<6}has renewed its keys {renewals} times; of what came, {lost} packets were lost and {keyless} refused for \
             their key",
            end.name
        ));
        ui.json(&json!({"event": "renewals", "name": end.name, "renewals": renewals, "lost": lost,
            "refused_for_key": keyless}));
        if *renewals == 0 {
            return Err(Error::failed("the speech was over before the keys were renewed")
                .hint("give --rekey a shorter time, or a longer recording with --audio"));
        }
        if *keyless > 0 {
            return Err(Error::failed("packets were refused for their key while the keys were renewed"));
        }
    }
    Ok(())
}
