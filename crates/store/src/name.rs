//! Names that every client can take: the only rule for them.
//!
//! A name in the store goes through many hands: a file name, a line of `SHA256SUMS`, a URL, a
//! literal in a systemd-sysupdate pattern, the name of an overlayfs layer, commands that people
//! copy from a page. What means something to none of them is a short list; all else is refused
//! here, when the image is named, so that nothing has to be escaped anywhere, or left out.

use crate::{freshness, serial, withdrawn};

/// Longest file name of Linux (`NAME_MAX`), in bytes.
const MAX_NAME: usize = 255;

/// Why a name is not usable; the text completes the sentence "name … ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// More than 255 bytes.
    #[error("is longer than {MAX_NAME} bytes")]
    TooLong,
    /// A leading `.` (hidden, or one of `.` and `..`), `-` (an option to many programs) or `~`
    /// (somebody's home).
    #[error("begins with {0:?}")]
    Begins(char),
    /// A character that may have a meaning in one of the places that a name goes to.
    #[error("contains {0:?}; use only ASCII letters, digits and . _ + ~ ^ -")]
    Holds(char),
    /// A name that systemd reads as something other than an image.
    #[error("begins like {0}, which clients read as something other than an image")]
    Reserved(&'static str),
}

/// Names that begin so are the list, its signatures, and what the list says of itself.
const RESERVED: [&str; 4] = [
    "SHA256SUMS",
    freshness::PREFIX,
    serial::PREFIX,
    withdrawn::PREFIX,
];

/// Checks that `name` can be the name of an extension, or of a file in the store.
///
/// # Errors
/// The first problem found.
pub fn check_name(name: &str) -> Result<(), NameProblem> {
    let first = name.chars().next().ok_or(NameProblem::Empty)?;
    if name.len() > MAX_NAME {
        return Err(NameProblem::TooLong);
    }
    if let '.' | '-' | '~' = first {
        return Err(NameProblem::Begins(first));
    }
    if let Some(found) = name.chars().find(|&c| !is_plain(c)) {
        return Err(NameProblem::Holds(found));
    }
    match RESERVED
        .iter()
        .find(|reserved| name.starts_with(**reserved))
    {
        Some(reserved) => Err(NameProblem::Reserved(reserved)),
        None => Ok(()),
    }
}

/// Whether `c` is itself to every client, in a URL, to a shell and in HTML.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '^' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "x".repeat(255);
        let too_long = "x".repeat(256);
        for (name, expected) in [
            ("strace", Ok(())),
            ("libstdc++6-32bit", Ok(())),
            ("strace-6.11-1.1.x86-64.raw", Ok(())),
            ("a~b^c_d", Ok(())),
            ("sha256sums", Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(NameProblem::TooLong)),
            ("", Err(NameProblem::Empty)),
            (".", Err(NameProblem::Begins('.'))),
            ("..", Err(NameProblem::Begins('.'))),
            (".hidden", Err(NameProblem::Begins('.'))),
            ("-rf", Err(NameProblem::Begins('-'))),
            ("~root", Err(NameProblem::Begins('~'))),
            ("a/b", Err(NameProblem::Holds('/'))),
            ("g;db", Err(NameProblem::Holds(';'))),
            ("a$(id)", Err(NameProblem::Holds('$'))),
            ("a`id`", Err(NameProblem::Holds('`'))),
            ("a'b", Err(NameProblem::Holds('\''))),
            ("a\"b", Err(NameProblem::Holds('"'))),
            ("a<b>", Err(NameProblem::Holds('<'))),
            ("a&b", Err(NameProblem::Holds('&'))),
            ("a=b", Err(NameProblem::Holds('='))),
            ("a{b}", Err(NameProblem::Holds('{'))),
            ("é", Err(NameProblem::Holds('é'))),
            ("a\u{202e}b", Err(NameProblem::Holds('\u{202e}'))),
            ("a%v", Err(NameProblem::Holds('%'))),
            ("1:2", Err(NameProblem::Holds(':'))),
            ("a,b", Err(NameProblem::Holds(','))),
            ("a b", Err(NameProblem::Holds(' '))),
            ("a\u{a0}b", Err(NameProblem::Holds('\u{a0}'))),
            ("a\nb", Err(NameProblem::Holds('\n'))),
            ("a\0", Err(NameProblem::Holds('\0'))),
            ("a\u{85}", Err(NameProblem::Holds('\u{85}'))),
            ("a\\b", Err(NameProblem::Holds('\\'))),
            ("a@v", Err(NameProblem::Holds('@'))),
            ("c#-1.raw", Err(NameProblem::Holds('#'))),
            ("SHA256SUMS", Err(NameProblem::Reserved("SHA256SUMS"))),
            ("SHA256SUMS.gpg", Err(NameProblem::Reserved("SHA256SUMS"))),
            (
                "BEST-BEFORE-2030-01-01",
                Err(NameProblem::Reserved("BEST-BEFORE-")),
            ),
        ] {
            assert_eq!(check_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_problem_completes_the_sentence() {
        for (problem, expected) in [
            (NameProblem::Empty, "is empty"),
            (NameProblem::TooLong, "is longer than 255 bytes"),
            (NameProblem::Begins('-'), "begins with '-'"),
            (
                NameProblem::Holds('\n'),
                "contains '\\n'; use only ASCII letters, digits and . _ + ~ ^ -",
            ),
        ] {
            assert_eq!(problem.to_string(), expected);
        }
    }
}
