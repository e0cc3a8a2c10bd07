//! `store mirror`: a copy of a store somewhere else is brought up to date.
//!
//! The copy is safe to serve while that runs. Images come first, made of the ones that are there as far as
//! these have them, then all else that the list names. Then the list takes the place of the one before,
//! with the owner's signature, and only then what it does not name any more goes. What was brought
//! before a transfer broke stays, and is not fetched again.

use std::path::{Path, PathBuf};

use files::{Directory, Links};
use serde::Serialize;
use store::{IMAGE_SUFFIX, List, Offer, Store, guess_name, order};

use crate::cli::store::MirrorArguments;
use crate::commands::pull::bring::{Bringing, Have};
use crate::commands::pull::target::Partial;
use crate::inputs;
use crate::report::Report;
use crate::served::{Place, Trusted};
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::{bytes, counted};

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
    let offer = Offer::of_list(&list.bytes, inputs::clock()?).map_err(|problem| {
        Failure::refused(anyhow::anyhow!("{}: the list {problem}", arguments.store))
    })?;
    let path = &arguments.directory;
    std::fs::create_dir_all(path)
        .map_err(|error| Failure::io(format!("making {}", path.display()), error))?;
    let store = Store::open(path).map_err(store_failure)?;
    if let Some(problem) = store.setback_by(&list.bytes).map_err(store_failure)? {
        let path = path.join(store::SUMS);
        let error = store::Error::Setback { path, problem };
        return Err(Failure::refused(anyhow::anyhow!(error))
            .hint("somebody may have put an earlier list back, or served another store")
            .hint("if the list is right, begin with an empty directory"));
    }
    let mirroring = Mirroring {
        bringing: Bringing {
            place: &place,
            offer: &offer,
            report,
        },
        directory: Directory::open(path, Links::Follow)?,
        former: store.list().map_err(store_failure)?,
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
    match report.is_json() {
        true => report.json(&answer),
        false => {
            report.stage("mirror", &answer.text(files.len()));
            Ok(())
        }
    }
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
        let haves = match name.ends_with(IMAGE_SUFFIX) {
            true => self.haves(name)?,
            false => Vec::new(),
        };
        let brought = self.bringing.file(partial, haves, name, sha256)?;
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
