//! `rebuild`: whether an image is what its manifest says that it was built from.
//!
//! The packages are found by their digests, and the options are those that the manifest records. Then
//! the image is built again in a directory that is gone afterwards, and compared byte by byte. What is
//! known to be another is named before anything is built.

use std::fs::DirBuilder;
use std::io::{BufReader, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::Links;
use manifest::{Build, ImageFile, Summary};
use rpm_input::FileKind;
use serde::Serialize;

use crate::base::{Base, PackageSource};
use crate::cli::{RebuildArguments, WithoutKey};
use crate::commands::diff;
use crate::findings::Waivers;
use crate::inputs::{self, Inputs, recipe, recorded};
use crate::inspected::{self, Named, beside, read_manifest};
use crate::pack::Hands;
use crate::packages::by_digest::{self, Wanted};
use crate::packages::lock::Locking;
use crate::packages::repository;
use crate::pipeline::{self, Run};
use crate::plan::build_number::Numbering;
use crate::publish::built_from;
use crate::publish::provenance::Attester;
use crate::report::Report;
use crate::turns::Turns;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, package_failure, store_failure};
use crate::words::text::Text;

/// The option that signs what is in an image.
const VERITY_KEY: &str = "verity-key";
/// Names that are tried for the directory.
const TRIED: u32 = 1000;

/// What came of it.
#[derive(Serialize)]
struct Answer {
    image: String,
    identical: bool,
    /// SHA-256 of the image that was built then, and of the one that was built now.
    sha256: String,
    rebuilt_sha256: String,
    /// The place of the first byte that differs; absent where only the manifest is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte: Option<u64>,
    /// The first path that differs, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_path: Option<(String, String)>,
    /// The package that has a file there.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    /// The signed statement that it is identical.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<PathBuf>,
    /// The inputs that differ, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
}

/// An image that is to be built again.
struct Original {
    /// The name of its file.
    file: String,
    /// Where it is, if not the manifest alone is here.
    path: Option<PathBuf>,
    manifest: Summary,
    sha256: String,
}

/// Builds an image again, and says whether it is the same; fails if it is not.
pub fn run(arguments: &RebuildArguments, report: &Report) -> Result<()> {
    let original = Original::read(&arguments.image)?;
    let build = original.build(arguments)?;
    let key = (arguments.provenance.as_ref())
        .map(|path| inputs::key_file(path, arguments.passphrase_file.as_deref()))
        .transpose()?;
    // Asks for a passphrase before the work, not after it.
    let attester = key.as_ref().map(Attester::open).transpose()?;
    let program = env!("CARGO_PKG_VERSION");
    if build.program != program {
        let text = format!(
            "the image was built by version {}, this is {program}",
            build.program
        );
        report.stage("program", &text);
    }
    if let Some((then, now)) = built_from::other_format(&original.manifest) {
        let text =
            format!("the image has format {then} of this program's images, this makes {now}");
        report.stage("format", &text);
    }
    let mut inputs = original.inputs(&build, arguments)?;
    let wanted = original.wanted(&build)?;
    let given = inputs::rpm_files_of(&arguments.inputs)?;
    let mut found = by_digest::in_files(&wanted, &given)?;
    if found.files.len() < wanted.len() && !arguments.lookup.repo.is_empty() {
        let looked_up = inputs::looking_up(&arguments.lookup, None, None)?;
        let base = Base::open(&inputs.base)?;
        by_digest::in_repositories(&wanted, &mut found, (&looked_up, &base), report)?;
    }
    let problems = found.problems(&wanted);
    if !problems.is_empty() {
        let text = anyhow!(
            "{} can't be built again from these packages:\n{}",
            original.file,
            problems.join("\n")
        );
        return Err(Failure::refused(text).hint(
            "name the files, their directory, or with --repo a repository that still has them",
        ));
    }
    inputs.packages.files = found.files.into_values().collect();
    let directory = Temporary::make(&arguments.work_dir)?;
    inputs.destination.output.clone_from(&directory.0);
    inputs.destination.is_passing = true;
    let run = Run::new(
        pipeline::signers(&inputs)?,
        Hands::new(inputs.packing.workers, 1),
    );
    let turns = Turns::new(1, 1, report);
    let built = pipeline::build(&inputs, &run, &turns.begin(0))?;
    let place = inputs
        .destination
        .directory_of(&original.manifest.config.name);
    let again = place.join(built.image_file());
    let mut answer = original.compare(&again, &inputs.packages.files)?;
    if let Some(attester) = attester.filter(|_| answer.identical) {
        answer.statement = Some(original.attest(&attester, &arguments.image)?);
    }
    match report.is_json() {
        true => report.json(&answer)?,
        false => report.print(&answer.text())?,
    }
    match answer.identical {
        true => Ok(()),
        false => Err(Failure::refused(anyhow!("{} is not identical", answer.image)).answered()),
    }
}

impl Original {
    /// Reads the manifest of an image, and the digest of the image if that is here.
    fn read(path: &Path) -> Result<Self> {
        let named = Named::read(path)?;
        let image = named.manifest.image.as_ref();
        let said = image.and_then(|image| image.sha256.clone());
        let sha256 = said.ok_or_else(|| not_recorded(&named.file, "its digest"))?;
        Ok(Self {
            file: named.file,
            path: named.path,
            manifest: named.manifest,
            sha256,
        })
    }

    /// Puts a signed statement next to what was named, and returns its path.
    fn attest(&self, attester: &Attester, named: &Path) -> Result<PathBuf> {
        let mut digest = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut digest).map_err(|error| {
            Failure::refused(anyhow!("{}: its SHA-256 is damaged: {error}", self.file))
        })?;
        let bytes = attester.sealed(&self.manifest, &self.file, &digest)?;
        let path = named.with_file_name(store::rebuilt_file(&self.file, attester.id()));
        store::replace_file(&path, &bytes).map_err(store_failure)?;
        Ok(path)
    }

    /// Says whether what is in it is signed.
    fn is_signed(&self) -> bool {
        let image = self.manifest.image.as_ref();
        image.and_then(|image| image.signature.as_deref()) == Some(ImageFile::SIGNED)
    }

    /// Returns the SHA-256 of the image that was built again; with the signature of the first, which is
    /// of the same contents or of none.
    fn digest_of(&self, again: &Path) -> Result<[u8; 32]> {
        match self.path.as_ref().filter(|_| self.is_signed()) {
            Some(path) => inspected::digest_with(again, &inspected::signature(path)?),
            None => {
                let failed = |error| Failure::io(format!("reading {}", again.display()), error);
                let (_, digest) =
                    sha256(&mut files::open(again, Links::Refuse)?).map_err(failed)?;
                Ok(digest)
            }
        }
    }

    /// Returns how it was asked for, or why it can't be asked for again.
    fn build(&self, arguments: &RebuildArguments) -> Result<Build> {
        let file = &self.file;
        if let Some(main) = store::main_of(&self.manifest.config.name) {
            let text = anyhow!("{file} is a companion, which is built with its image");
            return Err(Failure::refused(text).hint(format!("build that again: {main}")));
        }
        if self.is_signed() && self.path.is_none() {
            let text =
                anyhow!("{file} has a signature inside, which only the owner of its key can make");
            return Err(Failure::refused(text).hint(
                "name the image itself, of which the signature is taken, next to its manifest",
            ));
        }
        let build =
            (self.manifest.build.clone()).ok_or_else(|| not_recorded(file, "its options"))?;
        // Its work is in the image.
        let named = build.files.iter().filter(|name| *name != VERITY_KEY);
        let named: Vec<_> = named.map(|name| format!("--{name}")).collect();
        if !named.is_empty() && arguments.recipe.is_none() {
            let text = anyhow!(
                "{file} was built with {}: what that names is not in its manifest",
                named.join(", ")
            );
            return Err(Failure::refused(text).hint("name the recipe that has it: --recipe FILE"));
        }
        Ok(build)
    }

    /// Returns the inputs of the next build, without its packages.
    fn inputs(&self, build: &Build, arguments: &RebuildArguments) -> Result<Inputs> {
        // Somebody has to be asked for something; the packages take its place.
        let placeholder = vec![arguments.image.clone()];
        // What the manifest has wins over the recipe.
        let mut typed = recorded::arguments(build, placeholder)?;
        typed.output.clone_from(&arguments.work_dir);
        if self.is_signed() {
            typed.verity = Some(WithoutKey::Defer);
        }
        typed.network = arguments.lookup.network.clone();
        let config = &self.manifest.config;
        typed.image.name = Some(config.name.clone());
        typed.image.image_version.clone_from(&config.version);
        typed.image.build_number = Some(Numbering::None);
        typed.image.base = arguments.base.clone().or(typed.image.base);
        typed.image.os_release = arguments.os_release.clone().or(typed.image.os_release);
        typed.jobs = arguments.jobs;
        typed.repo.clone_from(&arguments.lookup.repo);
        let mut inputs = match &arguments.recipe {
            None => Inputs::new(&typed)?,
            Some(recipe) => recipe::inputs(recipe, &typed)?,
        };
        inputs.packages.names.clear();
        inputs.packages.files.clear();
        inputs.packages.not_files.clear();
        // A base that is installed is one of packages of repositories; nothing of them is added.
        if !matches!(inputs.base.packages, PackageSource::Install(_)) {
            inputs.packages.repositories.clear();
        }
        inputs.packages.locking = Locking::None;
        inputs.packages.plan_first = false;
        inputs.packages.in_order = true;
        inputs.packing.kept = None;
        inputs.destination.bills.clear();
        inputs.destination.blocks = false;
        inputs.with.clear();
        inputs.tests = None;
        inputs.waivers = Waivers::all();
        inputs.plan.epoch = built_from::epoch(&self.manifest);
        Ok(inputs)
    }

    /// Returns its packages, in the order that decides it.
    fn wanted(&self, build: &Build) -> Result<Vec<Wanted>> {
        let packages = &self.manifest.packages;
        if packages.len() != build.packages.len() {
            return Err(not_recorded(&self.file, "the order of its packages"));
        }
        let wanted = build.packages.iter().map(|nevra| {
            let mut of_it = packages.iter();
            let one = of_it.find(|one| one.nevra.as_ref() == Some(nevra));
            let sha256 = one.and_then(|one| one.sha256.clone());
            let sha256 = sha256
                .ok_or_else(|| not_recorded(&self.file, &format!("the digest of {nevra}")))?;
            let file = one.and_then(|one| one.origin.clone()).unwrap_or_default();
            Ok(Wanted {
                nevra: nevra.clone(),
                sha256,
                file,
            })
        });
        wanted.collect()
    }

    /// Compares it with the one that was built again from these packages.
    fn compare(&self, again: &Path, packages: &[PathBuf]) -> Result<Answer> {
        let digest = self.digest_of(again)?;
        let mut answer = Answer {
            image: self.file.clone(),
            identical: self.sha256 == hex::encode(digest),
            sha256: self.sha256.clone(),
            rebuilt_sha256: hex::encode(digest),
            first_byte: None,
            first_path: None,
            package: None,
            statement: None,
            inputs: Vec::new(),
        };
        if answer.identical {
            return Ok(answer);
        }
        if let Some(path) = &self.path {
            answer.first_byte = first_byte(path, again)?;
            answer.first_path = diff::first_path(path, again)?;
        }
        if let Some((path, _)) = &answer.first_path {
            answer.package = owner(packages, path)?;
        }
        let manifest: Option<Summary> = read_manifest(&beside(again), Links::Refuse)?;
        let differing = manifest.map(|again| built_from::differing(&self.manifest, &again));
        answer.inputs = differing.unwrap_or_default();
        Ok(answer)
    }
}

/// Says that a manifest lacks what is needed.
fn not_recorded(file: &str, what: &str) -> Failure {
    let text = anyhow!("the manifest of {file} does not say {what}");
    Failure::refused(text)
        .hint("it is by another program, or an older version: build the image again with this one")
}

impl Answer {
    fn text(&self) -> Text {
        let mut text = Text::default();
        if self.identical {
            text.line(format_args!(
                "identical  {} (sha256:{})",
                self.image, self.sha256
            ));
            if let Some(statement) = &self.statement {
                text.line(format_args!("statement  {}", statement.display()));
            }
            return text;
        }
        text.line(format_args!("not identical  {}", self.image));
        text.line(format_args!(
            "  sha256:{}, was sha256:{}",
            self.rebuilt_sha256, self.sha256
        ));
        if let Some(byte) = self.first_byte {
            text.line(format_args!("  first byte that differs: {byte}"));
        }
        if let Some((path, how)) = &self.first_path {
            let of = self.package.as_ref();
            let of = of.map_or_else(String::new, |package| format!(" (of {package})"));
            text.line(format_args!("  first path that differs: {path}: {how}{of}"));
        }
        for input in &self.inputs {
            text.line(format_args!("  input: {input}"));
        }
        if self.inputs.is_empty() {
            text.line("  all inputs that the manifest records are the same");
        }
        text
    }
}

/// Returns the place of the first byte that differs between two files; that of the end of the shorter,
/// if the longer begins with it.
fn first_byte(one: &Path, other: &Path) -> Result<Option<u64>> {
    let failed = |error| Failure::io("comparing the images", error);
    let open = |path| files::open(path, Links::Follow).map(BufReader::new);
    let (mut one, mut other) = (open(one)?.bytes(), open(other)?.bytes());
    let mut place = 0;
    loop {
        match (
            one.next().transpose().map_err(failed)?,
            other.next().transpose().map_err(failed)?,
        ) {
            (None, None) => return Ok(None),
            (before, after) if before != after => return Ok(Some(place)),
            _ => place += 1,
        }
    }
}

/// Returns the package that has a file at this path.
fn owner(packages: &[PathBuf], path: &str) -> Result<Option<String>> {
    for file in packages {
        let package = repository::read_header(file).map_err(package_failure)?;
        let is_it = |file: rpm_input::File| file.kind != FileKind::Directory && file.path == *path;
        if package.files.iter().any(is_it) {
            return Ok(Some(package.nevra.to_string()));
        }
    }
    Ok(None)
}

/// A directory that is gone, with what is in it, when the work is done.
struct Temporary(PathBuf);

impl Temporary {
    /// Makes it in another, for nobody else.
    fn make(above: &Path) -> Result<Self> {
        for number in 0..TRIED {
            let name = format!("sysext-build-{}-{number}", std::process::id());
            let path = above.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let doing = format!("making a directory in {}", above.display());
                    return Err(Failure::io(doing, error).hint("name another with --work-dir DIR"));
                }
            }
        }
        let text = anyhow!(
            "{} has too many directories of this program",
            above.display()
        );
        Err(Failure::refused(text).hint("name another with --work-dir DIR"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left is in a directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
