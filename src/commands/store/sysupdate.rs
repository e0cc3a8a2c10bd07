//! `store sysupdate`: definitions for the clients of a store, in the store and as an archive.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;
use store::{Definition, Delivery, Layout, StoreUrl};

use super::report_left_out;
use crate::cli::delivery::{Signed, SysupdateArguments};
use crate::inputs::source_date_epoch;
use crate::packages::trust;
use crate::publish::page::{self, Extension, Index};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;

#[derive(Serialize)]
struct Written<'a> {
    url: String,
    verify: bool,
    definitions: Vec<Row<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tarball: Option<&'a Path>,
    left_out: &'a [String],
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    directory: PathBuf,
}

/// Writes the definitions.
pub fn run(arguments: &SysupdateArguments, report: &Report) -> Result<()> {
    let url = StoreUrl::new(&arguments.url)
        .map_err(|problem| Failure::usage(format!("--url {:?} {problem}", arguments.url)))?;
    // Armored keys come as clients take them.
    let keyring = (arguments.keyring.clone())
        .map(|path| trust::keyring(&[path]).map(|keys| keys.to_binary()))
        .transpose()?;
    let reading = page::read(&arguments.directory, "", None)?;
    report_left_out(&reading.left_out, report);
    let verify = match arguments.signed {
        Signed::Auto => reading.index.signed,
        Signed::Yes => true,
        Signed::No => false,
    };
    let definitions = define(&reading.index, arguments, &url, verify)?;

    let mut rows = Vec::new();
    for definition in &definitions {
        let below = definition.directory_name();
        let directory = arguments.directory.join(&below);
        for (name, text) in definition.files() {
            store::replace_file_below(&arguments.directory, &below, &name, text.as_bytes())
                .map_err(store_failure)?;
        }
        rows.push(Row {
            name: definition.name(),
            directory,
        });
    }
    if let Some(path) = &arguments.tarball {
        let mut bytes = Vec::new();
        let time = source_date_epoch()?.unwrap_or(0);
        store::write_tarball(&definitions, keyring.as_deref(), time, &mut bytes)
            .map_err(|error| Failure::io(format!("writing {}", path.display()), error))?;
        store::replace_file(path, &bytes).map_err(store_failure)?;
    }

    report.stage(
        "sysupdate",
        &format!(
            "{} in {}, Verify={}",
            counted(rows.len(), "definition"),
            arguments.directory.display(),
            if verify { "yes" } else { "no" }
        ),
    );
    if let Some(path) = &arguments.tarball {
        report.stage("tarball", &path.display().to_string());
    }
    if !verify {
        report.stage(
            "note",
            "not-signed: clients check what they download against SHA256SUMS, and trust the web \
             server for SHA256SUMS",
        );
    }
    if report.is_json() {
        report.json(&Written {
            url: url.to_string(),
            verify,
            definitions: rows,
            tarball: arguments.tarball.as_deref(),
            left_out: &reading.left_out,
        });
    }
    Ok(())
}

/// Defines the extensions that are asked for, or all, in the order of their names.
fn define(
    index: &Index,
    arguments: &SysupdateArguments,
    url: &StoreUrl,
    verify: bool,
) -> Result<Vec<Definition>> {
    let wanted = &arguments.names;
    if let Some(missing) =
        (wanted.iter()).find(|name| !index.extensions.iter().any(|one| one.name == **name))
    {
        return Err(Failure::refused(anyhow!(
            "{} has no image of {missing:?}",
            arguments.directory.display()
        ))
        .hint("to list what it has: sysext-build store list DIR"));
    }
    let mut definitions: Vec<Definition> = Vec::new();
    for extension in &index.extensions {
        if !wanted.is_empty() && !wanted.contains(&extension.name) {
            continue;
        }
        let per_name = match extension.directory.strip_suffix('/') {
            None => false,
            Some(directory) if directory == extension.name => true,
            Some(directory) => {
                return Err(Failure::refused(anyhow!(
                    "{directory} has images of {:?}; definitions need directories that have the \
                     name of their extension",
                    extension.name
                )));
            }
        };
        let layout = layout_of(extension)?;
        let delivery = Delivery {
            url: url.clone(),
            per_name,
            ending: layout.pattern_ending(),
            verify,
            instances: arguments.instances,
        };
        let definition = Definition::new(&extension.name, &delivery)
            .map_err(|problem| Failure::usage(format!("{:?} {problem}", extension.name)))?;
        if definitions
            .iter()
            .any(|other| other.name() == definition.name())
        {
            return Err(Failure::refused(anyhow!(
                "images of {:?} are in two directories of the store",
                extension.name
            )));
        }
        definitions.push(definition);
    }
    Ok(definitions)
}

/// Returns the layout that the file names of an extension's images have.
fn layout_of(extension: &Extension) -> Result<Layout> {
    let Some(image) = extension.images.first() else {
        return Ok(Layout::default());
    };
    let architecture = image.architecture.as_deref().unwrap_or_default();
    let start = format!("{}-{}", extension.name, image.version);
    (image.file.strip_prefix(&start))
        .and_then(|suffix| Layout::of_suffix(suffix, architecture))
        .ok_or_else(|| {
            Failure::refused(anyhow!(
                "{}: no systemd-sysupdate pattern matches this file name",
                image.file
            ))
        })
}
