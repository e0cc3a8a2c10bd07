//! RPM files and repositories in; which packages an image is made of, and what is said of them, out.

use openpgp::Keyring;

use super::*;
use crate::base;
use crate::packages::repository::{Place, RepositorySource, read_header};
use crate::report::Verbosity;
use crate::words::scratch::Scratch;

const PUBLIC: &str = "fixtures/keys/test.public.asc";
const ONE: &str = "clash-one-1-1.noarch";
const LIBRARY: &str = "hello-library-2.0-3.x86_64";
const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64";

fn fixture(nevra: &str) -> PathBuf {
    format!("fixtures/{nevra}.rpm").into()
}

/// Makes a directory of copies of fixtures.
fn directory(nevras: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    for nevra in nevras {
        let bytes = std::fs::read(fixture(nevra)).unwrap();
        scratch.write(&format!("{nevra}.rpm"), &bytes);
    }
    scratch
}

fn settings(files: &[&str], names: &[&str], repositories: &[(&str, &Scratch)]) -> Settings {
    let repositories = repositories.iter().map(|(name, scratch)| RepositorySource {
        name: (*name).to_owned(),
        priority: 99,
        place: Place::Directory(scratch.path().to_owned()),
        ..RepositorySource::default()
    });
    Settings {
        files: files.iter().map(|nevra| fixture(nevra)).collect(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        main: None,
        not_files: Vec::new(),
        repositories: repositories.collect(),
        variables: Default::default(),
        downloads: repository::Settings::without_network(None),
        locking: Locking::None,
        modules: Vec::new(),
        recommends: false,
        assume_next_build: false,
        architecture: architecture::Architecture::named("x86-64"),
        trust: trust::Settings {
            keyrings: Vec::new(),
            import_keys: false,
            repo_gpgcheck: false,
            now: 1_700_000_001,
        },
        dry_run: false,
        plan_first: false,
        in_order: false,
    }
}

fn report() -> Report {
    let quiet = Verbosity {
        json: false,
        quiet: true,
        verbose: false,
    };
    Report::new(quiet, true)
}

/// A base that has what the fixtures need of it, by its packages' headers.
fn base() -> Base {
    let nevra = resolve::Nevra::parse("glibc-2-1.x86_64").unwrap();
    let mut glibc = Package::named(rpm_input::Nevra {
        name: nevra.name,
        epoch: None,
        version: nevra.evr.version,
        release: nevra.evr.release,
        arch: nevra.arch,
    });
    for name in [
        "/bin/sh",
        "libc.so.6()(64bit)",
        "libc.so.6(GLIBC_2.2.5)(64bit)",
        "libc.so.6(GLIBC_2.34)(64bit)",
        "rtld(GNU_HASH)",
    ] {
        glibc.provides.push(rpm_input::Dependency {
            name: name.to_owned(),
            sense: rpm_input::Sense(0),
            evr: String::new(),
        });
    }
    Base {
        packages: Some(vec![glibc]),
        ..Base::default()
    }
}

/// Says what was selected: packages with reason and repository, then what they need, then findings.
fn said(selection: &Selection) -> Vec<String> {
    let chosen = selection.chosen.iter().map(|one| {
        let why = one.reason.words().unwrap_or_else(|| "asked for".to_owned());
        let from = one.origin.repository.as_deref().unwrap_or("a file");
        format!("{} from {from}: {why}", one.package.nevra)
    });
    let needs = selection
        .relies_on
        .iter()
        .map(|one| format!("needs {}", one.nevra));
    let findings = selection.findings.iter().map(|one| one.kind.id.to_owned());
    chosen.chain(needs).chain(findings).collect()
}

const LIBRARY_ADDED: &str = "hello-library-2.0-3.x86_64 from oss: hello-greeting >= 2 needed by hello-tools-1.1~rc1-2.x86_64";

#[test]
fn files_names_and_repositories() {
    let library = directory(&[LIBRARY]);
    let both = directory(&[LIBRARY, TOOLS]);
    for (files, names, repositories, expected) in [
        // Without repositories the named files are taken as they are.
        (
            &[ONE][..],
            &[][..],
            &[][..],
            vec!["clash-one-1-1.noarch from a file: asked for"],
        ),
        (
            &[TOOLS],
            &[],
            &[],
            vec![
                "hello-tools-1.1~rc1-2.x86_64 from a file: asked for",
                "needs glibc-2-1.x86_64",
                "unmet-requirement",
                "unmet-requirement",
            ],
        ),
        (
            &[TOOLS],
            &[],
            &[("oss", &library)],
            vec![
                "hello-tools-1.1~rc1-2.x86_64 from a file: asked for",
                LIBRARY_ADDED,
                "needs glibc-2-1.x86_64",
            ],
        ),
        (
            &[],
            &["hello-tools"],
            &[("oss", &both)],
            vec![
                "hello-tools-1.1~rc1-2.x86_64 from oss: asked for",
                LIBRARY_ADDED,
                "needs glibc-2-1.x86_64",
            ],
        ),
        // A file that was named is better than what a repository has.
        (
            &[LIBRARY],
            &["hello-tools"],
            &[("oss", &both)],
            vec![
                "hello-library-2.0-3.x86_64 from a file: asked for",
                "hello-tools-1.1~rc1-2.x86_64 from oss: asked for",
                "needs glibc-2-1.x86_64",
            ],
        ),
        // Of two repositories alike, the first is asked first.
        (
            &[TOOLS],
            &[],
            &[("oss", &library), ("other", &both)],
            vec![
                "hello-tools-1.1~rc1-2.x86_64 from a file: asked for",
                LIBRARY_ADDED,
                "needs glibc-2-1.x86_64",
            ],
        ),
    ] {
        let settings = settings(files, names, repositories);
        let selection = select(&settings, &base(), &Opened::default(), &report()).unwrap();
        assert_eq!(said(&selection), expected);
        assert_eq!(selection.packages().len(), selection.chosen.len());
        // This base was not looked up.
        assert!(selection.provided.is_none());
        for one in &selection.chosen {
            let package = read_header(&one.file).unwrap();
            assert_eq!(package.nevra, one.package.nevra);
        }
    }
}

#[test]
fn only_the_main_package_has_a_position() {
    let sysext = "hello-sysext-1.0-1.x86_64";
    for (files, main, expected) in [
        ([TOOLS, LIBRARY, ONE], None, [TOOLS, ONE, LIBRARY]),
        ([TOOLS, ONE, LIBRARY], None, [TOOLS, ONE, LIBRARY]),
        ([ONE, TOOLS, LIBRARY], None, [ONE, LIBRARY, TOOLS]),
        ([ONE, LIBRARY, sysext], None, [ONE, LIBRARY, sysext]),
        ([ONE, TOOLS, LIBRARY], Some("other"), [ONE, LIBRARY, TOOLS]),
        (
            [ONE, LIBRARY, TOOLS],
            Some("hello-library"),
            [LIBRARY, ONE, TOOLS],
        ),
        (
            [TOOLS, ONE, LIBRARY],
            Some("hello-library"),
            [LIBRARY, ONE, TOOLS],
        ),
    ] {
        let settings = Settings {
            main: main.map(str::to_owned),
            ..settings(&files, &[], &[])
        };
        let selection = select(&settings, &base(), &Opened::default(), &report()).unwrap();
        let packages = selection.packages();
        let found: Vec<_> = (packages.iter())
            .map(|package| package.nevra.to_string())
            .collect();
        assert_eq!(found, expected, "{files:?} {main:?}");
    }
}

#[test]
fn the_repository_of_the_lower_priority_wins() {
    let (first, second) = (directory(&[LIBRARY]), directory(&[LIBRARY]));
    for (priorities, expected) in [([99, 99], "first"), ([99, 5], "second"), ([5, 99], "first")] {
        let mut settings = settings(&[TOOLS], &[], &[("first", &first), ("second", &second)]);
        for (source, priority) in settings.repositories.iter_mut().zip(priorities) {
            source.priority = priority;
        }
        let selection = select(&settings, &base(), &Opened::default(), &report()).unwrap();
        let from = selection.chosen[1].origin.repository.as_deref();
        assert_eq!(from, Some(expected), "{priorities:?}");
    }
}

#[test]
fn whose_keys_count() {
    let library = directory(&[LIBRARY]);
    let unsigned = ["unsigned-package", "unsigned-package"];
    for (repositories, given, expected) in [
        (&[][..], false, &[][..]),
        (&[], true, &unsigned[..1]),
        (&[("oss", &library)], false, &[]),
        (&[("oss", &library)], true, &unsigned),
    ] {
        let files: &[&str] = if repositories.is_empty() {
            &[ONE]
        } else {
            &[TOOLS]
        };
        let mut settings = settings(files, &[], repositories);
        if given {
            settings.trust.keyrings = vec![PUBLIC.into()];
        }
        let selection = select(&settings, &base(), &Opened::default(), &report()).unwrap();
        let found: Vec<_> = selection.findings.iter().map(|one| one.kind.id).collect();
        assert_eq!(found, expected, "{files:?} {given}");
    }
    // A repository's own keys are asked about its packages, and about no others.
    let settings = settings(&[TOOLS], &[], &[("oss", &library)]);
    let report = report();
    let named = vec![(fixture(TOOLS), read_header(&fixture(TOOLS)).unwrap())];
    let trust = Trust::open(&settings.trust).unwrap();
    let mut offer = Offer::open(
        &settings,
        &base(),
        named,
        trust,
        &Opened::default(),
        &report,
    )
    .unwrap();
    let keys = Keyring::parse(&std::fs::read(PUBLIC).unwrap(), "").unwrap();
    offer.trust_repositories(&keys);
    let selection = as_chosen(&settings, &base(), &offer, &report).unwrap();
    let found: Vec<_> = selection
        .findings
        .iter()
        .map(|one| one.text.split(' ').next().unwrap())
        .collect();
    assert_eq!(found, [LIBRARY]);
}

#[test]
fn a_lock_is_followed_or_refused() {
    let (old, new) = ("a-1-1.noarch", "a-2-1.noarch");
    let library = directory(&[LIBRARY]);
    let place = Scratch::new();
    let path = place.path().join("x.lock");
    let listed = |lines: &str| Base {
        named: base::Named::Listed(base::parse_list(lines).unwrap()),
        ..Base::default()
    };
    let mut settings = settings(&[ONE], &[], &[("oss", &library)]);
    // A plan writes no lock, nor does a build that was not asked for one.
    for (locking, dry_run, expected) in [
        (Locking::None, false, false),
        (Locking::Write(path.clone()), true, false),
        (Locking::Write(path.clone()), false, true),
    ] {
        settings.locking = locking;
        settings.dry_run = dry_run;
        let selection = select(&settings, &listed(old), &Opened::default(), &report());
        let selection = selection.map_err(|failure| failure.source).unwrap();
        assert!(selection.provided.is_none());
        selection.keep_lock(&settings, &report()).unwrap();
        assert_eq!(path.exists(), expected, "{:?} {dry_run}", settings.locking);
    }
    settings.locking = Locking::Follow(path.clone());
    let again = select(&settings, &listed(old), &Opened::default(), &report()).unwrap();
    assert_eq!(
        said(&again)[0],
        "clash-one-1-1.noarch from a file: asked for"
    );
    // The base's package is not in the repository, so that what it provides is not known.
    assert_eq!(said(&again)[1..], ["unknown-in-base"]);
    assert!(again.provided.is_none());
    let refused = select(&settings, &listed(new), &Opened::default(), &report())
        .err()
        .unwrap();
    let text = refused.source.to_string();
    assert_eq!(
        text,
        format!(
            "{} does not match:\nthe base no longer has {old}\nthe base now has {new}",
            path.display()
        )
    );
    // What the base provides is known again where its package is on offer.
    let base = listed("clash-two-1-1.noarch");
    let more = directory(&["clash-two-1-1.noarch"]);
    settings.repositories[0].place = Place::Directory(more.path().to_owned());
    settings.locking = Locking::Write(path.clone());
    let first = select(&settings, &base, &Opened::default(), &report()).unwrap();
    assert!(first.provided.is_some());
    first.keep_lock(&settings, &report()).unwrap();
    settings.locking = Locking::Follow(path);
    let again = select(&settings, &base, &Opened::default(), &report()).unwrap();
    assert!(again.provided.is_some());
    assert_eq!(
        said(&again),
        ["clash-one-1-1.noarch from a file: asked for"]
    );
}
