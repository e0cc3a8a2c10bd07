//! What scriptlets and triggers would do, command by command. Nothing is run: each command is
//! recognised or not, and what is not is named with its package, its kind and its line.
//!
//! ```text
//! %post 1: systemctl enable lamp.service          an effect, as data
//! %post 2: /sbin/ldconfig                         on the host, if at all
//! %post 3: echo done                              harmless
//! %post 4: sed -i s/a/b/ /etc/lamp.conf           unhandled
//! ```

mod alternatives;
mod capabilities;
mod commands;
mod files;
mod lua;
mod mode;
mod reading;
mod services;

pub use capabilities::attribute as capability;
pub use mode::changed as changed_mode;
pub use reading::{Alternative, Effect, Reading, Step};
pub use services::is_suffix;

use super::shell::{self, Reach};

/// The moments of an installation. Triggers fire where what they wait for is on the host.
const MOMENTS: [&str; 10] = [
    "pretrans",
    "pre",
    "post",
    "posttrans",
    "triggerprein",
    "triggerin",
    "filetriggerprein",
    "filetriggerin",
    "transfiletriggerprein",
    "transfiletriggerin",
];
/// Programs that read a script of the shell.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "ksh"];
/// Why a script that does not run at an installation is harmless.
const REMOVAL: &str = "it runs when the package is removed or checked";

/// A command of a scriptlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line of the scriptlet where it begins, from 1.
    pub line: usize,
    /// So many lines it has.
    pub lines: usize,
    /// Its text.
    pub text: String,
    /// What it comes to.
    pub reading: Reading,
}

/// Says whether a kind of scriptlet runs when a package is installed.
pub fn is_of_installation(kind: &str) -> bool {
    MOMENTS.contains(&kind)
}

/// Reads a scriptlet: its kind, its program with arguments, and its text.
pub fn read(kind: &str, program: &[String], script: &str) -> Vec<Line> {
    let name = program.first().map_or("/bin/sh", String::as_str);
    let name = name.rsplit('/').next().unwrap_or_default();
    let is_shell = SHELLS.contains(&name);
    if script.trim().is_empty() && (is_shell || name == "<lua>") {
        return Vec::new();
    }
    if !is_of_installation(kind) {
        let reading = Reading::Harmless(REMOVAL);
        return vec![whole(program, script, reading)];
    }
    let is_trigger = kind.contains("trigger");
    match name {
        _ if is_shell => shell_lines(script, is_trigger, 1),
        "<lua>" => lua_lines(script, kind == "pretrans"),
        // A program without a script is a command.
        _ if script.trim().is_empty() => {
            let words = program.iter().map(|word| Some(word.clone())).collect();
            let command = shell::Command {
                words,
                writes: Vec::new(),
                text: program.join(" "),
                line: 1,
                reach: Reach::Runs,
                is_read: true,
            };
            vec![line_of(&command)]
        }
        _ => vec![whole(program, script, Reading::Unhandled)],
    }
}

fn whole(program: &[String], script: &str, reading: Reading) -> Line {
    let text = match script.trim() {
        "" => program.join(" "),
        script => script.to_owned(),
    };
    Line {
        line: 1,
        lines: text.lines().count().max(1),
        text,
        reading,
    }
}

fn line_of(command: &shell::Command) -> Line {
    Line {
        line: command.line,
        lines: command.text.lines().count().max(1),
        text: command.one_line(),
        reading: commands::read(command),
    }
}

/// Reads a script of the shell whose first line is the given one.
fn shell_lines(script: &str, is_trigger: bool, first: usize) -> Vec<Line> {
    // The number of packages of that name once this one is there.
    let arguments = [Some("1".to_owned())];
    let arguments = (!is_trigger).then_some(&arguments[..]);
    let commands = shell::commands(script, arguments);
    let mut lines: Vec<_> = commands.iter().map(line_of).collect();
    for line in &mut lines {
        line.line += first - 1;
    }
    lines
}

fn lua_lines(script: &str, is_first: bool) -> Vec<Line> {
    let texts: Vec<_> = script.lines().collect();
    let mut lines = Vec::new();
    for call in lua::calls(script, is_first) {
        let text = shell::one_line(texts.get(call.line - 1).copied().unwrap_or_default());
        match call.outcome {
            lua::Outcome::Read(reading) => lines.push(Line {
                line: call.line,
                lines: 1,
                text,
                reading,
            }),
            lua::Outcome::Shell(script, is_sure) => {
                let inner = shell_lines(&script, false, call.line);
                lines.extend(inner.into_iter().map(|inner| Line {
                    line: call.line,
                    lines: 1,
                    text: text.clone(),
                    reading: match is_sure || inner.reading.is_harmless() {
                        true => inner.reading,
                        false => Reading::Unhandled,
                    },
                }));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests;
