//! What mkosi would know of each image once it has read its configuration.
//!
//! The order is mkosi's: the files that stand for settings, `mkosi.conf`, what it includes,
//! `mkosi.conf.d`, the profiles. A value that comes later wins, or is added to a list.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use store::order;

use super::ini;
use super::settings::{INHERITED, PATHS, is_list, is_universal, present};
use crate::import::{Fate, Files, MAX_DEPTH, Row, brief, relative};
use crate::words::failure::{Failure, Result};

/// A value of a setting, and where it is from.
#[derive(Debug, Clone)]
pub struct Given {
    /// The value, without specifiers.
    pub value: String,
    /// The file, as it is shown.
    pub file: PathBuf,
    /// The line in it; none if the file itself is the value.
    pub line: Option<usize>,
    /// The directory to which paths in it are relative.
    pub directory: PathBuf,
}

/// What is known of one image.
#[derive(Debug, Default, Clone)]
pub struct Config {
    /// Its name in `mkosi.images`; none of the main image.
    pub image: Option<String>,
    settings: BTreeMap<String, Vec<Given>>,
    /// What can't be said by a setting.
    pub rows: Vec<Row>,
}

/// Whether the settings of a file count.
enum Matched {
    Yes,
    /// No, for this condition.
    No(String),
    /// That depends on this condition, which is of the machine that builds.
    Unknown(String),
}

/// Reads the configuration in one directory.
pub struct Reader<'a> {
    /// The directory, without links.
    root: PathBuf,
    /// The architecture where none is configured, as systemd spells it.
    architecture: &'a str,
    files: Files,
    included: BTreeSet<PathBuf>,
}

impl Config {
    /// The value of a setting that has one, the last that it was given.
    pub fn value(&self, name: &str) -> Option<&Given> {
        self.settings.get(name)?.last()
    }

    /// The values of a setting that is a list, each with where it is from.
    pub fn list(&self, name: &str) -> Vec<(String, &Given)> {
        let is_separator = |c| c == '\n' || c == ',' || (name == "Environment" && c == ' ');
        let mut list = Vec::new();
        for given in self.settings.get(name).into_iter().flatten() {
            let values = given.value.split(is_separator).map(str::trim);
            let values = values.filter(|value| !value.is_empty());
            list.extend(values.map(|value| (value.to_owned(), given)));
        }
        list
    }

    /// All settings by name, each with all that it was given.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.settings.iter().flat_map(|(name, all)| {
            // Of a single value only the last one counts.
            let from = if is_list(name) {
                0
            } else {
                all.len().saturating_sub(1)
            };
            all.iter()
                .skip(from)
                .map(move |given| (name.as_str(), given))
        })
    }

    fn give(&mut self, name: &str, given: Given) {
        let all = self.settings.entry(name.to_owned()).or_default();
        match given.value.is_empty() {
            true => all.clear(),
            false => all.push(given),
        }
    }

    /// What a condition is compared with: `None` if only the machine that builds knows it, and
    /// `Some(None)` if it has no value.
    fn known(&self, name: &str, reader: &Reader<'_>) -> Option<Option<String>> {
        let value = self.value(name).map(|given| given.value.clone());
        match name {
            "Architecture" => Some(Some(
                value.unwrap_or_else(|| reader.architecture.to_owned()),
            )),
            "Format" => Some(Some(value.unwrap_or_else(|| "disk".to_owned()))),
            "ImageId" | "ImageVersion" => Some(value),
            "Distribution" | "Release" => value.map(Some),
            _ => None,
        }
    }
}

impl<'a> Reader<'a> {
    /// Begins with the directory that has `mkosi.conf`.
    pub fn new(shown: &'a Path, architecture: &'a str) -> Result<Self> {
        let failed = |error| Failure::io(format!("reading {}", shown.display()), error);
        let root = std::fs::canonicalize(shown).map_err(failed)?;
        let parts = ["mkosi.conf", "mkosi.conf.d", "mkosi.images"];
        if !parts.iter().any(|name| root.join(name).exists()) {
            let text = anyhow!("{} has no mkosi.conf", shown.display());
            return Err(Failure::refused(text).hint("name the directory in which mkosi is run"));
        }
        Ok(Self {
            root,
            architecture,
            files: Files::default(),
            included: BTreeSet::new(),
        })
    }

    /// The directory, without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path as it is shown: from the directory that was named.
    pub fn shown(&self, path: &Path) -> PathBuf {
        relative(&self.root, path)
    }

    /// Reads all images: the main one first, then the others by name.
    pub fn images(&mut self) -> Result<Vec<Config>> {
        let root = self.root.clone();
        let mut main = Config::default();
        if !self.read(&mut main, &root, &root, true, 0)? {
            return Ok(vec![main]);
        }
        let mut images = vec![main];
        for path in self.entries(&root.join("mkosi.images"))? {
            let is_directory = path.is_dir();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !is_directory && !name.ends_with(".conf") {
                continue;
            }
            let name = name.strip_suffix(".conf").unwrap_or(&name).to_owned();
            let mut config = Config {
                image: Some(name.clone()),
                ..Config::default()
            };
            for setting in INHERITED {
                if let Some(given) = images.first().and_then(|main| main.value(setting)) {
                    config.give(setting, given.clone());
                }
            }
            if let Some(main) = images.first() {
                for (setting, given) in main.all().filter(|(setting, _)| is_universal(setting)) {
                    config.give(setting, given.clone());
                }
            }
            self.included.clear();
            let directory = if is_directory {
                path.clone()
            } else {
                root.clone()
            };
            if !self.read(&mut config, &path, &directory, is_directory, 0)? {
                let rows = std::mem::take(&mut config.rows);
                images
                    .iter_mut()
                    .take(1)
                    .for_each(|main| main.rows.extend(rows.clone()));
                continue;
            }
            images.push(config);
        }
        Ok(images)
    }

    /// Reads a file, or a directory with `mkosi.conf` and what belongs to it; says whether it counts.
    fn read(
        &mut self,
        config: &mut Config,
        path: &Path,
        directory: &Path,
        has_profiles: bool,
        depth: usize,
    ) -> Result<bool> {
        if depth > MAX_DEPTH {
            let text = anyhow!(
                "{}: files include each other more than {MAX_DEPTH} deep",
                path.display()
            );
            return Err(Failure::refused(text));
        }
        let is_directory = path.is_dir();
        let file = if is_directory {
            path.join("mkosi.conf")
        } else {
            path.to_owned()
        };
        let lines = match file.exists() {
            true => {
                let text = self.files.read(&file)?;
                ini::parse(&text).map_err(|failure| failure.at(file.display()))?
            }
            false => Vec::new(),
        };
        let condition = self.matches(config, &lines, directory);
        let refused = match condition {
            Matched::Yes => None,
            Matched::No(condition) => Some(format!("[Match] {condition} is not so here")),
            Matched::Unknown(condition) => Some(format!(
                "[Match] {condition} depends on the machine that builds; write what holds for it"
            )),
        };
        if let Some(text) = refused {
            config.rows.push(Row {
                file: self.shown(&file),
                line: None,
                what: "the whole file".to_owned(),
                fate: Fate::LeftOut,
                text,
            });
            return Ok(false);
        }
        if is_directory {
            self.read_paths(config, path, directory)?;
        }
        for line in lines.iter().filter(|line| !line.key.is_empty()) {
            if !matches!(line.section.as_str(), "Match" | "TriggerMatch") {
                self.take(config, line, &file, directory, depth)?;
            }
        }
        if is_directory {
            for below in self.entries(&path.join("mkosi.conf.d"))? {
                let is_directory = below.is_dir();
                if is_directory || below.extension().is_some_and(|ending| ending == "conf") {
                    let directory = if is_directory {
                        below.clone()
                    } else {
                        directory.to_owned()
                    };
                    self.read(config, &below, &directory, false, depth + 1)?;
                }
            }
        }
        if has_profiles {
            self.read_profiles(config, directory, depth)?;
        }
        Ok(true)
    }

    fn read_profiles(&mut self, config: &mut Config, directory: &Path, depth: usize) -> Result<()> {
        let profiles: Vec<_> = config
            .list("Profiles")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let all = directory.join("mkosi.profiles");
        for path in self.entries(&all)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let name = name.strip_suffix(".conf").unwrap_or(&name).to_owned();
            if !profiles.contains(&name) {
                config.rows.push(Row {
                    file: self.shown(&path),
                    line: None,
                    what: format!("the profile {name}"),
                    fate: Fate::LeftOut,
                    text: "it is not chosen by Profiles=; make a recipe of its own that includes the other".to_owned(),
                });
            }
        }
        for name in profiles {
            for path in [all.join(&name), all.join(format!("{name}.conf"))] {
                if path.exists() {
                    let directory = if path.is_dir() {
                        path.clone()
                    } else {
                        directory.to_owned()
                    };
                    self.read(config, &path, &directory, false, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the files and directories that stand for settings.
    fn read_paths(&mut self, config: &mut Config, path: &Path, directory: &Path) -> Result<()> {
        for local in ["mkosi.local", "mkosi.local.conf"] {
            if path.join(local).exists() {
                config.rows.push(Row {
                    file: self.shown(&path.join(local)),
                    line: None,
                    what: "the whole file".to_owned(),
                    fate: Fate::LeftOut,
                    text: "it is for one machine; options typed with a recipe win over it"
                        .to_owned(),
                });
            }
        }
        for (setting, name) in PATHS {
            let file = path.join(name);
            if !file.exists() || (is_universal(setting) && config.image.is_some()) {
                continue;
            }
            let mode = |path: &Path| {
                path.metadata()
                    .map_or(0, |metadata| metadata.permissions().mode())
            };
            let value = match setting {
                "ImageVersion" if mode(&file) & 0o111 != 0 => {
                    config.rows.push(Row {
                        file: self.shown(&file),
                        line: None,
                        what: "a program that prints ImageVersion=".to_owned(),
                        fate: Fate::LeftOut,
                        text: "nothing is run; give what it prints: --image-version VERSION"
                            .to_owned(),
                    });
                    continue;
                }
                "ImageVersion" => self.files.read(&file)?.trim_end().to_owned(),
                _ => file.display().to_string(),
            };
            config.give(
                setting,
                Given {
                    value,
                    file: self.shown(&file),
                    line: None,
                    directory: directory.to_owned(),
                },
            );
        }
        Ok(())
    }

    /// Takes a setting.
    fn take(
        &mut self,
        config: &mut Config,
        line: &ini::Line,
        file: &Path,
        directory: &Path,
        depth: usize,
    ) -> Result<()> {
        let name = present(&line.key);
        let shown = self.shown(file);
        let row = |text: &str| Row {
            file: shown.clone(),
            line: Some(line.number),
            what: format!("{}={}", line.key, brief(&line.value)),
            fate: Fate::LeftOut,
            text: text.to_owned(),
        };
        if is_universal(name) && config.image.is_some() {
            config
                .rows
                .push(row("mkosi refuses it in an image below the main one"));
            return Ok(());
        }
        let value = match self.expanded(config, &line.value, file, directory) {
            Ok(value) => value,
            Err(specifier) => {
                config.rows.push(row(&format!(
                    "what {specifier} stands for is not known here"
                )));
                return Ok(());
            }
        };
        config.give(
            name,
            Given {
                value: value.clone(),
                file: self.shown(file),
                line: Some(line.number),
                directory: directory.to_owned(),
            },
        );
        if name != "Include" {
            return Ok(());
        }
        for path in value
            .split([',', '\n'])
            .map(str::trim)
            .filter(|path| !path.is_empty())
        {
            let path = directory.join(path);
            let Ok(path) = std::fs::canonicalize(&path) else {
                config.rows.push(row(
                    "there is no such file; mkosi has some of its own, which are not known here",
                ));
                continue;
            };
            if self.included.insert(path.clone()) {
                let is_directory = path.is_dir();
                let directory = if is_directory {
                    path.clone()
                } else {
                    directory.to_owned()
                };
                self.read(config, &path, &directory, is_directory, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The entries of a directory in byte order; none if it is not there.
    fn entries(&self, path: &Path) -> Result<Vec<PathBuf>> {
        if !path.is_dir() {
            return Ok(Vec::new());
        }
        let directory = files::Directory::open(path, files::Links::Follow)?;
        let mut names = directory.names()?;
        names.sort();
        Ok(names.iter().map(|name| path.join(name)).collect())
    }

    /// Puts in what specifiers stand for; fails with one that is not known here.
    fn expanded(
        &self,
        config: &Config,
        text: &str,
        file: &Path,
        directory: &Path,
    ) -> std::result::Result<String, String> {
        let mut expanded = String::new();
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            if c != '%' {
                expanded.push(c);
                continue;
            }
            let Some(specifier) = characters.next() else {
                expanded.push('%');
                break;
            };
            let known = |name: &str| config.known(name, self).flatten();
            let value = match specifier {
                '%' => Some("%".to_owned()),
                'C' => file.parent().map(|parent| parent.display().to_string()),
                'P' => Some(directory.display().to_string()),
                'D' => Some(self.root.display().to_string()),
                'I' => Some(config.image.clone().unwrap_or_default()),
                'O' => Some(self.output(config).display().to_string()),
                'a' => known("Architecture"),
                'd' => known("Distribution"),
                'r' => known("Release"),
                't' => known("Format"),
                'i' => known("ImageId"),
                'v' => known("ImageVersion"),
                'o' => config.value("Output").map(|given| given.value.clone()),
                _ => None,
            };
            expanded += &value.ok_or_else(|| format!("%{specifier}"))?;
        }
        Ok(expanded)
    }

    /// The directory that mkosi writes images to.
    pub fn output(&self, config: &Config) -> PathBuf {
        match config.value("OutputDirectory") {
            Some(given) => given.directory.join(&given.value),
            None => self.root.clone(),
        }
    }

    /// Whether the settings of a file count, by its conditions.
    fn matches(&self, config: &Config, lines: &[ini::Line], directory: &Path) -> Matched {
        let mut sections: Vec<(&str, Vec<&ini::Line>)> = Vec::new();
        let mut open = Vec::new();
        for line in lines
            .iter()
            .filter(|line| matches!(line.section.as_str(), "Match" | "TriggerMatch"))
        {
            match line.key.is_empty() {
                true => sections.push((&line.section, std::mem::take(&mut open))),
                false => open.push(line),
            }
        }
        let mut unknown = None;
        let mut triggers: Vec<Matched> = Vec::new();
        for (section, lines) in sections {
            let matched = self.all_match(config, &lines, directory);
            match (section, matched) {
                ("TriggerMatch", matched) => triggers.push(matched),
                (_, Matched::No(condition)) => return Matched::No(condition),
                (_, Matched::Unknown(condition)) => unknown = Some(condition),
                (_, Matched::Yes) => {}
            }
        }
        let is_triggered =
            triggers.is_empty() || triggers.iter().any(|one| matches!(one, Matched::Yes));
        if !is_triggered {
            let is_unknown = |one: &Matched| matches!(one, Matched::Unknown(_));
            let at = triggers.iter().position(is_unknown).unwrap_or(0);
            return triggers.swap_remove(at);
        }
        unknown.map_or(Matched::Yes, Matched::Unknown)
    }

    /// Whether the conditions of one section hold: each, and one of those that begin with `|`.
    fn all_match(&self, config: &Config, lines: &[&ini::Line], directory: &Path) -> Matched {
        let (mut unknown, mut alternatives) = (None, Vec::new());
        for line in lines {
            let shown = format!("{}={}", line.key, line.value);
            let value = line.value.as_str();
            let (value, is_alternative) = match value.strip_prefix('|') {
                Some(rest) => (rest, true),
                None => (value, false),
            };
            let (value, is_negated) = match value.strip_prefix('!') {
                Some(rest) => (rest, true),
                None => (value, false),
            };
            let holds = self
                .holds(config, &line.key, value, directory)
                .map(|holds| holds != is_negated);
            match (is_alternative, holds) {
                (false, Some(false)) => return Matched::No(shown),
                (false, None) => unknown = Some(shown),
                (false, Some(true)) => {}
                (true, holds) => alternatives.push((holds, shown)),
            }
        }
        let is_met =
            alternatives.is_empty() || alternatives.iter().any(|(holds, _)| *holds == Some(true));
        if !is_met {
            let open = alternatives.iter().find(|(holds, _)| holds.is_none());
            if let Some((_, shown)) = open {
                return Matched::Unknown(shown.clone());
            }
            let all: Vec<_> = alternatives.into_iter().map(|(_, shown)| shown).collect();
            return Matched::No(all.join(", "));
        }
        unknown.map_or(Matched::Yes, Matched::Unknown)
    }

    /// Whether one condition holds; `None` if that is not known here.
    fn holds(&self, config: &Config, key: &str, value: &str, directory: &Path) -> Option<bool> {
        let value = self.expanded(config, value, directory, directory).ok()?;
        let value = value.as_str();
        let contains = |name: &str| {
            let list = config.list(name);
            match value.is_empty() {
                true => list.is_empty(),
                false => list.iter().any(|(one, _)| one == value),
            }
        };
        match present(key) {
            "PathExists" => Some(directory.join(value).exists()),
            name @ ("Profiles" | "Repositories") => Some(contains(name)),
            "Environment" => Some(config.list("Environment").iter().any(|(one, _)| {
                one == value
                    || (!value.contains('=')
                        && one.split_once('=').is_some_and(|(key, _)| key == value))
            })),
            "ImageVersion" => {
                let known = config.known("ImageVersion", self)?;
                Some(known.is_some_and(|known| is_version(value, &known)))
            }
            "ImageId" if value.contains(['*', '?', '[']) => None,
            name => Some(config.known(name, self)?.as_deref() == Some(value)),
        }
    }
}

/// Whether a version is as a condition such as `>=1.0` demands.
fn is_version(condition: &str, version: &str) -> bool {
    type Holds = fn(std::cmp::Ordering) -> bool;
    let operators: [(&str, Holds); 6] = [
        ("==", std::cmp::Ordering::is_eq),
        ("!=", std::cmp::Ordering::is_ne),
        ("<=", std::cmp::Ordering::is_le),
        (">=", std::cmp::Ordering::is_ge),
        (">", std::cmp::Ordering::is_gt),
        ("<", std::cmp::Ordering::is_lt),
    ];
    let given = operators
        .iter()
        .find_map(|(sign, holds)| Some((condition.strip_prefix(sign)?, *holds)));
    let (other, holds) = given.unwrap_or((condition, std::cmp::Ordering::is_eq));
    holds(order::systemd(version, other))
}
