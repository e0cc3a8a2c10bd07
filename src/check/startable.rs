//! Programs that can't be started: those that a unit of an image names and nobody has, and files in
//! the directories of commands that nobody may execute.
//!
//! A unit may be meant for a system that has more: `ExecStart=-/usr/bin/x` may fail, and a unit with
//! a condition may never start. Of these nothing is said, and nothing of paths that are only there
//! on a running system.

use std::collections::BTreeMap;

use image::{Content, Tree, Visit};
use linkage::{Linkage, PROGRAM_DIRECTORIES};

use super::references::PROGRAMS;
use super::shadow::{self, End};
use crate::alive::unit_file::{Command, UnitFile};
use crate::base::files::BaseFiles;
use crate::findings::{Finding, kinds};

/// Where what packages install is on every system that an image fits.
const INSTALLED: [&str; 6] = ["/usr/", "/opt/", "/bin/", "/sbin/", "/lib/", "/lib64/"];
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
        for (setting, program) in started(text) {
            let problem = match shadow::end(tree, files, &program) {
                End::Nothing => "is in neither the image nor the base",
                End::Image(mode) if mode & 0o111 == 0 => "may be executed by nobody",
                End::Image(_) | End::Base | End::Elsewhere => continue,
            };
            let text = format!("/{path} can't start: {setting}, and {program} {problem}");
            findings.push(Finding::new(&kinds::PROGRAM_MISSING, text));
        }
    }
    findings
}

/// Returns the programs that a unit must start, each with its setting. None of a unit that has a
/// condition or a root of its own.
fn started(text: &str) -> Vec<(String, String)> {
    let unit = UnitFile::parse(text);
    let is_guard = |key: &str| key.starts_with("Condition") || ROOTS.contains(&key);
    if unit.settings().iter().any(|it| is_guard(&it.key)) {
        return Vec::new();
    }
    let mut started = Vec::new();
    for key in PROGRAMS {
        for value in unit.values("Service", key) {
            for command in Command::of(value).iter().filter(|it| !it.may_fail) {
                let is_installed =
                    |path: &&str| INSTALLED.iter().any(|above| path.starts_with(above));
                if let Some(program) = command.path().filter(is_installed) {
                    started.push((format!("{key}={value}"), program.to_owned()));
                }
            }
        }
    }
    started
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
            ("ExecStop=/usr/bin/x", None),
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
