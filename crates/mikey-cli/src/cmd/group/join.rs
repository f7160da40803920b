//! `mikey group join`: a member of a group, from the command line to its end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mikey::keying::{GroupRequest, GroupRoles};
use mikey::{Agent, Name};
use mikey_net::{Clock, Driver, Socket};

use crate::audio::g711::Law;
use crate::audio::speech::{self, Side, Speech};
use crate::call::credentials::Credentials;
use crate::call::describe;
use crate::cmd::group::member::{Controller, Plan, Voice};
use crate::cmd::options::seconds;
use crate::error::{Error, Result, io_reason};
use crate::ui::{Ui, printable};

/// How long a request to a controller is sent again.
const REQUEST_LIFETIME: Duration = Duration::from_secs(4);

/// Arguments of `mikey group join`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The group
    group: String,
    /// A controller of the group: where it is, and its name. May be given more than once: if one falls silent, the next
    /// is asked
    #[arg(long, value_name = "ADDRESS:PORT=NAME", required = true, value_parser = controller)]
    controller: Vec<Controller>,
    #[command(flatten)]
    credentials: Credentials,
    /// Where to receive
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))]
    bind: SocketAddr,
    /// Speak. What is said is sent to every --to
    #[arg(long, requires = "to")]
    send: bool,
    /// Do not listen
    #[arg(long, requires = "send")]
    mute: bool,
    /// Where speech is sent: a multicast address, whoever distributes it, or a member. May be given more than once
    #[arg(long, value_name = "ADDRESS:PORT", requires = "send")]
    to: Vec<SocketAddr>,
    /// The RTP session of the group to speak in
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=254))]
    session: u8,
    /// What is said, again and again: a WAV file. Without it a recording of Debian's alsa-utils, or a made signal
    #[arg(long, value_name = "FILE", requires = "send")]
    audio: Option<PathBuf>,
    /// Write what was heard to a WAV file; speakers after the first get a number before the extension
    #[arg(long, value_name = "FILE", conflicts_with = "mute")]
    record: Option<PathBuf>,
    /// Leave after so many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    stay: Option<Duration>,
    /// Give up if no controller has let us in for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    timeout: Duration,
}

/// Reads `192.0.2.1:2269=sip:gc@example.com`.
fn controller(text: &str) -> std::result::Result<Controller, String> {
    let (address, name) =
        text.split_once('=').ok_or("an address and a name with '=' between them are needed")?;
    let address = address.parse().map_err(|_| format!("'{address}' is no ADDRESS:PORT"))?;
    let name = Name::parse(name).map_err(|error| format!("'{name}' is not a name: {error}"))?;
    Ok(Controller { address, name })
}

/// Runs `mikey group join`.
pub(super) async fn run(ui: Ui, args: Args) -> Result {
    if args.credentials.sas {
        return Err(Error::usage("a controller compares no short authentication strings")
            .hint("join with --cert, --key and --ca, or with --psk and --peer"));
    }
    if args.group.is_empty() || args.group.len() > 64 {
        return Err(Error::usage(format!("'{}' is not the id of a group", printable(&args.group)))
            .hint("it has 1 to 64 octets"));
    }
    let clock = Clock::start();
    let policies = describe::srtp_policies(None)?;
    let mut prepared = args.credentials.prepare(ui, clock, policies, REQUEST_LIFETIME, None, None)?;
    let id = args.group.as_bytes().to_vec();
    prepared.config.controllers =
        args.controller.iter().map(|controller| (id.clone(), controller.name.clone())).collect();
    if let Some(peer) = &prepared.peer {
        let known = args.controller.iter().any(|controller| controller.name == *peer);
        if !known {
            return Err(Error::usage(format!("--peer '{peer}' is none of the controllers")));
        }
    }
    let voice = match args.send {
        true => {
            let speech = Speech::open(args.audio.as_deref(), Side::Caller)?;
            let octets = speech.encode(Law::Pcma);
            Some(Voice { octets, to: args.to.clone(), session: args.session })
        }
        false => None,
    };
    let socket = Socket::bind(args.bind)
        .map_err(|error| Error::failed(format!("cannot listen on {}: {}", args.bind, io_reason(&error))))?;
    let agent =
        Agent::new(prepared.config, socket.local_addr()).map_err(|error| Error::failed(error.to_string()))?;
    let driver = Driver::new(socket, clock, agent);
    let roles = GroupRoles { sends: args.send, receives: !args.mute };
    let plan = Plan {
        request: GroupRequest { group: id, roles, ssrcs: u8::from(args.send) },
        controllers: args.controller,
        voice,
        stay: args.stay,
        timeout: args.timeout,
    };
    let heard = plan.run(ui, driver, prepared.identity).await?;
    if let Some(path) = &args.record {
        for (number, playout) in heard.iter().enumerate() {
            let path = match number {
                0 => path.clone(),
                number => numbered(path, number + 1),
            };
            speech::write_wav(&path, playout.law(), playout.octets())?;
            ui.text(format_args!("what was heard: {}", path.display()));
        }
    }
    Ok(())
}

/// `heard-2.wav`
fn numbered(path: &std::path::Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    path.with_file_name(format!("{stem}-{number}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_an_address_and_a_name() {
        let known = controller("127.0.0.1:2269=sip:gc@example.com").unwrap();
        assert_eq!(known.address, SocketAddr::from(([127, 0, 0, 1], 2269)));
        assert_eq!(known.name, Name::parse("sip:gc@example.com").unwrap());
        for wrong in ["127.0.0.1:2269", "127.0.0.1=sip:gc@example.com", "127.0.0.1:1=gc", "=", ""] {
            assert!(controller(wrong).is_err(), "{wrong}");
        }
    }
}
