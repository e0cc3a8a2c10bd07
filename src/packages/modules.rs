//! Modules: of each at most one stream is used, and its packages stand for others of their names.
//!
//! The rules are dnf's. The stream that the user names counts, else the one that the base has
//! enabled (`/etc/dnf/modules.d`), else the default one, if what that needs is there. What follows for
//! the packages is in [`streams`]. A repository of hot fixes (`module_hotfixes`) is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use resolve::Withheld;
use rpm_input::repodata::Stream;

use crate::base::Base;
use crate::packages::repository::Repository;
use crate::packages::streams;
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;

/// Where dnf keeps what is enabled.
const ENABLED: &str = "etc/dnf/modules.d";
/// Most files in that directory.
const MAX_FILES: usize = 4096;
/// Longest of them, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// Withholds the packages that modules leave out; returns what is to be said of them.
pub fn apply(
    repositories: &mut [Repository],
    asked: &[String],
    base: &Base,
) -> Result<Option<String>> {
    let wanted = wanted(asked)?;
    let streams: Vec<Stream> = (repositories.iter())
        .flat_map(|one| one.modules.streams.iter().cloned())
        .collect();
    if streams.is_empty() && wanted.is_empty() {
        return Ok(None);
    }
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    for repository in repositories.iter() {
        used.extend(repository.modules.defaults.clone());
    }
    let by_default: BTreeSet<String> = used.keys().cloned().collect();
    for (module, stream) in of_base(base)? {
        match stream {
            Some(stream) => used.insert(module, stream),
            None => used.remove(&module),
        };
    }
    for (module, stream) in &wanted {
        check_is_there(module, stream, &streams)?;
        used.insert(module.clone(), stream.clone());
    }
    let may_be_left_out: BTreeSet<String> = (by_default.into_iter())
        .filter(|module| !wanted.contains_key(module))
        .collect();
    let active = streams::active(&streams, &mut used, &may_be_left_out).map_err(|unmet| {
        let streams::Unmet {
            module,
            stream,
            need,
        } = unmet;
        Failure::usage(format!("module {module}:{stream} needs {need}"))
            .hint("enable it with --module NAME:STREAM")
    })?;
    for repository in repositories.iter_mut().filter(|one| !one.hotfixes) {
        for index in streams::left_out(&repository.catalog, &streams, &active) {
            let withheld = &mut repository.withheld;
            withheld.entry(index).or_insert(Withheld::Module);
        }
    }
    let modules: BTreeSet<&str> = streams.iter().map(|one| one.module.as_str()).collect();
    let enabled: BTreeSet<String> = (active.iter())
        .map(|one| format!("{}:{}", one.module, one.stream))
        .collect();
    let enabled: Vec<String> = enabled.into_iter().collect();
    let said = match enabled.as_slice() {
        [] => "no stream of a module is enabled".to_owned(),
        enabled => format!("{} enabled", enabled.join(", ")),
    };
    let number = counted(modules.len(), "module");
    Ok(Some(format!(
        "{said}; packages of other streams of {number} are left out (--module NAME:STREAM)"
    )))
}

/// Reads `NAME:STREAM`s.
fn wanted(asked: &[String]) -> Result<BTreeMap<String, String>> {
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for text in asked {
        let parts = text.split_once(':');
        let Some((module, stream)) = parts.filter(|(a, b)| !a.is_empty() && !b.is_empty()) else {
            return Err(Failure::usage(format!(
                "--module {text}: a module and its stream are written NAME:STREAM"
            )));
        };
        let other = wanted.insert(module.to_owned(), stream.to_owned());
        if let Some(other) = other.filter(|other| other != stream) {
            return Err(Failure::usage(format!(
                "--module {text}: of {module} only one stream can be used, and {other} is asked for, too"
            )));
        }
    }
    Ok(wanted)
}

fn check_is_there(module: &str, stream: &str, streams: &[Stream]) -> Result<()> {
    let of_module = streams.iter().filter(|one| one.module == module);
    let names: BTreeSet<&str> = of_module.map(|one| one.stream.as_str()).collect();
    if names.contains(stream) {
        return Ok(());
    }
    let failure = Failure::usage(format!(
        "--module {module}:{stream}: no repository has that stream"
    ));
    let names: Vec<&str> = names.into_iter().collect();
    Err(match names.is_empty() {
        true => failure,
        false => failure.hint(format!("there is {module} {}", names.join(", "))),
    })
}

/// Returns what the base has enabled, by module: a stream, or none where the module is disabled.
fn of_base(base: &Base) -> Result<BTreeMap<String, Option<String>>> {
    let mut found = BTreeMap::new();
    let Some(root) = &base.root else {
        return Ok(found);
    };
    let root = files::Directory::open(root, files::Links::Follow)?;
    let Some(directory) = files::if_there(root.descend(ENABLED))? else {
        return Ok(found);
    };
    let mut names = directory.names()?;
    names.sort_unstable();
    for name in names.into_iter().take(MAX_FILES) {
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "module")
        {
            let bytes = directory.read(&name, MAX_FILE)?;
            read_state(&String::from_utf8_lossy(&bytes), &mut found);
        }
    }
    Ok(found)
}

/// Reads a file of dnf that says which stream is enabled.
fn read_state(text: &str, found: &mut BTreeMap<String, Option<String>>) {
    let mut module = String::new();
    let (mut stream, mut state) = (String::new(), String::new());
    let mut finish = |module: &mut String, stream: &mut String, state: &mut String| {
        let (module, stream) = (std::mem::take(module), std::mem::take(stream));
        match std::mem::take(state).as_str() {
            "enabled" | "1" if !module.is_empty() && !stream.is_empty() => {
                found.insert(module, Some(stream));
            }
            "disabled" if !module.is_empty() => {
                found.insert(module, None);
            }
            _ => {}
        }
    };
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            finish(&mut module, &mut stream, &mut state);
            module = name.trim().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            match key.trim() {
                "stream" => stream = value.trim().to_owned(),
                "state" => state = value.trim().to_owned(),
                _ => {}
            }
        }
    }
    finish(&mut module, &mut stream, &mut state);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;
    use resolve::Nevra;
    use resolve::Solvable;
    use rpm_input::repodata::Modules;

    const MODULES: &str = "---
document: modulemd-defaults
data:
  module: lib
  stream: 1
---
document: modulemd
data:
  name: lib
  stream: 1
  artifacts:
    rpms: [lib-0:1-1.el8.x86_64]
---
document: modulemd
data:
  name: tool
  stream: 2
  version: 1
  artifacts:
    rpms: [tool-0:2-1.el8.x86_64]
---
document: modulemd
data:
  name: tool
  stream: 2
  version: 2
  artifacts:
    rpms: [tool-0:2-2.el8.x86_64, tool-0:2-2.el8.src, plugin-0:2-2.el8.noarch]
---
document: modulemd
data:
  name: tool
  stream: 3
  dependencies:
  - requires:
      lib: [2]
      platform: [el8]
  artifacts:
    rpms: [tool-0:3-1.el8.x86_64]
";

    const PACKAGES: [&str; 8] = [
        "tool-1-1.x86_64",
        "tool-2-1.el8.x86_64",
        "tool-2-2.el8.x86_64",
        "plugin-2-2.el8.noarch",
        "tool-3-1.el8.x86_64",
        "lib-1-1.el8.x86_64",
        "lib-2-1.x86_64",
        "other-1-1.noarch",
    ];

    fn repository(hotfixes: bool) -> Repository {
        let solvables = PACKAGES.map(|text| {
            let provides = match text.starts_with("other") {
                true => vec![resolve::Dependency::parse("plugin = 9").unwrap()],
                false => Vec::new(),
            };
            Solvable {
                nevra: Nevra::parse(text).unwrap(),
                provides,
                ..Solvable::default()
            }
        });
        let mut repository = Repository::of_values("app", &solvables, Vec::new());
        repository.modules = Modules::parse(MODULES);
        repository.hotfixes = hotfixes;
        repository
    }

    #[test]
    fn packages_of_one_stream_are_on_offer() {
        let scratch = Scratch::new();
        scratch.write(
            "etc/dnf/modules.d/tool.module",
            b"[tool]\nname=tool\nstream=2\nstate=enabled\n",
        );
        scratch.write(
            "etc/dnf/modules.d/lib.module",
            b"[lib]\nname=lib\nstream=\nstate=disabled\n",
        );
        scratch.write(
            "etc/dnf/modules.d/tool.module.rpmsave",
            b"[tool]\nstream=3\nstate=enabled\n",
        );
        let bare = Base::default();
        let having = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let of_stream_2 = "tool-2-2.el8.x86_64 plugin-2-2.el8.noarch";
        for (base, asked, hotfixes, expected) in [
            // The default stream of lib stands for the lib of no module.
            (
                &bare,
                &[][..],
                false,
                "tool-1-1.x86_64 lib-1-1.el8.x86_64 other-1-1.noarch".to_owned(),
            ),
            (
                &bare,
                &["tool:2"],
                false,
                format!("{of_stream_2} lib-1-1.el8.x86_64"),
            ),
            // The base has enabled a stream and disabled a module.
            (&having, &[], false, format!("{of_stream_2} lib-2-1.x86_64")),
            (
                &having,
                &["lib:1"],
                false,
                format!("{of_stream_2} lib-1-1.el8.x86_64"),
            ),
            (&bare, &["tool:2"], true, PACKAGES.join(" ")),
        ] {
            let mut repositories = [repository(hotfixes)];
            let asked: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
            assert!(apply(&mut repositories, &asked, base).unwrap().is_some());
            let [repository] = repositories;
            let offered = PACKAGES.iter().enumerate();
            let offered = offered.filter(|(index, _)| !repository.withheld.contains_key(index));
            let offered: Vec<_> = offered.map(|(_, name)| *name).collect();
            assert_eq!(offered.join(" "), expected, "{asked:?}");
        }
        for (asked, expected) in [
            (
                &["tool"][..],
                "--module tool: a module and its stream are written NAME:STREAM",
            ),
            (
                &["tool:2", "tool:3"],
                "--module tool:3: of tool only one stream can be used, and 2 is asked for, too",
            ),
            (
                &["tool:9"],
                "--module tool:9: no repository has that stream",
            ),
            (&["tool:3"], "module tool:3 needs lib:2"),
        ] {
            let asked: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
            let failure = apply(&mut [repository(false)], &asked, &bare).unwrap_err();
            assert_eq!(failure.source.to_string(), expected);
        }
        assert_eq!(apply(&mut [], &[], &bare).unwrap(), None);
    }
}
