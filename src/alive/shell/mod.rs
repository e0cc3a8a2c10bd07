//! The commands of a script for the shell, as an installation would run them. Nothing is run.
//!
//! A script is read by the shell's grammar, then followed from its beginning to its end. What is
//! literal is known; a question that only a host can answer is followed both ways, and what comes
//! of it says so.
//!
//! ```text
//! NAME=miniflux
//! getent group $NAME >/dev/null || \
//!     groupadd -r "$NAME" 2> /dev/null     groupadd -r miniflux      if nobody has it yet
//! [ $1 -gt 1 ] && systemctl restart x      systemctl restart x       never: this is no update
//! usermod -G jupiter -a $user              usermod -G jupiter -a ?   known only on the host
//! ```

mod condition;
mod parse;
mod quote;
mod walk;
mod word;

pub use walk::commands;

/// A word; none where it is known only when the script runs.
pub type Word = Option<String>;

/// Whether an installation gets to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It does.
    Runs,
    /// It does where something is on the host, or is not.
    IfThere,
    /// What decides is known only when the script runs.
    Unknown,
    /// It does not: the command is for updates, for removals, or behind the script's end.
    Never,
}

/// A simple command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; none where nothing but variables is set, or output directed.
    pub words: Vec<Word>,
    /// The files that it writes its output to.
    pub writes: Vec<Word>,
    /// Its own text.
    pub text: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// Whether an installation gets to it.
    pub reach: Reach,
    /// Whether the grammar was understood. If not, the text is all that is known.
    pub is_read: bool,
}

impl Command {
    /// Returns the name of the program, without its directory.
    pub fn program(&self) -> Option<&str> {
        let program = self.words.first()?.as_deref()?;
        program.rsplit('/').next()
    }

    /// Returns the text in one line.
    pub fn one_line(&self) -> String {
        one_line(&self.text)
    }
}

/// Returns a text in one line.
pub fn one_line(text: &str) -> String {
    let text = text.replace("\\\n", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
