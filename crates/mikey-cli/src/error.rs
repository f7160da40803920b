//! The tool's error: a fact in lower case without a full stop, advice if there is any, and an exit code.

use std::fmt;
use std::path::Path;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A file, the network or the other side failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The peer did not prove to be the one that was asked for, or did not accept our proof.
    PeerAuthentication = 3,
}

/// Why the tool stops. No message holds key material.
#[derive(Debug)]
pub(crate) struct Error {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

/// Result of everything that can stop the tool.
pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// Something did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The arguments do not make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The peer is not the one expected.
    pub(crate) fn peer_authentication(message: impl Into<String>) -> Self {
        Self::new(Exit::PeerAuthentication, message)
    }

    /// A file could not be used: `verb` is what was tried, "read" or "write".
    pub(crate) fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::failed(format!("cannot {verb} '{}': {}", path.display(), io_reason(error)))
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The fact.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The advice.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The operating system's reason in the form of our messages: lower case, without "(os error 2)".
pub(crate) fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
