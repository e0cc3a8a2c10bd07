//! The real `systemd-sysupdate` and its kin, on stores that the program made.
//!
//! Three generations of clients are asked, each with its own idea of definitions and lists: 254,
//! 257 and the newest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{CLIENT_254, CLIENT_257, CLIENT_NEWEST, Client, client, merged};
use crate::guide;
use crate::workshop::{Scratch, fixture, json, os_release, output_of, program, sha256sum, text};

/// Returns the program, about to put a tree into a store as a version of an extension.
pub fn build_of(tree: &Path, store: &Path, name: &str, version: &str) -> Command {
    let mut command = program();
    command.arg("--overlay").arg(tree);
    command.args(["--name", name, "--image-version", version, "-o"]);
    command.arg(store);
    command.arg("--os-release").arg(os_release("tumbleweed"));
    command
}

/// Publishes a version of an extension whose program prints that version.
pub fn publish(store: &Path, name: &str, version: &str, arguments: &[&str]) {
    let tree = Scratch::new();
    let bin = tree.join("usr/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(
        bin.join(name),
        format!("#!/bin/sh\necho {name} {version}\n"),
    )
    .unwrap();
    output_of(Command::new("chmod").arg("755").arg(bin.join(name)));
    let outcome = build_of(tree.path(), store, name, version)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{name} {version}: {}",
        text(&outcome.stderr)
    );
}

/// Writes a store's definitions, with the options that sign the list.
pub fn define(store: &Path, url: &str, signing: &[String]) {
    let outcome = program()
        .args(["store", "sysupdate"])
        .arg(store)
        .args(["--url", url])
        .args(signing)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
}

/// The options that sign with the fixed key, which is put where only its owner reads it.
pub fn signing(scratch: &Scratch) -> [String; 2] {
    let key = scratch.join("key.asc");
    fs::copy(fixture("keys/test.secret.asc"), &key).unwrap();
    output_of(Command::new("chmod").arg("600").arg(&key));
    ["--sign-key".to_owned(), key.display().to_string()]
}

/// Returns a good signature of a file by a key that no client of a test trusts.
fn foreign_signature(signed: &Path) -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let home = scratch.join("gpg");
    fs::create_dir(&home).unwrap();
    output_of(Command::new("chmod").arg("700").arg(&home));
    let gpg = || {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--passphrase", ""]);
        command.env("GNUPGHOME", &home);
        command
    };
    output_of(gpg().args(["--quick-gen-key", "foreign", "ed25519", "sign"]));
    let signature = scratch.join("foreign.gpg");
    output_of(
        gpg()
            .args(["--detach-sign", "--output"])
            .arg(&signature)
            .arg(signed),
    );
    (scratch, signature)
}

/// What is done to a copy of a store, which no client may then take.
struct Damage {
    id: &'static str,
    /// Whether this is done to a signed store.
    signed: bool,
    /// A shell command in the copy, with the newest image's name as "$1" and a signature by a
    /// foreign key as "$2".
    command: &'static str,
}

const fn damage(signed: bool, id: &'static str, command: &'static str) -> Damage {
    Damage {
        id,
        signed,
        command,
    }
}

const DAMAGES: [Damage; 18] = [
    damage(
        false,
        "byte",
        "printf X | dd of=\"$1\" bs=1 seek=2000 conv=notrunc status=none",
    ),
    damage(false, "truncated", "truncate -s -512 \"$1\""),
    damage(false, "missing", "rm \"$1\""),
    damage(false, "garbled", "printf '%080d\\n' 0 >> SHA256SUMS"),
    damage(false, "newline", "truncate -s -1 SHA256SUMS"),
    damage(false, "dot", "sed -i 's|  |  ./|' SHA256SUMS"),
    damage(
        false,
        "comment",
        "sed -i \"1i # $(printf '%080d' 0)\" SHA256SUMS",
    ),
    damage(false, "space", "sed -i 's|  | |' SHA256SUMS"),
    damage(false, "crlf", "sed -i 's|$|\\r|' SHA256SUMS"),
    damage(false, "blank", "echo >> SHA256SUMS"),
    damage(false, "digest", "sed -i 's/^..../0000/' SHA256SUMS"),
    damage(false, "no-list", "rm SHA256SUMS"),
    damage(
        true,
        "byte",
        "printf X | dd of=\"$1\" bs=1 seek=2000 conv=notrunc status=none",
    ),
    damage(true, "truncated", "truncate -s -512 \"$1\""),
    damage(
        true,
        "list",
        "echo \"$(sha256sum < /dev/null | cut -c 1-64)  zzz\" >> SHA256SUMS",
    ),
    damage(true, "garbage", "head -c 300 \"$1\" > SHA256SUMS.gpg"),
    damage(true, "unsigned", "rm SHA256SUMS.gpg"),
    damage(true, "foreign", "cp \"$2\" SHA256SUMS.gpg"),
];

/// What is done to the verdicts in a copy of a store, which are no client's business.
const OF_VERDICTS: [Damage; 2] = [
    damage(true, "no-verdicts", "rm compat.json"),
    damage(true, "other-verdicts", "echo >> compat.json"),
];

/// Judges a store's images for their own system, and puts the verdicts on its list.
fn judge(scratch: &Scratch, store: &Path, signing: &[String]) {
    let packages = scratch.join("packages");
    fs::write(&packages, "filesystem-1-1.x86_64\n").unwrap();
    let list = || fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let before = list();
    let outcome = program()
        .args(["store", "gate", "--write"])
        .arg(store)
        .arg("--base")
        .arg(packages)
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .args(signing)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let verdicts = sha256sum(&store.join("compat.json")) + "  compat.json";
    assert!(list().lines().any(|line| line == verdicts), "{}", list());
    assert_eq!(of_sysextmgr(&list()), of_sysextmgr(&before));
}

/// Returns the images that sysextmgr finds on a list, and all that it asks the store for: the names
/// of its lines that end like an image, and a manifest for each (`images-list.c`).
fn of_sysextmgr(list: &str) -> Vec<(&str, String)> {
    let images = list.split('\n').filter(|line| {
        let mut endings = [".raw", ".img"].iter();
        endings.any(|ending| line.ends_with(ending))
    });
    let images = images.map(|line| {
        let image = line.split_once(' ').unwrap().1.trim_start_matches(' ');
        let manifest = image.strip_suffix(".raw").unwrap();
        (image, format!("{manifest}.manifest.gz"))
    });
    images.collect()
}

/// Makes a directory to be served, with a good copy of a store and the damaged ones, and returns
/// what a client does with them: for each, a line with the exit code and what is installed then.
fn damaged_stores(
    served: &Path,
    store: &Path,
    name: &str,
    damages: &[&Damage],
    foreign: &Path,
) -> String {
    fs::create_dir(served).unwrap();
    let good = Damage {
        id: "good",
        signed: false,
        command: "true",
    };
    for damage in damages.iter().copied().chain([&good]) {
        let copy = served.join(damage.id);
        output_of(Command::new("cp").arg("-a").arg(store).arg(&copy));
        let newest = format!("{name}-1.11-1.x86-64.raw");
        output_of(
            Command::new("sh")
                .args(["-euc", damage.command, "sh", &newest])
                .arg(foreign)
                .current_dir(&copy),
        );
    }
    let mut commands = format!(
        "set +ex; there=/run/host{}
         update() {{ # STORE LABEL [IMAGE...]
             rm -rf /var/lib/sysext-store /etc/extensions /etc/sysupdate.{name}.d
             mkdir -p /var/lib/sysext-store /etc/extensions /etc/sysupdate.{name}.d /etc/systemd
             cp $there/good/import-pubring.gpg /etc/systemd/ 2> /dev/null
             for file in $there/good/sysupdate.{name}.d/*; do
                 sed \"s|@@STORE_URL@@|$STORE_URL/$1|\" $file > /etc/sysupdate.{name}.d/${{file##*/}}
             done
             store=$1 label=$2; shift 2
             for image; do cp $there/good/$image /var/lib/sysext-store/; done
             timeout 25 systemd-sysupdate -C {name} update
             echo result $label $? installed $(ls /var/lib/sysext-store)
         }}
         update good good
         cmp $there/good/{name}-1.11-1.x86-64.raw /etc/extensions/{name}.raw || exit 1
         update good third {name}-1.9-1.x86-64.raw {name}-1.10-1.x86-64.raw\n",
        served.display()
    );
    for damage in damages {
        commands += &format!("update {0} {0}\n", damage.id);
    }
    commands + "exit 0\n"
}

#[test(CLIENT_254, CLIENT_257, CLIENT_NEWEST)]
fn each_systemd_updates_and_refuses_what_is_damaged() {
    let clients = [CLIENT_254, CLIENT_257, CLIENT_NEWEST].map(Client::of);
    let name = "hello-tool";
    let scratch = Scratch::new();
    let key = signing(&scratch);
    let signing: Vec<_> = key.iter().map(String::as_str).collect();
    for sign in [false, true] {
        let store = scratch.join(if sign { "signed" } else { "unsigned" });
        for version in ["1.9-1", "1.10-1", "1.11-1"] {
            publish(&store, name, version, if sign { &signing } else { &[] });
        }
        // A neighbour, whose name begins alike and is none of the client's business.
        publish(
            &store,
            "hello-toolbox",
            "7-1",
            if sign { &signing } else { &[] },
        );
        let key: &[String] = if sign { &key } else { &[] };
        define(&store, "@@STORE_URL@@", key);
        if sign {
            judge(&scratch, &store, key);
        }
        let (_home, foreign) = foreign_signature(&store.join("SHA256SUMS"));
        let outcome = program()
            .args(["store", "page"])
            .arg(&store)
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        let of_kind = |damages: &'static [Damage]| -> Vec<&Damage> {
            damages
                .iter()
                .filter(|damage| damage.signed == sign)
                .collect()
        };
        let harmless = of_kind(&OF_VERDICTS);
        let damages = [&harmless[..], &of_kind(&DAMAGES)].concat();
        let served = scratch.join(if sign {
            "signed.served"
        } else {
            "unsigned.served"
        });
        let commands = damaged_stores(&served, &store, name, &damages, &foreign);
        let phase = scratch.join("damage.client");
        fs::write(&phase, commands).unwrap();
        for one in &clients {
            let outcome = client(&one.tree, &served, std::slice::from_ref(&phase), false);
            let said = text(&outcome.stdout);
            assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
            let results = said.lines().filter_map(|line| line.strip_prefix("result "));
            let results: Vec<_> = results.map(str::to_owned).collect();
            assert_eq!(results.len(), damages.len() + 2, "{said}");
            // The good store's newest version, to a client that has none and to one that has two,
            // of which the first is dropped.
            let images = |versions: &[&str]| -> String {
                let image = |version| format!(" {name}-{version}.x86-64.raw");
                versions.iter().map(image).collect()
            };
            let newest = format!("good 0 installed{}", images(&["1.11-1"]));
            let third = format!("third 0 installed{}", images(&["1.10-1", "1.11-1"]));
            assert_eq!(results[..2], [newest, third], "systemd {}", one.systemd);
            let (followed, refused) = results[2..].split_at(harmless.len());
            for (result, harmless) in followed.iter().zip(&harmless) {
                let newest = format!("{} 0 installed{}", harmless.id, images(&["1.11-1"]));
                assert_eq!(*result, newest, "systemd {}", one.systemd);
            }
            for (result, damage) in refused.iter().zip(&damages[harmless.len()..]) {
                let rest = result
                    .strip_prefix(damage.id)
                    .unwrap_or_else(|| panic!("{said}"));
                assert!(
                    rest.ends_with(" installed") && !rest.starts_with(" 0 "),
                    "systemd {}, {}: {result}",
                    one.systemd,
                    damage.id
                );
            }
            assert!(!said.contains("toolbox"), "{said}");
            let image = store.join(format!("{name}-1.11-1.x86-64.raw"));
            let merged = merged(
                &one.merges_in,
                "store",
                &image,
                name,
                &os_release("tumbleweed"),
                name,
            );
            assert!(merged.contains(&format!("{name} 1.11-1\n")), "{merged}");
        }
        if sign {
            output_of(
                Command::new("gpgv")
                    .arg("--keyring")
                    .arg(store.join("import-pubring.gpg"))
                    .arg(store.join("SHA256SUMS.gpg"))
                    .arg(store.join("SHA256SUMS")),
            );
        }
    }
}

#[test(CLIENT_254, CLIENT_257, CLIENT_NEWEST)]
fn ten_names_go_their_own_ways() {
    let clients = [CLIENT_254, CLIENT_257, CLIENT_NEWEST].map(Client::of);
    let scratch = Scratch::new();
    let store = scratch.join("store");
    let signing = signing(&scratch);
    let mut arguments: Vec<_> = signing.iter().map(String::as_str).collect();
    arguments.extend(["--layout", "per-name"]);
    let mut newest = BTreeMap::new();
    for (name, versions) in [
        ("gcc", ["13.3-1", "14.2-1"]),
        ("gcc-32bit", ["14.2-1", "15.1-1"]),
        ("gcc-c++", ["9-1", "10-1"]),
        ("git", ["2.9-1", "2.48-1"]),
        ("git-lfs", ["3.6-1", "3.10-1"]),
        ("libstdc++6", ["14-A.rc.1-1", "14-1"]),
        ("python3.11", ["3.11.9-1", "3.11.10-1"]),
        ("strace", ["6.9-1.1", "6.11-1.1"]),
        ("strace-debuginfo", ["6.8-1.1", "6.10-1.1"]),
        ("z_tool", ["29.1", "29.2"]),
    ] {
        for version in versions {
            publish(&store, name, version, &arguments);
        }
        newest.insert(name, versions[1]);
    }
    // Each directory has the keyring, and the page shows where.
    let outcome = program()
        .args(["store", "page", "--json"])
        .arg(&store)
        .output()
        .unwrap();
    let index = &json(&outcome)["index"];
    assert_eq!(index["keyring"], "gcc/import-pubring.gpg");
    assert_eq!(
        index["signing_keys"][0],
        "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E"
    );
    assert_eq!(index["extensions"].as_array().unwrap().len(), 10);
    let phase = scratch.join("all.client");
    let mut commands = "mkdir -p /etc/extensions; cp /run/host/\"$KEYRING\" /etc/systemd/\n"
        .replace(
            "\"$KEYRING\"",
            &store.join("gcc/import-pubring.gpg").display().to_string(),
        );
    for name in newest.keys() {
        // The definitions were made for this client's address of the store.
        commands += &format!(
            "mkdir -p /var/lib/sysext-store/{name} /etc/sysupdate.{name}.d\n\
             for e in conf feature transfer; do curl -fsS $STORE_URL/sysupdate.{name}.d/{name}.$e |\n\
             sed \"s|@@STORE_URL@@|$STORE_URL|\" > /etc/sysupdate.{name}.d/{name}.$e; done\n\
             systemd-sysupdate -C {name} update\n"
        );
    }
    commands += "set +x; for link in /etc/extensions/*; do echo \"link $link $(readlink -e $link)\"\n\
                 cmp $link /run/host/$(echo \"$STORE\"/${link##*/} | sed 's/.raw$//')/\
                 $(basename $(readlink -e $link)); done\n\
                 find /var/lib/sysext-store -type f | sort | sed 's/^/file /'\n";
    fs::write(
        &phase,
        commands.replace("\"$STORE\"", &store.display().to_string()),
    )
    .unwrap();
    define(&store, "@@STORE_URL@@", &signing);
    for one in &clients {
        let outcome = client(&one.tree, &store, std::slice::from_ref(&phase), false);
        let said = text(&outcome.stdout);
        assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
        let lines = |word: &str| -> Vec<String> {
            (said.lines())
                .filter_map(|line| line.strip_prefix(word))
                .map(str::to_owned)
                .collect()
        };
        let file = |name: &str, version: &str| {
            format!("/var/lib/sysext-store/{name}/{name}-{version}.x86-64.raw")
        };
        let mut links: Vec<_> = (newest.iter())
            .map(|(name, version)| format!("/etc/extensions/{name}.raw {}", file(name, version)))
            .collect();
        let mut files: Vec<_> = newest
            .iter()
            .map(|(name, version)| file(name, version))
            .collect();
        links.sort();
        files.sort();
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        assert_eq!(sorted(lines("link ")), links, "systemd {}", one.systemd);
        assert_eq!(sorted(lines("file ")), files, "systemd {}", one.systemd);
    }
}

#[test(CLIENT_257, CLIENT_NEWEST)]
fn an_installed_image_updates_itself() {
    let clients = [CLIENT_257, CLIENT_NEWEST].map(Client::of);
    let scratch = Scratch::new();
    let store = scratch.join("store");
    let itself = [
        "--sysupdate-url",
        "@@STORE_URL@@",
        "--sysupdate-verify",
        "no",
        "--match",
        "any",
        "--allow",
        "unchecked-base",
    ];
    publish(&store, "hello-self", "1-1", &itself);
    let phases = ["first.client", "publish", "second.client"].map(|name| scratch.join(name));
    // Only the address is not known before the client is there.
    fs::write(
        &phases[0],
        "mkdir -p /etc/extensions /var/lib/sysext-store\n\
         cd /var/lib/sysext-store; curl -fsSO $STORE_URL/hello-self-1-1.x86-64.raw\n\
         ln -s ../../var/lib/sysext-store/hello-self-1-1.x86-64.raw /etc/extensions/hello-self.raw\n\
         systemd-sysext refresh; hello-self\n\
         mkdir -p /etc/sysupdate.hello-self.d; cd /usr/lib/sysupdate.hello-self.d\n\
         for f in *; do sed \"s|@@STORE_URL@@|$STORE_URL|\" $f > /etc/sysupdate.hello-self.d/$f; done\n",
    )
    .unwrap();
    let second = scratch.join("second");
    publish(&second, "hello-self", "2-1", &itself);
    fs::write(
        &phases[2],
        "systemd-sysupdate -C hello-self update\nsystemd-sysext refresh\nhello-self\n",
    )
    .unwrap();
    for one in &clients {
        let fresh = scratch.join(one.systemd);
        output_of(Command::new("cp").arg("-a").arg(&store).arg(&fresh));
        fs::write(
            &phases[1],
            format!("cp {0}/* {1}/", second.display(), fresh.display()),
        )
        .unwrap();
        let outcome = client(&one.tree, &fresh, &phases, false);
        let said = text(&outcome.stdout);
        assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
        for version in ["1-1", "2-1"] {
            let shown = format!("hello-self {version}");
            assert!(said.lines().any(|line| line == shown), "{said}");
        }
    }
}

/// What happens around a block of commands of the guide: what the publisher does before, on this
/// machine, and what is true afterwards, on the client.
struct Around {
    heading: &'static str,
    before: &'static str,
    after: &'static str,
}

const PUBLISHED: &str = "$PROGRAM store add $SIGN $STORE $NEXT/strace-6.12-1.1.x86-64.raw";
const HAS_OLD: &str = "test \"$(strace)\" = 'strace 6.11-1.1'";
const HAS_NEW: &str = "test \"$(strace)\" = 'strace 6.12-1.1'";
const HAS_NONE: &str = "if strace || ls /var/lib/sysext-store/*; then exit 1; fi";

/// The blocks of docs/guide/clients.md in their order.
const CLIENTS_PAGE: [Around; 10] = {
    const fn around(heading: &'static str, before: &'static str, after: &'static str) -> Around {
        Around {
            heading,
            before,
            after,
        }
    }
    [
        around("Trust the key", "", ""),
        around("Install", "", HAS_OLD),
        around("Install", "", "systemctl is-enabled systemd-sysext.service"),
        around("Update", PUBLISHED, HAS_NEW),
        around("Update", "", HAS_NEW),
        around(
            "Roll back",
            "",
            // The next update leaves it alone, since there is nothing newer.
            "systemd-sysupdate -C strace update; systemd-sysext refresh
             test \"$(strace)\" = 'strace 6.11-1.1'",
        ),
        around("Remove", "", HAS_NONE),
        around("With importctl", "", HAS_NEW),
        around("By hand", "", HAS_NEW),
        around(
            "Another key",
            "",
            "if gpgv --keyring /etc/systemd/import-pubring.gpg /dev/null /dev/null; then exit 1; fi
             if gpg --show-keys /etc/systemd/import-pubring.gpg | grep 041D5F41; then exit 1; fi",
        ),
    ]
};

#[test(CLIENT_257, CLIENT_NEWEST)]
fn what_the_guide_says_about_clients_is_what_happens() {
    let clients = [CLIENT_257, CLIENT_NEWEST].map(Client::of);
    let blocks: Vec<_> = guide::blocks("docs/guide/clients.md")
        .into_iter()
        .filter(|block| block.kind == "sh client")
        .collect();
    let headings: Vec<_> = blocks.iter().map(|block| block.heading.as_str()).collect();
    assert_eq!(headings, CLIENTS_PAGE.map(|around| around.heading));

    for one in &clients {
        let scratch = Scratch::new();
        let store = scratch.join("store");
        let signing = signing(&scratch);
        let mut arguments: Vec<_> = signing.iter().map(String::as_str).collect();
        arguments.extend(["--match", "any", "--allow", "unchecked-base"]);
        publish(&store, "strace", "6.11-1.1", &arguments);
        // The second version is made before, since the client lives in one command.
        let next = scratch.join("next");
        publish(
            &next,
            "strace",
            "6.12-1.1",
            &["--match", "any", "--allow", "unchecked-base"],
        );

        let mut phases = Vec::new();
        let mut phase = |name: &str, commands: &str| {
            let path = scratch.join(&format!("{}{name}", phases.len()));
            // No systemd runs there that systemctl could ask.
            let state = scratch.join("state");
            let state = state.display();
            let commands = format!("export SYSTEMD_OFFLINE=1 XDG_STATE_HOME={state}\n{commands}")
                .replace("$PROGRAM", program().get_program().to_str().unwrap())
                .replace("$SIGN", &signing.join(" "))
                .replace("$NEXT", &next.display().to_string())
                .replace("$STORE ", &format!("{} ", store.display()));
            fs::write(&path, commands).unwrap();
            phases.push(path);
        };
        // Its address is known late.
        phase(
            "",
            "$PROGRAM store sysupdate $SIGN $STORE --url \"$STORE_URL\"",
        );
        if one.systemd == "newest" {
            // It then reads nothing from the file of the older name.
            phase(".client", ": > /etc/systemd/import-pubring.pgp");
        }
        for (block, around) in blocks.iter().zip(&CLIENTS_PAGE) {
            phase("", around.before);
            phase(
                ".client",
                &block
                    .text
                    .replace("https://example.org/sysext", "$STORE_URL")
                    .replace(
                        "FINGERPRINT",
                        "041D 5F41 1DB4 34BC 5D0E  51E1 6879 D6EA B0EE F13E",
                    ),
            );
            phase(".client", around.after);
            if around.after == HAS_NEW && around.heading == "With importctl" {
                let bare = "rm -rf /etc/extensions/* /var/lib/extensions/*; systemd-sysext refresh";
                phase(".client", &format!("{bare}\n{HAS_NONE}"));
            }
        }
        let outcome = client(&one.tree, &store, &phases, true);
        let said = text(&outcome.stdout);
        assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
    }
}
