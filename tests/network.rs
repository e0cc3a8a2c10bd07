//! Repositories on a web server, on good days and on bad ones.
//!
//! Every bad day ends in one of two ways: the image is made, or the run fails with a clear word,
//! nothing written, and a cache that serves the next run.

use std::fs;
use std::io::Read as _;
use std::process::{Output, Stdio};

use crate::fixture_repository::{self, Desk, NOARCH, usual};
use crate::server::{Fault, Server};
use crate::workshop::{fixture, names, text};

const LIST: &str = "/repodata/repomd.xml";
const PRIMARY: &str = "/repodata/primary.xml.gz";

/// The path of the package that is asked for.
fn package() -> String {
    format!("/packages/{}", NOARCH.replace('^', "%5E"))
}

/// A repository on a server.
struct Site {
    desk: Desk,
    server: Server,
}

impl Site {
    fn new() -> Self {
        let desk = Desk::new();
        let repo = fixture_repository::write(&desk.scratch.join("repo"), &usual());
        let server = Server::of(&repo);
        // The server knows files by what is asked for.
        let package = fixture(NOARCH);
        let encoded = desk.scratch.join("encoded/packages");
        fs::create_dir_all(&encoded).unwrap();
        fs::copy(package, encoded.join(NOARCH.replace('^', "%5E"))).unwrap();
        server.load(&desk.scratch.join("encoded"), "");
        Self { desk, server }
    }

    fn run(&self, more: &[&str]) -> Output {
        let more = [&["hello-noarch", "--replace"], more].concat();
        self.desk
            .command(self.server.url(), &more)
            .output()
            .unwrap()
    }

    /// Runs, and returns what was said; panics if it fails.
    fn succeeds(&self, what: &str, more: &[&str]) -> String {
        let outcome = self.run(more);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{what}: {said}");
        assert_eq!(self.leftovers(), Vec::<String>::new(), "{what}");
        said
    }

    /// Runs, fails with one line of these words, and has written nothing.
    fn fails(&self, what: &str, more: &[&str], code: i32, words: &str) {
        let outcome = self.run(more);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        assert_eq!(fixture_repository::errors(&said), 1, "{what}: {said}");
        assert_eq!(self.desk.store(), Vec::<String>::new(), "{what}");
    }

    /// Returns what transfers left in the cache.
    fn leftovers(&self) -> Vec<String> {
        names(&self.desk.scratch.join("cache/partial"))
    }
}

#[test]
fn the_second_run_asks_whether_anything_has_changed() {
    let site = Site::new();
    let said = site.succeeds("first", &[]);
    assert!(said.contains(": 4 packages\n"), "{said}");
    let mut requests = site.server.requests();
    requests.sort();
    let zstd = "/packages/payload-zstd-1-1.noarch.rpm".to_owned();
    assert_eq!(
        requests,
        [package(), zstd, PRIMARY.to_owned(), LIST.to_owned()]
    );
    site.succeeds("second", &[]);
    assert_eq!(site.server.requests(), [format!("{LIST} 304")]);
    site.succeeds("refreshed", &["--refresh"]);
    assert_eq!(site.server.requests(), [LIST]);
    site.succeeds("offline", &["--offline"]);
    assert_eq!(site.server.requests(), Vec::<String>::new());
}

/// Each recipe names the repository and the base for itself.
#[test]
fn recipes_share_what_is_read_of_a_repository() {
    let site = Site::new();
    for (name, package) in [
        ("a", "hello-noarch"),
        ("b", "payload-zstd"),
        ("c", "hello-noarch"),
    ] {
        let text = format!("name = \"{name}\"\nversion = \"1\"\npackages = [\"{package}\"]\n");
        fs::write(site.desk.scratch.join(&format!("{name}.toml")), text).unwrap();
    }
    let recipes = ["a.toml", "b.toml", "c.toml"].map(|name| {
        let path = site.desk.scratch.join(name);
        path.display().to_string()
    });
    let recipes: Vec<_> = recipes.iter().map(String::as_str).collect();
    for (jobs, again) in [("1", false), ("4", false), ("4", true)] {
        let typed = [&recipes[..], &["--jobs", jobs, "--timings", "--replace"]].concat();
        if !again {
            fs::remove_dir_all(site.desk.scratch.join("cache")).ok();
        }
        let outcome = site
            .desk
            .command(site.server.url(), &typed)
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        let requests = site.server.requests();
        let count = |path: &str| requests.iter().filter(|one| one.starts_with(path)).count();
        assert_eq!(count(LIST), 1, "{requests:?}");
        assert_eq!(count(PRIMARY), usize::from(!again), "{requests:?}");
        let line = |stage: &str| {
            let mut table = said.lines().skip_while(|line| !line.starts_with("stage "));
            let line = table.find(|line| line.starts_with(stage));
            line.unwrap_or_default()
                .split_whitespace()
                .nth(1)
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(
            (line("base "), line("plan ")),
            ("1".to_owned(), "3".to_owned()),
            "{said}"
        );
    }
}

/// Metadata that name a place of their own, on a host that the user did not name.
#[test]
fn metadata_lead_to_no_other_host() {
    let listed = " href=\"packages/hello";
    for (what, in_list, from) in [
        ("package", false, listed),
        ("metadata", true, " href=\"repodata/primary"),
    ] {
        let site = Site::new();
        let repo = site.desk.scratch.join("repo");
        let based = format!(" xml:base=\"{}/\"{from}", site.server.url());
        if in_list {
            let list = repo.join("repodata/repomd.xml");
            let text = fs::read_to_string(&list).unwrap().replace(from, &based);
            fs::write(list, text).unwrap();
        } else {
            let primary = fs::read(repo.join("repodata/primary.xml.gz")).unwrap();
            let mut text = String::new();
            let mut gzip = flate2::read::GzDecoder::new(&*primary);
            gzip.read_to_string(&mut text).unwrap();
            let text = text.replace(from, &based);
            fixture_repository::put_metadata(&repo, &text, "<filelists></filelists>");
        }
        // The server that is named is another one than that of the metadata.
        let named = Server::of(&repo);
        for (place, more) in [
            (repo.to_str().unwrap(), &["hello-noarch"][..]),
            (repo.to_str().unwrap(), &["hello-noarch", "--dry-run"]),
            (named.url(), &["hello-noarch", "--dry-run"]),
        ] {
            let outcome = site.desk.command(place, more).output().unwrap();
            let said = text(&outcome.stderr);
            assert_eq!(outcome.status.code(), Some(1), "{what}: {said}");
            let words = format!("name {}/", site.server.url());
            assert!(said.contains(&words), "{what}: {said}");
            assert!(
                said.contains(", which is not on its host"),
                "{what}: {said}"
            );
            assert_eq!(site.desk.store(), Vec::<String>::new(), "{what}");
        }
        assert_eq!(site.server.requests(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn offline_says_what_is_missing() {
    let site = Site::new();
    site.fails(
        "empty cache",
        &["--offline"],
        3,
        "repomd.xml of http://127.0.0.1",
    );
    // A plan fetches headers, which are not enough for an image.
    let outcome = site.run(&["--dry-run"]);
    assert!(outcome.status.success());
    site.server.requests();
    site.fails(
        "packages",
        &["--offline"],
        3,
        "it is not in the cache, and --offline forbids",
    );
    assert_eq!(site.server.requests(), Vec::<String>::new());
}

#[test]
fn a_repository_that_has_changed_is_read_again() {
    let site = Site::new();
    site.succeeds("first", &[]);
    let repo = site.desk.scratch.join("repo");
    fixture_repository::write(&repo, &usual()[..3]);
    site.server.load(&repo, "");
    let said = site.succeeds("second", &[]);
    assert!(said.contains(": 3 packages\n"), "{said}");
}

#[test]
fn bad_days_that_end_well() {
    let length = fs::metadata(fixture(NOARCH)).unwrap().len();
    let half = usize::try_from(length / 2).unwrap();
    let from_half = format!("{} bytes={half}-", package());
    for (what, path, faults, expected) in [
        (
            "dropped",
            PRIMARY.to_owned(),
            vec![Fault::Drop, Fault::Drop],
            None,
        ),
        ("garbage", LIST.to_owned(), vec![Fault::Garbage], None),
        ("list cut", LIST.to_owned(), vec![Fault::Cut(50)], None),
        (
            "primary cut",
            PRIMARY.to_owned(),
            vec![Fault::Cut(50), Fault::Cut(9)],
            None,
        ),
        (
            "500, then well",
            package(),
            vec![Fault::Status(500), Fault::Status(503)],
            None,
        ),
        (
            "too many requests",
            LIST.to_owned(),
            vec![Fault::Status(429)],
            None,
        ),
        (
            "resumed",
            package(),
            vec![Fault::Cut(half)],
            Some(&from_half),
        ),
        (
            "stalled",
            package(),
            vec![Fault::Stall(half)],
            Some(&from_half),
        ),
        (
            "range ignored",
            package(),
            vec![Fault::Cut(half), Fault::IgnoreRange],
            Some(&from_half),
        ),
        (
            "wrong range",
            package(),
            vec![Fault::Cut(half), Fault::WrongRange],
            Some(&from_half),
        ),
        ("slow", package(), vec![Fault::Slow(2000)], None),
        (
            "redirect",
            package(),
            vec![Fault::Redirect("/elsewhere.rpm".to_owned())],
            None,
        ),
    ] {
        let site = Site::new();
        let elsewhere = site.desk.scratch.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::copy(fixture(NOARCH), elsewhere.join("elsewhere.rpm")).unwrap();
        site.server.load(&elsewhere, "");
        site.server.next(&path, &faults);
        site.succeeds(what, &[]);
        let requests = site.server.requests();
        if let Some(expected) = expected {
            assert!(requests.contains(expected), "{what}: {requests:?}");
        }
    }
}

#[test]
fn without_validators_a_part_is_continued_and_checked() {
    let site = Site::new();
    site.server.send_tags(false);
    site.server.next(&package(), &[Fault::Cut(700)]);
    site.succeeds("resumed", &[]);
    let requests = site.server.requests();
    assert!(
        requests.contains(&format!("{} bytes=700-", package())),
        "{requests:?}"
    );
}

#[test]
fn bad_days_that_end_badly() {
    let other = fs::read(fixture(fixture_repository::ZSTD)).unwrap();
    let length = usize::try_from(fs::metadata(fixture(NOARCH)).unwrap().len()).unwrap();
    let same_length = vec![b'x'; length];
    for (what, path, fault, code, words) in [
        (
            "no list",
            LIST.to_owned(),
            Fault::Status(404),
            3,
            "the server answered 404 Not Found",
        ),
        (
            "no primary",
            PRIMARY.to_owned(),
            Fault::Status(404),
            3,
            "404 Not Found",
        ),
        (
            "no package",
            package(),
            Fault::Status(404),
            3,
            "404 Not Found",
        ),
        (
            "forbidden",
            LIST.to_owned(),
            Fault::Status(403),
            3,
            "403 Forbidden",
        ),
        (
            "always 500",
            PRIMARY.to_owned(),
            Fault::Status(500),
            3,
            "500 Internal Server Error (tried 3 times)",
        ),
        (
            "always dropped",
            LIST.to_owned(),
            Fault::Drop,
            3,
            "(tried 3 times)",
        ),
        (
            "always stalled",
            package(),
            Fault::Stall(0),
            3,
            "the server was silent for 1 seconds (tried 3 times)",
        ),
        (
            "a circle",
            LIST.to_owned(),
            Fault::Redirect(LIST.to_owned()),
            3,
            "it redirects in a loop",
        ),
        (
            "elsewhere",
            LIST.to_owned(),
            Fault::Redirect("ftp://example.invalid/".to_owned()),
            3,
            "repomd.xml",
        ),
        (
            "wrong length",
            package(),
            Fault::WrongLength(9),
            1,
            " bytes, not ",
        ),
        (
            "another package",
            package(),
            Fault::Change(other, usize::MAX),
            1,
            " bytes, not ",
        ),
        (
            "wrong checksum",
            package(),
            Fault::Change(same_length.clone(), usize::MAX),
            1,
            "the repository says SHA-256",
        ),
        (
            "changes while resumed",
            package(),
            Fault::Change(same_length, 500),
            1,
            "the repository says SHA-256",
        ),
        (
            "slower than allowed",
            PRIMARY.to_owned(),
            Fault::Slow(5),
            3,
            "slower than 1000 bytes per second",
        ),
        (
            "no repository",
            LIST.to_owned(),
            Fault::Change(b"<html>Sign in</html>".to_vec(), usize::MAX),
            1,
            "it is <html> and not <repomd>",
        ),
        (
            "endless list",
            LIST.to_owned(),
            Fault::Change(vec![b' '; 5 << 20], usize::MAX),
            1,
            "longer than 4194304 bytes",
        ),
    ] {
        let site = Site::new();
        let changes = matches!(fault, Fault::Change(..));
        match (&fault, what) {
            (Fault::Change(..), "changes while resumed") => {
                site.server.next(&path, &[Fault::Cut(100), fault])
            }
            _ => site.server.always(&path, fault),
        }
        site.fails(what, &[], code, words);
        // On the next good day the same cache serves.
        site.server.recover();
        if changes {
            site.server.load(&site.desk.scratch.join("repo"), "");
            site.server.load(&site.desk.scratch.join("encoded"), "");
        }
        site.succeeds(what, &[]);
    }
}

#[test]
fn a_mirror_helps_out() {
    let site = Site::new();
    let good = site.server.url().to_owned();
    let bad = Site::new();
    bad.server.always(LIST, Fault::Drop);
    bad.server
        .always(PRIMARY, Fault::Change(b"x".to_vec(), usize::MAX));
    bad.server.always(&package(), Fault::Status(404));
    let file = site.desk.scratch.join("mirrors.repo");
    fs::write(
        &file,
        format!("[a]\nbaseurl={}/\n  {good}\n", bad.server.url()),
    )
    .unwrap();
    let outcome = site
        .desk
        .command(file.to_str().unwrap(), &["hello-noarch"])
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(bad.server.requests().len() >= 4);
}

#[test]
fn a_download_goes_on_in_the_next_run() {
    let mut site = Site::new();
    site.server.next(&package(), &[Fault::Cut(600)]);
    site.desk.retries = 0;
    site.fails(
        "the first run",
        &[],
        3,
        "the connection ended too early (tried once)",
    );
    assert_eq!(site.leftovers().len(), 1);
    site.server.requests();
    site.succeeds("the next run", &[]);
    let requests = site.server.requests();
    assert!(
        requests.contains(&format!("{} bytes=600-", package())),
        "{requests:?}"
    );
}

#[test]
fn what_lies_in_the_cache_is_not_believed() {
    let site = Site::new();
    site.succeeds("first", &[]);
    let packages = site.desk.scratch.join("cache/packages");
    for name in names(&packages) {
        fs::write(packages.join(name), b"something else").unwrap();
    }
    site.server.requests();
    site.succeeds("second", &[]);
    assert_eq!(site.server.requests().len(), 3, "the list and two packages");
}

#[test]
fn processes_share_a_cache() {
    let site = Site::new();
    site.server.always(&package(), Fault::Slow(4000));
    let running: Vec<_> = (0..4)
        .map(|number| {
            let store = format!("store-{number}");
            let url = site.server.url();
            let mut command = site.desk.command_into(&store, url, &["hello-noarch"]);
            command
                .stderr(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in running {
        let outcome = child.wait_with_output().unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
    let fetched = site.server.requests();
    let times = fetched
        .iter()
        .filter(|request| **request == package())
        .count();
    assert_eq!(times, 1, "fetched once for all");
    assert_eq!(site.leftovers(), Vec::<String>::new());
}

#[test]
fn secrets_are_not_shown() {
    let site = Site::new();
    let url = site.server.url().replace("http://", "http://user:secret@");
    site.server.always(LIST, Fault::Status(403));
    let outcome = site
        .desk
        .command(&format!("{url}?token=secret"), &["x"])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(3), "{said}");
    assert!(!said.contains("secret") && said.contains("?..."), "{said}");
}
