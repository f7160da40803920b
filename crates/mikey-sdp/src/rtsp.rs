//! `KeyMgmt` in RTSP (RFC 4567 section 3.2): a header of SETUP, and a parameter of GET_PARAMETER and SET_PARAMETER.
//!
//! ```text
//!   KeyMgmt: prot=mikey;uri="rtsps://camera.example/video";data="AQAFAP.."
//! ```
//!
//! The grammar of RFC 4567 leaves out what its examples have, `data="..."`; GStreamer, gortsplib and cameras write and
//! read the text above, and that is what is written here. Read are spaces around each part, names in any case,
//! parts in any order, and data without quotes.

use std::fmt;

use data_encoding::BASE64;

use crate::error::{Fault, TextError};
use crate::key_mgmt::{KeyMgmt, check_protocol, decode_data};
use crate::limits::{MAX_DATA, MAX_OFFERS, MAX_URI};

/// The name of the header and of the parameter.
pub const KEY_MGMT: &str = "KeyMgmt";

/// RTSP's status code for a failure of key management (RFC 4567 section 3.2).
pub const KEY_MANAGEMENT_FAILURE: u16 = 463;

/// Longest value that is read: all its specifications at their longest would be more than anybody sends.
const MAX_VALUE: usize = 2 * (MAX_DATA + MAX_URI);

/// One `key-mgmt-spec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What it is about; none means the URI of the request. Some cameras want it even if it is that one.
    pub uri: Option<String>,
    /// The message.
    pub message: KeyMgmt,
}

impl Spec {
    /// A message of MIKEY for `uri`; none if the URI has a character that would end it, or is too long.
    #[must_use]
    pub fn mikey(uri: &str, data: Vec<u8>) -> Option<Self> {
        let fits = uri.len() <= MAX_URI && uri.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'"');
        fits.then(|| Self { uri: Some(uri.to_owned()), message: KeyMgmt::mikey(data) })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prot={};", self.message.protocol)?;
        if let Some(uri) = &self.uri {
            write!(f, "uri=\"{uri}\";")?;
        }
        write!(f, "data=\"{}\"", BASE64.encode(&self.message.data))
    }
}

/// Reads the value of a `KeyMgmt` header or parameter.
///
/// # Errors
/// [`TextError`] with the offset in the value.
pub fn parse(value: &str) -> Result<Vec<Spec>, TextError> {
    if value.len() > MAX_VALUE {
        return Err(TextError::new(0, Fault::Length { what: "a KeyMgmt", len: value.len() }));
    }
    let mut specs = Vec::new();
    let mut at = 0;
    loop {
        if specs.len() == MAX_OFFERS {
            return Err(TextError::new(at, Fault::TooMany(MAX_OFFERS)));
        }
        let (spec, end) = parse_spec(value, at)?;
        specs.push(spec);
        match value.as_bytes().get(end) {
            None => return Ok(specs),
            Some(_) => at = end.saturating_add(1),
        }
    }
}

/// The `KeyMgmt` parameters in the body of GET_PARAMETER or SET_PARAMETER: lines of `name: value`. Other parameters
/// and blank lines are passed over. A value that stops at its colon asks for the parameter: it gives nothing.
///
/// # Errors
/// As [`parse`]; the offset is that in the parameter's value.
pub fn parse_parameters(body: &str) -> Result<Vec<Spec>, TextError> {
    let mut specs = Vec::new();
    for line in body.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        if name.trim().eq_ignore_ascii_case(KEY_MGMT) && !value.is_empty() {
            specs.extend(parse(value)?);
            if specs.len() > MAX_OFFERS {
                return Err(TextError::new(0, Fault::TooMany(MAX_OFFERS)));
            }
        }
    }
    Ok(specs)
}

/// The body of a SET_PARAMETER.
#[must_use]
pub fn parameter(spec: &Spec) -> String {
    format!("{KEY_MGMT}: {spec}\r\n")
}

/// Reads one specification from octet `at`; says where it ends: at the end, or at a comma.
fn parse_spec(value: &str, start: usize) -> Result<(Spec, usize), TextError> {
    let (mut protocol, mut uri, mut data) = (None, None, None);
    let mut at = start;
    loop {
        let part = Part::read(value, at)?;
        let slot = match part.name.to_ascii_lowercase().as_str() {
            "prot" => {
                check_protocol(part.text, part.text_at)?;
                once(&mut protocol, part.text.to_owned(), "prot", part.at)
            }
            "uri" if part.text.len() > MAX_URI => {
                let fault = Fault::Length { what: "a uri", len: part.text.len() };
                return Err(TextError::new(part.text_at, fault));
            }
            "uri" => match part.text.find('"') {
                // It could not be written again.
                Some(offset) => {
                    let at = part.text_at.saturating_add(offset);
                    return Err(TextError::new(at, Fault::Character("a uri")));
                }
                None => once(&mut uri, part.text.to_owned(), "uri", part.at),
            },
            "data" => once(&mut data, decode_data(part.text, part.text_at)?, "data", part.at),
            // Nothing after the last semicolon.
            "" if part.text.is_empty() => Ok(()),
            // What a later specification may add.
            _ => Ok(()),
        };
        slot?;
        at = part.end;
        match value.as_bytes().get(at) {
            Some(b';') => at = at.saturating_add(1),
            _ => break,
        }
    }
    let missing = |what| TextError::new(at, Fault::Missing(what));
    let protocol = protocol.ok_or_else(|| missing("prot"))?;
    let data = data.ok_or_else(|| missing("data"))?;
    // GStreamer and cameras write uri="" for the URI of the request.
    let uri = uri.filter(|uri| !uri.is_empty());
    Ok((Spec { uri, message: KeyMgmt { protocol, data } }, at))
}

fn once<T>(slot: &mut Option<T>, value: T, what: &'static str, at: usize) -> Result<(), TextError> {
    if slot.replace(value).is_some() {
        return Err(TextError::new(at, Fault::Twice(what)));
    }
    Ok(())
}

/// `name=text` or `name="text"`, with the spaces around it.
struct Part<'a> {
    at: usize,
    name: &'a str,
    text: &'a str,
    text_at: usize,
    /// The semicolon, the comma, or the end.
    end: usize,
}

impl<'a> Part<'a> {
    fn read(value: &'a str, start: usize) -> Result<Self, TextError> {
        let at = skip_spaces(value, start);
        let rest = value.get(at..).unwrap_or_default();
        let name_len = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let name = rest.get(..name_len).unwrap_or_default().trim_end();
        let mut end = at.saturating_add(name_len);
        if !rest.get(name_len..).unwrap_or_default().starts_with('=') {
            return Ok(Self { at, name, text: "", text_at: end, end });
        }
        end = skip_spaces(value, end.saturating_add(1));
        let rest = value.get(end..).unwrap_or_default();
        if let Some(quoted) = rest.strip_prefix('"') {
            let text_at = end.saturating_add(1);
            let len = quoted.find('"').ok_or(TextError::new(end, Fault::Unquoted))?;
            let text = quoted.get(..len).unwrap_or_default();
            end = skip_spaces(value, text_at.saturating_add(len).saturating_add(1));
            return match value.as_bytes().get(end) {
                None | Some(b';' | b',') => Ok(Self { at, name, text, text_at, end }),
                Some(_) => Err(TextError::new(end, Fault::Character("the end of a part"))),
            };
        }
        let len = rest.find([';', ',']).unwrap_or(rest.len());
        let text = rest.get(..len).unwrap_or_default().trim_end();
        Ok(Self { at, name, text, text_at: end, end: end.saturating_add(len) })
    }
}

/// The next octet that is no space: a header may go on on the next line.
fn skip_spaces(value: &str, at: usize) -> usize {
    let rest = value.get(at..).unwrap_or_default();
    at.saturating_add(rest.len()).saturating_sub(rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
}
