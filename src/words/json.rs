//! JSON that people may look at: what does something to a terminal is an escape in it, too.

use std::io::{self, Write};

use serde_json::ser::{Formatter, PrettyFormatter};

use super::text::is_active;

/// JSON on several lines, in which active characters are `\u` escapes. JSON itself asks for that
/// of those below U+0020 alone.
#[derive(Default)]
pub struct Tame(PrettyFormatter<'static>);

impl Formatter for Tame {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, c)| is_active(*c)) {
            let (before, after) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = after.get(character.len_utf8()..).unwrap_or_default();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;

    use super::*;

    #[test]
    fn active_characters_are_escapes() {
        let value = serde_json::json!({"a\u{202e}": ["é\u{9b}x\u{7f}\n", "\u{e0001}b\"", [], {}]});
        let mut written = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut written, Tame::default());
        value.serialize(&mut serializer).unwrap();
        let text = String::from_utf8(written).unwrap();
        let tame = "\
{
  \"a\\u202e\": [
    \"é\\u009bx\\u007f\\n\",
    \"\\udb40\\udc01b\\\"\",
    [],
    {}
  ]
}";
        assert_eq!(text, tame);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
