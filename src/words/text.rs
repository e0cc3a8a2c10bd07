//! Text for people, which may quote the text of others.
//!
//! Names of packages and files, messages of servers, user ids of keys: any of it may have been
//! written to deceive who reads it, by a line that looks like one of ours or by what a terminal
//! obeys. So text leaves this program in lines, each of which is escaped as a whole: a message that
//! nobody thought about is safe, too. Only who adds a line breaks one.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// What a word means for who reads it. A terminal may show it in a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Worth a look.
    Doubtful,
    /// It fails.
    Bad,
    /// What to type, or what was done on the user's word.
    Advice,
}

/// Lines for people, escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Each with its end.
    lines: String,
    /// Which bytes of the lines have a tone, in their order.
    tones: Vec<(Range<usize>, Tone)>,
}

impl Text {
    /// Adds a line. What would break it, or be obeyed by a terminal, is escaped.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.lines += &escaped(&line.to_string());
        self.lines.push('\n');
    }

    /// Adds a line that starts with a word of a tone.
    pub fn toned(&mut self, word: &str, tone: Tone, rest: impl fmt::Display) {
        self.pieces([(word, Some(tone)), (&rest.to_string(), None)]);
    }

    /// Adds a line of pieces, each escaped as a line is.
    pub fn pieces<'a>(&mut self, pieces: impl IntoIterator<Item = (&'a str, Option<Tone>)>) {
        for (piece, tone) in pieces {
            let start = self.lines.len();
            self.lines += &escaped(piece);
            if let Some(tone) = tone {
                self.tones.push((start..self.lines.len(), tone));
            }
        }
        self.lines.push('\n');
    }

    /// Adds the lines of another text.
    pub fn append(&mut self, other: &Self) {
        let start = self.lines.len();
        self.lines += &other.lines;
        let moved =
            |(range, tone): &(Range<usize>, Tone)| (range.start + start..range.end + start, *tone);
        self.tones.extend(other.tones.iter().map(moved));
    }

    /// Hands out the whole text in pieces, with their tones.
    pub fn each_piece(&self, mut piece: impl FnMut(&str, Option<Tone>)) {
        let mut done = 0;
        for (range, tone) in &self.tones {
            piece(&self.lines[done..range.start], None);
            piece(&self.lines[range.clone()], Some(*tone));
            done = range.end;
        }
        piece(&self.lines[done..], None);
    }

    /// Returns the lines, each with its end.
    pub fn as_str(&self) -> &str {
        &self.lines
    }
}

impl<L: fmt::Display> Extend<L> for Text {
    fn extend<I: IntoIterator<Item = L>>(&mut self, lines: I) {
        for line in lines {
            self.line(line);
        }
    }
}

impl<L: fmt::Display> FromIterator<L> for Text {
    fn from_iter<I: IntoIterator<Item = L>>(lines: I) -> Self {
        let mut text = Self::default();
        text.extend(lines);
        text
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lines.strip_suffix('\n').unwrap_or(&self.lines))
    }
}

/// A text may be the reason of a failure, the only one that takes several lines.
impl std::error::Error for Text {}

/// Returns a text with what ends a line, moves a cursor or turns the direction of writing spelled
/// out, as in `\n` and `\u{1b}`. A backslash stays as it is: names of units have them.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match is_active(character) {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// Says whether a character does something to the text around it, instead of being seen: it moves a
/// terminal, ends a line, turns the direction of writing, or has no width, so that two names look
/// like one.
pub fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped() {
        for (text, expected) in [
            ("zürich-1.0~β2^git", "zürich-1.0~β2^git"),
            (r"dev-disk-by\x2dlabel.mount", r"dev-disk-by\x2dlabel.mount"),
            ("a\nerror: b", r"a\nerror: b"),
            ("a\r\tb", r"a\r\tb"),
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("\0\u{7f}\u{85}\u{9b}31m", r"\u{0}\u{7f}\u{85}\u{9b}31m"),
            (
                "a\u{202e}b\u{2066}c\u{2069}",
                r"a\u{202e}b\u{2066}c\u{2069}",
            ),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("a\u{200b}b\u{feff}", r"a\u{200b}b\u{feff}"),
            ("a\u{ad}\u{200d}b", r"a\u{ad}\u{200d}b"),
            ("名前 — naïve 🚀", "名前 — naïve 🚀"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn only_who_adds_a_line_breaks_one() {
        let mut text: Text = ["one", "two\nthree"].into_iter().collect();
        text.line(format_args!("{}\u{1b}", 4));
        assert_eq!(text.as_str(), "one\ntwo\\nthree\n4\\u{1b}\n");
        assert_eq!(text.to_string(), "one\ntwo\\nthree\n4\\u{1b}");
    }

    #[test]
    fn tones_stay_with_their_words() {
        let mut text = Text::default();
        text.toned("a\u{1b}", Tone::Bad, ": b\n");
        let mut whole = Text::default();
        whole.line("first");
        whole.append(&text);
        whole.pieces([("c ", None), ("works", Some(Tone::Good))]);
        let mut pieces = Vec::new();
        whole.each_piece(|piece, tone| pieces.push((piece.to_owned(), tone)));
        let expected = [
            ("first\n", None),
            (r"a\u{1b}", Some(Tone::Bad)),
            (": b\\n\nc ", None),
            ("works", Some(Tone::Good)),
            ("\n", None),
        ];
        assert_eq!(
            pieces,
            expected.map(|(piece, tone)| (piece.to_owned(), tone))
        );
        let joined: String = pieces.into_iter().map(|(piece, _)| piece).collect();
        assert_eq!(joined, whole.as_str());
    }

    #[test]
    fn characters_that_deceive() {
        for (characters, expected) in [
            ("\n\t\0\u{7f}\u{85}", true),
            (
                "\u{ad}\u{61c}\u{180e}\u{200b}\u{200f}\u{2028}\u{202e}",
                true,
            ),
            ("\u{2060}\u{206f}\u{feff}\u{fff9}\u{fffb}", true),
            (
                " aß\u{ac}\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}\u{fffc}",
                false,
            ),
        ] {
            for c in characters.chars() {
                assert_eq!(is_active(c), expected, "{:x}", u32::from(c));
            }
        }
    }
}
