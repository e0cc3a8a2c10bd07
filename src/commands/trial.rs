//! `try`: runs a command in a base with images merged over it.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use architecture::Architecture;
use clients::{Client, Host, Outcome, Systemd};

use crate::base::{Base, PackageSource};
use crate::cli::TryArguments;
use crate::commands::hosts;
use crate::inputs;
use crate::inspected::InspectedImage;
use crate::report::Report;
use crate::trial::{self, Trial};
use crate::words::failure::{Failure, Result};

/// Becomes the command; returns only if that does not begin.
pub fn run(arguments: &TryArguments, report: &Report) -> Result<()> {
    // First of all: a process with threads can't.
    trial::enter(arguments.network)?;
    let path = (arguments.base.as_deref()).unwrap_or(Path::new("/"));
    let images = merged(path, arguments, report)?;
    let trial = Trial::begin(path, images, arguments.network)?;
    for note in &trial.notes {
        report.stage("note", note);
    }
    Err(trial.run(&arguments.command, inputs::terminal()))
}

/// Opens the images, each of which the newest client would merge on the base, and the companions next
/// to them.
fn merged(path: &Path, arguments: &TryArguments, report: &Report) -> Result<Vec<InspectedImage>> {
    let there = std::fs::metadata(path);
    there.map_err(|error| Failure::io(format!("reading {}", path.display()), error))?;
    if !path.join("usr/bin").is_dir() {
        let text = format!("{} is not a root directory with programs", path.display());
        return Err(Failure::usage(text));
    }
    let source = hosts::of(
        PackageSource::NoneOf(path.to_owned()),
        arguments.os_release.clone(),
    );
    let base = Base::open(&source)?;
    let mut images: Vec<InspectedImage> = Vec::new();
    for path in &arguments.images {
        let image = accepted(path, arguments.link.as_deref(), &base)?;
        let link = &image.facts.link;
        if images.iter().any(|other| other.facts.link == *link) {
            let text = format!("{}: another image is merged as {link}, too", path.display());
            return Err(Failure::usage(text));
        }
        images.push(image);
    }
    let mut companions = Vec::new();
    for image in images.iter().filter(|image| !image.is_companion()) {
        let link = store::companion_of(&image.facts.link);
        let is_named = |path: &PathBuf| images.iter().any(|other| other.path == *path);
        let found = image.companion_beside().filter(|path| !is_named(path));
        if let Some(path) = arguments.companion.as_ref().or(found.as_ref()) {
            companions.push(accepted(path, Some(&link), &base)?);
            let text = format!(
                "{}, which is next to its image, is merged, too",
                path.display()
            );
            report.stage("note", &text);
        }
    }
    images.extend(companions);
    Ok(images)
}

/// Opens an image that the newest client would merge on the base, under this name of its link.
fn accepted(path: &Path, link: Option<&str>, base: &Base) -> Result<InspectedImage> {
    let architecture = base.architecture.map(Architecture::systemd);
    let image = InspectedImage::open(path, false, link, architecture)?;
    let newest = match image.is_companion() {
        false => Client::Sysext(Systemd::V262),
        true => Client::Confext(Systemd::V262),
    };
    let host = Host {
        os_release: &base.os_release,
        architecture,
        is_initrd: false,
    };
    let verdict = clients::judge(newest, &image.facts, host);
    if verdict.outcome != Outcome::Accepted {
        let (outcome, words) = (verdict.outcome.word(), verdict.words);
        let text = anyhow!("{}: {outcome} by {newest}: {words}", path.display());
        return Err(Failure::refused(text));
    }
    Ok(image)
}
