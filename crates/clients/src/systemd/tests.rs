use super::*;

const HOST: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nID_LIKE=\"opensuse suse\"\n";
const ROLLING: &str = "ID=opensuse-tumbleweed\n";
const LEVEL: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=2\n";
const LEVEL_ONLY: &str = "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=2\n";
const RIGHT: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\n";

fn file(name: &str, strict: Option<&str>, text: &str) -> ReleaseFile {
    ReleaseFile {
        name: name.to_owned(),
        is_regular: true,
        strict: strict.map(|value| value.as_bytes().to_vec()),
        keys: Release::parse(text.as_bytes()),
        instead: None,
    }
}

fn image(link: &str, releases: Vec<ReleaseFile>) -> Image {
    Image {
        file: "x-1.x86-64.raw".to_owned(),
        link: link.to_owned(),
        releases,
        ..Image::default()
    }
}

/// Returns the outcomes of all versions as letters: `a`ccepted, `i`gnored, `r`efused,
/// `u`nread.
fn outcomes(image: &Image, host: &str) -> String {
    outcomes_of(Class::Sysext, image, host)
}

fn outcomes_of(class: Class, image: &Image, host: &str) -> String {
    let os_release = Release::parse(host.as_bytes()).unwrap();
    let host = Host {
        os_release: &os_release,
        architecture: Some("x86-64"),
        is_initrd: false,
    };
    Systemd::ALL
        .iter()
        .map(|version| {
            merge(*version, class, image, &image.link, host)
                .outcome
                .word()
        })
        .map(|word| word.chars().next().unwrap())
        .collect()
}

#[test]
fn keys() {
    for (text, host, expected) in [
        (RIGHT, HOST, "aaaa"),
        ("ID=_any\nVERSION_ID=1\n", HOST, "aaaa"),
        ("ID=_any\n", HOST, "aaaa"),
        ("ID=suse\nVERSION_ID=20241010\n", HOST, "iiaa"),
        ("ID=suse\nVERSION_ID=1\n", HOST, "iiii"),
        ("ID=fedora\nVERSION_ID=20241010\n", HOST, "iiii"),
        ("VERSION_ID=20241010\n", HOST, "iiii"),
        ("ID=opensuse-tumbleweed\n", HOST, "iiii"),
        ("ID=opensuse-tumbleweed\n", ROLLING, "aaaa"),
        (RIGHT, ROLLING, "aaaa"),
        (
            "ID=opensuse-tumbleweed\nVERSION_ID=1\nSYSEXT_LEVEL=2\n",
            LEVEL,
            "aaaa",
        ),
        (
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=1\n",
            LEVEL,
            "iiii",
        ),
        (
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=2\n",
            HOST,
            "aaaa",
        ),
        (RIGHT, LEVEL, "aaaa"),
        (RIGHT, LEVEL_ONLY, "aaaa"),
        ("ARCHITECTURE=x86_64\nID=_any\n", HOST, "iiii"),
        ("ARCHITECTURE=arm64\nID=_any\n", HOST, "iiii"),
        ("ARCHITECTURE=x86-64\nID=_any\n", HOST, "aaaa"),
        ("ARCHITECTURE=_any\nID=_any\n", HOST, "aaaa"),
        ("SYSEXT_SCOPE=initrd\nID=_any\n", HOST, "iiii"),
        ("SYSEXT_SCOPE=\"system portable\"\nID=_any\n", HOST, "aaaa"),
        ("SYSEXT_SCOPE=\nID=_any\n", HOST, "iiii"),
        ("", HOST, "iiii"),
        (RIGHT, "VERSION_ID=20241010\n", "rrrr"),
    ] {
        let image = image("x", vec![file("x", None, text)]);
        assert_eq!(outcomes(&image, host), expected, "{text:?} on {host:?}");
    }
}

#[test]
fn confexts() {
    const LEVELS: &str = "ID=_x\nVERSION_ID=1\nSYSEXT_LEVEL=1\nCONFEXT_LEVEL=2\n";
    let long = |text| vec![file("x.confext", None, text)];
    let short = |text| vec![file("x", None, text)];
    for (link, confexts, sysexts, expected) in [
        // Their own keys count, and no others. 252 has no systemd-confext.
        ("x", short("ID=_any\n"), vec![], "iaaa"),
        ("x", short("ID=_x\nCONFEXT_LEVEL=2\n"), vec![], "iaaa"),
        (
            "x",
            short("ID=_x\nVERSION_ID=1\nCONFEXT_LEVEL=1\n"),
            vec![],
            "iiii",
        ),
        ("x", short("ID=_x\nSYSEXT_LEVEL=1\n"), vec![], "iiii"),
        (
            "x",
            short("ID=_any\nCONFEXT_SCOPE=initrd\n"),
            vec![],
            "iiii",
        ),
        ("x", short("ID=_any\nSYSEXT_SCOPE=initrd\n"), vec![], "iaaa"),
        // From 257 on, .confext does not belong to the name.
        ("x.confext", long("ID=_any\n"), vec![], "iarr"),
        ("x.confext", short("ID=_any\n"), vec![], "iraa"),
        ("x.sysext", short("ID=_any\n"), vec![], "irar"),
        // 254 takes a sysext as well, where there is nothing else.
        ("x", vec![], short("ID=_any\n"), "iaii"),
        ("x", vec![], vec![], "irrr"),
        ("x", short("ID=_other\n"), short("ID=_any\n"), "iiii"),
        ("x", short("ID=_any\n"), short("ID=_other\n"), "iaaa"),
    ] {
        let image = Image {
            confext_releases: confexts,
            ..image(link, sysexts)
        };
        let found = outcomes_of(Class::Confext, &image, LEVELS);
        assert_eq!(found, expected, "{link} {image:?}");
    }
}

#[test]
fn look_ups() {
    let other = |strict| vec![file("other", strict, RIGHT)];
    let link = ReleaseFile {
        is_regular: false,
        ..file("other", Some("0"), RIGHT)
    };
    let dangling = ReleaseFile {
        is_regular: false,
        keys: None,
        ..file("x", None, "")
    };
    for (name, releases, expected) in [
        ("x", vec![], "rrrr"),
        ("x", other(None), "rrrr"),
        ("x", other(Some("1")), "rrrr"),
        ("x", other(Some("maybe")), "rrrr"),
        ("x", other(Some("0")), "aaaa"),
        ("x", other(Some("False")), "aaaa"),
        ("x", vec![file("x", Some("1"), RIGHT)], "aaaa"),
        (
            "x",
            vec![file("a", Some("0"), RIGHT), file("b", Some("0"), RIGHT)],
            "rrrr",
        ),
        (
            "x",
            vec![file("x", None, RIGHT), file("b", Some("0"), RIGHT)],
            "aaaa",
        ),
        ("x", vec![link], "rrrr"),
        ("x", vec![dangling, file("b", Some("0"), RIGHT)], "aaaa"),
        ("x_1", vec![file("x", None, RIGHT)], "raaa"),
        ("x+1", vec![file("x_2", None, RIGHT)], "rrrr"),
        ("x-1", vec![file("x", None, RIGHT)], "rrrr"),
        ("x.sysext", vec![file("x", None, RIGHT)], "rraa"),
        ("x.sysext", vec![file("x.sysext", None, RIGHT)], "aarr"),
        ("x:y", vec![file("x:y", None, RIGHT)], "rrrr"),
        (".x", vec![file(".x", None, RIGHT)], "aaaa"),
    ] {
        let image = image(name, releases);
        assert_eq!(outcomes(&image, HOST), expected, "{image:?}");
    }
}

#[test]
fn a_system_is_no_extension() {
    for (usr, etc, has_release, expected) in [
        (true, false, true, "riii"),
        (false, true, true, "aaaa"),
        (false, true, false, "iiii"),
        (true, false, false, "riii"),
    ] {
        let releases = has_release.then(|| file("x", None, RIGHT));
        let image = Image {
            has_usr_os_release: usr,
            has_etc_os_release: etc,
            ..image("x", releases.into_iter().collect())
        };
        assert_eq!(
            outcomes(&image, HOST),
            expected,
            "{usr} {etc} {has_release}"
        );
    }
}

#[test]
fn bytes() {
    let squashfs = |length, bytes_used, compressor| {
        Container::FileSystems(vec![FileSystem {
            compressor: Some(compressor),
            ..FileSystem::whole("squashfs", length, bytes_used)
        }])
    };
    let other = |kind, length, bytes_used| {
        Container::FileSystems(vec![FileSystem::whole(kind, length, bytes_used)])
    };
    let hashes = |protection, has_hashes| {
        Container::FileSystems(vec![FileSystem {
            protection,
            has_hashes,
            has_signature: true,
            ..FileSystem::whole("erofs", 8192, 8192)
        }])
    };
    for (container, expected) in [
        (squashfs(4096, 3000, "zstd"), "aaaa"),
        (squashfs(4100, 3000, "lzo"), "aaaa"),
        (squashfs(3000, 3000, "zstd"), "rrrr"),
        (squashfs(3072, 3072, "zstd"), "aaaa"),
        (squashfs(1024, 1000, "zstd"), "rrrr"),
        (squashfs(2048, 3000, "zstd"), "rrrr"),
        (squashfs(4096, 3000, "lzma"), "rrrr"),
        (other("erofs", 4096, 4096), "aaaa"),
        (other("erofs", 4096, 8192), "aaaa"),
        (other("erofs", 4100, 4096), "aaaa"),
        (other("ext4", 4096, 4096), "aaaa"),
        (other("ext4", 4096, 4608), "rrrr"),
        (other("ext3", 4096, 4096), "arrr"),
        (other("ext2", 4096, 4096), "arrr"),
        (hashes(Protection::Signed, true), "aaaa"),
        (
            Container::FileSystems(vec![FileSystem::assumed(
                "squashfs",
                Protection::Signed,
                false,
            )]),
            "rrrr",
        ),
        (hashes(Protection::Verity, true), "aaaa"),
        (hashes(Protection::Verity, false), "aaar"),
        (Container::Broken("is empty".to_owned()), "rrrr"),
        (Container::Unread("is encrypted".to_owned()), "uuuu"),
    ] {
        let image = Image {
            container,
            ..image("x", vec![file("x", None, RIGHT)])
        };
        assert_eq!(outcomes(&image, HOST), expected, "{:?}", image.container);
    }
}

/// A version, an image's keys, a host's, and what is said: the field that decided, what image and
/// host have there, and the client's own words.
type Reason = (Systemd, &'static str, &'static str, &'static str);

const LEVEL_1: &str = "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=1\n";
const OLD: Systemd = Systemd::V252;
const NEW: Systemd = Systemd::V257;

const REASONS: &[Reason] = &[
    (
        NEW,
        "",
        HOST,
        "extension-release - - Extension 'x' carries no release data, ignoring.",
    ),
    (
        NEW,
        "SYSEXT_SCOPE=initrd",
        HOST,
        "SYSEXT_SCOPE initrd system Extension 'x' is not suitable for scope system, ignoring",
    ),
    (
        NEW,
        "ARCHITECTURE=arm64",
        HOST,
        "ARCHITECTURE arm64 x86-64 Extension 'x' is for architecture 'arm64', but deployed on \
             top of 'x86-64'.",
    ),
    (
        OLD,
        "VERSION_ID=1",
        ROLLING,
        "ID - opensuse-tumbleweed Extension 'x' does not contain ID in extension-release but \
             requested to match 'opensuse-tumbleweed' or be '_any'",
    ),
    (
        NEW,
        "VERSION_ID=1",
        ROLLING,
        "ID - opensuse-tumbleweed Extension 'x' does not contain ID in release file but \
             requested to match 'opensuse-tumbleweed' or be '_any'",
    ),
    (
        NEW,
        "ID=_any",
        ROLLING,
        "ID _any opensuse-tumbleweed Extension 'x' matches '_any' OS.",
    ),
    (
        NEW,
        "ID=b",
        ROLLING,
        "ID b opensuse-tumbleweed Extension 'x' is for OS 'b', but deployed on top of \
             'opensuse-tumbleweed'",
    ),
    (
        NEW,
        RIGHT,
        ROLLING,
        "ID opensuse-tumbleweed opensuse-tumbleweed No version info on the host (rolling \
             release?), but ID in x matched.",
    ),
    (
        NEW,
        LEVEL,
        LEVEL,
        "SYSEXT_LEVEL 2 2 Version info of extension 'x' matches host.",
    ),
    (
        OLD,
        LEVEL_1,
        LEVEL,
        "SYSEXT_LEVEL 1 2 Extension 'x' is for sysext API level '1', but running on sysext \
             API level '2'",
    ),
    (
        NEW,
        LEVEL_1,
        LEVEL,
        "SYSEXT_LEVEL 1 2 Extension 'x' is for API level '1', but running on API level '2'",
    ),
    (
        NEW,
        RIGHT,
        LEVEL_ONLY,
        "SYSEXT_LEVEL - 2 Version info of extension 'x' matches host.",
    ),
    (
        NEW,
        RIGHT,
        HOST,
        "VERSION_ID 20241010 20241010 Version info of extension 'x' matches host.",
    ),
    (
        NEW,
        "ID=opensuse-tumbleweed\nVERSION_ID=1",
        HOST,
        "VERSION_ID 1 20241010 Extension 'x' is for OS '1', but deployed on top of '20241010'.",
    ),
    (
        OLD,
        ROLLING,
        HOST,
        "VERSION_ID - 20241010 Extension 'x' does not contain VERSION_ID in extension-release \
             but requested to match '20241010'",
    ),
    (
        NEW,
        RIGHT,
        "",
        "ID - - 'ID' field not found or empty in 'os-release' data of OS tree '/'",
    ),
];

#[test]
fn reasons() {
    for (version, text, host, expected) in REASONS {
        let image = image("x", vec![file("x", None, text)]);
        let os_release = Release::parse(host.as_bytes()).unwrap();
        let host = Host {
            os_release: &os_release,
            architecture: Some("x86-64"),
            is_initrd: false,
        };
        let verdict = merge(*version, Class::Sysext, &image, "x", host);
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let [own, of_host] = [&verdict.image, &verdict.host].map(or_none);
        let told = format!("{} {own} {of_host} {}", verdict.field, verdict.words);
        assert_eq!(told, *expected);
    }
}

/// Where the host's architecture is not known, each that systemd knows may be it.
#[test]
fn an_architecture_that_is_not_known() {
    let os_release = Release::parse(HOST.as_bytes()).unwrap();
    let host = Host {
        os_release: &os_release,
        architecture: None,
        is_initrd: false,
    };
    for (architecture, expected) in [
        ("arm64", Outcome::Accepted),
        ("x86-64", Outcome::Accepted),
        ("x86_64", Outcome::Ignored),
    ] {
        let text = format!("ID=_any\nARCHITECTURE={architecture}");
        let image = image("x", vec![file("x", None, &text)]);
        let found = merge(Systemd::V257, Class::Sysext, &image, "x", host).outcome;
        assert_eq!(found, expected, "{architecture}");
    }
}

/// Why bytes can't be mounted, in the order in which it is looked for.
#[test]
fn reasons_of_bytes() {
    for (length, bytes_used, compressor, expected) in [
        (
            4096,
            3000,
            "lzma",
            Some("Linux does not read the compressor lzma"),
        ),
        (
            1024,
            1024,
            "xz",
            Some("the image has 1024 bytes, which is too short to be looked at"),
        ),
        (1536, 1536, "xz", None),
        (
            1540,
            1539,
            "xz",
            Some(
                "the image has 1540 bytes, which is not a multiple of 512: the loop device drops \
                 the \
                 last 4",
            ),
        ),
        (
            1539,
            1539,
            "xz",
            Some(
                "the image has 1539 bytes, which is not a multiple of 512: the loop device drops \
                 the \
                 last 3",
            ),
        ),
        (
            2048,
            2049,
            "xz",
            Some("the image has 2048 bytes, but its file system 2049"),
        ),
    ] {
        let found = FileSystem {
            compressor: Some(compressor),
            ..FileSystem::whole("squashfs", length, bytes_used)
        };
        let problem = file_system(Systemd::V257, &found);
        assert_eq!(problem.as_deref(), expected, "{found:?}");
    }
}

/// What is said where the file is not found, or two are.
#[test]
fn reasons_of_look_ups() {
    let os_release = Release::parse(HOST.as_bytes()).unwrap();
    let host = Host {
        os_release: &os_release,
        architecture: None,
        is_initrd: false,
    };
    let two = |strict| vec![file("b", strict, RIGHT), file("a", strict, RIGHT)];
    for (releases, has, words) in [
        (
            vec![],
            None,
            "Failed to read metadata for image x: No medium found",
        ),
        (
            two(None),
            Some("extension-release.a, extension-release.b"),
            "Failed to read metadata for image x: No medium found",
        ),
        (
            two(Some("no")),
            None,
            "Failed to read metadata for image x: Name not unique on network (extension-release.b \
             and extension-release.a both count)",
        ),
    ] {
        let verdict = merge(
            Systemd::V257,
            Class::Sysext,
            &image("x", releases),
            "x",
            host,
        );
        assert_eq!(
            (verdict.image.as_deref(), verdict.words.as_str()),
            (has, words)
        );
    }
}

#[test]
fn values_that_switch_strictness_off() {
    for (value, is_lenient) in [
        (Some("0"), true),
        (Some("no"), true),
        (Some("N"), true),
        (Some("False"), true),
        (Some("f"), true),
        (Some("OFF"), true),
        (Some("1"), false),
        (Some("yes"), false),
        (Some(""), false),
        (Some(" 0"), false),
        (None, false),
    ] {
        assert_eq!(file("x", value, "").is_lenient(), is_lenient, "{value:?}");
    }
}

/// 252 reads on after a comment that ends in a backslash, in the host's file and in the image's.
#[test]
fn a_comment_that_goes_on() {
    let continued = "ID=opensuse-tumbleweed\n# \\\nID=b\n";
    for (text, host, expected) in [
        ("ID=b", continued, "iaaa"),
        (ROLLING, continued, "aiii"),
        (continued, "ID=b", "iaaa"),
        (continued, continued, "aaaa"),
    ] {
        let image = image("x", vec![file("x", None, text)]);
        assert_eq!(outcomes(&image, host), expected, "{text:?} on {host:?}");
    }
}

#[test]
fn reasons_against_a_system() {
    let os_release = Release::parse(HOST.as_bytes()).unwrap();
    let host = Host {
        os_release: &os_release,
        architecture: None,
        is_initrd: false,
    };
    let image = Image {
        has_usr_os_release: true,
        ..image("x", Vec::new())
    };
    let newer = "Extension contains '/usr/lib/os-release', which is not allowed, refusing.";
    let of_252 = "Extension image contains /usr/lib/os-release file, which is not allowed (it may \
                  carry /etc/os-release), refusing.";
    for (version, words) in Systemd::ALL.into_iter().zip([of_252, newer, newer, newer]) {
        let verdict = merge(version, Class::Sysext, &image, "x", host);
        assert_eq!((verdict.field, &*verdict.words), ("os-release", words));
    }
}

#[test]
fn more_images_than_one_mount_takes() {
    let names = |number: usize| (0..number).map(|_| "abcdefghijklmnopq000");
    // Measured: 72 of these are merged by every version, 73 by none.
    for (number, fits) in [(72, true), (73, false)] {
        for hierarchy in ["usr", "opt"] {
            let length = mount_options(hierarchy, names(number));
            assert_eq!(
                length <= ROOM_FOR_MOUNT_OPTIONS,
                fits,
                "{number} {hierarchy}"
            );
        }
    }
    assert_eq!(mount_options("usr", ["a", "bc"].into_iter()), 42 + 37 + 38);
}
