//! Printing: a table for people, one JSON object a line for machines.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::measure::{Role, Row};

/// What a case is called in the table, and where `--only` looks.
pub(crate) fn heading(bench: &str, case: &str, size: usize) -> String {
    match size {
        0 => format!("{bench}: {case}"),
        size => format!("{bench}: {case}, {size} bytes"),
    }
}

/// What is counted and not timed: for each name, numbers with what they are.
pub(crate) struct Counts {
    pub(crate) rows: Vec<(String, Vec<(&'static str, u64)>)>,
}

/// Prints what was counted.
pub(crate) fn print_counts(bench: &str, case: &str, counts: &Counts, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let of = |numbers: &[(&'static str, u64)]| -> Map<String, Value> {
            numbers.iter().map(|(what, number)| ((*what).to_owned(), json!(number))).collect()
        };
        let rows: Map<String, Value> =
            counts.rows.iter().map(|(name, numbers)| (name.clone(), of(numbers).into())).collect();
        writeln!(out, "{}", json!({ "bench": bench, "case": case, "counts": rows }))?;
        return Ok(());
    }
    writeln!(out, "{}", heading(bench, case, 0))?;
    for (name, numbers) in &counts.rows {
        let numbers: Vec<String> = numbers.iter().map(|(what, number)| format!("{number} {what}")).collect();
        writeln!(out, "  {name:<52} {}", numbers.join(", "))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Prints the result of one case.
pub(crate) fn print(row: &Row, as_json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", to_json(row))?;
        return Ok(());
    }
    writeln!(out, "{}", heading(row.bench, &row.case, row.size))?;
    let reference = row.time(Role::Limit).or_else(|| row.time(Role::Ours));
    for (name, role, time) in &row.times {
        let role = match role {
            Role::Ours => "ours",
            Role::Limit => "limit",
            Role::Peer => "peer",
        };
        let ratio = reference.map_or(f64::NAN, |reference| time.median / reference.median);
        let spread = 100.0 * time.spread;
        let rate = rate(row, time.median);
        writeln!(
            out,
            "  {role:<5}  {name:<52} {:>12}  ±{spread:>4.1} %  x{ratio:.2}{rate}",
            human(time.median)
        )?;
    }
    writeln!(out)?;
    Ok(())
}

/// `ours_ns` and `limit_ns` are null where the case has none.
fn to_json(row: &Row) -> Value {
    let peers: Map<String, Value> = row
        .times
        .iter()
        .filter(|(_, role, _)| *role == Role::Peer)
        .map(|(name, _, time)| ((*name).to_owned(), json!(time.median)))
        .collect();
    json!({
        "bench": row.bench,
        "case": row.case,
        "size": row.size,
        "ours_ns": row.time(Role::Ours).map(|time| time.median),
        "limit_ns": row.time(Role::Limit).map(|time| time.median),
        "peers": peers,
    })
}

/// Packets and payload per second, where the operation is a packet.
fn rate(row: &Row, nanoseconds: f64) -> String {
    if row.bench != "srtp" {
        return String::new();
    }
    let gigabits = 8.0 * row.size as f64 / nanoseconds;
    format!("  {:>6.2} Mpkt/s {gigabits:>6.2} Gbit/s", 1e3 / nanoseconds)
}

fn human(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 10_000.0 => format!("{ns:.1} ns"),
        ns if ns < 10_000_000.0 => format!("{:.1} us", ns / 1e3),
        ns => format!("{:.1} ms", ns / 1e6),
    }
}
