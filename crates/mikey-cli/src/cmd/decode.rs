//! `mikey decode`: any MIKEY message as a readable tree.

use std::path::PathBuf;

use serde_json::json;

use crate::decode::input::{self, Found};
use crate::decode::inside::KeyRing;
use crate::decode::message::{Decoded, decode};
use crate::decode::tree::Node;
use crate::error::{Error, Result};
use crate::ui::{Ui, printable};

/// Arguments of `mikey decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mikey decode AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAA...
  mikey decode 'a=key-mgmt:mikey AQAFgM0XflAB...'
  mikey decode call.pcap
  mikey decode call.pcap --keylog call.keys
  xxd -p message.bin | mikey decode -")]
pub(crate) struct Args {
    /// Hex, base64, an a=key-mgmt:mikey line, a file with any of these, a binary message or a capture, '-' for
    /// standard input
    #[arg(value_name = "INPUT", allow_hyphen_values = true)]
    input: String,
    /// Show octets whole, however many
    #[arg(long)]
    full: bool,
    /// Show keys that a message carries, in the clear or opened with --keylog
    #[arg(long)]
    show_keys: bool,
    /// Open sealed messages with the keys of this log
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
}

/// Runs `mikey decode`.
pub(crate) fn run(ui: &Ui, args: &Args) -> Result {
    let mut keys = args.keylog.as_deref().map(|path| KeyRing::read(*ui, path)).transpose()?;
    let input = input::read(&args.input)?;
    let several = input.found.len() > 1 || input.others > 0;
    let mut failed = None;
    let mut good = 0usize;
    for found in &input.found {
        match decode(&found.octets, args.show_keys) {
            Ok(mut decoded) => {
                good += 1;
                let inside = keys.as_mut().and_then(|keys| keys.inside(&found.octets, decoded.view));
                decoded.nodes.extend(inside);
                show(*ui, found, &decoded, args.full);
            }
            Err(error) if several => {
                let place = place(found);
                ui.result(
                    format_args!("{place}not a MIKEY message: {error}\n"),
                    &json!({"event": "not_decoded", "source": found.source, "error": error.to_string(),
                        "offset": error.offset, "octets": found.octets.len()}),
                );
                failed = Some(error);
            }
            Err(error) => return Err(refused(&error, found.octets.len())),
        }
    }
    if input.cut {
        ui.warn("the capture ends in the middle of a packet");
    }
    if several {
        ui.note(format_args!(
            "{good} messages decoded, {} not, {} other packets",
            input.found.len() - good,
            input.others
        ));
    }
    match failed {
        Some(_) if good == 0 => Err(Error::failed("no message could be decoded")),
        _ => Ok(()),
    }
}

fn show(ui: Ui, found: &Found, decoded: &Decoded, full: bool) {
    let mut text = format!("{}{}\n", place(found), decoded.title);
    for node in &decoded.nodes {
        text.push_str(&node.lines(full));
        text.push('\n');
    }
    for quirk in &decoded.quirks {
        text.push_str(&format!("note: {quirk}\n"));
    }
    if let Some(rule) = &decoded.broken_rule {
        text.push_str(&format!("note: every receiver drops it: {rule}\n"));
    }
    let payloads: Vec<_> = decoded.nodes.iter().map(Node::to_json).collect();
    ui.result(
        text,
        &json!({"event": "message", "source": found.source, "title": decoded.title,
            "micros": found.packet.map(|packet| packet.0), "length": found.octets.len(), "payloads": payloads,
            "quirks": decoded.quirks, "broken_rule": decoded.broken_rule.as_ref().map(ToString::to_string)}),
    );
}

/// `12:00:00.000000 127.0.0.1:1 to 127.0.0.1:2: ` in front of what was captured.
fn place(found: &Found) -> String {
    found.packet.map_or_else(String::new, |(micros, from, to)| {
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        format!("{hour:02}:{minute:02}:{second:02}.{:06} {from} to {to}: ", micros % 1_000_000)
    })
}

fn refused(error: &mikey_wire::DecodeError, length: usize) -> Error {
    let hint = if matches!(error.kind, mikey_wire::DecodeErrorKind::Short { .. }) || error.offset >= length {
        format!("the input has {length} octets: is it cut off?")
    } else {
        format!("the input has {length} octets; look at octet {}", error.offset)
    };
    Error::failed(printable(&format!("not a MIKEY message: {error}"))).hint(hint)
}
