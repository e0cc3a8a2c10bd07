//! Accounts that scriptlets would have made: systemd-sysusers makes them of what the image has, as
//! the scriptlets' own commands do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::{base, system_package};
use crate::workshop::{Scratch, names, output_of, packaged, program, text};

/// What a daemon's package runs before it is installed.
const PRE: &str = "getent group lamp >/dev/null || groupadd -r -g 348 lamp\n\
    getent passwd lamp >/dev/null || \\\n    useradd -r -u 348 -g lamp -d /var/lib/lamp \\\n\
    -s /usr/sbin/nologin -c \"The 100% \\\"Lamp\\\"\" lamp\n\
    groupadd -r -g 349 oil\nuseradd -r -u 350 -g oil -G lamp -d / -s /bin/false -c Oil oiler\n\
    usermod -aG oil lamp\nexit 0\n";

/// Makes a package of a daemon whose program is of a group of its own; returns its path.
fn package(scratch: &Scratch, pre: &str) -> PathBuf {
    let spec = format!(
        "Name: lamp\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%install\nmkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/lib/systemd/system\n\
         echo data > %{{buildroot}}/usr/bin/lampd\n\
         printf '[Service]\\nExecStart=/usr/bin/lampd\\nUser=lamp\\nSupplementaryGroups=oil gas\\n' \
         > %{{buildroot}}/usr/lib/systemd/system/lamp.service\n\
         %pre\n{}\n%files\n%attr(2750,root,lamp) /usr/bin/lampd\n/usr/lib/systemd/system/lamp.service\n",
        pre.replace('%', "%%")
    );
    packaged(scratch, "lamp", &spec)
}

/// Writes the tables of a system on which there is nobody but root.
fn tables(root: &Path) {
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    fs::write(root.join("etc/shadow"), "root:*:1::::::\n").unwrap();
}

/// Makes the root directory of a base.
fn system(scratch: &Scratch) -> PathBuf {
    let root = base(scratch, &[&system_package(scratch)]);
    tables(&root);
    root
}

/// Returns the lines of users, and of groups with their members, without root's.
fn accounts(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for path in ["etc/passwd", "etc/group"] {
        let table = fs::read_to_string(root.join(path)).unwrap();
        lines.extend(
            table
                .lines()
                .filter(|line| !line.starts_with("root:"))
                .map(str::to_owned),
        );
    }
    lines.sort();
    lines
}

/// Builds an image for a system; returns its directory, and what was said.
fn build(scratch: &Scratch, package: &Path, base: &Path) -> (PathBuf, String) {
    let output = scratch.join("out");
    let outcome = program()
        .arg("--base")
        .arg(base)
        .args(["--arch", "x86_64", "--tree"])
        .arg(scratch.join("tree"))
        .arg("-o")
        .args([&output, package])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    (output, said)
}

#[test(root(), programs!("rpm", "rpmbuild", "systemd-sysusers", "useradd", "unsquashfs", "sh"))]
fn systemd_makes_the_accounts_that_a_scriptlet_would_have_made() {
    let scratch = Scratch::new();
    let package = package(&scratch, PRE);
    let base = system(&scratch);
    let (output, said) = build(&scratch, &package, &base);
    assert!(
        said.contains(
            "accounts-made: /usr/lib/sysusers.d/sysext-lamp.conf makes what scriptlets of \
             lamp-1-1.noarch would have made: user lamp, user oiler, group oil, lamp in group oil, \
             oiler in group lamp; "
        ),
        "{said}"
    );
    // Whom nobody makes is said: a unit may name more than its package makes.
    let missing: Vec<_> = said
        .lines()
        .filter(|line| line.contains("account-missing"))
        .collect();
    assert_eq!(missing.len(), 1, "{said}");
    assert!(
        missing[0].contains("SupplementaryGroups=oil gas, which neither the base nor"),
        "{said}"
    );

    // The program keeps its group and its set-gid bit, since the group's number is fixed.
    let image = output.join(
        names(&output)
            .into_iter()
            .find(|name| name.ends_with(".raw"))
            .unwrap(),
    );
    let listed = output_of(Command::new("unsquashfs").arg("-lln").arg(&image));
    let line = listed
        .lines()
        .find(|line| line.ends_with("/usr/bin/lampd"))
        .unwrap();
    assert!(line.starts_with("-rwxr-s--- 0/348 "), "{line}");

    let expected = scratch.join("installed");
    tables(&expected);
    let script = PRE
        .replace("groupadd -r", "groupadd --prefix \"$1\" -r")
        .replace("useradd -r", "useradd --prefix \"$1\" -r")
        .replace("usermod", "usermod --prefix \"$1\"");
    output_of(
        Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&expected),
    );
    let snippet = "usr/lib/sysusers.d/sysext-lamp.conf";
    fs::create_dir(base.join("usr/lib/sysusers.d")).unwrap();
    fs::copy(scratch.join("tree").join(snippet), base.join(snippet)).unwrap();
    output_of(Command::new("systemd-sysusers").arg("--root").arg(&base));
    assert_eq!(accounts(&base), accounts(&expected));
}

#[test(root(), programs!("rpm", "rpmbuild"))]
fn accounts_of_the_base_need_no_line() {
    let scratch = Scratch::new();
    let package = package(&scratch, "groupadd -r lamp\nuseradd -r -g lamp lamp\n");
    let base = system(&scratch);
    let snippets = base.join("usr/lib/sysusers.d");
    fs::create_dir(&snippets).unwrap();
    fs::write(snippets.join("a.conf"), "u lamp -\ng oil -\ng gas -\n").unwrap();
    let (_, said) = build(&scratch, &package, &base);
    assert!(!said.contains("account"), "{said}");
    assert!(!scratch.join("tree/usr/lib/sysusers.d").exists());
}
