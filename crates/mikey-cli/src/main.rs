//! `mikey`, the command line tool of MIKEYv2: calls, certificates, keys, and a decoder for MIKEY messages.
//!
//! Standard output is data, standard error is for people. Secrets come from files, never from arguments, and leave
//! only into files that the user names. Exit codes are those of [`error::Exit`].

mod audio;
mod call;
mod cli;
mod cmd;
mod decode;
mod error;
mod files;
mod pcap;
mod rtsp;
mod sip;
mod ui;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::{Error, Result, io_reason};

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let ui = ui::Ui::new(cli.json);
    let done = match cli.command {
        Command::Ca(args) => cmd::ca::run(&ui, args),
        Command::Call(args) => run(cmd::call::run(&ui, *args)),
        Command::Decode(args) => cmd::decode::run(&ui, &args),
        Command::Group(args) => cmd::group::run(&ui, args),
        Command::Demo(args) => run(cmd::demo::run(&ui, args)),
        Command::GroupDemo(args) => run(cmd::group_demo::run(&ui, args)),
        Command::Listen(args) => run(cmd::listen::run(&ui, *args)),
        Command::SipDemo(args) => run(cmd::sip_demo::run(&ui, args)),
        Command::Psk(args) => cmd::psk::run(&ui, args),
        Command::Rtsp(args) => run(cmd::rtsp::run(&ui, args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ui.fail(&error),
    }
}

/// Runs what needs sockets and time, on one thread.
fn run(task: impl Future<Output = Result>) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::failed(format!("cannot start: {}", io_reason(&error))))?.block_on(task)
}
