//! The parser of RPM's text form of dependencies, after `rpmrichParse` of rpm's `lib/rpmds.cc`.
//!
//! What it makes is in [`dependency`](crate::dependency). The two are one idea in two files, and
//! name each other: `Dependency::parse` is this parser.
//!
//! ```text
//! dependency = name [comparison evr] | rich
//! rich       = "(" dependency { chain dependency } ")"      one operator all along
//!            | "(" dependency ("if" | "unless") dependency ["else" dependency] ")"
//!            | "(" dependency "without" dependency ")"
//! chain      = "and" | "or" | "with"
//! ```
//!
//! A name may hold balanced parentheses, as `libfoo.so.1()(64bit)` does, but doesn't begin with
//! one. An `else` part may be a further `if` without parentheses in rpm's grammar; no packager
//! writes that, and it is refused here.

use crate::dependency::{Capability, Dependency, Rich};
use crate::error::Error;
use crate::evr::{Comparison, Evr};

/// Parentheses within parentheses; the recursion of everything that walks a dependency is bounded
/// by it. Packages use up to 3.
const MAX_DEPTH: usize = 16;
/// Capabilities in one dependency. Packages use up to some 30.
const MAX_LEAVES: usize = 256;
/// Bytes in one dependency.
const MAX_LENGTH: usize = 64 * 1024;

pub(crate) fn parse(text: &str) -> Result<Dependency, Error> {
    let mut parser = Parser {
        text,
        rest: text.trim(),
        leaves: 0,
    };
    if text.len() > MAX_LENGTH {
        return Err(parser.too_complex("more than 64 KiB"));
    }
    let dependency = parser.operand(0)?;
    match parser.rest.trim_start() {
        "" => Ok(dependency),
        _ => Err(parser.malformed("there is something after its end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    leaves: usize,
}

impl<'a> Parser<'a> {
    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed {
            text: self.text.to_owned(),
            reason,
        }
    }

    fn too_complex(&self, reason: &'static str) -> Error {
        Error::TooComplex {
            text: self.text.chars().take(80).collect(),
            reason,
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Dependency, Error> {
        self.rest = self.rest.trim_start();
        if depth > MAX_DEPTH {
            return Err(self.too_complex("more than 16 nested parentheses"));
        }
        match self.rest.strip_prefix('(') {
            Some(rest) => {
                self.rest = rest;
                Ok(Dependency::Rich(Box::new(self.rich(depth)?)))
            }
            None => Ok(Dependency::Simple(self.capability()?)),
        }
    }

    fn rich(&mut self, depth: usize) -> Result<Rich, Error> {
        let first = self.operand(depth + 1)?;
        if self.closes() {
            return Ok(Rich::And(vec![first]));
        }
        let operator = self.word();
        let second = self.operand(depth + 1)?;
        match operator {
            "if" | "unless" => {
                let otherwise = if self.closes() {
                    None
                } else if self.word() == "else" {
                    Some(self.operand(depth + 1)?)
                } else {
                    return Err(self.malformed("`else` or `)` is missing"));
                };
                if otherwise.is_some() && !self.closes() {
                    return Err(self.malformed("`)` is missing"));
                }
                Ok(match operator {
                    "if" => Rich::If(first, second, otherwise),
                    _ => Rich::Unless(first, second, otherwise),
                })
            }
            "without" if self.closes() => Ok(Rich::Without(first, second)),
            "without" => Err(self.malformed("`without` takes two operands")),
            "and" | "or" | "with" => {
                let mut operands = vec![first, second];
                while !self.closes() {
                    if self.rest.is_empty() {
                        return Err(self.malformed("`)` is missing"));
                    }
                    if self.word() != operator {
                        return Err(self.malformed("operators are mixed without parentheses"));
                    }
                    operands.push(self.operand(depth + 1)?);
                }
                Ok(match operator {
                    "and" => Rich::And(operands),
                    "or" => Rich::Or(operands),
                    _ => Rich::With(operands),
                })
            }
            _ => Err(self.malformed("unknown operator")),
        }
    }

    /// Takes a `)` if it comes next.
    fn closes(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(')') {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn capability(&mut self) -> Result<Capability, Error> {
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return Err(self.too_complex("more than 256 capabilities"));
        }
        let name = self.word();
        if name.is_empty() || Comparison::parse(name).is_some() {
            return Err(self.malformed("a name is missing"));
        }
        let before = self.rest;
        let range = match Comparison::parse(self.word()) {
            Some(comparison) => match self.word() {
                "" => return Err(self.malformed("a version is missing")),
                evr => Some((comparison, Evr::parse(evr))),
            },
            None => {
                self.rest = before;
                None
            }
        };
        Ok(Capability {
            name: name.to_owned(),
            range,
        })
    }

    /// Takes a word: up to white space, or to a `)` that closes more than the word opens.
    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let mut open = 0usize;
        let end = self
            .rest
            .char_indices()
            .find(|&(_, letter)| match letter {
                '(' => {
                    open += 1;
                    false
                }
                ')' if open == 0 => true,
                ')' => {
                    open -= 1;
                    false
                }
                _ => letter.is_whitespace(),
            })
            .map_or(self.rest.len(), |(offset, _)| offset);
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_printed_again() {
        for text in [
            "a",
            "a >= 1:2-3",
            "/usr/bin/sh",
            "libfoo.so.1(FOO_1.0)(64bit)",
            "(a or b or c)",
            "(a and (b if c))",
            "(a if b else c)",
            "(a unless b)",
            "(a unless b else (c or d))",
            "(foo(x)(64bit) >= 1 with foo < 2)",
            "(a without b = 3)",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for (text, reason) in [
            ("", "a name is missing"),
            ("a >=", "a version is missing"),
            (">= 1", "a name is missing"),
            ("a b", "there is something after its end"),
            ("(a", "a name is missing"),
            ("(a or b", "`)` is missing"),
            ("(a or b and c)", "operators are mixed without parentheses"),
            ("(a nor b)", "unknown operator"),
            ("(a if b or c)", "`else` or `)` is missing"),
            ("(a without b without c)", "`without` takes two operands"),
        ] {
            let expected = Error::Malformed {
                text: text.to_owned(),
                reason,
            };
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(16)).is_ok());
        assert!(matches!(parse(&nested(17)), Err(Error::TooComplex { .. })));
        let wide = |number| format!("({})", vec!["a"; number].join(" or "));
        assert!(parse(&wide(256)).is_ok());
        assert!(matches!(parse(&wide(257)), Err(Error::TooComplex { .. })));
    }
}
