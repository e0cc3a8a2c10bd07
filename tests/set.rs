//! Images that are merged together, against a real overlay mount in systemd's order and
//! `ld.so --list` in it: whose file is seen at every path, and what every program loads, of the
//! images and of the base.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use judges::{Need, all, programs, root};
use serde_json::Value;

use crate::loader::{copy, gcc, library};
use crate::workshop::{Scratch, fixture, json, os_release, output_of, program, text};

/// Mounts layers over the /usr of $1, the uppermost first, and for each program on standard input
/// lists what the loader loads.
const LIST: &str = r#"
root=$1; layers=$2
[ -z "$layers" ] || mount -t overlay overlay -o "lowerdir=$layers:$root/usr" "$root/usr" || exit 9
while read -r loader program; do
    echo "== $program"
    chroot "$root" "$loader" --list "$program" 2>&1
done
echo "== files"
cd "$root/usr" && find . -type f -exec cksum {} + | sort -k3
"#;

/// Trees of images, in no order: their names, and what is in them.
struct Images {
    scratch: Scratch,
    work: PathBuf,
    /// The base's directory of libraries, relative to its /usr.
    libraries: PathBuf,
    loader: PathBuf,
    /// Programs by the name of their image; of the base, by none.
    programs: BTreeMap<String, BTreeSet<String>>,
}

impl Images {
    fn new() -> Self {
        let scratch = Scratch::new();
        let work = scratch.join("work");
        fs::create_dir_all(&work).unwrap();
        let libc = output_of(Command::new("gcc").arg("-print-file-name=libc.so.6"));
        let libc = fs::canonicalize(libc.trim()).unwrap();
        let libraries = libc.parent().unwrap().strip_prefix("/").unwrap();
        let libraries = libraries
            .strip_prefix("usr")
            .unwrap_or(libraries)
            .to_owned();
        gcc(
            &work,
            &work.join("probe"),
            "int main(void) { return 0; }",
            &[],
        );
        let listed = output_of(Command::new("readelf").arg("-l").arg(work.join("probe")));
        let (_, rest) = listed.split_once("program interpreter: ").unwrap();
        let loader = PathBuf::from(rest.split(']').next().unwrap());
        let images = Self {
            scratch,
            work,
            libraries,
            loader,
            programs: BTreeMap::new(),
        };
        let base = images.base();
        for path in ["usr/lib64", "usr/bin", "usr/lib/conf", "etc"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        fs::create_dir_all(base.join("usr").join(&images.libraries)).unwrap();
        for name in ["lib", "lib64", "bin"] {
            symlink(format!("usr/{name}"), base.join(name)).unwrap();
        }
        fs::copy(
            &libc,
            base.join("usr").join(&images.libraries).join("libc.so.6"),
        )
        .unwrap();
        let loader = base.join(images.loader.strip_prefix("/").unwrap());
        fs::copy(&images.loader, loader).unwrap();
        fs::copy(os_release("tumbleweed"), base.join("usr/lib/os-release")).unwrap();
        fs::write(base.join("etc/ld.so.conf"), "/usr/lib/conf\n").unwrap();
        let database = base.join("usr/lib/sysimage/rpm");
        fs::create_dir_all(&database).unwrap();
        output_of(
            Command::new("rpm")
                .arg("--dbpath")
                .arg(database)
                .args(["-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"])
                .arg(fixture("hello-library-2.0-3.x86_64.rpm")),
        );
        images
    }

    fn base(&self) -> PathBuf {
        self.scratch.join("base")
    }

    fn tree(&self, image: &str) -> PathBuf {
        self.scratch.join(&format!("trees/{image}"))
    }

    /// Makes a library in a tree; `directory` is below /usr, or empty for where the base has its.
    fn library(
        &self,
        tree: &Path,
        directory: &str,
        name: &str,
        versions: &[&str],
        needs: &[&Path],
    ) -> PathBuf {
        let directory = match directory {
            "" => tree.join("usr").join(&self.libraries),
            directory => tree.join("usr").join(directory),
        };
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        let needs: Vec<_> = needs.iter().map(|path| path.to_str().unwrap()).collect();
        let mut options = vec!["-Wl,--no-as-needed"];
        options.extend(needs);
        library(&self.work, &path, name, versions, &options);
        path
    }

    /// Makes a program in the tree of an image, or of the base if that is nothing.
    fn program(&mut self, image: &str, name: &str, call: &str, libraries: &[&Path], more: &[&str]) {
        let tree = match image {
            "" => self.base(),
            image => self.tree(image),
        };
        let path = tree.join("usr/bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = match call {
            "" => "int main(void) { return 0; }".to_owned(),
            call => format!("int {call}(void); int main(void) {{ return {call}(); }}"),
        };
        let mut options = vec!["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"];
        options.extend(libraries.iter().map(|path| path.to_str().unwrap()));
        options.extend(more);
        gcc(&self.work, &path, &source, &options);
        let programs = self.programs.entry(image.to_owned()).or_default();
        programs.insert(format!("/usr/bin/{name}"));
    }

    /// Packs the tree of an image.
    fn image(&self, name: &str) -> PathBuf {
        let tree = self.tree(name);
        let release = tree.join("usr/lib/extension-release.d");
        fs::create_dir_all(&release).unwrap();
        fs::write(
            release.join(format!("extension-release.{name}")),
            "ID=_any\n",
        )
        .unwrap();
        let raw = self.scratch.join(&format!("{name}.raw"));
        output_of(
            Command::new("mksquashfs")
                .arg(&tree)
                .arg(&raw)
                .args(["-quiet", "-comp", "gzip"]),
        );
        raw
    }

    /// Lists what the loader says on a base with images, the lowest first: the libraries of each
    /// program by their names, and the checksum of each file below /usr.
    fn real(
        &self,
        base: &Path,
        order: &[&str],
    ) -> (BTreeMap<String, Listed>, BTreeMap<String, String>) {
        let layers: Vec<_> = (order.iter().rev())
            .map(|name| self.tree(name).join("usr").display().to_string())
            .collect();
        let mut child = Command::new("unshare")
            .args(["-m", "sh", "-c", LIST, "sh"])
            .arg(base)
            .arg(layers.join(":"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let programs = [""].iter().chain(order);
        let programs = programs
            .filter_map(|name| self.programs.get(*name))
            .flatten();
        let programs: BTreeSet<_> = programs.collect();
        let lines: String = (programs.iter())
            .map(|path| format!("{} {path}\n", self.loader.display()))
            .collect();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(lines.as_bytes())
            .unwrap();
        let outcome = child.wait_with_output().unwrap();
        assert!(outcome.status.success(), "the overlay can't be mounted");
        let said = text(&outcome.stdout);
        let mut listed = BTreeMap::new();
        let mut files = BTreeMap::new();
        for part in said.split("== ").skip(1) {
            let (path, lines) = part.split_once('\n').unwrap();
            if path == "files" {
                files = (lines.lines())
                    .map(|line| {
                        let (sum, file) = line.split_once(" ./").unwrap();
                        (format!("/usr/{file}"), sum.to_owned())
                    })
                    .collect();
            } else {
                listed.insert(path.to_owned(), Listed::of(lines));
            }
        }
        (listed, files)
    }
}

/// What the loader says of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    /// The path of each library by its name.
    libraries: BTreeMap<String, String>,
    /// Something is missing or can't be loaded.
    breaks: bool,
    /// It ended at a file that it can't load, and listed nothing.
    gave_up: bool,
}

impl Listed {
    fn of(lines: &str) -> Self {
        let found = lines.lines().filter_map(|line| {
            let (name, rest) = line.trim().split_once(" => ")?;
            let (path, _) = rest.split_once(" (0x")?;
            (!name.starts_with('/')).then(|| (name.to_owned(), path.to_owned()))
        });
        let libraries: BTreeMap<_, _> = found.collect();
        let gave_up = lines.contains("error while loading");
        Self {
            breaks: gave_up || lines.contains("not found"),
            gave_up,
            libraries,
        }
    }
}

/// Returns the checksum of a file as `cksum` says it.
fn sum_of(path: &Path) -> Option<String> {
    let said = Command::new("cksum").arg(path).output().unwrap();
    let said = text(&said.stdout);
    Some(said.rsplit_once(" /")?.0.to_owned())
}

const OVERLAID: Need = all(&[
    root(),
    programs!(
        "rpm",
        "gcc",
        "mksquashfs",
        "unshare",
        "ldconfig",
        "readelf",
        "cksum"
    ),
]);

/// Makes the base, its damaged kin, and the images.
fn workshop() -> (Images, Vec<PathBuf>, Vec<String>) {
    let mut images = Images::new();
    let base = images.base();
    // The base: b, a which needs it, one behind ld.so.conf, and programs of its own.
    let b = images.library(&base, "", "libb.so.1", &[], &[]);
    let a = images.library(&base, "", "liba.so.1", &["A_1", "A_2"], &[&b]);
    let conf = images.library(&base, "lib/conf", "libconf.so.1", &[], &[]);
    let app = images.library(&base, "", "libapp7.so.1", &["APP_7"], &[]);
    images.program("", "base-a", "f_A_2", &[&a], &[]);
    images.program("", "base-b", "", &[&b], &[]);
    images.program("", "base-conf", "", &[&conf, &app], &[]);
    output_of(Command::new("ldconfig").arg("-X").arg("-r").arg(&base));
    // An application with 100 libraries of its own, one of which the base and another image have
    // in an older version.
    let tree = images.tree("app");
    let own: Vec<_> = (0..100)
        .map(|n| {
            let (old, new) = (format!("APP_{n}"), format!("APPNEW_{n}"));
            images.library(
                &tree,
                "lib/app",
                &format!("libapp{n}.so.1"),
                &[&old, &new],
                &[],
            )
        })
        .collect();
    let own: Vec<_> = own.iter().map(PathBuf::as_path).collect();
    let runpath = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib/app";
    images.program("app", "app", "f_APPNEW_7", &own, &[runpath]);
    images.program("app", "app-without-path", "f_APP_7", &[own[7]], &[]);
    let tree = images.tree("older");
    let old = images.library(&tree, "", "libapp7.so.1", &["APP_7", "OLDER"], &[]);
    images.program("older", "older", "f_APP_7", &[&old], &[]);
    // Two of the same name and path, and one that needs what another brings.
    for (name, versions) in [("x9", &["X_1"][..]), ("x10", &["X_1", "X_2"])] {
        let tree = images.tree(name);
        let x = images.library(&tree, "", "libx.so.1", versions, &[&a]);
        images.program(name, name, "f_X_1", &[&x], &[]);
        fs::create_dir_all(tree.join("usr/share/x")).unwrap();
        fs::write(tree.join("usr/share/x/data"), name).unwrap();
        fs::write(tree.join("usr/share/x/same"), "same").unwrap();
    }
    let tree = images
        .tree("x10")
        .join("usr")
        .join(&images.libraries)
        .join("libx.so.1");
    images.program("needs-x", "needs-x", "f_X_2", &[&tree], &[]);
    // One that replaces a library of the base, and hides a directory of another image.
    let tree = images.tree("z");
    images.library(&tree, "", "libb.so.1", &["OTHER"], &[]);
    images.program("z", "z", "", &[&b], &[]);
    fs::create_dir_all(tree.join("usr/share")).unwrap();
    symlink("lib", tree.join("usr/share/x")).unwrap();
    // One whose file of data stands where others have a library or a directory.
    let tree = images.tree("m");
    let libraries = tree.join("usr").join(&images.libraries);
    fs::create_dir_all(&libraries).unwrap();
    fs::write(libraries.join("libx.so.1"), "no library").unwrap();
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    fs::write(tree.join("usr/lib/app"), "no directory").unwrap();
    images.program("m", "m", "", &[&a], &[]);
    let names = ["app", "older", "x9", "x10", "needs-x", "z", "m"].map(str::to_owned);
    let bases = damaged(&images);
    (images, bases, names.into())
}

/// Copies the base and damages the copies.
fn damaged(images: &Images) -> Vec<PathBuf> {
    let base = images.base();
    let of = |root: &Path, name: &str| root.join("usr").join(&images.libraries).join(name);
    let kin = ["right", "removed", "fewer", "stranger", "uncached"].map(|name| {
        let root = copy(&base, images.scratch.join(name));
        match name {
            "removed" => fs::remove_file(of(&root, "libb.so.1")).unwrap(),
            "fewer" => {
                fs::remove_file(of(&root, "liba.so.1")).unwrap();
                images.library(&root, "", "liba.so.1", &["A_1"], &[]);
            }
            "stranger" => {
                fs::remove_file(of(&root, "libapp7.so.1")).unwrap();
                fs::write(of(&root, "libapp7.so.1"), "no library").unwrap();
                let open = fs::Permissions::from_mode(0o755);
                fs::set_permissions(of(&root, "libapp7.so.1"), open).unwrap();
            }
            "uncached" => {
                fs::remove_file(root.join("etc/ld.so.cache")).unwrap();
                fs::write(root.join("etc/ld.so.conf.new"), "").unwrap();
                fs::rename(root.join("etc/ld.so.conf.new"), root.join("etc/ld.so.conf")).unwrap();
            }
            _ => {}
        }
        root
    });
    kin.into()
}

/// Returns all sets of 2 to 4 of so many things.
fn sets(number: usize) -> Vec<Vec<usize>> {
    (0_u32..1 << number)
        .filter(|bits| (2..=4).contains(&bits.count_ones()))
        .map(|bits| (0..number).filter(|one| bits & 1 << one != 0).collect())
        .collect()
}

#[test(OVERLAID)]
fn every_path_and_every_program_is_as_in_a_real_merge() {
    let (images, bases, names) = workshop();
    let raws: Vec<_> = names.iter().map(|name| images.image(name)).collect();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for base in &bases {
        let (alone, _) = images.real(base, &[]);
        for set in sets(names.len()) {
            let outcome = program()
                .args([
                    "check",
                    "--json",
                    "--verbose",
                    "--client",
                    "systemd-257",
                    "--base",
                ])
                .arg(base)
                .args(set.iter().map(|index| &raws[*index]))
                .output()
                .unwrap();
            let answer = json(&outcome);
            assert!(
                answer["together"][0].is_object(),
                "{}",
                text(&outcome.stdout)
            );
            let case = format!("{} {}", base.display(), answer["together"][0]["order"]);
            let found = compare(&images, base, &answer, &alone);
            wrong.extend(found.into_iter().map(|one| format!("{case}: {one}")));
            compared += 1;
        }
    }
    assert!(compared >= 300, "{compared}");
    assert!(
        wrong.is_empty(),
        "{} of {compared}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}

/// Returns in what our answer differs from a real merge.
fn compare(
    images: &Images,
    base: &Path,
    answer: &Value,
    alone: &BTreeMap<String, Listed>,
) -> Vec<String> {
    let together = &answer["together"][0];
    let order: Vec<&str> = (together["order"].as_array().unwrap().iter())
        .map(|name| name.as_str().unwrap())
        .collect();
    let (listed, files) = images.real(base, &order);
    let mut wrong = Vec::new();
    // Of each path with different files, the one that wins is seen.
    for clash in together["clashes"].as_array().unwrap() {
        let path = format!("/{}", clash["path"].as_str().unwrap());
        let place = |key: &str| {
            let index = usize::try_from(clash[key].as_u64().unwrap()).unwrap();
            images.tree(order[index]).join(&path[1..])
        };
        if clash["what"] != "directory" && clash["what"] != "type" {
            let (wins, loses) = (sum_of(&place("wins")), sum_of(&place("loses")));
            if files.get(&path) != wins.as_ref() || wins == loses {
                wrong.push(format!("{path} is not that of the one that wins"));
            }
        } else if place("wins").is_file() && files.get(&path) != sum_of(&place("wins")).as_ref() {
            wrong.push(format!(
                "{path} of another type is not that of the one that wins"
            ));
        }
    }
    // And of each other path of an image, what it has is seen, unless something above it clashes.
    let clashes: Vec<_> = (together["clashes"].as_array().unwrap().iter())
        .map(|clash| format!("/{}", clash["path"].as_str().unwrap()))
        .collect();
    for name in &order {
        let found = output_of(
            Command::new("find")
                .args([".", "-type", "f"])
                .current_dir(images.tree(name)),
        );
        for path in found.lines().map(|line| &line[1..]) {
            let below = |clash: &String| path == clash || path.starts_with(&format!("{clash}/"));
            let own = || sum_of(&images.tree(name).join(&path[1..]));
            if !clashes.iter().any(below) && files.get(path) != own().as_ref() {
                wrong.push(format!("{path} of {name} is not seen, and nothing said so"));
            }
        }
    }
    wrong.extend(compare_programs(answer, &listed, alone));
    wrong
}

/// Returns the paths of what breaks.
fn broken(breaks: &Value) -> BTreeSet<String> {
    let breaks = breaks.as_array().unwrap().iter();
    breaks
        .map(|one| one["path"].as_str().unwrap().to_owned())
        .collect()
}

/// Compares what every program loads, and which of them break.
fn compare_programs(
    answer: &Value,
    listed: &BTreeMap<String, Listed>,
    alone: &BTreeMap<String, Listed>,
) -> Vec<String> {
    let together = &answer["together"][0];
    let mut wrong = Vec::new();
    let ours: BTreeMap<&str, BTreeMap<String, String>> =
        (together["programs"].as_array().unwrap().iter())
            .map(|one| {
                let libraries = one["libraries"].as_object().unwrap().iter();
                let libraries = libraries
                    .map(|(name, found)| (name.clone(), found["path"].as_str().unwrap().to_owned()))
                    .collect();
                (one["path"].as_str().unwrap(), libraries)
            })
            .collect();
    let mut breaks = BTreeSet::new();
    for image in answer["images"].as_array().unwrap() {
        breaks.extend(broken(&image["hosts"][0]["breaks"]));
    }
    let base_breaks = broken(&together["base_breaks"]);
    for (path, real) in listed {
        let nothing = BTreeMap::new();
        let ours = ours.get(path.as_str()).unwrap_or(&nothing);
        if !real.gave_up && *ours != real.libraries {
            wrong.push(format!("{path} loads {:?}, not {ours:?}", real.libraries));
        }
        let (ours, real) = match alone.get(path) {
            // What was broken before is no news.
            Some(before) => (base_breaks.contains(path), real.breaks && !before.breaks),
            None => (breaks.contains(path), real.breaks),
        };
        if ours != real {
            wrong.push(format!("{path} breaks: {real}, not {ours}"));
        }
    }
    wrong
}

/// What of a set is told by its files alone.
const OF_FILES: [&str; 4] = [
    "image-conflict",
    "cache-hidden",
    "directory-mode",
    "directory-access",
];

/// Returns the findings of these kinds, as `id: text`.
fn told(findings: &Value, ids: &[&str]) -> BTreeSet<String> {
    let findings = findings.as_array().unwrap().iter();
    findings
        .filter(|one| ids.contains(&one["id"].as_str().unwrap()))
        .map(|one| {
            format!(
                "{}: {}",
                one["id"].as_str().unwrap(),
                one["text"].as_str().unwrap()
            )
        })
        .collect()
}

/// Returns the names of the libraries that programs get from elsewhere, by image and program.
fn changes(set: &Value) -> BTreeSet<(String, String, String)> {
    let changes = set["changes"].as_array().unwrap().iter();
    let told = changes.filter(|one| !one["before"].is_null() && !one["after"].is_null());
    told.map(|one| {
        let of = one["of"]
            .as_u64()
            .map(|index| &set["order"][usize::try_from(index).unwrap()]);
        let of = of.and_then(Value::as_str).unwrap_or_default().to_owned();
        let word = |key: &str| one[key].as_str().unwrap().to_owned();
        (of, word("program"), word("name"))
    })
    .collect()
}

/// Every image of the set is built with every other one, over the base: it brings what `check` says
/// of the two, but for what it says of the other one and an image of nothing.
#[test(OVERLAID)]
fn a_new_image_is_judged_as_check_judges_the_set() {
    let (images, bases, mut names) = workshop();
    let base = &bases[0];
    // One whose library takes the place of another image's that its program needs.
    let tree = images.tree("zz");
    images.library(&tree, "", "libx.so.1", &["X_1"], &[]);
    let x = images.tree("x10").join("usr").join(&images.libraries);
    let mut images = images;
    images.program("x10", "x10-new", "f_X_2", &[&x.join("libx.so.1")], &[]);
    names.push("zz".to_owned());
    fs::create_dir_all(images.tree("0").join("usr")).unwrap();
    let nothing = images.image("0");
    let raws: Vec<_> = names.iter().map(|name| images.image(name)).collect();
    let check = |raws: [&Path; 2], more: &[&str]| {
        let mut check = program();
        check.args(["check", "--json", "--base"]).arg(base);
        json(&check.args(raws).args(more).output().unwrap())
    };
    let mut broke = 0;
    let build = |name: &str, more: &[&str]| {
        let mut build = program();
        build.args(["--match", "any", "--image-version", "1", "--name", name]);
        build
            .arg("--overlay")
            .arg(images.tree(name))
            .arg("--base")
            .arg(base);
        build
            .arg("-o")
            .arg(images.scratch.join(&format!("store/{name}")));
        build.args(["--replace", "--json"]).args(more);
        for id in OF_FILES
            .iter()
            .chain(&["shadows-base", "base-breaks", "unchecked-base"])
        {
            build.args(["--allow", id]);
        }
        for id in [
            "soname-missing",
            "symbol-version-missing",
            "library-unloadable",
        ] {
            build.args(["--allow", id]);
        }
        build.output().unwrap()
    };
    for (name, raw) in names.iter().zip(&raws) {
        for (other, other_raw) in names.iter().zip(&raws) {
            if name == other {
                continue;
            }
            let case = format!("{name} with {other}");
            let with = other_raw.display().to_string();
            let outcome = build(name, &["--with", &with]);
            let answer = json(&outcome);
            assert!(outcome.status.success(), "{case}: {answer}");
            let with = serde_json::json!({"images": [format!("{other}.raw")], "loads": true});
            assert_eq!(answer["with"], with, "{case}");
            let (both, each) = (
                check([raw, other_raw], &[]),
                check([raw, other_raw], &["--each"]),
            );
            let set = &both["together"][0];
            let without = &check([&nothing, other_raw], &[])["together"][0];
            let expected = told(&set["findings"], &OF_FILES);
            assert_eq!(told(&answer["findings"], &OF_FILES), expected, "{case}");
            let before = changes(without);
            let libraries: BTreeSet<_> = (changes(set).into_iter())
                .filter(|one| !before.contains(one))
                .map(|(.., library)| library)
                .collect();
            let said = told(&answer["findings"], &["loads-another"]);
            let said: BTreeSet<_> = said
                .iter()
                .map(|text| text.split(' ').nth(1).unwrap().to_owned())
                .collect();
            assert_eq!(said, libraries, "{case}");
            let base_breaks = |set: &Value| broken(&set["base_breaks"]);
            let is_news = !base_breaks(set).is_subset(&base_breaks(without));
            let said = told(&answer["findings"], &["base-breaks"]);
            assert_eq!(!said.is_empty(), is_news, "{case}");
            // What breaks of either that runs without the other one.
            let of_other = format!("{other}, once {name} is merged, too: ");
            let of_own = format!("once it is merged with {other}: ");
            for (image, start) in [(0, of_own), (1, of_other)] {
                let breaks =
                    |answer: &Value| broken(&answer["images"][image]["hosts"][0]["breaks"]);
                let is_news = !breaks(&both).is_subset(&breaks(&each));
                let said = answer["findings"].to_string().contains(&start);
                assert_eq!(said, is_news, "{case}: {}", answer["findings"]);
                broke += u32::from(is_news);
            }
        }
    }
    assert!(broke > 0);
}
