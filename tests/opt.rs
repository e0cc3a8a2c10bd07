//! Packages with files in `/opt`, for a base whose `/opt` is not for images.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::base::{base, system_package};
use crate::workshop::{PACKAGERS, Scratch, packaged, program, text};

/// A program as vendors of desktops package it, with a space in the name of its directory.
const SPEC: &str = "Name: two\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
    AutoReqProv: no\n%description\nx\n%install\n\
    cd %{buildroot}; mkdir -p 'opt/Two Words/lib' usr/bin usr/lib/systemd/system usr/share/applications\n\
    printf '#!/bin/sh\\nexec \"/opt/Two Words/program\" \"$@\"\\n' > 'opt/Two Words/two'\n\
    printf '\\0program: /opt/Two Words/lib\\n' > 'opt/Two Words/program'\n\
    printf 'x' > 'opt/Two Words/sandbox'\n\
    ln -s '/opt/Two Words/two' usr/bin/two\n\
    ln -s ../program 'opt/Two Words/lib/p'\n\
    printf '[Desktop Entry]\\nExec=\"/opt/Two Words/two\" %%%%U\\nIcon=/opt/Two Words/two.png\\n' \
    > usr/share/applications/two.desktop\n\
    printf '[Service]\\nExecStart=/opt/Two\\\\x20Words/two\\n' > usr/lib/systemd/system/two.service\n\
    %post\nln -sf '/opt/Two Words/two' /usr/bin/too\nchmod 4755 '/opt/Two Words/sandbox'\n\
    %files\n%attr(755,root,root) \"/opt/Two Words\"\n/usr/bin/two\n/usr/lib/systemd/system/two.service\n\
    /usr/share/applications/two.desktop\n";

#[test(PACKAGERS)]
fn what_was_in_opt_works_below_usr() {
    let scratch = Scratch::new();
    let package = packaged(&scratch, "two", SPEC);
    let base = base(&scratch, &[&system_package(&scratch)]);
    fs::create_dir_all(base.join("usr/bin")).unwrap();
    fs::create_dir_all(base.join("var/opt")).unwrap();
    fs::write(base.join("usr/bin/sh"), "").unwrap();
    symlink("usr/bin", base.join("bin")).unwrap();
    symlink("var/opt", base.join("opt")).unwrap();
    let build = |more: &[&str]| {
        let outcome = program()
            .arg("--base")
            .arg(&base)
            .args(["--arch", "x86_64", "--replace", "-v", "--tree"])
            .arg(scratch.join("tree"))
            .args(more)
            .arg("-o")
            .args([scratch.join("out"), package.clone()])
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        said
    };
    let said = build(&["--opt", "usr"]);
    let tree = scratch.join("tree");
    assert!(!tree.join("opt").exists());
    let moved = Path::new("/usr/lib/opt/Two Words");
    for link in ["usr/bin/two", "usr/bin/too"] {
        assert_eq!(fs::read_link(tree.join(link)).unwrap(), moved.join("two"));
    }
    let inside = tree.join("usr/lib/opt/Two Words");
    assert_eq!(
        fs::read_link(inside.join("lib/p")).unwrap(),
        Path::new("../program")
    );
    let mode = fs::metadata(inside.join("sandbox"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o4755);
    for (path, expected) in [
        (
            "usr/lib/opt/Two Words/two",
            "#!/bin/sh\nexec \"/usr/lib/opt/Two Words/program\" \"$@\"\n",
        ),
        (
            "usr/lib/opt/Two Words/program",
            "\0program: /opt/Two Words/lib\n",
        ),
        (
            "usr/share/applications/two.desktop",
            "[Desktop Entry]\nExec=\"/usr/lib/opt/Two Words/two\" %U\n\
             Icon=/usr/lib/opt/Two Words/two.png\n",
        ),
        (
            "usr/lib/systemd/system/two.service",
            "[Service]\nExecStart=/usr/lib/opt/Two\\x20Words/two\n",
        ),
    ] {
        assert_eq!(
            fs::read_to_string(tree.join(path)).unwrap(),
            expected,
            "{path}"
        );
    }
    let named = "names-moved: two-1-1.noarch: /usr/lib/opt/Two Words/program names /opt/Two Words, which is \
                 /usr/lib/opt/Two Words in the image\n";
    assert_eq!(said.matches("names-moved: ").count(), 1, "{said}");
    assert!(said.contains(named), "{said}");
    assert!(!said.contains("read-only: "), "{said}");

    // Without it nothing is moved, and the finding says what would help.
    fs::remove_dir_all(&tree).unwrap();
    let said = build(&[]);
    assert!(tree.join("opt/Two Words/two").exists());
    assert!(
        said.contains("read-only: /opt is a link to /var/opt in the base"),
        "{said}"
    );
    let explained = program().args(["explain", "read-only"]).output().unwrap();
    assert!(text(&explained.stdout).contains("--opt usr"));
}
