//! `store mirror`: a copy of a store somewhere else is brought up to date.
//!
//! The copy is safe to serve while that runs. Images come first, made of the ones that are there as far as
//! these have them, then all else that the list names. Then the list takes the place of the one before,
//! with the owner's signature, and only then what it does not name any more goes. What was brought
//! before a transfer broke stays, and is not fetched again.
//!
//! What is not on the list goes, so a directory that was made by other means is not taken for a copy: one
//! that is has a file, `.mirror`, with the address of the store.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::{Directory, Links, if_there};
use serde::Serialize;
use store::{IMAGE_SUFFIX, List, MIRROR_OF, Offer, Store, guess_name, order};

use crate::cli::store::MirrorArguments;
use crate::commands::pull::bring::{Bringing, Have};
use crate::commands::pull::target::{self, Partial};
use crate::inputs;
use crate::report::Report;
use crate::served::{Place, Trusted};
use crate::words::failure::{Failure, Result, store_failure, writing_failure};
use crate::words::quantity::{bytes, counted};

/// Longest file with the address of a store, in bytes.
const MAX_MARK: u64 = 8 << 10;
/// Older images that are looked into for what a new one has of them.
const LOOKED_INTO: usize = 2;

#[derive(Default, Serialize)]
struct Answer {
    directory: PathBuf,
    /// File names of what came.
    brought: Vec<String>,
    /// How many bytes these have.
    bytes: u64,
    /// How many bytes the store was asked for.
    fetched: u64,
    /// File names of what went.
    removed: Vec<String>,
    /// Fingerprint of the key that signed the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

/// Brings what is missing, and puts the list in place.
pub fn run(arguments: &MirrorArguments, report: &Report) -> Result<()> {
    let trusted = Trusted::of(&arguments.trust)?;
    let place = Place::open(&arguments.store, &arguments.network)?;
    let list = place.list(trusted.as_ref())?;
    // One that nobody has to check is copied for those who do.
    let signature = match &trusted {
        Some(_) => list.signature.clone(),
        None => place.signature()?,
    };
    let offer = Offer::of_list(&list.bytes, inputs::clock()?)
        .map_err(|problem| Failure::refused(anyhow!("{}: the list {problem}", arguments.store)))?;
    check_names(&arguments.store, &offer)?;
    let path = &arguments.directory;
    std::fs::create_dir_all(path)
        .map_err(|error| Failure::io(format!("making {}", path.display()), error))?;
    let store = Store::open(path).map_err(store_failure)?;
    let directory = Directory::open(path, Links::Follow)?;
    let former = store.list().map_err(store_failure)?;
    mark(&directory, &place, &former)?;
    if let Some(problem) = store.setback_by(&list.bytes).map_err(store_failure)? {
        let path = path.join(store::SUMS);
        let error = store::Error::Setback { path, problem };
        return Err(Failure::refused(anyhow!(error))
            .hint("somebody may have put an earlier list back, or served another store")
            .hint("if the list is right, begin with an empty directory"));
    }
    let mirroring = Mirroring {
        bringing: Bringing {
            place: &place,
            offer: &offer,
            report,
        },
        directory,
        former,
    };
    let mut answer = Answer {
        directory: path.clone(),
        signed_by: list.signed_by,
        ..Answer::default()
    };
    let files = offer.files();
    let is_image = |name: &str| name.ends_with(IMAGE_SUFFIX);
    for images in [true, false] {
        for (name, sha256) in files.iter().filter(|(name, _)| is_image(name) == images) {
            mirroring.bring(name, sha256, &mut answer)?;
        }
    }
    answer.removed = (store.adopt(&list.bytes, signature.as_deref())).map_err(store_failure)?;
    let is_unwanted = |name: &str| offer.digest_of(name).is_none();
    target::drop_partial(&mirroring.directory, &is_unwanted)?;
    match report.is_json() {
        true => report.json(&answer),
        false => {
            report.stage("mirror", &answer.text(files.len()));
            Ok(())
        }
    }
}

/// Fails for a list of which no store can be made, or none that is safe to serve.
fn check_names(store: &str, offer: &Offer) -> Result<()> {
    let files = offer.files();
    if files.is_empty() {
        let text = anyhow!("{store}: the list names no file");
        return Err(Failure::refused(text)
            .hint("nothing was removed; if the store is really empty, remove the copy"));
    }
    let is_other = |name: &str| name.starts_with(['.', '-']) || name.starts_with(store::SUMS);
    match files.iter().find(|(name, _)| is_other(name)) {
        Some((name, _)) => Err(Failure::refused(anyhow!(
            "{store}: the list names {name:?}, which no store has"
        ))),
        None => Ok(()),
    }
}

/// Makes sure that a directory is a copy of this store, or becomes one.
fn mark(directory: &Directory, place: &Place, former: &List) -> Result<()> {
    let address = place.address()?;
    let of = if_there(directory.read(MIRROR_OF, MAX_MARK))?;
    let shown = directory.path().display();
    let failure = match of {
        Some(of) if of.trim_ascii() == address.as_bytes() => return Ok(()),
        Some(of) => {
            let of = String::from_utf8_lossy(of.trim_ascii());
            anyhow!("{shown} is a copy of {of}, not of {address}")
        }
        None if former.bytes().is_empty() => {
            let line = format!("{address}\n");
            let written = directory.replace(MIRROR_OF, line.as_bytes(), 0o644);
            return written.map_err(writing_failure);
        }
        None => anyhow!("{shown} is a store of its own, and no copy of {address}"),
    };
    Err(Failure::refused(failure)
        .hint("what the other list does not name would be removed; give an empty directory")
        .hint(format!(
            "or, if that is meant: echo {address} > {}",
            directory.path().join(MIRROR_OF).display()
        )))
}

/// What is brought, and to where.
struct Mirroring<'a> {
    bringing: Bringing<'a>,
    directory: Directory,
    /// What is there, by the list before.
    former: List,
}

impl Mirroring<'_> {
    /// Brings a file, unless it is there.
    fn bring(&self, name: &str, sha256: &[u8; 32], answer: &mut Answer) -> Result<()> {
        let stat = self.directory.stat(name)?;
        if stat.is_some() && self.former.digest_of(name) == Some(*sha256) {
            return Ok(());
        }
        let partial = Partial::lock(&self.directory, name)?;
        if partial.is_there(sha256)? == Some(true) {
            return partial.drop_file();
        }
        let (haves, index) = match name.ends_with(IMAGE_SUFFIX) {
            true => {
                let haves = self.haves(name)?;
                let index = self.bringing.index(name, sha256, &haves);
                (haves, index)
            }
            false => (Vec::new(), None),
        };
        let brought = (self.bringing).file(partial, haves, (name, sha256), index.as_ref())?;
        answer.brought.push(name.to_owned());
        answer.bytes += brought.bytes;
        answer.fetched += brought.fetched;
        Ok(())
    }

    /// Opens the images that may have pieces of a new one: the newest of its name.
    fn haves(&self, image: &str) -> Result<Vec<Have>> {
        let name = guess_name(image);
        let names = self.directory.names()?.into_iter();
        let names = names.filter_map(|name| name.into_string().ok());
        let is_older = |file: &String| file.ends_with(IMAGE_SUFFIX) && guess_name(file) == name;
        let mut older: Vec<_> = names.filter(is_older).collect();
        older.sort_by(|a, b| order::systemd(b, a));
        let opened = older.into_iter().take(LOOKED_INTO).filter_map(|file| {
            Some(Have {
                path: self.directory.path().join(&file),
                file: self.directory.open_file(&file).ok()?,
            })
        });
        Ok(opened.collect())
    }
}

impl Answer {
    fn text(&self, files: usize) -> String {
        let shown = Path::new(&self.directory).display();
        let gone = match self.removed.len() {
            0 => String::new(),
            count => format!(", {} removed", counted(count, "file")),
        };
        if self.brought.is_empty() {
            return format!("{shown} is up to date: {}{gone}", counted(files, "file"));
        }
        let saved = 100.0 * (1.0 - self.fetched as f64 / self.bytes.max(1) as f64);
        format!(
            "{shown}  {} of {}, fetched {} of {}, {:.1} % saved{gone}",
            self.brought.len(),
            counted(files, "file"),
            bytes(self.fetched),
            bytes(self.bytes),
            saved.max(0.0)
        )
    }
}
