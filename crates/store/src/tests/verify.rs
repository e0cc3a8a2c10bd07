//! Each kind of finding, made to happen.

use std::fs;

use super::workshop::signing;
use super::{Scratch, filled, gzip, hex, list, sign, without_number};
use crate::directory::Directory;
use crate::{Examination, Listing, Publication, Severity, Store};

/// The manifest of `a` in a version whose package is of `evr`.
fn manifest(version: &str, evr: &str) -> String {
    format!(
        r#"{{"manifest_version":1,
            "config":{{"name":"a","version":"{version}","architecture":"x86-64"}},
            "packages":[{{"name":"a","version":"{evr}"}}],
            "extension":{{"ID":"_any","SYSEXT_VERSION_ID":"{version}","ARCHITECTURE":"x86-64"}}}}"#
    )
}

fn add(store: &Store, version: &str, evr: &str) {
    let stem = format!("a-{version}.x86-64");
    let json = gzip(manifest(version, evr).as_bytes());
    let temporary = || store.temporary().unwrap();
    let publication = Publication {
        name: "a".to_owned(),
        image: filled(temporary(), format!("{stem}.raw"), version.as_bytes()),
        manifest: filled(temporary(), format!("{stem}.manifest.gz"), &json),
        attached: Vec::new(),
        replace: false,
        allow_older: true,
    };
    let listing = Listing {
        signing: Some(signing()),
        best_before: Some("2030-01-31".parse().unwrap()),
        now: 0,
    };
    store.add(publication, listing).unwrap();
}

/// Puts other bytes under a name, and the list as it would be with them.
fn relist(scratch: &Scratch, name: &str, bytes: &[u8]) {
    scratch.write(name, bytes);
    let text = fs::read_to_string(scratch.0.join("SHA256SUMS")).unwrap();
    let others = text
        .lines()
        .filter(|line| !line.ends_with(&format!("  {name}")));
    let mut lines: Vec<_> = others.map(str::to_owned).collect();
    lines.push(format!("{}  {name}", hex(bytes)));
    let text = lines.join("\n") + "\n";
    scratch.write("SHA256SUMS", text.as_bytes());
    scratch.write("SHA256SUMS.gpg", &sign(text.as_bytes()).unwrap());
}

fn examine(store: &Store) -> Vec<crate::Finding> {
    let verdict = store.verify(&Examination {
        workers: 3,
        check_signature: Some(&|list, signature| {
            let is_good = signature == sign(list).unwrap();
            is_good
                .then_some(())
                .ok_or_else(|| "is not of it".to_owned())
        }),
        now: 0,
        look_inside: None,
        progress: &|done, total| assert!(done <= total),
    });
    verdict.unwrap().findings
}

type Damage = fn(&Scratch);

#[test]
fn each_kind_of_finding() {
    let damages: [(&str, &str, Damage); 18] = [
        ("", "", |_| {}),
        ("list-unreadable", "SHA256SUMS", |s| {
            s.write("SHA256SUMS", b"# images\n");
            s.write("SHA256SUMS.gpg", &sign(b"# images\n").unwrap());
        }),
        ("list-prefix", "a-2.x86-64.raw.json", |s| {
            relist(s, "a-2.x86-64.raw.json", b"{}")
        }),
        ("file-missing", "a-1.x86-64.raw", |s| {
            fs::remove_file(s.0.join("a-1.x86-64.raw")).unwrap();
        }),
        ("digest-mismatch", "a-1.x86-64.raw", |s| {
            s.write("a-1.x86-64.raw", b"2")
        }),
        ("name-unusable", "b,-1.x86-64.raw", |s| {
            relist(s, "b,-1.x86-64.raw", b"")
        }),
        ("pattern-collision", "a-b-1.x86-64.raw", |s| {
            let json = manifest("1", "1").replace("\"name\":\"a\"", "\"name\":\"a-b\"");
            relist(s, "a-b-1.x86-64.raw", b"");
            relist(s, "a-b-1.x86-64.manifest.gz", &gzip(json.as_bytes()));
        }),
        ("version-unseen", "a-1~rc1.x86-64.raw", |s| {
            add(&s.store(), "1~rc1", "1~rc1")
        }),
        ("newest-differs", "a-3.x86-64.raw", |s| {
            add(&s.store(), "3", "0.5")
        }),
        ("order-differs", "a-1.5.x86-64.raw", |s| {
            add(&s.store(), "1.5", "0.5")
        }),
        ("manifest-missing", "b-1.x86-64.raw", |s| {
            relist(s, "b-1.x86-64.raw", b"")
        }),
        ("manifest-invalid", "a-1.x86-64.manifest.gz", |s| {
            relist(s, "a-1.x86-64.manifest.gz", &gzip(b"{}"));
        }),
        ("manifest-mismatch", "a-1.x86-64.manifest.gz", |s| {
            relist(
                s,
                "a-1.x86-64.manifest.gz",
                &gzip(manifest("7", "7").as_bytes()),
            );
        }),
        ("signature-invalid", "SHA256SUMS.gpg", |s| {
            s.write("SHA256SUMS.gpg", b"other")
        }),
        ("signature-missing", "SHA256SUMS.gpg", |s| {
            fs::remove_file(s.0.join("SHA256SUMS.gpg")).unwrap()
        }),
        ("unsigned", "SHA256SUMS", |s| {
            fs::remove_file(s.0.join("SHA256SUMS.gpg")).unwrap();
            let list = fs::read(s.0.join("SHA256SUMS")).unwrap();
            s.write("SHA256SUMS", &without_number(&list));
        }),
        ("not-listed", "c-1.x86-64.raw", |s| {
            s.write("c-1.x86-64.raw", b"")
        }),
        ("stray", "notes.txt", |s| s.write("notes.txt", b"")),
    ];
    for (id, file, damage) in damages {
        let scratch = Scratch::new();
        let store = scratch.store();
        add(&store, "1", "1");
        add(&store, "2", "2");
        damage(&scratch);
        let before = scratch.content();
        let findings = examine(&store);
        // An image that was only put there has no manifest, which is another matter; and one image
        // may look newer to two clients.
        let mut found: Vec<_> = (findings.iter())
            .filter(|finding| id == "manifest-missing" || finding.kind.id != "manifest-missing")
            .map(|finding| (finding.kind.id, finding.file.as_str()))
            .collect();
        found.dedup();
        let expected: Vec<_> = (!id.is_empty()).then_some((id, file)).into_iter().collect();
        assert_eq!(found, expected, "{findings:?}");
        assert_eq!(scratch.content(), before, "{id}");
    }
}

#[test]
fn what_is_fixable_is_gone_afterwards() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "1", "1");
    add(&store, "2", "2");
    let next = list(&[("BEST-BEFORE-2031-01-31", b"")]);
    let old = fs::read(scratch.0.join("SHA256SUMS")).unwrap();
    let next = [next.as_slice(), &old].concat();
    scratch.write("SHA256SUMS.gpg", &sign(&next).unwrap());
    scratch.write(".sysext-build-next-list.tmp", &next);
    scratch.write(".sysext-build-committed.tmp", b"");
    scratch.write(".sysext-build-12-3.tmp", b"left");
    let sum = format!("{}  a-1.x86-64.raw\n", hex(b"1"));
    scratch.write("a-1.x86-64.raw.sha256", sum.as_bytes());
    scratch.write("a-2.x86-64.raw.sha256", sum.as_bytes());
    fs::remove_file(scratch.0.join("a-2.x86-64.manifest.gz")).unwrap();

    let findings = examine(&store);
    assert!(
        findings
            .iter()
            .any(|finding| finding.kind.id == "half-published")
    );
    let listing = Listing {
        signing: Some(signing()),
        ..Listing::default()
    };
    let repaired = store.repair(&findings, listing).unwrap();
    let ids: Vec<_> = repaired.iter().map(|finding| finding.kind.id).collect();
    assert_eq!(
        ids,
        ["half-published", "file-missing", "bare-sha256", "leftover"]
    );
    let left = examine(&store);
    let left: Vec<_> = (left.iter())
        .map(|finding| {
            (
                finding.kind.id,
                finding.file.as_str(),
                finding.kind.severity,
            )
        })
        .collect();
    // What says something else than the list stays, and an image has lost its manifest for good.
    assert_eq!(
        left,
        [
            ("manifest-missing", "a-2.x86-64.raw", Severity::Note),
            ("bare-sha256", "a-2.x86-64.raw.sha256", Severity::Error),
        ]
    );
    let text = fs::read_to_string(scratch.0.join("SHA256SUMS")).unwrap();
    assert!(text.contains("BEST-BEFORE-2031-01-31"), "{text}");
}

/// What was named and not listed goes with the next change; what has the name by then stays.
#[test]
fn noted_files_go_unless_they_are_listed_or_others() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "1", "1");
    let directory = Directory::open(&scratch.0).unwrap();
    for name in ["b-1.raw", "b-2.raw"] {
        scratch.write(name, b"new");
    }
    let inode = |name: &str| directory.inode(name).unwrap().unwrap();
    let note = format!(
        "{} b-1.raw\n{} b-2.raw\n{} a-1.x86-64.raw\nx y\n{} ../b\n",
        inode("b-1.raw"),
        inode("b-2.raw") + 1,
        inode("a-1.x86-64.raw"),
        inode("b-1.raw"),
    );
    scratch.write(".sysext-build-pending.tmp", note.as_bytes());
    let ids: Vec<_> = (examine(&store).into_iter())
        .map(|finding| format!("{} {}", finding.kind.id, finding.file))
        .collect();
    let expected = [
        "not-listed b-2.raw",
        "leftover .sysext-build-pending.tmp",
        "leftover b-1.raw",
    ];
    assert_eq!(ids, expected);
    add(&store, "2", "2");
    let content = scratch.content();
    assert!(content.contains_key("a-1.x86-64.raw") && content.contains_key("b-2.raw"));
    assert!(!content.contains_key("b-1.raw") && !content.contains_key(".sysext-build-pending.tmp"));
}

#[test]
fn a_temporary_file_that_is_being_written_is_no_leftover() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let directory = Directory::open(&scratch.0).unwrap();
    let writing = crate::Temporary::named(directory.fd()).unwrap();
    assert_eq!(examine(&store), []);
    drop(writing);
}

/// A build may be at work while files are read. So what seems wrong is looked at again, with the
/// files that have changed since, and with no others.
#[test]
fn what_is_put_right_meanwhile_is_no_finding() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "1", "1");
    add(&store, "2", "2");
    scratch.write("a-1.x86-64.raw", b"in the middle");
    let looked_at = std::sync::Mutex::new(Vec::new());
    let look_inside = |_: fs::File, name: &str, _: Option<&manifest::Summary>| {
        looked_at.lock().unwrap().push(name.to_owned());
        if fs::read(scratch.0.join("a-1.x86-64.raw")).unwrap() != b"1" {
            scratch.write("a-1.x86-64.raw", b"1");
        }
        Vec::new()
    };
    let verdict = store
        .verify(&Examination {
            workers: 1,
            check_signature: None,
            now: 0,
            look_inside: Some(&look_inside),
            progress: &|_, _| {},
        })
        .unwrap();
    let ids: Vec<_> = verdict.findings.iter().map(|one| one.kind.id).collect();
    assert_eq!(ids, ["signature-unchecked"]);
    // The larger one first, and again.
    assert_eq!(
        *looked_at.lock().unwrap(),
        ["a-1.x86-64.raw", "a-2.x86-64.raw", "a-1.x86-64.raw"]
    );
    assert_eq!(verdict.images, 2);
    let size = |name: &str| fs::metadata(scratch.0.join(name)).unwrap().len();
    let manifests = ["1", "2"].map(|version| size(&format!("a-{version}.x86-64.manifest.gz")));
    assert_eq!(verdict.bytes, 2 + manifests.iter().sum::<u64>());
}

/// A repair looks again: what says something else by now stays.
#[test]
fn what_is_not_as_it_was_found_is_not_repaired() {
    for (name, bytes) in [
        ("a-1.x86-64.raw.sha256", format!("{}  b.raw\n", hex(b"1"))),
        (
            "a-1.x86-64.raw.sha256",
            format!("{}  a-1.x86-64.raw\n", hex(b"2")),
        ),
        (
            "a-1.x86-64.raw.sha256",
            format!("{0}  a-1.x86-64.raw\n{0}  b.raw\n", hex(b"1")),
        ),
        ("a-1.x86-64.raw.sha256", String::new()),
    ] {
        let scratch = Scratch::new();
        let store = scratch.store();
        add(&store, "1", "1");
        scratch.write(name, bytes.as_bytes());
        let findings = examine(&store);
        assert_eq!(findings.len(), 1, "{bytes}");
        let before = scratch.content();
        let repaired = store.repair(&findings, Listing::default()).unwrap();
        assert_eq!((repaired, scratch.content()), (vec![], before), "{bytes}");
    }
    // Gone by itself, or back.
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "1", "1");
    let image = fs::read(scratch.0.join("a-1.x86-64.raw")).unwrap();
    fs::remove_file(scratch.0.join("a-1.x86-64.raw")).unwrap();
    let sum = format!("{}  a-1.x86-64.raw\n", hex(b"1"));
    scratch.write("a-1.x86-64.raw.sha256", sum.as_bytes());
    let findings = examine(&store);
    scratch.write("a-1.x86-64.raw", &image);
    fs::remove_file(scratch.0.join("a-1.x86-64.raw.sha256")).unwrap();
    let repaired = store.repair(&findings, Listing::default()).unwrap();
    let ids: Vec<_> = repaired.iter().map(|finding| finding.kind.id).collect();
    assert_eq!(ids, ["bare-sha256"]);
    assert_eq!(examine(&store), []);
}

/// What the Open Build Service makes of a directory is in order, as long as all of it agrees.
#[test]
fn a_directory_that_obs_published() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "1", "1");
    add(&store, "2", "2");
    let list = fs::read_to_string(scratch.0.join("SHA256SUMS")).unwrap();
    // Its day and its number are not files.
    let is_file = |line: &&str| line.contains("  a-");
    let lines: Vec<_> = list.lines().filter(is_file).collect();
    for line in &lines {
        let name = format!("{}.sha256", &line[66..]);
        scratch.write(&name, format!("{line}\n").as_bytes());
        scratch.write(&format!("{name}.asc"), b"signature");
    }
    scratch.write("SHA256SUMS.asc", b"signature");
    let ids = || -> Vec<_> { (examine(&store).iter()).map(|one| one.kind.id).collect() };
    assert_eq!(ids(), ["published-by-obs"]);
    let (first, rest) = (&lines[0][66..], lines.len() - 1);
    let beside = format!("{first}.sha256");
    let before = fs::read(scratch.0.join(&beside)).unwrap();
    let other = format!("{}  {first}\n", hex(b"other"));
    scratch.write(&beside, other.as_bytes());
    assert_eq!(ids(), vec!["bare-sha256"; rest + 1]);
    fs::remove_file(scratch.0.join(&beside)).unwrap();
    assert_eq!(ids(), vec!["bare-sha256"; rest]);
    scratch.write(&beside, &before);
    assert_eq!(ids(), ["published-by-obs"]);
}
