//! `store index`: which pieces images consist of, for clients that have most of them.

use std::path::PathBuf;

use anyhow::anyhow;
use delta::{Index, MAX_INDEX};
use serde::Serialize;
use store::{ImagePart, List, Store, index_name};

use crate::cli::store::IndexArguments;
use crate::inputs;
use crate::publish::{indexes as made, signing};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;

#[derive(Serialize)]
struct Indexed {
    /// The images whose indexes are new.
    images: Vec<PathBuf>,
    /// Fingerprint of the key, if one signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

/// Makes the indexes that are missing, or of other bytes than the images have.
pub fn run(arguments: &IndexArguments, report: &Report) -> Result<()> {
    super::demand_list(&arguments.directory)?;
    let settings = inputs::signing(&arguments.signing)?;
    let directories = super::directories(&arguments.directory)?;
    let signer = signing::open_to_extend(&settings, &directories)?;
    let mut images = Vec::new();
    for directory in &directories {
        let store = Store::open(directory).map_err(store_failure)?;
        let list = store.list().map_err(store_failure)?;
        let parts = indexes(&store, &list)?;
        images.extend(parts.iter().map(|part| directory.join(&part.image)));
        super::put_parts(
            (&store, &list),
            parts,
            (signer.as_ref(), settings.now),
            report,
        )?;
    }
    let text = match images.len() {
        0 => "each image has an index".to_owned(),
        count => format!("new indexes of {}", counted(count, "image")),
    };
    report.stage("store", &text);
    if report.is_json() {
        report.json(&Indexed {
            images,
            signed_by: signer.map(|signer| signer.fingerprint()),
        })?;
    }
    Ok(())
}

/// Makes the indexes of images that have none, and of those that have one of other bytes.
fn indexes(store: &Store, list: &List) -> Result<Vec<ImagePart>> {
    let mut parts = Vec::new();
    for image in list.images().map_err(store_failure)? {
        let bytes = list
            .file(&index_name(&image.file), MAX_INDEX)
            .map_err(store_failure)?;
        let known = bytes.and_then(|bytes| Index::parse(&bytes).ok());
        if known.is_some_and(|index| *index.sha256() == image.sha256) {
            continue;
        }
        let path = store.dir().join(&image.file);
        let mut file = files::open(&path, files::Links::Refuse)?;
        let length = file
            .metadata()
            .map_err(|error| Failure::io(format!("looking at {}", path.display()), error))?;
        let index = made::of(&mut file, length.len());
        let index = index.map_err(|problem| {
            Failure::refused(anyhow!("{}: its index {problem}", path.display()))
        })?;
        if *index.sha256() != image.sha256 {
            let text = anyhow!("{} is not the listed image", path.display());
            let hint = format!("see sysext-build store verify {}", store.dir().display());
            return Err(Failure::refused(text).hint(hint));
        }
        parts.push(ImagePart {
            name: store::index_name(&image.file),
            image: image.file,
            sha256: image.sha256,
            bytes: index.to_bytes(),
        });
    }
    Ok(parts)
}
