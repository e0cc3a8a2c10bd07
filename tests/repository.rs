//! Repositories in directories, and what `--repo` can name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use judges::{Need, corpus};
use rpm_input::repodata::{Kind, Primary, Repomd};

use crate::fixture_repository::{self, BASE, Desk, Listed, NOARCH, ZSTD, plain, usual};
use crate::workshop::{Scratch, digest, names, output_of, text};

#[test]
fn a_directory_with_metadata_is_read_once() {
    let desk = Desk::new();
    let repo = fixture_repository::write(&desk.scratch.join("repo"), &usual());
    let repo = repo.to_str().unwrap().to_owned();
    let outcome = desk.command(&repo, &["hello-noarch"]).output().unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    assert!(
        said.contains(&format!("repo      {repo}: 4 packages\n")),
        "{said}"
    );
    let reason =
        "payload-zstd-1-1.noarch  (payload-zstd needed by hello-noarch-2:0.5^git3-1.noarch)";
    assert!(said.contains(reason), "{said}");
    assert!(
        desk.store().iter().any(|name| name.ends_with(".raw")),
        "{:?}",
        desk.store()
    );
    let catalogs = names(&desk.scratch.join("cache/catalogs"));
    assert_eq!(catalogs.len(), 1, "{catalogs:?}");

    // The second run needs no primary file; the third makes the catalog again.
    fs::remove_file(format!("{repo}/repodata/primary.xml.gz")).unwrap();
    let outcome = desk
        .command(&repo, &["--dry-run", "hello-noarch"])
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    fs::write(
        desk.scratch.join("cache/catalogs").join(&catalogs[0]),
        b"damaged",
    )
    .unwrap();
    let outcome = desk
        .command(&repo, &["--dry-run", "hello-noarch"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(3));
    assert!(text(&outcome.stderr).contains("primary.xml.gz"));
    assert_eq!(
        names(&desk.scratch.join("cache/partial")),
        Vec::<String>::new()
    );
}

#[test]
fn the_same_by_every_name() {
    let desk = Desk::new();
    let repo = fixture_repository::write(&desk.scratch.join("repo dir"), &usual());
    let path = repo.to_str().unwrap();
    let url = format!("file://{}", path.replace(' ', "%20"));
    let file = desk.scratch.join("test.repo");
    fs::write(&file, format!("[x]\nbaseurl={url}\n[off]\nenabled=0\n")).unwrap();
    let file = file.to_str().unwrap();
    let named = format!("main={path},priority=1");
    for (value, name) in [(path, path), (&url, path), (file, "x"), (&named, "main")] {
        let outcome = desk
            .command(value, &["--dry-run", "hello-noarch"])
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{value}: {said}");
        assert!(
            said.contains(&format!("repo      {name}: 4 packages")),
            "{value}: {said}"
        );
    }
    assert_eq!(desk.store(), Vec::<String>::new());
}

#[test]
fn paths_are_looked_up_in_file_lists() {
    let desk = Desk::new();
    let first = Listed {
        requires: &["/usr/share/first"],
        ..plain(NOARCH)
    };
    // What has the path requires another one.
    let second = Listed {
        requires: &["/usr/share/second"],
        paths: &["/usr/share/other", "/usr/share/first"],
        ..plain(ZSTD)
    };
    let third = Listed {
        paths: &["/usr/share/second"],
        ..plain(fixture_repository::CLASH)
    };
    let packages = [first, second, third, plain(BASE)];
    let repo = fixture_repository::write(&desk.scratch.join("repo"), &packages);
    let repo = repo.to_str().unwrap();
    let outcome = desk
        .command(repo, &["--dry-run", "hello-noarch"])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    for reason in [
        "payload-zstd-1-1.noarch  (/usr/share/first needed by hello-noarch-",
        "clash-one-1-1.noarch  (/usr/share/second needed by payload-zstd-1-1.noarch)",
    ] {
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn the_lower_priority_wins() {
    let desk = Desk::new();
    // The same package in both; one of them lists it where it is not.
    let good = fixture_repository::write(&desk.scratch.join("good"), &usual());
    let bad = fixture_repository::write(&desk.scratch.join("bad"), &usual());
    fs::remove_dir_all(bad.join("packages")).unwrap();
    let (good, bad) = (good.display(), bad.display());
    for (good_priority, bad_priority, code) in [(1, 2, Some(0)), (2, 1, Some(3))] {
        let first = format!("good={good},priority={good_priority}");
        let second = format!("bad={bad},priority={bad_priority}");
        let more = ["--repo", &second, "--dry-run", "hello-noarch"];
        let outcome = desk.command(&first, &more).output().unwrap();
        assert_eq!(outcome.status.code(), code, "{}", text(&outcome.stderr));
    }
}

#[test]
fn files_that_are_not_the_listed_ones() {
    for (damage, code, words) in [
        ("package", 1, "but the repository says"),
        ("length", 1, "bytes, but the repository says"),
        (
            "swap",
            1,
            "lists hello-noarch-2:0.5^git3-1.noarch, but the file is payload-zstd-1-1.noarch",
        ),
        ("gone", 3, "lists it, but it is missing"),
        ("primary", 1, "primary.xml.gz"),
        (
            "outside",
            1,
            "name ../evil.rpm, which is outside the repository",
        ),
        (
            "bomb",
            1,
            "it is longer than the 100 bytes that repomd.xml says",
        ),
        ("broken", 1, "primary.xml.gz: at byte "),
        ("doctype", 1, "it has a document type"),
        ("list", 1, "repomd.xml: at byte "),
        ("no primary", 1, "lists no primary metadata"),
    ] {
        let desk = Desk::new();
        let repo = fixture_repository::write(&desk.scratch.join("repo"), &usual());
        let package = repo.join("packages").join(NOARCH);
        let list = repo.join("repodata/repomd.xml");
        let primary = repo.join("repodata/primary.xml.gz");
        let rewrite = |from: &str, to: &str| {
            let text = fs::read_to_string(&list).unwrap();
            assert!(text.contains(from), "{text}");
            fs::write(&list, text.replacen(from, to, 1)).unwrap();
        };
        let xml = "<metadata><package type='rpm'><name>hello-noarch</name><arch>noarch</arch>\
             <version ver='0.5^git3' epoch='2' rel='1'/><checksum type='md5'>\
             d41d8cd98f00b204e9800998ecf8427e</checksum><location href='../evil.rpm'/></package>\
             </metadata>";
        match damage {
            "package" => {
                let mut bytes = fs::read(&package).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&package, bytes).unwrap();
            }
            "length" => fs::write(&package, b"short").unwrap(),
            "swap" => {
                // The list names another package's file and checksum.
                let bytes = fs::read(crate::workshop::fixture(ZSTD)).unwrap();
                let xml = xml.replace("../evil.rpm", &format!("packages/{ZSTD}"));
                let sum = digest(&bytes);
                let xml = xml
                    .replace("md5", "sha256")
                    .replace("d41d8cd98f00b204e9800998ecf8427e", &sum);
                fixture_repository::put_metadata(&repo, &xml, "<filelists/>");
            }
            "gone" => fs::remove_file(&package).unwrap(),
            "primary" => {
                let mut bytes = fs::read(&primary).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(&primary, bytes).unwrap();
            }
            "outside" => fixture_repository::put_metadata(&repo, xml, "<filelists/>"),
            "bomb" => {
                let bomb = format!("<metadata>{}</metadata>", " ".repeat(50 << 20));
                fixture_repository::put_metadata(&repo, &bomb, "<filelists/>");
                let length = format!("<open-size>{}<", bomb.len());
                rewrite(&length, "<open-size>100<");
            }
            "broken" => fixture_repository::put_metadata(
                &repo,
                "<metadata><package></metadata>",
                "<filelists/>",
            ),
            "doctype" => {
                let xml = format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{xml}");
                fixture_repository::put_metadata(&repo, &xml, "<filelists/>");
            }
            "list" => fs::write(&list, b"<repomd><data").unwrap(),
            _ => rewrite("\"primary\"", "\"secondary\""),
        }
        let outcome = desk
            .command(repo.to_str().unwrap(), &["hello-noarch"])
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{damage}: {said}");
        assert!(said.contains(words), "{damage}: {said}");
        assert_eq!(fixture_repository::errors(&said), 1, "{damage}: {said}");
        assert_eq!(desk.store(), Vec::<String>::new(), "{damage}");
        // With the repository put right, the same cache serves.
        fixture_repository::write(&repo, &usual());
        let outcome = desk
            .command(repo.to_str().unwrap(), &["hello-noarch"])
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{damage}: {}",
            text(&outcome.stderr)
        );
    }
}

#[test]
fn what_is_no_repository() {
    let desk = Desk::new();
    fs::create_dir(desk.scratch.join("empty")).unwrap();
    let empty = desk.scratch.join("empty").display().to_string();
    let file = desk.scratch.join("mirror.repo");
    fs::write(&file, "[a]\nmirrorlist=example.invalid\n").unwrap();
    let file = file.display().to_string();
    let twice = format!("{empty},priority=1");
    for (values, code, words) in [
        (&["/nosuch"][..], 3, "reading /nosuch"),
        (&[&empty], 1, "has no *.rpm"),
        (&["ftp://example.invalid/"], 2, "ftp URLs are not supported"),
        (
            &[&file],
            1,
            "[a]: mirrorlist \"example.invalid\" is not a URL",
        ),
        (&[&empty, &twice], 2, "two repositories have the name"),
        (
            &["http://example.invalid/$infra/"],
            2,
            "unknown variable $infra",
        ),
    ] {
        let mut more = vec!["hello-noarch"];
        for value in &values[1..] {
            more.extend(["--repo", value]);
        }
        let outcome = desk.command(values[0], &more).output().unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{values:?}: {said}");
        assert!(said.contains(words), "{values:?}: {said}");
    }
}

/// A package as two readers tell it: length and checksum of its file, and its dependencies.
type Told = (String, String, BTreeSet<(String, String)>);

const METADATA: Need = corpus("repodata");

#[test(programs!("rpmmd2solv", "dumpsolv"), METADATA)]
fn real_metadata_are_what_libsolv_reads() {
    let scratch = Scratch::new();
    for repository in ["cs9-baseos-2022", "sle15-offline/Module-Basesystem"] {
        let directory = METADATA.path().join(repository);
        let list = fs::read(directory.join("repodata/repomd.xml")).unwrap();
        let list = Repomd::parse(&list, "repomd.xml").unwrap();
        let listed = list.file(&Kind::Primary).unwrap();
        let path = directory.join(&listed.location);
        let file = fs::File::open(&path).unwrap();
        let mut primary = Primary::open(Box::new(file), "primary.xml", listed).unwrap();
        let mut ours: BTreeMap<String, Told> = BTreeMap::new();
        while let Some(package) = primary.next_package().unwrap() {
            let evr = evr(package.epoch, &package.version, &package.release);
            let entries = package.entries.iter().map(|entry| {
                let relation = format!("{:?}", entry.relation).to_lowercase();
                let range = match entry.sense.comparison() {
                    "" => String::new(),
                    sign => format!(
                        " {sign} {}",
                        self::evr(entry.epoch, &entry.version, &entry.release)
                    ),
                };
                (relation, format!("{}{range}", entry.name))
            });
            let told = (
                package.size.to_string(),
                package.checksum.hex().to_owned(),
                entries.collect(),
            );
            ours.insert(format!("{}-{evr}.{}", package.name, package.arch), told);
        }
        let solv = scratch.join("primary.solv");
        let script = "zcat \"$0\" | rpmmd2solv > \"$1\" && dumpsolv \"$1\"";
        let dump = output_of(
            Command::new("sh")
                .args(["-c", script])
                .arg(&path)
                .arg(&solv),
        );
        let theirs = libsolvs(&dump);
        assert_eq!(theirs.len(), ours.len(), "{repository}");
        for (nevra, (size, checksum, dependencies)) in &ours {
            let theirs = &theirs[nevra];
            assert_eq!(
                (&theirs.0, &theirs.1),
                (size, checksum),
                "{repository}: {nevra}"
            );
            let (theirs, ours) = (compared(&theirs.2), compared(dependencies));
            assert_eq!(theirs, ours, "{repository}: {nevra}");
        }
    }
}

/// Returns what both readers print alike: libsolv makes provides of files that someone requires,
/// leaves out what it takes for granted, and has its own notation for rich dependencies, hardware
/// and languages.
fn compared(dependencies: &BTreeSet<(String, String)>) -> BTreeSet<&(String, String)> {
    const OPERATORS: [&str; 9] = [
        " | ", " & ", " AND ", " OR ", " IF ", " UNLESS ", " + ", " - ", " ELSE ",
    ];
    let is_rich = |entry: &str| {
        entry.starts_with('(') || OPERATORS.iter().any(|operator| entry.contains(operator))
    };
    let is_own = |(list, entry): &&(String, String)| match list.as_str() {
        _ if is_rich(entry) => true,
        "provides" => entry.starts_with('/') || entry.starts_with("locale("),
        "supplements" => entry.contains('('),
        "requires" => entry.starts_with("rpmlib(") || entry.starts_with("libc.so.6"),
        _ => false,
    };
    dependencies.iter().filter(|one| !is_own(one)).collect()
}

fn evr(epoch: Option<u32>, version: &str, release: &str) -> String {
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let release = if release.is_empty() {
        String::new()
    } else {
        format!("-{release}")
    };
    format!("{epoch}{version}{release}")
}

/// Reads what `dumpsolv` prints: a block for each package, lists set in below their names.
fn libsolvs(dump: &str) -> BTreeMap<String, Told> {
    let mut packages = BTreeMap::new();
    for block in dump.split("\nsolvable ").skip(1) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).unwrap_or_default()
        };
        let mut dependencies = BTreeSet::new();
        let mut list = None;
        for line in block.lines() {
            match line.strip_prefix("  ") {
                None => {
                    let name = line
                        .strip_prefix("solvable:")
                        .and_then(|name| name.strip_suffix(':'));
                    list = name.filter(|name| *name != "filelist");
                }
                Some(entry) if !entry.ends_with("marker") => {
                    // Built for Debian, it writes signs as dpkg does.
                    let entry = entry.strip_prefix("namespace:").unwrap_or(entry);
                    let entry = entry.replace(" << ", " < ").replace(" >> ", " > ");
                    dependencies.extend(list.map(|list| (list.to_owned(), entry)));
                }
                Some(_) => {}
            }
        }
        let (name, arch) = (field("solvable:name:"), field("solvable:arch:"));
        let nevra = format!("{name}-{}.{arch}", field("solvable:evr:"));
        let checksum = field("solvable:checksum:").split(' ').next().unwrap();
        let told = (
            field("solvable:downloadsize:").to_owned(),
            checksum.to_owned(),
            dependencies,
        );
        packages.insert(nevra, told);
    }
    packages
}
