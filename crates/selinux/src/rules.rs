//! The lines of file contexts.

use std::borrow::Cow;

use crate::FileType;
use crate::error::Error;
use crate::pattern::{self, Node};

/// Most rules of all files.
const MAX_RULES: usize = 65_536;
/// Most lines of a file of substitutions.
const MAX_SUBSTITUTIONS: usize = 4096;
/// Longest expression: that of a path, which is no longer than 4 095 bytes, and more.
const MAX_EXPRESSION: usize = 16_384;
/// How compiled contexts begin.
const COMPILED: u32 = 0xf97c_ff8a;

/// A line: which paths have which label.
#[derive(Debug)]
pub struct Rule {
    /// The expression, as it is written.
    pub expression: Box<[u8]>,
    /// The only type of file that it is for.
    pub only: Option<FileType>,
    /// The label.
    pub label: Box<str>,
    ending: &'static str,
    line: usize,
}

impl Rule {
    /// Returns the expression as it is matched. Of alternatives at its top, only the first is bound
    /// to the beginning, and only the last to the end.
    pub fn node(&self) -> Result<Node, Error> {
        let anchored = [b"^", &*self.expression, b"$"].concat();
        pattern::parse(&anchored).map_err(|problem| {
            let expression = files::shown(&self.expression);
            self.wrong(format!("{expression}: {problem}"))
        })
    }

    /// Returns where the rule is.
    pub fn place(&self) -> String {
        format!("file_contexts{}, line {}", self.ending, self.line)
    }

    fn wrong(&self, problem: String) -> Error {
        Error::Line {
            ending: self.ending,
            line: self.line,
            problem,
        }
    }
}

/// Adds the rules of a file, whose name ends like this.
pub fn read(ending: &'static str, text: &[u8], rules: &mut Vec<Rule>) -> Result<(), Error> {
    if text.starts_with(&COMPILED.to_le_bytes()) || text.starts_with(&COMPILED.to_be_bytes()) {
        return Err(Error::Compiled(ending));
    }
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let wrong = |problem: &str| Error::Line {
            ending,
            line,
            problem: problem.to_owned(),
        };
        let mut words = words(text);
        let Some(expression) = words.next().filter(|word| !word.starts_with(b"#")) else {
            continue;
        };
        let (second, third) = (words.next(), words.next());
        let (kind, label) = match (second, third) {
            (None, _) => return Err(wrong("it has no label")),
            (Some(label), None) => (None, label),
            (Some(kind), Some(label)) => (Some(kind), label),
        };
        let label = std::str::from_utf8(label)
            .ok()
            .filter(|label| label.is_ascii());
        let (Some(label), true) = (label, expression.is_ascii()) else {
            return Err(wrong("it is not ASCII"));
        };
        if rules.len() >= MAX_RULES {
            return Err(wrong(&format!("there are more than {MAX_RULES} rules")));
        }
        if expression.len() > MAX_EXPRESSION {
            return Err(wrong(&format!(
                "its expression has more than {MAX_EXPRESSION} bytes"
            )));
        }
        let rule = Rule {
            expression: expression.into(),
            only: kind
                .map(|kind| of_type(kind).ok_or(kind))
                .transpose()
                .map_err(|kind| {
                    wrong(&format!(
                        "{:?} is not a type of file, such as -- or -d",
                        files::shown(kind)
                    ))
                })?,
            label: label.into(),
            ending,
            line,
        };
        if pattern::literal(expression).is_none() {
            rule.node()?;
        }
        rules.push(rule);
    }
    Ok(())
}

/// Returns the type of file that a word stands for.
fn of_type(word: &[u8]) -> Option<FileType> {
    Some(match word {
        b"--" => FileType::Regular,
        b"-d" => FileType::Directory,
        b"-l" => FileType::Symlink,
        b"-b" => FileType::Block,
        b"-c" => FileType::Character,
        b"-p" => FileType::Fifo,
        b"-s" => FileType::Socket,
        _ => return None,
    })
}

/// Returns the words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | 9..=13);
    line.split(is_space).filter(|word| !word.is_empty())
}

/// Returns the first component of an expression, if another follows and it has no operator; else
/// nothing.
pub fn stem(expression: &[u8]) -> &[u8] {
    let stem = stem_of_path(expression);
    match stem.iter().any(|byte| b".^$?*+|[({\\".contains(byte)) {
        true => b"",
        false => stem,
    }
}

/// Returns the first component of a path, if another follows; else nothing.
pub fn stem_of_path(path: &[u8]) -> &[u8] {
    let slash = path.iter().skip(1).position(|byte| *byte == b'/');
    slash
        .and_then(|slash| path.get(..=slash))
        .unwrap_or_default()
}

/// Paths that are looked up as others.
#[derive(Debug, Default)]
pub struct Substitutions(Vec<(Vec<u8>, Vec<u8>)>);

impl Substitutions {
    /// Reads a file of them. What has no second word says nothing.
    pub fn read(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut words = words(line);
            let from = words.next().filter(|word| !word.starts_with(b"#"))?;
            Some((from.to_owned(), words.next()?.to_owned()))
        });
        Self(lines.take(MAX_SUBSTITUTIONS).collect())
    }

    /// Returns the path that stands for this one: the last line that fits counts.
    pub fn apply<'a>(&self, path: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        let found = self.0.iter().rev().find_map(|(from, to)| {
            let rest = path.strip_prefix(&**from)?;
            match (rest.first(), &**to) {
                (Some(b'/'), b"/") => Some([to, rest.get(1..).unwrap_or_default()].concat()),
                (Some(b'/') | None, _) => Some([to, rest].concat()),
                _ => None,
            }
        });
        found.map_or(path, Cow::Owned)
    }
}
