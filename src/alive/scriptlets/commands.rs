//! The commands that scriptlets consist of, each with what it comes to. A command that is not known
//! here, or has an option that is not, is unhandled: nobody may take it for harmless.

use super::super::accounts;
use super::super::shell::{Command, Reach, Word};
use super::files;
use super::reading::{Effect, Reading, Step, known};
use super::{alternatives, services};

/// Commands that only say, ask or compute, whatever they are given.
const ASKING: [&str; 79] = [
    "[",
    "[[",
    "((",
    ":",
    "arch",
    "basename",
    "break",
    "cat",
    "cd",
    "cmp",
    "comm",
    "continue",
    "cut",
    "declare",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "egrep",
    "exit",
    "export",
    "expr",
    "false",
    "fgrep",
    "findmnt",
    "getconf",
    "getent",
    "getenforce",
    "getopts",
    "grep",
    "groups",
    "hash",
    "head",
    "id",
    "join",
    "let",
    "local",
    "locale",
    "ls",
    "lsmod",
    "md5sum",
    "modinfo",
    "mountpoint",
    "nproc",
    "od",
    "pgrep",
    "pidof",
    "popd",
    "printf",
    "ps",
    "pushd",
    "pwd",
    "read",
    "readlink",
    "readonly",
    "realpath",
    "return",
    "selinuxenabled",
    "seq",
    "set",
    "sha256sum",
    "shift",
    "sleep",
    "stat",
    "tail",
    "test",
    "times",
    "tr",
    "true",
    "type",
    "typeset",
    "uname",
    "unset",
    "users",
    "wait",
    "wc",
    "which",
    "whoami",
];
/// Commands whose product is an index below `/usr`, made again by everything that has a part in it.
const INDEXES: [(&str, &str); 14] = [
    ("gtk-update-icon-cache", "gtk-update-icon-cache"),
    ("gtk4-update-icon-cache", "gtk-update-icon-cache"),
    ("update-desktop-database", "update-desktop-database"),
    ("update-mime-database", "update-mime-database"),
    ("glib-compile-schemas", "glib-compile-schemas"),
    ("gio-querymodules", "gio-querymodules"),
    ("gio-querymodules-64", "gio-querymodules"),
    ("gdk-pixbuf-query-loaders", "gdk-pixbuf-query-loaders"),
    ("gdk-pixbuf-query-loaders-64", "gdk-pixbuf-query-loaders"),
    ("gtk-query-immodules-2.0", "gtk-query-immodules"),
    ("gtk-query-immodules-2.0-64", "gtk-query-immodules"),
    ("gtk-query-immodules-3.0", "gtk-query-immodules"),
    ("gtk-query-immodules-3.0-64", "gtk-query-immodules"),
    ("depmod", "depmod"),
];
/// Commands that make accounts.
const ACCOUNTS: [&str; 9] = [
    "useradd",
    "groupadd",
    "usermod",
    "adduser",
    "addgroup",
    "gpasswd",
    "groupmod",
    "groupmems",
    "newusers",
];
/// Files of settings, which a script reads to know them.
const SETTINGS: [&str; 6] = [
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/selinux/config",
    "/etc/rc.status",
    "/etc/sysconfig/",
    "/etc/default/",
];
/// Where scriptlets leave word for each other.
const WORD_PLACES: [&str; 5] = [
    "/run/rpm-",
    "/var/run/rpm-",
    "/var/lib/rpm-state/",
    "/run/rpm-state/",
    "/var/adm/update-messages/",
];
/// Where output goes that changes no file.
const SINKS: [&str; 6] = [
    "/dev/null",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/tty",
    "/dev/console",
    "/proc/self/fd/2",
];

/// Why a command of no installation is harmless.
const NEVER: &str = "an installation does not get there: it is for updates or removals";

/// Reads a command.
pub fn read(command: &Command) -> Reading {
    if command.reach == Reach::Never {
        return Reading::Harmless(NEVER);
    }
    if !command.is_read || !command.writes.iter().all(is_sink) {
        return Reading::Unhandled;
    }
    let Some(program) = command.words.first() else {
        return Reading::Harmless("it sets variables of the script");
    };
    let Some(program) = program.as_deref().and_then(standard) else {
        return Reading::Unhandled;
    };
    let reading = of_program(program, command.words.get(1..).unwrap_or_default());
    match (&reading, command.reach) {
        // Accounts are looked at by themselves.
        (Reading::Effects(effects), _) if effects[..] == [Effect::Accounts] => reading,
        (Reading::Effects(_) | Reading::Host(_), Reach::Unknown) => Reading::Unhandled,
        _ => reading,
    }
}

/// Returns the name of a program of the system. What is elsewhere may be called like one.
fn standard(program: &str) -> Option<&str> {
    let (directory, name) = program.rsplit_once('/').unwrap_or(("/usr/bin", program));
    let directory = directory.strip_prefix("/usr").unwrap_or(directory);
    let is_standard = ["/bin", "/sbin", "/lib/systemd", "/lib/rpm"].contains(&directory)
        || directory.starts_with("/libexec");
    is_standard.then_some(name)
}

fn is_sink(target: &Word) -> bool {
    (target.as_deref()).is_some_and(|path| SINKS.contains(&path) || is_word_place(path))
}

/// Says whether a path is where scriptlets leave word for each other.
pub fn is_word_place(path: &str) -> bool {
    WORD_PLACES.iter().any(|place| path.starts_with(place)) && !path.contains("/../")
}

fn of_program(program: &str, arguments: &[Word]) -> Reading {
    if ASKING.contains(&program) {
        return Reading::Harmless("it only asks or says something");
    }
    // No snippet can say that, and it may be said again.
    if program == "usermod" && accounts::are_subordinates(arguments) {
        return run(program, arguments);
    }
    if ACCOUNTS.contains(&program) {
        return Reading::effect(Effect::Accounts);
    }
    if let Some((_, index)) = INDEXES.iter().find(|(name, _)| *name == program) {
        return Reading::Host(Step::Index(index));
    }
    let is_any = |options: &[&str]| {
        let mut words = arguments.iter();
        words.any(|word| word.as_deref().is_none_or(|word| options.contains(&word)))
    };
    match program {
        "command" | "date" | "env" | "hostname" | "rpm" | "rpmquery" | "sort" | "umask"
        | "uniq" => match only_asks(program, arguments) {
            Some(true) => Reading::Harmless("it only asks or says something"),
            _ => Reading::Unhandled,
        },
        "sed" | "awk" | "gawk" | "mawk" => filter(program, arguments),
        "find" => find(arguments),
        "." | "source" => settings(arguments),
        "ldconfig" => ldconfig(arguments),
        "install-info" | "update-info-dir" | "mandb" | "makewhatis" => {
            Reading::Harmless("info and man find a page by its name, without the index")
        }
        "scrollkeeper-update" | "rarian-sk-update" => {
            Reading::Harmless("no program reads that index any more")
        }
        "fc-cache" => Reading::Host(Step::Run(vec!["fc-cache".to_owned()])),
        "systemctl" => services::systemctl(arguments),
        "systemd-update-helper" => services::update_helper(arguments),
        "chkconfig" | "service" | "insserv" | "update-rc.d" | "rcctl" => Reading::Unhandled,
        "systemd-sysusers" | "sysusers2shadow" => snippets(arguments, "sysusers.d", Step::Sysusers),
        "systemd-tmpfiles" => snippets(arguments, "tmpfiles.d", Step::Tmpfiles),
        "systemd-hwdb" if is_any(&["update"]) => Reading::Host(Step::Hwdb),
        "udevadm" => udevadm(arguments),
        "update-alternatives" | "alternatives" => alternatives::read(arguments),
        "fillup" => files::fillup(arguments),
        "mkdir" | "install" | "touch" | "ln" | "cp" | "chmod" | "chown" | "chgrp" | "setcap"
        | "rm" => files::read(program, arguments),
        "restorecon" | "semodule" | "setsebool" | "semanage" => policy(program, arguments),
        "update-ca-trust" | "update-ca-certificates" | "systemd-binfmt" | "systemd-sysctl" => {
            run(program, arguments)
        }
        "journalctl" if is_any(&["--update-catalog"]) => run(program, arguments),
        "busctl" | "dbus-send" if contains(arguments, "ReloadConfig") => Reading::Host(Step::Bus),
        _ => Reading::Unhandled,
    }
}

/// Says whether a command that may change something only asks here.
fn only_asks(program: &str, arguments: &[Word]) -> Option<bool> {
    let words = known(arguments)?;
    let is_option = |word: &&str| word.starts_with('-') && word.len() > 1;
    let operands = words.iter().filter(|word| !is_option(word)).count();
    Some(match program {
        "command" => matches!(words.first(), Some(&("-v" | "-V"))),
        "date" => words.iter().all(|word| {
            let is_short = word.starts_with('-') && !word.starts_with("--");
            word.starts_with(['+', '-'])
                && !(is_short && word.contains('s'))
                && !word.starts_with("--s")
        }),
        "rpm" | "rpmquery" if words.iter().any(|word| runs_something(word)) => false,
        "rpmquery" => true,
        "rpm" => match words.first() {
            Some(&("--eval" | "-E")) => true,
            Some(first) => first.starts_with("-q") || *first == "--query",
            None => true,
        },
        "sort" => !words.iter().any(|word| {
            let is_short = is_option(word) && !word.starts_with("--");
            (is_short && word.contains('o')) || word.starts_with("--o") || word.starts_with("--com")
        }),
        "umask" => matches!(words[..], [] | ["022" | "0022" | "-S"]),
        // The second one is where it writes.
        "uniq" => operands < 2,
        _ => words.is_empty(),
    })
}

/// Says whether a word makes rpm run something: a macro, or a program that reads what it says.
fn runs_something(word: &str) -> bool {
    word.contains("%(")
        || word.contains("lua")
        || word.starts_with("--pi")
        || word.starts_with("--load")
}

/// A program that makes what the image's own snippets say.
fn snippets(arguments: &[Word], directory: &str, step: Step) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    let replaces = words.iter().any(|word| word.starts_with("--replace="));
    let is_own = |word: &&str| {
        let name = word
            .strip_prefix(&format!("/usr/lib/{directory}/"))
            .unwrap_or(word);
        let is_name = name.ends_with(".conf") && !name.contains('/');
        let is_option = ["--create", "--boot", "--exclude-prefix=/dev"].contains(word);
        is_name
            || is_option
            || word.starts_with("--replace=")
            || (*word == "-" && replaces)
            || word.starts_with("--prefix=")
    };
    match words.iter().all(is_own) {
        true => Reading::Host(step),
        false => Reading::Unhandled,
    }
}

fn starts(arguments: &[Word], with: &str) -> bool {
    let mut words = arguments.iter();
    words.any(|word| word.as_deref().is_none_or(|word| word.starts_with(with)))
}

fn contains(arguments: &[Word], text: &str) -> bool {
    let mut words = arguments.iter().flatten();
    words.any(|word| word.contains(text))
}

/// A command that is run on the host as it is.
fn run(program: &str, arguments: &[Word]) -> Reading {
    match known(arguments) {
        Some(words) => {
            let words = [program].into_iter().chain(words).map(str::to_owned);
            Reading::Host(Step::Run(words.collect()))
        }
        None => Reading::Unhandled,
    }
}

/// Programs that pass on what they read, unless they are told to write.
fn filter(program: &str, arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    let writes = match program {
        "sed" => sed_writes(&words),
        _ => words.iter().any(|word| {
            let word = word.replace(">=", "").replace("||", "");
            word.contains(['>', '|'])
                || word.contains("system")
                || word.starts_with('@')
                || (word.starts_with('-') && !word.starts_with("-F") && !word.starts_with("-v"))
        }),
    };
    match writes {
        true => Reading::Unhandled,
        false => Reading::Harmless("it only asks or says something"),
    }
}

/// Says whether sed(1) may change a file or run a command.
fn sed_writes(words: &[&str]) -> bool {
    let mut scripts = Vec::new();
    let mut operands = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(script) = word.strip_prefix("--expression=") {
            scripts.push(script);
        } else if *word == "--expression" {
            scripts.extend(words.next().copied());
        } else if word.starts_with("--") {
            if !["--quiet", "--silent", "--regexp-extended"].contains(word) {
                return true;
            }
        } else if let Some(letters) = word.strip_prefix('-') {
            let plain = letters.trim_start_matches(['n', 'r', 'E', 'u', 'z', 's']);
            match plain.strip_prefix('e') {
                Some("") => scripts.extend(words.next().copied()),
                Some(script) => scripts.push(script),
                None if plain.is_empty() => {}
                None => return true,
            }
        } else {
            operands.push(*word);
        }
    }
    if scripts.is_empty() {
        scripts.extend(operands.first().copied());
    }
    !scripts.iter().all(|script| is_plain_sed(script))
}

/// Says whether a script of sed is one of those that are certain to write only what they are given: a
/// substitution with harmless flags, or printing and deleting lines, each with a plain address.
fn is_plain_sed(script: &str) -> bool {
    let rest = script.trim_start_matches(|one: char| one.is_ascii_digit() || ",$!^ ".contains(one));
    let rest = match rest.strip_prefix('/') {
        None => rest,
        Some(address) => match address.split_once('/') {
            Some((pattern, rest)) if !pattern.contains('\\') => rest.trim_start(),
            _ => return false,
        },
    };
    if matches!(rest, "p" | "d" | "q" | "D" | "P" | "=" | "N;p") {
        return true;
    }
    let Some(substitution) = rest.strip_prefix('s') else {
        return false;
    };
    let Some(delimiter) = substitution
        .chars()
        .next()
        .filter(char::is_ascii_punctuation)
    else {
        return false;
    };
    // An escaped delimiter would make a part look shorter than it is.
    let escaped = format!("\\{delimiter}");
    let parts: Vec<_> = substitution.split(delimiter).collect();
    let is_harmless = |flag: char| "gIipmM".contains(flag) || flag.is_ascii_digit();
    !substitution.contains(&escaped)
        && delimiter != '\\'
        && matches!(parts[..], [_, _, _, flags] if flags.chars().all(is_harmless))
}

fn find(arguments: &[Word]) -> Reading {
    let acts = ["-exec", "-ok", "-delete", "-fprint", "-fls"];
    match acts.iter().any(|act| starts(arguments, act)) {
        true => Reading::Unhandled,
        false => Reading::Harmless("it only asks or says something"),
    }
}

/// A script that is read in, which may be any.
fn settings(arguments: &[Word]) -> Reading {
    match known(arguments).as_deref() {
        Some([path])
            if !path.contains("..") && SETTINGS.iter().any(|one| path.starts_with(one)) =>
        {
            Reading::Harmless("it reads settings")
        }
        _ => Reading::Unhandled,
    }
}

fn ldconfig(arguments: &[Word]) -> Reading {
    let words = known(arguments);
    let is_plain =
        |word: &&str| matches!(*word, "-X" | "-N" | "-v" | "-n") || word.starts_with('/');
    match words {
        Some(words) if words.iter().all(is_plain) => Reading::Host(Step::Ldconfig),
        _ => Reading::Unhandled,
    }
}

fn udevadm(arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    match words[..] {
        ["control", option, ..] if option.starts_with("--reload") || option == "-R" => {
            Reading::Host(Step::Udev)
        }
        ["trigger", ..] => Reading::Host(Step::Udev),
        ["hwdb", "--update" | "-u", ..] => Reading::Host(Step::Hwdb),
        ["settle" | "info", ..] => Reading::Harmless("it only asks or says something"),
        _ => Reading::Unhandled,
    }
}

/// What concerns SELinux. Files of an image have their labels.
fn policy(program: &str, arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    match program {
        "restorecon" => {
            let mut paths = words.iter().filter(|word| !word.starts_with('-'));
            let is_usr = |path: &&str| path.starts_with("/usr/") && !path.contains("..");
            match paths.all(is_usr) {
                true => Reading::Harmless("files of an image have their labels"),
                false => run(program, arguments),
            }
        }
        "semodule" if words.iter().any(|word| word.starts_with("-i")) => run(program, arguments),
        "setsebool" => run(program, arguments),
        _ => Reading::Unhandled,
    }
}
