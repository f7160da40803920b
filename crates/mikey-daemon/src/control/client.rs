//! The other end of the control socket: one request, one answer.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Body, MAX_ANSWER, Refusal, Request};

/// How long an answer may take: longer than the daemon waits for its store.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a daemon.
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens at this path.
    Nobody(PathBuf),
    /// The socket is another user's.
    Permission(PathBuf),
    /// The connection failed.
    Io(PathBuf, io::Error),
    /// What came back is no answer.
    Garbled(PathBuf),
    /// The daemon did not do it.
    Refused(Refusal),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(path) => write!(f, "no mikeyd answers at '{}'", path.display()),
            Self::Permission(path) => write!(f, "'{}' is the control socket of another user", path.display()),
            Self::Io(path, error) => write!(f, "the control socket '{}': {error}", path.display()),
            Self::Garbled(path) => {
                write!(f, "what answers at '{}' is no mikeyd of this version", path.display())
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// Connects to a control socket.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::Nobody(path.to_owned())
            }
            io::ErrorKind::PermissionDenied => ClientError::Permission(path.to_owned()),
            _ => ClientError::Io(path.to_owned(), error),
        })?;
        let failed = |error| ClientError::Io(path.to_owned(), error);
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned() })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn ask(&mut self, request: &Request) -> Result<Body, ClientError> {
        let failed = |error| ClientError::Io(self.path.clone(), error);
        let mut line = serde_json::to_string(request).map_err(|_| ClientError::Garbled(self.path.clone()))?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        let read = (&mut self.stream).take(MAX_ANSWER).read_line(&mut answer).map_err(failed)?;
        if read == 0 {
            let gone = io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed without an answer");
            return Err(ClientError::Io(self.path.clone(), gone));
        }
        match serde_json::from_str(&answer) {
            Ok(Answer::Ok(body)) => Ok(body),
            Ok(Answer::Error(refusal)) => Err(ClientError::Refused(refusal)),
            Err(_) => Err(ClientError::Garbled(self.path.clone())),
        }
    }
}
