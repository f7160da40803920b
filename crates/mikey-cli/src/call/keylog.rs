//! `--keylog`: SRTP master keys of one's own calls and the keys of their MIKEY messages in a file, for analysis.
//!
//! docs/keylog.md describes the format. Whoever has the file hears the call: mode 0600, written only when asked for.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mikey::keying::{DirectionKeys, MessageKeys, Side, StreamKeys};
use mikey::{KeyLog, Role, SessionId};
use mikey_crypto::{SecretBytes, SuiteId};
use zeroize::Zeroizing;

use crate::call::describe;
use crate::error::{Error, Result};
use crate::files::create_secret;
use crate::ui::{Ui, hex};

/// Says what follows; docs/keylog.md says more.
const HEADER: &str = "\
# mikey key log 1: SRTP master keys and keys of MIKEY messages. Whoever has them hears the call.
# SRTP: a stream has a line for its early media, one for the handshake, and one for each renewal.
# SRTP session cs-id sender ssrc policy mki master-key master-salt
#   session, cs-id  decimal; the session is a number of the end that wrote the line
#   sender          local or remote
#   ssrc            hex, or 'any'
#   mki             hex, or '-'
#   keys, salts     hex
# MIKEY spi-i spi-r csb-id sender suite encryption-key authentication-key salt
#   SPIs, CSB ID    hex; SPIr is 0 for the keys of RESUME_REQ
#   sender          initiator or responder
#   suite           decimal, as in M-SP
#   keys, salt      hex, or '-' where the suite has none
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

impl KeyLogFile {
    fn append(&self, line: &str) {
        if let Ok(mut file) = self.file.lock() {
            // A log that cannot be written is no reason to end a call.
            let _ = file.write_all(line.as_bytes());
        }
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
        self.append(&line);
    }

    fn message_keys(&mut self, keys: &MessageKeys) {
        self.append(&message_line(keys));
    }
}

/// The line of the keys of one end of a session.
fn message_line(keys: &MessageKeys) -> Zeroizing<String> {
    let MessageKeys { spi_i, spi_r, csb_id, sender, suite, keys } = keys;
    let sender = name_of(*sender);
    let key =
        |key: &SecretBytes| Zeroizing::new(if key.is_empty() { "-".to_owned() } else { hex(key.expose()) });
    let (encryption, authentication, salt) =
        (key(&keys.encryption), key(&keys.authentication), key(&keys.salt));
    // With room for the whole of it no copy of a part stays behind.
    let mut line = Zeroizing::new(String::with_capacity(512));
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "MIKEY {spi_i:016x} {spi_r:016x} {csb_id:08x} {sender} {} {} {} {}",
        suite.0, *encryption, *authentication, *salt
    );
    line
}

const fn name_of(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiator",
        Role::Responder => "responder",
    }
}

/// Reads a line of a log; `None` if it is not one with the keys of MIKEY messages.
pub(crate) fn read_message_line(line: &str) -> Option<MessageKeys> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let ["MIKEY", spi_i, spi_r, csb_id, sender, suite, encryption, authentication, salt] = words[..] else {
        return None;
    };
    let key = |word: &str| match word {
        "-" => Some(SecretBytes::empty()),
        word => data_encoding::HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok().map(SecretBytes::from),
    };
    Some(MessageKeys {
        spi_i: u64::from_str_radix(spi_i, 16).ok()?,
        spi_r: u64::from_str_radix(spi_r, 16).ok()?,
        csb_id: u32::from_str_radix(csb_id, 16).ok()?,
        sender: [Role::Initiator, Role::Responder].into_iter().find(|role| name_of(*role) == sender)?,
        suite: SuiteId(suite.parse().ok()?),
        keys: DirectionKeys {
            encryption: key(encryption)?,
            authentication: key(authentication)?,
            salt: key(salt)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for (suite, authentication) in [(1, vec![2; 32]), (5, Vec::new())] {
            let keys = DirectionKeys {
                encryption: SecretBytes::from(vec![1; 16]),
                authentication: SecretBytes::from(authentication),
                salt: SecretBytes::from(vec![3; 12]),
            };
            let suite = SuiteId(suite);
            let keys = MessageKeys { spi_i: 7, spi_r: 0, csb_id: 9, sender: Role::Responder, suite, keys };
            let line = message_line(&keys);
            assert_eq!(*message_line(&read_message_line(&line).unwrap()), *line);
            assert!(line.ends_with('\n'));
            let (shorter, _) = line.trim_end().rsplit_once(' ').unwrap();
            for other in ["", "# MIKEY", "SRTP 1 1 local any X - 00 00", shorter, &line.replace("01", "0g")] {
                assert!(read_message_line(other).is_none(), "{other}");
            }
        }
    }
}
