//! `mikey rtsp`: cameras, players and servers of RTSP.

mod play;
mod serve;

use std::path::PathBuf;

use clap::Subcommand;
use mikey::Name;
use mikey_crypto::SecretBytes;

use crate::error::{Error, Result};
use crate::files::read_psk;
use crate::ui::{Ui, printable};

/// Arguments of `mikey rtsp`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: RtspCommand,
}

#[derive(Debug, Subcommand)]
enum RtspCommand {
    /// Receive the SRTP streams of a camera or server and write what they hold
    Play(Box<play::Args>),
    /// Serve a WAV file or a byte stream of H.264 to players, as SRTP
    Serve(Box<serve::Args>),
}

/// Runs `mikey rtsp`.
pub(crate) async fn run(ui: &Ui, args: Args) -> Result {
    match args.command {
        RtspCommand::Play(args) => play::run(*ui, *args).await,
        RtspCommand::Serve(args) => serve::run(*ui, *args).await,
    }
}

/// A key that both sides have, and their names.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Keys under a pre-shared key, not in the clear within TLS")]
struct Shared {
    /// The key, as 'mikey psk new' writes it
    #[arg(long, value_name = "FILE")]
    psk: Option<PathBuf>,
    /// Our name [default: rtsp:player of a player, rtsp:server of a server]
    #[arg(long, value_name = "NAME", requires = "psk")]
    identity: Option<String>,
    /// The other side's name [default: rtsp:server for a player, rtsp:player for a server]
    #[arg(long, value_name = "NAME", requires = "psk")]
    peer: Option<String>,
    /// Take algorithms over SHA-1 too, as RFC 3830 has them
    #[arg(long)]
    legacy: bool,
}

impl Shared {
    /// Our name, the peer's, and the key.
    fn read(&self, ui: Ui, us: &str, peer: &str) -> Result<Option<(Name, Name, SecretBytes)>> {
        let Some(path) = &self.psk else { return Ok(None) };
        let key = read_psk(ui, path)?;
        let name = |given: &Option<String>, default: &str| {
            let text = given.as_deref().unwrap_or(default);
            Name::parse(text).map_err(|error| Error::usage(format!("'{}': {error}", printable(text))))
        };
        Ok(Some((name(&self.identity, us)?, name(&self.peer, peer)?, SecretBytes::copy_from(&key))))
    }
}
