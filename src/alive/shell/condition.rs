//! Questions that scripts ask, and what is known of the answers when a package is installed for the
//! first time.

use super::{Reach, Word};

/// What is known of the outcome of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    True,
    False,
    /// It does something, which succeeds as a rule.
    Done,
    /// It asks whether something is on the host.
    There,
    Unknown,
}

impl Outcome {
    pub fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Done => Self::Unknown,
            other => other,
        }
    }

    /// Says whether an installation gets to what follows from it.
    pub fn reach(self) -> Reach {
        match self {
            Self::True | Self::Done => Reach::Runs,
            Self::There => Reach::IfThere,
            Self::Unknown => Reach::Unknown,
            Self::False => Reach::Never,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, one) | (one, Self::True) => one,
            (Self::There, Self::There) => Self::There,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// What an older version of a package leaves, which is not there the first time.
const LEFT: [&str; 3] = [".rpmsave", ".rpmnew", ".rpmorig"];
/// Commands that ask whether a program, an account or the system is there.
const ASKING: [&str; 6] = ["command", "which", "type", "hash", "getent", "id"];
/// Commands that do what they are for, as a rule: what follows `&&` is done, too.
const DOING: [&str; 30] = [
    "cd",
    "chgrp",
    "chkconfig",
    "chmod",
    "chown",
    "cp",
    "echo",
    "export",
    "groupadd",
    "install",
    "ldconfig",
    "ln",
    "local",
    "mkdir",
    "mv",
    "printf",
    "pushd",
    "popd",
    "rm",
    "rmdir",
    "sed",
    "set",
    "setcap",
    "systemctl",
    "touch",
    "udevadm",
    "umask",
    "update-alternatives",
    "useradd",
    "usermod",
];

/// Returns what is known of the outcome of a command.
pub(super) fn of(words: &[Word]) -> Outcome {
    let Some(Some(program)) = words.first() else {
        return Outcome::Unknown;
    };
    let program = program.rsplit('/').next().unwrap_or_default();
    let first = words.get(1).and_then(Option::as_deref);
    match program {
        "true" | ":" => Outcome::True,
        "false" => Outcome::False,
        "[" => match words.last() {
            Some(Some(last)) if last == "]" && words.len() > 1 => test(&words[1..words.len() - 1]),
            _ => Outcome::Unknown,
        },
        "[[" => match words.last() {
            Some(Some(last)) if last == "]]" && words.len() > 1 => {
                double(&words[1..words.len() - 1])
            }
            _ => Outcome::Unknown,
        },
        "test" => test(&words[1..]),
        "command" if first != Some("-v") && first != Some("-V") => Outcome::Unknown,
        "systemctl" if first.is_some_and(|verb| verb.starts_with("is-")) => Outcome::There,
        _ if ASKING.contains(&program) => Outcome::There,
        _ if DOING.contains(&program) => Outcome::Done,
        _ => Outcome::Unknown,
    }
}

/// `[[ ... ]]` compares with patterns, and has operators that `test` does not.
fn double(words: &[Word]) -> Outcome {
    let is_more = |word: &Word| {
        word.as_deref()
            .is_some_and(|word| ["&", "|", "<", ">", "(", ")", "=~"].contains(&word))
    };
    match words.iter().any(is_more) {
        true => Outcome::Unknown,
        false => test(words),
    }
}

/// What test(1) says of an expression.
fn test(words: &[Word]) -> Outcome {
    let is = |index: usize, text: &str| words.get(index).and_then(Option::as_deref) == Some(text);
    match words {
        [] => Outcome::False,
        [Some(word)] => truth(!word.is_empty()),
        [None] => Outcome::Unknown,
        [_, rest @ ..] if is(0, "!") => test(rest).not(),
        [operator, operand] => unary(operator.as_deref(), operand.as_deref()),
        [one, operator, other] if !is(1, "-a") && !is(1, "-o") => {
            binary(one.as_deref(), operator.as_deref(), other.as_deref())
        }
        _ => {
            // `-a` binds stronger.
            let split = |operator: &str| {
                let mut places = 1..words.len().saturating_sub(1);
                places.find(|place| is(*place, operator))
            };
            match (split("-o"), split("-a")) {
                (Some(place), _) => test(&words[..place]).or(test(&words[place + 1..])),
                (None, Some(place)) => test(&words[..place]).and(test(&words[place + 1..])),
                (None, None) => Outcome::Unknown,
            }
        }
    }
}

fn truth(is_true: bool) -> Outcome {
    match is_true {
        true => Outcome::True,
        false => Outcome::False,
    }
}

fn unary(operator: Option<&str>, operand: Option<&str>) -> Outcome {
    let Some(operator) = operator else {
        return Outcome::Unknown;
    };
    match (operator, operand) {
        ("-n", Some(word)) => truth(!word.is_empty()),
        ("-z", Some(word)) => truth(word.is_empty()),
        ("-n" | "-z", None) => Outcome::Unknown,
        (
            "-a" | "-b" | "-c" | "-d" | "-e" | "-f" | "-h" | "-L" | "-r" | "-s" | "-S" | "-w"
            | "-x",
            path,
        ) => match path {
            Some("") => Outcome::False,
            Some(path) if LEFT.iter().any(|left| path.ends_with(left)) => Outcome::False,
            _ => Outcome::There,
        },
        _ => Outcome::Unknown,
    }
}

fn binary(one: Option<&str>, operator: Option<&str>, other: Option<&str>) -> Outcome {
    let (Some(one), Some(operator), Some(other)) = (one, operator, other) else {
        return Outcome::Unknown;
    };
    // With a leading zero it may be octal.
    let number = |text: &str| {
        let number: i64 = text.trim().parse().ok()?;
        (number.to_string() == text.trim()).then_some(number)
    };
    let numbers = || Some((number(one)?, number(other)?));
    let compared = |compare: fn(&i64, &i64) -> bool| match numbers() {
        Some((one, other)) => truth(compare(&one, &other)),
        None => Outcome::Unknown,
    };
    match operator {
        "=" | "==" => truth(one == other),
        "!=" => truth(one != other),
        "-eq" => compared(i64::eq),
        "-ne" => compared(i64::ne),
        "-lt" => compared(i64::lt),
        "-le" => compared(i64::le),
        "-gt" => compared(i64::gt),
        "-ge" => compared(i64::ge),
        _ => Outcome::Unknown,
    }
}
