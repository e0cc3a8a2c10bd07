//! What a command of a scriptlet comes to.

use super::super::shell::Word;

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The same can be said as data.
    Effects(Vec<Effect>),
    /// Nothing is missing without it, for this reason.
    Harmless(&'static str),
    /// It has to be done on the host, once the image is merged.
    Host(Step),
    /// It changes something, or may.
    Unhandled,
}

/// A change that an image can bring as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Accounts, which are read by themselves.
    Accounts,
    /// Units are started, now or with the system.
    Start(Vec<String>),
    /// The system's presets decide whether units are started with it.
    Preset(Vec<String>),
    /// Units are started again, or stopped, if they run.
    Touch(Vec<String>),
    /// A link that several packages may want.
    Alternative(Alternative),
    /// A mode, as chmod(1) has it; with what is below.
    Mode {
        path: String,
        mode: String,
        is_deep: bool,
    },
    /// An owner; with what is below.
    Owner {
        path: String,
        user: Option<String>,
        group: Option<String>,
        is_deep: bool,
    },
    /// File capabilities, as setcap(8) has them.
    Capabilities { path: String, text: String },
    /// A symbolic link.
    Link { path: String, target: String },
    /// A directory.
    Directory { path: String, mode: Option<u16> },
    /// An empty file, unless one is there.
    File { path: String },
    /// A copy of a file, which replaces one that is there or does not.
    Copy {
        path: String,
        from: String,
        replaces: bool,
    },
}

/// What `update-alternatives --install` is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    pub name: String,
    pub priority: i64,
    /// Links, each with what it leads to; the first one is the name's own.
    pub links: Vec<(String, String)>,
}

/// What is done on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Accounts are made of the image's snippets.
    Sysusers,
    /// Files are made of the image's snippets.
    Tmpfiles,
    /// The loader's cache is made.
    Ldconfig,
    /// The index of hardware is made.
    Hwdb,
    /// Rules for devices are read again.
    Udev,
    /// The bus reads its files again.
    Bus,
    /// A command, word by word, which may be run again and again.
    Run(Vec<String>),
    /// An index below `/usr` is made by this program: with a merged image it is read-only.
    Index(&'static str),
}

impl Reading {
    /// Returns the reading of a single effect.
    pub fn effect(effect: Effect) -> Self {
        Self::Effects(vec![effect])
    }

    /// Says whether it is of no consequence whether the command is reached.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Harmless(_))
    }
}

/// Returns the words, if all of them are known.
pub fn known(words: &[Word]) -> Option<Vec<&str>> {
    words.iter().map(Option::as_deref).collect()
}
