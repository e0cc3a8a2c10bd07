//! `check`, `explain` and `diff` as users run them, and the story of an OS update.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::workshop::{
    Scratch, build, fixture, json as answer_of, os_release, output_of, program, run, text,
};

const TOOL: &str = "hello-sysext-1.0-1.x86_64.rpm";
const TOOL_IMAGE: &str = "hello-sysext-1.0-1.x86-64.raw";

/// Builds the greeting program's image for Tumbleweed.
fn image(scratch: &Scratch) -> PathBuf {
    build(scratch.path(), &[fixture(TOOL).as_os_str()]);
    scratch.join(TOOL_IMAGE)
}

fn check(arguments: &[&str], images: &[&Path]) -> Output {
    program()
        .arg("check")
        .args(arguments)
        .args(images)
        .output()
        .unwrap()
}

#[test]
fn a_table_of_images_and_hosts() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    let hosts = ["tumbleweed", "fedora-42"].map(|name| os_release(name).display().to_string());
    let arguments = ["--os-release", &hosts[0], "--os-release", &hosts[1]];
    let manifest = scratch.join("hello-sysext-1.0-1.x86-64.manifest.gz");
    for subject in [&image, &manifest] {
        let outcome = check(&arguments, &[subject]);
        assert_eq!(outcome.status.code(), Some(1));
        assert_eq!(text(&outcome.stderr), "");
        let path = subject.display().to_string();
        let width = path.len();
        let expected = format!(
            "{path} on fedora 42:\n\
             \x20 not-merged: ignored by systemd-252, systemd-254, systemd-257, systemd-262: ID: \
             image opensuse-tumbleweed, host fedora: Extension 'hello-sysext' is for OS \
             'opensuse-tumbleweed', but deployed on top of 'fedora'\n\
             \n\
             {:width$}  opensuse-tumbleweed 20260304  fedora 42\n\
             {path}  merges (os-release)           breaks (ignored)\n\
             \n\
             on opensuse-tumbleweed 20260304: 1 of 1 image would be merged, and whether all that \
             is needed is there was not looked up: only the os-release of the base is known\n\
             on fedora 42: 1 of 1 image would not work\n\
             assumed: the hosts are x86-64 (--arch ARCH says another architecture)\n",
            "image"
        );
        assert_eq!(text(&outcome.stdout), expected);
        let allowed: Vec<_> = arguments
            .iter()
            .chain(&["--allow", "not-merged"])
            .copied()
            .collect();
        assert_eq!(check(&allowed, &[subject]).status.code(), Some(0));
    }
    // Without the image, its name stands for its manifest.
    fs::remove_file(&image).unwrap();
    let outcome = check(
        &["--manifests", "--json", "--os-release", &hosts[0]],
        &[&image],
    );
    assert!(outcome.status.success());
    assert_eq!(answer_of(&outcome)["rebuild"], json!([]));
}

#[test]
fn every_client_has_its_own_rules() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    let host = os_release("tumbleweed").display().to_string();
    for (client, link, outcome, field) in [
        ("systemd-252", "hello-sysext", "accepted", "VERSION_ID"),
        ("systemd-252", "other", "accepted", "VERSION_ID"),
        ("importctl-257", "hello-sysext", "accepted", "VERSION_ID"),
        ("sysupdate-254", "hello-sysext", "accepted", "version"),
        ("sysupdate-254", "other", "ignored", "name"),
        ("sysextmgr", "hello-sysext", "ignored", "name"),
    ] {
        let arguments = [
            "--json",
            "--os-release",
            &host,
            "--client",
            client,
            "--as",
            link,
        ];
        let answer = answer_of(&check(&arguments, &[&image]));
        let verdict = &answer["images"][0]["hosts"][0]["verdicts"][0];
        assert_eq!(verdict["outcome"], outcome, "{client} {link}: {verdict}");
        assert_eq!(verdict["field"], field, "{client} {link}");
    }
    let outcome = check(&["--client", "systemd-251"], &[&image]);
    assert_eq!(outcome.status.code(), Some(2));
    assert!(
        text(&outcome.stderr).contains("did you mean systemd-25"),
        "{}",
        text(&outcome.stderr)
    );
}

/// The definition that a store has for an image decides, or the client's own.
#[test(program("find"))]
fn sysupdate_looks_for_what_the_store_defines() {
    let scratch = Scratch::new();
    let host = os_release("fedora-42").display().to_string();
    let host = ["--json", "--arch", "x86-64", "--os-release", &host];
    let definition = scratch.join("own.transfer");
    fs::write(
        &definition,
        "[Source]\nMatchPattern=other-@v.raw \\\n\nMatchPattern=hello-sysext-@v_%a.raw\n\
         [Target]\nMatchPattern=hello-sysext-@v.%a.raw\n",
    )
    .unwrap();
    for layout in ["flat", "per-name", "flatcar", "fedora"] {
        let store = scratch.join(layout);
        let outcome = program()
            .args(["--layout", layout, "--os-release", host[4], "-o"])
            .arg(&store)
            .arg(fixture(TOOL))
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        let image = output_of(Command::new("find").arg(&store).args(["-name", "*.raw"]));
        let image = Path::new(image.trim());
        let verdict = |more: &[&str], client: &str| {
            let arguments = [&host[..], &["--client", client], more].concat();
            let answer = answer_of(&check(&arguments, &[image]));
            answer["images"][0]["hosts"][0]["verdicts"][0]["outcome"].clone()
        };
        for client in ["sysupdate-254", "sysupdate-257", "sysupdate-262"] {
            assert_eq!(verdict(&[], client), "accepted", "{layout} {client}");
            let own = ["--definition", definition.to_str().unwrap()];
            assert_eq!(verdict(&own, client), "ignored", "{layout} {client}");
        }
    }
}

/// An image is judged under the name that its file has, unless that says which one's version it is.
#[test]
fn the_name_that_is_judged_is_that_of_the_file() {
    let scratch = Scratch::new();
    let host = os_release("tumbleweed").display().to_string();
    let made = image(&scratch);
    for (file, name, is_assumed) in [
        ("hello-sysext.raw", "hello-sysext", false),
        ("hello-sysext-1.raw", "hello-sysext", true),
        ("hello-sysext-1.0-1.x86-64.raw", "hello-sysext", true),
        ("hello-sysext_1.raw", "hello-sysext", true),
        ("t.raw", "t", false),
        ("hello-sysextra.raw", "hello-sysextra", false),
        ("hello.raw", "hello", false),
    ] {
        // Alone, without a manifest that says the name.
        let path = scratch.join("alone").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(&made, &path).unwrap();
        let answer = answer_of(&check(&["--json", "--os-release", &host], &[&path]));
        let found = &answer["images"][0];
        assert_eq!(found["name"], name, "{file}");
        let assumed = found["assumed"].as_array().unwrap();
        let hosts = "the hosts are x86-64 (--arch ARCH says another architecture)";
        assert_eq!(assumed.last().unwrap(), hosts);
        assert_eq!(assumed.len() == 2, is_assumed, "{file}: {assumed:?}");
        let said = text(&check(&["--os-release", &host], &[&path]).stdout);
        let link = format!("\nassumed: it is linked as {name}.raw (--as NAME says another name)\n");
        assert_eq!(said.contains(&link), is_assumed, "{said}");
        assert!(said.contains(&format!("assumed: {hosts}\n")), "{said}");
    }
}

/// What this program can't read is not said to be refused by a client, which may well merge it.
#[test]
fn what_can_not_be_read_is_no_clients_verdict() {
    let scratch = Scratch::new();
    let good = image(&scratch);
    let host = os_release("tumbleweed").display().to_string();
    let other = os_release("fedora-42").display().to_string();
    // The superblock of XFS, and nothing else of it.
    let unread = scratch.join("tool.raw");
    let mut bytes = vec![0; 8192];
    bytes[..4].copy_from_slice(b"XFSB");
    fs::write(&unread, bytes).unwrap();
    let arguments = ["--os-release", &host, "--client", "systemd-252,systemd-262"];
    let outcome = check(&arguments[..2], &[&good, &unread]);
    assert_eq!(outcome.status.code(), Some(3));
    let said = text(&outcome.stdout);
    let reason = "  unread: the image is an XFS file system, which is not read here\n";
    assert!(said.contains(reason), "{said}");
    assert!(
        !said.contains("blocks-all") && !said.contains(" by "),
        "{said}"
    );
    let answer = answer_of(&check(&[&arguments[..], &["--json"]].concat(), &[&unread]));
    let on_host = &answer["images"][0]["hosts"][0];
    assert_eq!(
        (&on_host["state"], &answer["works"]),
        (&json!("unread"), &json!(false))
    );
    for verdict in on_host["verdicts"].as_array().unwrap() {
        assert_eq!(verdict["outcome"], "unread");
    }
    // Of images that fail for sure, one is enough for the other exit code.
    let two = ["--os-release", &other];
    assert_eq!(check(&two, &[&good, &unread]).status.code(), Some(1));
    let allowed = [&arguments[..2], &["--allow", "unread"]].concat();
    assert_eq!(check(&allowed, &[&good, &unread]).status.code(), Some(0));
}

/// A directory of the image by which a merge would hide the base's.
#[test(programs!("mksquashfs", "setfattr"), root())]
fn attributes_of_overlayfs() {
    let scratch = Scratch::new();
    let host = os_release("tumbleweed").display().to_string();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::create_dir_all(tree.join("usr/lib/extension-release.d")).unwrap();
    let release = tree.join("usr/lib/extension-release.d/extension-release.tool");
    fs::write(release, "ID=_any\n").unwrap();
    fs::write(tree.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
    let good = image(&scratch);
    let manifest = good.with_extension("manifest.gz");
    for (file, name, id) in [
        ("usr/bin", "trusted.overlay.opaque", "overlayfs-attribute"),
        (
            "usr/bin/tool",
            "user.overlay.metacopy",
            "overlayfs-attribute",
        ),
    ] {
        output_of(
            Command::new("setfattr")
                .args(["-n", name, "-v", "y"])
                .arg(tree.join(file)),
        );
        let raw = scratch.join("tool-1.x86-64.raw");
        let _ = fs::remove_file(&raw);
        output_of(
            Command::new("mksquashfs")
                .arg(&tree)
                .arg(&raw)
                .arg("-quiet"),
        );
        let outcome = check(&["--os-release", &host, "--json"], &[&raw]);
        assert_eq!(outcome.status.code(), Some(1), "{name}");
        let findings = answer_of(&outcome)["images"][0]["hosts"][0]["findings"].clone();
        let expected = json!({"id": id, "text": format!("/{file} has the attribute {name}")});
        assert_eq!(findings[0], expected, "{name}");
        // Nor is it taken into a store, whatever its manifest says.
        fs::copy(&manifest, raw.with_extension("manifest.gz")).unwrap();
        let store = scratch.join("store-of-others");
        let outcome = run([
            OsStr::new("store"),
            OsStr::new("add"),
            store.as_os_str(),
            raw.as_os_str(),
        ]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        let expected = format!("tool-1.x86-64.raw: /{file} has the attribute {name}");
        assert!(said.contains(&expected), "{said}");
        output_of(
            Command::new("setfattr")
                .args(["-x", name])
                .arg(tree.join(file)),
        );
    }
}

#[test]
fn a_base_of_names_is_said_to_be_one() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    let list = scratch.join("packages");
    fs::write(&list, "glibc-2.40-1.x86_64\n").unwrap();
    let arguments = ["--base", list.to_str().unwrap(), "--os-release"];
    let host = os_release("tumbleweed").display().to_string();
    let outcome = check(&[&arguments[..], &[&*host]].concat(), &[&image]);
    let said = text(&outcome.stdout);
    assert!(outcome.status.success(), "{said}");
    assert!(said.contains("  merges (names)\n"), "{said}");
    let why = "1 of 1 image would be merged, and whether all that is needed is there was not looked \
               up: only the names of the base's packages are known\n";
    assert!(said.contains(why), "{said}");
}

#[test]
fn names_that_a_pattern_confuses() {
    let scratch = Scratch::new();
    for name in ["gcc", "gcc-32bit"] {
        // Each in a store of its own: one store would refuse the second.
        let store = scratch.join(name);
        build(
            &store,
            &["--name", name, "--image-version", "14-1"]
                .map(AsRef::as_ref)
                .into_iter()
                .chain([fixture(TOOL).as_os_str()])
                .collect::<Vec<_>>(),
        );
        for entry in fs::read_dir(&store).unwrap() {
            let path = entry.unwrap().path();
            fs::rename(&path, scratch.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let images =
        ["gcc-14-1.x86-64.raw", "gcc-32bit-14-1.x86-64.raw"].map(|name| scratch.join(name));
    let host = os_release("tumbleweed").display().to_string();
    let outcome = check(
        &["--os-release", &host, "--client", "sysupdate-257"],
        &[&images[0], &images[1]],
    );
    assert_eq!(outcome.status.code(), Some(1));
    let said = text(&outcome.stdout);
    let words = "pattern-collision: gcc-@v.%a.raw also matches gcc-32bit-14-1.x86-64.raw, as \
                 version 32bit-14-1";
    assert!(said.contains(words), "{said}");
    assert!(said.contains("1 of 2 images would not work"), "{said}");
}

#[test]
fn a_directory_stands_for_its_images() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    let host = os_release("tumbleweed").display().to_string();
    let asked = ["--os-release", &*host];
    let [all, one] = [scratch.path(), &image].map(|subject| check(&asked, &[subject]));
    assert_eq!(all.status.code(), Some(0), "{}", text(&all.stderr));
    assert_eq!(text(&all.stdout), text(&one.stdout));
    fs::create_dir(scratch.join("empty")).unwrap();
    let none = check(&asked, &[&scratch.join("empty")]);
    assert_eq!(none.status.code(), Some(1));
    let said = text(&none.stderr);
    assert!(said.contains("empty has no *.raw"), "{said}");
}

#[test]
fn findings_are_explained() {
    let outcome = run(["explain", "shadows-base"]);
    assert!(outcome.status.success());
    let said = text(&outcome.stdout);
    assert!(said.starts_with("shadows-base (fatal)\n\n"), "{said}");
    assert!(said.contains("--allow shadows-base."), "{said}");
    let outcome = run(["explain", "digest-mismatch", "--json"]);
    assert_eq!(answer_of(&outcome)[0]["severity"], "error");
    let outcome = run(["explain", "shadow-base"]);
    assert_eq!(outcome.status.code(), Some(2));
    assert!(text(&outcome.stderr).contains("did you mean shadows-base?"));
}

#[test]
fn what_differs_between_images() {
    let scratch = Scratch::new();
    let one = image(&scratch);
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::write(tree.join("usr/bin/more"), "#!/bin/sh\n").unwrap();
    fs::create_dir_all(tree.join("usr/share/man/man1")).unwrap();
    fs::write(tree.join("usr/share/man/man1/hello-sysext.1"), "other\n").unwrap();
    let other = scratch.join("other");
    build(
        &other,
        &[
            "--overlay".as_ref(),
            tree.as_os_str(),
            "--image-version".as_ref(),
            "2".as_ref(),
            fixture(TOOL).as_os_str(),
        ],
    );
    let two = other.join("hello-sysext-2.x86-64.raw");
    let diff = |before: &Path, after: &Path, json: bool| {
        let mut command = program();
        command.arg("diff").arg(before).arg(after);
        if json {
            command.arg("--json");
        }
        command.output().unwrap()
    };
    let same = diff(&one, &one, false);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert!(text(&same.stdout).ends_with("the images are the same\n"));

    let outcome = diff(&one, &two, false);
    assert_eq!(outcome.status.code(), Some(1));
    assert_eq!(text(&outcome.stderr), "");
    let said = text(&outcome.stdout);
    for line in [
        "  - SYSEXT_VERSION_ID=1.0-1\n  + SYSEXT_VERSION_ID=2\n",
        "  + /usr/bin/more\n",
        "  /usr/share/man/man1/hello-sysext.1  size ",
    ] {
        assert!(said.contains(line), "{line:?} is not in {said}");
    }
    assert!(!said.contains("packages:"), "{said}");
    let answer = answer_of(&diff(&one, &two, true));
    assert_eq!(answer["differs"], true);
    assert_eq!(
        answer["metadata"]["SYSEXT_VERSION_ID"],
        json!(["1.0-1", "2"])
    );

    let damaged = scratch.join("damaged.raw");
    fs::write(&damaged, "no image").unwrap();
    let outcome = diff(&one, &damaged, false);
    assert_eq!(outcome.status.code(), Some(3));
    assert!(text(&outcome.stderr).contains("damaged.raw contains no file system"));
}

#[test]
fn the_weakest_statement_is_chosen() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("usr/share/site")).unwrap();
    fs::write(tree.join("usr/share/site/motd"), "hello\n").unwrap();
    let overlay = [
        "--overlay",
        tree.to_str().unwrap(),
        "--name",
        "site",
        "--image-version",
        "1",
    ];
    let tool = fixture(TOOL).display().to_string();
    for (host, input, id, key, why) in [
        (
            "tumbleweed",
            &overlay[..],
            "_any",
            "VERSION_ID",
            "ID=_any: ",
        ),
        (
            "level",
            &[&*tool],
            "levelled",
            "SYSEXT_LEVEL",
            "SYSEXT_LEVEL=",
        ),
        (
            "tumbleweed",
            &[&*tool],
            "opensuse-tumbleweed",
            "VERSION_ID",
            "VERSION_ID=20260304: ",
        ),
    ] {
        let build = |format: &[&str]| {
            program()
                .args(["--match", "auto", "--arch", "x86-64", "--replace", "-o"])
                .arg(scratch.join("store"))
                .arg("--os-release")
                .arg(os_release(host))
                .args(format)
                .args(input)
                .output()
                .unwrap()
        };
        let outcome = build(&["--json"]);
        let answer = answer_of(&outcome);
        assert_eq!(answer["extension"]["ID"], id, "{answer}");
        assert!(answer["extension"][key].is_string(), "{answer}");
        let said = text(&build(&[]).stderr);
        assert!(said.contains(&format!("\nmatch     {why}")), "{said}");
    }
    // A program that needs the C library, which no package says.
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::copy("/bin/sh", tree.join("usr/bin/mysh")).unwrap();
    let outcome = program()
        .args(["--match", "auto", "-o"])
        .arg(scratch.join("other"))
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .args(overlay)
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(text(&outcome.stderr).contains("--match auto: the packages require nothing"));
    assert!(!scratch.join("other").exists());
}

#[test]
fn five_hundred_images_are_one_table() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    let images: Vec<_> = (0..500)
        .map(|number| scratch.join(&format!("hello-sysext-{number}.x86-64.raw")))
        .collect();
    for copy in &images {
        fs::hard_link(&image, copy).unwrap();
        fs::hard_link(
            image.with_extension("manifest.gz"),
            copy.with_extension("manifest.gz"),
        )
        .unwrap();
    }
    let paths: Vec<_> = images.iter().map(PathBuf::as_path).collect();
    let host = os_release("tumbleweed").display().to_string();
    for more in [&["--manifests"][..], &[]] {
        let arguments: Vec<_> = ["--json", "--os-release", &host]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let outcome = check(&arguments, &paths);
        assert!(outcome.status.success());
        let answer = answer_of(&outcome);
        let found = answer["images"].as_array().unwrap();
        let listed: Vec<_> = found
            .iter()
            .map(|one| one["path"].as_str().unwrap())
            .collect();
        let asked: Vec<_> = images.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(listed, asked);
    }
}

#[test]
fn what_is_no_image_has_a_clear_answer() {
    let scratch = Scratch::new();
    let good = image(&scratch);
    let bytes = fs::read(&good).unwrap();
    let manifest = fs::read(good.with_extension("manifest.gz")).unwrap();
    let host = os_release("tumbleweed").display().to_string();
    let many_keys = "ID=\"".repeat(20_000).into_bytes();
    for (name, bytes, code, words) in [
        ("empty.raw", &b""[..], 1, "blocks-all: refused by "),
        (
            "text.raw",
            b"text",
            1,
            "contains no file system that systemd knows",
        ),
        ("cut.raw", &bytes[..2000], 1, "blocks-all: refused by "),
        ("keys.raw", &many_keys, 1, "blocks-all: refused by "),
        ("cut.manifest.gz", &manifest[..100], 1, "cut.manifest.gz"),
        (
            "text.manifest.gz",
            b"text",
            1,
            "text.manifest.gz is not a manifest",
        ),
        (
            "list.manifest.gz",
            b"[]",
            1,
            "list.manifest.gz is not a manifest",
        ),
    ] {
        let path = scratch.join(name);
        fs::write(&path, bytes).unwrap();
        let outcome = check(&["--os-release", &host], &[&path]);
        let said = text(&outcome.stdout) + &text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
    let missing = scratch.join("missing.raw");
    let outcome = check(&["--os-release", &host], &[&good, &missing]);
    assert_eq!(outcome.status.code(), Some(3));
    assert!(
        text(&outcome.stderr).contains("missing.raw: No such file"),
        "{}",
        text(&outcome.stderr)
    );
    // A byte in every metadata block, one at a time: never a panic.
    for at in (0..bytes.len().min(4096)).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let path = scratch.join("damaged.raw");
        fs::write(&path, damaged).unwrap();
        let outcome = check(&["--os-release", &host], &[&path]);
        assert!(
            matches!(outcome.status.code(), Some(0 | 1 | 3)),
            "{at}: {outcome:?}"
        );
    }
}

/// A small distribution: libraries and programs that need nothing else, as RPMs, and bases made
/// of them.
struct Distribution {
    scratch: Scratch,
}

impl Distribution {
    fn new() -> Self {
        Self {
            scratch: Scratch::new(),
        }
    }

    fn gcc(&self, arguments: &[&str]) {
        output_of(
            Command::new("gcc")
                .current_dir(self.scratch.path())
                .args(["-nostdlib", "-fPIC", "-O1"])
                .args(arguments),
        );
    }

    /// Makes a library of this soname with a function of this name, and returns its file.
    fn library(&self, soname: &str, function: &str) -> PathBuf {
        let source = format!("{soname}.c");
        fs::write(
            self.scratch.join(&source),
            format!("int {function}(void) {{ return 1; }}\n"),
        )
        .unwrap();
        let option = format!("-Wl,-soname,{soname}");
        self.gcc(&["-shared", &option, "-o", soname, &source]);
        self.scratch.join(soname)
    }

    /// Makes a program that calls functions of libraries, and returns its file.
    fn program(&self, name: &str, libraries: &[(&str, &str)]) -> PathBuf {
        let source = format!("{name}.c");
        let declared: String = (libraries.iter())
            .map(|(_, function)| format!("int {function}(void);\n"))
            .collect();
        let calls: String = (libraries.iter())
            .map(|(_, function)| format!("{function}();"))
            .collect();
        fs::write(
            self.scratch.join(&source),
            format!("{declared}void _start(void) {{ {calls} for (;;); }}\n"),
        )
        .unwrap();
        let mut arguments = vec![
            "-o",
            name,
            &source,
            "-Wl,-dynamic-linker,/lib64/ld-linux-x86-64.so.2",
        ];
        arguments.extend(libraries.iter().map(|(soname, _)| *soname));
        self.gcc(&arguments);
        self.scratch.join(name)
    }

    /// Makes a package of files: the path in the package, and the file.
    fn package(&self, name: &str, version: &str, files: &[(&str, &Path)]) -> PathBuf {
        let top = self.scratch.join("rpmbuild");
        let mut install = String::new();
        let mut listed = String::new();
        for (path, file) in files {
            install += &format!("install -D {} %{{buildroot}}{path}\n", file.display());
            listed += &format!("{path}\n");
        }
        // What glibc's package says of its loader.
        let provides = if name == "system" {
            "Provides: rtld(GNU_HASH)\n"
        } else {
            ""
        };
        let spec = self.scratch.join(&format!("{name}.spec"));
        let text = format!(
            "%global debug_package %{{nil}}\n%global __os_install_post %{{nil}}\n\
             %global _build_id_links none\n\
             Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\n{provides}\
             %description\nx\n%install\n{install}%files\n{listed}"
        );
        fs::write(&spec, text).unwrap();
        output_of(
            Command::new("rpmbuild")
                .args(["-bb", "--target", "x86_64", "--define"])
                .arg(format!("_topdir {}", top.display()))
                .arg(&spec),
        );
        top.join(format!("RPMS/x86_64/{name}-{version}-1.x86_64.rpm"))
    }

    /// Makes the root directory of a base of these files and the package that brings them.
    fn base(&self, version: &str, files: &[(&str, &Path)]) -> PathBuf {
        let root = self.scratch.join(&format!("base-{version}"));
        let package = self.package("system", version, files);
        let database = root.join("usr/lib/sysimage/rpm");
        fs::create_dir_all(&database).unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        for link in ["lib64", "bin"] {
            std::os::unix::fs::symlink(format!("usr/{link}"), root.join(link)).unwrap();
        }
        for (path, file) in files {
            let path = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(file, path).unwrap();
        }
        let os_release = format!("ID=story\nVERSION_ID={version}\nSYSEXT_LEVEL=1\n");
        fs::write(root.join("usr/lib/os-release"), os_release).unwrap();
        for arguments in [
            &["--initdb"][..],
            &["-i", "--justdb", "--nodeps", "--ignorearch"],
        ] {
            let mut rpm = Command::new("rpm");
            rpm.arg("--dbpath").arg(&database).args(arguments);
            if arguments.len() > 1 {
                rpm.arg(&package);
            }
            output_of(&mut rpm);
        }
        root
    }

    fn build(&self, store: &str, base: &Path, matching: &str, package: &Path) -> PathBuf {
        let outcome = program()
            .args([
                "--json",
                "--replace",
                "--image-version",
                "1",
                "--match",
                matching,
                "--base",
            ])
            .arg(base)
            .arg("-o")
            .arg(self.scratch.join(store))
            .arg(package)
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stdout));
        PathBuf::from(answer_of(&outcome)["image"].as_str().unwrap())
    }
}

/// Returns the state of each image of an answer, in its order.
fn states(answer: &Value) -> Vec<&str> {
    let images = answer["images"].as_array().unwrap();
    let state = |image: &'_ Value| image["hosts"][0]["state"].clone();
    images
        .iter()
        .map(|image| match state(image).as_str().unwrap() {
            "works" => "works",
            "merges" => "merges",
            "breaks" if image["hosts"][0]["because"] == json!(["stale: VERSION_ID alone"]) => {
                "stale"
            }
            "breaks" => "breaks",
            _ => "other",
        })
        .collect()
}

#[test(programs!("rpm", "rpmbuild", "gcc"))]
fn an_update_of_the_base_breaks_what_it_breaks_and_nothing_else() {
    let distribution = Distribution::new();
    let loader = distribution.library("ld-linux-x86-64.so.2", "loader");
    let [old, new, other] = [
        distribution.library("libstory.so.1", "tell"),
        distribution.library("libstory.so.2", "tell"),
        distribution.library("libother.so.1", "other"),
    ];
    let story = distribution.program(
        "story",
        &[("libstory.so.1", "tell"), ("libother.so.1", "other")],
    );
    let teller = distribution.program("teller", &[("libstory.so.1", "tell")]);
    let plain = distribution.program("plain", &[("libother.so.1", "other")]);
    let before = distribution.base(
        "1",
        &[
            ("/usr/lib64/ld-linux-x86-64.so.2", &loader),
            ("/usr/lib64/libstory.so.1", &old),
            ("/usr/lib64/libother.so.1", &other),
        ],
    );
    let after = distribution.base(
        "2",
        &[
            ("/usr/lib64/ld-linux-x86-64.so.2", &loader),
            ("/usr/lib64/libstory.so.2", &new),
            ("/usr/lib64/libother.so.1", &other),
        ],
    );
    let quiet = &plain;
    let stories = |version: &str, story: &Path, teller: &Path| {
        let files = [
            ("/usr/bin/story", story),
            ("/usr/bin/teller", teller),
            ("/usr/bin/quiet", quiet.as_path()),
        ];
        distribution.package("stories", version, &files)
    };
    let for_before = stories("1", &story, &teller);
    let needs = [("libstory.so.2", "tell"), ("libother.so.1", "other")];
    let for_after = stories(
        "2",
        &distribution.program("story", &needs),
        &distribution.program("teller", &needs[..1]),
    );
    let plain = distribution.package("plain", "1", &[("/usr/bin/plain", quiet)]);

    for (matching, unbroken) in [("sysext-level", "works"), ("version-id", "stale")] {
        let images = [
            distribution.build(matching, &before, matching, &for_before),
            distribution.build(matching, &before, matching, &plain),
        ];
        let ask = |more: &[&str], base: &Path| {
            let base = base.display().to_string();
            let arguments: Vec<_> = ["--base", &base]
                .into_iter()
                .chain(more.iter().copied())
                .collect();
            check(&arguments, &[&images[0], &images[1]])
        };
        // All is well before the update.
        let outcome = ask(&["--json"], &before);
        assert_eq!(states(&answer_of(&outcome)), ["works", "works"]);
        assert!(outcome.status.success());
        // The level is that of both libraries; the base after the update has not got it.
        let level = answer_of(&ask(&["--json", "--level-from-abi"], &before));
        let libraries = json!({"libother.so.1": [], "libstory.so.1": []});
        assert_eq!(level["level"]["libraries"], libraries);
        let outcome = ask(&["--level-from-abi"], &after);
        assert_eq!(outcome.status.code(), Some(1));
        assert!(text(&outcome.stderr).contains("so the two have no level in common"));

        // After it, the programs that need the old soname are named, and no others.
        let from = before.display().to_string();
        for more in [
            &["--json"][..],
            &["--json", "--from", &from],
            &["--json", "--manifests"],
        ] {
            let outcome = ask(more, &after);
            assert_eq!(outcome.status.code(), Some(1));
            let answer = answer_of(&outcome);
            let broken = &answer["images"][0]["hosts"][0];
            let programs: Vec<_> = broken["breaks"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (one["id"].as_str().unwrap(), one["path"].as_str().unwrap()))
                .collect();
            assert_eq!(
                programs,
                [
                    ("soname-missing", "/usr/bin/story"),
                    ("soname-missing", "/usr/bin/teller")
                ]
            );
            for one in broken["breaks"].as_array().unwrap() {
                assert!(
                    one["missing"]
                        .as_str()
                        .unwrap()
                        .starts_with("libstory.so.1: "),
                    "{one}"
                );
            }
            assert_eq!(answer["images"][1]["hosts"][0]["breaks"], json!([]));
            assert_eq!(states(&answer), ["breaks", unbroken]);
        }
        // What files they have is not in the manifests, so nothing is said of the two together.
        let unjudged = |more: &[&str]| {
            let answer = answer_of(&ask(&[&["--json"], more].concat(), &after));
            let said = text(&ask(more, &after).stdout);
            let note = "not judged together with the others, since their files were not read: \
                        plain, stories";
            (
                answer["together"][0]["unjudged"].clone(),
                said.contains(note),
            )
        };
        assert_eq!(unjudged(&[]), (Value::Null, false));
        assert_eq!(unjudged(&["--manifests", "--each"]), (Value::Null, false));
        assert_eq!(
            unjudged(&["--manifests"]),
            (json!(["plain", "stories"]), true)
        );
        // Without manifests, the images' files say the same.
        for image in &images {
            let manifest = image.with_extension("manifest.gz");
            fs::rename(&manifest, manifest.with_extension("away")).unwrap();
        }
        let bare = answer_of(&ask(&["--json"], &after));
        for image in &images {
            let manifest = image.with_extension("manifest.gz");
            fs::rename(manifest.with_extension("away"), &manifest).unwrap();
        }
        let whole = answer_of(&ask(&["--json"], &after));
        assert_eq!(states(&bare), ["breaks", unbroken]);
        for index in 0..2 {
            let breaks = |answer: &Value| answer["images"][index]["hosts"][0]["breaks"].clone();
            assert_eq!(breaks(&bare), breaks(&whole));
        }
        let said = text(&ask(&[], &after).stdout);
        assert!(said.contains("soname-missing: libstory.so.1: "), "{said}");

        // Building again what it says makes the table green.
        let answer = answer_of(&ask(&["--json"], &after));
        let rebuild = answer["rebuild"].as_array().unwrap();
        assert_eq!(rebuild.len(), if unbroken == "works" { 1 } else { 2 });
        for path in rebuild.iter().filter_map(Value::as_str) {
            let package = if path.contains("/stories-") {
                &for_after
            } else {
                &plain
            };
            distribution.build(matching, &after, matching, package);
        }
        let outcome = ask(&["--json"], &after);
        assert_eq!(states(&answer_of(&outcome)), ["works", "works"]);
        assert!(outcome.status.success());
    }
}

#[test]
fn a_list_is_looked_up_in_repositories() {
    let scratch = Scratch::new();
    build(
        scratch.path(),
        &[fixture("hello-tools-1.1~rc1-2.x86_64.rpm").as_os_str()],
    );
    let image = scratch.join("hello-tools-1.1-A.rc.1-2.x86-64.raw");
    let repository = scratch.join("repository");
    fs::create_dir(&repository).unwrap();
    let library = "hello-library-2.0-3.x86_64.rpm";
    fs::copy(fixture(library), repository.join(library)).unwrap();
    for (name, line) in [
        ("with", "hello-library-2.0-3.x86_64\n"),
        ("partly", "gone-1-1.noarch\n"),
    ] {
        let whole =
            "hello-library-2.0-3.x86_64\n".to_owned() + if name == "with" { "" } else { line };
        fs::write(scratch.join(name), whole).unwrap();
    }
    fs::write(scratch.join("older"), "hello-library-1.0-1.x86_64\n").unwrap();
    let host = os_release("tumbleweed").display().to_string();
    let ask = |base: &str, more: &[&str]| {
        let path = scratch.join(base).display().to_string();
        let arguments = [&["--json", "--base", &path, "--os-release", &host], more].concat();
        answer_of(&check(&arguments, &[&image]))
    };
    let repo = repository.display().to_string();
    let repo = ["--repo", repo.as_str()];
    let on = |answer: &Value| answer["images"][0]["hosts"][0].clone();
    // Without a repository nothing is looked up, and with one that lacks a package not all.
    assert_eq!(on(&ask("with", &[]))["state"], "merges");
    let partly = ask("partly", &repo);
    assert_eq!(
        (&on(&partly)["state"], &partly["hosts"][0]["known"]),
        (&json!("merges"), &json!("names"))
    );
    // The C library is in none of it, and that is seen now.
    let whole = ask("with", &repo);
    assert_eq!(whole["hosts"][0]["known"], "provides");
    assert_eq!(on(&whole)["state"], "breaks", "{whole}");
    let missing = on(&whole)["findings"].to_string();
    assert!(
        missing.contains("libc.so.6") && !missing.contains("libhello"),
        "{missing}"
    );
    // What another build says of a package is known less well than what its own does.
    let allow = [
        "--allow",
        "soname-missing",
        "--allow",
        "interpreter-missing",
        "--allow",
    ];
    let allow = [&repo[..], &allow, &["unmet-requirement"]].concat();
    assert_eq!(on(&ask("with", &allow))["state"], "works");
    assert_eq!(on(&ask("older", &allow))["evidence"]["known"], "names");
    let assume = [&allow[..], &["--assume-next-build"]].concat();
    let assumed = on(&ask("older", &assume));
    let stands = "hello-library-1.0-1.x86_64 (from hello-library-2.0-3.x86_64)";
    assert_eq!(
        (&assumed["state"], &assumed["passes"], &assumed["evidence"]),
        (
            &json!("merges"),
            &json!(true),
            &json!({"known": "assumed", "unchecked": [], "assumed": [stands]})
        )
    );
    let strict = on(&ask("older", &[&assume[..], &["--strict"]].concat()));
    assert_eq!(
        (&strict["state"], &strict["passes"]),
        (&json!("merges"), &json!(false))
    );
    // What was so before an update is no news; a list is a base before it, too.
    let from = scratch.join("with").display().to_string();
    let before = [&repo[..], &["--from", &from, "--from-os-release", &host]].concat();
    let answer = ask("with", &before);
    assert_eq!(on(&answer)["state"], "works");
    // But it is said.
    assert_eq!(on(&answer)["as_before"], on(&whole)["findings"]);
    let outcome = check(
        &[&["--base", &from, "--os-release", &host], &before[..]].concat(),
        &[&image],
    );
    let said = text(&outcome.stdout);
    let note = format!(
        "{}: what was wrong before the update, too, is not counted",
        image.display()
    );
    assert!(outcome.status.success() && said.contains(&note), "{said}");
    let outcome = check(
        &["--base", &from, "--os-release", &host, "--from", &from],
        &[&image],
    );
    assert_eq!(outcome.status.code(), Some(2));
    let said = text(&outcome.stderr);
    assert!(said.contains("--from-os-release FILE"), "{said}");
}
