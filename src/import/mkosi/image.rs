//! One image of mkosi as a recipe.

use std::path::{Path, PathBuf};

use super::config::{Config, Given, Reader};
use super::settings::fate;
use super::{is_yes, output_of, value};
use crate::import::recipe::{array, quoted};
use crate::import::{Fate, Recipe, Row, brief, relative};

/// Where mkosi's tools look for repositories, below a tree for its sandbox.
const REPO_DIRECTORIES: [&str; 2] = ["etc/yum.repos.d", "etc/zypp/repos.d"];

/// What SYSEXT_SCOPE= is where mkosi is told nothing.
const DEFAULT_SCOPE: &str = "initrd system portable";

/// The name of the extension.
pub fn name(config: &Config) -> String {
    let name = value(config, "ImageId").or(config.image.as_deref());
    name.unwrap_or("image").to_owned()
}

/// A recipe that is being written.
struct Writer<'a> {
    reader: &'a Reader<'a>,
    config: &'a Config,
    /// The directory of the recipe.
    output: &'a Path,
    recipe: Recipe,
}

/// Makes the recipe of an image.
pub fn recipe(reader: &Reader<'_>, config: &Config, images: &[Config], output: &Path) -> Recipe {
    let name = name(config);
    let directory = match &config.image {
        Some(image) => reader.root().join("mkosi.images").join(image),
        None => reader.root().join("mkosi.conf"),
    };
    let mut writer = Writer {
        reader,
        config,
        output,
        recipe: Recipe::new(
            &name,
            relative(output, &directory).display().to_string(),
            Vec::new(),
        ),
    };
    writer.recipe.text("name", &name);
    writer.version();
    writer.packages();
    writer.repositories();
    writer.base(images);
    writer.trees();
    writer.rules();
    writer.environment();
    writer.rest();
    writer.recipe
}

impl Writer<'_> {
    fn row(&mut self, name: &str, value: &str, given: &Given, fate: Fate, text: impl Into<String>) {
        let what = match given.line {
            Some(_) => format!("{name}={}", brief(value)),
            None => name.to_owned(),
        };
        self.recipe.rows.push(Row {
            file: given.file.clone(),
            line: given.line,
            what,
            fate,
            text: text.into(),
        });
    }

    /// A path as the recipe has it.
    fn path(&self, given: &Given, path: &str) -> PathBuf {
        relative(self.output, &plain(&given.directory.join(path)))
    }

    /// Sets a key to the value of a setting, if it has one.
    fn single(&mut self, setting: &str, key: &'static str) -> bool {
        let Some(given) = self.config.value(setting) else {
            return false;
        };
        self.recipe.text(key, &given.value);
        self.row(setting, &given.value, given, Fate::Taken, key);
        true
    }

    fn version(&mut self) {
        if let Some(given) = self.config.value("ImageId") {
            self.row("ImageId", &given.value, given, Fate::Taken, "name");
        }
        if !self.single("ImageVersion", "version") {
            let why = "Without it, the version is that of the package that has the extension's name, or the first one.";
            self.recipe.offer("name", "version", "\"1\"", why);
        }
        self.single("Architecture", "arch");
    }

    fn packages(&mut self) {
        let mut packages = Vec::new();
        for setting in ["Packages", "VolatilePackages"] {
            for (package, given) in self.config.list(setting) {
                if package.starts_with('@') {
                    self.row(
                        setting,
                        &package,
                        given,
                        Fate::LeftOut,
                        "name the packages of the group: dnf group info",
                    );
                } else if !packages.contains(&package) {
                    packages.push(package.clone());
                    self.row(setting, &package, given, Fate::Taken, "packages");
                }
            }
        }
        self.recipe.list("packages", &packages);
        if let Some(given) = self.config.value("WithRecommends") {
            let is_wanted = is_yes(self.config, "WithRecommends");
            self.recipe.word("recommends", is_wanted);
            self.row(
                "WithRecommends",
                &given.value,
                given,
                Fate::Taken,
                "recommends",
            );
        }
    }

    fn repositories(&mut self) {
        let mut all = Vec::new();
        for setting in ["PackageDirectories", "VolatilePackageDirectories"] {
            for (directory, given) in self.config.list(setting) {
                let path = self.path(given, &directory);
                all.push(path.display().to_string());
                self.row(setting, &directory, given, Fate::Taken, "repositories");
            }
        }
        let mut has_own = false;
        for (tree, given) in self.config.list("SandboxTrees") {
            for path in self.sandbox(&tree, given) {
                // mkosi writes this file, unless it is there.
                has_own |= path.ends_with("mkosi.repo");
                all.push(path.display().to_string());
            }
        }
        if let Some(given) = self.config.value("LocalMirror") {
            let (fate, text) = match has_own {
                true => (Fate::Unneeded, "mkosi.repo takes its place"),
                false => {
                    all.push(format!("local-mirror={}", given.value));
                    (Fate::Taken, "repositories")
                }
            };
            has_own = true;
            self.row("LocalMirror", &given.value, given, fate, text);
        }
        self.recipe.list("repositories", &all);
        if let Some(given) = self.config.value("Distribution") {
            let (fate, text) = match has_own {
                true => (Fate::Unneeded, "its repositories are not used"),
                false => (
                    Fate::LeftOut,
                    "mkosi knows its repositories; name them: repositories = [\"NAME=URL\"], or --repo",
                ),
            };
            self.row("Distribution", &given.value, given, fate, text);
        }
        if all.is_empty() {
            let why = "The repositories that mkosi knows by itself:";
            (self.recipe).offer("packages", "repositories", "[\"NAME=URL\"]", why);
        }
        self.single("Release", "releasever");
    }

    /// The `.repo` files of a tree that mkosi lays over its tools.
    fn sandbox(&mut self, tree: &str, given: &Given) -> Vec<PathBuf> {
        let (source, target) = tree.split_once(':').unwrap_or((tree, ""));
        let root = given.directory.join(source);
        let mut found = Vec::new();
        // zypper and dnf each have their own; mkosi uses one of them.
        for below in REPO_DIRECTORIES {
            let directory = root.join(below);
            let names = files::Directory::open(&directory, files::Links::Follow)
                .and_then(|open| open.names());
            let mut names: Vec<_> = names.unwrap_or_default();
            names.sort();
            let is_repo = |path: &PathBuf| path.extension().is_some_and(|end| end == "repo");
            let paths = names.iter().map(|name| directory.join(name));
            if found.is_empty() && target.is_empty() {
                found = paths.filter(is_repo).collect();
            }
        }
        let (fate, text) = match (found.is_empty(), source.ends_with(".tar")) {
            (false, _) => (
                Fate::Taken,
                "repositories; what else it has configures mkosi's own tools",
            ),
            (true, false) => (
                Fate::LeftOut,
                "no .repo file was found in it; what it has configures mkosi's own tools",
            ),
            (true, true) => (
                Fate::LeftOut,
                "unpack it, and name its .repo files in repositories",
            ),
        };
        self.row("SandboxTrees", tree, given, fate, text);
        let path = |path: &PathBuf| self.path(given, &path.display().to_string());
        found.iter().map(path).collect()
    }

    fn base(&mut self, images: &[Config]) {
        let trees = self.config.list("BaseTrees");
        for (at, (tree, given)) in trees.iter().enumerate() {
            if at > 0 {
                self.row(
                    "BaseTrees",
                    tree,
                    given,
                    Fate::LeftOut,
                    "a recipe has one base; unpack all trees into one directory",
                );
                continue;
            }
            let path = self.path(given, tree).display().to_string();
            self.recipe.text("base", &path);
            self.row("BaseTrees", tree, given, Fate::Taken, "base");
            let output = plain(&given.directory.join(tree));
            let made = images
                .iter()
                .find(|other| plain(&output_of(self.reader, other)) == output);
            let Some(made) = made else { continue };
            let packages: Vec<_> = made
                .list("Packages")
                .into_iter()
                .map(|(package, _)| package)
                .collect();
            if !packages.is_empty() {
                let why = "mkosi makes this base. In its place, what installing its packages would give, with what they\nrecommend:";
                self.recipe
                    .offer("base", "base-install", &array(&packages), why);
            }
        }
        if trees.is_empty() {
            let why = "No BaseTrees= is set: without a base, that is this host, and nothing of another OS is known.";
            self.recipe.offer("name", "base", "\"DIRECTORY\"", why);
        }
    }

    fn trees(&mut self) {
        let mut is_set = false;
        for (tree, given) in self.config.list("ExtraTrees") {
            let (source, target) = tree.split_once(':').unwrap_or((&tree, ""));
            let path = given.directory.join(source);
            let is_root = matches!(target, "" | "/");
            let text = match () {
                () if !path.is_dir() => "unpack it into a directory, and name that in overlay",
                () if !is_root => {
                    "copy it below this path of a directory, and name that in overlay"
                }
                () if is_set => "a recipe has one overlay; copy all trees into one directory",
                () => {
                    is_set = true;
                    let path = self.path(given, source).display().to_string();
                    self.recipe.text("overlay", &path);
                    self.row("ExtraTrees", &tree, given, Fate::Taken, "overlay");
                    continue;
                }
            };
            self.row("ExtraTrees", &tree, given, Fate::LeftOut, text);
        }
    }

    /// What leaves files out.
    fn rules(&mut self) {
        let mut drop: Vec<String> = Vec::new();
        for (glob, given) in self.config.list("RemoveFiles") {
            let rules: &[(&str, &str)] = &[
                ("/usr/share/man", "drop-man"),
                ("/usr/share/locale", "drop-locales"),
            ];
            let path = glob.trim_end_matches('*').trim_end_matches('/');
            let rule = rules
                .iter()
                .find(|(known, _)| *known == path)
                .map(|(_, rule)| *rule);
            match rule {
                Some(rule) => {
                    drop.push(rule.to_owned());
                    self.row("RemoveFiles", &glob, given, Fate::Taken, "drop");
                }
                None if path.starts_with("/usr/share/doc") => self.row(
                    "RemoveFiles", &glob, given, Fate::LeftOut,
                    "write drop = [\"drop-docs\"], which keeps licences",
                ),
                None if !path.starts_with("/usr") && !path.starts_with("/opt") => self.row(
                    "RemoveFiles", &glob, given, Fate::Unneeded, "nothing outside of /usr and /opt is in an image",
                ),
                None => self.row(
                    "RemoveFiles", &glob, given, Fate::LeftOut,
                    "no key removes a path; see sysext-build rules, or exclude the package that has it",
                ),
            }
        }
        if let Some(given) = self.config.value("WithDocs") {
            match is_yes(self.config, "WithDocs") {
                true => self.row(
                    "WithDocs",
                    &given.value,
                    given,
                    Fate::Unneeded,
                    "documentation is in an image anyway",
                ),
                false => {
                    // What rpm --nodocs leaves out is what packages mark as documentation, manual pages included.
                    drop.extend(["drop-docs", "drop-man"].map(str::to_owned));
                    self.row("WithDocs", &given.value, given, Fate::Taken, "drop");
                }
            }
        }
        drop.sort();
        drop.dedup();
        self.recipe.list("drop", &drop);
    }

    fn environment(&mut self) {
        let mut scope = DEFAULT_SCOPE.to_owned();
        for (variable, given) in self.config.list("Environment") {
            match variable.split_once('=') {
                Some(("SYSEXT_SCOPE", value)) => {
                    value.trim_matches('"').clone_into(&mut scope);
                    self.row("Environment", &variable, given, Fate::Taken, "scope");
                }
                Some(("SYSTEMD_REPART_OVERRIDE_FSTYPE_ROOT", "squashfs")) => {
                    self.row(
                        "Environment",
                        &variable,
                        given,
                        Fate::Unneeded,
                        "an image is SquashFS",
                    );
                }
                Some((name, _)) if name.starts_with("SYSTEMD_REPART_") => self.row(
                    "Environment",
                    &variable,
                    given,
                    Fate::LeftOut,
                    "an image is SquashFS; see compression and block-size",
                ),
                _ => self.row(
                    "Environment",
                    &variable,
                    given,
                    Fate::LeftOut,
                    "variables are for scripts, which are not run",
                ),
            }
        }
        self.recipe.text("scope", &scope);
    }

    /// Says what becomes of all settings that none of the others took.
    fn rest(&mut self) {
        const TAKEN: [&str; 19] = [
            "Architecture",
            "BaseTrees",
            "Distribution",
            "Environment",
            "ExtraTrees",
            "ImageId",
            "ImageVersion",
            "LocalMirror",
            "PackageDirectories",
            "Packages",
            "Release",
            "RemoveFiles",
            "SandboxTrees",
            "VolatilePackageDirectories",
            "VolatilePackages",
            "WithDocs",
            "WithRecommends",
            "BuildPackages",
            "RemovePackages",
        ];
        for (name, given) in self.config.all() {
            if !TAKEN.contains(&name) {
                let (fate, text) = fate(name, &given.value);
                self.row(name, &given.value, given, fate, text);
            }
        }
        for setting in ["BuildPackages", "RemovePackages"] {
            let packages = self.config.list(setting);
            for (package, given) in &packages {
                let (fate, text) = fate(setting, package);
                self.row(setting, package, given, fate, text);
            }
            if setting == "RemovePackages" && !packages.is_empty() {
                let names: Vec<_> = packages
                    .iter()
                    .map(|(package, _)| quoted(package))
                    .collect();
                let why = "mkosi removes these after all others are installed:";
                self.recipe.offer(
                    "packages",
                    "exclude",
                    &format!("[{}]", names.join(", ")),
                    why,
                );
            }
        }
    }
}

/// A path without `.` and `..`; links are not followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(plain.pop()),
            part => plain.push(part.as_os_str()),
        }
    }
    plain
}
