//! How the tool speaks: data to standard output, `mikey: …` lines to standard error.
//!
//! Text that came from a peer or a file passes [`printable`] first, so that it cannot steer a terminal.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::error::Error;

/// Where output goes and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    json: bool,
}

impl Ui {
    /// `json`: one object a line instead of text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// One result: text for people or an object for machines, whichever was asked for.
    pub(crate) fn result(self, text: impl Display, value: &Value) {
        if self.json {
            self.json(value);
        } else {
            self.text(text);
        }
    }

    /// A line for people; nothing with `--json`.
    pub(crate) fn text(self, text: impl Display) {
        if !self.json {
            print_line(text);
        }
    }

    /// An object for machines; nothing without `--json`.
    pub(crate) fn json(self, value: &Value) {
        if self.json {
            print_line(value);
        }
    }

    /// Something that the user should know and that stops nothing.
    pub(crate) fn warn(self, text: impl Display) {
        eprintln!("mikey: warning: {text}");
    }

    /// What goes on, for people: never with `--json`.
    pub(crate) fn note(self, text: impl Display) {
        if !self.json {
            eprintln!("mikey: {text}");
        }
    }

    /// Reports the error and gives the process its exit code.
    pub(crate) fn fail(self, error: &Error) -> ExitCode {
        eprintln!("mikey: error: {}", error.message());
        if let Some(hint) = error.hint_text() {
            eprintln!("mikey: hint: {hint}");
        }
        let code = error.exit() as u8;
        self.json(&json!({
            "event": "error", "message": error.message(), "hint": error.hint_text(), "exit": code
        }));
        ExitCode::from(code)
    }
}

/// Whoever closed our standard output has read enough: not an error, and no panic as from `println!`.
fn print_line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Text from outside with everything that is not printable shown as an escape.
pub(crate) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() || is_format(c) { escape(c) } else { vec![c] }).collect()
}

/// Octets as text if they are printable UTF-8, else as hex.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && !text.chars().any(|c| c.is_control() || is_format(c)) => {
            text.to_owned()
        }
        _ => format!("0x{}", hex(bytes)),
    }
}

/// Lower case hex without separators.
pub(crate) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Characters that reorder or hide text around them.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escape(c: char) -> Vec<char> {
    c.escape_unicode().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(printable("alice\u{1b}[2J\n"), "alice\\u{1b}[2J\\u{a}");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable("sip:jürgen@example.com"), "sip:jürgen@example.com");
        assert_eq!(printable_bytes(b"sip:alice@example.com"), "sip:alice@example.com");
        assert_eq!(printable_bytes(b"\x00\xff"), "0x00ff");
        assert_eq!(printable_bytes(b"a\x1b[2J"), "0x611b5b324a");
    }
}
