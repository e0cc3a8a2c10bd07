//! A script is followed from its beginning to its end, with the values that variables have.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::condition::{self, Outcome};
use super::parse::{self, List, Node, Simple};
use super::word::{Piece, Spelled, Variables};
use super::{Command, Reach, Word};

/// Most commands that are followed, those of loops and functions each time.
const MAX_STEPS: usize = 20_000;
/// Functions and scripts within each other that are followed.
const MAX_CALLS: usize = 12;
/// Shells, which read a script that they are given.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "ksh"];
/// Directories of the system's commands.
const STANDARD: [&str; 6] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
];
/// Commands that run the one after them.
const PREFIXES: [&str; 6] = ["command", "builtin", "nohup", "env", "time", "exec"];
/// What sets variables, or takes them or functions away, in ways that are not followed.
const UNFOLLOWED: [&str; 10] = [
    "((",
    "let ",
    "getopts",
    "printf -v",
    "wait -p",
    "unset",
    "typeset",
    "declare",
    "+=",
    "export $",
];
/// How often a loop is followed until nothing that it sets changes any more.
const ROUNDS: usize = 8;
/// Commands whose arguments are assignments.
const DECLARING: [&str; 5] = ["local", "export", "readonly", "declare", "typeset"];

/// Returns the commands of a script that is given these arguments, if they are known.
pub fn commands(script: &str, arguments: Option<&[Word]>) -> Vec<Command> {
    let mut walker = Walker {
        variables: Variables::default(),
        functions: BTreeMap::new(),
        arguments: arguments.map(<[Word]>::to_vec),
        reach: Reach::Runs,
        floor: Reach::Runs,
        commands: Vec::new(),
        calls: 0,
        is_failure: false,
        is_led_astray: false,
        is_silent: false,
        steps: 0,
    };
    if UNFOLLOWED.iter().any(|one| script.contains(one)) {
        walker.variables.lose();
    }
    walker.is_led_astray = script.contains("unset") && script.contains("()");
    walker.list(&parse::script(script, 1, 0));
    if walker.steps >= MAX_STEPS {
        walker.is_silent = false;
        walker.push(unread(script.trim().to_owned(), 1, Reach::Unknown));
    }
    walker.commands
}

struct Walker {
    variables: Variables,
    functions: BTreeMap<String, Rc<List>>,
    arguments: Option<Vec<Word>>,
    reach: Reach,
    /// What the rest of the script is reached by, at best: it may have ended before.
    floor: Reach,
    commands: Vec<Command>,
    calls: usize,
    /// What is being followed is for when a command fails.
    is_failure: bool,
    /// Names of commands may mean others than they say.
    is_led_astray: bool,
    /// What is being followed is followed once more, and listed then.
    is_silent: bool,
    steps: usize,
}

fn unread(text: String, line: usize, reach: Reach) -> Command {
    Command {
        words: Vec::new(),
        writes: Vec::new(),
        text,
        line,
        reach,
        is_read: false,
    }
}

impl Walker {
    fn list(&mut self, list: &[Node]) -> Outcome {
        let mut outcome = Outcome::True;
        for node in list {
            outcome = self.node(node);
        }
        outcome
    }

    fn now(&self) -> Reach {
        self.reach.max(self.floor)
    }

    /// Follows what runs in a shell of its own, whose end and whose functions are not those of this one.
    fn apart(&mut self, follow: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        let floor = self.floor;
        let functions = self.functions.clone();
        let outcome = follow(self);
        self.floor = floor;
        self.functions = functions;
        outcome
    }

    /// Follows commands that are reached only so.
    fn under(&mut self, reach: Reach, list: &[Node]) -> Outcome {
        let outer = self.reach;
        self.reach = outer.max(reach);
        let outcome = self.list(list);
        self.reach = outer;
        outcome
    }

    fn node(&mut self, node: &Node) -> Outcome {
        self.steps += 1;
        if self.steps >= MAX_STEPS {
            return Outcome::Unknown;
        }
        match node {
            Node::Simple(simple) => self.simple(simple),
            Node::Not(inner) => self.node(inner).not(),
            Node::And(one, other) => {
                let outcome = self.node(one);
                let after = self.either(outcome.reach(), std::slice::from_ref(other));
                match (outcome, after) {
                    (Outcome::True | Outcome::Done, after) => after,
                    (Outcome::False, _) => Outcome::False,
                    (Outcome::There, Outcome::True | Outcome::There) => Outcome::There,
                    _ => Outcome::Unknown,
                }
            }
            Node::Or(one, other) => {
                let outcome = self.node(one);
                let is_failure = outcome == Outcome::Done;
                let outer = std::mem::replace(&mut self.is_failure, is_failure);
                let after = self.either(outcome.not().reach(), std::slice::from_ref(other));
                self.is_failure = outer;
                match (outcome, after) {
                    (Outcome::True, _) => Outcome::True,
                    (Outcome::False, after) => after,
                    (Outcome::Done, _) => Outcome::Done,
                    (_, Outcome::True) => Outcome::True,
                    (Outcome::There, Outcome::There) => Outcome::There,
                    _ => Outcome::Unknown,
                }
            }
            Node::Pipe(commands) => {
                let before = self.variables.clone();
                for command in commands {
                    self.apart(|walker| walker.node(command));
                }
                self.variables.join(&before);
                Outcome::Unknown
            }
            Node::If(arms, otherwise) => self.conditional(arms, otherwise),
            Node::For(name, values, body) => self.loop_over(name, values.as_deref(), body),
            Node::While(condition, body) => {
                self.again(&mut |walker| {
                    walker.list(condition);
                    walker.either(Reach::Unknown, body);
                });
                Outcome::Unknown
            }
            Node::Case(word, arms) => self.case(word, arms),
            Node::Group(list) => self.list(list),
            Node::Subshell(list) => {
                let before = self.variables.clone();
                let outcome = self.apart(|walker| walker.list(list));
                self.variables = before;
                outcome
            }
            Node::Function(name, body) => {
                if self.now() == Reach::Runs {
                    self.functions.insert(name.clone(), Rc::clone(body));
                } else if self.now() != Reach::Never {
                    // Which function it is that is called so is not known.
                    self.functions.insert(
                        name.clone(),
                        Rc::new(vec![Node::Unread(format!("{name}()"), 1)]),
                    );
                }
                Outcome::True
            }
            Node::Unread(text, line) => {
                self.variables.forget();
                self.functions.clear();
                self.push(unread(text.clone(), *line, self.now()));
                Outcome::Unknown
            }
        }
    }

    /// Follows commands that may be reached or not: afterwards a variable is known if it is the same
    /// either way.
    fn either(&mut self, reach: Reach, list: &[Node]) -> Outcome {
        let before = self.variables.clone();
        let outcome = self.under(reach, list);
        match reach {
            Reach::Runs => {}
            Reach::Never => self.variables = before,
            Reach::IfThere | Reach::Unknown => self.variables.join(&before),
        }
        outcome
    }

    fn conditional(&mut self, arms: &[(List, List)], otherwise: &List) -> Outcome {
        let outer = self.reach;
        let mut ends: Vec<Variables> = Vec::new();
        let mut outcomes = Vec::new();
        let no_condition = List::new();
        let last = [(no_condition, otherwise.clone())];
        for (condition, body) in arms.iter().chain(&last) {
            let outcome = self.list(condition);
            let before = self.variables.clone();
            let reach = outcome.reach();
            outcomes.push(self.under(reach, body));
            if reach != Reach::Never && self.reach != Reach::Never {
                ends.push(self.variables.clone());
            }
            self.variables = before;
            // The next one is reached if this condition does not hold.
            self.reach = self.reach.max(outcome.not().reach());
        }
        self.reach = outer;
        let mut ends = ends.into_iter();
        if let Some(mut joined) = ends.next() {
            for end in ends {
                joined.join(&end);
            }
            self.variables = joined;
        }
        match outcomes[..] {
            [one, other] if one == other => one,
            _ => Outcome::Unknown,
        }
    }

    fn loop_over(&mut self, name: &str, values: Option<&[Spelled]>, body: &List) -> Outcome {
        let values: Vec<Word> = match values {
            Some(values) => (values.iter())
                .flat_map(|value| self.variables.expand(value, self.arguments.as_deref()))
                .collect(),
            None => self.arguments.clone().unwrap_or_else(|| vec![None]),
        };
        let are_known = values.iter().all(Option::is_some);
        if are_known {
            for value in values {
                self.variables.set(name, value);
                self.list(body);
            }
            return Outcome::Unknown;
        }
        self.again(&mut |walker| {
            walker.variables.set(name, None);
            walker.either(Reach::Unknown, body);
        });
        Outcome::Unknown
    }

    /// Follows what is done again and again until what is set at its end, and holds at its beginning,
    /// does not change any more.
    fn again(&mut self, once: &mut dyn FnMut(&mut Self)) {
        let before = self.variables.clone();
        let is_silent = std::mem::replace(&mut self.is_silent, true);
        let is_settled = (0..ROUNDS).any(|_| {
            let begun = self.variables.clone();
            once(self);
            self.variables.join(&before);
            self.variables == begun
        });
        if !is_settled {
            self.variables.forget();
        }
        self.is_silent = is_silent;
        once(self);
        self.variables.join(&before);
    }

    fn case(&mut self, word: &Spelled, arms: &[(Vec<Spelled>, List)]) -> Outcome {
        let value = self.variables.value(word, self.arguments.as_deref());
        let mut is_decided = false;
        let before = self.variables.clone();
        let mut ends = Vec::new();
        for (patterns, body) in arms {
            let fits = patterns.iter().map(|pattern| match &pattern[..] {
                [Piece::Pattern(star)] if star == "*" => Outcome::True,
                _ => match (
                    &value,
                    self.variables.value(pattern, self.arguments.as_deref()),
                ) {
                    (Some(value), Some(pattern)) if *value == pattern => Outcome::True,
                    (Some(_), Some(_)) => Outcome::False,
                    _ => Outcome::Unknown,
                },
            });
            let fits = fits.fold(Outcome::False, |one, other| match (one, other) {
                (Outcome::True, _) | (_, Outcome::True) => Outcome::True,
                (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
                _ => Outcome::False,
            });
            let reach = match (is_decided, fits) {
                (true, _) | (_, Outcome::False) => Reach::Never,
                (_, Outcome::True) if ends.is_empty() => Reach::Runs,
                _ => Reach::Unknown,
            };
            self.variables = before.clone();
            self.under(reach, body);
            if reach != Reach::Never {
                ends.push(self.variables.clone());
            }
            is_decided |= fits == Outcome::True;
        }
        self.variables = before;
        if !is_decided || ends.is_empty() {
            ends.push(self.variables.clone());
        }
        let mut ends = ends.into_iter();
        if let Some(mut joined) = ends.next() {
            for end in ends {
                joined.join(&end);
            }
            self.variables = joined;
        }
        Outcome::Unknown
    }

    fn simple(&mut self, simple: &Simple) -> Outcome {
        let expand = |word: &Spelled| self.variables.expand(word, self.arguments.as_deref());
        let mut words: Vec<Word> = simple.words.iter().flat_map(expand).collect();
        let value = |word: &Spelled| self.variables.value(word, self.arguments.as_deref());
        let writes = simple.writes.iter().map(value).collect();
        let mut assigned: Vec<(String, Word)> = (simple.assignments.iter())
            .map(|(name, spelled)| (name.clone(), value(spelled)))
            .collect();
        // Beside a command a value holds for that alone; what else reads it is not known.
        if !simple.words.is_empty() {
            assigned.iter_mut().for_each(|(_, value)| *value = None);
        }
        // How the command itself is split into words does not change.
        let leads_astray = (simple.assignments.iter())
            .any(|(name, value)| misleads(name, value) && (name != "IFS" || words.is_empty()));
        if is_declaring(&words) {
            let declared = simple.words.iter().skip(1);
            assigned.extend(declared.filter_map(|word| declared_value(word, &value)));
        }
        let spelled = simple.words.iter().flatten();
        assigned.extend(spelled.filter_map(|piece| match piece {
            Piece::Sets(name) => Some((name.clone(), None)),
            _ => None,
        }));
        for (name, value) in assigned {
            self.variables.set(&name, value);
        }
        let is_last = strip(&mut words);
        let called = (words.first().and_then(Option::as_deref))
            .and_then(|program| self.functions.get(program))
            .cloned();
        let script = inner_script(&words).filter(|_| self.calls < MAX_CALLS);
        // What others do for it is listed for itself.
        let is_listed = called.is_some() || script.is_some();
        self.push(Command {
            words: if is_listed { Vec::new() } else { words.clone() },
            writes,
            text: simple.text.clone(),
            line: simple.line,
            reach: self.now(),
            is_read: !(self.is_led_astray || leads_astray && !words.is_empty()),
        });
        let declared = simple.words.iter().any(|word| match &word[..] {
            [Piece::Literal(begin), ..] => begin
                .split_once('=')
                .is_some_and(|(name, _)| misleads(name, word)),
            _ => false,
        });
        self.is_led_astray |= leads_astray && words.is_empty() || declared && is_declaring(&words);
        if let Some(body) = called {
            return self.call(&body, words.split_off(1));
        }
        if let Some(script) = script {
            let list = parse::script(&script, simple.line, 0);
            self.calls += 1;
            let outcome = self.node(&Node::Subshell(list));
            self.calls -= 1;
            return outcome;
        }
        let outcome = self.effect(&words);
        if is_last {
            self.end();
        }
        outcome
    }

    /// Does what a command does to the script itself, and returns its outcome.
    fn effect(&mut self, words: &[Word]) -> Outcome {
        let Some(program) = words.first() else {
            return Outcome::True;
        };
        let rest = words.get(1..).unwrap_or_default();
        match program.as_deref() {
            Some("exit" | "return") => {
                self.end();
                return Outcome::Unknown;
            }
            Some("eval" | "source" | ".") => {
                self.variables.forget();
                self.functions.clear();
            }
            Some("alias" | "enable" | "shopt") => self.is_led_astray = true,
            Some("hash") if !rest.is_empty() => self.is_led_astray = true,
            Some("set") => match rest {
                [Some(option)] if option.starts_with(['-', '+']) && option != "--" => {}
                _ => self.arguments = None,
            },
            Some("shift" | "getopts") => self.arguments = None,
            Some("unset" | "read" | "mapfile" | "readarray") => {
                for word in rest {
                    match word {
                        Some(name) => self.variables.set(name, None),
                        None => self.variables.forget(),
                    }
                }
            }
            _ => {}
        }
        condition::of(words)
    }

    fn call(&mut self, body: &[Node], arguments: Vec<Word>) -> Outcome {
        if self.calls >= MAX_CALLS {
            self.steps = MAX_STEPS;
            return Outcome::Unknown;
        }
        self.calls += 1;
        let arguments = self.arguments.replace(arguments);
        let floor = self.floor;
        let before = self.variables.clone();
        let outcome = self.list(body);
        self.floor = floor;
        // What it sets may be its own alone.
        self.variables.join(&before);
        self.arguments = arguments;
        self.calls -= 1;
        outcome
    }

    /// The script ends here, if it gets here.
    fn end(&mut self) {
        self.floor = match (self.now(), self.is_failure) {
            (Reach::Runs, _) => Reach::Never,
            (Reach::Never, _) | (_, true) => self.floor,
            (reach, false) => self.floor.max(reach),
        };
    }

    fn push(&mut self, command: Command) {
        if !self.is_silent {
            self.commands.push(command);
        }
    }
}

fn is_declaring(words: &[Word]) -> bool {
    let program = words.first().and_then(Option::as_deref);
    program.is_some_and(|program| DECLARING.contains(&program))
}

/// Says whether a variable makes other programs of the same names run.
fn misleads(name: &str, value: &Spelled) -> bool {
    if name.starts_with("LD_") || ["BASH_ENV", "ENV", "IFS"].contains(&name) {
        return true;
    }
    let literals = value.iter().filter_map(|piece| match piece {
        Piece::Literal(text) => Some(text.strip_prefix("PATH=").unwrap_or(text)),
        _ => None,
    });
    let mut directories = literals.flat_map(|text| text.split(':'));
    name == "PATH"
        && directories.any(|directory| !directory.is_empty() && !STANDARD.contains(&directory))
}

/// Returns the variable that an argument such as `NAME=VALUE` sets.
fn declared_value(word: &Spelled, value: &dyn Fn(&Spelled) -> Word) -> Option<(String, Word)> {
    let [Piece::Literal(begin), ..] = &word[..] else {
        return None;
    };
    let (name, _) = begin.split_once('=')?;
    let value = value(word).map(|text| text[name.len() + 1..].to_owned());
    Some((name.to_owned(), value))
}

/// Takes from a command what only runs it; says whether nothing runs after it.
fn strip(words: &mut Vec<Word>) -> bool {
    let mut is_last = false;
    loop {
        let [Some(first), Some(second), ..] = &words[..] else {
            return is_last;
        };
        let runs = PREFIXES.contains(&first.as_str()) && !second.starts_with('-');
        let is_setting = first.contains('=') && !first.starts_with('/');
        if !runs && !is_setting {
            return is_last;
        }
        is_last |= first == "exec";
        words.remove(0);
    }
}

/// Returns the script that `sh -c` is given.
fn inner_script(words: &[Word]) -> Option<String> {
    let [Some(program), Some(option), Some(script)] = words else {
        return None;
    };
    let program = program.rsplit('/').next()?;
    (SHELLS.contains(&program) && option == "-c").then(|| script.clone())
}
