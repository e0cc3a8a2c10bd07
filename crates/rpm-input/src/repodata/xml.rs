//! The elements of a piece of XML, one after the other, with bounds.
//!
//! quick-xml finds the tags and checks that they match. What is added here: values that live as
//! long as the text, errors with their offset in the whole file, no document types, no entities
//! but XML's own, and bounds on depth and length.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape_with};
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};

use super::{MAX_DEPTH, MAX_VALUE};
use crate::error::Error;

/// Elements of a piece of XML that is in memory.
pub(super) struct Xml<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    origin: &'a str,
    /// Offset of `text` in the whole file.
    offset: u64,
    depth: usize,
}

/// What comes next.
pub(super) enum Next<'a> {
    /// An element begins.
    Start(Tag<'a>),
    /// The innermost element ends.
    End,
    /// A piece of text of the innermost element.
    Text(Cow<'a, str>),
    /// The piece of XML is over.
    Over,
}

/// The start tag of an element.
#[derive(Clone, Copy)]
pub(super) struct Tag<'a> {
    /// What stands between `<` and `>`, without the `/` of an empty element.
    content: &'a str,
    name: &'a str,
    /// The element has no content and no end tag.
    empty: bool,
}

impl<'a> Tag<'a> {
    /// Returns the name without its prefix: metadata use `rpm:` for one namespace alone, and no
    /// name means something else without it.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Returns whether the element has no content and no end tag.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }
}

impl<'a> Xml<'a> {
    /// Reads `bytes`, which stand at `offset` of the file `origin`.
    pub(super) fn new(bytes: &'a [u8], origin: &'a str, offset: u64) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX);
            malformed(origin, offset.saturating_add(valid), "it is not UTF-8")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Self {
            text,
            reader: Reader::from_str(text),
            origin,
            offset,
            depth: 0,
        })
    }

    /// Returns an error at the place that was read last.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        let offset = self.offset.saturating_add(self.reader.buffer_position());
        malformed(self.origin, offset, reason)
    }

    /// Returns what comes next.
    pub(super) fn next(&mut self) -> Result<Next<'a>, Error> {
        loop {
            let event = self.reader.read_event().map_err(|error| {
                let offset = self.offset.saturating_add(self.reader.error_position());
                malformed(self.origin, offset, error.to_string())
            })?;
            return Ok(match event {
                Event::Start(start) => {
                    if self.depth >= MAX_DEPTH {
                        let reason = format!("elements nest more than {MAX_DEPTH} deep");
                        return Err(self.error(reason));
                    }
                    self.depth += 1;
                    Next::Start(self.tag(start.len(), start.name().as_ref().len(), false)?)
                }
                Event::Empty(start) => {
                    Next::Start(self.tag(start.len(), start.name().as_ref().len(), true)?)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Next::End
                }
                Event::Text(text) => Next::Text(text.into_inner()),
                Event::CData(text) => Next::Text(text.into_inner()),
                Event::GeneralRef(reference) => Next::Text(self.resolved(&reference)?),
                Event::DocType(_) => return Err(self.error("it has a document type")),
                Event::Eof if self.depth > 0 => {
                    return Err(self.error("it ends inside an element"));
                }
                Event::Eof => Next::Over,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
            });
        }
    }

    /// Finds the tag that was just read in the text, so that it lives as long as that.
    fn tag(&self, length: usize, name: usize, empty: bool) -> Result<Tag<'a>, Error> {
        let lost = || self.error("a tag can't be read");
        let after = usize::try_from(self.reader.buffer_position()).map_err(|_| lost())?;
        let end = after.checked_sub(1 + usize::from(empty)).ok_or_else(lost)?;
        let start = end.checked_sub(length).ok_or_else(lost)?;
        let content = self.text.get(start..end).ok_or_else(lost)?;
        let name = content.get(..name).ok_or_else(lost)?;
        let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
        Ok(Tag {
            content,
            name,
            empty,
        })
    }

    fn resolved(&self, reference: &BytesRef<'_>) -> Result<Cow<'a, str>, Error> {
        let character = reference
            .resolve_char_ref()
            .map_err(|error| self.error(error.to_string()))?;
        if let Some(character) = character {
            return Ok(Cow::Owned(character.to_string()));
        }
        let name: &str = reference;
        resolve_xml_entity(name).map(Cow::Borrowed).ok_or_else(|| {
            let shown: String = name.chars().take(40).collect();
            self.error(format!("the entity &{shown}; is not known"))
        })
    }

    /// Reads to the end what stands before the first child of the root element `name`: a
    /// declaration, comments and the root's start tag.
    pub(super) fn open_root(&mut self, name: &str) -> Result<(), Error> {
        let mut opened = false;
        loop {
            match self.next()? {
                Next::Start(tag) if !opened && tag.name == name => {
                    opened = true;
                    if !tag.empty {
                        self.depth = 0;
                    }
                }
                Next::Text(text) if text.trim().is_empty() => {}
                Next::Over if opened => return Ok(()),
                _ => return Err(self.error(format!("it does not start with <{name}>"))),
            }
        }
    }

    /// Reads to the end what follows the last child of the root element `name`: its end tag and
    /// comments.
    pub(super) fn close_root(&mut self, name: &str) -> Result<(), Error> {
        self.reader.config_mut().allow_unmatched_ends = true;
        let mut closed = false;
        loop {
            match self.reader.read_event() {
                Ok(Event::End(end)) if !closed && end.local_name().as_ref() == name => {
                    closed = true;
                }
                Ok(Event::Text(text)) if text.trim().is_empty() => {}
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Eof) if closed => return Ok(()),
                _ => return Err(self.error(format!("it does not end with </{name}>"))),
            }
        }
    }

    /// Reads to the end a root element `name` that has no children.
    pub(super) fn empty_root(&mut self, name: &str) -> Result<(), Error> {
        let mut found = false;
        loop {
            match self.next()? {
                Next::Start(tag) if !found && tag.name == name => found = true,
                Next::End => {}
                Next::Text(text) if text.trim().is_empty() => {}
                Next::Over if found => return Ok(()),
                _ => return Err(self.error(format!("it is not a <{name}>"))),
            }
        }
    }

    /// Returns the text of the element that `tag` begins, and goes past its end.
    pub(super) fn text(&mut self, tag: Tag<'a>) -> Result<Cow<'a, str>, Error> {
        let mut whole = Cow::Borrowed("");
        if tag.empty {
            return Ok(whole);
        }
        loop {
            match self.next()? {
                Next::End => return Ok(whole),
                Next::Text(text) if whole.is_empty() => whole = text,
                Next::Text(text) => whole.to_mut().push_str(&text),
                Next::Start(inner) => {
                    let reason = format!("<{}> is not allowed in <{}>", inner.name, tag.name);
                    return Err(self.error(reason));
                }
                Next::Over => return Err(self.error("it ends inside an element")),
            }
            if whole.len() > MAX_VALUE {
                let reason = format!("<{}> is longer than {MAX_VALUE} bytes", tag.name);
                return Err(self.error(reason));
            }
        }
    }

    /// Goes past the end of the element that `tag` begins.
    pub(super) fn skip(&mut self, tag: Tag<'a>) -> Result<(), Error> {
        if tag.empty {
            return Ok(());
        }
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if let Next::Over = self.next()? {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` with the start tags directly in the element that `tag` begins; it must go past
    /// the end of what it is given.
    pub(super) fn children(
        &mut self,
        tag: Tag<'a>,
        each: &mut dyn FnMut(&mut Self, Tag<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if tag.empty {
            return Ok(());
        }
        loop {
            match self.next()? {
                Next::Start(inner) => each(self, inner)?,
                Next::End | Next::Over => return Ok(()),
                Next::Text(_) => {}
            }
        }
    }

    /// Calls `each` with name and value of all attributes of a tag.
    pub(super) fn attributes(
        &self,
        tag: Tag<'a>,
        mut each: impl FnMut(&'a str, Cow<'a, str>) -> Result<(), String>,
    ) -> Result<(), Error> {
        let mut attributes = Attributes::new(tag.content, tag.content.len().min(name_end(tag)));
        for attribute in attributes.with_checks(false) {
            let attribute =
                attribute.map_err(|error| self.error(format!("<{}>: {error}", tag.name)))?;
            if attribute.value.len() > MAX_VALUE {
                let reason = format!("an attribute of <{}> is too long", tag.name);
                return Err(self.error(reason));
            }
            let value = match attribute.value {
                Cow::Borrowed(raw) => unescape_with(raw, resolve_xml_entity)
                    .map_err(|error| self.error(error.to_string()))?,
                owned @ Cow::Owned(_) => owned,
            };
            each(attribute.key.into_inner(), value)
                .map_err(|reason| self.error(format!("<{}>: {reason}", tag.name)))?;
        }
        Ok(())
    }

    /// Returns the value of one attribute.
    pub(super) fn attribute(
        &self,
        tag: Tag<'a>,
        name: &str,
    ) -> Result<Option<Cow<'a, str>>, Error> {
        let mut found = None;
        self.attributes(tag, |key, value| match key == name {
            true => once(&mut found, key, value),
            false => Ok(()),
        })?;
        Ok(found)
    }
}

/// Offset of the first byte after a tag's full name.
fn name_end(tag: Tag<'_>) -> usize {
    let space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    (tag.content.bytes().position(space)).unwrap_or(tag.content.len())
}

/// Sets what may be there once.
pub(super) fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} is there twice")),
    }
}

/// Returns the error for a file that breaks the rules at `offset`.
pub(super) fn malformed(origin: &str, offset: u64, reason: impl Into<String>) -> Error {
    Error::Metadata {
        origin: origin.to_owned(),
        offset,
        reason: reason.into(),
    }
}
