//! What clients get besides images: definitions for systemd-sysupdate, the page, the index.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use judges::{Need, programs};

use crate::workshop::{Scratch, build, fixture, json, names, output_of, program, sha256sum, text};

const URL: &str = "https://example.org/sysext/";

/// Makes a store with the images of two extensions.
fn store(directory: &Path) {
    for packages in [
        &["hello-sysext-1.0-1.x86_64.rpm"][..],
        &[
            "hello-tools-1.1~rc1-2.x86_64.rpm",
            "hello-library-2.0-3.x86_64.rpm",
        ],
    ] {
        let files: Vec<_> = packages.iter().map(|name| fixture(name)).collect();
        let files: Vec<_> = files.iter().map(|path| path.as_os_str()).collect();
        build(directory, &files);
    }
}

/// Runs `store VERB` on a store.
fn on_store(verb: &str, directory: &Path, arguments: &[&str]) -> Output {
    program()
        .args(["store", verb])
        .arg(directory)
        .args(arguments)
        .output()
        .unwrap()
}

fn sysupdate(directory: &Path, arguments: &[&str]) -> Output {
    let outcome = on_store("sysupdate", directory, arguments);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    outcome
}

#[test(program("tar"))]
fn definitions_are_on_the_list_and_beside_it() {
    let scratch = Scratch::new();
    store(scratch.path());
    let list = || fs::read_to_string(scratch.join("SHA256SUMS")).unwrap();
    let before = list();
    let said = json(&sysupdate(scratch.path(), &["--json", "--url", URL]));
    assert_eq!(said["verify"], false);
    assert_eq!(said["definitions"][1]["name"], "hello-tools");
    let digest = sha256sum(&scratch.join("definitions.tar.gz"));
    let line = format!("{digest}  definitions.tar.gz\n");
    assert_eq!(list(), line.clone() + &before);
    let directory = scratch.join("sysupdate.hello-tools.d");
    assert_eq!(
        names(&directory),
        [
            "hello-tools.conf",
            "hello-tools.feature",
            "hello-tools.transfer"
        ]
    );
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(read("hello-tools.conf"), read("hello-tools.transfer"));
    assert!(read("hello-tools.conf").contains("\nVerify=no\n"));

    // The same again changes nothing, not even a time.
    let made = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = made(&directory.join("hello-tools.conf"));
    sysupdate(scratch.path(), &["--url", URL]);
    assert_eq!(made(&directory.join("hello-tools.conf")), before);

    // And the store goes on: it takes an image, and lists what it listed.
    build(
        scratch.path(),
        &[fixture("hello-noarch-0.5^git3-1.noarch.rpm").as_os_str()],
    );
    let outcome = on_store("list", scratch.path(), &[]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(list().contains(&line));

    // Its definition comes when it is asked for, and the others stay; so it is with all of them.
    let archived = || {
        let mut tar = Command::new("tar");
        tar.args(["-t", "-f", "definitions.tar.gz"]);
        let listed = output_of(tar.current_dir(scratch.path()));
        let of_newest = |line: &&str| line.ends_with(".transfer");
        listed
            .lines()
            .filter(of_newest)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let path = |name: &str| format!("etc/sysupdate.{name}.d/{name}.transfer");
    let two = ["hello-sysext", "hello-tools"].map(path);
    assert_eq!(archived(), two);
    let is_missing = || {
        let said = text(&on_store("verify", scratch.path(), &[]).stdout);
        said.contains("definition-missing: definitions.tar.gz has no definition of hello-noarch\n")
    };
    assert!(is_missing());
    sysupdate(scratch.path(), &["--url", URL, "hello-noarch"]);
    let three = ["hello-noarch", "hello-sysext", "hello-tools"].map(path);
    assert_eq!(archived(), three);
    assert!(!is_missing());
    let all = fs::read(scratch.join("definitions.tar.gz")).unwrap();
    sysupdate(scratch.path(), &["--url", URL]);
    assert_eq!(fs::read(scratch.join("definitions.tar.gz")).unwrap(), all);
}

/// Whoever can write to the web server can't change what `verify` takes for the definitions.
#[test]
fn tampered_definitions_are_found_and_written_again() {
    let scratch = Scratch::new();
    let key = scratch.join("key.asc");
    fs::copy(fixture("keys/test.secret.asc"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.to_str().unwrap();
    for per_name in [false, true] {
        let directory = scratch.join(if per_name { "per-name" } else { "flat" });
        let layout: &[&str] = if per_name {
            &["--layout", "per-name"]
        } else {
            &[]
        };
        let package = fixture("hello-sysext-1.0-1.x86_64.rpm");
        let signing = ["--sign-key", key];
        let arguments: Vec<_> = (layout.iter().chain(&signing))
            .map(AsRef::as_ref)
            .chain([package.as_os_str()])
            .collect();
        build(&directory, &arguments);

        // Without the key the list stays as it is, and a note says what that means.
        let said = text(&sysupdate(&directory, &["--url", URL]).stderr);
        assert!(said.contains("note      definition-unsigned: "), "{said}");
        let findings = |options: &[&str]| {
            let outcome = on_store("verify", &directory, &[&["--json"], options].concat());
            let directories = json(&outcome)["directories"].clone();
            let rows = directories.as_array().unwrap().iter();
            let rows = rows.flat_map(|one| one["findings"].as_array().unwrap().clone());
            let ids: Vec<_> = rows
                .map(|row| row["id"].as_str().unwrap().to_owned())
                .collect();
            (outcome.status.code().unwrap(), ids)
        };
        let transfer = directory.join("sysupdate.hello-sysext.d/hello-sysext.transfer");
        let good = fs::read_to_string(&transfer).unwrap();
        let unverified = good.replace("Verify=yes", "Verify=no");
        assert_eq!(findings(&[]), (0, vec!["definition-unsigned".to_owned()]));
        let mismatch = || (1, vec!["definition-mismatch".to_owned()]);
        fs::write(&transfer, &unverified).unwrap();
        let (code, ids) = findings(&[]);
        assert_eq!((code, &*ids[0]), (1, "definition-mismatch"));

        sysupdate(&directory, &["--url", URL, "--sign-key", key]);
        assert_eq!(fs::read_to_string(&transfer).unwrap(), good);
        assert_eq!(findings(&[]), (0, vec![]));
        for tampered in [
            unverified.clone(),
            good.replace("https://example.org", "https://evil.example"),
            good.replace("/var/lib/sysext-store", "/usr/lib/systemd/system"),
        ] {
            fs::write(&transfer, tampered).unwrap();
            assert_eq!(findings(&[]), mismatch());
            assert_eq!(findings(&["--fix"]), (0, vec![]));
            assert_eq!(fs::read_to_string(&transfer).unwrap(), good);
        }

        // What is there already needs no key, and anything else does.
        sysupdate(&directory, &["--url", URL]);
        let refused = on_store("sysupdate", &directory, &["--url", "https://evil.example/"]);
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(said.contains("no key was given to sign"), "{said}");
        assert_eq!(findings(&[]), (0, vec![]));

        // The archive itself: the page does not show commands for it, and the key makes it again.
        let archive = match per_name {
            true => directory.join("hello-sysext/definitions.tar.gz"),
            false => directory.join("definitions.tar.gz"),
        };
        let listed = fs::read(&archive).unwrap();
        fs::write(&archive, b"evil").unwrap();
        assert_eq!(findings(&[]).1[0], "digest-mismatch");
        let refused = on_store("page", &directory, &[]);
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(
            said.contains("does not have the SHA-256 that is listed"),
            "{said}"
        );
        assert!(!directory.join("index.html").exists());
        sysupdate(&directory, &["--url", URL, "--sign-key", key]);
        assert_eq!(fs::read(&archive).unwrap(), listed);
        let outcome = on_store("page", &directory, &["--url", URL]);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        let page = fs::read_to_string(directory.join("index.html")).unwrap();
        assert!(page.contains("tar -xzf definitions.tar.gz -C / etc/sysupdate.hello-sysext.d"));
    }
}

#[test]
fn a_signed_store_is_verified_unless_the_user_says_otherwise() {
    let scratch = Scratch::new();
    store(scratch.path());
    fs::write(scratch.join("SHA256SUMS.gpg"), b"looked at by clients").unwrap();
    for (arguments, expected) in [
        (&["--signed", "auto"][..], "Verify=yes"),
        (&[], "Verify=yes"),
        (&["--signed", "no"], "Verify=no"),
    ] {
        sysupdate(scratch.path(), &[&["--url", URL], arguments].concat());
        let path = scratch.join("sysupdate.hello-sysext.d/hello-sysext.transfer");
        let found = fs::read_to_string(path).unwrap();
        assert!(found.lines().any(|line| line == expected), "{found}");
    }
}

#[test(program("tar"))]
fn the_tarball_is_the_same_for_everyone() {
    let scratch = Scratch::new();
    let mut digests = Vec::new();
    for name in ["one", "two"] {
        let directory = scratch.join(name);
        store(&directory);
        let tarball = scratch.join(&format!("{name}.tar"));
        let tarball = tarball.to_str().unwrap();
        sysupdate(&directory, &["--url", URL, "--tarball", tarball]);
        digests.push(sha256sum(Path::new(tarball)));
    }
    assert_eq!(digests[0], digests[1]);

    let root = scratch.join("root");
    fs::create_dir(&root).unwrap();
    output_of(
        Command::new("tar")
            .args(["-x", "-f", "one.tar", "-C", "root"])
            .current_dir(scratch.path()),
    );
    for name in ["hello-sysext", "hello-tools"] {
        let directory = format!("sysupdate.{name}.d");
        for file in names(&scratch.join("one").join(&directory)) {
            let of = |root: &str| fs::read(scratch.join(root).join(&directory).join(&file));
            assert_eq!(of("root/etc").unwrap(), of("one").unwrap(), "{file}");
        }
    }
    assert_eq!(names(&root), ["etc", "var"]);
    assert!(root.join("var/lib/sysext-store").is_dir());

    // Times come from SOURCE_DATE_EPOCH.
    let outcome = program()
        .args(["store", "sysupdate", "one", "hello-tools", "--url", URL])
        .args(["--tarball", "later.tar"])
        .env("SOURCE_DATE_EPOCH", "86400")
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let listed = output_of(
        Command::new("tar")
            .args(["-t", "-v", "-f", "later.tar"])
            .env("TZ", "UTC")
            .current_dir(scratch.path()),
    );
    assert!(listed.contains("root/root"), "{listed}");
    assert!(!listed.contains("hello-sysext"), "{listed}");
    assert!(
        listed
            .lines()
            .all(|line| line.contains(" 1970-01-02 00:00 ")),
        "{listed}"
    );
}

#[test(programs!("gpg", "tar"))]
fn the_keyring_is_packed_as_clients_take_it() {
    let scratch = Scratch::new();
    let directory = scratch.join("store");
    store(&directory);
    let home = scratch.join("gnupg");
    fs::create_dir(&home).unwrap();
    output_of(Command::new("chmod").arg("700").arg(&home));
    let gpg = |arguments: &[&str]| {
        output_of(
            Command::new("gpg")
                .arg("--homedir")
                .arg(&home)
                .args(arguments),
        )
    };
    gpg(&[
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-gen-key",
        "store@example.org",
        "ed25519",
        "sign",
        "never",
    ]);
    let armored = scratch.join("key.asc");
    fs::write(&armored, gpg(&["--export", "--armor"])).unwrap();
    let tarball = scratch.join("sysupdate.tar");
    sysupdate(
        &directory,
        &[
            "--url",
            URL,
            "--tarball",
            tarball.to_str().unwrap(),
            "--keyring",
            armored.to_str().unwrap(),
        ],
    );
    let packed = Command::new("tar")
        .args([
            "-x",
            "-O",
            "-f",
            "sysupdate.tar",
            "etc/systemd/import-pubring.gpg",
        ])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    let exported = Command::new("gpg")
        .arg("--homedir")
        .arg(&home)
        .arg("--export")
        .output()
        .unwrap();
    assert!(!packed.stdout.is_empty());
    assert_eq!(packed.stdout, exported.stdout);
    let _ = Command::new("gpgconf")
        .arg("--homedir")
        .arg(&home)
        .args(["--kill", "all"])
        .status();

    fs::write(&armored, "no key").unwrap();
    let arguments = [
        "--url",
        URL,
        "--tarball",
        "x.tar",
        "--keyring",
        armored.to_str().unwrap(),
    ];
    let outcome = on_store("sysupdate", &directory, &arguments);
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    assert!(!Path::new("x.tar").exists());
}

/// What a host needs that takes nothing but images that are signed inside.
#[test(programs!("openssl", "sh", "tar"))]
fn certificates_are_given_to_clients() {
    let scratch = Scratch::new();
    let mut build = program();
    build.args("--match any --allow unchecked-base --format ddi -o store".split(' '));
    build.arg("--verity-key").arg(fixture("keys/image.key.pem"));
    build.arg("--verity-cert").arg(fixture("keys/image.crt"));
    build.arg(fixture("payload-zstd-1-1.noarch.rpm"));
    output_of(build.current_dir(scratch.path()));
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).current_dir(scratch.path());
        shell.output().unwrap()
    };
    fs::copy(fixture("keys/image.crt"), scratch.join("image.crt")).unwrap();
    let outcome = shell(
        "openssl x509 -in image.crt -outform DER -out image.der
        sha256sum < image.der
        openssl req -x509 -newkey rsa:2048 -nodes -keyout other.pem -subj /CN=o -days 1 -out other.crt",
    );
    let fingerprint = text(&outcome.stdout)[..64].to_owned();
    let store = scratch.join("store");
    let tarball = scratch.join("with.tar");
    let arguments = ["--url", URL, "--tarball", tarball.to_str().unwrap()];
    let outcome = on_store("sysupdate", &store, &arguments);
    let note = format!("the SHA-256 {fingerprint}, which is not in the archive");
    assert!(
        text(&outcome.stderr).contains(&note),
        "{}",
        text(&outcome.stderr)
    );
    let der = scratch.join("image.der");
    let arguments = [&arguments[..], &["--verity-cert", der.to_str().unwrap()]].concat();
    let outcome = on_store("sysupdate", &store, &arguments);
    assert!(!text(&outcome.stderr).contains("not in the archive"));
    let name = format!("etc/verity.d/sysext-{}.crt", &fingerprint[..16]);
    let script =
        format!("tar -x -f with.tar; openssl x509 -in {name} -outform DER | cmp - image.der");
    let outcome = shell(&script);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));

    // The commands of the page, as they are copied from it.
    let outcome = on_store("page", &store, &["--json"]);
    let page = fs::read_to_string(store.join("index.html")).unwrap();
    assert_eq!(json(&outcome)["index"]["certificates"][0], fingerprint);
    let commands = page.split("Trust the certificate").nth(1).unwrap();
    let commands = commands.split_once("<pre tabindex=\"0\">").unwrap().1;
    let commands = commands.split_once("</pre>").unwrap().0;
    let commands = [
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(commands.to_owned(), |text, (from, to)| {
        text.replace(from, to)
    })
    .replace("/etc/verity.d", "host");
    for (certificate, is_taken) in [("other.crt", false), ("none", false), ("image.crt", true)] {
        let outcome = shell(&commands.replace("CERTIFICATE", certificate));
        assert_eq!(
            outcome.status.success(),
            is_taken,
            "{}",
            text(&outcome.stderr)
        );
        assert_eq!(scratch.join("host").exists(), is_taken);
    }
    let name = format!("host/sysext-{}.crt", &fingerprint[..16]);
    let outcome = shell(&format!(
        "openssl x509 -in {name} -outform DER | cmp - image.der"
    ));
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
}

#[test]
fn what_can_not_be_defined_is_refused_in_one_line() {
    let scratch = Scratch::new();
    store(scratch.path());
    for (arguments, code, fragment) in [
        (
            &["--url", "example.org"][..],
            2,
            "does not begin with https://",
        ),
        (
            &["--url", "https://e/\nPath=x"],
            2,
            "contains '\\n'; write it as %0A",
        ),
        (&["--url", "https://e/%s/"], 2, "contains \"%s/\""),
        (&["--url", "https://u:p@e/"], 2, "a user name or a password"),
        (
            &["--url", URL, "--instances", "1"],
            2,
            "would keep 1 images",
        ),
        (&["--url", URL, "gcc"], 1, "has no image of \"gcc\""),
        (&[], 2, "--url <URL>"),
    ] {
        let outcome = on_store("sysupdate", scratch.path(), arguments);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(fragment), "{arguments:?}: {said}");
        assert!(
            !scratch.join("sysupdate.hello-sysext.d").exists(),
            "{arguments:?}"
        );
    }
    let outcome = on_store("sysupdate", &scratch.join("missing"), &["--url", URL]);
    assert_eq!(outcome.status.code(), Some(3));
}

#[test(program("unsquashfs"))]
fn an_image_can_hold_its_own_definition() {
    let scratch = Scratch::new();
    let package = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let delivery = [
        "--sysupdate-url",
        "https://example.org/%w/",
        "--sysupdate-verify",
        "yes",
    ];
    let arguments: Vec<_> = (delivery.iter().map(AsRef::as_ref))
        .chain([package.as_os_str()])
        .collect();
    build(&scratch.join("image"), &arguments);
    let image = scratch.join("image/hello-sysext-1.0-1.x86-64.raw");
    // It is the one that a store of this address gives out.
    sysupdate(
        &scratch.join("image"),
        &["--url", "https://example.org/%w/", "--signed", "yes"],
    );
    for file in [
        "hello-sysext.conf",
        "hello-sysext.feature",
        "hello-sysext.transfer",
    ] {
        let path = format!("sysupdate.hello-sysext.d/{file}");
        let held = output_of(
            Command::new("unsquashfs")
                .arg("-cat")
                .arg(&image)
                .arg(format!("usr/lib/{path}")),
        );
        let given = fs::read_to_string(scratch.join("image").join(path)).unwrap();
        assert_eq!(held, given);
        assert!(file.ends_with("feature") || held.contains("Path=https://example.org/%w/\n"));
    }

    for arguments in [
        &["--sysupdate-url", "https://example.org/"][..],
        &["--sysupdate-verify", "no"],
        &["--sysupdate-url", "x", "--sysupdate-verify", "no"],
    ] {
        let outcome = program()
            .args(arguments)
            .arg("-o")
            .arg(scratch.join("none"))
            .arg(&package)
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(2), "{arguments:?}");
    }
}

const BROWSER: Need = programs!("chromium", "timeout");

/// Runs Chromium on a page. It needs no network for that.
fn chromium(scratch: &Scratch, page: &Path, arguments: &[&str]) -> Output {
    let profile = scratch.join("profile");
    let _ = fs::remove_dir_all(&profile);
    Command::new("timeout")
        .args(["120", "chromium"])
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-sync",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap()
}

#[test(BROWSER)]
fn a_browser_shows_the_page() {
    let scratch = Scratch::new();
    let directory = scratch.join("store");
    store(&directory);
    sysupdate(&directory, &["--url", URL]);
    let page = directory.join("index.html");
    let arguments = ["--url", URL, "--title", "Tools <b>&</b> \"more\""];
    for _ in 0..2 {
        let outcome = on_store("page", &directory, &arguments);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
    let html = fs::read_to_string(&page).unwrap();
    assert!(!html.contains("<script"), "no script is needed");
    assert!(html.len() < 30_000, "{} bytes", html.len());

    let outcome = chromium(&scratch, &page, &["--dump-dom"]);
    let (dom, log) = (text(&outcome.stdout), text(&outcome.stderr));
    for shown in [
        "<title>Tools &lt;b&gt;&amp;&lt;/b&gt; \"more\"</title>",
        "<a href=\"hello-tools-1.1-A.rc.1-2.x86-64.raw\">",
        "<a href=\"hello-tools-1.1-A.rc.1-2.x86-64.manifest.gz\">",
        "<li>hello-library-2.0-3.x86_64</li>",
        "<li>hello-tools-1.1~rc1-2.x86_64</li>",
        "opensuse-tumbleweed 20260304",
        "4 KiB",
        "not signed",
        "systemd-sysupdate -C hello-tools update\n",
        "importctl pull-raw --class=sysext --verify=checksum \
         https://example.org/sysext/hello-tools-1.1-A.rc.1-2.x86-64.raw hello-tools\n",
        "ln -sfn /var/lib/sysext-store/hello-sysext-1.0-1.x86-64.raw \
         /etc/extensions/hello-sysext.raw",
        &sha256sum(&directory.join("hello-sysext-1.0-1.x86-64.raw"))[..16],
    ] {
        assert!(dom.contains(shown), "{shown} is not in {dom}");
    }
    // The page's own policy lets its style pass, and nothing else was asked for.
    assert!(!log.contains("Content Security Policy"), "{log}");
    assert!(!log.contains("Refused"), "{log}");

    for (width, height) in [(1280, 2000), (500, 2000)] {
        let picture = scratch.join("page.png");
        let arguments = [
            format!("--window-size={width},{height}"),
            format!("--screenshot={}", picture.display()),
        ];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        chromium(&scratch, &page, &arguments);
        // An empty page of this size is 10 KB.
        assert!(fs::metadata(&picture).unwrap().len() > 40_000, "{width}");
        fs::remove_file(&picture).unwrap();
    }
}

#[test(BROWSER, program("gzip"))]
fn a_browser_runs_nothing_of_what_manifests_say() {
    let scratch = Scratch::new();
    let directory = scratch.join("store");
    fs::create_dir(&directory).unwrap();
    let image = "evil-1.x86-64.raw";
    fs::write(directory.join(image), b"").unwrap();
    let attack = "<script>document.title='run'</script><img src=x onerror=document.title='run'>";
    let manifest = serde_json::json!({
        "manifest_version": 1,
        "config": {"name": "evil", "version": "1", "architecture": attack},
        "packages": [{"name": attack, "version": attack, "architecture": attack}],
        "extension": {"ID": attack, "VERSION_ID": attack},
    });
    let json_file = scratch.join("evil-1.x86-64.manifest");
    fs::write(&json_file, manifest.to_string()).unwrap();
    let packed = Command::new("gzip")
        .arg("-c")
        .arg(&json_file)
        .output()
        .unwrap();
    fs::write(directory.join("evil-1.x86-64.manifest.gz"), packed.stdout).unwrap();
    let empty = sha256sum(&directory.join(image));
    let manifest = "evil-1.x86-64.manifest.gz";
    let hash = sha256sum(&directory.join(manifest));
    fs::write(
        directory.join("SHA256SUMS"),
        format!("{empty}  $(reboot)-1.x86-64.raw\n{hash}  {manifest}\n{empty}  {image}\n"),
    )
    .unwrap();
    fs::write(directory.join("$(reboot)-1.x86-64.raw"), b"").unwrap();
    let outcome = on_store("page", &directory, &["--title", "tame"]);
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    assert!(
        said.contains("left-out: \"$(reboot)-1.x86-64.raw\""),
        "{said}"
    );
    let html = fs::read_to_string(directory.join("index.html")).unwrap();
    assert!(!html.contains("(reboot)"));
    let outcome = chromium(&scratch, &directory.join("index.html"), &["--dump-dom"]);
    let dom = text(&outcome.stdout);
    assert!(dom.contains("<title>tame</title>"), "{dom}");
    assert!(dom.contains("&lt;script&gt;"), "{dom}");
    assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
}
