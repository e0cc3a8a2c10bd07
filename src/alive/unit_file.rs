//! Unit files and what is written like them, drop-ins, desktop entries, D-Bus service files, as
//! systemd reads them.
//!
//! ```text
//! [Service]
//! Environment=A=b \
//! # a comment does not end a line that goes on
//!     C=d
//! ExecStart=                      takes back what was said before
//! ExecStart=-@/usr/bin/d name "two words" ; /usr/bin/second
//! EnvironmentFile=-/etc/d         with "-", it may be missing
//! [X-Vendor]                      not systemd's, passed over
//! ```

use std::str::Chars;

/// Characters that systemd takes for white space.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
/// What a condition may begin with: one of several that suffices, and the contrary.
const CONDITION_FLAGS: [char; 2] = ['|', '!'];

/// One line `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The section, without brackets.
    pub section: String,
    /// What is set.
    pub key: String,
    /// To what, as it is written; lines that go on are joined by a space.
    pub value: String,
}

/// A file's settings in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFile {
    settings: Vec<Setting>,
}

impl UnitFile {
    /// Reads a file. What is in no section, or in one that is not systemd's, is passed over; a
    /// heading that is none ends the file, as it does for systemd.
    pub fn parse(text: &str) -> Self {
        let mut settings = Vec::new();
        let mut section = "";
        let lines = joined(text.strip_prefix('\u{feff}').unwrap_or(text));
        for line in &lines {
            let line = line.trim_matches(WHITE_SPACE);
            if let Some(heading) = line.strip_prefix('[') {
                let Some(heading) = heading.strip_suffix(']') else {
                    break;
                };
                section = heading;
            } else if let Some((key, value)) = line.split_once('=')
                && !section.is_empty()
                && !section.starts_with("X-")
            {
                settings.push(Setting {
                    section: section.to_owned(),
                    key: key.trim_matches(WHITE_SPACE).to_owned(),
                    value: value.trim_matches(WHITE_SPACE).to_owned(),
                });
            }
        }
        Self { settings }
    }

    /// Returns all settings in their order.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns the values that hold of a setting that may be given several times: an empty one takes
    /// back those before it.
    pub fn values(&self, section: &str, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for setting in &self.settings {
            if setting.section != section || setting.key != key {
                continue;
            }
            match setting.value.is_empty() {
                true => values.clear(),
                false => values.push(setting.value.as_str()),
            }
        }
        values
    }

    /// Returns the value that holds of a setting that has one: the last.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).pop()
    }

    /// Says whether a setting is on.
    pub fn is_on(&self, section: &str, key: &str) -> bool {
        self.value(section, key).is_some_and(is_true)
    }
}

/// Returns a text's lines without comments; one that ends with a backslash goes on.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun: Option<String> = None;
    for line in text.lines() {
        if line.trim_start_matches(WHITE_SPACE).starts_with(['#', ';']) {
            continue;
        }
        let mut whole = begun.take().unwrap_or_default();
        whole.push_str(line);
        let backslashes = whole.bytes().rev().take_while(|byte| *byte == b'\\');
        if backslashes.count() % 2 == 1 {
            whole.pop();
            whole.push(' ');
            begun = Some(whole);
        } else {
            lines.push(whole);
        }
    }
    lines.extend(begun);
    lines
}

/// A program that a unit runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program, as it is written: mostly an absolute path.
    pub program: String,
    /// It may fail (`-`).
    pub may_fail: bool,
    /// Its arguments. The first one is the program's name where `@` says so.
    pub arguments: Vec<String>,
}

impl Command {
    /// Takes the command lines of a value apart. One that systemd would pass over is none.
    pub fn of(value: &str) -> Vec<Self> {
        let mut commands = Vec::new();
        for line in separated(value) {
            let Some(mut line) = words(line).map(Vec::into_iter) else {
                break;
            };
            let Some(first) = line.next() else { continue };
            let program = first.trim_start_matches(['-', '@', ':', '+', '!', '|']);
            let flags = &first[..first.len() - program.len()];
            commands.push(Self {
                program: program.to_owned(),
                may_fail: flags.contains('-'),
                arguments: line.collect(),
            });
        }
        commands
    }

    /// Returns the program's path, if it is known before the unit runs: it is absolute and has no
    /// specifier and no variable.
    pub fn path(&self) -> Option<&str> {
        let path = self.program.as_str();
        (path.starts_with('/') && !path.contains(['%', '$'])).then_some(path)
    }
}

/// Splits a value at each semicolon that is a word of its own.
fn separated(value: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut before) = (0, ' ');
    for (at, one) in value.char_indices() {
        let rest = value.get(at + one.len_utf8()..).unwrap_or_default();
        let ends = rest.is_empty() || rest.starts_with(WHITE_SPACE);
        if one == ';' && WHITE_SPACE.contains(&before) && ends {
            lines.extend(value.get(start..at));
            start = at + 1;
        }
        before = one;
    }
    lines.extend(value.get(start..));
    lines
}

/// Returns the path that a setting names which may begin with `-`, and whether it may be missing.
/// None if it is not known before the unit runs.
pub fn optional_path(value: &str) -> Option<(&str, bool)> {
    let path = value.strip_prefix('-').unwrap_or(value);
    let is_known = path.starts_with('/') && !path.contains('%');
    is_known.then_some((path, path.len() < value.len()))
}

/// Returns the path that must be there for a condition such as `ConditionPathExists=` to hold. None
/// if it need not be the only one, must be absent, or is not known before the unit runs.
pub fn condition_path(value: &str) -> Option<&str> {
    let is_plain = !value.starts_with(CONDITION_FLAGS);
    let (path, _) = optional_path(value).filter(|(_, may_be_missing)| !may_be_missing)?;
    is_plain.then_some(path)
}

/// Says whether a value is systemd's way of saying yes.
pub fn is_true(value: &str) -> bool {
    let yes = ["1", "yes", "y", "true", "t", "on"];
    yes.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Splits a value at white space outside of quotes, and takes quotes and escapes away. None if a
/// quote is not closed, or an escape unknown.
pub fn words(value: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = value.chars();
    while let Some(one) = rest.next() {
        match (one, quote) {
            ('\\', _) => word.get_or_insert_default().push(escape(&mut rest)?),
            (_, Some(closing)) if one == closing => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(one),
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(one);
            }
            (_, None) if WHITE_SPACE.contains(&one) => words.extend(word.take()),
            (_, None) => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Returns the character that an escape means. `rest` begins after its backslash.
fn escape(rest: &mut Chars<'_>) -> Option<char> {
    let of_digits = |rest: &mut Chars<'_>, number: usize, radix: u32, first: u32| {
        let value = (0..number).try_fold(first, |value, _| {
            value
                .checked_mul(radix)?
                .checked_add(rest.next()?.to_digit(radix)?)
        })?;
        char::from_u32(value).filter(|one| *one != '\0')
    };
    match rest.next()? {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        's' => Some(' '),
        same @ ('\\' | '"' | '\'' | ';') => Some(same),
        'x' => of_digits(rest, 2, 16, 0),
        'u' => of_digits(rest, 4, 16, 0),
        'U' => of_digits(rest, 8, 16, 0),
        digit => of_digits(rest, 2, 8, digit.to_digit(8)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a text as `SECTION KEY=VALUE`.
    fn settings(text: &str) -> Vec<String> {
        let unit = UnitFile::parse(text);
        let settings = unit.settings().iter();
        settings
            .map(|one| format!("{} {}={}", one.section, one.key, one.value))
            .collect()
    }

    #[test]
    fn settings_are_those_that_systemd_reads() {
        for (text, expected) in [
            (
                "[Unit]\nA=1\n[Service]\nB = 2 \n",
                &["Unit A=1", "Service B=2"][..],
            ),
            ("\u{feff}[Unit]\r\nA=1\r\n", &["Unit A=1"]),
            (
                "A=1\n[Unit]\nno setting\n#B=2\n ;C=3\nD=4=5",
                &["Unit D=4=5"],
            ),
            (
                "[Unit]\nA=1 \\\n# a comment\n  2\nB=3",
                &["Unit A=1    2", "Unit B=3"],
            ),
            ("[Unit]\nA=1\\\\\nB=2\\", &["Unit A=1\\\\", "Unit B=2"]),
            ("[X-Other]\nA=1\n[Unit]\nB=2", &["Unit B=2"]),
            ("[Unit]\nA=1\n[Unit\nB=2", &["Unit A=1"]),
        ] {
            assert_eq!(settings(text), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_value_takes_back_what_was_said() {
        let unit = UnitFile::parse(
            "[Install]\nWantedBy=a.target \"b.target\"\nAlias=x\nAlias=\n\
             [Service]\nExecStart=/a\nExecStart=\nExecStart=/b\nType=simple\nType=notify\n\
             DynamicUser=Yes\n[Unit]\nWantedBy=c\n",
        );
        assert_eq!(
            unit.values("Install", "WantedBy"),
            ["a.target \"b.target\""]
        );
        assert_eq!(unit.values("Install", "Alias"), [""; 0]);
        assert_eq!(unit.values("Service", "ExecStart"), ["/b"]);
        assert_eq!(unit.value("Service", "Type"), Some("notify"));
        assert!(unit.is_on("Service", "DynamicUser"));
        assert!(!unit.is_on("Service", "Type"));
    }

    #[test]
    fn command_lines_are_taken_apart() {
        /// A command as `PROGRAM|ARGUMENT|...`, with "-" where it may fail.
        fn shown(command: &Command) -> String {
            let flag = if command.may_fail { "-" } else { "" };
            let words = std::iter::once(&command.program).chain(&command.arguments);
            format!("{flag}{}", words.cloned().collect::<Vec<_>>().join("|"))
        }
        for (value, expected) in [
            ("/a b  c", &["/a|b|c"][..]),
            ("-/a", &["-/a"]),
            ("@!!/a b", &["/a|b"]),
            (":+-/a", &["-/a"]),
            ("/a ; -/b c ;", &["/a", "-/b|c"]),
            ("/a b; \\; c", &["/a|b;|;|c"]),
            ("\"/my app\" 'b c' d\"e f\" \"\"", &["/my app|b c|de f|"]),
            ("/my\\x20app \\u00e9\\101\\n", &["/my app|\u{e9}A\n"]),
            ("\"/a", &[]),
            ("/a \\q", &[]),
            ("/a \\x4", &[]),
            ("/a \\x00", &[]),
            ("/a \\U99999999", &[]),
            ("/a \\", &[]),
            ("", &[]),
        ] {
            let commands = Command::of(value);
            let commands: Vec<_> = commands.iter().map(shown).collect();
            assert_eq!(commands, expected, "{value}");
        }
    }

    #[test]
    fn paths_that_are_known_before_a_unit_runs() {
        for (value, optional, condition, program) in [
            ("/a", Some(("/a", false)), Some("/a"), Some("/a")),
            ("/a b", Some(("/a b", false)), Some("/a b"), Some("/a")),
            ("-/a", Some(("/a", true)), None, Some("/a")),
            ("|/a", None, None, Some("/a")),
            ("!/a", None, None, Some("/a")),
            ("a", None, None, None),
            ("~", None, None, None),
            ("/a/%i", None, None, None),
            ("/a/$B", Some(("/a/$B", false)), Some("/a/$B"), None),
        ] {
            assert_eq!(optional_path(value), optional, "{value}");
            assert_eq!(condition_path(value), condition, "{value}");
            let commands = Command::of(value);
            let path = commands.first().and_then(Command::path);
            assert_eq!(path, program, "{value}");
        }
    }
}
