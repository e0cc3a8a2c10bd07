//! Scriptlets in Lua, which rpm runs itself. Lua changes nothing but by calling functions, so all
//! that a script calls is looked at: what only computes is harmless, what takes literal arguments
//! may be an effect, and everything else is unhandled. So is a function that is named but not called
//! there, since nobody knows where it is.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Effect, Reading};

/// A call of a script, and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The line where it is, from 1.
    pub line: usize,
    /// What it comes to.
    pub outcome: Outcome,
}

/// What a call comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is read.
    Read(Reading),
    /// A script of the shell that it runs, and whether it is sure to.
    Shell(String, bool),
}

/// Functions that only ask or compute.
const PURE: [&str; 42] = [
    "print",
    "tostring",
    "tonumber",
    "ipairs",
    "pairs",
    "type",
    "next",
    "select",
    "unpack",
    "error",
    "assert",
    "rawget",
    "rawlen",
    "posix.stat",
    "posix.access",
    "posix.getpid",
    "posix.getenv",
    "posix.readlink",
    "posix.dir",
    "posix.files",
    "posix.fork",
    "posix.wait",
    "posix.uname",
    "posix.getcwd",
    "posix.errno",
    "posix.getpasswd",
    "posix.getgroup",
    "posix.sleep",
    "posix.glob",
    "os.getenv",
    "os.exit",
    "os.date",
    "os.time",
    "os.clock",
    "os.difftime",
    "io.stdout:write",
    "io.stderr:write",
    "io.lines",
    "io.write",
    "rpm.vercmp",
    "rpm.isdefined",
    "rpm.next_file",
];
/// Tables of functions that only compute.
const PURE_TABLES: [&str; 3] = ["string.", "table.", "math."];
/// Methods of strings, and of files that are read.
const PURE_METHODS: [&str; 15] = [
    "byte", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub",
    "upper", "read", "lines", "close",
];
/// What may be named without being called.
const VALUES: [&str; 4] = ["io.stdout", "io.stderr", "io.stdin", "math.huge"];
/// Tables and functions that are there from the beginning.
const GLOBALS: [&str; 22] = [
    "_ENV",
    "_G",
    "arg",
    "debug",
    "dofile",
    "getmetatable",
    "io",
    "load",
    "loadfile",
    "loadstring",
    "os",
    "package",
    "pcall",
    "posix",
    "rawset",
    "require",
    "rex",
    "rpm",
    "setfenv",
    "setmetatable",
    "xpcall",
    "coroutine",
];
const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Functions of `posix` that decide what follows.
const GUARDS: [(&str, Guard); 3] = [
    ("stat", Guard::There),
    ("access", Guard::There),
    ("fork", Guard::Forked),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Number,
    Sign(char),
    /// What the grammar does not have.
    Wrong,
}

/// Returns the calls of a script. `is_first` says that it runs before anything is installed.
pub fn calls(script: &str, is_first: bool) -> Vec<Call> {
    let tokens = tokens(script);
    let known = Known::of(&tokens);
    let mut calls = Vec::new();
    // What decides whether the blocks that are open are reached.
    let mut blocks: Vec<Guard> = Vec::new();
    let mut guard = Guard::Other;
    let mut at = 0;
    while let Some((token, line)) = tokens.get(at) {
        let start = at;
        at += 1;
        let mut push = |reading| {
            calls.push(Call {
                line: *line,
                outcome: Outcome::Read(reading),
            });
        };
        let name = match token {
            Token::Wrong => {
                push(Reading::Unhandled);
                continue;
            }
            // What comes out of a call or a table is called.
            Token::Sign(')' | ']') if begins_call(&tokens, at) && !is_new_line(&tokens, at) => {
                push(Reading::Unhandled);
                continue;
            }
            Token::Sign(')' | ']') if sign(&tokens, at) == Some(':') => {
                at += 1;
                match tokens.get(at) {
                    Some((Token::Name(method), _)) => {
                        at += 1;
                        format!(":{method}")
                    }
                    _ => continue,
                }
            }
            Token::Name(name) if KEYWORDS.contains(&name.as_str()) => {
                match name.as_str() {
                    "if" => guard = known.guard(&tokens[at..]),
                    "then" => blocks.push(guard),
                    "do" | "function" | "repeat" => blocks.push(Guard::Other),
                    "elseif" => {
                        blocks.pop();
                        guard = known.guard(&tokens[at..]);
                    }
                    "end" | "until" => drop(blocks.pop()),
                    _ => {}
                }
                continue;
            }
            Token::Name(name) => dotted(&tokens, &mut at, name),
            _ => continue,
        };
        // A name of a table's field.
        let is_field = start > 0 && matches!(tokens[start - 1].0, Token::Sign('.'));
        if !begins_call(&tokens, at) {
            let root = name.split(['.', ':']).next().unwrap_or_default();
            let is_set = sign(&tokens, at) == Some('=') && sign(&tokens, at + 1) != Some('=');
            let is_global = GLOBALS.contains(&root) && !VALUES.contains(&name.as_str());
            if (is_global || (is_set && is_pure(&name))) && !is_field {
                push(Reading::Unhandled);
            }
            continue;
        }
        let is_definition = start > 0 && is_name(&tokens, start - 1, "function");
        if is_definition && !is_pure(&name) && !GLOBALS.contains(&name.as_str()) {
            continue;
        }
        let arguments = known.arguments(&tokens, at);
        let outcome = match is_definition {
            true => Outcome::Read(Reading::Unhandled),
            false => {
                let place = Place {
                    is_inner: blocks.contains(&Guard::Other),
                    makes_room: is_first && blocks.contains(&Guard::There),
                };
                call(&name, arguments.as_deref(), &known, place)
            }
        };
        calls.push(Call {
            line: *line,
            outcome,
        });
    }
    calls
}

/// What decides whether a block is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// What is at a path.
    There,
    /// Whether this is the process that was forked.
    Forked,
    /// Anything else.
    Other,
}

/// Where a call is.
#[derive(Clone, Copy)]
struct Place {
    /// Something that is not known decides whether it is reached.
    is_inner: bool,
    /// What decides is whether something is there, before anything is installed.
    makes_room: bool,
}

/// Says what a call comes to. Of arguments, those are known that are literal.
fn call(name: &str, arguments: Option<&[Option<String>]>, known: &Known, place: Place) -> Outcome {
    let Place {
        is_inner,
        makes_room,
    } = place;
    let harmless = Outcome::Read(Reading::Harmless("it only asks or says something"));
    if known.functions.contains(name) {
        return Outcome::Read(Reading::Harmless("its own lines are looked at"));
    }
    if is_pure(name) {
        return harmless;
    }
    let literal: Option<Vec<&str>> =
        arguments.and_then(|all| all.iter().map(Option::as_deref).collect());
    let unhandled = Outcome::Read(Reading::Unhandled);
    let effect = |effect: Option<Effect>| match effect {
        Some(effect) if !is_inner => Outcome::Read(Reading::effect(effect)),
        _ => Outcome::Read(Reading::Unhandled),
    };
    let is_path = |path: &&str| path.starts_with('/') && !path.contains("/../");
    match (name, literal.as_deref()) {
        ("io.open", Some([_] | [_, "r" | "rb"])) => harmless,
        ("rpm.expand", Some([macros])) if !macros.contains("%(") && !macros.contains("lua") => {
            harmless
        }
        ("os.remove" | "os.rename" | "posix.unlink" | "posix.rmdir", _) if makes_room => {
            Outcome::Read(Reading::Harmless(
                "it makes room where an older version has something",
            ))
        }
        ("posix.mkdir", Some([path, ..])) => {
            effect(Some(*path).filter(is_path).map(|path| Effect::Directory {
                path: path.trim_end_matches('/').to_owned(),
                mode: None,
            }))
        }
        ("posix.symlink", Some([target, path])) => {
            effect(Some(*path).filter(is_path).map(|path| Effect::Link {
                path: path.to_owned(),
                target: (*target).to_owned(),
            }))
        }
        ("posix.chmod", Some([path, mode])) => {
            let is_mode = super::mode::changed(mode, 0o644, false).is_some();
            effect(
                Some(*path)
                    .filter(is_path)
                    .filter(|_| is_mode)
                    .map(|path| Effect::Mode {
                        path: path.to_owned(),
                        mode: (*mode).to_owned(),
                        is_deep: false,
                    }),
            )
        }
        ("os.execute", Some([script])) => Outcome::Shell((*script).to_owned(), !is_inner),
        ("rpm.execute" | "posix.exec", Some(words)) if !words.is_empty() => {
            let quoted = words
                .iter()
                .map(|word| format!("'{}'", word.replace('\'', "'\\''")));
            Outcome::Shell(quoted.collect::<Vec<_>>().join(" "), !is_inner)
        }
        _ => unhandled,
    }
}

fn is_pure(name: &str) -> bool {
    PURE.contains(&name)
        || (PURE_TABLES.iter().any(|table| name.starts_with(table)) && !name.contains(':'))
        || name
            .rsplit_once(':')
            .is_some_and(|(_, method)| PURE_METHODS.contains(&method))
}

/// What a script defines.
#[derive(Default)]
struct Known {
    functions: BTreeSet<String>,
    /// Variables that are given one literal text alone.
    texts: BTreeMap<String, Option<String>>,
    /// Variables that say what is at a path, and which process this is.
    guards: BTreeMap<String, Guard>,
}

impl Known {
    fn of(tokens: &[(Token, usize)]) -> Self {
        let mut known = Self::default();
        let mut others = BTreeSet::new();
        for (at, (token, _)) in tokens.iter().enumerate() {
            let Token::Name(name) = token else { continue };
            let after = |more: usize| tokens.get(at + more).map(|(token, _)| token);
            let is_set = after(1) == Some(&Token::Sign('=')) && after(2) != Some(&Token::Sign('='));
            let is_field = at > 0 && matches!(tokens[at - 1].0, Token::Sign('.' | ':'));
            if is_name(tokens, at, "function") {
                if let (Some(Token::Name(name)), Some(Token::Sign('('))) = (after(1), after(2)) {
                    known.functions.insert(name.clone());
                }
                // What it is called with has any value.
                let parameters = tokens[at..].iter().map(|(token, _)| token);
                let parameters = parameters.take_while(|token| **token != Token::Sign(')'));
                for token in parameters {
                    if let Token::Name(name) = token {
                        known.texts.insert(name.clone(), None);
                    }
                }
            } else if is_name(tokens, at, "for") || is_name(tokens, at, "local") {
                let names = tokens[at + 1..].iter().map(|(token, _)| token);
                let names = names.take_while(|token| {
                    matches!(token, Token::Sign(','))
                        || matches!(token, Token::Name(name) if !KEYWORDS.contains(&name.as_str()))
                });
                let names: Vec<_> = names.collect();
                if names.len() > 1 || is_name(tokens, at, "for") {
                    for token in names {
                        if let Token::Name(name) = token {
                            known.texts.insert(name.clone(), None);
                        }
                    }
                }
            } else if is_set && !is_field {
                others.insert(name.clone());
                if is_name(tokens, at + 2, "posix") {
                    for (function, guard) in GUARDS {
                        if is_name(tokens, at + 4, function) {
                            known.guards.insert(name.clone(), guard);
                        }
                    }
                }
                let text = match (after(2), after(3)) {
                    (Some(Token::Text(_)), Some(Token::Sign('.' | ':'))) => None,
                    (Some(Token::Text(text)), _) => Some(text.clone()),
                    _ => None,
                };
                let entry = known.texts.entry(name.clone());
                let first = entry.or_insert_with(|| text.clone());
                if *first != text {
                    *first = None;
                }
            }
        }
        // One that is given something else may be another function.
        known.functions.retain(|name| !others.contains(name));
        known
    }

    /// Returns what a condition asks for.
    fn guard(&self, condition: &[(Token, usize)]) -> Guard {
        let condition = condition.iter().map(|(token, _)| token);
        let condition = condition.take_while(|token| **token != Token::Name("then".into()));
        let mut guards = condition.filter_map(|token| match token {
            Token::Name(name) => {
                let mut functions = GUARDS.iter();
                let asked = functions.find(|(function, _)| function == name);
                (self.guards.get(name).copied()).or(asked.map(|(_, guard)| *guard))
            }
            _ => None,
        });
        guards.next().unwrap_or(Guard::Other)
    }

    /// Returns the arguments of a call whose parenthesis is at a place. None where they end nowhere.
    fn arguments(&self, tokens: &[(Token, usize)], at: usize) -> Option<Vec<Option<String>>> {
        match &tokens.get(at)?.0 {
            Token::Text(text) => return Some(vec![Some(text.clone())]),
            Token::Sign('(') => {}
            _ => return Some(vec![None]),
        }
        let mut arguments = Vec::new();
        let mut open = 0_usize;
        let mut part: Vec<&Token> = Vec::new();
        for (token, _) in &tokens[at + 1..] {
            match token {
                Token::Sign(')') if open == 0 => {
                    if !part.is_empty() || !arguments.is_empty() {
                        arguments.push(self.text(&part));
                    }
                    return Some(arguments);
                }
                Token::Sign(',') if open == 0 => {
                    arguments.push(self.text(&part));
                    part.clear();
                    continue;
                }
                Token::Sign('(' | '{' | '[') => open += 1,
                Token::Sign(')' | '}' | ']') => open = open.saturating_sub(1),
                _ => {}
            }
            part.push(token);
        }
        None
    }

    /// Returns the value of texts and variables with `..` between them.
    fn text(&self, tokens: &[&Token]) -> Option<String> {
        let mut text = String::new();
        let mut is_value = true;
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            match (is_value, token) {
                (true, Token::Text(part)) => text += part,
                (true, Token::Name(name)) => text += self.texts.get(name)?.as_deref()?,
                (false, Token::Sign('.')) if tokens.next() == Some(&&Token::Sign('.')) => {}
                _ => return None,
            }
            is_value = !is_value;
        }
        (!is_value).then_some(text)
    }
}

fn sign(tokens: &[(Token, usize)], at: usize) -> Option<char> {
    match tokens.get(at)? {
        (Token::Sign(sign), _) => Some(*sign),
        _ => None,
    }
}

fn is_name(tokens: &[(Token, usize)], at: usize, name: &str) -> bool {
    matches!(tokens.get(at), Some((Token::Name(one), _)) if one == name)
}

fn begins_call(tokens: &[(Token, usize)], at: usize) -> bool {
    matches!(
        tokens.get(at),
        Some((Token::Sign('(' | '{') | Token::Text(_), _))
    )
}

/// Says whether the token at a place begins a line: then it is hardly an argument.
fn is_new_line(tokens: &[(Token, usize)], at: usize) -> bool {
    let line = |at: usize| tokens.get(at).map(|(_, line)| *line);
    !matches!(tokens.get(at), Some((Token::Sign('('), _))) && at > 0 && line(at) != line(at - 1)
}

/// Reads the rest of a name with dots and a colon.
fn dotted(tokens: &[(Token, usize)], at: &mut usize, first: &str) -> String {
    let mut name = first.to_owned();
    while let (Some(sign @ ('.' | ':')), Some((Token::Name(more), _))) =
        (sign(tokens, *at), tokens.get(*at + 1))
    {
        name.push(sign);
        name.push_str(more);
        *at += 2;
    }
    name
}

/// Splits a script, each token with its line.
fn tokens(script: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    let mut rest = script;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first);
        tokens.extend(token.map(|token| (token, line)));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// Reads one token or space; returns its length, too.
fn token(rest: &str, first: char) -> (Option<Token>, usize) {
    let length_of = |fits: fn(char) -> bool| rest.find(|one| !fits(one)).unwrap_or(rest.len());
    if first.is_whitespace() {
        return (None, length_of(char::is_whitespace));
    }
    if let Some(comment) = rest.strip_prefix("--") {
        if let Some((_, length)) = long_text(comment) {
            return (None, 2 + length);
        }
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = length_of(|one| one.is_ascii_alphanumeric() || one == '_');
        return (Some(Token::Name(rest[..length].to_owned())), length);
    }
    if first.is_ascii_digit() {
        let length = length_of(|one| one.is_ascii_alphanumeric());
        return (Some(Token::Number), length);
    }
    if let Some((text, length)) = long_text(rest) {
        return (Some(Token::Text(text)), length);
    }
    if matches!(first, '"' | '\'') {
        return quoted(rest, first);
    }
    (Some(Token::Sign(first)), first.len_utf8())
}

/// Reads a text between quotes.
fn quoted(rest: &str, quote: char) -> (Option<Token>, usize) {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, one)) = characters.next() {
        match one {
            _ if one == quote => return (Some(Token::Text(text)), at + 1),
            '\n' => break,
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, next @ ('\\' | '"' | '\''))) => text.push(next),
                _ => break,
            },
            one => text.push(one),
        }
    }
    // Nothing after it is certain.
    (Some(Token::Wrong), rest.len())
}

/// Reads `[[...]]` or `[=[...]=]`.
fn long_text(rest: &str) -> Option<(String, usize)> {
    let after = rest.strip_prefix('[')?;
    let level = after.find(|one| one != '=')?;
    let inside = after[level..].strip_prefix('[')?;
    let end = format!("]{}]", "=".repeat(level));
    let length = inside.find(&end)?;
    let all = 2 + level + length + end.len();
    Some((inside[..length].to_owned(), all))
}
