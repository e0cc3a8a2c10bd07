//! Configurations of other builders as recipes; mkosi itself says what is in its images.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use judges::{Need, cached, repository};
use serde_json::Value;

use crate::workshop::{Scratch, fixture, json, program, run, text};

/// Debian with mkosi 25.
const MKOSI: Need = cached("roots/mkosi");
/// A repository of real software.
const RPMS: Need = repository();

/// Writes files, each after a line `== PATH`; what follows `!` in a path may be run.
fn write_tree(root: &Path, tree: &str) {
    for part in tree.split("== ").skip(1) {
        let (path, contents) = part.split_once('\n').unwrap();
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
}

/// One of everything: conditions, includes, drop-ins, profiles, scripts, trees, repositories.
const MKOSI_TREE: &str = "\
== mkosi.conf
[Distribution]
Distribution=opensuse
Release=tumbleweed
Architecture=x86-64
[Output]
Format=none
ImageVersion=1.2
OutputDirectory=out
[Build]
Incremental=yes
[Content]
Packages=only-in-the-main-image
== mkosi.local.conf
[Content]
Packages=local
== mkosi.packages/README
== mkosi.sandbox/etc/zypp/repos.d/oss.repo
[oss]
baseurl=http://localhost/
== mkosi.images/base/mkosi.conf
[Output]
Format=directory
[Content]
Packages=bash,coreutils
== mkosi.images/tools.conf
[Output]
Format=sysext
Overlay=yes
[Content]
BaseTrees=%O/base
Packages=
 # these two
 strace
 gdb # and a comment
Packages=tcpdump,
 ltrace
WithRecommends=yes
RemovePackages=ltrace
RemoveFiles=/usr/share/man,/usr/share/doc/*,/usr/share/vim,/var/cache/*
Bootable=no
KernelCommandLine=quiet
Pakages=typo
[Validation]
Verity=signed
[Build]
Environment=SYSEXT_SCOPE=system OTHER=1
Environment=SYSTEMD_REPART_OVERRIDE_FSTYPE_ROOT=squashfs
== mkosi.images/k3s/mkosi.conf
[Match]
Architecture=|arm64
Architecture=|x86-64
[Output]
Format=sysext
ImageId=k3s
Output=%i-%v.%a
[Content]
BaseTrees=%O/base
Packages=k3s-selinux
ExtraTrees=more,part:/usr/lib/part
Include=../../shared.conf
== mkosi.images/k3s/mkosi.conf.d/10-arm.conf
[Match]
Architecture=arm64
[Content]
Packages=for-arm
== mkosi.images/k3s/mkosi.conf.d/20-version.conf
[Match]
ImageVersion=>=1.1
Distribution=!fedora
[Content]
Packages=for-this-version
== mkosi.images/k3s/mkosi.conf.d/30-host.conf
[Match]
HostArchitecture=arm64
[Content]
Packages=for-hosts
== mkosi.images/k3s/mkosi.extra/usr/bin/k3s
k3s
== mkosi.images/k3s/mkosi.postinst
#!/bin/sh
== mkosi.images/k3s/mkosi.finalize.d/one
#!/bin/sh
== mkosi.images/k3s/mkosi.profiles/big.conf
[Content]
Packages=big
== shared.conf
[Content]
Packages=shared
== mkosi.images/conf/mkosi.conf
[Output]
Format=confext
== mkosi.images/other/mkosi.conf
[Match]
Distribution=fedora
[Output]
Format=sysext
";

#[test]
fn mkosi_becomes_recipes_and_nothing_is_left_out_without_a_word() {
    let scratch = Scratch::new();
    write_tree(scratch.path(), MKOSI_TREE);
    let directory = scratch.path().to_str().unwrap().to_owned();
    let recipes = format!("{directory}/recipes");
    let arguments = ["import", "mkosi", "--json", &directory, "-o", &recipes];
    let answer = json(&run(arguments));
    let texts: BTreeMap<String, String> = (answer["recipes"].as_array().unwrap().iter())
        .map(|made| {
            let path = made["recipe"].as_str().unwrap();
            let name = Path::new(path).file_name().unwrap().to_str().unwrap();
            assert_eq!(fs::read_to_string(path).unwrap(), made["text"]);
            (name.to_owned(), made["text"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(texts.keys().collect::<Vec<_>>(), ["k3s.toml", "tools.toml"]);
    let keys = |name: &str| -> toml::Table { texts[name].parse().unwrap() };
    let expected: toml::Table = r#"
        name = "tools"
        version = "1.2"
        arch = "x86-64"
        packages = ["strace", "gdb", "tcpdump", "ltrace"]
        recommends = true
        repositories = ["../mkosi.packages", "../mkosi.sandbox/etc/zypp/repos.d/oss.repo"]
        releasever = "tumbleweed"
        base = "../out/base"
        drop = ["drop-man"]
        scope = "system"
    "#
    .parse()
    .unwrap();
    assert_eq!(keys("tools.toml"), expected);
    let k3s = keys("k3s.toml");
    assert_eq!(k3s["name"].as_str(), Some("k3s"));
    assert_eq!(k3s["scope"].as_str(), Some("initrd system portable"));
    assert_eq!(
        k3s["overlay"].as_str(),
        Some("../mkosi.images/k3s/mkosi.extra")
    );
    let packages: Vec<_> = (k3s["packages"].as_array().unwrap().iter())
        .map(|package| package.as_str().unwrap())
        .collect();
    assert_eq!(packages, ["k3s-selinux", "shared", "for-this-version"]);
    assert!(texts["k3s.toml"].contains("# base-install = [\"bash\", \"coreutils\"]"));

    let rows: Vec<&Value> = (answer["recipes"].as_array().unwrap().iter())
        .flat_map(|made| made["settings"].as_array().unwrap())
        .chain(answer["others"].as_array().unwrap())
        .collect();
    every_setting_has_a_row(&rows);
    for (what, file, words) in [
        (
            "Pakages=typo",
            "mkosi.images/tools.conf",
            "not a setting of mkosi 25",
        ),
        ("Verity=signed", "mkosi.images/tools.conf", "--verity-key"),
        (
            "Environment=OTHER=1",
            "mkosi.images/tools.conf",
            "for scripts",
        ),
        (
            "RemovePackages=ltrace",
            "mkosi.images/tools.conf",
            "exclude",
        ),
        (
            "RemoveFiles=/usr/share/vim",
            "mkosi.images/tools.conf",
            "no key removes",
        ),
        (
            "RemoveFiles=/usr/share/doc/*",
            "mkosi.images/tools.conf",
            "drop-docs",
        ),
        (
            "Distribution=opensuse",
            "mkosi.conf",
            "mkosi knows its repositories",
        ),
        (
            "PostInstallationScripts",
            "mkosi.images/k3s/mkosi.postinst",
            "no script is run",
        ),
        (
            "FinalizeScripts",
            "mkosi.images/k3s/mkosi.finalize.d",
            "no script is run",
        ),
        (
            "ExtraTrees=part:/usr/lib/part",
            "mkosi.images/k3s/mkosi.conf",
            "directory",
        ),
        (
            "the profile big",
            "mkosi.images/k3s/mkosi.profiles/big.conf",
            "Profiles=",
        ),
        (
            "the whole file",
            "mkosi.images/k3s/mkosi.conf.d/10-arm.conf",
            "Architecture=arm64",
        ),
        (
            "the whole file",
            "mkosi.images/k3s/mkosi.conf.d/30-host.conf",
            "HostArchitecture",
        ),
        (
            "the whole file",
            "mkosi.images/other/mkosi.conf",
            "Distribution=fedora",
        ),
        ("the whole file", "mkosi.local.conf", "one machine"),
        ("the image with Format=confext", "mkosi.images/conf", "/etc"),
    ] {
        let is_meant = |row: &&&Value| row["what"] == what && row["file"] == file;
        let row = rows
            .iter()
            .find(is_meant)
            .unwrap_or_else(|| panic!("{what} of {file}"));
        assert_eq!(row["fate"], "left-out", "{what}");
        assert!(row["text"].as_str().unwrap().contains(words), "{row}");
        let said = if file.ends_with("conf.d/10-arm.conf") {
            "k3s.toml"
        } else {
            ""
        };
        assert!(said.is_empty() || texts[said].contains(words));
    }

    // Again, the same bytes; and what somebody wrote is not lost.

    assert!(run(arguments).status.success());
    fs::write(scratch.join("recipes/k3s.toml"), "name = \"own\"\n").unwrap();
    let refused = run(arguments);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).contains("--replace"));
    assert!(
        run(arguments.into_iter().chain(["--replace"]))
            .status
            .success()
    );
    // For another architecture, where mkosi.conf says none.
    let conf = scratch.join("mkosi.conf");
    let without = fs::read_to_string(&conf)
        .unwrap()
        .replace("Architecture=x86-64\n", "");
    fs::write(&conf, without).unwrap();
    let shown = run(arguments
        .into_iter()
        .chain(["--arch", "aarch64", "--dry-run"]));
    assert!(text(&shown.stdout).contains("for-arm"));
}

/// Each line `NAME=VALUE` of the files that count is spoken of.
fn every_setting_has_a_row(rows: &[&Value]) {
    let of_others = [
        "only-in-the-main-image",
        "local",
        "for-arm",
        "for-hosts",
        "big",
        "baseurl",
    ];
    let mut file = "";
    for line in MKOSI_TREE.lines() {
        if let Some(path) = line.strip_prefix("== ") {
            file = path;
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let is_condition = line.contains("=|") || line.contains("=!") || line.contains("=>=");
        let is_of_others = of_others.iter().any(|word| value == *word || name == *word)
            || [
                "mkosi.images/base",
                "mkosi.images/conf",
                "mkosi.images/other",
            ]
            .iter()
            .any(|image| file.starts_with(image))
            || (file.contains("conf.d") && matches!(name, "Architecture" | "HostArchitecture"));
        if is_condition || is_of_others || (file == "mkosi.conf" && name == "Format") {
            continue;
        }
        let is_row = |row: &&&Value| {
            row["file"] == file
                && row["what"]
                    .as_str()
                    .unwrap()
                    .starts_with(&format!("{name}="))
        };
        assert!(rows.iter().any(|row| is_row(&row)), "{file}: {line}");
    }
}

#[test]
fn what_is_not_a_configuration_says_so() {
    let scratch = Scratch::new();
    write_tree(
        scratch.path(),
        "== none/mkosi.conf\n[Output]\nFormat=disk\n\
         == broken/mkosi.conf\nFormat=sysext\n\
         == named/mkosi.conf\n[Output]\nFormat=sysext\nImageId=a b\n\
         == just/justfile\npackages := \"a\"\n\
         == round/mkosi.conf\n[Include]\nInclude=mkosi.conf\n[Output]\nFormat=sysext\n",
    );
    for (arguments, expected) in [
        ("mkosi nowhere", "reading nowhere"),
        ("mkosi .", "has no mkosi.conf"),
        ("mkosi none", "go on making it with mkosi"),
        (
            "mkosi broken",
            "mkosi.conf: line 1: Format=sysext is outside of a section",
        ),
        ("mkosi named", "the name \"a b\""),
        ("just just", "it sets no name"),
        ("just nowhere", "reading nowhere"),
        (
            "mkosi none --arch vax",
            "--arch \"vax\" is not an architecture",
        ),
    ] {
        let outcome = program()
            .arg("import")
            .args(arguments.split(' '))
            .args(["-o", "out"])
            .current_dir(scratch.path())
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(
            !outcome.status.success() && said.contains(expected),
            "{arguments}: {said}"
        );
    }
    // A file that includes itself is read once.
    let outcome = program()
        .args(["import", "mkosi", "round", "-o", "out"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
}

/// What Fedora's justfiles have, and the file that they import.
const JUST_TREE: &str = "\
== sysext.just
set allow-duplicate-variables := true
base_images := \"
quay.io/example/os:42 x86_64
\"
packages := \"\"
files := \"\"
compression := \"lz4\"
debug := env('JUST_DEBUG', '')
build target:
    echo no
== tool/justfile
# A tool.
name := \"tool\"
main := \"hello-noarch\"
packages := \"
payload-zstd
\" + main + \"
\"
version_package := main
exclude_packages := 'payload-lzma'
dnf_weak_deps := \"false\"
dnf_arch := \"noarch x86_64 i686\"
files := \"usr\"
cleanup_files := \"/usr/share/x\"
upholds := \"tool.service\"
copr_repos := \"some/project\"
pre_commands := \"dnf remove -y other\"
stamp := `date`

import '../sysext.just'

all: default

install-manual:
    touch usr/x
== tool/usr/share/tool/file
tool
== tool/usr/lib/systemd/system/tool.service
[Service]
ExecStart=/usr/bin/true
";

#[test]
fn a_justfile_becomes_a_recipe_that_builds() {
    let scratch = Scratch::new();
    write_tree(scratch.path(), JUST_TREE);
    let import = |more: &[&str]| -> Output {
        program()
            .args([
                "import", "just", "tool", "-o", "recipes", "--arch", "x86-64",
            ])
            .args(more)
            .current_dir(scratch.path())
            .output()
            .unwrap()
    };
    let answer = json(&import(&["--json"]));
    let made = &answer["recipes"][0];
    let recipe: toml::Table = made["text"].as_str().unwrap().parse().unwrap();
    let expected: toml::Table = r#"
        name = "tool"
        packages = ["hello-noarch", "payload-zstd"]
        exclude = ["payload-lzma"]
        recommends = false
        overlay = "../tool"
        match = "any"
        start = ["tool.service"]
    "#
    .parse()
    .unwrap();
    assert_eq!(recipe, expected);
    let rows: BTreeMap<&str, (&str, &str)> = (made["settings"].as_array().unwrap().iter())
        .map(|row| {
            let name = row["what"].as_str().unwrap().split(" :=").next().unwrap();
            (
                name,
                (row["fate"].as_str().unwrap(), row["text"].as_str().unwrap()),
            )
        })
        .collect();
    for (name, fate, words) in [
        ("name", "taken", "name"),
        ("version_package", "taken", "first"),
        ("dnf_arch", "left-out", "NAME.i686"),
        ("files", "taken", "overlay"),
        ("cleanup_files", "left-out", "no key removes"),
        ("upholds", "taken", "start"),
        ("copr_repos", "left-out", ".repo"),
        ("pre_commands", "left-out", "nothing is run"),
        ("base_images", "left-out", "container images"),
        ("stamp", "left-out", "only when it is run"),
        ("compression", "unneeded", "SquashFS"),
        ("the recipe install-manual", "left-out", "overlay"),
        ("the recipe all", "unneeded", "no commands"),
    ] {
        let (found, text) = rows.get(name).unwrap_or_else(|| panic!("{name}: {rows:?}"));
        assert_eq!(*found, fate, "{name}");
        assert!(text.contains(words), "{name}: {text}");
    }
    // It loads and builds as it is, with the base and repositories that it asks for.
    let built = program()
        .args([
            "--json",
            "--dry-run",
            "recipes/tool.toml",
            "--arch",
            "x86-64",
            "--base",
        ])
        .arg(fixture("../examples/debug.packages"))
        .arg("--os-release")
        .arg(fixture("os-release/tumbleweed.os-release"))
        .arg("--repo")
        .arg(fixture("hello-noarch.spec").parent().unwrap())
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}{}",
        text(&built.stdout),
        text(&built.stderr)
    );
}

/// A process that ends with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A configuration of the kind that MicroOS' extensions are made of; `{}` is where the repositories are.
const SAMPLE: &str = "\
== mkosi.conf
[Distribution]
Distribution=opensuse
Release=tumbleweed
LocalMirror={}/rpms
[Output]
Format=none
OutputDirectory=mkosi.output
ImageVersion=1.0
== mkosi.sandbox/etc/yum.repos.d/mkosi.repo
[rpms]
name=rpms
baseurl={}/rpms
gpgcheck=0
[filesystem]
name=filesystem
baseurl={}/filesystem
gpgcheck=0
== mkosi.images/base/mkosi.conf
[Output]
Format=directory
Output=base
[Content]
Packages=bash
 coreutils
 gzip
 tar
== mkosi.images/debug/mkosi.conf
[Config]
Dependencies=base
[Output]
Format=sysext
Overlay=yes
ImageId=debug
Output=%i-%v.%a
ManifestFormat=json
[Validation]
Verity=no
[Content]
CleanPackageMetadata=yes
BaseTrees=%O/base
Packages=
  gdb
[Build]
Environment=SYSTEMD_REPART_OVERRIDE_FSTYPE_ROOT=squashfs
Environment=SYSEXT_SCOPE=system
== mkosi.images/trace.conf
[Config]
Dependencies=base
[Output]
Format=sysext
Overlay=yes
Output=%I-%v.%a
ManifestFormat=json
[Validation]
Verity=no
[Content]
BaseTrees=%O/base
Packages=strace,diffutils
WithRecommends=yes
[Build]
Environment=SYSTEMD_REPART_OVERRIDE_FSTYPE_ROOT=squashfs
== just/justfile
name := \"trace\"
packages := \"
strace
diffutils
\"
== filesystem.spec
Name: filesystem
Version: 1
Release: 1
Summary: What mkosi installs first
License: MIT
BuildArch: noarch
%description
Nothing.
%files
";

/// The names and versions in what mkosi says of an image, or this program of a plan.
fn packages(list: &Value) -> BTreeSet<String> {
    let one = |package: &Value| match package.as_str() {
        Some(nevra) => nevra.rsplit_once('.').unwrap().0.replace("-0:", "-"),
        None => {
            let [name, version] = ["name", "version"].map(|key| package[key].as_str().unwrap());
            format!("{name}-{}", version.trim_start_matches("0:"))
        }
    };
    list.as_array().unwrap().iter().map(one).collect()
}

/// mkosi itself builds the images of a configuration, and the imported recipes hold the same packages
/// from the same repository on the same base; so does the recipe of a justfile.
#[test(
    MKOSI,
    RPMS,
    root(),
    programs!("unshare", "mount", "pivot_root", "python3", "rpmbuild", "createrepo_c", "sh")
)]
fn recipes_hold_the_packages_that_mkosi_installs() {
    let scratch = Scratch::new();
    let port = free_port();
    let address = format!("http://127.0.0.1:{port}");
    let sample = scratch.join("sample");
    write_tree(&sample, &SAMPLE.replace("{}", &address));
    let served = scratch.join("served");
    fs::create_dir(&served).unwrap();
    std::os::unix::fs::symlink(RPMS.path(), served.join("rpms")).unwrap();
    succeed(
        Command::new("sh")
            .args(["-euc", "rpmbuild -bb -D \"_topdir $1/top\" -D \"_rpmdir $1/served/filesystem\" \"$1/sample/filesystem.spec\"
                createrepo_c -q \"$1/served/filesystem\"", "sh"])
            .arg(scratch.path()),
    );
    let server = Command::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1"])
        .arg(port.to_string())
        .current_dir(&served)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Server(server.unwrap());
    // In namespaces of its own, with the tree as root: where a chroot is, mkosi gets none.
    let script = "
        mount -t tmpfs none \"$1/root\" && mkdir \"$1/root/up\" \"$1/root/work\" \"$1/root/new\"
        mount -t overlay -o lowerdir=\"$2\",upperdir=\"$1/root/up\",workdir=\"$1/root/work\" none \"$1/root/new\"
        cd \"$1/root/new\"
        mkdir -p sample old
        mount --bind \"$1/sample\" sample
        mount -t proc none proc && mount --rbind /sys sys && mount --rbind /dev dev && mount -t tmpfs none run
        mount -t tmpfs none var/tmp
        pivot_root . old
        # mkosi takes for the base's what was installed in the second in which it began.
        rm /usr/bin/dnf && printf '#!/bin/sh\nsleep 1.1; exec dnf-3 \"$@\"\n' > /usr/bin/dnf && chmod +x /usr/bin/dnf
        cd /sample && exec mkosi --with-network=yes build";
    fs::create_dir(scratch.join("root")).unwrap();
    succeed(
        Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-euc", script, "sh"])
            .arg(scratch.path())
            .arg(MKOSI.path()),
    );
    let imported = scratch.join("recipes");
    for (what, path) in [("mkosi", sample.clone()), ("just", sample.join("just"))] {
        let outcome = program()
            .args(["import", what])
            .arg(&path)
            .arg("-o")
            .arg(imported.join(what))
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
    let base = sample.join("mkosi.output/base");
    for (recipe, image, count, more) in [
        ("mkosi/debug.toml", "debug", 40, false),
        ("mkosi/trace.toml", "trace", 2, false),
        ("just/trace.toml", "trace", 2, true),
    ] {
        let manifest = sample.join(format!("mkosi.output/{image}-1.0.x86-64.manifest"));
        let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        let mut build = program();
        build
            .args(["--json", "--dry-run", "--allow", "unsigned-package"])
            .arg(imported.join(recipe));
        build
            .arg("-o")
            .arg(scratch.join("store"))
            .arg("--cache-dir")
            .arg(scratch.join("cache"));
        if more {
            build
                .arg("--base")
                .arg(&base)
                .arg("--repo")
                .arg(RPMS.path());
        }
        let plan = build.output().unwrap();
        assert!(plan.status.success(), "{recipe}: {}", text(&plan.stdout));
        let expected = packages(&manifest["packages"]);
        assert!(expected.len() >= count, "{expected:?}");
        assert_eq!(packages(&json(&plan)["packages"]), expected, "{recipe}");
    }
}

fn succeed(command: &mut Command) {
    let outcome = command.output().unwrap();
    let said = text(&outcome.stdout) + &text(&outcome.stderr);
    let end = said.len().saturating_sub(3000);
    assert!(
        outcome.status.success(),
        "{}",
        said.get(end..).unwrap_or(&said)
    );
}

/// A port of this machine that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
