//! Benches of MIKEYv2 next to its peers: `cargo run --release -p mikey-bench -- handshake|srtp|group [--json] [--seconds N]`.
//!
//! Every case runs all its contestants in turn, in one process, on one core, so that a ratio means something on a busy
//! machine. `measure` does that, `report` prints; each bench is a module that makes a list of cases.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

mod group;
mod handshake;
mod measure;
mod report;
mod srtp;

/// Whatever goes wrong ends the run: half a bench is no bench.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(about = "Measures MIKEYv2 next to its peers, in one run on one core")]
struct Args {
    #[command(subcommand)]
    bench: Bench,
    /// Print one JSON object per case instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Time for each case, all its contestants together
    #[arg(long, global = true, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Run only cases whose heading in the table contains this, as in --only 'unprotect, 160'
    #[arg(long, global = true, value_name = "TEXT", default_value = "")]
    only: String,
    /// Run only our own contestants, for a profiler
    #[arg(long, global = true)]
    alone: bool,
}

#[derive(Clone, Copy, Subcommand)]
enum Bench {
    /// Whole handshakes, both sides, in memory
    Handshake,
    /// Protecting and unprotecting packets
    Srtp,
    /// Joins and rekeys of groups, at the controller
    Group,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mikey-bench: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    measure::pin_to_one_core()?;
    let bench = match args.bench {
        Bench::Handshake => "handshake",
        Bench::Srtp => "srtp",
        Bench::Group => "group",
    };
    let wanted = |case: &str, size| report::heading(bench, case, size).contains(&args.only);
    let show = |mut case: measure::Case<'_>| -> Result<()> {
        if args.alone {
            case.keep_ours();
        }
        let row = measure::measure(bench, case, Duration::from_secs(args.seconds))?;
        report::print(&row, args.json)
    };
    let mut shown = 0;
    if matches!(args.bench, Bench::Srtp) {
        // First, while memory that others have freed does not spoil the count; one at a time, the larger is half a
        // gigabyte.
        for (count, profile) in srtp::contexts_cases() {
            if wanted(&srtp::contexts_name(count, profile), srtp::CONTEXTS_SIZE) {
                show(srtp::contexts(count, profile)?)?;
                shown += 1;
            }
        }
    }
    if matches!(args.bench, Bench::Group) && wanted(group::MILLION, 0) {
        show(group::million()?)?;
        shown += 1;
    }
    if matches!(args.bench, Bench::Handshake) {
        for (name, count) in handshake::COUNTS {
            if wanted(name, 0) {
                report::print_counts(bench, name, &count()?, args.json)?;
                shown += 1;
            }
        }
    }
    let cases = match args.bench {
        Bench::Handshake => handshake::cases()?,
        Bench::Srtp => srtp::cases()?,
        Bench::Group => group::cases()?,
    };
    for case in cases.into_iter().filter(|case| wanted(&case.name, case.size)) {
        show(case)?;
        shown += 1;
    }
    if shown == 0 {
        return Err(format!(
            "no case of {bench} contains {:?}; without --only all are run and named",
            args.only
        )
        .into());
    }
    Ok(())
}
