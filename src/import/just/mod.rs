//! Justfiles that import `sysext.just`, from which Fedora's extensions are made: variables say what
//! is in an image, and recipes that are overridden do the rest.

mod parse;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use architecture::Architecture;
use parse::{Statement, Term, parse};

use super::{Fate, Files, Imported, MAX_DEPTH, Recipe, Row, brief, relative};
use crate::words::failure::{Failure, Result};

/// A variable, and where it is set.
struct Variable {
    terms: Vec<Term>,
    file: PathBuf,
    line: usize,
    /// How many imports lead to the file.
    depth: usize,
}

/// What a justfile says, and what it imports.
#[derive(Default)]
struct Justfile {
    variables: BTreeMap<String, Variable>,
    files: Files,
    rows: Vec<Row>,
}

const DOCUMENT: &str = "justfile";

/// Makes a recipe of the justfile in `path`, or in that directory. It will be in `output`, a path
/// without links; `architecture` is that of this machine or the one that was asked for.
pub fn import(path: &Path, output: &Path, architecture: &str) -> Result<Imported> {
    let shown = match path.is_dir() {
        true => path.join(DOCUMENT),
        false => path.to_owned(),
    };
    let failed = |error| Failure::io(format!("reading {}", shown.display()), error);
    let file = std::fs::canonicalize(&shown).map_err(failed)?;
    let mut justfile = Justfile::default();
    let document = PathBuf::from(file.file_name().unwrap_or_default());
    justfile.read(&file, &document, 0)?;
    let Some((name, _)) = justfile.value("name", architecture) else {
        return Ok(Imported {
            recipes: Vec::new(),
            others: vec![Row {
                file: shown,
                line: None,
                what: "the whole file".to_owned(),
                fate: Fate::LeftOut,
                text: "it sets no name, as justfiles of extensions do".to_owned(),
            }],
        });
    };
    let mut writer = Writer {
        directory: file.parent().unwrap_or(Path::new("/")).to_owned(),
        output,
        recipe: Recipe::new(
            &name,
            relative(output, &file).display().to_string(),
            std::mem::take(&mut justfile.rows),
        ),
        justfile,
        architecture,
    };
    writer.write(&name);
    Ok(Imported {
        recipes: vec![writer.recipe],
        others: Vec::new(),
    })
}

impl Justfile {
    fn read(&mut self, file: &Path, shown: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            let text = anyhow!(
                "{}: files import each other more than {MAX_DEPTH} deep",
                file.display()
            );
            return Err(Failure::refused(text));
        }
        let text = self.files.read(file)?;
        for (line, statement) in parse(&text) {
            let row = |what: String, fate, text: &str| Row {
                file: shown.to_owned(),
                line: Some(line),
                what,
                fate,
                text: text.to_owned(),
            };
            match statement {
                Statement::Variable(name, terms) => {
                    // The file that imports wins over what it imports, a later line over an earlier.
                    let is_deeper =
                        (self.variables.get(&name)).is_some_and(|known| known.depth < depth);
                    if !is_deeper {
                        let file = shown.to_owned();
                        self.variables.insert(
                            name,
                            Variable {
                                terms,
                                file,
                                line,
                                depth,
                            },
                        );
                    }
                }
                Statement::Import(path, must_be) => {
                    let imported = file.parent().unwrap_or(Path::new("/")).join(&path);
                    let shown = shown.parent().unwrap_or(Path::new("")).join(&path);
                    if imported.is_file() {
                        self.read(&imported, &shown, depth + 1)?;
                    } else if must_be {
                        let text = "there is no such file; the defaults that it has are those of Fedora's sysext.just here";
                        self.rows
                            .push(row(format!("import {path}"), Fate::LeftOut, text));
                    }
                }
                Statement::Recipe(name, has_commands) if depth == 0 => {
                    let (fate, text) = match (name.as_str(), has_commands) {
                        (_, false) => (Fate::Unneeded, "it has no commands"),
                        ("version", true) => (
                            Fate::LeftOut,
                            "nothing is run; give what it prints: version = \"...\"",
                        ),
                        ("download-manual", true) => (
                            Fate::LeftOut,
                            "nothing is run; put what it fetches into a directory, and name that in overlay",
                        ),
                        (_, true) => (
                            Fate::LeftOut,
                            "nothing is run; put the files that it makes into a directory, and name that in overlay",
                        ),
                    };
                    self.rows
                        .push(row(format!("the recipe {name}"), fate, text));
                }
                // What the file that all import does is what this program does.
                Statement::Recipe(..) => {}
                Statement::Other(text) => {
                    self.rows
                        .push(row(brief(&text), Fate::LeftOut, "it was not understood"))
                }
            }
        }
        Ok(())
    }

    /// The value of a variable that is set, and where; `None` if it can't be known.
    fn value(&self, name: &str, architecture: &str) -> Option<(String, &Variable)> {
        let variable = self.variables.get(name)?;
        Some((self.evaluated(variable, architecture, 0)?, variable))
    }

    fn evaluated(&self, variable: &Variable, architecture: &str, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut text = String::new();
        for term in &variable.terms {
            match term {
                Term::Text(part) => text += part,
                Term::Architecture => text += Architecture::named(architecture)?.rpm(),
                Term::Variable(name) => {
                    text += &self.evaluated(self.variables.get(name)?, architecture, depth + 1)?;
                }
                Term::Unknown => return None,
            }
            if text.len() as u64 > super::MAX_FILE {
                return None;
            }
        }
        Some(text)
    }
}

struct Writer<'a> {
    justfile: Justfile,
    /// The directory of the justfile, without links.
    directory: PathBuf,
    output: &'a Path,
    architecture: &'a str,
    recipe: Recipe,
}

/// Variables that only say how sysext.just does its work.
const OWN: [&str; 4] = ["debug", "podman_opts", "podman_extra_opts", "arch"];

impl Writer<'_> {
    fn write(&mut self, name: &str) {
        self.recipe.text("name", name);
        self.row("name", Fate::Taken, "name");
        self.packages(name);
        self.repositories();
        self.base(name);
        self.files();
        self.recipe.text("match", "any");
        self.rest();
    }

    /// The words of a variable; none if it is not set, or can't be known.
    fn words(&self, name: &str) -> Vec<String> {
        let value = self.justfile.value(name, self.architecture);
        let value = value.map(|(value, _)| value).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    }

    /// Says what becomes of a variable, unless it is a default.
    fn row(&mut self, name: &str, fate: Fate, text: impl Into<String>) {
        let Some(variable) = self.justfile.variables.get(name) else {
            return;
        };
        let value = self
            .justfile
            .value(name, self.architecture)
            .map(|(value, _)| value);
        if variable.depth > 0 && value.as_deref().is_none_or(|value| value.trim().is_empty()) {
            return;
        }
        let (fate, text) = match value {
            Some(_) => (fate, text.into()),
            None => (
                Fate::LeftOut,
                "its value is known only when it is run; write it yourself".to_owned(),
            ),
        };
        self.recipe.rows.push(Row {
            file: variable.file.clone(),
            line: Some(variable.line),
            what: format!(
                "{name} := {}",
                brief(&value.unwrap_or_else(|| "...".to_owned()))
            ),
            fate,
            text,
        });
    }

    fn packages(&mut self, name: &str) {
        let mut packages = self.words("packages");
        self.row("packages", Fate::Taken, "packages");
        let version = self.words("version_package");
        if let Some(version) = version.first() {
            let at = packages.iter().position(|package| package == version);
            let names_another = packages
                .iter()
                .any(|package| package == name && name != version);
            match (at, names_another) {
                (Some(at), false) => {
                    // The first one gives the version, unless one has the extension's name.
                    if let Some(first) = packages.get_mut(..=at) {
                        first.rotate_right(1);
                    }
                    self.row(
                        "version_package",
                        Fate::Taken,
                        "packages, of which it is the first",
                    );
                }
                _ => self.row(
                    "version_package",
                    Fate::LeftOut,
                    "write its version: version = \"...\"",
                ),
            }
        }
        self.recipe.list("packages", &packages);
        let exclude = self.words("exclude_packages");
        self.recipe.list("exclude", &exclude);
        self.row("exclude_packages", Fate::Taken, "exclude");
        // dnf takes weak dependencies unless it is told not to.
        let is_without = self.words("dnf_weak_deps") == ["false"];
        self.recipe.word("recommends", !is_without);
        self.row("dnf_weak_deps", Fate::Taken, "recommends");
        let usual = [
            "noarch",
            Architecture::named(self.architecture).map_or("", Architecture::rpm),
        ];
        let others = self
            .words("dnf_arch")
            .into_iter()
            .filter(|arch| !usual.contains(&arch.as_str()));
        match others.collect::<Vec<_>>().as_slice() {
            [] => self.row(
                "dnf_arch",
                Fate::Unneeded,
                "packages of the image's architecture are taken",
            ),
            others => {
                let text = format!(
                    "name the packages of another architecture: packages = [\"NAME.{}\"]",
                    others.join(" ")
                );
                self.row("dnf_arch", Fate::LeftOut, text);
            }
        }
        let text = "see what it changes; what it removes from the base may be a conflict";
        self.row(
            "pre_commands",
            Fate::LeftOut,
            format!("nothing is run; {text}"),
        );
    }

    fn repositories(&mut self) {
        let why = "The base's own .repo files, or those of its distribution:";
        self.recipe
            .offer("packages", "repositories", "[\"FILE.repo\"]", why);
        for (variable, text) in [
            (
                "enable_repos",
                "set enabled=1 for these repositories in a .repo file, and name it in repositories",
            ),
            (
                "disable_repos",
                "set enabled=0 for these repositories in the .repo file",
            ),
            (
                "external_repos",
                "fetch these .repo files, and name them in repositories",
            ),
            (
                "copr_repos",
                "fetch the .repo files of these projects, and name them in repositories",
            ),
            (
                "rpm_fusion_repos",
                "name RPM Fusion's .repo files in repositories",
            ),
        ] {
            self.row(variable, Fate::LeftOut, text);
        }
    }

    fn base(&mut self, name: &str) {
        let why = "A list of what the image of the OS has: podman run --rm IMAGE rpm -qa. With it, name its os-release.";
        self.recipe.offer(
            "name",
            "base",
            &super::recipe::quoted(&format!("{name}.packages")),
            why,
        );
        self.row(
            "base_images", Fate::LeftOut,
            "container images are not read; write base = \"FILE\" with their packages, or type --base for each",
        );
    }

    fn files(&mut self) {
        let files = self.words("files");
        let is_tree = |file: &String| {
            matches!(
                file.trim_end_matches('/'),
                "usr" | "opt" | "./usr" | "./opt"
            )
        };
        if !files.is_empty() && files.iter().all(is_tree) {
            let overlay = relative(self.output, &self.directory).display().to_string();
            self.recipe.text("overlay", &overlay);
            self.row(
                "files",
                Fate::Taken,
                "overlay, of which usr and opt are taken",
            );
        } else {
            self.row(
                "files",
                Fate::LeftOut,
                "put usr and opt into one directory, and name that in overlay",
            );
        }
        self.row(
            "cleanup_files",
            Fate::LeftOut,
            "no key removes a path; see sysext-build rules, or exclude the package that has it",
        );
        let units = self.words("upholds");
        self.recipe.list("start", &units);
        self.row("upholds", Fate::Taken, "start");
        self.row(
            "compression",
            Fate::Unneeded,
            "an image is SquashFS, compressed by zstd; see compression",
        );
    }

    /// Says what becomes of all variables that none of the others took.
    fn rest(&mut self) {
        const KNOWN: [&str; 17] = [
            "name",
            "packages",
            "version_package",
            "exclude_packages",
            "dnf_weak_deps",
            "dnf_arch",
            "pre_commands",
            "enable_repos",
            "disable_repos",
            "external_repos",
            "copr_repos",
            "rpm_fusion_repos",
            "base_images",
            "files",
            "cleanup_files",
            "upholds",
            "compression",
        ];
        let names: Vec<_> = self.justfile.variables.keys().cloned().collect();
        for name in names {
            let depth = self
                .justfile
                .variables
                .get(&name)
                .map_or(0, |variable| variable.depth);
            if KNOWN.contains(&name.as_str()) || (depth > 0 && OWN.contains(&name.as_str())) {
                continue;
            }
            match OWN.contains(&name.as_str()) {
                true => self.row(&name, Fate::Unneeded, "it is about how sysext.just works"),
                false => self.row(
                    &name,
                    Fate::LeftOut,
                    "it is for commands, which are not run, or a part of other values",
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;

    fn imported(scratch: &Scratch) -> Result<Imported> {
        import(scratch.path(), Path::new("/"), "x86-64")
    }

    #[test]
    fn files_import_each_other_so_deep() {
        let scratch = Scratch::new();
        scratch.write("justfile", b"name := 'a'\nimport '1'\n");
        for number in 1..MAX_DEPTH {
            let text = format!("import '{}'\n", number + 1);
            scratch.write(&number.to_string(), text.as_bytes());
        }
        scratch.write(&MAX_DEPTH.to_string(), b"");
        assert!(imported(&scratch).is_ok());
        scratch.write(&MAX_DEPTH.to_string(), b"import 'justfile'\n");
        assert!(imported(&scratch).is_err());
    }

    /// Values that are made of themselves, and ones that double.
    #[test]
    fn values_have_an_end() {
        let scratch = Scratch::new();
        let mut text = "name := 'a'\nfiles := cleanup_files\ncleanup_files := files\n".to_owned();
        text += "v0 := '12345678'\n";
        for number in 1..=30 {
            text += &format!("v{number} := v{0} + v{0} + v{0}\n", number - 1);
        }
        text += "packages := v30\n";
        scratch.write("justfile", text.as_bytes());
        let made = imported(&scratch).unwrap();
        for name in ["files", "cleanup_files", "packages"] {
            let begins = format!("{name} := ...");
            let row = (made.recipes[0].rows.iter()).find(|row| row.what == begins);
            assert_eq!(row.map(|row| row.fate), Some(Fate::LeftOut), "{name}");
        }
    }

    /// Whatever is in a justfile, reading it ends, and what comes of it is TOML.
    #[test]
    fn damaged_justfiles() {
        let good = "name := 'a'\nx := \"b\\\"\n\" + arch()\ny := \"\"\"\n  z\n\"\"\"\nimport? 'c'\n[d]\n\
                    @e f: \\\n  g\n  h\n";
        let scratch = Scratch::new();
        for at in 0..=good.len() {
            for byte in [0, b'\n', b'"', b'\\', 0xff] {
                let mut bytes = good.as_bytes().get(..at).unwrap().to_vec();
                bytes.push(byte);
                bytes.extend(good.as_bytes().get(at + 1..).unwrap_or_default());
                scratch.write("justfile", &bytes);
                for recipe in imported(&scratch).map_or(Vec::new(), |imported| imported.recipes) {
                    let text = recipe.print();
                    assert!(text.parse::<toml::Table>().is_ok(), "{text}");
                }
            }
        }
    }
}
