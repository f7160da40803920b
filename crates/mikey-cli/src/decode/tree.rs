//! A decoded message as a tree of named fields: for people with offsets in front, for machines as JSON.

use std::fmt::{self, Write};

use serde_json::{Map, Value, json};

use crate::ui::{hex, printable};

/// Octets that a line shows before it is cut.
const SHOWN: usize = 32;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Nothing of its own, only parts.
    Parts,
    /// Text, already made printable.
    Text(String),
    /// A number with its meaning.
    Number(u64),
    /// A number of a registry with its name, if it has one.
    Registered(u64, Option<&'static str>),
    /// Octets.
    Octets(Vec<u8>),
    /// A secret that stands in the clear, of so many octets.
    Hidden(usize),
}

/// A field with its name and parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    name: String,
    field: Field,
    /// First octet and the one after the last, where that is worth saying.
    place: Option<(usize, usize)>,
    parts: Vec<Node>,
}

impl Node {
    /// A field.
    pub(crate) fn new(name: impl Into<String>, field: Field) -> Self {
        Self { name: name.into(), field, place: None, parts: Vec::new() }
    }

    /// A field of parts alone.
    pub(crate) fn group(name: impl Into<String>, parts: Vec<Self>) -> Self {
        Self { parts, ..Self::new(name, Field::Parts) }
    }

    /// Text from outside or from here.
    pub(crate) fn text(name: impl Into<String>, text: &str) -> Self {
        Self::new(name, Field::Text(printable(text)))
    }

    /// A number.
    pub(crate) fn number(name: impl Into<String>, number: impl Into<u64>) -> Self {
        Self::new(name, Field::Number(number.into()))
    }

    /// Octets.
    pub(crate) fn octets(name: impl Into<String>, octets: &[u8]) -> Self {
        Self::new(name, Field::Octets(octets.to_vec()))
    }

    /// Says where it stands.
    pub(crate) fn at(mut self, start: usize, end: usize) -> Self {
        self.place = Some((start, end));
        self
    }

    /// Moves the places of the tree: they counted from an inner start.
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        self.place = self.place.map(|(start, end)| (start + by, end + by));
        self.parts = self.parts.into_iter().map(|part| part.shifted(by)).collect();
        self
    }

    /// Adds parts.
    pub(crate) fn with(mut self, parts: impl IntoIterator<Item = Self>) -> Self {
        self.parts.extend(parts);
        self
    }

    /// The tree as lines. `full`: octets are not cut.
    pub(crate) fn lines(&self, full: bool) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out, 0, full);
        out.truncate(out.trim_end().len());
        out
    }

    /// The tree for machines; octets are whole.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        if let Some((start, end)) = self.place {
            object.insert("offset".to_owned(), json!(start));
            object.insert("length".to_owned(), json!(end - start));
        }
        match &self.field {
            Field::Parts => {}
            Field::Text(text) => drop(object.insert("value".to_owned(), json!(text))),
            Field::Number(number) => drop(object.insert("value".to_owned(), json!(number))),
            Field::Registered(number, name) => {
                object.insert("value".to_owned(), json!(number));
                object.insert("meaning".to_owned(), json!(name));
            }
            Field::Octets(octets) => drop(object.insert("octets".to_owned(), json!(hex(octets)))),
            Field::Hidden(length) => drop(object.insert("hidden_octets".to_owned(), json!(length))),
        }
        if !self.parts.is_empty() {
            object.insert("parts".to_owned(), self.parts.iter().map(Self::to_json).collect());
        }
        Value::Object(object)
    }

    fn write(&self, out: &mut String, depth: usize, full: bool) -> fmt::Result {
        let place = self.place.map_or_else(String::new, |(start, end)| format!("{start:>5}..{end}"));
        write!(out, "{place:<12}  {:indent$}{}", "", self.name, indent = depth * 2)?;
        let padding = 38usize.saturating_sub(depth * 2 + self.name.chars().count()).max(1);
        match &self.field {
            Field::Parts => writeln!(out)?,
            Field::Text(text) => writeln!(out, "{:padding$}{text}", "")?,
            Field::Number(number) => writeln!(out, "{:padding$}{number}", "")?,
            Field::Registered(number, Some(name)) => writeln!(out, "{:padding$}{name} ({number})", "")?,
            Field::Registered(number, None) => writeln!(out, "{:padding$}{number} (not assigned)", "")?,
            Field::Octets(octets) => writeln!(out, "{:padding$}{}", "", shown(octets, full))?,
            Field::Hidden(length) => writeln!(out, "{:padding$}{length} octets, not shown", "")?,
        }
        self.parts.iter().try_for_each(|part| part.write(out, depth + 1, full))
    }
}

fn shown(octets: &[u8], full: bool) -> String {
    match octets.get(..SHOWN) {
        Some(head) if !full && octets.len() > SHOWN => format!("{}… ({} octets)", hex(head), octets.len()),
        _ if octets.is_empty() => "empty".to_owned(),
        _ => hex(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_reads_well_and_hides_what_it_must() {
        let tree = Node::group(
            "HDR",
            vec![
                Node::new("data type", Field::Registered(40, Some("INIT_REQ"))),
                Node::new("group", Field::Registered(99, None)),
                Node::octets("value", &[0xab; 40]),
                Node::new("key", Field::Hidden(16)),
                Node::text("name", "a\u{1b}b"),
            ],
        )
        .at(0, 10);
        let text = tree.lines(false);
        assert!(text.starts_with("    0..10     HDR\n"), "{text}");
        assert!(text.contains("INIT_REQ (40)"));
        assert!(text.contains("99 (not assigned)"));
        assert!(text.contains("abab… (40 octets)"));
        assert!(text.contains("16 octets, not shown"));
        assert!(text.contains("a\\u{1b}b"));
        assert!(tree.lines(true).contains(&"ab".repeat(40)));
        let json = tree.to_json();
        assert_eq!(json["length"], 10);
        assert_eq!(json["parts"][0]["meaning"], "INIT_REQ");
        assert_eq!(json["parts"][3]["hidden_octets"], 16);
    }
}
