//! Octets of a connection to messages and interleaved frames (RFC 2326 sections 4 to 7, 10.12).
//!
//! A message is parsed once, when all of it is there; its length is known from its head. After an error the connection is of
//! no more use, since nobody knows where the next message begins.

use rtsp_types::{Message, Request, Response};

use crate::error::FramingError;
use crate::limits::{MAX_BODY, MAX_HEAD};

/// What came over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A request of the peer.
    Request(Request<Vec<u8>>),
    /// An answer to one of ours.
    Response(Response<Vec<u8>>),
    /// A packet of RTP or RTCP.
    Frame {
        /// Its channel.
        channel: u8,
        /// The packet.
        octets: Vec<u8>,
    },
}

/// Collects octets until they are a message or a frame.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Octets that were handed over already.
    start: usize,
    /// How far the head's end was looked for, from `start`.
    searched: usize,
    /// Octets of the message whose head is complete.
    length: Option<usize>,
}

/// Octets before a frame's packet: `$`, channel, length.
const FRAME_HEAD: usize = 4;

impl Splitter {
    /// One without octets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets as they came.
    pub fn push(&mut self, octets: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// Whether the connection may end here: nothing is left of a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// The next message or frame; none until more octets came.
    ///
    /// # Errors
    /// [`FramingError`]; from then on nothing more can be read.
    pub fn pull(&mut self) -> Result<Option<Incoming>, FramingError> {
        // Some peers send an empty line between messages (RFC 2326 section 4.1).
        while self.length.is_none() && self.rest().starts_with(b"\r\n") {
            self.take(2);
        }
        if self.rest().first() == Some(&b'$') {
            return Ok(self.frame());
        }
        let length = match self.length {
            Some(length) => length,
            None => match self.message_length()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        let Some(octets) = self.rest().get(..length) else { return Ok(None) };
        let (message, parsed) = Message::<Vec<u8>>::parse(octets).map_err(|_| malformed(octets))?;
        if parsed != length {
            return Err(malformed(octets));
        }
        let incoming = match message {
            Message::Request(request) => Incoming::Request(request),
            Message::Response(response) => Incoming::Response(response),
            Message::Data(_) => return Err(malformed(octets)),
        };
        self.take(length);
        Ok(Some(incoming))
    }

    fn frame(&mut self) -> Option<Incoming> {
        let (head, rest) = self.rest().split_first_chunk::<FRAME_HEAD>()?;
        let [_, channel, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let octets = rest.get(..length)?.to_vec();
        self.take(FRAME_HEAD.saturating_add(length));
        Some(Incoming::Frame { channel, octets })
    }

    /// The length of the message that begins here, once its head is there.
    fn message_length(&mut self) -> Result<Option<usize>, FramingError> {
        const END: &[u8] = b"\r\n\r\n";
        let from = self.searched.saturating_sub(END.len());
        let rest = self.rest();
        let found =
            rest.get(from..).and_then(|tail| tail.windows(END.len()).position(|window| window == END));
        let Some(at) = found else {
            if rest.len() > MAX_HEAD {
                return Err(FramingError::HeadTooLong { limit: MAX_HEAD });
            }
            self.searched = rest.len();
            return Ok(None);
        };
        let head_length = from.saturating_add(at).saturating_add(END.len());
        if head_length > MAX_HEAD {
            return Err(FramingError::HeadTooLong { limit: MAX_HEAD });
        }
        let head = rest.get(..head_length).unwrap_or_default();
        let body = content_length(head)?;
        if body > MAX_BODY {
            return Err(FramingError::BodyTooLong { length: body, limit: MAX_BODY });
        }
        Ok(Some(head_length.saturating_add(body)))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn take(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.buffer.len());
        (self.searched, self.length) = (0, None);
    }
}

/// The length of the body that the head states; 0 if it states none.
fn content_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut stated = None;
    for line in head.split(|octet| *octet == b'\n') {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        let (name, value) = line.split_at(colon);
        if !name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            continue;
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        let length: usize = length.ok_or(FramingError::ContentLength)?;
        if stated.is_some_and(|other| other != length) {
            return Err(FramingError::ContentLength);
        }
        stated = Some(length);
    }
    Ok(stated.unwrap_or(0))
}

/// The line that a person has to see to know what came instead of RTSP.
fn malformed(octets: &[u8]) -> FramingError {
    let line = octets.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let line = line.get(..line.len().min(80)).unwrap_or_default();
    FramingError::Malformed { line: line.escape_ascii().to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    const ANSWER: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc";
    const FRAME: &[u8] = b"$\x01\x00\x02hi";

    fn all(octets: &[u8], step: usize) -> Result<Vec<Incoming>, FramingError> {
        let (mut splitter, mut found) = (Splitter::new(), Vec::new());
        for part in octets.chunks(step) {
            splitter.push(part);
            while let Some(incoming) = splitter.pull()? {
                found.push(incoming);
            }
        }
        Ok(found)
    }

    #[test]
    fn messages_and_frames_come_out_however_they_came_in() {
        let octets = [FRAME, OPTIONS, b"\r\n", ANSWER, FRAME].concat();
        for step in 1..=octets.len() {
            let found = all(&octets, step).unwrap();
            let [first, Incoming::Request(request), Incoming::Response(response), last] = &found[..] else {
                panic!("step {step}: {found:?}");
            };
            assert_eq!(first, last);
            assert_eq!(*first, Incoming::Frame { channel: 1, octets: b"hi".to_vec() });
            assert_eq!(request.method(), rtsp_types::Method::Options);
            assert_eq!(response.body(), b"abc");
        }
    }

    #[test]
    fn what_is_cut_is_awaited_and_seen() {
        for whole in [OPTIONS, ANSWER, FRAME] {
            for cut in 1..whole.len() {
                let mut splitter = Splitter::new();
                splitter.push(&whole[..cut]);
                assert_eq!(splitter.pull(), Ok(None), "cut at {cut}");
                assert!(!splitter.is_empty());
                splitter.push(&whole[cut..]);
                assert!(splitter.pull().unwrap().is_some());
                assert!(splitter.is_empty());
            }
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_limits() {
        let long = [b"OPTIONS * RTSP/1.0\r\nX: ".as_slice(), &vec![b'x'; MAX_HEAD]].concat();
        assert_eq!(all(&long, 4096), Err(FramingError::HeadTooLong { limit: MAX_HEAD }));
        let ended = [&long[..], b"\r\n\r\n"].concat();
        assert_eq!(all(&ended, ended.len()), Err(FramingError::HeadTooLong { limit: MAX_HEAD }));
        let body = |length: &str| format!("RTSP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        let limit = MAX_BODY;
        assert_eq!(all(&body("65537"), 99), Err(FramingError::BodyTooLong { length: 65_537, limit }));
        for length in ["99999999999999999999999", "-1", "", "1 2", "0x1"] {
            assert_eq!(all(&body(length), 99), Err(FramingError::ContentLength), "{length}");
        }
        assert_eq!(all(&body("1\r\nContent-length: 2"), 99), Err(FramingError::ContentLength), "two lengths");
    }

    #[test]
    fn another_protocol_is_named() {
        let Err(FramingError::Malformed { line }) = all(b"HTTP/1.1 400 Bad\x1b Request\r\n\r\n", 99) else {
            panic!("taken")
        };
        assert_eq!(line, "HTTP/1.1 400 Bad\\x1b Request");
    }

    proptest! {
        #[test]
        fn any_octets_are_taken_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300), step in 1_usize..40) {
            let _ = all(&octets, step);
        }

        #[test]
        fn a_changed_message_is_taken_or_refused(at in 0_usize..80, value in any::<u8>()) {
            let mut octets = [OPTIONS, ANSWER].concat();
            let at = at % octets.len();
            octets[at] = value;
            let _ = all(&octets, 7);
        }
    }
}
