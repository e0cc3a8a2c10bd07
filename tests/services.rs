//! What an installation would have done, as data: the image has what `rpm -i` leaves on disk, and
//! systemd reads of it which services to start, and what to do before.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::{base, system_package};
use crate::client::{SID, TRIXIE};
use crate::workshop::{
    PACKAGERS, Scratch, fixture, names, os_release, output_of, packaged, program, text,
};

/// A daemon with a socket, whose scriptlets make what it needs.
const POST: &str = "systemctl daemon-reload >/dev/null 2>&1 || :\n\
    if [ $1 -eq 1 ]; then\n  systemctl --no-reload enable lamp.socket >/dev/null 2>&1 || :\nfi\n\
    mkdir -p /var/lib/lamp-own\nchown daemon:daemon /var/lib/lamp-own\n\
    LOG=/var/log/lamp\ninstall -d -m 0750 -o root -g daemon $LOG\nmkdir -p /var/lib/lamp/cache\n\
    chmod u+s /usr/bin/lampctl\nchmod 4711 /usr/lib/lamp/sandbox\n\
    setcap cap_net_raw,cap_net_admin+ep /usr/bin/lampd\n\
    ln -sf ../bin/lampctl /usr/lib/lamp/ctl\n\
    update-alternatives --install /usr/bin/glow glow /usr/bin/lampctl 30\n\
    update-alternatives --install /usr/bin/glow glow /usr/bin/lampd 40 || :\n\
    [ $1 -gt 1 ] && rm -rf /usr/lib/lamp || :\nexit 0\nrm -f /usr/bin/lampd\n";

/// Commands that are called harmless, one of each kind.
const HARMLESS: &str = "echo x; printf y >&2; : ${X:-y}\nX=$(cat /etc/passwd | grep root | cut -d: -f1)\n\
    getent group nobody || getent passwd nobody >/dev/null\n\
    if [ $1 -gt 1 ]; then rm -rf /usr/lib/lamp; elif test -f /nothing.rpmsave; then rm /etc/passwd; fi\n\
    [ \"$1\" = 0 ] && rm /etc/passwd\nfor i in a b; do test -e $i || :; done\n\
    f() { return 0; rm /etc/passwd; }; f\ncase $1 in 0) rm /etc/passwd;; *) true;; esac\n\
    sed -n s/a/b/p /etc/passwd; awk '{print $1}' /etc/passwd; find /etc -name passwd\n\
    systemctl daemon-reload || :\nudevadm settle --timeout=0 || :\n\
    rm -f /run/rpm-lamp /etc/lamp.conf.rpmsave\nexit 0\nrm /etc/passwd\n";

/// Parts of paths that are in no package.
const MADE: [&str; 3] = ["extension-release", "sysext-lamp", "multi-user.target.d"];

/// Makes a package; returns its path.
fn package(scratch: &Scratch, post: &str) -> PathBuf {
    let units = "%{buildroot}/usr/lib/systemd/system";
    let spec = format!(
        "Name: lamp\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         AutoReqProv: no\n%description\nx\n%install\n\
         mkdir -p {units} %{{buildroot}}/usr/bin %{{buildroot}}/usr/lib/lamp %{{buildroot}}/var/lib/lamp-own\n\
         for i in bin/lampd bin/lampctl lib/lamp/sandbox; do\n\
         printf '#!/bin/sh\\n# %s\\n' $i > %{{buildroot}}/usr/$i; done\n\
         printf '[Unit]\\nDescription=Lamp\\n[Socket]\\nListenStream=/run/lamp\\n' > {units}/lamp.socket\n\
         printf '[Unit]\\nDescription=Lamp\\n[Service]\\nExecStart=/usr/bin/lampd\\n\
         [Install]\\nWantedBy=multi-user.target\\n' > {units}/lamp.service\n\
         %post\n{}\n%files\n%attr(755,root,root) /usr/bin/lampd\n%attr(755,root,root) /usr/bin/lampctl\n\
         %attr(755,root,root) /usr/lib/lamp/sandbox\n%dir /usr/lib/lamp\n%dir %attr(700,root,root) /var/lib/lamp-own\n/usr/lib/systemd/system/*\n",
        post.replace('%', "%%")
    );
    packaged(scratch, "lamp", &spec)
}

/// Builds an image; returns its tree, and what was said.
fn build(scratch: &Scratch, package: &Path, base: &Path, more: &[&str]) -> (PathBuf, String) {
    let outcome = program()
        .arg("--base")
        .arg(base)
        .args(["--arch", "x86_64", "--replace", "--tree"])
        .arg(scratch.join("tree"))
        .args(more)
        .arg("-o")
        .args([scratch.join("out"), package.to_owned()])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    (scratch.join("tree"), said)
}

/// Installs a package with its scriptlets into a root whose `/usr` is this machine's with a layer
/// above. Returns the layer and the root.
fn install(scratch: &Scratch, package: &Path) -> (PathBuf, PathBuf) {
    let (layer, root) = (scratch.join("layer"), scratch.join("root"));
    fs::create_dir(&layer).unwrap();
    for directory in [
        "usr",
        "etc",
        "var/lib/dpkg/alternatives",
        "var/log",
        "dev",
        "tmp",
        "work",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for link in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), root.join(link)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\ndaemon:x:1:\n").unwrap();
    fs::write(root.join("dev/null"), "").unwrap();
    let script = "mount -t overlay -o lowerdir=/usr,upperdir=$1,workdir=$2/work none $2/usr \
                  && mount --bind /dev/null $2/dev/null && mount -t tmpfs none $2/tmp \
                  && rpm --root $2 --dbpath /var/lib/rpm -i --nodeps --nosignature $3";
    output_of(
        Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh"])
            .args([&layer, &root])
            .arg(package),
    );
    (layer, root)
}

/// Lists what is below a directory: path, mode, and what a link leads to; directories only where
/// they are the package's.
fn listed(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let path = entry
            .path()
            .strip_prefix(root)
            .unwrap()
            .display()
            .to_string();
        if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            lines.push(format!("{path} -> {}", target.display()));
        } else if metadata.is_file() {
            lines.push(format!(
                "{path} {:04o} {}:{}",
                metadata.mode() & 0o7777,
                metadata.uid(),
                metadata.gid()
            ));
        }
    }
    lines
}

fn capability(path: &Path) -> String {
    let said = output_of(Command::new("getcap").arg(path));
    said.split_whitespace().skip(1).collect()
}

const INSTALLERS: judges::Need = programs!(
    "rpm",
    "rpmbuild",
    "unshare",
    "mount",
    "setcap",
    "getcap",
    "update-alternatives",
    "systemctl",
    "systemd-tmpfiles",
    "unsquashfs",
    "sh"
);

#[test(root(), INSTALLERS)]
fn the_image_has_what_an_installation_leaves() {
    let scratch = Scratch::new();
    let package = package(&scratch, POST);
    let base = base(&scratch, &[&system_package(&scratch)]);
    let (tree, said) = build(&scratch, &package, &base, &[]);
    assert!(!said.contains("scriptlet: "), "{said}");
    assert!(
        said.contains("start     lamp.socket (%post of lamp-1-1.noarch)\n"),
        "{said}"
    );
    let (layer, root) = install(&scratch, &package);

    let mut ours = listed(&tree.join("usr"));
    ours.retain(|line| !MADE.iter().any(|made| line.contains(made)));
    let mut theirs = listed(&layer);
    // Its link leads through /etc, to the one that has the highest priority.
    for line in &mut theirs {
        if line == "bin/glow -> /etc/alternatives/glow" {
            let target = fs::read_link(root.join("etc/alternatives/glow")).unwrap();
            assert_eq!(target, Path::new("/usr/bin/lampd"));
            *line = "bin/glow -> lampd".to_owned();
        }
    }
    assert_eq!(ours, theirs);
    let image = scratch.join("out/lamp-1-1.x86-64.raw");
    let unpacked = scratch.join("unpacked");
    output_of(
        Command::new("unsquashfs")
            .args(["-q", "-n", "-d"])
            .args([&unpacked, &image]),
    );
    let wanted = "cap_net_admin,cap_net_raw=ep";
    assert_eq!(capability(&unpacked.join("usr/bin/lampd")), wanted);
    assert_eq!(capability(&layer.join("bin/lampd")), wanted);

    // What is outside of the image systemd-tmpfiles makes.
    let host = scratch.join("host");
    fs::create_dir_all(host.join("etc")).unwrap();
    for table in ["etc/passwd", "etc/group"] {
        fs::copy(root.join(table), host.join(table)).unwrap();
    }
    let snippets = ["sysext-lamp-scriptlets.conf", "sysext-lamp.conf"];
    output_of(
        Command::new("systemd-tmpfiles")
            .arg(format!("--root={}", host.display()))
            .arg("--create")
            .args(snippets.map(|name| tree.join("usr/lib/tmpfiles.d").join(name))),
    );
    for path in [
        "var/log/lamp",
        "var/lib/lamp",
        "var/lib/lamp/cache",
        "var/lib/lamp-own",
    ] {
        let [one, other] = [&host, &root].map(|root| fs::metadata(root.join(path)).unwrap());
        assert_eq!(
            (one.mode(), one.uid(), one.gid()),
            (other.mode(), other.uid(), other.gid()),
            "{path}"
        );
    }
}

#[test(root(), INSTALLERS)]
fn what_is_called_harmless_changes_nothing() {
    let scratch = Scratch::new();
    let package = package(&scratch, HARMLESS);
    let base = base(&scratch, &[&system_package(&scratch)]);
    let (tree, said) = build(&scratch, &package, &base, &[]);
    let lines = said.lines().find(|line| line.starts_with("scripts "));
    assert!(
        lines.is_some_and(|line| line.contains(": 0 as data or on the host, ")),
        "{said}"
    );
    assert!(
        lines.is_some_and(|line| line.ends_with(" 0 unhandled")),
        "{said}"
    );
    let (layer, root) = install(&scratch, &package);
    let mut ours = listed(&tree.join("usr"));
    ours.retain(|line| !MADE.iter().any(|made| line.contains(made)));
    assert_eq!(ours, listed(&layer));
    let mut rest = listed(&root.join("etc"));
    rest.extend(listed(&root.join("var")));
    rest.retain(|line| !line.starts_with("lib/rpm/"));
    assert_eq!(rest, ["group 0644 0:0", "passwd 0644 0:0"]);
}

/// Lays an image over a copy of the base's root, with this machine's own targets.
fn merged(base: &Path, tree: &Path) -> PathBuf {
    let units = base.join("usr/lib/systemd/system");
    fs::create_dir_all(&units).unwrap();
    for name in names(Path::new("/usr/lib/systemd/system")) {
        let from = Path::new("/usr/lib/systemd/system").join(&name);
        let is_file = from.is_file() && !units.join(&name).exists();
        if is_file && (name.ends_with(".target") || name.starts_with("systemd-")) {
            fs::copy(&from, units.join(&name)).unwrap();
        }
    }
    output_of(Command::new("cp").arg("-a").arg(tree.join("usr")).arg(base));
    base.to_owned()
}

#[test(programs!("rpm", "rpmbuild"))]
fn units_that_are_started_have_their_other_names() {
    let scratch = Scratch::new();
    let units = "%{buildroot}/usr/lib/systemd/system";
    let spec = format!(
        "Name: lamp\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         AutoReqProv: no\n%description\nx\n%install\nmkdir -p {units}\n\
         for i in lamp glow; do printf '[Service]\\nExecStart=/usr/bin/sleep 9\\n\
         [Install]\\nWantedBy=multi-user.target\\nAlias=light.service of-base.service %s-1.service\\n' $i > \
         {units}/$i.service; done\n%files\n/usr/lib/systemd/system/*\n"
    );
    let package = packaged(&scratch, "lamp", &spec);
    let base = base(&scratch, &[&system_package(&scratch)]);
    for path in ["usr/lib/systemd/system/of-base.service", "usr/bin/sleep"] {
        fs::create_dir_all(base.join(path).parent().unwrap()).unwrap();
        fs::write(base.join(path), "#!/bin/sh\n").unwrap();
        fs::set_permissions(base.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for more in [
        &[][..],
        &["--jobs", "1"],
        &["--compression", "gzip", "--block-size", "4K"],
    ] {
        let more = [&["--start", "lamp.service", "--no-merge-unit"], more].concat();
        fs::remove_dir_all(scratch.join("tree")).ok();
        let (tree, _) = build(&scratch, &package, &base, &more);
        let units = tree.join("usr/lib/systemd/system");
        for name in ["light.service", "lamp-1.service"] {
            let target = fs::read_link(units.join(name)).unwrap();
            assert_eq!(target, Path::new("lamp.service"), "{more:?}");
        }
        // The base has one, and what is not started is called by its own name alone.
        for name in ["of-base.service", "glow-1.service"] {
            assert!(!units.join(name).exists(), "{name} {more:?}");
        }
    }
    // Packages list the base's units, too, where its files are not at hand.
    let spec = "Name: theirs\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
        AutoReqProv: no\n%description\nx\n%install\nmkdir -p %{buildroot}/usr/lib/systemd/system\n\
        echo > %{buildroot}/usr/lib/systemd/system/light.service\n%files\n/usr/lib/systemd/system/*\n";
    let other = Scratch::new();
    let theirs = packaged(&other, "theirs", spec).display().to_string();
    let listed = crate::base::base(&other, &[&system_package(&other), &theirs]);
    let allowed = ["--allow", "program-missing"];
    let started = [
        &["--start", "lamp.service", "--no-merge-unit"],
        &allowed[..],
    ]
    .concat();
    let (tree, _) = build(&other, &package, &listed, &started);
    let units = tree.join("usr/lib/systemd/system");
    assert!(units.join("lamp-1.service").is_symlink());
    assert!(!units.join("light.service").is_symlink());
    // The base gets a unit of that name.
    let again = || {
        let auto = [
            "--start",
            "lamp.service",
            "--no-merge-unit",
            "--build-number",
            "auto",
        ];
        fs::remove_dir_all(scratch.join("tree")).ok();
        build(&scratch, &package, &base, &auto).1
    };
    fs::remove_dir_all(scratch.join("out")).unwrap();
    again();
    assert!(again().contains("unchanged"));
    fs::write(base.join("usr/lib/systemd/system/light.service"), "").unwrap();
    let said = again();
    assert!(said.contains("the names of the base's units"), "{said}");
}

#[test(root(), programs!("rpm", "rpmbuild", "systemd-analyze", "systemctl", "cp"))]
fn systemd_reads_what_is_started() {
    let scratch = Scratch::new();
    let package = package(&scratch, POST);
    let base = base(&scratch, &[&system_package(&scratch)]);
    let (tree, said) = build(&scratch, &package, &base, &["--start", "lamp.service"]);
    assert!(
        said.contains("\nmerge     then, on the host: systemd-tmpfiles --create "),
        "{said}"
    );
    let drop_in = "usr/lib/systemd/system/multi-user.target.d/10-lamp.conf";
    let text = fs::read_to_string(tree.join(drop_in)).unwrap();
    assert_eq!(text, "[Unit]\nUpholds=lamp.socket\nUpholds=lamp.service\n");
    let release = tree.join("usr/lib/extension-release.d/extension-release.lamp");
    let release = fs::read_to_string(release).unwrap();
    let asked = "EXTENSION_RELOAD_MANAGER=1\nEXTENSION_RESTART_UNITS=sysext-lamp-restart.service\n";
    assert!(release.contains(asked), "{release}");

    let root = merged(&base, &tree);
    let verify = || {
        let outcome = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=yes"])
            .arg(format!("--root={}", root.display()))
            .args(["multi-user.target", "sysext-lamp@1-1.service"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        let ours = said
            .lines()
            .filter(|line| line.contains("lamp") || line.contains("Upholds"));
        ours.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(verify(), [""; 0]);
    // The judge would say so if it read something that is wrong.
    fs::write(root.join(drop_in), "[Unit]\nUpholds=lamp\n").unwrap();
    assert_eq!(verify().len(), 1, "{:?}", verify());
}

/// Lets the systemd of another root read the units of an image that is merged over it.
const VERIFY: &str = "mount -t overlay -o lowerdir=$1/usr:$2/usr none $2/usr && \
    mount --bind /proc $2/proc && \
    chroot $2 systemd-analyze verify --man=no --recursive-errors=yes multi-user.target \
    sysext-lamp@1-1.service sysext-lamp-restart.service";

#[test(root(), programs!("rpm", "rpmbuild", "unshare", "mount", "chroot", "sh"), TRIXIE, SID)]
fn newer_versions_of_systemd_find_nothing_wrong() {
    let scratch = Scratch::new();
    let package = package(&scratch, POST);
    let base = base(&scratch, &[&system_package(&scratch)]);
    let (tree, _) = build(&scratch, &package, &base, &["--start", "lamp.service"]);
    for root in [TRIXIE.path(), SID.path()] {
        let verify = || {
            let mut command = Command::new("unshare");
            command
                .args(["-m", "sh", "-c", VERIFY, "sh"])
                .args([&tree, &root]);
            command.output().unwrap()
        };
        let outcome = verify();
        assert_eq!(text(&outcome.stderr), "", "{}", root.display());
        assert!(outcome.status.success(), "{}", root.display());
        // The judge says so where it reads something that is wrong.
        let drop_in = tree.join("usr/lib/systemd/system/multi-user.target.d/10-lamp.conf");
        let good = fs::read(&drop_in).unwrap();
        fs::write(&drop_in, "[Unit]\nUpholds=lamp\n").unwrap();
        let said = text(&verify().stderr);
        assert!(said.contains("Failed to add"), "{}: {said}", root.display());
        fs::write(&drop_in, good).unwrap();
    }
}

#[test]
fn a_package_without_services_brings_nothing_else() {
    let scratch = Scratch::new();
    let outcome = program()
        .args(["--os-release"])
        .arg(os_release("tumbleweed"))
        .args(["--arch", "x86_64", "--tree"])
        .arg(scratch.join("tree"))
        .arg("-o")
        .args([scratch.join("out"), fixture("payload-zstd-1-1.noarch.rpm")])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    for stage in ["scripts ", "start ", "merge "] {
        assert!(!said.contains(&format!("\n{stage}")), "{said}");
    }
    let release = fs::read_to_string(
        scratch.join("tree/usr/lib/extension-release.d/extension-release.payload-zstd"),
    );
    assert!(!release.unwrap().contains("EXTENSION_RELOAD_MANAGER"));
    for made in [
        "usr/lib/systemd",
        "usr/lib/sysusers.d",
        "usr/lib/tmpfiles.d",
    ] {
        assert!(!scratch.join("tree").join(made).exists(), "{made}");
    }
}

#[test(PACKAGERS)]
fn preset_starts_what_the_base_enables_by_name() {
    let scratch = Scratch::new();
    let package = package(&scratch, ":\n");
    let base = base(&scratch, &[&system_package(&scratch)]);
    fs::create_dir_all(base.join("usr/bin")).unwrap();
    let presets = base.join("usr/lib/systemd/system-preset");
    fs::create_dir_all(&presets).unwrap();
    let more = ["--allow", "interpreter-missing", "--preset"];
    for (preset, expected) in [
        ("enable lamp.socket\nenable *\n", Some("lamp.socket")),
        ("disable lamp.*\nenable lamp.socket\n", None),
        ("enable *\n", None),
        ("", None),
    ] {
        fs::write(presets.join("90-x.preset"), preset).unwrap();
        let (tree, _) = build(&scratch, &package, &base, &more);
        let drop_in = tree.join("usr/lib/systemd/system/multi-user.target.d/10-lamp.conf");
        let text = fs::read_to_string(drop_in).ok();
        let expected = expected.map(|unit| format!("[Unit]\nUpholds={unit}\n"));
        assert_eq!(text, expected, "{preset:?}");
        fs::remove_dir_all(tree).unwrap();
    }
    let outcome = program()
        .args(["--os-release"])
        .arg(os_release("tumbleweed"))
        .args(["--arch", "x86_64", "--preset", "-o"])
        .args([scratch.join("none"), package])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    assert!(text(&outcome.stderr).contains("hint: name its root directory: --base ROOT"));
}

#[test(root(), programs!("rpm", "rpmbuild", "systemctl"))]
fn presets_of_the_base_decide_as_systemctl_says() {
    for (preset, is_enabled) in [
        ("", true),
        ("disable *\n", false),
        ("enable lamp.*\ndisable *\n", true),
        ("disable lamp.service\nenable *\n", false),
    ] {
        let scratch = Scratch::new();
        let package = package(
            &scratch,
            "systemctl preset lamp.service >/dev/null 2>&1 || :\n",
        );
        let base = base(&scratch, &[&system_package(&scratch)]);
        let presets = base.join("usr/lib/systemd/system-preset");
        fs::create_dir_all(&presets).unwrap();
        fs::create_dir_all(base.join("usr/bin")).unwrap();
        fs::write(presets.join("90-x.preset"), preset).unwrap();
        let allow = ["--allow", "interpreter-missing"];
        let (tree, said) = build(&scratch, &package, &base, &allow);
        let drop_in = tree.join("usr/lib/systemd/system/multi-user.target.d/10-lamp.conf");
        assert_eq!(drop_in.exists(), is_enabled, "{preset:?}: {said}");
        assert_eq!(
            said.contains("not-started: lamp.service"),
            !is_enabled,
            "{said}"
        );

        output_of(
            Command::new("cp")
                .arg("-a")
                .arg(tree.join("usr"))
                .arg(&base),
        );
        let systemctl = |verb: &str| {
            let mut command = Command::new("systemctl");
            command
                .arg("--root")
                .arg(&base)
                .args([verb, "lamp.service"]);
            command.output().unwrap()
        };
        systemctl("preset");
        assert_eq!(
            systemctl("is-enabled").status.success(),
            is_enabled,
            "{preset:?}"
        );
    }
}

#[test(root(), programs!("rpm", "rpmbuild"))]
fn what_can_not_be_started_is_refused_or_said() {
    let scratch = Scratch::new();
    let package = package(
        &scratch,
        "lampctl service install\nsystemctl enable other.service\n",
    );
    let base = base(&scratch, &[&system_package(&scratch)]);
    fs::create_dir_all(base.join("usr/bin")).unwrap();
    let run = |more: &[&str]| {
        let mut command = program();
        command
            .arg("--base")
            .arg(&base)
            .args(["--arch", "x86_64", "--dry-run"])
            .args(more);
        let outcome = command
            .arg("-o")
            .arg(scratch.join("o"))
            .arg(&package)
            .output()
            .unwrap();
        (outcome.status.code(), text(&outcome.stderr))
    };
    for (more, code, expected) in [
        (
            &[][..],
            1,
            "error: not-started: lamp-1-1.noarch: %post line 1: lampctl service install: ",
        ),
        (
            &["--allow", "not-started"],
            0,
            "not-started: other.service is not started: %post of lamp-1-1.noarch starts it, and it is not",
        ),
        (
            &["--start", "lamp"],
            2,
            "error: --start lamp: the name has no suffix that units have",
        ),
        (&["--start", "lamp"], 2, "hint: did you mean lamp.service?"),
        (
            &["--start", "no.service"],
            1,
            "neither the image nor the base has this unit",
        ),
    ] {
        let (status, said) = run(more);
        assert!(said.contains(expected), "{more:?}: {said}");
        assert_eq!(status, Some(code), "{more:?}: {said}");
    }
}

#[test(root(), programs!("rpm", "rpmbuild"))]
fn without_the_merge_unit_the_image_has_none() {
    let scratch = Scratch::new();
    let package = package(&scratch, "mkdir -p /var/lib/lamp\n");
    let base = base(&scratch, &[&system_package(&scratch)]);
    let (tree, said) = build(&scratch, &package, &base, &["--no-merge-unit"]);
    assert!(!said.contains("\nmerge "), "{said}");
    let units = names(&tree.join("usr/lib/systemd/system"));
    assert_eq!(units, ["lamp.service", "lamp.socket"]);
    fs::remove_dir_all(&tree).unwrap();
    let (tree, _) = build(&scratch, &package, &base, &[]);
    let units = names(&tree.join("usr/lib/systemd/system"));
    assert_eq!(
        units,
        [
            "lamp.service",
            "lamp.socket",
            "multi-user.target.d",
            "sysext-lamp@.service"
        ]
    );
}

/// What was true where an image was built need not be on another base: the account of a unit that is
/// started is looked up there, too.
#[test(root(), programs!("rpm", "rpmbuild"))]
fn an_account_that_another_base_lacks_breaks_what_is_started() {
    let scratch = Scratch::new();
    let package = package(&scratch, ":\n");
    let base = base(&scratch, &[&system_package(&scratch)]);
    for path in ["usr/bin", "etc"] {
        fs::create_dir_all(base.join(path)).unwrap();
    }
    fs::copy("/bin/true", base.join("usr/bin/sh")).unwrap();
    std::os::unix::fs::symlink("usr/bin", base.join("bin")).unwrap();
    fs::write(base.join("etc/passwd"), "glow:x:500:500::/:/bin/sh\n").unwrap();
    fs::write(base.join("etc/group"), "glow:x:500:\n").unwrap();
    let units = scratch.join("overlay/usr/lib/systemd/system");
    fs::create_dir_all(&units).unwrap();
    let unit = "[Service]\nExecStart=/usr/bin/lampd\nUser=glow\n";
    fs::write(units.join("glow.service"), unit).unwrap();
    let overlay = scratch.join("overlay");
    let overlay = overlay.to_str().unwrap();
    for (start, expected) in [(&["--start", "glow.service"][..], false), (&[], true)] {
        let more = [&["--overlay", overlay][..], start].concat();
        build(&scratch, &package, &base, &more);
        fs::remove_dir_all(scratch.join("tree")).unwrap();
        let check = || {
            let outcome = program()
                .args(["check", "--base"])
                .arg(&base)
                .arg(scratch.join("out/lamp-1-1.x86-64.raw"))
                .output();
            outcome.unwrap()
        };
        assert!(check().status.success(), "{:?}", check());
        let passwd = fs::read(base.join("etc/passwd")).unwrap();
        fs::write(base.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        let outcome = check();
        assert_eq!(outcome.status.success(), expected, "{outcome:?}");
        let said = text(&outcome.stdout);
        assert_eq!(
            said.contains("glow.service can't start: User=glow"),
            !expected,
            "{said}"
        );
        fs::write(base.join("etc/passwd"), passwd).unwrap();
    }
}
