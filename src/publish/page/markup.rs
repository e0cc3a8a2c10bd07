//! Text of other hands, made fit for HTML.
//!
//! Every value is cut to a length that a line can hold, what can't be seen or turns the line's
//! direction round is replaced, and what HTML gives a meaning is escaped. It may stand between
//! tags and in quoted attributes.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::words::text::is_active;

/// Longest value that is shown whole, in characters.
const MAX_SHOWN: usize = 300;

/// A value that writes itself as HTML text.
pub struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, character) in self.0.chars().enumerate() {
            if number == MAX_SHOWN {
                return f.write_str("…");
            }
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if is_active(c) => f.write_str("\u{fffd}")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// What a URL gives a meaning, but for the `/` between directories.
const NOT_IN_LINK: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b'/');

/// A relative link to a file in the store: what a URL gives a meaning is encoded, so that no name
/// can name a scheme or another host.
pub struct Link<'a>(pub &'a str);

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(self.0, NOT_IN_LINK).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let longest = "ü".repeat(300);
        let long = format!("{longest}x");
        let cut = format!("{longest}…");
        for (text, expected) in [
            ("gcc-c++ 1:2~3", "gcc-c++ 1:2~3"),
            (
                "<script>alert('\"&\"')</script>",
                "&lt;script&gt;alert(&#39;&quot;&amp;&quot;&#39;)&lt;/script&gt;",
            ),
            (
                "a\nb\0c\u{202e}d\u{200b}",
                "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}",
            ),
            ("größe", "größe"),
            (&*longest, &*longest),
            (&*long, &*cut),
        ] {
            assert_eq!(Text(text).to_string(), expected);
        }
    }

    #[test]
    fn links() {
        for (name, expected) in [
            ("gcc/gcc-c++-1.raw", "gcc/gcc-c++-1.raw"),
            ("javascript:alert(1)", "javascript%3Aalert%281%29"),
            ("\"><b>", "%22%3E%3Cb%3E"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(Link(name).to_string(), expected);
        }
    }
}
