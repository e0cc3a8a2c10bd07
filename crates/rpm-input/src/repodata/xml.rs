//! The elements of a piece of XML, one after the other, with bounds.
//!
//! What metadata use of XML 1.0 is little, and it is read here directly: reading it is where the
//! time goes when a large repository is opened. Values live as long as the text; errors have their
//! offset in the whole file. Tags must match, and neither `<` nor an unknown entity may stand in
//! one. There are no document types, and no entities but XML's own, so nothing expands; depth and
//! length are bounded.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use super::{MAX_DEPTH, MAX_VALUE};
use crate::error::Error;

#[cfg(test)]
mod judged;

/// Elements of a piece of XML that is in memory.
pub(super) struct Xml<'a> {
    text: &'a str,
    origin: &'a str,
    /// Offset of `text` in the whole file.
    offset: u64,
    /// Where in `text` the next token begins.
    position: usize,
    /// Names of the elements that are open, with their prefixes, the outermost first.
    open: [&'a str; MAX_DEPTH],
    depth: usize,
}

/// A piece of XML by its syntax alone.
enum Token<'a> {
    Start(Tag<'a>),
    /// The end tag of an element of that name, prefix included.
    End(&'a str),
    Text(Cow<'a, str>),
    Over,
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
    /// The name with its prefix.
    full: &'a str,
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
        Ok(Self::of(text, origin, offset))
    }

    /// Reads `text`, which stands at `offset` of the file `origin`.
    pub(super) fn of(text: &'a str, origin: &'a str, offset: u64) -> Self {
        Self {
            text,
            origin,
            offset,
            position: 0,
            open: [""; MAX_DEPTH],
            depth: 0,
        }
    }

    /// Returns an error at the place that was read last.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        let position = u64::try_from(self.position).unwrap_or(u64::MAX);
        malformed(self.origin, self.offset.saturating_add(position), reason)
    }

    /// Returns what comes next.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Next<'a>, Error> {
        Ok(match self.token()? {
            Token::Start(tag) => {
                if !tag.empty {
                    let Some(place) = self.open.get_mut(self.depth) else {
                        let reason = format!("elements nest more than {MAX_DEPTH} deep");
                        return Err(self.error(reason));
                    };
                    *place = tag.full;
                    self.depth += 1;
                }
                Next::Start(tag)
            }
            Token::End(name) => {
                let open = self.depth.checked_sub(1);
                let open = open.and_then(|depth| Some((depth, *self.open.get(depth)?)));
                match open {
                    Some((depth, open)) if open == name => self.depth = depth,
                    open => return Err(self.unmatched(open.map(|(_, open)| open), name)),
                }
                Next::End
            }
            Token::Text(text) => Next::Text(text),
            Token::Over if self.depth > 0 => return Err(self.error("it ends inside an element")),
            Token::Over => Next::Over,
        })
    }

    fn unmatched(&self, open: Option<&str>, found: &str) -> Error {
        let found: String = found.chars().take(40).collect();
        self.error(match open {
            Some(open) => format!("expected `</{open}>`, but `</{found}>` was found"),
            None => format!("`</{found}>` ends an element that did not begin"),
        })
    }

    /// Reads up to the next piece that is more than a comment or an instruction.
    fn token(&mut self) -> Result<Token<'a>, Error> {
        loop {
            let rest = self.text.get(self.position..).unwrap_or_default();
            match rest.as_bytes() {
                [] => return Ok(Token::Over),
                [b'<', b'/', ..] => return self.end_tag(rest).map(Token::End),
                [b'<', b'!', ..] if rest.starts_with("<!--") => {
                    self.enclosed(rest, "<!--", "-->")?;
                }
                [b'<', b'!', ..] if rest.starts_with("<![CDATA[") => {
                    let text = self.enclosed(rest, "<![CDATA[", "]]>")?;
                    return Ok(Token::Text(Cow::Borrowed(text)));
                }
                [b'<', b'!', ..] => return Err(self.error("it has a document type")),
                [b'<', b'?', ..] => {
                    let instruction = self.enclosed(rest, "<?", "?>")?;
                    if instruction.starts_with([' ', '\t', '\r', '\n', '>', '?'])
                        || instruction.is_empty()
                    {
                        return Err(self.error("an instruction has no name"));
                    }
                }
                [b'<', ..] => return self.start_tag(rest).map(Token::Start),
                bytes => {
                    let length = memchr(b'<', bytes).unwrap_or(bytes.len());
                    let text = self.unescaped(rest.get(..length).unwrap_or_default())?;
                    self.position += length;
                    return Ok(Token::Text(text));
                }
            }
        }
    }

    /// Goes past what stands between `start` and the next `end`, and returns it.
    fn enclosed(&mut self, rest: &'a str, start: &str, end: &str) -> Result<&'a str, Error> {
        let inside = rest.get(start.len()..).unwrap_or_default();
        let length = memmem::find(inside.as_bytes(), end.as_bytes());
        let length = length.ok_or_else(|| self.error(format!("{start} is not closed")))?;
        self.position += start.len() + length + end.len();
        Ok(inside.get(..length).unwrap_or_default())
    }

    fn end_tag(&mut self, rest: &'a str) -> Result<&'a str, Error> {
        let length = memchr(b'>', rest.as_bytes());
        let length = length.ok_or_else(|| self.error("a tag is not closed"))?;
        self.position += length + 1;
        let name = rest.get(2..length).unwrap_or_default();
        Ok(name.trim_end_matches([' ', '\t', '\r', '\n']))
    }

    fn start_tag(&mut self, rest: &'a str) -> Result<Tag<'a>, Error> {
        let length = tag_length(rest);
        let length = length.ok_or_else(|| self.error("a tag is not closed"))?;
        let content = rest.get(1..length).unwrap_or_default();
        let (content, empty) = match content.strip_suffix('/') {
            Some(content) => (content, true),
            None => (content, false),
        };
        let bytes = content.as_bytes();
        let end = bytes.iter().position(|byte| is_space(*byte));
        let full = content.get(..end.unwrap_or(bytes.len()));
        let full = full.filter(|full| !full.is_empty());
        let full = full.ok_or_else(|| self.error("a tag has no name"))?;
        self.position += length + 1;
        Ok(Tag {
            content,
            full,
            name: local(full),
            empty,
        })
    }

    /// Returns a text or a value with its references replaced by what they mean.
    #[inline]
    fn unescaped(&self, text: &'a str) -> Result<Cow<'a, str>, Error> {
        match memchr(b'&', text.as_bytes()) {
            None => Ok(Cow::Borrowed(text)),
            Some(_) => self.resolved(text).map(Cow::Owned),
        }
    }

    fn resolved(&self, text: &str) -> Result<String, Error> {
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('&') {
            whole.push_str(before);
            let Some((name, after)) = after.split_once(';') else {
                return Err(self.error("an & begins no entity: it has no ;"));
            };
            whole.push(entity(name).ok_or_else(|| {
                let shown: String = name.chars().take(40).collect();
                self.error(format!("the entity &{shown}; is not known"))
            })?);
            rest = after;
        }
        whole.push_str(rest);
        Ok(whole)
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
        let mut closed = false;
        loop {
            match self.token() {
                Ok(Token::End(end)) if !closed && local(end) == name => closed = true,
                Ok(Token::Text(text)) if text.trim().is_empty() => {}
                Ok(Token::Over) if closed => return Ok(()),
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

    /// Returns what is in the element that `tag` just began, if that is a text as it is meant, with
    /// the end tag right behind it. Nearly all are so, and this is the short way.
    fn plain(&self, tag: Tag<'a>) -> Option<&'a str> {
        let rest = self.text.get(self.position..)?;
        let text = rest.get(..memchr2(b'<', b'&', rest.as_bytes())?)?;
        let end = rest.get(text.len()..)?.strip_prefix("</")?;
        end.strip_prefix(tag.full)?.starts_with('>').then_some(text)
    }

    /// Goes past such a text and the end tag.
    fn leave(&mut self, tag: Tag<'a>, text: &str) {
        self.position += text.len() + "</>".len() + tag.full.len();
        self.depth = self.depth.saturating_sub(1);
    }

    /// Returns the text of the element that `tag` begins, and goes past its end.
    pub(super) fn text(&mut self, tag: Tag<'a>) -> Result<Cow<'a, str>, Error> {
        let mut whole = Cow::Borrowed("");
        if tag.empty {
            return Ok(whole);
        }
        if let Some(text) = self.plain(tag).filter(|text| text.len() <= MAX_VALUE) {
            self.leave(tag, text);
            return Ok(Cow::Borrowed(text));
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
        if let Some(text) = self.plain(tag) {
            self.leave(tag, text);
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
            // What indents the tags is nobody's text.
            let rest = self.text.as_bytes().get(self.position..);
            let rest = rest.unwrap_or_default();
            self.position += rest.iter().take_while(|byte| is_space(**byte)).count();
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
        let mut rest = tag.content.get(tag.full.len()..).unwrap_or_default();
        while let Some((key, raw, after)) =
            attribute(rest).map_err(|reason| self.error(format!("<{}>: {reason}", tag.name)))?
        {
            if raw.len() > MAX_VALUE {
                let reason = format!("an attribute of <{}> is too long", tag.name);
                return Err(self.error(reason));
            }
            each(key, self.unescaped(raw)?)
                .map_err(|reason| self.error(format!("<{}>: {reason}", tag.name)))?;
            rest = after;
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

/// Returns a name without its prefix.
fn local(name: &str) -> &str {
    let colon = name.bytes().position(|byte| byte == b':');
    colon
        .and_then(|colon| name.get(colon + 1..))
        .unwrap_or(name)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Returns the length of the start tag that `text` begins with, without its `>`. A `>` may stand
/// in a value; a `<` may not, so one means that this tag was not closed.
fn tag_length(text: &str) -> Option<usize> {
    let mut length = 1;
    loop {
        let found = memchr2(b'>', b'<', text.as_bytes().get(length..)?)?;
        length += found;
        let tag = text.as_bytes().get(..length)?;
        if text.as_bytes().get(length) == Some(&b'<') {
            return None;
        }
        if !ends_in_value(tag) {
            return Some(length);
        }
        length += 1;
    }
}

/// Returns whether what follows this beginning of a tag stands in the quotes of a value.
fn ends_in_value(tag: &[u8]) -> bool {
    let count = |quote| tag.iter().filter(|byte| **byte == quote).count();
    if count(b'\'') == 0 {
        return count(b'"') % 2 == 1;
    }
    let inside = tag.iter().fold(None, |inside, byte| match (inside, byte) {
        (None, b'"' | b'\'') => Some(*byte),
        (Some(quote), byte) if quote == *byte => None,
        _ => inside,
    });
    inside.is_some()
}

/// Returns the first attribute in a tag, its value as it is written, and what follows.
fn attribute(rest: &str) -> Result<Option<(&str, &str, &str)>, String> {
    let rest = trim_start(rest);
    if rest.is_empty() {
        return Ok(None);
    }
    let shown = |text: &str| -> String { text.chars().take(40).collect() };
    let is_end = |byte: &u8| *byte == b'=' || is_space(*byte);
    let length = rest.as_bytes().iter().position(is_end);
    let (key, after) = rest.split_at(length.unwrap_or(rest.len()));
    let value = trim_start(after).strip_prefix('=').map(trim_start);
    let value = value.filter(|_| !key.is_empty());
    let value = value.ok_or_else(|| format!("{:?} is not an attribute", shown(rest)))?;
    let quote = value.bytes().next().filter(|byte| b"\"'".contains(byte));
    let inside = value.get(1..).unwrap_or_default();
    let length = quote.and_then(|quote| inside.bytes().position(|byte| byte == quote));
    let value = length.and_then(|length| Some((inside.get(..length)?, inside.get(length + 1..)?)));
    let (value, after) =
        value.ok_or_else(|| format!("the value of {} is not in quotes", shown(key)))?;
    Ok(Some((key, value, after)))
}

/// Returns a text from its first byte that is not white space.
fn trim_start(text: &str) -> &str {
    let start = text.bytes().position(|byte| !is_space(byte));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default()
}

/// Returns the character that an entity or a number stands for.
fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix('x') {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        // What parses numbers takes a sign, too.
        let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
        let code = u32::from_str_radix(digits, radix).ok()?;
        return char::from_u32(code).filter(|character| *character != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
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
