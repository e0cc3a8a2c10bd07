//! Small images over each other, and over bases that are known by what their packages provide.

use image::{Content, ContentId, Leaf, Special, Stat};
use linkage::{Capabilities, Object};

use super::*;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// An image and its name.
struct Image {
    name: &'static str,
    tree: Tree,
    linkage: Linkage,
}

/// Makes an image of lines: `usr/bin/a: text`, `usr/lib/ 0700`, `usr/x -> y`, `usr/gone !`, and for
/// ELF files `usr/bin/a: program needs=libb.so.1`.
fn image(name: &'static str, text: &str) -> Image {
    let implicit = Stat::implicit_directory(1);
    let mut tree = Tree::new(implicit.clone());
    let mut linkage = Linkage::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mode = |mode| Stat {
            mode,
            ..Stat::default()
        };
        let (path, content) = if let Some((path, rest)) = line.split_once("/ ") {
            let (bits, opaque) = rest.split_once(' ').unwrap_or((rest, ""));
            let mut stat = mode(u16::from_str_radix(bits, 8).unwrap());
            if opaque == "opaque" {
                let name = "trusted.overlay.opaque".to_owned();
                stat.xattrs.insert(name, b"y".to_vec());
            }
            tree.insert_directory(path, stat, &implicit).unwrap();
            continue;
        } else if let Some((path, target)) = line.split_once(" -> ") {
            linkage.links.insert(path.to_owned(), target.to_owned());
            (path, Content::Symlink(target.into()))
        } else if let Some(path) = line.strip_suffix(" !") {
            (path, Content::Special(Special::Character(0)))
        } else {
            let (path, rest) = line.split_once(": ").unwrap();
            if let Some(object) = object(rest) {
                linkage.insert(path.to_owned(), object, true);
            }
            let (size, id) = (rest.len() as u64, ContentId::new(rest));
            (path, Content::File { size, id })
        };
        let leaf = Leaf {
            stat: mode(0o755),
            content,
        };
        tree.insert_leaf(path, leaf, &implicit).unwrap();
    }
    Image {
        name,
        tree,
        linkage,
    }
}

/// Reads what an ELF file says: `program` or `library`, then `needs=` and `soname=`.
fn object(text: &str) -> Option<Object> {
    let mut words = text.split(' ');
    let interpreter = match words.next() {
        Some("program") => Some(LOADER.to_owned()),
        Some("library") => None,
        _ => return None,
    };
    let mut object = Object {
        abi: "elf64-x86-64".parse().unwrap(),
        interpreter,
        needed: Vec::new(),
        versions: BTreeMap::new(),
        soname: None,
        defines: None,
        rpath: None,
        runpath: None,
        no_default_directories: false,
        program: false,
        dlopen: Vec::new(),
        built_in: Vec::new(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("needs", name)) => {
                let (name, version) = name.split_once('@').unwrap_or((name, ""));
                object.needed.push(name.to_owned());
                if !version.is_empty() {
                    (object.versions).insert(name.to_owned(), vec![version.to_owned()]);
                }
            }
            Some(("soname", name)) => object.soname = Some(name.to_owned()),
            Some(("defines", name)) => object.defines = Some(vec![name.to_owned()]),
            Some(("runpath", path)) => object.runpath = Some(path.to_owned()),
            // So that two of them are not the same file.
            _ => {}
        }
    }
    Some(object)
}

fn together(images: &[Image], provides: &[&str]) -> Together {
    let mut layers: Vec<_> = (images.iter())
        .map(|image| Layer {
            name: image.name,
            tree: &image.tree,
            linkage: &image.linkage,
        })
        .collect();
    layers.sort_by(|one, two| in_order(one.name, two.name));
    let provides = provides.iter().map(|name| format!("{name}()(64bit)"));
    let packages = Capabilities::new(
        provides.chain(["rtld(GNU_HASH)".to_owned()]),
        [LOADER.to_owned()],
    );
    let files = Files {
        naming: &mut |_, id| Ok(id.clone()),
        differs_from_base: &|_, _| true,
    };
    judge(&layers, Some(Below::Packages(&packages)), files).unwrap()
}

/// Returns the findings as `id: text`.
fn said(together: &Together) -> Vec<String> {
    let findings = together.findings.iter();
    findings
        .map(|finding| format!("{}: {}", finding.kind.id, finding.text))
        .collect()
}

#[test]
fn names_are_sorted_as_versions() {
    let mut names = ["b", "a10", "a9", "a-1", "a~1", "a"];
    names.sort_by(|one, two| in_order(one, two));
    assert_eq!(names, ["a~1", "a", "a-1", "a9", "a10", "b"]);
}

#[test]
fn files_of_two_images_at_one_path() {
    for (lower, upper, expected) in [
        ("usr/a: one", "usr/a: one", None),
        ("usr/a: one", "usr/b: one", None),
        ("usr/a -> b", "usr/a -> b", None),
        (
            "usr/a: one",
            "usr/a: two",
            Some("image-conflict: /usr/a differs"),
        ),
        (
            "usr/a: one",
            "usr/a: three",
            Some("image-conflict: /usr/a has 5 bytes in b, 3 in a"),
        ),
        (
            "usr/a -> b",
            "usr/a -> c",
            Some("image-conflict: /usr/a is a link to c in b, b in a"),
        ),
        (
            "usr/a: b",
            "usr/a -> c",
            Some("image-conflict: /usr/a is a link to c in b, a file in a"),
        ),
        (
            "usr/a/b: c",
            "usr/a -> c",
            Some("image-conflict: /usr/a is a link to c in b, a directory in a"),
        ),
        (
            "usr/a -> c",
            "usr/a/b: c",
            Some("image-conflict: /usr/a is a directory in b, a link to c in a"),
        ),
        (
            "usr/a: b",
            "usr/a !",
            Some("image-conflict: /usr/a is a whiteout, and deletes what a has there"),
        ),
        ("usr/a !", "usr/a: b", None),
        ("usr/d/ 0755", "usr/d/ 0755", None),
        (
            "usr/d/ 0700",
            "usr/d/ 0755",
            Some(
                "directory-mode: /usr/d has mode 0755 and owner 0:0 in b, mode 0700 and owner 0:0 in a",
            ),
        ),
        (
            "usr/d/ 0755",
            "usr/d/ 0700",
            Some(
                "directory-access: /usr/d has mode 0700 and owner 0:0 in b, mode 0755 and owner 0:0 in a, which keeps others from what is in it",
            ),
        ),
        // Outside of what is merged, and the attributes of a hierarchy itself.
        ("etc/a: one", "etc/a: two", None),
        ("usr/ 0755", "usr/ 0700", None),
        (
            "usr/share/mime/mime.cache: one",
            "usr/share/mime/mime.cache: two",
            Some("cache-hidden: /usr/share/mime/mime.cache differs"),
        ),
        (
            "usr/lib/modules/6.1/modules.dep: one",
            "usr/lib/modules/6.1/modules.dep: two",
            Some("cache-hidden: /usr/lib/modules/6.1/modules.dep differs"),
        ),
        (
            "usr/share/icons/x/icon-theme.cache: one",
            "usr/share/icons/x/icon-theme.cache: two",
            Some("cache-hidden: /usr/share/icons/x/icon-theme.cache differs"),
        ),
    ] {
        let found = said(&together(&[image("b", upper), image("a", lower)], &[]));
        let expected: Vec<_> = (expected.iter())
            .map(|text| {
                let (id, text) = text.split_once(": ").unwrap();
                format!("{id}: b wins over a, as systemd orders names: {text}")
            })
            .collect();
        assert_eq!(found, expected, "{lower} below {upper}");
    }
}

#[test]
fn three_layers_are_merged_as_overlayfs_does() {
    for (layers, seen) in [
        (
            ["usr/d/a: 1", "usr/d/b: 2", "usr/d/c: 3"],
            "usr:2 usr/d:2 usr/d/a:0 usr/d/b:1 usr/d/c:2",
        ),
        // A directory above a file hides what is below the file.
        (
            ["usr/d/a: 1", "usr/d: 2", "usr/d/c: 3"],
            "usr:2 usr/d:2! usr/d/c:2",
        ),
        (
            ["usr/d/a: 1", "usr/d !", "usr/d/c: 3"],
            "usr:2 usr/d:2! usr/d/c:2",
        ),
        (
            ["usr/d/a: 1", "usr/d/ 0755 opaque", "usr/d/c: 3"],
            "usr:2 usr/d:2! usr/d/c:2",
        ),
        (["usr/d/a: 1", "usr/d/c: 3", "usr/d !"], "usr:2 usr/d:2!"),
        (
            ["usr/d: 1", "usr/d/a/b: 2", "usr/d/a/c: 3"],
            "usr:2 usr/d:2! usr/d/a:2 usr/d/a/b:1 usr/d/a/c:2",
        ),
        // A name that begins alike is not below.
        (
            ["usr/d/a: 1", "usr/d-e/a: 2", "usr/d -> x"],
            "usr:2 usr/d:2 usr/d-e:1 usr/d-e/a:1",
        ),
    ] {
        let images = layers.map(|text| image("x", text));
        let stack = Stack::new(images.iter().map(|image| &image.tree).collect());
        let cover = stack.cover();
        let mut found = Vec::new();
        stack.walk(&mut |path, layer, what| {
            let hides = what == stack::What::Directory || cover.hidden.contains(path);
            let hides = hides && cover.hidden.contains(path) && !cover.files.contains(path);
            found.push(format!("{path}:{layer}{}", if hides { "!" } else { "" }));
        });
        assert_eq!(found.join(" "), seen, "{layers:?}");
    }
}

#[test]
fn the_winner_is_compared_with_each_below() {
    let images = [
        image("a", "usr/x: one"),
        image("b", "usr/x: two"),
        image("c", "usr/x: one"),
    ];
    let together = together(&images, &[]);
    let clashes: Vec<_> = (together.clashes.iter())
        .map(|clash| (clash.path.as_str(), clash.upper, clash.lower))
        .collect();
    assert_eq!(clashes, [("usr/x", 2, 1)]);
}

#[test]
fn programs_that_load_from_another_image() {
    let a = "usr/bin/tool: program needs=libx.so.1@X_2 needs=liby.so.1
             usr/lib64/app/libx.so.1: library soname=libx.so.1 defines=X_2";
    for (case, a, b, provides, changes, findings) in [
        (
            "what the base lacks",
            "usr/bin/tool: program needs=liby.so.1",
            "usr/lib64/liby.so.1: library soname=liby.so.1",
            &[][..],
            &["/usr/bin/tool liby.so.1: none, /lib64/liby.so.1 of b"][..],
            &[][..],
        ),
        (
            "instead of the base's",
            "usr/bin/tool: program needs=liby.so.1",
            "usr/lib64/liby.so.1: library soname=liby.so.1",
            &["liby.so.1"],
            &["/usr/bin/tool liby.so.1: provided, /lib64/liby.so.1 of b"],
            &[
                "loads-another: liby.so.1 is /lib64/liby.so.1 of b instead of what a package of the base provides, for /usr/bin/tool of a",
            ],
        ),
        (
            "an older one at the same path",
            "usr/bin/tool: program needs=libx.so.1@X_2
             usr/lib64/libx.so.1: library soname=libx.so.1 defines=X_2",
            "usr/lib64/libx.so.1: library soname=libx.so.1 defines=X_1",
            &[],
            &["/usr/bin/tool libx.so.1: /lib64/libx.so.1 of a, /lib64/libx.so.1 of b"],
            &[
                "image-conflict: b wins over a, as systemd orders names: /usr/lib64/libx.so.1 differs",
                "loads-another: libx.so.1 is /lib64/libx.so.1 of b instead of /lib64/libx.so.1 of a, for /usr/bin/tool of a",
            ],
        ),
        (
            "the same file in both",
            "usr/bin/tool: program needs=libx.so.1
             usr/lib64/libx.so.1: library soname=libx.so.1",
            "usr/lib64/libx.so.1: library soname=libx.so.1",
            &[],
            &[],
            &[],
        ),
        (
            "the same file in another place",
            "usr/bin/tool: program runpath=/usr/lib64/app needs=libx.so.1
             usr/lib64/app/libx.so.1: library soname=libx.so.1",
            "usr/lib64/libx.so.1: library soname=libx.so.1",
            &[],
            &[],
            &[],
        ),
        (
            "one of its own that is not searched",
            &a.replace("needs=libx", "runpath=/usr/lib64/app needs=libx"),
            "usr/bin/other: program needs=libx.so.1
             usr/lib64/libx.so.1: library soname=libx.so.1 defines=X_1",
            &["liby.so.1"],
            &[],
            &[
                "library-twice: libx.so.1 is /usr/lib64/app/libx.so.1 of a and /usr/lib64/libx.so.1 of b; /lib64/libx.so.1 of b is loaded by /usr/bin/other of b; /usr/lib64/app/libx.so.1 of a is loaded by /usr/bin/tool of a",
            ],
        ),
    ] {
        let together = together(&[image("a", a), image("b", b)], provides);
        let show = |found: &Option<Found>| match found {
            None => "none".to_owned(),
            Some(Found { path: None, .. }) => "provided".to_owned(),
            Some(found) => {
                let of = match found.of {
                    Origin::Base => "base",
                    Origin::Image(index) => &together.order[index],
                };
                format!("{} of {of}", found.path.clone().unwrap())
            }
        };
        let found: Vec<_> = (together.changes.iter())
            .map(|change| {
                let both = format!("{}, {}", show(&change.before), show(&change.after));
                format!("{} {}: {both}", change.program, change.name)
            })
            .collect();
        assert_eq!(found, changes, "{case}");
        assert_eq!(said(&together), findings, "{case}");
    }
}

#[test]
fn needs_are_judged_with_all_images() {
    let a = image("a", "usr/bin/tool: program needs=liby.so.1 needs=libz.so.1");
    let b = image("b", "usr/lib64/liby.so.1: library soname=liby.so.1");
    let together = together(&[a, b], &[]);
    let breaks = together.breaks.unwrap();
    let missing: Vec<_> = (breaks.iter())
        .flat_map(|(image, breaks)| breaks.iter().map(|one| (*image, one.missing.as_str())))
        .collect();
    assert_eq!(missing, [(0, "libz.so.1: cannot open shared object file")]);
}

#[test]
fn more_images_than_one_mount_takes() {
    let names: Vec<String> = (100..173)
        .map(|n| format!("abcdefghijklmnopq{n}"))
        .collect();
    let (usr, opt) = (image("x", "usr/x: 1"), image("x", "opt/x: 1"));
    for (number, image, text) in [
        (72, &usr, None),
        (
            73,
            &usr,
            Some(
                "the names of 73 images make 4130 bytes of mount options for /usr, of which Linux takes 4095 from systemd-252, systemd-254, systemd-257, systemd-262: none would be merged",
            ),
        ),
        (
            73,
            &opt,
            Some(
                "the names of 73 images make 4130 bytes of mount options for /opt, of which Linux takes 4095 from systemd-252, systemd-254, systemd-257, systemd-262: none would be merged",
            ),
        ),
    ] {
        let layers: Vec<_> = (names.iter().take(number))
            .map(|name| Layer {
                name,
                tree: &image.tree,
                linkage: &image.linkage,
            })
            .collect();
        let files = Files {
            naming: &mut |_, id| Ok(id.clone()),
            differs_from_base: &|_, _| true,
        };
        let together = judge(&layers, None, files).unwrap();
        let texts: Vec<_> = together
            .findings
            .iter()
            .map(|one| one.text.as_str())
            .collect();
        assert_eq!(texts, Vec::from_iter(text), "{number}");
    }
}
