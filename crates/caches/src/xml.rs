//! Documents of XML, element by element, with bounds.

use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape_with};
use quick_xml::events::{BytesStart, Event};

/// How deep elements may nest.
const MAX_DEPTH: usize = 64;
/// Most attributes of an element.
const MAX_ATTRIBUTES: usize = 256;

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// An element begins: its name and its attributes, as they are written.
    Start(String, Vec<(String, String)>),
    /// The innermost element ends.
    End,
    /// A text, or a part of one.
    Text(String),
    /// What the document says of its type, before its root element.
    DocumentType(String),
}

/// Calls `see` with each piece of a document.
///
/// # Errors
/// What is wrong, by itself or as `see` says, with the number of its line.
pub(crate) fn read(
    bytes: &[u8],
    see: &mut dyn FnMut(Piece) -> Result<(), String>,
) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = line(bytes, error.valid_up_to());
        format!("line {line}: it is not UTF-8")
    })?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let read = pieces(&mut reader, see);
    read.map_err(|problem| {
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        format!("line {}: {problem}", line(bytes, offset))
    })
}

fn pieces(
    reader: &mut Reader<&[u8]>,
    see: &mut dyn FnMut(Piece) -> Result<(), String>,
) -> Result<(), String> {
    let (mut depth, mut roots) = (0_usize, 0);
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let text = match event {
            Event::Start(start) => {
                roots += usize::from(depth == 0);
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("elements nest more than {MAX_DEPTH} deep"));
                }
                see(start_of(&start)?)?;
                continue;
            }
            Event::Empty(start) => {
                roots += usize::from(depth == 0);
                see(start_of(&start)?)?;
                see(Piece::End)?;
                continue;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                see(Piece::End)?;
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.into_inner().into_owned(),
            Event::GeneralRef(reference) => {
                let number = reference.resolve_char_ref();
                match number.map_err(|error| error.to_string())? {
                    Some(character) => character.to_string(),
                    None => resolve_xml_entity(&reference)
                        .ok_or_else(|| format!("the entity &{}; is not known", &*reference))?
                        .to_owned(),
                }
            }
            Event::Eof if depth > 0 => return Err("it ends inside an element".to_owned()),
            Event::Eof if roots == 0 => return Err("it has no element".to_owned()),
            Event::Eof => return Ok(()),
            Event::DocType(kind) => {
                see(Piece::DocumentType(kind.into_inner().into_owned()))?;
                continue;
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
        };
        if depth > 0 {
            see(Piece::Text(text))?;
        } else if !text.trim().is_empty() {
            return Err("there is text outside of the root element".to_owned());
        }
    }
}

fn start_of(start: &BytesStart<'_>) -> Result<Piece, String> {
    let name = start.name().as_ref().to_owned();
    let mut attributes: Vec<(String, String)> = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("<{name}>: {error}"))?;
        if attributes.len() == MAX_ATTRIBUTES {
            return Err(format!(
                "<{name}> has more than {MAX_ATTRIBUTES} attributes"
            ));
        }
        let key = attribute.key.as_ref().to_owned();
        let value = value_of(&attribute.value).map_err(|error| format!("<{name}>: {error}"))?;
        attributes.push((key, value));
    }
    Ok(Piece::Start(name, attributes))
}

/// Returns the value of an attribute that is written like this.
pub(crate) fn value_of(written: &str) -> Result<String, String> {
    // White space in a value is one space, as the standard has it; a reference to it is not.
    let written = written
        .replace("\r\n", " ")
        .replace(['\t', '\n', '\r'], " ");
    let value = unescape_with(&written, resolve_xml_entity).map_err(|error| error.to_string())?;
    Ok(value.into_owned())
}

/// Returns the number of the line of an offset, from 1.
fn line(bytes: &[u8], offset: usize) -> usize {
    let before = bytes.get(..offset).unwrap_or(bytes);
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<String, String> {
        let mut said = String::new();
        read(text.as_bytes(), &mut |piece| {
            match piece {
                Piece::Start(name, attributes) => {
                    said += &format!("<{name}");
                    for (key, value) in attributes {
                        said += &format!(" {key}={value}");
                    }
                    said.push('>');
                }
                Piece::End => said.push('/'),
                Piece::Text(text) => said += &text,
                Piece::DocumentType(text) => said += &format!("!{text}!"),
            }
            Ok(())
        })?;
        Ok(said)
    }

    #[test]
    fn documents_are_read_with_bounds() {
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        let wide = |count: usize| {
            let attributes: String = (0..count).map(|number| format!(" a{number}=''")).collect();
            format!("<a{attributes}/>")
        };
        for (text, expected) in [
            (
                "<?xml version='1.0'?><!DOCTYPE a [<!ELEMENT a (b)>]>\n<a x='1&amp;\n2&#9;'>b&lt;<![CDATA[<c>]]><!-- d --><e/></a>\n",
                Ok("!a [<!ELEMENT a (b)>]!<a x=1& 2\t>b<<c><e>//"),
            ),
            ("<a>\n</b>", Err("line 2: ")),
            ("<a>\n&b;</a>", Err("line 2: the entity &b; is not known")),
            ("<a>\n\n", Err("line 3: it ends inside an element")),
            ("\n", Err("line 2: it has no element")),
            (
                "<a/>b",
                Err("line 1: there is text outside of the root element"),
            ),
            ("<a b='1' b='2'/>", Err("line 1: <a>: ")),
            (
                &deep(MAX_DEPTH + 1),
                Err("line 1: elements nest more than 64 deep"),
            ),
            (
                &wide(MAX_ATTRIBUTES + 1),
                Err("line 1: <a> has more than 256 attributes"),
            ),
        ] {
            match (said(text), expected) {
                (Ok(said), Ok(expected)) => assert_eq!(said, expected),
                (Err(said), Err(expected)) => assert!(said.starts_with(expected), "{said}"),
                (said, expected) => panic!("{text}: {said:?} {expected:?}"),
            }
        }
        assert!(said(&deep(MAX_DEPTH)).is_ok());
        assert!(said(&wide(MAX_ATTRIBUTES)).is_ok());
        let error = read(b"<a>\n\xff</a>", &mut |_| Ok(())).unwrap_err();
        assert_eq!(error, "line 2: it is not UTF-8");
    }
}
