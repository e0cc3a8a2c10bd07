//! Words as they are written, and what they become once variables have values.

use std::collections::BTreeMap;

use super::Word;

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Variable(Variable),
    /// All arguments of the script or function.
    Arguments,
    /// A pattern that stands for the names of files.
    Pattern(String),
    /// A variable that gets a value only on the host.
    Sets(String),
    Unknown,
}

/// A variable that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub name: String,
    pub is_quoted: bool,
    /// What is done with its value: an operator and its operand.
    pub change: Option<(&'static str, String)>,
}

/// A word as it is written.
pub(super) type Spelled = Vec<Piece>;

/// Operators within `${NAME...}` whose operand is literal; longer ones first.
pub(super) const OPERATORS: [&str; 6] = [":-", "%%", "##", "-", "%", "#"];

/// Variables that rpm inherits from its own environment or makes, and so may have any value. All
/// others have none before the script gives them one.
const INHERITED: [&str; 22] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "TERM", "LANG", "LANGUAGE",
    "TMPDIR", "DISPLAY", "UID", "EUID", "PPID", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "OSTYPE",
    "RANDOM", "SECONDS", "REPLY",
];
const INHERITED_PREFIXES: [&str; 5] = ["RPM_", "LC_", "SUDO_", "BASH", "SYSTEMD_"];

/// The values of variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    values: BTreeMap<String, Word>,
    /// Another script may have set any of them.
    are_unknown: bool,
    /// None is ever known: something sets them that is not followed.
    are_lost: bool,
}

impl Variables {
    pub fn set(&mut self, name: &str, value: Word) {
        let value = value.filter(|_| !self.are_lost);
        self.values.insert(name.to_owned(), value);
    }

    /// Forgets all of them: what is read in may set any.
    pub fn forget(&mut self) {
        self.values.clear();
        self.are_unknown = true;
    }

    /// Gives all of them up for good.
    pub fn lose(&mut self) {
        self.forget();
        self.are_lost = true;
    }

    pub fn get(&self, name: &str) -> Word {
        let is_inherited = || {
            INHERITED.contains(&name)
                || INHERITED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        };
        match self.values.get(name) {
            Some(value) => value.clone(),
            None if self.are_unknown || is_inherited() => None,
            None => Some(String::new()),
        }
    }

    /// Keeps what is the same here and there: either may be what happens.
    pub fn join(&mut self, other: &Self) {
        let names: Vec<_> = (self.values.keys().chain(other.values.keys()))
            .cloned()
            .collect();
        for name in names {
            if self.get(&name) != other.get(&name) {
                self.set(&name, None);
            }
        }
        self.are_unknown |= other.are_unknown;
    }

    fn of(&self, variable: &Variable, arguments: Option<&[Word]>) -> Word {
        let value = match variable.name.parse::<usize>() {
            Ok(number) => match number.checked_sub(1) {
                Some(index) => match arguments?.get(index) {
                    Some(argument) => argument.clone(),
                    None => Some(String::new()),
                },
                None => None,
            },
            Err(_) => self.get(&variable.name),
        };
        let Some((operator, operand)) = &variable.change else {
            return value;
        };
        let value = value?;
        match *operator {
            ":-" | "-" if value.is_empty() => Some(operand.clone()),
            ":-" | "-" => Some(value),
            _ => cut(&value, operator, operand),
        }
    }

    /// Returns what a word becomes: no word, one, or several.
    pub fn expand(&self, word: &Spelled, arguments: Option<&[Word]>) -> Vec<Word> {
        let mut fields = Fields::default();
        for piece in word {
            match piece {
                Piece::Literal(text) => fields.push(Some(text)),
                Piece::Pattern(_) | Piece::Sets(_) | Piece::Unknown => fields.push(None),
                Piece::Arguments => {
                    if arguments.is_none() {
                        fields.push(None);
                    }
                    for (index, argument) in arguments.iter().copied().flatten().enumerate() {
                        if index > 0 {
                            fields.end();
                        }
                        fields.push(argument.as_deref());
                    }
                }
                Piece::Variable(variable) => {
                    let value = self.of(variable, arguments);
                    match value {
                        Some(value) if !variable.is_quoted => fields.split(&value),
                        value => fields.push(value.as_deref()),
                    }
                }
            }
        }
        fields.end();
        fields.done
    }

    /// Returns what a word becomes where it is one word, whatever is in it.
    pub fn value(&self, word: &Spelled, arguments: Option<&[Word]>) -> Word {
        let pieces = word.iter().map(|piece| match piece {
            Piece::Literal(text) => Some(text.clone()),
            Piece::Variable(variable) => self.of(variable, arguments),
            _ => None,
        });
        pieces.collect::<Option<String>>()
    }
}

/// Words that are being put together.
#[derive(Default)]
struct Fields {
    done: Vec<Word>,
    open: Option<Word>,
}

impl Fields {
    fn push(&mut self, text: Option<&str>) {
        let open = self.open.get_or_insert_with(|| Some(String::new()));
        match (open.as_mut(), text) {
            (Some(open), Some(text)) => open.push_str(text),
            _ => *open = None,
        }
    }

    fn end(&mut self) {
        self.done.extend(self.open.take());
    }

    /// Adds a value that stands outside of quotes.
    fn split(&mut self, value: &str) {
        if value.contains(['*', '?', '[']) {
            return self.push(None);
        }
        if value.starts_with(char::is_whitespace) {
            self.end();
        }
        for (index, part) in value.split_whitespace().enumerate() {
            if index > 0 {
                self.end();
            }
            self.push(Some(part));
        }
        if value.ends_with(char::is_whitespace) {
            self.end();
        }
    }
}

/// Takes from a value what fits a pattern with at most one star: `%` at its end, `#` at its
/// beginning; twice: the longest.
fn cut(value: &str, operator: &str, pattern: &str) -> Word {
    if pattern.contains(['?', '[', '\\', '$', '"', '\'']) || pattern.matches('*').count() > 1 {
        return None;
    }
    let is_end = operator.starts_with('%');
    let is_longest = operator.len() == 2;
    let fits = |text: &str| match pattern.split_once('*') {
        Some((before, after)) => {
            text.len() >= before.len() + after.len()
                && text.starts_with(before)
                && text.ends_with(after)
        }
        None => text == pattern,
    };
    let places: Vec<_> = (0..=value.len())
        .filter(|at| value.is_char_boundary(*at))
        .filter(|at| match is_end {
            true => fits(&value[*at..]),
            false => fits(&value[..*at]),
        })
        .collect();
    let place = match is_end == is_longest {
        true => places.first(),
        false => places.last(),
    };
    Some(match (place, is_end) {
        (None, _) => value.to_owned(),
        (Some(at), true) => value[..*at].to_owned(),
        (Some(at), false) => value[*at..].to_owned(),
    })
}
