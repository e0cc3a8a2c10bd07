//! One file of a recipe: the only reader of TOML.

use std::path::{Path, PathBuf};

use architecture::Architecture;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{Allow, OF_THE_WHOLE, Own, keys_of};
use crate::cli::ImageArguments;
use crate::findings::{FINDINGS, waiver};
use crate::inputs::unknown_architecture;
use crate::packages::repository;
use crate::trial::test::Test;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::{check_known, nearest};

/// Says whether what is said of labels is a word, and not the path of file contexts.
pub fn is_labelling(path: &Path) -> bool {
    [Path::new("auto"), Path::new("none")].contains(&path)
}

/// What a file says.
#[derive(Debug)]
pub struct File {
    /// The files that it includes, as it names them, and where it does.
    pub includes: Vec<(String, usize)>,
    /// What its tables say: first that of the whole file, then the parts for an architecture.
    pub layers: Vec<Layer>,
}

/// What one table of a file says. Its paths are those that this process can open.
#[derive(Debug, Default)]
pub struct Layer {
    /// The architecture that it is for, as it was named; without one, for all.
    pub only: Option<String>,
    /// The keys that options have, too.
    pub image: ImageArguments,
    /// Packages: each as it was written, and the file that it may mean.
    pub packages: Vec<(String, PathBuf)>,
    /// Repositories, as `--repo` takes them.
    pub repo: Vec<String>,
    /// Findings that are allowed, each with its reason.
    pub allow: Vec<(String, String)>,
    /// What has to hold where the image is merged.
    pub tests: Vec<Test>,
}

/// Reads a file's text.
pub fn read(origin: Origin<'_>) -> Result<File> {
    let table = DeTable::parse(origin.text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        origin.wrong(offset, error.message())
    })?;
    origin.check(table.get_ref(), None)?;
    let (own, first) = origin.layer(&table)?;
    let mut layers = vec![first];
    let parts = match table.get_ref().get("for") {
        None => Vec::new(),
        Some(value) => match value.get_ref().as_table() {
            Some(parts) => in_order(parts),
            None => {
                let wanted = "tables, one for each architecture, as in [for.arm64]";
                let found = value.get_ref().type_str();
                let text = format!("for takes {wanted}, but this is of type {found}");
                return Err(origin.wrong(value.span().start, text));
            }
        },
    };
    let mut named: Vec<(Architecture, &str)> = Vec::new();
    for (name, part) in parts {
        let (key, start) = (name.get_ref().as_ref(), name.span().start);
        let Some(architecture) = Architecture::named(key) else {
            let failure = unknown_architecture(&format!("for.{key}"), key);
            return Err(origin.place(failure, start));
        };
        let is_same = |one: Architecture| one.covers(architecture) && architecture.covers(one);
        if let Some((_, other)) = named.iter().find(|(one, _)| is_same(*one)) {
            let text = format!("[for.{key}] and [for.{other}] are for the same architecture");
            let failure = Failure::usage(text).hint("put all of it into one table");
            return Err(origin.place(failure, start));
        }
        named.push((architecture, key));
        let Some(table) = part.get_ref().as_table() else {
            let found = part.get_ref().type_str();
            let text = format!("for.{key} takes a table, but this is of type {found}");
            return Err(origin.wrong(part.span().start, text));
        };
        origin.check(table, Some(key))?;
        let (_, mut layer) = origin.layer(&Spanned::new(part.span(), table.clone()))?;
        layer.only = Some(key.to_owned());
        layers.push(layer);
    }
    let includes = own.include.into_iter();
    Ok(File {
        includes: includes
            .map(|one| (one.get_ref().clone(), one.span().start))
            .collect(),
        layers,
    })
}

/// Where a text comes from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The file.
    pub path: &'a Path,
    /// All of it.
    pub text: &'a str,
    /// It is not the recipe, but was included.
    pub is_included: bool,
}

impl Origin<'_> {
    /// Refuses what is at this offset.
    fn wrong(self, offset: usize, text: impl std::fmt::Display) -> Failure {
        self.place(Failure::usage(text), offset)
    }

    /// Says at which line something is wrong.
    pub fn place(self, failure: Failure, offset: usize) -> Failure {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        failure.at(format_args!("{}:{line}", self.path.display()))
    }

    /// Returns the directory that paths are relative to.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Refuses keys that are not known, or not there, and strings that are empty. `part` is the
    /// architecture that the table is for.
    fn check(self, table: &DeTable<'_>, part: Option<&str>) -> Result<()> {
        let mut known = [keys_of::<Own>(), keys_of::<ImageArguments>()].concat();
        known.retain(|key| part.is_none() || !OF_THE_WHOLE.contains(key));
        for (key, value) in in_order(table) {
            let (name, start) = (key.get_ref().as_ref(), key.span().start);
            if let Some(part) = part.filter(|_| OF_THE_WHOLE.contains(&name)) {
                let text = format!("{name} can't be in [for.{part}]: it is for the whole file");
                return Err(self.wrong(start, text));
            }
            if self.is_included && name == "lock" {
                let text = "a lock is of one recipe, so it can't be in a file that is included";
                return Err(self.wrong(start, text));
            }
            self.check_key(key, &known)?;
            for element in elements(value) {
                if element.get_ref().as_str() == Some("") {
                    let text = format!("{name}: the string is empty");
                    return Err(self.wrong(element.span().start, text));
                }
                let inner = match name {
                    "allow" => keys_of::<Allow>(),
                    "test" => keys_of::<Test>(),
                    _ => continue,
                };
                let table = element.get_ref().as_table();
                // The fields of a struct could come as a list, too.
                if element.get_ref().is_array() {
                    let text = format!("{name} takes tables, but this is of type array");
                    return Err(self.wrong(element.span().start, text));
                }
                for (key, _) in table.into_iter().flat_map(in_order) {
                    self.check_key(key, inner)?;
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

    /// Takes what a table says, in two readings: each knows its keys, and it was checked before that
    /// one does.
    fn layer(self, table: &Spanned<DeTable<'_>>) -> Result<(Own, Layer)> {
        let mut own: Own = self.take(table)?;
        let mut image: ImageArguments = self.take(table)?;
        let directory = self.directory();
        let paths = [
            &mut image.overlay,
            &mut image.base,
            &mut image.lock,
            &mut image.os_release,
        ];
        let contexts = image.selinux.as_mut().filter(|path| !is_labelling(path));
        let paths = paths.into_iter().flatten().chain(contexts);
        for path in paths.chain(&mut image.with) {
            *path = directory.join(&*path);
        }
        if image.base.is_some() && !image.base_install.is_empty() {
            let text = "base and base-install can't be used together";
            return Err(Failure::usage(text).at(self.path.display()));
        }
        let mut layer = Layer {
            image,
            ..Layer::default()
        };
        for package in std::mem::take(&mut own.packages) {
            let file = directory.join(&package);
            layer.packages.push((package, file));
        }
        for value in &own.repositories {
            let place = repository::below(directory, value.get_ref())
                .map_err(|failure| self.place(failure, value.span().start))?;
            layer.repo.push(place);
        }
        for one in std::mem::take(&mut own.allow) {
            self.allow(&mut layer, one)?;
        }
        for one in std::mem::take(&mut own.test) {
            layer.tests.push(self.test(one)?);
        }
        Ok((own, layer))
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
            let failure = self.wrong(offset, in_plain_words(key, found, error.message()));
            match (key, found) {
                ("arch", "table") => {
                    failure.hint("what holds for one architecture only is in [for.NAME]")
                }
                _ => failure,
            }
        })
    }

    /// Takes what has to hold, which is to be something.
    fn test(self, one: Spanned<Test>) -> Result<Test> {
        let offset = one.span().start;
        let test = one.into_inner();
        let lists = [("exists", &test.exists), ("units", &test.units)];
        let mut texts = Vec::new();
        for (name, list) in lists {
            match list {
                None => {}
                Some(list) if list.is_empty() => {
                    return Err(self.wrong(offset, format!("{name}: the list is empty")));
                }
                Some(list) => texts.extend(list.iter().map(|text| (name, text))),
            }
        }
        texts.extend(test.run.iter().map(|text| ("run", text)));
        if texts.is_empty() {
            return Err(self.wrong(offset, "test has neither run nor exists nor units"));
        }
        for (name, text) in texts {
            if text.is_empty() {
                return Err(self.wrong(offset, format!("{name}: the string is empty")));
            }
            if text.contains('\0') {
                return Err(self.wrong(offset, format!("{name}: the string has a NUL character")));
            }
            if name == "exists" && !text.starts_with('/') {
                let wrong = format!("exists: {text} does not begin with /");
                return Err(self.wrong(offset, wrong));
            }
        }
        Ok(test)
    }

    /// Takes a finding that is allowed, and why.
    fn allow(self, layer: &mut Layer, one: Spanned<Allow>) -> Result<()> {
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
        if layer.allow.iter().any(|(other, _)| *other == finding) {
            return Err(self.wrong(offset, format!("{finding} is allowed twice")));
        }
        layer.allow.push((finding, reason));
        Ok(())
    }
}

/// Returns the entries of a table in the order in which they were written.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
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
