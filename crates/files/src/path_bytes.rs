//! Names as Linux has them, and the one way in which they are shown.
//!
//! Linux takes any bytes for the name of a file, but for NUL and slash, and so do RPM and SquashFS.
//! Nearly all names are UTF-8. Of others, each byte that is not part of a character is shown as
//! `\xHH`; all else stands for itself, a backslash too. So the text of a name that is not UTF-8
//! can be the name of another file. It is for people and lists; what is to be found again, or
//! written, goes by bytes.

use std::borrow::{Borrow, Cow};
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Longest path that a message about a path that is too long has whole, in bytes.
const LONGEST: usize = 120;

/// The name or the path of a file, or the target of a symbolic link: any bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathBytes(Vec<u8>);

impl PathBytes {
    /// Returns the path itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as it is shown.
    pub fn text(&self) -> Cow<'_, str> {
        shown(&self.0)
    }

    /// Returns the path for a message about it: of a very long one, the beginning and the end.
    #[must_use]
    pub fn brief(&self) -> Self {
        brief(&self.0)
    }

    /// Returns the path as the standard library takes it.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Says whether the path is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Goes to a name below, or from the empty path to the name.
    pub fn push(&mut self, name: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }

    /// Goes back to the first bytes.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }
}

/// Returns a path for a message about it: of a very long one, the beginning and the end.
pub fn brief(path: &[u8]) -> PathBytes {
    let is_inside = |at: &usize| path.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let (mut end, mut start) = (LONGEST / 2, path.len().saturating_sub(LONGEST / 2));
    if path.len() <= LONGEST {
        return path.into();
    }
    // No character is cut in two, where there are any.
    while is_inside(&end) && end > LONGEST / 2 - 3 {
        end -= 1;
    }
    while is_inside(&start) && start < path.len() - LONGEST / 2 + 3 {
        start += 1;
    }
    let parts = [path.get(..end), Some(b"..."), path.get(start..)];
    parts.map(Option::unwrap_or_default).concat().into()
}

/// Returns the path of the directory that a path is in; none for a name alone.
pub fn directory_of(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    path.get(..slash)
}

/// Returns a name as it is shown: what is not UTF-8 is written as `\xHH`.
pub fn shown(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    Cow::Owned(text)
}

impl From<&[u8]> for PathBytes {
    fn from(path: &[u8]) -> Self {
        Self(path.to_vec())
    }
}

impl From<Vec<u8>> for PathBytes {
    fn from(path: Vec<u8>) -> Self {
        Self(path)
    }
}

impl From<&str> for PathBytes {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl From<String> for PathBytes {
    fn from(path: String) -> Self {
        Self(path.into_bytes())
    }
}

impl AsRef<[u8]> for PathBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for PathBytes {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for PathBytes {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for PathBytes {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for PathBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for PathBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            write!(f, "{}", chunk.valid().escape_debug())?;
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_names_are_shown() {
        for (bytes, text, quoted) in [
            (&b"usr/a"[..], "usr/a", r#""usr/a""#),
            ("usr/ä".as_bytes(), "usr/ä", r#""usr/ä""#),
            (b"a\xe4b", r"a\xe4b", r#""a\xe4b""#),
            (b"\xff\xfe", r"\xff\xfe", r#""\xff\xfe""#),
            (b"\xc3\xa4\xc3", r"ä\xc3", r#""ä\xc3""#),
            // A surrogate, and a slash in two bytes.
            (b"\xed\xa0\x80", r"\xed\xa0\x80", r#""\xed\xa0\x80""#),
            (b"\xc0\xaf", r"\xc0\xaf", r#""\xc0\xaf""#),
            (br"dev\x2dsda", r"dev\x2dsda", r#""dev\\x2dsda""#),
            (b"a\n\xff", "a\n\\xff", r#""a\n\xff""#),
        ] {
            let path = PathBytes::from(bytes);
            assert_eq!(path.text(), text);
            assert_eq!(path.to_string(), text);
            assert_eq!(format!("{path:?}"), quoted);
        }
    }

    #[test]
    fn of_very_long_paths_messages_have_both_ends() {
        let short = "/usr/".to_owned() + &"a".repeat(115);
        let long = "/usr/".to_owned() + &"a".repeat(100) + "/" + &"b".repeat(59);
        let brief_long = "/usr/".to_owned() + &"a".repeat(55) + "..." + "/" + &"b".repeat(59);
        // Characters of two bytes, at odd places.
        let wide = "/".to_owned() + &"ä".repeat(80) + "/";
        let brief_wide = "/".to_owned() + &"ä".repeat(29) + "..." + &"ä".repeat(29) + "/";
        for (path, expected) in [(&short, &short), (&long, &brief_long), (&wide, &brief_wide)] {
            assert_eq!(PathBytes::from(path.as_str()).brief(), expected.as_str());
        }
        let odd = [0x80; 200];
        assert_eq!(brief(&odd).len(), 57 + 3 + 57);
    }

    #[test]
    fn paths_are_made_of_names() {
        let mut path = PathBytes::default();
        path.push(b"usr");
        let length = path.len();
        path.push(b"\xff");
        assert_eq!(path.bytes(), b"usr/\xff");
        path.truncate(length);
        assert_eq!(path, "usr");
    }
}
