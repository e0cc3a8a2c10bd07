//! `sbom`: what an image is made of, in a form for other programs.

use files::Links;
use image::squashfs::Image;

use crate::cli::SbomArguments;
use crate::inputs;
use crate::inspected::{Named, file_system};
use crate::publish::bills::{self, Subject};
use crate::report::Report;
use crate::words::failure::Result;

/// Prints the bill of materials of an image, and says what its manifest does not.
pub fn run(arguments: &SbomArguments, report: &Report) -> Result<()> {
    let named = Named::read(&arguments.image)?;
    let subject = subject(&named)?;
    let bill = bills::of(&named.manifest, &subject)?;
    for missing in bill.missing() {
        let path = arguments.image.display();
        let text = format!("the manifest of {path} does not say {}", missing.words());
        report.stage("missing", &text);
    }
    report.print_script(&bills::written(&bill, arguments.format.into())?)
}

/// Returns what a bill says of an image: what its manifest does not is read from the image, if that is
/// there.
fn subject(named: &Named) -> Result<Subject> {
    let mut subject = bills::subject(&named.manifest, named.file.clone());
    if let (Some(path), None) = (&named.path, &subject.sha256) {
        let image = file_system(files::open(path, Links::Follow)?).ok();
        let image = image.and_then(|part| Image::open(part).ok());
        subject.time = image.map_or(0, |image| image.facts().mkfs_time.into());
    }
    subject.sha256.clone_from(&named.sha256);
    let image = named.manifest.image.as_ref();
    if image.and_then(|image| image.time).is_none() && subject.time == 0 {
        subject.time = inputs::source_date_epoch()?.unwrap_or_default().into();
    }
    Ok(subject)
}
