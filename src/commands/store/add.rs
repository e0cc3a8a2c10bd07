//! `store add`: images that were built elsewhere.

use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::{Directory, Links};
use manifest::{Manifest, Summary};
use serde::Serialize;
use store::{Listing, Publication, Store, Temporary};

use super::incoming;
use super::transfer::alone;
use crate::cli::store::AddArguments;
use crate::inputs;
use crate::inspected::beside;
use crate::publish::signing::Signer;
use crate::publish::{self, signing};
use crate::report::Report;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, store_failure};

#[derive(Serialize)]
struct Additions {
    images: Vec<Row>,
    /// Fingerprint of the key, if one signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

#[derive(Serialize)]
struct Row {
    image: PathBuf,
    sha256: String,
    added: &'static str,
}

/// Adds each image with the manifest beside it, one transaction each.
pub fn run(arguments: &AddArguments, report: &Report) -> Result<()> {
    let directory = &arguments.directory;
    let settings = inputs::signing(&arguments.signing)?;
    let signer = signing::open_to_extend(&settings, std::slice::from_ref(directory))?;
    for finding in signer.iter().flat_map(|signer| &signer.findings) {
        report.note(finding);
    }
    let images = (arguments.images.iter())
        .map(|image| add(image, arguments, signer.as_ref(), settings.now, report))
        .collect::<Result<_>>()?;
    if report.is_json() {
        report.json(&Additions {
            images,
            signed_by: signer.map(|signer| signer.fingerprint()),
        })?;
    }
    Ok(())
}

fn add(
    image: &Path,
    arguments: &AddArguments,
    signer: Option<&Signer>,
    now: u64,
    report: &Report,
) -> Result<Row> {
    let manifest_path = beside(image);
    let manifest = files::open(&manifest_path, Links::Refuse).map_err(|error| {
        Failure::from(error).hint("an image can be added only together with its manifest")
    })?;
    let manifest = incoming::manifest(manifest, &manifest_path)?;
    let name = manifest.config.name.clone();
    let directory = match arguments.per_name {
        true => {
            store::check_name(&name)
                .map_err(|problem| Failure::refused(anyhow!("name {name:?} {problem}")))?;
            arguments.directory.join(store::family_of(&name))
        }
        false => arguments.directory.clone(),
    };
    let store = Store::create(&directory).map_err(store_failure)?;
    if arguments.per_name {
        publish::check_own_directory(&directory)?;
    }
    check_pair(&store, image, &manifest, &arguments.images)?;
    let mut file = copy(&store, image, Links::Follow)?;
    incoming::check(image, &mut file, &manifest, report)?;
    let digest = file.2;
    let attached = attached(&store, image, &digest)?;
    let stored = directory.join(&file.0);
    let added = store
        .add(
            Publication {
                name,
                image: file,
                manifest: copy(&store, &manifest_path, Links::Refuse)?,
                attached,
                replace: arguments.replace,
                allow_older: arguments.allow_older,
            },
            Listing {
                signing: signer.map(|signer| signer.signing(&directory)),
                best_before: arguments.best_before,
                now,
            },
        )
        .map_err(store_failure)?;
    if let Some(signer) = signer {
        signer.conclude(&store, report)?;
    }
    let added = incoming::word(added);
    report.stage("store", &format!("{}  {added}", stored.display()));
    Ok(Row {
        image: stored,
        sha256: hex::encode(digest),
        added,
    })
}

/// Fails for an image whose companion is neither there nor comes with it, or for such a companion.
fn check_pair<L>(
    store: &Store,
    image: &Path,
    manifest: &Manifest<L>,
    coming: &[PathBuf],
) -> Result<()> {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let summary = Summary {
        config: manifest.config.clone(),
        companion: manifest.companion.clone(),
        ..Summary::default()
    };
    let (file, coming) = (name(image), coming.iter().map(|path| name(path)));
    let coming: Vec<_> = coming.collect();
    let listed = store.images().map_err(store_failure)?;
    let listed = listed.iter().map(|image| image.file.as_str());
    let known = listed.chain(coming.iter().map(String::as_str));
    let others = known
        .filter(|other| *other != file)
        .map(|other| (other, None));
    let all: Vec<_> = others.chain([(file.as_str(), Some(&summary))]).collect();
    match store::halves(all.into_iter()).first() {
        None => Ok(()),
        Some(half) => Err(alone(half)),
    }
}

/// Copies what else is beside an image and belongs to it, which must be about this image.
fn attached(
    store: &Store,
    image: &Path,
    digest: &[u8; 32],
) -> Result<Vec<(String, Temporary, [u8; 32])>> {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let directory = match image.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let names = Directory::open(directory, Links::Follow)?.names()?;
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let mut names: Vec<_> = names.filter(|one| store::is_attached(one, &name)).collect();
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        let path = directory.join(name);
        let mut file = copy(store, &path, Links::Refuse)?;
        incoming::check_attached(&path, &mut file.1, digest)?;
        found.push(file);
    }
    Ok(found)
}

/// Copies a file into the store, without a name as yet; returns what a publication wants of it.
fn copy(store: &Store, path: &Path, links: Links) -> Result<(String, Temporary, [u8; 32])> {
    let failed = |error: io::Error| Failure::io(format!("copying {}", path.display()), error);
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .ok_or_else(|| Failure::refused(anyhow!("the name of {} is not UTF-8", path.display())))?;
    let mut input = files::open(path, links)?;
    let mut output = store.temporary().map_err(store_failure)?;
    io::copy(&mut input, &mut output).map_err(failed)?;
    // What was written is what counts, if the file changes meanwhile.
    output.seek(SeekFrom::Start(0)).map_err(failed)?;
    let (_, digest) = sha256(&mut output).map_err(failed)?;
    Ok((name.to_owned(), output, digest))
}
