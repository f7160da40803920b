//! `mikey group`: an operator speaks to a `mikeyd`, makes keys for it, and a member joins a group of it.

use std::path::PathBuf;

use clap::Subcommand;
use mikey_daemon::control::DEFAULT_SOCKET;
use rcgen::KeyPair;
use serde_json::json;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files::{self, Overwrite};
use crate::ui::Ui;

mod control;
mod join;
mod member;

/// Octets of a key-encryption key.
const KEK: usize = 32;

/// Arguments of `mikey group`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: GroupCommand,
}

/// Which daemon.
#[derive(Debug, clap::Args)]
struct Daemon {
    /// The control socket of the daemon
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// List the groups of a mikeyd
    #[command(
        after_help = "Examples:\n  mikey group list\n  mikey group list --json --socket /run/mikeyd/control.sock"
    )]
    List {
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Show a group
    #[command(after_help = "Examples:\n  mikey group show news")]
    Show {
        /// The group
        group: String,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// List the members of a group
    #[command(after_help = "Examples:\n  mikey group members news")]
    Members {
        /// The group
        group: String,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Expel a member: the group has new keys that it does not get
    ///
    /// Who must stay out is taken from the configuration first (then SIGHUP): the member may join again otherwise.
    #[command(after_help = "Examples:\n  mikey group expel news sip:mallory@example.com")]
    Expel {
        /// The group
        group: String,
        /// The name of the member
        member: String,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Give a group new keys
    #[command(after_help = "Examples:\n  mikey group rekey news")]
    Rekey {
        /// The group
        group: String,
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Print counters for monitoring, in the text format of Prometheus
    #[command(after_help = "Examples:\n  mikey group stats > /var/lib/node_exporter/mikeyd.prom")]
    Stats {
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Join a group and listen, and speak with --send
    ///
    /// Ends when it is interrupted or after --for, and leaves the group before. If the controller falls silent, the next one
    /// that was named is asked.
    #[command(after_help = "Examples:
  mikey group join news --controller 192.0.2.1:2269=sip:gc@example.com --identity sip:b@example.com ..")]
    Join(Box<join::Args>),
    /// Make the key that signs for a group
    #[command(after_help = "Examples:\n  mikey group new-key news.key")]
    NewKey {
        /// The file to write
        #[arg(value_name = "FILE")]
        out: PathBuf,
    },
    /// Make the key that a mikeyd seals its store under
    #[command(after_help = "Examples:\n  mikey group new-kek kek")]
    NewKek {
        /// The file to write
        #[arg(value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs `mikey group`.
pub(crate) fn run(ui: &Ui, args: Args) -> Result {
    match args.command {
        GroupCommand::List { daemon } => control::list(*ui, &daemon.socket),
        GroupCommand::Show { group, daemon } => control::show(*ui, &daemon.socket, group),
        GroupCommand::Members { group, daemon } => control::members(*ui, &daemon.socket, group),
        GroupCommand::Expel { group, member, daemon } => control::expel(*ui, &daemon.socket, group, member),
        GroupCommand::Rekey { group, daemon } => control::rekey(*ui, &daemon.socket, group),
        GroupCommand::Stats { daemon } => control::stats(*ui, &daemon.socket),
        GroupCommand::Join(args) => crate::run(join::run(*ui, *args)),
        GroupCommand::NewKey { out } => {
            let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)
                .map_err(|error| Error::failed(format!("no key could be made: {error}")))?;
            let pem = Zeroizing::new(key.serialize_pem());
            files::write_secret(&out, pem.as_bytes(), Overwrite::Never)?;
            made(*ui, "group key", &out);
            Ok(())
        }
        GroupCommand::NewKek { out } => {
            let mut key = Zeroizing::new([0; KEK]);
            let random = mikey_crypto_aws_lc::provider().random;
            random.fill(key.as_mut_slice()).map_err(|error| Error::failed(error.to_string()))?;
            let text = Zeroizing::new(format!(
                "{}\n",
                *Zeroizing::new(data_encoding::HEXLOWER.encode(key.as_slice()))
            ));
            files::write_secret(&out, text.as_bytes(), Overwrite::Never)?;
            made(*ui, "key-encryption key", &out);
            Ok(())
        }
    }
}

fn made(ui: Ui, what: &str, out: &std::path::Path) {
    ui.result(format_args!("{what}: {}", out.display()), &json!({"event": "key", "what": what, "file": out}));
}
