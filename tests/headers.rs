//! Plans from headers alone: what of the packages on a server is fetched for a plan, for the decision
//! that nothing has changed, and for an image; and what becomes of it when the server does not do what
//! it is asked for.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::fixture_repository::{self, Desk, NOARCH, ZSTD, header_end, usual};
use crate::server::{Fault, Server};
use crate::workshop::{fixture, names, sha256sum, text};

const LIST: &str = "/repodata/repomd.xml";
const PRIMARY: &str = "/repodata/primary.xml.gz";

/// Returns the path of a package on the server.
fn path(file: &str) -> String {
    format!("/packages/{}", file.replace('^', "%5E"))
}

/// Returns the request for the header of a package.
fn header(file: &str) -> String {
    let end = header_end(&fs::read(fixture(file)).unwrap());
    format!("{} bytes=0-{}", path(file), end - 1)
}

/// A repository on a server, of which a package is asked for that needs another.
struct Site {
    desk: Desk,
    server: Server,
}

impl Site {
    fn new() -> Self {
        // Each request counts, so none is to be made again because the machine is slow.
        let desk = Desk {
            timeout: 60,
            ..Desk::new()
        };
        let repo = fixture_repository::write(&desk.scratch.join("repo"), &usual());
        let server = Server::of(&repo);
        // The server knows files by what is asked for.
        server.put(&path(NOARCH), &fs::read(fixture(NOARCH)).unwrap());
        Self { desk, server }
    }

    /// Lists packages with these changes in the text of the metadata.
    fn relist(&self, change: &dyn Fn(&str) -> String) {
        use std::io::Read as _;
        let repo = self.desk.scratch.join("repo");
        let primary = fs::read(repo.join("repodata/primary.xml.gz")).unwrap();
        let mut text = String::new();
        let mut gzip = flate2::read::GzDecoder::new(&*primary);
        gzip.read_to_string(&mut text).unwrap();
        fixture_repository::put_metadata(&repo, &change(&text), "<filelists></filelists>");
        self.server.load(&repo.join("repodata"), "/repodata");
    }

    fn run(&self, more: &[&str]) -> Output {
        let more = [&["hello-noarch"], more].concat();
        let mut command = self.desk.command(self.server.url(), &more);
        command.output().unwrap()
    }

    /// Runs; panics if it fails.
    fn succeeds(&self, what: &str, more: &[&str]) -> Output {
        let outcome = self.run(more);
        assert!(
            outcome.status.success(),
            "{what}: {}{}",
            text(&outcome.stderr),
            text(&outcome.stdout)
        );
        outcome
    }

    /// Makes a plan; places of this test alone have one name for all.
    fn plan(&self, what: &str, more: &[&str]) -> Value {
        let more = [&["--dry-run", "--json"], more].concat();
        let plan = text(&self.succeeds(what, &more).stdout);
        let here = self.desk.scratch.path().display().to_string();
        let plan = plan.replace(self.server.url(), "http://server");
        serde_json::from_str(&plan.replace(&here, "/here")).unwrap()
    }

    /// Returns the requests since the last call, in alphabetic order.
    fn requests(&self) -> Vec<String> {
        let mut requests = self.server.requests();
        requests.sort();
        requests
    }

    fn cache(&self) -> PathBuf {
        self.desk.scratch.join("cache")
    }

    /// Returns name and digest of each image in the store.
    fn images(&self) -> Vec<(String, String)> {
        let store = self.desk.scratch.join("store");
        let images = self.desk.store().into_iter();
        (images.filter(|name| name.ends_with(".raw")))
            .map(|name| (name.clone(), sha256sum(&store.join(name))))
            .collect()
    }
}

/// Returns a plan as it is when whole packages are fetched, and the image that comes of it.
fn from_whole_packages() -> (Value, Vec<(String, String)>) {
    let site = Site::new();
    site.relist(&|text| text.replace("header-range", "nothing"));
    let plan = site.plan("whole", &[]);
    let whole = [path(NOARCH), path(ZSTD), PRIMARY.into(), LIST.into()];
    assert_eq!(site.requests(), whole);
    site.succeeds("image", &[]);
    (plan, site.images())
}

#[test]
fn a_plan_fetches_the_bytes_of_headers() {
    let (expected, image) = from_whole_packages();
    let site = Site::new();
    assert_eq!(site.plan("first", &[]), expected);
    let headers = [header(NOARCH), header(ZSTD)];
    let mut requests = headers.to_vec();
    requests.extend([PRIMARY.to_owned(), LIST.to_owned()]);
    assert_eq!(site.requests(), requests);
    let length = |path: &str| {
        let file = site.desk.scratch.join("repo").join(&path[1..]);
        usize::try_from(fs::metadata(file).unwrap().len()).unwrap()
    };
    let ends = [NOARCH, ZSTD].map(|file| header_end(&fs::read(fixture(file)).unwrap()));
    assert_eq!(
        site.server.sent(),
        length(LIST) + length(PRIMARY) + ends[0] + ends[1]
    );
    assert!(!site.cache().join("packages").exists());
    // They are kept.
    assert_eq!(site.plan("second", &[]), expected);
    assert_eq!(site.requests(), [format!("{LIST} 304")]);
    assert_eq!(site.server.sent(), 0);
    assert_eq!(site.plan("offline", &["--offline"]), expected);
    // An image is made of whole packages.
    site.succeeds("image", &[]);
    assert_eq!(
        site.requests(),
        [path(NOARCH), path(ZSTD), format!("{LIST} 304")]
    );
    assert_eq!(site.images(), image);
    // What was fetched whole needs no header from the server.
    fs::remove_dir_all(site.cache().join("headers")).unwrap();
    for what in ["of what is here whole", "of the header that was kept of it"] {
        assert_eq!(site.plan(what, &[]), expected);
        assert_eq!(site.requests(), [format!("{LIST} 304")], "{what}");
    }
    assert_eq!(names(&site.cache().join("headers")).len(), 2);
}

#[test]
fn nights_on_which_nothing_has_changed_read_no_payload() {
    let site = Site::new();
    let auto = ["--build-number", "auto"];
    site.succeeds("first night", &auto);
    let images = site.images();
    let is_unchanged = |what: &str| {
        let outcome = site.succeeds(what, &auto);
        let said = text(&outcome.stderr);
        assert!(said.contains("unchanged"), "{what}: {said}");
        assert_eq!(site.images(), images, "{what}");
    };
    site.requests();
    let packages = site.cache().join("packages");
    fs::remove_dir_all(&packages).unwrap();
    is_unchanged("second night");
    assert_eq!(site.requests(), [format!("{LIST} 304")]);
    // A machine that has nothing but the store.
    fs::remove_dir_all(site.cache()).unwrap();
    is_unchanged("third night");
    assert_eq!(
        site.requests(),
        [header(NOARCH), header(ZSTD), PRIMARY.into(), LIST.into()]
    );
    assert!(!packages.exists());
    // With a reason to build, the packages are fetched whole.
    let overlay = site.desk.scratch.join("overlay");
    fs::create_dir_all(overlay.join("usr/share")).unwrap();
    fs::write(overlay.join("usr/share/more"), "more").unwrap();
    let overlay = overlay.display().to_string();
    let more = [&auto[..], &["--overlay", &overlay]].concat();
    site.succeeds("fourth night", &more);
    assert_eq!(
        site.requests(),
        [path(NOARCH), path(ZSTD), format!("{LIST} 304")]
    );
    assert_eq!(site.images().len(), 2);
    // A local repository is not read to the end, either: this package is another one.
    let repo = site.desk.scratch.join("repo");
    let local = repo.join("packages").join(ZSTD);
    let mut bytes = fs::read(&local).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&local, bytes).unwrap();
    let more = [&["hello-noarch"], &more[..]].concat();
    let mut command = site.desk.command(repo.to_str().unwrap(), &more);
    let said = text(&command.output().unwrap().stderr);
    assert!(said.contains("unchanged"), "{said}");
    command.args(["--compression", "gzip"]);
    let outcome = command.output().unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("the file has SHA-256 "), "{said}");
    assert_eq!(site.images().len(), 2);
}

/// An image that is built again fetches no package whose contents were all compressed before, unless
/// those turn out to be damaged.
#[test]
fn what_was_compressed_before_is_not_fetched_again() {
    let site = Site::new();
    let overlay = site.desk.scratch.join("overlay");
    fs::create_dir_all(overlay.join("usr/share")).unwrap();
    let argument = overlay.display().to_string();
    let store = site.desk.scratch.join("store").display().to_string();
    let copy = site.desk.scratch.join("copy").display().to_string();
    // Builds with a changed overlay, once the files of packages are gone from the cache.
    let night = |what: &str, cache: &str| {
        let packages = site.cache().join("packages");
        if packages.exists() {
            fs::remove_dir_all(packages).unwrap();
        }
        // It has no content that could share a block with others.
        let link = overlay.join("usr/share/more");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(what, link).unwrap();
        site.requests();
        let auto = ["--build-number", "auto", "--overlay", &argument];
        site.succeeds(what, &[&auto[..], &["--block-cache", cache]].concat());
        site.requests()
    };
    let list = format!("{LIST} 304");
    let all = [path(NOARCH), path(ZSTD), list.clone()];
    night("first", "64M");
    assert_eq!(night("second", "64M"), std::slice::from_ref(&list));
    assert_eq!(night("second", "64M"), std::slice::from_ref(&list));
    assert_eq!(site.images().len(), 2);
    let blocks = site.cache().join("blocks");
    let damage = || {
        for name in names(&blocks) {
            let mut bytes = fs::read(blocks.join(&name)).unwrap();
            bytes[9] ^= 1;
            fs::write(blocks.join(name), bytes).unwrap();
        }
    };
    fs::create_dir(&copy).unwrap();
    for name in names(store.as_ref()) {
        fs::copy(format!("{store}/{name}"), format!("{copy}/{name}")).unwrap();
    }
    damage();
    assert_eq!(night("third", "64M"), all);
    // The same without a cache of blocks.
    let of_damaged = site.images();
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&copy, &store).unwrap();
    assert_eq!(night("third", "0"), all);
    assert_eq!(site.images(), of_damaged);
    // Where metadata list another file with the same header, it is that one that counts.
    let before = fs::read(fixture(NOARCH)).unwrap();
    let now = [&before[..], b"more"].concat();
    let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    site.relist(&|text| {
        let text = text.replace(&sha256(&before), &sha256(&now));
        text.replace(
            &format!("package=\"{}\"", before.len()),
            &format!("package=\"{}\"", now.len()),
        )
    });
    site.server.put(&path(NOARCH), &now);
    let auto = ["--build-number", "auto", "--block-cache", "64M"];
    let said = text(&site.run(&auto).stderr);
    assert!(said.contains("payload is damaged"), "{said}");
}

/// Whatever a server sends instead of a header, the plan is the same, and so is the image.
#[test]
fn servers_that_send_something_else() {
    let (expected, image) = from_whole_packages();
    let package = fs::read(fixture(NOARCH)).unwrap();
    let end = header_end(&package);
    let mut flipped = package.clone();
    flipped[end - 20] ^= 1;
    let mut unnamed = package.clone();
    for at in (112..).step_by(16).take(7) {
        // The digests of the header: SHA-256 and SHA-1.
        if matches!(package[at..at + 4], [0, 0, 1, 17 | 13]) {
            unnamed[at + 1] = 1;
        }
    }
    assert_ne!(unnamed, package);
    let other = fs::read(fixture(ZSTD)).unwrap();
    let longest = [&other[..], &vec![0; package.len()]].concat();
    let elsewhere = Fault::Redirect("/elsewhere.rpm".to_owned());
    let whole = [header(NOARCH), path(NOARCH)];
    let rest = format!("{} bytes=100-{}", path(NOARCH), end - 1);
    for (what, faults, requests) in [
        ("all", vec![Fault::IgnoreRange], vec![header(NOARCH)]),
        (
            "the rest later",
            vec![Fault::Cut(100)],
            vec![header(NOARCH), rest.clone()],
        ),
        (
            "the rest later, with all else",
            vec![Fault::Cut(100), Fault::IgnoreRange],
            vec![header(NOARCH), rest.clone()],
        ),
        (
            "never the rest",
            vec![Fault::Cut(100), Fault::Drop, Fault::Drop],
            vec![header(NOARCH), path(NOARCH), rest.clone(), rest],
        ),
        ("another place", vec![elsewhere], {
            let range = header(NOARCH);
            let range = range.split_once(' ').unwrap().1;
            vec![format!("/elsewhere.rpm {range}"), header(NOARCH)]
        }),
        ("another part", vec![Fault::WrongRange], whole.to_vec()),
        ("less", vec![Fault::Short(1)], whole.to_vec()),
        ("no such part", vec![Fault::Status(416)], whole.to_vec()),
        ("nothing", vec![Fault::Status(404)], whole.to_vec()),
        (
            "a changed header",
            vec![Fault::Part(flipped)],
            whole.to_vec(),
        ),
        (
            "a header without a digest",
            vec![Fault::Part(unnamed)],
            whole.to_vec(),
        ),
        (
            "another package",
            vec![Fault::Part(longest)],
            whole.to_vec(),
        ),
        (
            "no package",
            vec![Fault::Part(vec![0; package.len()])],
            whole.to_vec(),
        ),
        ("silence", vec![Fault::Drop; 3], {
            let header = header(NOARCH);
            vec![header.clone(), header.clone(), header, path(NOARCH)]
        }),
    ] {
        let site = Site::new();
        site.server.put("/elsewhere.rpm", &package);
        site.server.next(&path(NOARCH), &faults);
        assert_eq!(site.plan(what, &[]), expected, "{what}");
        let mut found = site.requests();
        found.retain(|one| !one.starts_with("/repodata") && !one.starts_with(&path(ZSTD)));
        let mut requests = requests;
        requests.sort();
        assert_eq!(found, requests, "{what}");
        assert_eq!(names(&site.cache().join("partial")).len(), 0, "{what}");
        assert_eq!(site.plan(what, &["--offline"]), expected, "{what}");
        site.succeeds(what, &[]);
        assert_eq!(site.images(), image, "{what}");
    }
}

/// Metadata that say of headers what is not so, or nothing: the plan is that of whole packages.
#[test]
fn metadata_that_know_no_headers() {
    let (expected, _) = from_whole_packages();
    let package = fs::read(fixture(NOARCH)).unwrap();
    let (end, length) = (header_end(&package), package.len());
    let said = format!("start=\"112\" end=\"{end}\"");
    let asked = |end: usize| Some(format!("{} bytes=0-{}", path(NOARCH), end - 1));
    for (range, asked) in [
        (format!("start=\"{end}\" end=\"112\""), None),
        (format!("start=\"{end}\" end=\"{end}\""), None),
        ("start=\"112\" end=\"0\"".to_owned(), None),
        ("start=\"112\"".to_owned(), None),
        (format!("start=\"112\" end=\"{length}\""), None),
        (format!("start=\"112\" end=\"{}\"", length + 1), None),
        (format!("start=\"112\" end=\"{}\"", u64::MAX), None),
        // Somewhere else than it does.
        (format!("start=\"112\" end=\"{}\"", end - 1), asked(end - 1)),
        (format!("start=\"112\" end=\"{}\"", end + 1), asked(end + 1)),
        ("start=\"0\" end=\"1\"".to_owned(), asked(1)),
    ] {
        let site = Site::new();
        site.relist(&|text| text.replace(&said, &range));
        assert_eq!(site.plan(&range, &[]), expected, "{range}");
        let mut found = site.requests();
        found.retain(|one| one.starts_with(&path(NOARCH)));
        let mut requests = vec![path(NOARCH)];
        requests.extend(asked);
        assert_eq!(found, requests, "{range}");
    }
}

/// Returns a package with another summary in its header, and the digest that this has.
fn forged(package: &[u8]) -> Vec<u8> {
    let end = header_end(package);
    let find = |bytes: &[u8], wanted: &[u8]| {
        let mut windows = bytes.windows(wanted.len());
        windows.position(|window| window == wanted).unwrap()
    };
    // The signature header has the digest of what follows it in hexadecimal digits.
    let start = (96..end)
        .rev()
        .find(|&at| package[at..].starts_with(&[0x8e, 0xad, 0xe8, 1]))
        .unwrap();
    let mut forged = package.to_vec();
    let summary = b"/usr/share/";
    let at = start + find(&package[start..end], summary);
    forged[at..at + summary.len()].copy_from_slice(b"/usr/lib64/");
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let at = find(&package[..start], digest(&package[start..end]).as_bytes());
    let new = digest(&forged[start..end]);
    forged[at..at + new.len()].copy_from_slice(new.as_bytes());
    forged
}

/// A header that is good in itself, and is not that of the package: it may make a plan, and never an
/// image.
#[test]
fn no_image_is_made_of_another_header_than_its_package_has() {
    let site = Site::new();
    let auto = ["--build-number", "auto"];
    site.succeeds("first night", &auto);
    let images = site.images();
    fs::remove_dir_all(site.cache()).unwrap();
    let package = fs::read(fixture(NOARCH)).unwrap();
    site.server
        .always(&path(NOARCH), Fault::Part(forged(&package)));
    let outcome = site.run(&auto);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let words = "hello-noarch-2:0.5^git3-1.noarch: the plan was made from another header than its \
                 file has";
    assert!(said.contains(words), "{said}");
    assert_eq!(fixture_repository::errors(&said), 1, "{said}");
    assert_eq!(site.images(), images);
    // What is here whole is believed more than a header.
    let said = text(&site.succeeds("again", &auto).stderr);
    assert!(said.contains("unchanged"), "{said}");
    // Where packages have to be signed, such a header is worth nothing.
    fs::remove_dir_all(site.cache()).unwrap();
    site.requests();
    let key = fixture("keys/test.public.asc").display().to_string();
    let outcome = site.run(&["--dry-run", "--keyring", &key]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let words = "unsigned-package: hello-noarch-2:0.5^git3-1.noarch (";
    assert!(said.contains(words), "{said}");
    assert!(site.requests().contains(&header(NOARCH)));
}

/// A server can't hold back another build of a package by the header of the one before.
#[test]
fn the_header_of_before_does_not_stand_for_another_file() {
    let site = Site::new();
    let auto = ["--build-number", "auto"];
    site.succeeds("first night", &auto);
    let images = site.images();
    let before = fs::read(fixture(NOARCH)).unwrap();
    let now = forged(&before);
    let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    site.relist(&|text| text.replace(&sha256(&before), &sha256(&now)));
    site.server.put(&path(NOARCH), &now);
    site.server
        .always(&path(NOARCH), Fault::Part(before.clone()));
    fs::remove_dir_all(site.cache()).unwrap();
    let outcome = site.run(&auto);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let words = "the plan was made from another header than its file has";
    assert!(said.contains(words), "{said}");
    assert_eq!(site.images(), images);
    let said = text(&site.run(&auto).stderr);
    assert!(!said.contains("unchanged"), "{said}");
}

/// Headers in the cache that others wrote make no plan.
#[test]
fn headers_that_others_wrote_are_fetched_again() {
    let site = Site::new();
    let expected = site.plan("first", &[]);
    let package = fs::read(fixture(NOARCH)).unwrap();
    let end = header_end(&package);
    let directory = site.cache().join("headers");
    let kept: Vec<_> = (names(&directory).into_iter())
        .map(|name| (name.clone(), fs::read(directory.join(name)).unwrap()))
        .collect();
    let (mine, other) = match kept[0].1.starts_with(&package[..end]) {
        true => (&kept[0], &kept[1]),
        false => (&kept[1], &kept[0]),
    };
    let mut sealed = forged(&package)[..end].to_vec();
    let unsealed = [&sealed[..], &[0; 32]].concat();
    sealed.extend(&mine.1[end..]);
    for (what, bytes) in [
        ("forged, with the seal of the true one", &sealed[..]),
        ("forged, without a seal", &unsealed),
        ("that of another package", &other.1),
        ("cut off", &mine.1[..end]),
        ("empty", b""),
    ] {
        site.requests();
        fs::write(directory.join(&mine.0), bytes).unwrap();
        assert_eq!(site.plan(what, &[]), expected, "{what}");
        assert_eq!(
            site.requests(),
            [header(NOARCH), format!("{LIST} 304")],
            "{what}"
        );
        assert_eq!(fs::read(directory.join(&mine.0)).unwrap(), mine.1, "{what}");
    }
}
