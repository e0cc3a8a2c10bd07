use std::path::{Path, PathBuf};

use clap::{Args as _, Command};

use super::file::Origin;
use super::keys::OWN;
use super::layers::Layers;
use super::*;
use crate::plan::matching::Matching;
use crate::words::scratch::Scratch;

/// Reads a text as if it were that of a file in a directory.
fn recipe(text: &str) -> Result<BuildArguments> {
    let path = Path::new("dir/x.toml");
    let said = file::read(Origin {
        path,
        text,
        is_included: false,
    })?;
    Layers(said.layers).flattened(path, None)
}

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
fn a_recipe_is_so_long() {
    let scratch = Scratch::new();
    for (length, expected) in [
        (
            1_048_576,
            "x.toml: reading a.rpm: No such file or directory (os error 2)",
        ),
        (
            1_048_577,
            "x.toml has 1048577 bytes; at most 1048576 are allowed",
        ),
    ] {
        let text = format!("packages = [\"a.rpm\"]{}", "\n".repeat(length - 20));
        let path = scratch.write("x.toml", text.as_bytes());
        let said = inputs(&path, &BuildArguments::default()).err();
        let said = format!("{:#}", said.unwrap().source);
        assert_eq!(
            said.replace(&format!("{}/", scratch.path().display()), ""),
            expected
        );
    }
}

#[test]
fn every_key() {
    let recipe = recipe(
        r#"
        name = "debug"
        version = "1.2"
        build-number = 0x10
        arch = "x86-64"
        scope = "system portable"
        match = "sysext-level"
        with = ["../store", "/abs/x.raw"]
        packages = ["strace", "gdb-13.x86_64", "extra.rpm", "sub/dir", "/abs/x.rpm"]
        overlay = "tree"
        base = "base"
        os-release = "/etc/os-release"
        repositories = ["oss", "a=oss.repo,priority=5", "https://example.org/x", "/abs"]
        recommends = true
        assume-next-build = true
        releasever = "9"
        set = ["contentdir=pub"]
        exclude = ["gdb*"]
        module = ["perl:5.32"]
        compression = "xz"
        block-size = "64K"
        keep = ["usr-merge"]
        drop = ["drop-docs", "drop-man"]
        lock = "../x.lock"
        [[allow]]
        finding = "shadows-base"
        reason = """the new one
            is better"""
        [[allow]]
        finding = "scriptlet"
        reason = "known"
        "#,
    )
    .unwrap();
    let typed = BuildArguments {
        inputs: ["dir/extra.rpm", "dir/sub/dir", "/abs/x.rpm"]
            .map(PathBuf::from)
            .into(),
        names: ["strace", "gdb-13.x86_64"].map(String::from).into(),
        repo: [
            "dir/oss",
            "a=dir/oss.repo,priority=5",
            "https://example.org/x",
            "/abs",
        ]
        .map(String::from)
        .into(),
        allow: ["shadows-base", "scriptlet"].map(String::from).into(),
        reasons: [
            ("shadows-base", "the new one is better"),
            ("scriptlet", "known"),
        ]
        .map(|(id, reason)| (id.to_owned(), reason.to_owned()))
        .into(),
        image: ImageArguments {
            name: Some("debug".into()),
            image_version: Some("1.2".into()),
            build_number: Some("16".parse().unwrap()),
            arch: Some("x86-64".into()),
            scope: Some("system portable".into()),
            matching: Some(Matching::SysextLevel),
            with: ["dir/../store", "/abs/x.raw"].map(PathBuf::from).into(),
            overlay: Some("dir/tree".into()),
            base: Some("dir/base".into()),
            base_install: Vec::new(),
            os_release: Some("/etc/os-release".into()),
            assume_next_build: Some(true),
            recommends: Some(true),
            releasever: Some("9".into()),
            set: vec!["contentdir=pub".into()],
            exclude: vec!["gdb*".into()],
            module: vec!["perl:5.32".into()],
            compression: Some("xz".into()),
            block_size: Some("64K".into()),
            keep: vec!["usr-merge".into()],
            drop: ["drop-docs", "drop-man"].map(String::from).into(),
            lock: Some("dir/../x.lock".into()),
        },
        ..BuildArguments::default()
    };
    assert_eq!(format!("{recipe:#?}"), format!("{typed:#?}"));
}

#[test]
fn every_key_is_known_and_explained() {
    let keys = keys();
    for key in &keys {
        // No key takes a date, and only one that is known says so.
        let failure = recipe(&format!("{} = 2000-01-01", key.name)).unwrap_err();
        let said = format!("{:#}", failure.source);
        assert!(said.contains("of type datetime"), "{key:?}: {said}");
        assert!(!key.meaning.is_empty(), "{key:?}");
    }
    let names: Vec<_> = keys.iter().map(|key| (key.name, key.kind.name())).collect();
    assert_eq!(
        names,
        [
            ("packages", "list of strings"),
            ("repositories", "list of strings"),
            ("allow", "list of tables"),
            ("include", "list of strings"),
            ("for", "tables"),
            ("overlay", "string"),
            ("name", "string"),
            ("version", "string"),
            ("build-number", "number or string"),
            ("arch", "string"),
            ("scope", "string"),
            ("base", "string"),
            ("base-install", "list of strings"),
            ("assume-next-build", "true or false"),
            ("lock", "string"),
            ("os-release", "string"),
            ("releasever", "string"),
            ("set", "list of strings"),
            ("exclude", "list of strings"),
            ("module", "list of strings"),
            ("recommends", "true or false"),
            ("match", "string"),
            ("with", "list of strings"),
            ("compression", "string"),
            ("block-size", "string"),
            ("keep", "list of strings"),
            ("drop", "list of strings"),
        ]
    );
    // The option that a key is explained by is its own.
    let command = ImageArguments::augment_args(Command::new("recipe"));
    let options = command.get_arguments().filter_map(|one| one.get_long());
    for (key, option) in keys.iter().skip(OWN.len()).zip(options) {
        let renamed = (key.name, option) == ("version", "image-version");
        assert!(key.name == option || renamed, "{key:?}: --{option}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_makes_no_sense() {
    for (text, expected, hint) in [
        (
            "",
            "dir/x.toml: it has neither packages nor an overlay",
            "a file for others to include goes where it is not taken for a recipe, as in \
             ../common.toml",
        ),
        (
            "[arch.arm64]",
            "dir/x.toml:1: arch takes a string, but this is of type table",
            "what holds for one architecture only is in [for.NAME]",
        ),
        (
            "for = \"arm64\"",
            "dir/x.toml:1: for takes tables, one for each architecture, as in [for.arm64], but \
             this is of type string",
            "",
        ),
        (
            "[for]\narm64 = [1]",
            "dir/x.toml:2: for.arm64 takes a table, but this is of type array",
            "",
        ),
        (
            "[for.aarch46]",
            "dir/x.toml:1: for.aarch46: unknown architecture \"aarch46\"",
            "did you mean aarch64?",
        ),
        (
            "[for.x86-46]",
            "dir/x.toml:1: for.x86-46: unknown architecture \"x86-46\"",
            "did you mean x86-64?",
        ),
        (
            "[for.tuba]",
            "dir/x.toml:1: for.tuba: unknown architecture \"tuba\"",
            "possible values: x86-64, x86, arm64, arm, ppc64-le, ppc64, ppc, s390x, s390, \
             riscv64, loongarch64, ia64, sparc64, sparc, mips64-le, mips-le, alpha",
        ),
        (
            "[for.arm64]\npakages = []",
            "dir/x.toml:2: unknown key \"pakages\"",
            "did you mean packages?",
        ),
        (
            "for.arm64.allow = [{ finding = \"moved\", raeson = \"x\" }]",
            "dir/x.toml:1: unknown key \"raeson\"",
            "did you mean reason?",
        ),
        (
            "[for.arm64]\ninclude = [\"a\"]",
            "dir/x.toml:2: include can't be in [for.arm64]: it is for the whole file",
            "",
        ),
        (
            "[for.arm64]\narch = \"arm64\"",
            "dir/x.toml:2: arch can't be in [for.arm64]: it is for the whole file",
            "",
        ),
        (
            "[for.arm64]\nname = 1",
            "dir/x.toml:2: name takes a string, but this is of type integer",
            "",
        ),
        (
            "[for.arm64]\nkeep = [\"\"]",
            "dir/x.toml:2: keep: the string is empty",
            "",
        ),
        (
            "packages = [\"a\"]\n[for.arm64]\ndrop = [\"b\"]",
            "dir/x.toml: it has [for.arm64], but nothing says which architecture is built",
            "add --arch NAME, or arch = \"arm64\" to the recipe",
        ),
        (
            "packages = [\"a\"]\narch = \"amr64\"\n[for.arm64]",
            "dir/x.toml: --arch: unknown architecture \"amr64\"",
            "did you mean arm64?",
        ),
        (
            "name = \"x\"\npackage = [\"a\"]",
            "dir/x.toml:2: unknown key \"package\"",
            "did you mean packages?",
        ),
        (
            "sign-key = \"x\"",
            "dir/x.toml:1: unknown key \"sign-key\"",
            "the keys are packages, repositories, allow, include, for, overlay, name, version, build-number, \
             arch, scope, base, base-install, assume-next-build, lock, os-release, releasever, set, exclude, module, recommends, match, \
             with, compression, block-size, keep, drop",
        ),
        (
            "packages = \"strace\"",
            "dir/x.toml:1: packages takes a list, but this is of type string",
            "",
        ),
        (
            "\npackages = [\"a\",\n 1]",
            "dir/x.toml:3: packages takes a string, but this is of type integer",
            "",
        ),
        (
            "name = 1",
            "dir/x.toml:1: name takes a string, but this is of type integer",
            "",
        ),
        ("name = \"\"", "dir/x.toml:1: name: the string is empty", ""),
        (
            "build-number = -1",
            "dir/x.toml:1: build-number takes \"auto\", \"none\", a whole number, 0 or more, or a string such as \
             \"29.1\", but this is of type integer",
            "",
        ),
        (
            "build-number = 29.1",
            "dir/x.toml:1: build-number takes \"auto\", \"none\", a whole number, 0 or more, or a string such as \
             \"29.1\", but this is of type float",
            "",
        ),
        (
            "build-number = \"29.\"",
            "dir/x.toml:1: build-number: \"29.\" is not a number, or several with dots, such \
             as 7 or 29.1; nor is it auto or none",
            "",
        ),
        (
            "recommends = \"yes\"",
            "dir/x.toml:1: recommends takes true or false, but this is of type string",
            "",
        ),
        (
            "match = \"all\"",
            "dir/x.toml:1: match: \"all\" is not one of version-id, sysext-level, any, auto",
            "",
        ),
        (
            "base = \"x\"\nbase-install = [\"y\"]\npackages = [\"z\"]",
            "dir/x.toml: base and base-install can't be used together",
            "",
        ),
        (
            "allow = [\"scriptlet\"]",
            "dir/x.toml:1: allow takes tables with finding and reason, as in [[allow]], but \
             this is of type string",
            "",
        ),
        (
            "[[allow]]\nfinding = \"shadow-base\"\nreason = \"x\"",
            "dir/x.toml:2: finding: unknown name \"shadow-base\"",
            "did you mean shadows-base?",
        ),
        (
            "[[allow]]\nfinding = \"scriptlet\"",
            "dir/x.toml:1: scriptlet is allowed without a reason",
            "say why with reason = \"...\"",
        ),
        (
            "[[allow]]\nfinding = \"scriptlet\"\nreason = \" \\n\"",
            "dir/x.toml:1: scriptlet is allowed without a reason",
            "say why with reason = \"...\"",
        ),
        (
            "[[allow]]\nfinding = \"moved\"\nreason = \"\\u001b[31mred\"",
            "dir/x.toml:1: the reason for moved has control characters",
            "",
        ),
        (
            "[[allow]]\nreason = \"x\"",
            "dir/x.toml:1: allow has no finding",
            "",
        ),
        (
            "[[allow]]\nfindings = \"scriptlet\"",
            "dir/x.toml:2: unknown key \"findings\"",
            "did you mean finding?",
        ),
        (
            "[[allow]]\nfinding = \"moved\"\nreason = \"x\"\n[[allow]]\nfinding = \"moved\"\n\
             reason = \"y\"",
            "dir/x.toml:4: moved is allowed twice",
            "",
        ),
    ] {
        let failure = recipe(text).unwrap_err();
        assert_eq!(format!("{:#}", failure.source), expected, "{text}");
        assert_eq!(failure.hints.join(""), hint, "{text}");
        assert_eq!(failure.code(), 2, "{text}");
    }
    for text in ["name = ", "name = \"a\"\nname = \"b\"", "= 1", "[[allow]"] {
        let failure = recipe(text).unwrap_err();
        let said = format!("{:#}", failure.source);
        assert!(said.starts_with("dir/x.toml:"), "{text}: {said}");
    }
    // Depth is bounded by the parser.
    let deep = format!("packages = {}", "[".repeat(100_000));
    assert!(recipe(&deep).is_err());
}

#[test]
fn what_is_typed_wins_or_is_added() {
    let both = |text: &str, typed: &BuildArguments| merged(recipe(text).unwrap(), typed);
    let text = "packages = [\"a\"]\nname = \"r\"\nscope = \"initrd\"\nrepositories = [\"/one\"]\n\
                drop = [\"drop-man\"]\nbase-install = [\"b\"]";
    let typed = BuildArguments {
        repo: vec!["/two".into()],
        image: ImageArguments {
            name: Some("typed".into()),
            drop: vec!["drop-docs".into()],
            base_install: vec!["c".into()],
            ..ImageArguments::default()
        },
        replace: true,
        ..BuildArguments::default()
    };
    let merged = both(text, &typed);
    assert_eq!(merged.repo, ["/one", "/two"]);
    assert!(merged.replace);
    let image = merged.image;
    assert_eq!(image.name.as_deref(), Some("typed"));
    assert_eq!(image.scope.as_deref(), Some("initrd"));
    assert_eq!(image.drop, ["drop-man", "drop-docs"]);
    assert_eq!(image.base_install, ["b", "c"]);
    assert_eq!(image.recommends, None);

    let mut base = BuildArguments::default();
    base.image.base = Some("/base".into());
    let image = both(text, &base).image;
    assert_eq!(image.base.as_deref(), Some(Path::new("/base")));
    assert_eq!(image.base_install, Vec::<String>::new());
    let image = both("packages = [\"a\"]\nbase = \"/r\"", &typed).image;
    assert_eq!((image.base, image.base_install), (None, vec!["c".into()]));
}

#[test]
fn what_can_be_typed_beside_recipes() {
    let typed = |inputs: &[&str], option: &str| {
        let given = |name: &str| (option == name).then(|| "x".to_owned());
        named(&BuildArguments {
            inputs: inputs.iter().map(PathBuf::from).collect(),
            image: ImageArguments {
                name: given("--name"),
                lock: given("--lock").map(PathBuf::from),
                ..ImageArguments::default()
            },
            tree: given("--tree").map(PathBuf::from),
            ..BuildArguments::default()
        })
        .map(|recipes| recipes.len())
        .map_err(|failure| failure.source.to_string())
    };
    assert_eq!(typed(&["a.rpm", "b"], "--name"), Ok(0));
    assert_eq!(typed(&["a.toml"], "--name"), Ok(1));
    assert_eq!(typed(&["a.toml", "b.toml"], ""), Ok(2));
    for (inputs, option, expected) in [
        (
            ["a.rpm", "b.toml"],
            "",
            "a.rpm is a package and b.toml is a recipe: they can't be mixed",
        ),
        (
            ["a.toml", "b.toml"],
            "--name",
            "--name is for one image, but there are 2 recipes",
        ),
        (
            ["a.toml", "b.toml"],
            "--lock",
            "--lock is for one image, but there are 2 recipes",
        ),
        (
            ["a.toml", "b.toml"],
            "--tree",
            "--tree is for one image, but there are 2 recipes",
        ),
    ] {
        assert_eq!(typed(&inputs, option), Err(expected.to_owned()));
    }
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
                 [for.aarch64]\nset = [\"b=2\", \"c=3\"]\npackages = [\"q\"]\n\
                 [for.x86-64]\nset = [\"e=5\"]\npackages = [\"z\"]\nname = \"z\"\nlock = \"x\"\n\
                 [for.arm64]\nset = [\"d=4\"]\nname = \"n\"",
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
