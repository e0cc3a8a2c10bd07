//! Commands that start units, or have a say in it.

use super::super::shell::Word;
use super::reading::{Effect, Reading, known};

/// Verbs of systemctl(1) that only ask.
const ASKING: [&str; 12] = [
    "is-active",
    "is-enabled",
    "is-failed",
    "is-system-running",
    "status",
    "show",
    "cat",
    "list-units",
    "list-unit-files",
    "list-dependencies",
    "list-jobs",
    "show-environment",
];
/// Options that do not change what a verb does to a unit; one with a value has it after `=`.
const OPTIONS: [&str; 14] = [
    "--no-reload",
    "--now",
    "--quiet",
    "-q",
    "--no-block",
    "--no-pager",
    "--no-ask-password",
    "--force",
    "-f",
    "--system",
    "--full",
    "-l",
    "--no-warn",
    "--job-mode=",
];

/// Reads what systemctl(1) is given.
pub fn systemctl(arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    let is_user = |word: &&str| ["--user", "--global"].contains(word);
    let for_users = words.iter().any(is_user);
    let (options, operands): (Vec<&str>, Vec<&str>) =
        words.into_iter().partition(|word| word.starts_with('-'));
    let is_known = |option: &&str| {
        is_user(option)
            || OPTIONS.iter().any(|known| match known.ends_with('=') {
                true => option.starts_with(known),
                false => option == known,
            })
    };
    let Some((verb, units)) = operands.split_first() else {
        return Reading::Unhandled;
    };
    if ASKING.contains(verb) {
        return Reading::Harmless("it only asks or says something");
    }
    if !options.iter().all(is_known) {
        return Reading::Unhandled;
    }
    if ["daemon-reload", "daemon-reexec"].contains(verb) {
        return Reading::Harmless("a merge reloads the system's manager");
    }
    let units = named(units);
    if units.is_empty() || for_users {
        return Reading::Unhandled;
    }
    match *verb {
        "enable" | "reenable" | "start" | "restart" | "reload-or-restart" => {
            Reading::effect(Effect::Start(units))
        }
        "preset" => Reading::effect(Effect::Preset(units)),
        "disable"
        | "stop"
        | "try-restart"
        | "condrestart"
        | "try-reload-or-restart"
        | "reload-or-try-restart"
        | "reload"
        | "reset-failed" => Reading::effect(Effect::Touch(units)),
        _ => Reading::Unhandled,
    }
}

/// Reads what the helper of systemd's RPM macros is given.
pub fn update_helper(arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    match words.split_first() {
        Some((&"install-system-units", units)) if !units.is_empty() => {
            Reading::effect(Effect::Preset(named(units)))
        }
        Some((verb, _)) if verb.starts_with("mark-") || verb.starts_with("remove-") => {
            Reading::Harmless("it is for units of an older version")
        }
        Some((verb, _)) if verb.starts_with("system-re") || verb.starts_with("user-re") => {
            Reading::Harmless("a merge reloads the system's manager")
        }
        _ => Reading::Unhandled,
    }
}

/// Returns the full names of units, as systemctl(1) takes short ones, and paths of unit files.
fn named(units: &[&str]) -> Vec<String> {
    let full = |unit: &&str| match unit.rsplit_once('.') {
        Some((_, suffix)) if is_suffix(suffix) => {
            let name = unit.rsplit('/').next();
            name.unwrap_or_default().to_owned()
        }
        _ => format!("{unit}.service"),
    };
    units.iter().map(full).collect()
}

/// Returns the unit that a link at this path has started with another one.
pub fn enabled_by(path: &str) -> Option<&str> {
    let (directory, unit) = path.strip_prefix("/etc/systemd/system/")?.split_once('/')?;
    let is_one = [".wants", ".requires", ".upholds"]
        .iter()
        .any(|end| directory.ends_with(end));
    let (_, suffix) = unit.rsplit_once('.')?;
    (is_one && is_suffix(suffix) && !unit.contains('/')).then_some(unit)
}

/// Says whether a unit's name may end so.
pub fn is_suffix(suffix: &str) -> bool {
    [
        "service",
        "socket",
        "target",
        "path",
        "timer",
        "mount",
        "automount",
        "swap",
        "slice",
        "scope",
        "device",
    ]
    .contains(&suffix)
}
