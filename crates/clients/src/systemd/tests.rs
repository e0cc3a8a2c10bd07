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
    }
}

fn image(link: &str, releases: Vec<ReleaseFile>) -> Image {
    Image {
        file: "x-1.x86-64.raw".to_owned(),
        link: link.to_owned(),
        container: Container::Assumed,
        releases,
        has_usr_os_release: false,
        has_etc_os_release: false,
    }
}

/// Returns the outcomes of all versions as letters: `a`ccepted, `i`gnored, `r`efused.
fn outcomes(image: &Image, host: &str) -> String {
    let os_release = Release::parse(host.as_bytes()).unwrap();
    let host = Host {
        os_release: &os_release,
        architecture: Some("x86-64"),
    };
    Systemd::ALL
        .iter()
        .map(|version| merge(*version, image, &image.link, host).outcome.word())
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
    let squashfs = |length, bytes_used, compressor: &str| Container::Squashfs {
        length,
        bytes_used,
        compressor: compressor.to_owned(),
    };
    for (container, expected) in [
        (squashfs(4096, 3000, "zstd"), "aaaa"),
        (squashfs(4100, 3000, "lzo"), "aaaa"),
        (squashfs(3000, 3000, "zstd"), "rrrr"),
        (squashfs(3072, 3072, "zstd"), "aaaa"),
        (squashfs(1024, 1000, "zstd"), "rrrr"),
        (squashfs(2048, 3000, "zstd"), "rrrr"),
        (squashfs(4096, 3000, "lzma"), "rrrr"),
        (Container::Broken("is empty".to_owned()), "rrrr"),
    ] {
        let image = Image {
            container,
            ..image("x", vec![file("x", None, RIGHT)])
        };
        assert_eq!(outcomes(&image, HOST), expected, "{:?}", image.container);
    }
}
