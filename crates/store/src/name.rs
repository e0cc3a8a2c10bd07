//! Names that every client can take.
//!
//! A name in the store goes through many hands: a file name, a line of `SHA256SUMS`, a URL, a
//! literal in a systemd-sysupdate pattern, the name of an overlayfs layer. What any of them
//! treats as special is refused here, so that nothing has to be escaped anywhere.

use crate::{freshness, serial};

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
    /// A leading `.` (hidden, or one of `.` and `..`) or `-` (an option to many programs).
    #[error("begins with {0:?}")]
    Begins(char),
    /// A character with a meaning in one of the places that a name goes to.
    #[error("contains {0:?}, which not every client accepts")]
    Holds(char),
    /// A name that systemd reads as something other than an image.
    #[error("begins like {0}, which clients read as something other than an image")]
    Reserved(&'static str),
}

/// Names that begin so are the list, its signatures, and what the list says of itself.
const RESERVED: [&str; 3] = ["SHA256SUMS", freshness::PREFIX, serial::PREFIX];

/// Checks that `name` can be the name of an extension, or of a file in the store.
///
/// # Errors
/// The first problem found.
pub fn check_name(name: &str) -> Result<(), NameProblem> {
    let first = name.chars().next().ok_or(NameProblem::Empty)?;
    if name.len() > MAX_NAME {
        return Err(NameProblem::TooLong);
    }
    if let '.' | '-' = first {
        return Err(NameProblem::Begins(first));
    }
    if let Some(found) = name.chars().find(|&c| is_special(c)) {
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

/// Whether some client gives `c` a meaning of its own.
fn is_special(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(
            c,
            // The end of a name; a specifier (systemd 262 refuses the whole list); overlayfs; a
            // URL's fragment, which is never sent to the server.
            '/' | '%' | ':' | ',' | '#'
            // Not in a literal of a sysupdate pattern (sysupdate-pattern.c).
            | '@' | '$' | '*' | '?' | '[' | ']' | '!' | '\\' | '|'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "x".repeat(255);
        let too_long = "é".repeat(128);
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
            ("a/b", Err(NameProblem::Holds('/'))),
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
                "contains '\\n', which not every client accepts",
            ),
        ] {
            assert_eq!(problem.to_string(), expected);
        }
    }
}
