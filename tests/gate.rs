//! `store gate` and `gate`: an update of the OS, from the store's side and from the host's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::server::{Fault, Server};
use crate::workshop::{Scratch, fixture, json as answer_of, output_of, program, sha256sum, text};

const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
const OLD: &str = "story 1 SYSEXT_LEVEL=1 x86-64";

/// A store of three extensions, two versions each, and the systems that it is for.
struct Story {
    scratch: Scratch,
}

impl Story {
    fn new() -> Self {
        let story = Self {
            scratch: Scratch::new(),
        };
        story.base("old", "VERSION_ID=1", "libstory.so.1()(64bit)");
        for version in ["1", "2"] {
            story.build("old", "plain", version, "", "any");
            story.build(
                "old",
                "teller",
                version,
                "libstory.so.1()(64bit)",
                "sysext-level",
            );
            story.build("old", "dated", version, "", "version-id");
        }
        story
    }

    /// Makes a package that is a file, and what it requires or provides.
    fn package(&self, name: &str, version: &str, line: &str) -> PathBuf {
        let spec = self.scratch.join(&format!("{name}.spec"));
        let body = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\n\
             BuildArch: noarch\n{line}\n%description\nx\n%install\n\
             mkdir -p %{{buildroot}}/usr/share\necho {version} > %{{buildroot}}/usr/share/{name}\n\
             %files\n/usr/share/{name}\n"
        );
        fs::write(&spec, body).unwrap();
        let top = self.scratch.join("rpmbuild");
        output_of(
            Command::new("rpmbuild")
                .args(["-bb", "--define"])
                .arg(format!("_topdir {}", top.display()))
                .arg(&spec),
        );
        top.join(format!("RPMS/noarch/{name}-{version}-1.noarch.rpm"))
    }

    /// Makes an RPM database of one package, and an os-release file beside it.
    fn base(&self, name: &str, os_release: &str, provides: &str) {
        let package = self.package("system", "1", &format!("Provides: {provides}"));
        let database = self.scratch.join(name);
        fs::create_dir_all(&database).unwrap();
        output_of(
            Command::new("rpm")
                .arg("--dbpath")
                .arg(&database)
                .args(["-i", "--justdb", "--nodeps"])
                .arg(package),
        );
        fs::write(
            self.scratch.join(&format!("{name}.os-release")),
            format!("ID=story\n{os_release}\nSYSEXT_LEVEL=1\nARCHITECTURE=x86-64\n"),
        )
        .unwrap();
    }

    fn build(&self, base: &str, name: &str, version: &str, requires: &str, matching: &str) {
        let line = match requires {
            "" => String::new(),
            requires => format!("Requires: {requires}"),
        };
        let package = self.package(name, version, &line);
        let outcome = program()
            .current_dir(self.scratch.path())
            .args(["-q", "-o", "store", "--match", matching, "--base", base])
            .args(["--os-release", &format!("{base}.os-release")])
            .arg(package)
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }

    /// Asks on the store's side.
    fn gate(&self, new: &str, more: &[&str]) -> Output {
        program()
            .current_dir(self.scratch.path())
            .args(["store", "gate", "store", "--base", new, "--os-release"])
            .arg(format!("{new}.os-release"))
            .args(more)
            .output()
            .unwrap()
    }

    /// Asks on the host's side.
    fn ask(&self, new: &str, more: &[&str]) -> Output {
        program()
            .current_dir(self.scratch.path())
            .args(["gate", "store", "--arch", "x86-64", "--os-release"])
            .arg(format!("{new}.os-release"))
            .args(more)
            .output()
            .unwrap()
    }
}

const FROM: [&str; 4] = ["--from", "old", "--from-os-release", "old.os-release"];

/// What becomes of each extension, by an answer.
fn fates(answer: &Value) -> Vec<String> {
    let extensions = answer["extensions"].as_array().unwrap().iter();
    let fate = |extension: &Value| {
        let on = &extension["on"][0];
        let name = |value: &Value| value["image"].as_str().unwrap_or("none").to_owned();
        format!(
            "{} {} {} {}",
            extension["name"].as_str().unwrap(),
            on["fate"].as_str().unwrap(),
            name(&on["running"]),
            name(&on["next"]),
        )
    };
    extensions.map(fate).collect()
}

/// Makes a package of a kernel, or of a module for one.
fn of_kernel(scratch: &Scratch, name: &str, file: &str) -> PathBuf {
    let spec = scratch.join(&format!("{name}.spec"));
    let body = format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         %description\nx\n%install\ninstall -D /dev/null %{{buildroot}}/usr/lib/modules/{file}\n\
         %files\n/usr/lib/modules/{file}\n"
    );
    fs::write(&spec, body).unwrap();
    let top = scratch.join("rpmbuild");
    let mut rpmbuild = Command::new("rpmbuild");
    let top_directory = format!("_topdir {}", top.display());
    output_of(
        rpmbuild
            .args(["-bb", "--define", &top_directory])
            .arg(&spec),
    );
    top.join(format!("RPMS/noarch/{name}-1-1.noarch.rpm"))
}

#[test(programs!("rpm", "rpmbuild"))]
fn an_update_that_drops_a_kernel() {
    let scratch = Scratch::new();
    for kernel in ["6.1-1", "6.1-2"] {
        let package = of_kernel(
            &scratch,
            &format!("kernel-{kernel}"),
            &format!("{kernel}/vmlinuz"),
        );
        let base = scratch.join(kernel);
        fs::create_dir(&base).unwrap();
        let mut rpm = Command::new("rpm");
        let rpm = rpm.arg("--dbpath").arg(&base);
        output_of(rpm.args(["-i", "--justdb", "--nodeps"]).arg(package));
        let keys = "ID=story\nVERSION_ID=1\nARCHITECTURE=x86-64\n";
        fs::write(scratch.join(&format!("{kernel}.os-release")), keys).unwrap();
    }
    let module = of_kernel(&scratch, "pool", "6.1-1/extra/pool.ko.xz");
    let run = |arguments: &[&str]| {
        let mut program = program();
        let outcome = program.current_dir(scratch.path()).args(arguments);
        outcome.output().unwrap()
    };
    let os_release = ["--base", "6.1-1", "--os-release", "6.1-1.os-release"];
    let built = program()
        .current_dir(scratch.path())
        .args(["-q", "-o", "store"])
        .args(os_release)
        .arg(&module)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", text(&built.stderr));
    let gate = |base: &str| {
        run(&[
            "store",
            "gate",
            "store",
            "--manifests",
            "--json",
            "--base",
            base,
            "--os-release",
            &format!("{base}.os-release"),
        ])
    };
    let kept = gate("6.1-1");
    assert_eq!(kept.status.code(), Some(0), "{}", text(&kept.stderr));
    let lost = gate("6.1-2");
    assert_eq!(lost.status.code(), Some(1), "{}", text(&lost.stderr));
    let newest = &answer_of(&lost)["extensions"][0]["on"][0]["newest"];
    assert_eq!(
        newest["because"],
        json!([
            "no-kernel: /usr/lib/modules/6.1-1 has 1 module for kernel 6.1-1, and the base has \
             only 6.1-2"
        ])
    );
}

#[test(programs!("rpm", "rpmbuild"))]
fn what_an_update_costs_is_said_before_it() {
    let story = Story::new();
    story.base("same", "VERSION_ID=1", "libstory.so.1()(64bit)");
    story.base("drops", "VERSION_ID=1", "libstory.so.2()(64bit)");
    story.base("bumps", "VERSION_ID=2", "libstory.so.1()(64bit)");
    let image = |name: &str| format!("{name}-2-1.x86-64.raw");
    let kept = |name: &str| format!("{name} kept {0} {0}", image(name));
    let lost = |name: &str| format!("{name} lost {} none", image(name));
    for (new, expected, rebuild) in [
        (
            "same",
            [kept("dated"), kept("plain"), kept("teller")],
            json!([]),
        ),
        (
            "drops",
            [kept("dated"), kept("plain"), lost("teller")],
            json!(["teller"]),
        ),
        (
            "bumps",
            [lost("dated"), kept("plain"), kept("teller")],
            json!(["dated"]),
        ),
    ] {
        for manifests in [&[][..], &["--manifests"]] {
            let more = [&FROM[..], &["--json"], manifests].concat();
            let outcome = story.gate(new, &more);
            let answer = answer_of(&outcome);
            assert_eq!(fates(&answer), expected, "{new}: {answer}");
            assert_eq!(answer["rebuild"], rebuild, "{new}");
            let code = i32::from(rebuild != json!([]));
            assert_eq!(outcome.status.code(), Some(code), "{new}");
        }
    }
    let said = text(&story.gate("drops", &FROM).stdout);
    let expected = "teller on story 1 SYSEXT_LEVEL=1 x86-64: teller-2-1.x86-64.raw breaks:\n\
                    \x20 unmet-requirement: nothing provides libstory.so.1()(64bit) needed by teller\n\
                    \n\
                    extension  story 1 SYSEXT_LEVEL=1 x86-64\n\
                    dated      kept: dated-2-1.x86-64.raw works\n\
                    plain      kept: plain-2-1.x86-64.raw works\n\
                    teller     lost\n\
                    \n\
                    clients would lose 1 extension; to be built again: teller\n";
    assert_eq!(said, expected);
    // Without the system before, it counts whether there is an image for the new one.
    let answer = answer_of(&story.gate("bumps", &["--json"]));
    assert_eq!(
        fates(&answer),
        [
            "dated lost none none",
            "plain offered none plain-2-1.x86-64.raw",
            "teller offered none teller-2-1.x86-64.raw"
        ]
    );
    let verdict = &answer["extensions"][0]["on"][0]["newest"];
    assert_eq!(verdict["image"], "dated-2-1.x86-64.raw");
    assert!(
        verdict["because"][0]
            .as_str()
            .unwrap()
            .contains("VERSION_ID"),
        "{verdict}"
    );
    // Once it was built for the new one, nobody loses it.
    story.build("bumps", "dated", "3", "", "version-id");
    let outcome = story.gate("bumps", &[&FROM[..], &["--json"]].concat());
    let replaced = "dated replaced dated-2-1.x86-64.raw dated-3-1.x86-64.raw";
    assert_eq!(fates(&answer_of(&outcome))[0], replaced);
    assert!(outcome.status.success());
    // A base by its os-release alone carries no "works".
    fs::write(story.scratch.join("list"), "other-1-1.noarch\n").unwrap();
    fs::copy(
        story.scratch.join("old.os-release"),
        story.scratch.join("list.os-release"),
    )
    .unwrap();
    let answer = answer_of(&story.gate("list", &["--json"]));
    assert_eq!(answer["bases"][0]["known"], "names");
    assert_eq!(answer["extensions"][2]["on"][0]["next"]["word"], "merges");
    assert_eq!(story.gate("list", &["--strict"]).status.code(), Some(1));
}

/// For each update: the exit code, what is said, and all of `compat.json`.
#[test(programs!("rpm", "rpmbuild"))]
fn what_three_updates_leave_in_a_store() {
    let story = Story::new();
    story.base("same", "VERSION_ID=1", "libstory.so.1()(64bit)");
    story.base("drops", "VERSION_ID=1", "libstory.so.2()(64bit)");
    story.base("bumps", "VERSION_ID=2", "libstory.so.1()(64bit)");
    let unmet = "unmet-requirement: nothing provides libstory.so.1()(64bit) needed by teller";
    let stale = "not-merged: ignored by systemd-252, systemd-254, systemd-257, systemd-262: \
                 VERSION_ID: image 1, host 2: ";
    let new = "story 2 SYSEXT_LEVEL=1 x86-64";
    let names = ["dated", "plain", "teller"];
    for (base, on, version, bad, reason) in [
        ("same", OLD, "1", None, ""),
        ("drops", OLD, "1", Some("teller"), unmet),
        ("bumps", new, "2", Some("dated"), stale),
    ] {
        let outcome = story.gate(base, &[&FROM[..], &["--write"]].concat());
        assert_eq!(
            outcome.status.code(),
            Some(i32::from(bad.is_some())),
            "{base}"
        );
        let compat = fs::read(story.scratch.join("store/compat.json")).unwrap();
        fs::remove_file(story.scratch.join("store/compat.json")).unwrap();
        let mut compat: Value = serde_json::from_slice(&compat).unwrap();
        // The client's own words are compared with the real ones elsewhere.
        let because = |text: &Value| {
            let text = text.as_str().unwrap();
            assert!(text.starts_with(reason), "{base}: {text}");
            text.to_owned()
        };
        let mut images = serde_json::Map::new();
        let mut said = String::new();
        for name in names {
            for version in ["1", "2"] {
                let file = format!("{name}-{version}-1.x86-64.raw");
                let mut word = json!({"word": "works"});
                if bad == Some(name) {
                    let told = &compat["images"][&file]["on"][on]["because"];
                    assert_eq!(told.as_array().map(Vec::len), Some(1), "{base}: {told}");
                    let told = because(&told[0]);
                    if version == "2" {
                        said += &format!("{name} on {on}: {file} breaks:\n  {told}\n\n");
                    }
                    word = json!({"word": "breaks", "because": [told]});
                }
                let sha256 = sha256sum(&story.scratch.join(&format!("store/{file}")));
                let judged = json!({"name": name, "sha256": sha256, "on": {on: word}});
                images.insert(file, judged);
            }
        }
        let keys = json!({"ID": "story", "VERSION_ID": version, "SYSEXT_LEVEL": "1"});
        let judged = json!({"os_release": keys, "architecture": "x86-64", "known": "provides"});
        let expected = json!({"format": 1, "bases": {on: judged}, "images": images});
        assert_eq!(compat.take(), expected, "{base}");
        said += &format!("extension  {on}\n");
        for name in names {
            let fate = match bad == Some(name) {
                true => "lost".to_owned(),
                false => format!("kept: {name}-2-1.x86-64.raw works"),
            };
            said += &format!("{name:<9}  {fate}\n");
        }
        if let Some(name) = bad {
            said += &format!("\nclients would lose 1 extension; to be built again: {name}\n");
        }
        assert_eq!(text(&outcome.stdout), said, "{base}");
    }
}

#[test(programs!("rpm", "rpmbuild"))]
fn verdicts_in_a_store_are_exact() {
    let story = Story::new();
    story.base("drops", "VERSION_ID=1", "libstory.so.2()(64bit)");
    let compat = story.scratch.join("store/compat.json");
    assert_eq!(story.gate("drops", &["--write"]).status.code(), Some(1));
    let read = || -> Value { serde_json::from_slice(&fs::read(&compat).unwrap()).unwrap() };
    let works = json!({"word": "works"});
    let breaks = json!({
        "word": "breaks",
        "because": ["unmet-requirement: nothing provides libstory.so.1()(64bit) needed by teller"],
    });
    let mut images = serde_json::Map::new();
    for (name, on) in [("dated", &works), ("plain", &works), ("teller", &breaks)] {
        for version in ["1", "2"] {
            let file = format!("{name}-{version}-1.x86-64.raw");
            let sha256 = sha256sum(&story.scratch.join(&format!("store/{file}")));
            images.insert(
                file,
                json!({"name": name, "sha256": sha256, "on": {OLD: on}}),
            );
        }
    }
    let base = json!({
        "os_release": {"ID": "story", "VERSION_ID": "1", "SYSEXT_LEVEL": "1"},
        "architecture": "x86-64",
        "known": "provides",
    });
    let expected = json!({"format": 1, "bases": {OLD: base}, "images": images});
    assert_eq!(read(), expected);
    let sums = fs::read_to_string(story.scratch.join("store/SHA256SUMS")).unwrap();
    let line = format!("{}  compat.json\n", sha256sum(&compat));
    assert!(sums.contains(&line), "{sums}");
    // The same again changes nothing, and another system is added.
    let stamp = || fs::metadata(&compat).unwrap().modified().unwrap();
    let before = stamp();
    assert_eq!(story.gate("drops", &["--write"]).status.code(), Some(1));
    assert_eq!(stamp(), before);
    story.base("bumps", "VERSION_ID=2", "libstory.so.1()(64bit)");
    assert_eq!(story.gate("bumps", &["--write"]).status.code(), Some(1));
    assert_eq!(read()["bases"].as_object().unwrap().len(), 2);
    let teller = &read()["images"]["teller-2-1.x86-64.raw"]["on"];
    assert_eq!(teller[OLD], breaks);
    assert_eq!(teller["story 2 SYSEXT_LEVEL=1 x86-64"], works);
    // Nobody takes it for an image, and a change of the images makes it stale.
    let verify = || {
        let store = story.scratch.join("store").display().to_string();
        answer_of(
            &program()
                .args(["store", "verify", "--json", &store])
                .output()
                .unwrap(),
        )
    };
    let ids = |answer: &Value| -> Vec<String> {
        let findings = answer["directories"][0]["findings"]
            .as_array()
            .unwrap()
            .iter();
        findings
            .map(|finding| finding["id"].as_str().unwrap().to_owned())
            .filter(|id| id != "unsigned")
            .collect()
    };
    assert_eq!(ids(&verify()), Vec::<String>::new());
    assert_eq!(verify()["directories"][0]["images"], 6);
    story.build("old", "plain", "3", "", "any");
    assert_eq!(ids(&verify()), ["compat-stale"]);
    let prune = program()
        .args(["store", "prune", "--keep", "1"])
        .arg(story.scratch.join("store"))
        .output()
        .unwrap();
    assert!(prune.status.success(), "{}", text(&prune.stderr));
    assert!(compat.exists());
}

#[test(programs!("rpm", "rpmbuild"))]
fn a_host_relies_on_what_the_owner_signed() {
    let story = Story::new();
    story.base("drops", "VERSION_ID=1", "libstory.so.2()(64bit)");
    story.base("other", "VERSION_ID=7", "libstory.so.2()(64bit)");
    let store = story.scratch.join("store");
    let key = secret_key(&story.scratch);
    let state = story.scratch.join("state").display().to_string();
    sign_with(&story, &key, &state);
    let write = ["--write", "--sign-key", &key, "--state-dir", &state];
    // Without the key nothing is written.
    assert_eq!(story.gate("drops", &["--write"]).status.code(), Some(1));
    assert!(!store.join("compat.json").exists());
    let outcome = story.gate("drops", &write);
    assert_eq!(outcome.status.code(), Some(1));
    let said = format!("sign      store/SHA256SUMS.gpg  by key {FINGERPRINT}\n");
    assert!(
        text(&outcome.stderr).contains(&said),
        "{}",
        text(&outcome.stderr)
    );
    // The same again signs nothing, and says so.
    assert!(!text(&story.gate("drops", &write).stderr).contains("by key"));
    let keys = story.scratch.join("keys.gpg").display().to_string();
    fs::copy(store.join("import-pubring.gpg"), &keys).unwrap();
    let trusted = ["--keyring", keys.as_str()];
    let ask = |new: &str, more: &[&str]| story.ask(new, &[&trusted[..], more].concat());

    let outcome = ask("drops", &[]);
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    let expected = format!(
        "stays  dated: dated-1-1.x86-64.raw works on {OLD}\n\
         stays  plain: plain-1-1.x86-64.raw works on {OLD}\n\
         lost   teller: teller-1-1.x86-64.raw breaks on {OLD}\n\
         \x20      unmet-requirement: nothing provides libstory.so.1()(64bit) needed by teller\n"
    );
    assert_eq!(text(&outcome.stdout), expected);
    // A host that has not got it does not lose it.
    assert_eq!(ask("drops", &["plain", "dated"]).status.code(), Some(0));
    let answer = answer_of(&ask("drops", &["plain", "gone", "--json"]));
    assert_eq!(
        answer["extensions"][0]["because"],
        json!(["the store has no image of it"])
    );
    assert_eq!(answer["passes"], false);
    let refused = |outcome: Output, problem: &str| {
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{problem}: {said}");
        assert!(said.contains(problem), "{problem}: {said}");
    };
    refused(
        ask("other", &["plain"]),
        "nobody has judged the images for story 7",
    );
    // Of another system's words nothing counts, and of another architecture's.
    let other = ["--arch", "arm64"];
    let outcome = program()
        .current_dir(story.scratch.path())
        .args(["gate", "store", "plain", "--os-release", "drops.os-release"])
        .args(other)
        .args(trusted)
        .output()
        .unwrap();
    refused(outcome, "nobody has judged the images for");

    // What is served is changed in every way that somebody without the key can think of.
    let swapped = |file: &str, change: &dyn Fn(&Path), problem: &str| {
        let path = store.join(file);
        let kept = fs::read(&path).unwrap();
        change(&path);
        refused(ask("drops", &["plain"]), problem);
        fs::write(&path, kept).unwrap();
        assert_eq!(ask("drops", &["plain"]).status.code(), Some(0), "{problem}");
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let edit = |path: &Path| {
        let read = fs::read_to_string(path).unwrap();
        fs::write(path, read.replace("breaks", "works")).unwrap();
    };
    swapped("SHA256SUMS.gpg", &remove, "is not signed");
    swapped(
        "compat.json",
        &remove,
        "compat.json is on the list, but not there",
    );
    swapped(
        "compat.json",
        &edit,
        "does not have the SHA-256 that is listed",
    );
    let unlist = |path: &Path| {
        let read = fs::read_to_string(path).unwrap();
        let lines = read.lines().filter(|line| !line.ends_with("compat.json"));
        fs::write(
            path,
            lines.map(|line| format!("{line}\n")).collect::<String>(),
        )
        .unwrap();
    };
    swapped("SHA256SUMS", &unlist, "signature");
    // The store goes on, and the verdicts do not.
    let package = story.package("plain", "4", "");
    let outcome = program()
        .current_dir(story.scratch.path())
        .args(["-q", "-o", "store", "--match", "any", "--base", "old"])
        .args(["--os-release", "old.os-release", "--sign-key", &key])
        .args(["--state-dir", &state])
        .arg(package)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    refused(
        ask("drops", &["plain"]),
        "are stale: plain-4-1.x86-64.raw was not judged",
    );
    assert_eq!(story.gate("drops", &write).status.code(), Some(1));
    assert_eq!(ask("drops", &["plain"]).status.code(), Some(0));
}

/// What a host gets of a server: exit code and reason of each kind of bad day.
#[test(programs!("rpm", "rpmbuild", "gpg"))]
fn a_host_asks_a_server() {
    let story = Story::new();
    story.base("drops", "VERSION_ID=1", "libstory.so.2()(64bit)");
    let store = story.scratch.join("store");
    let key = secret_key(&story.scratch);
    let state = story.scratch.join("state").display().to_string();
    sign_with(&story, &key, &state);
    let write = ["--write", "--sign-key", &key, "--state-dir", &state];
    assert_eq!(story.gate("drops", &write).status.code(), Some(1));
    let keys = story.scratch.join("keys.gpg").display().to_string();
    fs::copy(store.join("import-pubring.gpg"), &keys).unwrap();
    let before = |file: &str| fs::read(store.join(file)).unwrap();
    let earlier = before("compat.json");
    let server = Server::of(&store);
    let ask = |url: &str, name: &str, keyring: &str| {
        let outcome = program()
            .current_dir(story.scratch.path())
            .args(["gate", url, name, "--arch", "x86-64", "--timeout", "2"])
            .args(["--retries", "1", "--os-release", "drops.os-release"])
            .args(["--keyring", keyring])
            .output()
            .unwrap();
        (
            outcome.status.code(),
            text(&outcome.stdout) + &text(&outcome.stderr),
        )
    };
    let url = server.url();
    let (code, said) = ask(url, "plain", &keys);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        said,
        format!("stays  plain: plain-1-1.x86-64.raw works on {OLD}\n")
    );
    let requests = ["/SHA256SUMS.gpg", "/SHA256SUMS", "/compat.json"];
    assert_eq!(server.requests(), requests);
    let (code, said) = ask(url, "teller", &keys);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("nothing provides libstory.so.1()(64bit)"),
        "{said}"
    );
    // By a key that the host does not know.
    let others = fixture("keys/version6.public.asc").display().to_string();
    let (code, said) = ask(url, "plain", &others);
    assert_eq!(code, Some(1), "{said}");
    let expected = format!(
        "{url}/SHA256SUMS.gpg does not count: it is by key \
         {FINGERPRINT}, which is not in {others}"
    );
    assert!(
        said.contains(&expected) && said.contains("--keyring FILE"),
        "{said}"
    );

    let (gone, cut) = (Fault::Status(404), Fault::Cut(10));
    for (file, fault, code, reason) in [
        (
            "SHA256SUMS.gpg",
            &gone,
            1,
            "is not signed: it has no SHA256SUMS.gpg",
        ),
        ("SHA256SUMS", &gone, 1, "has no SHA256SUMS"),
        (
            "compat.json",
            &gone,
            1,
            "compat.json is on the list, but not there",
        ),
        ("SHA256SUMS.gpg", &cut, 3, "asking the store"),
        ("SHA256SUMS", &cut, 3, "asking the store"),
        ("compat.json", &cut, 3, "asking the store"),
        ("SHA256SUMS", &Fault::Status(503), 3, "503"),
        ("SHA256SUMS", &Fault::Drop, 3, "asking the store"),
    ] {
        server.always(&format!("/{file}"), fault.clone());
        let (found, said) = ask(url, "plain", &keys);
        assert_eq!(found, Some(code), "{file} {fault:?}: {said}");
        assert!(said.contains(reason), "{file} {fault:?}: {said}");
        server.recover();
    }
    let (code, said) = ask("http://127.0.0.1:9", "plain", &keys);
    assert_eq!(code, Some(3), "{said}");
    // What the server says in place of a file vouches for nothing.
    let page = b"<html>log in</html>\n".to_vec();
    for (file, reason) in [
        ("SHA256SUMS.gpg", "SHA256SUMS.gpg does not count: "),
        (
            "SHA256SUMS",
            "SHA256SUMS.gpg does not count: the signature is bad",
        ),
        ("compat.json", "does not have the SHA-256 that is listed"),
    ] {
        let kept = before(file);
        for (bytes, expected) in [(&page, 1), (&kept, 0)] {
            server.put(&format!("/{file}"), bytes);
            let (code, said) = ask(url, "plain", &keys);
            assert_eq!(code, Some(expected), "{file}: {said}");
            assert!(code == Some(0) || said.contains(reason), "{file}: {said}");
        }
    }

    // The verdicts from before with the list of today.
    story.base("bumps", "VERSION_ID=2", "libstory.so.1()(64bit)");
    assert_eq!(story.gate("bumps", &write).status.code(), Some(1));
    server.load(&store, "");
    assert_eq!(ask(url, "plain", &keys).0, Some(0));
    server.put("/compat.json", &earlier);
    let (code, said) = ask(url, "plain", &keys);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("does not have the SHA-256 that is listed"),
        "{said}"
    );
    server.load(&store, "");
    // All of an older state, rightly signed, counts until its last day.
    let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (day, expected) in [("2037-01-01", 0), ("2024-01-02", 1)] {
        let path = story.scratch.join("SHA256SUMS");
        fs::write(&path, format!("{empty}  BEST-BEFORE-{day}\n{list}")).unwrap();
        server.put("/SHA256SUMS", &fs::read(&path).unwrap());
        server.put(
            "/SHA256SUMS.gpg",
            &gpg_signature(&story.scratch, &key, &path),
        );
        let (code, said) = ask(url, "plain", &keys);
        assert_eq!(code, Some(expected), "{said}");
        let reason = "the verdicts can't be relied on: the list was good until 2024-01-02";
        assert_eq!(said.contains(reason), expected == 1, "{said}");
    }
}

/// The fixed key with the mode that a secret key has.
fn secret_key(scratch: &Scratch) -> String {
    let key = scratch.join("key");
    fs::copy(fixture("keys/test.secret.asc"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    key.display().to_string()
}

/// Returns a signature that gpg makes with a key.
fn gpg_signature(scratch: &Scratch, key: &str, path: &Path) -> Vec<u8> {
    let home = scratch.join("gpg");
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = || {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--yes", "--homedir"])
            .arg(&home);
        gpg
    };
    output_of(gpg().arg("--import").arg(key));
    let signature = scratch.join("signature");
    output_of(
        gpg()
            .args(["--detach-sign", "--output"])
            .arg(&signature)
            .arg(path),
    );
    fs::read(signature).unwrap()
}

fn sign_with(story: &Story, key: &str, state: &str) {
    let outcome = program()
        .current_dir(story.scratch.path())
        .args([
            "store",
            "sign",
            "store",
            "--sign-key",
            key,
            "--state-dir",
            state,
        ])
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
}
