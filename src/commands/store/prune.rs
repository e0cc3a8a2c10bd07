//! `store prune`: old images go.

use std::path::PathBuf;

use serde::Serialize;
use store::{ListedImage, Listing, Per, Pruning, Store};

use crate::cli::store::{PruneArguments, PruneKey};
use crate::inputs;
use crate::publish::signing;
use crate::report::Report;
use crate::words::failure::{Result, store_failure};
use crate::words::quantity::{bytes, counted};
use crate::words::text::Text;

/// What went from a store.
#[derive(Serialize)]
pub struct Removed {
    dry_run: bool,
    directories: Vec<StoreDirectory>,
}

/// What went from one directory.
#[derive(Serialize)]
struct StoreDirectory {
    #[serde(rename = "directory")]
    path: PathBuf,
    removed: Vec<String>,
    bytes: u64,
}

/// Removes all images but the newest, or shows which.
pub fn run(arguments: &PruneArguments, report: &Report) -> Result<()> {
    let pruning = Pruning {
        keep: arguments.keep,
        per: match arguments.per {
            None => Per::Name,
            Some(PruneKey::VersionId) => Per::VersionId,
            Some(PruneKey::Level) => Per::Level,
        },
    };
    let mut pruned = Removed::new(arguments.dry_run);
    let directories = super::directories(&arguments.directory)?;
    let signer = match arguments.dry_run {
        true => None,
        false => signing::open_to_extend(&inputs::signing(&arguments.signing)?, &directories)?,
    };
    for finding in signer.iter().flat_map(|signer| &signer.findings) {
        report.note(finding);
    }
    for directory in directories {
        let listing = Listing {
            signing: (signer.as_ref()).map(|signer| signer.signing(&directory)),
            ..Listing::default()
        };
        let store = Store::open(&directory).map_err(store_failure)?;
        let removed = store
            .prune(pruning, arguments.dry_run, listing)
            .map_err(store_failure)?;
        if let Some(signer) = &signer {
            signer.conclude(&store, report)?;
        }
        pruned.add(directory, removed);
    }
    pruned.tell(report)
}

impl Removed {
    /// Begins with nothing.
    pub fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            directories: Vec::new(),
        }
    }

    /// Adds what went from a directory.
    pub fn add(&mut self, path: PathBuf, removed: Vec<ListedImage>) {
        self.directories.push(StoreDirectory {
            path,
            bytes: removed.iter().filter_map(|image| image.bytes).sum(),
            removed: removed.into_iter().map(|image| image.file).collect(),
        });
    }

    /// Says what went: as the answer of a run that only looks, else as what has happened.
    pub fn tell(&self, report: &Report) -> Result<()> {
        match (report.is_json(), self.dry_run || !report.is_quiet()) {
            (true, _) => report.json(self),
            (false, true) => report.print(&self.text()),
            (false, false) => Ok(()),
        }
    }

    fn text(&self) -> Text {
        let word = match self.dry_run {
            true => "would remove",
            false => "removed",
        };
        let mut text = Text::default();
        for directory in &self.directories {
            for file in &directory.removed {
                text.line(format!("{word}  {file}"));
            }
            text.line(format!(
                "{}: {word} {}, {}",
                directory.path.display(),
                counted(directory.removed.len(), "image"),
                bytes(directory.bytes)
            ));
        }
        text
    }
}
