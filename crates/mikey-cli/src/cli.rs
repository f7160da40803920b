//! The command line: subcommands, help texts, and how a wrong command line is reported.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::cmd;
use crate::error::Error;
use crate::ui::Ui;

/// Says what the exit codes mean; shown by `mikey --help`.
const AFTER_HELP: &str = "\
Exit codes:
  0  ok
  1  failed: a file, the network, or the other side
  2  usage: the command line is wrong
  3  authentication failed: wrong name, certificate, pre-shared key or SAS on either side

Examples:
  mikey demo
  mikey demo --sas
  mikey ca init --dir ca
  mikey ca issue --dir ca --name sip:alice@example.com --out alice
  mikey decode message.hex";

/// Secures voice calls: MIKEYv2 key management and SRTP.
///
/// Results go to standard output, everything else to standard error. Keys are read from files only.
#[derive(Debug, Parser)]
#[command(name = "mikey", version, after_help = AFTER_HELP, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print JSON for machines: one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One task each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let two endpoints of this process call each other over UDP, and show everything
    Demo(cmd::demo::Args),
    /// Let a SIP proxy fork a call of this process to three phones, pick one up, and show everything
    SipDemo(cmd::sip_demo::Args),
    /// Let one member of a group speak to fifty, expel one and let one join, and show who could decrypt what
    GroupDemo(cmd::group_demo::Args),
    /// Be called
    Listen(Box<cmd::listen::Args>),
    /// Call somebody who listens
    Call(Box<cmd::call::Args>),
    /// Make a development CA and certificates for sip: names
    Ca(cmd::ca::Args),
    /// Make a pre-shared key
    Psk(cmd::psk::Args),
    /// Play cameras and servers of RTSP, or be one
    Rtsp(cmd::rtsp::Args),
    /// Run the groups of a mikeyd, and join them
    Group(cmd::group::Args),
    /// Show any MIKEY message as a readable tree
    Decode(cmd::decode::Args),
}

impl Cli {
    /// Reads the arguments of the process, or says with which code it ends: 0 after help, 2 after a mistake.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // A reader that closed the pipe early has what it wanted.
                let _ = error.print();
                ExitCode::SUCCESS
            }
            _ => Ui::new(std::env::args_os().any(|arg| arg == "--json"))
                .fail(&usage(&error, &command_path(std::env::args_os()))),
        })
    }
}

/// Turns the parser's message into one line without "error:" and the way to the right help text.
fn usage(error: &clap::Error, path: &str) -> Error {
    let hint = match suggestion(error) {
        Some(near) => format!("did you mean '{near}'? run '{path} --help'"),
        None => format!("run '{path} --help'"),
    };
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::usage("a subcommand is missing").hint(hint);
    }
    let text = error.render().to_string();
    let first = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>();
    let message = first.join(" ");
    Error::usage(message.strip_prefix("error: ").unwrap_or(&message)).hint(hint)
}

/// The command that the arguments name: `mikey ca issue` out of `mikey ca issue --days 0`.
fn command_path(args: impl Iterator<Item = OsString>) -> String {
    let root = Cli::command();
    let mut command = &root;
    let mut path = root.get_name().to_owned();
    for arg in args.skip(1) {
        if let Some(found) = arg.to_str().and_then(|name| command.find_subcommand(name)) {
            path = format!("{path} {}", found.get_name());
            command = found;
        }
    }
    path
}

fn suggestion(error: &clap::Error) -> Option<String> {
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue] {
        match error.get(kind) {
            Some(ContextValue::String(near)) => return Some(near.clone()),
            // The nearest is the last.
            Some(ContextValue::Strings(near)) => return near.last().cloned(),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_names_the_help_of_its_subcommand() {
        let args = ["mikey", "ca", "issue", "--nmae", "x"];
        let error = Cli::try_parse_from(args).unwrap_err();
        let error = usage(&error, &command_path(args.iter().map(OsString::from)));
        assert_eq!(error.message(), "unexpected argument '--nmae' found");
        assert_eq!(error.hint_text(), Some("did you mean '--name'? run 'mikey ca issue --help'"));
    }
}
