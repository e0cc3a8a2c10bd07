//! Reads definitions, element by element.

use std::collections::BTreeMap;

use super::database::{Database, Name};
use super::document::{Child, Element, Scopes};
use crate::xml::{self, Piece};

/// Most elements within one part of a definition.
const MAX_ELEMENTS: usize = 4096;
/// Most attributes that a document gives to elements which do not have them.
const MAX_DEFAULTS: usize = 64;

/// Adds a file of definitions to a database, and says what it leaves out.
pub(super) fn read(database: &mut Database, bytes: &[u8], note: &mut dyn FnMut(String)) {
    // Of a document that is not whole nothing counts.
    if let Err(problem) = xml::read(bytes, &mut |_| Ok(())) {
        return note(problem);
    }
    let mut reader = Reader {
        database,
        note,
        scopes: Scopes::default(),
        defaults: BTreeMap::new(),
        open: Vec::new(),
        elements: 0,
        of: None,
    };
    let read = xml::read(bytes, &mut |piece| reader.see(piece));
    if let Err(problem) = read {
        note(problem);
    }
}

struct Reader<'a> {
    database: &'a mut Database,
    note: &'a mut dyn FnMut(String),
    scopes: Scopes,
    /// Attributes that elements have where they are not written, by the names of the elements.
    defaults: BTreeMap<String, Vec<(String, String)>>,
    /// The elements that are open.
    open: Vec<Element>,
    /// How many were within the part of a definition that is being read.
    elements: usize,
    /// The type that is defined, if nothing was wrong with it so far.
    of: Option<Name>,
}

impl Reader<'_> {
    fn see(&mut self, piece: Piece) -> Result<(), String> {
        match piece {
            Piece::DocumentType(text) => {
                self.defaults = defaults(&text)?;
                Ok(())
            }
            Piece::Start(name, attributes) => self.begin(name, attributes),
            Piece::End => self.end(),
            Piece::Text(text) => {
                if self.open.len() > 2
                    && self.of.is_some()
                    && let Some(element) = self.open.last_mut()
                {
                    element.add_text(text);
                }
                Ok(())
            }
        }
    }

    fn begin(&mut self, name: String, attributes: Vec<(String, String)>) -> Result<(), String> {
        let given = self.defaults.get(&name).map_or(&[][..], Vec::as_slice);
        let element = self.scopes.enter(name, attributes, given);
        match self.open.len() {
            0 if element.known() != Some("mime-info") => {
                let space = element.namespace.as_deref().unwrap_or("none");
                return Err(format!(
                    "its root element is <{}> of the name space {space}, not <mime-info> of {}",
                    element.name,
                    super::NAMESPACE
                ));
            }
            0 => {}
            1 => {
                self.database.has_room()?;
                match named(&element).and_then(|name| self.database.add(&name)) {
                    Ok(name) => self.of = Some(name),
                    Err(problem) => (self.note)(problem),
                }
            }
            _ => {
                self.elements += 1;
                if self.elements > MAX_ELEMENTS {
                    return Err(format!(
                        "<{}> is in a part with more than {MAX_ELEMENTS} elements",
                        element.name
                    ));
                }
            }
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(element) = self.open.pop() else {
            return Ok(());
        };
        self.scopes.leave(&element);
        match self.open.len() {
            0 => {}
            1 => self.of = None,
            2 => {
                self.elements = 0;
                if let Some(name) = &self.of {
                    self.database.has_room()?;
                    if let Err(problem) = self.database.define(name, &element) {
                        (self.note)(format!("{name}: {problem}"));
                        self.of = None;
                    }
                }
            }
            _ if self.of.is_some() => {
                if let Some(above) = self.open.last_mut() {
                    above.children.push(Child::Element(element));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns the name of the type that an element defines.
fn named(element: &Element) -> Result<String, String> {
    if element.known() != Some("mime-type") {
        return Err(format!("<{}> is not <mime-type>", element.name));
    }
    let name = element.get("type");
    let name = name.ok_or("<mime-type> has no attribute \"type\"")?;
    Ok(name.to_owned())
}

/// Returns the attributes that a document type gives to elements.
fn defaults(text: &str) -> Result<BTreeMap<String, Vec<(String, String)>>, String> {
    let mut defaults: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut count = 0;
    let mut rest = text.split_once('[').map_or("", |(_, within)| within);
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let tokens;
        (tokens, rest) = declaration(rest);
        let Some(("<!ATTLIST", [element, attributes @ ..])) = split(&tokens) else {
            continue;
        };
        // A name, a kind, and a value or what there is instead of one.
        let mut left = attributes;
        while let [name, _, value, more @ ..] = left {
            let (value, more) = match (*value, more) {
                ("#FIXED", [value, more @ ..]) => (*value, more),
                _ => (*value, more),
            };
            left = more;
            let unquoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
            let Some(value) = unquoted('"').or_else(|| unquoted('\'')) else {
                continue;
            };
            count += 1;
            if count > MAX_DEFAULTS {
                return Err(format!(
                    "its document type gives more than {MAX_DEFAULTS} attributes"
                ));
            }
            let known = defaults.entry((*element).to_owned()).or_default();
            if !known.iter().any(|(known, _)| known == name) {
                known.push(((*name).to_owned(), xml::value_of(value)?));
            }
        }
    }
    Ok(defaults)
}

fn split<'a, 'b>(tokens: &'b [&'a str]) -> Option<(&'a str, &'b [&'a str])> {
    tokens.split_first().map(|(first, rest)| (*first, rest))
}

/// Splits a declaration, up to its end, into its words; quotes and groups are each one.
fn declaration(text: &str) -> (Vec<&str>, &str) {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return (tokens, rest);
        };
        let length = match first {
            '>' => return (tokens, &rest[1..]),
            '"' | '\'' => rest[1..].find(first).map(|end| end + 2),
            '(' => rest.find(')').map(|end| end + 1),
            _ => rest.find(|next: char| next.is_whitespace() || ">\"'(".contains(next)),
        };
        let (token, left) = rest.split_at(length.unwrap_or(rest.len()));
        tokens.push(token);
        rest = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_types_give_attributes() {
        let of = |text: &str| {
            let found = defaults(text).map(|found| {
                let one = |(element, attributes): (&String, &Vec<(String, String)>)| {
                    let attributes = attributes.iter();
                    let attributes = attributes.map(|(key, value)| format!(" {key}={value}"));
                    element.clone() + &attributes.collect::<String>()
                };
                found.iter().map(one).collect::<Vec<_>>().join(";")
            });
            found.unwrap_or_else(|problem| problem)
        };
        let many = |count: usize| {
            let each = (0..count).map(|number| format!("<!ATTLIST e{number} a CDATA 'b'>"));
            format!("x [{}]", each.collect::<String>())
        };
        for (text, expected) in [
            ("a", ""),
            ("a SYSTEM 'x.dtd'", ""),
            (
                "a [<!ELEMENT a (b)> <!-- <!ATTLIST a q CDATA 'r'> \" --> <!ATTLIST a b CDATA 'c' d (e | f) \"e\"\n\
                 g CDATA #REQUIRED h CDATA #IMPLIED xmlns CDATA #FIXED '&lt;'><!ATTLIST a b CDATA 'x'>]",
                "a b=c d=e xmlns=<",
            ),
            ("a [<!ATTLIST a b CDATA '&x;'>]", "unrecognized entity `x`"),
            ("a [<!ATTLIST", ""),
            ("a [<!ATTLIST a b CDATA 'c", ""),
            (
                &many(MAX_DEFAULTS + 1),
                "its document type gives more than 64 attributes",
            ),
        ] {
            let found = of(text);
            assert!(found.contains(expected), "{text}: {found}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{text}: {found}");
        }
        assert!(defaults(&many(MAX_DEFAULTS)).is_ok());
    }
}
