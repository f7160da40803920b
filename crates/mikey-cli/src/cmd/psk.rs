//! `mikey psk`: pre-shared keys.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files::{self, Overwrite};
use crate::ui::Ui;

/// Octets of a new key: as strong as the strongest suite.
const NEW_PSK: usize = 32;

/// Arguments of `mikey psk`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: PskCommand,
}

#[derive(Debug, Subcommand)]
enum PskCommand {
    /// Write a new random key to a file
    ///
    /// The file is text: 32 random octets in hex, mode 0600. Give the same file to both sides over a safe channel.
    #[command(after_help = "Examples:\n  mikey psk new --out alice-bob.psk")]
    New {
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace an existing file
        #[arg(long)]
        force: bool,
    },
}

/// Runs `mikey psk`.
pub(crate) fn run(ui: &Ui, args: Args) -> Result {
    let PskCommand::New { out, force } = args.command;
    let mut key = Zeroizing::new([0; NEW_PSK]);
    let random = mikey_crypto_aws_lc::provider().random;
    random.fill(key.as_mut_slice()).map_err(|error| Error::failed(error.to_string()))?;
    let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(key.as_slice()));
    let text = Zeroizing::new(format!("# a pre-shared key of MIKEYv2: keep it secret\n{}\n", *hex));
    let overwrite = if force { Overwrite::Force } else { Overwrite::Never };
    files::write_secret(&out, text.as_bytes(), overwrite)?;
    ui.result(
        format_args!("pre-shared key: {}", out.display()),
        &json!({"event": "psk", "file": out, "octets": NEW_PSK}),
    );
    Ok(())
}
