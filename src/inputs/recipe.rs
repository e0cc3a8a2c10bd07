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
//! - A package is a file if it has a slash or ends in `.rpm`; else it is a name, whatever is in the
//!   directory. Only without `repositories` is it the file of that name, if there is one.
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
//! A recipe stands for a command line, so a wrong one is a usage error, with the file
//! and the line.

use std::path::{Path, PathBuf};

use clap::{Args as _, Command};
use serde::de::value::Error as Unread;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::{BuildArguments, ImageArguments};
use crate::findings::{FINDINGS, waiver};
use crate::inputs::Inputs;
use crate::packages::choose::{is_request, may_be_name};
use crate::packages::repository;
use crate::plan::build_number::Numbering;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::{check_known, nearest};

/// Largest recipe in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// What a recipe says differently from the command line. Its other keys are those of
/// [`ImageArguments`].
#[derive(Default, Deserialize)]
#[serde(default)]
struct Own {
    packages: Vec<String>,
    repositories: Vec<Spanned<String>>,
    allow: Vec<Spanned<Allow>>,
}

/// What the manual says of the keys of [`Own`], in their order: the type, and the meaning.
const OWN: [(&str, &str); 3] = [
    (
        "list of strings",
        "RPM files, directories of RPM files, and names of packages in the repositories, also with * \
         and ?, a version (a>=1) or a path from the root. An entry with a slash and one that ends in \
         .rpm mean a file; without repositories, so does the name of an existing file",
    ),
    (
        "list of strings",
        "Repositories to choose from what the packages require and the base lacks, as --repo takes \
         them",
    ),
    (
        "list of tables",
        "Findings that do not stop the build, each with the keys finding (its id, or id:what as after --allow) and reason (why \
         it is acceptable)",
    ),
];

/// A finding that does not stop the build, and why.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "tables with finding and reason, as in [[allow]]")]
struct Allow {
    finding: Option<Spanned<String>>,
    reason: Option<String>,
}

/// A key of a recipe, for the manual.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is, such as "string".
    pub kind: &'static str,
    /// What it means.
    pub meaning: String,
}

/// Returns all keys of a recipe, in the order of the manual.
pub fn keys() -> Vec<Key> {
    let own = keys_of::<Own>().iter().zip(OWN);
    let mut keys: Vec<_> = own
        .map(|(name, (kind, meaning))| Key {
            name,
            kind,
            meaning: meaning.to_owned(),
        })
        .collect();
    // Options and keys are made of the same fields, so they are in the same order.
    let command = ImageArguments::augment_args(Command::new("recipe"));
    let shared = keys_of::<ImageArguments>().iter();
    keys.extend(shared.zip(command.get_arguments()).map(|(name, option)| {
        let action = option.get_action();
        let kind = match *name {
            "build-number" => "number or string",
            _ if !action.takes_values() => "true or false",
            _ if matches!(action, clap::ArgAction::Append) => "list of strings",
            _ => "string",
        };
        Key {
            name,
            kind,
            meaning: option
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }));
    keys
}

/// Returns the recipes among the inputs, which are then all that there is.
pub fn named(arguments: &BuildArguments) -> Result<Vec<PathBuf>> {
    let is_recipe = |input: &&PathBuf| input.extension().is_some_and(|ending| ending == "toml");
    let recipes: Vec<_> = arguments.inputs.iter().filter(is_recipe).cloned().collect();
    let other = arguments.inputs.iter().find(|input| !is_recipe(input));
    if let (Some(recipe), Some(other)) = (recipes.first(), other) {
        let (recipe, other) = (recipe.display(), other.display());
        let text = format!("{other} is a package and {recipe} is a recipe: they can't be mixed");
        return Err(Failure::usage(text).hint("name the package in a recipe"));
    }
    if recipes.len() > 1 {
        let for_one = [
            ("--name", arguments.image.name.is_some()),
            ("--lock", arguments.image.lock.is_some()),
            ("--tree", arguments.tree.is_some()),
        ];
        if let Some((option, _)) = for_one.iter().find(|(_, given)| *given) {
            let count = recipes.len();
            let text = format!("{option} is for one image, but there are {count} recipes");
            return Err(Failure::usage(text));
        }
    }
    Ok(recipes)
}

/// Returns what a recipe says together with what was typed beside it, checked.
pub fn inputs(path: &Path, typed: &BuildArguments) -> Result<Inputs> {
    let contents = files::read(path, MAX_SIZE, files::Links::Follow)?;
    let text = String::from_utf8(contents)
        .map_err(|_| Failure::usage(format!("{} is not UTF-8", path.display())))?;
    let recipe = read(path, &text)?;
    Inputs::new(&merged(recipe, typed)).map_err(|failure| failure.at(path.display()))
}

/// Adds what was typed to what a recipe says.
fn merged(recipe: BuildArguments, typed: &BuildArguments) -> BuildArguments {
    let typed = typed.clone();
    let mut image = merged_image(recipe.image, typed.image);
    // A recipe is built again and again, and what has changed is to reach clients. With --obs the
    // service counts; with --replace the name is to stay.
    if !typed.obs && !typed.replace {
        image.build_number.get_or_insert(Numbering::Auto);
    }
    BuildArguments {
        inputs: recipe.inputs,
        names: recipe.names,
        reasons: recipe.reasons,
        image,
        repo: added(recipe.repo, typed.repo),
        allow: added(recipe.allow, typed.allow),
        ..typed
    }
}

fn merged_image(recipe: ImageArguments, typed: ImageArguments) -> ImageArguments {
    let (base, base_install) = match (typed.base, typed.base_install) {
        (Some(base), _) => (Some(base), Vec::new()),
        (None, names) if names.is_empty() => (recipe.base, recipe.base_install),
        (None, names) => (None, added(recipe.base_install, names)),
    };
    // Every key is named, so that the compiler asks for a new one.
    ImageArguments {
        overlay: typed.overlay.or(recipe.overlay),
        name: typed.name.or(recipe.name),
        image_version: typed.image_version.or(recipe.image_version),
        build_number: typed.build_number.or(recipe.build_number),
        arch: typed.arch.or(recipe.arch),
        scope: typed.scope.or(recipe.scope),
        base,
        base_install,
        assume_next_build: typed.assume_next_build || recipe.assume_next_build,
        lock: typed.lock.or(recipe.lock),
        os_release: typed.os_release.or(recipe.os_release),
        releasever: typed.releasever.or(recipe.releasever),
        set: added(recipe.set, typed.set),
        exclude: added(recipe.exclude, typed.exclude),
        module: added(recipe.module, typed.module),
        recommends: typed.recommends || recipe.recommends,
        matching: typed.matching.or(recipe.matching),
        with: added(recipe.with, typed.with),
        compression: typed.compression.or(recipe.compression),
        block_size: typed.block_size.or(recipe.block_size),
        keep: added(recipe.keep, typed.keep),
        drop: added(recipe.drop, typed.drop),
    }
}

fn added<T>(mut list: Vec<T>, more: Vec<T>) -> Vec<T> {
    list.extend(more);
    list
}

/// Reads a recipe's text: the only reader of TOML.
fn read(path: &Path, text: &str) -> Result<BuildArguments> {
    let origin = Origin { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        origin.wrong(offset, error.message())
    })?;
    origin.check(table.get_ref())?;
    // Two readers of one table: each knows its keys, and above it was checked that one does.
    let own: Own = origin.take(&table)?;
    let mut image: ImageArguments = origin.take(&table)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let paths = [
        &mut image.overlay,
        &mut image.base,
        &mut image.lock,
        &mut image.os_release,
    ];
    for path in paths.into_iter().flatten().chain(&mut image.with) {
        *path = directory.join(&*path);
    }
    if image.base.is_some() && !image.base_install.is_empty() {
        let text = "base and base-install can't be used together";
        return Err(Failure::usage(text).at(path.display()));
    }
    let mut recipe = BuildArguments {
        image,
        ..BuildArguments::default()
    };
    for package in own.packages {
        let file = directory.join(&package);
        let is_name = match own.repositories.is_empty() {
            true => may_be_name(Path::new(&package)) && !file.exists(),
            false => is_request(&package, &file),
        };
        if is_name {
            recipe.names.push(package);
        } else {
            recipe.inputs.push(file);
        }
    }
    for value in own.repositories {
        let place = repository::below(directory, value.get_ref())
            .map_err(|failure| origin.place(failure, value.span().start))?;
        recipe.repo.push(place);
    }
    for one in own.allow {
        origin.allow(&mut recipe, one)?;
    }
    if recipe.inputs.is_empty() && recipe.names.is_empty() && recipe.image.overlay.is_none() {
        return Err(Failure::usage("it has neither packages nor an overlay").at(path.display()));
    }
    Ok(recipe)
}

/// Where a recipe's text comes from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Origin<'_> {
    /// Refuses what is at this offset.
    fn wrong(self, offset: usize, text: impl std::fmt::Display) -> Failure {
        self.place(Failure::usage(text), offset)
    }

    /// Says at which line something is wrong.
    fn place(self, failure: Failure, offset: usize) -> Failure {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        failure.at(format_args!("{}:{line}", self.path.display()))
    }

    /// Refuses keys that are not known, and strings that are empty.
    fn check(self, table: &DeTable<'_>) -> Result<()> {
        let known = [keys_of::<Own>(), keys_of::<ImageArguments>()].concat();
        for (key, value) in in_order(table) {
            self.check_key(key, &known)?;
            for element in elements(value) {
                if element.get_ref().as_str() == Some("") {
                    let text = format!("{}: the string is empty", key.get_ref());
                    return Err(self.wrong(element.span().start, text));
                }
                let allowed = element
                    .get_ref()
                    .as_table()
                    .filter(|_| key.get_ref() == "allow");
                for (inner, _) in allowed.into_iter().flat_map(in_order) {
                    self.check_key(inner, keys_of::<Allow>())?;
                }
            }
        }
        Ok(())
    }

    fn check_key(self, key: &Spanned<impl AsRef<str>>, known: &[&str]) -> Result<()> {
        let name = key.get_ref().as_ref();
        if known.contains(&name) {
            return Ok(());
        }
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the keys are {}", known.join(", ")),
        };
        let text = format!("unknown key {name:?}");
        Err(self.wrong(key.span().start, text).hint(hint))
    }

    /// Takes the keys that this type knows out of a table.
    fn take<'de, T: Deserialize<'de>>(self, table: &Spanned<DeTable<'de>>) -> Result<T> {
        T::deserialize(toml::de::Deserializer::from(table.clone())).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let entries = in_order(table.get_ref()).into_iter();
            let mut around = entries.filter(|(_, value)| value.span().contains(&offset));
            let (key, value) = around.next().unzip();
            let key = key.map_or("", |key| key.get_ref());
            let inside = value.into_iter().flat_map(elements);
            let mut inside = inside.filter(|element| element.span().contains(&offset));
            let found = inside
                .next()
                .or(value)
                .map_or("", |value| value.get_ref().type_str());
            self.wrong(offset, in_plain_words(key, found, error.message()))
        })
    }

    /// Takes a finding that is allowed, and why.
    fn allow(self, recipe: &mut BuildArguments, one: Spanned<Allow>) -> Result<()> {
        let offset = one.span().start;
        let Allow { finding, reason } = one.into_inner();
        let Some(finding) = finding else {
            return Err(self.wrong(offset, "allow has no finding"));
        };
        let place = finding.span().start;
        let finding = finding.into_inner();
        let known: Vec<_> = FINDINGS.iter().map(|kind| kind.id).collect();
        let id = waiver(&finding).0.to_owned();
        check_known("finding", &[id], &known).map_err(|failure| self.place(failure, place))?;
        // In one line, as it will be shown.
        let reason = reason.unwrap_or_default();
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        if reason.is_empty() {
            let text = format!("{finding} is allowed without a reason");
            return Err(self
                .wrong(offset, text)
                .hint("say why with reason = \"...\""));
        }
        if reason.contains(char::is_control) {
            let text = format!("the reason for {finding} has control characters");
            return Err(self.wrong(offset, text));
        }
        recipe.allow.push(finding.clone());
        if recipe.reasons.insert(finding.clone(), reason).is_some() {
            return Err(self.wrong(offset, format!("{finding} is allowed twice")));
        }
        Ok(())
    }
}

/// Returns the entries of a table in the order in which they were written.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(
    &'a Spanned<toml::de::DeString<'i>>,
    &'a Spanned<DeValue<'i>>,
)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns the elements of a list, or the only one, if it is not a list.
fn elements<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> &'a [Spanned<DeValue<'i>>] {
    let list = value.get_ref().as_array();
    list.map_or(std::slice::from_ref(value), AsRef::as_ref)
}

/// Returns what serde says of a key's value of this type, in a user's words.
fn in_plain_words(key: &str, found: &str, message: &str) -> String {
    let wanted = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.rsplit_once(", expected "));
    let wanted = match wanted {
        None => return format!("{key}: {message}"),
        Some((_, "a sequence")) => "a list",
        Some((_, "a boolean")) => "true or false",
        Some((_, "path string")) => "a string",
        Some((_, other)) => other,
    };
    format!("{key} takes {wanted}, but this is of type {found}")
}

/// Returns the names that serde knows the fields of a struct by.
fn keys_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // It fails once it was asked, and `keys` is what was wanted.
    let _ = T::deserialize(Fields(&mut keys));
    keys
}

/// A deserializer that has no value, but takes down which fields were asked for.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> std::result::Result<V::Value, Unread> {
        Err(Unread::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> std::result::Result<V::Value, Unread> {
        *self.0 = fields;
        Err(Unread::custom("no value"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::matching::Matching;

    /// Reads a text as if it were that of a file in a directory.
    fn recipe(text: &str) -> Result<BuildArguments> {
        read(Path::new("dir/x.toml"), text)
    }

    #[test]
    fn a_recipe_is_so_long() {
        let scratch = crate::words::scratch::Scratch::new();
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
                assume_next_build: true,
                recommends: true,
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
        let names: Vec<_> = keys.iter().map(|key| (key.name, key.kind)).collect();
        assert_eq!(
            names,
            [
                ("packages", "list of strings"),
                ("repositories", "list of strings"),
                ("allow", "list of tables"),
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
            ("", "dir/x.toml: it has neither packages nor an overlay", ""),
            (
                "name = \"x\"\npackage = [\"a\"]",
                "dir/x.toml:2: unknown key \"package\"",
                "did you mean packages?",
            ),
            (
                "sign-key = \"x\"",
                "dir/x.toml:1: unknown key \"sign-key\"",
                "the keys are packages, repositories, allow, overlay, name, version, build-number, \
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
        assert!(!image.recommends);

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
}
