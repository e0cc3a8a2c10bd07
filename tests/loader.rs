//! The closure's verdicts against the real dynamic loader: `ld.so --list` of every program, in a
//! chroot of a base over which the image is merged, on the right base and on damaged ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use judges::{Need, all, programs, root};
use linkage::Linkage;
use serde_json::Value;

use crate::workshop::{
    REAL_BASE, REPOSITORY, Scratch, fixture, json, os_release, output_of, program, real_base, text,
};

/// Findings that say that the loader gives up.
const OF_LOADER: [&str; 5] = [
    "interpreter-missing",
    "library-not-on-search-path",
    "library-unloadable",
    "soname-missing",
    "symbol-version-missing",
];

/// Mounts the image's /usr over the base's as a merge does, and lists each program that is named
/// on standard input behind its loader.
const LIST: &str = r#"
mount -t overlay overlay -o "lowerdir=$1/usr:$2/usr" "$2/usr" || exit 9
while read -r loader program; do
    echo "== $program"
    chroot "$2" "$loader" --list "$program" 2>&1 || echo "the loader failed"
done
"#;

/// An image, and its tree on disk.
struct Image {
    file: PathBuf,
    unpacked: PathBuf,
    linkage: Linkage,
}

impl Image {
    fn open(file: PathBuf, scratch: &Scratch) -> Self {
        let unpacked = scratch.join(&format!("{}.tree", file.file_stem().unwrap().display()));
        output_of(
            Command::new("unsquashfs")
                .args(["-q", "-n", "-d"])
                .args([&unpacked, &file]),
        );
        let manifest = output_of(Command::new("zcat").arg(file.with_extension("manifest.gz")));
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let linkage = serde_json::from_value(manifest["linkage"].clone()).unwrap();
        Self {
            file,
            unpacked,
            linkage,
        }
    }

    /// Returns the programs that our check says break on a base, with a reason for each.
    fn broken_by_check(&self, base: &Path) -> BTreeMap<String, String> {
        let outcome = program()
            .args(["check", "--json", "--client", "systemd-257", "--base"])
            .args([base, &self.file])
            .output()
            .unwrap();
        let answer = json(&outcome);
        let breaks = answer["images"][0]["hosts"][0]["breaks"].as_array();
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        breaks
            .into_iter()
            .flatten()
            .filter(|one| OF_LOADER.contains(&text(one, "id").as_str()))
            .map(|one| (text(one, "path"), text(one, "missing")))
            .filter(|(path, _)| self.linkage.programs.contains_key(&path[1..]))
            .collect()
    }

    /// Returns the programs that the loader can't load, with what it says of each.
    fn broken_by_loader(&self, base: &Path) -> BTreeMap<String, String> {
        let mut listing = Command::new("unshare")
            .args(["-m", "sh", "-c", LIST, "sh"])
            .args([&self.unpacked, base])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let programs: String = self
            .linkage
            .programs
            .iter()
            .map(|(path, object)| format!("{} /{path}\n", object.interpreter.as_deref().unwrap()))
            .collect();
        let mut input = listing.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(programs.as_bytes()).unwrap());
        let outcome = listing.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(outcome.status.success(), "the overlay can't be mounted");
        let said = text(&outcome.stdout);
        let mut broken = BTreeMap::new();
        let mut listed = 0;
        for part in said.split("== ").skip(1) {
            let (path, lines) = part.split_once('\n').unwrap();
            listed += 1;
            let bad = lines.lines().find(|line| {
                line.contains("not found") && !line.contains("weak version")
                    || line.contains("the loader failed")
            });
            broken.extend(bad.map(|line| (path.to_owned(), line.trim().to_owned())));
        }
        assert_eq!(listed, self.linkage.programs.len(), "{said}");
        broken
    }

    /// Compares both on a base; returns how many programs break there.
    fn compare(&self, base: &Path, case: &str) -> usize {
        let (ours, real) = (self.broken_by_check(base), self.broken_by_loader(base));
        let paths = |broken: &BTreeMap<String, String>| broken.keys().cloned().collect();
        let (our_paths, real_paths): (BTreeSet<_>, BTreeSet<_>) = (paths(&ours), paths(&real));
        let false_breaks: Vec<_> = our_paths
            .difference(&real_paths)
            .map(|one| &ours[one])
            .collect();
        let false_works: Vec<_> = real_paths
            .difference(&our_paths)
            .map(|one| &real[one])
            .collect();
        assert!(
            false_breaks.is_empty() && false_works.is_empty(),
            "{case}: false breaks {false_breaks:?}, false works {false_works:?}"
        );
        tell(&format!(
            "{case}: {} of {} programs break, as the loader says",
            ours.len(),
            self.linkage.programs.len()
        ));
        ours.len()
    }
}

#[expect(clippy::print_stderr, reason = "the numbers are of interest")]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// Compiles with gcc.
pub fn gcc(directory: &Path, output: &Path, source: &str, more: &[&str]) {
    let file = directory.join("source.c");
    fs::write(&file, source).unwrap();
    output_of(
        Command::new("gcc")
            .arg("-o")
            .arg(output)
            .arg(&file)
            .args(more)
            .current_dir(directory),
    );
}

/// Makes a library of nothing but versions, each with one symbol.
pub fn library(directory: &Path, output: &Path, soname: &str, versions: &[&str], more: &[&str]) {
    let mut source = "int of_every_library;\n".to_owned();
    let mut map = String::new();
    for (number, version) in versions.iter().enumerate() {
        let symbol = format!("f_{}", version.replace(|c: char| !c.is_alphanumeric(), "_"));
        source += &format!("int {symbol}(void) {{ return {number}; }}\n");
        map += &format!("{version} {{ global: {symbol}; }};\n");
    }
    fs::write(directory.join("source.map"), map).unwrap();
    let soname = format!("-Wl,-soname,{soname}");
    let mut options = vec!["-shared", "-fPIC", "-nostdlib", &soname];
    if !versions.is_empty() {
        options.push("-Wl,--version-script=source.map");
    }
    options.extend(more);
    gcc(directory, output, &source, &options);
}

/// Returns a copy of a base whose files are the same ones, to be damaged by removing and adding.
pub fn copy(base: &Path, to: PathBuf) -> PathBuf {
    output_of(Command::new("cp").arg("-al").args([base, to.as_path()]));
    to
}

/// Puts a file in the place of one that other copies have, too.
fn replace(path: &Path, make: &dyn Fn(&Path)) {
    let _ = fs::remove_file(path);
    make(path);
}

/// What lists what the real loader finds.
const LISTER: Need = all(&[
    root(),
    programs!(
        "gcc",
        "unsquashfs",
        "unshare",
        "rpm",
        "ldconfig",
        "readelf",
        "zcat"
    ),
]);

#[test(LISTER)]
fn programs_of_our_own() {
    let scratch = Scratch::new();
    let work = scratch.join("work");
    let base = scratch.join("base");
    let tree = scratch.join("overlay");
    // A base with this machine's C library, where its loader looks for it.
    let host = output_of(Command::new("gcc").arg("-print-file-name=libc.so.6"));
    let host = fs::canonicalize(host.trim()).unwrap();
    let directory = host.parent().unwrap().strip_prefix("/").unwrap();
    let directory = directory.strip_prefix("usr").unwrap_or(directory);
    let libraries = base.join("usr").join(directory);
    let ours = tree.join("usr").join(directory);
    for path in [&work, &libraries, &ours] {
        fs::create_dir_all(path).unwrap();
    }
    for path in ["usr/lib64", "usr/bin", "usr/lib/conf", "etc"] {
        fs::create_dir_all(base.join(path)).unwrap();
    }
    for path in ["usr/bin", "usr/lib/conf", "usr/lib/private"] {
        fs::create_dir_all(tree.join(path)).unwrap();
    }
    for name in ["lib", "lib64", "bin"] {
        symlink(format!("usr/{name}"), base.join(name)).unwrap();
    }
    fs::copy(&host, libraries.join("libc.so.6")).unwrap();
    let loader = |path: &Path| {
        let listed = output_of(Command::new("readelf").arg("-l").arg(path));
        let (_, rest) = listed.split_once("program interpreter: ").unwrap();
        PathBuf::from(rest.split(']').next().unwrap())
    };
    gcc(
        &work,
        &work.join("probe"),
        "int main(void) { return 0; }",
        &[],
    );
    let loader = loader(&work.join("probe"));
    fs::copy(&loader, base.join(loader.strip_prefix("/").unwrap())).unwrap();
    fs::copy(os_release("tumbleweed"), base.join("usr/lib/os-release")).unwrap();
    let database = base.join("usr/lib/sysimage/rpm");
    fs::create_dir_all(&database).unwrap();
    output_of(
        Command::new("rpm")
            .arg("--dbpath")
            .arg(&database)
            .args(["-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"])
            .arg(fixture("hello-library-2.0-3.x86_64.rpm")),
    );
    // The base's libraries: b, a which needs it, and one that only ld.so.conf leads to.
    library(&work, &libraries.join("libb.so.1"), "libb.so.1", &[], &[]);
    let b = libraries.join("libb.so.1").display().to_string();
    let no = "-Wl,--no-as-needed";
    library(
        &work,
        &libraries.join("liba.so.1"),
        "liba.so.1",
        &["A_1", "A_2"],
        &[no, &b],
    );
    library(
        &work,
        &base.join("usr/lib/conf/libconf.so.1"),
        "libconf.so.1",
        &[],
        &[],
    );
    fs::write(base.join("etc/ld.so.conf"), "/usr/lib/conf\n").unwrap();
    output_of(Command::new("ldconfig").arg("-X").arg("-r").arg(&base));
    // The image's: one beside its programs, one where only ld.so.conf leads to, one that is found.
    let private = tree.join("usr/lib/private/libprivate.so.1");
    library(&work, &private, "libprivate.so.1", &["P_1"], &[]);
    library(
        &work,
        &tree.join("usr/lib/conf/libnew.so.1"),
        "libnew.so.1",
        &[],
        &[],
    );
    let a = libraries.join("liba.so.1").display().to_string();
    library(
        &work,
        &ours.join("libours.so.1"),
        "libours.so.1",
        &["O_1"],
        &[no, &a],
    );
    let path = |path: PathBuf| path.display().to_string();
    let private = path(private);
    let ours = path(ours.join("libours.so.1"));
    let new = path(tree.join("usr/lib/conf/libnew.so.1"));
    let conf = path(base.join("usr/lib/conf/libconf.so.1"));
    let runpath = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib/private";
    let rpath = "-Wl,--disable-new-dtags,-rpath,/usr/lib/private";
    for (name, calls, options) in [
        ("plain", "", &[][..]),
        ("first", "f_A_1", &[&*a]),
        ("second", "f_A_2", &[&a]),
        ("run-path", "f_P_1", &[&private, runpath]),
        ("r-path", "f_P_1", &[&private, rpath]),
        ("no-path", "f_P_1", &[&private]),
        ("ours", "f_O_1", &[&ours]),
        ("of-conf", "", &[&conf]),
        ("new-in-conf", "", &[&new]),
    ] {
        let source = match calls {
            "" => "int main(void) { return 0; }".to_owned(),
            call => format!("int {call}(void); int main(void) {{ return {call}(); }}"),
        };
        let mut all = vec![no, "-Wl,--allow-shlib-undefined"];
        all.extend(options);
        gcc(&work, &tree.join("usr/bin").join(name), &source, &all);
    }
    let store = scratch.join("store");
    let outcome = program()
        .args(["--name", "tools", "--image-version", "1", "--os-release"])
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(&store)
        .arg("--overlay")
        .arg(&tree)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let image = fs::read_dir(&store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "raw"))
        .unwrap();
    let image = Image::open(image, &scratch);
    assert_eq!(image.linkage.programs.len(), 9);
    let outcome = program().arg("inspect").arg(&image.file).output().unwrap();
    let said = text(&outcome.stdout);
    let needs = "needs of the base:\n  liba.so.1  A_1 A_2\n  libc.so.6  ";
    assert!(said.contains(needs), "{said}");
    assert!(
        said.contains(&format!("\n  {}\n", loader.display())),
        "{said}"
    );

    let expected = |names: &[&str]| -> BTreeSet<String> {
        names
            .iter()
            .map(|name| format!("/usr/bin/{name}"))
            .collect()
    };
    let removed = copy(&base, scratch.join("removed"));
    let at = |root: &Path, name: &str| root.join("usr").join(directory).join(name);
    fs::remove_file(at(&removed, "libb.so.1")).unwrap();
    let older = copy(&base, scratch.join("older"));
    fs::remove_file(at(&older, "liba.so.1")).unwrap();
    library(
        &work,
        &at(&older, "liba.so.0"),
        "liba.so.0",
        &["A_1", "A_2"],
        &[],
    );
    let fewer = copy(&base, scratch.join("fewer"));
    replace(&at(&fewer, "liba.so.1"), &|path| {
        library(&work, path, "liba.so.1", &["A_1"], &[]);
    });
    let stranger = copy(&base, scratch.join("stranger"));
    replace(&at(&stranger, "libb.so.1"), &|path| {
        fs::write(path, "no library").unwrap();
    });
    for (case, root, broken) in [
        ("the right base", &base, &["no-path", "new-in-conf"][..]),
        (
            "a library removed",
            &removed,
            &["no-path", "new-in-conf", "first", "second", "ours"],
        ),
        (
            "an older soname",
            &older,
            &["no-path", "new-in-conf", "first", "second", "ours"],
        ),
        (
            "fewer versions",
            &fewer,
            &["no-path", "new-in-conf", "second"],
        ),
        (
            "no library at all in its place",
            &stranger,
            &["no-path", "new-in-conf", "first", "second", "ours"],
        ),
    ] {
        image.compare(root, case);
        let found: BTreeSet<String> = image.broken_by_check(root).into_keys().collect();
        assert_eq!(found, expected(broken), "{case}");
    }
}

/// Returns the groups of a repository, each with the RPM files that the base does not have.
fn groups(packages: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let read = |name: &str| -> BTreeSet<String> {
        let list = fs::read_to_string(packages.join(name)).unwrap();
        list.split_whitespace().map(str::to_owned).collect()
    };
    let base = read("base-packages.txt");
    let files = crate::workshop::rpms_below(packages);
    let mut groups = BTreeMap::new();
    for file in crate::workshop::names(packages) {
        let name = file.strip_prefix("closure-");
        let Some(name) = name.and_then(|name| name.strip_suffix(".txt")) else {
            continue;
        };
        let wanted = read(&file);
        let files: Vec<_> = (files.iter())
            .filter(|file| {
                let name = file.file_stem().unwrap().to_str().unwrap();
                let name = name.rsplitn(3, '-').nth(2).unwrap();
                wanted.contains(name) && !base.contains(name)
            })
            .cloned()
            .collect();
        if !files.is_empty() {
            groups.insert(name.to_owned(), files);
        }
    }
    groups
}

/// Compares the libraries and versions that files need with what RPM's own dependency generator
/// has found in them, but for what the repository has taken out.
fn compare_with_rpm(packages: &Path, files: &[PathBuf], linkage: &Linkage) {
    let taken_out = fs::read_to_string(packages.join("excluded-requires.txt")).unwrap();
    let mut ours = BTreeSet::new();
    for (_, object) in linkage.objects() {
        let marker = object.abi.rpm_marker();
        ours.extend(object.needed.iter().map(|name| format!("{name}(){marker}")));
        for (name, versions) in &object.versions {
            ours.extend(
                versions
                    .iter()
                    .map(|version| format!("{name}({version}){marker}")),
            );
        }
    }
    let required = output_of(Command::new("rpm").args(["-qp", "--requires"]).args(files));
    let real: BTreeSet<String> = required
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| line.ends_with("(64bit)") && line.contains(".so"))
        .collect();
    // RPM names weak versions, too, without which the loader goes on.
    let only_rpm: Vec<_> = real
        .difference(&ours)
        .filter(|one| one.contains("()"))
        .collect();
    let only_ours: Vec<_> = ours
        .difference(&real)
        .filter(|one| one.ends_with("(64bit)") && !taken_out.contains(one.as_str()))
        .collect();
    assert!(
        only_rpm.is_empty() && only_ours.is_empty(),
        "only RPM: {only_rpm:?}, only ours: {only_ours:?}"
    );
    tell(&format!("{} needs are RPM's, too", ours.len()));
}

#[test(LISTER, REAL_BASE)]
fn programs_of_real_packages() {
    let packages = REPOSITORY.path();
    let real = real_base(&packages);
    let scratch = Scratch::new();
    let work = scratch.join("work");
    fs::create_dir(&work).unwrap();
    // Beside the one that other tests use; with a cache, as every running system has one.
    let beside = real.with_extension(format!("loader-{}", std::process::id()));
    let _ = fs::remove_dir_all(&beside);
    fs::create_dir(&beside).unwrap();
    let base = copy(&real, beside.join("right"));
    replace(&base.join("etc/ld.so.cache"), &|_| {
        output_of(Command::new("ldconfig").arg("-X").arg("-r").arg(&base));
    });
    let groups = groups(&packages);
    assert!(!groups.is_empty());
    for (name, files) in &groups {
        let outcome = program()
            .args([
                "--image-version",
                "1",
                "--compression",
                "zstd:1",
                "--name",
                name,
            ])
            // What Debian's packages only suggest is not in the repository: python for a script,
            // a library for a plugin.
            .args(["--allow", "unmet-requirement", "--allow", "soname-missing"])
            .args(["--allow", "interpreter-missing", "--base"])
            .arg(&base)
            .arg("-o")
            .arg(scratch.join("store"))
            .args(files)
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        let file = scratch.join(&format!("store/{name}-1.x86-64.raw"));
        let image = Image::open(file, &scratch);
        compare_with_rpm(&packages, files, &image.linkage);
        assert_eq!(image.compare(&base, &format!("{name}, the right base")), 0);

        // The library of the base that most programs need, the C library's own apart, and the one
        // of which versions are needed most.
        let popular = |versioned: bool| {
            let mut counts = BTreeMap::<&str, usize>::new();
            for program in image.linkage.programs.values() {
                for name in &program.needed {
                    let fits = !versioned || program.versions.contains_key(name);
                    let own = name.starts_with("libc.") || name.starts_with("ld-");
                    if fits && !own && found(&base, name).is_some() {
                        *counts.entry(name).or_default() += 1;
                    }
                }
            }
            let most = counts
                .into_iter()
                .max_by_key(|(name, count)| (*count, *name));
            most.map(|(name, _)| name.to_owned())
        };
        if let Some(name_of) = popular(false) {
            let (removed, older) = (beside.join("removed"), beside.join("older"));
            for root in [&removed, &older] {
                let root = copy(&base, root.clone());
                while let Some(path) = found(&root, &name_of) {
                    fs::remove_file(path).unwrap();
                }
            }
            let place = found(&base, &name_of).unwrap();
            let place = older.join(place.strip_prefix(&base).unwrap());
            let old = format!("{}.0", name_of.rsplit_once('.').unwrap().0);
            library(&work, &place.with_file_name(&old), &old, &[], &[]);
            for (case, root) in [("removed", &removed), ("of an older soname", &older)] {
                let case = format!("{name}, {name_of} {case}");
                assert!(image.compare(root, &case) > 0, "{case}");
                fs::remove_dir_all(root).unwrap();
            }
        }
        if let Some(name_of) = popular(true) {
            let needed: BTreeSet<&str> = image
                .linkage
                .programs
                .values()
                .filter_map(|program| program.versions.get(&name_of))
                .flatten()
                .map(String::as_str)
                .collect();
            let mut left: Vec<&str> = needed.into_iter().collect();
            left.pop();
            left.insert(0, "OF_NOBODY_1");
            let fewer = copy(&base, beside.join("fewer"));
            replace(&found(&fewer, &name_of).unwrap(), &|path| {
                library(&work, path, &name_of, &left, &[]);
            });
            let case = format!("{name}, {name_of} with fewer versions");
            assert!(image.compare(&fewer, &case) > 0, "{case}");
            fs::remove_dir_all(&fewer).unwrap();
        }
    }
    fs::remove_dir_all(&beside).unwrap();
}

/// Returns where a base has a library.
fn found(base: &Path, name: &str) -> Option<PathBuf> {
    [
        "lib/x86_64-linux-gnu",
        "usr/lib/x86_64-linux-gnu",
        "lib",
        "usr/lib",
    ]
    .map(|directory| base.join(directory).join(name))
    .into_iter()
    .find(|path| path.symlink_metadata().is_ok())
}
