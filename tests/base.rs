//! A base whose packages are known: what it must provide, and what it has already.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::workshop::{
    PACKAGERS, Scratch, fixture, json, os_release, output_of, packaged, program, text,
};

/// Makes the root directory of a base with these packages in the database of the real `rpm`.
pub fn base(scratch: &Scratch, packages: &[&str]) -> PathBuf {
    let root = scratch.join("base");
    let database = root.join("usr/lib/sysimage/rpm");
    fs::create_dir_all(&database).unwrap();
    fs::copy(os_release("tumbleweed"), root.join("usr/lib/os-release")).unwrap();
    let rpm = || {
        let mut rpm = Command::new("rpm");
        rpm.arg("--dbpath").arg(&database);
        rpm
    };
    output_of(rpm().arg("--initdb"));
    if !packages.is_empty() {
        // A name with a slash is a package that the test has made itself.
        let files = packages.iter().map(|name| match name.contains('/') {
            true => PathBuf::from(name),
            false => fixture(name),
        });
        output_of(
            rpm()
                .args(["-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"])
                .args(files),
        );
    }
    root
}

/// Makes a package that provides what every system has.
pub fn system_package(scratch: &Scratch) -> String {
    let provides = ["libc.so.6()(64bit)", "libc.so.6(GLIBC_2.2.5)(64bit)"]
        .into_iter()
        .chain(["libc.so.6(GLIBC_2.34)(64bit)", "rtld(GNU_HASH)", "/bin/sh"])
        .map(|capability| format!("Provides: {capability}\n"))
        .collect::<String>();
    let text = format!(
        "Name: system\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         {provides}%description\nx\n%files\n"
    );
    packaged(scratch, "system", &text).display().to_string()
}

#[test(PACKAGERS)]
fn what_a_package_requires_is_chosen_from_a_repository() {
    let scratch = Scratch::new();
    let root = base(&scratch, &[&system_package(&scratch)]);
    let repo = scratch.join("repo");
    fs::create_dir(&repo).unwrap();
    for name in [TOOLS, LIBRARY, "clash-one-1-1.noarch.rpm"] {
        fs::copy(fixture(name), repo.join(name)).unwrap();
    }
    let run = |wanted: &str, more: &[&str]| {
        program()
            .arg("--base")
            .arg(&root)
            .arg("--repo")
            .arg(&repo)
            .arg("-o")
            .arg(scratch.join("store"))
            .args(["--arch", "x86_64"])
            .args(more)
            .arg(wanted)
            .output()
            .unwrap()
    };
    let by_file = fixture(TOOLS).display().to_string();
    for wanted in ["hello-tools", "hello-tools.x86_64", &by_file] {
        let outcome = run(wanted, &[]);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{wanted}: {said}");
        let reason = "resolve   hello-library-2.0-3.x86_64  (";
        assert!(said.contains(reason), "{wanted}: {said}");
        assert!(
            said.contains(" needed by hello-tools-1.1~rc1-2.x86_64)"),
            "{said}"
        );
        assert!(
            scratch
                .join("store/hello-tools-1.1-A.rc.1-2.x86-64.raw")
                .exists()
        );
    }
    let plan = json(&run("hello-tools", &["--dry-run", "--json"]));
    let chosen = ["hello-tools-1.1~rc1-2.x86_64", "hello-library-2.0-3.x86_64"];
    assert_eq!(plan["packages"], serde_json::json!(chosen));

    for (wanted, reason) in [
        ("nosuch", "nothing provides requested nosuch"),
        ("system", "system-1-1.noarch is already in the base"),
    ] {
        let outcome = run(wanted, &[]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    // Without the library on offer, the reason names it.
    fs::remove_file(repo.join(LIBRARY)).unwrap();
    let outcome = run("hello-tools", &[]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("needed by hello-tools-1.1~rc1-2.x86_64"),
        "{said}"
    );
}

fn build(scratch: &Scratch, base: &PathBuf, arguments: &[&str], rpm: &str) -> Output {
    program()
        .arg("--base")
        .arg(base)
        .arg("-o")
        .arg(scratch.join("store"))
        .args(arguments)
        .arg(fixture(rpm))
        .output()
        .unwrap()
}

pub const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";
pub const LIBRARY: &str = "hello-library-2.0-3.x86_64.rpm";

#[test(program("rpm"))]
fn what_nothing_provides_stops_the_build() {
    let need = "nothing provides libhello.so.2()(64bit) needed by hello-tools-1.1~rc1-2.x86_64";
    for (packages, missing) in [(&["outside-1-1.noarch.rpm"][..], true), (&[LIBRARY], false)] {
        let scratch = Scratch::new();
        let root = base(&scratch, packages);
        let outcome = build(&scratch, &root, &[], TOOLS);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert_eq!(said.contains(need), missing, "{said}");
        // The base has no C library.
        assert!(said.contains("nothing provides libc.so.6("), "{said}");
        assert!(said.contains("--allow unmet-requirement"), "{said}");
        assert!(!scratch.join("store").exists());
        // What packages require is one thing, what their files need another.
        let outcome = build(&scratch, &root, &["--allow", "unmet-requirement"], TOOLS);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        let need = "soname-missing: libc.so.6: cannot open shared object file (required by \
                    /usr/bin/hello-tool)";
        assert!(said.contains(need), "{said}");
        assert!(!scratch.join("store").exists());
        let allow = ["unmet-requirement", "soname-missing", "interpreter-missing"];
        let allow = allow.map(|id| format!("--allow={id}"));
        let outcome = build(
            &scratch,
            &root,
            &allow.each_ref().map(String::as_str),
            TOOLS,
        );
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
}

#[test(program("rpm"))]
fn what_the_base_has_already_is_said() {
    let scratch = Scratch::new();
    let root = base(&scratch, &[LIBRARY]);
    let outcome = build(&scratch, &root, &["--allow", "unmet-requirement"], LIBRARY);
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    assert!(
        said.contains("hello-library-2.0-3.x86_64 is already in the base"),
        "{said}"
    );
    assert!(said.contains(", 1 package\n"), "{said}");
}

#[test(program("rpm"))]
fn a_base_without_a_database_is_refused() {
    let scratch = Scratch::new();
    let root = base(&scratch, &[]);
    let outcome = build(&scratch, &root, &[], LIBRARY);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(text(&outcome.stderr).contains("has no RPM database"));
}

#[test(programs!("rpm", "gzip"))]
fn a_base_is_told_by_looking_at_it() {
    let scratch = Scratch::new();
    let root = base(&scratch, &[LIBRARY, "outside-1-1.noarch.rpm"]);
    let database = root.join("usr/lib/sysimage/rpm");
    let write = |name: &str, contents: &[u8]| {
        let path = scratch.join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let list = write(
        "rpm-qa",
        b"hello-library-2.0-3.x86_64\noutside-1-1.noarch\n",
    );
    let manifest = "{\"manifest_version\": 1, \"config\": {\"distribution\": \"fedora\", \
                    \"release\": \"42\"}, \"packages\": [{\"type\": \"rpm\", \
                    \"name\": \"hello-library\", \"version\": \"2.0-3\", \"architecture\": \"x86_64\"}]}";
    let manifest = write("os.manifest", manifest.as_bytes());
    let compressed = scratch.join("os.manifest.gz");
    let gzip = Command::new("gzip").arg("-c").arg(&manifest).output();
    fs::write(&compressed, gzip.unwrap().stdout).unwrap();
    let kiwi = write(
        "os.packages",
        b"hello-library|(none)|2.0|3|x86_64|obs://x|MIT\noutside|(none)|1|1|noarch|obs://x|MIT\n",
    );
    let host = os_release("tumbleweed");
    let given = ["--os-release", host.to_str().unwrap()];
    let any = ["--match", "any", "--allow", "unchecked-base"];
    let plan = |base: &PathBuf, more: &[&str]| {
        let mut plan = program();
        plan.arg("--dry-run").arg("--base").arg(base).args(more);
        plan.args(["--allow", "unmet-requirement"]);
        if *base == kiwi {
            plan.args(["--allow", "unchecked-base"]);
        }
        plan.arg(fixture(TOOLS)).output().unwrap()
    };
    for (base, more, title) in [
        (
            &root,
            &[][..],
            ": openSUSE Tumbleweed 20260304, 2 packages\n",
        ),
        (
            &database,
            &given,
            ": openSUSE Tumbleweed 20260304, 2 packages\n",
        ),
        (
            &database.join("rpmdb.sqlite"),
            &given,
            ": openSUSE Tumbleweed 20260304, 2 packages\n",
        ),
        (
            &list,
            &given,
            ": openSUSE Tumbleweed 20260304, 2 packages by name\n",
        ),
        (&kiwi, &any, ": 2 packages by name\n"),
        (&manifest, &[], ": fedora 42, 1 package by name\n"),
        (&compressed, &[], ": fedora 42, 1 package by name\n"),
    ] {
        let outcome = plan(base, more);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{}: {said}", base.display());
        let title = format!("base      {}{title}", base.display());
        assert!(said.starts_with(&title), "{title}{said}");
        let by_name = ": only the names of the base's packages are known";
        let line = said.lines().find(|line| line.ends_with(by_name));
        let word = line.and_then(|line| line.split_whitespace().next());
        let expected = match *base == kiwi {
            true => "allowed",
            false => "note",
        };
        assert_eq!(
            word,
            title.contains(" by name").then_some(expected),
            "{said}"
        );
    }
    // 100 MB of zeros, and what else is none.
    let bomb = scratch.join("bomb.gz");
    let zeros = "head -c 100M /dev/zero | gzip -1 > \"$0\"";
    output_of(Command::new("sh").args(["-c", zeros]).arg(&bomb));
    let package = fixture(LIBRARY);
    let empty = scratch.join("empty");
    fs::create_dir(&empty).unwrap();
    let mut berkeley = vec![0; 4096];
    berkeley[12..16].copy_from_slice(&0x0006_1561_u32.to_le_bytes());
    for (base, code, problem) in [
        (&list, 2, "rpm-qa: can't tell which system this is"),
        (&database, 2, "rpm: can't tell which system this is"),
        (&scratch.join("nosuch"), 3, "nosuch: No such file"),
        (&bomb, 1, "bomb.gz is larger than 16 MiB"),
        (&package, 1, "hello-library-2.0-3.x86_64.rpm is not a base"),
        (&empty, 1, "empty is not a base"),
        (&write("image", b"hsqs"), 1, "image is not a base"),
        (
            &write("binary", &[0, 159, 146, 150]),
            1,
            "binary is not a base",
        ),
        (
            &os_release("tumbleweed"),
            1,
            "is an os-release file, which does not say what is installed\nhint: to use only its \
             os-release file: --os-release FILE",
        ),
        (
            &write("words", b"hello\n"),
            1,
            "words: line 1: it is not name-version-release.arch",
        ),
        (
            &write("json", b"{\"a\": 1}"),
            1,
            "json: it is not mkosi's manifest: it has no manifest_version",
        ),
        (
            &write("Packages", &berkeley),
            1,
            "it is a Berkeley DB; convert it",
        ),
    ] {
        let outcome = plan(base, &[]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert!(said.contains(problem), "{said}");
        assert!(outcome.stdout.is_empty());
        if problem.ends_with("is not a base") {
            assert!(
                said.contains("hint: a base is a root directory, an RPM database"),
                "{said}"
            );
        }
    }
}

/// RPM tells more architectures apart than systemd: the one that was typed decides what is chosen.
#[test(program("rpmbuild"))]
fn an_architecture_of_rpm_means_itself() {
    let scratch = Scratch::new();
    let spec = scratch.join("tool.spec");
    let content = "Name: tool\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\n\
                   %description\nx\n%install\ninstall -D /dev/null %{buildroot}/usr/share/x\n\
                   %files\n/usr/share/x\n";
    fs::write(&spec, content).unwrap();
    for arch in ["armv6hl", "armv7hl", "i586", "x86_64", "x86_64_v2"] {
        let repo = scratch.join("repo");
        output_of(
            Command::new("rpmbuild")
                .args(["-bb", "--target", arch, "--define"])
                .arg(format!("_topdir {}", scratch.join("build").display()))
                .arg("--define")
                .arg(format!("_rpmdir {}", repo.display()))
                .args(["--define", "_build_name_fmt %%{NAME}.%%{ARCH}.rpm"])
                .arg(&spec),
        );
    }
    let list = scratch.join("list");
    fs::write(&list, "system-1-1.noarch\n").unwrap();
    for (typed, chosen, image) in [
        ("arm", Some("armv7hl"), "arm"),
        ("armv7hl", Some("armv7hl"), "arm"),
        ("armv6hl", Some("armv6hl"), "arm"),
        ("x86-64", Some("x86_64"), "x86-64"),
        ("x86_64_v2", Some("x86_64_v2"), "x86-64"),
        ("x86_64_v3", Some("x86_64_v2"), "x86-64"),
        ("i686", Some("i586"), "x86"),
        ("armv7l", None, ""),
        ("aarch64", None, ""),
    ] {
        let outcome = program()
            .args([
                "--dry-run",
                "--json",
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--base",
            ])
            .arg(&list)
            .args(["--os-release", os_release("tumbleweed").to_str().unwrap()])
            .args(["--arch", typed, "--repo"])
            .arg(scratch.join("repo"))
            .arg("tool")
            .output()
            .unwrap();
        let said = text(&outcome.stdout);
        assert_eq!(
            outcome.status.success(),
            chosen.is_some(),
            "{typed}: {said}"
        );
        if let Some(chosen) = chosen {
            let plan = json(&outcome);
            let expected = serde_json::json!([format!("tool-1-1.{chosen}")]);
            assert_eq!(
                (&plan["packages"], plan["architecture"].as_str()),
                (&expected, Some(image)),
                "{typed}"
            );
        }
    }
}

#[test(program("rpmbuild"))]
fn a_base_by_name_has_what_repositories_say() {
    let scratch = Scratch::new();
    let repo = scratch.join("repo");
    fs::create_dir(&repo).unwrap();
    for name in [TOOLS, LIBRARY] {
        fs::copy(fixture(name), repo.join(name)).unwrap();
    }
    let system = system_package(&scratch);
    fs::copy(&system, repo.join("system.rpm")).unwrap();
    let list = scratch.join("list");
    let run = |packages: &str, base: &[&str]| {
        fs::write(&list, packages).unwrap();
        let mut build = program();
        build.args(["--os-release", os_release("tumbleweed").to_str().unwrap()]);
        build
            .args(["--dry-run", "--json", "--arch", "x86_64"])
            .args(base);
        build
            .arg("--repo")
            .arg(&repo)
            .arg("hello-tools")
            .output()
            .unwrap()
    };
    let by_list = ["--base", list.to_str().unwrap()];
    let both = ["hello-tools-1.1~rc1-2.x86_64", "hello-library-2.0-3.x86_64"];
    let unknown = "no repository has 1 of the base's 2 packages, so what they provide is not \
                   known, and whether programs find their libraries is not checked: \
                   other-1-1.noarch";
    for (packages, base, chosen, finding) in [
        ("system-1-1.noarch", &by_list[..], &both[..], None),
        (
            "system-1-1.noarch\nother-1-1.noarch",
            &by_list,
            &both,
            Some(unknown),
        ),
        (
            "system-1-1.noarch\nhello-library-2.0-3.x86_64",
            &by_list,
            &both[..1],
            None,
        ),
        ("", &["--base-install", "system"], &both, None),
        (
            "",
            &["--base-install", "system,hello-library"],
            &both[..1],
            None,
        ),
    ] {
        let outcome = run(packages, base);
        assert!(
            outcome.status.success(),
            "{packages}: {}",
            text(&outcome.stdout)
        );
        let plan = json(&outcome);
        assert_eq!(
            plan["packages"],
            serde_json::json!(chosen),
            "{packages} {base:?}"
        );
        assert!(plan["relies_on"][0]["nevra"].is_string());
        let findings = plan["findings"].as_array().unwrap().iter();
        let found = findings
            .clone()
            .find(|finding| finding["id"] == "unknown-in-base");
        assert_eq!(
            found.map(|finding| finding["text"].as_str().unwrap()),
            finding
        );
    }
    for (packages, base, problem) in [
        // Of another version than the one that is installed.
        (
            "system-1-1.noarch\nhello-library-1.0-1.x86_64",
            &by_list[..],
            "no repository has these builds of the base's packages",
        ),
        (
            "",
            &["--base-install", "nosuch"],
            "--base-install: nothing provides requested nosuch",
        ),
    ] {
        let outcome = run(packages, base);
        let said = text(&outcome.stdout);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(problem), "{said}");
    }
}

#[test(program("rpmbuild"))]
fn the_next_build_stands_for_one_that_no_repository_has() {
    let scratch = Scratch::new();
    let repo = scratch.join("repo");
    fs::create_dir(&repo).unwrap();
    for name in [TOOLS, LIBRARY] {
        fs::copy(fixture(name), repo.join(name)).unwrap();
    }
    let list = scratch.join("list");
    let system = system_package(&scratch);
    fs::copy(&system, repo.join("system.rpm")).unwrap();
    fs::write(&list, "system-1-1.noarch\nhello-library-1.0-1.x86_64").unwrap();
    let recipe = scratch.join("tools.toml");
    let written = format!(
        "packages = [\"hello-tools\"]\nrepositories = [{:?}]\nbase = {:?}\nassume-next-build = true\n",
        repo, list
    );
    fs::write(&recipe, written).unwrap();
    let run = |input: &Path, more: &[&str]| {
        let mut build = program();
        build.args(["--os-release", os_release("tumbleweed").to_str().unwrap()]);
        build.args(["--arch", "x86_64"]).args(more).arg(input);
        build.arg("-o").arg(scratch.join("store"));
        build.output().unwrap()
    };
    let (base, repo) = (list.to_str().unwrap(), repo.to_str().unwrap());
    let typed = ["--base", base, "--repo", repo];
    let refused = run(Path::new("hello-tools"), &typed);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let hint = "hint: --assume-next-build takes what the next build of the same name provides";
    assert!(said.contains(hint), "{said}");
    let assumed = "assumed-in-base: what 1 of the base's 2 packages provide is assumed from other \
                   builds of them: hello-library-1.0-1.x86_64 (from hello-library-2.0-3.x86_64)";
    let strict = [&typed[..], &["--assume-next-build", "--strict"]].concat();
    let strict = run(Path::new("hello-tools"), &strict);
    assert_eq!(strict.status.code(), Some(1));
    assert!(
        text(&strict.stderr).contains(assumed),
        "{}",
        text(&strict.stderr)
    );
    assert!(!scratch.join("store").exists());
    let outcome = run(&recipe, &[]);
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    assert!(said.contains(assumed), "{said}");
    assert!(!said.contains("unknown-in-base"), "{said}");
    let manifest = scratch.join("store/hello-tools-1.1-A.rc.1-2.x86-64.manifest.gz");
    let manifest = output_of(Command::new("gzip").arg("-dc").arg(manifest));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["known"], "assumed", "{manifest}");
    let kept = manifest["findings"]["assumed-in-base"].to_string();
    assert!(kept.contains("from hello-library-2.0-3.x86_64"), "{kept}");
}

#[test]
fn a_base_to_be_installed_needs_a_repository() {
    let outcome = program()
        .args(["--base-install", "system", "x.rpm"])
        .output();
    let outcome = outcome.unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    assert!(text(&outcome.stderr).contains("--base-install needs a repository"));
}

#[test(program("rpm"))]
fn owners_with_fixed_numbers_are_kept() {
    let scratch = Scratch::new();
    let root = base(&scratch, &[LIBRARY]);
    let snippets = root.join("usr/lib/sysusers.d");
    fs::create_dir(&snippets).unwrap();
    for (number, more, line) in [
        ("5", &[][..], "/usr/bin/hello-setgid f 2755 0:5 "),
        ("-", &[], "/usr/bin/hello-setgid f 0755 0:0 "),
        (
            "5",
            &["--match", "any", "--allow", "unchecked-base"],
            "/usr/bin/hello-setgid f 0755 0:0 ",
        ),
    ] {
        fs::write(snippets.join("basic.conf"), format!("g tty {number} -\n")).unwrap();
        let mut arguments = vec!["--dry-run", "--json", "--allow", "unmet-requirement"];
        arguments.extend(more);
        let plan = json(&build(&scratch, &root, &arguments, TOOLS));
        let tree = plan["tree"].as_array().unwrap().iter();
        let mut lines = tree.map(|line| line.as_str().unwrap());
        assert!(lines.any(|found| found.starts_with(line)), "{line}");
        let changed = plan["changed"].as_array().unwrap().iter();
        let mut changed = changed.filter(|change| change["rule"] == "owner-to-root");
        let is_changed = changed.any(|change| change["path"] == "/usr/bin/hello-setgid");
        assert_eq!(is_changed, line.contains("0755"));
    }
}

#[test]
fn an_image_is_for_the_architecture_of_its_base() {
    let scratch = Scratch::new();
    let list = |arch: &str| {
        let list = scratch.join(arch);
        fs::write(&list, format!("system-1-1.{arch}\nbasics-1-1.noarch\n")).unwrap();
        list
    };
    for (arch, rpm, more, architecture) in [
        ("aarch64", "payload-zstd-1-1.noarch.rpm", "", Ok("arm64")),
        ("armv7hl", "payload-zstd-1-1.noarch.rpm", "", Ok("arm")),
        ("x86_64", "hello-sysext-1.0-1.x86_64.rpm", "", Ok("x86-64")),
        (
            "aarch64",
            "hello-sysext-1.0-1.x86_64.rpm",
            "",
            Err("architecture: hello-sysext-1.0-1.x86_64 is not built for arm64"),
        ),
        (
            "aarch64",
            "hello-sysext-1.0-1.x86_64.rpm",
            "--arch x86-64",
            Err(
                "architecture: the base is for arm64, so systemd ignores an image for x86-64 there",
            ),
        ),
        (
            "i686",
            "hello-sysext-1.0-1.x86_64.rpm",
            "",
            Err("architecture: hello-sysext-1.0-1.x86_64 is not built for x86"),
        ),
        // What a system of one name in systemd takes is its user's to say.
        (
            "x86_64",
            "hello-sysext-1.0-1.x86_64.rpm",
            "--arch x86_64_v2",
            Ok("x86-64"),
        ),
    ] {
        let outcome = program()
            .args(["--dry-run", "--json", "--os-release"])
            .arg(os_release("tumbleweed"))
            .arg("--base")
            .arg(list(arch))
            .args(more.split_whitespace())
            .arg(fixture(rpm))
            .output()
            .unwrap();
        let answer = json(&outcome);
        match architecture {
            Ok(architecture) => {
                assert_eq!(
                    answer["architecture"], architecture,
                    "{arch} {rpm}: {answer}"
                );
                let findings = answer["findings"].as_array().unwrap();
                let is_assumed = findings.iter().any(|one| one["id"] == "any-architecture");
                assert!(!is_assumed, "{answer}");
            }
            Err(problem) => {
                let error = answer["error"].as_str().unwrap();
                assert!(error.contains(problem), "{arch} {rpm}: {error}");
            }
        }
    }
    // An image for another architecture is judged as the base's systemd does.
    let image = build_for_check(&scratch);
    for (arch, state) in [("x86_64", "merges"), ("aarch64", "breaks")] {
        let outcome = program()
            .args(["check", "--json", "--os-release"])
            .arg(os_release("tumbleweed"))
            .arg("--base")
            .arg(list(arch))
            .arg(&image)
            .output()
            .unwrap();
        let answer = json(&outcome);
        assert_eq!(answer["images"][0]["hosts"][0]["state"], state, "{answer}");
    }
}

fn build_for_check(scratch: &Scratch) -> PathBuf {
    let outcome = program()
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(scratch.join("store"))
        .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    scratch.join("store/hello-sysext-1.0-1.x86-64.raw")
}
