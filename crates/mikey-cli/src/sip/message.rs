//! A SIP message: a start line, header fields, a body (RFC 3261 section 7).
//!
//! Reading is total and bounded: every datagram gives a message or a [`BadMessage`] that names the line. Header fields keep
//! their order; a list of Vias in one line is read as one Via a line.

use std::fmt;
use std::net::SocketAddr;

/// Octets of a message.
const MAX_MESSAGE: usize = 64 * 1024 - 1;
/// Header fields.
const MAX_FIELDS: usize = 64;
/// The version in the start line.
const VERSION: &str = "SIP/2.0";
/// What every message has (RFC 3261 section 8.1.1).
const REQUIRED: [&str; 5] = ["Via", "From", "To", "Call-ID", "CSeq"];

/// Why a datagram is no SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadMessage {
    /// The line, from 1.
    line: usize,
    what: &'static str,
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// What is to be done, and with whom.
    Request {
        /// In capital letters, as they differ by case.
        method: String,
        /// The Request-URI.
        uri: String,
    },
    /// What became of a request.
    Response {
        /// 100 to 699.
        code: u16,
        /// For people.
        reason: String,
    },
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: Start,
    fields: Vec<(String, String)>,
    /// The body, whose type is `application/sdp` where there is one.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A request without header fields.
    pub(crate) fn request(method: &str, uri: &str) -> Self {
        let start = Start::Request { method: method.to_owned(), uri: uri.to_owned() };
        Self { start, fields: Vec::new(), body: Vec::new() }
    }

    /// The response to a request: its Vias, From, To, Call-ID and CSeq (RFC 3261 section 8.2.6.2). `tag` goes to To, if it
    /// has none.
    pub(crate) fn response(request: &Self, code: u16, reason: &str, tag: Option<&str>) -> Self {
        let copied = |(name, _): &&(String, String)| REQUIRED.contains(&name.as_str());
        let mut fields: Vec<(String, String)> = request.fields.iter().filter(copied).cloned().collect();
        if let (Some((_, to)), Some(tag)) = (fields.iter_mut().find(|(name, _)| name == "To"), tag)
            && parameter(to, "tag").is_none()
        {
            to.push_str(";tag=");
            to.push_str(tag);
        }
        Self { start: Start::Response { code, reason: reason.to_owned() }, fields, body: Vec::new() }
    }

    /// The same with a header field at the end.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// The same with a session description as its body.
    pub(crate) fn with_sdp(mut self, sdp: &[u8]) -> Self {
        self.body = sdp.to_vec();
        self.with("Content-Type", "application/sdp")
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// [`BadMessage`].
    pub(crate) fn parse(datagram: &[u8]) -> Result<Self, BadMessage> {
        let bad = |line, what| BadMessage { line, what };
        if datagram.len() > MAX_MESSAGE {
            return Err(bad(1, "the message is too long"));
        }
        let end = datagram.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or(bad(1, "no empty line after the header fields"))?;
        let (head, rest) = datagram.split_at_checked(end).unwrap_or((datagram, &[]));
        let head = std::str::from_utf8(head).map_err(|_| bad(1, "the header fields are not UTF-8"))?;
        let mut lines = head.split("\r\n").enumerate();
        let (_, first) = lines.next().unwrap_or_default();
        let start = parse_start(first).ok_or(bad(1, "neither a request nor a response of SIP 2.0"))?;
        // A line that begins with a space goes on with the one before (RFC 3261 section 7.3.1).
        let mut unfolded: Vec<(usize, String)> = Vec::new();
        for (number, line) in lines {
            if line.starts_with([' ', '\t']) {
                let (_, before) = unfolded.last_mut().ok_or(bad(number + 1, "a continuation of nothing"))?;
                before.push(' ');
                before.push_str(line.trim());
            } else {
                unfolded.push((number + 1, line.to_owned()));
            }
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for (number, line) in &unfolded {
            let number = *number;
            let (name, value) = line.split_once(':').ok_or(bad(number, "a header field without a colon"))?;
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(bad(number, "the name of a header field is no token"));
            }
            if line.chars().any(|c| c.is_control() && c != '\t') {
                return Err(bad(number, "a control character"));
            }
            let name = canonical(name);
            let values = if name == "Via" { split_list(value) } else { vec![value.trim()] };
            fields.extend(values.into_iter().map(|value| (name.clone(), value.to_owned())));
            if fields.len() > MAX_FIELDS {
                return Err(bad(number, "too many header fields"));
            }
        }
        let body = rest.get(4..).unwrap_or_default();
        let mut message = Self { start, fields, body: body.to_vec() };
        if REQUIRED.iter().any(|name| message.field(name).is_none()) {
            return Err(bad(1, "Via, From, To, Call-ID or CSeq is missing"));
        }
        // Over UDP what follows the body is dropped, and a body without a length goes to the end (RFC 3261 section 18.3).
        if let Some(length) = message.field("Content-Length") {
            let length: usize = length.parse().map_err(|_| bad(1, "Content-Length is no number"))?;
            if length > message.body.len() {
                return Err(bad(1, "the body is shorter than Content-Length says"));
            }
            message.body.truncate(length);
        }
        message.fields.retain(|(name, _)| name != "Content-Length");
        Ok(message)
    }

    /// The octets for a datagram.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} {VERSION}\r\n"),
            Start::Response { code, reason } => format!("{VERSION} {code} {reason}\r\n"),
        };
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        [text.as_bytes(), &self.body].concat()
    }

    /// What the timeline calls it: `INVITE`, `183`.
    pub(crate) fn name(&self) -> String {
        match &self.start {
            Start::Request { method, .. } => method.clone(),
            Start::Response { code, .. } => code.to_string(),
        }
    }

    /// The first header field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The method of a request, or the one that a response is about.
    pub(crate) fn method(&self) -> &str {
        match &self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => {
                self.field("CSeq").and_then(|cseq| cseq.split_whitespace().nth(1)).unwrap_or_default()
            }
        }
    }

    /// The tag of To: which phone it is.
    pub(crate) fn to_tag(&self) -> Option<&str> {
        parameter(self.field("To")?, "tag")
    }

    /// The branch of the topmost Via: which transaction it is.
    pub(crate) fn branch(&self) -> Option<&str> {
        parameter(self.field("Via")?, "branch")
    }

    /// Where a response goes: the address in the topmost Via.
    pub(crate) fn via_address(&self) -> Option<SocketAddr> {
        let sent_by = self.field("Via")?.split_once(' ')?.1.split(';').next()?;
        sent_by.trim().parse().ok()
    }

    /// The address in Contact: where requests of a dialog go.
    pub(crate) fn contact(&self) -> Option<SocketAddr> {
        let uri = uri_of(self.field("Contact")?);
        let host = uri.strip_prefix("sip:")?.rsplit('@').next()?.split(';').next()?;
        host.parse().ok()
    }

    /// The URI of From.
    pub(crate) fn caller(&self) -> Option<&str> {
        Some(uri_of(self.field("From")?))
    }

    /// A Via of ours on top.
    pub(crate) fn push_via(&mut self, local: SocketAddr, branch: &str) {
        self.fields.insert(0, ("Via".to_owned(), via(local, branch)));
    }

    /// Takes the topmost Via off.
    pub(crate) fn pop_via(&mut self) {
        if let Some(at) = self.fields.iter().position(|(name, _)| name == "Via") {
            self.fields.remove(at);
        }
    }

    /// Sets the first header field of this name.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.fields.push((name.to_owned(), value.into())),
        }
    }
}

/// The value of a Via.
pub(crate) fn via(local: SocketAddr, branch: &str) -> String {
    format!("{VERSION}/UDP {local};branch={branch}")
}

fn parse_start(line: &str) -> Option<Start> {
    let mut parts = line.splitn(3, ' ');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    if line.chars().any(char::is_control) {
        return None;
    }
    if first == VERSION {
        let code: u16 = second.parse().ok().filter(|code| second.len() == 3 && (100..700).contains(code))?;
        return Some(Start::Response { code, reason: third.to_owned() });
    }
    let good = third == VERSION && !first.is_empty() && first.bytes().all(is_token) && second.contains(':');
    good.then(|| Start::Request { method: first.to_owned(), uri: second.to_owned() })
}

/// The name as RFC 3261 writes it, for those that are looked for; in any case, and in compact form (section 7.3.3).
fn canonical(name: &str) -> String {
    const NAMES: [(&str, &str); 8] = [
        ("Via", "v"),
        ("From", "f"),
        ("To", "t"),
        ("Call-ID", "i"),
        ("Contact", "m"),
        ("Content-Length", "l"),
        ("Content-Type", "c"),
        ("CSeq", ""),
    ];
    let known = NAMES
        .iter()
        .find(|(long, short)| name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short));
    match known {
        Some((long, _)) => (*long).to_owned(),
        None if name.eq_ignore_ascii_case("Max-Forwards") => "Max-Forwards".to_owned(),
        None => name.to_owned(),
    }
}

fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

/// The parts of a list, but not of what is quoted.
fn split_list(value: &str) -> Vec<&str> {
    let mut quoted = false;
    let comma = move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    value.split(comma).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The URI of a name-addr or addr-spec.
fn uri_of(value: &str) -> &str {
    match value.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((uri, _)) => uri,
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// A parameter of a header field, not of the URI in it.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let parameters = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    let mut all = parameters.split(';').skip(1).map(str::trim);
    all.find_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK2 ,\r\n SIP/2.0/UDP \
        127.0.0.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 69\r\nf: \"Alice\" <sip:alice@example.com>;tag=a\r\nTO:   \
        <sip:bob@example.com;x=y>\r\nCall-Id: 1@a\r\ncseq: 1 INVITE\r\nm: <sip:alice@127.0.0.1:5060>\r\nl: 4\r\n\r\nv=0\nand more";

    #[test]
    fn a_request_is_read_and_written() {
        let message = Message::parse(INVITE.as_bytes()).unwrap();
        assert_eq!(message.method(), "INVITE");
        assert_eq!(message.branch(), Some("z9hG4bK2"));
        assert_eq!(message.via_address(), Some("127.0.0.1:5070".parse().unwrap()));
        assert_eq!(message.contact(), Some("127.0.0.1:5060".parse().unwrap()));
        assert_eq!((message.caller(), message.to_tag()), (Some("sip:alice@example.com"), None));
        assert_eq!(message.body, b"v=0\n");
        let again = Message::parse(&message.encode()).unwrap();
        assert_eq!(again, message);
    }

    #[test]
    fn a_response_goes_back_the_way_of_its_request() {
        let request = Message::parse(INVITE.as_bytes()).unwrap();
        let mut response = Message::response(&request, 183, "Session Progress", Some("phone"));
        assert_eq!(response.to_tag(), Some("phone"));
        assert_eq!((response.method(), response.name().as_str()), ("INVITE", "183"));
        assert_eq!(response.via_address(), Some("127.0.0.1:5070".parse().unwrap()));
        response.pop_via();
        assert_eq!(response.via_address(), Some("127.0.0.1:5060".parse().unwrap()));
        response.pop_via();
        assert_eq!(response.via_address(), None);
        assert!(Message::parse(&response.encode()).is_err(), "nobody knows where it goes");
    }

    #[test]
    fn what_is_no_message_is_refused_by_its_line() {
        let why = |text: &str| Message::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            why("INVITE sip:bob@example.com SIP/2.0\r\n"),
            "line 1: no empty line after the header fields"
        );
        assert_eq!(why("GET / HTTP/1.1\r\n\r\n"), "line 1: neither a request nor a response of SIP 2.0");
        assert_eq!(why("SIP/2.0 99 Too low\r\n\r\n"), "line 1: neither a request nor a response of SIP 2.0");
        assert_eq!(why("SIP/2.0 200 OK\r\nVia\r\n\r\n"), "line 2: a header field without a colon");
        assert_eq!(why("SIP/2.0 200 OK\r\n Via: x\r\n\r\n"), "line 2: a continuation of nothing");
        assert_eq!(
            why("SIP/2.0 200 OK\r\nVia: x\r\n\r\n"),
            "line 1: Via, From, To, Call-ID or CSeq is missing"
        );
        assert_eq!(
            why(&INVITE.replace("l: 4", "l: 400")),
            "line 1: the body is shorter than Content-Length says"
        );
        assert_eq!(why(&INVITE.replace("l: 4", "l: x")), "line 1: Content-Length is no number");
        let many = format!("Via: {}\r\n", vec!["x"; 70].join(","));
        assert_eq!(why(&format!("SIP/2.0 200 OK\r\n{many}\r\n")), "line 2: too many header fields");
        assert_eq!(why(&format!("{}\r\n\r\n", "x".repeat(70_000))), "line 1: the message is too long");
    }

    #[test]
    fn no_cut_and_no_change_of_an_octet_makes_it_panic() {
        for at in 0..INVITE.len() {
            let _ = Message::parse(&INVITE.as_bytes()[..at]);
            for value in [0, 1, 0x80, 0xFF] {
                let mut changed = INVITE.as_bytes().to_vec();
                changed[at] ^= value;
                if let Ok(message) = Message::parse(&changed) {
                    let _ = (message.via_address(), message.contact(), message.to_tag(), message.caller());
                }
            }
        }
    }
}
