//! Packages as values in; the tree as text, the findings and the changes out.

use image::dump::dump;
use rpm_input::{DigestAlgorithm, FileDigest, FileFlags, Nevra};

use super::*;

/// `%ghost`, as the header has it.
const GHOST: u32 = 1 << 6;

/// Makes a package `NAME` of version 1-1 of lines `PATH KIND MODE OWNER:GROUP [WORD...]`. The kinds
/// are those of `dump`. A word is `sha256:TEXT` or `md5:TEXT` (a content), `->TARGET`, `color=N`,
/// `set=N` (a hard link set), `size=N`, `mtime=N`, `caps` or `ghost`.
pub fn package(name: &str, lines: &[&str]) -> Package {
    let mut package = Package::named(Nevra {
        name: name.to_owned(),
        epoch: None,
        version: "1".to_owned(),
        release: "1".to_owned(),
        arch: "x86_64".to_owned(),
    });
    package.files = lines.iter().map(|line| file(line)).collect();
    package
}

/// Writes a text as the digits of a digest. [`readable`] turns it back.
fn digits(algorithm: DigestAlgorithm, text: &str) -> String {
    let length = if algorithm == DigestAlgorithm::Md5 {
        32
    } else {
        64
    };
    format!("{:0<length$}", hex::encode(text))
}

/// Puts the texts of digests in place of their digits.
fn readable(text: &str) -> String {
    let is_digit = |char: char| char.is_ascii_hexdigit();
    let mut readable = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|char| !is_digit(char)).unwrap_or(digits.len());
        let (digits, after) = digits.split_at(end);
        readable.push_str(before);
        match digits.len() {
            32 | 64 => {
                let text = hex::decode(digits).unwrap();
                readable.push_str(str::from_utf8(&text).unwrap().trim_end_matches('\0'));
            }
            _ => readable.push_str(digits),
        }
        rest = after;
    }
    readable + rest
}

fn file(line: &str) -> File {
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap();
    let (path, kind, mode, owners) = (next(), next(), next(), next());
    let kind = match kind {
        "d" => FileKind::Directory,
        "l" => FileKind::Symlink("".into()),
        "c" => FileKind::Character(0x103),
        "p" => FileKind::Fifo,
        _ => FileKind::Regular,
    };
    let (owner, group) = owners.split_once(':').unwrap();
    let mut file = File {
        mode: u16::from_str_radix(mode, 8).unwrap(),
        owner: owner.into(),
        group: group.into(),
        mtime: 100,
        ..File::new(path.to_owned(), kind)
    };
    for word in words {
        if let Some(target) = word.strip_prefix("->") {
            file.kind = FileKind::Symlink(target.into());
        } else if let Some((algorithm, text)) = word.split_once(':') {
            file.size = text.len() as u64;
            let algorithm = match algorithm {
                "md5" => DigestAlgorithm::Md5,
                _ => DigestAlgorithm::Sha256,
            };
            file.digest = FileDigest::new(algorithm, &digits(algorithm, text));
        } else if let Some((key, number)) = word.split_once('=') {
            let number = number.parse().unwrap();
            match key {
                "color" => file.color = number,
                "set" => file.hard_link = Some(number),
                "size" => file.size = number.into(),
                _ => file.mtime = number,
            }
        } else {
            match word {
                "caps" => file.capabilities = Some([1, 2].into()),
                _ => file.flags = FileFlags(GHOST),
            }
        }
    }
    file
}

/// Makes a path of an overlay: `PATH f MODE TEXT [WORD...]` or `PATH d MODE`. A word is `user=N` or
/// `group=N`, strangers; `NAME` (an attribute that is kept), or `-NAME` (one that is not).
fn overlaid(line: &str) -> OverlayFile {
    let words: Vec<_> = line.split(' ').collect();
    let text = words.get(3).copied();
    let rest = words.get(4..).unwrap_or_default();
    let stranger = |key| {
        let number = rest.iter().find_map(|word| word.strip_prefix(key));
        number.map(|number| number.parse().unwrap())
    };
    let is_name = |word: &&str| !word.contains('=') && !word.starts_with('-');
    let kept = rest.iter().copied().filter(is_name);
    OverlayFile {
        candidate: Candidate::new(
            words[0].to_owned(),
            match text {
                Some(_) => CandidateKind::File,
                None => CandidateKind::Directory,
            },
        ),
        mode: u16::from_str_radix(words[2], 8).unwrap(),
        strangers: (stranger("user="), stranger("group=")),
        xattrs: kept.map(|name| (name.to_owned(), vec![1])).collect(),
        not_taken: (rest.iter())
            .filter_map(|word| word.strip_prefix('-'))
            .map(str::to_owned)
            .collect(),
        size: text.map_or(0, |text| text.len() as u64),
        content: text.map(|text| ContentId::new(format!("sha256:{text}"))),
        source: PathBuf::from("/overlay"),
    }
}

/// Composes for a base that gives the user `man` the number 6 and the group `tty` the number 5.
pub(super) fn plan(packages: &[Package], overlay: &[&str], epoch: Option<u32>) -> Plan {
    let overlay: Vec<_> = overlay.iter().map(|line| overlaid(line)).collect();
    let rules = RuleSet::new(&[], &[]).unwrap();
    let owners = Owners::of_tables("man:x:6:6::/:/bin/false", "tty:x:5:");
    let packages: Vec<_> = packages.iter().collect();
    let times = Times::new(epoch, &packages);
    compose(
        &packages,
        &overlay,
        &rules,
        (&owners, Places::default(), Part::Main),
        times,
    )
    .unwrap()
}

/// Returns the tree without directories that nobody describes, then the findings as `id: text`.
pub(super) fn told(plan: &Plan) -> Vec<String> {
    let tree = dump(&plan.tree);
    let paths = tree.lines().filter(|line| {
        let path = line.split(' ').next().unwrap().trim_start_matches('/');
        !line.contains(" d ") || plan.described.contains(path.as_bytes())
    });
    let findings = (plan.findings.iter()).map(|one| format!("{}: {}", one.kind.id, one.text));
    let lines = paths.map(str::to_owned).chain(findings);
    lines.map(|line| readable(&line)).collect()
}

/// One decision a row: what is in two packages, and what comes of it.
#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_becomes_of_paths() {
    type Row = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
    );
    let rows: &[Row] = &[
        (
            "a file and its directory keep mode, time and content",
            &[
                "/usr/bin d 0750 root:root mtime=7",
                "/usr/bin/a f 0755 root:root sha256:one mtime=8",
            ],
            &[],
            &[
                "/usr/bin d 0750 0:0 7",
                "/usr/bin/a f 0755 0:0 8 3 sha256:one",
            ],
        ),
        (
            "an owner that the base does not number becomes root, and set-uid goes",
            &["/usr/bin/a f 4755 daemon:root sha256:one"],
            &[],
            &[
                "/usr/bin/a f 0755 0:0 100 3 sha256:one",
                "owner: owner-to-root changed 1 path: /usr/bin/a is now root:root 0755, was daemon:root 4755",
            ],
        ),
        (
            "a group that the base does not number becomes root, and set-gid goes; set-uid of root stays",
            &["/usr/bin/a f 6755 root:mail sha256:one"],
            &[],
            &[
                "/usr/bin/a f 4755 0:0 100 3 sha256:one",
                "owner: owner-to-root changed 1 path: /usr/bin/a is now root:root 4755, was root:mail 6755",
                "set-uid: /usr/bin/a is set-uid (4755)",
            ],
        ),
        (
            "set-gid of a directory is inheritance, and stays",
            &["/usr/share/x d 2755 root:mail"],
            &[],
            &[
                "/usr/share/x d 2755 0:0 100",
                "owner: owner-to-root changed 1 path: /usr/share/x is now root:root 2755, was root:mail 2755",
            ],
        ),
        (
            "numbers that the base fixes are kept, with the bits",
            &["/usr/bin/a f 6755 man:tty sha256:one"],
            &[],
            &[
                "/usr/bin/a f 6755 6:5 100 3 sha256:one",
                "set-uid: /usr/bin/a is set-uid and set-gid (6755)",
            ],
        ),
        (
            "file capabilities are kept, and said",
            &["/usr/bin/a f 0755 root:root sha256:one caps"],
            &[],
            &[
                "/usr/bin/a f 0755 0:0 100 3 sha256:one security.capability=0x0102",
                "set-uid: /usr/bin/a is run with file capabilities (0755)",
            ],
        ),
        (
            "contents of one strong digest are one",
            &[
                "/usr/a f 0644 root:root sha256:one",
                "/usr/b f 0644 root:root sha256:one",
            ],
            &[],
            &[
                "/usr/a f 0644 0:0 100 3 sha256:one",
                "/usr/b f 0644 0:0 100 3 sha256:one",
            ],
        ),
        (
            "contents of one MD5 are two: it can be forged",
            &[
                "/usr/a f 0644 root:root md5:one",
                "/usr/b f 0644 root:root md5:one",
            ],
            &["/usr/c f 0644 root:root md5:one"],
            &[
                "/usr/a f 0644 0:0 100 3 md5:one@0/0",
                "/usr/b f 0644 0:0 100 3 md5:one@0/1",
                "/usr/c f 0644 0:0 100 3 md5:one@1/0",
            ],
        ),
        (
            "hard links stay one file",
            &[
                "/usr/a f 0644 root:root sha256:one set=0",
                "/usr/b f 0644 root:root sha256:one set=0",
            ],
            &["/usr/c f 0644 root:root sha256:one set=0"],
            &[
                "/usr/a f 0644 0:0 100 3 sha256:one",
                "/usr/b h /usr/a",
                "/usr/c f 0644 0:0 100 3 sha256:one",
            ],
        ),
        (
            "hard links have what the header says of the last name, whatever a rule leaves out",
            &[
                "/usr/a f 0600 root:root sha256:one set=0",
                "/usr/b f 4755 man:root sha256:one set=0 caps",
                "/usr/c f 0600 root:root sha256:one set=2 caps",
                "/usr/d f 0755 root:root sha256:one set=2",
                "/usr/e f 0644 root:root sha256:one set=4",
                "/boot/e f 0640 root:tty sha256:one set=4",
            ],
            &[],
            &[
                "/usr/a f 4755 6:0 100 3 sha256:one security.capability=0x0102",
                "/usr/b h /usr/a",
                "/usr/c f 0755 0:0 100 3 sha256:one",
                "/usr/d h /usr/c",
                "/usr/e f 0640 0:5 100 3 sha256:one",
                "left-out: hierarchy-only left out 1 path, 3 bytes: /boot/e",
                "set-uid: /usr/a is set-uid (4755)",
                "set-uid: /usr/b is set-uid (4755)",
            ],
        ),
        (
            "one directory, described in the same way: fine",
            &["/usr/x d 0750 root:tty mtime=7"],
            &["/usr/x d 0750 root:tty mtime=8"],
            &["/usr/x d 0750 0:5 7"],
        ),
        (
            "one directory, another mode, owner or group",
            &[
                "/usr/x d 0755 root:root",
                "/usr/y d 0755 man:root",
                "/usr/z d 0755 root:root",
            ],
            &[
                "/usr/x d 0700 root:root",
                "/usr/y d 0755 root:root",
                "/usr/z d 0755 root:mail",
            ],
            &[
                "/usr/x d 0755 0:0 100",
                "/usr/y d 0755 6:0 100",
                "/usr/z d 0755 0:0 100",
                "file-conflict: /usr/x is in one-1-1.x86_64 (directory, 0755 root:root) and in two-1-1.x86_64 (directory, 0700 root:root)",
                "file-conflict: /usr/y is in one-1-1.x86_64 (directory, 0755 man:root) and in two-1-1.x86_64 (directory, 0755 root:root)",
                "file-conflict: /usr/z is in one-1-1.x86_64 (directory, 0755 root:root) and in two-1-1.x86_64 (directory, 0755 root:mail)",
            ],
        ),
        (
            "two directories of one package that rules make one",
            &["/lib/x d 0700 root:root", "/usr/lib/x d 0755 root:root"],
            &[],
            &[
                "/usr/lib/x d 0700 0:0 100",
                "moved: usr-merge changed 1 path: /lib/x is now /usr/lib/x",
            ],
        ),
        (
            "one path, the same file: fine",
            &["/usr/a f 0644 root:root sha256:one"],
            &["/usr/a f 0644 root:root sha256:one"],
            &["/usr/a f 0644 0:0 100 3 sha256:one"],
        ),
        (
            "one path, other contents: the first wins, if it is allowed at all",
            &["/usr/a f 0644 root:root sha256:one"],
            &["/usr/a f 0644 root:root sha256:two"],
            &[
                "/usr/a f 0644 0:0 100 3 sha256:one",
                "file-conflict: /usr/a is in one-1-1.x86_64 (SHA-256 one, 0644 root:root) and in two-1-1.x86_64 (SHA-256 two, 0644 root:root)",
            ],
        ),
        (
            "one path, another mode",
            &["/usr/a f 0644 root:root sha256:one"],
            &["/usr/a f 0755 root:root sha256:one"],
            &[
                "/usr/a f 0644 0:0 100 3 sha256:one",
                "file-conflict: /usr/a is in one-1-1.x86_64 (SHA-256 one, 0644 root:root) and in two-1-1.x86_64 (SHA-256 one, 0755 root:root)",
            ],
        ),
        (
            "one path, another owner or group",
            &[
                "/usr/a f 0644 root:tty sha256:one",
                "/usr/b f 0644 man:root sha256:one",
            ],
            &[
                "/usr/a f 0644 root:root sha256:one",
                "/usr/b f 0644 root:root sha256:one",
            ],
            &[
                "/usr/a f 0644 0:5 100 3 sha256:one",
                "/usr/b f 0644 6:0 100 3 sha256:one",
                "file-conflict: /usr/a is in one-1-1.x86_64 (SHA-256 one, 0644 root:tty) and in two-1-1.x86_64 (SHA-256 one, 0644 root:root)",
                "file-conflict: /usr/b is in one-1-1.x86_64 (SHA-256 one, 0644 man:root) and in two-1-1.x86_64 (SHA-256 one, 0644 root:root)",
            ],
        ),
        (
            "one path, file capabilities in one package only",
            &["/usr/a f 0755 root:root sha256:one"],
            &["/usr/a f 0755 root:root sha256:one caps"],
            &[
                "/usr/a f 0755 0:0 100 3 sha256:one",
                "file-conflict: /usr/a is in one-1-1.x86_64 (SHA-256 one, 0755 root:root) and in two-1-1.x86_64 (SHA-256 one, 0755 root:root)",
            ],
        ),
        (
            "links of one path that lead elsewhere",
            &["/usr/a l 0777 root:root ->x"],
            &["/usr/a l 0777 root:root ->y"],
            &[
                "/usr/a l 0777 0:0 100 x",
                "file-conflict: /usr/a is in one-1-1.x86_64 (link to x, 0777 root:root) and in two-1-1.x86_64 (link to y, 0777 root:root)",
            ],
        ),
        (
            "the 64-bit program of a path wins, whichever comes first",
            &[
                "/usr/bin/a f 0755 root:root sha256:thirty color=1",
                "/usr/bin/b f 0755 root:root sha256:sixty color=2",
            ],
            &[
                "/usr/bin/a f 0755 root:root sha256:sixty color=2",
                "/usr/bin/b f 0755 root:root sha256:thirty color=1",
            ],
            &[
                "/usr/bin/a f 0755 0:0 100 5 sha256:sixty",
                "/usr/bin/b f 0755 0:0 100 5 sha256:sixty",
            ],
        ),
        (
            "two programs of one class conflict",
            &["/usr/bin/a f 0755 root:root sha256:one color=2"],
            &["/usr/bin/a f 0755 root:root sha256:two color=2"],
            &[
                "/usr/bin/a f 0755 0:0 100 3 sha256:one",
                "file-conflict: /usr/bin/a is in one-1-1.x86_64 (SHA-256 one, 0755 root:root) and in two-1-1.x86_64 (SHA-256 two, 0755 root:root)",
            ],
        ),
        (
            "a file below another package's link",
            &["/usr/a l 0777 root:root ->b"],
            &["/usr/a/x f 0644 root:root sha256:one"],
            &[
                "/usr/a l 0777 0:0 100 b",
                "below-link: /usr/a/x of two-1-1.x86_64 is below /usr/a, which is not a directory",
            ],
        ),
        (
            "what rules leave out and move is said, but for what nobody misses",
            &[
                "/bin/a f 0755 root:root sha256:one",
                "/boot/a f 0644 root:root sha256:four",
                "/boot/b f 0644 root:root sha256:five",
                "/usr/ghost f 0644 root:root ghost",
            ],
            &[],
            &[
                "/usr/bin/a f 0755 0:0 100 3 sha256:one",
                "moved: usr-merge changed 1 path: /bin/a is now /usr/bin/a",
                "left-out: hierarchy-only left out 2 paths, 8 bytes: /boot/a ...",
            ],
        ),
        (
            "links that a move brings to one path, and that lead to one place",
            &[
                "/bin/awk l 0777 root:root ->gawk",
                "/usr/bin/awk l 0777 root:root ->../../bin/gawk",
                "/usr/bin/ex l 0777 root:root ->/bin/vi",
            ],
            &[
                "/bin/ex l 0777 root:root ->vi",
                "/usr/bin/awk l 0777 root:root ->../../bin/gawk",
            ],
            &[
                "/usr/bin/awk l 0777 0:0 100 gawk",
                "/usr/bin/ex l 0777 0:0 100 /bin/vi",
                "moved: usr-merge changed 2 paths: /bin/awk is now /usr/bin/awk -> gawk ...",
            ],
        ),
        (
            "links that a move brings to one path, and that differ",
            &[
                "/bin/a l 0777 root:root ->b",
                "/usr/bin/a l 0777 root:root ->c",
                "/bin/d l 0777 root:root ->e",
                "/usr/bin/d l 0777 man:root ->../../bin/e",
            ],
            &[],
            &[
                "/usr/bin/a l 0777 0:0 100 b",
                "/usr/bin/d l 0777 0:0 100 e",
                "file-conflict: /usr/bin/a is in one-1-1.x86_64 (link to b, 0777 root:root) and in one-1-1.x86_64 (link to c, 0777 root:root)",
                "file-conflict: /usr/bin/d is in one-1-1.x86_64 (link to e, 0777 root:root) and in one-1-1.x86_64 (link to ../../bin/e, 0777 man:root)",
                "moved: usr-merge changed 2 paths: /bin/a is now /usr/bin/a -> b ...",
            ],
        ),
        (
            "links that nothing moved are what they say",
            &["/usr/bin/a l 0777 root:root ->b"],
            &["/usr/bin/a l 0777 root:root ->../bin/b"],
            &[
                "/usr/bin/a l 0777 0:0 100 b",
                "file-conflict: /usr/bin/a is in one-1-1.x86_64 (link to b, 0777 root:root) and in two-1-1.x86_64 (link to ../bin/b, 0777 root:root)",
            ],
        ),
        (
            "a directory in one package, a link in the other",
            &["/usr/x d 0755 root:root"],
            &["/usr/x l 0777 root:root ->y"],
            &[
                "/usr/x d 0755 0:0 100",
                "file-conflict: /usr/x is in one-1-1.x86_64 (directory, 0755 root:root) and in two-1-1.x86_64 (link to y, 0777 root:root)",
            ],
        ),
        (
            "a moved link, and what of links counts",
            &[
                "/bin/a l 4777 root:root ->../usr/bin/b",
                "/boot/a l 0777 root:root ->1234 size=4",
            ],
            &[],
            &[
                "/usr/bin/a l 4777 0:0 100 b",
                "moved: usr-merge changed 1 path: /bin/a is now /usr/bin/a -> b",
                "left-out: hierarchy-only left out 1 path, 0 bytes: /boot/a",
            ],
        ),
        (
            "empty files are one, whatever names them",
            &[
                "/usr/a f 0644 root:root sha256:",
                "/usr/b f 0644 root:root md5:",
            ],
            &["/usr/a f 0644 root:root"],
            &[
                "/usr/a f 0644 0:0 100 0 empty",
                "/usr/b f 0644 0:0 100 0 empty",
            ],
        ),
        (
            "contents without a digest are their file's own",
            &[
                "/usr/a f 0644 root:root size=3",
                "/usr/b f 0644 root:root size=3",
            ],
            &[],
            &[
                "/usr/a f 0644 0:0 100 3 unnamed@0/0",
                "/usr/b f 0644 0:0 100 3 unnamed@0/1",
            ],
        ),
        (
            "nothing for /usr or /opt",
            &["/boot/a f 0644 root:root sha256:four"],
            &[],
            &[
                "left-out: hierarchy-only left out 1 path, 4 bytes: /boot/a",
                "empty-image: no file is left in /usr or /opt, so systemd would merge nothing",
            ],
        ),
    ];
    for (what, one, two, expected) in rows {
        let packages = [package("one", one), package("two", two)];
        assert_eq!(told(&plan(&packages, &[], None)), *expected, "{what}");
    }
}

#[test]
fn an_overlay_has_its_way() {
    let packages = [package(
        "one",
        &[
            "/usr/bin d 0755 root:root",
            "/usr/bin/a f 0755 root:root sha256:one",
        ],
    )];
    let overlay = [
        "usr/bin d 0700",
        "usr/bin/a f 4711 mine",
        "usr/bin/b f 2755 b",
    ];
    assert_eq!(
        told(&plan(&packages, &overlay, Some(50))),
        [
            "/usr/bin d 0700 0:0 50",
            "/usr/bin/a f 4711 0:0 50 4 sha256:mine",
            "/usr/bin/b f 2755 0:0 50 1 sha256:b",
            "overlay-replaces: the overlay replaces /usr/bin/a of one-1-1.x86_64",
            "set-uid: /usr/bin/a is set-uid (4711)",
            "set-uid: /usr/bin/b is set-gid (2755)",
        ]
    );
    let mine = plan(&packages, &overlay, None).overlay;
    let from = |id: &str, size| (ContentId::new(id), size, PathBuf::from("/overlay"));
    assert_eq!(mine, [from("sha256:mine", 4), from("sha256:b", 1)]);
}

/// A directory of an overlay only holds files, but where it comes in place of something else.
#[test]
fn an_overlay_changes_what_a_path_is() {
    let packages = [package(
        "one",
        &[
            "/usr/a d 0755 root:root",
            "/usr/b f 0755 root:root sha256:b",
        ],
    )];
    assert_eq!(
        told(&plan(
            &packages,
            &["usr/a f 0644 mine", "usr/b d 0700"],
            None
        )),
        [
            "/usr/a f 0644 0:0 0 4 sha256:mine",
            "/usr/b d 0700 0:0 0",
            "overlay-replaces: the overlay replaces /usr/a of one-1-1.x86_64",
            "overlay-replaces: the overlay replaces /usr/b of one-1-1.x86_64",
        ]
    );
}

#[test]
fn what_rules_did_is_recorded() {
    let lines = [
        "/bin/a f 0755 daemon:root sha256:one",
        "/boot/a f 0644 root:root sha256:four",
    ];
    let plan = plan(&[package("one", &lines)], &["boot/b f 0644 b"], None);
    let left_out = |owner: &str, path: &str, size| LeftOut {
        rule: &filter::HIERARCHY_ONLY,
        owner: owner.to_owned(),
        path: path.to_owned(),
        size,
    };
    assert_eq!(
        plan.left_out,
        [
            left_out("one-1-1.x86_64", "/boot/a", 4),
            left_out("overlay", "/boot/b", 1)
        ]
    );
    let changed = |rule, path: &str, became: &str| Changed {
        rule,
        owner: "one-1-1.x86_64".to_owned(),
        path: path.to_owned(),
        became: became.to_owned(),
    };
    assert_eq!(
        plan.changed,
        [
            changed(&filter::USR_MERGE, "/bin/a", "/usr/bin/a"),
            changed(
                &filter::OWNER_TO_ROOT,
                "/usr/bin/a",
                "root:root 0755, was daemon:root 0755"
            ),
        ]
    );
}

/// A hard link set is read once, where the payload names it: at its lowest index.
/// What the user does not want is left out by either of its paths; what is in its place in an overlay
/// stays.
#[test]
fn paths_that_are_not_wanted() {
    let package = package(
        "one",
        &[
            "/lib/a f 0755 root:root sha256:one",
            "/usr/share/d d 0755 root:root",
            "/usr/share/d/b f 0755 root:root sha256:two",
            "/usr/share/dd f 0755 root:root sha256:six",
            "/etc/c f 0644 root:root sha256:ten",
            "/etc/e f 0644 root:root sha256:ten",
        ],
    );
    let unwanted = ["/usr/lib/a", "/usr/share/d/", "/etc/c", "/usr/no"].map(str::to_owned);
    let rules = RuleSet::new(&[], &unwanted).unwrap();
    let etc = ["/etc/e=drop", "/etc/no=drop"].map(|one| one.parse().unwrap());
    let places = Places {
        etc: &etc,
        base: None,
    };
    let overlay = [overlaid("usr/share/d/own f 644 two")];
    let packages = [&package];
    let times = Times::new(None, &packages);
    let plan = compose(
        &packages,
        &overlay,
        &rules,
        (&Owners::default(), places, Part::Main),
        times,
    )
    .unwrap();
    let left: Vec<_> = (plan.left_out.iter())
        .map(|left| format!("{} {}", left.rule.name, left.path))
        .collect();
    let all = [
        "/lib/a",
        "/usr/share/d",
        "/usr/share/d/b",
        "/etc/c",
        "/etc/e",
    ];
    assert_eq!(left, all.map(|path| format!("drop-path {path}")));
    let mut paths = Vec::new();
    plan.tree.walk(&mut |path, visit| {
        if let image::Visit::Leaf(..) = visit {
            paths.push(path.to_string());
        }
    });
    assert_eq!(paths, ["usr/share/d/own", "usr/share/dd"]);
    let found: Vec<_> = plan.findings.iter().map(|one| one.text.as_str()).collect();
    assert_eq!(
        found,
        [
            "--drop leaves nothing out: nothing has the path /usr/no",
            "--etc leaves nothing out: nothing has the path /etc/no",
            "drop-path left out 5 paths, 12 bytes: /lib/a ...",
        ]
    );
}

#[test]
fn where_contents_are_read() {
    let lines = [
        "/usr/d d 0755 root:root",
        "/usr/z f 0644 root:root sha256:one set=1",
        "/usr/a f 0644 root:root sha256:one set=1",
        "/usr/b f 0644 root:root sha256:two",
        "/boot/c f 0644 root:root sha256:three",
        "/usr/l l 0777 root:root ->a",
    ];
    // Of two packages with one content, and of two files of a package, the first gives it.
    let other = [
        "/usr/e f 0644 root:root sha256:two",
        "/usr/f f 0644 root:root md5:one",
        "/usr/g f 0644 root:root md5:one",
        "/usr/h f 0644 root:root sha256:four",
        "/usr/i f 0644 root:root sha256:four",
    ];
    let packages = [package("one", &lines), package("two", &other)];
    let plan = plan(&packages, &[], None);
    let expected = [
        vec![false, true, false, true, false, false],
        vec![false, true, true, true, false],
    ];
    assert_eq!(plan.contents, expected);
}

/// A name that is not UTF-8 is as good as any other, whether or not a rule wants it.
#[test]
fn names_and_targets_are_any_bytes() {
    let files = [
        (&b"/boot/\xe9"[..], FileKind::Regular),
        (b"/bin/\xe9", FileKind::Symlink(b"\xff"[..].into())),
        (b"/usr/lib/\xe9/a", FileKind::Regular),
        (b"/usr/lib/\\xe9/a", FileKind::Regular),
    ];
    let files = files.map(|(path, kind)| File::new(path, kind));
    let mut package = package("one", &[]);
    package.files = files.into_iter().collect();
    let plan = plan(&[package], &[], None);
    let left_out = plan.left_out.iter();
    let left_out: Vec<_> = (left_out).map(|one| (one.rule.name, &*one.path)).collect();
    assert_eq!(left_out, [("hierarchy-only", r"/boot/\xe9")]);
    let changed: Vec<_> = (plan.changed.iter()).map(|one| &*one.became).collect();
    assert_eq!(changed, [r"/usr/bin/\xe9 -> \xff"]);
    let mut placed = Vec::new();
    plan.tree.walk(&mut |path, visit| match visit {
        image::Visit::Directory(_) => {}
        image::Visit::Leaf(_, leaf) => placed.push(match &leaf.content {
            Content::Symlink(target) => [path.bytes(), b" -> ", target.bytes()].concat(),
            _ => path.bytes().to_vec(),
        }),
    });
    let expected = [
        &b"usr/bin/\xe9 -> \xff"[..],
        b"usr/lib/\\xe9/a",
        b"usr/lib/\xe9/a",
    ];
    assert_eq!(placed, expected);
}

#[test]
fn files_that_are_the_same() {
    let line = "/usr/a f 0755 root:root sha256:one";
    for (other, expected) in [
        (line, true),
        (
            "/usr/a f 0755 root:root sha256:one mtime=7 color=2 set=0",
            true,
        ),
        ("/usr/a f 0644 root:root sha256:one", false),
        ("/usr/a f 0755 man:root sha256:one", false),
        ("/usr/a f 0755 root:tty sha256:one", false),
        ("/usr/a f 0755 root:root sha256:two", false),
        ("/usr/a f 0755 root:root md5:one", false),
        ("/usr/a f 0755 root:root sha256:one size=4", false),
        ("/usr/a f 0755 root:root sha256:one caps", false),
        ("/usr/a p 0755 root:root", false),
    ] {
        assert_eq!(is_same(&file(line), &file(other)), expected, "{other}");
    }
}

#[test]
fn parties_of_a_conflict() {
    for (line, expected) in [
        ("/a f 0644 root:tty md5:one", "MD5 one, 0644 root:tty"),
        ("/a f 4755 man:root size=3", "3 bytes, 4755 man:root"),
        ("/a l 0777 root:root ->b", "link to b, 0777 root:root"),
        ("/a d 0755 root:root", "directory, 0755 root:root"),
        ("/a p 0600 root:root", "special file, 0600 root:root"),
    ] {
        assert_eq!(readable(&described(&file(line))), expected);
    }
}

#[test]
fn what_rules_are_told_of_a_file() {
    let plain = || file("/usr/a f 0644 root:root sha256:one");
    let told = || Candidate::new("usr/a".to_owned(), CandidateKind::File);
    assert_eq!(candidate(&plain()), told());
    for (flags, expected) in [
        (
            1 << 1,
            Candidate {
                doc: true,
                ..told()
            },
        ),
        (
            GHOST,
            Candidate {
                ghost: true,
                ..told()
            },
        ),
        (
            1 << 7,
            Candidate {
                licence: true,
                ..told()
            },
        ),
    ] {
        let file = File {
            flags: FileFlags(flags),
            ..plain()
        };
        assert_eq!(candidate(&file), expected);
    }
    let german = File {
        language: Some("de".into()),
        ..plain()
    };
    assert!(candidate(&german).localized);
    for (kind, expected) in [
        (FileKind::Directory, CandidateKind::Directory),
        (
            FileKind::Symlink("b".into()),
            CandidateKind::Symlink("b".into()),
        ),
        (FileKind::Character(0), CandidateKind::Whiteout),
        (FileKind::Character(1), CandidateKind::Device),
        (FileKind::Block(0), CandidateKind::Device),
        (FileKind::Fifo, CandidateKind::Endpoint),
        (FileKind::Socket, CandidateKind::Endpoint),
    ] {
        let file = File { kind, ..plain() };
        assert_eq!(candidate(&file).kind, expected, "{:?}", file.kind);
    }
}

/// The system's manager must reload for units of its own, and for no others.
#[test]
fn units_of_the_systems_manager() {
    let file = |path: &str| format!("/{path} f 0644 root:root sha256:one");
    for (line, expected) in [
        (file("usr/lib/systemd/system/a.service"), true),
        (file("usr/lib/systemd/system/a.service.d/b.conf"), true),
        (file("usr/local/lib/systemd/system/a.service"), true),
        (file("usr/lib/systemd/system-generators/a"), true),
        (
            file("usr/local/lib/systemd/system-environment-generators/a"),
            true,
        ),
        (file("usr/lib/systemd/system.conf.d/a.conf"), true),
        (file("usr/lib/systemd/system.control/a"), false),
        (file("usr/lib/systemd/user/a.service"), false),
        (file("usr/lib/systemd/system-preset/a.preset"), false),
        (file("opt/lib/systemd/system/a.service"), false),
        ("/usr/lib/systemd/system d 0755 root:root".to_owned(), false),
        (
            "/usr/lib/systemd/system l 0777 root:root ->../x".to_owned(),
            false,
        ),
    ] {
        let plan = plan(&[package("one", &[&line])], &[], None);
        assert_eq!(plan.has_units(), expected, "{line}");
    }
}

/// The rule is that of packages: what becomes root's loses the bits that gave somebody else's
/// rights.
#[test]
fn who_may_be_set_uid_in_an_overlay() {
    for (line, expected) in [
        (
            "usr/a f 6755 x",
            &[
                "/usr/a f 6755 0:0 0 1 sha256:x",
                "set-uid: /usr/a is set-uid and set-gid (6755)",
            ][..],
        ),
        (
            "usr/a f 6755 x user=1000 group=1000",
            &[
                "/usr/a f 0755 0:0 0 1 sha256:x",
                "owner: owner-to-root changed 1 path: /usr/a is now root:root 0755, was 1000:1000 6755",
            ],
        ),
        (
            "usr/a f 6755 x user=1000",
            &[
                "/usr/a f 2755 0:0 0 1 sha256:x",
                "owner: owner-to-root changed 1 path: /usr/a is now root:root 2755, was 1000:root 6755",
                "set-uid: /usr/a is set-gid (2755)",
            ],
        ),
        (
            "usr/a f 6755 x group=50",
            &[
                "/usr/a f 4755 0:0 0 1 sha256:x",
                "owner: owner-to-root changed 1 path: /usr/a is now root:root 4755, was root:50 6755",
                "set-uid: /usr/a is set-uid (4755)",
            ],
        ),
        (
            "usr/a f 0755 x user=1000 group=1000",
            &["/usr/a f 0755 0:0 0 1 sha256:x"],
        ),
    ] {
        assert_eq!(told(&plan(&[], &[line], None)), expected, "{line}");
    }
    let inherited = OverlayFile {
        strangers: (Some(1000), Some(1000)),
        ..overlaid("usr/a d 2755")
    };
    let (rules, owners) = (RuleSet::new(&[], &[]).unwrap(), Owners::of_tables("", ""));
    let times = Times::new(None, &[]);
    let plan = compose(
        &[],
        &[inherited],
        &rules,
        (&owners, Places::default(), Part::Main),
        times,
    )
    .unwrap();
    assert_eq!(told(&plan), ["/usr/a d 2755 0:0 0"]);
}

#[test]
fn attributes_of_an_overlay() {
    let overlay = [
        "usr/a f 0755 x security.capability user.x",
        "usr/b f 0644 x -system.posix_acl_access -trusted.x",
        "usr/c f 0644 x user.x -trusted.x",
        "boot/d f 0644 x -trusted.x",
        "usr/e f 0644 x -trusted.overlay.metacopy -trusted.y",
    ];
    assert_eq!(
        told(&plan(&[], &overlay, None)),
        [
            "/usr/a f 0755 0:0 0 1 sha256:x security.capability=0x01 user.x=0x01",
            "/usr/b f 0644 0:0 0 1 sha256:x",
            "/usr/c f 0644 0:0 0 1 sha256:x user.x=0x01",
            "/usr/e f 0644 0:0 0 1 sha256:x",
            "left-out: hierarchy-only left out 1 path, 1 bytes: /boot/d",
            "overlayfs-attribute: 1 path of the overlay hid or redirected what was below it, which is not in it: /usr/e has trusted.overlay.metacopy",
            "overlay-attribute: attributes of 3 paths of the overlay are not in the image: /usr/b has system.posix_acl_access, trusted.x ...",
            "set-uid: /usr/a is run with file capabilities (0755)",
        ]
    );
}

#[test]
fn times() {
    let mut one = package(
        "one",
        &[
            "/usr/a f 0644 root:root sha256:one mtime=40",
            "/usr/b f 0644 root:root sha256:two mtime=60",
        ],
    );
    one.build_time = Some(90);
    let mut two = package("two", &[]);
    two.build_time = Some(80);
    for (epoch, image, times) in [(None, 90, [40, 60]), (Some(50), 50, [40, 50])] {
        let plan = plan(&[one.clone(), two.clone()], &[], epoch);
        assert_eq!(plan.time, image, "{epoch:?}");
        let found: Vec<_> = ["usr/a", "usr/b"]
            .map(|path| plan.tree.get(path).unwrap().stat().mtime)
            .into();
        assert_eq!(found, times, "{epoch:?}");
    }
}

#[test]
fn only_directories_that_nobody_describes_adopt_the_bases_access() {
    let packages = [package(
        "one",
        &[
            "/usr/bin d 0755 root:root",
            "/usr/bin/a f 0755 root:root sha256:one",
            "/usr/lib/x/y f 0644 root:root sha256:one",
        ],
    )];
    let mut plan = plan(&packages, &[], None);
    let access = |mode, uid, gid| Access { mode, uid, gid };
    plan.adopt_access(&|path| match &*path.text() {
        "" | "usr/bin" | "usr/lib/x" => Some(access(0o555, 7, 8)),
        _ => None,
    })
    .unwrap();
    for (path, expected) in [
        ("usr/bin", access(0o755, 0, 0)),
        ("usr/lib", access(0o755, 0, 0)),
        ("usr/lib/x", access(0o555, 7, 8)),
    ] {
        let found = Access::of(plan.tree.get(path).unwrap().stat());
        assert_eq!(found, expected, "{path}");
    }
    assert_eq!(plan.tree.root().stat.mode, 0o755);
}

#[test]
fn counts_take_a_content_once() {
    let lines = [
        "/usr/a f 0644 root:root sha256:four set=0",
        "/usr/b f 0644 root:root sha256:four set=0",
        "/usr/c f 0644 root:root sha256:four",
        "/usr/d f 0644 root:root sha256:seven",
    ];
    let plan = plan(&[package("one", &lines)], &[], None);
    assert_eq!((plan.files, plan.size), (3, 9));
}
