//! A finished image that is looked at, by whomever it was made: the file, the tree in it, and the
//! manifest beside it.
//!
//! Where only the manifest is at hand, what clients ask for is read from that: the keys of the
//! extension-release file are in it, and an image of ours has the file under both of its names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ::linkage::Linkage;
use ::verity::{Certificate, SignatureBlock};
use anyhow::anyhow;
use architecture::{Designator, Role, partition_type};
use clients::{Container, FileSystem, Instead, MAX_RELEASE_SIZE, Protection, Release, ReleaseFile};
use files::Links;
use image::disk::READ_ONLY;
use image::{Content, ContentId, Kind, Section, Stored, Tree, Visit};
use manifest::{ImageFile, Manifest};
use serde::de::DeserializeOwned;

mod named;
mod opened;
mod proved;

pub use named::Named;
pub use opened::mounted_parts;
pub use proved::{Proof, damage, digest_with, hash_to_sign, prove, sign, signature};

use crate::pack::linkage;
use crate::pack::modules::{self, Modules};
use crate::pack::texts;
use crate::words::digest::{sha256, sha256_id};
use crate::words::document;
use crate::words::failure::{Failure, Result};
use crate::words::quantity::bytes;

/// Most extension-release files of an image.
const MAX_RELEASES: usize = 1024;
/// Contents of this length are read whatever the image's: 64 GiB, of which the digests take some
/// minutes. Zeros are stored as holes, so that a sparse disk makes an honest image of any ratio.
const MAX_WORK: u64 = 64 << 30;
/// A large image may have contents that are this many times as long.
const MAX_RATIO: u64 = 1000;
/// Where an image says what it is for.
pub const RELEASE_DIRECTORY: &str = "usr/lib/extension-release.d";
/// Where a confext says that.
pub const CONFEXT_DIRECTORY: &str = "etc/extension-release.d";

/// A finished image.
pub struct InspectedImage {
    /// The file that was named: the image or its manifest.
    pub path: PathBuf,
    /// What clients look at.
    pub facts: clients::Image,
    /// Nothing says under which name clients link it, and it is not that of the file.
    pub assumes_name: bool,
    /// What is in it; `None` where the image was not or could not be read.
    pub inside: Option<Inside>,
    /// The manifest, if it is there.
    pub manifest: Option<Manifest>,
    /// What proves it, if it is a disk.
    pub signature: Option<Signed>,
    /// What its files need and offer, as its manifest says.
    pub linkage: Option<Linkage>,
    /// Its kernel modules, once they were read.
    pub modules: Modules,
    /// Its units, by their paths, once they were read.
    pub texts: BTreeMap<String, String>,
    /// What is in its companion, or of a companion in its image, once that was read.
    pub beside: Option<Tree>,
}

/// The signature of an image, as far as it is known.
pub enum Signed {
    /// The signature itself.
    With(Box<SignatureBlock>),
    /// The SHA-256 of the certificate of its key in hexadecimal digits, as a manifest says it.
    By(String),
}

impl Signed {
    /// Says whether it is by the key of one of these certificates.
    pub fn is_by(&self, certificates: &[Certificate]) -> bool {
        match self {
            Self::With(block) => block.verify(certificates).is_ok(),
            Self::By(known) => (certificates.iter())
                .any(|certificate| hex::encode(certificate.fingerprint()) == *known),
        }
    }

    /// Returns the SHA-256 of the certificate that it says it is by, in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::With(block) => hex::encode(block.fingerprint),
            Self::By(known) => known.clone(),
        }
    }
}

/// What is in an image, and the way to its contents.
pub struct Inside {
    /// The tree; its content ids mean something to this image alone.
    pub tree: Tree,
    reader: Box<dyn Stored>,
    path: PathBuf,
}

impl Inside {
    /// Reads what the files need of a base from their contents.
    pub fn linkage(&mut self) -> Result<Linkage> {
        linkage::read_back(&mut *self.reader, &self.tree)
            .map_err(|error| image_failure(&self.path, error))
    }

    /// Reads the units.
    pub fn texts(&mut self) -> Result<BTreeMap<String, String>> {
        texts::read_back(&mut *self.reader, &self.tree)
            .map_err(|error| image_failure(&self.path, error))
    }

    /// Reads the kernel modules.
    pub fn modules(&mut self) -> Result<Modules> {
        modules::read_back(&mut *self.reader, &self.tree)
            .map_err(|error| image_failure(&self.path, error))
    }

    /// Writes a content somewhere.
    pub fn copy(&mut self, id: &ContentId, into: &mut impl io::Write) -> Result<()> {
        let copied = (self.reader.open_content(id))
            .and_then(|mut content| io::copy(&mut content, into).map(drop));
        copied.map_err(|error| image_failure(&self.path, error))
    }

    /// Returns the tree, and a function that reads a content which is not longer than so many bytes.
    pub fn tree_and_contents(&mut self) -> (&Tree, impl FnMut(&ContentId, u64) -> Option<Vec<u8>>) {
        let Self { tree, reader, .. } = self;
        let content = |id: &ContentId, limit: u64| {
            let mut bytes = Vec::new();
            let content = reader.open_content(id).ok()?;
            content.take(limit + 1).read_to_end(&mut bytes).ok()?;
            (bytes.len() as u64 <= limit).then_some(bytes)
        };
        (tree, content)
    }

    /// Returns the tree, and a function that gives a content of it an id that means the same
    /// everywhere: its SHA-256.
    pub fn tree_and_digest(&mut self) -> (&Tree, impl FnMut(&ContentId) -> Result<ContentId>) {
        let Self { tree, reader, path } = self;
        let digest = |id: &ContentId| {
            let failed = |error: io::Error| image_failure(path, error);
            let mut content = reader.open_content(id).map_err(failed)?;
            let (_, digest) = sha256(&mut content).map_err(failed)?;
            Ok(sha256_id(&digest))
        };
        (tree, digest)
    }
}

impl InspectedImage {
    /// Reads an image, or a manifest alone where `path` is one or `manifests` asks for it. `link`
    /// is the name of the client's link, instead of the image's own name; of a disk image with
    /// systems for several architectures, that for `architecture` is read.
    pub fn open(
        path: &Path,
        manifests: bool,
        link: Option<&str>,
        architecture: Option<&str>,
    ) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(manifest::SUFFIX);
        let mut inspected = match stem {
            Some(stem) => Self::from_manifest(path, path, stem)?,
            None if manifests => {
                let stem = name.strip_suffix(".raw").unwrap_or(&name);
                Self::from_manifest(path, &beside(path), stem)?
            }
            None => {
                let manifest = read_manifest(&beside(path), Links::Refuse)?;
                Self::from_image(path, &name, manifest, architecture)?
            }
        };
        if let Some(link) = link {
            link.clone_into(&mut inspected.facts.link);
            inspected.assumes_name = false;
        }
        Ok(inspected)
    }

    fn from_manifest(path: &Path, manifest: &Path, stem: &str) -> Result<Self> {
        let Some(mut found) = read_manifest(manifest, Links::Follow)? else {
            return Err(Failure::refused(anyhow!(
                "{} is not there",
                manifest.display()
            )));
        };
        Ok(Self {
            path: path.to_owned(),
            facts: described(stem, &found),
            signature: (found.image.as_ref())
                .and_then(|image| image.signed_by.clone())
                .map(Signed::By),
            assumes_name: false,
            inside: None,
            linkage: found.linkage.take(),
            manifest: Some(found),
            modules: Modules::default(),
            texts: BTreeMap::new(),
            beside: None,
        })
    }

    /// Returns what the image file is, in words.
    pub fn format(&self) -> String {
        let systems = match &self.facts.container {
            Container::FileSystems(systems) => &systems[..],
            _ => &[],
        };
        let kinds: Vec<_> = systems.iter().map(|system| system.kind).collect();
        let kinds = kinds.join(", ");
        let protection = systems.iter().map(|system| system.protection).min();
        let has_signature = systems.iter().all(|system| system.has_signature);
        match (self.facts.partitions.is_empty(), protection) {
            (true, _) => kinds,
            (false, None | Some(Protection::Unprotected)) => format!("a disk with {kinds}"),
            (false, Some(Protection::Verity)) => format!("a disk with {kinds} and hashes"),
            (false, Some(Protection::Signed)) if has_signature => {
                format!("a disk with {kinds} and signed hashes")
            }
            (false, Some(Protection::Signed)) => {
                format!("a disk with {kinds}, hashes and room for a signature")
            }
        }
    }

    /// Returns the name of the extension, as its manifest says it, or the client's link.
    fn name(&self) -> &str {
        let manifest = self.manifest.as_ref();
        manifest.map_or(&self.facts.link, |manifest| &manifest.config.name)
    }

    /// Says whether it is the companion of an image, for `/etc`. Of one whose manifest alone is known,
    /// the name says it.
    pub fn is_companion(&self) -> bool {
        let is_confext = self.inside.is_none() || !self.facts.confext_releases.is_empty();
        is_confext && store::main_of(self.name()).is_some()
    }

    /// Returns the path of its companion, or of a companion that of its image, as their names say.
    pub fn path_beside(&self) -> Option<PathBuf> {
        let name = self.name();
        let rest = self.facts.file.strip_prefix(name)?;
        let other = match store::main_of(name) {
            Some(main) => main.to_owned(),
            None => store::companion_of(name),
        };
        Some(self.path.with_file_name(other + rest))
    }

    /// Returns the path of its companion, or of a companion that of its image, if that is there.
    pub fn companion_beside(&self) -> Option<PathBuf> {
        self.path_beside().filter(|path| is_file(path))
    }

    /// Reads what is in the image beside it, if it is there.
    pub fn read_beside(&mut self) -> Result<()> {
        let path = self.companion_beside();
        let inside = path.map(|path| Self::open_alone(&path)).transpose()?;
        self.beside = inside.and_then(|one| one.inside).map(|inside| inside.tree);
        Ok(())
    }

    /// Opens an image alone, without the manifest beside it.
    pub fn open_alone(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::from_image(path, &name, None, None)
    }

    fn from_image(
        path: &Path,
        name: &str,
        mut manifest: Option<Manifest>,
        architecture: Option<&str>,
    ) -> Result<Self> {
        let file = files::open(path, Links::Follow)?;
        let failed = |error| Failure::io(reading(path), error);
        let mut opened = opened::open(file, architecture).map_err(failed)?;
        let mut facts = clients::Image {
            file: name.to_owned(),
            container: opened.container,
            partitions: opened.partitions,
            manifest: (manifest.as_ref()).map(|found| Release::of_keys(found.extension.clone())),
            ..clients::Image::default()
        };
        let is_directory = |tree: &Tree, path: &str| {
            let found = tree.resolve(path);
            found.map(|(_, visit)| matches!(visit, Visit::Directory(_)))
        };
        let failed_to_read =
            |error: &io::Error| Container::Unread(format!("can't be read here: {error}"));
        let mut left = MAX_RELEASE_SIZE;
        if let Some(root) = opened.systems.first_mut() {
            let found = is_directory(&root.tree, "etc/os-release");
            facts.has_etc_os_release = found.is_some();
            facts.os_release_is_directory = found == Some(true);
            match release_files_in(CONFEXT_DIRECTORY, &mut *root.reader, &root.tree, &mut left) {
                Ok(files) => facts.confext_releases = files,
                Err(error) if is_refusal(&error) => facts.container = failed_to_read(&error),
                Err(error) => return Err(failed(error)),
            }
        }
        // A /usr of its own hides that of the root.
        if let Some(system) = opened.systems.last_mut() {
            let found = is_directory(&system.tree, "usr/lib/os-release");
            facts.has_usr_os_release = found.is_some();
            facts.os_release_is_directory |= !facts.has_etc_os_release && found == Some(true);
            match release_files_in(
                RELEASE_DIRECTORY,
                &mut *system.reader,
                &system.tree,
                &mut left,
            ) {
                Ok(files) => facts.releases = files,
                Err(error) if is_refusal(&error) => facts.container = failed_to_read(&error),
                Err(error) => return Err(failed(error)),
            }
        }
        // What is spread over two file systems, or compressed, is known by its names alone.
        let inside = match (opened.systems.pop(), opened.systems.is_empty()) {
            (Some(system), true) if system.is_plain => Some(Inside {
                tree: system.tree,
                reader: system.reader,
                path: path.to_owned(),
            }),
            _ => None,
        };
        facts.link = match &manifest {
            Some(manifest) => manifest.config.name.clone(),
            None => linked_name(&facts),
        };
        facts.ending = ending(&facts);
        let assumes_name = manifest.is_none() && facts.link != facts.stem();
        Ok(Self {
            path: path.to_owned(),
            facts,
            assumes_name,
            inside,
            signature: opened.signature.map(|block| Signed::With(Box::new(block))),
            linkage: manifest.as_mut().and_then(|found| found.linkage.take()),
            manifest,
            modules: Modules::default(),
            texts: BTreeMap::new(),
            beside: None,
        })
    }
}

/// Returns the file system of an image: all of the file, or the first partition of a disk that clients
/// mount.
pub fn file_system<R: io::Read + io::Seek>(mut image: R) -> io::Result<Section<R>> {
    let Kind::Disk(table) = Kind::of(&mut image)? else {
        return Section::whole(image);
    };
    match mounted_parts(&table, None).first() {
        Some(found) => Section::new(image, found.data.start, found.data.length),
        None => Section::whole(image),
    }
}

fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

/// Returns the name under which clients link an image: that which it gives itself, if its file is
/// called after that, with a version behind it; else that of the file.
fn linked_name(facts: &clients::Image) -> String {
    let own = own_name(facts);
    let rest = facts.stem().strip_prefix(&own);
    match rest.map(|rest| rest.chars().next()) {
        Some(None | Some('-' | '_' | '+' | '.' | '@')) => own,
        _ => facts.stem().to_owned(),
    }
}

/// Returns what clients look at of an image of which the manifest and the stem of the file name are
/// known.
pub fn described<L>(stem: &str, manifest: &Manifest<L>) -> clients::Image {
    let (name, keys) = (&manifest.config.name, &manifest.extension);
    let file = |name: &str, is_regular| ReleaseFile {
        name: name.to_owned(),
        is_regular,
        strict: Some(b"0".to_vec()),
        keys: Some(Release::of_keys(keys.clone())),
        instead: None,
    };
    let facts = clients::Image {
        file: format!("{stem}.raw"),
        link: name.clone(),
        container: container_of(manifest),
        partitions: partitions_of(manifest),
        releases: vec![file(name, true), file(stem, false)],
        manifest: Some(Release::of_keys(keys.clone())),
        ..clients::Image::default()
    };
    clients::Image {
        ending: ending(&facts),
        ..facts
    }
}

/// Returns what an image file is, as its manifest says.
fn container_of<L>(manifest: &Manifest<L>) -> Container {
    let system = |protection, has_signature| {
        let found = FileSystem::assumed("squashfs", protection, has_signature);
        Container::FileSystems(vec![found])
    };
    let Some(image) = &manifest.image else {
        return Container::Assumed;
    };
    match (&*image.format, image.signature.as_deref()) {
        (ImageFile::SQUASHFS, _) => system(Protection::Unprotected, false),
        (ImageFile::DDI, Some(ImageFile::NOT_SIGNED)) => system(Protection::Verity, false),
        (ImageFile::DDI, Some(ImageFile::DEFERRED)) => system(Protection::Signed, false),
        (ImageFile::DDI, Some(ImageFile::SIGNED)) => system(Protection::Signed, true),
        _ => Container::Assumed,
    }
}

/// Returns the partitions of a disk of ours, as its manifest says.
fn partitions_of<L>(manifest: &Manifest<L>) -> Vec<clients::Partition> {
    let Container::FileSystems(systems) = container_of(manifest) else {
        return Vec::new();
    };
    let roles: &[Role] = match systems.first().map(|system| system.protection) {
        Some(Protection::Verity) => &[Role::Data, Role::Hashes],
        Some(Protection::Signed) => &[Role::Data, Role::Hashes, Role::Signature],
        Some(Protection::Unprotected) | None => &[],
    };
    let architecture = manifest.config.architecture.as_deref().unwrap_or_default();
    let kinds =
        (roles.iter()).filter_map(|role| partition_type(architecture, Designator::Root, *role));
    kinds
        .map(|kind| clients::Partition {
            kind: kind.to_owned(),
            label: String::new(),
            flags: READ_ONLY,
        })
        .collect()
}

/// Says whether something is a file: others may have put something there.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|it| it.is_file())
}

/// Returns what follows the version in the pattern of the definition that a store has for an image,
/// as its file name tells; `None` where it doesn't.
fn ending(facts: &clients::Image) -> Option<&'static str> {
    let keys = (facts.manifest.as_ref()).or_else(|| {
        let regular = facts.releases.iter().find(|file| file.is_regular)?;
        regular.keys.as_ref()
    })?;
    let version = keys.get("SYSEXT_VERSION_ID")?;
    let start = format!("{}-{version}", facts.link);
    let suffix = facts.file.strip_prefix(&start)?;
    let layout = store::Layout::of_suffix(suffix, keys.get("ARCHITECTURE")?)?;
    Some(layout.pattern_ending())
}

/// Returns the name that an image gives itself: `SYSEXT_ID`, else the name of its regular
/// extension-release file, else that of the image file.
fn own_name(facts: &clients::Image) -> String {
    let mut regular = facts.releases.iter().filter(|file| file.is_regular);
    let first = regular.next();
    let id = first
        .and_then(|file| file.keys.as_ref()?.get("SYSEXT_ID"))
        .map(str::to_owned);
    let only = first.filter(|_| regular.next().is_none());
    id.or(only.map(|file| file.name.clone()))
        .unwrap_or_else(|| facts.stem().to_owned())
}

/// Returns all extension-release files of an image: those of a sysext, else those of a confext. Together they are read up to the length that
/// systemd reads of one, so that no image fills memory or time.
pub fn release_files(image: &mut dyn Stored, tree: &Tree) -> io::Result<Vec<ReleaseFile>> {
    let mut left = MAX_RELEASE_SIZE;
    let files = release_files_in(RELEASE_DIRECTORY, image, tree, &mut left)?;
    match files.is_empty() {
        true => release_files_in(CONFEXT_DIRECTORY, image, tree, &mut left),
        false => Ok(files),
    }
}

/// Returns those in a directory; `left` is how much of them may still be read.
fn release_files_in(
    directory: &str,
    image: &mut dyn Stored,
    tree: &Tree,
    left: &mut u64,
) -> io::Result<Vec<ReleaseFile>> {
    let Some((directory, Visit::Directory(found))) = tree.resolve(directory) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for (entry, _) in found.entries() {
        let Some(name) = entry.strip_prefix(b"extension-release.") else {
            continue;
        };
        if files.len() == MAX_RELEASES {
            let text = format!("{directory} has more than {MAX_RELEASES} extension-release files");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut path = directory.clone();
        path.push(entry);
        let own = match tree.get(&path) {
            Some(Visit::Leaf(_, leaf)) => Some(leaf),
            _ => None,
        };
        let mut keys = None;
        let instead = match tree.resolve(&path) {
            None => None,
            Some((_, Visit::Directory(_))) => Some(Instead::Directory),
            Some((_, Visit::Leaf(_, leaf))) => match &leaf.content {
                Content::File { id, .. } => {
                    let mut text = Vec::new();
                    let whole = image.open_content(id)?;
                    whole.take(*left + 1).read_to_end(&mut text)?;
                    let length = text.len() as u64;
                    let read = Release::parse(&text).filter(|_| length <= *left);
                    *left = left.saturating_sub(length);
                    keys = Some(read.unwrap_or_default());
                    None
                }
                _ => Some(Instead::Special),
            },
        };
        files.push(ReleaseFile {
            name: files::shown(name).into_owned(),
            is_regular: own.is_some_and(|leaf| matches!(leaf.content, Content::File { .. })),
            strict: own.and_then(|leaf| {
                leaf.stat
                    .xattrs
                    .get("user.extension-release.strict")
                    .cloned()
            }),
            keys,
            instead,
        });
    }
    Ok(files)
}

/// Returns the path of an image's manifest.
pub fn beside(image: &Path) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    image.with_file_name(manifest::file_name(&name))
}

/// Reads the manifest of an image; `None` where it is not there.
pub fn read_manifest<L: DeserializeOwned>(
    path: &Path,
    links: Links,
) -> Result<Option<Manifest<L>>> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let json = document::read(path, links, manifest::MAX_SIZE)?;
    Manifest::of_image(&json)
        .map(Some)
        .map_err(|problem| Failure::refused(anyhow!("{} {problem}", path.display())))
}

/// Fails for contents that would take too long to read. Holes take no room, so a hostile image of a
/// few kilobytes can hold terabytes of zeros; callers ask here before they read contents.
pub fn check_content_size(path: &Path, length: u64, tree: &Tree) -> Result<u64> {
    let mut leaves = BTreeSet::new();
    let mut total: u64 = 0;
    tree.walk(&mut |_, visit| {
        if let Visit::Leaf(id, leaf) = visit
            && let Content::File { size, .. } = leaf.content
            && leaves.insert(id)
        {
            total = total.saturating_add(size);
        }
    });
    let limit = MAX_RATIO.saturating_mul(length).max(MAX_WORK);
    if total > limit {
        return Err(Failure::refused(anyhow!(
            "{}: {} unpack to {}; more than {} are not read of such an image",
            path.display(),
            bytes(length),
            bytes(total),
            bytes(limit)
        )));
    }
    Ok(total)
}

/// Says what a file is that was named for an image, where that is plain from its first bytes.
pub fn not_an_image(path: &Path) -> Result<Option<Failure>> {
    let start = first_bytes(path)?;
    let kind = files::what_is(&start).filter(|_| !start.starts_with(b"hsqs"));
    Ok(kind
        .map(|kind| Failure::refused(anyhow!("{} is not an image: it is {kind}", path.display()))))
}

/// Returns how a file begins.
pub fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    (files::open(path, Links::Follow)?.take(64))
        .read_to_end(&mut start)
        .map_err(|error| Failure::io(reading(path), error))?;
    Ok(start)
}

/// Sorts an error by whether the image or the system is at fault.
pub fn image_failure(path: &Path, error: impl Into<io::Error>) -> Failure {
    let error = error.into();
    if is_refusal(&error) {
        Failure::refused(anyhow!("{}: {error}", path.display()))
    } else {
        Failure::io(reading(path), error)
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::squashfs::{Image, Options, Packer, Workers};
    use image::{Leaf, Stat};

    use super::*;

    #[test]
    fn contents_are_bounded_by_the_work_that_they_are() {
        const GIB: u64 = 1 << 30;
        for (length, sizes, is_read) in [
            (4096, &[GIB, 5000][..], true),
            (4096, &[GIB, 63 * GIB], true),
            (4096, &[GIB, 63 * GIB, 1], false),
            (GIB, &[1000 * GIB], true),
            (GIB, &[1000 * GIB, 1], false),
            (4096, &[u64::MAX, u64::MAX], false),
        ] {
            let implicit = Stat::implicit_directory(0);
            let mut tree = Tree::new(implicit.clone());
            for (number, size) in sizes.iter().enumerate() {
                let id = ContentId::new(number.to_string());
                let leaf = Leaf {
                    stat: Stat::default(),
                    content: Content::File { size: *size, id },
                };
                let path = format!("usr/{number}");
                tree.insert_leaf(&path, leaf, &implicit).unwrap();
            }
            let found = check_content_size(Path::new("x"), length, &tree);
            let expected = is_read.then(|| sizes.iter().sum());
            assert_eq!(found.ok(), expected, "{length} {sizes:?}");
        }
    }

    #[test]
    fn an_image_has_so_many_release_files() {
        let options = Options {
            compressor: "lz4".parse().unwrap(),
            block_size: 4096,
            workers: Workers::new(1),
            mkfs_time: 0,
        };
        // Those of other names don't count.
        for (count, expected) in [
            (1024, Ok(1024)),
            (
                1025,
                Err("usr/lib/extension-release.d has more than 1024 extension-release files"),
            ),
        ] {
            let implicit = Stat::implicit_directory(0);
            let mut tree = Tree::new(implicit.clone());
            let others = (0..2000).map(|number| format!("a{number}"));
            let names = (0..count).map(|number| format!("extension-release.{number}"));
            for name in others.chain(names) {
                let path = format!("{RELEASE_DIRECTORY}/{name}");
                let leaf = Leaf {
                    stat: Stat::default(),
                    content: Content::Symlink("x".into()),
                };
                tree.insert_leaf(&path, leaf, &implicit).unwrap();
            }
            let packer = Packer::new(Cursor::new(Vec::new()), &options).unwrap();
            let (packed, _) = packer.finish(&tree).unwrap();
            let mut image = Image::open(packed).unwrap();
            let found = release_files(&mut image, &tree).map(|files| files.len());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}
