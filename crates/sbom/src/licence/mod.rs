//! Licences of RPMs as SPDX expressions.
//!
//! The licence of an RPM is a line of text. Today distributions write SPDX expressions there; before,
//! each had short names of its own, and other packagers write what they like. What is understood
//! becomes an expression; every other name in it becomes a `LicenseRef-…`, whose text is the name as
//! the package has it. Nothing is guessed: `BSD` may be one of several licences, so it is a reference.

mod known;

use std::collections::BTreeMap;

use crate::names::identifier;
use known::known;

/// How deep parentheses may be; a text with more is taken as one name.
const MAX_DEPTH: usize = 32;
/// What stands before the name of a licence that SPDX does not list.
const REFERENCE: &str = "LicenseRef-";

/// A licence of an RPM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licence {
    /// The SPDX expression.
    pub expression: String,
    /// The licences in it that SPDX does not list, with what the package calls them.
    pub references: BTreeMap<String, String>,
}

impl Licence {
    /// Reads the licence of an RPM; of an empty text nothing can be said: `NOASSERTION`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            return Self {
                expression: "NOASSERTION".to_owned(),
                references: BTreeMap::new(),
            };
        }
        let tokens = tokens(&words);
        let mut parser = Parser {
            tokens: &tokens,
            references: BTreeMap::new(),
        };
        match parser.alternatives(0) {
            Some(read) if parser.tokens.is_empty() => Self {
                expression: read.text,
                references: parser.references,
            },
            // Not built as an expression is, so that it is one name.
            _ => {
                let id = reference(&words);
                Self {
                    references: BTreeMap::from([(id.clone(), words)]),
                    expression: id,
                }
            }
        }
    }
}

/// A piece of a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    With,
    /// Words between two of the others.
    Name(String),
}

/// Takes a text apart. "GPL v2 or later" is one name.
fn tokens(text: &str) -> Vec<Token> {
    let spaced: String = text
        .chars()
        .flat_map(|letter| match letter {
            '(' | ')' | ';' | ',' => vec![' ', letter, ' '],
            letter => vec![letter],
        })
        .collect();
    let mut words = spaced.split_whitespace().peekable();
    let mut tokens = Vec::new();
    while let Some(word) = words.next() {
        let lower = word.to_lowercase();
        let next = words.peek().map(|next| next.to_lowercase());
        let is_later = matches!(next.as_deref(), Some("later" | "newer" | "any"));
        let token = match lower.as_str() {
            "(" => Token::Open,
            ")" => Token::Close,
            "and" | "&" | ";" | "," => Token::And,
            "or" if !is_later => Token::Or,
            "with" => Token::With,
            _ => {
                if let Some(Token::Name(name)) = tokens.last_mut() {
                    *name += " ";
                    *name += word;
                    continue;
                }
                Token::Name(word.to_owned())
            }
        };
        // "A, and B" is one of both.
        if let (Some(Token::And), Token::And | Token::Or) = (tokens.last(), &token) {
            tokens.pop();
        }
        tokens.push(token);
    }
    tokens
}

/// A part of an expression that was read.
struct Read {
    text: String,
    /// Whether it has alternatives, which want parentheses beside `AND`.
    is_choice: bool,
}

impl Read {
    fn beside_and(self) -> String {
        match self.is_choice {
            true => format!("({})", self.text),
            false => self.text,
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    references: BTreeMap<String, String>,
}

impl Parser<'_> {
    fn next_if(&mut self, token: &Token) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if first == token => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn alternatives(&mut self, depth: usize) -> Option<Read> {
        let mut read = self.together(depth)?;
        while self.next_if(&Token::Or) {
            read.text += " OR ";
            read.text += &self.together(depth)?.text;
            read.is_choice = true;
        }
        Some(read)
    }

    fn together(&mut self, depth: usize) -> Option<Read> {
        let mut read = self.one(depth)?;
        while self.next_if(&Token::And) {
            let mut text = read.beside_and();
            text += " AND ";
            text += &self.one(depth)?.beside_and();
            read = Read {
                text,
                is_choice: false,
            };
        }
        Some(read)
    }

    fn one(&mut self, depth: usize) -> Option<Read> {
        if self.next_if(&Token::Open) {
            let read = (depth < MAX_DEPTH).then(|| self.alternatives(depth + 1))??;
            return self.next_if(&Token::Close).then_some(read);
        }
        let name = self.name()?;
        let text = match self.next_if(&Token::With) {
            false => self.licence(&name),
            true => {
                let exception = self.name()?;
                match (listed(&name), spdx::exception_id(&exception)) {
                    (Some(licence), Some(exception)) => {
                        format!("{licence} WITH {}", exception.name)
                    }
                    // Fedora's names for these are of both together.
                    _ => self.licence(&format!("{name} with {exception}")),
                }
            }
        };
        Some(Read {
            is_choice: text.contains(" OR "),
            text,
        })
    }

    fn name(&mut self) -> Option<String> {
        let (Token::Name(name), rest) = self.tokens.split_first()? else {
            return None;
        };
        self.tokens = rest;
        Some(name.clone())
    }

    /// Returns the expression for a name, which becomes a reference if nobody knows it.
    fn licence(&mut self, name: &str) -> String {
        if let Some(listed) = listed(name) {
            return listed;
        }
        let id = reference(name);
        self.references.insert(id.clone(), name.to_owned());
        id
    }
}

/// Returns the identifier of a licence that SPDX does not list.
fn reference(name: &str) -> String {
    let name = name.strip_prefix(REFERENCE).unwrap_or(name);
    format!("{REFERENCE}{}", identifier(name))
}

/// Returns what SPDX calls a licence, if it lists it.
fn listed(name: &str) -> Option<String> {
    let (base, plus) = match name.strip_suffix('+') {
        Some(base) => (base, true),
        None => (name, false),
    };
    let exact = spdx::license_id(base).map(|id| id.name);
    let id = exact.or_else(|| {
        let licences = spdx::identifiers::LICENSES.iter();
        let mut same = licences.filter(|one| one.name.eq_ignore_ascii_case(base));
        same.next().map(|one| one.name)
    });
    let Some(id) = id else {
        return known(name).map(str::to_owned);
    };
    // Names without "only" or "or later" are of before SPDX 3.0.
    let gnu = id.strip_suffix('+').unwrap_or(id);
    if let Some(gnu) = spdx::gnu_license_id(gnu, plus || id.ends_with('+')) {
        return Some(gnu.name.to_owned());
    }
    let is_old = spdx::license_id(id).is_some_and(|id| id.is_deprecated());
    match (is_old, plus) {
        // What it is called today is not the same word.
        (true, _) => known(name).map(str::to_owned).or(Some(id.to_owned())),
        (false, true) => Some(format!("{id}+")),
        (false, false) => Some(id.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_of_rpms() {
        for (text, expected, references) in [
            // SPDX, as distributions write it today.
            ("MIT", "MIT", &[][..]),
            (
                "GPL-2.0-or-later AND (MIT OR Apache-2.0)",
                "GPL-2.0-or-later AND (MIT OR Apache-2.0)",
                &[],
            ),
            (
                "(GPL-2.0-only WITH Classpath-exception-2.0) AND BSD-3-Clause",
                "GPL-2.0-only WITH Classpath-exception-2.0 AND BSD-3-Clause",
                &[],
            ),
            (
                "MIT OR GPL-3.0-only AND Zlib",
                "MIT OR GPL-3.0-only AND Zlib",
                &[],
            ),
            ("Apache-2.0+", "Apache-2.0+", &[]),
            ("lgpl-2.1-or-later", "LGPL-2.1-or-later", &[]),
            (
                "LicenseRef-Fedora-Public-Domain",
                "LicenseRef-Fedora-Public-Domain",
                &[(
                    "LicenseRef-Fedora-Public-Domain",
                    "LicenseRef-Fedora-Public-Domain",
                )],
            ),
            // SPDX before 3.0.
            ("GPL-2.0+", "GPL-2.0-or-later", &[]),
            (
                "GPL-3.0 and LGPL-2.1+",
                "GPL-3.0-only AND LGPL-2.1-or-later",
                &[],
            ),
            // Fedora's short names.
            (
                "GPLv2+ and LGPLv3+",
                "GPL-2.0-or-later AND LGPL-3.0-or-later",
                &[],
            ),
            ("ASL 2.0", "Apache-2.0", &[]),
            (
                "(GPLv2+ or MIT) and BSD",
                "(GPL-2.0-or-later OR MIT) AND LicenseRef-BSD",
                &[("LicenseRef-BSD", "BSD")],
            ),
            (
                "GPLv2+ with exceptions",
                "LicenseRef-GPLv2--with-exceptions-2b5a13da",
                &[(
                    "LicenseRef-GPLv2--with-exceptions-2b5a13da",
                    "GPLv2+ with exceptions",
                )],
            ),
            // openSUSE's older ones.
            (
                "GPL v3 or later; LGPL v2.0 or later",
                "GPL-3.0-or-later AND LGPL-2.0-or-later",
                &[],
            ),
            ("BSD 3-Clause", "BSD-3-Clause", &[]),
            (
                "SUSE-Public-Domain",
                "LicenseRef-SUSE-Public-Domain",
                &[("LicenseRef-SUSE-Public-Domain", "SUSE-Public-Domain")],
            ),
            // Anything.
            (
                "Public  Domain",
                "LicenseRef-Public-Domain",
                &[("LicenseRef-Public-Domain", "Public Domain")],
            ),
            ("MIT, and Zlib", "MIT AND Zlib", &[]),
            (
                "MIT and (",
                "LicenseRef-MIT-and---981bcd84",
                &[("LicenseRef-MIT-and---981bcd84", "MIT and (")],
            ),
            ("and", "LicenseRef-and", &[("LicenseRef-and", "and")]),
            ("", "NOASSERTION", &[]),
            (" ", "NOASSERTION", &[]),
        ] {
            let references = (references.iter())
                .map(|(id, text): &(&str, &str)| ((*id).to_owned(), (*text).to_owned()));
            let expected = Licence {
                expression: expected.to_owned(),
                references: references.collect(),
            };
            assert_eq!(Licence::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn deep_parentheses_are_one_name() {
        let deep = |depth: usize| format!("{}MIT{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(Licence::parse(&deep(MAX_DEPTH)).expression, "MIT");
        assert_eq!(Licence::parse(&deep(MAX_DEPTH + 1)).references.len(), 1);
        let licence = Licence::parse(&deep(100_000));
        assert_eq!(licence.references.len(), 1);
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in ["GPLv2+ or AFL", "BSD and (MIT or GPL)", "GPL v2 or later"] {
            let once = Licence::parse(text);
            let twice = Licence::parse(&once.expression);
            assert_eq!(once.expression, twice.expression, "{text}");
        }
    }
}
