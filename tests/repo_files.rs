//! `.repo` files of the shapes that distributions ship, and the mirrors that they lead to. dnf says
//! what such a file means.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::fixture_repository::{self, Desk, NOARCH, ZSTD, plain, usual};
use crate::server::{Fault, Server};
use crate::workshop::{Scratch, digest, names, output_of, text};

const LIST: &str = "/repodata/repomd.xml";

/// Prints the enabled repositories of `.repo` files: where each is, and what it leaves out.
const DNF: &str = r#"
import dnf, sys
base = dnf.Base()
base.conf.reposdir = [sys.argv[1]]
base.conf.cachedir = sys.argv[1] + "/cache"
base.conf.substitutions.update(releasever="42", basearch="x86_64", arch="x86_64")
base.read_all_repos()
for repo in sorted(base.repos.iter_enabled(), key=lambda repo: repo.id):
    place = repo.metalink or repo.mirrorlist or " ".join(repo.baseurl)
    print(repo.id, place, sorted(repo.excludepkgs), sorted(repo.includepkgs), repo.gpgcheck)
"#;

/// What a `.repo` file says, and which packages of the usual repository are on offer by it.
/// `@` stands for the directory of the repository, which is below `42/x86_64`.
const SHAPES: [(&str, &str); 9] = [
    (
        "plain",
        "[a]\nname=A $releasever\nbaseurl=file://@/$releasever/$basearch\ngpgcheck=0\n",
    ),
    (
        "marked",
        "\u{feff}[a]\r\nname=a\r\nbaseurl=file://@/42/x86_64\r\nenabled=1\r\n",
    ),
    (
        "escaped",
        "[a]\nname=a\nbaseurl=file://@/4%32/$basearch\nmetadata_expire=7d\n",
    ),
    (
        "disabled",
        "[a]\nname=a\nbaseurl=file://@/42/x86_64\n[s]\nname=s\nbaseurl=ftp://x\nenabled=0\n",
    ),
    (
        "excluded",
        "[a]\nname=a\nbaseurl=file://@/42/x86_64\nexclude=nosuch* clash-one\n",
    ),
    (
        "excluded-globs",
        "[a]\nname=a\nbaseurl=file://@/42/x86_64\nexcludepkgs=clash*,*.i686\n",
    ),
    (
        "included",
        "[a]\nname=a\nbaseurl=file://@/42/x86_64\nincludepkgs=hello*,payload-zstd\n",
    ),
    (
        "direct",
        "[a]\nname=a\nproxy=_none_\nbaseurl=file://@/42/x86_64 ; a comment\n",
    ),
    (
        "hotfixes",
        "[a]\nname=a\nbaseurl=file://@/42/x86_64\nmodule_hotfixes=true\ncost=5\n",
    ),
];

struct Site {
    desk: Desk,
    files: std::path::PathBuf,
}

impl Site {
    fn new() -> Self {
        let desk = Desk::new();
        let repo = desk.scratch.join("42/x86_64");
        fixture_repository::write(&repo, &usual());
        let files = desk.scratch.join("files");
        fs::create_dir(&files).unwrap();
        Self { desk, files }
    }

    /// Writes a `.repo` file, and returns its path.
    fn repo(&self, text: &str) -> String {
        let path = self.files.join("a.repo");
        let place = self.desk.scratch.path().display().to_string();
        fs::write(&path, text.replace('@', &place)).unwrap();
        path.display().to_string()
    }

    fn run(&self, repo: &str, more: &[&str]) -> Output {
        let more = [&["--releasever", "42", "--replace"], more].concat();
        self.desk.command(repo, &more).output().unwrap()
    }

    fn succeeds(&self, what: &str, repo: &str, more: &[&str]) -> String {
        let outcome = self.run(repo, more);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{what}: {said}");
        said
    }
}

#[test(program("dnf"))]
fn repo_files_mean_what_dnf_says() {
    for (what, shape) in SHAPES {
        let site = Site::new();
        let repo = site.repo(shape);
        let mut dnf = Command::new("/usr/bin/python3");
        let meant = output_of(dnf.args(["-c", DNF]).arg(&site.files));
        let excluded = meant.contains("clash");
        let included = meant.contains("['hello*', 'payload-zstd']");
        let place = format!("a file://{}/4", site.desk.scratch.path().display());
        assert!(
            meant.contains(&place) && !meant.contains("\ns "),
            "{what}: {meant}"
        );
        site.succeeds(what, &repo, &["hello-noarch", "--dry-run"]);
        let outcome = site.run(&repo, &["clash-one", "--dry-run"]);
        let said = text(&outcome.stderr);
        assert_eq!(
            outcome.status.success(),
            !excluded && !included,
            "{what}: {said}"
        );
        if excluded {
            let words = "package clash-one-1-1.noarch is filtered out by exclude filtering \
                         (excludepkgs or includepkgs of its repository)";
            assert!(said.contains(words), "{what}: {said}");
        }
    }
}

#[test]
fn what_the_user_excludes_is_not_chosen() {
    let site = Site::new();
    let repo = site.repo("[a]\nbaseurl=file://@/42/x86_64\n");
    let lock = site.desk.scratch.join("a.lock").display().to_string();
    site.succeeds("all", &repo, &["hello-noarch", "--lock", &lock]);
    let outcome = site.run(&repo, &["hello-noarch", "--exclude", "payload-*"]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let words = "package payload-zstd-1-1.noarch is filtered out by exclude filtering \
                 (--exclude)";
    assert!(said.contains(words), "{said}");
    let more = [
        "hello-noarch",
        "--exclude",
        "payload-zstd",
        "--lock",
        &lock,
        "--locked",
    ];
    let outcome = site.run(&repo, &more);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("payload-zstd-1-1.noarch is excluded"),
        "{said}"
    );
}

/// A repository on one server, and servers that pretend to have it.
struct Mirrors {
    desk: Desk,
    good: Server,
    stale: Server,
    gone: Server,
    lists: Server,
}

impl Mirrors {
    fn new() -> Self {
        let desk = Desk::new();
        let repo = fixture_repository::write(&desk.scratch.join("repo"), &usual());
        // The server knows files by what is asked for.
        let encoded = repo.join("packages").join(NOARCH.replace('^', "%5E"));
        fs::copy(repo.join("packages").join(NOARCH), encoded).unwrap();
        let old = fixture_repository::write(&desk.scratch.join("old"), &[plain(ZSTD)]);
        let empty = desk.scratch.join("empty");
        fs::create_dir(&empty).unwrap();
        let (good, stale, gone) = (Server::of(&repo), Server::of(&old), Server::of(&empty));
        let lists = Server::of(&empty);
        Self {
            desk,
            good,
            stale,
            gone,
            lists,
        }
    }

    /// Has the list of mirrors name these servers, as a metalink that promises the good one's list.
    fn metalink(&self, servers: &[&Server]) {
        let urls: String = (servers.iter().enumerate())
            .map(|(number, server)| {
                let (preference, url) = (100 - number, server.url());
                format!("<url preference=\"{preference}\">{url}{LIST}</url>")
            })
            .collect();
        let sum = digest(&fs::read(self.desk.scratch.join(&format!("repo{LIST}"))).unwrap());
        self.put(&format!(
            "<metalink><files><file name=\"repomd.xml\"><verification><hash type=\"sha256\">{sum}\
             </hash></verification><resources>{urls}</resources></file></files></metalink>"
        ));
    }

    fn put(&self, list: &str) {
        let directory = Scratch::new();
        fs::write(directory.join("list?repo=a-42&arch=x86_64"), list).unwrap();
        self.lists.load(directory.path(), "");
    }

    fn run(&self, kind: &str, more: &[&str]) -> Output {
        let file = self.desk.scratch.join("a.repo");
        let url = self.lists.url();
        let list = format!("{url}/list?repo=a-$releasever&arch=$basearch");
        fs::write(&file, format!("[a]\nname=a\n{kind}={list}\ngpgcheck=0\n")).unwrap();
        let lock = self.desk.scratch.join("lock").display().to_string();
        let more = [
            &[
                "hello-noarch",
                "--replace",
                "--releasever",
                "42",
                "--lock",
                &lock,
            ],
            more,
        ]
        .concat();
        self.desk
            .command(file.to_str().unwrap(), &more)
            .output()
            .unwrap()
    }

    fn succeeds(&self, what: &str, kind: &str, more: &[&str]) -> String {
        let outcome = self.run(kind, more);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{what}: {said}");
        said
    }
}

#[test]
fn it_does_not_matter_which_mirror_of_a_metalink_answers() {
    let mirrors = Mirrors::new();
    let Mirrors {
        desk,
        good,
        stale,
        gone,
        ..
    } = &mirrors;
    mirrors.metalink(&[gone, stale, good]);
    mirrors.succeeds("first", "metalink", &[]);
    assert_eq!(gone.requests().first().map(String::as_str), Some(LIST));
    assert_eq!(stale.requests().first().map(String::as_str), Some(LIST));
    let made = names(&desk.scratch.join("store"));
    let list = fs::read(desk.scratch.join("store/SHA256SUMS")).unwrap();
    let lock = fs::read_to_string(desk.scratch.join("lock")).unwrap();
    for server in [good, stale, gone] {
        assert!(!lock.contains(server.url()), "{lock}");
    }
    // Without a network, on another day with other mirrors, and by the lock: the same bytes.
    mirrors.succeeds("offline", "metalink", &["--offline"]);
    fs::remove_dir_all(desk.scratch.join("cache")).unwrap();
    mirrors.metalink(&[good]);
    mirrors.succeeds("another day", "metalink", &[]);
    mirrors.succeeds("locked", "metalink", &["--locked"]);
    assert_eq!(names(&desk.scratch.join("store")), made);
    assert_eq!(
        fs::read(desk.scratch.join("store/SHA256SUMS")).unwrap(),
        list
    );
    assert_eq!(fs::read_to_string(desk.scratch.join("lock")).unwrap(), lock);
}

#[test]
fn a_mirror_that_breaks_is_left_for_the_next() {
    let mirrors = Mirrors::new();
    let Mirrors {
        good, stale, gone, ..
    } = &mirrors;
    gone.always(LIST, Fault::Drop);
    stale.always(LIST, Fault::Status(503));
    mirrors.metalink(&[gone, stale, good]);
    mirrors.succeeds("dropped", "metalink", &[]);
    assert_eq!(
        (gone.requests().len() > 1, stale.requests().len() > 1),
        (true, true)
    );
}

#[test]
fn what_the_metalink_does_not_promise_is_refused() {
    let mirrors = Mirrors::new();
    mirrors.metalink(&[&mirrors.stale]);
    let outcome = mirrors.run("metalink", &[]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let words = "it is not the one that the list of mirrors promises";
    assert!(said.contains(words), "{said}");
    assert!(!said.contains("payload"), "{said}");
    // What the cache had before the list changed is not enough, either.
    mirrors.metalink(&[&mirrors.good]);
    mirrors.succeeds("good", "metalink", &[]);
    let repo = fixture_repository::write(&mirrors.desk.scratch.join("repo"), &usual()[..3]);
    mirrors.metalink(&[&mirrors.good]);
    let outcome = mirrors.run("metalink", &[]);
    assert_eq!(outcome.status.code(), Some(1));
    mirrors.good.load(&repo, "");
    let said = mirrors.succeeds("changed", "metalink", &[]);
    assert!(said.contains("a: 3 packages\n"), "{said}");
}

#[test]
fn lists_of_mirrors_are_followed() {
    let mirrors = Mirrors::new();
    let (good, gone) = (mirrors.good.url(), mirrors.gone.url());
    for (what, list) in [
        ("lines", format!("# mirrors\n{gone}/\n{good}/\n")),
        (
            "json",
            format!("[{{\"url\":\"{gone}\"}},{{\"country\":\"de\",\"url\":\"{good}/\"}}]"),
        ),
    ] {
        mirrors.put(&list);
        let said = mirrors.succeeds(what, "mirrorlist", &[]);
        assert!(said.contains("a: 4 packages\n"), "{what}: {said}");
    }
    for (what, list, words) in [
        ("page", "<html></html>", "it is not a metalink"),
        (
            "none",
            "nothing here\n",
            "it names no mirror by http or https",
        ),
    ] {
        mirrors.put(list);
        let outcome = mirrors.run("mirrorlist", &[]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
    }
}

/// Makes the database of a system whose release package has the number that repositories go by.
fn system(root: &Path, work: &Scratch) {
    let spec = work.join("clone-release.spec");
    let text = "Name: clone-release\nVersion: 9.4\nRelease: 1\nSummary: x\nLicense: MIT\n\
                BuildArch: noarch\nProvides: system-release = 9.4-1\n\
                Provides: system-release(releasever) = 9\n%description\nx\n%install\n\
                mkdir -p %{buildroot}/usr/lib\n\
                printf 'ID=clone\\nVERSION_ID=9.4\\n' > %{buildroot}/usr/lib/os-release\n\
                %files\n/usr/lib/os-release\n";
    fs::write(&spec, text).unwrap();
    let build = work.join("build");
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild
        .args(["-bb", "--define"])
        .arg(format!("_topdir {}", build.display()));
    output_of(rpmbuild.arg(&spec));
    let rpm = build.join("RPMS/noarch/clone-release-9.4-1.noarch.rpm");
    let mut install = Command::new("rpm");
    install
        .arg("--root")
        .arg(root)
        .args(["--dbpath", "/var/lib/rpm"]);
    output_of(install.args(["-i", "--nodeps", "--force-debian"]).arg(rpm));
}

/// The number of the release that dnf puts into URLs.
#[test(programs!("dnf", "rpm", "rpmbuild"), root())]
fn releasever_is_the_one_that_dnf_finds() {
    let (desk, work) = (Desk::new(), Scratch::new());
    let root = desk.scratch.join("root");
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    system(&root, &work);
    let script = "import dnf.rpm, sys; print(dnf.rpm.detect_releasever(sys.argv[1]))";
    // dnf looks where the configuration of this machine's rpm says.
    let home = root.join("root/.rpmdb");
    fs::create_dir_all(home.parent().unwrap()).unwrap();
    output_of(
        Command::new("cp")
            .arg("-a")
            .arg(root.join("var/lib/rpm"))
            .arg(&home),
    );
    let mut dnf = Command::new("/usr/bin/python3");
    let number = output_of(dnf.env("HOME", "/root").args(["-c", script]).arg(&root));
    assert_eq!(number.trim(), "9");
    fixture_repository::write(&desk.scratch.join("r/9"), &usual());
    let file = desk.scratch.join("a.repo");
    let place = desk.scratch.join("r").display().to_string();
    fs::write(&file, format!("[a]\nbaseurl=file://{place}/$releasever\n")).unwrap();
    let mut command = crate::workshop::program();
    command.arg("--base").arg(&root).arg("--repo").arg(&file);
    let outcome = command
        .args(["--dry-run", "hello-noarch"])
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
}
