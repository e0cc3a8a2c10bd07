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
//! Recipes make their images side by side, each with inputs of its own, into one store, as if one had
//! been made after the other: see [`turns`](crate::turns). A base or a repository that several of them
//! name is read once. One that fails does not stop the others; the exit code is the highest of theirs. What signs is
//! opened once, so a passphrase is asked for once. Two recipes can't write the same lock.
//!
//! A recipe may [include](layers) files with what several have in common, and have parts for one
//! architecture: `[for.arm64]`. Each table of each file is a layer, and they are laid over each other
//! as what was typed is laid over a recipe. What comes of it is as if it all had been written in one
//! table, so the same image comes of it.
//!
//! A recipe stands for a command line, so a wrong one is a usage error, with the file
//! and the line.

mod file;
mod keys;
mod layers;
mod schema;
#[cfg(test)]
mod tests;
mod written;

use std::path::{Path, PathBuf};

use crate::cli::{BuildArguments, ImageArguments};
use crate::inputs::Inputs;
use crate::plan::build_number::Numbering;
use crate::words::failure::{Failure, Result};

pub use keys::keys;
pub use schema::schema;
pub use written::{is_complete, written};

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

/// Returns what a recipe says, alone and unchecked.
pub fn said(path: &Path, architecture: Option<&str>) -> Result<BuildArguments> {
    layers::of(path)?.flattened(path, architecture)
}

/// Returns what a recipe says together with what was typed beside it, checked.
pub fn inputs(path: &Path, typed: &BuildArguments) -> Result<Inputs> {
    let architecture = typed.image.arch.as_deref();
    let recipe = said(path, architecture)?;
    Inputs::new(&merged(recipe, typed)).map_err(|failure| failure.at(path.display()))
}

/// As much of compressed blocks is kept where nothing else was typed.
const DEFAULT_BLOCK_CACHE: &str = "4G";

/// Adds what was typed to what a recipe says.
fn merged(recipe: BuildArguments, typed: &BuildArguments) -> BuildArguments {
    let typed = typed.clone();
    let mut image = over(recipe.image, typed.image);
    // A recipe is built again and again, and what has changed is to reach clients. With --obs the
    // service counts; with --replace the name is to stay.
    if !typed.obs && !typed.replace {
        image.build_number.get_or_insert(Numbering::Auto);
    }
    // Of a service's build nothing outlives it.
    let block_cache = match typed.obs {
        true => typed.block_cache.clone(),
        false => (typed.block_cache.clone()).or_else(|| Some(DEFAULT_BLOCK_CACHE.to_owned())),
    };
    BuildArguments {
        inputs: recipe.inputs,
        names: recipe.names,
        reasons: recipe.reasons,
        tests: recipe.tests,
        image,
        repo: added(recipe.repo, typed.repo),
        allow: added(recipe.allow, typed.allow),
        block_cache,
        ..typed
    }
}

/// Lays what one says over what another does: its single values win, and its lists are added.
fn over(below: ImageArguments, above: ImageArguments) -> ImageArguments {
    let (base, base_install) = match (above.base, above.base_install) {
        (Some(base), _) => (Some(base), Vec::new()),
        (None, names) if names.is_empty() => (below.base, below.base_install),
        (None, names) => (None, added(below.base_install, names)),
    };
    // Every key is named, so that the compiler asks for a new one.
    ImageArguments {
        overlay: above.overlay.or(below.overlay),
        name: above.name.or(below.name),
        image_version: above.image_version.or(below.image_version),
        build_number: above.build_number.or(below.build_number),
        arch: above.arch.or(below.arch),
        scope: above.scope.or(below.scope),
        selinux: above.selinux.or(below.selinux),
        start: added(below.start, above.start),
        preset: above.preset.or(below.preset),
        no_merge_unit: above.no_merge_unit.or(below.no_merge_unit),
        base,
        base_install,
        assume_next_build: above.assume_next_build.or(below.assume_next_build),
        lock: above.lock.or(below.lock),
        os_release: above.os_release.or(below.os_release),
        releasever: above.releasever.or(below.releasever),
        set: added(below.set, above.set),
        exclude: added(below.exclude, above.exclude),
        module: added(below.module, above.module),
        recommends: above.recommends.or(below.recommends),
        matching: above.matching.or(below.matching),
        with: added(below.with, above.with),
        compression: above.compression.or(below.compression),
        format: above.format.or(below.format),
        block_size: above.block_size.or(below.block_size),
        keep: added(below.keep, above.keep),
        drop: added(below.drop, above.drop),
        etc: added(below.etc, above.etc),
        opt: above.opt.or(below.opt),
        sbom: added(below.sbom, above.sbom),
        blocks: above.blocks.or(below.blocks),
    }
}

fn added<T>(mut list: Vec<T>, more: Vec<T>) -> Vec<T> {
    list.extend(more);
    list
}
