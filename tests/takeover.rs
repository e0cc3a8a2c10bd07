//! What clients install when the store, a mirror or a key is no longer what it was.
//!
//! The commands are those of README and of the page, typed as they stand there, one block after the
//! other even where the first has failed. Each client has a systemd of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use judges::{Need, all, programs};

use crate::client::{CLIENT_257, CLIENT_NEWEST, Client, client};
use crate::guide;
use crate::sysupdate::{publish, signing};
use crate::workshop::{Scratch, digest, fixture, output_of, program, text};

const PUBLISHER: Need = all(&[
    CLIENT_257,
    programs!("gpg", "gpgconf", "tar", "sed", "sha256sum"),
]);

/// The fixed key of the fixtures, as people write it.
const OWNER: &str = "041D 5F41 1DB4 34BC 5D0E  51E1 6879 D6EA B0EE F13E";

/// Makes the stores that a client meets, once their address is known. `$NEXT`, `$THIEF` and
/// `$MIXED` are the fingerprints of keys in gpg's home, each also in a file of that name.
const STORES: &str = r#"
# Each store is a copy of one: its owner remembers nothing of the others.
program() { rm -rf "$WORK/state"; XDG_STATE_HOME="$WORK/state" "$PROGRAM" "$@" > /dev/null 2>&1; }
store() { # NAME: a good store of the owner's
    cp -a "$WORK/store" "$SERVED/$1"
    program store sysupdate "$SERVED/$1" --url "$STORE_URL/$1" --sign-key "$WORK/key.asc"
    cd "$SERVED/$1"
}
list() { sha256sum *.raw *.gz > SHA256SUMS; }
sign() { gpg --batch --quiet --yes -u "$1" --detach-sign -o SHA256SUMS.gpg SHA256SUMS; }
# Whoever has the web server, and no key that signs: Verify=no, and an image of theirs.
tamper() {
    sed -i s/Verify=yes/Verify=no/ sysupdate.strace.d/*
    mkdir etc; cp -a sysupdate.strace.d etc; tar -czf definitions.tar.gz etc; rm -r etc
    cp "$WORK/evil.raw" strace-6.11-1.1.x86-64.raw
}
store honest
store definitions; tamper; cp "$WORK/store/strace-6.11-1.1.x86-64.raw" .
store image; cp "$WORK/evil.raw" strace-6.11-1.1.x86-64.raw
store list; tamper; list
store unsigned; tamper; list; rm SHA256SUMS.gpg
store thief; tamper; list; sign "$THIEF"; gpg --export "$THIEF" > import-pubring.gpg
store both; tamper; list; sign "$THIEF"; gpg --export "$THIEF" >> import-pubring.gpg
store before; tamper; list; sign "$THIEF"
gpg --export "$THIEF" > keys; cat import-pubring.gpg >> keys; mv keys import-pubring.gpg
store named; tamper; list; sign "$MIXED"; gpg --export "$MIXED" > import-pubring.gpg
# A mirror that no longer follows: a list of the owner's whose last day is over.
store late
echo "$(sha256sum < /dev/null | cut -c 1-64)  BEST-BEFORE-2024-02-29" >> SHA256SUMS; sign "$OWNER"
store timely; program store sign . --sign-key "$WORK/key.asc" --best-before 2999-12-31
# The owner takes another key.
store rotated
gpg --export-secret-keys "$NEXT" > "$WORK/next.key"; chmod 600 "$WORK/next.key"
gpg --export "$NEXT" > "$WORK/next.gpg"
program store sign . --sign-key "$WORK/key.asc" --add-key "$WORK/next.gpg"
program store sign . --sign-key "$WORK/next.key" --new-key
# And drops the old one.
cp -a "$SERVED/rotated" "$SERVED/retired"; cd "$SERVED/retired"
program store sysupdate . --url "$STORE_URL/retired" --sign-key "$WORK/next.key"
program store sign . --sign-key "$WORK/next.key" --drop-key "$OWNER"
"#;

/// A client's commands against a store, and whether the extension is there in the end.
struct Row {
    what: &'static str,
    commands: String,
    installs: bool,
}

/// The blocks of README, as somebody types them who has been told this fingerprint.
struct Commands {
    trust: String,
    install: String,
    distrust: String,
}

impl Commands {
    fn new() -> Self {
        let shown = |document: &str, heading: &str| -> Vec<String> {
            (guide::blocks(document).into_iter())
                .filter(|block| block.heading == heading)
                .map(|block| block.text)
                .collect()
        };
        let [trust, install] = shown("README.md", "On the client").try_into().unwrap();
        let [distrust] = shown("docs/guide/clients.md", "Another key")
            .try_into()
            .unwrap();
        Self {
            trust,
            install,
            distrust,
        }
    }

    fn at(store: &str, commands: &str) -> String {
        commands.replace("https://example.org/sysext", &format!("$STORE_URL/{store}"))
    }

    fn trust(&self, store: &str, key: &str) -> String {
        Self::at(store, &self.trust).replace("FINGERPRINT", key)
    }

    fn install(&self, store: &str) -> String {
        Self::at(store, &self.install)
    }

    /// Sets a client up from nothing.
    fn set_up(&self, store: &str, key: &str) -> String {
        self.trust(store, key) + &self.install(store)
    }

    fn distrust(&self, key: &str) -> String {
        self.distrust.replace("FINGERPRINT", key)
    }
}

/// Keys that are made for a test, in a home of gpg's.
struct Keys {
    next: String,
    /// Of another store, whose clients' keyrings have it.
    neighbour: String,
    thief: String,
    /// Its user ID is the owner's fingerprint, and it has a subkey.
    mixed: String,
    subkey: String,
}

impl Keys {
    fn make(home: &Path) -> Self {
        fs::create_dir(home).unwrap();
        output_of(Command::new("chmod").arg("700").arg(home));
        let gpg = |arguments: &[&str]| {
            let mut gpg = Command::new("gpg");
            gpg.arg("--homedir").arg(home);
            gpg.args(["--batch", "--quiet", "--no-tty", "--passphrase", ""]);
            output_of(gpg.args(["--pinentry-mode", "loopback"]).args(arguments))
        };
        let fingerprints = |user: &str| -> Vec<String> {
            let keys = gpg(&["--with-colons", "--list-keys", user]);
            let lines = keys
                .lines()
                .filter_map(|line| line.strip_prefix("fpr:::::::::"));
            lines
                .map(|line| line.trim_end_matches(':').to_owned())
                .collect()
        };
        let mixed_user = OWNER.replace(' ', "");
        for user in ["next", "neighbour", "thief", &mixed_user] {
            gpg(&["--quick-gen-key", user, "ed25519", "sign", "never"]);
        }
        let mixed = fingerprints(&format!("={mixed_user}"))[0].clone();
        gpg(&["--quick-add-key", &mixed, "ed25519", "sign", "never"]);
        let owner = fixture("keys/test.secret.asc");
        gpg(&["--import", owner.to_str().unwrap()]);
        let subkey = fingerprints(&mixed)[1].clone();
        Self {
            next: fingerprints("next")[0].clone(),
            neighbour: fingerprints("neighbour")[0].clone(),
            thief: fingerprints("thief")[0].clone(),
            mixed,
            subkey,
        }
    }
}

fn rows(commands: &Commands, keys: &Keys) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what, installs, commands: &[String]| {
        rows.push(Row {
            what,
            commands: commands.concat(),
            installs,
        });
    };
    let set_up = |store: &str| commands.set_up(store, OWNER);
    row("an honest store", true, &[set_up("honest")]);
    row("twice", true, &[set_up("honest"), set_up("honest")]);
    row("until a day to come", true, &[set_up("timely")]);
    // A web server that was taken over.
    for what in [
        "definitions",
        "image",
        "list",
        "unsigned",
        "thief",
        "both",
        "before",
        "named",
    ] {
        row(what, false, &[set_up(what)]);
        let trusted = commands.trust("honest", OWNER);
        row(what, false, &[trusted, commands.install(what)]);
    }
    // What is typed counts, and nothing that is less than a whole key.
    for key in ["", "FINGERPRINT", &OWNER[OWNER.len() - 19..], &keys.thief] {
        row(
            key.to_owned().leak(),
            false,
            &[commands.set_up("honest", key)],
        );
    }
    row("a subkey", false, &[commands.set_up("named", &keys.subkey)]);
    // A mirror that lags.
    row("late", false, &[set_up("late")]);
    row(
        "late, later",
        false,
        &[set_up("late"), commands.install("late")],
    );
    // Another key: those who were there before, and those who come now.
    let before = || commands.trust("honest", OWNER);
    let next = || commands.trust("rotated", &keys.next);
    row("rotated", true, &[commands.set_up("rotated", &keys.next)]);
    row(
        "rotated, before",
        false,
        &[before(), commands.install("rotated")],
    );
    row(
        "rotated, both",
        true,
        &[before(), next(), commands.install("rotated")],
    );
    row("retired", true, &[commands.set_up("retired", &keys.next)]);
    // The store does not have the old key any more, whoever still trusts it.
    row("retired, old", false, &[before(), set_up("retired")]);
    // The old key was dropped: what it signs does not count any more.
    let dropped = || commands.distrust(OWNER);
    row(
        "dropped",
        false,
        &[before(), next(), dropped(), commands.install("honest")],
    );
    row(
        "dropped, new",
        true,
        &[before(), next(), dropped(), commands.install("rotated")],
    );
    row(
        "dropped twice",
        false,
        &[
            before(),
            before(),
            next(),
            dropped(),
            commands.install("honest"),
        ],
    );
    row(
        "dropped, alone",
        false,
        &[before(), dropped(), commands.install("honest")],
    );
    rows
}

/// What a client has before: nothing, or the key of another store where each systemd looks for it.
const KEYRINGS: [&str; 2] = [
    "",
    "for file in gpg pgp; do cp /run/host$WORK/neighbour.gpg /etc/systemd/import-pubring.$file; done",
];

/// A client's day: for each row a line with what is there in the end.
fn day(rows: &[Row], work: &Path, neighbour: &str) -> String {
    let mut day = "set +ex\n".to_owned();
    for (number, keyring) in KEYRINGS.iter().enumerate() {
        for row in rows {
            write!(
                day,
                "rm -rf /etc/systemd/import-pubring.* /etc/sysupdate.*.d /etc/extensions /var/lib/sysext-store
                 {}
                 {}
                 image=$(cat /var/lib/sysext-store/* 2> /dev/null | sha256sum)
                 unverified=$(cat /etc/sysupdate.*.d/* 2> /dev/null | grep -c Verify=no)
                 neighbours=0
                 for file in /etc/systemd/import-pubring.*; do
                     ! gpg --with-colons --show-keys $file | grep -q {neighbour} || neighbours=$((neighbours + 1))
                 done
                 echo \"result {number} {}: $unverified $neighbours ${{image%  -}}\"
                ",
                keyring.replace("$WORK", &work.display().to_string()),
                row.commands,
                row.what
            )
            .unwrap();
        }
    }
    day
}

#[test(PUBLISHER, CLIENT_NEWEST)]
fn clients_take_what_the_owner_signs_and_nothing_else() {
    let scratch = Scratch::new();
    let (work, served) = (scratch.path(), scratch.join("served"));
    fs::create_dir(&served).unwrap();
    let keys = Keys::make(&scratch.join("gpg"));
    let signing = signing(&scratch);
    let mut arguments: Vec<_> = signing.iter().map(String::as_str).collect();
    arguments.extend(["--match", "any", "--allow", "unchecked-base"]);
    publish(&scratch.join("store"), "strace", "6.11-1.1", &arguments);
    publish(
        &scratch.join("other"),
        "strace",
        "6.11-1.1.1",
        &["--match", "any", "--allow", "unchecked-base"],
    );
    let image =
        |store: &str, version: &str| scratch.join(&format!("{store}/strace-{version}.x86-64.raw"));
    fs::copy(image("other", "6.11-1.1.1"), scratch.join("evil.raw")).unwrap();
    let exported = Command::new("gpg")
        .arg("--homedir")
        .arg(scratch.join("gpg"))
        .args(["--export", "neighbour"])
        .output()
        .unwrap();
    fs::write(scratch.join("neighbour.gpg"), exported.stdout).unwrap();

    let variables = [
        (
            "PROGRAM",
            program().get_program().to_str().unwrap().to_owned(),
        ),
        ("WORK", work.display().to_string()),
        ("SERVED", served.display().to_string()),
        ("GNUPGHOME", scratch.join("gpg").display().to_string()),
        ("OWNER", OWNER.replace(' ', "")),
        ("NEXT", keys.next.clone()),
        ("THIEF", keys.thief.clone()),
        ("MIXED", keys.mixed.clone()),
    ];
    let variables = variables.map(|(name, value)| format!("export {name}='{value}'\n"));
    let stores = scratch.join("stores");
    fs::write(&stores, variables.concat() + STORES).unwrap();
    let rows = rows(&Commands::new(), &keys);
    let phase = scratch.join("day.client");
    fs::write(&phase, day(&rows, work, &keys.neighbour)).unwrap();

    let nothing = digest(b"");
    let good = digest(&fs::read(image("store", "6.11-1.1")).unwrap());
    for one in [CLIENT_257, CLIENT_NEWEST].map(Client::of) {
        for store in fs::read_dir(&served).unwrap() {
            fs::remove_dir_all(store.unwrap().path()).unwrap();
        }
        let outcome = client(&one.tree, &served, &[stores.clone(), phase.clone()], false);
        let said = text(&outcome.stdout);
        assert!(outcome.status.success(), "systemd {}: {said}", one.systemd);
        let results: Vec<_> = (said.lines())
            .filter_map(|line| line.strip_prefix("result "))
            .collect();
        let expected: Vec<_> = (0..KEYRINGS.len())
            .flat_map(|keyring| rows.iter().map(move |row| (keyring, row)))
            .map(|(keyring, row)| {
                let image = if row.installs { &good } else { &nothing };
                format!("{keyring} {}: 0 {} {image}", row.what, 2 * keyring)
            })
            .collect();
        for (found, expected) in results.iter().zip(&expected) {
            assert_eq!(found, expected, "systemd {}: {said}", one.systemd);
        }
        assert_eq!(results.len(), expected.len(), "{said}");
    }
    let _ = Command::new("gpgconf")
        .arg("--homedir")
        .arg(scratch.join("gpg"))
        .args(["--kill", "all"])
        .status();
}

/// The page of the store that README is about shows what README shows.
#[test(PUBLISHER)]
fn the_page_and_readme_show_the_same() {
    let scratch = Scratch::new();
    let store = scratch.join("store");
    let signing = signing(&scratch);
    let mut arguments: Vec<_> = signing.iter().map(String::as_str).collect();
    arguments.extend(["--match", "any", "--allow", "unchecked-base"]);
    publish(&store, "strace", "6.11-1.1", &arguments);
    let url = ["--url", "https://example.org/sysext"];
    for (verb, more) in [("sysupdate", &signing[..]), ("page", &[])] {
        let outcome = program()
            .args(["store", verb])
            .arg(&store)
            .args(url)
            .args(more)
            .output();
        let outcome = outcome.unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
    let page = fs::read_to_string(store.join("index.html")).unwrap();
    let commands = Commands::new();
    for shown in [&commands.trust, &commands.install] {
        let shown = [
            ("&", "&amp;"),
            ("<", "&lt;"),
            (">", "&gt;"),
            ("\"", "&quot;"),
            ("'", "&#39;"),
        ]
        .iter()
        .fold(shown.trim_end().to_owned(), |text, (from, to)| {
            text.replace(from, to)
        });
        assert!(page.contains(&shown), "{shown}\n{page}");
    }
}
