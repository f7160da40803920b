//! The daemon's end of the control socket. Whoever may connect owns the daemon's account, or is root; it is believed what it
//! asks for, and not that what it sends is a request.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Answer, Kind, MAX_REQUEST, Refusal, Request};

/// Connections at once; a further one is closed.
const MAX_CONNECTIONS: usize = 16;
/// Requests that wait for the daemon.
const MAX_WAITING: usize = 16;
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// A request, and where its answer goes.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The socket in the file system, removed at the end.
pub(crate) struct Listener {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
        // It may have been removed by hand.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket for its owner alone. What is asked comes out of the channel.
///
/// # Errors
/// Of the operating system, and [`io::ErrorKind::AddrInUse`] if a daemon answers there.
pub(crate) fn listen(path: &Path) -> io::Result<(Listener, mpsc::Receiver<Asked>)> {
    clear(path)?;
    // From the first moment on; a chmod afterwards would come too late.
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let socket = bound?;
    let (ask, asked) = mpsc::channel(MAX_WAITING);
    let task = tokio::spawn(accept(socket, ask));
    Ok((Listener { path: path.to_owned(), task }, asked))
}

/// Removes what a daemon that was killed has left.
fn clear(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else at this path"));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another mikeyd answers there")),
    }
}

async fn accept(socket: UnixListener, ask: mpsc::Sender<Asked>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let own = rustix::process::geteuid().as_raw();
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            // Too many open files: it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let known = stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
        let Some(place) = Arc::clone(&room).try_acquire_owned().ok().filter(|_| known) else { continue };
        let ask = ask.clone();
        tokio::spawn(async move {
            // A connection that fails is over, and nobody is left to tell.
            let _ = serve(stream, ask).await;
            drop(place);
        });
    }
}

async fn serve(stream: UnixStream, ask: mpsc::Sender<Asked>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let line = match tokio::time::timeout(IDLE, line(&mut read)).await {
            Err(_) | Ok(Ok(Line::End)) => return Ok(()),
            Ok(line) => line?,
        };
        let (answer, last) = match line {
            Line::Whole(line) => (answer(&line, &ask).await, false),
            Line::TooLong | Line::End => {
                let message = format!("a request has at most {MAX_REQUEST} octets");
                (Answer::Error(Refusal::new(Kind::TooLong, message)), true)
            }
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        if last {
            return Ok(());
        }
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    End,
}

/// Reads a line of bounded length. One without its end is none.
async fn line(read: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let some = read.fill_buf().await?;
        if some.is_empty() {
            return Ok(Line::End);
        }
        let end = some.iter().position(|octet| *octet == b'\n');
        line.extend(some.iter().take(end.unwrap_or(some.len())).take(MAX_REQUEST + 1));
        let used = end.map_or(some.len(), |end| end + 1);
        read.consume(used);
        if line.len() > MAX_REQUEST {
            return Ok(Line::TooLong);
        }
        if end.is_some() {
            return Ok(Line::Whole(line));
        }
    }
}

async fn answer(line: &[u8], ask: &mpsc::Sender<Asked>) -> Answer {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => {
            return Answer::Error(
                Refusal::new(Kind::BadRequest, format!("not a request: {error}"))
                    .hint("docs/operator.md says what can be asked"),
            );
        }
    };
    let (answer, answered) = oneshot::channel();
    let gone = || Answer::Error(Refusal::new(Kind::Busy, "the daemon ends, or has too much to do"));
    if ask.send(Asked { request, answer }).await.is_err() {
        return gone();
    }
    answered.await.unwrap_or_else(|_| gone())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::control::{Body, Verb};

    /// Sends octets and returns all that comes back until the other end closes, or a line if it does not.
    async fn exchange(path: &Path, octets: &[u8], lines: usize) -> Vec<Answer> {
        let mut stream = BufReader::new(UnixStream::connect(path).await.unwrap());
        stream.write_all(octets).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..lines {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            answers.push(serde_json::from_str(&line).expect(&line));
        }
        answers
    }

    fn kind(answer: &Answer) -> Kind {
        match answer {
            Answer::Error(refusal) => refusal.kind,
            Answer::Ok(body) => panic!("{body:?}"),
        }
    }

    #[tokio::test]
    async fn garbage_is_refused_and_what_comes_after_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (listener, mut asked) = listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        tokio::spawn(async move {
            while let Some(Asked { request, answer }) = asked.recv().await {
                assert_eq!(request.verb, Verb::List);
                answer.send(Answer::Ok(Body::Groups(Vec::new()))).unwrap();
            }
        });
        for garbage in [
            &b"hello"[..],
            b"{}",
            b"[]",
            b"{\"do\":\"list\",\"more\":1}",
            b"{\"do\":\"everything\"}",
            b"{\"do\":\"list\"} {\"do\":\"list\"}",
            b"\xff\xfe\0\0",
            b"",
            "[".repeat(4000).as_bytes(),
        ] {
            let mut octets = garbage.to_vec();
            octets.extend(b"\n{\"do\":\"list\"}\n");
            let answers = exchange(&path, &octets, 2).await;
            assert_eq!(kind(&answers[0]), Kind::BadRequest, "{}", garbage.escape_ascii());
            assert_eq!(answers[1], Answer::Ok(Body::Groups(Vec::new())));
        }
        // One that never ends is cut off.
        let long = vec![b'x'; 2 * MAX_REQUEST];
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(&long).await.unwrap();
        let mut all = Vec::new();
        // The rest that was not read may make it a reset instead of an end.
        let _ = stream.read_to_end(&mut all).await;
        let text = String::from_utf8(all).unwrap();
        assert!(text.contains("too_long"), "{text}");
        // Half a request is none, and holds up nobody.
        let mut half = UnixStream::connect(&path).await.unwrap();
        half.write_all(b"{\"do\":").await.unwrap();
        assert_eq!(exchange(&path, b"{\"do\":\"list\"}\n", 1).await.len(), 1);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_second_daemon_is_kept_from_the_socket_and_a_dead_ones_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (listener, _asked) = listen(&path).unwrap();
        assert_eq!(listen(&path).map(drop).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (listener, _asked) = listen(&path).unwrap();
        drop(listener);
        std::fs::write(&path, b"a file").unwrap();
        assert_eq!(listen(&path).map(drop).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }
}
