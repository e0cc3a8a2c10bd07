//! Companion images, which the real `systemd-confext` merges over `/etc`.

use super::*;

/// The same of a host that has levels.
const LEVELS: &str =
    "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=1\nCONFEXT_LEVEL=2\n";

/// An image of a setting with these parts, linked as this.
fn linked(about: &'static str, link: &'static str, host: &'static str, parts: Vec<Part>) -> Case {
    let mut all = vec![File("etc/tool.conf", "a=1\n")];
    all.extend(parts);
    Case {
        about,
        link,
        host,
        parts: all,
        damage: Damage::None,
    }
}

/// One that names itself as `--etc confext` has it.
fn keys(about: &'static str, keys: &'static str, host: &'static str) -> Case {
    let parts = vec![
        Confext("tool.confext", keys, Some("0")),
        Link(
            "etc/extension-release.d/extension-release.tool",
            "extension-release.tool.confext",
        ),
    ];
    linked(about, "tool.confext", host, parts)
}

fn with(about: &'static str, parts: Vec<Part>) -> Case {
    linked(about, "tool.confext", HOST, parts)
}

fn confexts() -> Vec<Case> {
    let good = || Confext("tool.confext", RIGHT, None);
    let short = || Confext("tool", RIGHT, None);
    vec![
        keys("good", RIGHT, HOST),
        keys("wrong ID", "ID=fedora\nVERSION_ID=20241010\n", HOST),
        keys(
            "wrong VERSION_ID",
            "ID=opensuse-tumbleweed\nVERSION_ID=1\n",
            HOST,
        ),
        keys("no VERSION_ID", "ID=opensuse-tumbleweed\n", HOST),
        keys(
            "no VERSION_ID, rolling host",
            "ID=opensuse-tumbleweed\n",
            ROLLING,
        ),
        keys("any ID", "ID=_any\n", HOST),
        keys("ID of ID_LIKE", "ID=suse\nVERSION_ID=20241010\n", HOST),
        keys(
            "level of sysexts, which is none of its own",
            "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=1\n",
            LEVELS,
        ),
        keys("level", "ID=opensuse-tumbleweed\nCONFEXT_LEVEL=2\n", LEVELS),
        keys(
            "level differs",
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nCONFEXT_LEVEL=1\n",
            LEVELS,
        ),
        keys(
            "level that the host has not",
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nCONFEXT_LEVEL=2\n",
            LEVEL,
        ),
        keys(
            "scope",
            "ID=_any\nCONFEXT_SCOPE=\"system portable\"\n",
            HOST,
        ),
        keys("scope initrd", "ID=_any\nCONFEXT_SCOPE=initrd\n", HOST),
        keys(
            "scope of sysexts, which is none of its own",
            "ID=_any\nSYSEXT_SCOPE=none\n",
            HOST,
        ),
        keys("other ARCHITECTURE", "ID=_any\nARCHITECTURE=arm64\n", HOST),
        keys("no keys", "", HOST),
        keys("host without ID", RIGHT, "VERSION_ID=20241010\n"),
        with("under the name of the link alone", vec![good()]),
        with("under the name without .confext alone", vec![short()]),
        with("both", vec![good(), short()]),
        with(
            "both, and they differ",
            vec![good(), Confext("tool", "ID=fedora\n", None)],
        ),
        with("under another name", vec![Confext("other", RIGHT, None)]),
        with(
            "under another name, lenient",
            vec![Confext("other", RIGHT, Some("0"))],
        ),
        with(
            "of both classes",
            vec![good(), short(), Release("tool", RIGHT, None)],
        ),
        with(
            "of both classes, fits as a confext alone",
            vec![good(), short(), Release("tool", "ID=fedora\n", None)],
        ),
        with(
            "of both classes, fits as a sysext alone",
            vec![
                Confext("tool.confext", "ID=fedora\n", Some("0")),
                Release("tool", RIGHT, None),
            ],
        ),
        with(
            "with an os-release in /usr",
            vec![good(), short(), File("usr/lib/os-release", HOST)],
        ),
        with(
            "with an os-release in /etc",
            vec![good(), short(), File("etc/os-release", HOST)],
        ),
        with(
            "with a program",
            vec![good(), short(), File("usr/bin/tool", "x")],
        ),
        with(
            "without a /etc but for its release file",
            vec![good(), short()],
        ),
        linked(
            "with a version in the link",
            "tool-1.confext",
            HOST,
            vec![Confext("tool-1.confext", RIGHT, Some("0"))],
        ),
    ]
}

fn compare(version: &str, tree: &str) {
    let good = linked(
        "good",
        "zz-good",
        HOST,
        vec![Confext("zz-good", "ID=_any\n", None)],
    );
    compare_class("confext", (version, tree), confexts(), &good);
}

#[test(MERGES, OVER)]
fn systemd_254_does_with_companions_what_check_says() {
    compare("254", &over(&OVER.path()));
}

#[test(MERGES, TRIXIE)]
fn systemd_257_does_with_companions_what_check_says() {
    compare("257", &TRIXIE.path().display().to_string());
}

#[test(MERGES, SID)]
fn systemd_262_does_with_companions_what_check_says() {
    compare("262", &SID.path().display().to_string());
}
