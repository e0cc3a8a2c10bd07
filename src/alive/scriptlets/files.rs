//! Commands that make files and directories, or change whose they are.

use super::super::shell::Word;
use super::commands::is_word_place;
use super::reading::{Effect, Reading, known};
use super::services;

/// Options, each with whether it has a value, and the paths and other operands of a command.
struct Line<'a> {
    options: Vec<(&'a str, Option<&'a str>)>,
    operands: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// Takes arguments apart. `valued` are the options with a value, short ones by their letter.
    fn of(words: &[&'a str], valued: &[&str]) -> Self {
        let mut line = Self {
            options: Vec::new(),
            operands: Vec::new(),
        };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            if word == "--" {
                line.operands.extend(words.by_ref());
            } else if let Some(long) = word.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => line.options.push((name, Some(value))),
                    None if valued.contains(&long) => line.options.push((long, words.next())),
                    None => line.options.push((long, None)),
                }
            } else if let Some(letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
                for (at, letter) in letters.char_indices() {
                    let name = &letters[at..at + letter.len_utf8()];
                    let rest = &letters[at + letter.len_utf8()..];
                    if valued.contains(&name) {
                        let value = if rest.is_empty() {
                            words.next()
                        } else {
                            Some(rest)
                        };
                        line.options.push((name, value));
                        break;
                    }
                    line.options.push((name, None));
                }
            } else {
                line.operands.push(word);
            }
        }
        line
    }

    fn value(&self, names: &[&str]) -> Option<&'a str> {
        let found = self
            .options
            .iter()
            .rev()
            .find(|(name, _)| names.contains(name));
        found.and_then(|(_, value)| *value)
    }

    fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| names.contains(name))
    }

    fn has_only(&self, names: &[&str]) -> bool {
        self.options.iter().all(|(name, _)| names.contains(name))
    }
}

/// Reads what such a command is given.
pub fn read(program: &str, arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    let paths = words.iter().filter(|word| !word.starts_with('-'));
    if ["rm", "touch", "mkdir"].contains(&program)
        && paths.clone().count() > 0
        && paths
            .clone()
            .all(|path| is_word_place(path) || is_left(path) && program == "rm")
    {
        return Reading::Harmless("scriptlets leave word there for each other");
    }
    // A script that goes elsewhere first may mean another file by a relative path.
    if words
        .iter()
        .any(|word| word.contains("/../") || word.ends_with("/.."))
    {
        return Reading::Unhandled;
    }
    let effects = match program {
        "mkdir" => mkdir(&words),
        "install" => install(&words),
        "touch" => return touch(&words),
        "ln" => link(&words),
        "cp" => copy(&words),
        "chmod" => chmod(&words),
        "chown" => chown(&words),
        "chgrp" => chgrp(&words),
        "setcap" => setcap(&words),
        _ => None,
    };
    effects.map_or(Reading::Unhandled, Reading::Effects)
}

/// Reads what `fillup` is given: a file of settings, and what it is made of.
pub fn fillup(arguments: &[Word]) -> Reading {
    let Some(words) = known(arguments) else {
        return Reading::Unhandled;
    };
    let line = Line::of(&words, &[]);
    match line.operands[..] {
        [path, from] if are_paths(&[path, from]) => Reading::effect(Effect::Copy {
            path: path.to_owned(),
            from: from.to_owned(),
            replaces: false,
        }),
        _ => Reading::Unhandled,
    }
}

/// Says whether a path is what an older version of a package left.
fn is_left(path: &str) -> bool {
    [".rpmsave", ".rpmnew", ".rpmorig"]
        .iter()
        .any(|end| path.ends_with(end))
}

fn are_paths(paths: &[&str]) -> bool {
    let is_path = |path: &&str| path.starts_with('/') && path.len() > 1;
    !paths.is_empty() && paths.iter().all(is_path)
}

fn mode(text: &str) -> Option<u16> {
    let mode = u16::from_str_radix(text, 8).ok()?;
    (mode <= 0o7777).then_some(mode)
}

fn directories(paths: &[&str], mode: Option<u16>) -> Option<Vec<Effect>> {
    are_paths(paths).then(|| {
        let made = paths.iter().map(|path| Effect::Directory {
            path: path.trim_end_matches('/').to_owned(),
            mode,
        });
        made.collect()
    })
}

fn mkdir(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &["m", "mode"]);
    if !line.has_only(&["p", "parents", "v", "m", "mode"]) {
        return None;
    }
    let mode = match line.value(&["m", "mode"]) {
        Some(text) => Some(mode(text)?),
        None => None,
    };
    directories(&line.operands, mode)
}

/// `install -d`, with mode and owner.
fn install(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &["m", "mode", "o", "owner", "g", "group"]);
    let allowed = [
        "d",
        "directory",
        "p",
        "v",
        "D",
        "m",
        "mode",
        "o",
        "owner",
        "g",
        "group",
    ];
    if !line.has(&["d", "directory"]) || !line.has_only(&allowed) {
        return None;
    }
    // A directory that is there gets the mode, too.
    let mode = mode(line.value(&["m", "mode"]).unwrap_or("755"))?;
    let mut effects = directories(&line.operands, Some(mode))?;
    let (user, group) = (line.value(&["o", "owner"]), line.value(&["g", "group"]));
    if user.is_some() || group.is_some() {
        effects.extend(line.operands.iter().map(|path| Effect::Owner {
            path: path.trim_end_matches('/').to_owned(),
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            is_deep: false,
        }));
    }
    Some(effects)
}

fn touch(words: &[&str]) -> Reading {
    let line = Line::of(words, &[]);
    let is_icons = |path: &&str| path.starts_with("/usr/share/icons/");
    if line.has_only(&["no-create", "c"])
        && line.operands.iter().all(is_icons)
        && !line.operands.is_empty()
    {
        return Reading::Harmless("it makes an index look old, which is made again");
    }
    match line.options.is_empty() && are_paths(&line.operands) {
        true => Reading::Effects(
            (line.operands.iter())
                .map(|path| Effect::File {
                    path: (*path).to_owned(),
                })
                .collect(),
        ),
        false => Reading::Unhandled,
    }
}

fn link(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &[]);
    let is_symbolic = line.has(&["s", "symbolic"]);
    if !is_symbolic
        || !line.has_only(&[
            "s",
            "symbolic",
            "f",
            "force",
            "n",
            "no-dereference",
            "v",
            "T",
        ])
    {
        return None;
    }
    match line.operands[..] {
        // What `systemctl enable` makes.
        [_, path] if let Some(unit) = services::enabled_by(path) => {
            Some(vec![Effect::Start(vec![unit.to_owned()])])
        }
        [target, path] if are_paths(&[path]) && !path.ends_with('/') && !target.is_empty() => {
            Some(vec![Effect::Link {
                path: path.to_owned(),
                target: target.to_owned(),
            }])
        }
        _ => None,
    }
}

/// A file that is copied.
fn copy(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &[]);
    if !line.has_only(&["n", "no-clobber", "p", "a", "v", "f"]) {
        return None;
    }
    match line.operands[..] {
        [from, path] if are_paths(&[from, path]) && !path.ends_with('/') => {
            Some(vec![Effect::Copy {
                path: path.to_owned(),
                from: from.to_owned(),
                replaces: !line.has(&["n", "no-clobber"]),
            }])
        }
        _ => None,
    }
}

fn chmod(words: &[&str]) -> Option<Vec<Effect>> {
    // A mode may begin with a hyphen: `-x`.
    let (options, rest): (Vec<&str>, Vec<&str>) = words
        .iter()
        .partition(|word| ["-R", "--recursive", "-f", "-v", "-c", "--"].contains(word));
    let is_deep = options
        .iter()
        .any(|option| ["-R", "--recursive"].contains(option));
    let (mode, paths) = rest.split_first()?;
    (are_paths(paths) && is_mode(mode)).then(|| {
        let changed = paths.iter().map(|path| Effect::Mode {
            path: path.trim_end_matches('/').to_owned(),
            mode: (*mode).to_owned(),
            is_deep,
        });
        changed.collect()
    })
}

fn is_mode(text: &str) -> bool {
    super::mode::changed(text, 0o644, false).is_some()
}

fn owners(
    paths: &[&str],
    user: Option<&str>,
    group: Option<&str>,
    is_deep: bool,
) -> Option<Vec<Effect>> {
    let is_name =
        |name: &str| !name.is_empty() && !name.contains([' ', '/', ':', '%', '"', '\'', '\\']);
    let are_names = [user, group].into_iter().flatten().all(is_name);
    (are_paths(paths) && are_names).then(|| {
        let changed = paths.iter().map(|path| Effect::Owner {
            path: path.trim_end_matches('/').to_owned(),
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            is_deep,
        });
        changed.collect()
    })
}

fn chown(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &[]);
    if !line.has_only(&["R", "recursive", "h", "no-dereference", "f", "v", "c"]) {
        return None;
    }
    let (who, paths) = line.operands.split_first()?;
    let (user, group) = match who.split_once([':', '.']) {
        Some((user, "")) => (Some(user), Some(user)),
        Some(("", group)) => (None, Some(group)),
        Some((user, group)) => (Some(user), Some(group)),
        None => (Some(*who), None),
    };
    owners(paths, user, group, line.has(&["R", "recursive"]))
}

fn chgrp(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &[]);
    if !line.has_only(&["R", "recursive", "h", "no-dereference", "f", "v", "c"]) {
        return None;
    }
    let (group, paths) = line.operands.split_first()?;
    owners(paths, None, Some(group), line.has(&["R", "recursive"]))
}

fn setcap(words: &[&str]) -> Option<Vec<Effect>> {
    let line = Line::of(words, &[]);
    match line.operands[..] {
        [text, path] if line.has_only(&["q"]) && are_paths(&[path]) => {
            super::capabilities::attribute(text)?;
            Some(vec![Effect::Capabilities {
                path: path.to_owned(),
                text: text.to_owned(),
            }])
        }
        _ => None,
    }
}
