//! Tests of the store as a whole, in directories below the system's temporary one.

mod archive;
mod attached;
mod bounds;
mod failure;
mod join;
mod kill;
mod ledger;
mod listed;
mod newest;
mod signature;
mod verify;
pub(crate) mod workshop;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use workshop::{Scratch, add, content, filled, gzip, hex, manifest, publication, sha256, sign};

use crate::directory::Directory;
use crate::{Added, Entry, Error, Listing, Publication, Store, SumsProblem, Temporary};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn replace(store: &Store, name: &str, stem: &str, bytes: &[u8]) -> Result<Added, Error> {
    store.add(
        publication(store, name, stem, bytes, true),
        Listing::default(),
    )
}

/// The text of a list of these files.
fn list(files: &[(&str, &[u8])]) -> Vec<u8> {
    let line = |(name, bytes): &(&str, &[u8])| format!("{}  {name}\n", hex(bytes));
    files.iter().map(line).collect::<String>().into_bytes()
}

/// A list without the line that has its number.
fn without_number(list: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(list).unwrap();
    let lines = text.split_inclusive('\n');
    let lines: String = lines.filter(|line| !line.contains("  SERIAL-")).collect();
    lines.into_bytes()
}

#[test]
fn opening_makes_no_file_and_checks_the_directory() {
    let scratch = Scratch::new();
    let store = scratch.store();
    assert_eq!(store.entries().unwrap(), []);
    let temporary = store.temporary().unwrap();
    assert_eq!(scratch.content(), BTreeMap::new());
    drop(temporary);

    scratch.write("file", b"");
    let said = |name: &str| Store::open(&scratch.0.join(name)).unwrap_err().to_string();
    let directory = scratch.0.display();
    assert_eq!(
        said("missing"),
        format!("can't open directory {directory}/missing")
    );
    assert_eq!(
        said("file"),
        format!("{directory}/file is a file, not a directory")
    );
    let made = scratch.0.join("a/b");
    assert_eq!(Store::create(&made).unwrap().dir(), made);
    assert_eq!(Store::create(&made).unwrap().dir(), made);
}

#[test]
fn adds_files_and_list() {
    let scratch = Scratch::new();
    let store = scratch.store();
    assert_eq!(add(&store, "b", "b-1", b"image b").unwrap(), Added::New);
    assert_eq!(add(&store, "a", "a-1", b"image a").unwrap(), Added::New);
    let files: [(&str, &[u8]); 4] = [
        ("a-1.manifest.gz", &manifest("a")),
        ("a-1.raw", b"image a"),
        ("b-1.manifest.gz", &manifest("b")),
        ("b-1.raw", b"image b"),
    ];
    let mut expected: BTreeMap<_, _> = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), Some(bytes.to_vec())))
        .collect();
    expected.insert("SHA256SUMS".to_owned(), Some(list(&files)));
    assert_eq!(scratch.content(), expected);
    let entries = files.map(|(name, bytes)| Entry {
        name: name.to_owned(),
        sha256: sha256(bytes),
    });
    assert_eq!(store.entries().unwrap(), entries);
}

#[test]
fn what_is_there_decides() {
    let same: &[u8] = b"image";
    let of_a = &manifest("a");
    let lists = |bytes| list(&[("a-1.manifest.gz", of_a), ("a-1.raw", bytes)]);
    for (about, image, listed, result, replaced) in [
        ("nothing", None, None, "New", Added::New),
        (
            "all",
            Some(same),
            Some(lists(same)),
            "Unchanged",
            Added::Unchanged,
        ),
        ("not listed", Some(same), None, "New", Added::New),
        ("lost", None, Some(lists(same)), "New", Added::New),
        (
            "wrong list",
            Some(same),
            Some(lists(b"other")),
            "New",
            Added::New,
        ),
        (
            "other",
            Some(b"other"),
            Some(lists(b"other")),
            "exists",
            Added::Replaced,
        ),
        (
            "other, not listed",
            Some(b"longer"),
            None,
            "exists",
            Added::Replaced,
        ),
        (
            "damaged",
            Some(b"imagE"),
            Some(lists(same)),
            "exists",
            Added::Replaced,
        ),
        (
            "cut",
            Some(b"ima"),
            Some(lists(same)),
            "exists",
            Added::Replaced,
        ),
    ] {
        for is_replacing in [false, true] {
            let scratch = Scratch::new();
            let store = scratch.store();
            if let Some(bytes) = image {
                scratch.write("a-1.raw", bytes);
                scratch.write("a-1.manifest.gz", of_a);
            }
            if let Some(listed) = &listed {
                scratch.write("SHA256SUMS", listed);
            }
            let before = scratch.content();
            let added = store.add(
                publication(&store, "a", "a-1", same, is_replacing),
                Listing::default(),
            );
            let path = scratch.0.join("a-1.raw");
            let expected = match (is_replacing, result) {
                (true, _) => Ok(replaced),
                (false, "New") => Ok(Added::New),
                (false, "Unchanged") => Ok(Added::Unchanged),
                (false, _) => Err(format!("{} exists with different contents", path.display())),
            };
            assert_eq!(added.map_err(|e| e.to_string()), expected, "{about}");
            let after = scratch.content();
            if expected.is_err() {
                assert_eq!(after, before, "{about}");
                continue;
            }
            assert_eq!(after["a-1.raw"].as_deref(), Some(same), "{about}");
            let text = &after["SHA256SUMS"];
            assert_eq!(text.as_deref(), Some(&*lists(same)), "{about}");
            assert_eq!(after.len(), 3, "{about}: {:?}", after.keys());
        }
    }
}

#[test]
fn an_unchanged_store_is_not_written_to() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "a", "a-1", b"image").unwrap();
    let inode = |name| fs::metadata(scratch.0.join(name)).unwrap().ino();
    let before = ["SHA256SUMS", "a-1.raw"].map(inode);
    assert_eq!(
        replace(&store, "a", "a-1", b"image").unwrap(),
        Added::Unchanged
    );
    assert_eq!(["SHA256SUMS", "a-1.raw"].map(inode), before);
}

#[test]
fn a_manifest_with_other_bytes_is_named() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "a", "a-1", b"image").unwrap();
    scratch.write("a-1.manifest.gz", b"other");
    let before = scratch.content();
    let error = add(&store, "a", "a-1", b"image").unwrap_err();
    assert!(
        matches!(&error, Error::Exists { path } if path.ends_with("a-1.manifest.gz")),
        "{error}"
    );
    assert_eq!(scratch.content(), before);
}

#[test]
fn links_and_directories_are_other_bytes() {
    let scratch = Scratch::new();
    let store = scratch.store();
    scratch.write("target", b"image");
    symlink("target", scratch.0.join("a-1.raw")).unwrap();
    assert!(matches!(
        add(&store, "a", "a-1", b"image"),
        Err(Error::Exists { .. })
    ));
    assert_eq!(
        replace(&store, "a", "a-1", b"image").unwrap(),
        Added::Replaced
    );
    let stat = fs::symlink_metadata(scratch.0.join("a-1.raw")).unwrap();
    assert!(stat.is_file());
}

#[test]
fn lines_of_others_are_kept() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let foreign = format!(
        "{EMPTY}  BEST-BEFORE-2030-01-31\n{} *zz.tar\n",
        EMPTY.to_uppercase()
    );
    scratch.write("SHA256SUMS", foreign.as_bytes());
    add(&store, "a", "a-1", b"image").unwrap();
    let expected = list(&[
        ("BEST-BEFORE-2030-01-31", b""),
        ("a-1.manifest.gz", &manifest("a")),
        ("a-1.raw", b"image"),
        ("zz.tar", b""),
    ]);
    assert_eq!(fs::read(scratch.0.join("SHA256SUMS")).unwrap(), expected);
}

#[test]
fn a_list_that_systemd_refuses_is_never_rewritten() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let text = format!("{EMPTY}  a.tar\n# comment\n");
    scratch.write("SHA256SUMS", text.as_bytes());
    let before = scratch.content();
    let error = replace(&store, "a", "a-1", b"image").unwrap_err();
    let problem = SumsProblem::Comment;
    assert!(matches!(&error, Error::Sums { line: 2, problem: p, .. } if *p == problem));
    assert_eq!(
        error.to_string(),
        format!(
            "{}/SHA256SUMS, line 2: comments are not part of the format; systemd refuses the \
             whole store for such a line, so correct or remove it",
            scratch.0.display()
        )
    );
    assert!(matches!(store.entries(), Err(Error::Sums { .. })));
    assert_eq!(scratch.content(), before);
}

#[test]
fn a_list_that_is_no_file_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store();
    scratch.write("target", b"");
    symlink("target", scratch.0.join("SHA256SUMS")).unwrap();
    let added = add(&store, "a", "a-1", b"image");
    assert!(matches!(added, Err(Error::File(_))), "{added:?}");
    fs::remove_file(scratch.0.join("SHA256SUMS")).unwrap();
    fs::create_dir(scratch.0.join("SHA256SUMS")).unwrap();
    let added = add(&store, "a", "a-1", b"image");
    assert!(matches!(added, Err(Error::File(_))), "{added:?}");
}

#[test]
fn no_name_beginning_with_an_image_is_listed() {
    for listed in ["a-1.raw.json", "a-1.rawhide"] {
        let scratch = Scratch::new();
        scratch.write("SHA256SUMS", &list(&[(listed, b"")]));
        let before = scratch.content();
        let error = add(&scratch.store(), "a", "a-1", b"image").unwrap_err();
        assert!(
            matches!(&error, Error::ImagePrefix { image, longer, .. }
                if image == "a-1.raw" && longer == listed),
            "{error}"
        );
        assert_eq!(scratch.content(), before);
    }
}

#[test]
fn names_that_clients_cannot_take() {
    for (name, image, manifest, is_name) in [
        ("a:b", "a-1.raw", "a-1.manifest.gz", true),
        ("", "a-1.raw", "a-1.manifest.gz", true),
        ("a", "../a-1.raw", "a-1.manifest.gz", true),
        ("a", "a-1.raw", "SHA256SUMS", true),
        ("a", "a-1.raw", "a-1.raw.json", false),
        ("a", "a-1.raw", "a-2.manifest.gz", false),
        ("a", "a-1.img", "a-1.manifest.gz", false),
        ("a", "a.raw", "a.manifest.gz", false),
        ("a", "b-1.raw", "b-1.manifest.gz", false),
        ("a", "ab-1.raw", "ab-1.manifest.gz", false),
    ] {
        let scratch = Scratch::new();
        let store = scratch.store();
        let mut publication = publication(&store, name, "x", b"", false);
        publication.image.0 = image.to_owned();
        publication.manifest.0 = manifest.to_owned();
        let error = store.add(publication, Listing::default()).unwrap_err();
        assert_eq!(matches!(error, Error::Name { .. }), is_name, "{error}");
        assert_eq!(
            matches!(error, Error::FileNames { .. }),
            !is_name,
            "{error}"
        );
        assert_eq!(scratch.content(), BTreeMap::new());
    }
}

#[test]
fn colliding_extensions() {
    // Listed extension and stem, added extension and stem, and who collides: general, special,
    // image.
    for (listed, added, expected) in [
        (("gcc", "gcc-14-1"), ("gcc", "gcc-15-1"), None),
        (("gcc", "gcc-14-1"), ("gccgo", "gccgo-14-1"), None),
        (
            ("gcc", "gcc-14-1"),
            ("gcc-32bit", "gcc-32bit-14-1"),
            Some(("gcc", "gcc-32bit", "gcc-32bit-14-1.raw")),
        ),
        (
            ("gcc-32bit", "gcc-32bit-14-1"),
            ("gcc", "gcc-14-1"),
            Some(("gcc", "gcc-32bit", "gcc-32bit-14-1.raw")),
        ),
        // Siblings: neither pattern fits the other.
        (("gcc-a", "gcc-a-1"), ("gcc-b", "gcc-b-1"), None),
        // A version that begins with a letter is not taken for a part of the name.
        (("gcc", "gcc-git5-1"), ("gcc", "gcc-git6-1"), None),
        (
            ("gcc", "gcc-git5-1"),
            ("gcc-git5", "gcc-git5-2"),
            Some(("gcc-git5", "gcc", "gcc-git5-1.raw")),
        ),
    ] {
        let scratch = Scratch::new();
        let store = scratch.store();
        add(&store, listed.0, listed.1, b"listed").unwrap();
        let before = scratch.content();
        let found = replace(&store, added.0, added.1, b"added");
        let Some(expected) = expected else {
            assert_eq!(found.unwrap(), Added::New, "{added:?} beside {listed:?}");
            continue;
        };
        let error = found.unwrap_err();
        let Error::NameCollision {
            general,
            special,
            image,
            ..
        } = &error
        else {
            panic!("{added:?} beside {listed:?}: {error}");
        };
        assert_eq!((&**general, &**special, &**image), expected);
        assert_eq!(scratch.content(), before);
    }
}

#[test]
fn images_without_a_manifest_go_by_their_file_name() {
    for (added, is_collision) in [("gcc", false), ("gcc-c++", true), ("gccgo", false)] {
        let scratch = Scratch::new();
        let store = scratch.store();
        scratch.write("gcc-14-1.raw", b"listed");
        scratch.write("SHA256SUMS", &list(&[("gcc-14-1.raw", b"listed")]));
        let found = add(&store, added, &format!("{added}-15-1"), b"added");
        let is_refused = matches!(found, Err(Error::NameCollision { .. }));
        assert_eq!(is_refused, is_collision, "{added}: {found:?}");
    }
}

#[test]
fn a_damaged_manifest_can_be_replaced() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "gcc", "gcc-1", b"image").unwrap();
    let good = scratch.content();
    scratch.write("gcc-1.manifest.gz", b"no gzip");
    assert_eq!(
        replace(&store, "gcc", "gcc-1", b"image").unwrap(),
        Added::Replaced
    );
    assert_eq!(scratch.content(), good);
}

#[test]
fn only_manifests_that_matter_are_read() {
    let scratch = Scratch::new();
    let store = scratch.store();
    for name in ["gcc", "gdb"] {
        add(&store, name, &format!("{name}-1"), b"image").unwrap();
        scratch.write(&format!("{name}-1.manifest.gz"), b"no gzip");
    }
    let error = add(&store, "gcc-c++", "gcc-c++-1", b"image").unwrap_err();
    assert!(
        matches!(&error, Error::Manifest { path, .. } if path.ends_with("gcc-1.manifest.gz")),
        "{error}"
    );
    add(&store, "strace", "strace-1", b"image").unwrap();
}

#[test]
fn temporaries_with_a_name_do_the_same() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let directory = Directory::open(&scratch.0).unwrap();
    let named = || Temporary::named(directory.fd()).unwrap();
    let publication = |bytes: &[u8], replace| Publication {
        name: "a".to_owned(),
        image: filled(named(), "a-1.raw".to_owned(), bytes),
        manifest: filled(named(), "a-1.manifest.gz".to_owned(), &manifest("a")),
        attached: Vec::new(),
        replace,
        allow_older: false,
    };
    let waiting = publication(b"one", false);
    assert_eq!(scratch.content().len(), 2);
    for name in scratch.content().keys() {
        assert!(
            name.starts_with(".sysext-build-") && name.ends_with(".tmp"),
            "{name}"
        );
    }
    drop(waiting);
    assert_eq!(scratch.content().len(), 0);

    assert_eq!(
        store
            .add(publication(b"one", false), Listing::default())
            .unwrap(),
        Added::New
    );
    assert_eq!(
        store
            .add(publication(b"one", false), Listing::default())
            .unwrap(),
        Added::Unchanged
    );
    assert!(matches!(
        store.add(publication(b"two", false), Listing::default()),
        Err(Error::Exists { .. })
    ));
    assert_eq!(
        store
            .add(publication(b"two", true), Listing::default())
            .unwrap(),
        Added::Replaced
    );
    let names: Vec<_> = scratch.content().into_keys().collect();
    assert_eq!(names, ["SHA256SUMS", "a-1.manifest.gz", "a-1.raw"]);

    let mut late = filled(named(), String::new(), b"late").1;
    let error = late.link(directory.fd(), "a-1.raw").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn what_a_kill_left_is_removed() {
    let scratch = Scratch::new();
    let store = scratch.store();
    for name in ["new", "old-image", "old-manifest"] {
        scratch.write(&format!(".sysext-build-{name}.tmp"), b"left");
    }
    add(&store, "a", "a-1", b"image").unwrap();
    let names: Vec<_> = scratch.content().into_keys().collect();
    assert_eq!(names, ["SHA256SUMS", "a-1.manifest.gz", "a-1.raw"]);
}

#[test]
fn threads_lose_no_line() {
    let scratch = Scratch::new();
    let store = scratch.store();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for version in 0..20 {
                    let name = format!("e{thread}");
                    let stem = format!("e{thread}-{version}");
                    let added = add(store, &name, &stem, stem.as_bytes()).unwrap();
                    assert_eq!(added, Added::New);
                }
            });
        }
    });
    let entries = store.entries().unwrap();
    assert_eq!(entries.len(), 8 * 20 * 2);
    let content = scratch.content();
    assert_eq!(content.len(), entries.len() + 1);
    for entry in entries {
        let bytes = content[&entry.name].as_deref().unwrap();
        assert_eq!(entry.sha256, sha256(bytes), "{}", entry.name);
    }
}

/// What a client sees, and what a kill at that moment would leave.
#[test]
fn no_list_has_the_hash_of_bytes_that_were_replaced() {
    let scratch = Scratch::new();
    let store = scratch.store();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for version in 0..200_u32 {
                replace(&store, "a", "a-1", &version.to_le_bytes()).unwrap();
            }
        });
        let read = |name| fs::read(scratch.0.join(name)).unwrap_or_default();
        while !writer.is_finished() {
            // No two versions have one list: the same before and after was there in between.
            let (before, image, after) = (read("SHA256SUMS"), read("a-1.raw"), read("SHA256SUMS"));
            let line = format!("{}  a-1.raw\n", hex(&image));
            let text = String::from_utf8(before.clone()).unwrap();
            assert!(
                before != after || !text.contains("a-1.raw") || text.ends_with(&line),
                "{text} has not {line}"
            );
        }
    });
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let scratch = Scratch::new();
    Store::create(&scratch.0.join("store")).unwrap();
    let status = Command::new("/bin/sh")
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "--quiet",
            "tests::child_with_a_umask",
        ])
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    for name in ["SHA256SUMS", "a-1.manifest.gz", "a-1.raw"] {
        let stat = fs::metadata(scratch.0.join("store").join(name)).unwrap();
        assert_eq!(stat.permissions().mode() & 0o7777, 0o644, "{name}");
    }
}

#[test]
#[ignore = "run by modes_do_not_depend_on_the_umask, in a directory with a store"]
fn child_with_a_umask() {
    let store = Store::open(Path::new("store")).unwrap();
    fs::write("made", b"").unwrap();
    let made = fs::metadata("made").unwrap();
    assert_eq!(made.permissions().mode() & 0o7777, 0o600);
    add(&store, "a", "a-1", b"image").unwrap();
}
