//! `sbom`: what an image is made of, in a form for other programs.

use std::path::Path;

use anyhow::anyhow;
use files::Links;
use image::squashfs::Image;
use manifest::Summary;
use sbom::Bill;

use crate::cli::SbomArguments;
use crate::inputs;
use crate::inspected::{beside, file_system, not_an_image, read_manifest};
use crate::publish::bills::{self, Subject};
use crate::report::Report;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Prints the bill of materials of an image, and says what its manifest does not.
pub fn run(arguments: &SbomArguments, report: &Report) -> Result<()> {
    let (manifest, subject) = read(&arguments.image)?;
    let bill = Bill::new(&manifest, &subject);
    for missing in bill.missing() {
        let path = arguments.image.display();
        let text = format!("the manifest of {path} does not say {}", missing.words());
        report.stage("missing", &text);
    }
    report.print_script(&bills::written(&bill, arguments.format.into())?)
}

/// Reads a manifest, and what it does not say of its image from that, if it is there.
fn read(path: &Path) -> Result<(Summary, Subject)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (manifest, stem) = match name.strip_suffix(manifest::SUFFIX) {
        Some(stem) => (read_manifest(path, Links::Follow)?, Some(stem)),
        None => {
            if let Some(failure) = not_an_image(path)? {
                return Err(failure.hint("name an image, or its manifest"));
            }
            (read_manifest(&beside(path), Links::Refuse)?, None)
        }
    };
    let manifest: Summary = manifest.ok_or_else(|| {
        let path = match stem {
            Some(_) => path.to_owned(),
            None => beside(path),
        };
        Failure::refused(anyhow!("{} is not there", path.display()))
            .hint("a bill of materials is made of the manifest that is written with an image")
    })?;
    let mut subject = bills::subject(
        &manifest,
        match stem {
            Some(stem) => format!("{stem}.raw"),
            None => name.clone().into_owned(),
        },
    );
    if stem.is_none() {
        add_facts(&mut subject, path)?;
    }
    let time = manifest.image.as_ref().and_then(|image| image.time);
    if time.is_none() && subject.time == 0 {
        subject.time = inputs::source_date_epoch()?.unwrap_or_default().into();
    }
    Ok((manifest, subject))
}

/// Adds what the image itself says, which must be the one of its manifest.
fn add_facts(subject: &mut Subject, path: &Path) -> Result<()> {
    let failed = |error| Failure::io(format!("reading {}", path.display()), error);
    let mut file = files::open(path, Links::Follow)?;
    let (_, digest) = sha256(&mut file).map_err(failed)?;
    let digest = hex::encode(digest);
    if let Some(said) = &subject.sha256
        && *said != digest
    {
        let text = anyhow!(
            "{} has the SHA-256 {digest}, and its manifest is about one with {said}",
            path.display()
        );
        return Err(Failure::refused(text).hint("build the image again, with its manifest"));
    }
    if subject.sha256.is_none() {
        let image = file_system(file)
            .ok()
            .and_then(|part| Image::open(part).ok());
        subject.time = image.map_or(0, |image| image.facts().mkfs_time.into());
    }
    subject.sha256 = Some(digest);
    Ok(())
}
