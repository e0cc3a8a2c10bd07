//! Bills of materials: what is in an image, for programs that compare that with lists of weaknesses
//! and licences.

use std::collections::BTreeSet;

use anyhow::anyhow;
use manifest::Manifest;
use sbom::{Bill, Format};

pub use sbom::Subject;

use crate::words::failure::{Failure, Result};

/// Returns what a manifest says of its image, which has this file name.
pub fn subject<L>(manifest: &Manifest<L>, file: String) -> Subject {
    let image = manifest.image.as_ref();
    Subject {
        file,
        sha256: image.and_then(|image| image.sha256.clone()),
        time: image.and_then(|image| image.time).unwrap_or_default(),
    }
}

/// Makes the bill of an image of what its manifest says.
pub fn of<'a, L>(manifest: &'a Manifest<L>, subject: &'a Subject) -> Result<Bill<'a>> {
    Bill::new(manifest, subject).map_err(|problem| {
        let file = &subject.file;
        Failure::refused(anyhow!(
            "the manifest of {file} makes no bill of materials: {problem}"
        ))
        .hint("it is damaged, or by another program: build the image again")
    })
}

/// Writes a bill.
pub fn written(bill: &Bill<'_>, format: Format) -> Result<Vec<u8>> {
    let written = format.write(bill, env!("CARGO_PKG_VERSION"));
    written.map_err(|error| Failure::io("writing the bill of materials", error))
}

/// Writes the bills of an image; returns their file names and bytes.
pub fn all<L>(
    manifest: &Manifest<L>,
    image: &str,
    forms: &BTreeSet<Format>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let subject = subject(manifest, image.to_owned());
    let bill = of(manifest, &subject)?;
    let stem = image.strip_suffix(".raw").unwrap_or(image);
    let write = |form: &Format| Ok((format!("{stem}{}", form.suffix()), written(&bill, *form)?));
    forms.iter().map(write).collect()
}
