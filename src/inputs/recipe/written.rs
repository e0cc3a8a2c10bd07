//! A recipe that is written instead of read: what one would type, with what each key means.

use std::path::{Component, Path, PathBuf};

use clap::{Parser as _, ValueEnum};

use super::file::{self, Origin, is_labelling};
use super::keys::{Key, keys};
use super::layers::{Layers, is_name};
use super::merged;
use crate::alive::places::Etc;
use crate::cli::{BuildArguments, Cli, ImageArguments, InitArguments};
use crate::inputs::Inputs;
use crate::packages::repository;
use crate::plan::build_number::Numbering;
use crate::words::failure::{Failure, Result};

/// Keys that most recipes have sooner or later, in the order in which they are written, each with
/// an example for where it was not said.
const USUAL: [(&str, &str); 11] = [
    ("name", "\"tools\""),
    ("version", "\"1\""),
    ("packages", "[\"strace\"]"),
    ("repositories", "[\"oss=https://example.org/oss/\"]"),
    ("base", "\"base.packages\""),
    ("os-release", "\"os-release\""),
    ("arch", "\"x86-64\""),
    ("lock", "\"tools.lock\""),
    ("exclude", "[\"*-devel\"]"),
    ("drop", "[\"drop-docs\"]"),
    ("include", "[\"../common.toml\"]"),
];

/// Keys that are tables, which come last.
const TABLES: [(&str, &str); 2] = [
    (
        "allow",
        "[[allow]]\nfinding = \"shadows-base\"\nreason = \"why this is fine\"",
    ),
    ("for", "[for.arm64]\npackages = [\"numactl\"]"),
];

/// Longest line of a comment.
const WIDTH: usize = 100;

/// A value of a key.
enum Value {
    Text(String),
    List(Vec<String>),
    Flag(bool),
    Settings(Vec<Etc>),
}

/// Says whether a recipe of what was typed can be built as it is: names need a repository.
pub fn is_complete(typed: &InitArguments) -> bool {
    let is_name = |package: &String| is_name(package, Path::new(package), false);
    !typed.repo.is_empty() || !typed.packages.iter().any(is_name)
}

/// Returns the text of a recipe for what was typed, which will be the file `path`. `build` is the
/// command that builds it. What makes no sense is refused as if it were read.
pub fn written(typed: &InitArguments, path: &Path, build: &str) -> Result<String> {
    let text = text(typed, path, build)?;
    let said = file::read(Origin {
        path,
        text: &text,
        is_included: false,
    })?;
    let recipe = Layers(said.layers).flattened(path, None)?;
    if is_complete(typed) {
        Inputs::new(&merged(recipe, &nothing_typed()?))?;
    }
    Ok(text)
}

/// Returns the arguments of a command line that has none.
pub fn nothing_typed() -> Result<BuildArguments> {
    let parsed = Cli::try_parse_from([env!("CARGO_PKG_NAME")]);
    Ok(parsed.map_err(Failure::usage)?.build)
}

/// Returns a recipe of what was typed, however little sense it makes.
pub fn text(typed: &InitArguments, path: &Path, build: &str) -> Result<String> {
    let place = Place::of(path)?;
    let mut said = vec![("packages", Value::List(packages(typed, &place)?))];
    let mut repositories = Vec::new();
    for value in &typed.repo {
        repositories.push(repository::moved(value, |path| place.seen(path))?);
    }
    said.push(("repositories", Value::List(repositories)));
    said.extend(image(&typed.image, &place)?);
    said.retain(|(_, value)| !matches!(value, Value::List(list) if list.is_empty()));

    let keys = keys();
    let mut text = format!(
        "# A recipe of sysext-build: what an image is made of, and for which system it is. To build it:\n\
         #\n\
         #     {build}\n\
         #\n\
         # Paths are relative to this file. Lines such as \"#name =\" are examples of what else can be said;\n\
         # sysext-build-recipe(5) has every key. An editor that knows schemas (taplo, Even Better TOML)\n\
         # completes and checks keys, if this file begins with the line \"#:schema ./recipe.schema.json\",\n\
         # and that file was written by: sysext-build init --schema > recipe.schema.json\n"
    );
    let find = |name: &str| said.iter().find(|(key, _)| *key == name);
    for (name, example) in USUAL {
        let value = find(name).map(|(_, value)| value);
        add(&mut text, &keys, name);
        match value {
            Some(value) => text += &format!("{name} = {}\n", shown(value)),
            None => text += &format!("#{name} = {example}\n"),
        }
    }
    let is_usual = |name: &str| USUAL.iter().any(|(usual, _)| *usual == name);
    for (name, value) in said.iter().filter(|(name, _)| !is_usual(name)) {
        add(&mut text, &keys, name);
        text += &format!("{name} = {}\n", shown(value));
    }
    for (name, example) in TABLES {
        add(&mut text, &keys, name);
        for line in example.lines() {
            text += &format!("#{line}\n");
        }
    }
    Ok(text)
}

/// Returns the packages as a recipe in another directory names them.
fn packages(typed: &InitArguments, place: &Place) -> Result<Vec<String>> {
    let mut packages = Vec::new();
    for package in &typed.packages {
        if is_name(package, Path::new(package), !typed.repo.is_empty()) {
            packages.push(package.clone());
            continue;
        }
        let file = as_text(&place.seen(Path::new(package)))?;
        packages.push(match file.contains('/') || file.ends_with(".rpm") {
            true => file,
            false => format!("./{file}"),
        });
    }
    Ok(packages)
}

/// Returns the paths that were given, as they are seen from the recipe.
fn seen(
    paths: &[(&'static str, &Option<PathBuf>)],
    place: &Place,
) -> Result<Vec<(&'static str, Value)>> {
    let given = (paths.iter()).filter_map(|(name, path)| Some((*name, path.as_ref()?)));
    let text = |(name, path): (&'static str, &PathBuf)| {
        let path = match name == "selinux" && is_labelling(path) {
            true => path.clone(),
            false => place.seen(path),
        };
        Ok((name, Value::Text(as_text(&path)?)))
    };
    given.map(text).collect()
}

/// Returns what was said of an image, by the names of the keys.
fn image(image: &ImageArguments, place: &Place) -> Result<Vec<(&'static str, Value)>> {
    // Every key is named, so that the compiler asks for a new one.
    let ImageArguments {
        overlay,
        name,
        image_version,
        build_number,
        arch,
        scope,
        selinux,
        start,
        preset,
        no_merge_unit,
        base,
        base_install,
        assume_next_build,
        lock,
        os_release,
        releasever,
        set,
        exclude,
        module,
        recommends,
        matching,
        with,
        compression,
        format,
        block_size,
        keep,
        drop,
        etc,
        opt,
        sbom,
        blocks,
    } = image;
    let paths = [
        ("overlay", overlay),
        ("base", base),
        ("lock", lock),
        ("os-release", os_release),
        ("selinux", selinux),
    ];
    let mut said = seen(&paths, place)?;
    let number = build_number.as_ref().map(|number| match number {
        Numbering::Auto => "auto".to_owned(),
        Numbering::None => "none".to_owned(),
        Numbering::Given(number) => number.to_string(),
    });
    let matching = matching.as_ref().and_then(named);
    let format = format.as_ref().and_then(named);
    for (key, value) in [
        ("name", name),
        ("version", image_version),
        ("build-number", &number),
        ("arch", arch),
        ("scope", scope),
        ("releasever", releasever),
        ("match", &matching),
        ("compression", compression),
        ("format", &format),
        ("block-size", block_size),
    ] {
        said.extend(value.clone().map(|value| (key, Value::Text(value))));
    }
    for (key, flag) in [
        ("preset", preset),
        ("no-merge-unit", no_merge_unit),
        ("assume-next-build", assume_next_build),
        ("recommends", recommends),
        ("blocks", blocks),
    ] {
        said.extend(flag.map(|flag| (key, Value::Flag(flag))));
    }
    let with: Vec<_> = with
        .iter()
        .map(|path| as_text(&place.seen(path)))
        .collect::<Result<_>>()?;
    let sbom: Vec<_> = sbom.iter().filter_map(named).collect();
    for (key, list) in [
        ("start", start),
        ("base-install", base_install),
        ("set", set),
        ("exclude", exclude),
        ("module", module),
        ("with", &with),
        ("keep", keep),
        ("drop", drop),
        ("sbom", &sbom),
    ] {
        said.push((key, Value::List(list.clone())));
    }
    if !etc.is_empty() {
        said.push(("etc", Value::Settings(etc.clone())));
    }
    said.extend(opt.map(|opt| ("opt", Value::Text(opt.name().to_owned()))));
    Ok(said)
}

/// Returns what the command line calls a value.
fn named(value: &impl ValueEnum) -> Option<String> {
    Some(value.to_possible_value()?.get_name().to_owned())
}

/// Adds an empty line, and what a key means.
fn add(text: &mut String, keys: &[Key], name: &str) {
    let meaning = keys
        .iter()
        .find(|key| key.name == name)
        .map(|key| &key.meaning);
    let mut line = "\n#".to_owned();
    for word in meaning.into_iter().flat_map(|meaning| meaning.split(' ')) {
        if line.len() + word.len() > WIDTH {
            *text += &line;
            line = "\n#".to_owned();
        }
        line.push(' ');
        line += word;
    }
    *text += &line;
    *text += ".\n";
}

/// Returns a value in TOML.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::List(list) => {
            let list: Vec<_> = list.iter().map(|text| quoted(text)).collect();
            format!("[{}]", list.join(", "))
        }
        Value::Flag(flag) => flag.to_string(),
        Value::Settings(said) => match &said[..] {
            [
                Etc {
                    path: None,
                    treatment,
                },
            ] => quoted(treatment.name()),
            _ => {
                let tables = said.iter().map(|Etc { path, treatment }| {
                    let path = path
                        .as_deref()
                        .map(|path| format!("path = {}, ", quoted(path)));
                    let treatment = quoted(treatment.name());
                    format!("{{ {}as = {treatment} }}", path.unwrap_or_default())
                });
                format!("[{}]", tables.collect::<Vec<_>>().join(", "))
            }
        },
    }
}

/// Returns a string in TOML.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, but it leaves DEL as it is.
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

fn as_text(path: &Path) -> Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("{} is not UTF-8", path.display())))
}

/// Where a recipe is, and where one types. Both are without links.
struct Place {
    recipe: PathBuf,
    working: PathBuf,
}

impl Place {
    fn of(recipe: &Path) -> Result<Self> {
        let real = |path: &Path| {
            path.canonicalize()
                .map_err(|error| Failure::io(format!("reading {}", path.display()), error))
        };
        let directory = recipe.parent().filter(|path| !path.as_os_str().is_empty());
        Ok(Self {
            recipe: real(directory.unwrap_or(Path::new(".")))?,
            working: real(Path::new("."))?,
        })
    }

    /// Returns how a path that was typed is named in the recipe.
    fn seen(&self, path: &Path) -> PathBuf {
        if path.is_absolute() || self.recipe == self.working {
            return path.to_owned();
        }
        // Only what leads out of the working directory is known to be without links.
        let mut whole = self.working.clone();
        let mut rest = path.components().peekable();
        while let Some(Component::ParentDir | Component::CurDir) = rest.peek() {
            if rest.next() == Some(Component::ParentDir) {
                whole.pop();
            }
        }
        whole.extend(rest);
        let common = |(one, other): &(Component<'_>, Component<'_>)| one == other;
        let parts = self.recipe.components().zip(whole.components());
        let shared = parts.take_while(common).count();
        // If they have nothing but the root in common, there is no way that stays right when both move.
        if shared < 2 {
            return whole;
        }
        let up = self
            .recipe
            .components()
            .skip(shared)
            .map(|_| Component::ParentDir);
        let seen: PathBuf = up.chain(whole.components().skip(shared)).collect();
        match seen.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_from_the_recipe() {
        for (recipe, working, path, expected) in [
            ("/a/b", "/a/b", "x/../y", "x/../y"),
            ("/a/b", "/a/b", "/x", "/x"),
            ("/a/b", "/a", "x", "../x"),
            ("/a/b", "/a", "b/x/../y", "x/../y"),
            ("/a/b", "/a", "./b", "."),
            ("/a", "/a/b", "x", "b/x"),
            ("/a", "/a/b", "../x", "x"),
            ("/a/b/c", "/a/d", "../e/f", "../../e/f"),
            ("/a/b/c", "/a/d", "../../e/f", "/e/f"),
            ("/a", "/b", "x", "/b/x"),
        ] {
            let place = Place {
                recipe: recipe.into(),
                working: working.into(),
            };
            let seen = place.seen(Path::new(path));
            assert_eq!(
                seen,
                Path::new(expected),
                "{path} in {working} from {recipe}"
            );
        }
    }

    #[test]
    fn strings() {
        let text = "a\"\\\u{1}\u{7f}\u{8}\n\u{e4}";
        let table: toml::Table = toml::from_str(&format!("a = {}", quoted(text))).unwrap();
        assert_eq!(table["a"].as_str(), Some(text));
    }
}
