//! What a user gives to `mikey decode`, as messages: hex, base64, SDP and RTSP lines, binary files, captures.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files::read_limited;
use crate::pcap::{self, Datagram};

/// Longest input, in octets.
const MAX_INPUT: u64 = 256 << 20;
/// Octets of the shortest HDR (RFC 3830 section 6.1).
const SHORTEST: usize = 10;
/// STUN's magic cookie (RFC 8489): what carries it there is not MIKEY (docs/spec.md, "One port").
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Octets that should be one MIKEY message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where they are from.
    pub(crate) source: String,
    /// The message.
    pub(crate) octets: Vec<u8>,
    /// When and between whom it was captured.
    pub(crate) packet: Option<(u64, SocketAddr, SocketAddr)>,
}

/// What an input holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    /// The messages in order.
    pub(crate) found: Vec<Found>,
    /// Of a capture: datagrams that do not begin like MIKEY, and packets that are no whole datagram.
    pub(crate) others: usize,
    /// Of a capture: it ends in the middle.
    pub(crate) cut: bool,
}

/// Reads what `argument` names: `-` for standard input, a file if there is one, else the text itself.
///
/// # Errors
/// If it cannot be read or is none of the forms.
pub(crate) fn read(argument: &str) -> Result<Input> {
    if argument == "-" {
        let mut contents = Vec::new();
        let read = std::io::stdin().lock().take(MAX_INPUT).read_to_end(&mut contents);
        read.map_err(|error| Error::file("read", Path::new("standard input"), &error))?;
        return from_contents("standard input", &contents);
    }
    let path = Path::new(argument);
    if path.is_file() {
        return from_contents(argument, &read_limited(path, MAX_INPUT)?);
    }
    from_text("argument", argument).map_err(|error| {
        let looks_like_path = argument.contains(['/', '.']) && !argument.contains(char::is_whitespace);
        if looks_like_path { Error::failed(format!("cannot read '{argument}': no such file")) } else { error }
    })
}

/// Tells the forms of a file apart.
fn from_contents(source: &str, contents: &[u8]) -> Result<Input> {
    if contents.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::failed(format!("{source} is empty")));
    }
    if pcap::read::is_capture(contents) {
        return from_capture(source, contents);
    }
    match std::str::from_utf8(contents) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => from_text(source, text),
        _ => Ok(one(source, contents.to_vec())),
    }
}

fn one(source: &str, octets: Vec<u8>) -> Input {
    Input { found: vec![Found { source: source.to_owned(), octets, packet: None }], ..Input::default() }
}

fn from_text(source: &str, text: &str) -> Result<Input> {
    let lines: Vec<&str> = text.lines().filter_map(key_management).collect();
    if !lines.is_empty() {
        let mut input = Input::default();
        for base64 in lines {
            let octets = base64_octets(base64).ok_or_else(|| {
                Error::failed(format!("a key management line in {source} holds no base64"))
                    .hint("the form is 'a=key-mgmt:mikey AQAFg...' (RFC 4567)")
            })?;
            input.found.push(Found { source: source.to_owned(), octets, packet: None });
        }
        return Ok(input);
    }
    let compact: String = text.split(|c: char| c.is_whitespace() || c == ':').collect();
    let digits = compact.strip_prefix("0x").unwrap_or(&compact);
    let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
    match octets.or_else(|| base64_octets(&compact)) {
        Some(octets) if !octets.is_empty() => Ok(one(source, octets)),
        _ => Err(Error::failed(format!("{source} is neither hex nor base64")).hint(
            "give hex, base64, an 'a=key-mgmt:mikey' line, a file, a capture, or '-' for standard input",
        )),
    }
}

/// The base64 of `a=key-mgmt:mikey <base64>` (RFC 4567 section 3) or of RTSP's
/// `KeyMgmt: prot=mikey; uri="…"; data="<base64>"` (section 3.2).
fn key_management(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some((_, rest)) = split_ignoring_case(line, "key-mgmt:mikey") {
        return Some(rest.trim());
    }
    let (_, rest) = split_ignoring_case(line, "keymgmt:")?;
    split_ignoring_case(rest, "prot=mikey")?;
    let (_, data) = split_ignoring_case(rest, "data=")?;
    let data = data.trim_start().trim_start_matches('"');
    data.split(['"', ';']).next()
}

fn split_ignoring_case<'a>(text: &'a str, what: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_lowercase().find(what)?;
    Some((text.get(..at)?, text.get(at + what.len()..)?))
}

fn base64_octets(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    data_encoding::BASE64_NOPAD.decode(text.as_bytes()).ok().filter(|octets| !octets.is_empty())
}

fn from_capture(source: &str, contents: &[u8]) -> Result<Input> {
    let capture = pcap::read::read(contents)?;
    let mut input = Input { found: Vec::new(), others: capture.skipped, cut: capture.cut };
    for datagram in capture.datagrams {
        if looks_like_mikey(&datagram.payload) {
            input.found.push(captured(datagram));
        } else {
            input.others += 1;
        }
    }
    if input.found.is_empty() {
        return Err(Error::failed(format!("no MIKEY message in {source}: {} other packets", input.others)));
    }
    Ok(input)
}

fn captured(datagram: Datagram) -> Found {
    let Datagram { micros, from, to, payload } = datagram;
    Found { source: format!("{from} to {to}"), octets: payload, packet: Some((micros, from, to)) }
}

/// The rule for a shared port (docs/spec.md; RFC 7983): first octet 1 or 2, at least a header, not STUN.
fn looks_like_mikey(payload: &[u8]) -> bool {
    let stun = payload.len() >= 20 && payload.get(4..8) == Some(&STUN_COOKIE[..]);
    matches!(payload.first(), Some(1 | 2)) && payload.len() >= SHORTEST && !stun
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Vec<Vec<u8>> {
        from_contents("x", text.as_bytes()).unwrap().found.into_iter().map(|found| found.octets).collect()
    }

    #[test]
    fn every_form_of_text_is_read() {
        let expected = vec![vec![1, 0, 5, 0x80, 0xcd, 0x17]];
        for text in [
            "01000580cd17",
            "0x01000580CD17\n",
            "01 00 05 80\r\n\tcd 17",
            "01:00:05:80:cd:17",
            "AQAFgM0X",
            "AQAF\ngM0X\n",
            "a=key-mgmt:mikey AQAFgM0X",
            "v=0\r\ns=x\r\na=key-mgmt:mikey AQAFgM0X\r\nm=audio 1 RTP/SAVP 0\r\n",
            "key-mgmt:mikey AQAFgM0X",
            "KeyMgmt: prot=mikey;uri=\"rtsp://x/\";data=\"AQAFgM0X\"",
        ] {
            assert_eq!(octets(text), expected, "{text}");
        }
        assert_eq!(octets("a=key-mgmt:mikey AQA=\na=key-mgmt:mikey AgA=\n"), [vec![1, 0], vec![2, 0]]);
    }

    #[test]
    fn other_text_is_refused_with_advice() {
        for text in ["hello, world", "a=key-mgmt:mikey !!!", "abc-def"] {
            assert!(from_contents("x", text.as_bytes()).unwrap_err().hint_text().is_some(), "{text}");
        }
        assert!(from_contents("x", b" \n").is_err());
        assert_eq!(from_contents("x", &[1, 0, 0xff, 0]).unwrap().found[0].octets, [1, 0, 0xff, 0]);
    }

    #[test]
    fn a_shared_port_is_sorted() {
        assert!(looks_like_mikey(&[2; 10]));
        assert!(!looks_like_mikey(&[2; 9]));
        assert!(!looks_like_mikey(&[0x80; 40]));
        let mut stun = [1; 20];
        stun[4..8].copy_from_slice(&STUN_COOKIE);
        assert!(!looks_like_mikey(&stun));
    }
}
