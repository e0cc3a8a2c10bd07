//! What a recipe says, and what it can't.

mod included;
mod schema;

use std::path::{Path, PathBuf};

use super::file::Origin;
use super::keys::OWN;
use super::layers::Layers;
use super::*;
use crate::cli::sbom::BillForm;
use crate::cli::{Cli, OptPlace, Verb};
use crate::plan::matching::Matching;
use crate::publish::disk::Format;
use crate::words::scratch::Scratch;
use clap::{Args as _, Command, Parser as _};

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

/// A recipe with each key.
const EVERY_KEY: &str = r#"
        name = "debug"
        version = "1.2"
        build-number = 0x10
        arch = "x86-64"
        scope = "system portable"
        selinux = "file_contexts"
        start = ["a.socket"]
        preset = true
        no-merge-unit = true
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
        format = "ddi"
        block-size = "64K"
        keep = ["usr-merge"]
        drop = ["drop-docs", "drop-man"]
        etc = [{ as = "drop" }, { path = "/etc/x=y", as = "factory" }]
        opt = "usr"
        sbom = ["cyclonedx"]
        blocks = true
        lock = "../x.lock"
        [[allow]]
        finding = "shadows-base"
        reason = """the new one
            is better"""
        [[allow]]
        finding = "scriptlet"
        reason = "known"
        "#;

#[test]
fn every_key() {
    let recipe = recipe(EVERY_KEY).unwrap();
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
            selinux: Some("dir/file_contexts".into()),
            start: vec!["a.socket".into()],
            preset: Some(true),
            no_merge_unit: Some(true),
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
            format: Some(Format::Ddi),
            block_size: Some("64K".into()),
            keep: vec!["usr-merge".into()],
            drop: ["drop-docs", "drop-man"].map(String::from).into(),
            etc: ["drop", "/etc/x=y=factory"]
                .map(|said| said.parse().unwrap())
                .into(),
            opt: Some(OptPlace::Usr),
            sbom: vec![BillForm::Cyclonedx],
            blocks: Some(true),
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
            ("test", "list of tables"),
            ("include", "list of strings"),
            ("for", "tables"),
            ("overlay", "string"),
            ("name", "string"),
            ("version", "string"),
            ("build-number", "number or string"),
            ("arch", "string"),
            ("scope", "string"),
            ("selinux", "string"),
            ("start", "list of strings"),
            ("preset", "true or false"),
            ("no-merge-unit", "true or false"),
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
            ("format", "string"),
            ("block-size", "string"),
            ("keep", "list of strings"),
            ("drop", "list of strings"),
            ("etc", "string or list of tables"),
            ("opt", "string"),
            ("sbom", "list of strings"),
            ("blocks", "true or false"),
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
            "[for.x86_64]\nname = \"a\"\n[for.arm64]\n[for.x86-64]\nname = \"b\"",
            "dir/x.toml:4: [for.x86-64] and [for.x86_64] are for the same architecture",
            "put all of it into one table",
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
            "the keys are packages, repositories, allow, test, include, for, overlay, name, version, build-number, \
             arch, scope, selinux, start, preset, no-merge-unit, base, base-install, assume-next-build, lock, os-release, releasever, set, exclude, module, recommends, match, \
             with, compression, format, block-size, keep, drop, etc, opt, sbom, blocks",
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

/// Whatever can be typed after `init` is in the recipe that it writes, and examples of the rest that
/// hold.
#[test]
fn what_is_written_is_read() {
    let typed = |line: &str| {
        let words = std::iter::once("sysext-build").chain(line.split_whitespace());
        match Cli::parse_from(words).verb {
            Some(Verb::Init(typed)) => *typed,
            other => panic!("{other:?}"),
        }
    };
    let scratch = Scratch::new();
    let path = scratch.path().join("x.toml");
    let all = typed(
        "init a>=1 /b.rpm /c/ d --repo one=/ --repo https://example.org/x --name n --image-version 1 \
         --build-number 29.10 --arch aarch64 --scope initrd --selinux none --start a.socket --preset --no-merge-unit --overlay /o --base /b --lock /l \
         --assume-next-build --os-release /o --releasever 9 --set a=b --set c=d --exclude e \
         --module m:1 --recommends --match auto --with /w --compression xz --format ddi --block-size 64K \
         --keep usr-merge --drop drop-docs --etc factory --etc /etc/x=drop --opt usr --sbom spdx --blocks",
    );
    let text = written::text(&all, &path, "").unwrap();
    let read = recipe(&text).unwrap();
    assert_eq!(read.names, ["a>=1", "d"]);
    assert_eq!(read.inputs, ["/b.rpm", "/c/"].map(PathBuf::from));
    assert_eq!(read.repo, all.repo);
    assert_eq!(format!("{:#?}", read.image), format!("{:#?}", all.image));
    let one = typed("init a --base-install x,y --etc drop");
    let text = written::text(&one, &path, "").unwrap();
    let read = recipe(&text).unwrap();
    assert_eq!(format!("{:#?}", read.image), format!("{:#?}", one.image));

    // Every example holds: all of them at once are a recipe.
    let text = written::text(&typed("init a"), &path, "").unwrap();
    let is_example = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let examples: Vec<_> = text.lines().filter(is_example).collect();
    assert!(examples.len() > 10, "{text}");
    let lines = text.lines().map(|line| match is_example(&line) {
        true => &line[1..],
        false => line,
    });
    let read = recipe(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(read.allow, ["shadows-base"]);
    assert_eq!(read.image.arch.as_deref(), Some("x86-64"));
}
