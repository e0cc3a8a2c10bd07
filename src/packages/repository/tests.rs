//! Repositories as files in; what is on offer, who owns a path, and the files that come of it out.

use std::io::Write as _;

use rpm_input::repodata::Checksum;

use super::*;
use crate::report::Verbosity;
use crate::words::scratch::Scratch;

const PUBLIC: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
const ONE: &str = "clash-one-1-1.noarch.rpm";
const TWO: &str = "clash-two-1-1.noarch.rpm";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("fixtures/{name}")).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    let mut bytes = bytes;
    hex::encode(sha256(&mut bytes).unwrap().1)
}

/// Writes a repository that lists two packages as they are; `%20` in a location is a space.
fn with_metadata(scratch: &Scratch) {
    scratch.write("p/the one.rpm", &fixture(ONE));
    scratch.write("p/two.rpm", &fixture(TWO));
    let package = |name: &str, location: &str, file: &str| {
        let bytes = fixture(file);
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch>\
             <version epoch=\"0\" ver=\"1\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><size package=\"{}\"/>\
             <location href=\"{location}\"/><format></format></package>",
            digest(&bytes),
            bytes.len()
        )
    };
    // A source package is none to choose from.
    let source = package("source", "x", ONE).replace("noarch", "src");
    let primary = format!(
        "<metadata packages=\"3\">{source}{}{}</metadata>",
        package("clash-one", "p/the%20one.rpm", ONE),
        package("clash-two", "p/two.rpm", TWO)
    );
    let filelists = format!(
        "<filelists packages=\"2\"><package pkgid=\"{}\" name=\"clash-one\"><file>/a</file>\
         <file>/b</file></package><package pkgid=\"{}\" name=\"clash-two\"><file>/b</file>\
         </package></filelists>",
        digest(&fixture(ONE)),
        digest(&fixture(TWO))
    );
    put_list(scratch, &[("primary", &primary), ("filelists", &filelists)]);
}

fn put_list(scratch: &Scratch, files: &[(&str, &str)]) {
    let data = files.iter().map(|(kind, text)| {
        scratch.write(&format!("repodata/{kind}.xml"), text.as_bytes());
        format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum>\
             <location href=\"repodata/{kind}.xml\"/><size>{}</size></data>",
            digest(text.as_bytes()),
            text.len()
        )
    });
    let list = format!("<repomd>{}</repomd>", data.collect::<String>());
    scratch.write("repodata/repomd.xml", list.as_bytes());
}

fn source(path: &std::path::Path) -> RepositorySource {
    RepositorySource {
        name: "oss".to_owned(),
        priority: 7,
        place: Place::Directory(path.to_owned()),
        ..RepositorySource::default()
    }
}

fn trust() -> Trust {
    Trust {
        given: Keyring::default(),
        import_keys: false,
        repo_gpgcheck: false,
        now: 1_700_000_001,
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

fn opened(
    source: RepositorySource,
    trust: &Trust,
    downloads: &Downloads<'_>,
) -> Result<Repository> {
    let variables = Variables {
        release: Some("15".to_owned()),
        architecture: "x86_64".to_owned(),
        ..Variables::default()
    };
    let seen = BTreeMap::new();
    let reading = Reading {
        variables: &variables,
        trust,
        downloads,
    };
    let mut repositories = open(&[source], &seen, reading, &Opened::default(), &report())?;
    assert_eq!(repositories.len(), 1);
    Ok(repositories.remove(0))
}

#[test]
fn packages_of_retracted_patches_are_withheld() {
    let scratch = Scratch::new();
    with_metadata(&scratch);
    let primary = std::fs::read_to_string(scratch.path().join("repodata/primary.xml")).unwrap();
    let update = |status: &str, attributes: &str| {
        format!(
            "<update status=\"{status}\"><pkglist><collection><package {attributes}/></collection>\
             </pkglist></update>"
        )
    };
    let one = "name=\"clash-one\" version=\"1\" release=\"1\" arch=\"noarch\"";
    for (updates, expected) in [
        (update("retracted", one), &[0][..]),
        (update("retracted", &format!("{one} epoch=\"0\"")), &[0]),
        (update("retracted", &format!("{one} epoch=\"1\"")), &[]),
        (
            update("retracted", &one.replace("release=\"1", "release=\"2")),
            &[],
        ),
        (
            update("retracted", &one.replace("version=\"1", "version=\"2")),
            &[],
        ),
        (update("retracted", &one.replace("noarch", "x86_64")), &[]),
        (update("stable", one), &[]),
    ] {
        let updates = format!("<updates>{updates}</updates>");
        put_list(&scratch, &[("primary", &primary), ("updateinfo", &updates)]);
        let settings = Settings::without_network(None);
        let downloads = Downloads::new(&settings).unwrap();
        let repository = opened(source(scratch.path()), &trust(), &downloads).unwrap();
        let withheld = repository.for_solver().withheld;
        let expected = expected.iter().map(|index| (*index, Withheld::Retracted));
        assert_eq!(withheld, expected.collect(), "{updates}");
    }
}

#[test]
fn what_metadata_offer() {
    let scratch = Scratch::new();
    let cache = Scratch::new();
    with_metadata(&scratch);
    let settings = Settings::without_network(Some(cache.path().to_owned()));
    let downloads = Downloads::new(&settings).unwrap();
    // The second time the catalog is in the cache, and the primary file is not needed.
    for is_kept in [false, true] {
        if is_kept {
            std::fs::remove_file(scratch.path().join("repodata/primary.xml")).unwrap();
        }
        let repository = opened(source(scratch.path()), &trust(), &downloads).unwrap();
        let offered = (0..repository.catalog.len())
            .map(|index| repository.catalog.nevra(index).unwrap().to_string());
        let offered: Vec<_> = offered.collect();
        assert_eq!(offered, ["clash-one-1-1.noarch", "clash-two-1-1.noarch"]);
        assert_eq!(
            repository.listed(1),
            Some(Located {
                location: "p/two.rpm".to_owned(),
                checksum: format!("sha256:{}", digest(&fixture(TWO))),
                size: fixture(TWO).len() as u64,
            })
        );
        assert_eq!(repository.located(1).unwrap(), repository.listed(1));
        assert_eq!(repository.listed(2), None);
        // The lower number wins here, the higher one there.
        assert_eq!(repository.for_solver().priority, -7);
        assert_eq!(repository.for_solver().catalog.len(), 2);
        for (paths, expected) in [
            (&["/a"][..], &[(0, "/a")][..]),
            (&["/b"], &[(0, "/b"), (1, "/b")]),
            (&["/c"], &[]),
        ] {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            let owners = repository.owners(&paths, &downloads).unwrap();
            let owners: Vec<_> = owners
                .iter()
                .map(|(index, path)| (*index, &**path))
                .collect();
            assert_eq!(owners, expected);
        }
    }
    put_list(
        &scratch,
        &[("primary", "<metadata packages=\"0\"></metadata>")],
    );
    let repository = opened(source(scratch.path()), &trust(), &downloads).unwrap();
    let paths = ["/a".to_owned()].into();
    assert_eq!(repository.owners(&paths, &downloads).unwrap(), []);
    put_list(&scratch, &[("filelists", "<filelists/>")]);
    let reason = opened(source(scratch.path()), &trust(), &downloads)
        .err()
        .unwrap();
    assert_eq!(
        reason.source.to_string(),
        "repomd.xml of oss lists no primary metadata"
    );
}

#[test]
fn the_files_of_what_was_chosen() {
    use Extent::{Headers, Whole};
    let settings = Settings::without_network(None);
    let downloads = Downloads::new(&settings).unwrap();
    let long = [&fixture(TWO)[..], b"x"].concat();
    let mut other = fixture(TWO);
    *other.last_mut().unwrap() ^= 1;
    for (bytes, extent, expected) in [
        (Some(fixture(TWO)), Whole, Ok("clash-two-1-1.noarch")),
        (Some(fixture(TWO)), Headers, Ok("clash-two-1-1.noarch")),
        // A plan looks at lengths; a build at contents.
        (Some(other.clone()), Headers, Ok("clash-two-1-1.noarch")),
        (Some(other), Whole, Err("the file has SHA-256 ")),
        (
            Some(long),
            Headers,
            Err("the file has 2333 bytes, but the repository says 2332"),
        ),
        (None, Headers, Err("reading ")),
    ] {
        let scratch = Scratch::new();
        with_metadata(&scratch);
        let file = scratch.path().join("p/two.rpm");
        match &bytes {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let repository = opened(source(scratch.path()), &trust(), &downloads).unwrap();
        let chosen = [1, 0].map(|index| resolve::Available {
            repository: 0,
            index,
        });
        let found = retrieve(&[repository], &chosen, extent, None, &downloads, &report());
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<_> = found
                    .into_iter()
                    .map(|one| (one.start.path().to_owned(), one.package.nevra.to_string()))
                    .collect();
                let one = scratch.path().join("p/the one.rpm");
                assert_eq!(
                    found,
                    [
                        (file, expected.to_owned()),
                        (one, "clash-one-1-1.noarch".to_owned())
                    ]
                );
            }
            (Err(failure), Err(reason)) => {
                let text =
                    format!("{:#}", failure.source).replace(&format!("{}: ", file.display()), "");
                assert!(text.starts_with(reason), "{text}");
            }
            (found, _) => panic!("{expected:?} {:?}", found.err()),
        }
    }
}

#[test]
fn a_file_is_the_package_that_is_listed() {
    use Extent::Whole;
    let settings = Settings::without_network(None);
    let downloads = Downloads::new(&settings).unwrap();
    let solvable = |file: &str| solvable(&read_header(file.as_ref()).unwrap());
    let (one, two) = (format!("fixtures/{ONE}"), format!("fixtures/{TWO}"));
    let listed = [solvable(&one), solvable(&two)];
    for (file, index, expected) in [
        (&two, 1, Ok("clash-two-1-1.noarch")),
        (
            &one,
            1,
            Err("oss lists clash-two-1-1.noarch, but the file is clash-one-1-1.noarch"),
        ),
        (&one, 2, Err("the cached metadata of oss are damaged")),
    ] {
        let repository =
            Repository::of_values("oss", &listed, vec![one.clone().into(), file.into()]);
        let chosen = [resolve::Available {
            repository: 0,
            index,
        }];
        let found = retrieve(&[repository], &chosen, Whole, None, &downloads, &report());
        let found = found.map(|found| found[0].package.nevra.to_string());
        let found = found.map_err(|failure| failure.source.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }
}

/// Writes a repository of this many packages, each of which provides a long name, packed by gzip.
fn with_long_names(scratch: &Scratch, number: usize) {
    let package = |number: usize| {
        format!(
            "<package><name>a</name><arch>noarch</arch><version ver=\"1\"/>\
             <checksum type=\"sha256\">{}</checksum><location href=\"x\"/><format><provides>\
             <entry name=\"{}{number}\"/></provides></format></package>",
            "0".repeat(64),
            "a".repeat(32 << 10)
        )
    };
    let packages: String = (0..number).map(package).collect();
    let primary = format!("<metadata>{packages}</metadata>");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(primary.as_bytes()).unwrap();
    let stored = gzip.finish().unwrap();
    scratch.write("repodata/primary.xml.gz", &stored);
    let list = format!(
        "<repomd><data type=\"primary\"><checksum type=\"sha256\">{}</checksum>\
         <location href=\"repodata/primary.xml.gz\"/></data></repomd>",
        digest(&stored)
    );
    scratch.write("repodata/repomd.xml", list.as_bytes());
}

#[test]
fn a_catalog_takes_a_bounded_multiple_of_what_was_stored() {
    let trust = trust();
    let settings = Settings::without_network(None);
    let downloads = Downloads::new(&settings).unwrap();
    for (number, allowed) in [(1000, true), (1100, false)] {
        let scratch = Scratch::new();
        with_long_names(&scratch, number);
        match opened(source(scratch.path()), &trust, &downloads) {
            Ok(repository) => assert!(allowed && repository.catalog.len() == number),
            Err(failure) => {
                let reason = failure.source.to_string();
                let end = "bytes of metadata list packages that take more than 34 MiB";
                assert!(!allowed && reason.ends_with(end), "{reason}");
            }
        }
    }
}

#[test]
fn a_directory_of_packages() {
    let scratch = Scratch::new();
    let file = scratch.write(ONE, &fixture(ONE));
    let settings = Settings::without_network(None);
    let downloads = Downloads::new(&settings).unwrap();
    let repository = opened(source(scratch.path()), &trust(), &downloads).unwrap();
    assert_eq!((&*repository.name, repository.priority), ("oss", 7));
    assert_eq!(repository.listed(0), None);
    let located = Located {
        location: ONE.to_owned(),
        checksum: format!("sha256:{}", digest(&fixture(ONE))),
        size: fixture(ONE).len() as u64,
    };
    assert_eq!(repository.located(0).unwrap().as_ref(), Some(&located));
    assert_eq!(repository.located(1).unwrap(), None);
    let paths = ["/a".to_owned()].into();
    assert_eq!(repository.owners(&paths, &downloads).unwrap(), []);
    // Files of the cache are of the same name, and trusted in the same way.
    let mut like = repository;
    let mut keys = Keyring::default();
    keys.add(PUBLIC, "").unwrap();
    like.keyring = Some(keys);
    let kept = of_files(vec![file], &like).unwrap();
    assert_eq!(
        (&*kept.name, kept.priority, kept.catalog.len()),
        ("oss", 7, 1)
    );
    assert_eq!(kept.keyring.as_ref().map(|keys| keys.keys().len()), Some(1));
    assert_eq!(kept.located(0).ok().flatten(), Some(located));
}

#[test]
fn what_is_checked_of_a_repository() {
    let settings = Settings::without_network(None);
    let downloads = Downloads::new(&settings).unwrap();
    let (plain, listed) = (Scratch::new(), Scratch::new());
    plain.write(ONE, &fixture(ONE));
    with_metadata(&listed);
    for (scratch, given, always, expected) in [
        (&plain, false, false, Ok(false)),
        (&plain, true, false, Ok(true)),
        (
            &plain,
            true,
            true,
            Err("oss: it has no repomd.xml, so there is no signed one"),
        ),
        (&listed, false, false, Ok(false)),
        (&listed, true, false, Ok(true)),
        (&listed, true, true, Err("reading ")),
    ] {
        let mut trust = trust();
        trust.repo_gpgcheck = always;
        if given {
            trust.given.add(PUBLIC, "").unwrap();
        }
        let repository = opened(source(scratch.path()), &trust, &downloads);
        match (repository, expected) {
            (Ok(repository), Ok(expected)) => {
                assert_eq!(repository.keyring.is_some(), expected);
                assert_eq!(repository.findings.len(), 0);
            }
            (Err(failure), Err(reason)) => {
                let text = failure.source.to_string();
                assert!(text.starts_with(reason), "{text}");
            }
            (found, _) => panic!("{expected:?} {:?}", found.err()),
        }
    }
    // A list that someone has signed, but not as it is.
    listed.write("repodata/repomd.xml.asc", b"no signature");
    let mut trust = trust();
    trust.repo_gpgcheck = true;
    trust.given.add(PUBLIC, "").unwrap();
    let reason = opened(source(listed.path()), &trust, &downloads)
        .err()
        .unwrap();
    assert_eq!(
        reason.source.to_string(),
        "repomd.xml of oss can't be trusted"
    );
}

#[test]
fn what_only_a_weak_checksum_vouches_for() {
    let settings = Settings::without_network(None);
    let downloads = Downloads::new(&settings).unwrap();
    let scratch = Scratch::new();
    with_metadata(&scratch);
    let read = |name: &str| {
        let text = std::fs::read_to_string(scratch.path().join("repodata").join(name));
        text.unwrap()
    };
    // `sha1sum` of what the repository lists as number 1.
    let (primary, filelists) = (read("primary.xml"), read("filelists.xml"));
    let two = digest(&fixture(TWO));
    let weak = primary.replace(
        &format!("\"sha256\" pkgid=\"YES\">{two}"),
        &format!("\"sha\" pkgid=\"YES\">{}", &two[..40]),
    );
    assert_ne!(primary, weak);
    for (primary, list, signed, expected) in [
        (&primary, "sha256", false, vec![]),
        (
            &weak,
            "sha256",
            false,
            vec!["oss: SHA-1 alone vouches for p/two.rpm"],
        ),
        // Of this package a signature is checked.
        (&weak, "sha256", true, vec![]),
        (
            &primary,
            "md5",
            true,
            vec!["oss: MD5 alone vouches for filelists"],
        ),
    ] {
        put_list(&scratch, &[("primary", primary), ("filelists", &filelists)]);
        if list == "md5" {
            let text = read("repomd.xml").replace(
                &format!("\"sha256\">{}", digest(filelists.as_bytes())),
                "\"md5\">d41d8cd98f00b204e9800998ecf8427e",
            );
            scratch.write("repodata/repomd.xml", text.as_bytes());
        }
        let mut trust = trust();
        if signed {
            trust.given.add(PUBLIC, "").unwrap();
        }
        let repository = opened(source(scratch.path()), &trust, &downloads).unwrap();
        let packages = [0, 1].map(|index| repository.weakly_listed(index));
        let said = repository.findings.iter().chain(packages.iter().flatten());
        let said = said.map(|one| {
            assert_eq!(one.kind.id, "weak-checksum");
            &*one.text
        });
        assert_eq!(said.collect::<Vec<_>>(), expected, "{list} {signed}");
        // What the file of number 1 is, is known beforehand where it is listed by its SHA-256.
        let known = repository.sha256(1).map(hex::encode);
        assert_eq!(known, (*primary != weak).then(|| two.clone()));
    }
}

/// What a lock remembers decides, and what it is to remember comes back.
#[test]
fn keys_and_revisions_are_remembered() {
    let (cache, scratch) = (Scratch::new(), Scratch::new());
    with_metadata(&scratch);
    let list = scratch.path().join("repodata/repomd.xml");
    let text = std::fs::read_to_string(&list).unwrap();
    let text = text.replace("<repomd>", "<repomd><revision>7</revision>");
    std::fs::write(&list, text).unwrap();
    let settings = Settings::without_network(Some(cache.path().to_owned()));
    let downloads = Downloads::new(&settings).unwrap();
    let id = format!("key-{}", digest(b"https://a/key"));
    let bytes = [b"\n\n", PUBLIC].concat();
    let part = crate::cache::CacheDirectory::Repositories;
    downloads.cache().unwrap().keep(part, &id, &bytes).unwrap();
    let mut source = source(scratch.path());
    source.trust.packages = Some(true);
    source.trust.keys = vec!["https://a/key".to_owned()];
    let mut trust = trust();
    trust.import_keys = true;
    let key = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    let seen = |revision, keys: &[&str]| Seen {
        revision,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    for (name, before, after, said) in [
        ("oss", seen(None, &[]), Some(seen(Some(7), &[key])), &[][..]),
        (
            "oss",
            seen(Some(6), &["A", key]),
            Some(seen(Some(7), &[key])),
            &[],
        ),
        (
            "oss",
            seen(Some(8), &[key]),
            Some(seen(Some(8), &[key])),
            &["older-metadata"],
        ),
        ("oss", seen(None, &["A"]), None, &[]),
        // That is about another repository.
        (
            "other",
            seen(Some(8), &["A"]),
            Some(seen(Some(7), &[key])),
            &[],
        ),
    ] {
        let row = format!("{name} {before:?}");
        let locked = [(name.to_owned(), before)].into();
        let variables = Variables::default();
        let sources = std::slice::from_ref(&source);
        let reading = Reading {
            variables: &variables,
            trust: &trust,
            downloads: &downloads,
        };
        let opened = open(sources, &locked, reading, &Opened::default(), &report());
        assert_eq!(opened.is_ok(), after.is_some(), "{row}");
        let Ok(opened) = opened else {
            continue;
        };
        assert_eq!(Some(&opened[0].seen), after.as_ref(), "{row}");
        let findings = opened[0].findings.iter().map(|one| one.kind.id);
        assert_eq!(findings.collect::<Vec<_>>(), said, "{row}");
    }
}

/// A list on the network as the cache has it.
#[test]
fn a_repository_on_the_network_that_is_not_checked_is_a_finding() {
    let (cache, listed) = (Scratch::new(), Scratch::new());
    with_metadata(&listed);
    let settings = Settings::without_network(Some(cache.path().to_owned()));
    let downloads = Downloads::new(&settings).unwrap();
    // `printf https://a/15/ | sha256sum`
    let id = digest(b"https://a/15/");
    let list = std::fs::read(listed.path().join("repodata/repomd.xml")).unwrap();
    // It has no seal, so that it may be anyone's.
    cache.write(
        &format!("repositories/{id}"),
        &[b"\n\n", &list[..], &[0; 32]].concat(),
    );
    let primary = std::fs::read(listed.path().join("repodata/primary.xml")).unwrap();
    cache.write(&format!("metadata/sha256-{}", digest(&primary)), &primary);
    let mut source = source(listed.path());
    source.place = Place::Urls(vec!["https://a/$releasever/".to_owned()]);
    for (given, expected) in [
        (false, &["unchecked-repository", "foreign-cache"][..]),
        (true, &["foreign-cache"]),
    ] {
        let mut trust = trust();
        if given {
            trust.given.add(PUBLIC, "").unwrap();
        }
        let repository = opened(source.clone(), &trust, &downloads).unwrap();
        assert_eq!(repository.catalog.len(), 2);
        let said: Vec<_> = repository.findings.iter().map(|one| one.kind.id).collect();
        assert_eq!(said, expected);
    }
}

#[test]
fn what_a_catalog_keeps_of_a_file() {
    let checksum = Checksum::parse("sha256", &"0f".repeat(32)).unwrap();
    const MAX: u64 = 16_777_216;
    for (base, size, location, header_range, header_end) in [
        (None, 7, "a/b.rpm", None, None),
        (Some("http://a/"), 0, "b", None, None),
        (None, 1, "with\nline", None, None),
        (None, 9, "b", Some((5, 8)), Some(8)),
        // What can't be so is not said: there is a payload, and a header is not that long.
        (None, 9, "b", Some((5, 9)), None),
        (None, 0, "b", Some((5, 8)), None),
        (None, 1 << 40, "b", Some((5, MAX)), Some(MAX)),
        (None, 1 << 40, "b", Some((5, MAX + 1)), None),
        (None, 1 << 40, "b", Some((5, u64::MAX)), None),
    ] {
        let listing = rpm_input::repodata::Listing {
            name: "a".into(),
            arch: "noarch".into(),
            epoch: None,
            version: "1".into(),
            release: "1".into(),
            checksum: checksum.clone(),
            size,
            location: location.into(),
            base: base.map(Into::into),
            entries: Vec::new(),
            files: Vec::new(),
            build_time: 0,
            header_range,
            installed_size: 0,
        };
        let mut builder = resolve::CatalogBuilder::new();
        listing::add(&mut builder, &listing, &mut String::new());
        let catalog = builder.finish().unwrap();
        let expected = listing::PackageFile {
            location: location.to_owned(),
            base: base.map(str::to_owned),
            checksum: checksum.clone(),
            size,
            header_end,
        };
        assert_eq!(listing::package_file(&catalog, 0), Some(expected));
        assert_eq!(listing::checksum_hex(&catalog, 0), Some(checksum.hex()));
    }
}
