//! Every file in an image is what the real `rpm` says of it: mode, owner, size, digest,
//! capabilities, link target, except where a named rule changed it.
//!
//! The image is unpacked by `unsquashfs` and looked at with the file system's own eyes; digests
//! are computed by coreutils, capabilities printed by `getcap`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use judges::{Need, all, programs, root};
use serde_json::Value;

use crate::workshop::{CORPUS, Scratch, fixture, json, os_release, output_of, program, text};

const ORACLES: Need = all(&[
    root(),
    programs!("rpm", "unsquashfs", "getcap", "sha256sum"),
]);

/// One file as `rpm` knows it.
struct Known {
    path: String,
    mode: u32,
    size: u64,
    digest: String,
    owner: String,
    group: String,
    target: String,
    capabilities: String,
    mtime: i64,
    ghost: bool,
}

const FORMAT: &str = "[%{FILENAMES}\\t%{FILEMODES:octal}\\t%{LONGFILESIZES}\\t%{FILEDIGESTS}\\t\
    %{FILEUSERNAME}\\t%{FILEGROUPNAME}\\t%{FILELINKTOS}\\t%|FILECAPS?{%{FILECAPS}}:{}|\\t\
    %{FILEMTIMES}\\t%{FILEFLAGS:fflags}\\n]";

fn known_files(rpm: &Path) -> Vec<Known> {
    let listing = output_of(
        Command::new("rpm")
            .args(["-qp", "--nosignature", "--nodigest", "--qf", FORMAT])
            .arg(rpm),
    );
    listing
        .lines()
        .filter(|line| line.contains('\t'))
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [
                path,
                mode,
                size,
                digest,
                owner,
                group,
                target,
                capabilities,
                mtime,
                flags,
            ] = fields
                .try_into()
                .unwrap_or_else(|_| panic!("{}: {line:?}", rpm.display()));
            Known {
                path: path.to_owned(),
                mode: u32::from_str_radix(mode, 8).unwrap() & 0xffff,
                size: size.parse().unwrap(),
                digest: digest.to_owned(),
                owner: owner.to_owned(),
                group: group.to_owned(),
                target: target.to_owned(),
                capabilities: capabilities.replace("(none)", ""),
                mtime: mtime.parse().unwrap(),
                ghost: flags.contains('g'),
            }
        })
        .collect()
}

/// Builds an image of one package; the outcome's JSON, or the reason of the refusal.
fn build(rpm: &Path, store: &Path) -> Result<Value, String> {
    let outcome = program()
        .args(["--json", "--arch", "x86_64", "--allow", "architecture"])
        .args([
            "--no-merge-unit",
            "--allow",
            "link-over-directory",
            "--name",
            "subject",
            "--image-version",
            "1",
        ])
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(store)
        .arg(rpm)
        .output()
        .unwrap();
    let said = json(&outcome);
    assert_eq!(text(&outcome.stderr), "", "{}", rpm.display());
    match outcome.status.code() {
        Some(0) => Ok(said),
        Some(1) => Err(said["error"].as_str().unwrap().to_owned()),
        code => panic!("{}: {code:?} {said}", rpm.display()),
    }
}

/// Compares an image with what `rpm` says; returns the number of files compared.
fn compare(rpm: &Path, built: &Value, scratch: &Scratch) -> usize {
    let name = rpm.file_name().unwrap().to_string_lossy().into_owned();
    let tree = scratch.join("tree");
    let image = built["image"].as_str().unwrap();
    output_of(
        Command::new("unsquashfs")
            .args(["-no-progress", "-d"])
            .arg(&tree)
            .arg(image),
    );

    let list = |key: &str| built[key].as_array().unwrap().clone();
    let field = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let left_out: BTreeMap<String, String> = list("left_out")
        .iter()
        .map(|left| (field(left, "path"), field(left, "rule")))
        .collect();
    let mut moved: BTreeMap<String, String> = BTreeMap::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut made = BTreeSet::new();
    for change in list("changed") {
        let became = field(&change, "became");
        match field(&change, "rule").as_str() {
            "usr-merge" | "etc-to-usr" => drop(moved.insert(field(&change, "path"), became)),
            "etc-to-factory" | "state-to-tmpfiles" if became == "made on the host" => {
                made.insert(field(&change, "path"));
            }
            "etc-to-factory" | "state-to-tmpfiles" => {
                moved.insert(field(&change, "path"), became);
            }
            "owner-to-root" => drop(owners.insert(field(&change, "path"), became)),
            rule => panic!("{name}: rule {rule} was not expected"),
        }
    }

    let mut digests: BTreeMap<&str, Vec<(PathBuf, String)>> = BTreeMap::new();
    let mut expected = BTreeSet::new();
    let mut compared = 0;
    for file in known_files(rpm) {
        if let Some(rule) = left_out.get(&file.path) {
            check_left_out(&name, &file, rule);
            continue;
        }
        // tests/state.rs looks at what a host makes.
        if made.contains(&file.path) {
            continue;
        }
        let (path, target) = match moved.get(&file.path) {
            None => (file.path.clone(), file.target.clone()),
            Some(became) => match became.split_once(" -> ") {
                Some((path, target)) => (path.to_owned(), target.to_owned()),
                None => (became.clone(), file.target.clone()),
            },
        };
        assert!(
            path.starts_with("/usr") || path.starts_with("/opt"),
            "{name}: {path}"
        );
        expected.insert(path.clone());
        let place = tree.join(&path[1..]);
        let found =
            fs::symlink_metadata(&place).unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
        let mut mode = file.mode;
        let is_of_host = path.starts_with("/usr/share/factory/") && path != file.path;
        if is_of_host || owners.contains_key(&path) {
            assert!(
                is_of_host || file.owner != "root" || file.group != "root",
                "{name}: {path}"
            );
            let became = owners
                .get(&path)
                .is_none_or(|it| it.starts_with("root:root "));
            assert!(became, "{name}: {path}");
            // rpm takes these bits off, too, when it does not know the name.
            if file.owner != "root" {
                mode &= !0o4000;
            }
            if file.group != "root" && mode & 0o170_000 != 0o040_000 {
                mode &= !0o2000;
            }
        } else {
            assert_eq!(
                (file.owner.as_str(), file.group.as_str()),
                ("root", "root"),
                "{name}: {path}"
            );
        }
        let kind = mode & 0o170_000;
        if kind == 0o120_000 {
            assert_eq!(
                fs::read_link(&place).unwrap().to_str(),
                Some(&*target),
                "{name}: {path}"
            );
        } else {
            assert_eq!(
                found.mode(),
                mode,
                "{name}: {path}: mode {:o}",
                found.mode()
            );
        }
        assert_eq!((found.uid(), found.gid()), (0, 0), "{name}: {path}");
        assert_eq!(found.mtime(), file.mtime & 0xffff_ffff, "{name}: {path}");
        if kind == 0o100_000 {
            assert_eq!(found.len(), file.size, "{name}: {path}");
            let program = match file.digest.len() {
                32 => "md5sum",
                40 => "sha1sum",
                64 => "sha256sum",
                128 => "sha512sum",
                length => panic!("{name}: {path}: a digest of {length} digits"),
            };
            digests
                .entry(program)
                .or_default()
                .push((place.clone(), file.digest.clone()));
            let capabilities = output_of(Command::new("getcap").arg("--").arg(&place));
            let capabilities = capabilities
                .trim_end()
                .rsplit_once(' ')
                .map_or("", |(_, caps)| caps);
            assert_eq!(
                normal(capabilities),
                normal(&file.capabilities),
                "{name}: {path}"
            );
        }
        compared += 1;
    }
    for (program, files) in digests {
        for files in files.chunks(500) {
            let sums = output_of(
                Command::new(program)
                    .arg("--zero")
                    .arg("--")
                    .args(files.iter().map(|(path, _)| path)),
            );
            let sums: Vec<_> = sums.split_terminator('\0').collect();
            assert_eq!(sums.len(), files.len());
            for (sum, (path, digest)) in sums.iter().zip(files) {
                assert_eq!(
                    sum.split(' ').next().unwrap(),
                    digest,
                    "{name}: {}",
                    path.display()
                );
            }
        }
    }
    check_nothing_else(&name, &tree, &expected);
    fs::remove_dir_all(&tree).unwrap();
    compared
}

/// `cap_net_raw+ep` and `cap_net_raw=ep` are the same.
fn normal(capabilities: &str) -> String {
    capabilities
        .trim()
        .trim_start_matches("= ")
        .replace('+', "=")
}

/// Says whether a rule had the right to leave this file out.
fn check_left_out(name: &str, file: &Known, rule: &str) {
    let below = |prefixes: &[&str]| {
        prefixes.iter().any(|prefix| {
            file.path
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let right = match rule {
        "no-ghosts" => file.ghost,
        "hierarchy-only" => !below(&[
            "/usr", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
        ]),
        "drop-host-jobs" => file.path.starts_with("/etc/"),
        "host-directories" => {
            file.mode & 0o170_000 == 0o040_000 && below(&["/etc", "/var", "/run", "/srv"])
        }
        "no-whiteouts" | "no-devices" => [0o020_000, 0o060_000].contains(&(file.mode & 0o170_000)),
        "no-sockets" => [0o010_000, 0o140_000].contains(&(file.mode & 0o170_000)),
        "drop-build-id" => below(&["/usr/lib/.build-id"]),
        "no-rpmdb" => below(&["/usr/lib/sysimage/rpm", "/usr/share/rpm"]),
        "no-os-release" => file.path == "/usr/lib/os-release" || file.path == "/lib/os-release",
        "usr-merge" => file.mode & 0o170_000 == 0o120_000,
        _ => false,
    };
    assert!(right, "{name}: {rule} left out {}", file.path);
}

/// Where every image has files of its own.
const OURS: [&str; 3] = [
    "/usr/lib/extension-release.d",
    "/usr/lib/sysusers.d",
    "/usr/lib/tmpfiles.d",
];

/// Makes sure that what the image holds beyond the package's files is what an image must have.
fn check_nothing_else(name: &str, tree: &Path, expected: &BTreeSet<String>) {
    let mut waiting = vec![tree.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let path = format!(
                "/{}",
                entry.path().strip_prefix(tree).unwrap().to_str().unwrap()
            );
            if entry.file_type().unwrap().is_dir() {
                if !expected.contains(&path) {
                    let below = format!("{path}/");
                    assert!(
                        (OURS.iter()).any(|ours| ours.starts_with(&below) || path == *ours)
                            || expected.iter().any(|known| known.starts_with(&below)),
                        "{name}: {path} was not expected"
                    );
                    let mode = entry.metadata().unwrap().mode() & 0o7777;
                    assert_eq!(mode, 0o755, "{name}: {path} is nobody's");
                }
                waiting.push(entry.path());
            } else if !OURS.iter().any(|ours| is_ours(&path, ours)) {
                assert!(expected.contains(&path), "{name}: {path} was not expected");
            }
        }
    }
}

/// Says whether a file is one that this program makes: of the snippets, the one with its mark.
fn is_ours(path: &str, directory: &str) -> bool {
    let name = path.strip_prefix(directory);
    name.is_some_and(|name| directory == OURS[0] || name.starts_with("/sysext-"))
}

/// Why a real package is refused, for those that are.
fn expected_refusal(name: &str, features: &str, arch: &str) -> Option<&'static [&'static str]> {
    if name.ends_with(".delta.rpm") {
        return Some(&["delta package"]);
    }
    if features.contains("HEADER-BAD") {
        return Some(&["malformed", "is not an RPM", "ends at offset"]);
    }
    if arch == "src" || arch == "nosrc" || name.ends_with(".src.rpm") {
        return Some(&["is a source package"]);
    }
    if features.contains("TRUNCATED") {
        return Some(&["ends at offset"]);
    }
    if features.contains("HDR-SHA256-BAD") {
        return Some(&["header has SHA-256"]);
    }
    None
}

/// Says whether no file of a package can be in an image.
fn has_nothing_to_merge(rpm: &Path) -> bool {
    known_files(rpm).iter().all(|file| {
        let place = file.path.split('/').nth(1).unwrap_or_default();
        let merged = ["usr", "opt", "bin", "sbin", "lib", "lib64"].contains(&place);
        file.ghost || !merged || file.path.starts_with("/usr/lib/.build-id")
    })
}

#[test(ORACLES)]
fn fixtures_are_what_rpm_says() {
    let mut compared = 0;
    for name in [
        "hello-sysext-1.0-1.x86_64.rpm",
        "hello-library-2.0-3.x86_64.rpm",
        "hello-tools-1.1~rc1-2.x86_64.rpm",
        "hello-noarch-0.5^git3-1.noarch.rpm",
        "payload-gzip-1-1.noarch.rpm",
        "payload-bzip2-1-1.noarch.rpm",
        "payload-xz-1-1.noarch.rpm",
        "payload-lzma-1-1.noarch.rpm",
        "payload-zstd-1-1.noarch.rpm",
        "payload-none-1-1.noarch.rpm",
        "devices-1-1.noarch.rpm",
        "os-release-1-1.noarch.rpm",
    ] {
        let scratch = Scratch::new();
        let rpm = fixture(name);
        let built = build(&rpm, &scratch.join("store")).unwrap();
        compared += compare(&rpm, &built, &scratch);
    }
    assert!(compared > 40, "{compared}");
}

#[test(ORACLES, CORPUS)]
fn real_packages_are_what_rpm_says_or_are_refused_with_the_right_reason() {
    let corpus = CORPUS.path();
    let table = fs::read_to_string(corpus.join("rpms.tsv")).unwrap();
    let (mut built_packages, mut refused, mut compared, mut wrong) = (0, 0, 0, Vec::new());
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let (name, arch, features) = (columns[0], columns[2], columns[9]);
        let rpm = corpus.join("rpms").join(name);
        let scratch = Scratch::new();
        let expected = expected_refusal(name, features, arch);
        match (build(&rpm, &scratch.join("store")), expected) {
            (Ok(built), None) => {
                compared += compare(&rpm, &built, &scratch);
                built_packages += 1;
            }
            (Err(said), Some(reasons)) if reasons.iter().any(|reason| said.contains(reason)) => {
                refused += 1;
            }
            (Err(said), None)
                if said.starts_with("empty-image: ") && has_nothing_to_merge(&rpm) =>
            {
                refused += 1;
            }
            (Ok(_), Some(reasons)) => {
                wrong.push(format!("{name}: built, not refused: {reasons:?}"))
            }
            (Err(said), _) => wrong.push(format!("{name} ({features}): {said}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        built_packages > 60 && compared > 3000,
        "{built_packages} {refused} {compared}"
    );
}

/// Makes the package `pair-NAME` with these lines in the head of its spec and these in its list of
/// files.
fn packaged(scratch: &Scratch, name: &str, head: &str, files: &[&str]) -> PathBuf {
    let spec = scratch.join(&format!("{name}.spec"));
    let share = "%{buildroot}/usr/share/pair";
    let text = format!(
        "Name: pair-{name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
         {head}%description\nx\n%install\nmkdir -p {share}/d\necho x > {share}/a\n\
         ln {share}/a {share}/b\necho {name} > {share}/{name}\n%files\n{}\n",
        files.join("\n")
    );
    fs::write(&spec, text).unwrap();
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--define", "_build_id_links none", "--define"])
            .arg("_unpackaged_files_terminate_build 0")
            .arg("--define")
            .arg(format!("_topdir {}", scratch.join("build").display()))
            .arg(&spec),
    );
    scratch.join(&format!("build/RPMS/noarch/pair-{name}-1-1.noarch.rpm"))
}

/// Has `rpm` install packages in a new root directory; says whether it did.
fn installs(root: &Path, rpms: &[&Path]) -> bool {
    let rpm = || {
        let mut command = Command::new("rpm");
        command.arg("--root").arg(root).args(["--nosignature"]);
        command
    };
    fs::create_dir(root).unwrap();
    output_of(rpm().arg("--initdb"));
    let installed = rpm().args(["-i", "--noscripts"]).args(rpms).output();
    installed.unwrap().status.success()
}

/// Builds an image of packages and says of what kind the error is, if there is one.
fn refused(scratch: &Scratch, rpms: &[&Path]) -> Option<String> {
    let outcome = program()
        .args(["--dry-run", "--arch", "x86_64", "--os-release"])
        .arg(os_release("tumbleweed"))
        .current_dir(scratch.path())
        .args(rpms)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    let error = said.lines().find_map(|line| line.strip_prefix("error: "));
    error.map(|line| line.split(':').next().unwrap_or_default().to_owned())
}

#[test(all(&[root(), programs!("rpm", "rpmbuild")]))]
fn what_packages_say_against_each_other_is_what_rpm_says() {
    let directory = "%dir /usr/share/pair/d";
    for (one, two, refusal) in [
        (("", directory), ("", directory), None),
        (
            ("", directory),
            ("", "%attr(0700,-,-) %dir /usr/share/pair/d"),
            Some("file-conflict"),
        ),
        (
            ("", directory),
            ("", "%attr(-,daemon,-) %dir /usr/share/pair/d"),
            Some("file-conflict"),
        ),
        (
            ("", directory),
            ("", "%attr(-,-,daemon) %dir /usr/share/pair/d"),
            Some("file-conflict"),
        ),
        (("", "/usr/share/pair/a"), ("", "/usr/share/pair/a"), None),
        (
            ("", "/usr/share/pair/a"),
            ("", "%attr(0755,-,-) /usr/share/pair/a"),
            Some("file-conflict"),
        ),
        (
            ("Conflicts: pair-two < 2\n", directory),
            ("", directory),
            Some("conflict"),
        ),
        (
            ("", directory),
            ("Conflicts: pair-one > 1\n", directory),
            None,
        ),
        (
            ("Conflicts: (pair-two and nosuch)\n", directory),
            ("", directory),
            None,
        ),
    ] {
        let scratch = Scratch::new();
        let build = |name, (head, files): (&str, &str)| packaged(&scratch, name, head, &[files]);
        let (one, two) = (build("one", one), build("two", two));
        for (number, pair) in [[&*one, &*two], [&*two, &*one]].iter().enumerate() {
            let root = scratch.join(&format!("root-{number}"));
            assert_eq!(installs(&root, pair), refusal.is_none(), "{pair:?}");
            assert_eq!(refused(&scratch, pair).as_deref(), refusal, "{pair:?}");
        }
    }
}

#[test(all(&[root(), programs!("rpm", "rpmbuild", "unsquashfs", "getcap")]))]
fn hard_links_have_the_attributes_that_rpm_gives_them() {
    for (first, last) in [
        ("%attr(0600,-,-)", "%attr(4755,-,-)"),
        ("%attr(4755,-,-)", "%attr(0600,-,-)"),
        ("%attr(0755,-,-) %caps(cap_net_raw=ep)", "%attr(0755,-,-)"),
        ("%attr(0755,-,-)", "%attr(0755,-,-) %caps(cap_net_raw=ep)"),
    ] {
        let scratch = Scratch::new();
        let files = [
            &*format!("{first} /usr/share/pair/a"),
            &*format!("{last} /usr/share/pair/b"),
        ];
        let rpm = packaged(&scratch, "one", "", &files);
        let root = scratch.join("root");
        assert!(installs(&root, &[&*rpm]));
        let built = build(&rpm, &scratch.join("store")).unwrap();
        let tree = scratch.join("tree");
        output_of(
            Command::new("unsquashfs")
                .args(["-no-progress", "-d"])
                .arg(&tree)
                .arg(built["image"].as_str().unwrap()),
        );
        let seen = |root: &Path| {
            let file = |name| {
                let path = root.join("usr/share/pair").join(name);
                let stat = path.metadata().unwrap();
                let caps = output_of(Command::new("getcap").arg(&path));
                let caps = caps
                    .trim_end()
                    .rsplit_once(' ')
                    .map(|(_, caps)| caps.to_owned());
                (stat.mode(), stat.uid(), caps)
            };
            assert_eq!(file("a"), file("b"));
            file("a")
        };
        assert_eq!(seen(&tree), seen(&root), "{first} {last}");
    }
}

/// Names and a target that are not UTF-8: in the image as rpm installs them, and shown in one way.
#[test(all(&[root(), programs!("rpm", "rpmbuild", "unsquashfs")]))]
fn names_of_any_bytes_are_those_that_rpm_installs() {
    let scratch = Scratch::new();
    // Behind what every package of these tests has; a backslash would be the macro's.
    let head = "AutoReq: no\n%global _invalid_encoding_terminates_build 0\n\
                %global __spec_install_post cd %{buildroot}/usr/share/pair; \
                e=$(echo 6Q== | base64 -d); echo x > caf$e; ln -s /srv/$e d/l$e; \
                echo '#!/no' > s$e; chmod 755 s$e\n";
    let files = [
        "/usr/share/pair/caf*",
        "/usr/share/pair/d",
        "/usr/share/pair/s*",
    ];
    let rpm = packaged(&scratch, "bytes", head, &files);
    let root = scratch.join("root");
    assert!(installs(&root, &[&*rpm]));
    let built = build(&rpm, &scratch.join("store")).unwrap();
    let image = built["image"].as_str().unwrap();
    let tree = scratch.join("tree");
    let mut unsquashfs = Command::new("unsquashfs");
    output_of(
        unsquashfs
            .args(["-no-progress", "-d"])
            .arg(&tree)
            .arg(image),
    );
    let mut own = BTreeMap::new();
    for root in [&root, &tree] {
        let mut names = Vec::new();
        for directory in ["usr/share/pair", "usr/share/pair/d"] {
            for entry in fs::read_dir(root.join(directory)).unwrap() {
                let path = entry.unwrap().path();
                let target = fs::read_link(&path).unwrap_or_default();
                names.push((path.strip_prefix(root).unwrap().to_owned(), target));
            }
        }
        names.sort();
        own.insert(root, names);
    }
    assert_eq!(own[&root], own[&tree]);
    assert_eq!(own[&root].len(), 4);

    let shown = |arguments: &[&str]| {
        let outcome = program().args(arguments).output().unwrap();
        text(&outcome.stdout) + &text(&outcome.stderr)
    };
    let script = r"/usr/share/pair/s\xe9";
    let manifest = Path::new(image).with_extension("manifest.gz");
    let manifest = output_of(Command::new("zcat").arg(manifest));
    assert!(
        manifest.contains(r#"usr/share/pair/s\\xe9":"#),
        "{manifest}"
    );
    let other = packaged(&scratch, "other", "", &["/usr/share/pair/a"]);
    let base = scratch.join("base");
    assert!(installs(&base, &[&*other]));
    let other = build(&other, &scratch.join("other")).unwrap();
    let other = other["image"].as_str().unwrap();
    for directory in ["etc", "usr/bin"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    fs::copy(os_release("tumbleweed"), base.join("etc/os-release")).unwrap();
    let hidden = OsStr::from_bytes(b"usr/share/pair/s\xe9");
    fs::write(base.join(hidden), "the base's").unwrap();
    for (arguments, expected) in [
        (&["inspect", image][..], r"/usr/share/pair/d/l\xe9 l "),
        (&["inspect", "--json", image], r"usr/share/pair/s\\xe9"),
        (&["check", image, "--base", base.to_str().unwrap()], script),
        (&["diff", other, image], script),
    ] {
        let said = shown(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// A header whose index has a tag twice means what `rpm` takes it for.
#[test(all(&[root(), programs!("rpm")]))]
fn of_a_tag_that_is_there_twice_the_first_counts_as_for_rpm() {
    const DIGESTS: [u32; 3] = [269, 273, 1004];
    const NAME: u32 = 1000;
    const BUILDHOST: u32 = 1007;
    let scratch = Scratch::new();
    let mut rpm = fs::read(fixture("hello-noarch-0.5^git3-1.noarch.rpm")).unwrap();
    let number = |rpm: &[u8], at: usize| u32::from_be_bytes(rpm[at..at + 4].try_into().unwrap());
    let counts = |rpm: &[u8], start| [8, 12].map(|at| number(rpm, start + at) as usize);
    let [entries, length] = counts(&rpm, 96);
    let header = (96 + 16 + 16 * entries + length).next_multiple_of(8);
    for (start, entries) in [(96, entries), (header, counts(&rpm, header)[0])] {
        for at in (start + 16..).step_by(16).take(entries) {
            match number(&rpm, at) {
                tag if start == 96 && DIGESTS.contains(&tag) => rpm[at + 1] = 1,
                BUILDHOST => rpm[at..at + 4].copy_from_slice(&NAME.to_be_bytes()),
                _ => {}
            }
        }
    }
    let path = scratch.join("twice.rpm");
    fs::write(&path, rpm).unwrap();
    let mut query = Command::new("rpm");
    query.args(["-qp", "--nosignature", "--nodigest"]);
    let known = output_of(query.args(["--qf", "%{NEVRA}"]).arg(&path));
    let file = fs::read(&path).unwrap();
    let package = rpm_input::Package::read(&mut &file[..], "twice.rpm").unwrap();
    assert_eq!(package.nevra.to_string(), known);
}

/// A package of which nothing covers the header, with one bit of a mode changed.
#[test(all(&[root(), programs!("rpm")]))]
fn a_header_that_nothing_covers_is_refused_as_by_rpm() {
    const SHA256: u32 = 273;
    const SHA1: u32 = 269;
    const MD5: u32 = 1004;
    let scratch = Scratch::new();
    let whole = fs::read(fixture("hello-noarch-0.5^git3-1.noarch.rpm")).unwrap();
    for (number, (hidden, refusal)) in [
        (&[][..], None),
        (&[SHA256], None),
        (&[SHA256, SHA1], None),
        (&[SHA256, SHA1, MD5], Some("no-header-digest")),
    ]
    .into_iter()
    .enumerate()
    {
        // The signature header's index: after the lead of 96 bytes, 16 of its own, 16 an entry.
        let mut rpm = whole.clone();
        for entry in rpm[112..].chunks_exact_mut(16).take(7) {
            let tag = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
            if hidden.contains(&tag) {
                entry[1] = 1;
            }
        }
        let path = scratch.join("hidden.rpm");
        fs::write(&path, rpm).unwrap();
        let root = scratch.join(&format!("root-{number}"));
        assert_eq!(installs(&root, &[&*path]), refusal.is_none(), "{hidden:?}");
        assert_eq!(
            refused(&scratch, &[&*path]).as_deref(),
            refusal,
            "{hidden:?}"
        );
    }
}
