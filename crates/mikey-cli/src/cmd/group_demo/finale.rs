//! The end: who could decrypt what, and whether all of it is as promised.

use serde_json::json;

use super::cast::{Ear, Part};
use super::scene::Scene;
use crate::error::{Error, Result};
use crate::ui::Ui;

/// What came of one member.
#[derive(Clone, PartialEq, Eq)]
struct Row {
    part: Part,
    heard: usize,
    /// Packets that it was not to have the key of, and did not hear.
    locked: usize,
    /// Packets that it was to hear and did not, heard and was not to, or heard otherwise than they were said.
    wrong: usize,
    identical: bool,
}

impl Row {
    fn of(ear: &Ear, scene: &Scene) -> Self {
        let (mut locked, mut wrong, mut identical) = (0, 0, true);
        for (sequence, (epoch, octets)) in &scene.said {
            match (ear.is_to_hear(*epoch), ear.heard.get(sequence)) {
                (true, Some(heard)) => {
                    identical &= heard == octets;
                    wrong += usize::from(heard != octets);
                }
                (false, None) => locked += 1,
                _ => wrong += 1,
            }
        }
        Self { part: ear.part, heard: ear.heard.len(), locked, wrong, identical }
    }

    fn about(&self) -> &'static str {
        match self.part {
            Part::Speaks => "speaks",
            Part::Stays => "a member all the time",
            Part::IsExpelled => "expelled: nothing from the next packet on",
            Part::JoinsLate => "joined late: everything from the next packet on",
        }
    }
}

/// Prints the table.
///
/// # Errors
/// If anything was not as promised.
pub(super) fn finale(ui: Ui, scene: &Scene) -> Result {
    let said = scene.said.len();
    ui.text(format_args!("\n{said} packets were sent to each of {} sockets\n", scene.ears.len() - 1));
    ui.text("who                          decrypted  could not  wrong");
    let listeners: Vec<(&Ear, Row)> = scene
        .ears
        .iter()
        .filter(|ear| ear.part != Part::Speaks)
        .map(|ear| (ear, Row::of(ear, scene)))
        .collect();
    for (ear, row) in &listeners {
        ui.json(&json!({"event": "member", "name": ear.name.to_string(), "part": part(row.part),
            "decrypted": row.heard, "could_not": row.locked, "wrong": row.wrong, "identical": row.identical,
            "refused": ear.deaf, "told": ear.told_out}));
    }
    let mut rest = listeners.as_slice();
    while let Some(((ear, row), _)) = rest.split_first() {
        // Those of whom the same is to be said are one line.
        let same = rest.iter().take_while(|(_, other)| other == row).count();
        let who = if same == 1 { ear.name.to_string() } else { format!("{same} others") };
        ui.text(format_args!(
            "  {who:<27}{:>9}{:>11}{:>7}   {}",
            row.heard,
            row.locked,
            row.wrong,
            row.about()
        ));
        rest = rest.get(same..).unwrap_or_default();
    }
    let wrong: usize = listeners.iter().map(|(_, row)| row.wrong).sum();
    let of = |wanted: Part| listeners.iter().find(|(_, row)| row.part == wanted);
    let kept = |found: Option<&(&Ear, Row)>| found.is_some_and(|(_, row)| row.heard > 0 && row.locked > 0);
    let told = of(Part::IsExpelled).is_some_and(|(ear, _)| ear.told_out);
    ui.json(&json!({"event": "done", "packets": said, "wrong": wrong}));
    if wrong > 0 {
        return Err(Error::failed("not everybody heard what it was to hear, and nothing else"));
    }
    if !kept(of(Part::IsExpelled)) || !kept(of(Part::JoinsLate)) || !told {
        return Err(Error::failed("the speech was over before somebody was expelled and somebody joined")
            .hint("give a longer recording with --audio"));
    }
    ui.text("\nWho was a member when a packet was sent decrypted it bit for bit; nobody else could.");
    Ok(())
}

fn part(part: Part) -> &'static str {
    match part {
        Part::Speaks => "speaks",
        Part::Stays => "stays",
        Part::IsExpelled => "expelled",
        Part::JoinsLate => "late",
    }
}
