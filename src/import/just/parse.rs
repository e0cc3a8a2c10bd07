//! The part of a justfile that counts: what its variables are, which files it imports, and which
//! recipes it has. See <https://just.systems/man/en/>; what has to be run to be known is not known.

/// What a variable is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A string.
    Text(String),
    /// The value of a variable.
    Variable(String),
    /// The architecture, as Rust has it.
    Architecture,
    /// What only running it would tell.
    Unknown,
}

/// A statement of a justfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A variable and its value, which is these terms after each other.
    Variable(String, Vec<Term>),
    /// A file that is imported; `true` if it must be there.
    Import(String, bool),
    /// A recipe, and whether it has commands.
    Recipe(String, bool),
    /// Something else.
    Other(String),
}

/// Reads the statements, each with its line.
pub fn parse(text: &str) -> Vec<(usize, Statement)> {
    let mut reader = Reader { text, at: 0 };
    let mut statements = Vec::new();
    while reader.at < text.len() {
        let line = 1 + text
            .get(..reader.at)
            .unwrap_or_default()
            .matches('\n')
            .count();
        if let Some(statement) = reader.statement() {
            statements.push((line, statement));
        }
    }
    statements
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the rest of the line, its newline included.
    fn line(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = rest.get(..end).unwrap_or_default().trim_end().to_owned();
        self.at += end;
        line
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default().to_owned();
        self.at += end;
        word
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    fn statement(&mut self) -> Option<Statement> {
        let rest = self.rest();
        if rest.starts_with(['#', '\n', '\r', ' ', '\t', '[']) {
            // Comments, empty lines, the commands of a recipe, attributes.
            self.line();
            return None;
        }
        let start = self.at;
        self.takes("@");
        let mut word = self.word();
        if word == "export" {
            self.skip_blanks();
            word = self.word();
        }
        if word == "import" {
            let must_be = !self.takes("?");
            self.skip_blanks();
            let path = self.string();
            self.line();
            return Some(path.map_or_else(
                || Statement::Other(word),
                |path| Statement::Import(path, must_be),
            ));
        }
        self.skip_blanks();
        if !word.is_empty() && self.takes(":=") {
            if matches!(word.as_str(), "set" | "alias") {
                self.line();
                return None;
            }
            let terms = self.expression();
            self.line();
            return Some(Statement::Variable(word, terms));
        }
        self.at = start;
        let line = self.line();
        if word.is_empty() {
            return Some(Statement::Other(line));
        }
        if matches!(word.as_str(), "set" | "alias" | "unexport") {
            return None;
        }
        if word == "mod" || !line.contains(':') {
            return Some(Statement::Other(line));
        }
        // A header may go on after a backslash.
        let mut header = line;
        while header.ends_with('\\') && !self.rest().is_empty() {
            header = self.line();
        }
        let has_commands = self.rest().starts_with([' ', '\t']);
        Some(Statement::Recipe(word, has_commands))
    }

    fn expression(&mut self) -> Vec<Term> {
        let mut terms = Vec::new();
        loop {
            self.skip_blanks();
            terms.push(self.term());
            self.skip_blanks();
            if !self.takes("+") {
                break;
            }
            // An expression goes on in the next line after an operator.
            while self.rest().starts_with(['\n', '\r', ' ', '\t']) {
                self.at += 1;
            }
        }
        let rest = self.rest();
        let is_over = rest.is_empty() || rest.starts_with(['\n', '\r', '#']);
        if !is_over {
            terms.push(Term::Unknown);
        }
        terms
    }

    fn term(&mut self) -> Term {
        if let Some(text) = self.string() {
            return Term::Text(text);
        }
        let word = self.word();
        if self.takes("(") {
            return match (word.as_str(), self.takes(")")) {
                ("arch", true) => Term::Architecture,
                _ => Term::Unknown,
            };
        }
        match word.is_empty() || word == "if" {
            true => Term::Unknown,
            false => Term::Variable(word),
        }
    }

    /// Takes a string, if one begins here; it may be of several lines.
    fn string(&mut self) -> Option<String> {
        let rest = self.rest();
        let quote = ["\"\"\"", "'''", "\"", "'"]
            .into_iter()
            .find(|quote| rest.starts_with(quote))?;
        let is_raw = quote.starts_with('\'');
        let mut text = String::new();
        let mut at = quote.len();
        loop {
            let rest = rest.get(at..)?;
            if rest.starts_with(quote) {
                at += quote.len();
                break;
            }
            let mut characters = rest.chars();
            let c = characters.next()?;
            at += c.len_utf8();
            if c != '\\' || is_raw {
                text.push(c);
                continue;
            }
            let escaped = characters.next()?;
            at += escaped.len_utf8();
            match escaped {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '\n' => {}
                other => text.push(other),
            }
        }
        self.at += at;
        match quote.len() {
            3 => Some(unindented(&text)),
            _ => Some(text),
        }
    }
}

/// A string of three quotes without the white space that its lines have in common.
fn unindented(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let filled = text.lines().filter(|line| !line.trim().is_empty());
    let indent = filled
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        use Statement::{Import, Other, Recipe, Variable};
        let text = |text: &str| Term::Text(text.to_owned());
        for (given, expected) in [
            (
                "a := \"b\"\n",
                vec![(1, Variable("a".into(), vec![text("b")]))],
            ),
            (
                "a := \"\nb\nc\n\"\n\nd := 'e\\n'",
                vec![
                    (1, Variable("a".into(), vec![text("\nb\nc\n")])),
                    (6, Variable("d".into(), vec![text("e\\n")])),
                ],
            ),
            (
                "export A:=\"b\\\"\\t\" # c",
                vec![(1, Variable("A".into(), vec![text("b\"\t")]))],
            ),
            (
                "a := '''\n  b\n   c\n'''",
                vec![(1, Variable("a".into(), vec![text("b\n c\n")]))],
            ),
            (
                "a := \"b\" + c +\n  arch()",
                vec![(
                    1,
                    Variable(
                        "a".into(),
                        vec![text("b"), Term::Variable("c".into()), Term::Architecture],
                    ),
                )],
            ),
            (
                "a := `date`\n",
                vec![(1, Variable("a".into(), vec![Term::Unknown, Term::Unknown]))],
            ),
            (
                "a := env('B', '')\n",
                vec![(1, Variable("a".into(), vec![Term::Unknown, Term::Unknown]))],
            ),
            (
                "import '../sysext.just'\nimport? \"x\"",
                vec![
                    (1, Import("../sysext.just".into(), true)),
                    (2, Import("x".into(), false)),
                ],
            ),
            (
                "# c\nset x := true\nall: default\n\nb-c d=e: \\\n  (f) \\\n  g\n    h\n",
                vec![
                    (3, Recipe("all".into(), false)),
                    (5, Recipe("b-c".into(), true)),
                ],
            ),
            (
                "[private]\n@x:\n  y\nmod z\n",
                vec![(2, Recipe("x".into(), true)), (4, Other("mod z".into()))],
            ),
            (
                "a := \"never ends",
                vec![(1, Variable("a".into(), vec![Term::Unknown, Term::Unknown]))],
            ),
            ("}{\n", vec![(1, Other("}{".into()))]),
        ] {
            assert_eq!(parse(given), expected, "{given:?}");
        }
    }
}
