//! The grammar of the shell, as far as scriptlets use it. Where it ends, the rest of the script is
//! [`Node::Unread`]: nobody knows what is a command there.

use std::rc::Rc;

use super::word::{Piece, Spelled};

/// Constructs within each other; each takes some of this program's stack.
const MAX_DEPTH: usize = 40;
/// A longer script is not read, in bytes: the longest of distributions have a tenth of it.
const MAX_SCRIPT: usize = 256 * 1024;

/// Commands one after the other.
pub(super) type List = Vec<Node>;

/// A command of any kind.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Simple(Simple),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Pipe(List),
    /// Conditions, each with what follows from it; what follows if none holds.
    If(Vec<(List, List)>, List),
    /// A name, its values, and what is done with each.
    For(String, Option<Vec<Spelled>>, List),
    /// A condition, and what is done again and again.
    While(List, List),
    /// A word, and arms with their patterns.
    Case(Spelled, Vec<(Vec<Spelled>, List)>),
    Group(List),
    Subshell(List),
    Function(String, Rc<List>),
    /// A text, and the line where it begins.
    Unread(String, usize),
}

/// A program with its arguments.
#[derive(Clone, Debug, Default)]
pub(super) struct Simple {
    pub assignments: Vec<(String, Spelled)>,
    pub words: Vec<Spelled>,
    pub writes: Vec<Spelled>,
    pub text: String,
    pub line: usize,
}

/// The grammar ends here.
pub(super) struct Lost;

pub(super) type Parsed<T> = Result<T, Lost>;

/// A here-document that begins at the next line.
struct Document {
    end: String,
    is_quoted: bool,
    /// Its end may be indented by tabs.
    is_indented: bool,
}

pub(super) struct Parser<'a> {
    pub text: &'a str,
    pub at: usize,
    pub depth: usize,
    /// A place, and the line that it is in.
    known_line: (usize, usize),
    documents: Vec<Document>,
    /// What runs for the words of the command that is being read.
    pub inner: Vec<List>,
}

/// Reads a script that begins at a line, within so many constructs.
pub(super) fn script(text: &str, first_line: usize, depth: usize) -> List {
    let mut parser = Parser {
        text,
        at: 0,
        depth,
        known_line: (0, first_line),
        documents: Vec::new(),
        inner: Vec::new(),
    };
    let mut list = List::new();
    if text.len() > MAX_SCRIPT || depth > MAX_DEPTH {
        list.push(Node::Unread(text.to_owned(), first_line));
        return list;
    }
    loop {
        let start = parser.skip_separators(&mut list);
        if parser.at == text.len() {
            return list;
        }
        let line = parser.line(start);
        match parser.and_or() {
            Ok(node) => list.push(node),
            Err(Lost) => {
                let rest = text[start..].trim().to_owned();
                list.push(Node::Unread(rest, line));
                return list;
            }
        }
    }
}

pub(super) fn ends_word(character: char) -> bool {
    character.is_whitespace() || ";&|<>()".contains(character)
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with(|first: char| first.is_ascii_digit())
        && word
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '_')
}

impl Parser<'_> {
    pub fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub fn line(&mut self, at: usize) -> usize {
        let (known, line) = self.known_line;
        if at >= known {
            let more = self.text[known..at].matches('\n').count();
            self.known_line = (at, line + more);
            return line + more;
        }
        line - self.text[at..known].matches('\n').count()
    }

    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Lost);
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Passes over spaces and comments, but not over the end of a line.
    fn skip_blank(&mut self) {
        loop {
            if self.take("\\\n") {
                continue;
            }
            match self.peek() {
                Some('\n') | None => return,
                Some(one) if one.is_whitespace() => self.at += one.len_utf8(),
                Some('#') => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                Some(_) => return,
            }
        }
    }

    /// Passes over what stands between commands; returns where the next one begins. What runs in
    /// here-documents comes before it.
    fn skip_separators(&mut self, list: &mut List) -> usize {
        loop {
            self.skip_blank();
            match self.peek() {
                Some('\n') => {
                    self.at += 1;
                    self.skip_documents();
                }
                Some(';') if !self.rest().starts_with(";;") => self.at += 1,
                Some('&') => self.at += 1,
                _ => break,
            }
        }
        list.extend(self.inner.drain(..).map(Node::Subshell));
        self.at
    }

    fn skip_newlines(&mut self) {
        loop {
            self.skip_blank();
            if !self.take("\n") {
                return;
            }
            self.skip_documents();
        }
    }

    /// Passes over the here-documents of the line that has just ended.
    fn skip_documents(&mut self) {
        for document in std::mem::take(&mut self.documents) {
            let start = self.at;
            loop {
                let rest = self.rest();
                let line = rest.split('\n').next().unwrap_or_default();
                let (is_end, is_last) = (
                    match document.is_indented {
                        true => line.trim_start_matches('\t') == document.end,
                        false => line == document.end,
                    },
                    line.len() == rest.len(),
                );
                let length = line.len();
                self.at += length + usize::from(!is_last);
                if is_end || is_last {
                    break;
                }
            }
            let body = &self.text[start..self.at];
            if !document.is_quoted && (body.contains("$(") || body.contains('`')) {
                let body = body.trim().to_owned();
                let line = self.line(start);
                self.inner.push(vec![Node::Unread(body, line)]);
            }
        }
    }

    /// Says whether a word stands here, by itself.
    pub fn is_at(&self, word: &str) -> bool {
        let after = self.rest().strip_prefix(word);
        after.is_some_and(|rest| rest.chars().next().is_none_or(ends_word))
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        match self.is_at(word) && self.take(word) {
            true => Ok(()),
            false => Err(Lost),
        }
    }

    /// Reads commands up to one of these words, which is left where it is.
    pub fn list(&mut self, ends: &[&str]) -> Parsed<List> {
        self.within(|parser| {
            let mut list = List::new();
            loop {
                parser.skip_separators(&mut list);
                let is_end = |end: &&str| match *end {
                    ")" | ";;" => parser.rest().starts_with(end),
                    word => parser.is_at(word),
                };
                if ends.iter().any(is_end) {
                    return Ok(list);
                }
                list.push(parser.and_or()?);
            }
        })
    }

    fn and_or(&mut self) -> Parsed<Node> {
        let mut left = self.pipeline()?;
        // Each link goes around all before it, so a chain is as deep as it is long.
        for _ in 0..MAX_DEPTH {
            self.skip_blank();
            let is_and = self.take("&&");
            if !is_and && !self.take("||") {
                // In the background, it is a shell of its own.
                let is_background = self.rest().starts_with('&');
                return Ok(match is_background {
                    true => Node::Subshell(vec![left]),
                    false => left,
                });
            }
            self.skip_newlines();
            let right = Box::new(self.pipeline()?);
            left = match is_and {
                true => Node::And(Box::new(left), right),
                false => Node::Or(Box::new(left), right),
            };
        }
        Err(Lost)
    }

    fn pipeline(&mut self) -> Parsed<Node> {
        self.skip_blank();
        let is_not = self.is_at("!") && self.take("!");
        let mut commands = vec![self.command()?];
        loop {
            self.skip_blank();
            if self.rest().starts_with("||") || !self.take("|") {
                break;
            }
            self.take("&");
            self.skip_newlines();
            commands.push(self.command()?);
        }
        let node = match commands.len() {
            1 => commands.swap_remove(0),
            _ => Node::Pipe(commands),
        };
        Ok(match is_not {
            true => Node::Not(Box::new(node)),
            false => node,
        })
    }

    fn command(&mut self) -> Parsed<Node> {
        self.skip_blank();
        let word: String = {
            let rest = self.rest();
            let end = rest.find(ends_word).unwrap_or(rest.len());
            rest[..end].to_owned()
        };
        let node = match word.as_str() {
            "if" => self.within(Self::conditional)?,
            "for" => self.within(Self::loop_over)?,
            "while" | "until" => self.within(Self::loop_while)?,
            "case" => self.within(Self::case)?,
            "{" => {
                self.at += 1;
                let list = self.list(&["}"])?;
                self.expect("}")?;
                Node::Group(list)
            }
            "function" => return self.within(Self::function),
            "[[" => self.double_bracket()?,
            "select" | "coproc" | "then" | "else" | "elif" | "fi" | "do" | "done" | "esac"
            | "}" | "in" => return Err(Lost),
            _ if self.rest().starts_with("((") => self.arithmetic()?,
            _ if self.take("(") => {
                let list = self.list(&[")"])?;
                self.at += 1;
                Node::Subshell(list)
            }
            _ => return self.within(Self::simple),
        };
        let mut redirected = Simple::default();
        self.skip_blank();
        let start = self.at;
        while self.is_redirection() {
            self.redirection(&mut redirected)?;
            self.skip_blank();
        }
        let inner = self.inner.drain(..).map(Node::Subshell);
        let mut nodes: Vec<_> = inner.chain([node]).collect();
        if !redirected.writes.is_empty() {
            redirected.line = self.line(start);
            redirected.text = self.text[start..self.at].trim().to_owned();
            nodes.insert(0, Node::Simple(redirected));
        }
        Ok(match nodes.len() {
            1 => nodes.swap_remove(0),
            _ => Node::Group(nodes),
        })
    }

    fn conditional(&mut self) -> Parsed<Node> {
        self.at += 2;
        let mut arms = Vec::new();
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            arms.push((condition, self.list(&["elif", "else", "fi"])?));
            if self.is_at("elif") {
                self.at += 4;
                continue;
            }
            let mut otherwise = List::new();
            if self.is_at("else") {
                self.at += 4;
                otherwise = self.list(&["fi"])?;
            }
            self.expect("fi")?;
            return Ok(Node::If(arms, otherwise));
        }
    }

    fn loop_over(&mut self) -> Parsed<Node> {
        self.at += 3;
        self.skip_blank();
        let name = self.name()?;
        self.skip_newlines();
        let mut values = None;
        if self.is_at("in") {
            self.at += 2;
            let values = values.get_or_insert_with(Vec::new);
            loop {
                self.skip_blank();
                match self.peek() {
                    Some('\n' | ';') => break,
                    Some(_) => values.push(self.word()?),
                    None => return Err(Lost),
                }
            }
        }
        // What runs to make the values runs before.
        let mut before: List = self.inner.drain(..).map(Node::Subshell).collect();
        self.skip_separators(&mut before);
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        before.push(Node::For(name, values, body));
        Ok(Node::Group(before))
    }

    fn loop_while(&mut self) -> Parsed<Node> {
        self.at += 5;
        let condition = self.list(&["do"])?;
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(Node::While(condition, body))
    }

    fn case(&mut self) -> Parsed<Node> {
        self.at += 4;
        self.skip_blank();
        let word = self.word()?;
        // What runs to make the word runs before.
        let mut before: List = self.inner.drain(..).map(Node::Subshell).collect();
        self.skip_newlines();
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines();
            if self.is_at("esac") {
                self.at += 4;
                before.push(Node::Case(word, arms));
                return Ok(Node::Group(before));
            }
            self.take("(");
            let mut patterns = Vec::new();
            loop {
                self.skip_blank();
                patterns.push(self.word()?);
                self.skip_blank();
                if self.take(")") {
                    break;
                }
                if !self.take("|") {
                    return Err(Lost);
                }
            }
            let body = self.list(&[";;", "esac"])?;
            self.take(";;");
            arms.push((patterns, body));
        }
    }

    fn function(&mut self) -> Parsed<Node> {
        self.at += "function".len();
        self.skip_blank();
        let name = self.name()?;
        self.skip_blank();
        if self.take("(") && !self.take(")") {
            return Err(Lost);
        }
        self.body(name)
    }

    fn body(&mut self, name: String) -> Parsed<Node> {
        self.skip_newlines();
        let body = self.within(Self::command)?;
        Ok(Node::Function(name, Rc::new(vec![body])))
    }

    fn name(&mut self) -> Parsed<String> {
        let rest = self.rest();
        let end = rest.find(ends_word).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        self.at += end;
        match is_name(&name) {
            true => Ok(name),
            false => Err(Lost),
        }
    }

    /// `[[ ... ]]`, whose operators are no ends of commands.
    fn double_bracket(&mut self) -> Parsed<Node> {
        let start = self.at;
        let mut words = Vec::new();
        loop {
            self.skip_newlines();
            let is_last = self.is_at("]]");
            match self.peek() {
                None => return Err(Lost),
                Some(one) if ends_word(one) => {
                    self.at += one.len_utf8();
                    words.push(vec![Piece::Literal(one.to_string())]);
                }
                Some('[') if words.is_empty() => {
                    self.at += 2;
                    words.push(vec![Piece::Literal("[[".to_owned())]);
                }
                Some(_) => words.push(self.word()?),
            }
            if is_last {
                break;
            }
        }
        Ok(self.finished(start, words))
    }

    /// `((...))`, which changes variables alone.
    fn arithmetic(&mut self) -> Parsed<Node> {
        let start = self.at;
        let end = self.rest().find("))").ok_or(Lost)?;
        self.at += end + 2;
        let text = &self.text[start..self.at];
        if text.contains("$(") || text.contains('`') {
            return Err(Lost);
        }
        let words = vec![vec![Piece::Literal("((".to_owned())], vec![Piece::Unknown]];
        Ok(self.finished(start, words))
    }

    fn finished(&mut self, start: usize, words: Vec<Spelled>) -> Node {
        Node::Simple(Simple {
            words,
            text: self.text[start..self.at].trim().to_owned(),
            line: self.line(start),
            ..Simple::default()
        })
    }

    fn simple(&mut self) -> Parsed<Node> {
        let start = self.at;
        let mut simple = Simple {
            line: self.line(start),
            ..Simple::default()
        };
        loop {
            self.skip_blank();
            if self.is_redirection() {
                self.redirection(&mut simple)?;
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => break,
                Some('(') => {
                    let [name] = &simple.words[..] else {
                        return Err(Lost);
                    };
                    let [Piece::Literal(name)] = &name[..] else {
                        return Err(Lost);
                    };
                    let name = name.clone();
                    self.at += 1;
                    self.skip_blank();
                    if !self.take(")") {
                        return Err(Lost);
                    }
                    return self.body(name);
                }
                Some(_) => {}
            }
            match simple.words.is_empty().then(|| self.assigned()).flatten() {
                Some(name) => {
                    let value = self.assigned_value()?;
                    simple.assignments.push((name, value));
                }
                None => simple.words.push(self.word()?),
            }
        }
        if self.at == start {
            return Err(Lost);
        }
        simple.text = self.text[start..self.at].trim().to_owned();
        let inner = self.inner.drain(..).map(Node::Subshell);
        let mut nodes: Vec<_> = inner.chain([Node::Simple(simple)]).collect();
        Ok(match nodes.len() {
            1 => nodes.swap_remove(0),
            _ => Node::Group(nodes),
        })
    }

    /// Passes over `NAME=` or `NAME+=`.
    fn assigned(&mut self) -> Option<String> {
        let rest = self.rest();
        let end = rest.find(|one: char| !one.is_ascii_alphanumeric() && one != '_')?;
        let (name, after) = rest.split_at(end);
        let operator = ["=", "+="].into_iter().find(|one| after.starts_with(one))?;
        let name = is_name(name).then(|| name.to_owned())?;
        self.at += end + operator.len();
        Some(name)
    }

    fn assigned_value(&mut self) -> Parsed<Spelled> {
        // `NAME+=` keeps what was there.
        if self.text[..self.at].ends_with("+=") {
            self.word()?;
            return Ok(vec![Piece::Unknown]);
        }
        if !self.take("(") {
            return self.word();
        }
        loop {
            self.skip_newlines();
            if self.take(")") {
                return Ok(vec![Piece::Unknown]);
            }
            if self.peek().is_none_or(ends_word) {
                return Err(Lost);
            }
            self.word()?;
        }
    }

    fn is_redirection(&self) -> bool {
        let rest = self.rest();
        let rest = rest.trim_start_matches(|one: char| one.is_ascii_digit());
        let is_process = rest.starts_with("<(") || rest.starts_with(">(");
        (rest.starts_with(['<', '>']) && !is_process) || self.rest().starts_with("&>")
    }

    fn redirection(&mut self, simple: &mut Simple) -> Parsed<()> {
        while self.peek().is_some_and(|one| one.is_ascii_digit()) {
            self.at += 1;
        }
        if self.take("<<<") {
            self.skip_blank();
            return self.word().map(drop);
        }
        if self.take("<<") {
            let is_indented = self.take("-");
            self.skip_blank();
            let start = self.at;
            let word = self.word()?;
            let is_quoted = self.text[start..self.at].contains(['\'', '"', '\\']);
            let mut pieces = word.iter().map(|piece| match piece {
                Piece::Literal(text) => Some(text.as_str()),
                _ => None,
            });
            let end = pieces.by_ref().collect::<Option<String>>().ok_or(Lost)?;
            self.documents.push(Document {
                end,
                is_quoted,
                is_indented,
            });
            return Ok(());
        }
        let is_read = self.rest().starts_with('<') && !self.rest().starts_with("<>");
        for operator in ["&>>", "&>", ">>", ">|", ">&", "<>", "<&", ">", "<"] {
            if self.take(operator) {
                break;
            }
        }
        self.skip_blank();
        let is_descriptor = self.text[..self.at].trim_end().ends_with('&');
        let target = self.word()?;
        let names_descriptor = is_descriptor
            && matches!(&target[..], [Piece::Literal(text)]
                if text.chars().all(|one| one.is_ascii_digit() || one == '-'));
        if !is_read && !names_descriptor {
            simple.writes.push(target);
        }
        Ok(())
    }
}
