//! The commands of a script for the shell, as far as their words are literal. Nothing is run, and
//! no branch is followed: every command that a script could run is one.
//!
//! ```text
//! NAME=miniflux                                   assigned once: known wherever it is used
//! getent group $NAME >/dev/null || \
//!     groupadd -r "$NAME" 2> /dev/null            getent group miniflux
//!                                                 groupadd -r miniflux
//! usermod -G jupiter -a $user                     usermod -G jupiter -a ?
//! ```

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A word; none where it is known only when the script runs.
pub type Word = Option<String>;

/// Words that may stand before a command.
const BEFORE: [&str; 9] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "time",
];
/// Commands whose arguments are names that get a value which no script tells.
const BINDING: [&str; 2] = ["for", "read"];

/// A simple command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub words: Vec<Word>,
    /// Its own text.
    pub text: String,
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Variable(String),
    Unknown,
}

/// A command whose variables have no values yet.
#[derive(Default)]
struct Raw {
    words: Vec<Vec<Piece>>,
    text: String,
}

/// Returns the commands of a script.
pub fn commands(script: &str) -> Vec<Command> {
    let raw = Reader::read(script);
    let variables = variables(&raw);
    let expand = |word: &Vec<Piece>| -> Word {
        let pieces = word.iter().map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            Piece::Variable(name) => variables.get(name)?.as_deref(),
            Piece::Unknown => None,
        });
        pieces.collect::<Option<String>>()
    };
    // A variable that is given a value is known by its name, whatever the value.
    let is_before = |word: &&Vec<Piece>| {
        matches!(word.first(), Some(Piece::Literal(text))
            if is_assignment(text) || (word.len() == 1 && BEFORE.contains(&text.as_str())))
    };
    let commands = raw.iter().map(|one| Command {
        words: (one.words.iter().skip_while(is_before))
            .map(expand)
            .collect(),
        text: one.text.trim().to_owned(),
    });
    commands
        .filter(|command| !command.words.is_empty())
        .collect()
}

/// Returns the variables; those that are not assigned one literal value alone have none.
fn variables(raw: &[Raw]) -> BTreeMap<String, Option<String>> {
    let mut variables: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut assign = |name: &str, value: Option<String>| {
        let known = variables
            .entry(name.to_owned())
            .or_insert_with(|| value.clone());
        if *known != value {
            *known = None;
        }
    };
    for command in raw {
        let first = |word: &[Piece]| match word.first() {
            Some(Piece::Literal(text)) => text.clone(),
            _ => String::new(),
        };
        let binds = command
            .words
            .iter()
            .any(|word| BINDING.contains(&&*first(word)));
        for word in &command.words {
            let begin = first(word);
            if is_assignment(&begin)
                && let Some((name, value)) = begin.split_once('=')
            {
                let is_literal = word.len() == 1;
                assign(name, is_literal.then(|| value.to_owned()));
            } else if binds && is_name(&begin) {
                assign(&begin, None);
            }
        }
    }
    variables
}

fn is_name(word: &str) -> bool {
    !word.starts_with(|first: char| first.is_ascii_digit())
        && !word.is_empty()
        && word
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '_')
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// Reads a script character by character.
struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    commands: Vec<Raw>,
    command: Raw,
    word: Option<Vec<Piece>>,
    /// The next word is where output goes to, or input comes from.
    is_target: bool,
    /// Ends of here-documents that begin at the next line.
    documents: Vec<String>,
    is_document: bool,
}

impl<'a> Reader<'a> {
    fn read(script: &'a str) -> Vec<Raw> {
        let mut reader = Self {
            rest: script.chars().peekable(),
            commands: Vec::new(),
            command: Raw::default(),
            word: None,
            is_target: false,
            documents: Vec::new(),
            is_document: false,
        };
        while let Some(character) = reader.next() {
            reader.take(character);
        }
        reader.command.text.push('\n');
        reader.end_command();
        reader.commands
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        self.command.text.push(character);
        Some(character)
    }

    fn take(&mut self, character: char) {
        match character {
            '\\' => match self.next() {
                Some('\n') | None => {}
                Some(next) => self.push(next),
            },
            '\'' => {
                let text = self.until('\'');
                self.literal(&text);
            }
            '"' => self.double_quoted(),
            '$' => self.dollar(),
            '`' => {
                self.until('`');
                self.piece(Piece::Unknown);
            }
            '*' | '?' | '[' if self.word.is_some() => self.piece(Piece::Unknown),
            '#' if self.word.is_none() => {
                while self.rest.peek().is_some_and(|next| *next != '\n') {
                    self.rest.next();
                }
                self.command.text.pop();
            }
            '\n' => {
                self.end_command();
                self.skip_documents();
            }
            ';' | '&' | '|' | '(' | ')' => {
                // `2>&1`: the mark belongs to the redirection.
                if character == '&' && self.is_target && self.word.is_none() {
                    return;
                }
                self.end_command();
            }
            '<' | '>' => self.redirect(character),
            one if one.is_whitespace() => self.end_word(),
            '{' | '}' if self.word.is_none() && self.is_alone() => self.end_command(),
            one => self.push(one),
        }
    }

    fn is_alone(&mut self) -> bool {
        (self.rest.peek()).is_none_or(|next| next.is_whitespace() || *next == ';')
    }

    fn redirect(&mut self, character: char) {
        // A number right before it says what is redirected.
        let is_number = |word: &Vec<Piece>| {
            matches!(&word[..], [Piece::Literal(text)]
                if text.chars().all(|one| one.is_ascii_digit()))
        };
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
        self.is_target = true;
        if self.rest.next_if_eq(&character).is_some() {
            self.command.text.push(character);
            self.is_document = character == '<' && self.rest.next_if_eq(&'<').is_none();
            if self.is_document {
                self.rest.next_if_eq(&'-');
            }
        }
    }

    /// Passes over the here-documents of the line that has just ended.
    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            loop {
                let mut line = String::new();
                let mut is_last = true;
                for character in self.rest.by_ref() {
                    if character == '\n' {
                        is_last = false;
                        break;
                    }
                    line.push(character);
                }
                if is_last || line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }

    fn double_quoted(&mut self) {
        self.literal("");
        while let Some(character) = self.next() {
            match character {
                '"' => return,
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(next @ ('"' | '\\' | '$' | '`')) => self.push(next),
                    Some(next) => {
                        self.push('\\');
                        self.push(next);
                    }
                },
                '$' => self.dollar(),
                '`' => {
                    self.until('`');
                    self.piece(Piece::Unknown);
                }
                one => self.push(one),
            }
        }
    }

    /// Takes what follows a dollar sign.
    fn dollar(&mut self) {
        match self.rest.peek().copied() {
            Some('(') => {
                self.next();
                let mut open = 1;
                while open > 0 {
                    match self.next() {
                        Some('(') => open += 1,
                        Some(')') => open -= 1,
                        Some(_) => {}
                        None => break,
                    }
                }
                self.piece(Piece::Unknown);
            }
            Some('{') => {
                self.next();
                let name = self.until('}');
                let piece = match is_name(&name) {
                    true => Piece::Variable(name),
                    false => Piece::Unknown,
                };
                self.piece(piece);
            }
            Some(one) if one.is_ascii_alphabetic() || one == '_' => {
                let mut name = String::new();
                while let Some(one) =
                    (self.rest).next_if(|one| one.is_ascii_alphanumeric() || *one == '_')
                {
                    self.command.text.push(one);
                    name.push(one);
                }
                self.piece(Piece::Variable(name));
            }
            Some(one) if one.is_ascii_digit() || "@*#?$!-".contains(one) => {
                self.next();
                self.piece(Piece::Unknown);
            }
            _ => self.push('$'),
        }
    }

    fn until(&mut self, end: char) -> String {
        let mut text = String::new();
        while let Some(character) = self.next() {
            if character == end {
                break;
            }
            text.push(character);
        }
        text
    }

    fn push(&mut self, character: char) {
        self.literal(character.encode_utf8(&mut [0; 4]));
    }

    fn literal(&mut self, text: &str) {
        let word = self.word.get_or_insert_default();
        match word.last_mut() {
            Some(Piece::Literal(literal)) => literal.push_str(text),
            _ => word.push(Piece::Literal(text.to_owned())),
        }
    }

    fn piece(&mut self, piece: Piece) {
        self.word.get_or_insert_default().push(piece);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.is_target) {
            self.command.words.push(word);
        } else if std::mem::take(&mut self.is_document) {
            let end = word.iter().map(|piece| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Variable(_) | Piece::Unknown => "",
            });
            self.documents.push(end.collect());
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.is_target = false;
        let mut command = std::mem::take(&mut self.command);
        // What ended it is not of it.
        command.text.pop();
        if !command.words.is_empty() {
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_scripts() {
        for (script, expected) in [
            ("a b", &["a b"][..]),
            ("a 'b c' \"d $e\" f\\ g", &["a b c ? f g"]),
            ("a || b && c; d | e & f", &["a", "b", "c", "d", "e", "f"]),
            ("a \\\n  b\n# c\nd#e f # g", &["a b", "d#e f"]),
            (
                "if ! getent passwd x > /dev/null 2>&1; then\n  useradd x &>/dev/null\nfi",
                &["getent passwd x", "useradd x", "fi"],
            ),
            ("{ a; b; } >c", &["a", "b"]),
            ("(a b)", &["a b"]),
            ("N=x\na $N ${N}y \"$N\"", &["a x xy x"]),
            ("N='x y' a $N", &["a x y"]),
            ("N=x\nN=y\na $N", &["a ?"]),
            ("N=x; N=x; a $N", &["a x"]),
            (
                "if N=$(b) a \"if\" $N; then M=x b; fi",
                &["a if ?", "b", "fi"],
            ),
            (
                "N=$(b)\na $N $1 `c` $(d (e) f) ${N:-g} $",
                &["a ? ? ? ? ? $"],
            ),
            (
                "for i in a b; do c $i; done",
                &["for i in a b", "c ?", "done"],
            ),
            (
                "ls | while read i; do c $i; done",
                &["ls", "read i", "c ?", "done"],
            ),
            ("cat <<E >f\nuseradd x\nE\na", &["cat", "a"]),
            ("cat <<-'E'\n\tuseradd x\n\tE\na", &["cat", "a"]),
            ("cat <<< x\na", &["cat", "a"]),
            ("a /b*", &["a ?"]),
            ("a '", &["a "]),
            ("a $(", &["a ?"]),
            ("", &[]),
        ] {
            let found = commands(script).into_iter().map(|command| {
                let words = command.words.into_iter();
                let words: Vec<_> = words.map(|word| word.unwrap_or("?".to_owned())).collect();
                words.join(" ")
            });
            assert_eq!(found.collect::<Vec<_>>(), expected, "{script}");
        }
    }

    #[test]
    fn a_command_has_its_text() {
        let found = commands("if x; then /usr/sbin/useradd \\\n  -r \"$a\" || :; fi");
        assert_eq!(found[1].text, "then /usr/sbin/useradd \\\n  -r \"$a\"");
    }
}
