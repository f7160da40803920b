//! `--keylog`: SRTP master keys of one's own calls in a file, for analysis.
//!
//! docs/keylog.md describes the format. Whoever has the file hears the call: mode 0600, written only when asked for.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mikey::keying::{Side, StreamKeys};
use mikey::{KeyLog, SessionId};
use zeroize::Zeroizing;

use crate::call::describe;
use crate::error::{Error, Result};
use crate::files::create_secret;
use crate::ui::{Ui, hex};

/// Says what follows; docs/keylog.md says more.
const HEADER: &str = "\
# mikey key log 1: SRTP master keys. Whoever has them hears the call.
# A line a key. A stream has one for its early media, one for the handshake, and one for each renewal.
# SRTP session cs-id sender ssrc policy mki master-key master-salt
#   session, cs-id  decimal; the session is a number of the end that wrote the line
#   sender          local or remote
#   ssrc            hex, or 'any'
#   mki             hex, or '-'
#   keys, salts     hex
";

/// A key log that several agents share.
#[derive(Clone)]
pub(crate) struct KeyLogFile {
    file: Arc<Mutex<File>>,
}

impl KeyLogFile {
    /// Makes the file, and warns that it holds keys.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(ui: Ui, path: &Path) -> Result<Self> {
        let mut file = create_secret(path)?;
        file.write_all(HEADER.as_bytes()).map_err(|error| Error::file("write", path, &error))?;
        ui.warn(format_args!(
            "'{}' will hold the keys of the call: whoever reads it hears the call",
            path.display()
        ));
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }
}

impl KeyLog for KeyLogFile {
    fn srtp_keys(&mut self, session: SessionId, keys: &StreamKeys) {
        let sender = match keys.sender {
            Side::Local => "local",
            Side::Remote => "remote",
        };
        let ssrc = keys.ssrc.map_or_else(|| "any".to_owned(), |ssrc| format!("{ssrc:08x}"));
        let mki = if keys.mki.is_empty() { "-".to_owned() } else { hex(&keys.mki) };
        let policy = describe::srtp_policy(&keys.policy).replace(' ', "_");
        let key = Zeroizing::new(hex(keys.master_key.expose()));
        let salt = Zeroizing::new(hex(keys.master_salt.expose()));
        let line = Zeroizing::new(format!(
            "SRTP {} {} {sender} {ssrc} {policy} {mki} {} {}\n",
            session.as_u64(),
            keys.cs_id,
            *key,
            *salt
        ));
        if let Ok(mut file) = self.file.lock() {
            // A log that cannot be written is no reason to end a call.
            let _ = file.write_all(line.as_bytes());
        }
    }
}
