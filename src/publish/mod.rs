//! What becomes of a finished image: its manifest, its entry in the store, the signature of the
//! list, the page.
//!
//! A [`Destination`] says where images go. [`ImageDirectory`] is the directory of one image, open
//! while the image is written to a temporary file in it. [`publish`] names and lists the image
//! with its manifest: all or nothing.

pub mod attested;
pub mod bills;
pub mod built_from;
pub mod disk;
pub mod foreseen;
pub mod indexes;
pub mod manifest;
pub mod number;
pub mod oci;
pub mod offered;
pub mod page;
pub mod provenance;
pub mod signing;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ::manifest::Manifest;
use anyhow::anyhow;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Added, BestBefore, Layout, List, Listing, Publication, Store, Temporary};

use crate::pack::written::Written;
use crate::plan::identity::Identity;
use crate::publish::number::Kept;
use crate::publish::provenance::Attester;
use crate::publish::signing::Signer;
use crate::report::Report;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, store_failure};

/// Where images go, and what may happen to those that are there.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The directory that was named.
    pub output: PathBuf,
    /// Where in `output` an image is.
    pub layout: Layout,
    /// Digests are written beside the files, and there is no list.
    pub obs: bool,
    /// An image of the same name may be replaced.
    pub replace: bool,
    /// An image that is not the newest of its name may be added.
    pub allow_older: bool,
    /// The last day on which clients may take the list.
    pub best_before: Option<BestBefore>,
    /// The time, in seconds since 1970, by which that day is over.
    pub now: u64,
    /// The bills of materials that are put beside an image.
    pub bills: BTreeSet<sbom::Format>,
    /// An index of its pieces is put beside an image.
    pub blocks: bool,
    /// The directory is gone after the run, so it is not said what is in it.
    pub is_passing: bool,
}

impl Destination {
    /// Whether images get indexes: what nobody is offered needs none.
    fn indexes(&self) -> bool {
        self.blocks && !self.obs
    }

    /// Returns the directory of an extension's images: that of the store, or the extension's own
    /// in it.
    ///
    /// A companion is beside its extension.
    pub fn directory_of(&self, name: &str) -> PathBuf {
        match self.layout.is_per_name() {
            true => self.output.join(store::family_of(name)),
            false => self.output.clone(),
        }
    }
}

/// What is in the store now.
#[derive(Debug, Serialize)]
pub struct Stored {
    sha256: String,
    bytes: u64,
    added: &'static str,
    /// Fingerprint of the key that signs the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

/// An image that was made, and is to be published.
pub struct Made {
    /// What it is called.
    pub identity: Identity,
    /// Its file.
    pub image: Temporary,
    /// The bytes of that.
    pub written: Written,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Made {
    /// Returns the publication of the image, with its digest and its size in bytes.
    fn publication(
        self,
        directory: &ImageDirectory<'_>,
        attester: Option<&Attester>,
    ) -> Result<(Publication, [u8; 32], u64)> {
        let Self {
            identity,
            mut image,
            written,
            mut manifest,
        } = self;
        let hashed = written.wait();
        let (bytes, digest) = hashed.map_err(|error| Failure::io("writing the image", error))?;
        if let Some(file) = &mut manifest.image {
            file.sha256 = Some(hex::encode(digest));
            file.bytes = Some(bytes);
        }
        let list = manifest.to_gzip().map_err(|problem| {
            Failure::refused(anyhow!("the manifest of {} {problem}", identity.name))
        })?;
        let (_, list_digest) = sha256(&mut list.as_slice())
            .map_err(|error| Failure::io("hashing the manifest", error))?;
        let written = |bytes: &[u8]| -> Result<Temporary> {
            let mut file = directory.temporary()?;
            file.write_all(bytes)
                .map_err(|error| Failure::io("writing what belongs to the image", error))?;
            Ok(file)
        };
        let list_file = written(&list)?;
        let destination = directory.destination;
        let mut attached = Vec::new();
        let file = identity.image_file();
        let mut beside = bills::all(&manifest, &file, &destination.bills)?;
        if let Some(attester) = attester {
            let statement = attester.sealed(&manifest, &file, &digest)?;
            beside.push((store::statement_file(&file), statement));
        }
        for (name, bytes) in beside {
            attached.push((name, written(&bytes)?, Sha256::digest(&bytes).into()));
        }
        if destination.indexes() {
            let (name, index) = index(image.file_mut(), &identity.image_file(), bytes)?;
            attached.push((name, written(&index)?, Sha256::digest(&index).into()));
        }
        let publication = Publication {
            name: identity.name.clone(),
            image: (identity.image_file(), image, digest),
            manifest: (identity.manifest_file(), list_file, list_digest),
            attached,
            replace: destination.replace,
            allow_older: destination.allow_older,
        };
        Ok((publication, digest, bytes))
    }
}

impl Stored {
    /// Returns what there is to say of an image that was there.
    pub fn kept(kept: &Kept, signed_by: Option<String>) -> Self {
        Self {
            sha256: hex::encode(kept.sha256),
            bytes: kept.bytes,
            added: "unchanged",
            signed_by,
        }
    }

    /// Says what the store did: `new`, `unchanged` or `replaced`.
    pub fn added(&self) -> &'static str {
        self.added
    }

    /// Returns the size of the image in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The directory of an image. Where it was made for the image, it is gone again unless there is
/// something in it.
pub struct ImageDirectory<'a> {
    destination: &'a Destination,
    store: Store,
    // Dropped in this order: a directory is removed before the one that it is in.
    _directory: NewDirectory,
    _parent: NewDirectory,
}

impl<'a> ImageDirectory<'a> {
    /// Opens the directory of an extension's images, and makes it if it is missing.
    pub fn open(destination: &'a Destination, name: &str) -> Result<Self> {
        let parent = NewDirectory::make(&destination.output)?;
        let path = destination.directory_of(name);
        let _directory = NewDirectory::make(&path)?;
        if destination.layout.is_per_name() {
            check_own_directory(&path)?;
        }
        Ok(Self {
            destination,
            store: Store::open(&path).map_err(store_failure)?,
            _directory,
            _parent: parent,
        })
    }

    /// Makes a file in it that has no name yet.
    pub fn temporary(&self) -> Result<Temporary> {
        self.store.temporary().map_err(store_failure)
    }

    /// Names the files of publications, and lists them unless `--obs` forbids it.
    fn add(
        self,
        publications: Vec<Publication>,
        signer: Option<&Signer>,
        report: &Report,
    ) -> Result<Vec<Added>> {
        let added = if self.destination.obs {
            self.store.add_for_obs(publications)
        } else {
            let listing = Listing {
                signing: signer.map(|signer| signer.signing(self.store.dir())),
                best_before: self.destination.best_before,
                now: self.destination.now,
            };
            self.store.add_all(publications, listing)
        }
        .map_err(store_failure)?;
        if let Some(signer) = signer {
            signer.conclude(&self.store, report)?;
        }
        Ok(added)
    }
}

/// Fails for a link in the place of an extension's own directory: others may have put it into the
/// store, and it could lead anywhere.
pub fn check_own_directory(path: &Path) -> Result<()> {
    files::Directory::open(path, files::Links::Refuse)?;
    Ok(())
}

/// Adds an image and its companion to the store, with their manifests, and signs the list if there is
/// a signer: both or neither. The image is the first, and what became of it is returned.
pub fn publish(
    directory: ImageDirectory<'_>,
    made: Vec<Made>,
    (signer, attester): (Option<&Signer>, Option<&Attester>),
    report: &Report,
) -> Result<Stored> {
    let destination = directory.destination;
    if destination.blocks && !destination.indexes() {
        let text = "no index of the image: the Open Build Service does not publish .blocks";
        report.stage("note", text);
    }
    let (mut publications, mut known) = (Vec::new(), Vec::new());
    for one in made {
        let (publication, digest, bytes) = one.publication(&directory, attester)?;
        let path = destination.directory_of(&publication.name);
        known.push((path.join(&publication.image.0), digest, bytes));
        publications.push(publication);
    }
    let added = directory.add(publications, signer, report)?;
    let mut stored = None;
    for ((image, digest, bytes), added) in known.into_iter().zip(added) {
        let (added, words) = match added {
            Added::New => ("new", "added to"),
            Added::Unchanged => ("unchanged", "unchanged in"),
            Added::Replaced => ("replaced", "replaced in"),
        };
        let list = image.with_file_name(match destination.obs {
            true => "*.sha256",
            false => "SHA256SUMS",
        });
        if !destination.is_passing {
            let text = format!("{}  {words} {}", image.display(), list.display());
            report.stage("store", &text);
        }
        stored.get_or_insert(Stored {
            sha256: hex::encode(digest),
            bytes,
            added,
            signed_by: signer.map(Signer::fingerprint),
        });
    }
    stored.ok_or_else(|| Failure::refused(anyhow!("there is no image to publish")))
}

/// Leaves an image that is there as it is. Its list gets its day and its first signature all the
/// same.
pub fn keep(
    destination: &Destination,
    identity: &Identity,
    kept: &Kept,
    (signer, attester): (Option<&Signer>, Option<&Attester>),
    report: &Report,
) -> Result<Stored> {
    let directory = destination.directory_of(&identity.name);
    let store = Store::open(&directory).map_err(store_failure)?;
    let listing = || Listing {
        signing: signer.map(|signer| signer.signing(&directory)),
        best_before: destination.best_before,
        now: destination.now,
    };
    let mut is_renewed = store.keep(listing()).map_err(store_failure)?;
    let wanted = Beside {
        bills: destination.bills.clone(),
        index: destination.indexes(),
        attester,
    };
    is_renewed |= attach(&store, &identity.image_file(), wanted, listing(), report)?;
    if let Some(signer) = signer {
        signer.conclude(&store, report)?;
    }
    let signed_by = signer.filter(|_| is_renewed).map(Signer::fingerprint);
    say_kept(kept, report);
    say_signed(&directory, signed_by.as_deref(), report);
    Ok(Stored::kept(kept, signed_by))
}

/// What is wanted beside an image.
pub struct Beside<'a> {
    /// Bills of materials.
    pub bills: BTreeSet<sbom::Format>,
    /// The index of its pieces.
    pub index: bool,
    /// What signs the statement about how it was built, if that is wanted.
    pub attester: Option<&'a Attester>,
}

/// Puts beside an image of a store what is wanted and not there; says whether it did.
pub fn attach(
    store: &Store,
    image: &str,
    wanted: Beside<'_>,
    listing: Listing<'_>,
    report: &Report,
) -> Result<bool> {
    let list = store.list().map_err(store_failure)?;
    let there = there(store, &list, image);
    let mut made = Vec::new();
    let mut forms = wanted.bills;
    forms.retain(|form| !there.iter().any(|name| name.ends_with(form.suffix())));
    let statement = store::statement_file(image);
    let attester = wanted.attester.filter(|_| !there.contains(&statement));
    let manifest = match forms.is_empty() && attester.is_none() {
        true => None,
        false => list.manifest(image).map_err(store_failure)?,
    };
    if let (Some(manifest), false) = (&manifest, forms.is_empty()) {
        let file = manifest.image.as_ref();
        if file.is_some_and(|file| file.sha256.is_some()) {
            made = bills::all(manifest, image, &forms)?;
        } else {
            let text =
                format!("{image} gets no bill of materials: its manifest is of an older version");
            report.stage("note", &text);
        }
    }
    if let (Some(manifest), Some(attester)) = (&manifest, attester)
        && let Some(sha256) = list.digest_of(image)
    {
        made.push((statement, attester.sealed(manifest, image, &sha256)?));
    }
    if wanted.index && !there.contains(&store::index_name(image)) {
        let path = store.dir().join(image);
        let mut file = files::open(&path, files::Links::Refuse)?;
        let length = file.metadata();
        let length =
            length.map_err(|error| Failure::io(format!("looking at {}", path.display()), error))?;
        made.push(index(&mut file, image, length.len())?);
    }
    if made.is_empty() {
        return Ok(false);
    }
    let mut attached = Vec::new();
    for (name, bytes) in made {
        let mut file = store.temporary().map_err(store_failure)?;
        file.write_all(&bytes)
            .map_err(|error| Failure::io("writing what belongs to the image", error))?;
        attached.push((name, file, Sha256::digest(&bytes).into()));
    }
    store
        .attach(image, attached, listing)
        .map_err(store_failure)
}

/// Returns the names of what belongs to an image, if it is listed and has not been lost.
fn there(store: &Store, list: &List, image: &str) -> Vec<String> {
    let mut names = list.attached(image);
    names.retain(|name| store.dir().join(name).symlink_metadata().is_ok());
    names
}

/// Makes the index of an image of so many bytes; returns its file name and its bytes.
fn index(image: &mut File, name: &str, length: u64) -> Result<(String, Vec<u8>)> {
    let index = indexes::of(image, length)
        .map_err(|problem| Failure::refused(anyhow!("{name}: its index {problem}")))?;
    Ok((store::index_name(name), index.to_bytes()))
}

/// Says that an image is there already.
pub fn say_kept(kept: &Kept, report: &Report) {
    let text = format!("{}  unchanged: built from the same", kept.path.display());
    report.stage("store", &text);
}

/// Says by which key a list was signed.
fn say_signed(directory: &Path, key: Option<&str>, report: &Report) {
    if let Some(key) = key {
        let file = directory.join("SHA256SUMS.gpg");
        report.stage("sign", &format!("{}  by key {key}", file.display()));
    }
}

/// A directory that is gone again if it is empty, where it was not there before.
pub struct NewDirectory(Option<PathBuf>);

impl NewDirectory {
    /// Makes a directory, if it is missing.
    pub fn make(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self(None));
        }
        std::fs::create_dir_all(path).map_err(|error| {
            Failure::io(format!("making the directory {}", path.display()), error)
        })?;
        Ok(Self(Some(path.to_owned())))
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It is empty, or it has an image or something of someone else, which must stay.
            let _ = std::fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use ::manifest::Config;
    use architecture::Architecture;

    use super::signing::{KeySource, PassphraseSource};
    use super::*;
    use crate::report::Verbosity;
    use crate::words::scratch::Scratch;

    const SECRET: &[u8] = include_bytes!("../../fixtures/keys/test.secret.asc");
    const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";

    fn destination(output: PathBuf, layout: Layout) -> Destination {
        Destination {
            output,
            layout,
            obs: false,
            replace: false,
            allow_older: false,
            best_before: None,
            now: 0,
            bills: BTreeSet::new(),
            blocks: false,
            is_passing: false,
        }
    }

    /// Lists all that is below a directory, hidden files aside.
    fn listing(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                match path.is_dir() {
                    true => directories.push(path),
                    false => found.push(name),
                }
            }
        }
        found.retain(|path| !path.rsplit('/').next().unwrap().starts_with('.'));
        found.sort();
        found
    }

    #[test]
    fn a_directory_that_was_made_for_an_image_goes_with_it() {
        for (layout, before, in_the_meantime, after) in [
            // (layout, is there before, appears meanwhile, is there after a failure)
            (Layout::Flat, &[][..], None, &[][..]),
            (Layout::Flat, &["out"], None, &["out"]),
            (Layout::PerName, &[], None, &[]),
            (Layout::PerName, &["out"], None, &["out"]),
            (Layout::PerName, &["out/gdb"], None, &["out", "out/gdb"]),
            (
                Layout::PerName,
                &[],
                Some("out/other"),
                &["out", "out/other"],
            ),
            (
                Layout::PerName,
                &[],
                Some("out/gdb/other"),
                &["out", "out/gdb", "out/gdb/other"],
            ),
            (Layout::Flat, &[], Some("out/other"), &["out", "out/other"]),
        ] {
            let scratch = Scratch::new();
            for path in before {
                std::fs::create_dir_all(scratch.path().join(path)).unwrap();
            }
            let destination = destination(scratch.path().join("out"), layout);
            let directory = ImageDirectory::open(&destination, "gdb").unwrap();
            let temporary = directory.temporary().unwrap();
            assert!(destination.directory_of("gdb").is_dir());
            if let Some(path) = in_the_meantime {
                scratch.write(path, b"");
            }
            drop((temporary, directory));
            let there = ["out", "out/gdb", "out/other", "out/gdb/other"];
            let there = there
                .into_iter()
                .filter(|path| scratch.path().join(path).exists());
            assert_eq!(
                there.collect::<Vec<_>>(),
                after,
                "{layout:?} {before:?} {in_the_meantime:?}"
            );
        }
    }

    /// Publishes an image of these bytes.
    fn publish_one(
        destination: &Destination,
        bytes: &[u8],
        signer: Option<&Signer>,
    ) -> Result<Stored> {
        let identity = Identity {
            name: "gdb".to_owned(),
            version: "1-1".to_owned(),
            architecture: Architecture::named("x86-64").unwrap(),
            assumed_architecture: false,
            ending: ".x86-64".to_owned(),
            release: Vec::new(),
        };
        let manifest = Manifest {
            config: Config {
                name: "gdb".to_owned(),
                ..Config::default()
            },
            ..Manifest::default()
        };
        let quiet = Verbosity {
            json: false,
            quiet: true,
            verbose: false,
        };
        let report = Report::new(quiet, true);
        let directory = ImageDirectory::open(destination, "gdb")?;
        let mut image = directory.temporary()?;
        image.write_all(bytes).unwrap();
        let written = Written::hash(&image, &std::sync::Arc::default()).unwrap();
        let made = Made {
            identity,
            image,
            written,
            manifest,
        };
        publish(directory, vec![made], (signer, None), &report)
    }

    #[test]
    fn what_is_written_where() {
        let scratch = Scratch::new();
        let secret = KeySource::File(scratch.write("key", SECRET), PassphraseSource::Terminal);
        let settings = signing::Settings {
            key: Some(secret),
            new_key: false,
            memory: signing::Memory::default(),
            time: 1_700_000_001,
            now: 1_700_000_001,
        };
        let signer = Signer::open(&settings).unwrap().unwrap();
        let image = ["gdb-1-1.x86-64.manifest.gz", "gdb-1-1.x86-64.raw"];
        for (row, layout, obs, signer, prefix, beside) in [
            ("flat", Layout::Flat, false, None, "", &["SHA256SUMS"][..]),
            (
                "per-name",
                Layout::PerName,
                false,
                None,
                "gdb/",
                &["SHA256SUMS"],
            ),
            (
                "signed",
                Layout::PerName,
                false,
                Some(&signer),
                "gdb/",
                &["SHA256SUMS", "SHA256SUMS.gpg", "import-pubring.gpg"],
            ),
            (
                "obs",
                Layout::Flat,
                true,
                None,
                "",
                &[
                    "gdb-1-1.x86-64.manifest.gz.sha256",
                    "gdb-1-1.x86-64.raw.sha256",
                ],
            ),
        ] {
            let output = scratch.path().join(row);
            let mut destination = destination(output.clone(), layout);
            destination.obs = obs;
            let stored = publish_one(&destination, b"image", signer).unwrap();
            let files = image.iter().chain(beside);
            let mut expected: Vec<_> = files.map(|file| format!("{prefix}{file}")).collect();
            expected.sort();
            assert_eq!(listing(&output), expected, "{row}");
            let mut json = serde_json::json!({
                // `printf image | sha256sum`
                "sha256": "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
                "bytes": 5,
                "added": "new",
            });
            if signer.is_some() {
                json["signed_by"] = FINGERPRINT.into();
            }
            assert_eq!(serde_json::to_value(stored).unwrap(), json, "{row}");
        }
    }

    #[test]
    fn what_is_there_already() {
        let scratch = Scratch::new();
        let mut destination = destination(scratch.path().join("out"), Layout::Flat);
        let file = destination.output.join("gdb-1-1.x86-64.raw");
        for (bytes, replace, expected) in [
            (&b"one"[..], false, Some("new")),
            (b"one", false, Some("unchanged")),
            (b"two", false, None),
            (b"two", true, Some("replaced")),
        ] {
            destination.replace = replace;
            let before = std::fs::read(&file).ok();
            let stored = publish_one(&destination, bytes, None);
            assert_eq!(
                stored.ok().map(|stored| stored.added),
                expected,
                "{bytes:?} {replace}"
            );
            let now = std::fs::read(&file).ok();
            let expected = expected.map_or(before, |_| Some(bytes.to_vec()));
            assert_eq!(now, expected, "{bytes:?} {replace}");
        }
    }
}
