//! How words are quoted, and what is expanded in them.

use super::parse::{Lost, Parsed, Parser, ends_word, script};
use super::word::{OPERATORS, Piece, Spelled, Variable};

impl Parser<'_> {
    pub fn word(&mut self) -> Parsed<Spelled> {
        let mut word = Spelled::new();
        let start = self.at;
        if self.is_at("[") {
            self.at += 1;
            return Ok(vec![Piece::Literal("[".to_owned())]);
        }
        while let Some(next) = self.peek() {
            let is_process = self.rest().starts_with("<(") || self.rest().starts_with(">(");
            if is_process {
                self.at += 2;
                self.substitution()?;
                word.push(Piece::Unknown);
                continue;
            }
            if ends_word(next) {
                break;
            }
            let is_first = self.at == start;
            self.at += next.len_utf8();
            match next {
                '\\' => match self.next() {
                    Some('\n') => {}
                    Some(next) => literal(&mut word, next),
                    None => return Err(Lost),
                },
                '\'' => {
                    let end = self.rest().find('\'').ok_or(Lost)?;
                    let text = self.rest()[..end].to_owned();
                    self.at += end + 1;
                    word.push(Piece::Literal(text));
                }
                '"' => self.double_quoted(&mut word)?,
                '$' => {
                    let piece = self.dollar(false)?;
                    word.push(piece);
                }
                '`' => {
                    self.backquoted()?;
                    word.push(Piece::Unknown);
                }
                '*' | '?' | '[' => word.push(Piece::Pattern(next.to_string())),
                '{' if !self.rest().starts_with('}') => {
                    word.push(Piece::Pattern(next.to_string()));
                }
                '~' if is_first => word.push(Piece::Unknown),
                one => literal(&mut word, one),
            }
        }
        if self.at == start {
            // An empty value, as in `NAME=`.
            return match self.text[..start].ends_with('=') {
                true => Ok(vec![Piece::Literal(String::new())]),
                false => Err(Lost),
            };
        }
        // Neighbours become one.
        let mut joined = Spelled::new();
        for piece in word {
            match (joined.last_mut(), piece) {
                (Some(Piece::Literal(before)), Piece::Literal(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        if joined.is_empty() {
            joined.push(Piece::Literal(String::new()));
        }
        Ok(joined)
    }

    fn double_quoted(&mut self, word: &mut Spelled) -> Parsed<()> {
        word.push(Piece::Literal(String::new()));
        loop {
            match self.next().ok_or(Lost)? {
                '"' => return Ok(()),
                '\\' => match self.next().ok_or(Lost)? {
                    '\n' => {}
                    next @ ('"' | '\\' | '$' | '`') => literal(word, next),
                    next => {
                        literal(word, '\\');
                        literal(word, next);
                    }
                },
                '$' => {
                    let piece = self.dollar(true)?;
                    word.push(piece);
                }
                '`' => {
                    self.backquoted()?;
                    word.push(Piece::Unknown);
                }
                one => literal(word, one),
            }
        }
    }

    /// Reads the commands of `$(...)`, whose beginning was read.
    fn substitution(&mut self) -> Parsed<()> {
        let outer = std::mem::take(&mut self.inner);
        let list = self.list(&[")"])?;
        self.at += 1;
        self.inner = outer;
        self.inner.push(list);
        Ok(())
    }

    fn backquoted(&mut self) -> Parsed<()> {
        let start = self.at;
        let mut text = String::new();
        loop {
            match self.next().ok_or(Lost)? {
                '`' => break,
                '\\' => match self.next().ok_or(Lost)? {
                    next @ ('`' | '\\' | '$') => text.push(next),
                    next => text.extend(['\\', next]),
                },
                one => text.push(one),
            }
        }
        let line = self.line(start);
        self.inner.push(script(&text, line, self.depth + 1));
        Ok(())
    }

    /// Takes what follows a dollar sign.
    fn dollar(&mut self, is_quoted: bool) -> Parsed<Piece> {
        let variable = |name: &str| {
            Piece::Variable(Variable {
                name: name.to_owned(),
                is_quoted,
                change: None,
            })
        };
        if self.take("((") {
            let end = self.rest().find("))").ok_or(Lost)?;
            let text = &self.rest()[..end];
            if text.contains("$(") || text.contains('`') {
                return Err(Lost);
            }
            self.at += end + 2;
            return Ok(Piece::Unknown);
        }
        if self.take("(") {
            self.substitution()?;
            return Ok(Piece::Unknown);
        }
        if self.take("{") {
            return self.braced(is_quoted);
        }
        match self.peek() {
            Some('@' | '*') => {
                self.at += 1;
                Ok(Piece::Arguments)
            }
            Some(one) if one.is_ascii_digit() => {
                self.at += 1;
                Ok(variable(one.encode_utf8(&mut [0; 4])))
            }
            Some('#' | '?' | '$' | '!' | '-') => {
                self.at += 1;
                Ok(Piece::Unknown)
            }
            Some('\'' | '"') if !is_quoted => Err(Lost),
            Some(one) if one.is_ascii_alphabetic() || one == '_' => {
                let rest = self.rest();
                let end = rest.find(|one: char| !one.is_ascii_alphanumeric() && one != '_');
                let name = rest[..end.unwrap_or(rest.len())].to_owned();
                self.at += name.len();
                Ok(variable(&name))
            }
            _ => Ok(Piece::Literal("$".to_owned())),
        }
    }

    /// Takes the rest of `${NAME...}`.
    fn braced(&mut self, is_quoted: bool) -> Parsed<Piece> {
        let start = self.at;
        let mut open = 1;
        while open > 0 {
            match self.next().ok_or(Lost)? {
                '{' => open += 1,
                '}' => open -= 1,
                '\\' => drop(self.next()),
                '\'' | '"' | '`' => return Err(Lost),
                _ => {}
            }
        }
        let inside = &self.text[start..self.at - 1];
        if inside.contains("$(") {
            return Err(Lost);
        }
        let end = inside.find(|one: char| !one.is_ascii_alphanumeric() && one != '_');
        let (name, change) = inside.split_at(end.unwrap_or(inside.len()));
        let operator = OPERATORS.iter().find(|one| change.starts_with(**one));
        let change = match (change, operator) {
            ("", _) => None,
            (_, Some(operator)) => Some((*operator, change[operator.len()..].to_owned())),
            // `${NAME:=VALUE}` gives it a value.
            _ if change.trim_start_matches(':').starts_with('=') => {
                return Ok(Piece::Sets(name.to_owned()));
            }
            _ => return Ok(Piece::Unknown),
        };
        let is_plain = |(_, operand): &(&str, String)| !operand.contains(['$', '\\']);
        if name.is_empty() || !change.as_ref().is_none_or(is_plain) {
            return Ok(Piece::Unknown);
        }
        Ok(Piece::Variable(Variable {
            name: name.to_owned(),
            is_quoted,
            change,
        }))
    }
}

fn literal(word: &mut Spelled, character: char) {
    match word.last_mut() {
        Some(Piece::Literal(text)) => text.push(character),
        _ => word.push(Piece::Literal(character.to_string())),
    }
}
