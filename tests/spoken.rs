//! What people read: nothing that others wrote moves a terminal or looks like a line of ours, and an
//! answer that can't be written is a failure.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workshop::{Scratch, fixture, os_release, program, run, text};

/// What somebody would like to be printed: a title, a line of ours, colours, letters turned around.
const EVIL: &str = "a\u{1b}]0;b\u{7}\nnote      forged: c\u{9b}31m\u{202e}d\u{2028}e\r";

/// Returns a program that is run in a directory.
fn at(scratch: &Scratch) -> Command {
    let mut command = program();
    command.current_dir(scratch.path());
    command
}

/// Makes an image, and another with a file that has a name to deceive.
fn images(scratch: &Scratch) -> [PathBuf; 2] {
    fs::create_dir_all(scratch.join("tree/usr/share")).unwrap();
    fs::write(scratch.join("tree/usr/share/f"), "").unwrap();
    let build = |version: &str| {
        let built = at(scratch)
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--overlay",
                "tree",
                "--name",
                "a",
            ])
            .args(["-o", "store", "--image-version", version])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", text(&built.stderr));
        let architecture = std::env::consts::ARCH.replace('_', "-");
        scratch.join(&format!("store/a-{version}.{architecture}.raw"))
    };
    let plain = build("1");
    fs::write(scratch.join("tree/usr/share").join(EVIL), "").unwrap();
    [plain, build("2")]
}

#[test]
fn text_of_others_stays_text() {
    let scratch = Scratch::new();
    let [plain, deceiving] = images(&scratch).map(OsString::from);
    fs::write(scratch.join(EVIL), "no package").unwrap();
    fs::write(scratch.join(&format!("{EVIL}.rpm")), "no package").unwrap();
    fs::write(
        scratch.join("os-release"),
        "ID=\"a\u{1b}[31mb\u{202e}\"\nVERSION_ID=\"1\u{9b}\u{2028}\"\n",
    )
    .unwrap();
    let json = serde_json::json!({
        "resolution": [{"name": "x", "nevra": EVIL, "provides": [], "reason": {"kind": "requested"}}],
        "relies_on": [{"nevra": EVIL, "provides": [EVIL, "x"]}],
    });
    fs::write(scratch.join("plan.json"), json.to_string()).unwrap();
    let quoted = serde_json::to_string(EVIL).unwrap();
    let recipe = |name: &str, text: String| fs::write(scratch.join(name), text).unwrap();
    recipe(
        "value.toml",
        format!("scope = {quoted}\npackages = [\"x\"]\n"),
    );
    recipe("key.toml", format!("{quoted} = 1\n"));
    recipe(
        "name.toml",
        format!("name = {quoted}\npackages = [\"x\"]\n"),
    );

    let evil = || OsString::from(EVIL);
    let rpm = || OsString::from(format!("{EVIL}.rpm"));
    let url = || OsString::from(format!("http://127.0.0.1:1/{EVIL}"));
    let hello = || OsString::from(fixture("hello-sysext-1.0-1.x86_64.rpm"));
    let word = |text: &str| OsString::from(text);
    let dry = || -> Vec<_> {
        let dry = "--dry-run --match any --allow unchecked-base";
        dry.split_whitespace().map(OsString::from).collect()
    };
    let with = |more: Vec<OsString>| [&dry()[..], &more].concat();
    for arguments in [
        with(vec![rpm()]),
        with(vec![hello(), word("--name"), evil()]),
        with(vec![hello(), word("--image-version"), evil()]),
        with(vec![hello(), word("--drop"), evil()]),
        with(vec![hello(), word("--keyring"), evil()]),
        vec![
            word("store"),
            word("sign"),
            word("--sign-key"),
            evil(),
            word("store"),
        ],
        with(vec![hello(), word("--repo"), evil()]),
        with(vec![hello(), word("--repo"), url()]),
        with(vec![hello(), word("--base"), evil()]),
        with(vec![hello(), word("--overlay"), evil()]),
        with(vec![
            word("--overlay"),
            word("tree"),
            word("--name"),
            word("a"),
            word("--image-version"),
            word("1\u{1b}\n"),
        ]),
        vec![word("--layout"), evil()],
        vec![OsString::from(format!("--{EVIL}"))],
        vec![word("inspect"), word("x"), evil()],
        vec![word("value.toml")],
        vec![word("key.toml")],
        vec![word("name.toml")],
        vec![OsString::from(format!("{EVIL}.toml"))],
        vec![word("inspect"), evil()],
        vec![word("why"), word("plan.json"), word("x")],
        vec![word("why"), word("plan.json"), evil()],
        vec![word("diff"), plain.clone(), deceiving.clone()],
        vec![word("diff"), plain.clone(), evil()],
        vec![
            word("check"),
            word("--os-release"),
            word("os-release"),
            plain.clone(),
        ],
        vec![word("check"), word("--client"), evil(), plain.clone()],
        vec![word("explain"), evil()],
        vec![word("store"), word("list"), evil()],
        vec![word("store"), word("verify"), evil()],
        vec![word("store"), word("add"), word("store"), evil()],
    ] {
        let outcome = at(&scratch).args(&arguments).output().unwrap();
        let said = [text(&outcome.stdout), text(&outcome.stderr)].concat();
        assert!(said.contains("\\u{1b}"), "{arguments:?}: {said:?}");
        check(&said, &arguments);
    }
    // The lines of a tree have escapes of their own.
    let arguments = [word("inspect"), deceiving];
    let said = text(&at(&scratch).args(&arguments).output().unwrap().stdout);
    assert!(
        said.contains("/usr/share/a\\x1b]0;b\\x07\\x0anote"),
        "{said:?}"
    );
    check(&said, &arguments);
}

/// Panics if something is obeyed by a terminal, or is a line that we did not make.
fn check(said: &str, arguments: &[OsString]) {
    let active = |c: &char| {
        c.is_control() && *c != '\n'
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert_eq!(said.chars().find(active), None, "{arguments:?}: {said:?}");
    let is_forged = |line: &str| line.trim_start().starts_with("note      forged");
    assert!(!said.lines().any(is_forged), "{arguments:?}: {said}");
}

#[test]
fn passwords_are_never_shown() {
    let scratch = Scratch::new();
    fs::write(scratch.join("base.txt"), "bash-5.2-1.x86_64\n").unwrap();
    let urls = [
        "http://u:s3cret@127.0.0.1:1/a",
        "http://u:s3cret/s3cret@127.0.0.1:1/a",
        "http://u:1/s3cret@127.0.0.1:1/a",
        "http://u:s3cret@s3cret@127.0.0.1:1/a",
        "http://u:s3cret@x/s3cret@127.0.0.1:1/a",
        "http://u:s3cret?s3cret@127.0.0.1:1/a",
        "http://u:s3cret%2F%40%3A@127.0.0.1:1/a",
        "http://u:s3cret:s3cret@127.0.0.1:1/a",
        "http://u:s3cret\nnote      forged@127.0.0.1:1/a",
        "http://u:s3cret\\@127.0.0.1:1/a",
        "http://s3cret@127.0.0.1:1/a?t=s3cret",
        "HTTPS://u:s3cret@127.0.0.1:1/a",
        "ftp://u:s3cret@127.0.0.1:1/a",
        "u:s3cret@127.0.0.1:1/a",
    ];
    let check = |what: &str, url: &str, command: &mut Command| {
        let outcome = command
            .args(["--dry-run", "--base", "base.txt", "--retries", "0"])
            .args(["--os-release"])
            .arg(os_release("debian-13"))
            .output()
            .unwrap();
        let said = [text(&outcome.stdout), text(&outcome.stderr)].concat();
        assert!(!outcome.status.success(), "{what} {url}: {said}");
        assert!(!said.contains("s3cret"), "{what} {url}: {said}");
        assert!(!said.contains("\nnote      forged"), "{what} {url}: {said}");
    };
    let variable = "http://127.0.0.1:1/a";
    for url in urls {
        check("--repo", url, at(&scratch).args(["x", "--repo", url]));
        for lines in [
            format!("baseurl={url}\n"),
            format!("baseurl={variable}\ngpgcheck=1\ngpgkey={url}\n"),
        ] {
            fs::write(scratch.join("a.repo"), format!("[a]\n{lines}")).unwrap();
            check(&lines, url, at(&scratch).args(["x", "--repo", "a.repo"]));
        }
        let mut proxied = at(&scratch);
        proxied.args(["x", "--repo", variable]);
        if !url.contains('\n') {
            proxied.env("http_proxy", url).env_remove("no_proxy");
        }
        check("http_proxy", url, &mut proxied);
        let recipe = serde_json::json!([url]);
        let recipe = format!("packages = [\"x\"]\nrepositories = {recipe}\n");
        fs::write(scratch.join("a.toml"), recipe).unwrap();
        check("recipe", url, at(&scratch).arg("a.toml"));
    }
}

/// Returns a command line of every verb that answers on standard output, with its exit code.
fn answers(scratch: &Scratch) -> Vec<(Vec<OsString>, i32)> {
    let [one, two] = images(scratch).map(OsString::from);
    let store = OsString::from(scratch.join("store"));
    let rpm = OsString::from(fixture("hello-sysext-1.0-1.x86_64.rpm"));
    let word = |text: &str| OsString::from(text);
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    let key = OsString::from(fixture("keys/test.secret.asc"));
    let host = [
        word("--os-release"),
        OsString::from(os_release("tumbleweed")),
    ];
    let plan = scratch.join("plan.json");
    let planned = run([
        &words("--dry-run --json --match any --allow unchecked-base")[..],
        std::slice::from_ref(&rpm),
    ]
    .concat());
    fs::write(&plan, planned.stdout).unwrap();
    let mut lines = vec![
        (words("--help"), 0),
        (words("--version"), 0),
        (words("store verify --help"), 0),
        (words("completions zsh"), 0),
        (words("rules"), 0),
        (words("explain set-uid"), 0),
        (
            [
                &words("--dry-run --match any --allow unchecked-base")[..],
                &[rpm],
            ]
            .concat(),
            0,
        ),
        (vec![word("inspect"), one.clone()], 0),
        (
            vec![word("why"), OsString::from(plan), word("hello-sysext")],
            0,
        ),
        ([&[word("check"), one.clone()], &host[..]].concat(), 0),
        (vec![word("diff"), one, two], 1),
        (vec![word("store"), word("list"), store.clone()], 0),
        (vec![word("store"), word("verify"), store.clone()], 0),
        (
            vec![
                word("store"),
                word("prune"),
                word("--dry-run"),
                word("--keep"),
                word("1"),
                store.clone(),
            ],
            0,
        ),
        (
            vec![word("store"), word("sign"), word("--sign-key"), key, store],
            0,
        ),
    ];
    let with_json: Vec<_> = lines[4..]
        .iter()
        .map(|(line, code)| ([&line[..], &[word("--json")]].concat(), *code))
        .collect();
    lines.extend(with_json);
    // A refusal is an answer, too.
    lines.push((
        words("--json --match any --allow unchecked-base /nonexistent.rpm"),
        3,
    ));
    lines
}

#[test]
fn an_answer_that_can_not_be_written_is_a_failure() {
    let scratch = Scratch::new();
    for (arguments, _) in answers(&scratch) {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let outcome = program().args(&arguments).stdout(full).output().unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(3), "{arguments:?}: {said}");
        let expected = "error: writing to standard output: No space left on device";
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_gone_away_has_read_enough() {
    let scratch = Scratch::new();
    for (arguments, code) in answers(&scratch) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = program()
            .args(&arguments)
            .stdout(Stdio::from(writer))
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.contains("error:"), "{arguments:?}: {said}");
    }
}

/// Runs a program on a terminal of 79 columns and prints what the terminal gets.
const TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        read = os.read(terminal, 65536)
    except OSError:
        break
    if not read:
        break
    sys.stdout.buffer.write(read)
os.waitpid(pid, 0)
"#;

#[test(program("python3"))]
fn words_that_decide_have_a_colour_on_a_terminal() {
    let scratch = Scratch::new();
    let [image, _] = images(&scratch);
    let evil = scratch.join(&EVIL.replace('/', ""));
    let base = os_release("tumbleweed").display().to_string();
    fs::rename(scratch.join("store"), &evil).unwrap();
    let evil = evil.join(image.file_name().unwrap());
    let check = vec!["check", evil.to_str().unwrap(), "--os-release", &base];
    let yellow = |word: &str| format!("\u{1b}[1m\u{1b}[33m{word}");
    let red = |word: &str| format!("\u{1b}[1m\u{1b}[31m{word}");
    for (arguments, expected) in [
        (check, vec![yellow("merges")]),
        (vec!["inspect", "none"], vec![red("error:")]),
    ] {
        let on_terminal = |no_color: &str| {
            let shown = Command::new("python3")
                .args(["-c", TERMINAL, env!("CARGO_BIN_EXE_sysext-build")])
                .args(&arguments)
                .env("TERM", "xterm")
                .env("NO_COLOR", no_color)
                .output()
                .unwrap();
            text(&shown.stdout)
        };
        let (shown, plain) = (on_terminal(""), on_terminal("1"));
        for word in expected {
            assert!(shown.contains(&word), "{arguments:?}: {shown:?}");
        }
        assert!(!plain.contains('\u{1b}'), "{arguments:?}: {plain:?}");
        // Whatever others wrote has none.
        let bare = shown
            .replace("\u{1b}[1m", "")
            .replace("\u{1b}[0m", "")
            .replace("\u{1b}[31m", "")
            .replace("\u{1b}[32m", "")
            .replace("\u{1b}[33m", "")
            .replace("\u{1b}[36m", "");
        assert_eq!(bare, plain, "{arguments:?}");
    }
}

/// One module speaks, so that one place escapes.
#[test]
fn nothing_else_speaks() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut speakers = Vec::new();
    let mut directories = vec![sources];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let code = fs::read_to_string(&path).unwrap();
            if ["io::stdout()", "io::stderr()", "{stdout", "{stderr"]
                .iter()
                .any(|word| code.contains(word))
            {
                speakers.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    assert_eq!(speakers, ["report.rs"]);
}
