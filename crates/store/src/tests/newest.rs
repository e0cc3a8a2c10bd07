//! What is not the newest is not added unasked.

use super::{Scratch, filled, gzip};
use crate::{Added, Error, Listing, Publication, Store};

/// Adds `a-<version>.x86-64.raw` whose package is of `evr`.
fn add(store: &Store, version: &str, evr: &str, arch: &str, older: bool) -> Result<Added, Error> {
    let json = format!(
        r#"{{"config":{{"name":"a","version":"{version}","architecture":"{arch}"}},
            "packages":[{{"name":"b","version":"9"}},{{"name":"a","version":"{evr}"}}]}}"#
    );
    let stem = format!("a-{version}.{arch}");
    let temporary = || store.temporary().unwrap();
    let publication = Publication {
        name: "a".to_owned(),
        image: filled(temporary(), format!("{stem}.raw"), version.as_bytes()),
        manifest: filled(
            temporary(),
            format!("{stem}.manifest.gz"),
            &gzip(json.as_bytes()),
        ),
        attached: Vec::new(),
        replace: false,
        allow_older: older,
    };
    store.add(publication, Listing::default())
}

#[test]
fn the_newest_in_both_orders() {
    for (version, evr, expected) in [
        ("1.0-1.1", "1.0-1.1", Ok(Added::Unchanged)),
        ("1.0-1.2", "1.0-1.2", Ok(Added::New)),
        ("1.0.1-1.1", "1.0.1-1.1", Ok(Added::New)),
        ("0.9-1.1", "0.9-1.1", Err("systemd-sysupdate")),
        // Newer for RPM, and clients would not see it.
        ("0.9-1.1", "1:0.9-1.1", Err("systemd-sysupdate")),
        // The same for clients under another file name.
        ("1.0-1+.1", "1.0-1.1", Err("systemd-sysupdate")),
        ("1.0-A.rc.1", "1.0~rc1-1.1", Err("systemd-sysupdate")),
        ("2.0-1.1", "0.9-1.1", Err("RPM")),
        ("1.0-1.1.7", "1.0-1.1", Ok(Added::New)),
    ] {
        let scratch = Scratch::new();
        let store = scratch.store();
        add(&store, "0.8-1.1", "0.8-1.1", "x86-64", false).unwrap();
        add(&store, "1.0-1.1", "1.0-1.1", "x86-64", false).unwrap();
        add(&store, "0.1-1.1", "0.1-1.1", "arm64", false).unwrap();
        let before = scratch.content();
        match (add(&store, version, evr, "x86-64", false), expected) {
            (Ok(added), Ok(expected)) => assert_eq!(added, expected, "{version}"),
            (Err(Error::Older { order, path, .. }), Err(expected)) => {
                assert_eq!(order, expected, "{version}");
                assert!(path.ends_with("a-1.0-1.1.x86-64.raw"), "{path:?}");
                assert_eq!(scratch.content(), before);
                let added = add(&store, version, evr, "x86-64", true).unwrap();
                assert_eq!(added, Added::New);
                // It is listed now, so nothing is left to ask.
                let added = add(&store, version, evr, "x86-64", false).unwrap();
                assert_eq!(added, Added::Unchanged);
            }
            (found, expected) => panic!("{version}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_manifest_of_another_extension_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut publication = super::publication(&store, "a", "a-1", b"image", false);
    publication.manifest.1 = store.temporary().unwrap();
    let name = publication.manifest.0.clone();
    publication.manifest = filled(publication.manifest.1, name, &super::manifest("b"));
    let error = store.add(publication, Listing::default()).unwrap_err();
    assert!(
        matches!(&error, Error::Manifest { problem, .. } if problem.contains("extension \"a\"")),
        "{error}"
    );
}
