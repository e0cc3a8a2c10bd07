//! Builds that succeed: what is made, how it is called, what is said.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::workshop::{
    Scratch, build, fixture, json, names, os_release, output_of, program, run, sha256sum, text,
};

const HELLO: &str = "hello-sysext-1.0-1.x86_64.rpm";
const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";

#[test]
fn an_rpm_becomes_an_image_and_a_store_entry() {
    let scratch = Scratch::new();
    let outcome = program()
        .current_dir(scratch.path())
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg(fixture(HELLO))
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(text(&outcome.stdout), "");
    let (image, manifest) = (
        "hello-sysext-1.0-1.x86-64.raw",
        "hello-sysext-1.0-1.x86-64.manifest.gz",
    );
    assert_eq!(names(scratch.path()), ["SHA256SUMS", manifest, image]);
    let sums = fs::read_to_string(scratch.join("SHA256SUMS")).unwrap();
    let line = |name: &str| format!("{}  {name}\n", sha256sum(&scratch.join(name)));
    assert_eq!(sums, line(manifest) + &line(image));
    let said = text(&outcome.stderr);
    for line in [
        "base      ",
        "packages  hello-sysext-1.0-1.x86_64\n",
        "pack      ",
        "store     ",
    ] {
        assert!(said.contains(line), "{line:?} is not in {said}");
    }
    assert_eq!(fs::metadata(scratch.join(image)).unwrap().len() % 4096, 0);
    assert_eq!(
        fs::metadata(scratch.join(image))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o644
    );
}

#[test]
fn the_same_again_changes_nothing_and_other_bytes_are_refused() {
    let scratch = Scratch::new();
    let arguments = |more: &'static str| -> Vec<std::ffi::OsString> {
        let mut arguments = vec![
            "--match".into(),
            "any".into(),
            "--allow".into(),
            "unchecked-base".into(),
            "-o".into(),
            scratch.path().into(),
        ];
        arguments.extend(more.split_whitespace().map(Into::into));
        arguments.push(fixture(HELLO).into());
        arguments
    };
    assert!(run(arguments("")).status.success());
    let sums = fs::read(scratch.join("SHA256SUMS")).unwrap();
    let again = run(arguments(""));
    assert!(again.status.success());
    assert!(text(&again.stderr).contains("unchanged in"));
    assert_eq!(fs::read(scratch.join("SHA256SUMS")).unwrap(), sums);

    let other = run(arguments("--compression gzip"));
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stderr).contains("hello-sysext-1.0-1.x86-64.raw"));
    assert!(text(&other.stderr).contains("--replace"));
    assert_eq!(fs::read(scratch.join("SHA256SUMS")).unwrap(), sums);

    assert!(
        run(arguments("--compression gzip --replace"))
            .status
            .success()
    );
    assert_ne!(fs::read(scratch.join("SHA256SUMS")).unwrap(), sums);
}

#[test]
fn image_names() {
    for (rpm, arguments, image) in [
        (HELLO, "", "hello-sysext-1.0-1.x86-64.raw"),
        (HELLO, "--build-number 7", "hello-sysext-1.0-1.7.x86-64.raw"),
        (
            HELLO,
            "--image-version 29.1 --name tool",
            "tool-29.1.x86-64.raw",
        ),
        (TOOLS, "", "hello-tools-1.1-A.rc.1-2.x86-64.raw"),
        (
            "hello-noarch-0.5^git3-1.noarch.rpm",
            "--arch aarch64",
            "hello-noarch-0.5.A.git.3-1.arm64.raw",
        ),
    ] {
        let scratch = Scratch::new();
        let mut all: Vec<&OsStr> = arguments.split_whitespace().map(OsStr::new).collect();
        let rpm = fixture(rpm);
        all.push(rpm.as_os_str());
        build(scratch.path(), &all);
        assert!(
            scratch.join(image).exists(),
            "{image}: {:?}",
            names(scratch.path())
        );
    }
}

#[test]
fn names_that_sysextmgr_does_not_find() {
    for (system, arguments, expected) in [
        ("microos", "", true),
        ("microos", "--image-version 1.0 --build-number 29.1", false),
        ("microos", "--image-version 1.0-29", true),
        ("microos", "--match any", false),
        ("tumbleweed", "", false),
    ] {
        let scratch = Scratch::new();
        let outcome = program()
            .args(["--dry-run", "--allow", "unchecked-base", "--os-release"])
            .arg(os_release(system))
            .args(arguments.split_whitespace())
            .arg(fixture(HELLO))
            .current_dir(scratch.path())
            .output()
            .unwrap();
        let said = text(&outcome.stdout) + &text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        let found = said.contains(
            "sysextmgr-name: sysextmgr takes hello-sysext-1.0 for the name of hello-sysext-1.0-",
        ) && said.contains("--image-version 1.0 --build-number N");
        assert_eq!(found, expected, "{system} {arguments}: {said}");
    }
}

/// Every directory of units that systemd itself names, and that an image can have.
#[test(program("systemd-analyze"))]
fn the_managers_directories_are_systemds() {
    let said = output_of(Command::new("systemd-analyze").args(["--system", "unit-paths"]));
    let directories: Vec<_> = (said.lines())
        .filter(|path| path.starts_with("/usr/") || path.starts_with("/opt/"))
        .collect();
    assert!(
        directories.contains(&"/usr/local/lib/systemd/system"),
        "{said}"
    );
    for directory in directories {
        let scratch = Scratch::new();
        let unit = scratch.join(&format!("overlay{directory}/a.service"));
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
        let overlay = scratch.join("overlay");
        let arguments = [
            "--name",
            "a",
            "--image-version",
            "1",
            "--arch",
            "x86-64",
            "--overlay",
        ];
        let mut arguments: Vec<_> = arguments.map(OsStr::new).into();
        arguments.push(overlay.as_os_str());
        let answer = build(&scratch.join("store"), &arguments);
        let release = &answer["extension"];
        assert_eq!(
            release["EXTENSION_RELOAD_MANAGER"], "1",
            "{directory} {answer}"
        );
    }
}

#[test]
fn what_the_image_says_of_itself() {
    for (release, arguments, text) in [
        (
            "tumbleweed",
            "",
            "ID=opensuse-tumbleweed\nVERSION_ID=%\nSYSEXT_ID=hello-sysext\nSYSEXT_VERSION_ID=1.0-1\n\
             SYSEXT_SCOPE=system\nARCHITECTURE=x86-64\nEXTENSION_RELOAD_MANAGER=1\n",
        ),
        (
            "level",
            "--match sysext-level",
            "ID=%\nSYSEXT_LEVEL=2.0\nVERSION_ID=%\nSYSEXT_ID=hello-sysext\nSYSEXT_VERSION_ID=1.0-1\n\
             SYSEXT_SCOPE=system\nARCHITECTURE=x86-64\nEXTENSION_RELOAD_MANAGER=1\n",
        ),
        (
            "debian-13",
            "--match any --allow unchecked-base --scope initrd",
            "ID=_any\nVERSION_ID=13\nSYSEXT_ID=hello-sysext\nSYSEXT_VERSION_ID=1.0-1\n\
             SYSEXT_SCOPE=initrd\nARCHITECTURE=x86-64\nEXTENSION_RELOAD_MANAGER=1\n",
        ),
    ] {
        let scratch = Scratch::new();
        let outcome = program()
            .arg("--os-release")
            .arg(os_release(release))
            .arg("-o")
            .arg(scratch.join("store"))
            .arg("--tree")
            .arg(scratch.join("tree"))
            .args(arguments.split_whitespace())
            .arg(fixture(HELLO))
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{}",
            crate::workshop::text(&outcome.stderr)
        );
        let directory = scratch.join("tree/usr/lib/extension-release.d");
        let written = fs::read_to_string(directory.join("extension-release.hello-sysext")).unwrap();
        // A % stands for what the fixture's os-release says.
        let written: Vec<_> = written.lines().collect();
        let expected: Vec<_> = text.lines().collect();
        assert_eq!(written.len(), expected.len(), "{written:?}");
        for (written, expected) in written.iter().zip(expected) {
            match expected.strip_suffix('%') {
                Some(key) => assert!(written.starts_with(key) && written.len() > key.len()),
                None => assert_eq!(*written, expected),
            }
        }
        let link = fs::read_link(directory.join("extension-release.hello-sysext-1.0-1.x86-64"));
        assert_eq!(
            link.unwrap().to_str(),
            Some("extension-release.hello-sysext")
        );
    }
}

#[test(program("zcat"))]
fn the_manifest_lists_packages_and_what_the_base_must_have() {
    let scratch = Scratch::new();
    let rpms = [fixture(TOOLS), fixture("hello-library-2.0-3.x86_64.rpm")];
    build(scratch.path(), &rpms.each_ref().map(|rpm| rpm.as_os_str()));
    let path = scratch.join("hello-tools-1.1-A.rc.1-2.x86-64.manifest.gz");
    let manifest: Value =
        serde_json::from_str(&output_of(Command::new("zcat").arg(&path))).unwrap();
    assert_eq!(manifest["manifest_version"], json!(1));
    assert_eq!(manifest["config"]["name"], json!("hello-tools"));
    assert_eq!(manifest["config"]["architecture"], json!("x86-64"));
    assert_eq!(manifest["config"]["output_format"], json!("sysext"));
    assert_eq!(manifest["config"]["version"], json!("1.1-A.rc.1-2"));
    assert_eq!(
        manifest["extension"]["SYSEXT_VERSION_ID"],
        json!("1.1-A.rc.1-2")
    );
    let packages = manifest["packages"].as_array().unwrap();
    let nevras: Vec<_> = packages
        .iter()
        .map(|package| package["nevra"].as_str().unwrap())
        .collect();
    assert_eq!(
        nevras,
        ["hello-library-2.0-3.x86_64", "hello-tools-1.1~rc1-2.x86_64"]
    );
    assert_eq!(packages[1]["version"], json!("1.1~rc1-2"));
    assert_eq!(packages[1]["sha256"], json!(sha256sum(&rpms[0])));
    assert_eq!(packages[1]["origin"], json!(TOOLS));
    let requires: Vec<_> = manifest["requires"]
        .as_array()
        .unwrap()
        .iter()
        .map(|need| need.as_str().unwrap())
        .collect();
    assert!(
        requires.iter().any(|need| need.starts_with("libc.so.6(")),
        "{requires:?}"
    );
    assert!(
        !requires
            .iter()
            .any(|need| need.starts_with("libhello.so.2")),
        "{requires:?}"
    );
    assert!(
        !requires.iter().any(|need| need.starts_with("rpmlib(")),
        "{requires:?}"
    );
}

#[test]
fn rules_leave_out_and_move_with_a_word() {
    let scratch = Scratch::new();
    let rpm = fixture(TOOLS);
    let built = build(scratch.path(), &[rpm.as_os_str()]);
    let ids: Vec<_> = built["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    for id in ["moved", "owner", "set-uid", "state-made"] {
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
    let rules: Vec<_> = built["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| left["rule"].as_str().unwrap())
        .collect();
    for rule in ["no-ghosts", "usr-merge"] {
        assert!(rules.contains(&rule), "{rule} is not in {rules:?}");
    }
    for line in built["tree"].as_array().unwrap() {
        let line = line.as_str().unwrap();
        assert!(line.starts_with("/ ") || line.starts_with("/usr") || line.starts_with("/opt"));
    }
}

#[test]
fn special_files_and_os_release_never_enter() {
    let scratch = Scratch::new();
    let rpms = [
        fixture("devices-1-1.noarch.rpm"),
        fixture("os-release-1-1.noarch.rpm"),
    ];
    let arguments: Vec<&OsStr> = ["--arch", "x86_64"]
        .map(OsStr::new)
        .into_iter()
        .chain(rpms.iter().map(|rpm| rpm.as_os_str()))
        .collect();
    let built = build(scratch.path(), &arguments);
    for line in built["tree"].as_array().unwrap() {
        let kind = line.as_str().unwrap().split(' ').nth(1).unwrap();
        assert!(["d", "f", "l", "h"].contains(&kind), "{line}");
        assert!(
            !line.as_str().unwrap().starts_with("/usr/lib/os-release "),
            "{line}"
        );
    }
    let rules: Vec<_> = built["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| &left["rule"])
        .collect();
    assert!(rules.contains(&&json!("no-devices")) && rules.contains(&&json!("no-os-release")));
}

#[test]
fn an_overlay_adds_and_replaces() {
    let scratch = Scratch::new();
    let overlay = scratch.join("overlay");
    fs::create_dir_all(overlay.join("usr/bin")).unwrap();
    fs::create_dir_all(overlay.join("etc")).unwrap();
    fs::write(overlay.join("etc/x"), "x").unwrap();
    fs::write(overlay.join("usr/bin/hello-sysext"), "#!/bin/sh\n").unwrap();
    fs::write(overlay.join("usr/bin/more"), "#!/bin/sh\n").unwrap();
    for name in ["hello-sysext", "more"] {
        let path = overlay.join("usr/bin").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let rpm = fixture(HELLO);
    let arguments = [
        OsStr::new("--overlay"),
        overlay.as_os_str(),
        rpm.as_os_str(),
    ];
    let built = build(&scratch.join("a"), &arguments);
    let tree: Vec<_> = built["tree"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    // Root's, of the image's time, and both of one content.
    let of = |path: &str| -> Vec<&str> {
        tree.iter()
            .find(|line| line.starts_with(&format!("{path} ")))
            .unwrap()
            .split(' ')
            .collect()
    };
    assert_eq!(of("/usr/bin/more")[1..4], ["f", "0755", "0:0"]);
    let content = format!("sha256:{}", sha256sum(&overlay.join("usr/bin/more")));
    assert_eq!(of("/usr/bin/more")[5..], ["10", &content]);
    assert_eq!(of("/usr/bin/more")[5..], of("/usr/bin/hello-sysext")[5..]);
    assert!(
        built["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["id"] == "overlay-replaces")
    );

    // It works alone, once it has a name and a version.
    let alone = |more: &[&str]| {
        program()
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--arch",
                "x86-64",
                "--overlay",
            ])
            .arg(&overlay)
            .arg("-o")
            .arg(scratch.join("b"))
            .args(more)
            .output()
            .unwrap()
    };
    assert_eq!(alone(&[]).status.code(), Some(2));
    assert!(
        alone(&["--name", "site", "--image-version", "3"])
            .status
            .success()
    );
    assert!(scratch.join("b/site-3.x86-64.raw").exists());
}

#[test]
fn a_dry_run_writes_nothing_and_shows_the_tree() {
    let scratch = Scratch::new();
    let outcome = program()
        .current_dir(scratch.path())
        .args(["--dry-run", "--match", "any", "--allow", "unchecked-base"])
        .arg(fixture(HELLO))
        .output()
        .unwrap();
    assert!(outcome.status.success());
    assert_eq!(names(scratch.path()), Vec::<String>::new());
    let plan = text(&outcome.stdout);
    assert!(
        plan.contains("\n/usr/bin/hello-sysext f 0755 0:0 "),
        "{plan}"
    );
    assert!(plan.contains("  ID=_any\n"), "{plan}");
    // What is planned is what is built.
    let built = build(
        &scratch.join("store"),
        &[
            OsStr::new("--match"),
            OsStr::new("any"),
            OsStr::new("--allow"),
            OsStr::new("unchecked-base"),
            fixture(HELLO).as_os_str(),
        ],
    );
    let image = scratch.join("store/hello-sysext-1.0-1.x86-64.raw");
    let inspected = json(&run([
        OsStr::new("inspect"),
        OsStr::new("--json"),
        image.as_os_str(),
    ]));
    assert_eq!(inspected["tree"], built["tree"]);
    assert_eq!(inspected["extension"], built["extension"]);
}

#[test]
fn inspect_shows_packages_requirements_and_attributes() {
    let scratch = Scratch::new();
    let rpm = fixture(TOOLS);
    build(scratch.path(), &[rpm.as_os_str()]);
    let image = scratch.join("hello-tools-1.1-A.rc.1-2.x86-64.raw");
    let outcome = run([OsStr::new("inspect"), image.as_os_str()]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let shown = text(&outcome.stdout);
    for part in [
        "  SYSEXT_ID=hello-tools\n",
        "  hello-tools-1.1~rc1-2.x86_64  sha256 ",
        "\n  libhello.so.2()(64bit)\n",
        " security.capability=0x010000020020000000000000000000000000000",
        " user.extension-release.strict=0x30\n",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    fs::remove_file(image.with_extension("manifest.gz")).unwrap();
    let alone = text(&run([OsStr::new("inspect"), image.as_os_str()]).stdout);
    assert!(alone.contains("packages: not known"), "{alone}");
}

#[test]
fn each_compressor_and_block_size_holds_the_same_tree() {
    let scratch = Scratch::new();
    let rpm = fixture(TOOLS);
    let mut trees = Vec::new();
    for (index, arguments) in [
        "--compression xz",
        "--compression gzip:9",
        "--compression lz4",
        "--compression zstd:19 --block-size 1M",
        "--block-size 4K",
    ]
    .iter()
    .enumerate()
    {
        let store = scratch.join(&index.to_string());
        let mut all: Vec<&OsStr> = arguments.split(' ').map(OsStr::new).collect();
        all.push(rpm.as_os_str());
        build(&store, &all);
        let image = store.join("hello-tools-1.1-A.rc.1-2.x86-64.raw");
        let inspected = json(&run([
            OsStr::new("inspect"),
            OsStr::new("--json"),
            image.as_os_str(),
        ]));
        trees.push(inspected["tree"].clone());
    }
    assert!(trees.iter().all(|tree| *tree == trees[0]));
    assert!(trees[0].as_array().unwrap().len() > 20);
}

#[test]
fn generated_pages() {
    let scratch = Scratch::new();
    assert!(
        run([OsStr::new("man"), scratch.path().as_os_str()])
            .status
            .success()
    );
    let pages = names(scratch.path());
    assert!(pages.contains(&"sysext-build.1".to_owned()), "{pages:?}");
    assert!(
        pages.contains(&"sysext-build-recipe.5".to_owned()),
        "{pages:?}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let outcome = run(["completions", shell]);
        assert!(outcome.status.success());
        assert!(text(&outcome.stdout).contains("block-size"), "{shell}");
    }
    let rules = text(&run(["rules"]).stdout);
    for name in [
        "hierarchy-only",
        "usr-merge",
        "sbin-merge",
        "drop-build-id",
        "drop-docs",
        "file-conflict",
    ] {
        assert!(rules.contains(name), "{name} is not in {rules}");
    }
}

/// A build says what it could not look up, in its notes, its answer and the manifest.
#[test(program("gzip"))]
fn what_is_not_looked_up_is_said() {
    let scratch = Scratch::new();
    let build = |more: &[&str]| {
        program()
            .args(["--json", "--os-release"])
            .arg(os_release("tumbleweed"))
            .arg("-o")
            .arg(scratch.join("store"))
            .args(more)
            .arg(fixture(HELLO))
            .output()
            .unwrap()
    };
    let needs = "4 needs of the image are not looked up (libc.so.6()(64bit), \
                 libc.so.6(GLIBC_2.2.5)(64bit), libc.so.6(GLIBC_2.34)(64bit), 1 more): only the \
                 os-release of the base is known";
    let built = json(&build(&[]));
    let findings = built["findings"].as_array().unwrap().iter();
    let texts: Vec<_> = findings
        .filter(|finding| finding["id"] == "unchecked-base")
        .map(|finding| finding["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, [needs]);
    assert_eq!(built["evidence"]["known"], "os-release");
    assert_eq!(built["evidence"]["unchecked"], built["requires"]);
    let manifest = scratch.join("store/hello-sysext-1.0-1.x86-64.manifest.gz");
    let manifest = crate::workshop::output_of(Command::new("gzip").arg("-dc").arg(manifest));
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["known"], "os-release");
    assert_eq!(
        manifest["findings"],
        serde_json::json!({"unchecked-base": needs})
    );
    for (more, code) in [
        (&["--strict"][..], 1),
        (&["--strict", "--allow", "unchecked-base"], 0),
        (&["--match", "any", "--replace"], 1),
        (&["--match", "any", "--dry-run"], 1),
        (
            &[
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--dry-run",
                "--replace",
            ],
            0,
        ),
    ] {
        let allowed = ["set-uid", "scriptlet", "not-started"];
        let allowed = allowed.iter().flat_map(|id| ["--allow", id]);
        let more: Vec<_> = more.iter().copied().chain(allowed).collect();
        let outcome = build(&more);
        assert_eq!(
            outcome.status.code(),
            Some(code),
            "{more:?}: {}",
            text(&outcome.stdout)
        );
    }
}

#[test]
fn timings_are_said_and_change_nothing() {
    let scratch = Scratch::new();
    let run = |store: &str, arguments: &[&str]| {
        let mut command = program();
        command.arg("--os-release").arg(os_release("tumbleweed"));
        command
            .args(["-o", store])
            .args(arguments)
            .arg(fixture(HELLO));
        let outcome = command.current_dir(scratch.path()).output().unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        outcome
    };
    let one = [
        "base", "packages", "plan", "gather", "compress", "write", "finish", "judge", "publish",
    ];
    for (jobs, readers, compressors) in [("1", 0, 1), ("3", 2, 3), ("16", 8, 16)] {
        let asked = run(&format!("asked-{jobs}"), &["--jobs", jobs, "--timings"]);
        let said = text(&asked.stderr);
        let table: Vec<Vec<&str>> = (said.lines())
            .skip_while(|line| !line.starts_with("stage "))
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            table[0].join(" "),
            "stage times threads seconds busy busiest"
        );
        let stages = table[1..].iter().map(|line| line[0]);
        let expected = one.iter().copied().filter(|name| *name != "packages");
        let expected: Vec<_> = match readers {
            0 => expected.collect(),
            _ => expected
                .flat_map(|name| match name {
                    "gather" => vec!["read", name],
                    name => vec![name],
                })
                .collect(),
        };
        assert_eq!(
            stages.collect::<Vec<_>>(),
            [&expected[..], &["all"]].concat(),
            "{said}"
        );

        let answer = json(&run(
            &format!("json-{jobs}"),
            &["--jobs", jobs, "--timings", "--json"],
        ));
        let threads = |name: &str| {
            let stages = answer["timings"]["stages"].as_array().unwrap();
            let stage = stages.iter().find(|stage| stage["stage"] == name);
            stage.map_or(0, |stage| stage["threads"].as_u64().unwrap())
        };
        assert_eq!(
            (threads("read"), threads("compress")),
            (readers, compressors)
        );
        assert!(answer["timings"]["seconds"].as_f64().unwrap() > 0.0);

        let plain = run(&format!("plain-{jobs}"), &["--jobs", jobs]);
        assert!(!text(&plain.stderr).contains("busiest"));
        let plain = scratch.join(&format!("plain-{jobs}"));
        for name in names(&plain) {
            let of = |store: &str| {
                fs::read(scratch.join(&format!("{store}-{jobs}")).join(&name)).unwrap()
            };
            assert!(
                of("plain") == of("asked") && of("plain") == of("json"),
                "{name}"
            );
        }
    }
    let answer = json(&run("without", &["--json"]));
    assert_eq!(answer["timings"], Value::Null);
}
