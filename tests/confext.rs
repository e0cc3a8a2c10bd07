//! Companion images: what packages have in `/etc`, as the real `systemd-confext` merges it and the real
//! `systemd-sysupdate` installs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::base::{base, system_package};
use crate::client::{CLIENT_254, CLIENT_257, CLIENT_NEWEST, Client, client};
use crate::sysupdate::define;
use crate::workshop::{PACKAGERS, Scratch, json, names, output_of, packaged, program, text};
use serde_json::Value;

/// The os-release of the hosts.
const HOST: &str = "ID=lampos\nVERSION_ID=1\n";

/// Makes a package with settings, a link, a program and a unit in `/etc`.
fn package(scratch: &Scratch) -> PathBuf {
    let spec = "Name: lamp\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%install\ncd %{buildroot}\n\
         mkdir -p usr/bin usr/lib/systemd/system usr/share/lamp etc/lamp etc/systemd/system\n\
         printf '#!/bin/sh\\ncat /etc/lamp/key\\n' > usr/bin/lampd; chmod 755 usr/bin/lampd\n\
         echo key > etc/lamp/key; echo conf > etc/lamp/lamp.conf; echo new > etc/kept.conf\n\
         ln -s ../../run/lamp etc/lamp/run; echo hook > etc/lamp/hook; chmod 755 etc/lamp/hook\n\
         ln -s /etc/lamp/lamp.conf usr/share/lamp/lamp.conf\n\
         printf '[Service]\\nExecStart=/usr/bin/lampd\\nEnvironmentFile=/etc/lamp/key\\n' \
         > usr/lib/systemd/system/lamp.service\n\
         printf '[Service]\\nExecStart=/usr/bin/lampd\\n' > etc/systemd/system/dim.service\n\
         %files\n/usr/bin/lampd\n/usr/share/lamp\n/usr/lib/systemd/system/lamp.service\n\
         %dir %attr(0750,root,root) /etc/lamp\n%config(noreplace) %attr(0600,root,root) /etc/lamp/key\n\
         %config %attr(0640,root,root) /etc/lamp/lamp.conf\n/etc/lamp/run\n/etc/lamp/hook\n\
         %config /etc/kept.conf\n/etc/systemd/system/dim.service\n";
    packaged(scratch, "lamp", spec)
}

/// Makes the root directory of a base that has a file of its own.
fn system(scratch: &Scratch) -> PathBuf {
    let root = base(scratch, &[&system_package(scratch)]);
    for directory in ["usr/bin", "usr/lib", "etc", "var", "run"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("usr/bin/sh"), "").unwrap();
    fs::write(root.join("etc/kept.conf"), "the host's own\n").unwrap();
    fs::write(root.join("usr/lib/os-release"), HOST).unwrap();
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
    root
}

/// Builds an image and its companion; returns what was said.
fn build(out: &Path, package: &Path, base: &Path, more: &[&str]) -> String {
    let outcome = program()
        .arg("--base")
        .arg(base)
        .args(["--arch", "x86_64", "--start", "lamp.service", "-o"])
        .args([out, package])
        .args(more)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    said
}

/// Returns the paths in an image with their modes and targets.
fn listed(image: &Path) -> Vec<String> {
    let listing = output_of(
        Command::new("unsquashfs")
            .args(["-lln", "-d", ""])
            .arg(image),
    );
    let lines = listing.lines().filter_map(|line| {
        let (mode, _) = line.split_once(' ')?;
        let path = line.find(" /").map(|at| &line[at + 1..])?;
        (!mode.starts_with('d')).then(|| format!("{mode} {path}"))
    });
    lines.collect()
}

#[test(PACKAGERS)]
fn what_packages_have_in_etc_is_in_a_companion() {
    let scratch = Scratch::new();
    let (package, base) = (package(&scratch), system(&scratch));
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    let said = build(&one, &package, &base, &["--etc", "confext"]);
    for finding in [
        "in-companion: 4 paths of /etc in the companion lamp.confext: /etc/lamp/hook ...; hosts need \
         both images",
        "companion-noexec: /etc/lamp/hook can't be executed from lamp.confext",
        "left-out: kept-by-base left out 1 path, 4 bytes: /etc/kept.conf",
        "moved: etc-to-usr changed 1 path: /etc/systemd/system/dim.service is now",
    ] {
        assert!(said.contains(finding), "{finding}: {said}");
    }
    // What the unit and the link need is there.
    for id in [
        "path-missing",
        "dangling-link",
        "left-out of",
        "etc-read-only",
    ] {
        assert!(!said.contains(id), "{id}: {said}");
    }
    assert_eq!(
        listed(&one.join("lamp.confext-1-1.x86-64.raw")),
        [
            "lrwxrwxrwx /etc/extension-release.d/extension-release.lamp -> \
             extension-release.lamp.confext",
            "-rw-r--r-- /etc/extension-release.d/extension-release.lamp.confext",
            "lrwxrwxrwx /etc/extension-release.d/extension-release.lamp.confext-1-1.x86-64 -> \
             extension-release.lamp.confext",
            "-rwxr-xr-x /etc/lamp/hook",
            "-rw------- /etc/lamp/key",
            "-rw-r----- /etc/lamp/lamp.conf",
            "lrwxrwxrwx /etc/lamp/run -> ../../run/lamp",
        ]
    );
    let main = listed(&one.join("lamp-1-1.x86-64.raw")).join("\n");
    assert!(!main.contains("- /etc/"), "{main}");
    assert!(
        main.contains("/usr/lib/systemd/system/dim.service"),
        "{main}"
    );
    build(&two, &package, &base, &["--etc", "/etc/lamp=confext"]);
    // The manifests differ in what was typed, and so the lists.
    for file in names(&one).iter().filter(|name| name.ends_with(".raw")) {
        let [a, b] = [&one, &two].map(|store| fs::read(store.join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    let verified = program()
        .args(["store", "verify"])
        .arg(&one)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

/// Runs `check --json` of an image; returns its exit code and what it says of the one host.
fn checked(image: &Path, arguments: &[&str]) -> (i32, Value) {
    let outcome = program()
        .args(["check", "--json"])
        .args(arguments)
        .arg(image)
        .output()
        .unwrap();
    let said = json(&outcome)["images"][0]["hosts"][0].clone();
    (outcome.status.code().unwrap(), said)
}

/// What `check`, the gate and a build say of a companion on bases that take it and bases that don't.
#[test(PACKAGERS)]
fn companions_are_judged_like_images() {
    let scratch = Scratch::new();
    let (package, root) = (package(&scratch), system(&scratch));
    let store = scratch.join("store");
    build(&store, &package, &root, &["--etc", "confext"]);
    let companion = store.join("lamp.confext-1-1.x86-64.raw");
    let (code, said) = checked(&companion, &["--base", root.to_str().unwrap()]);
    let clients: Vec<_> = (said["verdicts"].as_array().unwrap().iter())
        .map(|one| {
            (
                one["client"].as_str().unwrap(),
                one["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    let all = ["confext-254", "confext-257", "confext-262"];
    assert_eq!(
        (code, clients),
        (0, all.map(|one| (one, "accepted")).to_vec()),
        "{said}"
    );
    let next = scratch.join("next");
    fs::write(&next, HOST.replace("=1", "=2")).unwrap();
    let arguments = [
        "--base",
        root.to_str().unwrap(),
        "--os-release",
        next.to_str().unwrap(),
    ];
    let (code, said) = checked(&companion, &arguments);
    assert_eq!(
        (code, &said["verdicts"][0]["field"]),
        (1, &Value::from("VERSION_ID")),
        "{said}"
    );
    let (code, said) = checked(
        &companion,
        &["--client", "systemd-252", "--base", root.to_str().unwrap()],
    );
    let words = Value::from("systemd 252 has no systemd-confext");
    assert_eq!((code, &said["verdicts"][0]["words"]), (1, &words), "{said}");

    let gate = |os_release: Option<&Path>| {
        let mut command = program();
        command
            .args(["store", "gate", "--base"])
            .args([&root, &store]);
        command.args(
            os_release
                .iter()
                .flat_map(|path| [Path::new("--os-release"), path]),
        );
        let outcome = command.output().unwrap();
        (outcome.status.code(), text(&outcome.stdout))
    };
    let (code, said) = gate(None);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = gate(Some(&next));
    assert!(code == Some(1) && said.contains("lamp.confext"), "{said}");

    // An older systemd has no program for it, and says so when the image is built.
    let spec = "Name: systemd\nVersion: 252.5\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%files\n";
    let another = Scratch::new();
    let old = another.join("store");
    packaged(&another, "systemd", spec);
    let systemd = another.join("rpmbuild/RPMS/noarch/systemd-252.5-1.noarch.rpm");
    let systemd = systemd.to_str().unwrap();
    let database = base(&another, &[&system_package(&another), systemd]);
    fs::write(database.join("usr/lib/os-release"), HOST).unwrap();
    let outcome = program()
        .arg("--base")
        .arg(&database)
        .args(["--arch", "x86_64", "--etc", "confext", "-o"])
        .args([&old, &package])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no-confext: lamp.confext is never merged: systemd 252"),
        "{said}"
    );
    let (code, said) = checked(&companion, &["--base", database.to_str().unwrap()]);
    assert!(
        code == 1 && said.to_string().contains("no-confext"),
        "{said}"
    );
}

/// What a companion fits is said where it is not what its image fits, and paths that no package has.
#[test(PACKAGERS)]
fn what_options_do_not_do_is_said() {
    let scratch = Scratch::new();
    let (package, root) = (package(&scratch), system(&scratch));
    let level = "ID=lampos\nVERSION_ID=1\nSYSEXT_LEVEL=3\n";
    for (number, (host, arguments, expected)) in [
        (
            level,
            &["--match", "sysext-level"][..],
            Some("companion-match: lamp.confext fits VERSION_ID=1 alone, and its image SYSEXT_LEVEL=3"),
        ),
        (
            "ID=lampos\nSYSEXT_LEVEL=3\n",
            &["--match", "sysext-level"],
            Some("companion-match: lamp.confext fits any version, and its image SYSEXT_LEVEL=3"),
        ),
        (
            "ID=lampos\nVERSION_ID=1\nSYSEXT_LEVEL=3\nCONFEXT_LEVEL=1\n",
            &["--match", "sysext-level"],
            None,
        ),
        (level, &[], None),
        (
            HOST,
            &["--etc", "/etc/lump=factory"],
            Some("path-unknown: no package has /etc/lump, which --etc names"),
        ),
        (
            HOST,
            &["--drop", "/usr/share/lump"],
            Some("path-unknown: no package has /usr/share/lump, which --drop names"),
        ),
        (HOST, &["--drop", "/usr/share/lamp", "--etc", "/etc/lamp=factory"], None),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(root.join("usr/lib/os-release"), host).unwrap();
        let store = scratch.join(&format!("store{number}"));
        let said = build(&store, &package, &root, &[&["--etc", "confext"][..], arguments].concat());
        match expected {
            Some(expected) => assert!(said.contains(expected), "{arguments:?}: {said}"),
            None => {
                let kinds = ["companion-match", "path-unknown"];
                assert!(!kinds.iter().any(|kind| said.contains(kind)), "{arguments:?}: {said}");
            }
        }
    }
}

/// A command sees what is in the companion, and `/etc` is as systemd-confext leaves it.
#[test(PACKAGERS)]
fn companions_are_tried_out_with_their_images() {
    let scratch = Scratch::new();
    let package = package(&scratch);
    let store = scratch.join("store");
    let recipe = scratch.join("lamp.toml");
    let allowed = ["unchecked-base", "no-confext"]
        .map(|finding| format!("[[allow]]\nfinding = \"{finding}\"\nreason = \"a trial\"\n"))
        .concat();
    let text_of = |run: &str| {
        let package = package.display();
        format!(
            "packages = [\"{package}\"]\netc = \"confext\"\nstart = [\"lamp.service\"]\narch = \"x86-64\"\n\
             {allowed}[[test]]\nrun = \"{run}\"\n"
        )
    };
    let make = |run: &str, more: &[&str]| {
        fs::write(&recipe, text_of(run)).unwrap();
        let outcome = program()
            .args(["build", "--test", "-o"])
            .args([&store, &recipe])
            .args(more)
            .output()
            .unwrap();
        (outcome.status.success(), text(&outcome.stderr))
    };
    let (passes, said) = make("lampd | grep -x lump", &[]);
    assert!(!passes && said.contains("test-failed"), "{said}");
    let (passes, said) = make("lampd | grep -x key", &[]);
    assert!(
        passes && said.contains("1 test of the recipe, 0 failed"),
        "{said}"
    );
    // What is there already is tried, too.
    let (passes, said) = make("lampd | grep -x key", &[]);
    assert!(
        passes && said.contains("1 test of the recipe, 0 failed"),
        "{said}"
    );

    let image = store.join("lamp-1-1.x86-64.raw");
    let companion = store.join("lamp.confext-1-1.x86-64.raw");
    for images in [vec![&image], vec![&image, &companion]] {
        let outcome = program()
            .arg("try")
            .args(images)
            .args(["--", "sh", "-c"])
            .arg("lampd; stat -c %a /etc/lamp /etc/lamp/key; cat /etc/debian_version > /dev/null && echo base; \
                  ls /run; touch /etc/x || echo read-only; /etc/lamp/hook || echo no program")
            .output()
            .unwrap();
        let said = text(&outcome.stdout);
        assert_eq!(
            said, "key\n750\n600\nbase\nread-only\nno program\n",
            "{outcome:?}"
        );
    }
}

/// The two have one fate: neither is there without the other, and both have the same number.
#[test(PACKAGERS)]
fn an_image_and_its_companion_go_together() {
    let scratch = Scratch::new();
    let (package, base) = (package(&scratch), system(&scratch));
    let store = scratch.join("store");
    let auto = ["--etc", "confext", "--build-number", "auto"];
    let images_in = |directory: &Path| -> BTreeSet<String> {
        let all = names(directory).into_iter();
        all.filter(|name| name.ends_with(".raw")).collect()
    };
    let images = || images_in(&store);
    let both = |versions: &[&str]| -> BTreeSet<String> {
        let of = |version: &&str| {
            ["lamp", "lamp.confext"].map(|name| format!("{name}-{version}.x86-64.raw"))
        };
        versions.iter().flat_map(of).collect()
    };
    // Something of another is in the place of one of them.
    fs::create_dir(&store).unwrap();
    fs::write(store.join("lamp.confext-1-1.x86-64.raw"), "x").unwrap();
    let outcome = program()
        .arg("--base")
        .arg(&base)
        .args(["--arch", "x86_64", "--etc", "confext", "-o"])
        .args([&store, &package])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    assert_eq!(names(&store), ["lamp.confext-1-1.x86-64.raw"]);
    fs::remove_file(store.join("lamp.confext-1-1.x86-64.raw")).unwrap();

    build(&store, &package, &base, &auto);
    let said = build(&store, &package, &base, &auto);
    assert!(said.contains("unchanged: built from the same"), "{said}");
    assert_eq!(images(), both(&["1-1"]));
    // What is in the companion alone has changed.
    let dropping = [&auto[..], &["--drop", "/etc/lamp/hook"]].concat();
    let said = build(&store, &package, &base, &dropping);
    assert!(
        said.contains("number    1-1.1: what is in its companion"),
        "{said}"
    );
    assert_eq!(images(), both(&["1-1", "1-1.1"]));
    // It is gone.
    fs::remove_file(store.join("lamp.confext-1-1.1.x86-64.raw")).unwrap();
    let said = build(&store, &package, &base, &dropping);
    assert!(
        said.contains("its companion or its manifest is not in the store whole"),
        "{said}"
    );
    let run = |arguments: &[&str]| {
        let mut command = program();
        command
            .arg("store")
            .arg(arguments[0])
            .arg(&store)
            .args(&arguments[1..]);
        output_of(&mut command)
    };
    run(&["verify", "--fix"]);
    run(&["prune", "--keep", "1"]);
    assert_eq!(images(), both(&["1-1.2"]));
    let copy = scratch.join("copy");
    let promote = |name: &str| {
        let mut command = program();
        command.args(["store", "promote"]).args([&store, &copy]);
        command.arg(name).output().unwrap()
    };
    let refused = |outcome: &Output, words: &str| {
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let [main, companion] = ["lamp-1-1.2.x86-64.raw", "lamp.confext-1-1.2.x86-64.raw"];
    let alone = |one: &str, other: &str| format!("error: {one} is of no use without {other}");
    for name in [companion, "lamp.confext"] {
        refused(&promote(name), &alone(companion, main));
        assert!(!copy.exists());
    }
    assert!(promote("lamp").status.success());
    assert_eq!(images_in(&copy), images());
    let verify = || {
        let outcome = program()
            .args(["store", "verify"])
            .arg(&store)
            .output()
            .unwrap();
        (outcome.status.code(), text(&outcome.stdout))
    };
    assert_eq!(verify().0, Some(0), "{}", verify().1);
    for name in [companion, "lamp.confext"] {
        let outcome = program()
            .args(["store", "remove", "--empty"])
            .args([&store, Path::new(name)])
            .output()
            .unwrap();
        refused(
            &outcome,
            &format!("error: {main} would stay without {companion}"),
        );
    }
    let add = |files: &[&str]| {
        let mut command = program();
        command.args(["store", "add"]).arg(scratch.join("added"));
        command.args(files.iter().map(|file| store.join(file)));
        command.output().unwrap()
    };
    refused(&add(&[main]), &alone(main, companion));
    refused(&add(&[companion]), &alone(companion, main));
    assert!(add(&[main, companion]).status.success());
    assert_eq!(images_in(&scratch.join("added")), images());
    // Who pulls one of them hears of the other.
    fs::create_dir(scratch.join("pulled")).unwrap();
    let pulled = program()
        .arg("pull")
        .args([
            &store,
            Path::new("lamp"),
            Path::new("--into"),
            &scratch.join("pulled"),
        ])
        .args(["--unsigned", "--arch", "x86-64"])
        .output()
        .unwrap();
    let said = text(&pulled.stderr);
    let expected = format!("note      {companion} has its files of /etc: pull lamp.confext, too");
    assert!(
        pulled.status.success() && said.contains(&expected),
        "{said}"
    );
    // Somebody takes half of it off the list, and the file away.
    let sums = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    for (gone, left) in [(companion, main), (main, companion)] {
        let manifest = gone.replace(".raw", ".manifest.gz");
        let rest = sums
            .lines()
            .filter(|line| !line.ends_with(gone) && !line.ends_with(&manifest));
        let rest: String = rest.map(|line| format!("{line}\n")).collect();
        fs::write(store.join("SHA256SUMS"), rest).unwrap();
        let (code, said) = verify();
        let expected = format!("companion-missing: {left} is listed without");
        assert!(code == Some(1) && said.contains(&expected), "{said}");
    }
    fs::write(store.join("SHA256SUMS"), sums).unwrap();
    run(&["remove", "lamp", "--empty"]);
    assert_eq!(images(), BTreeSet::new());
}

/// Merges both, and asks for what is in `/etc` then.
#[test(PACKAGERS, CLIENT_254, CLIENT_257, CLIENT_NEWEST)]
fn each_systemd_installs_and_merges_both() {
    let scratch = Scratch::new();
    let (package, base) = (package(&scratch), system(&scratch));
    let store = scratch.join("store");
    for more in [&[][..], &["--drop", "/etc/lamp/hook"]] {
        let auto = ["--etc", "confext", "--build-number", "auto"];
        build(&store, &package, &base, &[&auto[..], more].concat());
    }
    // A version without its companion is none.
    let next = ["lamp-1-1.1.x86-64", "lamp-9-1.x86-64"];
    for ending in ["raw", "manifest.gz"] {
        fs::copy(
            store.join(format!("{}.{ending}", next[0])),
            store.join(format!("{}.{ending}", next[1])),
        )
        .unwrap();
    }
    let sums = output_of(
        Command::new("sh")
            .args(["-c", "sha256sum *.raw *.gz | LC_ALL=C sort -k 2"])
            .current_dir(&store),
    );
    define(&store, "@@STORE_URL@@", &[]);
    let definitions = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let archive = definitions
        .lines()
        .filter(|line| line.ends_with("definitions.tar.gz"));
    let sums: String = sums
        .lines()
        .chain(archive)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(store.join("SHA256SUMS"), sums).unwrap();
    let install = "\
        mkdir -p /var/lib/sysext-store /var/lib/extensions /var/lib/confexts /etc/sysupdate.lamp.d\n\
        for file in /run/host$STORE/sysupdate.lamp.d/*; do\n\
        sed \"s|@@STORE_URL@@|$STORE_URL|\" $file > /etc/sysupdate.lamp.d/${file##*/}; done\n\
        timeout 60 systemd-sysupdate -C lamp update\n\
        ls /var/lib/sysext-store; readlink -f /var/lib/extensions/lamp.raw /var/lib/confexts/lamp.confext.raw\n";
    let merge = format!(
        "set -e; rm -f /etc/os-release; printf '{}' > /etc/os-release; mkdir -p /var/lib/confexts /var/lib/extensions\n\
         echo \"the host's own\" > /etc/kept.conf\n\
         cp /run/host$STORE/lamp.confext-1-1.1.x86-64.raw /var/lib/confexts/lamp.confext.raw\n\
         options=; ! systemd-confext --help | grep -q -e --no-reload || options=--no-reload\n\
         systemd-confext $options --no-pager merge\n\
         cat /etc/kept.conf /etc/lamp/key; stat -c '%a %n' /etc/lamp /etc/lamp/key\n\
         echo x > /etc/x || echo read-only\n\
         systemd-confext $options --no-pager status\n\
         umount /etc; test ! -e /etc/lamp; echo unmerged\n",
        HOST.replace('\n', "\\n")
    );
    // An overlay may be over one other, and no more.
    let plain = scratch.join("plain");
    let commands = "cd \"$CLIENT_ROOT\"; cp -a etc tmp/; mount -t tmpfs -o mode=0755 tmpfs etc; \
         cp -a tmp/etc/. etc/\n";
    fs::write(&plain, commands).unwrap();
    let phase = |name: &str, commands: &str| {
        let path = scratch.join(&format!("{name}.client"));
        let commands = format!("set +x; STORE={}\n{commands}", store.display());
        fs::write(&path, commands).unwrap();
        path
    };
    for one in [CLIENT_254, CLIENT_257, CLIENT_NEWEST].map(Client::of) {
        let outcome = client(&one.tree, &store, &[phase("install", install)], false);
        let said = text(&outcome.stdout);
        assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
        for line in [
            "lamp-1-1.1.x86-64.raw",
            "lamp.confext-1-1.1.x86-64.raw",
            "/var/lib/sysext-store/lamp-1-1.1.x86-64.raw",
            "/var/lib/sysext-store/lamp.confext-1-1.1.x86-64.raw",
        ] {
            let is_there = said.lines().any(|found| found == line);
            assert!(is_there, "systemd {}, {line}: {said}", one.systemd);
        }
        let outcome = client(
            &one.tree,
            &store,
            &[plain.clone(), phase("merge", &merge)],
            false,
        );
        let said = text(&outcome.stdout);
        for line in [
            "the host's own",
            "key",
            "750 /etc/lamp",
            "600 /etc/lamp/key",
            "read-only",
            "unmerged",
        ] {
            let is_there = said.lines().any(|found| found == line);
            assert!(is_there, "systemd {}, {line}: {said}", one.systemd);
        }
    }
}
