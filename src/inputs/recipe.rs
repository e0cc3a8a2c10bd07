//! Recipes: what one would type for one image, in a file.
//!
//! An INPUT that ends in `.toml` is a recipe:
//!
//! ```toml
//! name = "debug"
//! packages = ["strace", "gdb", "rpms/extra.rpm"]
//! repositories = ["oss=https://example.org/oss/"]
//! base = "microos.packages"
//! lock = "debug.lock"
//!
//! [[allow]]
//! finding = "shadows-base"
//! reason = "gdb's pretty printers replace older ones"
//! ```
//!
//! It is read into the same [`BuildArguments`] that a command line gives, so [`Inputs`] checks both
//! alike, and a recipe makes the bytes that the command line would. It differs in this:
//!
//! - Paths are relative to the recipe's directory, `repositories` included. A lock calls a repository
//!   as it was named, so for a lock that does not depend on the working directory it gets a name:
//!   `NAME=PLACE`.
//! - A package is a file if there is one of that path, or if it has a slash or ends in `.rpm`; else
//!   it is a name, whatever lies in the working directory.
//! - What is allowed has a reason, which the report shows where the finding would have stopped the
//!   build, and which the manifest keeps.
//!
//! What is typed beside recipes holds for each of them: an option wins over a recipe's single
//! value, and is added to its lists, after what the recipe has. `--base` and `--base-install` both
//! say what the base is, so either replaces what the recipe says of it. Packages can't be typed
//! beside recipes, nor can what several images can't share: name, lock and tree.
//!
//! Recipes make their images one after the other, each with inputs of its own, into one store. One
//! that fails does not stop the others; the exit code is the highest of theirs. What signs is
//! opened once, so a passphrase is asked for once. Two recipes can't write the same lock.
//!
//! A recipe stands for a command line, so one that makes no sense is a usage error, with the file
//! and the line.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::BuildArguments;
use crate::findings::FINDINGS;
use crate::inputs::Inputs;
use crate::packages::choose::may_be_name;
use crate::packages::repository;
use crate::plan::matching::Matching;
use crate::words::document;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::{check_known, nearest};

/// Largest recipe in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The keys of a recipe.
const KEYS: [&str; 19] = [
    "allow",
    "arch",
    "base",
    "base-install",
    "block-size",
    "build-number",
    "compression",
    "drop",
    "keep",
    "lock",
    "match",
    "name",
    "os-release",
    "overlay",
    "packages",
    "recommends",
    "repositories",
    "scope",
    "version",
];

/// Returns the recipes among the inputs, which are then all that there is.
pub fn named(arguments: &BuildArguments) -> Result<Vec<PathBuf>> {
    let is_recipe = |input: &&PathBuf| input.extension().is_some_and(|ending| ending == "toml");
    let recipes: Vec<_> = arguments.inputs.iter().filter(is_recipe).cloned().collect();
    let other = arguments.inputs.iter().find(|input| !is_recipe(input));
    if let (Some(recipe), Some(other)) = (recipes.first(), other) {
        let (recipe, other) = (recipe.display(), other.display());
        let text = format!("{other} is a package and {recipe} a recipe: they can't be mixed");
        return Err(Failure::usage(text).hint("name the package in a recipe"));
    }
    if recipes.len() > 1 {
        let for_one = [
            ("--name", arguments.name.is_some()),
            ("--lock", arguments.lock.is_some()),
            ("--tree", arguments.tree.is_some()),
        ];
        if let Some((option, _)) = for_one.iter().find(|(_, given)| *given) {
            let count = recipes.len();
            let text = format!("{option} is for one image, and there are {count} recipes");
            return Err(Failure::usage(text));
        }
    }
    Ok(recipes)
}

/// Returns what a recipe says together with what was typed beside it, checked.
pub fn inputs(path: &Path, typed: &BuildArguments) -> Result<Inputs> {
    let contents = document::read(path, MAX_SIZE)?;
    let text = String::from_utf8(contents)
        .map_err(|_| Failure::usage(format!("{} is not UTF-8", path.display())))?;
    let recipe = read(path, &text)?;
    Inputs::new(&merged(recipe, typed)).map_err(|failure| failure.at(path.display()))
}

/// Adds what was typed to what a recipe says.
fn merged(recipe: BuildArguments, typed: &BuildArguments) -> BuildArguments {
    let typed = typed.clone();
    let added = |mut list: Vec<String>, more: Vec<String>| {
        list.extend(more);
        list
    };
    let (base, base_install) = match (typed.base, typed.base_install) {
        (Some(base), _) => (Some(base), Vec::new()),
        (None, names) if names.is_empty() => (recipe.base, recipe.base_install),
        (None, names) => (None, added(recipe.base_install, names)),
    };
    BuildArguments {
        inputs: recipe.inputs,
        names: recipe.names,
        reasons: recipe.reasons,
        overlay: typed.overlay.or(recipe.overlay),
        name: typed.name.or(recipe.name),
        image_version: typed.image_version.or(recipe.image_version),
        build_number: typed.build_number.or(recipe.build_number),
        arch: typed.arch.or(recipe.arch),
        scope: typed.scope.or(recipe.scope),
        matching: typed.matching.or(recipe.matching),
        base,
        base_install,
        repo: added(recipe.repo, typed.repo),
        os_release: typed.os_release.or(recipe.os_release),
        lock: typed.lock.or(recipe.lock),
        recommends: typed.recommends || recipe.recommends,
        compression: typed.compression.or(recipe.compression),
        block_size: typed.block_size.or(recipe.block_size),
        keep: added(recipe.keep, typed.keep),
        drop: added(recipe.drop, typed.drop),
        allow: added(recipe.allow, typed.allow),
        ..typed
    }
}

/// Reads a recipe's text: the only reader of TOML.
fn read(path: &Path, text: &str) -> Result<BuildArguments> {
    let origin = Origin { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        origin.wrong(offset, error.message())
    })?;
    let mut recipe = BuildArguments::default();
    for entry in origin.entries(table.get_ref()) {
        take(&mut recipe, &entry)?;
    }
    if let (Some(_), [_, ..]) = (&recipe.base, &recipe.base_install[..]) {
        let text = "base and base-install both say what the base is: one is too many";
        return Err(Failure::usage(text).at(path.display()));
    }
    if recipe.inputs.is_empty() && recipe.names.is_empty() && recipe.overlay.is_none() {
        return Err(Failure::usage("there are neither packages nor an overlay").at(path.display()));
    }
    Ok(recipe)
}

/// Takes one key's value into the arguments.
fn take(recipe: &mut BuildArguments, entry: &Entry<'_>) -> Result<()> {
    match entry.key {
        "allow" => allow(recipe, entry)?,
        "arch" => recipe.arch = Some(entry.string()?),
        "base" => recipe.base = Some(entry.path()?),
        "base-install" => recipe.base_install = entry.strings()?,
        "block-size" => recipe.block_size = Some(entry.string()?),
        "build-number" => recipe.build_number = Some(entry.number()?),
        "compression" => recipe.compression = Some(entry.string()?),
        "drop" => recipe.drop = entry.strings()?,
        "keep" => recipe.keep = entry.strings()?,
        "lock" => recipe.lock = Some(entry.path()?),
        "match" => recipe.matching = Some(matching(entry)?),
        "name" => recipe.name = Some(entry.string()?),
        "os-release" => recipe.os_release = Some(entry.path()?),
        "overlay" => recipe.overlay = Some(entry.path()?),
        "packages" => {
            for package in entry.strings()? {
                let path = entry.origin.directory().join(&package);
                if may_be_name(Path::new(&package)) && !path.exists() {
                    recipe.names.push(package);
                } else {
                    recipe.inputs.push(path);
                }
            }
        }
        "recommends" => recipe.recommends = entry.truth()?,
        "repositories" => {
            for value in entry.strings()? {
                let place = repository::below(entry.origin.directory(), &value);
                recipe
                    .repo
                    .push(place.map_err(|failure| entry.at(failure))?);
            }
        }
        "scope" => recipe.scope = Some(entry.string()?),
        "version" => recipe.image_version = Some(entry.string()?),
        _ => return Err(entry.unknown(&KEYS)),
    }
    Ok(())
}

/// Reads what is allowed, and why.
fn allow(recipe: &mut BuildArguments, entry: &Entry<'_>) -> Result<()> {
    let known: Vec<_> = FINDINGS.iter().map(|kind| kind.id).collect();
    let wanted = "tables with finding and reason, as in [[allow]]";
    for one in entry.elements(wanted)? {
        let Some(table) = one.get_ref().as_table() else {
            return Err(entry.mistyped(one, wanted));
        };
        let (mut finding, mut reason) = (None, None);
        for entry in entry.origin.entries(table) {
            match entry.key {
                "finding" => {
                    let id = entry.string()?;
                    check_known("finding", std::slice::from_ref(&id), &known)
                        .map_err(|failure| entry.at(failure))?;
                    finding = Some(id);
                }
                // In one line, as it will be shown.
                "reason" => {
                    let words = entry.string()?;
                    reason = Some(words.split_whitespace().collect::<Vec<_>>().join(" "));
                }
                _ => return Err(entry.unknown(&["finding", "reason"])),
            }
        }
        let offset = one.span().start;
        let Some(finding) = finding else {
            return Err(entry.origin.wrong(offset, "allow has no finding"));
        };
        let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
            let text = format!("{finding} is allowed without a reason");
            return Err(entry
                .origin
                .wrong(offset, text)
                .hint("say why: reason = \"...\""));
        };
        if reason.contains(char::is_control) {
            let text = format!("the reason for {finding} has control characters");
            return Err(entry.origin.wrong(offset, text));
        }
        recipe.allow.push(finding.clone());
        if recipe.reasons.insert(finding.clone(), reason).is_some() {
            let text = format!("{finding} is allowed twice");
            return Err(entry.origin.wrong(offset, text));
        }
    }
    Ok(())
}

fn matching(entry: &Entry<'_>) -> Result<Matching> {
    let text = entry.string()?;
    Matching::from_str(&text, false).map_err(|_| {
        let known: Vec<_> = (Matching::value_variants().iter())
            .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
            .collect();
        let text = format!("match {text:?} is not known");
        let failure = entry.origin.wrong(entry.value.span().start, text);
        failure.hint(format!("known are {}", known.join(", ")))
    })
}

/// Where a recipe's text comes from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    path: &'a Path,
    text: &'a str,
}

/// A key with its value.
struct Entry<'a> {
    origin: Origin<'a>,
    key: &'a str,
    /// Where the key is, in bytes from the start.
    offset: usize,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Origin<'a> {
    /// Returns what paths are relative to.
    fn directory(&self) -> &'a Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Refuses what is at this offset.
    fn wrong(&self, offset: usize, text: impl std::fmt::Display) -> Failure {
        self.place(Failure::usage(text), offset)
    }

    /// Says at which line something is wrong.
    fn place(&self, failure: Failure, offset: usize) -> Failure {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        failure.at(format_args!("{}:{line}", self.path.display()))
    }

    /// Returns the entries of a table in the order in which they were written.
    fn entries(self, table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Entry {
                origin: self,
                key: key.get_ref(),
                offset: key.span().start,
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.offset);
        entries
    }
}

impl<'a> Entry<'a> {
    /// Says at which line something is wrong.
    fn at(&self, failure: Failure) -> Failure {
        self.origin.place(failure, self.offset)
    }

    /// Refuses the key.
    fn unknown(&self, known: &[&str]) -> Failure {
        let failure = Failure::usage(format!("the key {:?} is not known", self.key));
        let hint = match nearest(self.key, known.iter().copied()) {
            Some(name) => format!("is {name} meant?"),
            None => format!("known are {}", known.join(", ")),
        };
        self.at(failure).hint(hint)
    }

    /// Refuses the type of the value, or of a part of it.
    fn mistyped(&self, value: &Spanned<DeValue<'_>>, wanted: &str) -> Failure {
        let found = value.get_ref().type_str();
        let text = format!("{} takes {wanted}, and this is of type {found}", self.key);
        self.origin.wrong(value.span().start, text)
    }

    fn string_of(&self, value: &Spanned<DeValue<'_>>, wanted: &str) -> Result<String> {
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| self.mistyped(value, wanted))?;
        if text.is_empty() {
            let text = format!("{}: an empty string says nothing", self.key);
            return Err(self.origin.wrong(value.span().start, text));
        }
        Ok(text.to_owned())
    }

    fn string(&self) -> Result<String> {
        self.string_of(self.value, "a string")
    }

    fn path(&self) -> Result<PathBuf> {
        Ok(self.origin.directory().join(self.string()?))
    }

    fn elements(&self, wanted: &str) -> Result<&'a [Spanned<DeValue<'a>>]> {
        let elements = self.value.get_ref().as_array();
        elements
            .map(AsRef::as_ref)
            .ok_or_else(|| self.mistyped(self.value, wanted))
    }

    fn strings(&self) -> Result<Vec<String>> {
        let wanted = "a list of strings";
        let elements = self.elements(wanted)?.iter();
        elements
            .map(|element| self.string_of(element, wanted))
            .collect()
    }

    fn number(&self) -> Result<u64> {
        let number = self.value.get_ref().as_integer();
        number
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok())
            .ok_or_else(|| self.mistyped(self.value, "a whole number from 0 on"))
    }

    fn truth(&self) -> Result<bool> {
        let truth = self.value.get_ref().as_bool();
        truth.ok_or_else(|| self.mistyped(self.value, "true or false"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text as if it were that of a file in a directory.
    fn recipe(text: &str) -> Result<BuildArguments> {
        read(Path::new("dir/x.toml"), text)
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
            packages = ["strace", "gdb-13.x86_64", "extra.rpm", "sub/dir", "/abs/x.rpm"]
            overlay = "tree"
            base = "base"
            os-release = "/etc/os-release"
            repositories = ["oss", "a=oss.repo,priority=5", "https://example.org/x", "/abs"]
            recommends = true
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
            name: Some("debug".into()),
            image_version: Some("1.2".into()),
            build_number: Some(16),
            arch: Some("x86-64".into()),
            scope: Some("system portable".into()),
            matching: Some(Matching::SysextLevel),
            inputs: ["dir/extra.rpm", "dir/sub/dir", "/abs/x.rpm"]
                .map(PathBuf::from)
                .into(),
            names: ["strace", "gdb-13.x86_64"].map(String::from).into(),
            overlay: Some("dir/tree".into()),
            base: Some("dir/base".into()),
            os_release: Some("/etc/os-release".into()),
            repo: [
                "dir/oss",
                "a=dir/oss.repo,priority=5",
                "https://example.org/x",
                "/abs",
            ]
            .map(String::from)
            .into(),
            recommends: true,
            compression: Some("xz".into()),
            block_size: Some("64K".into()),
            keep: vec!["usr-merge".into()],
            drop: ["drop-docs", "drop-man"].map(String::from).into(),
            lock: Some("dir/../x.lock".into()),
            allow: ["shadows-base", "scriptlet"].map(String::from).into(),
            reasons: [
                ("shadows-base", "the new one is better"),
                ("scriptlet", "known"),
            ]
            .map(|(id, reason)| (id.to_owned(), reason.to_owned()))
            .into(),
            ..BuildArguments::default()
        };
        assert_eq!(format!("{recipe:#?}"), format!("{typed:#?}"));
    }

    #[test]
    fn every_key_is_known() {
        for key in KEYS {
            // No key takes a date, and only one that is known says so.
            let failure = recipe(&format!("{key} = 2000-01-01")).unwrap_err();
            let said = format!("{:#}", failure.source);
            assert!(said.contains("of type datetime"), "{key}: {said}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for (text, expected, hint) in [
            (
                "",
                "dir/x.toml: there are neither packages nor an overlay",
                "",
            ),
            (
                "name = \"x\"\npackage = [\"a\"]",
                "dir/x.toml:2: the key \"package\" is not known",
                "is packages meant?",
            ),
            (
                "sign-key = \"x\"",
                "dir/x.toml:1: the key \"sign-key\" is not known",
                "known are allow, arch, base, base-install, block-size, build-number, compression, \
                 drop, keep, lock, match, name, os-release, overlay, packages, recommends, \
                 repositories, scope, version",
            ),
            (
                "packages = \"strace\"",
                "dir/x.toml:1: packages takes a list of strings, and this is of type string",
                "",
            ),
            (
                "\npackages = [\"a\",\n 1]",
                "dir/x.toml:3: packages takes a list of strings, and this is of type integer",
                "",
            ),
            (
                "name = 1",
                "dir/x.toml:1: name takes a string, and this is of type integer",
                "",
            ),
            (
                "name = \"\"",
                "dir/x.toml:1: name: an empty string says nothing",
                "",
            ),
            (
                "build-number = -1",
                "dir/x.toml:1: build-number takes a whole number from 0 on, and this is of type \
                 integer",
                "",
            ),
            (
                "recommends = \"yes\"",
                "dir/x.toml:1: recommends takes true or false, and this is of type string",
                "",
            ),
            (
                "match = \"all\"",
                "dir/x.toml:1: match \"all\" is not known",
                "known are version-id, sysext-level, any, auto",
            ),
            (
                "base = \"x\"\nbase-install = [\"y\"]\npackages = [\"z\"]",
                "dir/x.toml: base and base-install both say what the base is: one is too many",
                "",
            ),
            (
                "allow = [\"scriptlet\"]",
                "dir/x.toml:1: allow takes tables with finding and reason, as in [[allow]], and \
                 this is of type string",
                "",
            ),
            (
                "[[allow]]\nfinding = \"shadow-base\"\nreason = \"x\"",
                "dir/x.toml:2: finding \"shadow-base\" is not known",
                "is shadows-base meant?",
            ),
            (
                "[[allow]]\nfinding = \"scriptlet\"",
                "dir/x.toml:1: scriptlet is allowed without a reason",
                "say why: reason = \"...\"",
            ),
            (
                "[[allow]]\nfinding = \"scriptlet\"\nreason = \" \\n\"",
                "dir/x.toml:1: scriptlet is allowed without a reason",
                "say why: reason = \"...\"",
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
                "dir/x.toml:2: the key \"findings\" is not known",
                "is finding meant?",
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
            name: Some("typed".into()),
            repo: vec!["/two".into()],
            drop: vec!["drop-docs".into()],
            base_install: vec!["c".into()],
            replace: true,
            ..BuildArguments::default()
        };
        let merged = both(text, &typed);
        assert_eq!(merged.name.as_deref(), Some("typed"));
        assert_eq!(merged.scope.as_deref(), Some("initrd"));
        assert_eq!(merged.repo, ["/one", "/two"]);
        assert_eq!(merged.drop, ["drop-man", "drop-docs"]);
        assert_eq!(merged.base_install, ["b", "c"]);
        assert!(merged.replace && !merged.recommends);

        let base = BuildArguments {
            base: Some("/base".into()),
            ..BuildArguments::default()
        };
        let merged = both(text, &base);
        assert_eq!(merged.base.as_deref(), Some(Path::new("/base")));
        assert_eq!(merged.base_install, Vec::<String>::new());
        let merged = both("packages = [\"a\"]\nbase = \"/r\"", &typed);
        assert_eq!((merged.base, merged.base_install), (None, vec!["c".into()]));
    }

    #[test]
    fn what_can_be_typed_beside_recipes() {
        let typed = |inputs: &[&str], option: &str| {
            let given = |name: &str| (option == name).then(|| "x".to_owned());
            named(&BuildArguments {
                inputs: inputs.iter().map(PathBuf::from).collect(),
                name: given("--name"),
                lock: given("--lock").map(PathBuf::from),
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
                "a.rpm is a package and b.toml a recipe: they can't be mixed",
            ),
            (
                ["a.toml", "b.toml"],
                "--name",
                "--name is for one image, and there are 2 recipes",
            ),
            (
                ["a.toml", "b.toml"],
                "--lock",
                "--lock is for one image, and there are 2 recipes",
            ),
            (
                ["a.toml", "b.toml"],
                "--tree",
                "--tree is for one image, and there are 2 recipes",
            ),
        ] {
            assert_eq!(typed(&inputs, option), Err(expected.to_owned()));
        }
    }
}
