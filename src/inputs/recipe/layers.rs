//! A recipe with the files that it includes, and what comes of all their tables.
//!
//! A file's includes come before it, in their order, each with its own includes before it: what
//! comes later wins. A file that is included in several ways counts once, where it comes first, so
//! that two files may share a third. A cycle is refused, and the chain that leads to it is named.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use architecture::Architecture;

use super::file::{self, Layer, Origin};
use super::over;
use crate::cli::BuildArguments;
use crate::inputs;
use crate::packages::choose::{is_request, may_be_name};
use crate::words::failure::{Failure, Result};

/// Largest recipe in bytes, with all that it includes.
const MAX_SIZE: u64 = 1 << 20;
/// Most files that a recipe may consist of.
const MAX_FILES: usize = 64;
/// Longest chain of files that include each other.
const MAX_DEPTH: usize = 8;

/// The tables of a recipe, those first that others win over.
#[derive(Debug, Default)]
pub struct Layers(pub(super) Vec<Layer>);

/// What tells a file from others, whatever its path: device and inode.
type Id = (u64, u64);

/// What was read so far.
#[derive(Default)]
struct Reading {
    layers: Vec<Layer>,
    /// The files that include each other and are not done, the recipe first.
    open: Vec<(Id, PathBuf)>,
    done: Vec<Id>,
    bytes: u64,
}

/// Reads a recipe and what it includes.
pub fn of(path: &Path) -> Result<Layers> {
    let mut reading = Reading::default();
    reading.file(path)?;
    Ok(Layers(reading.layers))
}

impl Reading {
    /// Reads a file, after those that it includes.
    fn file(&mut self, path: &Path) -> Result<()> {
        let file = files::open(path, files::Links::Follow)?;
        let metadata = file
            .metadata()
            .map_err(|error| Failure::io(format!("reading {}", path.display()), error))?;
        let id = (metadata.dev(), metadata.ino());
        if let Some(start) = self.open.iter().position(|(open, _)| *open == id) {
            let chain = self.chain(start, path);
            return Err(Failure::usage(format!("a cycle of includes: {chain}")));
        }
        if self.done.contains(&id) {
            return Ok(());
        }
        if self.open.len() >= MAX_DEPTH {
            let chain = self.chain(0, path);
            let text = format!("more than {MAX_DEPTH} files include each other: {chain}");
            return Err(Failure::usage(text));
        }
        if self.open.len() + self.done.len() >= MAX_FILES {
            let text = format!("the recipe is of more than {MAX_FILES} files");
            return Err(Failure::usage(text));
        }
        let contents = files::read_open(&file, path, MAX_SIZE)?;
        self.bytes += contents.len() as u64;
        if self.bytes > MAX_SIZE {
            let text = format!("with this file, the recipe has more than {MAX_SIZE} bytes");
            return Err(Failure::refused(anyhow::anyhow!(text)));
        }
        let text = String::from_utf8(contents)
            .map_err(|_| Failure::usage(format!("{} is not UTF-8", path.display())))?;
        let origin = Origin {
            path,
            text: &text,
            is_included: !self.open.is_empty(),
        };
        let said = file::read(origin)?;
        self.open.push((id, path.to_owned()));
        for (include, offset) in &said.includes {
            let path = origin.directory().join(include);
            let read = self.file(&path);
            read.map_err(|failure| origin.place(failure, *offset))?;
        }
        self.open.pop();
        self.done.push(id);
        self.layers.extend(said.layers);
        Ok(())
    }

    /// Returns how a file is included, from one that is open.
    fn chain(&self, start: usize, last: &Path) -> String {
        let open = self.open.iter().skip(start).map(|(_, path)| path.as_path());
        let names = open.chain([last]).map(|path| path.display().to_string());
        names.collect::<Vec<_>>().join(" -> ")
    }
}

impl Layers {
    /// Returns the command line that they stand for, for an image of this architecture, or of that
    /// which they name themselves.
    pub fn flattened(self, path: &Path, architecture: Option<&str>) -> Result<BuildArguments> {
        let mut named = self
            .0
            .iter()
            .filter_map(|layer| layer.image.arch.as_deref());
        let wanted = match architecture.or(named.next_back()) {
            Some(name) => Some(inputs::architecture(name).map_err(|one| one.at(path.display()))?),
            None => None,
        };
        let mut recipe = BuildArguments::default();
        let mut packages = Vec::new();
        for layer in self.0 {
            if !is_for(&layer, wanted).map_err(|failure| failure.at(path.display()))? {
                continue;
            }
            recipe.image = over(recipe.image, layer.image);
            recipe.repo.extend(layer.repo);
            packages.extend(layer.packages);
            recipe.tests.extend(layer.tests);
            for (finding, reason) in layer.allow {
                if recipe.reasons.insert(finding.clone(), reason).is_none() {
                    recipe.allow.push(finding);
                }
            }
        }
        for (package, file) in packages {
            if is_name(&package, &file, !recipe.repo.is_empty()) {
                recipe.names.push(package);
            } else {
                recipe.inputs.push(file);
            }
        }
        if recipe.inputs.is_empty() && recipe.names.is_empty() && recipe.image.overlay.is_none() {
            let failure = Failure::usage("it has neither packages nor an overlay");
            return Err(failure
                .at(path.display())
                .hint("a file for others to include goes where it is not taken for a recipe, as in ../common.toml"));
        }
        Ok(recipe)
    }
}

/// Says whether an entry of `packages` is the name of a package, and not the file that it may mean.
pub fn is_name(package: &str, file: &Path, has_repositories: bool) -> bool {
    match has_repositories {
        true => is_request(package, file),
        false => may_be_name(Path::new(package)) && !file.exists(),
    }
}

/// Says whether a layer counts in an image of an architecture.
fn is_for(layer: &Layer, wanted: Option<Architecture>) -> Result<bool> {
    let Some(name) = layer.only.as_deref() else {
        return Ok(true);
    };
    let Some(wanted) = wanted else {
        let text = format!("it has [for.{name}], but nothing says which architecture is built");
        return Err(Failure::usage(text).hint(format!(
            "add --arch NAME, or arch = \"{name}\" to the recipe"
        )));
    };
    Ok(Architecture::named(name).is_some_and(|one| one.covers(wanted)))
}
