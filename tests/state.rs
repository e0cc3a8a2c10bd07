//! What packages have outside of `/usr` and `/opt`: systemd-tmpfiles makes it on a host as rpm would
//! have.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use judges::{Need, all, corpus, programs, root};

use crate::base::{base, system_package};
use crate::client::{SID, TRIXIE};
use crate::workshop::{Scratch, names, output_of, packaged, program, text};

/// Packages of services by other hands.
const SERVICES: Need = corpus("services");
/// What makes a package's files on a host in both ways.
const MAKERS: Need = all(&[
    root(),
    programs!(
        "rpm",
        "rpmbuild",
        "unsquashfs",
        "cp",
        "systemd-sysusers",
        "systemd-tmpfiles"
    ),
]);

/// Directories of the host that a package is compared in.
const STATE: [&str; 4] = ["etc", "var", "run", "srv"];
/// What a host does at times of its own, RPM's database, and the accounts.
const NOT_COMPARED: [&str; 8] = [
    "etc/cron.d",
    "etc/logrotate.d",
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "var/lib/rpm",
    "etc/.pwd.lock",
];
/// What is read from below `/usr`.
const MOVED: [(&str, &str); 2] = [
    ("etc/systemd/system", "usr/lib/systemd/system"),
    ("etc/dbus-1/system.d", "usr/share/dbus-1/system.d"),
];

/// Makes a package whose files need care: owners, modes, links, names, and files that hosts have.
fn package(scratch: &Scratch) -> PathBuf {
    let spec = "Name: lamp\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%install\ncd %{buildroot}\n\
         mkdir -p usr/bin etc/lamp etc/default etc/cron.d etc/systemd/system/multi-user.target.wants \
         var/lib/lamp/sub var/cache/lamp var/log/lamp srv/lamp\n\
         echo x > usr/bin/lampd; chmod 755 usr/bin/lampd; echo key > etc/lamp/key; echo conf > etc/lamp/lamp.conf\n\
         echo d > 'etc/default/lamp 50%%'; echo c > etc/cron.d/lamp; echo k > etc/kept.conf\n\
         echo data > var/lib/lamp/sub/data; echo r > var/lib/lamp/roots; ln -s ../../run/lamp etc/lamp/run\n\
         ln -s '/srv/lamp/50%% \"x\"' etc/lamp/odd\n\
         printf '[Service]\\nExecStart=/usr/bin/lampd\\nEnvironmentFile=/etc/lamp/key\\nUser=lamp\\n' \
         > etc/systemd/system/lamp.service\n\
         ln -s /etc/systemd/system/lamp.service etc/systemd/system/multi-user.target.wants/lamp.service\n\
         %pre\nuseradd -r -u 348 lamp\ngroupadd -r oil\n%files\n/usr/bin/lampd\n\
         %dir %attr(0750,root,lamp) /etc/lamp\n%config(noreplace) %attr(0600,root,root) /etc/lamp/key\n\
         %config %attr(0640,root,oil) /etc/lamp/lamp.conf\n/etc/lamp/run\n/etc/lamp/odd\n\
         \"/etc/default/lamp 50%%\"\n/etc/cron.d/lamp\n%config /etc/kept.conf\n\
         /etc/systemd/system/lamp.service\n\
         /etc/systemd/system/multi-user.target.wants/lamp.service\n\
         %dir %attr(0700,lamp,lamp) /var/lib/lamp\n%attr(-,lamp,lamp) /var/lib/lamp/sub\n\
         /var/lib/lamp/roots\n\
         %dir %attr(2770,root,oil) /var/cache/lamp\n/var/log/lamp\n/srv/lamp\n";
    packaged(scratch, "lamp", spec)
}

/// Makes the root directory of a base whose files are known.
fn system(scratch: &Scratch) -> PathBuf {
    let root = base(scratch, &[&system_package(scratch)]);
    for directory in ["usr/bin", "etc", "var", "run"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    symlink("../run", root.join("var/run")).unwrap();
    for (path, text) in [
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
        ("shadow", "root:*:1::::::\n"),
        ("kept.conf", "the host's own\n"),
    ] {
        fs::write(root.join("etc").join(path), text).unwrap();
    }
    root
}

/// Builds an image for a system; returns its path, and what was said.
fn build(scratch: &Scratch, package: &Path, base: &Path, more: &[&str]) -> (PathBuf, String) {
    let output = scratch.join("out");
    let outcome = program()
        .arg("--base")
        .arg(base)
        .args(["--arch", "x86_64", "-o"])
        .args([&output, package])
        .args(more)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    let mut images = names(&output).into_iter();
    let image = images.find(|name| name.ends_with(".raw")).unwrap();
    (output.join(image), said)
}

/// Copies a system, with the files of an image in it, and makes what the image says.
fn alive(scratch: &Scratch, base: &Path, image: &Path, tmpfiles: &mut Command) -> PathBuf {
    let host = scratch.join("host");
    let _ = fs::remove_dir_all(&host);
    output_of(Command::new("cp").arg("-a").args([base, &host]));
    output_of(
        Command::new("unsquashfs")
            .args(["-f", "-no-progress", "-d"])
            .args([&host, image]),
    );
    output_of(Command::new("systemd-sysusers").arg("--root").arg(&host));
    output_of(tmpfiles.arg(format!("--root={}", host.display())).args([
        "--create",
        "--prefix=/etc",
        "--prefix=/var",
        "--prefix=/srv",
        "--prefix=/run",
    ]));
    host
}

/// Copies a system, and installs a package there. Accounts have the numbers of another one.
fn installed(scratch: &Scratch, base: &Path, package: &Path, accounts: &Path) -> PathBuf {
    let host = scratch.join("installed");
    let _ = fs::remove_dir_all(&host);
    output_of(Command::new("cp").arg("-a").args([base, &host]));
    for table in ["etc/passwd", "etc/group"] {
        fs::copy(accounts.join(table), host.join(table)).unwrap();
    }
    output_of(
        Command::new("rpm")
            .args([
                "-i",
                "--nodeps",
                "--noscripts",
                "--nosignature",
                "--ignorearch",
                "--ignoreos",
            ])
            .arg("--root")
            .args([&host, package]),
    );
    host
}

/// Returns what is below a directory of a system: kind, mode, owner and content, by path.
fn listed(root: &Path, top: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(path) = ahead.pop() {
        // Beside the accounts are those of before.
        if NOT_COMPARED.contains(&path.trim_end_matches('-')) {
            continue;
        }
        let file = root.join(&path);
        let Ok(metadata) = file.symlink_metadata() else {
            continue;
        };
        let what = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&file).unwrap().display())
        } else {
            let mode = metadata.mode() & 0o7777;
            let owner = format!("{mode:04o} {}:{}", metadata.uid(), metadata.gid());
            match metadata.is_dir() {
                true => format!("{owner} directory"),
                false => format!("{owner} {:?}", text(&fs::read(&file).unwrap())),
            }
        };
        if metadata.is_dir() {
            ahead.extend(names(&file).iter().map(|name| format!("{path}/{name}")));
        }
        if path != top {
            found.insert(path, what);
        }
    }
    found
}

/// Returns what a package installs and a host with the image lacks, or has otherwise.
fn differences(installed: &Path, host: &Path) -> Vec<String> {
    let mut differences = Vec::new();
    let mut there: BTreeMap<_, _> = STATE
        .map(|top| listed(host, top))
        .into_iter()
        .flatten()
        .collect();
    for (path, what) in STATE
        .map(|top| listed(installed, top))
        .into_iter()
        .flatten()
    {
        let moved = MOVED.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from)?;
            Some(
                listed(host, to)
                    .get(&format!("{to}{rest}"))
                    .cloned()
                    .unwrap_or_default(),
            )
        });
        let moved_what = MOVED
            .iter()
            .fold(what.clone(), |what, (from, to)| what.replace(from, to));
        match (moved, there.remove(&path)) {
            (Some(moved), None) if moved == moved_what || what.ends_with("directory") => {}
            // It is there for what was moved alone.
            (None, None)
                if MOVED
                    .iter()
                    .any(|(from, _)| from.starts_with(&format!("{path}/"))) => {}
            (None, Some(there)) if there == what => {}
            (_, there) => differences.push(format!("{path}: {what}, but {there:?}")),
        }
    }
    differences.extend(there.into_keys().map(|path| format!("{path} is there")));
    differences
}

/// The systemd-tmpfiles of another tree, started by the loader of that tree.
fn of_tree(tree: &Path) -> Command {
    let libraries = tree.join("usr/lib/x86_64-linux-gnu");
    let mut command = Command::new(tree.join("lib64/ld-linux-x86-64.so.2"));
    command
        .arg("--library-path")
        .arg(format!("{0}:{0}/systemd", libraries.display()))
        .arg(tree.join("usr/bin/systemd-tmpfiles"));
    command
}

#[test(MAKERS, SID, TRIXIE)]
fn a_host_has_what_rpm_would_have_installed() {
    let scratch = Scratch::new();
    let package = package(&scratch);
    let base = system(&scratch);
    let (image, said) = build(&scratch, &package, &base, &[]);
    for expected in [
        "left-out: drop-host-jobs left out 1 path, 2 bytes: /etc/cron.d/lamp",
        "state-refused: /var/lib/lamp/roots of root is not made on the host: systemd-tmpfiles makes \
         nothing of root in /var/lib/lamp, which is a directory of lamp",
        "left-out: kept-by-base left out 1 path, 2 bytes: /etc/kept.conf",
        "state-made: /usr/lib/tmpfiles.d/sysext-lamp.conf makes 12 paths outside of /usr and /opt: \
         /etc/default/lamp 50% ...; systemd-tmpfiles runs on the host once the image is merged",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    // Whom the image's own snippet makes is not missing.
    assert!(!said.contains("account-missing"), "{said}");
    assert!(!said.contains("left-out: hierarchy-only"), "{said}");
    for mut tmpfiles in [
        Command::new("systemd-tmpfiles"),
        of_tree(&SID.path()),
        of_tree(&TRIXIE.path()),
    ] {
        let host = alive(&scratch, &base, &image, &mut tmpfiles);
        let installed = installed(&scratch, &base, &package, &host);
        // rpm puts a file of the package aside, or in the place of the host's; the host's stays.
        let mut found = differences(&installed, &host);
        found.retain(|line| {
            !line.starts_with("etc/kept.conf") && !line.starts_with("var/lib/lamp/roots: ")
        });
        assert_eq!(found, [""; 0], "{tmpfiles:?}");
        let kept = fs::read_to_string(host.join("etc/kept.conf")).unwrap();
        assert_eq!(kept, "the host's own\n");
        // What somebody changed stays.
        fs::write(host.join("etc/lamp/key"), "mine\n").unwrap();
        output_of(tmpfiles.arg("--create"));
        assert_eq!(
            fs::read_to_string(host.join("etc/lamp/key")).unwrap(),
            "mine\n"
        );
    }
}

#[test(MAKERS)]
fn what_is_left_out_of_etc_is_said_with_what_needs_it() {
    let scratch = Scratch::new();
    let package = package(&scratch);
    let base = system(&scratch);
    let needs = "link-into-left-out: /usr/lib/systemd/system/lamp.service can't start: \
         EnvironmentFile=/etc/lamp/key, and /etc/lamp/key of lamp-1-1.noarch was left out \
         (drop-path)";
    let outcome = program()
        .arg("--base")
        .arg(&base)
        .args(["--arch", "x86_64", "--etc", "/etc/lamp=drop", "-o"])
        .args([&scratch.join("no"), &package])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains(needs), "{said}");
    let (image, said) = build(
        &scratch,
        &package,
        &base,
        &["--etc", "drop", "--allow", "link-into-left-out"],
    );
    assert!(said.contains("state-made"), "{said}");
    let listed = output_of(Command::new("unsquashfs").arg("-l").arg(&image));
    assert!(!listed.contains("factory/etc"), "{listed}");
    assert!(!listed.contains("lamp.service"), "{listed}");
}

/// All packages with files outside of `/usr` and `/opt`.
#[test(MAKERS, SERVICES)]
fn real_services_have_on_a_host_what_rpm_would_have_installed() {
    let mut compared = 0;
    for name in names(&SERVICES.path()) {
        let scratch = Scratch::new();
        let package = SERVICES.path().join(&name);
        let base = system(&scratch);
        let allowed = [
            "unmet-requirement",
            "soname-missing",
            "interpreter-missing",
            "account-missing",
            "program-missing",
        ]
        .iter()
        .flat_map(|id| ["--allow", id]);
        let (image, said) = build(&scratch, &package, &base, &Vec::from_iter(allowed));
        let mut tmpfiles = Command::new("systemd-tmpfiles");
        let host = alive(&scratch, &base, &image, &mut tmpfiles);
        let installed = installed(&scratch, &base, &package, &host);
        assert_eq!(differences(&installed, &host), [""; 0], "{name}");
        compared += usize::from(said.contains("state-made"));
    }
    assert!(compared >= 7, "{compared}");
}
