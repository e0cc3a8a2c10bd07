//! Programs that can't be started: those that a unit of an image names and nobody has, or for which it
//! needs files that nobody has, and files in the directories of commands that nobody may execute.
//!
//! A unit may be meant for a system that has more: `ExecStart=-/usr/bin/x` may fail, and a unit with
//! a condition may never start. Of these nothing is said, and nothing of paths that are only there
//! on a running system.

use std::collections::{BTreeMap, BTreeSet};

use image::{Content, Tree, Visit};
use linkage::{Linkage, PROGRAM_DIRECTORIES};

use super::beside::Beside;
use super::references::PROGRAMS;
use super::shadow::{self, End};
use super::upheld;
use crate::alive::unit_file::{self, Command, UnitFile};
use crate::base::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, kinds};

/// Where what packages install is on every system that an image fits.
const INSTALLED: [&str; 6] = ["/usr/", "/opt/", "/bin/", "/sbin/", "/lib/", "/lib64/"];
/// Settings of programs that a unit starts later, and what they are for.
const LATER: [(&str, &str); 2] = [("ExecReload", "reload"), ("ExecStop", "stop")];
/// Where settings of systemd are, which everybody may ask it for.
const SETTINGS: [&str; 5] = [
    "usr/lib/systemd/system",
    "usr/lib/systemd/user",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/lib/udev/rules.d",
];
/// Settings that give a unit another root directory, or put something into it.
const ROOTS: [&str; 8] = [
    "RootDirectory",
    "RootImage",
    "RootMStack",
    "BindPaths",
    "BindReadOnlyPaths",
    "MountImages",
    "ExtensionImages",
    "ExtensionDirectories",
];

/// Finds the units that name a program which is in neither the image nor the base, or which nobody
/// may execute. `texts` has the units of the image. Without a root, a base has files that no package
/// lists, so that nothing is certain.
pub fn units(
    texts: &BTreeMap<String, String>,
    tree: &Tree,
    files: Option<&BaseFiles<'_>>,
) -> Vec<Finding> {
    let Some(files) = files else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (path, text) in texts {
        let directory = path.rsplit_once('/').map_or("", |(above, _)| above);
        // A drop-in may say something else of what another file begins.
        let is_unit = directory.ends_with("/systemd/system");
        if !is_unit || tree.get(format!("{path}.d")).is_some() {
            continue;
        }
        for (verb, setting, program) in started(text) {
            let problem = match shadow::end(tree, files, &program) {
                End::Nothing => "is in neither the image nor the base",
                End::Image(mode) if mode & 0o111 == 0 => "may be executed by nobody",
                End::Image(_) | End::Base | End::Elsewhere => continue,
            };
            let text = format!("/{path} can't {verb}: {setting}, and {program} {problem}");
            findings.push(Finding::new(&kinds::PROGRAM_MISSING, text));
        }
    }
    findings
}

/// Finds the files without which units can't start that the image starts, and which nobody has; and of all
/// units, those below `/opt` that they name: the tree may have been moved from there. Only of a base's root
/// it is known what is in `/etc`.
pub fn files(
    texts: &BTreeMap<String, String>,
    tree: &Tree,
    (base, beside): (Option<&BaseFiles<'_>>, &Beside),
) -> Vec<Finding> {
    let Some(base) = base.filter(|base| base.has_root()) else {
        return Vec::new();
    };
    let (upheld, made) = (upheld::upheld(texts, tree), made(texts));
    let is_missing = |path: &str| {
        let path = path.trim_start_matches('/');
        let is_made = made
            .iter()
            .any(|made| image::is_below(path.as_bytes(), made));
        // Where /etc is made of it at boot, a base has its settings in /usr/etc.
        let of_vendor = image::is_below(path, "etc").then(|| base.entry(format!("usr/{path}")));
        let is_of_base = base.entry(path) != BaseEntry::Missing
            || of_vendor.is_some_and(|entry| entry != BaseEntry::Missing);
        !is_made && !is_of_base && !beside.has(path) && tree.resolve(path).is_none()
    };
    let mut findings = Vec::new();
    for (path, text) in texts {
        let Some(unit) = upheld::unit_of(path).filter(|unit| path.ends_with(*unit)) else {
            continue;
        };
        // A drop-in may say something else.
        let of_host = format!("etc/systemd/system/{unit}.d");
        if tree.get(format!("{path}.d")).is_some() || base.entry(&of_host) != BaseEntry::Missing {
            continue;
        }
        for file in named(text).into_iter().filter(|file| is_missing(file)) {
            let text = format!("/{path} names {file}, which is in neither the image nor the base");
            findings.push(Finding::new(&kinds::PATH_MISSING, text));
        }
        let needed = upheld.contains(unit).then(|| needed(text));
        for (setting, file) in needed.into_iter().flatten() {
            if is_missing(&file) {
                let text = format!(
                    "/{path} can't start: {setting}, and {file} is in neither the image nor the base"
                );
                findings.push(Finding::new(&kinds::PATH_MISSING, text).made_fatal());
            }
        }
    }
    findings
}

/// Returns the files that must be there for a unit to start, each with its setting.
fn needed(text: &str) -> Vec<(String, String)> {
    let unit = UnitFile::parse(text);
    if has_guard(&unit) {
        return Vec::new();
    }
    let values = unit.values("Service", "EnvironmentFile").into_iter();
    let needed = values.filter_map(|value| {
        let (path, may_be_missing) = unit_file::optional_path(value)?;
        let is_installed = path.starts_with("/etc/") || is_installed(path);
        let is_certain = !may_be_missing && !path.contains(['*', '?', '[']);
        (is_installed && is_certain).then(|| (format!("EnvironmentFile={value}"), path.to_owned()))
    });
    needed.collect()
}

/// Returns the paths below `/opt` of which a unit tells systemd or its program.
fn named(text: &str) -> BTreeSet<String> {
    let unit = UnitFile::parse(text);
    let mounts = unit.values("Unit", "RequiresMountsFor").into_iter();
    let mounts = mounts.filter_map(unit_file::words).flatten();
    let variables = unit.values("Service", "Environment").into_iter();
    let variables = variables.filter_map(unit_file::words).flatten();
    let values = variables.filter_map(|word| Some(word.split_once('=')?.1.to_owned()));
    let is_of_opt = |path: &String| path.starts_with("/opt/") && !path.contains([':', '%']);
    let paths = mounts.chain(values).filter(is_of_opt);
    paths
        .map(|path| path.trim_end_matches('/').to_owned())
        .collect()
}

/// Returns the paths that snippets of tmpfiles.d(5) make, without their slashes.
fn made(texts: &BTreeMap<String, String>) -> BTreeSet<Vec<u8>> {
    let snippets = (texts.iter()).filter(|(path, _)| path.starts_with("usr/lib/tmpfiles.d/"));
    let lines = snippets.flat_map(|(_, text)| text.lines());
    let paths = lines.filter_map(|line| {
        let (kind, rest) = line.split_once([' ', '\t'])?;
        let makes = kind.starts_with(['f', 'F', 'C', 'L', 'd', 'D', 'w']);
        let rest = rest.trim_start();
        let path = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => rest.split_whitespace().next()?,
        };
        makes.then(|| path.trim_matches('/').as_bytes().to_owned())
    });
    paths.collect()
}

/// Finds settings of the system that none but root may read.
pub fn settings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    tree.walk(&mut |path, visit| {
        let Visit::Leaf(_, leaf) = visit else { return };
        let is_setting = SETTINGS
            .iter()
            .any(|above| image::is_below(path.bytes(), above));
        let mode = leaf.stat.mode;
        if is_setting && matches!(leaf.content, Content::File { .. }) && mode & 0o444 != 0o444 {
            let text = format!(
                "/{path} has mode {mode:04o}, so that not everybody reads what systemd does"
            );
            findings.push(Finding::new(&kinds::SETTINGS_MODE, text));
        }
    });
    findings
}

/// Returns the programs that a unit must start, each with what it is for and its setting. None of a unit
/// that has a condition or a root of its own.
fn started(text: &str) -> Vec<(&'static str, String, String)> {
    let unit = UnitFile::parse(text);
    if has_guard(&unit) {
        return Vec::new();
    }
    let mut started = Vec::new();
    let starting = PROGRAMS.map(|key| (key, "start"));
    for (key, verb) in starting.into_iter().chain(LATER) {
        for value in unit.values("Service", key) {
            for command in Command::of(value).iter().filter(|it| !it.may_fail) {
                if let Some(program) = command.path().filter(|path| is_installed(path)) {
                    started.push((verb, format!("{key}={value}"), program.to_owned()));
                }
            }
        }
    }
    started
}

/// Says whether a unit may never start, or sees other files than its system.
fn has_guard(unit: &UnitFile) -> bool {
    let is_guard = |key: &str| key.starts_with("Condition") || ROOTS.contains(&key);
    unit.settings().iter().any(|it| is_guard(&it.key))
}

/// Says whether a path is of a program or file that packages install.
fn is_installed(path: &str) -> bool {
    INSTALLED.iter().any(|above| path.starts_with(above))
}

/// Finds files in the directories of commands that nobody may execute. What is a program, and what
/// nobody may even read, is there by mistake; a text may be for other scripts.
pub fn commands(tree: &Tree, linkage: Option<&Linkage>) -> Vec<Finding> {
    let mut findings = Vec::new();
    tree.walk(&mut |path, visit| {
        let Visit::Leaf(_, leaf) = visit else { return };
        let Content::File { .. } = leaf.content else {
            return;
        };
        let (path, mode) = (path.text(), leaf.stat.mode);
        let directory = path.rsplit_once('/').map_or("", |(above, _)| above);
        let is_command = (PROGRAM_DIRECTORIES.iter()).any(|known| known[1..] == *directory);
        if !is_command || mode & 0o111 != 0 {
            return;
        }
        let object = linkage.and_then(|linkage| linkage.object(&path));
        let is_program = object.is_some_and(|it| it.interpreter.is_some() || it.program);
        if is_program || mode & 0o444 == 0 {
            let text = format!("/{path} has mode {mode:04o}, so that nobody may execute it");
            findings.push(Finding::new(&kinds::NOT_EXECUTABLE, text));
        }
    });
    findings
}

#[cfg(test)]
mod tests {
    use image::{ContentId, Leaf, Stat};
    use rpm_input::{File, FileKind, Nevra, Package};

    use super::*;
    use crate::base::Base;
    use crate::words::scratch::Scratch;

    /// Makes a tree of files `PATH MODE`, and of links `PATH -> TARGET`.
    fn tree(lines: &[&str]) -> Tree {
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        for line in lines {
            let mut stat = Stat::default();
            let (path, content) = match line.split_once(" -> ") {
                Some((path, target)) => (path, Content::Symlink(target.into())),
                None => {
                    let (path, mode) = line.split_once(' ').unwrap();
                    stat.mode = u16::from_str_radix(mode, 8).unwrap();
                    let id = ContentId::new(*line);
                    (path, Content::File { size: 1, id })
                }
            };
            tree.insert_leaf(path, Leaf { stat, content }, &implicit)
                .unwrap();
        }
        tree
    }

    const UNIT: &str = "usr/lib/systemd/system/d.service";

    #[test]
    fn programs_that_units_name_and_nobody_has() {
        let scratch = Scratch::new();
        scratch.write("usr/bin/own", b"");
        std::os::unix::fs::symlink("usr/bin", scratch.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("own", scratch.path().join("usr/bin/link")).unwrap();
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let files = BaseFiles::of(&base);
        let image = tree(&[
            "usr/bin/d 755",
            "usr/bin/plain 644",
            "usr/bin/alias -> /etc/alternatives/d",
            "usr/bin/loose -> nosuch",
            "usr/lib/systemd/system/other.service.d/a.conf 644",
        ]);
        let nobody = |setting: &str, program: &str| {
            format!(
                "/{UNIT} can't start: {setting}, and {program} is in neither the image nor the base"
            )
        };
        for (lines, expected) in [
            ("ExecStart=/usr/bin/d --run", None),
            ("ExecStart=/bin/own", None),
            ("ExecStart=/usr/bin/link", None),
            (
                "ExecStart=/usr/bin/x --run",
                Some(nobody("ExecStart=/usr/bin/x --run", "/usr/bin/x")),
            ),
            (
                "ExecStart=@!/bin/x a",
                Some(nobody("ExecStart=@!/bin/x a", "/bin/x")),
            ),
            (
                "ExecStartPre=/opt/x/y",
                Some(nobody("ExecStartPre=/opt/x/y", "/opt/x/y")),
            ),
            (
                "ExecStart=/usr/bin/loose",
                Some(nobody("ExecStart=/usr/bin/loose", "/usr/bin/loose")),
            ),
            (
                "ExecStart=/usr/bin/plain",
                Some(format!(
                    "/{UNIT} can't start: ExecStart=/usr/bin/plain, and /usr/bin/plain may be \
                     executed by nobody"
                )),
            ),
            (
                "ExecStart=/bin/own ; \"/opt/my app\" a",
                Some(nobody(
                    "ExecStart=/bin/own ; \"/opt/my app\" a",
                    "/opt/my app",
                )),
            ),
            // It may fail; it may be another one; it may not start at all.
            ("ExecStart=-/usr/bin/x", None),
            ("ExecStart=\"/my app/x\"", None),
            ("ExtensionImages=/x.raw\nExecStart=/usr/bin/x", None),
            ("BindReadOnlyPaths=/a:/usr/x\nExecStart=/usr/bin/x", None),
            ("[X-Other]\nExecStart=/usr/bin/x", None),
            ("ExecStart=+-/usr/bin/x", None),
            ("ExecStart=x --run", None),
            ("ExecStart=/usr/lib/%i/x", None),
            ("ExecStart=/usr/lib/${A}/x", None),
            (
                "ExecStart=/usr/bin/x\nExecStart=\nExecStart=/usr/bin/d",
                None,
            ),
            ("ConditionPathExists=/usr/bin/x\nExecStart=/usr/bin/x", None),
            ("ConditionVirtualization=no\nExecStart=/usr/bin/x", None),
            ("RootDirectory=/srv/x\nExecStart=/usr/bin/x", None),
            // It may be made on the running system.
            ("ExecStart=/usr/bin/alias", None),
            ("ExecStart=/var/lib/x/y", None),
            ("ExecStart=/run/x", None),
        ] {
            let text = format!("[Service]\n{lines}\n");
            let texts = |path: &str| BTreeMap::from([(path.to_owned(), text.clone())]);
            let found = units(&texts(UNIT), &image, files.as_ref());
            let found: Vec<_> = found.into_iter().map(|one| one.text).collect();
            assert_eq!(found, Vec::from_iter(expected), "{lines}");
            for path in [
                "usr/lib/systemd/system/other.service",
                "usr/lib/systemd/system/d.service.d/a.conf",
                "usr/lib/sysusers.d/d.conf",
            ] {
                assert_eq!(
                    units(&texts(path), &image, files.as_ref()).len(),
                    0,
                    "{path}"
                );
            }
            assert_eq!(units(&texts(UNIT), &image, None).len(), 0);
        }
    }

    #[test]
    fn programs_that_units_start_later() {
        let scratch = Scratch::new();
        scratch.write("usr/bin/own", b"");
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let files = BaseFiles::of(&base);
        for (line, expected) in [
            ("ExecStop=/usr/bin/x", Some("can't stop")),
            ("ExecReload=/bin/x -HUP $MAINPID", Some("can't reload")),
            ("ExecStop=-/usr/bin/x", None),
            ("ExecReload=/usr/bin/own", None),
        ] {
            let text = format!("[Service]\nExecStart=/usr/bin/own\n{line}\n");
            let texts = BTreeMap::from([(UNIT.to_owned(), text)]);
            let found = units(&texts, &tree(&[]), files.as_ref());
            let found: Vec<_> = found.into_iter().map(|one| one.text).collect();
            let program = line.split(['=', ' ']).nth(1).unwrap();
            let expected = expected.map(|what| {
                format!(
                    "/{UNIT} {what}: {line}, and {program} is in neither the image nor the base"
                )
            });
            assert_eq!(found, Vec::from_iter(expected), "{line}");
        }
    }

    /// What packages list is not all that is there, and a unit may be meant for a system that has more.
    #[test]
    fn that_a_program_is_missing_is_never_certain() {
        let mut package = Package::named(Nevra {
            name: "base".into(),
            epoch: None,
            version: "1".into(),
            release: "1".into(),
            arch: "x86_64".into(),
        });
        let own = File::new("/bin/own".to_owned(), FileKind::Regular);
        package.files = std::iter::once(own).collect();
        let listed = Base {
            packages: Some(vec![package]),
            ..Base::default()
        };
        let scratch = Scratch::new();
        scratch.write("usr/bin/own", b"");
        let rooted = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        for base in [&listed, &rooted] {
            let files = BaseFiles::of(base);
            let text = "[Service]\nExecStartPre=/usr/bin/own\nExecStart=/usr/bin/x\n".to_owned();
            let texts = BTreeMap::from([(UNIT.to_owned(), text)]);
            let found = units(&texts, &tree(&[]), files.as_ref());
            assert_eq!(found.len(), 1);
            assert!(!found[0].fatal);
        }
    }

    #[test]
    fn commands_that_nobody_may_execute() {
        let (mut linkage, path) = (Linkage::default(), "usr/bin/program".to_owned());
        let object: linkage::Object = serde_json::from_str(
            r#"{"abi":"elf64-x86-64","interpreter":"/lib64/ld-linux-x86-64.so.2"}"#,
        )
        .unwrap();
        linkage.insert(path, object.clone(), false);
        linkage.insert(
            "usr/bin/libx.so".to_owned(),
            linkage::Object {
                interpreter: None,
                ..object
            },
            false,
        );
        for (line, expected) in [
            ("usr/bin/program 644", true),
            ("usr/bin/program 755", false),
            ("usr/sbin/x 000", true),
            ("usr/sbin/x 200", true),
            ("usr/bin/x 100", false),
            ("usr/bin/gettext.sh 644", false),
            ("usr/bin/libx.so 644", false),
            ("usr/bin/d/x 000", false),
            ("usr/share/x 000", false),
            ("usr/bin/x -> y", false),
        ] {
            let found = commands(&tree(&[line]), Some(&linkage));
            assert_eq!(found.len(), usize::from(expected), "{line}");
        }
        let found = commands(&tree(&["usr/sbin/x 000"]), None);
        assert_eq!(
            found[0].text,
            "/usr/sbin/x has mode 0000, so that nobody may execute it"
        );
    }
}
