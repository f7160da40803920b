//! docs/spec.md as data: its formulas, its key table, and what they are worth for given values.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashMap;

use mikey_crypto::Hash;

pub const SPEC: &str = include_str!("../../../../docs/spec.md");

/// The text of the section with this heading number, down to the next heading of any level.
pub fn section(number: &str) -> &'static str {
    let start = SPEC.lines().position(|line| {
        line.starts_with('#')
            && line.trim_start_matches('#').split_whitespace().next().unwrap_or("").trim_end_matches('.')
                == number
    });
    let start = start.unwrap_or_else(|| panic!("the specification has no section {number}"));
    let offset = |line: usize| SPEC.lines().take(line).map(|l| l.len() + 1).sum::<usize>();
    let text = &SPEC[offset(start + 1)..];
    let mut end = 0;
    let mut fenced = text;
    while let Some(at) = fenced.find("\n#") {
        end += at + 1;
        if text[end..].trim_start_matches('#').starts_with(' ') {
            return &text[..end];
        }
        fenced = &text[end..];
    }
    text
}

/// What stands behind `name =` in an indented line of a section, up to four spaces, where a remark begins.
pub fn formula(number: &str, name: &str) -> &'static str {
    formulas(number, name).next().unwrap_or_else(|| panic!("section {number} has no formula for {name}"))
}

/// The same if there are several of the name.
pub fn formulas<'a>(number: &str, name: &'a str) -> impl Iterator<Item = &'static str> + use<'a> {
    section(number).lines().filter_map(move |line| {
        let (left, right) = line.strip_prefix("    ")?.split_once('=')?;
        (left.trim() == name).then(|| right.trim().split("    ").next().unwrap_or_default().trim())
    })
}

/// A row of the key table: name, input key, label, length.
pub struct Row {
    pub name: &'static str,
    pub input: &'static str,
    pub label: String,
    pub length: &'static str,
}

/// The table of 8.3.
pub fn key_table() -> Vec<Row> {
    let rows = section("8.3").lines().filter(|line| line.starts_with('|')).skip(2);
    let rows = rows.map(|line| {
        // `\|` stands for a bar inside a cell.
        let cells: Vec<&'static str> = split(line.trim_matches('|'), |text, at| {
            text.as_bytes()[at] == b'|' && at > 0 && text.as_bytes()[at - 1] != b'\\'
        });
        let [name, input, label, length, _] = cells[..] else { panic!("a row of another form: {line}") };
        Row { name, input, label: label.replace("\\|", "|"), length }
    });
    rows.collect()
}

fn split(text: &str, here: impl Fn(&str, usize) -> bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in 0..text.len() {
        if here(text, at) {
            out.push(text[from..at].trim());
            from = at + 1;
        }
    }
    out.push(text[from..].trim());
    out
}

/// Values of names, and the hash.
#[derive(Clone)]
pub struct Values {
    pub hash: &'static dyn Hash,
    pub of: HashMap<String, Vec<u8>>,
}

impl Values {
    pub fn new(hash: &'static dyn Hash) -> Self {
        Self { hash, of: HashMap::new() }
    }

    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.of.insert(name.to_owned(), value.as_ref().to_vec());
        self
    }

    pub fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut other = self.clone();
        other.set(name, value);
        other
    }

    /// What an expression is worth: `a || b` of names, "strings", 0xNUMBERS, `n x 0xNN`, L(), H() and HMAC().
    pub fn eval(&self, expression: &str) -> Vec<u8> {
        operands(expression, "||").into_iter().flat_map(|term| self.term(term)).collect()
    }

    /// Whether every name in an expression has a value.
    pub fn knows(&self, expression: &str) -> bool {
        operands(expression, "||").into_iter().all(|term| {
            let inside =
                || function(term).is_some_and(|(name, inside)| "LH".contains(name) && self.knows(inside));
            term.starts_with("0x") || self.of.contains_key(term) || inside()
        })
    }

    /// Key and data of `HMAC( key, data )` or `PRF( key, label )`.
    pub fn arguments(&self, expression: &str) -> (Vec<u8>, Vec<u8>) {
        let (_, inside) = function(expression).unwrap_or_else(|| panic!("no function: {expression}"));
        let [key, data] = operands(inside, ",")[..] else { panic!("two arguments: {inside}") };
        (self.eval(key), self.eval(data))
    }

    /// The data of `H( data )`.
    pub fn hashed(&self, expression: &str) -> Vec<u8> {
        let (name, inside) = function(expression).unwrap_or_else(|| panic!("no function: {expression}"));
        assert_eq!(name, "H", "{expression}");
        self.eval(inside)
    }

    fn term(&self, term: &str) -> Vec<u8> {
        if let Some(value) = self.of.get(term) {
            return value.clone();
        }
        if let Some(text) = term.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
            return text.as_bytes().to_vec();
        }
        if let Some(hex) = term.strip_prefix("0x") {
            return (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
        }
        if let Some((count, octet)) = term.split_once(" x ") {
            return self.term(octet).repeat(count.parse().unwrap());
        }
        match function(term) {
            Some(("L", inside)) => {
                let value = self.eval(inside);
                [&u32::try_from(value.len()).unwrap().to_be_bytes()[..], &value].concat()
            }
            Some(("H", inside)) => self.hash.digest(&[&self.eval(inside)]).as_ref().to_vec(),
            Some(("HMAC", _)) => {
                let (key, data) = self.arguments(term);
                self.hash.hmac(&key, &[&data]).expose().to_vec()
            }
            _ => panic!("the specification says {term:?}, which this test does not know"),
        }
    }
}

fn function(term: &str) -> Option<(&str, &str)> {
    let (name, rest) = term.trim().split_once('(')?;
    Some((name.trim(), rest.trim_end().strip_suffix(')')?))
}

/// Parts of an expression between separators that stand outside of parentheses and strings.
fn operands<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    let mut depth = 0_i32;
    let mut quoted = false;
    let mut out = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < text.len() {
        match &text[at..at + 1] {
            "\"" => quoted = !quoted,
            _ if quoted => (),
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(separator) => {
                out.push(text[from..at].trim());
                from = at + separator.len();
                at = from - 1;
            }
            _ => (),
        }
        at += 1;
    }
    out.push(text[from..].trim());
    out
}
