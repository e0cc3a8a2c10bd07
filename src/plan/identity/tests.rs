//! Names, versions and what images state, as values.

use clients::Release;
use image::dump::dump;
use rpm_input::Nevra;

use super::*;

/// Makes a package of `NAME VERSION RELEASE ARCH`.
fn package(text: &str) -> Package {
    let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
    let [name, version, release, arch] = &words[..] else {
        panic!("{text}");
    };
    Package::named(Nevra {
        name: name.clone(),
        epoch: Some(7),
        version: version.clone(),
        release: release.clone(),
        arch: arch.clone(),
    })
}

fn base(os_release: &str) -> Base {
    Base {
        os_release: Release::parse(os_release.as_bytes()).unwrap(),
        title: "the base".to_owned(),
        ..Base::default()
    }
}

fn naming() -> Naming {
    Naming {
        scope: "system portable".to_owned(),
        ..Naming::default()
    }
}

/// Returns `FILE [assumed]`, or the error and its hints.
fn called(naming: &Naming, packages: &[&str], base: &Base) -> String {
    let packages: Vec<_> = packages.iter().map(|text| package(text)).collect();
    let packages: Vec<_> = packages.iter().collect();
    match Identity::new(
        naming,
        &packages,
        base,
        Matching::VersionId,
        Reloading::default(),
    ) {
        Ok(identity) => match identity.assumed_architecture {
            true => format!("{} assumed", identity.stem()),
            false => identity.image_file(),
        },
        Err(failure) => format!("{:#}; {}", failure.source, failure.hints.join("; ")),
    }
}

#[test]
fn what_images_are_called() {
    let this = Architecture::of_this_machine().unwrap();
    let arm = Architecture::named("arm64");
    let rows: &[(Naming, &[&str], &str)] = &[
        (naming(), &["a 1 2 x86_64"], "a-1-2.x86-64.raw"),
        // The epoch is dropped, and letters that clients order otherwise are encoded.
        (naming(), &["a 1~rc1 2 x86_64"], "a-1-A.rc.1-2.x86-64.raw"),
        (
            naming(),
            &["a 1 2 aarch64", "b 3 4 aarch64"],
            "a-1-2.arm64.raw",
        ),
        // The package that the image is called after is its main package.
        (
            Naming {
                name: Some("b".to_owned()),
                ..naming()
            },
            &["a 1 2 x86_64", "b 3 4 x86_64"],
            "b-3-4.x86-64.raw",
        ),
        (
            Naming {
                name: Some("tools".to_owned()),
                version: Some("9".to_owned()),
                numbering: "3".parse().unwrap(),
                ..naming()
            },
            &["a 1 2 x86_64"],
            "tools-9.3.x86-64.raw",
        ),
        (
            Naming {
                architecture: arm,
                ..naming()
            },
            &["a 1 2 x86_64"],
            "a-1-2.arm64.raw",
        ),
        // What is for no architecture follows what is; the main package comes first.
        (
            naming(),
            &["a 1 2 noarch", "b 3 4 aarch64"],
            "a-1-2.arm64.raw",
        ),
        (
            Naming {
                name: Some("b".to_owned()),
                ..naming()
            },
            &["a 1 2 x86_64", "b 3 4 aarch64"],
            "b-3-4.arm64.raw",
        ),
        (
            Naming {
                layout: Layout::Fedora,
                ..naming()
            },
            &["a 1 2 x86_64"],
            "a-1-2-9.1-x86-64.raw",
        ),
        (
            Naming {
                layout: Layout::Flatcar,
                ..naming()
            },
            &["a 1 2 x86_64"],
            "a-1-2-x86-64.raw",
        ),
    ];
    let base = base("ID=os\nVERSION_ID=9.1");
    for (naming, packages, expected) in rows {
        assert_eq!(called(naming, packages, &base), *expected, "{packages:?}");
    }
    assert_eq!(
        called(&naming(), &["a 1 2 noarch"], &base),
        format!("a-1-2.{this} assumed")
    );
}

#[test]
fn images_that_cannot_be_called() {
    let no_version = base("ID=os");
    let long = "x".repeat(250);
    let rows: &[(Naming, Vec<String>, &Base, &[&str])] = &[
        (naming(), vec![], &no_version, &["--name NAME"]),
        (
            Naming {
                name: Some("a".to_owned()),
                ..naming()
            },
            vec![],
            &no_version,
            &["--image-version VERSION"],
        ),
        (
            naming(),
            vec!["a/b 1 2 x86_64".to_owned()],
            &no_version,
            &["a/b-7:1-2.x86_64: the package's name", "--name NAME"],
        ),
        (
            naming(),
            vec!["a 1 2 vax".to_owned()],
            &no_version,
            &["a-7:1-2.vax", "vax", "--arch ARCH"],
        ),
        (
            naming(),
            vec!["a 1% 2 x86_64".to_owned()],
            &no_version,
            &["the version 1%-2", "--image-version VERSION"],
        ),
        (
            Naming {
                layout: Layout::Fedora,
                ..naming()
            },
            vec!["a 1 2 x86_64".to_owned()],
            &no_version,
            &["--layout fedora", "VERSION_ID", "--os-release FILE"],
        ),
        (
            naming(),
            vec![format!("{long} 1 2 x86_64")],
            &no_version,
            &["longer than 255 bytes", "--name and --image-version"],
        ),
    ];
    for (naming, packages, base, fragments) in rows {
        let packages: Vec<_> = packages.iter().map(String::as_str).collect();
        let said = called(naming, &packages, base);
        for fragment in *fragments {
            assert!(said.contains(fragment), "{packages:?}: {said}");
        }
    }
}

#[test]
fn the_longest_name_fits_exactly() {
    // extension-release.NAME-1-2.x86-64 has 255 bytes.
    let fixed = "extension-release.-1-2.x86-64".len();
    let base = base("ID=os");
    for (length, fits) in [
        (MAX_FILE_NAME - fixed, true),
        (MAX_FILE_NAME - fixed + 1, false),
    ] {
        let said = called(
            &naming(),
            &[&format!("{} 1 2 x86_64", "x".repeat(length))],
            &base,
        );
        assert_eq!(said.ends_with(".raw"), fits, "{length}: {said}");
    }
}

#[test]
fn what_images_state() {
    let rest = "SYSEXT_ID=a SYSEXT_VERSION_ID=1-2 SYSEXT_SCOPE=system portable ARCHITECTURE=x86-64";
    let all = "ID=os\nVERSION_ID=9.1\nSYSEXT_LEVEL=3";
    for (os_release, matching, units, expected) in [
        (all, Matching::VersionId, false, "ID=os VERSION_ID=9.1"),
        (
            all,
            Matching::SysextLevel,
            false,
            "ID=os SYSEXT_LEVEL=3 VERSION_ID=9.1",
        ),
        (all, Matching::Any, false, "ID=_any VERSION_ID=9.1"),
        ("ID=os", Matching::VersionId, false, "ID=os"),
        // sysextmgr asks for a VERSION_ID in any case.
        ("ID=os", Matching::Any, false, "ID=_any VERSION_ID=_any"),
        ("", Matching::Any, false, "ID=_any VERSION_ID=_any"),
        (all, Matching::VersionId, true, "ID=os VERSION_ID=9.1"),
    ] {
        let (a, base) = (package("a 1 2 x86_64"), base(os_release));
        let reloading = Reloading {
            has_units: units,
            restarts: units,
        };
        let identity = Identity::new(&naming(), &[&a], &base, matching, reloading).unwrap();
        let stated: Vec<_> = (identity.release.iter())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let reload = if units {
            " EXTENSION_RELOAD_MANAGER=1 EXTENSION_RESTART_UNITS=sysext-a-restart.service"
        } else {
            ""
        };
        assert_eq!(
            stated.join(" "),
            format!("{expected} {rest}{reload}"),
            "{os_release}"
        );
        assert_eq!(identity.fits_any(), matching == Matching::Any);
    }
    for (os_release, matching, fragments) in [
        ("VERSION_ID=1", Matching::VersionId, ["ID", ""]),
        (
            "ID=os",
            Matching::SysextLevel,
            ["SYSEXT_LEVEL", "--match version-id"],
        ),
    ] {
        let (a, base) = (package("a 1 2 x86_64"), base(os_release));
        let failure =
            Identity::new(&naming(), &[&a], &base, matching, Reloading::default()).unwrap_err();
        let said = format!("{} {}", failure.source, failure.hints.join(" "));
        assert!(fragments.iter().all(|one| said.contains(one)), "{said}");
    }
}

#[test]
fn what_is_put_into_the_tree() {
    let a = package("a 1 2 x86_64");
    let identity = Identity::new(
        &naming(),
        &[&a],
        &base("ID=os"),
        Matching::VersionId,
        Reloading::default(),
    );
    let identity = identity.unwrap();
    let mut plan = Plan {
        time: 9,
        ..Plan::default()
    };
    describe(&mut plan, &identity, None).unwrap();
    let text = identity.release_text();
    let (size, digest) = sha256(&mut text.as_bytes()).unwrap();
    let id = sha256_id(&digest);
    assert_eq!(plan.inline, [(id.clone(), text.into_bytes())]);
    let directory = "/usr/lib/extension-release.d";
    let lines: Vec<_> = dump(&plan.tree).lines().map(str::to_owned).collect();
    assert_eq!(
        lines[3..],
        [
            format!("{directory} d 0755 0:0 9"),
            format!(
                "{directory}/extension-release.a f 0644 0:0 9 {size} {} \
                 user.extension-release.strict=0x30",
                id
            ),
            format!("{directory}/extension-release.a-1-2.x86-64 l 0777 0:0 9 extension-release.a"),
        ]
    );
}

#[test]
fn versions_as_clients_order_them() {
    for (version, expected) in [
        ("1.0~rc1", "1.0-A.rc.1"),
        ("0.5^git3", "0.5.A.git.3"),
        ("1.0+git20240101", "1.0.git.20240101"),
        ("1_2b3", "1.2.b.3"),
        ("6.11", "6.11"),
    ] {
        assert_eq!(encoded(version), expected, "{version}");
    }
}

#[test]
fn versions_that_are_refused() {
    for (version, fragment) in [
        ("", "is empty"),
        ("1:2", "contains ':'"),
        ("1~2", "1-A.2 sorts the same"),
        ("1 2", "contains ' '"),
        ("1%2", "contains '%'"),
        ("-1", "does not start with"),
    ] {
        let problem = check_version(version).unwrap_err();
        assert!(problem.contains(fragment), "{version}: {problem}");
    }
    assert_eq!(check_version("29.1"), Ok(()));
}

#[test]
fn extension_release_text() {
    let identity = Identity {
        name: "x".into(),
        version: "1".into(),
        architecture: Architecture::named("x86-64").unwrap(),
        assumed_architecture: false,
        ending: ".x86-64".into(),
        release: vec![("ID", "a-b".into()), ("VERSION_ID", "1 \"$\"".into())],
    };
    assert_eq!(
        identity.release_text(),
        "ID=a-b\nVERSION_ID=\"1 \\\"\\$\\\"\"\n"
    );
}
