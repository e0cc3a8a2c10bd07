//! Recipes of several files and parts.

use std::path::{Path, PathBuf};

use crate::cli::BuildArguments;
use crate::inputs::recipe::layers;
use crate::words::scratch::Scratch;

/// Reads files of one directory, which are written there first; a recipe is the first of them.
fn files(
    texts: &[(&str, &str)],
    arch: Option<&str>,
) -> std::result::Result<BuildArguments, String> {
    let scratch = Scratch::new();
    for (name, text) in texts {
        scratch.write(name, text.as_bytes());
    }
    let path = scratch.path().join(texts[0].0);
    let read = layers::of(&path).and_then(|layers| layers.flattened(&path, arch));
    let place = format!("{}/", scratch.path().display());
    let mut read = read.map_err(|failure| {
        let said = format!("{:#}", failure.source);
        let hints = failure.hints.iter().map(|hint| format!("; {hint}"));
        hints
            .fold(said, |said, hint| said + &hint)
            .replace(&place, "")
    })?;
    let shorter = |path: &mut PathBuf| {
        *path = path.display().to_string().replace(&place, "").into();
    };
    read.inputs.iter_mut().for_each(shorter);
    for path in [
        &mut read.image.base,
        &mut read.image.overlay,
        &mut read.image.lock,
    ] {
        path.iter_mut().for_each(shorter);
    }
    for value in &mut read.repo {
        *value = value.replace(&place, "");
    }
    Ok(read)
}

#[test]
fn what_is_included_comes_first() {
    let common = "name = \"common\"\nscope = \"initrd\"\nrecommends = true\noverlay = \"tree\"\n\
                  packages = [\"a.rpm\", \"b\"]\nrepositories = [\"x=oss\"]\ndrop = [\"drop-man\"]\n\
                  base-install = [\"b\"]\n[[allow]]\nfinding = \"moved\"\nreason = \"theirs\"\n\
                  [[allow]]\nfinding = \"scriptlet\"\nreason = \"known\"";
    let text = "include = [\"sub/common.toml\"]\nname = \"own\"\nrecommends = false\n\
                packages = [\"c\", \"d/\"]\ndrop = [\"drop-docs\"]\nlock = \"own.lock\"\n\
                base = \"base\"\n[[allow]]\nfinding = \"moved\"\nreason = \"ours\"";
    let read = files(&[("x.toml", text), ("sub/common.toml", common)], None).unwrap();
    assert_eq!(read.inputs, ["sub/a.rpm", "d/"].map(PathBuf::from));
    assert_eq!(read.names, ["b", "c"]);
    assert_eq!(read.repo, ["x=sub/oss"]);
    assert_eq!(read.allow, ["moved", "scriptlet"]);
    let reasons: Vec<_> = read.reasons.values().map(String::as_str).collect();
    assert_eq!(reasons, ["ours", "known"]);
    let image = read.image;
    assert_eq!(image.name.as_deref(), Some("own"));
    assert_eq!(image.scope.as_deref(), Some("initrd"));
    assert_eq!(image.recommends, Some(false));
    assert_eq!(image.drop, ["drop-man", "drop-docs"]);
    assert_eq!(image.overlay.as_deref(), Some(Path::new("sub/tree")));
    assert_eq!(image.lock.as_deref(), Some(Path::new("own.lock")));
    assert_eq!(
        (image.base, image.base_install),
        (Some("base".into()), Vec::new())
    );
}

/// However a recipe is cut into files, it is the same one.
#[test]
fn a_recipe_in_parts_is_the_recipe() {
    let whole = "arch = \"arm64\"\nname = \"n\"\nset = [\"a=1\", \"b=2\", \"c=3\", \"d=4\"]\n\
                 packages = [\"p\", \"q\"]\nrepositories = [\"r\"]";
    let expected = format!("{:?}", files(&[("x.toml", whole)], None).unwrap());
    for texts in [
        &[
            (
                "x.toml",
                "include = [\"a\", \"b\"]\nset = [\"d=4\"]\nname = \"n\"\npackages = [\"q\"]",
            ),
            (
                "a",
                "include = [\"c\"]\nset = [\"b=2\"]\narch = \"arm64\"\nrepositories = [\"r\"]",
            ),
            (
                "b",
                "include = [\"c\", \"a\"]\nset = [\"c=3\"]\npackages = [\"p\"]",
            ),
            ("c", "set = [\"a=1\"]\nname = \"c\""),
        ][..],
        &[
            (
                "x.toml",
                "arch = \"arm64\"\nname = \"x\"\nset = [\"a=1\"]\ninclude = [\"./a\", \"a\"]\n\
                 [for.aarch64]\nset = [\"b=2\", \"c=3\", \"d=4\"]\npackages = [\"q\"]\nname = \"n\"\n\
                 [for.x86-64]\nset = [\"e=5\"]\npackages = [\"z\"]\nname = \"z\"\nlock = \"x\"",
            ),
            (
                "a",
                "repositories = [\"r\"]\n[for.arm64]\npackages = [\"p\"]\nname = \"c\"\n\
                 [for.arm]\nname = \"d\"",
            ),
        ],
    ] {
        assert_eq!(format!("{:?}", files(texts, None).unwrap()), expected);
    }
}

#[test]
fn parts_are_for_the_architecture_that_is_built() {
    let text = "name = \"all\"\npackages = [\"a\"]\n[for.x86-64]\nname = \"intel\"\n\
                [for.x86_64_v3]\npackages = [\"new\"]\n[for.arm]\nname = \"old\"\n\
                [[for.arm.allow]]\nfinding = \"moved\"\nreason = \"r\"";
    for (arch, name, names, allowed) in [
        ("x86-64", "intel", &["a"][..], 0),
        ("x86_64", "intel", &["a"], 0),
        ("x86_64_v3", "intel", &["a", "new"], 0),
        ("x86_64_v4", "intel", &["a"], 0),
        ("i686", "all", &["a"], 0),
        ("armv6hl", "old", &["a"], 1),
        ("riscv64", "all", &["a"], 0),
    ] {
        let read = files(&[("x.toml", text)], Some(arch)).unwrap();
        assert_eq!(read.image.name.as_deref(), Some(name), "{arch}");
        assert_eq!(read.names, names, "{arch}");
        assert_eq!(read.allow.len(), allowed, "{arch}");
        // The recipe's own word counts, if none is typed.
        let text = format!("arch = \"{arch}\"\n{text}");
        let own = files(&[("x.toml", &text)], None).unwrap();
        assert_eq!(own.names, names, "{arch}");
        let own = files(&[("x.toml", &text)], Some("s390x")).unwrap();
        assert_eq!(own.image.name.as_deref(), Some("all"), "{arch}");
    }
}

#[test]
fn includes_that_make_no_sense() {
    let ok = "packages = [\"a\"]";
    for (texts, expected) in [
        (
            &[("x.toml", "packages = [\"a\"]\ninclude = [\"no\"]")][..],
            "x.toml:2: reading no: No such file or directory (os error 2)",
        ),
        (
            &[("x.toml", "include = [\"x.toml\"]")],
            "x.toml:1: a cycle of includes: x.toml -> x.toml",
        ),
        (
            &[
                ("x.toml", "include = [\"sub/a\"]"),
                ("sub/a", "include = [\n\"b\"]"),
                ("sub/b", "include = [\"../sub/a\"]"),
            ],
            "x.toml:1: sub/a:2: sub/b:1: a cycle of includes: sub/a -> sub/b -> sub/../sub/a",
        ),
        (
            &[("x.toml", "include = [\"a\"]"), ("a", "\npakages = []")],
            "x.toml:1: a:2: unknown key \"pakages\"; did you mean packages?",
        ),
        (
            &[("x.toml", "include = [\"a\"]"), ("a", "[for.arm46]")],
            "x.toml:1: a:1: for.arm46: unknown architecture \"arm46\"; did you mean arm64?",
        ),
        (
            &[("x.toml", "include = [\"a\"]"), ("a", "lock = \"l\"")],
            "x.toml:1: a:1: a lock is of one recipe, so it can't be in a file that is included",
        ),
        (
            &[
                ("x.toml", "include = [\"a\"]"),
                ("a", "[for.arm]\nlock = \"l\""),
            ],
            "x.toml:1: a:2: a lock is of one recipe, so it can't be in a file that is included",
        ),
        (
            &[("x.toml", "include = \"a\""), ("a", ok)],
            "x.toml:1: include takes a list, but this is of type string",
        ),
        (
            &[("x.toml", "include = [\"a\"]"), ("a", "keep = [\"docs\"]")],
            "x.toml: it has neither packages nor an overlay; a file for others to include goes \
             where it is not taken for a recipe, as in ../common.toml",
        ),
        (
            &[
                ("x.toml", "include = [\"a\"]\npackages = [\"a\"]"),
                ("a", "[for.arm64]\ndrop = [\"d\"]"),
            ],
            "x.toml: it has [for.arm64], but nothing says which architecture is built; add --arch \
             NAME, or arch = \"arm64\" to the recipe",
        ),
    ] {
        assert_eq!(files(texts, None).unwrap_err(), expected, "{texts:?}");
    }
}

#[test]
fn so_many_files_are_included() {
    // A chain of this many files, each including the next.
    let chain = |length: usize| {
        let texts: Vec<_> = (0..length)
            .map(|number| {
                let next = format!("include = [\"{}\"]\n", number + 1);
                let include = if number + 1 < length {
                    next
                } else {
                    String::new()
                };
                (number.to_string(), include + "packages = [\"a\"]")
            })
            .collect();
        let texts: Vec<_> = texts
            .iter()
            .map(|(name, text)| (&**name, &**text))
            .collect();
        files(&texts, None).map(|read| read.names.len())
    };
    assert_eq!(chain(8), Ok(8));
    let said = chain(9).unwrap_err();
    assert!(
        said.ends_with(
            "7:1: more than 8 files include each other: 0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7 -> 8"
        ),
        "{said}"
    );

    // A recipe that includes all others itself.
    let many = |count: usize| {
        let others: Vec<_> = (1..count).map(|number| number.to_string()).collect();
        let text = format!("include = {others:?}");
        let others = others.iter().map(|name| (&**name, "packages = [\"a\"]"));
        let texts: Vec<_> = std::iter::once(("0", &*text)).chain(others).collect();
        files(&texts, None).map(|read| read.names.len())
    };
    assert_eq!(many(64), Ok(63));
    assert_eq!(
        many(65),
        Err("0:1: the recipe is of more than 64 files".to_owned())
    );

    // Both files together.
    let long = |length: usize| {
        let other = "#".repeat(length - 15);
        let text = [
            ("x", "include = [\"y\"]\npackages = [\"a\"]"),
            ("y", &*other),
        ];
        files(&text, None).map(|read| read.names.len())
    };
    let own = "include = [\"y\"]\npackages = [\"a\"]".len() - 15;
    assert_eq!(long(1_048_576 - own), Ok(1));
    assert_eq!(
        long(1_048_577 - own),
        Err("x:1: with this file, the recipe has more than 1048576 bytes".to_owned())
    );
}
