use image::{Leaf, Stat};
use rpm_input::{FileDigest, Nevra, Package};

use super::*;
use crate::base::Base;

/// Makes a tree of lines `path kind value`, with a kind of `d` (mode), `l` (target) or `f` (text,
/// which is also its digest).
fn tree(lines: &[&str]) -> Tree {
    let implicit = Stat::implicit_directory(0);
    let mut tree = Tree::new(implicit.clone());
    for line in lines {
        let [path, kind, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let content = match kind {
            "d" => {
                let mode = u16::from_str_radix(value, 8).unwrap();
                let stat = Stat {
                    mode,
                    ..Stat::default()
                };
                tree.insert_directory(path, stat, &implicit).unwrap();
                continue;
            }
            "l" => Content::Symlink(value.into()),
            _ => Content::File {
                size: value.len() as u64,
                id: ContentId::new(format!("sha256:{}", digits(value))),
            },
        };
        let stat = Stat::default();
        tree.insert_leaf(path, Leaf { stat, content }, &implicit)
            .unwrap();
    }
    tree
}

/// Writes a text as the digits of a digest.
fn digits(text: &str) -> String {
    format!("{:0<64}", hex::encode(text))
}

/// Makes a base of one package with these files, in the same notation.
fn base(lines: &[&str]) -> Base {
    use rpm_input::{DigestAlgorithm, File, FileKind};
    let files = lines.iter().map(|line| {
        let [path, kind, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let kind = match kind {
            "d" => FileKind::Directory,
            "l" => FileKind::Symlink(value.into()),
            _ => FileKind::Regular,
        };
        File {
            mode: u16::from_str_radix(value, 8).unwrap_or(0o644),
            size: value.len() as u64,
            digest: (kind == FileKind::Regular)
                .then(|| FileDigest::new(DigestAlgorithm::Sha256, &digits(value)).unwrap()),
            ..File::new(format!("/{path}"), kind)
        }
    });
    let mut package = package();
    package.files = files.collect();
    Base {
        packages: Some(vec![package]),
        ..Base::default()
    }
}

fn package() -> Package {
    Package::named(Nevra {
        name: "base".into(),
        epoch: None,
        version: "1".into(),
        release: "1".into(),
        arch: "x86_64".into(),
    })
}

/// Returns the shadows as `id path`.
fn found(image: &[&str], of_base: Option<&[&str]>) -> Vec<String> {
    let base = of_base.map(base);
    let files = base.as_ref().and_then(BaseFiles::of);
    let shadows = shadows(&tree(image), files.as_ref(), &mut |id| Ok(id.clone())).unwrap();
    shadows
        .iter()
        .map(|shadow| format!("{} {}", shadow.kind.id, shadow.path))
        .collect()
}

/// Of several links one behind the other, the path where the way ends is named.
#[test]
fn where_a_link_ends() {
    let base = base(&["usr/bin d 755", "usr/bin/x l ../lib/y", "usr/lib d 755"]);
    let files = BaseFiles::of(&base);
    for (image, expected) in [
        (
            "usr/bin/a l b",
            "points to b, which is in neither the image nor the base",
        ),
        (
            "usr/bin/a l x",
            "points to x, which leads to /usr/lib/y, which is in neither the image nor the base",
        ),
    ] {
        let naming = &mut |id: &ContentId| Ok(id.clone());
        let found = shadows(&tree(&[image]), files.as_ref(), naming).unwrap();
        let said: Vec<_> = found.iter().map(|shadow| &*shadow.what).collect();
        assert_eq!(said, [expected]);
    }
}

#[test]
fn over_a_base_with_files() {
    const BASE: &[&str] = &[
        "usr/bin d 755",
        "usr/bin/tool f old",
        "usr/bin/sh l dash",
        "usr/bin/dash f dash",
        "usr/sbin/fsck f fsck",
        "usr/lib d 755",
        "usr/lib/x d 750",
        "usr/lib/x/file f x",
        "usr/lib64 l lib",
        "usr/lib/libz.so.1 l libz.so.1.3",
        "etc/config f c",
    ];
    for (image, expected) in [
        (&["usr/bin/new f new"][..], &[][..]),
        (&["usr/bin/tool f old"], &[]),
        (&["usr/bin/tool f new"], &["shadows-base /usr/bin/tool"]),
        (&["usr/bin/tool f newer"], &["shadows-base /usr/bin/tool"]),
        (&["usr/bin/tool l dash"], &["shadows-base /usr/bin/tool"]),
        (&["usr/bin/sh l dash"], &[]),
        (&["usr/bin/sh l tool"], &["shadows-base /usr/bin/sh"]),
        (&["usr/bin/tool/x f x"], &["shadows-base /usr/bin/tool"]),
        (&["usr/lib l bin"], &["link-over-directory /usr/lib"]),
        (&["usr/lib f file"], &["shadows-base /usr/lib"]),
        (&["usr/lib64/y f y"], &["directory-over-link /usr/lib64"]),
        (&["usr/lib/x/y f y"], &["directory-mode /usr/lib/x"]),
        (&["usr/bin d 700"], &["directory-access /usr/bin"]),
        (&["usr/lib/x d 750", "usr/lib/x/y f y"], &[]),
        (
            &["usr/bin/fsck f other"],
            &["command-in-base /usr/bin/fsck"],
        ),
        (
            &["usr/lib/x86_64-linux-gnu/libz.so.1 f z"],
            &["library-in-base /usr/lib/x86_64-linux-gnu/libz.so.1"],
        ),
        (
            &["usr/lib/i386-linux-gnu/libz.so.1 f z"],
            &["library-in-base /usr/lib/i386-linux-gnu/libz.so.1"],
        ),
        (&["usr/lib/sparc-linux-gnu/libz.so.1 f z"], &[]),
        // Links of the image: into itself, into the base, through both, and to nothing.
        (&["usr/bin/a l b", "usr/bin/b f b"], &[]),
        (&["usr/bin/a l tool"], &[]),
        (&["usr/bin/a l /lib64/x/file", "lib64 l usr/lib64"], &[]),
        (&["usr/bin/a l ../../etc/config"], &[]),
        (&["usr/bin/a l /dev/null"], &[]),
        (&["usr/bin/a l nothing"], &["dangling-link /usr/bin/a"]),
        (
            &["usr/bin/a l /etc/alternatives/a"],
            &["dangling-link /usr/bin/a"],
        ),
        (&["usr/bin/a l a"], &["dangling-link /usr/bin/a"]),
        // What a link leads through in the base is hidden by the image's directory.
        (
            &["usr/bin/a l /usr/lib64/x/file", "usr/lib64/y f y"],
            &["dangling-link /usr/bin/a", "directory-over-link /usr/lib64"],
        ),
    ] {
        assert_eq!(found(image, Some(BASE)), expected, "{image:?}");
    }
}

#[test]
fn over_a_base_of_which_no_file_is_known() {
    for (image, expected) in [
        (&["usr/bin/new f new"][..], &[][..]),
        (&["usr/lib64 l lib"], &["link-over-directory /usr/lib64"]),
        (&["usr/bin d 700"], &["directory-access /usr/bin"]),
        (&["usr/bin d 555"], &["directory-mode /usr/bin"]),
        (&["usr/bin/a l /lib64/b", "usr/lib64/b f b"], &[]),
        (&["usr/lib64/a l ../../lib64/b", "usr/lib64/b f b"], &[]),
        (&["usr/bin/a l ../../bin/b"], &[]),
        (&["usr/libexec/x d 700"], &[]),
        (&["usr/bin/a l nothing"], &[]),
        (&["usr/bin/a l /etc/x"], &["dangling-link /usr/bin/a"]),
    ] {
        assert_eq!(found(image, None), expected, "{image:?}");
    }
}

#[test]
fn over_a_base_whose_opt_is_a_link() {
    const BASE: &[&str] = &[
        "opt l var/opt",
        "usr/local l ../var/usrlocal",
        "usr/bin d 755",
        "var/opt/own d 755",
        "var/opt/own/file f own",
    ];
    for (image, expected) in [
        (&["opt/x/a f a"][..], &["read-only /opt"][..]),
        (
            &["opt/x/a f a", "usr/bin/b l /opt/x/a"],
            &["read-only /opt"],
        ),
        (
            &["opt/x/a f a", "usr/bin/b l /var/opt/x/a"],
            &["read-only /opt"],
        ),
        (&["usr/bin/b l /opt/own/file"], &[]),
        (&["usr/bin/b l /opt/x/a"], &["dangling-link /usr/bin/b"]),
        (
            &["opt/own/file f new"],
            &["read-only /opt", "shadows-base /opt/own/file"],
        ),
        (
            &["opt/own d 700"],
            &["directory-access /opt/own", "read-only /opt"],
        ),
        // Below a hierarchy, a link is hidden as any.
        (
            &["usr/local/bin/a f a"],
            &["directory-over-link /usr/local"],
        ),
        (&["opt l usr/bin"], &["link-over-directory /opt"]),
    ] {
        assert_eq!(found(image, Some(BASE)), expected, "{image:?}");
    }
}

/// An index that depmod or another program made hides one of the base.
#[test]
fn indices_of_the_base() {
    const BASE: &[&str] = &["usr/share/mime/mime.cache f a"];
    let dep = "usr/lib/modules/6.1-1/modules.dep f ab";
    for (image, base, expected) in [
        (
            dep,
            &["usr/lib/modules/6.1-1/modules.dep f a"][..],
            vec!["cache-hidden /usr/lib/modules/6.1-1/modules.dep"],
        ),
        (dep, &["usr/lib/modules/6.1-1/modules.dep f ab"], vec![]),
        (dep, &["usr/lib/modules/6.1-2/modules.dep f a"], vec![]),
        (
            "usr/share/mime/mime.cache f b",
            BASE,
            vec!["cache-hidden /usr/share/mime/mime.cache"],
        ),
    ] {
        assert_eq!(found(&[image], Some(base)), expected, "{image}");
    }
}

#[test]
fn attributes_that_overlayfs_follows() {
    let implicit = Stat::implicit_directory(0);
    for (path, name, expected) in [
        (
            "usr/bin",
            "trusted.overlay.opaque",
            Some("has the attribute trusted.overlay.opaque"),
        ),
        (
            "usr/a",
            "trusted.overlay.redirect",
            Some("has the attribute trusted.overlay.redirect"),
        ),
        (
            "opt/a",
            "user.overlay.metacopy",
            Some("has the attribute user.overlay.metacopy"),
        ),
        ("usr/a", "user.overlays", None),
        ("etc/a", "trusted.overlay.opaque", None),
    ] {
        let mut tree = Tree::new(implicit.clone());
        let mut stat = implicit.clone();
        stat.xattrs.insert(name.to_owned(), b"y".to_vec());
        if path == "usr/bin" {
            tree.insert_directory(path, stat, &implicit).unwrap();
        } else {
            let content = Content::Symlink("/dev/null".into());
            tree.insert_leaf(path, Leaf { stat, content }, &implicit)
                .unwrap();
        }
        let found = shadows(&tree, None, &mut |id| Ok(id.clone())).unwrap();
        let found: Vec<_> = (found.iter())
            .map(|one| (one.kind.id, one.path.as_str(), one.what.as_str()))
            .collect();
        let expected = expected.map(|what| ("overlayfs-attribute", format!("/{path}"), what));
        let expected: Vec<_> = (expected.iter())
            .map(|(id, path, what)| (*id, path.as_str(), *what))
            .collect();
        assert_eq!(found, expected, "{path} {name}");
    }
}

#[test]
fn findings_name_the_owner_and_some_paths() {
    let of = |path: &str, owner: Option<&str>| Shadow {
        kind: &kinds::SHADOWS_BASE,
        path: path.to_owned(),
        what: "differs".to_owned(),
        owner: owner.map(str::to_owned),
    };
    let shadows: Vec<_> = (1..=6)
        .map(|number| of(&format!("/usr/{number}"), Some("a-1-1.x86_64")))
        .chain([of("/usr/z", None)])
        .collect();
    let texts: Vec<_> = findings(&shadows).into_iter().map(|one| one.text).collect();
    assert_eq!(
        texts,
        [
            "/usr/z differs",
            "of a-1-1.x86_64: /usr/1 differs; /usr/2 differs; /usr/3 differs; /usr/4 differs; 2 more"
        ]
    );
}
