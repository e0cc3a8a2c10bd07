//! What the guide in `docs/guide` shows is what happens.
//!
//! A block of code says by its first words what it is, which a reader of the page does not see:
//!
//! | first words | what becomes of it |
//! |---|---|
//! | `sh` | its commands succeed, in a directory that has `fixtures/` and `examples/` |
//! | `console` | its commands, each after `$ `, print the lines below them; `...` stands for any lines, or the rest of one |
//! | `sh client` | its commands succeed as root on a client of the store, by a real systemd |
//! | `sh network` | its commands are well-formed; without a network they fail for that alone |
//! | a language and a name | it is put into a file of that name |
//! | a language alone | it is shown |
//!
//! The blocks of a page are taken in their order, in one directory.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use judges::{Need, all, program, programs};

use crate::client::{CLIENT, client};
use crate::workshop::{self, Scratch, text};

/// What a reader types to.
const SHELL: Need = programs!("sh", "cp", "cmp", "install");

/// What merges an image over this machine's `/usr`, and serves files to it.
const ON_THIS_MACHINE: Need = all(&[SHELL, CLIENT, program("curl")]);

/// A block of code of a page.
pub struct Block {
    /// The heading that it is under.
    pub heading: String,
    /// The words behind the fence.
    pub kind: String,
    pub text: String,
}

/// Returns the blocks of a document, which is named from the root of the repository.
pub fn blocks(document: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let page = fs::read_to_string(path).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let (mut heading, mut is_open) = (String::new(), false);
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                blocks.push(Block {
                    heading: heading.clone(),
                    kind: kind.to_owned(),
                    text: String::new(),
                });
            }
        } else if is_open {
            let block = blocks.last_mut().unwrap();
            block.text += line;
            block.text += "\n";
        } else if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().to_owned();
        }
    }
    assert!(!is_open, "{document}: a block has no end");
    blocks
}

/// A reader who types what a page shows.
pub struct Reader {
    pub scratch: Scratch,
}

impl Reader {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for directory in ["fixtures", "examples"] {
            let outcome = Command::new("cp")
                .arg("-a")
                .arg(root.join(directory))
                .arg(scratch.path())
                .output()
                .unwrap();
            assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        }
        Self { scratch }
    }

    fn shell(&self, commands: &str) -> Output {
        let program = workshop::program();
        let directory = Path::new(program.get_program()).parent().unwrap();
        Command::new("sh")
            .args(["-eu", "-c"])
            .arg(format!("PATH={}:$PATH\n{commands}", directory.display()))
            .env("HOME", self.scratch.path())
            .env("LC_ALL", "C")
            .env_remove("GNUPGHOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("SYSEXT_BUILD_PASSPHRASE")
            .current_dir(self.scratch.path())
            .output()
            .unwrap()
    }

    fn succeed(&self, commands: &str) {
        let outcome = self.shell(commands);
        let said = text(&outcome.stdout) + &text(&outcome.stderr);
        assert!(outcome.status.success(), "{commands}\n{said}");
    }

    /// Types the commands of a session, and compares what they print.
    fn session(&self, shown: &str) {
        for turn in shown.split("\n$ ") {
            let (command, expected) = turn.split_once('\n').unwrap_or((turn, ""));
            let command = command.trim_start_matches("$ ");
            let outcome = self.shell(&format!("{{ {command}\n}} 2>&1"));
            let said = text(&outcome.stdout);
            assert!(
                is_shown(&said, expected),
                "$ {command}\n{said}\nis not what is shown:\n{expected}"
            );
        }
    }

    /// Takes each block of a page as its kind demands, but for those of other tests.
    pub fn read(&self, document: &str) {
        let blocks = blocks(document);
        assert!(!blocks.is_empty(), "{document} shows nothing");
        for block in blocks {
            let words: Vec<_> = block.kind.split(' ').collect();
            match words.as_slice() {
                ["sh"] => self.succeed(&block.text),
                ["console"] => self.session(&block.text),
                ["sh", "network"] => self.is_understood(&block.text),
                ["sh", "client"] | ["ini" | "toml" | "yaml"] => {}
                ["ini" | "toml", name] => fs::write(self.scratch.join(name), block.text).unwrap(),
                _ => panic!("{document}: what is a block of {:?}?", block.kind),
            }
        }
    }

    /// Fails if a command is not a right one, whatever else it fails for.
    fn is_understood(&self, commands: &str) {
        for command in commands.lines().filter(|line| !line.is_empty()) {
            assert!(command.starts_with("sysext-build "), "{command}");
            let outcome = self.shell(&format!("{command} --offline"));
            let said = text(&outcome.stderr);
            assert!(
                matches!(outcome.status.code(), Some(1 | 3)),
                "{command}: {said}"
            );
        }
    }
}

/// Compares what was printed with what a page shows, in which `...` stands for any lines. The host
/// and the number of its processors are not the page's.
fn is_shown(said: &str, expected: &str) -> bool {
    let lines = |text: &str| -> Vec<String> { text.trim_end().lines().map(anywhere).collect() };
    let (said, expected) = (lines(said), lines(expected));
    let mut rest = said.as_slice();
    let mut parts = expected.split(|line| line == "...");
    let first = parts.next().unwrap_or_default();
    if !begin(rest, first) {
        return false;
    }
    rest = &rest[first.len()..];
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        let found = (0..=rest.len()).find(|&at| begin(&rest[at..], part));
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    is_open || rest.is_empty()
}

/// Says whether what was said begins with these lines; one that ends in ` ...` is a line's beginning.
fn begin(said: &[String], expected: &[String]) -> bool {
    let is_line = |(said, expected): (&String, &String)| match expected.strip_suffix(" ...") {
        Some(beginning) => said.starts_with(beginning),
        None => said == expected,
    };
    said.len() >= expected.len() && said.iter().zip(expected).all(is_line)
}

/// Returns a line as any machine would print it.
fn anywhere(line: &str) -> String {
    if line.starts_with("base      this host: ") {
        return "base      this host".to_owned();
    }
    match line.rsplit_once(", ") {
        Some((rest, workers)) if line.starts_with("pack ") && workers.contains("worker") => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    }
}

#[test]
fn lines_are_compared() {
    for (said, expected, is_equal) in [
        ("a\nb\n", "a\nb", true),
        ("a\nb\n", "a", false),
        ("a\nb\nc\n", "a\n...", true),
        ("a\nb\nc\n", "...\nc", true),
        ("a\nb\nc\n", "a\n...\nc", true),
        ("a\nb\nc\n", "...\nb", false),
        ("a\nb\nc\n", "b\n...", false),
        ("a b c\n", "a b ...", true),
        ("a b c\n", "b ...", false),
        ("base      this host: X\n", "base      this host: Y", true),
        (
            "pack      1, 2, 3 workers\n",
            "pack      1, 2, 1 worker",
            true,
        ),
        (
            "pack      1, 2, 3 workers\n",
            "pack      1, 3, 1 worker",
            false,
        ),
    ] {
        assert_eq!(is_shown(said, expected), is_equal, "{said:?} {expected:?}");
    }
}

#[test(SHELL)]
fn first_image() {
    Reader::new().read("docs/guide/first-image.md");
}

#[test(ON_THIS_MACHINE)]
fn first_image_on_this_machine() {
    let page = "docs/guide/first-image.md";
    let reader = Reader::new();
    reader.read(page);
    let directory = reader.scratch.path().display();
    let mut phases = Vec::new();
    for block in blocks(page) {
        if block.kind == "sh client" {
            let path = reader.scratch.join(&format!("{}.client", phases.len()));
            fs::write(&path, format!("cd /run/host{directory}\n{}", block.text)).unwrap();
            phases.push(path);
        }
    }
    let gone = reader.scratch.join("gone.client");
    fs::write(&gone, "if hello-sysext; then exit 1; fi\n").unwrap();
    phases.insert(0, gone.clone());
    phases.push(gone);
    let outcome = client("/", reader.scratch.path(), &phases, false);
    let said = text(&outcome.stdout);
    assert!(outcome.status.success(), "{said}");
    assert!(said.contains("hello"), "{said}");
}

#[test(SHELL)]
fn repositories_and_bases() {
    Reader::new().read("docs/guide/repositories-and-bases.md");
}

#[test(SHELL)]
fn files_outside_of_usr() {
    Reader::new().read("docs/guide/outside.md");
}

#[test(SHELL)]
fn recipes() {
    Reader::new().read("docs/guide/recipes.md");
}

#[test(SHELL)]
fn ci() {
    Reader::new().read("docs/guide/ci.md");
}

#[test(SHELL)]
fn troubleshooting() {
    Reader::new().read("docs/guide/troubleshooting.md");
}

/// What it shows of other systems; the rest is in `sysupdate.rs`.
#[test(SHELL, programs!("rpm", "ln"))]
fn clients() {
    let reader = Reader::new();
    // The system of which the page says that its root directory is there.
    reader.succeed(
        "mkdir -p ostree/usr/bin ostree/usr/lib ostree/usr/share/rpm ostree/var/opt
        ln -s var/opt ostree/opt
        cp fixtures/os-release/fedora-42.os-release ostree/usr/lib/os-release
        rpm --dbpath \"$PWD/ostree/usr/share/rpm\" -i --justdb --nodeps fixtures/outside-1-1.noarch.rpm",
    );
    reader.read("docs/guide/clients.md");
}

#[test(SHELL, programs!("gpg", "gpgconf", "openssl", "sed", "tr"))]
fn serving_a_store() {
    let reader = Reader::new();
    reader.read("docs/guide/serving.md");
    // The agent that gpg has started ends with its directory, but not at once.
    reader.succeed("gpgconf --kill all");
}

#[test(SHELL, programs!("rpm", "sed"))]
fn checking_an_os_update() {
    let reader = Reader::new();
    // The systems before and after the update, of which the page says that one has them: the
    // second has lost a library.
    reader.succeed(
        "library=fixtures/hello-library-2.0-3.x86_64.rpm
        sysext-build -q --match any --allow unchecked-base --tree tree -o tree-store $library
        for root in old new; do
            mkdir -p $root/usr/lib64 $root/usr/lib/sysimage/rpm $root/usr/bin
            ln -s usr/lib64 usr/bin $root/
            # This machine's loader looks in directories of its own.
            for file in /lib64/ld-linux-x86-64.so.2 /lib64/libc.so.6 /lib/x86_64-linux-gnu/libc.so.6; do
                [ ! -e $file ] || cp -L $file $root/usr/lib64/
            done
        done
        cp -a tree/usr/lib64/. old/usr/lib64
        for root in old new; do cp /bin/sh $root/usr/bin/; done
        install() { rpm --dbpath \"$PWD/$1/usr/lib/sysimage/rpm\" -i --justdb --nodeps \"$2\"; }
        install old $library
        install new fixtures/outside-1-1.noarch.rpm
        for root in old new; do cp -a $root/usr/lib64/. $root/usr/lib/; done
        cp fixtures/os-release/microos.os-release old/usr/lib/os-release
        sed s/20260304/20260411/ old/usr/lib/os-release > new/usr/lib/os-release
        build() { sysext-build -q --os-release old/usr/lib/os-release -o store \"$@\"; }
        build fixtures/hello-tools-*.x86_64.rpm
        build --match any --allow unchecked-base fixtures/hello-sysext-*.rpm
        build fixtures/payload-zstd-*.rpm",
    );
    reader.read("docs/guide/os-update.md");
    // The script, as a hook runs it: for what is linked, with the root of the next system.
    reader.succeed(
        "export STORE=store EXTENSIONS=links GATE_OPTIONS='--unsigned --arch x86-64'
        mkdir links
        ./update-gate new
        cp store/hello-sysext-*.raw links/hello-sysext.raw
        ./update-gate new > said
        grep '^stays  hello-sysext:' said
        cp store/hello-tools-*.raw links/hello-tools.raw
        refused() { if \"$@\" > said; then exit 1; fi; }
        refused ./update-gate new
        grep '^lost   hello-tools:' said
        refused ./update-gate old
        sed 's|https://example.org/sysext|store|; s|/usr/local/bin/|./|' tukit-plugin > plugin
        chmod +x plugin
        ./plugin init-pre
        refused ./plugin finalize-pre new 7
        rm links/hello-tools.raw
        ./plugin finalize-pre new 7 > said
        grep '^stays  hello-sysext:' said",
    );
}

#[test(SHELL, programs!("sha256sum", "openssl", "cpio", "find"))]
fn open_build_service() {
    Reader::new().read("docs/guide/obs.md");
}
